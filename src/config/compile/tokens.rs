//! The `jwt` step, compiled.

use super::Compiler;
use super::secrets::SecretEncoding;
use super::steps::{Compiled, Shared, encoding, hash};
use crate::config::tree::{Node, Table, Value};
use crate::verify::jwt::{ALGORITHMS, BodyHash, Jwt, Key};
use crate::verify::{Held, Ring, Step};

/// How far two clocks may differ (RFC 7519 §4.1.4: "no more than a few minutes").
const LEEWAY: std::time::Duration = std::time::Duration::from_secs(60);

impl Compiler<'_> {
    pub(super) fn jwt(&mut self, table: &Table, shared: &Shared<'_>) -> Option<Compiled> {
        let header = self.header_or(table, "header", http::header::AUTHORIZATION)?;
        let names: Vec<&str> = table
            .list("algorithms")
            .unwrap_or_default()
            .iter()
            .filter_map(Node::text)
            .collect();
        if table.get("algorithms").is_none() {
            self.problems.error(
                table.span,
                "scheme `jwt` needs `algorithms`: a token must not choose its own",
                "no algorithms",
                "add `algorithms = [\"HS256\"]` or the ones the provider documents",
            );
            return None;
        }
        let algorithms: Vec<_> = ALGORITHMS
            .iter()
            .filter(|known| names.contains(&known.name))
            .collect();
        let keys = self.token_keys(table, shared)?;
        for known in &algorithms {
            if !keys.iter().any(|held| held.key.serves(known)) && !keys.is_empty() {
                let name = known.name;
                let symmetric = name.starts_with("HS");
                self.problems.error(
                    table.get("algorithms").map_or(table.span, |node| node.span),
                    format!("no key of this step can verify `{name}`"),
                    "no key for it",
                    if symmetric {
                        "HS algorithms need a `secret`"
                    } else {
                        "RS, PS, ES and EdDSA need a `public_key` or `jwks` of that kind"
                    },
                );
            }
        }
        let body_hash = match table.table("body_hash") {
            None => None,
            Some(rule) => {
                let Some(claim) = rule.text("claim") else {
                    self.problems.error(
                        rule.span,
                        "`body_hash` needs the name of the `claim`",
                        "no claim",
                        "add `claim = \"…\"` as the provider's documentation names it",
                    );
                    return None;
                };
                Some(BodyHash {
                    claim: claim.to_owned(),
                    hash: hash(rule),
                    encoding: encoding(rule),
                })
            }
        };
        let challenge = (header == http::header::AUTHORIZATION).then_some("Bearer");
        let required = table.list("required_claims").map_or_else(
            || vec!["exp".to_owned()],
            |list| list.iter().filter_map(Node::text).map(Into::into).collect(),
        );
        Some(Compiled {
            step: Step::Jwt(Box::new(Jwt {
                header: header.clone(),
                prefix: table.text("prefix").unwrap_or("Bearer ").to_owned(),
                algorithms,
                issuers: texts(table, "issuer"),
                audiences: texts(table, "audience"),
                required,
                leeway: table.duration("leeway").unwrap_or(LEEWAY),
                max_age: table.duration("max_age"),
                body_hash,
                keys: Ring::new(keys),
            })),
            authenticates: true,
            credential: Some(header),
            challenge,
        })
    }

    /// Every key the step names, else the route's: a secret, a public key, a key set.
    fn token_keys(&mut self, table: &Table, shared: &Shared<'_>) -> Option<Vec<Held<Key>>> {
        let own = ["secret", "public_key", "jwks"]
            .iter()
            .any(|name| table.get(name).is_some());
        let source = if own { table } else { shared.keys };
        let encoding = SecretEncoding::named(table.text("secret_encoding").unwrap_or("text"));
        let mut keys = Vec::new();
        let mut named = false;
        if let Some(node) = source.get("secret") {
            named = true;
            keys.extend(
                self.secrets(node, encoding)
                    .all()
                    .iter()
                    .map(|held| held.with(Key::shared(&held.key))),
            );
        }
        for name in ["public_key", "jwks"] {
            if let Some(node) = source.get(name) {
                named = true;
                let public = self.public_keys(node);
                keys.extend(
                    public
                        .all()
                        .iter()
                        .map(|held| held.with(Key::public(&held.key))),
                );
            }
        }
        if !named {
            self.needs(shared, "secret", "jwt");
            return None;
        }
        Some(keys)
    }
}

/// One text or a list of them.
fn texts(table: &Table, key: &str) -> Vec<String> {
    match table.get(key).map(|node| &node.value) {
        Some(Value::Text(only)) => vec![only.clone()],
        Some(Value::List(list)) => list.iter().filter_map(Node::text).map(Into::into).collect(),
        _ => Vec::new(),
    }
}
