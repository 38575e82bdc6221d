//! Signed tokens: every algorithm, keys from files, the claim that binds the body.

use serde_json::{Value, json};

use super::{PATH, SECRET, delivery, routed, setup};
use crate::harness::{Delivery, Upstream};
use crate::signing::{
    base64, base64url, digest, ecdsa, ed25519, ed25519_public, hex, hmac, jws, now, pem, rsa,
};

const BODY: &str = r#"{"type":"ping"}"#;

fn claims() -> Value {
    json!({"iss": "acme", "exp": now() + 60, "event": "claimed"})
}

fn bearing(token: &str) -> Delivery {
    delivery(BODY).header("Authorization", format!("Bearer {token}"))
}

type Sign = Box<dyn Fn(&[u8]) -> Vec<u8>>;

fn algorithms() -> Vec<(&'static str, &'static str, Sign)> {
    let secret = SECRET.as_bytes();
    vec![
        (
            "HS256",
            "secret",
            Box::new(move |m| hmac("sha256", secret, m)),
        ),
        (
            "HS384",
            "secret",
            Box::new(move |m| hmac("sha384", secret, m)),
        ),
        (
            "HS512",
            "secret",
            Box::new(move |m| hmac("sha512", secret, m)),
        ),
        ("RS256", "rsa", Box::new(|m| rsa(0).pkcs1("sha256", m))),
        ("RS384", "rsa", Box::new(|m| rsa(0).pkcs1("sha384", m))),
        ("RS512", "rsa", Box::new(|m| rsa(0).pkcs1("sha512", m))),
        ("PS256", "rsa", Box::new(|m| rsa(0).pss("sha256", m))),
        ("PS384", "rsa", Box::new(|m| rsa(0).pss("sha384", m))),
        ("PS512", "rsa", Box::new(|m| rsa(0).pss("sha512", m))),
        ("ES256", "P-256", Box::new(|m| ecdsa("P-256").sign_bare(m))),
        ("ES384", "P-384", Box::new(|m| ecdsa("P-384").sign_bare(m))),
        (
            "EdDSA",
            "ed25519",
            Box::new(|m| ed25519().sign(m).as_ref().to_vec()),
        ),
    ]
}

