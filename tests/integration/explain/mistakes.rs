use super::{AT, BODY, OLD, OTHER, SECRET, WHSEC, hs, raw, report, setup};
use crate::harness::Delivery;
use crate::signing::{base64, base64url, digest, ecdsa, ed25519, hex, hmac, jws, now, rsa};

/// A mistake: what it is, the request, the reason it is refused for, the cause that must come first.
struct Mistake {
    name: &'static str,
    delivery: Delivery,
    reason: &'static str,
    cause: &'static str,
    words: &'static [&'static str],
}

fn mistake(
    name: &'static str,
    delivery: Delivery,
    reason: &'static str,
    cause: &'static str,
) -> Mistake {
    Mistake {
        name,
        delivery,
        reason,
        cause,
        words: &[],
    }
}

fn signed(path: &str, value: &str) -> Delivery {
    Delivery::post(path).header("X-Signature", value).body(BODY)
}

fn sha256(secret: &str, message: &str) -> String {
    hex(&hmac("sha256", secret.as_bytes(), message.as_bytes()))
}

fn claims(changes: &[(&str, serde_json::Value)]) -> String {
    let mut claims = serde_json::json!({
        "iss": "Issuer", "aud": "https://hooks.example", "sub": "a", "iat": AT, "exp": AT + 300,
    });
    for (name, value) in changes {
        if value.is_null() {
            claims.as_object_mut().unwrap().remove(*name);
        } else {
            claims[*name] = value.clone();
        }
    }
    claims.to_string()
}

fn token(path: &str, token: &str) -> Delivery {
    Delivery::post(path)
        .header("Authorization", format!("Bearer {token}"))
        .body(BODY)
}

fn standard(secret: &[u8], id: &str, at: i64) -> Delivery {
    let message = format!("{id}.{at}.{BODY}");
    Delivery::post("/standard")
        .header("webhook-id", id)
        .header("webhook-timestamp", at.to_string())
        .header(
            "webhook-signature",
            format!("v1,{}", base64(&hmac("sha256", secret, message.as_bytes()))),
        )
        .body(BODY)
}

fn secrets() -> Vec<Mistake> {
    let decoded = data_encoding::BASE64.decode(SECRET.as_bytes()).unwrap();
    let m = "signature_mismatch";
    vec![
        mistake(
            "newline on the sender's secret",
            signed("/hmac", &sha256(&format!("{SECRET}\n"), BODY)),
            m,
            "secret_newline",
        ),
        mistake(
            "base64 secret taken as text",
            signed("/hmac", &hex(&hmac("sha256", &decoded, BODY.as_bytes()))),
            m,
            "secret_base64",
        ),
        mistake(
            "text secret taken as base64",
            signed("/hex-secret", &sha256(SECRET, BODY)),
            m,
            "secret_text",
        ),
        mistake(
            "whsec_ secret taken as text",
            token("/jwt-whsec", &hs(&claims(&[]), &decoded)),
            "jwt_signature",
            "secret_whsec",
        ),
        mistake(
            "whsec_ secret decoded, sender takes the text",
            standard(WHSEC.as_bytes(), "msg_1", AT),
            m,
            "secret_text",
        ),
        mistake(
            "secret of another route",
            signed("/hmac", &sha256(OTHER, BODY)),
            m,
            "other_route_secret",
        ),
        mistake(
            "a secret past until",
            signed("/rotated", &sha256(OLD, BODY)),
            m,
            "secret_expired",
        ),
        mistake(
            "a secret before not_before",
            signed("/rotated", &sha256("next-years-secret-0123456789", BODY)),
            m,
            "secret_not_yet",
        ),
        mistake(
            "quite another secret",
            signed("/hmac", &sha256("who-knows-0123456789", BODY)),
            m,
            "other_secret",
        ),
        mistake(
            "a key id that is no name",
            signed("/keyed", &format!("k=other,s={}", sha256(SECRET, BODY))),
            m,
            "key_id",
        ),
        mistake(
            "the secret with a space",
            signed("/hmac", &sha256(&format!("{SECRET} "), BODY)),
            m,
            "secret_whitespace",
        ),
        mistake(
            "prove: whsec_ decoded",
            Delivery::post("/prove")
                .header(
                    "X-Prove-Authorization",
                    format!(
                        "Bearer {}",
                        hs(&claims(&[("iss", "Prove Identity".into())]), &decoded)
                    ),
                )
                .body(BODY),
            "jwt_signature",
            "secret_whsec",
        ),
    ]
}

