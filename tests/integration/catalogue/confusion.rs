//! The wrong provider: what one signed is not accepted on the route of another, though both have
//! the same secret and look at the same header.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;

use gatepost::config::{Environment, parse, sample};
use gatepost::sign::{Delivery, sign};
use gatepost::verify::{Body, Head, Moment, Plan};
use http::HeaderMap;
use serde_json::Value;

use super::{Shipped, plan, private_keys, shipped, variables};

/// Valid as text, as hex and as base64, so that every provider can have it.
const SECRET: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

#[test]
fn no_provider_accepts_what_another_signed_with_the_same_secret() {
    let all = shipped();
    let keys = private_keys(&all);
    // One secret for all: a handshake that signs with it would be an oracle for the others, and is
    // refused when the file is loaded.
    let routes: Vec<String> = all.iter().map(Shipped::local_route).collect();
    let routes = routes.join("handshake = []\n") + "handshake = []\n";
    let text = format!("[server]\nlisten = \"127.0.0.1:0\"\n[upstream]\nurl = \"echo:\"\n{routes}");
    let environment = Environment {
        inline: false,
        variables: Some(variables(&all, &keys, |_| SECRET.into())),
        ..Environment::default()
    };
    let loaded = parse("all", &text, PathBuf::new(), &environment);
    let config = loaded
        .config
        .as_ref()
        .unwrap_or_else(|| panic!("{}", loaded.report(false)));
    let routes = config.routes.all();
    let now = Moment::now();
    let (mut alike, mut tried) = (0, 0);
    for (sender, route) in all.iter().zip(routes) {
        let made = sample::made(&loaded, &route.name);
        let headers = made.headers.iter();
        let mut delivery = Delivery {
            method: "POST".into(),
            path: route.name.to_string(),
            query: made.query.clone(),
            headers: headers
                .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
                .collect::<HeaderMap>(),
            body: made.body.clone(),
        };
        let key = sender.algorithm().map(|name| &keys[&name]);
        sign(plan(route), &mut delivery, key, now, None)
            .unwrap_or_else(|why| panic!("{}: {why}", sender.name));
        for (receiver, route) in all.iter().zip(routes) {
            if sender.name == receiver.name || places(sender).is_disjoint(&places(receiver)) {
                continue;
            }
            let accepted = accepts(plan(route), &delivery, now);
            if overlap(sender, receiver) {
                alike += 1;
                continue;
            }
            assert!(
                !accepted,
                "{} takes what {} signed",
                receiver.name, sender.name
            );
            tried += 1;
        }
    }
    assert!(tried > 100, "{tried} tried, {alike} are the same scheme");
}

/// The headers, parameters and fields in which a provider's proof stands.
fn places(provider: &Shipped) -> BTreeSet<String> {
    let texts = |value: &Value| {
        let list = value.as_array().cloned();
        let list = list.unwrap_or_else(|| vec![value.clone()]);
        list.iter()
            .filter_map(Value::as_str)
            .map(str::to_lowercase)
            .collect::<Vec<_>>()
    };
    provider
        .steps()
        .iter()
        .flat_map(|step| {
            let default = (step["scheme"].as_str() == Some("basic")
                || step["scheme"].as_str() == Some("bearer"))
                && step.get("header").is_none();
            let mut places: Vec<String> = ["header", "query", "form", "json"]
                .iter()
                .filter_map(|place| step.get(*place).map(|value| (place, value)))
                .flat_map(|(place, value)| {
                    texts(value)
                        .into_iter()
                        .map(move |name| format!("{place} {name}"))
                })
                .collect();
            if default {
                places.push("header authorization".into());
            }
            places
        })
        .collect()
}

/// Whether some step of one is a step of the other, differing in nothing that is signed or sent.
fn overlap(one: &Shipped, other: &Shipped) -> bool {
    let steps = other.steps();
    let steps: Vec<Value> = steps.iter().map(essence).collect();
    one.steps()
        .iter()
        .any(|step| steps.contains(&essence(step)))
}

/// A step without what only narrows it, in one spelling.
fn essence(step: &Value) -> Value {
    let mut step = step.clone();
    let keys = step.as_object_mut().unwrap();
    for narrow in ["tolerance", "max_age", "required_claims", "leeway"] {
        keys.remove(narrow);
    }
    if let Some(Value::String(header)) = keys.get_mut("header") {
        *header = header.to_lowercase();
    }
    step
}

fn accepts(plan: &Plan, delivery: &Delivery, now: Moment) -> bool {
    let head = Head {
        method: &delivery.method,
        path: &delivery.path,
        query: delivery.query.as_deref(),
        headers: (&delivery.headers).into(),
    };
    let body = Body::from(bytes::Bytes::from(delivery.body.clone()));
    plan.admit(IpAddr::V4(Ipv4Addr::LOCALHOST), &head, now)
        .is_ok_and(|mut pending| {
            pending.update(&delivery.body);
            pending.finish(&head, body).is_ok()
        })
}
