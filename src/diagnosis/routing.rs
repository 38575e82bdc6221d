//! What comes before a step: which route, which address; and after it: which event.

use std::net::IpAddr;

use http::{HeaderMap, Method};
use serde_json::Value;

use super::trial::Guess;
use crate::address::{AddressList, Trust};
use crate::config::nearest::nearest;
use crate::rejection::Rejection;
use crate::route::{Mode, Pattern, Route, Routes};

/// Why no route takes the request: the same table, asked with one thing changed.
pub(super) fn no_route(
    routes: &Routes,
    host: &str,
    path: &str,
    method: &Method,
    rejection: Rejection,
) -> Vec<Guess> {
    if rejection == Rejection::MethodNotAllowed {
        return vec![method_not_allowed(routes, host, path, method)];
    }
    let mut guesses = Vec::new();
    let takes = |host: &str, path: &str| match routes.find(host, path, method) {
        Ok(route) | Err((_, Some(route))) if verifies(route) => Some(route.name.clone()),
        Ok(_) | Err(_) => None,
    };
    let tidy = tidied(path);
    let trimmed = tidy.trim_end_matches('/').to_owned();
    let changes = [
        (
            "path_slash",
            "without the slash at its end",
            path.trim_end_matches('/').to_owned(),
        ),
        ("path_slash", "with a slash at its end", format!("{path}/")),
        (
            "path_invalid",
            "with `//`, `.` and `..` resolved and `%XX` decoded",
            tidy,
        ),
        (
            "path_invalid",
            "with `//`, `.` and `..` resolved, without the slash at its end",
            trimmed,
        ),
        ("path_case", "in small letters", path.to_ascii_lowercase()),
    ];
    for (cause, how, other) in changes {
        if other != path
            && let Some(route) = takes(host, &other)
        {
            guesses.push(Guess::new(
                cause,
                format!("route {route} would take the path {how}"),
                format!("register the URL at the provider exactly as the route has it: `{route}`"),
            ));
        }
    }
    for route in routes.all() {
        if let Some(own) = &route.host
            && matches!(routes.find(own, path, method), Ok(found) if found.index == route.index)
        {
            guesses.push(Guess::new(
                "host",
                format!("route {} takes this path on the host `{own}` only, and the request is for `{}`", route.name, printable(host)),
                format!("let the proxy in front keep the Host header, or correct `host = \"{own}\"` of the route"),
            ));
        }
        let fixed = fixed(route);
        if fixed.len() > 1 && path != fixed {
            let text = if path.ends_with(&fixed) {
                Some("the path has something before it")
            } else if fixed.ends_with(path) && path.len() > 1 {
                Some("the beginning of the path is missing: a proxy in front removed it")
            } else if path
                .strip_prefix(&fixed)
                .is_some_and(|rest| rest.starts_with('/'))
            {
                Some(
                    "the path goes on after that of the route, which is not open at its end (`/*`)",
                )
            } else {
                None
            };
            if let Some(text) = text {
                guesses.push(Guess::new(
                    "path",
                    format!("route {} is meant, perhaps: {text}", route.name),
                    "compare the URL registered at the provider with `path` of the route, and what the proxy in front does to it",
                ));
            }
        }
    }
    let names: Vec<String> = routes.all().iter().map(fixed).collect();
    if guesses.is_empty() {
        guesses.push(match nearest(path, names.iter().map(String::as_str)) {
            Some(near) => Guess::new(
                "path",
                format!("the nearest route is `{near}`"),
                "compare the URL registered at the provider with `path` of the route",
            ),
            None => Guess::new(
                "path",
                "no route has a path like this one",
                "add a `[[route]]` for it, or correct the URL at the provider",
            ),
        });
    }
    // Of several the one that says most.
    guesses.dedup_by(|a, b| a.cause == b.cause);
    guesses.truncate(3);
    guesses
}

fn method_not_allowed(routes: &Routes, host: &str, path: &str, method: &Method) -> Guess {
    let route = match routes.find(host, path, method) {
        Err((_, Some(route))) => Some(route),
        Ok(_) | Err((_, None)) => None,
    };
    let taken = route
        .and_then(|route| route.fixed.allow.to_str().ok())
        .unwrap_or_default();
    let text = format!("the request is a {method}, and the route takes {taken}");
    let fix = if method == Method::GET {
        "a browser or a proxy's redirect asks with GET; let the provider POST. If it asks with GET to verify the URL, the route needs a `handshake`".to_owned()
    } else {
        format!("add \"{method}\" to `methods` of the route, if the provider really sends it")
    };
    Guess::new("method", text, fix)
}

fn verifies(route: &Route) -> bool {
    !matches!(route.mode, Mode::Passthrough)
}

fn fixed(route: &Route) -> String {
    match &route.pattern {
        Pattern::Exact(path) => path.clone(),
        Pattern::Prefix(prefix) => prefix.trim_end_matches('/').to_owned(),
    }
}

/// The path as a careless server reads it.
fn tidied(path: &str) -> String {
    let decoded = super::readings::unescaped(path)
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .unwrap_or_else(|| path.to_owned())
        .replace('\\', "/");
    let mut segments: Vec<&str> = Vec::new();
    for segment in decoded.split('/') {
        match segment {
            "" | "." => {}
            ".." => {
                segments.pop();
            }
            other => segments.push(other),
        }
    }
    let slash = if decoded.ends_with('/') { "/" } else { "" };
    format!("/{}{slash}", segments.join("/"))
}

