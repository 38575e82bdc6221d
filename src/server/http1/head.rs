//! A request of the kind that webhooks are, as far as it is here.

use std::mem::MaybeUninit;

use bytes::{Buf as _, Bytes};
use http::{Method, Uri, Version};

use crate::config::Limits;
use crate::headers::Headers;
use crate::received::Received;

/// More header lines than any webhook has.
const MOST_LINES: usize = 64;
/// Digits of the longest body that is waited for, and to spare.
const MOST_DIGITS: usize = 9;

/// What was read so far.
#[derive(Debug)]
pub enum Found {
    /// A request, taken off.
    Whole(Received, Bytes),
    /// The head of one, and some of the body. Nothing was taken.
    Begun(Begun),
    /// Anything else, be it unusual or wrong: that is hyper's to judge, by all of the same bytes.
    /// Nothing was taken.
    Other,
}

/// A request of which the head is here. What it begins with stays where it was read.
#[derive(Debug)]
pub struct Begun {
    pub(super) received: Received,
    /// Bytes of the head.
    pub(super) ahead: usize,
    /// Bytes of head and body.
    pub all: usize,
}

/// Takes a request off `read`: a POST to a path, HTTP/1.1, with one length and nothing that bears on
/// the connection.
pub fn take(read: &mut Bytes, limits: &Limits) -> Found {
    match begun(read, limits) {
        Some(begun) => begun.take(read),
        None => Found::Other,
    }
}

impl Begun {
    /// Takes the request off `read`, which begins with its head, if all of it is here.
    pub fn take(self, read: &mut Bytes) -> Found {
        if self.all > read.len() {
            return Found::Begun(self);
        }
        let mut body = read.split_to(self.all);
        body.advance(self.ahead);
        Found::Whole(self.received, body)
    }

    /// The same, holding nothing of what it was read from.
    pub(super) fn by_itself(mut self) -> Option<Self> {
        let target =
            Bytes::copy_from_slice(self.received.uri.path_and_query()?.as_str().as_bytes());
        self.received.uri = Uri::from_maybe_shared(target).ok()?;
        Some(self)
    }
}

/// The request whose head `read` begins with.
fn begun(read: &Bytes, limits: &Limits) -> Option<Begun> {
    if !read.starts_with(b"POST /") {
        return None;
    }
    let mut lines = [const { MaybeUninit::uninit() }; MOST_LINES];
    let mut parsed = httparse::Request::new(&mut []);
    let outcome = httparse::ParserConfig::default().parse_request_with_uninit_headers(
        &mut parsed,
        read,
        &mut lines,
    );
    let Ok(httparse::Status::Complete(ahead)) = outcome else {
        return None;
    };
    let fits = ahead <= limits.header_bytes && parsed.headers.len() <= limits.header_count;
    if !fits || parsed.version != Some(1) {
        return None;
    }
    let mut length = None;
    for line in parsed.headers.iter() {
        let is = |name: &str| line.name.eq_ignore_ascii_case(name);
        let usual = match line.name.len() {
            6 => !is("expect"),
            7 => !is("upgrade"),
            10 if is("connection") => line.value.eq_ignore_ascii_case(b"keep-alive"),
            14 if is("content-length") => length.replace(decimal(line.value)?).is_none(),
            17 => !is("transfer-encoding"),
            _ => true,
        };
        if !usual {
            return None;
        }
    }
    let lines = parsed.headers.iter().map(|line| (line.name, line.value));
    let uri = Uri::from_maybe_shared(read.slice_ref(parsed.path?.as_bytes()));
    let received = Received {
        method: Method::POST,
        uri: uri.ok()?,
        version: Version::HTTP_11,
        headers: Headers::of(lines)?,
        upgrade: None,
    };
    let all = ahead.checked_add(length?)?;
    Some(Begun {
        received,
        ahead,
        all,
    })
}

