//! The line: the whole life of a request, in the order that makes it safe.

mod answer;
mod forward;
pub(crate) mod framing;
mod gate;
mod handshake;
mod intake;
mod once;
mod outbound;
mod panic;
mod permit;
mod rate;
mod study;
mod together;
mod upgrade;
mod verdict;
mod wanted;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use hyper::Response;

pub use answer::{ResponseBody, respond};
pub use gate::{Gate, Slot};
pub use intake::{Arrival, Arriving, Gathered};
pub use study::Student;
pub use wanted::wanted;

use self::once::Turn;
use self::outbound::Passage;
use self::permit::{Ground, Permit};
use self::study::Case;
use self::together::together;
use self::verdict::{Hearing, Passed, Refused};
use crate::headers;
use crate::received::Received;
use crate::rejection::Rejection;
use crate::route::{Mode, Route};
use crate::telemetry::Entry;
use crate::upstream::Pool;
use crate::verify::{Caller, Certificate, Head, Moment, Pending};

/// What is known of the connection a request came on.
#[derive(Debug, Clone)]
pub struct Peer {
    /// The other end, or what a trusted PROXY header said it is.
    pub address: IpAddr,
    /// Whether it came over TLS.
    pub secure: bool,
    /// The certificate it was opened with, if any.
    pub certificate: Option<Arc<Certificate>>,
    /// Whether the process is stopping: then a connection ends with its answer.
    pub draining: bool,
}

/// One request, from its head to the head of its answer.
///
/// Step 1 (accept, TLS, time-outs of the head) lies behind it, in `server`; step 12 (log, metrics)
/// before it, in [`respond`]. Each `?` is a refusal: nothing below it happens.
async fn handle<'g>(
    gate: &'g Arc<Gate>,
    pool: &Pool,
    peer: &Peer,
    received: &mut Received,
    arriving: Arriving,
    entry: &mut Entry<'g>,
    case: &mut Option<Box<Case>>,
) -> Result<Response<ResponseBody>, Rejection> {
    let now = entry.arrived;
    entry.head(received);
    entry.peer = Some(peer.address);
    let head = received.head();
    let host = framing::require_unambiguous(&received.uri, received.version, head.headers)?; // 1
    let client = gate.trust.client(peer.address, head.headers)?; // 2
    let address = headers::address_value(client);
    entry.client = Some((client, address.clone()));
    // A refusal is examined after the answer: what that takes is kept, if it is due.
    let study = |route, body| {
        let case = gate.desk.case(route, peer.address, received, body, now);
        case.map(Box::new)
    };
    let route = gate
        .find(host, received, entry)
        .inspect_err(|_| *case = study(None, None))?; // 3
    let (arriving, slot) = arriving.unbroken(entry)?; // 7, of a body that was read before it was looked at
    let (arriving, slot) = match &route.handshakes {
        None => (arriving, slot),
        Some(handshakes) => {
            drop(slot); // Of another configuration: this one's handshakes take their own.
            let asked = (route, &**handshakes);
            let seen = (&received.method, &head);
            let answer = handshake::answer(gate, asked, client, seen, arriving, now, entry);
            // Boxed: few routes have one, and every request would carry the room for it.
            match Box::pin(answer).await? {
                handshake::Step::Answered(response) => return Ok(response), // 4
                handshake::Step::GoesOn(arriving, slot) => (arriving, slot),
            }
        }
    };
    let caller = Caller {
        address: client,
        certificate: peer.certificate.as_deref(),
    };
    let started = Instant::now();
    let admitted =
        admit(route, caller, &head, now).inspect_err(|_| *case = study(Some(route), None))?; // 5
    let slot = match slot {
        Some(slot) => slot,
        None => gate.enter(route, client).inspect_err(|_| match admitted {
            Admitted::Unverified => {}
            Admitted::Pending(_) | Admitted::Refused(_) => entry.verify = started.elapsed(),
        })?, // 6
    };
    let permit = match admitted {
        Admitted::Unverified => Permit::passthrough(route, arriving)?,
        Admitted::Refused(rejection) => {
            entry.verify = started.elapsed();
            *case = study(Some(route), None);
            Permit::observed(route, Refused::unread(rejection, arriving))?
        }
        Admitted::Pending(pending) => {
            let hearing = Hearing::new(gate, route, (&head, now), (pending, started));
            // 7, 8 and 9
            let passed = match arriving.rest {
                None => hearing.whole(arriving, entry),
                // Boxed: what waits for a body is no part of the state of one that is here.
                Some(_) => Box::pin(hearing.arriving(arriving, received.version, entry)).await,
            };
            match passed {
                Ok(Passed::Handshake(answer)) => return Ok(handshake::told(*answer, entry)),
                Ok(Passed::Event(verified, event, reserved)) => {
                    Permit::verified(verified, event, reserved)
                }
                Err(refused) => {
                    entry.body_bytes = refused.body.len();
                    if study::has_a_cause(refused.rejection) {
                        *case = study(Some(route), Some(&refused.body));
                    }
                    Permit::observed(route, refused)?
                }
            }
        }
    };
    note(entry, &permit);
    // Before the event is claimed: from there to the app nothing may come between.
    together().await;
    let (turn, started) = once::turn(gate, route, &permit, entry).await?; // 10
    if matches!(turn, Turn::Acknowledged) {
        return Ok(once::acknowledged(route));
    }
    let passage = Passage {
        gate,
        pool,
        route,
        peer,
        address,
        slot,
        turn,
        started,
    };
    let answer = forward::forward(passage, received, permit, entry).await; // 11
    match answer {
        // A native sidecar outlives the app: it is not down, it has stopped, and so have we.
        Err(Rejection::UpstreamUnreachable) if peer.draining => Err(Rejection::Draining),
        outcome => outcome,
    }
}

/// How far the head alone takes a request.
enum Admitted<'r> {
    Pending(Pending<'r>),
    Refused(Rejection),
    Unverified,
}

/// The address list, then what needs no body. A route that only observes lets the refused go on.
fn admit<'r>(
    route: &'r Route,
    caller: Caller<'_>,
    head: &Head<'_>,
    now: Moment,
) -> Result<Admitted<'r>, Rejection> {
    let admitted = |plan: &'r crate::verify::Plan| {
        let pending = plan.admit(caller, head, now)?;
        framing::require_plain_body(head.headers)?;
        Ok(Admitted::Pending(pending))
    };
    match &route.mode {
        Mode::Enforce(plan) => admitted(plan),
        Mode::Observe(plan) => Ok(admitted(plan).unwrap_or_else(Admitted::Refused)),
        Mode::Passthrough => Ok(Admitted::Unverified),
    }
}

/// What the log and the metrics say of a request that may go on.
fn note(entry: &mut Entry<'_>, permit: &Permit) {
    match permit.ground() {
        Ground::Observed(refused) => entry.observed = Some(refused.rejection),
        Ground::Passthrough(_) => {}
        Ground::Verified { verified, .. } => {
            entry.verified = true;
            entry.body_bytes = verified.body().len();
            entry.key = verified.key().cloned();
        }
    }
}
