//! What can be verified can be signed: every piece of the grammar forwards and back, and refused
//! after each kind of tampering.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};

use super::*;
use crate::sign::{PrivateKey, Tamper, sign};
use crate::verify::Encoding;

const NOW: i64 = 1_700_000_000;
const SAMPLE: &str =
    r#"{"type":"a","n":1.50,"items":[{"x":"1"},{"x":"2","y":[]}],"clientState":"old"}"#;

/// Signs a sample in every way and judges it. `body`: whether a change of it must be noticed.
fn round_trip(keys: &str, sample: &str, key: Option<&PrivateKey>, body: bool, time: bool) {
    let plan = plan(keys);
    let now = Moment::from_second(NOW).unwrap();
    let make = |tamper| {
        let mut delivery = request("POST", "/hook?a=1&b=2", &[], sample.as_bytes());
        sign(&plan, &mut delivery, key, now, tamper).map(|()| delivery)
    };
    let good = make(None).unwrap_or_else(|error| panic!("{keys}: {error}"));
    assert_eq!(verdict(&plan, &good, NOW), Ok(()), "{keys}\n{good:?}");
    for (tamper, possible) in [
        (Tamper::Body, body),
        (Tamper::Key, true),
        (Tamper::Missing, true),
        (Tamper::Signature, true),
        (Tamper::Time, time),
    ] {
        match make(Some(tamper)) {
            Ok(bad) => {
                assert!(possible, "{keys}: {tamper:?}");
                assert!(
                    verdict(&plan, &bad, NOW).is_err(),
                    "{keys}: {tamper:?}\n{bad:?}"
                );
            }
            Err(error) => assert!(!possible, "{keys}: {tamper:?}: {error}"),
        }
    }
}

#[test]
fn every_shape_of_the_grammar() {
    let top = "public_url = 'https://a.example'\nconfig = { account = 'acct' }\n\
        secret = [{ inline = 'a-secret-of-some-length', name = 'k1' }, { inline = 'another-secret', name = 'k2' }]\n";
    for (step, body, time) in [
        ("scheme = 'hmac', header = ['X-A', 'X-B']", true, false),
        ("scheme = 'hmac', header = 'X-A-{n}'", true, false),
        (
            "scheme = 'hmac', header = 'X-A', format = ['v1={signature}', '{signature}']",
            true,
            false,
        ),
        (
            "scheme = 'hmac', header = 'X-A', format = 't={timestamp},v1={signature}', groups = ' ', message = '{timestamp}.{body}'",
            true,
            true,
        ),
        (
            "scheme = 'hmac', header = 'X-A', format = '{key_id}/SHA256/{signature}', groups = ','",
            true,
            false,
        ),
        (
            "scheme = 'hmac', header = 'X-A', format = '{timestamp},{signature},', message = '{timestamp}.{body}'",
            true,
            true,
        ),
        (
            "scheme = 'hmac', header = 'X-A', format = '{any}|{signature}'",
            true,
            false,
        ),
        (
            "scheme = 'hmac', header = 'X-A', format = { encoding = 'base64', signature = '/s/v', key_id = '/kid', timestamp = '/t' }, message = '{timestamp}{body}'",
            true,
            true,
        ),
        (
            "scheme = 'hmac', header = 'X-A', key_id = { header = 'X-Key' }, message = '{header:x-key}{body}'",
            true,
            false,
        ),
        (
            "scheme = 'hmac', header = 'X-A', key_id = { json = '/kid' }, message = '{json:/kid}{body}'",
            true,
            false,
        ),
        (
            "scheme = 'hmac', json = '/sig', message = '{json:/n}{json:/type}{config:account}'",
            false,
            false,
        ),
        (
            "scheme = 'hmac', json = '/deep/er/sig', timestamp = { json = '/at', unit = 'ms' }, message = '{timestamp}{json:/type}'",
            false,
            true,
        ),
        (
            "scheme = 'hmac', for_each = '/items', json = '/sig', message = '{json:/x}:{json:/none}'",
            false,
            false,
        ),
        (
            "scheme = 'hmac', header = 'X-A', secret_encoding = 'sha1', message = '[{query:none};]{path_and_query}{query|sorted|joined:=:&}{header:x-extra}{body|sha256|base64}'",
            true,
            false,
        ),
        (
            "scheme = 'hmac', header = 'X-A', message = '{headers:x-list|joined/:/;}{body|md5|hex}{body|crc32}'",
            true,
            false,
        ),
        (
            "scheme = 'hmac', header = 'X-A', timestamp = { header = 'X-T', unit = 'float' }, message = '{timestamp}{body}'",
            true,
            true,
        ),
        (
            "scheme = 'hmac', header = 'X-A', timestamp = { header = 'Date', unit = 'rfc2822' }, message = '{timestamp}{body}'",
            true,
            true,
        ),
        (
            "scheme = 'digest', header = 'X-A', message = '{body}{secret|sha256|hex}'",
            true,
            false,
        ),
        (
            "scheme = 'api_key', header = 'X-A', encoding = 'base64'",
            false,
            false,
        ),
        ("scheme = 'api_key', json = '/clientState'", false, false),
        (
            "scheme = 'api_key', for_each = '/items', json = '/clientState'",
            false,
            false,
        ),
        (
            "scheme = 'jwt', body = true, algorithms = ['HS256']",
            true,
            true,
        ),
        (
            "scheme = 'jwt', query = 'jwt', algorithms = ['HS256'], body_hash = { claim = 'qsh', message = '{method}&{path}&{query|without:jwt|sorted|encoded|grouped:,|joined:=:&}' }",
            false,
            true,
        ),
        (
            "scheme = 'jwt', json = '/token', algorithms = ['HS256']",
            false,
            true,
        ),
        (
            "scheme = 'jwt', header = 'X-A', algorithms = ['HS256'], audience = '{url}', issuer = '{config:account}', body_hash = [{ claim = 'p', encoding = 'base64' }, { claim = 'u', message = '{url}' }]",
            true,
            true,
        ),
        (
            "scheme = 'jwt', header = 'X-A', algorithms = ['HS512'], detached = true, issued_at = 'ts', max_age = '5m'",
            true,
            true,
        ),
    ] {
        let keys = format!("{top}verify = [{{ {step} }}]");
        round_trip(&keys, SAMPLE, None, body, time);
    }
    let form = "To=3&From=1+2&To=2&sig=old";
    for (step, body) in [
        (
            "scheme = 'hmac', hash = 'sha1', header = 'X-A', encoding = 'base64', message = '{url}{form|sorted|unique}'",
            true,
        ),
        (
            "scheme = 'hmac', form = 'sig', message = '&{form|without:sig|tame:&=:_|sorted|joined:=:&}'",
            true,
        ),
        (
            "scheme = 'hmac', form = 'sig', groups = '&', format = '{any}|{signature}', message = '{form:From}'",
            false,
        ),
    ] {
        let keys = format!("{top}verify = [{{ {step} }}]");
        round_trip(&keys, form, None, body, false);
    }
    // The hash in the query is written before the URL is signed.
    let keys = format!(
        "{top}verify = [{{ scheme = 'hmac', header = 'X-A', message = '{{url}}' }}, {{ scheme = 'digest', query = 'h' }}]"
    );
    round_trip(&keys, SAMPLE, None, true, false);
}

