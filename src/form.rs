//! Values out of `name=value&name=value`: a query, or a form body.

use std::borrow::Cow;

use http::header;

use crate::headers::Lines;

/// A name that stands more than once where one value is wanted: apps differ in which they take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Repeated;

/// The value of `name` in `text`, decoded as `application/x-www-form-urlencoded` (WHATWG URL
/// §5.1). Names are compared decoded; a name without `=` has the empty value.
///
/// `None` if the name is absent or its value is a broken `%` escape or not UTF-8.
///
/// # Errors
/// The name is repeated, whatever its values are.
pub fn single<'a>(text: &'a [u8], name: &str) -> Result<Option<Cow<'a, str>>, Repeated> {
    let mut values = text.split(|b| *b == b'&').filter_map(|pair| {
        let mut halves = pair.splitn(2, |b| *b == b'=');
        let is_wanted = unescape(halves.next()?).eq(name.bytes().map(Some));
        (is_wanted && !pair.is_empty()).then(|| halves.next().unwrap_or_default())
    });
    let value = values.next();
    match values.next() {
        Some(_) => Err(Repeated),
        None => Ok(value.and_then(decode)),
    }
}

/// Whether an app may find `name` in `text` where [`single`] does not look, or besides what it finds:
/// PHP reads `.`, blanks and a lonely `[` as `_` and ends a name at `[]` and at a NUL, some begin a new
/// pair at `;`, others compare names without case.
pub fn has_other_spelling(text: &[u8], name: &str) -> bool {
    spellings(text, name).any(|exact| !exact)
}

/// Whether `name` stands in `text`, in whatever spelling.
pub fn has(text: &[u8], name: &str) -> bool {
    spellings(text, name).next().is_some()
}

/// Of each name that may be read as `name`, whether it is.
fn spellings(text: &[u8], name: &str) -> impl Iterator<Item = bool> {
    let wanted = folded(name.bytes().map(Some));
    // Its own brackets tell it from its neighbours: `data[id]` is no `data[type]`.
    let is_plain = !name.contains('[');
    let pieces = text.split(|b| *b == b'&').flat_map(|pair| {
        let pieces = pair.split(|b| *b == b';').enumerate();
        pieces.filter(|(_, piece)| !piece.is_empty())
    });
    pieces.filter_map(move |(at, piece)| {
        let half = piece.split(|b| *b == b'=').next()?;
        let found = folded(unescape(half));
        let before = unescape(half).take_while(|byte| *byte != Some(b'['));
        let like = found == wanted || (is_plain && folded(before) == wanted);
        like.then(|| at == 0 && unescape(half).eq(name.bytes().map(Some)))
    })
}

fn folded(name: impl Iterator<Item = Option<u8>>) -> Vec<u8> {
    name.map(|byte| byte.unwrap_or(b'%'))
        .skip_while(|byte| *byte == b' ')
        .take_while(|byte| *byte != 0)
        .map(|byte| match byte {
            b'.' | b' ' | b'[' => b'_',
            byte => byte.to_ascii_lowercase(),
        })
        .collect()
}

/// All names and values of `text`, decoded, in their order.
///
/// `None` if there are more than `limit`, or one of them is a broken `%` escape or not UTF-8:
/// readers differ in what they make of that.
pub fn pairs(text: &[u8], limit: usize) -> Option<Vec<(Cow<'_, str>, Cow<'_, str>)>> {
    let mut pairs = Vec::new();
    for pair in text.split(|b| *b == b'&').filter(|pair| !pair.is_empty()) {
        if pairs.len() == limit {
            return None;
        }
        let mut halves = pair.splitn(2, |b| *b == b'=');
        let name = decode(halves.next()?)?;
        pairs.push((name, decode(halves.next().unwrap_or_default())?));
    }
    Some(pairs)
}

