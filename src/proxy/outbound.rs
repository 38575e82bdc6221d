//! The request for the app: of the client's headers what cannot lie, then what is true.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Instant;

use http::header::{COOKIE, HOST};
use http::{HeaderName, HeaderValue, Uri};
use hyper::body::Incoming;

use super::once::Turn;
use super::permit::{Ground, Permit};
use super::upgrade::Upgrade;
use super::{Gate, Peer, Slot};
use crate::budget::Reserved;
use crate::event::{self, Event, HeaderText};
use crate::received::Received;
use crate::rejection::Rejection;
use crate::route::Route;
use crate::telemetry::Entry;
use crate::upstream::{self, Head, Host, Outgoing, Pool, Request, Statement};
use crate::verify::{Body, Place, Verified};
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
    /// When its turn came.
    pub(super) started: Instant,
}

/// What is kept while a request is with the app.
pub(super) struct Outbound {
    /// Held until the app has answered: till then the body is in memory.
    pub(super) reserved: Option<Reserved>,
    pub(super) upgrade: Option<Upgrade>,
    /// Whether it was looked at: not on a route that passes everything through.
    pub(super) verified: bool,
}

/// Writes the request for the app.
pub(super) fn outbound(
    passage: &Passage<'_>,
    received: &mut Received,
    permit: Permit,
    entry: &mut Entry<'_>,
) -> Result<(Request, Outbound), Rejection> {
    let Passage {
        gate,
        route,
        peer,
        ref address,
        ref turn,
        ..
    } = *passage;
    let names = &gate.headers.names;
    // Where TLS ends before us, the app would else answer with a redirect.
    let secure = peer.secure
        || (gate.trust.proxies.contains(peer.address)
            && headers::claims_tls(received.headers.lines()));
    let unverified = matches!(permit.ground(), Ground::Passthrough(_));
    let upgrade = unverified.then(|| Upgrade::take(received)).flatten();
    let received = &*received;
    let lines = received.headers.lines();
    let host = host(received);
    let target = target(gate, route, &received.uri, &permit).ok_or(Rejection::Internal)?;
    let method = received.method.clone();
    let mut head = Head::new(method, &target, upstream_host(gate, host));
    let stripped = stripped(gate, route, &permit);
    for (name, value) in headers::kept(lines, names, gate.headers.cloudevents) {
        if !stripped.clone().any(|place| place == name) {
            head.copied(name, value);
        }
    }
    if let Some(cookies) = headers::cookies(lines)
        && !stripped.clone().any(|place| *place == COOKIE)
    {
        head.copied(COOKIE.as_str(), &cookies);
    }
    head.line(&names.route, &route.fixed.route);
    head.line(&names.client_ip, address);
    head.line(&names.request_id, entry.request_id_value());
    head.line(&headers::FORWARDED_FOR, address);
    let scheme = if secure { "https" } else { "http" };
    head.line(&headers::FORWARDED_PROTO, &HeaderValue::from_static(scheme));
    if let Some(host) = host.filter(|host| !host.is_empty()) {
        head.copied(headers::FORWARDED_HOST.as_str(), host);
    }
    if matches!(turn, Turn::Copy) {
        head.line(&names.duplicate, &HeaderValue::from_static("true"));
    }
    if upgrade.is_some() {
        Upgrade::announce(&mut head);
    }
    let (body, reserved) = match permit.into_ground() {
        Ground::Verified {
            verified,
            event,
            reserved,
        } => {
            claim(gate, route, &mut head, &verified, &event, entry)?;
            entry.event_types = event.types;
            entry.event_id = event.id;
            let chunks = verified.into_body().into_chunks();
            (Outgoing::whole(chunks), Some(reserved))
        }
        Ground::Observed(refused) => {
            let reason = HeaderValue::from_static(refused.rejection.code());
            head.line(&names.observed, &reason);
            unproven(gate.buffered.empty(), refused.body, refused.rest)?
        }
        Ground::Passthrough(arriving) => {
            let reserved = arriving.reserved.unwrap_or_else(|| gate.buffered.empty());
            unproven(reserved, arriving.begun, arriving.rest)?
        }
    };
    let outbound = Outbound {
        reserved,
        upgrade,
        verified: !unverified,
    };
    Ok((head.with_body(body), outbound))
}

/// A body that goes on although nothing proved it. What is here of it counts as every other does.
fn unproven(
    mut reserved: Reserved,
    begun: Body,
    rest: Option<Incoming>,
) -> Result<(Outgoing, Option<Reserved>), Rejection> {
    if !reserved.grow_to(begun.len()) {
        return Err(Rejection::Overloaded);
    }
    let body = Outgoing::streamed(begun.into_chunks(), rest);
    Ok((body, Some(reserved)))
}

