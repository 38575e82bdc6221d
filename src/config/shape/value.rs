//! Whether a value is what its key takes.

use super::super::grammar::{Kind, SECRET_SOURCE};
use super::super::nearest::nearest;
use super::super::problem::Problems;
use super::super::source::Span;
use super::super::tree::{Node, Value};
use super::{check as check_table, list, step};
use crate::units;

/// Checks the value of the key `name`.
pub(super) fn check(name: &str, node: &Node, kind: &Kind, problems: &mut Problems) {
    match (kind, &node.value) {
        (Kind::Text, Value::Text(_))
        | (Kind::Flag, Value::Flag(_))
        | (Kind::Time, Value::Time(Some(_))) => {}
        (Kind::Time, Value::Time(None)) => problems.error(
            node.span,
            format!("`{name}` names no instant"),
            "no offset",
            "add the offset, as in 2026-12-15T00:00:00Z",
        ),
        (Kind::Duration, Value::Text(text)) => {
            quantity(
                name,
                "a duration",
                node.span,
                units::duration(text).err(),
                problems,
            );
        }
        (Kind::Rate, Value::Text(text)) => {
            quantity(name, "a rate", node.span, units::rate(text).err(), problems);
        }
        (Kind::Size, Value::Text(text)) => {
            quantity(name, "a size", node.span, units::size(text).err(), problems);
        }
        (Kind::Size, Value::Integer(bytes)) if *bytes >= 0 => {}
        (Kind::Integer { min, max }, Value::Integer(integer)) => {
            // One too large to be read was reported.
            if !(min..=max).contains(&integer) && !problems.has_error_at(node.span) {
                out_of_range(name, node.span, *min, *max, problems);
            }
        }
        (Kind::Address, Value::Text(text)) => {
            if let Some(fix) = address_fix(text) {
                problems.error(
                    node.span,
                    format!("`{name}` is not an address"),
                    "not host:port",
                    fix,
                );
            }
        }
        (Kind::OneOf(words), Value::Text(text)) => one_of(name, node.span, text, words, problems),
        (Kind::Either(kinds), _) => either(name, node, kinds, problems),
        (Kind::List(of) | Kind::OneOrMany(of), Value::List(items)) => {
            if items.is_empty() {
                empty(name, node.span, problems);
            }
            for item in items {
                check(name, item, of, problems);
            }
        }
        (Kind::OpenList(of), Value::List(items)) => {
            for item in items {
                check(name, item, of, problems);
            }
        }
        (Kind::OneOrMany(of), _) => check(name, node, of, problems),
        (Kind::Secret, Value::List(items)) => {
            if items.is_empty() {
                empty(name, node.span, problems);
            }
            for item in items {
                secret(name, item, problems);
            }
        }
        (Kind::Secret, _) => secret(name, node, problems),
        (Kind::Steps, _) => step::check_all(name, node, problems),
        (Kind::Table(section), Value::Table(table)) => check_table(table, section, problems),
        // In a broken file a name could be a piece of a broken value: the message would repeat it.
        (Kind::NamedTables(section), Value::Table(tables)) if tables.is_broken() => {
            for table in tables.entries.iter().filter_map(|entry| entry.node.table()) {
                check_table(table, section, problems);
            }
        }
        (Kind::NamedTables(section), Value::Table(tables)) => {
            for entry in &tables.entries {
                check(&entry.name, &entry.node, &Kind::Table(section), problems);
            }
        }
        (Kind::TextTable, Value::Table(table)) => {
            for entry in &table.entries {
                check(&entry.name, &entry.node, &Kind::Text, problems);
            }
        }
        (Kind::Tables(section), Value::List(items)) => {
            for item in items {
                check(name, item, &Kind::Table(section), problems);
            }
        }
        _ => wrong_type(
            name,
            node,
            describe(kind),
            type_fix(name, node, kind),
            problems,
        ),
    }
}

