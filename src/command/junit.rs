//! A report in the format of `JUnit`, which CI systems read.

use std::fmt::Write as _;

/// One test of a report.
pub(super) struct Reported<'a> {
    pub(super) name: &'a str,
    pub(super) route: &'a str,
    pub(super) seconds: f64,
    /// What was not as expected.
    pub(super) failure: Option<&'a str>,
}

/// The report of a suite.
pub(super) fn report(suite: &str, tests: &[Reported<'_>]) -> String {
    let failures = tests.iter().filter(|test| test.failure.is_some()).count();
    let seconds: f64 = tests.iter().map(|test| test.seconds).sum();
    let counts = format!(
        "tests=\"{}\" failures=\"{failures}\" time=\"{seconds:.3}\"",
        tests.len()
    );
    let mut text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites {counts}>\n  \
         <testsuite name=\"{}\" {counts}>\n",
        escaped(suite)
    );
    for test in tests {
        // Writing to a String cannot fail.
        let _ = write!(
            text,
            "    <testcase name=\"{}\" classname=\"{}\" time=\"{:.3}\"",
            escaped(test.name),
            escaped(test.route),
            test.seconds
        );
        let _ = match test.failure {
            None => writeln!(text, "/>"),
            Some(failure) => writeln!(
                text,
                ">\n      <failure message=\"{}\"/>\n    </testcase>",
                escaped(failure)
            ),
        };
    }
    text.push_str("  </testsuite>\n</testsuites>\n");
    text
}

/// As the value of an attribute (XML 1.0 §2.3); what XML cannot hold is a question mark.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\u{fffe}' | '\u{ffff}' => escaped.push('?'),
            _ if character.is_control() => escaped.push('?'),
            _ => escaped.push(character),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_break_out_of_its_attribute() {
        let test = |name, failure| Reported {
            name,
            route: "/a",
            seconds: 0.25,
            failure,
        };
        let text = report(
            "a.toml",
            &[test("good", None), test("<\"&'\n\u{1b}>", Some("\"x\""))],
        );
        assert_eq!(
            text,
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
             <testsuites tests=\"2\" failures=\"1\" time=\"0.500\">\n  \
             <testsuite name=\"a.toml\" tests=\"2\" failures=\"1\" time=\"0.500\">\n    \
             <testcase name=\"good\" classname=\"/a\" time=\"0.250\"/>\n    \
             <testcase name=\"&lt;&quot;&amp;'??&gt;\" classname=\"/a\" time=\"0.250\">\n      \
             <failure message=\"&quot;x&quot;\"/>\n    </testcase>\n  \
             </testsuite>\n</testsuites>\n"
        );
    }
}
