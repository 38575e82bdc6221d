//! A route for a provider, ready to paste: what the provider's file leaves open, with an example.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::entry::Entry;
use crate::config::tree::{Node, Table};

/// A `[[route]]` that loads as it is once its secret is there.
pub(in crate::command) fn ready(entry: &Entry) -> String {
    let name = entry.name;
    let variable = name.to_ascii_uppercase();
    let steps = entry.steps();
    let mut text = format!("[[route]]\npath = \"/webhooks/{name}\"\nprovider = \"{name}\"\n");
    // Writing to a String cannot fail.
    let mut line = |key: &str, value: &str| {
        let _ = writeln!(text, "{key} = {value}");
    };
    if entry.is_open() {
        line(
            "verify",
            "[{ scheme = \"api_key\", header = \"X-Webhook-Token\" }]   # as you chose it there",
        );
    }
    if steps.is_empty() && entry.has_addresses() {
        line(
            "accept_weak",
            "true   # an address authenticates nobody: read the notes",
        );
    }
    let asks = asks(entry.keys());
    let asked = |word: &str| asks.iter().any(|text| text.contains(word));
    if steps.iter().any(|step| needs_name(step, entry.keys())) || asked("{username}") {
        line("username", "\"gatepost\"   # as you set it there");
    }
    if entry.is_open() || steps.iter().any(|step| takes(step) == Some("secret")) {
        line("secret", &format!("{{ env = \"{variable}_SECRET\" }}"));
    }
    if steps.iter().any(|step| takes(step) == Some("public_key")) {
        line(
            "public_key",
            &format!("{{ env = \"{variable}_PUBLIC_KEY\" }}"),
        );
    }
    if asked("verify_token") {
        line(
            "verify_token",
            &format!("{{ env = \"{variable}_VERIFY_TOKEN\" }}   # as you gave it there"),
        );
    }
    let templates: Vec<String> = steps.iter().flat_map(|step| templates(step)).collect();
    let signed = |name: &str| templates.iter().any(|text| text.contains(name));
    if ["{url", "{host"].iter().any(|name| signed(name)) || asked("{url}") {
        line(
            "public_url",
            "\"https://hooks.example.com\"   # scheme and host as the provider calls them",
        );
    }
    let constants: BTreeSet<&str> = templates.iter().flat_map(|text| constants(text)).collect();
    if !constants.is_empty() {
        let pairs: Vec<String> = constants
            .iter()
            .map(|name| format!("{name} = \"example\""))
            .collect();
        line(
            "config",
            &format!("{{ {} }}   # yours: read the notes", pairs.join(", ")),
        );
    }
    text
}

/// The texts of a step that may name parts of the request, or constants.
fn templates(step: &Table) -> Vec<String> {
    let own = ["message", "issuer", "audience"]
        .iter()
        .flat_map(|key| step.one_or_many(key));
    let hashes = step.one_or_many("body_hash").iter();
    let hashes = hashes.filter_map(|node| node.table()?.get("message"));
    own.chain(hashes)
        .filter_map(Node::text)
        .map(str::to_owned)
        .collect()
}

/// The names of `{config:name}` in a text.
fn constants(text: &str) -> Vec<&str> {
    let parts = text.split("{config:").skip(1);
    parts
        .filter_map(|part| part.split(['}', '|']).next())
        .collect()
}

/// The key of the route that holds what `step` verifies with.
fn takes(step: &Table) -> Option<&'static str> {
    Some(match step.text("scheme")? {
        "signature" => "public_key",
        "jwt" => {
            let algorithms = step.list("algorithms").unwrap_or_default();
            let shared = |node: &Node| node.text().is_some_and(|name| name.starts_with("HS"));
            if algorithms.iter().all(shared) {
                "secret"
            } else {
                "public_key"
            }
        }
        "digest" if !message(step).contains("{secret") => return None,
        "mtls" => return None,
        _ => "secret",
    })
}

fn needs_name(step: &Table, keys: &Table) -> bool {
    step.text("scheme") == Some("basic")
        && step.get("username").is_none()
        && keys.get("username").is_none()
}

/// What the provider's handshakes are told and tell: the texts that name keys of the route.
fn asks(keys: &Table) -> Vec<&str> {
    let all = keys.list("handshake").unwrap_or_default();
    all.iter()
        .filter_map(Node::table)
        .flat_map(|one| {
            let when = one.list("when").unwrap_or_default().iter();
            let reply = one.table("reply");
            when.filter_map(|node| node.table()?.text("is"))
                .chain(one.table("proof").and_then(|proof| proof.text("message")))
                .chain(reply.and_then(|reply| reply.text("text")))
                .chain(reply.and_then(|reply| reply.text("json")))
        })
        .collect()
}

fn message(step: &Table) -> &str {
    step.text("message").unwrap_or_default()
}
