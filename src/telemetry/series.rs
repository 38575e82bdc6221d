//! The series of one route, found once: counting a request looks nothing up.

use std::collections::HashMap;
use std::sync::OnceLock;
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;

use super::metrics::Metrics;
use crate::duplicates::OnCopy;
use crate::rejection::{Fault, Rejection};
use crate::route::{Mode, Route};

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The caller hung up before the answer.
    Aborted,
    /// A copy of an event that the app has taken; gatepost answered.
    Acknowledged,
    /// gatepost or the app could not take it.
    Failed,
    /// The app answered.
    Forwarded,
    /// A provider's handshake, answered by gatepost.
    Handshake,
    /// It did not prove itself.
    Rejected,
    /// It did not prove itself, and the route only observes.
    WouldReject,
}

impl Outcome {
    const ALL: [Self; 7] = [
        Self::Aborted,
        Self::Acknowledged,
        Self::Failed,
        Self::Forwarded,
        Self::Handshake,
        Self::Rejected,
        Self::WouldReject,
    ];

    /// The label and the log field.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Aborted => "aborted",
            Self::Acknowledged => "acknowledged",
            Self::Failed => "failed",
            Self::Forwarded => "forwarded",
            Self::Handshake => "handshake",
            Self::Rejected => "rejected",
            Self::WouldReject => "would_reject",
        }
    }
}

/// How many requests a route has had since the process started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct Counts {
    /// Verified (or passed through) and answered by the app.
    pub forwarded: u64,
    /// Refused.
    pub rejected: u64,
    /// Not taken by gatepost or by the app.
    pub failed: u64,
    /// Forwarded by a route that only observes, although not verified.
    pub would_reject: u64,
}

/// A secret of a route, as it is counted.
#[derive(Debug)]
struct Matched {
    name: String,
    matches: Counter,
    last: Gauge,
}

/// The series of one route, or of all requests that no route matches.
#[derive(Debug)]
pub struct Series {
    route: String,
    provider: String,
    forwarded: Counter,
    /// By reason, first those of refusals, then those of an observing route. Made with the first
    /// refusal: most routes never have one.
    refused: OnceLock<Box<[OnceLock<Counter>]>>,
    /// By outcome; made with the first of each, as most routes never have most of them.
    durations: [OnceLock<Histogram>; Outcome::ALL.len()],
    /// By documented type.
    events: HashMap<String, Counter>,
    other_events: Counter,
    /// By secret, those of the configuration.
    secrets: Vec<Matched>,
    verify: Histogram,
    upstream: Histogram,
    bodies: Histogram,
    answers: [Counter; 5],
    /// Requests under way.
    in_flight: Gauge,
    /// Copies of events; made with the first.
    copies: OnceLock<Counter>,
}

impl Series {
    /// How often which end was counted, whatever the reason.
    pub fn counts(&self) -> Counts {
        let mut counts = Counts {
            forwarded: self.forwarded.get(),
            ..Counts::default()
        };
        let all = self.refused.get().map(|all| &**all).unwrap_or_default();
        let (refused, observed) = all.split_at(all.len().min(Rejection::ALL.len()));
        for (reason, slot) in Rejection::ALL.iter().zip(refused) {
            let sum = match reason.fault() {
                Fault::Client => &mut counts.rejected,
                Fault::Gatepost | Fault::Upstream => &mut counts.failed,
            };
            *sum = sum.saturating_add(slot.get().map_or(0, Counter::get));
        }
        for slot in observed {
            let more = slot.get().map_or(0, Counter::get);
            counts.would_reject = counts.would_reject.saturating_add(more);
        }
        counts
    }

    /// How often a secret has matched, and when last.
    pub fn matches(&self, name: &str) -> (u64, Option<jiff::Timestamp>) {
        let found = self.secrets.iter().find(|secret| secret.name == name);
        let Some(Matched { matches, last, .. }) = found else {
            return (0, None);
        };
        let last = Some(last.get()).filter(|last| *last > 0);
        (
            matches.get(),
            last.and_then(|last| jiff::Timestamp::from_second(last).ok()),
        )
    }

