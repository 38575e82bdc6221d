//! Requests that are whole when they are read, or a moment later, as most webhooks are. Reading and
//! answering them is a small part of what hyper has to be ready for, and costs much less.

use std::future::poll_fn;
use std::io;
use std::ops::ControlFlow;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite};

use super::beside::{Said, beside};
use super::head::{self, Found};
use super::watched::Watched;
use super::{After, READ_SIZE, large, reply};
use crate::budget::Reserved;
use crate::proxy::Arriving;
use crate::server::connection::Session;

/// What follows the head of a request is mostly on its way already. For so long it is waited for: who
/// is slower is hyper's, and one that is refused by its head alone hears of it a little later.
const SOON: Duration = Duration::from_millis(10);
/// The longest request that is gathered so.
const LARGEST: usize = 128 * 1024;
/// What may be gathered at once, of all together, beyond what is read at once: the budget of bodies
/// does not count it yet.
pub(in crate::server) const GATHERED: usize = 32 * LARGEST;

/// Serves requests as long as each is whole. Continues with the connection, and what was read of it,
/// at the first one that is not.
pub(super) async fn serve<S>(
    session: &Session,
    mut stream: Watched<S>,
) -> ControlFlow<After<S>, Watched<S>>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let gate = session.gate();
    let (limits, app_timeout) = (gate.limits.clone(), gate.upstream.timeout);
    drop(gate);
    let mut beside = beside(session, &limits);
    let mut room = BytesMut::new();
    let mut out = Vec::new();
    let mut read = std::mem::take(&mut stream.prefix);
    let mut first = true;
    let (mut answered, mut seen) = (0_usize, 0);
    loop {
        // Empty, it would still hold what it was cut from, which is read into again.
        while read.is_empty() {
            read = Bytes::new();
            room.reserve(READ_SIZE);
            tokio::select! {
                biased;
                arrived = stream.io.read_buf(&mut room) => match arrived {
                    Ok(1..) => read = room.split().freeze(),
                    // All is answered; TLS has to say so too (RFC 8446 §6.1).
                    Ok(0) => return ControlFlow::Break(After::Answered(stream)),
                    Err(_) => return ControlFlow::Break(After::Over),
                },
                said = &mut beside => match said {
                    Said::Stop => return ControlFlow::Break(After::Answered(stream)),
                    Said::Look => match stream.awaited {
                        Some(since) if since.elapsed() >= limits.header_timeout => {
                            return ControlFlow::Break(After::Over);
                        }
                        None if std::mem::replace(&mut seen, answered) == answered => {
                            return ControlFlow::Break(After::Idle(stream));
                        }
                        Some(_) | None => {}
                    }
                },
            }
        }
        let mut found = head::take(&mut read, &limits);
        if matches!(found, Found::Other) && std::mem::take(&mut first) {
            // That was what woke a parked connection, or was read to find out what speaks: the rest
            // is mostly here too.
            let all = read.len().saturating_add(READ_SIZE);
            if gather(&mut stream.io, &mut read, all, None).await.is_err() {
                return ControlFlow::Break(After::Over);
            }
            found = head::take(&mut read, &limits);
        }
        if let Found::Begun(missing) = found
            && let all = read.len().saturating_add(missing)
            && let Some(leave) = leave(session, all)
        {
            stream.leave = leave;
            let gathered = gather(&mut stream.io, &mut read, all, Some(SOON)).await;
            if gathered.is_err() {
                return ControlFlow::Break(After::Over);
            }
            found = head::take(&mut read, &limits);
        }
        let request = match found {
            Found::Whole(received, body) => Some((received, Arriving::from(body))),
            Found::Begun(missing) if read.len().saturating_add(missing) > LARGEST => {
                // Boxed: few requests need the room for it.
                Box::pin(large::take(session, &limits, &mut stream.io, &mut read)).await
            }
            Found::Begun(_) | Found::Other => None,
        };
        let Some((received, arriving)) = request else {
            stream.prefix = read;
            return ControlFlow::Continue(stream);
        };
        // From here on the budget counts it.
        (stream.awaited, stream.leave) = (None, None);
        answered = answered.wrapping_add(1);
        let broken = arriving.is_broken();
        // Boxed: it is large, and would be moved around before it begins.
        let response = Box::pin(session.respond(received, arriving, |response| response)).await;
        let last = broken || session.is_draining();
        match reply::send(&mut stream.io, &mut out, response, last, app_timeout).await {
            Ok(reply::Then::Stays) => {}
            Ok(reply::Then::Closes) => return ControlFlow::Break(After::Answered(stream)),
            Err(_) => return ControlFlow::Break(After::Over),
        }
    }
}

/// Leave to gather a request of this length before anything is known of it. One that fits into what
/// is read at once needs none.
fn leave(session: &Session, length: usize) -> Option<Option<Reserved>> {
    match length {
        0..=READ_SIZE => Some(None),
        _ if length <= LARGEST => session.gathering(length).map(Some),
        _ => None,
    }
}

/// Reads on until there are so many bytes in all, or as many as come within the time: without one,
/// those that are here.
async fn gather<S: AsyncRead + Unpin>(
    io: &mut S,
    read: &mut Bytes,
    wanted: usize,
    time: Option<Duration>,
) -> io::Result<()> {
    let mut all = BytesMut::with_capacity(wanted);
    all.extend_from_slice(read);
    *read = Bytes::new();
    let mut reading = pin!(async {
        while all.len() < wanted && io.read_buf(&mut all).await? > 0 {}
        Ok(())
    });
    let ended = match time {
        Some(time) => tokio::time::timeout(time, reading).await.ok(),
        None => {
            poll_fn(|context| {
                Poll::Ready(match reading.as_mut().poll(context) {
                    Poll::Ready(ended) => Some(ended),
                    Poll::Pending => None,
                })
            })
            .await
        }
    };
    *read = all.freeze();
    ended.unwrap_or(Ok(()))
}
