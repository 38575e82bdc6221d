//! What happens on a connection, as far as parking it and ending what has stalled have to know.
//!
//! An answer on its way waits either for the app or for the caller. The loop that serves the
//! connection looks in short intervals whether anything has moved since: a timer for every answer
//! would cost more than most answers do.

use std::fmt;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Response, StatusCode};
use hyper::body::{Body, Frame, SizeHint};

use crate::proxy::ResponseBody;
use crate::upstream::Broken;

/// What happens on a connection.
#[derive(Debug, Default)]
pub(super) struct Activity {
    /// Requests so far.
    begun: AtomicUsize,
    /// Requests whose answer is not sent yet.
    live: AtomicUsize,
    /// Bytes have come since the last answer: the next head is on its way.
    pub(super) unread: AtomicBool,
    /// The last write or flush found no room: an answer is still in a buffer of hyper's or of TLS.
    pub(super) stuck: AtomicBool,
    /// A request took too long to come: nobody is there who reads what it is told.
    pub(super) slow: AtomicBool,
}

impl Activity {
    /// Whether no request was being answered at the last look, none is now, and none was in between.
    /// One look is not enough: an answer that has just been given may end the connection yet.
    pub(super) fn is_quiet_since(&self, seen: &mut usize) -> bool {
        let begun = self.begun.load(Ordering::Relaxed);
        let now = match self.live.load(Ordering::Relaxed) {
            0 => begun,
            _ => usize::MAX,
        };
        std::mem::replace(seen, now) == begun && now == begun
    }

    /// Whether nothing has happened since the last look. A connection without any request yet is
    /// never idle: its head is being timed.
    pub(super) fn is_idle_since(&self, seen: &mut usize) -> bool {
        self.is_quiet_since(seen)
            && *seen > 0
            && !self.unread.load(Ordering::Relaxed)
            && !self.stuck.load(Ordering::Relaxed)
    }
}

/// Since when the head of a request is on its way, as far as can be told from one look to the next.
#[derive(Debug)]
pub(super) struct Heads {
    begun: usize,
    since: Instant,
}

impl Heads {
    /// `since` when, if the first one is.
    pub(super) fn new(activity: &Activity, since: Option<Instant>) -> Self {
        Self {
            begun: activity.begun.load(Ordering::Relaxed),
            since: since.unwrap_or_else(Instant::now),
        }
    }

    /// For how long one has been awaited: that of the first request from the start, each further one
    /// from its first byte.
    pub(super) fn awaited(&mut self, activity: &Activity) -> Duration {
        let begun = activity.begun.load(Ordering::Relaxed);
        let awaited = begun == 0 || activity.unread.load(Ordering::Relaxed);
        if self.begun != begun || !awaited || activity.live.load(Ordering::Relaxed) > 0 {
            *self = Self {
                begun,
                since: Instant::now(),
            };
        }
        self.since.elapsed()
    }
}

/// A request whose answer is not sent yet.
#[derive(Debug)]
pub(super) struct Live(Arc<Activity>);

impl Live {
    pub(super) fn new(activity: Arc<Activity>) -> Self {
        activity.begun.fetch_add(1, Ordering::Relaxed);
        activity.live.fetch_add(1, Ordering::Relaxed);
        Self(activity)
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.0.live.fetch_sub(1, Ordering::Relaxed);
        self.0.unread.store(false, Ordering::Relaxed);
    }
}

/// Whom an answer waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// There is none on its way.
    Nobody,
    /// The app has to send more of it.
    App,
    /// The caller has to take more of it.
    Caller,
}

/// How an answer gets on.
#[derive(Debug, Default)]
pub(super) struct Progress {
    moves: AtomicUsize,
    /// A [`Turn`], which an atomic cannot hold.
    turn: AtomicU8,
    given_up: AtomicBool,
    /// Who polls the answer, where that is another task than the connection's.
    poller: Option<Mutex<Option<Waker>>>,
}

