//! Steps 7 to 9: the body, what is bound to it, and the event it tells of.

use std::time::Instant;

use http::Version;
use hyper::body::Incoming;

use super::Gate;
use super::intake::{self, Arriving, Whole};
use crate::budget::Reserved;
use crate::duplicates::Basis;
use crate::event::{self, Event};
use crate::rejection::Rejection;
use crate::route::Route;
use crate::telemetry::Entry;
use crate::verify::{Head, Moment, Pending, Verified};

/// What a request is that passed everything.
#[expect(
    clippy::large_enum_variant,
    reason = "lives on the stack, once a request"
)]
pub(super) enum Passed {
    Event(Verified, Event, Reserved),
    /// A question that is answered only to whom it is known to come from.
    Handshake(Box<crate::handshake::Answer>),
}

/// What the head alone has let pass, with what is needed to judge the rest.
pub(super) struct Hearing<'a> {
    gate: &'a Gate,
    route: &'a Route,
    head: &'a Head<'a>,
    pending: Pending<'a>,
    now: Moment,
    /// When its verification began.
    since: Instant,
}

impl<'a> Hearing<'a> {
    /// Of a request with this head, judged by this time, and pending since the time beside it.
    pub(super) fn new(
        gate: &'a Gate,
        route: &'a Route,
        (head, now): (&'a Head<'a>, Moment),
        (pending, since): (Pending<'a>, Instant),
    ) -> Self {
        Self {
            gate,
            route,
            head,
            pending,
            now,
            since,
        }
    }

    /// Judges a request of which the body is here.
    pub(super) fn whole(
        mut self,
        arriving: Arriving,
        entry: &mut Entry<'_>,
    ) -> Result<Passed, Refused> {
        self.identify();
        let Self { gate, route, .. } = self;
        let pending = &mut self.pending;
        let hash = |chunk: &[u8]| pending.update(chunk);
        let whole = intake::whole(arriving, route.body_limit, &gate.buffered, hash)
            .inspect_err(|_| entry.verify = self.since.elapsed())?; // 7
        self.judge(whole, entry)
    }

    /// The same, of a body that is on its way.
    pub(super) async fn arriving(
        mut self,
        arriving: Arriving,
        version: Version,
        entry: &mut Entry<'_>,
    ) -> Result<Passed, Refused> {
        let time = intake::Time {
            limit: self.gate.limits.body_timeout,
            watched: version != Version::HTTP_2,
        };
        // To wait for the body is no verification.
        entry.verify = self.since.elapsed();
        self.identify();
        let Self { gate, route, .. } = self;
        let pending = &mut self.pending;
        let hash = |chunk: &[u8]| {
            let started = Instant::now();
            pending.update(chunk);
            entry.verify = entry.verify.saturating_add(started.elapsed());
        };
        let whole = intake::read(arriving, route.body_limit, time, &gate.buffered, hash).await?; // 7
        self.since = Instant::now();
        self.judge(whole, entry)
    }

    /// What tells the event from another is taken from what was signed only where the route wants it.
    fn identify(&mut self) {
        let copies = self.route.copies.as_ref();
        if copies.is_some_and(|rule| rule.basis() == Basis::Signed) {
            self.pending.identify();
        }
    }

    fn judge(self, whole: Whole, entry: &mut Entry<'_>) -> Result<Passed, Refused> {
        let Self {
            route,
            head,
            pending,
            now,
            since,
            ..
        } = self;
        let Whole { body, reserved } = whole;
        let finished = pending.finish(head, body);
        entry.verify = entry.verify.saturating_add(since.elapsed());
        let verified = finished?; // 8
        if let Some(handshakes) = &route.handshakes {
            let body = verified.body();
            let answer = handshakes.answer(head, Some(body), body.is_empty(), true, now);
            match answer {
                Ok(Some(answer)) => return Ok(Passed::Handshake(Box::new(answer))),
                Ok(None) => {}
                Err(rejection) => {
                    return Err(Refused {
                        rejection,
                        body: verified.into_body(),
                        rest: None,
                    });
                }
            }
        }
        let text = if route.event.reads_body() || route.schema.is_some() {
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
        let schema = route.schema.as_ref();
        entry.violation = schema.and_then(|schema| schema.violation(&text));
        drop(text);
        match event {
            Ok(event) if entry.violation.is_none() => Ok(Passed::Event(verified, event, reserved)),
            event => Err(Refused {
                rejection: event.err().unwrap_or(Rejection::SchemaMismatch),
                body: verified.into_body(),
                rest: None,
            }),
        }
    }
}

/// A refusal, with what was read of the body and what was not, for a route that only observes.
#[derive(Debug)]
pub(super) struct Refused {
    pub(super) rejection: Rejection,
    pub(super) body: crate::verify::Body,
    pub(super) rest: Option<Incoming>,
}

impl Refused {
    pub(super) fn unread(rejection: Rejection, arriving: Arriving) -> Self {
        Self {
            rejection,
            body: arriving.begun,
            rest: arriving.rest,
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
