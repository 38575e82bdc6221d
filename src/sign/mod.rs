//! The grammar run forwards: signs a delivery as the provider would, for `send` and `demo`.

mod asymmetric;
mod tamper;

use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Map, Value};

pub use asymmetric::PrivateKey;
pub use tamper::Tamper;

use crate::verify::format::Field;
use crate::verify::jwt::Jwt;
use crate::verify::signed::{Prover, Signature};
use crate::verify::template::Context;
use crate::verify::{Body, Claim, Encoding, Hasher, Head, Moment, Place, Plan, Ring, Step};

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
    for group in &plan.groups {
        if let Some(step) = group.first() {
            signer.step(step)?;
        }
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

fn covers_body(step: &Step) -> bool {
    match step {
        Step::ApiKey(_) | Step::Basic(_) | Step::Bearer(_) | Step::Mtls(_) => false,
        Step::Jwt(jwt) => jwt.body_hash.is_some(),
        Step::Signature(signature) => signature.message.covers_body(),
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
                self.put(&step.place, value)
            }
            Step::Basic(step) => {
                let password = self.credential(first(&step.secrets, self.now)?.expose().to_vec());
                let pair = [step.username.as_bytes(), b":", &password].concat();
                let value = format!("Basic {}", Encoding::Base64.encode(&pair));
                self.header(&http::header::AUTHORIZATION, value.into_bytes())
            }
            Step::Bearer(step) => {
                let token = self.credential(first(&step.secrets, self.now)?.expose().to_vec());
                self.header(&step.header, [b"Bearer ", &*token].concat())
            }
            Step::Jwt(step) => self.token(step),
            Step::Mtls(_) => Err(SignError(
                "the connection's certificate proves it, and this command has none: send it with curl --cert",
            )),
            Step::Signature(step) => self.signature(step),
        }
    }

    fn token(&mut self, step: &Jwt) -> Outcome {
        let now = self.signing_time();
        let mut claims = Map::new();
        for name in &step.required {
            claims.insert(name.clone(), Value::from("sample"));
        }
        claims.insert("iat".into(), now.as_second().into());
        claims.insert("exp".into(), now.as_second().saturating_add(300).into());
        claims.remove("nbf");
        for (name, values) in [("iss", &step.issuers), ("aud", &step.audiences)] {
            if let Some(value) = values.first() {
                claims.insert(name.into(), Value::from(value.as_str()));
            }
        }
        if let Some(rule) = &step.body_hash {
            let mut hasher = Hasher::new(rule.hash);
            hasher.update(&self.delivery.body);
            claims.insert(
                rule.claim.clone(),
                rule.encoding.encode(&hasher.finish()).into(),
            );
        }
        let known = step.algorithms.first().ok_or(SignError("no algorithm"))?;
        let text = |value: &Value| Encoding::Base64Url.encode(value.to_string().as_bytes());
        let header = text(&serde_json::json!({ "alg": known.name, "typ": "JWT" }));
        let message = format!("{header}.{}", text(&Value::Object(claims)));
        let held = step
            .keys
            .candidates(self.now, None)
            .find(|held| held.key.serves(known));
        let secret = held.and_then(|held| held.key.shared_secret());
        let signature = match (secret, self.private_key) {
            (Some(secret), _) => {
                let secret = self.other_key(secret.to_vec());
                let key = jsonwebtoken::EncodingKey::from_secret(&secret);
                jsonwebtoken::crypto::sign(message.as_bytes(), &key, known.algorithm)
                    .map_err(|_| SignError("the token cannot be signed"))?
            }
            (None, Some(key)) => {
                let key = self.other_private_key(key)?;
                Encoding::Base64Url.encode(&key.sign_token(known.name, message.as_bytes())?)
            }
            (None, None) => return Err(NEEDS_PRIVATE_KEY),
        };
        let token = format!("{message}.{}", self.altered_text(signature));
        self.header(&step.header, format!("{}{token}", step.prefix).into_bytes())
    }

    fn signature(&mut self, step: &Signature) -> Outcome {
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
        let bytes = self.prove(step, &claim)?;
        let encoded = step.encoding.encode(&self.altered(bytes));
        let value = step.format.render(|field| match field {
            Field::Signature => encoded.clone(),
            Field::Timestamp => claim.timestamp.clone().unwrap_or_default(),
            Field::Id => claim.id.clone().unwrap_or_default(),
            Field::KeyId => claim.key_id.clone().unwrap_or_default(),
        });
        self.put(&step.place, value.into_bytes())
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
        let body = Body::from(bytes::Bytes::from(self.delivery.body.clone()));
        let head = Head {
            method: &self.delivery.method,
            path: &self.delivery.path,
            query: self.delivery.query.as_deref(),
            headers: &self.delivery.headers,
        };
        let context = Context {
            head: &head,
            claim,
            body: Some(&body),
            secret,
        };
        step.message.feed(&context, sink).map_err(|_| {
            SignError("the message needs a header or field that the sample does not have")
        })
    }

    fn key_name(&self, step: &Signature) -> Option<String> {
        match &step.prover {
            Prover::Hmac(keys) => name(keys, self.now),
            Prover::Digest { secrets, .. } => {
                secrets.as_ref().and_then(|keys| name(keys, self.now))
            }
            Prover::PublicKey { keys, .. } => name(keys, self.now),
        }
    }

    fn put(&mut self, place: &Place, value: Vec<u8>) -> Outcome {
        match place {
            Place::Header(header) => self.header(header, value),
            Place::Query(field) => {
                let text =
                    String::from_utf8(value).map_err(|_| SignError("the value is not text"))?;
                let pair = format!("{field}={}", percent_encoded(&text));
                let query = self.delivery.query.take();
                self.delivery.query =
                    Some(query.map_or_else(|| pair.clone(), |query| format!("{query}&{pair}")));
                Ok(())
            }
            Place::Form(_) | Place::Json(_) => Err(SignError(
                "the proof stands in the body: a sample cannot be signed",
            )),
        }
    }

    fn header(&mut self, header: &HeaderName, value: Vec<u8>) -> Outcome {
        let value =
            HeaderValue::try_from(value).map_err(|_| SignError("the value cannot be a header"))?;
        self.delivery.headers.insert(header.clone(), value);
        Ok(())
    }
}

const NONE_IN_FORCE: SignError = SignError("no secret of this route is in force now");
const NEEDS_PRIVATE_KEY: SignError =
    SignError("this scheme signs with a private key: give the one of a test key pair");

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

/// A text as part of a query.
pub fn percent_encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                char::from(byte).to_string()
            }
            _ => format!("%{byte:02X}"),
        })
        .collect()
}
