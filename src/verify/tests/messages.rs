//! What was signed: golden values computed with Python's `hmac` and `hashlib`, under the key
//! `k3y-k3y-k3y`, and the ways to make a message mean something else.

use super::*;
use crate::verify::{Freshness, Unit};

const KEY: &[u8] = b"k3y-k3y-k3y";
const BODY: &[u8] = br#"{"a":"x"}"#;

fn header(name: &'static str) -> Place {
    Place::Header(HeaderName::from_static(name))
}

fn of(message: &str) -> Plan {
    let mut step = step(
        hmac(Hash::Sha256, &[KEY]),
        Encoding::Hex,
        "{signature}",
        message,
    );
    step.id = Some(header("x-id"));
    step.freshness = Some(Freshness {
        place: Some(header("x-time")),
        unit: Unit::Seconds,
        tolerance: minutes(5),
    });
    plan(vec![vec![signed(step)]])
}

fn request(body: &[u8], signature: &str) -> Delivery {
    let mut delivery = with_signature(body, signature.as_bytes());
    delivery.query = Some("a=1&b=x+y".into());
    for (name, value) in [
        ("x-id", "msg_1"),
        ("x-time", "1700000000"),
        ("x-extra", "extra"),
    ] {
        delivery
            .headers
            .insert(name, HeaderValue::from_static(value));
    }
    delivery
}

fn mac(message: &[u8]) -> String {
    let mut mac = super::super::Mac::new(Hash::Sha256, KEY).unwrap();
    mac.update(message);
    Encoding::Hex.encode(&mac.finish())
}

#[test]
fn messages_and_filters_have_the_values_that_python_computes() {
    for (message, golden) in [
        (
            "{body}",
            "127f1304de50cbf0e03ede8b408df8889c341cc81060657777271eab691add3e",
        ),
        (
            "{timestamp}.{body}",
            "9f31587278bbbe28dd61ac95a9586b56170150937ce27d26a74e674d8d5bbbaa",
        ),
        (
            "{id}.{timestamp}.{body}",
            "5d3858a1278a0126a6f10b50e9ceaa8083328740bc46c5c089d72fbec71e6660",
        ),
        (
            "v0:{timestamp}:{body}",
            "9bd7ac3517b0c231dc9f7f5ff821677ccb791e7fc5e2866db65df0169e51910d",
        ),
        (
            "{body|sha256|hex}",
            "2dc70531d7b1f1f728c063a08cf015cab0d04a4b9cd95338a66a714e22a01050",
        ),
        (
            "{body|sha256|hex|upper}",
            "16162a387833d835f4c0806430f8eed372cc845eb3413df0065a633962b2e110",
        ),
        (
            "{body|sha256|base64}",
            "3567b1356f78321169b76e505d70dc3849eb3a8c3fbe1a134716b54ee3c98d28",
        ),
        (
            "{body|sha256|base64url}",
            "ff220b7209f97ad8bd56d1a908795188c235e4e54b028cf351f863967726bd53",
        ),
        (
            "{body|sha256}",
            "cd04da2500f21aad3d9ccd3b61dd2303abbd26d44df177231403cdfc7df4b9d6",
        ),
        (
            "{body|sha1|hex}",
            "e9e6a4075b6dcbfeaf4e8a6b297bc9b3da7b602036b4f944a47baf7e51529171",
        ),
        (
            "{body|sha384|hex}",
            "8bd632c7eb8be5cb9cb98b0f645b11560e467be1882d1162809bc62e523b0226",
        ),
        (
            "{body|sha512|hex}",
            "40cb80e019300a63babc5080ee47687ccb813c3cefb80f9340616eade269adee",
        ),
        (
            "{body|base64}",
            "5da8d4d2e5cf0c6dc7e418d09c61d1812c2433f93fc4ef734b8faf61d50519c4",
        ),
        (
            "{body|lower}",
            "127f1304de50cbf0e03ede8b408df8889c341cc81060657777271eab691add3e",
        ),
        (
            "{method} {path} {host}",
            "40d86881197d9cd1f452999a0e482f69a48363b69210e848ec6ff91411a792b7",
        ),
        (
            "{method|lower}{url}",
            "48d9fc806bde8e05025dfc628326a93b5cc38e178dabe0c1d24e368e4a58b344",
        ),
        (
            "{header:x-extra}+{query:b}",
            "929f926fa8a2338d8a999198f099afc5d9c20e477b3d99639e273882689d3fe8",
        ),
        (
            "{query:none}{body}",
            "127f1304de50cbf0e03ede8b408df8889c341cc81060657777271eab691add3e",
        ),
        (
            "{json:/a}",
            "3b6deb85c6ddcfe998d3857671b8aafe1718dba0ccdcb485173736bf5cb50843",
        ),
        (
            "{json:/none}.{json:/a}",
            "4fac1f5abff8cdac43543818dab04a97243559b34f7e94676de6e51bf1997415",
        ),
        (
            "{secret}{body}",
            "6bc1fcba6c2837296d7fea5f2c8cac3e1534f0a1b4e78bd70b21c6254af649b6",
        ),
        (
            "{body}{secret|sha256|hex}",
            "6d619553b15c521e1593d030ed4554779b90b38e769e7426d28eba541a9c1c8a",
        ),
        (
            "{body}{body}",
            "fd03c4b4035b1ea0e6b243fa8f4a609b6f3fa0c10b79bb8a749f2169b84ffebe",
        ),
        (
            "{body}-{json:/a|upper}",
            "9341e321668adb0591e4aca17da48b99c2d70ea46b11d1eb0e833dbc0abb8cf9",
        ),
    ] {
        let plan = of(message);
        let delivery = request(BODY, golden);
        for pieces in [&[][..], &[1, 1, 1], &[4]] {
            assert_eq!(
                judge(&plan, &delivery, pieces, now()).map(drop),
                Ok(()),
                "{message}"
            );
        }
        let mut last = golden.to_owned();
        let other = if last.pop() == Some('0') { '1' } else { '0' };
        refused(&plan, &request(BODY, &format!("{last}{other}")), message);
    }
}

