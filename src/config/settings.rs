//! The loaded configuration: checked, compiled, immutable.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::case::Case;
use crate::address::Trust;
use crate::headers::Names;
use crate::route::Routes;
use crate::telemetry::{Format, Level};
use crate::upstream;

/// Everything `sidecar.toml` says, ready to use.
#[derive(Debug)]
pub struct Config {
    /// Where and how gatepost listens.
    pub server: Server,
    /// Who may tell the client address.
    pub trust: Trust,
    /// The app.
    pub upstream: upstream::Settings,
    /// How headers are written.
    pub headers: HeaderSettings,
    /// Limits.
    pub limits: Limits,
    /// Where events are remembered.
    pub duplicates: crate::duplicates::Settings,
    /// Where health and metrics are served; `None` for off.
    pub health: Option<Listen>,
    /// Where the admin page is served; `None` for off.
    pub admin: Option<Listen>,
    /// The log.
    pub log: LogSettings,
    /// When it is read again.
    pub reload: Reload,
    /// The routes.
    pub routes: Routes,
    /// What `gatepost test` sends; nothing else looks at it.
    pub cases: Vec<Case>,
    /// What can be told of it.
    pub about: About,
}

/// What can be told of a configuration: nothing secret.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct About {
    /// The file it is from.
    pub file: String,
    /// The effective configuration, as `check --show` prints it.
    pub effective: String,
    /// What is not wrong, but should be known: `file:line: message`.
    pub warnings: Vec<String>,
    /// Tells two texts apart: the beginning of the SHA-256 of the file. A file holds no secret.
    pub hash: String,
}

/// A place to listen on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listen {
    /// TCP.
    Tcp(SocketAddr),
    /// A Unix socket.
    Unix(PathBuf),
}

impl std::fmt::Display for Listen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// `[server]`.
#[derive(Debug)]
pub struct Server {
    /// Where it listens.
    pub listen: Listen,
    /// How long a stopping process finishes accepted requests.
    pub drain: Duration,
    /// HTTP/1.1 is taken.
    pub http1: bool,
    /// HTTP/2 is taken over TLS.
    pub h2: bool,
    /// HTTP/2 is taken in plain, by prior knowledge.
    pub h2c: bool,
    /// Trusted proxies send a PROXY header.
    pub proxy_protocol: bool,
    /// TLS.
    pub tls: Option<Arc<rustls::ServerConfig>>,
    /// When its certificates end: serial number in hex, and Unix time.
    pub certificates: Vec<(String, i64)>,
}

/// `[headers]`.
#[derive(Debug)]
pub struct HeaderSettings {
    /// The names of our headers.
    pub names: Names,
    /// Static credentials do not reach the app.
    pub strip_credentials: bool,
    /// `ce-*` headers are added.
    pub cloudevents: bool,
}

/// `[limits]`; sizes in bytes.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Largest body, where a route says nothing else.
    pub body: usize,
    /// Largest request head.
    pub header_bytes: usize,
    /// Most header lines.
    pub header_count: usize,
    /// Time for TLS handshake, PROXY header and request head, each.
    pub header_timeout: Duration,
    /// Time for a body.
    pub body_timeout: Duration,
    /// How long a caller may take nothing of its answer.
    pub send_timeout: Duration,
    /// How long a connection may wait for its next request.
    pub idle_timeout: Duration,
    /// Most connections.
    pub connections: usize,
    /// Most requests at once.
    pub in_flight: usize,
    /// Bytes of all bodies together.
    pub buffered: usize,
}

/// `[log]`.
#[derive(Debug, Clone, Copy)]
pub struct LogSettings {
    /// How lines are written.
    pub format: Format,
    /// What is shown.
    pub level: Level,
}

/// `[reload]`.
#[derive(Debug, Clone, Copy)]
pub struct Reload {
    /// Whether files are looked at.
    pub watch: bool,
    /// How often.
    pub poll: Duration,
}
