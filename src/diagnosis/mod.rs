//! Why a request is refused: each step in its order, what it expected and what came, and the near
//! misses with which it would have passed.
//!
//! Every verdict here is [`Plan`]'s own: a step is looked at alone, and a near miss is the same
//! step on a scene in which one thing is different. What passes here passes nowhere else: nothing
//! in this module makes anything that could be forwarded, and a [`Report`] holds no secret, no
//! body and no signature.

mod credentials;
mod duration;
mod each;
mod happening;
mod keys;
mod message_signatures;
mod messages;
mod narrate;
mod near;
mod provers;
mod readings;
mod report;
mod rewritings;
mod routing;
mod scene;
mod secrets;
mod settled;
mod signed;
mod tokens;
mod trial;
mod urls;
mod written;

use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::request::Parts;

pub use duration::duration;
pub use report::{Copies, Report, Seen, State};
pub use trial::Guess;

use self::keys::Keys;
use self::scene::Scene;
use crate::address::Trust;
use crate::duplicates::Basis;
use crate::rejection::Rejection;
use crate::route::{Mode, Route, Routes};
use crate::verify::{Head, Moment, Plan, Step};

/// A request that is there in full, and how it came.
#[derive(Debug)]
pub struct Case<'a> {
    /// Method, path, headers.
    pub parts: &'a Parts,
    /// The host it is for.
    pub host: &'a str,
    /// All bytes of the body.
    pub body: &'a Bytes,
    /// The other end of the connection; `None` where that is not known.
    pub peer: Option<IpAddr>,
    /// The time to judge it by.
    pub now: Moment,
    /// What was found about the form of its body, before any step.
    pub plain: Result<(), Rejection>,
    /// The refusal came before the body was read: what is bound to it is not known.
    pub unread: bool,
    /// How long near misses may be looked for.
    pub limit: Duration,
}

/// Examines a request as the line of `proxy` would judge it.
pub fn examine(routes: &Routes, trust: &Trust, case: &Case<'_>) -> Report {
    let parts = case.parts;
    let path = parts.uri.path();
    let mut report = Report::new(parts.method.as_str(), &routing::printable(path));
    let client = match case
        .peer
        .map(|peer| trust.client(peer, (&parts.headers).into()))
    {
        None => None,
        Some(Ok(client)) => Some(client),
        Some(Err(rejection)) => {
            let expected = "an address in the header that the trusted proxy sets".to_owned();
            report.fail(
                "client address",
                rejection,
                expected,
                "nothing that can be read".into(),
            );
            report.guess(Guess::new(
                "client_address",
                rejection.message(),
                rejection.fix(),
            ));
            return report;
        }
    };
    let route = match routes.find(case.host, path, &parts.method) {
        Ok(route) => route,
        Err((rejection, _)) => {
            let came = format!(
                "{} {} for host `{}`",
                parts.method,
                routing::printable(path),
                routing::printable(case.host)
            );
            report.fail(
                "route",
                rejection,
                "a path, host and method of a route".into(),
                came,
            );
            for guess in routing::no_route(routes, case.host, path, &parts.method, rejection) {
                report.guess(guess);
            }
            return report;
        }
    };
    report.route(route);
    match &route.mode {
        Mode::Passthrough => report.pass("route", "this route verifies nothing".into()),
        Mode::Enforce(plan) | Mode::Observe(plan) => {
            let mut examination = Examination {
                routes,
                trust,
                case,
                route,
                plan,
                client,
                report,
            };
            examination.run();
            report = examination.report;
        }
    }
    report
}

struct Examination<'a> {
    routes: &'a Routes,
    trust: &'a Trust,
    case: &'a Case<'a>,
    route: &'a Route,
    plan: &'a Plan,
    client: Option<IpAddr>,
    report: Report,
}

