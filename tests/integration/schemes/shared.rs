//! Static credentials, and steps together: all, any.

use super::{PATH, SECRET, delivery, routed, setup, verifying};
use crate::harness::{Delivery, Upstream};
use crate::signing::{base64, hex, hmac};

const BODY: &str = r#"{"type":"ping","auth":{"key":"acme-secret-0123456789"}}"#;

#[test]
fn an_api_key_may_stand_in_the_query() {
    let app = Upstream::recording();
    let gate = setup(&app, "scheme = \"api_key\", query = \"key\"").start();
    let at = |query: &str| Delivery::post(&format!("{PATH}{query}")).body(BODY);
    for (query, rest) in [
        (format!("?key={SECRET}"), ""),
        (format!("?a=%31&key={SECRET}&b"), "?a=%31&b"),
        (format!("?key={}", SECRET.replace('-', "%2D")), ""),
    ] {
        let Some(received) = gate.passes(&query, &at(&query)) else {
            continue;
        };
        assert_eq!(
            received.line,
            format!("POST {PATH}{rest} HTTP/1.1"),
            "the key is not for the app; the rest is there byte for byte"
        );
    }
    for (query, status, reason) in [
        (String::new(), 401, "credential_missing"),
        ("?".into(), 401, "credential_missing"),
        ("?key".into(), 401, "credential_wrong"),
        ("?key=".into(), 401, "credential_wrong"),
        ("?key=x".into(), 401, "credential_wrong"),
        (format!("?KEY={SECRET}"), 401, "credential_missing"),
        (format!("?xkey={SECRET}"), 401, "credential_missing"),
        (format!("?key={SECRET}&key=x"), 400, "credential_repeated"),
        (format!("?key=x&key={SECRET}"), 400, "credential_repeated"),
        (format!("?key={SECRET}&%6bey=x"), 400, "credential_repeated"),
        (format!("?key={SECRET}%00"), 401, "credential_wrong"),
    ] {
        gate.refuses(&query, &at(&query), status, reason);
    }
    gate.refuses(
        "in a header",
        &at("").header("key", SECRET),
        401,
        "credential_missing",
    );
}

