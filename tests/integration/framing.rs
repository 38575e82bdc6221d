//! Raw bytes that two readers could read as two different requests (reliability.md §3, §4).
//!
//! Every case is either refused with nothing at the app, or arrives as exactly one request with
//! one length, the bytes that were verified, and nothing smuggled behind them.

use crate::harness::verdict::shown;
use crate::harness::{Delivery, Gatepost, Setup, Upstream};
use crate::signing::{hex, hmac};

const SECRET: &str = "framing-secret-0123";
const BODY: &str = "{\"type\":\"a\"}";

fn start(app: &Upstream) -> Gatepost {
    Setup::new(app)
        .env("SECRET", SECRET)
        .toml("[[route]]\npath = \"/hook\"\nsecret = { env = \"SECRET\" }\nverify = [{ scheme = \"hmac\", header = \"X-Sig\" }]")
        .start()
}

fn signature(body: &str) -> String {
    hex(&hmac("sha256", SECRET.as_bytes(), body.as_bytes()))
}

/// A request with a true signature of [`BODY`], these header lines, and what follows the head.
fn raw(lines: &str, after: &str) -> Vec<u8> {
    let signature = signature(BODY);
    format!("POST /hook HTTP/1.1\r\nHost: a\r\nX-Sig: {signature}\r\n{lines}\r\n{after}")
        .into_bytes()
}

/// Something that would be a request of its own, were it read as one.
const SMUGGLED: &str = "POST /hook HTTP/1.1\r\nHost: smuggled\r\nContent-Length: 0\r\n\r\n";

/// Sends it, ends the sending, and reads every answer.
fn answers(gate: &Gatepost, bytes: &[u8]) -> Vec<u16> {
    let mut client = gate.connect();
    client.send(bytes);
    client.finish();
    std::iter::from_fn(|| client.answer().map(|response| response.status)).collect()
}

/// Refused, or closed without a word; not a byte at the app; nothing after it answered.
fn refused(gate: &Gatepost, app: &Upstream, case: &str, bytes: &[u8]) {
    let before = app.journal.bytes();
    let answers = answers(gate, bytes);
    let right = answers.iter().all(|status| {
        matches!(
            status,
            400 | 401 | 405 | 408 | 411 | 413 | 414 | 417 | 431 | 501 | 505
        )
    });
    if !right || answers.len() > 1 || app.journal.bytes() != before {
        gate.fail(format!(
            "{case}: {answers:?}, {} bytes at the app: {}",
            app.journal.bytes() - before,
            shown(bytes)
        ));
    }
}

/// Refused, or forwarded once with one true length and no trace of the rest.
fn refused_or_reframed(gate: &Gatepost, app: &Upstream, case: &str, bytes: &[u8]) {
    let before = app.requests().len();
    let answers = answers(gate, bytes);
    let requests = app.requests().split_off(before);
    let forwarded = answers.iter().filter(|status| **status == 200).count();
    let true_ones = requests.iter().all(|request| {
        let lengths = request.values("content-length");
        request.body == BODY.as_bytes()
            && (lengths == [&*BODY.len().to_string()])
            && request.values("transfer-encoding").is_empty()
            && request.headers.iter().all(|(name, _)| {
                let name = name.replace(['_', '.'], "-");
                name != "transfer-encoding" && (name != "content-length" || lengths.len() == 1)
            })
            && !String::from_utf8_lossy(&request.raw).contains("smuggled")
    });
    if requests.len() > 1
        || requests.len() != forwarded
        || !true_ones
        || answers.iter().any(|s| *s != 200 && *s < 400)
    {
        gate.fail(format!(
            "{case}: {answers:?}: {}\n  at the app: {requests:?}",
            shown(bytes)
        ));
    }
}

