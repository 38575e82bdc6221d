//! The headers on both sides: what a caller cannot make the app believe, what the app cannot make
//! the caller's connection do.

use crate::harness::upstream::reply;
use crate::harness::{Answer, Delivery, Gatepost, Setup, Upstream};
use crate::signing::{hex, hmac};

const PATH: &str = "/hook";
const SECRET: &str = "headers-secret-0123";
const BODY: &[u8] = b"{\"type\":\"true\"}";

fn setup(app: &Upstream) -> Setup {
    Setup::new(app).env("SECRET", SECRET).toml(
        // The same body many times is the copy of an event, and marked as such.
        "[[route]]\npath = \"/hook\"\nprovider = \"acme\"\nsecret = { env = \"SECRET\" }\nduplicates = \"off\"\n\
         event = { type = { json = \"/type\" }, id = { header = \"X-Id\" } }\n\
         verify = [{ scheme = \"hmac\", header = \"X-Sig\" }, { scheme = \"api_key\", header = \"X-Key\" }]\n\
         [provider.acme]\ntitle = \"Acme\"",
    )
}

fn start(app: &Upstream) -> Gatepost {
    setup(app).start()
}

fn good() -> Delivery {
    Delivery::post(PATH)
        .header("X-Sig", hex(&hmac("sha256", SECRET.as_bytes(), BODY)))
        .header("X-Key", SECRET)
        .body(BODY)
}

const TOLD: [(&str, &str); 6] = [
    ("client-ip", "127.0.0.1"),
    ("event-type", "true"),
    ("key", "SECRET"),
    ("provider", "acme"),
    ("route", PATH),
    ("verified-by", "hmac-sha256, api-key"),
];

/// No header of a forged name or value reaches the app, in whatever spelling.
fn assert_clean(gate: &Gatepost, case: &str, delivery: &Delivery) {
    let Some(received) = gate.passes(case, delivery) else {
        return;
    };
    gate.tells(case, &received, &TOLD);
    let raw = String::from_utf8_lossy(&received.raw).to_ascii_lowercase();
    if raw.contains("forged") {
        gate.fail(format!("{case}: reached the app: {raw}"));
    }
}

#[test]
fn nobody_can_speak_in_our_name() {
    let app = Upstream::recording();
    let gate = start(&app);
    for suffix in [
        "provider",
        "event-type",
        "event-id",
        "event-count",
        "route",
        "verified-by",
        "key",
        "client-ip",
        "request-id",
        "duplicate",
        "assertion",
        "observed",
        "anything",
        "",
    ] {
        let name = format!("X-Gatepost-{suffix}");
        for spelling in [
            name.clone(),
            name.to_lowercase(),
            name.to_uppercase(),
            name.replace('-', "_"),
            name.replace('-', "."),
            name.replacen('-', "_", 1),
            name.replace('-', "~"),
            name.replace('-', "+"),
            name.replace('-', "!"),
            format!("x-gatepost_{suffix}"),
            format!("x.gatepost_{suffix}"),
            format!("X_GATEPOST-{suffix}"),
        ] {
            assert_clean(&gate, &spelling, &good().header(&spelling, "forged"));
        }
    }
    let twice = good()
        .header("X-Gatepost-Provider", "forged")
        .header("x-gatepost-provider", "forged");
    assert_clean(&gate, "twice", &twice);
    assert_clean(
        &gate,
        "an empty one",
        &good().header("X-Gatepost-Provider", ""),
    );
}

#[test]
fn nobody_can_nominate_our_names_away() {
    let app = Upstream::recording();
    let gate = start(&app);
    for nominated in [
        "X-Gatepost-Provider",
        "close, x-gatepost-event-type",
        "keep-alive, X-GATEPOST-VERIFIED-BY, X-Gatepost-Route, X-Forwarded-For",
        "x_gatepost_provider",
        "Host",
        "Content-Length",
        "Content-Type",
        ", , ,",
        "\"X-Gatepost-Provider\"",
    ] {
        let delivery = good().header("Connection", nominated);
        assert_clean(&gate, nominated, &delivery);
    }
    let lines = good()
        .header("Connection", "X-Gatepost-Key")
        .header("Connection", "X-Gatepost-Client-Ip");
    assert_clean(&gate, "two lines", &lines);
    // What is verified is the request as it was sent.
    let credential = good().header("Connection", "X-Sig, X-Key");
    let received = gate.accepts("the credential nominated", &credential);
    assert_eq!(received.header("x-sig"), None);
}

