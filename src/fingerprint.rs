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

/// Fields one after another, each with its length: where one ends and the next begins is part of
/// them. To be hashed as a whole.
#[derive(Clone, PartialEq, Eq)]
pub struct Fields(Vec<u8>);

/// Room for the type and the id of most events: to make it larger costs more than to hash them.
const USUAL: usize = 256;

impl Default for Fields {
    fn default() -> Self {
        Self(Vec::with_capacity(USUAL))
    }
}

impl Fields {
    /// Adds a field.
    pub fn push(&mut self, field: &[u8]) {
        self.0.extend_from_slice(&length(field));
        self.0.extend_from_slice(field);
    }

    /// All of them.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Fields {
    /// Shows nothing: they are the sender's.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Fields")
    }
}

/// Bytes that are hashed at once.
const BLOCK: usize = 64;

/// A fingerprint being taken, field by field: where one field ends and the next begins is part of
/// it.
#[derive(Debug, Clone)]
pub struct Fingerprinter {
    hasher: Sha256,
    /// Bytes of the last block.
    last: usize,
}

impl Fingerprinter {
    /// Begins one; the same fields under another purpose give another fingerprint.
    pub fn new(purpose: &str) -> Self {
        let empty = Self {
            hasher: Sha256::new(),
            last: 0,
        };
        empty.with(purpose.as_bytes())
    }

    /// Adds a field.
    #[must_use]
    pub fn with(mut self, field: &[u8]) -> Self {
        self.write(&length(field));
        self.write(field);
        self
    }

    /// Fills the block, so that what begins so is hashed once for all that goes on from it.
    #[must_use]
    pub fn filled(mut self) -> Self {
        if self.last > 0
            && let Some(rest) = [0; BLOCK].get(self.last..)
        {
            self.write(rest);
        }
        self
    }

    fn write(&mut self, bytes: &[u8]) {
        self.hasher.update(bytes);
        self.last = self.last.wrapping_add(bytes.len()) % BLOCK;
    }

    /// The fingerprint of all fields.
    pub fn finish(self) -> Fingerprint {
        let whole: [u8; 32] = self.hasher.finalize().into();
        let mut half = [0; 16];
        half.iter_mut().zip(whole).for_each(|(to, from)| *to = from);
        Fingerprint(half)
    }
}

fn length(field: &[u8]) -> [u8; 8] {
    (field.len() as u64).to_le_bytes()
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

    #[test]
    fn a_full_block_takes_no_more_to_be_full() {
        // A purpose of 8 letters and its length, then a field and its length: 64 in all.
        let full = Fingerprinter::new("12345678").with(&[1; 40]);
        assert_eq!(full.last, 0);
        assert_eq!(full.clone().filled().finish(), full.finish());
        for length in 0..200 {
            let field = vec![1; length];
            let print = Fingerprinter::new("a").with(&field).filled();
            assert_eq!(print.last, 0, "{length}");
        }
    }

    /// Replicas of different versions share a store: it must not change.
    #[test]
    fn it_stays_the_same_for_ever() {
        assert_eq!(of("a", &["b"]).to_string(), "z2q2E-OUI5H4jtaYVX4WgA");
        assert_eq!(of("a", &["b"]).to_string().len(), 22);
        assert_eq!(of("a", &["b"]).short(), "z2q2E-OU");
    }
}
