//! A request on its way to the app.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, Bytes};
use hyper::body::Body as _;

use super::body::Outgoing;
use super::chunked;
use super::link::Link;

/// Pieces that are written at once.
const MOST_PIECES: usize = 16;
/// The head, a body in one piece, and to spare.
const USUAL_PIECES: usize = 4;
/// A body that makes no more than this together with the head is copied to it: to send one piece
/// costs less than to tell the system of two.
const SMALL: usize = 2048;

/// What is left of a request to send. As long as nothing is sent it is all of it.
#[derive(Debug)]
pub(super) struct Sending {
    /// To be written next.
    pieces: VecDeque<Bytes>,
    body: Outgoing,
    /// What is still to come of the length that the head tells; `None` where it comes in chunks.
    left: Option<u64>,
    state: State,
    /// Whether the app may have seen any of it.
    pub(super) begun: bool,
}

#[derive(Debug, PartialEq, Eq)]
enum State {
    /// The body goes on.
    Body,
    /// What is left is in pieces.
    Rest,
    Over,
}

/// Why a request was not sent to its end.
#[derive(Debug)]
pub(super) enum Stopped {
    /// The caller broke off.
    Caller,
    /// The app did.
    App,
    /// The app has taken nothing for too long.
    Stalled,
}

impl From<io::Error> for Stopped {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::TimedOut {
            Self::Stalled
        } else {
            Self::App
        }
    }
}

impl Sending {
    pub(super) fn new(mut head: Vec<u8>, mut body: Outgoing) -> Self {
        body.join(&mut head, SMALL);
        let mut pieces = VecDeque::with_capacity(USUAL_PIECES);
        pieces.push_back(Bytes::from(head));
        Self {
            pieces,
            left: body.length(),
            body,
            state: State::Body,
            begun: false,
        }
    }

    pub(super) fn is_over(&self) -> bool {
        self.state == State::Over
    }

    /// Whether nothing of it has to arrive any more.
    pub(super) fn is_here(&self) -> bool {
        self.body.is_whole()
    }

    /// Sends as much as the app takes and the caller has sent.
    pub(super) fn poll(
        &mut self,
        link: &mut Link,
        context: &mut Context<'_>,
    ) -> Poll<Result<(), Stopped>> {
        while self.state != State::Over {
            let waits = self.gather(context)?;
            if !self.pieces.is_empty() {
                ready!(self.write(link, context))?;
            } else if waits {
                // What TLS holds back may be what the app waits for.
                return match link.poll_flush(context)? {
                    Poll::Ready(()) | Poll::Pending => Poll::Pending,
                };
            } else {
                ready!(link.poll_flush(context))?;
                self.state = State::Over;
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Takes pieces off the body; whether more of it has to arrive first.
    fn gather(&mut self, context: &mut Context<'_>) -> Result<bool, Stopped> {
        while self.state == State::Body && self.pieces.len() < MOST_PIECES {
            let frame = match Pin::new(&mut self.body).poll_frame(context) {
                Poll::Pending => return Ok(true),
                Poll::Ready(frame) => frame.transpose().map_err(|_| Stopped::Caller)?,
            };
            match frame.map(hyper::body::Frame::into_data) {
                Some(Ok(data)) if data.is_empty() => {}
                Some(Ok(data)) => self.add(data)?,
                Some(Err(_)) => {}
                None => self.end()?,
            }
        }
        Ok(false)
    }

    /// Never more than the head tells: the app would read it as the next request.
    fn add(&mut self, data: Bytes) -> Result<(), Stopped> {
        match &mut self.left {
            Some(left) => {
                let rest = left.checked_sub(data.len() as u64);
                *left = rest.ok_or(Stopped::Caller)?;
                self.pieces.push_back(data);
            }
            None => {
                let line = chunked::size_line(data.len());
                self.pieces.extend([line, data, chunked::CHUNK_END]);
            }
        }
        Ok(())
    }

    /// Never less: the app would read the next request as its rest.
    fn end(&mut self) -> Result<(), Stopped> {
        match self.left {
            Some(0) => {}
            Some(_) => return Err(Stopped::Caller),
            None => self.pieces.push_back(chunked::LAST),
        }
        self.state = State::Rest;
        Ok(())
    }

    fn write(&mut self, link: &mut Link, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut slices = [IoSlice::new(&[]); MOST_PIECES + 2];
        let mut count = 0;
        for (slice, piece) in slices.iter_mut().zip(&self.pieces) {
            *slice = IoSlice::new(piece);
            count += 1;
        }
        let slices = slices.get(..count).unwrap_or_default();
        let mut written = ready!(link.poll_write(context, slices))?;
        self.begun = true;
        while let Some(piece) = self.pieces.front_mut() {
            if written < piece.len() {
                piece.advance(written);
                break;
            }
            written -= piece.len();
            self.pieces.pop_front();
        }
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sends(told: u64, pieces: &[&'static [u8]]) -> bool {
        let mut sending = Sending::new(Vec::new(), Outgoing::default());
        sending.left = Some(told);
        let all = pieces.iter().copied().map(Bytes::from_static);
        let added = all
            .map(|piece| sending.add(piece))
            .all(|added| added.is_ok());
        added && sending.end().is_ok()
    }

    #[test]
    fn what_the_head_tells_is_what_is_sent() {
        assert!(sends(0, &[]));
        assert!(sends(5, &[b"he", b"llo"]));
        assert!(!sends(5, &[b"he", b"llo!"]));
        assert!(!sends(5, &[b"he"]));
        assert!(!sends(0, &[b"GET / HTTP/1.1\r\n"]));
    }
}
