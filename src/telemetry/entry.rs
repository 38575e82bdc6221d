//! What is noted of one request while it lives.

use std::cell::Cell;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::net::IpAddr;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use http::header::USER_AGENT;
use http::request::Parts;
use http::{HeaderValue, Method, StatusCode, Uri};
use ulid::Ulid;

use super::line::Line;
use super::{Happening, Level, Log, Outcome, Refusal, Series, Telemetry, milliseconds};
use crate::rejection::{Fault, Rejection};
use crate::route::Route;

/// A caller's name for itself, and the path, are cut here in logs.
const USER_AGENT_LENGTH: usize = 120;
const PATH_LENGTH: usize = 256;

/// The record of one request: one log line and one count, whatever happens to it.
#[derive(Debug)]
pub struct Entry<'g> {
    telemetry: &'g Telemetry,
    started: Instant,
    request_id: Ulid,
    head: Option<(Method, Uri, Option<HeaderValue>)>,
    finished: bool,
    /// The client address, once known.
    pub client: Option<IpAddr>,
    /// The route, once known.
    pub route: Option<&'g Route>,
    /// Where it is counted: the series of the route, or of no route.
    pub series: &'g Series,
    /// Why an observing route would have refused it.
    pub observed: Option<Rejection>,
    /// Bytes of the verified body.
    pub body_bytes: usize,
    /// The name of the secret or key that matched.
    pub key: Option<String>,
    /// What happened, as the provider calls it.
    pub event_types: Vec<String>,
    /// The provider's id for it.
    pub event_id: Option<String>,
    /// How long the steps took.
    pub verify: Duration,
    /// How long the app took.
    pub upstream: Option<Duration>,
    /// What the app answered.
    pub upstream_status: Option<u16>,
    /// The other end of the connection.
    pub peer: Option<IpAddr>,
}

impl<'g> Entry<'g> {
    /// Starts the record of a request that has just arrived, with an id of its own. An id that the
    /// client sent is not believed.
    pub fn new(telemetry: &'g Telemetry, series: &'g Series, started: Instant) -> Self {
        Self {
            telemetry,
            started,
            request_id: request_id(),
            head: None,
            finished: false,
            client: None,
            route: None,
            series,
            observed: None,
            body_bytes: 0,
            key: None,
            event_types: Vec::new(),
            event_id: None,
            verify: Duration::ZERO,
            upstream: None,
            upstream_status: None,
            peer: None,
        }
    }

    /// Notes the head. The query is left out of the log: it may hold a credential.
    pub fn head(&mut self, parts: &Parts) {
        let agent = parts.headers.get(USER_AGENT).cloned();
        self.head = Some((parts.method.clone(), parts.uri.clone(), agent));
    }

    /// The request id.
    pub fn request_id(&self) -> String {
        self.request_id.to_string()
    }

    /// The request id as a header value.
    pub fn request_id_value(&self) -> HeaderValue {
        let mut buffer = [0; ulid::ULID_LEN];
        HeaderValue::from_str(self.request_id.array_to_str(&mut buffer))
            .unwrap_or_else(|_| HeaderValue::from_static(""))
    }

    /// Ends the record: writes the line, counts the request.
    pub fn finish(&mut self, status: StatusCode, rejection: Option<Rejection>) {
        self.finished = true;
        let outcome = match rejection.map(Rejection::fault) {
            None if self.observed.is_some() => Outcome::WouldReject,
            None => Outcome::Forwarded,
            Some(Fault::Client) => Outcome::Rejected,
            Some(Fault::Gatepost | Fault::Upstream) => Outcome::Failed,
        };
        self.record(status.as_u16(), outcome, rejection);
    }

