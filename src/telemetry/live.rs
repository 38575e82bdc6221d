//! What happens now, for who is watching: nothing is done while nobody is.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::broadcast;

/// A watcher that is so far behind misses some.
const BEHIND: usize = 256;

/// One thing that happened.
#[derive(Debug)]
pub struct Happening {
    /// `request`, `examination` or `reload`.
    pub kind: &'static str,
    /// The route's path.
    pub route: Option<Arc<str>>,
    /// Whether a request was refused.
    pub refused: bool,
    /// One JSON object.
    pub text: String,
}

/// Who watches.
#[derive(Debug)]
pub struct Live {
    sender: broadcast::Sender<Arc<Happening>>,
    watchers: AtomicUsize,
}

/// One who watches.
#[derive(Debug)]
pub struct Watcher<'l> {
    live: &'l Live,
    receiver: broadcast::Receiver<Arc<Happening>>,
}

impl Live {
    /// Nobody watches yet.
    pub fn new() -> Self {
        Self {
            sender: broadcast::Sender::new(BEHIND),
            watchers: AtomicUsize::new(0),
        }
    }

    /// Tells those who watch, if there are any.
    pub fn tell(&self, happening: impl FnOnce() -> Happening) {
        if self.watchers.load(Ordering::Relaxed) > 0 {
            // Who has just gone misses nothing.
            drop(self.sender.send(Arc::new(happening())));
        }
    }

    /// Starts to watch; `None` when `most` do already.
    pub fn watch(&self, most: usize) -> Option<Watcher<'_>> {
        let before = self.watchers.fetch_add(1, Ordering::Relaxed);
        let watcher = Watcher {
            live: self,
            receiver: self.sender.subscribe(),
        };
        (before < most).then_some(watcher)
    }
}

impl Default for Live {
    fn default() -> Self {
        Self::new()
    }
}

impl Watcher<'_> {
    /// The next thing; `None` where some were missed.
    pub async fn next(&mut self) -> Option<Arc<Happening>> {
        match self.receiver.recv().await {
            Ok(happening) => Some(happening),
            Err(broadcast::error::RecvError::Lagged(_)) => None,
            // The sender lives as long as we borrow it.
            Err(broadcast::error::RecvError::Closed) => std::future::pending().await,
        }
    }
}

impl Drop for Watcher<'_> {
    fn drop(&mut self) {
        self.live.watchers.fetch_sub(1, Ordering::Relaxed);
    }
}
