//! The steps that check a signed message, compiled: `hmac`, `digest` and `signature`.

use super::Compiler;
use super::steps::{Compiled, Shared, encoding, hash};
use super::values::told;
use crate::config::grammar;
use crate::config::shape;
use crate::config::tree::{Node, Table};
use crate::verify::algorithm::{Algorithm, Salt, SignatureFormat};
use crate::verify::format::{Field, Format, MAX_SIGNATURES};
use crate::verify::signed::{MacKey, Prover, Signature};
use crate::verify::template::{Template, TemplateError};
use crate::verify::{Encoding, Hash, Place, Ring, Step};

impl Compiler<'_> {
    pub(super) fn digest(&mut self, table: &Table, shared: &Shared<'_>) -> Option<Compiled> {
        let hash = hash(table);
        let message = self.message(table, shared);
        let keyed = message.as_ref().is_some_and(Template::has_secret);
        let secrets = if keyed {
            Some(self.step_secrets(table, shared)?)
        } else {
            None
        };
        if hash == Hash::Md5 && message.is_some() && !keyed {
            self.problems.error(
                table.get("hash").map_or(table.span, |hash| hash.span),
                "anybody can make two messages with the same MD5",
                "proves nothing",
                "take `sha256`; md5 is for messages that hold the {secret}",
            );
            return None;
        }
        let prover = Prover::Digest { hash, secrets };
        let label = match hash {
            Hash::Md5 => "digest-md5",
            Hash::Sha1 => "digest-sha1",
            Hash::Sha256 => "digest-sha256",
            Hash::Sha384 => "digest-sha384",
            Hash::Sha512 => "digest-sha512",
        };
        self.signed(table, shared, message?, prover, label, keyed)
    }

    pub(super) fn hmac(&mut self, table: &Table, shared: &Shared<'_>) -> Option<Compiled> {
        let hash = hash(table);
        let message = self.message(table, shared);
        let secrets = self.step_secrets(table, shared)?;
        let keys = secrets
            .all()
            .iter()
            .filter_map(|held| Some(held.with(MacKey::new(hash, held.key.clone())?)))
            .collect();
        let label = match hash {
            Hash::Md5 => "hmac-md5",
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

    pub(super) fn signature(&mut self, table: &Table, shared: &Shared<'_>) -> Option<Compiled> {
        let message = self.message(table, shared);
        let section = grammar::scheme("signature")?;
        let named = table.text("algorithm");
        let Some(algorithm) = Algorithm::ALL
            .into_iter()
            .find(|known| Some(known.name()) == named)
        else {
            if shape::lacks(table, section, "algorithm") {
                self.problems.error(
                    table.span,
                    "scheme `signature` needs an `algorithm`",
                    "no algorithm",
                    "add `algorithm = \"rsa-pss-sha256\"` or the one the provider documents",
                );
            }
            return None;
        };
        self.algorithm_fits(table, algorithm);
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
            self.needs(table, shared, "public_key");
            return None;
        };
        if table.get("public_key").is_none() {
            self.used.insert("public_key");
        }
        let keys = self.verifying_keys(node, algorithm, salt, format);
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
        let places = self.places(table);
        let for_each = self.for_each(table);
        let key_id = match table.table("key_id").map(|rule| self.optional_place(rule)) {
            None => None,
            // What is wrong was reported.
            Some(None | Some(None)) => return None,
            Some(Some(place)) => place,
        };
        let format = self.format(table)?;
        if let (Some(_), true, Some(entry)) =
            (&key_id, format.has(Field::KeyId), table.entry("key_id"))
        {
            self.problems.error(
                entry.name_span,
                "the name of the key stands in `format` and in a place of its own",
                "which of the two?",
                "keep one of them",
            );
        }
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
                places: places?,
                repeated: table.flag("repeated") == Some(true),
                format,
                encoding: encoding(table),
                message,
                id,
                key_id,
                freshness: freshness?,
                for_each: for_each?,
                prover,
                never: Vec::new(),
                label,
            })),
            authenticates,
            credential: None,
            challenge: None,
        })
    }

    /// Where signatures stand: several headers, or one of the places.
    fn places(&mut self, table: &Table) -> Option<Vec<Place>> {
        let headers = table.one_or_many("header");
        let numbered = |node: &Node| node.text().is_some_and(|text| text.contains("{n}"));
        if headers.len() < 2 && !headers.iter().any(numbered) {
            // A list of one is that one.
            return match headers {
                [only] if table.list("header").is_some() => {
                    Some(vec![Place::Header(self.header_of(only, only.text()?)?)])
                }
                _ => Some(vec![self.place(table)?]),
            };
        }
        let mut places = Vec::new();
        for node in headers {
            let text = node.text()?;
            if numbered(node) {
                for number in 1..=MAX_SIGNATURES {
                    let name = text.replace("{n}", &number.to_string());
                    places.push(Place::Header(self.header_of(node, &name)?));
                }
            } else {
                places.push(Place::Header(self.header_of(node, text)?));
            }
        }
        Some(places)
    }

    fn format(&mut self, table: &Table) -> Option<Format> {
        let format = match (table.get("format"), table.table("format")) {
            (None, _) => Format::compile("{signature}").ok(),
            (Some(_), Some(rule)) => self.json_format(rule),
            (Some(node), None) => {
                let texts: Vec<&str> = table
                    .one_or_many("format")
                    .iter()
                    .filter_map(Node::text)
                    .collect();
                if texts.is_empty() {
                    return None;
                }
                match Format::first_of(&texts) {
                    Ok(format) => Some(format),
                    Err(error) => {
                        let said = error.to_string();
                        let (message, fix) = told(
                            &said,
                            "write it as the provider's header looks, for example \"t={timestamp},v1={signature}\"",
                        );
                        self.problems.error(node.span, message, "not a format", fix);
                        None
                    }
                }
            }
        }?;
        let Some(node) = table.get("groups") else {
            return Some(format);
        };
        let mut characters = node.text()?.chars();
        let (Some(separator), None) = (characters.next(), characters.next()) else {
            self.problems.error(
                node.span,
                "`groups` is one character",
                "not one character",
                "write the one between the values, as in \" \" or \",\"",
            );
            return None;
        };
        Some(format.grouped(separator))
    }

    fn json_format(&mut self, rule: &Table) -> Option<Format> {
        let encoding = match rule.text("encoding") {
            Some("base64") => Some(Encoding::Base64),
            Some("base64url") => Some(Encoding::Base64Url),
            Some("hex") => Some(Encoding::Hex),
            _ => None,
        };
        let mut fields = Vec::new();
        for field in Field::ALL {
            if let Some(node) = rule.get(field.name()) {
                fields.push((field, self.pointer(node)?));
            }
        }
        if !fields.iter().any(|(field, _)| *field == Field::Signature) {
            self.problems.error(
                rule.span,
                "a format needs the pointer to the `signature`",
                "no `signature`",
                "add `signature = \"/signature\"`",
            );
            return None;
        }
        Some(Format::json(encoding, fields))
    }

    /// The `message` of a step, or of a table in it.
    pub(super) fn message(&mut self, table: &Table, shared: &Shared<'_>) -> Option<Template> {
        match table.get("message") {
            None => Template::compile("{body}", &shared.constants).ok(),
            Some(node) => {
                let message = self.template(node, shared)?;
                if message.mixes_lines() {
                    self.problems.warning(
                        node.span,
                        "a value with a line break of its own could pass for several: what was signed as one event could be read as another",
                        "joined by line breaks",
                        "write `|line` in each of these values but one, as in {json:/id|line}",
                    );
                }
                Some(message)
            }
        }
    }

    /// A text with variables of the request.
    pub(super) fn template(&mut self, node: &Node, shared: &Shared<'_>) -> Option<Template> {
        let error = match Template::compile(node.text()?, &shared.constants) {
            Ok(template) => return Some(template),
            Err(error) => error,
        };
        let said = error.to_string();
        let (label, fix) = match &error {
            // One that is no text was reported.
            TemplateError::NeedsPublicUrl(_) if shared.keys.get("public_url").is_some() => {
                return None;
            }
            TemplateError::NeedsPublicUrl(_) => (
                "no `public_url`".to_owned(),
                "add `public_url = \"https://hooks.example.com\"` to the route".to_owned(),
            ),
            TemplateError::NeedsConfig(name) => {
                let config = shared.keys.table("config");
                if config.is_some_and(|config| config.get(name).is_some()) {
                    return None;
                }
                (
                    format!("no `config.{name}`"),
                    format!("add `config = {{ {name} = \"…\" }}` to the route"),
                )
            }
            TemplateError::Text(_) => (
                "not a message".to_owned(),
                "write what the provider signs, for example \"{timestamp}.{body}\"".to_owned(),
            ),
        };
        let (message, fix) = told(&said, &fix);
        self.problems.error(node.span, message, label, fix);
        None
    }

    /// Keys that only some algorithms have.
    fn algorithm_fits(&mut self, table: &Table, algorithm: Algorithm) {
        let pss = matches!(algorithm, Algorithm::RsaPss(_));
        let ecdsa = matches!(
            algorithm,
            Algorithm::EcdsaP256Sha1 | Algorithm::EcdsaP256Sha256 | Algorithm::EcdsaP384Sha384
        );
        for (key, fits, of) in [
            ("salt", pss, "the rsa-pss algorithms"),
            ("signature_format", ecdsa, "the ecdsa algorithms"),
        ] {
            if let (Some(entry), false) = (table.entry(key), fits) {
                self.problems.error(
                    entry.name_span,
                    format!("`{}` has no `{key}`", algorithm.name()),
                    "has no effect",
                    format!("remove it, or correct `algorithm`: {of} have one"),
                );
            }
        }
    }
}
