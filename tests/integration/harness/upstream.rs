//! The app: records every byte it receives and answers as a test wants.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Instant;

use super::{DEADLINE, find};

/// One request as the app received it.
#[derive(Debug, Clone)]
pub struct Received {
    /// Which connection it came on, from 1.
    pub connection: usize,
    /// The request line.
    pub line: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body, without chunks.
    pub body: Vec<u8>,
    /// Head and body as they came.
    pub raw: Vec<u8>,
}

/// What the app does with a request.
pub enum Answer {
    /// Answers and keeps the connection.
    Keep(Vec<u8>),
    /// Answers and hangs up.
    Close(Vec<u8>),
    /// Answers and resets the connection.
    Reset(Vec<u8>),
    /// Never answers.
    Hang,
}

type Script = dyn Fn(&Received) -> Answer + Send + Sync;

/// A running app. Its threads end with the connections.
pub struct Upstream {
    pub url: String,
    pub address: Option<SocketAddr>,
    pub journal: Arc<Journal>,
}

/// What an app has seen.
#[derive(Default)]
pub struct Journal {
    seen: Mutex<Seen>,
    changed: Condvar,
}

#[derive(Default)]
struct Seen {
    requests: Vec<Received>,
    bytes: usize,
    connections: usize,
    closed: usize,
}

/// A plain answer with this status line and body.
pub fn reply(status: &str, body: &str) -> Vec<u8> {
    format!(
        "HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

impl Upstream {
    /// Answers `200 OK` with the body `ok`.
    pub fn recording() -> Self {
        Self::answering(|_| Answer::Keep(reply("200 OK", "ok")))
    }

    /// Answers as the script says.
    pub fn answering(script: impl Fn(&Received) -> Answer + Send + Sync + 'static) -> Self {
        let script: Arc<Script> = Arc::new(script);
        Self::handling(move |stream, journal, connection| {
            let write_end = stream.try_clone().unwrap();
            let reset =
                || socket2::SockRef::from(&write_end).set_linger(Some(std::time::Duration::ZERO));
            serve(&stream, journal, connection, &*script, || reset().unwrap());
        })
    }

    /// Hands every connection to `handler`, on a thread of its own.
    pub fn handling(handler: impl Fn(TcpStream, &Journal, usize) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let journal = Arc::new(Journal::default());
        let (shared, handler) = (journal.clone(), Arc::new(handler));
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let connection = shared.connected();
                let (journal, handler) = (shared.clone(), handler.clone());
                thread::spawn(move || {
                    handler(stream, &journal, connection);
                    journal.closed();
                });
            }
        });
        Self {
            url: format!("http://{address}"),
            address: Some(address),
            journal,
        }
    }

    /// Answers `200 OK` on a unix socket.
    pub fn unix(path: &Path) -> Self {
        let listener = UnixListener::bind(path).unwrap();
        let journal = Arc::new(Journal::default());
        let shared = journal.clone();
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let connection = shared.connected();
                let journal = shared.clone();
                let script = |_: &Received| Answer::Keep(reply("200 OK", "ok"));
                thread::spawn(move || serve(&stream, &journal, connection, &script, || {}));
            }
        });
        Self {
            url: format!("unix:{}", path.display()),
            address: None,
            journal,
        }
    }

    /// An address at which nothing listens.
    pub fn down() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        Self {
            url,
            address: None,
            journal: Arc::default(),
        }
    }

    /// Every request so far.
    pub fn requests(&self) -> Vec<Received> {
        self.journal.requests()
    }

    /// The last of exactly `count` requests, waiting for it.
    pub fn received(&self, count: usize) -> Received {
        self.journal.wait(count)
    }
}

impl Journal {
    fn connected(&self) -> usize {
        let mut seen = self.seen.lock().unwrap();
        seen.connections += 1;
        seen.connections
    }

    fn closed(&self) {
        self.seen.lock().unwrap().closed += 1;
        self.changed.notify_all();
    }

    /// Waits until the app has hung up on so many connections.
    pub fn wait_closed(&self, count: usize) {
        let mut seen = self.seen.lock().unwrap();
        let start = Instant::now();
        while seen.closed < count {
            assert!(
                start.elapsed() < DEADLINE,
                "{} closed of {count}",
                seen.closed
            );
            seen = self.changed.wait_timeout(seen, DEADLINE).unwrap().0;
        }
    }

    pub fn requests(&self) -> Vec<Received> {
        self.seen.lock().unwrap().requests.clone()
    }

    /// How many bytes came, whether they are requests or not.
    pub fn bytes(&self) -> usize {
        self.seen.lock().unwrap().bytes
    }

    pub fn connections(&self) -> usize {
        self.seen.lock().unwrap().connections
    }

