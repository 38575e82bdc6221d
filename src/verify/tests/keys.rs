//! Public keys in every form that people have them in, and what is none.

use proptest::prelude::*;
use rsa::pkcs1::{EncodeRsaPrivateKey as _, EncodeRsaPublicKey as _};
use rsa::pkcs8::{EncodePublicKey as _, LineEnding};
use serde_json::{Value, json};

use super::*;
use crate::verify::public_key::KeyError;

fn read(bytes: &[u8]) -> Result<Vec<Material>, KeyError> {
    PublicKey::read_all(bytes).map(|keys| keys.into_iter().map(|key| key.material).collect())
}

/// A DER value.
fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len();
    let bytes = length.to_be_bytes();
    let short: Vec<u8> = bytes.into_iter().skip_while(|b| *b == 0).collect();
    let length = if length < 0x80 {
        vec![u8::try_from(length).unwrap()]
    } else {
        [&[0x80 | u8::try_from(short.len()).unwrap()], &*short].concat()
    };
    [&[tag], &*length, content].concat()
}

const OID_EC: &[u8] = &[6, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1];
const OID_P256: &[u8] = &[6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7];
const OID_P384: &[u8] = &[6, 5, 0x2b, 0x81, 4, 0, 0x22];
const OID_K256: &[u8] = &[6, 5, 0x2b, 0x81, 4, 0, 0x0a];
const OID_ED25519: &[u8] = &[6, 3, 0x2b, 0x65, 0x70];
const OID_X25519: &[u8] = &[6, 3, 0x2b, 0x65, 0x6e];
const OID_PSS: &[u8] = &[6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 0x0a];

/// `SubjectPublicKeyInfo` (RFC 5280 §4.1.2.7).
fn spki(algorithm: &[u8], key: &[u8]) -> Vec<u8> {
    let bits = [&[0], key].concat();
    der(0x30, &[der(0x30, algorithm), der(3, &bits)].concat())
}

fn bytes_of(material: &Material) -> &[u8] {
    match material {
        Material::Ed25519(bytes) | Material::P256(bytes) | Material::P384(bytes) => bytes,
        Material::Rsa { modulus, .. } => modulus,
    }
}

/// The SPKI, and the bare bytes, of every kind.
fn specimens() -> Vec<(&'static Material, Vec<u8>, Vec<u8>)> {
    let rsa = raw_rsa(&RSA.der).to_public_key();
    let rsa_spki = rsa.to_public_key_der().unwrap().as_bytes().to_vec();
    let pkcs1 = rsa.to_pkcs1_der().unwrap().as_bytes().to_vec();
    let of = |pair: &'static Pair, algorithm: &[u8]| {
        let material = &pair.public.material;
        let bare = bytes_of(material).to_vec();
        (material, spki(algorithm, &bare), bare)
    };
    vec![
        (&RSA.public.material, rsa_spki, pkcs1.clone()),
        (&RSA.public.material, spki(OID_PSS, &pkcs1), pkcs1),
        of(&P256, &[OID_EC, OID_P256].concat()),
        of(&P384, &[OID_EC, OID_P384].concat()),
        of(&ED25519, OID_ED25519),
    ]
}

