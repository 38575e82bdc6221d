//! The elements of an array in a JSON body, each as it was sent.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserializer, Error as _, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::NotJson;
use super::pointer::{Pointer, Token};
use super::select::is_too_deep;

/// The elements of the array at `pointer`, in their order.
///
/// # Errors
/// The body is not JSON, a key on the way is repeated, there is no array, or it has more than
/// `limit` elements.
pub fn elements<'a>(
    pointer: &Pointer,
    body: &'a [u8],
    limit: usize,
) -> Result<Vec<&'a str>, NotJson> {
    let text = std::str::from_utf8(body).map_err(|_| NotJson)?;
    if is_too_deep(text) {
        return Err(NotJson);
    }
    let mut at: &RawValue = serde_json::from_str(text).map_err(|_| NotJson)?;
    for token in pointer.tokens() {
        let Token::Key(key) = token else {
            return Err(NotJson);
        };
        let mut reader = serde_json::Deserializer::from_str(at.get());
        let member = reader.deserialize_map(Member(key)).map_err(|_| NotJson)?;
        at = member.ok_or(NotJson)?;
    }
    let elements: Vec<&RawValue> = serde_json::from_str(at.get()).map_err(|_| NotJson)?;
    if elements.len() > limit {
        return Err(NotJson);
    }
    Ok(elements.into_iter().map(RawValue::get).collect())
}

/// The one member of an object with this key.
struct Member<'k>(&'k str);

impl<'de> Visitor<'de> for Member<'_> {
    type Value = Option<&'de RawValue>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        let mut found = None;
        while let Some(key) = members.next_key::<Cow<'de, str>>()? {
            if key != self.0 {
                members.next_value::<IgnoredAny>()?;
            } else if found.replace(members.next_value()?).is_some() {
                return Err(A::Error::custom("a repeated key"));
            }
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn elements_are_handed_out_as_they_were_sent() {
        let read = |pointer, body: &'static str| {
            elements(&Pointer::parse(pointer).unwrap(), body.as_bytes(), 3)
        };
        assert_eq!(
            read("/a", r#"{"b":[9],"a":[{"x" : 1}, "y",null]}"#),
            Ok(vec![r#"{"x" : 1}"#, r#""y""#, "null"])
        );
        assert_eq!(read("", "[ 1.50 ]"), Ok(vec!["1.50"]));
        assert_eq!(read("/a/b", r#"{"a":{"b":[]}}"#), Ok(vec![]));
        for (pointer, body) in [
            ("/a", r#"{"a":[1],"a":[2]}"#),
            ("/a", r#"{"a":[1],"\u0061":[2]}"#),
            ("/a", r#"{"a":{}}"#),
            ("/a", r#"{"b":[1]}"#),
            ("/a", r#"{"a":[1,2,3,4]}"#),
            ("/a", r#"{"a":[1]} x"#),
            ("/a", "[1]"),
            ("/a", ""),
            ("/*", "[[1]]"),
        ] {
            assert_eq!(read(pointer, body), Err(NotJson), "{body}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(body: Vec<u8>, text in "[\\[\\]{}:,\"a1 ]{0,24}") {
            for pointer in ["", "/a", "/a/a"] {
                let pointer = Pointer::parse(pointer).unwrap();
                drop(elements(&pointer, &body, 3));
                drop(elements(&pointer, text.as_bytes(), 3));
            }
        }
    }
}
