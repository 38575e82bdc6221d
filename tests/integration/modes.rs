//! enforce, observe, passthrough.

use std::io::Write as _;

use crate::harness::upstream::Reader;
use crate::harness::{Delivery, Gatepost, Setup, Upstream};

const SECRET: &str = "modes-secret-0123456";

fn start(app: &Upstream, toml: &str) -> Gatepost {
    Setup::new(app).env("SECRET", SECRET).toml(toml).start()
}

fn verified(mode: &str) -> String {
    format!(
        "[[route]]\npath = \"/hook\"\nmode = \"{mode}\"\nprovider = \"acme\"\nsecret = {{ env = \"SECRET\" }}\nlimits.body = \"1KiB\"\n\
         allow_ips = [\"127.0.0.1\"]\nevent.type = {{ json = \"/type\" }}\nverify = [{{ scheme = \"api_key\", header = \"X-Key\" }}]\n\
         [provider.acme]\ntitle = \"Acme\""
    )
}

const PASSTHROUGH: &str = "[[route]]\npath = \"/app/*\"\nmode = \"passthrough\"\nmethods = [\"GET\", \"POST\", \"PUT\", \"DELETE\"]";

fn good() -> Delivery {
    Delivery::post("/hook")
        .header("X-Key", SECRET)
        .body("{\"type\":\"t\"}")
}

#[test]
fn observing_forwards_everything_and_claims_only_what_is_proved() {
    let app = Upstream::recording();
    let gate = start(&app, &verified("observe"));
    let received = gate.accepts("genuine", &good());
    gate.tells(
        "genuine",
        &received,
        &[
            ("client-ip", "127.0.0.1"),
            ("event-type", "t"),
            ("key", "SECRET"),
            ("provider", "acme"),
            ("route", "/hook"),
            ("verified-by", "api-key, ip"),
        ],
    );
    for (case, delivery, reason) in [
        ("no key", good().without("X-Key"), "credential_missing"),
        ("a wrong key", good().with("X-Key", "x"), "credential_wrong"),
        (
            "two keys",
            good().header("X-Key", SECRET),
            "credential_repeated",
        ),
        ("too large", good().body(vec![b'x'; 5000]), "body_too_large"),
        (
            "encoded",
            good().header("Content-Encoding", "gzip"),
            "body_encoded",
        ),
        (
            "claiming",
            good()
                .without("X-Key")
                .header("X-Gatepost-Provider", "acme")
                .header("X_Gatepost_Observed", ""),
            "credential_missing",
        ),
    ] {
        let before = app.requests().len();
        let response = gate.send(&delivery);
        assert_eq!(response.status, 200, "{case}");
        let received = app.received(before + 1);
        assert_eq!(received.body, delivery.body, "{case}");
        gate.tells(
            case,
            &received,
            &[
                ("client-ip", "127.0.0.1"),
                ("observed", reason),
                ("route", "/hook"),
            ],
        );
        let line = gate.line(response.header("x-gatepost-request-id").unwrap());
        assert_eq!(
            (&line["outcome"], &line["reason"]),
            (&"would_reject".into(), &reason.into()),
            "{case}"
        );
    }
    let metrics = gate.health("/metrics").text();
    assert!(metrics.contains("would_reject"), "{metrics}");
}

#[test]
fn observing_still_refuses_what_nobody_can_read() {
    let app = Upstream::recording();
    let gate = start(&app, &verified("observe"));
    gate.refuses(
        "two hosts",
        &good().header("Host", "a").header("Host", "b"),
        400,
        "request_malformed",
    );
    let elsewhere = Delivery {
        target: "/hook/".into(),
        ..good()
    };
    gate.refuses("another path", &elsewhere, 404, "no_route");
    let dots = Delivery {
        target: "/x/../hook".into(),
        ..good()
    };
    gate.refuses("dots", &dots, 400, "path_invalid");
}

