//! Thousands of requests leave nothing behind.

use std::io::Write as _;
use std::thread;
use std::time::Duration;

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

#[test]
fn thousands_of_requests_leave_nothing_behind() {
    let _alone = alone();
    let app = Upstream::recording();
    let gate = setup(&app, "").upstream("pool_idle = \"1s\"").start();
    let fresh = resident(&gate);
    for _ in 0..2 {
        thousand(&gate);
    }
    // Until the pool to the app is empty.
    thread::sleep(Duration::from_millis(2500));
    let at_first = descriptors(&gate);
    let before = resident(&gate);
    for _ in 0..4 {
        thousand(&gate);
    }
    let after = resident(&gate);
    let took = until("every descriptor is closed", || {
        descriptors(&gate) <= at_first
    });
    eprintln!(
        "leaks: fresh {}, after 2000 requests {}, after 6000 {}; descriptors {at_first}, the same \
         again after {took:?}",
        mib(fresh),
        mib(before),
        mib(after)
    );
    assert!(after < before + 2 * MEBIBYTE, "{}", mib(after - before));
    assert!(app.requests().len() >= 1500);
}
