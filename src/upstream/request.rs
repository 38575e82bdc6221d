//! A request for the app.

use http::header::{CONTENT_LENGTH, HOST, TRANSFER_ENCODING};
use http::{HeaderName, HeaderValue, Method};

use super::body::Outgoing;
use crate::event::HeaderText;

/// Room for most heads, and a small body behind them.
const USUAL: usize = 2048;

/// A head while it is written (RFC 9112 §3): line by line, never from what a client sent as a
/// whole. How the body ends is no affair of its writer.
#[derive(Debug)]
pub struct Head {
    text: Vec<u8>,
    method: Method,
}

/// A request, ready to be sent.
#[derive(Debug)]
pub struct Request {
    pub(super) method: Method,
    pub(super) head: Vec<u8>,
    pub(super) body: Outgoing,
}

impl Head {
    /// Begins a head with its request line and the host.
    pub fn new(method: Method, target: &str, host: &[u8]) -> Self {
        let mut head = Self {
            text: Vec::with_capacity(USUAL),
            method,
        };
        for piece in [head.method.as_str(), " ", target, " HTTP/1.1\r\n"] {
            head.text.extend_from_slice(piece.as_bytes());
        }
        head.copied(HOST.as_str(), host);
        head
    }

    /// Adds a line. Not one that says how the body ends: that is known by whoever sends it.
    pub fn line(&mut self, name: &HeaderName, value: &HeaderValue) {
        self.copied(name.as_str(), value.as_bytes());
    }

    /// The same, of what was received: neither holds what ends a line.
    pub fn copied(&mut self, name: &str, value: &[u8]) {
        debug_assert!(
            !name.contains(['\r', '\n', ':']) && !value.contains(&b'\r') && !value.contains(&b'\n')
        );
        if CONTENT_LENGTH != *name && TRANSFER_ENCODING != *name {
            self.write(name, value);
        }
    }

    /// Adds a line with what a verified request tells. The name is one of ours.
    pub fn text(&mut self, name: &HeaderName, text: &HeaderText<'_>) {
        self.write(name.as_str(), text.as_str().as_bytes());
    }

    fn write(&mut self, name: &str, value: &[u8]) {
        let name = name.as_bytes();
        self.text.reserve(name.len() + value.len() + 4);
        self.text.extend_from_slice(name);
        self.text.extend_from_slice(b": ");
        self.text.extend_from_slice(value);
        self.text.extend_from_slice(b"\r\n");
    }

    /// Ends the head by what is said of the body.
    pub fn with_body(mut self, body: Outgoing) -> Request {
        let has_content = [Method::POST, Method::PUT, Method::PATCH].contains(&self.method);
        match body.length() {
            // Some servers want to hear of an empty body (RFC 9110 §8.6).
            Some(0) if !has_content => {}
            Some(length) => {
                let mut digits = itoa::Buffer::new();
                self.write(CONTENT_LENGTH.as_str(), digits.format(length).as_bytes());
            }
            None => self.write(TRANSFER_ENCODING.as_str(), b"chunked"),
        }
        self.text.extend_from_slice(b"\r\n");
        Request {
            method: self.method,
            head: self.text,
            body,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(method: Method, body: Outgoing) -> String {
        let mut head = Head::new(method, "/a?b=c", b"app");
        for (name, value) in [
            (HeaderName::from_static("a"), "1"),
            (CONTENT_LENGTH, "7"),
            (TRANSFER_ENCODING, "chunked"),
            (HeaderName::from_static("a"), "2"),
        ] {
            head.line(&name, &HeaderValue::from_static(value));
        }
        String::from_utf8(head.with_body(body).head).unwrap()
    }

    #[test]
    fn a_head_is_written_afresh() {
        let body = || Outgoing::whole(vec!["{}".into()]);
        let start = "/a?b=c HTTP/1.1\r\nhost: app\r\na: 1\r\na: 2\r\n";
        for (method, body, end) in [
            (Method::POST, body(), "content-length: 2\r\n"),
            (Method::GET, body(), "content-length: 2\r\n"),
            (Method::POST, Outgoing::default(), "content-length: 0\r\n"),
            (Method::GET, Outgoing::default(), ""),
        ] {
            let expected = format!("{method} {start}{end}\r\n");
            assert_eq!(written(method, body), expected);
        }
    }
}
