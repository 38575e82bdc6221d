//! The proof that a request comes from its provider.
//!
//! Pure and synchronous: a [`Plan`] takes a head, a body and the time, and gives either
//! [`Verified`] or a [`Rejection`]. It knows neither files nor sockets, so it is tested by tables
//! and fuzzed without a runtime.
//!
//! ```text
//! Plan::admit(head) ──► Pending::update(chunk)* ──► Pending::finish(body) ──► Verified
//!   addresses, what needs no body      hashed as it arrives      all the rest
//! ```

pub mod algorithm;
mod body;
mod certificate;
mod claim;
pub mod format;
mod hash;
pub mod http_signature;
pub mod jwt;
mod place;
pub mod public_key;
mod ring;
mod shape;
pub mod shared;
pub mod signed;
pub mod template;
#[cfg(test)]
mod tests;
mod timestamp;
mod token_key;

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use jiff::Timestamp;

pub use crate::encoding::Encoding;
pub use body::Body;
pub use certificate::{Certificate, Mtls};
pub use claim::Claim;
pub use hash::{Hash, Hasher, Mac};
pub use place::{JsonPlace, Place};
pub use ring::{Held, Ring};
pub use shape::{Alphabet, AlphabetError, Shape};
pub use timestamp::{Freshness, Unit};

use crate::address::AddressList;
use crate::fingerprint::{Fingerprint, Fingerprinter};
use crate::headers::Lines;
use crate::rejection::Rejection;

/// The time that decides: a parameter, never a look at the clock.
pub type Moment = Timestamp;

/// A request head as it was sent.
#[derive(Debug, Clone, Copy)]
pub struct Head<'a> {
    /// The method.
    pub method: &'a str,
    /// The path, byte for byte.
    pub path: &'a str,
    /// The query without its `?`, byte for byte.
    pub query: Option<&'a str>,
    /// The headers.
    pub headers: Lines<'a>,
}

/// Who sends a request, as far as the connection tells.
#[derive(Debug, Clone, Copy)]
pub struct Caller<'a> {
    /// The client address.
    pub address: IpAddr,
    /// The certificate of the connection, verified by TLS.
    pub certificate: Option<&'a Certificate>,
}

impl From<IpAddr> for Caller<'_> {
    /// A caller without a certificate.
    fn from(address: IpAddr) -> Self {
        Self {
            address,
            certificate: None,
        }
    }
}

/// One step passed: how, and with which key.
#[derive(Debug, Clone)]
pub struct Proof {
    label: &'static str,
    key: Option<Arc<str>>,
    claims: Option<Vec<u8>>,
    /// What tells this proof from every other one of its kind.
    material: Option<Vec<u8>>,
}

impl Proof {
    const fn new(label: &'static str, key: Option<Arc<str>>) -> Self {
        Self {
            label,
            key,
            claims: None,
            material: None,
        }
    }
}

/// One thing to verify.
#[derive(Debug, Clone)]
pub enum Step {
    /// A static key.
    ApiKey(shared::ApiKey),
    /// Basic authentication.
    Basic(shared::Basic),
    /// A static bearer token.
    Bearer(shared::Bearer),
    /// A signed token.
    Jwt(Box<jwt::Jwt>),
    /// An HTTP message signature.
    HttpSignature(Box<http_signature::HttpSignature>),
    /// The certificate of the connection.
    Mtls(Box<Mtls>),
    /// A signature over a message.
    Signature(Box<signed::Signature>),
}

/// All that a route verifies, compiled.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The addresses that may call; `None` where every address may.
    pub addresses: Option<AddressList>,
    /// Each group must pass; a group passes when one of its steps does.
    pub groups: Vec<Vec<Step>>,
}

/// A request that passed everything its head can tell.
#[derive(Debug)]
pub struct Pending<'p> {
    now: Moment,
    by_address: bool,
    identify: bool,
    groups: Vec<Group<'p>>,
}

#[derive(Debug)]
enum Group<'p> {
    Passed(Proof),
    /// No step has passed yet; these may when the body is there. The refusal is that of the steps
    /// that failed already.
    Open {
        steps: Vec<Begun<'p>>,
        refusal: Option<Rejection>,
    },
}

