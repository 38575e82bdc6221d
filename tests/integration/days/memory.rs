//! What bodies may hold together, and that it comes back.

use std::time::Duration;

use super::{MEBIBYTE, alone, good, mib, resident, setup, until, valid_request_takes};
use crate::harness::upstream::reply;
use crate::harness::{Answer, Client, Response, Upstream};

/// A client that has sent all of a body but its last byte.
fn stuck(client: &mut Client, bytes: &[u8]) {
    client.send(&bytes[..bytes.len() - 1]);
}

/// What has been answered already.
fn answer_so_far(client: &mut Client) -> Option<Response> {
    client
        .stream
        .set_read_timeout(Some(Duration::from_millis(1)))
        .unwrap();
    let ready = client
        .stream
        .peek(&mut [0; 1])
        .is_ok_and(|length| length > 0);
    client
        .stream
        .set_read_timeout(Some(crate::harness::DEADLINE))
        .unwrap();
    ready.then(|| client.answer().expect("an answer"))
}

/// Whether it is the binary that ships, which keeps the bars of memory; one without optimisation is
/// larger.
fn ships() -> bool {
    std::env::var_os("GATEPOST_UNDER_TEST").is_some() || !cfg!(debug_assertions)
}

#[test]
fn a_process_that_has_nothing_to_do_is_small() {
    let _alone = alone();
    let app = Upstream::recording();
    let gate = setup(&app, "").start();
    let idle = resident(&gate);
    eprintln!("memory: idle {}", mib(idle));
    // 5 to 6; 8 to 10 when the linker does not put together what every process runs (benches/layout).
    let most = if ships() { 7 } else { 24 };
    assert!(idle < most * MEBIBYTE, "{}", mib(idle));
}

#[test]
fn a_hundred_stuck_bodies_stay_within_the_budget() {
    let _alone = alone();
    let app = Upstream::recording();
    let limits = "buffered = \"32MiB\"\nbody_timeout = \"20s\"";
    let gate = setup(&app, limits).start();
    valid_request_takes(&gate);
    let idle = resident(&gate);
    let bytes = good(vec![b'x'; MEBIBYTE]).to_bytes();
    let mut clients: Vec<Client> = (0..100).map(|_| gate.connect()).collect();
    for client in &mut clients {
        stuck(client, &bytes);
    }
    let mut refused = 0;
    until("the excess is refused", || {
        for client in &mut clients {
            if let Some(response) = answer_so_far(client) {
                assert_eq!(response.status, 503);
                assert!(response.header("retry-after").is_some());
                refused += 1;
            }
        }
        refused >= 68
    });
    // What the refused had sent so far goes back to the system, but not within this very moment.
    // The budget, and half of what else is allowed.
    until("within the budget", || {
        resident(&gate) < idle + 48 * MEBIBYTE
    });
    let full = resident(&gate);
    gate.refuses("one more", &good(vec![b'x'; MEBIBYTE]), 503, "overloaded");
    assert_eq!(gate.health("/readyz").status, 200);
    drop(clients);
    let back = until("back", || resident(&gate) < idle + 8 * MEBIBYTE);
    let after = resident(&gate);
    eprintln!(
        "memory: idle {}, 100 bodies of 1 MiB {} (budget 32 MiB, {refused} refused), after {} ({back:?})",
        mib(idle),
        mib(full),
        mib(after)
    );
    gate.passes("again", &good(vec![b'x'; MEBIBYTE]));
}

#[test]
fn bodies_that_are_held_cost_their_size_once() {
    const COUNT: usize = 256;
    let _alone = alone();
    let app = Upstream::recording();
    let gate = setup(&app, "body_timeout = \"30s\"").start();
    valid_request_takes(&gate);
    let idle = resident(&gate);
    let bytes = good(vec![b'x'; MEBIBYTE]).to_bytes();
    let mut clients: Vec<Client> = (0..COUNT).map(|_| gate.connect()).collect();
    for client in &mut clients {
        stuck(client, &bytes);
    }
    until("all of it is here", || {
        resident(&gate) > idle + COUNT * MEBIBYTE * 98 / 100
    });
    let mut full = 0;
    for _ in 0..20 {
        std::thread::sleep(Duration::from_millis(10));
        full = full.max(resident(&gate));
    }
    for client in &mut clients {
        client.send(b"x");
        assert_eq!(client.answer().unwrap().status, 200);
    }
    let back = until("back", || resident(&gate) < 24 * MEBIBYTE);
    eprintln!(
        "memory: idle {}, 256 bodies of 1 MiB {}; under 24 MiB again {back:?} after the last answer",
        mib(idle),
        mib(full)
    );
    // Unoptimised, what a connection waits in is larger: 18 KiB each.
    let room = if ships() { 16 } else { 21 };
    assert!(
        full < idle + (COUNT + room) * MEBIBYTE,
        "{}",
        mib(full - idle)
    );
}

/// What a request held is gone once the app has it, however long its answer takes.
#[test]
fn a_body_is_not_held_while_its_answer_is_on_its_way() {
    const COUNT: usize = 64;
    let _alone = alone();
    let long = "x".repeat(16 * MEBIBYTE);
    let app = Upstream::answering(move |request| {
        let text = if request.body.len() < MEBIBYTE {
            "ok"
        } else {
            &*long
        };
        Answer::Keep(reply("200 OK", text))
    });
    let gate = setup(&app, "").start();
    valid_request_takes(&gate);
    let idle = resident(&gate);
    let bytes = good(vec![b'x'; MEBIBYTE]).to_bytes();
    // Each has some of a long answer, and nobody reads it.
    let _clients: Vec<Client> = (0..COUNT)
        .map(|_| {
            // Not all at first: on a slow machine the last one would wait longer than for a head.
            let mut client = gate.connect();
            client.send(&bytes);
            assert_eq!(client.head().expect("an answer").status, 200);
            client
        })
        .collect();
    until("the bodies are gone", || {
        resident(&gate) < idle + COUNT * MEBIBYTE / 3
    });
}

#[test]
fn a_connection_that_waits_costs_next_to_nothing() {
    const COUNT: usize = 1000;
    let _alone = alone();
    let app = Upstream::recording();
    let gate = setup(&app, "").start();
    valid_request_takes(&gate);
    // What a process needs once, whatever it serves.
    let bytes = good(vec![b'x'; 1000]).to_bytes();
    let open = || -> Vec<Client> {
        (0..COUNT)
            .map(|_| {
                let mut client = gate.connect();
                assert_eq!(client.send(&bytes).answer().unwrap().status, 200);
                client
            })
            .collect()
    };
    let before = resident(&gate);
    let clients = open();
    let busy = resident(&gate);
    let each = |now: usize| now.saturating_sub(before) / COUNT;
    let parked = until("each costs 4 KiB at most", || each(resident(&gate)) <= 4096);
    eprintln!(
        "memory: {COUNT} connections of {} bytes each, {} while they were served; parked after {parked:?}",
        each(resident(&gate)),
        each(busy)
    );
    drop(clients);
    until("nothing is left of them", || {
        resident(&gate) < before + 3 * MEBIBYTE
    });
}
