//! `gatepost run`.

use std::path::Path;

use super::{CONFIG, IO, Outcome, colors, environment, tell};
use crate::config::{self, Environment, Loaded};
use crate::server::{self, Control, Origin};

#[derive(Debug, Default, clap::Args)]
pub(super) struct Arguments {
    /// Take secrets written into the file: only to try things out
    #[arg(long)]
    dev: bool,
}

pub(super) fn run(path: &Path, arguments: &Arguments) -> Outcome {
    let environment = environment(arguments.dev);
    // What else was loaded, the text of the file above all, is not kept while it serves.
    let Loaded {
        config, watched, ..
    } = load(path, &environment)?;
    let config = config.ok_or(CONFIG)?;
    let origin = Origin {
        path: Some(path.to_path_buf()),
        environment,
    };
    server::run(config, watched, &origin, Control::default()).map_err(|error| {
        tell(&format!("error: {error}"));
        IO
    })
}

/// Loads the file and tells every problem; what comes back has none that prevents a start.
pub(super) fn load(path: &Path, environment: &Environment) -> Result<Loaded, u8> {
    let loaded = config::load(path, environment).map_err(|error| {
        tell(&format!(
            "error: {} cannot be read: {error}\nhelp: name the file with --config FILE or GATEPOST_CONFIG",
            path.display()
        ));
        CONFIG
    })?;
    if !loaded.problems.is_empty() {
        tell(&loaded.report(colors()));
    }
    if !loaded.missing.is_empty() {
        tell("\nTo start, set these:");
        let mut missing = loaded.missing.clone();
        missing.sort();
        missing.dedup();
        for name in missing {
            tell(&format!("  {name}"));
        }
    }
    if loaded.config.is_none() {
        let errors = loaded.problems.errors();
        tell(&format!(
            "\n{}: {errors} {}, nothing was started",
            path.display(),
            if errors == 1 { "error" } else { "errors" }
        ));
        return Err(CONFIG);
    }
    Ok(loaded)
}
