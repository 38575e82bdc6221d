//! Every secret and key of a configuration, and a step with other ones.

use std::sync::Arc;

use crate::route::{Mode, Routes};
use crate::secret::Secret;
use crate::verify::algorithm::{Salt, SignatureFormat, VerifyingKey};
use crate::verify::jwt::Key;
use crate::verify::public_key::PublicKey;
use crate::verify::signed::{MacKey, Prover};
use crate::verify::{Hash, Held, Ring, Step, http_signature};

/// A secret or public key and the route that has it.
#[derive(Debug, Clone)]
pub(super) struct Owned<K> {
    pub(super) route: String,
    pub(super) held: Held<K>,
}

/// All of a configuration.
#[derive(Debug, Default)]
pub(super) struct Keys {
    pub(super) secrets: Vec<Owned<Secret>>,
    pub(super) public: Vec<Owned<PublicKey>>,
}

impl Keys {
    pub(super) fn of(routes: &Routes) -> Self {
        let mut keys = Self::default();
        for route in routes.all() {
            let (Mode::Enforce(plan) | Mode::Observe(plan)) = &route.mode else {
                continue;
            };
            for step in plan.groups.iter().flatten() {
                let name = &route.name;
                keys.secrets
                    .extend(secrets(step).into_iter().map(|held| Owned {
                        route: name.to_string(),
                        held,
                    }));
                keys.public
                    .extend(public_keys(step).into_iter().map(|held| Owned {
                        route: name.to_string(),
                        held,
                    }));
            }
        }
        keys
    }
}

/// The secrets of a step, whether in force or not.
pub(super) fn secrets(step: &Step) -> Vec<Held<Secret>> {
    match step {
        Step::ApiKey(step) => step.secrets.all().to_vec(),
        Step::Basic(step) => step.secrets.all().to_vec(),
        Step::Bearer(step) => step.secrets.all().to_vec(),
        Step::Jwt(step) => {
            let shared = |held: &Held<Key>| {
                let bytes = held.key.shared_secret()?;
                Some(held.with(Secret::new(bytes.to_vec())))
            };
            step.keys.all().iter().filter_map(shared).collect()
        }
        Step::HttpSignature(step) => match &step.keys {
            http_signature::Keys::Hmac(keys) => keys
                .all()
                .iter()
                .map(|held| held.with(held.key.secret().clone()))
                .collect(),
            http_signature::Keys::Public(..) => Vec::new(),
        },
        Step::Mtls(_) => Vec::new(),
        Step::Signature(step) => match &step.prover {
            Prover::Digest { secrets, .. } => secrets
                .as_ref()
                .map(|ring| ring.all().to_vec())
                .unwrap_or_default(),
            Prover::Hmac(keys) => keys
                .all()
                .iter()
                .map(|held| held.with(held.key.secret().clone()))
                .collect(),
            Prover::PublicKey { .. } => Vec::new(),
        },
    }
}

/// The public keys of a step, whether in force or not.
pub(super) fn public_keys(step: &Step) -> Vec<Held<PublicKey>> {
    match step {
        Step::ApiKey(_) | Step::Basic(_) | Step::Bearer(_) | Step::Mtls(_) => Vec::new(),
        Step::HttpSignature(step) => match &step.keys {
            http_signature::Keys::Hmac(_) => Vec::new(),
            http_signature::Keys::Public(_, keys) => keys
                .all()
                .iter()
                .map(|held| held.with(held.key.public().clone()))
                .collect(),
        },
        Step::Jwt(step) => step
            .keys
            .all()
            .iter()
            .filter_map(|held| Some(held.with(held.key.public_key()?.clone())))
            .collect(),
        Step::Signature(step) => match &step.prover {
            Prover::Digest { .. } | Prover::Hmac(_) => Vec::new(),
            Prover::PublicKey { keys, .. } => keys
                .all()
                .iter()
                .map(|held| held.with(held.key.public().clone()))
                .collect(),
        },
    }
}

/// The step with these secrets instead of its own; `None` for one that has none.
pub(super) fn with_secrets(step: &Step, secrets: Vec<Held<Secret>>) -> Option<Step> {
    if secrets.is_empty() {
        return None;
    }
    let mut step = step.clone();
    match &mut step {
        Step::ApiKey(step) => step.secrets = Ring::new(secrets),
        Step::Basic(step) => step.secrets = Ring::new(secrets),
        Step::Bearer(step) => step.secrets = Ring::new(secrets),
        Step::Jwt(step) => {
            let keys = secrets
                .iter()
                .map(|held| held.with(Key::shared(&held.key)))
                .collect();
            step.keys = Ring::new(keys);
        }
        Step::HttpSignature(step) => match &mut step.keys {
            http_signature::Keys::Hmac(keys) => {
                *keys = Ring::new(mac_keys(Hash::Sha256, secrets));
            }
            http_signature::Keys::Public(..) => return None,
        },
        Step::Mtls(_) => return None,
        Step::Signature(step) => match &mut step.prover {
            Prover::Digest {
                secrets: ring @ Some(_),
                ..
            } => *ring = Some(Ring::new(secrets)),
            Prover::Digest { secrets: None, .. } | Prover::PublicKey { .. } => return None,
            Prover::Hmac(keys) => {
                let hash = keys.all().first()?.key.start().hash();
                *keys = Ring::new(mac_keys(hash, secrets));
            }
        },
    }
    Some(step)
}

/// The step with these public keys instead of its own; `None` for one that has none.
pub(super) fn with_public(step: &Step, public: &[Held<PublicKey>]) -> Option<Step> {
    let mut step = step.clone();
    match &mut step {
        Step::HttpSignature(_)
        | Step::ApiKey(_)
        | Step::Basic(_)
        | Step::Bearer(_)
        | Step::Mtls(_) => return None,
        Step::Jwt(step) => {
            let keys = public
                .iter()
                .map(|held| held.with(Key::public(&held.key)))
                .collect();
            step.keys = Ring::new(keys);
        }
        Step::Signature(step) => match &mut step.prover {
            Prover::Digest { .. } | Prover::Hmac(_) => return None,
            Prover::PublicKey {
                algorithm,
                salt,
                form,
                keys,
            } => *keys = prepared(public, *algorithm, *salt, *form)?,
        },
    }
    Some(step)
}

/// The keys prepared for an algorithm; `None` when none of them serves it.
pub(super) fn prepared(
    public: &[Held<PublicKey>],
    algorithm: crate::verify::algorithm::Algorithm,
    salt: Salt,
    form: SignatureFormat,
) -> Option<Ring<VerifyingKey>> {
    let keys: Vec<_> = public
        .iter()
        .filter_map(|held| {
            let key = VerifyingKey::new(&held.key, algorithm, salt, form)?;
            Some(held.with(key))
        })
        .collect();
    (!keys.is_empty()).then(|| Ring::new(keys))
}

/// HMAC keys of these secrets.
pub(super) fn mac_keys(hash: Hash, secrets: Vec<Held<Secret>>) -> Vec<Held<MacKey>> {
    let made = |held: Held<Secret>| {
        let key = MacKey::new(hash, held.key.clone())?;
        Some(held.with(key))
    };
    secrets.into_iter().filter_map(made).collect()
}

/// The key, in force at all times, by this name.
pub(super) fn lasting<K>(key: K, name: &str) -> Held<K> {
    Held {
        name: Arc::from(name),
        not_before: None,
        until: None,
        key,
    }
}
