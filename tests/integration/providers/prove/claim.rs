//! Tokens that claim what they should not, and routes that ask for more.

use serde_json::{Value, json};

use super::{SECRET, bearing, claiming, claims, lacking, signed, start};
use crate::harness::Upstream;
use crate::signing::{hmac, jws, now};

#[test]
fn no_token_with_other_claims_is_accepted() {
    let app = Upstream::recording();
    let gate = start(&app, "");
    let text = |claims: &str| {
        bearing(&jws(r#"{"alg":"HS256"}"#, claims, |m| {
            hmac("sha256", SECRET.as_bytes(), m)
        }))
    };
    let exp = |value: &str| text(&format!(r#"{{"iss":"Prove Identity","exp":{value}}}"#));
    for (case, delivery, reason) in [
        ("no iss", signed(&lacking("iss")), "jwt_claim"),
        (
            "another iss",
            signed(&claiming("iss", "Prove")),
            "jwt_claim",
        ),
        (
            "iss in lower case",
            signed(&claiming("iss", "prove identity")),
            "jwt_claim",
        ),
        (
            "iss with a space",
            signed(&claiming("iss", "Prove Identity ")),
            "jwt_claim",
        ),
        ("a numeric iss", signed(&claiming("iss", 1)), "jwt_claim"),
        (
            "iss null",
            signed(&claiming("iss", Value::Null)),
            "jwt_claim",
        ),
        (
            "iss a list that holds it",
            signed(&claiming("iss", json!(["Prove Identity"]))),
            "jwt_claim",
        ),
        (
            "iss an object",
            signed(&claiming("iss", json!({"Prove Identity": 1}))),
            "jwt_claim",
        ),
        ("no exp", signed(&lacking("exp")), "jwt_claim"),
        ("exp null", exp("null"), "jwt_claim"),
        (
            "exp a text",
            exp(&format!("\"{}\"", now() + 300)),
            "jwt_claim",
        ),
        ("exp true", exp("true"), "jwt_claim"),
        ("exp a list", exp("[9999999999]"), "jwt_claim"),
        ("exp negative", exp("-9999999999"), "jwt_claim"),
        ("exp past every number", exp("1e999"), "jwt_malformed"),
        ("exp zero", exp("0"), "jwt_expired"),
        (
            "exp passed",
            signed(&claiming("exp", now() - 3600)),
            "jwt_expired",
        ),
        (
            "exp just past the leeway",
            signed(&claiming("exp", now() - 62)),
            "jwt_expired",
        ),
        (
            "exp passed, fractional",
            signed(&claiming(
                "exp",
                json!(f64::from(u32::try_from(now()).unwrap()) - 62.5),
            )),
            "jwt_expired",
        ),
        (
            "nbf ahead",
            signed(&claiming("nbf", now() + 90)),
            "jwt_not_yet_valid",
        ),
        (
            "nbf a text",
            signed(&claiming("nbf", now().to_string())),
            "jwt_claim",
        ),
        (
            "iat ahead",
            signed(&claiming("iat", now() + 90)),
            "jwt_not_yet_valid",
        ),
        (
            "iat a text",
            signed(&claiming("iat", now().to_string())),
            "jwt_claim",
        ),
        (
            "iat in milliseconds",
            signed(&claiming("iat", now() * 1000)),
            "jwt_not_yet_valid",
        ),
        ("claims that are a list", text("[]"), "jwt_malformed"),
        (
            "claims that are not JSON",
            text("iss=Prove Identity"),
            "jwt_malformed",
        ),
        ("claims that are empty", text(""), "jwt_malformed"),
        (
            "claims 5000 lists deep",
            text(&"[".repeat(5000)),
            "jwt_malformed",
        ),
    ] {
        gate.refuses(case, &delivery, 401, reason);
    }
}

#[test]
fn a_route_tightens_the_claims() {
    let app = Upstream::recording();
    let gate = start(
        &app,
        r#"verify = [{ scheme = "jwt", header = "X-Prove-Authorization", algorithms = ["HS256"],
            issuer = ["Prove Identity", "Prove Sandbox"], audience = "hooks", required_claims = ["jti"],
            leeway = "5s", max_age = "2m" }]"#,
    );
    let full = |name: &str, value: Value| {
        let mut claims = claims();
        claims["aud"] = "hooks".into();
        claims["jti"] = "1".into();
        claims[name] = value;
        signed(&claims)
    };
    gate.passes("all there", &full("x", 1.into()));
    gate.passes("the other issuer", &full("iss", "Prove Sandbox".into()));
    gate.passes(
        "a list of audiences",
        &full("aud", json!(["else", "hooks"])),
    );
    gate.passes(
        "an old one within max_age",
        &full("iat", (now() - 110).into()),
    );
    for (case, delivery, reason) in [
        ("no audience", full("aud", Value::Null), "jwt_claim"),
        ("another audience", full("aud", "hook".into()), "jwt_claim"),
        ("other audiences", full("aud", json!(["a", 5])), "jwt_claim"),
        ("a numeric audience", full("aud", 5.into()), "jwt_claim"),
        ("no jti", full("jti", Value::Null), "jwt_claim"),
        (
            "past the shorter leeway",
            full("exp", (now() - 8).into()),
            "jwt_expired",
        ),
        (
            "older than max_age",
            full("iat", (now() - 130).into()),
            "jwt_expired",
        ),
        (
            "no iat to know the age from",
            full("iat", Value::Null),
            "jwt_claim",
        ),
    ] {
        gate.refuses(case, &delivery, 401, reason);
    }
}
