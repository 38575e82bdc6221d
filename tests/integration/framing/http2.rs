//! The same over HTTP/2, where a request is frames and fields: what could become another head, or
//! another length, on the way to an HTTP/1 app.

use std::time::Duration;

use crate::days::frames::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, End, GOAWAY, HEADERS, RST_STREAM, Raw, SETTINGS,
    WINDOW_UPDATE, frame, length,
};
use crate::harness::verdict::shown;
use crate::harness::{Gatepost, Received, Setup, Upstream};

const SECRET: &str = "framing-secret-0123";
/// Longer than an answer takes; nothing comes after most of these.
const MOMENT: Duration = Duration::from_millis(250);

fn start(app: &Upstream) -> Gatepost {
    Setup::new(app)
        .env("SECRET", SECRET)
        .server("protocols = [\"http/1.1\", \"h2c\"]")
        .toml("[[route]]\npath = \"/hook\"\nsecret = { env = \"SECRET\" }\nverify = [{ scheme = \"api_key\", header = \"X-Key\" }]")
        .start()
}

type Field<'a> = (&'a [u8], &'a [u8]);

const GOOD: [Field<'_>; 5] = [
    (b":method", b"POST"),
    (b":scheme", b"http"),
    (b":path", b"/hook"),
    (b":authority", b"a"),
    (b"x-key", SECRET.as_bytes()),
];

/// Literals without indexing, byte for byte (RFC 7541 §6.2.2).
fn block(fields: &[Field<'_>]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        for text in [name, value] {
            length(&mut block, text.len(), 0x7f, 0);
            block.extend_from_slice(text);
        }
    }
    block
}

/// A whole request with the body `abc`.
fn request(fields: &[Field<'_>]) -> Vec<u8> {
    [
        frame(HEADERS, END_HEADERS, 1, &block(fields)),
        frame(DATA, END_STREAM, 1, b"abc"),
    ]
    .concat()
}

/// The good fields with these behind them.
fn with<'a>(more: &[Field<'a>]) -> Vec<Field<'a>> {
    [&GOOD, more].concat()
}

/// The good fields with another value, or without the field.
fn instead<'a>(name: &[u8], value: Option<&'a [u8]>) -> Vec<Field<'a>> {
    let kept = |field: &Field<'a>| match value {
        Some(value) if field.0 == name => Some((field.0, value)),
        None if field.0 == name => None,
        _ => Some(*field),
    };
    GOOD.iter().filter_map(kept).collect()
}

/// What is sent is no request: nothing of it comes to the app, whatever is said of it.
fn refused(gate: &Gatepost, app: &Upstream, case: &str, frames: &[u8]) {
    let before = app.journal.bytes();
    let mut raw = Raw::connect(gate.address);
    raw.write(frames);
    let (kinds, end) = raw.read_for(MOMENT);
    let told = kinds
        .iter()
        .any(|kind| [HEADERS, RST_STREAM, GOAWAY].contains(kind));
    if app.journal.bytes() != before || (!told && end == End::Open) {
        gate.fail(format!(
            "{case}: {kinds:?} {end:?}, {} bytes at the app: {}",
            app.journal.bytes() - before,
            shown(frames)
        ));
    }
}

/// What is sent is a request, as the app receives it.
fn passes(gate: &Gatepost, app: &Upstream, case: &str, frames: &[u8]) -> Option<Received> {
    let before = app.requests().len();
    let mut raw = Raw::connect(gate.address);
    raw.write(frames);
    raw.read_for(MOMENT);
    let arrived = app.requests().split_off(before);
    if arrived.len() != 1 || arrived[0].body != b"abc" {
        gate.fail(format!("{case}: {arrived:?}"));
    }
    arrived.into_iter().next()
}

