//! What hyper lets pass and a proxy must not: heads that two readers read differently.

use http::header::{CONTENT_ENCODING, EXPECT, HOST, TRANSFER_ENCODING};
use http::request::Parts;
use http::{HeaderMap, Version};

use crate::rejection::Rejection;

/// Names that decide where a request ends or whom it is for. Written with `_`, `.` or the like
/// instead of `-`, some servers read them as the real ones.
const DECISIVE: [&str; 4] = [
    "transfer-encoding",
    "content-length",
    "content-encoding",
    "host",
];

/// Refuses a head that is not unambiguous HTTP, and gives the host it is for.
///
/// * RFC 9112 §3.2: exactly one Host, and it is a host.
/// * RFC 9112 §6.1: the only transfer coding a webhook needs is one `chunked`.
pub(crate) fn require_unambiguous(parts: &Parts) -> Result<&str, Rejection> {
    let headers = &parts.headers;
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    if let Some(coding) = codings.next()
        && (codings.next().is_some() || !coding.as_bytes().eq_ignore_ascii_case(b"chunked"))
    {
        return Err(Rejection::RequestMalformed);
    }
    let alias = |name: &http::HeaderName| {
        let name = name.as_str();
        !crate::headers::is_canonical(name) && DECISIVE.contains(&&*crate::headers::canonical(name))
    };
    if headers.keys().any(alias) {
        return Err(Rejection::RequestMalformed);
    }
    // RFC 9110 §10.1.1: the only expectation there is.
    let expectations = headers.get_all(EXPECT).iter();
    if expectations
        .map(http::HeaderValue::as_bytes)
        .any(|value| !value.eq_ignore_ascii_case(b"100-continue"))
    {
        return Err(Rejection::ExpectationUnknown);
    }
    host(parts, headers).ok_or(Rejection::RequestMalformed)
}

/// The one host of the request: the Host header, the `:authority` of HTTP/2, or both when they
/// agree. HTTP/1.0 may have none.
fn host<'a>(parts: &'a Parts, headers: &'a HeaderMap) -> Option<&'a str> {
    let mut lines = headers.get_all(HOST).iter();
    let header = match lines.next() {
        Some(line) if lines.next().is_none() => Some(line.to_str().ok()?),
        Some(_) => return None,
        None => None,
    };
    let authority = parts.uri.authority().map(http::uri::Authority::as_str);
    let host = match (authority, header) {
        (Some(authority), Some(header)) if !authority.eq_ignore_ascii_case(header) => return None,
        (Some(host), _) | (None, Some(host)) => host,
        (None, None) if parts.version == Version::HTTP_10 => return Some(""),
        (None, None) => return None,
    };
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~:[]%!$&'()*+;=".contains(&b);
    (!host.is_empty() && host.bytes().all(plain)).then_some(host)
}

/// Refuses a body that is encoded: what is signed is the body as sent, and what the app reads
/// would be another one.
pub(crate) fn require_plain_body(headers: &HeaderMap) -> Result<(), Rejection> {
    let plain = headers.get_all(CONTENT_ENCODING).iter().all(|coding| {
        coding
            .as_bytes()
            .trim_ascii()
            .eq_ignore_ascii_case(b"identity")
    });
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
        require_unambiguous(&parts).map(drop)
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
