//! The members of a JSON object, each value as it was sent.

use std::borrow::Cow;
use std::collections::HashSet;

use super::scan::Scanner;
use super::{NotJson, unescaped};

/// So many names are compared one by one.
const FEW: usize = 16;

/// An object without repeated members.
#[derive(Debug)]
pub struct Members<'a>(Vec<(Cow<'a, str>, &'a str)>);

impl<'a> Members<'a> {
    /// Reads `body` from its first to its last byte.
    ///
    /// # Errors
    /// It is not one JSON object, or a name is repeated: two readers would take two values.
    pub fn read(body: &'a [u8]) -> Result<Self, NotJson> {
        let text = simdutf8::basic::from_utf8(body).map_err(|_| NotJson)?;
        let mut scanner = Scanner::new(text);
        let mut members = Vec::with_capacity(8);
        let mut more = scanner.opens(b'{', b'}')?;
        while more {
            let name = match scanner.string()? {
                (name, false) => Cow::Borrowed(name),
                (name, true) => Cow::Owned(unescaped(name)?),
            };
            scanner.pass(b':')?;
            scanner.peek()?;
            let start = scanner.at();
            scanner.skip(1)?;
            members.push((name, scanner.since(start)?));
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
    /// It holds a lone surrogate, or a number that no reader can hold.
    pub fn get(&self, name: &str) -> Result<Option<serde_json::Value>, NotJson> {
        let read = |raw: &str| serde_json::from_str(raw).map_err(|_| NotJson);
        self.raw(name).map(read).transpose()
    }

    fn raw(&self, name: &str) -> Option<&'a str> {
        let mut members = self.0.iter();
        let found = members.find(|(known, _)| *known == name);
        found.map(|(_, raw)| *raw)
    }
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
        ] {
            assert!(Members::read(text.as_bytes()).is_err(), "{text}");
        }
        for text in ["{\"a\":\"\\ud800\"}", "{\"a\":1e999}"] {
            let members = Members::read(text.as_bytes()).unwrap();
            assert_eq!(members.get("a"), Err(NotJson), "{text}");
        }
        let deep = |depth: usize| format!("{{\"a\":{}{}}}", "[".repeat(depth), "]".repeat(depth));
        assert!(Members::read(deep(100).as_bytes()).is_ok());
        assert!(Members::read(deep(100_000).as_bytes()).is_err());
    }
}
