//! Verify steps: `scheme` decides which keys there are.

use super::super::grammar::{SCHEMES, STEP_ANY};
use super::super::nearest::nearest;
use super::super::problem::Problems;
use super::super::tree::{Node, Table};
use super::{check, list, unknown, value};

/// Habits of naming a scheme by what it is made of.
const HABITS: &[(&str, &str)] = &[
    (
        "rsa",
        "did you mean `signature`? Its `algorithm` says which",
    ),
    (
        "ecdsa",
        "did you mean `signature`? Its `algorithm` says which",
    ),
    (
        "ed25519",
        "did you mean `signature`? Its `algorithm` says which",
    ),
    ("hmac", "did you mean `hmac`? Its `hash` says which"),
    ("sha", "did you mean `hmac`? Its `hash` says which"),
    ("ip", "addresses are listed in `allow_ips`, beside `verify`"),
    ("header", "did you mean `api_key`?"),
    ("token", "did you mean `bearer`?"),
];

/// Checks the value of `verify` or `any`.
pub(super) fn check_all(name: &str, node: &Node, problems: &mut Problems) {
    let Some(steps) = node.list() else {
        let fix = if node.table().is_some() {
            format!("a list of steps: {name} = [{{ … }}], or [[….{name}]] with two brackets")
        } else {
            format!("write {name} = [{{ scheme = \"hmac\", … }}]")
        };
        value::wrong_type(name, node, "a list of steps", fix, problems);
        return;
    };
    if steps.is_empty() {
        problems.error(
            node.span,
            format!("`{name}` has no step"),
            "nothing would be verified",
            format!("leave `{name}` out, or add a step"),
        );
    }
    for step in steps {
        match step.table() {
            Some(table) if table.get("any").is_some() => check(table, &STEP_ANY, problems),
            Some(table) => check_one(table, problems),
            None => value::wrong_type(
                name,
                step,
                "a list of tables",
                "a step is a table: { scheme = \"hmac\", … }".to_owned(),
                problems,
            ),
        }
    }
}

fn check_one(step: &Table, problems: &mut Problems) {
    let scheme = step.get("scheme");
    let text = scheme.and_then(Node::text);
    if let Some(section) = text.and_then(|text| SCHEMES.iter().find(|known| known.name == text)) {
        check(step, section, problems);
        return;
    }
    let names: Vec<&str> = SCHEMES.iter().map(|section| section.name).collect();
    match (scheme, text) {
        (Some(node), Some(text)) => {
            let habit = HABITS.iter().find(|(start, _)| text.starts_with(start));
            let fix = match (nearest(text, names.iter().copied()), habit) {
                (Some(meant), _) => format!("did you mean `{meant}`?"),
                (None, Some((_, fix))) => (*fix).to_owned(),
                (None, None) => format!("the schemes are {}", list(&names)),
            };
            problems.error(node.span, "unknown scheme", "not a scheme", fix);
        }
        (Some(node), None) => {
            let fix = format!("the schemes are {}", list(&names));
            value::wrong_type("scheme", node, "a text", fix, problems);
        }
        (None, _) if step.is_broken() || misspelt(step) => {}
        (None, _) => problems.error(
            step.span,
            "this step has no `scheme`",
            "what does it check?",
            format!("add scheme = \"…\": one of {}", list(&names)),
        ),
    }
    for entry in &step.entries {
        unknown::report_in_any_scheme(entry, step.is_broken(), problems);
    }
}

/// Whether a key is there that was meant to be `scheme`: one mistake, one problem.
fn misspelt(step: &Table) -> bool {
    step.entries.iter().any(|entry| {
        nearest(&entry.name, ["scheme", "any"]).is_some()
            || unknown::HABITS.contains(&(entry.name.as_str(), "scheme"))
    })
}
