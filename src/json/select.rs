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
            let edge = edge(node, self.scanner.string()?)?;
            self.scanner.pass(b':')?;
            match edge {
                Some(edge) if self.take(edge, object) => self.value(&edge.node, depth)?,
                _ => self.scanner.skip(depth)?,
            }
            more = self.scanner.goes_on(b'}')?;
        }
        Ok(())
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
    let decoded;
    let key = if escaped {
        decoded = unescaped(key)?;
        decoded.as_bytes()
    } else {
        key
    };
    let mut keys = node.keys.iter();
    let known = keys.find(|(known, _)| known.as_bytes() == key);
    Ok(known.map(|(_, edge)| edge))
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
mod tests {
    use super::*;

    fn read(pointer: &str, body: &str) -> Result<String, NotJson> {
        let selection = Selection::new(&[Pointer::parse(pointer).unwrap()]);
        let document = selection.read(body.as_bytes())?;
        let found = &document.found[0];
        assert!(found.values.is_empty() || !found.ambiguous);
        let shown = found.values.iter().map(|value| match value {
            Value::NotScalar => "(not scalar)",
            Value::Text(text) => text,
        });
        Ok(if found.ambiguous {
            "(ambiguous)".to_owned()
        } else {
            shown.collect::<Vec<_>>().join("|")
        })
    }

    /// Two readers read bytes that are no UTF-8 as two texts.
    #[test]
    fn what_is_no_utf8_is_no_json_wherever_it_stands() {
        let long = "x".repeat(700);
        let whole = format!("{{\"type\":\"abc\",\"{long}\":[\"{long}\", 1],\"é\":\"{long}\"}}");
        let selection = Selection::new(&[Pointer::parse("/type").unwrap()]);
        assert!(selection.read(whole.as_bytes()).is_ok());
        for at in 0..whole.len() {
            for byte in [0x80, 0xc3, 0xed, 0xff] {
                let mut body = whole.clone().into_bytes();
                body[at] = byte;
                if std::str::from_utf8(&body).is_err() {
                    assert_eq!(selection.read(&body), Err(NotJson), "{at}");
                    assert!(crate::json::Members::read(&body).is_err(), "{at}");
                }
            }
        }
    }

