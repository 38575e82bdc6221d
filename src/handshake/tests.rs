//! Every kind of question, and everything near it that must not be answered.

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use super::question::members;
use super::*;
use crate::json::Pointer;
use crate::verify::signed::MacKey;
use crate::verify::{Alphabet, Encoding, Hash, Held};

fn now() -> Moment {
    Moment::from_second(1_700_000_000).unwrap()
}

fn ring<K>(key: K) -> Ring<K> {
    Ring::new(vec![Held {
        name: "k".into(),
        not_before: None,
        until: None,
        key,
    }])
}

fn header(name: &'static str) -> Place {
    Place::Header(HeaderName::from_static(name))
}

fn query(name: &str) -> Place {
    Place::Query(name.into())
}

fn json(pointer: &str) -> Place {
    Place::json(Pointer::parse(pointer).unwrap())
}

fn is(place: Place, wanted: Wanted) -> Condition {
    Condition { place, wanted }
}

fn text(place: Place, text: &str) -> Condition {
    is(place, Wanted::Text(text.into()))
}

fn challenge(place: Place, alphabet: &str, max: usize) -> Challenge {
    let shape = Shape {
        alphabet: Alphabet::parse(alphabet).unwrap(),
        min: 1,
        max,
    };
    Challenge { place, shape }
}

fn handshake(method: Method, when: Vec<Condition>, kind: Kind) -> Handshake {
    Handshake {
        method,
        signed: false,
        asks: Asks {
            when,
            ..Asks::default()
        },
        challenge: None,
        proof: None,
        reply: Reply {
            status: StatusCode::OK,
            kind,
            headers: Vec::new(),
            public_url: "https://hooks.example.com".into(),
        },
        hint: None,
    }
}

fn all(one: Handshake) -> Handshakes {
    Handshakes {
        all: vec![one],
        verify_token: Some(ring(Secret::new(b"the-token".to_vec()))),
        username: "public-id".into(),
    }
}

/// A request: method, query, headers, body.
#[derive(Clone, Default)]
struct Sent {
    method: &'static str,
    query: Option<&'static str>,
    headers: Vec<(&'static str, &'static str)>,
    body: &'static str,
}

impl Sent {
    fn head<'a>(&'a self, headers: &'a HeaderMap) -> Head<'a> {
        Head {
            method: self.method,
            path: "/hook",
            query: self.query,
            headers: headers.into(),
        }
    }

    fn answer(&self, handshakes: &Handshakes, verified: bool) -> Result<Option<Answer>, Rejection> {
        let mut headers = HeaderMap::new();
        for (name, value) in &self.headers {
            headers.append(
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            );
        }
        let head = self.head(&headers);
        let body = Body::from(bytes::Bytes::from_static(self.body.as_bytes()));
        let empty = self.body.is_empty();
        let answer = handshakes.answer(&head, Some(&body), empty, verified, now());
        let asked = handshakes.asked(&head, empty);
        if !verified && matches!(answer, Ok(Some(_))) {
            assert_ne!(asked, Asked::No, "what is answered is looked at");
        }
        if asked == Asked::No && !verified {
            return Ok(None);
        }
        answer
    }

    fn told(&self, handshakes: &Handshakes) -> Result<Option<String>, Rejection> {
        let answer = self.answer(handshakes, false)?;
        Ok(answer.map(|answer| String::from_utf8(answer.body).unwrap()))
    }
}

fn get(query: &'static str) -> Sent {
    Sent {
        method: "GET",
        query: Some(query),
        ..Sent::default()
    }
}

fn post(body: &'static str) -> Sent {
    Sent {
        method: "POST",
        body,
        ..Sent::default()
    }
}

fn plain(text: &str) -> Kind {
    Kind::Text(Text::new(text))
}

