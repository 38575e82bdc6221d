//! What people see of the work: one log line per request, and metrics.

mod entry;
mod line;
mod log;
mod metrics;
mod series;

pub use entry::Entry;
pub use log::{Format, Level, Log};
pub use metrics::Metrics;
pub use series::{Outcome, Series};

/// Where logs and metrics go.
#[derive(Debug)]
pub struct Telemetry {
    /// The log.
    pub log: Log,
    /// The metrics.
    pub metrics: Metrics,
}

impl Telemetry {
    /// Starts with an empty log and all counts at zero.
    pub fn new(log: Log) -> Self {
        Self {
            log,
            metrics: Metrics::new(),
        }
    }
}
