//! Every section and key there is: the one source for checking, for the JSON schema and for the
//! reference.

mod handshake;
mod provider;
mod sections;
mod steps;
mod test;

use std::collections::BTreeSet;

pub use handshake::{CHALLENGE, HANDSHAKE, PROOF};
pub use provider::{EVENT, EVENT_SOURCE, PROVIDER, ROUTE, SECRET_SOURCE};
pub use sections::{DUPLICATES, ROOT, TLS, UPSTREAM};
pub use steps::{BODY_HASH, SCHEMES, STEP_ANY, TIMESTAMP};
pub use test::{EXPECT, OUTCOMES, REQUEST, TEST};

/// What a key's value must look like.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    /// `host:port` or `unix:/path`.
    Address,
    /// `"10s"`.
    Duration,
    /// Any of these.
    Either(&'static [Self]),
    /// `true` or `false`.
    Flag,
    /// An integer from `min` to `max`.
    Integer {
        /// The least that is taken.
        min: i64,
        /// The most that is taken.
        max: i64,
    },
    /// A list of at least one.
    List(&'static Self),
    /// `[provider.NAME]`: tables by a name of the user's choice.
    NamedTables(&'static Section),
    /// One of these texts.
    OneOf(&'static [&'static str]),
    /// One, or a list of at least one.
    OneOrMany(&'static Self),
    /// A list that may be empty.
    OpenList(&'static Self),
    /// `"50/s burst 100"`.
    Rate,
    /// Where a secret or key is kept: a table of [`SECRET_SOURCE`], or a list of these.
    Secret,
    /// `"1MiB"`, or an integer of bytes.
    Size,
    /// Verify steps: tables of one of [`SCHEMES`], or of [`STEP_ANY`].
    Steps,
    /// A table.
    Table(&'static Section),
    /// Texts by names of the user's choice.
    TextTable,
    /// `[[route]]`: a list of tables.
    Tables(&'static Section),
    /// Any text.
    Text,
    /// A date and time with an offset.
    Time,
}

/// One key.
#[derive(Debug)]
pub struct Key {
    /// As written.
    pub name: &'static str,
    /// What its value must look like.
    pub kind: Kind,
    /// As shown; empty if there is none.
    pub default: &'static str,
    /// One or two plain sentences.
    pub doc: &'static str,
}

/// Which of a table's keys exclude each other.
#[derive(Debug, Clone, Copy)]
pub enum Choice {
    /// None.
    Free,
    /// At most one of these may be there.
    AtMostOne(&'static [&'static str]),
    /// Exactly one of these must be there.
    ExactlyOne(&'static [&'static str]),
}

/// The keys of one table.
#[derive(Debug)]
pub struct Section {
    /// As a user writes it: `[server]`, `[[route]]`; of a verify step the scheme, `hmac`.
    pub name: &'static str,
    /// One or two plain sentences.
    pub doc: &'static str,
    /// In the order of the reference.
    pub keys: &'static [Key],
    /// Which keys exclude each other.
    pub choice: Choice,
}

impl Section {
    /// The key of this name.
    pub fn key(&self, name: &str) -> Option<&'static Key> {
        self.keys.iter().find(|key| key.name == name)
    }
}

/// The section of a scheme.
pub fn scheme(name: &str) -> Option<&'static Section> {
    SCHEMES.iter().copied().find(|scheme| scheme.name == name)
}

/// All sections there are: of the file, of a route, and of every scheme.
pub fn sections() -> Vec<&'static Section> {
    let mut found: Vec<&'static Section> = Vec::new();
    collect(&ROOT, &mut found);
    collect(&STEP_ANY, &mut found);
    for scheme in SCHEMES {
        collect(scheme, &mut found);
    }
    found
}

/// The names of the keys under which no value is ever shown.
pub fn secret_names() -> BTreeSet<&'static str> {
    let sections = sections();
    let keys = sections.iter().flat_map(|section| section.keys);
    keys.filter(|key| matches!(key.kind, Kind::Secret))
        .map(|key| key.name)
        .chain(["inline"])
        .collect()
}

/// Every name of a key, of whichever section.
pub fn key_names() -> BTreeSet<&'static str> {
    sections()
        .iter()
        .flat_map(|section| section.keys)
        .map(|key| key.name)
        .collect()
}

/// Every word of a choice, of whichever key.
pub fn choice_words() -> BTreeSet<&'static str> {
    let mut words = BTreeSet::new();
    for key in sections().iter().flat_map(|section| section.keys) {
        choices(&key.kind, &mut words);
    }
    words
}

