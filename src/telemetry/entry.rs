//! What is noted of one request while it lives.

use std::cell::Cell;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::header::USER_AGENT;
use http::{HeaderName, HeaderValue, Method, StatusCode, Uri};
use jiff::Timestamp;
use ulid::Ulid;

use super::line::{Line, name};
use super::{Happening, Level, Log, Outcome, Refusal, Series, Telemetry, milliseconds, terminal};
use crate::duplicates::OnCopy;
use crate::fingerprint::Fingerprint;
use crate::received::Received;
use crate::rejection::{Fault, Rejection};
use crate::route::Route;
use crate::schema::Violation;

/// A caller's name for itself, and the path, are cut here in logs.
const USER_AGENT_LENGTH: usize = 120;
const PATH_LENGTH: usize = 256;

const TRACE: HeaderName = HeaderName::from_static("traceparent");

/// The record of one request: one log line and one count, whatever happens to it.
#[derive(Debug)]
pub struct Entry<'g> {
    telemetry: &'g Telemetry,
    started: Instant,
    request_id: HeaderValue,
    head: Option<(Method, Uri, Option<String>)>,
    finished: bool,
    /// When it arrived: the time that decides.
    pub arrived: Timestamp,
    /// The client address, once known, and as it is written.
    pub client: Option<(IpAddr, HeaderValue)>,
    /// The route, once known.
    pub route: Option<&'g Route>,
    /// Where it is counted: the series of the route, or of no route.
    pub series: &'g Series,
    /// Why an observing route would have refused it.
    pub observed: Option<Rejection>,
    /// Where a verified body does not look as it must.
    pub violation: Option<Violation>,
    /// Whether it was a provider's handshake, answered here.
    pub handshake: bool,
    /// What an operator has to do after this handshake.
    pub hint: Option<String>,
    /// Bytes of the verified body.
    pub body_bytes: usize,
    /// The name of the secret or key that matched.
    pub key: Option<Arc<str>>,
    /// What happened, as the provider calls it.
    pub event_types: Vec<String>,
    /// The provider's id for it.
    pub event_id: Option<String>,
    /// What is done with it, as the copy of an event that the app has taken.
    pub copy: Option<OnCopy>,
    /// Under which key it was looked up, where that is worth telling: it is a copy, or nobody knows.
    pub event_key: Option<Fingerprint>,
    /// How long the steps took.
    pub verify: Duration,
    /// Whether they all passed.
    pub verified: bool,
    /// How long the app took.
    pub upstream: Option<Duration>,
    /// What the app answered.
    pub upstream_status: Option<u16>,
    /// The other end of the connection.
    pub peer: Option<IpAddr>,
    /// The trace that the caller says it belongs to.
    trace: Option<String>,
}

impl<'g> Entry<'g> {
    /// Starts the record of a request that arrived at this time, by both clocks, with an id of its
    /// own. An id that the client sent is not believed.
    pub fn new(
        telemetry: &'g Telemetry,
        series: &'g Series,
        arrived: Timestamp,
        started: Instant,
    ) -> Self {
        Self {
            telemetry,
            started,
            arrived,
            request_id: request_id(arrived),
            head: None,
            finished: false,
            client: None,
            route: None,
            series,
            observed: None,
            violation: None,
            handshake: false,
            hint: None,
            body_bytes: 0,
            key: None,
            event_types: Vec::new(),
            event_id: None,
            copy: None,
            event_key: None,
            verify: Duration::ZERO,
            verified: false,
            upstream: None,
            upstream_status: None,
            peer: None,
            trace: None,
        }
    }

    /// Notes the head. The query is left out of the log: it may hold a credential.
    pub fn head(&mut self, received: &Received) {
        let lines = received.headers.lines();
        let agent = lines.get(&USER_AGENT).map(|agent| {
            let agent = String::from_utf8_lossy(agent);
            cut(&agent, USER_AGENT_LENGTH).to_owned()
        });
        self.trace = lines.get(&TRACE).and_then(trace_id);
        self.head = Some((received.method.clone(), received.uri.clone(), agent));
    }

    /// The request id.
    pub fn request_id(&self) -> &str {
        // A ULID is letters and digits.
        self.request_id.to_str().unwrap_or_default()
    }

    fn client_ip(&self) -> Option<IpAddr> {
        self.client.as_ref().map(|(client, _)| *client)
    }

    /// The request id as a header value.
    pub fn request_id_value(&self) -> &HeaderValue {
        &self.request_id
    }