/// `text` with every byte but the unreserved ones (RFC 3986 §2.3) as `%XX`.
pub fn percent_encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                char::from(byte).to_string()
            }
            _ => format!("%{byte:02X}"),
        })
        .collect()
}

/// `text` without the pairs of `name`, the others byte for byte; `None` when none is left.
pub fn without(text: &str, name: &str) -> Option<String> {
    let is_wanted = |pair: &&str| {
        let half = pair.split('=').next().unwrap_or_default();
        !unescape(half.as_bytes()).eq(name.bytes().map(Some))
    };
    let kept: Vec<&str> = text.split('&').filter(is_wanted).collect();
    (!kept.is_empty()).then(|| kept.join("&"))
}

/// Whether `headers` declare the body a form. An app reads no other body as one, and text inside
/// a JSON string can look like any form.
pub fn is_declared(headers: Lines<'_>) -> bool {
    let mut types = headers.get_all(&header::CONTENT_TYPE);
    let (Some(content_type), None) = (types.next(), types.next()) else {
        return false;
    };
    let essence = content_type
        .split(|b| *b == b';')
        .next()
        .unwrap_or_default();
    essence
        .trim_ascii()
        .eq_ignore_ascii_case(b"application/x-www-form-urlencoded")
}

/// Decodes one name or value.
fn decode(text: &[u8]) -> Option<Cow<'_, str>> {
    if text.iter().any(|b| matches!(b, b'%' | b'+')) {
        let bytes = unescape(text).collect::<Option<Vec<_>>>()?;
        String::from_utf8(bytes).ok().map(Cow::Owned)
    } else {
        std::str::from_utf8(text).ok().map(Cow::Borrowed)
    }
}

/// The bytes that `text` stands for; `None` for a `%` without two hex digits.
fn unescape(text: &[u8]) -> impl Iterator<Item = Option<u8>> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let (byte, after) = match rest {
            [] => return None,
            [b'+', after @ ..] => (Some(b' '), after),
            [b'%', high, low, after @ ..] if digit(*high).is_some() && digit(*low).is_some() => (
                digit(*high)
                    .zip(digit(*low))
                    .map(|(high, low)| high << 4 | low),
                after,
            ),
            [b'%', after @ ..] => (None, after),
            [byte, after @ ..] => (Some(*byte), after),
        };
        rest = after;
        Some(byte)
    })
}

