//! What hyper lets pass and a proxy must not: heads that two readers read differently.

use std::net::Ipv6Addr;

use http::header::CONTENT_ENCODING;
use http::{Uri, Version};

use crate::headers::Lines;
use crate::rejection::Rejection;

/// Names that decide where a request ends, when its body comes or whom it is for: no other is looked
/// at. Written with `_`, `.` or the like instead of `-`, some servers read them as the real ones.
const DECISIVE: [&str; 5] = [
    "expect",
    "transfer-encoding",
    "content-length",
    "content-encoding",
    "host",
];

/// Refuses a head that is not unambiguous HTTP, and gives the host it is for.
///
/// * RFC 9112 §3.2: exactly one Host, and it is a host.
/// * RFC 9112 §6.1: the only transfer coding a webhook needs is one `chunked`.
pub(crate) fn require_unambiguous<'a>(
    uri: &'a Uri,
    version: Version,
    headers: Lines<'a>,
) -> Result<&'a str, Rejection> {
    let alias = |name: &str| {
        !crate::headers::is_canonical(name) && DECISIVE.contains(&&*crate::headers::canonical(name))
    };
    // In one pass: to look three names up costs more.
    let (mut coding, mut line, mut expected) = (None, None, Ok(()));
    for (name, value) in headers.iter() {
        // Most are as long as none that matters, however they are written.
        if DECISIVE.iter().all(|known| known.len() != name.len()) {
            continue;
        }
        let sound = match name {
            "transfer-encoding" => {
                value.eq_ignore_ascii_case(b"chunked") && coding.replace(value).is_none()
            }
            "host" => line.replace(value).is_none(),
            "expect" => {
                // RFC 9110 §10.1.1: the only expectation there is.
                if !value.eq_ignore_ascii_case(b"100-continue") {
                    expected = Err(Rejection::ExpectationUnknown);
                }
                true
            }
            _ => !alias(name),
        };
        if !sound {
            return Err(Rejection::RequestMalformed);
        }
    }
    expected?;
    // A target may be absolute, but not of another protocol.
    if !matches!(uri.scheme_str(), None | Some("http" | "https")) {
        return Err(Rejection::RequestMalformed);
    }
    host(uri, version, line).ok_or(Rejection::RequestMalformed)
}

/// The one host of the request: the Host header, the `:authority` of HTTP/2, or both when they
/// agree. HTTP/1.0 may have none.
fn host<'a>(uri: &'a Uri, version: Version, line: Option<&'a [u8]>) -> Option<&'a str> {
    let header = match line {
        Some(line) => Some(std::str::from_utf8(line).ok()?),
        None => None,
    };
    let authority = uri.authority().map(http::uri::Authority::as_str);
    let host = match (authority, header) {
        (Some(authority), Some(header)) if !authority.eq_ignore_ascii_case(header) => return None,
        (Some(host), _) | (None, Some(host)) => host,
        (None, None) if version == Version::HTTP_10 => return Some(""),
        (None, None) => return None,
    };
    is_host(host).then_some(host)
}

/// A name or an address, and perhaps a port (RFC 9110 §7.2), as hosts are in fact written. What
/// else the grammar allows (`%61`, `a(b)`, an empty port), apps read in many ways.
fn is_host(host: &str) -> bool {
    let (named, port) = match host.strip_prefix('[') {
        Some(rest) => {
            let Some((address, after)) = rest.split_once(']') else {
                return false;
            };
            let port = after.strip_prefix(':');
            let ends = port.is_some() || after.is_empty();
            (ends && address.parse::<Ipv6Addr>().is_ok(), port)
        }
        None => {
            let (name, port) = match host.split_once(':') {
                Some((name, port)) => (name, Some(port)),
                None => (host, None),
            };
            let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._".contains(&b);
            let empty = |pair: &[u8]| pair == b"..";
            let labels = !name.is_empty()
                && !name.starts_with('.')
                && !name.as_bytes().windows(2).any(empty);
            (labels && name.bytes().all(plain), port)
        }
    };
    named
        && port.is_none_or(|port| {
            port.bytes().all(|b| b.is_ascii_digit()) && port.parse::<u16>().is_ok()
        })
}

/// Refuses a body that is encoded: what is signed is the body as sent, and what the app reads
/// would be another one.
pub(crate) fn require_plain_body(headers: Lines<'_>) -> Result<(), Rejection> {
    let plain = headers
        .get_all(&CONTENT_ENCODING)
        .all(|coding| coding.trim_ascii().eq_ignore_ascii_case(b"identity"));
    if plain {
        Ok(())
    } else {
        Err(Rejection::BodyEncoded)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(lines: &[(&str, &str)]) -> Result<(), Rejection> {
        let mut request = http::Request::builder().uri("/");
        for (name, value) in lines {
            request = request.header(*name, *value);
        }
        let (parts, ()) = request.body(()).unwrap().into_parts();
        require_unambiguous(&parts.uri, parts.version, (&parts.headers).into()).map(drop)
    }

    #[test]
    fn one_host_and_one_chunked_pass() {
        assert_eq!(check(&[("host", "a")]), Ok(()));
        assert_eq!(
            check(&[("host", "a:80"), ("transfer-encoding", "chunked")]),
            Ok(())
        );
        assert_eq!(
            check(&[("host", "[::1]:8080"), ("transfer-encoding", "Chunked")]),
            Ok(())
        );
        for host in [
            "a",
            "A-b_c.example.",
            "1.2.3.4:65535",
            "[2001:db8::1]",
            "a:080",
        ] {
            assert_eq!(check(&[("host", host)]), Ok(()), "{host}");
        }
    }

    #[test]
    fn heads_that_two_readers_read_differently_are_refused() {
        for lines in [
            &[][..],
            &[("host", "a"), ("host", "a")],
            &[("host", "a, b")],
            &[("host", "a/b")],
            &[("host", "a b")],
            &[("host", "u@a")],
            &[("host", "")],
            &[("host", "a:")],
            &[("host", ":80")],
            &[("host", "a:65536")],
            &[("host", "a:+80")],
            &[("host", "a:80:90")],
            &[("host", "a:x")],
            &[("host", "[::1")],
            &[("host", "[::1]x")],
            &[("host", "[a]")],
            &[("host", "[]")],
            &[("host", "::1")],
            &[("host", "a%2f")],
            &[("host", "a..b")],
            &[("host", ".a")],
            &[("host", "*")],
            &[("host", "a;b")],
            &[("host", "a"), ("transfer-encoding", "chunked, chunked")],
            &[
                ("host", "a"),
                ("transfer-encoding", "chunked"),
                ("transfer-encoding", "chunked"),
            ],
            &[("host", "a"), ("transfer-encoding", "gzip, chunked")],
            &[("host", "a"), ("transfer-encoding", ",chunked")],
            &[("host", "a"), ("transfer_encoding", "chunked")],
            &[("host", "a"), ("content.length", "5")],
            &[("host", "a"), ("content_length", "5")],
            &[("host", "a"), ("transfer~encoding", "chunked")],
        ] {
            assert_eq!(check(lines), Err(Rejection::RequestMalformed), "{lines:?}");
        }
    }
}
