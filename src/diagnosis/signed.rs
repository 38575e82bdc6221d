//! Trials on a signed message: how it is written, hashed, composed, and where it stands.

use std::borrow::Cow;

use jiff::Timestamp;

use super::keys::{self, Keys};
use super::rewritings::REWRITINGS;
use super::scene::Scene;
use super::trial::{Guess, Kind, Trials};
use super::{each, messages, provers, urls, written};
use crate::verify::format::Field;
use crate::verify::signed::Signature;
use crate::verify::template::Cover;
use crate::verify::{Place, Unit};

/// All that could be wrong with a signature step but for its secret, and in the message.
pub(super) fn add(trials: &mut Trials, scene: &Scene, known: &Keys) {
    let Some(step) = scene.signature() else {
        return;
    };
    add_key_ids(trials, step);
    each::add_lists(trials, scene);
    written::add(trials, scene, step);
    each::add_groups(trials, step);
    add_bodies(trials, step);
    urls::add(trials, scene, step);
    provers::add(trials, step, known);
    messages::add(trials, scene, step);
}

/// What may have been done to the body on its way.
fn add_bodies(trials: &mut Trials, step: &Signature) {
    if step.message.cover() == Cover::None {
        return;
    }
    add_rewritings(trials);
}

pub(super) fn add_rewritings(trials: &mut Trials) {
    for rewriting in &REWRITINGS {
        let guess = Guess::new(
            rewriting.cause,
            format!("it matches the body {}", rewriting.text),
            "something in front of gatepost (or the capture itself) rewrites bodies: pass the bytes on as they are sent",
        );
        trials.add(Kind::Body, guess, |scene| {
            match (rewriting.undo)(&scene.body) {
                Some(body) => {
                    scene.body = body.into();
                    true
                }
                None => false,
            }
        });
    }
}

/// A key id that names none, or the wrong one, of the keys.
fn add_key_ids(trials: &mut Trials, step: &Signature) {
    if !step.format_has(Field::KeyId) && step.key_id.is_none() {
        return;
    }
    let guess = Guess::new(
        "key_id",
        "it matches one of the keys, but the key id in the signature is not the `name` of it",
        "set `name` of that secret or key to the key id that the provider sends",
    );
    trials.add(Kind::Format, guess, |scene| {
        let Some(claimed) = claimed_key_id(scene) else {
            return false;
        };
        let secrets: Vec<_> = keys::secrets(&scene.step)
            .into_iter()
            .map(|held| keys::lasting(held.key, &claimed))
            .collect();
        let public: Vec<_> = keys::public_keys(&scene.step)
            .into_iter()
            .map(|held| keys::lasting(held.key, &claimed))
            .collect();
        super::secrets::replace(scene, |step| {
            keys::with_secrets(step, secrets).or_else(|| keys::with_public(step, &public))
        })
    });
}

fn claimed_key_id(scene: &Scene) -> Option<String> {
    let step = scene.signature()?;
    let body = crate::verify::Body::from(scene.body.clone());
    if let Some(place) = &step.key_id {
        let value = place.read(&scene.head(), Some(&body)).ok()??;
        return String::from_utf8(value.into_owned()).ok();
    }
    let text = first_of(scene, &step.places)?;
    Some(step.format.parse(&text)?.key_id?.into_owned())
}

/// The timestamp that the request claims, verbatim.
pub(super) fn claimed_time(scene: &Scene) -> Option<String> {
    let step = scene.signature()?;
    let body = crate::verify::Body::from(scene.body.clone());
    let place = step.freshness.as_ref()?.place.as_ref();
    if let Some(place) = place {
        let value = place.read(&scene.head(), Some(&body)).ok()??;
        return String::from_utf8(value.into_owned()).ok();
    }
    let text = first_of(scene, &step.places)?;
    Some(step.format.parse(&text)?.timestamp?.into_owned())
}

/// What stands in the first of these places in which something stands.
pub(super) fn first_of(scene: &Scene, places: &[Place]) -> Option<String> {
    let body = crate::verify::Body::from(scene.body.clone());
    let read = |place: &Place| {
        place
            .read(&scene.head(), Some(&body))
            .ok()?
            .map(Cow::into_owned)
    };
    String::from_utf8(places.iter().find_map(read)?).ok()
}

/// The scene with any time accepted; `None` where no time is checked.
pub(super) fn timeless(scene: &Scene) -> Option<Scene> {
    let mut scene = scene.clone();
    scene.signature_mut()?.freshness.as_mut()?.tolerance = std::time::Duration::MAX;
    Some(scene)
}

/// The unit in which the claimed time would be recent.
pub(super) fn other_units(scene: &Scene) -> Vec<(Unit, &'static str, Timestamp)> {
    let Some(text) = claimed_time(scene) else {
        return Vec::new();
    };
    let own = scene
        .signature()
        .and_then(|step| step.freshness.as_ref())
        .map(|freshness| freshness.unit);
    [
        (Unit::Seconds, "s"),
        (Unit::Milliseconds, "ms"),
        (Unit::Float, "float"),
        (Unit::Rfc3339, "rfc3339"),
        (Unit::Rfc2822, "rfc2822"),
    ]
    .into_iter()
    .filter(|(unit, _)| Some(*unit) != own)
    .filter_map(|(unit, name)| Some((unit, name, unit.read(&text)?)))
    .collect()
}
