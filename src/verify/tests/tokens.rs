//! Tokens that a library or a careless reader takes for good.

use serde_json::{Value, json};

use super::*;
use crate::verify::jwt::{ALGORITHMS, Jwt, Key};

const SECRET: &[u8] = b"a-shared-secret-of-32-bytes-long";
const LEEWAY: i64 = 60;

fn keyed(names: &[&str], keys: Ring<Key>) -> Jwt {
    Jwt {
        place: Place::Header(http::header::AUTHORIZATION),
        prefix: "Bearer ".into(),
        algorithms: ALGORITHMS
            .iter()
            .filter(|known| names.contains(&known.name))
            .collect(),
        detached: false,
        issuers: vec![Template::literal("prove")],
        audiences: Vec::new(),
        required: vec!["exp".into()],
        leeway: Duration::from_secs(60),
        issued_at: "iat".into(),
        max_age: None,
        body_hash: Vec::new(),
        keys,
    }
}

fn step() -> Jwt {
    keyed(&["HS256"], ring(Key::shared(&secret(SECRET))))
}

fn of(step: Jwt) -> Plan {
    plan(vec![vec![Step::Jwt(Box::new(step))]])
}

fn text(bytes: &[u8]) -> String {
    Encoding::Base64Url.encode(bytes)
}

/// HMAC-SHA256 over the two parts as they are, under `key`.
fn sign_parts(header: &str, payload: &str, key: &[u8]) -> String {
    let message = format!("{header}.{payload}");
    let mut mac = super::super::Mac::new(Hash::Sha256, key).unwrap();
    mac.update(message.as_bytes());
    format!("{message}.{}", text(&mac.finish()))
}

/// A token of this header and payload, verbatim.
fn token(header: &str, payload: &str) -> String {
    sign_parts(&text(header.as_bytes()), &text(payload.as_bytes()), SECRET)
}

const HEADER: &str = r#"{"alg":"HS256","typ":"JWT"}"#;

fn good_claims() -> Value {
    json!({ "iss": "prove", "exp": 1_700_000_300, "iat": 1_700_000_000 })
}

fn claims(change: &[(&str, Value)]) -> String {
    let mut claims = good_claims();
    for (name, value) in change {
        claims[*name] = value.clone();
    }
    claims.to_string()
}

fn bearing(value: &str) -> Delivery {
    let mut delivery = delivery(b"{}");
    delivery
        .headers
        .insert("authorization", HeaderValue::from_str(value).unwrap());
    delivery
}

fn outcome(plan: &Plan, token: &str) -> Result<(), Rejection> {
    verdict(plan, &bearing(&format!("Bearer {token}")))
}

fn refuse(plan: &Plan, token: &str, what: &str) -> Rejection {
    refused(plan, &bearing(&format!("Bearer {token}")), what)
}

