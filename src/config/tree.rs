//! The parsed text as an owned tree in which every key and value knows where it stands.

use std::fmt;

use jiff::Timestamp;
use toml::de::{DeTable, DeValue, Error};

use super::grammar::{self, Kind, Section};
use super::problem::{Problem, Severity};
use super::source::{FileId, Files, Span};
use std::ops::Range;
use std::time::Duration;

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
    /// The file has syntax errors: a key may be the debris of a broken value.
    pub(crate) broken: bool,
}

/// Reads a file of the registry. On syntax errors the table holds what could be read.
pub fn parse(files: &Files, id: FileId) -> (Table, Vec<Problem>) {
    let (root, errors) = DeTable::parse_recoverable(files.text(id));
    let mut reader = Reader {
        file: id,
        broken: !errors.is_empty(),
        problems: Vec::new(),
    };
    let mut last_line = None;
    for error in &errors {
        let problem = reader.syntax_problem(files, error);
        let line = problem.span.map(|span| files.line(span).number);
        // The parser resumes inside the broken line: one mistake, one problem.
        if line != last_line {
            reader.problems.push(problem);
        }
        last_line = line;
    }
    let table = reader.table(root.get_ref(), 0..0);
    (table, reader.problems)
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
        if let (Value::Table(low), Value::Table(high)) = (&under.node.value, &over.node.value)
            && let Some(Kind::Table(inner)) = section.key(&over.name).map(|key| key.kind)
            && inner.merges()
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

/// Turns the borrowed tree of the parser into ours.
struct Reader {
    file: FileId,
    broken: bool,
    problems: Vec<Problem>,
}

impl Reader {
    fn table(&mut self, source: &DeTable<'_>, span: Range<usize>) -> Table {
        let mut entries: Vec<Entry> = source
            .iter()
            .map(|(key, value)| Entry {
                name: key.get_ref().to_string(),
                name_span: self.span(key.span()),
                node: self.node(value.get_ref(), value.span()),
            })
            .collect();
        entries.sort_by_key(|entry| entry.name_span.start);
        Table {
            entries,
            span: self.span(span),
            broken: self.broken,
        }
    }

    fn node(&mut self, source: &DeValue<'_>, range: Range<usize>) -> Node {
        let span = self.span(range.clone());
        let value = match source {
            DeValue::String(text) => Value::Text(text.to_string()),
            DeValue::Integer(digits) => Value::Integer(
                i64::from_str_radix(digits.as_str(), digits.radix()).unwrap_or_else(|_| {
                    self.number_problem(span);
                    0
                }),
            ),
            DeValue::Float(digits) => Value::Float(digits.as_str().parse().unwrap_or_else(|_| {
                self.number_problem(span);
                0.0
            })),
            DeValue::Boolean(flag) => Value::Flag(*flag),
            DeValue::Datetime(time) => Value::Time(time.to_string().parse().ok()),
            DeValue::Array(list) => Value::List(
                list.iter()
                    .map(|value| self.node(value.get_ref(), value.span()))
                    .collect(),
            ),
            DeValue::Table(table) => Value::Table(self.table(table, range)),
        };
        Node { span, value }
    }

    fn span(&self, range: Range<usize>) -> Span {
        Span {
            file: self.file,
            start: range.start,
            end: range.end,
        }
    }

    fn number_problem(&mut self, span: Span) {
        // Debris of a syntax error has been reported as one.
        if !self.broken {
            self.problems
                .push(syntax(span, "a number that does not fit 64 bits", ""));
        }
    }

    /// `Error::message` holds only texts of the parser's own, never a part of the file. Its
    /// `Display` prints the whole line: not used.
    fn syntax_problem(&self, files: &Files, error: &Error) -> Problem {
        let end = files.text(self.file).len();
        let span = self.span(error.span().unwrap_or(end..end));
        let message = error.message();
        let fix = HINTS
            .iter()
            .find(|(start, _)| message.starts_with(start))
            .map_or("", |hint| hint.1);
        syntax(span, message, fix)
    }
}

/// The commonest syntax errors and what to do about them.
const HINTS: &[(&str, &str)] = &[
    (
        "string values must be quoted",
        "put the text in double quotes",
    ),
    (
        "invalid basic string",
        "close the text with the quote it began with",
    ),
    ("duplicate key", "keep one of the two"),
];

fn syntax(span: Span, message: &str, fix: &str) -> Problem {
    Problem {
        span: Some(span),
        file: Some(span.file),
        severity: Severity::Error,
        message: format!("not valid TOML: {message}"),
        label: "here".to_owned(),
        fix: fix.to_owned(),
    }
}
