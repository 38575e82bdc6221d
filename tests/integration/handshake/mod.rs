//! What a provider asks before it sends events: answered here, exactly then, and never by the app.

mod shipped;

use crate::harness::{Delivery, Gatepost, Response, Setup, Upstream};
use crate::signing::{base64, hex, hmac, now};

const SECRET: &str = "handshake-secret-01";
const TOKEN: &str = "verify-token-0123";

/// Own providers that ask in every way there is.
const ROUTES: &str = r#"
[[route]]
path = "/token"
secret = { env = "SECRET" }
verify_token = { env = "TOKEN" }
allow_ips = ["198.51.100.1"]
verify = [{ scheme = "hmac", header = "X-Sig", format = "sha256={signature}" }]
[[route.handshake]]
method = "GET"
when = [{ query = "hub.mode", equals = "subscribe" }, { query = "hub.verify_token", is = "verify_token" }]
challenge = { query = "hub.challenge", alphabet = "A-Za-z0-9", max = 32 }
reply = { text = "{challenge}" }

[[route]]
path = "/crc"
secret = { env = "SECRET" }
verify = [{ scheme = "hmac", header = "X-Sig", encoding = "base64" }]
[[route.handshake]]
method = "GET"
challenge = { query = "crc_token", alphabet = "A-Za-z0-9._~+/=-", max = 64 }
proof = { scheme = "hmac", hash = "sha256", encoding = "base64" }
reply = { json = '{"response_token":"sha256={proof}"}' }

[[route]]
path = "/sibling"
secret = { env = "SECRET" }
verify = [{ scheme = "hmac", header = "X-Sig", encoding = "base64" }]

[[route]]
path = "/signed"
secret = { env = "SECRET" }
verify = [{ scheme = "hmac", header = "X-Sig", format = "v0={signature}", message = "v0:{timestamp}:{body}", timestamp = { header = "X-Time" } }]
event = { type = { json = "/event" }, required = true }
[[route.handshake]]
signed = true
when = [{ json = "/type", equals = "url_verification" }]
challenge = { json = "/challenge" }
reply = { text = "{challenge}" }
[[route.handshake]]
signed = true
when = [{ json = "/type", equals = "0" }]
reply = { status = 204 }

[[route]]
path = "/body"
secret = { env = "SECRET" }
verify = [{ scheme = "hmac", header = "X-Sig" }]
[[route.handshake]]
members = ["challenge"]
challenge = { json = "/challenge", max = 64 }
reply = { json = '{"challenge":"{challenge}"}' }

[[route]]
path = "/header"
secret = { env = "SECRET" }
verify = [{ scheme = "api_key", header = "X-Key" }]
[[route.handshake]]
body = "any"
challenge = { header = "X-Hook-Secret", alphabet = "a-f0-9", max = 64 }
reply = { headers = { X-Hook-Secret = "{challenge}" } }
hint = "the secret stands in the answer to the creation"
[[route.handshake]]
method = "HEAD"
reply = { status = 200 }

[[route]]
path = "/observed"
mode = "observe"
secret = { env = "SECRET" }
verify = [{ scheme = "hmac", header = "X-Sig" }]
[[route.handshake]]
when = [{ query = "validationToken" }]
challenge = { query = "validationToken" }
reply = { text = "{challenge}" }

[[route]]
path = "/rated"
rate = "1/h burst 1"
secret = { env = "SECRET" }
verify = [{ scheme = "hmac", header = "X-Sig" }]
[[route.handshake]]
when = [{ json = "/event", equals = "ping" }]
reply = { status = 200 }
"#;

fn setup(app: &Upstream) -> Setup {
    Setup::new(app)
        .env("SECRET", SECRET)
        .env("TOKEN", TOKEN)
        .toml(ROUTES)
}

fn start(app: &Upstream) -> Gatepost {
    setup(app).start()
}

fn get(target: &str) -> Delivery {
    Delivery::new("GET", target)
}

fn mac(message: &[u8]) -> Vec<u8> {
    hmac("sha256", SECRET.as_bytes(), message)
}

