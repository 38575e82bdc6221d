//! Deliveries as providers publish them, or computed with Python's `hmac` and `hashlib` where they
//! publish none, against the grammar that describes them.

use super::*;

const NOW: i64 = 1_700_000_000;
const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");
const EVENT: &str = r#"{"data":{"type":"event"}}"#;

/// What a change of one byte must not survive.
#[derive(Clone, Copy, PartialEq)]
enum Signed {
    Body,
    BodyAndTarget,
    Target,
    Neither,
}

/// Judges the delivery, and then with each byte of what is signed changed.
fn holds(what: &str, keys: &str, delivery: &Delivery, signed: Signed) {
    let plan = plan(keys);
    assert_eq!(verdict(&plan, delivery, NOW), Ok(()), "{what}");
    if matches!(signed, Signed::Body | Signed::BodyAndTarget) {
        for at in 0..delivery.body.len() {
            for flip in [1, 0x20] {
                let mut other = delivery.clone();
                other.body[at] ^= flip;
                // `+` and `%20` are the same character of a form, as are both cases of hex.
                if other.body[at].eq_ignore_ascii_case(&delivery.body[at]) && keys.contains("{form")
                {
                    continue;
                }
                assert!(verdict(&plan, &other, NOW).is_err(), "{what}: body at {at}");
            }
        }
        let mut longer = delivery.clone();
        longer.body.extend_from_slice(b"x");
        assert!(verdict(&plan, &longer, NOW).is_err(), "{what}: longer");
    }
    if matches!(signed, Signed::Target | Signed::BodyAndTarget) {
        let mut other = delivery.clone();
        other.path.push('x');
        assert!(verdict(&plan, &other, NOW).is_err(), "{what}: path");
        let mut other = delivery.clone();
        other.query = Some(format!("{}&x=1", other.query.unwrap_or_default()));
        if !keys.contains("no_query}") {
            assert!(verdict(&plan, &other, NOW).is_err(), "{what}: query");
        }
    }
}

