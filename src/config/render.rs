//! Problems as text for a terminal.

use std::collections::BTreeMap;

use annotate_snippets::{Annotation, AnnotationKind, Group, Level, Origin, Renderer, Snippet};

use super::mask::{self, Mask};
use super::problem::{Problem, Problems, Severity};
use super::source::{FileId, Files};

/// All problems, each with its place, the marked token and the fix.
///
/// Of a file only the marked line is printed, and of that nothing that could be a secret.
pub fn render(problems: &Problems, files: &Files, color: bool) -> String {
    let renderer = if color {
        Renderer::styled()
    } else {
        Renderer::plain()
    };
    let mut masks: BTreeMap<FileId, Mask> = BTreeMap::new();
    let mut text = String::new();
    for problem in problems.sorted() {
        if !text.is_empty() {
            text.push('\n');
        }
        let snippet = problem.span.map(|span| {
            let mask = masks
                .entry(span.file)
                .or_insert_with(|| Mask::new(files, span.file));
            let line = files.line(span);
            let (shown, marks) = mask.line(line, span);
            let annotation = AnnotationKind::Primary
                .span(marks)
                .label(printable(&problem.label));
            Snippet::source(shown)
                .path(printable(files.path(span.file)))
                .line_start(line.number)
                .annotation(annotation)
        });
        text.push_str(&renderer.render(&report(problem, snippet, files)));
        text.push('\n');
    }
    text
}

fn report<'a>(
    problem: &Problem,
    snippet: Option<Snippet<'a, Annotation<'a>>>,
    files: &Files,
) -> Vec<Group<'a>> {
    let level = match problem.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let mut group = Group::with_title(level.primary_title(printable(&problem.message)));
    if let Some(snippet) = snippet {
        group = group.element(snippet);
    } else if let Some(file) = problem.file {
        group = group.element(Origin::path(printable(files.path(file))));
    }
    let mut groups = vec![group];
    if !problem.fix.is_empty() {
        let fix = Level::HELP.secondary_title(printable(&problem.fix));
        groups.push(Group::with_title(fix));
    }
    groups
}

fn printable(text: &str) -> String {
    text.chars().map(mask::printable).collect()
}

#[cfg(test)]
mod tests {
    use super::super::source::Span;
    use super::*;

    fn files(text: &str) -> (Files, FileId) {
        let mut files = Files::new();
        let file = files.add("sidecar.toml", text);
        (files, file)
    }

    #[test]
    fn prints_place_marks_and_fix_of_each_problem_in_order() {
        let (files, file) = files("[[route]]\nprovidr = \"prelude\"\nmode = \"enforced\"\n");
        let mut problems = Problems::new();
        let mode = Span {
            file,
            start: 37,
            end: 47,
        };
        problems.warning(
            mode,
            "`mode` has no such choice",
            "not one of the choices",
            "write enforce",
        );
        let key = Span {
            file,
            start: 10,
            end: 17,
        };
        problems.error(
            key,
            "unknown key `providr`",
            "not known here",
            "did you mean `provider`?",
        );
        problems.file_error(Some(file), "no route", "");
        let expected = "\
error: no route
--> sidecar.toml

error: unknown key `providr`
 --> sidecar.toml:2:1
  |
2 | providr = \"*******\"
  | ^^^^^^^ not known here
  |
help: did you mean `provider`?

warning: `mode` has no such choice
 --> sidecar.toml:3:8
  |
3 | mode = \"enforced\"
  |        ^^^^^^^^^^ not one of the choices
  |
help: write enforce
";
        assert_eq!(render(&problems, &files, false), expected);
    }

    #[test]
    fn the_column_counts_characters_even_behind_a_mask() {
        let (files, file) = files("event = { id = 'é€', known = 5 }");
        let start = files.text(file).find('5').unwrap();
        let mut problems = Problems::new();
        problems.error(
            Span {
                file,
                start,
                end: start + 1,
            },
            "m",
            "l",
            "",
        );
        let shown = render(&problems, &files, false);
        let expected = "\
error: m
 --> sidecar.toml:1:30
  |
1 | event = { id = '**', known = 5 }
  |                              ^ l
";
        assert_eq!(shown, expected);
    }

    #[test]
    fn no_control_character_of_a_file_reaches_the_terminal() {
        let (files, file) = files("\"\\u001b[31m\u{9b}\" = 1\n");
        let mut problems = Problems::new();
        let span = Span {
            file,
            start: 0,
            end: 14,
        };
        problems.error(
            span,
            "unknown \u{1b}[31m",
            "\u{1b}[31m",
            "\u{202e}\u{9b}31m",
        );
        let shown = render(&problems, &files, false);
        assert!(
            !shown.contains(['\u{1b}', '\u{9b}', '\u{202e}']),
            "{shown:?}"
        );
        assert!(render(&problems, &files, true).contains('\u{1b}'));
    }
}
