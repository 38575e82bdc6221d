//! Metrics in the Prometheus text format. Every label comes from a closed set, so the number of
//! series is known when the configuration is loaded.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

use super::Outcome;
use crate::rejection::Rejection;
use crate::route::{Mode, Routes};

/// All metrics.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    requests: Family<Request, Counter>,
    duration: Family<Timed, Histogram, fn() -> Histogram>,
    events: Family<Kind, Counter>,
    copies: Family<Copied, Counter>,
    unkeyed: Family<Named, Counter>,
    remembered: Gauge,
    evicted: Counter,
    store_errors: Family<Asked, Counter>,
    observing: Family<Named, Gauge>,
    reload: Gauge,
    panics: Counter,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Request {
    route: String,
    provider: String,
    outcome: &'static str,
    reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Timed {
    route: String,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Named {
    route: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Kind {
    route: String,
    event_type: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Copied {
    route: String,
    action: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Asked {
    operation: &'static str,
}

/// From half a millisecond to the default `upstream.timeout`.
fn buckets() -> Histogram {
    Histogram::new([
        0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0,
    ])
}

impl Metrics {
    /// All counts at zero.
    pub fn new() -> Self {
        let mut registry = Registry::with_prefix("gatepost");
        let requests = Family::default();
        registry.register(
            "requests",
            "Requests by outcome and reason",
            requests.clone(),
        );
        let duration = Family::new_with_constructor(buckets as fn() -> Histogram);
        let help = "Time from the head of a request to the head of its answer";
        registry.register_with_unit("request_duration", help, Unit::Seconds, duration.clone());
        let events = Family::default();
        let help = "Forwarded events by type; those the provider does not document are \"other\"";
        registry.register("events", help, events.clone());
        let copies = Family::default();
        let help = "Copies of events that the app has taken, by what was done with them";
        registry.register("duplicates", help, copies.clone());
        let unkeyed = Family::default();
        let help = "Events without what would tell them from a copy; they are not remembered";
        registry.register("events_without_key", help, unkeyed.clone());
        let remembered = Gauge::default();
        let help = "Events remembered in memory";
        registry.register("duplicates_remembered", help, remembered.clone());
        let evicted = Counter::default();
        let help = "Events forgotten before their time, for want of room in memory";
        registry.register("duplicates_evicted", help, evicted.clone());
        let store_errors = Family::default();
        let help = "Questions that the store of events did not answer";
        registry.register("duplicates_store_errors", help, store_errors.clone());
        for operation in ["claim", "settle"] {
            drop(store_errors.get_or_create(&Asked { operation }));
        }
        let observing = Family::default();
        registry.register(
            "observe_mode",
            "1 for a route that only observes",
            observing.clone(),
        );
        let build = Info::new(vec![("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("build", "The build", build);
        let reload = Gauge::default();
        reload.set(1);
        let help = "1 if the last reload of the configuration was good";
        registry.register("config_last_reload_successful", help, reload.clone());
        let panics = Counter::default();
        registry.register(
            "panics",
            "Requests ended by a fault in gatepost",
            panics.clone(),
        );
        Self {
            registry,
            requests,
            duration,
            events,
            copies,
            unkeyed,
            remembered,
            evicted,
            store_errors,
            observing,
            reload,
            panics,
        }
    }

    /// Notes which routes only observe.
    pub fn observe(&self, routes: &Routes) {
        self.observing.clear();
        for route in routes.all() {
            let labels = Named {
                route: route.name.clone(),
            };
            let observes = matches!(route.mode, Mode::Observe(_));
            self.observing
                .get_or_create(&labels)
                .set(i64::from(observes));
        }
    }

    /// Notes how a reload ended.
    pub fn reloaded(&self, good: bool) {
        self.reload.set(i64::from(good));
    }

    /// Counts a copy of an event that the app has taken.
    pub fn copied(&self, route: &str, action: &'static str) {
        let route = route.to_owned();
        self.copies.get_or_create(&Copied { route, action }).inc();
    }

    /// Counts an event that nothing tells from its copies.
    pub fn unkeyed(&self, route: &str) {
        let route = route.to_owned();
        self.unkeyed.get_or_create(&Named { route }).inc();
    }

    /// Counts a question that the store of events did not answer.
    pub fn store_failed(&self, operation: &'static str) {
        self.store_errors.get_or_create(&Asked { operation }).inc();
    }

    /// Notes how full the memory of events is, and how many had to go.
    pub fn remembered(&self, events: usize, evicted: u64) {
        self.remembered
            .set(i64::try_from(events).unwrap_or(i64::MAX));
        self.evicted
            .inner()
            .store(evicted, std::sync::atomic::Ordering::Relaxed);
    }

    /// Counts a request that a fault of ours ended.
    pub fn panicked(&self) {
        self.panics.inc();
    }

    /// The counter of requests with this end.
    pub(super) fn requests(
        &self,
        route: &str,
        provider: &str,
        outcome: Outcome,
        reason: Option<Rejection>,
    ) -> Counter {
        let labels = Request {
            route: route.to_owned(),
            provider: provider.to_owned(),
            outcome: outcome.name(),
            reason: reason.map_or("", Rejection::code),
        };
        self.requests.get_or_create_owned(&labels)
    }

    /// The times of requests with this end.
    pub(super) fn durations(&self, route: &str, outcome: Outcome) -> Histogram {
        let labels = Timed {
            route: route.to_owned(),
            outcome: outcome.name(),
        };
        self.duration.get_or_create_owned(&labels)
    }

    /// The counter of forwarded events of this type.
    pub(super) fn events(&self, route: &str, kind: &str) -> Counter {
        let labels = Kind {
            route: route.to_owned(),
            event_type: kind.to_owned(),
        };
        self.events.get_or_create_owned(&labels)
    }

    /// The text that Prometheus reads.
    pub fn render(&self) -> String {
        let mut text = String::new();
        // Writing to a String cannot fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}