#[test]
fn sorted_forms() {
    // github:twilio/twilio-python tests/unit/test_request_validator.py
    let twilio = "public_url = 'https://mycompany.com'\nsecret = { inline = '12345' }\n\
        verify = [{ scheme = 'hmac', hash = 'sha1', header = 'X-Twilio-Signature', encoding = 'base64', \
        message = '{url}{form|sorted|unique}' }]";
    let target = "/myapp.php?foo=1&bar=2";
    for (body, signature) in [
        (
            "CallSid=CA1234567890ABCDE&Digits=1234&From=%2B14158675309&To=%2B18005551212&Caller=%2B14158675309",
            "RSOYDt4T1cUTdK1PDd93/VVr8B8=",
        ),
        (
            "Sid=CA123&SidAccount=AC123&Digits=5678&Digits=1234&Digits=1234",
            "IK+Dwps556ElfBT0I3Rgjkr1wJU=",
        ),
    ] {
        for headers in [
            &[FORM, ("x-twilio-signature", signature)][..],
            &[("x-twilio-signature", signature)],
        ] {
            let delivery = request("POST", target, headers, body.as_bytes());
            assert_eq!(verdict(&plan(twilio), &delivery, NOW), Ok(()));
        }
        let delivery = request(
            "POST",
            target,
            &[FORM, ("x-twilio-signature", signature)],
            body.replace("1234", "1235").as_bytes(),
        );
        assert_eq!(
            verdict(&plan(twilio), &delivery, NOW),
            Err(Rejection::SignatureMismatch)
        );
        let json = request(
            "POST",
            target,
            &[
                ("content-type", "application/json"),
                ("x-twilio-signature", signature),
            ],
            body.as_bytes(),
        );
        assert_eq!(
            verdict(&plan(twilio), &json, NOW),
            Err(Rejection::SignatureMalformed)
        );
    }
    // The same file: a JSON body is bound by its hash in the query, which the URL signs.
    let json = twilio
        .replace("{form|sorted|unique}", "")
        .replace("' }]", "' }, { scheme = 'digest', query = 'bodySHA256' }]");
    let body = br#"{"property": "value", "boolean": true}"#;
    let hash = "0a1ff7634d9ab3b95db5c9a2dfe9416e41502b283a80c7cf19632632f96e6620";
    let delivery = request(
        "POST",
        &format!("{target}&bodySHA256={hash}"),
        &[("x-twilio-signature", "a9nBmqA0ju/hNViExpshrM61xv4=")],
        body,
    );
    holds("twilio json", &json, &delivery, Signed::BodyAndTarget);
    // github:Vonage/vonage-python-sdk http_client/tests/test_auth.py
    let vonage = "secret = { inline = 'signature_secret' }\n\
        verify = [{ scheme = 'hmac', form = 'sig', timestamp = { form = 'timestamp' }, tolerance = '10000w', \
        message = '&{form|without:sig|tame:&=:_|sorted|joined:=:&}' }]";
    let body = "param1=value1&param2=value2&timestamp=1234567890&sig=280c4320703dbc98bfa22db676655ed2acfbfe8792b062ff7622e67f1183c287";
    holds("vonage", vonage, &post(&[], body), Signed::Body);
    let tame = vonage.replace("signature_secret", "vonage-secret");
    let body = "sig=48e55702d2496aefb31c16da3a98182488c1645d0bf97f6eef4e57a377bab13a&timestamp=1700000000&a=x%26y%3Dz";
    assert_eq!(verdict(&plan(&tame), &post(&[FORM], body), NOW), Ok(()));
    // The construction of github:plivo/plivo-python plivo/utils/signature_v3.py, for a POST.
    let plivo = "public_url = 'https://hooks.example.com'\nsecret = { inline = 'plivo-token' }\n\
        verify = [{ scheme = 'hmac', header = ['X-Plivo-Signature-V3', 'X-Plivo-Signature-MA-V3'], \
        format = '{signature},', encoding = 'base64', \
        message = '{url|no_query}?[{query|sorted|joined:=:&}.]{form|sorted}.{header:X-Plivo-Signature-V3-Nonce}' }]";
    for (target, header, signature) in [
        (
            "/hook?b=2&a=1",
            "x-plivo-signature-v3",
            "YDAPs8KfkyYApY3K+OWPM/0IBNddQqlS9Xni8hcOjGU=",
        ),
        (
            "/hook",
            "x-plivo-signature-ma-v3",
            "AAAA,ENGzWUOk0g1XQncbOfZCRET059DzmX1jD15cXYFQo7o=",
        ),
    ] {
        let headers = [
            FORM,
            (header, signature),
            ("x-plivo-signature-v3-nonce", "nonce-1"),
        ];
        let delivery = request("POST", target, &headers, b"To=3&From=1+2&CallUUID=97");
        assert_eq!(verdict(&plan(plivo), &delivery, NOW), Ok(()), "{target}");
        let mut other = delivery.clone();
        other.query = Some("a=2&b=2".into());
        assert!(verdict(&plan(plivo), &other, NOW).is_err());
    }
    // github:plivo/plivo-node test/utils.js; the path `/` is signed as the sender was given it.
    for (origin, nonce, signature, token) in [
        (
            "https://answer.url",
            "12345",
            "ehV3IKhLysWBxC1sy8INm0qGoQYdYsHwuoKjsX7FsXc=",
            "my_auth_token",
        ),
        (
            "https://answer.url:8000",
            "24725744043720739450",
            "LDphWoWimP4QM5AoWI1uwP6WmlWtt5ITPZjXIWYvCNU=",
            "my_auth_token",
        ),
        (
            "https://answer.url:8080",
            "123456",
            "xeV6S6BPIQJ/rgKCjCm/Fo2ve5zNe1fatQoHyRT8vxQ=",
            "my_auth_tokens",
        ),
    ] {
        let keys = format!(
            "public_url = '{origin}'\nsecret = {{ inline = '{token}' }}\nverify = [{{ scheme = 'hmac', \
             header = 'X-Plivo-Signature-V2', encoding = 'base64', \
             message = '{{url|no_query}}{{header:X-Plivo-Signature-V2-Nonce}}' }}]"
        );
        let headers = [
            ("x-plivo-signature-v2", signature),
            ("x-plivo-signature-v2-nonce", nonce),
        ];
        let delivery = request("POST", "/?a=1", &headers, b"");
        holds(origin, &keys, &delivery, Signed::Target);
        let slashed = plan(&keys.replace("'\nsecret", "/'\nsecret"));
        assert!(verdict(&slashed, &delivery, NOW).is_err());
    }
}

