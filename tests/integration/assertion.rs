//! The signed statement of `upstream.assertion`: an app can prove it, and nobody can make one.

use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde_json::Value;

use crate::harness::{Delivery, Received, Setup, Upstream};
use crate::signing::{digest, hex, hmac};

const SECRET: &str = "assertion-route-secret";
const SHARED: &str = "a-shared-secret-of-thirty-two-bytes-or-more";
const BODY: &[u8] = b"{\"type\":\"paid, twice\",\"id\":\"evt_1\"}";

fn setup(app: &Upstream, source: &str) -> Setup {
    Setup::new(app)
        .env("SECRET", SECRET)
        .env("SHARED", SHARED)
        .upstream(&format!("assertion = {source}"))
        .toml(
            "[[route]]\npath = \"/hook\"\nprovider = \"acme\"\nsecret = { env = \"SECRET\" }\n\
             event = { type = { json = \"/type\" }, id = { json = \"/id\" } }\n\
             verify = [{ scheme = \"hmac\", header = \"X-Sig\" }]\n\
             [[route]]\npath = \"/open/*\"\nmode = \"passthrough\"\n\
             [provider.acme]\ntitle = \"Acme\"",
        )
}

fn good() -> Delivery {
    Delivery::post("/hook")
        .header("X-Sig", hex(&hmac("sha256", SECRET.as_bytes(), BODY)))
        .header("X-Gatepost-Assertion", "forged")
        .body(BODY)
}

/// The claims, once the signature, `iss` and `exp` hold.
fn proved(token: &str, key: &DecodingKey, algorithm: Algorithm) -> Value {
    let mut validation = Validation::new(algorithm);
    validation.set_issuer(&["gatepost"]);
    decode::<Value>(token, key, &validation).unwrap().claims
}

fn assert_true(claims: &Value, told: &Received) {
    assert_eq!(claims["provider"], "acme");
    assert_eq!(claims["route"], "/hook");
    assert_eq!(claims["event_id"], "evt_1");
    // The same text as the header, so that an app compares one with the other.
    assert_eq!(claims["event_type"], "paid%2C twice");
    assert_eq!(told.header("x-gatepost-event-type"), Some("paid%2C twice"));
    assert_eq!(claims["body_sha256"], hex(&digest("sha256", BODY)));
    assert_eq!(
        Some(claims["jti"].as_str().unwrap()),
        told.header("x-gatepost-request-id")
    );
    let seconds = claims["exp"].as_u64().unwrap() - claims["iat"].as_u64().unwrap();
    assert_eq!(seconds, 60);
}

#[test]
fn an_ed25519_key_signs_what_the_app_can_prove() {
    let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
    let app = Upstream::recording();
    let gate = setup(&app, "{ file = \"key.pem\", name = \"2026\" }")
        .file("key.pem", pair.serialize_pem())
        .start();
    let told = gate.passes("signed", &good()).unwrap();
    let [token] = told.values("x-gatepost-assertion")[..] else {
        panic!("one statement: {told:?}");
    };
    assert_eq!(decode_header(token).unwrap().kid.as_deref(), Some("2026"));
    let key = DecodingKey::from_ed_der(pair.public_key_raw());
    assert_true(&proved(token, &key, Algorithm::EdDSA), &told);
}

#[test]
fn a_shared_secret_signs_too() {
    let app = Upstream::recording();
    let gate = setup(&app, "{ env = \"SHARED\" }").start();
    let told = gate.passes("signed", &good()).unwrap();
    let token = told.header("x-gatepost-assertion").unwrap();
    let key = DecodingKey::from_secret(SHARED.as_bytes());
    assert_true(&proved(token, &key, Algorithm::HS256), &told);
}

#[test]
fn what_is_not_verified_is_not_stated() {
    let app = Upstream::recording();
    let gate = setup(&app, "{ env = \"SHARED\" }").start();
    let open = Delivery::post("/open/x")
        .header("X-Gatepost-Assertion", "forged")
        .body(BODY);
    let told = gate.passes("passthrough", &open).unwrap();
    assert!(told.values("x-gatepost-assertion").is_empty());
}
