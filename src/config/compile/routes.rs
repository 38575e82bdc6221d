//! Routes, compiled.

use http::{HeaderValue, Method, StatusCode};

use super::Compiler;
use super::steps::{Compiled, Shared};
use crate::address::AddressList;
use crate::budget::Budget;
use crate::config::grammar::ROOT;
use crate::config::settings::Limits;
use crate::config::shape;
use crate::config::tree::{Node, Table, Value};
use crate::event::header_text;
use crate::handshake::Handshakes;
use crate::route::{Fixed, Mode, Route, Routes};
use crate::verify::template::Constants;
use crate::verify::{Place, Plan, Step};

/// A plan, with what its steps mean for the route.
struct Verification {
    plan: Plan,
    strip: Vec<Place>,
    challenge: Option<HeaderValue>,
    handshakes: Option<Box<Handshakes>>,
}

impl Compiler<'_> {
    pub(super) fn routes(&mut self, root: &Table, limits: &Limits) -> Option<Routes> {
        let nodes = root.list("route").unwrap_or_default();
        if nodes.is_empty() {
            let empty = root.list("route").is_some();
            if empty || shape::lacks(root, &ROOT, "route") {
                self.problems.error(
                    root.get("route").map_or(root.span, |node| node.span),
                    "there is no `[[route]]`, so every request would be a 404",
                    "no routes",
                    "add a `[[route]]` with `path` and `provider`",
                );
            }
            return None;
        }
        let mut good = true;
        let mut routes = Vec::new();
        let mut spans = Vec::new();
        for (index, node) in nodes.iter().enumerate() {
            let Some(table) = node.table() else { continue };
            match self.route(table, root, limits, index) {
                Some(route) => {
                    routes.push(route);
                    spans.push(table.get("path").map_or(node.span, |path| path.span));
                }
                None => good = false,
            }
        }
        if good {
            self.warn_unused_providers(root, nodes);
        }
        self.close_oracles(&mut routes, &spans);
        match Routes::new(routes) {
            Ok(routes) => good.then_some(routes),
            Err(overlaps) => {
                for overlap in overlaps {
                    let line =
                        |at: usize| spans.get(at).map(|span| self.files.position(*span).line);
                    let (Some(span), Some(earlier)) =
                        (spans.get(overlap.later), line(overlap.earlier))
                    else {
                        continue;
                    };
                    self.problems.error(
                        *span,
                        format!("this route takes the same requests as the one in line {earlier}"),
                        "would never match",
                        "change `path`, `host` or `methods` of one of them; two senders to one path are `any` steps",
                    );
                }
                None
            }
        }
    }

    fn route(&mut self, own: &Table, root: &Table, limits: &Limits, index: usize) -> Option<Route> {
        let pattern = self.pattern(own);
        let overlaid = self.overlaid(own, root);
        let known = overlaid.is_some();
        let keys = overlaid.unwrap_or_else(|| own.clone());
        let passthrough = keys.text("mode") == Some("passthrough");
        let methods = self.methods(&keys, passthrough);
        let host = self.host(&keys);
        self.checks(&keys);
        self.large_body(&keys, limits);
        let event = self.event(keys.table("event"));
        let schema = self.body_schema(&keys);
        let mut warn = true;
        let mode = if !known {
            None
        } else if passthrough {
            warn = !self.unheeded(own);
            Some((Mode::Passthrough, Vec::new(), None, None))
        } else {
            let taken = methods.as_deref().unwrap_or_default();
            self.verification(&keys, own, taken).map(|made| {
                let observe = keys.text("mode") == Some("observe");
                let mode = if observe {
                    Mode::Observe(made.plan)
                } else {
                    Mode::Enforce(made.plan)
                };
                (mode, made.strip, made.challenge, made.handshakes)
            })
        };
        if warn {
            self.warn_mode(&keys);
        }
        let host = host?;
        let pattern = pattern?;
        let schema = schema?;
        let name = own.text("path")?.to_owned();
        let (mode_of, ..) = mode.as_ref()?;
        let (copies, key) = self.copies((own, &keys), &event, mode_of, host.as_deref(), &name)?;
        let (methods, (mode, strip, challenge, handshakes)) = (methods?, mode?);
        let status = |key: &str| {
            keys.integer(key)
                .and_then(|n| StatusCode::from_u16(u16::try_from(n).ok()?).ok())
        };
        let own_limits = keys.table("limits");
        let allow = methods
            .iter()
            .map(Method::as_str)
            .collect::<Vec<_>>()
            .join(", ");
        let provider = keys.text("provider").map(str::to_owned);
        Some(Route {
            index,
            pattern,
            host,
            methods,
            mode,
            schema,
            event: event.rules(key),
            copies,
            known_events: keys
                .table("event")
                .and_then(|event| event.list("known"))
                .unwrap_or_default()
                .iter()
                .filter_map(Node::text)
                .map(Into::into)
                .collect(),
            strip,
            handshakes,
            reject_status: status("reject_status"),
            success_status: status("success_status"),
            reject_body: keys.flag("reject_body") != Some(false),
            body_limit: own_limits
                .and_then(|table| table.size("body"))
                .unwrap_or(limits.body),
            in_flight: own_limits
                .and_then(|table| table.integer("in_flight"))
                .and_then(|n| usize::try_from(n).ok())
                .map(Budget::new),
            rate: keys.rate("rate"),
            upstream_path: keys.text("upstream_path").map(str::to_owned),
            fixed: Fixed {
                provider: provider
                    .as_deref()
                    .map(|name| header_text(name).into_value()),
                route: header_text(&name).into_value(),
                allow: HeaderValue::try_from(allow).ok()?,
                challenge,
            },
            provider: provider.map(Into::into),
            name: name.into(),
        })
    }

    fn verification(
        &mut self,
        keys: &Table,
        own: &Table,
        methods: &[Method],
    ) -> Option<Verification> {
        let addresses = self.addresses(keys);
        self.used.clear();
        let shared = Shared {
            keys,
            constants: constants(keys),
            id_header: Self::id_header(keys.table("event")),
            span: own.get("provider").map_or(own.span, |node| node.span),
        };
        let mut made = Verification {
            plan: Plan {
                addresses: addresses.clone().flatten(),
                groups: Vec::new(),
            },
            strip: Vec::new(),
            challenge: None,
            handshakes: None,
        };
        let mut authenticated = false;
        let mut good = addresses.is_some();
        for node in keys.list("verify").unwrap_or_default() {
            let Some(table) = node.table() else { continue };
            let alternatives = match table.list("any") {
                Some(list) => list.iter().filter_map(Node::table).collect(),
                None => vec![table],
            };
            let mut group = Vec::new();
            let mut each_authenticates = true;
            for table in flattened(alternatives) {
                let Some(Compiled {
                    step,
                    authenticates,
                    credential,
                    challenge,
                }) = self.step(table, &shared)
                else {
                    good = false;
                    continue;
                };
                group.push(step);
                each_authenticates &= authenticates;
                made.strip.extend(credential);
                made.challenge = made.challenge.or(challenge.map(HeaderValue::from_static));
            }
            authenticated |= each_authenticates && !group.is_empty();
            made.plan.groups.push(group);
        }
        match self.handshakes(keys, methods, &shared) {
            Some(handshakes) => made.handshakes = handshakes,
            None => good = false,
        }
        // A step that did not compile was reported; it is no lack of one.
        if good && !authenticated && !self.accepts_weak(keys, own, &made.plan) {
            return None;
        }
        if good {
            self.warn_unused(own, authenticated);
            self.warn_unsigned_body(own, &made.plan);
            let reads_token = |step: &Step| matches!(step, Step::Jwt(_));
            if let Some(event) = keys.table("event")
                && !made.plan.groups.iter().flatten().any(reads_token)
            {
                self.claims_without_token(event);
            }
        }
        good.then_some(made)
    }

    /// `Some(None)` where every address may call; `None` after an error.
    fn addresses(&mut self, keys: &Table) -> Option<Option<AddressList>> {
        match keys.get("allow_ips").map(|node| &node.value) {
            Some(Value::List(list)) => {
                let networks = self.networks(list)?;
                for (network, node) in networks.iter().zip(list) {
                    if network.is_everything() {
                        self.problems.warning(
                            node.span,
                            "every address may call: this list stops nobody",
                            "every address",
                            "write allow_ips = \"any\", or the addresses of the provider",
                        );
                    }
                }
                Some(Some(AddressList::new(networks)))
            }
            _ => Some(None),
        }
    }

    fn warn_unused_providers(&mut self, root: &Table, routes: &[Node]) {
        let used = |name: &str| {
            let mut tables = routes.iter().filter_map(Node::table);
            tables.any(|route| route.text("provider") == Some(name))
        };
        let own = root.table("provider").map(|table| &*table.entries);
        for entry in own.unwrap_or_default() {
            if entry.node.table().is_some() && !used(&entry.name) {
                self.problems.warning(
                    entry.name_span,
                    format!("no route uses the provider `{}`", entry.name),
                    "not used",
                    format!(
                        "add `provider = \"{}\"` to a route, or remove it",
                        entry.name
                    ),
                );
            }
        }
    }

    fn large_body(&mut self, keys: &Table, limits: &Limits) {
        let own = keys.table("limits");
        if let Some(own) = own
            && let (Some(node), Some(size)) = (own.get("body"), own.size("body"))
            && size > limits.buffered
        {
            self.problems.error(
                node.span,
                "this is more than `limits.buffered`, so a large body could never pass",
                "larger than all bodies together",
                "lower it, or raise `buffered` in `[limits]`",
            );
        }
    }
}

/// What `message` and the like may name of the route itself.
fn constants(keys: &Table) -> Constants {
    let config = keys.table("config").map(|table| &*table.entries);
    Constants {
        public_url: keys.text("public_url").map(Into::into),
        config: config
            .unwrap_or_default()
            .iter()
            .filter_map(|entry| Some((entry.name.clone(), entry.node.text()?.to_owned())))
            .collect(),
    }
}

/// The steps in an `any`, those of an `any` inside it included.
fn flattened(tables: Vec<&Table>) -> Vec<&Table> {
    tables
        .into_iter()
        .flat_map(|table| match table.list("any") {
            Some(list) => flattened(list.iter().filter_map(Node::table).collect()),
            None => vec![table],
        })
        .collect()
}