#[test]
fn canonical_queries() {
    // Atlassian's "Query string hash" for Bitbucket, and one computed with Python.
    let qsh = "accept_weak = true\nmethods = ['GET', 'POST']\nverify = [{ scheme = 'digest', header = 'X-Qsh', \
        message = '{method|upper}&{path}&{query|without:jwt|sorted|encoded|grouped:,|joined:=:&}' }]";
    for (method, target, hash) in [
        (
            "GET",
            "/test?param=value",
            "be16910858a41fd19ea5c1b4e9decca9a784d1024cb00b2158defe2f29dc86dd",
        ),
        (
            "POST",
            "/hook?c=&a=3&jwt=x&b=+x&a=1,2",
            "03ec319c2065814ef3159b112225ae1297455dcb667933ab5658a25253ab7cf0",
        ),
        // Sorted as they are, not as they are written: GET&/p&r=.,%2F
        (
            "GET",
            "/p?r=/&r=.",
            "5cbf5a5d98e5902d743e7df3092f20c66fcac5f2fba8865e564226d580fdadd7",
        ),
    ] {
        let delivery = request(method, target, &[("x-qsh", hash)], b"");
        holds(target, qsh, &delivery, Signed::Target);
    }
    // Shopify's example for its `hmac` parameter, secret "hush": https://shopify.dev/docs/apps/build/authentication-authorization
    // (as in github:autotelic/fastify-hmac TESTING_EXAMPLES.md).
    let shopify = "secret = { inline = 'hush' }\nmethods = ['GET']\nverify = [{ scheme = 'hmac', query = 'hmac', \
        message = '{query|without:hmac|sorted|joined:=:&}' }]";
    let target = "/foo?code=0907a61c0c8d55e99db179b68161bc00&hmac=700e2dadb827fcc8609e9d5ce208b2e9cdaab9df07390d2cbca10d7c328fc4bf&shop=some-shop.myshopify.com&state=0.6784241404160823&timestamp=1337178173";
    let delivery = request("GET", target, &[], b"");
    assert_eq!(verdict(&plan(shopify), &delivery, NOW), Ok(()));
    let mut other = delivery;
    other.query = other
        .query
        .map(|query| query.replace("some-shop", "same-shop"));
    assert!(verdict(&plan(shopify), &other, NOW).is_err());
    // https://www.contentful.com/developers/docs/extensibility/app-framework/request-verification/
    let contentful = r#"secret = { inline = 'contentful-secret' }
        [[route.verify]]
        scheme = 'hmac'
        header = 'X-Contentful-Signature'
        timestamp = { header = 'X-Contentful-Timestamp', unit = 'ms' }
        message = "{method}\n{path_and_query}\n{headers:X-Contentful-Signed-Headers|sorted|joined/:/;}\n{body}""#;
    let headers = [
        (
            "x-contentful-signature",
            "c4610ce8ac81d631b0ba12998e63f3732402d30e9c5f91f1e01d71602baefd59",
        ),
        (
            "x-contentful-signed-headers",
            "x-contentful-signed-headers,x-contentful-timestamp",
        ),
        ("x-contentful-timestamp", "1700000000000"),
    ];
    let delivery = request("POST", "/hook?a=1", &headers, EVENT.as_bytes());
    holds("contentful", contentful, &delivery, Signed::BodyAndTarget);
    let mut unlisted = delivery.clone();
    unlisted.headers.remove("x-contentful-timestamp");
    assert!(verdict(&plan(contentful), &unlisted, NOW).is_err());
    // More than there are: to look for each of them would cost much.
    let mut long = delivery;
    let names = ["x-contentful-timestamp"; 100].join(",");
    let list = HeaderValue::try_from(names).unwrap();
    long.headers.insert("x-contentful-signed-headers", list);
    let refused = verdict(&plan(contentful), &long, NOW);
    assert_eq!(refused, Err(Rejection::SignatureMalformed));
}

