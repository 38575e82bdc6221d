//! The log on standard error.

use std::io::{IsTerminal as _, Write as _};
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;

use super::line::Line;

/// Lines are written at once when so many bytes wait; else by [`Log::flush`].
const FULL: usize = 32 * 1024;

/// How lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// One JSON object a line.
    Json,
    /// Words, for a terminal.
    Text,
}

impl Format {
    /// Text on a terminal, JSON elsewhere.
    pub fn detect() -> Self {
        if std::io::stderr().is_terminal() { Self::Text } else { Self::Json }
    }
}

/// How much a line matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Every detail.
    Debug,
    /// The normal run of things, refused requests among them.
    Info,
    /// Something that will need somebody.
    Warn,
    /// Something that needs somebody now.
    Error,
}

impl Level {
    /// The name in the grammar and in a line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        }
    }
}

/// A log. Lines are gathered and written together: a system call per line would cost as much as
/// the verification of a small request.
#[derive(Debug)]
pub struct Log {
    json: bool,
    level: Level,
    at_once: bool,
    waiting: Mutex<Vec<u8>>,
}

impl Log {
    /// Starts a log that shows `level` and above.
    pub fn new(format: Format, level: Level) -> Self {
        Self {
            json: format == Format::Json,
            level,
            at_once: std::io::stderr().is_terminal(),
            waiting: Mutex::default(),
        }
    }

    /// Whether lines of this level are shown.
    pub fn shows(&self, level: Level) -> bool {
        level >= self.level
    }

    /// Writes one line; `fill` adds its fields. Anything but a request is written at once.
    pub fn write(&self, level: Level, message: &str, fill: impl FnOnce(&mut Line)) {
        self.request(level, message, fill);
        self.flush();
    }

    /// Writes the line of a request.
    pub fn request(&self, level: Level, message: &str, fill: impl FnOnce(&mut Line)) {
        if !self.shows(level) {
            return;
        }
        let time = Timestamp::now();
        let mut line = Line::new(self.json, &format!("{time:.3}"), level.name(), message);
        fill(&mut line);
        let full = {
            let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            waiting.extend_from_slice(line.end().as_bytes());
            waiting.len() >= FULL
        };
        if self.at_once || full {
            self.flush();
        }
    }

    /// Writes what waits. A log that cannot be written is no reason to lose a request.
    pub fn flush(&self) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if !waiting.is_empty() {
            let _ = std::io::stderr().lock().write_all(&waiting);
            waiting.clear();
        }
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        self.flush();
    }
}
