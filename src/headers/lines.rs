//! The header lines of a request, as they were received.
//!
//! Names and values stand in one text each. A map with a place, a count and a check for each of
//! them costs more than to look at a dozen lines, whenever one is asked for.

use std::fmt;

use http::header::ValueIter;
use http::{HeaderMap, HeaderValue};

/// The header lines of a request in the order of their arrival, names in lower case. Whatever is in
/// it can stand in a line: a name is a token (RFC 9110 §5.6.2), and no value ends its line.
pub struct Headers {
    names: String,
    values: Vec<u8>,
    lines: Vec<Line>,
    /// A bit for each length that a name has: most of those asked for are seen to be absent.
    lengths: u32,
}

/// Where a line stands.
struct Line {
    name: (usize, usize),
    value: (usize, usize),
}

/// The header lines of a request, whoever holds them.
#[derive(Clone, Copy)]
pub enum Lines<'h> {
    /// Of one that was made, or captured.
    Made(&'h HeaderMap),
    /// Of one that was received.
    Received(&'h Headers),
}

impl Headers {
    /// These lines; `None` where one of them could not be sent as one.
    pub fn of<'l>(lines: impl Iterator<Item = (&'l str, &'l [u8])> + Clone) -> Option<Self> {
        let headers = Self::gathered(lines);
        let named = headers.lines.iter().all(|line| line.name.0 < line.name.1);
        // All in one pass, which costs less than to begin anew for each.
        let sound = named && are_tokens(&headers.names) && is_text(&headers.values);
        sound.then_some(headers)
    }

    /// There is room for these lines and no more: it is held as long as their request, and no budget
    /// counts it.
    fn gathered<'l>(lines: impl Iterator<Item = (&'l str, &'l [u8])> + Clone) -> Self {
        let (mut count, mut names, mut values) = (0_usize, 0_usize, 0_usize);
        for (name, value) in lines.clone() {
            count = count.saturating_add(1);
            names = names.saturating_add(name.len());
            values = values.saturating_add(value.len());
        }
        let mut headers = Self {
            names: String::with_capacity(names),
            values: Vec::with_capacity(values),
            lines: Vec::with_capacity(count),
            lengths: 0,
        };
        for (name, value) in lines {
            let starts = (headers.names.len(), headers.values.len());
            headers.lengths |= bit(name.len());
            headers.names.push_str(name);
            headers.values.extend_from_slice(value);
            headers.lines.push(Line {
                name: (starts.0, headers.names.len()),
                value: (starts.1, headers.values.len()),
            });
        }
        headers.names.make_ascii_lowercase();
        headers
    }

    /// The lines.
    pub const fn lines(&self) -> Lines<'_> {
        Lines::Received(self)
    }

    /// Whether one of the names is so long.
    const fn may_have(&self, name: &str) -> bool {
        self.lengths & bit(name.len()) != 0
    }

    /// Few names are as long as the one that is asked for: that is seen at once.
    fn is_of(&self, line: &Line, name: &str) -> bool {
        let (start, end) = line.name;
        end.wrapping_sub(start) == name.len() && self.name(line) == name
    }

    fn name(&self, line: &Line) -> &str {
        let (start, end) = line.name;
        self.names.get(start..end).unwrap_or_default()
    }

    fn value(&self, line: &Line) -> &[u8] {
        let (start, end) = line.value;
        self.values.get(start..end).unwrap_or_default()
    }
}

/// The bit of a length; one for all great ones.
const fn bit(length: usize) -> u32 {
    1 << if length < 31 { length } else { 31 }
}

/// Whether all of it may stand in names (RFC 9110 §5.6.2).
#[expect(
    clippy::needless_bitwise_bool,
    reason = "without a branch, so that many bytes are looked at together"
)]
fn are_tokens(names: &str) -> bool {
    names.bytes().fold(true, |sound, b| {
        let delimiter = (b == b'"')
            | (b == b'(')
            | (b == b')')
            | (b == b',')
            | (b == b'/')
            | (b':'..=b'@').contains(&b)
            | (b'['..=b']').contains(&b)
            | (b == b'{')
            | (b == b'}');
        sound & (b > b' ') & (b < 0x7f) & !delimiter
    })
}

/// Whether it may be a value (RFC 9110 §5.5).
#[expect(
    clippy::needless_bitwise_bool,
    reason = "without a branch, so that many bytes are looked at together"
)]
fn is_text(value: &[u8]) -> bool {
    value.iter().fold(true, |sound, b| {
        sound & ((*b >= b' ') | (*b == b'\t')) & (*b != 0x7f)
    })
}

