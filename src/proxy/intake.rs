//! Reading a body: bounded, timed, counted against the budget, hashed as it arrives.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::body::{Body as _, Incoming};

use super::Slot;
use crate::budget::{Budget, Reserved};
use crate::rejection::Rejection;
use crate::telemetry::Entry;
use crate::verify::{Body, Moment};

/// A body being gathered.
///
/// A body of one piece is kept as it came. Those of several are copied together: each piece would
/// else keep the buffer it was read into, which no budget counts, and the event would be read from
/// a copy all the same.
#[derive(Debug, Default)]
struct Gathering {
    /// The first piece, as long as there is no other.
    first: Bytes,
    all: Vec<u8>,
    /// The length that was announced.
    announced: Option<usize>,
}

impl Gathering {
    fn len(&self) -> usize {
        self.first.len().saturating_add(self.all.len())
    }

    fn push(&mut self, chunk: Bytes) {
        if self.len() == 0 {
            self.first = chunk;
            return;
        }
        self.make_room(chunk.len());
        self.all.extend_from_slice(&std::mem::take(&mut self.first));
        self.all.extend_from_slice(&chunk);
    }

    /// Makes room for what has come, and for what was announced: room that nothing was written to
    /// costs no memory.
    fn make_room(&mut self, more: usize) {
        let needed = self.len().saturating_add(more);
        if needed <= self.all.capacity() {
            return;
        }
        let room = match self.announced {
            Some(announced) => announced,
            None => needed.saturating_mul(2),
        };
        let room = room.max(needed);
        self.all.reserve_exact(room.saturating_sub(self.all.len()));
    }

    fn finish(self) -> Body {
        match self.len() {
            0 => Body::default(),
            _ if self.all.is_empty() => Body::from(self.first),
            _ => Body::from(Bytes::from(self.all)),
        }
    }
}

/// A body on its way: the pieces that are here already, and what is still to come.
#[derive(Debug)]
pub struct Arriving {
    pub(super) begun: Body,
    /// `None` when nothing is.
    pub(super) rest: Option<Incoming>,
    /// When its request came, where that is longer ago than it takes to look.
    pub(super) since: Option<Arrival>,
    /// Why it was given up: what is here is not all of it, and nothing may be made of it.
    pub(super) broken: Option<Rejection>,
    /// Its place among the requests at once, where it has one already.
    slot: Option<Slot>,
    /// The share of the budget that what is here holds already.
    pub(super) reserved: Option<Reserved>,
}

/// What was read of a body before its request is looked at.
#[derive(Debug)]
pub struct Gathered {
    /// All of it, or as much as came before it was given up.
    pub bytes: Bytes,
    /// Why it was given up.
    pub broken: Option<Rejection>,
    /// When its request came.
    pub since: Arrival,
    /// Its place among the requests at once.
    pub slot: Slot,
    /// Its share of the budget of bodies.
    pub reserved: Reserved,
}

/// When a request came: the time that decides, and the clock that measures.
#[derive(Debug, Clone, Copy)]
pub struct Arrival {
    pub(super) moment: Moment,
    pub(super) instant: Instant,
}

impl Arrival {
    /// This very moment.
    pub fn now() -> Self {
        Self {
            moment: Moment::now(),
            instant: Instant::now(),
        }
    }
}

impl Arriving {
    /// What is here, and what is still to come.
    pub(super) const fn of(begun: Body, rest: Option<Incoming>) -> Self {
        Self {
            begun,
            rest,
            since: None,
            broken: None,
            slot: None,
            reserved: None,
        }
    }

    /// The same, if it was not given up, and the place of its request.
    pub(super) fn unbroken(
        mut self,
        entry: &mut Entry<'_>,
    ) -> Result<(Self, Option<Slot>), Rejection> {
        let Some(rejection) = self.broken else {
            let slot = self.slot.take();
            return Ok((self, slot));
        };
        entry.body_bytes = self.begun.len();
        Err(rejection)
    }

    /// Whether it was given up.
    pub const fn is_broken(&self) -> bool {
        self.broken.is_some()
    }

    /// Its length, where that is known; one that no number holds is the largest.
    pub(super) fn length(&self) -> Option<usize> {
        let rest = match &self.rest {
            Some(rest) => rest.size_hint().exact()?,
            None => 0,
        };
        let to_come = usize::try_from(rest).unwrap_or(usize::MAX);
        Some(to_come.saturating_add(self.begun.len()))
    }
}

impl From<Bytes> for Arriving {
    /// A body that is here.
    fn from(bytes: Bytes) -> Self {
        let begun = if bytes.is_empty() {
            Body::default()
        } else {
            bytes.into()
        };
        Self::of(begun, None)
    }
}

impl From<Gathered> for Arriving {
    fn from(gathered: Gathered) -> Self {
        Self {
            since: Some(gathered.since),
            broken: gathered.broken,
            slot: Some(gathered.slot),
            reserved: Some(gathered.reserved),
            ..Self::from(gathered.bytes)
        }
    }
}

