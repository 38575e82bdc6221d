//! 128 bits that stand for something longer.

use std::fmt;

use data_encoding::BASE64URL_NOPAD;
use sha2::{Digest as _, Sha256};

/// The first half of a SHA-256. Of a thousand million fingerprints two are the same with a
/// probability of 2⁻⁶⁹, and nobody can make two that are without 2⁶⁴ hashes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint([u8; 16]);

impl Fingerprint {
    /// Its bytes.
    pub const fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Its first 8 letters: enough to find it again, for logs and reports.
    pub fn short(&self) -> String {
        // Six bytes are eight letters.
        BASE64URL_NOPAD.encode(self.0.first_chunk::<6>().map_or(&[], |start| start))
    }
}

impl fmt::Display for Fingerprint {
    /// 22 letters, digits, `-` and `_`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&BASE64URL_NOPAD.encode(&self.0))
    }
}

/// A fingerprint being taken, field by field: where one field ends and the next begins is part of
/// it.
#[derive(Debug, Clone)]
pub struct Fingerprinter(Sha256);

impl Fingerprinter {
    /// Begins one; the same fields under another purpose give another fingerprint.
    pub fn new(purpose: &str) -> Self {
        Self(Sha256::new()).with(purpose.as_bytes())
    }

    /// Adds a field.
    #[must_use]
    pub fn with(mut self, field: &[u8]) -> Self {
        self.0.update((field.len() as u64).to_le_bytes());
        self.0.update(field);
        self
    }

    /// The fingerprint of all fields.
    pub fn finish(self) -> Fingerprint {
        let whole: [u8; 32] = self.0.finalize().into();
        let mut half = [0; 16];
        half.iter_mut().zip(whole).for_each(|(to, from)| *to = from);
        Fingerprint(half)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(purpose: &str, fields: &[&str]) -> Fingerprint {
        fields
            .iter()
            .fold(Fingerprinter::new(purpose), |print, field| {
                print.with(field.as_bytes())
            })
            .finish()
    }

    #[test]
    fn fields_cannot_run_into_each_other() {
        let all = [
            of("a", &["b", "c"]),
            of("a", &["bc"]),
            of("a", &["bc", ""]),
            of("a", &["", "bc"]),
            of("a", &["c", "b"]),
            of("ab", &["c"]),
            of("a", &[]),
        ];
        for (at, one) in all.iter().enumerate() {
            assert!(all.iter().skip(at + 1).all(|other| other != one), "{at}");
        }
        assert_eq!(of("a", &["b", "c"]), of("a", &["b", "c"]));
    }

    /// Replicas of different versions share a store: it must not change.
    #[test]
    fn it_stays_the_same_for_ever() {
        assert_eq!(of("a", &["b"]).to_string(), "z2q2E-OUI5H4jtaYVX4WgA");
        assert_eq!(of("a", &["b"]).to_string().len(), 22);
        assert_eq!(of("a", &["b"]).short(), "z2q2E-OU");
    }
}