impl From<&HeaderMap> for Headers {
    fn from(map: &HeaderMap) -> Self {
        let lines: Vec<_> = Lines::from(map).iter().collect();
        Self::gathered(lines.into_iter())
    }
}

impl From<&Headers> for HeaderMap {
    fn from(headers: &Headers) -> Self {
        let lines = headers.lines().iter().filter_map(|(name, value)| {
            let name = name.parse::<http::HeaderName>().ok()?;
            Some((name, HeaderValue::from_bytes(value).ok()?))
        });
        let mut map = Self::new();
        for (name, value) in lines {
            map.append(name, value);
        }
        map
    }
}

impl<'h> Lines<'h> {
    /// The values of all lines of this name, which is in lower case, in their order.
    pub fn get_all<'n>(self, name: &'n (impl AsRef<str> + ?Sized)) -> Values<'h, 'n> {
        let name = name.as_ref();
        debug_assert!(!name.bytes().any(|b| b.is_ascii_uppercase()), "{name}");
        match self {
            Self::Made(map) => Values(Of::Made(map.get_all(name).iter())),
            Self::Received(headers) => {
                let lines = if headers.may_have(name) {
                    &*headers.lines
                } else {
                    &[]
                };
                Values(Of::Received(headers, lines.iter(), name))
            }
        }
    }

    /// The first value.
    pub fn get(self, name: &(impl AsRef<str> + ?Sized)) -> Option<&'h [u8]> {
        self.get_all(name).next()
    }

    /// Whether there is such a line.
    pub fn contains_key(self, name: &(impl AsRef<str> + ?Sized)) -> bool {
        self.get(name).is_some()
    }

    /// How many there are.
    pub fn len(self) -> usize {
        match self {
            Self::Made(map) => map.len(),
            Self::Received(headers) => headers.lines.len(),
        }
    }

    /// Whether there is none.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// All names and values.
    pub fn iter(self) -> Iter<'h> {
        Iter(match self {
            Self::Made(map) => Each::Made(map.iter()),
            Self::Received(headers) => Each::Received(headers, headers.lines.iter()),
        })
    }
}

impl<'h> From<&'h HeaderMap> for Lines<'h> {
    fn from(map: &'h HeaderMap) -> Self {
        Self::Made(map)
    }
}

/// The lines of a request.
pub struct Iter<'h>(Each<'h>);

enum Each<'h> {
    Made(http::header::Iter<'h, HeaderValue>),
    Received(&'h Headers, std::slice::Iter<'h, Line>),
}

impl<'h> Iterator for Iter<'h> {
    type Item = (&'h str, &'h [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        match &mut self.0 {
            Each::Made(lines) => {
                let (name, value) = lines.next()?;
                Some((name.as_str(), value.as_bytes()))
            }
            Each::Received(headers, lines) => {
                let line = lines.next()?;
                Some((headers.name(line), headers.value(line)))
            }
        }
    }
}

/// The values of the lines of one name.
pub struct Values<'h, 'n>(Of<'h, 'n>);

enum Of<'h, 'n> {
    Made(ValueIter<'h, HeaderValue>),
    Received(&'h Headers, std::slice::Iter<'h, Line>, &'n str),
}

impl<'h> Iterator for Values<'h, '_> {
    type Item = &'h [u8];

    fn next(&mut self) -> Option<Self::Item> {
        match &mut self.0 {
            Of::Made(values) => values.next().map(HeaderValue::as_bytes),
            Of::Received(headers, lines, name) => {
                let line = lines.find(|line| headers.is_of(line, name))?;
                Some(headers.value(line))
            }
        }
    }
}

impl DoubleEndedIterator for Values<'_, '_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        match &mut self.0 {
            Of::Made(values) => values.next_back().map(HeaderValue::as_bytes),
            Of::Received(headers, lines, name) => {
                let line = lines.rfind(|line| headers.is_of(line, name))?;
                Some(headers.value(line))
            }
        }
    }
}