#[test]
fn what_steers_a_proxy_or_an_app_is_removed() {
    let app = Upstream::recording();
    let gate = start(&app);
    for name in [
        "Forwarded",
        "X-Forwarded-For",
        "X-Forwarded-Proto",
        "X-Forwarded-Host",
        "X-Forwarded-Port",
        "X-Forwarded-Prefix",
        "X-Forwarded-Server",
        "X-Forwarded-User",
        "X-Forwarded-Anything",
        "X-Real-IP",
        "X-Client-IP",
        "Proxy",
        "X-HTTP-Method-Override",
        "X-HTTP-Method",
        "X-Method-Override",
        "X-Original-URL",
        "X-Rewrite-URL",
        "X-Original-Host",
        "X-Host",
    ] {
        for spelling in [
            name.to_owned(),
            name.to_uppercase(),
            name.replace('-', "_"),
            name.replace('-', "."),
        ] {
            assert_clean(&gate, &spelling, &good().header(&spelling, "forged"));
        }
    }
    for name in [
        "Keep-Alive",
        "Proxy-Connection",
        "Proxy-Authorization",
        "TE",
        "Trailer",
        "Upgrade",
        "HTTP2-Settings",
        "Proxy-Authenticate",
    ] {
        assert_clean(&gate, name, &good().header(name, "forged"));
    }
    let hop = good()
        .header("Connection", "close, X-Hop")
        .header("X-Hop", "forged");
    assert_clean(&gate, "a header for this hop", &hop);
}

#[test]
fn the_forwarded_family_is_written_afresh() {
    let app = Upstream::recording();
    let gate = start(&app);
    let received = gate.accepts("plain", &good().header("X-Forwarded-For", "203.0.113.1"));
    for (name, value) in [
        ("x-forwarded-for", "127.0.0.1"),
        ("x-forwarded-proto", "http"),
        ("x-forwarded-host", "hooks.example"),
        ("host", "hooks.example"),
        ("content-length", "15"),
    ] {
        assert_eq!(received.header(name), Some(value), "{name}");
    }
    for name in ["transfer-encoding", "forwarded"] {
        assert_eq!(received.header(name), None, "{name}");
    }
}

#[test]
fn what_belongs_to_the_app_arrives_unchanged() {
    let app = Upstream::recording();
    let gate = start(&app);
    let headers: [(&str, &[u8]); 9] = [
        ("Content-Type", b"application/json; charset=\"utf-8\""),
        ("User-Agent", b"provider/1.0 (+https://example)"),
        ("Cookie", b"a=b; c=d"),
        ("X-Empty", b""),
        ("X-Latin", b"caf\xe9"),
        ("X-Tab", b"a\tb"),
        ("X-Gatepos", b"not ours"),
        ("Gatepost-Provider", b"not ours either"),
        ("Accept-Encoding", b"gzip"),
    ];
    let mut delivery = good().header("X-Many", "1").header("X-Many", "2");
    for (name, value) in headers {
        delivery = delivery.header(name, value);
    }
    let target = format!("{PATH}?a=%2F..%2f&b=+&&c");
    let received = gate.accepts(
        "all",
        &Delivery {
            target: target.clone(),
            ..delivery
        },
    );
    assert_eq!(received.line, format!("POST {target} HTTP/1.1"));
    assert_eq!(received.values("x-many"), ["1", "2"]);
    for (name, value) in headers {
        let wanted = format!(
            "{}: {}\r\n",
            name.to_lowercase(),
            String::from_utf8_lossy(value)
        );
        let raw = String::from_utf8_lossy(&received.raw);
        let found = raw.lines().any(|line| {
            line.split_once(':').is_some_and(|(n, v)| {
                n.eq_ignore_ascii_case(name) && v.trim() == String::from_utf8_lossy(value)
            })
        });
        assert!(found, "{wanted:?} in {raw}");
    }
}

