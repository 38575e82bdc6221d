//! A new configuration without a restart: from the file and every secret file, by content.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash as _, Hasher as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Shared;
use crate::config::{self, Environment, Loaded};
use crate::proxy::Gate;
use crate::telemetry::Level;

/// Where the configuration came from.
#[derive(Debug, Clone)]
pub struct Origin {
    /// The file; `None` for one that was made in memory.
    pub path: Option<PathBuf>,
    /// How its secrets are read.
    pub environment: Environment,
}

/// Watches files by their content: Kubernetes swaps a symlink, after which a watcher of the file
/// is deaf, and times tell nothing.
#[derive(Debug)]
pub(super) struct Watch {
    files: Vec<PathBuf>,
    seen: u64,
}

impl Watch {
    pub(super) fn new(files: Vec<PathBuf>) -> Self {
        let seen = fingerprint(&files);
        Self { files, seen }
    }

    /// Whether any file reads differently than last time.
    pub(super) fn changed(&mut self) -> bool {
        let now = fingerprint(&self.files);
        std::mem::replace(&mut self.seen, now) != now
    }
}

fn fingerprint(files: &[PathBuf]) -> u64 {
    let mut hasher = DefaultHasher::new();
    for file in files {
        std::fs::read(file).ok().hash(&mut hasher);
    }
    hasher.finish()
}

/// Loads the configuration again. A bad one changes nothing and says why.
pub(super) fn reload(shared: &Shared, origin: &Origin, watch: &mut Watch) {
    let Some(path) = &origin.path else { return };
    match config::load(path, &origin.environment) {
        Ok(loaded) => apply(shared, path, loaded, watch),
        Err(error) => refuse(shared, &error.kind().to_string()),
    }
}

fn apply(shared: &Shared, path: &Path, mut loaded: Loaded, watch: &mut Watch) {
    let Some(config) = loaded.config.take() else {
        refuse(shared, &loaded.report(false));
        return;
    };
    let tls = config.server.tls.clone();
    if tls.is_some() != shared.server.secure || config.server.listen != shared.server.listen {
        let message = "a change of [server] takes effect at the next start";
        shared.telemetry.log.write(Level::Warn, message, |_| {});
    }
    if shared.server.secure && tls.is_some() {
        shared.tls.store(tls);
    }
    shared.telemetry.metrics.observe(&config.routes);
    let gate = Gate::new(config, shared.telemetry.clone()).continuing(&shared.gate.load());
    shared.gate.store(Arc::new(gate));
    shared.warn_of_open_routes();
    *watch = Watch::new(std::mem::take(&mut loaded.watched));
    shared.telemetry.metrics.reloaded(true);
    shared
        .telemetry
        .log
        .write(Level::Info, "configuration reloaded", |line| {
            line.field("file", &path.display().to_string());
            line.number("warnings", loaded.problems.warnings());
        });
}

fn refuse(shared: &Shared, why: &str) {
    shared.telemetry.metrics.reloaded(false);
    let message = "the new configuration cannot be used; the old one stays";
    shared
        .telemetry
        .log
        .write(Level::Error, message, |line| line.field("problems", why));
}
