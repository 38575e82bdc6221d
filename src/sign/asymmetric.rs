//! Private keys: throw-away ones for `demo`, and those of a test key pair for `send`.

use aws_lc_rs::digest::{Digest, SHA256};
use aws_lc_rs::encoding::{AsDer as _, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P256_SHA256_FIXED_SIGNING,
    ECDSA_P384_SHA384_ASN1_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair,
    EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair as _,
};
use rsa::pkcs1v15;
use rsa::pkcs8::{DecodePrivateKey as _, EncodePublicKey as _, LineEnding};
use rsa::rand_core::{CryptoRng, Error, RngCore};
use rsa::signature::{RandomizedSigner as _, SignatureEncoding as _, Signer as _};
use rsa::traits::PublicKeyParts as _;
use rsa::{RsaPrivateKey, pss};
use sha1::Sha1;
use sha2::{Sha256, Sha384, Sha512};
use zeroize::Zeroizing;

use super::SignError;
use crate::verify::algorithm::{Algorithm, Salt, SignatureFormat, sha1_as_sha256};
use crate::verify::{Encoding, Hash};

/// A private key in PKCS#8.
#[derive(Clone)]
pub struct PrivateKey {
    der: Zeroizing<Vec<u8>>,
    rsa: Option<RsaPrivateKey>,
}

impl std::fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PrivateKey")
    }
}

const FAILED: SignError = SignError("the private key cannot sign this");

impl PrivateKey {
    /// A new RSA key of 2048 bits.
    pub fn generate_rsa() -> Result<Self, SignError> {
        let pair = aws_lc_rs::rsa::KeyPair::generate(KeySize::Rsa2048).map_err(|_| FAILED)?;
        Ok(Self::from_der(pair.as_der().map_err(|_| FAILED)?.as_ref()))
    }

    /// A new key for an algorithm, by its name in a `signature` or a `jwt` step.
    pub fn generate_for(algorithm: &str) -> Result<Self, SignError> {
        let random = SystemRandom::new();
        let ecdsa = |kind| EcdsaKeyPair::generate_pkcs8(kind, &random);
        let made = match algorithm {
            "ES384" | "ecdsa-p384-sha384" => ecdsa(&ECDSA_P384_SHA384_ASN1_SIGNING),
            "EdDSA" | "ed25519" => Ed25519KeyPair::generate_pkcs8(&random),
            name if name.starts_with("ES") || name.starts_with("ecdsa-p256") => {
                ecdsa(&ECDSA_P256_SHA256_ASN1_SIGNING)
            }
            _ => return Self::generate_rsa(),
        };
        Ok(Self::from_der(made.map_err(|_| FAILED)?.as_ref()))
    }

    /// Reads a key in PKCS#8 PEM.
    pub fn from_pem(pem: &str) -> Result<Self, SignError> {
        use rustls::pki_types::PrivatePkcs8KeyDer;
        use rustls::pki_types::pem::PemObject as _;
        let der = PrivatePkcs8KeyDer::from_pem_slice(pem.as_bytes())
            .map_err(|_| SignError("this is not a private key in PKCS#8 PEM"))?;
        Ok(Self::from_der(der.secret_pkcs8_der()))
    }

    fn from_der(der: &[u8]) -> Self {
        let rsa = RsaPrivateKey::from_pkcs8_der(der).ok();
        Self {
            der: Zeroizing::new(der.to_vec()),
            rsa,
        }
    }

    /// The public half, in SPKI PEM.
    pub fn public_pem(&self) -> Result<String, SignError> {
        if let Some(key) = &self.rsa {
            let key = key.to_public_key();
            return key.to_public_key_pem(LineEnding::LF).map_err(|_| FAILED);
        }
        let ecdsa = |kind| EcdsaKeyPair::from_pkcs8(kind, &self.der);
        let spki: PublicKeyX509Der<'_> = if let Ok(pair) = ecdsa(&ECDSA_P256_SHA256_ASN1_SIGNING)
            .or_else(|_| ecdsa(&ECDSA_P384_SHA384_ASN1_SIGNING))
        {
            pair.public_key().as_der().map_err(|_| FAILED)?
        } else {
            let pair = Ed25519KeyPair::from_pkcs8(&self.der).map_err(|_| FAILED)?;
            pair.public_key().as_der().map_err(|_| FAILED)?
        };
        // Three short lines at most: nobody reads them, so they need no wrapping.
        let text = Encoding::Base64.encode(spki.as_ref());
        Ok(format!(
            "-----BEGIN PUBLIC KEY-----\n{text}\n-----END PUBLIC KEY-----\n"
        ))
    }

