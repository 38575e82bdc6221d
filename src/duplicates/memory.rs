//! The memory of this process: what it holds, what it lets go, and what that costs.
//!
//! Measured with a million ids: 61 bytes an id.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::fingerprint::Fingerprint;

/// Parts with a lock of their own: cores seldom meet, and a table that grows stops one part only.
const PARTS: usize = 16;

/// Events in flight, and events that the app has taken: at most so many, for so long. The oldest
/// go first.
///
/// Time is given by the caller and monotonic: a wall clock that is set changes nothing.
#[derive(Debug)]
pub struct Memory {
    parts: [Mutex<Part>; PARTS],
    started: Instant,
    /// Most entries of one part.
    share: AtomicUsize,
    /// Seconds that an entry is kept.
    remember: AtomicU32,
    evicted: AtomicU64,
}

/// What the memory knows of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Known {
    /// The app has taken it.
    Remembered,
    /// A copy of it is on its way to the app.
    InFlight,
    /// Nothing: from now on it is in flight.
    Claimed,
}

#[derive(Debug, Default)]
struct Part {
    /// Since when, in seconds after the start.
    remembered: HashMap<Fingerprint, u32>,
    /// The same, the oldest first.
    order: VecDeque<Fingerprint>,
    in_flight: HashSet<Fingerprint>,
}

impl Memory {
    /// An empty memory of about `capacity` entries, each kept for `remember`. The capacity is
    /// rounded up to a multiple of the number of parts.
    pub fn new(capacity: usize, remember: Duration, now: Instant) -> Self {
        let memory = Self {
            parts: Default::default(),
            started: now,
            share: AtomicUsize::default(),
            remember: AtomicU32::default(),
            evicted: AtomicU64::default(),
        };
        memory.set(capacity, remember);
        memory
    }

    /// Changes its bounds, for a reload. What is too much goes with the next entries.
    pub fn set(&self, capacity: usize, remember: Duration) {
        self.share
            .store(capacity.div_ceil(PARTS).max(1), Ordering::Relaxed);
        let seconds = u32::try_from(remember.as_secs().max(1)).unwrap_or(u32::MAX);
        self.remember.store(seconds, Ordering::Relaxed);
    }

    /// Asks for an event, and claims one that is not known.
    pub fn claim(&self, event: Fingerprint, now: Instant) -> Known {
        let mut part = self.part(event);
        part.expire(self.oldest(now));
        if part.remembered.contains_key(&event) {
            Known::Remembered
        } else if part.in_flight.insert(event) {
            Known::Claimed
        } else {
            Known::InFlight
        }
    }

    /// The app has taken the event: its copies are known from now on.
    pub fn remember(&self, event: Fingerprint, now: Instant) {
        let mut part = self.part(event);
        part.in_flight.remove(&event);
        if let Entry::Vacant(vacant) = part.remembered.entry(event) {
            vacant.insert(self.seconds(now));
            part.order.push_back(event);
        }
        while part.order.len() > self.share.load(Ordering::Relaxed) {
            part.drop_oldest();
            self.evicted.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The app has not taken it: the next copy is the first again.
    pub fn forget(&self, event: Fingerprint) {
        self.part(event).in_flight.remove(&event);
    }

    /// How many it remembers.
    pub fn len(&self) -> usize {
        self.parts.iter().map(|part| lock(part).order.len()).sum()
    }

    /// Whether it remembers none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many had to go before their time, for want of room.
    pub fn evicted(&self) -> u64 {
        self.evicted.load(Ordering::Relaxed)
    }

    fn part(&self, event: Fingerprint) -> MutexGuard<'_, Part> {
        let [first, ..] = &self.parts;
        let at = event
            .as_bytes()
            .first()
            .map_or(0, |byte| usize::from(*byte) % PARTS);
        lock(self.parts.get(at).unwrap_or(first))
    }

    fn seconds(&self, now: Instant) -> u32 {
        let since = now.saturating_duration_since(self.started).as_secs();
        u32::try_from(since).unwrap_or(u32::MAX)
    }

    /// What was remembered before this second is too old; `None` as long as nothing can be.
    fn oldest(&self, now: Instant) -> Option<u32> {
        self.seconds(now)
            .checked_sub(self.remember.load(Ordering::Relaxed))
    }
}

impl Part {
    fn expire(&mut self, oldest: Option<u32>) {
        let Some(oldest) = oldest else { return };
        while let Some(first) = self.order.front()
            && self
                .remembered
                .get(first)
                .is_none_or(|since| *since < oldest)
        {
            self.drop_oldest();
        }
    }

    fn drop_oldest(&mut self) {
        if let Some(oldest) = self.order.pop_front() {
            self.remembered.remove(&oldest);
        }
    }
}

fn lock(part: &Mutex<Part>) -> MutexGuard<'_, Part> {
    part.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::fingerprint::Fingerprinter;

