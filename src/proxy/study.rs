//! The examination of a refusal after its verdict: on a thread of its own, seldom, for a short
//! time, with the bytes that are still at hand. It can accept nothing, and nothing of the request
//! is kept.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::request::Parts;

use super::{Gate, framing};
use crate::diagnosis;
use crate::headers::Lines;
use crate::received::Received;
use crate::rejection::Rejection;
use crate::route::Route;
use crate::telemetry::{Happening, Level, name};
use crate::verify::{Body, Moment};

/// How long one examination may look for near misses.
const LIMIT: Duration = Duration::from_millis(50);
/// Of all time examinations take a tenth of one core at most, however many routes are flooded.
const SHARE: u64 = 10;
/// A larger body costs more than an answer is worth.
const LARGEST: usize = 256 * 1024;
/// So many wait at most.
const WAITING: usize = 4;

/// Whether the reason lies in what was sent, not in how it came: half a body tells nothing.
pub(super) fn has_a_cause(reason: Rejection) -> bool {
    use Rejection::{BodyIncomplete, BodyTimeout, BodyTooLarge, Overloaded};
    !matches!(
        reason,
        BodyIncomplete | BodyTimeout | BodyTooLarge | Overloaded
    )
}

/// Who is given what is to be examined.
#[derive(Debug, Default)]
pub(super) struct Desk {
    sender: Option<SyncSender<Job>>,
    /// When the last one of each route was given, in milliseconds from `started`; the last slot is
    /// for requests without a route.
    slots: Box<[AtomicU64]>,
    started: Option<Instant>,
}

/// A refused request, with what was read of it.
#[derive(Debug)]
pub(super) struct Case {
    parts: Parts,
    body: Bytes,
    /// The refusal came before the body was read.
    unread: bool,
    peer: IpAddr,
    now: Moment,
}

struct Job {
    gate: Arc<Gate>,
    case: Case,
    request_id: String,
}

/// The other end of a desk.
#[derive(Debug, Clone)]
pub struct Student(SyncSender<Job>);

impl std::fmt::Debug for Job {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Job")
    }
}

impl Student {
    /// Starts the thread. Where there is none, nothing is examined.
    pub fn start() -> Option<Self> {
        let (sender, jobs) = sync_channel(WAITING);
        let spawned = std::thread::Builder::new()
            .name("study".into())
            .spawn(move || work(&jobs));
        spawned.is_ok().then_some(Self(sender))
    }
}

impl Desk {
    pub(super) fn new(routes: usize, student: Option<Student>) -> Self {
        Self {
            sender: student.map(|student| student.0),
            slots: (0..=routes).map(|_| AtomicU64::new(0)).collect(),
            started: Some(Instant::now()),
        }
    }

    /// Passes the thread on to a new desk.
    pub(super) fn student(&self) -> Option<Student> {
        self.sender.clone().map(Student)
    }

    /// Takes what is needed of a refused request, if its route is due for an examination.
    pub(super) fn case(
        &self,
        route: Option<&Route>,
        peer: IpAddr,
        received: &Received,
        body: Option<&Body>,
        now: Moment,
    ) -> Option<Case> {
        let started = self.started.filter(|_| self.sender.is_some())?;
        if body.is_some_and(|body| body.len() > LARGEST) {
            return None;
        }
        let last = self.slots.len().checked_sub(1)?;
        let slot = self.slots.get(route.map_or(last, |route| route.index))?;
        let period = u64::try_from(LIMIT.as_millis()).ok()? * SHARE;
        let period = period
            .saturating_mul(u64::try_from(self.slots.len()).ok()?)
            .max(1000);
        // From 1, so that 0 is never.
        let elapsed = u64::try_from(started.elapsed().as_millis())
            .ok()?
            .saturating_add(1);
        let before = slot.load(Ordering::Relaxed);
        if before != 0 && elapsed.saturating_sub(before) < period {
            return None;
        }
        if slot
            .compare_exchange(before, elapsed, Ordering::Relaxed, Ordering::Relaxed)
            .is_err()
        {
            return None;
        }
        Some(Case {
            parts: received.to_parts(),
            body: body
                .map(|body| Bytes::from(body.contiguous().into_owned()))
                .unwrap_or_default(),
            unread: body.is_none(),
            peer,
            now,
        })
    }

    /// Gives it away; one too many is dropped.
    pub(super) fn give(&self, gate: Arc<Gate>, case: Case, request_id: String) {
        if let Some(sender) = &self.sender {
            drop(sender.try_send(Job {
                gate,
                case,
                request_id,
            }));
        }
    }
}

fn work(jobs: &Receiver<Job>) {
    for job in jobs {
        // A fault here is one examination less.
        let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| job.run()));
        drop(done);
    }
}

impl Job {
    fn run(self) {
        let Self {
            gate,
            case,
            request_id,
        } = self;
        let parts = &case.parts;
        let headers = Lines::from(&parts.headers);
        let Ok(host) = framing::require_unambiguous(&parts.uri, parts.version, headers) else {
            return;
        };
        let report = diagnosis::examine(
            &gate.routes,
            &gate.trust,
            &diagnosis::Case {
                parts,
                host,
                body: &case.body,
                peer: Some(case.peer),
                now: case.now,
                plain: framing::require_plain_body(headers),
                unread: case.unread,
                limit: LIMIT,
            },
        );
        let found = report.to_json();
        let telemetry = &gate.telemetry;
        telemetry.live.tell(|| {
            let text = serde_json::json!({ "request_id": request_id, "examination": found });
            Happening {
                kind: "examination",
                route: report
                    .route
                    .as_ref()
                    .map(|(name, _, _)| name.as_str().into()),
                refused: true,
                text: text.to_string(),
            }
        });
        telemetry.refusals.examined(&request_id, found);
        if let Some(guess) = report.guesses.first() {
            telemetry.log.write(Level::Info, "examined", |line| {
                line.field(name!("request_id"), &request_id);
                if let Some((route, _, _)) = &report.route {
                    line.field(name!("route"), route);
                }
                line.field(name!("cause"), &guess.cause);
                line.field(name!("text"), &guess.text);
                line.field(name!("fix"), &guess.fix);
                line.flag(name!("proved"), guess.proved);
            });
        }
    }
}
