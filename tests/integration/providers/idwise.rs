//! `IDWise`: basic, bearer or an own header, as its customer chose; answered with exactly 200.

use super::{at, refuses_without, samples, unsigned};
use crate::harness::upstream::reply;
use crate::harness::{Answer, Delivery, Gatepost, Setup, Upstream};
use crate::signing::{base64, base64url_padded};

const PATH: &str = "/webhooks/idwise";
/// With the characters that are split at, and one that base64 writes as `/` or `_`.
const PASSWORD: &str = "pass:word::with@colons?~?";
const BODIES: &str = include_str!("samples/idwise.jsonl");

fn start(app: &Upstream, more: &str) -> Gatepost {
    Setup::new(app)
        .file("secret", PASSWORD)
        .toml(&route(more))
        .start()
}

fn route(more: &str) -> String {
    format!(
        "[[route]]\npath = \"{PATH}\"\nprovider = \"idwise\"\nsecret = {{ file = \"secret\" }}\n{more}"
    )
}

const BASIC: &str = "verify = [{ scheme = \"basic\", username = \"idwise\" }]";
const BEARER: &str = "verify = [{ scheme = \"bearer\" }]";
const OWN: &str = "verify = [{ scheme = \"api_key\", header = \"X-Acme-Key\", prefix = \"Key \" }]";

fn delivery() -> Delivery {
    unsigned(PATH, samples(BODIES)[0])
}

fn basic(pair: &str) -> Delivery {
    delivery().header(
        "Authorization",
        format!("Basic {}", base64(pair.as_bytes())),
    )
}

#[test]
fn every_sample_arrives_with_its_type_and_id() {
    let app = Upstream::recording();
    let good = basic(&format!("idwise:{PASSWORD}"));
    for (label, verify, delivery) in [
        ("basic", BASIC, good),
        (
            "bearer",
            BEARER,
            delivery().header("Authorization", format!("Bearer {PASSWORD}")),
        ),
        (
            "api-key",
            OWN,
            delivery().header("X-Acme-Key", format!("Key {PASSWORD}")),
        ),
    ] {
        let gate = start(&app, verify);
        for sample in samples(BODIES) {
            let received = gate.accepts(sample, &delivery.clone().body(sample));
            let (kind, id) = (at(sample, "/event").unwrap(), at(sample, "/body/eventId"));
            let mut expected = vec![
                ("client-ip", "127.0.0.1"),
                ("event-type", &*kind),
                ("key", "secret"),
                ("provider", "idwise"),
                ("route", PATH),
                ("verified-by", label),
            ];
            expected.extend(id.as_deref().map(|id| ("event-id", id)));
            gate.tells(sample, &received, &expected);
            assert!(
                received.values("authorization").is_empty()
                    && received.values("x-acme-key").is_empty()
            );
        }
    }
}

#[test]
fn no_other_basic_credential_is_accepted() {
    let app = Upstream::recording();
    let gate = start(&app, BASIC);
    let good = basic(&format!("idwise:{PASSWORD}"));
    refuses_without(
        &gate,
        &good,
        "Authorization",
        "credential_missing",
        "credential_malformed",
    );
    let pair = good.value("Authorization")["Basic ".len()..].to_owned();
    for word in ["basic", "BASIC", "bAsIc"] {
        gate.passes(
            word,
            &good.clone().with("Authorization", format!("{word} {pair}")),
        );
    }
    for (case, pair, reason) in [
        (
            "another password",
            "idwise:password".to_owned(),
            "credential_wrong",
        ),
        (
            "the password up to its colon",
            "idwise:pass".into(),
            "credential_wrong",
        ),
        (
            "the password after its colon",
            "idwise:word::with@colons?~?".into(),
            "credential_wrong",
        ),
        ("no password", "idwise:".into(), "credential_wrong"),
        (
            "another user",
            format!("admin:{PASSWORD}"),
            "credential_wrong",
        ),
        (
            "the user in another case",
            format!("IDWise:{PASSWORD}"),
            "credential_wrong",
        ),
        ("no user", format!(":{PASSWORD}"), "credential_wrong"),
        (
            "a longer user",
            format!("idwise2:{PASSWORD}"),
            "credential_wrong",
        ),
        (
            "exchanged",
            format!("{PASSWORD}:idwise"),
            "credential_wrong",
        ),
        (
            "a longer password",
            format!("idwise:{PASSWORD} "),
            "credential_wrong",
        ),
        (
            "a newline",
            format!("idwise:{PASSWORD}\n"),
            "credential_wrong",
        ),
        ("a NUL", format!("idwise:{PASSWORD}\0"), "credential_wrong"),
        ("no colon", "idwise".into(), "credential_malformed"),
        ("nothing", String::new(), "credential_malformed"),
    ] {
        let response = gate.refuses(case, &basic(&pair), 401, reason);
        let challenge = response
            .header("www-authenticate")
            .unwrap_or_default()
            .to_owned();
        assert!(
            challenge.starts_with("Basic realm="),
            "{case}: {challenge:?}"
        );
    }
    for (case, value, reason) in [
        (
            "not base64",
            "Basic idwise:password".to_owned(),
            "credential_malformed",
        ),
        (
            "with a space inside",
            format!("Basic {} {}", &pair[..8], &pair[8..]),
            "credential_malformed",
        ),
        (
            "with a line end at its end",
            format!("Basic {pair}%0A"),
            "credential_malformed",
        ),
        ("no scheme word", pair.clone(), "credential_malformed"),
        (
            "another scheme word",
            format!("Bearer {pair}"),
            "credential_malformed",
        ),
        (
            "a scheme word run together",
            format!("Basic{pair}"),
            "credential_malformed",
        ),
        (
            "two in one line",
            format!("Basic {pair}, Basic {pair}"),
            "credential_malformed",
        ),
    ] {
        gate.refuses(
            case,
            &delivery().header("Authorization", value),
            401,
            reason,
        );
    }
    let bytes = format!("idwise:{PASSWORD}").into_bytes();
    let other = base64url_padded(&bytes);
    assert_ne!(other, pair, "a pair that shows the difference");
    gate.refuses(
        "base64url",
        &delivery().header("Authorization", format!("Basic {other}")),
        401,
        "credential_malformed",
    );
}