#[test]
fn a_request_has_one_length() {
    let app = Upstream::recording();
    let gate = start(&app);
    let n = BODY.len();
    let chunked = format!("{n:x}\r\n{BODY}\r\n0\r\n\r\n");
    for lines in [
        "Content-Length: 12\r\nContent-Length: 13\r\n",
        "Content-Length: 12\r\nContent-Length: 0\r\n",
        "Content-Length: 12, 13\r\n",
        "Content-Length: -12\r\n",
        "Content-Length: +12\r\n",
        "Content-Length: 0x0c\r\n",
        "Content-Length: 12 \u{b}\r\n",
        "Content-Length: 1 2\r\n",
        "Content-Length: 12abc\r\n",
        "Content-Length: 99999999999999999999\r\n",
        "Content-Length: 12.0\r\n",
        "Content-Length: \r\n",
        "Content-Length:12\r\n\tfolded: 1\r\n",
        "Content_Length: 12\r\n",
        "Content.Length: 12\r\n",
        "Content-Length: 12\r\nContent_Length: 0\r\n",
        "Content-Length : 12\r\n",
        " Content-Length: 12\r\n",
        "Content-Length: 12\r\nTransfer_Encoding: chunked\r\n",
        "Content-Length: 12\r\nTransfer.Encoding: chunked\r\n",
    ] {
        refused(
            &gate,
            &app,
            lines,
            &raw(lines, &format!("{BODY}{SMUGGLED}")),
        );
    }
    for lines in [
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked, chunked\r\n",
        "Transfer-Encoding: ,chunked\r\n",
        "Transfer-Encoding: chunked,\r\n",
        "Transfer-Encoding: gzip, chunked\r\n",
        "Transfer-Encoding: chunked, gzip\r\n",
        "Transfer-Encoding: identity\r\n",
        "Transfer-Encoding: identity, chunked\r\n",
        "Transfer-Encoding: chunked;q=1\r\n",
        "Transfer-Encoding: \"chunked\"\r\n",
        "Transfer-Encoding: xchunked\r\n",
        "Transfer-Encoding: chunked x\r\n",
        "Transfer-Encoding: chunked\0\r\n",
        "Transfer-Encoding: chu\u{b}nked\r\n",
        "Transfer-Encoding:\r\n chunked\r\n",
        "Transfer-Encoding: \r\n",
        "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding : chunked\r\n",
        " Transfer-Encoding: chunked\r\n",
        "X: y\rTransfer-Encoding: chunked\r\n",
        "X: y\nTransfer-Encoding: chunked\r\n\n",
        "Transfer_Encoding: chunked\r\n",
        "Transfer.Encoding: chunked\r\n",
    ] {
        refused(
            &gate,
            &app,
            lines,
            &raw(lines, &format!("{chunked}{SMUGGLED}")),
        );
    }
    for lines in [
        "Content-Length: 12\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 12\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 0\r\n",
        "Transfer-Encoding: Chunked\r\n",
        "Transfer-Encoding: CHUNKED\r\n",
        "Transfer-Encoding:\tchunked\t\r\n",
        "Transfer-Encoding: chunked \r\n",
    ] {
        refused_or_reframed(&gate, &app, lines, &raw(lines, &chunked));
    }
    for lines in [
        "Content-Length: 12\r\nContent-Length: 12\r\n",
        "Content-Length: 000012\r\n",
        "Content-Length: 12, 12\r\n",
        "Content-Length:   12  \r\n",
    ] {
        refused_or_reframed(&gate, &app, lines, &raw(lines, BODY));
    }
    assert_eq!(
        answers(&gate, &raw(&format!("Content-Length: {n}\r\n"), BODY)),
        [200],
        "the table's own calibration"
    );
    assert_eq!(
        answers(&gate, &raw("Transfer-Encoding: chunked\r\n", &chunked)),
        [200],
        "and with chunks"
    );
}

