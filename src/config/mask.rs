//! The line of a file as it may be printed: without anything that could be a secret.
//!
//! Only what is known to be harmless stays: keys, punctuation, and values of keys that are known
//! and do not lead to a secret. All else becomes `*`, character by character.

use std::collections::BTreeSet;
use std::ops::Range;

use super::grammar::{self, SECRET_SOURCE};
use super::nearest::nearest;
use super::source::{FileId, Files, Line, Span};
use super::tree::{self, Node, Table, Value};

/// What may be shown of one file.
pub(crate) struct Mask {
    keys: BTreeSet<&'static str>,
    /// `None` for a file with syntax errors: there no token can be told for certain.
    tokens: Option<Vec<Token>>,
}

struct Token {
    span: Span,
    shown: Shown,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Shown {
    Always,
    /// The quotes only.
    Never,
    /// If a problem is about this token.
    WhenMarked,
}

impl Mask {
    /// Reads the file once more: a mask owes nothing to the texts of a problem.
    pub(crate) fn new(files: &Files, id: FileId) -> Self {
        let keys = grammar::key_names();
        let (table, problems) = tree::parse(files, id);
        let tokens = (!table.is_broken() && problems.is_empty()).then(|| {
            let text = files.text(id);
            let mut walk = Walk {
                text,
                keys: &keys,
                secrets: grammar::secret_names(),
                choices: grammar::choice_words(),
                tokens: Vec::new(),
            };
            walk.table(&table, true, false);
            walk.tokens
        });
        Self { keys, tokens }
    }

    /// The line as it may be printed, and where in it the marks go.
    pub(crate) fn line(&self, line: Line<'_>, marked: Span) -> (String, Range<usize>) {
        let shown = match &self.tokens {
            Some(tokens) => known_line(&self.keys, tokens, line, marked),
            None => broken_line(&self.keys, line, marked),
        };
        let shown: Vec<char> = shown
            .into_iter()
            .map(|c| if c == '\t' { c } else { printable(c) })
            .collect();
        // A mask may be shorter than what it hides: count characters, not bytes.
        let before = |limit: usize| {
            let offsets = line.text.char_indices().map(|(at, _)| line.start + at);
            let count = offsets.filter(|at| *at < limit).count();
            let shown = shown.iter().take(count);
            shown.map(|character| character.len_utf8()).sum::<usize>()
        };
        let range = before(marked.start)..before(marked.end.max(marked.start));
        (shown.iter().collect(), range)
    }
}

/// Collects what may be shown of a tree.
struct Walk<'a> {
    text: &'a str,
    keys: &'a BTreeSet<&'static str>,
    secrets: BTreeSet<&'static str>,
    choices: BTreeSet<&'static str>,
    tokens: Vec<Token>,
}

impl Walk<'_> {
    fn table(&mut self, table: &Table, root: bool, hidden: bool) {
        for entry in &table.entries {
            let known = self.keys.contains(entry.name.as_str());
            self.push(entry.name_span, key_shown(&entry.name, known, hidden));
            let named = root && entry.name == "provider";
            if let (true, Value::Table(providers)) = (named, &entry.node.value) {
                // Under `provider` stand names of the user's choice.
                self.header(&entry.node, hidden);
                for provider in &providers.entries {
                    self.push(provider.name_span, Shown::Always);
                    self.node(&provider.node, hidden);
                }
                continue;
            }
            let secret = self.secrets.contains(entry.name.as_str());
            self.node(&entry.node, hidden || !known || secret);
        }
    }

    fn node(&mut self, node: &Node, hidden: bool) {
        match &node.value {
            Value::Table(table) => {
                self.header(node, hidden);
                self.table(table, false, hidden);
            }
            Value::List(list) => list.iter().for_each(|node| self.node(node, hidden)),
            Value::Text(text) if !hidden && self.choices.contains(text.as_str()) => {
                self.push(node.span, Shown::Always);
            }
            Value::Text(_) if !hidden => self.push(node.span, Shown::WhenMarked),
            Value::Text(_) => self.push(node.span, Shown::Never),
            Value::Integer(_) | Value::Float(_) | Value::Flag(_) | Value::Time(_) => {
                self.push(node.span, if hidden { Shown::Never } else { Shown::Always });
            }
        }
    }

    /// Not every part of a `[header]` is the place of a key.
    fn header(&mut self, node: &Node, hidden: bool) {
        let bracket = self.text.as_bytes().get(node.span.start) == Some(&b'[');
        if bracket && !hidden {
            self.push(node.span, Shown::WhenMarked);
        }
    }

    fn push(&mut self, span: Span, shown: Shown) {
        self.tokens.push(Token { span, shown });
    }
}

