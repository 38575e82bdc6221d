//! Tokens that Prove did not make.

use super::super::refuses_without;
use super::{HEADER, SECRET, bearing, claiming, claims, signed, start, with_header};
use crate::harness::Upstream;
use crate::signing::{self, base64, base64_bare, base64url, hex, hmac, jws};

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
