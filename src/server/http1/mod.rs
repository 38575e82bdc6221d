//! HTTP/1.1. A webhook that is here whole when it is read is answered at once (`prompt`); all else
//! is hyper's (`general`). A connection that waits for its next request gives its buffers up: it is
//! parked as a bare socket until a byte arrives, so that thousands of idle ones cost next to nothing,
//! and a kept-alive one may wait longer than a request head may take.

mod beside;
mod general;
pub mod head;
mod large;
mod prompt;
mod reading;
mod reply;
mod watched;

use std::ops::ControlFlow;
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use self::watched::Watched;
use super::session::Session;

pub(super) use self::general::LARGE_READERS;
pub(super) use self::reading::GATHERED;

/// Bytes read at once. Each busy connection has a buffer of this size, or up to twice that, beside
/// the body.
const READ_SIZE: usize = 16 * 1024;
/// What a caller still sends after its answer is read and thrown away, for so long and so much at
/// most, until it has sent nothing for a while.
const HEAR_OUT: Duration = Duration::from_secs(2);
const HEAR_OUT_BYTES: usize = 16 << 20;
const SILENCE: Duration = Duration::from_millis(500);
const SILENCE_WHILE_DRAINING: Duration = Duration::from_millis(20);

/// Serves one connection to its end.
pub(super) async fn serve<S>(session: &Session, stream: S)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut stream = Watched::new(stream);
    loop {
        // Boxed, so that a parked connection keeps no room for the state of a busy one.
        let after = match Box::pin(prompt::serve(session, stream)).await {
            ControlFlow::Continue(stream) => Box::pin(general::serve(session, stream)).await,
            ControlFlow::Break(after) => after,
        };
        match after {
            After::Idle(idle) => match parked(session, idle).await {
                Some(awake) => stream = awake,
                None => return,
            },
            After::Answered(answered) => return Box::pin(hear_out(session, answered)).await,
            After::Over => return,
        }
    }
}

/// How the service of requests ended.
enum After<S> {
    /// There is no request now.
    Idle(Watched<S>),
    /// We have ended the connection, and the caller may not have noticed yet.
    Answered(Watched<S>),
    /// Nobody is there any more, or somebody else has the connection.
    Over,
}

/// Reads what the caller sends without having seen its answer. A socket that is closed with unread
/// bytes resets the connection, and the answer is lost on a caller that writes all it has before it
/// reads (RFC 9112 §9.6).
async fn hear_out<S>(session: &Session, mut stream: Watched<S>)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let silence = if session.is_draining() {
        SILENCE_WHILE_DRAINING
    } else {
        SILENCE
    };
    (stream.prefix, stream.leave) = (Bytes::new(), None);
    let hearing = async {
        // The other end may be gone already.
        drop(stream.io.shutdown().await);
        let (mut buffer, mut heard) = (vec![0; 16 * 1024], 0_usize);
        while heard < HEAR_OUT_BYTES
            && let Ok(Ok(length @ 1..)) =
                tokio::time::timeout(silence, stream.io.read(&mut buffer)).await
        {
            heard = heard.saturating_add(length);
        }
    };
    drop(tokio::time::timeout(HEAR_OUT, hearing).await);
}

/// Waits for the first byte of the next request; `None` when the connection ends instead.
async fn parked<S>(session: &Session, mut stream: Watched<S>) -> Option<Watched<S>>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    if !stream.prefix.is_empty() {
        return Some(stream);
    }
    let time = session.gate().limits.idle_timeout;
    let mut first = [0];
    let arrived = tokio::select! {
        read = tokio::time::timeout(time, stream.io.read(&mut first)) => {
            matches!(read, Ok(Ok(1)))
        }
        () = session.draining() => false,
    };
    if !arrived {
        // The other end may be gone already.
        drop(stream.io.shutdown().await);
        return None;
    }
    stream.prefix = Bytes::copy_from_slice(&first);
    Some(stream)
}
