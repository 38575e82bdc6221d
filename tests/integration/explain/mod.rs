//! `gatepost explain`: the true cause of a refusal as the first guess.

/// Mistakes as people make them, and what is named first.
mod mistakes;
/// Captures in all their forms, what a passing delivery settles, reasons.
mod subjects;

use std::process::Output;

use serde_json::Value;

use crate::harness::{Delivery, Setup, Upstream};
use crate::signing::{ecdsa, ed25519_public, hex, hmac, jws, rsa};

pub const SECRET: &str = "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
pub const WHSEC: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
pub const OTHER: &str = "another-routes-secret-0123456789";
pub const OLD: &str = "last-years-secret-0123456789";
/// The time at which everything here happens, in Unix seconds.
pub const AT: i64 = 1_790_000_000;
pub const BODY: &str = r#"{"id":"evt_1","type":"order.paid","amount":1.50,"note":"caf\u00e9 a/b"}"#;

/// One route of every scheme, with a mistake waiting in each.
fn setup() -> Setup {
    let app = Upstream::recording();
    let hmac = |path: &str, keys: &str| {
        format!(
            "[[route]]\npath = \"/{path}\"\nsecret = {{ env = \"S\" }}\n\
             verify = [{{ scheme = \"hmac\", header = \"X-Signature\"{keys} }}]\n"
        )
    };
    let mut toml = String::from(
        "[client_address]\ntrusted_proxies = [\"192.0.2.7\"]\n\
         [[route]]\npath = \"/other\"\nsecret = { env = \"O\", name = \"others\" }\n\
         verify = [{ scheme = \"hmac\", header = \"X-Signature\" }]\n\
         [[route]]\npath = \"/hooks/nested/*\"\nhost = \"only.example\"\nsecret = { env = \"S\" }\n\
         verify = [{ scheme = \"bearer\" }]\n\
         [[route]]\npath = \"/rotated\"\nsecret = [{ env = \"S\" }, { env = \"OLD\", name = \"2025\", until = 2026-01-01T00:00:00Z }, \
         { env = \"NEXT\", name = \"2027\", not_before = 2027-01-01T00:00:00Z }]\n\
         verify = [{ scheme = \"hmac\", header = \"X-Signature\" }]\n\
         [[route]]\npath = \"/ip\"\nsecret = { env = \"S\" }\nallow_ips = [\"198.51.100.0/24\"]\n\
         verify = [{ scheme = \"hmac\", header = \"X-Signature\" }]\n\
         [[route]]\npath = \"/event\"\nsecret = { env = \"S\" }\nevent = { type = { json = \"/kind\" }, required = true }\n\
         verify = [{ scheme = \"hmac\", header = \"X-Signature\" }]\n\
         [[route]]\npath = \"/keyed\"\nsecret = [{ env = \"S\", name = \"k1\" }]\n\
         verify = [{ scheme = \"hmac\", header = \"X-Signature\", format = \"k={key_id},s={signature}\" }]\n\
         [[route]]\npath = \"/named\"\nsecret = [{ env = \"S\", name = \"k1\" }]\n\
         verify = [{ scheme = \"hmac\", header = \"X-Signature\", key_id = { header = \"X-Key-Id\" } }]\n\
         [[route]]\npath = \"/each\"\nsecret = { env = \"S\" }\n\
         verify = [{ scheme = \"hmac\", json = \"/sign\", message = \"{json:/id}\", for_each = \"/items\" }]\n\
         [[route]]\npath = \"/whole\"\nsecret = { env = \"S\" }\n\
         verify = [{ scheme = \"hmac\", json = \"/sign\", message = \"{json:/id}\" }]\n\
         [[route]]\npath = \"/message\"\npublic_url = \"https://hooks.example\"\nsecret = { env = \"S\" }\n\
         verify = [{ scheme = \"http_signature\", algorithm = \"hmac-sha256\", components = [\"@method\", \"@target-uri\", \"content-digest\"] }]\n\
         [[route]]\npath = \"/url\"\npublic_url = \"https://hooks.example\"\nsecret = { env = \"S\" }\n\
         verify = [{ scheme = \"hmac\", header = \"X-Signature\", message = \"{url}{body}\" }]\n\
         [[route]]\npath = \"/plain\"\naccept_weak = true\nallow_ips = \"any\"\n\
         verify = [{ scheme = \"digest\", header = \"X-Digest\" }]\n\
         [[route]]\npath = \"/key\"\nsecret = { env = \"S\" }\nverify = [{ scheme = \"api_key\", header = \"X-Api-Key\" }]\n\
         [[route]]\npath = \"/token\"\nsecret = { env = \"S\" }\nverify = [{ scheme = \"api_key\", header = \"Authorization\", prefix = \"Token \" }]\n\
         [[route]]\npath = \"/basic\"\nsecret = { env = \"S\" }\nverify = [{ scheme = \"basic\", username = \"hooks\" }]\n\
         [[route]]\npath = \"/bearer\"\nsecret = { env = \"S\" }\nverify = [{ scheme = \"bearer\" }]\n\
         [[route]]\npath = \"/jwt\"\nsecret = { env = \"S\" }\n\
         verify = [{ scheme = \"jwt\", algorithms = [\"HS256\"], issuer = \"Issuer\", audience = \"https://hooks.example\", required_claims = [\"exp\", \"sub\"] }]\n\
         [[route]]\npath = \"/jwt-body\"\nsecret = { env = \"S\" }\n\
         verify = [{ scheme = \"jwt\", algorithms = [\"HS256\"], body_hash = { claim = \"hash\", hash = \"sha256\", encoding = \"hex\" } }]\n\
         [[route]]\npath = \"/jwt-whsec\"\nsecret = { env = \"W\" }\n\
         verify = [{ scheme = \"jwt\", algorithms = [\"HS256\"] }]\n\
         [[route]]\npath = \"/standard\"\nsecret = { env = \"W\" }\nevent = { id = { header = \"webhook-id\" } }\n\
         verify = [{ scheme = \"hmac\", header = \"webhook-signature\", format = \"v1,{signature} \", encoding = \"base64\", \
         message = \"{id}.{timestamp}.{body}\", timestamp = { header = \"webhook-timestamp\" }, secret_encoding = \"whsec\" }]\n\
         [[route]]\npath = \"/rsa\"\npublic_key = { file = \"rsa0.pem\" }\n\
         verify = [{ scheme = \"signature\", algorithm = \"rsa-pss-sha256\", header = \"X-Signature\", encoding = \"base64\", salt = \"digest\" }]\n\
         [[route]]\npath = \"/rsa-other\"\npublic_key = { file = \"rsa1.pem\" }\n\
         verify = [{ scheme = \"signature\", algorithm = \"rsa-pss-sha256\", header = \"X-Signature\", encoding = \"base64\" }]\n\
         [[route]]\npath = \"/ec\"\npublic_key = { file = \"ec.pem\" }\n\
         verify = [{ scheme = \"signature\", algorithm = \"ecdsa-p256-sha256\", header = \"X-Signature\", encoding = \"base64\" }]\n\
         [[route]]\npath = \"/ed\"\npublic_key = { env = \"ED\" }\n\
         verify = [{ scheme = \"signature\", algorithm = \"ed25519\", header = \"X-Signature\", encoding = \"hex\", \
         message = \"{timestamp}{body}\", timestamp = { header = \"X-Signature-Timestamp\" } }]\n\
         [[route]]\npath = \"/prelude\"\nprovider = \"prelude\"\npublic_key = { file = \"rsa0.pem\" }\n\
         [[route]]\npath = \"/authento\"\nprovider = \"authento\"\nsecret = { env = \"S\" }\n\
         [[route]]\npath = \"/prove\"\nprovider = \"prove\"\nsecret = { env = \"W\" }\n",
    );
    for (path, keys) in [
        ("hmac", ""),
        ("prefixed", ", format = \"sha256={signature}\""),
        (
            "timed",
            ", format = \"t={timestamp},v1={signature}\", message = \"{timestamp}.{body}\"",
        ),
        (
            "zoned",
            ", message = \"{timestamp}.{body}\", timestamp = { header = \"X-Time\", unit = \"rfc3339\" }",
        ),
        ("hex-secret", ", secret_encoding = \"base64\""),
        ("sha512", ", hash = \"sha512\", encoding = \"base64\""),
    ] {
        toml.push_str(&hmac(path, keys));
    }
    Setup::new(&app)
        .toml(&toml)
        .file("rsa0.pem", rsa(0).pem())
        .file("rsa1.pem", rsa(1).pem())
        .file("ec.pem", ecdsa("P-256").pem())
        .env("S", SECRET)
        .env("W", WHSEC)
        .env("O", OTHER)
        .env("OLD", OLD)
        .env("NEXT", "next-years-secret-0123456789")
        .env("ED", &hex(&ed25519_public()))
}

/// The raw bytes of a delivery.
pub fn raw(delivery: &Delivery) -> Vec<u8> {
    delivery.to_bytes()
}

/// `gatepost explain` on a capture.
pub fn explained(setup: &Setup, capture: &[u8], words: &[&str]) -> Output {
    std::fs::write(setup.folder.path().join("capture"), capture).unwrap();
    let mut command = vec!["explain", "capture"];
    command.extend(words);
    setup.run(&command)
}

/// The report for machines.
pub fn report(setup: &Setup, capture: &[u8], words: &[&str]) -> Value {
    let mut all = vec!["--json"];
    all.extend(words);
    let output = explained(setup, capture, &all);
    let text = String::from_utf8(output.stdout).unwrap();
    let report: Value = serde_json::from_str(&text)
        .unwrap_or_else(|_| panic!("{text}{}", String::from_utf8_lossy(&output.stderr)));
    let code = output.status.code();
    assert_eq!(code, Some(i32::from(report["refused"] == true)), "{report}");
    report
}

/// A token signed with HS256.
pub fn hs(claims: &str, secret: &[u8]) -> String {
    jws(r#"{"alg":"HS256","typ":"JWT"}"#, claims, |message| {
        hmac("sha256", secret, message)
    })
}
