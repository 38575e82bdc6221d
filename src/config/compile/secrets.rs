//! Secrets and keys, read from their sources.

use std::sync::Arc;

use super::Compiler;
use crate::config::source::Span;
use crate::config::tree::{Node, Table, Value};
use crate::secret::Secret;
use crate::verify::public_key::PublicKey;
use crate::verify::{Encoding, Held, Ring};

/// How the bytes of a secret are written in its source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SecretEncoding {
    Base64,
    Hex,
    Text,
    /// `whsec_` and base64 (Standard Webhooks).
    Whsec,
}

impl SecretEncoding {
    pub(super) fn named(name: &str) -> Self {
        match name {
            "base64" => Self::Base64,
            "hex" => Self::Hex,
            "whsec" => Self::Whsec,
            _ => Self::Text,
        }
    }

    fn decode(self, text: &[u8]) -> Option<Vec<u8>> {
        match self {
            Self::Text => Some(text.to_vec()),
            Self::Hex => Encoding::Hex.decode(text),
            Self::Base64 => Encoding::Base64
                .decode(text)
                .or_else(|| Encoding::Base64Url.decode(text)),
            Self::Whsec => {
                let bare = text.strip_prefix(b"v1,").unwrap_or(text);
                let bare = bare.strip_prefix(b"whsec_").unwrap_or(bare);
                Encoding::Base64.decode(bare)
            }
        }
        .filter(|bytes| !bytes.is_empty())
    }

    const fn describe(self) -> &'static str {
        match self {
            Self::Base64 => "base64",
            Self::Hex => "hex",
            Self::Text => "text",
            Self::Whsec => "`whsec_` and base64",
        }
    }
}

