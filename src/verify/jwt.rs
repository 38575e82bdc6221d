//! Signed tokens (RFC 7515, RFC 7519): the signature by the library, every rule by ourselves.
//!
//! The library's own claim checks read the system clock and let several things pass (no issuer at
//! all, a list of issuers, an unread `nbf`, an unknown `crit`), so it is asked for one thing only:
//! whether this signature is this key's.

use std::time::Duration;

use serde_json::Value;
use subtle::ConstantTimeEq as _;

pub use super::token_key::{ALGORITHMS, Key, Known};

use super::template::{Context, Cover, Template};
use super::{Body, Claim, Encoding, Hash, Hasher, Head, Moment, Place, Proof, Ring};
use crate::json::{Members, NotJson};
use crate::rejection::Rejection;

/// A token step.
#[derive(Debug, Clone)]
pub struct Jwt {
    /// Where the token stands.
    pub place: Place,
    /// What stands before it; read in any letter case, as an authentication scheme is.
    pub prefix: String,
    /// The algorithms that may have signed, pinned.
    pub algorithms: Vec<&'static Known>,
    /// The payload is the body (RFC 7515 appendix F); there are no claims then.
    pub detached: bool,
    /// What `iss` must be one of; when empty it is not looked at.
    pub issuers: Vec<Template>,
    /// What `aud` must be or hold one of; when empty it is not looked at.
    pub audiences: Vec<Template>,
    /// Claims that must be there.
    pub required: Vec<String>,
    /// How far the clocks may differ.
    pub leeway: Duration,
    /// The claim that tells when it was signed; where detached, the parameter of the header.
    pub issued_at: String,
    /// How long after that a token is taken.
    pub max_age: Option<Duration>,
    /// The claims that bind the body, or another part of the request.
    pub body_hash: Vec<BodyHash>,
    /// The keys.
    pub keys: Ring<Key>,
}

/// A claim that holds a hash of the request.
#[derive(Debug, Clone)]
pub struct BodyHash {
    /// Its name.
    pub claim: String,
    /// The hash.
    pub hash: Hash,
    /// How it is written.
    pub encoding: Encoding,
    /// What is hashed.
    pub message: Template,
}

/// How far a token step got on the head alone.
#[derive(Debug)]
pub(super) enum Outcome<'p> {
    NeedsBody(Begun<'p>),
    Passed(Proof),
}

/// A token step that waits for the body.
#[derive(Debug)]
pub(super) enum Begun<'p> {
    /// The token was verified; hashes that it claims are being computed.
    Bound {
        hashes: Vec<Bound<'p>>,
        proof: Proof,
    },
    /// The token, or its payload, is the body.
    Later(&'p Jwt),
}

impl Begun<'_> {
    pub(super) fn update(&mut self, chunk: &[u8]) {
        if let Self::Bound { hashes, .. } = self {
            for hash in hashes {
                hash.update(chunk);
            }
        }
    }

    pub(super) fn finish(
        self,
        head: &Head<'_>,
        body: &Body,
        now: Moment,
    ) -> Result<Proof, Rejection> {
        let (hashes, proof) = match self {
            Self::Bound { hashes, proof } => (hashes, proof),
            Self::Later(step) => step.verify(head, Some(body), now)?,
        };
        for hash in hashes {
            hash.finish(head, body)?;
        }
        Ok(proof)
    }
}

