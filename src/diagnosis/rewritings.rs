//! Other writings of a body: what proxies and frameworks do to them.

use std::fmt::Write as _;

use super::readings::changed;

/// What may have been done to a body between the sender and us: the commonest first. Each gives
/// the bytes that the sender may have signed; `None` when they would be the same.
pub(super) struct Rewriting {
    pub(super) cause: &'static str,
    pub(super) text: &'static str,
    pub(super) undo: fn(&[u8]) -> Option<Vec<u8>>,
}

const fn rewriting(
    cause: &'static str,
    text: &'static str,
    undo: fn(&[u8]) -> Option<Vec<u8>>,
) -> Rewriting {
    Rewriting { cause, text, undo }
}

pub(super) static REWRITINGS: [Rewriting; 22] = [
    rewriting("body_newline", "with its final newline removed", |body| {
        body.strip_suffix(b"\r\n")
            .or_else(|| body.strip_suffix(b"\n"))
            .map(Into::into)
    }),
    rewriting("body_newline", "with a newline at its end", |body| {
        Some([body, b"\n"].concat())
    }),
    rewriting("body_newline", "with CR LF at its end", |body| {
        Some([body, b"\r\n"].concat())
    }),
    rewriting("body_line_ends", "with CR LF read as LF", |body| {
        changed(body, replaced(body, b"\r\n", b"\n"))
    }),
    rewriting("body_line_ends", "with LF read as CR LF", |body| {
        let unix = replaced(body, b"\r\n", b"\n");
        changed(body, replaced(&unix, b"\n", b"\r\n"))
    }),
    rewriting(
        "body_whitespace",
        "with the white space around it removed",
        |body| changed(body, body.trim_ascii().to_vec()),
    ),
    rewriting(
        "body_mark",
        "without the byte order mark at its beginning",
        |body| body.strip_prefix(b"\xef\xbb\xbf").map(Into::into),
    ),
    rewriting("body_rewritten", "as compact JSON", |body| {
        json(body, "", "", None)
    }),
    rewriting(
        "body_rewritten",
        "as JSON with a space after `,` and `:`, as Python writes it",
        |body| json(body, ", ", ": ", None),
    ),
    rewriting("body_rewritten", "as JSON with a space after `:`", |body| {
        json(body, ",", ": ", None)
    }),
    rewriting("body_rewritten", "as JSON with an indent of 2", |body| {
        json(body, "", ": ", Some("  "))
    }),
    rewriting("body_rewritten", "as JSON with an indent of 4", |body| {
        json(body, "", ": ", Some("    "))
    }),
    rewriting("body_rewritten", "as JSON indented with tabs", |body| {
        json(body, "", ": ", Some("\t"))
    }),
    rewriting(
        "body_rewritten",
        "as compact JSON with its keys sorted",
        sorted,
    ),
    rewriting(
        "body_rewritten",
        "as JSON as Python writes it, with its keys sorted",
        |body| json(&sorted(body)?, ", ", ": ", None),
    ),
    rewriting(
        "body_escaped",
        "with characters beyond ASCII written as `\\uXXXX`",
        |body| changed(body, escaped(&String::from_utf8(body.to_vec()).ok()?)),
    ),
    rewriting(
        "body_escaped",
        "as compact JSON with characters beyond ASCII written as `\\uXXXX`",
        |body| {
            let compact = json(body, "", "", None)?;
            Some(escaped(&String::from_utf8(compact).ok()?))
        },
    ),
    rewriting(
        "body_escaped",
        "as JSON as Python writes it, characters beyond ASCII as `\\uXXXX`",
        |body| {
            let spaced = json(body, ", ", ": ", None).unwrap_or_else(|| body.to_vec());
            changed(body, escaped(&String::from_utf8(spaced).ok()?))
        },
    ),
    rewriting(
        "body_escaped",
        "with `\\uXXXX` written as the character itself",
        |body| changed(body, unescaped_json(body)?),
    ),
    rewriting("body_escaped", "with `\\/` written as `/`", |body| {
        changed(body, replaced(body, b"\\/", b"/"))
    }),
    rewriting("body_escaped", "with `/` written as `\\/`", |body| {
        changed(body, replaced(&replaced(body, b"\\/", b"/"), b"/", b"\\/"))
    }),
    rewriting("body_empty", "as if it were empty", |body| {
        changed(body, Vec::new())
    }),
];

fn replaced(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let mut result = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((first, after)) = rest.split_first() {
        if let Some(after) = rest.strip_prefix(from) {
            result.extend_from_slice(to);
            rest = after;
        } else {
            result.push(*first);
            rest = after;
        }
    }
    result
}

