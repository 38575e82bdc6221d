//! A JSON text from its first to its last byte, without a value being made of it (RFC 8259).
//!
//! Own, because a general reader takes four times as long: it hands each member to a visitor, and
//! every event of every route is read.

use std::ops::ControlFlow;

use super::NotJson;
use super::pointer::MAX_DEPTH;

/// Words of eight bytes after which a string counts as long.
const SHORT: usize = 8;
/// Bytes of a long one that are looked at together.
const TOGETHER: usize = 256;

/// A place in a text. Each step checks the grammar of what it passes, but not that what stands
/// between quotes is UTF-8: see [`Self::may_be_foreign`].
#[derive(Debug, Clone, Copy)]
pub(super) struct Scanner<'a> {
    text: &'a [u8],
    /// What was not passed yet: the end of `text`.
    rest: &'a [u8],
    /// All bits that were set in what stands between quotes.
    bits: u64,
}

/// The high bit of each byte.
const HIGH: u64 = u64::from_ne_bytes([0x80; 8]);

impl<'a> Scanner<'a> {
    pub(super) const fn new(text: &'a [u8]) -> Self {
        Self {
            text,
            rest: text,
            bits: 0,
        }
    }

    /// Whether a byte that is not ASCII may have been passed. If none was, all of it is UTF-8, which
    /// need not be found out in a pass of its own.
    pub(super) const fn may_be_foreign(&self) -> bool {
        self.bits & HIGH != 0
    }

    /// Where it stands, in bytes.
    pub(super) const fn at(&self) -> usize {
        self.text.len().saturating_sub(self.rest.len())
    }