    fn wait(&self, count: usize) -> Received {
        let mut seen = self.seen.lock().unwrap();
        let start = Instant::now();
        while seen.requests.len() < count {
            let left = DEADLINE.saturating_sub(start.elapsed());
            assert!(
                !left.is_zero(),
                "{} requests of {count}",
                seen.requests.len()
            );
            seen = self.changed.wait_timeout(seen, left).unwrap().0;
        }
        assert_eq!(
            seen.requests.len(),
            count,
            "requests at the app: {:#?}",
            seen.requests
        );
        seen.requests[count - 1].clone()
    }

    fn note_bytes(&self, length: usize) {
        self.seen.lock().unwrap().bytes += length;
    }

    fn note(&self, received: Received) {
        self.seen.lock().unwrap().requests.push(received);
        self.changed.notify_all();
    }
}

/// Answers the requests of one connection until it ends.
fn serve<S>(stream: S, journal: &Journal, connection: usize, script: &Script, reset: impl Fn())
where
    S: Read + Write,
{
    let mut reader = Reader {
        stream,
        journal,
        unread: Vec::new(),
    };
    while let Some(received) = reader.request(connection) {
        journal.note(received.clone());
        match script(&received) {
            Answer::Keep(bytes) => drop(reader.stream.write_all(&bytes)),
            Answer::Close(bytes) => return drop(reader.stream.write_all(&bytes)),
            Answer::Reset(bytes) => {
                drop(reader.stream.write_all(&bytes));
                return reset();
            }
            // Until gatepost gives up.
            Answer::Hang => while reader.more() > 0 {},
        }
    }
}

/// Reads requests off a connection, noting every byte.
pub struct Reader<'j, S> {
    pub stream: S,
    pub journal: &'j Journal,
    pub unread: Vec<u8>,
}

impl<S: Read> Reader<'_, S> {
    pub fn more(&mut self) -> usize {
        let mut buffer = [0; 8192];
        let length = self.stream.read(&mut buffer).unwrap_or(0);
        self.journal.note_bytes(length);
        self.unread.extend_from_slice(&buffer[..length]);
        length
    }

    /// The head of a request, its blank line included.
    pub fn head(&mut self) -> Option<Vec<u8>> {
        loop {
            if let Some(at) = find(&self.unread, b"\r\n\r\n") {
                return Some(self.unread.drain(..at + 4).collect());
            }
            if self.more() == 0 {
                return None;
            }
        }
    }

    /// A whole request.
    pub fn request(&mut self, connection: usize) -> Option<Received> {
        let mut raw = self.head()?;
        let head = String::from_utf8_lossy(&raw).into_owned();
        let mut lines = head.trim_end().split("\r\n");
        let line = lines.next().unwrap_or_default().to_owned();
        let headers: Vec<(String, String)> = lines
            .map(|line| line.split_once(':').unwrap_or((line, "")))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        let value = |name: &str| {
            headers
                .iter()
                .find(|(n, _)| n == name)
                .map(|(_, v)| v.clone())
        };
        let mut body = Vec::new();
        if value("transfer-encoding").is_some() {
            loop {
                let at = self.until(b"\r\n")?;
                let size = usize::from_str_radix(std::str::from_utf8(&self.unread[..at]).ok()?, 16)
                    .ok()?;
                self.fill(at + size + 4)?;
                body.extend_from_slice(&self.unread[at + 2..at + 2 + size]);
                raw.extend(self.unread.drain(..at + size + 4));
                if size == 0 {
                    break;
                }
            }
        } else if let Some(length) = value("content-length") {
            let length = length.parse().ok()?;
            self.fill(length)?;
            body = self.unread.drain(..length).collect();
            raw.extend_from_slice(&body);
        }
        Some(Received {
            connection,
            line,
            headers,
            body,
            raw,
        })
    }

    fn until(&mut self, needle: &[u8]) -> Option<usize> {
        loop {
            if let Some(at) = find(&self.unread, needle) {
                return Some(at);
            }
            if self.more() == 0 {
                return None;
            }
        }
    }

    fn fill(&mut self, length: usize) -> Option<()> {
        while self.unread.len() < length {
            if self.more() == 0 {
                return None;
            }
        }
        Some(())
    }
}

impl Received {
    /// Every value of this header.
    pub fn values(&self, name: &str) -> Vec<&str> {
        let wanted = name.to_ascii_lowercase();
        self.headers
            .iter()
            .filter(|(n, _)| *n == wanted)
            .map(|(_, v)| v.as_str())
            .collect()
    }

    /// The one value of this header.
    pub fn header(&self, name: &str) -> Option<&str> {
        let values = self.values(name);
        assert!(values.len() < 2, "{name} twice: {values:?}");
        values.first().copied()
    }
}
