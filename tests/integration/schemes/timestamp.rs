//! When a request was signed: units, places, tolerance.

use super::{SECRET, delivery, setup};
use crate::harness::Upstream;
use crate::signing::{hex, hmac, now};

const BODY: &[u8] = b"{\"type\":\"ping\"}\r\n\x00\xff";

#[test]
fn a_signed_timestamp_must_be_recent() {
    let app = Upstream::recording();
    let rfc3339 = |second: i64| jiff::Timestamp::from_second(second).unwrap().to_string();
    for (unit, write) in [
        (
            "s",
            Box::new(|second: i64| second.to_string()) as Box<dyn Fn(i64) -> String>,
        ),
        ("ms", Box::new(|second| (second * 1000).to_string())),
        ("rfc3339", Box::new(rfc3339)),
    ] {
        let step = format!(
            "scheme = \"hmac\", header = \"X-Sig\", message = \"{{timestamp}}.{{body}}\", tolerance = \"2m\", \
             timestamp = {{ header = \"X-Time\", unit = \"{unit}\" }}"
        );
        let gate = setup(&app, &step).start();
        let at = |text: &str| {
            let message = [text.as_bytes(), b".", BODY].concat();
            delivery(BODY)
                .header("X-Time", text)
                .header("X-Sig", hex(&hmac("sha256", SECRET.as_bytes(), &message)))
        };
        for age in [0, 110, -110] {
            gate.passes(&format!("{unit} {age}"), &at(&write(now() - age)));
        }
        for (age, reason) in [
            (123, "timestamp_too_old"),
            (-125, "timestamp_in_future"),
            (86_400, "timestamp_too_old"),
            (-86_400, "timestamp_in_future"),
        ] {
            gate.refuses(
                &format!("{unit} {age}"),
                &at(&write(now() - age)),
                401,
                reason,
            );
        }
        for text in [
            "x",
            "1e9",
            "-1",
            "0x5f",
            "99999999999999999999",
            "2026-13-01T00:00:00Z",
            "1700000000.5",
            "+1700000000",
        ] {
            gate.refuses(
                &format!("{unit} {text}"),
                &at(text),
                401,
                "timestamp_malformed",
            );
        }
        let good = at(&write(now()));
        gate.refuses(
            "missing",
            &good.clone().without("X-Time"),
            401,
            "timestamp_missing",
        );
        gate.refuses(
            "renewed",
            &good.clone().with("X-Time", write(now() - 1)),
            401,
            "signature_mismatch",
        );
        gate.refuses(
            "twice",
            &good.clone().header("X-Time", write(now())),
            400,
            "credential_repeated",
        );
    }
}

#[test]
fn a_timestamp_may_stand_in_the_format() {
    let app = Upstream::recording();
    let sign = |time: &str, body: &[u8]| {
        hex(&hmac(
            "sha256",
            SECRET.as_bytes(),
            &[time.as_bytes(), b".", body].concat(),
        ))
    };
    let step = "scheme = \"hmac\", header = \"X-Sig\", format = \"t={timestamp},v1={signature}\", message = \"{timestamp}.{body}\"";
    let gate = setup(&app, &format!("{step}, tolerance = \"5m\"")).start();
    let time = now().to_string();
    let (sig, bad) = (sign(&time, BODY), "00".repeat(32));
    for value in [
        format!("t={time},v1={sig}"),
        format!("v1={sig},t={time}"),
        format!("t={time},v1={bad},v1={sig},v0=x"),
        format!("t={time}, v1={sig}"),
    ] {
        gate.passes(&value, &delivery(BODY).header("X-Sig", &value));
    }
    let old = (now() - 400).to_string();
    for (value, reason) in [
        (format!("t={time},v1={bad}"), "signature_mismatch"),
        (format!("t={time}"), "signature_malformed"),
        (format!("v1={sig}"), "timestamp_missing"),
        (format!("t=,v1={sig}"), "timestamp_malformed"),
        (
            format!("t={old},v1={}", sign(&old, BODY)),
            "timestamp_too_old",
        ),
        (format!("t={time},t={old},v1={sig}"), "signature_malformed"),
        (format!("t={time},v0={sig}"), "signature_malformed"),
        (format!("t={},v1={sig}", now() + 1), "signature_mismatch"),
    ] {
        gate.refuses(&value, &delivery(BODY).header("X-Sig", &value), 401, reason);
    }
    let changed = delivery("{}").header("X-Sig", format!("t={time},v1={sig}"));
    gate.refuses("another body", &changed, 401, "signature_mismatch");
    drop(gate);
    // Positional, and with the default tolerance of five minutes.
    let step = "scheme = \"hmac\", header = \"X-Sig\", format = \"v0:{timestamp}:{signature}\", message = \"{timestamp}.{body}\"";
    let gate = setup(&app, step).start();
    let of = |time: &str| delivery(BODY).header("X-Sig", format!("v0:{time}:{}", sign(time, BODY)));
    gate.passes("positional", &of(&time));
    gate.passes("four minutes old", &of(&(now() - 240).to_string()));
    gate.refuses(
        "six minutes old",
        &of(&(now() - 360).to_string()),
        401,
        "timestamp_too_old",
    );
    gate.refuses(
        "exchanged",
        &delivery(BODY).header("X-Sig", format!("v0:{sig}:{time}")),
        401,
        "timestamp_malformed",
    );
}
