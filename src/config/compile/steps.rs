//! Verify steps, compiled.

use http::HeaderName;

use super::Compiler;
use super::secrets::SecretEncoding;
use crate::config::source::Span;
use crate::config::tree::{Node, Table};
use crate::json::Pointer;
use crate::secret::Secret;
use crate::verify::algorithm::{Algorithm, Salt, SignatureFormat, VerifyingKey};
use crate::verify::format::{Field, Format};
use crate::verify::shared::{ApiKey, Basic, Bearer};
use crate::verify::signed::{MacKey, Prover, Signature};
use crate::verify::template::Template;
use crate::verify::{Encoding, Freshness, Hash, Held, Place, Ring, Step, Unit};

/// How old a signed timestamp may be where nothing else is said: what Standard Webhooks, Stripe
/// and Slack prescribe.
const TOLERANCE: std::time::Duration = std::time::Duration::from_secs(300);

/// What the steps of a route share.
pub(super) struct Shared<'t> {
    /// The provider's keys overlaid by the route's.
    pub(super) keys: &'t Table,
    /// Where the event id stands when in a header: `{id}` of a message means it.
    pub(super) id_header: Option<HeaderName>,
    /// The span to blame for what is not there.
    pub(super) span: Span,
}

/// A compiled step and what is known of its strength.
pub(super) struct Compiled {
    pub(super) step: Step,
    /// Proves who sent the request.
    pub(super) authenticates: bool,
    /// The header of a static credential.
    pub(super) credential: Option<HeaderName>,
    /// The challenge of a 401.
    pub(super) challenge: Option<&'static str>,
}

