//! The table of routes: host, path, method.

use std::collections::HashMap;

use http::Method;

use super::path::{is_script, loosened};
use super::{Mode, Pattern, Route, is_ambiguous};
use crate::rejection::Rejection;

/// The methods that a handshake may have.
const METHODS: [Method; 4] = [Method::GET, Method::HEAD, Method::OPTIONS, Method::POST];

/// All routes, indexed once.
#[derive(Debug, Default)]
pub struct Routes {
    all: Vec<Route>,
    exact: HashMap<String, Vec<usize>>,
    /// By prefix, its last `/` included.
    open: HashMap<String, Vec<usize>>,
    /// Length of the longest key of `open` and of `loose`: longer prefixes need no look.
    longest: usize,
    /// The routes that verify, by their loosened path, those of prefixes with a `/` at the end.
    loose: HashMap<String, Vec<usize>>,
    /// The loosened paths of scripts that are verified.
    scripts: Vec<String>,
}

/// Two routes that take the same requests: their places in the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Overlap {
    /// The one that stands first.
    pub earlier: usize,
    /// The one that could never match.
    pub later: usize,
}

impl Routes {
    /// Indexes the routes.
    ///
    /// # Errors
    ///
    /// Every pair that overlaps: a request must never have two rules.
    pub fn new(all: Vec<Route>) -> Result<Self, Vec<Overlap>> {
        let mut routes = Self::default();
        let mut overlaps = Vec::new();
        for (index, route) in all.iter().enumerate() {
            let slot = match &route.pattern {
                Pattern::Exact(path) => routes.exact.entry(path.clone()),
                Pattern::Prefix(prefix) => routes.open.entry(prefix.clone()),
            }
            .or_default();
            let clash = slot.iter().copied().find(|earlier| {
                all.get(*earlier).is_some_and(|other| {
                    other.host == route.host
                        && (other.methods.is_empty()
                            || route.methods.is_empty()
                            || METHODS
                                .iter()
                                .any(|method| other.takes(method) && route.takes(method))
                            || other
                                .methods
                                .iter()
                                .any(|method| route.methods.contains(method)))
                })
            });
            if let Some(earlier) = clash {
                overlaps.push(Overlap {
                    earlier,
                    later: index,
                });
            }
            slot.push(index);
            routes.loosen(index, route);
        }
        routes.all = all;
        let keys = routes.open.keys().chain(routes.loose.keys());
        routes.longest = keys.map(String::len).max().unwrap_or(0);
        if overlaps.is_empty() {
            Ok(routes)
        } else {
            Err(overlaps)
        }
    }

    fn loosen(&mut self, index: usize, route: &Route) {
        if matches!(route.mode, Mode::Passthrough) {
            return;
        }
        let key = match &route.pattern {
            Pattern::Exact(path) => {
                if is_script(path) {
                    self.scripts.push(loosened_prefix(&format!("{path}/")));
                }
                loosened(path)
            }
            Pattern::Prefix(prefix) => {
                // `/v` is `/v/*` to an app that cares for no slash at the end.
                let bare = loosened(prefix.trim_end_matches('/'));
                if !bare.is_empty() {
                    self.loose.entry(bare).or_default().push(index);
                }
                loosened_prefix(prefix)
            }
        };
        self.loose.entry(key).or_default().push(index);
    }

    /// Every route, in the order of the file.
    pub fn all(&self) -> &[Route] {
        &self.all
    }

    /// The route of a request. A path decides before a host, a host before none, and only then the
    /// method: a path that is known with another method is a 405, and the route whose `Allow` it is
    /// comes with the refusal.
    pub fn find(
        &self,
        host: &str,
        path: &str,
        method: &Method,
    ) -> Result<&Route, (Rejection, Option<&Route>)> {
        if is_ambiguous(path) {
            return Err((Rejection::PathInvalid, None));
        }
        let exact = self.exact.get(path).map(|candidates| (candidates, None));
        let near = path
            .as_bytes()
            .get(..self.longest)
            .unwrap_or(path.as_bytes());
        let slashes = near
            .iter()
            .enumerate()
            .rev()
            .filter(|(_, byte)| **byte == b'/');
        let open = slashes.filter_map(|(at, _)| {
            let prefix = path.get(..=at)?;
            Some((self.open.get(prefix)?, Some(prefix)))
        });
        for (candidates, prefix) in exact.into_iter().chain(open) {
            let of_host = |wanted: bool| {
                candidates
                    .iter()
                    .filter_map(|index| self.all.get(*index))
                    .filter(move |route| match &route.host {
                        Some(name) => wanted && name.eq_ignore_ascii_case(without_port(host)),
                        None => !wanted,
                    })
            };
            for wanted in [true, false] {
                if let Some(route) = of_host(wanted).find(|route| route.takes(method)) {
                    return match prefix {
                        Some(prefix) if self.means_another(path, prefix, route) => {
                            Err((Rejection::PathInvalid, None))
                        }
                        _ => Ok(route),
                    };
                }
                if let Some(route) = of_host(wanted).next() {
                    return Err((Rejection::MethodNotAllowed, Some(route)));
                }
            }
        }
        Err((Rejection::NoRoute, None))
    }