#[test]
fn what_a_message_needs_must_be_there_once() {
    for (message, name, reason) in [
        ("{id}.{body}", "x-id", Rejection::SignatureMissing),
        ("{timestamp}.{body}", "x-time", Rejection::TimestampMissing),
        (
            "{header:x-extra}{body}",
            "x-extra",
            Rejection::SignatureMissing,
        ),
        (
            "{body}{header:x-extra}",
            "x-extra",
            Rejection::SignatureMissing,
        ),
        ("{body}", "x-signature", Rejection::SignatureMissing),
    ] {
        let mut without = request(BODY, &mac(BODY));
        without.headers.remove(name);
        assert_eq!(
            refused(&of(message), &without, message),
            reason,
            "{message}"
        );
        let mut twice = request(BODY, &mac(BODY));
        let again = twice.headers[name].clone();
        twice.headers.append(name, again);
        assert_eq!(
            verdict(&of(message), &twice),
            Err(Rejection::CredentialRepeated),
            "{message}"
        );
    }
    let mut twice = request(BODY, &mac(b"1"));
    twice.query = Some("a=1&%61=2".into());
    assert_eq!(
        verdict(&of("{query:a}"), &twice),
        Err(Rejection::CredentialRepeated)
    );
}

/// A header that is signed last is only missed once the body is there: it must not be an error of
/// ours.
#[test]
fn a_header_that_is_not_text_is_no_signature() {
    for bytes in [&b"\xff\xfe"[..], b"\x80", b"", b" ", b"\t"] {
        let mut delivery = request(BODY, "00");
        let value = HeaderValue::from_bytes(bytes).unwrap();
        delivery.headers.insert(SIGNATURE, value.clone());
        refused(&of("{body}"), &delivery, "no text");
        let mut delivery = request(BODY, &mac(BODY));
        delivery.headers.insert("x-id", value.clone());
        delivery.headers.insert("x-time", value);
        refused(&of("{id}{body}"), &delivery, "no text");
    }
}

