//! The replies that gatepost gives itself: a provider asks whether the receiver is who its customer
//! says, before it sends events or now and then.
//!
//! Pure and synchronous, as `verify` is. What is asked must have the exact shape that the
//! configuration describes: everything else goes on as an event, or nowhere. What is answered is
//! bounded, is never HTML, and never holds anything made with a key unless the shape of the
//! challenge rules out that it is an event's message.

mod question;
mod reply;
mod template;
#[cfg(test)]
mod tests;

use http::Method;

pub use question::{Asks, Condition, Wanted};
pub use reply::{Answer, Kind, Proof, Prover, Reply};
pub use template::{Text, TextError};

use crate::rejection::Rejection;
use crate::secret::Secret;
use crate::verify::{Body, Head, Moment, Place, Ring, Shape};

/// A larger body is no handshake: it is not read as one.
pub const MAX_BODY: usize = 8 * 1024;

/// The text that the provider wants back, or signed.
#[derive(Debug, Clone)]
pub struct Challenge {
    /// Where it stands.
    pub place: Place,
    /// Which texts it may be.
    pub shape: Shape,
}

/// One question and its answer.
#[derive(Debug, Clone)]
pub struct Handshake {
    /// The method it comes with.
    pub method: Method,
    /// Answered only once everything that the route verifies has passed.
    pub signed: bool,
    /// What else the request must be.
    pub asks: Asks,
    /// What it wants back.
    pub challenge: Option<Challenge>,
    /// What is computed from it.
    pub proof: Option<Proof>,
    /// The answer.
    pub reply: Reply,
    /// What the log says beside it, for an operator who has something to do now.
    pub hint: Option<String>,
}

/// All questions that a route answers.
#[derive(Debug, Clone)]
pub struct Handshakes {
    /// In order: the first that is asked is answered.
    pub all: Vec<Handshake>,
    /// What the provider repeats to show that it knows the receiver.
    pub verify_token: Option<Ring<Secret>>,
    /// The name of the key, for replies that tell it.
    pub username: String,
}

/// What the head alone tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// No handshake that could be answered now.
    No,
    /// One that shows in the body, if at all.
    PerhapsInBody,
    /// One that shows in the head.
    Yes,
}

impl Handshakes {
    /// Whether one comes with this method.
    pub fn take(&self, method: &Method) -> bool {
        self.all.iter().any(|one| one.method == *method)
    }

    /// Whether the head may be that of a question which needs no verification. `empty`: there is
    /// certainly no body.
    pub fn asked(&self, head: &Head<'_>, empty: bool) -> Asked {
        let mut asked = Asked::No;
        for one in self.all.iter().filter(|one| !one.signed) {
            if !one.may_be(head, empty) {
                continue;
            }
            if one.needs_body() {
                asked = Asked::PerhapsInBody;
            } else {
                return Asked::Yes;
            }
        }
        asked
    }

    /// The answer to a request, if it is a question; `verified` tells whether everything that the
    /// route verifies has passed.
    ///
    /// # Errors
    ///
    /// `HandshakeToken` and `HandshakeMalformed`: a question that is asked wrongly is nothing else.
    pub fn answer(
        &self,
        head: &Head<'_>,
        body: Option<&Body>,
        empty: bool,
        verified: bool,
        now: Moment,
    ) -> Result<Option<Answer>, Rejection> {
        if body.is_some_and(|body| body.len() > MAX_BODY) {
            return Ok(None);
        }
        for one in self.all.iter().filter(|one| one.signed == verified) {
            let without = one.needs_body() && body.is_none();
            if without || !one.may_be(head, empty) || !one.asks.hold(head, body) {
                continue;
            }
            let Some(challenge) = one.challenge(head, body)? else {
                continue;
            };
            if !one.asks.knows(head, body, self.verify_token.as_ref(), now) {
                return Err(Rejection::HandshakeToken);
            }
            return one.reply(self, head, &challenge, now).map(Some);
        }
        Ok(None)
    }
}

impl Handshake {
    /// Whether its body has to be read to know it.
    pub fn needs_body(&self) -> bool {
        let challenge = self.challenge.as_ref();
        self.asks.needs_body() || challenge.is_some_and(|one| one.place.needs_body())
    }

    /// Whether nothing in the head speaks against it.
    fn may_be(&self, head: &Head<'_>, empty: bool) -> bool {
        let challenge = self.challenge.as_ref().map(|challenge| &challenge.place);
        let there = challenge
            .is_none_or(|place| place.needs_body() || !matches!(place.read(head, None), Ok(None)));
        self.method.as_str() == head.method
            && (empty != self.needs_body() || self.asks.any_body)
            && there
            && self.asks.hold_in_head(head)
    }

    /// The challenge, empty where none is needed; `None` when it is not there.
    fn challenge(&self, head: &Head<'_>, body: Option<&Body>) -> Result<Option<String>, Rejection> {
        let Some(Challenge { place, shape }) = &self.challenge else {
            return Ok(Some(String::new()));
        };
        let value = place
            .read(head, body)
            .map_err(|_| Rejection::HandshakeMalformed)?;
        match value.map(|value| String::from_utf8(value.into_owned())) {
            None => Ok(None),
            Some(Ok(text)) if shape.fits(text.as_bytes()) => Ok(Some(text)),
            Some(_) => Err(Rejection::HandshakeMalformed),
        }
    }
}