#[test]
fn fields_that_are_no_head_are_refused() {
    let app = Upstream::recording();
    let gate = start(&app);
    passes(&gate, &app, "the table's own calibration", &request(&GOOD));
    for (name, values) in [
        (
            &b":path"[..],
            &[
                &b""[..],
                b"hook",
                b"http://a/hook",
                b"/hook x",
                b"/hook\0",
                b"/hook\xff",
                b"//hook",
                b"/./hook",
                b"/hook HTTP/1.1\r\nX-Gatepost-Provider: x",
            ][..],
        ),
        (
            b":method",
            &[b"", b"post", b"POST /x HTTP/1.1\r\n", b"PO ST", b"CONNECT"],
        ),
        (b":scheme", &[b"", b"ftp", b"http\r\nX: y"]),
        (
            b":authority",
            &[
                b"", b"u@a", b"a:99999", b"a:x", b"a b", b"a/b", b"a,b", b"[::1", b"a\r\nb", b"a?b",
            ],
        ),
    ] {
        refused(&gate, &app, "without one", &request(&instead(name, None)));
        for value in values {
            let fields = instead(name, Some(value));
            refused(&gate, &app, &shown(name), &request(&fields));
        }
        refused(
            &gate,
            &app,
            "twice",
            &request(&[&[(name, instead_value(name))], &GOOD[..]].concat()),
        );
    }
    let mut late = GOOD.to_vec();
    late.rotate_right(1);
    refused(&gate, &app, "pseudo fields after others", &request(&late));
    for (name, value) in [
        (&b":status"[..], &b"200"[..]),
        (b":protocol", b"websocket"),
        (b":unknown", b"x"),
        (b"X-Upper", b"x"),
        (b"", b"x"),
        (b"x y", b"x"),
        (b"x:y", b"x"),
        (b"x\r\ny", b"x"),
        (b"x\0", b"x"),
        (b"x\xff", b"x"),
        (b"x", b"a\r\nX-Gatepost-Provider: x"),
        (b"x", b"a\nb"),
        (b"x", b"a\rb"),
        (b"x", b"a\0b"),
        (b"connection", b"close"),
        (b"connection", b"x-key"),
        (b"keep-alive", b"1"),
        (b"proxy-connection", b"close"),
        (b"transfer-encoding", b"chunked"),
        (b"upgrade", b"h2c"),
        (b"te", b"gzip"),
        (b"host", b"b"),
        (b"x-key", SECRET.as_bytes()),
        (b"expect", b"nonsense"),
        (b"content-length", b"2"),
        (b"content-length", b"9"),
        (b"content-length", b"+3"),
        (b"content-length", b"3, 3"),
        (b"content_length", b"3"),
        (b"transfer_encoding", b"chunked"),
        (b"content-encoding", b"gzip"),
    ] {
        let fields = with(&[(name, value)]);
        refused(&gate, &app, &shown(name), &request(&fields));
    }
    let two = with(&[(b"content-length", b"3"), (b"content-length", b"4")]);
    refused(&gate, &app, "two lengths", &request(&two));
    let mut hosts = instead(b":authority", None);
    hosts.extend([(&b"host"[..], &b"a"[..]), (b"host", b"b")]);
    refused(&gate, &app, "two hosts", &request(&hosts));
}

/// A second one of the same value.
fn instead_value(name: &[u8]) -> &'static [u8] {
    GOOD.iter()
        .find(|field| field.0 == name)
        .map_or(b"", |field| field.1)
}

