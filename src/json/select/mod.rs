//! Reads what several pointers point at, in one pass over the document.

use std::borrow::Cow;
use std::fmt;

use super::pointer::{MAX_DEPTH, Pointer};
use super::scan::Scanner;
use super::trie::{Edge, Node};

/// Pointers compiled into one trie.
#[derive(Debug, Clone)]
pub struct Selection {
    root: Node,
    pointers: usize,
    edges: usize,
    /// Whether a key in other letters counts as the same.
    strict: bool,
}

/// What a [`Selection`] found in one document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document<'a> {
    /// One for each pointer, in the order they were given.
    pub found: Vec<Found<'a>>,
    /// How many elements the document has, if it is an array.
    pub root_elements: Option<usize>,
}

/// What one pointer found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found<'a> {
    /// The values in the order of the document: at most one, unless the pointer has a `*`. A
    /// `null` is no value.
    pub values: Vec<Value<'a>>,
    /// A key on the way is repeated: two readers would find two values, so there is none here.
    pub ambiguous: bool,
    /// How many elements the array at the first `*` of the pointer has.
    pub elements: Option<usize>,
}

/// A value that is not `null`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value<'a> {
    /// An object or an array.
    NotScalar,
    /// The content of a string, the digits of a number as they were sent, `true` or `false`.
    Text(Cow<'a, str>),
}

/// The body is not one JSON document of UTF-8 (RFC 8259), or is deeper than 127 levels, or holds
/// on the way of a pointer a lone surrogate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotJson;

impl Selection {
    /// Compiles `pointers`.
    pub fn new(pointers: &[Pointer]) -> Self {
        let (root, edges) = Node::root(pointers);
        Self {
            root,
            pointers: pointers.len(),
            edges,
            strict: false,
        }
    }

    /// The same, for what decides: a key that differs on the way in the case of its letters only is
    /// one that is repeated, as Go and ASP.NET Core take either.
    pub fn strict(pointers: &[Pointer]) -> Self {
        Self {
            strict: true,
            ..Self::new(pointers)
        }
    }

    /// Reads `body` from its first to its last byte.
    ///
    /// # Errors
    /// The body is not JSON.
    pub fn read<'a>(&self, body: &'a [u8]) -> Result<Document<'a>, NotJson> {
        let mut reading = Reading {
            scanner: Scanner::new(body),
            document: Document {
                found: vec![Found::default(); self.pointers],
                root_elements: None,
            },
            seen: vec![0; self.edges],
            objects: 0,
            strict: self.strict,
        };
        reading.value(&self.root, 0)?;
        reading.scanner.end()?;
        if reading.scanner.may_be_foreign() {
            simdutf8::basic::from_utf8(body).map_err(|_| NotJson)?;
        }
        let mut document = reading.document;
        for found in document.found.iter_mut().filter(|found| found.ambiguous) {
            *found = Found {
                ambiguous: true,
                ..Found::default()
            };
        }
        Ok(document)
    }
}

/// The state of one pass.
struct Reading<'de> {
    scanner: Scanner<'de>,
    document: Document<'de>,
    /// For each edge the number of the object it was last taken in: an edge is taken twice in one
    /// object if and only if the key is repeated.
    seen: Vec<u64>,
    objects: u64,
    strict: bool,
}

impl<'de> Reading<'de> {
    fn found(&mut self, pointers: &[usize], mut change: impl FnMut(&mut Found<'de>)) {
        for pointer in pointers {
            if let Some(found) = self.document.found.get_mut(*pointer) {
                change(found);
            }
        }
    }

    /// Notes that `edge` is taken in the object with this number; false if it already was.
    fn take(&mut self, edge: &Edge, object: u64) -> bool {
        let Some(seen) = self.seen.get_mut(edge.number) else {
            return false;
        };
        if std::mem::replace(seen, object) != object {
            return true;
        }
        self.found(&edge.pointers, |found| found.ambiguous = true);
        false
    }

    /// Reads the value that stands at `node`, in `depth` others.
    fn value(&mut self, node: &Node, depth: usize) -> Result<(), NotJson> {
        let first = self.scanner.peek()?;
        if !node.ends.is_empty() {
            let before = self.scanner;
            if let Some(value) = self.end(first, depth)? {
                self.found(&node.ends, |found| found.values.push(value.clone()));
            }
            // A pointer ends here and another leads on: these bytes are read a second time.
            if !matches!(first, b'{' | b'[') || !node.leads_on() {
                return Ok(());
            }
            self.scanner = before;
        }
        match first {
            b'{' | b'[' if depth >= MAX_DEPTH => Err(NotJson),
            b'{' => self.object(node, depth + 1),
            b'[' => self.array(node, depth + 1),
            _ => self.scanner.skip(depth),
        }
    }

    /// The value that a pointer ends at.
    fn end(&mut self, first: u8, depth: usize) -> Result<Option<Value<'de>>, NotJson> {
        if first == b'"' {
            let (content, escaped) = self.scanner.string()?;
            return Ok(Some(Value::Text(if escaped {
                Cow::Owned(unescaped(content)?)
            } else {
                Cow::Borrowed(text(content)?)
            })));
        }
        let start = self.scanner.at();
        self.scanner.skip(depth)?;
        Ok(match first {
            b'n' => None,
            b'{' | b'[' => Some(Value::NotScalar),
            _ => Some(Value::Text(Cow::Borrowed(text(
                self.scanner.since(start)?,
            )?))),
        })
    }

