//! Secret bytes that cannot be printed.

use std::fmt;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

/// Secret bytes: no `Display`, no `PartialEq`, a `Debug` that shows nothing, erased when the last
/// that holds them is dropped. They stand in memory once, however often they are cloned.
#[derive(Clone)]
pub struct Secret(Arc<Zeroizing<Vec<u8>>>);

impl Secret {
    /// Takes the bytes over.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Arc::new(Zeroizing::new(bytes)))
    }

    /// The bytes, for a key schedule. Never for output.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// Whether `candidate` is this secret. Takes the same time wherever they differ: both sides
    /// are hashed first, so that not even the length shows.
    pub fn matches(&self, candidate: &[u8]) -> bool {
        let held = Sha256::digest(self.expose());
        let given = Sha256::digest(candidate);
        held.ct_eq(&given).into()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matches_only_the_very_bytes() {
        let secret = Secret::new(b"24680AEIOUY".to_vec());
        assert!(secret.matches(b"24680AEIOUY"));
        for other in [
            &b""[..],
            b"24680AEIOU",
            b"24680AEIOUYZ",
            b"24680aeiouy",
            b"24680AEIOUY ",
        ] {
            assert!(!secret.matches(other));
        }
    }

    #[test]
    fn debug_prints_no_byte_of_it() {
        assert_eq!(format!("{:?}", Secret::new(b"hunter2".to_vec())), "Secret");
    }
}