#[test]
fn a_repeated_key_or_a_list_is_never_what_was_signed() {
    let plan = of("{json:/a}");
    assert_eq!(verdict(&plan, &request(BODY, &mac(b"x"))), Ok(()));
    for (body, reason) in [
        (r#"{"a":"x","a":"y"}"#, Rejection::CredentialRepeated),
        (r#"{"a":"y","a":"x"}"#, Rejection::CredentialRepeated),
        (r#"{"a":"x","\u0061":"x"}"#, Rejection::CredentialRepeated),
        (r#"{"a":["x"]}"#, Rejection::SignatureMalformed),
        (r#"{"a":{"b":"x"}}"#, Rejection::SignatureMalformed),
        (r#"{"b":"x"}"#, Rejection::SignatureMismatch),
        (r#"{"a":null}"#, Rejection::SignatureMismatch),
    ] {
        let delivery = request(body.as_bytes(), &mac(b"x"));
        assert_eq!(verdict(&plan, &delivery), Err(reason), "{body}");
    }
    // Not JSON: nothing was read of it, so nothing of it is signed.
    for body in ["", "x", "{", r#"{"a":"x"} y"#, "a=x"] {
        for message in ["{json:/a}", "{timestamp}{json:/a}", "{json:/a}{json:/b}"] {
            for signed in [&b""[..], b"1700000000", b"x"] {
                let delivery = request(body.as_bytes(), &mac(signed));
                let reason = refused(&of(message), &delivery, body);
                assert_eq!(reason, Rejection::SignatureMalformed, "{body}");
            }
        }
    }
}

#[test]
fn a_form_is_read_only_where_the_app_reads_one() {
    let body = b"id=7&note=a+b%26c";
    let plan = of("{form:id}:{form:note}");
    let mut form = request(
        body,
        "1ceaeefcac205af9766b38c529672b4b7f2faf7c263e402ff3e4ca408dcdef94",
    );
    assert_eq!(
        refused(&plan, &form, "no content type"),
        Rejection::SignatureMalformed
    );
    for (kind, passes) in [
        ("application/x-www-form-urlencoded", true),
        ("application/x-www-form-urlencoded; charset=utf-8", true),
        ("application/json", false),
        ("multipart/form-data; boundary=x", false),
        ("text/plain; application/x-www-form-urlencoded", false),
    ] {
        form.headers
            .insert("content-type", HeaderValue::from_static(kind));
        if passes {
            assert_eq!(verdict(&plan, &form), Ok(()), "{kind}");
        } else {
            assert_eq!(refused(&plan, &form, kind), Rejection::SignatureMalformed);
        }
    }
    // Where nothing of the form is read, the empty message is not accepted either.
    let mut other = request(br#"{"x":"id=7"}"#, &mac(b":"));
    other
        .headers
        .insert("content-type", HeaderValue::from_static("application/json"));
    assert_eq!(
        refused(&plan, &other, "empty"),
        Rejection::SignatureMalformed
    );
    let mut twice = request(b"id=7&id=8", &mac(b"7:"));
    let form = HeaderValue::from_static("application/x-www-form-urlencoded");
    twice.headers.insert("content-type", form);
    assert_eq!(verdict(&plan, &twice), Err(Rejection::CredentialRepeated));
}

#[test]
fn a_signature_in_the_body_is_found_in_its_place_only() {
    let sealed = |place| {
        let mut step = step(
            hmac(Hash::Sha256, &[KEY]),
            Encoding::Hex,
            "{signature}",
            "{json:/a}",
        );
        step.places = vec![place];
        plan(vec![vec![signed(step)]])
    };
    let pointer = crate::json::Pointer::parse("/sig").unwrap();
    let json = sealed(Place::json(pointer));
    let good = mac(b"x");
    let body = |text: String| delivery(text.as_bytes());
    assert_eq!(
        verdict(&json, &body(format!(r#"{{"a":"x","sig":"{good}"}}"#))),
        Ok(())
    );
    for (text, reason) in [
        (
            format!(r#"{{"a":"x","sig":"{good}","sig":"{good}"}}"#),
            Rejection::CredentialRepeated,
        ),
        (
            format!(r#"{{"a":"x","sig":["{good}"]}}"#),
            Rejection::SignatureMalformed,
        ),
        (
            format!(r#"{{"a":"y","sig":"{good}"}}"#),
            Rejection::SignatureMismatch,
        ),
        (
            r#"{"a":"x","sig":""}"#.to_owned(),
            Rejection::SignatureMalformed,
        ),
        (
            r#"{"a":"x","sig":7}"#.to_owned(),
            Rejection::SignatureMalformed,
        ),
        (
            r#"{"a":"x","sig":null}"#.to_owned(),
            Rejection::SignatureMissing,
        ),
        (r#"{"a":"x"}"#.to_owned(), Rejection::SignatureMissing),
        (format!("sig={good}"), Rejection::SignatureMissing),
        (String::new(), Rejection::SignatureMissing),
    ] {
        assert_eq!(verdict(&json, &body(text.clone())), Err(reason), "{text}");
    }
    // Text inside a JSON string looks like a form; only a declared form is one.
    let mut step = step(
        hmac(Hash::Sha256, &[KEY]),
        Encoding::Hex,
        "{signature}",
        "{method}",
    );
    step.places = vec![Place::Form("sig".into())];
    let form = plan(vec![vec![signed(step)]]);
    let mut request = body(format!(r#"{{"note":"&sig={}&"}}"#, mac(b"POST")));
    assert_eq!(
        refused(&form, &request, "undeclared"),
        Rejection::SignatureMissing
    );
    request.headers.insert(
        "content-type",
        HeaderValue::from_static("application/x-www-form-urlencoded"),
    );
    assert_eq!(verdict(&form, &request), Ok(()));
}

/// Pins what a template without separators cannot tell apart, and that a timestamp that moved its
/// border is refused by the clock.
#[test]
fn a_border_that_moves_between_fields_is_caught_by_the_clock() {
    let plan = of("{timestamp}{body}");
    let body = b"17000000001";
    let mut delivery = request(body, &mac(b"170000000017000000001"));
    assert_eq!(verdict(&plan, &delivery), Ok(()));
    delivery.body = b"017000000001".to_vec();
    delivery
        .headers
        .insert("x-time", HeaderValue::from_static("170000000"));
    assert_eq!(
        refused(&plan, &delivery, "moved"),
        Rejection::TimestampTooOld
    );
}
