//! A stream socket of either kind, with bytes that were read from it already, and a limit to how
//! long the other end may take nothing of what is written.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{BufMut as _, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::{Instant, Sleep};

/// Pieces that are no longer together are copied and sent as one: that costs less than to tell the
/// system of several.
const SMALL: usize = 2048;

/// A connected socket.
#[derive(Debug)]
pub struct Socket {
    /// What was read to find out what speaks, and has to be read again.
    prefix: Bytes,
    kind: Kind,
    stall: Option<Stall>,
}

/// How long a write may wait for the other end.
#[derive(Debug)]
struct Stall {
    limit: Duration,
    /// There once a write has had to wait: most never do.
    timer: Option<Pin<Box<Sleep>>>,
    waiting: bool,
}

#[derive(Debug)]
enum Kind {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Socket {
    /// Breaks the connection when a write has waited so long.
    #[must_use]
    pub fn with_stall(mut self, limit: Duration) -> Self {
        self.stall = Some(Stall {
            limit,
            timer: None,
            waiting: false,
        });
        self
    }

    /// The outcome of a write, or the end of the patience with it.
    fn timed(
        &mut self,
        context: &mut Context<'_>,
        outcome: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        let Some(stall) = &mut self.stall else {
            return outcome;
        };
        if outcome.is_ready() {
            stall.waiting = false;
            return outcome;
        }
        ready!(stall.poll(context));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }

    /// Puts bytes back in front of what will be read.
    #[must_use]
    pub fn with_prefix(mut self, prefix: Bytes) -> Self {
        // Of an earlier prefix some may be left: it comes after.
        self.prefix = if self.prefix.is_empty() {
            prefix
        } else {
            [prefix, self.prefix].concat().into()
        };
        self
    }
}

impl Stall {
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let limit = self.limit;
        let timer = self
            .timer
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(limit)));
        if !std::mem::replace(&mut self.waiting, true) {
            let Some(deadline) = Instant::now().checked_add(limit) else {
                return Poll::Pending;
            };
            timer.as_mut().reset(deadline);
        }
        timer.as_mut().poll(context)
    }
}

impl From<TcpStream> for Socket {
    fn from(stream: TcpStream) -> Self {
        Self {
            prefix: Bytes::new(),
            kind: Kind::Tcp(stream),
            stall: None,
        }
    }
}

impl From<UnixStream> for Socket {
    fn from(stream: UnixStream) -> Self {
        Self {
            prefix: Bytes::new(),
            kind: Kind::Unix(stream),
            stall: None,
        }
    }
}

macro_rules! delegate {
    ($socket:expr, $method:ident $(, $argument:expr)*) => {
        match &mut $socket.kind {
            Kind::Tcp(stream) => Pin::new(stream).$method($($argument),*),
            Kind::Unix(stream) => Pin::new(stream).$method($($argument),*),
        }
    };
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.prefix.is_empty() {
            let length = self.prefix.len().min(buffer.remaining());
            buffer.put_slice(&self.prefix.split_to(length));
            return Poll::Ready(Ok(()));
        }
        delegate!(self, poll_read, context, buffer)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let outcome = delegate!(self, poll_write, context, bytes);
        self.timed(context, outcome)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        delegate!(self, poll_flush, context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        delegate!(self, poll_shutdown, context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if let [only] = slices {
            return self.poll_write(context, only);
        }
        let length = slices
            .iter()
            .fold(0_usize, |sum, slice| sum.saturating_add(slice.len()));
        if length <= SMALL {
            let mut together = [0; SMALL];
            let mut room = &mut together[..];
            for slice in slices {
                room.put_slice(slice);
            }
            let together = together.get(..length).unwrap_or_default();
            return self.poll_write(context, together);
        }
        let outcome = delegate!(self, poll_write_vectored, context, slices);
        self.timed(context, outcome)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use std::io::IoSlice;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    #[tokio::test]
    async fn pieces_arrive_in_their_order_however_long_they_are() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let mut socket = Socket::from(ours);
        for length in [0, 1, SMALL / 2 - 1, SMALL / 2, SMALL / 2 + 1, SMALL, 9000] {
            let pieces = [vec![b'a'; length], Vec::new(), vec![b'b'; length]];
            let slices: Vec<_> = pieces.iter().map(|piece| IoSlice::new(piece)).collect();
            let written = socket.write_vectored(&slices).await.unwrap();
            assert_eq!(written, 2 * length);
            let mut read = vec![0; written];
            theirs.read_exact(&mut read).await.unwrap();
            assert_eq!(read, pieces.concat());
        }
    }
}