#[test]
fn the_claims_that_the_library_gets_wrong() {
    let plan = of(step());
    assert_eq!(outcome(&plan, &token(HEADER, &claims(&[]))), Ok(()));
    // A token with an audience passes where none is configured.
    assert_eq!(
        outcome(&plan, &token(HEADER, &claims(&[("aud", json!("x"))]))),
        Ok(())
    );
    for (payload, reason) in [
        (
            json!({"exp": 1_700_000_300}).to_string(),
            Rejection::JwtClaim,
        ),
        (claims(&[("iss", json!(7))]), Rejection::JwtClaim),
        (claims(&[("iss", json!(["prove"]))]), Rejection::JwtClaim),
        (
            claims(&[("iss", json!(["x", "prove"]))]),
            Rejection::JwtClaim,
        ),
        (claims(&[("iss", json!({"prove": 1}))]), Rejection::JwtClaim),
        (claims(&[("iss", json!(null))]), Rejection::JwtClaim),
        (claims(&[("iss", json!("Prove"))]), Rejection::JwtClaim),
        (claims(&[("iss", json!("prove "))]), Rejection::JwtClaim),
        (claims(&[("iss", json!("prove\0"))]), Rejection::JwtClaim),
        (
            claims(&[("nbf", json!(1_700_000_061))]),
            Rejection::JwtNotYetValid,
        ),
        (
            claims(&[("iat", json!(1_700_000_061))]),
            Rejection::JwtNotYetValid,
        ),
        (claims(&[("nbf", json!("1"))]), Rejection::JwtClaim),
        (claims(&[("iat", json!("1"))]), Rejection::JwtClaim),
        (claims(&[("exp", json!("1700000300"))]), Rejection::JwtClaim),
        (claims(&[("exp", json!(true))]), Rejection::JwtClaim),
        (claims(&[("exp", json!(null))]), Rejection::JwtClaim),
        (
            claims(&[("exp", json!([1_700_000_300]))]),
            Rejection::JwtClaim,
        ),
        (claims(&[("exp", json!({}))]), Rejection::JwtClaim),
        (claims(&[("exp", json!(-1))]), Rejection::JwtClaim),
        (claims(&[("exp", json!(0))]), Rejection::JwtExpired),
        (json!({"iss": "prove"}).to_string(), Rejection::JwtClaim),
    ] {
        assert_eq!(
            refuse(&plan, &token(HEADER, &payload), &payload),
            reason,
            "{payload}"
        );
    }
    for number in [
        "1e400",
        "-1e400",
        "1e",
        "01700000300",
        "0x7fffffff",
        "NaN",
        "Infinity",
        "+1",
    ] {
        let payload = format!(r#"{{"iss":"prove","exp":{number}}}"#);
        assert_eq!(
            refuse(&plan, &token(HEADER, &payload), number),
            Rejection::JwtMalformed
        );
    }
    for number in [
        "18446744073709551616",
        "1e300",
        "1.7000003e9",
        "1700000300.5",
    ] {
        let payload = format!(r#"{{"iss":"prove","exp":{number}}}"#);
        assert_eq!(outcome(&plan, &token(HEADER, &payload)), Ok(()), "{number}");
    }
}

#[test]
fn an_audience_is_one_of_ours_or_the_token_is_not_for_us() {
    let plan = of(Jwt {
        audiences: vec![Template::literal("us"), Template::literal("also us")],
        ..step()
    });
    for aud in [json!("us"), json!(["x", "also us"]), json!(["us"])] {
        assert_eq!(
            outcome(&plan, &token(HEADER, &claims(&[("aud", aud)]))),
            Ok(())
        );
    }
    let none = claims(&[]);
    assert_eq!(
        refuse(&plan, &token(HEADER, &none), "no audience"),
        Rejection::JwtClaim
    );
    for aud in [
        json!("US"),
        json!("us,also us"),
        json!([]),
        json!(["x"]),
        json!([["us"]]),
        json!({"us": true}),
        json!(null),
        json!(true),
    ] {
        let payload = claims(&[("aud", aud)]);
        assert_eq!(
            refuse(&plan, &token(HEADER, &payload), &payload),
            Rejection::JwtClaim
        );
    }
}

#[test]
fn the_clock_decides_at_the_very_second() {
    let at = |step: Jwt, payload: &str, seconds: i64| {
        let plan = of(step);
        let delivery = bearing(&format!("Bearer {}", token(HEADER, payload)));
        judge(&plan, &delivery, &[], later(seconds)).map(drop)
    };
    let payload = claims(&[]);
    // RFC 7519 §4.1.4: on or after `exp` it is refused, the leeway added.
    assert_eq!(at(step(), &payload, 300 + LEEWAY - 1), Ok(()));
    assert_eq!(
        at(step(), &payload, 300 + LEEWAY),
        Err(Rejection::JwtExpired)
    );
    assert_eq!(at(step(), &payload, -LEEWAY), Ok(()));
    assert_eq!(
        at(step(), &payload, -LEEWAY - 1),
        Err(Rejection::JwtNotYetValid)
    );
    let early = claims(&[("nbf", json!(1_700_000_100))]);
    assert_eq!(at(step(), &early, 100 - LEEWAY), Ok(()));
    assert_eq!(
        at(step(), &early, 100 - LEEWAY - 1),
        Err(Rejection::JwtNotYetValid)
    );
    let strict = || Jwt {
        leeway: Duration::ZERO,
        ..step()
    };
    assert_eq!(at(strict(), &payload, 299), Ok(()));
    assert_eq!(at(strict(), &payload, 300), Err(Rejection::JwtExpired));
    let young = || Jwt {
        max_age: Some(Duration::from_secs(120)),
        ..step()
    };
    assert_eq!(at(young(), &payload, 120 + LEEWAY), Ok(()));
    assert_eq!(
        at(young(), &payload, 121 + LEEWAY),
        Err(Rejection::JwtExpired)
    );
    let ageless = r#"{"iss":"prove","exp":1700000300}"#;
    assert_eq!(at(young(), ageless, 0), Err(Rejection::JwtClaim));
}

#[test]
fn repeated_members_are_refused() {
    let plan = of(step());
    for payload in [
        r#"{"iss":"evil","exp":1700000300,"iss":"prove"}"#,
        r#"{"iss":"prove","exp":1700000300,"iss":"evil"}"#,
        r#"{"iss":"prove","exp":1,"exp":1700000300}"#,
        r#"{"iss":"prove","exp":1700000300,"\u0069ss":"prove"}"#,
    ] {
        assert_eq!(
            refuse(&plan, &token(HEADER, payload), payload),
            Rejection::JwtMalformed
        );
    }
    for header in [
        r#"{"alg":"none","alg":"HS256"}"#,
        r#"{"alg":"HS256","alg":"none"}"#,
        r#"{"alg":"HS256","\u0061lg":"HS256"}"#,
    ] {
        let made = token(header, &claims(&[]));
        assert_eq!(refuse(&plan, &made, header), Rejection::JwtMalformed);
    }
}

#[test]
fn headers_that_choose_or_change_the_rules() {
    let plan = of(step());
    let payload = claims(&[]);
    for header in [
        r#"{"alg":"none"}"#,
        r#"{"alg":"None"}"#,
        r#"{"alg":"NONE"}"#,
        r#"{"alg":"hs256"}"#,
        r#"{"alg":"HS384"}"#,
        r#"{"alg":"HS512"}"#,
        r#"{"alg":"RS256"}"#,
        r#"{"alg":"ES256"}"#,
        r#"{"alg":""}"#,
        r#"{"alg":"HS256 "}"#,
        r#"{"alg":"HS256\u0000"}"#,
        r#"{"alg":"dir"}"#,
    ] {
        let made = token(header, &payload);
        assert_eq!(
            refuse(&plan, &made, header),
            Rejection::JwtAlgorithmNotAllowed,
            "{header}"
        );
        let (unsigned, _) = made.rsplit_once('.').unwrap();
        refuse(&plan, &format!("{unsigned}."), "no signature");
    }
    for header in [
        "{}",
        "[]",
        r#"["alg","HS256"]"#,
        r#"[{"alg":"HS256"}]"#,
        r#""HS256""#,
        "null",
        r#"{"alg":null}"#,
        r#"{"alg":["HS256"]}"#,
        r#"{"alg":256}"#,
        r#"{"ALG":"HS256"}"#,
        r#"{"alg":"HS256","crit":[]}"#,
        r#"{"alg":"HS256","crit":["exp"]}"#,
        r#"{"alg":"HS256","b64":false,"crit":["b64"]}"#,
        r#"{"alg":"HS256","b64":true}"#,
        r#"{"alg":"HS256","zip":"DEF"}"#,
        r#"{"alg":"HS256"} x"#,
        r#"{"alg":"HS256"}{}"#,
        r#"{"alg":"HS256",}"#,
        "{'alg':'HS256'}",
        "",
    ] {
        let made = token(header, &payload);
        assert_eq!(
            refuse(&plan, &made, header),
            Rejection::JwtMalformed,
            "{header}"
        );
    }
    // What a header says of keys is not read; an escape in JSON is the character it stands for.
    for header in [
        r#"{"alg":"H\u0053256"}"#,
        r#"{"alg":"HS256","kid":"../../../dev/null"}"#,
        r#"{"alg":"HS256","kid":"' OR 1=1 --"}"#,
        r#"{"alg":"HS256","kid":7}"#,
        r#"{"alg":"HS256","jku":"http://127.0.0.1:1/jwks"}"#,
        r#"{"alg":"HS256","x5u":"http://127.0.0.1:1/x"}"#,
        r#"{"alg":"HS256","x5c":["AAAA"],"typ":"other","cty":"JWT"}"#,
        r#"{"alg":"HS256","jwk":{"kty":"oct","k":"AAAA"}}"#,
    ] {
        assert_eq!(outcome(&plan, &token(header, &payload)), Ok(()), "{header}");
        let forged = sign_parts(
            &text(header.as_bytes()),
            &text(payload.as_bytes()),
            b"\0\0\0",
        );
        assert_eq!(refuse(&plan, &forged, header), Rejection::JwtSignature);
        let empty = sign_parts(&text(header.as_bytes()), &text(payload.as_bytes()), b"");
        assert_eq!(refuse(&plan, &empty, header), Rejection::JwtSignature);
    }
}

#[test]
fn a_public_key_is_never_a_shared_secret() {
    let payload = text(claims(&[]).as_bytes());
    let pairs = [(&RSA, "RS256"), (&P256, "ES256"), (&ED25519, "EdDSA")];
    for (pair, name) in pairs {
        let bytes = match &pair.public.material {
            Material::Ed25519(bytes) | Material::P256(bytes) | Material::P384(bytes) => {
                bytes.clone()
            }
            Material::Rsa { modulus, .. } => modulus.clone(),
        };
        let pem = pair.private.public_pem().unwrap_or_default();
        let keys = || ring(Key::public(&pair.public));
        for key in [&*bytes, pem.as_bytes(), pem.trim_end().as_bytes(), b""] {
            for alg in ["HS256", name] {
                let header = text(format!(r#"{{"alg":"{alg}"}}"#).as_bytes());
                let made = sign_parts(&header, &payload, key);
                refuse(&of(keyed(&[name], keys())), &made, "confusion");
                refuse(
                    &of(keyed(&[name, "HS256"], keys())),
                    &made,
                    "confusion, both allowed",
                );
            }
        }
        // A shared secret beside a public key serves its own algorithm only.
        let both = Ring::new(vec![
            held("shared", Key::shared(&secret(SECRET))),
            held("public", Key::public(&pair.public)),
        ]);
        let plan = of(keyed(&[name], both));
        let made = sign_parts(&text(HEADER.as_bytes()), &payload, SECRET);
        assert_eq!(
            refuse(&plan, &made, name),
            Rejection::JwtAlgorithmNotAllowed
        );
    }
}

#[test]
fn misshapen_tokens() {
    let plan = of(step());
    let good = token(HEADER, &claims(&[]));
    let parts: Vec<&str> = good.split('.').collect();
    let [header, payload, signature] = parts[..] else {
        panic!("three parts")
    };
    for other in [
        String::new(),
        ".".into(),
        "..".into(),
        "...".into(),
        format!("{good}."),
        format!(".{good}"),
        format!("{header}..{payload}.{signature}"),
        format!("{good}.{signature}"),
        format!("{header}.{payload}"),
        format!("{header}.{payload}."),
        format!("{header}..{signature}"),
        format!(".{payload}.{signature}"),
        format!("{header}.{payload}.{signature}="),
        format!("{header}=.{payload}.{signature}"),
        format!("{header}.{payload}==.{signature}"),
        format!(" {good}"),
        format!("{good} x"),
        format!("{good}, {good}"),
        format!("{header} .{payload}.{signature}"),
        format!("{header}.{payload}.{}", &signature[..signature.len() - 1]),
        format!("{header}.{payload}.{signature}A"),
        format!("{payload}.{header}.{signature}"),
        format!("{header}.{payload}.{}", text(&[0; 32])),
        format!("{{\"protected\":\"{header}\",\"payload\":\"{payload}\"}}"),
    ] {
        refuse(&plan, &other, &other);
    }
    // A signature in another spelling of base64: with stray bits, or of another alphabet.
    let last = signature.chars().last().unwrap();
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    for twin in alphabet.chars().filter(|twin| *twin != last) {
        let twin = format!("{}{twin}", &good[..good.len() - 1]);
        refuse(&plan, &twin, "stray bits");
    }
    for value in [
        "",
        "Bearer",
        "Bearer ",
        "Basic x",
        &good,
        &format!("Bearer\t{good}"),
    ] {
        refused(&plan, &bearing(value), value);
    }
    assert_eq!(verdict(&plan, &bearing(&format!("bEARER {good}"))), Ok(()));
    let mut twice = bearing(&format!("Bearer {good}"));
    let again = twice.headers["authorization"].clone();
    twice.headers.append("authorization", again);
    assert_eq!(verdict(&plan, &twice), Err(Rejection::CredentialRepeated));
    refused(&plan, &delivery(b""), "no token");
}

#[test]
fn bombs_do_no_harm() {
    let plan = of(step());
    for depth in [127, 128, 1000, 10_000, 200_000] {
        let nested =
            |open: &str, close: &str| format!("{}{}", open.repeat(depth), close.repeat(depth));
        for bomb in [
            nested("[", "]"),
            nested(r#"{"a":"#, "}").replace(":}", ":1}"),
            "[".repeat(depth),
        ] {
            let payload = format!(r#"{{"iss":"prove","exp":1700000300,"x":{bomb}}}"#);
            assert_eq!(
                refuse(&plan, &token(HEADER, &payload), "deep"),
                Rejection::JwtMalformed
            );
            let header = format!(r#"{{"alg":"HS256","x":{bomb}}}"#);
            assert_eq!(
                refuse(&plan, &token(&header, &claims(&[])), "deep"),
                Rejection::JwtMalformed
            );
        }
    }
    let digits = format!(r#"{{"iss":"prove","exp":{}}}"#, "9".repeat(5000));
    refuse(&plan, &token(HEADER, &digits), "digits");
    let bytes = sign_parts(&text(HEADER.as_bytes()), &text(b"\xff\xfe{}"), SECRET);
    assert_eq!(refuse(&plan, &bytes, "not UTF-8"), Rejection::JwtMalformed);
}

#[test]
fn a_key_id_narrows_and_never_widens() {
    let id = |id: &str, pair: &Pair| {
        let public = PublicKey {
            id: Some(id.into()),
            ..pair.public.clone()
        };
        held(id, Key::public(&public))
    };
    let other = Pair {
        private: PrivateKey::generate_rsa().unwrap(),
        public: RSA.public.clone(),
        der: Vec::new(),
    };
    let other_public = PublicKey::read_all(other.private.public_pem().unwrap().as_bytes()).unwrap();
    let other_key = PublicKey {
        id: Some("b".into()),
        ..other_public[0].clone()
    };
    let keys = Ring::new(vec![id("a", &RSA), held("b", Key::public(&other_key))]);
    let plan = of(keyed(&["RS256"], keys));
    for (kid, signer, passes) in [
        (Some("a"), &RSA.private, true),
        (Some("b"), &RSA.private, false),
        (Some("c"), &RSA.private, false),
        (None, &RSA.private, true),
        (Some("b"), &other.private, true),
        (Some("a"), &other.private, false),
        (None, &other.private, true),
    ] {
        let mut header = json!({ "alg": "RS256" });
        if let Some(kid) = kid {
            header["kid"] = json!(kid);
        }
        let message = format!(
            "{}.{}",
            text(header.to_string().as_bytes()),
            text(claims(&[]).as_bytes())
        );
        let algorithm = Algorithm::RsaPkcs1(Hash::Sha256);
        let signature = signer
            .sign(
                algorithm,
                Salt::Auto,
                SignatureFormat::Der,
                message.as_bytes(),
            )
            .unwrap();
        let made = format!("{message}.{}", text(&signature));
        if passes {
            assert_eq!(outcome(&plan, &made), Ok(()), "{kid:?}");
        } else {
            assert_eq!(
                refuse(&plan, &made, "kid"),
                Rejection::JwtSignature,
                "{kid:?}"
            );
        }
    }
}

#[test]
fn a_body_hash_binds_the_body_and_must_be_there() {
    use crate::verify::jwt::BodyHash;
    let rule = BodyHash {
        claim: "body".into(),
        hash: Hash::Sha256,
        encoding: Encoding::Hex,
        message: template("{body}"),
    };
    let plan = of(Jwt {
        body_hash: vec![rule],
        ..step()
    });
    let right = Encoding::Hex.encode(&Hash::Sha256.of(b"{}"));
    assert_eq!(
        outcome(&plan, &token(HEADER, &claims(&[("body", json!(right))]))),
        Ok(())
    );
    for (claim, reason) in [
        (
            json!(Encoding::Hex.encode(&Hash::Sha256.of(b"{} "))),
            Rejection::JwtBodyHash,
        ),
        (json!(right[..62]), Rejection::JwtBodyHash),
        (json!(""), Rejection::JwtBodyHash),
        (json!("x"), Rejection::JwtBodyHash),
        (json!([right]), Rejection::JwtClaim),
        (json!(null), Rejection::JwtClaim),
    ] {
        let made = token(HEADER, &claims(&[("body", claim.clone())]));
        assert_eq!(refuse(&plan, &made, "body hash"), reason, "{claim}");
    }
    assert_eq!(
        refuse(&plan, &token(HEADER, &claims(&[])), "none"),
        Rejection::JwtClaim
    );
}
