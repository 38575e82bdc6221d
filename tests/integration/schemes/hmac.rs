//! HMAC and digest: hashes, encodings, formats, secrets, timestamps.

use super::{SECRET, delivery, routed, setup};
use crate::harness::{Delivery, Upstream};
use crate::signing::{self, base64, base64_bare, base64url, base64url_padded, digest, hex, hmac};

const BODY: &[u8] = b"{\"type\":\"ping\"}\r\n\x00\xff";
const HASHES: [&str; 5] = ["md5", "sha1", "sha256", "sha384", "sha512"];

fn encoded(encoding: &str, bytes: &[u8]) -> String {
    match encoding {
        "hex" => hex(bytes),
        "base64" => base64(bytes),
        "base64url" => base64url(bytes),
        other => panic!("{other}"),
    }
}

#[test]
fn every_hash_in_every_encoding() {
    let app = Upstream::recording();
    for hash in HASHES {
        for encoding in ["hex", "base64", "base64url"] {
            let step = format!(
                "scheme = \"hmac\", hash = \"{hash}\", header = \"X-Sig\", encoding = \"{encoding}\""
            );
            let gate = setup(&app, &step).start();
            let raw = hmac(hash, SECRET.as_bytes(), BODY);
            let of = |value: &str| delivery(BODY).header("X-Sig", value);
            let case = format!("{hash} {encoding}");
            let received = gate.accepts(&case, &of(&encoded(encoding, &raw)));
            assert_eq!(
                received.header("x-gatepost-verified-by"),
                Some(&*format!("hmac-{hash}"))
            );
            if encoding != "hex" {
                gate.passes(&case, &of(encoded(encoding, &raw).trim_end_matches('=')));
            }
            for other in HASHES.into_iter().filter(|other| *other != hash) {
                let value = encoded(encoding, &hmac(other, SECRET.as_bytes(), BODY));
                gate.refuses(other, &of(&value), 401, "signature_mismatch");
            }
            gate.refuses(
                "plain",
                &of(&encoded(encoding, &digest(hash, BODY))),
                401,
                "signature_mismatch",
            );
            gate.refuses(
                "cut",
                &of(&encoded(encoding, &raw[..raw.len() - 1])),
                401,
                "signature_mismatch",
            );
            let mut twice = raw.clone();
            twice.extend_from_slice(&raw);
            gate.refuses(
                "twice",
                &of(&encoded(encoding, &twice)),
                401,
                "signature_mismatch",
            );
            for other in [
                hex(&raw),
                base64(&raw),
                base64_bare(&raw),
                base64url(&raw),
                base64url_padded(&raw),
            ] {
                let same = data_encoding_of(encoding, &other).is_some_and(|bytes| bytes == raw);
                if !same {
                    let status = gate.send(&of(&other)).status;
                    assert_eq!(status, 401, "{case}: {other}");
                }
            }
        }
    }
}

/// What a lenient reader of this encoding makes of the text.
fn data_encoding_of(encoding: &str, text: &str) -> Option<Vec<u8>> {
    let bare = text.trim_end_matches('=').as_bytes();
    match encoding {
        "hex" => data_encoding::HEXLOWER_PERMISSIVE
            .decode(text.as_bytes())
            .ok(),
        "base64" => data_encoding::BASE64_NOPAD.decode(bare).ok(),
        _ => data_encoding::BASE64URL_NOPAD.decode(bare).ok(),
    }
}

#[test]
fn a_format_says_how_the_header_is_written() {
    let app = Upstream::recording();
    let sig = hex(&hmac("sha256", SECRET.as_bytes(), BODY));
    let bad = "00".repeat(32);
    let many = format!("{},v1={sig}", vec![format!("v1={bad}"); 40].join(","));
    for (format, taken, refused) in [
        (
            "sha256={signature}",
            vec![format!("sha256={sig}")],
            vec![
                sig.clone(),
                format!("SHA256={sig}"),
                format!("sha1={sig}"),
                format!("sha256={sig},sha256={sig}"),
                format!("sha256 ={sig}"),
                format!("sha256={sig}x"),
                "sha256=".into(),
            ],
        ),
        (
            "v1={signature},",
            vec![
                format!("v1={sig}"),
                format!("v1={bad},v1={sig}"),
                format!("v1={sig}, v1={bad}"),
                format!("v2=x,v1={sig},k"),
            ],
            vec![
                format!("v1={bad}"),
                format!("v0={sig}"),
                format!("V1={sig}"),
                many,
            ],
        ),
        (
            "v1,{signature} ",
            vec![format!("v1,{sig}"), format!("v1,{bad} v1,{sig} v1a,x")],
            vec![
                format!("v1a,{sig}"),
                format!("v1 {sig}"),
                format!("v1,{bad}"),
            ],
        ),
        (
            "HMAC {key_id}:{signature}",
            vec![format!("HMAC ACME_SECRET:{sig}")],
            vec![
                format!("HMAC other:{sig}"),
                format!("HMAC :{sig}"),
                format!("HMAC {sig}"),
                format!("hmac ACME_SECRET:{sig}"),
            ],
        ),
    ] {
        let gate = setup(
            &app,
            &format!("scheme = \"hmac\", header = \"X-Sig\", format = \"{format}\""),
        )
        .start();
        for value in taken {
            gate.passes(
                &format!("{format}: {value}"),
                &delivery(BODY).header("X-Sig", value),
            );
        }
        for value in refused {
            let before = app.requests().len();
            let response = gate.send(&delivery(BODY).header("X-Sig", &value));
            assert_eq!(
                (response.status, app.requests().len()),
                (401, before),
                "{format}: {value}"
            );
        }
    }
}

