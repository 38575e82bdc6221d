//! Bodies that are too large to be gathered on trust: read to their end or not at all.

use std::time::{Duration, Instant};

use crate::harness::upstream::reply;
use crate::harness::{Answer, Delivery, Gatepost, Setup, Upstream};
use crate::signing::{hex, hmac, now};

const SECRET: &str = "large-secret-0123456";
/// More than is gathered on trust.
const LARGE: usize = 300_000;

fn setup(app: &Upstream, limits: &str, route: &str) -> Setup {
    Setup::new(app).env("SECRET", SECRET).toml(&format!(
        "[limits]\n{limits}\n[[route]]\npath = \"/hook\"\n\
         secret = {{ env = \"SECRET\" }}\n\
         verify = [{{ scheme = \"hmac\", header = \"X-Sig\" }}]\n{route}"
    ))
}

fn start(app: &Upstream, limits: &str, route: &str) -> Gatepost {
    setup(app, limits, route).start()
}

fn signed(size: usize) -> Delivery {
    let body: Vec<u8> = (0..size).map(|at| b"abcdefghijk"[at % 11]).collect();
    let signature = hex(&hmac("sha256", SECRET.as_bytes(), &body));
    Delivery::post("/hook")
        .header("X-Sig", signature)
        .body(body)
}

#[test]
fn every_size_arrives_as_it_was_sent_and_is_proven() {
    let app = Upstream::recording();
    let gate = start(&app, "body = \"4MiB\"", "");
    for size in [
        16_384,
        131_000,
        131_072,
        131_073,
        LARGE,
        (2 << 20) - 1,
        2 << 20,
        (2 << 20) + 1,
        4 << 20,
    ] {
        gate.passes(&format!("{size}"), &signed(size));
        let mut forged = signed(size);
        forged.body[size - 1] ^= 1;
        gate.refuses(
            &format!("{size}, forged"),
            &forged,
            401,
            "signature_mismatch",
        );
    }
    gate.refuses("too large", &signed((4 << 20) + 1), 413, "body_too_large");
}

#[test]
fn requests_follow_each_other_on_one_connection() {
    let app = Upstream::recording();
    let gate = start(&app, "body = \"4MiB\"", "");
    let sizes = [LARGE, 10, 3 << 20, LARGE, LARGE, 0, 140_000, 20_000, LARGE];
    let all: Vec<Delivery> = sizes.into_iter().map(signed).collect();
    let bytes: Vec<u8> = all.iter().flat_map(Delivery::to_bytes).collect();
    // In one go, and cut where it happens to be cut.
    for piece in [bytes.len(), 300_130, 70_001] {
        let before = app.requests().len();
        let mut client = gate.connect();
        std::thread::scope(|scope| {
            let mut writer = crate::harness::Client::over(client.stream.try_clone().unwrap());
            let bytes = &bytes;
            scope.spawn(move || {
                for part in bytes.chunks(piece) {
                    writer.send(part);
                }
            });
            for delivery in &all {
                let response = client.answer().expect("an answer");
                assert_eq!(response.status, 200, "{} of {piece}", delivery.body.len());
            }
        });
        let received = app.requests();
        let bodies = received.iter().skip(before).map(|request| &request.body);
        assert!(bodies.eq(all.iter().map(|delivery| &delivery.body)));
    }
}

/// What is read of a request depends on the one before it.
#[test]
fn requests_may_be_alike_or_not() {
    let app = Upstream::recording();
    let gate = start(&app, "", "");
    let mut client = gate.connect();
    let sizes = [
        60_000, 60_000, 61_000, 100_000, 20_000, 10, 0, 60_000, 10, LARGE, 60_000,
    ];
    // Sent at once, in two pieces, or with the next one on its heels.
    for way in 0..3 {
        for pair in sizes.windows(2) {
            let pair = [signed(pair[0]), signed(pair[1])];
            let before = app.requests().len();
            let bytes = pair.each_ref().map(Delivery::to_bytes);
            let answered = |client: &mut crate::harness::Client| {
                assert_eq!(client.answer().expect("an answer").status, 200);
            };
            match way {
                0 => {
                    client.send(&bytes[0]);
                    answered(&mut client);
                    client.send(&bytes[1]);
                }
                1 => {
                    let (begun, rest) = bytes[0].split_at(bytes[0].len() / 3);
                    client.send(begun);
                    client.send(rest);
                    answered(&mut client);
                    client.send(&bytes[1]);
                }
                _ => {
                    client.send(&bytes.concat());
                    answered(&mut client);
                }
            }
            answered(&mut client);
            let received = app.requests();
            let bodies = received.iter().skip(before).map(|request| &request.body);
            assert!(bodies.eq(pair.iter().map(|delivery| &delivery.body)));
        }
    }
}