#[test]
fn a_token_is_compared_last_and_a_wrong_one_is_told() {
    let handshakes = all(Handshake {
        challenge: Some(challenge(query("hub.challenge"), "0-9A-Za-z", 16)),
        ..handshake(
            Method::GET,
            vec![
                text(query("hub.mode"), "subscribe"),
                is(query("hub.verify_token"), Wanted::VerifyToken),
            ],
            plain("{challenge}"),
        )
    });
    let right = "hub.mode=subscribe&hub.verify_token=the-token&hub.challenge=";
    for (query, expected) in [
        (
            "hub.mode=subscribe&hub.verify_token=the-token&hub.challenge=1158",
            Ok(Some("1158")),
        ),
        (
            "hub.challenge=1158&hub%2Everify_token=the%2Dtoken&hub.mode=subscribe&more=1",
            Ok(Some("1158")),
        ),
        (
            "hub.mode=subscribe&hub.verify_token=the-tokem&hub.challenge=1158",
            Err(Rejection::HandshakeToken),
        ),
        (
            "hub.mode=subscribe&hub.verify_token=the-token2&hub.challenge=1158",
            Err(Rejection::HandshakeToken),
        ),
        (
            "hub.mode=subscribe&hub.verify_token=&hub.challenge=1158",
            Ok(None),
        ),
        ("hub.mode=subscribe&hub.challenge=1158", Ok(None)),
        (
            "hub.mode=unsubscribe&hub.verify_token=the-token&hub.challenge=1",
            Ok(None),
        ),
        (
            "hub.mode=subscribe&hub.verify_token=the-token&hub.verify_token=x&hub.challenge=1",
            Ok(None),
        ),
        (
            "hub.mode=subscribe&hub.verify_token=the-token&hub.challenge=1&hub.challenge=2",
            Err(Rejection::HandshakeMalformed),
        ),
        (
            "hub.mode=subscribe&hub.verify_token=the-token&hub.challenge=%3Cscript%3E",
            Err(Rejection::HandshakeMalformed),
        ),
        (
            "hub.mode=subscribe&hub.verify_token=the-token&hub.challenge=12345678901234567",
            Err(Rejection::HandshakeMalformed),
        ),
        (right, Err(Rejection::HandshakeMalformed)),
        ("hub.mode=subscribe&hub.verify_token=the-token", Ok(None)),
        ("", Ok(None)),
    ] {
        let expected = expected.map(|text| text.map(str::to_owned));
        assert_eq!(get(query).told(&handshakes), expected, "{query}");
    }
    let mut other = get("hub.mode=subscribe&hub.verify_token=the-token&hub.challenge=1158");
    for method in ["HEAD", "POST", "get", "PUT"] {
        other.method = method;
        assert_eq!(other.told(&handshakes), Ok(None), "{method}");
    }
    other.method = "GET";
    other.body = "x";
    assert_eq!(other.told(&handshakes), Ok(None), "a GET has no body");
    // Without a token there is none that is right.
    let mut without = handshakes;
    without.verify_token = None;
    let asked = get("hub.mode=subscribe&hub.verify_token=the-token&hub.challenge=1158");
    assert_eq!(asked.told(&without), Err(Rejection::HandshakeToken));
}

