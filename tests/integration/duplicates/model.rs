//! Three processes, one Redis, one app, several senders that try again: deliveries, failures of the
//! app, time-outs, stores that die or hang, processes that are killed, in any order.
//!
//! What must hold, whatever happens:
//!
//! 1. gatepost says that an event is done only if the app has said so before.
//! 2. In the end every event is done.
//! 3. What was remembered while the store was well, the app never sees again.
//!
//! The seed is printed; `GATEPOST_SEED` runs it again.

use std::collections::HashMap;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, RwLock};
use std::time::{Duration, Instant};

use super::event;
use super::shared::with;
use crate::harness::upstream::reply;
use crate::harness::{Answer, Gatepost, Redis, Setup, Upstream};

const GATES: usize = 3;
const SENDERS: usize = 4;
/// Between one failure of the store and the end of its last consequences.
const SETTLED: Duration = Duration::from_millis(1200);

/// Xorshift (Marsaglia 2003): the same for the same seed, on every machine.
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed | 1)
    }

    pub(super) fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % limit
    }
}

/// What the app and the senders know.
#[derive(Default)]
struct World {
    /// How often the app has said yes to an event.
    taken: Mutex<HashMap<String, usize>>,
    /// Events that a sender was told are done while all was well.
    remembered: Mutex<HashMap<String, Instant>>,
    /// What should never be.
    wrong: Mutex<Vec<String>>,
    /// Counts what was done to the store and to the processes; odd while it is being done.
    troubles: AtomicUsize,
    /// When the last of it ended.
    well_since: Mutex<Option<Instant>>,
    deliveries: AtomicUsize,
    over: AtomicBool,
}

impl World {
    fn fault(&self, text: String) {
        self.wrong.lock().unwrap().push(text);
    }

    /// The state of the store, if all has been well for a while.
    fn well(&self) -> Option<usize> {
        let troubles = self.troubles.load(Ordering::SeqCst);
        let since = *self.well_since.lock().unwrap();
        let rested = since.is_none_or(|since| since.elapsed() > SETTLED);
        (troubles.is_multiple_of(2) && rested).then_some(troubles)
    }

    fn trouble(&self, make: impl FnOnce()) {
        self.troubles.fetch_add(1, Ordering::SeqCst);
        make();
        *self.well_since.lock().unwrap() = Some(Instant::now());
        self.troubles.fetch_add(1, Ordering::SeqCst);
    }
}

pub(super) fn id_of(body: &[u8]) -> String {
    let value: serde_json::Value = serde_json::from_slice(body).unwrap();
    value["id"].as_str().unwrap().to_owned()
}

/// Takes most events, and fails in every way.
fn app(world: &Arc<World>, seed: u64) -> Upstream {
    let world = world.clone();
    let random = Mutex::new(Random::new(seed));
    Upstream::answering(move |received| {
        let id = id_of(&received.body);
        if world.remembered.lock().unwrap().contains_key(&id) {
            world.fault(format!("{id} reached the app after it was remembered"));
        }
        let (chance, pause) = {
            let mut random = random.lock().unwrap();
            (random.below(100), random.below(30))
        };
        std::thread::sleep(Duration::from_millis(pause));
        if world.over.load(Ordering::SeqCst) || chance < 60 {
            *world.taken.lock().unwrap().entry(id).or_default() += 1;
            return Answer::Keep(reply("200 OK", "taken"));
        }
        match chance {
            60..75 => Answer::Keep(reply("500 Internal Server Error", "")),
            75..83 => Answer::Close(Vec::new()),
            83..90 => Answer::Reset(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf".to_vec()),
            90..95 => Answer::Keep(reply("429 Too Many Requests", "")),
            _ => Answer::Hang,
        }
    })
}

/// One delivery: the status, if there is an answer.
pub(super) fn deliver(address: SocketAddr, id: &str) -> Option<u16> {
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(1)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(8))).ok()?;
    let bytes = event(id).with("Connection", "close").to_bytes();
    stream.write_all(&bytes).ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).ok()?;
    let text = String::from_utf8_lossy(&answer).into_owned();
    text.split(' ').nth(1)?.parse().ok()
}

type Gates = Arc<RwLock<Vec<SocketAddr>>>;