#[test]
fn every_algorithm_takes_its_own_tokens_only() {
    let app = Upstream::recording();
    for (name, key, _) in algorithms() {
        let step = format!(
            "[{{ scheme = \"jwt\", algorithms = [\"{name}\"], required_claims = [\"exp\"] }}]"
        );
        let (keys, public) = match key {
            "secret" => ("secret = { env = \"ACME_SECRET\" }", String::new()),
            "rsa" => ("public_key = { file = \"key\" }", rsa(0).pem()),
            "ed25519" => ("public_key = { file = \"key\" }", hex(&ed25519_public())),
            curve => ("public_key = { file = \"key\" }", ecdsa(curve).pem()),
        };
        let gate = routed(&app, &step, keys)
            .file("key", &public)
            .env("ACME_SECRET", SECRET)
            .start();
        for (other, _, sign) in algorithms() {
            let token = jws(
                &format!(r#"{{"alg":"{other}"}}"#),
                &claims().to_string(),
                &sign,
            );
            let lying = jws(
                &format!(r#"{{"alg":"{name}"}}"#),
                &claims().to_string(),
                &sign,
            );
            if other == name {
                let received = gate.accepts(name, &bearing(&token));
                let label = format!("jwt-{}", name.to_lowercase());
                assert_eq!(received.header("x-gatepost-verified-by"), Some(&*label));
                assert_eq!(received.header("authorization"), None);
                gate.refuses(
                    "cut",
                    &bearing(&token[..token.len() - 3]),
                    401,
                    "jwt_signature",
                );
            } else {
                gate.refuses(
                    &format!("{other} for {name}"),
                    &bearing(&token),
                    401,
                    "jwt_algorithm_not_allowed",
                );
                gate.refuses(
                    &format!("{other} said to be {name}"),
                    &bearing(&lying),
                    401,
                    "jwt_signature",
                );
            }
        }
        // The public key is known to all: it must not serve as a secret.
        for secret in [public.as_bytes(), public.trim_end().as_bytes(), b""] {
            for (alg, hash) in [("HS256", "sha256"), (name, "sha256")] {
                let token = jws(
                    &format!(r#"{{"alg":"{alg}"}}"#),
                    &claims().to_string(),
                    |m| hmac(hash, secret, m),
                );
                let response = gate.send(&bearing(&token));
                assert_eq!(response.status, 401, "{alg} by a public key for {name}");
            }
        }
    }
}

#[test]
fn ecdsa_tokens_are_not_der() {
    let app = Upstream::recording();
    let step = "[{ scheme = \"jwt\", algorithms = [\"ES256\"] }]";
    let gate = routed(&app, step, "public_key = { file = \"key\" }")
        .file("key", ecdsa("P-256").pem())
        .start();
    let token = jws(r#"{"alg":"ES256"}"#, &claims().to_string(), |m| {
        ecdsa("P-256").sign_der(m)
    });
    gate.refuses("DER", &bearing(&token), 401, "jwt_signature");
    let token = jws(r#"{"alg":"ES256"}"#, &claims().to_string(), |_| vec![0; 64]);
    gate.refuses("zeros", &bearing(&token), 401, "jwt_signature");
}

#[test]
fn a_key_set_narrows_by_key_id() {
    let app = Upstream::recording();
    let set = json!({"keys": [rsa(0).jwk("one"), rsa(1).jwk("two")]}).to_string();
    let step = "[{ scheme = \"jwt\", algorithms = [\"RS256\"], jwks = { file = \"keys.json\" } }]";
    let gate = routed(&app, step, "").file("keys.json", set).start();
    let by = |key: usize, kid: &str| {
        let header = if kid.is_empty() {
            r#"{"alg":"RS256"}"#.into()
        } else {
            format!(r#"{{"alg":"RS256","kid":"{kid}"}}"#)
        };
        bearing(&jws(&header, &claims().to_string(), |m| {
            rsa(key).pkcs1("sha256", m)
        }))
    };
    gate.passes("one", &by(0, "one"));
    gate.passes("two", &by(1, "two"));
    gate.passes("no kid", &by(1, ""));
    gate.refuses("the kid of the other", &by(0, "two"), 401, "jwt_signature");
    gate.refuses("an unknown kid", &by(0, "three"), 401, "jwt_signature");
    gate.refuses("an unknown key", &by(2, "one"), 401, "jwt_signature");
}

#[test]
fn a_claim_binds_the_body() {
    let app = Upstream::recording();
    for (hash, encoding) in [
        ("sha256", "base64"),
        ("sha256", "hex"),
        ("sha512", "base64url"),
    ] {
        let step = format!(
            "scheme = \"jwt\", header = \"X-Token\", prefix = \"\", algorithms = [\"HS256\"], \
             body_hash = {{ claim = \"hash\", hash = \"{hash}\", encoding = \"{encoding}\" }}"
        );
        let gate = setup(&app, &step).start();
        let text = |body: &str| {
            let hashed = digest(hash, body.as_bytes());
            match encoding {
                "hex" => hex(&hashed),
                "base64" => base64(&hashed),
                _ => base64url(&hashed),
            }
        };
        let of = |hash: Value| {
            let mut claims = claims();
            claims["hash"] = hash;
            let token = jws(r#"{"alg":"HS256"}"#, &claims.to_string(), |m| {
                hmac("sha256", SECRET.as_bytes(), m)
            });
            delivery(BODY).header("X-Token", token)
        };
        let good = of(text(BODY).into());
        let received = gate.accepts(encoding, &good);
        assert_eq!(received.header("x-token"), None);
        gate.refuses(
            "another body",
            &good.clone().body("{}"),
            401,
            "jwt_body_hash",
        );
        gate.refuses("no body", &good.body(""), 401, "jwt_body_hash");
        for (hash, reason) in [
            (Value::Null, "jwt_claim"),
            (5.into(), "jwt_claim"),
            ("".into(), "jwt_body_hash"),
            (text("{}").into(), "jwt_body_hash"),
            (text(BODY)[..20].into(), "jwt_body_hash"),
        ] {
            gate.refuses(&hash.to_string(), &of(hash.clone()), 401, reason);
        }
    }
}

#[test]
fn an_event_type_may_be_a_claim() {
    let app = Upstream::recording();
    let keys = "secret = { env = \"ACME_SECRET\" }\nevent.type = { claim = \"event\" }\nevent.id = { value = \"fixed\" }";
    let gate = routed(
        &app,
        "[{ scheme = \"jwt\", algorithms = [\"HS256\"] }]",
        keys,
    )
    .env("ACME_SECRET", SECRET)
    .start();
    let token = jws(r#"{"alg":"HS256"}"#, &claims().to_string(), |m| {
        hmac("sha256", SECRET.as_bytes(), m)
    });
    let received = gate.accepts("claimed", &bearing(&token));
    gate.tells(
        "claimed",
        &received,
        &[
            ("client-ip", "127.0.0.1"),
            ("event-id", "fixed"),
            ("event-type", "claimed"),
            ("key", "ACME_SECRET"),
            ("provider", "acme"),
            ("route", PATH),
            ("verified-by", "jwt-hs256"),
        ],
    );
}

#[test]
fn keys_of_the_wrong_kind_do_not_start() {
    let app = Upstream::recording();
    for (case, step, keys, file) in [
        (
            "no algorithms",
            "scheme = \"jwt\"",
            "secret = { file = \"key\" }",
            SECRET.to_owned(),
        ),
        (
            "alg none",
            "scheme = \"jwt\", algorithms = [\"none\"]",
            "secret = { file = \"key\" }",
            SECRET.into(),
        ),
        (
            "no key",
            "scheme = \"jwt\", algorithms = [\"RS256\"]",
            "secret = { file = \"key\" }",
            SECRET.into(),
        ),
        (
            "a public key for HS256",
            "scheme = \"jwt\", algorithms = [\"HS256\"]",
            "public_key = { file = \"key\" }",
            rsa(0).pem(),
        ),
        (
            "another curve",
            "scheme = \"jwt\", algorithms = [\"ES256\"]",
            "public_key = { file = \"key\" }",
            ecdsa("P-384").pem(),
        ),
        (
            "a private key",
            "scheme = \"jwt\", algorithms = [\"RS256\"]",
            "public_key = { file = \"key\" }",
            rsa(0).private_pem(),
        ),
        (
            "no key in a set",
            "scheme = \"jwt\", algorithms = [\"RS256\"], jwks = { file = \"key\" }",
            "",
            r#"{"keys":[]}"#.into(),
        ),
        (
            "an empty PEM",
            "scheme = \"jwt\", algorithms = [\"RS256\"]",
            "public_key = { file = \"key\" }",
            pem("PUBLIC KEY", b""),
        ),
    ] {
        let output = routed(&app, &format!("[{{ {step} }}]"), keys)
            .file("key", file)
            .run(&["check"]);
        assert_eq!(output.status.code(), Some(78), "{case}: {output:?}");
    }
}
