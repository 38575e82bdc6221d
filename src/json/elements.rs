//! The elements of an array in a JSON body, each as it was sent.

use super::pointer::{MAX_DEPTH, Pointer, Token};
use super::scan::Scanner;
use super::{NotJson, decoded, folded, text};

/// The elements of the array at `pointer`, in their order.
///
/// # Errors
/// The body is not JSON, a key on the way is repeated, be it in other letters, there is no array, or
/// it has more than `limit` elements.
pub fn elements<'a>(
    pointer: &Pointer,
    body: &'a [u8],
    limit: usize,
) -> Result<Vec<&'a str>, NotJson> {
    simdutf8::basic::from_utf8(body).map_err(|_| NotJson)?;
    let mut scanner = Scanner::new(body);
    let elements = at(pointer.tokens(), &mut scanner, 0, limit)?;
    scanner.end()?;
    Ok(elements)
}

/// Passes the value that stands in `depth` others, and gives what `tokens` lead to in it.
fn at<'a>(
    tokens: &[Token],
    scanner: &mut Scanner<'a>,
    depth: usize,
    limit: usize,
) -> Result<Vec<&'a str>, NotJson> {
    if depth >= MAX_DEPTH {
        return Err(NotJson);
    }
    let Some((token, rest)) = tokens.split_first() else {
        return array(scanner, depth, limit);
    };
    let Token::Key(wanted) = token else {
        return Err(NotJson);
    };
    let mut found = None;
    let mut more = scanner.opens(b'{', b'}')?;
    while more {
        let key = decoded(scanner.string()?)?;
        let is_wanted = key == *wanted;
        // Some readers take it for the one that is wanted.
        if !is_wanted && folded(&key).eq(folded(wanted)) {
            return Err(NotJson);
        }
        scanner.pass(b':')?;
        if !is_wanted {
            scanner.skip(depth + 1)?;
        } else if found
            .replace(at(rest, scanner, depth + 1, limit)?)
            .is_some()
        {
            return Err(NotJson);
        }
        more = scanner.goes_on(b'}')?;
    }
    found.ok_or(NotJson)
}

fn array<'a>(
    scanner: &mut Scanner<'a>,
    depth: usize,
    limit: usize,
) -> Result<Vec<&'a str>, NotJson> {
    let mut elements = Vec::new();
    let mut more = scanner.opens(b'[', b']')?;
    while more {
        if elements.len() == limit {
            return Err(NotJson);
        }
        scanner.peek()?;
        let start = scanner.at();
        scanner.skip(depth + 1)?;
        elements.push(text(scanner.since(start)?)?);
        more = scanner.goes_on(b']')?;
    }
    Ok(elements)
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
            ("/a", r#"{"a":[1],"\ud800":2}"#),
            ("/a", r#"{"a":[1,]}"#),
            ("/a", r#"{"a":[1],"b":"\x"}"#),
        ] {
            assert_eq!(read(pointer, body), Err(NotJson), "{body}");
        }
    }

    #[test]
    fn no_value_is_deeper_than_any_other_reader_goes() {
        let nested =
            |depth: usize| format!("{{\"a\":[{}{}]}}", "[".repeat(depth), "]".repeat(depth));
        let pointer = Pointer::parse("/a").unwrap();
        assert!(elements(&pointer, nested(125).as_bytes(), 3).is_ok());
        assert!(elements(&pointer, nested(126).as_bytes(), 3).is_err());
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