#[derive(Debug)]
enum Begun<'p> {
    ApiKey(&'p shared::ApiKey),
    HttpSignature(Box<http_signature::Begun>),
    Jwt(jwt::Begun<'p>),
    Signature(signed::Begun<'p>),
}

/// Proof that every step passed, together with the very bytes it passed for.
///
/// Only [`Pending::finish`] makes one, and forwarding consumes it: unverified bytes cannot be
/// forwarded by mistake.
#[derive(Debug)]
pub struct Verified {
    body: Body,
    by: Vec<&'static str>,
    key: Option<Arc<str>>,
    claims: Option<Vec<u8>>,
    signed: Option<Fingerprint>,
}

/// A refusal, with the body back for a route that only observes.
#[derive(Debug)]
pub struct Refused {
    /// Why.
    pub rejection: Rejection,
    /// The bytes that were not verified.
    pub body: Body,
}

impl Plan {
    /// Checks the address, then everything that needs no body, so that a wrong credential never
    /// costs a body read.
    pub fn admit<'c>(
        &self,
        caller: impl Into<Caller<'c>>,
        head: &Head<'_>,
        now: Moment,
    ) -> Result<Pending<'_>, Rejection> {
        let caller = caller.into();
        if self
            .addresses
            .as_ref()
            .is_some_and(|list| !list.contains(caller.address))
        {
            return Err(Rejection::IpNotAllowed);
        }
        let groups = self
            .groups
            .iter()
            .map(|steps| Group::begin(steps, caller, head, now))
            .collect::<Result<_, _>>()?;
        Ok(Pending {
            now,
            by_address: self.addresses.is_some(),
            identify: false,
            groups,
        })
    }
}

impl Step {
    /// The same for this step alone, to tell which of several refuses. Nothing is forwarded by it.
    pub(crate) fn admit(&self, head: &Head<'_>, now: Moment) -> Result<Pending<'_>, Rejection> {
        let nobody = IpAddr::V4(Ipv4Addr::UNSPECIFIED).into();
        let group = Group::begin(std::slice::from_ref(self), nobody, head, now)?;
        Ok(Pending {
            now,
            by_address: false,
            identify: false,
            groups: vec![group],
        })
    }
}

impl Pending<'_> {
    /// Asks for [`Verified::signed`], which costs one more hash of the body.
    pub const fn identify(&mut self) {
        self.identify = true;
    }

    /// Hashes a piece of the body as it arrives.
    pub fn update(&mut self, chunk: &[u8]) {
        for group in &mut self.groups {
            if let Group::Open { steps, .. } = group {
                for step in steps {
                    match step {
                        Begun::ApiKey(_) => {}
                        Begun::HttpSignature(begun) => begun.update(chunk),
                        Begun::Jwt(begun) => begun.update(chunk),
                        Begun::Signature(begun) => begun.update(chunk),
                    }
                }
            }
        }
    }

    /// Gives the verdict. `body` must be what [`update`](Self::update) was given, piece by piece.
    pub fn finish(self, head: &Head<'_>, body: Body) -> Result<Verified, Refused> {
        let mut verified = Verified {
            body,
            by: Vec::new(),
            key: None,
            claims: None,
            signed: None,
        };
        let mut materials = Vec::new();
        for group in self.groups {
            match group.finish(head, &verified.body, self.now, self.identify) {
                Ok(proof) => {
                    if self.identify {
                        materials.extend(proof.material.or_else(|| proof.claims.clone()));
                    }
                    verified.by.push(proof.label);
                    verified.key = verified.key.or(proof.key);
                    verified.claims = verified.claims.or(proof.claims);
                }
                Err(rejection) => {
                    return Err(Refused {
                        rejection,
                        body: verified.body,
                    });
                }
            }
        }
        if self.by_address {
            verified.by.push("ip");
        }
        verified.signed = identity(&materials, &verified.body);
        Ok(verified)
    }
}

