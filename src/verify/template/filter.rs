//! What is done to a value of a message before it is signed.

use md5::{Digest as _, Md5};

use crate::rejection::Rejection;
use crate::verify::{Encoding, Hash};

#[derive(Debug, Clone)]
pub(super) enum Filter {
    /// CRC-32 (ISO 3309) in decimal: proves nothing about what it was computed from.
    Crc32,
    Encode(Encoding),
    Hash(Hash),
    /// Refuses what is more than one line. Between values that are joined by line breaks, one with a
    /// line break of its own could pass for several: what was signed as one event is read as another.
    Line,
    Lower,
    /// MD5 (RFC 1321): two texts with the same hash can be made.
    Md5,
    /// What stands before the first `?`.
    NoQuery,
    /// Refuses what has one of these characters: as [`Line`](Self::Line), where others separate.
    Not(String),
    Trim,
    Upper,
}

/// For messages about mistakes.
pub(super) const NAMES: &str = "sha1, sha256, sha384, sha512, md5, crc32, hex, base64, base64url, line, lower, upper, trim, no_query and not:xyz";

impl Filter {
    pub(super) fn named(name: &str) -> Option<Self> {
        if let Some(("not", characters)) = name.split_once(':') {
            let sound = !characters.is_empty() && characters.is_ascii();
            return sound.then(|| Self::Not(characters.to_owned()));
        }
        Some(match name {
            "base64" => Self::Encode(Encoding::Base64),
            "base64url" => Self::Encode(Encoding::Base64Url),
            "crc32" => Self::Crc32,
            "hex" => Self::Encode(Encoding::Hex),
            "line" => Self::Line,
            "lower" => Self::Lower,
            "md5" => Self::Md5,
            "no_query" => Self::NoQuery,
            "sha1" => Self::Hash(Hash::Sha1),
            "sha256" => Self::Hash(Hash::Sha256),
            "sha384" => Self::Hash(Hash::Sha384),
            "sha512" => Self::Hash(Hash::Sha512),
            "trim" => Self::Trim,
            "upper" => Self::Upper,
            _ => return None,
        })
    }

    /// # Errors
    ///
    /// `SignatureMalformed` for a value that is not what the filter asks for.
    pub(super) fn apply(&self, value: Vec<u8>) -> Result<Vec<u8>, Rejection> {
        Ok(match self {
            Self::Crc32 => crc32(&value).to_string().into_bytes(),
            Self::Encode(encoding) => encoding.encode(&value).into_bytes(),
            Self::Hash(hash) => hash.of(&value),
            Self::Line if value.iter().any(u8::is_ascii_control) => {
                return Err(Rejection::SignatureMalformed);
            }
            Self::Not(characters) if has_one_of(&value, characters) => {
                return Err(Rejection::SignatureMalformed);
            }
            Self::Line | Self::Not(_) => value,
            Self::Lower => value.to_ascii_lowercase(),
            Self::Md5 => Md5::digest(&value).to_vec(),
            Self::NoQuery => match value.iter().position(|byte| *byte == b'?') {
                Some(at) => value.get(..at).unwrap_or_default().to_vec(),
                None => value,
            },
            Self::Trim => value.trim_ascii().to_vec(),
            Self::Upper => value.to_ascii_uppercase(),
        })
    }

    /// Whether what it gives has no line break that a sender could have chosen.
    pub(super) fn is_line(&self) -> bool {
        match self {
            Self::Not(characters) => characters.contains('\n'),
            Self::Crc32 | Self::Encode(_) | Self::Hash(_) | Self::Line | Self::Md5 => true,
            Self::Lower | Self::NoQuery | Self::Trim | Self::Upper => false,
        }
    }

    /// Whether another value with the same result can be made.
    pub(super) const fn is_weak(&self) -> bool {
        matches!(self, Self::Crc32 | Self::Md5)
    }
}

fn has_one_of(value: &[u8], characters: &str) -> bool {
    value
        .iter()
        .any(|byte| characters.as_bytes().contains(byte))
}

/// The CRC-32 of ISO 3309 and of zlib: reflected, polynomial 0xEDB88320.
fn crc32(bytes: &[u8]) -> u32 {
    const TABLE: [u32; 256] = table();
    let mut state = u32::MAX;
    for byte in bytes {
        let [low, ..] = state.to_le_bytes();
        let entry = TABLE.get(usize::from(low ^ byte)).copied().unwrap_or(0);
        state = (state >> 8) ^ entry;
    }
    !state
}

#[expect(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    reason = "computed at compile time, with indexes below 256"
)]
const fn table() -> [u32; 256] {
    let mut table = [0; 256];
    let mut at = 0;
    while at < table.len() {
        let mut entry = at as u32;
        let mut bit = 0;
        while bit < 8 {
            entry = (entry >> 1) ^ (0xEDB8_8320 * (entry & 1));
            bit += 1;
        }
        table[at] = entry;
        at += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    fn apply(name: &str, value: &str) -> String {
        let value = Filter::named(name).unwrap().apply(value.into());
        String::from_utf8(value.unwrap()).unwrap()
    }

    /// The check value of the CRC catalogue, and RFC 1321 §A.5.
    #[test]
    fn checksums_have_their_published_values() {
        assert_eq!(apply("crc32", "123456789"), 0xCBF4_3926_u32.to_string());
        assert_eq!(apply("crc32", ""), "0");
        let md5 = Filter::Md5.apply(b"message digest".to_vec()).unwrap();
        assert_eq!(
            Encoding::Hex.encode(&md5),
            "f96b697d7cb7938d525a2f31aaf161d0"
        );
    }

    #[test]
    fn texts_are_cut_and_cased() {
        for (name, value, expected) in [
            ("no_query", "https://a/b?c?d", "https://a/b"),
            ("no_query", "https://a/b", "https://a/b"),
            ("no_query", "?", ""),
            ("line", "a b é", "a b é"),
            ("not:.:", "a b é", "a b é"),
            ("line", "", ""),
            ("trim", " a b\r\n", "a b"),
            ("lower", "AbÉ", "abÉ"),
            ("upper", "abé", "ABé"),
        ] {
            assert_eq!(apply(name, value), expected, "{name} {value}");
        }
    }

    #[test]
    fn what_is_no_line_is_refused() {
        for value in ["a\nb", "a\n", "\r", "a\0", "\x7f"] {
            let refused = Filter::Line.apply(value.into());
            assert_eq!(refused, Err(Rejection::SignatureMalformed), "{value:?}");
        }
        for (name, value) in [("not:.:", "a.b"), ("not:.:", ":"), ("not:,", "é,")] {
            let refused = Filter::named(name).unwrap().apply(value.into());
            assert_eq!(
                refused,
                Err(Rejection::SignatureMalformed),
                "{name} {value}"
            );
        }
        assert!(Filter::named("not:").is_none() && Filter::named("not:é").is_none());
    }
}
