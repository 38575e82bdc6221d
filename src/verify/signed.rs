//! Signatures over a message: HMAC, digest and public-key, in one shape.
//!
//! A header says what was claimed (`format`), a template says what was signed (`message`), a
//! prover says how. Where the message ends in the plain body, it is hashed as it arrives.

use std::sync::Arc;

use super::algorithm::{Algorithm, Salt, SignatureFormat, Signed as Material, VerifyingKey};
use super::claim::{Claim, Claims};
use super::format::{Field, Format};
use super::hash::{Hash, Hasher, Mac};
use super::place::elements;
use super::template::{Context, Template};
use super::{Body, Encoding, Freshness, Head, Held, Moment, Place, Proof, Ring, Shape};
use crate::json::Pointer;
use crate::rejection::Rejection;
use crate::secret::Secret;

/// One signature step.
#[derive(Debug, Clone)]
pub struct Signature {
    /// Where signatures stand; those that are there count.
    pub places: Vec<Place>,
    /// Whether a header among them may have several lines, as a list has (RFC 9110 §5.3).
    pub repeated: bool,
    /// How they are written there.
    pub format: Format,
    /// How their bytes are written.
    pub encoding: Encoding,
    /// What was signed.
    pub message: Template,
    /// Where `{id}` stands when not in `format`.
    pub id: Option<Place>,
    /// Where the name of the key stands when not in `format`.
    pub key_id: Option<Place>,
    /// When it was signed, if that is told.
    pub freshness: Option<Freshness>,
    /// The array in the body whose every element is verified on its own.
    pub for_each: Option<Pointer>,
    /// How it is checked.
    pub prover: Prover,
    /// Messages that prove nothing: anybody can have one signed by way of a handshake.
    pub never: Vec<Shape>,
    /// The name in `X-Gatepost-Verified-By`.
    pub label: &'static str,
}

/// How a signature is checked.
#[derive(Debug, Clone)]
pub enum Prover {
    /// A plain hash: proves nothing unless the message holds the secret.
    Digest {
        /// The hash.
        hash: Hash,
        /// The secrets for `{secret}`; none when the digest is unkeyed.
        secrets: Option<Ring<Secret>>,
    },
    /// HMAC (RFC 2104).
    Hmac(Ring<MacKey>),
    /// A public-key signature.
    PublicKey {
        /// The algorithm, pinned: nothing in a request chooses it.
        algorithm: Algorithm,
        /// The length of a PSS salt, for signing.
        salt: Salt,
        /// How an ECDSA signature is written, for signing.
        form: SignatureFormat,
        /// The keys.
        keys: Ring<VerifyingKey>,
    },
}

/// An HMAC key with its schedule done, and the secret itself for `{secret}` in a message.
#[derive(Debug, Clone)]
pub struct MacKey {
    mac: Mac,
    secret: Secret,
}

impl MacKey {
    /// Prepares a key; never `None` (see [`Mac::new`]).
    pub fn new(hash: Hash, secret: Secret) -> Option<Self> {
        Some(Self {
            mac: Mac::new(hash, secret.expose())?,
            secret,
        })
    }

    /// The secret, for signing.
    pub const fn secret(&self) -> &Secret {
        &self.secret
    }

    /// A fresh MAC of nothing.
    pub fn start(&self) -> Mac {
        self.mac.clone()
    }

    /// A fresh MAC of nothing with the same hash under another secret, for signing.
    pub fn start_with(&self, secret: &[u8]) -> Option<Mac> {
        Mac::new(self.mac.hash(), secret)
    }
}

/// A hash being computed, of whatever kind the prover wants.
#[derive(Debug)]
enum Running {
    // Boxed: they are large, and moved from step to step.
    Hash(Box<Hasher>),
    Mac(Box<Mac>),
    /// Ed25519 hashes the message twice, so it has to be whole.
    Whole(Vec<u8>),
}

impl Running {
    fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Hash(hasher) => hasher.update(bytes),
            Self::Mac(mac) => mac.update(bytes),
            Self::Whole(message) => message.extend_from_slice(bytes),
        }
    }

    /// The bytes to compare with a claimed signature.
    fn finish(self) -> Vec<u8> {
        match self {
            Self::Hash(hasher) => hasher.finish(),
            Self::Mac(mac) => mac.finish(),
            Self::Whole(message) => message,
        }
    }
}

/// A signature step whose head was read and whose body is arriving.
#[derive(Debug)]
pub struct Begun<'p> {
    step: &'p Signature,
    /// `None` when the signature itself stands in the body.
    claims: Option<Claims>,
    /// The first candidate's hash, fed up to the body, and where the body stands in the message.
    streaming: Option<(usize, Running)>,
}