#[test]
fn frames_that_are_no_request_are_refused() {
    let app = Upstream::recording();
    let gate = start(&app);
    let head = block(&GOOD);
    let announced = block(&with(&[(b"content-length", b"5")]));
    let stranger = block(&GOOD[..4]);
    let key = block(&GOOD[4..]);
    for (case, frames) in [
        (
            "a length without a body",
            frame(HEADERS, END_HEADERS | END_STREAM, 1, &announced),
        ),
        (
            "an even stream",
            frame(HEADERS, END_HEADERS | END_STREAM, 2, &head),
        ),
        (
            "stream 0",
            frame(HEADERS, END_HEADERS | END_STREAM, 0, &head),
        ),
        ("a body first", frame(DATA, END_STREAM, 1, b"abc")),
        (
            "a continuation of nothing",
            frame(CONTINUATION, END_HEADERS, 1, &head),
        ),
        (
            "another frame within a head",
            [frame(HEADERS, 0, 1, &head), frame(SETTINGS, 0, 0, &[])].concat(),
        ),
        (
            "a continuation of another stream",
            [
                frame(HEADERS, 0, 1, &head),
                frame(CONTINUATION, END_HEADERS, 3, &[]),
            ]
            .concat(),
        ),
        (
            "padding longer than the frame",
            frame(HEADERS, END_HEADERS | 8, 1, &[&[255], &head[..]].concat()),
        ),
        (
            "a stream that depends on itself",
            frame(2, 0, 1, &[0, 0, 0, 1, 0]),
        ),
        (
            "a promise",
            frame(5, END_HEADERS, 1, &[&[0, 0, 0, 2], &head[..]].concat()),
        ),
        (
            "a frame over the limit",
            frame(DATA, 0, 0, &vec![b'x'; 20_000]),
        ),
        ("settings of odd size", frame(SETTINGS, 0, 0, b"12345")),
        (
            "an increment of nothing",
            frame(WINDOW_UPDATE, 0, 0, &[0; 4]),
        ),
        (
            "an index out of the table",
            frame(HEADERS, END_HEADERS | END_STREAM, 1, &[0xff; 3]),
        ),
        (
            "a table of 2 GiB",
            frame(
                HEADERS,
                END_HEADERS | END_STREAM,
                1,
                &[&[0x3f, 0xe1, 0xff, 0xff, 0x7f], &head[..]].concat(),
            ),
        ),
        (
            "the key in a trailer",
            [
                frame(HEADERS, END_HEADERS, 1, &stranger),
                frame(DATA, 0, 1, b"abc"),
                frame(HEADERS, END_HEADERS | END_STREAM, 1, &key),
            ]
            .concat(),
        ),
        (
            "trailers that do not end the stream",
            [
                frame(HEADERS, END_HEADERS, 1, &head),
                frame(DATA, 0, 1, b"abc"),
                frame(HEADERS, END_HEADERS, 1, &key),
            ]
            .concat(),
        ),
        (
            "a body that is reset",
            [
                frame(HEADERS, END_HEADERS, 1, &head),
                frame(DATA, 0, 1, b"abc"),
                frame(RST_STREAM, 0, 1, &[0, 0, 0, 8]),
                // So that there is something to be told.
                frame(DATA, END_STREAM, 1, b"abc"),
            ]
            .concat(),
        ),
    ] {
        refused(&gate, &app, case, &frames);
    }
}

#[test]
fn what_the_app_receives_is_written_afresh() {
    let app = Upstream::recording();
    let gate = start(&app);
    let fields = with(&[
        (b"content-length", b"3"),
        (b"te", b"trailers"),
        (b"host", b"a"),
        (b"cookie", b"a=1"),
        (b"cookie", b"b=2"),
        (b"expect", b"100-continue"),
        (b"x_gatepost_provider", b"forged"),
        (b"x.gatepost.event.type", b"forged"),
        (b"http2-settings", b"x"),
        (b"x-kept", b"yes"),
    ]);
    let trailed = [
        frame(HEADERS, END_HEADERS, 1, &block(&fields)),
        frame(DATA, 0, 1, b"abc"),
        frame(
            HEADERS,
            END_HEADERS | END_STREAM,
            1,
            &block(&[(b"x-gatepost-provider", b"forged"), (b"x-kept", b"forged")]),
        ),
    ]
    .concat();
    let received = passes(&gate, &app, "all at once", &trailed).expect("it arrives");
    assert_eq!(received.line, "POST /hook HTTP/1.1");
    assert_eq!(received.values("content-length"), ["3"]);
    assert_eq!(received.values("host"), ["a"]);
    assert_eq!(received.values("cookie"), ["a=1; b=2"]);
    assert_eq!(received.values("x-kept"), ["yes"]);
    for name in [
        "te",
        "expect",
        "transfer-encoding",
        "http2-settings",
        "connection",
    ] {
        assert!(received.values(name).is_empty(), "{name}");
    }
    let text = String::from_utf8_lossy(&received.raw).into_owned();
    assert!(!text.contains("forged"), "{text}");
    // Only the end of a stream is its length where none is announced.
    let plain = passes(&gate, &app, "without a length", &request(&GOOD)).expect("it arrives");
    assert_eq!(plain.values("content-length"), ["3"]);
}
