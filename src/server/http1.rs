//! HTTP/1.1. A connection that waits for its next request gives its buffers up: it is parked as a
//! bare socket until a byte arrives, so that thousands of idle ones cost next to nothing, and a
//! kept-alive one may wait longer than a request head may take.

use std::convert::Infallible;
use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::time::Instant;

use super::activity::{Activity, Heads, Live, Progress, Sight, Tracked, Turn};
use super::connection::Session;
use super::seldom::Seldom;

/// How many headers hyper allows where it is told nothing.
const HYPER_HEADERS: usize = 100;
/// A connection without a request for so long, twice at most, is parked.
const PARK_AFTER: Duration = Duration::from_millis(500);
/// Bytes read at once. Each busy connection has a buffer of this size, or up to twice that, beside
/// the body.
const READ_SIZE: usize = 16 * 1024;
/// The same for a few connections: it saves a tenth of what a large body costs.
const LARGE_READ_SIZE: usize = 64 * 1024;
/// The busy connections that may read so much at once, of all together: with more of them, 256 bodies
/// of 1 MiB would take more than 16 MiB beside their size.
pub(super) const LARGE_READERS: usize = 32;
/// What a caller still sends after its answer is read and thrown away, for so long and so much at
/// most, until it has sent nothing for a while.
const HEAR_OUT: Duration = Duration::from_secs(2);
const HEAR_OUT_BYTES: usize = 16 << 20;
const SILENCE: Duration = Duration::from_millis(500);
const SILENCE_WHILE_DRAINING: Duration = Duration::from_millis(20);

/// Serves one connection to its end.
pub(super) async fn serve<S>(session: &Session, stream: S)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut stream = Watched::new(stream);
    loop {
        // Boxed, so that a parked connection keeps no room for the state of a busy one.
        match Box::pin(busy(session, stream)).await {
            After::Idle(idle) => match parked(session, idle).await {
                Some(awake) => stream = awake,
                None => return,
            },
            After::Answered(answered) => return Box::pin(hear_out(session, answered)).await,
            After::Over => return,
        }
    }
}

/// How the service of requests ended.
enum After<S> {
    /// There is no request now.
    Idle(Watched<S>),
    /// We have ended the connection, and the caller may not have noticed yet.
    Answered(Watched<S>),
    /// Nobody is there any more, or somebody else has the connection.
    Over,
}

/// What is said to a connection that is busy.
enum Beside {
    /// It is time to see how its requests get on.
    Look,
    /// The process was told to stop.
    Stop,
}

/// Serves requests until there is none for a while, or the connection ends.
async fn busy<S>(session: &Session, stream: Watched<S>) -> After<S>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let gate = session.gate();
    let (limits, app_timeout) = (gate.limits.clone(), gate.upstream.timeout);
    drop(gate);
    let large = session.large_reader();
    let read_size = match large {
        Some(_) => LARGE_READ_SIZE,
        None => READ_SIZE,
    };
    let activity = stream.activity.clone();
    let progress = Arc::new(Progress::default());
    let service = service_fn(|request: Request<Incoming>| {
        let (live, progress) = (Live::new(activity.clone()), progress.clone());
        session.respond(request, |response| {
            Ok::<_, Infallible>(Tracked::response(response, live, progress))
        })
    });
    let mut builder = hyper::server::conn::http1::Builder::new();
    if limits.header_count != HYPER_HEADERS {
        // Even where it is the same number, naming it costs every request.
        builder.max_headers(limits.header_count);
    }
    builder
        // Taken in the loop below: a timer for each head would cost more than reading it.
        .header_read_timeout(None)
        .max_header_size(limits.header_bytes)
        .max_buf_size(read_size.max(limits.header_bytes))
        // A caller that has sent all it will send still gets its answer.
        .half_close(true);
    let mut serving = builder
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    // Often enough for every time that is taken at a look.
    let shortest = limits.header_timeout.min(limits.body_timeout);
    let look_after = PARK_AFTER.min(shortest / 4);
    let mut draining = Some(Box::pin(session.draining()));
    let mut look = pin!(tokio::time::sleep(look_after));
    let mut beside = Seldom::new(poll_fn(|context| {
        if let Some(signal) = &mut draining
            && signal.as_mut().poll(context).is_ready()
        {
            draining = None;
            return Poll::Ready(Beside::Stop);
        }
        ready!(look.as_mut().poll(context));
        look.as_mut().reset(Instant::now() + look_after);
        Poll::Ready(Beside::Look)
    }));
    let mut seen = 0;
    let mut heads = Heads::new(&activity);
    let mut sight = Sight::new(progress.clone());
    let mut stopping = false;
    let ended = loop {
        tokio::select! {
            biased;
            ended = &mut serving => break Some(ended),
            said = &mut beside => match said {
                Beside::Stop => {
                    stopping = true;
                    Pin::new(&mut serving).graceful_shutdown();
                }
                Beside::Look => {
                    if heads.awaited(&activity) >= limits.header_timeout {
                        return After::Over;
                    }
                    if !stopping && activity.is_idle_since(&mut seen) {
                        break None;
                    }
                    if matches!(sight.look(), (Turn::App, waited) if waited >= app_timeout) {
                        progress.give_up();
                    }
                }
            },
        }
    };
    let Some(parts) = serving.into_parts() else {
        return After::Over;
    };
    let mut stream = parts.io.into_inner();
    match ended {
        None => {
            // Empty, it would still hold the whole buffer it was cut from.
            if !parts.read_buf.is_empty() {
                stream.prefix = parts.read_buf;
            }
            After::Idle(stream)
        }
        Some(Err(error)) if !error.is_parse() => After::Over,
        Some(_) if activity.slow.load(Ordering::Relaxed) => After::Over,
        Some(_) => After::Answered(stream),
    }
}

