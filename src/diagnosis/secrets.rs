//! Trials on secrets and keys: read otherwise, out of force, or of another route.

use jiff::Timestamp;

use super::keys::{self, Keys};
use super::readings::READINGS;
use super::scene::Scene;
use super::trial::{Guess, Kind, Trials};
use crate::secret::Secret;
use crate::verify::{Held, Step};

/// All secrets and public keys that a step could have meant.
pub(super) fn add(trials: &mut Trials, scene: &Scene, known: &Keys, route: &str) {
    add_out_of_force(trials, scene);
    add_readings(trials, scene);
    add_other_secrets(trials, scene, known, route);
    add_other_public_keys(trials, scene, known, route);
}

/// A secret past `until`, or before `not_before`.
fn add_out_of_force(trials: &mut Trials, scene: &Scene) {
    let now = scene.now;
    for held in keys::secrets(&scene.step) {
        if !held.in_force(now) {
            let guess = out_of_force("secret", &held, now);
            trials.add(Kind::Secret, guess, only_secret(held.key, &held.name));
        }
    }
    for held in keys::public_keys(&scene.step) {
        if !held.in_force(now) {
            let guess = out_of_force("key", &held, now);
            let lasting = keys::lasting(held.key.clone(), &held.name);
            trials.add(Kind::Secret, guess, move |scene| {
                replace(scene, |step| {
                    keys::with_public(step, std::slice::from_ref(&lasting))
                })
            });
        }
    }
}

fn out_of_force<K>(what: &str, held: &Held<K>, now: Timestamp) -> Guess {
    let name = &held.name;
    match held.until {
        Some(until) if now >= until => Guess::new(
            "secret_expired",
            format!(
                "it matches the {what} `{name}`, which is not in force any more since {until:.0}"
            ),
            "move `until` of it to a later time, or let the provider sign with the current one",
        ),
        _ => Guess::new(
            "secret_not_yet",
            format!(
                "it matches the {what} `{name}`, which is not in force yet (from {:.0})",
                held.not_before.unwrap_or(now)
            ),
            "move `not_before` of it to an earlier time: the provider uses it already",
        ),
    }
}

/// The step's own secrets, read otherwise.
fn add_readings(trials: &mut Trials, scene: &Scene) {
    let several = keys::secrets(&scene.step).len() > 1;
    for reading in &READINGS {
        for held in keys::secrets(&scene.step) {
            let Some(bytes) = (reading.read)(held.key.expose()).filter(|b| !b.is_empty()) else {
                continue;
            };
            let text = if several {
                format!("{} (secret `{}`)", reading.text, held.name)
            } else {
                reading.text.to_owned()
            };
            let guess = Guess::new(reading.cause, text, reading.fix);
            trials.add(
                Kind::Secret,
                guess,
                only_secret(Secret::new(bytes), &held.name),
            );
        }
    }
}

/// Secrets of other steps and routes.
fn add_other_secrets(trials: &mut Trials, scene: &Scene, known: &Keys, route: &str) {
    let own = keys::secrets(&scene.step);
    if own.is_empty() {
        return;
    }
    for other in &known.secrets {
        let held = &other.held;
        if own.iter().any(|own| own.key.matches(held.key.expose())) {
            continue;
        }
        let guess = if other.route == route {
            Guess::new(
                "other_secret",
                format!(
                    "it matches the secret `{}` of another step of this route",
                    held.name
                ),
                "swap the secrets of the two steps",
            )
        } else {
            Guess::new(
                "other_route_secret",
                format!(
                    "it matches the secret `{}` of route {}",
                    held.name, other.route
                ),
                format!(
                    "let the provider call {}, or give this route that secret",
                    other.route
                ),
            )
        };
        trials.add(
            Kind::Secret,
            guess,
            only_secret(held.key.clone(), &held.name),
        );
        for reading in &READINGS {
            if let Some(bytes) = (reading.read)(held.key.expose()).filter(|b| !b.is_empty()) {
                let guess = Guess::new(
                    "other_route_secret",
                    format!(
                        "it matches the secret `{}` of route {}, read otherwise",
                        held.name, other.route
                    ),
                    format!(
                        "give this route that secret and the `secret_encoding` of route {}",
                        other.route
                    ),
                );
                trials.add(
                    Kind::Secret,
                    guess,
                    only_secret(Secret::new(bytes), &held.name),
                );
            }
        }
    }
}

fn add_other_public_keys(trials: &mut Trials, scene: &Scene, known: &Keys, route: &str) {
    let own = keys::public_keys(&scene.step);
    if own.is_empty() {
        return;
    }
    for other in &known.public {
        let held = &other.held;
        if own.iter().any(|own| own.key.material == held.key.material) {
            continue;
        }
        let place = if other.route == route {
            "another step of this route".to_owned()
        } else {
            format!("route {}", other.route)
        };
        let guess = Guess::new(
            "other_key",
            format!("it matches the key `{}` of {place}", held.name),
            format!("give this route that key: it is the one of {place} now"),
        );
        let lasting = keys::lasting(held.key.clone(), &held.name);
        trials.add(Kind::Secret, guess, move |scene| {
            replace(scene, |step| {
                keys::with_public(step, std::slice::from_ref(&lasting))
            })
        });
    }
}

/// The change that leaves one secret only, in force at all times.
fn only_secret(secret: Secret, name: &str) -> impl Fn(&mut Scene) -> bool + 'static {
    let held = keys::lasting(secret, name);
    move |scene| replace(scene, |step| keys::with_secrets(step, vec![held.clone()]))
}

/// Takes another step, where there is one.
pub(super) fn replace(scene: &mut Scene, make: impl FnOnce(&Step) -> Option<Step>) -> bool {
    match make(&scene.step) {
        Some(step) => {
            scene.step = step.into();
            true
        }
        None => false,
    }
}