impl<'p> Group<'p> {
    fn begin(
        steps: &'p [Step],
        caller: Caller<'_>,
        head: &Head<'_>,
        now: Moment,
    ) -> Result<Self, Rejection> {
        // As large as it will be: room for more would be a kilobyte.
        let mut open = Vec::with_capacity(steps.len());
        let mut refusal = None;
        for step in steps {
            match step.begin(caller, head, now) {
                Ok(Progress::Passed(proof)) => return Ok(Self::Passed(proof)),
                Ok(Progress::NeedsBody(begun)) => open.push(begun),
                Err(rejection) => refusal = Some(nearer(refusal, rejection)),
            }
        }
        match refusal {
            Some(rejection) if open.is_empty() => Err(rejection),
            _ => Ok(Self::Open {
                steps: open,
                refusal,
            }),
        }
    }

    fn finish(
        self,
        head: &Head<'_>,
        body: &Body,
        now: Moment,
        identify: bool,
    ) -> Result<Proof, Rejection> {
        let (steps, mut refusal) = match self {
            Self::Passed(proof) => return Ok(proof),
            Self::Open { steps, refusal } => (steps, refusal),
        };
        for step in steps {
            let outcome = match step {
                Begun::ApiKey(step) => step.verify(head, Some(body), now),
                Begun::HttpSignature(begun) => begun.finish(),
                Begun::Jwt(begun) => begun.finish(head, body, now),
                Begun::Signature(begun) => begun.finish(head, body, now, identify),
            };
            match outcome {
                Ok(proof) => return Ok(proof),
                Err(rejection) => refusal = Some(nearer(refusal, rejection)),
            }
        }
        // An empty group cannot be compiled; it must not pass either.
        Err(refusal.unwrap_or(Rejection::Internal))
    }
}

impl Plan {
    /// The names of all secrets and keys, and when they are in force.
    pub fn held(&self) -> Vec<Held<()>> {
        self.groups.iter().flatten().flat_map(Step::held).collect()
    }
}

impl Step {
    /// The names of its secrets and keys, and when they are in force.
    pub fn held(&self) -> Vec<Held<()>> {
        match self {
            Self::ApiKey(step) => step.secrets.names(),
            Self::Basic(step) => step.secrets.names(),
            Self::Bearer(step) => step.secrets.names(),
            Self::Jwt(step) => step.keys.names(),
            Self::HttpSignature(step) => match &step.keys {
                http_signature::Keys::Hmac(keys) => keys.names(),
                http_signature::Keys::Public(_, keys) => keys.names(),
            },
            Self::Mtls(_) => Vec::new(),
            Self::Signature(step) => match &step.prover {
                signed::Prover::Digest { secrets, .. } => {
                    secrets.as_ref().map(Ring::names).unwrap_or_default()
                }
                signed::Prover::Hmac(keys) => keys.names(),
                signed::Prover::PublicKey { keys, .. } => keys.names(),
            },
        }
    }

    /// Whether it is a step of this kind that refuses for this reason.
    pub fn may_refuse(&self, reason: Rejection) -> bool {
        let code = reason.code();
        let starts = |starts: &[&str]| starts.iter().any(|start| code.starts_with(start));
        match self {
            Self::ApiKey(_) | Self::Basic(_) | Self::Bearer(_) => starts(&["credential_"]),
            Self::Jwt(_) => starts(&["credential_", "jwt_"]),
            Self::HttpSignature(_) => starts(&[
                "signature_",
                "digest_",
                "timestamp_too_old",
                "timestamp_in_future",
                "timestamp_missing",
                "timestamp_malformed",
            ]),
            Self::Mtls(_) => starts(&["certificate_"]),
            Self::Signature(step) => {
                starts(&["signature_", "digest_", "timestamp_", "credential_repeated"])
                    || (reason == Rejection::ChallengeAsEvent && !step.never.is_empty())
            }
        }
    }

