//! `gatepost test`: the `[[test]]` blocks through the real line, on throw-away secrets.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use clap::ValueEnum as _;
use jiff::Timestamp;
use rustls::ClientConfig;
use serde_json::Value;

use super::certificates::{self, Certificates};
use super::delivery::{self, Wanted};
use super::rehearsal::Rehearsal;
use super::send::Tamper;
use super::{CONFIG, IO, NO, Outcome, client, junit, say, serve, tell};
use crate::config::{Case, CaseBody, Environment, Loaded, ThrowAway};
use crate::route::{Mode, Route};
use crate::sign::{self, KeyPairs, SignError};
use crate::verify::public_key::PublicKey;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Only tests whose name or route has this in it
    filter: Option<String>,
    /// Write a report that CI systems read
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
}

/// What came of a test.
struct Verdict {
    failure: Option<String>,
    seconds: f64,
}

pub(super) fn run(path: &Path, arguments: &Arguments) -> Outcome {
    let fail = |message: String| {
        tell(&format!("error: {message}"));
        NO
    };
    let pairs = KeyPairs::generate().map_err(|error| fail(error.to_string()))?;
    let certificates = Certificates::generate().map_err(fail)?;
    let environment =
        environment(&pairs, &certificates).map_err(|error| fail(error.to_string()))?;
    let mut loaded = serve::load(path, &environment)?;
    let mut config = loaded.config.take().ok_or(CONFIG)?;
    let wanted = |case: &&Case, route: &Route| {
        let filter = arguments.filter.as_deref().unwrap_or_default();
        case.name.contains(filter) || route.name.contains(filter)
    };
    let all = config.cases.clone();
    let mut prepared = Vec::new();
    for case in &all {
        let Some(route) = config
            .routes
            .all()
            .iter()
            .find(|route| route.index == case.route)
        else {
            continue;
        };
        if wanted(&case, route) {
            let request = prepare(path, &loaded, case, route, &pairs, &certificates);
            prepared.push((case, route.name.clone(), request));
        }
    }
    if prepared.is_empty() {
        let why = if all.is_empty() {
            "there is no [[test]]: the reference sidecar.toml shows one"
        } else {
            "no test has this in its name or route"
        };
        return Err(fail(why.to_owned()));
    }
    let asks = |route: &Route| match &route.mode {
        Mode::Enforce(plan) | Mode::Observe(plan) => certificates::wanted(plan).is_some(),
        Mode::Passthrough => false,
    };
    if config.routes.all().iter().any(asks) {
        config.server.tls = Some(certificates.server().map_err(fail)?);
    }
    let rehearsal = Rehearsal::start(config, environment).map_err(fail)?;
    let mut reported = Vec::new();
    for (case, route, request) in &prepared {
        let started = Instant::now();
        let failure = match request {
            Err(message) => Some(message.clone()),
            Ok(request) => judge(&rehearsal, case, request),
        };
        let seconds = started.elapsed().as_secs_f64();
        reported.push((*case, &**route, Verdict { failure, seconds }));
    }
    rehearsal.end();
    let failed = show(&reported);
    if let Some(file) = &arguments.junit {
        let tests: Vec<junit::Reported<'_>> = reported
            .iter()
            .map(|(case, route, result)| junit::Reported {
                name: &case.name,
                route,
                seconds: result.seconds,
                failure: result.failure.as_deref(),
            })
            .collect();
        let text = junit::report(&path.display().to_string(), &tests);
        std::fs::write(file, text).map_err(|error| {
            tell(&format!("error: {}: {error}", file.display()));
            IO
        })?;
    }
    if failed > 0 { Err(NO) } else { Ok(()) }
}

/// Stands in for every secret and key, with the public halves of these.
pub(super) fn environment(
    pairs: &KeyPairs,
    certificates: &Certificates,
) -> Result<Environment, SignError> {
    let read = |pem: &String| PublicKey::read_all(pem.as_bytes()).ok();
    let public_keys = pairs.public()?.iter().filter_map(read).flatten().collect();
    Ok(Environment {
        inline: true,
        variables: None,
        throw_away: Some(ThrowAway {
            public_keys,
            fingerprint: certificates.fingerprint(),
        }),
    })
}

