//! What can be got wrong on purpose, to see the refusal.

use super::{PrivateKey, SignError, Signer};
use crate::verify::Moment;

/// What to get wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tamper {
    /// Change the body after signing.
    Body,
    /// Sign with another secret or key.
    Key,
    /// Leave the proof out.
    Missing,
    /// Change the proof itself.
    Signature,
    /// Sign a month ago.
    Time,
}

/// The longest time any tolerance could allow is shorter than this, in seconds.
const LONG_AGO: i64 = 30 * 86_400;

impl Signer<'_> {
    pub(super) fn tampers(&mut self, with: Tamper) -> bool {
        let hit = self.tamper == Some(with);
        self.changed |= hit;
        hit
    }

    /// A static credential: another key and a changed proof are the same thing here.
    pub(super) fn credential(&mut self, secret: Vec<u8>) -> Vec<u8> {
        let secret = self.other_key(secret);
        self.altered(secret)
    }

    pub(super) fn other_key(&mut self, secret: Vec<u8>) -> Vec<u8> {
        if self.tampers(Tamper::Key) {
            b"another-secret-that-is-not-the-one".to_vec()
        } else {
            secret
        }
    }

    pub(super) fn other_private_key(&mut self, key: &PrivateKey) -> Result<PrivateKey, SignError> {
        if self.tampers(Tamper::Key) {
            key.another()
        } else {
            Ok(key.clone())
        }
    }

    pub(super) fn altered(&mut self, mut bytes: Vec<u8>) -> Vec<u8> {
        if self.tampers(Tamper::Signature)
            && let Some(first) = bytes.first_mut()
        {
            *first ^= 1;
        }
        bytes
    }

    /// A base64url text with its first character changed.
    pub(super) fn altered_text(&mut self, text: String) -> String {
        if !self.tampers(Tamper::Signature) {
            return text;
        }
        let other = if text.starts_with('A') { 'B' } else { 'A' };
        std::iter::once(other).chain(text.chars().skip(1)).collect()
    }

    pub(super) fn signing_time(&mut self) -> Moment {
        if self.tampers(Tamper::Time) {
            let then = self.now.as_second().saturating_sub(LONG_AGO);
            Moment::from_second(then).unwrap_or(self.now)
        } else {
            self.now
        }
    }
}
