//! Verify steps, compiled.

use http::HeaderName;

use super::Compiler;
use super::secrets::SecretEncoding;
use crate::config::grammar::{self, ROUTE};
use crate::config::shape;
use crate::config::source::Span;
use crate::config::tree::Table;
use crate::json::Pointer;
use crate::secret::Secret;
use crate::verify::shared::{ApiKey, Basic, Bearer};
use crate::verify::template::Constants;
use crate::verify::{Encoding, Hash, Place, Ring, Step};

/// What the steps of a route share.
pub(super) struct Shared<'t> {
    /// The provider's keys overlaid by the route's.
    pub(super) keys: &'t Table,
    /// What a message may name of the route itself.
    pub(super) constants: Constants,
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
    /// Where a static credential stands.
    pub(super) credential: Option<Place>,
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
            "http_signature" => self.http_signature(table, shared),
            "jwt" => self.jwt(table, shared),
            "mtls" => self.mtls(table),
            "signature" => self.signature(table, shared),
            _ => None,
        }
    }

    fn api_key(&mut self, table: &Table, shared: &Shared<'_>) -> Option<Compiled> {
        let place = self.place(table);
        let secrets = self.step_secrets(table, shared);
        let for_each = self.for_each(table);
        let (place, secrets, for_each) = (place?, secrets?, for_each?);
        let written = match table.text("encoding") {
            Some("base64") => Some(Encoding::Base64),
            Some("hex") => Some(Encoding::Hex),
            _ => None,
        };
        let secrets = match written {
            None => secrets,
            Some(encoding) => {
                let write = |secret: &Secret| encoding.encode(secret.expose()).into_bytes();
                let held = secrets.all().iter();
                Ring::new(
                    held.map(|held| held.with(Secret::new(write(&held.key))))
                        .collect(),
                )
            }
        };
        if let (Place::Query(_), Some(entry)) = (&place, table.entry("query")) {
            self.problems.warning(
                entry.name_span,
                "the key stands in the URL, where logs and histories keep it",
                "weak",
                "let the provider send it in a header, if it can",
            );
        }
        let prefix = table.text("prefix").unwrap_or_default().to_owned();
        let credential = place.clone();
        Some(Compiled {
            step: Step::ApiKey(ApiKey {
                place,
                for_each,
                prefix,
                secrets,
            }),
            authenticates: true,
            credential: Some(credential),
            challenge: None,
        })
    }

    fn basic(&mut self, table: &Table, shared: &Shared<'_>) -> Option<Compiled> {
        let secrets = self.step_secrets(table, shared);
        let username = table
            .get("username")
            .or_else(|| shared.keys.get("username"));
        let Some(username) = username else {
            self.needs(table, shared, "username");
            return None;
        };
        if table.get("username").is_none() {
            self.used.insert("username");
        }
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
            credential: Some(Place::Header(http::header::AUTHORIZATION)),
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
            credential: Some(Place::Header(header)),
            challenge: Some("Bearer"),
        })
    }

    /// The array whose every element is verified; `Some(None)` where there is none.
    #[expect(clippy::option_option, reason = "wrong, absent, and there")]
    pub(super) fn for_each(&mut self, table: &Table) -> Option<Option<Pointer>> {
        let Some(node) = table.get("for_each") else {
            return Some(None);
        };
        let pointer = self.pointer(node)?;
        if pointer.is_of_many() {
            self.problems.error(
                node.span,
                "`for_each` is a pointer to one array",
                "`*` stands for several",
                "write the pointer to the array, without `*`",
            );
            return None;
        }
        if table.get("json").is_none() {
            self.problems.error(
                node.span,
                "`for_each` needs the proof of each element to stand in it",
                "no `json`",
                "add `json = \"/…\"`, a pointer that starts at the element",
            );
            return None;
        }
        Some(Some(pointer))
    }

    /// Where the credential stands: exactly one of the places.
    pub(super) fn place(&mut self, table: &Table) -> Option<Place> {
        if let Some(place) = self.optional_place(table) {
            return place;
        }
        let section = grammar::scheme(table.text("scheme")?)?;
        let places = ["header", "query", "json", "form"];
        if !places
            .iter()
            .all(|place| section.key(place).is_none() || shape::lacks(table, section, place))
        {
            return None;
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
    pub(super) fn optional_place(&mut self, table: &Table) -> Option<Option<Place>> {
        if table.get("header").is_some() {
            return Some(self.header(table, "header").map(Place::Header));
        }
        if table.get("query").is_some() {
            return Some(self.field_name(table, "query").map(Place::Query));
        }
        if table.get("form").is_some() {
            return Some(self.field_name(table, "form").map(Place::Form));
        }
        let node = table.get("json")?;
        Some(self.pointer(node).map(Place::json))
    }

    /// The step's own secret, else the route's.
    pub(super) fn step_secrets(
        &mut self,
        table: &Table,
        shared: &Shared<'_>,
    ) -> Option<Ring<Secret>> {
        let encoding = SecretEncoding::named(table.text("secret_encoding").unwrap_or("text"));
        let node = table.get("secret").or_else(|| shared.keys.get("secret"));
        let Some(node) = node else {
            self.needs(table, shared, "secret");
            return None;
        };
        if table.get("secret").is_none() {
            self.used.insert("secret");
        }
        Some(self.secrets(
            node,
            table.text("secret_prefix").unwrap_or_default(),
            encoding,
        ))
    }

    /// Reports that neither the step nor the route has `key`, unless it is only misspelt.
    pub(super) fn needs(&mut self, table: &Table, shared: &Shared<'_>, key: &'static str) {
        let scheme = table.text("scheme").unwrap_or_default();
        let misspelt = grammar::scheme(scheme)
            .is_some_and(|section| !shape::lacks(table, section, key))
            || !shape::lacks(shared.keys, &ROUTE, key);
        // What one step lacks the next one lacks too: one mistake.
        if misspelt || !self.used.insert(key) {
            return;
        }
        let example = if key == "username" {
            "`username = \"…\"`".to_owned()
        } else {
            format!("`{key} = {{ file = \"/run/secrets/…\" }}` or `{{ env = \"…\" }}`")
        };
        self.problems.error(
            shared.span,
            format!("scheme `{scheme}` needs a `{key}`, and the route has none"),
            format!("no `{key}`"),
            format!("add {example} to the route"),
        );
    }
}

pub(super) fn hash(table: &Table) -> Hash {
    match table.text("hash") {
        Some("md5") => Hash::Md5,
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
