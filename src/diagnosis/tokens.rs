//! Trials on tokens: where they stand, what signed them, what they claim.

use std::time::Duration;

use serde_json::{Map, Value};

use super::credentials::{moved, places};
use super::scene::Scene;
use super::signed::{add_rewritings, first_of};
use super::trial::{Guess, Kind, Trials};
use crate::encoding::Encoding;
use crate::verify::jwt::{ALGORITHMS, BodyHash, Jwt};
use crate::verify::template::Template;
use crate::verify::{Hash, Place, Step};

/// No clock is off by so much.
const ANY_TIME: Duration = Duration::from_secs(1_000_000_000_000_000);

fn token(scene: &mut Scene) -> Option<&mut Jwt> {
    match scene.step_mut() {
        Step::Jwt(step) => Some(step),
        Step::ApiKey(_)
        | Step::Basic(_)
        | Step::Bearer(_)
        | Step::HttpSignature(_)
        | Step::Mtls(_)
        | Step::Signature(_) => None,
    }
}

/// A token as it came: header and payload, not verified.
#[derive(Debug, Default)]
pub(super) struct Claimed {
    pub(super) header: Map<String, Value>,
    pub(super) payload: Map<String, Value>,
}

/// Reads the token that a step looks at; `None` where there is none that can be read.
pub(super) fn claimed(scene: &Scene, step: &Jwt) -> Option<Claimed> {
    let value = first_of(scene, std::slice::from_ref(&step.place))?;
    let token = value.rsplit(' ').next()?;
    let mut parts = token.split('.');
    let object = |part: Option<&str>| {
        let bytes = Encoding::Base64Url.decode(part?.trim_end_matches('=').as_bytes())?;
        serde_json::from_slice::<Map<String, Value>>(&bytes).ok()
    };
    Some(Claimed {
        header: object(parts.next())?,
        payload: object(parts.next())?,
    })
}

/// All that could be wrong with a token but for its key.
pub(super) fn add(trials: &mut Trials, scene: &Scene) {
    let Step::Jwt(step) = &*scene.step else {
        return;
    };
    add_places(trials, scene, step);
    let seen = claimed(scene, step).unwrap_or_default();
    add_algorithm(trials, step, &seen);
    add_claims(trials, step, &seen);
    add_time(trials, scene, &seen);
    // A token binds the body in one claim; what others bind is not the body.
    if let Some(rule) = step.body_hash.iter().find(|rule| rule.message.needs_body()) {
        add_rewritings(trials);
        add_body_hash(trials, rule, &seen);
    }
}

fn add_places(trials: &mut Trials, scene: &Scene, step: &Jwt) {
    let Place::Header(own) = step.place.clone() else {
        return;
    };
    let wanted = step.prefix.clone();
    for (name, place) in places(scene) {
        for prefix in ["", "Bearer ", "bearer ", "JWT ", "Token "] {
            let here = matches!(&place, Place::Header(header) if *header == own);
            if here && prefix == wanted {
                continue;
            }
            let shown = if prefix.is_empty() {
                "bare".to_owned()
            } else {
                format!("after `{prefix}`")
            };
            let guess = if here {
                Guess::new(
                    "prefix",
                    format!("the token comes {shown}, and the step expects `{wanted}` before it"),
                    format!("set `prefix = \"{prefix}\"` in the step"),
                )
            } else {
                Guess::new(
                    "other_header",
                    format!(
                        "the token comes in {}, {shown}",
                        if name.starts_with('`') {
                            name.clone()
                        } else {
                            format!("the header `{name}`")
                        }
                    ),
                    format!("set `header = \"{name}\"` and `prefix = \"{prefix}\"` in the step"),
                )
            };
            let (place, own, wanted) = (place.clone(), own.clone(), wanted.clone());
            trials.add(Kind::Place, guess, move |scene| {
                moved(scene, &place, prefix, &own, &wanted)
            });
        }
    }
    let guess = Guess::new(
        "whitespace",
        "the token has quotes, padding or white space that does not belong to it",
        "look what in front of gatepost changes the header",
    );
    trials.add(Kind::Encoding, guess, move |scene| {
        let Some(value) = scene.header(&own).map(<[u8]>::to_vec) else {
            return false;
        };
        let Ok(text) = String::from_utf8(value) else {
            return false;
        };
        let words: Vec<String> = text
            .split_whitespace()
            .map(|word| word.replace(['"', '\'', '='], ""))
            .collect();
        let tidy = words.join(" ");
        tidy != text && scene.set_header(&own, tidy.as_bytes())
    });
}

