//! The series of one route, found once: counting a request looks nothing up.

use std::collections::HashMap;
use std::sync::OnceLock;
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::histogram::Histogram;

use super::metrics::Metrics;
use crate::rejection::Rejection;
use crate::route::Route;

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
    /// It did not prove itself.
    Rejected,
    /// It did not prove itself, and the route only observes.
    WouldReject,
}

impl Outcome {
    const ALL: [Self; 6] = [
        Self::Aborted,
        Self::Acknowledged,
        Self::Failed,
        Self::Forwarded,
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
            Self::Rejected => "rejected",
            Self::WouldReject => "would_reject",
        }
    }
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
    durations: [Histogram; Outcome::ALL.len()],
    /// By documented type.
    events: HashMap<String, Counter>,
    other_events: Counter,
}

impl Series {
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
            durations: Outcome::ALL.map(|outcome| metrics.durations(name, outcome)),
            events: known
                .iter()
                .map(|kind| (kind.clone(), metrics.events(name, kind)))
                .collect(),
            other_events: metrics.events(name, "other"),
        }
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
        if let Some(histogram) = self.durations.get(outcome as usize) {
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