    fn record(&self, status: u16, outcome: Outcome, rejection: Option<Rejection>) {
        let elapsed = self.started.elapsed();
        let reason = rejection.or(self.observed);
        self.series
            .count(&self.telemetry.metrics, outcome, reason, elapsed);
        if outcome == Outcome::Forwarded {
            self.series.count_events(&self.event_types);
        }
        if let Some(upstream) = self.upstream {
            self.series.count_upstream(upstream, self.upstream_status);
        }
        if let Some(key) = &self.key {
            self.series.count_match(key);
        }
        if !self.verify.is_zero() && self.observed.is_none() {
            self.series.count_verified(self.verify, self.body_bytes);
        }
        let level = match rejection.map(Rejection::fault) {
            None | Some(Fault::Client) => Level::Info,
            Some(Fault::Gatepost | Fault::Upstream) => Level::Error,
        };
        let fill = |line: &mut Line| {
            let mut buffer = [0; ulid::ULID_LEN];
            line.field("request_id", self.request_id.array_to_str(&mut buffer));
            if let Some(route) = self.route {
                line.field("route", &route.name);
                if let Some(provider) = &route.provider {
                    line.field("provider", provider);
                }
            }
            line.field("outcome", outcome.name());
            if let Some(reason) = reason {
                line.field("reason", reason.code());
            }
            if let Some(client) = self.client {
                line.field("client_ip", &client.to_string());
            }
            if let Some(peer) = self.peer.filter(|peer| Some(*peer) != self.client) {
                line.field("peer_ip", &peer.to_string());
            }
            if let Some((method, uri, agent)) = &self.head {
                line.field("method", method.as_str());
                line.field("path", uri.path().get(..PATH_LENGTH).unwrap_or(uri.path()));
                if let Some(agent) = agent {
                    let agent = String::from_utf8_lossy(agent.as_bytes());
                    let cut: String = agent.chars().take(USER_AGENT_LENGTH).collect();
                    line.field("user_agent", &cut);
                }
            }
            line.number("status", status);
            line.number("bytes", self.body_bytes);
            if !self.event_types.is_empty() {
                line.field("event_type", &self.event_types.join(", "));
            }
            if let Some(id) = &self.event_id {
                line.field("event_id", id);
            }
            if let Some(key) = &self.key {
                line.field("secret", key);
            }
            line.number("duration_ms", milliseconds(elapsed));
            if !self.verify.is_zero() {
                line.number("verify_us", self.verify.as_micros());
            }
            if let Some(upstream) = self.upstream {
                line.number("upstream_ms", milliseconds(upstream));
            }
        };
        self.telemetry.log.request(level, "request", fill);
        self.telemetry.live.tell(|| Happening {
            kind: "request",
            route: self.route.map(|route| route.name.clone()),
            refused: reason.is_some(),
            text: Log::json(level, "request", fill),
        });
        if let Some(reason) = reason {
            self.keep(status, outcome, reason);
        }
    }

    /// Keeps a refusal for people who ask why.
    fn keep(&self, status: u16, outcome: Outcome, reason: Rejection) {
        let (method, path, user_agent) = match &self.head {
            Some((method, uri, agent)) => {
                let path = uri.path().chars().take(PATH_LENGTH).collect();
                let agent = agent.as_ref().map(|agent| {
                    let agent = String::from_utf8_lossy(agent.as_bytes());
                    agent.chars().take(USER_AGENT_LENGTH).collect()
                });
                (method.as_str().to_owned(), path, agent)
            }
            None => (String::new(), String::new(), None),
        };
        self.telemetry.refusals.add(Refusal {
            request_id: self.request_id(),
            at: jiff::Timestamp::now(),
            route: self.route.map(|route| route.name.clone()),
            provider: self.route.and_then(|route| route.provider.clone()),
            outcome: outcome.name(),
            reason,
            status,
            client: self.client,
            method,
            path,
            user_agent,
            bytes: self.body_bytes,
            examination: None,
        });
    }
}

impl Drop for Entry<'_> {
    /// A request whose caller hung up before the answer has its line too (status 499, as nginx
    /// logs it).
    fn drop(&mut self) {
        if !self.finished {
            self.record(499, Outcome::Aborted, None);
        }
    }
}

/// A ULID: the time, then a number that no other request of any replica has. Random per thread,
/// then counted on: unique, and cheap.
fn request_id() -> Ulid {
    thread_local! {
        static NUMBER: Cell<u128> = Cell::new(seed());
    }
    let number = NUMBER.get();
    NUMBER.set(number.wrapping_add(0x9e37_79b9_7f4a_7c15));
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Ulid::from_parts(u64::try_from(now.as_millis()).unwrap_or(u64::MAX), number)
}

/// From the system's randomness, by way of the keys of the standard hash: the first use of the
/// cryptographic generator takes 20 ms, and ids need not be secret.
fn seed() -> u128 {
    let half = || u128::from(RandomState::new().build_hasher().finish());
    half() << 64 | half()
}
