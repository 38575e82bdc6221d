//! The files a configuration was read from, and positions in them.

use std::fmt;

/// One file of a [`Files`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileId(usize);

/// A range of bytes in one file; `end` is exclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    /// The file.
    pub file: FileId,
    /// The first byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
}

/// Where a span begins, as an editor counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
}

/// One line of a file, without its line break.
#[derive(Clone, Copy)]
pub(crate) struct Line<'a> {
    pub(crate) number: usize,
    /// The offset of its first byte in the file.
    pub(crate) start: usize,
    pub(crate) text: &'a str,
}

/// Every file that was read, with its text.
#[derive(Clone, Default)]
pub struct Files(Vec<(String, String)>);

impl Files {
    /// No files yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Registers a file under the path to show for it.
    pub fn add(&mut self, path: impl Into<String>, text: impl Into<String>) -> FileId {
        self.0.push((path.into(), text.into()));
        FileId(self.0.len() - 1)
    }

    /// The path as shown to people. Empty for a file of another registry.
    pub fn path(&self, id: FileId) -> &str {
        self.0.get(id.0).map_or("", |(path, _)| path)
    }

    /// The whole text. Empty for a file of another registry.
    pub fn text(&self, id: FileId) -> &str {
        self.0.get(id.0).map_or("", |(_, text)| text)
    }

    /// Line and column of the first character of `span`.
    pub fn position(&self, span: Span) -> Position {
        let line = self.line(span);
        let before = self
            .text(span.file)
            .get(line.start..span.start)
            .unwrap_or("");
        Position {
            line: line.number,
            column: before.chars().count() + 1,
        }
    }

    /// The line on which `span` begins; the last one if it begins past the end.
    pub(crate) fn line(&self, span: Span) -> Line<'_> {
        let text = self.text(span.file);
        let before = text.get(..span.start).unwrap_or(text);
        let start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let rest = text.get(start..).unwrap_or("");
        let line = rest.split('\n').next().unwrap_or("");
        Line {
            number: memchr::memchr_iter(b'\n', before.as_bytes()).count() + 1,
            start,
            text: line.strip_suffix('\r').unwrap_or(line),
        }
    }
}

// Not derived: a text may hold an inline secret.
impl fmt::Debug for Files {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.0.iter().map(|(path, _)| path))
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_lines_from_one_and_columns_in_characters() {
        let mut files = Files::new();
        files.add("other.toml", "x");
        let file = files.add("a.toml", "a = 1\r\nmüß = 2\n");
        for (start, line, column, text) in [
            (0, 1, 1, "a = 1"),
            (4, 1, 5, "a = 1"),
            (7, 2, 1, "müß = 2"),
            (14, 2, 6, "müß = 2"), // "= 2": two characters before it are two bytes long
            (17, 3, 1, ""),
            (99, 3, 1, ""),
        ] {
            let span = Span {
                file,
                start,
                end: start,
            };
            assert_eq!(files.position(span), Position { line, column }, "{start}");
            assert_eq!(files.line(span).text, text, "{start}");
        }
    }

    #[test]
    fn debug_prints_no_text() {
        let mut files = Files::new();
        files.add("a.toml", "secret = 'hunter2'");
        assert_eq!(format!("{files:?}"), r#"["a.toml"]"#);
    }
}
