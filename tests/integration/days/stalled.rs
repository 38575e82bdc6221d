//! Callers and apps that stop in the middle of something: what they hold is taken from them.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use super::frames::{DATA, END_HEADERS, END_STREAM, End, GOAWAY, HEADERS, Raw, frame, post};
use super::{MEBIBYTE, SECRET, good, setup, until};
use crate::harness::upstream::reply;
use crate::harness::{Answer, Gatepost, Upstream};

/// What no socket buffer between two ends holds.
const MUCH: usize = 48 * MEBIBYTE;
const LIMITS: &str = "in_flight = 1\nsend_timeout = \"1s\"\nidle_timeout = \"1s\"\n\
                      body = \"64MiB\"\nbuffered = \"64MiB\"";
/// The time-out, and a moment for a busy machine.
const IN_TIME: Duration = Duration::from_millis(3500);

fn start(app: &Upstream) -> Gatepost {
    waiting(app, "1s")
}

fn waiting(app: &Upstream, timeout: &str) -> Gatepost {
    setup(app, LIMITS)
        .server("protocols = [\"http/1.1\", \"h2c\"]")
        .upstream(&format!("timeout = {timeout:?}"))
        .start()
}

/// The only place there is is taken, and comes back in time.
fn comes_back(case: &str, gate: &Gatepost) {
    let started = Instant::now();
    assert_eq!(gate.send(&good("small")).status, 503, "{case}: it is taken");
    let took = until(case, || gate.send(&good("small")).status != 503);
    assert!(took < IN_TIME, "{case}: {took:?}");
    eprintln!(
        "stalled: {case}: the place is back after {:?}",
        started.elapsed()
    );
}

#[test]
fn a_caller_that_does_not_read_its_answer_is_cut_off() {
    let app = Upstream::answering(|request| {
        let size = if request.body == b"much" { MUCH } else { 2 };
        Answer::Keep(reply("200 OK", &"x".repeat(size)))
    });
    // A busy machine takes a while to make so much.
    let gate = waiting(&app, "10s");
    let mut client = gate.connect();
    client.send(&good("much").to_bytes());
    app.received(1);
    comes_back("an answer that is not read", &gate);
    let answer = client.answer();
    assert!(!answer.is_some_and(|answer| answer.complete || answer.status != 200));
    // One that reads slowly is not.
    let mut client = gate.connect();
    client.send(&good("much").to_bytes());
    let mut total = 0;
    let started = Instant::now();
    while total < MUCH {
        let mut buffer = vec![0; 2 * MEBIBYTE];
        let length = client.stream.read(&mut buffer).unwrap();
        assert!(length > 0, "cut off after {total} bytes");
        total += length;
        if started.elapsed() < Duration::from_secs(3) {
            std::thread::sleep(Duration::from_millis(200));
        }
    }
}

/// Small answers that nobody reads fill the socket; the place is the next one's all the same.
#[test]
fn a_caller_that_reads_no_answer_at_all_holds_no_place() {
    let app = Upstream::answering(|_| Answer::Keep(reply("200 OK", &"x".repeat(6000))));
    let gate = setup(&app, "in_flight = 1\nsend_timeout = \"60s\"").start();
    let mut client = gate.connect();
    let (mut sent, mut quiet) = (0, Instant::now());
    // One after the other, until there is no room for an answer.
    while quiet.elapsed() < Duration::from_secs(1) {
        if app.requests().len() == sent {
            client.send(&good("1").to_bytes());
            (sent, quiet) = (sent + 1, Instant::now());
        }
        std::thread::yield_now();
    }
    assert!(sent > 100, "{sent}");
    for _ in 0..5 {
        assert_eq!(gate.send(&good("small")).status, 200);
    }
}

/// Over HTTP/2 the socket is free, and the stream has no window.
#[test]
fn a_caller_that_opens_no_window_is_cut_off() {
    let app = Upstream::recording();
    let gate = start(&app);
    let mut raw = Raw::with_settings(gate.address, &[(4, 0)]);
    raw.write(&frame(HEADERS, END_HEADERS, 1, &post(SECRET, &[])));
    raw.write(&frame(DATA, END_STREAM, 1, b"valid"));
    app.received(1);
    comes_back("no window", &gate);
    let (kinds, end) = raw.read_for(IN_TIME);
    assert!(kinds.contains(&GOAWAY), "{kinds:?}");
    assert_ne!(end, End::Open);
}

/// An app that stops in the middle of its answer.
fn halting() -> Upstream {
    Upstream::handling(|mut stream, journal, _| {
        let mut buffer = [0; 8192];
        while stream.read(&mut buffer).is_ok_and(|length| length > 0) {
            let half = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf";
            drop(stream.write_all(half));
            journal.requests();
        }
    })
}

