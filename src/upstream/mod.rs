//! The app: how it is reached, and one request sent to it.
//!
//! A request is sent at most once. Only one of which no byte was written (a pooled connection
//! that had died) is sent again, on a new connection.

mod assertion;
mod body;
mod connect;
mod echo;
mod pool;

use std::sync::Arc;
use std::time::{Duration, Instant};

use http::uri::PathAndQuery;
use http::{HeaderValue, Request, Response, Uri};
use hyper::body::Incoming;

pub use assertion::{Assertion, AssertionKeyError, Statement};
pub use body::Outgoing;
pub use pool::Pool;

use crate::rejection::Rejection;

/// Where the app listens.
#[derive(Debug, Clone)]
pub enum Target {
    /// The built-in app that answers with what it received.
    Echo,
    /// TCP, with TLS when there is a client configuration.
    Tcp {
        /// Name or address.
        host: String,
        /// Port.
        port: u16,
        /// TLS to the app: the configuration and the name its certificate must have.
        tls: Option<(
            Arc<rustls::ClientConfig>,
            rustls::pki_types::ServerName<'static>,
        )>,
    },
    /// A Unix socket.
    Unix(std::path::PathBuf),
}

/// Which Host the app sees.
#[derive(Debug, Clone)]
pub enum Host {
    /// A fixed one.
    Fixed(HeaderValue),
    /// The one the client sent.
    Preserve,
}

/// All settings of `[upstream]`.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where it listens.
    pub target: Target,
    /// As written, for messages.
    pub url: String,
    /// The path of `url`, put before every request's path; empty for none.
    pub base_path: String,
    /// Time for a connection, its TLS handshake included.
    pub connect_timeout: Duration,
    /// Time until the head of the answer.
    pub timeout: Duration,
    /// How long a connection may wait in the pool.
    pub pool_idle: Duration,
    /// Which Host it sees.
    pub host: Host,
    /// Signs a statement with every verified event.
    pub assertion: Option<Arc<Assertion>>,
}

/// The app's answer.
#[derive(Debug)]
pub enum Answer {
    /// From the app, its body still arriving.
    App(Response<Incoming>),
    /// From the built-in app.
    Echo(Response<bytes::Bytes>),
}

/// Sends the request, which is taken, and waits for the head of the answer. `now` is the time.
///
/// # Errors
///
/// `UpstreamUnreachable` when nothing was sent, `UpstreamTimeout` and `UpstreamFailed` when the
/// app may have received it; `Internal` without a request.
pub async fn send(
    settings: &Settings,
    pool: &Pool,
    request: &mut Option<Request<Outgoing>>,
    now: Instant,
) -> Result<Answer, Rejection> {
    if matches!(settings.target, Target::Echo) {
        let request = request.take().ok_or(Rejection::Internal)?;
        return Box::pin(echo::answer(request)).await.map(Answer::Echo);
    }
    match tokio::time::timeout(settings.timeout, exchange(settings, pool, request, now)).await {
        Ok(outcome) => outcome.map(Answer::App),
        Err(_) => Err(Rejection::UpstreamTimeout),
    }
}

async fn exchange(
    settings: &Settings,
    pool: &Pool,
    request: &mut Option<Request<Outgoing>>,
    now: Instant,
) -> Result<Response<Incoming>, Rejection> {
    loop {
        // Boxed: what few requests need is no part of the state of every request.
        let (mut sender, pooled) = match pool.take(now).await {
            Some(sender) => (sender, true),
            None => (Box::pin(connect::open(settings)).await?, false),
        };
        let taken = request.take().ok_or(Rejection::Internal)?;
        match sender.try_send_request(taken).await {
            Ok(response) => {
                pool.give_back(sender);
                return Ok(response);
            }
            Err(mut error) => match error.take_message() {
                Some(unsent) if pooled => *request = Some(unsent),
                Some(_) => return Err(Rejection::UpstreamUnreachable),
                None => return Err(Rejection::UpstreamFailed),
            },
        }
    }
}

/// The request target for the app: its base path, then the path and query as they came.
pub fn request_target(settings: &Settings, path: &str, query: Option<&str>) -> Option<Uri> {
    let mut target = String::with_capacity(settings.base_path.len() + path.len() + 1);
    target.push_str(&settings.base_path);
    target.push_str(path);
    if let Some(query) = query {
        target.push('?');
        target.push_str(query);
    }
    PathAndQuery::try_from(target).ok().map(Uri::from)
}