#[test]
fn signatures_in_several_places_and_shapes() {
    for (what, keys, headers) in [
        (
            "box",
            "header = ['BOX-SIGNATURE-PRIMARY', 'BOX-SIGNATURE-SECONDARY'], encoding = 'base64'",
            &[
                ("box-signature-primary", "AAAA"),
                ("box-signature-secondary", DOCUSIGN),
            ][..],
        ),
        (
            "one of two headers",
            "header = ['BOX-SIGNATURE-PRIMARY', 'BOX-SIGNATURE-SECONDARY'], encoding = 'base64'",
            &[("box-signature-secondary", DOCUSIGN)],
        ),
        (
            "docusign",
            "header = 'X-DocuSign-Signature-{n}', encoding = 'base64'",
            &[
                ("x-docusign-signature-1", "AAAA"),
                ("x-docusign-signature-2", DOCUSIGN),
            ],
        ),
        (
            "optional prefix",
            "header = 'X-S', format = ['sha256={signature}', '{signature}'], encoding = 'base64'",
            &[("x-s", DOCUSIGN)],
        ),
    ] {
        let keys = format!(
            "secret = {{ inline = 'docusign-secret' }}\nverify = [{{ scheme = 'hmac', {keys} }}]"
        );
        holds(what, &keys, &post(headers, EVENT), Signed::Body);
        assert_eq!(
            verdict(&plan(&keys), &post(&[], EVENT), NOW),
            Err(Rejection::SignatureMissing),
            "{what}"
        );
    }
    let groups = |secret: &str, rest: &str| {
        format!("secret = [{secret}]\nverify = [{{ scheme = 'hmac', header = 'X-S', {rest} }}]")
    };
    let persona =
        "format = 't={timestamp},v1={signature}', groups = ' ', message = '{timestamp}.{body}'";
    let both = format!("t=1700000000,v1={PERSONA_ONE} t=1700000001,v1={PERSONA_TWO}");
    for (name, value) in [
        ("wbhsec_one", both.clone()),
        ("wbhsec_two", both),
        // An old group does not spoil a fresh one, whatever their order.
        (
            "wbhsec_two",
            format!("t=1600000000,v1={PERSONA_ONE} t=1700000001,v1={PERSONA_TWO}"),
        ),
        (
            "wbhsec_one",
            format!("t=1700000000,v1={PERSONA_ONE} t=1600000000,v1={PERSONA_ONE}"),
        ),
    ] {
        let keys = groups(&format!("{{ inline = '{name}' }}"), persona);
        holds(
            &value,
            &keys,
            &post(&[("x-s", &value)], EVENT),
            Signed::Body,
        );
    }
    let keys = groups("{ inline = 'wbhsec_two' }", persona);
    for (value, reason) in [
        (
            format!("t=1600000000,v1={PERSONA_TWO}"),
            Rejection::TimestampTooOld,
        ),
        (
            format!("t=1700000000,v1={PERSONA_TWO}"),
            Rejection::SignatureMismatch,
        ),
        ("t=1700000000 v1=".to_owned(), Rejection::SignatureMalformed),
        (
            (0..5)
                .map(|n| format!("t=170000000{n},v1={PERSONA_ONE}"))
                .collect::<Vec<_>>()
                .join(" "),
            Rejection::SignatureMalformed,
        ),
    ] {
        let delivery = post(&[("x-s", &value)], EVENT);
        assert_eq!(
            verdict(&plan(&keys), &delivery, NOW),
            Err(reason),
            "{value}"
        );
    }
    let worldpay = groups(
        "{ inline = 'worldpay-secret-1', name = '1' }, { inline = 'worldpay-secret-2', name = '2' }",
        "format = '{key_id}/SHA256/{signature}', groups = ','",
    );
    for (value, passes) in [
        (format!("9/SHA256/00,2/SHA256/{WORLDPAY}"), true),
        (format!("1/SHA256/{WORLDPAY},2/SHA256/{WORLDPAY}"), true),
        (format!("2/SHA512/{WORLDPAY}"), false),
        (format!("1/SHA256/{WORLDPAY}"), false),
        (format!("9/SHA256/{WORLDPAY}"), false),
    ] {
        let verdict = verdict(&plan(&worldpay), &post(&[("x-s", &value)], EVENT), NOW);
        assert_eq!(verdict.is_ok(), passes, "{value}");
    }
    let recurly = groups(
        "{ inline = 'recurly-secret' }",
        "format = '{timestamp},{signature},', timestamp = { unit = 'ms' }, message = '{timestamp}.{body}'",
    );
    for value in [
        format!("1700000000000,{RECURLY}"),
        format!("1700000000000,00,{RECURLY}"),
    ] {
        holds(
            &value,
            &recurly,
            &post(&[("x-s", &value)], EVENT),
            Signed::Body,
        );
    }
    let berbix = groups(
        "{ inline = 'berbix-secret' }",
        "format = 'v0,{timestamp},{signature}', message = '{timestamp},{secret},{body}'",
    );
    let value = "v0,1700000000,ac54c419c76245ee517812383bd312f020c4ed52a90ec144900cbc534a7f3a68";
    holds(
        "berbix",
        &berbix,
        &post(&[("x-s", value)], EVENT),
        Signed::Body,
    );
    let vipps = "public_url = 'https://hooks.example.com'\nsecret = { inline = 'vipps-secret' }\n\
        [[route.verify]]\nscheme = 'hmac'\nheader = 'Authorization'\nencoding = 'base64'\n\
        format = 'HMAC-SHA256 SignedHeaders=x-ms-date;host;x-ms-content-sha256&Signature={signature}'\n\
        timestamp = { header = 'x-ms-date', unit = 'rfc2822' }\n\
        message = \"{method}\\n{path_and_query}\\n{timestamp};{host};{body|sha256|base64}\"";
    let value = "HMAC-SHA256 SignedHeaders=x-ms-date;host;x-ms-content-sha256&Signature=POP4hYVnRQRd12TlpZD9fueBMexCPD4pLRC3VxBUtPI=";
    let headers = [
        ("authorization", value),
        ("x-ms-date", "Tue, 14 Nov 2023 22:13:20 GMT"),
    ];
    let delivery = request("POST", "/hook?a=1", &headers, EVENT.as_bytes());
    holds("vipps", vipps, &delivery, Signed::BodyAndTarget);
}