/// An answer of gatepost's own: this status and body, nothing a browser would take for a page, not
/// a byte at the app, one log line that calls it a handshake.
fn answers(
    gate: &Gatepost,
    name: &str,
    delivery: &Delivery,
    status: u16,
    content_type: Option<&str>,
    body: &str,
) -> Response {
    let before = gate.journal.bytes();
    let response = gate.send(delivery);
    assert_eq!(response.status, status, "{name}: {response:?}");
    assert_eq!(response.text(), body, "{name}");
    assert_eq!(response.header("content-type"), content_type, "{name}");
    assert_eq!(
        response.header("x-content-type-options"),
        Some("nosniff"),
        "{name}"
    );
    assert_eq!(response.header("cache-control"), Some("no-store"), "{name}");
    assert_eq!(gate.journal.bytes(), before, "{name}: reached the app");
    let line = gate.line(response.header("x-gatepost-request-id").unwrap());
    assert_eq!(line["outcome"], "handshake", "{name}");
    assert_eq!(line["reason"], serde_json::Value::Null, "{name}");
    response
}

const TEXT: Option<&str> = Some("text/plain; charset=utf-8");
const JSON: Option<&str> = Some("application/json");

#[test]
fn a_get_is_taken_for_exactly_its_shape() {
    let app = Upstream::recording();
    let gate = start(&app);
    let good =
        format!("/token?hub.mode=subscribe&hub.challenge=1158201444&hub.verify_token={TOKEN}");
    // Before the address list: this address may send no events.
    answers(&gate, "good", &get(&good), 200, TEXT, "1158201444");
    gate.refuses(
        "an event from here",
        &Delivery::post("/token").body("{}"),
        403,
        "ip_not_allowed",
    );
    for (name, delivery, status, reason) in [
        (
            "wrong token",
            get(&good.replace(TOKEN, "verify-token-0124")),
            403,
            "handshake_token_wrong",
        ),
        (
            "html",
            get(&good.replace("1158201444", "%3Cscript%3Ealert(1)%3C/script%3E")),
            400,
            "handshake_malformed",
        ),
        (
            "line break",
            get(&good.replace("1158201444", "1%0d%0aX:%20y")),
            400,
            "handshake_malformed",
        ),
        (
            "too long",
            get(&good.replace("1158201444", &"1".repeat(33))),
            400,
            "handshake_malformed",
        ),
        (
            "no token",
            get("/token?hub.mode=subscribe&hub.challenge=1"),
            405,
            "method_not_allowed",
        ),
        ("no query", get("/token"), 405, "method_not_allowed"),
        (
            "another path",
            get(&good.replace("/token", "/token2")),
            404,
            "no_route",
        ),
        (
            "with a body",
            get(&good).body("x"),
            405,
            "method_not_allowed",
        ),
        (
            "HEAD",
            Delivery::new("PUT", &good),
            405,
            "method_not_allowed",
        ),
    ] {
        let response = gate.refuses(name, &delivery, status, reason);
        let allow = (status == 405).then_some("POST");
        assert_eq!(response.header("allow"), allow, "{name}");
        assert!(!response.text().contains("script"), "{name}");
    }
    // A POST with that query is an event like any other.
    gate.refuses(
        "POST",
        &Delivery::new("POST", &good).body("{}"),
        403,
        "ip_not_allowed",
    );
    let metrics = gate.health("/metrics").text();
    assert!(metrics.contains("outcome=\"handshake\""), "{metrics}");
    assert!(!gate.log.text().contains(TOKEN) && !gate.log.text().contains("1158201444"));
}

/// Whatever the handshake signs for a stranger, no route takes as an event.
#[test]
fn a_handshake_is_no_signing_oracle() {
    let app = Upstream::recording();
    let gate = start(&app);
    for text in ["12345", "true", "null", "1e9", "a.b-c_~+/="] {
        let sent = text.replace('+', "%2B");
        let proof = base64(&mac(text.as_bytes()));
        let body = format!("{{\"response_token\":\"sha256={proof}\"}}");
        answers(
            &gate,
            text,
            &get(&format!("/crc?crc_token={sent}")),
            200,
            JSON,
            &body,
        );
        for path in ["/crc", "/sibling"] {
            let forged = Delivery::post(path).header("X-Sig", &proof).body(text);
            gate.refuses(
                &format!("{text} to {path}"),
                &forged,
                401,
                "challenge_as_event",
            );
        }
    }
    for event in [
        "%7B%22type%22:%22paid%22%7D",
        "%5B1%5D",
        "%22paid%22",
        "a%20b",
        "v0:1:a",
        "",
        "a&crc_token=b",
    ] {
        gate.refuses(
            event,
            &get(&format!("/crc?crc_token={event}")),
            400,
            "handshake_malformed",
        );
    }
    let long = "1".repeat(65);
    gate.refuses(
        "long",
        &get(&format!("/crc?crc_token={long}")),
        400,
        "handshake_malformed",
    );
    // Real events go through, short and long; a long one of those letters was never signed here.
    for body in ["{}", "[]", "\"a\"", "{\"type\":\"paid\"}", long.as_str()] {
        for path in ["/crc", "/sibling"] {
            let event = Delivery::post(path)
                .header("X-Sig", base64(&mac(body.as_bytes())))
                .body(body);
            gate.passes(&format!("{body} to {path}"), &event);
        }
    }
}

