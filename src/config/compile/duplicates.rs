//! `[duplicates]`, and how a route tells the copies of an event.

use std::time::Duration;

use super::Compiler;
use super::events::Described;
use super::sources::value_span;
use crate::config::grammar::DUPLICATES;
use crate::config::shape;
use crate::config::tree::{Node, Table};
use crate::duplicates::{Address, Basis, OnCopy, Place, RedisSettings, Rule, Settings};
use crate::event::{KeyRule, Source};
use crate::route::Mode;
use crate::secret::Secret;
use crate::upstream;
use crate::verify::template::Cover;
use crate::verify::{self, Plan, Step};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const REMEMBER: Duration = DAY.saturating_mul(15);
const CAPACITY: usize = 1_000_000;
/// A claim outlives the longest request by this: then nobody can hold it any more.
const MARGIN: Duration = Duration::from_secs(10);

impl Compiler<'_> {
    /// Where events are remembered; `None` after an error.
    pub(super) fn duplicates(
        &mut self,
        table: Option<&Table>,
        upstream: Option<&upstream::Settings>,
    ) -> Option<Settings> {
        let Some(table) = table else {
            return Some(Settings {
                place: Place::Memory,
                remember: REMEMBER,
                capacity: CAPACITY,
                forward_unasked: false,
            });
        };
        self.positive(table, "remember", "nothing would be remembered");
        let redis = table.text("store") == Some("redis");
        let idle: &[&str] = match table.text("store") {
            Some("redis") => &["capacity"],
            None | Some("memory") => &["redis", "password", "ca", "prefix", "on_store_error"],
            Some(_) => &[],
        };
        for entry in idle.iter().filter_map(|key| table.entry(key)) {
            let (what, fix) = if redis {
                ("redis", "remove it; Redis bounds itself by `maxmemory`")
            } else {
                ("memory", "remove it, or write store = \"redis\"")
            };
            self.problems.warning(
                entry.name_span,
                format!("with store = \"{what}\", `{}` has no effect", entry.name),
                "not used",
                fix,
            );
        }
        let place = if redis {
            let longest = upstream.map_or(DAY, |upstream| upstream.timeout);
            let claim = longest.saturating_add(MARGIN);
            Place::Redis(Box::new(self.redis(table, claim)?))
        } else {
            Place::Memory
        };
        Some(Settings {
            place,
            remember: table.duration("remember").unwrap_or(REMEMBER),
            capacity: table
                .integer("capacity")
                .and_then(|n| usize::try_from(n).ok())
                .unwrap_or(CAPACITY),
            forward_unasked: table.text("on_store_error") == Some("forward"),
        })
    }

    fn redis(&mut self, table: &Table, claim: Duration) -> Option<RedisSettings> {
        let Some(node) = table.get("redis") else {
            if shape::lacks(table, &DUPLICATES, "redis") {
                self.problems.error(
                    table.get("store").map_or(table.span, |store| store.span),
                    "store = \"redis\" needs `redis`, the source of its URL",
                    "where is it?",
                    "add `redis = { env = \"REDIS_URL\" }`",
                );
            }
            return None;
        };
        let (url, text) = self.text_of(node)?;
        let address = match Address::parse(&url) {
            Ok(address) => address,
            Err(error) => {
                let (message, fix) = error.describe();
                self.problems
                    .error(value_span(node), message, "not an address of Redis", fix);
                return None;
            }
        };
        let address = match table.get("password") {
            None => address,
            Some(node) => {
                if address.has_password() {
                    self.problems.warning(
                        node.span,
                        "the URL has a password too; this one is used",
                        "two passwords",
                        "remove one of the two",
                    );
                }
                address.with_password(&self.text_of(node)?.0)
            }
        };
        let ca = match table.get("ca") {
            Some(node) if !address.is_secure() => {
                self.problems.warning(
                    node.span,
                    "`ca` is not used: Redis is not reached by TLS",
                    "not used",
                    "remove it, or let the URL begin with rediss:// or rediss-cluster://",
                );
                None
            }
            Some(node) => Some(self.authorities(node)?),
            None if address.is_secure() => {
                self.problems.error(
                    value_span(node),
                    "Redis by TLS needs `ca`, the authority of its certificate",
                    "which authority?",
                    "add `ca = { file = \"ca.pem\" }`; for a public one /etc/ssl/certs/ca-certificates.crt",
                );
                return None;
            }
            None => None,
        };
        let prefix = table.text("prefix").unwrap_or("gatepost:");
        let settings = RedisSettings::new(address, &text, ca, prefix, claim);
        if settings.is_none() {
            self.problems.error(
                value_span(node),
                "no client can be made for this address",
                "not an address of Redis",
                "compare scheme and hosts with the server's",
            );
        }
        settings
    }

    /// The text of the only source of `node`.
    fn text_of(&mut self, node: &Node) -> Option<(String, Secret)> {
        if let Some(second) = node.list().and_then(|list| list.get(1)) {
            self.problems.error(
                second.span,
                "there is one Redis: no second source is read",
                "one too many",
                "keep one of the two; the nodes of a cluster stand in one URL",
            );
            return None;
        }
        let first = node.list().and_then(<[Node]>::first).unwrap_or(node);
        let held = self.source(first)?;
        let span = value_span(first);
        let bytes = self.trimmed(held.key.expose(), span)?;
        let text = std::str::from_utf8(bytes).ok();
        if text.is_none() {
            self.problems.error(
                span,
                "this is not UTF-8",
                "not text",
                "look whether it is the right file",
            );
        }
        Some((text?.to_owned(), Secret::new(bytes.to_vec())))
    }

    /// How a route tells the copies of an event, and what tells an event from another, by its own
    /// keys and those of its provider; `None` after an error.
    pub(super) fn copies(
        &mut self,
        (own, keys): (&Table, &Table),
        event: &Described,
        mode: &Mode,
        host: Option<&str>,
        path: &str,
    ) -> Option<(Option<Rule>, KeyRule)> {
        let (Mode::Enforce(plan) | Mode::Observe(plan)) = mode else {
            return Some((None, KeyRule::Nothing));
        };
        let asked = keys.text("duplicates");
        let on_copy = match asked {
            Some("acknowledge") => OnCopy::Acknowledge,
            Some("reject") => OnCopy::Reject,
            Some("off") => {
                // A provider's key waits for a route that wants it.
                self.key_without_use(own);
                return Some((None, KeyRule::Nothing));
            }
            _ => OnCopy::Forward,
        };
        let (basis, key) = if keys.get("duplicate_key").is_some() {
            (Basis::Own, KeyRule::Own(self.own_key(keys, plan)?))
        } else if !event.id.is_empty()
            && event
                .id
                .iter()
                .chain(&event.kind)
                .all(|source| vouched(plan, source))
        {
            (Basis::Event, KeyRule::TypeAndId)
        } else if signs(plan) {
            (Basis::Signed, KeyRule::Nothing)
        } else {
            if let (Some(asked), Some(node)) = (asked, keys.get("duplicates")) {
                self.nothing_tells(node, asked == "forward");
                if asked != "forward" {
                    return None;
                }
            }
            return Some((None, KeyRule::Nothing));
        };
        if matches!(mode, Mode::Observe(_)) {
            return Some((None, KeyRule::Nothing));
        }
        let rule = Rule::new(on_copy, basis, keys.text("provider"), host, path);
        Some((Some(rule), key))
    }

    fn own_key(&mut self, keys: &Table, plan: &Plan) -> Option<Vec<Source>> {
        let nodes = keys.one_or_many("duplicate_key");
        let mut sources = Vec::new();
        for node in nodes {
            let Some(source) = self.event_source(node) else {
                continue;
            };
            if matches!(source, Source::Claim(_)) && !plan.groups.iter().flatten().any(is_token) {
                self.problems.error(
                    node.span,
                    "no step of this route reads a token, so there is no claim",
                    "which token?",
                    "add a `jwt` step, or name another source",
                );
            } else if matches!(source, Source::Value(_)) {
                self.problems.error(
                    node.span,
                    "a constant tells no event from another",
                    "the same for all",
                    "name a place in the request, as in { json = \"/id\" }",
                );
            } else if vouched(plan, &source) {
                sources.push(source);
            } else {
                self.problems.error(
                    node.span,
                    "nobody signed this part of the request: whoever resends it can change it",
                    "not signed",
                    "name a part that the signature covers, mostly one of the body",
                );
            }
        }
        (sources.len() == nodes.len()).then_some(sources)
    }

    fn key_without_use(&mut self, own: &Table) {
        if let Some(entry) = own.entry("duplicate_key") {
            self.problems.warning(
                entry.name_span,
                "with duplicates = \"off\", `duplicate_key` has no effect",
                "not used",
                "remove it, or change `duplicates`",
            );
        }
    }

    fn nothing_tells(&mut self, node: &Node, harmless: bool) {
        let message = "nothing tells an event of this route from its copies: it has no `event.id`, \
                       and nothing is signed";
        let fix = "add `duplicate_key = { json = \"/…\" }` with what differs in every event";
        if harmless {
            self.problems.warning(node.span, message, "no effect", fix);
        } else {
            self.problems.error(node.span, message, "which copy?", fix);
        }
    }
}

