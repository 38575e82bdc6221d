//! Prelude: RSA-PSS over the body, from three published addresses.

mod key;

use super::{at, refuses_without, samples, unsigned};
use crate::harness::{Delivery, Gatepost, Setup, Upstream};
use crate::signing::{self, base64, base64_bare, base64url, base64url_padded, hex, hmac, rsa};

const PATH: &str = "/webhooks/prelude";
const HEADER: &str = "X-Webhook-Signature";
const PREFIX: &str = "rsassa-pss-sha256=";
const BODIES: &str = include_str!("../samples/prelude.jsonl");

fn route(key: &str, more: &str) -> String {
    format!("[[route]]\npath = \"{PATH}\"\nprovider = \"prelude\"\npublic_key = {key}\n{more}")
}

/// From everywhere: the signature alone decides.
fn start(app: &Upstream, step: &str) -> Gatepost {
    let more = if step.is_empty() {
        String::new()
    } else {
        format!(
            "verify = [{{ scheme = \"signature\", algorithm = \"rsa-pss-sha256\", header = \"{HEADER}\", \
             format = \"{PREFIX}{{signature}}\", encoding = \"base64url\", {step} }}]"
        )
    };
    let route = route(
        "{ file = \"key.pem\" }",
        &format!("allow_ips = \"any\"\n{more}"),
    );
    Setup::new(app)
        .file("key.pem", rsa(0).pem())
        .toml(&route)
        .start()
}

fn carrying(body: &[u8], signature: &[u8]) -> Delivery {
    unsigned(PATH, body).header(HEADER, format!("{PREFIX}{}", base64url(signature)))
}

fn signed(body: &[u8]) -> Delivery {
    carrying(body, &rsa(0).pss("sha256", body))
}

fn body() -> &'static [u8] {
    samples(BODIES)[0].as_bytes()
}

#[test]
fn every_sample_from_a_published_address_arrives_with_its_type_and_id() {
    let app = Upstream::recording();
    let gate = Setup::new(&app)
        .file("key.pem", rsa(0).pem())
        .toml("[client_address]\ntrusted_proxies = [\"127.0.0.1\"]")
        .toml(&route("{ file = \"key.pem\" }", ""))
        .start();
    for (index, sample) in samples(BODIES).into_iter().enumerate() {
        let address = ["34.252.67.209", "52.30.192.161", "34.248.153.151"][index % 3];
        let delivery = signed(sample.as_bytes()).header("X-Forwarded-For", address);
        let received = gate.accepts(sample, &delivery);
        gate.tells(
            sample,
            &received,
            &[
                ("client-ip", address),
                ("event-id", &at(sample, "/id").unwrap()),
                ("event-type", &at(sample, "/type").unwrap()),
                ("key", "key.pem"),
                ("provider", "prelude"),
                ("route", PATH),
                ("verified-by", "rsa-pss-sha256, ip"),
            ],
        );
        assert_eq!(received.header("x-forwarded-for"), Some(address));
        assert!(received.header(HEADER).is_some(), "a signature stays");
    }
    let from = |address: &str| signed(body()).header("X-Forwarded-For", address);
    for (case, delivery) in [
        ("directly from the proxy", signed(body())),
        ("a neighbour", from("34.252.67.208")),
        ("loopback", from("127.0.0.1")),
        (
            "the address on the left",
            from("34.252.67.209, 203.0.113.9"),
        ),
        (
            "the address in the first line",
            from("34.252.67.209").header("X-Forwarded-For", "203.0.113.9"),
        ),
        (
            "only in X-Real-IP",
            signed(body()).header("X-Real-IP", "34.252.67.209"),
        ),
        (
            "only in Forwarded",
            signed(body()).header("Forwarded", "for=34.252.67.209"),
        ),
        (
            "in an alias",
            signed(body()).header("X_Forwarded_For", "34.252.67.209"),
        ),
    ] {
        let response = gate.send(&delivery);
        assert!(
            matches!(response.status, 403 | 400),
            "{case}: {}",
            response.status
        );
    }
    gate.refuses("a neighbour", &from("34.252.67.208"), 403, "ip_not_allowed");
    for (case, address) in [
        ("mapped into IPv6", "::ffff:34.252.67.209"),
        ("another hop of the proxy", "34.252.67.209, 127.0.0.1"),
        (
            "something the caller made up before it",
            "1.2.3.4, 34.252.67.209",
        ),
        (
            "garbage the caller made up before it",
            "<script>, 34.252.67.209",
        ),
    ] {
        let received = gate.accepts(case, &from(address));
        assert_eq!(
            received.header("x-gatepost-client-ip"),
            Some("34.252.67.209"),
            "{case}"
        );
    }
    for (case, address) in [
        ("not an address", "x"),
        ("empty", ""),
        ("an address too long", "34.252.67.209.1"),
    ] {
        gate.refuses(case, &from(address), 400, "client_address_unknown");
    }
    let forged = from("34.252.67.209").body("{}");
    gate.refuses("the address alone", &forged, 401, "signature_mismatch");
}

#[test]
fn no_address_of_the_caller_is_believed_without_a_trusted_proxy() {
    let app = Upstream::recording();
    let gate = Setup::new(&app)
        .file("key.pem", rsa(0).pem())
        .toml(&route("{ file = \"key.pem\" }", ""))
        .start();
    for header in [
        "X-Forwarded-For",
        "X-Real-IP",
        "X_Forwarded_For",
        "True-Client-IP",
    ] {
        let delivery = signed(body()).header(header, "34.252.67.209");
        gate.refuses(header, &delivery, 403, "ip_not_allowed");
    }
}

