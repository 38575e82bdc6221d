//! The `Forwarded` header (RFC 7239): who each hop says it forwarded for.

use std::borrow::Cow;
use std::net::IpAddr;

use super::node::{is_port, node};

/// The `for` of each element of one header line, right to left.
///
/// An element without a readable address is `None`: no `for` or two of them, `unknown`, an
/// obfuscated identifier (RFC 7239 §6.2, §6.3), or something malformed. A line that breaks the
/// grammar anywhere is a single `None`: a quote that is never closed moves every comma after it, so
/// none of its elements can be believed. White space beside `;` is tolerated, as senders write it.
pub fn right_to_left(line: &[u8]) -> impl Iterator<Item = Option<IpAddr>> + use<> {
    elements(line)
        .unwrap_or_else(|| vec![None])
        .into_iter()
        .rev()
}

/// Reads the whole line; `None` if it breaks the grammar of RFC 7239 §4.
fn elements(line: &[u8]) -> Option<Vec<Option<IpAddr>>> {
    let mut elements = Vec::new();
    let mut rest = line;
    loop {
        let (element, after) = element(rest)?;
        elements.push(element);
        match after.split_first() {
            None => return Some(elements),
            Some((_comma, after)) => rest = after,
        }
    }
}

/// Reads one element; what is left begins with a comma or is empty.
fn element(line: &[u8]) -> Option<(Option<IpAddr>, &[u8])> {
    let mut client = None;
    let mut named = 0_usize;
    let mut rest = line;
    loop {
        rest = rest.trim_ascii_start();
        // RFC 7239 §4: pairs may be empty, so elements may be too.
        if !matches!(rest.first(), None | Some(b',' | b';')) {
            let (name, after) = token(rest)?;
            let (value, after) = value(after.strip_prefix(b"=")?)?;
            if name.eq_ignore_ascii_case(b"for") {
                named += 1;
                client = address(&value);
            }
            rest = after.trim_ascii_start();
        }
        match rest.split_first() {
            Some((b';', after)) => rest = after,
            None | Some((b',', _)) => return Some((client.filter(|_| named == 1), rest)),
            Some(_) => return None,
        }
    }
}

fn value(line: &[u8]) -> Option<(Cow<'_, [u8]>, &[u8])> {
    match line.strip_prefix(b"\"") {
        Some(quoted) => quoted_string(quoted),
        None => token(line).map(|(token, rest)| (Cow::Borrowed(token), rest)),
    }
}

/// Splits off a token (RFC 9110 §5.6.2), which is never empty.
fn token(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = line
        .iter()
        .position(|byte| !is_token(*byte))
        .unwrap_or(line.len());
    if end == 0 {
        None
    } else {
        line.split_at_checked(end)
    }
}

fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// Splits off what follows an opening quote, up to the closing one (RFC 9110 §5.6.4).
fn quoted_string(line: &[u8]) -> Option<(Cow<'_, [u8]>, &[u8])> {
    let mut text = Cow::Borrowed(&[][..]);
    let mut rest = line;
    loop {
        let end = rest.iter().position(|byte| matches!(byte, b'"' | b'\\'))?;
        let (plain, after) = rest.split_at_checked(end)?;
        if !plain.iter().all(|byte| is_text(*byte)) {
            return None;
        }
        if text.is_empty() {
            text = Cow::Borrowed(plain);
        } else {
            text.to_mut().extend_from_slice(plain);
        }
        match after {
            [b'"', after @ ..] => return Some((text, after)),
            [b'\\', escaped, after @ ..] if is_text(*escaped) => {
                text.to_mut().push(*escaped);
                rest = after;
            }
            _ => return None,
        }
    }
}

fn is_text(byte: u8) -> bool {
    byte == b'\t' || !byte.is_ascii_control()
}

/// Reads a node (RFC 7239 §6), of which an IPv6 address stands in brackets.
fn address(node_text: &[u8]) -> Option<IpAddr> {
    let (ip, port) = node(std::str::from_utf8(node_text).ok()?)?;
    port.is_none_or(|port| is_port(port) || is_obfuscated(port))
        .then_some(ip)
}