/// Nothing of it is shown: a line may hold a credential.
macro_rules! hidden {
    ($($type:ty),*) => {
        $(impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the lines of a head")
            }
        })*
    };
}
hidden!(Headers, Lines<'_>, Iter<'_>, Values<'_, '_>);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn seen(lines: Lines<'_>) -> Vec<(String, Vec<u8>)> {
        let mut seen: Vec<_> = lines
            .iter()
            .map(|(name, value)| (name.to_owned(), value.to_vec()))
            .collect();
        // A map keeps the order of one name only.
        seen.sort_by(|a, b| a.0.cmp(&b.0));
        seen
    }

    proptest! {
        #[test]
        fn what_was_received_reads_as_what_was_made(
            lines in proptest::collection::vec(("[!-~]{1,3}|[aA]-?[bB]?", "[ -~]{0,3}|\\PC{0,2}"), 0..9),
            asked in "[a-z!]{1,2}|a-b",
        ) {
            let mut map = HeaderMap::new();
            let mut sound = Vec::new();
            for (name, value) in &lines {
                let made = http::HeaderName::from_bytes(name.as_bytes());
                let made = made.ok().zip(HeaderValue::from_bytes(value.as_bytes()).ok());
                let line = (&**name, value.as_bytes());
                let alone = Headers::of(std::iter::once(line));
                prop_assert_eq!(alone.is_some(), made.is_some(), "{}: {}", name, value);
                if let Some((name, value)) = made {
                    map.append(name, value);
                    sound.push(line);
                }
            }
            let headers = Headers::of(sound.into_iter()).unwrap();
            let (received, made) = (headers.lines(), Lines::from(&map));
            prop_assert_eq!(seen(received), seen(made));
            prop_assert_eq!(seen(Headers::from(&map).lines()), seen(made));
            prop_assert_eq!(HeaderMap::from(&headers), map.clone());
            let all = |lines: Lines<'_>| lines.get_all(&asked).map(<[u8]>::to_vec).collect::<Vec<_>>();
            let back = |lines: Lines<'_>| lines.get_all(&asked).rev().map(<[u8]>::to_vec).collect::<Vec<_>>();
            prop_assert_eq!(all(received), all(made));
            prop_assert_eq!(back(received), back(made));
            prop_assert_eq!(received.get(&asked), made.get(&asked));
            prop_assert_eq!(received.contains_key(&asked), made.contains_key(&asked));
            prop_assert_eq!(received.len(), made.len());
        }
    }

    #[test]
    fn what_would_end_a_line_is_none() {
        for line in [
            ("", &b"b"[..]),
            ("a b", b"b"),
            ("a:", b"b"),
            ("a\r", b"b"),
            ("\u{e9}", b"b"),
            ("a", b"b\r\nc: d"),
            ("a", b"b\nc"),
            ("a", b"\0"),
            ("a", b"\x7f"),
        ] {
            let sound = ("c", &b"d"[..]);
            for lines in [[line, sound], [sound, line]] {
                assert!(Headers::of(lines.into_iter()).is_none(), "{line:?}");
            }
        }
        let headers = Headers::of([("A", &b"\xff\t"[..])].into_iter()).unwrap();
        assert_eq!(headers.lines().get("a"), Some(&b"\xff\t"[..]));
        assert!(Headers::of([].into_iter()).unwrap().lines().is_empty());
    }

    #[test]
    fn every_letter_that_a_name_may_have() {
        for byte in 0..=u8::MAX {
            for length in [1, 15, 16, 17, 40] {
                let mut name = vec![b'a'; length];
                name[length / 2] = byte;
                let Ok(text) = std::str::from_utf8(&name) else {
                    continue;
                };
                let line = (text, &b"b"[..]);
                let known = http::HeaderName::from_bytes(&name).is_ok();
                assert_eq!(Headers::of([line].into_iter()).is_some(), known, "{text:?}");
            }
        }
    }

    #[test]
    fn names_of_every_length_are_found_and_told_apart() {
        let names: Vec<String> = (1..70).map(|length| "a".repeat(length)).collect();
        for held in &names {
            let other = held.replacen('a', "b", 1);
            let lines = [(&**held, &b"1"[..]), (&*other, b"2"), (&**held, b"3")];
            let headers = Headers::of(lines.into_iter()).unwrap();
            for name in &names {
                let values: Vec<_> = headers.lines().get_all(name).collect();
                let known: &[&[u8]] = if name == held { &[b"1", b"3"] } else { &[] };
                assert_eq!(values, known, "{name} of {held}");
            }
            assert_eq!(headers.lines().get(&other), Some(&b"2"[..]));
        }
    }

    #[test]
    fn nothing_of_it_is_shown() {
        let line = ("authorization", &b"marked"[..]);
        let headers = Headers::of([line].into_iter()).unwrap();
        let lines = headers.lines();
        let shown = format!(
            "{headers:?} {lines:?} {:?} {:?}",
            lines.iter(),
            lines.get_all("a")
        );
        assert!(!shown.contains("marked"), "{shown}");
    }
}