const DOCUSIGN: &str = "b7Wb0bXCinJg1izPBt/FJml1XByhFCJDFUOyjw2e9vc=";
const PERSONA_ONE: &str = "16ab0b22743cf06f5ff33f39129b092860f08e5f2f2836a46ec63398c0d3637a";
const PERSONA_TWO: &str = "b955c096840f420b6116ae63a0b8a9bbbe1d7c20012bc5aa83c8886dfec19116";
const WORLDPAY: &str = "698073c5246262bd183e2fe5797f689be613162d34aa61ad8377ff2da19455c1";
const RECURLY: &str = "858579b4f329de1964072e335e734cf6cceba0882525dc60d6995cbae4340297";

#[test]
fn documents_in_headers_and_key_ids() {
    // github:eBay/event-notification-nodejs-sdk test/test.json
    let key = "-----BEGIN PUBLIC KEY-----MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEZhhxXKtR+TOvtDbgTPCkSof02qgBB7IsYOyf76ilExJ/upAa/vKIKheOoCyOpcLmi4t0b4uepb7LLjmMr90FUg==-----END PUBLIC KEY-----";
    let value = "eyJhbGciOiJlY2RzYSIsImtpZCI6Ijk5MzYyNjFhLTdkN2ItNDYyMS1hMGYxLTk2Y2NiNDI4YWY0OSIsInNpZ25hdHVyZSI6Ik1FWUNJUUNmeGZJV3V4bVdjSUJRSjljNS9YN2lHREpxczJSQ0dzQkVhQWppbnlycmZBSWhBSVY2d0djVGlCdVY1S0pVaWYyaG9reXJMK1E5c3NIa2FkK214Mm5FRTI1dyIsImRpZ2VzdCI6IlNIQTEifQ==";
    let body = r#"{"metadata":{"topic":"MARKETPLACE_ACCOUNT_DELETION","schemaVersion":"1.0","deprecated":false},"notification":{"notificationId":"49feeaeb-4982-42d9-a377-9645b8479411_33f7e043-fed8-442b-9d44-791923bd9a6d","eventDate":"2021-03-19T20:43:59.462Z","publishDate":"2021-03-19T20:43:59.679Z","publishAttemptCount":1,"data":{"username":"test_user","userId":"ma8vp1jySJC","eiasToken":"nY+sHZ2PrBmdj6wVnY+sEZ2PrA2dj6wJnY+gAZGEpwmdj6x9nY+seQ=="}}}"#;
    let ebay = |name: &str| {
        format!(
            "public_key = {{ inline = '{key}', name = '{name}' }}\n\
             verify = [{{ scheme = 'signature', algorithm = 'ecdsa-p256-sha1', header = 'X-EBAY-SIGNATURE', \
             encoding = 'base64', format = {{ encoding = 'base64', signature = '/signature', key_id = '/kid' }} }}]"
        )
    };
    let delivery = post(&[("x-ebay-signature", value)], body);
    let wrapped = crate::verify::Encoding::Base64.encode(key.as_bytes());
    let once_more = ebay("9936261a-7d7b-4621-a0f1-96ccb428af49").replace(key, &wrapped);
    assert_eq!(verdict(&plan(&once_more), &delivery, NOW), Ok(()));
    let keys = ebay("9936261a-7d7b-4621-a0f1-96ccb428af49");
    holds("ebay", &keys, &delivery, Signed::Body);
    assert_eq!(
        verdict(&plan(&ebay("another")), &delivery, NOW),
        Err(Rejection::SignatureMismatch)
    );
    let by_header = "secret = [{ inline = 'worldpay-secret-1', name = '1' }, { inline = 'worldpay-secret-2', name = '2' }]\n\
        verify = [{ scheme = 'hmac', header = 'X-S', key_id = { header = 'X-Key' } }]";
    for (name, passes) in [("2", true), ("1", false), ("3", false), ("", false)] {
        let delivery = post(&[("x-s", WORLDPAY), ("x-key", name)], EVENT);
        assert_eq!(
            verdict(&plan(by_header), &delivery, NOW).is_ok(),
            passes,
            "{name}"
        );
    }
    // No key id: every key may match.
    assert_eq!(
        verdict(&plan(by_header), &post(&[("x-s", WORLDPAY)], EVENT), NOW),
        Ok(())
    );
}

