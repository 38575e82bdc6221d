//! The handshakes of the catalogue: `tests/fixtures/handshakes.json` has a question of every provider
//! that asks one, as its documentation shows it, the answer, and what looks like it and is none.

use serde_json::Value;

use crate::harness::{Delivery, Gatepost, Setup, Upstream};
use crate::signing::{base64, digest, ecdsa, ed25519, ed25519_public, hex, hmac, now, rsa};

const SECRET: &str = "shipped-handshake-secret";
const TOKEN: &str = "shipped-verify-token";

fn cases() -> Vec<Value> {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/fixtures/handshakes.json"
    );
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// A request of a case, with what `other` has instead.
fn request(at: usize, case: &Value, other: &Value, sign: bool) -> Delivery {
    let of = |key: &str| {
        let own = &other[key];
        if own.is_null() {
            &case["request"][key]
        } else {
            own
        }
    };
    let query = of("query")
        .as_str()
        .unwrap_or_default()
        .replace("{token}", TOKEN);
    let method = of("method").as_str().unwrap_or("POST");
    let target = if query.is_empty() {
        format!("/{at}")
    } else {
        format!("/{at}?{query}")
    };
    let body = of("body").as_str().unwrap_or_default();
    let mut delivery = Delivery::new(method, &target).body(body);
    for (name, value) in of("headers").as_object().into_iter().flatten() {
        delivery = delivery.header(name, value.as_str().unwrap());
    }
    let rule = &case["signed"];
    if !sign || rule.is_null() {
        return delivery;
    }
    let time = if rule["ms"] == true {
        (now() * 1000).to_string()
    } else if rule["rfc3339"].is_null() {
        now().to_string()
    } else {
        jiff::Timestamp::from_second(now()).unwrap().to_string()
    };
    let text = |key: &str| rule[key].as_str().unwrap();
    let message = text("message")
        .replace("{time}", &time)
        .replace("{body}", body);
    let signature = if rule["ed25519"].is_null() {
        hmac("sha256", SECRET.as_bytes(), message.as_bytes())
    } else {
        ed25519().sign(message.as_bytes()).as_ref().to_vec()
    };
    let written = if rule["base64"] == true {
        base64(&signature)
    } else {
        hex(&signature)
    };
    delivery
        .header(text("time"), time)
        .header(text("header"), format!("{}{written}", text("prefix")))
}

/// `{hmac-sha256-hex:text}` and the other proofs filled in.
fn filled(at: usize, text: &str) -> String {
    let proofs: [(&str, Prove); 4] = [
        ("{hmac-sha256-hex:", |message| {
            hex(&hmac("sha256", SECRET.as_bytes(), message))
        }),
        ("{hmac-sha256-base64:", |message| {
            base64(&hmac("sha256", SECRET.as_bytes(), message))
        }),
        ("{sha256-hex:", |message| hex(&digest("sha256", message))),
        // Under the SHA-1 of the secret.
        ("{braintree:", |message| {
            let key = digest("sha1", SECRET.as_bytes());
            hex(&hmac("sha1", &key, message))
        }),
    ];
    let mut text = text
        .replace("{token}", TOKEN)
        .replace("{path}", &format!("/{at}"));
    for (name, prove) in proofs {
        if let Some((before, rest)) = text.split_once(name) {
            let (message, after) = rest.split_once('}').unwrap();
            text = format!("{before}{}{after}", prove(message.as_bytes()));
        }
    }
    text
}

fn start(app: &Upstream, cases: &[Value]) -> Gatepost {
    let mut setup = Setup::new(app)
        .env("SECRET", SECRET)
        .env("TOKEN", TOKEN)
        .env("HEX", "5ec2e7")
        // A handshake that signs refuses to share its secret with tokens.
        .env("OTHER", "another-secret-for-tokens")
        .env("PUBLIC", &hex(&ed25519_public()))
        .env("P256", &ecdsa("P-256").pem())
        .env("RSA", &rsa(0).pem());
    for (at, case) in cases.iter().enumerate() {
        setup = setup.toml(&format!(
            "[[route]]\npath = \"/{at}\"\nprovider = {}\nallow_ips = \"any\"\n{}",
            case["provider"],
            case["keys"].as_str().unwrap()
        ));
    }
    setup.start()
}

/// What the provider computes of a challenge.
type Prove = fn(&[u8]) -> String;

#[test]
fn every_provider_is_answered_as_its_documentation_wants_it() {
    let cases = cases();
    let app = Upstream::recording();
    let gate = start(&app, &cases);
    for (at, case) in cases.iter().enumerate() {
        let name = case["provider"].as_str().unwrap();
        let delivery = request(at, case, &Value::Null, true);
        let before = gate.journal.bytes();
        let mut client = gate.connect();
        client.send(&delivery.to_bytes());
        let response = if delivery.method == "HEAD" {
            client.head().unwrap()
        } else {
            client.answer().unwrap()
        };
        let wanted = &case["answer"];
        assert_eq!(wanted["status"], response.status, "{name}: {response:?}");
        assert_eq!(
            response.text(),
            filled(at, wanted["body"].as_str().unwrap()),
            "{name}"
        );
        assert_eq!(
            response.header("content-type"),
            wanted["type"].as_str(),
            "{name}"
        );
        assert_eq!(
            response.header("x-content-type-options"),
            Some("nosniff"),
            "{name}"
        );
        for (header, value) in wanted["headers"].as_object().into_iter().flatten() {
            assert_eq!(response.header(header), value.as_str(), "{name}");
        }
        assert_eq!(gate.journal.bytes(), before, "{name}: reached the app");
        let line = gate.line(response.header("x-gatepost-request-id").unwrap());
        assert_eq!(line["outcome"], "handshake", "{name}");
        if !case["signed"].is_null() {
            let unsigned = request(at, case, &Value::Null, false);
            gate.refuses(name, &unsigned, 401, "signature_missing");
        }
        for other in case["not"].as_array().unwrap() {
            let delivery = request(at, case, other, true);
            if other["passes"] == true {
                gate.passes(name, &delivery);
                continue;
            }
            let status = u16::try_from(other["status"].as_u64().unwrap()).unwrap();
            let reason: &'static str = other["reason"].as_str().unwrap().to_owned().leak();
            gate.refuses(name, &delivery, status, reason);
        }
    }
}

/// A shipped handshake without its case here would be nobody's promise.
#[test]
fn every_shipped_handshake_has_its_case() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/providers");
    let cases = cases();
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        let Ok(text) = std::fs::read_to_string(&path) else {
            continue;
        };
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let asked = text.matches("[[handshake]]").count();
        let told = cases
            .iter()
            .filter(|case| case["provider"] == *name)
            .count();
        assert_eq!(asked, told, "{name}");
    }
}
