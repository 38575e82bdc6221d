//! `Content-Digest` (RFC 9530): the body, bound to what is signed.

use subtle::ConstantTimeEq as _;

use super::super::hash::{Hash, Hasher};
use super::Head;
use crate::rejection::Rejection;

/// The digests that a body must have, while it arrives.
#[derive(Debug)]
pub struct Digests(Vec<(Hasher, Vec<u8>)>);

/// Those that RFC 9530 §5 calls active. The others are broken, and say nothing.
const ACTIVE: [(&str, Hash); 2] = [("sha-256", Hash::Sha256), ("sha-512", Hash::Sha512)];

/// Whether a member of this name says something of the body.
pub(super) fn is_active(name: &str) -> bool {
    ACTIVE.iter().any(|(active, _)| *active == name)
}

impl Digests {
    /// Reads the header.
    ///
    /// # Errors
    ///
    /// `SignatureMalformed` where it is no dictionary of byte sequences, or has no active digest.
    pub(super) fn read(head: &Head<'_>) -> Result<Self, Rejection> {
        let found = super::dictionary(head, "content-digest")?;
        let mut digests = Vec::new();
        for (name, hash) in ACTIVE {
            match found.get(name) {
                None => {}
                Some(entry) => {
                    let bytes = super::bytes(entry).ok_or(Rejection::SignatureMalformed)?;
                    digests.push((Hasher::new(hash), bytes.to_vec()));
                }
            }
        }
        if digests.is_empty() {
            return Err(Rejection::SignatureMalformed);
        }
        Ok(Self(digests))
    }

    pub(super) fn update(&mut self, chunk: &[u8]) {
        for (hasher, _) in &mut self.0 {
            hasher.update(chunk);
        }
    }

    /// Whether the body has every one of them.
    pub(super) fn match_body(self) -> bool {
        self.0
            .into_iter()
            .all(|(hasher, wanted)| bool::from(hasher.finish().ct_eq(&wanted)))
    }
}
