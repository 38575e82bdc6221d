//! A caller with the exact bytes in hand, for `send`, `demo` and `health`.

use std::io;
use std::time::Duration;

use super::target::Target;
use crate::sign::Delivery;

/// An answer.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

impl Answer {
    /// The value of a header, by its lower-case name.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }
}

/// Sends one request on a connection of its own and reads the answer to its end.
pub(super) fn exchange(target: &Target, request: &[u8], time: Duration) -> io::Result<Answer> {
    let bytes = target.exchange(request, time)?;
    parse(&bytes)
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "the answer is not HTTP/1.1"))
}

/// A delivery as it goes over the wire.
pub(super) fn wire(delivery: &Delivery, host: &str, extra: &[(&str, &str)]) -> Vec<u8> {
    let query = delivery
        .query
        .as_ref()
        .map(|query| format!("?{query}"))
        .unwrap_or_default();
    let mut head = format!(
        "{} {}{query} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\
         Content-Length: {}\r\n",
        delivery.method,
        delivery.path,
        delivery.body.len()
    )
    .into_bytes();
    if !delivery.headers.contains_key(http::header::CONTENT_TYPE) {
        head.extend_from_slice(b"Content-Type: application/json\r\n");
    }
    let signed = delivery
        .headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_bytes()));
    let extra = extra.iter().map(|(name, value)| (*name, value.as_bytes()));
    for (name, value) in signed.chain(extra) {
        head.extend_from_slice(&[name.as_bytes(), b": ", value, b"\r\n"].concat());
    }
    head.extend_from_slice(b"\r\n");
    head.extend_from_slice(&delivery.body);
    head
}

fn parse(bytes: &[u8]) -> Option<Answer> {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = std::str::from_utf8(bytes.get(..end)?).ok()?;
    let mut lines = head.split("\r\n");
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let headers = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    let body = bytes.get(end.checked_add(4)?..)?.to_vec();
    Some(Answer {
        status,
        headers,
        body,
    })
}
