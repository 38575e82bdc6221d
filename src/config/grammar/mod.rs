//! Every section and key there is: the one source for checking, for the JSON schema and for the
//! reference.

mod provider;
mod sections;
mod steps;

pub use provider::{EVENT_SOURCE, PROVIDER, ROUTE, SECRET_SOURCE};
pub use sections::ROOT;
pub use steps::{SCHEMES, STEP_ANY, TIMESTAMP};

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

    /// Whether an overlay merges this table key by key. One that names a choice is replaced whole:
    /// `{ json = … }` and `{ header = … }` together would be two sources.
    pub fn merges(&self) -> bool {
        matches!(self.choice, Choice::Free)
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
const STATUS: Kind = Kind::Integer { min: 100, max: 599 };
const TEXTS: Kind = Kind::List(&Kind::Text);
