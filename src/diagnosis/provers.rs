//! Trials on how a signature is made: hash, algorithm, salt, keyed or not.

use super::keys::{self, Keys};
use super::scene::Scene;
use super::trial::{Guess, Kind, Trials};
use crate::secret::Secret;
use crate::verify::algorithm::{Algorithm, Salt, SignatureFormat};
use crate::verify::signed::{Prover, Signature};
use crate::verify::template::{Constants, Template};
use crate::verify::{Hash, Held, Ring};

const HASHES: [(Hash, &str); 5] = [
    (Hash::Sha256, "sha256"),
    (Hash::Sha1, "sha1"),
    (Hash::Sha512, "sha512"),
    (Hash::Sha384, "sha384"),
    (Hash::Md5, "md5"),
];

/// Hash, algorithm, salt, and whether it is keyed.
pub(super) fn add(trials: &mut Trials, step: &Signature, known: &Keys) {
    match &step.prover {
        Prover::Hmac(keys) => {
            let own = keys.all().first().map(|held| held.key.start().hash());
            add_hashes(trials, own, "an HMAC");
            let secrets: Vec<_> = keys
                .all()
                .iter()
                .map(|held| held.with(held.key.secret().clone()))
                .collect();
            for (hash, name) in HASHES {
                add_plain(trials, hash, name);
                add_keyed_digests(trials, hash, name, &secrets);
            }
        }
        Prover::Digest { hash, secrets } => {
            add_hashes(trials, Some(*hash), "a digest");
            let others = known.secrets.iter().map(|owned| owned.held.clone());
            let held = match secrets {
                Some(secrets) => secrets.all().to_vec(),
                None => others.collect(),
            };
            for (hash, name) in HASHES {
                for held in &held {
                    add_hmac(trials, hash, name, held);
                }
                if secrets.is_some() {
                    add_plain(trials, hash, name);
                    add_keyed_digests(trials, hash, name, &held);
                }
            }
        }
        Prover::PublicKey {
            algorithm,
            salt,
            form,
            ..
        } => add_algorithms(trials, *algorithm, *salt, *form),
    }
}

/// The same with another hash.
fn add_hashes(trials: &mut Trials, own: Option<Hash>, what: &str) {
    for (hash, name) in HASHES {
        if Some(hash) != own {
            let guess = Guess::new(
                "hash",
                format!("it is {what} with {name}"),
                format!("set `hash = \"{name}\"` in the step"),
            );
            trials.add(Kind::Hash, guess, move |scene| rehashed(scene, hash));
        }
    }
}

/// A digest without any secret.
fn add_plain(trials: &mut Trials, hash: Hash, name: &str) {
    let guess = Guess::new(
        "digest_plain",
        format!(
            "it is a plain {name} digest: it is not keyed, so it proves nothing about the sender"
        ),
        format!(
            "ask the provider for a keyed signature; else `scheme = \"digest\"` and `hash = \"{name}\"`, with `accept_weak = true` and `allow_ips`"
        ),
    );
    trials.add(Kind::Hash, guess, move |scene| {
        let keyed = scene
            .signature()
            .is_some_and(|step| step.message.has_secret());
        let message = keyed.then_some("{body}");
        made(
            scene,
            message,
            Prover::Digest {
                hash,
                secrets: None,
            },
        )
    });
}

/// A digest keyed by the secret in its message.
fn add_keyed_digests(trials: &mut Trials, hash: Hash, name: &str, secrets: &[Held<Secret>]) {
    for message in ["{secret}{body}", "{body}{secret}", "{secret}.{body}"] {
        let guess = Guess::new(
            "digest_keyed",
            format!("it is a plain {name} digest of `{message}`, not an HMAC"),
            format!(
                "set `scheme = \"digest\"`, `hash = \"{name}\"` and `message = \"{message}\"` in the step"
            ),
        );
        let secrets = secrets.to_vec();
        trials.add(Kind::Hash, guess, move |scene| {
            let secrets = Some(Ring::new(secrets.clone()));
            made(scene, Some(message), Prover::Digest { hash, secrets })
        });
    }
}