/// Text of a request for people, without what a terminal would obey.
pub(super) fn printable(text: &str) -> String {
    text.chars()
        .take(256)
        .map(crate::config::printable)
        .collect()
}

/// Why the address list refuses.
pub(super) fn address(
    client: IpAddr,
    peer: IpAddr,
    list: &AddressList,
    trust: &Trust,
    headers: &HeaderMap,
) -> Vec<Guess> {
    let mut guesses = Vec::new();
    let told = forwarded(headers);
    let listed = told.iter().find(|ip| list.contains(**ip));
    let believed = trust.proxies.contains(peer);
    match (listed, believed) {
        (Some(ip), false) => guesses.push(Guess::new(
            "trusted_proxies",
            format!("the request came through a proxy: X-Forwarded-For names {ip}, which is allowed, but the peer {peer} is no trusted proxy"),
            format!("if {peer} is your own ingress, set `trusted_proxies = [\"{peer}\"]` (or its range) in `[client_address]`"),
        )),
        (Some(ip), true) => guesses.push(Guess::new(
            "trusted_proxies",
            format!("X-Forwarded-For names {ip}, which is allowed, but {client} stands after it and is no trusted proxy"),
            format!("if {client} is your own proxy too, add it to `client_address.trusted_proxies`"),
        )),
        (None, false) if !told.is_empty() && private(peer) => guesses.push(Guess::new(
            "trusted_proxies",
            format!("the peer {peer} looks like your own ingress: it sends X-Forwarded-For"),
            format!("set `trusted_proxies = [\"{peer}\"]` (or its range) in `[client_address]`"),
        )),
        (None, _) if private(client) => guesses.push(Guess::new(
            "trusted_proxies",
            format!("{client} is a private address: a proxy of yours hides the provider's"),
            "let that proxy send X-Forwarded-For (or the PROXY protocol), and add it to `client_address.trusted_proxies`",
        )),
        (None, _) => guesses.push(Guess::new(
            "ip",
            format!("{client} is none of the provider's addresses in `allow_ips`"),
            "if the provider has announced new addresses, add them; else the request is not from it",
        )),
    }
    guesses
}

fn private(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_private() || ip.is_loopback() || ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local(),
    }
}

/// Every address that forwarding headers name.
fn forwarded(headers: &HeaderMap) -> Vec<IpAddr> {
    let names = [
        "x-forwarded-for",
        "x-real-ip",
        "cf-connecting-ip",
        "true-client-ip",
    ];
    let values = names.iter().flat_map(|name| headers.get_all(*name).iter());
    values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|part| part.trim().parse().ok())
        .collect()
}

/// Why no event type could be read.
pub(super) fn event(rejection: Rejection, body: &[u8], wanted: &str) -> Vec<Guess> {
    if rejection == Rejection::EventAmbiguous {
        return vec![Guess::new(
            "event_ambiguous",
            "the body has the same key twice on the way to the event type",
            "ask the provider; with `event.required = false` such events pass without a type",
        )];
    }
    let Ok(value) = serde_json::from_slice::<Value>(body) else {
        return vec![Guess::new(
            "event_place",
            "the body is not JSON",
            "use `{ form = \"…\" }` or `{ header = \"…\" }` in `event.type`, as the provider sends it",
        )];
    };
    let last = wanted.rsplit('/').next().unwrap_or_default();
    let mut found = Vec::new();
    let candidates = [
        last,
        "type",
        "event",
        "event_type",
        "eventType",
        "topic",
        "action",
    ];
    for name in candidates {
        search(&value, name, "", 0, &mut found);
    }
    found.truncate(1);
    let guess = found.into_iter().next().map(|pointer| {
        Guess::new(
            "event_place",
            format!(
                "there is nothing at the place of `event.type`, but there is a text at `{pointer}`"
            ),
            format!("set `event.type = {{ json = \"{pointer}\" }}` in the route, if that is it"),
        )
    });
    vec![guess.unwrap_or_else(|| {
        Guess::new(
            "event_place",
            "the body is JSON, but nothing in it looks like an event type",
            "compare `event.type` of the route with the provider's documentation, or drop `event.required`",
        )
    })]
}

/// Pointers to texts under a key of this name, in any letter case.
fn search(value: &Value, name: &str, at: &str, depth: usize, found: &mut Vec<String>) {
    let plain = |key: &str| {
        key.len() <= 64
            && key
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"_-.".contains(&b))
    };
    if depth > 4 || !found.is_empty() || name.is_empty() {
        return;
    }
    match value {
        Value::Object(members) => {
            for (key, value) in members {
                if value.is_string() && plain(key) && key.eq_ignore_ascii_case(name) {
                    found.push(format!("{at}/{key}"));
                }
            }
            for (key, value) in members {
                if plain(key) {
                    search(
                        value,
                        name,
                        &format!("{at}/{key}"),
                        depth.saturating_add(1),
                        found,
                    );
                }
            }
        }
        Value::Array(items) => {
            if let Some(first) = items.first() {
                search(
                    first,
                    name,
                    &format!("{at}/*"),
                    depth.saturating_add(1),
                    found,
                );
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
