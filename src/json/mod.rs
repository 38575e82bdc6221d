//! Single values out of a JSON body, read as no app could read it otherwise.
//!
//! Readers disagree about a repeated key: most take the last, some the first, some refuse. A sender
//! could let us announce one event and the app act on another. So a [`Selection`] notices every
//! repetition on the way to its values, and reads the document to its end before it believes any
//! of it.

mod elements;
mod members;
mod pointer;
mod scan;
mod select;
mod trie;

#[cfg(test)]
mod model;

pub use elements::elements;
pub use members::Members;
pub use pointer::{Pointer, PointerError};
pub use select::{Document, Found, NotJson, Selection, Value};
use select::{decoded, folded, text, unescaped};
