//! Reasons and reports for people.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::diagnosis::{Report, State};
use crate::rejection::Rejection;

/// One row of the reasons table.
pub(in crate::command) fn reason(reason: Rejection) -> String {
    format!(
        "{} ({})\n  {}\n  fix: {}\n",
        reason.code(),
        reason.status().as_u16(),
        reason.message(),
        reason.fix()
    )
}

/// The same for machines.
pub(in crate::command) fn reason_json(reason: Rejection) -> Value {
    json!({
        "reason": reason.code(),
        "status": reason.status().as_u16(),
        "message": reason.message(),
        "fix": reason.fix(),
    })
}

/// The reasons table, short.
pub(super) fn all_reasons() -> String {
    let mut text = String::new();
    for reason in Rejection::ALL {
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "{:<28} {} {}",
            reason.code(),
            reason.status().as_u16(),
            reason.message()
        );
    }
    text
}

/// A report.
pub(in crate::command) fn report(report: &Report) -> String {
    let mut text = String::new();
    let _ = write!(text, "{} {}", report.method, report.path);
    if let Some((route, provider, mode)) = &report.route {
        let provider = provider.as_deref().map(|name| format!(", provider {name}"));
        let _ = write!(
            text,
            " -> route {route}{}, {mode}",
            provider.unwrap_or_default()
        );
    }
    text.push('\n');
    for seen in &report.steps {
        let mark = match seen.state {
            State::Passed => "ok",
            State::Failed => "FAIL",
            State::Unknown => "?",
        };
        match (seen.state, seen.reason) {
            (State::Passed, _) => {
                let _ = writeln!(text, "  {mark:<4}  {:<18} {}", seen.check, seen.came);
            }
            (_, reason) => {
                let code = reason.map(Rejection::code).unwrap_or_default();
                let _ = writeln!(text, "  {mark:<4}  {:<18} {code}", seen.check);
                let _ = writeln!(text, "          expected  {}", seen.expected);
                let _ = writeln!(text, "          came      {}", seen.came);
            }
        }
    }
    match report.reason {
        None => text.push_str("passes\n"),
        Some(reason) => {
            let _ = writeln!(
                text,
                "refused: {} {}\n  {}",
                reason.status().as_u16(),
                reason.code(),
                reason.message()
            );
        }
    }
    text.push_str(&guesses(&report.guesses));
    if !report.settled.is_empty() {
        text.push_str("this delivery settles:\n");
        for fact in &report.settled {
            let _ = writeln!(text, "  - {fact}");
        }
    }
    for note in &report.notes {
        let _ = writeln!(text, "note: {note}");
    }
    text
}

/// Causes, the likeliest first.
pub(in crate::command) fn guesses(guesses: &[crate::diagnosis::Guess]) -> String {
    let mut text = String::new();
    if !guesses.is_empty() {
        text.push_str("likely cause:\n");
    }
    for (at, guess) in guesses.iter().enumerate() {
        let tried = if guess.proved {
            ", tried: it verifies then"
        } else {
            ""
        };
        let _ = writeln!(
            text,
            "  {}. {} [{}{tried}]\n     fix: {}",
            at.saturating_add(1),
            guess.text,
            guess.cause,
            guess.fix
        );
    }
    text
}
