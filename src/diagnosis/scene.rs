//! Everything that the verdict of one step depends on, so that any of it can be changed.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::rejection::Rejection;
use crate::verify::signed::Signature;
use crate::verify::{Body, Head, Moment, Pending, Step, Verified};

/// One step, and the request and time it is judged by. Nothing is ever forwarded from here: a
/// verdict of a changed scene only tells what was wrong with the real one.
///
/// Every near miss begins with a copy, and changes little of it: what is large is shared.
#[derive(Debug, Clone)]
pub(super) struct Scene {
    pub(super) step: Arc<Step>,
    pub(super) method: String,
    pub(super) path: String,
    pub(super) query: Option<String>,
    pub(super) headers: Arc<HeaderMap>,
    pub(super) body: Bytes,
    pub(super) now: Moment,
}

impl Scene {
    /// The verdict of this step alone, by the very code that judges requests.
    pub(super) fn judge(&self) -> Result<Verified, Rejection> {
        let head = self.head();
        judge(self.step.admit(&head, self.now)?, &head, &self.body)
    }

    /// Whether the head alone refuses nothing.
    pub(super) fn is_admitted(&self) -> bool {
        self.step.admit(&self.head(), self.now).is_ok()
    }

    pub(super) fn head(&self) -> Head<'_> {
        Head {
            method: &self.method,
            path: &self.path,
            query: self.query.as_deref(),
            headers: (&*self.headers).into(),
        }
    }

    /// The step, to change it.
    pub(super) fn step_mut(&mut self) -> &mut Step {
        Arc::make_mut(&mut self.step)
    }

    /// The step, where it checks a signed message.
    pub(super) fn signature(&self) -> Option<&Signature> {
        if let Step::Signature(signature) = &*self.step {
            Some(signature)
        } else {
            None
        }
    }

    /// The same, to change it.
    pub(super) fn signature_mut(&mut self) -> Option<&mut Signature> {
        if let Step::Signature(signature) = self.step_mut() {
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
        Arc::make_mut(&mut self.headers).insert(name.clone(), value);
        true
    }

    /// The only value of a header.
    pub(super) fn header(&self, name: &HeaderName) -> Option<&[u8]> {
        self.headers.get(name).map(HeaderValue::as_bytes)
    }
}

/// The verdict on a request of which the whole body is there.
pub(super) fn judge(
    mut pending: Pending<'_>,
    head: &Head<'_>,
    body: &Bytes,
) -> Result<Verified, Rejection> {
    pending.update(body);
    pending
        .finish(head, Body::from(body.clone()))
        .map_err(|refused| refused.rejection)
}