fn signed(body: &str) -> Delivery {
    let time = now().to_string();
    let message = format!("v0:{time}:{body}");
    Delivery::post("/signed")
        .header("X-Time", &time)
        .header("X-Sig", format!("v0={}", hex(&mac(message.as_bytes()))))
        .body(body)
}

#[test]
fn a_signed_handshake_is_answered_to_its_provider_only() {
    let app = Upstream::recording();
    let gate = start(&app);
    let asks = r#"{"token":"t","challenge":"3eZbrw1a {}","type":"url_verification"}"#;
    answers(&gate, "good", &signed(asks), 200, TEXT, "3eZbrw1a {}");
    answers(&gate, "ping", &signed(r#"{"type":0}"#), 204, None, "");
    for (name, delivery, status, reason) in [
        (
            "unsigned",
            signed(asks).without("X-Sig"),
            401,
            "signature_missing",
        ),
        (
            "forged",
            signed(asks).body(asks.replace('t', "T")),
            401,
            "signature_mismatch",
        ),
        (
            "html",
            signed(r#"{"challenge":"<b>","type":"url_verification"}"#),
            400,
            "handshake_malformed",
        ),
        (
            "type twice",
            signed(r#"{"type":0,"type":0}"#),
            400,
            "event_missing",
        ),
    ] {
        gate.refuses(name, &delivery, status, reason);
    }
    gate.passes(
        "an event",
        &signed(r#"{"type":"event_callback","event":"x"}"#),
    );
}

#[test]
fn an_unsigned_body_is_read_as_far_as_a_handshake_can_go() {
    let app = Upstream::recording();
    let gate = start(&app);
    let asks = r#"{"challenge":"a\"b"}"#;
    gate.refuses(
        "a quote could end an attribute",
        &Delivery::post("/body").body(asks),
        400,
        "handshake_malformed",
    );
    let asks = r#"{ "challenge": "a\\b{}" }"#;
    let expected = r#"{"challenge":"a\\b{}"}"#;
    let delivery = Delivery::post("/body").body(asks);
    answers(&gate, "length", &delivery, 200, JSON, expected);
    let chunked = |body: &str, signature: Option<&str>| {
        let mut text = String::from("POST /body HTTP/1.1\r\nHost: hooks.example\r\n");
        if let Some(signature) = signature {
            text.extend(["X-Sig: ", signature, "\r\n"]);
        }
        text.push_str("Transfer-Encoding: chunked\r\n\r\n");
        for piece in body.as_bytes().chunks(3000) {
            let length = format!("{:x}\r\n", piece.len());
            text.extend([&length, std::str::from_utf8(piece).unwrap(), "\r\n"]);
        }
        text + "0\r\n\r\n"
    };
    let mut client = gate.connect();
    let response = client
        .send(chunked(asks, None).as_bytes())
        .answer()
        .unwrap();
    assert_eq!((response.status, response.text().as_str()), (200, expected));
    // The connection is usable after it.
    let response = client.send(&delivery.to_bytes()).answer().unwrap();
    assert_eq!(response.status, 200);
    for (name, body) in [
        ("one more member", r#"{"challenge":"a","event":"x"}"#),
        ("twice", r#"{"challenge":"a","challenge":"a"}"#),
        ("a list", r#"[{"challenge":"a"}]"#),
        ("no JSON", r#"{"challenge":"a""#),
        ("empty", ""),
    ] {
        let delivery = Delivery::post("/body").body(body);
        gate.refuses(name, &delivery, 401, "signature_missing");
        // Signed, the same is an event: nothing of it is lost.
        let event = delivery.header("X-Sig", hex(&mac(body.as_bytes())));
        gate.passes(name, &event);
    }
    // Events of every length, in pieces, wherever the look for a handshake ended.
    for length in [8100, 8192, 8193, 9000, 60_000] {
        let body = format!("{{\"a\":\"{}\"}}", "x".repeat(length));
        let before = app.requests().len();
        let sent = chunked(&body, Some(&hex(&mac(body.as_bytes()))));
        let response = gate.connect().send(sent.as_bytes()).answer().unwrap();
        assert_eq!(response.status, 200, "{length}");
        assert_eq!(app.received(before + 1).body, body.as_bytes(), "{length}");
        let forged = chunked(
            &body.replacen('x', "y", 1),
            Some(&hex(&mac(body.as_bytes()))),
        );
        gate.refuses_bytes(
            &format!("forged {length}"),
            forged.as_bytes(),
            401,
            "signature_mismatch",
        );
        let whole = Delivery::post("/body")
            .header("X-Sig", hex(&mac(body.as_bytes())))
            .body(&body);
        gate.passes(&format!("whole {length}"), &whole);
    }
    let huge = chunked(&"x".repeat(1_100_000), None);
    let response = gate.connect().send(huge.as_bytes()).answer().unwrap();
    assert_eq!(response.status, 401, "no signature");
}

#[test]
fn headers_and_heads_are_answered_and_the_operator_is_told() {
    let app = Upstream::recording();
    let gate = start(&app);
    let asks = Delivery::post("/header")
        .header("X-Hook-Secret", "b537207f20cbfa02")
        .body("{}");
    let response = answers(&gate, "echo", &asks, 200, None, "");
    assert_eq!(response.header("x-hook-secret"), Some("b537207f20cbfa02"));
    let line = gate.line(response.header("x-gatepost-request-id").unwrap());
    assert_eq!(
        line["hint"],
        "the secret stands in the answer to the creation"
    );
    assert!(!gate.log.text().contains("b537207f"));
    gate.refuses(
        "not hex",
        &Delivery::post("/header").header("X-Hook-Secret", "javascript:"),
        400,
        "handshake_malformed",
    );
    gate.refuses(
        "twice",
        &asks.header("X-Hook-Secret", "00"),
        400,
        "handshake_malformed",
    );
    let mut client = gate.connect();
    client.send(&Delivery::new("HEAD", "/header").to_bytes());
    let head = client.head().unwrap();
    assert_eq!(head.status, 200);
    assert_eq!(app.requests().len(), 0);
    gate.refuses("GET", &get("/header"), 405, "method_not_allowed");
}

#[test]
fn an_observing_route_answers_too_and_a_limited_one_counts() {
    let app = Upstream::recording();
    let gate = start(&app);
    let asks = Delivery::post(
        "/observed?validationToken=Validation%3A+Testing+client+application+Request-Id%3A+a-b",
    );
    let expected = "Validation: Testing client application Request-Id: a-b";
    answers(&gate, "observed", &asks, 200, TEXT, expected);
    assert_eq!(app.requests().len(), 0);
    let response = gate.send(&Delivery::post("/observed").body("{}"));
    assert_eq!(response.status, 200);
    assert_eq!(
        app.received(1).header("x-gatepost-observed"),
        Some("signature_missing")
    );
    let ping = Delivery::post("/rated").body(r#"{"event":"ping"}"#);
    answers(&gate, "first", &ping, 200, None, "");
    gate.refuses("second", &ping, 429, "rate_limited");
}

#[test]
fn send_asks_what_the_provider_would_ask() {
    let app = Upstream::recording();
    let gate = start(&app);
    let caller = setup(&app);
    let to = gate.address.to_string();
    for (words, code, told) in [
        (&["/token", "--handshake"][..], 0, "200 answered"),
        (&["/crc", "--handshake"], 0, "sha256="),
        (&["/signed", "--handshake"], 0, "200 answered"),
        (&["/signed", "--handshake=2"], 0, "204 answered"),
        (&["/body", "--handshake"], 0, "{\"challenge\":"),
        (&["/header", "--handshake=1"], 0, "200 answered"),
        (&["/header", "--handshake=2"], 0, "HEAD /header"),
        (&["/observed", "--handshake"], 0, "200 answered"),
        (&["/rated", "--handshake"], 0, "200 answered"),
        (
            &["/signed", "--handshake", "--tamper", "key"],
            1,
            "401 refused",
        ),
        (
            &["/signed", "--handshake", "--tamper", "missing"],
            1,
            "401 refused",
        ),
        (
            &["/token", "--handshake", "--tamper", "key"],
            1,
            "not signed",
        ),
        (&["/signed", "--handshake=3"], 1, "2 handshakes"),
        (&["/sibling", "--handshake"], 1, "no handshake"),
    ] {
        let output = caller.run(&[&["send", "--to", &to], words].concat());
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert_eq!(output.status.code(), Some(code), "{words:?}: {said}");
        assert!(said.contains(told), "{words:?}: {said}");
        assert!(!said.contains(TOKEN) && !said.contains(SECRET), "{said}");
    }
    assert_eq!(app.requests().len(), 0);
}
