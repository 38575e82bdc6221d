//! `gatepost providers`.

mod entry;
mod route;

use super::{NO, Outcome, say, tell};
use crate::config::{catalogue, nearest};

pub(super) use entry::Entry;
pub(super) use route::ready;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// A name, to see all of that provider; or the words to look for in the table
    words: Vec<String>,
}

pub(super) fn run(arguments: &Arguments) -> Outcome {
    let search = &*arguments.words.join(" ");
    if let Some(entry) = Entry::named(search) {
        one(&entry);
        return Ok(());
    }
    let found: Vec<[String; 5]> = rows()
        .into_iter()
        .filter(|row| matches(row, search))
        .collect();
    if found.is_empty() {
        let hint = nearest::nearest(search, catalogue::names()).map_or_else(
            || "`gatepost providers` lists them all".into(),
            |near| format!("did you mean `{near}`?"),
        );
        tell(&format!(
            "error: no provider has `{search}` in its row\nhelp: {hint}"
        ));
        return Err(NO);
    }
    say(&table(&found));
    Ok(())
}

/// Name, scheme, what it proves, confidence and title of every provider.
fn rows() -> Vec<[String; 5]> {
    Entry::all()
        .iter()
        .map(|entry| {
            [
                entry.name.into(),
                entry.schemes(),
                entry.proves(),
                entry.text("confidence").into(),
                entry.text("title").into(),
            ]
        })
        .collect()
}

/// Whether every word of `search` stands somewhere in the row.
fn matches(row: &[String; 5], search: &str) -> bool {
    let row = row.join(" ").to_lowercase();
    search
        .to_lowercase()
        .split_whitespace()
        .all(|word| row.contains(word))
}

fn table(rows: &[[String; 5]]) -> String {
    let head = ["NAME", "SCHEME", "PROVES", "CONFIDENCE", "TITLE"].map(String::from);
    let rows: Vec<&[String; 5]> = std::iter::once(&head).chain(rows).collect();
    let mut widths = [0_usize; 5];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row.iter()) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut text = String::new();
    for row in rows {
        let cells: Vec<String> = row
            .iter()
            .zip(widths)
            .map(|(cell, width)| format!("{cell:<width$}"))
            .collect();
        text.push_str(cells.join("  ").trim_end());
        text.push('\n');
    }
    text
}

