//! HTTP/2 frames written by hand (RFC 9113 §4.1).

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use crate::harness::Client;

pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PING: u8 = 6;
pub const GOAWAY: u8 = 7;
pub const WINDOW_UPDATE: u8 = 8;
pub const CONTINUATION: u8 = 9;

pub const END_STREAM: u8 = 1;
pub const END_HEADERS: u8 = 4;

pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut bytes = length[1..].to_vec();
    bytes.extend_from_slice(&[kind, flags]);
    bytes.extend_from_slice(&stream.to_be_bytes());
    bytes.extend_from_slice(payload);
    bytes
}

/// The header block of a POST to the route, with the key unless that is empty; nothing of it goes
/// into the dynamic table.
pub fn post(key: &str, more: &[(&str, &str)]) -> Vec<u8> {
    // `:method: POST` and `:scheme: http` are entries 3 and 6 of the static table.
    let mut block = vec![0x83, 0x86];
    let authority = (":authority", crate::harness::HOST);
    let mut fields = vec![(":path", "/hook"), authority];
    if !key.is_empty() {
        fields.push(("x-key", key));
    }
    for (name, value) in fields.iter().chain(more) {
        literal(&mut block, name, value);
    }
    block
}

/// A literal without indexing, its name and value as they are (RFC 7541 §6.2.2).
fn literal(block: &mut Vec<u8>, name: &str, value: &str) {
    block.push(0);
    for text in [name, value] {
        length(block, text.len(), 0x7f, 0);
        block.extend_from_slice(text.as_bytes());
    }
}

/// An integer with a prefix (RFC 7541 §5.1).
pub fn length(block: &mut Vec<u8>, mut value: usize, limit: u8, flags: u8) {
    if value < usize::from(limit) {
        return block.push(flags | u8::try_from(value).unwrap());
    }
    block.push(flags | limit);
    value -= usize::from(limit);
    while value >= 128 {
        block.push(u8::try_from(value % 128).unwrap() | 128);
        value /= 128;
    }
    block.push(u8::try_from(value).unwrap());
}

/// A connection by prior knowledge.
pub struct Raw {
    pub stream: TcpStream,
}

/// How a flood ended.
#[derive(Debug, PartialEq, Eq)]
pub enum End {
    /// Closed, after a GOAWAY with this error code where one was read.
    Closed(Option<u32>),
    /// Everything was taken.
    Open,
}

impl Raw {
    pub fn connect(address: SocketAddr) -> Self {
        Self::with_settings(address, &[])
    }

    pub fn with_settings(address: SocketAddr, settings: &[(u16, u32)]) -> Self {
        let stream = Client::connect(address).stream;
        stream
            .set_write_timeout(Some(Duration::from_millis(500)))
            .unwrap();
        let mut raw = Self { stream };
        let mut payload = Vec::new();
        for (name, value) in settings {
            payload.extend_from_slice(&name.to_be_bytes());
            payload.extend_from_slice(&value.to_be_bytes());
        }
        raw.write(PREFACE);
        raw.write(&frame(SETTINGS, 0, 0, &payload));
        raw
    }

    /// Whether it was taken.
    pub fn write(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).is_ok()
    }

    /// How many streams gatepost lets it open, which it says first.
    pub fn streams(&mut self) -> u32 {
        let mut head = [0; 9];
        self.stream.read_exact(&mut head).unwrap();
        assert_eq!(head[3], SETTINGS);
        let mut payload = vec![0; usize::from(head[2])];
        self.stream.read_exact(&mut payload).unwrap();
        let mut settings = payload.chunks(6);
        let most = settings.find(|one| one[..2] == [0, 3]).unwrap();
        u32::from_be_bytes(most[2..].try_into().unwrap())
    }

    /// The frames that come within `time`: their kinds, and the code of the last GOAWAY.
    pub fn read_for(&mut self, time: Duration) -> (Vec<u8>, End) {
        self.stream.set_read_timeout(Some(time)).unwrap();
        let (mut kinds, mut code) = (Vec::new(), None);
        loop {
            let mut head = [0; 9];
            match self.stream.read_exact(&mut head) {
                Ok(()) => {}
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                    return (kinds, End::Open);
                }
                Err(_) => return (kinds, End::Closed(code)),
            }
            let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
            let mut payload = vec![0; length];
            if self.stream.read_exact(&mut payload).is_err() {
                return (kinds, End::Closed(code));
            }
            kinds.push(head[3]);
            if head[3] == GOAWAY {
                code = Some(u32::from_be_bytes(payload[4..8].try_into().unwrap()));
            }
        }
    }
}
