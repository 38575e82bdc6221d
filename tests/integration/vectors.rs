//! Published test vectors, as data: `tests/fixtures/vectors/catalogue.json`, with their sources.
//!
//! Each is what a provider's page, SDK or SDK test calls genuine, so the provider's file must
//! accept it as it is, at its time, and refuse it after any change of one byte of what is signed.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;

use gatepost::config::{self, Environment, Loaded, parse};
use gatepost::route::Mode;
use gatepost::sign::PrivateKey;
use gatepost::verify::public_key::PublicKey;
use gatepost::verify::{Body, Head, Moment, Plan};
use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;

use crate::catalogue::{Shipped, show};

const VECTORS: &str = include_str!("../fixtures/vectors/catalogue.json");

/// A delivery as published.
#[derive(Debug, Clone)]
struct Vector {
    id: String,
    provider: String,
    /// More keys of the route: the secret, the URL.
    route: String,
    now: Moment,
    method: String,
    target: String,
    headers: Vec<(String, Vec<u8>)>,
    /// The headers that prove nothing, and texts in others that do not.
    uncovered: BTreeSet<String>,
    /// Texts of the body that are signed, where not all of it is.
    signed: Vec<String>,
    body: Vec<u8>,
}

/// The vectors that are whole deliveries.
fn vectors() -> Vec<Vector> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let texts = |value: &Value| {
        value
            .as_array()
            .unwrap()
            .iter()
            .map(text)
            .collect::<Vec<_>>()
    };
    let all: Vec<Value> = serde_json::from_str(VECTORS).unwrap();
    all.iter()
        .filter(|vector| vector.get("not_a_delivery").is_none())
        .map(|vector| Vector {
            id: text(&vector["id"]),
            provider: text(&vector["provider"]),
            route: texts(&vector["route"]).join("\n"),
            now: Moment::from_second(vector["now"].as_i64().unwrap()).unwrap(),
            method: text(&vector["method"]),
            target: text(&vector["target"]),
            headers: vector["headers"]
                .as_object()
                .unwrap()
                .iter()
                .map(|(name, value)| (name.clone(), text(value).into_bytes()))
                .collect(),
            uncovered: texts(&vector["uncovered"]).into_iter().collect(),
            signed: vector.get("signed").map(texts).unwrap_or_default(),
            body: text(&vector["body"]).into_bytes(),
        })
        .collect()
}

impl Vector {
    /// The provider's route with the vector's key.
    fn load(&self) -> Loaded {
        let text = format!(
            "[server]\nlisten = \"127.0.0.1:0\"\n[upstream]\nurl = \"echo:\"\n\
             [[route]]\npath = \"/*\"\nprovider = \"{}\"\nallow_ips = \"any\"\n{}\n",
            self.provider, self.route
        );
        let environment = Environment {
            inline: true,
            variables: None,
            ..Environment::default()
        };
        parse(&self.id, &text, PathBuf::new(), &environment)
    }

    /// Whether `plan` accepts it; `None` when it could not be sent at all.
    fn accepted(&self, plan: &Plan) -> Option<bool> {
        let mut headers = HeaderMap::new();
        for (name, value) in &self.headers {
            headers.append(
                HeaderName::try_from(name).unwrap(),
                HeaderValue::from_bytes(value).ok()?,
            );
        }
        let (path, query) = match self.target.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (self.target.as_str(), None),
        };
        let head = Head {
            method: &self.method,
            path,
            query,
            headers: (&headers).into(),
        };
        let body = Body::from(bytes::Bytes::from(self.body.clone()));
        let verdict = plan
            .admit(IpAddr::V4(Ipv4Addr::LOCALHOST), &head, self.now)
            .and_then(|mut pending| {
                pending.update(&self.body);
                pending
                    .finish(&head, body)
                    .map_err(|refused| refused.rejection)
            });
        Some(verdict.is_ok())
    }

    fn changed(&self, change: impl FnOnce(&mut Self)) -> Self {
        let mut other = self.clone();
        change(&mut other);
        other
    }

    /// It with one byte changed: every byte of the body and of the URL where they are covered, and of
    /// every header that proves something.
    fn mutations(&self, covered: &Shipped) -> Vec<(String, Self)> {
        let mut all = Vec::new();
        if covered.proves("body") {
            for at in 0..self.body.len() {
                all.push((
                    format!("byte {at} of the body"),
                    self.changed(|it| it.body[at] ^= 1),
                ));
            }
            all.push((
                "a byte more in the body".into(),
                self.changed(|it| it.body.push(b' ')),
            ));
            if let Some(less) = self.body.len().checked_sub(1) {
                all.push((
                    "a byte less in the body".into(),
                    self.changed(|it| it.body.truncate(less)),
                ));
            }
        }
        let body = String::from_utf8_lossy(&self.body);
        for text in &self.signed {
            let starts = body.find(text).unwrap();
            for at in starts..starts + text.len() {
                all.push((
                    format!("byte {at} of the body, in {text}"),
                    self.changed(|it| it.body[at] ^= 1),
                ));
            }
        }
        for (which, (name, value)) in self.headers.iter().enumerate() {
            if self.uncovered.contains(name) {
                continue;
            }
            let text = String::from_utf8_lossy(value);
            let free: Vec<_> = self
                .uncovered
                .iter()
                .filter_map(|free| Some((text.find(free)?, free.len())))
                .collect();
            for at in 0..value.len() {
                if free
                    .iter()
                    .any(|(from, long)| (*from..from + long).contains(&at))
                {
                    continue;
                }
                all.push((
                    format!("byte {at} of {name}"),
                    self.changed(|it| it.headers[which].1[at] ^= 1),
                ));
            }
            all.push((
                format!("no {name}"),
                self.changed(|it| drop(it.headers.remove(which))),
            ));
            all.push((
                format!("{name} twice"),
                self.changed(|it| it.headers.push(it.headers[which].clone())),
            ));
        }
        if covered.proves("URL") {
            for at in 1..self.target.len() {
                let mut bytes = self.target.clone().into_bytes();
                bytes[at] ^= 1;
                let target = String::from_utf8(bytes).unwrap();
                all.push((
                    format!("byte {at} of the target"),
                    self.changed(|it| it.target = target),
                ));
            }
        }
        all
    }
}

