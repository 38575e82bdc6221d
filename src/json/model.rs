//! The slow and obvious reader, to compare [`Selection`] with.

use proptest::prelude::*;

use super::pointer::{Pointer, Token};
use super::select::{Document, Found, Selection, Value};

/// A document that remembers repeated keys and the digits of its numbers.
#[derive(Debug, Clone)]
enum Doc {
    Array(Vec<Self>),
    Object(Vec<(String, Self)>),
    /// `null`, `true` or a number, as it is written.
    Plain(&'static str),
    String(String),
}

impl Doc {
    /// As JSON; `escape` writes the keys in their longest form.
    fn write(&self, escape: bool) -> String {
        match self {
            Self::Array(elements) => {
                let elements: Vec<_> = elements.iter().map(|e| e.write(escape)).collect();
                format!("[{}]", elements.join(" ,"))
            }
            Self::Object(members) => {
                let members: Vec<_> = members
                    .iter()
                    .enumerate()
                    .map(|(at, (key, value))| {
                        let hex = |c| format!("\\u{:04x}", u32::from(c));
                        let long = escape && at % 2 == 0;
                        let key = if long {
                            key.chars().map(hex).collect()
                        } else {
                            key.clone()
                        };
                        format!("\"{key}\": {}", value.write(escape))
                    })
                    .collect();
                format!("{{{}}}", members.join(","))
            }
            Self::Plain(text) => (*text).to_owned(),
            Self::String(text) => serde_json::to_string(text).unwrap(),
        }
    }

    fn find(&self, tokens: &[Token], found: &mut Found<'static>) {
        let Some((token, rest)) = tokens.split_first() else {
            found.values.extend(match self {
                Self::Array(_) | Self::Object(_) => Some(Value::NotScalar),
                Self::Plain("null") => None,
                Self::Plain(text) => Some(Value::Text((*text).into())),
                Self::String(text) => Some(Value::Text(text.clone().into())),
            });
            return;
        };
        match (self, token) {
            (Self::Array(elements), Token::Every) => {
                found.elements.get_or_insert(elements.len());
                for element in elements {
                    element.find(rest, found);
                }
            }
            (Self::Array(elements), Token::Key(_)) => {
                if let Some(element) = token.index().and_then(|index| elements.get(index)) {
                    element.find(rest, found);
                }
            }
            (Self::Object(members), Token::Key(key)) => {
                let mut same = members.iter().filter(|(known, _)| known == key);
                if let Some((_, value)) = same.next() {
                    value.find(rest, found);
                }
                found.ambiguous |= same.next().is_some();
            }
            _ => {}
        }
    }

    fn repeats_a_key(&self) -> bool {
        match self {
            Self::Array(elements) => elements.iter().any(Self::repeats_a_key),
            Self::Object(members) => members.iter().enumerate().any(|(at, (key, value))| {
                members[..at].iter().any(|(other, _)| other == key) || value.repeats_a_key()
            }),
            Self::Plain(_) | Self::String(_) => false,
        }
    }
}

fn documents() -> impl Strategy<Value = Doc> {
    let leaf = prop_oneof![
        prop::sample::select(vec!["null", "true", "false", "0", "-1.50", "1E5"])
            .prop_map(Doc::Plain),
        "[a\"\\\\\u{e9} \n]{0,3}".prop_map(Doc::String),
    ];
    leaf.prop_recursive(5, 40, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Doc::Array),
            prop::collection::vec(("[ab01]", inner), 0..4).prop_map(Doc::Object),
        ]
    })
}

fn pointers() -> impl Strategy<Value = Vec<Pointer>> {
    let pointer = "(/[ab01*]){0,4}".prop_map(|text| Pointer::parse(&text).unwrap());
    prop::collection::vec(pointer, 0..6)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn finds_what_the_model_finds(doc in documents(), pointers in pointers(), escape: bool) {
        let text = doc.write(escape);
        let document = Selection::new(&pointers).read(text.as_bytes()).unwrap();
        prop_assert_eq!(document.found.len(), pointers.len());
        for (pointer, found) in pointers.iter().zip(&document.found) {
            let mut expected = Found::default();
            doc.find(pointer.tokens(), &mut expected);
            if expected.ambiguous {
                expected = Found { ambiguous: true, ..Found::default() };
            }
            prop_assert_eq!(found, &expected, "{} {}", pointer, text);
        }
        let length = if let Doc::Array(elements) = &doc { Some(elements.len()) } else { None };
        prop_assert_eq!(document.root_elements, length);
    }

    #[test]
    fn what_is_strict_finds_the_same_where_all_keys_are_small(doc in documents(), pointers in pointers(), escape: bool) {
        let text = doc.write(escape);
        let strict = Selection::strict(&pointers);
        prop_assert_eq!(strict.read(text.as_bytes()), Selection::new(&pointers).read(text.as_bytes()));
    }

    #[test]
    fn agrees_with_serde_json_where_no_key_is_repeated(doc in documents(), pointer in "(/[ab01]){0,4}") {
        if doc.repeats_a_key() {
            return Ok(());
        }
        let text = doc.write(true);
        let pointers = [Pointer::parse(&pointer).unwrap()];
        let Document { found, .. } = Selection::new(&pointers).read(text.as_bytes()).unwrap();
        let theirs: serde_json::Value = serde_json::from_str(&text).unwrap();
        match (theirs.pointer(&pointer), &found[0].values[..]) {
            (None | Some(serde_json::Value::Null), []) => {}
            (Some(value), [Value::NotScalar]) => {
                prop_assert!(value.is_object() || value.is_array());
            }
            (Some(serde_json::Value::String(value)), [Value::Text(text)]) => {
                prop_assert_eq!(text, value);
            }
            (Some(value), [Value::Text(text)]) => {
                prop_assert_eq!(value, &serde_json::from_str::<serde_json::Value>(text).unwrap());
            }
            other => prop_assert!(false, "{} {}: {:?}", pointer, text, other),
        }
    }

    #[test]
    fn any_bytes_are_read_without_panic(pointers in pointers(), body: Vec<u8>) {
        drop(Selection::new(&pointers).read(&body));
        drop(Selection::strict(&pointers).read(&body));
    }

    /// No `e` in numbers and no `\ud8..`: there serde_json's own tree is stricter than the grammar.
    #[test]
    fn is_json_exactly_where_serde_json_says_so(
        pointers in pointers(),
        body in "([\\[\\]{}:, \n]|\"[ab01]\"|\"[ab01]\":|\"\\\\u00[0-9a-fg]{2}|\\\\|\"|[0-9.-]|null|true|fals){0,24}",
    ) {
        let ours = Selection::new(&pointers).read(body.as_bytes());
        let theirs = serde_json::from_str::<serde_json::Value>(&body);
        prop_assert_eq!(ours.is_ok(), theirs.is_ok(), "{}", body);
    }
}
