//! JSON Pointers, with one word more: `*`.

use std::fmt;

/// Deeper documents are not read, so a longer pointer could never match.
pub(super) const MAX_DEPTH: usize = 127;

/// Where in a JSON document a value stands (RFC 6901).
///
/// A whole token `*` stands for every element of an array, so `/*/type` has as many values as the
/// array has elements. In an object it matches nothing.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Pointer {
    tokens: Vec<Token>,
}

/// One step into a document.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Token {
    /// Every element of an array.
    Every,
    /// The member of an object, or the element of an array if it is written as an index.
    Key(String),
}

/// Why a text is no pointer, and what was probably meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PointerError {
    /// Does not start with `/`; the field holds what was probably meant.
    Slash(String),
    /// A `~` that is neither `~0` nor `~1`; the field holds what was probably meant.
    Tilde(String),
    /// More tokens than a document may be deep.
    TooDeep,
}

impl Pointer {
    /// Reads a pointer as it is written in the configuration. The empty text is the whole document.
    ///
    /// # Errors
    /// Anything RFC 6901 §3 does not allow; the error says what was probably meant.
    pub fn parse(text: &str) -> Result<Self, PointerError> {
        if text.is_empty() {
            return Ok(Self { tokens: Vec::new() });
        }
        let Some(rest) = text.strip_prefix('/') else {
            return Err(PointerError::Slash(suggest(text)));
        };
        let tokens = rest
            .split('/')
            .map(Token::parse)
            .collect::<Option<Vec<_>>>();
        let tokens = tokens.ok_or_else(|| {
            let meant: String = text
                .chars()
                .map(|c| if c == '~' { "~0".into() } else { c.to_string() })
                .collect();
            PointerError::Tilde(meant)
        })?;
        if tokens.len() > MAX_DEPTH {
            return Err(PointerError::TooDeep);
        }
        Ok(Self { tokens })
    }

    /// The pointer to the member `name` of the document, whatever characters it holds.
    pub fn member(name: &str) -> Self {
        Self {
            tokens: vec![Token::Key(name.to_owned())],
        }
    }

    /// Whether it has a `*`.
    pub fn is_of_many(&self) -> bool {
        self.tokens.contains(&Token::Every)
    }

    /// Writes `value` where the pointer leads, making the objects on the way: the way back, for
    /// `send`. Of an array only an element that is there is written, by its index; `*` is none.
    pub fn put(&self, document: &mut serde_json::Value, value: serde_json::Value) {
        use serde_json::Value;
        let mut at = document;
        for token in &self.tokens {
            let Token::Key(key) = token else { return };
            if let (Value::Array(_), Some(index)) = (&*at, token.index()) {
                match at.get_mut(index) {
                    Some(element) => at = element,
                    None => return,
                }
                continue;
            }
            if !at.is_object() {
                *at = Value::Object(serde_json::Map::new());
            }
            let Some(object) = at.as_object_mut() else {
                return;
            };
            at = object.entry(key.as_str()).or_insert(Value::Null);
        }
        *at = value;
    }

    pub(super) fn tokens(&self) -> &[Token] {
        &self.tokens
    }
}

impl Token {
    fn parse(text: &str) -> Option<Self> {
        if text == "*" {
            return Some(Self::Every);
        }
        let mut key = String::with_capacity(text.len());
        let mut chars = text.chars();
        while let Some(c) = chars.next() {
            key.push(match c {
                '~' => match chars.next()? {
                    '0' => '~',
                    '1' => '/',
                    _ => return None,
                },
                c => c,
            });
        }
        Some(Self::Key(key))
    }

    /// The array index this token is: digits without a leading zero (RFC 6901 §4).
    pub(super) fn index(&self) -> Option<usize> {
        let Self::Key(key) = self else { return None };
        let digits = key.bytes().all(|b| b.is_ascii_digit());
        let canonical = key == "0" || !key.starts_with('0');
        if digits && canonical {
            key.parse().ok()
        } else {
            None
        }
    }
}

