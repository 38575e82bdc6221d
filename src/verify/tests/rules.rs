//! Time, rotation, alternatives and the way a header is written.

use super::*;
use crate::verify::shared::{ApiKey, Basic, Bearer};
use crate::verify::{Freshness, Unit};

const KEY: &[u8] = b"the-key-of-the-provider";

fn stamped(unit: Unit) -> Plan {
    let mut step = step(
        hmac(Hash::Sha256, &[KEY]),
        Encoding::Hex,
        "t={timestamp},v1={signature}",
        "{timestamp}.{body}",
    );
    step.freshness = Some(Freshness {
        place: None,
        unit,
        tolerance: minutes(5),
    });
    plan(vec![vec![signed(step)]])
}

fn mac(message: &str) -> String {
    let mut mac = super::super::Mac::new(Hash::Sha256, KEY).unwrap();
    mac.update(message.as_bytes());
    Encoding::Hex.encode(&mac.finish())
}

/// A request that is signed rightly over whatever the timestamp says.
fn at(timestamp: &str) -> Delivery {
    let value = format!("t={timestamp},v1={}", mac(&format!("{timestamp}.body")));
    with_signature(b"body", value.as_bytes())
}

#[test]
fn a_signed_timestamp_is_near_now_and_plainly_written() {
    for (unit, text, expected) in [
        (Unit::Seconds, "1700000000", Ok(())),
        (Unit::Seconds, "1699999700", Ok(())),
        (Unit::Seconds, "1700000300", Ok(())),
        (Unit::Seconds, "01700000000", Ok(())),
        (Unit::Seconds, "1699999699", Err(Rejection::TimestampTooOld)),
        (
            Unit::Seconds,
            "1700000301",
            Err(Rejection::TimestampInFuture),
        ),
        (Unit::Seconds, "0", Err(Rejection::TimestampTooOld)),
        (
            Unit::Seconds,
            "1700000000000",
            Err(Rejection::TimestampMalformed),
        ),
        (
            Unit::Seconds,
            "9223372036854775807",
            Err(Rejection::TimestampMalformed),
        ),
        (
            Unit::Seconds,
            "18446744073709551616",
            Err(Rejection::TimestampMalformed),
        ),
        (
            Unit::Seconds,
            "-1700000000",
            Err(Rejection::TimestampMalformed),
        ),
        (
            Unit::Seconds,
            "+1700000000",
            Err(Rejection::TimestampMalformed),
        ),
        (
            Unit::Seconds,
            "1700000000.0",
            Err(Rejection::TimestampMalformed),
        ),
        (Unit::Seconds, "1.7e9", Err(Rejection::TimestampMalformed)),
        (
            Unit::Seconds,
            "0x6553f100",
            Err(Rejection::TimestampMalformed),
        ),
        (Unit::Seconds, "", Err(Rejection::TimestampMalformed)),
        (Unit::Seconds, "now", Err(Rejection::TimestampMalformed)),
        (
            Unit::Seconds,
            "2023-11-14T22:13:20Z",
            Err(Rejection::TimestampMalformed),
        ),
        (Unit::Milliseconds, "1700000000000", Ok(())),
        (Unit::Milliseconds, "1699999700000", Ok(())),
        (
            Unit::Milliseconds,
            "1699999699999",
            Err(Rejection::TimestampTooOld),
        ),
        (
            Unit::Milliseconds,
            "1700000300001",
            Err(Rejection::TimestampInFuture),
        ),
        (
            Unit::Milliseconds,
            "1700000000",
            Err(Rejection::TimestampTooOld),
        ),
        (Unit::Rfc3339, "2023-11-14T22:13:20Z", Ok(())),
        (Unit::Rfc3339, "2023-11-15T03:43:20.123456789+05:30", Ok(())),
        (Unit::Rfc3339, "2023-11-14T22:08:20Z", Ok(())),
        (
            Unit::Rfc3339,
            "2023-11-14T22:08:19.999999999Z",
            Err(Rejection::TimestampTooOld),
        ),
        (
            Unit::Rfc3339,
            "2023-11-14T22:18:20.000000001Z",
            Err(Rejection::TimestampInFuture),
        ),
        (
            Unit::Rfc3339,
            "1700000000",
            Err(Rejection::TimestampMalformed),
        ),
        (
            Unit::Rfc3339,
            "0001-01-01T00:00:00Z",
            Err(Rejection::TimestampTooOld),
        ),
        (
            Unit::Rfc3339,
            "9999-12-30T00:00:00Z",
            Err(Rejection::TimestampInFuture),
        ),
        (
            Unit::Rfc3339,
            "10000-01-01T00:00:00Z",
            Err(Rejection::TimestampMalformed),
        ),
    ] {
        assert_eq!(
            verdict(&stamped(unit), &at(text)),
            expected,
            "{unit:?} {text}"
        );
    }
}

