use super::{AT, BODY, SECRET, WHSEC, explained, hs, raw, report, setup};
use crate::harness::Delivery;
use crate::signing::{base64url, digest, hex, hmac, rsa};

fn signature() -> String {
    hex(&hmac("sha256", SECRET.as_bytes(), BODY.as_bytes()))
}

#[test]
fn captures_of_every_form_are_judged_alike() {
    let setup = setup();
    std::fs::write(setup.folder.path().join("body.json"), BODY).unwrap();
    let good = signature();
    let har = serde_json::json!({"log": {"entries": [{"startedDateTime": "2026-09-21T10:00:00Z", "request": {
        "method": "POST", "url": "https://hooks.example/hmac", "headers": [{"name": "X-Signature", "value": good}],
        "postData": {"text": BODY}}}]}});
    for (form, capture) in [
        ("raw", raw(&Delivery::post("/hmac").header("X-Signature", &good).body(BODY))),
        ("raw, unix", format!("POST /hmac HTTP/1.1\nHost: h\nX-Signature: {good}\n\n{BODY}").into_bytes()),
        ("har", har.to_string().into_bytes()),
        ("curl", format!("curl -X POST https://hooks.example/hmac \\\n  -H 'X-Signature: {good}' --data-binary '{BODY}'").into_bytes()),
        ("curl, ansi", format!("curl https://h/hmac -H 'X-Signature: {good}' --data-raw $'{}'", BODY.replace('\\', "\\\\")).into_bytes()),
        ("curl, file", format!("curl https://h/hmac -HX-Signature:{good} -d @body.json").into_bytes()),
    ] {
        let found = report(&setup, &capture, &[]);
        assert_eq!(found["refused"], false, "{form}: {found:#}");
        assert_eq!(found["steps"][0]["check"], "hmac-sha256", "{form}");
        if form.starts_with("raw") {
            let wrong = report(&setup, &[&*capture, b"x"].concat(), &[]);
            assert_eq!(wrong["reason"], "signature_mismatch", "{form}");
        }
    }
    let output = explained(&setup, b"nonsense", &[]);
    assert_eq!(output.status.code(), Some(74));
}

#[test]
fn a_report_for_people_says_route_steps_reason_cause_and_fix() {
    let setup = setup();
    let delivery = Delivery::post("/ip")
        .header("X-Signature", "00")
        .header("X-Forwarded-For", "198.51.100.9")
        .body(BODY);
    let output = explained(
        &setup,
        &raw(&delivery),
        &["--from", "10.1.2.3", "--at", "2026-09-21T12:00:00Z"],
    );
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stdout).unwrap();
    for words in [
        "POST /ip -> route /ip, enforce",
        "FAIL  ip                 ip_not_allowed",
        "came      10.1.2.3, the peer of the connection",
        "FAIL  hmac-sha256        signature_mismatch",
        "expected  hmac-sha256 of `{body}` under one of `S`, in hex as `{signature}` in the header `x-signature`",
        "came      2 hex digits",
        "refused: 403 ip_not_allowed",
        "likely cause:\n  1. the request came through a proxy",
        "fix: ",
        "note: judged at 2026-09-21T12:00:00Z, as asked",
    ] {
        assert!(text.contains(words), "{words:?} in\n{text}");
    }
}

/// The facts that providers-seed.md says only a delivery can tell.
#[test]
fn one_delivery_settles_what_no_documentation_tells() {
    let setup = setup();
    let at = AT.to_string();
    let body = BODY.as_bytes();
    let bare = std::iter::repeat_with(|| base64url(&rsa(0).pss_salted(222, body)))
        .find(|text| text.contains('-'))
        .unwrap();
    let decoded = data_encoding::BASE64
        .decode(&WHSEC.as_bytes()[6..])
        .unwrap();
    let claims = |hash: &str| {
        format!(
            r#"{{"iss":"Prove Identity","exp":{},"iat":{AT},"digest":"{hash}"}}"#,
            AT + 120
        )
    };
    let prove = |secret: &[u8]| {
        let token = hs(&claims(&hex(&digest("sha256", body))), secret);
        Delivery::post("/prove")
            .header("X-Prove-Authorization", format!("Bearer {token}"))
            .body(BODY)
    };
    for (name, delivery, facts) in [
        (
            "prelude",
            Delivery::post("/prelude")
                .header("X-Webhook-Signature", format!("rsassa-pss-sha256={bare}"))
                .body(BODY),
            &["salt = \"max\"", "the URL-safe alphabet, without padding"][..],
        ),
        (
            "prelude, the other way",
            Delivery::post("/prelude")
                .header(
                    "X-Webhook-Signature",
                    format!(
                        "rsassa-pss-sha256={}",
                        crate::signing::base64url_padded(&rsa(0).pss("sha256", body))
                    ),
                )
                .body(BODY),
            &["salt = \"digest\"", "with padding"],
        ),
        (
            "authento",
            Delivery::post("/authento")
                .header(
                    "X-PAYLOAD-DIGEST",
                    hex(&hmac("sha256", SECRET.as_bytes(), body)),
                )
                .body(BODY),
            &["keyed (HMAC)", "hex in small letters"],
        ),
        (
            "prove",
            prove(WHSEC.as_bytes()),
            &[
                "as it is read now",
                "claims are digest, exp, iat, iss",
                "lives 2 min",
                "the claim `digest` is the sha256 of the body in hex",
            ],
        ),
    ] {
        let found = report(&setup, &raw(&delivery), &["--at", &at]);
        assert_eq!(found["refused"], false, "{name}: {found:#}");
        let settled = found["settled"].to_string().replace("\\\"", "\"");
        for fact in facts {
            assert!(settled.contains(fact), "{name}: {fact} in {settled}");
        }
    }
    let found = report(&setup, &raw(&prove(&decoded)), &["--at", &at]);
    assert_eq!(
        found["guesses"][0]["cause"], "secret_whsec",
        "the other reading of Prove's secret"
    );
    let plain = Delivery::post("/authento")
        .header("X-PAYLOAD-DIGEST", hex(&digest("sha256", body)))
        .body(BODY);
    let found = report(&setup, &raw(&plain), &["--at", &at]);
    assert_eq!(
        found["guesses"][0]["cause"], "digest_plain",
        "the other reading of Authento's digest"
    );
}

#[test]
fn a_reason_is_explained_without_any_configuration() {
    let folder = tempfile::TempDir::new().unwrap();
    let run = |words: &[&str]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_gatepost"));
        let output = command
            .current_dir(folder.path())
            .arg("explain")
            .args(words)
            .output()
            .unwrap();
        let text = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8(text).unwrap())
    };
    let (code, text) = run(&["signature_mismatch"]);
    assert_eq!(code, Some(0));
    assert!(
        text.starts_with("signature_mismatch (401)\n")
            && text.contains("\n  fix: compare the secret"),
        "{text}"
    );
    let (code, text) = run(&["signature_mismatsh"]);
    assert_eq!(code, Some(1));
    assert!(
        text.contains("did you mean `signature_mismatch`?"),
        "{text}"
    );
    let (code, text) = run(&[]);
    assert_eq!(code, Some(0));
    assert!(
        text.contains("no_route") && text.lines().count() > 35,
        "{text}"
    );
    let (code, text) = run(&["no_route", "--json"]);
    assert_eq!(code, Some(0));
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(value["status"], 404);
}
