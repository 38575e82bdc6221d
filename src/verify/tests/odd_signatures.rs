//! Signatures of the kind that Project Wycheproof collects: nearly right, or right for another
//! algorithm.

use rsa::BigUint;
use rsa::traits::{PrivateKeyParts as _, PublicKeyParts as _};

use super::*;

const BODY: &[u8] = b"{\"type\":\"verify.authentication\"}";

/// A plan that takes hex signatures of `algorithm` over the body.
fn plan_of(algorithm: Algorithm, salt: Salt, form: SignatureFormat) -> Plan {
    let prover = public_key(&pair_of(algorithm).public, algorithm, salt, form).unwrap();
    simple(prover, Encoding::Hex)
}

fn genuine(algorithm: Algorithm, salt: Salt, form: SignatureFormat) -> Vec<u8> {
    pair_of(algorithm)
        .private
        .sign(algorithm, salt, form, BODY)
        .unwrap()
}

fn verdict_on(plan: &Plan, signature: &[u8]) -> Result<(), Rejection> {
    let value = Encoding::Hex.encode(signature);
    verdict(plan, &with_signature(BODY, value.as_bytes()))
}

fn refuse(plan: &Plan, what: &str, signature: &[u8]) {
    let value = Encoding::Hex.encode(signature);
    refused(plan, &with_signature(BODY, value.as_bytes()), what);
}

/// What is wrong with any signature: its length, or that it is no signature.
fn refuse_misshapen(plan: &Plan, good: &[u8]) {
    assert_eq!(verdict_on(plan, good), Ok(()));
    let zero = [0_u8; 1];
    for (what, signature) in [
        ("empty", Vec::new()),
        ("one byte", vec![0]),
        ("short", good[..good.len() - 1].to_vec()),
        ("without its first byte", good[1..].to_vec()),
        ("half", good[..good.len() / 2].to_vec()),
        ("long", [good, &zero].concat()),
        ("a leading zero", [&zero, good].concat()),
        ("twice", [good, good].concat()),
        ("all zero", vec![0; good.len()]),
        ("all ones", vec![0xff; good.len()]),
        ("backwards", good.iter().rev().copied().collect()),
        ("huge", vec![0x41; 8000]),
    ] {
        refuse(plan, what, &signature);
    }
}

#[test]
fn misshapen_signatures_of_every_algorithm() {
    for algorithm in Algorithm::ALL {
        for form in [SignatureFormat::Der, SignatureFormat::P1363] {
            let plan = plan_of(algorithm, Salt::Auto, form);
            refuse_misshapen(&plan, &genuine(algorithm, Salt::Auto, form));
        }
    }
    for hash in [Hash::Sha1, Hash::Sha256, Hash::Sha384, Hash::Sha512] {
        let prover = hmac(hash, &[b"secret-of-hmac"]);
        let Prover::Hmac(keys) = &prover else {
            unreachable!()
        };
        let mut mac = keys.all()[0].key.start();
        mac.update(BODY);
        let good = mac.finish();
        let plan = simple(prover, Encoding::Hex);
        refuse_misshapen(&plan, &good);
        refuse(&plan, "the plain hash", &hash.of(BODY));
        for other in [Hash::Sha1, Hash::Sha256, Hash::Sha384, Hash::Sha512] {
            if other != hash {
                let mut mac = super::super::Mac::new(other, b"secret-of-hmac").unwrap();
                mac.update(BODY);
                refuse(&plan, "another hash", &mac.finish());
            }
            let mut mac = super::super::Mac::new(other, b"").unwrap();
            mac.update(BODY);
            refuse(&plan, "the empty key", &mac.finish());
        }
    }
}

#[test]
fn a_signature_of_one_algorithm_is_none_of_another() {
    for made in Algorithm::ALL {
        let signature = genuine(made, Salt::Digest, SignatureFormat::Der);
        for asked in Algorithm::ALL {
            let plan = plan_of(asked, Salt::Auto, SignatureFormat::Der);
            if made == asked {
                assert_eq!(verdict_on(&plan, &signature), Ok(()), "{made:?}");
            } else {
                refuse(&plan, made.name(), &signature);
            }
        }
    }
}

// === ECDSA ===

struct Curve {
    algorithm: Algorithm,
    width: usize,
    order: BigUint,
}

