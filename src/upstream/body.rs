//! The body that goes to the app.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};

/// Pieces that were read already, then what is still arriving, if anything is.
///
/// Trailers are dropped: what arrives after the body was never verified.
#[derive(Debug, Default)]
pub struct Outgoing {
    ready: VecDeque<Bytes>,
    left: u64,
    rest: Option<Incoming>,
}

impl Outgoing {
    /// A body that is whole.
    pub fn whole(chunks: Vec<Bytes>) -> Self {
        let left = chunks.iter().map(|chunk| chunk.len() as u64).sum();
        Self {
            ready: chunks.into(),
            left,
            rest: None,
        }
    }

    /// Whether nothing of it has to arrive any more.
    pub(super) const fn is_whole(&self) -> bool {
        self.rest.is_none()
    }

    /// Moves all of it to the end of `head`, if it is whole and both make `most` bytes at most.
    pub(super) fn join(&mut self, head: &mut Vec<u8>, most: usize) {
        let room = most.saturating_sub(head.len()) as u64;
        if self.is_whole() && self.left <= room {
            for chunk in self.ready.drain(..) {
                head.extend_from_slice(&chunk);
            }
            self.left = 0;
        }
    }

    /// Its length, where it is known.
    pub(super) fn length(&self) -> Option<u64> {
        self.size_hint().exact()
    }

    /// What was read of a body, and its rest.
    pub fn streamed(chunks: Vec<Bytes>, rest: Option<Incoming>) -> Self {
        Self {
            rest,
            ..Self::whole(chunks)
        }
    }
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        if let Some(chunk) = self.ready.pop_front() {
            self.left = self.left.saturating_sub(chunk.len() as u64);
            return Poll::Ready(Some(Ok(Frame::data(chunk))));
        }
        let Some(rest) = &mut self.rest else {
            return Poll::Ready(None);
        };
        loop {
            match std::task::ready!(Pin::new(&mut *rest).poll_frame(context)) {
                Some(Ok(frame)) if frame.is_trailers() => {}
                other => return Poll::Ready(other),
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.ready.is_empty() && self.rest.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        let Some(rest) = &self.rest else {
            return SizeHint::with_exact(self.left);
        };
        let mut hint = rest.size_hint();
        if let Some(upper) = hint.upper() {
            hint.set_upper(upper.saturating_add(self.left));
        }
        hint.set_lower(hint.lower().saturating_add(self.left));
        hint
    }
}
