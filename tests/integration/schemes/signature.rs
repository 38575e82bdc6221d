//! Public-key signatures: every algorithm, and none for another.

use super::{delivery, routed};
use crate::harness::Upstream;
use crate::signing::{base64, ecdsa, ed25519, ed25519_public, hex, now, pem, rsa};

const BODY: &[u8] = b"{\"type\":\"ping\"}";

type Sign = Box<dyn Fn(&[u8]) -> Vec<u8>>;

/// Every algorithm, the key that serves it, and a signature of a message.
fn algorithms() -> Vec<(&'static str, &'static str, Sign)> {
    vec![
        (
            "rsa-pss-sha256",
            "rsa",
            Box::new(|m| rsa(0).pss("sha256", m)),
        ),
        (
            "rsa-pss-sha384",
            "rsa",
            Box::new(|m| rsa(0).pss("sha384", m)),
        ),
        (
            "rsa-pss-sha512",
            "rsa",
            Box::new(|m| rsa(0).pss("sha512", m)),
        ),
        (
            "rsa-pkcs1-sha1",
            "rsa",
            Box::new(|m| rsa(0).pkcs1("sha1", m)),
        ),
        (
            "rsa-pkcs1-sha256",
            "rsa",
            Box::new(|m| rsa(0).pkcs1("sha256", m)),
        ),
        (
            "rsa-pkcs1-sha384",
            "rsa",
            Box::new(|m| rsa(0).pkcs1("sha384", m)),
        ),
        (
            "rsa-pkcs1-sha512",
            "rsa",
            Box::new(|m| rsa(0).pkcs1("sha512", m)),
        ),
        (
            "ecdsa-p256-sha256",
            "P-256",
            Box::new(|m| ecdsa("P-256").sign_der(m)),
        ),
        (
            "ecdsa-p384-sha384",
            "P-384",
            Box::new(|m| ecdsa("P-384").sign_der(m)),
        ),
        (
            "ed25519",
            "ed25519",
            Box::new(|m| ed25519().sign(m).as_ref().to_vec()),
        ),
    ]
}

fn public(key: &str) -> String {
    match key {
        "rsa" => rsa(0).pem(),
        "ed25519" => hex(&ed25519_public()),
        curve => ecdsa(curve).pem(),
    }
}

#[test]
fn every_algorithm_takes_its_own_signatures_only() {
    let app = Upstream::recording();
    for (name, key, sign) in algorithms() {
        let step = format!(
            "[{{ scheme = \"signature\", algorithm = \"{name}\", header = \"X-Sig\", encoding = \"base64\" }}]"
        );
        let gate = routed(&app, &step, "public_key = { file = \"key\" }")
            .file("key", public(key))
            .start();
        let of = |signature: &[u8]| delivery(BODY).header("X-Sig", base64(signature));
        let right = sign(BODY);
        let received = gate.accepts(name, &of(&right));
        assert_eq!(received.header("x-gatepost-verified-by"), Some(name));
        gate.refuses(
            "another body",
            &of(&right).body("{}"),
            401,
            "signature_mismatch",
        );
        for (other, _, sign) in algorithms() {
            if other != name {
                gate.refuses(
                    &format!("{other} for {name}"),
                    &of(&sign(BODY)),
                    401,
                    "signature_mismatch",
                );
            }
        }
        for index in [0, right.len() / 2, right.len() - 1] {
            let mut changed = right.clone();
            changed[index] ^= 1;
            gate.refuses(
                &format!("{name} byte {index}"),
                &of(&changed),
                401,
                "signature_mismatch",
            );
        }
        gate.refuses(
            "longer",
            &of(&[&*right, &[0]].concat()),
            401,
            "signature_mismatch",
        );
        gate.refuses(
            "cut",
            &of(&right[..right.len() - 1]),
            401,
            "signature_mismatch",
        );
        gate.refuses(
            "zeros",
            &of(&vec![0; right.len()]),
            401,
            "signature_mismatch",
        );
        gate.refuses("nothing", &delivery(BODY), 401, "signature_missing");
        gate.refuses(
            "empty",
            &delivery(BODY).header("X-Sig", ""),
            401,
            "signature_malformed",
        );
    }
}

#[test]
fn ecdsa_is_read_in_the_form_the_route_says() {
    let app = Upstream::recording();
    for (curve, algorithm) in [
        ("P-256", "ecdsa-p256-sha256"),
        ("P-384", "ecdsa-p384-sha384"),
    ] {
        let key = ecdsa(curve);
        for (form, right, wrong) in [
            ("der", key.sign_der(BODY), key.sign_bare(BODY)),
            ("p1363", key.sign_bare(BODY), key.sign_der(BODY)),
        ] {
            let step = format!(
                "[{{ scheme = \"signature\", algorithm = \"{algorithm}\", header = \"X-Sig\", signature_format = \"{form}\" }}]"
            );
            let gate = routed(&app, &step, "public_key = { file = \"key\" }")
                .file("key", key.pem())
                .start();
            gate.passes(form, &delivery(BODY).header("X-Sig", hex(&right)));
            gate.refuses(
                form,
                &delivery(BODY).header("X-Sig", hex(&wrong)),
                401,
                "signature_mismatch",
            );
        }
    }
}

#[test]
fn ed25519_signs_a_timestamp_and_the_body() {
    let app = Upstream::recording();
    let step = r#"[{ scheme = "signature", algorithm = "ed25519", header = "X-Sig", message = "{timestamp}{body}",
        timestamp = { header = "X-Time" }, tolerance = "1m" }]"#;
    let spki = [
        &b"\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00"[..],
        &ed25519_public(),
    ]
    .concat();
    for (form, key) in [
        ("hex", hex(&ed25519_public())),
        ("base64", base64(&ed25519_public())),
        ("PEM", pem("PUBLIC KEY", &spki)),
    ] {
        let gate = routed(&app, step, "public_key = { env = \"KEY\" }")
            .env("KEY", &key)
            .start();
        let at = |time: i64| {
            let message = [time.to_string().as_bytes(), BODY].concat();
            let signature = hex(ed25519().sign(&message).as_ref());
            delivery(BODY)
                .header("X-Time", time.to_string())
                .header("X-Sig", signature)
        };
        gate.passes(form, &at(now()));
        gate.refuses("old", &at(now() - 70), 401, "timestamp_too_old");
        let renewed = at(now() - 70).with("X-Time", now().to_string());
        gate.refuses("renewed", &renewed, 401, "signature_mismatch");
    }
}

/// S + L is the same signature to a careless verifier (RFC 8032 §5.1.7).
#[test]
fn ed25519_signatures_cannot_be_rewritten() {
    const ORDER: [u8; 32] = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde,
        0x14, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];
    let app = Upstream::recording();
    let step = "[{ scheme = \"signature\", algorithm = \"ed25519\", header = \"X-Sig\" }]";
    let gate = routed(&app, step, "public_key = { env = \"KEY\" }")
        .env("KEY", &hex(&ed25519_public()))
        .start();
    let mut signature = ed25519().sign(BODY).as_ref().to_vec();
    gate.passes(
        "as signed",
        &delivery(BODY).header("X-Sig", hex(&signature)),
    );
    let mut carry = 0;
    for (byte, order) in signature[32..].iter_mut().zip(ORDER) {
        let sum = u16::from(*byte) + u16::from(order) + carry;
        (*byte, carry) = (sum.to_le_bytes()[0], sum >> 8);
    }
    gate.refuses(
        "rewritten",
        &delivery(BODY).header("X-Sig", hex(&signature)),
        401,
        "signature_mismatch",
    );
}
