//! A route for a provider, ready to paste: what the provider's file leaves open, with an example.

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
    if steps.iter().any(|step| signs_url(step)) {
        line(
            "public_url",
            "\"https://hooks.example.com\"   # scheme and host as the provider calls them",
        );
    }
    text
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

fn signs_url(step: &Table) -> bool {
    let message = message(step);
    message.contains("{url") || message.contains("{host")
}

fn message(step: &Table) -> &str {
    step.text("message").unwrap_or_default()
}
