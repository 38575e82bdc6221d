//! Idle connections to the app: one pool per core, so that no request waits for another core.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::link::Link;
use crate::budget::{Budget, Reserved};

/// More idle connections than this are closed at once.
const MAX_IDLE: usize = 1024;

/// A connection used so short a time ago is taken as it is.
const FRESH: Duration = Duration::from_millis(10);

/// So many apps that have answered too soon get the rest of a request: each holds a body that no
/// budget counts any more.
const MOST_LATE: usize = 16;

/// The idle connections of one core.
#[derive(Debug, Clone)]
pub struct Pool {
    idle: Arc<Mutex<Vec<Idle>>>,
    late: Budget,
}

impl Default for Pool {
    fn default() -> Self {
        Self {
            idle: Arc::default(),
            late: Budget::new(MOST_LATE),
        }
    }
}

#[derive(Debug)]
struct Idle {
    link: Link,
    since: Instant,
}

impl Pool {
    /// An idle connection that is still open, the one used last first.
    ///
    /// A sent request is never sent again, so one that meets an app's hang-up is lost. Whether the
    /// app has hung up while the connection waited, only the runtime knows: it is given a turn.
    pub(super) async fn take(&self, now: Instant) -> Option<Link> {
        loop {
            let Idle { mut link, since } = self.lock().pop()?;
            if now.saturating_duration_since(since) > FRESH {
                tokio::task::yield_now().await;
            }
            if link.is_quiet() {
                return Some(link);
            }
        }
    }

    /// Leave to send the rest of a request that is answered already, if it is there.
    pub(super) fn late(&self) -> Option<Reserved> {
        self.late.reserve(1)
    }

    /// Closes what the app has closed, or what has been idle longer than `limit`; the rest keeps
    /// nothing but its connection.
    pub fn expire(&self, limit: Duration) {
        self.lock().retain_mut(|Idle { link, since }| {
            link.rest();
            since.elapsed() < limit && link.is_quiet()
        });
    }

    /// Takes a connection back once its answer is read to the end.
    pub(super) fn put(&self, link: Link) {
        let mut idle = self.lock();
        if idle.len() < MAX_IDLE {
            let since = Instant::now();
            idle.push(Idle { link, since });
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Idle>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
