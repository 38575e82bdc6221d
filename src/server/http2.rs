//! HTTP/2. The library times nothing but its pings, which a hostile client may answer for ever: the
//! first request must begin in time, a connection without any is closed like a parked one, and so is
//! one whose client opens no window for an answer.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use http::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};

use super::activity::{Activity, Live, Progress, Sight, Tracked, Turn};
use super::fair::{Begun, Fair};
use super::session::Session;

/// Streams one HTTP/2 client may have open, as Envoy advises for the edge.
const STREAMS: usize = 100;
/// All clients together may have one each, and for each request that may be in flight so many more:
/// an answer that nobody reads keeps 5 KB, and a hundred of them on each of ten thousand connections
/// would be more than any container has.
const TOGETHER: usize = 4;
/// Of those that are left a new connection is given such a part: by the defaults a hundred for each
/// of the first twenty, fewer than ten from the sixtieth on.
const PART: usize = 16;
/// Bytes one HTTP/2 stream, and one connection, may send unread.
const STREAM_WINDOW: u32 = 64 * 1024;
const CONNECTION_WINDOW: u32 = 1024 * 1024;
/// An HTTP/2 client that does not answer a ping for so long is gone.
const PING: Duration = Duration::from_secs(20);
/// How often a connection is looked at.
const LOOK: Duration = Duration::from_millis(250);
/// For so long a client may take its leave.
const FAREWELL: Duration = Duration::from_millis(500);

/// Serves one connection to its end.
pub(super) async fn serve<S>(session: &Session, stream: S)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let gate = session.gate();
    let (limits, app_timeout) = (gate.limits.clone(), gate.upstream.timeout);
    drop(gate);
    let activity = Arc::new(Activity::default());
    let (answers, begun) = (Answers::default(), Begun::default());
    let service = service_fn(|request: Request<Incoming>| {
        begun.count();
        let live = Live::new(activity.clone());
        let progress = answers.begin();
        let (parts, body) = request.into_parts();
        session.respond(parts.into(), body.into(), |response| {
            Ok::<_, Infallible>(Tracked::response(response, live, progress))
        })
    });
    let together = limits.in_flight.saturating_mul(TOGETHER);
    let streams = session.streams(together, PART, STREAMS.saturating_sub(1));
    let most_streams = u32::try_from(streams.amount())
        .unwrap_or(0)
        .saturating_add(1);
    let largest_head = u32::try_from(limits.header_bytes).unwrap_or(u32::MAX);
    let mut builder = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(most_streams)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_header_list_size(largest_head)
        .keep_alive_interval(PING)
        .keep_alive_timeout(PING);
    let mut serving =
        pin!(builder.serve_connection(TokioIo::new(Fair::new(stream, begun.clone())), service));
    let mut draining = pin!(session.draining());
    let (mut stopping, mut seen, mut quiet) = (false, 0, Instant::now());
    loop {
        tokio::select! {
            _ = &mut serving => return,
            () = &mut draining, if !stopping => {
                stopping = true;
                serving.as_mut().graceful_shutdown();
            }
            () = tokio::time::sleep(LOOK) => {
                if !activity.is_quiet_since(&mut seen) {
                    quiet = Instant::now();
                }
                let limit = if seen == 0 { limits.header_timeout } else { limits.idle_timeout };
                let stalled = answers.stalled(app_timeout, limits.send_timeout);
                if stalled || quiet.elapsed() >= limit {
                    break;
                }
            }
        }
    }
    serving.as_mut().graceful_shutdown();
    // Whoever does not hang up now is hung up on.
    drop(tokio::time::timeout(FAREWELL, serving).await);
}

/// The answers on their way.
#[derive(Debug, Default)]
struct Answers(Mutex<Vec<Sight>>);

impl Answers {
    fn begin(&self) -> Arc<Progress> {
        let progress = Arc::new(Progress::of_stream());
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.push(Sight::new(progress.clone()));
        progress
    }

    /// Ends the answers of which the app owes the rest for too long. True when the client has left
    /// room for none of an answer: nothing but the end of the connection ends that one.
    fn stalled(&self, app_timeout: Duration, send_timeout: Duration) -> bool {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|sight| !sight.is_over());
        all.iter_mut().any(|sight| match sight.look() {
            (Turn::App, waited) if waited >= app_timeout => {
                sight.progress.give_up();
                false
            }
            (Turn::Caller, waited) => waited >= send_timeout,
            _ => false,
        })
    }
}
