//! Public keys as people have them: PEM, DER, JWK, JWKS, bare base64 or hex.

use std::fmt;

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P384_SHA384_ASN1, ED25519 as ED25519_POINT, ParsedPublicKey,
    VerificationAlgorithm,
};
use rsa::pkcs1;
use rsa::pkcs8::ObjectIdentifier;
use rsa::pkcs8::spki::SubjectPublicKeyInfoRef;
use serde_json::Value;

use super::Encoding;

const RSA_ENCRYPTION: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const RSASSA_PSS: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.10");
const EC_PUBLIC_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const PRIME256V1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
const SECP384R1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");

/// Below this an RSA modulus is within reach of factoring (NIST SP 800-131A).
const MIN_RSA_BITS: usize = 2048;
/// Above this one verification costs more than a request should.
const MAX_RSA_BITS: usize = 8192;

/// The numbers of a public key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Material {
    /// Ed25519: the 32 bytes of RFC 8032.
    Ed25519(Vec<u8>),
    /// NIST P-256: an uncompressed point (SEC 1 §2.3.3).
    P256(Vec<u8>),
    /// NIST P-384: an uncompressed point.
    P384(Vec<u8>),
    /// RSA: modulus and exponent, big-endian.
    Rsa {
        /// The modulus.
        modulus: Vec<u8>,
        /// The public exponent.
        exponent: Vec<u8>,
    },
}

/// A public key and, from a JWK, its id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey {
    /// `kid` of a JWK.
    pub id: Option<String>,
    /// Its numbers.
    pub material: Material,
}

/// Why something is not a public key that can be used. Never holds a byte of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyError {
    /// An elliptic curve that no algorithm of the grammar uses.
    Curve,
    /// Not a key in any of the forms.
    Form,
    /// A point that is not on its curve, or one under which anybody can sign.
    Point,
    /// A private key.
    Private,
    /// An RSA modulus of so many bits.
    RsaBits(usize),
    /// A symmetric key.
    Symmetric,
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Curve => f.write_str("the key is on a curve other than P-256, P-384 and Ed25519"),
            Self::Form => f.write_str(
                "this is not a public key: PEM, DER, a certificate, JWK, JWKS, bare base64 or hex are read",
            ),
            Self::Point => f.write_str("the key is not a valid point of its curve"),
            Self::Private => f.write_str("this is a private key; gatepost needs the public one"),
            Self::RsaBits(bits) => write!(
                f,
                "the RSA key has {bits} bits; {MIN_RSA_BITS} to {MAX_RSA_BITS} are accepted"
            ),
            Self::Symmetric => f.write_str("this is a symmetric key; use `secret` for it"),
        }
    }
}

impl PublicKey {
    /// Reads every key that `bytes` hold. Text may have its line ends escaped as `\n`, as keys in
    /// environment variables often do.
    pub fn read_all(bytes: &[u8]) -> Result<Vec<Self>, KeyError> {
        let Ok(text) = std::str::from_utf8(bytes) else {
            return Ok(vec![from_der(bytes)?]);
        };
        let text = text.trim();
        if text.contains("-----BEGIN ") {
            return from_pem(&text.replace("\\n", "\n"));
        }
        if text.starts_with('{') {
            return from_json(text);
        }
        let bare: String = text.replace("\\n", "").split_whitespace().collect();
        // A PEM that was encoded once more, to fit into one line.
        if let Some(decoded) = Encoding::Base64.decode(bare.as_bytes())
            && let Ok(pem) = std::str::from_utf8(&decoded)
            && pem.contains("-----BEGIN ")
        {
            return from_pem(pem);
        }
        let decoded = [Encoding::Hex, Encoding::Base64, Encoding::Base64Url]
            .into_iter()
            .find_map(|encoding| {
                encoding
                    .decode(bare.as_bytes())
                    .and_then(|der| from_bare(&der))
            });
        decoded.map_or_else(
            || {
                if text.is_empty() {
                    Err(KeyError::Form)
                } else {
                    Ok(vec![from_der(bytes)?])
                }
            },
            |key| Ok(vec![key?]),
        )
    }

    /// What kind of key it is, for messages.
    pub fn kind(&self) -> String {
        match &self.material {
            Material::Ed25519(_) => "Ed25519".into(),
            Material::P256(_) => "P-256".into(),
            Material::P384(_) => "P-384".into(),
            Material::Rsa { modulus, .. } => format!("RSA {}", bits(modulus)),
        }
    }

