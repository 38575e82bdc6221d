//! Health and metrics, on a listener of their own: never on the port that callers reach.

use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};

use super::{Shared, admin};

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
    peer: Option<IpAddr>,
    stream: impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
) {
    let service = service_fn(|request: Request<Incoming>| {
        let shared = shared.clone();
        async move {
            Ok::<_, Infallible>(match desk {
                Desk::Admin => admin::answer(&shared, &request, peer).await,
                Desk::Health => health(&shared, &request).map(into_body),
            })
        }
    });
    // A probe that hangs up early is no news.
    let served = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .serve_connection(TokioIo::new(stream), service)
        .await;
    drop(served);
}

fn health(shared: &Shared, request: &Request<Incoming>) -> Response<Bytes> {
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
            let mut response = Response::new(Bytes::from(shared.telemetry.metrics.render()));
            let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
            response
                .headers_mut()
                .insert(CONTENT_TYPE, HeaderValue::from_static(kind));
            response
        }
        _ => text(StatusCode::NOT_FOUND, "not found\n"),
    }
}

/// What the health listener answers is always whole.
fn into_body(bytes: Bytes) -> admin::Body {
    admin::Body::whole(bytes)
}

fn text(status: StatusCode, body: &'static str) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from_static(body.as_bytes()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
