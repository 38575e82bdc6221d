//! Ways to make a request mean something else than what was signed, or cost more than it should.

use std::time::{Duration, Instant};

use super::*;
use crate::verify::{Encoding, Hash, Mac};

pub(super) const NOW: i64 = 1_700_000_000;
pub(super) const SECRET: &str = "a-secret-of-some-length";
pub(super) const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

pub(super) fn hmac(step: &str) -> Plan {
    plan(&format!(
        "public_url = 'https://a.example'\nsecret = {{ inline = '{SECRET}' }}\nverify = [{{ scheme = 'hmac', {step} }}]"
    ))
}

pub(super) fn mac(message: &str) -> String {
    let mut mac = Mac::new(Hash::Sha256, SECRET.as_bytes()).unwrap();
    mac.update(message.as_bytes());
    Encoding::Hex.encode(&mac.finish())
}

#[test]
fn a_part_is_left_out_only_when_it_is_absent() {
    let plan =
        hmac("header = 'X-A', message = '[q={query:q};][j={json:/j};][h={header:x-h};]{path}'");
    for (target, headers, body, signed) in [
        ("/p", &[][..], "{}", "/p"),
        ("/p?q=1", &[], r#"{"j":null}"#, "q=1;/p"),
        ("/p?q=", &[], r#"{"j":""}"#, "q=;j=;/p"),
        ("/p", &[("x-h", "")], r#"{"j":0}"#, "j=0;h=;/p"),
    ] {
        let signature = mac(signed);
        let headers = [&[("x-a", &*signature)], headers].concat();
        let delivery = request("POST", target, &headers, body.as_bytes());
        assert_eq!(verdict(&plan, &delivery, NOW), Ok(()), "{signed}");
    }
    let signature = mac("/p");
    let signed = [("x-a", &*signature)];
    for (target, headers, body, reason) in [
        ("/p?q=1&q=2", vec![], "{}", Rejection::CredentialRepeated),
        (
            "/p",
            vec![("x-h", "1"), ("x-h", "2")],
            "{}",
            Rejection::CredentialRepeated,
        ),
        ("/p", vec![], r#"{"j":{}}"#, Rejection::SignatureMalformed),
        ("/p", vec![], "", Rejection::SignatureMalformed),
        ("/p?q=1", vec![], "{}", Rejection::SignatureMismatch),
    ] {
        let mut delivery = request("POST", target, &signed, body.as_bytes());
        for (name, value) in headers {
            delivery
                .headers
                .append(name, HeaderValue::from_static(value));
        }
        assert_eq!(
            verdict(&plan, &delivery, NOW),
            Err(reason),
            "{target} {body}"
        );
    }
}

#[test]
fn a_form_is_signed_only_as_the_app_reads_it() {
    let plan = hmac("header = 'X-A', message = '{form|sorted|joined:=:&}'");
    let signature = mac("a=1&b=2 3");
    let signed = ("x-a", &*signature);
    for body in ["b=2+3&a=1", "a=1&b=2%203", "&a=%31&&b=2+3&"] {
        assert_eq!(
            verdict(&plan, &post(&[FORM, signed], body), NOW),
            Ok(()),
            "{body}"
        );
    }
    for body in [
        "a=1",
        "a=1&b=2 3&c",
        "a=1&b=2%",
        "a=1&b=2%ff",
        "a=1;b=2 3",
        "A=1&b=2 3",
    ] {
        assert!(
            verdict(&plan, &post(&[FORM, signed], body), NOW).is_err(),
            "{body}"
        );
    }
    for kind in [
        "application/json",
        "text/plain",
        "multipart/form-data; boundary=a",
    ] {
        let delivery = post(&[("content-type", kind), signed], "b=2+3&a=1");
        assert_eq!(
            verdict(&plan, &delivery, NOW),
            Err(Rejection::SignatureMalformed),
            "{kind}"
        );
    }
    // Nothing declared, and JSON around a captured form: all of it is a form, so it differs.
    let smuggled = r#"{"x":"&a=1&b=2 3&"}"#;
    assert!(verdict(&plan, &post(&[signed], smuggled), NOW).is_err());
}

#[test]
fn floods_are_refused_before_they_cost_anything() {
    let started = Instant::now();
    let big = "x".repeat(1_000_000);
    let sixteen_thousand = |item: &str, with: &str| vec![item; 16_000 / item.len()].join(with);
    for (step, value) in [
        (
            "header = 'X-A', format = 't={timestamp},v1={signature}', groups = ' ', message = '{timestamp}{body}'",
            (0..900)
                .map(|n| format!("t={},v1=00", 1_700_000_000 + n % 250))
                .collect::<Vec<_>>()
                .join(" "),
        ),
        (
            "header = 'X-A', format = 'v1={signature},'",
            sixteen_thousand("v1=00", ","),
        ),
        ("header = 'X-A', groups = ' '", sixteen_thousand("00", " ")),
        (
            "header = 'X-A', format = '{key_id}/{signature}', groups = ','",
            sixteen_thousand("k/00", ","),
        ),
        (
            "header = 'X-A', format = '{timestamp},{signature},', message = '{timestamp}{body}'",
            format!("1700000000,{}", sixteen_thousand("00", ",")),
        ),
        (
            "header = 'X-A', format = { signature = '/s' }",
            format!(r#"{{"s":{}{}}}"#, "[".repeat(7000), "]".repeat(7000)),
        ),
    ] {
        let plan = hmac(step);
        for _ in 0..5 {
            assert!(
                verdict(&plan, &post(&[("x-a", &value)], &big), NOW).is_err(),
                "{step}"
            );
        }
    }
    let pairs = hmac("header = 'X-A', message = '{form|sorted|unique|grouped:,}'");
    let body = vec!["a=b"; 250_000].join("&");
    assert_eq!(
        verdict(&pairs, &post(&[FORM, ("x-a", "00")], &body), NOW),
        Err(Rejection::SignatureMalformed)
    );
    let each = hmac("for_each = '/a', json = '/s', message = '{json:/x}{json:/y}'");
    let body = format!(r#"{{"a":[{}]}}"#, vec![r#"{"s":"00"}"#; 50_000].join(","));
    assert_eq!(
        verdict(&each, &post(&[], &body), NOW),
        Err(Rejection::SignatureMalformed)
    );
    assert!(
        started.elapsed() < Duration::from_secs(10),
        "{:?}",
        started.elapsed()
    );
}

#[test]
fn a_token_is_taken_only_from_its_place() {
    let jwt = |step: &str| {
        plan(&format!(
            "public_url = 'https://a.example'\nsecret = {{ inline = '{SECRET}' }}\n\
             verify = [{{ scheme = 'jwt', algorithms = ['HS256'], {step} }}]"
        ))
    };
    let token = |header: &str, payload: &str| {
        let text = |part: &str| Encoding::Base64Url.encode(part.as_bytes());
        let message = format!("{}.{}", text(header), text(payload));
        let mut mac = Mac::new(Hash::Sha256, SECRET.as_bytes()).unwrap();
        mac.update(message.as_bytes());
        format!("{message}.{}", Encoding::Base64Url.encode(&mac.finish()))
    };
    let good = token(
        r#"{"alg":"HS256"}"#,
        r#"{"exp":1700000100,"aud":"https://a.example/hook"}"#,
    );
    let body = jwt("body = true");
    assert_eq!(verdict(&body, &post(&[], &good), NOW), Ok(()));
    for other in [
        format!(" {good}"),
        format!("{good}\n"),
        format!("\"{good}\""),
        format!("Bearer {good}"),
    ] {
        assert!(verdict(&body, &post(&[], &other), NOW).is_err(), "{other}");
    }
    let bearer = format!("Bearer {good}");
    assert!(verdict(&body, &post(&[("authorization", &bearer)], "{}"), NOW).is_err());
    let aud = jwt("header = 'X-T', prefix = '', audience = '{url}'");
    assert_eq!(verdict(&aud, &post(&[("x-t", &good)], "{}"), NOW), Ok(()));
    let elsewhere = request("POST", "/hook2", &[("x-t", &good)], b"{}");
    assert_eq!(verdict(&aud, &elsewhere, NOW), Err(Rejection::JwtClaim));
    // An ordinary token of the same key is no detached one, whatever the body is.
    let detached = jwt("header = 'X-T', detached = true");
    let parts: Vec<&str> = good.split('.').collect();
    let cut = format!("{}..{}", parts[0], parts[2]);
    assert!(verdict(&detached, &post(&[("x-t", &good)], parts[1]), NOW).is_err());
    // With `b64` absent the payload is encoded, so only the payload itself passes.
    assert!(verdict(&detached, &post(&[("x-t", &cut)], parts[1]), NOW).is_err());
    let payload = r#"{"exp":1700000100,"aud":"https://a.example/hook"}"#;
    assert_eq!(
        verdict(&detached, &post(&[("x-t", &cut)], payload), NOW),
        Ok(())
    );
    for header in [
        r#"{"alg":"HS256","b64":false}"#,
        r#"{"alg":"HS256","crit":["b64"]}"#,
        r#"{"alg":"HS256","b64":true,"crit":["b64"]}"#,
        r#"{"alg":"HS256","b64":false,"crit":["b64","exp"]}"#,
        r#"{"alg":"HS256","zip":"DEF"}"#,
    ] {
        let signed = token(header, payload);
        let parts: Vec<&str> = signed.split('.').collect();
        let cut = format!("{}..{}", parts[0], parts[2]);
        assert_eq!(
            verdict(&detached, &post(&[("x-t", &cut)], payload), NOW),
            Err(Rejection::JwtMalformed),
            "{header}"
        );
        assert!(
            verdict(&aud, &post(&[("x-t", &signed)], "{}"), NOW).is_err(),
            "{header}"
        );
    }
    // An absent hash stands for nothing to hash, and for nothing else.
    let bound = jwt("header = 'X-T', prefix = '', body_hash = { claim = 'h' }");
    assert_eq!(verdict(&bound, &post(&[("x-t", &good)], ""), NOW), Ok(()));
    assert_eq!(
        verdict(&bound, &post(&[("x-t", &good)], "{}"), NOW),
        Err(Rejection::JwtClaim)
    );
}

#[test]
fn weak_things_are_said() {
    for (keys, words) in [
        (
            "verify = [{ scheme = 'api_key', query = 'token' }]",
            "the key stands in the URL",
        ),
        (
            "verify = [{ scheme = 'hmac', header = 'X-A', message = '{body|crc32}' }]",
            "only a checksum of the body is signed",
        ),
        (
            "verify = [{ scheme = 'hmac', json = '/s', for_each = '/a', message = '{body}' }]",
            "the whole body is in no signature",
        ),
        (
            "verify = [{ scheme = 'hmac', header = 'X-A', message = '{json:/id}' }]",
            "the whole body is in no signature",
        ),
        (
            "verify = [{ scheme = 'hmac', header = 'X-A', message = \"{json:/a}\\n{json:/b}\" }]",
            "could pass for several",
        ),
        (
            "verify = [{ scheme = 'hmac', header = 'X-A', message = \"{query:a|lower}\\n{body}\" }]",
            "could pass for several",
        ),
    ] {
        let text = said(&format!("secret = {{ inline = '{SECRET}' }}\n{keys}"));
        assert!(text.contains(words), "{keys}\n{text}");
    }
    for message in [
        "{json:/a|line}\\n{json:/b}",
        "{json:/a}:{json:/b}",
        "{json:/a|sha256|hex}\\n{header:x-a}\\n{path}\\n{body}",
    ] {
        let text = said(&format!(
            "secret = {{ inline = '{SECRET}' }}\nverify = [{{ scheme = 'hmac', header = 'X-A', message = \"{message}\" }}]"
        ));
        assert!(
            !text.contains("could pass for several"),
            "{message}\n{text}"
        );
    }
}
