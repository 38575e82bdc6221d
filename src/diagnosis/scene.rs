//! Everything that the verdict of one step depends on, so that any of it can be changed.

use std::net::{IpAddr, Ipv4Addr};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::rejection::Rejection;
use crate::verify::signed::Signature;
use crate::verify::{Body, Head, Moment, Plan, Step, Verified};

/// One step, and the request and time it is judged by. Nothing is ever forwarded from here: a
/// verdict of a changed scene only tells what was wrong with the real one.
#[derive(Debug, Clone)]
pub(super) struct Scene {
    pub(super) step: Step,
    pub(super) method: String,
    pub(super) path: String,
    pub(super) query: Option<String>,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    pub(super) now: Moment,
}

impl Scene {
    /// The verdict of this step alone, by the very code that judges requests.
    pub(super) fn judge(&self) -> Result<Verified, Rejection> {
        judge(
            &self.alone(),
            IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            &self.head(),
            &self.body,
            self.now,
            false,
        )
    }

    /// Whether the head alone refuses nothing.
    pub(super) fn is_admitted(&self) -> bool {
        let plan = self.alone();
        let nobody = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        plan.admit(nobody, &self.head(), self.now).is_ok()
    }

    fn alone(&self) -> Plan {
        Plan {
            addresses: None,
            groups: vec![vec![self.step.clone()]],
        }
    }

    pub(super) fn head(&self) -> Head<'_> {
        Head {
            method: &self.method,
            path: &self.path,
            query: self.query.as_deref(),
            headers: &self.headers,
        }
    }

    /// The step, where it checks a signed message.
    pub(super) fn signature(&self) -> Option<&Signature> {
        if let Step::Signature(signature) = &self.step {
            Some(signature)
        } else {
            None
        }
    }

    /// The same, to change it.
    pub(super) fn signature_mut(&mut self) -> Option<&mut Signature> {
        if let Step::Signature(signature) = &mut self.step {
            Some(signature)
        } else {
            None
        }
    }

    /// Puts another value into a header; `false` when it cannot be one.
    pub(super) fn set_header(&mut self, name: &HeaderName, value: &[u8]) -> bool {
        let Ok(value) = HeaderValue::from_bytes(value) else {
            return false;
        };
        self.headers.insert(name.clone(), value);
        true
    }

    /// The only value of a header.
    pub(super) fn header(&self, name: &HeaderName) -> Option<&[u8]> {
        self.headers.get(name).map(HeaderValue::as_bytes)
    }
}

/// The verdict of a whole plan on a request that is there in full; with `identify` also what was
/// signed.
pub(super) fn judge(
    plan: &Plan,
    client: IpAddr,
    head: &Head<'_>,
    body: &Bytes,
    now: Moment,
    identify: bool,
) -> Result<Verified, Rejection> {
    let mut pending = plan.admit(client, head, now)?;
    if identify {
        pending.identify();
    }
    pending.update(body);
    pending
        .finish(head, Body::from(body.clone()))
        .map_err(|refused| refused.rejection)
}