/// What somebody meant who wrote `JSONPath`, a dotted path, a URI fragment or a bare key.
fn suggest(text: &str) -> String {
    let path = text.trim_start_matches(['$', '#', '.', '/']);
    let mut meant = String::from("/");
    for c in path.chars() {
        match c {
            '.' | '[' | '/' if meant.ends_with('/') => {}
            '.' | '[' => meant.push('/'),
            ']' | '\'' | '"' => {}
            c => meant.push(c),
        }
    }
    meant
}

impl fmt::Display for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for token in &self.tokens {
            match token {
                Token::Every => f.write_str("/*")?,
                Token::Key(key) => {
                    write!(f, "/{}", key.replace('~', "~0").replace('/', "~1"))?;
                }
            }
        }
        Ok(())
    }
}

impl fmt::Display for PointerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Slash(meant) => {
                write!(f, "a JSON Pointer starts with `/`: did you mean `{meant}`?")
            }
            Self::Tilde(meant) => write!(
                f,
                "in a JSON Pointer `~` is written `~0` and a `/` inside a key `~1`: did you mean `{meant}`?"
            ),
            Self::TooDeep => {
                write!(
                    f,
                    "a JSON Pointer has at most {MAX_DEPTH} tokens: write a shorter one"
                )
            }
        }
    }
}

impl std::error::Error for PointerError {}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The examples of RFC 6901 §5, and ours.
    #[test]
    fn reads_tokens_and_prints_them_back() {
        let key = |text: &str| Token::Key(text.to_owned());
        for (text, tokens) in [
            ("", vec![]),
            ("/", vec![key("")]),
            ("/foo/0", vec![key("foo"), key("0")]),
            ("/a~1b", vec![key("a/b")]),
            ("/m~0n", vec![key("m~n")]),
            ("/~01", vec![key("~1")]),
            ("/c%d", vec![key("c%d")]),
            ("/k\"l", vec![key("k\"l")]),
            ("/ ", vec![key(" ")]),
            ("/a/", vec![key("a"), key("")]),
            ("/*/type", vec![Token::Every, key("type")]),
            ("/**", vec![key("**")]),
            ("/a*", vec![key("a*")]),
        ] {
            let pointer = Pointer::parse(text).unwrap();
            assert_eq!(pointer.tokens(), tokens, "{text}");
            assert_eq!(pointer.to_string(), text);
        }
    }

    #[test]
    fn says_what_was_probably_meant() {
        for (text, meant) in [
            ("type", "`/type`"),
            ("data.type", "`/data/type`"),
            ("$.data.type", "`/data/type`"),
            ("$[*].type", "`/*/type`"),
            ("$['data'][\"type\"]", "`/data/type`"),
            ("#/type", "`/type`"),
            ("*", "`/*`"),
            ("/a~b", "`/a~0b`"),
            ("/a~", "`/a~0`"),
            ("/~2", "`/~02`"),
            (&"/x".repeat(128), "at most 127"),
        ] {
            let error = Pointer::parse(text).unwrap_err().to_string();
            assert!(error.contains(meant), "{text}: {error}");
        }
        assert!(Pointer::parse(&"/x".repeat(127)).is_ok());
    }

    #[test]
    fn an_index_has_no_sign_and_no_leading_zero() {
        for (text, index) in [("0", Some(0)), ("7", Some(7)), ("10", Some(10))] {
            assert_eq!(Token::Key(text.to_owned()).index(), index, "{text}");
        }
        for text in [
            "",
            "-",
            "-1",
            "+1",
            "00",
            "01",
            "1e0",
            " 1",
            "٣",
            "99999999999999999999",
        ] {
            assert_eq!(Token::Key(text.to_owned()).index(), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_suggestion_can_be_used(text in "[$#a~0/*.'\\[\\]]{0,12}") {
            if let Err(PointerError::Tilde(meant)) = Pointer::parse(&text) {
                prop_assert!(Pointer::parse(&meant).is_ok(), "{}", meant);
            }
        }

        #[test]
        fn any_pointer_is_printed_back(text in "\\PC{0,20}") {
            if let Ok(pointer) = Pointer::parse(&text) {
                prop_assert_eq!(pointer.to_string(), text);
            }
        }
    }
}
