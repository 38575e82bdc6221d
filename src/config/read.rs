//! Text to tree, and every syntax error on the way.

use std::ops::Range;

use toml::de::{DeTable, DeValue};

use super::problem::Problem;
use super::source::{FileId, Files, Span};
use super::syntax;
use super::tree::{Entry, Node, Table, Value};

/// Reads a file of the registry.
///
/// Returns all syntax errors. The table then holds what can be told for certain: what stands on a
/// broken line, or in a value that is never closed, is left out.
pub fn parse(files: &Files, id: FileId) -> (Table, Vec<Problem>) {
    let text = files.text(id);
    let (mut root, mut errors) = DeTable::parse_recoverable(text);
    let patched = syntax::without_stops(text, &errors);
    if let Some(patched) = &patched {
        let again = DeTable::parse_recoverable(patched);
        root = again.0;
        errors.retain(syntax::stops);
        errors.extend(again.1);
    }
    let mut reader = Reader {
        text,
        file: id,
        errors: errors
            .iter()
            .map(|error| syntax::place(error, text))
            .collect(),
        problems: Vec::new(),
    };
    let mut table = reader.table(root.get_ref(), 0..0);
    if !errors.is_empty() {
        reader.problems = syntax::problems(files, id, &errors, &table);
        reader.drop_suspects(&mut table);
    }
    (table, reader.problems)
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
        self.problems.push(syntax::problem(
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
