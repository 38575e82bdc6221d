//! Text to tree, and every syntax error on the way.

use std::ops::Range;

use toml::de::{DeTable, DeValue, Error};

use super::problem::{Problem, Severity};
use super::source::{FileId, Files, Span};
use super::tree::{Entry, Node, Table, Value};

/// Reads a file of the registry.
///
/// Returns all syntax errors. The table then holds what can be told for certain: what stands on a
/// broken line, or in a value that is never closed, is left out.
pub fn parse(files: &Files, id: FileId) -> (Table, Vec<Problem>) {
    let text = files.text(id);
    let (mut root, mut errors) = DeTable::parse_recoverable(text);
    let patched = without_stops(text, &errors);
    if let Some(patched) = &patched {
        let again = DeTable::parse_recoverable(patched);
        root = again.0;
        errors.retain(stops);
        errors.extend(again.1);
    }
    let mut reader = Reader {
        text,
        file: id,
        errors: errors.iter().map(|error| place(error, text)).collect(),
        problems: Vec::new(),
    };
    let mut table = reader.table(root.get_ref(), 0..0);
    if !errors.is_empty() {
        reader.problems = reader.syntax_problems(files, &errors, &table);
        reader.drop_suspects(&mut table);
    }
    (table, reader.problems)
}

/// A line that is no `key = value` ends the parser's tree (not its errors).
fn stops(error: &Error) -> bool {
    error.message().starts_with("key with no value")
}

/// The text with these lines blank, every other byte in its place.
fn without_stops(text: &str, errors: &[Error]) -> Option<String> {
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

/// Turns the borrowed tree of the parser into ours.
struct Reader<'a> {
    text: &'a str,
    file: FileId,
    /// Where the syntax errors are.
    errors: Vec<Range<usize>>,
    problems: Vec<Problem>,
}

impl Reader<'_> {
    fn table(&mut self, source: &DeTable<'_>, range: Range<usize>) -> Table {
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
            span: self.span(range),
            broken: !self.errors.is_empty(),
        }
    }

    fn node(&mut self, source: &DeValue<'_>, range: Range<usize>) -> Node {
        let span = self.span(range.clone());
        let value = match source {
            DeValue::String(text) => Value::Text(text.to_string()),
            DeValue::Integer(digits) => i64::from_str_radix(digits.as_str(), digits.radix())
                .map_or_else(|_| self.too_large(span), Value::Integer),
            DeValue::Float(digits) => digits
                .as_str()
                .parse()
                .map_or_else(|_| self.too_large(span), Value::Float),
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

    fn too_large(&mut self, span: Span) -> Value {
        self.problems.push(problem(
            span,
            "a number that does not fit in 64 bits",
            "too large",
            "write a smaller number",
        ));
        Value::Integer(0)
    }

    fn span(&self, range: Range<usize>) -> Span {
        Span {
            file: self.file,
            start: range.start,
            end: range.end,
        }
    }

    /// One problem per mistake: the parser resumes inside what is broken and stumbles again.
    fn syntax_problems(&self, files: &Files, errors: &[Error], table: &Table) -> Vec<Problem> {
        let mut errors: Vec<(&Error, Range<usize>)> =
            errors.iter().zip(self.errors.iter().cloned()).collect();
        errors.sort_by_key(|(_, place)| place.start);
        let mut problems = Vec::new();
        if let Some(open) = self.never_closed(&errors, table) {
            errors.retain(|(error, place)| place.start <= open || is_string_error(error));
            if !errors
                .iter()
                .any(|(error, place)| place.start > open && is_string_error(error))
            {
                problems.push(problem(
                    self.span(open..open + 1),
                    "not valid TOML: this bracket is never closed",
                    "opened here",
                    "add the closing bracket",
                ));
            }
        }
        let mut last_line = None;
        for (error, place) in errors {
            let span = self.span(place);
            let line = Some(files.line(span).number);
            if line != last_line {
                problems.push(syntax_problem(span, error.message()));
            }
            last_line = line;
        }
        problems
    }

    /// Where the first list or inline table begins that is broken, if one is never closed.
    fn never_closed(&self, errors: &[(&Error, Range<usize>)], table: &Table) -> Option<usize> {
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
                self.errors
                    .iter()
                    .any(|at| (span.start..=span.end).contains(&at.start))
            })
            .map(|span| span.start)
            .min()
    }

    fn drop_suspects(&self, table: &mut Table) {
        table.entries.retain(|entry| !self.is_suspect(entry));
        for entry in &mut table.entries {
            self.drop_in(&mut entry.node);
        }
    }

    fn drop_in(&self, node: &mut Node) {
        match &mut node.value {
            Value::Table(table) => self.drop_suspects(table),
            Value::List(list) => list.iter_mut().for_each(|node| self.drop_in(node)),
            Value::Text(_)
            | Value::Integer(_)
            | Value::Float(_)
            | Value::Flag(_)
            | Value::Time(_) => {}
        }
    }

    /// Whether a syntax error is on the lines of this key and its value.
    fn is_suspect(&self, entry: &Entry) -> bool {
        let key = entry.name_span;
        // The value of a key without one has no place of its own.
        let end = entry.node.span.end.max(key.end);
        let start = self
            .text
            .get(..key.start)
            .and_then(|before| before.rfind('\n'));
        let end = self
            .text
            .get(end..)
            .and_then(|after| after.find('\n'))
            .map(|more| end + more);
        let lines = start.map_or(0, |newline| newline + 1)..=end.unwrap_or(self.text.len());
        entry.name.is_empty() || self.errors.iter().any(|at| lines.contains(&at.start))
    }
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
        list.iter().for_each(|item| collect(item, header, spans));
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

