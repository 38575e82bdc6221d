//! `gatepost check`.

use std::fmt::Write as _;
use std::path::Path;

use super::{Outcome, environment, say, serve};
use crate::config::show;
use crate::duplicates::OnCopy;
use crate::route::{Mode, Route};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Print the effective configuration: providers expanded, secrets by name only
    #[arg(long)]
    show: bool,
    /// Take secrets written into the file, as `run --dev` does
    #[arg(long)]
    dev: bool,
    /// Fail on warnings too
    #[arg(short = 'D', long)]
    deny_warnings: bool,
}

pub(super) fn run(path: &Path, arguments: &Arguments) -> Outcome {
    let loaded = serve::load(path, &environment(arguments.dev))?;
    if arguments.show {
        say(&show::effective(&loaded));
    }
    let Some(config) = &loaded.config else {
        return Err(super::CONFIG);
    };
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = writeln!(
        text,
        "{}: ok, {} routes, {} warnings",
        path.display(),
        config.routes.all().len(),
        loaded.problems.warnings()
    );
    for route in config.routes.all() {
        let _ = writeln!(text, "  {}", describe(route));
    }
    if !arguments.show {
        say(&text);
    }
    if arguments.deny_warnings && loaded.problems.warnings() > 0 {
        Err(super::NO)
    } else {
        Ok(())
    }
}

/// A route in one line.
fn describe(route: &Route) -> String {
    let steps = match &route.mode {
        Mode::Enforce(plan) | Mode::Observe(plan) => {
            let mut steps: Vec<String> = plan
                .groups
                .iter()
                .map(|group| {
                    group
                        .iter()
                        .map(crate::verify::Step::label)
                        .collect::<Vec<_>>()
                        .join(" or ")
                })
                .collect();
            steps.extend(plan.addresses.as_ref().map(|_| "ip".to_owned()));
            steps.join(", ")
        }
        Mode::Passthrough => "nothing verified".to_owned(),
    };
    let copies = match &route.copies {
        Some(rule) if rule.on_copy() != OnCopy::Forward => format!(
            "; copies by {}: {}",
            rule.basis().describe(),
            rule.on_copy().name()
        ),
        _ => String::new(),
    };
    let provider = route.provider.as_deref().unwrap_or("-");
    format!(
        "{:<11} {:<28} {:<12} {steps}{copies}",
        route.mode.name(),
        route.name,
        provider
    )
}
