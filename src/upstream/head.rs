//! The head of an answer.

use std::mem::MaybeUninit;

use bytes::{Buf as _, BytesMut};
use http::header::{CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, Version};

/// The largest head of an answer, in bytes and in lines.
const LARGEST: usize = 64 * 1024;
const MOST_LINES: usize = 100;

/// How the body of an answer ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Length {
    /// After so many bytes; 0 where there is none.
    Known(u64),
    /// With its last chunk.
    Chunked,
    /// With the connection.
    Unknown,
}

/// An answer of which the body is still to come.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) response: Response<()>,
    pub(super) length: Length,
    /// Whether the app takes another request on the same connection.
    pub(super) stays: bool,
}

/// Not HTTP, or an answer whose end two readers would see in two places.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Malformed;

/// Takes the head of an answer off what was read; `None` as long as it is not whole. What an app
/// says before its answer (1xx but 101, RFC 9110 §15.2) is thrown away.
pub(super) fn read(buffer: &mut BytesMut, asked: &Method) -> Result<Option<Head>, Malformed> {
    loop {
        let Some(response) = parse(buffer)? else {
            return Ok(None);
        };
        if response.status().is_informational()
            && response.status() != StatusCode::SWITCHING_PROTOCOLS
        {
            continue;
        }
        let length = length(&response, asked)?;
        let stays = length != Length::Unknown
            && response.version() == Version::HTTP_11
            && !closes(response.headers());
        return Ok(Some(Head {
            response,
            length,
            stays,
        }));
    }
}

fn parse(buffer: &mut BytesMut) -> Result<Option<Response<()>>, Malformed> {
    let mut lines = [const { MaybeUninit::uninit() }; MOST_LINES];
    let mut parsed = httparse::Response::new(&mut []);
    let outcome = httparse::ParserConfig::default().parse_response_with_uninit_headers(
        &mut parsed,
        buffer,
        &mut lines,
    );
    let length = match outcome.map_err(|_| Malformed)? {
        httparse::Status::Complete(length) if length <= LARGEST => length,
        httparse::Status::Partial if buffer.len() < LARGEST => return Ok(None),
        httparse::Status::Complete(_) | httparse::Status::Partial => return Err(Malformed),
    };
    let mut response = Response::new(());
    let code = parsed.code.filter(|code| *code < 600).ok_or(Malformed)?;
    *response.status_mut() = StatusCode::from_u16(code).map_err(|_| Malformed)?;
    *response.version_mut() = match parsed.version {
        Some(1) => Version::HTTP_11,
        _ => Version::HTTP_10,
    };
    let headers = response.headers_mut();
    // With room for the request id, which is added.
    headers.reserve(parsed.headers.len() + 2);
    for line in parsed.headers.iter() {
        let name = HeaderName::from_bytes(line.name.as_bytes()).map_err(|_| Malformed)?;
        let value = HeaderValue::from_bytes(line.value).map_err(|_| Malformed)?;
        headers.append(name, value);
    }
    buffer.advance(length);
    Ok(Some(response))
}

/// RFC 9112 §6.3, without its ways out: where an answer could end in two places it is none.
fn length(response: &Response<()>, asked: &Method) -> Result<Length, Malformed> {
    let headers = response.headers();
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    let mut lengths = headers.get_all(CONTENT_LENGTH).iter();
    let length = match (codings.next(), lengths.next()) {
        (Some(coding), None)
            if coding.as_bytes().eq_ignore_ascii_case(b"chunked")
                && codings.next().is_none()
                && response.version() == Version::HTTP_11 =>
        {
            Length::Chunked
        }
        (None, Some(length)) if lengths.all(|other| other == length) => {
            let digits = length.as_bytes().iter().all(u8::is_ascii_digit);
            let text = length.to_str().ok().filter(|_| digits);
            let number = text.and_then(|text| text.parse().ok());
            Length::Known(number.ok_or(Malformed)?)
        }
        (None, None) => Length::Unknown,
        _ => return Err(Malformed),
    };
    let status = response.status();
    let bodiless = *asked == Method::HEAD
        || status.is_informational()
        || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    Ok(if bodiless { Length::Known(0) } else { length })
}

