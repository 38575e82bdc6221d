//! Checks of single values that more than one section needs.

use http::HeaderName;

use super::Compiler;
use crate::config::source::Span;
use crate::config::tree::{Entry, Node, Table};
use crate::json::Pointer;

/// Takes what to do out of a message that says it too: behind a `;` or in "did you mean".
pub(super) fn told<'s>(said: &'s str, otherwise: &'s str) -> (&'s str, &'s str) {
    said.split_once("; ")
        .or_else(|| {
            Some((
                said.split_once(": did you mean")?.0,
                said.split_once(": ")?.1,
            ))
        })
        .unwrap_or((said, otherwise))
}

impl Compiler<'_> {
    /// Reports a duration of zero, which would say `consequence`.
    pub(super) fn positive(&mut self, table: &Table, key: &str, consequence: &str) {
        if let (Some(node), Some(duration)) = (table.get(key), table.duration(key))
            && duration.is_zero()
        {
            self.problems.error(
                node.span,
                format!("`{key}` is zero: {consequence}"),
                "too short",
                format!("write a longer one, or leave `{key}` out"),
            );
        }
    }

    /// Reports a size of zero.
    pub(super) fn some_bytes(&mut self, table: &Table, key: &str) {
        if let (Some(node), Some(0)) = (table.get(key), table.size(key)) {
            self.problems.error(
                node.span,
                format!("`{key}` is zero, so no body could pass"),
                "too small",
                "write a size, as in \"1MiB\"",
            );
        }
    }

    /// Reports a URL that holds a password, without printing it: a mark on more than the value hides
    /// the value.
    pub(super) fn hidden(&mut self, entry: &Entry, message: &str) {
        let span = Span {
            end: entry.node.span.end,
            ..entry.name_span
        };
        self.problems.error(
            span,
            message,
            "scheme, host and port only",
            "remove all up to the `@`",
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
        self.header_of(node, node.text()?)
    }

    /// A header name of the configuration that is made of the text at `node`.
    pub(super) fn header_of(&mut self, node: &Node, text: &str) -> Option<HeaderName> {
        let name = HeaderName::try_from(text).ok();
        if name.is_none() {
            let written = node.text().unwrap_or(text);
            let bare = written.trim().trim_end_matches(':');
            let fix = if HeaderName::try_from(bare.replace("{n}", "1")).is_ok() {
                format!("write \"{bare}\"")
            } else {
                "write the name alone, as in \"X-Signature\"".to_owned()
            };
            self.problems.error(
                node.span,
                "this is not a header name",
                "letters, digits and `-` only",
                fix,
            );
        }
        name
    }

    /// A JSON Pointer of the configuration.
    pub(super) fn pointer(&mut self, node: &Node) -> Option<Pointer> {
        match Pointer::parse(node.text()?) {
            Ok(pointer) => Some(pointer),
            Err(error) => {
                let said = error.to_string();
                let (message, fix) = told(&said, "write it as RFC 6901 does: `/data/type`");
                self.problems
                    .error(node.span, message, "not a JSON Pointer", fix);
                None
            }
        }
    }

    /// The name of a field or claim: an empty one is never found.
    pub(super) fn field_name(&mut self, table: &Table, key: &str) -> Option<String> {
        let node = table.get(key)?;
        let text = node.text()?;
        if text.is_empty() {
            self.problems.error(
                node.span,
                format!("`{key}` is empty, so nothing is ever found there"),
                "empty",
                "write the name as the provider's documentation does",
            );
            return None;
        }
        Some(text.to_owned())
    }
}
