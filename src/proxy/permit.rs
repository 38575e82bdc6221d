//! The permission to forward a request: the one value that forwarding consumes.

use super::Refused;
use super::intake::Arriving;
use crate::budget::Reserved;
use crate::event::Event;
use crate::rejection::Rejection;
use crate::route::{Mode, Route};
use crate::verify::Verified;

/// Why a request may go to the app. Its inside is private: on an enforced route only a
/// [`Verified`] makes one.
#[derive(Debug)]
pub(super) struct Permit(Ground);

/// What the permission rests on, together with the bytes it is for.
#[derive(Debug)]
pub(super) enum Ground {
    /// The route only observes, and this request would have been refused.
    Observed(Refused),
    /// The route passes everything through.
    Passthrough(Arriving),
    /// Every step passed.
    Verified {
        verified: Verified,
        event: Event,
        reserved: Reserved,
    },
}

impl Permit {
    /// Every step passed.
    pub(super) fn verified(verified: Verified, event: Event, reserved: Reserved) -> Self {
        Self(Ground::Verified {
            verified,
            event,
            reserved,
        })
    }

    /// For a route that only observes: forwards what was refused, without any claim.
    ///
    /// # Errors
    ///
    /// The refusal itself: on every other route, and when the body cannot be forwarded whole.
    pub(super) fn observed(route: &Route, refused: Refused) -> Result<Self, Rejection> {
        let broken = matches!(
            refused.rejection,
            Rejection::BodyIncomplete | Rejection::BodyTimeout | Rejection::Overloaded
        );
        match route.mode {
            Mode::Observe(_) if !broken => Ok(Self(Ground::Observed(refused))),
            Mode::Enforce(_) | Mode::Observe(_) | Mode::Passthrough => Err(refused.rejection),
        }
    }

    /// For a route that passes everything through.
    ///
    /// # Errors
    ///
    /// `Internal` on every other route: nothing is forwarded unverified by mistake.
    pub(super) fn passthrough(route: &Route, arriving: Arriving) -> Result<Self, Rejection> {
        match route.mode {
            Mode::Passthrough => Ok(Self(Ground::Passthrough(arriving))),
            Mode::Enforce(_) | Mode::Observe(_) => Err(Rejection::Internal),
        }
    }

    /// What it rests on, to look at.
    pub(super) const fn ground(&self) -> &Ground {
        &self.0
    }

    /// What it rests on, to use it up.
    pub(super) fn into_ground(self) -> Ground {
        self.0
    }
}
