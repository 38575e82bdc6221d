//! What comes after a proof: which event it is, whether its body looks as it must, and what tells it
//! from its copies.

use super::report::{Copies, Report};
use super::trial::Guess;
use super::{Case, routing};
use crate::duplicates::Basis;
use crate::event::{self, Event};
use crate::rejection::Rejection;
use crate::route::{Mode, Route};
use crate::verify::Verified;

/// Reads it as the line of `proxy` does, in its order.
pub(super) fn read(report: &mut Report, route: &Route, case: &Case<'_>, verified: &Verified) {
    let parts = event::Parts {
        headers: (&case.parts.headers).into(),
        query: case.parts.uri.query(),
        body: case.body,
        claims: verified.claims(),
    };
    let event = match route.event.read(&parts) {
        Ok(event) => event,
        Err(rejection) => {
            let expected = "an event type where `event.type` says".to_owned();
            report.fail("event", rejection, expected, "none that can be read".into());
            report.verdict(Some(rejection));
            for guess in routing::event(rejection, case.body, "") {
                report.guess(guess);
            }
            return;
        }
    };
    report.pass("event", told(&event));
    if schema(report, route, case) && matches!(route.mode, Mode::Enforce(_)) {
        copies(report, route, verified, &event);
    }
}

fn told(event: &Event) -> String {
    let types: Vec<String> = event
        .types
        .iter()
        .take(8)
        .map(|kind| routing::printable(kind))
        .collect();
    if types.is_empty() {
        return "no type was found, and none is required".into();
    }
    let id = if event.id.is_some() {
        ", with an id"
    } else {
        ", without an id"
    };
    format!("type {}{id}", types.join(", "))
}

/// Whether the body satisfies the route's schema, if it has one.
fn schema(report: &mut Report, route: &Route, case: &Case<'_>) -> bool {
    let Some(schema) = &route.schema else {
        return true;
    };
    let Some(violation) = schema.violation(case.body) else {
        report.pass("schema", "the body satisfies it".into());
        return true;
    };
    let rejection = Rejection::SchemaMismatch;
    let place = if violation.at.is_empty() {
        "as a whole".to_owned()
    } else {
        format!("at `{}`", violation.at)
    };
    let keyword = &violation.keyword;
    report.fail(
        "schema",
        rejection,
        "a body that satisfies the route's `schema`".into(),
        format!("{place} it does not satisfy `{keyword}`"),
    );
    report.verdict(Some(rejection));
    report.guess(Guess::new(
        "schema",
        format!("the sender is genuine, but {place} the body does not satisfy `{keyword}` of the schema"),
        "correct the file that `schema` of the route names, or ask the provider what changed; `mode = \"observe\"` lets such bodies pass meanwhile",
    ));
    false
}

/// Under which key it is remembered, and what becomes of a copy. Of the key only its beginning is
/// told: it is a hash of what was sent.
fn copies(report: &mut Report, route: &Route, verified: &Verified, event: &Event) {
    let Some(rule) = &route.copies else {
        report.pass(
            "duplicates",
            "nothing is remembered here: every copy reaches the app, unmarked".into(),
        );
        return;
    };
    let basis = rule.basis();
    let key = rule.key(verified, event).map(|key| key.short());
    let came = match &key {
        Some(key) => format!(
            "key {key}…, of {}; once the app has taken it, a copy {}",
            basis.describe(),
            rule.on_copy().describe()
        ),
        None => {
            let lacks = match basis {
                Basis::Event => "the id is absent or there twice",
                Basis::Own => "a part of `duplicate_key` is absent or there twice",
                Basis::Signed => "nothing was signed",
            };
            format!(
                "no key: {lacks}; it is not remembered, and every copy reaches the app, unmarked"
            )
        }
    };
    report.pass("duplicates", came);
    report.copies = Some(Copies {
        key,
        of: basis.describe(),
        action: rule.on_copy().name(),
    });
}