/// Says what is expected and what type is there, never the value.
pub(super) fn wrong_type(
    name: &str,
    node: &Node,
    expected: &str,
    fix: String,
    problems: &mut Problems,
) {
    problems.error(
        node.span,
        format!(
            "`{name}` must be {expected}, not {}",
            node.value.type_name()
        ),
        format!("expected {expected}"),
        fix,
    );
}

fn secret(name: &str, node: &Node, problems: &mut Problems) {
    match &node.value {
        Value::Table(table) => check_table(table, &SECRET_SOURCE, problems),
        Value::Text(_) | Value::Integer(_) | Value::Float(_) | Value::Flag(_) | Value::Time(_) => {
            problems.error(
                node.span,
                format!("`{name}` must say where it is kept, not what it is"),
                "nothing secret stands in this file",
                format!("write {name} = {{ env = \"NAME\" }} or {name} = {{ file = \"/path\" }}"),
            );
        }
        Value::List(_) => wrong_type(
            name,
            node,
            "a table or a list of tables",
            format!("write {name} = [{{ env = \"NAME\" }}, {{ file = \"/path\" }}]"),
            problems,
        ),
    }
}

fn quantity(
    name: &str,
    what: &str,
    span: Span,
    error: Option<units::UnitError>,
    problems: &mut Problems,
) {
    if let Some(error) = error {
        let message = format!("`{name}` is not {what}");
        problems.error(span, message, format!("not {what}"), error.to_string());
    }
}

fn out_of_range(name: &str, span: Span, min: i64, max: i64, problems: &mut Problems) {
    problems.error(
        span,
        format!("`{name}` is out of range"),
        "out of range",
        format!("write a number from {min} to {max}"),
    );
}

fn one_of(name: &str, span: Span, text: &str, words: &[&str], problems: &mut Problems) {
    if words.contains(&text) {
        return;
    }
    let fix = match (nearest(text, words.iter().copied()), words) {
        (Some(meant), _) => format!("did you mean \"{meant}\"?"),
        (None, [only]) => format!("write \"{only}\""),
        (None, words) => format!("write one of {}", quoted(words)),
    };
    problems.error(
        span,
        format!("`{name}` has no such choice"),
        "not one of the choices",
        fix,
    );
}

/// One of several kinds. If none fits, the one of the value's type says why.
fn either(name: &str, node: &Node, kinds: &[Kind], problems: &mut Problems) {
    let mut closest = None;
    for kind in kinds {
        if let (Kind::OneOf(words), Some(text)) = (kind, node.text())
            && nearest(text, words.iter().copied()).is_some()
        {
            return one_of(name, node.span, text, words, problems);
        }
        let mut tried = Problems::new();
        check(name, node, kind, &mut tried);
        if tried.is_empty() {
            return;
        }
        if takes_type(kind, &node.value) {
            closest = Some(tried);
        }
    }
    if let Some(tried) = closest {
        problems.extend(tried.sorted().into_iter().cloned());
        return;
    }
    let expected: Vec<&str> = kinds.iter().map(describe).collect();
    let fix = kinds
        .iter()
        .map(|kind| type_fix(name, node, kind))
        .collect::<Vec<_>>()
        .join("; or ");
    wrong_type(name, node, &expected.join(" or "), fix, problems);
}

fn takes_type(kind: &Kind, value: &Value) -> bool {
    match value {
        Value::Text(_) => matches!(
            kind,
            Kind::Address | Kind::Duration | Kind::OneOf(_) | Kind::Rate | Kind::Size | Kind::Text
        ),
        Value::Integer(_) => matches!(kind, Kind::Integer { .. } | Kind::Size),
        Value::List(_) => matches!(kind, Kind::List(_) | Kind::OpenList(_)),
        Value::Table(_) => matches!(kind, Kind::Table(_)),
        Value::Flag(_) | Value::Float(_) | Value::Time(_) => false,
    }
}

fn empty(name: &str, span: Span, problems: &mut Problems) {
    problems.error(
        span,
        format!("`{name}` is empty"),
        "nothing in it",
        format!("leave `{name}` out, or list at least one"),
    );
}

