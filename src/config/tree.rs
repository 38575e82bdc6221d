//! The parsed text as an owned tree in which every key and value knows where it stands.

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;

use super::grammar::{self, Kind, Section};
pub use super::read::parse;
use super::source::Span;
use crate::units::{self, Rate};

/// A value and its place.
#[derive(Clone)]
pub struct Node {
    /// The value as written; for `[table]` and `[[table]]` the header.
    pub span: Span,
    /// What it is.
    pub value: Value,
}

/// A TOML value.
#[derive(Clone)]
pub enum Value {
    /// A string.
    Text(String),
    /// An integer.
    Integer(i64),
    /// A floating-point number.
    Float(f64),
    /// A boolean.
    Flag(bool),
    /// A date and time; `None` if it has no offset, so that it names no instant.
    Time(Option<Timestamp>),
    /// An array.
    List(Vec<Node>),
    /// A table.
    Table(Table),
}

/// A key and its value.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The key, unquoted.
    pub name: String,
    /// The key as written; for `[a.b]` the last part.
    pub name_span: Span,
    /// The value.
    pub node: Node,
}

/// A table in file order.
#[derive(Debug, Clone)]
pub struct Table {
    /// The keys, each once.
    pub entries: Vec<Entry>,
    /// The braces and what is between them, or the header, or the start of the file.
    pub span: Span,
    /// The file has syntax errors: keys may be missing, or the debris of a broken value.
    pub(crate) broken: bool,
}

/// A provider's keys with a route's on top: `top` wins.
///
/// Sections merge key by key (`event`, `limits`); scalars, lists, and tables that name one choice
/// (a source of a secret or of an event) are replaced whole. Every span stays where it came from.
pub fn overlay(base: &Table, top: &Table) -> Table {
    overlay_as(base, top, &grammar::ROUTE)
}

fn overlay_as(base: &Table, top: &Table, section: &Section) -> Table {
    let mut entries: Vec<Entry> = Vec::with_capacity(base.entries.len() + top.entries.len());
    for under in &base.entries {
        let Some(over) = top.entries.iter().find(|entry| entry.name == under.name) else {
            entries.push(under.clone());
            continue;
        };
        let mut merged = over.clone();
        // A choice (a source) is no `Kind::Table` of a route: two of its keys would contradict.
        if let (Value::Table(low), Value::Table(high)) = (&under.node.value, &over.node.value)
            && let Some(Kind::Table(inner)) = section.key(&over.name).map(|key| key.kind)
        {
            merged.node.value = Value::Table(overlay_as(low, high, inner));
        }
        entries.push(merged);
    }
    let new = top
        .entries
        .iter()
        .filter(|entry| base.get(&entry.name).is_none());
    entries.extend(new.cloned());
    Table {
        entries,
        span: top.span,
        broken: base.broken || top.broken,
    }
}

impl Table {
    /// An empty table.
    pub fn new(span: Span) -> Self {
        Self {
            entries: Vec::new(),
            span,
            broken: false,
        }
    }

    /// Whether the file has syntax errors, so that keys may be missing from this table.
    pub fn is_broken(&self) -> bool {
        self.broken
    }

    /// The key with its place.
    pub fn entry(&self, name: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.name == name)
    }

    /// The value of a key, with its place.
    pub fn get(&self, name: &str) -> Option<&Node> {
        self.entry(name).map(|entry| &entry.node)
    }

    /// The text of a key. This and its siblings are `None` when the key is absent or of another
    /// type, which `shape::check` has reported.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.get(name)?.text()
    }

    /// The boolean of a key.
    pub fn flag(&self, name: &str) -> Option<bool> {
        match self.get(name)?.value {
            Value::Flag(flag) => Some(flag),
            Value::Text(_)
            | Value::Integer(_)
            | Value::Float(_)
            | Value::Time(_)
            | Value::List(_)
            | Value::Table(_) => None,
        }
    }

    /// The integer of a key.
    pub fn integer(&self, name: &str) -> Option<i64> {
        self.get(name)?.integer()
    }

    /// The instant of a key.
    pub fn time(&self, name: &str) -> Option<Timestamp> {
        match self.get(name)?.value {
            Value::Time(time) => time,
            Value::Text(_)
            | Value::Integer(_)
            | Value::Float(_)
            | Value::Flag(_)
            | Value::List(_)
            | Value::Table(_) => None,
        }
    }

    /// The table of a key.
    pub fn table(&self, name: &str) -> Option<&Self> {
        self.get(name)?.table()
    }

    /// The list of a key.
    pub fn list(&self, name: &str) -> Option<&[Node]> {
        self.get(name)?.list()
    }

    /// The values of a key that takes one or a list; none when it is absent.
    pub fn one_or_many(&self, name: &str) -> &[Node] {
        self.get(name).map_or(&[], |node| {
            node.list().unwrap_or(std::slice::from_ref(node))
        })
    }

    /// The duration of a key.
    pub fn duration(&self, name: &str) -> Option<Duration> {
        units::duration(self.text(name)?).ok()
    }

    /// The size of a key, in bytes.
    pub fn size(&self, name: &str) -> Option<usize> {
        let node = self.get(name)?;
        match node.integer() {
            Some(bytes) => usize::try_from(bytes).ok(),
            None => units::size(node.text()?).ok(),
        }
    }

    /// The rate of a key.
    pub fn rate(&self, name: &str) -> Option<Rate> {
        units::rate(self.text(name)?).ok()
    }
}

