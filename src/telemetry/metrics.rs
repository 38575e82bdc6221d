//! Metrics in the Prometheus text format. Every label comes from a closed set, so the number of
//! series is known when the configuration is loaded.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Metric, Registry, Unit};

use super::Outcome;
use super::process;
use crate::rejection::Rejection;
use crate::route::{Mode, Routes};
use crate::verify::Held;

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
    verify: Family<Named, Histogram, fn() -> Histogram>,
    upstream: Family<Named, Histogram, fn() -> Histogram>,
    answers: Family<Answered, Counter>,
    bodies: Family<Named, Histogram, fn() -> Histogram>,
    in_flight: Family<Named, Gauge>,
    matches: Family<OfSecret, Counter>,
    last_match: Family<OfSecret, Gauge>,
    loaded: Family<OfSecret, Gauge>,
    expires: Family<OfSecret, Gauge>,
    certificates: Family<Certificate, Gauge>,
    config: Family<Loaded, Gauge>,
    reload: Gauge,
    reloaded_at: Gauge,
    reloads: Family<Reloaded, Counter>,
    panics: Counter,
    /// The secrets that have series.
    secrets: Mutex<HashSet<OfSecret>>,
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

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answered {
    route: String,
    code_class: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfSecret {
    route: String,
    secret: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Certificate {
    serial: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Build {
    version: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Loaded {
    hash: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Reloaded {
    result: &'static str,
}

/// From ten microseconds to a tenth of a second.
fn fine_buckets() -> Histogram {
    Histogram::new([
        1e-5, 2.5e-5, 5e-5, 1e-4, 2.5e-4, 5e-4, 0.001, 0.0025, 0.005, 0.01, 0.1,
    ])
}

/// From 256 bytes to 16 MiB.
fn size_buckets() -> Histogram {
    Histogram::new([
        256.0,
        1024.0,
        4096.0,
        16384.0,
        65536.0,
        262_144.0,
        1_048_576.0,
        16_777_216.0,
    ])
}

fn now() -> i64 {
    let elapsed = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    i64::try_from(elapsed.unwrap_or_default().as_secs()).unwrap_or(i64::MAX)
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
        let made = &mut registry;
        // A gauge: readers of the older text format do not know the type "info".
        let build: Family<Build, Gauge> = plain(made, "build_info", "1, with the version");
        let version = env!("CARGO_PKG_VERSION");
        build.get_or_create(&Build { version }).set(1);
        let seconds = Some(Unit::Seconds);
        let requests = plain(made, "requests", "Requests by outcome and reason");
        let duration = Family::new_with_constructor(buckets as fn() -> Histogram);
        let help = "Time from the head of a request to the head of its answer";
        timed(made, "request_duration", help, seconds.clone(), &duration);
        let help = "Forwarded events by type; those the provider does not document are \"other\"";
        let events = plain(made, "events", help);
        let help = "Copies of events that the app has taken, by what was done with them";
        let copies = plain(made, "duplicates", help);
        let help = "Events without what would tell them from a copy; they are not remembered";
        let unkeyed = plain(made, "events_without_key", help);
        let remembered = plain(made, "duplicates_remembered", "Events remembered in memory");
        let help = "Events forgotten before their time, for want of room in memory";
        let evicted = plain(made, "duplicates_evicted", help);
        let help = "Questions that the store of events did not answer";
        let store_errors: Family<Asked, Counter> = plain(made, "duplicates_store_errors", help);
        for operation in ["claim", "settle"] {
            drop(store_errors.get_or_create(&Asked { operation }));
        }
        let observing = plain(made, "observe_mode", "1 for a route that only observes");
        let verify = Family::new_with_constructor(fine_buckets as fn() -> Histogram);
        let help = "Time that the steps of a route took, of requests that passed them";
        timed(made, "verify_duration", help, seconds.clone(), &verify);
        let upstream = Family::new_with_constructor(buckets as fn() -> Histogram);
        let help = "Time from the request to the app to the head of its answer";
        timed(made, "upstream_duration", help, seconds, &upstream);
        let answers = plain(
            made,
            "upstream_responses",
            "Answers of the app by class of status",
        );
        let bodies = Family::new_with_constructor(size_buckets as fn() -> Histogram);
        let help = "Size of verified bodies";
        timed(made, "request_body", help, Some(Unit::Bytes), &bodies);
        let help = "Requests between their admission and their answer";
        let in_flight = plain(made, "inflight_requests", help);
        let help = "Requests verified by a secret or key, by its name";
        let matches = plain(made, "secret_matches", help);
        let help = "When a secret or key last matched, in Unix time; 0 for not since the start";
        let last_match = plain(made, "secret_last_match_timestamp_seconds", help);
        let help = "When a secret or key of this name was first loaded, in Unix time";
        let loaded = plain(made, "secret_loaded_timestamp_seconds", help);
        let help =
            "Until when a secret or key is in force, in Unix time; only of those with `until`";
        let expires = plain(made, "secret_expires_timestamp_seconds", help);
        let help = "When a certificate of server.tls expires, in Unix time";
        let certificates = plain(made, "tls_certificate_expires_timestamp_seconds", help);
        let help = "1, with the beginning of the SHA-256 of the file that is in use";
        let config = plain(made, "config_info", help);
        let help = "1 if the last reload of the configuration was good";
        let reload: Gauge = plain(made, "config_last_reload_successful", help);
        reload.set(1);
        let help = "When the configuration in use was loaded, in Unix time";
        let reloaded_at: Gauge = plain(made, "config_last_reload_success_timestamp_seconds", help);
        reloaded_at.set(now());
        let help = "Reloads of the configuration by result";
        let reloads: Family<Reloaded, Counter> = plain(made, "config_reloads", help);
        for result in ["good", "refused"] {
            drop(reloads.get_or_create(&Reloaded { result }));
        }
        let panics = plain(made, "panics", "Requests ended by a fault in gatepost");
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
            verify,
            upstream,
            answers,
            bodies,
            in_flight,
            matches,
            last_match,
            loaded,
            expires,
            certificates,
            config,
            reload,
            reloaded_at,
            reloads,
            panics,
            secrets: Mutex::default(),
        }
    }

    /// Notes which file is in use.
    pub fn configured(&self, hash: &str) {
        self.config.clear();
        let hash = hash.to_owned();
        self.config.get_or_create(&Loaded { hash }).set(1);
        self.reloaded_at.set(now());
    }

    /// Notes the certificates in use: serial number and end.
    pub fn certificates(&self, ends: &[(String, i64)]) {
        self.certificates.clear();
        for (serial, end) in ends {
            let serial = serial.clone();
            self.certificates
                .get_or_create(&Certificate { serial })
                .set(*end);
        }
    }

    /// Forgets the secrets that are in the configuration no more.
    fn forget_secrets(&self, routes: &Routes) {
        let mut wanted = HashSet::new();
        for route in routes.all() {
            if let Mode::Enforce(plan) | Mode::Observe(plan) = &route.mode {
                wanted.extend(plan.held().iter().map(|held| OfSecret {
                    route: route.name.to_string(),
                    secret: held.name.to_string(),
                }));
            }
        }
        let mut known = self.secrets.lock().unwrap_or_else(PoisonError::into_inner);
        for gone in known.difference(&wanted) {
            self.matches.remove(gone);
            self.last_match.remove(gone);
            self.loaded.remove(gone);
            self.expires.remove(gone);
        }
        known.retain(|secret| wanted.contains(secret));
    }

    /// The series of a secret: how often it matched, and when last.
    pub(super) fn secret(&self, route: &str, held: &Held<()>) -> (Counter, Gauge) {
        let labels = OfSecret {
            route: route.to_owned(),
            secret: held.name.to_string(),
        };
        let mut known = self.secrets.lock().unwrap_or_else(PoisonError::into_inner);
        if known.insert(labels.clone()) {
            self.loaded.get_or_create(&labels).set(now());
        }
        match held.until {
            Some(until) => drop(self.expires.get_or_create(&labels).set(until.as_second())),
            None => drop(self.expires.remove(&labels)),
        }
        (
            self.matches.get_or_create_owned(&labels),
            self.last_match.get_or_create_owned(&labels),
        )
    }

    /// The times that verifying a request of this route took.
    pub(super) fn verifications(&self, route: &str) -> Histogram {
        self.verify.get_or_create_owned(&named(route))
    }

    /// The times that the app took.
    pub(super) fn upstreams(&self, route: &str) -> Histogram {
        self.upstream.get_or_create_owned(&named(route))
    }

    /// The sizes of bodies.
    pub(super) fn bodies(&self, route: &str) -> Histogram {
        self.bodies.get_or_create_owned(&named(route))
    }

    /// The requests that are under way.
    pub(super) fn in_flight(&self, route: &str) -> Gauge {
        self.in_flight.get_or_create_owned(&named(route))
    }

    /// The answers of the app of one class of status, from `1xx` on.
    pub(super) fn answers(&self, route: &str) -> [Counter; 5] {
        CLASSES.map(|code_class| {
            self.answers.get_or_create_owned(&Answered {
                route: route.to_owned(),
                code_class,
            })
        })
    }

    /// Notes which routes only observe.
    pub fn observe(&self, routes: &Routes) {
        self.forget_secrets(routes);
        self.observing.clear();
        for route in routes.all() {
            let labels = Named {
                route: route.name.to_string(),
            };
            let observes = matches!(route.mode, Mode::Observe(_));
            self.observing
                .get_or_create(&labels)
                .set(i64::from(observes));
            // What may be counted is there from the start.
            if let Some(rule) = &route.copies {
                drop(self.unkeyed.get_or_create(&labels));
                drop(self.copies.get_or_create(&Copied {
                    route: route.name.to_string(),
                    action: rule.on_copy().name(),
                }));
            }
        }
    }

    /// Notes how a reload ended.
    pub fn reloaded(&self, good: bool) {
        self.reload.set(i64::from(good));
        let result = if good { "good" } else { "refused" };
        self.reloads.get_or_create(&Reloaded { result }).inc();
    }

    /// The copies of events that the app has taken.
    pub(super) fn copies(&self, route: &str, action: &'static str) -> Counter {
        let route = route.to_owned();
        self.copies.get_or_create(&Copied { route, action }).clone()
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
        // What the process costs comes last, before the mark of the end.
        let end = "# EOF\n";
        text.truncate(text.len().saturating_sub(end.len()));
        process::render(&mut text);
        text.push_str(end);
        text
    }
}

/// A metric whose series start empty.
fn plain<M: Metric + Clone + Default>(registry: &mut Registry, name: &str, help: &str) -> M {
    let metric = M::default();
    registry.register(name, help, metric.clone());
    metric
}

/// A histogram of each series.
fn timed<L>(
    registry: &mut Registry,
    name: &str,
    help: &str,
    unit: Option<Unit>,
    family: &Family<L, Histogram, fn() -> Histogram>,
) where
    Family<L, Histogram, fn() -> Histogram>: Metric + Clone,
{
    match unit {
        Some(unit) => registry.register_with_unit(name, help, unit, family.clone()),
        None => registry.register(name, help, family.clone()),
    }
}

/// Classes of status.
const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

fn named(route: &str) -> Named {
    Named {
        route: route.to_owned(),
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}