impl Jwt {
    /// Verifies the token; what is left may be hashes that need the body.
    pub(super) fn begin(&self, head: &Head<'_>, now: Moment) -> Result<Outcome<'_>, Rejection> {
        if self.detached || self.place.needs_body() {
            return Ok(Outcome::NeedsBody(Begun::Later(self)));
        }
        let (hashes, proof) = self.verify(head, None, now)?;
        Ok(if hashes.is_empty() {
            Outcome::Passed(proof)
        } else {
            Outcome::NeedsBody(Begun::Bound { hashes, proof })
        })
    }

    /// Whether the token answers for the whole body.
    pub fn covers_body(&self) -> bool {
        let bound = |rule: &BodyHash| rule.message.cover() == Cover::Whole;
        self.detached || matches!(self.place, Place::Body) || self.body_hash.iter().any(bound)
    }

    /// The proof, and the hashes that are still to be compared.
    fn verify(
        &self,
        head: &Head<'_>,
        body: Option<&Body>,
        now: Moment,
    ) -> Result<(Vec<Bound<'_>>, Proof), Rejection> {
        let value = self
            .place
            .read(head, body)?
            .ok_or(Rejection::CredentialMissing)?;
        let token = std::str::from_utf8(&value).map_err(|_| Rejection::JwtMalformed)?;
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
        let protected = decode(header)?;
        let protected = object(&protected)?;
        let raw = self.requires_raw(&protected)?;
        let algorithm = self.algorithm(&protected)?;
        let key_id = member(&protected, "kid")?;
        let key_id = key_id.as_ref().and_then(Value::as_str);
        if self.detached {
            let body = body.ok_or(Rejection::Internal)?;
            if !payload.is_empty() {
                return Err(Rejection::JwtMalformed);
            }
            let mut signed = format!("{header}.").into_bytes();
            if raw {
                body.chunks()
                    .iter()
                    .for_each(|chunk| signed.extend_from_slice(chunk));
            } else {
                let payload = Encoding::Base64Url.encode(&body.contiguous());
                signed.extend_from_slice(payload.as_bytes());
            }
            let name = self.signer(algorithm, key_id, &signed, signature, now)?;
            self.require_age(&protected, now)?;
            return Ok((Vec::new(), Proof::new(algorithm.label, Some(name))));
        }
        let signed = token
            .get(..header.len().saturating_add(1).saturating_add(payload.len()))
            .ok_or(Rejection::JwtMalformed)?;
        let name = self.signer(algorithm, key_id, signed.as_bytes(), signature, now)?;
        let payload = decode(payload)?;
        let claims = object(&payload)?;
        self.require_claims(&claims, head, now)?;
        let mut hashes = Vec::new();
        for rule in &self.body_hash {
            let bound = Bound::begin(rule, &claims, head, body.is_none())?;
            if rule.message.needs_body() {
                hashes.push(bound);
            } else {
                bound.finish(head, &Body::default())?;
            }
        }
        let mut proof = Proof::new(algorithm.label, Some(name));
        proof.claims = Some(payload);
        Ok((hashes, proof))
    }

    /// Whether a detached payload is signed as it is (RFC 7797), after making sure that the header
    /// has no other extension. RFC 7515 §4.1.11: one that is not understood must not be ignored;
    /// `b64` and `zip` change what the bytes mean.
    fn requires_raw(&self, protected: &Members<'_>) -> Result<bool, Rejection> {
        let extended = ["crit", "b64", "zip"]
            .iter()
            .any(|name| protected.has(name));
        if !extended {
            return Ok(false);
        }
        let raw = member(protected, "b64")? == Some(Value::Bool(false))
            && member(protected, "crit")? == Some(serde_json::json!(["b64"]))
            && !protected.has("zip");
        if self.detached && raw {
            Ok(true)
        } else {
            Err(Rejection::JwtMalformed)
        }
    }

    /// The pinned algorithm that the header names.
    fn algorithm(&self, protected: &Members<'_>) -> Result<&'static Known, Rejection> {
        let named = member(protected, "alg")?;
        let named = named.as_ref().and_then(Value::as_str);
        let named = named.ok_or(Rejection::JwtMalformed)?;
        self.algorithms
            .iter()
            .find(|known| known.name == named)
            .copied()
            .ok_or(Rejection::JwtAlgorithmNotAllowed)
    }

    /// The name of the key that signed. A token's `kid` only narrows down keys that carry an id.
    fn signer(
        &self,
        algorithm: &Known,
        key_id: Option<&str>,
        signed: &[u8],
        signature: &str,
        now: Moment,
    ) -> Result<std::sync::Arc<str>, Rejection> {
        for held in self.keys.candidates(now, None) {
            let Key { id, decoding, .. } = &held.key;
            let other = matches!((id, key_id), (Some(held), Some(asked)) if held != asked);
            if other || !held.key.serves(algorithm) {
                continue;
            }
            let verdict =
                jsonwebtoken::crypto::verify(signature, signed, decoding, algorithm.algorithm);
            if verdict.is_ok_and(|genuine| genuine) {
                return Ok(held.name.clone());
            }
        }
        Err(Rejection::JwtSignature)
    }

    fn require_claims(
        &self,
        claims: &Members<'_>,
        head: &Head<'_>,
        now: Moment,
    ) -> Result<(), Rejection> {
        for name in &self.required {
            if !claims.has_value(name) {
                return Err(Rejection::JwtClaim);
            }
        }
        if !self.issuers.is_empty() {
            let issuer = member(claims, "iss")?;
            let issuer = issuer.as_ref().and_then(Value::as_str);
            if !issuer.is_some_and(|issuer| holds(&self.issuers, issuer, head)) {
                return Err(Rejection::JwtClaim);
            }
        }
        let addressed = match member(claims, "aud")? {
            _ if self.audiences.is_empty() => true,
            Some(Value::String(only)) => holds(&self.audiences, &only, head),
            Some(Value::Array(several)) => several
                .iter()
                .filter_map(Value::as_str)
                .any(|one| holds(&self.audiences, one, head)),
            _ => false,
        };
        if !addressed {
            return Err(Rejection::JwtClaim);
        }
        let leeway = self.leeway.as_secs_f64();
        if let Some(expiry) = date(claims, "exp")?
            && seconds(now) >= expiry + leeway
        {
            return Err(Rejection::JwtExpired);
        }
        if date(claims, "nbf")?.is_some_and(|start| start > seconds(now) + leeway) {
            return Err(Rejection::JwtNotYetValid);
        }
        self.require_age(claims, now)
    }

    /// When it was signed: not in the future, and not too long ago.
    fn require_age(&self, told: &Members<'_>, now: Moment) -> Result<(), Rejection> {
        let now = seconds(now);
        let leeway = self.leeway.as_secs_f64();
        let issued = date(told, &self.issued_at)?;
        if issued.is_some_and(|issued| issued > now + leeway) {
            return Err(Rejection::JwtNotYetValid);
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

fn holds(list: &[Template], text: &str, head: &Head<'_>) -> bool {
    list.iter().any(|one| match one.constant() {
        Some(constant) => constant == text,
        None => {
            let claim = Claim::default();
            one.render(&of_head(head, &claim))
                .is_ok_and(|made| made == text.as_bytes())
        }
    })
}

const fn of_head<'a>(head: &'a Head<'a>, claim: &'a Claim) -> Context<'a> {
    Context {
        head,
        claim,
        body: None,
        secret: &[],
    }
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
fn object(json: &[u8]) -> Result<Members<'_>, Rejection> {
    Members::read(json).map_err(|NotJson| Rejection::JwtMalformed)
}

fn member(members: &Members<'_>, name: &str) -> Result<Option<Value>, Rejection> {
    members.get(name).map_err(|NotJson| Rejection::JwtMalformed)
}

/// A `NumericDate` (RFC 7519 §2): a number, never a text that looks like one.
fn date(claims: &Members<'_>, name: &str) -> Result<Option<f64>, Rejection> {
    match member(claims, name)? {
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

/// A hash that a verified token claims.
#[derive(Debug)]
pub(super) struct Bound<'p> {
    rule: &'p BodyHash,
    /// `None` when the claim is absent: then there must be nothing to hash.
    claimed: Option<Vec<u8>>,
    /// The hash, fed up to the body, and where the body stands in the message.
    streaming: Option<(usize, Hasher)>,
}

impl<'p> Bound<'p> {
    fn begin(
        rule: &'p BodyHash,
        claims: &Members<'_>,
        head: &Head<'_>,
        body_arrives: bool,
    ) -> Result<Self, Rejection> {
        let claimed = match member(claims, &rule.claim)? {
            None => None,
            Some(Value::String(text)) => Some(
                rule.encoding
                    .decode(text.as_bytes())
                    .ok_or(Rejection::JwtBodyHash)?,
            ),
            Some(_) => return Err(Rejection::JwtClaim),
        };
        let mut streaming = None;
        if let Some(at) = rule.message.body_at().filter(|_| body_arrives) {
            let mut hasher = Hasher::new(rule.hash);
            let claim = Claim::default();
            rule.message
                .feed_before(at, &of_head(head, &claim), |bytes| hasher.update(bytes))?;
            streaming = Some((at, hasher));
        }
        Ok(Self {
            rule,
            claimed,
            streaming,
        })
    }

    fn update(&mut self, chunk: &[u8]) {
        if let Some((_, hasher)) = &mut self.streaming {
            hasher.update(chunk);
        }
    }

    fn finish(self, head: &Head<'_>, body: &Body) -> Result<(), Rejection> {
        let claim = Claim::default();
        let context = Context {
            body: Some(body),
            ..of_head(head, &claim)
        };
        let message = &self.rule.message;
        let Some(claimed) = self.claimed else {
            let mut empty = true;
            message.feed(&context, |bytes| empty &= bytes.is_empty())?;
            return if empty {
                Ok(())
            } else {
                Err(Rejection::JwtClaim)
            };
        };
        let hasher = match self.streaming {
            Some((at, mut hasher)) => {
                message.feed_after(at, &context, |bytes| hasher.update(bytes))?;
                hasher
            }
            None => {
                let mut hasher = Hasher::new(self.rule.hash);
                message.feed(&context, |bytes| hasher.update(bytes))?;
                hasher
            }
        };
        if bool::from(hasher.finish().ct_eq(&claimed)) {
            Ok(())
        } else {
            Err(Rejection::JwtBodyHash)
        }
    }
}
