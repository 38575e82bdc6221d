//! Everything dies in the middle of load, as a host that loses its power does: the app, which is a
//! process of its own, gatepost and Redis, all at once or one of them.
//!
//! What must hold:
//!
//! 1. A sender that tries again is told in the end that each event is done, and the app has taken it.
//! 2. The app takes an event twice only where docs/duplicates.md says so: the first time was just
//!    before a death, or while something was dead.
//! 3. Of one death no more events are doubled than were on their way.
//!
//! The seed is printed; `GATEPOST_SEED` runs it again.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, RwLock};
use std::time::{Duration, Instant, SystemTime};

use super::model::{Random, deliver, id_of, seed};
use super::shared::with;
use crate::harness::upstream::{Journal, Reader, reply};
use crate::harness::{DEADLINE, Gatepost, Redis, Upstream};

const SENDERS: usize = 8;
/// How long the deaths go on.
const LASTS: Duration = Duration::from_secs(12);
/// From the app's note that it has taken an event to the note of that in Redis.
const WINDOW: Duration = Duration::from_secs(1);
/// Says to this test binary that it is to be the app: its port, and where it writes what it takes.
const ROLE: &str = "GATEPOST_TEST_APP";

/// Nanoseconds, the same clock in all processes.
fn clock() -> u128 {
    SystemTime::UNIX_EPOCH.elapsed().unwrap().as_nanos()
}

/// The app: takes an event by a line in a file, and only then says so. Without its role, as in
/// every ordinary run, it does nothing.
#[test]
fn the_app_as_a_process() {
    let Ok(role) = std::env::var(ROLE) else {
        return;
    };
    let (port, taken) = role.split_once(' ').unwrap();
    let address: SocketAddr = ([127, 0, 0, 1], port.parse().unwrap()).into();
    let taken = OpenOptions::new().append(true).open(taken).unwrap();
    let listener = TcpListener::bind(address).unwrap();
    for stream in listener.incoming() {
        let (stream, taken) = (stream.unwrap(), taken.try_clone().unwrap());
        std::thread::spawn(move || work(stream, &taken));
    }
}

fn work(mut answers: std::net::TcpStream, mut taken: &File) {
    let journal = Journal::default();
    let mut reader = Reader {
        stream: answers.try_clone().unwrap(),
        journal: &journal,
        unread: Vec::new(),
    };
    let mut random = Random::new(u64::try_from(clock() & 0xffff_ffff).unwrap());
    while let Some(received) = reader.request(0) {
        std::thread::sleep(Duration::from_millis(random.below(15)));
        if random.below(20) == 0 {
            drop(answers.write_all(&reply("500 Internal Server Error", "")));
            continue;
        }
        // One write: a death comes before it or after it.
        let line = format!("{} {}\n", clock(), id_of(&received.body));
        taken.write_all(line.as_bytes()).unwrap();
        std::thread::sleep(Duration::from_millis(random.below(5)));
        drop(answers.write_all(&reply("200 OK", "taken")));
    }
}

/// The app's process, and how to start it again.
struct App {
    port: u16,
    taken: PathBuf,
    child: Option<Child>,
}

impl App {
    fn start(folder: &Path) -> Self {
        // Not one that the system gives to others while the app is dead.
        let port = (20_000 + std::process::id() % 10_000..32_000)
            .filter_map(|port| u16::try_from(port).ok())
            .find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok())
            .expect("a free port");
        let taken = folder.join("taken");
        File::create(&taken).unwrap();
        let mut app = Self {
            port,
            taken,
            child: None,
        };
        app.restart();
        app
    }

    fn restart(&mut self) {
        let role = format!("{} {}", self.port, self.taken.display());
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "duplicates::killed::the_app_as_a_process"])
            .env(ROLE, role)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        self.child = Some(child);
        let start = Instant::now();
        while std::net::TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            assert!(start.elapsed() < DEADLINE, "the app does not start");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            drop(child.kill());
            drop(child.wait());
        }
    }

    /// When it took each event.
    fn taken(&self) -> HashMap<String, Vec<u128>> {
        let mut taken: HashMap<String, Vec<u128>> = HashMap::new();
        for line in std::fs::read_to_string(&self.taken).unwrap().lines() {
            let (at, id) = line.split_once(' ').unwrap();
            let times = taken.entry(id.to_owned()).or_default();
            times.push(at.parse().unwrap());
        }
        taken
    }
}

impl Drop for App {
    fn drop(&mut self) {
        self.kill();
    }
}

/// One death: when, and when all was there again.
struct Death {
    at: u128,
    over: u128,
}

#[derive(Default)]
struct World {
    gate: RwLock<Option<SocketAddr>>,
    /// Events that a sender was told are done.
    done: Mutex<Vec<String>>,
    /// Events that took the app too long: it may have taken them, and nobody knows.
    late: Mutex<Vec<String>>,
    deliveries: AtomicUsize,
    ending: AtomicBool,
    left: AtomicUsize,
}

