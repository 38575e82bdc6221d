//! Steps 10 and 11 for an event that can be told from others: it goes to the app once, and it is
//! never taken for done before the app has said so.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Response, StatusCode};
use http_body_util::BodyExt as _;
use hyper::body::{Body as _, Frame};
use tokio::time::Instant;

use super::answer::ResponseBody;
use super::permit::{Ground, Permit};
use super::{Gate, Slot};
use crate::budget::Reserved;
use crate::duplicates::{Claim, OnCopy, Standing, Unavailable};
use crate::fingerprint::Fingerprint;
use crate::rejection::Rejection;
use crate::route::Route;
use crate::telemetry::{Entry, Level, name};
use crate::upstream::{self, AnswerBody, Pool, Request};

/// A copy waits so long for the first to be settled, looking first after [`SOON`], then half as
/// often each time. Senders mostly wait longer, and a copy that waits is no failed delivery.
const PATIENCE: Duration = Duration::from_secs(3);
const SOON: Duration = Duration::from_millis(5);
const SELDOM: Duration = Duration::from_millis(250);

/// So much of the app's answer is waited for before the event counts as taken.
const GATHERED: usize = 64 * 1024;

/// Whose turn it is.
#[derive(Debug)]
pub(super) enum Turn {
    /// A copy of an event that the app has taken: nothing is forwarded.
    Acknowledged,
    /// A copy of an event that the app has taken, to be forwarded as such.
    Copy,
    /// The first of its kind. Whoever holds the claim settles it by the app's answer.
    First(Claim),
    /// Nothing tells it from another, or nobody could be asked: it passes, and is not remembered.
    Untold,
}

/// Step 10: whether this event is a copy, and when that was known.
pub(super) async fn turn(
    gate: &Gate,
    route: &Route,
    permit: &Permit,
    entry: &mut Entry<'_>,
) -> Result<(Turn, std::time::Instant), Rejection> {
    let now = std::time::Instant::now();
    let Some(key) = key(gate, route, permit) else {
        return Ok((Turn::Untold, now));
    };
    if let Some(turn) = turn_at_once(gate, key, now, entry) {
        return Ok((turn, now));
    }
    // Boxed: what is asked of a store is no part of the state that waits for the app.
    let turn = Box::pin(turn_in_time(gate, key, permit, entry)).await?;
    Ok((turn, std::time::Instant::now()))
}

/// Under which key the event is known, and what is done with its copies; `None` where nothing tells
/// it from others. Only what is verified has one: a forgery can neither write into the memory nor
/// ask it.
fn key(gate: &Gate, route: &Route, permit: &Permit) -> Option<(Fingerprint, OnCopy)> {
    let rule = route.copies.as_ref()?;
    let Ground::Verified {
        verified, event, ..
    } = permit.ground()
    else {
        return None;
    };
    let key = rule.key(verified, event);
    if key.is_none() {
        gate.telemetry.metrics.unkeyed(&route.name);
    }
    key.map(|key| (key, rule.on_copy()))
}

/// Whether this event is a copy; `None` where that cannot be said without waiting, or where
/// a copy does not go on.
fn turn_at_once(
    gate: &Gate,
    (key, on_copy): (Fingerprint, OnCopy),
    now: std::time::Instant,
    entry: &mut Entry<'_>,
) -> Option<Turn> {
    match gate.events.claim_at_once(key, now)? {
        Standing::Claimed(claim) => Some(Turn::First(claim)),
        Standing::Remembered if on_copy == OnCopy::Forward => {
            note_copy(gate, key, on_copy, entry);
            Some(Turn::Copy)
        }
        Standing::Remembered | Standing::InFlight => None,
    }
}

fn note_copy(gate: &Gate, key: Fingerprint, on_copy: OnCopy, entry: &mut Entry<'_>) {
    entry.event_key = Some(key);
    entry.copy = Some(on_copy);
    entry.series.count_copy(&gate.telemetry.metrics, on_copy);
}

/// The same, where it takes its time.
async fn turn_in_time(
    gate: &Gate,
    (key, on_copy): (Fingerprint, OnCopy),
    permit: &Permit,
    entry: &mut Entry<'_>,
) -> Result<Turn, Rejection> {
    let token = entry.request_id().to_owned();
    let patience = Instant::now() + PATIENCE;
    let mut pause = SOON;
    let turn = loop {
        let standing = gate.events.claim(key, &token).await;
        if gate.events.recovered() {
            let message = "the store of events answers again";
            gate.telemetry.log.write(Level::Info, message, |_| {});
        }
        match standing {
            Ok(Standing::Claimed(claim)) => return Ok(Turn::First(claim)),
            Ok(Standing::InFlight) if Instant::now() + pause < patience => {
                tokio::time::sleep(pause).await;
                pause = pause.saturating_mul(2).min(SELDOM);
            }
            Ok(Standing::InFlight) => {
                entry.event_key = Some(key);
                break Err(Rejection::EventInFlight);
            }
            Ok(Standing::Remembered) => {
                note_copy(gate, key, on_copy, entry);
                break match on_copy {
                    OnCopy::Acknowledge => Ok(Turn::Acknowledged),
                    OnCopy::Forward => return Ok(Turn::Copy),
                    OnCopy::Reject => Err(Rejection::Duplicate),
                };
            }
            Err(unavailable) => {
                entry.event_key = Some(key);
                failed(gate, "claim", unavailable);
                if gate.duplicates.forward_unasked {
                    return Ok(Turn::Untold);
                }
                break Err(Rejection::StoreUnavailable);
            }
        }
    };
    // What is not forwarded has a line too.
    if let Ground::Verified { event, .. } = permit.ground() {
        entry.event_types.clone_from(&event.types);
        entry.event_id.clone_from(&event.id);
    }
    turn
}

