//! When a message was signed, and how old it may be.

use super::Compiler;
use crate::config::grammar;
use crate::config::shape;
use crate::config::tree::Table;
use crate::verify::format::{Field, Format};
use crate::verify::template::{Cover, Template};
use crate::verify::{Freshness, Place, Unit};

/// How old a signed timestamp may be where nothing else is said: what Standard Webhooks, Stripe
/// and Slack prescribe.
const TOLERANCE: std::time::Duration = std::time::Duration::from_secs(300);

impl Compiler<'_> {
    /// `Some(None)` where nothing tells the time of signing.
    pub(super) fn freshness(
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
        self.positive(table, "tolerance", "no request could arrive in it");
        if let (Some(_), true, Some(node)) =
            (&place, format.has(Field::Timestamp), table.get("timestamp"))
        {
            self.problems.error(
                node.span,
                "the timestamp stands in `format` and in a place of its own",
                "which of the two?",
                "keep the one that is signed",
            );
        }
        if place.is_none() && !format.has(Field::Timestamp) {
            let wanted =
                message.has_timestamp() || rule.is_some() || table.get("tolerance").is_some();
            if !wanted {
                return Some(None);
            }
            let section = grammar::scheme(table.text("scheme")?)?;
            let misspelt =
                table.get("timestamp").is_none() && !shape::lacks(table, section, "timestamp");
            let wrong = |key: &str| {
                table
                    .get(key)
                    .is_some_and(|node| self.problems.has_error_at(node.span))
            };
            if misspelt || wrong("timestamp") {
                return None;
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
            Some("float") => Unit::Float,
            Some("ms") => Unit::Milliseconds,
            Some("rfc2822") => Unit::Rfc2822,
            Some("rfc3339") => Unit::Rfc3339,
            _ => Unit::Seconds,
        };
        let signed = place.as_ref().is_some_and(|place| signs(message, place));
        if !signed && !message.has_timestamp() {
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
}

/// Whether what stands there is part of what is signed.
fn signs(message: &Template, place: &Place) -> bool {
    match place {
        Place::Body | Place::Form(_) | Place::Json(_) => message.cover() == Cover::Whole,
        Place::Header(name) => message.headers().any(|signed| signed == name),
        Place::Query(name) => message.covers_query(name),
    }
}