#[test]
fn an_app_that_stops_in_the_middle_of_its_answer_is_given_up() {
    let app = halting();
    let gate = start(&app);
    let mut client = gate.connect();
    let started = Instant::now();
    let answer = client.send(&good("1").to_bytes()).answer();
    let took = started.elapsed();
    assert!(!answer.is_some_and(|answer| answer.complete));
    assert!(took > Duration::from_millis(900), "{took:?}");
    assert!(took < IN_TIME, "{took:?}");
    until("the place is back", || gate.send(&good("2")).status == 200);
    app.journal.wait_closed(1);
    // The same over HTTP/2: one stream ends, the connection does not.
    let gate = start(&app);
    let mut raw = Raw::connect(gate.address);
    raw.write(&frame(
        HEADERS,
        END_HEADERS | END_STREAM,
        1,
        &post(SECRET, &[]),
    ));
    let (kinds, _) = raw.read_for(IN_TIME);
    let at = |kind: u8| kinds.iter().position(|other| *other == kind);
    let (reset, leave) = (at(super::frames::RST_STREAM), at(GOAWAY));
    assert!(
        reset.is_some() && leave.is_none_or(|leave| Some(leave) > reset),
        "{kinds:?}"
    );
}

/// An answer of a route that only passes through may rest as long as it likes.
#[test]
fn a_stream_that_rests_is_left_alone() {
    let app = Upstream::handling(|mut stream, _, _| {
        let mut buffer = [0; 8192];
        while stream.read(&mut buffer).is_ok_and(|length| length > 0) {
            drop(stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nab"));
            std::thread::sleep(Duration::from_millis(2500));
            drop(stream.write_all(b"cd"));
        }
    });
    let gate = setup(&app, LIMITS)
        .upstream("timeout = \"1s\"")
        .toml("[[route]]\npath = \"/events\"\nmode = \"passthrough\"\nmethods = [\"GET\"]")
        .start();
    let answer = gate.send(&crate::harness::Delivery::new("GET", "/events"));
    assert_eq!((answer.complete, answer.body), (true, b"abcd".to_vec()));
}

/// An app that reads nothing of a body, having answered first or not at all.
#[test]
fn an_app_that_does_not_read_the_body_is_given_up() {
    for answers in [false, true] {
        let received = Arc::new(AtomicUsize::new(usize::MAX));
        let (told, over) = (
            received.clone(),
            Arc::new((Mutex::new(false), Condvar::new())),
        );
        let wait = over.clone();
        let app = Upstream::handling(move |mut stream: TcpStream, _, connection| {
            let mut buffer = vec![0; 4096];
            drop(stream.read(&mut buffer));
            if answers || connection > 1 {
                drop(stream.write_all(&reply("200 OK", "ok")));
            }
            if connection > 1 {
                return;
            }
            let mut over = wait.0.lock().unwrap();
            while !*over {
                over = wait.1.wait(over).unwrap();
            }
            // What was on its way can still be read, and then the end.
            let mut total = 0;
            let mut buffer = vec![0; MEBIBYTE];
            while let Ok(length @ 1..) = stream.read(&mut buffer) {
                total += length;
            }
            told.store(total, Ordering::SeqCst);
        });
        let gate = start(&app);
        let started = Instant::now();
        let response = gate.send(&good(vec![b'x'; MUCH]));
        let expected = if answers { 200 } else { 504 };
        assert_eq!(response.status, expected);
        assert!(started.elapsed() < IN_TIME, "{:?}", started.elapsed());
        until("the place is back", || gate.send(&good("2")).status == 200);
        // Longer than a write may wait: by now the connection is broken off.
        std::thread::sleep(Duration::from_millis(1500));
        *over.0.lock().unwrap() = true;
        over.1.notify_all();
        until("the end of the connection", || {
            received.load(Ordering::SeqCst) != usize::MAX
        });
        let received = received.load(Ordering::SeqCst);
        assert!(received < MUCH - 8192, "the app got all: {received}");
    }
}

#[test]
fn connections_without_a_request_end() {
    let app = Upstream::recording();
    let gate = start(&app);
    let mut used = gate.connect();
    assert_eq!(
        used.send(&good("1").to_bytes()).answer().unwrap().status,
        200
    );
    let mut raw = Raw::connect(gate.address);
    raw.write(&frame(HEADERS, END_HEADERS, 1, &post(SECRET, &[])));
    raw.write(&frame(DATA, END_STREAM, 1, b"valid"));
    let started = Instant::now();
    let (kinds, end) = raw.read_for(IN_TIME);
    assert!(
        kinds.contains(&HEADERS) && kinds.contains(&GOAWAY),
        "{kinds:?}"
    );
    assert_ne!(end, End::Open);
    assert!(used.hangs_up());
    let took = started.elapsed();
    assert!(took > Duration::from_millis(900), "{took:?}");
    assert!(took < IN_TIME, "{took:?}");
    // One that sends a byte from time to time, and no request, is not kept for it.
    let mut raw = Raw::connect(gate.address);
    raw.write(&frame(
        HEADERS,
        END_HEADERS | END_STREAM,
        1,
        &post("wrong", &[]),
    ));
    let started = Instant::now();
    let mut open = true;
    while open && started.elapsed() < IN_TIME {
        raw.write(&frame(super::frames::PING, 0, 0, b"are you?"));
        open = raw.read_for(Duration::from_millis(100)).1 == End::Open;
    }
    assert!(!open, "kept alive by pings");
}
