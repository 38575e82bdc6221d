//! Verification as an attacker sees it: whole plans, judged from outside.

#![expect(
    clippy::string_slice,
    clippy::too_many_lines,
    reason = "tables of cases over plain ASCII"
)]

mod identity;
mod keys;
mod messages;
mod odd_signatures;
mod provers;
mod rules;
mod tokens;

use std::net::{IpAddr, Ipv4Addr};
use std::sync::LazyLock;
use std::time::Duration;

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, EcdsaKeyPair,
    EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair as _,
};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use rsa::RsaPrivateKey;
use rsa::pkcs8::DecodePrivateKey as _;
use rsa::traits::PublicKeyParts as _;

use super::algorithm::{Algorithm, Salt, SignatureFormat, VerifyingKey};
use super::format::Format;
use super::public_key::{Material, PublicKey};
use super::signed::{MacKey, Prover, Signature};
use super::template::{Constants, Template};
use super::{Body, Encoding, Hash, Head, Held, Moment, Place, Plan, Ring, Step, Verified};
use crate::rejection::Rejection;
use crate::secret::Secret;
use crate::sign::{Delivery, PrivateKey, sign};

/// The header that every signature step of these tests reads.
const SIGNATURE: HeaderName = HeaderName::from_static("x-signature");

fn now() -> Moment {
    Moment::from_second(1_700_000_000).unwrap()
}

fn later(seconds: i64) -> Moment {
    Moment::from_second(1_700_000_000 + seconds).unwrap()
}

// === Keys ===

/// A throw-away key pair: what signs, and what verifies.
struct Pair {
    private: PrivateKey,
    public: PublicKey,
    der: Vec<u8>,
}

fn pem(label: &str, der: &[u8]) -> String {
    let text = Encoding::Base64.encode(der);
    format!("-----BEGIN {label}-----\n{text}\n-----END {label}-----\n")
}

fn pair(der: &[u8], material: Material) -> Pair {
    Pair {
        private: PrivateKey::from_pem(&pem("PRIVATE KEY", der)).unwrap(),
        public: PublicKey { id: None, material },
        der: der.to_vec(),
    }
}

static RSA: LazyLock<Pair> = LazyLock::new(|| {
    let made = aws_lc_rs::rsa::KeyPair::generate(aws_lc_rs::rsa::KeySize::Rsa2048).unwrap();
    let der = made.as_der().unwrap();
    let key = raw_rsa(der.as_ref());
    let material = Material::Rsa {
        modulus: key.n().to_bytes_be(),
        exponent: key.e().to_bytes_be(),
    };
    pair(der.as_ref(), material)
});
static P256: LazyLock<Pair> = LazyLock::new(|| {
    let (der, point) = ecdsa(&ECDSA_P256_SHA256_ASN1_SIGNING);
    pair(&der, Material::P256(point))
});
static P384: LazyLock<Pair> = LazyLock::new(|| {
    let (der, point) = ecdsa(&ECDSA_P384_SHA384_ASN1_SIGNING);
    pair(&der, Material::P384(point))
});
static ED25519: LazyLock<Pair> = LazyLock::new(|| {
    let der = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
    let public = Ed25519KeyPair::from_pkcs8(der.as_ref()).unwrap();
    pair(
        der.as_ref(),
        Material::Ed25519(public.public_key().as_ref().to_vec()),
    )
});

fn ecdsa(algorithm: &'static EcdsaSigningAlgorithm) -> (Vec<u8>, Vec<u8>) {
    let der = EcdsaKeyPair::generate_pkcs8(algorithm, &SystemRandom::new()).unwrap();
    let made = EcdsaKeyPair::from_pkcs8(algorithm, der.as_ref()).unwrap();
    (der.as_ref().to_vec(), made.public_key().as_ref().to_vec())
}

fn raw_rsa(der: &[u8]) -> RsaPrivateKey {
    RsaPrivateKey::from_pkcs8_der(der).unwrap()
}

fn pair_of(algorithm: Algorithm) -> &'static Pair {
    match algorithm {
        Algorithm::EcdsaP256Sha1 | Algorithm::EcdsaP256Sha256 => &P256,
        Algorithm::EcdsaP384Sha384 => &P384,
        Algorithm::Ed25519 => &ED25519,
        Algorithm::RsaPkcs1(_) | Algorithm::RsaPss(_) => &RSA,
    }
}

// === Plans ===

fn held<K>(name: &str, key: K) -> Held<K> {
    Held {
        name: name.into(),
        not_before: None,
        until: None,
        key,
    }
}

