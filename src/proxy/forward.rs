//! The last step: the verified bytes to the app, its answer back.

use std::time::Instant;

use http::{Response, StatusCode, Version};

use super::Slot;
use super::answer::ResponseBody;
use super::once::{self, Turn};
use super::outbound::{Passage, outbound};
use super::permit::Permit;
use super::upgrade::Upgrade;
use crate::headers;
use crate::received::Received;
use crate::rejection::Rejection;
use crate::telemetry::Entry;
use crate::upstream::{self, AnswerBody};

/// Forwards what a [`Permit`] allows, and nothing else.
///
/// No `async fn`: what is only needed to write the request is no part of the state that waits for
/// the answer.
pub(super) fn forward(
    passage: Passage<'_>,
    received: &mut Received,
    permit: Permit,
    entry: &mut Entry<'_>,
) -> impl Future<Output = Result<Response<ResponseBody>, Rejection>> {
    let written = outbound(&passage, received, permit, entry);
    let Passage {
        gate,
        pool,
        route,
        slot,
        turn,
        started,
        ..
    } = passage;
    // To sign an assertion takes its time, which is not the app's.
    let started = match gate.upstream.assertion {
        Some(_) => Instant::now(),
        None => started,
    };
    async move {
        let (request, outbound) = written?;
        let answer = match turn {
            Turn::First(claim) => {
                let held = (slot, outbound.reserved);
                once::exchange(gate, pool, request, started, claim, held).await
            }
            Turn::Acknowledged | Turn::Copy | Turn::Untold => {
                let sent = upstream::send(&gate.upstream, pool, request, started);
                // Boxed, as the other one is.
                let answer = Box::pin(sent).await;
                drop(outbound.reserved);
                // What a mixed app's own clients take their time to read must not count against
                // webhooks.
                let slot = outbound.verified.then_some(slot);
                answer.and_then(|answer| passed_on(answer, outbound.upgrade, slot))
            }
        };
        entry.upstream = Some(started.elapsed());
        let mut response = answer?;
        entry.upstream_status = Some(response.status().as_u16());
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            return Ok(response);
        }
        // Whatever the app speaks: its caller sees where a body ends, and that half of one is half.
        *response.version_mut() = Version::HTTP_11;
        headers::strip_outbound(response.headers_mut());
        if let Some(wanted) = route.success_status
            && response.status().is_success()
        {
            *response.status_mut() = wanted;
        }
        Ok(response)
    }
}

/// The answer as it comes, or the upgrade that both sides agreed on.
fn passed_on(
    answer: Response<AnswerBody>,
    upgrade: Option<Upgrade>,
    slot: Option<Slot>,
) -> Result<Response<ResponseBody>, Rejection> {
    if answer.status() != StatusCode::SWITCHING_PROTOCOLS {
        return Ok(answer.map(|body| ResponseBody::streamed(body, slot)));
    }
    upgrade
        .and_then(|upgrade| upgrade.join(answer))
        .ok_or(Rejection::UpstreamFailed)
}