    /// Counts how long a verification took, and the size of a body that passed it.
    pub(super) fn count_verified(&self, verify: Duration, bytes: Option<usize>) {
        self.verify.observe(verify.as_secs_f64());
        #[expect(
            clippy::cast_precision_loss,
            reason = "sizes of bodies are exact in 53 bits"
        )]
        if let Some(bytes) = bytes {
            self.bodies.observe(bytes as f64);
        }
    }

    /// Counts what the app did: how long it took and, if it answered, how.
    pub(super) fn count_upstream(&self, elapsed: Duration, status: Option<u16>) {
        self.upstream.observe(elapsed.as_secs_f64());
        let class = status.and_then(|status| usize::from(status / 100).checked_sub(1));
        if let Some(counter) = class.and_then(|class| self.answers.get(class)) {
            counter.inc();
        }
    }

    /// The gauge of requests under way.
    pub fn in_flight(&self) -> &Gauge {
        &self.in_flight
    }

    /// Counts a copy of an event that the app has taken; of one route all have the same fate.
    pub fn count_copy(&self, metrics: &Metrics, on_copy: OnCopy) {
        let counter = self
            .copies
            .get_or_init(|| metrics.copies(&self.route, on_copy.name()));
        counter.inc();
    }

    /// Counts a request that this secret has verified.
    pub(super) fn count_match(&self, name: &str, now: jiff::Timestamp) {
        let found = self.secrets.iter().find(|secret| secret.name == name);
        if let Some(Matched { matches, last, .. }) = found {
            matches.inc();
            last.set(now.as_second());
        }
    }

    /// The series of `route`; `None` for requests that no route matches.
    pub fn new(metrics: &Metrics, route: Option<&Route>) -> Self {
        let name = route.map_or("-", |route| &route.name);
        let provider = route
            .and_then(|route| route.provider.as_deref())
            .unwrap_or("-");
        let known = route.map_or(&[][..], |route| &route.known_events);
        Self {
            route: name.to_owned(),
            provider: provider.to_owned(),
            forwarded: metrics.requests(name, provider, Outcome::Forwarded, None),
            refused: OnceLock::new(),
            durations: Outcome::ALL.map(|outcome| {
                // A rate needs a zero to begin with.
                if outcome == Outcome::Forwarded {
                    metrics.durations(name, outcome).into()
                } else {
                    OnceLock::new()
                }
            }),
            events: known
                .iter()
                .map(|kind| (kind.clone(), metrics.events(name, kind)))
                .collect(),
            other_events: metrics.events(name, "other"),
            secrets: route
                .map(|route| secrets(metrics, route))
                .unwrap_or_default(),
            verify: metrics.verifications(name),
            upstream: metrics.upstreams(name),
            bodies: metrics.bodies(name),
            answers: metrics.answers(name),
            in_flight: metrics.in_flight(name),
            copies: OnceLock::new(),
        }
    }

    /// Whether both count the same route.
    pub fn is_of_same(&self, other: &Self) -> bool {
        self.route == other.route && self.provider == other.provider
    }

    /// Takes over what was counted under the configuration before.
    pub fn go_on_from(&mut self, before: &Self) {
        self.refused = before.refused.clone();
    }

    /// Counts a request.
    pub(super) fn count(
        &self,
        metrics: &Metrics,
        outcome: Outcome,
        reason: Option<Rejection>,
        elapsed: Duration,
    ) {
        match (outcome, reason) {
            (Outcome::Forwarded, None) => drop(self.forwarded.inc()),
            (_, Some(reason)) if outcome != Outcome::Aborted => {
                let all = self.refused.get_or_init(|| {
                    (0..Rejection::ALL.len().saturating_mul(2))
                        .map(|_| OnceLock::new())
                        .collect()
                });
                let observed = outcome == Outcome::WouldReject;
                let offset = if observed { Rejection::ALL.len() } else { 0 };
                if let Some(slot) = all.get((reason as usize).saturating_add(offset)) {
                    let counter = slot.get_or_init(|| {
                        metrics.requests(&self.route, &self.provider, outcome, Some(reason))
                    });
                    counter.inc();
                }
            }
            _ => {
                metrics
                    .requests(&self.route, &self.provider, outcome, reason)
                    .inc();
            }
        }
        if let Some(slot) = self.durations.get(outcome as usize) {
            let histogram = slot.get_or_init(|| metrics.durations(&self.route, outcome));
            histogram.observe(elapsed.as_secs_f64());
        }
    }

    /// Counts the events of a forwarded request. Only documented types have a series: anything
    /// else would let a sender make as many as it likes.
    pub(super) fn count_events(&self, types: &[String]) {
        for kind in types {
            self.events.get(kind).unwrap_or(&self.other_events).inc();
        }
    }
}

/// The secrets of a route, each name once.
fn secrets(metrics: &Metrics, route: &Route) -> Vec<Matched> {
    let (Mode::Enforce(plan) | Mode::Observe(plan)) = &route.mode else {
        return Vec::new();
    };
    let mut made: Vec<Matched> = Vec::new();
    for held in plan.held() {
        if !made.iter().any(|other| *other.name == *held.name) {
            let (matches, last) = metrics.secret(&route.name, &held);
            made.push(Matched {
                name: held.name.to_string(),
                matches,
                last,
            });
        }
    }
    made
}
