//! The whole catalogue: every provider signs, is accepted by the running binary, and is refused
//! after every tampering that applies. No provider is named here: what applies is in its file.

mod confusion;
mod round_trip;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use gatepost::config::source::Files;
use gatepost::config::{Environment, Loaded, catalogue, load, tree};
use gatepost::route::{Mode, Route};
use gatepost::sign::PrivateKey;
use gatepost::verify::Plan;
use serde_json::{Map, Value};

use crate::signing::{base64, hex, random};

/// A provider as `gatepost providers NAME` shows it.
pub struct Shipped {
    pub name: String,
    pub keys: Value,
    /// What a request that passes has proved, in the words of the table.
    pub proves: Vec<String>,
    /// The route to paste.
    pub route: String,
}

/// Every provider of the catalogue.
pub fn shipped() -> Vec<Shipped> {
    catalogue::names().into_iter().map(show).collect()
}

/// The provider of this name.
pub fn show(name: &str) -> Shipped {
    let output = Command::new(env!("CARGO_BIN_EXE_gatepost"))
        .args(["providers", name])
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let (file, rest) = text.split_once("\n# What it proves: ").unwrap();
    let (proves, rest) = rest.split_once(". What to know:\n").unwrap();
    let (_, route) = rest.split_once("\n# A route for it:\n").unwrap();
    let mut files = Files::new();
    let id = files.add(name, file);
    let (table, _) = tree::parse(&files, id);
    let keys = json(&tree::Value::Table(table));
    Shipped {
        name: name.to_owned(),
        keys,
        proves: proves.split(", ").map(Into::into).collect(),
        route: route.to_owned(),
    }
}

impl Shipped {
    /// Whether the file has this key.
    pub fn has(&self, key: &str) -> bool {
        !self.keys[key].is_null()
    }

    /// Whether a request that passes has proved this.
    pub fn proves(&self, what: &str) -> bool {
        self.proves.iter().any(|word| word == what)
    }

    /// Whether it must say until when it is valid.
    pub fn expires(&self) -> bool {
        let needs = |step: &Value| step["required_claims"].to_string().contains("\"exp\"");
        self.steps().iter().any(needs)
    }

    /// Every step, also those of which one must pass.
    pub fn steps(&self) -> Vec<Value> {
        let verify = self.keys["verify"].as_array().cloned().unwrap_or_default();
        verify
            .into_iter()
            .flat_map(|step| match step["any"].as_array() {
                Some(any) => any.clone(),
                None => vec![step],
            })
            .collect()
    }

    /// The algorithm of its public key, if it has one.
    pub fn algorithm(&self) -> Option<String> {
        self.steps().iter().find_map(|step| {
            let name = step["algorithm"].as_str();
            let name = name.or_else(|| step["algorithms"][0].as_str())?;
            (!name.starts_with("HS")).then(|| name.to_owned())
        })
    }

    /// A throw-away secret in the form in which the provider shows its secrets.
    pub fn secret(&self) -> String {
        let bytes = random(32);
        let steps = self.steps();
        if steps.iter().any(|step| step["secret_encoding"] == "hex") {
            hex(&bytes)
        } else {
            base64(&bytes)
        }
    }

    /// The route to paste, where this host may call it.
    pub fn local_route(&self) -> String {
        let mut route = self.route.clone();
        if self.has("allow_ips") {
            route.push_str("allow_ips = [\"127.0.0.1\"]\n");
        }
        route
    }
}

/// One key for each algorithm: making them is what takes time.
pub fn private_keys(all: &[Shipped]) -> BTreeMap<String, PrivateKey> {
    all.iter()
        .filter_map(Shipped::algorithm)
        .map(|name| (name.clone(), PrivateKey::generate_for(&name).unwrap()))
        .collect()
}

/// The variables that the routes name.
pub fn variables(
    all: &[Shipped],
    keys: &BTreeMap<String, PrivateKey>,
    secret: impl Fn(&Shipped) -> String,
) -> BTreeMap<String, String> {
    let mut variables = BTreeMap::new();
    for provider in all {
        let name = provider.name.to_ascii_uppercase();
        variables.insert(format!("{name}_SECRET"), secret(provider));
        variables.insert(format!("{name}_VERIFY_TOKEN"), "a-verify-token".to_owned());
        if let Some(algorithm) = provider.algorithm() {
            let public = keys[&algorithm].public_pem().unwrap();
            variables.insert(format!("{name}_PUBLIC_KEY"), public);
        }
    }
    variables
}

/// The configuration of a running instance, loaded a second time to sign by it.
pub fn loaded(path: &Path, variables: BTreeMap<String, String>) -> Loaded {
    let environment = Environment {
        inline: false,
        variables: Some(variables),
        ..Environment::default()
    };
    let loaded = load(path, &environment).unwrap();
    assert!(loaded.config.is_some(), "{}", loaded.report(false));
    loaded
}

pub fn plan(route: &Route) -> &Plan {
    match &route.mode {
        Mode::Enforce(plan) => plan,
        Mode::Observe(_) | Mode::Passthrough => panic!("{} is not enforced", route.name),
    }
}

/// A file's keys, as far as a test looks at them.
fn json(value: &tree::Value) -> Value {
    match value {
        tree::Value::Text(text) => text.as_str().into(),
        tree::Value::Integer(number) => (*number).into(),
        tree::Value::Float(number) => (*number).into(),
        tree::Value::Flag(flag) => (*flag).into(),
        tree::Value::Time(_) => "a time".into(),
        tree::Value::List(list) => list.iter().map(|node| json(&node.value)).collect(),
        tree::Value::Table(table) => {
            let entries = table.entries.iter();
            let entries = entries.map(|entry| (entry.name.clone(), json(&entry.node.value)));
            Value::Object(entries.collect::<Map<_, _>>())
        }
    }
}
