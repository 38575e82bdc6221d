//! The guard against getting slower: counts the instructions of each part of a request, and of
//! whole requests through the real binary, under valgrind, and compares them with those that are
//! written down. Time is noisy on a shared machine, a count is not.
//!
//! `cargo bench --bench instructions` compares; with `GATEPOST_BLESS=1` it writes the counts down
//! anew. Under valgrind no processor has the instructions for SHA-256, so hashing counts the same
//! everywhere, and dear.
#![allow(
    missing_docs,
    unreachable_pub,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a guard fails by panicking, and prints its table"
)]

/// One request after the other through the binary.
mod passage;
mod work;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

/// What may be lost before it counts as a loss, in hundredths: what the C library and the seeds of
/// hash tables make of it on another machine.
const TOLERANCE: u64 = 4;
/// The same for whole requests, where the scheduler decides how often a socket is looked at.
const TOLERANCE_OF_REQUESTS: u64 = 6;

fn main() -> ExitCode {
    let mut words = std::env::args().skip(1);
    if words.next().as_deref() == Some("--work") {
        let name = words.next().expect("the name of the work");
        let count: u32 = words
            .next()
            .and_then(|word| word.parse().ok())
            .expect("how often it is done");
        let mut work = work::work(&name);
        (0..count).for_each(|_| work());
        return ExitCode::SUCCESS;
    }
    let counted = count_all();
    let known = Baseline::read();
    if std::env::var_os("GATEPOST_BLESS").is_some() {
        known.with(&counted).write();
        println!("written down: {}", Baseline::path().display());
        return ExitCode::SUCCESS;
    }
    compare(&counted, &known)
}

fn count_all() -> Vec<(String, u64)> {
    let this = std::env::current_exe().expect("the path of this program");
    let mut counted = Vec::new();
    for name in work::STEADY {
        let dear = name.ends_with("64k") || name.starts_with("start");
        let often = if dear { 20 } else { 400 };
        let of = |count: u32| {
            let mut command = valgrind(&this);
            command.args(["--work", name, &count.to_string()]);
            let output = command
                .stdout(Stdio::null())
                .stderr(Stdio::piped())
                .output();
            collected(&output.expect("valgrind is installed").stderr)
        };
        // Twice, so that the start cancels out.
        let each = of(often * 2).saturating_sub(of(often)) / u64::from(often);
        counted.push((name.to_owned(), each));
    }
    for (name, size) in [("request_1k", 1024), ("request_64k", 64 * 1024)] {
        counted.push((name.to_owned(), passage::instructions(size)));
    }
    counted
}

/// `valgrind PROGRAM`, to which its arguments are added.
fn valgrind(program: &Path) -> Command {
    let mut command = Command::new("valgrind");
    command
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(program);
    command
}

/// The number of instructions that valgrind tells at its end.
fn collected(report: &[u8]) -> u64 {
    let report = String::from_utf8_lossy(report);
    report
        .lines()
        .find_map(|line| line.split_once("Collected :")?.1.trim().parse().ok())
        .unwrap_or_else(|| panic!("valgrind counted nothing:\n{report}"))
}

fn compare(counted: &[(String, u64)], known: &Baseline) -> ExitCode {
    let mut lost = false;
    println!("{:24} {:>10} {:>10}", "instructions", "now", "before");
    for (name, now) in counted {
        let Some(before) = known.of(name) else {
            println!("{name:24} {now:>10} {:>10}  not written down", "-");
            // Nothing is known of another kind of processor; on a known one all of it is.
            lost |= known.knows_this_processor();
            continue;
        };
        let tolerance = if name.starts_with("request") {
            TOLERANCE_OF_REQUESTS
        } else {
            TOLERANCE
        };
        let slack = before * tolerance / 100;
        let verdict = if *now > before + slack {
            lost = true;
            "LOST"
        } else if now + slack < before {
            "gained: write it down with GATEPOST_BLESS=1"
        } else {
            ""
        };
        println!("{name:24} {now:>10} {before:>10}  {verdict}");
    }
    if lost {
        eprintln!(
            "a part of a request takes more instructions than before; if that is worth it, write it down with GATEPOST_BLESS=1"
        );
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

/// Counts by processor and name.
struct Baseline(BTreeMap<String, u64>);

impl Baseline {
    fn path() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/instructions.txt")
    }

    fn read() -> Self {
        let text = std::fs::read_to_string(Self::path()).unwrap_or_default();
        let entry = |line: &str| {
            let (name, count) = line.rsplit_once(' ')?;
            Some((name.trim().to_owned(), count.parse().ok()?))
        };
        Self(text.lines().filter_map(entry).collect())
    }

    fn of(&self, name: &str) -> Option<u64> {
        self.0.get(&key(name)).copied()
    }

    fn knows_this_processor(&self) -> bool {
        self.0.keys().any(|known| known.starts_with(&key("")))
    }

    fn with(mut self, counted: &[(String, u64)]) -> Self {
        for (name, count) in counted {
            self.0.insert(key(name), *count);
        }
        self
    }

    fn write(&self) {
        let mut text = String::new();
        for (name, count) in &self.0 {
            let _ = writeln!(text, "{name} {count}");
        }
        std::fs::write(Self::path(), text).expect("the counts can be written");
    }
}

fn key(name: &str) -> String {
    format!("{} {name}", std::env::consts::ARCH)
}