fn bodies() -> Vec<Mistake> {
    let m = "signature_mismatch";
    let sent = |signed_body: &str, received: &str| {
        signed("/hmac", &sha256(SECRET, signed_body)).body(received)
    };
    let python =
        r#"{"id": "evt_1", "type": "order.paid", "amount": 1.50, "note": "caf\u00e9 a/b"}"#;
    vec![
        mistake(
            "a newline added to the body",
            sent(BODY, &format!("{BODY}\n")),
            m,
            "body_newline",
        ),
        mistake(
            "a newline cut off the body",
            sent(&format!("{BODY}\n"), BODY),
            m,
            "body_newline",
        ),
        mistake(
            "line ends turned",
            sent("a\nb\n", "a\r\nb\r\n"),
            m,
            "body_line_ends",
        ),
        mistake(
            "line ends turned the other way",
            sent("a\r\nb\r\n", "a\nb\n"),
            m,
            "body_line_ends",
        ),
        mistake(
            "written anew compactly, was with spaces",
            sent(python, BODY),
            m,
            "body_rewritten",
        ),
        mistake(
            "written anew with spaces, was compact",
            sent(BODY, python),
            m,
            "body_rewritten",
        ),
        mistake(
            "pretty-printed on the way",
            sent("{\"a\":1}", "{\n  \"a\": 1\n}"),
            m,
            "body_rewritten",
        ),
        mistake(
            "characters unescaped on the way",
            sent(BODY, &BODY.replace("\\u00e9", "é")),
            m,
            "body_escaped",
        ),
        mistake(
            "cut in the middle",
            sent(BODY, &BODY[..30]).header("Content-Length", BODY.len().to_string()),
            m,
            "body_length",
        ),
        mistake(
            "another body altogether",
            Delivery::post("/plain")
                .header("X-Digest", hex(&digest("sha256", b"x")))
                .body(BODY),
            "digest_mismatch",
            "body_changed",
        ),
        mistake(
            "a compressed body",
            signed("/hmac", &sha256(SECRET, BODY)).header("Content-Encoding", "gzip"),
            "body_encoded",
            "body_encoded",
        ),
    ]
}

fn written() -> Vec<Mistake> {
    let (m, malformed) = ("signature_mismatch", "signature_malformed");
    let good = sha256(SECRET, BODY);
    let of = |hash: &str| hmac(hash, SECRET.as_bytes(), BODY.as_bytes());
    vec![
        mistake(
            "base64 instead of hex",
            signed("/hmac", &base64(&of("sha256"))),
            malformed,
            "encoding",
        ),
        mistake(
            "hex instead of base64",
            signed("/sha512", &hex(&of("sha512"))),
            m,
            "encoding",
        ),
        mistake(
            "sha1 instead of sha256",
            signed("/hmac", &hex(&of("sha1"))),
            m,
            "hash",
        ),
        mistake(
            "sha512 instead of sha256",
            signed("/hmac", &hex(&of("sha512"))),
            m,
            "hash",
        ),
        mistake(
            "prefix missing",
            signed("/prefixed", &good),
            malformed,
            "prefix",
        ),
        mistake(
            "prefix not expected",
            signed("/hmac", &format!("sha256={good}")),
            malformed,
            "prefix",
        ),
        mistake(
            "another header",
            Delivery::post("/hmac")
                .header("X-Hub-Signature", &good)
                .body(BODY),
            "signature_missing",
            "other_header",
        ),
        mistake(
            "a header of a similar name, wrong too",
            Delivery::post("/hmac")
                .header("X-Signatur", "zz")
                .body(BODY),
            "signature_missing",
            "similar_header",
        ),
        mistake(
            "no header at all",
            Delivery::post("/hmac").body(BODY),
            "signature_missing",
            "missing",
        ),
        mistake(
            "the header twice",
            signed("/hmac", &good).header("X-Signature", &good),
            "credential_repeated",
            "repeated",
        ),
        mistake(
            "quotes around the signature",
            signed("/hmac", &format!("\"{good}\"")),
            malformed,
            "whitespace",
        ),
        mistake(
            "a plain digest",
            signed("/hmac", &hex(&digest("sha256", BODY.as_bytes()))),
            m,
            "digest_plain",
        ),
        mistake(
            "an HMAC where a digest is expected",
            Delivery::post("/plain")
                .header("X-Digest", &good)
                .body(BODY),
            "digest_mismatch",
            "digest_keyed",
        ),
        mistake(
            "authento: plain digest",
            Delivery::post("/authento")
                .header("X-PAYLOAD-DIGEST", hex(&digest("sha256", BODY.as_bytes())))
                .body(BODY),
            m,
            "digest_plain",
        ),
        mistake(
            "the timestamp is signed too",
            Delivery::post("/hmac")
                .header("X-Signature", sha256(SECRET, &format!("{AT}.{BODY}")))
                .header("X-Timestamp", AT.to_string())
                .body(BODY),
            m,
            "message",
        ),
        mistake(
            "base64 and a prefix",
            signed("/prefixed", &base64(&of("sha256"))),
            malformed,
            "encoding+prefix",
        ),
    ]
}