/// Delivers events, some of them at several doors at once, and each until it is told that it is
/// done: that is what senders do.
fn sender(world: &World, gates: &Gates, number: usize, seed: u64, events: usize) {
    let mut random = Random::new(seed.wrapping_mul(number as u64 * 2 + 3));
    let mut open: Vec<String> = (0..events).map(|at| format!("{number}-{at}")).collect();
    let mut closed: Vec<String> = Vec::new();
    while !open.is_empty() {
        // Mostly one that is open, sometimes the replay of one that is done.
        let replay = !closed.is_empty() && random.below(4) == 0;
        let list = if replay { &closed } else { &open };
        let at = usize::try_from(random.below(list.len().min(8) as u64)).unwrap();
        let id = list[at].clone();
        let door = usize::try_from(random.below(GATES as u64)).unwrap();
        let address = gates.read().unwrap()[door];
        let before = world.well();
        world.deliveries.fetch_add(1, Ordering::Relaxed);
        let status = if random.below(6) == 0 {
            let other = gates.read().unwrap()[(door + 1) % GATES];
            std::thread::scope(|scope| {
                let copy = scope.spawn(|| deliver(other, &id));
                let first = deliver(address, &id);
                let copy = copy.join().unwrap();
                if first == Some(200) { first } else { copy }
            })
        } else {
            deliver(address, &id)
        };
        if status != Some(200) {
            continue;
        }
        if !world.taken.lock().unwrap().contains_key(&id) {
            world.fault(format!(
                "{id} is said to be done, and the app never took it"
            ));
        }
        if before.is_some() && world.well() == before {
            let mut remembered = world.remembered.lock().unwrap();
            remembered.entry(id.clone()).or_insert_with(Instant::now);
        }
        if !replay {
            open.remove(at);
            closed.push(id);
        }
    }
}

fn start(app: &Upstream, redis: &Redis) -> Gatepost {
    let setup: Setup = with(app, &redis.url(), "duplicates = \"acknowledge\"", "");
    setup.upstream("timeout = \"400ms\"").start()
}

/// Of this run, and printed.
pub(super) fn seed() -> u64 {
    let seed = std::env::var("GATEPOST_SEED")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or_else(|| {
            let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap();
            u64::try_from(now.as_nanos() % 1_000_000_007).unwrap()
        });
    eprintln!("GATEPOST_SEED={seed}");
    seed
}

#[test]
fn nothing_is_lost_and_nothing_remembered_comes_twice() {
    let seed = seed();
    let world = Arc::new(World::default());
    let app = app(&world, seed);
    let mut redis = Redis::start(&[]);
    let mut processes: Vec<Gatepost> = (0..GATES).map(|_| start(&app, &redis)).collect();
    let gates: Gates = Arc::new(RwLock::new(
        processes.iter().map(|gate| gate.address).collect(),
    ));
    let left = Arc::new(AtomicU64::new(SENDERS as u64));
    let senders: Vec<_> = (0..SENDERS)
        .map(|number| {
            let (world, gates, left) = (world.clone(), gates.clone(), left.clone());
            std::thread::spawn(move || {
                sender(&world, &gates, number, seed, 300);
                left.fetch_sub(1, Ordering::SeqCst);
            })
        })
        .collect();
    let mut random = Random::new(seed ^ 0x9e37_79b9_7f4a_7c15);
    let begun = Instant::now();
    let mut done = [0_usize; 3];
    while left.load(Ordering::SeqCst) > 0 && begun.elapsed() < Duration::from_secs(25) {
        std::thread::sleep(Duration::from_millis(500 + random.below(4000)));
        let what = usize::try_from(random.below(3)).unwrap();
        done[what] += 1;
        match what {
            0 => {
                let at = usize::try_from(random.below(GATES as u64)).unwrap();
                world.trouble(|| {
                    processes[at].signal("-KILL");
                    processes[at].exited();
                    processes[at] = start(&app, &redis);
                    gates.write().unwrap()[at] = processes[at].address;
                });
            }
            1 => world.trouble(|| {
                redis.kill();
                std::thread::sleep(Duration::from_millis(random.below(700)));
                redis.restart();
            }),
            _ => world.trouble(|| {
                redis.signal("-STOP");
                std::thread::sleep(Duration::from_millis(random.below(1500)));
                redis.signal("-CONT");
            }),
        }
    }
    // The app is well from now on: claims of dead processes expire, and everything ends.
    world.over.store(true, Ordering::SeqCst);
    let limit = Instant::now() + Duration::from_secs(60);
    while left.load(Ordering::SeqCst) > 0 && Instant::now() < limit {
        std::thread::sleep(Duration::from_millis(50));
    }
    let open = left.load(Ordering::SeqCst);
    let taken = world.taken.lock().unwrap();
    let twice = taken.values().filter(|times| **times > 1).count();
    let wrong = world.wrong.lock().unwrap();
    eprintln!(
        "{} deliveries of {} events in {:?}; killed {}, store killed {}, store stopped {}; {} \
         remembered in good times, {twice} taken more than once",
        world.deliveries.load(Ordering::Relaxed),
        taken.len(),
        begun.elapsed(),
        done[0],
        done[1],
        done[2],
        world.remembered.lock().unwrap().len(),
    );
    assert!(wrong.is_empty(), "seed {seed}: {wrong:#?}");
    assert_eq!(
        open, 0,
        "seed {seed}: senders that were never told that all is done"
    );
    assert_eq!(taken.len(), SENDERS * 300, "seed {seed}");
    for sender in senders {
        sender.join().unwrap();
    }
}
