//! What a route matches, and where it leads: path, host, methods, status, URLs.

use http::uri::Authority;
use http::{Method, Uri};

use super::Compiler;
use crate::config::grammar::ROUTE;
use crate::config::tree::Table;
use crate::config::{nearest, shape};
use crate::route::Pattern;

/// The methods of RFC 9110 §9 and RFC 5789, to tell a slip of the keyboard from a rare method.
const METHODS: [&str; 8] = [
    "GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH",
];

impl Compiler<'_> {
    pub(super) fn pattern(&mut self, own: &Table) -> Option<Pattern> {
        let Some(node) = own.get("path") else {
            if shape::lacks(own, &ROUTE, "path") {
                self.problems.error(
                    own.span,
                    "a route needs a `path`",
                    "no path",
                    "add `path = \"/webhooks/…\"`, exact or ending in `/*`",
                );
            }
            return None;
        };
        let text = node.text()?;
        match Pattern::parse(text) {
            Ok(pattern) => Some(pattern),
            Err(error) => {
                let slashed = format!("/{text}");
                let fix = if !text.is_empty() && Pattern::parse(&slashed).is_ok() {
                    format!("write \"{slashed}\"")
                } else {
                    "write it as \"/webhooks/prelude\" or \"/webhooks/*\"".to_owned()
                };
                self.problems
                    .error(node.span, error.to_string(), "not a path", fix);
                None
            }
        }
    }

    pub(super) fn methods(&mut self, keys: &Table, passthrough: bool) -> Option<Vec<Method>> {
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
            let Some(name) = node.text() else { continue };
            let plain = !name.is_empty() && name.bytes().all(|b| b.is_ascii_uppercase());
            let meant = nearest::nearest(name, METHODS).filter(|meant| *meant != name);
            let taken = plain && name != "CONNECT" && meant.is_none();
            if let Some(method) = Method::from_bytes(name.as_bytes()).ok().filter(|_| taken) {
                methods.push(method);
                continue;
            }
            let fix = match meant {
                Some(meant) => format!("did you mean \"{meant}\"?"),
                None => {
                    "methods are upper-case words such as \"POST\"; CONNECT is never taken".into()
                }
            };
            self.problems.error(
                node.span,
                "this is not a method a route can take",
                "not a method",
                fix,
            );
        }
        (methods.len() == list.len()).then_some(methods)
    }

    /// `host` in lower case; `Some(None)` for any.
    pub(super) fn host(&mut self, keys: &Table) -> Option<Option<String>> {
        let Some(node) = keys.get("host") else {
            return Some(None);
        };
        let text = node.text()?;
        let bare = text.split_once("://").map_or(text, |(_, rest)| rest);
        let bare = bare.split('/').next().unwrap_or_default();
        let bare = match bare.rsplit_once(':') {
            Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
            _ => bare,
        };
        let good = |name: &str| {
            let label = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_');
            let name = name
                .strip_prefix('[')
                .and_then(|inner| inner.strip_suffix(']'))
                .map_or(name, |_| "v6");
            !name.is_empty() && name.bytes().all(label) && name.parse::<Authority>().is_ok()
        };
        if bare == text && good(text) {
            return Some(Some(text.to_ascii_lowercase()));
        }
        let fix = if good(bare) {
            format!("write \"{bare}\"")
        } else {
            "write one host, as in \"hooks.example.com\", or leave `host` out for any".to_owned()
        };
        self.problems.error(
            node.span,
            "this is no host that a request could name",
            "a host name alone",
            fix,
        );
        None
    }

    /// Checks the keys that hold a status, a path or a URL.
    pub(super) fn checks(&mut self, keys: &Table) {
        if let Some(limits) = keys.table("limits") {
            self.some_bytes(limits, "body");
        }
        if let (Some(node), Some(410)) = (keys.get("reject_status"), keys.integer("reject_status"))
        {
            self.problems.error(
                node.span,
                "410 tells providers to delete the webhook for ever",
                "never 410",
                "write 404 to be silent about it, or leave `reject_status` out",
            );
        }
        if let (Some(node), Some(path)) = (keys.get("upstream_path"), keys.text("upstream_path")) {
            let starred = path.contains('*');
            if starred || Pattern::parse(path).is_err() {
                let slashed = format!("/{path}");
                let fix = if !starred && Pattern::parse(&slashed).is_ok() && !path.is_empty() {
                    format!("write \"{slashed}\"")
                } else {
                    "write one path of the app, as in \"/hooks\", without query or `*`".to_owned()
                };
                self.problems.error(
                    node.span,
                    "the app cannot be called with this path",
                    "not a path",
                    fix,
                );
            }
        }
        if let (Some(node), Some(url)) = (keys.get("public_url"), keys.text("public_url"))
            && !is_origin(url)
        {
            if let (true, Some(entry)) = (url.contains('@'), keys.entry("public_url")) {
                self.hidden(entry, "`public_url` has a user, and perhaps a password");
                return;
            }
            let fix = match url.parse::<Uri>().ok() {
                Some(uri) if uri.scheme().is_some() && uri.authority().is_some() => format!(
                    "write \"{}://{}\": the path is the request's",
                    uri.scheme_str().unwrap_or("https"),
                    uri.authority().map_or("", Authority::as_str)
                ),
                Some(uri) if uri.host().is_some() => format!("write \"https://{url}\""),
                _ => "write it as in \"https://hooks.example.com\"".to_owned(),
            };
            self.problems.error(
                node.span,
                "`public_url` is the scheme and the host that the provider calls, and no more",
                "not scheme://host",
                fix,
            );
        }
    }

    /// Keys that a route of this mode would ignore, though its author relies on them.
    pub(super) fn unheeded(&mut self, own: &Table) -> bool {
        let ignored = [
            "verify",
            "allow_ips",
            "secret",
            "public_key",
            "username",
            "duplicates",
            "duplicate_key",
            "handshake",
            "verify_token",
            "schema",
        ];
        let entry = own
            .entries
            .iter()
            .find(|entry| ignored.contains(&&*entry.name));
        if let Some(entry) = entry {
            self.problems.error(
                entry.name_span,
                format!(
                    "this route passes everything through, so its `{}` would do nothing",
                    entry.name
                ),
                "has no effect",
                "remove it, or write mode = \"enforce\" (\"observe\" lets through what fails)",
            );
        }
        entry.is_some()
    }
}

/// `http(s)://host`, perhaps with a port and a last slash.
fn is_origin(url: &str) -> bool {
    let Ok(uri) = url.parse::<Uri>() else {
        return false;
    };
    matches!(uri.scheme_str(), Some("http" | "https"))
        && uri.host().is_some_and(|host| !host.is_empty())
        && uri.path() == "/"
        && uri.query().is_none()
        && !url.contains(['@', '#'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_scheme_and_host_and_no_more() {
        for (url, expected) in [
            ("https://hooks.example.com", true),
            ("https://hooks.example.com/", true),
            ("http://127.0.0.1:8080", true),
            ("https://[::1]:8443", true),
            ("https://hooks.example.com/x", false),
            ("https://hooks.example.com?x", false),
            ("https://hooks.example.com#x", false),
            ("https://user@hooks.example.com", false),
            ("hooks.example.com", false),
            ("ftp://hooks.example.com", false),
            ("https://", false),
            ("", false),
        ] {
            assert_eq!(is_origin(url), expected, "{url}");
        }
    }
}
