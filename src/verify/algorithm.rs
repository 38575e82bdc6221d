//! Public-key signatures, checked by aws-lc-rs.

use std::collections::BTreeMap;
use std::sync::Mutex;

use aws_lc_rs::digest::{self, Digest};
use aws_lc_rs::signature::{
    self, ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_ASN1,
    ECDSA_P384_SHA384_FIXED, ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256,
    RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512, RSA_PSS_2048_8192_SHA256,
    RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512, RsaParameters, RsaPssSaltLength,
    VerificationAlgorithm,
};
use rsa::pkcs1::EncodeRsaPublicKey as _;

use super::public_key::{Material, PublicKey};
use super::{Hash, Hasher};

/// A public-key signature algorithm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// ECDSA on P-256 with SHA-1: only where a provider offers nothing else.
    EcdsaP256Sha1,
    /// ECDSA on P-256 with SHA-256 (FIPS 186-5).
    EcdsaP256Sha256,
    /// ECDSA on P-384 with SHA-384.
    EcdsaP384Sha384,
    /// Ed25519 (RFC 8032).
    Ed25519,
    /// RSASSA-PKCS1-v1_5 (RFC 8017 §8.2).
    RsaPkcs1(Hash),
    /// RSASSA-PSS (RFC 8017 §8.1), MGF1 with the same hash.
    RsaPss(Hash),
}

/// The length of a PSS salt, which the signature itself does not tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Salt {
    /// As long as the hash, else as long as the key allows: the two that signers use.
    Auto,
    /// As long as the hash.
    Digest,
    /// So many bytes.
    Length(u16),
    /// As long as the key allows.
    Max,
}

/// How an ECDSA signature is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignatureFormat {
    /// ASN.1 DER (RFC 3279 §2.2.3).
    Der,
    /// Two fixed-length numbers (IEEE P1363).
    P1363,
}

/// A key that is ready to verify.
#[derive(Debug, Clone)]
pub struct VerifyingKey {
    /// One per salt length to try.
    keys: Vec<ParsedPublicKey>,
    public: PublicKey,
}

impl Algorithm {
    /// The name in the grammar and in `X-Gatepost-Verified-By`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::EcdsaP256Sha1 => "ecdsa-p256-sha1",
            Self::EcdsaP256Sha256 => "ecdsa-p256-sha256",
            Self::EcdsaP384Sha384 => "ecdsa-p384-sha384",
            Self::Ed25519 => "ed25519",
            // The grammar has no RSA with MD5, and no PSS with SHA-1.
            Self::RsaPkcs1(Hash::Md5 | Hash::Sha1) => "rsa-pkcs1-sha1",
            Self::RsaPkcs1(Hash::Sha256) => "rsa-pkcs1-sha256",
            Self::RsaPkcs1(Hash::Sha384) => "rsa-pkcs1-sha384",
            Self::RsaPkcs1(Hash::Sha512) => "rsa-pkcs1-sha512",
            Self::RsaPss(Hash::Md5 | Hash::Sha1 | Hash::Sha256) => "rsa-pss-sha256",
            Self::RsaPss(Hash::Sha384) => "rsa-pss-sha384",
            Self::RsaPss(Hash::Sha512) => "rsa-pss-sha512",
        }
    }

    /// All that the grammar names.
    pub const ALL: [Self; 11] = [
        Self::RsaPss(Hash::Sha256),
        Self::RsaPss(Hash::Sha384),
        Self::RsaPss(Hash::Sha512),
        Self::RsaPkcs1(Hash::Sha1),
        Self::RsaPkcs1(Hash::Sha256),
        Self::RsaPkcs1(Hash::Sha384),
        Self::RsaPkcs1(Hash::Sha512),
        Self::EcdsaP256Sha1,
        Self::EcdsaP256Sha256,
        Self::EcdsaP384Sha384,
        Self::Ed25519,
    ];

    /// The hash of the message that is signed; Ed25519 takes the message itself.
    pub const fn hash(self) -> Option<Hash> {
        match self {
            Self::EcdsaP256Sha1 => Some(Hash::Sha1),
            Self::EcdsaP256Sha256 => Some(Hash::Sha256),
            Self::EcdsaP384Sha384 => Some(Hash::Sha384),
            Self::Ed25519 => None,
            Self::RsaPkcs1(hash) | Self::RsaPss(hash) => Some(hash),
        }
    }

    /// The kind of key it takes, for messages.
    pub const fn key_kind(self) -> &'static str {
        match self {
            Self::EcdsaP256Sha1 | Self::EcdsaP256Sha256 => "P-256",
            Self::EcdsaP384Sha384 => "P-384",
            Self::Ed25519 => "Ed25519",
            Self::RsaPkcs1(_) | Self::RsaPss(_) => "RSA",
        }
    }
}