fn urls() -> Vec<Mistake> {
    let m = "signature_mismatch";
    let url = |url: &str| signed("/url", &sha256(SECRET, &format!("{url}{BODY}")));
    vec![
        mistake(
            "http instead of https",
            url("http://hooks.example/url"),
            m,
            "url_scheme",
        ),
        mistake(
            "another host",
            url("https://edge.example/url").header("X-Forwarded-Host", "edge.example"),
            m,
            "url_host",
        ),
        mistake(
            "a port in the URL",
            url("https://hooks.example:443/url"),
            m,
            "url_port",
        ),
        mistake(
            "a slash at the end",
            url("https://hooks.example/url/"),
            m,
            "url_slash",
        ),
        mistake(
            "no query",
            {
                let mut delivery = url("https://hooks.example/url");
                delivery.target = "/url?a=b".into();
                delivery
            },
            m,
            "url_query",
        ),
    ]
}

fn times() -> Vec<Mistake> {
    let timed = |at: i64| {
        signed(
            "/timed",
            &format!("t={at},v1={}", sha256(SECRET, &format!("{at}.{BODY}"))),
        )
    };
    let zoned = |at: &str| {
        Delivery::post("/zoned")
            .header("X-Time", at)
            .header("X-Signature", sha256(SECRET, &format!("{at}.{BODY}")))
            .body(BODY)
    };
    let at = |offset: i64| {
        jiff::Timestamp::from_second(AT + offset)
            .unwrap()
            .to_string()
    };
    vec![
        mistake(
            "ten minutes old",
            timed(AT - 600),
            "timestamp_too_old",
            "clock_skew",
        ),
        mistake(
            "ten minutes ahead",
            timed(AT + 600),
            "timestamp_in_future",
            "clock_skew",
        ),
        mistake(
            "milliseconds instead of seconds",
            timed(AT * 1000),
            "timestamp_malformed",
            "timestamp_unit",
        ),
        mistake(
            "two hours off: a zone",
            zoned(&at(7200)),
            "timestamp_in_future",
            "clock_skew",
        ),
        mistake(
            "seconds instead of RFC 3339",
            zoned(&AT.to_string()),
            "timestamp_malformed",
            "timestamp_unit",
        ),
        mistake(
            "old, and with another secret of ours",
            {
                let old = AT - 7200;
                signed(
                    "/timed",
                    &format!("t={old},v1={}", sha256(OTHER, &format!("{old}.{BODY}"))),
                )
            },
            "timestamp_too_old",
            "other_route_secret",
        ),
    ]
}

