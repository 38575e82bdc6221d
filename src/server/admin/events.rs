//! What happens now, as Server-Sent Events (<https://html.spec.whatwg.org/multipage/server-sent-events.html>).

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Response, StatusCode};
use http_body::{Frame, SizeHint};
use tokio::sync::mpsc;

use super::{field, finish, text};
use crate::server::Shared;

/// So many may watch at once.
const MOST: usize = 16;
/// A stream on which nothing happens says so, that a broken one is noticed.
const BEAT: Duration = Duration::from_secs(10);
/// A reader that is slower loses its stream.
const BEHIND: usize = 64;

/// The body of an answer of this listener.
#[derive(Debug)]
pub(in crate::server) enum Body {
    /// One that is there.
    Whole(Option<Bytes>),
    /// One that goes on.
    Stream(mpsc::Receiver<Bytes>),
}

impl Body {
    pub(in crate::server) fn whole(bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        Self::Whole((!bytes.is_empty()).then_some(bytes))
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match &mut *self {
            Self::Whole(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Self::Stream(receiver) => receiver
                .poll_recv(context)
                .map(|bytes| bytes.map(|bytes| Ok(Frame::data(bytes)))),
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Whole(None))
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, Bytes::len) as u64),
            Self::Stream(_) => SizeHint::default(),
        }
    }
}

/// Starts a stream; `route` and `refused=1` in the query narrow it down.
pub(super) fn stream(shared: &Arc<Shared>, query: Option<&str>) -> Response<Body> {
    let route = field(query, "route");
    let refused = field(query, "refused").is_some();
    let (sender, receiver) = mpsc::channel(BEHIND);
    if shared.telemetry.live.watch(MOST).is_none() {
        return text(StatusCode::SERVICE_UNAVAILABLE, "too many watch already\n");
    }
    let shared = shared.clone();
    drop(tokio::spawn(async move {
        let Some(mut watcher) = shared.telemetry.live.watch(MOST) else {
            return;
        };
        let mut beat = tokio::time::interval(BEAT);
        loop {
            let bytes = tokio::select! {
                // The first comes at once: the reader knows that it is connected.
                _ = beat.tick() => Bytes::from_static(b": beat\n\n"),
                happening = watcher.next() => match happening {
                    None => Bytes::from_static(b"event: missed\ndata: {}\n\n"),
                    Some(happening) => {
                        let other = route.is_some() && happening.route.as_deref() != route.as_deref();
                        if other || (refused && !happening.refused) {
                            continue;
                        }
                        Bytes::from(format!("event: {}\ndata: {}\n\n", happening.kind, happening.text))
                    }
                },
                // Nobody reads any more.
                () = sender.closed() => return,
            };
            if sender.try_send(bytes).is_err() {
                return;
            }
        }
    }));
    let mut response = Response::new(Body::Stream(receiver));
    finish(&mut response, "text/event-stream");
    response
}
