//! The same signed bytes, read in two ways: by us, and by the app or whoever signed them.

use super::traps::{FORM, NOW, SECRET, hmac, mac};
use super::*;
use crate::verify::algorithm::{Algorithm, Salt, SignatureFormat};
use crate::verify::{Encoding, Hash};

#[test]
fn no_other_spelling_of_what_is_signed_gets_past_it() {
    let single = hmac("header = 'X-A', message = '{form:a_b}'");
    let placed = hmac("form = 'a_b', message = '{form:c}'");
    let queried = hmac("header = 'X-A', message = '[id={query:a.b};]x'");
    let (one, two) = (mac("1"), mac("2"));
    let with = |target: &str, body: &str, signature: &str| {
        request("POST", target, &[FORM, ("x-a", signature)], body.as_bytes())
    };
    assert_eq!(verdict(&single, &with("/", "a_b=1&c=2", &one), NOW), Ok(()));
    let body = format!("a_b={two}&c=2");
    assert_eq!(verdict(&placed, &with("/?c1=2", &body, ""), NOW), Ok(()));
    assert_eq!(
        verdict(&queried, &with("/?a.b=1", "", &mac("id=1;x")), NOW),
        Ok(())
    );
    assert_eq!(
        verdict(&queried, &with("/?ab=1", "", &mac("x")), NOW),
        Ok(())
    );
    for (plan, target, body, signature) in [
        (&single, "/", "a_b=1&a.b=2", &one),
        (&single, "/", "A_B=2&a_b=1", &one),
        (&single, "/", "a_b=1&a+b[]=2", &one),
        (&single, "/?a_b=2", "a_b=1", &one),
        (&single, "/?x=1&a.b=2", "a_b=1", &one),
        (&single, "/", "a.b=2", &mac("")),
        (&placed, "/?a_b=2", &*body, &one),
        (&placed, "/?C=3", &*body, &one),
        (&queried, "/?a_b=2", "", &mac("x")),
        (&queried, "/?a.b=1&a_b=2", "", &mac("id=1;x")),
    ] {
        assert_eq!(
            verdict(plan, &with(target, body, signature), NOW),
            Err(Rejection::CredentialRepeated),
            "{target} {body}"
        );
    }
}

#[test]
fn what_was_signed_for_a_stranger_cannot_be_read_as_ones_own() {
    // Amazon signs for all its customers with one key, and joins the values with line breaks: only the
    // message may have some. A stranger's message is taken apart otherwise, with the same bytes signed.
    let key = crate::sign::PrivateKey::generate_rsa().unwrap();
    let pem = key.public_pem().unwrap();
    let plan = plan(&format!(
        "provider = 'aws_sns'\nconfig = {{ topic_arn = 'mine' }}\npublic_key = {{ inline = '''{pem}''' }}"
    ));
    let delivery = |values: &[(&str, &str)], topic: &str| {
        let text: String = [
            "Message",
            "MessageId",
            "Subject",
            "SubscribeURL",
            "Timestamp",
        ]
        .into_iter()
        .chain(["Token", "TopicArn", "Type"])
        .filter_map(|name| {
            let value = values.iter().find(|(known, _)| *known == name);
            let value = value
                .map(|(_, value)| *value)
                .or((name == "TopicArn").then_some(topic));
            Some(format!("{name}\n{}\n", value?))
        })
        .collect();
        let algorithm = Algorithm::RsaPkcs1(Hash::Sha256);
        let signature = key.sign(
            algorithm,
            Salt::Digest,
            SignatureFormat::Der,
            text.as_bytes(),
        );
        let signature = signature.unwrap();
        (text, Encoding::Base64.encode(&signature))
    };
    let body = |values: &[(&str, &str)], signature: &str| {
        let mut object: serde_json::Map<String, serde_json::Value> = values
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).into()))
            .collect();
        object.insert("Signature".into(), signature.into());
        serde_json::Value::Object(object).to_string()
    };
    let usual = [
        ("Message", "a\nb"),
        ("MessageId", "1"),
        ("Timestamp", "T"),
        ("Type", "Notification"),
    ];
    let (_, signature) = delivery(&usual, "mine");
    assert_eq!(
        verdict(&plan, &post(&[], &body(&usual, &signature)), NOW),
        Ok(())
    );

    // Names that some apps read without looking at their case.
    for name in ["message", "TYPE", "Me\u{17f}sage"] {
        let more = [&usual[..], &[(name, "evil")]].concat();
        assert_eq!(
            verdict(&plan, &post(&[], &body(&more, &signature)), NOW),
            Err(Rejection::CredentialRepeated),
            "{name}"
        );
    }

    // What the stranger publishes on a topic of their own.
    let message = "pay\nMessageId\n2\nTimestamp\nT\nTopicArn\nmine\nType\nNotification";
    let theirs = [
        ("Message", message),
        ("MessageId", "3"),
        ("Timestamp", "T"),
        ("Type", "Notification"),
    ];
    let (text, signature) = delivery(&theirs, "theirs");
    let tail = "Notification\nMessageId\n3\nTimestamp\nT\nTopicArn\ntheirs\nType\nNotification";
    let forged = [
        ("Message", "pay"),
        ("MessageId", "2"),
        ("Timestamp", "T"),
        ("Type", tail),
    ];
    assert_eq!(text, delivery(&forged, "mine").0, "the same bytes");
    assert_eq!(
        verdict(&plan, &post(&[], &body(&forged, &signature)), NOW),
        Err(Rejection::SignatureMalformed)
    );
}

