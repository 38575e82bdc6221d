//! Every prover accepts what was signed and nothing that differs from it in one byte.

use proptest::prelude::*;

use super::*;
use crate::verify::jwt::{ALGORITHMS, BodyHash, Jwt, Key};

const HASHES: [Hash; 4] = [Hash::Sha1, Hash::Sha256, Hash::Sha384, Hash::Sha512];
const ENCODINGS: [Encoding; 3] = [Encoding::Base64, Encoding::Base64Url, Encoding::Hex];

fn value(delivery: &Delivery) -> Vec<u8> {
    delivery.headers[SIGNATURE].as_bytes().to_vec()
}

fn body_mutations_are_refused(plan: &Plan, delivery: &Delivery, flip: u8) {
    for at in 0..delivery.body.len() {
        let mut other = delivery.clone();
        other.body[at] ^= flip;
        refused(plan, &other, "a changed body");
    }
    let mut longer = delivery.clone();
    longer.body.push(flip);
    refused(plan, &longer, "a longer body");
    if !delivery.body.is_empty() {
        let mut shorter = delivery.clone();
        shorter.body.pop();
        refused(plan, &shorter, "a shorter body");
    }
}

fn signature_mutations_are_refused(plan: &Plan, delivery: &Delivery, encoding: Encoding, flip: u8) {
    let text = value(delivery);
    let bytes = encoding.decode(&text).unwrap();
    for at in 0..bytes.len() {
        let mut other = bytes.clone();
        other[at] ^= flip;
        let other = with_signature(&delivery.body, encoding.encode(&other).as_bytes());
        refused(plan, &other, "a changed signature");
    }
    for at in 0..text.len() {
        for character in [
            text[at] ^ 1,
            text[at] ^ 0x20,
            b'=',
            b'A',
            b'0',
            b'-',
            b'/',
            b' ',
            b',',
        ] {
            let mut other = text.clone();
            other[at] = character;
            if HeaderValue::from_bytes(&other).is_err()
                || encoding.decode(&other).as_ref() == Some(&bytes)
            {
                continue;
            }
            let other = with_signature(&delivery.body, &other);
            refused(plan, &other, "a changed header");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn hmac_and_keyed_digest(
        body in prop::collection::vec(any::<u8>(), 0..80),
        key in prop::collection::vec(any::<u8>(), 1..160),
        pieces in prop::collection::vec(1_usize..40, 0..4),
        flip in 1_u8..,
    ) {
        for hash in HASHES {
            for encoding in ENCODINGS {
                let keyed = |key: &[u8], message| {
                    let step = step(digest(hash, key), encoding, "{signature}", message);
                    plan(vec![vec![signed(step)]])
                };
                for make in [
                    &|key: &[u8]| simple(hmac(hash, &[key]), encoding),
                    &|key: &[u8]| keyed(key, "{secret}{body}"),
                    &|key: &[u8]| keyed(key, "{body}.{secret}"),
                ] as [&dyn Fn(&[u8]) -> Plan; 3] {
                    let plan = make(&key);
                    let delivery = sign_it(&plan, &body, None);
                    let verified = judge(&plan, &delivery, &pieces, now()).unwrap();
                    prop_assert_eq!(verified.body().contiguous().into_owned(), delivery.body.clone());
                    body_mutations_are_refused(&plan, &delivery, flip);
                    signature_mutations_are_refused(&plan, &delivery, encoding, flip);
                    for at in 0..key.len() {
                        let mut other = key.clone();
                        other[at] ^= flip;
                        refused(&make(&other), &delivery, "another secret");
                    }
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3))]

    #[test]
    fn public_keys(
        body in prop::collection::vec(any::<u8>(), 0..60),
        pieces in prop::collection::vec(1_usize..40, 0..4),
        flip in 1_u8..,
    ) {
        let pss = [Salt::Auto, Salt::Digest, Salt::Max, Salt::Length(0), Salt::Length(20)];
        let forms = [SignatureFormat::Der, SignatureFormat::P1363];
        for algorithm in Algorithm::ALL {
            let ways: Vec<_> = match algorithm {
                Algorithm::RsaPss(_) => pss.map(|salt| (salt, SignatureFormat::Der)).to_vec(),
                Algorithm::EcdsaP256Sha1
                | Algorithm::EcdsaP256Sha256
                | Algorithm::EcdsaP384Sha384 => {
                    forms.map(|form| (Salt::Auto, form)).to_vec()
                }
                Algorithm::Ed25519 | Algorithm::RsaPkcs1(_) => {
                    vec![(Salt::Auto, SignatureFormat::Der)]
                }
            };
            for (salt, form) in ways {
                let pair = pair_of(algorithm);
                let encoding = ENCODINGS[body.len() % 3];
                let make = |key: &PublicKey| {
                    Some(simple(public_key(key, algorithm, salt, form)?, encoding))
                };
                let plan = make(&pair.public).unwrap();
                let delivery = sign_it(&plan, &body, Some(&pair.private));
                judge(&plan, &delivery, &pieces, now()).unwrap();
                body_mutations_are_refused(&plan, &delivery, flip);
                signature_mutations_are_refused(&plan, &delivery, encoding, flip);
                other_keys_are_refused(&pair.public, &make, &delivery, flip);
            }
        }
    }
}

/// Flips each byte of the key: a key that can still be loaded verifies nothing.
fn other_keys_are_refused(
    key: &PublicKey,
    make: &dyn Fn(&PublicKey) -> Option<Plan>,
    delivery: &Delivery,
    flip: u8,
) {
    let length = match &key.material {
        Material::Ed25519(bytes) | Material::P256(bytes) | Material::P384(bytes) => bytes.len(),
        Material::Rsa { modulus, exponent } => modulus.len() + exponent.len(),
    };
    for at in 0..length {
        let mut other = key.clone();
        match &mut other.material {
            Material::Ed25519(bytes) | Material::P256(bytes) | Material::P384(bytes) => {
                bytes[at] ^= flip;
                // The hybrid spelling of the same point: no key file with it is loaded.
                if bytes.len() > 32 && matches!(bytes[0], 6 | 7) {
                    continue;
                }
            }
            Material::Rsa { modulus, exponent } => match modulus.get_mut(at) {
                Some(byte) => *byte ^= flip,
                None => exponent[at - modulus.len()] ^= flip,
            },
        }
        if let Some(plan) = make(&other) {
            refused(&plan, delivery, "another public key");
        }
    }
}

#[test]
fn salt_auto_takes_both_lengths_that_signers_use_and_a_pinned_one_only_itself() {
    for hash in [Hash::Sha256, Hash::Sha384, Hash::Sha512] {
        let algorithm = Algorithm::RsaPss(hash);
        let of = |salt| {
            let prover = public_key(&RSA.public, algorithm, salt, SignatureFormat::Der).unwrap();
            simple(prover, Encoding::Base64)
        };
        let max = u16::try_from(256 - hash.length() - 2).unwrap();
        let digest = u16::try_from(hash.length()).unwrap();
        for (signed_with, accepted_by) in [
            (
                Salt::Digest,
                &[Salt::Auto, Salt::Digest, Salt::Length(digest)][..],
            ),
            (Salt::Max, &[Salt::Auto, Salt::Max, Salt::Length(max)][..]),
            (Salt::Length(20), &[Salt::Length(20)][..]),
            (Salt::Length(0), &[Salt::Length(0)][..]),
        ] {
            let delivery = sign_it(&of(signed_with), b"body", Some(&RSA.private));
            for salt in [
                Salt::Auto,
                Salt::Digest,
                Salt::Max,
                Salt::Length(0),
                Salt::Length(20),
                Salt::Length(digest),
                Salt::Length(max),
                Salt::Length(max + 1),
                Salt::Length(u16::MAX),
            ] {
                if accepted_by.contains(&salt) {
                    assert_eq!(
                        verdict(&of(salt), &delivery),
                        Ok(()),
                        "{signed_with:?} {salt:?}"
                    );
                } else {
                    refused(&of(salt), &delivery, "another salt length");
                }
            }
        }
    }
}

fn token(name: &str, body_hash: bool) -> (Plan, Option<&'static Pair>) {
    let known = ALGORITHMS.iter().find(|known| known.name == name).unwrap();
    let pair = match name {
        "HS256" | "HS384" | "HS512" => None,
        "ES256" => Some(&*P256),
        "ES384" => Some(&*P384),
        "EdDSA" => Some(&*ED25519),
        _ => Some(&*RSA),
    };
    let key = pair.map_or_else(
        || Key::shared(&secret(b"a-shared-secret-of-32-bytes-long")),
        |pair| Key::public(&pair.public),
    );
    let step = Jwt {
        place: Place::Header(http::header::AUTHORIZATION),
        prefix: "Bearer ".into(),
        algorithms: vec![known],
        detached: false,
        issuers: vec![Template::literal("issuer")],
        audiences: Vec::new(),
        required: vec!["exp".into()],
        leeway: Duration::ZERO,
        issued_at: "iat".into(),
        max_age: None,
        body_hash: body_hash
            .then(|| BodyHash {
                claim: "body".into(),
                hash: Hash::Sha256,
                encoding: Encoding::Hex,
                message: template("{body}"),
            })
            .into_iter()
            .collect(),
        keys: ring(key),
    };
    (plan(vec![vec![Step::Jwt(Box::new(step))]]), pair)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2))]

    #[test]
    fn tokens(
        body in prop::collection::vec(any::<u8>(), 0..60),
        pieces in prop::collection::vec(1_usize..40, 0..4),
        flip in 1_u8..,
    ) {
        for known in &ALGORITHMS {
            let (plan, pair) = token(known.name, true);
            let delivery = sign_it(&plan, &body, pair.map(|pair| &pair.private));
            judge(&plan, &delivery, &pieces, now()).unwrap();
            body_mutations_are_refused(&plan, &delivery, flip);
            let text = delivery.headers["authorization"].as_bytes().to_vec();
            for at in "Bearer ".len()..text.len() {
                for character in [text[at] ^ 1, text[at] ^ 0x20, b'=', b'.', b'A', b'_', b' '] {
                    if character == text[at] {
                        continue;
                    }
                    let mut other = text.clone();
                    other[at] = character;
                    let Ok(other) = HeaderValue::from_bytes(&other) else { continue };
                    let mut changed = delivery.clone();
                    changed.headers.insert("authorization", other);
                    refused(&plan, &changed, "a changed token");
                }
            }
        }
    }
}
