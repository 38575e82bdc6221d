//! HTTP Message Signatures (RFC 9421), as a receiver of requests verifies them.
//!
//! The request says what it signed; the configuration says what it must have signed at least, with
//! which algorithm, and how long ago. Everything but the body stands in the head, so a wrong
//! signature never costs a body read; the body is bound by a covered `Content-Digest` (RFC 9530).

mod base;
mod component;
mod digest;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::time::Duration;

use sfv::visitor::{DictionaryVisitor, EntryVisitor, Ignored};
use sfv::{BareItem, Dictionary, InnerList, KeyRef, ListEntry, Parser};

pub use component::{Component, ComponentError};
pub use digest::Digests;

use super::algorithm::{Algorithm, Signed, VerifyingKey};
use super::hash::Hasher;
use super::signed::MacKey;
use super::{Head, Held, Moment, Proof, Ring};
use crate::rejection::Rejection;

/// A sender that covers more than this is no sender we know.
const MAX_COMPONENTS: usize = 64;
/// Labels in one request: more would be an attack on our CPU.
const MAX_LABELS: usize = 8;

/// The name in `X-Gatepost-Verified-By`.
pub const LABEL: &str = "http-signature";

/// One step.
#[derive(Debug, Clone)]
pub struct HttpSignature {
    /// The label of the signature; `None` where there must be exactly one.
    pub label: Option<String>,
    /// What the sender must have signed at least.
    pub components: Vec<Component>,
    /// The application the signature must be for, where that is told.
    pub tag: Option<String>,
    /// How far `created` may be from now, both ways; without it, how long until `expires`.
    pub tolerance: Duration,
    /// The algorithm's name in RFC 9421 §6.2: nothing in a request chooses it.
    pub algorithm: &'static str,
    /// The keys.
    pub keys: Keys,
    /// Scheme and host as the sender knows them; never from a header.
    pub public_url: Option<String>,
}

/// The keys, each kind for its algorithms (RFC 9421 §3.3).
#[derive(Debug, Clone)]
pub enum Keys {
    /// `hmac-sha256`.
    Hmac(Ring<MacKey>),
    /// The others.
    Public(Algorithm, Ring<VerifyingKey>),
}

/// A signature that was right, and the digests that the body must have.
#[derive(Debug)]
pub struct Begun {
    proof: Proof,
    digests: Digests,
}

/// How far it got on the head alone.
#[derive(Debug)]
pub enum Outcome {
    /// The body is not covered.
    Passed(Proof),
    /// The body must have a digest.
    NeedsBody(Begun),
}

impl HttpSignature {
    /// Whether a right signature covers the body.
    pub fn covers_body(&self) -> bool {
        self.components.iter().any(Component::is_content_digest)
    }

    /// Verifies the signature.
    ///
    /// # Errors
    ///
    /// `SignatureMissing` without one, `SignatureMalformed` for anything that RFC 9421 §3.2 does not
    /// allow or the configuration does not want, a `Timestamp…` reason, `SignatureMismatch`.
    pub fn begin(&self, head: &Head<'_>, now: Moment) -> Result<Outcome, Rejection> {
        let inputs = dictionary(head, "signature-input")?;
        let signatures = dictionary(head, "signature")?;
        let label = self.chosen(&inputs)?;
        let Some(ListEntry::InnerList(input)) = inputs.get(label) else {
            return Err(Rejection::SignatureMalformed);
        };
        let signature = signatures.get(label).ok_or(Rejection::SignatureMissing)?;
        let signature = bytes(signature)
            .filter(|bytes| !bytes.is_empty())
            .ok_or(Rejection::SignatureMalformed)?;
        let covered = covered(input)?;
        if !self.components.iter().all(|one| covered.contains(one)) {
            return Err(Rejection::SignatureMalformed);
        }
        let parameters = Parameters::read(input)?;
        self.require(&parameters, now)?;
        let base = base::base(&covered, input, head, self.public_url.as_deref())?;
        let mut proof = self.verify(&base, signature, parameters.key_id, now)?;
        proof.material = Some(base);
        if covered.iter().any(Component::is_content_digest) {
            let digests = Digests::read(head)?;
            return Ok(Outcome::NeedsBody(Begun { proof, digests }));
        }
        Ok(Outcome::Passed(proof))
    }

