//! Whatever HTTP/1.1 can be, by hyper.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use http::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};

use super::beside::{Said, beside};
use super::watched::Watched;
use super::{After, READ_SIZE};
use crate::server::activity::{Heads, Live, Progress, Sight, Tracked, Turn};
use crate::server::session::Session;

/// How many headers hyper allows where it is told nothing.
const HYPER_HEADERS: usize = 100;
/// Bytes read at once by a few connections: it saves a tenth of what a large body costs.
const LARGE_READ_SIZE: usize = 64 * 1024;
/// The busy connections that may read so much at once, of all together: with more of them, 256 bodies
/// of 1 MiB would take more than 16 MiB beside their size.
pub(in crate::server) const LARGE_READERS: usize = 32;

/// Serves requests until there is none for a while, or the connection ends.
pub(super) async fn serve<S>(session: &Session, mut stream: Watched<S>) -> After<S>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let gate = session.gate();
    let (limits, app_timeout) = (gate.limits.clone(), gate.upstream.timeout);
    drop(gate);
    let large = session.large_reader();
    let read_size = match large {
        Some(_) => LARGE_READ_SIZE,
        None => READ_SIZE,
    };
    let activity = stream.activity.clone();
    let mut heads = Heads::new(&activity, stream.awaited.take());
    let progress = Arc::new(Progress::default());
    let service = service_fn(|request: Request<Incoming>| {
        let (live, progress) = (Live::new(activity.clone()), progress.clone());
        let (parts, body) = request.into_parts();
        session.respond(parts.into(), body.into(), |response| {
            Ok::<_, Infallible>(Tracked::response(response, live, progress))
        })
    });
    let mut builder = hyper::server::conn::http1::Builder::new();
    if limits.header_count != HYPER_HEADERS {
        // Even where it is the same number, naming it costs every request.
        builder.max_headers(limits.header_count);
    }
    builder
        // Taken in the loop below: a timer for each head would cost more than reading it.
        .header_read_timeout(None)
        .max_header_size(limits.header_bytes)
        .max_buf_size(read_size.max(limits.header_bytes))
        // A caller that has sent all it will send still gets its answer.
        .half_close(true);
    let mut serving = builder
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let mut beside = beside(session, &limits);
    let mut seen = 0;
    let mut sight = Sight::new(progress.clone());
    let mut stopping = false;
    let ended = loop {
        tokio::select! {
            biased;
            ended = &mut serving => break Some(ended),
            said = &mut beside => match said {
                Said::Stop => {
                    stopping = true;
                    std::pin::Pin::new(&mut serving).graceful_shutdown();
                }
                Said::Look => {
                    if heads.awaited(&activity) >= limits.header_timeout {
                        return After::Over;
                    }
                    if !stopping && activity.is_idle_since(&mut seen) {
                        break None;
                    }
                    if matches!(sight.look(), (Turn::App, waited) if waited >= app_timeout) {
                        progress.give_up();
                    }
                }
            },
        }
    };
    let Some(parts) = serving.into_parts() else {
        return After::Over;
    };
    let mut stream = parts.io.into_inner();
    match ended {
        None => {
            // Empty, it would still hold the whole buffer it was cut from.
            if !parts.read_buf.is_empty() {
                // There would be no telling which comes first.
                if !stream.prefix.is_empty() {
                    return After::Over;
                }
                stream.prefix = parts.read_buf;
            }
            After::Idle(stream)
        }
        Some(Err(error)) if !error.is_parse() => After::Over,
        Some(_) if activity.slow.load(Ordering::Relaxed) => After::Over,
        Some(_) => After::Answered(stream),
    }
}