    /// Ends the record: writes the line, counts the request.
    pub fn finish(&mut self, status: StatusCode, rejection: Option<Rejection>) {
        self.finished = true;
        let outcome = match rejection.map(Rejection::fault) {
            None if self.handshake => Outcome::Handshake,
            None if self.observed.is_some() => Outcome::WouldReject,
            None if self.copy == Some(OnCopy::Acknowledge) => Outcome::Acknowledged,
            None => Outcome::Forwarded,
            Some(Fault::Client) => Outcome::Rejected,
            Some(Fault::Gatepost | Fault::Upstream) => Outcome::Failed,
        };
        self.record(status.as_u16(), outcome, rejection);
    }

    /// Why it was refused, or would have been.
    fn why(&self, line: &mut Line<'_>, reason: Option<Rejection>) {
        if let Some(reason) = reason {
            line.word(name!("reason"), reason.code());
            if let Some(check) = self.route.and_then(|route| route.mode.check_of(reason)) {
                line.field(name!("check"), check);
            }
        }
        if let Some(violation) = &self.violation {
            line.field(name!("schema_at"), &violation.at);
            line.field(name!("schema_keyword"), &violation.keyword);
        }
    }

    fn count(&self, outcome: Outcome, reason: Option<Rejection>, elapsed: Duration) {
        self.series
            .count(&self.telemetry.metrics, outcome, reason, elapsed);
        if outcome == Outcome::Forwarded {
            self.series.count_events(&self.event_types);
        }
        if let Some(upstream) = self.upstream {
            self.series.count_upstream(upstream, self.upstream_status);
        }
        if let Some(key) = &self.key {
            self.series.count_match(key, self.arrived);
        }
        if !self.verify.is_zero() && self.observed.is_none() {
            self.series
                .count_verified(self.verify, self.verified.then_some(self.body_bytes));
        }
    }

    fn record(&self, status: u16, outcome: Outcome, rejection: Option<Rejection>) {
        let elapsed = self.started.elapsed();
        let reason = rejection.or(self.observed);
        self.count(outcome, reason, elapsed);
        let level = match rejection.map(Rejection::fault) {
            None | Some(Fault::Client) => Level::Info,
            Some(Fault::Gatepost | Fault::Upstream) => Level::Error,
        };
        let now = self.arrived.saturating_add(elapsed).unwrap_or(self.arrived);
        let fill = |line: &mut Line<'_>| {
            line.word(name!("request_id"), self.request_id());
            if let Some(route) = self.route {
                line.field(name!("route"), &route.name);
                if let Some(provider) = &route.provider {
                    line.field(name!("provider"), provider);
                }
            }
            if let Some(trace) = &self.trace {
                line.field(name!("trace_id"), trace);
            }
            line.word(name!("outcome"), outcome.name());
            self.why(line, reason);
            if let Some((_, client)) = &self.client {
                line.word(name!("client_ip"), client.to_str().unwrap_or_default());
            }
            if let Some(peer) = self.peer.filter(|peer| Some(*peer) != self.client_ip()) {
                line.word(name!("peer_ip"), &peer.to_string());
            }
            if let Some((method, uri, agent)) = &self.head {
                line.field(name!("method"), method.as_str());
                line.field(name!("path"), cut(uri.path(), PATH_LENGTH));
                if let Some(agent) = agent {
                    line.field(name!("user_agent"), agent);
                }
            }
            line.number(name!("status"), status);
            line.number(name!("bytes"), self.body_bytes);
            match self.event_types.as_slice() {
                [] => {}
                [only] => line.field(name!("event_type"), only),
                several => line.field(name!("event_type"), &several.join(", ")),
            }
            if let Some(id) = &self.event_id {
                line.field(name!("event_id"), id);
            }
            if let Some(copy) = self.copy {
                line.word(name!("duplicate"), copy.name());
            }
            if let Some(key) = &self.event_key {
                line.word(name!("event_key"), &key.short());
            }
            if let Some(key) = &self.key {
                line.field(name!("secret"), key);
            }
            if let Some(hint) = &self.hint {
                line.field(name!("hint"), hint);
            }
            line.milliseconds(name!("duration_ms"), elapsed);
            if !self.verify.is_zero() {
                let micros = u64::try_from(self.verify.as_micros()).unwrap_or(u64::MAX);
                line.number(name!("verify_us"), micros);
            }
            if let Some(upstream) = self.upstream {
                line.milliseconds(name!("upstream_ms"), upstream);
            }
        };
        let log = &self.telemetry.log;
        let shown = reason.is_none_or(|reason| {
            // Who asks for every detail gets every line.
            log.shows(Level::Debug)
                || self.telemetry.sums.show(
                    self.route.map(|route| &route.name),
                    reason,
                    self.client_ip(),
                    self.request_id(),
                )
        });
        if shown && log.is_text() {
            log.plain(level, now, |clock| {
                self.words(clock, status, outcome, reason, elapsed)
            });
        } else if shown {
            log.request(level, now, "request", fill);
        }
        self.telemetry.live.tell(|| Happening {
            kind: "request",
            route: self.route.map(|route| route.name.clone()),
            refused: reason.is_some(),
            text: Log::json(level, now, "request", fill),
        });
        if let Some(reason) = reason {
            self.keep(now, status, outcome, reason);
        }
    }

    /// The request as somebody at a terminal reads it.
    fn words(
        &self,
        clock: &str,
        status: u16,
        outcome: Outcome,
        reason: Option<Rejection>,
        elapsed: Duration,
    ) -> String {
        let client = self.client.as_ref().map(|(_, client)| client);
        let route = self.route.map_or("-", |route| &route.name);
        let path = self.head.as_ref().map_or("", |(_, uri, _)| uri.path());
        terminal::words(&terminal::Words {
            clock,
            route: if self.route.is_some() { route } else { path },
            kind: &self.event_types.join(", "),
            client: client
                .and_then(|client| client.to_str().ok())
                .unwrap_or("-"),
            bytes: self.body_bytes,
            status,
            outcome: outcome.name(),
            reason: reason.map(Rejection::code),
            milliseconds: milliseconds(elapsed),
            verify: milliseconds(self.verify),
            request_id: self.request_id(),
        })
    }

    /// Keeps a refusal for people who ask why.
    fn keep(&self, now: Timestamp, status: u16, outcome: Outcome, reason: Rejection) {
        let (method, path, user_agent) = match &self.head {
            Some((method, uri, agent)) => {
                let path = cut(uri.path(), PATH_LENGTH).to_owned();
                (Some(method.clone()), path, agent.clone())
            }
            None => (None, String::new(), None),
        };
        self.telemetry.refusals.add(Refusal {
            request_id: self.request_id().to_owned(),
            at: now,
            route: self.route.map(|route| route.name.clone()),
            provider: self.route.and_then(|route| route.provider.clone()),
            outcome: outcome.name(),
            reason,
            status,
            client: self.client_ip(),
            method,
            path,
            user_agent,
            bytes: self.body_bytes,
            violation: self.violation.clone(),
            event_key: self.event_key.map(|key| key.short()),
            examination: None,
        });
    }
}