#[test]
fn no_other_bearer_token_is_accepted() {
    let app = Upstream::recording();
    let gate = start(&app, BEARER);
    let good = delivery().header("Authorization", format!("Bearer {PASSWORD}"));
    refuses_without(
        &gate,
        &good,
        "Authorization",
        "credential_missing",
        "credential_malformed",
    );
    gate.passes(
        "a lower-case scheme word",
        &good.with("Authorization", format!("bearer {PASSWORD}")),
    );
    for (case, value, reason) in [
        ("another token", "Bearer x".to_owned(), "credential_wrong"),
        (
            "a cut token",
            format!("Bearer {}", &PASSWORD[..PASSWORD.len() - 1]),
            "credential_wrong",
        ),
        (
            "a longer token",
            format!("Bearer {PASSWORD}x"),
            "credential_wrong",
        ),
        (
            "another case",
            format!("Bearer {}", PASSWORD.to_uppercase()),
            "credential_wrong",
        ),
        ("no scheme word", PASSWORD.into(), "credential_malformed"),
        (
            "another scheme word",
            format!("Basic {PASSWORD}"),
            "credential_malformed",
        ),
        (
            "a scheme word and nothing",
            "Bearer".into(),
            "credential_malformed",
        ),
        (
            "two in one line",
            format!("Bearer {PASSWORD}, Bearer {PASSWORD}"),
            "credential_wrong",
        ),
        (
            "base64",
            format!("Bearer {}", base64(PASSWORD.as_bytes())),
            "credential_wrong",
        ),
    ] {
        let response = gate.refuses(
            case,
            &delivery().header("Authorization", value),
            401,
            reason,
        );
        assert!(
            response
                .header("www-authenticate")
                .unwrap_or_default()
                .starts_with("Bearer"),
            "{case}"
        );
    }
}

#[test]
fn no_other_own_header_is_accepted() {
    let app = Upstream::recording();
    let gate = start(&app, OWN);
    let good = delivery().header("X-Acme-Key", format!("Key {PASSWORD}"));
    refuses_without(
        &gate,
        &good,
        "X-Acme-Key",
        "credential_missing",
        "credential_malformed",
    );
    for (case, value, reason) in [
        ("no prefix", PASSWORD.to_owned(), "credential_malformed"),
        (
            "the prefix in another case",
            format!("key {PASSWORD}"),
            "credential_malformed",
        ),
        (
            "the prefix twice",
            format!("Key Key {PASSWORD}"),
            "credential_wrong",
        ),
        ("another key", "Key x".into(), "credential_wrong"),
    ] {
        gate.refuses(case, &delivery().header("X-Acme-Key", value), 401, reason);
    }
}

#[test]
fn addresses_and_the_credential_are_both_needed() {
    let app = Upstream::recording();
    let good = basic(&format!("idwise:{PASSWORD}"));
    let gate = start(
        &app,
        &format!("{BASIC}\nallow_ips = [\"198.51.100.0/24\", \"::1\"]"),
    );
    let response = gate.refuses("loopback is not implied", &good, 403, "ip_not_allowed");
    assert_eq!(response.header("www-authenticate"), None);
    for header in [
        "X-Forwarded-For",
        "X-Real-IP",
        "True-Client-IP",
        "CF-Connecting-IP",
        "X-Client-IP",
    ] {
        gate.refuses(
            header,
            &good.clone().header(header, "198.51.100.7"),
            403,
            "ip_not_allowed",
        );
    }
    gate.refuses(
        "Forwarded",
        &good.header("Forwarded", "for=198.51.100.7"),
        403,
        "ip_not_allowed",
    );
    drop(gate);
    let gate = start(&app, &format!("{BASIC}\nallow_ips = [\"127.0.0.0/8\"]"));
    let received = gate.accepts("both", &basic(&format!("idwise:{PASSWORD}")));
    assert_eq!(received.header("x-gatepost-verified-by"), Some("basic, ip"));
    gate.refuses(
        "only the address",
        &basic("idwise:x"),
        401,
        "credential_wrong",
    );
}

/// `IDWise` sends again unless the answer is exactly 200.
#[test]
fn every_success_of_the_app_becomes_200_and_nothing_else_does() {
    for (status, told) in [
        ("200 OK", 200),
        ("201 Created", 200),
        ("202 Accepted", 200),
        ("204 No Content", 200),
        ("226 IM Used", 200),
        ("302 Found", 302),
        ("400 Bad Request", 400),
        ("404 Not Found", 404),
        ("500 Internal Server Error", 500),
    ] {
        let body = if status.starts_with("204") {
            ""
        } else {
            "body"
        };
        let bytes = if body.is_empty() {
            format!("HTTP/1.1 {status}\r\n\r\n").into_bytes()
        } else {
            reply(status, body)
        };
        let app = Upstream::answering(move |_| Answer::Keep(bytes.clone()));
        let gate = start(&app, BASIC);
        let mut client = gate.connect();
        for _ in 0..2 {
            let sent = basic(&format!("idwise:{PASSWORD}")).to_bytes();
            let response = client.send(&sent).answer().unwrap();
            assert_eq!(
                (response.status, &*response.text()),
                (told, body),
                "{status}"
            );
            assert!(response.complete);
        }
    }
}
