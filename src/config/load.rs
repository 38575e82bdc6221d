//! Loading: the file, its secrets, everything, or all that is wrong with it.

use std::path::{Path, PathBuf};

use super::compile::Compiler;
use super::environment::Environment;
use super::grammar::ROOT;
use super::problem::Problems;
use super::render;
use super::settings::{About, Config, Listen};
use super::source::{Files, Span};
use super::{shape, tree};
use crate::encoding::Encoding;
use crate::verify::Hash;

/// What stands in for the listeners and the app.
const REHEARSAL: &str = r#"
[server]
listen = "127.0.0.1:0"
drain = "1s"
[client_address]
trusted_proxies = ["127.0.0.1"]
[upstream]
url = "echo:"
[health]
listen = "off"
[admin]
listen = "off"
"#;

/// What loading gave.
#[derive(Debug)]
pub struct Loaded {
    /// The configuration; `None` when there is an error among the problems.
    pub config: Option<Config>,
    /// Everything found, warnings included.
    pub problems: Problems,
    /// The files that problems point into.
    pub files: Files,
    /// The root of the file, for `check --show`.
    pub root: tree::Table,
    /// Secrets that are not there: what has to be set before it can start.
    pub missing: Vec<String>,
    /// Every file that was read: a reload looks at these.
    pub watched: Vec<PathBuf>,
}

impl Loaded {
    /// The problems as people read them.
    pub fn report(&self, color: bool) -> String {
        render::render(&self.problems, &self.files, color)
    }
}

/// Where the section of this name listens, without loading anything else: who asks a running
/// instance need not have its secrets. `None` for off.
///
/// # Errors
///
/// When the file cannot be read.
pub fn listening(path: &Path, section: &str, default: &str) -> std::io::Result<Option<Listen>> {
    let text = std::fs::read_to_string(path)?;
    let mut files = Files::new();
    let id = files.add(path.display().to_string(), text.as_str());
    let (root, _) = tree::parse(&files, id);
    let written = root.table(section).and_then(|table| table.text("listen"));
    let text = written.unwrap_or(default);
    Ok(match text.strip_prefix("unix:") {
        _ if text == "off" => None,
        Some(socket) => {
            let folder = path.parent().map(Path::to_path_buf).unwrap_or_default();
            Some(Listen::Unix(folder.join(socket)))
        }
        None => {
            use std::net::ToSocketAddrs as _;
            let mut addresses = text.to_socket_addrs()?;
            addresses.next().map(Listen::Tcp)
        }
    })
}

/// Loads the file at `path`.
///
/// # Errors
///
/// When the file itself cannot be read.
pub fn load(path: &Path, environment: &Environment) -> std::io::Result<Loaded> {
    let bytes = std::fs::read(path)?;
    let folder = path.parent().map(Path::to_path_buf).unwrap_or_default();
    let name = path.display().to_string();
    let mut loaded = match std::str::from_utf8(&bytes) {
        Ok(text) => parse(&name, text, folder, environment),
        Err(error) => not_text(&name, &bytes, error.valid_up_to()),
    };
    loaded.watched.push(path.to_path_buf());
    Ok(loaded)
}

/// What loading gives for a file that is not UTF-8 from byte `at` on.
fn not_text(name: &str, bytes: &[u8], at: usize) -> Loaded {
    let mut files = Files::new();
    let text = String::from_utf8_lossy(bytes);
    let file = files.add(name, text);
    // What is before it is as long in the text as in the file.
    let span = Span {
        file,
        start: at,
        end: at.saturating_add(char::REPLACEMENT_CHARACTER.len_utf8()),
    };
    let mut problems = Problems::new();
    problems.error(
        span,
        "not valid TOML: the file is not UTF-8",
        "here",
        "save it as UTF-8; look whether it is the right file",
    );
    Loaded {
        config: None,
        problems,
        files,
        root: tree::Table::new(span),
        missing: Vec::new(),
        watched: Vec::new(),
    }
}

/// Loads a text; `name` is how messages call it, `folder` where its relative paths start.
pub fn parse(name: &str, text: &str, folder: PathBuf, environment: &Environment) -> Loaded {
    let mut files = Files::new();
    let id = files.add(name, text);
    let (mut root, syntax) = tree::parse(&files, id);
    let mut problems = Problems::new();
    let readable = syntax.is_empty();
    problems.extend(syntax);
    shape::check(&root, &ROOT, &mut problems);
    if environment.throw_away.is_some() {
        // A rehearsal has listeners, an app and a memory of its own.
        let replaced = [
            "server",
            "client_address",
            "upstream",
            "duplicates",
            "health",
            "admin",
        ];
        let stays = |name: &str| !replaced.contains(&name);
        root.entries.retain(|entry| stays(&entry.name));
        let own = files.add("(the rehearsal's own)", REHEARSAL);
        root.entries.extend(tree::parse(&files, own).0.entries);
    }
    let mut compiler = Compiler::new(environment, files, problems, folder);
    // What cannot be read whole would only give problems that are not there.
    let config = if readable {
        compiler.config(&root)
    } else {
        None
    };
    let Compiler {
        files,
        problems,
        missing,
        watched,
        ..
    } = compiler;
    let config = config.filter(|_| problems.errors() == 0);
    let mut loaded = Loaded {
        config,
        problems,
        files,
        root,
        missing,
        watched,
    };
    let about = about(name, text, &loaded);
    if let Some(config) = &mut loaded.config {
        config.about = about;
    }
    loaded
}

fn about(name: &str, text: &str, loaded: &Loaded) -> About {
    let warnings = loaded.problems.sorted().into_iter().map(|problem| {
        let line = problem
            .span
            .map(|span| loaded.files.position(span).line.to_string());
        format!("{name}:{}: {}", line.unwrap_or_default(), problem.message)
    });
    let mut hash = Encoding::Hex.encode(&Hash::Sha256.of(text.as_bytes()));
    hash.truncate(12);
    About {
        file: name.to_owned(),
        effective: super::show::effective(loaded),
        warnings: warnings.collect(),
        hash,
    }
}