fn add_algorithm(trials: &mut Trials, step: &Jwt, seen: &Claimed) {
    let Some(named) = seen.header.get("alg").and_then(Value::as_str) else {
        return;
    };
    let Some(known) = ALGORITHMS.iter().find(|known| known.name == named) else {
        return;
    };
    if step.algorithms.iter().any(|own| own.name == named) {
        return;
    }
    let guess = Guess::new(
        "algorithm",
        format!("the token is signed with {named}, which is not in `algorithms`"),
        format!(
            "set `algorithms = [\"{named}\"]` in the step, if the provider's documentation says so"
        ),
    );
    trials.add(Kind::Hash, guess, move |scene| {
        token(scene)
            .map(|step| step.algorithms = vec![known])
            .is_some()
    });
}

/// A value of a claim for people: short and printable, or its kind.
pub(super) fn shown(value: Option<&Value>) -> String {
    match value {
        None => "absent".into(),
        Some(Value::Null) => "null".into(),
        Some(Value::String(text)) => {
            let cut: String = text.chars().take(64).flat_map(char::escape_debug).collect();
            format!("\"{cut}\"")
        }
        Some(Value::Number(number)) => number.to_string(),
        Some(Value::Bool(flag)) => flag.to_string(),
        Some(Value::Array(several)) => {
            let items: Vec<String> = several.iter().take(4).map(|one| shown(Some(one))).collect();
            format!("[{}]", items.join(", "))
        }
        Some(Value::Object(_)) => "an object".into(),
    }
}

fn add_claims(trials: &mut Trials, step: &Jwt, seen: &Claimed) {
    let list = |values: &[Template]| {
        let quoted: Vec<String> = values.iter().map(|value| format!("\"{value}\"")).collect();
        quoted.join(" or ")
    };
    if !step.issuers.is_empty() {
        let came = shown(seen.payload.get("iss"));
        let guess = Guess::new(
            "issuer",
            format!(
                "`iss` is {came}, and the step expects {}",
                list(&step.issuers)
            ),
            format!("set `issuer = {came}` in the step, if that is the provider's"),
        );
        trials.add(Kind::Claim, guess, |scene| {
            token(scene).map(|step| step.issuers.clear()).is_some()
        });
    }
    if !step.audiences.is_empty() {
        let came = shown(seen.payload.get("aud"));
        let guess = Guess::new(
            "audience",
            format!(
                "`aud` is {came}, and the step expects {}",
                list(&step.audiences)
            ),
            format!("set `audience = {came}` in the step, if that stands for this endpoint"),
        );
        trials.add(Kind::Claim, guess, |scene| {
            token(scene).map(|step| step.audiences.clear()).is_some()
        });
    }
    for name in &step.required {
        if seen.payload.get(name).is_none_or(Value::is_null) {
            let guess = Guess::new(
                "required_claim",
                format!("the claim `{name}` is absent"),
                format!(
                    "remove \"{name}\" from `required_claims`, if the provider does not send it"
                ),
            );
            let name = name.clone();
            trials.add(Kind::Claim, guess, move |scene| {
                token(scene)
                    .map(|step| step.required.retain(|other| *other != name))
                    .is_some()
            });
        }
    }
    if step.max_age.is_some() && !seen.payload.contains_key("iat") {
        let guess = Guess::new(
            "required_claim",
            "`max_age` needs the claim `iat`, and it is absent",
            "remove `max_age` from the step",
        );
        trials.add(Kind::Claim, guess, |scene| {
            token(scene)
                .map(|step| step.max_age.take())
                .is_some_and(|age| age.is_some())
        });
    }
}