fn curves() -> [Curve; 2] {
    let number = |hex: &[u8]| BigUint::parse_bytes(hex, 16).unwrap();
    [
        Curve {
            algorithm: Algorithm::EcdsaP256Sha256,
            width: 32,
            order: number(b"ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551"),
        },
        Curve {
            algorithm: Algorithm::EcdsaP384Sha384,
            width: 48,
            order: number(
                b"ffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973",
            ),
        },
    ]
}

fn fixed(number: &BigUint, width: usize) -> Vec<u8> {
    let bytes = number.to_bytes_be();
    [vec![0; width - bytes.len()], bytes].concat()
}

/// A DER value; `long` writes its length in more bytes than needed.
fn der(tag: u8, content: &[u8], long: bool) -> Vec<u8> {
    let length = u8::try_from(content.len()).unwrap();
    let length = match (long, length) {
        (false, 0..0x80) => vec![length],
        (false, _) | (true, 0..0x80) => vec![0x81, length],
        (true, _) => vec![0x82, 0, length],
    };
    [&[tag], &*length, content].concat()
}

fn integer(number: &BigUint) -> Vec<u8> {
    let bytes = number.to_bytes_be();
    if bytes[0] & 0x80 == 0 {
        bytes
    } else {
        [vec![0], bytes].concat()
    }
}

fn pair_der(r: &[u8], s: &[u8]) -> Vec<u8> {
    der(0x30, &[der(2, r, false), der(2, s, false)].concat(), false)
}

#[test]
fn ecdsa_with_numbers_out_of_range() {
    for Curve {
        algorithm,
        width,
        order,
    } in curves()
    {
        let good = genuine(algorithm, Salt::Auto, SignatureFormat::P1363);
        let (r, s) = good.split_at(width);
        let (r, s) = (BigUint::from_bytes_be(r), BigUint::from_bytes_be(s));
        let fixed_plan = plan_of(algorithm, Salt::Auto, SignatureFormat::P1363);
        let der_plan = plan_of(algorithm, Salt::Auto, SignatureFormat::Der);
        assert_eq!(verdict_on(&fixed_plan, &good), Ok(()));
        assert_eq!(
            verdict_on(&der_plan, &pair_der(&integer(&r), &integer(&s))),
            Ok(())
        );
        refuse(&der_plan, "p1363 for der", &good);
        refuse(
            &fixed_plan,
            "der for p1363",
            &pair_der(&integer(&r), &integer(&s)),
        );
        let one = BigUint::from(1_u8);
        let edges = [
            BigUint::from(0_u8),
            one.clone(),
            &order - &one,
            order.clone(),
            &order + &one,
            (&one << (8 * width)) - &one,
        ];
        let mut wrong = vec![(s.clone(), r.clone())];
        for a in &edges {
            wrong.push((a.clone(), s.clone()));
            wrong.push((r.clone(), a.clone()));
            wrong.extend(edges.iter().map(|b| (a.clone(), b.clone())));
        }
        wrong.push((&order - &r, s.clone()));
        wrong.push((r.clone(), &s + &order));
        wrong.push((&r + &order, s.clone()));
        for (a, b) in &wrong {
            refuse(
                &der_plan,
                "numbers out of range",
                &pair_der(&integer(a), &integer(b)),
            );
            if a.bits() <= 8 * width && b.bits() <= 8 * width {
                let both = [fixed(a, width), fixed(b, width)].concat();
                refuse(&fixed_plan, "numbers out of range", &both);
            }
        }
        // Each number as long as the other curve's.
        let long = [fixed(&r, width + 1), fixed(&s, width + 1)].concat();
        refuse(&fixed_plan, "leading zeros", &long);
        // Pins that (r, n - s) passes: every ECDSA signature has this twin (SEC 1 §4.1.4). So a
        // signature names no event; ids do.
        assert_eq!(
            verdict_on(&der_plan, &pair_der(&integer(&r), &integer(&(&order - &s)))),
            Ok(())
        );
    }
}

