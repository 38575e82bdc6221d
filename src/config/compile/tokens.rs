//! The `jwt` step, compiled.

use super::Compiler;
use super::secrets::SecretEncoding;
use super::sources::sources;
use super::steps::{Compiled, Shared, encoding, hash};
use crate::config::grammar::{self, BODY_HASH};
use crate::config::shape;
use crate::config::source::Span;
use crate::config::tree::{Node, Table};
use crate::verify::jwt::{ALGORITHMS, BodyHash, Jwt, Key, Known};
use crate::verify::template::Template;
use crate::verify::{Held, Place, Ring, Step};

/// How far two clocks may differ (RFC 7519 §4.1.4: "no more than a few minutes").
const LEEWAY: std::time::Duration = std::time::Duration::from_secs(60);

impl Compiler<'_> {
    pub(super) fn jwt(&mut self, table: &Table, shared: &Shared<'_>) -> Option<Compiled> {
        let place = match self.optional_place(table) {
            Some(place) => place?,
            None if table.flag("body") == Some(true) => Place::Body,
            None => Place::Header(http::header::AUTHORIZATION),
        };
        let in_header = matches!(place, Place::Header(_));
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
        let detached = table.flag("detached") == Some(true);
        if detached {
            self.no_claims(table);
        }
        let mut body_hash = Vec::new();
        for node in table.one_or_many("body_hash") {
            body_hash.push(self.body_hash(node.table()?, shared)?);
        }
        let issuers = self.expected(table, "issuer", shared)?;
        let audiences = self.expected(table, "audience", shared)?;
        let challenge =
            matches!(&place, Place::Header(name) if *name == http::header::AUTHORIZATION)
                .then_some("Bearer");
        let required = table.list("required_claims").map_or_else(
            || vec!["exp".to_owned()],
            |list| list.iter().filter_map(Node::text).map(Into::into).collect(),
        );
        let issued_at = match table.get("issued_at") {
            Some(_) => self.field_name(table, "issued_at")?,
            None => "iat".to_owned(),
        };
        let prefix = if in_header && !detached {
            "Bearer "
        } else {
            ""
        };
        Some(Compiled {
            // A detached signature is good for this body only: the app may check it once more.
            credential: (!detached).then(|| place.clone()),
            step: Step::Jwt(Box::new(Jwt {
                place,
                prefix: table.text("prefix").unwrap_or(prefix).to_owned(),
                algorithms,
                detached,
                issuers,
                audiences,
                required,
                leeway: table.duration("leeway").unwrap_or(LEEWAY),
                issued_at,
                max_age: table.duration("max_age"),
                body_hash,
                keys: Ring::new(keys),
            })),
            authenticates: true,
            challenge,
        })
    }

    /// Reports keys about claims where the payload is the body.
    fn no_claims(&mut self, table: &Table) {
        for key in ["issuer", "audience", "required_claims", "body_hash"] {
            if let Some(entry) = table.entry(key) {
                self.problems.error(
                    entry.name_span,
                    format!("a detached token has no claims, so `{key}` would do nothing"),
                    "has no effect",
                    "remove it; the signature covers the whole body",
                );
            }
        }
    }

    fn body_hash(&mut self, rule: &Table, shared: &Shared<'_>) -> Option<BodyHash> {
        if shape::lacks(rule, &BODY_HASH, "claim") {
            self.problems.error(
                rule.span,
                "`body_hash` needs the name of the `claim`",
                "no claim",
                "add `claim = \"…\"` as the provider's documentation names it",
            );
        }
        let claim = self.field_name(rule, "claim");
        let message = self.message(rule, shared)?;
        if message.has_secret() || message.has_timestamp() || message.has_id() {
            self.problems.error(
                rule.get("message").map_or(rule.span, |node| node.span),
                "a token has no `{timestamp}`, `{id}` or `{secret}` to hash",
                "not there",
                "write what the claim is the hash of, for example \"{url}\"",
            );
            return None;
        }
        Some(BodyHash {
            claim: claim?,
            hash: hash(rule),
            encoding: encoding(rule),
            message,
        })
    }

    /// One text or a list of them, each of which may hold variables of the head.
    fn expected(&mut self, table: &Table, key: &str, shared: &Shared<'_>) -> Option<Vec<Template>> {
        let mut expected = Vec::new();
        for node in table.one_or_many(key) {
            let text = node.text()?;
            if !text.contains('{') {
                expected.push(Template::literal(text));
                continue;
            }
            let template = self.template(node, shared)?;
            if !template.is_of_head() {
                self.problems.error(
                    node.span,
                    format!("`{key}` is compared before the body is read"),
                    "not known yet",
                    "use `{url}`, `{path}`, `{header:X}`, `{query:x}` or `{config:x}`",
                );
                return None;
            }
            expected.push(template);
        }
        Some(expected)
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
            let secrets = self.secrets(
                node,
                table.text("secret_prefix").unwrap_or_default(),
                encoding,
            );
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
