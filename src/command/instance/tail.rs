//! `gatepost tail`: what happens now.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;

use serde_json::Value;

use super::Place;
use super::connection::ask;
use crate::command::{NO, Outcome, UNAVAILABLE, tell};

#[derive(Debug, clap::Args)]
pub(in crate::command) struct Arguments {
    /// Only the route with this path
    #[arg(long, value_name = "PATH")]
    route: Option<String>,
    /// Only what is refused
    #[arg(long)]
    refused: bool,
    #[command(flatten)]
    place: Place,
    /// For machines: one JSON object a line
    #[arg(long)]
    json: bool,
}

pub(in crate::command) fn run(file: &Path, arguments: &Arguments) -> Outcome {
    let mut target = String::from("/api/v1/events?");
    if let Some(route) = &arguments.route {
        target.push_str("route=");
        for byte in route.bytes() {
            if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
                target.push(char::from(byte));
            } else {
                // Writing to a String cannot fail.
                let _ = write!(target, "%{byte:02X}");
            }
        }
        target.push('&');
    }
    if arguments.refused {
        target.push_str("refused=1");
    }
    let mut answer = ask(&arguments.place, file, "GET", &target, true)?;
    if answer.status != 200 {
        tell(&format!("error: {}", answer.text()?.trim()));
        return Err(NO);
    }
    let mut kind = String::new();
    while let Some(line) = answer.line() {
        if let Some(name) = line.strip_prefix("event: ") {
            name.clone_into(&mut kind);
        }
        let Some(data) = line.strip_prefix("data: ") else {
            continue;
        };
        let shown = if arguments.json {
            format!("{data}\n")
        } else {
            serde_json::from_str(data).map_or_else(|_| String::new(), |value| words(&kind, &value))
        };
        let mut out = std::io::stdout().lock();
        // Who has read enough closes the pipe.
        if out
            .write_all(shown.as_bytes())
            .and_then(|()| out.flush())
            .is_err()
        {
            return Ok(());
        }
    }
    tell("the instance has ended the connection");
    Err(UNAVAILABLE)
}

fn words(kind: &str, value: &Value) -> String {
    let text = |name: &str| -> String {
        let text = value[name].as_str().unwrap_or("-");
        text.chars()
            .take(120)
            .map(crate::config::printable)
            .collect()
    };
    match kind {
        "request" => {
            let clock = text("ts").get(11..19).unwrap_or_default().to_owned();
            let what = value["reason"]
                .as_str()
                .or_else(|| value["event_type"].as_str());
            let why = if value["reason"].is_string() {
                format!("gatepost why {}", text("request_id"))
            } else {
                text("request_id")
            };
            format!(
                "{clock}  {:<3} {:<12} {:<26} {:<24} {:>8} B {:>9} ms  {:<16} {why}\n",
                value["status"],
                text("outcome"),
                text("route"),
                what.unwrap_or("-")
                    .chars()
                    .take(60)
                    .map(crate::config::printable)
                    .collect::<String>(),
                value["bytes"],
                value["duration_ms"],
                text("client_ip"),
            )
        }
        "examination" => {
            let guess = &value["examination"]["guesses"][0];
            let said = |name: &str| -> String {
                let text = guess[name].as_str().unwrap_or("-");
                text.chars().map(crate::config::printable).collect()
            };
            if guess.is_null() {
                return String::new();
            }
            format!(
                "          {} likely: {}\n          fix: {}\n",
                text("request_id"),
                said("text"),
                said("fix")
            )
        }
        "reload" if value["reloaded"] == true => "          configuration reloaded\n".into(),
        "reload" => "          THE NEW CONFIGURATION CANNOT BE USED; the old one stays\n".into(),
        _ => "          (some were missed: they came faster than they could be shown)\n".into(),
    }
}