#[test]
fn ecdsa_in_anything_but_der() {
    for Curve {
        algorithm, width, ..
    } in curves()
    {
        let plan = plan_of(algorithm, Salt::Auto, SignatureFormat::Der);
        let good = genuine(algorithm, Salt::Auto, SignatureFormat::P1363);
        let (r, s) = good.split_at(width);
        let (r, s) = (BigUint::from_bytes_be(r), BigUint::from_bytes_be(s));
        let (r, s) = (integer(&r), integer(&s));
        let (a, b) = (der(2, &r, false), der(2, &s, false));
        let inner = [&*a, &*b].concat();
        let whole = der(0x30, &inner, false);
        assert_eq!(verdict_on(&plan, &whole), Ok(()));
        let nul = [5, 0];
        for (what, signature) in [
            ("trailing zero", [&*whole, &[0]].concat()),
            ("trailing value", [&*whole, &nul].concat()),
            ("value inside", der(0x30, &[&*inner, &nul].concat(), false)),
            ("long length", der(0x30, &inner, true)),
            (
                "long length of r",
                der(0x30, &[&*der(2, &r, true), &*b].concat(), false),
            ),
            (
                "long length of s",
                der(0x30, &[&*a, &*der(2, &s, true)].concat(), false),
            ),
            (
                "indefinite length",
                [&[0x30, 0x80], &*inner, &[0, 0]].concat(),
            ),
            ("zero before r", pair_der(&[&[0], &*r].concat(), &s)),
            ("zeros before s", pair_der(&r, &[&[0, 0], &*s].concat())),
            ("negative r", pair_der(&[&[0xff], &*r].concat(), &s)),
            ("negative s", pair_der(&r, &[&[0x80], &*s].concat())),
            ("empty r", pair_der(&[], &s)),
            ("a set", der(0x31, &inner, false)),
            (
                "octets for r",
                der(0x30, &[&*der(4, &r, false), &*b].concat(), false),
            ),
            ("only r", der(0x30, &a, false)),
            ("nothing", der(0x30, &[], false)),
            (
                "length too large",
                [&[0x30, whole[1] + 1], &*inner].concat(),
            ),
            (
                "length too small",
                [&[0x30, whole[1] - 1], &*inner].concat(),
            ),
            (
                "length of 2^32",
                [&[0x30, 0x84, 0xff, 0xff, 0xff, 0xff], &*inner].concat(),
            ),
            ("wrapped twice", der(0x30, &whole, false)),
            ("a bit string", der(3, &[&[0], &*whole].concat(), false)),
        ] {
            refuse(&plan, what, &signature);
        }
    }
}

// === Ed25519 ===

#[test]
fn ed25519_with_s_not_reduced() {
    let plan = plan_of(Algorithm::Ed25519, Salt::Auto, SignatureFormat::Der);
    let good = genuine(Algorithm::Ed25519, Salt::Auto, SignatureFormat::Der);
    let order = BigUint::parse_bytes(
        b"1000000000000000000000000000000014def9dea2f79cd65812631a5cf5d3ed",
        16,
    )
    .unwrap();
    let (r, s) = good.split_at(32);
    let s = BigUint::from_bytes_le(s);
    let with = |s: &BigUint| {
        let mut bytes = s.to_bytes_le();
        bytes.resize(32, 0);
        [r, &bytes].concat()
    };
    assert_eq!(verdict_on(&plan, &with(&s)), Ok(()));
    let mut more = s.clone();
    for _ in 0..14 {
        more += &order;
        refuse(&plan, "s plus a multiple of the order", &with(&more));
    }
    refuse(&plan, "s = 0", &with(&BigUint::from(0_u8)));
    refuse(&plan, "s = L", &with(&order));
    refuse(&plan, "L - s", &with(&(&order - &s)));
    refuse(&plan, "R = 0", &[&[0; 32], &good[32..]].concat());
    refuse(
        &plan,
        "halves swapped",
        &[&good[32..], &good[..32]].concat(),
    );
}

// === RSA ===

/// Raw RSA: the number that `block` is, signed.
fn raw(block: &[u8]) -> Vec<u8> {
    let key = raw_rsa(&RSA.der);
    fixed(&BigUint::from_bytes_be(block).modpow(key.d(), key.n()), 256)
}

fn mgf1(hash: Hash, seed: &[u8], length: usize) -> Vec<u8> {
    (0_u32..)
        .flat_map(|count| hash.of(&[seed, &count.to_be_bytes()].concat()))
        .take(length)
        .collect()
}

/// What may be odd in a PSS block.
struct Pss {
    hash: Hash,
    mask: Hash,
    salt: usize,
    trailer: u8,
    separator: u8,
    filling: u8,
    top_bit: bool,
}

const PLAIN_PSS: Pss = Pss {
    hash: Hash::Sha256,
    mask: Hash::Sha256,
    salt: 32,
    trailer: 0xbc,
    separator: 1,
    filling: 0,
    top_bit: false,
};

