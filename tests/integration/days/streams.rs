//! How many streams HTTP/2 connections may have open, and what those may hold.

use super::frames::{END_HEADERS, END_STREAM, HEADERS, Raw, frame, post};
use super::{MEBIBYTE, SECRET, alone, mib, resident, setup, until, valid_request_takes};
use crate::harness::{Gatepost, Upstream};

fn start(app: &Upstream, in_flight: usize) -> Gatepost {
    setup(app, &format!("in_flight = {in_flight}"))
        .server("protocols = [\"http/1.1\", \"h2c\"]")
        .start()
}

/// Each connection has one; of the others, four for each request in flight, a sixteenth of what is left.
#[test]
fn whoever_comes_later_may_open_fewer() {
    let app = Upstream::recording();
    let gate = start(&app, 8);
    let open = || {
        let mut raw = Raw::connect(gate.address);
        let streams = raw.streams();
        (raw, streams)
    };
    let (mut connections, streams): (Vec<_>, Vec<_>) = (0..60).map(|_| open()).unzip();
    assert_eq!(streams[..4], [3, 3, 3, 3]);
    assert_eq!(streams[59], 1, "{streams:?}");
    assert!(streams.iter().sum::<u32>() <= 32 + 60, "{streams:?}");
    // One is enough to be served.
    let last = connections.last_mut().unwrap();
    last.write(&frame(
        HEADERS,
        END_HEADERS | END_STREAM,
        1,
        &post(SECRET, &[]),
    ));
    app.received(1);
    drop(connections);
    until("what they had is there again", || open().1 == 3);
}

#[test]
fn answers_that_nobody_reads_on_many_connections() {
    const CONNECTIONS: usize = 400;
    let _alone = alone();
    let app = Upstream::recording();
    let gate = start(&app, 256);
    valid_request_takes(&gate);
    let before = resident(&gate);
    let block = post("wrong", &[]);
    let requests: Vec<u8> = (0..100)
        .flat_map(|n| frame(HEADERS, END_HEADERS | END_STREAM, n * 2 + 1, &block))
        .collect();
    // SETTINGS_INITIAL_WINDOW_SIZE: not a byte of any answer may be sent.
    let connections: Vec<Raw> = (0..CONNECTIONS)
        .map(|_| {
            let mut raw = Raw::with_settings(gate.address, &[(4, 0)]);
            raw.write(&requests);
            raw.streams();
            raw
        })
        .collect();
    let valid = valid_request_takes(&gate);
    let held = resident(&gate) - before;
    eprintln!(
        "memory: {} held by {CONNECTIONS} connections that read no answer; a valid request takes {valid:?}",
        mib(held)
    );
    assert!(held < 40 * MEBIBYTE, "{}", mib(held));
    drop(connections);
    until("it comes back", || resident(&gate) < before + 8 * MEBIBYTE);
}