fn keys() -> Vec<Mistake> {
    let m = "signature_mismatch";
    let body = BODY.as_bytes();
    vec![
        mistake(
            "a salt of another length",
            signed("/rsa", &base64(&rsa(0).pss_salted(222, body))),
            m,
            "salt",
        ),
        mistake(
            "a salt of 20 bytes",
            signed("/rsa", &base64(&rsa(0).pss_salted(20, body))),
            m,
            "salt",
        ),
        mistake(
            "PKCS #1 instead of PSS",
            signed("/rsa", &base64(&rsa(0).pkcs1("sha256", body))),
            m,
            "algorithm",
        ),
        mistake(
            "the key of another route",
            signed("/rsa", &base64(&rsa(1).pss("sha256", body))),
            m,
            "other_key",
        ),
        mistake(
            "an unknown key",
            signed("/rsa", &base64(&rsa(2).pss("sha256", body))),
            m,
            "other_secret",
        ),
        mistake(
            "hashed twice",
            signed(
                "/rsa",
                &base64(&rsa(0).pss("sha256", &digest("sha256", body))),
            ),
            m,
            "prehash",
        ),
        mistake(
            "P1363 instead of DER",
            signed("/ec", &base64(&ecdsa("P-256").sign_bare(body))),
            m,
            "signature_format",
        ),
        mistake(
            "prelude: standard alphabet",
            {
                // One that has a character that the two alphabets write differently.
                let encoded = std::iter::repeat_with(|| base64(&rsa(0).pss("sha256", body)))
                    .find(|text| text.contains(['+', '/']))
                    .unwrap();
                Delivery::post("/prelude")
                    .header(
                        "X-Webhook-Signature",
                        format!("rsassa-pss-sha256={encoded}"),
                    )
                    .body(BODY)
            },
            "signature_malformed",
            "encoding",
        ),
        mistake(
            "the timestamp is not signed",
            Delivery::post("/ed")
                .header("X-Signature", hex(ed25519().sign(body).as_ref()))
                .header("X-Signature-Timestamp", AT.to_string())
                .body(BODY),
            m,
            "message",
        ),
    ]
}

fn credentials() -> Vec<Mistake> {
    let basic = |text: &str| {
        Delivery::post("/basic")
            .header(
                "Authorization",
                format!("Basic {}", base64(text.as_bytes())),
            )
            .body(BODY)
    };
    let authorized = |path: &str, value: &str| {
        Delivery::post(path)
            .header("Authorization", value)
            .body(BODY)
    };
    let (missing, malformed, wrong) = (
        "credential_missing",
        "credential_malformed",
        "credential_wrong",
    );
    vec![
        mistake(
            "the key as a bearer token",
            authorized("/key", &format!("Bearer {SECRET}")),
            missing,
            "other_header",
        ),
        mistake(
            "the key in the query",
            {
                let mut d = Delivery::post("/key").body(BODY);
                d.target = format!("/key?api_key={SECRET}");
                d
            },
            missing,
            "other_place",
        ),
        mistake(
            "no key",
            Delivery::post("/key").body(BODY),
            missing,
            "missing",
        ),
        mistake(
            "the key of another route",
            Delivery::post("/key").header("X-Api-Key", OTHER).body(BODY),
            wrong,
            "other_route_secret",
        ),
        mistake(
            "the key in quotes",
            Delivery::post("/key")
                .header("X-Api-Key", format!("\"{SECRET}\""))
                .body(BODY),
            wrong,
            "credential_quotes",
        ),
        mistake(
            "the key as base64",
            Delivery::post("/key")
                .header("X-Api-Key", base64(SECRET.as_bytes()))
                .body(BODY),
            wrong,
            "secret_text",
        ),
        mistake(
            "Bearer instead of Token",
            authorized("/token", &format!("Bearer {SECRET}")),
            malformed,
            "prefix",
        ),
        mistake(
            "another user",
            basic(&format!("hook:{SECRET}")),
            wrong,
            "username",
        ),
        mistake(
            "user and password swapped",
            basic(&format!("{SECRET}:hooks")),
            wrong,
            "swapped",
        ),
        mistake(
            "bearer instead of basic",
            authorized("/basic", &format!("Bearer {SECRET}")),
            malformed,
            "authorization_scheme",
        ),
        mistake(
            "basic not in base64",
            authorized("/basic", &format!("Basic hooks:{SECRET}")),
            malformed,
            "credential_encoding",
        ),
        mistake(
            "a wrong password",
            basic("hooks:who-knows-0123456789"),
            wrong,
            "other_secret",
        ),
        mistake(
            "a bare token",
            authorized("/bearer", SECRET),
            malformed,
            "authorization_scheme",
        ),
        mistake(
            "basic instead of bearer",
            authorized(
                "/bearer",
                &format!("Basic {}", base64(format!("x:{SECRET}").as_bytes())),
            ),
            malformed,
            "authorization_scheme",
        ),
    ]
}

