//! One log line: JSON for machines, words for people.

use std::fmt::Write as _;
use std::time::Duration;

/// A line being written. Every text is escaped: what an attacker sends can neither end a line nor
/// reach a terminal as a control code.
#[derive(Debug)]
pub struct Line<'b> {
    text: &'b mut String,
    json: bool,
}

impl<'b> Line<'b> {
    /// Starts a line of the given level at the end of `text`.
    pub fn new(text: &'b mut String, json: bool, time: &str, level: &str, message: &str) -> Self {
        let mut line = Self { text, json };
        if json {
            line.text.push_str("{\"ts\":\"");
            line.text.push_str(time);
            line.text.push_str("\",\"level\":\"");
            line.text.push_str(level);
            line.text.push('"');
            line.field(name!("msg"), message);
        } else {
            let clock = time.get(11..19).unwrap_or(time);
            // Writing to a String cannot fail.
            let _ = write!(line.text, "{clock} {level:<5} ");
            escape(line.text, message);
        }
        line
    }

    /// Adds a text field.
    pub fn field(&mut self, name: Name, value: &str) {
        let quoted = self.json || !is_word(value);
        self.open(name, quoted);
        escape(self.text, value);
        if quoted {
            self.text.push('"');
        }
    }

    /// Adds a field whose text gatepost has made itself: letters, digits and the like, of which
    /// none has to be escaped.
    pub fn word(&mut self, name: Name, value: &str) {
        debug_assert!(is_word(value) && is_plain(value.as_bytes()), "{value}");
        self.open(name, self.json);
        self.text.push_str(value);
        if self.json {
            self.text.push('"');
        }
    }

    /// Adds a time in milliseconds, with three digits after the point.
    pub fn milliseconds(&mut self, name: Name, time: Duration) {
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        self.number(name, micros / 1000);
        thousandths(self.text, micros % 1000);
    }

    /// Adds a number.
    pub fn number(&mut self, name: Name, value: impl itoa::Integer) {
        self.open(name, false);
        self.text.push_str(itoa::Buffer::new().format(value));
    }

    /// Adds yes or no.
    pub fn flag(&mut self, name: Name, value: bool) {
        self.open(name, false);
        self.text.push_str(if value { "true" } else { "false" });
    }

    /// Ends the line.
    pub fn end(self) {
        self.text.push_str(if self.json { "}\n" } else { "\n" });
    }

    fn open(&mut self, name: Name, quoted: bool) {
        let [words, quoted_words, json, quoted_json] = name.0;
        self.text.push_str(match (self.json, quoted) {
            (false, false) => words,
            (false, true) => quoted_words,
            (true, false) => json,
            (true, true) => quoted_json,
        });
    }
}

/// The name of a field, as it is written before its value: in words and in JSON, each without and
/// with the quote that opens a text. Made by `name!` when gatepost is compiled: to put it together
/// for every line would cost as much as the rest of the line.
#[derive(Debug, Clone, Copy)]
pub struct Name(pub(crate) [&'static str; 4]);

/// A [`Name`].
macro_rules! name {
    ($name:literal) => {
        $crate::telemetry::Name([
            concat!(" ", $name, "="),
            concat!(" ", $name, "=\""),
            concat!(",\"", $name, "\":"),
            concat!(",\"", $name, "\":\""),
        ])
    };
}
pub(crate) use name;

/// Appends a point and three digits.
pub(super) fn thousandths(text: &mut String, number: u64) {
    text.push('.');
    for unit in [100, 10, 1] {
        let digit = u8::try_from(number / unit % 10).unwrap_or(0);
        text.push(char::from(b'0' + digit));
    }
}

/// Whether people can tell where it ends without quotes.
fn is_word(value: &str) -> bool {
    let visible = |b: u8| b.is_ascii_graphic() && b != b'"';
    !value.is_empty() && value.bytes().all(visible)
}

/// Whether all of it stands for itself inside a JSON string in plain ASCII. All bytes are looked at,
/// many at a time: to stop at the first that does not would cost more.
fn is_plain(text: &[u8]) -> bool {
    let (whole, rest) = text.as_chunks();
    let mut last = [b' '; TOGETHER];
    if let Some(start) = last.get_mut(..rest.len()) {
        start.copy_from_slice(rest);
    }
    whole.iter().all(are_plain) && are_plain(&last)
}

/// Bytes that are looked at together.
const TOGETHER: usize = 16;

#[expect(
    clippy::needless_bitwise_bool,
    reason = "without a branch, so that all are looked at together"
)]
fn are_plain(bytes: &[u8; TOGETHER]) -> bool {
    bytes.iter().fold(true, |plain, b| {
        plain & matches!(b, b' '..=b'~') & (*b != b'"') & (*b != b'\\')
    })
}

/// Appends `value` as the inside of a JSON string in plain ASCII: control characters, C1 codes and
/// the marks that turn text around included.
pub(super) fn escape(text: &mut String, value: &str) {
    // Nearly every value is plain: looked at in one pass and copied in another, it costs little.
    if is_plain(value.as_bytes()) {
        text.push_str(value);
        return;
    }
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

    fn written(json: bool, value: &str) -> String {
        let mut text = String::new();
        let mut line = Line::new(&mut text, json, "2026-01-01T00:00:00Z", "info", "x");
        line.field(name!("path"), value);
        line.end();
        text
    }

    #[test]
    fn numbers_and_times_are_json() {
        let mut text = String::new();
        let mut line = Line::new(&mut text, true, "2026-01-01T00:00:00Z", "info", "x");
        line.number(name!("status"), 200);
        line.milliseconds(name!("duration_ms"), Duration::from_micros(12_034));
        line.end();
        let back: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(back["status"], 200);
        assert_eq!(back["duration_ms"], 12.034);
    }

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
            let text = written(true, value);
            assert_eq!(text.matches('\n').count(), 1, "{value:?}");
            assert!(
                text.bytes()
                    .all(|b| b == b'\n' || (b' '..=b'~').contains(&b)),
                "{value:?}"
            );
            let back: serde_json::Value = serde_json::from_str(&text).unwrap();
            assert_eq!(back["path"], value);

            assert!(
                written(false, value)
                    .trim_end()
                    .bytes()
                    .all(|b| (b' '..=b'~').contains(&b))
            );
        }
    }
}
