//! What a step expects and what came, in words: never a secret, never a signature.

use std::fmt::Write as _;
use std::time::Duration;

use jiff::Timestamp;

use super::duration::duration;
use super::keys;
use super::scene::Scene;
use super::signed::{claimed_time, first_of};
use super::tokens::{claimed, shown};
use super::written::written;
use crate::encoding::Encoding;
use crate::verify::http_signature::Component;
use crate::verify::signed::{Prover, Signature};
use crate::verify::template::Cover;
use crate::verify::{Body, Held, Place, Step};

/// What the step wants to see.
pub(super) fn expected(scene: &Scene) -> String {
    let now = scene.now;
    match &*scene.step {
        Step::ApiKey(step) => format!(
            "one of {} in {}{}",
            names(&keys::secrets(&scene.step), now),
            place(&step.place),
            after(&step.prefix)
        ),
        Step::Basic(step) => format!(
            "user `{}` with one of {} in the header `authorization`",
            step.username,
            names(&keys::secrets(&scene.step), now)
        ),
        Step::Bearer(step) => format!(
            "one of {} in the header `{}`, after `Bearer `",
            names(&keys::secrets(&scene.step), now),
            step.header
        ),
        Step::Jwt(step) => {
            let algorithms: Vec<&str> = step.algorithms.iter().map(|known| known.name).collect();
            let mut text = format!(
                "a token in {}{}, signed with {} under one of {}",
                place(&step.place),
                after(&step.prefix),
                algorithms.join(" or "),
                all_names(scene),
            );
            for (name, values) in [("iss", &step.issuers), ("aud", &step.audiences)] {
                if !values.is_empty() {
                    let values: Vec<String> = values.iter().map(ToString::to_string).collect();
                    let _ = write!(text, ", `{name}` {}", values.join(" or "));
                }
            }
            for rule in &step.body_hash {
                let _ = write!(text, ", the hash of `{}` in `{}`", rule.message, rule.claim);
            }
            text
        }
        Step::HttpSignature(step) => {
            let wanted: Vec<&str> = step.components.iter().map(Component::written).collect();
            format!(
                "a message signature of at least {} with {} under one of {}",
                wanted.join(" "),
                step.algorithm,
                all_names(scene)
            )
        }
        Step::Mtls(step) => {
            let fingerprints = step.fingerprints.len();
            let mut wanted: Vec<String> = step.dns.iter().chain(&step.uris).cloned().collect();
            if fingerprints > 0 {
                wanted.push(format!("one of {fingerprints} fingerprints"));
            }
            format!("a client certificate with {}", wanted.join(", "))
        }
        Step::Signature(step) => signature(step, scene),
    }
}

fn signature(step: &Signature, scene: &Scene) -> String {
    let encoding = match step.encoding {
        Encoding::Base64 => "base64",
        Encoding::Base64Url => "base64url",
        Encoding::Hex => "hex",
    };
    let keys = match &step.prover {
        Prover::Digest { secrets: None, .. } => String::new(),
        Prover::Digest { .. } | Prover::Hmac(_) | Prover::PublicKey { .. } => {
            format!(" under one of {}", all_names(scene))
        }
    };
    let base = step
        .message
        .base()
        .map(|base| format!(" (`{base}`)"))
        .unwrap_or_default();
    let mut text = format!(
        "{} of `{}`{base}{keys}, in {encoding} as `{}` in {}",
        step.label,
        step.message,
        written(&step.format),
        places(&step.places)
    );
    if let Some(freshness) = &step.freshness {
        let tolerance = duration(freshness.tolerance);
        let _ = write!(text, ", signed at most {tolerance} from {:.0}", scene.now);
    }
    text
}

/// What the request has there.
pub(super) fn came(scene: &Scene) -> String {
    let body = Body::from(scene.body.clone());
    let read = |place: &Place| match place.read(&scene.head(), Some(&body)) {
        Ok(Some(value)) => shape(&value),
        Ok(None) => "nothing".into(),
        Err(rejection) => rejection.message().into(),
    };
    let header = |name: &http::HeaderName| read(&Place::Header(name.clone()));
    match &*scene.step {
        Step::ApiKey(step) => read(&step.place),
        Step::Basic(_) => match (
            super::credentials::pair(scene),
            header(&http::header::AUTHORIZATION),
        ) {
            (Some(_), _) => "a user name and a password".into(),
            (None, text) => text,
        },
        Step::Bearer(step) => header(&step.header),
        Step::Jwt(step) => {
            let Some(token) = claimed(scene, step) else {
                return read(&step.place);
            };
            let mut text = format!("a token: alg {}", shown(token.header.get("alg")));
            if token.header.contains_key("kid") {
                text.push_str(", with a kid");
            }
            for name in ["iss", "aud"] {
                if token.payload.contains_key(name) {
                    let _ = write!(text, ", {name} {}", shown(token.payload.get(name)));
                }
            }
            for name in ["iat", "nbf", "exp"] {
                let date = token.payload.get(name).and_then(serde_json::Value::as_i64);
                if let Some(at) = date.and_then(|date| Timestamp::from_second(date).ok()) {
                    let _ = write!(text, ", {name} {at}");
                }
            }
            text
        }
        Step::HttpSignature(_) => format!(
            "signature-input {}, signature {}",
            header(&http::HeaderName::from_static("signature-input")),
            header(&http::HeaderName::from_static("signature"))
        ),
        Step::Mtls(_) => "not known: a capture does not hold the connection's certificate".into(),
        Step::Signature(step) => {
            let mut text = first_of(scene, &step.places)
                .map_or_else(|| "nothing".into(), |value| shape(value.as_bytes()));
            if let Some(at) = claimed_time(scene) {
                let freshness = step.freshness.as_ref();
                match freshness.and_then(|freshness| freshness.unit.read(&at)) {
                    Some(at) => {
                        let _ = write!(text, ", signed at {at:.0}, {}", age(at, scene.now));
                    }
                    None => text.push_str(", with a time in another form"),
                }
            }
            if step.message.cover() != Cover::None {
                let _ = write!(text, ", a body of {} bytes", scene.body.len());
            }
            text
        }
    }
}

