//! Routes: which request goes by which rules.

mod path;
mod table;

use std::sync::Arc;

use http::{HeaderValue, Method, StatusCode};

pub use path::{PathError, Pattern, is_ambiguous};
pub use table::{Overlap, Routes};

use crate::budget::Budget;
use crate::duplicates::Rule;
use crate::event::Rules;
use crate::handshake::Handshakes;
use crate::rejection::Rejection;
use crate::schema::Schema;
use crate::units::Rate;
use crate::verify::{Place, Plan, Step};

/// One `[[route]]`, compiled.
#[derive(Debug)]
pub struct Route {
    /// `path` as written; the name of the route everywhere.
    pub name: Arc<str>,
    /// What it matches.
    pub pattern: Pattern,
    /// The only host it matches, in lower case.
    pub host: Option<String>,
    /// The methods it takes; empty for every method.
    pub methods: Vec<Method>,
    /// What is done with a request.
    pub mode: Mode,
    /// The provider's name.
    pub provider: Option<Arc<str>>,
    /// What a verified body must look like.
    pub schema: Option<Schema>,
    /// Where event type, id and time stand.
    pub event: Rules,
    /// How copies of an event are told, and what is done with them; `None` where nothing is
    /// remembered.
    pub copies: Option<Rule>,
    /// The documented event types: the only ones that become metric labels.
    pub known_events: Vec<String>,
    /// Static credentials that the app must not see.
    pub strip: Vec<Place>,
    /// The questions of the provider that are answered here.
    pub handshakes: Option<Box<Handshakes>>,
    /// Replaces 401 and 403.
    pub reject_status: Option<StatusCode>,
    /// 200: every other 2xx of the app is answered as 200.
    pub success_status: Option<StatusCode>,
    /// Whether a refusal has a body.
    pub reject_body: bool,
    /// Largest body, in bytes.
    pub body_limit: usize,
    /// Most requests of this route at once.
    pub in_flight: Option<Budget>,
    /// Most requests of one client.
    pub rate: Option<Rate>,
    /// The path the app is called with instead.
    pub upstream_path: Option<String>,
    /// Its place in the file.
    pub index: usize,
    /// Header values that never change.
    pub fixed: Fixed,
}

/// What is done with a request of a route.
#[derive(Debug)]
pub enum Mode {
    /// Only what is verified is forwarded.
    Enforce(Plan),
    /// Everything is forwarded, nothing is claimed.
    Observe(Plan),
    /// Not verified at all.
    Passthrough,
}

/// Header values made once.
#[derive(Debug)]
pub struct Fixed {
    /// `X-Gatepost-Provider`.
    pub provider: Option<HeaderValue>,
    /// `X-Gatepost-Route`.
    pub route: HeaderValue,
    /// `Allow` of a 405.
    pub allow: HeaderValue,
    /// `WWW-Authenticate` of a 401.
    pub challenge: Option<HeaderValue>,
}

impl Route {
    /// Whether it takes this method, if only for a handshake.
    pub fn takes(&self, method: &Method) -> bool {
        let asks = |handshakes: &Handshakes| handshakes.take(method);
        self.forwards(method) || self.handshakes.as_deref().is_some_and(asks)
    }

    /// Whether requests with this method may reach the app.
    pub fn forwards(&self, method: &Method) -> bool {
        self.methods.is_empty() || self.methods.contains(method)
    }
}

impl Mode {
    /// The check that refuses for this reason, if only one of the route can.
    pub fn check_of(&self, reason: Rejection) -> Option<&'static str> {
        let (Self::Enforce(plan) | Self::Observe(plan)) = self else {
            return None;
        };
        if reason == Rejection::IpNotAllowed {
            return Some("ip");
        }
        let mut able = plan
            .groups
            .iter()
            .flatten()
            .filter(|step| step.may_refuse(reason));
        able.next()
            .filter(|_| able.next().is_none())
            .map(Step::label)
    }

    /// The name in the grammar.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Enforce(_) => "enforce",
            Self::Observe(_) => "observe",
            Self::Passthrough => "passthrough",
        }
    }
}
