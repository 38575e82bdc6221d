//! The sections other than routes, compiled.

use std::net::{SocketAddr, ToSocketAddrs as _};
use std::time::Duration;

use http::{HeaderName, HeaderValue, Uri};

use super::Compiler;
use crate::address::{AddressList, ClientSource, Network, Trust};
use crate::config::settings::{HeaderSettings, Limits, Listen, LogSettings, Reload, Server};
use crate::config::tree::{Node, Table};
use crate::headers::Names;
use crate::telemetry::{Format, Level};
use crate::upstream::{Host, Settings, Target};

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;
/// Below this not even a plain delivery fits.
const LEAST_HEAD: usize = KIB;

impl Compiler<'_> {
    pub(super) fn server(&mut self, table: &Table) -> Option<Server> {
        let listen = self.address(table.get("listen"), "0.0.0.0:8080")?;
        let protocols: Vec<&str> = table.list("protocols").map_or_else(
            || vec!["http/1.1", "h2"],
            |list| list.iter().filter_map(Node::text).collect(),
        );
        let h2 = protocols.contains(&"h2");
        let tls = match table.table("tls") {
            Some(tls) => Some(self.server_tls(tls, h2, protocols.contains(&"http/1.1"))?),
            None => None,
        };
        Some(Server {
            listen,
            drain: table.duration("drain").unwrap_or(Duration::from_secs(20)),
            http1: protocols.contains(&"http/1.1"),
            h2,
            h2c: protocols.contains(&"h2c"),
            proxy_protocol: table.flag("proxy_protocol").unwrap_or(false),
            tls,
        })
    }

    pub(super) fn trust(&mut self, table: &Table) -> Option<Trust> {
        let proxies = self.networks(table.list("trusted_proxies").unwrap_or_default())?;
        for (network, node) in proxies
            .iter()
            .zip(table.list("trusted_proxies").unwrap_or_default())
        {
            if network.is_everything() {
                self.problems.error(
                    node.span,
                    "trusting every address would let every client choose its own",
                    "every address",
                    "list only the addresses of your ingress or load balancer",
                );
                return None;
            }
        }
        let source = match table.text("from").unwrap_or("x-forwarded-for") {
            "x-forwarded-for" => ClientSource::XForwardedFor,
            "forwarded" => ClientSource::Forwarded,
            "proxy-protocol" => ClientSource::ProxyProtocol,
            name => match HeaderName::try_from(name) {
                Ok(name) => ClientSource::Header(name),
                Err(_) => {
                    self.header(table, "from")?;
                    return None;
                }
            },
        };
        Some(Trust {
            proxies: AddressList::new(proxies),
            source,
        })
    }

    pub(super) fn upstream(&mut self, table: &Table, root: &Table) -> Option<Settings> {
        let Some(node) = table.get("url") else {
            self.problems.error(
                root.table("upstream").map_or(root.span, |table| table.span),
                "`upstream.url` is missing: where does the app listen?",
                "no `url`",
                "add `[upstream]` with `url = \"http://127.0.0.1:3000\"`",
            );
            return None;
        };
        let url = node.text()?;
        let (target, base_path) = self.target(url, node, table)?;
        let own_host = match &target {
            Target::Tcp { host, port, tls } => {
                let default = if tls.is_some() { 443 } else { 80 };
                if *port == default {
                    host.clone()
                } else {
                    format!("{host}:{port}")
                }
            }
            Target::Echo | Target::Unix(_) => "localhost".to_owned(),
        };
        let host = match table.text("host").unwrap_or("preserve") {
            "preserve" => Host::Preserve,
            "upstream" => Host::Fixed(HeaderValue::try_from(own_host).ok()?),
            name => match HeaderValue::try_from(name) {
                Ok(value) => Host::Fixed(value),
                Err(_) => {
                    let span = table.get("host")?.span;
                    self.problems.error(
                        span,
                        "this is not a host",
                        "not a host",
                        "write a host name",
                    );
                    return None;
                }
            },
        };
        let or = |key: &str, seconds| table.duration(key).unwrap_or(Duration::from_secs(seconds));
        Some(Settings {
            target,
            url: url.to_owned(),
            base_path,
            connect_timeout: or("connect_timeout", 2),
            timeout: or("timeout", 30),
            pool_idle: or("pool_idle", 30),
            host,
        })
    }

    fn target(&mut self, url: &str, node: &Node, table: &Table) -> Option<(Target, String)> {
        if url == "echo:" {
            return Some((Target::Echo, String::new()));
        }
        if let Some(path) = url.strip_prefix("unix:") {
            return Some((
                Target::Unix(self.folder_of(node.span).join(path)),
                String::new(),
            ));
        }
        let uri: Option<Uri> = url.parse().ok();
        let parts = uri
            .as_ref()
            .and_then(|uri| Some((uri.scheme_str()?, uri.host()?, uri)));
        let Some((scheme @ ("http" | "https"), host, uri)) = parts else {
            self.problems.error(
                node.span,
                "this is not a URL the app can be reached at",
                "not an upstream",
                "write \"http://127.0.0.1:3000\", \"https://…\", \"unix:/run/app.sock\" or \"echo:\"",
            );
            return None;
        };
        if uri.query().is_some() || uri.authority().is_some_and(|a| a.as_str().contains('@')) {
            self.problems.error(
                node.span,
                "the app's URL has a query or a user",
                "scheme, host, port and path only",
                "remove it",
            );
            return None;
        }
        let secure = scheme == "https";
        let host = host
            .trim_start_matches('[')
            .trim_end_matches(']')
            .to_owned();
        let port = uri.port_u16().unwrap_or(if secure { 443 } else { 80 });
        let tls = if secure {
            Some(self.client_tls(table, node, &host)?)
        } else {
            None
        };
        let base_path = uri.path().trim_end_matches('/').to_owned();
        Some((Target::Tcp { host, port, tls }, base_path))
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
        if limits.buffered < limits.body {
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

    /// `Some(None)` for "off".
    pub(super) fn listener(&mut self, table: &Table, default: &str) -> Option<Option<Listen>> {
        match table.text("listen") {
            Some("off") => Some(None),
            _ => self.address(table.get("listen"), default).map(Some),
        }
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

    pub(super) fn reload(table: &Table) -> Reload {
        Reload {
            watch: table.flag("watch").unwrap_or(true),
            poll: table.duration("poll").unwrap_or(Duration::from_secs(2)),
        }
    }

    /// `host:port` or `unix:/path`.
    fn address(&mut self, node: Option<&Node>, default: &str) -> Option<Listen> {
        let text = node.and_then(Node::text).unwrap_or(default);
        if let Some(path) = text.strip_prefix("unix:") {
            let folder = node.map_or_else(|| self.folder.clone(), |node| self.folder_of(node.span));
            return Some(Listen::Unix(folder.join(path)));
        }
        let parsed = text
            .parse::<SocketAddr>()
            .ok()
            .or_else(|| text.to_socket_addrs().ok()?.next());
        if parsed.is_none()
            && let Some(node) = node
        {
            self.problems.error(
                node.span,
                "this is not an address to listen on",
                "not host:port",
                "write \"0.0.0.0:8080\", \"[::]:8080\" or \"unix:/run/gatepost.sock\"",
            );
        }
        parsed.map(Listen::Tcp)
    }

    /// Addresses and CIDRs; `None` after an error.
    pub(super) fn networks(&mut self, list: &[Node]) -> Option<Vec<Network>> {
        let mut networks = Vec::with_capacity(list.len());
        let mut good = true;
        for node in list {
            match Network::parse(node.text()?) {
                Ok(network) => networks.push(network),
                Err(error) => {
                    good = false;
                    self.problems.error(
                        node.span,
                        error.to_string(),
                        "not an address or network",
                        "write an address (\"203.0.113.9\") or a network (\"203.0.113.0/24\")",
                    );
                }
            }
        }
        good.then_some(networks)
    }
}