#[test]
fn a_signature_may_stand_in_query_json_or_form() {
    let app = Upstream::recording();
    let sig = |message: &[u8]| hex(&hmac("sha256", SECRET.as_bytes(), message));
    let gate = setup(&app, "scheme = \"hmac\", query = \"sig\"").start();
    let at = |query: &str| Delivery {
        target: format!("{}?{query}", super::PATH),
        ..delivery(BODY)
    };
    gate.passes("query", &at(&format!("a=1&sig={}", sig(BODY))));
    gate.refuses("no query", &at("a=1"), 401, "signature_missing");
    gate.refuses(
        "twice",
        &at(&format!("sig={0}&sig={0}", sig(BODY))),
        400,
        "credential_repeated",
    );
    gate.refuses("another", &at("sig=00"), 401, "signature_mismatch");

    let gate = setup(
        &app,
        "scheme = \"hmac\", json = \"/sig\", message = \"{json:/a}.{json:/b/0}\"",
    )
    .start();
    let of = |a: &str, sig: &str| delivery(format!(r#"{{"a":{a},"b":["x\u0079"],"sig":"{sig}"}}"#));
    gate.passes("json", &of("\"1\"", &sig(b"1.xy")));
    gate.refuses(
        "another value",
        &of("\"2\"", &sig(b"1.xy")),
        401,
        "signature_mismatch",
    );
    gate.refuses("no signature", &delivery("{}"), 401, "signature_missing");
    let doubled = format!(r#"{{"a":"1","a":"2","b":["xy"],"sig":"{}"}}"#, sig(b"2.xy"));
    gate.refuses(
        "a signed key twice",
        &delivery(doubled),
        400,
        "credential_repeated",
    );

    let gate = setup(
        &app,
        "scheme = \"hmac\", form = \"sig\", message = \"{form:ts}{form:token}\"",
    )
    .start();
    let form =
        |body: String| delivery(body).header("Content-Type", "application/x-www-form-urlencoded");
    gate.passes(
        "form",
        &form(format!("ts=5&token=a%2Bb+c&sig={}", sig(b"5a+b c"))),
    );
    gate.refuses(
        "another value",
        &form(format!("ts=6&token=a&sig={}", sig(b"5a"))),
        401,
        "signature_mismatch",
    );
    gate.refuses(
        "a field twice",
        &form(format!("ts=5&ts=6&token=a&sig={}", sig(b"5a"))),
        400,
        "credential_repeated",
    );
    gate.refuses(
        "no signature",
        &form("ts=5".into()),
        401,
        "signature_missing",
    );
}

#[test]
fn a_secret_is_read_in_its_encoding() {
    let app = Upstream::recording();
    let key = b"\x00binary\xffkey of 24 bytes";
    let whsec = format!("whsec_{}", base64(key));
    for (encoding, text, bytes) in [
        ("text", "p\u{e4}ss word\\n", "p\u{e4}ss word\\n".as_bytes()),
        ("hex", &*hex(key), &key[..]),
        ("hex", &signing::hex_upper(key), key),
        ("base64", &base64(key), key),
        ("base64", &base64_bare(key), key),
        ("whsec", &whsec, key),
        ("whsec", &base64(key), key),
        ("text", &whsec, whsec.as_bytes()),
    ] {
        let step = format!(
            "[{{ scheme = \"hmac\", header = \"X-Sig\", secret_encoding = \"{encoding}\" }}]"
        );
        let gate = routed(&app, &step, "secret = { env = \"KEY\" }")
            .env("KEY", text)
            .start();
        let case = format!("{encoding} {text:?}");
        let by = |key: &[u8]| delivery(BODY).header("X-Sig", hex(&hmac("sha256", key, BODY)));
        gate.passes(&case, &by(bytes));
        gate.refuses(&case, &by(b"other"), 401, "signature_mismatch");
        if encoding != "text" {
            gate.refuses(&case, &by(text.as_bytes()), 401, "signature_mismatch");
        }
    }
    for (encoding, text) in [
        ("hex", "abc"),
        ("hex", "zz"),
        ("base64", "a"),
        ("base64", "!!!!"),
        ("whsec", "whsec_"),
        ("whsec", "whsec_!"),
    ] {
        let step = format!(
            "[{{ scheme = \"hmac\", header = \"X-Sig\", secret_encoding = \"{encoding}\" }}]"
        );
        let output = routed(&app, &step, "secret = { env = \"KEY\" }")
            .env("KEY", text)
            .run(&["check"]);
        assert_eq!(output.status.code(), Some(78), "{encoding} {text}");
    }
}
