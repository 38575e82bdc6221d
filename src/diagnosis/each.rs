//! Trials on how many: one signature for the body or one for each element of it, one value in a
//! header or several.

use serde_json::Value;

use super::scene::Scene;
use super::trial::{Guess, Kind, Trials};
use crate::json::Pointer;
use crate::verify::Step;
use crate::verify::signed::Signature;

/// At most so many lists of a body are tried.
const LISTS: usize = 4;

/// What could be wrong with `for_each`.
pub(super) fn add_lists(trials: &mut Trials, scene: &Scene) {
    let own = match &*scene.step {
        Step::Signature(step) => step.for_each.as_ref(),
        Step::ApiKey(step) => step.for_each.as_ref(),
        Step::Basic(_)
        | Step::Bearer(_)
        | Step::Jwt(_)
        | Step::HttpSignature(_)
        | Step::Mtls(_) => return,
    };
    if own.is_some() {
        let guess = Guess::new(
            "for_each",
            "what proves it stands for the body as a whole, not for each element of a list",
            "remove `for_each` from the step",
        );
        trials.add(Kind::Each, guess, |scene| set(scene, None));
    }
    for text in lists(&scene.body) {
        let Ok(pointer) = Pointer::parse(&text) else {
            continue;
        };
        if own == Some(&pointer) {
            continue;
        }
        let list = if text.is_empty() {
            "the body".to_owned()
        } else {
            format!("the list at `{text}`")
        };
        let guess = Guess::new(
            "for_each",
            format!("every element of {list} proves itself"),
            format!("set `for_each = \"{text}\"` in the step"),
        );
        trials.add(Kind::Each, guess, move |scene| {
            set(scene, Some(pointer.clone()))
        });
    }
}

fn set(scene: &mut Scene, pointer: Option<Pointer>) -> bool {
    match scene.step_mut() {
        Step::Signature(step) => step.for_each = pointer,
        Step::ApiKey(step) => step.for_each = pointer,
        Step::Basic(_)
        | Step::Bearer(_)
        | Step::Jwt(_)
        | Step::HttpSignature(_)
        | Step::Mtls(_) => return false,
    }
    true
}

/// The lists that a JSON body is or has, by their pointers. Only names that are plain words: they
/// are shown.
fn lists(body: &[u8]) -> Vec<String> {
    let word = |name: &String| {
        name.len() <= 40
            && name
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'))
    };
    match serde_json::from_slice(body) {
        Ok(Value::Array(_)) => vec![String::new()],
        Ok(Value::Object(members)) => members
            .iter()
            .filter(|(name, value)| value.is_array() && word(name))
            .map(|(name, _)| format!("/{name}"))
            .take(LISTS)
            .collect(),
        _ => Vec::new(),
    }
}

/// Several signatures in one value.
pub(super) fn add_groups(trials: &mut Trials, step: &Signature) {
    if step.format.has_groups() {
        return;
    }
    for (separator, name) in [(',', "commas"), (' ', "spaces"), (';', "semicolons")] {
        let format = step.format.clone().grouped(separator);
        let guess = Guess::new(
            "groups",
            format!("several values stand in one header, {name} between them"),
            format!("set `groups = \"{separator}\"` in the step"),
        );
        trials.add(Kind::Format, guess, move |scene| {
            scene
                .signature_mut()
                .map(|step| step.format = format.clone())
                .is_some()
        });
    }
}
