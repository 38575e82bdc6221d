//! What is answered.

use http::{HeaderName, HeaderValue, StatusCode};

use super::template::{Text, Values};
use super::{Handshake, Handshakes};
use crate::rejection::Rejection;
use crate::secret::Secret;
use crate::verify::signed::MacKey;
use crate::verify::{Encoding, Hash, Head, Moment, Ring};

/// What is computed from the challenge: `{proof}`.
#[derive(Debug, Clone)]
pub struct Proof {
    /// How.
    pub prover: Prover,
    /// How its bytes are written.
    pub encoding: Encoding,
}

/// How a proof is computed.
#[derive(Debug, Clone)]
pub enum Prover {
    /// A hash of a text that holds a secret.
    Digest {
        /// The hash.
        hash: Hash,
        /// The text.
        message: Text,
    },
    /// HMAC of the challenge and nothing else, under the first key in force.
    Hmac(Ring<MacKey>),
}

/// How an answer looks.
#[derive(Debug, Clone)]
pub struct Reply {
    /// Its status.
    pub status: StatusCode,
    /// Its body.
    pub kind: Kind,
    /// Its headers besides those that every answer has.
    pub headers: Vec<(HeaderName, Text)>,
    /// Scheme and host as the provider knows them, for `{url}`.
    pub public_url: String,
}

/// The body of an answer. There is no kind that a browser would take for a page.
#[derive(Debug, Clone)]
pub enum Kind {
    /// None.
    Empty,
    /// `application/json`.
    Json(Text),
    /// `text/plain`.
    Text(Text),
}

/// An answer, ready to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// The type of its body, if it has one.
    pub content_type: Option<HeaderValue>,
    /// Its other headers.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// Its body.
    pub body: Vec<u8>,
    /// What the log says beside it.
    pub hint: Option<String>,
}

impl Handshake {
    pub(super) fn reply(
        &self,
        all: &Handshakes,
        head: &Head<'_>,
        challenge: &str,
        now: Moment,
    ) -> Result<Answer, Rejection> {
        let token = all
            .verify_token
            .as_ref()
            .and_then(|tokens| tokens.candidates(now, None).next())
            .map(|held| held.key.expose());
        let url = format!("{}{}", self.reply.public_url, head.path);
        let mut values = Values {
            challenge,
            proof: "",
            url: &url,
            username: &all.username,
            verify_token: token.unwrap_or_default(),
        };
        let proof = match &self.proof {
            None => String::new(),
            // Without a key in force nobody could tell the answer from a right one.
            Some(proof) => proof.of(&values, now).ok_or(Rejection::Internal)?,
        };
        values.proof = &proof;
        let mut headers = Vec::new();
        for (name, text) in &self.reply.headers {
            let value = HeaderValue::from_bytes(&text.fill(&values));
            headers.push((
                name.clone(),
                value.map_err(|_| Rejection::HandshakeMalformed)?,
            ));
        }
        let (content_type, body) = match &self.reply.kind {
            Kind::Empty => (None, Vec::new()),
            Kind::Json(text) => (
                Some("application/json"),
                text.fill_json(&values)
                    .ok_or(Rejection::HandshakeMalformed)?,
            ),
            Kind::Text(text) => (Some("text/plain; charset=utf-8"), text.fill(&values)),
        };
        Ok(Answer {
            status: self.reply.status,
            content_type: content_type.map(HeaderValue::from_static),
            headers,
            body,
            hint: self.hint.clone(),
        })
    }
}

impl Proof {
    /// The proof as text; `None` when no key is in force.
    fn of(&self, values: &Values<'_>, now: Moment) -> Option<String> {
        let bytes = match &self.prover {
            Prover::Digest { hash, message } => {
                if values.verify_token.is_empty() {
                    return None;
                }
                hash.of(Secret::new(message.fill(values)).expose())
            }
            Prover::Hmac(keys) => {
                let mut mac = keys.candidates(now, None).next()?.key.start();
                mac.update(values.challenge.as_bytes());
                mac.finish()
            }
        };
        Some(self.encoding.encode(&bytes))
    }
}
