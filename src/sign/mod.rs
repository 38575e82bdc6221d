//! The grammar run forwards: signs a delivery as the provider would, for `send` and `demo`.

mod asymmetric;
mod http_signature;
mod pairs;
mod put;
mod tamper;
mod token;

use http::{HeaderMap, header};
use serde_json::Value;

pub use asymmetric::PrivateKey;
pub use pairs::KeyPairs;
pub use tamper::Tamper;

use crate::json::Pointer;
use crate::verify::format::Field;
use crate::verify::signed::{Prover, Signature};
use crate::verify::template::{Context, Cover, Template};
use crate::verify::{Body, Claim, Encoding, Hasher, Head, Moment, Plan, Ring, Step};

/// A request as it would be sent.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// The method.
    pub method: String,
    /// The path.
    pub path: String,
    /// The query without `?`.
    pub query: Option<String>,
    /// The headers that carry proof.
    pub headers: HeaderMap,
    /// The body.
    pub body: Vec<u8>,
}

/// Why a delivery cannot be signed, or not tampered with in this way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignError(pub &'static str);

impl std::fmt::Display for SignError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0)
    }
}

type Outcome = Result<(), SignError>;

/// Signs `delivery` with the first way that each group of `plan` offers.
///
/// # Errors
///
/// When a secret or the private key is not at hand, the proof stands in the body, or the scheme has
/// nothing that `tamper` could change.
pub fn sign(
    plan: &Plan,
    delivery: &mut Delivery,
    private_key: Option<&PrivateKey>,
    now: Moment,
    tamper: Option<Tamper>,
) -> Outcome {
    let mut signer = Signer {
        delivery,
        private_key,
        now,
        tamper,
        changed: false,
    };
    let mut steps: Vec<&Step> = plan
        .groups
        .iter()
        .filter_map(|group| group.first())
        .collect();
    // What the others may sign comes first: the digest of a body, in the query.
    steps.sort_by_key(|step| !is_plain_digest(step));
    for step in steps {
        signer.step(step)?;
    }
    if tamper == Some(Tamper::Body) {
        if !plan.groups.iter().flatten().any(covers_body) {
            return Err(SignError("nothing of this scheme covers the body"));
        }
        delivery.body.push(b' ');
    } else if tamper.is_some() && !signer.changed {
        return Err(SignError("this scheme has nothing of that kind to change"));
    }
    Ok(())
}

fn is_plain_digest(step: &Step) -> bool {
    matches!(step, Step::Signature(signature)
        if matches!(signature.prover, Prover::Digest { secrets: None, .. }))
}

fn covers_body(step: &Step) -> bool {
    match step {
        Step::ApiKey(_) | Step::Basic(_) | Step::Bearer(_) | Step::Mtls(_) => false,
        Step::HttpSignature(step) => step.covers_body(),
        Step::Jwt(jwt) => jwt.covers_body(),
        Step::Signature(signature) => {
            signature.for_each.is_none() && signature.message.cover() != Cover::None
        }
    }
}

struct Signer<'a> {
    delivery: &'a mut Delivery,
    private_key: Option<&'a PrivateKey>,
    now: Moment,
    tamper: Option<Tamper>,
    /// Whether the tampering found something to change.
    changed: bool,
}

