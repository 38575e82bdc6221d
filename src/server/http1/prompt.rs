//! Requests that are whole when they are read, as most webhooks are. Reading and answering them is a
//! small part of what hyper has to be ready for, and costs half as much.

use std::future::poll_fn;
use std::ops::ControlFlow;
use std::pin::pin;
use std::task::Poll;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite};

use super::beside::{Said, beside};
use super::watched::Watched;
use super::{After, READ_SIZE, head, reply};
use crate::proxy::Arriving;
use crate::server::connection::Session;

/// Serves requests as long as each is whole when it is read. Continues with the connection, and what
/// was read of it, at the first one that is not.
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
        let mut request = head::take(&mut read, &limits);
        if request.is_none() && std::mem::take(&mut first) {
            // That was what woke a parked connection, or was read to find out what speaks: the rest
            // is mostly here too.
            room.reserve(READ_SIZE.saturating_add(read.len()));
            room.extend_from_slice(&read);
            let mut more = pin!(stream.io.read_buf(&mut room));
            // How it ended is seen again at the next read.
            drop(poll_fn(|context| Poll::Ready(more.as_mut().poll(context))).await);
            read = room.split().freeze();
            request = head::take(&mut read, &limits);
        }
        let Some(request) = request else {
            stream.prefix = read;
            return ControlFlow::Continue(stream);
        };
        stream.awaited = None;
        answered = answered.wrapping_add(1);
        let request = request.map(Arriving::from);
        // Boxed: it is large, and would be moved around before it begins.
        let response = Box::pin(session.respond(request, |response| response)).await;
        let last = session.is_draining();
        match reply::send(&mut stream.io, &mut out, response, last, app_timeout).await {
            Ok(reply::Then::Stays) => {}
            Ok(reply::Then::Closes) => return ControlFlow::Break(After::Answered(stream)),
            Err(_) => return ControlFlow::Break(After::Over),
        }
    }
}