fn one(entry: &Entry) {
    let text = catalogue::text(entry.name).unwrap_or_default();
    say(&format!("{}\n\n", text.trim_end()));
    say(&format!(
        "# What it proves: {}. What to know:\n",
        entry.proves()
    ));
    for note in entry.notes() {
        say(&format!("#   {note}\n"));
    }
    say(&format!("\n# A route for it:\n{}", ready(entry)));
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::fmt::Write as _;
    use std::path::{Path, PathBuf};

    use super::*;
    use crate::config::{Environment, parse};
    use crate::sign::PrivateKey;

    #[test]
    fn every_provider_of_the_catalogue_is_right_and_says_what_it_proves() {
        let names = catalogue::names();
        assert!(names.len() >= 5);
        for name in names {
            let entry = Entry::named(name).unwrap_or_else(|| panic!("{name} has problems"));
            for key in ["title", "docs", "confidence"] {
                assert!(!entry.text(key).is_empty(), "{name}: {key}");
            }
            assert!(entry.text("docs").starts_with("https://"), "{name}: docs");
            assert!(!entry.notes().is_empty(), "{name}");
            for note in entry.notes() {
                assert!(note.ends_with('.'), "{name}: {note}");
            }
            assert!(!entry.proves().is_empty(), "{name}");
            let samples = entry.keys().table("samples");
            for sample in samples.map(|table| &*table.entries).unwrap_or_default() {
                let path = sample.node.text().unwrap_or_default();
                assert!(catalogue::sample(path).is_some(), "{name}: {path}");
            }
        }
    }

    /// Secrets and keys of every kind, in the form in which each provider shows them.
    fn environment(entry: &Entry) -> Environment {
        let name = entry.name.to_ascii_uppercase();
        let secret = match entry
            .steps()
            .iter()
            .find_map(|step| step.text("secret_encoding"))
        {
            Some("hex") => "00112233445566778899aabbccddeeff",
            _ => "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        };
        let steps = entry.steps();
        let algorithm = steps.iter().find_map(|step| {
            let token = || step.list("algorithms")?.first()?.text();
            step.text("algorithm").or_else(token)
        });
        let key = algorithm
            .filter(|name| !name.starts_with("HS"))
            .map(|name| PrivateKey::generate_for(name).and_then(|key| key.public_pem()));
        Environment {
            inline: false,
            variables: Some(BTreeMap::from([
                (format!("{name}_SECRET"), secret.to_owned()),
                (format!("{name}_VERIFY_TOKEN"), "a-verify-token".to_owned()),
                (
                    format!("{name}_PUBLIC_KEY"),
                    key.map_or_else(String::new, Result::unwrap),
                ),
            ])),
            ..Environment::default()
        }
    }

    #[test]
    fn the_route_that_is_shown_passes_check() {
        for entry in Entry::all() {
            let text = format!(
                "[server]\nlisten = \"127.0.0.1:0\"\n[upstream]\nurl = \"echo:\"\n{}",
                ready(&entry)
            );
            let loaded = parse("shown", &text, PathBuf::new(), &environment(&entry));
            let report = loaded.report(false);
            assert!(loaded.config.is_some(), "{}\n{text}\n{report}", entry.name);
            // What is said about it is said on purpose.
            let expected = [
                "inferred",
                "the whole body is in no",
                "nothing authenticates",
                "only a checksum of the body",
                "the key stands in the URL",
            ];
            for line in report.lines().filter(|line| line.starts_with("warning")) {
                assert!(
                    expected.iter().any(|part| line.contains(part)),
                    "{}: {line}",
                    entry.name
                );
            }
            let inferred = entry.text("confidence") == "inferred";
            assert_eq!(report.contains("inferred"), inferred, "{}", entry.name);
        }
    }

    #[test]
    fn what_a_scheme_proves_is_read_from_its_keys() {
        for (name, schemes, proves) in [
            ("prelude", "rsa-pss-sha256, ip", "sender, body, address"),
            ("stripe", "hmac-sha256", "sender, body, time"),
            ("proven", "api_key", "token"),
            ("prove", "jwt", "sender"),
            ("square", "hmac-sha256", "sender, body, URL"),
            ("mailgun", "hmac-sha256", "sender, fields of the body, time"),
            ("jumio", "ip", "address"),
            ("idwise", "chosen by the customer", "what you choose"),
            ("recharge", "hmac-sha256 or digest-sha256", "sender, body"),
        ] {
            let entry = Entry::named(name).unwrap();
            assert_eq!(
                (entry.schemes().as_str(), entry.proves().as_str()),
                (schemes, proves)
            );
        }
    }

    #[test]
    fn a_search_looks_at_every_column() {
        let found = |search: &str| {
            let rows = rows();
            rows.into_iter()
                .filter(|row| matches(row, search))
                .map(|[name, ..]| name)
                .collect::<Vec<_>>()
        };
        assert!(found("IDENTITY ed25519").is_empty());
        assert!(found("ed25519").contains(&"telnyx".into()));
        assert_eq!(found("rsa-pss"), ["prelude", "prelude_session"]);
        assert_eq!(found("").len(), catalogue::names().len());
    }

    /// The table of docs/providers.md, between its marks.
    fn page() -> String {
        let mut text = String::from(
            "| name | provider | scheme | proves | confidence |\n|---|---|---|---|---|\n",
        );
        for entry in Entry::all() {
            let _ = writeln!(
                text,
                "| `{}` | [{}]({}) | {} | {} | {} |",
                entry.name,
                entry.text("title"),
                entry.text("docs"),
                entry.schemes(),
                entry.proves(),
                entry.text("confidence"),
            );
        }
        text
    }

    #[test]
    fn the_page_of_the_documentation_is_true() {
        const MARKS: [&str; 2] = ["<!-- the table -->\n", "<!-- end of the table -->\n"];
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/providers.md");
        let text = std::fs::read_to_string(&path).unwrap();
        let (before, rest) = text.split_once(MARKS[0]).unwrap();
        let (shown, after) = rest.split_once(MARKS[1]).unwrap();
        let table = format!("\n{}\n", page());
        if std::env::var_os("GATEPOST_BLESS").is_some() {
            let text = format!("{before}{}{table}{}{after}", MARKS[0], MARKS[1]);
            std::fs::write(path, text).unwrap();
            return;
        }
        assert!(shown == table, "make it again with GATEPOST_BLESS=1");
    }
}