impl Signer<'_> {
    fn step(&mut self, step: &Step) -> Outcome {
        if self.tampers(Tamper::Missing) {
            return Ok(());
        }
        match step {
            Step::ApiKey(step) => {
                let key = self.credential(first(&step.secrets, self.now)?.expose().to_vec());
                let value = [step.prefix.as_bytes(), &key].concat();
                match &step.for_each {
                    None => self.put(&step.place, value),
                    Some(pointer) => self.each(pointer, |one| one.put(&step.place, value.clone())),
                }
            }
            Step::Basic(step) => {
                let password = self.credential(first(&step.secrets, self.now)?.expose().to_vec());
                let pair = [step.username.as_bytes(), b":", &password].concat();
                let value = format!("Basic {}", Encoding::Base64.encode(&pair));
                self.header(&header::AUTHORIZATION, value.into_bytes())
            }
            Step::Bearer(step) => {
                let token = self.credential(first(&step.secrets, self.now)?.expose().to_vec());
                self.header(&step.header, [b"Bearer ", &*token].concat())
            }
            Step::HttpSignature(step) => self.http_signature(step),
            Step::Jwt(step) => self.token(step),
            // The connection proves it: who opens it has to see to the certificate.
            Step::Mtls(_) => {
                let _ = self.tampers(Tamper::Key) || self.tampers(Tamper::Signature);
                Ok(())
            }
            Step::Signature(step) => match &step.for_each {
                None => self.signature(step),
                Some(pointer) => self.each(pointer, |one| one.signature(step)),
            },
        }
    }

    /// Signs every element of the array at `pointer` as a delivery of its own.
    fn each(
        &mut self,
        pointer: &Pointer,
        mut sign: impl FnMut(&mut Signer<'_>) -> Outcome,
    ) -> Outcome {
        const NO_ARRAY: SignError =
            SignError("the sample has no array with an element where `for_each` points");
        let mut document: Value =
            serde_json::from_slice(&self.delivery.body).map_err(|_| NO_ARRAY)?;
        let elements = document
            .pointer_mut(&pointer.to_string())
            .and_then(Value::as_array_mut)
            .filter(|elements| !elements.is_empty())
            .ok_or(NO_ARRAY)?;
        for element in elements {
            let mut delivery = self.delivery.clone();
            delivery.body = element.to_string().into_bytes();
            let mut signer = Signer {
                delivery: &mut delivery,
                private_key: self.private_key,
                now: self.now,
                tamper: self.tamper,
                changed: self.changed,
            };
            sign(&mut signer)?;
            self.changed |= signer.changed;
            self.delivery.headers = delivery.headers;
            self.delivery.query = delivery.query;
            *element = serde_json::from_slice(&delivery.body).map_err(|_| NO_ARRAY)?;
        }
        self.delivery.body = document.to_string().into_bytes();
        Ok(())
    }

    fn signature(&mut self, step: &Signature) -> Outcome {
        self.prepare(&step.places, &step.message)?;
        let unit = step.freshness.as_ref().map(|freshness| freshness.unit);
        let now = if unit.is_some() {
            self.signing_time()
        } else {
            self.now
        };
        let claim = Claim {
            signatures: Vec::new(),
            timestamp: unit.map(|unit| unit.write(now)),
            id: Some(format!("msg_{}", now.as_millisecond())),
            key_id: self.key_name(step),
        };
        if let Some(place) = step
            .freshness
            .as_ref()
            .and_then(|freshness| freshness.place.as_ref())
        {
            let text = claim.timestamp.clone().unwrap_or_default();
            self.put(place, text.into_bytes())?;
        }
        if let Some(place) = &step.id {
            self.put(place, claim.id.clone().unwrap_or_default().into_bytes())?;
        }
        if let (Some(place), Some(name)) = (&step.key_id, &claim.key_id) {
            self.put(place, name.clone().into_bytes())?;
        }
        let bytes = self.prove(step, &claim)?;
        let encoded = step.encoding.encode(&self.altered(bytes));
        let value = step.format.render(|field| match field {
            Field::Signature => encoded.clone(),
            Field::Timestamp => claim.timestamp.clone().unwrap_or_default(),
            Field::Id => claim.id.clone().unwrap_or_default(),
            Field::KeyId => claim.key_id.clone().unwrap_or_default(),
            Field::Any => "sample".to_owned(),
        });
        let place = step.places.first().ok_or(SignError("no place"))?;
        self.put(place, value.into_bytes())
    }

    fn prove(&mut self, step: &Signature, claim: &Claim) -> Result<Vec<u8>, SignError> {
        match &step.prover {
            Prover::Digest { hash, secrets } => {
                let secret = match secrets {
                    Some(secrets) => {
                        let secret = first(secrets, self.now)?.expose().to_vec();
                        self.other_key(secret)
                    }
                    None => Vec::new(),
                };
                let mut hasher = Hasher::new(*hash);
                self.feed(step, claim, &secret, |bytes| hasher.update(bytes))?;
                Ok(hasher.finish())
            }
            Prover::Hmac(keys) => {
                let key = &keys
                    .candidates(self.now, None)
                    .next()
                    .ok_or(NONE_IN_FORCE)?
                    .key;
                let secret = self.other_key(key.secret().expose().to_vec());
                let mut mac = key.start_with(&secret).ok_or(NONE_IN_FORCE)?;
                self.feed(step, claim, &secret, |bytes| mac.update(bytes))?;
                Ok(mac.finish())
            }
            Prover::PublicKey {
                algorithm,
                salt,
                form,
                ..
            } => {
                let key = self.private_key.ok_or(NEEDS_PRIVATE_KEY)?;
                let key = self.other_private_key(key)?;
                let mut message = Vec::new();
                self.feed(step, claim, &[], |bytes| message.extend_from_slice(bytes))?;
                key.sign(*algorithm, *salt, *form, &message)
            }
        }
    }

    fn feed(
        &self,
        step: &Signature,
        claim: &Claim,
        secret: &[u8],
        sink: impl FnMut(&[u8]),
    ) -> Outcome {
        self.render(&step.message, claim, secret, sink)
    }

    /// Gives a message about the delivery as it is now to `sink`.
    fn render(
        &self,
        message: &Template,
        claim: &Claim,
        secret: &[u8],
        sink: impl FnMut(&[u8]),
    ) -> Outcome {
        let body = Body::from(bytes::Bytes::from(self.delivery.body.clone()));
        let head = Head {
            method: &self.delivery.method,
            path: &self.delivery.path,
            query: self.delivery.query.as_deref(),
            headers: (&self.delivery.headers).into(),
        };
        let context = Context {
            head: &head,
            claim,
            body: Some(&body),
            secret,
        };
        message.feed(&context, sink).map_err(|_| {
            SignError("the message needs a header or field that the sample does not have")
        })
    }

    fn key_name(&self, step: &Signature) -> Option<String> {
        match &step.prover {
            Prover::Hmac(keys) => name(keys, self.now),
            Prover::Digest { secrets, .. } => {
                secrets.as_ref().and_then(|keys| name(keys, self.now))
            }
            Prover::PublicKey { keys, .. } => {
                let held = keys.candidates(self.now, None).next()?;
                let id = held.key.id().unwrap_or(&held.name);
                Some(id.to_owned())
            }
        }
    }
}

const NONE_IN_FORCE: SignError = SignError("no secret of this route is in force now");
const NEEDS_PRIVATE_KEY: SignError = SignError(
    "this scheme signs with a private key: give the one of a test key pair, with `--private-key FILE`",
);

fn first(
    secrets: &Ring<crate::secret::Secret>,
    now: Moment,
) -> Result<&crate::secret::Secret, SignError> {
    secrets
        .candidates(now, None)
        .next()
        .map(|held| &held.key)
        .ok_or(NONE_IN_FORCE)
}

fn name<K>(keys: &Ring<K>, now: Moment) -> Option<String> {
    keys.candidates(now, None)
        .next()
        .map(|held| held.name.to_string())
}