/// EMSA-PSS (RFC 8017 §9.1.1) for 2048 bits.
fn pss_block(odd: &Pss) -> Vec<u8> {
    let salt = vec![0x5a; odd.salt];
    let message = odd.hash.of(BODY);
    let proof = odd.hash.of(&[&[0; 8], &*message, &*salt].concat());
    let mut block = vec![odd.filling; 256 - proof.len() - 1 - salt.len() - 1];
    block.push(odd.separator);
    block.extend_from_slice(&salt);
    let mask = mgf1(odd.mask, &proof, block.len());
    for (byte, mask) in block.iter_mut().zip(mask) {
        *byte ^= mask;
    }
    block[0] &= 0x7f;
    if odd.top_bit {
        block[0] |= 0x80;
    }
    block.extend_from_slice(&proof);
    block.push(odd.trailer);
    block
}

#[test]
fn pss_with_one_thing_wrong() {
    let plan = plan_of(
        Algorithm::RsaPss(Hash::Sha256),
        Salt::Auto,
        SignatureFormat::Der,
    );
    assert_eq!(verdict_on(&plan, &raw(&pss_block(&PLAIN_PSS))), Ok(()));
    let longest = Pss {
        salt: 222,
        ..PLAIN_PSS
    };
    assert_eq!(verdict_on(&plan, &raw(&pss_block(&longest))), Ok(()));
    for (what, odd) in [
        (
            "no salt",
            Pss {
                salt: 0,
                ..PLAIN_PSS
            },
        ),
        (
            "salt of 20",
            Pss {
                salt: 20,
                ..PLAIN_PSS
            },
        ),
        (
            "salt of 31",
            Pss {
                salt: 31,
                ..PLAIN_PSS
            },
        ),
        (
            "salt of 33",
            Pss {
                salt: 33,
                ..PLAIN_PSS
            },
        ),
        (
            "salt of 64",
            Pss {
                salt: 64,
                ..PLAIN_PSS
            },
        ),
        (
            "salt of 221",
            Pss {
                salt: 221,
                ..PLAIN_PSS
            },
        ),
        (
            "hash of another length",
            Pss {
                hash: Hash::Sha1,
                ..PLAIN_PSS
            },
        ),
        (
            "sha512",
            Pss {
                hash: Hash::Sha512,
                ..PLAIN_PSS
            },
        ),
        (
            "mask by sha1",
            Pss {
                mask: Hash::Sha1,
                ..PLAIN_PSS
            },
        ),
        (
            "mask by sha512",
            Pss {
                mask: Hash::Sha512,
                ..PLAIN_PSS
            },
        ),
        (
            "trailer of RFC 3447 A",
            Pss {
                trailer: 0xcc,
                ..PLAIN_PSS
            },
        ),
        (
            "trailer 0",
            Pss {
                trailer: 0,
                ..PLAIN_PSS
            },
        ),
        (
            "separator 2",
            Pss {
                separator: 2,
                ..PLAIN_PSS
            },
        ),
        (
            "separator 0",
            Pss {
                separator: 0,
                ..PLAIN_PSS
            },
        ),
        (
            "filled with ones",
            Pss {
                filling: 0xff,
                ..PLAIN_PSS
            },
        ),
    ] {
        let block = pss_block(&odd);
        refuse(&plan, what, &raw(&block));
    }
    // The top bit of the block set: as far as the modulus has room for it.
    let block = pss_block(&Pss {
        top_bit: true,
        ..PLAIN_PSS
    });
    if BigUint::from_bytes_be(&block) < *raw_rsa(&RSA.der).n() {
        refuse(&plan, "top bit", &raw(&block));
    }
}

/// EMSA-PKCS1-v1_5 (RFC 8017 §9.2) with its parts as given, filled up to 256 bytes.
fn pkcs1_block(start: &[u8], filling: u8, end: &[u8]) -> Vec<u8> {
    let filled = vec![filling; 256 - start.len() - end.len()];
    [start, &filled, end].concat()
}

