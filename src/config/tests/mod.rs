//! The grammar from the user's end: a route as it is written in `sidecar.toml`, and requests judged
//! by what it comes to.

#![expect(clippy::too_many_lines, reason = "tables of deliveries")]

mod golden;
mod readings;
mod signable;
mod traps;

use std::net::{IpAddr, Ipv4Addr};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};

use super::{Environment, Loaded, parse};
use crate::rejection::Rejection;
use crate::route::Mode;
use crate::sign::Delivery;
use crate::verify::{Body, Head, Moment, Plan, Verified};

/// A route of which `keys` are the lines.
fn load(keys: &str) -> Loaded {
    let text = format!("[upstream]\nurl = 'echo:'\n[[route]]\npath = '/*'\n{keys}\n");
    let environment = Environment {
        inline: true,
        variables: Some(std::collections::BTreeMap::new()),
        ..Environment::default()
    };
    parse("test.toml", &text, "/nonexistent".into(), &environment)
}

/// What the route of these lines verifies.
fn plan(keys: &str) -> Plan {
    let loaded = load(keys);
    let report = loaded.report(false);
    let config = loaded.config.unwrap_or_else(|| panic!("{keys}\n{report}"));
    let Mode::Enforce(plan) = &config.routes.all()[0].mode else {
        panic!("{keys}");
    };
    plan.clone()
}

/// What is said about the route of these lines: messages of errors and warnings.
fn said(keys: &str) -> String {
    load(keys).report(false)
}

/// A request to `target`, a path with or without a query.
fn request(method: &str, target: &str, headers: &[(&str, &str)], body: &[u8]) -> Delivery {
    let (path, query) = match target.split_once('?') {
        Some((path, query)) => (path, Some(query.to_owned())),
        None => (target, None),
    };
    let headers: HeaderMap = headers
        .iter()
        .map(|(name, value)| {
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            (name, HeaderValue::from_str(value).unwrap())
        })
        .collect();
    Delivery {
        method: method.into(),
        path: path.into(),
        query,
        headers,
        body: body.to_vec(),
    }
}

fn post(headers: &[(&str, &str)], body: &str) -> Delivery {
    request("POST", "/hook", headers, body.as_bytes())
}

fn judge(plan: &Plan, delivery: &Delivery, now: Moment) -> Result<Verified, Rejection> {
    let head = Head {
        method: &delivery.method,
        path: &delivery.path,
        query: delivery.query.as_deref(),
        headers: (&delivery.headers).into(),
    };
    let mut pending = plan.admit(IpAddr::V4(Ipv4Addr::LOCALHOST), &head, now)?;
    let mut body = Body::default();
    for chunk in delivery.body.chunks(7) {
        pending.update(chunk);
        body.push(Bytes::copy_from_slice(chunk));
    }
    pending
        .finish(&head, body)
        .map_err(|refused| refused.rejection)
}

fn verdict(plan: &Plan, delivery: &Delivery, now: i64) -> Result<(), Rejection> {
    judge(plan, delivery, Moment::from_second(now).unwrap()).map(drop)
}
