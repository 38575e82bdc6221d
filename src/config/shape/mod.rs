//! Checks a tree against the grammar and reports everything that does not fit.
//!
//! No message ever repeats a value, and none a key that could be a piece of a secret.

mod step;
mod unknown;
mod value;

use super::grammar::{Choice, Section};
use super::nearest::nearest;
use super::problem::Problems;
use super::tree::Table;

/// Reports everything in `table` that `section` does not allow.
///
/// Whether a key that must be there is missing is not asked: a route may have it from its provider.
/// Of a table with syntax errors only what is certain is reported.
pub fn check(table: &Table, section: &'static Section, problems: &mut Problems) {
    let mut unknown = false;
    for entry in &table.entries {
        if let Some(key) = section.key(&entry.name) {
            value::check(&entry.name, &entry.node, &key.kind, problems);
        } else {
            unknown = true;
            unknown::report(entry, section, table.is_broken(), problems);
        }
    }
    choice(table, section, unknown || table.is_broken(), problems);
}

/// Whether `key` is missing, and not only misspelt: that was reported.
pub(super) fn lacks(table: &Table, section: &Section, key: &str) -> bool {
    let meant = |name: &str| {
        section.key(name).is_none()
            && (nearest(name, [key]).is_some() || unknown::HABITS.contains(&(name, key)))
    };
    let mut names = table.entries.iter().map(|entry| entry.name.as_str());
    !names.any(|name| name == key || meant(name))
}

/// `lenient`: the one that is missing may be the one that is misspelt.
fn choice(table: &Table, section: &Section, lenient: bool, problems: &mut Problems) {
    let (names, needed) = match section.choice {
        Choice::Free => return,
        Choice::AtMostOne(names) => (names, false),
        Choice::ExactlyOne(names) => (names, true),
    };
    let mut present = table
        .entries
        .iter()
        .filter(|entry| names.contains(&entry.name.as_str()));
    let Some(first) = present.next() else {
        if needed && !lenient {
            problems.error(
                table.span,
                format!("{} needs one of {}", section.name, list(names)),
                "none of them is here",
                format!(
                    "add one, as in {{ {} = \"…\" }}",
                    names.first().unwrap_or(&"")
                ),
            );
        }
        return;
    };
    for other in present {
        problems.error(
            other.name_span,
            format!("`{}` and `{}` exclude each other", first.name, other.name),
            "one too many",
            "keep one of the two",
        );
    }
}

/// `a`, `b`, `c`
fn list(names: &[&str]) -> String {
    names
        .iter()
        .map(|name| format!("`{name}`"))
        .collect::<Vec<_>>()
        .join(", ")
}

#[cfg(test)]
mod tests;
