//! Proven: a static key in `X-API-Key`.

use super::{at, refuses_without, samples, unsigned};
use crate::harness::{Delivery, Setup, Upstream};
use crate::signing::base64;

const PATH: &str = "/webhooks/proven";
/// With the characters of Indicio's own sample key that others would split or decode at.
const KEY: &str = "2468^0AE@IO&UY=a+b%20c,d;e";
const BODIES: &str = include_str!("samples/proven.jsonl");

fn route() -> String {
    format!("[[route]]\npath = \"{PATH}\"\nprovider = \"proven\"\nsecret = {{ file = \"key\" }}\n")
}

fn delivery() -> Delivery {
    unsigned(PATH, samples(BODIES)[0])
        .header("X-API-Key", KEY)
        .header("Accept-Encoding", "gzip,deflate")
}

#[test]
fn every_sample_arrives_with_its_type() {
    let app = Upstream::recording();
    let gate = Setup::new(&app)
        .file("key", format!("{KEY}\n"))
        .toml(&route())
        .start();
    for sample in samples(BODIES) {
        let received = gate.accepts(sample, &delivery().body(sample));
        gate.tells(
            sample,
            &received,
            &[
                ("client-ip", "127.0.0.1"),
                ("event-type", &at(sample, "/event").unwrap()),
                ("key", "key"),
                ("provider", "proven"),
                ("route", PATH),
                ("verified-by", "api-key"),
            ],
        );
        assert_eq!(
            received.header("x-api-key"),
            None,
            "the key is a credential"
        );
        assert_eq!(received.header("accept-encoding"), Some("gzip,deflate"));
    }
}

#[test]
fn no_other_key_is_accepted() {
    let app = Upstream::recording();
    let gate = Setup::new(&app).file("key", KEY).toml(&route()).start();
    gate.passes("the key", &delivery());
    gate.passes(
        "white space that HTTP ignores",
        &delivery().with("X-API-Key", format!("  {KEY}\t ")),
    );
    refuses_without(
        &gate,
        &delivery(),
        "X-API-Key",
        "credential_missing",
        "credential_wrong",
    );
    for (case, key) in [
        ("a cut key", KEY[..KEY.len() - 1].to_owned()),
        ("the first character", KEY[..1].to_owned()),
        ("a longer key", format!("{KEY}x")),
        ("the key twice", format!("{KEY}{KEY}")),
        ("two keys in one line", format!("{KEY}, {KEY}")),
        ("a list that holds it", format!("x,{KEY}")),
        ("another case", KEY.to_lowercase()),
        ("upper case", KEY.to_uppercase()),
        ("percent-decoded", KEY.replace("%20", " ")),
        ("percent-encoded", KEY.replace('@', "%40")),
        ("plus as space", KEY.replace('+', " ")),
        ("base64", base64(KEY.as_bytes())),
        ("quoted", format!("\"{KEY}\"")),
        ("with a scheme word", format!("Bearer {KEY}")),
        ("of another", "another-key-altogether".into()),
        ("a star", "*".into()),
        ("null", "null".into()),
    ] {
        gate.refuses(
            case,
            &delivery().with("X-API-Key", key),
            401,
            "credential_wrong",
        );
    }
    gate.refuses(
        "with a byte beyond ASCII",
        &delivery().with("X-API-Key", format!("{KEY}\u{e9}")),
        401,
        "credential_wrong",
    );
    let bearer = delivery()
        .without("X-API-Key")
        .header("Authorization", format!("Bearer {KEY}"));
    gate.refuses("as a bearer token", &bearer, 401, "credential_missing");
}

/// The provider calls the key optional; for the receiver it is not.
#[test]
fn a_route_without_a_secret_does_not_start() {
    let app = Upstream::recording();
    let toml = route().replace("secret = { file = \"key\" }", "");
    for (case, setup) in [
        ("none", Setup::new(&app).toml(&toml)),
        ("empty", Setup::new(&app).file("key", "").toml(&route())),
        (
            "only a newline",
            Setup::new(&app).file("key", "\n").toml(&route()),
        ),
        (
            "white space around",
            Setup::new(&app).file("key", " 24680AEIOUY").toml(&route()),
        ),
        ("no file", Setup::new(&app).toml(&route())),
    ] {
        for command in ["check", "run"] {
            let output = setup.run(&[command]);
            assert_eq!(
                output.status.code(),
                Some(78),
                "{case}: {command}: {output:?}"
            );
        }
    }
}

#[test]
fn a_body_that_tells_no_clear_type_has_no_type_header() {
    let app = Upstream::recording();
    let gate = Setup::new(&app).file("key", KEY).toml(&route()).start();
    let common = [
        ("client-ip", "127.0.0.1"),
        ("key", "key"),
        ("provider", "proven"),
        ("route", PATH),
        ("verified-by", "api-key"),
    ];
    for (case, body, told) in [
        // The examples of the document that are no JSON.
        (
            "a JavaScript literal",
            "{event: 'basic-message:received'}",
            None,
        ),
        ("a comment", "{\"event\":\"x\" // y\n}", None),
        ("nothing", "", None),
        ("no event", "{}", None),
        ("an empty event", r#"{"event":""}"#, None),
        ("an object", r#"{"event":{"a":1}}"#, None),
        ("null", r#"{"event":null}"#, None),
        ("twice", r#"{"event":"a","event":"b"}"#, None),
        (
            "twice, once escaped",
            r#"{"event":"a","\u0065vent":"b"}"#,
            None,
        ),
        ("broken after it", r#"{"event":"a"} x"#, None),
        ("a control character", "{\"event\":\"\u{1}\"}", None),
        ("deep inside", r#"{"webhook":{"event":"a"}}"#, None),
        (
            "line ends",
            r#"{"event":"a\r\nX-Admin: 1"}"#,
            Some("a%0D%0AX-Admin: 1"),
        ),
        ("a NUL", r#"{"event":"a\u0000b"}"#, Some("a%00b")),
        ("a comma", r#"{"event":"a, b"}"#, Some("a%2C b")),
        ("a percent sign", r#"{"event":"100%"}"#, Some("100%25")),
        ("not ASCII", r#"{"event":"é"}"#, Some("%C3%A9")),
    ] {
        let Some(received) = gate.passes(case, &delivery().body(body)) else {
            continue;
        };
        let mut expected = common.to_vec();
        expected.extend(told.map(|told| ("event-type", told)));
        gate.tells(case, &received, &expected);
    }
    let long = format!(r#"{{"event":"{}"}}"#, "é".repeat(400));
    let received = gate.accepts("long", &delivery().body(long));
    let told = received.header("x-gatepost-event-type").unwrap();
    assert!(
        told.len() <= 256 && told.len() > 240 && told.ends_with("%C3%A9"),
        "{told}"
    );
}
