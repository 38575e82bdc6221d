//! Text of the request as the value of a header the app trusts.

use std::borrow::Cow;

use http::HeaderValue;

/// Longest value, in bytes.
pub const MAX_BYTES: usize = 256;

/// Text that can stand in a header as it is: visible ASCII with single spaces inside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeaderText<'a>(Cow<'a, str>);

impl HeaderText<'_> {
    /// What is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The same, to be kept.
    pub fn into_value(self) -> HeaderValue {
        // It is visible ASCII and spaces, so the fall-back is never used.
        HeaderValue::try_from(self.0.into_owned()).unwrap_or_else(|_| HeaderValue::from_static(""))
    }
}

/// `text` as it is written into a header.
///
/// Visible ASCII with single spaces inside stays as it is. Every other byte of the UTF-8, and `%`
/// and `,`, is percent-encoded, so decoding gives the text back. What is longer than
/// [`MAX_BYTES`] is cut, between whole characters.
pub fn header_text(text: &str) -> HeaderText<'_> {
    if text.len() <= MAX_BYTES && is_plain(text.as_bytes()) {
        return HeaderText(text.into());
    }
    let mut out = String::with_capacity(MAX_BYTES);
    append(&mut out, text);
    HeaderText(out.into())
}

/// The `names`, `, ` between.
pub fn listed<'n>(names: &[&'n str]) -> HeaderText<'n> {
    if let [only] = names {
        return header_text(only);
    }
    let names: Vec<_> = names.iter().map(|name| header_text(name).0).collect();
    HeaderText(names.join(", ").into())
}

/// The distinct `values` in their order, `, ` between; empty ones are left out.
///
/// Ends before the first value that would not fit into [`MAX_BYTES`] any more; a first value too
/// long by itself is cut as in [`header_text`].
pub fn joined<T: AsRef<str>>(values: &[T]) -> HeaderText<'_> {
    if let [only] = values {
        return header_text(only.as_ref());
    }
    let mut values = values
        .iter()
        .map(AsRef::as_ref)
        .filter(|value| !value.is_empty());
    let first = values.next().unwrap_or_default();
    let mut out = String::new();
    if append(&mut out, first) {
        let mut taken = vec![first];
        for value in values {
            if taken.contains(&value) {
                continue;
            }
            let before = out.len();
            out.push_str(", ");
            if !append(&mut out, value) {
                out.truncate(before);
                break;
            }
            taken.push(value);
        }
    }
    HeaderText(out.into())
}

/// Whether nothing has to be encoded.
#[expect(
    clippy::needless_bitwise_bool,
    reason = "without a branch, so that many bytes are looked at together"
)]
fn is_plain(text: &[u8]) -> bool {
    // All bytes are looked at, many at a time: to stop at the first would cost more.
    let is_word = |word: &[u8]| {
        word.iter().fold(true, |plain, byte| {
            plain & matches!(byte, b'!'..=b'~') & (*byte != b'%') & (*byte != b',')
        })
    };
    // Most values hold no space.
    let mut words = text.split(|byte| *byte == b' ');
    is_word(text) || words.all(|word| !word.is_empty() && is_word(word))
}

/// Appends `text` encoded, as far as it fits; false if it was cut.
fn append(out: &mut String, text: &str) -> bool {
    let start = out.len();
    let mut previous = ' ';
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let plain = match c {
            '%' | ',' => false,
            ' ' => previous != ' ' && chars.peek().is_some(),
            c => c.is_ascii_graphic(),
        };
        let size = if plain { 1 } else { 3 * c.len_utf8() };
        if out.len() + size > MAX_BYTES {
            // HTTP strips a space at the end.
            if out.ends_with(' ') && out.len() > start {
                out.pop();
            }
            return false;
        }
        if plain {
            out.push(c);
        } else {
            for byte in c.encode_utf8(&mut [0; 4]).bytes() {
                out.push('%');
                out.extend([byte >> 4, byte & 0xf].map(hex));
            }
        }
        previous = c;
    }
    true
}

