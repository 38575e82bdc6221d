//! Where gatepost listens: each address once, and never the app's.

use std::net::{IpAddr, SocketAddr, ToSocketAddrs as _};

use super::Compiler;
use crate::config::settings::Listen;
use crate::config::tree::{Node, Table};
use crate::upstream::{Settings, Target};

/// The longest path of a Unix socket (`sun_path` of unix(7), less its NUL).
const LONGEST_PATH: usize = 107;

impl Compiler<'_> {
    /// `Some(None)` for "off".
    pub(super) fn listener(&mut self, table: &Table, default: &str) -> Option<Option<Listen>> {
        match table.text("listen") {
            Some("off") => Some(None),
            _ => self.address(table.get("listen"), default).map(Some),
        }
    }

    /// What the admin listener tells is no secret, but nobody else's business either.
    pub(super) fn warn_open_admin(&mut self, table: &Table, listen: Option<&Listen>) {
        if let (Some(Listen::Tcp(address)), Some(node)) = (listen, table.get("listen"))
            && !address.ip().is_loopback()
        {
            self.problems.warning(
                node.span,
                "whoever reaches this address can read routes, client addresses and refusals",
                "beyond this host",
                "listen on 127.0.0.1 and use `kubectl port-forward` or an SSH tunnel",
            );
        }
    }

    /// `host:port` or `unix:/path`.
    pub(super) fn address(&mut self, node: Option<&Node>, default: &str) -> Option<Listen> {
        let text = node.and_then(Node::text).unwrap_or(default);
        if let Some(path) = text.strip_prefix("unix:") {
            let folder = node.map_or_else(|| self.folder.clone(), |node| self.folder_of(node.span));
            let path = folder.join(path);
            if let Some(node) = node
                && path.as_os_str().len() > LONGEST_PATH
            {
                self.problems.error(
                    node.span,
                    format!("a socket's path has {LONGEST_PATH} bytes at most"),
                    "too long",
                    "put it into a folder with a shorter path, such as /run",
                );
                return None;
            }
            return Some(Listen::Unix(path));
        }
        let parsed = text
            .parse::<SocketAddr>()
            .ok()
            .or_else(|| text.to_socket_addrs().ok()?.next());
        if parsed.is_none()
            && let Some(node) = node
            && !self.problems.has_error_at(node.span)
        {
            self.problems.error(
                node.span,
                "this host has no address",
                "cannot be resolved",
                "write an address of this machine, \"0.0.0.0:8080\" for all of them",
            );
        }
        parsed.map(Listen::Tcp)
    }

    /// Reports listeners that would take each other's address, and an app that would be gatepost
    /// itself.
    pub(super) fn clashes(&mut self, root: &Table, listeners: &[(&str, Option<&Listen>)]) {
        let written = |section: &str| Some(root.table(section)?.get("listen")?.span);
        let places: Vec<(&str, &Listen)> = listeners
            .iter()
            .filter_map(|(section, listen)| Some((*section, (*listen)?)))
            .collect();
        for (at, (section, listen)) in places.iter().enumerate() {
            let earlier = places
                .iter()
                .take(at)
                .find(|(_, other)| same(listen, other));
            let Some((other, _)) = earlier else { continue };
            let span = written(section).or_else(|| written(other));
            self.problems.error(
                span.unwrap_or(root.span),
                format!("`[{other}]` and `[{section}]` would listen on the same address"),
                "taken twice",
                format!("give one of them another port; `[{section}]` listens on {listen}"),
            );
        }
    }

    /// Reports an app that would be gatepost itself: every request would come round for ever.
    pub(super) fn circle(&mut self, root: &Table, listen: &Listen, upstream: &Settings) {
        let itself = match (&upstream.target, listen) {
            (Target::Unix(path), Listen::Unix(own)) => path == own,
            (Target::Tcp { host, port, .. }, Listen::Tcp(own)) => {
                let ip: Option<IpAddr> = host.parse().ok();
                let local = host == "localhost" || ip.is_some_and(|ip| ip.is_loopback());
                let here = own.ip().is_unspecified() || own.ip().is_loopback();
                *port == own.port() && (ip == Some(own.ip()) || (local && here))
            }
            _ => false,
        };
        let url = root.table("upstream").and_then(|table| table.get("url"));
        if let (true, Some(url)) = (itself, url) {
            self.problems.error(
                url.span,
                format!("this is where gatepost itself listens ({listen})"),
                "not the app",
                "write the address of the app, or change `server.listen`",
            );
        }
    }
}

/// Whether the second of the two could not be opened.
fn same(a: &Listen, b: &Listen) -> bool {
    match (a, b) {
        (Listen::Unix(a), Listen::Unix(b)) => a == b,
        (Listen::Tcp(a), Listen::Tcp(b)) => {
            let every = |one: &SocketAddr, other: &SocketAddr| {
                // `[::]` takes IPv4 too (bindv6only is 0 by default).
                one.ip().is_unspecified() && (one.is_ipv6() || other.is_ipv4())
            };
            // Port 0 is a free one each time.
            let port = a.port() == b.port() && a.port() != 0;
            port && (a.ip() == b.ip() || every(a, b) || every(b, a))
        }
        (Listen::Tcp(_), Listen::Unix(_)) | (Listen::Unix(_), Listen::Tcp(_)) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_listeners_are_the_same_where_the_second_could_not_be_opened() {
        let listen = |text: &str| match text.strip_prefix("unix:") {
            Some(path) => Listen::Unix(path.into()),
            None => Listen::Tcp(text.parse().expect(text)),
        };
        for (a, b, expected) in [
            ("0.0.0.0:80", "0.0.0.0:80", true),
            ("0.0.0.0:80", "127.0.0.1:80", true),
            ("127.0.0.1:80", "0.0.0.0:80", true),
            ("[::]:80", "127.0.0.1:80", true),
            ("0.0.0.0:80", "[::1]:80", false),
            ("127.0.0.1:80", "127.0.0.2:80", false),
            ("0.0.0.0:80", "0.0.0.0:81", false),
            ("127.0.0.1:0", "127.0.0.1:0", false),
            ("unix:/a", "unix:/a", true),
            ("unix:/a", "unix:/b", false),
            ("unix:/a", "0.0.0.0:80", false),
        ] {
            assert_eq!(same(&listen(a), &listen(b)), expected, "{a} {b}");
        }
    }
}
