//! A captured request, in whatever form somebody has it: raw HTTP, an HTTP archive, or a `curl`
//! command line.

mod curl;

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderName, HeaderValue, Method, Request, Uri, Version};
use jiff::Timestamp;
use serde_json::Value;

/// A request as it was captured.
#[derive(Debug)]
pub struct Capture {
    /// Method, path, headers.
    pub parts: Parts,
    /// All bytes of the body.
    pub body: Bytes,
    /// When it was sent, if the capture tells.
    pub at: Option<Timestamp>,
    /// What the reader should know of the reading.
    pub notes: Vec<String>,
}

/// Reads a file that a `curl` command names.
pub type Files<'a> = &'a dyn Fn(&str) -> std::io::Result<Vec<u8>>;

/// The parts of a request while they are gathered.
#[derive(Debug, Default)]
struct Draft {
    method: String,
    /// Path and query, or a whole URL.
    target: String,
    http10: bool,
    headers: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
    at: Option<Timestamp>,
    notes: Vec<String>,
}

impl Draft {
    fn has(&self, name: &str) -> bool {
        self.headers
            .iter()
            .any(|(other, _)| other.eq_ignore_ascii_case(name))
    }

    fn value(&self, name: &str) -> Option<&str> {
        let mut found = self
            .headers
            .iter()
            .filter(|(other, _)| other.eq_ignore_ascii_case(name));
        found
            .next()
            .and_then(|(_, value)| std::str::from_utf8(value).ok())
    }

    fn push(&mut self, name: &str, value: impl Into<Vec<u8>>) {
        self.headers.push((name.to_owned(), value.into()));
    }

    fn finish(mut self) -> Result<Capture, String> {
        // A whole URL names the host too.
        let uri: Uri = self
            .target
            .parse()
            .map_err(|_| format!("`{}` is not a path or a URL", shown(&self.target)))?;
        if let Some(host) = uri.authority()
            && !self.has("host")
        {
            let host = host.as_str().rsplit('@').next().unwrap_or_default();
            self.push("host", host.as_bytes().to_vec());
        }
        let path = uri.path_and_query().map_or("/", |target| target.as_str());
        let mut request = Request::builder()
            .method(
                Method::from_bytes(self.method.as_bytes())
                    .map_err(|_| format!("`{}` is not a method", shown(&self.method)))?,
            )
            .uri(path)
            .version(if self.http10 {
                Version::HTTP_10
            } else {
                Version::HTTP_11
            });
        for (name, value) in &self.headers {
            // HTTP/2 shows its request line as headers.
            if name.starts_with(':') {
                continue;
            }
            let name = HeaderName::from_bytes(name.trim().as_bytes())
                .map_err(|_| format!("`{}` is not a header name", shown(name)))?;
            let value = HeaderValue::from_bytes(value.trim_ascii())
                .map_err(|_| format!("the value of the header `{name}` cannot be sent"))?;
            request = request.header(name, value);
        }
        let date = self.value("date").and_then(read_date);
        let (parts, ()) = request
            .body(())
            .map_err(|_| "this is not a request".to_owned())?
            .into_parts();
        Ok(Capture {
            parts,
            body: self.body.into(),
            at: self.at.or(date),
            notes: self.notes,
        })
    }
}

/// Text of the capture for a message: short, and without what a terminal would obey.
fn shown(text: &str) -> String {
    text.chars().take(40).flat_map(char::escape_debug).collect()
}

/// The date of a header (RFC 9110 §5.6.7).
fn read_date(text: &str) -> Option<Timestamp> {
    jiff::fmt::rfc2822::parse(text)
        .ok()
        .map(|zoned| zoned.timestamp())
}

/// Reads a capture of any form; of an archive with several requests the one of this number, from 1.
///
/// # Errors
///
/// What is wrong with it, for people.
pub fn read(bytes: &[u8], entry: Option<usize>, files: Files<'_>) -> Result<Capture, String> {
    let start = bytes.trim_ascii_start();
    if start.is_empty() {
        return Err("there is nothing in it".into());
    }
    let command = start.strip_prefix(b"$ ").unwrap_or(start);
    if command.starts_with(b"curl ") || command.starts_with(b"curl.exe ") {
        return curl::read(command, files)?.finish();
    }
    if start.starts_with(b"{") {
        return har(start, entry)?.finish();
    }
    raw(start)?.finish()
}