/// What to write instead, if this is not an address to listen on. Names are resolved later.
fn address_fix(text: &str) -> Option<&'static str> {
    if let Some(path) = text.strip_prefix("unix:") {
        return path
            .is_empty()
            .then_some("name the socket, as in \"unix:/run/gatepost/in.sock\"");
    }
    if text.contains("://") {
        return Some("leave out what stands before host:port, as in \"0.0.0.0:8080\"");
    }
    let Some((host, port)) = text.rsplit_once(':') else {
        return Some("write host:port, as in \"0.0.0.0:8080\", or \"unix:/path\"");
    };
    if host.is_empty() {
        return Some("write the host too: \"0.0.0.0:8080\" is every address of this machine");
    }
    if host.contains(':') && !(host.starts_with('[') && host.ends_with(']')) {
        return Some("put an IPv6 address in brackets, as in \"[::1]:8080\"");
    }
    let digits = !port.is_empty() && port.chars().all(|c| c.is_ascii_digit());
    let valid = digits && port.parse::<u16>().is_ok() && !host.contains(char::is_whitespace);
    (!valid).then_some("write a port from 0 to 65535, as in \"0.0.0.0:8080\"")
}

fn describe(kind: &Kind) -> &'static str {
    match kind {
        Kind::Address | Kind::Duration | Kind::OneOf(_) | Kind::Rate | Kind::Text => "a text",
        Kind::Either(_) | Kind::OneOrMany(_) => "one value or a list",
        Kind::Flag => "true or false",
        Kind::Integer { .. } => "an integer",
        Kind::List(_) | Kind::OpenList(_) => "a list",
        Kind::NamedTables(_) | Kind::Table(_) | Kind::TextTable => "a table",
        Kind::Secret => "a secret source",
        Kind::Size => "a size",
        Kind::Steps => "a list of steps",
        Kind::Tables(_) => "a list of tables",
        Kind::Time => "a date and time",
    }
}

fn type_fix(name: &str, node: &Node, kind: &Kind) -> String {
    let is_text = node.text().is_some();
    match kind {
        Kind::Address => format!("write {name} = \"0.0.0.0:8080\""),
        Kind::Duration => format!("write a number and a unit in quotes: {name} = \"10s\""),
        Kind::Either(_) | Kind::OneOrMany(_) | Kind::Secret | Kind::Steps => String::new(),
        Kind::Flag if is_text => "write true or false, without quotes".to_owned(),
        Kind::Flag => "write true or false".to_owned(),
        Kind::Integer { .. } if is_text => "write the number without quotes".to_owned(),
        Kind::Integer { min, max } => format!("write a whole number from {min} to {max}"),
        Kind::List(_) | Kind::OpenList(_) => format!("put it in brackets: {name} = [ … ]"),
        Kind::NamedTables(section) | Kind::Table(section) => table_fix(name, section.name),
        Kind::OneOf([only]) => format!("write {name} = \"{only}\""),
        Kind::OneOf(words) => format!("write one of {}", quoted(words)),
        Kind::Rate => format!("write {name} = \"50/s burst 100\""),
        Kind::Size => format!("write {name} = \"1MiB\""),
        Kind::Tables(section) => format!("write {} with two brackets, once for each", section.name),
        Kind::Text if matches!(node.value, Value::List(_) | Value::Table(_)) => {
            format!("write one text: {name} = \"…\"")
        }
        Kind::Text => format!("put it in quotes: {name} = \"…\""),
        Kind::TextTable => format!("write {name} = {{ \"…\" = \"…\" }}"),
        Kind::Time if is_text => "write the date without quotes".to_owned(),
        Kind::Time => "write it as in 2026-12-15T00:00:00Z".to_owned(),
    }
}

fn table_fix(name: &str, section: &str) -> String {
    if section.starts_with('[') && !section.starts_with("[[") {
        let header = section.replace("NAME", name);
        format!("write its keys under {header}, with single brackets")
    } else {
        format!("write it as a table: {name} = {{ … }}")
    }
}

fn quoted(words: &[&str]) -> String {
    list(words).replace('`', "\"")
}
