//! The state of the process, for `gatepost status` and the page.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::duplicates::Store;
use crate::proxy::Gate;
use crate::route::{Mode, Route};
use crate::server::Shared;
use crate::verify::Held;

pub(super) fn status(shared: &Shared) -> Value {
    let gate = shared.gate.load();
    let about = shared.about.load();
    let history = shared.telemetry.history.all();
    let routes: Vec<Value> = gate
        .routes
        .all()
        .iter()
        .map(|route| self::route(&gate, route, &history))
        .collect();
    let unrouted = gate.counts(None);
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "pid": std::process::id(),
        "uptime_seconds": shared.started.elapsed().as_secs(),
        "draining": shared.draining(),
        "upstream": gate.upstream.url,
        "in_flight": gate.in_flight.used(),
        "buffered_bytes": gate.buffered.used(),
        "connections": shared.connections.used(),
        "duplicates": match &gate.events {
            Store::Memory(memory) => json!({ "store": "memory", "remembered": memory.len() }),
            Store::Redis(_) => json!({ "store": "redis" }),
        },
        "unrouted": unrouted,
        "config": {
            "file": about.file,
            "hash": about.hash,
            "loaded_at": about.loaded.to_string(),
            "warnings": about.warnings,
            "last_reload": about.refused.as_ref().map_or_else(
                || json!({ "successful": true, "at": about.loaded.to_string() }),
                |(at, problems)| json!({ "successful": false, "at": at.to_string(), "problems": problems }),
            ),
        },
        "routes": routes,
    })
}

fn route(gate: &Gate, route: &Route, history: &crate::telemetry::Columns) -> Value {
    let (plan, steps) = match &route.mode {
        Mode::Enforce(plan) | Mode::Observe(plan) => {
            let mut steps: Vec<String> = plan
                .groups
                .iter()
                .map(|group| {
                    let labels: Vec<&str> = group.iter().map(crate::verify::Step::label).collect();
                    labels.join(" or ")
                })
                .collect();
            steps.extend(plan.addresses.as_ref().map(|_| "ip".to_owned()));
            (Some(plan), steps)
        }
        Mode::Passthrough => (None, Vec::new()),
    };
    let now = Timestamp::now();
    let mut held: Vec<Held<()>> = plan.map(crate::verify::Plan::held).unwrap_or_default();
    held.dedup_by(|a, b| a.name == b.name);
    let secrets: Vec<Value> = held
        .iter()
        .map(|held| {
            let (matches, last) = gate.matches(route, &held.name);
            json!({
                "name": &*held.name,
                "in_force": held.in_force(now),
                "not_before": held.not_before.map(|at| at.to_string()),
                "until": held.until.map(|at| at.to_string()),
                "matches": matches,
                "last_match": last.map(|at| at.to_string()),
            })
        })
        .collect();
    json!({
        "path": &*route.name,
        "host": route.host,
        "provider": route.provider.as_deref(),
        "mode": route.mode.name(),
        "steps": steps,
        "counts": gate.counts(Some(route)),
        "secrets": secrets,
        "last_minutes": history.get(&*route.name).cloned().unwrap_or_default(),
    })
}
