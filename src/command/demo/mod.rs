//! `gatepost demo`: the five seed providers end to end, on loopback, with throw-away keys.
//!
//! The same code as `run`, through real sockets: only the configuration is made here.

mod cases;

use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;
use std::sync::mpsc;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value;

use self::cases::{Case, Keys, cases};
use super::{NO, Outcome, client, say, tell};
use crate::config::{self, Environment, Listen};
use crate::server::{self, Control, Origin};
use crate::telemetry::{Format, Level, Log};

/// Longer than anything on loopback takes.
const TIMEOUT: Duration = Duration::from_secs(10);

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

    let lines = Lines::default();
    let (listening, bound) = mpsc::channel();
    let (stop, stopped) = tokio::sync::oneshot::channel();
    let control = Control {
        log: Some(Log::to(Format::Json, Level::Info, Box::new(lines.clone()))),
        listening: Some(listening),
        stop: Some(stopped),
    };
    let origin = Origin {
        path: None,
        environment,
    };
    let server = std::thread::spawn(move || server::run(config, Vec::new(), &origin, control));
    let Ok(Listen::Tcp(address)) = bound.recv_timeout(TIMEOUT) else {
        return Err(match server.join() {
            Ok(Err(error)) => error.to_string(),
            Ok(Ok(())) | Err(_) => "the proxy did not start".into(),
        });
    };
    let mut tally = Tally::default();
    let mut route = "";
    for case in &cases {
        if case.route != route {
            route = &case.route;
            say(&format!("\n{route}\n"));
        }
        let answer =
            client::exchange(address, &case.bytes, TIMEOUT).map_err(|error| error.to_string())?;
        let reason = lines.reason(answer.header("x-gatepost-request-id").unwrap_or_default());
        show(case, &answer, reason.as_deref(), &mut tally);
    }
    drop(stop);
    // The drain waits for nothing: every answer was read to its end.
    drop(server.join());
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

/// The log of the demo's proxy: the only place that tells why a request was refused.
#[derive(Debug, Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Lines {
    /// The reason in the line of a request. The line is written before the answer is sent.
    fn reason(&self, request_id: &str) -> Option<String> {
        let bytes = self
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        text.lines()
            .filter_map(|line| serde_json::from_str::<BTreeMap<String, Value>>(line).ok())
            .find(|line| line.get("request_id").and_then(Value::as_str) == Some(request_id))
            .and_then(|line| Some(line.get("reason")?.as_str()?.to_owned()))
    }
}
