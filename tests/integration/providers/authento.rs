//! Authento: a digest of the body in `X-PAYLOAD-DIGEST`, keyed or, by its document's other reading,
//! plain.

use super::{refuses_without, samples, unsigned};
use crate::harness::{Delivery, Gatepost, Setup, Upstream};
use crate::signing::{base64, base64url, digest, hex, hex_upper, hmac};

const PATH: &str = "/webhooks/authento";
const SECRET: &str = "authento-webhook-secret";
const HEADER: &str = "X-PAYLOAD-DIGEST";
const BODIES: &str = include_str!("samples/authento.jsonl");

fn start(app: &Upstream, more: &str) -> Gatepost {
    let route = format!("[[route]]\npath = \"{PATH}\"\nprovider = \"authento\"\n{more}");
    Setup::new(app)
        .file("secret", SECRET)
        .file("demo", "demo-environment-secret")
        .toml(&route)
        .start()
}

fn signed(body: &[u8]) -> Delivery {
    unsigned(PATH, body).header(HEADER, hex(&hmac("sha256", SECRET.as_bytes(), body)))
}

#[test]
fn every_event_arrives_with_its_type() {
    let app = Upstream::recording();
    let gate = start(
        &app,
        "secret = [{ file = \"demo\" }, { file = \"secret\" }]",
    );
    // One shape for all ten events; the page prints it indented.
    let sample = samples(BODIES)[0];
    let indented =
        serde_json::to_string_pretty(&serde_json::from_str::<serde_json::Value>(sample).unwrap());
    let mut bodies = vec![
        ("REVIEWED", sample.to_owned()),
        ("REVIEWED", indented.unwrap()),
    ];
    for event in [
        "PERMISSION_GRANTED",
        "PERMISSION_UPDATED",
        "INIT",
        "PENDING",
        "ON_HOLD",
        "INFO_UPDATED",
        "RESET",
        "ADDRRESS_LINKED",
        "ADDRRESS_UNLINKED",
        "ADDRESS_LINKED",
        "SOMETHING_NEW",
    ] {
        bodies.push((event, sample.replace("REVIEWED", event)));
    }
    for (event, body) in bodies {
        let received = gate.accepts(event, &signed(body.as_bytes()));
        gate.tells(
            event,
            &received,
            &[
                ("client-ip", "127.0.0.1"),
                ("event-type", event),
                ("key", "secret"),
                ("provider", "authento"),
                ("route", PATH),
                ("verified-by", "hmac-sha256"),
            ],
        );
        assert!(
            received.header(HEADER).is_some(),
            "a signature stays for an app that checks again"
        );
    }
}

#[test]
fn no_changed_body_is_accepted() {
    let app = Upstream::recording();
    let gate = start(&app, "secret = { file = \"secret\" }");
    let body = samples(BODIES)[0].as_bytes();
    let good = signed(body);
    gate.passes("as signed", &good);
    gate.passes("an empty body", &signed(b""));
    gate.passes("a binary body", &signed(b"\x00\x01\xff\r\n\r\n"));
    let mut variants: Vec<(String, Vec<u8>)> = vec![
        ("cut by one".into(), body[..body.len() - 1].to_vec()),
        ("empty".into(), Vec::new()),
        ("with a newline".into(), [body, b"\n"].concat()),
        ("with a space".into(), [b" ", body].concat()),
        ("with a NUL".into(), [body, b"\0"].concat()),
        ("with a BOM".into(), [b"\xef\xbb\xbf", body].concat()),
        ("twice".into(), [body, body].concat()),
        (
            "re-serialised".into(),
            serde_json::from_slice::<serde_json::Value>(body)
                .unwrap()
                .to_string()
                .into_bytes(),
        ),
    ];
    for bit in (0..body.len() * 8).step_by(97) {
        let mut flipped = body.to_vec();
        flipped[bit / 8] ^= 1 << (bit % 8);
        variants.push((format!("bit {bit}"), flipped));
    }
    for (case, variant) in variants {
        gate.refuses(
            &case,
            &good.clone().body(variant),
            401,
            "signature_mismatch",
        );
    }
}