/// Whether a source is as trustworthy as the route itself. Where the body is signed, only what is
/// signed: anything else could be changed by whoever sends a captured request again. Where only the
/// sender proves itself, all that it sends.
fn vouched(plan: &Plan, source: &Source) -> bool {
    let each = |test: &dyn Fn(&Step) -> bool| {
        let mut groups = plan.groups.iter();
        groups.any(|group| !group.is_empty() && group.iter().all(test))
    };
    !each(&binds_body) || each(&|step| covers(step, source))
}

/// Whether something is signed whichever step of each `any` passes.
fn signs(plan: &Plan) -> bool {
    let signs = |step: &Step| match step {
        Step::Signature(signature) => signature.prover.is_keyed(),
        Step::HttpSignature(_) | Step::Jwt(_) => true,
        Step::ApiKey(_) | Step::Basic(_) | Step::Bearer(_) | Step::Mtls(_) => false,
    };
    let mut groups = plan.groups.iter();
    groups.any(|group| !group.is_empty() && group.iter().all(signs))
}

fn is_token(step: &Step) -> bool {
    matches!(step, Step::Jwt(_))
}

fn binds_body(step: &Step) -> bool {
    match step {
        Step::Signature(signature) => {
            signature.prover.is_keyed()
                && signature.for_each.is_none()
                && signature.message.cover() == Cover::Whole
        }
        Step::HttpSignature(signature) => signature.covers_body(),
        Step::Jwt(token) => token.covers_body(),
        Step::ApiKey(_) | Step::Basic(_) | Step::Bearer(_) | Step::Mtls(_) => false,
    }
}

fn covers(step: &Step, source: &Source) -> bool {
    match (source, step) {
        (Source::Value(_), _) | (Source::Claim(_), Step::Jwt(_)) => true,
        (Source::Json(_) | Source::Joined { .. } | Source::Form(_), _) => binds_body(step),
        (Source::Header(name), Step::Signature(signature)) => {
            let as_id = signature.message.has_id()
                && matches!(&signature.id, Some(verify::Place::Header(id)) if id == name);
            signature.prover.is_keyed()
                && (as_id || signature.message.headers().any(|signed| signed == name))
        }
        (Source::Query(name), Step::Signature(signature)) => {
            signature.prover.is_keyed() && signature.message.covers_query(name)
        }
        (Source::Header(name), Step::HttpSignature(signature)) => {
            let mut components = signature.components.iter();
            components.any(|one| one.whole_field() == Some(name))
        }
        (Source::Query(name), Step::HttpSignature(signature)) => {
            let mut components = signature.components.iter();
            components.any(|one| one.covers_query(name))
        }
        (Source::Claim(_) | Source::Header(_) | Source::Query(_), _) => false,
    }
}