impl Node {
    /// The text.
    pub fn text(&self) -> Option<&str> {
        if let Value::Text(text) = &self.value {
            Some(text)
        } else {
            None
        }
    }

    /// The integer.
    pub fn integer(&self) -> Option<i64> {
        if let Value::Integer(integer) = self.value {
            Some(integer)
        } else {
            None
        }
    }

    /// The table.
    pub fn table(&self) -> Option<&Table> {
        if let Value::Table(table) = &self.value {
            Some(table)
        } else {
            None
        }
    }

    /// The list.
    pub fn list(&self) -> Option<&[Self]> {
        if let Value::List(list) = &self.value {
            Some(list)
        } else {
            None
        }
    }
}

impl Value {
    /// The type in plain words, with its article.
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Text(_) => "a text",
            Self::Integer(_) => "an integer",
            Self::Float(_) => "a decimal number",
            Self::Flag(_) => "true or false",
            Self::Time(_) => "a date or time",
            Self::List(_) => "a list",
            Self::Table(_) => "a table",
        }
    }
}

// Not derived: a value may be an inline secret.
impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::List(list) => list.fmt(f),
            Self::Table(table) => table.fmt(f),
            Self::Text(_) | Self::Integer(_) | Self::Float(_) | Self::Flag(_) | Self::Time(_) => {
                f.write_str(self.type_name())
            }
        }
    }
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.value.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::super::source::Files;
    use super::*;

    fn tree(text: &str) -> Table {
        let mut files = Files::new();
        let file = files.add("a.toml", text);
        let (table, problems) = parse(&files, file);
        assert!(problems.is_empty(), "{problems:?}");
        table
    }

    #[test]
    fn reads_each_type_and_nothing_else_under_a_getter() {
        let table = tree(
            "text = 'x'\nflag = true\ninteger = 7\ntime = 2026-12-15T00:00:00Z\nlist = [1]\n\
             table = {}\nduration = '2s'\nsize = '1KiB'\nbytes = 9\nrate = '5/m'\n",
        );
        assert_eq!(table.text("text"), Some("x"));
        assert_eq!(table.flag("flag"), Some(true));
        assert_eq!(table.integer("integer"), Some(7));
        assert_eq!(table.time("time"), "2026-12-15T00:00:00Z".parse().ok());
        assert_eq!(table.list("list").map(<[Node]>::len), Some(1));
        assert!(table.table("table").is_some());
        assert_eq!(table.duration("duration"), Some(Duration::from_secs(2)));
        assert_eq!(
            (table.size("size"), table.size("bytes")),
            (Some(1024), Some(9))
        );
        assert_eq!(table.rate("rate").map(|rate| rate.burst), Some(5));
        assert_eq!(table.one_or_many("text").len(), 1);
        assert_eq!(table.one_or_many("list").len(), 1);
        assert_eq!(table.one_or_many("absent").len(), 0);
        for name in ["absent", "table", "list"] {
            assert!(table.text(name).is_none() && table.flag(name).is_none());
            assert!(table.integer(name).is_none() && table.time(name).is_none());
            assert!(table.duration(name).is_none() && table.size(name).is_none());
        }
        assert!(table.list("text").is_none() && table.table("text").is_none());
    }

    #[test]
    fn overlay_merges_sections_and_replaces_choices_lists_and_scalars() {
        let base = tree(
            "confidence = 'inferred'\nusername = 'u'\nallow_ips = ['192.0.2.1', '192.0.2.2']\n\
             secret = { env = 'A', name = 'old' }\n\
             event = { type = { json = '/type' }, id = { json = '/id' } }\n",
        );
        let top = tree(
            "path = '/x'\nusername = 'v'\nallow_ips = ['192.0.2.3']\n\
             secret = { file = 'b' }\nevent.type = { header = 'X' }\n",
        );
        let both = overlay(&base, &top);
        assert_eq!(both.text("confidence"), Some("inferred"));
        assert_eq!(both.text("username"), Some("v"));
        assert_eq!(both.text("path"), Some("/x"));
        assert_eq!(both.list("allow_ips").map(<[Node]>::len), Some(1));
        let secret = both.table("secret").unwrap();
        assert_eq!((secret.text("file"), secret.text("env")), (Some("b"), None));
        assert_eq!(secret.text("name"), None);
        let event = both.table("event").unwrap();
        assert_eq!(event.table("id").unwrap().text("json"), Some("/id"));
        let kind = event.table("type").unwrap();
        assert_eq!((kind.text("header"), kind.text("json")), (Some("X"), None));
    }

    #[test]
    fn overlay_keeps_each_span_in_its_own_file() {
        let mut files = Files::new();
        let low = files.add("low.toml", "username = 'u'\nconfidence = 'inferred'\n");
        let high = files.add("high.toml", "username = 'v'\n");
        let both = overlay(&parse(&files, low).0, &parse(&files, high).0);
        assert_eq!(both.get("username").unwrap().span.file, high);
        assert_eq!(both.get("confidence").unwrap().span.file, low);
    }

    #[test]
    fn debug_prints_no_value() {
        let shown = format!("{:?}", tree("secret = { inline = 'hunter2' }\nn = [4711]"));
        assert!(
            !shown.contains("hunter2") && !shown.contains("4711"),
            "{shown}"
        );
    }
}