fn tokens() -> Vec<Mistake> {
    let with = |changes: &[(&str, serde_json::Value)]| {
        token("/jwt", &hs(&claims(changes), SECRET.as_bytes()))
    };
    let good = hs(&claims(&[]), SECRET.as_bytes());
    let hs512 = jws(r#"{"alg":"HS512"}"#, &claims(&[]), |message| {
        hmac("sha512", SECRET.as_bytes(), message)
    });
    vec![
        mistake(
            "another issuer",
            with(&[("iss", "Other".into())]),
            "jwt_claim",
            "issuer",
        ),
        mistake(
            "another audience",
            with(&[("aud", "https://other.example".into())]),
            "jwt_claim",
            "audience",
        ),
        mistake(
            "a claim is absent",
            with(&[("sub", serde_json::Value::Null)]),
            "jwt_claim",
            "required_claim",
        ),
        mistake(
            "an expired token",
            with(&[("iat", (AT - 4000).into()), ("exp", (AT - 3600).into())]),
            "jwt_expired",
            "clock_skew",
        ),
        mistake(
            "a token of the future",
            with(&[("iat", (AT + 900).into()), ("exp", (AT + 1200).into())]),
            "jwt_not_yet_valid",
            "clock_skew",
        ),
        mistake(
            "dates in milliseconds",
            with(&[
                ("iat", (AT * 1000).into()),
                ("exp", (AT * 1000 + 300_000).into()),
            ]),
            "jwt_not_yet_valid",
            "timestamp_unit",
        ),
        mistake(
            "another algorithm",
            token("/jwt", &hs512),
            "jwt_algorithm_not_allowed",
            "algorithm",
        ),
        mistake(
            "no Bearer before it",
            Delivery::post("/jwt")
                .header("Authorization", &good)
                .body(BODY),
            "credential_malformed",
            "prefix",
        ),
        mistake(
            "the token in another header",
            Delivery::post("/jwt").header("X-Token", &good).body(BODY),
            "credential_missing",
            "other_header",
        ),
        mistake(
            "the secret of another route",
            token("/jwt", &hs(&claims(&[]), OTHER.as_bytes())),
            "jwt_signature",
            "other_route_secret",
        ),
        mistake(
            "the body's hash in base64",
            token(
                "/jwt-body",
                &hs(
                    &claims(&[("hash", base64(&digest("sha256", BODY.as_bytes())).into())]),
                    SECRET.as_bytes(),
                ),
            ),
            "jwt_body_hash",
            "body_hash",
        ),
        mistake(
            "a rewritten body under a token",
            token(
                "/jwt-body",
                &hs(
                    &claims(&[("hash", hex(&digest("sha256", BODY.as_bytes())).into())]),
                    SECRET.as_bytes(),
                ),
            )
            .body(format!("{BODY}\n")),
            "jwt_body_hash",
            "body_newline",
        ),
    ]
}

