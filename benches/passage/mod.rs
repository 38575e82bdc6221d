//! Requests through the real binary, one after the other on one connection, to an app that answers
//! at once.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Stdio};
use std::time::Duration;

use hmac::Mac as _;

const SECRET: &str = "benchsecretbenchsecretbenchsecret";

/// How many requests are counted, after as many that warm it up.
const COUNT: u32 = 400;

/// The instructions of one genuine request with a body of `size` bytes: route, verification, event,
/// headers, forwarding, answer, log line and metrics.
pub fn instructions(size: usize) -> u64 {
    // Twice, so that start and end cancel out.
    let [few, many] = [COUNT, COUNT * 2].map(|count| of(count, size));
    many.saturating_sub(few) / u64::from(COUNT)
}

fn of(count: u32, size: usize) -> u64 {
    let app = app();
    let folder = tempfile::tempdir().expect("a folder");
    let config = folder.path().join("sidecar.toml");
    let text = format!(
        "[server]\nlisten = \"127.0.0.1:0\"\ndrain = \"1s\"\n[upstream]\nurl = \"http://{app}\"\n\
         [health]\nlisten = \"127.0.0.1:0\"\n[admin]\nlisten = \"off\"\n\
         [log]\nformat = \"json\"\n[reload]\nwatch = false\n\
         [[route]]\npath = \"/hook\"\nsecret = {{ inline = \"{SECRET}\" }}\n\
         verify = [{{ scheme = \"hmac\", header = \"X-Signature\" }}]\n\
         event = {{ type = {{ json = \"/event\" }}, id = {{ json = \"/id\" }} }}\n"
    );
    std::fs::write(&config, text).expect("a configuration");
    let child = crate::valgrind(env!("CARGO_BIN_EXE_gatepost").as_ref())
        .args(["run", "--dev", "-c"])
        .arg(&config)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("valgrind is installed");
    Running::new(child).send(count, &request(size))
}

/// An app that reads a request and answers 200.
fn app() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("its address");
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || {
                stream.set_nodelay(true).expect("no delay");
                let mut writing = stream.try_clone().expect("two halves");
                let mut reading = BufReader::with_capacity(128 * 1024, stream);
                while take_message(&mut reading).is_some() {
                    let answer = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 2\r\n\r\nok";
                    if writing.write_all(answer).is_err() {
                        break;
                    }
                }
            });
        }
    });
    address
}

/// Reads one message with a `Content-Length`; gives its first line.
fn take_message(reading: &mut BufReader<TcpStream>) -> Option<String> {
    let mut first = String::new();
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reading.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if line == "\r\n" {
            break;
        }
        let lower = line.to_ascii_lowercase();
        if let Some(value) = lower.strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
        if first.is_empty() {
            first = line;
        }
    }
    let mut body = vec![0; length];
    reading.read_exact(&mut body).ok()?;
    Some(first)
}

fn request(size: usize) -> Vec<u8> {
    let mut body = br#"{"event":"verification.completed","id":"evt_0123456789","data":""#.to_vec();
    body.resize(size - 2, b'x');
    body.extend_from_slice(b"\"}");
    let mut mac =
        hmac::Hmac::<sha2::Sha256>::new_from_slice(SECRET.as_bytes()).expect("any length is a key");
    mac.update(&body);
    let signature = data_encoding::HEXLOWER.encode(&mac.finalize().into_bytes());
    let mut request = format!(
        "POST /hook HTTP/1.1\r\nHost: hooks.example.com\r\nUser-Agent: bench/1\r\nAccept: */*\r\n\
         Content-Type: application/json\r\nX-Gatepost-Provider: forged\r\n\
         X-Signature: {signature}\r\nContent-Length: {size}\r\n\r\n"
    )
    .into_bytes();
    request.extend_from_slice(&body);
    request
}

/// A gatepost under valgrind.
struct Running {
    child: Child,
    report: BufReader<std::process::ChildStderr>,
}

impl Running {
    fn new(mut child: Child) -> Self {
        let report = BufReader::new(child.stderr.take().expect("its log"));
        Self { child, report }
    }

    /// Sends `count` requests, stops it, and gives the instructions of its life.
    fn send(mut self, count: u32, request: &[u8]) -> u64 {
        let address = self.address();
        // Nobody reads the log meanwhile: it must not fill its pipe.
        let report = std::thread::spawn(move || {
            let mut rest = Vec::new();
            // An end in the middle of a line is an end.
            drop(self.report.read_to_end(&mut rest));
            rest
        });
        let stream = TcpStream::connect(address).expect("it listens");
        stream.set_nodelay(true).expect("no delay");
        stream
            .set_read_timeout(Some(Duration::from_secs(60)))
            .expect("a time-out");
        let mut writing = stream.try_clone().expect("two halves");
        let mut reading = BufReader::new(stream);
        for _ in 0..count {
            writing.write_all(request).expect("it reads");
            let first = take_message(&mut reading).expect("it answers");
            assert!(first.starts_with("HTTP/1.1 200"), "{first}");
        }
        drop((reading, writing));
        let stop = std::process::Command::new("kill")
            .args(["-TERM", &self.child.id().to_string()])
            .status();
        assert!(
            stop.is_ok_and(|status| status.success()),
            "it can be stopped"
        );
        self.child.wait().expect("it ends");
        crate::collected(&report.join().expect("its report"))
    }

    fn address(&mut self) -> SocketAddr {
        let mut line = String::new();
        loop {
            line.clear();
            let read = self.report.read_line(&mut line).expect("its log");
            assert!(read > 0, "it ended before it listened");
            let listen = line
                .split_once("\"listen\":\"")
                .and_then(|(_, rest)| rest.split('"').next())
                .and_then(|text| text.parse().ok());
            if let Some(address) = listen {
                return address;
            }
        }
    }
}
