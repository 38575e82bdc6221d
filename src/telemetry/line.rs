//! One log line: JSON for machines, words for people.

use std::fmt::Write as _;

/// A line being written. Every text is escaped: what an attacker sends can neither end a line nor
/// reach a terminal as a control code.
#[derive(Debug)]
pub struct Line {
    text: String,
    json: bool,
}

impl Line {
    /// Starts a line of the given level.
    pub fn new(json: bool, time: &str, level: &str, message: &str) -> Self {
        let mut line = Self {
            text: String::with_capacity(512),
            json,
        };
        if json {
            line.text.push_str("{\"ts\":\"");
            line.text.push_str(time);
            line.text.push_str("\",\"level\":\"");
            line.text.push_str(level);
            line.text.push('"');
            line.field("msg", message);
        } else {
            let clock = time.get(11..19).unwrap_or(time);
            // Writing to a String cannot fail.
            let _ = write!(line.text, "{clock} {level:<5} ");
            escape(&mut line.text, message);
        }
        line
    }

    /// Adds a text field.
    pub fn field(&mut self, name: &str, value: &str) {
        self.name(name);
        let bare = !self.json
            && !value.is_empty()
            && value.bytes().all(|b| b.is_ascii_graphic() && b != b'"');
        if !bare {
            self.text.push('"');
        }
        escape(&mut self.text, value);
        if !bare {
            self.text.push('"');
        }
    }

    /// Adds a number or another value that needs no escaping.
    pub fn number(&mut self, name: &str, value: impl std::fmt::Display) {
        self.name(name);
        let _ = write!(self.text, "{value}");
    }

    /// Ends the line.
    pub fn end(mut self) -> String {
        self.text.push_str(if self.json { "}\n" } else { "\n" });
        self.text
    }

    fn name(&mut self, name: &str) {
        if self.json {
            self.text.push_str(",\"");
            self.text.push_str(name);
            self.text.push_str("\":");
        } else {
            self.text.push(' ');
            self.text.push_str(name);
            self.text.push('=');
        }
    }
}

/// Appends `value` as the inside of a JSON string in plain ASCII: control characters, C1 codes and
/// the marks that turn text around included.
pub(super) fn escape(text: &mut String, value: &str) {
    for character in value.chars() {
        match character {
            '"' | '\\' => {
                text.push('\\');
                text.push(character);
            }
            ' '..='~' => text.push(character),
            _ => {
                let mut units = [0; 2];
                for unit in character.encode_utf16(&mut units) {
                    let _ = write!(text, "\\u{unit:04x}");
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_text_stays_inside_its_field() {
        for value in [
            "a\nb",
            "\"}\r\n{\"",
            "\u{1b}[31m",
            "\u{9b}31m",
            "\u{202e}x",
            "\\",
            "é🙂",
            "\0",
        ] {
            let mut line = Line::new(true, "2026-01-01T00:00:00Z", "info", "x");
            line.field("path", value);
            let text = line.end();
            assert_eq!(text.matches('\n').count(), 1, "{value:?}");
            assert!(
                text.bytes()
                    .all(|b| b == b'\n' || (b' '..=b'~').contains(&b)),
                "{value:?}"
            );
            let back: serde_json::Value = serde_json::from_str(&text).unwrap();
            assert_eq!(back["path"], value);

            let mut line = Line::new(false, "2026-01-01T00:00:00Z", "info", "x");
            line.field("path", value);
            assert!(
                line.end()
                    .trim_end()
                    .bytes()
                    .all(|b| (b' '..=b'~').contains(&b))
            );
        }
    }
}
