//! How a route tells the copies of an event, and what it does with them.

use crate::event::Event;
use crate::fingerprint::{Fingerprint, Fingerprinter};
use crate::verify::Verified;

/// What is done with a copy of an event that the app has taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnCopy {
    /// It is answered with 200; the app does not see it.
    Acknowledge,
    /// It goes to the app, with a header that says so.
    Forward,
    /// It is answered with 409; the app does not see it.
    Reject,
}

impl OnCopy {
    /// What becomes of a copy, for reports.
    pub const fn describe(self) -> &'static str {
        match self {
            Self::Acknowledge => "is answered with a success and does not reach the app",
            Self::Forward => "reaches the app, marked as a duplicate",
            Self::Reject => "is answered with 409 and does not reach the app",
        }
    }

    /// The name in the grammar, and the label of the metric.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Acknowledge => "acknowledge",
            Self::Forward => "forward",
            Self::Reject => "reject",
        }
    }
}

/// What tells an event from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Basis {
    /// Its type and id: [`Event::key`].
    Event,
    /// The route's `duplicate_key`: [`Event::key`] too.
    Own,
    /// What its sender signed: [`Verified::signed`].
    Signed,
}

impl Basis {
    /// In a few words, for `check` and `explain`.
    pub const fn describe(self) -> &'static str {
        match self {
            Self::Event => "type and id",
            Self::Own => "duplicate_key",
            Self::Signed => "what was signed",
        }
    }
}

/// A route's rule.
#[derive(Debug, Clone)]
pub struct Rule {
    on_copy: OnCopy,
    basis: Basis,
    /// Provider, host and path: another route is another delivery.
    route: Fingerprinter,
}

impl Rule {
    /// The rule of the route that takes `host` and `path` from `provider`.
    pub fn new(
        on_copy: OnCopy,
        basis: Basis,
        provider: Option<&str>,
        host: Option<&str>,
        path: &str,
    ) -> Self {
        // The version: it changes when the same event would get another key.
        let route = [provider, host, Some(path)]
            .into_iter()
            .fold(Fingerprinter::new("duplicates 2"), |print, field| {
                print.with(field.unwrap_or_default().as_bytes())
            })
            .filled();
        Self {
            on_copy,
            basis,
            route,
        }
    }

    /// What is done with a copy.
    pub const fn on_copy(&self) -> OnCopy {
        self.on_copy
    }

    /// What tells an event from another.
    pub const fn basis(&self) -> Basis {
        self.basis
    }

    /// Under which key the event is remembered; `None` where nothing tells it from another: then it
    /// is forwarded and not remembered.
    pub fn key(&self, verified: &Verified, event: &Event) -> Option<Fingerprint> {
        let signed = verified.signed();
        let own = match self.basis {
            Basis::Event | Basis::Own => event.key.as_ref()?.as_bytes(),
            Basis::Signed => signed.as_ref()?.as_bytes(),
        };
        Some(self.route.clone().with(own).finish())
    }
}
