//! Reading a body: bounded, timed, counted against the budget, hashed as it arrives.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use hyper::body::{Body as _, Incoming};

use crate::budget::{Budget, Reserved};
use crate::rejection::Rejection;
use crate::verify::Body;

/// Pieces below this are copied together: each keeps the buffer it was read into, and a body sent
/// byte by byte would cost many times its size, uncounted.
const PIECE: usize = 16 * 1024;

/// A body being gathered.
#[derive(Debug, Default)]
struct Gathering {
    body: Body,
    /// Small pieces that came last.
    small: BytesMut,
}

impl Gathering {
    fn len(&self) -> usize {
        self.body.len().saturating_add(self.small.len())
    }

    fn push(&mut self, chunk: Bytes) {
        if chunk.len() >= PIECE {
            self.settle();
            self.body.push(chunk);
            return;
        }
        self.small.extend_from_slice(&chunk);
        if self.small.len() >= PIECE {
            self.settle();
        }
    }

    fn settle(&mut self) {
        if !self.small.is_empty() {
            self.body.push(self.small.split().freeze());
        }
    }

    fn finish(mut self) -> Body {
        self.settle();
        self.body
    }
}

/// A body that is whole, and the share of the budget that it holds until it is sent.
#[derive(Debug)]
pub(super) struct Whole {
    pub(super) body: Body,
    pub(super) reserved: Reserved,
}

/// A body that was not read to its end.
#[derive(Debug)]
pub(super) struct Broken {
    pub(super) rejection: Rejection,
    /// What arrived.
    pub(super) body: Body,
    /// What may still arrive; `None` after an error or a time-out.
    pub(super) rest: Option<Incoming>,
}

/// Reads a body of at most `limit` bytes within `time`, giving each piece to `hash`.
///
/// An announced length over the limit is refused before a byte is read.
pub(super) async fn read(
    incoming: Incoming,
    limit: usize,
    time: Duration,
    budget: &Budget,
    mut hash: impl FnMut(&[u8]),
) -> Result<Whole, Broken> {
    let mut body = Gathering::default();
    let announced = incoming.size_hint().exact();
    let broken = |rejection, body: Gathering, rest| {
        Err(Broken {
            rejection,
            body: body.finish(),
            rest,
        })
    };
    if announced.is_some_and(|length| length > limit as u64) {
        return broken(Rejection::BodyTooLarge, body, Some(incoming));
    }
    // Only what has arrived counts: an announcement costs its sender nothing.
    let mut reserved = budget.empty();
    let mut incoming = incoming;
    let reading = async {
        while !incoming.is_end_stream() {
            let Some(frame) = incoming.frame().await else {
                break;
            };
            // Trailers are not part of what is signed: they are dropped.
            let Ok(chunk) = frame.map_err(|_| Rejection::BodyIncomplete)?.into_data() else {
                continue;
            };
            let length = body.len().saturating_add(chunk.len());
            hash(&chunk);
            body.push(chunk);
            if length > limit {
                return Err(Rejection::BodyTooLarge);
            }
            if !reserved.grow_to(length) {
                return Err(Rejection::Overloaded);
            }
        }
        Ok(())
    };
    let outcome = tokio::time::timeout(time, reading).await;
    match outcome {
        Ok(Ok(())) => Ok(Whole {
            body: body.finish(),
            reserved,
        }),
        Ok(Err(rejection)) => {
            let rest = (rejection != Rejection::BodyIncomplete).then_some(incoming);
            broken(rejection, body, rest)
        }
        Err(_) => broken(Rejection::BodyTimeout, body, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_pieces_are_gathered_and_large_ones_kept_as_they_are() {
        let mut gathering = Gathering::default();
        let mut expected = Vec::new();
        let large = Bytes::from(vec![7; PIECE]);
        for round in 0..3_u8 {
            for byte in 0..=u8::MAX {
                gathering.push(Bytes::from(vec![byte ^ round]));
                expected.push(byte ^ round);
            }
            gathering.push(large.clone());
            expected.extend_from_slice(&large);
        }
        assert_eq!(gathering.len(), expected.len());
        let body = gathering.finish();
        assert_eq!(*body.contiguous(), *expected);
        assert_eq!(body.chunks().len(), 6);
        assert_eq!(body.chunks()[1].as_ptr(), large.as_ptr());
        let mut bytewise = Gathering::default();
        for _ in 0..10 * PIECE {
            bytewise.push(Bytes::from_static(b"x"));
        }
        assert_eq!(bytewise.finish().chunks().len(), 10);
        assert!(Gathering::default().finish().chunks().is_empty());
    }
}