/// The same JSON with other white space: texts and numbers stay as they are written.
fn json(body: &[u8], comma: &str, colon: &str, indent: Option<&str>) -> Option<Vec<u8>> {
    serde_json::from_slice::<serde::de::IgnoredAny>(body).ok()?;
    let comma = if comma.is_empty() { "," } else { comma };
    let colon = if colon.is_empty() { ":" } else { colon };
    let mut out = Vec::with_capacity(body.len().saturating_mul(2));
    let mut depth = 0_usize;
    let (mut in_text, mut escape) = (false, false);
    let line = |out: &mut Vec<u8>, depth: usize| {
        if let Some(indent) = indent {
            out.push(b'\n');
            out.extend(indent.repeat(depth).bytes());
        }
    };
    let solid: Vec<u8> = solid(body);
    let mut bytes = solid.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        if in_text {
            out.push(byte);
            in_text = escape || byte != b'"';
            escape = byte == b'\\' && !escape;
            continue;
        }
        match byte {
            b'"' => {
                in_text = true;
                out.push(byte);
            }
            b'{' | b'[' => {
                out.push(byte);
                let closes = bytes.peek().is_some_and(|next| matches!(next, b'}' | b']'));
                depth = depth.saturating_add(1);
                if !closes {
                    line(&mut out, depth);
                }
            }
            b'}' | b']' => {
                depth = depth.saturating_sub(1);
                if !out.last().is_some_and(|last| matches!(last, b'{' | b'[')) {
                    line(&mut out, depth);
                }
                out.push(byte);
            }
            b',' => {
                out.extend(comma.bytes());
                line(&mut out, depth);
            }
            b':' => out.extend(colon.bytes()),
            other => out.push(other),
        }
    }
    changed(body, out)
}

/// JSON without the white space between its tokens.
fn solid(body: &[u8]) -> Vec<u8> {
    let (mut in_text, mut escape) = (false, false);
    let keep = |byte: &u8| {
        let text = in_text;
        if in_text {
            in_text = escape || *byte != b'"';
            escape = *byte == b'\\' && !escape;
        } else {
            in_text = *byte == b'"';
        }
        text || !byte.is_ascii_whitespace()
    };
    body.iter().copied().filter(keep).collect()
}

/// Compact JSON with the keys of every object sorted.
fn sorted(body: &[u8]) -> Option<Vec<u8>> {
    // The library's map is an ordered one.
    let value: serde_json::Value = serde_json::from_slice(body).ok()?;
    changed(body, serde_json::to_vec(&value).ok()?)
}

/// Characters beyond ASCII as JSON escapes, which only texts can hold.
fn escaped(text: &str) -> Vec<u8> {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_ascii() {
            out.push(character);
        } else {
            let mut units = [0; 2];
            for unit in character.encode_utf16(&mut units) {
                // Writing to a String cannot fail.
                let _ = write!(out, "\\u{unit:04x}");
            }
        }
    }
    out.into_bytes()
}

/// JSON with the escapes of characters beyond ASCII undone.
fn unescaped_json(body: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(body).ok()?;
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("\\u") {
        out.push_str(before);
        let unit = |text: &str| u16::from_str_radix(text.get(..4)?, 16).ok();
        let first = unit(after)?;
        let second = after
            .get(4..)
            .and_then(|tail| tail.strip_prefix("\\u"))
            .and_then(unit);
        let pair = [first, second.unwrap_or_default()];
        let surrogate = (0xd800..0xdc00).contains(&first);
        let units = if surrogate { &pair[..] } else { pair.get(..1)? };
        let character = char::decode_utf16(units.iter().copied()).next()?.ok()?;
        if character.is_ascii() {
            out.push_str("\\u");
            out.push_str(after.get(..4)?);
            rest = after.get(4..)?;
        } else {
            out.push(character);
            rest = after.get(if surrogate { 10 } else { 4 }..)?;
        }
    }
    out.push_str(rest);
    Some(out.into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_written_anew_without_touching_texts_and_numbers() {
        let body = br#"{"b": [1.50, {}, []], "a":"x: \", y"}"#;
        let written = |comma, colon, indent| {
            let bytes = json(body, comma, colon, indent).unwrap();
            String::from_utf8(bytes).unwrap()
        };
        assert_eq!(
            written("", "", None),
            r#"{"b":[1.50,{},[]],"a":"x: \", y"}"#
        );
        assert_eq!(
            written(", ", ": ", None),
            r#"{"b": [1.50, {}, []], "a": "x: \", y"}"#
        );
        assert_eq!(
            written("", ": ", Some("  ")),
            "{\n  \"b\": [\n    1.50,\n    {},\n    []\n  ],\n  \"a\": \"x: \\\", y\"\n}"
        );
        assert_eq!(json(b"{\"a\":1}", "", "", None), None, "the same already");
        assert_eq!(json(b"a=b", "", "", None), None, "not JSON");
    }

    #[test]
    fn escapes_go_both_ways() {
        let (plain, coded) = ("{\"a\":\"é🙂\"}", "{\"a\":\"\\u00e9\\ud83d\\ude42\"}");
        assert_eq!(escaped(plain), coded.as_bytes());
        assert_eq!(unescaped_json(coded.as_bytes()).unwrap(), plain.as_bytes());
        assert_eq!(
            unescaped_json(b"\"\\u000a\"").unwrap(),
            b"\"\\u000a\"",
            "a control character stays escaped"
        );
        for broken in ["\\ud83d", "\\u12", "\\uzzzz", "\\udc00x"] {
            assert_eq!(unescaped_json(broken.as_bytes()), None, "{broken}");
        }
    }
}
