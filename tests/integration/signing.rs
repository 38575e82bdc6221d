//! Signs as providers do: throw-away keys, made once per run, and none of the code under test.

use std::sync::OnceLock;
use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rand::{SecureRandom as _, SystemRandom};
use aws_lc_rs::signature::{self as lc, KeyPair as _, RsaEncoding};
use data_encoding::{BASE64, BASE64_NOPAD, BASE64URL, BASE64URL_NOPAD, HEXLOWER, HEXUPPER};
use hmac::{Hmac, Mac as _};
use rsa::pkcs8::DecodePrivateKey as _;
use rsa::signature::{RandomizedSigner as _, SignatureEncoding as _};
use serde_json::Value;
use sha2::Digest as _;

pub fn hex(bytes: &[u8]) -> String {
    HEXLOWER.encode(bytes)
}

pub fn hex_upper(bytes: &[u8]) -> String {
    HEXUPPER.encode(bytes)
}

pub fn base64(bytes: &[u8]) -> String {
    BASE64.encode(bytes)
}

pub fn base64_bare(bytes: &[u8]) -> String {
    BASE64_NOPAD.encode(bytes)
}

pub fn base64url(bytes: &[u8]) -> String {
    BASE64URL_NOPAD.encode(bytes)
}

pub fn base64url_padded(bytes: &[u8]) -> String {
    BASE64URL.encode(bytes)
}

/// Random bytes, for a secret.
pub fn random(length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    SystemRandom::new().fill(&mut bytes).unwrap();
    bytes
}

/// Unix time in seconds.
pub fn now() -> i64 {
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(elapsed.as_secs()).unwrap()
}

/// HMAC by the name of its hash.
pub fn hmac(hash: &str, key: &[u8], message: &[u8]) -> Vec<u8> {
    macro_rules! of {
        ($hash:ty) => {{
            let mut mac = Hmac::<$hash>::new_from_slice(key).unwrap();
            mac.update(message);
            mac.finalize().into_bytes().to_vec()
        }};
    }
    match hash {
        "md5" => of!(md5::Md5),
        "sha1" => of!(sha1::Sha1),
        "sha256" => of!(sha2::Sha256),
        "sha384" => of!(sha2::Sha384),
        "sha512" => of!(sha2::Sha512),
        other => panic!("{other}"),
    }
}

/// A plain hash by its name.
pub fn digest(hash: &str, message: &[u8]) -> Vec<u8> {
    match hash {
        "md5" => md5::Md5::digest(message).to_vec(),
        "sha1" => sha1::Sha1::digest(message).to_vec(),
        "sha256" => sha2::Sha256::digest(message).to_vec(),
        "sha384" => sha2::Sha384::digest(message).to_vec(),
        "sha512" => sha2::Sha512::digest(message).to_vec(),
        other => panic!("{other}"),
    }
}

/// An RSA key and its public half in every form in which people keep it.
pub struct RsaKey {
    pair: lc::RsaKeyPair,
    private: rsa::RsaPrivateKey,
}

/// One of two RSA keys of 2048 bits.
pub fn rsa(which: usize) -> &'static RsaKey {
    static KEYS: [OnceLock<RsaKey>; 3] = [OnceLock::new(), OnceLock::new(), OnceLock::new()];
    KEYS[which].get_or_init(|| {
        let pair = lc::RsaKeyPair::generate(aws_lc_rs::rsa::KeySize::Rsa2048).unwrap();
        let der = AsDer::<Pkcs8V1Der<'_>>::as_der(&pair).unwrap();
        let private = rsa::RsaPrivateKey::from_pkcs8_der(der.as_ref()).unwrap();
        RsaKey { pair, private }
    })
}

