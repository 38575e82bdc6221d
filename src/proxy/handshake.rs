//! Step 4: what a provider asks before it sends events is answered here, and never reaches the app.

use std::net::IpAddr;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderValue, Method, Response};

use super::answer::ResponseBody;
use super::gate::{Gate, Slot};
use super::intake::{self, Arriving};
use crate::handshake::{Answer, Asked, Handshakes, MAX_BODY};
use crate::rejection::Rejection;
use crate::route::Route;
use crate::telemetry::Entry;
use crate::verify::{Head, Moment};

/// What becomes of a request that could be a handshake.
pub(super) enum Step {
    Answered(Response<ResponseBody>),
    /// It is none. Its place among those in flight is taken already where its body was looked at.
    GoesOn(Arriving, Option<Slot>),
}

/// Answers a handshake that needs no verification.
///
/// Whoever sends one is unknown, so it counts against the rate and the requests at once, and no
/// more of its body is read than a handshake can have.
pub(super) async fn answer(
    gate: &Gate,
    (route, handshakes): (&Route, &Handshakes),
    client: IpAddr,
    (method, head): (&Method, &Head<'_>),
    arriving: Arriving,
    now: Moment,
    entry: &mut Entry<'_>,
) -> Result<Step, Rejection> {
    let length = arriving.length();
    let empty = length == Some(0);
    let go_on = |arriving, slot| {
        // Of the methods that only handshakes have, this was none.
        if route.forwards(method) {
            Ok(Step::GoesOn(arriving, slot))
        } else {
            Err(Rejection::MethodNotAllowed)
        }
    };
    let large = length.is_some_and(|length| length > MAX_BODY);
    let asked = handshakes.asked(head, empty);
    if asked == Asked::No || (asked == Asked::PerhapsInBody && large) {
        return go_on(arriving, None);
    }
    let slot = gate.enter(route, client)?;
    if asked == Asked::Yes {
        return match handshakes.answer(head, None, empty, false, now)? {
            Some(answer) => Ok(Step::Answered(told(answer, entry))),
            None => go_on(arriving, Some(slot)),
        };
    }
    let time = intake::Time {
        limit: gate.limits.body_timeout,
        watched: false,
    };
    let limit = MAX_BODY.min(route.body_limit);
    let read = intake::read(arriving, limit, time, &gate.buffered, |_| {}).await;
    let arriving = match read {
        Ok(whole) => {
            if let Some(answer) = handshakes.answer(head, Some(&whole.body), empty, false, now)? {
                return Ok(Step::Answered(told(answer, entry)));
            }
            Arriving::of(whole.body, None)
        }
        Err(broken) => match (broken.rejection, broken.rest) {
            // Too long for a handshake, not for an event.
            (Rejection::BodyTooLarge, rest) => Arriving::of(broken.body, rest),
            (rejection, _) => return Err(rejection),
        },
    };
    go_on(arriving, Some(slot))
}

/// The response, noted in the log.
pub(super) fn told(answer: Answer, entry: &mut Entry<'_>) -> Response<ResponseBody> {
    entry.handshake = true;
    entry.hint = answer.hint;
    let mut response = Response::new(ResponseBody::whole(Bytes::from(answer.body)));
    *response.status_mut() = answer.status;
    let headers = response.headers_mut();
    headers.extend(answer.headers);
    if let Some(content_type) = answer.content_type {
        headers.insert(CONTENT_TYPE, content_type);
    }
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}
