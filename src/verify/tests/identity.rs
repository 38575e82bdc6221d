//! What tells a signed request from every other one.

use super::*;
use crate::fingerprint::Fingerprint;

fn identity(plan: &Plan, delivery: &Delivery) -> Option<Fingerprint> {
    let head = Head {
        method: &delivery.method,
        path: &delivery.path,
        query: delivery.query.as_deref(),
        headers: (&delivery.headers).into(),
    };
    let client = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let mut pending = plan.admit(client, &head, now()).unwrap();
    pending.identify();
    pending.update(&delivery.body);
    let mut body = Body::default();
    body.push(delivery.body.clone().into());
    pending.finish(&head, body).unwrap().signed()
}

/// Of a message there are many RSA-PSS and ECDSA signatures, and anybody can turn one ECDSA
/// signature into another: the message counts.
#[test]
fn every_signature_of_a_message_gives_the_same() {
    for algorithm in [
        Algorithm::RsaPss(Hash::Sha256),
        Algorithm::EcdsaP256Sha256,
        Algorithm::EcdsaP384Sha384,
        Algorithm::Ed25519,
    ] {
        let pair = pair_of(algorithm);
        let prover = public_key(&pair.public, algorithm, Salt::Auto, SignatureFormat::Der);
        let plan = simple(prover.unwrap(), Encoding::Base64);
        let one = sign_it(&plan, b"body", Some(&pair.private));
        let two = sign_it(&plan, b"body", Some(&pair.private));
        let same = one.headers[&SIGNATURE] == two.headers[&SIGNATURE];
        assert_eq!(same, algorithm == Algorithm::Ed25519, "{algorithm:?}");
        assert!(identity(&plan, &one).is_some());
        assert_eq!(
            identity(&plan, &one),
            identity(&plan, &two),
            "{algorithm:?}"
        );
        let other = sign_it(&plan, b"other", Some(&pair.private));
        assert_ne!(identity(&plan, &one), identity(&plan, &other));
    }
}

#[test]
fn the_key_that_signed_makes_no_difference() {
    let both = simple(
        hmac(Hash::Sha256, &[b"old-secret", b"new-secret"]),
        Encoding::Hex,
    );
    let signed_by = |secret: &[u8]| {
        let plan = simple(hmac(Hash::Sha256, &[secret]), Encoding::Hex);
        sign_it(&plan, b"body", None)
    };
    let (old, new) = (signed_by(b"old-secret"), signed_by(b"new-secret"));
    assert_ne!(old.headers[&SIGNATURE], new.headers[&SIGNATURE]);
    assert_eq!(identity(&both, &old), identity(&both, &new));
    assert_eq!(
        judge(&both, &old, &[], now()).unwrap().signed(),
        None,
        "nobody asked"
    );
}

#[test]
fn what_is_signed_beside_the_body_counts_and_the_secret_does_not() {
    let of = |message: &str, secret: &[u8]| {
        let step = step(
            digest(Hash::Sha256, secret),
            Encoding::Hex,
            "{signature}",
            message,
        );
        plan(vec![vec![signed(step)]])
    };
    let (one, two) = (of("{secret}{body}", b"one"), of("{secret}{body}", b"two"));
    assert_eq!(
        identity(&one, &sign_it(&one, b"body", None)),
        identity(&two, &sign_it(&two, b"body", None))
    );
    let with = of("{secret}{path}{body}", b"one");
    assert_ne!(
        identity(&one, &sign_it(&one, b"body", None)),
        identity(&with, &sign_it(&with, b"body", None))
    );
}

#[test]
fn what_is_not_signed_has_none() {
    let unkeyed = Prover::Digest {
        hash: Hash::Sha256,
        secrets: None,
    };
    let plan = simple(unkeyed, Encoding::Hex);
    let delivery = with_signature(
        b"body",
        Encoding::Hex.encode(&Hash::Sha256.of(b"body")).as_bytes(),
    );
    assert_eq!(identity(&plan, &delivery), None);
}
