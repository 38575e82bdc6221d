//! Prove: a JWT (HS256) in `X-Prove-Authorization`, a batch of events in the body.

mod claim;
mod token;

use serde_json::{Value, json};

use super::{at, samples, unsigned};
use crate::harness::{Delivery, Gatepost, Setup, Upstream};
use crate::signing::{self, base64, hmac, jws, now};

const PATH: &str = "/webhooks/prove";
const SECRET: &str = "whsec_TESTportalsecret0123456789ab";
const HEADER: &str = "X-Prove-Authorization";
const BODIES: &str = include_str!("../samples/prove.jsonl");

fn route(more: &str) -> String {
    format!(
        "[[route]]\npath = \"{PATH}\"\nprovider = \"prove\"\nsecret = {{ env = \"PROVE_SECRET\" }}\n{more}"
    )
}

fn start(app: &Upstream, more: &str) -> Gatepost {
    Setup::new(app)
        .env("PROVE_SECRET", SECRET)
        .toml(&route(more))
        .start()
}

/// What Prove claims, as far as its documents tell.
fn claims() -> Value {
    json!({"iss": "Prove Identity", "iat": now(), "exp": now() + 300})
}

fn claiming(name: &str, value: impl Into<Value>) -> Value {
    let mut claims = claims();
    claims[name] = value.into();
    claims
}

fn lacking(name: &str) -> Value {
    let mut claims = claims();
    claims.as_object_mut().unwrap().remove(name);
    claims
}

fn bearing(token: &str) -> Delivery {
    unsigned(PATH, samples(BODIES)[1]).header(HEADER, format!("Bearer {token}"))
}

fn signed(claims: &Value) -> Delivery {
    bearing(&signing::hs256(SECRET.as_bytes(), claims))
}

fn with_header(header: &str) -> Delivery {
    bearing(&jws(header, &claims().to_string(), |message| {
        hmac("sha256", SECRET.as_bytes(), message)
    }))
}

#[test]
fn every_sample_arrives_with_its_types() {
    let app = Upstream::recording();
    let gate = start(&app, "");
    for sample in samples(BODIES) {
        let delivery = signed(&claims())
            .body(sample)
            .header("X-Correlation-ID", "corr-1");
        let received = gate.accepts(sample, &delivery);
        let events: Vec<Value> = serde_json::from_str(sample).unwrap();
        let types: Vec<&str> = events
            .iter()
            .map(|event| event["eventType"].as_str().unwrap())
            .collect();
        let (types, count) = (types.join(", "), events.len().to_string());
        let mut expected = vec![
            ("client-ip", "127.0.0.1"),
            ("event-count", &count),
            ("event-type", &types),
            ("key", "PROVE_SECRET"),
            ("provider", "prove"),
            ("route", PATH),
            ("verified-by", "jwt-hs256"),
        ];
        let id = at(sample, "/0/eventId").unwrap();
        if events.len() == 1 {
            expected.push(("event-id", &id));
        }
        gate.tells(sample, &received, &expected);
        assert_eq!(received.header("x-correlation-id"), Some("corr-1"));
        assert_eq!(received.header(HEADER), None, "the token is a credential");
    }
}