    /// Whether the app could take `path`, which only the prefix of `found` matches, for the path of
    /// a route that verifies. Else `/webhooks/%70relude`, `/Webhooks/prelude` or
    /// `/webhooks/prelude.json` would reach the app's handler through a `/*` that passes everything.
    fn means_another(&self, path: &str, prefix: &str, found: &Route) -> bool {
        // What an enforced route takes it has verified, and the app is told by which route.
        if self.loose.is_empty() || matches!(found.mode, Mode::Enforce(_)) {
            return false;
        }
        let another = |key: &str| {
            self.loose.get(key).is_some_and(|indexes| {
                indexes
                    .iter()
                    .filter_map(|index| self.all.get(*index))
                    .any(|route| {
                        // Two names of two hosts never meet.
                        let apart = route.host.is_some() && found.host.is_some();
                        route.index != found.index && !(apart && route.host != found.host)
                    })
            })
        };
        let loose = loosened(path);
        if another(&loose) {
            return true;
        }
        let own = loosened_prefix(prefix).len();
        let whole = format!("{loose}/");
        let open = whole
            .match_indices('/')
            .take_while(|(at, _)| *at < self.longest)
            .filter_map(|(at, _)| whole.get(..=at))
            .filter(|deeper| deeper.len() > own && deeper.len() < whole.len());
        // `/hook.php/x` runs `/hook.php`.
        let runs = |script: &String| own < script.len() && loose.starts_with(&**script);
        open.into_iter().any(another) || self.scripts.iter().any(runs)
    }
}

/// A prefix as [`loosened`] writes what it begins with.
fn loosened_prefix(prefix: &str) -> String {
    let mut loose = loosened(&format!("{prefix}x"));
    loose.truncate(loose.len().saturating_sub(1));
    loose
}