/// A test's request, and with which certificate it is sent.
struct Prepared {
    bytes: Vec<u8>,
    caller: Arc<ClientConfig>,
}

fn prepare(
    path: &Path,
    loaded: &Loaded,
    case: &Case,
    route: &Route,
    pairs: &KeyPairs,
    certificates: &Certificates,
) -> Result<Prepared, String> {
    let (Mode::Enforce(plan) | Mode::Observe(plan)) = &route.mode else {
        return Err("this route verifies nothing".into());
    };
    let wanted = match &case.body {
        CaseBody::Text(text) => Wanted::Body(text.as_bytes()),
        CaseBody::File(file) => Wanted::File(file),
        CaseBody::Sample(event) => Wanted::Sample(event.as_deref()),
    };
    let mut request = delivery::unsigned(path, loaded, route, wanted)?;
    request.headers.extend(case.headers.clone());
    let now = Timestamp::now()
        .checked_add(case.clock)
        .map_err(|error| error.to_string())?;
    let tamper = case
        .tamper
        .as_deref()
        .and_then(|word| Tamper::from_str(word, false).ok());
    let tamper = tamper.map(Into::into);
    sign::sign(plan, &mut request, pairs.fitting(plan), now, tamper)
        .map_err(|error| format!("cannot be sent: {error}"))?;
    let allowed = plan.addresses.as_ref().and_then(|list| list.iter().next());
    let from = match (case.from, allowed) {
        (Some(from), _) => from.to_string(),
        (None, Some(allowed)) => allowed.to_string(),
        (None, None) => "198.51.100.1".to_owned(),
    };
    let host = route.host.as_deref().unwrap_or("test.invalid");
    Ok(Prepared {
        bytes: client::wire(&request, host, &[("X-Forwarded-For", &from)]),
        caller: certificates.caller(certificates::wanted(plan), tamper)?,
    })
}

/// Sends a test's request; what was not as expected, in words.
fn judge(rehearsal: &Rehearsal, case: &Case, request: &Prepared) -> Option<String> {
    let answer = match rehearsal.exchange_as(request.caller.clone(), &request.bytes) {
        Ok(answer) => answer,
        Err(error) => return Some(format!("no answer: {error}")),
    };
    let outcome = rehearsal
        .reason(&answer)
        .unwrap_or_else(|| "verified".to_owned());
    let was = format!("was {outcome} ({})", answer.status);
    if let Some(expected) = &case.outcome
        && *expected != outcome
    {
        return Some(format!("expected {expected}, {was}"));
    }
    if let Some(expected) = case.status
        && expected != answer.status
    {
        return Some(format!("expected status {expected}, {was}"));
    }
    let received: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    for (name, expected) in &case.received {
        let found = received
            .get("headers")
            .and_then(|headers| headers.get(name));
        let found = found.and_then(Value::as_str).unwrap_or_default();
        if found != expected {
            let told = |value: &str| match value {
                "" => "none".to_owned(),
                value => format!("\"{value}\""),
            };
            return Some(format!(
                "expected {name} {}, the app received {}; {was}",
                told(expected),
                told(found)
            ));
        }
    }
    None
}

/// Prints the outcomes by route; how many failed.
fn show(reported: &[(&Case, &str, Verdict)]) -> usize {
    let mut last = "";
    for (case, route, result) in reported {
        if *route != last {
            say(&format!("{route}\n"));
            last = route;
        }
        match &result.failure {
            None => say(&format!("  ok    {}\n", case.name)),
            Some(failure) => say(&format!("  FAIL  {}: {failure}\n", case.name)),
        }
    }
    let failed = reported
        .iter()
        .filter(|(_, _, result)| result.failure.is_some())
        .count();
    let passed = reported.len().saturating_sub(failed);
    say(&format!("\n{passed} passed, {failed} failed\n"));
    failed
}