#[test]
fn genuine_tokens_of_every_shape_are_accepted() {
    let app = Upstream::recording();
    let gate = start(&app, "");
    let token = signing::hs256(SECRET.as_bytes(), &claims());
    for (case, delivery) in [
        ("as documented", signed(&claims())),
        (
            "a lower-case scheme word",
            signed(&claims()).with(HEADER, format!("bearer {token}")),
        ),
        (
            "a lower-case header name",
            signed(&claims())
                .without(HEADER)
                .header(&HEADER.to_lowercase(), format!("Bearer {token}")),
        ),
        (
            "an audience nobody asked for",
            signed(&claiming("aud", "anyone")),
        ),
        (
            "several audiences",
            signed(&claiming("aud", json!(["a", "b"]))),
        ),
        ("claims nobody knows", signed(&claiming("htb_s256", "x"))),
        ("no iat", signed(&lacking("iat"))),
        ("nbf just passed", signed(&claiming("nbf", now() - 1))),
        (
            "nbf within the leeway",
            signed(&claiming("nbf", now() + 50)),
        ),
        (
            "iat within the leeway",
            signed(&claiming("iat", now() + 50)),
        ),
        (
            "exp passed within the leeway",
            signed(&claiming("exp", now() - 50)),
        ),
        (
            "a fractional exp",
            signed(&claiming(
                "exp",
                json!(f64::from(u32::try_from(now()).unwrap()) + 300.5),
            )),
        ),
        ("a far exp", signed(&claiming("exp", 4_102_444_800_i64))),
        ("no typ", with_header(r#"{"alg":"HS256"}"#)),
        (
            "spaces in the header",
            with_header("{ \"typ\" : \"JWT\",\n \"alg\" : \"HS256\" }"),
        ),
        ("an escaped alg", with_header(r#"{"alg":"\u0048S256"}"#)),
        (
            "a kid that is a path",
            with_header(r#"{"alg":"HS256","kid":"../../../dev/null"}"#),
        ),
        (
            "a kid that is SQL",
            with_header(r#"{"alg":"HS256","kid":"x' UNION SELECT 'a"}"#),
        ),
        (
            "a jku",
            with_header(r#"{"alg":"HS256","jku":"http://127.0.0.1:1/keys"}"#),
        ),
        ("an empty body", signed(&claims()).body("")),
        (
            "a body that is not JSON",
            signed(&claims()).body(b"\x00\xff{"),
        ),
        ("an empty batch", signed(&claims()).body("[]")),
        (
            "one event that is no list",
            signed(&claims()).body(r#"{"eventType":"PORT"}"#),
        ),
    ] {
        gate.passes(case, &delivery);
    }
}

#[test]
fn whsec_secrets_can_be_decoded() {
    let app = Upstream::recording();
    let key = b"twenty-four bytes of key";
    let gate = Setup::new(&app)
        .env("PROVE_SECRET", &format!("whsec_{}", base64(key)))
        .toml(&route(
            r#"verify = [{ scheme = "jwt", header = "X-Prove-Authorization", algorithms = ["HS256"],
                issuer = "Prove Identity", secret_encoding = "whsec" }]"#,
        ))
        .start();
    gate.passes("the decoded key", &bearing(&signing::hs256(key, &claims())));
    let text = format!("whsec_{}", base64(key));
    let as_text = bearing(&signing::hs256(text.as_bytes(), &claims()));
    gate.refuses("the text", &as_text, 401, "jwt_signature");
}

#[test]
fn only_secrets_in_force_are_accepted() {
    let app = Upstream::recording();
    let gate = Setup::new(&app)
        .file("new", "new-secret-0123456789\n")
        .file("old", "old-secret-0123456789")
        .file("gone", "gone-secret-0123456789")
        .file("later", "later-secret-0123456789\r\n")
        .toml(&format!(
            r#"[[route]]
            path = "{PATH}"
            provider = "prove"
            secret = [
                {{ file = "new" }},
                {{ file = "old", name = "2025", until = 2199-01-01T00:00:00Z, not_before = 2020-01-01T00:00:00+01:00 }},
                {{ file = "gone", until = 2020-01-01T00:00:00Z }},
                {{ file = "later", not_before = 2199-01-01T00:00:00Z }},
            ]"#
        ))
        .start();
    let by = |secret: &str| bearing(&signing::hs256(secret.as_bytes(), &claims()));
    for (secret, key) in [
        ("new-secret-0123456789", "new"),
        ("old-secret-0123456789", "2025"),
    ] {
        let received = gate.accepts(secret, &by(secret));
        assert_eq!(received.header("x-gatepost-key"), Some(key));
    }
    for secret in [
        "gone-secret-0123456789",
        "later-secret-0123456789",
        "new-secret-0123456789\n",
    ] {
        gate.refuses(secret, &by(secret), 401, "jwt_signature");
    }
}