/// The headers of a verified request that hold a credential the app need not see.
fn stripped<'r>(
    gate: &Gate,
    route: &'r Route,
    permit: &Permit,
) -> impl Iterator<Item = &'r HeaderName> + Clone + use<'r> {
    let wanted =
        gate.headers.strip_credentials && matches!(permit.ground(), Ground::Verified { .. });
    let places = if wanted { &*route.strip } else { &[] };
    places.iter().filter_map(|place| match place {
        Place::Header(name) => Some(name),
        Place::Body | Place::Form(_) | Place::Json(_) | Place::Query(_) => None,
    })
}

/// What the app is asked for.
fn target<'a>(gate: &Gate, route: &Route, uri: &'a Uri, permit: &Permit) -> Option<Cow<'a, str>> {
    let query = query(gate, route, uri, permit);
    // Mostly what was asked for, which need not be written and read once more. Where an authority
    // was sent with it, the path may be empty.
    if query.as_deref() == uri.query()
        && route.upstream_path.is_none()
        && gate.upstream.base_path.is_empty()
        && uri.authority().is_none()
    {
        return uri.path_and_query().map(|target| target.as_str().into());
    }
    let path = route.upstream_path.as_deref().unwrap_or(uri.path());
    upstream::request_target(&gate.upstream, path, query.as_deref()).map(Cow::Owned)
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
fn claim(
    gate: &Gate,
    route: &Route,
    head: &mut Head,
    verified: &Verified,
    event: &Event,
    entry: &Entry<'_>,
) -> Result<(), Rejection> {
    let names = &gate.headers.names;
    let provider = route.fixed.provider.as_ref();
    let kind = (!event.types.is_empty()).then(|| event::joined(&event.types));
    let id = event.id.as_deref().map(event::header_text);
    if let Some(provider) = provider {
        head.line(&names.provider, provider);
    }
    if let Some(kind) = &kind {
        head.text(&names.event_type, kind);
    }
    if let Some(id) = &id {
        head.text(&names.event_id, id);
    }
    if let Some(count) = event.count {
        head.line(&names.event_count, &count.into());
    }
    head.text(&names.verified_by, &event::listed(verified.by()));
    if let Some(key) = verified.key() {
        head.text(&names.key, &event::header_text(key));
    }
    if gate.headers.cloudevents {
        cloudevent(route, head, event);
    }
    let Some(assertion) = &gate.upstream.assertion else {
        return Ok(());
    };
    let statement = Statement {
        request_id: entry.request_id(),
        route: &route.name,
        provider: provider.and_then(|value| value.to_str().ok()),
        event_type: kind.as_ref().map(HeaderText::as_str),
        event_id: id.as_ref().map(HeaderText::as_str),
    };
    let now = std::time::SystemTime::now();
    let token = assertion.token(&statement, verified.body().chunks(), now);
    // An app that asks for the proof must not see an event without it.
    head.line(&names.assertion, &token.ok_or(Rejection::Internal)?);
    Ok(())
}

/// The binary mode of `CloudEvents` 1.0.2 (HTTP binding §3.1), where all required attributes exist.
fn cloudevent(route: &Route, head: &mut Head, event: &Event) {
    let ([kind], Some(id)) = (event.types.as_slice(), &event.id) else {
        return;
    };
    head.line(&HeaderName::from_static("ce-source"), &route.fixed.route);
    let mut text = |name, value| {
        head.text(&HeaderName::from_static(name), &event::header_text(value));
    };
    text("ce-specversion", "1.0");
    text("ce-type", kind);
    text("ce-id", id);
    if let Some(time) = &event.time {
        text("ce-time", time);
    }
}

/// The host the client asked for, from the Host header or the `:authority` of HTTP/2.
fn host(received: &Received) -> Option<&[u8]> {
    match received.uri.authority() {
        Some(authority) => Some(authority.as_str().as_bytes()),
        None => received.headers.lines().get(&HOST),
    }
}

/// HTTP/1.0 may ask for no host; to the app we speak HTTP/1.1, which must have one.
fn upstream_host<'a>(gate: &'a Gate, asked: Option<&'a [u8]>) -> &'a [u8] {
    match (&gate.upstream.host, asked) {
        (Host::Fixed(host), _) => host.as_bytes(),
        (Host::Preserve, Some(host)) => host,
        (Host::Preserve, None) => b"localhost",
    }
}
