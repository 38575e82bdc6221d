//! Sizes, times, rates and budgets: what is refused, and how soon.

use std::sync::{Arc, Condvar, Mutex};
use std::time::Instant;

use crate::harness::upstream::reply;
use crate::harness::{Answer, Delivery, Gatepost, Setup, Upstream};

const SECRET: &str = "limits-secret-012345";

fn setup(app: &Upstream, limits: &str, route: &str) -> Setup {
    Setup::new(app).env("SECRET", SECRET).toml(&format!(
        "[limits]\n{limits}\n[[route]]\npath = \"/hook\"\nsecret = {{ env = \"SECRET\" }}\n\
         verify = [{{ scheme = \"api_key\", header = \"X-Key\" }}]\n{route}"
    ))
}

fn start(app: &Upstream, limits: &str, route: &str) -> Gatepost {
    setup(app, limits, route).start()
}

fn good(size: usize) -> Delivery {
    Delivery::post("/hook")
        .header("X-Key", SECRET)
        .body(vec![b'x'; size])
}

fn chunked(size: usize) -> Vec<u8> {
    let mut bytes = good(0).header("Transfer-Encoding", "chunked").to_bytes();
    for _ in 0..size / 100 {
        bytes.extend_from_slice(format!("64\r\n{}\r\n", "x".repeat(100)).as_bytes());
    }
    bytes.extend_from_slice(
        format!(
            "{:x}\r\n{}\r\n0\r\n\r\n",
            size % 100,
            "x".repeat(size % 100)
        )
        .as_bytes(),
    );
    bytes
}

/// An app that answers only once it is told to.
fn waiting() -> (Upstream, Arc<(Mutex<bool>, Condvar)>) {
    let gate = Arc::new((Mutex::new(false), Condvar::new()));
    let told = gate.clone();
    let app = Upstream::answering(move |_| {
        let mut open = told.0.lock().unwrap();
        while !*open {
            open = told.1.wait(open).unwrap();
        }
        Answer::Keep(reply("200 OK", "ok"))
    });
    (app, gate)
}

fn open(gate: &(Mutex<bool>, Condvar)) {
    *gate.0.lock().unwrap() = true;
    gate.1.notify_all();
}

#[test]
fn a_body_over_the_limit_is_refused() {
    let app = Upstream::recording();
    for (limits, route) in [
        ("body = \"1KiB\"", ""),
        ("body = \"8KiB\"", "limits.body = 1024"),
        ("", "limits = { body = \"1KiB\" }"),
    ] {
        let gate = start(&app, limits, route);
        gate.passes("at the limit", &good(1024));
        gate.passes("empty", &good(0));
        let response = gate.refuses("one byte more", &good(1025), 413, "body_too_large");
        assert_eq!(
            response.header("connection"),
            Some("close"),
            "the rest is not read"
        );
        gate.refuses_bytes("in chunks", &chunked(1100), 413, "body_too_large");
        let mut client = gate.connect();
        assert_eq!(client.send(&chunked(1024)).answer().unwrap().status, 200);
        // Announced sizes are refused before a byte of the body, and so is what has no key.
        let announced = good(0).header("Content-Length", "1025").to_bytes();
        gate.refuses_bytes("announced", &announced, 413, "body_too_large");
        let huge = good(0)
            .header("Content-Length", "9223372036854775807")
            .to_bytes();
        gate.refuses_bytes("announced, huge", &huge, 413, "body_too_large");
        let stranger = Delivery::post("/hook")
            .header("Content-Length", "1025")
            .to_bytes();
        gate.refuses_bytes("by a stranger", &stranger, 401, "credential_missing");
    }
}