/// The answer to a copy that the app does not see.
pub(super) fn acknowledged(route: &Route) -> Response<ResponseBody> {
    let mut response = Response::new(ResponseBody::whole(Bytes::new()));
    *response.status_mut() = route.success_status.unwrap_or(StatusCode::OK);
    response
}

/// Step 11: sends the request, waits for the app's answer, settles the claim by it, and only then
/// gives the answer on.
///
/// A sender that hangs up has mostly lost its patience and comes again, and the app goes on with
/// what it has begun. So the answer is waited for whether or not anybody wants it any more.
pub(super) fn exchange(
    gate: &Arc<Gate>,
    pool: &Pool,
    request: Request,
    now: std::time::Instant,
    claim: Claim,
    (slot, reserved): (Slot, Option<Reserved>),
) -> impl Future<Output = Result<Response<ResponseBody>, Rejection>> {
    let (gate, pool) = (gate.clone(), pool.clone());
    // Boxed, so that it can go on where nobody waits for it any more.
    Finishing(Some(Box::pin(async move {
        let (outcome, taken) = send(&gate, &pool, request, now, slot).await;
        drop(reserved);
        if let Err(unavailable) = claim.settle(taken).await {
            failed(&gate, "settle", unavailable);
        }
        outcome
    })))
}

/// What has begun and is brought to its end: by whoever waits for it, and in a task of its own when
/// nobody does.
struct Finishing<F: Future<Output: Send> + Send + 'static>(Option<Pin<Box<F>>>);

impl<F: Future<Output: Send> + Send + 'static> Future for Finishing<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        // Taken out: what panics is not tried again.
        let Some(mut future) = self.0.take() else {
            return Poll::Pending;
        };
        let outcome = future.as_mut().poll(context);
        if outcome.is_pending() {
            self.0 = Some(future);
        }
        outcome
    }
}

impl<F: Future<Output: Send> + Send + 'static> Drop for Finishing<F> {
    fn drop(&mut self) {
        if let Some(future) = self.0.take()
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            drop(runtime.spawn(future));
        }
    }
}

/// The answer, and whether it says that the app has taken the event: a status of 2xx, and a body
/// that ends as it should. An app that breaks off in the middle has failed in the middle.
async fn send(
    gate: &Gate,
    pool: &Pool,
    request: Request,
    now: std::time::Instant,
    slot: Slot,
) -> (Result<Response<ResponseBody>, Rejection>, bool) {
    let limit = Instant::from_std(now) + gate.upstream.timeout;
    let response = match upstream::send(&gate.upstream, pool, request, now).await {
        // Nobody asked for another protocol.
        Ok(response) if response.status() == StatusCode::SWITCHING_PROTOCOLS => {
            return (Err(Rejection::UpstreamFailed), false);
        }
        Ok(response) => response,
        Err(rejection) => return (Err(rejection), false),
    };
    if !response.status().is_success() {
        let response = response.map(|body| ResponseBody::streamed(body, Some(slot)));
        return (Ok(response), false);
    }
    let (head, mut body) = response.into_parts();
    if let Some(bytes) = body.take_whole() {
        let body = ResponseBody::held(bytes, slot);
        return (Ok(Response::from_parts(head, body)), true);
    }
    let mut frames = VecDeque::new();
    let (taken, rest) = match tokio::time::timeout_at(limit, gather(&mut body, &mut frames)).await {
        Ok(Gathering::Whole) => (true, None),
        Ok(Gathering::Long) => (true, Some(body)),
        Ok(Gathering::Broken) => return (Err(Rejection::UpstreamFailed), false),
        // It may still come to its end: the caller will see.
        Err(_) => (false, Some(body)),
    };
    let body = ResponseBody::gathered(frames, rest, slot);
    (Ok(Response::from_parts(head, body)), taken)
}

/// How far the app's answer was read.
enum Gathering {
    Whole,
    /// Longer than anybody waits for; what is there is an answer.
    Long,
    Broken,
}

async fn gather(body: &mut AnswerBody, frames: &mut VecDeque<Frame<Bytes>>) -> Gathering {
    let mut length = 0_usize;
    while !body.is_end_stream() {
        match body.frame().await {
            None => break,
            Some(Err(_)) => return Gathering::Broken,
            Some(Ok(frame)) => {
                length = length.saturating_add(frame.data_ref().map_or(0, Bytes::len));
                frames.push_back(frame);
                if length > GATHERED {
                    return Gathering::Long;
                }
            }
        }
    }
    Gathering::Whole
}

/// Counts it, and says once that the store is gone.
fn failed(gate: &Gate, operation: &'static str, unavailable: Unavailable) {
    gate.telemetry.metrics.store_failed(operation);
    if unavailable.news {
        let message = "the store of events cannot be asked";
        gate.telemetry.log.write(Level::Warn, message, |line| {
            line.field(name!("reason"), unavailable.why);
            line.field(
                name!("events"),
                if gate.duplicates.forward_unasked {
                    "pass"
                } else {
                    "503"
                },
            );
        });
    }
}