fn key_shown(name: &str, known: bool, hidden: bool) -> Shown {
    if known {
        Shown::Always
    } else if hidden && nearest(name, SECRET_SOURCE.keys.iter().map(|key| key.name)).is_none() {
        // Beside a secret a strange key may be the secret.
        Shown::Never
    } else {
        Shown::WhenMarked
    }
}

fn known_line(
    keys: &BTreeSet<&'static str>,
    tokens: &[Token],
    line: Line<'_>,
    marked: Span,
) -> Vec<char> {
    let known = word_ranges(line.text, |word, _| keys.contains(word));
    let end = line.start + line.text.len();
    let on_it = |token: &&Token| token.span.start < end && line.start < token.span.end;
    let tokens: Vec<_> = tokens.iter().filter(on_it).collect();
    let mut shown = Vec::new();
    for (offset, character) in line.text.char_indices() {
        let at = line.start + offset;
        let in_word = known.iter().any(|range| range.contains(&offset));
        let token = tokens
            .iter()
            .rfind(|token| (token.span.start..token.span.end).contains(&at));
        let Some(Token { span, shown: kind }) = token else {
            if character == '#' {
                // A comment: perhaps last year's secret.
                let rest = line.text.len().saturating_sub(offset);
                if marked.start > at {
                    shown.extend(std::iter::repeat_n('*', rest));
                }
                break;
            }
            let harmless = "[]{}=,.\"' \t".contains(character);
            shown.push(if in_word || harmless { character } else { '*' });
            continue;
        };
        let visible = match kind {
            Shown::Always => true,
            Shown::WhenMarked if span.start <= marked.start && marked.end <= span.end => true,
            Shown::Never | Shown::WhenMarked => {
                let edge = at == span.start || at + 1 == span.end;
                edge && matches!(character, '"' | '\'')
            }
        };
        shown.push(if visible { character } else { '*' });
    }
    while shown
        .last()
        .is_some_and(|character| character.is_whitespace())
    {
        shown.pop();
    }
    shown
}

/// Where quotes may be missing any word can be a piece of a secret. Known keys stay, and a marked
/// one that is nearly known.
fn broken_line(keys: &BTreeSet<&'static str>, line: Line<'_>, marked: Span) -> Vec<char> {
    let known = word_ranges(line.text, |word, range| {
        let rest = line.text.get(range.end..).unwrap_or("").trim_start();
        let is_marked = line.start + range.start == marked.start
            && line.start + range.end == marked.end
            && nearest(word, keys.iter().copied()).is_some();
        rest.starts_with(['=', '.', ']']) && (is_marked || keys.contains(word))
    });
    let header = line.text.trim_start().starts_with('[');
    line.text
        .char_indices()
        .map(|(offset, character)| {
            let in_word = known.iter().any(|range| range.contains(&offset));
            let dot = character == '.' && header;
            let harmless = dot || "[]{}=,\"' \t".contains(character);
            if in_word || harmless { character } else { '*' }
        })
        .collect()
}

/// The character, unless a terminal would obey it: control characters, and those that turn the
/// direction of writing. A key may hold either.
pub(crate) fn printable(c: char) -> char {
    let turns =
        matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    if c.is_control() || turns {
        char::REPLACEMENT_CHARACTER
    } else {
        c
    }
}