impl Signature {
    /// Reads what the head tells and refuses what cannot pass any more.
    pub fn begin(&self, head: &Head<'_>, now: Moment) -> Result<Begun<'_>, Rejection> {
        if self.for_each.is_some() || self.claims_need_body() {
            return Ok(Begun {
                step: self,
                claims: None,
                streaming: None,
            });
        }
        let claims = self.claims(head, None, now)?;
        let mut streaming = None;
        if let Some(at) = self.message.body_at()
            && let Some((mut running, secret)) = self.first(&claims.first, now)
        {
            let context = Context {
                head,
                claim: &claims.first,
                body: None,
                secret,
            };
            self.message
                .feed_before(at, &context, |bytes| running.update(bytes))?;
            streaming = Some((at, running));
        }
        Ok(Begun {
            step: self,
            claims: Some(claims),
            streaming,
        })
    }

    /// The hash and the secret that will be tried first.
    fn first<'p>(&'p self, claim: &Claim, now: Moment) -> Option<(Running, &'p [u8])> {
        let key_id = claim.key_id.as_deref();
        match &self.prover {
            Prover::Digest {
                hash,
                secrets: None,
            } => Some((Running::Hash(Box::new(Hasher::new(*hash))), &[])),
            Prover::Digest {
                hash,
                secrets: Some(secrets),
            } => secrets.candidates(now, key_id).next().map(|held| {
                (
                    Running::Hash(Box::new(Hasher::new(*hash))),
                    held.key.expose(),
                )
            }),
            Prover::Hmac(keys) => keys.candidates(now, key_id).next().map(|held| {
                (
                    Running::Mac(Box::new(held.key.start())),
                    held.key.secret.expose(),
                )
            }),
            Prover::PublicKey { algorithm, .. } => Some((start(*algorithm), &[])),
        }
    }

    /// Verifies a whole body, or one element of it.
    fn verify(
        &self,
        head: &Head<'_>,
        claims: &Claims,
        body: &Body,
        mut streaming: Option<(usize, Running)>,
        now: Moment,
        identify: bool,
    ) -> Result<Proof, Rejection> {
        let mut refusal = Rejection::SignatureMismatch;
        for claim in claims.all() {
            self.refuse_challenges(head, body, claim)?;
            let mut message = Message {
                step: self,
                head,
                claim,
                body,
                streaming: streaming.take(),
            };
            match self.prover.verify(&mut message, now) {
                Ok(name) => {
                    let mut proof = Proof::new(self.label, name);
                    if identify && self.prover.is_keyed() {
                        proof.material = Some(self.signed_message(head, claim, body)?);
                    }
                    return Ok(proof);
                }
                Err(rejection) => refusal = rejection,
            }
        }
        Err(refusal)
    }
}

impl Signature {
    /// The hash of the message that was signed, the same whichever secret or key signed it.
    fn signed_message(
        &self,
        head: &Head<'_>,
        claim: &Claim,
        body: &Body,
    ) -> Result<Vec<u8>, Rejection> {
        let mut hasher = Hasher::new(Hash::Sha256);
        let context = Context {
            head,
            claim,
            body: Some(body),
            secret: &[],
        };
        self.message.feed(&context, |bytes| hasher.update(bytes))?;
        Ok(hasher.finish())
    }

    /// Whether `{field}` is read from the value in its place.
    pub fn format_has(&self, field: Field) -> bool {
        self.format.has(field)
    }
}

impl Prover {
    /// Whether only who has a secret or a private key can make it pass.
    pub const fn is_keyed(&self) -> bool {
        !matches!(self, Self::Digest { secrets: None, .. })
    }

    /// Whether a key of this name is in force.
    pub(super) fn knows(&self, key_id: &str, now: Moment) -> bool {
        match self {
            Self::Digest { secrets, .. } => secrets
                .as_ref()
                .is_none_or(|secrets| secrets.candidates(now, Some(key_id)).next().is_some()),
            Self::Hmac(keys) => keys.candidates(now, Some(key_id)).next().is_some(),
            Self::PublicKey { keys, .. } => public(keys, now, Some(key_id)).next().is_some(),
        }
    }