impl RsaKey {
    /// With a salt as long as the hash, as most libraries sign.
    pub fn pss(&self, hash: &str, message: &[u8]) -> Vec<u8> {
        match hash {
            "sha256" => self.sign(&lc::RSA_PSS_SHA256, message),
            "sha384" => self.sign(&lc::RSA_PSS_SHA384, message),
            "sha512" => self.sign(&lc::RSA_PSS_SHA512, message),
            other => panic!("{other}"),
        }
    }

    /// RSA-PSS with SHA-256 and a salt of this length; 222 is the longest for 2048 bits.
    pub fn pss_salted(&self, salt: usize, message: &[u8]) -> Vec<u8> {
        let key =
            rsa::pss::SigningKey::<sha2::Sha256>::new_with_salt_len(self.private.clone(), salt);
        key.sign_with_rng(&mut Random, message).to_vec()
    }

    pub fn pkcs1(&self, hash: &str, message: &[u8]) -> Vec<u8> {
        match hash {
            "sha1" => {
                // The DigestInfo of SHA-1 (RFC 8017 §9.2, note 1).
                let mut info = HEXLOWER.decode(b"3021300906052b0e03021a05000414").unwrap();
                info.extend_from_slice(&digest("sha1", message));
                self.private
                    .sign(rsa::Pkcs1v15Sign::new_unprefixed(), &info)
                    .unwrap()
            }
            "sha256" => self.sign(&lc::RSA_PKCS1_SHA256, message),
            "sha384" => self.sign(&lc::RSA_PKCS1_SHA384, message),
            "sha512" => self.sign(&lc::RSA_PKCS1_SHA512, message),
            other => panic!("{other}"),
        }
    }

    fn sign(&self, how: &'static dyn RsaEncoding, message: &[u8]) -> Vec<u8> {
        let mut signature = vec![0; self.pair.public_modulus_len()];
        self.pair
            .sign(how, &SystemRandom::new(), message, &mut signature)
            .unwrap();
        signature
    }

    /// `SubjectPublicKeyInfo`.
    pub fn spki(&self) -> Vec<u8> {
        use rsa::pkcs8::EncodePublicKey as _;
        self.private
            .to_public_key()
            .to_public_key_der()
            .unwrap()
            .into_vec()
    }

    pub fn pkcs1_der(&self) -> Vec<u8> {
        use rsa::pkcs1::EncodeRsaPublicKey as _;
        self.private
            .to_public_key()
            .to_pkcs1_der()
            .unwrap()
            .into_vec()
    }

    pub fn pem(&self) -> String {
        pem("PUBLIC KEY", &self.spki())
    }

    pub fn pkcs1_pem(&self) -> String {
        pem("RSA PUBLIC KEY", &self.pkcs1_der())
    }

    pub fn private_pem(&self) -> String {
        let der = AsDer::<Pkcs8V1Der<'_>>::as_der(&self.pair).unwrap();
        pem("PRIVATE KEY", der.as_ref())
    }

    pub fn jwk(&self, id: &str) -> Value {
        use rsa::traits::PublicKeyParts as _;
        let part = |number: &rsa::BigUint| base64url(&number.to_bytes_be());
        serde_json::json!({"kty": "RSA", "kid": id, "n": part(self.private.n()), "e": part(self.private.e())})
    }
}

/// `P-256` or `P-384`.
pub fn ecdsa(curve: &str) -> &'static EcKey {
    static P256: OnceLock<EcKey> = OnceLock::new();
    static P384: OnceLock<EcKey> = OnceLock::new();
    let make = |der, bare| {
        move || EcKey {
            der: generate(der),
            bare_algorithm: bare,
            der_algorithm: der,
        }
    };
    match curve {
        "P-256" => P256.get_or_init(make(
            &lc::ECDSA_P256_SHA256_ASN1_SIGNING,
            &lc::ECDSA_P256_SHA256_FIXED_SIGNING,
        )),
        "P-384" => P384.get_or_init(make(
            &lc::ECDSA_P384_SHA384_ASN1_SIGNING,
            &lc::ECDSA_P384_SHA384_FIXED_SIGNING,
        )),
        other => panic!("{other}"),
    }
}

