//! Idle connections to the app: one pool per core, so that no request waits for another core.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use hyper::client::conn::http1::SendRequest;

use super::Outgoing;

/// More idle connections than this are closed at once.
const MAX_IDLE: usize = 1024;

/// A connection used so short a time ago is taken as it is.
const FRESH: Duration = Duration::from_millis(10);

/// The idle connections of one core.
#[derive(Debug, Clone, Default)]
pub struct Pool {
    idle: Arc<Mutex<Vec<Idle>>>,
}

#[derive(Debug)]
struct Idle {
    sender: SendRequest<Outgoing>,
    since: Instant,
}

impl Pool {
    /// An idle connection that is still open, the one used last first.
    ///
    /// A sent request is never sent again, so one that meets an app's hang-up is lost. Whether the
    /// app has hung up while the connection waited, only the runtime knows: it is given a turn.
    pub(super) async fn take(&self, now: Instant) -> Option<SendRequest<Outgoing>> {
        loop {
            let Idle { sender, since } = self.lock().pop()?;
            if now.saturating_duration_since(since) > FRESH {
                tokio::task::yield_now().await;
            }
            if sender.is_ready() {
                return Some(sender);
            }
        }
    }

    /// Takes a connection back once its answer is read to the end. One that breaks before is never
    /// ready again, so half an answer cannot poison the next request.
    pub(super) fn give_back(&self, mut sender: SendRequest<Outgoing>) {
        if sender.is_ready() {
            self.put(sender);
            return;
        }
        let pool = self.clone();
        drop(tokio::spawn(async move {
            if sender.ready().await.is_ok() {
                pool.put(sender);
            }
        }));
    }

    /// Closes what has been idle longer than `limit`, or all.
    pub fn expire(&self, limit: Duration) {
        self.lock()
            .retain(|idle| idle.since.elapsed() < limit && !idle.sender.is_closed());
    }

    fn put(&self, sender: SendRequest<Outgoing>) {
        let mut idle = self.lock();
        if idle.len() < MAX_IDLE {
            idle.push(Idle {
                sender,
                since: Instant::now(),
            });
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Idle>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