fn is_obfuscated(port: &str) -> bool {
    port.strip_prefix('_').is_some_and(|name| {
        !name.is_empty()
            && name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(line: &[u8]) -> Vec<String> {
        right_to_left(line)
            .map(|ip| ip.map_or_else(|| "-".to_owned(), |ip| ip.to_string()))
            .collect()
    }

    #[test]
    fn reads_elements_right_to_left() {
        for (line, addresses) in [
            ("for=192.0.2.1", &["192.0.2.1"][..]),
            ("For=192.0.2.1, fOR=192.0.2.2", &["192.0.2.2", "192.0.2.1"]),
            (
                "for=192.0.2.1,for=192.0.2.2\t,\tfor=192.0.2.3 ",
                &["192.0.2.3", "192.0.2.2", "192.0.2.1"],
            ),
            ("by=203.0.113.43;for=192.0.2.60;proto=http", &["192.0.2.60"]),
            (
                "for=192.0.2.60; proto=http ; by=203.0.113.43",
                &["192.0.2.60"],
            ),
            ("for=192.0.2.1;", &["192.0.2.1"]),
            (";;for=192.0.2.1;;proto=http", &["192.0.2.1"]),
            ("for=\"192.0.2.1\"", &["192.0.2.1"]),
            ("for=\"192.0.2.1:47011\"", &["192.0.2.1"]),
            ("for=\"192.0.2.1:_port.1\"", &["192.0.2.1"]),
            ("for=\"[2001:db8::1]\"", &["2001:db8::1"]),
            ("For=\"[2001:db8:cafe::17]:4711\"", &["2001:db8:cafe::17"]),
            ("for=\"[::ffff:192.0.2.1]\"", &["192.0.2.1"]),
            // RFC 9110 §5.6.4: an escape means the character itself.
            (r#"for="19\2.0.2\.1""#, &["192.0.2.1"]),
            (r#"for="\1\9\2.0.2.1""#, &["192.0.2.1"]),
            // Separators inside quotes separate nothing.
            (r#"host="a,for=6.6.6.6";for=192.0.2.1"#, &["192.0.2.1"]),
            (r#"x="\", for=6.6.6.6;\\";for=192.0.2.1"#, &["192.0.2.1"]),
            ("x=\"\";for=192.0.2.1", &["192.0.2.1"]),
            ("x=\"caf\u{e9}\t\";for=192.0.2.1", &["192.0.2.1"]),
        ] {
            assert_eq!(read(line.as_bytes()), addresses, "{line}");
        }
    }

    #[test]
    fn an_element_without_one_address_is_none() {
        for element in [
            "",
            " ",
            ";",
            "proto=https",
            "forx=192.0.2.9",
            "for=unknown",
            "for=_hidden",
            "for=_SEVKISEK",
            "for=\"unknown:80\"",
            "for=\"\"",
            "for=\" 192.0.2.9\"",
            "for=\"2001:db8::1\"",
            "for=\"[192.0.2.9]\"",
            "for=\"[fe80::1%1]\"",
            "for=\"192.0.2.9:\"",
            "for=\"192.0.2.9:_\"",
            "for=\"192.0.2.9:_a b\"",
            "for=\"192.0.2.9:65536\"",
            "for=192.0.2.9;for=192.0.2.9",
            "for=192.0.2.9;FOR=unknown",
            "for=unknown;for=192.0.2.9",
            "for=a;for=b;for=192.0.2.9",
        ] {
            let line = format!("for=192.0.2.1, {element}, for=192.0.2.2");
            assert_eq!(
                read(line.as_bytes()),
                ["192.0.2.2", "-", "192.0.2.1"],
                "{element}"
            );
            assert_eq!(read(element.as_bytes()), ["-"], "{element}");
        }
    }

    #[test]
    fn a_line_that_breaks_the_grammar_is_one_none() {
        for broken in [
            "192.0.2.9",
            "for",
            "for=",
            "for =192.0.2.9",
            "for= 192.0.2.9",
            "=192.0.2.9",
            "for=192.0.2.9:80",
            "for=[2001:db8::1]",
            "for=192.0.2.9 proto=https",
            "for=\"192.0.2.9\"x",
            "x\"for=192.0.2.9\"",
            "for=192.0.2.9\"\"",
            "for=\"192.0.2.9",
            "for=\"",
            "for=\"192.0.2.9\\\"",
            "for=\"192.0.2.9\\",
            "for='192.0.2.9:80'",
            "for==192.0.2.9",
            "for=\"192.0.2.9\u{7f}\"",
        ] {
            let line = format!("for=192.0.2.1, {broken}");
            assert_eq!(read(line.as_bytes()), ["-"], "{broken}");
            assert_eq!(read(broken.as_bytes()), ["-"], "{broken}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(line in any::<Vec<u8>>()) {
            right_to_left(&line).count();
        }

        #[test]
        fn what_is_nearly_grammar_is_read_without_a_panic(
            line in "(for=|by=|\"|\\\\|,|;| |192\\.0\\.2\\.1|\\[|\\]|:|_a|unknown){0,20}",
        ) {
            prop_assert!(right_to_left(line.as_bytes()).count() >= 1);
        }

        #[test]
        fn every_address_is_read_back_however_it_is_quoted(
            ips in prop::collection::vec((any::<IpAddr>(), any::<u64>()), 1..6),
            host in "[ -~\\t]{0,12}",
        ) {
            let host = host.replace('\\', "\\\\").replace('"', "\\\"");
            let elements: Vec<_> = ips
                .iter()
                .map(|(ip, escapes)| {
                    let node = if ip.is_ipv6() { format!("[{ip}]") } else { ip.to_string() };
                    let mut quoted = String::new();
                    for (at, character) in node.chars().enumerate() {
                        if escapes >> at & 1 == 1 {
                            quoted.push('\\');
                        }
                        quoted.push(character);
                    }
                    format!("host=\"{host}\";for=\"{quoted}\"")
                })
                .collect();
            let line = elements.join(", ");
            let read: Vec<_> = right_to_left(line.as_bytes()).collect();
            let expected: Vec<_> = ips.iter().rev().map(|(ip, _)| Some(ip.to_canonical())).collect();
            prop_assert_eq!(read, expected, "{}", line);
        }
    }
}
