//! What one genuine delivery settles: facts that no documentation tells.

use http::HeaderName;
use serde_json::Value;

use super::duration::duration;
use super::keys;
use super::scene::Scene;
use super::tokens::{claimed, shown};
use crate::encoding::Encoding;
use crate::verify::algorithm::{Algorithm, Salt};
use crate::verify::jwt::Jwt;
use crate::verify::signed::{Prover, Signature};
use crate::verify::{Hash, Place, Step};

/// The facts that this step's passing shows.
pub(super) fn facts(scene: &Scene) -> Vec<String> {
    let mut facts = Vec::new();
    if let Ok(verified) = scene.judge()
        && let Some(name) = verified.key()
    {
        let several = keys::secrets(&scene.step).len() + keys::public_keys(&scene.step).len() > 1;
        if several {
            facts.push(format!(
                "`{name}` is the secret or key that the provider uses now"
            ));
        }
    }
    match &*scene.step {
        Step::ApiKey(_)
        | Step::Basic(_)
        | Step::Bearer(_)
        | Step::HttpSignature(_)
        | Step::Mtls(_) => {}
        Step::Jwt(step) => token(&mut facts, scene, step),
        Step::Signature(step) => signature(&mut facts, scene, step),
    }
    facts
}

fn signature(facts: &mut Vec<String>, scene: &Scene, step: &Signature) {
    match &step.prover {
        Prover::Digest { secrets: None, .. } => facts.push(
            "the digest is plain, not keyed: it proves that the body is whole, nothing about the sender".into(),
        ),
        Prover::Digest { .. } => facts.push("the digest is keyed by the secret in its message".into()),
        Prover::Hmac(_) => facts.push("the signature is keyed (HMAC) with the secret as it is read now".into()),
        Prover::PublicKey { algorithm, form, .. } => {
            if matches!(algorithm, Algorithm::RsaPss(_)) {
                let length = algorithm.hash().map_or(0, Hash::length);
                let ways = [
                    (Salt::Digest, "\"digest\"".to_owned(), format!("as long as the hash ({length} bytes)")),
                    (Salt::Max, "\"max\"".to_owned(), "as long as the key allows".to_owned()),
                ];
                for (salt, written, text) in ways {
                    let mut scene = scene.clone();
                    let public = keys::public_keys(&scene.step);
                    if let Some(ring) = keys::prepared(&public, *algorithm, salt, *form)
                        && let Some(step) = scene.signature_mut()
                    {
                        step.prover = Prover::PublicKey { algorithm: *algorithm, salt, form: *form, keys: ring };
                        if scene.judge().is_ok() {
                            facts.push(format!("the salt is {text}: `salt = {written}` pins it"));
                        }
                    }
                }
            }
        }
    }
    if let [Place::Header(name)] = &*step.places {
        padding(facts, scene, step, name);
    }
}

/// Base64 with or without padding, hex in small or large letters.
fn padding(facts: &mut Vec<String>, scene: &Scene, step: &Signature, name: &HeaderName) {
    let Some(value) = scene
        .header(name)
        .and_then(|value| std::str::from_utf8(value).ok())
    else {
        return;
    };
    let Some(parsed) = step.format.parse(value) else {
        return;
    };
    let Some(text) = parsed.signatures.first() else {
        return;
    };
    facts.push(match step.encoding {
        Encoding::Hex if text.bytes().any(|b| b.is_ascii_uppercase()) => {
            "the signature is hex in capitals".into()
        }
        Encoding::Hex => "the signature is hex in small letters".into(),
        Encoding::Base64 | Encoding::Base64Url => {
            let alphabet = if text.contains(['-', '_']) {
                "the URL-safe alphabet"
            } else if text.contains(['+', '/']) {
                "the standard alphabet"
            } else {
                "an alphabet that this one signature does not tell"
            };
            let padding = match (text.ends_with('='), text.len() % 4) {
                (true, _) => "with padding",
                (false, 0) => "of a length that needs no padding",
                (false, _) => "without padding",
            };
            format!("the signature is base64 in {alphabet}, {padding}")
        }
    });
}

fn token(facts: &mut Vec<String>, scene: &Scene, step: &Jwt) {
    facts.push(
        "the token is signed with the secret or key as it is read now (`secret_encoding`)".into(),
    );
    let Some(token) = claimed(scene, step) else {
        return;
    };
    let names: Vec<&str> = token
        .payload
        .keys()
        .map(String::as_str)
        .filter(|name| name.len() <= 64 && name.bytes().all(|b| b.is_ascii_graphic()))
        .collect();
    facts.push(format!("the token's claims are {}", names.join(", ")));
    for name in ["iss", "aud"] {
        if token.payload.contains_key(name) {
            facts.push(format!("`{name}` is {}", shown(token.payload.get(name))));
        }
    }
    let date = |name: &str| token.payload.get(name).and_then(Value::as_i64);
    if let (Some(issued), Some(expiry)) = (date("iat"), date("exp")) {
        let life = u64::try_from(expiry.saturating_sub(issued)).unwrap_or_default();
        let life = duration(std::time::Duration::from_secs(life));
        facts.push(format!(
            "a token lives {life}: so long a captured request can be replayed"
        ));
    }
    facts.push(match covering(scene, &token.payload) {
        Some((claim, hash, encoding)) => format!(
            "the claim `{claim}` is the {hash} of the body in {encoding}: `body_hash = {{ claim = \"{claim}\", hash = \"{hash}\", encoding = \"{encoding}\" }}` binds it"
        ),
        None => "no claim is a hash of the body: the token does not cover it".into(),
    });
}

/// The claim that is a hash of the body.
fn covering(
    scene: &Scene,
    payload: &serde_json::Map<String, Value>,
) -> Option<(String, &'static str, &'static str)> {
    for (hash, name) in [
        (Hash::Sha256, "sha256"),
        (Hash::Sha1, "sha1"),
        (Hash::Sha384, "sha384"),
        (Hash::Sha512, "sha512"),
    ] {
        let digest = hash.of(&scene.body);
        for (encoding, written) in [
            (Encoding::Hex, "hex"),
            (Encoding::Base64, "base64"),
            (Encoding::Base64Url, "base64url"),
        ] {
            let is = |value: &Value| {
                let text = value.as_str().unwrap_or_default();
                encoding
                    .decode(text.as_bytes())
                    .is_some_and(|bytes| bytes == digest)
            };
            if let Some((claim, _)) = payload.iter().find(|(_, value)| is(value)) {
                return Some((claim.clone(), name, written));
            }
        }
    }
    None
}