#[test]
fn public_keys_by_their_id() {
    let random = SystemRandom::new();
    let der = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &random).unwrap();
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, der.as_ref()).unwrap();
    let pem = format!(
        "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n",
        Encoding::Base64.encode(der.as_ref())
    );
    let key = PrivateKey::from_pem(&pem).unwrap();
    let point = pair.public_key().as_ref();
    let jwk = |kid: &str| {
        let text = |bytes: &[u8]| Encoding::Base64Url.encode(bytes);
        let (x, y) = (text(&point[1..33]), text(&point[33..]));
        format!(r#"{{"keys":[{{"kty":"EC","crv":"P-256","kid":"{kid}","x":"{x}","y":"{y}"}}]}}"#)
    };
    for step in [
        "algorithm = 'ecdsa-p256-sha1', header = 'X-A', encoding = 'base64', format = { encoding = 'base64', signature = '/signature', key_id = '/kid' }",
        "algorithm = 'ecdsa-p256-sha256', header = 'X-A', key_id = { header = 'X-Kid' }, message = '{header:x-kid}{body}'",
        "algorithm = 'ecdsa-p256-sha1', signature_format = 'p1363', header = 'X-A'",
    ] {
        let keys = |kid: &str| {
            format!(
                "public_key = {{ inline = '{}' }}\nverify = [{{ scheme = 'signature', {step} }}]",
                jwk(kid)
            )
        };
        round_trip(&keys("one"), SAMPLE, Some(&key), true, false);
        let mut delivery = post(&[], SAMPLE);
        let now = Moment::from_second(NOW).unwrap();
        sign(&plan(&keys("one")), &mut delivery, Some(&key), now, None).unwrap();
        let other = verdict(&plan(&keys("two")), &delivery, NOW);
        assert_eq!(other.is_ok(), !step.contains("key_id"), "{step}");
    }
    let keys = format!(
        "verify = [{{ scheme = 'jwt', header = 'X-A', algorithms = ['ES256'], jwks = {{ inline = '{}' }}, \
         issued_at = 'ts', max_age = '5m', detached = true }}]",
        jwk("one")
    );
    round_trip(&keys, SAMPLE, Some(&key), true, true);
}
