//! `gatepost status`.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use super::Arguments;
use super::connection::ask;
use crate::command::{Outcome, say};

pub(in crate::command) fn run(file: &Path, arguments: &Arguments) -> Outcome {
    let status = ask(&arguments.place, file, "GET", "/api/v1/status", false)?.json()?;
    if arguments.json {
        say(&format!("{status:#}\n"));
    } else {
        say(&table(&status));
    }
    Ok(())
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or("-")
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

/// How long ago; "never" for nothing.
fn ago(value: &Value) -> String {
    let at: Option<Timestamp> = value.as_str().and_then(|at| at.parse().ok());
    at.map_or_else(
        || "never".to_owned(),
        |at| {
            let seconds = Timestamp::now().as_second().saturating_sub(at.as_second());
            let seconds = u64::try_from(seconds).unwrap_or_default();
            format!("{} ago", span(seconds))
        },
    )
}

fn span(seconds: u64) -> String {
    crate::diagnosis::duration(Duration::from_secs(seconds))
}

fn table(status: &Value) -> String {
    let mut out = String::new();
    let config = &status["config"];
    let up = status["uptime_seconds"].as_u64().unwrap_or_default();
    // Writing to a String cannot fail.
    let _ = writeln!(
        out,
        "gatepost {}   up {}   upstream {}   {} in flight{}",
        text(&status["version"]),
        span(up),
        text(&status["upstream"]),
        status["in_flight"],
        if status["draining"] == true {
            "   DRAINING"
        } else {
            ""
        }
    );
    let _ = writeln!(
        out,
        "{} ({}) loaded {}, {} warnings\n",
        text(&config["file"]),
        text(&config["hash"]),
        ago(&config["loaded_at"]),
        list(&config["warnings"]).len()
    );
    if config["last_reload"]["successful"] == false {
        let _ = writeln!(
            out,
            "THE LAST RELOAD WAS REFUSED {}; the configuration before it is in use (`gatepost check` says why)\n",
            ago(&config["last_reload"]["at"])
        );
    }
    let _ = writeln!(
        out,
        "{:<28} {:<16} {:<11} {:>10} {:>9} {:>7}  STEPS",
        "ROUTE", "PROVIDER", "MODE", "FORWARDED", "REJECTED", "FAILED"
    );
    for route in list(&status["routes"]) {
        let counts = &route["counts"];
        let number = |name: &str| counts[name].as_u64().unwrap_or_default();
        let mode = text(&route["mode"]);
        let loud = match mode {
            "observe" => "OBSERVE",
            "passthrough" => "PASSTHROUGH",
            other => other,
        };
        let steps: Vec<&str> = list(&route["steps"]).iter().map(text).collect();
        let _ = writeln!(
            out,
            "{:<28} {:<16} {loud:<11} {:>10} {:>9} {:>7}  {}",
            text(&route["path"]),
            text(&route["provider"]),
            number("forwarded"),
            number("rejected"),
            number("failed"),
            steps.join(", ")
        );
        if mode == "observe" {
            let _ = writeln!(
                out,
                "  only observes: {} requests reached the app that would be refused",
                number("would_reject")
            );
        }
    }
    let unrouted = status["unrouted"]["rejected"].as_u64().unwrap_or_default();
    let _ = writeln!(out, "{:<57} {unrouted:>20}", "(no route)");
    secrets(&mut out, status);
    for warning in list(&config["warnings"]) {
        let _ = writeln!(out, "\nwarning: {}", text(warning));
    }
    out
}

/// The secrets in use, and when each last matched: an old one that never does can go.
fn secrets(out: &mut String, status: &Value) {
    let all: Vec<(&Value, &Value)> = list(&status["routes"])
        .iter()
        .flat_map(|route| {
            list(&route["secrets"])
                .iter()
                .map(move |secret| (route, secret))
        })
        .collect();
    if !all.is_empty() {
        let _ = writeln!(
            out,
            "\n{:<28} {:<24} {:>10}  LAST MATCH",
            "ROUTE", "SECRET", "MATCHES"
        );
    }
    for (route, secret) in all {
        let state = if secret["in_force"] == false {
            "   (not in force)".to_owned()
        } else if let Some(until) = secret["until"].as_str() {
            format!("   (until {until})")
        } else {
            String::new()
        };
        let _ = writeln!(
            out,
            "{:<28} {:<24} {:>10}  {}{state}",
            text(&route["path"]),
            text(&secret["name"]),
            secret["matches"].as_u64().unwrap_or_default(),
            ago(&secret["last_match"]),
        );
    }
}
