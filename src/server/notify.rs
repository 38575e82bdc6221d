//! What systemd is told: `Type=notify-reload` (`sd_notify(3)`). Without `NOTIFY_SOCKET` it is nothing.

use sd_notify::{NotifyState, notify};

use crate::telemetry::{Level, Log, name};

/// It serves, with the newest configuration that is good.
pub(super) fn ready(log: &Log) {
    tell(log, &[NotifyState::Ready]);
}

/// A reload began. Without the time of its begin, `systemctl reload` returns before its end.
pub(super) fn reloading(log: &Log) {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(log, &[NotifyState::Reloading, now]),
        Err(error) => unheard(log, &error),
    }
}

/// It finishes what it has accepted, and ends.
pub(super) fn stopping(log: &Log) {
    tell(log, &[NotifyState::Stopping]);
}

fn tell(log: &Log, state: &[NotifyState<'_>]) {
    if let Err(error) = notify(state) {
        unheard(log, &error);
    }
}

/// Serving goes on: who supervises is not on the path of an event.
fn unheard(log: &Log, error: &std::io::Error) {
    let message = "systemd cannot be told of a change of state";
    log.write(Level::Warn, message, |line| {
        line.field(name!("error"), &error.to_string());
    });
}