#[test]
fn fields_and_constants() {
    let mercado = "secret = { inline = 'mercado-secret' }\nverify = [{ scheme = 'hmac', header = 'X-Signature', \
        format = 'ts={timestamp},v1={signature}', \
        message = '[id:{query:data.id|lower};][request-id:{header:x-request-id};]ts:{timestamp};' }]";
    for (target, id, signature) in [
        (
            "/hook?data.id=ABC123",
            "req-1",
            "1fc92dd7fe8002f7c207babc5f4c3e7f899afe64fcdf75c4a3eff591ba8b8b2c",
        ),
        (
            "/hook",
            "req-1",
            "658df5caf4cccd35d2ccdd9dcf9bc0cf5e1c1f4c2f3490b94bb9196d2def49fd",
        ),
    ] {
        let value = format!("ts=1700000000,v1={signature}");
        let headers = [("x-signature", &*value), ("x-request-id", id)];
        let delivery = request("POST", target, &headers, b"{}");
        holds(target, mercado, &delivery, Signed::Neither);
        let mut other = delivery.clone();
        other.query = Some("data.id=other".into());
        assert!(verdict(&plan(mercado), &other, NOW).is_err());
        other.headers.remove("x-request-id");
        assert!(verdict(&plan(mercado), &other, NOW).is_err());
    }
    let smile = "secret = { inline = 'smile-api-key' }\nconfig = { partner_id = '212' }\n\
        verify = [{ scheme = 'hmac', json = '/signature', encoding = 'base64', \
        message = '{timestamp}{config:partner_id}sid_request', timestamp = { json = '/timestamp', unit = 'rfc3339' } }]";
    let body = r#"{"signature":"UFb7sNSmYnt1Sn7uDQZFDWqikf8Cs6hnVm3f7fCzFew=","timestamp":"2023-11-14T22:13:20.000Z"}"#;
    holds("smile", smile, &post(&[], body), Signed::Neither);
    assert!(said(&smile.replace("config = ", "# ")).contains("no `config.partner_id`"));
    let braintree = "secret = { inline = 'integration_private_key' }\n\
        verify = [{ scheme = 'hmac', hash = 'sha1', secret_encoding = 'sha1', form = 'bt_signature', \
        groups = '&', format = '{any}|{signature}', message = '{form:bt_payload}' }]";
    let body = "bt_signature=other%7C00%26integration_public_key%7C9d8c26221276dbabd81c02e5f37208929f074e90&bt_payload=PG5vdGlmaWNhdGlvbj48L25vdGlmaWNhdGlvbj4%3D%0A";
    holds(
        "braintree",
        braintree,
        &post(&[FORM], body),
        Signed::Neither,
    );
    assert!(
        verdict(
            &plan(braintree),
            &post(&[FORM], &body.replace("PG5", "PG6")),
            NOW
        )
        .is_err()
    );
    assert!(verdict(&plan(braintree), &post(&[], body), NOW).is_err());
    let loyalty = "secret = { inline = 'whsec_00ff00ff00ff00ff00ff00ff00ff00ff' }\n\
        verify = [{ scheme = 'hmac', header = 'X-S', secret_prefix = 'whsec_', secret_encoding = 'hex' }]";
    let value = "4750cd4459e06b4fbe34d58f64ed701c9bae7ccda70ee64f841e48d04e0f35aa";
    holds(
        "open loyalty",
        loyalty,
        &post(&[("x-s", value)], EVENT),
        Signed::Body,
    );
    let sinch = "secret = { inline = 'c2luY2gtc2VjcmV0LWJ5dGVz', name = 'app' }\n[[route.verify]]\n\
        scheme = 'hmac'\nheader = 'Authorization'\nencoding = 'base64'\nsecret_encoding = 'base64'\n\
        format = 'Application {key_id}:{signature}'\ntimestamp = { header = 'X-Timestamp', unit = 'rfc3339' }\n\
        message = \"{method}\\n{body|md5|base64}\\n{header:content-type}\\nx-timestamp:{timestamp}\\n{path}\"";
    let headers = [
        (
            "authorization",
            "Application app:floACN4CUUQlEv6wdZnjymRBREcW6+qmM+0ZzhCUrpQ=",
        ),
        ("x-timestamp", "2023-11-14T22:13:20Z"),
        ("content-type", "application/json"),
    ];
    holds("sinch", sinch, &post(&headers, EVENT), Signed::Body);
    assert!(said(sinch).contains("only a checksum of the body is signed"));
    let paymob = "secret = { inline = 'paymob-secret' }\nverify = [{ scheme = 'hmac', hash = 'sha512', query = 'hmac', \
        message = '{json:/obj/amount_cents}{json:/obj/success}{json:/obj/order/currency}{json:/obj/none}' }]";
    let target = "/hook?hmac=472408adcb58f33f72b57f64bc5a1fbad966ba453105b4ebd923c5dc4cd6a13f2ff1e7a158f2efdcd330e78bf1c5d2b7d15ee6dd1e6e6a63d685d5a0f2ec110e";
    let body = r#"{"obj":{"amount_cents":100,"success":true,"order":{"currency":"EGP"}}}"#;
    let delivery = request("POST", target, &[], body.as_bytes());
    holds("paymob", paymob, &delivery, Signed::Neither);
    for other in ["100.0", "101", "[100]", "\"10\""] {
        let mut changed = delivery.clone();
        changed.body = body.replace("100", other).into_bytes();
        assert!(verdict(&plan(paymob), &changed, NOW).is_err(), "{other}");
    }
}

