//! Keeps a handshake from signing events.
//!
//! A proof is made over a text that anybody may send, with a key that may verify events as well. So
//! of every step with such a key it must be certain that no message of its is such a text: either
//! something stands in every message that stands in no challenge, or the step is told to refuse
//! the messages that are one.

use super::Compiler;
use crate::config::source::Span;
use crate::handshake::{Handshakes, Prover};
use crate::route::{Mode, Route};
use crate::secret::Secret;
use crate::verify::signed;
use crate::verify::{Plan, Shape, Step};

/// A text that anybody can have signed: under which keys, and which texts.
struct Oracle {
    keys: Vec<Secret>,
    /// `None` for a digest, whose message is more than the challenge.
    shape: Option<Shape>,
}

impl Compiler<'_> {
    /// Closes every oracle of the file. `spans` are the places of the routes.
    pub(super) fn close_oracles(&mut self, routes: &mut [Route], spans: &[Span]) {
        let oracles: Vec<Oracle> = routes
            .iter()
            .filter_map(|route| route.handshakes.as_deref())
            .flat_map(oracles)
            .collect();
        if oracles.is_empty() {
            return;
        }
        for (route, span) in routes.iter_mut().zip(spans) {
            let (Mode::Enforce(plan) | Mode::Observe(plan)) = &mut route.mode else {
                continue;
            };
            for oracle in &oracles {
                if let Some((what, fix)) = close(plan, oracle) {
                    self.problems.error(*span, what, "would be forgeable", fix);
                }
            }
        }
    }
}

fn oracles(handshakes: &Handshakes) -> Vec<Oracle> {
    let of = |one: &crate::handshake::Handshake| {
        let shape = one.challenge.as_ref().map(|challenge| challenge.shape);
        Some(match &one.proof.as_ref()?.prover {
            Prover::Hmac(keys) => Oracle {
                keys: keys
                    .all()
                    .iter()
                    .map(|held| held.key.secret().clone())
                    .collect(),
                shape,
            },
            Prover::Digest { .. } => Oracle {
                keys: handshakes
                    .verify_token
                    .iter()
                    .flat_map(|tokens| tokens.all())
                    .map(|held| held.key.clone())
                    .collect(),
                shape: None,
            },
        })
    };
    handshakes.all.iter().filter_map(of).collect()
}

/// Makes every step of `plan` safe from `oracle`, or says what is wrong and what to do.
fn close(plan: &mut Plan, oracle: &Oracle) -> Option<(&'static str, &'static str)> {
    let shares = |secret: &[u8]| oracle.keys.iter().any(|key| key.matches(secret));
    for step in plan.groups.iter_mut().flatten() {
        let shared = match step {
            Step::Signature(step) => match &step.prover {
                signed::Prover::Hmac(keys) => keys
                    .all()
                    .iter()
                    .any(|held| shares(held.key.secret().expose())),
                signed::Prover::Digest { secrets, .. } => secrets
                    .iter()
                    .flat_map(|secrets| secrets.all())
                    .any(|held| shares(held.key.expose())),
                signed::Prover::PublicKey { .. } => false,
            },
            Step::Jwt(step) => step
                .keys
                .all()
                .iter()
                .any(|held| held.key.shared_secret().is_some_and(shares)),
            // Not computed from anything: a proof does not tell the secret.
            Step::ApiKey(_) | Step::Basic(_) | Step::Bearer(_) => false,
        };
        if !shared {
            continue;
        }
        let Some(shape) = oracle.shape else {
            return Some((
                "the `verify_token` of a handshake is the secret of a step as well",
                "let the provider's dashboard make another token",
            ));
        };
        match step {
            Step::Signature(step) => {
                let apart = step
                    .message
                    .literals()
                    .flat_map(str::bytes)
                    .any(|byte| !shape.alphabet.has(byte));
                if !apart && !step.never.contains(&shape) {
                    step.never.push(shape);
                }
            }
            // What is signed of a token has a dot between header and claims.
            Step::Jwt(_) if shape.alphabet.has(b'.') => {
                return Some((
                    "a handshake signs texts with dots under the secret of this route's tokens: it would sign tokens",
                    "take the `.` out of the challenge's `alphabet`, or give the two their own secrets",
                ));
            }
            Step::Jwt(_) | Step::ApiKey(_) | Step::Basic(_) | Step::Bearer(_) => {}
        }
    }
    None
}