/// A host without its port, and without the dot that ends a full domain name.
fn without_port(host: &str) -> &str {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    };
    name.strip_suffix('.').unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::super::Fixed;
    use super::*;
    use crate::event::Rules;
    use crate::verify::Plan;

    /// `path`, or `host path`; a `!` before it passes everything through.
    fn routes(lines: &[&str]) -> Routes {
        let empty = || HeaderValue::from_static("");
        let all = lines.iter().enumerate().map(|(index, line)| {
            let (open, line) = match line.strip_prefix('!') {
                Some(line) => (true, line),
                None => (false, *line),
            };
            let (host, path) = match line.split_once(' ') {
                Some((host, path)) => (Some(host.to_owned()), path),
                None => (None, line),
            };
            let plan = Plan {
                addresses: None,
                groups: Vec::new(),
            };
            Route {
                name: path.into(),
                pattern: Pattern::parse(path).unwrap(),
                host,
                methods: if open { Vec::new() } else { vec![Method::POST] },
                mode: if open {
                    Mode::Passthrough
                } else {
                    Mode::Enforce(plan)
                },
                provider: None,
                schema: None,
                event: Rules::new(Vec::new(), Vec::new(), Vec::new(), false),
                copies: None,
                known_events: Vec::new(),
                strip: Vec::new(),
                handshakes: None,
                reject_status: None,
                success_status: None,
                reject_body: true,
                body_limit: 0,
                in_flight: None,
                rate: None,
                upstream_path: None,
                index,
                fixed: Fixed {
                    provider: None,
                    route: empty(),
                    allow: empty(),
                    challenge: None,
                },
            }
        });
        Routes::new(all.collect()).unwrap()
    }

    fn found(routes: &Routes, host: &str, path: &str, method: &Method) -> Result<usize, Rejection> {
        match routes.find(host, path, method) {
            Ok(route) => Ok(route.index),
            Err((rejection, _)) => Err(rejection),
        }
    }

    #[test]
    fn a_spelling_of_a_verified_path_does_not_pass_through_an_open_route() {
        let routes = routes(&["/hooks/a", "/hooks/b.php", "/in/*", "!/*", "!/hooks/a/help"]);
        for (path, expected) in [
            ("/hooks/a", Ok(0)),
            ("/hooks/b.php", Ok(1)),
            ("/in/x", Ok(2)),
            ("/in/X.json", Ok(2)),
            ("/", Ok(3)),
            ("/hooks", Ok(3)),
            ("/hooks/a/other", Ok(3)),
            ("/hooks/ab", Ok(3)),
            ("/index.html", Ok(3)),
            ("/a%20b;x", Ok(3)),
            ("/hooks/a/help", Ok(4)),
        ] {
            assert_eq!(found(&routes, "", path, &Method::POST), expected, "{path}");
        }
        for path in [
            "/hooks/%61",
            "/%68ooks/a",
            "/hooks/%2561",
            "/Hooks/a",
            "/HOOKS/A",
            "/hooks/a/",
            "/hooks/a;jsessionid=1",
            "/hooks;x/a",
            "/hooks/a.json",
            "/hooks/a.",
            "/hooks/a%20",
            "/hooks/B.PHP",
            "/hooks/b.php/x",
            "/hooks/b.php/x/y",
            "/hooks/b.%70hp/x",
            "/hooks/b",
            "/in",
            "/In/x",
            "/%69n/x/y",
            "/in;x/y",
        ] {
            for method in [Method::POST, Method::GET, Method::PUT] {
                assert_eq!(
                    found(&routes, "", path, &method),
                    Err(Rejection::PathInvalid),
                    "{path}"
                );
            }
        }
        assert_eq!(
            found(&routes, "", "/hooks/a", &Method::GET),
            Err(Rejection::MethodNotAllowed)
        );
    }

    #[test]
    fn a_weaker_prefix_does_not_take_the_path_of_a_stronger_route() {
        let routes = routes(&["/hooks/*", "/hooks/strong"]);
        assert_eq!(found(&routes, "", "/hooks/strong", &Method::POST), Ok(1));
        assert_eq!(found(&routes, "", "/hooks/weak", &Method::POST), Ok(0));
        // What the prefix takes it has verified, and the app is told by which route.
        assert_eq!(found(&routes, "", "/hooks/Strong", &Method::POST), Ok(0));
    }

    #[test]
    fn another_host_is_no_way_around_a_verified_path() {
        let only = routes(&["hooks.example /a", "!www.example /*"]);
        for (host, path, expected) in [
            ("hooks.example", "/a", Ok(0)),
            ("HOOKS.example.:443", "/a", Ok(0)),
            ("www.example", "/a", Ok(1)),
            ("www.example", "/A", Ok(1)),
            ("other.example", "/a", Err(Rejection::NoRoute)),
            ("", "/a", Err(Rejection::NoRoute)),
        ] {
            assert_eq!(found(&only, host, path, &Method::POST), expected, "{host}");
        }
        let catch_all = routes(&["hooks.example /a", "!/*"]);
        for host in ["other.example", "", "hooks.example.evil"] {
            for path in ["/a", "/A", "/a/"] {
                let found = found(&catch_all, host, path, &Method::POST);
                assert_eq!(found, Err(Rejection::PathInvalid), "{host}{path}");
            }
        }
        assert_eq!(
            found(&catch_all, "other.example", "/b", &Method::POST),
            Ok(1)
        );
    }

    /// Hashing each of thousands of prefixes of one path took a core's tenth of a second.
    #[test]
    fn a_path_of_thousands_of_segments_costs_little() {
        let routes = routes(&["/in/*", "!/*", "/a/exact"]);
        let path = "/a".repeat(30_000);
        let started = std::time::Instant::now();
        assert_eq!(found(&routes, "", &path, &Method::POST), Ok(1));
        let took = started.elapsed();
        assert!(took.as_millis() < 200, "{took:?}");
    }

    #[test]
    fn targets_that_are_no_paths_have_no_route() {
        let routes = routes(&["!/*", "/a"]);
        for path in ["", "*", "a"] {
            assert_eq!(
                found(&routes, "", path, &Method::OPTIONS),
                Err(Rejection::NoRoute)
            );
        }
    }
}