fn generate(algorithm: &'static lc::EcdsaSigningAlgorithm) -> Vec<u8> {
    let document = lc::EcdsaKeyPair::generate_pkcs8(algorithm, &SystemRandom::new()).unwrap();
    document.as_ref().to_vec()
}

pub struct EcKey {
    der: Vec<u8>,
    der_algorithm: &'static lc::EcdsaSigningAlgorithm,
    bare_algorithm: &'static lc::EcdsaSigningAlgorithm,
}

impl EcKey {
    /// An ASN.1 sequence, as OpenSSL writes it.
    pub fn sign_der(&self, message: &[u8]) -> Vec<u8> {
        self.sign(self.der_algorithm, message)
    }

    /// r and s side by side, as JWT and `WebCrypto` write it.
    pub fn sign_bare(&self, message: &[u8]) -> Vec<u8> {
        self.sign(self.bare_algorithm, message)
    }

    fn sign(&self, algorithm: &'static lc::EcdsaSigningAlgorithm, message: &[u8]) -> Vec<u8> {
        let pair = lc::EcdsaKeyPair::from_pkcs8(algorithm, &self.der).unwrap();
        pair.sign(&SystemRandom::new(), message)
            .unwrap()
            .as_ref()
            .to_vec()
    }

    pub fn pem(&self) -> String {
        use aws_lc_rs::encoding::PublicKeyX509Der;
        let pair = lc::EcdsaKeyPair::from_pkcs8(self.der_algorithm, &self.der).unwrap();
        let der = AsDer::<PublicKeyX509Der<'_>>::as_der(pair.public_key()).unwrap();
        pem("PUBLIC KEY", der.as_ref())
    }
}

pub fn ed25519() -> &'static lc::Ed25519KeyPair {
    static KEY: OnceLock<lc::Ed25519KeyPair> = OnceLock::new();
    KEY.get_or_init(|| lc::Ed25519KeyPair::generate().unwrap())
}

/// The 32 bytes of its public half.
pub fn ed25519_public() -> Vec<u8> {
    ed25519().public_key().as_ref().to_vec()
}

pub fn pem(label: &str, der: &[u8]) -> String {
    let text = base64(der);
    let lines: Vec<&str> = text
        .as_bytes()
        .chunks(64)
        .map(|line| std::str::from_utf8(line).unwrap())
        .collect();
    format!(
        "-----BEGIN {label}-----\n{}\n-----END {label}-----\n",
        lines.join("\n")
    )
}

/// A compact JWS: header and claims as given, signed by `sign`.
pub fn jws(header: &str, claims: &str, sign: impl Fn(&[u8]) -> Vec<u8>) -> String {
    let signed = format!(
        "{}.{}",
        base64url(header.as_bytes()),
        base64url(claims.as_bytes())
    );
    let signature = base64url(&sign(signed.as_bytes()));
    format!("{signed}.{signature}")
}

/// A token signed with HS256.
pub fn hs256(secret: &[u8], claims: &Value) -> String {
    jws(
        r#"{"alg":"HS256","typ":"JWT"}"#,
        &claims.to_string(),
        |message| hmac("sha256", secret, message),
    )
}

/// Randomness for the rsa crate.
struct Random;

impl rsa::rand_core::RngCore for Random {
    fn next_u32(&mut self) -> u32 {
        rsa::rand_core::impls::next_u32_via_fill(self)
    }

    fn next_u64(&mut self) -> u64 {
        rsa::rand_core::impls::next_u64_via_fill(self)
    }

    fn fill_bytes(&mut self, bytes: &mut [u8]) {
        SystemRandom::new().fill(bytes).unwrap();
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), rsa::rand_core::Error> {
        self.fill_bytes(bytes);
        Ok(())
    }
}

impl rsa::rand_core::CryptoRng for Random {}
