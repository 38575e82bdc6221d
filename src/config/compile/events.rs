//! `event.*`, compiled.

use http::HeaderName;

use super::Compiler;
use crate::config::grammar::EVENT;
use crate::config::shape;
use crate::config::tree::{Node, Table};
use crate::event::{KeyRule, Rules, Source};

/// `event.*` of a route.
#[derive(Debug, Default)]
pub(super) struct Described {
    pub(super) kind: Vec<Source>,
    pub(super) id: Vec<Source>,
    time: Vec<Source>,
    required: bool,
}

impl Described {
    /// The rules by which the event is read.
    pub(super) fn rules(self, key: KeyRule) -> Rules {
        Rules::keyed(self.kind, self.id, self.time, self.required, key)
    }
}

impl Compiler<'_> {
    /// Where the event is described.
    pub(super) fn event(&mut self, table: Option<&Table>) -> Described {
        let Some(table) = table else {
            return Described::default();
        };
        let required = table.flag("required").unwrap_or(false);
        let mut read = |key| {
            table
                .one_or_many(key)
                .iter()
                .filter_map(|node| self.event_source(node))
                .collect::<Vec<_>>()
        };
        let (kind, id, time) = (read("type"), read("id"), read("time"));
        if required && shape::lacks(table, &EVENT, "type") {
            self.problems.error(
                table.get("required").map_or(table.span, |node| node.span),
                "a required event needs `event.type`",
                "which type?",
                "add `event.type = { json = \"/type\" }`",
            );
        }
        Described {
            kind,
            id,
            time,
            required,
        }
    }

    /// The header in which the event id stands, if it stands in one.
    pub(super) fn id_header(table: Option<&Table>) -> Option<HeaderName> {
        let sources = table
            .map(|table| table.one_or_many("id"))
            .unwrap_or_default();
        sources
            .iter()
            .find_map(|node| node.table()?.text("header"))
            .and_then(|name| HeaderName::try_from(name).ok())
    }

    /// Reports a claim to be read where no step reads a token.
    pub(super) fn claims_without_token(&mut self, event: &Table) {
        for key in ["type", "id", "time"] {
            for node in event.one_or_many(key) {
                if let Some(claim) = node.table().and_then(|table| table.get("claim")) {
                    self.problems.error(
                        claim.span,
                        "no step of this route reads a token, so there is no claim",
                        "which token?",
                        "add a `jwt` step, or name another source",
                    );
                }
            }
        }
    }

    pub(super) fn event_source(&mut self, node: &Node) -> Option<Source> {
        let table = node.table()?;
        let pointers = table.one_or_many("json");
        if let (Some(entry), true) = (table.entry("separator"), pointers.len() < 2) {
            self.problems.error(
                entry.name_span,
                "there is nothing to separate",
                "has no effect",
                "remove it, or write a list of pointers: json = [\"/a\", \"/b\"]",
            );
        }
        match pointers {
            [] => {}
            [only] => return self.pointer(only).map(Source::Json),
            several => {
                let pointers = several
                    .iter()
                    .map(|pointer| self.pointer(pointer))
                    .collect::<Option<_>>()?;
                return Some(Source::Joined {
                    pointers,
                    separator: table.text("separator").unwrap_or(".").to_owned(),
                });
            }
        }
        if table.get("header").is_some() {
            return self.header(table, "header").map(Source::Header);
        }
        if table.get("claim").is_some() {
            return self.field_name(table, "claim").map(Source::Claim);
        }
        if table.get("form").is_some() {
            return self.field_name(table, "form").map(Source::Form);
        }
        if table.get("query").is_some() {
            return self.field_name(table, "query").map(Source::Query);
        }
        self.field_name(table, "value").map(Source::Value)
    }
}