impl Compiler<'_> {
    /// Reads every source of `node`, one or a list, as secrets.
    pub(super) fn secrets(&mut self, node: &Node, encoding: SecretEncoding) -> Ring<Secret> {
        let mut held = Vec::new();
        for source in sources(node) {
            let Some(raw) = self.source(source) else {
                continue;
            };
            let span = value_span(source);
            let Some(text) = self.trimmed(raw.key.expose(), span) else {
                continue;
            };
            match encoding.decode(text) {
                Some(bytes) => held.push(raw.with(Secret::new(bytes))),
                None => self.problems.error(
                    span,
                    format!("the secret is not {}", encoding.describe()),
                    "cannot be decoded",
                    "look at `secret_encoding`: `text` takes the secret as it is shown in the dashboard",
                ),
            }
        }
        self.warn_if_none_in_force(node, &held);
        Ring::new(held)
    }

    /// Reads every source of `node`, one or a list, as public keys. A JWKS holds several.
    pub(super) fn public_keys(&mut self, node: &Node) -> Ring<PublicKey> {
        let mut held = Vec::new();
        for source in sources(node) {
            let Some(raw) = self.source(source) else {
                continue;
            };
            match PublicKey::read_all(raw.key.expose()) {
                Ok(keys) => held.extend(keys.into_iter().map(|key| raw.with(key))),
                Err(error) => self.problems.error(
                    value_span(source),
                    error.to_string(),
                    "not a usable public key",
                    "download the public key again from the provider's dashboard",
                ),
            }
        }
        self.warn_if_none_in_force(node, &held);
        Ring::new(held)
    }

    /// The bytes of the first source of `node`, for PEM files.
    pub(super) fn pem(&mut self, node: &Node) -> Option<Vec<u8>> {
        let source = sources(node).first()?;
        self.source(source).map(|held| held.key.expose().to_vec())
    }

    /// The bytes as they lie in one source.
    fn source(&mut self, node: &Node) -> Option<Held<Secret>> {
        // A wrong shape was reported already.
        let table = node.table()?;
        let (bytes, default_name) = self.bytes(table)?;
        let name = table.text("name").unwrap_or(&default_name);
        if let (Some(start), Some(end)) = (table.time("not_before"), table.time("until"))
            && start >= end
        {
            self.problems.error(
                node.span,
                "`until` is not after `not_before`, so this secret is never in force",
                "never in force",
                "swap the two times",
            );
        }
        Some(Held {
            name: Arc::from(name),
            not_before: table.time("not_before"),
            until: table.time("until"),
            key: Secret::new(bytes),
        })
    }

    fn bytes(&mut self, table: &Table) -> Option<(Vec<u8>, String)> {
        if let Some(node) = table.get("env") {
            let name = node.text()?;
            let Some(bytes) = self.environment.variable(name) else {
                // A secret pasted in place of a name must not be repeated.
                let shown = if looks_like_a_variable(name) {
                    name
                } else {
                    "named here"
                };
                self.missing.push(format!("environment variable {shown}"));
                self.problems.error(
                    node.span,
                    format!("the environment variable {shown} is not set"),
                    "not set",
                    "set it, or use { file = \"…\" }",
                );
                return None;
            };
            return Some((bytes, name.to_owned()));
        }
        if let Some(node) = table.get("file") {
            let name = node.text()?;
            return match self.environment.file(&self.folder_of(node.span), name) {
                Ok((path, bytes)) => {
                    self.watched.push(path.clone());
                    let stem = path
                        .file_name()
                        .unwrap_or_default()
                        .to_string_lossy()
                        .into_owned();
                    Some((bytes, stem))
                }
                Err(error) => {
                    self.missing.push(format!("file {name}"));
                    self.problems.error(
                        node.span,
                        format!("the file cannot be read: {}", describe(&error)),
                        "cannot be read",
                        "create it, mount it, or correct the path (relative to this file)",
                    );
                    None
                }
            };
        }
        let node = table.get("inline")?;
        if !self.environment.inline {
            self.problems.error(
                node.span,
                "a secret does not belong into this file",
                "`inline` is only for trying things out",
                "use { env = \"NAME\" } or { file = \"path\" }, or start with `run --dev`",
            );
            return None;
        }
        Some((node.text()?.as_bytes().to_vec(), "inline".to_owned()))
    }

    /// A secret without the one newline that editors put at the end of a file. Any other white
    /// space around it is a mistake that would only show as refused requests.
    fn trimmed<'b>(&mut self, bytes: &'b [u8], span: Span) -> Option<&'b [u8]> {
        let text = bytes.strip_suffix(b"\n").unwrap_or(bytes);
        let text = if text.len() < bytes.len() {
            text.strip_suffix(b"\r").unwrap_or(text)
        } else {
            text
        };
        let (message, label, fix) = if text.is_empty() {
            (
                "the secret is empty",
                "empty",
                "put the secret there: an empty one would let everybody in",
            )
        } else if text.trim_ascii().len() < text.len() {
            (
                "the secret has white space around it",
                "white space around it",
                "write the secret without it: `printf %s SECRET > FILE` adds no newline",
            )
        } else {
            return Some(text);
        };
        self.problems.error(span, message, label, fix);
        None
    }

    fn warn_if_none_in_force<K>(&mut self, node: &Node, held: &[Held<K>]) {
        if !held.is_empty() && !held.iter().any(|held| held.in_force(self.now)) {
            self.problems.warning(
                node.span,
                "no secret or key of this list is in force now",
                "every request will be refused",
                "add the current one, or look at `until` and `not_before`",
            );
        }
    }
}

/// One source or a list of them.
fn sources(node: &Node) -> &[Node] {
    match &node.value {
        Value::List(list) => list,
        Value::Text(_)
        | Value::Integer(_)
        | Value::Float(_)
        | Value::Flag(_)
        | Value::Time(_)
        | Value::Table(_) => std::slice::from_ref(node),
    }
}

/// The value that names the source, to mark it.
fn value_span(node: &Node) -> Span {
    let named = |name| {
        node.table()
            .and_then(|table| table.get(name))
            .map(|value| value.span)
    };
    named("env")
        .or_else(|| named("file"))
        .or_else(|| named("inline"))
        .unwrap_or(node.span)
}

fn looks_like_a_variable(name: &str) -> bool {
    name.bytes()
        .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
}

fn describe(error: &std::io::Error) -> &'static str {
    let is = |kind| error.kind() == kind;
    if is(std::io::ErrorKind::NotFound) {
        "there is no such file"
    } else if is(std::io::ErrorKind::PermissionDenied) {
        "permission denied"
    } else if is(std::io::ErrorKind::IsADirectory) {
        "it is a directory"
    } else {
        "reading failed"
    }
}
