//! The real proxy in this process, on loopback, with its log at hand: for `demo` and `test`.

use std::collections::BTreeMap;
use std::io::Write;
use std::net::SocketAddr;
use std::sync::mpsc;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use serde_json::Value;

use super::certificates::HOST;
use super::client;
use super::target::Target;
use crate::config::{Config, Environment, Listen};
use crate::server::{self, Control, Origin};
use crate::telemetry::{Format, Level, Log};

/// Longer than anything on loopback takes.
const TIMEOUT: Duration = Duration::from_secs(10);

/// A proxy that runs until [`Rehearsal::end`].
pub(super) struct Rehearsal {
    address: SocketAddr,
    secure: bool,
    lines: Lines,
    stop: tokio::sync::oneshot::Sender<()>,
    server: JoinHandle<std::io::Result<()>>,
}

impl Rehearsal {
    /// Starts it with a configuration that listens on loopback.
    pub(super) fn start(config: Config, environment: Environment) -> Result<Self, String> {
        let lines = Lines::default();
        let secure = config.server.tls.is_some();
        let (listening, bound) = mpsc::channel();
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let control = Control {
            log: Some(Log::to(Format::Json, Level::Info, Box::new(lines.clone()))),
            listening: Some(listening),
            stop: Some(stopped),
        };
        let origin = Origin {
            path: None,
            environment,
        };
        let server = std::thread::spawn(move || server::run(config, Vec::new(), &origin, control));
        let Ok(Listen::Tcp(address)) = bound.recv_timeout(TIMEOUT) else {
            return Err(match server.join() {
                Ok(Err(error)) => error.to_string(),
                Ok(Ok(())) | Err(_) => "the proxy did not start".into(),
            });
        };
        Ok(Self {
            address,
            secure,
            lines,
            stop,
            server,
        })
    }

    /// Sends one request and reads the answer.
    pub(super) fn exchange(&self, request: &[u8]) -> Result<client::Answer, String> {
        client::exchange(&Target::Tcp(vec![self.address]), request, TIMEOUT)
            .map_err(|error| error.to_string())
    }

    /// The same where the rehearsal speaks TLS: `caller` says which certificate is shown.
    pub(super) fn exchange_as(
        &self,
        caller: Arc<ClientConfig>,
        request: &[u8],
    ) -> Result<client::Answer, String> {
        if !self.secure {
            return self.exchange(request);
        }
        let name = ServerName::try_from(HOST).map_err(|error| error.to_string())?;
        let target = Target::Tls(vec![self.address], caller, name);
        client::exchange(&target, request, TIMEOUT).map_err(|error| error.to_string())
    }

    /// Why the request with this answer was refused, as the log has it.
    pub(super) fn reason(&self, answer: &client::Answer) -> Option<String> {
        self.lines
            .reason(answer.header("x-gatepost-request-id").unwrap_or_default())
    }

    /// Stops it. The drain waits for nothing: every answer was read to its end.
    pub(super) fn end(self) {
        drop(self.stop);
        drop(self.server.join());
    }
}

/// Its log: the only place that tells why a request was refused.
#[derive(Debug, Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Lines {
    /// The reason in the line of a request. The line is written before the answer is sent.
    fn reason(&self, request_id: &str) -> Option<String> {
        let bytes = self
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        // The newest line is the likeliest.
        text.lines()
            .rev()
            .filter_map(|line| serde_json::from_str::<BTreeMap<String, Value>>(line).ok())
            .find(|line| line.get("request_id").and_then(Value::as_str) == Some(request_id))
            .and_then(|line| Some(line.get("reason")?.as_str()?.to_owned()))
    }
}
