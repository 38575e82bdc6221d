//! Makes `docs/configuration.md` from the grammar.

use std::fmt::Write as _;

use super::grammar::{Choice, Kind, ROOT, SCHEMES, Section, sections};

const HEAD: &str = "# Configuration\n\n\
    <!-- Made from the grammar; GATEPOST_BLESS=1 cargo test makes it again. -->\n\n\
    Every section and key of `sidecar.toml`. [`sidecar.toml`](../sidecar.toml) shows them in use;\n\
    `gatepost check` tells every mistake with its place and its fix, and `gatepost schema` writes\n\
    the same grammar as a JSON Schema for editors ([`sidecar.schema.json`](sidecar.schema.json)).\n\n\
    A key that is not listed is an error. Durations are a number and ms, s, m, h, d or w; sizes a\n\
    number and B, KiB, MiB or GiB; dates carry their offset, as in `2026-12-15T00:00:00Z`.\n";

fn reference() -> String {
    let mut text = HEAD.to_owned();
    let scheme = |section: &Section| SCHEMES.iter().any(|known| std::ptr::eq(*known, section));
    for section in sections() {
        // Writing to a String cannot fail.
        let title = match section.name {
            name if scheme(section) => format!("scheme `{name}`"),
            name if std::ptr::eq(section, &raw const ROOT) => name.to_owned(),
            name => format!("`{name}`"),
        };
        let _ = writeln!(text, "\n## {title}\n\n{}", section.doc);
        let list = |names: &[&str]| {
            let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
            names.join(", ")
        };
        match section.choice {
            Choice::Free => {}
            Choice::AtMostOne(names) => {
                let _ = writeln!(text, "\nAt most one of {}.", list(names));
            }
            Choice::ExactlyOne(names) => {
                let _ = writeln!(text, "\nExactly one of {}.", list(names));
            }
        }
        text.push_str("\n| key | value | default | meaning |\n|---|---|---|---|\n");
        for key in section.keys {
            let default = if key.default.is_empty() {
                String::new()
            } else {
                format!("`{}`", key.default)
            };
            let row = format!(
                "`{}` ¦ {} ¦ {default} ¦ {}",
                key.name,
                value(&key.kind),
                key.doc
            );
            let _ = writeln!(text, "| {} |", row.replace('|', "\\|").replace('¦', "|"));
        }
    }
    text
}

fn value(kind: &Kind) -> String {
    match kind {
        Kind::Address => "`host:port` or `unix:/path`".into(),
        Kind::Duration => "a duration".into(),
        Kind::Either(kinds) => {
            let kinds: Vec<String> = kinds.iter().map(value).collect();
            kinds.join(", or ")
        }
        Kind::Flag => "`true` or `false`".into(),
        Kind::Integer { min, max } => format!("{min} to {max}"),
        Kind::List(kind) => format!("a list: {}", value(kind)),
        Kind::NamedTables(section) => format!("tables by name: `{}`", section.name),
        Kind::OneOf(words) => {
            let words: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
            words.join(" ")
        }
        Kind::OneOrMany(kind) => format!("{}, or a list of these", value(kind)),
        Kind::OpenList(kind) => format!("a list, empty too: {}", value(kind)),
        Kind::Rate => "a rate, as in `50/s burst 100`".into(),
        Kind::Secret => "a secret source, or a list of these".into(),
        Kind::Size => "a size, or bytes".into(),
        Kind::Steps => "a list of steps: one of the schemes, or `any`".into(),
        Kind::Table(section) => format!("a table: `{}`", section.name),
        Kind::Tables(section) => format!("tables: `{}`", section.name),
        Kind::Text => "a text".into(),
        Kind::TextTable => "a table of texts".into(),
        Kind::Time => "a date and time".into(),
    }
}

#[test]
fn the_reference_of_the_configuration_is_true() {
    crate::blessed::agrees("docs/configuration.md", &reference());
}