#[test]
fn an_api_key_may_stand_in_the_body() {
    let app = Upstream::recording();
    let gate = setup(&app, "scheme = \"api_key\", json = \"/auth/key\"").start();
    let received = gate.accepts("there", &delivery(BODY));
    gate.tells(
        "there",
        &received,
        &[
            ("client-ip", "127.0.0.1"),
            ("event-type", "ping"),
            ("key", "ACME_SECRET"),
            ("provider", "acme"),
            ("route", PATH),
            ("verified-by", "api-key"),
        ],
    );
    gate.passes(
        "escaped",
        &delivery(r#"{"auth":{"key":"\u0061cme-secret-0123456789"}}"#),
    );
    for (body, status, reason) in [
        ("", 401, "credential_missing"),
        ("{}", 401, "credential_missing"),
        ("not JSON", 401, "credential_missing"),
        (r#"{"auth":{"key":null}}"#, 401, "credential_missing"),
        (r#"{"auth":{"key":""}}"#, 401, "credential_wrong"),
        (r#"{"auth":{"key":"x"}}"#, 401, "credential_wrong"),
        (
            r#"{"key":"acme-secret-0123456789"}"#,
            401,
            "credential_missing",
        ),
        (
            r#"{"auth":{"key":"acme-secret-0123456789","key":"x"}}"#,
            400,
            "credential_repeated",
        ),
        (
            r#"{"auth":{"key":"x"},"auth":{"key":"acme-secret-0123456789"}}"#,
            400,
            "credential_repeated",
        ),
        (
            r#"{"auth":{"key":"acme-secret-0123456789"}"#,
            401,
            "credential_missing",
        ),
    ] {
        gate.refuses(body, &delivery(body), status, reason);
    }
    let status = gate
        .send(&delivery(r#"{"auth":{"key":["acme-secret-0123456789"]}}"#))
        .status;
    assert_eq!(status, 401, "a list");
}

#[test]
fn every_step_must_pass() {
    let app = Upstream::recording();
    let steps = r#"[{ scheme = "api_key", header = "X-Key", secret = { env = "KEY" } },
        { scheme = "hmac", header = "X-Sig" }]"#;
    let gate = verifying(&app, steps).env("KEY", "the-api-key").start();
    let signature = hex(&hmac("sha256", SECRET.as_bytes(), BODY.as_bytes()));
    let key = delivery(BODY).header("X-Key", "the-api-key");
    let both = key.clone().header("X-Sig", &signature);
    let received = gate.accepts("both", &both);
    assert_eq!(
        received.header("x-gatepost-verified-by"),
        Some("api-key, hmac-sha256")
    );
    assert_eq!(received.header("x-gatepost-key"), Some("KEY"));
    gate.refuses("only the key", &key, 401, "signature_missing");
    gate.refuses(
        "only the signature",
        &both.clone().without("X-Key"),
        401,
        "credential_missing",
    );
    gate.refuses(
        "a wrong signature",
        &key.header("X-Sig", "00".repeat(32)),
        401,
        "signature_mismatch",
    );
    gate.refuses(
        "a wrong key",
        &both.with("X-Key", "x"),
        401,
        "credential_wrong",
    );
    let by_key = delivery(BODY)
        .header("X-Key", SECRET)
        .header("X-Sig", &signature);
    gate.refuses(
        "the secret of the other step",
        &by_key,
        401,
        "credential_wrong",
    );
}

#[test]
fn of_any_one_step_must_pass() {
    let app = Upstream::recording();
    let steps = r#"[{ any = [{ scheme = "hmac", header = "X-Sig" }, { scheme = "basic", username = "acme" },
        { scheme = "bearer", header = "X-Token" }] }]"#;
    let gate = verifying(&app, steps).start();
    let signature = hex(&hmac("sha256", SECRET.as_bytes(), BODY.as_bytes()));
    let basic = format!("Basic {}", base64(format!("acme:{SECRET}").as_bytes()));
    let token = format!("Bearer {SECRET}");
    for (name, value, label) in [
        ("X-Sig", &signature, "hmac-sha256"),
        ("Authorization", &basic, "basic"),
        ("X-Token", &token, "bearer"),
    ] {
        let received = gate.accepts(label, &delivery(BODY).header(name, value));
        assert_eq!(received.header("x-gatepost-verified-by"), Some(label));
        assert_eq!(
            received.header(name).is_some(),
            label == "hmac-sha256",
            "credentials do not reach the app"
        );
    }
    let one_wrong = delivery(BODY)
        .header("X-Sig", "00")
        .header("X-Token", &token);
    gate.passes("one wrong, one right", &one_wrong);
    let wrong = delivery(BODY)
        .header("X-Sig", "00".repeat(32))
        .header("Authorization", "Basic eDp5")
        .header("X-Token", "Bearer x");
    let response = gate.send(&wrong);
    assert_eq!(response.status, 401);
    let response = gate.send(&delivery(BODY));
    assert_eq!(response.status, 401, "none at all");
}

#[test]
fn a_route_overlays_its_provider() {
    let app = Upstream::recording();
    let keys = "verify = [{ scheme = \"bearer\" }]\nsecret = { env = \"ACME_SECRET\" }\nreject_status = 404\n\
                event.type = { header = \"X-Type\" }";
    let gate = routed(&app, "[{ scheme = \"hmac\", header = \"X-Sig\" }]", keys)
        .env("ACME_SECRET", SECRET)
        .start();
    let good = delivery(BODY).header("Authorization", format!("Bearer {SECRET}"));
    let received = gate.accepts(
        "the route's",
        &good.clone().header("X-Type", "t").header("X-Id", "7"),
    );
    gate.tells(
        "the route's type, the provider's id",
        &received,
        &[
            ("client-ip", "127.0.0.1"),
            ("event-id", "7"),
            ("event-type", "t"),
            ("key", "ACME_SECRET"),
            ("provider", "acme"),
            ("route", PATH),
            ("verified-by", "bearer"),
        ],
    );
    gate.refuses(
        "with reject_status",
        &delivery(BODY),
        404,
        "credential_missing",
    );
    let signed = delivery(BODY).header(
        "X-Sig",
        hex(&hmac("sha256", SECRET.as_bytes(), BODY.as_bytes())),
    );
    gate.refuses(
        "the provider's own step",
        &signed,
        404,
        "credential_missing",
    );
    gate.refuses(
        "repeated is another matter",
        &good.header("Authorization", "Bearer x"),
        400,
        "credential_repeated",
    );
}

#[test]
fn an_event_type_that_is_required_is_required() {
    let app = Upstream::recording();
    let keys = "secret = { env = \"ACME_SECRET\" }\nevent.required = true\n\
                event.type = [{ json = \"/*/type\" }, { json = \"/type\" }, { query = \"type\" }]";
    let gate = routed(&app, "[{ scheme = \"api_key\", header = \"X-Key\" }]", keys)
        .env("ACME_SECRET", SECRET)
        .start();
    let of = |body: &str| delivery(body).header("X-Key", SECRET);
    for (body, told) in [
        (r#"{"type":"a"}"#, "a"),
        (r#"[{"type":"a"},{"type":"b"},{"type":"a"},{}]"#, "a, b"),
        (r#"{"type":5}"#, "5"),
    ] {
        let received = gate.accepts(body, &of(body));
        assert_eq!(received.header("x-gatepost-event-type"), Some(told));
    }
    let mut queried = of("");
    queried.target = format!("{PATH}?type=q%20q");
    assert_eq!(
        gate.accepts("query", &queried)
            .header("x-gatepost-event-type"),
        Some("q q")
    );
    for (body, reason) in [
        ("", "event_missing"),
        ("{}", "event_missing"),
        ("[]", "event_missing"),
        (r#"{"type":{}}"#, "event_missing"),
        (r#"{"type":"a"} {}"#, "event_missing"),
        (r#"{"type":"a","type":"a"}"#, "event_ambiguous"),
        (r#"[{"type":"a","type":"b"}]"#, "event_ambiguous"),
    ] {
        gate.refuses(body, &of(body), 400, reason);
    }
    gate.refuses("unverified", &delivery("{}"), 401, "credential_missing");
}

#[test]
fn a_provider_that_wants_no_body_gets_none() {
    let app = Upstream::recording();
    let step = "[{ scheme = \"bearer\" }]";
    for (keys, told) in [("", true), ("reject_body = false", false)] {
        let keys = format!("secret = {{ env = \"ACME_SECRET\" }}\n{keys}");
        let gate = routed(&app, step, &keys).env("ACME_SECRET", SECRET).start();
        let response = gate.send(&delivery(BODY));
        assert_eq!(response.status, 401, "{keys}");
        assert_eq!(!response.body.is_empty(), told, "{keys}");
        assert_eq!(response.header("content-type").is_some(), told, "{keys}");
        assert!(response.header("x-gatepost-request-id").is_some(), "{keys}");
    }
}
