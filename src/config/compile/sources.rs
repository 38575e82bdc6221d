//! The sources of secrets and keys: environment variables and files.

use std::sync::Arc;

use super::Compiler;
use crate::config::environment::ThrowAway;
use crate::config::source::Span;
use crate::config::tree::{Node, Table, Value};
use crate::secret::Secret;
use crate::verify::Held;

impl Compiler<'_> {
    /// The bytes of the only source of `node`, for a PEM file.
    pub(super) fn pem(&mut self, node: &Node) -> Option<Vec<u8>> {
        let (source, others) = sources(node).split_first()?;
        if let Some(second) = others.first() {
            self.problems.error(
                second.span,
                "there is one certificate and one key: no second one is read",
                "one too many",
                "keep one of the two; a chain stands in one file",
            );
            return None;
        }
        self.lasting(source);
        self.source(source).map(|held| held.key.expose().to_vec())
    }

    /// The bytes of every source of `node`, for authorities in PEM.
    pub(super) fn pems(&mut self, node: &Node) -> Option<Vec<Vec<u8>>> {
        let mut all = Vec::new();
        let mut good = true;
        for source in sources(node) {
            self.lasting(source);
            match self.source(source) {
                Some(held) => all.push(held.key.expose().to_vec()),
                None => good = false,
            }
        }
        good.then_some(all)
    }

    /// What lasts as long as it is named; a certificate says itself for how long.
    pub(super) fn lasting(&mut self, source: &Node) {
        let table = source.table();
        for key in ["until", "not_before"] {
            if let Some(entry) = table.and_then(|table| table.entry(key)) {
                self.problems.error(
                    entry.name_span,
                    format!("`{key}` has no effect here"),
                    "not looked at",
                    "remove it, and exchange the file in time: it is read again when it changes",
                );
            }
        }
    }

    /// The bytes as they lie in one source.
    pub(super) fn source(&mut self, node: &Node) -> Option<Held<Secret>> {
        // A wrong shape was reported already.
        let table = node.table()?;
        let (bytes, default_name) = self.bytes(table)?;
        let name = table.text("name").unwrap_or(&default_name);
        if let (Some(start), Some(end)) = (table.time("not_before"), table.time("until"))
            && start >= end
        {
            self.problems.error(
                table.get("until").map_or(node.span, |until| until.span),
                "`until` is not after `not_before`, so this secret is never in force",
                "never in force",
                "swap the two times",
            );
            return None;
        }
        Some(Held {
            name: Arc::from(name),
            not_before: table.time("not_before"),
            until: table.time("until"),
            key: Secret::new(bytes),
        })
    }

    fn bytes(&mut self, table: &Table) -> Option<(Vec<u8>, String)> {
        let places = ["env", "file", "inline"];
        if places.iter().filter(|key| table.get(key).is_some()).count() > 1 {
            // Nobody can tell which is meant; it was reported.
            return None;
        }
        if self.environment.throw_away.is_some() {
            let named = table.text("env").or_else(|| {
                let path = std::path::Path::new(table.text("file")?);
                path.file_name()?.to_str()
            });
            let name = named.unwrap_or("inline").to_owned();
            return Some((ThrowAway::secret(), name));
        }
        if let Some(node) = table.get("env") {
            let name = node.text()?;
            let Some(bytes) = self.environment.variable(name) else {
                // A secret pasted in place of a name must not be repeated.
                let line = self.files.position(node.span).line;
                let (shown, wanted, fix) = if looks_like_a_variable(name) {
                    (name, name.to_owned(), "set it, or use { file = \"…\" }")
                } else {
                    let fix = "write the variable's name alone, as in { env = \"PROVE_SECRET\" }";
                    ("named here", format!("of line {line}"), fix)
                };
                self.missing.push(format!("environment variable {wanted}"));
                self.problems.error(
                    node.span,
                    format!("the environment variable {shown} is not set"),
                    "not set",
                    fix,
                );
                return None;
            };
            return Some((bytes, name.to_owned()));
        }
        if let Some(node) = table.get("file") {
            let name = node.text()?;
            let folder = self.folder_of(node.span);
            // One that is not there may still come.
            self.watched.push(folder.join(name));
            return match self.environment.file(&folder, name) {
                Ok((path, bytes)) => {
                    let stem = path
                        .file_name()
                        .unwrap_or_default()
                        .to_string_lossy()
                        .into_owned();
                    Some((bytes, stem))
                }
                Err(error) => {
                    let line = self.files.position(node.span).line;
                    let (shown, wanted) = if looks_like_a_path(name) {
                        (name, name.to_owned())
                    } else {
                        ("named here", format!("of line {line}"))
                    };
                    self.missing.push(format!("file {wanted}"));
                    self.problems.error(
                        node.span,
                        format!("the file {shown} cannot be read: {}", describe(&error)),
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
    pub(super) fn trimmed<'b>(&mut self, bytes: &'b [u8], span: Span) -> Option<&'b [u8]> {
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
}

/// One source or a list of them.
pub(super) fn sources(node: &Node) -> &[Node] {
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
pub(super) fn value_span(node: &Node) -> Span {
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

/// Neither a name nor a path that could be a secret in the wrong place is ever repeated.
fn looks_like_a_variable(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_uppercase())
        && name
            .bytes()
            .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
}

fn looks_like_a_path(name: &str) -> bool {
    // Base64 has a `/` too, but seldom in front.
    let rooted = ["/", "./", "../"]
        .iter()
        .any(|start| name.starts_with(start));
    let word = |b: u8| b.is_ascii_alphanumeric() || b"/._-".contains(&b);
    let extension = name.rsplit_once('.').is_some_and(|(stem, extension)| {
        !stem.is_empty()
            && ["crt", "der", "jwk", "jwks", "json", "key", "pem", "txt"].contains(&extension)
    });
    name.bytes().all(word) && (rooted || extension)
}

pub(super) fn describe(error: &std::io::Error) -> &'static str {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_names_and_paths_and_nothing_that_could_be_a_secret() {
        for (name, variable, path) in [
            ("PROVE_SECRET", true, false),
            ("A1", true, false),
            ("/run/secrets/prove", false, true),
            ("../keys/x", false, true),
            ("prelude.pem", false, true),
            ("secrets/prelude.pem", false, true),
            ("secrets/prove", false, false),
            ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", false, false),
            ("9F86D081884C7D659A2FEAA0C55AD015", false, false),
            ("9f86d081884c7d659a2feaa0c55ad015", false, false),
            ("MfKQ9r8GKY/qrTwjUPD8+ILPZIo2LaLaSw==", false, false),
            ("hunter2", false, false),
            ("a b.pem", false, false),
            ("", false, false),
        ] {
            assert_eq!(looks_like_a_variable(name), variable, "{name}");
            assert_eq!(looks_like_a_path(name), path, "{name}");
        }
    }
}
