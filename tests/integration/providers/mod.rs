//! Golden deliveries of the five providers, made from the samples of their documents
//! (`samples/*.jsonl`, one body a line), and every way to forge one.

mod authento;
mod idwise;
mod prelude;
mod prove;
mod proven;

use serde_json::Value;

use crate::harness::{Delivery, Gatepost};

/// A delivery as the provider sends it, without its credential.
fn unsigned(path: &str, body: impl AsRef<[u8]>) -> Delivery {
    Delivery::post(path)
        .header("Content-Type", "application/json")
        .header("User-Agent", "node-fetch/1.0")
        .body(body)
}

/// The bodies of one provider's documents.
fn samples(lines: &'static str) -> Vec<&'static str> {
    let samples: Vec<_> = lines.lines().collect();
    assert!(
        samples
            .iter()
            .all(|line| serde_json::from_str::<Value>(line).is_ok())
    );
    samples
}

/// A text of a sample, at a JSON Pointer.
fn at(sample: &str, pointer: &str) -> Option<String> {
    let value: Value = serde_json::from_str(sample).unwrap();
    value
        .pointer(pointer)
        .and_then(Value::as_str)
        .map(Into::into)
}

/// The one credential header, in every way in which it is not there as it should be.
fn refuses_without(
    gate: &Gatepost,
    good: &Delivery,
    name: &str,
    missing: &'static str,
    malformed: &'static str,
) {
    let value = good.value(name).to_owned();
    if name.contains('-') {
        for alias in [name.replace('-', "_"), name.replace('-', ".")] {
            gate.refuses(
                &alias,
                &good.clone().without(name).header(&alias, &value),
                401,
                missing,
            );
        }
    }
    for (case, delivery) in [
        ("no credential", good.clone().without(name)),
        (
            "in a cookie",
            good.clone()
                .without(name)
                .header("Cookie", format!("{name}={value}")),
        ),
        (
            "in another header",
            good.clone()
                .without(name)
                .header(&format!("{name}-2"), &value),
        ),
        (
            "only nominated by Connection",
            good.clone().without(name).header("Connection", name),
        ),
    ] {
        gate.refuses(case, &delivery, 401, missing);
    }
    gate.refuses(
        "an empty credential",
        &good.clone().with(name, ""),
        401,
        malformed,
    );
    let target = format!("{}?{name}={}", good.target, value.replace(' ', "%20"));
    let queried = Delivery {
        target,
        ..good.clone().without(name)
    };
    gate.refuses("in the query", &queried, 401, missing);
    for (case, first, second) in [
        ("twice the same", &*value, &*value),
        ("a forged one second", &*value, "x"),
        ("a forged one first", "x", &*value),
        ("an empty one first", "", &*value),
    ] {
        let delivery = good.clone().with(name, first).header(name, second);
        gate.refuses(case, &delivery, 400, "credential_repeated");
    }
    // A trailer comes too late to be a credential.
    let head = good
        .clone()
        .without(name)
        .header("Transfer-Encoding", "chunked")
        .body("");
    let mut bytes = head.to_bytes();
    bytes.extend_from_slice(format!("{:x}\r\n", good.body.len()).as_bytes());
    bytes.extend_from_slice(&good.body);
    bytes.extend_from_slice(format!("\r\n0\r\n{name}: {value}\r\n\r\n").as_bytes());
    gate.refuses_bytes("in a trailer", &bytes, 401, missing);
}