    /// Another key of the same kind.
    pub(super) fn another(&self) -> Result<Self, SignError> {
        if self.rsa.is_some() {
            return Self::generate_rsa();
        }
        let random = SystemRandom::new();
        let ecdsa = |algorithm: &'static EcdsaSigningAlgorithm| {
            EcdsaKeyPair::from_pkcs8(algorithm, &self.der).ok()?;
            EcdsaKeyPair::generate_pkcs8(algorithm, &random).ok()
        };
        let made = ecdsa(&ECDSA_P256_SHA256_ASN1_SIGNING)
            .or_else(|| ecdsa(&ECDSA_P384_SHA384_ASN1_SIGNING))
            .or_else(|| Ed25519KeyPair::generate_pkcs8(&random).ok())
            .ok_or(FAILED)?;
        Ok(Self::from_der(made.as_ref()))
    }

    /// Signs `message`.
    pub fn sign(
        &self,
        algorithm: Algorithm,
        salt: Salt,
        form: SignatureFormat,
        message: &[u8],
    ) -> Result<Vec<u8>, SignError> {
        let fixed = form == SignatureFormat::P1363;
        match algorithm {
            Algorithm::EcdsaP256Sha1 => {
                let way = if fixed {
                    &ECDSA_P256_SHA256_FIXED_SIGNING
                } else {
                    &ECDSA_P256_SHA256_ASN1_SIGNING
                };
                let hashed = sha1_as_sha256(&Hash::Sha1.of(message));
                let hashed = Digest::import_less_safe(&hashed, &SHA256).map_err(|_| FAILED)?;
                let pair = EcdsaKeyPair::from_pkcs8(way, &self.der).map_err(|_| FAILED)?;
                let signature = pair.sign_digest(&hashed).map_err(|_| FAILED)?;
                Ok(signature.as_ref().to_vec())
            }
            Algorithm::EcdsaP256Sha256 if fixed => {
                self.ecdsa(&ECDSA_P256_SHA256_FIXED_SIGNING, message)
            }
            Algorithm::EcdsaP256Sha256 => self.ecdsa(&ECDSA_P256_SHA256_ASN1_SIGNING, message),
            Algorithm::EcdsaP384Sha384 if fixed => {
                self.ecdsa(&ECDSA_P384_SHA384_FIXED_SIGNING, message)
            }
            Algorithm::EcdsaP384Sha384 => self.ecdsa(&ECDSA_P384_SHA384_ASN1_SIGNING, message),
            Algorithm::Ed25519 => {
                let pair = Ed25519KeyPair::from_pkcs8(&self.der).map_err(|_| FAILED)?;
                debug_assert_eq!(pair.public_key().as_ref().len(), 32);
                Ok(pair.sign(message).as_ref().to_vec())
            }
            Algorithm::RsaPkcs1(hash) => self.pkcs1(hash, message),
            Algorithm::RsaPss(hash) => self.pss(hash, salt, message),
        }
    }

    /// Signs a token by the registered name of its algorithm.
    pub(super) fn sign_token(&self, name: &str, message: &[u8]) -> Result<Vec<u8>, SignError> {
        let hash = match name.get(2..) {
            Some("384") => Hash::Sha384,
            Some("512") => Hash::Sha512,
            _ => Hash::Sha256,
        };
        let algorithm = match name.get(..2) {
            Some("RS") => Algorithm::RsaPkcs1(hash),
            Some("PS") => Algorithm::RsaPss(hash),
            Some("ES") if hash == Hash::Sha384 => Algorithm::EcdsaP384Sha384,
            Some("ES") => Algorithm::EcdsaP256Sha256,
            _ => Algorithm::Ed25519,
        };
        self.sign(algorithm, Salt::Digest, SignatureFormat::P1363, message)
    }

    fn ecdsa(
        &self,
        algorithm: &'static EcdsaSigningAlgorithm,
        message: &[u8],
    ) -> Result<Vec<u8>, SignError> {
        let pair = EcdsaKeyPair::from_pkcs8(algorithm, &self.der).map_err(|_| FAILED)?;
        let signature = pair
            .sign(&SystemRandom::new(), message)
            .map_err(|_| FAILED)?;
        Ok(signature.as_ref().to_vec())
    }

    fn pkcs1(&self, hash: Hash, message: &[u8]) -> Result<Vec<u8>, SignError> {
        let key = self.rsa.clone().ok_or(FAILED)?;
        Ok(match hash {
            Hash::Md5 | Hash::Sha1 => pkcs1v15::SigningKey::<Sha1>::new(key)
                .sign(message)
                .to_vec(),
            Hash::Sha256 => pkcs1v15::SigningKey::<Sha256>::new(key)
                .sign(message)
                .to_vec(),
            Hash::Sha384 => pkcs1v15::SigningKey::<Sha384>::new(key)
                .sign(message)
                .to_vec(),
            Hash::Sha512 => pkcs1v15::SigningKey::<Sha512>::new(key)
                .sign(message)
                .to_vec(),
        })
    }

    fn pss(&self, hash: Hash, salt: Salt, message: &[u8]) -> Result<Vec<u8>, SignError> {
        let key = self.rsa.clone().ok_or(FAILED)?;
        let length = match salt {
            Salt::Auto | Salt::Digest => hash.length(),
            Salt::Length(length) => length.into(),
            // RFC 8017 §9.1.1: emLen - hLen - 2.
            Salt::Max => key.size().saturating_sub(hash.length()).saturating_sub(2),
        };
        let random = &mut Random;
        Ok(match hash {
            Hash::Md5 | Hash::Sha1 | Hash::Sha256 => {
                pss::SigningKey::<Sha256>::new_with_salt_len(key, length)
                    .sign_with_rng(random, message)
                    .to_vec()
            }
            Hash::Sha384 => pss::SigningKey::<Sha384>::new_with_salt_len(key, length)
                .sign_with_rng(random, message)
                .to_vec(),
            Hash::Sha512 => pss::SigningKey::<Sha512>::new_with_salt_len(key, length)
                .sign_with_rng(random, message)
                .to_vec(),
        })
    }
}

/// The system's randomness in the form that `rsa` takes.
struct Random;

impl RngCore for Random {
    fn next_u32(&mut self) -> u32 {
        rsa::rand_core::impls::next_u32_via_fill(self)
    }

    fn next_u64(&mut self) -> u64 {
        rsa::rand_core::impls::next_u64_via_fill(self)
    }

    fn fill_bytes(&mut self, bytes: &mut [u8]) {
        // It fails only where the system has no randomness at all; a salt of zeros is then no
        // worse for a throw-away key.
        let _ = aws_lc_rs::rand::fill(bytes);
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Error> {
        self.fill_bytes(bytes);
        Ok(())
    }
}

impl CryptoRng for Random {}