    fn object(&mut self, node: &Node, depth: usize) -> Result<(), NotJson> {
        self.objects += 1;
        let object = self.objects;
        let mut more = self.scanner.opens(b'{', b'}')?;
        while more {
            let (key, escaped) = self.scanner.string()?;
            let edge = edge(node, (key, escaped))?;
            if self.strict && edge.is_none() {
                self.respelled(node, &decoded((key, escaped))?);
            }
            self.scanner.pass(b':')?;
            match edge {
                Some(edge) if self.take(edge, object) => self.value(&edge.node, depth)?,
                _ => self.scanner.skip(depth)?,
            }
            more = self.scanner.goes_on(b'}')?;
        }
        Ok(())
    }

    /// Notes a key that some reader takes for one of the node's.
    fn respelled(&mut self, node: &Node, key: &str) {
        let like = |known: &str| folded(known).eq(folded(key));
        for (_, edge) in node.keys.iter().filter(|(known, _)| like(known)) {
            self.found(&edge.pointers, |found| found.ambiguous = true);
        }
    }

    fn array(&mut self, node: &Node, depth: usize) -> Result<(), NotJson> {
        let mut length = 0;
        let mut more = self.scanner.opens(b'[', b']')?;
        while more {
            match node.element(length) {
                Some(node) => self.value(node, depth)?,
                None => self.scanner.skip(depth)?,
            }
            length += 1;
            more = self.scanner.goes_on(b']')?;
        }
        self.found(&node.counted, |found| found.elements = Some(length));
        if node.is_root {
            self.document.root_elements = Some(length);
        }
        Ok(())
    }
}

/// The edge of a key, which may be written with escapes.
fn edge<'n>(node: &'n Node, (key, escaped): (&[u8], bool)) -> Result<Option<&'n Edge>, NotJson> {
    let unescaped;
    let key = if escaped {
        unescaped = decoded((key, true))?;
        unescaped.as_bytes()
    } else {
        key
    };
    let mut keys = node.keys.iter();
    let known = keys.find(|(known, _)| known.as_bytes() == key);
    Ok(known.map(|(_, edge)| edge))
}

/// What a key says.
pub(super) fn decoded((key, escaped): (&[u8], bool)) -> Result<Cow<'_, str>, NotJson> {
    Ok(if escaped {
        Cow::Owned(unescaped(key)?)
    } else {
        Cow::Borrowed(text(key)?)
    })
}

/// The letters without their case, those of other alphabets too that fold into ASCII (`K`, `ſ`).
pub(super) fn folded(key: &str) -> impl Iterator<Item = char> {
    key.chars()
        .flat_map(char::to_uppercase)
        .flat_map(char::to_lowercase)
}

/// What stands between two quotes, or is a number or a word.
pub(super) fn text(content: &[u8]) -> Result<&str, NotJson> {
    std::str::from_utf8(content).map_err(|_| NotJson)
}

/// The text that stands between two quotes with escapes in it.
pub(super) fn unescaped(content: &[u8]) -> Result<String, NotJson> {
    let content = text(content)?;
    serde_json::from_str(&format!("\"{content}\"")).map_err(|_| NotJson)
}

impl fmt::Display for NotJson {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the body is not one JSON document")
    }
}

impl std::error::Error for NotJson {}

#[cfg(test)]
mod tests;
