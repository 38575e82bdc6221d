//! Who may ask the admin listener: not a page of another site, whatever the browser is made to do.

use http::header::{HOST, ORIGIN, UPGRADE};
use http::{HeaderMap, Method, Request, StatusCode};

/// What a reload must carry: no form and no plain link can send it, and another site's script only
/// after a preflight, which is never answered.
pub(super) const RELOAD: &str = "x-gatepost-reload";

/// Refuses what a browser sends for another site.
///
/// * A name that an attacker's DNS could point here (DNS rebinding): only addresses and
///   `localhost` are taken as Host.
/// * A request of another origin, or of none (`null`): Origin and Sec-Fetch-Site.
///
/// # Errors
///
/// The status to answer with, and why.
pub(super) fn require_own<B>(request: &Request<B>) -> Result<(), (StatusCode, &'static str)> {
    let headers = request.headers();
    let forbidden = |why| Err((StatusCode::FORBIDDEN, why));
    let Some(host) = single(headers, HOST.as_str()) else {
        return forbidden("one Host is needed\n");
    };
    if !is_local(host) {
        return forbidden(
            "the admin listener answers to addresses and to localhost only; in a cluster use kubectl port-forward\n",
        );
    }
    if headers.contains_key(UPGRADE) {
        return forbidden("nothing is upgraded here\n");
    }
    if headers.contains_key(ORIGIN) {
        let own =
            single(headers, ORIGIN.as_str()).and_then(|origin| origin.strip_prefix("http://"));
        if own != Some(host) {
            return forbidden("a page of another site asks\n");
        }
    }
    match single(headers, "sec-fetch-site") {
        None if !headers.contains_key("sec-fetch-site") => {}
        Some("same-origin" | "none") => {}
        _ => return forbidden("a page of another site asks\n"),
    }
    let reads = request.method() == Method::GET || request.method() == Method::HEAD;
    if !reads && single(headers, RELOAD) != Some("1") {
        return forbidden("this needs the header X-Gatepost-Reload: 1\n");
    }
    Ok(())
}

fn single<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let mut lines = headers.get_all(name).iter();
    match (lines.next(), lines.next()) {
        (Some(line), None) => line.to_str().ok(),
        _ => None,
    }
}

/// Whether no DNS can be made to say this name.
fn is_local(host: &str) -> bool {
    if host.parse::<std::net::SocketAddr>().is_ok() {
        return true;
    }
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) && !port.is_empty() => name,
        _ => host,
    };
    let address = name
        .strip_prefix('[')
        .and_then(|name| name.strip_suffix(']'));
    name.eq_ignore_ascii_case("localhost")
        || name.parse::<std::net::Ipv4Addr>().is_ok()
        || address.is_some_and(|address| address.parse::<std::net::Ipv6Addr>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(method: &str, lines: &[(&str, &str)]) -> bool {
        let mut request = Request::builder().method(method).uri("/");
        for (name, value) in lines {
            request = request.header(*name, *value);
        }
        require_own(&request.body(()).unwrap()).is_ok()
    }

    #[test]
    fn only_names_that_no_dns_can_turn_are_answered() {
        for (host, expected) in [
            ("127.0.0.1:9902", true),
            ("127.0.0.1", true),
            ("[::1]:9902", true),
            ("[::1]", true),
            ("localhost", true),
            ("LOCALHOST:1", true),
            ("10.1.2.3:9902", true),
            ("evil.example", false),
            ("evil.example:9902", false),
            ("localhost.evil.example", false),
            ("127.0.0.1.evil.example", false),
            ("localhost:", false),
            ("localhost:9902x", false),
            ("", false),
            ("::1", false),
            ("a@127.0.0.1", false),
        ] {
            assert_eq!(verdict("GET", &[("host", host)]), expected, "{host}");
        }
        assert!(!verdict("GET", &[]));
        assert!(!verdict(
            "GET",
            &[("host", "localhost"), ("host", "localhost")]
        ));
    }

    #[test]
    fn no_other_site_can_ask() {
        let host = ("host", "localhost:9902");
        for (lines, expected) in [
            (&[host][..], true),
            (&[host, ("origin", "http://localhost:9902")], true),
            (&[host, ("sec-fetch-site", "same-origin")], true),
            (&[host, ("sec-fetch-site", "none")], true),
            (&[host, ("origin", "null")], false),
            (&[host, ("origin", "http://localhost:9903")], false),
            (&[host, ("origin", "https://localhost:9902")], false),
            (&[host, ("origin", "http://evil.example")], false),
            (&[host, ("sec-fetch-site", "cross-site")], false),
            (&[host, ("sec-fetch-site", "same-site")], false),
            (&[host, ("upgrade", "websocket")], false),
        ] {
            assert_eq!(verdict("GET", lines), expected, "{lines:?}");
        }
        assert!(!verdict("POST", &[host]));
        assert!(!verdict("POST", &[host, ("content-type", "text/plain")]));
        assert!(verdict("POST", &[host, (RELOAD, "1")]));
    }
}