impl From<Incoming> for Arriving {
    fn from(incoming: Incoming) -> Self {
        Self::of(Body::default(), Some(incoming))
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

/// How long a body may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Time {
    pub(super) limit: Duration,
    /// Whether the request is looked at several times a second, as HTTP/1 connections are (see
    /// `server::http1`). Then the time can be taken at each look: a timer for every body would cost more
    /// than most bodies do.
    pub(super) watched: bool,
}

/// The outcome of `reading`; `None` when it takes longer.
async fn within<T>(time: Time, reading: impl Future<Output = T>) -> Option<T> {
    if !time.watched {
        return tokio::time::timeout(time.limit, reading).await.ok();
    }
    let mut reading = pin!(reading);
    let mut since = None;
    poll_fn(|context| {
        if let Poll::Ready(outcome) = reading.as_mut().poll(context) {
            return Poll::Ready(Some(outcome));
        }
        let now = Instant::now();
        if now.duration_since(*since.get_or_insert(now)) < time.limit {
            Poll::Pending
        } else {
            Poll::Ready(None)
        }
    })
    .await
}

/// Takes a body of at most `limit` bytes that is here, giving each piece to `hash`.
pub(super) fn whole(
    arriving: Arriving,
    limit: usize,
    budget: &Budget,
    mut hash: impl FnMut(&[u8]),
) -> Result<Whole, Broken> {
    let body = arriving.begun;
    let mut reserved = arriving.reserved.unwrap_or_else(|| budget.empty());
    let rejection = if body.len() > limit {
        Rejection::BodyTooLarge
    } else if reserved.grow_to(body.len()) {
        for chunk in body.chunks() {
            hash(chunk);
        }
        return Ok(Whole { body, reserved });
    } else {
        Rejection::Overloaded
    };
    let rest = None;
    Err(Broken {
        rejection,
        body,
        rest,
    })
}

/// Reads a body of at most `limit` bytes within `time`, giving each piece to `hash`.
///
/// An announced length over the limit is refused before a byte is read.
pub(super) async fn read(
    arriving: Arriving,
    limit: usize,
    time: Time,
    budget: &Budget,
    mut hash: impl FnMut(&[u8]),
) -> Result<Whole, Broken> {
    let announced = arriving.length();
    let (begun, mut incoming) = match arriving {
        arriving @ Arriving { rest: None, .. } => return whole(arriving, limit, budget, hash),
        Arriving {
            begun,
            rest: Some(incoming),
            ..
        } => (begun, incoming),
    };
    let mut body = Gathering {
        // Of one that is too large nothing is kept.
        announced: announced.filter(|length| *length <= limit),
        ..Gathering::default()
    };
    let broken = |rejection, body: Gathering, rest| {
        Err(Broken {
            rejection,
            body: body.finish(),
            rest,
        })
    };
    for chunk in begun.into_chunks() {
        hash(&chunk);
        body.push(chunk);
    }
    if announced.is_some_and(|length| length > limit) {
        return broken(Rejection::BodyTooLarge, body, Some(incoming));
    }
    // Only what has arrived counts: an announcement costs its sender nothing.
    let mut reserved = budget.empty();
    if !reserved.grow_to(body.len()) {
        return broken(Rejection::Overloaded, body, Some(incoming));
    }
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
    let outcome = within(time, reading).await;
    match outcome {
        Some(Ok(())) => Ok(Whole {
            body: body.finish(),
            reserved,
        }),
        Some(Err(rejection)) => {
            let rest = (rejection != Rejection::BodyIncomplete).then_some(incoming);
            broken(rejection, body, rest)
        }
        None => broken(Rejection::BodyTimeout, body, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gathered(announced: Option<usize>, pieces: &[&[u8]]) -> Body {
        let mut gathering = Gathering {
            announced,
            ..Gathering::default()
        };
        for piece in pieces {
            gathering.push(Bytes::copy_from_slice(piece));
        }
        assert_eq!(gathering.len(), pieces.concat().len());
        gathering.finish()
    }

    #[test]
    fn pieces_become_one_and_one_is_kept_as_it_is() {
        let large = vec![7; 100_000];
        for pieces in [
            &[&b"a"[..], b"", b"bc", &large, b"d", &large, &large][..],
            &[b"", b"a"],
            &[&large, &large],
            &[b"a"],
        ] {
            let whole = pieces.concat();
            for announced in [None, Some(whole.len()), Some(1), Some(1 << 20)] {
                let body = gathered(announced, pieces);
                assert_eq!(*body.contiguous(), *whole);
                assert_eq!(body.chunks().len(), 1);
            }
        }
        assert!(gathered(Some(5), &[]).chunks().is_empty());
        assert!(gathered(None, &[b"", b""]).chunks().is_empty());
        let only = Bytes::from(large);
        let mut gathering = Gathering::default();
        gathering.push(only.clone());
        assert_eq!(gathering.finish().chunks()[0].as_ptr(), only.as_ptr());
    }
}