#[test]
fn every_form_of_every_kind_is_read() {
    for (material, spki, bare) in specimens() {
        let expected = Ok(vec![material.clone()]);
        let text = Encoding::Base64.encode(&spki);
        let lines: Vec<_> = text
            .as_bytes()
            .chunks(64)
            .map(String::from_utf8_lossy)
            .collect();
        let folded = format!(
            "{}
",
            lines.join(
                "
"
            )
        );
        let pem = format!("-----BEGIN PUBLIC KEY-----\n{folded}-----END PUBLIC KEY-----\n");
        for (what, text) in [
            ("pem", pem.clone()),
            ("pem, CRLF", pem.replace('\n', "\r\n")),
            ("pem, escaped", pem.replace('\n', "\\n")),
            ("pem, one line", pem.replace('\n', " ")),
            ("pem, no end", pem.trim_end().to_owned()),
            ("pem, white space around", format!("\n  {pem}\n\n")),
            ("pem after text", format!("subject=x\n{pem}")),
            ("bare base64 of the SPKI", Encoding::Base64.encode(&spki)),
            ("folded", folded.clone()),
            ("base64url", Encoding::Base64Url.encode(&spki)),
            ("hex", Encoding::Hex.encode(&spki)),
            ("HEX", Encoding::Hex.encode(&spki).to_uppercase()),
            ("bare base64", Encoding::Base64.encode(&bare)),
            ("bare base64url", Encoding::Base64Url.encode(&bare)),
            ("bare hex", Encoding::Hex.encode(&bare)),
            (
                "bare hex and a newline",
                format!("{}\n", Encoding::Hex.encode(&bare)),
            ),
        ] {
            assert_eq!(read(text.as_bytes()), expected, "{what}");
        }
        assert_eq!(read(&spki), expected, "DER");
    }
    let rsa = raw_rsa(&RSA.der).to_public_key();
    for end in [LineEnding::LF, LineEnding::CRLF] {
        let expected = Ok(vec![RSA.public.material.clone()]);
        assert_eq!(read(rsa.to_pkcs1_pem(end).unwrap().as_bytes()), expected);
        assert_eq!(
            read(rsa.to_public_key_pem(end).unwrap().as_bytes()),
            expected
        );
    }
    assert_eq!(
        read(rsa.to_pkcs1_der().unwrap().as_bytes()),
        Ok(vec![RSA.public.material.clone()])
    );
}

#[test]
fn several_keys_of_one_file_are_all_read() {
    let pems: String = specimens()
        .iter()
        .map(|(_, spki, _)| pem("PUBLIC KEY", spki))
        .collect();
    assert_eq!(read(pems.as_bytes()).unwrap().len(), 5);
}

#[test]
fn the_key_of_a_certificate_is_read() {
    for algorithm in [
        &rcgen::PKCS_ECDSA_P256_SHA256,
        &rcgen::PKCS_ECDSA_P384_SHA384,
        &rcgen::PKCS_ED25519,
    ] {
        let key = rcgen::KeyPair::generate_for(algorithm).unwrap();
        let made = rcgen::CertificateParams::new(vec!["a.example".into()])
            .unwrap()
            .self_signed(&key)
            .unwrap();
        let found = read(made.pem().as_bytes()).unwrap();
        assert_eq!(bytes_of(&found[0]), rcgen::PublicKeyData::der_bytes(&key));
        assert_eq!(read(made.der()), Ok(found));
        // The private key in front of its certificate, as some bundles have it.
        let bundle = format!("{}{}", key.serialize_pem(), made.pem());
        assert_eq!(read(bundle.as_bytes()), Err(KeyError::Private));
    }
}

fn jwk(material: &Material) -> Value {
    let text = |bytes: &[u8]| Encoding::Base64Url.encode(bytes);
    let point = |curve: &str, bytes: &[u8]| {
        let (x, y) = bytes[1..].split_at(bytes.len() / 2);
        json!({ "kty": "EC", "crv": curve, "x": text(x), "y": text(y) })
    };
    match material {
        Material::Ed25519(bytes) => json!({ "kty": "OKP", "crv": "Ed25519", "x": text(bytes) }),
        Material::P256(bytes) => point("P-256", bytes),
        Material::P384(bytes) => point("P-384", bytes),
        Material::Rsa { modulus, exponent } => {
            json!({ "kty": "RSA", "n": text(modulus), "e": text(exponent) })
        }
    }
}