#[test]
fn pkcs1_with_one_thing_wrong() {
    let plan = plan_of(
        Algorithm::RsaPkcs1(Hash::Sha256),
        Salt::Auto,
        SignatureFormat::Der,
    );
    let hash = Hash::Sha256.of(BODY);
    let sha256 = [
        0x30, 0x0d, 6, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 1, 5, 0,
    ];
    let sha512 = [
        0x30, 0x0d, 6, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 3, 5, 0,
    ];
    let no_null = [0x30, 0x0b, 6, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 1];
    let sha1 = [0x30, 9, 6, 5, 0x2b, 0x0e, 3, 2, 0x1a, 5, 0];
    let info = |algorithm: &[u8], hash: &[u8]| {
        der(0x30, &[algorithm, &der(4, hash, false)].concat(), false)
    };
    let good = info(&sha256, &hash);
    let zero_and = |bytes: &[u8]| [&[0], bytes].concat();
    assert_eq!(
        verdict_on(&plan, &raw(&pkcs1_block(&[0, 1], 0xff, &zero_and(&good)))),
        Ok(())
    );
    let inner = [&sha256[..], &der(4, &hash, false)].concat();
    for (what, block) in [
        ("no zero before the info", pkcs1_block(&[0, 1], 0xff, &good)),
        (
            "one for zero",
            pkcs1_block(&[0, 1], 0xff, &[&[1], &*good].concat()),
        ),
        ("block type 0", pkcs1_block(&[0, 0], 0, &zero_and(&good))),
        ("block type 2", pkcs1_block(&[0, 2], 0xff, &zero_and(&good))),
        (
            "filled with zeros",
            pkcs1_block(&[0, 1], 0, &zero_and(&good)),
        ),
        (
            "filled with 0xfe",
            pkcs1_block(&[0, 1], 0xfe, &zero_and(&good)),
        ),
        ("no info", pkcs1_block(&[0, 1], 0xff, &zero_and(&hash))),
        (
            "no parameters",
            pkcs1_block(&[0, 1], 0xff, &zero_and(&info(&no_null, &hash))),
        ),
        (
            "another hash's info",
            pkcs1_block(&[0, 1], 0xff, &zero_and(&info(&sha512, &hash))),
        ),
        (
            "sha1",
            pkcs1_block(&[0, 1], 0xff, &zero_and(&info(&sha1, &Hash::Sha1.of(BODY)))),
        ),
        (
            "sha512",
            pkcs1_block(
                &[0, 1],
                0xff,
                &zero_and(&info(&sha512, &Hash::Sha512.of(BODY))),
            ),
        ),
        (
            "BER length",
            pkcs1_block(&[0, 1], 0xff, &zero_and(&der(0x30, &inner, true))),
        ),
        (
            "BER indefinite",
            pkcs1_block(
                &[0, 1],
                0xff,
                &zero_and(&[&[0x30, 0x80], &*inner, &[0, 0]].concat()),
            ),
        ),
        (
            "bytes after the info",
            pkcs1_block(&[0, 1], 0xff, &[&[0], &*good, &[0; 8]].concat()),
        ),
        // Bleichenbacher 2006: short filling, the rest of the block after the info.
        (
            "filling of eight",
            [&[0, 1][..], &[0xff; 8], &zero_and(&good), &[0x5a; 194]].concat(),
        ),
        (
            "filler inside the info",
            pkcs1_block(
                &[0, 1],
                0xff,
                &zero_and(&der(0x30, &[&*inner, &[4, 2, 1, 1]].concat(), false)),
            ),
        ),
        ("of a PSS block", pss_block(&PLAIN_PSS)),
    ] {
        assert_eq!(block.len(), 256, "{what}");
        refuse(&plan, what, &raw(&block));
    }
}

#[test]
fn rsa_numbers_that_are_no_signatures() {
    let key = raw_rsa(&RSA.der);
    let one = BigUint::from(1_u8);
    for algorithm in [
        Algorithm::RsaPss(Hash::Sha256),
        Algorithm::RsaPkcs1(Hash::Sha256),
    ] {
        let plan = plan_of(algorithm, Salt::Auto, SignatureFormat::Der);
        let good = BigUint::from_bytes_be(&genuine(algorithm, Salt::Auto, SignatureFormat::Der));
        let above = &good + key.n();
        for (what, number) in [
            ("0", BigUint::from(0_u8)),
            ("1", one.clone()),
            ("n - 1", key.n() - &one),
            ("n", key.n().clone()),
            ("n + 1", key.n() + &one),
            ("n - s", key.n() - &good),
            ("2^2048 - 1", (&one << 2048) - &one),
        ] {
            refuse(&plan, what, &fixed(&number, 256));
        }
        // Sometimes it fits into 256 bytes.
        let width = above.to_bytes_be().len();
        refuse(&plan, "s + n", &above.to_bytes_be());
        refuse(&plan, "s + n in 257 bytes", &fixed(&above, width.max(257)));
        refuse(&plan, "the modulus' bytes", &key.n().to_bytes_be());
    }
}