/// Where the words are that `keep` accepts.
fn word_ranges(text: &str, keep: impl Fn(&str, &Range<usize>) -> bool) -> Vec<Range<usize>> {
    let mut ranges = Vec::new();
    let mut start = None;
    let end = [(text.len(), ' ')];
    for (at, character) in text.char_indices().chain(end) {
        if character.is_ascii_alphanumeric() || matches!(character, '_' | '-') {
            start.get_or_insert(at);
        } else if let Some(start) = start.take() {
            ranges.push(start..at);
        }
    }
    ranges.retain(|range| {
        text.get(range.clone())
            .is_some_and(|word| keep(word, range))
    });
    ranges
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The line on which `token` stands, masked for a problem about `token`.
    fn masked(text: &str, token: &str) -> String {
        let mut files = Files::new();
        let file = files.add("a.toml", text);
        let start = text.find(token).unwrap();
        let span = Span {
            file,
            start,
            end: start + token.len(),
        };
        let (line, range) = Mask::new(&files, file).line(files.line(span), span);
        assert_eq!(
            line.get(range.clone()).unwrap().chars().count(),
            token.lines().next().unwrap().chars().count(),
            "{range:?} of {line}",
        );
        line
    }

    #[test]
    fn shows_keys_numbers_choices_and_the_marked_text() {
        for (text, token, line) in [
            ("[server]\nlisten = 'me'", "'me'", "listen = 'me'"),
            ("[server]\nlisten = 'me'", "listen", "listen = '**'"),
            (
                "listen = \"\"\"a\nb, = c\"\"\"\nsecret = 'x'",
                "b, = c",
                "b, = c\"\"\"",
            ),
            (
                "docs = { mark = 'x', url = 5 }",
                "{ mark = 'x', url = 5 }",
                "docs = { **** = '*', url = 5 }",
            ),
            (
                "[limits]\nheader_count = 12 # since May",
                "12",
                "header_count = 12",
            ),
            (
                "verify = [{ scheme = 'hmac', header = 'X' }]",
                "scheme",
                "verify = [{ scheme = 'hmac', header = '*' }]",
            ),
            (
                "event.type = 1\nevent.id = {json = 'é'}",
                "'é'",
                "event.id = {json = 'é'}",
            ),
            (
                "[provider.acme]\n[[provider.acme.verify]]",
                "[[provider.acme.verify]]",
                "[[provider.acme.verify]]",
            ),
        ] {
            assert_eq!(masked(text, token), line);
        }
    }

    #[test]
    fn hides_what_stands_under_a_secret_or_unknown_key() {
        for (text, token, line) in [
            ("secret = 'hunter2'", "'hunter2'", "secret = '*******'"),
            ("secret = 4711", "4711", "secret = ****"),
            (
                "secret = [{ env = 'A' }, 'x']",
                "'A'",
                "secret = [{ env = '*' }, '*']",
            ),
            (
                "sceret = { file = 'é' }",
                "sceret",
                "sceret = { file = '*' }",
            ),
            (
                "secret = { whsec_x = 1, files = 2 }",
                "whsec_x",
                "secret = { ******* = *, ***** = * }",
            ),
            ("secret = { fil = 'x' }", "fil", "secret = { fil = '*' }"),
            (
                "public_key = '''a\nb, c'''",
                "'''a\nb, c'''",
                "public_key = '***",
            ),
        ] {
            assert_eq!(masked(text, token), line);
        }
    }

    #[test]
    fn hides_all_but_keys_in_a_file_with_syntax_errors() {
        for (text, token, line) in [
            ("secret = 'hunter2", "'hunter2", "secret = '*******"),
            ("secret = 'a\nhunter2=='", "hunter2", "*******=='"),
            ("lisen = 'x'\nb", "lisen", "lisen = '*'"),
            ("[provider.acme\nb", "acme", "[provider.****"),
            ("secret = lisen text", "lisen", "secret = ***** ****"),
            ("secret = path text", "path", "secret = **** ****"),
        ] {
            assert_eq!(masked(text, token), line);
        }
    }
}