#[test]
fn jwk_and_jwks_of_every_kind_are_read() {
    let pairs = [&RSA, &P256, &P384, &ED25519];
    let mut set = Vec::new();
    for pair in pairs {
        let mut one = jwk(&pair.public.material);
        assert_eq!(
            read(one.to_string().as_bytes()),
            Ok(vec![pair.public.material.clone()])
        );
        one["kid"] = json!("a");
        one["use"] = json!("sig");
        let keys = PublicKey::read_all(one.to_string().as_bytes()).unwrap();
        assert_eq!(keys[0].id.as_deref(), Some("a"));
        set.push(one);
    }
    let mut secret_use = jwk(&RSA.public.material);
    secret_use["use"] = json!("enc");
    set.push(secret_use);
    // RFC 7517 §5: what is not understood is passed over.
    set.push(json!({ "kty": "EC", "crv": "secp256k1", "x": "AA", "y": "AA" }));
    set.push(json!({ "kty": "OKP", "crv": "X25519", "x": "AA" }));
    let text = json!({ "keys": set }).to_string();
    assert_eq!(read(text.as_bytes()).unwrap().len(), 4);
    assert_eq!(read(format!("\n{text}\n").as_bytes()).unwrap().len(), 4);
    // A leading zero byte, as some libraries write it.
    let Material::Rsa { modulus, exponent } = &RSA.public.material else {
        panic!("RSA")
    };
    let text = |bytes: &[u8]| Encoding::Base64Url.encode(&[&[0], bytes].concat());
    let padded = json!({ "kty": "RSA", "n": text(modulus), "e": text(exponent) });
    assert_eq!(
        read(padded.to_string().as_bytes()),
        Ok(vec![RSA.public.material.clone()])
    );
}