impl Compiler<'_> {
    /// Compiles the step that `table` describes.
    pub(super) fn step(&mut self, table: &Table, shared: &Shared<'_>) -> Option<Compiled> {
        match table.text("scheme")? {
            "api_key" => self.api_key(table, shared),
            "basic" => self.basic(table, shared),
            "bearer" => self.bearer(table, shared),
            "digest" => self.digest(table, shared),
            "hmac" => self.hmac(table, shared),
            "jwt" => self.jwt(table, shared),
            "signature" => self.signature(table, shared),
            _ => None,
        }
    }

    fn api_key(&mut self, table: &Table, shared: &Shared<'_>) -> Option<Compiled> {
        let place = self.place(table);
        let secrets = self.step_secrets(table, shared);
        let (place, secrets) = (place?, secrets?);
        let credential = match &place {
            Place::Header(name) => Some(name.clone()),
            Place::Form(_) | Place::Json(_) | Place::Query(_) => None,
        };
        let prefix = table.text("prefix").unwrap_or_default().to_owned();
        Some(Compiled {
            step: Step::ApiKey(ApiKey {
                place,
                prefix,
                secrets,
            }),
            authenticates: true,
            credential,
            challenge: None,
        })
    }

    fn basic(&mut self, table: &Table, shared: &Shared<'_>) -> Option<Compiled> {
        let secrets = self.step_secrets(table, shared);
        let username = table
            .get("username")
            .or_else(|| shared.keys.get("username"));
        let Some(username) = username else {
            self.problems.error(
                table.span,
                "scheme `basic` needs a `username`",
                "no username",
                "add `username = \"…\"` to the step or to the route",
            );
            return None;
        };
        let name = username.text()?;
        if name.contains(':') || name.is_empty() {
            self.problems.error(
                username.span,
                "a user name is not empty and has no colon (RFC 7617 §2)",
                "cannot be sent",
                "write the part before the first colon",
            );
            return None;
        }
        Some(Compiled {
            step: Step::Basic(Basic {
                username: name.to_owned(),
                secrets: secrets?,
            }),
            authenticates: true,
            credential: Some(http::header::AUTHORIZATION),
            challenge: Some("Basic realm=\"gatepost\""),
        })
    }

    fn bearer(&mut self, table: &Table, shared: &Shared<'_>) -> Option<Compiled> {
        let header = self.header_or(table, "header", http::header::AUTHORIZATION);
        let secrets = self.step_secrets(table, shared);
        let (header, secrets) = (header?, secrets?);
        Some(Compiled {
            step: Step::Bearer(Bearer {
                header: header.clone(),
                secrets,
            }),
            authenticates: true,
            credential: Some(header),
            challenge: Some("Bearer"),
        })
    }

    fn digest(&mut self, table: &Table, shared: &Shared<'_>) -> Option<Compiled> {
        let hash = hash(table);
        let message = self.message(table, shared);
        let keyed = message.as_ref().is_some_and(Template::has_secret);
        let secrets = if keyed {
            Some(self.step_secrets(table, shared)?)
        } else {
            None
        };
        let prover = Prover::Digest { hash, secrets };
        let label = match hash {
            Hash::Sha1 => "digest-sha1",
            Hash::Sha256 => "digest-sha256",
            Hash::Sha384 => "digest-sha384",
            Hash::Sha512 => "digest-sha512",
        };
        self.signed(table, shared, message?, prover, label, keyed)
    }

    fn hmac(&mut self, table: &Table, shared: &Shared<'_>) -> Option<Compiled> {
        let hash = hash(table);
        let message = self.message(table, shared);
        let secrets = self.step_secrets(table, shared)?;
        let keys = secrets
            .all()
            .iter()
            .filter_map(|held| Some(held.with(MacKey::new(hash, held.key.clone())?)))
            .collect();
        let label = match hash {
            Hash::Sha1 => "hmac-sha1",
            Hash::Sha256 => "hmac-sha256",
            Hash::Sha384 => "hmac-sha384",
            Hash::Sha512 => "hmac-sha512",
        };
        self.signed(
            table,
            shared,
            message?,
            Prover::Hmac(Ring::new(keys)),
            label,
            true,
        )
    }

    fn signature(&mut self, table: &Table, shared: &Shared<'_>) -> Option<Compiled> {
        let message = self.message(table, shared);
        let named = table.text("algorithm");
        let Some(algorithm) = Algorithm::ALL
            .into_iter()
            .find(|known| Some(known.name()) == named)
        else {
            if table.get("algorithm").is_none() {
                self.problems.error(
                    table.span,
                    "scheme `signature` needs an `algorithm`",
                    "no algorithm",
                    "add `algorithm = \"rsa-pss-sha256\"` or the one the provider documents",
                );
            }
            return None;
        };
        let salt = match table.get("salt") {
            None => Salt::Auto,
            Some(node) => match (node.text(), node.integer()) {
                (Some("digest"), _) => Salt::Digest,
                (Some("max"), _) => Salt::Max,
                (_, Some(length)) => Salt::Length(u16::try_from(length).ok()?),
                _ => Salt::Auto,
            },
        };
        let format = match table.text("signature_format") {
            Some("p1363") => SignatureFormat::P1363,
            _ => SignatureFormat::Der,
        };
        let node = table
            .get("public_key")
            .or_else(|| shared.keys.get("public_key"));
        let Some(node) = node else {
            self.needs(shared, "public_key", "signature");
            return None;
        };
        let mut keys: Vec<Held<VerifyingKey>> = Vec::new();
        for held in self.public_keys(node).all() {
            match VerifyingKey::new(&held.key, algorithm, salt, format) {
                Some(key) => keys.push(held.with(key)),
                None => self.problems.error(
                    node.span,
                    format!(
                        "`{}` needs a key of kind {}, and this is one of kind {}",
                        algorithm.name(),
                        algorithm.key_kind(),
                        held.key.kind()
                    ),
                    "a key of another kind",
                    "take the key that belongs to this signature, or correct `algorithm`",
                ),
            }
        }
        let prover = Prover::PublicKey {
            algorithm,
            salt,
            form: format,
            keys: Ring::new(keys),
        };
        self.signed(table, shared, message?, prover, algorithm.name(), true)
    }

    fn signed(
        &mut self,
        table: &Table,
        shared: &Shared<'_>,
        message: Template,
        prover: Prover,
        label: &'static str,
        authenticates: bool,
    ) -> Option<Compiled> {
        let place = self.place(table);
        let format = self.format(table)?;
        let freshness = self.freshness(table, &format, &message);
        let id = if message.has_id() && !format.has(Field::Id) {
            let Some(header) = &shared.id_header else {
                self.problems.error(
                    table.get("message").map_or(table.span, |node| node.span),
                    "`{id}` is neither in `format` nor a header of `event.id`",
                    "where does the id stand?",
                    "add `event.id = { header = \"…\" }`, or use `{header:X}`",
                );
                return None;
            };
            Some(Place::Header(header.clone()))
        } else {
            None
        };
        Some(Compiled {
            step: Step::Signature(Box::new(Signature {
                place: place?,
                format,
                encoding: encoding(table),
                message,
                id,
                freshness: freshness?,
                prover,
                label,
            })),
            authenticates,
            credential: None,
            challenge: None,
        })
    }

    /// Where the credential stands: exactly one of the places.
    pub(super) fn place(&mut self, table: &Table) -> Option<Place> {
        if let Some(place) = self.optional_place(table) {
            return place;
        }
        self.problems.error(
            table.span,
            "this step does not say where its credential stands",
            "no `header`",
            "add `header = \"X-…\"` (or `query`, `json`, `form`)",
        );
        None
    }

    /// `None` when no place is named, `Some(None)` when it is wrong.
    fn optional_place(&mut self, table: &Table) -> Option<Option<Place>> {
        if table.get("header").is_some() {
            return Some(self.header(table, "header").map(Place::Header));
        }
        if let Some(name) = table.text("query") {
            return Some(Some(Place::Query(name.to_owned())));
        }
        if let Some(name) = table.text("form") {
            return Some(Some(Place::Form(name.to_owned())));
        }
        let node = table.get("json")?;
        Some(self.pointer(node).map(Place::json))
    }

    fn format(&mut self, table: &Table) -> Option<Format> {
        let Some(node) = table.get("format") else {
            return Format::compile("{signature}").ok();
        };
        match Format::compile(node.text()?) {
            Ok(format) => Some(format),
            Err(error) => {
                self.problems.error(
                    node.span,
                    error.to_string(),
                    "not a format",
                    "write it as the provider's header looks, for example \"t={timestamp},v1={signature}\"",
                );
                None
            }
        }
    }

    fn message(&mut self, table: &Table, shared: &Shared<'_>) -> Option<Template> {
        let Some(node) = table.get("message") else {
            return Template::compile("{body}", None).ok();
        };
        match Template::compile(node.text()?, shared.keys.text("public_url")) {
            Ok(template) => Some(template),
            Err(error) => {
                self.problems.error(
                    node.span,
                    error.to_string(),
                    "not a message",
                    "write what the provider signs, for example \"{timestamp}.{body}\"",
                );
                None
            }
        }
    }

    /// `Some(None)` where nothing tells the time of signing.
    fn freshness(
        &mut self,
        table: &Table,
        format: &Format,
        message: &Template,
    ) -> Option<Option<Freshness>> {
        let rule = table.table("timestamp");
        let place = match rule.and_then(|rule| self.optional_place(rule)) {
            Some(None) => return None,
            Some(place) => place,
            None => None,
        };
        if place.is_none() && !format.has(Field::Timestamp) {
            let wanted =
                message.has_timestamp() || rule.is_some() || table.get("tolerance").is_some();
            if !wanted {
                return Some(None);
            }
            let node = table.get("timestamp").or_else(|| table.get("tolerance"));
            self.problems.error(
                node.or_else(|| table.get("message"))
                    .map_or(table.span, |node| node.span),
                "nothing says where the timestamp stands",
                "which timestamp?",
                "add `timestamp = { header = \"…\" }`, or `{timestamp}` to `format`",
            );
            return None;
        }
        let unit = match rule.and_then(|rule| rule.text("unit")) {
            Some("ms") => Unit::Milliseconds,
            Some("rfc3339") => Unit::Rfc3339,
            _ => Unit::Seconds,
        };
        if !message.has_timestamp() {
            self.problems.warning(
                table.get("message").map_or(table.span, |node| node.span),
                "the timestamp is checked but not signed, so whoever replays a request can renew it",
                "no `{timestamp}` in the message",
                "add it if the provider signs it; else do not rely on `tolerance`",
            );
        }
        let tolerance = table.duration("tolerance").unwrap_or(TOLERANCE);
        Some(Some(Freshness {
            place,
            unit,
            tolerance,
        }))
    }

    /// The step's own secret, else the route's.
    fn step_secrets(&mut self, table: &Table, shared: &Shared<'_>) -> Option<Ring<Secret>> {
        let encoding = SecretEncoding::named(table.text("secret_encoding").unwrap_or("text"));
        let node = table.get("secret").or_else(|| shared.keys.get("secret"));
        let Some(node) = node else {
            self.needs(shared, "secret", table.text("scheme").unwrap_or_default());
            return None;
        };
        let secrets = self.secrets(node, encoding);
        for held in secrets.all() {
            if held.key.expose().len() < SHORT {
                self.problems.warning(
                    node.span,
                    format!("a secret of fewer than {SHORT} bytes can be guessed"),
                    "short",
                    "let the provider's dashboard make a longer one",
                );
            }
        }
        Some(secrets)
    }

    pub(super) fn needs(&mut self, shared: &Shared<'_>, key: &str, scheme: &str) {
        self.problems.error(
            shared.span,
            format!("scheme `{scheme}` needs a `{key}`, and the route has none"),
            format!("no `{key}`"),
            format!(
                "add `{key} = {{ file = \"/run/secrets/…\" }}` or `{{ env = \"…\" }}` to the route"
            ),
        );
    }

    pub(super) fn header_or(
        &mut self,
        table: &Table,
        key: &str,
        default: HeaderName,
    ) -> Option<HeaderName> {
        if table.get(key).is_some() {
            self.header(table, key)
        } else {
            Some(default)
        }
    }

    /// A header name of the configuration.
    pub(super) fn header(&mut self, table: &Table, key: &str) -> Option<HeaderName> {
        let node = table.get(key)?;
        let name = HeaderName::try_from(node.text()?).ok();
        if name.is_none() {
            self.problems.error(
                node.span,
                "this is not a header name",
                "letters, digits and `-` only",
                "write it as the provider's documentation does, without the colon",
            );
        }
        name
    }

    /// A JSON Pointer of the configuration.
    pub(super) fn pointer(&mut self, node: &Node) -> Option<Pointer> {
        match Pointer::parse(node.text()?) {
            Ok(pointer) => Some(pointer),
            Err(error) => {
                self.problems.error(
                    node.span,
                    error.to_string(),
                    "not a JSON Pointer",
                    "write it as RFC 6901 does: `/data/type`",
                );
                None
            }
        }
    }
}

/// A secret below this length falls to guessing.
const SHORT: usize = 8;

pub(super) fn hash(table: &Table) -> Hash {
    match table.text("hash") {
        Some("sha1") => Hash::Sha1,
        Some("sha384") => Hash::Sha384,
        Some("sha512") => Hash::Sha512,
        _ => Hash::Sha256,
    }
}

pub(super) fn encoding(table: &Table) -> Encoding {
    match table.text("encoding") {
        Some("base64") => Encoding::Base64,
        Some("base64url") => Encoding::Base64Url,
        _ => Encoding::Hex,
    }
}