    /// The name of the key whose signature of `message` is claimed.
    fn verify(
        &self,
        message: &mut Message<'_>,
        now: Moment,
    ) -> Result<Option<Arc<str>>, Rejection> {
        let claim = message.claim;
        let key_id = claim.key_id.as_deref();
        match self {
            Self::Digest {
                hash,
                secrets: None,
            } => {
                let hashed = message.hash(|| Running::Hash(Box::new(Hasher::new(*hash))), &[])?;
                if claim.matches(&hashed.finish()) {
                    return Ok(None);
                }
                Err(Rejection::DigestMismatch)
            }
            Self::Digest {
                hash,
                secrets: Some(secrets),
            } => {
                for held in secrets.candidates(now, key_id) {
                    let fresh = || Running::Hash(Box::new(Hasher::new(*hash)));
                    if claim.matches(&message.hash(fresh, held.key.expose())?.finish()) {
                        return Ok(Some(held.name.clone()));
                    }
                }
                Err(Rejection::DigestMismatch)
            }
            Self::Hmac(keys) => {
                for held in keys.candidates(now, key_id) {
                    let fresh = || Running::Mac(Box::new(held.key.start()));
                    if claim.matches(&message.hash(fresh, held.key.secret.expose())?.finish()) {
                        return Ok(Some(held.name.clone()));
                    }
                }
                Err(Rejection::SignatureMismatch)
            }
            Self::PublicKey {
                algorithm, keys, ..
            } => {
                let material = match message.hash(|| start(*algorithm), &[])? {
                    Running::Whole(message) => Some(Material::Message(message)),
                    Running::Hash(hasher) => Material::digest(*algorithm, *hasher),
                    Running::Mac(_) => None,
                };
                let material = material.ok_or(Rejection::Internal)?;
                for held in public(keys, now, key_id) {
                    if claim
                        .signatures
                        .iter()
                        .any(|s| held.key.verifies(&material, s))
                    {
                        return Ok(Some(held.name.clone()));
                    }
                }
                Err(Rejection::SignatureMismatch)
            }
        }
    }
}

/// The public keys to try: of a key id those of that name, or with that `kid`.
fn public<'r>(
    keys: &'r Ring<VerifyingKey>,
    now: Moment,
    key_id: Option<&str>,
) -> impl Iterator<Item = &'r Held<VerifyingKey>> {
    keys.candidates(now, None)
        .filter(move |held| key_id.is_none_or(|id| &*held.name == id || held.key.id() == Some(id)))
}

fn start(algorithm: Algorithm) -> Running {
    algorithm.hash().map_or_else(
        || Running::Whole(Vec::new()),
        |hash| Running::Hash(Box::new(Hasher::new(hash))),
    )
}

impl Begun<'_> {
    /// Hashes a piece of the body as it arrives.
    pub fn update(&mut self, chunk: &[u8]) {
        if let Some((_, running)) = &mut self.streaming {
            running.update(chunk);
        }
    }

    /// Gives the verdict once the body is whole; with `identify` also what was signed.
    pub(super) fn finish(
        self,
        head: &Head<'_>,
        body: &Body,
        now: Moment,
        identify: bool,
    ) -> Result<Proof, Rejection> {
        let step = self.step;
        let Some(pointer) = &step.for_each else {
            let claims = match self.claims {
                Some(claims) => claims,
                None => step.claims(head, Some(body), now)?,
            };
            return step.verify(head, &claims, body, self.streaming, now, identify);
        };
        let mut proof: Option<Proof> = None;
        let mut material = Vec::new();
        for element in elements(pointer, body)? {
            let claims = step.claims(head, Some(&element), now)?;
            let one = step.verify(head, &claims, &element, None, now, identify)?;
            material.extend(one.material.iter().flatten());
            proof = Some(one);
        }
        if let Some(proof) = &mut proof {
            proof.material = (!material.is_empty()).then_some(material);
        }
        // Of an empty array nothing is signed.
        proof.ok_or(Rejection::SignatureMissing)
    }
}

impl Signature {
    /// Refuses a message that a handshake would sign for anybody.
    fn refuse_challenges(
        &self,
        head: &Head<'_>,
        body: &Body,
        claim: &Claim,
    ) -> Result<(), Rejection> {
        let Some(longest) = self.never.iter().map(|shape| shape.max).max() else {
            return Ok(());
        };
        let context = Context {
            head,
            claim,
            body: Some(body),
            secret: &[],
        };
        let mut message = Vec::new();
        self.message.feed(&context, |bytes| {
            // One byte more than the longest decides as well as all of them.
            let room = longest.saturating_add(1).saturating_sub(message.len());
            message.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
        })?;
        if self.never.iter().any(|shape| shape.fits(&message)) {
            return Err(Rejection::ChallengeAsEvent);
        }
        Ok(())
    }
}

/// The message of one request, hashed once per secret: the first time mostly as it arrived.
struct Message<'a> {
    step: &'a Signature,
    head: &'a Head<'a>,
    claim: &'a Claim,
    body: &'a Body,
    streaming: Option<(usize, Running)>,
}

impl Message<'_> {
    fn hash(
        &mut self,
        fresh: impl FnOnce() -> Running,
        secret: &[u8],
    ) -> Result<Running, Rejection> {
        let context = Context {
            head: self.head,
            claim: self.claim,
            body: Some(self.body),
            secret,
        };
        let template = &self.step.message;
        if let Some((at, mut running)) = self.streaming.take() {
            template.feed_after(at, &context, |bytes| running.update(bytes))?;
            return Ok(running);
        }
        let mut running = fresh();
        template.feed(&context, |bytes| running.update(bytes))?;
        Ok(running)
    }
}
