//! Bad days: stops, reloads, outages, floods, slow and silent callers, and what they cost.
//!
//! Most of this measures: the figures are printed (`cargo test days -- --nocapture`), and the
//! bounds are for a busy machine. `GATEPOST_UNDER_TEST` names another build to measure.

mod app;
mod drain;
mod floods;
pub mod frames;
mod leaks;
mod memory;
mod outage;
mod parking;
mod proxy_protocol;
mod reload;
mod slow;
mod stalled;
mod streams;
mod systemd;

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::harness::{DEADLINE, Delivery, Gatepost, Setup, Upstream};

const SECRET: &str = "days-secret-0123456789";

const MEBIBYTE: usize = 1 << 20;

/// One route that an API key opens.
const ROUTE: &str = "[[route]]\npath = \"/hook\"\nsecret = { env = \"SECRET\" }\n\
                     verify = [{ scheme = \"api_key\", header = \"X-Key\" }]";

fn setup(app: &Upstream, limits: &str) -> Setup {
    let toml = format!("[limits]\n{limits}\n{ROUTE}");
    Setup::new(app).env("SECRET", SECRET).toml(&toml)
}

fn good(body: impl AsRef<[u8]>) -> Delivery {
    Delivery::post("/hook").header("X-Key", SECRET).body(body)
}

/// What measures does so alone.
fn alone() -> MutexGuard<'static, ()> {
    static ONE: Mutex<()> = Mutex::new(());
    ONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Looks until it is so; how long that took.
fn until(what: &str, mut so: impl FnMut() -> bool) -> Duration {
    let started = Instant::now();
    while !so() {
        assert!(started.elapsed() < DEADLINE, "never: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
    started.elapsed()
}

/// How long a valid request on a connection of its own takes: the median of nine.
fn valid_request_takes(gate: &Gatepost) -> Duration {
    let mut times: Vec<Duration> = (0..9)
        .map(|_| {
            let started = Instant::now();
            assert_eq!(gate.send(&good("valid")).status, 200);
            started.elapsed()
        })
        .collect();
    times.sort_unstable();
    times[4]
}

/// How many processes wait for each core of this machine, at least 1: on one that is busy with other
/// things everybody waits that much longer.
fn busy() -> u32 {
    let load = std::fs::read_to_string("/proc/loadavg").unwrap();
    let waiting: f64 = load.split(' ').next().unwrap().parse().unwrap();
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let cores = f64::from(u32::try_from(cores).unwrap());
    (1..64)
        .find(|times| f64::from(*times) * cores >= waiting)
        .unwrap_or(64)
}

/// The memory of the process in bytes, as the kernel's out-of-memory killer counts it.
fn resident(gate: &Gatepost) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{}/status", gate.id())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let kibibytes = line.unwrap().split_whitespace().nth(1).unwrap();
    kibibytes.parse::<usize>().unwrap() << 10
}

fn descriptors(gate: &Gatepost) -> usize {
    std::fs::read_dir(format!("/proc/{}/fd", gate.id()))
        .unwrap()
        .count()
}

/// Bytes as people read them.
fn mib(bytes: usize) -> String {
    let hundredths = bytes * 100 / MEBIBYTE;
    format!("{}.{:02} MiB", hundredths / 100, hundredths % 100)
}

/// The value of a metric without labels.
fn metric(gate: &Gatepost, name: &str) -> String {
    let text = gate.health("/metrics").text();
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    line.unwrap_or_default().trim().to_owned()
}

/// One request where anything may happen: `None` when the connection was refused.
fn attempt(address: SocketAddr, bytes: &[u8]) -> Option<Vec<u8>> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    drop(stream.write_all(bytes));
    let mut answer = Vec::new();
    let mut buffer = [0; 4096];
    while crate::harness::find(&answer, b"\r\n\r\n").is_none() {
        match stream.read(&mut buffer) {
            Ok(length) if length > 0 => answer.extend_from_slice(&buffer[..length]),
            _ => break,
        }
    }
    Some(answer)
}
