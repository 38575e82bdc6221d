//! Thousands of requests leave nothing behind.

use std::io::Write as _;
use std::thread;
use std::time::{Duration, Instant};

use super::{MEBIBYTE, alone, attempt, descriptors, good, mib, resident, setup, until};
use crate::harness::{Gatepost, Upstream, client};

/// A thousand requests: good ones, refused ones, and ones that are broken off.
fn thousand(gate: &Gatepost) {
    let address = gate.address;
    let kinds: [(&str, Vec<u8>); 4] = [
        ("good", good("x").to_bytes()),
        ("refused", good("x").with("X-Key", "wrong").to_bytes()),
        (
            "malformed",
            b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n".to_vec(),
        ),
        ("broken off", good(vec![b'x'; 5000]).to_bytes()),
    ];
    thread::scope(|scope| {
        for (kind, bytes) in &kinds {
            scope.spawn(move || match *kind {
                "good" => {
                    let mut client = client::Client::connect(address);
                    for _ in 0..250 {
                        assert_eq!(client.send(bytes).answer().unwrap().status, 200);
                    }
                }
                "broken off" => {
                    for n in 0..250 {
                        let mut client = client::Client::connect(address);
                        let cut = 1 + n * (bytes.len() - 2) / 250;
                        drop(client.stream.write_all(&bytes[..cut]));
                    }
                }
                _ => {
                    for _ in 0..250 {
                        assert!(attempt(address, bytes).is_some());
                    }
                }
            });
        }
    });
}

/// The number of descriptors once it has stayed the same for longer than a pooled connection.
fn settled(gate: &Gatepost) -> usize {
    let (mut last, mut since) = (descriptors(gate), Instant::now());
    until("the descriptors settle", || {
        let now = descriptors(gate);
        if now != last {
            (last, since) = (now, Instant::now());
        }
        since.elapsed() > Duration::from_millis(2500)
    });
    last
}

#[test]
fn thousands_of_requests_leave_nothing_behind() {
    let _alone = alone();
    let app = Upstream::recording();
    let gate = setup(&app, "").upstream("pool_idle = \"1s\"").start();
    let fresh = resident(&gate);
    for _ in 0..8 {
        thousand(&gate);
    }
    // Its threads open what they need one after the other: what is there once all has been used
    // and closed is what it needs.
    let at_first = settled(&gate);
    let before = resident(&gate);
    for _ in 0..4 {
        thousand(&gate);
    }
    // What the last of them used goes back within moments.
    until("the memory settles", || {
        resident(&gate) < before + 2 * MEBIBYTE
    });
    let after = resident(&gate);
    let took = until("every descriptor is closed", || {
        descriptors(&gate) <= at_first
    });
    eprintln!(
        "leaks: fresh {}, after 8000 requests {}, after 12000 {}; descriptors {at_first}, the same \
         again after {took:?}",
        mib(fresh),
        mib(before),
        mib(after)
    );
    assert!(app.requests().len() >= 3000);
}