/// An HMAC where the step expects a digest.
fn add_hmac(trials: &mut Trials, hash: Hash, name: &str, held: &Held<Secret>) {
    let guess = Guess::new(
        "digest_keyed",
        format!(
            "it is an HMAC with {name} under the secret `{}`: the provider keys its digest",
            held.name
        ),
        format!(
            "set `scheme = \"hmac\"` and `hash = \"{name}\"` in the step, and give the route that secret: it proves the sender too"
        ),
    );
    let lasting = keys::lasting(held.key.clone(), &held.name);
    trials.add(Kind::Hash, guess, move |scene| {
        let keyed = scene
            .signature()
            .is_some_and(|step| step.message.has_secret());
        let keys = Ring::new(keys::mac_keys(hash, vec![lasting.clone()]));
        made(scene, keyed.then_some("{body}"), Prover::Hmac(keys))
    });
}

/// Puts another prover in, and another message where one is given.
fn made(scene: &mut Scene, message: Option<&str>, prover: Prover) -> bool {
    let message = match message.map(|text| Template::compile(text, &Constants::default())) {
        None => None,
        Some(Ok(message)) => Some(message),
        Some(Err(_)) => return false,
    };
    let Some(step) = scene.signature_mut() else {
        return false;
    };
    step.prover = prover;
    if let Some(message) = message {
        step.message = message;
    }
    true
}

fn rehashed(scene: &mut Scene, hash: Hash) -> bool {
    let Some(step) = scene.signature_mut() else {
        return false;
    };
    match &mut step.prover {
        Prover::Digest { hash: own, .. } => *own = hash,
        Prover::Hmac(keys) => {
            let secrets = keys
                .all()
                .iter()
                .map(|held| held.with(held.key.secret().clone()))
                .collect();
            *keys = Ring::new(keys::mac_keys(hash, secrets));
        }
        Prover::PublicKey { .. } => return false,
    }
    true
}

/// Other ways to check a public-key signature with the same keys.
fn add_algorithms(trials: &mut Trials, own: Algorithm, salt: Salt, form: SignatureFormat) {
    let prepared = |trials: &mut Trials, guess, algorithm, salt, form| {
        trials.add(Kind::Hash, guess, move |scene: &mut Scene| {
            let public = keys::public_keys(&scene.step);
            let Some(ring) = keys::prepared(&public, algorithm, salt, form) else {
                return false;
            };
            let Some(step) = scene.signature_mut() else {
                return false;
            };
            step.prover = Prover::PublicKey {
                algorithm,
                salt,
                form,
                keys: ring,
            };
            true
        });
    };
    if matches!(own, Algorithm::RsaPss(_)) {
        let length = own.hash().map_or(0, Hash::length);
        let lengths = [0, 20, 32, 48, 64].into_iter().filter(|n| *n != length);
        let numbered = lengths.map(|n| {
            let salt = Salt::Length(u16::try_from(n).unwrap_or_default());
            (salt, n.to_string(), n.to_string())
        });
        let named = [
            (Salt::Digest, "\"digest\"".to_owned(), format!("{length}")),
            (
                Salt::Max,
                "\"max\"".to_owned(),
                "as many as the key allows".to_owned(),
            ),
        ];
        for (other, written, bytes) in named.into_iter().chain(numbered) {
            if other != salt {
                let guess = Guess::new(
                    "salt",
                    format!("the salt of the signature has another length: {bytes} bytes"),
                    format!("set `salt = {written}` in the step"),
                );
                prepared(trials, guess, own, other, form);
            }
        }
    }
    let (other, name) = match form {
        SignatureFormat::Der => (SignatureFormat::P1363, "p1363"),
        SignatureFormat::P1363 => (SignatureFormat::Der, "der"),
    };
    if matches!(own, Algorithm::EcdsaP256Sha256 | Algorithm::EcdsaP384Sha384) {
        let guess = Guess::new(
            "signature_format",
            format!("the signature is written as {name}"),
            format!("set `signature_format = \"{name}\"` in the step"),
        );
        prepared(trials, guess, own, salt, other);
    }
    for algorithm in Algorithm::ALL {
        if algorithm != own {
            let name = algorithm.name();
            let guess = Guess::new(
                "algorithm",
                format!("the signature is made with {name}"),
                format!("set `algorithm = \"{name}\"` in the step"),
            );
            prepared(trials, guess, algorithm, Salt::Auto, form);
        }
    }
    let guess = Guess::new(
        "prehash",
        "the message is hashed before it is signed, so it is hashed twice",
        "set `message = \"{body|sha256}\"` in the step",
    );
    trials.add(Kind::Message, guess, |scene| {
        let (Some(step), Ok(message)) = (
            scene.signature_mut(),
            Template::compile("{body|sha256}", &Constants::default()),
        ) else {
            return false;
        };
        step.message = message;
        true
    });
}
