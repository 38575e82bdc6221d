//! Reading a body: bounded, timed, counted against the budget, hashed as it arrives.

use std::time::Duration;

use http_body_util::BodyExt as _;
use hyper::body::{Body as _, Incoming};

use crate::budget::{Budget, Reserved};
use crate::rejection::Rejection;
use crate::verify::Body;

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
    let mut body = Body::default();
    let announced = incoming.size_hint().exact();
    let broken = |rejection, body, rest| {
        Err(Broken {
            rejection,
            body,
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
        Ok(Ok(())) => Ok(Whole { body, reserved }),
        Ok(Err(rejection)) => {
            let rest = (rejection != Rejection::BodyIncomplete).then_some(incoming);
            broken(rejection, body, rest)
        }
        Err(_) => broken(Rejection::BodyTimeout, body, None),
    }
}
