//! A connection to the app, and what was read from it ahead.

use std::fmt;
use std::io::{self, IoSlice};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker, ready};
use std::time::Instant;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

/// Room for the head of most answers, and for all of a short one.
const SHORT_READ: usize = 4 * 1024;
/// Room for a piece of a long one.
const LONG_READ: usize = 16 * 1024;

/// With less room than this nothing is read.
const LITTLE: usize = 512;

/// What a connection is made of: TCP or a Unix socket, with or without TLS.
pub(super) trait Io: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Io for S {}

/// A connection to the app.
pub struct Link {
    io: Box<dyn Io>,
    /// What was read and is not used yet.
    pub(super) ahead: BytesMut,
    /// Ends the wait for an answer. One for all requests of the connection: setting a timer later is
    /// cheap, a new one is not.
    timer: Pin<Box<Sleep>>,
}

impl Link {
    pub(super) fn new(io: impl Io + 'static, now: Instant) -> Self {
        Self {
            io: Box::new(io),
            ahead: BytesMut::new(),
            timer: Box::pin(tokio::time::sleep_until(now.into())),
        }
    }

    /// Reads more of what the app sends: the number of bytes, 0 at the end.
    pub(super) fn poll_read_more(&mut self, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if self.ahead.capacity() - self.ahead.len() < LITTLE {
            // An answer that fills the room for short ones is none of them.
            let room = match self.ahead.len() {
                0 => SHORT_READ,
                _ => LONG_READ,
            };
            self.ahead.reserve(room);
        }
        // It keeps no state: what it has read is in the buffer.
        pin!(self.io.read_buf(&mut self.ahead)).poll(context)
    }

    /// Makes room for many bytes at once.
    pub(super) fn expect_long(&mut self) {
        if self.ahead.capacity() - self.ahead.len() < SHORT_READ {
            self.ahead.reserve(LONG_READ);
        }
    }

    pub(super) fn poll_write(
        &mut self,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match ready!(Pin::new(&mut self.io).poll_write_vectored(context, slices)) {
            Ok(0) => Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
            outcome => Poll::Ready(outcome),
        }
    }

    /// TLS takes more than the socket does and keeps the rest.
    pub(super) fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(context)
    }

    /// Until when [`Self::poll_timer`] waits.
    pub(super) fn set_timer(&mut self, deadline: Instant) {
        self.timer.as_mut().reset(deadline.into());
    }

    /// Whatever else the task has done in its turn: an app that never stops talking must not put
    /// its time-out off.
    pub(super) fn poll_timer(&mut self, context: &mut Context<'_>) -> Poll<()> {
        pin!(tokio::task::coop::unconstrained(&mut self.timer)).poll(context)
    }

    /// Whether the app has neither hung up nor said what nobody asked for.
    pub(super) fn is_quiet(&mut self) -> bool {
        let mut context = Context::from_waker(Waker::noop());
        let mut byte = [0];
        let mut buffer = ReadBuf::new(&mut byte);
        self.ahead.is_empty()
            && Pin::new(&mut self.io)
                .poll_read(&mut context, &mut buffer)
                .is_pending()
    }

    /// Gives the room for answers back.
    pub(super) fn rest(&mut self) {
        if self.ahead.is_empty() {
            self.ahead = BytesMut::new();
        }
    }
}

/// After an upgrade it is a stream like any other.
impl AsyncRead for Link {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.ahead.is_empty() {
            return Pin::new(&mut self.io).poll_read(context, buffer);
        }
        let length = self.ahead.len().min(buffer.remaining());
        buffer.put_slice(&self.ahead.split_to(length));
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Link {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(context)
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").finish_non_exhaustive()
    }
}
