//! The last step: the verified bytes to the app, its answer back.

use std::borrow::Cow;
use std::sync::Arc;

use http::header::{CONNECTION, HOST, UPGRADE};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri, Version};

use super::answer::ResponseBody;
use super::once::{self, Turn};
use super::permit::{Ground, Permit};
use super::{Gate, Peer, Slot};
use crate::budget::Reserved;
use crate::event::{self, Event};
use crate::rejection::Rejection;
use crate::route::Route;
use crate::telemetry::Entry;
use crate::upstream::{self, AnswerBody, Host, Outgoing, Pool, Statement};
use crate::verify::{Place, Verified};
use crate::{form, headers};

/// What travels with a request from its verdict to its answer.
pub(super) struct Passage<'a> {
    pub(super) gate: &'a Arc<Gate>,
    pub(super) pool: &'a Pool,
    pub(super) route: &'a Route,
    pub(super) peer: &'a Peer,
    /// The client's.
    pub(super) address: HeaderValue,
    pub(super) slot: Slot,
    pub(super) turn: Turn,
}

/// Forwards what a [`Permit`] allows, and nothing else.
pub(super) async fn forward(
    passage: Passage<'_>,
    parts: &mut Parts,
    permit: Permit,
    entry: &mut Entry<'_>,
) -> Result<Response<ResponseBody>, Rejection> {
    // What is only needed to write the request is no part of the state that waits for the answer.
    let (request, outbound) = outbound(&passage, parts, permit, entry)?;
    let Passage {
        gate,
        pool,
        route,
        slot,
        turn,
        ..
    } = passage;
    let started = std::time::Instant::now();
    let answer = match turn {
        Turn::First(claim) => {
            let held = (slot, outbound.reserved);
            once::exchange(gate, pool, request, started, claim, held).await
        }
        Turn::Acknowledged | Turn::Copy | Turn::Untold => {
            let answer = upstream::send(&gate.upstream, pool, request, started).await;
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

/// The answer as it comes, or the upgrade that both sides agreed on.
fn passed_on(
    answer: Response<AnswerBody>,
    upgrade: Option<Upgrade>,
    slot: Option<Slot>,
) -> Result<Response<ResponseBody>, Rejection> {
    if answer.status() != StatusCode::SWITCHING_PROTOCOLS {
        return Ok(answer.map(|body| ResponseBody::streamed(body, slot)));
    }
    let agreed = answer.headers().get(UPGRADE).is_some_and(is_websocket);
    let upgrade = upgrade.filter(|_| agreed);
    upgrade
        .and_then(|upgrade| upgrade.join(answer))
        .ok_or(Rejection::UpstreamFailed)
}

/// What is kept while a request is with the app.
struct Outbound {
    /// Held until the app has answered: till then the body is in memory.
    reserved: Option<Reserved>,
    upgrade: Option<Upgrade>,
    /// Whether it was looked at: not on a route that passes everything through.
    verified: bool,
}

/// Writes the request for the app: what could lie is removed, what is true is written.
fn outbound(
    passage: &Passage<'_>,
    parts: &mut Parts,
    permit: Permit,
    entry: &mut Entry<'_>,
) -> Result<(Request<Outgoing>, Outbound), Rejection> {
    let Passage {
        gate,
        route,
        peer,
        ref address,
        ref turn,
        ..
    } = *passage;
    let host = host_value(parts);
    // Where TLS ends before us, the app would else answer with a redirect.
    let secure = peer.secure
        || (gate.trust.proxies.contains(peer.address) && headers::claims_tls(&parts.headers));
    let unverified = passed_through(&permit);
    let upgrade = unverified.then(|| Upgrade::take(parts)).flatten();
    headers::strip_inbound(
        &mut parts.headers,
        &gate.headers.names,
        gate.headers.cloudevents,
    );
    let target = target(gate, route, &parts.uri, &permit).ok_or(Rejection::Internal)?;
    let (body, reserved) = match permit.into_ground() {
        Ground::Verified {
            verified,
            event,
            reserved,
        } => {
            claim(gate, route, &mut parts.headers, &verified, &event);
            entry.event_types = event.types;
            entry.event_id = event.id;
            assert(gate, route, &mut parts.headers, &verified, entry)?;
            (
                Outgoing::whole(verified.into_body().into_chunks()),
                Some(reserved),
            )
        }
        Ground::Observed(refused) => {
            let reason = HeaderValue::from_static(refused.rejection.code());
            parts
                .headers
                .insert(gate.headers.names.observed.clone(), reason);
            (
                Outgoing::streamed(refused.body.into_chunks(), refused.rest),
                None,
            )
        }
        Ground::Passthrough(incoming) => (Outgoing::streamed(Vec::new(), Some(incoming)), None),
    };
    if matches!(turn, Turn::Copy) {
        let name = gate.headers.names.duplicate.clone();
        parts.headers.insert(name, HeaderValue::from_static("true"));
    }
    describe(gate, route, &mut parts.headers, address, entry);
    headers::write_forwarded(&mut parts.headers, address.clone(), secure, host.as_ref());
    parts.headers.insert(HOST, upstream_host(gate, host));
    if upgrade.is_some() {
        Upgrade::announce(&mut parts.headers);
    }
    let mut request = Request::new(body);
    *request.method_mut() = std::mem::take(&mut parts.method);
    *request.uri_mut() = target;
    *request.headers_mut() = std::mem::take(&mut parts.headers);
    let outbound = Outbound {
        reserved,
        upgrade,
        verified: !unverified,
    };
    Ok((request, outbound))
}

/// What the app is asked for.
fn target(gate: &Gate, route: &Route, uri: &Uri, permit: &Permit) -> Option<Uri> {
    let query = query(gate, route, uri, permit);
    // Mostly what was asked for, which need not be written and read once more. Where an authority
    // was sent with it, the path may be empty.
    if query.as_deref() == uri.query()
        && route.upstream_path.is_none()
        && gate.upstream.base_path.is_empty()
        && uri.authority().is_none()
    {
        return uri.path_and_query().cloned().map(Uri::from);
    }
    let path = route.upstream_path.as_deref().unwrap_or(uri.path());
    upstream::request_target(&gate.upstream, path, query.as_deref())
}

/// The query, byte for byte, but for a static key in it that was verified.
fn query<'a>(gate: &Gate, route: &Route, uri: &'a Uri, permit: &Permit) -> Option<Cow<'a, str>> {
    let mut query = Cow::Borrowed(uri.query()?);
    if gate.headers.strip_credentials && matches!(permit.ground(), Ground::Verified { .. }) {
        for place in &route.strip {
            if let Place::Query(name) = place {
                query = Cow::Owned(form::without(&query, name)?);
            }
        }
    }
    Some(query)
}

/// The headers that only a proof writes.
fn claim(gate: &Gate, route: &Route, headers: &mut HeaderMap, verified: &Verified, event: &Event) {
    let names = &gate.headers.names;
    if gate.headers.strip_credentials {
        for place in &route.strip {
            if let Place::Header(name) = place {
                headers.remove(name);
            }
        }
    }
    if let Some(provider) = &route.fixed.provider {
        headers.insert(names.provider.clone(), provider.clone());
    }
    if !event.types.is_empty() {
        headers.insert(names.event_type.clone(), event::joined(&event.types));
    }
    if let Some(id) = &event.id {
        headers.insert(names.event_id.clone(), event::header_value(id));
    }
    if let Some(count) = event.count {
        headers.insert(names.event_count.clone(), HeaderValue::from(count));
    }
    let by = match verified.by() {
        [only] => HeaderValue::from_static(only),
        several => HeaderValue::try_from(several.join(", "))
            .unwrap_or_else(|_| HeaderValue::from_static("")),
    };
    headers.insert(names.verified_by.clone(), by);
    if let Some(key) = verified.key() {
        headers.insert(names.key.clone(), event::header_value(key));
    }
    if gate.headers.cloudevents {
        cloudevent(route, headers, event);
    }
}

/// The signed statement over the headers of [`claim`] and the body.
fn assert(
    gate: &Gate,
    route: &Route,
    headers: &mut HeaderMap,
    verified: &Verified,
    entry: &Entry<'_>,
) -> Result<(), Rejection> {
    let Some(assertion) = &gate.upstream.assertion else {
        return Ok(());
    };
    let names = &gate.headers.names;
    let request_id = entry.request_id_value();
    let statement = Statement {
        request_id: request_id.to_str().unwrap_or_default(),
        route: &route.name,
        provider: text(route.fixed.provider.as_ref()),
        event_type: text(headers.get(&names.event_type)),
        event_id: text(headers.get(&names.event_id)),
    };
    let now = std::time::SystemTime::now();
    let token = assertion.token(&statement, verified.body().chunks(), now);
    // An app that asks for the proof must not see an event without it.
    let token = token.ok_or(Rejection::Internal)?;
    headers.insert(names.assertion.clone(), token);
    Ok(())
}

fn text(value: Option<&HeaderValue>) -> Option<&str> {
    value.and_then(|value| value.to_str().ok())
}

/// The binary mode of `CloudEvents` 1.0.2 (HTTP binding §3.1), where all required attributes exist.
fn cloudevent(route: &Route, headers: &mut HeaderMap, event: &Event) {
    let ([kind], Some(id)) = (event.types.as_slice(), &event.id) else {
        return;
    };
    headers.insert("ce-specversion", HeaderValue::from_static("1.0"));
    headers.insert("ce-type", event::header_value(kind));
    headers.insert("ce-id", event::header_value(id));
    headers.insert("ce-source", route.fixed.route.clone());
    if let Some(time) = &event.time {
        headers.insert("ce-time", event::header_value(time));
    }
}

/// The headers that are true of every request.
fn describe(
    gate: &Gate,
    route: &Route,
    headers: &mut HeaderMap,
    address: &HeaderValue,
    entry: &Entry<'_>,
) {
    let names = &gate.headers.names;
    headers.insert(names.route.clone(), route.fixed.route.clone());
    headers.insert(names.client_ip.clone(), address.clone());
    headers.insert(names.request_id.clone(), entry.request_id_value());
}

/// The host the client asked for, from the Host header or the `:authority` of HTTP/2.
fn host_value(parts: &Parts) -> Option<HeaderValue> {
    match parts.uri.authority() {
        Some(authority) => HeaderValue::from_str(authority.as_str()).ok(),
        None => parts.headers.get(HOST).cloned(),
    }
}

/// HTTP/1.0 may ask for no host; to the app we speak HTTP/1.1, which must have one.
fn upstream_host(gate: &Gate, asked: Option<HeaderValue>) -> HeaderValue {
    match &gate.upstream.host {
        Host::Fixed(host) => host.clone(),
        Host::Preserve => asked.unwrap_or_else(|| HeaderValue::from_static("localhost")),
    }
}

const fn passed_through(permit: &Permit) -> bool {
    matches!(permit.ground(), Ground::Passthrough(_))
}

fn is_websocket(protocol: &HeaderValue) -> bool {
    protocol.as_bytes().eq_ignore_ascii_case(b"websocket")
}

/// An upgrade that a pass-through route takes to the app.
struct Upgrade {
    client: hyper::upgrade::OnUpgrade,
}

impl Upgrade {
    /// `WebSocket` only. In any other protocol, h2c above all, the client could go on to send
    /// requests to the routes that verify, past us.
    fn take(parts: &mut Parts) -> Option<Self> {
        let wanted = parts.headers.get(UPGRADE)?;
        if !is_websocket(wanted) || parts.method != Method::GET {
            return None;
        }
        let client = parts.extensions.remove::<hyper::upgrade::OnUpgrade>()?;
        Some(Self { client })
    }

    fn announce(headers: &mut HeaderMap) {
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    }

    /// Answers 101 and joins both ends until one of them closes.
    fn join(self, answer: Response<AnswerBody>) -> Option<Response<ResponseBody>> {
        let (head, body) = answer.into_parts();
        let mut app = body.into_upgraded()?;
        let client = self.client;
        drop(tokio::spawn(async move {
            if let Ok(client) = client.await {
                let mut client = hyper_util::rt::TokioIo::new(client);
                // Either end may close first; there is nothing left to answer then.
                drop(tokio::io::copy_bidirectional(&mut client, &mut app).await);
            }
        }));
        let nothing = ResponseBody::whole(bytes::Bytes::new());
        Some(Response::from_parts(head, nothing))
    }
}
