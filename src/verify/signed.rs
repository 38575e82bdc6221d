//! Signatures over a message: HMAC, digest and public-key, in one shape.
//!
//! A header says what was claimed (`format`), a template says what was signed (`message`), a
//! prover says how. Where the message ends in the plain body, it is hashed as it arrives.

use subtle::ConstantTimeEq as _;

use super::algorithm::{Algorithm, Salt, SignatureFormat, Signed as Material, VerifyingKey};
use super::format::{Field, Format};
use super::hash::{Hash, Hasher, Mac};
use super::template::{Context, Template};
use super::{Body, Encoding, Freshness, Head, Held, Moment, Place, Proof, Ring};
use crate::rejection::Rejection;
use crate::secret::Secret;

/// One signature step.
#[derive(Debug, Clone)]
pub struct Signature {
    /// Where the signature stands.
    pub place: Place,
    /// How it is written there.
    pub format: Format,
    /// How its bytes are written.
    pub encoding: Encoding,
    /// What was signed.
    pub message: Template,
    /// Where `{id}` stands when not in `format`.
    pub id: Option<Place>,
    /// When it was signed, if that is told.
    pub freshness: Option<Freshness>,
    /// How it is checked.
    pub prover: Prover,
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

impl Prover {
    /// Whether only who has a secret or a private key can make it pass.
    pub const fn is_keyed(&self) -> bool {
        !matches!(self, Self::Digest { secrets: None, .. })
    }
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

/// What a request claims: decoded signatures and the verbatim texts that were signed with them.
#[derive(Debug, Clone, Default)]
pub struct Claim {
    /// Any of these may match.
    pub signatures: Vec<Vec<u8>>,
    /// The timestamp, verbatim.
    pub timestamp: Option<String>,
    /// The message id.
    pub id: Option<String>,
    /// The key's name.
    pub key_id: Option<String>,
}

/// A hash being computed, of whatever kind the prover wants.
#[derive(Debug)]
enum Running {
    Hash(Hasher),
    Mac(Mac),
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
    claim: Option<Claim>,
    /// The first candidate's hash, fed up to the body, and where the body stands in the message.
    streaming: Option<(usize, Running)>,
}

impl Signature {
    /// Reads what the head tells and refuses what cannot pass any more.
    pub fn begin(&self, head: &Head<'_>, now: Moment) -> Result<Begun<'_>, Rejection> {
        let timestamp = self.freshness.as_ref().and_then(|f| f.place.as_ref());
        let later = [Some(&self.place), self.id.as_ref(), timestamp]
            .into_iter()
            .flatten()
            .any(Place::needs_body);
        if later {
            return Ok(Begun {
                step: self,
                claim: None,
                streaming: None,
            });
        }
        let claim = self.claim(head, None, now)?;
        let mut streaming = None;
        if let Some(at) = self.message.body_at()
            && let Some((mut running, secret)) = self.first(&claim, now)
        {
            let context = Context {
                head,
                claim: &claim,
                body: None,
                secret,
            };
            self.message
                .feed_before(at, &context, |bytes| running.update(bytes))?;
            streaming = Some((at, running));
        }
        Ok(Begun {
            step: self,
            claim: Some(claim),
            streaming,
        })
    }

    /// Reads the claim and refuses one that is stale.
    fn claim(&self, head: &Head<'_>, body: Option<&Body>, now: Moment) -> Result<Claim, Rejection> {
        let value = self
            .place
            .read(head, body)?
            .ok_or(Rejection::SignatureMissing)?;
        let text = std::str::from_utf8(&value).map_err(|_| Rejection::SignatureMalformed)?;
        let parsed = self
            .format
            .parse(text)
            .ok_or(Rejection::SignatureMalformed)?;
        let mut claim = Claim {
            signatures: parsed
                .signatures
                .iter()
                .filter_map(|text| self.encoding.decode(text.as_bytes()))
                .filter(|bytes| !bytes.is_empty())
                .collect(),
            timestamp: parsed.timestamp.map(Into::into),
            id: parsed.id.map(Into::into),
            key_id: parsed.key_id.map(Into::into),
        };
        if claim.signatures.is_empty() {
            return Err(Rejection::SignatureMalformed);
        }
        if let Some(place) = &self.id {
            let id = place.read(head, body)?.ok_or(Rejection::SignatureMissing)?;
            claim.id = Some(
                String::from_utf8(id.into_owned()).map_err(|_| Rejection::SignatureMalformed)?,
            );
        }
        if let Some(freshness) = &self.freshness {
            if let Some(place) = &freshness.place {
                let text = place.read(head, body)?.ok_or(Rejection::TimestampMissing)?;
                claim.timestamp = Some(
                    String::from_utf8(text.into_owned())
                        .map_err(|_| Rejection::TimestampMalformed)?,
                );
            }
            let text = claim
                .timestamp
                .as_deref()
                .ok_or(Rejection::TimestampMissing)?;
            freshness.require(text, now)?;
        }
        Ok(claim)
    }

    /// The hash and the secret that will be tried first.
    fn first<'p>(&'p self, claim: &Claim, now: Moment) -> Option<(Running, &'p [u8])> {
        let key_id = claim.key_id.as_deref();
        match &self.prover {
            Prover::Digest {
                hash,
                secrets: None,
            } => Some((Running::Hash(Hasher::new(*hash)), &[])),
            Prover::Digest {
                hash,
                secrets: Some(secrets),
            } => secrets
                .candidates(now, key_id)
                .next()
                .map(|held| (Running::Hash(Hasher::new(*hash)), held.key.expose())),
            Prover::Hmac(keys) => keys
                .candidates(now, key_id)
                .next()
                .map(|held| (Running::Mac(held.key.start()), held.key.secret.expose())),
            Prover::PublicKey { algorithm, .. } => Some((start(*algorithm), &[])),
        }
    }
}

fn start(algorithm: Algorithm) -> Running {
    algorithm.hash().map_or_else(
        || Running::Whole(Vec::new()),
        |hash| Running::Hash(Hasher::new(hash)),
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
        let Self {
            step,
            claim,
            streaming,
        } = self;
        let claim = match claim {
            Some(claim) => claim,
            None => step.claim(head, Some(body), now)?,
        };
        let mut message = Message {
            step,
            head,
            claim: &claim,
            body,
            streaming,
        };
        let key_id = claim.key_id.as_deref();
        let proof = |name| {
            let mut proof = Proof::new(step.label, name);
            if identify && step.prover.is_keyed() {
                proof.material = Some(step.signed_message(head, &claim, body)?);
            }
            Ok(proof)
        };
        match &step.prover {
            Prover::Digest {
                hash,
                secrets: None,
            } => {
                let hashed = message.hash(Running::Hash(Hasher::new(*hash)), &[])?;
                if claim.matches(&hashed.finish()) {
                    return proof(None);
                }
                Err(Rejection::DigestMismatch)
            }
            Prover::Digest {
                hash,
                secrets: Some(secrets),
            } => {
                for held in secrets.candidates(now, key_id) {
                    let fresh = Running::Hash(Hasher::new(*hash));
                    if claim.matches(&message.hash(fresh, held.key.expose())?.finish()) {
                        return proof(Some(named(held)));
                    }
                }
                Err(Rejection::DigestMismatch)
            }
            Prover::Hmac(keys) => {
                for held in keys.candidates(now, key_id) {
                    let fresh = Running::Mac(held.key.start());
                    if claim.matches(&message.hash(fresh, held.key.secret.expose())?.finish()) {
                        return proof(Some(named(held)));
                    }
                }
                Err(Rejection::SignatureMismatch)
            }
            Prover::PublicKey {
                algorithm, keys, ..
            } => {
                let material = match message.hash(start(*algorithm), &[])? {
                    Running::Whole(message) => Some(Material::Message(message)),
                    Running::Hash(hasher) => algorithm
                        .hash()
                        .and_then(|hash| Material::digest(hash, hasher)),
                    Running::Mac(_) => None,
                };
                let material = material.ok_or(Rejection::Internal)?;
                for held in keys.candidates(now, key_id) {
                    if claim
                        .signatures
                        .iter()
                        .any(|s| held.key.verifies(&material, s))
                    {
                        return proof(Some(named(held)));
                    }
                }
                Err(Rejection::SignatureMismatch)
            }
        }
    }
}

fn named<K>(held: &Held<K>) -> std::sync::Arc<str> {
    held.name.clone()
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
    fn hash(&mut self, fresh: Running, secret: &[u8]) -> Result<Running, Rejection> {
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
        let mut running = fresh;
        template.feed(&context, |bytes| running.update(bytes))?;
        Ok(running)
    }
}

impl Claim {
    /// Whether any claimed signature is `expected`, in constant time and on the exact length.
    fn matches(&self, expected: &[u8]) -> bool {
        self.signatures
            .iter()
            .any(|claimed| bool::from(claimed.ct_eq(expected)))
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

    /// Whether `{field}` is read from the header's format.
    pub fn format_has(&self, field: Field) -> bool {
        self.format.has(field)
    }
}
