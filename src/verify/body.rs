//! The bytes of one request body, as they arrived.

use std::borrow::Cow;

use bytes::Bytes;

/// A whole body in the pieces in which it arrived: hashed, read and forwarded without a copy.
#[derive(Debug, Clone, Default)]
pub struct Body {
    chunks: Vec<Bytes>,
    length: usize,
}

impl Body {
    /// Appends a piece.
    pub fn push(&mut self, chunk: Bytes) {
        self.length = self.length.saturating_add(chunk.len());
        self.chunks.push(chunk);
    }

    /// Total bytes.
    pub const fn len(&self) -> usize {
        self.length
    }

    /// Whether there is no byte at all.
    pub const fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// The pieces, in order.
    pub fn chunks(&self) -> &[Bytes] {
        &self.chunks
    }

    /// Gives the pieces away.
    pub fn into_chunks(self) -> Vec<Bytes> {
        self.chunks
    }

    /// All bytes in one slice; copies only a body of several pieces.
    pub fn contiguous(&self) -> Cow<'_, [u8]> {
        match self.chunks.as_slice() {
            [] => Cow::Borrowed(&[]),
            [only] => Cow::Borrowed(only),
            several => Cow::Owned(several.concat()),
        }
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        let mut body = Self::default();
        body.push(bytes);
        body
    }
}
