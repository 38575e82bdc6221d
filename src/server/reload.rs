//! A new configuration without a restart: from the file and every secret file, by content.

use std::collections::HashMap;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash as _, Hasher as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;

use super::{Reloaded, Shared, Told, notify};
use crate::config::{self, Environment, Loaded};
use crate::proxy::Gate;
use crate::telemetry::{Happening, Level, name};

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
#[derive(Debug, Default)]
pub(super) struct Watch {
    seen: HashMap<PathBuf, u64>,
}

impl Watch {
    pub(super) fn new(files: Vec<PathBuf>) -> Self {
        let mut watch = Self::default();
        watch.add(files);
        watch
    }

    /// Whether any file reads differently than last time.
    pub(super) fn changed(&mut self) -> bool {
        let mut changed = false;
        for (file, seen) in &mut self.seen {
            let now = fingerprint(file);
            changed |= std::mem::replace(seen, now) != now;
        }
        changed
    }

    /// Watches these files too. What is known of the others stays: it was seen before they were
    /// loaded, so a change during the load is not missed.
    fn add(&mut self, files: Vec<PathBuf>) {
        for file in files {
            self.seen
                .entry(file)
                .or_insert_with_key(|file| fingerprint(file));
        }
    }

    /// Watches these files and no others.
    fn replace(&mut self, files: Vec<PathBuf>) {
        self.seen.retain(|file, _| files.contains(file));
        self.add(files);
    }
}

fn fingerprint(file: &Path) -> u64 {
    let mut hasher = DefaultHasher::new();
    std::fs::read(file).ok().hash(&mut hasher);
    hasher.finish()
}

/// Loads the configuration again. A bad one changes nothing and says why.
pub(super) fn reload(shared: &Shared, origin: &Origin, watch: &mut Watch) -> Reloaded {
    let Some(path) = &origin.path else {
        return Err("the configuration is not from a file".into());
    };
    notify::reloading(&shared.telemetry.log);
    // What changes from here on is another change.
    watch.changed();
    let outcome = match config::load(path, &origin.environment) {
        Ok(loaded) => apply(shared, path, loaded, watch),
        Err(error) => Err(error.kind().to_string()),
    };
    if let Err(why) = &outcome {
        refuse(shared, why);
    }
    notify::ready(&shared.telemetry.log);
    outcome
}

fn apply(shared: &Shared, path: &Path, mut loaded: Loaded, watch: &mut Watch) -> Reloaded {
    let Some(config) = loaded.config.take() else {
        let why = loaded.report(false);
        // What is wrong may be a file that is still to come.
        watch.add(loaded.watched);
        return Err(why);
    };
    let tls = config.server.tls.clone();
    if tls.is_some() != shared.server.secure || config.server.listen != shared.server.listen {
        let message = "a change of [server] takes effect at the next start";
        shared.telemetry.log.write(Level::Warn, message, |_| {});
    }
    if shared.server.secure && tls.is_some() {
        shared.tls.store(tls);
    }
    let metrics = &shared.telemetry.metrics;
    metrics.observe(&config.routes);
    metrics.configured(&config.about.hash);
    if shared.server.secure {
        metrics.certificates(&config.server.certificates);
    }
    shared.about.store(Arc::new(Told {
        about: config.about.clone(),
        loaded: Timestamp::now(),
        refused: None,
    }));
    let gate = Gate::new(config, shared.telemetry.clone()).continuing(&shared.gate.load());
    shared.gate.store(Arc::new(gate));
    shared.warn_of_open_routes();
    watch.replace(std::mem::take(&mut loaded.watched));
    shared.telemetry.metrics.reloaded(true);
    shared
        .telemetry
        .log
        .write(Level::Info, "configuration reloaded", |line| {
            line.field(name!("file"), &path.display().to_string());
            line.number(name!("warnings"), loaded.problems.warnings());
        });
    shared.telemetry.live.tell(|| happening(true));
    Ok(loaded.problems.warnings())
}

fn happening(good: bool) -> Happening {
    Happening {
        kind: "reload",
        route: None,
        refused: false,
        text: serde_json::json!({ "reloaded": good }).to_string(),
    }
}

fn refuse(shared: &Shared, why: &str) {
    let mut told = Told::clone(&shared.about.load());
    told.refused = Some((Timestamp::now(), why.to_owned()));
    shared.about.store(Arc::new(told));
    shared.telemetry.live.tell(|| happening(false));
    shared.telemetry.metrics.reloaded(false);
    let message = "the new configuration cannot be used; the old one stays";
    shared.telemetry.log.write(Level::Error, message, |line| {
        line.field(name!("problems"), why);
    });
}