#[test]
fn salts_are_taken_as_the_route_says() {
    let app = Upstream::recording();
    // What signers write: as long as the hash, the longest, none, and that of SHA-1.
    let of = |salt: usize| carrying(body(), &rsa(0).pss_salted(salt, body()));
    for (step, taken, refused) in [
        ("", &[32, 222][..], &[31, 221][..]),
        ("salt = \"auto\"", &[32, 222], &[33]),
        ("salt = \"digest\"", &[32], &[0, 20, 222]),
        ("salt = \"max\"", &[222], &[0, 32, 221]),
        ("salt = 20", &[20], &[0, 32, 222]),
        ("salt = 0", &[0], &[20, 32, 222]),
    ] {
        let gate = start(&app, step);
        for salt in taken {
            gate.passes(&format!("{step}: {salt}"), &of(*salt));
        }
        for salt in refused {
            gate.refuses(
                &format!("{step}: {salt}"),
                &of(*salt),
                401,
                "signature_mismatch",
            );
        }
    }
}

#[test]
fn no_changed_body_is_accepted() {
    let app = Upstream::recording();
    let gate = start(&app, "");
    let good = signed(body());
    gate.passes("as signed", &good);
    gate.passes("an empty body", &signed(b""));
    for (case, variant) in [
        ("cut", body()[..body().len() - 1].to_vec()),
        ("longer", [body(), b"\n"].concat()),
        ("empty", Vec::new()),
        ("another event", samples(BODIES)[1].as_bytes().to_vec()),
        ("one bit", [&[body()[0] ^ 1], &body()[1..]].concat()),
    ] {
        gate.refuses(case, &good.clone().body(variant), 401, "signature_mismatch");
    }
}

#[test]
fn no_other_signature_is_accepted() {
    let app = Upstream::recording();
    let gate = start(&app, "");
    let good = signed(body());
    refuses_without(
        &gate,
        &good,
        HEADER,
        "signature_missing",
        "signature_malformed",
    );
    let raw = rsa(0).pss("sha256", body());
    let text = base64url(&raw);
    let prehashed = rsa(0).pss("sha256", &signing::digest("sha256", body()));
    let mut high = raw.clone();
    high[0] |= 0x80;
    high[1] ^= 0x55;
    for (case, signature) in [
        ("of another key", rsa(1).pss("sha256", body())),
        ("PKCS#1", rsa(0).pkcs1("sha256", body())),
        ("PSS with SHA-384", rsa(0).pss("sha384", body())),
        ("PSS with SHA-512", rsa(0).pss("sha512", body())),
        ("hashed twice", prehashed),
        (
            "an HMAC with the public key",
            hmac("sha256", rsa(0).pem().as_bytes(), body()),
        ),
        ("zeros", vec![0; 256]),
        ("ones", vec![0xff; 256]),
        ("one bit", {
            let mut s = raw.clone();
            s[255] ^= 1;
            s
        }),
        ("its first bits", high),
        ("cut", raw[..255].to_vec()),
        ("cut in front", raw[1..].to_vec()),
        ("longer", [&*raw, &[0]].concat()),
        ("longer in front", [&[0], &*raw].concat()),
        ("one byte", vec![1]),
    ] {
        gate.refuses(
            case,
            &carrying(body(), &signature),
            401,
            "signature_mismatch",
        );
    }
    gate.passes(
        "padded",
        &good
            .clone()
            .with(HEADER, format!("{PREFIX}{}", base64url_padded(&raw))),
    );
    let mut other_tail = text.clone().into_bytes();
    // 256 bytes leave four bits in the last character that must be zero.
    let last = other_tail.last_mut().unwrap();
    *last = match *last {
        b'A' => b'B',
        b'Q' => b'R',
        b'g' => b'h',
        _ => b'x',
    };
    let other_tail = String::from_utf8(other_tail).unwrap();
    for (case, value) in [
        ("no prefix", text.clone()),
        (
            "the prefix in another case",
            format!("RSASSA-PSS-SHA256={text}"),
        ),
        ("another prefix", format!("rsassa-pss-sha512={text}")),
        ("HMAC's prefix", format!("sha256={text}")),
        ("a space after the prefix", format!("{PREFIX} {text}")),
        ("the prefix twice", format!("{PREFIX}{PREFIX}{text}")),
        ("the prefix alone", PREFIX.into()),
        ("hex", format!("{PREFIX}{}", hex(&raw))),
        ("two in one line", format!("{PREFIX}{text}, {PREFIX}{text}")),
        ("one pad of two", format!("{PREFIX}{text}=")),
        ("three pads", format!("{PREFIX}{text}===")),
        ("bits after the end", format!("{PREFIX}{other_tail}")),
        ("a letter after the end", format!("{PREFIX}{text}A")),
        ("something after it", format!("{PREFIX}{text};v=1")),
    ] {
        let response = gate.send(&good.clone().with(HEADER, value));
        assert_eq!(response.status, 401, "{case}");
    }
    // The standard alphabet, where this signature shows the difference (nearly always).
    for other in [base64(&raw), base64_bare(&raw)] {
        if other.trim_end_matches('=') != text {
            gate.refuses(
                &other,
                &good.clone().with(HEADER, format!("{PREFIX}{other}")),
                401,
                "signature_malformed",
            );
        }
    }
    gate.refuses(
        "in Authorization",
        &good.without(HEADER).header("Authorization", &text),
        401,
        "signature_missing",
    );
}