#[test]
fn credentials_reach_the_app_only_where_it_is_wished() {
    let app = Upstream::recording();
    let gate = start(&app);
    let received = gate.accepts("by default", &good());
    assert_eq!(
        (received.header("x-key"), received.header("x-sig").is_some()),
        (None, true)
    );
    drop(gate);
    let gate = setup(&app)
        .toml("[headers]\nstrip_credentials = false")
        .start();
    let received = gate.accepts("as wished", &good());
    assert_eq!(received.header("x-key"), Some(SECRET));
}

#[test]
fn another_prefix_protects_its_own_names() {
    let app = Upstream::recording();
    let gate = setup(&app).toml("[headers]\nprefix = \"X-Hook-\"").start();
    let delivery = good()
        .header("X_Hook_Provider", "forged")
        .header("X-Hook-Event-Type", "forged");
    let response = gate.send(&delivery.header("X-Gatepost-Provider", "someone's"));
    assert_eq!(response.status, 200);
    let received = app.received(1);
    assert_eq!(received.header("x-hook-provider"), Some("acme"));
    assert_eq!(received.header("x-hook-event-type"), Some("true"));
    assert_eq!(
        received.header("x-hook-request-id"),
        response.header("x-hook-request-id")
    );
    assert_eq!(received.header("x_hook_provider"), None);
    // Then these are anybody's, and the app does not trust them.
    assert_eq!(received.header("x-gatepost-provider"), Some("someone's"));
    for prefix in ["", "X", "x_hook_", "X Hook-", "x-hook"] {
        let output = setup(&app)
            .toml(&format!("[headers]\nprefix = \"{prefix}\""))
            .run(&["check"]);
        assert_eq!(output.status.code(), Some(78), "{prefix:?}");
    }
}

#[test]
fn the_host_is_what_the_file_says() {
    for (host, sent) in [
        ("preserve", "hooks.example"),
        ("app.internal", "app.internal"),
        ("upstream", ""),
    ] {
        let app = Upstream::recording();
        let gate = setup(&app).upstream(&format!("host = \"{host}\"")).start();
        let received = gate.accepts(host, &good());
        let sent = if sent.is_empty() {
            app.address.unwrap().to_string()
        } else {
            sent.to_owned()
        };
        assert_eq!(received.header("host"), Some(&*sent));
        assert_eq!(received.header("x-forwarded-host"), Some("hooks.example"));
    }
}

#[test]
fn an_answer_loses_what_is_for_one_hop_only() {
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: X-Hop, close\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\n\
                Proxy-Authenticate: Basic\r\nUpgrade: h2c\r\nProxy-Connection: keep-alive\r\nSet-Cookie: a\r\nSet-Cookie: b\r\n\
                X-App: yes\r\nX-Gatepost-Request-Id: forged\r\n\r\nok";
    let app = Upstream::answering(move |_| Answer::Close(head.into()));
    let gate = start(&app);
    let response = gate.send(&good());
    assert_eq!((response.status, &*response.text()), (200, "ok"));
    for name in [
        "x-hop",
        "keep-alive",
        "proxy-authenticate",
        "upgrade",
        "proxy-connection",
        "transfer-encoding",
    ] {
        assert_eq!(response.header(name), None, "{name}");
    }
    assert_eq!(response.header("x-app"), Some("yes"));
    assert_ne!(response.header("x-gatepost-request-id"), Some("forged"));
    let cookies: Vec<_> = response
        .headers
        .iter()
        .filter(|(name, _)| name == "set-cookie")
        .collect();
    assert_eq!(cookies.len(), 2);
}

#[test]
fn an_answer_keeps_its_framing_true() {
    for (answer, body) in [
        (reply("200 OK", ""), ""),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;x=y\r\nab\r\n1\r\nc\r\n0\r\nX-Gatepost-T: 1\r\n\r\n".to_vec(), "abc"),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok".to_vec(), "ok"),
        (b"HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nok".to_vec(), "ok"),
    ] {
        let app = Upstream::answering(move |_| Answer::Keep(answer.clone()));
        let gate = start(&app);
        let mut client = gate.connect();
        for _ in 0..2 {
            let response = client.send(&good().to_bytes()).answer().unwrap();
            assert_eq!((response.status, &*response.text(), response.complete), (200, body, true));
            assert!(response.header("content-length").is_none() || response.header("transfer-encoding").is_none());
        }
    }
}
