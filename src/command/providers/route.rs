//! A route for a provider, ready to paste: what the provider's file leaves open, with an example.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::entry::Entry;
use crate::config::tree::{Node, Table};

/// A `[[route]]` that loads as it is once its secret is there.
pub(super) fn ready(entry: &Entry) -> String {
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
    if steps.iter().any(|step| needs_name(step, entry.keys())) {
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
    let templates: Vec<String> = steps.iter().flat_map(|step| templates(step)).collect();
    if ["{url", "{host"]
        .iter()
        .any(|name| templates.iter().any(|text| text.contains(name)))
    {
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

fn message(step: &Table) -> &str {
    step.text("message").unwrap_or_default()
}