    /// What was passed since `start`.
    pub(super) fn since(&self, start: usize) -> Result<&'a [u8], NotJson> {
        self.text.get(start..self.at()).ok_or(NotJson)
    }

    /// Passes white space.
    fn blank(&mut self) {
        while let [b' ' | b'\t' | b'\n' | b'\r', rest @ ..] = self.rest {
            self.rest = rest;
        }
    }

    /// The first byte that is no white space, not passed yet.
    pub(super) fn peek(&mut self) -> Result<u8, NotJson> {
        self.blank();
        self.rest.first().copied().ok_or(NotJson)
    }

    /// Passes one byte, after white space.
    pub(super) fn pass(&mut self, wanted: u8) -> Result<(), NotJson> {
        self.blank();
        match self.rest {
            [byte, rest @ ..] if *byte == wanted => {
                self.rest = rest;
                Ok(())
            }
            _ => Err(NotJson),
        }
    }

    /// Passes what stands between two members or elements: true for a comma, false for the end.
    pub(super) fn goes_on(&mut self, end: u8) -> Result<bool, NotJson> {
        self.blank();
        match self.rest {
            [byte, rest @ ..] if *byte == b',' || *byte == end => {
                self.rest = rest;
                Ok(*byte == b',')
            }
            _ => Err(NotJson),
        }
    }

    /// Passes the bracket that opens; false where the one that closes follows at once, passed too.
    pub(super) fn opens(&mut self, open: u8, close: u8) -> Result<bool, NotJson> {
        self.pass(open)?;
        self.blank();
        match self.rest {
            [byte, rest @ ..] if *byte == close => {
                self.rest = rest;
                Ok(false)
            }
            [_, ..] => Ok(true),
            [] => Err(NotJson),
        }
    }

    /// Nothing but white space may follow.
    pub(super) fn end(mut self) -> Result<(), NotJson> {
        self.blank();
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(NotJson)
        }
    }

    /// Passes a string: what stands between its quotes, and whether there is an escape in it.
    pub(super) fn string(&mut self) -> Result<(&'a [u8], bool), NotJson> {
        self.blank();
        let before = self.at();
        let escaped = self.quoted()?;
        let content = before.saturating_add(1)..self.at().saturating_sub(1);
        Ok((self.text.get(content).ok_or(NotJson)?, escaped))
    }

    /// The same from its first quote on: whether there is an escape in it.
    fn quoted(&mut self) -> Result<bool, NotJson> {
        let [b'"', rest @ ..] = self.rest else {
            return Err(NotJson);
        };
        self.rest = self.plain(rest);
        let mut escaped = false;
        loop {
            let rest = match self.rest {
                [b'"', rest @ ..] => {
                    self.rest = rest;
                    return Ok(escaped);
                }
                [b'\\', b'u', a, b, c, d, rest @ ..]
                    if [a, b, c, d].iter().all(|digit| digit.is_ascii_hexdigit()) =>
                {
                    rest
                }
                [
                    b'\\',
                    b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't',
                    rest @ ..,
                ] => rest,
                _ => return Err(NotJson),
            };
            escaped = true;
            self.rest = self.plain(rest);
        }
    }

    /// Passes a number, `true`, `false` or `null`.
    fn literal(&mut self) -> Result<(), NotJson> {
        for word in [&b"true"[..], b"false", b"null"] {
            if let Some(rest) = self.rest.strip_prefix(word) {
                self.rest = rest;
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
        match self.rest {
            [byte, rest @ ..] if wanted.contains(byte) => {
                self.rest = rest;
                true
            }
            _ => false,
        }
    }

    fn digits(&mut self) -> Result<(), NotJson> {
        let before = self.rest.len();
        while let [b'0'..=b'9', rest @ ..] = self.rest {
            self.rest = rest;
        }
        if self.rest.len() < before {
            Ok(())
        } else {
            Err(NotJson)
        }
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
                    self.quoted()?;
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
                self.blank();
                self.quoted()?;
                self.pass(b':')?;
            }
        }
    }

    /// What is left after all that stands for itself in a string: everything but a quote, a
    /// backslash and what RFC 8259 §7 forbids.
    fn plain(&mut self, mut rest: &'a [u8]) -> &'a [u8] {
        for _ in 0..SHORT {
            match self.word(rest) {
                ControlFlow::Continue(after) => rest = after,
                ControlFlow::Break(end) => return end,
            }
        }
        rest = self.long(rest);
        // It ends in what was looked at last, or there is little left.
        loop {
            match self.word(rest) {
                ControlFlow::Continue(after) => rest = after,
                ControlFlow::Break(end) => return end,
            }
        }
    }

    /// What is left after the next eight bytes, if all of them stand for themselves; else what is left
    /// after those that do.
    #[inline]
    fn word(&mut self, rest: &'a [u8]) -> ControlFlow<&'a [u8], &'a [u8]> {
        const ONES: u64 = u64::from_ne_bytes([1; 8]);
        // The high bit of each byte that is 0; above the first such byte it may be wrong.
        let zeros = |word: u64| word.wrapping_sub(ONES) & !word;
        let Some((word, after)) = rest.split_first_chunk() else {
            return ControlFlow::Break(self.last(rest));
        };
        let word = u64::from_le_bytes(*word);
        self.bits |= word;
        let quote = zeros(word ^ (ONES * u64::from(b'"')));
        let slash = zeros(word ^ (ONES * u64::from(b'\\')));
        let control = word.wrapping_sub(ONES * 0x20) & !word;
        let ends = (quote | slash | control) & HIGH;
        if ends == 0 {
            ControlFlow::Continue(after)
        } else {
            ControlFlow::Break(from(rest, ends.trailing_zeros() as usize / 8))
        }
    }

    /// What is left of a long text after many bytes at a time, as long as none of them ends it.
    fn long(&mut self, mut rest: &'a [u8]) -> &'a [u8] {
        while let Some((many, after)) = rest.split_first_chunk::<TOGETHER>() {
            // All are looked at, without a branch: then the processor takes them together.
            let (mut least, mut slash, mut bits) = (u8::MAX, 0, 0);
            for byte in many {
                // A quote, 0x22, is 0x20 by that, and what is below 0x20 stays there.
                least = least.min(*byte ^ 2);
                slash |= u8::from(*byte == b'\\');
                bits |= *byte;
            }
            if least <= 0x20 || slash != 0 {
                break;
            }
            self.bits |= u64::from(bits);
            rest = after;
        }
        rest
    }

    fn last(&mut self, rest: &'a [u8]) -> &'a [u8] {
        let plain = |byte: &&u8| !matches!(byte, b'"' | b'\\' | 0..0x20);
        let mut count = 0_usize;
        for byte in rest.iter().take_while(plain) {
            self.bits |= u64::from(*byte);
            count = count.saturating_add(1);
        }
        from(rest, count)
    }
}

fn from(rest: &[u8], at: usize) -> &[u8] {
    rest.get(at..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde::de::IgnoredAny;

    use super::*;

    /// A string so long is looked at many bytes at a time, to begin with.
    const LONG: usize = SHORT * 8 + TOGETHER;

    fn is_json(text: &str) -> bool {
        let mut scanner = Scanner::new(text.as_bytes());
        scanner.skip(0).is_ok() && scanner.end().is_ok()
    }

    #[test]
    fn a_string_ends_where_it_ends() {
        for length in (0..40)
            .chain(60..80)
            .chain(LONG - 20..LONG + 20)
            .chain(LONG + 240..LONG + 270)
        {
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

    #[test]
    fn what_is_not_ascii_is_noticed_wherever_it_stands() {
        for length in (0..300).chain(LONG - 20..LONG + 300) {
            for (before, after) in [(length, 0), (0, length), (length / 2, length / 3)] {
                let (before, after) = ("a".repeat(before), "b".repeat(after));
                for (letter, expected) in [("é", true), ("e", false), ("\\n", false)] {
                    let text = format!("[\"{before}{letter}{after}\"]");
                    let mut scanner = Scanner::new(text.as_bytes());
                    scanner.skip(0).unwrap();
                    assert_eq!(scanner.may_be_foreign(), expected, "{text}");
                }
            }
        }
    }

    proptest! {
        #[test]
        fn it_takes_what_a_general_reader_takes(text in "[\\[\\]{}:,\"\\\\0-9eE+.atruflsn -]{0,24}") {
            prop_assert_eq!(is_json(&text), serde_json::from_str::<IgnoredAny>(&text).is_ok());
        }
    }
}
