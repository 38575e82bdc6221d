//! `gatepost reload`.

use std::path::Path;

use super::Arguments;
use super::connection::ask;
use crate::command::{NO, Outcome, say, tell};

pub(in crate::command) fn run(file: &Path, arguments: &Arguments) -> Outcome {
    let answer = ask(&arguments.place, file, "POST", "/api/v1/reload", false)?;
    let outcome = answer.json()?;
    let good = outcome["reloaded"] == true;
    if arguments.json {
        say(&format!("{outcome:#}\n"));
    } else if good {
        say(&format!("reloaded, {} warnings\n", outcome["warnings"]));
    } else {
        let problems = outcome["problems"].as_str().unwrap_or_default();
        tell(&format!(
            "{problems}\n\nthe new configuration cannot be used; the old one stays"
        ));
    }
    if good { Ok(()) } else { Err(NO) }
}
