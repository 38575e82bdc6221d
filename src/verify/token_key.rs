//! The keys of tokens, and the algorithms they serve.

use jsonwebtoken::{Algorithm, DecodingKey};

use super::public_key::{Material, PublicKey};
use crate::secret::Secret;

/// The kinds of key, so that a public key can never be taken for a shared secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Family {
    Ed25519,
    P256,
    P384,
    Rsa,
    Shared,
}

/// A key that may have signed a token.
#[derive(Clone)]
pub struct Key {
    /// `kid` of a JWK.
    pub(super) id: Option<String>,
    family: Family,
    pub(super) decoding: DecodingKey,
    public: Option<PublicKey>,
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Key")
            .field("family", &self.family)
            .finish_non_exhaustive()
    }
}

impl Key {
    /// A shared secret.
    pub fn shared(secret: &Secret) -> Self {
        let decoding = DecodingKey::from_secret(secret.expose());
        Self {
            id: None,
            family: Family::Shared,
            decoding,
            public: None,
        }
    }

    /// A public key.
    pub fn public(public: &PublicKey) -> Self {
        let (family, decoding) = match &public.material {
            Material::Ed25519(bytes) => (Family::Ed25519, DecodingKey::from_ed_der(bytes)),
            Material::P256(point) => (Family::P256, DecodingKey::from_ec_der(point)),
            Material::P384(point) => (Family::P384, DecodingKey::from_ec_der(point)),
            Material::Rsa { modulus, exponent } => (
                Family::Rsa,
                DecodingKey::from_rsa_raw_components(modulus, exponent),
            ),
        };
        Self {
            id: public.id.clone(),
            family,
            decoding,
            public: Some(public.clone()),
        }
    }

    /// The bytes of a shared secret, for signing.
    pub fn shared_secret(&self) -> Option<&[u8]> {
        if self.family == Family::Shared {
            self.decoding.try_get_as_bytes().ok()
        } else {
            None
        }
    }

    /// The public key; `None` for a shared secret.
    pub const fn public_key(&self) -> Option<&PublicKey> {
        self.public.as_ref()
    }

    /// The id that a token's `kid` may name.
    pub fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// Whether this key can check this algorithm.
    pub fn serves(&self, algorithm: &Known) -> bool {
        self.family == algorithm.family
    }
}

/// An algorithm of the grammar.
#[derive(Debug)]
pub struct Known {
    /// Its registered name (RFC 7518 §3.1, RFC 8037 §3.1).
    pub name: &'static str,
    /// The name in `X-Gatepost-Verified-By`.
    pub label: &'static str,
    /// What the library calls it.
    pub algorithm: Algorithm,
    family: Family,
}

const fn known(
    name: &'static str,
    label: &'static str,
    algorithm: Algorithm,
    family: Family,
) -> Known {
    Known {
        name,
        label,
        algorithm,
        family,
    }
}

/// The algorithms of the grammar. `none` is not among them.
pub static ALGORITHMS: [Known; 12] = [
    known("HS256", "jwt-hs256", Algorithm::HS256, Family::Shared),
    known("HS384", "jwt-hs384", Algorithm::HS384, Family::Shared),
    known("HS512", "jwt-hs512", Algorithm::HS512, Family::Shared),
    known("RS256", "jwt-rs256", Algorithm::RS256, Family::Rsa),
    known("RS384", "jwt-rs384", Algorithm::RS384, Family::Rsa),
    known("RS512", "jwt-rs512", Algorithm::RS512, Family::Rsa),
    known("PS256", "jwt-ps256", Algorithm::PS256, Family::Rsa),
    known("PS384", "jwt-ps384", Algorithm::PS384, Family::Rsa),
    known("PS512", "jwt-ps512", Algorithm::PS512, Family::Rsa),
    known("ES256", "jwt-es256", Algorithm::ES256, Family::P256),
    known("ES384", "jwt-es384", Algorithm::ES384, Family::P384),
    known("EdDSA", "jwt-eddsa", Algorithm::EdDSA, Family::Ed25519),
];
