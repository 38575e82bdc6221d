//! Prove: a JWT (HS256) in `X-Prove-Authorization`, a batch of events in the body.

use serde_json::{Value, json};

use super::{at, refuses_without, samples, unsigned};
use crate::harness::{Delivery, Gatepost, Setup, Upstream};
use crate::signing::{self, base64, base64_bare, base64url, hex, hmac, jws, now};

const PATH: &str = "/webhooks/prove";
const SECRET: &str = "whsec_TESTportalsecret0123456789ab";
const HEADER: &str = "X-Prove-Authorization";
const BODIES: &str = include_str!("samples/prove.jsonl");

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
fn no_forged_header_of_a_token_is_accepted() {
    let app = Upstream::recording();
    let gate = start(&app, "");
    let good = signed(&claims());
    refuses_without(
        &gate,
        &good,
        HEADER,
        "credential_missing",
        "credential_malformed",
    );
    let token = good.value(HEADER)["Bearer ".len()..].to_owned();
    let parts: Vec<&str> = token.split('.').collect();
    let (h, p, s) = (parts[0], parts[1], parts[2]);
    let raw = hmac("sha256", SECRET.as_bytes(), format!("{h}.{p}").as_bytes());
    let other = base64url(claiming("sub", "me").to_string().as_bytes());
    let none = |alg: &str| {
        format!(
            "{}.{p}.",
            base64url(format!(r#"{{"alg":{alg}}}"#).as_bytes())
        )
    };
    for (case, value, reason) in [
        ("no scheme word", token.clone(), "credential_malformed"),
        (
            "another scheme word",
            format!("Basic {token}"),
            "credential_malformed",
        ),
        (
            "a scheme word and nothing",
            "Bearer".into(),
            "credential_malformed",
        ),
        (
            "a tab after the scheme word",
            format!("Bearer\t{token}"),
            "credential_malformed",
        ),
        ("two spaces", format!("Bearer  {token}"), "jwt_malformed"),
        (
            "two tokens in one line",
            format!("Bearer {token}, Bearer {token}"),
            "jwt_malformed",
        ),
        (
            "something after the token",
            format!("Bearer {token} x"),
            "jwt_signature",
        ),
        ("two parts", format!("Bearer {h}.{p}"), "jwt_malformed"),
        ("one part", format!("Bearer {h}"), "jwt_malformed"),
        ("four parts", format!("Bearer {token}.x"), "jwt_malformed"),
        (
            "five parts",
            format!("Bearer {h}..{p}.{s}.{s}"),
            "jwt_malformed",
        ),
        ("only dots", "Bearer ..".into(), "jwt_malformed"),
        (
            "other claims under the same signature",
            format!("Bearer {h}.{other}.{s}"),
            "jwt_signature",
        ),
        ("no signature", format!("Bearer {h}.{p}."), "jwt_signature"),
        (
            "a cut signature",
            format!("Bearer {}", &token[..token.len() - 4]),
            "jwt_signature",
        ),
        (
            "a longer signature",
            format!("Bearer {token}AAAA"),
            "jwt_signature",
        ),
        (
            "a padded signature",
            format!("Bearer {token}="),
            "jwt_signature",
        ),
        (
            "a hex signature",
            format!("Bearer {h}.{p}.{}", hex(&raw)),
            "jwt_signature",
        ),
        (
            "a signature twice",
            format!("Bearer {h}.{p}.{s}{s}"),
            "jwt_signature",
        ),
        (
            "padded claims",
            format!("Bearer {h}.{p}=.{s}"),
            "jwt_signature",
        ),
        (
            "alg none",
            format!("Bearer {}", none("\"none\"")),
            "jwt_algorithm_not_allowed",
        ),
        (
            "alg None",
            format!("Bearer {}", none("\"None\"")),
            "jwt_algorithm_not_allowed",
        ),
        (
            "alg NONE",
            format!("Bearer {}", none("\"NONE\"")),
            "jwt_algorithm_not_allowed",
        ),
        (
            "alg nOnE",
            format!("Bearer {}", none("\"nOnE\"")),
            "jwt_algorithm_not_allowed",
        ),
        (
            "alg null",
            format!("Bearer {}", none("null")),
            "jwt_malformed",
        ),
        (
            "an empty alg",
            format!("Bearer {}", none("\"\"")),
            "jwt_algorithm_not_allowed",
        ),
        (
            "alg a list",
            format!("Bearer {}", none("[\"HS256\"]")),
            "jwt_malformed",
        ),
        (
            "alg a number",
            format!("Bearer {}", none("256")),
            "jwt_malformed",
        ),
    ] {
        gate.refuses(case, &good.clone().with(HEADER, value), 401, reason);
    }
    // The same signature in the standard alphabet: only where it differs is it another one.
    let plain = base64_bare(&raw);
    if plain != s {
        let value = format!("Bearer {h}.{p}.{plain}");
        gate.refuses(
            "the standard alphabet",
            &good.clone().with(HEADER, value),
            401,
            "jwt_signature",
        );
    }
    let padded = format!("Bearer {h}.{p}.{}", base64(&raw));
    gate.refuses(
        "standard base64",
        &good.with(HEADER, padded),
        401,
        "jwt_signature",
    );
}

#[test]
fn no_other_algorithm_or_key_is_accepted() {
    let app = Upstream::recording();
    let gate = start(&app, "");
    let key = SECRET.as_bytes();
    let text = claims().to_string();
    let by = |header: &str, sign: &dyn Fn(&[u8]) -> Vec<u8>| bearing(&jws(header, &text, sign));
    let hs = r#"{"alg":"HS256"}"#;
    let rsa = signing::rsa(0);
    let decoded = data_encoding::BASE64_NOPAD
        .decode(&key["whsec_".len()..])
        .unwrap_or_default();
    let jwk = format!(
        r#"{{"alg":"HS256","jwk":{{"kty":"oct","k":"{}"}}}}"#,
        base64url(b"attacker")
    );
    for (case, delivery, reason) in [
        (
            "HS384 with the right secret",
            by(r#"{"alg":"HS384"}"#, &|m| hmac("sha384", key, m)),
            "jwt_algorithm_not_allowed",
        ),
        (
            "HS512 with the right secret",
            by(r#"{"alg":"HS512"}"#, &|m| hmac("sha512", key, m)),
            "jwt_algorithm_not_allowed",
        ),
        (
            "HS384 said to be HS256",
            by(hs, &|m| hmac("sha384", key, m)),
            "jwt_signature",
        ),
        (
            "hs256 in lower case",
            by(r#"{"alg":"hs256"}"#, &|m| hmac("sha256", key, m)),
            "jwt_algorithm_not_allowed",
        ),
        (
            "RS256",
            by(r#"{"alg":"RS256"}"#, &|m| rsa.pkcs1("sha256", m)),
            "jwt_algorithm_not_allowed",
        ),
        (
            "PS256",
            by(r#"{"alg":"PS256"}"#, &|m| rsa.pss("sha256", m)),
            "jwt_algorithm_not_allowed",
        ),
        (
            "ES256",
            by(r#"{"alg":"ES256"}"#, &|m| {
                signing::ecdsa("P-256").sign_bare(m)
            }),
            "jwt_algorithm_not_allowed",
        ),
        (
            "EdDSA",
            by(r#"{"alg":"EdDSA"}"#, &|m| {
                signing::ed25519().sign(m).as_ref().to_vec()
            }),
            "jwt_algorithm_not_allowed",
        ),
        (
            "an RSA signature said to be HS256",
            by(hs, &|m| rsa.pkcs1("sha256", m)),
            "jwt_signature",
        ),
        (
            "the public key as secret",
            by(hs, &|m| hmac("sha256", rsa.pem().as_bytes(), m)),
            "jwt_signature",
        ),
        (
            "another secret",
            by(hs, &|m| hmac("sha256", b"whsec_other", m)),
            "jwt_signature",
        ),
        (
            "the empty secret",
            by(hs, &|m| hmac("sha256", b"", m)),
            "jwt_signature",
        ),
        (
            "the secret with a newline",
            by(hs, &|m| hmac("sha256", format!("{SECRET}\n").as_bytes(), m)),
            "jwt_signature",
        ),
        (
            "the secret without whsec_",
            by(hs, &|m| hmac("sha256", &key["whsec_".len()..], m)),
            "jwt_signature",
        ),
        (
            "the secret decoded",
            by(hs, &|m| hmac("sha256", &decoded, m)),
            "jwt_signature",
        ),
        (
            "an unkeyed hash",
            by(hs, &|m| signing::digest("sha256", m)),
            "jwt_signature",
        ),
        (
            "a key in the token",
            by(&jwk, &|m| hmac("sha256", b"attacker", m)),
            "jwt_signature",
        ),
        (
            "crit",
            with_header(r#"{"alg":"HS256","crit":["exp"],"exp":1}"#),
            "jwt_malformed",
        ),
        (
            "an empty crit",
            with_header(r#"{"alg":"HS256","crit":[]}"#),
            "jwt_malformed",
        ),
        (
            "b64 false",
            with_header(r#"{"alg":"HS256","b64":false}"#),
            "jwt_malformed",
        ),
        (
            "zip",
            with_header(r#"{"alg":"HS256","zip":"DEF"}"#),
            "jwt_malformed",
        ),
        ("no alg", with_header(r#"{"typ":"JWT"}"#), "jwt_malformed"),
        (
            "a header that is a list",
            with_header(r#"["HS256"]"#),
            "jwt_malformed",
        ),
        (
            "a header that is not JSON",
            with_header("alg=HS256"),
            "jwt_malformed",
        ),
        ("a header that is empty", with_header(""), "jwt_malformed"),
        (
            "a header 5000 lists deep",
            with_header(&"[".repeat(5000)),
            "jwt_malformed",
        ),
    ] {
        gate.refuses(case, &delivery, 401, reason);
    }
}

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
