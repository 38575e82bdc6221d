//! Static credentials: an API key, basic and bearer authentication.

use http::HeaderName;
use subtle::ConstantTimeEq as _;

use super::place::{elements, single_header};
use super::{Body, Encoding, Head, Moment, Place, Proof, Ring};
use crate::json::Pointer;
use crate::rejection::Rejection;
use crate::secret::Secret;

/// A static key in a header, the query or the body: compared byte for byte, never decoded.
#[derive(Debug, Clone)]
pub struct ApiKey {
    /// Where it stands.
    pub place: Place,
    /// The array in the body whose every element carries it.
    pub for_each: Option<Pointer>,
    /// What stands before it.
    pub prefix: String,
    /// The keys that may match, as a request writes them.
    pub secrets: Ring<Secret>,
}

impl ApiKey {
    /// Whether it can be verified only once the body is there.
    pub const fn needs_body(&self) -> bool {
        self.for_each.is_some() || self.place.needs_body()
    }

    /// Verifies it; `body` is needed only where the key stands in the body.
    pub fn verify(
        &self,
        head: &Head<'_>,
        body: Option<&Body>,
        now: Moment,
    ) -> Result<Proof, Rejection> {
        let Some(pointer) = &self.for_each else {
            return self.verify_one(head, body, now);
        };
        let body = body.ok_or(Rejection::Internal)?;
        let mut proof = None;
        for element in elements(pointer, body)? {
            proof = Some(self.verify_one(head, Some(&element), now)?);
        }
        proof.ok_or(Rejection::CredentialMissing)
    }

    fn verify_one(
        &self,
        head: &Head<'_>,
        body: Option<&Body>,
        now: Moment,
    ) -> Result<Proof, Rejection> {
        let value = self
            .place
            .read(head, body)?
            .ok_or(Rejection::CredentialMissing)?;
        let key = value
            .strip_prefix(self.prefix.as_bytes())
            .ok_or(Rejection::CredentialMalformed)?;
        matching(&self.secrets, key, now).map(|name| Proof::new("api-key", Some(name)))
    }
}

/// HTTP basic authentication (RFC 7617).
#[derive(Debug, Clone)]
pub struct Basic {
    /// The user name.
    pub username: String,
    /// The passwords that may match.
    pub secrets: Ring<Secret>,
}

impl Basic {
    /// Verifies it. User and password are parted at the first colon (RFC 7617 §2) and both
    /// compared, whatever the first comparison says.
    pub fn verify(&self, head: &Head<'_>, now: Moment) -> Result<Proof, Rejection> {
        let value = scheme(head, &http::header::AUTHORIZATION, "Basic ")?;
        let pair = Encoding::Base64
            .decode(value)
            .ok_or(Rejection::CredentialMalformed)?;
        let colon = pair
            .iter()
            .position(|b| *b == b':')
            .ok_or(Rejection::CredentialMalformed)?;
        let (user, password) = pair.split_at(colon);
        let password = password.get(1..).unwrap_or_default();
        let user_right = bool::from(user.ct_eq(self.username.as_bytes()));
        let name = matching(&self.secrets, password, now)?;
        if user_right {
            Ok(Proof::new("basic", Some(name)))
        } else {
            Err(Rejection::CredentialWrong)
        }
    }
}

/// A static bearer token (RFC 6750 §2.1).
#[derive(Debug, Clone)]
pub struct Bearer {
    /// The header that carries it.
    pub header: HeaderName,
    /// The tokens that may match.
    pub secrets: Ring<Secret>,
}

impl Bearer {
    /// Verifies it.
    pub fn verify(&self, head: &Head<'_>, now: Moment) -> Result<Proof, Rejection> {
        let token = scheme(head, &self.header, "Bearer ")?;
        matching(&self.secrets, token, now).map(|name| Proof::new("bearer", Some(name)))
    }
}

/// What follows the scheme word, which is read in any letter case (RFC 9110 §11.1).
pub(super) fn scheme<'a>(
    head: &Head<'a>,
    header: &HeaderName,
    prefix: &str,
) -> Result<&'a [u8], Rejection> {
    let value = single_header(head, header)?.ok_or(Rejection::CredentialMissing)?;
    match value.split_at_checked(prefix.len()) {
        Some((word, rest)) if word.eq_ignore_ascii_case(prefix.as_bytes()) => Ok(rest),
        _ => Err(Rejection::CredentialMalformed),
    }
}

/// The name of the secret that `candidate` is. Every one is compared, so that the time tells
/// nothing about which.
fn matching(
    secrets: &Ring<Secret>,
    candidate: &[u8],
    now: Moment,
) -> Result<std::sync::Arc<str>, Rejection> {
    let mut matched = None;
    for held in secrets.candidates(now, None) {
        if held.key.matches(candidate) && matched.is_none() {
            matched = Some(held.name.clone());
        }
    }
    matched.ok_or(Rejection::CredentialWrong)
}