#[test]
fn no_other_digest_is_accepted() {
    let app = Upstream::recording();
    let gate = start(&app, "secret = { file = \"secret\" }");
    let body = samples(BODIES)[0].as_bytes();
    let good = signed(body);
    let right = hmac("sha256", SECRET.as_bytes(), body);
    gate.passes(
        "in upper case, which is the same bytes",
        &good.clone().with(HEADER, hex_upper(&right)),
    );
    gate.passes(
        "a header that chooses another algorithm",
        &good.clone().header("X-Payload-Digest-Alg", "HMAC_SHA1_HEX"),
    );
    gate.passes(
        "the event in another header too",
        &good.clone().header("X-Gatepost-Event-Type", "RESET"),
    );
    refuses_without(
        &gate,
        &good,
        HEADER,
        "signature_missing",
        "signature_malformed",
    );
    let text = hex(&right);
    for (case, value, reason) in [
        ("plain", hex(&digest("sha256", body)), "signature_mismatch"),
        (
            "the secret before the body",
            hex(&digest("sha256", &[SECRET.as_bytes(), body].concat())),
            "signature_mismatch",
        ),
        (
            "another secret",
            hex(&hmac("sha256", b"another-secret", body)),
            "signature_mismatch",
        ),
        (
            "the empty secret",
            hex(&hmac("sha256", b"", body)),
            "signature_mismatch",
        ),
        (
            "SHA-1",
            hex(&hmac("sha1", SECRET.as_bytes(), body)),
            "signature_mismatch",
        ),
        (
            "SHA-512",
            hex(&hmac("sha512", SECRET.as_bytes(), body)),
            "signature_mismatch",
        ),
        (
            "half of SHA-512",
            hex(&hmac("sha512", SECRET.as_bytes(), body)[..32]),
            "signature_mismatch",
        ),
        ("half", text[..32].to_owned(), "signature_mismatch"),
        ("one byte", text[..2].to_owned(), "signature_mismatch"),
        ("one byte more", format!("{text}00"), "signature_mismatch"),
        (
            "one digit less",
            text[..63].to_owned(),
            "signature_malformed",
        ),
        ("zeros", "0".repeat(64), "signature_mismatch"),
        ("base64", base64(&right), "signature_malformed"),
        ("base64url", base64url(&right), "signature_malformed"),
        ("a prefix", format!("sha256={text}"), "signature_malformed"),
        ("0x before", format!("0x{text}"), "signature_malformed"),
        (
            "a space inside",
            format!("{} {}", &text[..32], &text[32..]),
            "signature_malformed",
        ),
        (
            "colons",
            text.as_bytes()
                .chunks(2)
                .map(|p| std::str::from_utf8(p).unwrap())
                .collect::<Vec<_>>()
                .join(":"),
            "signature_malformed",
        ),
        (
            "two in one line",
            format!("{text},{text}"),
            "signature_malformed",
        ),
        ("quoted", format!("\"{text}\""), "signature_malformed"),
        ("full-width digits", "０".repeat(64), "signature_malformed"),
    ] {
        gate.refuses(case, &good.clone().with(HEADER, value), 401, reason);
    }
    // What the sender says of the algorithm must not choose it.
    let sha1 = good.with(HEADER, hex(&hmac("sha1", SECRET.as_bytes(), body)));
    let chosen = sha1.header("X-Payload-Digest-Alg", "HMAC_SHA1_HEX");
    gate.refuses(
        "an algorithm of the sender's choice",
        &chosen,
        401,
        "signature_mismatch",
    );
}

/// The page's other reading: anyone can compute it, so it needs two admissions.
#[test]
fn a_plain_digest_needs_an_admission() {
    let app = Upstream::recording();
    let verify = format!("verify = [{{ scheme = \"digest\", header = \"{HEADER}\" }}]\n");
    let route = format!("[[route]]\npath = \"{PATH}\"\nprovider = \"authento\"\n{verify}");
    for more in ["", "accept_weak = false", "allow_ips = [\"127.0.0.1\"]"] {
        let output = Setup::new(&app)
            .toml(&format!("{route}{more}"))
            .run(&["check"]);
        assert_eq!(output.status.code(), Some(78), "{more:?}: {output:?}");
    }
    let gate = start(
        &app,
        &format!("{verify}accept_weak = true\nallow_ips = [\"127.0.0.1\"]"),
    );
    let body = samples(BODIES)[0].as_bytes();
    let plain = unsigned(PATH, body).header(HEADER, hex(&digest("sha256", body)));
    let received = gate.accepts("plain", &plain);
    assert_eq!(
        received.header("x-gatepost-verified-by"),
        Some("digest-sha256, ip")
    );
    assert_eq!(received.header("x-gatepost-key"), None);
    gate.refuses(
        "of another body",
        &plain.clone().body("{}"),
        401,
        "digest_mismatch",
    );
    refuses_without(
        &gate,
        &plain,
        HEADER,
        "signature_missing",
        "signature_malformed",
    );
}

#[test]
fn the_secret_may_stand_before_the_body() {
    let app = Upstream::recording();
    let gate = start(
        &app,
        "secret = [{ file = \"demo\" }, { file = \"secret\" }]\n\
         verify = [{ scheme = \"digest\", header = \"X-PAYLOAD-DIGEST\", message = \"{secret}{body}\", encoding = \"base64\" }]",
    );
    let body = samples(BODIES)[0].as_bytes();
    let keyed = |secret: &str| {
        unsigned(PATH, body).header(
            HEADER,
            base64(&digest("sha256", &[secret.as_bytes(), body].concat())),
        )
    };
    for (secret, name) in [(SECRET, "secret"), ("demo-environment-secret", "demo")] {
        let received = gate.accepts(name, &keyed(secret));
        assert_eq!(received.header("x-gatepost-key"), Some(name));
        assert_eq!(
            received.header("x-gatepost-verified-by"),
            Some("digest-sha256")
        );
    }
    gate.refuses("another secret", &keyed("x"), 401, "digest_mismatch");
    gate.refuses("no secret", &keyed(""), 401, "digest_mismatch");
}
