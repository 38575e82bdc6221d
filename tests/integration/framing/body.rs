//! Where a body ends, and when it is wanted at all.

use std::io::Write as _;

use super::{BODY, SECRET, answers, raw, refused, signature, start};
use crate::harness::upstream::{Reader, reply};
use crate::harness::{Delivery, Setup, Upstream};

#[test]
fn a_body_that_breaks_off_is_not_forwarded() {
    let app = Upstream::recording();
    let gate = start(&app);
    for (lines, after) in [
        ("Content-Length: 12\r\n", "{\"type\""),
        ("Content-Length: 12\r\n", ""),
        ("Content-Length: 13\r\n", BODY),
        ("Transfer-Encoding: chunked\r\n", "c\r\n{\"type\""),
        (
            "Transfer-Encoding: chunked\r\n",
            "c\r\n{\"type\":\"a\"}\r\n",
        ),
        (
            "Transfer-Encoding: chunked\r\n",
            "c\r\n{\"type\":\"a\"}\r\n0\r\n",
        ),
        ("Transfer-Encoding: chunked\r\n", ""),
    ] {
        refused(&gate, &app, after, &raw(lines, after));
    }
}

#[test]
fn pipelined_requests_are_judged_each_alone() {
    let app = Upstream::recording();
    let gate = start(&app);
    let good = Delivery::post("/hook")
        .header("X-Sig", signature(BODY))
        .body(BODY);
    let forged = good.clone().body("{\"type\":\"b\"}");
    let all = [
        &good,
        &forged,
        &good,
        &forged.clone().without("X-Sig"),
        &good,
    ]
    .map(Delivery::to_bytes)
    .concat();
    assert_eq!(answers(&gate, &all), [200, 401, 200, 401, 200]);
    let requests = app.requests();
    assert!(
        requests.len() == 3
            && requests
                .iter()
                .all(|request| request.body == BODY.as_bytes()),
        "{requests:?}"
    );
    // A refused request's body is never read as the next request.
    let hidden = String::from_utf8(good.to_bytes()).unwrap();
    let carrier = Delivery::post("/hook")
        .header("X-Sig", signature(BODY))
        .body(&hidden);
    let early = Delivery::post("/hook").body(&hidden);
    let wrong = Delivery::post("/nowhere").body(&hidden);
    for carrier in [carrier, early, wrong] {
        let statuses = answers(&gate, &carrier.to_bytes());
        assert!(statuses.len() == 1 && statuses[0] >= 400, "{statuses:?}");
    }
    assert_eq!(app.requests().len(), 3);
}

#[test]
fn a_body_is_asked_for_only_when_it_is_wanted() {
    let app = Upstream::recording();
    let gate = start(&app);
    let expecting = |delivery: &Delivery| {
        let bytes = delivery.clone().header("Expect", "100-continue").to_bytes();
        let head = bytes.len() - delivery.body.len();
        let mut client = gate.connect();
        client.send(&bytes[..head]);
        client
    };
    let good = Delivery::post("/hook")
        .header("X-Sig", signature(BODY))
        .body(BODY);
    let mut client = expecting(&good);
    assert_eq!(client.head().map(|response| response.status), Some(100));
    assert_eq!(client.send(BODY.as_bytes()).answer().unwrap().status, 200);
    let response = expecting(&good.clone().without("X-Sig")).answer().unwrap();
    assert_eq!(
        (response.status, response.interim),
        (401, vec![]),
        "refused on its head"
    );
    let mut elsewhere = good.clone();
    elsewhere.target = "/nowhere".into();
    let response = expecting(&elsewhere).answer().unwrap();
    assert_eq!((response.status, response.interim), (404, vec![]));
    for unknown in ["200-ok", "100-continue, x", "nonsense"] {
        gate.refuses(
            unknown,
            &good.clone().header("Expect", unknown),
            417,
            "expectation_unknown",
        );
    }
    assert_eq!(
        app.received(1).header("expect"),
        None,
        "not for the app: the body is here"
    );
}

#[test]
fn an_encoded_body_is_refused_and_never_decoded() {
    let app = Upstream::recording();
    let gate = start(&app);
    let good = Delivery::post("/hook")
        .header("X-Sig", signature(BODY))
        .body(BODY);
    for coding in [
        "gzip",
        "br",
        "deflate",
        "zstd",
        "x-gzip",
        "gzip, identity",
        "GZIP",
        "nonsense",
        "",
    ] {
        gate.refuses(
            coding,
            &good.clone().header("Content-Encoding", coding),
            415,
            "body_encoded",
        );
    }
    gate.refuses(
        "two lines",
        &good
            .clone()
            .header("Content-Encoding", "identity")
            .header("Content-Encoding", "gzip"),
        415,
        "body_encoded",
    );
    gate.refuses(
        "an alias",
        &good.clone().header("Content_Encoding", "gzip"),
        400,
        "request_malformed",
    );
    gate.passes("identity", &good.header("Content-Encoding", "identity"));
}

/// An app may answer before it has read all of a body. Its caller, who goes on to send the rest, must
/// not have it read as the next request.
#[test]
fn what_follows_an_early_answer_is_not_read_as_a_request() {
    let app = Upstream::handling(|stream, journal, _| {
        let mut reader = Reader {
            stream: &stream,
            journal,
            unread: Vec::new(),
        };
        while reader.head().is_some() {
            (&stream).write_all(&reply("200 OK", "ok")).unwrap();
        }
    });
    let gate = Setup::new(&app)
        .env("SECRET", SECRET)
        .toml("[[route]]\npath = \"/open\"\nmode = \"passthrough\"\n[[route]]\npath = \"/seen\"\nmode = \"observe\"\nsecret = { env = \"SECRET\" }\nverify = [{ scheme = \"hmac\", header = \"X-Sig\" }]")
        .start();
    for path in ["/open", "/seen"] {
        for lines in [
            "Content-Length: 100000\r\n",
            "Transfer-Encoding: chunked\r\n",
        ] {
            for begun in ["", "a\r\n0123456789\r\n"] {
                let mut client = gate.connect();
                let head = format!("POST {path} HTTP/1.1\r\nHost: a\r\n{lines}\r\n{begun}");
                client.send(head.as_bytes());
                assert_eq!(client.answer().map(|answer| answer.status), Some(200));
                assert!(client.hangs_up(), "{path} {lines}{begun}");
            }
        }
    }
}
