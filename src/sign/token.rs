//! Tokens, signed.

use serde_json::{Map, Value};

use super::{NEEDS_PRIVATE_KEY, Outcome, SignError, Signer};
use crate::verify::jwt::Jwt;
use crate::verify::template::Template;
use crate::verify::{Claim, Encoding, Hasher, Place};

impl Signer<'_> {
    pub(super) fn token(&mut self, step: &Jwt) -> Outcome {
        // A detached one has no `exp`: without an age limit nothing looks at its time.
        let now = if step.detached && step.max_age.is_none() {
            self.now
        } else {
            self.signing_time()
        };
        let known = step.algorithms.first().ok_or(SignError("no algorithm"))?;
        let held = step
            .keys
            .candidates(self.now, None)
            .find(|held| held.key.serves(known));
        let mut protected = Map::new();
        protected.insert("alg".into(), known.name.into());
        if let Some(id) = held.and_then(|held| held.key.id()) {
            protected.insert("kid".into(), id.into());
        }
        // The payload as it is signed, and as it is sent.
        let (payload, sent) = if step.detached {
            protected.insert("b64".into(), false.into());
            protected.insert("crit".into(), serde_json::json!(["b64"]));
            protected.insert(step.issued_at.clone(), now.as_second().into());
            (self.delivery.body.clone(), String::new())
        } else {
            protected.insert("typ".into(), "JWT".into());
            let claims = Value::Object(self.claims(step, now.as_second())?);
            let text = Encoding::Base64Url.encode(claims.to_string().as_bytes());
            (text.clone().into_bytes(), text)
        };
        let header = Value::Object(protected).to_string();
        let header = Encoding::Base64Url.encode(header.as_bytes());
        let message = [header.as_bytes(), b".", &payload].concat();
        let secret = held.and_then(|held| held.key.shared_secret());
        let signature = match (secret, self.private_key) {
            (Some(secret), _) => {
                let secret = self.other_key(secret.to_vec());
                let key = jsonwebtoken::EncodingKey::from_secret(&secret);
                jsonwebtoken::crypto::sign(&message, &key, known.algorithm)
                    .map_err(|_| SignError("the token cannot be signed"))?
            }
            (None, Some(key)) => {
                let key = self.other_private_key(key)?;
                Encoding::Base64Url.encode(&key.sign_token(known.name, &message)?)
            }
            (None, None) => return Err(NEEDS_PRIVATE_KEY),
        };
        let token = format!("{header}.{sent}.{}", self.altered_text(signature));
        let value = format!("{}{token}", step.prefix).into_bytes();
        if let Place::Json(_) | Place::Form(_) = step.place {
            self.prepare(std::slice::from_ref(&step.place), &Template::literal(""))?;
        }
        self.put(&step.place, value)
    }

    /// The claims: of a token that is the body also what the sample says.
    fn claims(&self, step: &Jwt, now: i64) -> Result<Map<String, Value>, SignError> {
        let mut claims = match (&step.place, serde_json::from_slice(&self.delivery.body)) {
            (Place::Body, Ok(Value::Object(sample))) => sample,
            _ => Map::new(),
        };
        for name in &step.required {
            claims.entry(name.clone()).or_insert("sample".into());
        }
        claims.insert(step.issued_at.clone(), now.into());
        claims.insert("exp".into(), now.saturating_add(300).into());
        claims.remove("nbf");
        let claim = Claim::default();
        for (name, expected) in [("iss", &step.issuers), ("aud", &step.audiences)] {
            if let Some(template) = expected.first() {
                let mut text = Vec::new();
                self.render(template, &claim, &[], |bytes| text.extend_from_slice(bytes))?;
                let text = String::from_utf8_lossy(&text).into_owned();
                claims.insert(name.into(), text.into());
            }
        }
        for rule in &step.body_hash {
            let mut hasher = Hasher::new(rule.hash);
            self.render(&rule.message, &claim, &[], |bytes| hasher.update(bytes))?;
            let hash = rule.encoding.encode(&hasher.finish());
            claims.insert(rule.claim.clone(), hash.into());
        }
        Ok(claims)
    }
}
