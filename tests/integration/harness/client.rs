//! A caller that sends exact bytes and reads one answer at a time.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};

use super::{DEADLINE, find};

/// A connection to gatepost, plain or TLS.
pub struct Client<S = TcpStream> {
    pub stream: S,
    unread: Vec<u8>,
}

/// One answer.
#[derive(Debug, Clone)]
pub struct Response {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// Whether the body ended as its head announced.
    pub complete: bool,
    /// The interim statuses (1xx) before it.
    pub interim: Vec<u16>,
}

impl Client {
    pub fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect_timeout(&address, DEADLINE).expect("gatepost accepts");
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        stream.set_write_timeout(Some(DEADLINE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self::over(stream)
    }

    /// Says that nothing more will be sent, unless the other side has hung up.
    pub fn finish(&self) {
        drop(self.stream.shutdown(Shutdown::Write));
    }
}

impl<S: Read + Write> Client<S> {
    pub const fn over(stream: S) -> Self {
        Self {
            stream,
            unread: Vec::new(),
        }
    }

    /// Sends; that the other side has hung up meanwhile shows in what is read.
    pub fn send(&mut self, bytes: &[u8]) -> &mut Self {
        drop(
            self.stream
                .write_all(bytes)
                .and_then(|()| self.stream.flush()),
        );
        self
    }

    /// Reads one answer. `None` when the connection ends before its head does.
    pub fn answer(&mut self) -> Option<Response> {
        let mut interim = Vec::new();
        loop {
            let mut response = self.head()?;
            if (100..200).contains(&response.status) && response.status != 101 {
                interim.push(response.status);
                continue;
            }
            response.interim = interim;
            self.read_body(&mut response);
            return Some(response);
        }
    }

    /// Reads the head of an answer and leaves its body on the connection.
    pub fn head(&mut self) -> Option<Response> {
        let end = loop {
            if let Some(at) = find(&self.unread, b"\r\n\r\n") {
                break at;
            }
            if self.more() == 0 {
                return None;
            }
        };
        let head =
            String::from_utf8(self.unread.drain(..end + 4).collect()).expect("an ASCII head");
        let mut lines = head.trim_end().split("\r\n");
        let status = lines.next().unwrap();
        assert!(status.starts_with("HTTP/1."), "{status}");
        let headers = lines
            .map(|line| line.split_once(':').expect("a header line"))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        let status = status.split(' ').nth(1).unwrap().parse().unwrap();
        Some(Response {
            status,
            headers,
            body: Vec::new(),
            complete: true,
            interim: Vec::new(),
        })
    }

    fn read_body(&mut self, response: &mut Response) {
        if matches!(response.status, 101 | 204 | 304) {
            return;
        }
        if response.header("transfer-encoding").is_some() {
            response.complete = self.read_chunks(&mut response.body);
        } else if let Some(length) = response.header("content-length") {
            let length = length.parse().unwrap();
            while self.unread.len() < length && self.more() > 0 {}
            let there = length.min(self.unread.len());
            response.body = self.unread.drain(..there).collect();
            response.complete = there == length;
        } else {
            while self.more() > 0 {}
            response.body = std::mem::take(&mut self.unread);
        }
    }

    fn read_chunks(&mut self, body: &mut Vec<u8>) -> bool {
        loop {
            let Some(end) = find(&self.unread, b"\r\n") else {
                if self.more() == 0 {
                    return false;
                }
                continue;
            };
            let size = std::str::from_utf8(&self.unread[..end]).unwrap();
            let size = usize::from_str_radix(size.split(';').next().unwrap().trim(), 16).unwrap();
            while self.unread.len() < end + size + 4 {
                if self.more() == 0 {
                    return false;
                }
            }
            body.extend_from_slice(&self.unread[end + 2..end + 2 + size]);
            self.unread.drain(..end + size + 4);
            if size == 0 {
                return true;
            }
        }
    }

    /// Reads exactly so many bytes that are not part of an answer.
    pub fn exactly(&mut self, length: usize) -> Vec<u8> {
        while self.unread.len() < length {
            assert!(
                self.more() > 0,
                "only {:?}",
                String::from_utf8_lossy(&self.unread)
            );
        }
        self.unread.drain(..length).collect()
    }

    /// Everything up to the end of the connection.
    pub fn rest(&mut self) -> Vec<u8> {
        while self.more() > 0 {}
        std::mem::take(&mut self.unread)
    }

    /// Whether the other side hangs up without sending anything more.
    pub fn hangs_up(&mut self) -> bool {
        self.more() == 0 && self.unread.is_empty()
    }

    /// Reads what is there; 0 at the end of the connection, however it ended.
    fn more(&mut self) -> usize {
        let mut buffer = [0; 8192];
        match self.stream.read(&mut buffer) {
            Ok(length) => {
                self.unread.extend_from_slice(&buffer[..length]);
                length
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                panic!(
                    "no answer within {DEADLINE:?}; so far {:?}",
                    String::from_utf8_lossy(&self.unread)
                )
            }
            Err(_) => 0,
        }
    }
}

impl Response {
    /// The one value of this header.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.iter().filter(|(other, _)| other == name);
        let value = values.next().map(|(_, value)| value.as_str());
        assert!(values.next().is_none(), "{name} twice: {:?}", self.headers);
        value
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// Sends `bytes` on a connection of their own and reads the answer.
pub fn exchange(address: SocketAddr, bytes: &[u8]) -> Response {
    try_exchange(address, bytes)
        .unwrap_or_else(|| panic!("no answer to {:?}", String::from_utf8_lossy(bytes)))
}

/// The same, where hanging up is an answer too.
pub fn try_exchange(address: SocketAddr, bytes: &[u8]) -> Option<Response> {
    Client::connect(address).send(bytes).answer()
}

/// Sends `bytes` and reads whatever comes back until the end of the connection.
pub fn try_exchange_raw(address: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut client = Client::connect(address);
    client.send(bytes).finish();
    while client.more() > 0 {}
    client.unread
}