/// Raw HTTP/1.x: the head, an empty line, the body byte for byte.
fn raw(bytes: &[u8]) -> Result<Draft, String> {
    let mut draft = Draft::default();
    let (head, body) = split(bytes);
    let mut lines = head
        .split(|b| *b == b'\n')
        .map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let first = lines.next().and_then(|line| std::str::from_utf8(line).ok());
    let mut words = first.unwrap_or_default().split_ascii_whitespace();
    let (Some(method), Some(target)) = (words.next(), words.next()) else {
        return Err("it begins neither with a request line (`POST /path HTTP/1.1`), nor with `{` (HAR) or `curl `".into());
    };
    method.clone_into(&mut draft.method);
    target.clone_into(&mut draft.target);
    draft.http10 = words.next() == Some("HTTP/1.0");
    for line in lines {
        let Some(colon) = line.iter().skip(1).position(|b| *b == b':') else {
            return Err(format!(
                "`{}` is not a header line",
                shown(
                    &String::from_utf8_lossy(line)
                        .chars()
                        .take(12)
                        .collect::<String>()
                )
            ));
        };
        let (name, value) = line.split_at(colon.saturating_add(1));
        let name = std::str::from_utf8(name).map_err(|_| "a header name is not text".to_owned())?;
        draft.push(
            name,
            value.get(1..).unwrap_or_default().trim_ascii().to_vec(),
        );
    }
    draft.body = body.to_vec();
    if draft
        .value("transfer-encoding")
        .is_some_and(|value| value.eq_ignore_ascii_case("chunked"))
    {
        match unchunked(body) {
            Some(plain) => draft.body = plain,
            None => draft.notes.push("it says `Transfer-Encoding: chunked`, but the body is not in chunks: it is taken as it is".into()),
        }
    } else if let Some(length) = draft
        .value("content-length")
        .and_then(|value| value.parse::<usize>().ok())
    {
        let extra = body.get(length..).unwrap_or_default();
        if !extra.is_empty() && extra.iter().all(u8::is_ascii_whitespace) && extra.len() <= 2 {
            // Editors end a file with a newline.
            draft.body.truncate(length);
            draft.notes.push(
                "the line end after the body is not part of it: Content-Length says so".into(),
            );
        }
    }
    Ok(draft)
}

/// Head and body, at the first empty line; either kind of line end.
fn split(bytes: &[u8]) -> (&[u8], &[u8]) {
    let crlf = bytes.windows(4).position(|window| window == b"\r\n\r\n");
    let lf = bytes.windows(2).position(|window| window == b"\n\n");
    let (at, length) = match (crlf, lf) {
        (Some(crlf), Some(lf)) if lf < crlf => (lf, 2),
        (Some(crlf), _) => (crlf, 4),
        (None, Some(lf)) => (lf, 2),
        (None, None) => return (bytes.trim_ascii_end(), &[]),
    };
    let (head, rest) = bytes.split_at(at);
    (head, rest.get(length..).unwrap_or_default())
}

/// The content of a chunked body (RFC 9112 §7.1).
fn unchunked(mut rest: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let end = rest.windows(2).position(|window| window == b"\r\n")?;
        let (line, after) = rest.split_at(end);
        let digits = std::str::from_utf8(line).ok()?.split(';').next()?.trim();
        let size = usize::from_str_radix(digits, 16).ok()?;
        let after = after.get(2..)?;
        if size == 0 {
            return Some(body);
        }
        let (chunk, after) = after.split_at_checked(size)?;
        body.extend_from_slice(chunk);
        rest = after.strip_prefix(b"\r\n")?;
    }
}

