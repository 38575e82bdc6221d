//! Trials on what is signed.

use http::HeaderName;

use super::scene::Scene;
use super::trial::{Guess, Kind, Trials};
use crate::verify::format::Field;
use crate::verify::signed::{Prover, Signature};
use crate::verify::template::{Constants, Template};
use crate::verify::{Freshness, Place, Unit};

/// What providers sign, the commonest first.
const MESSAGES: [&str; 22] = [
    "{body}",
    "{timestamp}.{body}",
    "{timestamp}{body}",
    "{timestamp}:{body}",
    "{body}{timestamp}",
    "{body}.{timestamp}",
    "v0:{timestamp}:{body}",
    "{id}.{timestamp}.{body}",
    "{id}{timestamp}{body}",
    "{body|sha256|hex}",
    "{body|sha256}",
    "{timestamp}.{body|sha256|hex}",
    "{path}{body}",
    "{method}{path}{body}",
    "{method}{path}{timestamp}{body}",
    "{timestamp}{method}{path}{body}",
    "{path}",
    "{timestamp}",
    "{secret}{body}",
    "{body}{secret}",
    "{secret}.{body}",
    "{body}.{secret}",
];

/// Other things that could have been signed.
pub(super) fn add(trials: &mut Trials, scene: &Scene, step: &Signature) {
    let own = step.message.to_string();
    let base = step.message.base().map(ToOwned::to_owned).or_else(|| {
        let host = scene.headers.get("host")?.to_str().ok()?;
        Some(format!("https://{host}"))
    });
    let urls = ["{url}{body}", "{method}{url}{body}", "{url}"];
    for text in MESSAGES.into_iter().chain(urls) {
        if text == own {
            continue;
        }
        let constants = Constants {
            public_url: base.clone(),
            ..Constants::default()
        };
        let Ok(message) = Template::compile(text, &constants) else {
            continue;
        };
        // A digest of public things must not be taken for one that is keyed.
        if message.has_secret() && matches!(step.prover, Prover::PublicKey { .. }) {
            continue;
        }
        let (needs_time, needs_id) = (message.has_timestamp(), message.has_id());
        let mut headers = None;
        if needs_time && step.freshness.is_none() && !step.format_has(Field::Timestamp) {
            let Some(name) = named(scene, &["timestamp", "time"]) else {
                continue;
            };
            headers = Some((name, Unit::Seconds));
        }
        let mut id = None;
        if needs_id && step.id.is_none() && !step.format_has(Field::Id) {
            let Some(name) = named(scene, &["-id"]) else {
                continue;
            };
            id = Some(name);
        }
        let guess = Guess::new(
            "message",
            format!("what is signed is `{text}`, and the step expects `{own}`"),
            format!("set `message = \"{text}\"` in the step"),
        );
        trials.add(Kind::Message, guess, move |scene| {
            let Some(step) = scene.signature_mut() else {
                return false;
            };
            step.message = message.clone();
            if let Some((name, unit)) = &headers {
                step.freshness = Some(Freshness {
                    place: Some(Place::Header(name.clone())),
                    unit: *unit,
                    tolerance: std::time::Duration::MAX,
                });
            }
            if let Some(name) = &id {
                step.id = Some(Place::Header(name.clone()));
            }
            true
        });
    }
}

/// The first header whose name ends so.
fn named(scene: &Scene, ends: &[&str]) -> Option<HeaderName> {
    scene
        .headers
        .keys()
        .find(|name| ends.iter().any(|end| name.as_str().ends_with(end)))
        .cloned()
}