/// Most callers write all they have before they read. Closed while bytes of theirs are unread, the
/// connection would be reset, and the refusal lost.
#[test]
fn whoever_writes_everything_before_reading_still_sees_the_refusal() {
    use std::io::Write as _;
    let app = Upstream::recording();
    let gate = start(&app, "buffered = \"1MiB\"\nbody_timeout = \"20s\"", "");
    let large = vec![b'x'; 6 << 20];
    let nowhere = Delivery::post("/nowhere").body(&large);
    let malformed = nowhere.clone().header("Host", "a b");
    for (case, status, bytes) in [
        ("too large", 413, good(6 << 20).to_bytes()),
        ("too large, in chunks", 413, chunked(6 << 20)),
        ("no route", 404, nowhere.to_bytes()),
        ("no host", 400, malformed.to_bytes()),
        (
            "a stranger",
            401,
            Delivery::post("/hook").body(&large).to_bytes(),
        ),
        ("no room", 503, good(1 << 20).to_bytes()),
    ] {
        let mut holding = gate.connect();
        if status == 503 {
            let bytes = good(900_000).to_bytes();
            holding.send(&bytes[..bytes.len() - 1]);
            // Until it is here.
            let started = Instant::now();
            loop {
                assert!(started.elapsed() < crate::harness::DEADLINE);
                let refused = gate.send(&good(1 << 20)).status == 503;
                // The one that waits may have met the other, and been refused itself.
                let limit = Some(std::time::Duration::from_millis(1));
                holding.stream.set_read_timeout(limit).unwrap();
                if holding.stream.peek(&mut [0]).is_ok() {
                    holding = gate.connect();
                    holding.send(&bytes[..bytes.len() - 1]);
                } else if refused {
                    break;
                }
            }
        }
        for _ in 0..3 {
            let mut client = gate.connect();
            client
                .stream
                .write_all(&bytes)
                .unwrap_or_else(|error| panic!("{case}: {error}"));
            let answer = client
                .answer()
                .unwrap_or_else(|| panic!("{case}: no answer"));
            assert_eq!((answer.status, answer.complete), (status, true), "{case}");
        }
    }
    let strangers = app.requests();
    assert!(
        strangers
            .iter()
            .all(|request| request.body.len() == 1 << 20)
    );
    // But nobody is listened to for ever.
    let mut client = gate.connect();
    let started = Instant::now();
    client.send(&good(0).header("Content-Length", "9999999999").to_bytes());
    while client.stream.write_all(&large[..4096]).is_ok() {
        assert!(started.elapsed().as_secs() < 5, "still listening");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

#[test]
fn a_mebibyte_is_the_default() {
    let app = Upstream::recording();
    let gate = start(&app, "", "");
    gate.passes("at the limit", &good(1 << 20));
    gate.refuses("one byte more", &good((1 << 20) + 1), 413, "body_too_large");
}

#[test]
fn a_head_over_the_limit_is_refused() {
    let app = Upstream::recording();
    let gate = start(&app, "header_bytes = \"8KiB\"\nheader_count = 20", "");
    gate.passes(
        "large, but within",
        &good(2).header("X-Large", "x".repeat(7000)),
    );
    let mut many = good(2);
    for _ in 0..17 {
        many = many.header("X-Many", "1");
    }
    gate.passes("many, but within", &many);
    let long_target = Delivery {
        target: format!("/hook?{}", "x".repeat(9000)),
        ..good(2)
    };
    for (case, delivery) in [
        ("large", good(2).header("X-Large", "x".repeat(9000))),
        (
            "larger than any buffer",
            good(2).header("X-Large", "x".repeat(1_000_000)),
        ),
        (
            "many small ones",
            (0..300).fold(good(2), |delivery, n| {
                delivery.header(&format!("X-{n}"), "x".repeat(40))
            }),
        ),
        (
            "too many",
            many.header("X-Many", "1")
                .header("X-Many", "2")
                .header("X-Many", "3"),
        ),
        ("a long target", long_target),
    ] {
        let before = app.journal.bytes();
        let response = crate::harness::client::try_exchange(gate.address, &delivery.to_bytes());
        let status = response.map(|response| response.status);
        assert!(matches!(status, Some(431 | 414)), "{case}: {status:?}");
        assert_eq!(app.journal.bytes(), before, "{case}");
    }
}

#[test]
fn what_comes_too_slowly_is_ended_in_time() {
    let app = Upstream::recording();
    let gate = start(
        &app,
        "header_timeout = \"300ms\"\nbody_timeout = \"300ms\"",
        "",
    );
    let bytes = good(10).to_bytes();
    let head = bytes.len() - 10;
    for (case, sent) in [
        ("nothing", 0),
        ("half a line", 7),
        ("half a head", head - 20),
    ] {
        let started = Instant::now();
        let mut client = gate.connect();
        client.send(&bytes[..sent]);
        let status = client.answer().map(|response| response.status);
        assert!(matches!(status, None | Some(408)), "{case}: {status:?}");
        assert!(started.elapsed().as_secs() < 5, "{case}");
    }
    for sent in [head, head + 9] {
        let mut client = gate.connect();
        let response = client.send(&bytes[..sent]).answer().expect("an answer");
        assert_eq!(
            (response.status, response.header("connection")),
            (408, Some("close")),
            "{sent}"
        );
        gate.expect_problem("half a body", &response, "body_timeout");
        assert!(client.hangs_up());
    }
    assert_eq!(app.journal.bytes(), 0);
    gate.passes("in time", &good(10));
}

#[test]
fn more_requests_at_once_than_allowed_are_sent_away() {
    for (limits, route) in [("in_flight = 2", ""), ("", "limits.in_flight = 2")] {
        let (app, told) = waiting();
        let gate = start(&app, limits, route);
        let mut first = gate.connect();
        first.send(&good(1).to_bytes());
        app.received(1);
        let mut second = gate.connect();
        second.send(&good(2).to_bytes());
        app.received(2);
        let response = gate.refuses("a third", &good(3), 503, "overloaded");
        let retry: u32 = response
            .header("retry-after")
            .expect("retry-after")
            .parse()
            .unwrap();
        assert!(retry > 0);
        open(&told);
        assert_eq!(
            (
                first.answer().unwrap().status,
                second.answer().unwrap().status
            ),
            (200, 200)
        );
        gate.passes("again", &good(3));
    }
}

#[test]
fn more_bytes_at_once_than_allowed_are_sent_away() {
    let (app, told) = waiting();
    let gate = start(&app, "body = \"8KiB\"\nbuffered = \"10KiB\"", "");
    let mut first = gate.connect();
    first.send(&good(6000).to_bytes());
    app.received(1);
    gate.refuses("too much together", &good(6000), 503, "overloaded");
    gate.refuses_bytes(
        "too much together, in chunks",
        &chunked(6000),
        503,
        "overloaded",
    );
    let mut second = gate.connect();
    second.send(&good(3000).to_bytes());
    app.received(2);
    open(&told);
    assert_eq!(
        (
            first.answer().unwrap().status,
            second.answer().unwrap().status
        ),
        (200, 200)
    );
    for _ in 0..5 {
        gate.passes("again", &good(8192));
    }
}

/// A body that is here counts, whether or not anybody has looked at it.
#[test]
fn bodies_that_nobody_verified_count_too() {
    for (mode, delivery) in [
        ("observe", good(6000).with("X-Key", "wrong")),
        ("passthrough", good(6000)),
    ] {
        let (app, told) = waiting();
        let limits = "body = \"8KiB\"\nbuffered = \"10KiB\"";
        let open_route = format!("[[route]]\npath = \"/open\"\nmode = \"{mode}\"\n");
        let verified = match mode {
            "observe" => {
                "secret = { env = \"SECRET\" }\nverify = [{ scheme = \"api_key\", header = \"X-Key\" }]\n"
            }
            _ => "",
        };
        let gate = setup(&app, limits, "")
            .toml(&format!("{open_route}{verified}"))
            .start();
        let mut bytes = delivery.to_bytes();
        bytes.splice(5..10, *b"/open");
        let mut first = gate.connect();
        first.send(&bytes);
        app.received(1);
        assert_eq!(
            crate::harness::client::exchange(gate.address, &bytes).status,
            503,
            "{mode}: too much together"
        );
        assert_eq!(app.requests().len(), 1);
        open(&told);
        assert_eq!(first.answer().unwrap().status, 200, "{mode}");
        for _ in 0..3 {
            assert_eq!(
                crate::harness::client::exchange(gate.address, &bytes).status,
                200,
                "{mode}: again"
            );
        }
    }
}

#[test]
fn more_connections_than_allowed_are_closed() {
    let app = Upstream::recording();
    let gate = start(&app, "connections = 2", "");
    let mut open: Vec<_> = (0..2).map(|_| gate.connect()).collect();
    for client in &mut open {
        assert_eq!(
            client.send(&good(1).to_bytes()).answer().unwrap().status,
            200
        );
    }
    let third = crate::harness::client::try_exchange(gate.address, &good(1).to_bytes());
    assert!(third.is_none_or(|response| response.status == 503));
    assert_eq!(
        open[0].send(&good(1).to_bytes()).answer().unwrap().status,
        200,
        "the others go on"
    );
    drop(open);
    let started = Instant::now();
    while crate::harness::client::try_exchange(gate.address, &good(1).to_bytes())
        .is_none_or(|r| r.status != 200)
    {
        assert!(started.elapsed() < crate::harness::DEADLINE);
    }
}

#[test]
fn a_client_over_its_rate_is_told_to_wait() {
    let app = Upstream::recording();
    let gate = setup(&app, "", "rate = \"1/h burst 3\"")
        .toml("[client_address]\ntrusted_proxies = [\"127.0.0.1\"]")
        .start();
    let from = |address: &str| good(1).header("X-Forwarded-For", address);
    for address in ["203.0.113.1", "2001:db8::1"] {
        for _ in 0..3 {
            gate.passes(address, &from(address));
        }
        let response = gate.refuses(address, &from(address), 429, "rate_limited");
        let retry: u32 = response
            .header("retry-after")
            .expect("retry-after")
            .parse()
            .unwrap();
        assert!(retry > 0);
    }
    gate.passes("another client", &from("203.0.113.2"));
    // What is refused anyway does not use the rate up, and a stranger cannot use up another's.
    let stranger = from("203.0.113.3").without("X-Key");
    for _ in 0..5 {
        gate.refuses("a stranger", &stranger, 401, "credential_missing");
    }
    gate.passes("the one with the key", &from("203.0.113.3"));
}