    fn event(number: u32) -> Fingerprint {
        Fingerprinter::new("test")
            .with(&number.to_le_bytes())
            .finish()
    }

    fn second(start: Instant, seconds: u64) -> Instant {
        start + Duration::from_secs(seconds)
    }

    #[test]
    fn an_event_is_claimed_once_and_known_only_when_taken() {
        let start = Instant::now();
        let memory = Memory::new(100, Duration::from_secs(10), start);
        assert_eq!(memory.claim(event(1), start), Known::Claimed);
        assert_eq!(memory.claim(event(1), start), Known::InFlight);
        assert_eq!(memory.claim(event(2), start), Known::Claimed);
        memory.forget(event(1));
        assert_eq!(memory.claim(event(1), start), Known::Claimed);
        memory.remember(event(1), start);
        assert_eq!(memory.claim(event(1), start), Known::Remembered);
        memory.forget(event(1));
        assert_eq!(memory.claim(event(1), start), Known::Remembered);
    }

    #[test]
    fn an_entry_is_kept_for_its_time_and_a_copy_does_not_prolong_it() {
        let start = Instant::now();
        let memory = Memory::new(100, Duration::from_secs(10), start);
        memory.remember(event(1), start);
        for seconds in [1, 9, 10] {
            assert_eq!(
                memory.claim(event(1), second(start, seconds)),
                Known::Remembered
            );
        }
        assert_eq!(memory.claim(event(1), second(start, 11)), Known::Claimed);
        assert_eq!(memory.len(), 0);
        assert_eq!(memory.evicted(), 0);
    }

    #[test]
    fn the_oldest_of_a_part_go_first() {
        let start = Instant::now();
        let memory = Memory::new(PARTS, Duration::from_secs(100), start);
        for number in 0..1000 {
            memory.remember(event(number), second(start, u64::from(number) / 100));
        }
        assert_eq!(memory.len(), PARTS);
        assert_eq!(memory.evicted(), 1000 - PARTS as u64);
        // Of each part the last one is there.
        let mut last = BTreeMap::new();
        for number in 0..1000 {
            last.insert(event(number).as_bytes()[0] as usize % PARTS, number);
        }
        for number in last.values() {
            assert_eq!(
                memory.claim(event(*number), second(start, 10)),
                Known::Remembered
            );
        }
    }

    #[test]
    fn a_reload_changes_the_bounds_and_loses_nothing_that_fits() {
        let start = Instant::now();
        let memory = Memory::new(100 * PARTS, Duration::from_secs(100), start);
        for number in 0..200 {
            memory.remember(event(number), start);
        }
        memory.set(1000 * PARTS, Duration::from_secs(1000));
        assert_eq!(memory.len(), 200);
        assert_eq!(
            memory.claim(event(7), second(start, 999)),
            Known::Remembered
        );
        memory.set(PARTS, Duration::from_secs(1000));
        for number in 200..1000 {
            memory.remember(event(number), second(start, 999));
        }
        assert_eq!(memory.len(), PARTS);
        memory.set(PARTS, Duration::from_secs(1));
        assert_eq!(
            memory.claim(event(999), second(start, 1002)),
            Known::Claimed
        );
    }

    /// Loses nothing on the way and lets nobody in twice, whatever comes in which order.
    #[derive(Debug, Clone)]
    enum Step {
        Claim(u32),
        Remember(usize),
        Forget(usize),
        Wait(u64),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            4 => (0..12_u32).prop_map(Step::Claim),
            2 => any::<usize>().prop_map(Step::Remember),
            1 => any::<usize>().prop_map(Step::Forget),
            1 => (0..8_u64).prop_map(Step::Wait),
        ];
        proptest::collection::vec(step, 0..200)
    }

    proptest! {
        #[test]
        fn behaves_as_a_plain_table_does(steps in steps()) {
            const KEEP: u64 = 10;
            let start = Instant::now();
            let memory = Memory::new(1 << 20, Duration::from_secs(KEEP), start);
            let (mut now, mut held, mut taken) = (0, Vec::new(), BTreeMap::new());
            for step in steps {
                match step {
                    Step::Wait(seconds) => now += seconds,
                    Step::Claim(number) => {
                        taken.retain(|_, since| now - *since <= KEEP);
                        let expected = if taken.contains_key(&number) {
                            Known::Remembered
                        } else if held.contains(&number) {
                            Known::InFlight
                        } else {
                            held.push(number);
                            Known::Claimed
                        };
                        prop_assert_eq!(memory.claim(event(number), second(start, now)), expected);
                    }
                    Step::Remember(at) if !held.is_empty() => {
                        let number = held.remove(at % held.len());
                        taken.insert(number, now);
                        memory.remember(event(number), second(start, now));
                    }
                    Step::Forget(at) if !held.is_empty() => {
                        memory.forget(event(held.remove(at % held.len())));
                    }
                    Step::Remember(_) | Step::Forget(_) => {}
                }
            }
        }
    }
}
