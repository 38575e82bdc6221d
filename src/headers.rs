//! The headers the app receives: what could lie is removed, what is true is written.

use std::borrow::Cow;
use std::net::IpAddr;

use http::header::{CONNECTION, CONTENT_LENGTH, COOKIE, HOST, UPGRADE};
use http::{HeaderMap, HeaderName, HeaderValue};

/// Hop-by-hop names (RFC 9110 §7.6.1) and those that steer a proxy. `Content-Length` is written
/// afresh from the bytes that are sent.
const HOP: [&str; 13] = [
    "connection",
    "content-length",
    // Answered already: the body is sent to the app at once (RFC 9110 §10.1.1).
    "expect",
    "http2-settings",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authentication-info",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Names by which a client could tell the app another address, host, method or URL.
const OVERRIDES: [&str; 16] = [
    "forwarded",
    "proxy",
    "x-client-ip",
    "x-cluster-client-ip",
    "x-forwarded",
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
    "x-original-host",
    "x-original-method",
    "x-original-uri",
    "x-original-url",
    "x-override-url",
    "x-real-ip",
    "x-rewrite-url",
    "x-host",
];

/// The names of the headers that gatepost writes, made once from `headers.prefix`.
#[derive(Debug)]
pub struct Names {
    /// The prefix in canonical form, `x-gatepost-`.
    prefix: String,
    /// The signed statement.
    pub assertion: HeaderName,
    /// The client address.
    pub client_ip: HeaderName,
    /// The length of a batch.
    pub event_count: HeaderName,
    /// The provider's event id.
    pub event_id: HeaderName,
    /// What happened.
    pub event_type: HeaderName,
    /// The name of the secret or key that matched.
    pub key: HeaderName,
    /// Why an observing route would have refused.
    pub observed: HeaderName,
    /// Who sent it.
    pub provider: HeaderName,
    /// The request id.
    pub request_id: HeaderName,
    /// The route's path.
    pub route: HeaderName,
    /// The steps that passed.
    pub verified_by: HeaderName,
}

impl Names {
    /// Makes the names; `None` when the prefix is not the beginning of a header name.
    pub fn new(prefix: &str) -> Option<Self> {
        let prefix = prefix.to_ascii_lowercase();
        let name = |suffix: &str| HeaderName::try_from(format!("{prefix}{suffix}")).ok();
        let canonical = canonical(&prefix).into_owned();
        if prefix.len() < 2 || canonical != prefix || !prefix.ends_with('-') {
            return None;
        }
        Some(Self {
            assertion: name("assertion")?,
            client_ip: name("client-ip")?,
            event_count: name("event-count")?,
            event_id: name("event-id")?,
            event_type: name("event-type")?,
            key: name("key")?,
            observed: name("observed")?,
            provider: name("provider")?,
            request_id: name("request-id")?,
            route: name("route")?,
            verified_by: name("verified-by")?,
            prefix,
        })
    }
}

/// A header name as the most careless server reads it: lower case, and everything that is neither
/// letter nor digit as `-` (WSGI and PHP fold `_` and `.`, lighttpd and old Apache all of it).
pub fn canonical(name: &str) -> Cow<'_, str> {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    if name.bytes().all(plain) {
        return Cow::Borrowed(name);
    }
    let fold = |c: char| match c.to_ascii_lowercase() {
        c if c.is_ascii_alphanumeric() => c,
        _ => '-',
    };
    Cow::Owned(name.chars().map(fold).collect())
}

/// Removes everything a client could use to speak in gatepost's or a proxy's name.
///
/// What `Connection` names goes first, so that nobody can nominate a header of ours away after it
/// was written. Host and Content-Length cannot be nominated: they are written afresh anyway.
pub fn strip_inbound(headers: &mut HeaderMap, names: &Names, cloudevents: bool) {
    remove_nominated(headers);
    let doomed = |name: &HeaderName| {
        let name = canonical(name.as_str());
        name.starts_with(&*names.prefix)
            || HOP.contains(&&*name)
            || OVERRIDES.contains(&&*name)
            || name.starts_with("x-forwarded-")
            || (cloudevents && name.starts_with("ce-"))
    };
    remove_where(headers, doomed);
    join_cookies(headers);
}

/// HTTP/2 may send one cookie per line; HTTP/1 has one line (RFC 9113 §8.2.3).
fn join_cookies(headers: &mut HeaderMap) {
    let lines: Vec<&[u8]> = headers
        .get_all(COOKIE)
        .iter()
        .map(HeaderValue::as_bytes)
        .collect();
    if lines.len() > 1
        && let Ok(joined) = HeaderValue::from_bytes(&lines.join(&b"; "[..]))
    {
        headers.insert(COOKIE, joined);
    }
}

/// Whether the nearest hop says the client came over TLS. Only a trusted proxy may be asked. Of a
/// list the last one is its own word.
pub fn claims_tls(headers: &HeaderMap) -> bool {
    const PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
    headers
        .get_all(PROTO)
        .iter()
        .next_back()
        .and_then(|line| line.as_bytes().rsplit(|b| *b == b',').next())
        .is_some_and(|last| last.trim_ascii().eq_ignore_ascii_case(b"https"))
}

