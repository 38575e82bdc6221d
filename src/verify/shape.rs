//! What a short text may look like: an alphabet and a length.
//!
//! A provider's challenge is somebody's text that gatepost repeats, or even signs. A [`Shape`] says
//! which texts it may be, so that nobody can have anything else repeated or signed.

use std::fmt;

/// A set of visible ASCII characters and the space.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Alphabet(u128);

impl fmt::Debug for Alphabet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text: String = (0..=127).filter(|b| self.has(*b)).map(char::from).collect();
        write!(f, "Alphabet({text:?})")
    }
}

/// Why a text names no alphabet, and what to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AlphabetError(pub &'static str);

impl fmt::Display for AlphabetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl Alphabet {
    /// Every visible ASCII character and the space, but for those that begin or end anything in
    /// HTML: what is repeated must be text to every browser.
    pub fn unmarked() -> Self {
        (b' '..=b'~')
            .filter(|b| !b"<>&\"'`".contains(b))
            .fold(Self(0), Self::with)
    }

    /// Reads `A-Za-z0-9._-` as between the brackets of a regular expression: ranges of letters or
    /// digits, and single characters. A `-` that is no range stands for itself.
    ///
    /// # Errors
    ///
    /// An empty text, a range that runs backwards or over other characters, anything that is not
    /// visible ASCII or a space, and `<`: what is repeated must be text to every browser.
    pub fn parse(text: &str) -> Result<Self, AlphabetError> {
        let mut found = Self(0);
        let mut rest = text.as_bytes();
        loop {
            rest = match rest {
                [] => break,
                [from, b'-', to, after @ ..] if from.is_ascii_alphanumeric() && *to != b'-' => {
                    let same = (from.is_ascii_digit() && to.is_ascii_digit())
                        || (from.is_ascii_lowercase() && to.is_ascii_lowercase())
                        || (from.is_ascii_uppercase() && to.is_ascii_uppercase());
                    if !same || from > to {
                        return Err(AlphabetError(
                            "a range goes from a letter or digit to a later one of its kind; write A-Z, a-z, 0-9, and a `-` of its own at the end",
                        ));
                    }
                    found = (*from..=*to).fold(found, Self::with);
                    after
                }
                [byte @ b' '..=b'~', after @ ..] => {
                    found = found.with(*byte);
                    after
                }
                _ => {
                    return Err(AlphabetError(
                        "an alphabet has visible ASCII characters and the space only; write A-Za-z0-9 and single characters",
                    ));
                }
            };
        }
        if found.0 == 0 {
            return Err(AlphabetError(
                "no text has no characters; write the characters that a challenge may have, as in A-Za-z0-9",
            ));
        }
        if found.has(b'<') {
            return Err(AlphabetError(
                "a challenge with `<` could be HTML; leave `<` out",
            ));
        }
        Ok(found)
    }

    fn with(self, byte: u8) -> Self {
        Self(self.0 | 1_u128.checked_shl(byte.into()).unwrap_or(0))
    }

    /// Whether it has this character.
    pub fn has(self, byte: u8) -> bool {
        byte.is_ascii() && self.0 & 1_u128.checked_shl(byte.into()).unwrap_or(0) != 0
    }

    /// Its characters, in the order of ASCII.
    pub fn characters(self) -> impl Iterator<Item = u8> {
        (0..=127).filter(move |byte| self.has(*byte))
    }
}

/// Which texts are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// The characters it may have.
    pub alphabet: Alphabet,
    /// The least bytes.
    pub min: usize,
    /// The most bytes.
    pub max: usize,
}

impl Shape {
    /// Whether `text` is one of them.
    pub fn fits(&self, text: &[u8]) -> bool {
        (self.min..=self.max).contains(&text.len()) && text.iter().all(|b| self.alphabet.has(*b))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(alphabet: Alphabet) -> String {
        alphabet.characters().map(char::from).collect()
    }

    #[test]
    fn reads_ranges_and_single_characters() {
        for (written, meant) in [
            ("a-f0-9", "0123456789abcdef"),
            ("A-C._~+/=-", "+-./=ABC_~"),
            ("-a", "-a"),
            ("a-", "-a"),
            ("a--", "-a"),
            (" :", " :"),
            ("aa", "a"),
            ("+-/", "+-/"),
        ] {
            assert_eq!(
                Alphabet::parse(written).map(text).as_deref(),
                Ok(meant),
                "{written}"
            );
        }
        for written in [
            "", "z-a", "a-Z", "0-a", "9-0", "a-/", "\n", "é", "a\0", "A-Z<", "<",
        ] {
            assert!(Alphabet::parse(written).is_err(), "{written:?}");
        }
        let usual = text(Alphabet::unmarked());
        assert!(
            usual.contains(' ') && usual.contains('{') && !usual.contains(['<', '>', '&', '"'])
        );
    }

    #[test]
    fn fits_by_every_byte_and_the_length() {
        let shape = Shape {
            alphabet: Alphabet::parse("a-f0-9").unwrap(),
            min: 2,
            max: 4,
        };
        for (text, fits) in [
            (&b"ab"[..], true),
            (b"a1b2", true),
            (b"a", false),
            (b"abcde", false),
            (b"", false),
            (b"abG", false),
            (b"ab\n", false),
            (b"ab\0", false),
            (b"a\xe9", false),
        ] {
            assert_eq!(shape.fits(text), fits, "{text:?}");
        }
    }
}
