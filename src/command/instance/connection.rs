//! A connection to the admin listener of a running instance.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use super::Place;
use crate::command::{IO, NO, UNAVAILABLE, tell};
use crate::config::{self, Listen};

/// Longer than any answer takes; a reload may read many files.
const TIMEOUT: Duration = Duration::from_secs(30);

/// An answer whose body is still to be read.
pub(super) struct Answer {
    pub(super) status: u16,
    body: BufReader<Box<dyn Read>>,
    chunked: bool,
}

/// Sends one request; what goes wrong is told.
pub(super) fn ask(
    place: &Place,
    file: &Path,
    method: &str,
    target: &str,
    patient: bool,
) -> Result<Answer, u8> {
    let listen = find(place, file)?;
    let request = format!(
        "{method} {target} HTTP/1.1\r\nHost: localhost\r\nX-Gatepost-Reload: 1\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
    );
    exchange(&listen, &request, patient).map_err(|error| {
        tell(&format!(
            "error: no instance answers at {listen}: {error}\nhelp: is it running, and does its file say\n\n  [admin]\n  listen = \"127.0.0.1:9902\"\n\n\
             in a cluster: kubectl port-forward POD 9902, then the same command with --admin 127.0.0.1:9902"
        ));
        UNAVAILABLE
    })
}

fn find(place: &Place, file: &Path) -> Result<Listen, u8> {
    if let Some(admin) = &place.admin {
        let admin = admin.trim_start_matches("http://").trim_end_matches('/');
        if let Some(path) = admin.strip_prefix("unix:") {
            return Ok(Listen::Unix(path.into()));
        }
        let address = admin.to_socket_addrs().ok().and_then(|mut all| all.next());
        return address.map(Listen::Tcp).ok_or_else(|| {
            tell(&format!("error: `{admin}` is not host:port"));
            NO
        });
    }
    match config::listening(file, "admin", "127.0.0.1:9902") {
        Ok(Some(listen)) => Ok(listen),
        Ok(None) => {
            tell(
                "error: `[admin] listen` is \"off\": this instance answers no questions\nhelp: set listen = \"127.0.0.1:9902\" in [admin]",
            );
            Err(UNAVAILABLE)
        }
        // Without a file there is still the usual place.
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Ok(Listen::Tcp(([127, 0, 0, 1], 9902).into()))
        }
        Err(error) => {
            tell(&format!("error: {}: {error}", file.display()));
            Err(IO)
        }
    }
}

fn exchange(listen: &Listen, request: &str, patient: bool) -> io::Result<Answer> {
    let time = (!patient).then_some(TIMEOUT);
    let stream: Box<dyn Read> = match listen {
        Listen::Tcp(address) => {
            let mut stream = TcpStream::connect_timeout(address, Duration::from_secs(5))?;
            stream.set_read_timeout(time)?;
            stream.write_all(request.as_bytes())?;
            Box::new(stream)
        }
        Listen::Unix(path) => {
            let mut stream = UnixStream::connect(path)?;
            stream.set_read_timeout(time)?;
            stream.write_all(request.as_bytes())?;
            Box::new(stream)
        }
    };
    let mut body = BufReader::new(stream);
    let broken = || io::Error::new(io::ErrorKind::InvalidData, "the answer is not HTTP/1.1");
    let mut line = String::new();
    body.read_line(&mut line)?;
    let status = line.split(' ').nth(1).and_then(|code| code.parse().ok());
    let status = status.ok_or_else(broken)?;
    let mut chunked = false;
    loop {
        line.clear();
        if body.read_line(&mut line)? == 0 {
            return Err(broken());
        }
        if line.trim().is_empty() {
            break;
        }
        chunked |= line
            .to_ascii_lowercase()
            .starts_with("transfer-encoding: chunked");
    }
    Ok(Answer {
        status,
        body,
        chunked,
    })
}

impl Answer {
    /// The body as text.
    pub(super) fn text(mut self) -> Result<String, u8> {
        let mut text = String::new();
        self.body.read_to_string(&mut text).map_err(|error| {
            tell(&format!("error: the answer broke off: {error}"));
            IO
        })?;
        Ok(text)
    }

    /// The body as JSON.
    pub(super) fn json(self) -> Result<Value, u8> {
        let text = self.text()?;
        serde_json::from_str(&text).map_err(|_| {
            tell(&format!("error: {}", text.trim()));
            NO
        })
    }

    /// The next line of a body that goes on; `None` at its end.
    pub(super) fn line(&mut self) -> Option<String> {
        loop {
            let mut line = Vec::new();
            if self.body.read_until(b'\n', &mut line).ok()? == 0 {
                return None;
            }
            let text = String::from_utf8_lossy(&line).trim_end().to_owned();
            // Between the pieces stand their lengths: hex alone on a line, which no event is.
            if self.chunked && text.bytes().all(|b| b.is_ascii_hexdigit()) {
                continue;
            }
            return Some(text);
        }
    }
}
