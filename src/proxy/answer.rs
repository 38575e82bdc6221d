//! What the caller receives, and the one place where a refusal becomes an answer.

use std::collections::VecDeque;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, Response, StatusCode, Version};
use hyper::body::{Body, Frame, SizeHint};

use super::together::together;
use super::{Arrival, Arriving, Gate, Peer, Slot, handle};
use crate::received::Received;
use crate::rejection::Rejection;
use crate::telemetry::Entry;
use crate::upstream::{AnswerBody, Broken, Pool};

/// The body of an answer.
#[derive(Debug)]
pub struct ResponseBody(Kind);

#[derive(Debug)]
enum Kind {
    /// The app's: what was gathered of it, then the rest as it arrives; its request is in flight
    /// until the end.
    Streamed(VecDeque<Frame<Bytes>>, Option<AnswerBody>, Option<Slot>),
    /// One that is there; the request that it answers is in flight until the end.
    Whole(
        Option<Bytes>,
        #[expect(dead_code, reason = "held, not read")] Option<Slot>,
    ),
}

impl ResponseBody {
    /// A body that is there.
    pub fn whole(bytes: Bytes) -> Self {
        Self(Kind::Whole((!bytes.is_empty()).then_some(bytes), None))
    }

    /// The same, of the app's.
    pub(super) fn held(bytes: Bytes, slot: Slot) -> Self {
        Self(Kind::Whole(
            (!bytes.is_empty()).then_some(bytes),
            Some(slot),
        ))
    }

    pub(super) const fn streamed(body: AnswerBody, slot: Option<Slot>) -> Self {
        Self(Kind::Streamed(VecDeque::new(), Some(body), slot))
    }

    pub(super) const fn gathered(
        frames: VecDeque<Frame<Bytes>>,
        rest: Option<AnswerBody>,
        slot: Slot,
    ) -> Self {
        Self(Kind::Streamed(frames, rest, Some(slot)))
    }

    /// Whether the app may not stop in the middle of it: it holds a place that others need.
    pub const fn is_timed(&self) -> bool {
        matches!(self.0, Kind::Streamed(_, Some(_), Some(_)))
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        match &mut self.0 {
            Kind::Streamed(frames, rest, _) => match (frames.pop_front(), rest) {
                (Some(frame), _) => Poll::Ready(Some(Ok(frame))),
                (None, Some(body)) => Pin::new(body).poll_frame(context),
                (None, None) => Poll::Ready(None),
            },
            Kind::Whole(bytes, _) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Kind::Streamed(frames, rest, _) => {
                frames.is_empty() && rest.as_ref().is_none_or(Body::is_end_stream)
            }
            Kind::Whole(bytes, _) => bytes.is_none(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Kind::Streamed(frames, rest, _) => {
                let gathered = frames.iter().filter_map(Frame::data_ref).map(Bytes::len);
                let gathered = gathered.sum::<usize>() as u64;
                let rest = rest
                    .as_ref()
                    .map_or(SizeHint::with_exact(0), Body::size_hint);
                let mut hint = SizeHint::new();
                hint.set_lower(rest.lower().saturating_add(gathered));
                if let Some(upper) = rest.upper() {
                    hint.set_upper(upper.saturating_add(gathered));
                }
                hint
            }
            Kind::Whole(bytes, _) => {
                SizeHint::with_exact(bytes.as_ref().map_or(0, Bytes::len) as u64)
            }
        }
    }
}

/// Answers one request. Never fails: a refusal becomes a problem document, and either way there is
/// one log line and one count. `deliver` makes of the answer what the connection wants.
///
/// No `async fn`: it would keep what it is given twice, and hyper moves the whole of it.
pub fn respond<T>(
    gate: Arc<Gate>,
    pool: Pool,
    peer: Peer,
    mut received: Received,
    arriving: Arriving,
    deliver: impl FnOnce(Response<ResponseBody>) -> T,
) -> impl Future<Output = T> {
    let version = received.version;
    async move {
        let since = arriving.since.unwrap_or_else(Arrival::now);
        let mut entry = gate.entry(since.moment, since.instant);
        let mut case = None;
        let outcome = {
            let line = pin!(handle(
                &gate,
                &pool,
                &peer,
                &mut received,
                arriving,
                &mut entry,
                &mut case
            ));
            super::panic::caught(line).await.unwrap_or_else(|| {
                gate.telemetry.metrics.panicked();
                Err(Rejection::Internal)
            })
        };
        let (mut response, rejection) = match outcome {
            Ok(response) => (response, None),
            Err(rejection) => (refusal(rejection, version, &entry), Some(rejection)),
        };
        let headers = response.headers_mut();
        let name = gate.headers.names.request_id.clone();
        headers.insert(name, entry.request_id_value().clone());
        if peer.draining && version != Version::HTTP_2 && !headers.contains_key(CONNECTION) {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        entry.finish(response.status(), rejection);
        if let Some(case) = case {
            gate.desk
                .give(gate.clone(), *case, entry.request_id().to_owned());
        }
        // The record is written: a caller that hangs up now changes nothing in it.
        together().await;
        deliver(response)
    }
}

/// Headers of a refusal, the request id and `Connection` among them.
const MOST_HEADERS: usize = 6;

/// The problem document (RFC 9457) for a refusal: the status, never the reason.
fn refusal(rejection: Rejection, version: Version, entry: &Entry<'_>) -> Response<ResponseBody> {
    let route = entry.route;
    let mut status = rejection.status();
    if matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN)
        && let Some(wanted) = route.and_then(|route| route.reject_status)
    {
        status = wanted;
    }
    // In one piece: a flood of forgeries is the last thing to be generous with, and to format costs
    // as much as to look the refusal up.
    let told = route.is_none_or(|route| route.reject_body);
    let text = if told {
        [
            "{\"status\":",
            status.as_str(),
            ",\"title\":\"",
            status.canonical_reason().unwrap_or("Refused"),
            "\",\"request_id\":\"",
            entry.request_id(),
            "\"}",
        ]
        .concat()
    } else {
        String::new()
    };
    let mut response = Response::new(ResponseBody::whole(text.into()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.reserve(MOST_HEADERS);
    if told {
        headers.insert(
            CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
    }
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    match status {
        StatusCode::UNAUTHORIZED => {
            if let Some(challenge) = route.and_then(|route| route.fixed.challenge.clone()) {
                headers.insert(WWW_AUTHENTICATE, challenge);
            }
        }
        StatusCode::METHOD_NOT_ALLOWED => {
            if let Some(route) = route {
                headers.insert(ALLOW, route.fixed.allow.clone());
            }
        }
        StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS => {
            headers.insert(RETRY_AFTER, HeaderValue::from_static("5"));
        }
        _ => {}
    }
    // What is left of the body is not worth reading, and must not be read as the next request.
    let unread = matches!(
        rejection,
        Rejection::BodyTooLarge
            | Rejection::BodyTimeout
            | Rejection::BodyIncomplete
            | Rejection::RequestMalformed
    );
    if unread && version != Version::HTTP_2 {
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}
