//! The members of a JSON object, each value as it was sent.

use std::borrow::Cow;
use std::collections::HashSet;

use serde_json::Value;

use super::scan::Scanner;
use super::{NotJson, text, unescaped};

/// So many names are compared one by one.
const FEW: usize = 16;

/// An object without repeated members.
#[derive(Debug)]
pub struct Members<'a>(Vec<(Cow<'a, str>, &'a str)>);

impl<'a> Members<'a> {
    /// Reads `body` from its first to its last byte.
    ///
    /// # Errors
    /// It is not one JSON object, a name is repeated (two readers would take two values), or a value
    /// holds a lone surrogate or a number too large to be held, asked for or not.
    pub fn read(body: &'a [u8]) -> Result<Self, NotJson> {
        let mut scanner = Scanner::new(body);
        let mut members = Vec::with_capacity(8);
        let mut more = scanner.opens(b'{', b'}')?;
        while more {
            let name = match scanner.string()? {
                (name, false) => Cow::Borrowed(text(name)?),
                (name, true) => Cow::Owned(unescaped(name)?),
            };
            scanner.pass(b':')?;
            scanner.peek()?;
            let start = scanner.at();
            scanner.skip(1)?;
            let raw = text(scanner.since(start)?)?;
            if !is_plain_text(raw) {
                value(raw)?;
            }
            members.push((name, raw));
            more = scanner.goes_on(b'}')?;
        }
        scanner.end()?;
        if is_repeated(&members) {
            return Err(NotJson);
        }
        Ok(Self(members))
    }

    /// Whether there is a member of this name.
    pub fn has(&self, name: &str) -> bool {
        self.raw(name).is_some()
    }

    /// Whether there is one that is not `null`.
    pub fn has_value(&self, name: &str) -> bool {
        self.raw(name).is_some_and(|raw| raw != "null")
    }

    /// The value of the member of this name.
    ///
    /// # Errors
    /// None after [`read`](Self::read): what it looks at is what was looked at there.
    pub fn get(&self, name: &str) -> Result<Option<Value>, NotJson> {
        self.raw(name).map(value).transpose()
    }

    fn raw(&self, name: &str) -> Option<&'a str> {
        let mut members = self.0.iter();
        let found = members.find(|(known, _)| *known == name);
        found.map(|(_, raw)| *raw)
    }
}

/// Whether it is a string of which every byte stands for itself: nothing in it can be wrong that the
/// scanner has not seen.
fn is_plain_text(raw: &str) -> bool {
    raw.starts_with('"') && !raw.contains('\\')
}

fn value(raw: &str) -> Result<Value, NotJson> {
    serde_json::from_str(raw).map_err(|_| NotJson)
}

fn is_repeated(members: &[(Cow<'_, str>, &str)]) -> bool {
    // Whoever sends it chooses how many there are.
    if members.len() > FEW {
        let mut known = HashSet::with_capacity(members.len());
        return !members.iter().all(|(name, _)| known.insert(&**name));
    }
    let mut rest = members;
    while let [(first, _), others @ ..] = rest {
        if others.iter().any(|(other, _)| other == first) {
            return true;
        }
        rest = others;
    }
    false
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_member_is_found_by_its_name_as_it_is_read() {
        let text = br#" {"a":1 , "b\u0063" : [true, {"x": "\u00e9"}],"":null,"d":"e"} "#;
        let members = Members::read(text).unwrap();
        for (name, value) in [
            ("a", Some(json!(1))),
            ("bc", Some(json!([true, {"x": "é"}]))),
            ("", Some(json!(null))),
            ("d", Some(json!("e"))),
            ("x", None),
            ("A", None),
        ] {
            assert_eq!(members.get(name), Ok(value.clone()), "{name}");
            assert_eq!(members.has(name), value.is_some(), "{name}");
            let is_there = value.is_some_and(|value| !value.is_null());
            assert_eq!(members.has_value(name), is_there, "{name}");
        }
        assert!(!Members::read(b"{}").unwrap().has(""));
    }

    #[test]
    fn what_is_no_object_or_has_a_name_twice_is_refused() {
        let many = |last: &str| {
            let members = (0..40).map(|n| format!("\"m{n}\":{n},"));
            format!("{{{}\"{last}\":1}}", members.collect::<String>())
        };
        assert!(Members::read(many("x").as_bytes()).is_ok());
        for text in [
            &*many("m7"),
            "",
            "1",
            "[]",
            "null",
            "{",
            "{\"a\":1,}",
            "{\"a\":1}x",
            "{\"a\":01}",
            "{\"a\":1,\"a\":1}",
            "{\"a\":1,\"b\":2,\"\\u0061\":3}",
            "{\"\\ud800\":1}",
            "{\"a\":\"\\ud800\"}",
            "{\"a\":[{\"b\":\"\\ud800\"}]}",
            "{\"a\":1e999}",
        ] {
            assert!(Members::read(text.as_bytes()).is_err(), "{text}");
        }
        let deep = |depth: usize| format!("{{\"a\":{}{}}}", "[".repeat(depth), "]".repeat(depth));
        assert!(Members::read(deep(100).as_bytes()).is_ok());
        assert!(Members::read(deep(100_000).as_bytes()).is_err());
    }

    proptest! {
        /// What is read here, a general reader reads too, and as the same.
        #[test]
        fn nothing_passes_that_a_general_reader_refuses(
            text in "\\{(\"[ab]\":([0-9eE.-]{1,5}|\"(\\\\u[d0][89c]00|x){0,2}\"|null|\\[\\]),?){0,3}\\}"
        ) {
            if let Ok(members) = Members::read(text.as_bytes()) {
                let known: Value = serde_json::from_str(&text).unwrap();
                for (name, value) in known.as_object().unwrap() {
                    prop_assert_eq!(members.get(name), Ok(Some(value.clone())));
                }
            }
        }
    }
}
