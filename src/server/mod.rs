//! Listening, serving, stopping.
//!
//! One current-thread runtime per core, each with a listener of its own on the same port: a
//! connection lives on one core and meets no lock. One more thread watches signals and files and
//! serves health and metrics.

mod activity;
mod admin;
mod certificate;
mod connection;
mod fair;
mod health;
pub mod http1;
mod http2;
mod listen;
mod notify;
mod reload;
mod seldom;
mod session;
mod supervisor;
mod worker;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use arc_swap::{ArcSwap, ArcSwapOption};
use jiff::Timestamp;
use tokio::sync::{mpsc, oneshot, watch};

pub use reload::Origin;
pub use supervisor::{Control, run};

use crate::budget::Budget;
use crate::config::{About, Config};
use crate::proxy::{Gate, Student};
use crate::route::Mode;
use crate::telemetry::{Level, Telemetry, name};

/// For so long after the signal connections are still taken, and idle ones kept: a request that is
/// on its way when the signal comes is answered, with `Connection: close`, not reset.
const LINGER: std::time::Duration = std::time::Duration::from_millis(300);

/// How far the process is on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Takes connections.
    Serving,
    /// Finishes what it has accepted.
    Draining,
}

/// What all threads share.
#[derive(Debug)]
struct Shared {
    gate: ArcSwap<Gate>,
    tls: ArcSwapOption<rustls::ServerConfig>,
    telemetry: Arc<Telemetry>,
    connections: Budget,
    /// Connections that may read much at once.
    large_readers: Budget,
    /// Streams that HTTP/2 connections may have open beyond their first, by `in_flight`.
    streams: Budget,
    /// Bytes of requests that are gathered before they are looked at.
    gathered: Budget,
    phase: watch::Sender<Phase>,
    /// The same as the phase, for each request to look at.
    draining: AtomicBool,
    server: Settings,
    started: Instant,
    /// What can be told of the configuration.
    about: ArcSwap<Told>,
    /// Who asks for a reload, and waits for how it went.
    reloads: mpsc::Sender<oneshot::Sender<Reloaded>>,
}

/// How a reload went: its warnings, or what is wrong.
type Reloaded = Result<usize, String>;

/// What can be told of the configuration in use, and of the last one that could not be used.
#[derive(Debug, Clone)]
struct Told {
    about: About,
    loaded: Timestamp,
    refused: Option<(Timestamp, String)>,
}

impl std::ops::Deref for Told {
    type Target = About;

    fn deref(&self) -> &About {
        &self.about
    }
}

/// What a reload does not change.
#[derive(Debug, Clone)]
struct Settings {
    listen: crate::config::Listen,
    drain: std::time::Duration,
    http1: bool,
    h2c: bool,
    proxy_protocol: bool,
    secure: bool,
}

impl Shared {
    fn new(
        config: Config,
        telemetry: Arc<Telemetry>,
        reloads: mpsc::Sender<oneshot::Sender<Reloaded>>,
    ) -> Self {
        let server = Settings {
            listen: config.server.listen.clone(),
            drain: config.server.drain,
            http1: config.server.http1,
            h2c: config.server.h2c,
            proxy_protocol: config.server.proxy_protocol,
            secure: config.server.tls.is_some(),
        };
        telemetry.metrics.observe(&config.routes);
        telemetry.metrics.configured(&config.about.hash);
        telemetry.metrics.certificates(&config.server.certificates);
        let told = Told {
            about: config.about.clone(),
            loaded: Timestamp::now(),
            refused: None,
        };
        let student = config.admin.is_some().then(Student::start).flatten();
        Self {
            tls: ArcSwapOption::new(config.server.tls.clone()),
            connections: Budget::new(config.limits.connections),
            large_readers: Budget::new(http1::LARGE_READERS),
            streams: Budget::new(0),
            gathered: Budget::new(http1::GATHERED),
            gate: ArcSwap::from_pointee(Gate::new(config, telemetry.clone()).studied(student)),
            about: ArcSwap::from_pointee(told),
            reloads,
            telemetry,
            phase: watch::Sender::new(Phase::Serving),
            draining: AtomicBool::new(false),
            server,
            started: Instant::now(),
        }
    }

    /// Says which routes forward what is not verified: nobody should find out by accident.
    fn warn_of_open_routes(&self) {
        for route in self.gate.load().routes.all() {
            let message = match route.mode {
                Mode::Enforce(_) => continue,
                Mode::Observe(_) => "this route only observes: requests that fail reach the app",
                Mode::Passthrough => "this route verifies nothing: every request reaches the app",
            };
            self.telemetry.log.write(Level::Warn, message, |line| {
                line.field(name!("route"), &route.name);
                line.field(name!("mode"), route.mode.name());
            });
        }
    }

    /// Adds a column to the small picture of each route.
    fn sample(&self) {
        let gate = self.gate.load();
        let routes = gate.routes.all().iter();
        self.telemetry.history.sample(routes.map(|route| {
            let counts = gate.counts(Some(route));
            // What an observing route would have refused is no better for having passed.
            let refused = counts.rejected.saturating_add(counts.failed);
            let refused = refused.saturating_add(counts.would_reject);
            (route.name.to_string(), (counts.forwarded, refused))
        }));
    }

    /// Ends readiness at once; connections follow (see [`LINGER`]).
    fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
        self.phase.send_replace(Phase::Draining);
    }

    fn draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }
}