/// The first characters of `text`, so many at most.
fn cut(text: &str, most: usize) -> &str {
    // Most texts have no more bytes than that.
    if text.len() <= most {
        return text;
    }
    let end = text
        .char_indices()
        .nth(most)
        .map_or(text.len(), |(at, _)| at);
    text.get(..end).unwrap_or(text)
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

/// The trace id of a `traceparent` (<https://www.w3.org/TR/trace-context/#traceparent-header>).
fn trace_id(value: &[u8]) -> Option<String> {
    let value = std::str::from_utf8(value)
        .ok()
        .filter(|value| value.is_ascii())?;
    let mut parts = value.split('-');
    let (version, id) = (parts.next()?, parts.next()?);
    let hex = |text: &str| text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    let right = version.len() == 2 && version != "ff" && hex(version) && id.len() == 32 && hex(id);
    (right && id.bytes().any(|b| b != b'0')).then(|| id.to_owned())
}

/// A ULID: the time, then a number that no other request of any replica has. Random per thread,
/// then counted on: unique, and cheap.
fn request_id(now: Timestamp) -> HeaderValue {
    thread_local! {
        static NUMBER: Cell<u128> = Cell::new(seed());
    }
    let number = NUMBER.get();
    NUMBER.set(number.wrapping_add(0x9e37_79b9_7f4a_7c15));
    let millisecond = u64::try_from(now.as_millisecond()).unwrap_or_default();
    let mut buffer = [0; ulid::ULID_LEN];
    let text = Ulid::from_parts(millisecond, number).array_to_str(&mut buffer);
    HeaderValue::from_str(text).unwrap_or_else(|_| HeaderValue::from_static(""))
}

/// From the system's randomness, by way of the keys of the standard hash: the first use of the
/// cryptographic generator takes 20 ms, and ids need not be secret.
fn seed() -> u128 {
    let half = || u128::from(RandomState::new().build_hasher().finish());
    half() << 64 | half()
}