#[test]
fn observing_is_loud() {
    let app = Upstream::recording();
    let setup = Setup::new(&app)
        .env("SECRET", SECRET)
        .toml(&verified("observe"));
    let output = setup.run(&["check"]);
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).to_lowercase();
    assert!(
        output.status.success() && text.contains("observe") && text.contains("/hook"),
        "{text}"
    );
    let gate = setup.start();
    let line = gate
        .log
        .wait(|line| line["level"] == "warn" && line.to_string().contains("observe"));
    assert!(line.is_some(), "{}", gate.log.text());
}

#[test]
fn passing_through_claims_nothing() {
    let app = Upstream::recording();
    let gate = start(&app, PASSTHROUGH);
    for method in ["GET", "POST", "PUT", "DELETE"] {
        let delivery = Delivery::new(method, "/app/x?y=1")
            .header("X-Gatepost-Provider", "forged")
            .header("x_gatepost_event_type", "forged")
            .header("Authorization", "Bearer of-the-app")
            .header("Content-Encoding", "gzip")
            .body("body");
        let received = gate.accepts(method, &delivery);
        gate.tells(
            method,
            &received,
            &[("client-ip", "127.0.0.1"), ("route", "/app/*")],
        );
        assert_eq!(received.header("authorization"), Some("Bearer of-the-app"));
        assert_eq!(received.header("content-encoding"), Some("gzip"));
    }
    gate.refuses(
        "dots",
        &Delivery::new("GET", "/app/../admin"),
        400,
        "path_invalid",
    );
    gate.refuses(
        "two hosts",
        &Delivery::new("GET", "/app/x")
            .header("Host", "a")
            .header("Host", "b"),
        400,
        "request_malformed",
    );
}

#[test]
fn passing_through_streams_both_ways() {
    // Answers the head before the body is there, then each piece with its echo.
    let app = Upstream::handling(|mut stream, journal, _| {
        let mut reader = Reader {
            stream: stream.try_clone().unwrap(),
            journal,
            unread: Vec::new(),
        };
        if reader.head().is_none() {
            return;
        }
        stream
            .write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            .unwrap();
        for piece in ["one", "two", "three"] {
            while crate::harness::find(&reader.unread, piece.as_bytes()).is_none() {
                if reader.more() == 0 {
                    return;
                }
            }
            write!(stream, "{:x}\r\n{piece}\r\n", piece.len()).unwrap();
        }
        stream.write_all(b"0\r\n\r\n").unwrap();
    });
    let gate = start(&app, PASSTHROUGH);
    let mut client = gate.connect();
    client.send(b"POST /app/stream HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    assert_eq!(
        client
            .head()
            .expect("the head, while the body is open")
            .status,
        200
    );
    for piece in ["one", "two", "three"] {
        client.send(format!("{:x}\r\n{piece}\r\n", piece.len()).as_bytes());
        let echo = format!("{:x}\r\n{piece}\r\n", piece.len());
        assert_eq!(String::from_utf8(client.exactly(echo.len())).unwrap(), echo);
    }
    client.send(b"0\r\n\r\n");
    assert_eq!(client.exactly(5), b"0\r\n\r\n");
}

/// An app that takes every upgrade it is offered and then echoes.
fn upgrading() -> Upstream {
    Upstream::handling(|mut stream, journal, _| {
        let mut reader = Reader {
            stream: stream.try_clone().unwrap(),
            journal,
            unread: Vec::new(),
        };
        while let Some(head) = reader.head() {
            let head = String::from_utf8_lossy(&head).to_ascii_lowercase();
            if !head.contains("\r\nupgrade: websocket\r\n") && !head.contains("fib") {
                stream
                    .write_all(
                        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nplain",
                    )
                    .unwrap();
                while reader.more() > 0 {}
                return;
            }
            let answer = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: x\r\n\r\n";
            stream.write_all(answer.as_bytes()).unwrap();
            while reader.more() > 0 {
                let bytes = std::mem::take(&mut reader.unread);
                stream.write_all(&bytes).unwrap();
            }
        }
    })
}

