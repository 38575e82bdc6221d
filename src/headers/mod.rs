//! The headers the app receives: what could lie is removed, what is true is written.

/// What is told of each byte, made when it is compiled. Of the last one, which is in no name, the first
/// argument is.
macro_rules! by_byte {
    ($none:expr, |$byte:ident| $told:expr) => {{
        let mut table = [$none; 256];
        let mut $byte = 0_u8;
        while $byte < u8::MAX {
            #[expect(clippy::indexing_slicing, reason = "when it is compiled")]
            let place = &mut table[$byte as usize];
            *place = $told;
            $byte += 1;
        }
        table
    }};
}

mod lines;

use std::borrow::Cow;
use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr};

use http::header::{CONNECTION, CONTENT_LENGTH, COOKIE, HOST, UPGRADE};
use http::{HeaderMap, HeaderName, HeaderValue};

pub use lines::{Headers, Iter, Lines, Values};

/// Hop-by-hop names (RFC 9110 §7.6.1) and those that steer a proxy, of those that begin with
/// `letter`. `Content-Length` is written afresh from the bytes that are sent.
const fn hops(letter: u8) -> &'static [&'static str] {
    match letter {
        b'c' => &["connection", "content-length"],
        // Answered already: the body is sent to the app at once (RFC 9110 §10.1.1).
        b'e' => &["expect"],
        b'h' => &["http2-settings"],
        b'k' => &["keep-alive"],
        b'p' => &[
            "proxy-authenticate",
            "proxy-authentication-info",
            "proxy-authorization",
            "proxy-connection",
        ],
        b't' => &["te", "trailer", "transfer-encoding"],
        b'u' => &["upgrade"],
        _ => &[],
    }
}

fn is_hop(name: &str) -> bool {
    hops(first(name)).contains(&name)
}

/// Names by which a client could tell the app another address, host, method or URL, of those that
/// begin with `letter`. All that begin with `x-forwarded-` are such too.
const fn overrides(letter: u8) -> &'static [&'static str] {
    match letter {
        b'f' => &["forwarded"],
        b'p' => &["proxy"],
        b'x' => &[
            "x-client-ip",
            "x-cluster-client-ip",
            "x-forwarded",
            "x-host",
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
        ],
        _ => &[],
    }
}

/// What else begins so is an override too.
const FORWARDED: &str = "x-forwarded-";

fn is_override(name: &str) -> bool {
    name.starts_with(FORWARDED) || overrides(first(name)).contains(&name)
}

/// The first letter; 0 where there is none.
fn first(name: &str) -> u8 {
    name.bytes().next().unwrap_or_default()
}

/// Whether the first letter and the length tell that no name in the tables above is meant, nor one
/// that begins as `CloudEvents` do, however `name` is spelt: in the canonical form a letter stays
/// what it is, and there are as many.
fn is_harmless(name: &str) -> bool {
    /// By letter, a bit for the length of each name.
    const LENGTHS: [u32; 256] = by_byte!(0, |letter| lengths_of(hops(letter))
        | lengths_of(overrides(letter)));
    let letter = first(name);
    let lengths = LENGTHS.get(usize::from(letter)).copied().unwrap_or(!0);
    let length = u32::try_from(name.len()).unwrap_or(u32::MAX);
    letter.is_ascii_lowercase()
        && !name.starts_with("ce")
        && !(letter == b'x' && name.len() >= FORWARDED.len())
        && lengths.checked_shr(length).unwrap_or(0) & 1 == 0
}

/// A bit for the length of each name. One that is too long for that does not compile.
const fn lengths_of(mut names: &[&str]) -> u32 {
    let mut lengths = 0;
    while let [name, rest @ ..] = names {
        lengths |= 1 << name.len();
        names = rest;
    }
    lengths
}

