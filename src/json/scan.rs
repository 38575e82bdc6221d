//! A JSON text from its first to its last byte, without a value being made of it (RFC 8259).
//!
//! Own, because a general reader takes four times as long: it hands each member to a visitor, and
//! every event of every route is read.

use super::NotJson;
use super::pointer::MAX_DEPTH;

/// Words of eight bytes after which a string counts as long.
const SHORT: usize = 8;

/// A place in a text. Each step checks the grammar of what it passes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scanner<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Scanner<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    /// Where it stands, in bytes.
    pub(super) const fn at(&self) -> usize {
        self.at
    }

    /// What was passed since `start`.
    pub(super) fn since(&self, start: usize) -> Result<&'a str, NotJson> {
        self.text.get(start..self.at).ok_or(NotJson)
    }

    fn byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// The first byte that is no white space, not passed yet.
    pub(super) fn peek(&mut self) -> Result<u8, NotJson> {
        loop {
            match self.byte() {
                Some(b' ' | b'\t' | b'\n' | b'\r') => self.at += 1,
                Some(byte) => return Ok(byte),
                None => return Err(NotJson),
            }
        }
    }

    /// Passes one byte, after white space.
    pub(super) fn pass(&mut self, wanted: u8) -> Result<(), NotJson> {
        if self.peek()? != wanted {
            return Err(NotJson);
        }
        self.at += 1;
        Ok(())
    }

    /// Passes what stands between two members or elements: true for a comma, false for the end.
    pub(super) fn goes_on(&mut self, end: u8) -> Result<bool, NotJson> {
        match self.peek()? {
            b',' => {
                self.at += 1;
                Ok(true)
            }
            byte if byte == end => {
                self.at += 1;
                Ok(false)
            }
            _ => Err(NotJson),
        }
    }

    /// Passes the bracket that opens; false where the one that closes follows at once, passed too.
    pub(super) fn opens(&mut self, open: u8, close: u8) -> Result<bool, NotJson> {
        self.pass(open)?;
        let some = self.peek()? != close;
        if !some {
            self.at += 1;
        }
        Ok(some)
    }

    /// Nothing but white space may follow.
    pub(super) fn end(mut self) -> Result<(), NotJson> {
        match self.peek() {
            Ok(_) => Err(NotJson),
            Err(NotJson) => Ok(()),
        }
    }

    /// Passes a string: what stands between its quotes, and whether there is an escape in it.
    pub(super) fn string(&mut self) -> Result<(&'a str, bool), NotJson> {
        self.pass(b'"')?;
        let start = self.at;
        let mut escaped = false;
        loop {
            self.plain();
            match self.byte().ok_or(NotJson)? {
                b'"' => {
                    let content = self.since(start)?;
                    self.at += 1;
                    return Ok((content, escaped));
                }
                b'\\' => {
                    escaped = true;
                    self.at += 1;
                    let digits = match self.byte().ok_or(NotJson)? {
                        b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => 0,
                        b'u' => 4,
                        _ => return Err(NotJson),
                    };
                    self.at += 1;
                    for _ in 0..digits {
                        if !self.byte().is_some_and(|byte| byte.is_ascii_hexdigit()) {
                            return Err(NotJson);
                        }
                        self.at += 1;
                    }
                }
                _ => return Err(NotJson),
            }
        }
    }

    /// Passes what stands for itself in a string: everything but a quote, a backslash and what
    /// RFC 8259 §7 forbids. Eight bytes at a time.
    fn plain(&mut self) {
        const ONES: u64 = u64::from_ne_bytes([1; 8]);
        const HIGH: u64 = u64::from_ne_bytes([0x80; 8]);
        // The high bit of each byte that is 0; above the first such byte it may be wrong.
        let zeros = |word: u64| word.wrapping_sub(ONES) & !word;
        let rest = self.text.as_bytes().get(self.at..).unwrap_or_default();
        let (words, last) = rest.as_chunks::<8>();
        for word in words.iter().take(SHORT) {
            let word = u64::from_le_bytes(*word);
            let quote = zeros(word ^ (ONES * u64::from(b'"')));
            let slash = zeros(word ^ (ONES * u64::from(b'\\')));
            let control = word.wrapping_sub(ONES * 0x20) & !word;
            let ends = (quote | slash | control) & HIGH;
            if ends != 0 {
                self.at += ends.trailing_zeros() as usize / 8;
                return;
            }
            self.at += 8;
        }
        if words.len() > SHORT {
            return self.long_plain();
        }
        let plain = |byte: &&u8| !matches!(byte, b'"' | b'\\' | 0..0x20);
        self.at += last.iter().take_while(plain).count();
    }

    /// The same for a text that is long, many bytes at a time: it is passed twice, and still faster.
    fn long_plain(&mut self) {
        let rest = self.text.as_bytes().get(self.at..).unwrap_or_default();
        let end = memchr::memchr2(b'"', b'\\', rest).unwrap_or(rest.len());
        let text = rest.get(..end).unwrap_or_default();
        let control = |byte: &u8| *byte < 0x20;
        let forbidden = text.iter().fold(false, |any, byte| any | control(byte));
        self.at += if forbidden {
            text.iter().position(control).unwrap_or(end)
        } else {
            end
        };
    }

    /// Passes a number, `true`, `false` or `null`.
    fn literal(&mut self) -> Result<(), NotJson> {
        let rest = self.text.as_bytes().get(self.at..).unwrap_or_default();
        for word in [&b"true"[..], b"false", b"null"] {
            if rest.starts_with(word) {
                self.at += word.len();
                return Ok(());
            }
        }
        self.optional(b"-");
        if !self.optional(b"0") {
            self.digits()?;
        }
        if self.optional(b".") {
            self.digits()?;
        }
        if self.optional(b"eE") {
            self.optional(b"+-");
            self.digits()?;
        }
        Ok(())
    }

    fn optional(&mut self, wanted: &[u8]) -> bool {
        let is = self.byte().is_some_and(|byte| wanted.contains(&byte));
        self.at += usize::from(is);
        is
    }

    fn digits(&mut self) -> Result<(), NotJson> {
        let rest = self.text.as_bytes().get(self.at..).unwrap_or_default();
        let count = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        self.at += count;
        if count == 0 { Err(NotJson) } else { Ok(()) }
    }

    /// Passes a value that stands in `depth` others.
    pub(super) fn skip(&mut self, depth: usize) -> Result<(), NotJson> {
        // One bit for each open bracket, set for an array: no level needs more.
        const { assert!(MAX_DEPTH < u128::BITS as usize) };
        let (mut open, mut arrays) = (0_usize, 0_u128);
        loop {
            let first = self.peek()?;
            let more = match first {
                b'"' => {
                    self.string()?;
                    false
                }
                b'{' => self.opens(b'{', b'}')?,
                b'[' => self.opens(b'[', b']')?,
                _ => {
                    self.literal()?;
                    false
                }
            };
            if matches!(first, b'{' | b'[') && depth + open >= MAX_DEPTH {
                return Err(NotJson);
            }
            if more {
                open += 1;
                arrays = arrays << 1 | u128::from(first == b'[');
            } else {
                // Everything that ends with this value.
                loop {
                    if open == 0 {
                        return Ok(());
                    }
                    if self.goes_on(if arrays & 1 == 1 { b']' } else { b'}' })? {
                        break;
                    }
                    open -= 1;
                    arrays >>= 1;
                }
            }
            if arrays & 1 == 0 {
                self.string()?;
                self.pass(b':')?;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde::de::IgnoredAny;

    use super::*;

    fn is_json(text: &str) -> bool {
        let mut scanner = Scanner::new(text);
        scanner.skip(0).is_ok() && scanner.end().is_ok()
    }

    #[test]
    fn a_string_ends_where_it_ends() {
        for length in (0..40).chain(60..140) {
            for special in [
                "\"", "\\\"", "\u{1f}", "\u{7f}", "é", "\\u00e9", "\u{0}", "!", "#", "[", "]",
            ] {
                let text = format!(
                    "\"{}{special}{}\"",
                    "a".repeat(length),
                    "b".repeat(length % 7)
                );
                let known = serde_json::from_str::<IgnoredAny>(&text).is_ok();
                assert_eq!(is_json(&text), known, "{text}");
            }
        }
    }

    #[test]
    fn what_looks_like_json_and_is_none() {
        for text in [
            "",
            " ",
            "-",
            "01",
            "1.",
            ".5",
            "1e",
            "1e+",
            "+1",
            "0x1",
            "tru",
            "truefalse",
            "nul",
            "[1 2]",
            "[,]",
            "[1,]",
            "{,}",
            "{\"a\"}",
            "{\"a\":}",
            "{\"a\":1,}",
            "{a:1}",
            "[}",
            "{]",
            "[1",
            "{\"a\":1",
            "\"\\x\"",
            "\"\\u12g4\"",
            "\"\\u123\"",
            "\"",
            "\"\\",
            "1 1",
            "{1:2}",
            "\u{feff}1",
            "[\u{a0}]",
            "\"a\nb\"",
        ] {
            assert!(!is_json(text), "{text}");
        }
    }

    proptest! {
        #[test]
        fn it_takes_what_a_general_reader_takes(text in "[\\[\\]{}:,\"\\\\0-9eE+.atruflsn -]{0,24}") {
            prop_assert_eq!(is_json(&text), serde_json::from_str::<IgnoredAny>(&text).is_ok());
        }
    }
}