/// An entry of an HTTP archive, or the whole archive
/// (<http://www.softwareishard.com/blog/har-12-spec/>).
fn har(bytes: &[u8], wanted: Option<usize>) -> Result<Draft, String> {
    let value: Value = serde_json::from_slice(bytes)
        .map_err(|error| format!("it begins as JSON, but is none: {error}"))?;
    let mut notes = Vec::new();
    let entry = match value.pointer("/log/entries").and_then(Value::as_array) {
        None => &value,
        Some(entries) => {
            let posts = |entry: &&Value| {
                entry.pointer("/request/method").and_then(Value::as_str) == Some("POST")
            };
            let found = match wanted {
                Some(number) => entries.get(number.saturating_sub(1)),
                None => entries.iter().find(posts).or_else(|| entries.first()),
            };
            if wanted.is_none() && entries.len() > 1 {
                notes.push(format!("the archive has {} entries: the first POST is taken; say another with `--entry N`", entries.len()));
            }
            found.ok_or("the archive has no such entry")?
        }
    };
    let request = entry
        .get("request")
        .or_else(|| entry.get("url").map(|_| entry))
        .ok_or("it is JSON, but no HTTP archive: there is no `request`")?;
    let text = |name: &str| request.get(name).and_then(Value::as_str);
    let mut draft = Draft {
        method: text("method").unwrap_or("POST").to_owned(),
        target: text("url").ok_or("the request has no `url`")?.to_owned(),
        at: entry
            .get("startedDateTime")
            .and_then(Value::as_str)
            .and_then(|at| at.parse().ok()),
        notes,
        ..Draft::default()
    };
    for header in request
        .get("headers")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        let field = |name: &str| header.get(name).and_then(Value::as_str);
        if let (Some(name), Some(value)) = (field("name"), field("value")) {
            draft.push(name, value.as_bytes().to_vec());
        }
    }
    if let Some(authority) = draft.value(":authority").map(ToOwned::to_owned)
        && !draft.has("host")
    {
        draft.push("host", authority.into_bytes());
    }
    if let Some(data) = request.get("postData") {
        let text = data.get("text").and_then(Value::as_str).unwrap_or_default();
        let encoded = ["encoding", "_encoding"]
            .iter()
            .any(|name| data.get(name).and_then(Value::as_str) == Some("base64"));
        draft.body = if encoded {
            crate::encoding::Encoding::Base64
                .decode(text.as_bytes())
                .ok_or("`postData.text` says it is base64, and is not")?
        } else {
            text.as_bytes().to_vec()
        };
        if text.is_empty()
            && data
                .get("params")
                .and_then(Value::as_array)
                .is_some_and(|params| !params.is_empty())
        {
            draft.notes.push("the archive holds the form's fields only, not the bytes that were sent: a signature over the body cannot be checked".into());
        }
    }
    Ok(draft)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8], entry: Option<usize>) -> Result<Capture, String> {
        super::read(bytes, entry, &|name| Err(std::io::Error::other(name)))
    }

    fn body(bytes: &[u8]) -> Vec<u8> {
        read(bytes, None).unwrap().body.to_vec()
    }

    #[test]
    fn raw_requests_keep_every_byte_of_the_body() {
        for (capture, expected) in [
            (&b"POST /a HTTP/1.1\r\nHost: h\r\n\r\n{\"a\": 1}\r\n"[..], &b"{\"a\": 1}\r\n"[..]),
            (b"POST /a HTTP/1.1\nHost: h\n\nx\n\ny", b"x\n\ny"),
            (b"POST /a HTTP/1.1\nHost: h\nContent-Length: 2\n\nxy\n", b"xy"),
            (b"POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nxy\r\n0\r\n\r\n", b"xy"),
            (b"POST /a HTTP/1.1\nHost: h", b""),
        ] {
            assert_eq!(body(capture), expected);
        }
        let capture = read(
            b"PUT /a?b=c HTTP/1.0\nX-A:  b \nDate: Tue, 15 Nov 1994 08:12:31 GMT\n\n",
            None,
        )
        .unwrap();
        assert_eq!(capture.parts.method, "PUT");
        assert_eq!(capture.parts.uri.query(), Some("b=c"));
        assert_eq!(capture.parts.headers["x-a"], "b");
        assert_eq!(
            capture.at,
            Some(Timestamp::from_second(784_887_151).unwrap())
        );
    }

    #[test]
    fn archives_are_read_whole_or_by_the_entry() {
        let entry = r#"{"startedDateTime":"2026-01-02T03:04:05.000Z","request":{"method":"POST","url":"https://h.example/a?b","headers":[{"name":"X-A","value":"b"}],"postData":{"text":"{\"a\":1}"}}}"#;
        let whole = format!(
            r#"{{"log":{{"entries":[{{"request":{{"method":"GET","url":"/"}}}},{entry}]}}}}"#
        );
        for text in [entry, &whole] {
            let capture = read(text.as_bytes(), None).unwrap();
            assert_eq!(&*capture.body, b"{\"a\":1}");
            assert_eq!(capture.parts.uri, "/a?b");
            assert_eq!(capture.parts.headers["host"], "h.example");
            assert_eq!(capture.at, Some("2026-01-02T03:04:05Z".parse().unwrap()));
        }
        assert_eq!(read(whole.as_bytes(), Some(1)).unwrap().parts.method, "GET");
        assert!(read(whole.as_bytes(), Some(3)).is_err());
    }

    #[test]
    fn what_is_no_request_is_an_error_and_no_panic() {
        for text in [
            "",
            " ",
            "{",
            "{}",
            "[]",
            "hello",
            "POST",
            "POST /a\nnonsense",
            "POST /a\n: x",
            "P(ST /a\n\n",
            "curl",
            "curl -H",
            "POST /\u{e9} HTTP/1.1\n\u{e9}: x\n",
        ] {
            assert!(read(text.as_bytes(), None).is_err(), "{text:?}");
        }
    }
}