fn hex(half: u8) -> char {
    char::from_digit(half.into(), 16).map_or('0', |digit| digit.to_ascii_uppercase())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What an app does with the value; `None` for a broken escape.
    fn decode(value: &str) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        let mut rest = value.as_bytes();
        while let [first, after @ ..] = rest {
            rest = after;
            if *first == b'%' {
                let (digits, after) = after.split_at_checked(2)?;
                assert!(!digits.iter().any(u8::is_ascii_lowercase), "{value}");
                out.push(u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?);
                rest = after;
            } else {
                out.push(*first);
            }
        }
        Some(out)
    }

    #[test]
    fn encodes_only_what_needs_it() {
        for (text, value) in [
            ("verify.authentication", "verify.authentication"),
            ("Finished Journey", "Finished Journey"),
            (
                "a b c~!\"#$&'()*+-./:;<=>?@[\\]^_`{|}",
                "a b c~!\"#$&'()*+-./:;<=>?@[\\]^_`{|}",
            ),
            ("", ""),
            (" ", "%20"),
            (" a", "%20a"),
            ("a ", "a%20"),
            ("a  b", "a %20b"),
            ("a   ", "a %20%20"),
            ("100%", "100%25"),
            ("a%20b", "a%2520b"),
            ("a,b, c", "a%2Cb%2C c"),
            ("a\r\nX: y", "a%0D%0AX: y"),
            ("\0\t\u{7f}", "%00%09%7F"),
            ("é😀", "%C3%A9%F0%9F%98%80"),
            ("a\u{a0}b", "a%C2%A0b"),
        ] {
            assert_eq!(header_text(text).as_str(), value, "{text}");
        }
    }

    #[test]
    fn cuts_between_characters_and_leaves_no_space_at_the_end() {
        let a = |count: usize| "a".repeat(count);
        for (text, value) in [
            (a(256), a(256)),
            (a(257), a(256)),
            (a(255) + "%", a(255)),
            (a(253) + "%", a(253) + "%25"),
            (a(254) + "%b", a(254)),
            (a(251) + "é", a(251)),
            (a(250) + "é", a(250) + "%C3%A9"),
            (a(255) + " b", a(255)),
            (a(254) + " b", a(254) + " b"),
            (a(255) + " ", a(255)),
            (a(253) + " ", a(253) + "%20"),
            (a(254) + " é", a(254)),
            (a(252) + "  b", a(252) + " %20"),
        ] {
            assert_eq!(header_text(&text).as_str(), value, "{text}");
        }
    }

    #[test]
    fn joins_distinct_values_in_order_and_cuts_whole_ones() {
        let x = |count: usize| "x".repeat(count);
        for (values, value) in [
            (vec![], String::new()),
            (vec!["b".into(), "a".into(), "b".into()], "b, a".into()),
            (vec![String::new(), "a".into(), String::new()], "a".into()),
            (
                vec!["a, b".into(), " c".into(), "é".into()],
                "a%2C b, %20c, %C3%A9".into(),
            ),
            (
                vec![x(200), "y".repeat(54)],
                x(200) + ", " + &"y".repeat(54),
            ),
            (vec![x(200), "y".repeat(55), "z".into()], x(200)),
            (vec![x(200), "y".repeat(52) + "%"], x(200)),
            (vec![x(300), "y".into()], x(256)),
            (vec![x(255), "y".into()], x(255)),
        ] {
            assert_eq!(joined(&values).as_str(), value, "{values:?}");
        }
    }

    /// Pins that hostile lists are not compared element by element: this would take minutes.
    #[test]
    fn stops_at_the_first_of_many_values_that_does_not_fit() {
        let values: Vec<String> = (0..100_000).map(|n| format!("type.{n}")).collect();
        assert!(joined(&values).as_str().ends_with(", type.28"));
    }

    proptest! {
        #[test]
        fn a_value_is_safe_and_decodes_to_the_text(text in "(\\PC|[ %,\r\n\0]){0,100}") {
            let value = header_text(&text);
            let shown = value.as_str();
            prop_assert_eq!(value.clone().into_value(), shown);
            prop_assert!(shown.len() <= MAX_BYTES);
            prop_assert!(shown.bytes().all(|b| matches!(b, b' '..=b'~')), "{}", shown);
            prop_assert!(!shown.contains("  ") && !shown.contains(',') && shown.trim() == shown);
            let decoded = decode(shown).unwrap();
            prop_assert!(text.as_bytes().starts_with(&decoded));
            // At most one character of 12 encoded bytes, or a space, was in the way.
            prop_assert!(shown.len() >= MAX_BYTES - 12 || decoded == text.as_bytes());
        }

        #[test]
        fn a_list_is_safe_and_splits_into_whole_values(
            values in prop::collection::vec("(\\PC|[ %,a\r\n]){0,12}", 0..30),
        ) {
            let list = joined(&values);
            let shown = list.as_str();
            prop_assert!(shown.len() <= MAX_BYTES);
            prop_assert!(shown.bytes().all(|b| matches!(b, b' '..=b'~')) && shown.trim() == shown);
            let mut distinct: Vec<&[u8]> = Vec::new();
            for value in values.iter().filter(|value| !value.is_empty()) {
                if !distinct.contains(&value.as_bytes()) {
                    distinct.push(value.as_bytes());
                }
            }
            let parts: Vec<_> = shown.split(", ").filter(|part| !part.is_empty()).collect();
            prop_assert!(parts.len() <= distinct.len());
            for (part, value) in parts.iter().zip(&distinct) {
                prop_assert_eq!(&decode(part).unwrap()[..], *value);
            }
        }
    }
}
