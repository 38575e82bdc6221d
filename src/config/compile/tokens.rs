//! The `jwt` step, compiled.

use super::Compiler;
use super::secrets::SecretEncoding;
use super::sources::sources;
use super::steps::{Compiled, Shared, encoding, hash};
use crate::config::grammar::{self, BODY_HASH};
use crate::config::shape;
use crate::config::source::Span;
use crate::config::tree::{Node, Table, Value};
use crate::verify::jwt::{ALGORITHMS, BodyHash, Jwt, Key, Known};
use crate::verify::{Held, Place, Ring, Step};

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
        let Some(pinned) = table.get("algorithms") else {
            if grammar::scheme("jwt").is_none_or(|jwt| !shape::lacks(table, jwt, "algorithms")) {
                return None;
            }
            self.problems.error(
                table.span,
                "scheme `jwt` needs `algorithms`: a token must not choose its own",
                "no algorithms",
                "add `algorithms = [\"HS256\"]` or the ones the provider documents",
            );
            return None;
        };
        if names.is_empty() || self.problems.has_error_at(pinned.span) {
            return None;
        }
        let algorithms: Vec<_> = ALGORITHMS
            .iter()
            .filter(|known| names.contains(&known.name))
            .collect();
        let symmetric = |name: &str| name.starts_with("HS");
        let wanted = if names.iter().all(|name| symmetric(name)) {
            "secret"
        } else {
            "public_key"
        };
        let (keys, at) = self.token_keys(table, shared, wanted, &algorithms)?;
        for known in &algorithms {
            if keys.iter().any(|held| held.key.serves(known)) {
                continue;
            }
            let name = known.name;
            self.problems.error(
                at,
                format!("no key of this step can verify `{name}`"),
                "no key for it",
                if symmetric(name) {
                    "HS algorithms need a `secret`"
                } else {
                    "RS, PS, ES and EdDSA need a `public_key` or `jwks` of that kind"
                },
            );
        }
        self.positive(table, "max_age", "every token would be too old");
        let body_hash = match table.table("body_hash") {
            None => None,
            Some(rule) => {
                if shape::lacks(rule, &BODY_HASH, "claim") {
                    self.problems.error(
                        rule.span,
                        "`body_hash` needs the name of the `claim`",
                        "no claim",
                        "add `claim = \"…\"` as the provider's documentation names it",
                    );
                }
                Some(BodyHash {
                    claim: self.field_name(rule, "claim")?,
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
            credential: Some(Place::Header(header)),
            challenge,
        })
    }

    /// Every key the step names, else the route's: a secret, a public key, a key set.
    /// The span is the first one's, to mark where a key of another kind stands.
    fn token_keys(
        &mut self,
        table: &Table,
        shared: &Shared<'_>,
        wanted: &'static str,
        algorithms: &[&Known],
    ) -> Option<(Vec<Held<Key>>, Span)> {
        let own = ["secret", "public_key", "jwks"]
            .iter()
            .any(|name| table.get(name).is_some());
        let source = if own { table } else { shared.keys };
        let encoding = SecretEncoding::named(table.text("secret_encoding").unwrap_or("text"));
        let mut keys = Vec::new();
        let mut first = None;
        // A key that cannot be read was reported: without it nothing can be said of the others.
        let mut all = true;
        if let Some(node) = source.get("secret") {
            first = Some(node.span);
            if !own {
                self.used.insert("secret");
            }
            let secrets = self.secrets(node, encoding);
            all &= secrets.all().len() == sources(node).len();
            keys.extend(
                secrets
                    .all()
                    .iter()
                    .map(|held| held.with(Key::shared(&held.key))),
            );
        }
        for name in ["public_key", "jwks"] {
            if let Some(node) = source.get(name) {
                first = first.or(Some(node.span));
                let public = self.public_keys(node);
                let read =
                    |source: &Node| public.iter().any(|(other, _)| std::ptr::eq(*other, source));
                all &= sources(node).iter().all(read);
                let public: Vec<_> = public
                    .iter()
                    .map(|(_, held)| held.with(Key::public(&held.key)))
                    .collect();
                let serves = |held: &Held<Key>| algorithms.iter().any(|one| held.key.serves(one));
                if !own && public.iter().any(serves) {
                    self.used.insert("public_key");
                }
                keys.extend(public);
            }
        }
        if first.is_none() {
            self.needs(table, shared, wanted);
        }
        all.then_some((keys, first?))
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