/// Reads what the caller sends without having seen its answer. A socket that is closed with unread
/// bytes resets the connection, and the answer is lost on a caller that writes all it has before it
/// reads (RFC 9112 §9.6).
async fn hear_out<S>(session: &Session, mut stream: Watched<S>)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let silence = if session.is_draining() {
        SILENCE_WHILE_DRAINING
    } else {
        SILENCE
    };
    let hearing = async {
        // The other end may be gone already.
        drop(stream.io.shutdown().await);
        let (mut buffer, mut heard) = (vec![0; 16 * 1024], 0_usize);
        while heard < HEAR_OUT_BYTES
            && let Ok(Ok(length @ 1..)) =
                tokio::time::timeout(silence, stream.io.read(&mut buffer)).await
        {
            heard = heard.saturating_add(length);
        }
    };
    drop(tokio::time::timeout(HEAR_OUT, hearing).await);
}

/// Waits for the first byte of the next request; `None` when the connection ends instead.
async fn parked<S>(session: &Session, mut stream: Watched<S>) -> Option<Watched<S>>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    if !stream.prefix.is_empty() {
        return Some(stream);
    }
    let time = session.gate().limits.idle_timeout;
    let mut first = [0];
    let arrived = tokio::select! {
        read = tokio::time::timeout(time, stream.io.read(&mut first)) => {
            matches!(read, Ok(Ok(1)))
        }
        () = session.draining() => false,
    };
    if !arrived {
        // The other end may be gone already.
        drop(stream.io.shutdown().await);
        return None;
    }
    stream.prefix = Bytes::copy_from_slice(&first);
    Some(stream)
}

/// A stream that notes what parking has to know, with bytes that were read from it already.
struct Watched<S> {
    io: S,
    prefix: Bytes,
    activity: Arc<Activity>,
}

impl<S> Watched<S> {
    fn new(io: S) -> Self {
        Self {
            io,
            prefix: Bytes::new(),
            activity: Arc::default(),
        }
    }

    fn wrote<T>(&self, outcome: Poll<T>) -> Poll<T> {
        let stuck = &self.activity.stuck;
        stuck.store(outcome.is_pending(), Ordering::Relaxed);
        outcome
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let outcome = if self.prefix.is_empty() {
            Pin::new(&mut self.io).poll_read(context, buffer)
        } else {
            let length = self.prefix.len().min(buffer.remaining());
            buffer.put_slice(&self.prefix.split_to(length));
            Poll::Ready(Ok(()))
        };
        if buffer.filled().len() > before {
            self.activity.unread.store(true, Ordering::Relaxed);
        }
        outcome
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.io).poll_write(context, bytes);
        self.wrote(outcome)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        // TLS takes more than the socket does and keeps the rest.
        let outcome = Pin::new(&mut self.io).poll_flush(context);
        self.wrote(outcome)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.io).poll_write_vectored(context, slices);
        self.wrote(outcome)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }
}