fn add_time(trials: &mut Trials, scene: &Scene, seen: &Claimed) {
    let now = scene.now;
    let number = |name: &str| seen.payload.get(name).and_then(Value::as_f64);
    let milliseconds = ["exp", "iat", "nbf"]
        .into_iter()
        .find(|name| number(name).is_some_and(|date| date > 100_000_000_000.0));
    if let Some(name) = milliseconds {
        let guess = Guess::new(
            "timestamp_unit",
            format!("`{name}` is in milliseconds; a token's dates are seconds (RFC 7519 §2)"),
            "ask the provider to mend it: until then its tokens cannot be verified",
        );
        trials.add(Kind::Time, guess, |scene| {
            token(scene).map(|step| step.leeway = ANY_TIME).is_some()
        });
    }
    #[expect(
        clippy::cast_precision_loss,
        reason = "seconds of our time are exact in 53 bits"
    )]
    let away = |name: &str| number(name).map(|date| date - now.as_second() as f64);
    let duration =
        |seconds: f64| super::duration::duration(Duration::from_secs_f64(seconds.abs().min(1e12)));
    let text = match (
        away("exp"),
        away("nbf").into_iter().chain(away("iat")).reduce(f64::max),
    ) {
        (_, Some(ahead)) if ahead > 0.0 => format!(
            "the token is valid only in {}: this host's clock is behind, or the sender's ahead",
            duration(ahead)
        ),
        (Some(left), _) if left <= 0.0 => format!(
            "the token expired {} ago: it was delayed or replayed, or this host's clock is ahead",
            duration(left)
        ),
        (_, Some(age)) => format!("the token is {} old, more than `max_age`", duration(age)),
        _ => "the token's dates are not in force".to_owned(),
    };
    let guess = Guess::new(
        "clock_skew",
        text,
        "check NTP on this host; for a capture of another day say `--at` when it came; raise `leeway` only for small differences",
    );
    trials.add(Kind::Time, guess, |scene| {
        token(scene)
            .map(|step| {
                step.leeway = ANY_TIME;
                step.max_age = None;
            })
            .is_some()
    });
}

fn add_body_hash(trials: &mut Trials, own: &BodyHash, seen: &Claimed) {
    for (claim, value) in &seen.payload {
        if !value.is_string() {
            continue;
        }
        for (hash, name) in [
            (Hash::Sha256, "sha256"),
            (Hash::Sha1, "sha1"),
            (Hash::Sha384, "sha384"),
            (Hash::Sha512, "sha512"),
        ] {
            for (encoding, written) in [
                (Encoding::Hex, "hex"),
                (Encoding::Base64, "base64"),
                (Encoding::Base64Url, "base64url"),
            ] {
                if *claim == own.claim && hash == own.hash && encoding == own.encoding {
                    continue;
                }
                let guess = Guess::new(
                    "body_hash",
                    format!(
                        "the body's hash is in the claim `{claim}`: {name}, written in {written}"
                    ),
                    format!(
                        "set `body_hash = {{ claim = \"{claim}\", hash = \"{name}\", encoding = \"{written}\" }}`"
                    ),
                );
                let rule = BodyHash {
                    claim: claim.clone(),
                    hash,
                    encoding,
                    message: own.message.clone(),
                };
                trials.add(Kind::Format, guess, move |scene| {
                    token(scene)
                        .map(|step| step.body_hash = vec![rule.clone()])
                        .is_some()
                });
            }
        }
    }
    if seen.payload.contains_key(&own.claim) {
        return;
    }
    let guess = Guess::new(
        "body_hash",
        "no claim holds the body's hash: the token does not cover the body",
        "remove `body_hash` from the step, if the provider's documentation does not name it",
    );
    trials.add(Kind::Format, guess, |scene| {
        token(scene)
            .map(|step| std::mem::take(&mut step.body_hash))
            .is_some_and(|rules| !rules.is_empty())
    });
}
