//! Signed tokens (RFC 7515, RFC 7519): the signature by the library, every rule by ourselves.
//!
//! The library's own claim checks read the system clock and let several things pass (no issuer at
//! all, a list of issuers, an unread `nbf`, an unknown `crit`), so it is asked for one thing only:
//! whether this signature is this key's.

use std::time::Duration;

use http::HeaderName;
use serde::de::{Deserializer as _, Error as _, MapAccess, Visitor};
use serde_json::{Map, Value};
use subtle::ConstantTimeEq as _;

pub use super::token_key::{ALGORITHMS, Key, Known};

use super::place::single_header;
use super::{Encoding, Hash, Hasher, Head, Moment, Proof, Ring};
use crate::rejection::Rejection;

/// A token step.
#[derive(Debug, Clone)]
pub struct Jwt {
    /// The header that carries the token.
    pub header: HeaderName,
    /// What stands before it; read in any letter case, as an authentication scheme is.
    pub prefix: String,
    /// The algorithms that may have signed, pinned.
    pub algorithms: Vec<&'static Known>,
    /// What `iss` must be one of; when empty it is not looked at.
    pub issuers: Vec<String>,
    /// What `aud` must be or hold one of; when empty it is not looked at.
    pub audiences: Vec<String>,
    /// Claims that must be there.
    pub required: Vec<String>,
    /// How far the clocks may differ.
    pub leeway: Duration,
    /// How long after `iat` a token is taken.
    pub max_age: Option<Duration>,
    /// The claim that binds the body.
    pub body_hash: Option<BodyHash>,
    /// The keys.
    pub keys: Ring<Key>,
}

/// A claim that holds the body's hash.
#[derive(Debug, Clone)]
pub struct BodyHash {
    /// Its name.
    pub claim: String,
    /// The hash.
    pub hash: Hash,
    /// How it is written.
    pub encoding: Encoding,
}

/// How far a token step got on the head alone.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "lives on the stack, once a request"
)]
pub(super) enum Outcome {
    NeedsBody(Begun),
    Passed(Proof),
}

/// A token whose body hash is being computed.
#[derive(Debug)]
pub(super) struct Begun {
    claimed: Vec<u8>,
    hasher: Hasher,
    proof: Proof,
}

impl Begun {
    pub(super) fn update(&mut self, chunk: &[u8]) {
        self.hasher.update(chunk);
    }

    pub(super) fn finish(self) -> Result<Proof, Rejection> {
        if bool::from(self.hasher.finish().ct_eq(&self.claimed)) {
            Ok(self.proof)
        } else {
            Err(Rejection::JwtBodyHash)
        }
    }
}

