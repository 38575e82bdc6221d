//! Connections that wait for their next request: cheap meanwhile, and as good as new after.

use std::io::Read as _;
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::{good, setup};
use crate::harness::upstream::{Reader, reply};
use crate::harness::{Answer, Client, Delivery, Gatepost, Upstream};
use crate::tls::{self, Authority};

const LIMITS: &str = "header_timeout = \"1s\"";
/// Longer than a connection stays awake, and than a head may take.
const LONG: Duration = Duration::from_millis(2200);

fn start(app: &Upstream) -> Gatepost {
    setup(app, LIMITS).start()
}

fn status(client: &mut Client) -> u16 {
    client.answer().expect("an answer").status
}

#[test]
fn a_connection_may_wait_longer_than_a_head_may_take() {
    let app = Upstream::recording();
    let gate = start(&app);
    let [mut first, mut second] = [gate.connect(), gate.connect()];
    first.send(&good("1").to_bytes());
    second.send(&good("1").with("X-Key", "wrong").to_bytes());
    assert_eq!((status(&mut first), status(&mut second)), (200, 401));
    for _ in 0..2 {
        sleep(LONG);
        for client in [&mut first, &mut second] {
            assert_eq!(status(client.send(&good("2").to_bytes())), 200);
        }
    }
    // Several at once, the last one cut in two.
    sleep(LONG);
    let bytes = [
        good("3").to_bytes(),
        good("4").to_bytes(),
        good("5").to_bytes(),
    ]
    .concat();
    let cut = bytes.len() - 40;
    first.send(&bytes[..cut]);
    assert_eq!((status(&mut first), status(&mut first)), (200, 200));
    sleep(Duration::from_millis(300));
    assert_eq!(status(first.send(&bytes[cut..])), 200);
    // One byte, and the rest a moment later.
    sleep(LONG);
    let bytes = good("6").to_bytes();
    first.send(&bytes[..1]);
    sleep(Duration::from_millis(700));
    assert_eq!(status(first.send(&bytes[1..])), 200);
    assert_eq!(app.requests().last().unwrap().body, b"6");
    assert_eq!(app.requests().len(), 9);
}

#[test]
fn a_head_that_stays_unfinished_is_ended_whenever_it_began() {
    let app = Upstream::recording();
    let gate = start(&app);
    let (one, half) = (good("1").to_bytes(), &good("2").to_bytes()[..30]);
    let mut clients: Vec<(&str, Client)> = Vec::new();
    for (case, before, after) in [
        ("in one piece with the first", Some(half), None),
        (
            "before it is parked",
            None,
            Some(Duration::from_millis(100)),
        ),
        (
            "when it is being parked",
            None,
            Some(Duration::from_millis(500)),
        ),
        (
            "after it is parked",
            None,
            Some(Duration::from_millis(1200)),
        ),
    ] {
        let mut client = gate.connect();
        client.send(&[&one, before.unwrap_or_default()].concat());
        assert_eq!(status(&mut client), 200);
        if let Some(after) = after {
            sleep(after);
            client.send(half);
        }
        let started = Instant::now();
        let answer = client.answer();
        let took = started.elapsed();
        assert!(answer.is_none_or(|answer| answer.status == 408), "{case}");
        // The time may have begun with the answer before.
        assert!(took > Duration::from_millis(400), "{case}: {took:?}");
        assert!(took < Duration::from_millis(2500), "{case}: {took:?}");
        clients.push((case, client));
    }
    assert_eq!(app.requests().len(), clients.len());
}

#[test]
fn a_parked_connection_notices_that_the_client_has_gone() {
    let app = Upstream::recording();
    let gate = start(&app);
    let before = super::descriptors(&gate);
    let mut clients: Vec<Client> = (0..20).map(|_| gate.connect()).collect();
    for client in &mut clients {
        assert_eq!(status(client.send(&good("1").to_bytes())), 200);
    }
    sleep(Duration::from_millis(1200));
    for client in &clients[..10] {
        client.finish();
    }
    for client in &mut clients[..10] {
        assert!(client.hangs_up());
    }
    drop(clients);
    // What is left are connections to the app.
    let pooled = 20;
    super::until("closed", || super::descriptors(&gate) <= before + pooled);
}

/// What the client has not read yet is not forgotten.
#[test]
fn an_answer_that_is_read_late_is_whole() {
    let authority = Authority::new();
    let app = Upstream::answering(|request| {
        let size: usize = String::from_utf8_lossy(&request.body)
            .trim()
            .parse()
            .unwrap();
        Answer::Keep(reply("200 OK", &"x".repeat(size)))
    });
    let gate = start(&app);
    let secure = tls::setup(&app, &authority, "").start();
    // Around what the sockets between hold, in steps smaller than a buffer of TLS.
    let sizes = || (1..=130).map(|n| n * 45_000);
    let plain: Vec<_> = sizes()
        .step_by(4)
        .map(|size| {
            let mut client = gate.connect();
            client.send(&good(size.to_string()).to_bytes());
            (size, client)
        })
        .collect();
    let encrypted: Vec<_> = sizes()
        .map(|size| {
            let mut client = tls::connect(&secure, tls::config(&authority, &[], None));
            let body = format!("{size:12}");
            let key = crate::signing::hmac("sha256", b"tls-secret-0123456789", body.as_bytes());
            let delivery = tls::good()
                .with("X-Sig", crate::signing::hex(&key))
                .body(body);
            client.send(&delivery.to_bytes());
            (size, client)
        })
        .collect();
    sleep(LONG);
    for (size, mut client) in plain {
        let response = client.answer().expect("an answer");
        assert_eq!((response.complete, response.body.len()), (true, size));
    }
    for (size, mut client) in encrypted {
        client
            .stream
            .sock
            .set_read_timeout(Some(Duration::from_secs(2)))
            .unwrap();
        let response = client.answer().expect("an answer");
        assert_eq!(
            (response.complete, response.body.len()),
            (true, size),
            "TLS"
        );
    }
}

#[test]
fn a_websocket_begins_on_a_connection_that_waited() {
    let app = Upstream::handling(|stream, journal, _| {
        use std::io::Write as _;
        let mut reader = Reader {
            stream: &stream,
            journal,
            unread: Vec::new(),
        };
        while let Some(head) = reader.head() {
            let mut stream = &stream;
            if !head.windows(9).any(|window| window == b"websocket") {
                stream.write_all(&reply("200 OK", "ok")).unwrap();
                continue;
            }
            let answer = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
            stream.write_all(answer.as_bytes()).unwrap();
            while reader.more() > 0 {
                let bytes = std::mem::take(&mut reader.unread);
                stream.write_all(&bytes).unwrap();
            }
        }
    });
    let gate = setup(&app, LIMITS)
        .toml("[[route]]\npath = \"/app/*\"\nmode = \"passthrough\"\nmethods = [\"GET\"]")
        .start();
    let mut client = gate.connect();
    let get = Delivery::new("GET", "/app/x");
    assert_eq!(status(client.send(&get.to_bytes())), 200);
    sleep(LONG);
    let upgrade = get
        .header("Connection", "Upgrade")
        .header("Upgrade", "websocket");
    assert_eq!(status(client.send(&upgrade.to_bytes())), 101);
    for _ in 0..2 {
        // Nor is it parked while it is one.
        assert_eq!(client.send(b"hello").exactly(5), b"hello");
        sleep(Duration::from_millis(1300));
    }
    client.finish();
    assert_eq!(client.stream.read(&mut [0; 8]).unwrap(), 0);
}
