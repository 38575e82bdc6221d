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
/// With so many bytes a turn ends where requests are so dense, or with all that there was room for:
/// what has begun is served first. So it is until a whole turn's bytes were otherwise. With fewer the
/// library would not notice who resets what it has just begun: it counts streams that are reset before
/// they are served, and ends the connection of whoever has more than 20 of them.
const LITTLE: usize = 4096;
/// Units of a turn in the runtime, which does not tell.
const UNITS: usize = 128;

/// A stream whose reader gives others their turn by what it has read.
pub(super) struct Fair<S> {
    io: S,
    begun: Begun,
    /// Bytes that were read last.
    last: usize,
    /// Bytes since requests were dense.
    sparse: usize,
}

/// Requests that began since something was read.
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
        Self {
            io,
            begun,
            last: 0,
            sparse: 0,
        }
    }

    /// Whether many requests came with little lately.
    fn is_dense(&mut self) -> bool {
        let begun = self.begun.0.swap(0, Ordering::Relaxed);
        let last = std::mem::take(&mut self.last);
        if begun.saturating_mul(DENSE) > last {
            self.sparse = 0;
        } else {
            self.sparse = self.sparse.saturating_add(last);
        }
        self.sparse < TURN
    }
}

/// Makes the turn of this task so many units shorter, but for the last: what is to be sent is sent
/// before more is read.
fn spend(context: &mut Context<'_>, units: usize) {
    let mut last = None;
    for _ in 0..units {
        match poll_proceed(context) {
            Poll::Ready(unit) => {
                if let Some(before) = last.replace(unit) {
                    before.made_progress();
                }
            }
            // Dropped, the last one comes back.
            Poll::Pending => return,
        }
    }
    if let Some(last) = last {
        last.made_progress();
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Fair<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        // Asked here, as TLS may have something at hand and would not ask. The second unit is that of
        // a write.
        let unit = ready!(poll_proceed(context));
        drop(ready!(poll_proceed(context)));
        let (read, turn) = if self.is_dense() {
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
        unit.made_progress();
        self.last = read;
        spend(context, read.saturating_mul(UNITS) / turn.max(1));
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
        assert_eq!(longest_turn(|length| length.div_ceil(400)).await, LITTLE);
    }

    /// Else nothing would be answered before everything is read.
    #[tokio::test]
    async fn at_the_end_of_a_turn_something_can_be_written() {
        let mut stream = Fair::new(Endless, Begun::default());
        let unit = std::future::poll_fn(move |context| {
            let mut buffer = [0; 8192];
            let mut turn = 0;
            loop {
                let mut room = ReadBuf::new(&mut buffer);
                match Pin::new(&mut stream).poll_read(context, &mut room) {
                    Poll::Ready(_) => turn += room.filled().len(),
                    Poll::Pending => break,
                }
            }
            assert!((1..=TURN).contains(&turn), "{turn}");
            Poll::Ready(poll_proceed(context).is_ready())
        });
        assert!(tokio::spawn(unit).await.unwrap());
    }
}