/// A length (RFC 9110 §8.6).
fn decimal(digits: &[u8]) -> Option<usize> {
    if digits.len() > MOST_DIGITS || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::sync::{Arc, LazyLock, Mutex};

    use http::{HeaderMap, Request, Response};
    use http_body_util::BodyExt as _;
    use hyper::body::Incoming;
    use hyper::service::service_fn;
    use hyper_util::rt::TokioIo;
    use proptest::prelude::*;
    use tokio::io::AsyncWriteExt as _;

    use super::*;

    /// Those of a configuration that says nothing.
    static LIMITS: LazyLock<Limits> = LazyLock::new(|| {
        let text = "[upstream]\nurl = 'echo:'\n[[route]]\npath = '/'\nmode = 'passthrough'\n";
        let environment = crate::config::Environment::default();
        let loaded = crate::config::parse("test", text, "/".into(), &environment);
        loaded.config.unwrap().limits
    });

    fn taken(text: &str) -> Option<((Received, Bytes), Bytes)> {
        let mut read = Bytes::copy_from_slice(text.as_bytes());
        match take(&mut read, &LIMITS) {
            Found::Whole(received, body) => Some(((received, body), read)),
            Found::Begun(begun) => {
                assert_eq!(read, text, "nothing was taken");
                let missing = begun.all - text.len();
                let whole = text.to_owned() + &"x".repeat(missing);
                let mut read = Bytes::from(whole.clone());
                let Found::Whole(received, body) = begun.by_itself().unwrap().take(&mut read)
                else {
                    panic!("{missing} bytes were missing");
                };
                assert!(read.is_empty(), "what is missing was missing");
                let (anew, left) = taken(&whole).unwrap();
                assert!(same(&(received, body), &anew) && left.is_empty());
                None
            }
            Found::Other => {
                assert_eq!(read, text, "what is hyper's is there whole");
                None
            }
        }
    }

    /// The first request that hyper reads.
    fn by_hyper(text: &str) -> Option<(Received, Bytes)> {
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        runtime.unwrap().block_on(async {
            let (ours, mut theirs) = tokio::io::duplex(1 << 16);
            theirs.write_all(text.as_bytes()).await.unwrap();
            theirs.shutdown().await.unwrap();
            let seen = Arc::new(Mutex::new(None));
            let service = service_fn(|request: Request<Incoming>| async {
                let (parts, body) = request.into_parts();
                if let Ok(body) = body.collect().await {
                    let request = (parts.into(), body.to_bytes());
                    seen.lock().unwrap().get_or_insert(request);
                }
                Ok::<_, Infallible>(Response::new(String::new()))
            });
            let mut builder = hyper::server::conn::http1::Builder::new();
            let serving = builder.half_close(true).header_read_timeout(None);
            drop(serving.serve_connection(TokioIo::new(ours), service).await);
            seen.lock().unwrap().take()
        })
    }

    fn same(ours: &(Received, Bytes), hypers: &(Received, Bytes)) -> bool {
        let ((ours, body), (hypers, hypers_body)) = (ours, hypers);
        ours.method == hypers.method
            && ours.uri == hypers.uri
            && ours.version == hypers.version
            && body == hypers_body
            && HeaderMap::from(&ours.headers) == HeaderMap::from(&hypers.headers)
    }

    const USUAL: &str = "POST /a?b HTTP/1.1\r\nHost: a\r\nX-A: 1\r\nx-a: 2\r\n\
                         Connection: Keep-Alive\r\nContent-Length: 5\r\n\r\nhello";

    #[test]
    fn what_is_usual_and_whole_is_taken_and_what_follows_it_is_left() {
        let (request, left) = taken(&format!("{USUAL}POST /")).unwrap();
        assert!(same(&request, &by_hyper(USUAL).unwrap()));
        assert_eq!(request.1, "hello");
        assert_eq!(left, "POST /");
        for end in 0..USUAL.len() {
            assert!(taken(USUAL.get(..end).unwrap()).is_none(), "{end}");
        }
        let empty = "POST / HTTP/1.1\r\nContent-Length: 0\r\n\r\n";
        assert!(taken(empty).unwrap().0.1.is_empty());
    }

    #[test]
    fn all_else_is_hypers() {
        for (usual, other) in [
            ("POST", "GET"),
            ("POST", "post"),
            ("POST", "\r\nPOST"),
            ("POST ", "POST  "),
            ("/a?b", "http://a/"),
            ("/a?b", "*"),
            ("/a?b", "/a b"),
            ("HTTP/1.1", "HTTP/1.0"),
            ("HTTP/1.1", "HTTP/2.0"),
            ("Connection: Keep-Alive", "Connection: close"),
            ("Connection: Keep-Alive", "Connection: keep-alive, x-a"),
            ("Connection: Keep-Alive", "Upgrade: websocket"),
            ("Connection: Keep-Alive", "Expect: 100-continue"),
            ("Connection: Keep-Alive", "Transfer-Encoding: chunked"),
            ("Connection: Keep-Alive", "Content-Length: 5"),
            ("Connection: Keep-Alive", "Connection : keep-alive"),
            ("Connection: Keep-Alive", "A: b\r\n c"),
            ("Connection: Keep-Alive", "A: b\0"),
            ("Content-Length: 5\r\n", ""),
            ("Length: 5", "Length: +5"),
            ("Length: 5", "Length: 5, 5"),
            ("Length: 5", "Length: "),
            ("Length: 5", "Length: 0x5"),
            ("Length: 5", "Length: 0000000005"),
            ("Length: 5", "Length: 18446744073709551616"),
            ("Length: 5", "Length: 6"),
        ] {
            let text = USUAL.replacen(usual, other, 1);
            assert!(taken(&text).is_none(), "{text}");
        }
        let many = "A: b\r\n".repeat(MOST_LINES);
        assert!(taken(&USUAL.replacen("Host: a\r\n", &many, 1)).is_none());
        let long = format!("Host: {}\r\n", "a".repeat(LIMITS.header_bytes));
        assert!(taken(&USUAL.replacen("Host: a\r\n", &long, 1)).is_none());
    }

    proptest! {
        #[test]
        fn what_is_taken_hyper_would_have_read_as_the_same(
            target in "/[!-~]{0,9}( [a-z])?",
            version in "1[.][0-2]",
            lines in "((Host|X-A|x-a|Connection|Expect|Te|Trailer|Content-Length|Transfer-Encoding|[!-~]{1,4}): ?([ -~]{0,5}|close|keep-alive|chunked|[0-9]{1,2})\r?\n){0,5}",
            length in "(Content-Length:[ \t]{0,2}[0-9]{1,2}[ \t]{0,2}\r\n){0,2}",
            body in "[ -~]{0,90}",
        ) {
            let text = format!("POST {target} HTTP/{version}\r\n{lines}{length}\r\n{body}");
            if let Some((request, _)) = taken(&text) {
                let hypers = by_hyper(&text);
                prop_assert!(hypers.is_some_and(|hypers| same(&request, &hypers)), "{}", text);
            }
        }
    }
}