#[test]
fn passing_through_takes_a_websocket() {
    let app = upgrading();
    let gate = start(&app, PASSTHROUGH);
    let mut client = gate.connect();
    client.send(b"GET /app/ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\n\r\n");
    let response = client.answer().unwrap();
    assert_eq!(
        (response.status, response.header("upgrade")),
        (101, Some("websocket"))
    );
    assert_eq!(response.header("sec-websocket-accept"), Some("x"));
    for bytes in [&b"\x81\x05hello"[..], b"\x88\x00"] {
        assert_eq!(client.send(bytes).exactly(bytes.len()), bytes);
    }
    client.finish();
    assert!(client.hangs_up());
}

#[test]
fn no_verified_route_is_upgraded() {
    let app = upgrading();
    for mode in ["enforce", "observe"] {
        let gate = start(&app, &verified(mode));
        let offered = good()
            .header("Connection", "Upgrade")
            .header("Upgrade", "websocket");
        let response = gate.send(&offered);
        assert_eq!(
            (response.status, &*response.text()),
            (200, "plain"),
            "{mode}: not offered to the app"
        );
        let fib = good().header("X-App", "fib");
        let before = app.journal.connections();
        let response = gate.send(&fib);
        assert_eq!(response.status, 502, "{mode}: an upgrade nobody asked for");
        gate.expect_problem(mode, &response, "upstream_failed");
        assert!(app.journal.connections() > before);
    }
    let gate = start(&app, PASSTHROUGH);
    let response = gate.send(&Delivery::new("GET", "/app/fib"));
    assert_eq!(
        response.status, 502,
        "passthrough: an upgrade nobody asked for"
    );
}

#[test]
fn nothing_is_open_by_accident() {
    let app = Upstream::recording();
    for (case, route) in [
        ("no step", "path = \"/a\""),
        ("an empty list", "path = \"/a\"\nverify = []"),
        ("an unknown mode", "path = \"/a\"\nmode = \"off\""),
        (
            "only an address",
            "path = \"/a\"\nallow_ips = [\"127.0.0.1\"]",
        ),
        (
            "only an address, any",
            "path = \"/a\"\nallow_ips = \"any\"\naccept_weak = true",
        ),
        (
            "no address at all",
            "path = \"/a\"\nallow_ips = []\naccept_weak = true",
        ),
        (
            "an unkeyed digest",
            "path = \"/a\"\nverify = [{ scheme = \"digest\", header = \"X\" }]",
        ),
        (
            "an unkeyed digest among others",
            "path = \"/a\"\nsecret = { env = \"SECRET\" }\nverify = [{ any = [{ scheme = \"api_key\", header = \"K\" }, { scheme = \"digest\", header = \"X\" }] }]",
        ),
        ("an empty any", "path = \"/a\"\nverify = [{ any = [] }]"),
        (
            "an unknown provider",
            "path = \"/a\"\nprovider = \"nobody\"\nsecret = { env = \"SECRET\" }",
        ),
        (
            "IDWise before its customer chose",
            "path = \"/a\"\nprovider = \"idwise\"\nsecret = { env = \"SECRET\" }",
        ),
        (
            "an unknown key",
            "path = \"/a\"\nmode = \"passthrough\"\nverfy = []",
        ),
        (
            "an inline secret",
            "path = \"/a\"\nsecret = { inline = \"inline-secret-0123\" }\nverify = [{ scheme = \"bearer\" }]",
        ),
    ] {
        let output = Setup::new(&app)
            .env("SECRET", SECRET)
            .toml(&format!("[[route]]\n{route}"))
            .run(&["check"]);
        assert_eq!(output.status.code(), Some(78), "{case}: {output:?}");
    }
    let gate = start(
        &app,
        "[[route]]\npath = \"/a\"\nallow_ips = [\"127.0.0.1\"]\naccept_weak = true",
    );
    let received = gate.accepts("an address, admitted to be weak", &Delivery::post("/a"));
    assert_eq!(received.header("x-gatepost-verified-by"), Some("ip"));
}
