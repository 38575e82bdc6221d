//! The log on standard error.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::io::{IsTerminal as _, Write};
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;

use super::line::{Line, thousandths};

/// Lines are written at once when so many bytes wait; else by [`Log::flush`].
const FULL: usize = 32 * 1024;

/// The length of a time without its fraction.
const SECONDS: usize = "2026-01-01T00:00:00".len();

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
        if std::io::stderr().is_terminal() {
            Self::Text
        } else {
            Self::Json
        }
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
pub struct Log {
    json: bool,
    level: Level,
    at_once: bool,
    waiting: Mutex<Waiting>,
}

/// Lines that are not written yet, and where they will be.
struct Waiting {
    lines: Vec<u8>,
    sink: Box<dyn Write + Send>,
}

impl fmt::Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Log")
            .field("level", &self.level)
            .finish_non_exhaustive()
    }
}

impl Log {
    /// Starts a log on standard error that shows `level` and above.
    pub fn new(format: Format, level: Level) -> Self {
        let stderr = std::io::stderr();
        let at_once = stderr.is_terminal();
        let mut log = Self::to(format, level, Box::new(stderr));
        log.at_once = at_once;
        log
    }

    /// Starts a log that is written elsewhere, each line at once.
    pub fn to(format: Format, level: Level, sink: Box<dyn Write + Send>) -> Self {
        let waiting = Mutex::new(Waiting {
            lines: Vec::new(),
            sink,
        });
        Self {
            json: format == Format::Json,
            level,
            at_once: true,
            waiting,
        }
    }

    /// Whether lines of this level are shown.
    pub fn shows(&self, level: Level) -> bool {
        level >= self.level
    }

    /// Writes one line; `fill` adds its fields. Anything but a request is written at once.
    pub fn write(&self, level: Level, message: &str, fill: impl FnOnce(&mut Line<'_>)) {
        self.request(level, Timestamp::now(), message, fill);
        self.flush();
    }

    /// A line as JSON, for who watches.
    pub fn json(
        level: Level,
        now: Timestamp,
        message: &str,
        fill: impl FnOnce(&mut Line<'_>),
    ) -> String {
        let mut text = String::new();
        let mut line = with_time(now, |time| {
            Line::new(&mut text, true, time, level.name(), message)
        });
        fill(&mut line);
        line.end();
        text.truncate(text.trim_end().len());
        text
    }

    /// Writes the line of a request that ended at `now`.
    pub fn request(
        &self,
        level: Level,
        now: Timestamp,
        message: &str,
        fill: impl FnOnce(&mut Line<'_>),
    ) {
        if !self.shows(level) {
            return;
        }
        thread_local! {
            // Kept from line to line, so that none allocates.
            static TEXT: Cell<String> = const { Cell::new(String::new()) };
        }
        let mut text = TEXT.take();
        text.clear();
        let mut line = with_time(now, |time| {
            Line::new(&mut text, self.json, time, level.name(), message)
        });
        fill(&mut line);
        line.end();
        self.gather(text.as_bytes());
        TEXT.set(text);
    }

    /// Whether people read it.
    pub const fn is_text(&self) -> bool {
        !self.json
    }

    /// Writes text that is made for people, of what ended at `now`.
    pub fn plain(&self, level: Level, now: Timestamp, text: impl FnOnce(&str) -> String) {
        if self.shows(level) {
            let text = with_time(now, |time| text(time.get(11..19).unwrap_or(time)));
            self.gather(text.as_bytes());
        }
    }

    fn gather(&self, bytes: &[u8]) {
        let full = {
            let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            waiting.lines.extend_from_slice(bytes);
            waiting.lines.len() >= FULL
        };
        if self.at_once || full {
            self.flush();
        }
    }

    /// Writes what waits. A log that cannot be written is no reason to lose a request.
    pub fn flush(&self) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let Waiting { lines, sink } = &mut *waiting;
        if !lines.is_empty() {
            drop(sink.write_all(lines));
            lines.clear();
        }
    }
}

/// Gives `now` as RFC 3339 with milliseconds. Only these are written anew within a second.
fn with_time<T>(now: Timestamp, give: impl FnOnce(&str) -> T) -> T {
    thread_local! {
        static WRITTEN: RefCell<(i64, String)> = const { RefCell::new((i64::MIN, String::new())) };
    }
    WRITTEN.with_borrow_mut(|(second, text)| {
        if *second == now.as_second() {
            text.truncate(SECONDS);
        } else {
            *second = now.as_second();
            *text = format!("{now:.0}").replace('Z', "");
        }
        thousandths(text, now.subsec_millisecond().unsigned_abs().into());
        text.push('Z');
        give(text)
    })
}

impl Drop for Log {
    fn drop(&mut self) {
        self.flush();
    }
}
