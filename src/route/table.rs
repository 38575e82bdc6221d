//! The table of routes: host, path, method.

use std::collections::HashMap;

use http::Method;

use super::{Pattern, Route, is_ambiguous};
use crate::rejection::Rejection;

/// All routes, indexed once.
#[derive(Debug, Default)]
pub struct Routes {
    all: Vec<Route>,
    exact: HashMap<String, Vec<usize>>,
    /// By prefix, its last `/` included.
    open: HashMap<String, Vec<usize>>,
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
        }
        routes.all = all;
        if overlaps.is_empty() {
            Ok(routes)
        } else {
            Err(overlaps)
        }
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
        let exact = self.exact.get(path);
        let open = path
            .rmatch_indices('/')
            .filter_map(|(at, _)| self.open.get(path.get(..=at)?));
        for candidates in exact.into_iter().chain(open) {
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
                    return Ok(route);
                }
                if let Some(route) = of_host(wanted).next() {
                    return Err((Rejection::MethodNotAllowed, Some(route)));
                }
            }
        }
        Err((Rejection::NoRoute, None))
    }
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    }
}
