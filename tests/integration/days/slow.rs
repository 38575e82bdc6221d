//! Callers that take their time: they cost nobody else anything, and end in time.

use std::io::Read as _;
use std::thread;
use std::time::{Duration, Instant};

use super::{alone, good, setup, valid_request_takes};
use crate::harness::{Client, Upstream};

const LIMITS: &str = "header_timeout = \"1s\"\nbody_timeout = \"1s\"";
/// The time-out and as much again, and a moment for a busy machine.
const IN_TIME: Duration = Duration::from_millis(2500);

/// Sends `bytes` one at a time, as slowly as a time-out of the whole must not allow.
fn trickle(mut client: Client, bytes: Vec<u8>, done: usize) -> thread::JoinHandle<Duration> {
    thread::spawn(move || {
        let started = Instant::now();
        client.send(&bytes[..done]);
        client
            .stream
            .set_read_timeout(Some(Duration::from_millis(100)))
            .unwrap();
        let mut next = done;
        loop {
            let mut buffer = [0; 1024];
            match client.stream.read(&mut buffer) {
                Ok(0) => return started.elapsed(),
                // A 408, or a reset.
                Ok(_) => {}
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                    assert!(next < bytes.len() && started.elapsed() < crate::harness::DEADLINE);
                    client.send(&bytes[next..=next]);
                    next += 1;
                }
                Err(_) => return started.elapsed(),
            }
        }
    })
}

#[test]
fn three_hundred_slow_callers_delay_nobody_and_end_in_time() {
    let _alone = alone();
    let app = Upstream::recording();
    let gate = setup(&app, LIMITS).start();
    let quiet = valid_request_takes(&gate);
    let bytes = good(vec![b'x'; 200])
        .header("X-Long", "y".repeat(200))
        .to_bytes();
    let head = bytes.len() - 200;
    let callers: Vec<_> = (0..300)
        .map(|n| {
            let done = match n % 4 {
                0 => 0,
                1 => 30,
                2 => head,
                _ => bytes.len() - 50,
            };
            // Silent ones send nothing at all.
            let bytes = if n % 8 == 0 { vec![] } else { bytes.clone() };
            (gate.connect(), bytes, done)
        })
        .collect();
    let mut parked: Vec<Client> = (0..100).map(|_| gate.connect()).collect();
    for client in &mut parked {
        assert_eq!(
            client.send(&good("1").to_bytes()).answer().unwrap().status,
            200
        );
    }
    let callers: Vec<_> = callers
        .into_iter()
        .map(|(client, bytes, done)| {
            if bytes.is_empty() {
                thread::spawn(move || silent(client))
            } else {
                trickle(client, bytes, done)
            }
        })
        .collect();
    let meanwhile = valid_request_takes(&gate);
    let ended: Vec<Duration> = callers.into_iter().map(|c| c.join().unwrap()).collect();
    let slowest = ended.iter().max().unwrap();
    eprintln!(
        "slow: a valid request takes {quiet:?} alone, {meanwhile:?} beside 300 slow callers and 100 \
         parked; the last of them was closed after {slowest:?} (time-outs of 1s)"
    );
    assert!(meanwhile < Duration::from_millis(50), "{meanwhile:?}");
    assert!(*slowest < IN_TIME, "{slowest:?}");
    // Those that wait between requests are welcome.
    for client in &mut parked {
        assert_eq!(
            client.send(&good("2").to_bytes()).answer().unwrap().status,
            200
        );
    }
}

fn silent(mut client: Client) -> Duration {
    let started = Instant::now();
    assert!(client.hangs_up());
    started.elapsed()
}

/// Over TLS there is more to be slow with.
#[test]
fn a_slow_handshake_ends_in_time() {
    use crate::tls::{self, Authority};
    use std::io::Write as _;
    let app = Upstream::recording();
    let authority = Authority::new();
    let gate = tls::setup(&app, &authority, "")
        .toml(&format!("[limits]\n{LIMITS}"))
        .start();
    let started = Instant::now();
    let hello = [0x16, 3, 1, 2, 0, 1, 0, 1];
    let plain: Vec<Client> = [&[][..], &hello]
        .into_iter()
        .map(|bytes| {
            let mut client = gate.connect();
            client.send(bytes);
            client
        })
        .collect();
    for mut client in plain {
        while client
            .stream
            .read(&mut [0; 64])
            .is_ok_and(|length| length > 0)
        {}
    }
    assert!(started.elapsed() < IN_TIME, "{:?}", started.elapsed());
    // After the handshake, too: as HTTP/1.1, and as HTTP/2 with and without its preface.
    let preface = [crate::days::frames::PREFACE, &[0, 0, 0, 4, 0, 0, 0, 0, 0]].concat();
    for (protocol, bytes) in [
        ("http/1.1", &b""[..]),
        ("h2", b""),
        ("h2", b"PRI *"),
        ("h2", &preface),
    ] {
        let mut client = tls::connect(&gate, tls::config(&authority, &[protocol], None));
        client.stream.flush().unwrap();
        client.stream.write_all(bytes).unwrap();
        client.stream.flush().unwrap();
        let started = Instant::now();
        let mut buffer = [0; 256];
        while client
            .stream
            .read(&mut buffer)
            .is_ok_and(|length| length > 0)
        {}
        let took = started.elapsed();
        assert!(took < IN_TIME, "{protocol} {bytes:?}: {took:?}");
    }
}
