//! Whether a large body is worth reading before its request is looked at.

use http::request::Parts;

use super::{Admitted, Arrival, Gate, Peer, admit, framing};
use crate::rejection::Rejection;
use crate::verify::{Caller, Head};

/// Whether a request with this head passes everything up to its body, and may have one so long.
///
/// Nothing is decided by it: where the answer is no, or all of it is here, the request goes down the
/// whole line. A route that counts its requests, or answers some of them itself, is not asked: there
/// the body comes after that.
pub fn is_wanted(gate: &Gate, peer: &Peer, parts: &Parts, length: usize, now: Arrival) -> bool {
    let admitted = || -> Result<bool, Rejection> {
        let host = framing::require_unambiguous(parts)?;
        let client = gate.trust.client(peer.address, &parts.headers)?;
        let found = gate.routes.find(host, parts.uri.path(), &parts.method);
        let route = found.map_err(|(rejection, _)| rejection)?;
        if route.handshakes.is_some() || route.rate.is_some() || length > route.body_limit {
            return Ok(false);
        }
        let caller = Caller {
            address: client,
            certificate: peer.certificate.as_deref(),
        };
        let head = Head {
            method: parts.method.as_str(),
            path: parts.uri.path(),
            query: parts.uri.query(),
            headers: &parts.headers,
        };
        let admitted = admit(route, caller, &head, now.moment)?;
        Ok(matches!(admitted, Admitted::Pending(_)))
    };
    admitted().unwrap_or(false)
}