fn choices(kind: &Kind, words: &mut BTreeSet<&'static str>) {
    match kind {
        Kind::OneOf(choices) => words.extend(choices.iter()),
        Kind::Either(kinds) => kinds.iter().for_each(|kind| choices(kind, words)),
        Kind::List(kind) | Kind::OneOrMany(kind) | Kind::OpenList(kind) => choices(kind, words),
        Kind::Address
        | Kind::Duration
        | Kind::Flag
        | Kind::Integer { .. }
        | Kind::NamedTables(_)
        | Kind::Rate
        | Kind::Secret
        | Kind::Size
        | Kind::Steps
        | Kind::Table(_)
        | Kind::Tables(_)
        | Kind::Text
        | Kind::TextTable
        | Kind::Time => {}
    }
}

fn collect(section: &'static Section, found: &mut Vec<&'static Section>) {
    if found.iter().any(|known| std::ptr::eq(*known, section)) {
        return;
    }
    found.push(section);
    for key in section.keys {
        collect_in(&key.kind, found);
    }
}

fn collect_in(kind: &Kind, found: &mut Vec<&'static Section>) {
    match kind {
        Kind::Table(section) | Kind::NamedTables(section) | Kind::Tables(section) => {
            collect(section, found);
        }
        Kind::Secret => collect(&SECRET_SOURCE, found),
        Kind::Either(kinds) => kinds.iter().for_each(|kind| collect_in(kind, found)),
        Kind::List(kind) | Kind::OneOrMany(kind) | Kind::OpenList(kind) => collect_in(kind, found),
        // A step holds steps: the schemes are walked from `sections`.
        Kind::Steps
        | Kind::Address
        | Kind::Duration
        | Kind::Flag
        | Kind::Integer { .. }
        | Kind::OneOf(_)
        | Kind::Rate
        | Kind::Size
        | Kind::Text
        | Kind::TextTable
        | Kind::Time => {}
    }
}

const fn key(name: &'static str, kind: Kind, default: &'static str, doc: &'static str) -> Key {
    Key {
        name,
        kind,
        default,
        doc,
    }
}

const fn section(name: &'static str, doc: &'static str, keys: &'static [Key]) -> Section {
    Section {
        name,
        doc,
        keys,
        choice: Choice::Free,
    }
}

const COUNT: Kind = Kind::Integer {
    min: 1,
    max: u32::MAX as i64,
};
const TEXTS: Kind = Kind::List(&Kind::Text);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_is_documented_and_stands_once_in_its_section() {
        for section in sections() {
            assert!(section.doc.ends_with('.'), "{}", section.name);
            for key in section.keys {
                assert!(key.doc.ends_with('.'), "{} {}", section.name, key.name);
                let same = section.keys.iter().filter(|other| other.name == key.name);
                assert_eq!(same.count(), 1, "{} {}", section.name, key.name);
            }
        }
    }

    #[test]
    fn the_keys_of_a_choice_are_keys_of_the_section() {
        for section in sections() {
            let (Choice::AtMostOne(names) | Choice::ExactlyOne(names)) = section.choice else {
                continue;
            };
            assert!(
                names.iter().all(|name| section.key(name).is_some()),
                "{}",
                section.name
            );
        }
    }

    #[test]
    fn the_schemes_are_those_that_the_key_scheme_takes() {
        for section in SCHEMES {
            let Some(Key {
                kind: Kind::OneOf(names),
                ..
            }) = section.key("scheme")
            else {
                panic!("{} has no scheme", section.name);
            };
            let schemes: Vec<&str> = SCHEMES.iter().map(|scheme| scheme.name).collect();
            assert_eq!(*names, schemes);
        }
    }

    #[test]
    fn a_route_takes_every_provider_key() {
        for key in PROVIDER.keys {
            assert!(ROUTE.key(key.name).is_some(), "{}", key.name);
        }
    }

    #[test]
    fn tells_secret_keys_from_others() {
        let secrets = secret_names();
        for name in [
            "secret",
            "public_key",
            "private_key",
            "inline",
            "jwks",
            "certificate",
        ] {
            assert!(secrets.contains(name), "{name}");
        }
        for name in [
            "secret_encoding",
            "username",
            "header",
            "event",
            "verify",
            "route",
        ] {
            assert!(!secrets.contains(name), "{name}");
        }
    }
}