#[test]
fn every_element_of_a_batch() {
    // github:Adyen/adyen-php-api-library tests/Adyen/Util/HmacSignatureTest.php, and
    // github:Adyen/adyen-ruby-api-library spec/utils/hmac_validator_spec.rb. Both join the raw
    // values: nothing is escaped.
    let item = |signature: &str, reference: &str| {
        format!(
            r#"{{"NotificationRequestItem":{{"additionalData":{{"hmacSignature":"{signature}"}},"amount":{{"value":1130,"currency":"EUR"}},"pspReference":"{reference}","eventCode":"AUTHORISATION","merchantAccountCode":"TestMerchant","merchantReference":"TestPayment-1407325143704","success":"true"}}}}"#
        )
    };
    let batch = |items: &[String]| {
        let body = format!(
            r#"{{"live":"false","notificationItems":[{}]}}"#,
            items.join(",")
        );
        post(&[], &body)
    };
    let php = "Ny9gS2veKo5E4w8/OL6xz1/wvT/hYkAXy1xNc/QvO4I=";
    let ruby = "coqCmt/IZ4E3CzPvMY8zTjQVL5hYJUiBRg8UU+iCWo0=";
    let adyen = "secret = [{ inline = 'DFB1EB5485895CFA84146406857104ABB4CBCABDC8AAF103A624C8F6A3EAAB00', name = 'a' }, \
        { inline = '44782DEF547AAA06C910C43932B1EB0C71FC68D9D0C057550C48EC2ACF6BA056', name = 'b' }]\n\
        verify = [{ scheme = 'hmac', for_each = '/notificationItems', encoding = 'base64', secret_encoding = 'hex', \
        json = '/NotificationRequestItem/additionalData/hmacSignature', \
        message = '{json:/NotificationRequestItem/pspReference}:{json:/NotificationRequestItem/originalReference}:\
{json:/NotificationRequestItem/merchantAccountCode}:{json:/NotificationRequestItem/merchantReference}:\
{json:/NotificationRequestItem/amount/value}:{json:/NotificationRequestItem/amount/currency}:\
{json:/NotificationRequestItem/eventCode}:{json:/NotificationRequestItem/success}' }]";
    let plan = plan(adyen);
    let good = [
        item(php, "7914073381342284"),
        item(ruby, "7914073381342284"),
    ];
    assert_eq!(verdict(&plan, &batch(&good[..1]), NOW), Ok(()));
    assert_eq!(verdict(&plan, &batch(&good[1..]), NOW), Ok(()));
    assert_eq!(verdict(&plan, &batch(&good), NOW), Ok(()));
    let bad = item(php, "7914073381342285");
    for (what, items) in [
        ("first", vec![bad.clone(), good[1].clone()]),
        ("last", vec![good[0].clone(), bad]),
        ("none", vec![]),
        (
            "unsigned",
            vec![good[0].clone(), good[0].replace("hmacSignature", "other")],
        ),
        ("a scalar", vec![good[0].clone(), "1".into()]),
        ("null", vec!["null".into()]),
        (
            "a list",
            vec![good[0].replace("\"TestMerchant\"", "[\"TestMerchant\"]")],
        ),
        (
            "twice",
            vec![good[0].replace("\"eventCode\"", "\"eventCode\":\"REFUND\",\"eventCode\"")],
        ),
        ("many", vec![good[0].clone(); 101]),
    ] {
        assert!(verdict(&plan, &batch(&items), NOW).is_err(), "{what}");
    }
    for body in [
        "",
        "{}",
        r#"{"notificationItems":{}}"#,
        r#"{"notificationItems":[],"notificationItems":[]}"#,
    ] {
        let reason = verdict(&plan, &post(&[], body), NOW);
        assert!(reason.is_err(), "{body}");
    }
    let graph = super::plan(
        "secret = { inline = 'client-state' }\n\
         verify = [{ scheme = 'api_key', for_each = '/value', json = '/clientState' }]",
    );
    for (body, passes) in [
        (
            r#"{"value":[{"clientState":"client-state"},{"clientState":"client-state","a":1}]}"#,
            true,
        ),
        (
            r#"{"value":[{"clientState":"client-state"},{"clientState":"x"}]}"#,
            false,
        ),
        (r#"{"value":[{"clientState":"client-state"},{}]}"#, false),
        (r#"{"value":[]}"#, false),
        (r#"{"clientState":"client-state"}"#, false),
    ] {
        assert_eq!(
            verdict(&graph, &post(&[], body), NOW).is_ok(),
            passes,
            "{body}"
        );
    }
}

#[test]
fn tokens() {
    // github:messagebird/go-rest-api signature_jwt/testdata/reference.json
    let messagebird = "public_url = 'https://example.com'\n\
        secret = { inline = '36efdd1aace2e26cd490f0d951138253bef2f7c6d34d18981da781555cc4cebb' }\n\
        verify = [{ scheme = 'jwt', header = 'MessageBird-Signature-JWT', prefix = '', algorithms = ['HS256'], \
        issuer = 'MessageBird', body_hash = [{ claim = 'payload_hash' }, { claim = 'url_hash', message = '{url}' }] }]";
    let token = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJNZXNzYWdlQmlyZCIsIm5iZiI6MTYyNTQ3OTIwMCwiZXhwIjoxNjI1NDc5MjYwLCJqdGkiOiI5M2U1NTAwNi1hMGU4LTQ1MjYtYTE5MC1mYTVmZjAwZWExMTYiLCJ1cmxfaGFzaCI6IjQxZjA1ZjBkZGQwYTIyYWIyMDlhYzQ2ZjQ3YzQ1NzJkOWNlZmEyNTdlZDc0YjI0MDA0YmFlNzUzZWNlNmMyNjAiLCJwYXlsb2FkX2hhc2giOiJkZmZkNjAyMWJiMmJkNWIwYWY2NzYyOTA4MDllYzNhNTMxOTFkZDgxYzdmNzBhNGIyODY4OGEzNjIxODI5ODZmIn0._H--TOuYFLpeEH39-rg5E3IHVkjHozBcaKVWPRC5m9I";
    let target = "/path?bar=1&foo=2";
    let headers = [("messagebird-signature-jwt", token)];
    let delivery = request("POST", target, &headers, b"Hello, World!");
    let plan = plan(messagebird);
    let then = 1_625_479_200;
    assert_eq!(verdict(&plan, &delivery, then), Ok(()));
    for (method, target, body, reason) in [
        (
            "POST",
            target,
            &b"Hello, World?"[..],
            Rejection::JwtBodyHash,
        ),
        ("POST", target, b"", Rejection::JwtBodyHash),
        (
            "POST",
            "/path?bar=1&foo=3",
            b"Hello, World!",
            Rejection::JwtBodyHash,
        ),
        (
            "POST",
            "/other?bar=1&foo=2",
            b"Hello, World!",
            Rejection::JwtBodyHash,
        ),
    ] {
        let delivery = request(method, target, &headers, body);
        assert_eq!(verdict(&plan, &delivery, then), Err(reason), "{target}");
    }
    // RFC 7797 §4.2: the payload `$.02` is detached and not encoded.
    let detached = "secret = { inline = 'AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow' }\n\
        verify = [{ scheme = 'jwt', header = 'X-Sig', detached = true, algorithms = ['HS256'], secret_encoding = 'base64' }]";
    let token = "eyJhbGciOiJIUzI1NiIsImI2NCI6ZmFsc2UsImNyaXQiOlsiYjY0Il19..A5dxf2s96_n5FLueVuW1Z_vh161FwXZC4YLPff6dmDY";
    holds(
        "detached",
        detached,
        &post(&[("x-sig", token)], "$.02"),
        Signed::Body,
    );
    let old = detached.replace(
        "detached = true",
        "detached = true, issued_at = 'ts', max_age = '5m'",
    );
    assert_eq!(
        verdict(&super::plan(&old), &post(&[("x-sig", token)], "$.02"), NOW),
        Err(Rejection::JwtClaim)
    );
}
