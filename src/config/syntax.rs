//! What the TOML parser did not understand, told once per mistake.

use std::ops::Range;

use toml::de::Error;

use super::problem::{Problem, Severity};
use super::source::{FileId, Files, Span};
use super::tree::{Node, Table, Value};

/// One problem per mistake: the parser resumes inside what is broken and stumbles again.
pub(super) fn problems(
    files: &Files,
    file: FileId,
    errors: &[Error],
    table: &Table,
) -> Vec<Problem> {
    let text = files.text(file);
    let at = |range: Range<usize>| Span {
        file,
        start: range.start,
        end: range.end,
    };
    let mut errors: Vec<(&Error, Range<usize>)> = errors
        .iter()
        .map(|error| (error, place(error, text)))
        .collect();
    errors.sort_by_key(|(_, place)| place.start);
    let mut problems = Vec::new();
    if let Some(open) = never_closed(&errors, table) {
        errors.retain(|(error, place)| place.start <= open || is_string_error(error));
        if !errors
            .iter()
            .any(|(error, place)| place.start > open && is_string_error(error))
        {
            problems.push(problem(
                at(open..open + 1),
                "not valid TOML: this bracket is never closed",
                "opened here",
                "add the closing bracket",
            ));
        }
    }
    let mut last_line = None;
    for (error, place) in errors {
        let span = at(place);
        let line = Some(files.line(span).number);
        if line != last_line {
            problems.push(syntax_problem(span, error.message()));
        }
        last_line = line;
    }
    problems
}

/// Where the first list or inline table begins that is broken, if one is never closed.
fn never_closed(errors: &[(&Error, Range<usize>)], table: &Table) -> Option<usize> {
    let unclosed = errors.iter().any(|(error, _)| {
        UNCLOSED
            .iter()
            .any(|text| error.message().starts_with(text))
    });
    if !unclosed {
        return None;
    }
    values(table)
        .into_iter()
        .filter(|span| {
            errors
                .iter()
                .any(|(_, at)| (span.start..=span.end).contains(&at.start))
        })
        .map(|span| span.start)
        .min()
}

/// A line that is no `key = value` ends the parser's tree (not its errors).
pub(super) fn stops(error: &Error) -> bool {
    error.message().starts_with("key with no value")
}

/// The text with these lines blank, every other byte in its place.
pub(super) fn without_stops(text: &str, errors: &[Error]) -> Option<String> {
    let starts: Vec<usize> = errors
        .iter()
        .filter(|error| stops(error))
        .map(|error| place(error, text).start)
        .collect();
    if starts.is_empty() {
        return None;
    }
    let mut patched = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        let end = patched.len() + line.trim_end_matches('\n').len();
        if starts.iter().any(|at| (patched.len()..=end).contains(at)) {
            patched.extend(std::iter::repeat_n(' ', end - patched.len()));
            patched.push_str(line.trim_start_matches(|c| c != '\n'));
        } else {
            patched.push_str(line);
        }
    }
    Some(patched)
}

/// The spans of all lists and inline tables, however deep.
fn values(table: &Table) -> Vec<Span> {
    let mut spans = Vec::new();
    for entry in &table.entries {
        // The span of a `[table]` is its header and that of a dotted one its name: no brackets.
        let header = entry.node.span.start <= entry.name_span.start;
        collect(&entry.node, header, &mut spans);
    }
    spans
}

fn collect(node: &Node, header: bool, spans: &mut Vec<Span>) {
    if let Value::List(list) = &node.value {
        if !header {
            spans.push(node.span);
        }
        for item in list {
            collect(item, header, spans);
        }
    } else if let Value::Table(table) = &node.value {
        if !header {
            spans.push(node.span);
        }
        spans.extend(values(table));
    }
}

/// What the parser says when the end comes before a bracket.
const UNCLOSED: &[&str] = &["unclosed array", "unclosed inline table"];

/// The commonest syntax errors and what to do about them.
const HINTS: &[(&str, &str)] = &[
    (
        "string values must be quoted",
        "put the text in double quotes",
    ),
    (
        "invalid basic string",
        "close the text with the quote it began with; write \\ as \\\\",
    ),
    (
        "invalid literal string",
        "close the text with the quote it began with",
    ),
    (
        "invalid multi-line",
        "close the text with the three quotes it began with",
    ),
    ("duplicate key", "keep one of the two"),
    ("key with no value", "write it as key = value"),
    ("unclosed table", "add the closing bracket"),
    ("unclosed array table", "add the two closing brackets"),
    ("missing comma", "put a comma between the two"),
];

fn is_string_error(error: &Error) -> bool {
    let message = error.message();
    message.starts_with("invalid") && message.contains("string")
}

pub(super) fn place(error: &Error, text: &str) -> Range<usize> {
    error.span().unwrap_or(text.len()..text.len())
}

/// `Error::message` holds only texts of the parser's own, never a part of the file. (Its `Display`
/// prints the whole line, so that is not used.)
fn syntax_problem(span: Span, message: &str) -> Problem {
    let hint = HINTS.iter().find(|(start, _)| message.starts_with(start));
    let fix = hint.map_or("see the syntax at https://toml.io", |(_, fix)| fix);
    problem(span, &format!("not valid TOML: {message}"), "here", fix)
}

pub(super) fn problem(span: Span, message: &str, label: &str, fix: &str) -> Problem {
    Problem {
        span: Some(span),
        file: Some(span.file),
        severity: Severity::Error,
        message: message.to_owned(),
        label: label.to_owned(),
        fix: fix.to_owned(),
    }
}