/// How long ago, or ahead.
pub(super) fn age(at: Timestamp, now: Timestamp) -> String {
    let nanoseconds = now.as_nanosecond().saturating_sub(at.as_nanosecond());
    let seconds = u64::try_from(nanoseconds.unsigned_abs() / 1_000_000_000).unwrap_or(u64::MAX);
    let text = duration(Duration::from_secs(seconds));
    if nanoseconds < 0 {
        format!("{text} ahead of this clock")
    } else {
        format!("{text} ago")
    }
}

fn places(several: &[Place]) -> String {
    let shown: Vec<String> = several.iter().take(3).map(place).collect();
    shown.join(" or ")
}

fn place(place: &Place) -> String {
    match place {
        Place::Body => "the body".into(),
        Place::Form(name) => format!("the form field `{name}`"),
        Place::Header(name) => format!("the header `{name}`"),
        Place::Json(_) => "the JSON body".into(),
        Place::Query(name) => format!("the query field `{name}`"),
    }
}

fn after(prefix: &str) -> String {
    if prefix.is_empty() {
        String::new()
    } else {
        format!(", after `{prefix}`")
    }
}

/// The names of the secrets and keys of a step, and which are not in force.
fn all_names(scene: &Scene) -> String {
    let now = scene.now;
    let secrets = keys::secrets(&scene.step);
    let public = keys::public_keys(&scene.step);
    match (secrets.is_empty(), public.is_empty()) {
        (false, true) => names(&secrets, now),
        (true, false) => names(&public, now),
        _ => format!("{}, {}", names(&secrets, now), names(&public, now)),
    }
}

fn names<K>(held: &[Held<K>], now: Timestamp) -> String {
    let named: Vec<String> = held
        .iter()
        .map(|held| {
            if held.in_force(now) {
                format!("`{}`", held.name)
            } else {
                format!("`{}` (not in force)", held.name)
            }
        })
        .collect();
    named.join(", ")
}

/// What a value looks like, without a character of it.
pub(super) fn shape(value: &[u8]) -> String {
    let padding = value.iter().rev().take_while(|b| **b == b'=').count();
    let bare = value
        .get(..value.len().saturating_sub(padding))
        .unwrap_or(value);
    let all = |test: fn(u8) -> bool| bare.iter().copied().all(test);
    let count = value.len();
    let what = if value.is_empty() {
        return "an empty value".into();
    } else if padding == 0 && all(|b| b.is_ascii_hexdigit()) {
        "hex digits"
    } else if all(|b| b.is_ascii_alphanumeric() || b"+/".contains(&b)) {
        "characters of base64"
    } else if all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b)) {
        "characters of base64url"
    } else if all(|b| b.is_ascii_graphic() || b == b' ') {
        return prefixed(value);
    } else {
        "bytes that are not all printable"
    };
    format!("{count} {what}")
}

/// A value with something before a last part that could be encoded.
fn prefixed(value: &[u8]) -> String {
    let padding = value.iter().rev().take_while(|b| **b == b'=').count();
    let bare = value
        .get(..value.len().saturating_sub(padding))
        .unwrap_or(value);
    let cut = bare
        .iter()
        .rposition(|b| matches!(b, b' ' | b',' | b';' | b'='));
    match cut.and_then(|at| value.split_at_checked(at.saturating_add(1))) {
        Some((before, rest)) if !rest.is_empty() => {
            let what = if rest.iter().all(u8::is_ascii_hexdigit) {
                "hex digits"
            } else {
                "characters"
            };
            format!("{} {what} after a prefix of {}", rest.len(), before.len())
        }
        _ => format!("{} characters", value.len()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shape_holds_nothing_of_the_value() {
        for (value, text) in [
            ("", "an empty value"),
            ("00ff", "4 hex digits"),
            ("aGk+", "4 characters of base64"),
            ("aGk_", "4 characters of base64url"),
            ("sha256=00ff", "4 hex digits after a prefix of 7"),
        ] {
            assert_eq!(shape(value.as_bytes()), text);
        }
    }
}