#[test]
fn what_the_head_tells_is_looked_at_before_a_byte_is_waited_for() {
    let app = Upstream::recording();
    let gate = start(&app, "body_timeout = \"60s\"", "limits.body = \"1MiB\"");
    let started = Instant::now();
    let announced = |delivery: Delivery, length: usize| {
        let length = length.to_string();
        let mut bytes = delivery.header("Content-Length", &length).to_bytes();
        bytes.extend_from_slice(&[b'a'; 1000]);
        bytes
    };
    let head = Delivery::post("/hook").header("X-Sig", "0".repeat(64));
    for (case, bytes, status, reason) in [
        (
            "no signature",
            announced(Delivery::post("/hook"), LARGE),
            401,
            "signature_missing",
        ),
        (
            "no route",
            announced(Delivery::post("/other"), LARGE),
            404,
            "no_route",
        ),
        (
            "over the limit",
            announced(head.clone(), (1 << 20) + 1),
            413,
            "body_too_large",
        ),
        (
            "encoded",
            announced(head.header("Content-Encoding", "gzip"), LARGE),
            415,
            "body_encoded",
        ),
    ] {
        let mut client = gate.connect();
        let response = client.send(&bytes).answer().expect("an answer");
        assert_eq!(response.status, status, "{case}");
        gate.expect_problem(case, &response, reason);
    }
    assert!(started.elapsed() < Duration::from_secs(20));
    assert_eq!(app.journal.bytes(), 0);
}

#[test]
fn half_a_body_is_none() {
    for mode in ["enforce", "observe"] {
        let app = Upstream::recording();
        let gate = start(
            &app,
            "body_timeout = \"700ms\"",
            &format!("mode = \"{mode}\""),
        );
        let bytes = signed(LARGE).to_bytes();
        for missing in [1, 100_000, LARGE] {
            let part = &bytes[..bytes.len() - missing];
            for (case, status, reason) in [
                ("late", 408, "body_timeout"),
                ("broken off", 400, "body_incomplete"),
            ] {
                let mut client = gate.connect();
                let started = Instant::now();
                client.send(part);
                if status == 400 {
                    client.finish();
                }
                let response = client.answer().expect("an answer");
                let waited = started.elapsed() >= Duration::from_millis(690);
                assert!(waited || status == 400, "{mode}");
                assert_eq!(
                    (response.status, response.header("connection")),
                    (status, Some("close")),
                    "{mode} {missing}"
                );
                gate.expect_problem(case, &response, reason);
                assert!(client.hangs_up());
            }
        }
        assert_eq!(app.journal.bytes(), 0);
        gate.passes("whole", &signed(LARGE));
    }
}

/// Only what has arrived counts, and what is given up counts no more.
#[test]
fn all_together_are_bounded() {
    let (let_go, held) = std::sync::mpsc::channel::<()>();
    let held = std::sync::Mutex::new(held);
    let app = Upstream::answering(move |_| {
        held.lock().unwrap().recv().unwrap();
        Answer::Keep(reply("200 OK", "ok"))
    });
    let limits = "body = \"1MiB\"\nbuffered = \"1MiB\"\nbody_timeout = \"60s\"";
    let gate = start(&app, limits, "");
    let bytes = signed(700_000).to_bytes();
    for round in 1..=3 {
        let mut first = gate.connect();
        first.send(&bytes);
        app.received(2 * round - 1);
        // Announced only.
        let mut silent = gate.connect();
        silent.send(&bytes[..200]);
        for _ in 0..3 {
            let mut other = gate.connect();
            let over = other.send(&bytes).answer().expect("an answer");
            assert_eq!(
                (over.status, over.header("connection")),
                (503, Some("close"))
            );
            gate.expect_problem("too much", &over, "overloaded");
            assert!(other.hangs_up());
        }
        let_go.send(()).unwrap();
        assert_eq!(first.answer().expect("an answer").status, 200);
        let_go.send(()).unwrap();
        silent.send(&bytes[200..]);
        assert_eq!(silent.answer().expect("an answer").status, 200);
    }
}

/// A budget as large as one body is enough for it.
#[test]
fn the_head_is_no_part_of_the_budget() {
    let app = Upstream::recording();
    let gate = start(&app, "body = 300000\nbuffered = 300000", "");
    gate.passes("all there is", &signed(300_000));
    gate.passes("once more", &signed(300_000));
}

/// Where there is no place nothing is read, and a body that arrives has one.
#[test]
fn a_body_is_read_where_there_is_a_place_for_it() {
    let app = Upstream::recording();
    let gate = start(&app, "in_flight = 1\nbody_timeout = \"60s\"", "");
    let bytes = signed(LARGE).to_bytes();
    let half = bytes.len() - 1000;
    let mut first = gate.connect();
    first.send(&bytes[..half]);
    let under_way = "gatepost_inflight_requests{route=\"/hook\"} 1";
    let started = Instant::now();
    while !gate.health("/metrics").text().contains(under_way) {
        assert!(started.elapsed() < Duration::from_secs(20));
    }
    let response = gate.connect().send(&bytes[..200]).answer();
    let response = response.expect("an answer");
    assert_eq!(response.status, 503);
    gate.expect_problem("no place", &response, "overloaded");
    first.send(&bytes[half..]);
    assert_eq!(first.answer().expect("an answer").status, 200);
    gate.passes("a place again", &signed(LARGE));
}

