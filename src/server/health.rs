//! Health and metrics, on a listener of their own: never on the port that callers reach.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};

use super::Shared;
use crate::duplicates::Store;
use crate::route::Mode;

/// Probes are short: a client that takes longer for its head is none.
const HEAD_TIMEOUT: Duration = Duration::from_secs(5);

/// What a listener beside the main one serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Desk {
    Admin,
    Health,
}

/// Serves one connection.
pub(super) async fn serve(
    shared: Arc<Shared>,
    desk: Desk,
    stream: impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
) {
    let service = service_fn(|request: Request<Incoming>| {
        let response = match desk {
            Desk::Admin => admin(&shared, &request),
            Desk::Health => health(&shared, &request),
        };
        async move { Ok::<_, Infallible>(response) }
    });
    // A probe that hangs up early is no news.
    let served = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .serve_connection(TokioIo::new(stream), service)
        .await;
    drop(served);
}

fn health(shared: &Shared, request: &Request<Incoming>) -> Response<Full<Bytes>> {
    if request.method() != Method::GET && request.method() != Method::HEAD {
        let mut response = text(StatusCode::METHOD_NOT_ALLOWED, "");
        response
            .headers_mut()
            .insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return response;
    }
    match request.uri().path() {
        "/readyz" if shared.draining() => text(StatusCode::SERVICE_UNAVAILABLE, "draining\n"),
        // None of them depends on the app: the kubelet starts it only after us.
        "/startupz" | "/livez" | "/readyz" => text(StatusCode::OK, "ok\n"),
        "/metrics" => {
            shared.gate.load().count_remembered();
            let mut response = Response::new(Full::from(shared.telemetry.metrics.render()));
            let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
            response
                .headers_mut()
                .insert(CONTENT_TYPE, HeaderValue::from_static(kind));
            response
        }
        _ => text(StatusCode::NOT_FOUND, "not found\n"),
    }
}

fn admin(shared: &Shared, request: &Request<Incoming>) -> Response<Full<Bytes>> {
    if request.method() != Method::GET || request.uri().path() != "/api/v1/status" {
        return text(StatusCode::NOT_FOUND, "not found\n");
    }
    let gate = shared.gate.load();
    let routes: Vec<_> = gate
        .routes
        .all()
        .iter()
        .map(|route| {
            serde_json::json!({
                "path": route.name,
                "provider": route.provider,
                "mode": route.mode.name(),
                "steps": match &route.mode {
                    Mode::Enforce(plan) | Mode::Observe(plan) => plan.groups.len(),
                    Mode::Passthrough => 0,
                },
            })
        })
        .collect();
    let status = serde_json::json!({
        "version": env!("CARGO_PKG_VERSION"),
        "uptime_seconds": shared.started.elapsed().as_secs(),
        "draining": shared.draining(),
        "upstream": gate.upstream.url,
        "in_flight": gate.in_flight.used(),
        "buffered_bytes": gate.buffered.used(),
        "connections": shared.connections.used(),
        "duplicates": match &gate.events {
            Store::Memory(memory) => serde_json::json!({ "store": "memory", "remembered": memory.len() }),
            Store::Redis(_) => serde_json::json!({ "store": "redis" }),
        },
        "routes": routes,
    });
    let mut response = Response::new(Full::from(status.to_string()));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn text(status: StatusCode, body: &'static str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