impl Jwt {
    /// Verifies the token; what is left may be the body's hash.
    pub(super) fn begin(&self, head: &Head<'_>, now: Moment) -> Result<Outcome, Rejection> {
        let value = single_header(head, &self.header)?.ok_or(Rejection::CredentialMissing)?;
        let token = value.to_str().map_err(|_| Rejection::JwtMalformed)?;
        let token = match token.split_at_checked(self.prefix.len()) {
            Some((word, rest)) if word.eq_ignore_ascii_case(&self.prefix) => rest,
            _ => return Err(Rejection::CredentialMalformed),
        };
        let mut parts = token.split('.');
        let (Some(header), Some(payload), Some(signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(Rejection::JwtMalformed);
        };
        let (algorithm, key_id) = self.read_header(header)?;
        let signed = token
            .get(..header.len().saturating_add(1).saturating_add(payload.len()))
            .ok_or(Rejection::JwtMalformed)?;
        let name = self.signer(algorithm, key_id.as_deref(), signed, signature, now)?;
        let payload = decode(payload)?;
        let claims = object(&payload)?;
        self.require_claims(&claims, now)?;
        let mut proof = Proof::new(algorithm.label, Some(name));
        let outcome = match &self.body_hash {
            None => None,
            Some(rule) => Some((rule, body_hash(rule, &claims)?)),
        };
        proof.claims = Some(payload);
        Ok(match outcome {
            None => Outcome::Passed(proof),
            Some((rule, claimed)) => Outcome::NeedsBody(Begun {
                claimed,
                hasher: Hasher::new(rule.hash),
                proof,
            }),
        })
    }

    /// The pinned algorithm that the header names, and its key id.
    fn read_header(&self, header: &str) -> Result<(&'static Known, Option<String>), Rejection> {
        let header = object(&decode(header)?)?;
        // RFC 7515 §4.1.11: an extension that is not understood must not be ignored. `b64`
        // (RFC 7797) and `zip` change what the bytes mean.
        if ["crit", "b64", "zip"]
            .iter()
            .any(|name| header.contains_key(*name))
        {
            return Err(Rejection::JwtMalformed);
        }
        let named = header
            .get("alg")
            .and_then(Value::as_str)
            .ok_or(Rejection::JwtMalformed)?;
        let algorithm = self
            .algorithms
            .iter()
            .find(|known| known.name == named)
            .ok_or(Rejection::JwtAlgorithmNotAllowed)?;
        let key_id = header.get("kid").and_then(Value::as_str).map(Into::into);
        Ok((algorithm, key_id))
    }

    /// The name of the key that signed. A token's `kid` only narrows down keys that carry an id.
    fn signer(
        &self,
        algorithm: &Known,
        key_id: Option<&str>,
        signed: &str,
        signature: &str,
        now: Moment,
    ) -> Result<std::sync::Arc<str>, Rejection> {
        for held in self.keys.candidates(now, None) {
            let Key { id, decoding, .. } = &held.key;
            let other = matches!((id, key_id), (Some(held), Some(asked)) if held != asked);
            if other || !held.key.serves(algorithm) {
                continue;
            }
            let verdict = jsonwebtoken::crypto::verify(
                signature,
                signed.as_bytes(),
                decoding,
                algorithm.algorithm,
            );
            if verdict.is_ok_and(|genuine| genuine) {
                return Ok(held.name.clone());
            }
        }
        Err(Rejection::JwtSignature)
    }

    fn require_claims(&self, claims: &Map<String, Value>, now: Moment) -> Result<(), Rejection> {
        for name in &self.required {
            if claims.get(name).is_none_or(Value::is_null) {
                return Err(Rejection::JwtClaim);
            }
        }
        let issuer = claims.get("iss").and_then(Value::as_str);
        if !self.issuers.is_empty() && !issuer.is_some_and(|issuer| holds(&self.issuers, issuer)) {
            return Err(Rejection::JwtClaim);
        }
        let addressed = match claims.get("aud") {
            _ if self.audiences.is_empty() => true,
            Some(Value::String(only)) => holds(&self.audiences, only),
            Some(Value::Array(several)) => several
                .iter()
                .filter_map(Value::as_str)
                .any(|one| holds(&self.audiences, one)),
            _ => false,
        };
        if !addressed {
            return Err(Rejection::JwtClaim);
        }
        let now = seconds(now);
        let leeway = self.leeway.as_secs_f64();
        if let Some(expiry) = date(claims, "exp")?
            && now >= expiry + leeway
        {
            return Err(Rejection::JwtExpired);
        }
        let issued = date(claims, "iat")?;
        for start in [date(claims, "nbf")?, issued].into_iter().flatten() {
            if start > now + leeway {
                return Err(Rejection::JwtNotYetValid);
            }
        }
        if let Some(max_age) = self.max_age {
            let issued = issued.ok_or(Rejection::JwtClaim)?;
            if now > issued + max_age.as_secs_f64() + leeway {
                return Err(Rejection::JwtExpired);
            }
        }
        Ok(())
    }
}

fn holds(list: &[String], text: &str) -> bool {
    list.iter().any(|one| one == text)
}

/// Base64url without padding (RFC 7515 §2), strictly.
fn decode(part: &str) -> Result<Vec<u8>, Rejection> {
    if part.ends_with('=') {
        return Err(Rejection::JwtMalformed);
    }
    Encoding::Base64Url
        .decode(part.as_bytes())
        .ok_or(Rejection::JwtMalformed)
}

/// A JSON object without repeated members. RFC 7515 §4 and RFC 7519 §4 leave the choice between
/// refusing them and taking the last; two readers would choose differently.
fn object(json: &[u8]) -> Result<Map<String, Value>, Rejection> {
    struct Members;

    impl<'de> Visitor<'de> for Members {
        type Value = Map<String, Value>;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("an object without repeated members")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
            let mut object = Map::new();
            while let Some((name, value)) = members.next_entry()? {
                if object.insert(name, value).is_some() {
                    return Err(A::Error::custom("a repeated member"));
                }
            }
            Ok(object)
        }
    }

    let mut reader = serde_json::Deserializer::from_slice(json);
    let object = reader
        .deserialize_map(Members)
        .map_err(|_| Rejection::JwtMalformed)?;
    reader.end().map_err(|_| Rejection::JwtMalformed)?;
    Ok(object)
}

/// A `NumericDate` (RFC 7519 §2): a number, never a text that looks like one.
fn date(claims: &Map<String, Value>, name: &str) -> Result<Option<f64>, Rejection> {
    match claims.get(name) {
        None => Ok(None),
        Some(value) => match value.as_f64() {
            Some(date) if date.is_finite() && date >= 0.0 => Ok(Some(date)),
            _ => Err(Rejection::JwtClaim),
        },
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "milliseconds stay exact in 53 bits for millennia"
)]
fn seconds(now: Moment) -> f64 {
    now.as_millisecond() as f64 / 1000.0
}

fn body_hash(rule: &BodyHash, claims: &Map<String, Value>) -> Result<Vec<u8>, Rejection> {
    let text = claims
        .get(&rule.claim)
        .and_then(Value::as_str)
        .ok_or(Rejection::JwtClaim)?;
    rule.encoding
        .decode(text.as_bytes())
        .ok_or(Rejection::JwtBodyHash)
}