    fn new(material: Material) -> Result<Self, KeyError> {
        match &material {
            Material::Ed25519(bytes) => {
                require_point(&ED25519_POINT, bytes, has_large_order(bytes))?;
            }
            Material::P256(point) => {
                require_point(&ECDSA_P256_SHA256_ASN1, point, !is_hybrid(point))?;
            }
            Material::P384(point) => {
                require_point(&ECDSA_P384_SHA384_ASN1, point, !is_hybrid(point))?;
            }
            Material::Rsa { modulus, exponent } => {
                let bits = bits(modulus);
                if !(MIN_RSA_BITS..=MAX_RSA_BITS).contains(&bits) {
                    return Err(KeyError::RsaBits(bits));
                }
                let odd = |number: &[u8]| number.last().is_some_and(|byte| byte & 1 == 1);
                if !odd(modulus) || !odd(exponent) || exponent == &[1] {
                    return Err(KeyError::Form);
                }
            }
        }
        Ok(Self { id: None, material })
    }
}

/// Whether the library can verify with this point: what is not checked here would only show as
/// refused requests.
fn require_point(
    algorithm: &'static dyn VerificationAlgorithm,
    point: &[u8],
    sound: bool,
) -> Result<(), KeyError> {
    match ParsedPublicKey::new(algorithm, point) {
        Ok(_) if sound => Ok(()),
        _ => Err(KeyError::Point),
    }
}

/// A second spelling of the same key, which must not be used (RFC 5480 §2.2).
fn is_hybrid(point: &[u8]) -> bool {
    matches!(point.first(), Some(6 | 7))
}

/// Whether an Ed25519 key is none of the eight points of small order, in any of their spellings:
/// under those a signature can be made without a private key, and the verifier takes it.
fn has_large_order(key: &[u8]) -> bool {
    // The y coordinates of points of order 1, 2, 4 and 8, those not reduced modulo 2^255 - 19 too.
    const SMALL: [&str; 7] = [
        "0100000000000000000000000000000000000000000000000000000000000000",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "0000000000000000000000000000000000000000000000000000000000000000",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    ];
    let mut y = key.to_vec();
    // The top bit is the sign of x.
    if let Some(last) = y.last_mut() {
        *last &= 0x7f;
    }
    !SMALL.contains(&&*Encoding::Hex.encode(&y))
}

/// Bits of a big-endian number without leading zero bytes.
fn bits(number: &[u8]) -> usize {
    number.first().map_or(0, |first| {
        number
            .len()
            .saturating_mul(8)
            .saturating_sub(first.leading_zeros() as usize)
    })
}

fn trimmed(number: &[u8]) -> Vec<u8> {
    number
        .iter()
        .copied()
        .skip_while(|byte| *byte == 0)
        .collect()
}

fn from_pem(text: &str) -> Result<Vec<PublicKey>, KeyError> {
    let mut keys = Vec::new();
    for block in text.split("-----BEGIN ").skip(1) {
        let (label, rest) = block.split_once("-----").ok_or(KeyError::Form)?;
        if label.contains("PRIVATE KEY") {
            return Err(KeyError::Private);
        }
        let (inner, _) = rest.split_once("-----END ").ok_or(KeyError::Form)?;
        let inner: String = inner.split_whitespace().collect();
        let der = Encoding::Base64
            .decode(inner.as_bytes())
            .ok_or(KeyError::Form)?;
        keys.push(from_der(&der)?);
    }
    Ok(keys)
}

/// DER, or the bare point or bytes of a key; `None` when it cannot be a key at all.
fn from_bare(bytes: &[u8]) -> Option<Result<PublicKey, KeyError>> {
    let material = match (bytes.len(), bytes.first()) {
        (32, _) => Material::Ed25519(bytes.to_vec()),
        (65, Some(4)) => Material::P256(bytes.to_vec()),
        (97, Some(4)) => Material::P384(bytes.to_vec()),
        (_, Some(0x30)) => return Some(from_der(bytes)),
        _ => return None,
    };
    Some(PublicKey::new(material))
}

