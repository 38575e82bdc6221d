//! Throw-away key pairs of every kind, for a rehearsal.

use super::{PrivateKey, SignError};
use crate::verify::http_signature::Keys;
use crate::verify::signed::Prover;
use crate::verify::{Plan, Step};

/// One key pair of each kind.
#[derive(Debug)]
pub struct KeyPairs(Vec<(&'static str, PrivateKey)>);

impl KeyPairs {
    /// Makes them.
    ///
    /// # Errors
    ///
    /// When the system has no randomness.
    pub fn generate() -> Result<Self, SignError> {
        let kinds = [
            ("RSA", "RS256"),
            ("P-256", "ES256"),
            ("P-384", "ES384"),
            ("Ed25519", "EdDSA"),
        ]
        .into_iter();
        let made: Result<_, _> = kinds
            .map(|(kind, algorithm)| Ok((kind, PrivateKey::generate_for(algorithm)?)))
            .collect();
        made.map(Self)
    }

    /// The public halves, in SPKI PEM.
    ///
    /// # Errors
    ///
    /// Never for pairs that were made here.
    pub fn public(&self) -> Result<Vec<String>, SignError> {
        self.0.iter().map(|(_, key)| key.public_pem()).collect()
    }

    /// The private key with which `sign` serves this plan, if it needs one.
    pub fn fitting(&self, plan: &Plan) -> Option<&PrivateKey> {
        let mut steps = plan.groups.iter().filter_map(|group| group.first());
        let kind = steps.find_map(kind)?;
        self.0
            .iter()
            .find(|(known, _)| *known == kind)
            .map(|(_, key)| key)
    }
}

fn kind(step: &Step) -> Option<&'static str> {
    match step {
        Step::ApiKey(_) | Step::Basic(_) | Step::Bearer(_) | Step::Mtls(_) => None,
        Step::HttpSignature(step) => match &step.keys {
            Keys::Hmac(_) => None,
            Keys::Public(algorithm, _) => Some(algorithm.key_kind()),
        },
        Step::Jwt(step) => match step.algorithms.first()?.name {
            "ES256" => Some("P-256"),
            "ES384" => Some("P-384"),
            "EdDSA" => Some("Ed25519"),
            name if name.starts_with("HS") => None,
            _ => Some("RSA"),
        },
        Step::Signature(step) => match &step.prover {
            Prover::PublicKey { algorithm, .. } => Some(algorithm.key_kind()),
            Prover::Digest { .. } | Prover::Hmac(_) => None,
        },
    }
}