#[test]
fn a_timestamp_that_is_not_the_signed_one_is_a_mismatch() {
    let plan = stamped(Unit::Seconds);
    let good = mac("1700000000.body");
    for (value, reason) in [
        (
            format!("t=1700000001,v1={good}"),
            Rejection::SignatureMismatch,
        ),
        (
            format!("t=01700000000,v1={good}"),
            Rejection::SignatureMismatch,
        ),
        (
            format!("t=1700000000,t=1700000000,v1={good}"),
            Rejection::SignatureMalformed,
        ),
        (format!("v1={good}"), Rejection::TimestampMissing),
        ("t=1700000000".to_owned(), Rejection::SignatureMalformed),
        (
            format!("t=1700000000,v0={good}"),
            Rejection::SignatureMalformed,
        ),
        (
            format!("t=1700000000;v1={good}"),
            Rejection::SignatureMalformed,
        ),
        (
            format!("t=1700000000,v1={good}0"),
            Rejection::SignatureMalformed,
        ),
        (
            format!("t=1700000000,v1={good}00"),
            Rejection::SignatureMismatch,
        ),
        (
            format!("t=1700000000,v1=\"{good}\""),
            Rejection::SignatureMalformed,
        ),
        ("t=1700000000,v1=".to_owned(), Rejection::SignatureMalformed),
        (
            "t=1700000000,v1=,v1=".to_owned(),
            Rejection::SignatureMalformed,
        ),
    ] {
        let delivery = with_signature(b"body", value.as_bytes());
        assert_eq!(refused(&plan, &delivery, &value), reason, "{value}");
    }
    for value in [
        format!("t=1700000000,v1={good}"),
        format!("v1={good},t=1700000000"),
        format!("t=1700000000 , v1=00 , v1={good}"),
        format!("t=1700000000,v1=zz,v1={good},v1=,v2=x,,"),
        format!("t=1700000000,v1={}", good.to_uppercase()),
    ] {
        let delivery = with_signature(b"body", value.as_bytes());
        assert_eq!(verdict(&plan, &delivery), Ok(()), "{value}");
    }
}

#[test]
fn a_list_of_bare_signatures_takes_any_of_a_few() {
    let of = |format: &str| {
        let step = step(hmac(Hash::Sha256, &[KEY]), Encoding::Hex, format, "{body}");
        plan(vec![vec![signed(step)]])
    };
    let good = mac("body");
    let signed = |value: String| with_signature(b"body", value.as_bytes());
    let bare = of("{signature},");
    for value in [format!("00, {good}"), format!(",,{good},"), good.clone()] {
        assert_eq!(verdict(&bare, &signed(value.clone())), Ok(()), "{value}");
    }
    for value in [
        ",".into(),
        " ".into(),
        "zz,,".into(),
        vec![good.as_str(); 17].join(","),
    ] {
        assert_eq!(
            refused(&bare, &signed(value), "a list"),
            Rejection::SignatureMalformed
        );
    }
    assert_eq!(
        verdict(&bare, &signed(vec![good.as_str(); 16].join(","))),
        Ok(())
    );
    // Of a header without a format the whole value is the signature.
    let plain = of("{signature}");
    for value in [
        format!("{good},{good}"),
        format!("{good} "),
        format!("sha256={good}"),
    ] {
        assert_eq!(
            refused(&plain, &signed(value), "a list"),
            Rejection::SignatureMalformed
        );
    }
}

