//! `[upstream]`, compiled.

use std::sync::Arc;
use std::time::Duration;

use http::uri::Authority;
use http::{HeaderValue, Uri};

use super::Compiler;
use super::sources::{sources, value_span};
use crate::config::grammar::{ROOT, UPSTREAM};
use crate::config::shape;
use crate::config::tree::{Node, Table};
use crate::route::is_ambiguous;
use crate::upstream::{Assertion, AssertionKeyError, Host, Settings, Target};

impl Compiler<'_> {
    pub(super) fn upstream(&mut self, table: &Table, root: &Table) -> Option<Settings> {
        let Some(node) = table.get("url") else {
            self.no_url(root);
            return None;
        };
        let url = node.text()?;
        if url.contains('@') {
            let entry = table.entry("url")?;
            self.hidden(entry, "the app's URL has a user, and perhaps a password");
            return None;
        }
        let made = self.target(url, node, table);
        let host = self.upstream_host(table, made.as_ref().map(|(target, _)| target));
        for key in ["connect_timeout", "timeout"] {
            self.positive(table, key, "the app could never answer");
        }
        let (target, base_path) = made?;
        if let Some(node) = table.get("ca")
            && !matches!(target, Target::Tcp { tls: Some(_), .. })
        {
            self.problems.warning(
                node.span,
                "`ca` is not used: the app is not reached by https",
                "not used",
                "remove it, or write `url` with https://",
            );
        }
        let or = |key: &str, seconds| table.duration(key).unwrap_or(Duration::from_secs(seconds));
        Some(Settings {
            target,
            url: url.to_owned(),
            base_path,
            connect_timeout: or("connect_timeout", 2),
            timeout: or("timeout", 30),
            pool_idle: or("pool_idle", 30),
            host: host?,
            assertion: match table.get("assertion") {
                Some(node) => Some(self.assertion(node)?),
                None => None,
            },
        })
    }

    fn no_url(&mut self, root: &Table) {
        let section = root.table("upstream");
        let missing = match section {
            Some(section) => shape::lacks(section, &UPSTREAM, "url"),
            None => shape::lacks(root, &ROOT, "upstream"),
        };
        if missing {
            self.problems.error(
                section.map_or(root.span, |section| section.span),
                "`upstream.url` is missing: where does the app listen?",
                "no `url`",
                "add `[upstream]` with `url = \"http://127.0.0.1:3000\"`",
            );
        }
    }

    /// The key that signs statements for the app.
    fn assertion(&mut self, node: &Node) -> Option<Arc<Assertion>> {
        let (source, others) = sources(node).split_first()?;
        if let Some(second) = others.first() {
            self.problems.error(
                second.span,
                "one key signs: no second one is read",
                "one too many",
                "keep the new one; the app takes both while it changes, by their `kid`",
            );
            return None;
        }
        self.lasting(source);
        let held = self.source(source)?;
        let span = value_span(source);
        let raw = held.key.expose();
        let key = if raw.starts_with(b"-----BEGIN") {
            raw
        } else {
            self.trimmed(raw, span)?
        };
        let (message, fix) = match Assertion::new(key, &held.name) {
            Ok(assertion) => return Some(Arc::new(assertion)),
            Err(AssertionKeyError::Form) => (
                "this is not an Ed25519 private key in PKCS#8 PEM",
                "make one with `openssl genpkey -algorithm ed25519`, or put a secret there",
            ),
            Err(AssertionKeyError::Short) => (
                "a secret that signs needs at least 32 bytes",
                "make one with `openssl rand -hex 32`",
            ),
        };
        self.problems.error(span, message, "cannot sign", fix);
        None
    }

    /// The Host that the app sees.
    fn upstream_host(&mut self, table: &Table, target: Option<&Target>) -> Option<Host> {
        match table.text("host").unwrap_or("preserve") {
            "preserve" => Some(Host::Preserve),
            "upstream" => HeaderValue::try_from(own_host(target?))
                .ok()
                .map(Host::Fixed),
            name => {
                let plain: Option<Authority> = name.parse().ok().filter(|_| !name.contains('@'));
                if plain.is_none() {
                    self.problems.error(
                        table.get("host")?.span,
                        "this is neither \"preserve\" nor \"upstream\" nor a host",
                        "not a host",
                        "write the host alone, as in \"app.internal\" or \"app.internal:3000\"",
                    );
                }
                plain?;
                HeaderValue::try_from(name).ok().map(Host::Fixed)
            }
        }
    }

    fn target(&mut self, url: &str, node: &Node, table: &Table) -> Option<(Target, String)> {
        if url == "echo:" {
            return Some((Target::Echo, String::new()));
        }
        if let Some(path) = url.strip_prefix("unix:").filter(|path| !path.is_empty()) {
            let path = self.folder_of(node.span).join(path);
            return Some((Target::Unix(path), String::new()));
        }
        let uri: Option<Uri> = url.parse().ok();
        let parts = uri
            .as_ref()
            .and_then(|uri| Some((uri.scheme_str()?, uri.host()?, uri)));
        let Some((scheme @ ("http" | "https"), host, uri)) = parts else {
            let bare = uri.is_some_and(|uri| uri.scheme().is_none() && uri.port().is_some());
            let fix = if bare {
                format!("write \"http://{url}\"")
            } else {
                "write \"http://127.0.0.1:3000\", \"https://…\", \"unix:/run/app.sock\" or \"echo:\""
                    .to_owned()
            };
            self.problems.error(
                node.span,
                "this is not a URL the app can be reached at",
                "not an upstream",
                fix,
            );
            return None;
        };
        if uri.query().is_some() || url.contains('#') {
            self.problems.error(
                node.span,
                "the app's URL has a query or a fragment",
                "scheme, host, port and path only",
                "remove it",
            );
            return None;
        }
        if is_ambiguous(uri.path()) {
            self.problems.error(
                node.span,
                "the path of the app's URL can be read in two ways",
                "an encoded slash, a backslash, `//` or a dot segment",
                "write it without",
            );
            return None;
        }
        let secure = scheme == "https";
        let host = host
            .trim_start_matches('[')
            .trim_end_matches(']')
            .to_owned();
        let port = uri.port_u16().unwrap_or(if secure { 443 } else { 80 });
        if port == 0 {
            self.problems.error(
                node.span,
                "no app listens on port 0",
                "port 0",
                "write the port of the app",
            );
            return None;
        }
        let tls = if secure {
            Some(self.client_tls(table, node, &host)?)
        } else {
            None
        };
        let base_path = uri.path().trim_end_matches('/').to_owned();
        Some((Target::Tcp { host, port, tls }, base_path))
    }
}

/// Host and port of the app itself, as a Host header.
fn own_host(target: &Target) -> String {
    let Target::Tcp { host, port, tls } = target else {
        return "localhost".to_owned();
    };
    let host = if host.contains(':') {
        format!("[{host}]")
    } else {
        host.clone()
    };
    let default = if tls.is_some() { 443 } else { 80 };
    if *port == default {
        host
    } else {
        format!("{host}:{port}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_of_the_app_has_brackets_and_a_port_where_needed() {
        for (host, port, shown) in [
            ("app", 80, "app"),
            ("app", 3000, "app:3000"),
            ("::1", 80, "[::1]"),
            ("::1", 3000, "[::1]:3000"),
        ] {
            let target = Target::Tcp {
                host: host.to_owned(),
                port,
                tls: None,
            };
            assert_eq!(own_host(&target), shown);
        }
        assert_eq!(own_host(&Target::Echo), "localhost");
    }
}