    /// The components and the time, as a signer writes them.
    pub fn input(&self, created: i64) -> String {
        let components: Vec<&str> = self.components.iter().map(Component::written).collect();
        format!("({});created={created}", components.join(" "))
    }

    /// The base that an inner list of components and parameters means; `None` for one that no request
    /// could have.
    pub fn base_of(&self, input: &str, head: &Head<'_>) -> Option<Vec<u8>> {
        let dictionary: Dictionary = Parser::new(&format!("a={input}")).parse().ok()?;
        let Some(ListEntry::InnerList(input)) = dictionary.get("a") else {
            return None;
        };
        let covered = covered(input).ok()?;
        base::base(&covered, input, head, self.public_url.as_deref()).ok()
    }

    fn chosen<'d>(&'d self, inputs: &'d Dictionary) -> Result<&'d str, Rejection> {
        if inputs.len() > MAX_LABELS {
            return Err(Rejection::SignatureMalformed);
        }
        match (&self.label, inputs.len()) {
            (Some(label), _) if inputs.contains_key(&**label) => Ok(label),
            (Some(_), _) | (None, 0) => Err(Rejection::SignatureMissing),
            (None, 1) => inputs
                .keys()
                .next()
                .map(|label| label.as_str())
                .ok_or(Rejection::SignatureMissing),
            // Which of them was meant nobody can tell.
            (None, _) => Err(Rejection::SignatureMalformed),
        }
    }

    fn require(&self, parameters: &Parameters<'_>, now: Moment) -> Result<(), Rejection> {
        let right = parameters
            .algorithm
            .is_none_or(|name| name == self.algorithm)
            && self
                .tag
                .as_ref()
                .is_none_or(|tag| parameters.tag == Some(&**tag));
        if !right {
            return Err(Rejection::SignatureMalformed);
        }
        let tolerance = i128::try_from(self.tolerance.as_nanos()).unwrap_or(i128::MAX);
        let age = |second: i64| {
            let at = Moment::from_second(second).map_err(|_| Rejection::TimestampMalformed)?;
            Ok(now.as_nanosecond().saturating_sub(at.as_nanosecond()))
        };
        match (parameters.created, parameters.expires) {
            (None, None) => return Err(Rejection::TimestampMissing),
            (Some(created), _) => {
                let age = age(created)?;
                if age > tolerance {
                    return Err(Rejection::TimestampTooOld);
                }
                if age < tolerance.saturating_neg() {
                    return Err(Rejection::TimestampInFuture);
                }
            }
            // It tells no age, so it must not last longer than one that does.
            (None, Some(expires)) if age(expires)? < tolerance.saturating_neg() => {
                return Err(Rejection::TimestampInFuture);
            }
            (None, Some(_)) => {}
        }
        if let Some(expires) = parameters.expires
            && age(expires)? >= 0
        {
            return Err(Rejection::TimestampTooOld);
        }
        Ok(())
    }

    fn verify(
        &self,
        base: &[u8],
        signature: &[u8],
        key_id: Option<&str>,
        now: Moment,
    ) -> Result<Proof, Rejection> {
        let proof = |name: &std::sync::Arc<str>| Proof::new(LABEL, Some(name.clone()));
        match &self.keys {
            Keys::Hmac(keys) => candidates(keys, now, |held| key_id == Some(&*held.name))
                .find(|held| {
                    let mut mac = held.key.start();
                    mac.update(base);
                    bool::from(subtle::ConstantTimeEq::ct_eq(&*mac.finish(), signature))
                })
                .map(|held| proof(&held.name)),
            Keys::Public(algorithm, keys) => {
                let material = match algorithm.hash() {
                    None => Signed::Message(base.to_vec()),
                    Some(hash) => {
                        let mut hasher = Hasher::new(hash);
                        hasher.update(base);
                        Signed::digest(*algorithm, hasher).ok_or(Rejection::Internal)?
                    }
                };
                let named = |held: &Held<VerifyingKey>| {
                    key_id.is_some_and(|id| &*held.name == id || held.key.id() == Some(id))
                };
                candidates(keys, now, named)
                    .find(|held| held.key.verifies(&material, signature))
                    .map(|held| proof(&held.name))
            }
        }
        .ok_or(Rejection::SignatureMismatch)
    }
}

