//! The memory that replicas share: Redis or Valkey, one server or a cluster.
//!
//! One key an event. Its value is the token of the claim while the event is in flight, and
//! [`TAKEN`] once the app has taken it. A claim is one round trip, its settlement another. Every
//! key expires: a claim when no living process can hold it any more, the rest after `remember`.

mod address;
mod link;

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use redis::cluster::ClusterClient;
use redis::{
    Client, ErrorKind, FromRedisValue, Pipeline, RedisError, RedisResult, ServerErrorKind,
    TlsCertificates, Value,
};

pub use address::{Address, AddressError};

use self::link::{Line, Links, Opener};
use super::{Known, Unavailable};
use crate::fingerprint::{Fingerprint, Fingerprinter};
use crate::secret::Secret;

/// A connection has to be open within this time,
const CONNECT: Duration = Duration::from_millis(500);
/// and a command answered within this: nobody waits for a store that hangs.
const ANSWER: Duration = Duration::from_millis(500);

/// The value of an event that the app has taken. No token is this.
const TAKEN: &str = "taken";

/// Deletes a claim, but only the very one: another replica may have the event meanwhile.
const RELEASE: &str =
    "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0";

/// How a claim ends.
#[derive(Debug)]
pub(super) enum Settlement {
    /// The app has not taken the event: the claim of this token is given back.
    Released(Box<str>),
    /// The app has taken the event, whoever holds the claim now.
    Taken,
}

/// How Redis is reached, and what is written there.
#[derive(Clone)]
pub struct RedisSettings {
    opener: Opener,
    /// How every key begins.
    prefix: String,
    /// How long a claim lasts when nobody settles it.
    claim: Duration,
    /// Of everything above.
    print: Fingerprint,
}

impl RedisSettings {
    /// Prepares the client; nothing is opened yet.
    ///
    /// * `text`, `password`: as they were written, to see whether a reload changes them.
    /// * `ca`: the authorities of the server's certificate, PEM.
    /// * `prefix`: how every key begins.
    /// * `claim`: longer than a request can be in flight.
    pub fn new(
        address: Address,
        text: &Secret,
        ca: Option<Vec<u8>>,
        prefix: &str,
        claim: Duration,
    ) -> Option<Self> {
        let print = Fingerprinter::new("redis")
            .with(text.expose())
            .with(ca.as_deref().unwrap_or_default())
            .with(prefix.as_bytes())
            .with(&claim.as_millis().to_le_bytes());
        let password = address
            .nodes
            .first()
            .and_then(|node| node.redis_settings().password())
            .unwrap_or_default();
        let print = print.with(password.as_bytes()).finish();
        let certificates = ca.map(|ca| TlsCertificates {
            client_tls: None,
            root_cert: Some(ca),
        });
        let opener = if address.cluster {
            let builder = ClusterClient::builder(address.nodes)
                .connection_timeout(CONNECT)
                .response_timeout(ANSWER)
                .retries(2)
                .min_retry_wait(10)
                .max_retry_wait(50);
            let builder = match certificates {
                Some(certificates) => builder.certs(certificates),
                None => builder,
            };
            Opener::Cluster(Box::new(builder.build().ok()?))
        } else {
            let node = address.nodes.into_iter().next()?;
            Opener::Single(Box::new(match certificates {
                Some(certificates) => Client::build_with_tls(node, certificates).ok()?,
                None => Client::open(node).ok()?,
            }))
        };
        Some(Self {
            opener,
            prefix: prefix.to_owned(),
            claim,
            print,
        })
    }

    async fn open(&self) -> RedisResult<Line> {
        self.opener.open().await
    }
}

impl fmt::Debug for RedisSettings {
    /// Shows nothing of the address: it may hold a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisSettings")
            .field("prefix", &self.prefix)
            .finish_non_exhaustive()
    }
}

/// A shared memory of events.
#[derive(Debug)]
pub struct Redis {
    settings: RedisSettings,
    remember: Duration,
    links: Links,
    /// It could not be asked the last time.
    down: AtomicBool,
    /// It answers again, and nobody has been told.
    back: AtomicBool,
}

impl Redis {
    /// Opens nothing yet.
    pub fn new(settings: RedisSettings, remember: Duration) -> Self {
        Self {
            settings,
            remember,
            links: Links::default(),
            down: AtomicBool::new(false),
            back: AtomicBool::new(false),
        }
    }

    /// Whether it was made of these.
    pub(super) fn is_same(&self, settings: &RedisSettings, remember: Duration) -> bool {
        self.settings.print == settings.print && self.remember == remember
    }

    /// Asks for an event, and claims one that is not known. Asked again with the same token it
    /// gives the same answer.
    pub(super) async fn claim(
        &self,
        event: Fingerprint,
        token: &str,
    ) -> Result<Known, Unavailable> {
        let key = self.key(event);
        let mut commands = redis::pipe();
        commands
            .cmd("SET")
            .arg(&key)
            .arg(token)
            .arg("NX")
            .arg("PX")
            .arg(milliseconds(self.settings.claim))
            .ignore();
        commands.cmd("GET").arg(&key);
        let (held,): (Option<String>,) = self.ask(&commands).await?;
        Ok(match held {
            Some(value) if value == token => Known::Claimed,
            Some(value) if value == TAKEN => Known::Remembered,
            // Between the two commands another claim may have gone.
            Some(_) | None => Known::InFlight,
        })
    }

