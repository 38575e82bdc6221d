//! `gatepost providers`.

use std::fmt::Write as _;

use super::{NO, Outcome, say, tell};
use crate::config::grammar::PROVIDER;
use crate::config::problem::Problems;
use crate::config::source::Files;
use crate::config::tree::{self, Node, Table};
use crate::config::{catalogue, nearest, shape};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// One of them: its TOML, what it proves and what it cannot, and a route for it
    name: Option<String>,
}

pub(super) fn run(arguments: &Arguments) -> Outcome {
    match &arguments.name {
        None => {
            table();
            Ok(())
        }
        Some(name) => one(name),
    }
}

fn table() {
    say(&format!(
        "{:<16} {:<28} {:<26} {}\n",
        "NAME", "TITLE", "SCHEME", "CONFIDENCE"
    ));
    for name in catalogue::names() {
        let Some(provider) = read(name) else { continue };
        let text = |key| provider.text(key).unwrap_or_default();
        let schemes = schemes(&provider);
        say(&format!(
            "{name:<16} {:<28} {schemes:<26} {}\n",
            text("title"),
            text("confidence")
        ));
    }
}

fn schemes(provider: &Table) -> String {
    let steps = provider
        .list("verify")
        .unwrap_or_default()
        .iter()
        .filter_map(Node::table);
    let mut names: Vec<&str> = steps
        .filter_map(|step| step.text("algorithm").or_else(|| step.text("scheme")))
        .collect();
    if names.is_empty() {
        names.push("chosen by the customer");
    }
    if provider.get("allow_ips").is_some() {
        names.push("ip");
    }
    names.join(", ")
}

fn one(name: &str) -> Outcome {
    let (Some(text), Some(provider)) = (catalogue::text(name), read(name)) else {
        let hint = nearest::nearest(name, catalogue::names()).map_or_else(
            || "`gatepost providers` lists them".into(),
            |near| format!("did you mean `{near}`?"),
        );
        tell(&format!(
            "error: there is no provider `{name}`\nhelp: {hint}"
        ));
        return Err(NO);
    };
    say(&format!("{}\n\n", text.trim_end()));
    say("# What it proves, and what it cannot:\n");
    for note in notes(&provider) {
        say(&format!("#   {note}\n"));
    }
    say(&format!("\n# A route for it:\n{}", route(name, &provider)));
    Ok(())
}

fn notes(provider: &Table) -> Vec<&str> {
    provider
        .one_or_many("notes")
        .iter()
        .filter_map(Node::text)
        .collect()
}

fn route(name: &str, provider: &Table) -> String {
    let steps: Vec<&Table> = provider
        .list("verify")
        .unwrap_or_default()
        .iter()
        .filter_map(Node::table)
        .collect();
    let mut text = format!("[[route]]\npath = \"/webhooks/{name}\"\nprovider = \"{name}\"\n");
    if steps.is_empty() {
        text.push_str("verify = [{ scheme = \"basic\", username = \"…\" }]\n");
    }
    let public = steps
        .iter()
        .any(|step| step.text("scheme") == Some("signature"));
    // Writing to a String cannot fail.
    if public {
        let _ = writeln!(
            text,
            "public_key = {{ file = \"/run/secrets/{name}.pem\" }}"
        );
    } else {
        let _ = writeln!(text, "secret = {{ file = \"/run/secrets/{name}\" }}");
    }
    text
}

/// A provider of the catalogue, read; `None` when its file is broken, which a test prevents.
fn read(name: &str) -> Option<Table> {
    let mut files = Files::new();
    let id = files.add(name, catalogue::text(name)?);
    let (table, syntax) = tree::parse(&files, id);
    let mut problems = Problems::new();
    problems.extend(syntax);
    shape::check(&table, &PROVIDER, &mut problems);
    (problems.errors() == 0).then_some(table)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_provider_of_the_catalogue_is_right_and_says_what_it_proves() {
        let names = catalogue::names();
        assert!(names.len() >= 5);
        for name in names {
            let provider = read(name).unwrap_or_else(|| panic!("{name} has problems"));
            for key in ["title", "docs", "confidence"] {
                assert!(
                    provider.text(key).is_some_and(|text| !text.is_empty()),
                    "{name}: {key}"
                );
            }
            assert!(!notes(&provider).is_empty(), "{name}");
            for entry in provider
                .table("samples")
                .map(|table| &*table.entries)
                .unwrap_or_default()
            {
                let path = entry.node.text().unwrap_or_default();
                assert!(catalogue::sample(path).is_some(), "{name}: {path}");
            }
        }
    }
}
