//! Bodies that are too large to be gathered on trust. What their heads tell is looked at first; then
//! each is read straight into the place where it stays, as much at once as is there. By hyper it would
//! come in pieces, and be copied.

use bytes::{Buf as _, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt as _};

use super::head::Begun;
use super::watched::Watched;
use crate::proxy::{Arrival, Arriving, Gathered};
use crate::received::Received;
use crate::rejection::Rejection;
use crate::server::session::Session;

/// Larger ones are hyper's: one in one piece is also hashed in one go, and so long, a millisecond and a
/// half, everybody else waits.
const LARGEST: usize = 2 << 20;

/// Takes the request that begins with `read`, with its body; `None` where it is none of these, and
/// nothing was taken.
pub(super) async fn take<S: AsyncRead + Unpin>(
    session: &Session,
    stream: &mut Watched<S>,
    read: &mut Bytes,
    begun: Begun,
) -> Option<(Received, Arriving)> {
    let since = Arrival::now();
    let Begun {
        received,
        ahead,
        all: wanted,
    } = begun;
    let length = wanted.saturating_sub(ahead);
    if length > LARGEST {
        return None;
    }
    let gate = session.gate();
    let slot = session.wanted(&gate, &received, length, since)?;
    let mut all = BytesMut::with_capacity(wanted);
    all.extend_from_slice(read);
    (*read, stream.leave) = (Bytes::new(), None);
    // Only what has arrived counts: an announcement costs its sender nothing.
    let mut reserved = gate.buffered.empty();
    let reading = async {
        loop {
            if !reserved.grow_to(all.len().saturating_sub(ahead)) {
                return Some(Rejection::Overloaded);
            }
            if all.len() >= wanted {
                return None;
            }
            match stream.io.read_buf(&mut all).await {
                Ok(1..) => {}
                Ok(0) | Err(_) => return Some(Rejection::BodyIncomplete),
            }
        }
    };
    let broken = match tokio::time::timeout(gate.limits.body_timeout, reading).await {
        Ok(broken) => broken,
        Err(_) => Some(Rejection::BodyTimeout),
    };
    if all.len() > wanted {
        // What is more begins the next request. Copied: it would hold the body, which is counted no
        // longer than it has to be.
        *read = Bytes::copy_from_slice(&all.split_off(wanted));
    }
    all.advance(ahead);
    let body = Gathered {
        bytes: all.freeze(),
        broken,
        since,
        slot,
        reserved,
    };
    Some((received, body.into()))
}