impl Progress {
    /// Of an answer that a task of its own sends.
    pub(super) fn of_stream() -> Self {
        Self {
            poller: Some(Mutex::default()),
            ..Self::default()
        }
    }

    fn moved(&self, turn: Turn) {
        self.turn.store(turn as u8, Ordering::Relaxed);
        self.moves.fetch_add(1, Ordering::Relaxed);
    }

    fn turn(&self) -> Turn {
        let turn = self.turn.load(Ordering::Relaxed);
        [Turn::App, Turn::Caller]
            .into_iter()
            .find(|known| *known as u8 == turn)
            .unwrap_or(Turn::Nobody)
    }

    /// Ends an answer whose rest does not come: the caller sees that it is not whole.
    pub(super) fn give_up(&self) {
        self.given_up.store(true, Ordering::Relaxed);
        if let Some(poller) = &self.poller
            && let Some(waker) = poller.lock().unwrap_or_else(PoisonError::into_inner).take()
        {
            waker.wake();
        }
    }
}

/// How long an answer has stood still.
#[derive(Debug)]
pub(super) struct Sight {
    pub(super) progress: Arc<Progress>,
    moves: usize,
    since: Instant,
}

impl Sight {
    pub(super) fn new(progress: Arc<Progress>) -> Self {
        Self {
            progress,
            moves: 0,
            since: Instant::now(),
        }
    }

    /// For how long it has waited, and for whom, as far as can be told from one look to the next.
    pub(super) fn look(&mut self) -> (Turn, Duration) {
        let moves = self.progress.moves.load(Ordering::Relaxed);
        if std::mem::replace(&mut self.moves, moves) != moves {
            self.since = Instant::now();
        }
        (self.progress.turn(), self.since.elapsed())
    }

    /// Whether its answer is over.
    pub(super) fn is_over(&self) -> bool {
        Arc::strong_count(&self.progress) == 1
    }
}

/// The body of an answer, which ends its request.
#[derive(Debug)]
pub(super) struct Tracked {
    body: ResponseBody,
    progress: Arc<Progress>,
    _live: Live,
}

impl Tracked {
    pub(super) fn response(
        response: Response<ResponseBody>,
        live: Live,
        progress: Arc<Progress>,
    ) -> Response<Self> {
        if response.status() == StatusCode::REQUEST_TIMEOUT {
            live.0.slow.store(true, Ordering::Relaxed);
        }
        progress.moved(Turn::Caller);
        response.map(|body| Self {
            body,
            progress,
            _live: live,
        })
    }
}

impl Drop for Tracked {
    fn drop(&mut self) {
        self.progress.moved(Turn::Nobody);
    }
}

impl Body for Tracked {
    type Data = Bytes;
    type Error = Unfinished;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Unfinished>>> {
        let this = &mut *self;
        if this.progress.given_up.load(Ordering::Relaxed) {
            return Poll::Ready(Some(Err(Unfinished::Stalled)));
        }
        let frame = Pin::new(&mut this.body).poll_frame(context);
        // What streams past unverified may rest as long as it likes.
        if frame.is_pending() && this.body.is_timed() {
            let turn = Turn::App as u8;
            this.progress.turn.store(turn, Ordering::Relaxed);
            if let Some(poller) = &this.progress.poller {
                let mut poller = poller.lock().unwrap_or_else(PoisonError::into_inner);
                *poller = Some(context.waker().clone());
            }
        } else {
            this.progress.moved(Turn::Caller);
        }
        frame.map_err(Unfinished::Broken)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Why an answer was not sent to its end.
#[derive(Debug)]
pub(super) enum Unfinished {
    /// The app broke it off.
    Broken(Broken),
    /// The app stopped in the middle of it.
    Stalled,
}

impl fmt::Display for Unfinished {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Broken(_) => "the app broke its answer off",
            Self::Stalled => "the app stopped in the middle of its answer",
        })
    }
}

impl std::error::Error for Unfinished {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Broken(error) => Some(error),
            Self::Stalled => None,
        }
    }
}
