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
use crate::verify::http_signature::Keys;
use crate::verify::signed;
use crate::verify::{Plan, Ring, Shape, Step};

/// A text that anybody can have signed: under which keys, and which texts.
struct Oracle {
    keys: Vec<Secret>,
    /// `None` for a digest, whose message is more than the challenge.
    shape: Option<Shape>,
    /// The route that has it.
    route: Span,
}

/// What cannot be closed, and what to do; the place is the oracle's route, or that of the step.
enum Open {
    Digest,
    Tokens,
}

impl Compiler<'_> {
    /// Closes every oracle of the file. `spans` are the places of the routes.
    pub(super) fn close_oracles(&mut self, routes: &mut [Route], spans: &[Span]) {
        let oracles: Vec<Oracle> = routes
            .iter()
            .zip(spans)
            .filter_map(|(route, span)| Some((route.handshakes.as_deref()?, *span)))
            .flat_map(|(handshakes, span)| oracles(handshakes, span))
            .collect();
        if oracles.is_empty() {
            return;
        }
        for (route, span) in routes.iter_mut().zip(spans) {
            let (Mode::Enforce(plan) | Mode::Observe(plan)) = &mut route.mode else {
                continue;
            };
            for oracle in &oracles {
                let (place, what, fix) = match close(plan, oracle) {
                    None => continue,
                    Some(Open::Digest) => (
                        oracle.route,
                        "the `verify_token` of this handshake is the secret of a step as well",
                        "let the provider's dashboard make another token",
                    ),
                    Some(Open::Tokens) => (
                        *span,
                        "a handshake signs texts that could be this route's tokens or message signatures, under the same secret",
                        "take the `.` and the `\"` out of the challenge's `alphabet`, or give the two their own secrets",
                    ),
                };
                if !self.problems.has_error_at(place) {
                    self.problems.error(place, what, "would be forgeable", fix);
                }
            }
        }
    }
}

fn oracles(handshakes: &Handshakes, route: Span) -> Vec<Oracle> {
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
                route,
            },
            Prover::Digest { .. } => Oracle {
                keys: handshakes
                    .verify_token
                    .iter()
                    .flat_map(Ring::all)
                    .map(|held| held.key.clone())
                    .collect(),
                shape: None,
                route,
            },
        })
    };
    handshakes.all.iter().filter_map(of).collect()
}

/// Makes every step of `plan` safe from `oracle`, or says why it cannot be.
fn close(plan: &mut Plan, oracle: &Oracle) -> Option<Open> {
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
                    .flat_map(Ring::all)
                    .any(|held| shares(held.key.expose())),
                signed::Prover::PublicKey { .. } => false,
            },
            Step::HttpSignature(step) => match &step.keys {
                Keys::Hmac(keys) => keys
                    .all()
                    .iter()
                    .any(|held| shares(held.key.secret().expose())),
                Keys::Public(..) => false,
            },
            Step::Jwt(step) => step
                .keys
                .all()
                .iter()
                .any(|held| held.key.shared_secret().is_some_and(shares)),
            // Not computed from anything: a proof does not tell the secret.
            Step::ApiKey(_) | Step::Basic(_) | Step::Bearer(_) | Step::Mtls(_) => false,
        };
        if !shared {
            continue;
        }
        let Some(shape) = oracle.shape else {
            return Some(Open::Digest);
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
                return Some(Open::Tokens);
            }
            // And what a message signature is made over has quotes around every name.
            Step::HttpSignature(_) if shape.alphabet.has(b'"') => return Some(Open::Tokens),
            Step::HttpSignature(_)
            | Step::Jwt(_)
            | Step::ApiKey(_)
            | Step::Basic(_)
            | Step::Bearer(_)
            | Step::Mtls(_) => {}
        }
    }
    None
}
