//! Secrets and keys, read from their sources.

use super::Compiler;
use super::sources::{sources, value_span};
use super::values::told;
use crate::config::environment::ThrowAway;
use crate::config::tree::Node;
use crate::secret::Secret;
use crate::verify::algorithm::{Algorithm, Salt, SignatureFormat, VerifyingKey};
use crate::verify::public_key::{KeyError, Material, PublicKey};
use crate::verify::{Encoding, Hash, Held, Ring};

/// A secret below this length falls to guessing.
const SHORT: usize = 8;

/// How the bytes of a secret are written in its source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SecretEncoding {
    Base64,
    Hex,
    /// The SHA-1 of the text.
    Sha1,
    Text,
    /// `whsec_` and base64 (Standard Webhooks).
    Whsec,
}

impl SecretEncoding {
    pub(super) fn named(name: &str) -> Self {
        match name {
            "base64" => Self::Base64,
            "hex" => Self::Hex,
            "sha1" => Self::Sha1,
            "whsec" => Self::Whsec,
            _ => Self::Text,
        }
    }

    fn decode(self, text: &[u8]) -> Option<Vec<u8>> {
        match self {
            Self::Text => Some(text.to_vec()),
            Self::Hex => Encoding::Hex.decode(text),
            Self::Sha1 => Some(Hash::Sha1.of(text)),
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
            Self::Sha1 | Self::Text => "text",
            Self::Whsec => "`whsec_` and base64",
        }
    }
}

impl Compiler<'_> {
    /// Reads every source of `node`, one or a list, as secrets.
    pub(super) fn secrets(
        &mut self,
        node: &Node,
        prefix: &str,
        encoding: SecretEncoding,
    ) -> Ring<Secret> {
        let mut held = Vec::new();
        for source in sources(node) {
            let Some(raw) = self.source(source) else {
                continue;
            };
            let span = value_span(source);
            let Some(text) = self.trimmed(raw.key.expose(), span) else {
                continue;
            };
            let text = text.strip_prefix(prefix.as_bytes()).unwrap_or(text);
            let decoded = match &self.environment.throw_away {
                Some(_) => Some(text.to_vec()),
                None => encoding.decode(text),
            };
            match decoded {
                Some(bytes) => {
                    if bytes.len() < SHORT {
                        self.problems.warning(
                            span,
                            format!("a secret of fewer than {SHORT} bytes can be guessed"),
                            "short",
                            "let the provider's dashboard make a longer one",
                        );
                    }
                    held.push(raw.with(Secret::new(bytes)));
                }
                None => self.problems.error(
                    span,
                    format!("the secret is not {}", encoding.describe()),
                    "cannot be decoded",
                    "look at `secret_encoding`: `text` takes the secret as it is shown in the dashboard",
                ),
            }
        }
        self.names_differ(node);
        self.warn_if_none_in_force(node, &held);
        Ring::new(held)
    }

    /// Reads every source of `node`, one or a list, as public keys, each with its source: a JWKS
    /// holds several.
    pub(super) fn public_keys<'n>(&mut self, node: &'n Node) -> Vec<(&'n Node, Held<PublicKey>)> {
        let mut found = Vec::new();
        for source in sources(node) {
            let Some(raw) = self.source(source) else {
                continue;
            };
            if let Some(ThrowAway { public_keys, .. }) = &self.environment.throw_away {
                let keys = public_keys.iter().cloned();
                found.extend(keys.map(|key| (source, raw.with(key))));
                continue;
            }
            let bytes = raw.key.expose();
            let (message, fix) = match PublicKey::read_all(bytes) {
                Ok(keys) if keys.iter().all(is_taken) => {
                    found.extend(keys.into_iter().map(|key| (source, raw.with(key))));
                    continue;
                }
                Ok(_) => (
                    "this RSA key cannot be used: its exponent is out of range".to_owned(),
                    key_fix(&KeyError::Form),
                ),
                Err(_) if bytes.trim_ascii().is_empty() => (
                    "the public key is empty".to_owned(),
                    "put the provider's public key there",
                ),
                Err(error) => {
                    let said = error.to_string();
                    (told(&said, "").0.to_owned(), key_fix(&error))
                }
            };
            let span = value_span(source);
            self.problems
                .error(span, message, "not a usable public key", fix);
        }
        self.names_differ(node);
        let held: Vec<_> = found.iter().map(|(_, held)| held.with(())).collect();
        self.warn_if_none_in_force(node, &held);
        found
    }

    /// The public keys of `node` for one algorithm; those of another kind are reported.
    pub(super) fn verifying_keys(
        &mut self,
        node: &Node,
        algorithm: Algorithm,
        salt: Salt,
        format: SignatureFormat,
    ) -> Vec<Held<VerifyingKey>> {
        let mut keys = Vec::new();
        for (source, held) in self.public_keys(node) {
            let kind = held.key.kind();
            match VerifyingKey::new(&held.key, algorithm, salt, format) {
                Some(key) => keys.push(held.with(key)),
                // Of those there is one of each kind.
                None if self.environment.throw_away.is_some() => {}
                None => self.problems.error(
                    value_span(source),
                    format!(
                        "`{}` needs a key of kind {}, and this is one of kind {kind}",
                        algorithm.name(),
                        algorithm.key_kind(),
                    ),
                    "a key of another kind",
                    "take the key that belongs to this signature, or correct `algorithm`",
                ),
            }
        }
        keys
    }

    /// A name tells which of several matched.
    fn names_differ(&mut self, node: &Node) {
        let mut seen: Vec<&str> = Vec::new();
        for source in sources(node) {
            let Some(name) = source.table().and_then(|table| table.get("name")) else {
                continue;
            };
            let text = name.text().unwrap_or_default();
            if text.is_empty() {
                if name.text().is_some() {
                    self.problems.error(
                        name.span,
                        "`name` is empty",
                        "empty",
                        "write a name, or leave it out: then it is that of the file or variable",
                    );
                }
            } else if seen.contains(&text) {
                self.problems.error(
                    name.span,
                    "another of these has the same `name`, so nobody could tell which matched",
                    "stands twice",
                    "give each its own name, as in \"2026\" and \"2027\"",
                );
            }
            seen.push(text);
        }
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

/// Whether the library takes it: of an RSA key not every exponent; points are checked on reading.
fn is_taken(key: &PublicKey) -> bool {
    let algorithm = Algorithm::RsaPkcs1(Hash::Sha256);
    !matches!(key.material, Material::Rsa { .. })
        || VerifyingKey::new(key, algorithm, Salt::Auto, SignatureFormat::Der).is_some()
}

/// What to do about something that is no public key.
fn key_fix(error: &KeyError) -> &'static str {
    match error {
        KeyError::Private => {
            "put its public half there (openssl pkey -in KEY -pubout), and the private one out of reach"
        }
        KeyError::RsaBits(_) => "let the provider's dashboard make a longer key",
        KeyError::Symmetric => "write it as `secret`, with a scheme that takes one, such as `hmac`",
        KeyError::Curve => "take the provider's key for a signature on P-256, P-384 or Ed25519",
        KeyError::Form | KeyError::Point => {
            "download the public key again from the provider's dashboard"
        }
    }
}
