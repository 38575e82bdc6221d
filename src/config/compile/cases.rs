//! `[[test]]`, compiled. The files it names are read by `gatepost test` alone.

use std::net::IpAddr;

use http::{HeaderMap, HeaderName, HeaderValue};
use jiff::SignedDuration;

use super::Compiler;
use crate::config::case::{Case, CaseBody};
use crate::config::nearest;
use crate::config::tree::{Node, Table, Value};
use crate::units;

impl Compiler<'_> {
    pub(super) fn cases(&mut self, root: &Table) -> Vec<Case> {
        let tables = root.list("test").unwrap_or_default();
        let mut cases = Vec::new();
        for (index, table) in tables.iter().filter_map(Node::table).enumerate() {
            cases.extend(self.case(table, root, index.saturating_add(1)));
        }
        cases
    }

    fn case(&mut self, table: &Table, root: &Table, number: usize) -> Option<Case> {
        let (route, samples) = self.tested(table, root)?;
        let empty = Table::new(table.span);
        let request = table.table("request").unwrap_or(&empty);
        let body = if let Some(text) = request.text("body") {
            CaseBody::Text(text.to_owned())
        } else if let Some(node) = request.get("file") {
            CaseBody::File(self.folder_of(node.span).join(node.text()?))
        } else {
            if let Some(node) = request.get("event") {
                self.sampled(node, &samples)?;
            }
            CaseBody::Sample(request.text("event").map(Into::into))
        };
        let headers = self.sent(request.table("headers"))?;
        let clock = match request.get("clock") {
            None => SignedDuration::ZERO,
            Some(node) => self.clock(node)?,
        };
        let from = match request.get("from") {
            None => None,
            Some(node) => Some(self.client(node)?),
        };
        let (mut outcome, mut status, mut received) = (None, None, Vec::new());
        match table.get("expect").map(|node| &node.value) {
            None => outcome = Some("verified".to_owned()),
            Some(Value::Text(text)) => outcome = Some(text.clone()),
            Some(Value::Integer(code)) => status = u16::try_from(*code).ok(),
            Some(Value::Table(expect)) => {
                outcome = expect.text("outcome").map(Into::into);
                status = expect
                    .integer("status")
                    .and_then(|code| u16::try_from(code).ok());
                let headers = expect.table("headers").map(|table| &*table.entries);
                received = headers
                    .unwrap_or_default()
                    .iter()
                    .filter_map(|entry| {
                        Some((
                            entry.name.to_ascii_lowercase(),
                            entry.node.text()?.to_owned(),
                        ))
                    })
                    .collect();
            }
            Some(Value::Float(_) | Value::Flag(_) | Value::Time(_) | Value::List(_)) => {
                return None;
            }
        }
        let name = table
            .text("name")
            .map_or_else(|| format!("test {number}"), Into::into);
        let tamper = request.text("tamper").map(Into::into);
        Some(Case {
            name,
            route,
            body,
            headers,
            tamper,
            clock,
            from,
            outcome,
            status,
            received,
        })
    }

    /// The route that a test names, by its index, and the event types it has samples of.
    fn tested(&mut self, table: &Table, root: &Table) -> Option<(usize, Vec<String>)> {
        let routes: Vec<&Table> = root
            .list("route")
            .unwrap_or_default()
            .iter()
            .filter_map(Node::table)
            .collect();
        let Some(node) = table.get("route") else {
            self.problems.error(
                table.span,
                "this test names no route",
                "which route?",
                "add `route = \"/webhooks/…\"`",
            );
            return None;
        };
        let name = node.text()?;
        let is = |route: &&Table, key: &str| route.text(key) == Some(name);
        let found = routes
            .iter()
            .position(|route| is(route, "path"))
            .or_else(|| routes.iter().position(|route| is(route, "provider")));
        let Some(index) = found else {
            let paths = routes.iter().filter_map(|route| route.text("path"));
            let fix = nearest::nearest(name, paths).map_or_else(
                || "write the path of a route, or its provider".to_owned(),
                |near| format!("did you mean \"{near}\"?"),
            );
            self.problems.error(
                node.span,
                "no route has this path or provider",
                "no such route",
                fix,
            );
            return None;
        };
        // What is wrong with the route was reported with the route.
        let keys = super::overlaid(routes.get(index)?, root, self.folder.clone())?;
        if keys.text("mode") == Some("passthrough") {
            self.problems.error(
                node.span,
                "this route verifies nothing, so there is nothing to test",
                "passthrough",
                "remove the test, or verify something on the route",
            );
            return None;
        }
        let samples = keys
            .table("samples")
            .map(|table| &*table.entries)
            .unwrap_or_default();
        Some((
            index,
            samples.iter().map(|entry| entry.name.clone()).collect(),
        ))
    }

    fn sampled(&mut self, node: &Node, samples: &[String]) -> Option<()> {
        let event = node.text()?;
        if samples.iter().any(|known| known == event) {
            return Some(());
        }
        let fix = match nearest::nearest(event, samples.iter().map(String::as_str)) {
            Some(near) => format!("did you mean \"{near}\"?"),
            None if samples.is_empty() => "write the body: `body = \"…\"` or `file = \"…\"`".into(),
            None => format!("there are samples of: {}", samples.join(", ")),
        };
        self.problems.error(
            node.span,
            "the provider has no sample of this event",
            "no sample",
            fix,
        );
        None
    }

    fn sent(&mut self, table: Option<&Table>) -> Option<HeaderMap> {
        let mut headers = HeaderMap::new();
        for entry in table.map(|table| &*table.entries).unwrap_or_default() {
            let name = HeaderName::from_bytes(entry.name.as_bytes());
            let value = HeaderValue::from_str(entry.node.text()?);
            let (Ok(name), Ok(value)) = (name, value) else {
                self.problems.error(
                    entry.name_span,
                    "this header cannot be sent",
                    "not a header",
                    "write \"X-Name\" = \"value\", in visible characters",
                );
                return None;
            };
            headers.insert(name, value);
        }
        Some(headers)
    }

    fn clock(&mut self, node: &Node) -> Option<SignedDuration> {
        let text = node.text()?;
        let (ahead, bare) = match text.strip_prefix('-') {
            Some(bare) => (false, bare),
            None => (true, text.strip_prefix('+').unwrap_or(text)),
        };
        let length = units::duration(bare)
            .ok()
            .and_then(|time| SignedDuration::try_from(time).ok());
        if let Some(length) = length {
            return Some(if ahead { length } else { -length });
        }
        self.problems.error(
            node.span,
            "`clock` is how far the sender's clock is off",
            "not a duration",
            "write it as in \"-10m\" (behind) or \"+10m\" (ahead)",
        );
        None
    }

    fn client(&mut self, node: &Node) -> Option<IpAddr> {
        let address = node.text()?.parse().ok();
        if address.is_none() {
            self.problems.error(
                node.span,
                "`from` is one address",
                "not an address",
                "write it as in \"198.51.100.7\"",
            );
        }
        address
    }
}
