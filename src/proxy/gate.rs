//! One loaded configuration, ready to decide.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use prometheus_client::metrics::gauge::Gauge;

use super::rate::Meters;
use super::study::{Desk, Student};
use crate::address::Trust;
use crate::budget::{Budget, Reserved};
use crate::config::{Config, HeaderSettings, Limits};
use crate::duplicates::{self, Store};
use crate::received::Received;
use crate::rejection::Rejection;
use crate::route::{Route, Routes};
use crate::telemetry::{Counts, Entry, Series, Telemetry};
use crate::upstream;
use crate::verify::Moment;

/// Everything a request is judged by. Immutable: a reload makes a new one, and requests that have
/// begun keep the one they began with.
#[derive(Debug)]
pub struct Gate {
    /// Who may tell the client address.
    pub trust: Trust,
    /// The routes.
    pub routes: Routes,
    /// Limits of every request.
    pub limits: Limits,
    /// How headers are written.
    pub headers: HeaderSettings,
    /// The app.
    pub upstream: upstream::Settings,
    /// Bytes of all bodies together.
    pub buffered: Budget,
    /// Requests at once.
    pub in_flight: Budget,
    /// The events that the app has taken, and those in flight.
    pub events: Store,
    /// How they are remembered.
    pub duplicates: duplicates::Settings,
    /// Logs and metrics.
    pub telemetry: Arc<Telemetry>,
    /// Where refusals are examined.
    pub(super) desk: Desk,
    meters: Meters,
    /// Of each route, by its index.
    series: Vec<Series>,
    /// Of requests that no route matches.
    unrouted: Series,
}

/// A request's place among those in flight, given back when its answer is sent.
#[derive(Debug)]
pub struct Slot {
    _all: Reserved,
    _route: Option<Reserved>,
    under_way: Gauge,
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.under_way.dec();
    }
}

impl Gate {
    /// Takes a configuration over.
    pub fn new(config: Config, telemetry: Arc<Telemetry>) -> Self {
        let Config {
            trust,
            routes,
            limits,
            headers,
            upstream,
            duplicates,
            ..
        } = config;
        Self {
            trust,
            headers,
            upstream,
            buffered: Budget::new(limits.buffered),
            in_flight: Budget::new(limits.in_flight),
            limits,
            events: Store::new(&duplicates, Instant::now()),
            duplicates,
            desk: Desk::new(routes.all().len(), None),
            meters: Meters::default(),
            series: routes
                .all()
                .iter()
                .map(|route| Series::new(&telemetry.metrics, Some(route)))
                .collect(),
            unrouted: Series::new(&telemetry.metrics, None),
            routes,
            telemetry,
        }
    }

    /// Lets refusals be examined by this thread.
    #[must_use]
    pub fn studied(mut self, student: Option<Student>) -> Self {
        self.desk = Desk::new(self.routes.all().len(), student);
        self
    }

    /// How often which end was counted, of a route or of requests without one.
    pub fn counts(&self, route: Option<&Route>) -> Counts {
        self.counted(route).counts()
    }

    /// How often a secret of a route has matched, and when last.
    pub fn matches(&self, route: &Route, secret: &str) -> (u64, Option<Moment>) {
        self.counted(Some(route)).matches(secret)
    }

    fn counted(&self, route: Option<&Route>) -> &Series {
        let own = route.and_then(|route| self.series.get(route.index));
        own.unwrap_or(&self.unrouted)
    }

    /// Takes over what is in use under the configuration before.
    #[must_use]
    pub fn continuing(mut self, before: &Self) -> Self {
        self.buffered = before.buffered.with_limit(self.limits.buffered);
        self.in_flight = before.in_flight.with_limit(self.limits.in_flight);
        self.events = before.events.continued(&self.duplicates, Instant::now());
        for series in &mut self.series {
            if let Some(before) = before.series.iter().find(|other| other.is_of_same(series)) {
                series.go_on_from(before);
            }
        }
        self.unrouted.go_on_from(&before.unrouted);
        self.studied(before.desk.student())
    }

    /// Puts the number of remembered events into the metrics.
    pub fn count_remembered(&self) {
        if let Store::Memory(memory) = &self.events {
            let metrics = &self.telemetry.metrics;
            metrics.remembered(memory.len(), memory.evicted());
        }
    }

    /// Starts the record of a request that came at this time, by both clocks.
    pub(super) fn entry(&self, arrived: Moment, started: Instant) -> Entry<'_> {
        Entry::new(&self.telemetry, &self.unrouted, arrived, started)
    }

    /// The route of a request, noted in its log entry.
    pub(super) fn find<'g>(
        &'g self,
        host: &str,
        received: &Received,
        entry: &mut Entry<'g>,
    ) -> Result<&'g Route, Rejection> {
        match self
            .routes
            .find(host, received.uri.path(), &received.method)
        {
            Ok(route) => {
                self.note(entry, Some(route));
                Ok(route)
            }
            Err((rejection, route)) => {
                self.note(entry, route);
                Err(rejection)
            }
        }
    }

    fn note<'g>(&'g self, entry: &mut Entry<'g>, route: Option<&'g Route>) {
        entry.route = route;
        if let Some(series) = route.and_then(|route| self.series.get(route.index)) {
            entry.series = series;
        }
    }

    /// Counts a request against the rate of its client and the requests at once.
    pub(super) fn enter(&self, route: &Route, client: IpAddr) -> Result<Slot, Rejection> {
        if let Some(rate) = &route.rate
            && !self.meters.admit(route.index, client, rate, Instant::now())
        {
            return Err(Rejection::RateLimited);
        }
        let all = self.in_flight.reserve(1).ok_or(Rejection::Overloaded)?;
        let own = match &route.in_flight {
            Some(budget) => Some(budget.reserve(1).ok_or(Rejection::Overloaded)?),
            None => None,
        };
        let under_way = self.counted(Some(route)).in_flight().clone();
        under_way.inc();
        Ok(Slot {
            _all: all,
            _route: own,
            under_way,
        })
    }
}