#[test]
fn keys_that_cannot_be_jwks() {
    for (text, error) in [
        (r#"{"kty":"oct","k":"AAAA"}"#, KeyError::Symmetric),
        (
            r#"{"keys":[{"kty":"oct","k":"AAAA"}]}"#,
            KeyError::Symmetric,
        ),
        (
            r#"{"kty":"EC","crv":"secp256k1","x":"AA","y":"AA"}"#,
            KeyError::Curve,
        ),
        (
            r#"{"kty":"EC","crv":"P-521","x":"AA","y":"AA"}"#,
            KeyError::Curve,
        ),
        (r#"{"kty":"OKP","crv":"X25519","x":"AA"}"#, KeyError::Curve),
        (
            r#"{"keys":[{"kty":"OKP","crv":"Ed448","x":"AA"}]}"#,
            KeyError::Curve,
        ),
        (r#"{"kty":"OKP","crv":"Ed25519","x":"AA"}"#, KeyError::Point),
        (r#"{"kty":"OKP","crv":"Ed25519","x":"!"}"#, KeyError::Form),
        (
            r#"{"kty":"EC","crv":"P-256","x":"AA","y":"AA"}"#,
            KeyError::Form,
        ),
        (r#"{"kty":"RSA","n":"AQAB"}"#, KeyError::Form),
        (
            r#"{"kty":"RSA","n":"AQAB","e":"AQAB"}"#,
            KeyError::RsaBits(17),
        ),
        (r#"{"kty":"RSA","n":"","e":"AQAB"}"#, KeyError::RsaBits(0)),
        (r#"{"kty":"rsa"}"#, KeyError::Form),
        (r#"{"keys":[]}"#, KeyError::Form),
        (
            r#"{"keys":[{"kty":"RSA","use":"enc","n":"AQAB","e":"AQAB"}]}"#,
            KeyError::Form,
        ),
        (r#"{"keys":[7]}"#, KeyError::Form),
        (r#"{"keys":{}}"#, KeyError::Form),
        ("{}", KeyError::Form),
        ("{", KeyError::Form),
    ] {
        assert_eq!(read(text.as_bytes()), Err(error), "{text}");
    }
    for pair in [&RSA, &P256, &P384, &ED25519] {
        let mut private = jwk(&pair.public.material);
        private["d"] = json!("AAAA");
        assert_eq!(read(private.to_string().as_bytes()), Err(KeyError::Private));
        let set = json!({ "keys": [jwk(&pair.public.material), private] });
        assert_eq!(read(set.to_string().as_bytes()), Err(KeyError::Private));
    }
}

#[test]
fn a_private_key_is_refused_in_every_form() {
    let rsa = raw_rsa(&RSA.der);
    let pkcs1 = rsa.to_pkcs1_der().unwrap();
    let mut forms = vec![
        rsa.to_pkcs1_pem(LineEnding::LF)
            .unwrap()
            .as_bytes()
            .to_vec(),
        pkcs1.as_bytes().to_vec(),
        Encoding::Base64.encode(pkcs1.as_bytes()).into_bytes(),
        Encoding::Hex.encode(pkcs1.as_bytes()).into_bytes(),
        b"-----BEGIN EC PRIVATE KEY-----\nAAAA\n-----END EC PRIVATE KEY-----".to_vec(),
        b"-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----"
            .to_vec(),
        b"-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----".to_vec(),
    ];
    for pair in [&RSA, &P256, &P384, &ED25519] {
        let text = pem("PRIVATE KEY", &pair.der);
        forms.push(text.replace('\n', "\\n").into_bytes());
        forms.push(text.replace('\n', "\r\n").into_bytes());
        forms.push(text.into_bytes());
        forms.push(pair.der.clone());
        forms.push(Encoding::Base64.encode(&pair.der).into_bytes());
        forms.push(Encoding::Base64Url.encode(&pair.der).into_bytes());
        forms.push(Encoding::Hex.encode(&pair.der).into_bytes());
    }
    // SEC 1 (RFC 5915), as `openssl ecparam -genkey` writes it.
    let sec1 = der(
        0x30,
        &[der(2, &[1]), der(4, &[7; 32]), der(0xa0, OID_P256)].concat(),
    );
    forms.push(sec1.clone());
    forms.push(Encoding::Base64.encode(&sec1).into_bytes());
    for (at, form) in forms.iter().enumerate() {
        assert_eq!(read(form), Err(KeyError::Private), "form {at}");
    }
}

#[test]
fn weak_and_foreign_keys_are_refused() {
    let number = |bits: usize| {
        let mut bytes = vec![0xff; bits / 8];
        bytes[0] = 0x80;
        der(2, &[&[0], &*bytes].concat())
    };
    let rsa = |bits: usize, exponent: &[u8]| der(0x30, &[number(bits), der(2, exponent)].concat());
    assert_eq!(read(&rsa(1024, &[1, 0, 1])), Err(KeyError::RsaBits(1024)));
    assert_eq!(read(&rsa(16384, &[1, 0, 1])), Err(KeyError::RsaBits(16384)));
    assert_eq!(read(&rsa(2048, &[1])), Err(KeyError::Form));
    assert_eq!(read(&rsa(2048, &[2])), Err(KeyError::Form));
    assert_eq!(read(&rsa(2048, &[0])), Err(KeyError::Form));
    assert!(read(&rsa(2048, &[3])).is_ok());
    let zero = [0_u8; 32];
    let off_curve = [&[4][..], &[1; 64]].concat();
    let infinity = [&[4][..], &[0; 64]].concat();
    let mut hybrid = bytes_of(&P256.public.material).to_vec();
    hybrid[0] = 6 | hybrid[64] & 1;
    for (what, key, error) in [
        (
            "another curve",
            spki(&[OID_EC, OID_K256].concat(), &off_curve),
            KeyError::Curve,
        ),
        ("no curve", spki(OID_EC, &off_curve), KeyError::Curve),
        ("x25519", spki(OID_X25519, &zero), KeyError::Form),
        (
            "off the curve",
            spki(&[OID_EC, OID_P256].concat(), &off_curve),
            KeyError::Point,
        ),
        (
            "hybrid",
            spki(&[OID_EC, OID_P256].concat(), &hybrid),
            KeyError::Point,
        ),
        (
            "infinity",
            spki(&[OID_EC, OID_P256].concat(), &infinity),
            KeyError::Point,
        ),
        (
            "infinity, short",
            spki(&[OID_EC, OID_P256].concat(), &[0]),
            KeyError::Point,
        ),
        (
            "the other curve's",
            spki(
                &[OID_EC, OID_P384].concat(),
                bytes_of(&P256.public.material),
            ),
            KeyError::Point,
        ),
        ("31 bytes", spki(OID_ED25519, &zero[1..]), KeyError::Point),
        ("33 bytes", spki(OID_ED25519, &[1; 33]), KeyError::Point),
        ("empty", spki(OID_ED25519, &[]), KeyError::Point),
        (
            "the point of a bare key",
            Encoding::Hex.encode(&off_curve).into_bytes(),
            KeyError::Point,
        ),
    ] {
        assert_eq!(read(&key), Err(error), "{what}");
    }
}

/// The identity, and what else has an order of at most 8: with such a key, R = sB is a signature of
/// every message (or of one in eight), and it needs no private key.
#[test]
fn ed25519_keys_of_small_order_are_refused() {
    for y in [
        "0100000000000000000000000000000000000000000000000000000000000000",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "0000000000000000000000000000000000000000000000000000000000000000",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    ] {
        let bytes = Encoding::Hex.decode(y.as_bytes()).unwrap();
        let mut negative = bytes.clone();
        negative[31] |= 0x80;
        for key in [bytes, negative] {
            assert_eq!(
                read(Encoding::Hex.encode(&key).as_bytes()),
                Err(KeyError::Point),
                "{y}"
            );
            let jwk = jwk(&Material::Ed25519(key)).to_string();
            assert_eq!(read(jwk.as_bytes()), Err(KeyError::Point), "{y}");
        }
    }
}

#[test]
fn what_is_no_key_at_all() {
    for text in [
        "",
        " \n",
        "x",
        "-----BEGIN ",
        "-----BEGIN PUBLIC KEY-----",
        "-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----",
        "-----BEGIN PUBLIC KEY-----\n!!!!\n-----END PUBLIC KEY-----",
        "-----BEGIN CERTIFICATE-----\nMAAA\n-----END CERTIFICATE-----",
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA",
        "0102030405",
        "AAAA",
        "null",
        "[]",
    ] {
        assert_eq!(read(text.as_bytes()), Err(KeyError::Form), "{text}");
    }
}

/// A signer of tokens and one of bodies judge a key alike: what was read can be used.
#[test]
fn a_key_that_is_read_can_be_used() {
    for pair in [&RSA, &P256, &P384, &ED25519] {
        let usable = Algorithm::ALL.into_iter().filter(|algorithm| {
            VerifyingKey::new(&pair.public, *algorithm, Salt::Auto, SignatureFormat::Der).is_some()
        });
        assert!(usable.count() > 0);
    }
}

proptest! {
    #[test]
    fn garbage_never_panics(
        bytes: Vec<u8>,
        text in ".{0,80}",
        which in 0_usize..5,
        at: usize,
        flip in 1_u8..,
        cut: usize,
    ) {
        drop(read(&bytes));
        drop(read(text.as_bytes()));
        drop(read(format!("-----BEGIN {text}-----{text}-----END ").as_bytes()));
        drop(read(format!("{{\"keys\":[{{\"kty\":\"RSA\",\"n\":\"{text}\",\"e\":\"AQAB\"}}]}}").as_bytes()));
        // One byte wrong in a good key: another key or an error.
        let (_, mut spki, _) = specimens().swap_remove(which);
        let at = at % spki.len();
        spki[at] ^= flip;
        drop(read(&spki));
        drop(read(pem("PUBLIC KEY", &spki).as_bytes()));
        spki.truncate(cut % spki.len());
        drop(read(&spki));
    }
}