fn places() -> Vec<Mistake> {
    let good = sha256(SECRET, BODY);
    let from = |mut mistake: Mistake, words: &'static [&'static str]| {
        mistake.words = words;
        mistake
    };
    vec![
        mistake(
            "a slash at the end of the path",
            signed("/hmac/", &good),
            "no_route",
            "path_slash",
        ),
        mistake(
            "the path in capitals",
            signed("/HMAC", &good),
            "no_route",
            "path_case",
        ),
        mistake(
            "a doubled slash",
            signed("//hmac", &good),
            "path_invalid",
            "path_invalid",
        ),
        mistake(
            "a misspelt path",
            signed("/hmca", &good),
            "no_route",
            "path",
        ),
        mistake(
            "a prefix that the proxy left",
            signed("/api/hmac", &good),
            "no_route",
            "path",
        ),
        mistake(
            "another host",
            signed("/hooks/nested/x", &good),
            "no_route",
            "host",
        ),
        mistake(
            "GET",
            Delivery::new("GET", "/hmac"),
            "method_not_allowed",
            "method",
        ),
        from(
            mistake(
                "an ingress that is not trusted",
                signed("/ip", &good).header("X-Forwarded-For", "198.51.100.9"),
                "ip_not_allowed",
                "trusted_proxies",
            ),
            &["--from", "10.0.3.7"],
        ),
        from(
            mistake(
                "an address that is not listed",
                signed("/ip", &good),
                "ip_not_allowed",
                "ip",
            ),
            &["--from", "203.0.113.5"],
        ),
        mistake(
            "a proxy that is not trusted behind one that is",
            signed("/ip", &good).header("X-Forwarded-For", "198.51.100.9, 10.0.0.1"),
            "ip_not_allowed",
            "trusted_proxies",
        ),
        mistake(
            "the event type elsewhere",
            signed("/event", &good),
            "event_missing",
            "event_place",
        ),
        mistake(
            "two hosts",
            signed("/hmac", &good)
                .header("Host", "a")
                .header("Host", "b"),
            "request_malformed",
            "malformed",
        ),
    ]
}

