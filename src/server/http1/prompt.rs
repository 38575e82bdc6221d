//! Requests that are whole when they are read, or a moment later, as most webhooks are. Reading and
//! answering them is a small part of what hyper has to be ready for, and costs much less.

use std::ops::ControlFlow;
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite};

use super::beside::{Said, beside};
use super::head::{self, Found};
use super::reading::{LARGEST, Room, counted, gather, leave};
use super::watched::Watched;
use super::{After, READ_SIZE, large, reply};
use crate::proxy::Arriving;
use crate::server::session::Session;

/// What follows the head of a request is mostly on its way already. For so long it is waited for: who
/// is slower is hyper's, and one that is refused by its head alone hears of it a little later.
const SOON: Duration = Duration::from_millis(10);

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
    let mut room = Room::default();
    let mut out = Vec::new();
    let mut read = std::mem::take(&mut stream.prefix);
    let mut first = true;
    let (mut answered, mut seen) = (0_usize, 0);
    loop {
        // Empty, it would still hold what it was cut from, which is read into again.
        while read.is_empty() {
            read = Bytes::new();
            tokio::select! {
                biased;
                arrived = room.read(session.gathered(), &mut stream.io) => match arrived {
                    // All is answered; TLS has to say so too (RFC 8446 §6.1).
                    Ok((bytes, _)) if bytes.is_empty() => {
                        return ControlFlow::Break(After::Answered(stream));
                    }
                    Ok((bytes, held)) => (read, stream.leave) = (bytes, held),
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
        if let Found::Begun(begun) = found {
            found = match begun.by_itself() {
                Some(begun) if leave(session.gathered(), &mut stream.leave, begun.all) => {
                    let io = &mut stream.io;
                    let gathered = gather(io, &mut read, begun.all, Some(SOON)).await;
                    if gathered.is_err() {
                        return ControlFlow::Break(After::Over);
                    }
                    begun.take(&mut read)
                }
                Some(begun) => Found::Begun(begun),
                None => Found::Other,
            };
        }
        let request = match found {
            Found::Whole(received, body) => {
                room.expect(body.len());
                // What follows it stands in the same buffer.
                if read.is_empty() {
                    counted(&mut stream.leave, body.len());
                }
                Some((received, Arriving::from(body)))
            }
            Found::Begun(begun) if begun.all > LARGEST => {
                // Boxed: few requests need the room for it.
                Box::pin(large::take(session, &mut stream, &mut read, begun)).await
            }
            Found::Begun(_) | Found::Other => None,
        };
        let Some((received, arriving)) = request else {
            stream.prefix = read;
            return ControlFlow::Continue(stream);
        };
        stream.awaited = None;
        answered = answered.wrapping_add(1);
        let broken = arriving.is_broken();
        // Boxed: it is large, and would be moved around before it begins.
        let response = Box::pin(session.respond(received, arriving, |response| response)).await;
        let last = broken || session.is_draining();
        let sent = reply::send(&mut stream.io, &mut out, response, last, app_timeout).await;
        if read.is_empty() {
            stream.leave = None;
        }
        match sent {
            Ok(reply::Then::Stays) => {}
            Ok(reply::Then::Closes) => return ControlFlow::Break(After::Answered(stream)),
            Err(_) => return ControlFlow::Break(After::Over),
        }
    }
}