#[test]
fn a_secret_is_in_force_from_not_before_until_until() {
    let Prover::Hmac(first) = hmac(Hash::Sha256, &[b"the-first-secret"]) else {
        unreachable!()
    };
    let Prover::Hmac(second) = hmac(Hash::Sha256, &[b"the-second-secret"]) else {
        unreachable!()
    };
    let keys = vec![
        Held {
            name: "first".into(),
            until: Some(later(100)),
            ..first.all()[0].clone()
        },
        Held {
            name: "second".into(),
            not_before: Some(later(50)),
            ..second.all()[0].clone()
        },
    ];
    let rotating = simple(Prover::Hmac(Ring::new(keys)), Encoding::Hex);
    let by = |key: &[u8]| {
        sign_it(
            &simple(hmac(Hash::Sha256, &[key]), Encoding::Hex),
            b"body",
            None,
        )
    };
    let (old, new) = (by(b"the-first-secret"), by(b"the-second-secret"));
    for (second, old_passes, new_passes) in [
        (0, true, false),
        (49, true, false),
        (50, true, true),
        (99, true, true),
        (100, false, true),
        (1000, false, true),
    ] {
        for (delivery, passes, name) in [(&old, old_passes, "first"), (&new, new_passes, "second")]
        {
            match judge(&rotating, delivery, &[2], later(second)) {
                Ok(verified) => {
                    assert!(passes, "{second} {name}");
                    assert_eq!(verified.key().map(|key| &**key), Some(name));
                }
                Err(rejection) => {
                    assert!(!passes, "{second} {name}");
                    assert_eq!(rejection, Rejection::SignatureMismatch);
                }
            }
        }
    }
    // Nobody is let in where no secret is in force.
    let none = Held {
        until: Some(now()),
        ..first.all()[0].clone()
    };
    let plan = simple(Prover::Hmac(Ring::new(vec![none])), Encoding::Hex);
    assert_eq!(
        refused(&plan, &old, "none in force"),
        Rejection::SignatureMismatch
    );
    let empty = simple(Prover::Hmac(Ring::new(Vec::new())), Encoding::Hex);
    assert_eq!(
        refused(&empty, &old, "no secret"),
        Rejection::SignatureMismatch
    );
}

#[test]
fn a_key_id_selects_among_the_keys_and_adds_none() {
    let step = step(
        hmac(Hash::Sha256, &[b"the-first-secret", b"the-second-secret"]),
        Encoding::Hex,
        "k={key_id},s={signature}",
        "{body}",
    );
    let plan = plan(vec![vec![signed(step)]]);
    let of = |key: &[u8]| {
        let mut mac = super::super::Mac::new(Hash::Sha256, key).unwrap();
        mac.update(b"body");
        Encoding::Hex.encode(&mac.finish())
    };
    let (first, second) = (of(b"the-first-secret"), of(b"the-second-secret"));
    for (value, passes) in [
        (format!("k=key-0,s={first}"), true),
        (format!("k=key-1,s={second}"), true),
        (format!("s={second}"), true),
        (format!("k=key-0,s={second}"), false),
        (format!("k=key-9,s={first}"), false),
        (format!("k=,s={first}"), false),
        (format!("k=key-0,k=key-1,s={second}"), false),
    ] {
        let delivery = with_signature(b"body", value.as_bytes());
        if passes {
            assert_eq!(verdict(&plan, &delivery), Ok(()), "{value}");
        } else {
            refused(&plan, &delivery, &value);
        }
    }
}

// === Alternatives ===

fn api_key(name: &'static str) -> Step {
    Step::ApiKey(ApiKey {
        place: Place::Header(HeaderName::from_static(name)),
        for_each: None,
        prefix: String::new(),
        secrets: ring(secret(b"the-api-key")),
    })
}

fn body_key() -> Step {
    Step::ApiKey(ApiKey {
        place: Place::json(crate::json::Pointer::parse("/key").unwrap()),
        for_each: None,
        prefix: String::new(),
        secrets: ring(secret(b"the-body-key")),
    })
}