/// One or many: elements, values, keys.
fn several() -> Vec<Mistake> {
    let part = |id: &str| format!(r#"{{"id":"{id}","sign":"{}"}}"#, sha256(SECRET, id));
    let json = |path: &str, body: String| Delivery::post(path).body(body);
    let right = sha256(SECRET, BODY);
    vec![
        mistake(
            "each element signed, the whole expected",
            json("/whole", format!("[{},{}]", part("a"), part("b"))),
            "signature_missing",
            "for_each",
        ),
        mistake(
            "the elements stand in another list",
            json("/each", format!(r#"{{"data":[{}]}}"#, part("a"))),
            "signature_malformed",
            "for_each",
        ),
        mistake(
            "the whole signed, each element expected",
            json("/each", part("a")),
            "signature_malformed",
            "for_each",
        ),
        mistake(
            "several signatures in one header",
            signed("/prefixed", &format!("sha256=00,sha256={right}")),
            "signature_malformed",
            "groups",
        ),
        mistake(
            "a key id in a header, and no key of that name",
            signed("/named", &right).header("X-Key-Id", "other"),
            "signature_mismatch",
            "key_id",
        ),
        mistake(
            "a time with a fraction",
            signed(
                "/timed",
                &format!("t={AT}.5,v1={}", sha256(SECRET, &format!("{AT}.5.{BODY}"))),
            ),
            "timestamp_malformed",
            "timestamp_unit",
        ),
    ]
}

/// RFC 9421: the components of `input`, each with its value, under the secret of the route.
fn message(input: &str, base: &[(&str, &str)], body: &str) -> Delivery {
    let digest = format!("sha-256=:{}:", base64(&digest("sha256", BODY.as_bytes())));
    let lines = base.iter().fold(String::new(), |lines, (name, value)| {
        lines + &format!("\"{name}\": {value}\n")
    });
    let base = format!("{lines}\"content-digest\": {digest}\n\"@signature-params\": {input}");
    let signature = base64(&hmac("sha256", SECRET.as_bytes(), base.as_bytes()));
    Delivery::post("/message")
        .with("Host", "hooks.example")
        .header("Content-Digest", digest)
        .header("Signature-Input", format!("sig={input}"))
        .header("Signature", format!("sig=:{signature}:"))
        .body(body)
}

fn message_signatures() -> Vec<Mistake> {
    let method = ("@method", "POST");
    let url = ("@target-uri", "https://hooks.example/message");
    let plain = ("@target-uri", "http://hooks.example/message");
    let all = |at: i64| format!("(\"@method\" \"@target-uri\" \"content-digest\");created={at}");
    let few = format!("(\"@method\" \"content-digest\");created={AT}");
    vec![
        mistake(
            "a message signature over too little",
            message(&few, &[method], BODY),
            "signature_malformed",
            "components",
        ),
        mistake(
            "a message signature over another URL",
            message(&all(AT), &[method, plain], BODY),
            "signature_mismatch",
            "public_url",
        ),
        mistake(
            "a message signature of yesterday",
            message(&all(AT - 86_400), &[method, url], BODY),
            "timestamp_too_old",
            "clock_skew",
        ),
        mistake(
            "a body with a digest that got a newline",
            message(&all(AT), &[method, url], &format!("{BODY}\n")),
            "digest_mismatch",
            "body_newline",
        ),
    ]
}

#[test]
fn the_true_cause_of_each_prepared_mistake_is_named_first() {
    let setup = setup();
    let at = AT.to_string();
    let mut wrong = Vec::new();
    let groups = [
        secrets(),
        bodies(),
        written(),
        urls(),
        times(),
        keys(),
        credentials(),
        tokens(),
        places(),
        several(),
        message_signatures(),
    ];
    let mistakes: Vec<Mistake> = groups.into_iter().flatten().collect();
    let count = mistakes.len();
    assert!(count >= 40);
    for Mistake {
        name,
        delivery,
        reason,
        cause,
        words,
    } in mistakes
    {
        let mut all = vec!["--at", &at];
        all.extend(words);
        let report = report(&setup, &raw(&delivery), &all);
        let first = report["guesses"][0]["cause"].as_str().unwrap_or_default();
        if report["reason"] != reason || first != cause {
            wrong.push(format!(
                "{name}: {} {first} instead of {reason} {cause}\n{report:#}",
                report["reason"]
            ));
        }
        let fix = report["guesses"][0]["fix"].as_str().unwrap_or_default();
        assert!(fix.len() > 10, "{name}: a fix");
        let text = report.to_string();
        for secret in [SECRET, OTHER, OLD, "MfKQ9r8GKYqrTwj"] {
            assert!(!text.contains(secret), "{name}: {text}");
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {count}:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

/// A guess is no acceptance: what explain finds stays refused by the running gate.
#[test]
fn a_near_miss_is_never_accepted() {
    let setup = setup();
    let gate = setup.start();
    let encoded = data_encoding::BASE64.decode(SECRET.as_bytes()).unwrap();
    let time = now();
    for (name, delivery, reason) in [
        (
            "newline",
            signed("/hmac", &sha256(&format!("{SECRET}\n"), BODY)),
            "signature_mismatch",
        ),
        (
            "base64",
            signed("/hmac", &hex(&hmac("sha256", &encoded, BODY.as_bytes()))),
            "signature_mismatch",
        ),
        (
            "other route",
            signed("/hmac", &sha256(OTHER, BODY)),
            "signature_mismatch",
        ),
        (
            "expired",
            signed("/rotated", &sha256(OLD, BODY)),
            "signature_mismatch",
        ),
        (
            "plain",
            signed("/hmac", &hex(&digest("sha256", BODY.as_bytes()))),
            "signature_mismatch",
        ),
        (
            "old",
            signed(
                "/timed",
                &format!(
                    "t={0},v1={1}",
                    time - 600,
                    sha256(SECRET, &format!("{}.{BODY}", time - 600))
                ),
            ),
            "timestamp_too_old",
        ),
        (
            "salt",
            signed("/rsa", &base64(&rsa(0).pss_salted(222, BODY.as_bytes()))),
            "signature_mismatch",
        ),
        (
            "url",
            signed(
                "/hmac",
                &base64url(&hmac("sha256", SECRET.as_bytes(), BODY.as_bytes())),
            ),
            "signature_malformed",
        ),
    ] {
        gate.refuses(name, &delivery, 401, reason);
    }
}