/// A request is as old as its head, however long its body takes.
#[test]
fn the_head_tells_when_a_request_came() {
    let app = Upstream::recording();
    let gate = Setup::new(&app)
        .env("SECRET", SECRET)
        .toml(
            "[[route]]\npath = \"/hook\"\nsecret = { env = \"SECRET\" }\n\
             verify = [{ scheme = \"hmac\", header = \"X-Sig\", message = \"{timestamp}.{body}\", \
             tolerance = \"2s\", timestamp = { header = \"X-Time\" } }]\n",
        )
        .start();
    let body = vec![b'x'; LARGE];
    let time = now().to_string();
    let message = [time.as_bytes(), b".", &body].concat();
    let delivery = Delivery::post("/hook")
        .header("X-Time", &time)
        .header("X-Sig", hex(&hmac("sha256", SECRET.as_bytes(), &message)))
        .body(body);
    let bytes = delivery.to_bytes();
    let mut client = gate.connect();
    client.send(&bytes[..bytes.len() - 5]);
    // It grows older than it may be.
    std::thread::sleep(Duration::from_millis(3500));
    let response = client.send(&bytes[bytes.len() - 5..]).answer().unwrap();
    assert_eq!(response.status, 200);
    let id = response.header("x-gatepost-request-id").unwrap();
    let took = gate.line(id)["duration_ms"].as_f64().unwrap();
    assert!(took >= 3400.0, "{took}");
    gate.refuses("too old", &delivery, 401, "timestamp_too_old");
}

/// What the app takes its time to read is neither lost nor sent twice.
#[test]
fn an_app_may_take_its_time() {
    let app = Upstream::answering(|request| {
        std::thread::sleep(Duration::from_millis(300));
        Answer::Keep(reply("200 OK", &request.body.len().to_string()))
    });
    let gate = start(&app, "body = \"4MiB\"", "");
    let response = gate.send(&signed(LARGE));
    assert_eq!((response.status, response.text()), (200, LARGE.to_string()));
    assert_eq!(app.requests().len(), 1);
}

/// A request that has begun is judged by the newest configuration, and takes nothing twice.
#[test]
fn a_reload_while_a_body_arrives_makes_no_second_request_of_it() {
    let opened = "[[route]]\npath = \"/hook\"\nmode = \"passthrough\"\n";
    let asking = "[[route]]\npath = \"/hook\"\nsecret = { env = \"SECRET\" }\n\
                  verify = [{ scheme = \"hmac\", header = \"X-Sig\" }]\n\
                  [[route.handshake]]\nmembers = [\"challenge\"]\n\
                  challenge = { json = \"/challenge\", alphabet = \"a-z\", max = 9 }\n\
                  reply = { text = \"{challenge}\" }\n";
    let closed = "[[route]]\npath = \"/elsewhere\"\nmode = \"passthrough\"\n";
    for (route, status) in [(opened, 200), (asking, 200), (closed, 404)] {
        let app = Upstream::recording();
        let limits = "in_flight = 1\nbody = 300000\nbuffered = 300000\nbody_timeout = \"60s\"";
        let gate = setup(&app, limits, "")
            .toml("[reload]\nwatch = false")
            .start();
        let bytes = signed(LARGE).to_bytes();
        let mut client = gate.connect();
        client.send(&bytes[..bytes.len() - 1000]);
        let within = Instant::now() + Duration::from_secs(20);
        let under_way = "gatepost_inflight_requests{route=\"/hook\"} 1";
        while !gate.health("/metrics").text().contains(under_way) {
            assert!(Instant::now() < within);
        }
        let path = gate.folder.path().join("sidecar.toml");
        let text = std::fs::read_to_string(&path).unwrap();
        let (before, _) = text.split_once("[[route]]").unwrap();
        let marker = "[[route]]\npath = \"/marker\"\nmode = \"passthrough\"\n";
        let text = format!("{before}{marker}{route}[reload]\nwatch = false\n");
        std::fs::write(&path, text).unwrap();
        gate.signal("-HUP");
        while gate.send(&Delivery::post("/marker")).status == 404 {
            assert!(Instant::now() < within);
        }
        client.send(&bytes[bytes.len() - 1000..]);
        let answer = client.answer().expect("an answer");
        assert_eq!(answer.status, status, "{route}");
        let received = app.requests();
        assert_eq!(received.len(), usize::from(status == 200), "{route}");
        for request in received {
            assert_eq!(request.body.len(), LARGE);
        }
        assert_eq!(
            gate.send(&Delivery::post("/marker")).status,
            200,
            "free again"
        );
    }
}
