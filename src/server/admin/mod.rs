//! The admin listener: what a running instance tells, without any secret.
//!
//! It reads only. The one thing that can be asked for is a reload, which does at once what the
//! next look at the files would do within `reload.poll`: nothing is taken from the request.

mod events;
mod guard;
mod page;
mod status;

use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, LOCATION};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use serde_json::{Value, json};
use tokio::sync::oneshot;

pub(super) use events::Body;

use super::Shared;
use crate::rejection::Rejection;

/// Answers one request of `peer`; `None` for one over a Unix socket.
pub(super) async fn answer<B>(
    shared: &Arc<Shared>,
    request: &Request<B>,
    peer: Option<IpAddr>,
) -> Response<Body> {
    if let Err((status, why)) = guard::require_own(request) {
        return text(status, why);
    }
    let path = request.uri().path();
    let reads = request.method() == Method::GET || request.method() == Method::HEAD;
    let wanted = if path == "/api/v1/reload" {
        "POST"
    } else {
        "GET, HEAD"
    };
    if reads == (path == "/api/v1/reload") {
        let mut response = text(StatusCode::METHOD_NOT_ALLOWED, "");
        response
            .headers_mut()
            .insert(ALLOW, HeaderValue::from_static(wanted));
        return response;
    }
    match path {
        // The page; browsers ask for an icon unasked.
        "/" | "/ui" => moved("/ui/"),
        "/ui/" => whole(
            "text/html; charset=utf-8",
            page::whole(shared, request.uri().query()),
        ),
        "/ui/state" => whole(
            "text/html; charset=utf-8",
            page::state(shared, request.uri().query()),
        ),
        "/ui/page.css" => whole("text/css; charset=utf-8", page::STYLE),
        "/ui/page.js" => whole("text/javascript; charset=utf-8", page::SCRIPT),
        "/favicon.ico" => text(StatusCode::NO_CONTENT, ""),
        "/api/v1/status" => as_json(&status::status(shared)),
        "/api/v1/config" => config(shared),
        "/api/v1/reasons" => as_json(&reasons()),
        "/api/v1/refusals" => as_json(&refusals(shared, request.uri().query())),
        "/api/v1/events" => events::stream(shared, request.uri().query()),
        "/api/v1/reload" => reload(shared, peer).await,
        _ => match path.strip_prefix("/api/v1/refusals/") {
            Some(id) => match shared.telemetry.refusals.find(id) {
                Some(refusal) => as_json(&refusal.to_json()),
                None => text(StatusCode::NOT_FOUND, "no refusal of this id is kept\n"),
            },
            None => text(StatusCode::NOT_FOUND, "not found\n"),
        },
    }
}

/// A field of the query, percent-decoded.
fn field(query: Option<&str>, name: &str) -> Option<String> {
    let found = crate::form::single(query?.as_bytes(), name).ok()??;
    Some(found.into_owned())
}

fn refusals(shared: &Shared, query: Option<&str>) -> Value {
    let route = field(query, "route");
    let reason = field(query, "reason");
    let limit = field(query, "limit").and_then(|limit| limit.parse().ok());
    let all = shared.telemetry.refusals.latest();
    let wanted = all
        .into_iter()
        .filter(|refusal| route.is_none() || refusal.route.as_deref() == route.as_deref());
    let wanted = wanted.filter(|refusal| {
        reason
            .as_ref()
            .is_none_or(|reason| refusal.reason.code() == reason)
    });
    let found: Vec<Value> = wanted
        .take(limit.unwrap_or(100))
        .map(|refusal| refusal.to_json())
        .collect();
    json!({ "refusals": found })
}

fn reasons() -> Value {
    let rows: Vec<Value> = Rejection::ALL
        .iter()
        .map(|reason| {
            json!({
                "reason": reason.code(),
                "status": reason.status().as_u16(),
                "message": reason.message(),
                "fix": reason.fix(),
            })
        })
        .collect();
    json!({ "reasons": rows })
}

fn config(shared: &Shared) -> Response<Body> {
    let mut response = Response::new(Body::whole(shared.about.load().effective.clone()));
    finish(&mut response, "application/toml");
    response
}

/// Asks the supervisor to load the file again, and waits for how it went.
async fn reload(shared: &Shared, peer: Option<IpAddr>) -> Response<Body> {
    if peer.is_some_and(|peer| !peer.to_canonical().is_loopback()) {
        return text(
            StatusCode::FORBIDDEN,
            "a reload is taken from this host only\n",
        );
    }
    let (sender, outcome) = oneshot::channel();
    if shared.reloads.try_send(sender).is_err() {
        let why = "another reload is under way\n";
        return text(StatusCode::TOO_MANY_REQUESTS, why);
    }
    match outcome.await {
        Ok(Ok(warnings)) => as_json(&json!({ "reloaded": true, "warnings": warnings })),
        Ok(Err(problems)) => {
            let mut response = as_json(&json!({ "reloaded": false, "problems": problems }));
            *response.status_mut() = StatusCode::CONFLICT;
            response
        }
        Err(_) => text(StatusCode::SERVICE_UNAVAILABLE, "the process is stopping\n"),
    }
}

fn whole(kind: &'static str, body: impl Into<Bytes>) -> Response<Body> {
    let mut response = Response::new(Body::whole(body));
    finish(&mut response, kind);
    response
}

fn moved(to: &'static str) -> Response<Body> {
    let mut response = text(StatusCode::FOUND, "");
    let to = HeaderValue::from_static(to);
    response.headers_mut().insert(LOCATION, to);
    response
}

fn as_json(value: &Value) -> Response<Body> {
    let mut response = Response::new(Body::whole(value.to_string()));
    finish(&mut response, "application/json");
    response
}

fn text(status: StatusCode, body: &'static str) -> Response<Body> {
    let mut response = Response::new(Body::whole(Bytes::from_static(body.as_bytes())));
    *response.status_mut() = status;
    finish(&mut response, "text/plain; charset=utf-8");
    response
}

/// The headers of every answer: nothing is kept, framed, guessed or given to another site.
fn finish(response: &mut Response<Body>, kind: &'static str) {
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    for (name, value) in [
        (
            "content-security-policy",
            // Only our own two files run and style, and no page may show this one in a frame.
            "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
             base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
        ),
        ("cross-origin-resource-policy", "same-origin"),
        ("referrer-policy", "no-referrer"),
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
}