#[test]
fn chunks_are_read_in_one_way_only() {
    let app = Upstream::recording();
    let gate = start(&app);
    let n = BODY.len();
    let (head, tail) = BODY.split_at(5);
    for after in [
        format!("{n:x}\n{BODY}\n0\n\n"),
        format!("0x{n:x}\r\n{BODY}\r\n0\r\n\r\n"),
        format!("+{n:x}\r\n{BODY}\r\n0\r\n\r\n"),
        format!("-{n:x}\r\n{BODY}\r\n0\r\n\r\n"),
        format!("{n:x}\r\n{BODY}0\r\n\r\n"),
        format!("{n:x}\r\n{BODY}XX0\r\n\r\n"),
        format!("{:x}\r\n{BODY}\r\n0\r\n\r\n", n + 1),
        format!("{:x}\r\n{BODY}\r\n0\r\n\r\n", n - 1),
        format!("\r\n{BODY}\r\n0\r\n\r\n"),
        format!("1{n:016x}\r\n{BODY}\r\n0\r\n\r\n"),
        format!("{n:x}\r{BODY}\r\n0\r\n\r\n"),
        format!("{n:x}\0\r\n{BODY}\r\n0\r\n\r\n"),
        format!("g\r\n{BODY}\r\n0\r\n\r\n"),
        format!("{n:x};x=\n\r\n{BODY}\r\n0\r\n\r\n"),
        "ffffffffffffffff\r\n".into(),
        "fffffffffffffffff\r\n".into(),
    ] {
        refused(
            &gate,
            &app,
            &after,
            &raw(
                "Transfer-Encoding: chunked\r\n",
                &format!("{after}{SMUGGLED}"),
            ),
        );
    }
    for after in [
        format!("5\r\n{head}\r\n{:x}\r\n{tail}\r\n0\r\n\r\n", tail.len()),
        format!("0000000{n:x}\r\n{BODY}\r\n000\r\n\r\n"),
        format!("{n:X};name=\"value\"\r\n{BODY}\r\n0;last\r\n\r\n"),
        format!("{n:x} \r\n{BODY}\r\n0\r\n\r\n"),
        format!(
            "{n:x}\r\n{BODY}\r\n0\r\nX-Sig: smuggled\r\nContent-Length: 0\r\nX-Gatepost-Provider: smuggled\r\n\r\n"
        ),
    ] {
        refused_or_reframed(
            &gate,
            &app,
            &after,
            &raw("Transfer-Encoding: chunked\r\n", &after),
        );
    }
    // Announced trailers are no better.
    let lines = "Transfer-Encoding: chunked\r\nTrailer: X-Trailer\r\nTE: trailers\r\n";
    refused_or_reframed(
        &gate,
        &app,
        "trailers",
        &raw(
            lines,
            &format!("{n:x}\r\n{BODY}\r\n0\r\nX-Trailer: smuggled\r\n\r\n"),
        ),
    );
}

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
fn a_head_is_read_in_one_way_only() {
    let app = Upstream::recording();
    let gate = start(&app);
    let head = |first: &str, host: &str| {
        format!(
            "{first}\r\n{host}X-Sig: {}\r\nContent-Length: {}\r\n\r\n{BODY}{SMUGGLED}",
            signature(BODY),
            BODY.len()
        )
        .into_bytes()
    };
    for host in [
        "",
        "Host: a\r\nHost: a\r\n",
        "Host: a\r\nHost: b\r\n",
        "Host: a, b\r\n",
        "Host: a/b\r\n",
        "Host: a b\r\n",
        "Host: u@a\r\n",
        "Host: \r\n",
        "Host: a?b\r\n",
        "Host: a#b\r\n",
        "Host: a\\b\r\n",
        "Host: a\tb\r\n",
        "Host: a\0\r\n",
        "Host:\r\n a\r\n",
        "Host : a\r\n",
        "H\u{f6}st: a\r\n",
        "Host: a\r\nHost_: b\r\n X: y\r\n",
        "Host: a\r\n: empty\r\n",
        "Host: a\r\nno colon\r\n",
        "Host: a\r\nX Y: 1\r\n",
        "Host: a\r\nX: a\0b\r\n",
        "Host: a\r\nX: a\rb\r\n",
        "Host: a\r\nX: \u{1}\r\n",
        "Host: a\r\nX: \u{7f}\r\n",
        "Host: a\r\nX(Y): 1\r\n",
        "Host: a\r\nX: 1\r\n folded\r\n",
    ] {
        refused(&gate, &app, host, &head("POST /hook HTTP/1.1", host));
    }
    for first in [
        "POST /hook",
        "POST /hook HTTP/1.1 x",
        "POST  /hook HTTP/1.1",
        "POST /hook  HTTP/1.1",
        "POST\t/hook\tHTTP/1.1",
        "POST /hook HTTP/1.2",
        "POST /hook HTTP/2.0",
        "POST /hook HTTP/0.9",
        "POST /hook HTTP/1.10",
        "POST /hook http/1.1",
        "POST /hook HTTP/11",
        "POST hook HTTP/1.1",
        "POST /ho ok HTTP/1.1",
        "POST /hook\0 HTTP/1.1",
        "POST /hook\u{1} HTTP/1.1",
        "P\u{f6}ST /hook HTTP/1.1",
        " POST /hook HTTP/1.1",
        "PO ST /hook HTTP/1.1",
        "POST /hook\rHTTP/1.1",
        "GET / HTTP/1.1\rPOST /hook HTTP/1.1",
        "CONNECT a:80 HTTP/1.1",
        "PRI * HTTP/2.0",
        "PROXY TCP4 1.2.3.4 5.6.7.8 1 2",
        "\u{16}\u{3}\u{1}\u{2}",
        "POST ?a HTTP/1.1",
        "POST #a HTTP/1.1",
    ] {
        let before = app.journal.bytes();
        let answers = answers(&gate, &head(first, "Host: a\r\n"));
        if answers.iter().any(|status| *status < 400) || app.journal.bytes() != before {
            gate.fail(format!(
                "{first:?}: {answers:?}, {} bytes at the app",
                app.journal.bytes() - before
            ));
        }
    }
}