impl Begun {
    /// Hashes a piece of the body as it arrives.
    pub fn update(&mut self, chunk: &[u8]) {
        self.digests.update(chunk);
    }

    /// Gives the verdict once the body is whole.
    ///
    /// # Errors
    ///
    /// `DigestMismatch`.
    pub fn finish(self) -> Result<Proof, Rejection> {
        if self.digests.match_body() {
            Ok(self.proof)
        } else {
            Err(Rejection::DigestMismatch)
        }
    }
}

/// The keys to try: those that the request names, where any is named so, else all.
fn candidates<'r, K>(
    keys: &'r Ring<K>,
    now: Moment,
    named: impl Fn(&Held<K>) -> bool + 'r,
) -> impl Iterator<Item = &'r Held<K>> {
    let known = keys.all().iter().any(&named);
    keys.candidates(now, None)
        .filter(move |held| !known || named(held))
}

/// A dictionary field (RFC 9651 §3.2), its lines joined. A member that stands in it twice has no one
/// value: RFC 9651 takes the last, but an app that looks again may take the first.
fn dictionary(head: &Head<'_>, name: &'static str) -> Result<Dictionary, Rejection> {
    let mut lines = head.headers.get_all(name).peekable();
    if lines.peek().is_none() {
        return Err(Rejection::SignatureMissing);
    }
    let joined = base::joined(lines);
    Parser::new(&joined)
        .parse_dictionary_with_visitor(&mut Once::default())
        .map_err(|_| Rejection::SignatureMalformed)?;
    Parser::new(&joined)
        .parse::<Dictionary>()
        .map_err(|_| Rejection::SignatureMalformed)
}

/// Refuses a second member of the same name.
#[derive(Default)]
struct Once<'i>(BTreeSet<&'i str>);

/// A member stands there twice.
#[derive(Debug)]
struct Repeated;

impl std::fmt::Display for Repeated {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a member is repeated")
    }
}

impl std::error::Error for Repeated {}

impl<'i> DictionaryVisitor<'i> for Once<'i> {
    type Error = Repeated;

    fn entry(&mut self, key: &'i KeyRef) -> Result<impl EntryVisitor<'i>, Repeated> {
        self.0
            .insert(key.as_str())
            .then_some(Ignored)
            .ok_or(Repeated)
    }
}

/// A member that is a byte sequence.
fn bytes(entry: &ListEntry) -> Option<&[u8]> {
    match entry {
        ListEntry::Item(item) => item.bare_item.as_byte_sequence(),
        ListEntry::InnerList(_) => None,
    }
}

/// The covered components, each once.
fn covered(input: &InnerList) -> Result<Vec<Component>, Rejection> {
    if input.items.len() > MAX_COMPONENTS {
        return Err(Rejection::SignatureMalformed);
    }
    let mut covered: Vec<Component> = Vec::with_capacity(input.items.len());
    for item in &input.items {
        let one = Component::of(item).map_err(|_| Rejection::SignatureMalformed)?;
        if covered.contains(&one) {
            return Err(Rejection::SignatureMalformed);
        }
        covered.push(one);
    }
    Ok(covered)
}

/// What a signature tells of itself (RFC 9421 §2.3). Other parameters are signed and not looked at.
#[derive(Debug, Default)]
struct Parameters<'i> {
    created: Option<i64>,
    expires: Option<i64>,
    algorithm: Option<&'i str>,
    key_id: Option<&'i str>,
    tag: Option<&'i str>,
}

impl<'i> Parameters<'i> {
    fn read(input: &'i InnerList) -> Result<Self, Rejection> {
        let number = |name: &str| match input.params.get(name) {
            None => Ok(None),
            Some(BareItem::Integer(number)) => Ok(Some(i64::from(*number))),
            Some(_) => Err(Rejection::TimestampMalformed),
        };
        let text = |name: &str| match input.params.get(name) {
            None => Ok(None),
            Some(BareItem::String(text)) => Ok(Some(text.as_str())),
            Some(_) => Err(Rejection::SignatureMalformed),
        };
        text("nonce")?;
        Ok(Self {
            created: number("created")?,
            expires: number("expires")?,
            algorithm: text("alg")?,
            key_id: text("keyid")?,
            tag: text("tag")?,
        })
    }
}
