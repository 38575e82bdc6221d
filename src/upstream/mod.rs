//! The app: how it is reached, and one request sent to it.
//!
//! A request is sent at most once. Only one of which no byte was written (a pooled connection
//! that had died) is sent again, on a new connection.

mod answer;
mod assertion;
mod body;
mod chunked;
mod connect;
mod echo;
mod exchange;
mod head;
mod link;
mod pool;
mod sending;

use std::sync::Arc;
use std::time::{Duration, Instant};

use http::uri::PathAndQuery;
use http::{HeaderValue, Request, Response, Uri};

pub use answer::{AnswerBody, Broken};
pub use assertion::{Assertion, AssertionKeyError, Statement};
pub use body::Outgoing;
pub use link::Link;
pub use pool::Pool;

use self::exchange::Failed;
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

/// Sends the request and waits for the head of the answer. `now` is the time.
///
/// # Errors
///
/// `UpstreamUnreachable` when nothing was sent, `UpstreamTimeout` and `UpstreamFailed` when the
/// app may have received it, `BodyIncomplete` when the caller did not send all of it.
pub async fn send(
    settings: &Settings,
    pool: &Pool,
    mut request: Request<Outgoing>,
    now: Instant,
) -> Result<Response<AnswerBody>, Rejection> {
    if matches!(settings.target, Target::Echo) {
        return Box::pin(echo::answer(request)).await;
    }
    let deadline = now + settings.timeout;
    loop {
        // Boxed: what few requests need is no part of the state of every request.
        let (link, pooled) = match pool.take(now).await {
            Some(link) => (link, true),
            None => (Box::pin(connect::open(settings, deadline)).await?, false),
        };
        match exchange::exchange(link, pool, &mut request, deadline).await {
            Ok(response) => return Ok(response),
            Err(Failed::Unsent(body)) if pooled => *request.body_mut() = body,
            Err(Failed::Unsent(_)) => return Err(Rejection::UpstreamUnreachable),
            Err(Failed::Timeout) => return Err(Rejection::UpstreamTimeout),
            Err(Failed::Sent) => return Err(Rejection::UpstreamFailed),
            Err(Failed::Caller) => return Err(Rejection::BodyIncomplete),
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