    /// What `X-Gatepost-Verified-By` calls it; of a token the first algorithm's name.
    pub fn label(&self) -> &'static str {
        match self {
            Self::ApiKey(_) => "api-key",
            Self::Basic(_) => "basic",
            Self::Bearer(_) => "bearer",
            Self::Jwt(step) => step.algorithms.first().map_or("jwt", |known| known.label),
            Self::HttpSignature(_) => http_signature::LABEL,
            Self::Mtls(_) => "mtls",
            Self::Signature(step) => step.label,
        }
    }
}

/// How far a step got on the head alone.
enum Progress<'p> {
    NeedsBody(Begun<'p>),
    Passed(Proof),
}

impl Step {
    fn begin(
        &self,
        caller: Caller<'_>,
        head: &Head<'_>,
        now: Moment,
    ) -> Result<Progress<'_>, Rejection> {
        match self {
            Self::ApiKey(step) if step.needs_body() => Ok(Progress::NeedsBody(Begun::ApiKey(step))),
            Self::ApiKey(step) => step.verify(head, None, now).map(Progress::Passed),
            Self::Basic(step) => step.verify(head, now).map(Progress::Passed),
            Self::Bearer(step) => step.verify(head, now).map(Progress::Passed),
            Self::Jwt(step) => step.begin(head, now).map(|begun| match begun {
                jwt::Outcome::Passed(proof) => Progress::Passed(proof),
                jwt::Outcome::NeedsBody(begun) => Progress::NeedsBody(Begun::Jwt(begun)),
            }),
            Self::HttpSignature(step) => step.begin(head, now).map(|begun| match begun {
                http_signature::Outcome::Passed(proof) => Progress::Passed(proof),
                http_signature::Outcome::NeedsBody(begun) => {
                    Progress::NeedsBody(Begun::HttpSignature(Box::new(begun)))
                }
            }),
            Self::Mtls(step) => step.verify(caller.certificate).map(Progress::Passed),
            Self::Signature(step) => step
                .begin(head, now)
                .map(|begun| Progress::NeedsBody(Begun::Signature(begun))),
        }
    }
}

fn identity(materials: &[Vec<u8>], body: &Body) -> Option<Fingerprint> {
    if materials.is_empty() {
        return None;
    }
    let mut hasher = Hasher::new(Hash::Sha256);
    for chunk in body.chunks() {
        hasher.update(chunk);
    }
    let print = Fingerprinter::new("signed").with(&hasher.finish());
    let print = materials
        .iter()
        .fold(print, |print, material| print.with(material));
    Some(print.finish())
}

/// Of two refusals in an `any`, the one that got further: a wrong signature says more than the
/// absence of the other credential. A repeated credential is never hidden.
fn nearer(earlier: Option<Rejection>, later: Rejection) -> Rejection {
    let absent = |rejection: Rejection| {
        matches!(
            rejection,
            Rejection::CertificateMissing
                | Rejection::CredentialMissing
                | Rejection::SignatureMissing
        )
    };
    match earlier {
        Some(earlier) if earlier == Rejection::CredentialRepeated || absent(later) => earlier,
        _ => later,
    }
}

impl Verified {
    /// The verified bytes.
    pub const fn body(&self) -> &Body {
        &self.body
    }

    /// The steps that passed, in order, as `X-Gatepost-Verified-By` names them.
    pub fn by(&self) -> &[&'static str] {
        &self.by
    }

    /// The name of the secret or key that matched.
    pub const fn key(&self) -> Option<&Arc<str>> {
        self.key.as_ref()
    }

    /// The JSON payload of the verified token, if a token was verified.
    pub fn claims(&self) -> Option<&[u8]> {
        self.claims.as_deref()
    }

    /// What tells this request from every other one that its sender signed: the message of each
    /// signature, the claims of each token, and the body. Signatures themselves do not: a forger
    /// can write an ECDSA signature in another way, and whoever signs with a random salt makes a
    /// new one of the same message.
    ///
    /// `None` where nothing is signed, or where [`Pending::identify`] was not called.
    pub const fn signed(&self) -> Option<Fingerprint> {
        self.signed
    }

    /// Gives the bytes away, at the end of the proof's life.
    pub fn into_body(self) -> Body {
        self.body
    }
}
