//! HTTP/1.1. A connection that waits for its next request gives its buffers up: it is parked as a
//! bare socket until a byte arrives, so that thousands of idle ones cost next to nothing, and a
//! kept-alive one may wait longer than a request head may take.

use std::convert::Infallible;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};

use super::connection::Session;
use crate::proxy::ResponseBody;

/// How many headers hyper allows where it is told nothing.
const HYPER_HEADERS: usize = 100;
/// A connection without a request for so long, twice at most, is parked.
const PARK_AFTER: Duration = Duration::from_millis(500);
/// A parked connection is closed after so long, as nginx does. Senders keep theirs for a minute,
/// and seldom repeat a POST that met a closing connection.
pub(super) const KEEP_ALIVE: Duration = Duration::from_secs(75);

/// Serves one connection to its end.
pub(super) async fn serve<S>(session: &Session, stream: S)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut stream = Watched::new(stream);
    // Boxed, so that a parked connection keeps no room for the state of a busy one.
    while let Some(idle) = Box::pin(busy(session, stream)).await {
        match parked(session, idle).await {
            Some(awake) => stream = awake,
            None => return,
        }
    }
}

/// Serves requests until there is none for a while; `None` at the end of the connection.
async fn busy<S>(session: &Session, stream: Watched<S>) -> Option<Watched<S>>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let limits = session.limits();
    let activity = stream.activity.clone();
    let service = service_fn(|request: Request<Incoming>| {
        let live = Live::new(activity.clone());
        session.respond(request, |response| {
            Ok::<_, Infallible>(Tracked::response(response, live))
        })
    });
    let mut builder = hyper::server::conn::http1::Builder::new();
    if limits.header_count != HYPER_HEADERS {
        // Even where it is the same number, naming it costs every request.
        builder.max_headers(limits.header_count);
    }
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_timeout)
        .max_header_size(limits.header_bytes)
        // A caller that has sent all it will send still gets its answer.
        .half_close(true);
    let mut serving = builder
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let mut draining = pin!(session.draining());
    // In any case before the time for the next head is over.
    let park_after = PARK_AFTER.min(limits.header_timeout / 4);
    let mut seen = 0;
    loop {
        tokio::select! {
            biased;
            _ = &mut serving => return None,
            () = &mut draining => {
                Pin::new(&mut serving).graceful_shutdown();
                drop(serving.await);
                return None;
            }
            () = tokio::time::sleep(park_after) => {
                if activity.is_idle_since(&mut seen) {
                    break;
                }
            }
        }
    }
    let parts = serving.into_parts()?;
    let mut stream = parts.io.into_inner();
    stream.prefix = parts.read_buf;
    Some(stream)
}

/// Waits for the first byte of the next request; `None` when the connection ends instead.
async fn parked<S>(session: &Session, mut stream: Watched<S>) -> Option<Watched<S>>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    if !stream.prefix.is_empty() {
        return Some(stream);
    }
    let mut first = [0];
    let arrived = tokio::select! {
        read = tokio::time::timeout(KEEP_ALIVE, stream.io.read(&mut first)) => {
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

/// What happens on a connection, as far as parking has to know.
#[derive(Debug, Default)]
pub(super) struct Activity {
    /// Requests so far.
    begun: AtomicUsize,
    /// Requests whose answer is not sent yet.
    live: AtomicUsize,
    /// Bytes have come since the last answer: the next head is on its way.
    unread: AtomicBool,
    /// The last write or flush found no room: an answer is still in a buffer of hyper's or of TLS.
    stuck: AtomicBool,
}

impl Activity {
    /// Whether no request has begun since the last look, and none is being answered.
    pub(super) fn is_quiet_since(&self, seen: &mut usize) -> bool {
        let begun = self.begun.load(Ordering::Relaxed);
        std::mem::replace(seen, begun) == begun && self.live.load(Ordering::Relaxed) == 0
    }

    /// Whether nothing has happened since the last look. A connection without any request yet is
    /// never idle: its head is being timed.
    fn is_idle_since(&self, seen: &mut usize) -> bool {
        self.is_quiet_since(seen)
            && *seen > 0
            && !self.unread.load(Ordering::Relaxed)
            && !self.stuck.load(Ordering::Relaxed)
    }
}

/// A request whose answer is not sent yet.
pub(super) struct Live(Arc<Activity>);

impl Live {
    pub(super) fn new(activity: Arc<Activity>) -> Self {
        activity.begun.fetch_add(1, Ordering::Relaxed);
        activity.live.fetch_add(1, Ordering::Relaxed);
        Self(activity)
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.0.live.fetch_sub(1, Ordering::Relaxed);
        self.0.unread.store(false, Ordering::Relaxed);
    }
}

/// The body of an answer, which ends its request.
pub(super) struct Tracked {
    body: ResponseBody,
    _live: Live,
}

impl Tracked {
    pub(super) fn response(response: Response<ResponseBody>, live: Live) -> Response<Self> {
        response.map(|body| Self { body, _live: live })
    }
}

impl Body for Tracked {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
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
