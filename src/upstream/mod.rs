//! The app: how it is reached, and one request sent to it.
//!
//! A request is sent at most once. Only one of which no byte was written (a pooled connection
//! that had died) is sent again, on a new connection.

mod answer;
mod assertion;
mod body;
pub(crate) mod chunked;
mod connect;
mod echo;
mod exchange;
mod head;
mod link;
mod pool;
mod request;
mod sending;

use std::sync::Arc;
use std::time::{Duration, Instant};

use http::uri::PathAndQuery;
use http::{HeaderValue, Response};

pub use answer::{AnswerBody, Broken};
pub use assertion::{Assertion, AssertionKeyError, Statement};
pub use body::Outgoing;
pub use link::Link;
pub use pool::Pool;
pub use request::{Head, Request};

use self::exchange::Failed;
use self::sending::Sending;
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
    request: Request,
    now: Instant,
) -> Result<Response<AnswerBody>, Rejection> {
    if matches!(settings.target, Target::Echo) {
        return Box::pin(echo::answer(request)).await;
    }
    let deadline = now + settings.timeout;
    let Request { method, head, body } = request;
    let mut sending = Sending::new(head, body);
    loop {
        // Boxed: what few requests need is no part of the state of every request.
        let (link, pooled) = match pool.take(now).await {
            Some(link) => (link, true),
            None => (Box::pin(connect::open(settings, deadline)).await?, false),
        };
        match exchange::exchange(link, sending, &method, deadline).await {
            Ok((exchange, head)) => return Ok(answer::answered(exchange, head, pool)),
            Err(Failed::Unsent(unsent)) if pooled => sending = unsent,
            Err(Failed::Unsent(_)) => return Err(Rejection::UpstreamUnreachable),
            Err(Failed::Timeout) => return Err(Rejection::UpstreamTimeout),
            Err(Failed::Sent) => return Err(Rejection::UpstreamFailed),
            Err(Failed::Caller) => return Err(Rejection::BodyIncomplete),
        }
    }
}

/// The request target for the app: its base path, then the path and query as they came; `None`
/// where that is none.
pub fn request_target(settings: &Settings, path: &str, query: Option<&str>) -> Option<String> {
    let mut target = String::with_capacity(settings.base_path.len() + path.len() + 1);
    target.push_str(&settings.base_path);
    target.push_str(path);
    if let Some(query) = query {
        target.push('?');
        target.push_str(query);
    }
    // No byte of it may end the line it is written into.
    PathAndQuery::try_from(&*target).is_ok().then_some(target)
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::pin::Pin;
    use std::task::{Context, Poll};

    use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};
    use tokio::net::TcpListener;

    use super::*;

    /// A connection that looks alive and takes nothing.
    struct Dead;

    impl AsyncRead for Dead {
        fn poll_read(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
            _: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            Poll::Pending
        }
    }

    impl AsyncWrite for Dead {
        fn poll_write(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
            _: &[u8],
        ) -> Poll<io::Result<usize>> {
            Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    fn settings(port: u16) -> Settings {
        let second = Duration::from_secs(5);
        Settings {
            target: Target::Tcp {
                host: "127.0.0.1".into(),
                port,
                tls: None,
            },
            url: String::new(),
            base_path: String::new(),
            connect_timeout: second,
            timeout: second,
            pool_idle: second,
            host: Host::Preserve,
            assertion: None,
        }
    }

    #[tokio::test]
    async fn what_a_dead_connection_did_not_take_is_sent_whole_on_a_new_one() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let settings = settings(listener.local_addr().unwrap().port());
        let pool = Pool::default();
        for _ in 0..2 {
            pool.put(Link::new(Dead, Instant::now()));
        }
        let head = Head::new(http::Method::POST, "/", b"app");
        let body = Outgoing::whole(vec!["first ".into(), "second".into()]);
        let sent = send(&settings, &pool, head.with_body(body), Instant::now());
        let app = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut text = vec![0; 1024];
            let mut length = 0;
            while !text[..length].ends_with(b"second") {
                length += stream.read(&mut text[length..]).await.unwrap();
            }
            stream
                .write_all(b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n")
                .await
                .unwrap();
            String::from_utf8(text[..length].to_vec()).unwrap()
        };
        let (answer, received) = tokio::join!(sent, app);
        assert_eq!(answer.unwrap().status(), 201);
        assert!(
            received.contains("content-length: 12\r\n\r\nfirst second"),
            "{received}"
        );
    }

    #[tokio::test]
    async fn what_a_new_connection_does_not_take_is_not_sent_again() {
        let head = Head::new(http::Method::POST, "/", b"app");
        let sending = Sending::new(
            head.with_body(Outgoing::default()).head,
            Outgoing::default(),
        );
        let link = Link::new(Dead, Instant::now());
        let deadline = Instant::now() + Duration::from_secs(5);
        let outcome = exchange::exchange(link, sending, &http::Method::POST, deadline).await;
        assert!(matches!(outcome, Err(Failed::Unsent(_))));
    }

    #[tokio::test]
    async fn an_app_that_answers_before_it_has_read_all_still_gets_the_rest() {
        const LENGTH: usize = 8 << 20;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let settings = settings(listener.local_addr().unwrap().port());
        let (answered, seen) = tokio::sync::oneshot::channel::<()>();
        let app = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut text = vec![0; 1024];
            let mut total = stream.read(&mut text).await.unwrap();
            let end = text
                .windows(4)
                .position(|bytes| bytes == b"\r\n\r\n")
                .unwrap();
            let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
            stream.write_all(answer).await.unwrap();
            seen.await.unwrap();
            let mut rest = vec![0; 1 << 20];
            while total < end + 4 + LENGTH {
                match stream.read(&mut rest).await.unwrap() {
                    0 => break,
                    length => total += length,
                }
            }
            total - end - 4
        });
        let pool = Pool::default();
        let head = Head::new(http::Method::POST, "/", b"app");
        let body = Outgoing::whole(vec![vec![b'x'; LENGTH].into()]);
        let sent = send(&settings, &pool, head.with_body(body), Instant::now());
        assert_eq!(sent.await.unwrap().status(), 200);
        answered.send(()).unwrap();
        assert_eq!(app.await.unwrap(), LENGTH);
    }

    /// Talks without an end, and never answers.
    struct Talker(&'static [u8]);

    impl AsyncRead for Talker {
        fn poll_read(
            self: Pin<&mut Self>,
            context: &mut Context<'_>,
            buffer: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            let turn = std::task::ready!(tokio::task::coop::poll_proceed(context));
            turn.made_progress();
            buffer.put_slice(self.0);
            Poll::Ready(Ok(()))
        }
    }

    impl AsyncWrite for Talker {
        fn poll_write(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            Poll::Ready(Ok(bytes.len()))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    #[tokio::test]
    async fn an_app_that_never_stops_talking_is_not_listened_to_for_ever() {
        let head = Head::new(http::Method::POST, "/", b"app");
        let request = head.with_body(Outgoing::default());
        let sending = Sending::new(request.head, request.body);
        let link = Link::new(Talker(b"HTTP/1.1 103 Early Hints\r\n\r\n"), Instant::now());
        let deadline = Instant::now() + Duration::from_millis(50);
        let outcome = exchange::exchange(link, sending, &http::Method::POST, deadline).await;
        assert!(matches!(outcome, Err(Failed::Timeout)));
    }
}