fn ring<K>(key: K) -> Ring<K> {
    Ring::new(vec![held("main", key)])
}

fn secret(bytes: &[u8]) -> Secret {
    Secret::new(bytes.to_vec())
}

fn hmac(hash: Hash, secrets: &[&[u8]]) -> Prover {
    let keys = secrets
        .iter()
        .enumerate()
        .map(|(at, bytes)| {
            held(
                &format!("key-{at}"),
                MacKey::new(hash, secret(bytes)).unwrap(),
            )
        })
        .collect();
    Prover::Hmac(Ring::new(keys))
}

fn digest(hash: Hash, bytes: &[u8]) -> Prover {
    Prover::Digest {
        hash,
        secrets: Some(ring(secret(bytes))),
    }
}

fn public_key(
    key: &PublicKey,
    algorithm: Algorithm,
    salt: Salt,
    form: SignatureFormat,
) -> Option<Prover> {
    Some(Prover::PublicKey {
        algorithm,
        salt,
        form,
        keys: ring(VerifyingKey::new(key, algorithm, salt, form)?),
    })
}

fn step(prover: Prover, encoding: Encoding, format: &str, message: &str) -> Signature {
    Signature {
        places: vec![Place::Header(SIGNATURE)],
        repeated: false,
        format: Format::compile(format).unwrap(),
        encoding,
        message: template(message),
        id: None,
        key_id: None,
        freshness: None,
        for_each: None,
        prover,
        never: Vec::new(),
        label: "test",
    }
}

fn template(message: &str) -> Template {
    let constants = Constants {
        public_url: Some("https://hooks.example.com".into()),
        config: [("account".into(), "acct_7".into())].into(),
    };
    Template::compile(message, &constants).unwrap()
}

fn signed(step: Signature) -> Step {
    Step::Signature(Box::new(step))
}

fn plan(groups: Vec<Vec<Step>>) -> Plan {
    Plan {
        addresses: None,
        groups,
    }
}

/// A plan of one signature over the plain body.
fn simple(prover: Prover, encoding: Encoding) -> Plan {
    let step = step(prover, encoding, "{signature}", "{body}");
    plan(vec![vec![signed(step)]])
}

// === Requests ===

fn delivery(body: &[u8]) -> Delivery {
    Delivery {
        method: "POST".into(),
        path: "/webhooks/test".into(),
        query: None,
        headers: HeaderMap::new(),
        body: body.to_vec(),
    }
}

fn with_signature(body: &[u8], value: &[u8]) -> Delivery {
    let mut delivery = delivery(body);
    delivery
        .headers
        .insert(SIGNATURE, HeaderValue::from_bytes(value).unwrap());
    delivery
}

fn sign_it(plan: &Plan, body: &[u8], key: Option<&PrivateKey>) -> Delivery {
    let mut delivery = delivery(body);
    sign(plan, &mut delivery, key, now(), None).unwrap();
    delivery
}

/// The verdict on a request whose body arrives in pieces of these lengths, then in one.
fn judge(
    plan: &Plan,
    delivery: &Delivery,
    pieces: &[usize],
    now: Moment,
) -> Result<Verified, Rejection> {
    let head = Head {
        method: &delivery.method,
        path: &delivery.path,
        query: delivery.query.as_deref(),
        headers: (&delivery.headers).into(),
    };
    let client = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let mut pending = plan.admit(client, &head, now)?;
    let mut body = Body::default();
    let mut rest = Bytes::from(delivery.body.clone());
    let mut pieces = pieces.iter();
    while !rest.is_empty() {
        let length = pieces.next().map_or(rest.len(), |n| (*n).min(rest.len()));
        let chunk = rest.split_to(length);
        pending.update(&chunk);
        body.push(chunk);
    }
    pending
        .finish(&head, body)
        .map_err(|refused| refused.rejection)
}

fn verdict(plan: &Plan, delivery: &Delivery) -> Result<(), Rejection> {
    judge(plan, delivery, &[], now()).map(drop)
}

/// The reason, after making sure that it is a 401.
fn refused(plan: &Plan, delivery: &Delivery, what: &str) -> Rejection {
    match verdict(plan, delivery) {
        Ok(()) => panic!("accepted: {what}"),
        Err(rejection) => {
            assert_eq!(rejection.status(), 401, "{what}: {rejection}");
            rejection
        }
    }
}

fn minutes(n: u64) -> Duration {
    Duration::from_secs(n * 60)
}