    #[test]
    fn finds_the_value_as_it_was_sent() {
        for (pointer, body, expected) in [
            ("/type", r#"{"type":"a"}"#, "a"),
            (
                "/type",
                " { \"x\" : [1, {\"type\":2}] , \"type\" : \"a\" } \r\n",
                "a",
            ),
            (
                "/type",
                r#"{"t\u0079pe":"\u00e9\n\"\\\ud83d\ude00"}"#,
                "é\n\"\\😀",
            ),
            ("/type", r#"{"type":""}"#, ""),
            ("/type", r#"{"type":"\""}"#, "\""),
            ("/type", r#"{"type":true}"#, "true"),
            ("/type", r#"{"type":false}"#, "false"),
            (
                "/type",
                r#"{"type":12345678901234567890123}"#,
                "12345678901234567890123",
            ),
            ("/type", r#"{"type":-0}"#, "-0"),
            ("/type", r#"{"type":1.10e+3}"#, "1.10e+3"),
            ("/type", r#"{"type":1e999 }"#, "1e999"),
            ("/type", r#"{"type":null}"#, ""),
            ("/type", r#"{"Type":"a","type ":"b"}"#, ""),
            ("/type", r#"{"type":{}}"#, "(not scalar)"),
            ("/type", r#"{"type":["a"]}"#, "(not scalar)"),
            ("/type", r#"["type"]"#, ""),
            ("/type", r#""type""#, ""),
            ("/a/b", r#"{"a":{"b":1},"b":2}"#, "1"),
            ("/a/b", r#"{"a":"b"}"#, ""),
            ("/a/b", r#"{"a":null}"#, ""),
            ("/a~1b/m~0n", r#"{"a/b":{"m~n":1}}"#, "1"),
            ("/", r#"{"":1}"#, "1"),
            ("", r#" "whole" "#, "whole"),
            ("", "17", "17"),
            ("", "null", ""),
            ("", "[1]", "(not scalar)"),
            ("/0/x", r#"[{"x":1},{"x":2}]"#, "1"),
            ("/1", "[1,2]", "2"),
            ("/2", "[1,2]", ""),
            ("/01", "[1,2]", ""),
            ("/-", "[1,2]", ""),
            ("/0", r#"{"0":1}"#, "1"),
            ("/01", r#"{"01":1}"#, "1"),
            ("/*", "[1,null,[],2]", "1|(not scalar)|2"),
            ("/*", r#"{"*":1}"#, ""),
            ("/*/x", r#"[{"x":1},{"y":2},{"x":3},4]"#, "1|3"),
            (
                "/e/*/x/*",
                r#"{"e":[{"x":[1,2]},{"x":3},{"x":[4]}]}"#,
                "1|2|4",
            ),
            ("/é", r#"{"é":1}"#, "1"),
        ] {
            assert_eq!(
                read(pointer, body).as_deref(),
                Ok(expected),
                "{pointer} {body}"
            );
        }
    }

    /// The table of what other readers make of it: some the last, some the first value.
    #[test]
    fn a_key_repeated_on_the_way_is_ambiguous() {
        for (pointer, body, ambiguous) in [
            (
                "/event",
                r#"{"event":"A","x":{"event":"no"},"event":"B"}"#,
                true,
            ),
            ("/event", r#"{"event":"A","x":{"event":"no"}}"#, false),
            ("/event", r#"{"event":"A","event":"A"}"#, true),
            ("/event", r#"{"event":"A","\u0065vent":"B"}"#, true),
            ("/event", r#"{"event":"A","event":null}"#, true),
            (
                "/event",
                r#"{"event":"A","x":1,"x":2,"y":{"event":1,"event":2}}"#,
                false,
            ),
            ("/a/b", r#"{"a":{"b":1},"a":{}}"#, true),
            ("/a/b", r#"{"a":{"b":1,"b":2}}"#, true),
            ("/a/b", r#"{"a":{"b":1},"b":2,"b":3}"#, false),
            ("/a/b", r#"{"a":{"b":{"c":1,"c":2}}}"#, false),
            ("/*/t", r#"[{"t":1},{"t":2}]"#, false),
            ("/*/t", r#"[{"t":1},{"t":2,"t":2}]"#, true),
            ("/0/t", r#"[{"t":1},{"t":2,"t":2}]"#, false),
            ("/1/t", r#"[{"t":1},{"t":2,"t":2}]"#, true),
            ("/0", r#"{"0":1,"0":1}"#, true),
            ("", r#"{"a":1,"a":1}"#, false),
        ] {
            let shown = read(pointer, body).unwrap();
            assert_eq!(
                shown == "(ambiguous)",
                ambiguous,
                "{pointer} {body}: {shown}"
            );
        }
    }

    #[test]
    fn what_is_not_json_to_its_end_is_refused() {
        let nested = |depth: usize| {
            format!(
                r#"{{"type":1,"x":{}"[[\"[["{}}}"#,
                "[".repeat(depth - 1),
                "]".repeat(depth - 1)
            )
        };
        assert_eq!(read("/type", &nested(127)).as_deref(), Ok("1"));
        assert_eq!(read("/type", &nested(128)), Err(NotJson));
        assert_eq!(read("/type", &nested(500_000)), Err(NotJson));
        for body in [
            "",
            " ",
            r#"{"type":1}x"#,
            r#"{"type":1}{}"#,
            r#"{"type":1"#,
            r#"{"type":1,}"#,
            r#"{"type":1,"x":[1,]}"#,
            r#"{"type":1,"x":[}"#,
            r#"{"type":1,"x":'a'}"#,
            r#"{"type":1,"x":01}"#,
            r#"{"type":1,"x":NaN}"#,
            r#"{"type":1,"x":"\x"}"#,
            "{\"type\":1,\"x\":\"\n\"}",
            r#"{"type":1/**/}"#,
            r#"{"type":"\ud800"}"#,
            r#"{"type":1,"\udc00":2}"#,
            "{type:1}",
            "\u{feff}{\"type\":1}",
            "type=1",
        ] {
            assert_eq!(read("/type", body), Err(NotJson), "{body}");
        }
        let selection = Selection::new(&[Pointer::parse("/type").unwrap()]);
        for body in [
            &b"{\"type\":1,\"x\":\"\xff\"}"[..],
            b"{\"type\":1,\"\xc0\xaf\":2}",
            b"\0",
        ] {
            assert_eq!(selection.read(body), Err(NotJson), "{body:?}");
        }
    }

    #[test]
    fn reads_several_pointers_at_once_in_their_order() {
        let pointers = ["/b", "/a/c", "/a", "/*/c", "/0/c", "/0", "/b", ""];
        let pointers = pointers.map(|text| Pointer::parse(text).unwrap());
        let selection = Selection::new(&pointers);
        let shown = |body: &str| {
            let document = selection.read(body.as_bytes()).unwrap();
            let values = document.found.iter().map(|found| {
                let values = found.values.iter().map(|value| match value {
                    Value::NotScalar => "-",
                    Value::Text(text) => text,
                });
                let values = values.collect::<Vec<_>>().join("|");
                if found.ambiguous {
                    "!".to_owned()
                } else {
                    values
                }
            });
            values.collect::<Vec<_>>().join(" ")
        };
        assert_eq!(shown(r#"{"a":{"c":1},"b":2}"#), "2 1 -    2 -");
        assert_eq!(shown(r#"[{"c":1},{"c":2}]"#), "   1|2 1 -  -");
        assert_eq!(shown(r#"{"a":{"c":1,"c":1},"b":2}"#), "2 ! -    2 -");
        assert_eq!(shown(r#"{"a":{"c":1},"b":2,"b":3}"#), "! 1 -    ! -");
        assert_eq!(shown(r#"[{"c":1,"c":1}]"#), "   ! ! -  -");
    }

    #[test]
    fn counts_the_root_and_the_array_of_the_first_star() {
        let pointers = ["/*/x", "/e/*/x/*", "/e", ""].map(|text| Pointer::parse(text).unwrap());
        let selection = Selection::new(&pointers);
        for (body, root, elements) in [
            ("[]", Some(0), [Some(0), None]),
            (r#"[{"x":1},2,null]"#, Some(3), [Some(3), None]),
            (r#"{"e":[{"x":[1,2,3]},{}]}"#, None, [None, Some(2)]),
            (r#"{"e":{"x":1}}"#, None, [None, None]),
            ("1", None, [None, None]),
        ] {
            let document = selection.read(body.as_bytes()).unwrap();
            assert_eq!(document.root_elements, root, "{body}");
            let counts = [document.found[0].elements, document.found[1].elements];
            assert_eq!(counts, elements, "{body}");
            assert_eq!(document.found[2].elements, None, "{body}");
        }
        assert_eq!(
            Selection::new(&[]).read(b"[1,2]").unwrap().root_elements,
            Some(2)
        );
    }

    #[test]
    fn borrows_what_needs_no_unescaping() {
        let selection = Selection::new(&[Pointer::parse("/t").unwrap()]);
        let document = selection.read(br#"{"t":"plain"}"#).unwrap();
        assert!(matches!(
            &document.found[0].values[..],
            [Value::Text(Cow::Borrowed("plain"))]
        ));
    }
}
