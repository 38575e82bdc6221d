//! `gatepost why REQUEST-ID`.

use std::fmt::Write as _;
use std::path::Path;

use serde_json::Value;

use super::Place;
use super::connection::ask;
use crate::command::{NO, Outcome, say, tell};

#[derive(Debug, clap::Args)]
pub(in crate::command) struct Arguments {
    /// The id of a refused request, as the answer, the log and `tail` show it; without it, the last
    /// refusals
    #[arg(value_name = "REQUEST-ID")]
    id: Option<String>,
    #[command(flatten)]
    place: Place,
    /// For machines
    #[arg(long)]
    json: bool,
}

pub(in crate::command) fn run(file: &Path, arguments: &Arguments) -> Outcome {
    let Some(id) = &arguments.id else {
        let all = ask(
            &arguments.place,
            file,
            "GET",
            "/api/v1/refusals?limit=20",
            false,
        )?
        .json()?;
        if arguments.json {
            say(&format!("{all:#}\n"));
        } else {
            for refusal in all["refusals"].as_array().into_iter().flatten() {
                say(&line(refusal));
            }
        }
        return Ok(());
    };
    if id.is_empty() || !id.bytes().all(|b| b.is_ascii_alphanumeric()) {
        tell("error: this is no request id: it has 26 letters and digits");
        return Err(NO);
    }
    let id = id.to_ascii_uppercase();
    let answer = ask(
        &arguments.place,
        file,
        "GET",
        &format!("/api/v1/refusals/{id}"),
        false,
    )?;
    if answer.status == 404 {
        tell(&format!(
            "error: no refusal with the id {id} is kept\nhelp: only the last refusals of this very instance are; its log has all of them (with replicas, ask each)"
        ));
        return Err(NO);
    }
    let refusal = answer.json()?;
    if arguments.json {
        say(&format!("{refusal:#}\n"));
    } else {
        say(&words(&refusal));
    }
    Ok(())
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or("-")
}

fn line(refusal: &Value) -> String {
    format!(
        "{}  {}  {:<24} {:<28} {:<16} {}\n",
        text(&refusal["at"]).get(11..19).unwrap_or_default(),
        text(&refusal["request_id"]),
        text(&refusal["reason"]),
        text(&refusal["route"]),
        text(&refusal["client_ip"]),
        cause(refusal).unwrap_or_default()
    )
}

fn cause(refusal: &Value) -> Option<&str> {
    refusal["examination"]["guesses"].get(0)?["cause"].as_str()
}

fn words(refusal: &Value) -> String {
    let mut out = String::new();
    let printable =
        |value: &Value| -> String { text(value).chars().map(crate::config::printable).collect() };
    // Writing to a String cannot fail.
    let _ = writeln!(
        out,
        "{}  {} {} from {}, {}",
        text(&refusal["at"]),
        text(&refusal["method"]),
        printable(&refusal["path"]),
        text(&refusal["client_ip"]),
        text(&refusal["outcome"]),
    );
    let _ = writeln!(
        out,
        "refused: {} {}\n  {}\n  fix: {}",
        refusal["status"],
        text(&refusal["reason"]),
        text(&refusal["message"]),
        text(&refusal["fix"])
    );
    if let Some(at) = refusal["schema_at"].as_str() {
        let keyword = printable(&refusal["schema_keyword"]);
        let at = if at.is_empty() { "the whole body" } else { at };
        let at: String = at.chars().map(crate::config::printable).collect();
        let _ = writeln!(out, "  schema_at  {at}, by the keyword `{keyword}`");
    }
    if let Some(key) = refusal["event_key"].as_str() {
        let _ = writeln!(out, "  event_key  {key}…");
    }
    let examination = &refusal["examination"];
    // What is said so far is all there is to say of a copy, and of what failed here or in the app.
    if examination.is_null() && (!refusal["event_key"].is_null() || refusal["outcome"] == "failed")
    {
        return out;
    }
    if examination.is_null() {
        out.push_str("not examined further: refusals came faster than they are examined, or the body was too large\n");
        return out;
    }
    for step in examination["steps"].as_array().into_iter().flatten() {
        let mark = match text(&step["state"]) {
            "passed" => "ok",
            "failed" => "FAIL",
            _ => "?",
        };
        let reason = step["reason"].as_str().unwrap_or_default();
        let came = printable(&step["came"]);
        if mark == "ok" {
            let _ = writeln!(out, "  ok    {:<18} {came}", text(&step["check"]));
        } else {
            let _ = writeln!(
                out,
                "  {mark:<4}  {:<18} {reason}\n          expected  {}\n          came      {came}",
                text(&step["check"]),
                printable(&step["expected"])
            );
        }
    }
    let guesses = examination["guesses"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    if !guesses.is_empty() {
        out.push_str("likely cause:\n");
    }
    for (at, guess) in guesses.iter().enumerate() {
        let tried = if guess["proved"] == true {
            ", tried: it verifies then"
        } else {
            ""
        };
        let _ = writeln!(
            out,
            "  {}. {} [{}{tried}]\n     fix: {}",
            at.saturating_add(1),
            printable(&guess["text"]),
            text(&guess["cause"]),
            printable(&guess["fix"])
        );
    }
    out
}
