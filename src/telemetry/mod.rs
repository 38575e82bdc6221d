//! What people see of the work: one log line per request, and metrics.

mod entry;
mod history;
mod line;
mod live;
mod log;
mod metrics;
mod process;
mod refusals;
mod series;
mod sums;
mod terminal;

pub use entry::Entry;
pub use history::{Columns, History};
pub use line::Name;
pub(crate) use line::name;
pub use live::{Happening, Live, Watcher};
pub use log::{Format, Level, Log};
pub use metrics::Metrics;
pub use refusals::{Refusal, Refusals};
pub use series::{Counts, Outcome, Series};
pub use sums::Sums;

/// Where logs and metrics go.
#[derive(Debug)]
pub struct Telemetry {
    /// The log.
    pub log: Log,
    /// The metrics.
    pub metrics: Metrics,
    /// The last refusals.
    pub refusals: Refusals,
    /// Who watches.
    pub live: Live,
    /// The last minutes.
    pub history: History,
    /// Identical refusals.
    pub sums: Sums,
}

impl Telemetry {
    /// Starts with an empty log and all counts at zero.
    pub fn new(log: Log) -> Self {
        Self {
            log,
            metrics: Metrics::new(),
            refusals: Refusals::default(),
            live: Live::new(),
            history: History::default(),
            sums: Sums::default(),
        }
    }
}

/// Milliseconds with three digits after the point.
fn milliseconds(duration: std::time::Duration) -> f64 {
    (duration.as_secs_f64() * 1_000_000.0).round() / 1000.0
}