impl Examination<'_> {
    fn run(&mut self) {
        let case = self.case;
        self.address();
        let verdict = self.verdict();
        let mut failed = Vec::new();
        for group in &self.plan.groups {
            failed.extend(self.group(group));
        }
        self.body();
        let first = verdict.as_ref().err().copied();
        self.report.verdict(first);
        if first == Some(Rejection::IpNotAllowed) {
            self.address_guesses();
        }
        if first == Some(Rejection::BodyEncoded) {
            let text = "the body is compressed, and what is signed is the plain body";
            self.report.guess(Guess::new(
                "body_encoded",
                text,
                Rejection::BodyEncoded.fix(),
            ));
        }
        if first == Some(Rejection::BodyTooLarge) {
            let text = format!(
                "the body has {} bytes, and the route takes {}",
                case.body.len(),
                self.route.body_limit
            );
            self.report.guess(Guess::new(
                "body_too_large",
                text,
                Rejection::BodyTooLarge.fix(),
            ));
        }
        self.cut();
        let deadline = Instant::now()
            .checked_add(case.limit)
            .unwrap_or_else(Instant::now);
        let known = Keys::of(self.routes);
        for (scene, rejection) in &failed {
            for guess in near::misses(scene, *rejection, &known, &self.route.name, deadline) {
                self.report.guess(guess);
            }
        }
        if first.is_none() {
            for group in &self.plan.groups {
                let scenes = group.iter().map(|step| scene(step, case));
                if let Some(scene) = scenes.into_iter().find(|scene| scene.judge().is_ok()) {
                    self.report.settle(settled::facts(&scene));
                }
            }
        }
        if let Ok(verified) = verdict {
            happening::read(&mut self.report, self.route, case, &verified);
        }
    }

    /// The verdict of the whole line, in its order.
    fn verdict(&self) -> Result<crate::verify::Verified, Rejection> {
        let case = self.case;
        let head = head(case.parts);
        let unaddressed;
        let (plan, client) = match self.client {
            Some(client) => (self.plan, client),
            None => {
                // An address that is not known is no reason.
                unaddressed = Plan {
                    addresses: None,
                    groups: self.plan.groups.clone(),
                };
                (&unaddressed, IpAddr::V4(Ipv4Addr::UNSPECIFIED))
            }
        };
        // First what the head tells, then the form of the body, then the body: as `proxy::handle`.
        let mut pending = plan.admit(client, &head, case.now)?;
        case.plain?;
        if case.unread {
            return Err(Rejection::Internal);
        }
        if case.body.len() > self.route.body_limit {
            return Err(Rejection::BodyTooLarge);
        }
        let copies = self.route.copies.as_ref();
        if copies.is_some_and(|rule| rule.basis() == Basis::Signed) {
            pending.identify();
        }
        scene::judge(pending, &head, case.body)
    }

    fn address(&mut self) {
        let Some(list) = &self.plan.addresses else {
            return;
        };
        let expected = format!(
            "one of {} addresses or ranges in `allow_ips`",
            list.iter().len()
        );
        match self.client {
            None => {
                self.report
                    .unknown("ip", expected, "not known: say it with `--from IP`".into());
            }
            Some(client) if list.contains(client) => {
                self.report.pass("ip", format!("{client} is allowed"));
            }
            Some(client) => {
                let peer = self.case.peer.unwrap_or(client);
                let came = if peer == client {
                    format!("{client}, the peer of the connection")
                } else {
                    format!("{client}, as the trusted proxy {peer} says")
                };
                self.report
                    .fail("ip", Rejection::IpNotAllowed, expected, came);
            }
        }
    }

    fn address_guesses(&mut self) {
        let (Some(list), Some(client)) = (&self.plan.addresses, self.client) else {
            return;
        };
        let peer = self.case.peer.unwrap_or(client);
        for guess in routing::address(client, peer, list, self.trust, &self.case.parts.headers) {
            self.report.guess(guess);
        }
    }

    /// The steps of a group: one of them must pass. Gives those that failed, if none did.
    fn group(&mut self, group: &[Step]) -> Vec<(Scene, Rejection)> {
        let mut failed = Vec::new();
        let mut passed = false;
        let mut seen = Vec::new();
        for step in group {
            let scene = scene(step, self.case);
            match scene.judge() {
                Ok(verified) => {
                    passed = true;
                    let key = verified
                        .key()
                        .map(|key| format!("; `{key}` matches"))
                        .unwrap_or_default();
                    seen.push(Seen::passed(
                        step.label(),
                        format!("{}{key}", narrate::came(&scene)),
                    ));
                }
                Err(_) if self.case.unread && scene.is_admitted() => {
                    seen.push(Seen {
                        check: step.label(),
                        state: State::Unknown,
                        reason: None,
                        expected: String::new(),
                        came: "not looked at: the refusal came before the body was read".to_owned(),
                    });
                }
                Err(rejection) => {
                    let (expected, came) = (narrate::expected(&scene), narrate::came(&scene));
                    seen.push(Seen::failed(step.label(), rejection, expected, came));
                    failed.push((scene, rejection));
                }
            }
        }
        if passed {
            // The others need not pass.
            seen.retain(|seen| seen.state == State::Passed);
            failed.clear();
        }
        // The alternative that got furthest tells most.
        failed.sort_by_key(|(_, rejection)| {
            matches!(
                rejection,
                Rejection::CredentialMissing | Rejection::SignatureMissing
            )
        });
        self.report.steps.extend(seen);
        failed
    }

    fn body(&mut self) {
        let (length, limit) = (self.case.body.len(), self.route.body_limit);
        if self.case.unread && self.case.plain.is_ok() {
            return;
        }
        if let Err(rejection) = self.case.plain {
            let came = "a Content-Encoding other than identity".into();
            self.report
                .fail("body", rejection, "a body that is not encoded".into(), came);
        } else if length > limit {
            let (expected, came) = (format!("at most {limit} bytes"), format!("{length} bytes"));
            self.report
                .fail("body", Rejection::BodyTooLarge, expected, came);
        } else {
            self.report
                .pass("body", format!("{length} bytes, of {limit} at most"));
        }
    }

    /// A body that is not as long as its head says was changed on the way.
    fn cut(&mut self) {
        if self.case.unread {
            return;
        }
        let announced = self
            .case
            .parts
            .headers
            .get(http::header::CONTENT_LENGTH)
            .and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
        if let Some(announced) = announced
            && announced != self.case.body.len()
        {
            let text = format!(
                "the body has {} bytes here and the head announces {announced}: it was changed or cut after it was sent",
                self.case.body.len()
            );
            self.report.note(Guess::new(
                "body_length",
                text,
                "look what changes bodies on the way, or capture the request again, byte for byte",
            ));
        }
    }
}

fn head(parts: &Parts) -> Head<'_> {
    Head {
        method: parts.method.as_str(),
        path: parts.uri.path(),
        query: parts.uri.query(),
        headers: (&parts.headers).into(),
    }
}

fn scene(step: &Step, case: &Case<'_>) -> Scene {
    Scene {
        step: step.clone().into(),
        method: case.parts.method.as_str().to_owned(),
        path: case.parts.uri.path().to_owned(),
        query: case.parts.uri.query().map(ToOwned::to_owned),
        headers: case.parts.headers.clone().into(),
        body: case.body.clone(),
        now: case.now,
    }
}