/// The names of the headers that gatepost writes, made once from `headers.prefix`.
#[derive(Debug)]
pub struct Names {
    /// The prefix in canonical form, `x-gatepost-`.
    prefix: String,
    /// The signed statement.
    pub assertion: HeaderName,
    /// The client address.
    pub client_ip: HeaderName,
    /// Marks the copy of an event that the app has taken.
    pub duplicate: HeaderName,
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
            duplicate: name("duplicate")?,
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
    if is_canonical(name) {
        return Cow::Borrowed(name);
    }
    let fold = |c: char| match c.to_ascii_lowercase() {
        c if c.is_ascii_alphanumeric() => c,
        _ => '-',
    };
    Cow::Owned(name.chars().map(fold).collect())
}

/// Whether every reader reads `name` alike.
pub fn is_canonical(name: &str) -> bool {
    // Every letter of every name is looked at twice a request.
    const PLAIN: [bool; 256] = by_byte!(false, |b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-'));
    let plain = |b: u8| PLAIN.get(usize::from(b)) == Some(&true);
    name.bytes().all(plain)
}

/// What is left of a client's headers when everything is removed by which it could speak in
/// gatepost's or a proxy's name, and what is written afresh: the host, and the cookies.
///
/// What `Connection` names goes too, but for what is none of its business.
pub fn kept<'h>(
    headers: Lines<'h>,
    names: &Names,
    cloudevents: bool,
) -> impl Iterator<Item = (&'h str, &'h [u8])> {
    let nominated = nominated(headers);
    headers.iter().filter(move |(name, _)| {
        let stays = || {
            // Most names.
            if is_harmless(name) && first(name) != first(&names.prefix) {
                return true;
            }
            let name = canonical(name);
            !(name.starts_with(&*names.prefix)
                || is_hop(&name)
                || is_override(&name)
                || (cloudevents && name.starts_with("ce-")))
        };
        !matches!(*name, "host" | "cookie")
            && !nominated.iter().any(|other| other == name)
            && stays()
    })
}

/// The cookies, unless `Connection` names them. HTTP/2 may send one per line; HTTP/1 has one line
/// (RFC 9113 §8.2.3).
pub fn cookies(headers: Lines<'_>) -> Option<Vec<u8>> {
    let mut lines = headers.get_all(&COOKIE);
    let first = lines.next()?;
    if nominated(headers).contains(&COOKIE) {
        return None;
    }
    let mut joined = first.to_vec();
    for line in lines {
        joined.extend_from_slice(b"; ");
        joined.extend_from_slice(line);
    }
    Some(joined)
}

/// Whether the nearest hop says the client came over TLS. Only a trusted proxy may be asked. Of a
/// list the last one is its own word.
pub fn claims_tls(headers: Lines<'_>) -> bool {
    headers
        .get_all(&FORWARDED_PROTO)
        .next_back()
        .and_then(|line| line.rsplit(|b| *b == b',').next())
        .is_some_and(|last| last.trim_ascii().eq_ignore_ascii_case(b"https"))
}

/// Removes hop-by-hop names from an answer of the app.
pub fn strip_outbound(headers: &mut HeaderMap) {
    for name in nominated(Lines::from(&*headers)) {
        headers.remove(name);
    }
    // The length of the answer stays: it tells a HEAD or a streamed body apart.
    remove_where(headers, |name| {
        *name != CONTENT_LENGTH && !is_harmless(name.as_str()) && is_hop(&canonical(name.as_str()))
    });
}