/// The two forms of a target that carry a host: it must be the Host, and the path decides.
#[test]
fn an_absolute_target_agrees_with_the_host() {
    let app = Upstream::recording();
    let gate = start(&app);
    let to = |target: &str, host: &str| {
        Delivery::post(target)
            .header("Host", host)
            .header("X-Sig", signature(BODY))
            .body(BODY)
    };
    refused_or_reframed(
        &gate,
        &app,
        "agreeing",
        &to("http://a/hook", "a").to_bytes(),
    );
    for (target, host) in [
        ("http://a/hook", "b"),
        ("http://u@a/hook", "a"),
        ("http:///hook", "a"),
        ("http://a/other", "a"),
        ("*", "a"),
        ("a:80", "a"),
        ("//a/hook", "a"),
        ("/hook#x", "a"),
    ] {
        let before = app.journal.bytes();
        let answers = answers(&gate, &to(target, host).to_bytes());
        let right = answers.len() <= 1
            && answers
                .iter()
                .all(|status| matches!(status, 400 | 404 | 405));
        if target == "/hook#x" {
            continue;
        }
        if !right || app.journal.bytes() != before {
            gate.fail(format!("{target} for {host}: {answers:?}"));
        }
    }
}

#[test]
fn old_and_odd_versions_are_judged_alike() {
    let app = Upstream::recording();
    let gate = start(&app);
    let old = |lines: &str, body: &str| {
        format!(
            "POST /hook HTTP/1.0\r\nX-Sig: {}\r\n{lines}\r\n{body}",
            signature(BODY)
        )
        .into_bytes()
    };
    refused_or_reframed(
        &gate,
        &app,
        "with a length",
        &old("Host: a\r\nContent-Length: 12\r\n", BODY),
    );
    refused(&gate, &app, "without a length", &old("Host: a\r\n", BODY));
    refused(
        &gate,
        &app,
        "with chunks",
        &old(
            "Host: a\r\nTransfer-Encoding: chunked\r\n",
            &format!("c\r\n{BODY}\r\n0\r\n\r\n"),
        ),
    );
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