/// Sends new events until the end, each until it is told that it is done, and some once more.
fn sender(world: &World, number: usize, seed: u64) {
    let mut random = Random::new(seed.wrapping_mul(number as u64 * 2 + 3));
    let (mut open, mut closed) = (Vec::new(), Vec::<String>::new());
    let mut next = 0;
    while !world.ending.load(Ordering::SeqCst) || !open.is_empty() {
        if open.len() < 6 && !world.ending.load(Ordering::SeqCst) {
            open.push(format!("{number}-{next}"));
            next += 1;
        }
        let replay = !closed.is_empty() && random.below(5) == 0;
        let list = if replay { &closed } else { &open };
        let at = usize::try_from(random.below(list.len() as u64)).unwrap();
        let id = list[at].clone();
        let Some(gate) = *world.gate.read().unwrap() else {
            std::thread::sleep(Duration::from_millis(5));
            continue;
        };
        world.deliveries.fetch_add(1, Ordering::Relaxed);
        match deliver(gate, &id) {
            Some(200) if !replay => {
                open.swap_remove(at);
                world.done.lock().unwrap().push(id.clone());
                closed.push(id);
            }
            Some(504) => world.late.lock().unwrap().push(id),
            Some(503) => std::thread::sleep(Duration::from_millis(20)),
            _ => {}
        }
    }
    world.left.fetch_sub(1, Ordering::SeqCst);
}

#[test]
fn app_gatepost_and_redis_are_killed_at_once_and_every_event_arrives() {
    let seed = seed();
    let folder = tempfile::TempDir::new().unwrap();
    let mut app = App::start(folder.path());
    let mut redis = Redis::start(&[]);
    let (port, url) = (app.port, redis.url());
    let start = move || -> Gatepost {
        with(&Upstream::down(), &url, "duplicates = \"acknowledge\"", "")
            .url(format!("http://127.0.0.1:{port}"))
            .upstream("timeout = \"2s\"")
            .start()
    };
    let mut gate = start();
    let world = Arc::new(World::default());
    *world.gate.write().unwrap() = Some(gate.address);
    world.left.store(SENDERS, Ordering::SeqCst);
    let senders: Vec<_> = (0..SENDERS)
        .map(|number| {
            let world = world.clone();
            std::thread::spawn(move || sender(&world, number, seed))
        })
        .collect();
    let mut random = Random::new(seed ^ 0x9e37_79b9_7f4a_7c15);
    let begun = Instant::now();
    let mut deaths = Vec::new();
    let mut together = 0;
    while begun.elapsed() < LASTS {
        std::thread::sleep(Duration::from_millis(300 + random.below(900)));
        // All three, or two of them, or one.
        let mut who = 1 + random.below(7);
        if random.below(2) == 0 {
            who = 7;
        }
        let (of_app, of_gate, of_redis) = (who & 1 != 0, who & 2 != 0, who & 4 != 0);
        together += usize::from(who == 7);
        let at = clock();
        // In any order: what dies first decides what the others still do.
        let first = random.below(3);
        for victim in 0..3 {
            match (victim + first) % 3 {
                0 if of_gate => {
                    gate.signal("-KILL");
                    *world.gate.write().unwrap() = None;
                }
                1 if of_app => app.kill(),
                2 if of_redis => redis.kill(),
                _ => {}
            }
        }
        if of_redis {
            redis.restart();
        }
        if of_app {
            app.restart();
        }
        if of_gate {
            gate.exited();
            gate = start();
            *world.gate.write().unwrap() = Some(gate.address);
        }
        deaths.push(Death { at, over: clock() });
    }
    world.ending.store(true, Ordering::SeqCst);
    // Claims of a process that died expire 12 seconds after it made them.
    let limit = Instant::now() + Duration::from_secs(60);
    while world.left.load(Ordering::SeqCst) > 0 && Instant::now() < limit {
        std::thread::sleep(Duration::from_millis(20));
    }
    let open = world.left.load(Ordering::SeqCst);
    assert_eq!(
        open, 0,
        "seed {seed}: senders that were never told that all is done"
    );
    for sender in senders {
        sender.join().unwrap();
    }

    let (taken, done) = (app.taken(), world.done.lock().unwrap());
    for id in done.iter() {
        assert!(
            taken.contains_key(id),
            "seed {seed}: {id} is said to be done, and the app never took it"
        );
    }
    let late = world.late.lock().unwrap();
    let window = WINDOW.as_nanos();
    let mut doubled = vec![0; deaths.len()];
    for (id, times) in &taken {
        for at in times.iter().take(times.len() - 1) {
            let near = |death: &Death| (death.at - window..death.over + window / 2).contains(at);
            match deaths.iter().position(near) {
                Some(death) => doubled[death] += 1,
                None => assert!(
                    late.contains(id),
                    "seed {seed}: {id} was taken {times:?}, and nothing died at the first"
                ),
            }
        }
    }
    eprintln!(
        "{} deliveries of {} events in {:?}; {} deaths, {together} of all three at once; doubled: {doubled:?}; late: {}",
        world.deliveries.load(Ordering::Relaxed),
        done.len(),
        begun.elapsed(),
        deaths.len(),
        late.len(),
    );
    assert!(
        doubled.iter().all(|times| *times <= SENDERS),
        "seed {seed}: {doubled:?}"
    );
    assert!(
        together > 0 && done.len() > 100,
        "seed {seed}: nothing was tested"
    );
}