fn digit(hex: u8) -> Option<u8> {
    char::from(hex)
        .to_digit(16)
        .and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn takes_a_name_out_and_leaves_the_rest_as_it_is() {
        for (text, rest) in [
            ("key=1", None),
            ("a=%20&key=1&b=+", Some("a=%20&b=+")),
            ("%6bey=1&keys=2&key", Some("keys=2")),
            ("a&&b", Some("a&&b")),
        ] {
            assert_eq!(without(text, "key").as_deref(), rest, "{text}");
        }
    }

    #[test]
    fn finds_and_decodes_the_one_value() {
        for (text, name, value) in [
            ("type=a", "type", Some("a")),
            ("x=1&type=a&y=2", "type", Some("a")),
            ("type=a=b", "type", Some("a=b")),
            ("type=a+b%2b%2B%c3%a9", "type", Some("a b++é")),
            ("t%79pe=a", "type", Some("a")),
            ("my+type=a", "my type", Some("a")),
            ("type=", "type", Some("")),
            ("type", "type", Some("")),
            ("&&type=a&", "type", Some("a")),
            ("=a", "", Some("a")),
            ("type=%00", "type", Some("\0")),
            ("type=a;b", "type", Some("a;b")),
            ("", "type", None),
            ("&", "", None),
            ("Type=a&types=b&typ=c", "type", None),
            ("x=type&y=&type", "y", Some("")),
            ("type=%", "type", None),
            ("type=%2", "type", None),
            ("type=%2g", "type", None),
            ("type=%+1", "type", None),
            ("type=%ff", "type", None),
            ("type=%c0%af", "type", None),
            ("type%zz=a", "type", None),
            ("type%=a", "type%", None),
        ] {
            let found = single(text.as_bytes(), name).unwrap();
            assert_eq!(found.as_deref(), value, "{text}");
        }
        assert_eq!(single(b"type=\xff", "type"), Ok(None));
        assert!(matches!(
            single(b"type=a", "type"),
            Ok(Some(Cow::Borrowed("a")))
        ));
    }

    #[test]
    fn a_repeated_name_has_no_value() {
        for text in [
            "type=a&type=b",
            "type=a&type=a",
            "type=a&type",
            "type=a&%74ype=%",
            "type&type",
        ] {
            assert_eq!(single(text.as_bytes(), "type"), Err(Repeated), "{text}");
        }
        assert!(single(b"type=a&x=1&x=2", "type").is_ok());
    }

    #[test]
    fn what_some_app_reads_as_the_same_name_is_seen() {
        for (text, name, found, other) in [
            ("bt_payload=a", "bt_payload", true, false),
            ("bt.payload=a", "bt_payload", true, true),
            ("a=1&bt+payload[]=a", "bt_payload", true, true),
            ("bt_payload=a&BT_PAYLOAD", "bt_payload", true, true),
            ("%42t%5fpayload=a", "bt_payload", true, true),
            ("%62t%5fpayload=a", "bt_payload", true, false),
            ("+sig=a", "sig", true, true),
            ("data_id=a", "data.id", true, true),
            ("bt[payload=a", "bt_payload", true, true),
            ("bt_payload[=a", "bt_payload", true, true),
            ("bt_payload%00x=a", "bt_payload", true, true),
            ("x=1;bt_payload=a", "bt_payload", true, true),
            ("bt_payload=a;b", "bt_payload", true, false),
            ("bt_payload%=a", "bt_payload", false, false),
            ("data[id]=1&data[type]=2", "data[id]", true, false),
            ("data[id]=1&DATA[ID]=2", "data[id]", true, true),
            ("sig[x]=1", "sig", true, true),
            ("signature=a&si=g", "sig", false, false),
            ("&&", "", false, false),
        ] {
            let text = text.as_bytes();
            assert_eq!(has(text, name), found, "{name}");
            assert_eq!(has_other_spelling(text, name), other, "{name}");
        }
    }

    #[test]
    fn only_one_plain_declaration_makes_a_form() {
        let declared = |values: &[&'static str]| {
            let values = values.iter().map(|value| HeaderValue::from_static(value));
            let map: http::HeaderMap = values.map(|value| (header::CONTENT_TYPE, value)).collect();
            is_declared(Lines::from(&map))
        };
        let form = "application/x-www-form-urlencoded";
        assert!(declared(&[form]));
        assert!(declared(&[
            "Application/X-WWW-Form-URLencoded ; charset=utf-8"
        ]));
        for others in [
            &[][..],
            &["application/json"],
            &[form, form],
            &["text/plain; a=b"],
            &[""],
        ] {
            assert!(!declared(others), "{others:?}");
        }
    }

    proptest! {
        #[test]
        fn reads_any_bytes_and_what_a_form_writes(
            text: Vec<u8>, name in "\\PC{1,6}", value in any::<String>(),
        ) {
            drop(single(&text, &name));
            prop_assert!(has(&text, &name) || !has_other_spelling(&text, &name));
            if matches!(single(&text, &name), Ok(Some(_)) | Err(Repeated)) {
                prop_assert!(has(&text, &name));
            }
            let escape = |text: &str| -> String {
                text.bytes().flat_map(|b| format!("%{b:02x}").into_bytes()).map(char::from).collect()
            };
            let written = format!("%00=x+y&{}={}", escape(&name), escape(&value));
            let found = single(written.as_bytes(), &name).unwrap();
            prop_assert_eq!(found.as_deref(), Some(value.as_str()));
        }
    }
}