fn from_der(der: &[u8]) -> Result<PublicKey, KeyError> {
    if let Ok(key) = pkcs1::RsaPublicKey::try_from(der) {
        return PublicKey::new(Material::Rsa {
            modulus: trimmed(key.modulus.as_bytes()),
            exponent: trimmed(key.public_exponent.as_bytes()),
        });
    }
    if let Ok(spki) = SubjectPublicKeyInfoRef::try_from(der) {
        return from_spki(&spki);
    }
    if let Ok(certificate) = webpki::EndEntityCert::try_from(&der.into()) {
        let spki = certificate.subject_public_key_info();
        let spki = SubjectPublicKeyInfoRef::try_from(&*spki).map_err(|_| KeyError::Form)?;
        return from_spki(&spki);
    }
    // PKCS#8, PKCS#1 or SEC 1.
    if rustls::pki_types::PrivateKeyDer::try_from(der).is_ok() {
        return Err(KeyError::Private);
    }
    Err(KeyError::Form)
}

fn from_spki(spki: &SubjectPublicKeyInfoRef<'_>) -> Result<PublicKey, KeyError> {
    let bytes = spki.subject_public_key.as_bytes().ok_or(KeyError::Form)?;
    let material = match spki.algorithm.oid {
        RSA_ENCRYPTION | RSASSA_PSS => {
            let key = pkcs1::RsaPublicKey::try_from(bytes).map_err(|_| KeyError::Form)?;
            Material::Rsa {
                modulus: trimmed(key.modulus.as_bytes()),
                exponent: trimmed(key.public_exponent.as_bytes()),
            }
        }
        EC_PUBLIC_KEY => match spki.algorithm.parameters_oid() {
            Ok(PRIME256V1) => Material::P256(bytes.to_vec()),
            Ok(SECP384R1) => Material::P384(bytes.to_vec()),
            _ => return Err(KeyError::Curve),
        },
        ED25519 => Material::Ed25519(bytes.to_vec()),
        _ => return Err(KeyError::Form),
    };
    PublicKey::new(material)
}

/// JWK (RFC 7517) or JWKS. Of a JWKS the keys for encryption are left out, and those of kinds that
/// no algorithm here uses (RFC 7517 §5), as long as one is left.
fn from_json(text: &str) -> Result<Vec<PublicKey>, KeyError> {
    let value: Value = serde_json::from_str(text).map_err(|_| KeyError::Form)?;
    match value.get("keys").and_then(Value::as_array) {
        None => Ok(vec![from_jwk(&value)?]),
        Some(keys) => {
            let signing = |key: &&Value| key.get("use").and_then(Value::as_str) != Some("enc");
            let mut usable = Vec::new();
            let mut foreign = KeyError::Form;
            for key in keys.iter().filter(signing) {
                match from_jwk(key) {
                    Ok(key) => usable.push(key),
                    Err(KeyError::Curve) => foreign = KeyError::Curve,
                    Err(error) => return Err(error),
                }
            }
            if usable.is_empty() {
                Err(foreign)
            } else {
                Ok(usable)
            }
        }
    }
}

fn from_jwk(jwk: &Value) -> Result<PublicKey, KeyError> {
    let text = |name: &str| jwk.get(name).and_then(Value::as_str);
    let number = |name: &str| {
        text(name)
            .and_then(|value| Encoding::Base64Url.decode(value.as_bytes()))
            .ok_or(KeyError::Form)
    };
    if text("kty") == Some("oct") {
        return Err(KeyError::Symmetric);
    }
    if jwk.get("d").is_some() {
        return Err(KeyError::Private);
    }
    let point = |length: usize| -> Result<Vec<u8>, KeyError> {
        let (x, y) = (number("x")?, number("y")?);
        if x.len() != length || y.len() != length {
            return Err(KeyError::Form);
        }
        Ok([&[4], &*x, &*y].concat())
    };
    let material = match (text("kty"), text("crv")) {
        (Some("RSA"), _) => Material::Rsa {
            modulus: trimmed(&number("n")?),
            exponent: trimmed(&number("e")?),
        },
        (Some("EC"), Some("P-256")) => Material::P256(point(32)?),
        (Some("EC"), Some("P-384")) => Material::P384(point(48)?),
        (Some("OKP"), Some("Ed25519")) => Material::Ed25519(number("x")?),
        (Some("EC" | "OKP"), _) => return Err(KeyError::Curve),
        _ => return Err(KeyError::Form),
    };
    let mut key = PublicKey::new(material)?;
    key.id = text("kid").map(Into::into);
    Ok(key)
}
