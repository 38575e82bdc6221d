//! Whether a large body is worth reading before its request is looked at.

use super::{Admitted, Arrival, Gate, Peer, Slot, admit, framing, panic};
use crate::received::Received;
use crate::rejection::Rejection;
use crate::verify::Caller;

/// The place among the requests at once, if a request with this head passes everything up to its
/// body, and may have one so long.
///
/// Nothing is decided by it: where there is none, or all of the body is here, the request goes down
/// the whole line, and what its head tells is verified once more. A route that counts its requests,
/// or answers some of them itself, is not asked: there the body comes after that.
pub fn wanted(
    gate: &Gate,
    peer: &Peer,
    received: &Received,
    length: usize,
    now: Arrival,
) -> Option<Slot> {
    let admitted = || -> Result<Option<Slot>, Rejection> {
        let head = received.head();
        let host = framing::require_unambiguous(&received.uri, received.version, head.headers)?;
        let client = gate.trust.client(peer.address, head.headers)?;
        let found = gate.routes.find(host, head.path, &received.method);
        let route = found.map_err(|(rejection, _)| rejection)?;
        if route.handshakes.is_some() || route.rate.is_some() || length > route.body_limit {
            return Ok(None);
        }
        let caller = Caller {
            address: client,
            certificate: peer.certificate.as_deref(),
        };
        match admit(route, caller, &head, now.moment)? {
            Admitted::Pending(_) => gate.enter(route, client).map(Some),
            Admitted::Refused(_) | Admitted::Unverified => Ok(None),
        }
    };
    // What panics here does so once more on the line, where it is an answer.
    panic::sound(admitted)?.ok()?
}