fn closes(headers: &HeaderMap) -> bool {
    headers
        .get_all(CONNECTION)
        .iter()
        .flat_map(|line| line.as_bytes().split(|b| *b == b','))
        .any(|token| token.trim_ascii().eq_ignore_ascii_case(b"close"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn head(text: &str, asked: &Method) -> Result<Option<Head>, Malformed> {
        read(&mut BytesMut::from(text), asked)
    }

    fn ends(text: &str) -> Option<Length> {
        head(text, &Method::POST)
            .ok()
            .flatten()
            .map(|head| head.length)
    }

    #[test]
    fn an_answer_ends_in_one_place() {
        for (lines, length) in [
            ("", Length::Unknown),
            ("Content-Length: 2\r\n", Length::Known(2)),
            (
                "Content-Length: 2\r\ncontent-length: 2\r\n",
                Length::Known(2),
            ),
            ("Transfer-Encoding: chunked\r\n", Length::Chunked),
            ("Transfer-Encoding: Chunked\r\n", Length::Chunked),
        ] {
            assert_eq!(
                ends(&format!("HTTP/1.1 200 OK\r\n{lines}\r\n")),
                Some(length),
                "{lines}"
            );
        }
        for lines in [
            "Transfer-Encoding: chunked\r\nContent-Length: 2\r\n",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
            "Transfer-Encoding: gzip, chunked\r\n",
            "Transfer-Encoding: chunked, gzip\r\n",
            "Transfer-Encoding: identity\r\n",
            "Content-Length: 2, 2\r\n",
            "Content-Length: +2\r\n",
            "Content-Length: \r\n",
            "Content-Length: 2\r\nContent-Length: 3\r\n",
            "Content-Length: 99999999999999999999\r\n",
            "Content Length: 2\r\n",
            "A: b\r\n c\r\n",
        ] {
            assert_eq!(
                ends(&format!("HTTP/1.1 200 OK\r\n{lines}\r\n")),
                None,
                "{lines}"
            );
        }
        let chunked = "Transfer-Encoding: chunked\r\n\r\n";
        assert_eq!(ends(&format!("HTTP/1.0 200 OK\r\n{chunked}")), None);
        for line in [
            "HTTP/1.1 600 No",
            "HTTP/1.1 099 No",
            "HTTP/2.0 200 OK",
            "HTTX",
            "200 OK",
        ] {
            assert_eq!(ends(&format!("{line}\r\n\r\n")), None, "{line}");
        }
    }

    #[test]
    fn where_there_is_no_body_none_is_waited_for() {
        for (status, method, length) in [
            ("200 OK", Method::HEAD, 0),
            ("204 No Content", Method::POST, 0),
            ("304 Not Modified", Method::GET, 0),
            ("205 Reset Content", Method::POST, 5),
        ] {
            let text = format!("HTTP/1.1 {status}\r\nContent-Length: 5\r\n\r\n");
            let head = head(&text, &method).unwrap().unwrap();
            assert_eq!(head.length, Length::Known(length), "{status}");
            assert!(head.stays, "{status}");
        }
    }

    #[test]
    fn what_comes_before_the_answer_is_thrown_away() {
        let text = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n\
                    HTTP/1.1 201 Created\r\nContent-Length: 1\r\n\r\nx";
        for end in 0..text.len() - 1 {
            assert!(
                head(text.get(..end).unwrap(), &Method::POST)
                    .unwrap()
                    .is_none(),
                "{end}"
            );
        }
        let mut buffer = BytesMut::from(text);
        let head = read(&mut buffer, &Method::POST).unwrap().unwrap();
        assert_eq!(head.response.status(), 201);
        assert!(head.response.headers().get("link").is_none());
        assert_eq!(&*buffer, b"x");
    }

    #[test]
    fn an_app_that_hangs_up_says_so() {
        for (version, lines, stays) in [
            ("1.1", "", true),
            ("1.1", "Connection: Close\r\n", false),
            ("1.1", "Connection: keep-alive, close\r\n", false),
            ("1.1", "Connection: keep-alive\r\n", true),
            ("1.0", "", false),
            ("1.0", "Connection: keep-alive\r\n", false),
        ] {
            let text = format!("HTTP/{version} 200 OK\r\nContent-Length: 0\r\n{lines}\r\n");
            assert_eq!(
                head(&text, &Method::POST).unwrap().unwrap().stays,
                stays,
                "{text}"
            );
        }
    }

    #[test]
    fn a_head_without_an_end_is_not_waited_for() {
        let long = format!("HTTP/1.1 200 OK\r\nA: {}", "a".repeat(LARGEST));
        assert_eq!(head(&long, &Method::POST).unwrap_err(), Malformed);
        let many = format!("HTTP/1.1 200 OK\r\n{}", "A: b\r\n".repeat(MOST_LINES + 1));
        assert_eq!(head(&many, &Method::POST).unwrap_err(), Malformed);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(
            text in "HTTP/1\\.[01] [0-9]{3}( OK)?\r\n((Content-Length|Transfer-Encoding|Connection|A|[ -~]{1,5}):[ -~]{0,9}\r?\n){0,4}(\r\n)?",
            cut in 0_usize..200,
        ) {
            let mut whole = BytesMut::from(&*text);
            let all = read(&mut whole, &Method::POST);
            // It does not matter in which pieces it comes.
            let cut = cut.min(text.len());
            let mut buffer = BytesMut::from(text.get(..cut).unwrap_or_default());
            let mut pieces = read(&mut buffer, &Method::POST);
            if let Ok(None) = pieces {
                buffer.extend_from_slice(text.get(cut..).unwrap_or_default().as_bytes());
                pieces = read(&mut buffer, &Method::POST);
            }
            let end = |read: Result<Option<Head>, Malformed>| read.map(|head| head.map(|head| (head.length, head.stays)));
            prop_assert_eq!(end(pieces), end(all));
        }
    }
}