    /// Settles a claim.
    pub(super) async fn settle(
        &self,
        event: Fingerprint,
        settlement: &Settlement,
    ) -> Result<(), Unavailable> {
        let key = self.key(event);
        let mut commands = redis::pipe();
        match settlement {
            Settlement::Taken => {
                commands.cmd("SET").arg(key).arg(TAKEN).arg("PX");
                commands.arg(milliseconds(self.remember)).ignore();
            }
            Settlement::Released(token) => {
                commands.cmd("EVAL").arg(RELEASE).arg(1).arg(key);
                commands.arg(&**token).ignore();
            }
        }
        self.ask::<Value>(&commands).await.map(drop)
    }

    /// How long a claim lasts when nobody settles it.
    pub(super) const fn claim_lasts(&self) -> Duration {
        self.settings.claim
    }

    /// Whether it answers again after it did not, told once.
    pub(super) fn recovered(&self) -> bool {
        self.back.load(Ordering::Relaxed) && self.back.swap(false, Ordering::Relaxed)
    }

    fn key(&self, event: Fingerprint) -> String {
        format!("{}{event}", self.settings.prefix)
    }

    /// Sends commands and reads their answers within the time for it. A connection that turns out
    /// to be broken (an idle one that was closed, mostly) is replaced once: all commands here may
    /// be repeated.
    async fn ask<T: FromRedisValue>(&self, commands: &Pipeline) -> Result<T, Unavailable> {
        let link = self.links.here();
        let (mut again, mut sent) = (true, false);
        let why = loop {
            let (mut line, number) = match link.line(&self.settings).await {
                Ok(open) => open,
                Err(why) => break why,
            };
            sent = true;
            match tokio::time::timeout(ANSWER, line.ask(commands)).await {
                Ok(Ok(answer)) => {
                    if line.is_cluster() {
                        link.answered().await;
                    }
                    if self.down.load(Ordering::Relaxed) && self.down.swap(false, Ordering::Relaxed)
                    {
                        self.back.store(true, Ordering::Relaxed);
                    }
                    return Ok(answer);
                }
                Ok(Err(error)) if again && error.is_unrecoverable_error() => {
                    again = false;
                    link.broken(number, false).await;
                }
                Ok(Err(error)) => {
                    link.broken(number, true).await;
                    break why(&error);
                }
                Err(_) => {
                    link.broken(number, true).await;
                    break "no answer in time";
                }
            }
        };
        Err(Unavailable {
            why,
            news: !self.down.swap(true, Ordering::Relaxed),
            sent,
        })
    }
}

/// At least one: an expiry of zero is an error.
fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX).max(1)
}

/// By kind, then by code, what is told of an error.
const KINDS: [(ErrorKind, &str); 10] = [
    (
        ErrorKind::AuthenticationFailed,
        "it refuses user or password",
    ),
    (
        ErrorKind::ClusterConnectionNotFound,
        "no node of the cluster can be reached",
    ),
    (ErrorKind::Io, "the connection failed"),
    (
        ErrorKind::Server(ServerErrorKind::Ask),
        "it is a node of a cluster: write redis-cluster:// or rediss-cluster://",
    ),
    (
        ErrorKind::Server(ServerErrorKind::BusyLoading),
        "it is still loading its data",
    ),
    (
        ErrorKind::Server(ServerErrorKind::ClusterDown),
        "the cluster is down",
    ),
    (
        ErrorKind::Server(ServerErrorKind::MasterDown),
        "its master is down",
    ),
    (
        ErrorKind::Server(ServerErrorKind::Moved),
        "it is a node of a cluster: write redis-cluster:// or rediss-cluster://",
    ),
    (
        ErrorKind::Server(ServerErrorKind::NoPerm),
        "its user may not run SET, GET and EVAL on these keys",
    ),
    (
        ErrorKind::Server(ServerErrorKind::ReadOnly),
        "it is a read-only replica",
    ),
];
const CODES: [(&str, &str); 4] = [
    ("MISCONF", "it cannot save its data, so it takes none"),
    ("NOAUTH", "it wants a password"),
    ("OOM", "it has no room left (maxmemory)"),
    ("WRONGPASS", "it refuses user or password"),
];

/// In words of our own: those of the library could hold a piece of an address.
fn why(error: &RedisError) -> &'static str {
    if error.is_connection_refusal() {
        return "connection refused";
    }
    if error.is_timeout() {
        return "no answer in time";
    }
    let by_kind = KINDS.iter().find(|(kind, _)| *kind == error.kind());
    let by_code = || {
        let code = error.code()?;
        CODES.iter().find(|(known, _)| *known == code)
    };
    by_kind
        .map(|(_, why)| why)
        .or_else(|| by_code().map(|(_, why)| why))
        .unwrap_or(&"it answered with an error")
}
