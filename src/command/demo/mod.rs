//! `gatepost demo`: the five seed providers end to end, on loopback, with throw-away keys.
//!
//! The same code as `run`, through real sockets: only the configuration is made here.

mod cases;

use std::path::PathBuf;

use serde_json::Value;

use self::cases::{Case, Keys, cases};
use super::rehearsal::Rehearsal;
use super::{NO, Outcome, client, say, tell};
use crate::config::{self, Environment};

/// What the app is shown to receive, in the order of the contract.
const ADDED: [&str; 7] = [
    "x-gatepost-provider",
    "x-gatepost-event-type",
    "x-gatepost-event-id",
    "x-gatepost-event-count",
    "x-gatepost-verified-by",
    "x-gatepost-key",
    "x-gatepost-client-ip",
];

pub(super) fn run() -> Outcome {
    match demonstrate() {
        Ok(true) => Ok(()),
        Ok(false) => Err(NO),
        Err(message) => {
            tell(&format!("error: {message}"));
            Err(NO)
        }
    }
}

fn demonstrate() -> Result<bool, String> {
    let keys = Keys::generate().map_err(|error| error.to_string())?;
    let environment = Environment {
        inline: true,
        variables: Some(keys.variables()?),
        ..Environment::default()
    };
    let loaded = config::parse(
        "demo.toml",
        include_str!("demo.toml"),
        PathBuf::new(),
        &environment,
    );
    let config = loaded.config.as_ref().ok_or_else(|| loaded.report(false))?;
    let cases = cases(&loaded, config.routes.all(), &keys)?;
    let config = loaded.config.ok_or("the configuration is gone")?;

    let rehearsal = Rehearsal::start(config, environment)?;
    let mut tally = Tally::default();
    let mut route = "";
    for case in &cases {
        if case.route != route {
            route = &case.route;
            say(&format!("\n{route}\n"));
        }
        let answer = rehearsal.exchange(&case.bytes)?;
        let reason = rehearsal.reason(&answer);
        show(case, &answer, reason.as_deref(), &mut tally);
    }
    rehearsal.end();
    say(&format!(
        "\n{} genuine forwarded, {} forged refused, {} not as expected\n",
        tally.forwarded, tally.refused, tally.surprises
    ));
    Ok(tally.surprises == 0)
}

#[derive(Debug, Default)]
struct Tally {
    forwarded: usize,
    refused: usize,
    surprises: usize,
}

/// Prints one outcome and counts it.
fn show(case: &Case, answer: &client::Answer, reason: Option<&str>, tally: &mut Tally) {
    let seen = reason.unwrap_or("-");
    match case.refusal {
        None if answer.status == 200 && seen == "-" => {
            tally.forwarded += 1;
            say(&format!("  ok   200 forwarded   {}\n", case.name));
            let received: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
            for name in ADDED {
                if let Some(value) = received
                    .pointer(&format!("/headers/{name}"))
                    .and_then(Value::as_str)
                {
                    say(&format!("         {name}: {value}\n"));
                }
            }
        }
        Some(expected)
            if seen == expected.code() && answer.status == expected.status().as_u16() =>
        {
            tally.refused += 1;
            say(&format!(
                "  ok   {} refused     {:<44} {seen}\n",
                answer.status, case.name
            ));
        }
        expected => {
            tally.surprises += 1;
            let expected = expected.map_or("forwarded", crate::rejection::Rejection::code);
            say(&format!(
                "  WRONG {} {:<44} {seen}, expected {expected}\n",
                answer.status, case.name
            ));
        }
    }
}
