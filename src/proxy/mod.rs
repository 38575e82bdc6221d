//! The line: the whole life of a request, in the order that makes it safe.

mod answer;
mod forward;
pub(crate) mod framing;
mod gate;
mod intake;
mod panic;
mod permit;
mod rate;
mod study;

use std::net::IpAddr;
use std::time::{Duration, Instant};

use http::request::Parts;
use hyper::Response;
use hyper::body::Incoming;

pub use answer::{ResponseBody, respond};
pub use gate::{Gate, Slot};
pub use study::Student;

use self::permit::{Ground, Permit};
use self::study::Case;
use crate::budget::Reserved;
use crate::event::{self, Event};
use crate::headers;
use crate::rejection::Rejection;
use crate::route::{Mode, Route};
use crate::telemetry::Entry;
use crate::upstream::Pool;
use crate::verify::{Head, Moment, Pending, Verified};

/// What is known of the connection a request came on.
#[derive(Debug, Clone, Copy)]
pub struct Peer {
    /// The other end, or what a trusted PROXY header said it is.
    pub address: IpAddr,
    /// Whether it came over TLS.
    pub secure: bool,
    /// Whether the process is stopping: then a connection ends with its answer.
    pub draining: bool,
}

/// One request, from its head to the head of its answer.
///
/// Step 1 (accept, TLS, time-outs of the head) lies behind it, in `server`; step 12 (log, metrics)
/// before it, in [`respond`]. Each `?` is a refusal: nothing below it happens.
async fn handle<'g>(
    gate: &'g Gate,
    pool: &Pool,
    peer: Peer,
    parts: &mut Parts,
    incoming: Incoming,
    entry: &mut Entry<'g>,
    case: &mut Option<Box<Case>>,
) -> Result<Response<ResponseBody>, Rejection> {
    let now = entry.arrived;
    entry.head(parts);
    entry.peer = Some(peer.address);
    let host = framing::require_unambiguous(parts)?; // 1
    let client = gate.trust.client(peer.address, &parts.headers)?; // 2
    let address = headers::address_value(client);
    entry.client = Some((client, address.clone()));
    // A refusal is examined after the answer: what that takes is kept, if it is due.
    let study = |route, body| {
        let case = gate.desk.case(route, peer.address, parts, body, now);
        case.map(Box::new)
    };
    let route = gate
        .find(host, parts, entry)
        .inspect_err(|_| *case = study(None, None))?; // 3
    let head = Head {
        method: parts.method.as_str(),
        path: parts.uri.path(),
        query: parts.uri.query(),
        headers: &parts.headers,
    };
    let started = Instant::now();
    let admitted =
        admit(route, client, &head, now).inspect_err(|_| *case = study(Some(route), None))?; // 5
    entry.verify = started.elapsed();
    let slot = gate.enter(route, client)?; // 6
    let permit = match admitted {
        Admitted::Unverified => Permit::passthrough(route, incoming)?,
        Admitted::Refused(rejection) => {
            *case = study(Some(route), None);
            Permit::observed(route, Refused::unread(rejection, incoming))?
        }
        Admitted::Pending(pending) => {
            let spent = &mut entry.verify;
            match verify(gate, route, &head, incoming, pending, spent).await {
                Ok((verified, event, reserved)) => Permit::verified(verified, event, reserved),
                Err(refused) => {
                    if study::has_a_cause(refused.rejection) {
                        *case = study(Some(route), Some(&refused.body));
                    }
                    Permit::observed(route, refused)?
                }
            }
        }
    };
    note(entry, &permit);
    let passage = forward::Passage {
        gate,
        pool,
        route,
        peer,
        address,
        slot,
    };
    let answer = forward::forward(passage, parts, permit, entry).await; // 11
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
    client: IpAddr,
    head: &Head<'_>,
    now: Moment,
) -> Result<Admitted<'r>, Rejection> {
    let admitted = |plan: &'r crate::verify::Plan| {
        let pending = plan.admit(client, head, now)?;
        framing::require_plain_body(head.headers)?;
        Ok(Admitted::Pending(pending))
    };
    match &route.mode {
        Mode::Enforce(plan) => admitted(plan),
        Mode::Observe(plan) => Ok(admitted(plan).unwrap_or_else(Admitted::Refused)),
        Mode::Passthrough => Ok(Admitted::Unverified),
    }
}

/// The body, what is bound to it, and the event it tells of.
async fn verify(
    gate: &Gate,
    route: &Route,
    head: &Head<'_>,
    incoming: Incoming,
    mut pending: Pending<'_>,
    spent: &mut Duration,
) -> Result<(Verified, Event, Reserved), Refused> {
    let time = gate.limits.body_timeout;
    let hash = |chunk: &[u8]| {
        let started = Instant::now();
        pending.update(chunk);
        *spent = spent.saturating_add(started.elapsed());
    };
    let intake::Whole { body, reserved } =
        intake::read(incoming, route.body_limit, time, &gate.buffered, hash).await?; // 7
    let started = Instant::now();
    let verified = pending.finish(head, body)?; // 8
    *spent = spent.saturating_add(started.elapsed());
    let text = if route.event.reads_body() {
        verified.body().contiguous()
    } else {
        std::borrow::Cow::Borrowed(&[][..])
    };
    let parts = event::Parts {
        headers: head.headers,
        query: head.query,
        body: &text,
        claims: verified.claims(),
    };
    let event = route.event.read(&parts); // 9
    match event {
        Ok(event) => {
            drop(text);
            Ok((verified, event, reserved))
        }
        Err(rejection) => {
            drop(text);
            Err(Refused {
                rejection,
                body: verified.into_body(),
                rest: None,
            })
        }
    }
}

/// A refusal, with what was read of the body and what was not, for a route that only observes.
#[derive(Debug)]
struct Refused {
    rejection: Rejection,
    body: crate::verify::Body,
    rest: Option<Incoming>,
}

impl Refused {
    fn unread(rejection: Rejection, incoming: Incoming) -> Self {
        Self {
            rejection,
            body: crate::verify::Body::default(),
            rest: Some(incoming),
        }
    }
}

impl From<intake::Broken> for Refused {
    fn from(broken: intake::Broken) -> Self {
        let intake::Broken {
            rejection,
            body,
            rest,
        } = broken;
        Self {
            rejection,
            body,
            rest,
        }
    }
}

impl From<crate::verify::Refused> for Refused {
    fn from(refused: crate::verify::Refused) -> Self {
        Self {
            rejection: refused.rejection,
            body: refused.body,
            rest: None,
        }
    }
}

/// What the log and the metrics say of a request that may go on.
fn note(entry: &mut Entry<'_>, permit: &Permit) {
    match permit.ground() {
        Ground::Observed(refused) => entry.observed = Some(refused.rejection),
        Ground::Passthrough(_) => {}
        Ground::Verified { verified, .. } => {
            entry.body_bytes = verified.body().len();
            entry.key = verified.key().cloned();
        }
    }
}
