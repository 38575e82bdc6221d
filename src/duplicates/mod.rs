//! Once only: which events the app has taken already.
//!
//! An event is *in flight* from its proof until the app's answer, *remembered* once the app has
//! answered 2xx, and forgotten when it has not. Where gatepost cannot know, it forgets: an app that
//! sees an event twice is better than one that never sees it.
//!
//! ```text
//!            claim                    remember
//!   unknown ───────► in flight ──────────────────► remembered ──► (age, room) unknown
//!      ▲                 │ forget: the app failed, or nobody waits for it any more
//!      └─────────────────┘
//! ```

mod memory;
mod rule;
mod shared;

use std::sync::Arc;
use std::time::{Duration, Instant};

pub use memory::{Known, Memory};
pub use rule::{Basis, OnCopy, Rule};
use shared::Settlement;
pub use shared::{Address, AddressError, Redis, RedisSettings};

use crate::fingerprint::Fingerprint;

/// A store that could not be told how a claim was settled is told again after this time.
const AGAIN: Duration = Duration::from_millis(500);

/// All of `[duplicates]`.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where events are remembered.
    pub place: Place,
    /// How long.
    pub remember: Duration,
    /// How many, in memory.
    pub capacity: usize,
    /// Whether events pass when the store cannot be asked.
    pub forward_unasked: bool,
}

/// Where events are remembered.
#[derive(Debug, Clone)]
pub enum Place {
    /// In this process.
    Memory,
    /// In Redis or Valkey, together with other replicas.
    Redis(Box<RedisSettings>),
}

/// The memory of events.
#[derive(Debug, Clone)]
pub enum Store {
    /// In this process.
    Memory(Arc<Memory>),
    /// Shared.
    Redis(Arc<Redis>),
}

/// The answer of a store.
#[derive(Debug)]
pub enum Standing {
    /// Nothing was known: the event is in flight as long as the claim lives.
    Claimed(Claim),
    /// A copy is on its way to the app.
    InFlight,
    /// The app has taken it.
    Remembered,
}

/// The store cannot be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unavailable {
    /// Why, in words that hold nothing of its address.
    pub why: &'static str,
    /// It could be asked before: worth a line in the log.
    pub news: bool,
    /// It may have heard the question all the same.
    pub sent: bool,
}

impl Store {
    /// The store of these settings.
    pub fn new(settings: &Settings, now: Instant) -> Self {
        match &settings.place {
            Place::Memory => Self::Memory(Arc::new(Memory::new(
                settings.capacity,
                settings.remember,
                now,
            ))),
            Place::Redis(redis) => {
                Self::Redis(Arc::new(Redis::new((**redis).clone(), settings.remember)))
            }
        }
    }

    /// The store of these settings after a reload: what is remembered stays, unless it is
    /// elsewhere now.
    #[must_use]
    pub fn continued(&self, settings: &Settings, now: Instant) -> Self {
        match (self, &settings.place) {
            (Self::Memory(memory), Place::Memory) => {
                memory.set(settings.capacity, settings.remember);
                self.clone()
            }
            (Self::Redis(redis), Place::Redis(new)) if redis.is_same(new, settings.remember) => {
                self.clone()
            }
            _ => Self::new(settings, now),
        }
    }

    /// [`Self::claim`] where no other process has to be asked.
    pub fn claim_at_once(&self, event: Fingerprint, now: Instant) -> Option<Standing> {
        match self {
            Self::Memory(memory) => Some(claimed(memory, event, now)),
            Self::Redis(_) => None,
        }
    }

    /// Asks for the event, and claims one that is not known. `token` tells this claim from all
    /// others, those of other replicas included.
    ///
    /// # Errors
    ///
    /// When the store does not answer in time, or not at all.
    pub async fn claim(&self, event: Fingerprint, token: &str) -> Result<Standing, Unavailable> {
        let redis = match self {
            Self::Memory(memory) => return Ok(claimed(memory, event, Instant::now())),
            Self::Redis(redis) => redis,
        };
        // Made first: whatever becomes of the answer, nothing stays claimed.
        let mut claim = Claim(Some(Held::Redis(redis.clone(), event, Box::from(token))));
        let outcome = redis.claim(event, token).await;
        if outcome == Ok(Known::Claimed) {
            return Ok(Standing::Claimed(claim));
        }
        if !outcome.is_err_and(|unavailable| unavailable.sent) {
            claim.0 = None;
        }
        outcome.map(|known| match known {
            Known::Remembered => Standing::Remembered,
            Known::Claimed | Known::InFlight => Standing::InFlight,
        })
    }

    /// Whether it answers again after it did not: worth a line in the log, once.
    pub fn recovered(&self) -> bool {
        match self {
            Self::Memory(_) => false,
            Self::Redis(redis) => redis.recovered(),
        }
    }
}

fn claimed(memory: &Arc<Memory>, event: Fingerprint, now: Instant) -> Standing {
    match memory.claim(event, now) {
        Known::Claimed => Standing::Claimed(Claim(Some(Held::Memory(memory.clone(), event)))),
        Known::InFlight => Standing::InFlight,
        Known::Remembered => Standing::Remembered,
    }
}

/// An event in flight. Whoever drops it without a settlement has not heard the app's answer: the
/// event is forgotten.
#[derive(Debug)]
pub struct Claim(Option<Held>);

#[derive(Debug)]
enum Held {
    Memory(Arc<Memory>, Fingerprint),
    Redis(Arc<Redis>, Fingerprint, Box<str>),
}

impl Claim {
    /// Settles it: whether the app has taken the event. A store that cannot be told now is told
    /// later, until the claim expires.
    ///
    /// # Errors
    ///
    /// When it cannot be told now.
    pub async fn settle(mut self, taken: bool) -> Result<(), Unavailable> {
        match self.0.take() {
            Some(Held::Memory(memory, event)) if taken => memory.remember(event, Instant::now()),
            Some(Held::Memory(memory, event)) => memory.forget(event),
            Some(Held::Redis(redis, event, token)) => {
                let settlement = if taken {
                    Settlement::Taken
                } else {
                    Settlement::Released(token)
                };
                // Boxed: most claims are in the memory, and would carry the room for it.
                let told = Box::pin(redis.settle(event, &settlement)).await;
                if told.is_err() {
                    settle_later(redis, event, settlement);
                }
                return told;
            }
            None => {}
        }
        Ok(())
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        match self.0.take() {
            Some(Held::Memory(memory, event)) => memory.forget(event),
            Some(Held::Redis(redis, event, token)) => {
                settle_later(redis, event, Settlement::Released(token));
            }
            None => {}
        }
    }
}

/// Tells the store as soon as it can be told, until the claim has expired. A late word does no
/// harm: what the app has taken stays taken, and only this very claim is released.
fn settle_later(redis: Arc<Redis>, event: Fingerprint, settlement: Settlement) {
    // Without a runtime the process is at its end: the claim expires.
    let Ok(runtime) = tokio::runtime::Handle::try_current() else {
        return;
    };
    drop(runtime.spawn(async move {
        let expires = Instant::now() + redis.claim_lasts();
        while redis.settle(event, &settlement).await.is_err() && Instant::now() < expires {
            tokio::time::sleep(AGAIN).await;
        }
    }));
}