impl VerifyingKey {
    /// Prepares `key`; `None` when it is of another kind or not a valid key of its kind.
    pub fn new(
        key: &PublicKey,
        algorithm: Algorithm,
        salt: Salt,
        format: SignatureFormat,
    ) -> Option<Self> {
        let fixed = format == SignatureFormat::P1363;
        let (bytes, ways): (Vec<u8>, Vec<&'static dyn VerificationAlgorithm>) =
            match (algorithm, &key.material) {
                (Algorithm::Ed25519, Material::Ed25519(bytes)) => (bytes.clone(), vec![&ED25519]),
                (Algorithm::EcdsaP256Sha1 | Algorithm::EcdsaP256Sha256, Material::P256(point)) => (
                    point.clone(),
                    vec![if fixed {
                        &ECDSA_P256_SHA256_FIXED
                    } else {
                        &ECDSA_P256_SHA256_ASN1
                    }],
                ),
                (Algorithm::EcdsaP384Sha384, Material::P384(point)) => (
                    point.clone(),
                    vec![if fixed {
                        &ECDSA_P384_SHA384_FIXED
                    } else {
                        &ECDSA_P384_SHA384_ASN1
                    }],
                ),
                (Algorithm::RsaPkcs1(hash), Material::Rsa { modulus, exponent }) => {
                    (pkcs1_der(modulus, exponent)?, vec![pkcs1(hash)])
                }
                (Algorithm::RsaPss(hash), Material::Rsa { modulus, exponent }) => {
                    let ways = match salt {
                        Salt::Auto => vec![
                            pss(hash, RsaPssSaltLength::Digest),
                            pss(hash, RsaPssSaltLength::Max),
                        ],
                        Salt::Digest => vec![pss(hash, RsaPssSaltLength::Digest)],
                        Salt::Length(length) => vec![pss(hash, RsaPssSaltLength::Custom(length))],
                        Salt::Max => vec![pss(hash, RsaPssSaltLength::Max)],
                    };
                    (
                        pkcs1_der(modulus, exponent)?,
                        ways.into_iter()
                            .map(|way| -> &'static dyn VerificationAlgorithm { way })
                            .collect(),
                    )
                }
                _ => return None,
            };
        let keys = ways
            .into_iter()
            .map(|way| ParsedPublicKey::new(way, &bytes).ok())
            .collect::<Option<_>>()?;
        Some(Self {
            keys,
            public: key.clone(),
        })
    }

    /// `kid` of a JWK.
    pub fn id(&self) -> Option<&str> {
        self.public.id.as_deref()
    }

    /// The key as it was read, to prepare it for another algorithm.
    pub const fn public(&self) -> &PublicKey {
        &self.public
    }

    /// Whether `signature` is this key's over the message that `material` stands for.
    pub fn verifies(&self, material: &Signed, signature: &[u8]) -> bool {
        self.keys.iter().any(|key| match material {
            Signed::Digest(digest) => key.verify_digest_sig(digest, signature).is_ok(),
            Signed::Message(message) => key.verify_sig(message, signature).is_ok(),
        })
    }
}

/// What a signature was made over.
#[derive(Debug)]
pub enum Signed {
    /// The hash of the message.
    Digest(Digest),
    /// The message itself, for Ed25519.
    Message(Vec<u8>),
}

impl Signed {
    /// The finished hash in the form that the verifier takes.
    pub fn digest(algorithm: Algorithm, hasher: Hasher) -> Option<Self> {
        let hashed = hasher.finish();
        let (hashed, kind) = match (algorithm, algorithm.hash()?) {
            (Algorithm::EcdsaP256Sha1, _) => (sha1_as_sha256(&hashed), &digest::SHA256),
            (_, Hash::Md5 | Hash::Sha1) => (hashed, &digest::SHA1_FOR_LEGACY_USE_ONLY),
            (_, Hash::Sha256) => (hashed, &digest::SHA256),
            (_, Hash::Sha384) => (hashed, &digest::SHA384),
            (_, Hash::Sha512) => (hashed, &digest::SHA512),
        };
        Digest::import_less_safe(&hashed, kind)
            .ok()
            .map(Self::Digest)
    }
}

/// ECDSA signs the hash as a number (FIPS 186-5 §6.4.2): zeros before it do not change the number.
/// The library has no ECDSA with SHA-1, so it is given the same number as a SHA-256.
pub fn sha1_as_sha256(hashed: &[u8]) -> Vec<u8> {
    let zeros = Hash::Sha256.length().saturating_sub(hashed.len());
    [&vec![0; zeros], hashed].concat()
}

fn pkcs1(hash: Hash) -> &'static RsaParameters {
    match hash {
        Hash::Md5 | Hash::Sha1 => &signature::RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY,
        Hash::Sha256 => &RSA_PKCS1_2048_8192_SHA256,
        Hash::Sha384 => &RSA_PKCS1_2048_8192_SHA384,
        Hash::Sha512 => &RSA_PKCS1_2048_8192_SHA512,
    }
}

/// The library wants parameters that live for ever. There are few of them, so they are kept: one
/// per hash and salt length, however often the configuration is loaded.
fn pss(hash: Hash, salt: RsaPssSaltLength) -> &'static RsaParameters {
    static KEPT: Mutex<BTreeMap<(usize, u32), &'static RsaParameters>> =
        Mutex::new(BTreeMap::new());
    let number = match salt {
        RsaPssSaltLength::Custom(length) => u32::from(length),
        RsaPssSaltLength::Digest => u32::MAX,
        RsaPssSaltLength::Max | _ => u32::MAX - 1,
    };
    let mut kept = KEPT
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    kept.entry((hash.length(), number)).or_insert_with(|| {
        let base = match hash {
            Hash::Md5 | Hash::Sha1 | Hash::Sha256 => RSA_PSS_2048_8192_SHA256,
            Hash::Sha384 => RSA_PSS_2048_8192_SHA384,
            Hash::Sha512 => RSA_PSS_2048_8192_SHA512,
        };
        Box::leak(Box::new(base.with_pss_salt_length(salt)))
    })
}

fn pkcs1_der(modulus: &[u8], exponent: &[u8]) -> Option<Vec<u8>> {
    let key = rsa::RsaPublicKey::new_with_max_size(
        rsa::BigUint::from_bytes_be(modulus),
        rsa::BigUint::from_bytes_be(exponent),
        modulus.len().saturating_mul(8),
    )
    .ok()?;
    Some(key.to_pkcs1_der().ok()?.as_bytes().to_vec())
}
