//! The sections other than routes, compiled.

use std::time::Duration;

use super::Compiler;
use super::values::told;
use crate::address::{AddressError, AddressList, ClientSource, Network, Trust};
use crate::config::nearest;
use crate::config::settings::{HeaderSettings, Limits, LogSettings, Reload, Server};
use crate::config::tree::{Node, Table};
use crate::headers::Names;
use crate::telemetry::{Format, Level};

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;
/// Below this not even a plain delivery fits.
const LEAST_HEAD: usize = KIB;
/// What `client_address.from` takes beside the name of a header.
const CLIENT_SOURCES: [&str; 3] = ["x-forwarded-for", "forwarded", "proxy-protocol"];
/// Headers that an app needs: our prefix must not take them along.
const COMMON_HEADERS: [&str; 8] = [
    "accept-encoding",
    "cache-control",
    "content-type",
    "if-match",
    "user-agent",
    "x-api-key",
    "x-forwarded-for",
    "x-webhook-signature",
];

impl Compiler<'_> {
    pub(super) fn server(&mut self, table: &Table) -> Option<Server> {
        let listen = self.address(table.get("listen"), "0.0.0.0:8080");
        let protocols: Vec<&str> = table.list("protocols").map_or_else(
            || vec!["http/1.1", "h2"],
            |list| list.iter().filter_map(Node::text).collect(),
        );
        let has = |name: &str| protocols.contains(&name);
        let (http1, h2, h2c) = (has("http/1.1"), has("h2"), has("h2c"));
        if let Some(node) = table.get("protocols")
            && !self.problems.has_error_at(node.span)
        {
            let (none, fix) = if table.get("tls").is_some() {
                (!http1 && !h2, "HTTP/2 over TLS is \"h2\"")
            } else {
                (!http1 && !h2c, "HTTP/2 without TLS is \"h2c\"")
            };
            if none && (h2 || h2c) {
                self.problems.error(
                    node.span,
                    "no connection could be served with these protocols",
                    "none of them",
                    format!("add \"http/1.1\"; {fix}"),
                );
            }
        }
        let tls = match table.table("tls") {
            Some(tls) => Some(self.server_tls(tls, h2, http1)?),
            None => None,
        };
        Some(Server {
            listen: listen?,
            drain: table.duration("drain").unwrap_or(Duration::from_secs(20)),
            http1,
            h2,
            h2c,
            proxy_protocol: table.flag("proxy_protocol").unwrap_or(false),
            tls,
            certificates: std::mem::take(&mut self.ends),
        })
    }

    /// `proxy_protocol`: where it says that connections begin with a PROXY header.
    pub(super) fn trust(&mut self, table: &Table, proxy_protocol: Option<&Node>) -> Option<Trust> {
        let nodes = table.list("trusted_proxies").unwrap_or_default();
        let proxies = self.networks(nodes);
        for (network, node) in proxies.iter().flatten().zip(nodes) {
            if network.is_everything() {
                self.problems.error(
                    node.span,
                    "trusting every address would let every client choose its own",
                    "every address",
                    "list only the addresses of your ingress or load balancer",
                );
            }
        }
        let source = match table.get("from") {
            None => Some(ClientSource::XForwardedFor),
            Some(node) => self.client_source(node, proxy_protocol.is_some()),
        };
        if nodes.is_empty()
            && table
                .get("trusted_proxies")
                .is_none_or(|node| node.list().is_some())
        {
            self.warn_nobody_trusted(table, proxy_protocol);
        }
        Some(Trust {
            proxies: AddressList::new(proxies?),
            source: source?,
        })
    }

    fn client_source(&mut self, node: &Node, proxy_protocol: bool) -> Option<ClientSource> {
        let text = node.text()?;
        let source = ClientSource::parse(text);
        match &source {
            None => self.problems.error(
                node.span,
                "this is neither a way to tell the client nor a header name",
                "not a header name",
                "write \"x-forwarded-for\", \"forwarded\", \"proxy-protocol\" or a header's name",
            ),
            Some(ClientSource::ProxyProtocol) if !proxy_protocol => self.problems.error(
                node.span,
                "the client is to be told by a PROXY header, but none is read",
                "no PROXY header",
                "add `proxy_protocol = true` to `[server]`",
            ),
            Some(ClientSource::Header(_)) => {
                if let Some(meant) = nearest::nearest(text, CLIENT_SOURCES) {
                    self.problems.warning(
                        node.span,
                        "this is taken as the name of a header that holds one address",
                        "a slip of the keyboard?",
                        format!("did you mean \"{meant}\"?"),
                    );
                }
            }
            Some(_) => {}
        }
        source
    }

    fn warn_nobody_trusted(&mut self, table: &Table, proxy_protocol: Option<&Node>) {
        if let Some(node) = table.get("from") {
            self.problems.warning(
                node.span,
                "nobody is trusted, so the client is always the peer of the connection",
                "never read",
                "add `trusted_proxies = [\"…\"]` with the addresses of your ingress, or remove `from`",
            );
        } else if let Some(node) = proxy_protocol {
            self.problems.warning(
                node.span,
                "nobody is trusted, so no PROXY header is read",
                "no `trusted_proxies`",
                "add `trusted_proxies = [\"…\"]` with the addresses of your load balancer to `[client_address]`",
            );
        }
    }

    pub(super) fn headers(&mut self, table: &Table) -> Option<HeaderSettings> {
        let prefix = table.text("prefix").unwrap_or("X-Gatepost-");
        let Some(names) = Names::new(prefix) else {
            self.problems.error(
                table.get("prefix")?.span,
                "a prefix is letters, digits and `-`, and ends in `-`",
                "not a prefix",
                "write it like \"X-Gatepost-\"",
            );
            return None;
        };
        let lower = prefix.to_ascii_lowercase();
        if let Some(taken) = COMMON_HEADERS.iter().find(|name| name.starts_with(&lower)) {
            self.problems.error(
                table.get("prefix")?.span,
                format!("every header that begins so would be removed, `{taken}` too"),
                "begins other headers",
                "choose one that only gatepost uses, like \"X-Gatepost-\"",
            );
            return None;
        }
        Some(HeaderSettings {
            names,
            strip_credentials: table.flag("strip_credentials").unwrap_or(true),
            cloudevents: table.flag("cloudevents").unwrap_or(false),
        })
    }

    pub(super) fn limits(&mut self, table: &Table) -> Limits {
        let count = |key: &str, default: usize| {
            table
                .integer(key)
                .and_then(|n| usize::try_from(n).ok())
                .unwrap_or(default)
        };
        let limits = Limits {
            body: table.size("body").unwrap_or(MIB),
            header_bytes: table.size("header_bytes").unwrap_or(16 * KIB),
            header_count: count("header_count", 100),
            header_timeout: table
                .duration("header_timeout")
                .unwrap_or(Duration::from_secs(5)),
            body_timeout: table
                .duration("body_timeout")
                .unwrap_or(Duration::from_secs(10)),
            send_timeout: table
                .duration("send_timeout")
                .unwrap_or(Duration::from_secs(30)),
            idle_timeout: table
                .duration("idle_timeout")
                .unwrap_or(Duration::from_secs(75)),
            connections: count("connections", 10_000),
            in_flight: count("in_flight", 1024),
            buffered: table.size("buffered").unwrap_or(256 * MIB),
        };
        if limits.header_bytes < LEAST_HEAD
            && let Some(node) = table.get("header_bytes")
        {
            self.problems.error(
                node.span,
                "a request head needs 1KiB at least",
                "too small",
                "write \"16KiB\"",
            );
        }
        for key in ["body", "buffered"] {
            self.some_bytes(table, key);
        }
        for key in ["header_timeout", "body_timeout"] {
            self.positive(table, key, "no request could arrive in it");
        }
        self.positive(table, "send_timeout", "no answer could be sent in it");
        self.positive(table, "idle_timeout", "no connection could be used twice");
        if limits.buffered < limits.body && limits.buffered > 0 {
            let span = table
                .get("buffered")
                .or_else(|| table.get("body"))
                .map_or(table.span, |n| n.span);
            self.problems.error(
                span,
                "`limits.buffered` is smaller than `limits.body`, so a large body could never pass",
                "smaller than one body",
                "raise `buffered`, or lower `body`",
            );
        }
        limits
    }

    pub(super) fn log(table: &Table) -> LogSettings {
        LogSettings {
            format: match table.text("format") {
                Some("json") => Format::Json,
                Some("text") => Format::Text,
                _ => Format::detect(),
            },
            level: match table.text("level") {
                Some("error") => Level::Error,
                Some("warn") => Level::Warn,
                Some("debug" | "trace") => Level::Debug,
                _ => Level::Info,
            },
        }
    }

    pub(super) fn reload(&mut self, table: &Table) -> Reload {
        self.positive(table, "poll", "gatepost would do nothing else");
        Reload {
            watch: table.flag("watch").unwrap_or(true),
            poll: table.duration("poll").unwrap_or(Duration::from_secs(2)),
        }
    }

    /// Addresses and CIDRs; `None` after an error.
    pub(super) fn networks(&mut self, list: &[Node]) -> Option<Vec<Network>> {
        let mut networks = Vec::with_capacity(list.len());
        let mut good = true;
        for node in list {
            let Some(text) = node.text() else {
                good = false;
                continue;
            };
            match Network::parse(text) {
                Ok(network) => networks.push(network),
                Err(error) => {
                    good = false;
                    let said = error.to_string();
                    let (message, fix) = told(&said, "");
                    let fix = match &error {
                        AddressError::HostBits { network, text } => {
                            let ip = text.split('/').next().unwrap_or_default();
                            format!(
                                "write \"{network}\" for all of it, or \"{ip}\" for the one address"
                            )
                        }
                        AddressError::Port { ip, .. } => format!("write \"{ip}\""),
                        AddressError::Empty
                        | AddressError::LeadingZero { .. }
                        | AddressError::MappedPrefix { .. }
                        | AddressError::NotAnAddress { .. }
                        | AddressError::Prefix { .. }
                        | AddressError::Space { .. }
                        | AddressError::Zone { .. } => fix.to_owned(),
                    };
                    self.problems
                        .error(node.span, message, "not an address or network", fix);
                }
            }
        }
        good.then_some(networks)
    }
}