fn plan(loaded: &Loaded) -> &Plan {
    let config = loaded
        .config
        .as_ref()
        .unwrap_or_else(|| panic!("{}", loaded.report(false)));
    match &config.routes.all()[0].mode {
        Mode::Enforce(plan) => plan,
        Mode::Observe(_) | Mode::Passthrough => panic!("not enforced"),
    }
}

/// The vectors of providers that ship. Which do not is told by the page of the documentation.
fn shipped() -> Vec<Vector> {
    let names = config::catalogue::names();
    let (here, elsewhere): (Vec<Vector>, Vec<Vector>) = vectors()
        .into_iter()
        .partition(|vector| names.contains(&vector.provider.as_str()));
    let page = include_str!("../../docs/providers.md");
    for vector in elsewhere {
        assert!(
            page.contains(&format!("| `{}` |", vector.provider)),
            "{}: its provider neither ships nor is it said why",
            vector.id
        );
    }
    here
}

#[test]
fn every_published_vector_is_accepted_as_published() {
    let vectors = shipped();
    assert!(vectors.len() >= 20, "{}", vectors.len());
    for vector in vectors {
        let loaded = vector.load();
        assert_eq!(vector.accepted(plan(&loaded)), Some(true), "{}", vector.id);
    }
}

#[test]
fn no_published_vector_survives_a_change_of_one_byte() {
    for vector in shipped() {
        let loaded = vector.load();
        let plan = plan(&loaded);
        let mutations = vector.mutations(&show(&vector.provider));
        let mut tried = 0;
        for (what, changed) in mutations {
            if let Some(accepted) = changed.accepted(plan) {
                assert!(!accepted, "{}: accepted with {what}", vector.id);
                tried += 1;
            }
        }
        assert!(tried > 2 * 64 / 8, "{}: {tried}", vector.id);
    }
}

#[test]
fn no_published_vector_is_accepted_with_another_key() {
    let strangers: Vec<String> = ["ed25519", "ecdsa-p256-sha256", "rsa-pkcs1-sha256"]
        .iter()
        .map(|name| {
            PrivateKey::generate_for(name)
                .unwrap()
                .public_pem()
                .unwrap()
        })
        .map(|pem| pem.replace('\n', "\\n"))
        .collect();
    for vector in shipped() {
        let (before, rest) = vector.route.split_once("inline = \"").unwrap();
        let (key, after) = rest.split_once('"').unwrap();
        // Of a public key some bits have no meaning: what reads as the same key is the same.
        let read = |key: &str| PublicKey::read_all(key.as_bytes()).ok();
        let same = |other: &str| before.contains("public_key") && read(other) == read(key);
        let changed = (0..key.len()).map(|at| {
            let mut bytes = key.as_bytes().to_vec();
            bytes[at] ^= 1;
            String::from_utf8(bytes).unwrap()
        });
        // One wrong byte makes no curve point, so a public key is also replaced whole.
        let others = strangers.iter().filter(|_| before.contains("public_key"));
        let mut tried = 0;
        for other in changed.chain(others.cloned()) {
            if other.contains('"') || other.ends_with('\\') || same(&other) {
                continue;
            }
            let route = format!("{before}inline = \"{other}\"{after}");
            let loaded = vector.changed(|it| it.route = route).load();
            if loaded.config.is_some() {
                let accepted = vector.accepted(plan(&loaded));
                assert_eq!(accepted, Some(false), "{}: the key {other}", vector.id);
                tried += 1;
            }
        }
        assert!(tried > 0, "{}", vector.id);
    }
}
