//! Raw bytes that two readers could read as two different requests (reliability.md §3, §4).
//!
//! Every case is either refused with nothing at the app, or arrives as exactly one request with
//! one length, the bytes that were verified, and nothing smuggled behind them.

mod body;
mod head;
mod http2;

use crate::harness::verdict::shown;
use crate::harness::{Gatepost, Setup, Upstream};
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

/// The bytes as they are, which may be a request that is answered at once, and behind an empty line,
/// which makes of every request one for hyper (RFC 9112 §2.2).
fn both_ways(bytes: &[u8]) -> [Vec<u8>; 2] {
    [bytes.to_vec(), [b"\r\n", bytes].concat()]
}

/// Refused, or closed without a word; not a byte at the app; nothing after it answered.
fn refused(gate: &Gatepost, app: &Upstream, case: &str, bytes: &[u8]) {
    for bytes in both_ways(bytes) {
        refused_this_way(gate, app, case, &bytes);
    }
}

fn refused_this_way(gate: &Gatepost, app: &Upstream, case: &str, bytes: &[u8]) {
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
    for bytes in both_ways(bytes) {
        refused_or_reframed_this_way(gate, app, case, &bytes);
    }
}

fn refused_or_reframed_this_way(gate: &Gatepost, app: &Upstream, case: &str, bytes: &[u8]) {
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
fn requests_on_one_connection_are_read_one_after_the_other_whatever_they_are() {
    let app = Upstream::recording();
    let gate = start(&app);
    let n = BODY.len();
    let whole = raw(&format!("Content-Length: {n}\r\n"), BODY);
    let chunked = raw(
        "Transfer-Encoding: chunked\r\n",
        &format!("{n:x}\r\n{BODY}\r\n0\r\n\r\n"),
    );
    let forged = raw(&format!("Content-Length: {n}\r\n"), &BODY.replace('a', "b"));
    let get = b"GET /hook HTTP/1.1\r\nHost: a\r\n\r\n".to_vec();
    let kinds = [(&whole, 200), (&chunked, 200), (&forged, 401), (&get, 405)];
    // Every order of two, with the first kind before, between and after: all at once, and cut at
    // every tenth byte.
    for (first, _) in &kinds {
        for (second, _) in &kinds {
            let all = [&whole, *first, &whole, *second, &whole];
            let expected: Vec<_> = all
                .iter()
                .map(|bytes| kinds.iter().find(|(kind, _)| kind == bytes).unwrap().1)
                .collect();
            let bytes = all.map(Vec::as_slice).concat();
            let forwarded = expected.iter().filter(|status| **status == 200).count();
            let before = app.requests().len();
            assert_eq!(answers(&gate, &bytes), expected);
            let cut = bytes.len() / 2;
            for cut in [cut, cut + 10, cut + 20, cut + 30] {
                let mut client = gate.connect();
                client.send(&bytes[..cut]);
                // What was whole is answered before the rest is sent.
                let early = client.answer().map(|answer| answer.status);
                client.send(&bytes[cut..]);
                client.finish();
                let rest = std::iter::from_fn(|| client.answer().map(|answer| answer.status));
                assert_eq!(early.into_iter().chain(rest).collect::<Vec<_>>(), expected);
            }
            let requests = app.requests().split_off(before);
            assert_eq!(requests.len(), 5 * forwarded);
            assert!(
                requests
                    .iter()
                    .all(|request| request.body == BODY.as_bytes())
            );
        }
    }
}