#[test]
fn members_are_exactly_those_and_each_once() {
    let handshakes = all(Handshake {
        asks: Asks {
            members: Some(vec!["challenge".into()]),
            ..Asks::default()
        },
        challenge: Some(challenge(json("/challenge"), "a-z\"\\ ", 16)),
        ..handshake(
            Method::POST,
            Vec::new(),
            Kind::Json(Text::json(r#"{"challenge":"{challenge}"}"#).unwrap()),
        )
    });
    for (body, expected) in [
        (r#"{"challenge":"abc"}"#, Ok(Some(r#"{"challenge":"abc"}"#))),
        (
            r#" { "challenge" : "a\"},\\b" } "#,
            Err(Rejection::HandshakeMalformed),
        ),
        (
            r#"{"challenge":"a\"\\b"}"#,
            Ok(Some(r#"{"challenge":"a\"\\b"}"#)),
        ),
        (r#"{"challenge":"abc","event":{}}"#, Ok(None)),
        (r#"{"challenge":"abc","challenge":"abc"}"#, Ok(None)),
        (r#"{"Challenge":"abc"}"#, Ok(None)),
        (r#"[{"challenge":"abc"}]"#, Ok(None)),
        (
            r#"{"challenge":{"a":"b"}}"#,
            Err(Rejection::HandshakeMalformed),
        ),
        (r#"{"challenge":null}"#, Ok(None)),
        (r#"{"challenge":"abc"} x"#, Ok(None)),
        (r#"{"challenge":"abc""#, Ok(None)),
        ("", Ok(None)),
    ] {
        let expected = expected.map(|text| text.map(str::to_owned));
        assert_eq!(post(body).told(&handshakes), expected, "{body}");
    }
    let long: &'static str =
        Box::leak(format!("{{\"challenge\":\"abc\"{}}}", " ".repeat(MAX_BODY)).into_boxed_str());
    assert_eq!(post(long).told(&handshakes), Ok(None), "too long to be one");
}

#[test]
fn a_proof_is_made_over_the_challenge_and_nothing_else() {
    let proof = |hash, encoding| {
        Some(Proof {
            prover: Prover::Hmac(ring(
                MacKey::new(hash, Secret::new(b"consumer-secret".to_vec())).unwrap(),
            )),
            encoding,
        })
    };
    let handshakes = all(Handshake {
        challenge: Some(challenge(query("crc_token"), "A-Za-z0-9._~+/=-", 64)),
        proof: proof(Hash::Sha256, Encoding::Base64),
        ..handshake(
            Method::GET,
            Vec::new(),
            Kind::Json(Text::json(r#"{"response_token":"sha256={proof}"}"#).unwrap()),
        )
    });
    // printf %s challenge | openssl dgst -sha256 -hmac consumer-secret -binary | base64
    let expected = r#"{"response_token":"sha256=2RUZDVKjSpEV/C/r9ivMsVZJ4DFPAawjJFQQzY+6ba4="}"#;
    let told = get("crc_token=challenge&nonce=x")
        .told(&handshakes)
        .unwrap();
    assert_eq!(told.as_deref(), Some(expected));
    // Nothing that could be an event.
    for event in [
        "crc_token=%7B%22a%22:1%7D",
        "crc_token=a%3Ab",
        "crc_token=a%0A",
        "crc_token=%5B%5D",
        "crc_token=%22%22",
    ] {
        assert_eq!(
            get(event).told(&handshakes),
            Err(Rejection::HandshakeMalformed),
            "{event}"
        );
    }
}

#[test]
fn a_digest_is_made_over_challenge_token_and_url() {
    let handshakes = all(Handshake {
        challenge: Some(challenge(query("challenge_code"), "a-z0-9", 64)),
        proof: Some(Proof {
            prover: Prover::Digest {
                hash: Hash::Sha256,
                message: Text::new("{challenge}{verify_token}{url}"),
            },
            encoding: Encoding::Hex,
        }),
        ..handshake(
            Method::GET,
            Vec::new(),
            Kind::Json(Text::json(r#"{"challengeResponse":"{proof}"}"#).unwrap()),
        )
    });
    // printf %s abcthe-tokenhttps://hooks.example.com/hook | sha256sum
    let expected = "{\"challengeResponse\":\
        \"159d9a30c9d60218bb2dfc2340c48f95153627977f17279107b6634a86c00aef\"}";
    let told = get("challenge_code=abc").told(&handshakes).unwrap();
    assert_eq!(told.as_deref(), Some(expected));
    let mut without = handshakes;
    without.verify_token = None;
    assert_eq!(
        get("challenge_code=abc").told(&without),
        Err(Rejection::Internal),
        "a hash without the token proves nothing"
    );
}

#[test]
fn a_signed_question_is_answered_after_verification_only() {
    let handshakes = all(Handshake {
        signed: true,
        ..handshake(
            Method::POST,
            vec![text(json("/type"), "1")],
            Kind::Json(Text::json(r#"{"type":1}"#).unwrap()),
        )
    });
    let ping = post(r#"{"type":1}"#);
    assert_eq!(ping.answer(&handshakes, false), Ok(None));
    let answer = ping.answer(&handshakes, true).unwrap().unwrap();
    assert_eq!(answer.body, br#"{"type":1}"#);
    assert_eq!(post(r#"{"type":2}"#).answer(&handshakes, true), Ok(None));
    // And one that needs none is not answered by way of verification.
    let mut open = handshakes;
    open.all[0].signed = false;
    assert_eq!(ping.answer(&open, true), Ok(None));
    assert!(ping.answer(&open, false).unwrap().is_some());
}

#[test]
fn headers_are_repeated_as_they_came() {
    let mut one = Handshake {
        challenge: Some(challenge(header("x-hook-secret"), "a-f0-9", 64)),
        ..handshake(Method::POST, Vec::new(), Kind::Empty)
    };
    one.reply.headers = vec![(
        HeaderName::from_static("x-hook-secret"),
        Text::new("{challenge}"),
    )];
    let asks = Sent {
        headers: vec![("x-hook-secret", "b537207f")],
        ..post("")
    };
    let answer = asks.answer(&all(one.clone()), false).unwrap().unwrap();
    assert_eq!(
        answer.headers,
        [(
            HeaderName::from_static("x-hook-secret"),
            HeaderValue::from_static("b537207f")
        )]
    );
    assert_eq!((answer.content_type, answer.body), (None, Vec::new()));
    let twice = Sent {
        headers: vec![("x-hook-secret", "b537207f"), ("x-hook-secret", "00")],
        ..post("")
    };
    assert_eq!(
        twice.answer(&all(one.clone()), false),
        Err(Rejection::HandshakeMalformed)
    );
    let with_body = Sent { body: "{}", ..asks };
    assert_eq!(with_body.answer(&all(one.clone()), false), Ok(None));
    one.asks.any_body = true;
    assert!(with_body.answer(&all(one), false).unwrap().is_some());
}

#[test]
fn json_is_json_whatever_the_challenge_is() {
    for (template, good) in [
        (r#"{"a":"{challenge}"}"#, true),
        (r#"{"a":{challenge}}"#, true),
        (r#"{"a":["x{challenge}y",{"b":"{proof}"}]}"#, true),
        (r#""{challenge}""#, true),
        ("{challenge}", true),
        (r#"{"a":1}"#, true),
        (r#"{"{challenge}":1}"#, true),
        (r#"{a:"{challenge}"}"#, false),
        (r#"{"a":x{challenge}}"#, false),
        (r#"{"a":0{challenge}}"#, false),
        (r#"{"a":"{challenge}}"#, false),
        (r#"{"a":"\{challenge}"}"#, false),
        ("", false),
    ] {
        assert_eq!(Text::json(template).is_ok(), good, "{template}");
    }
    // A variable behind an escaped quote is still inside its string.
    let text = Text::json(r#"{"a":"\"{challenge}\\","n":{username}}"#).unwrap();
    for (challenge, number, good) in [
        (r#"x","b":"y"#, "7", true),
        ("\\", "0", true),
        ("\u{7f}\n\u{2028}é", "18446744073709551615", true),
        ("x", "", false),
        ("x", "1,\"b\":2", false),
        ("x", "01", false),
        ("x", "+1", false),
        ("x", "-1", false),
        ("x", "1e9", false),
        ("x", "18446744073709551616", false),
        ("x", "true", false),
    ] {
        let values = template::Values {
            challenge,
            username: number,
            ..template::Values::default()
        };
        let filled = text.fill_json(&values);
        assert_eq!(filled.is_some(), good, "{challenge:?} {number:?}");
        if let Some(filled) = filled {
            let value: serde_json::Value = serde_json::from_slice(&filled).unwrap();
            assert_eq!(value["a"], format!("\"{challenge}\\"));
            assert_eq!(value.as_object().unwrap().len(), 2);
        }
    }
}

#[test]
fn reads_the_names_of_an_object_and_of_nothing_else() {
    for (body, expected) in [
        ("{}", Some(vec![])),
        (r#"{"a":[{"b":1}],"c":null}"#, Some(vec!["a", "c"])),
        (r#"{"a":1,"a":2}"#, Some(vec!["a", "a"])),
        ("[]", None),
        ("1", None),
        ("", None),
        ("{} {}", None),
        (r#"{"a":1"#, None),
    ] {
        let found = members(body.as_bytes());
        let found: Option<Vec<&str>> = found
            .as_ref()
            .map(|names| names.iter().map(String::as_str).collect());
        assert_eq!(found, expected, "{body}");
    }
}

proptest::proptest! {
    #[test]
    fn any_json_answer_has_the_challenge_as_it_was(challenge in "\\PC{0,40}") {
        let text = Text::json(r#"{"a":"{challenge}","b":[1,"-{challenge}"]}"#).unwrap();
        let values = template::Values { challenge: &challenge, ..template::Values::default() };
        let filled = text.fill_json(&values).unwrap();
        let value: serde_json::Value = serde_json::from_slice(&filled).unwrap();
        proptest::prop_assert_eq!(&value["a"], &serde_json::Value::from(challenge.clone()));
        proptest::prop_assert_eq!(value["b"][1].as_str().unwrap(), format!("-{challenge}"));
    }
}