/// What `Connection` names (RFC 9110 §7.6.1).
fn nominated(headers: Lines<'_>) -> Vec<HeaderName> {
    let lines = headers.get_all(&CONNECTION);
    lines
        .flat_map(|line| line.split(|b| *b == b','))
        .filter_map(|token| HeaderName::from_bytes(token.trim_ascii()).ok())
        .filter(|name| *name != HOST && *name != CONTENT_LENGTH && *name != UPGRADE)
        .collect()
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

/// The client address, for the app.
pub const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
/// Whether the client came over TLS, for the app.
pub const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
/// The host the client asked for, for the app.
pub const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// An address as a header value.
pub fn address_value(address: IpAddr) -> HeaderValue {
    // Digits, dots and colons only. The longest is a mapped IPv4 address in IPv6.
    let mut buffer = [0; 45];
    let text = match address {
        // Of every request: the general way of writing numbers costs ten times as much.
        IpAddr::V4(address) => written_v4(&mut buffer, address),
        IpAddr::V6(address) => {
            let mut rest = &mut buffer[..];
            // It fits.
            drop(write!(rest, "{address}"));
            let left = rest.len();
            buffer.split_at(buffer.len().saturating_sub(left)).0
        }
    };
    HeaderValue::from_bytes(text).unwrap_or_else(|_| HeaderValue::from_static(""))
}

fn written_v4(buffer: &mut [u8; 45], address: Ipv4Addr) -> &[u8] {
    let mut length = 0;
    let mut put = |byte: u8| {
        if let Some(place) = buffer.get_mut(length) {
            *place = byte;
            length += 1;
        }
    };
    for (at, octet) in address.octets().into_iter().enumerate() {
        if at > 0 {
            put(b'.');
        }
        if octet >= 100 {
            put(b'0' + octet / 100);
        }
        if octet >= 10 {
            put(b'0' + octet / 10 % 10);
        }
        put(b'0' + octet % 10);
    }
    buffer.split_at(length).0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stripped(lines: &[(&str, &str)]) -> Vec<String> {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(HeaderName::try_from(*name).unwrap(), value.parse().unwrap());
        }
        let names = Names::new("X-Gatepost-").unwrap();
        kept(Lines::from(&headers), &names, false)
            .map(|(name, _)| name.to_string())
            .collect()
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

    /// The shortcut must know every rule that is not in a table.
    #[test]
    fn no_rule_is_for_a_harmless_name() {
        for name in [
            "ce-type",
            "ce_",
            "x-forwarded-",
            "x_forwarded_x",
            "_te",
            "1",
            "",
            "\u{7f}",
        ] {
            assert!(!is_harmless(name), "{name}");
        }
        for letter in b'a'..=b'z' {
            for name in hops(letter).iter().chain(overrides(letter)) {
                assert_eq!(first(name), letter, "{name}");
                assert!(!is_harmless(name), "{name}");
            }
        }
        for name in ["accept", "content-type", "user-agent", "x-a"] {
            assert!(is_harmless(name), "{name}");
        }
        // A prefix that begins with a harmless letter is no harmless one.
        let mut headers = HeaderMap::new();
        headers.append("gate_provider", HeaderValue::from_static("1"));
        headers.append("good", HeaderValue::from_static("1"));
        let names = Names::new("gate-").unwrap();
        let left: Vec<_> = kept(Lines::from(&headers), &names, false)
            .map(|(name, _)| name)
            .collect();
        assert_eq!(left, ["good"]);
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
    fn what_connection_names_is_removed() {
        let left = stripped(&[
            ("connection", "close, X-Secret , host"),
            ("x-secret", "1"),
            ("host", "a"),
            ("x-other", "1"),
        ]);
        assert_eq!(left, ["x-other"]);
    }

    #[test]
    fn cookies_of_several_lines_become_one() {
        let mut headers = HeaderMap::new();
        for value in ["a=1", "b=2", "c=3"] {
            headers.append(COOKIE, HeaderValue::from_static(value));
        }
        assert_eq!(cookies(Lines::from(&headers)).unwrap(), b"a=1; b=2; c=3");
        headers.insert(CONNECTION, HeaderValue::from_static("cookie"));
        assert_eq!(cookies(Lines::from(&headers)), None);
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
            assert_eq!(claims_tls(Lines::from(&headers)), expected, "{lines:?}");
        }
    }

    #[test]
    fn addresses_are_written_as_usual() {
        for text in [
            "0.0.0.0",
            "10.20.30.40",
            "127.0.0.1",
            "203.0.113.9",
            "255.255.255.255",
            "::",
            "2001:db8::1",
            "::ffff:255.255.255.255",
            "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
        ] {
            assert_eq!(address_value(text.parse().unwrap()), text);
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
