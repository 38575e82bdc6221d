//! A connection's share of its core. The runtime ends a task's turn after so many reads, however
//! much each of them brought: a megabyte of the smallest frames is 100,000 of them to answer, during
//! which nobody else on the core is served.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::task::coop::poll_proceed;

/// A turn ends with so many bytes that were read.
const TURN: usize = 16 * 1024;
/// Bytes of a request below which it is its requests, not its bytes, that a connection keeps the
/// core busy with.
const DENSE: usize = 512;
/// With so many bytes of such requests a turn ends as well, or with all that there was room for: what
/// has begun is served first.
const LITTLE: usize = 1024;
/// Units of a turn in the runtime.
const UNITS: usize = 128;

/// A stream whose reader gives others their turn by what it has read.
pub(super) struct Fair<S> {
    io: S,
    begun: Begun,
    /// Bytes that were read last.
    last: usize,
}

/// Requests that began with what was read last.
#[derive(Clone, Debug, Default)]
pub(super) struct Begun(Arc<AtomicUsize>);

impl Begun {
    /// One more.
    pub(super) fn count(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl<S> Fair<S> {
    pub(super) fn new(io: S, begun: Begun) -> Self {
        Self { io, begun, last: 0 }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Fair<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        // TLS may have something at hand, and would not look whether the turn is over.
        let unit = ready!(poll_proceed(context));
        let dense = self.begun.0.load(Ordering::Relaxed).saturating_mul(DENSE) >= self.last;
        let (read, turn) = if dense {
            let mut little = [0; LITTLE];
            let room = little.get_mut(..buffer.remaining().min(LITTLE));
            let mut little = ReadBuf::new(room.unwrap_or_default());
            ready!(Pin::new(&mut self.io).poll_read(context, &mut little))?;
            buffer.put_slice(little.filled());
            (little.filled().len(), little.capacity())
        } else {
            let before = buffer.filled().len();
            ready!(Pin::new(&mut self.io).poll_read(context, buffer))?;
            (buffer.filled().len().saturating_sub(before), TURN)
        };
        self.begun.0.store(0, Ordering::Relaxed);
        self.last = read;
        unit.made_progress();
        for _ in 0..read.saturating_mul(UNITS) / turn.max(1) {
            match poll_proceed(context) {
                Poll::Ready(spent) => spent.made_progress(),
                Poll::Pending => break,
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Fair<S> {
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

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt as _;

    use super::*;

    /// Never lets a reader wait.
    struct Endless;

    impl AsyncRead for Endless {
        fn poll_read(
            self: Pin<&mut Self>,
            _context: &mut Context<'_>,
            buffer: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            buffer.put_slice(&[0; 8192][..buffer.remaining()]);
            Poll::Ready(Ok(()))
        }
    }

    /// The most bytes that are read in one turn, when with each read so many requests begin.
    async fn longest_turn(requests: impl Fn(usize) -> usize + Send + 'static) -> usize {
        let read = Arc::new(AtomicUsize::new(0));
        let reading = tokio::spawn({
            let (read, begun) = (read.clone(), Begun::default());
            let mut stream = Fair::new(Endless, begun.clone());
            async move {
                let (mut buffer, mut total) = ([0; 8192], 0);
                while total < 1 << 20 {
                    let length = stream.read(&mut buffer).await.unwrap();
                    total += length;
                    read.fetch_add(length, Ordering::Relaxed);
                    (0..requests(length)).for_each(|_| begun.count());
                }
            }
        });
        let mut longest = 0;
        while !reading.is_finished() {
            tokio::task::yield_now().await;
            longest = longest.max(read.swap(0, Ordering::Relaxed));
        }
        longest
    }

    #[tokio::test]
    async fn a_turn_ends_with_what_was_read() {
        assert_eq!(longest_turn(|_| 0).await, TURN);
        // A request of 4 KiB is no burden beyond its bytes.
        assert_eq!(longest_turn(|length| length / 4096).await, TURN);
    }

    #[tokio::test]
    async fn a_turn_ends_sooner_where_many_requests_begin() {
        assert_eq!(longest_turn(|length| length.div_ceil(100)).await, LITTLE);
        assert_eq!(longest_turn(|length| length / DENSE).await, LITTLE);
    }
}
