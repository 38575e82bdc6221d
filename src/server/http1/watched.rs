//! A connection, with what serving it has to remember from one request to the next.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::budget::Reserved;
use crate::server::activity::Activity;

/// A stream that notes what parking has to know, with bytes that were read from it already.
pub(super) struct Watched<S> {
    pub(super) io: S,
    /// What was read of the next request.
    pub(super) prefix: Bytes,
    /// Leave to hold so much of it.
    pub(super) leave: Option<Reserved>,
    /// What hyper does with it.
    pub(super) activity: Arc<Activity>,
    /// Since when the first request is awaited; `None` once there was one.
    pub(super) awaited: Option<Instant>,
}

impl<S> Watched<S> {
    pub(super) fn new(io: S) -> Self {
        Self {
            io,
            prefix: Bytes::new(),
            leave: None,
            activity: Arc::default(),
            awaited: Some(Instant::now()),
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
            if self.prefix.is_empty() {
                // It would still hold the whole buffer it was cut from.
                (self.prefix, self.leave) = (Bytes::new(), None);
            }
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