fn place(error: &Error, text: &str) -> Range<usize> {
    error.span().unwrap_or(text.len()..text.len())
}

/// `Error::message` holds only texts of the parser's own, never a part of the file. (Its `Display`
/// prints the whole line, so that is not used.)
fn syntax_problem(span: Span, message: &str) -> Problem {
    let hint = HINTS.iter().find(|(start, _)| message.starts_with(start));
    let fix = hint.map_or("see the syntax at https://toml.io", |(_, fix)| fix);
    problem(span, &format!("not valid TOML: {message}"), "here", fix)
}

fn problem(span: Span, message: &str, label: &str, fix: &str) -> Problem {
    Problem {
        span: Some(span),
        file: Some(span.file),
        severity: Severity::Error,
        message: message.to_owned(),
        label: label.to_owned(),
        fix: fix.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What remains at the root, and `line: message` of each problem.
    fn read(text: &str) -> (Vec<String>, Vec<String>) {
        let mut files = Files::new();
        let file = files.add("a.toml", text);
        let (table, problems) = parse(&files, file);
        let names = table.entries.into_iter().map(|entry| entry.name).collect();
        let told = |problem: Problem| {
            let line = files.position(problem.span.unwrap()).line;
            format!(
                "{line}: {}",
                problem.message.trim_start_matches("not valid TOML: ")
            )
        };
        (names, problems.into_iter().map(told).collect())
    }

    #[test]
    fn keeps_the_order_of_the_file_and_the_place_of_each_key_and_value() {
        let text = "z = 'one'\n[provider.acme]\na = [1, 'x']\n[[route]]\n[[route]]\n";
        let mut files = Files::new();
        let file = files.add("a.toml", text);
        let (table, problems) = parse(&files, file);
        assert_eq!(problems, []);
        let at = |span: Span| text.get(span.start..span.end).unwrap();
        let names: Vec<&str> = table
            .entries
            .iter()
            .map(|entry| at(entry.name_span))
            .collect();
        assert_eq!(names, ["z", "provider", "route"]);
        assert_eq!(at(table.get("z").unwrap().span), "'one'");
        let acme = table.table("provider").unwrap().get("acme").unwrap();
        assert_eq!(at(acme.span), "[provider.acme]");
        assert_eq!(at(acme.table().unwrap().list("a").unwrap()[1].span), "'x'");
        let routes = table.list("route").unwrap();
        assert_eq!(
            routes
                .iter()
                .map(|route| at(route.span))
                .collect::<Vec<_>>(),
            ["[[route]]"; 2]
        );
        assert!(!table.is_broken());
    }

    #[test]
    fn reports_every_syntax_error_once_and_drops_what_it_touches() {
        for (text, names, told) in [
            (
                "a = \"x\nb = MARK\nc 1\nd = 4\n",
                &["d"][..],
                &[
                    "1: invalid basic string, expected `\"`",
                    "2: string values must be quoted, expected literal string",
                    "3: key with no value, expected `=`",
                ][..],
            ),
            ("a = 1\na = 2\nb = 3\n", &["a", "b"], &["2: duplicate key"]),
            (
                "a = { b = 1\nc = 2\n[d]\ne = 3\n",
                &[],
                &["1: this bracket is never closed"],
            ),
            (
                "a = [1,\nb = 2\nc = 3\n",
                &[],
                &["1: this bracket is never closed"],
            ),
            (
                "a = [{ b = 'x }]\nc = 3\n",
                &[],
                &["1: invalid literal string, expected `'`"],
            ),
            (
                "a = \"x\nMARK==\nd = 4\n",
                &["d"],
                &[
                    "1: invalid basic string, expected `\"`",
                    "2: extra `=`, expected nothing",
                ],
            ),
            (
                "[a\nb = 1\n[c]\n",
                &["c"],
                &["1: unclosed table, expected `]`"],
            ),
            (
                "= 1\nb = 2\n",
                &["b"],
                &["1: unquoted keys cannot be empty, expected letters, numbers, `-`, `_`"],
            ),
            (
                "a = 99999999999999999999\n",
                &["a"],
                &["1: a number that does not fit in 64 bits"],
            ),
            (
                "a = 2026-13-45\n",
                &[],
                &["1: invalid date, expected month between 01 and 12"],
            ),
        ] {
            let (left, problems) = read(text);
            assert_eq!(
                (left, problems),
                (
                    names.iter().map(ToString::to_string).collect(),
                    told.iter().map(ToString::to_string).collect(),
                ),
                "{text}"
            );
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_gives_spans_inside_the_text(text in r#"([a-z\[\]{}=.,"'#\n 0-9é-]|secret|""")*"#) {
            let mut files = Files::new();
            let file = files.add("a.toml", text.as_str());
            let (table, problems) = parse(&files, file);
            for problem in &problems {
                let span = problem.span.unwrap();
                proptest::prop_assert!(text.get(span.start..span.end.min(text.len())).is_some());
            }
            proptest::prop_assert_eq!(table.is_broken(), !problems.is_empty());
        }
    }
}