fn sealed() -> Step {
    signed(step(
        hmac(Hash::Sha256, &[KEY]),
        Encoding::Hex,
        "{signature}",
        "{body}",
    ))
}

fn asked(body: &str, headers: &[(&'static str, &str)]) -> Delivery {
    let mut delivery = delivery(body.as_bytes());
    for (name, value) in headers {
        delivery
            .headers
            .append(*name, HeaderValue::from_str(value).unwrap());
    }
    delivery
}

#[test]
fn of_alternatives_one_passes_wherever_it_stands() {
    let orders = [
        vec![api_key("x-key"), body_key(), sealed()],
        vec![sealed(), body_key(), api_key("x-key")],
        vec![body_key(), api_key("x-key"), sealed()],
    ];
    let keyed = r#"{"key":"the-body-key"}"#;
    let right = mac("{}");
    for steps in orders {
        let plan = plan(vec![steps]);
        for request in [
            asked("{}", &[("x-key", "the-api-key")]),
            asked("{}", &[("x-signature", &right)]),
            asked(keyed, &[]),
            asked("{}", &[("x-key", "wrong"), ("x-signature", &right)]),
            asked("{}", &[("x-key", "the-api-key"), ("x-signature", "00")]),
            asked(keyed, &[("x-key", "wrong"), ("x-signature", "zz")]),
            asked(
                "{}",
                &[
                    ("x-key", "the-api-key"),
                    ("x-signature", "0"),
                    ("x-signature", "1"),
                ],
            ),
        ] {
            assert_eq!(verdict(&plan, &request), Ok(()), "{request:?}");
        }
        for request in [
            asked("{}", &[]),
            asked("", &[]),
            asked("{}", &[("x-key", "wrong")]),
            asked("{}", &[("x-key", "")]),
            asked("{}", &[("x-signature", "00")]),
            asked("{ }", &[("x-signature", &right)]),
            asked(
                r#"{"key":"wrong"}"#,
                &[("x-key", "wrong"), ("x-signature", &right)],
            ),
            asked(r#"{"key":["the-body-key"]}"#, &[]),
            asked("the-body-key", &[("x-key", "the-body-key")]),
        ] {
            refused(&plan, &request, "no alternative");
        }
        let twice = asked("{}", &[("x-key", "wrong"), ("x-key", "the-api-key")]);
        assert_eq!(verdict(&plan, &twice), Err(Rejection::CredentialRepeated));
        let twice = asked(r#"{"key":"the-body-key","key":"the-body-key"}"#, &[]);
        assert_eq!(verdict(&plan, &twice), Err(Rejection::CredentialRepeated));
    }
}

/// The reason names the alternative that got furthest, in whatever order they stand.
#[test]
fn the_reason_is_that_of_the_alternative_that_was_tried() {
    for steps in [
        vec![api_key("x-key"), sealed()],
        vec![sealed(), api_key("x-key")],
    ] {
        let plan = plan(vec![steps]);
        for (request, reason) in [
            (
                asked("{}", &[("x-key", "wrong")]),
                Rejection::CredentialWrong,
            ),
            (
                asked("{}", &[("x-signature", "00")]),
                Rejection::SignatureMismatch,
            ),
            (
                asked("{}", &[("x-signature", "zz")]),
                Rejection::SignatureMalformed,
            ),
        ] {
            assert_eq!(refused(&plan, &request, "one tried"), reason);
        }
    }
}

#[test]
fn every_group_must_pass() {
    let plan = plan(vec![
        vec![api_key("x-key")],
        vec![sealed(), api_key("x-other")],
    ]);
    let right = mac("{}");
    let verified = judge(
        &plan,
        &asked("{}", &[("x-key", "the-api-key"), ("x-signature", &right)]),
        &[1],
        now(),
    )
    .unwrap();
    assert_eq!(verified.by(), ["api-key", "test"]);
    for request in [
        asked("{}", &[("x-key", "the-api-key")]),
        asked("{}", &[("x-signature", &right)]),
        asked("{}", &[("x-other", "the-api-key")]),
        asked("{}", &[("x-key", "the-api-key"), ("x-signature", "00")]),
        asked("{}", &[("x-key", "wrong"), ("x-signature", &right)]),
    ] {
        refused(&plan, &request, "one group short");
    }
    // A group without a step cannot be compiled; if it could, it would let nobody in.
    let broken = Plan {
        addresses: None,
        groups: vec![Vec::new()],
    };
    assert_eq!(verdict(&broken, &delivery(b"")), Err(Rejection::Internal));
}

// === Static credentials ===

#[test]
fn static_credentials_are_taken_verbatim() {
    let password = || ring(secret(b"pa:ss"));
    let basic = plan(vec![vec![Step::Basic(Basic {
        username: "user".into(),
        secrets: password(),
    })]]);
    let pair = |text: &str| format!("Basic {}", Encoding::Base64.encode(text.as_bytes()));
    let with = |value: &str| asked("", &[("authorization", value)]);
    for value in [
        pair("user:pa:ss"),
        pair("user:pa:ss").replace("Basic", "bAsIc"),
    ] {
        assert_eq!(verdict(&basic, &with(&value)), Ok(()), "{value}");
    }
    for value in [
        pair("user:pa:ss "),
        pair("user:pa:s"),
        pair("user:pa"),
        pair("User:pa:ss"),
        pair("user:PA:SS"),
        pair(":pa:ss"),
        pair("user:"),
        pair("userpa:ss"),
        pair("user"),
        pair(""),
        pair("user:pa:ss").replace("Basic ", "Basic  "),
        pair("user:pa:ss").replace(' ', "\t"),
        pair("user:pa:ss").replace("Basic ", "Bearer "),
        format!("{} ", pair("user:pa:ss")),
        format!("{}, {}", pair("x:y"), pair("user:pa:ss")),
        "Basic".to_owned(),
        "Basic ".to_owned(),
        "user:pa:ss".to_owned(),
        String::new(),
    ] {
        refused(&basic, &with(&value), &value);
    }
    let bearer = plan(vec![vec![Step::Bearer(Bearer {
        header: http::header::AUTHORIZATION,
        secrets: password(),
    })]]);
    assert_eq!(verdict(&bearer, &with("Bearer pa:ss")), Ok(()));
    assert_eq!(verdict(&bearer, &with("bearer pa:ss")), Ok(()));
    for value in [
        "Bearer",
        "Bearer ",
        "Bearer pa:ss ",
        "Bearer  pa:ss",
        "pa:ss",
        "Basic pa:ss",
        "Bearer PA:SS",
    ] {
        refused(&bearer, &with(value), value);
    }
    let mut query = ApiKey {
        place: Place::Query("key".into()),
        for_each: None,
        prefix: String::new(),
        secrets: ring(secret(b"a+b c")),
    };
    let asked = |query: &str| Delivery {
        query: Some(query.into()),
        ..delivery(b"")
    };
    let by_query = plan(vec![vec![Step::ApiKey(query.clone())]]);
    for text in ["key=a%2Bb+c", "x=1&%6bey=a%2bb%20c"] {
        assert_eq!(verdict(&by_query, &asked(text)), Ok(()), "{text}");
    }
    for text in [
        "",
        "key",
        "key=",
        "KEY=a%2Bb+c",
        "key=a+b+c",
        "x=key=a%2Bb+c",
        "key=a%2Bb+c%",
        "key[]=a%2Bb+c",
    ] {
        refused(&by_query, &asked(text), text);
    }
    let twice = asked("key=a%2Bb+c&key=a%2Bb+c");
    assert_eq!(
        verdict(&by_query, &twice),
        Err(Rejection::CredentialRepeated)
    );
    query.prefix = "Token ".into();
    let prefixed = plan(vec![vec![Step::ApiKey(query)]]);
    assert_eq!(verdict(&prefixed, &asked("key=Token+a%2Bb+c")), Ok(()));
    for text in [
        "key=a%2Bb+c",
        "key=token+a%2Bb+c",
        "key=Token",
        "key=Token+",
    ] {
        refused(&prefixed, &asked(text), text);
    }
}
