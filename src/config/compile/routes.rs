//! Routes, compiled.

use http::{HeaderValue, Method, StatusCode};

use super::Compiler;
use super::steps::{Compiled, Shared};
use crate::address::AddressList;
use crate::budget::Budget;
use crate::config::settings::Limits;
use crate::config::tree::{Node, Table, Value};
use crate::event::header_value;
use crate::route::{Fixed, Mode, Pattern, Route, Routes};
use crate::verify::Plan;

/// A plan, with what its steps mean for the route.
struct Verification {
    plan: Plan,
    strip: Vec<http::HeaderName>,
    challenge: Option<HeaderValue>,
}

impl Compiler<'_> {
    pub(super) fn routes(&mut self, root: &Table, limits: &Limits) -> Option<Routes> {
        let nodes = root.list("route").unwrap_or_default();
        if nodes.is_empty() {
            self.problems.error(
                root.span,
                "there is no `[[route]]`, so every request would be a 404",
                "no routes",
                "add a `[[route]]` with `path` and `provider`",
            );
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
        let keys = self.overlaid(own, root)?;
        let passthrough = keys.text("mode") == Some("passthrough");
        let methods = self.methods(&keys, passthrough);
        let event = self.event(keys.table("event"));
        let mode = if passthrough {
            Some((Mode::Passthrough, Vec::new(), None))
        } else {
            self.verification(&keys, own).map(|made| {
                let observe = keys.text("mode") == Some("observe");
                let mode = if observe {
                    Mode::Observe(made.plan)
                } else {
                    Mode::Enforce(made.plan)
                };
                (mode, made.strip, made.challenge)
            })
        };
        self.warn_mode(&keys);
        let pattern = pattern?;
        let name = own.text("path")?.to_owned();
        let (methods, (mode, strip, challenge)) = (methods?, mode?);
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
            host: keys.text("host").map(str::to_ascii_lowercase),
            methods,
            mode,
            event,
            known_events: keys
                .table("event")
                .and_then(|event| event.list("known"))
                .unwrap_or_default()
                .iter()
                .filter_map(Node::text)
                .map(Into::into)
                .collect(),
            strip,
            reject_status: status("reject_status"),
            success_status: status("success_status"),
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
                provider: provider.as_deref().map(header_value),
                route: header_value(&name),
                allow: HeaderValue::try_from(allow).ok()?,
                challenge,
            },
            provider,
            name,
        })
    }

    fn pattern(&mut self, own: &Table) -> Option<Pattern> {
        let Some(node) = own.get("path") else {
            self.problems.error(
                own.span,
                "a route needs a `path`",
                "no path",
                "add `path = \"/webhooks/…\"`, exact or ending in `/*`",
            );
            return None;
        };
        match Pattern::parse(node.text()?) {
            Ok(pattern) => Some(pattern),
            Err(error) => {
                self.problems.error(
                    node.span,
                    error.to_string(),
                    "not a path",
                    "write it as \"/webhooks/prelude\" or \"/webhooks/*\"",
                );
                None
            }
        }
    }

    fn methods(&mut self, keys: &Table, passthrough: bool) -> Option<Vec<Method>> {
        let Some(list) = keys.list("methods") else {
            // What a mixed app does with its other paths is its own affair.
            return Some(if passthrough {
                Vec::new()
            } else {
                vec![Method::POST]
            });
        };
        let mut methods = Vec::new();
        for node in list {
            let name = node.text()?;
            let known = Method::from_bytes(name.as_bytes()).ok();
            let plain = name.bytes().all(|b| b.is_ascii_uppercase()) && name != "CONNECT";
            match known.filter(|_| plain) {
                Some(method) => methods.push(method),
                None => {
                    self.problems.error(
                        node.span,
                        "this is not a method a route can take",
                        "not a method",
                        "methods are upper-case words such as \"POST\"; CONNECT is never taken",
                    );
                    return None;
                }
            }
        }
        Some(methods)
    }

    fn verification(&mut self, keys: &Table, own: &Table) -> Option<Verification> {
        let addresses = self.addresses(keys)?;
        let shared = Shared {
            keys,
            id_header: Self::id_header(keys.table("event")),
            span: own.get("provider").map_or(own.span, |node| node.span),
        };
        let mut made = Verification {
            plan: Plan {
                addresses,
                groups: Vec::new(),
            },
            strip: Vec::new(),
            challenge: None,
        };
        let mut authenticated = false;
        let mut good = true;
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
        // A step that did not compile was reported; it is no lack of one.
        if good && !authenticated && !self.accepts_weak(keys, own, &made.plan) {
            return None;
        }
        good.then_some(made)
    }

    /// Whether a route on which nothing authenticates is what its author asked for.
    fn accepts_weak(&mut self, keys: &Table, own: &Table, plan: &Plan) -> bool {
        let span = own
            .get("provider")
            .or_else(|| own.get("path"))
            .map_or(own.span, |node| node.span);
        if plan.groups.is_empty() && plan.addresses.is_none() {
            self.problems.error(
                span,
                "nothing on this route verifies anything",
                "open to everybody",
                verify_hint(keys),
            );
            return false;
        }
        let what = if plan.groups.is_empty() {
            "an address list alone authenticates nobody"
        } else {
            "a digest without a secret can be computed by anybody"
        };
        if keys.flag("accept_weak") == Some(true) {
            self.problems.warning(
                keys.get("accept_weak").map_or(span, |node| node.span),
                format!("this route accepts requests that nothing authenticates: {what}"),
                "weak",
                "add a step with a secret or a key as soon as the provider offers one",
            );
            return true;
        }
        self.problems.error(
            span,
            format!("nothing on this route authenticates the sender: {what}"),
            "not authenticated",
            "add a step with a secret or a key; `accept_weak = true` accepts it as it is",
        );
        false
    }

    /// `Some(None)` where every address may call.
    fn addresses(&mut self, keys: &Table) -> Option<Option<AddressList>> {
        match keys.get("allow_ips").map(|node| &node.value) {
            Some(Value::List(list)) => self
                .networks(list)
                .map(|networks| Some(AddressList::new(networks))),
            _ => Some(None),
        }
    }

    fn warn_mode(&mut self, keys: &Table) {
        let Some(node) = keys.get("mode") else { return };
        match node.text() {
            Some("observe") => self.problems.warning(
                node.span,
                "this route only observes: requests that fail reach the app",
                "not enforced",
                "change it to \"enforce\" when the log shows no `would_reject` any more",
            ),
            Some("passthrough") => self.problems.warning(
                node.span,
                "this route verifies nothing: every request reaches the app",
                "not verified",
                "keep webhooks off this path",
            ),
            _ => {}
        }
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

/// What to do where there is no step: a provider that lets its customers choose says so itself.
fn verify_hint(keys: &Table) -> String {
    match keys.text("provider") {
        Some(name) => format!(
            "`{name}` leaves the credential to its customers: add `verify = [{{ scheme = … }}]`; \
             `gatepost providers {name}` shows how"
        ),
        None => "add `provider = \"…\"` or `verify = [{ scheme = … }]`".to_owned(),
    }
}