#[test]
fn a_time_within_what_is_signed_is_signed() {
    let warning = "the timestamp is checked but not signed";
    for (step, warned) in [
        ("timestamp = { json = '/time' }", false),
        (
            "timestamp = { header = 'X-Time' }, message = '{header:X-Time}.{body}'",
            false,
        ),
        (
            "timestamp = { query = 'time' }, message = '{query:time}.{body}'",
            false,
        ),
        (
            "timestamp = { json = '/time' }, message = '{json:/id}'",
            true,
        ),
        (
            "timestamp = { header = 'X-Time' }, message = '{header:X-Other}.{body}'",
            true,
        ),
        ("timestamp = { query = 'time' }", true),
    ] {
        let text = said(&format!(
            "secret = {{ inline = '{SECRET}' }}\nverify = [{{ scheme = 'hmac', header = 'X-A', {step} }}]"
        ));
        assert_eq!(text.contains(warning), warned, "{step}\n{text}");
    }
}

#[test]
fn signatures_in_several_lines() {
    let twice = |values: &[&str]| {
        let mut delivery = post(&[], "{}");
        for value in values {
            let value = HeaderValue::from_str(value).unwrap();
            delivery.headers.append("x-a", value);
        }
        delivery
    };
    let right = mac("{}");
    let wrong = "00".repeat(32);
    let several = hmac("header = 'X-A', format = '{signature},', repeated = true");
    let joined = format!("{wrong},{right}");
    for values in [
        &[&*right][..],
        &[&wrong, &right],
        &[&right, &wrong],
        &[&joined],
        &["?", &joined, ""],
    ] {
        assert_eq!(verdict(&several, &twice(values), NOW), Ok(()), "{values:?}");
    }
    let many = vec![&*wrong; 16];
    for (values, reason) in [
        (&[][..], Rejection::SignatureMissing),
        (&[&*wrong, &wrong][..], Rejection::SignatureMismatch),
        (&["?", ""], Rejection::SignatureMalformed),
        (
            &[&many[..], &[&right]].concat(),
            Rejection::SignatureMalformed,
        ),
    ] {
        assert_eq!(
            verdict(&several, &twice(values), NOW),
            Err(reason),
            "{values:?}"
        );
    }
    let one = hmac("header = 'X-A', format = '{signature},'");
    assert_eq!(
        verdict(&one, &twice(&[&right, &right]), NOW),
        Err(Rejection::CredentialRepeated)
    );
}
