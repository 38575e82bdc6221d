//! What is wrong with a configuration, where, and what to do about it.

use super::source::{FileId, Span};

/// Whether a problem stops the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// The configuration cannot be used.
    Error,
    /// It can, but something in it deserves a look.
    Warning,
}

/// One thing that is wrong. Its texts never contain a value of the file that could be a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The token to mark.
    pub span: Option<Span>,
    /// The file, where no token can be named.
    pub file: Option<FileId>,
    /// Error or warning.
    pub severity: Severity,
    /// What is wrong: lower-case, no full stop.
    pub message: String,
    /// A few words under the marks.
    pub label: String,
    /// What to do.
    pub fix: String,
}

/// Everything found so far: nothing is reported one at a time.
#[derive(Debug, Clone, Default)]
pub struct Problems(Vec<Problem>);

impl Problems {
    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds one; the same again is no news (two routes of one provider).
    pub fn push(&mut self, problem: Problem) {
        if !self.0.contains(&problem) {
            self.0.push(problem);
        }
    }

    /// Whether an error about this very token was found: another would only be its consequence.
    pub fn has_error_at(&self, span: Span) -> bool {
        self.0
            .iter()
            .any(|problem| problem.severity == Severity::Error && problem.span == Some(span))
    }

    /// Adds an error about the token at `span`.
    pub fn error(
        &mut self,
        span: Span,
        message: impl Into<String>,
        label: impl Into<String>,
        fix: impl Into<String>,
    ) {
        self.push(at(
            Severity::Error,
            span,
            message.into(),
            label.into(),
            fix.into(),
        ));
    }

    /// Adds a warning about the token at `span`.
    pub fn warning(
        &mut self,
        span: Span,
        message: impl Into<String>,
        label: impl Into<String>,
        fix: impl Into<String>,
    ) {
        self.push(at(
            Severity::Warning,
            span,
            message.into(),
            label.into(),
            fix.into(),
        ));
    }

    /// Adds an error about a whole file, or about no file.
    pub fn file_error(
        &mut self,
        file: Option<FileId>,
        message: impl Into<String>,
        fix: impl Into<String>,
    ) {
        self.push(Problem {
            span: None,
            file,
            severity: Severity::Error,
            message: message.into(),
            label: String::new(),
            fix: fix.into(),
        });
    }

    /// Whether nothing was found.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many errors.
    pub fn errors(&self) -> usize {
        self.count(Severity::Error)
    }

    /// How many warnings.
    pub fn warnings(&self) -> usize {
        self.count(Severity::Warning)
    }

    /// All of them, by file and position; those without a place come first.
    pub fn sorted(&self) -> Vec<&Problem> {
        let mut all: Vec<&Problem> = self.0.iter().collect();
        all.sort_by_key(|problem| {
            let file = problem.span.map(|span| span.file).or(problem.file);
            (file, problem.span.map(|span| span.start))
        });
        all
    }

    fn count(&self, severity: Severity) -> usize {
        self.0
            .iter()
            .filter(|problem| problem.severity == severity)
            .count()
    }
}

impl Extend<Problem> for Problems {
    fn extend<I: IntoIterator<Item = Problem>>(&mut self, problems: I) {
        problems.into_iter().for_each(|problem| self.push(problem));
    }
}

fn at(severity: Severity, span: Span, message: String, label: String, fix: String) -> Problem {
    Problem {
        span: Some(span),
        file: Some(span.file),
        severity,
        message,
        label,
        fix,
    }
}

#[cfg(test)]
mod tests {
    use super::super::source::Files;
    use super::*;

    #[test]
    fn sorts_by_file_and_position_and_counts_each_severity() {
        let mut files = Files::new();
        let (first, second) = (files.add("a", ""), files.add("b", ""));
        let mut problems = Problems::new();
        assert!(problems.is_empty());
        problems.error(
            Span {
                file: second,
                start: 0,
                end: 1,
            },
            "d",
            "",
            "",
        );
        problems.warning(
            Span {
                file: first,
                start: 9,
                end: 10,
            },
            "c",
            "",
            "",
        );
        problems.error(
            Span {
                file: first,
                start: 2,
                end: 3,
            },
            "b",
            "",
            "",
        );
        problems.file_error(None, "a", "");
        let order: Vec<&str> = problems
            .sorted()
            .iter()
            .map(|p| p.message.as_str())
            .collect();
        assert_eq!(order, ["a", "b", "c", "d"]);
        assert_eq!((problems.errors(), problems.warnings()), (3, 1));
    }
}