/// Removes hop-by-hop names from an answer of the app.
pub fn strip_outbound(headers: &mut HeaderMap) {
    remove_nominated(headers);
    // The length of the answer stays: it tells a HEAD or a streamed body apart.
    remove_where(headers, |name| {
        *name != CONTENT_LENGTH && HOP.contains(&&*canonical(name.as_str()))
    });
}

fn remove_nominated(headers: &mut HeaderMap) {
    if !headers.contains_key(CONNECTION) {
        return;
    }
    let nominated: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .flat_map(|line| line.as_bytes().split(|b| *b == b','))
        .filter_map(|token| HeaderName::from_bytes(token.trim_ascii()).ok())
        .filter(|name| *name != HOST && *name != CONTENT_LENGTH && *name != UPGRADE)
        .collect();
    for name in nominated {
        headers.remove(name);
    }
}

fn remove_where(headers: &mut HeaderMap, doomed: impl Fn(&HeaderName) -> bool) {
    // Nearly every request has something to remove (Content-Length, Connection), seldom more.
    let names: Vec<HeaderName> = headers
        .keys()
        .filter(|name| doomed(name))
        .cloned()
        .collect();
    for name in names {
        headers.remove(name);
    }
}

/// Writes the `X-Forwarded-*` family for the client that was found.
pub fn write_forwarded(headers: &mut HeaderMap, address: &HeaderValue, secure: bool, host: &str) {
    const FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
    const PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
    const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
    headers.insert(FOR, address.clone());
    headers.insert(
        PROTO,
        HeaderValue::from_static(if secure { "https" } else { "http" }),
    );
    if let Ok(host) = HeaderValue::from_str(host)
        && !host.is_empty()
    {
        headers.insert(FORWARDED_HOST, host);
    }
}

/// An address as a header value.
pub fn address_value(address: IpAddr) -> HeaderValue {
    // Addresses are printed in hex digits, dots and colons only.
    HeaderValue::try_from(address.to_string()).unwrap_or_else(|_| HeaderValue::from_static(""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stripped(lines: &[(&str, &str)]) -> Vec<String> {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(HeaderName::try_from(*name).unwrap(), value.parse().unwrap());
        }
        strip_inbound(&mut headers, &Names::new("X-Gatepost-").unwrap(), false);
        headers.keys().map(ToString::to_string).collect()
    }

    #[test]
    fn every_spelling_of_our_names_is_removed() {
        for name in [
            "x-gatepost-provider",
            "x_gatepost_provider",
            "x-gatepost_provider",
            "x.gatepost.event.type",
            "X-GATEPOST-ANYTHING",
            "x-gatepost-",
            "x_forwarded_for",
            "x-forwarded-proto",
            "forwarded",
            "proxy",
            "x_real_ip",
            "x-http-method-override",
            "x_original_url",
            "te",
            "keep_alive",
            "x!gatepost~provider",
            "x-gatepost|provider",
            "x*forwarded*for",
            "x-forwarded",
            "expect",
        ] {
            assert!(stripped(&[(name, "1")]).is_empty(), "{name}");
        }
    }

    #[test]
    fn names_that_only_look_alike_stay() {
        for name in [
            "x-gatepos",
            "gatepost-provider",
            "x-forwarde",
            "x-webhook-signature",
            "proxy-x",
        ] {
            assert_eq!(stripped(&[(name, "1")]), [name]);
        }
    }

    #[test]
    fn what_connection_names_is_removed_but_not_the_host() {
        let left = stripped(&[
            ("connection", "close, X-Secret , host"),
            ("x-secret", "1"),
            ("host", "a"),
            ("x-other", "1"),
        ]);
        assert_eq!(left, ["host", "x-other"]);
    }

    #[test]
    fn cookies_of_several_lines_become_one() {
        let mut headers = HeaderMap::new();
        for value in ["a=1", "b=2", "c=3"] {
            headers.append(COOKIE, HeaderValue::from_static(value));
        }
        strip_inbound(&mut headers, &Names::new("X-Gatepost-").unwrap(), false);
        let lines: Vec<_> = headers.get_all(COOKIE).iter().collect();
        assert_eq!(lines, ["a=1; b=2; c=3"]);
    }

    #[test]
    fn the_last_word_about_tls_counts() {
        for (lines, expected) in [
            (&[][..], false),
            (&["https"], true),
            (&["HTTPS "], true),
            (&["http"], false),
            (&["https, http"], false),
            (&["http,https"], true),
            (&["https", "http"], false),
            (&["httpsx"], false),
        ] {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append("x-forwarded-proto", HeaderValue::from_static(line));
            }
            assert_eq!(claims_tls(&headers), expected, "{lines:?}");
        }
    }

    #[test]
    fn a_prefix_is_the_plain_beginning_of_a_name() {
        assert!(Names::new("X-Gatepost-").is_some());
        assert!(Names::new("hook-").is_some());
        for prefix in ["", "-", "x_gatepost_", "x gatepost-", "x-gatepost", "é-"] {
            assert!(Names::new(prefix).is_none(), "{prefix}");
        }
    }
}
