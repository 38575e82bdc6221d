//! What `gatepost check` says of bad configurations: `tests/fixtures/config/NAME/sidecar.toml`,
//! and byte for byte in `expected.txt`.
//!
//! A folder named `warn-…` is a configuration that can be used, with warnings. Every secret of a
//! fixture holds `MARK`. With `GATEPOST_BLESS=1` the expectations are written instead of compared:
//! then read the difference as the operator would.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The configuration cannot be used (`EX_CONFIG` of sysexits.h).
const CONFIG: i32 = 78;

struct Fixture {
    name: String,
    folder: PathBuf,
}

/// What the binary said to standard error, and its exit code.
struct Said {
    text: String,
    code: Option<i32>,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/config")
}

fn fixtures() -> Vec<Fixture> {
    let mut found: Vec<Fixture> = fs::read_dir(root())
        .expect("the folder of the fixtures")
        .map(|entry| entry.expect("an entry").path())
        .filter(|folder| folder.join("sidecar.toml").is_file())
        .map(|folder| Fixture {
            name: folder
                .file_name()
                .expect("a name")
                .to_string_lossy()
                .into_owned(),
            folder,
        })
        .collect();
    found.sort_by(|a, b| a.name.cmp(&b.name));
    assert!(found.len() >= 45, "only {} fixtures", found.len());
    found
}

fn check(fixture: &Fixture) -> Said {
    let output = Command::new(env!("CARGO_BIN_EXE_gatepost"))
        .args(["check", "-c", "sidecar.toml"])
        .current_dir(&fixture.folder)
        .env_clear()
        .output()
        .expect("the binary runs");
    Said {
        text: String::from_utf8(output.stderr).expect("UTF-8"),
        code: output.status.code(),
    }
}

#[test]
fn every_bad_configuration_is_answered_as_expected() {
    let bless = std::env::var_os("GATEPOST_BLESS").is_some();
    let mut wrong = String::new();
    for fixture in fixtures() {
        let said = check(&fixture);
        let path = fixture.folder.join("expected.txt");
        if bless {
            fs::write(&path, &said.text).expect("expected.txt is written");
            continue;
        }
        let expected = fs::read_to_string(&path).unwrap_or_default();
        if said.text != expected {
            let Fixture { name, .. } = &fixture;
            writeln!(wrong, "---- {name}: expected\n{expected}---- but was").expect("a String");
            writeln!(wrong, "{}", said.text).expect("a String");
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn the_exit_code_is_78_unless_there_are_only_warnings() {
    for fixture in fixtures() {
        let Said { text, code } = check(&fixture);
        let only_warnings = fixture.name.starts_with("warn-");
        let expected = if only_warnings { 0 } else { CONFIG };
        assert_eq!(code, Some(expected), "{}\n{text}", fixture.name);
        assert_eq!(
            problems(&text, "error: ").count() == 0,
            only_warnings,
            "{}\n{text}",
            fixture.name
        );
        assert!(
            problems(&text, "").count() > 0,
            "nothing said of {}",
            fixture.name
        );
    }
}

#[test]
fn every_problem_has_its_place_a_mark_and_a_fix() {
    for fixture in fixtures() {
        let text = check(&fixture).text;
        for problem in problems(&text, "") {
            let name = &fixture.name;
            let place = problem.lines().nth(1).unwrap_or_default().trim_start();
            let place = place.strip_prefix("--> sidecar.toml:").unwrap_or_default();
            let (line, column) = place.split_once(':').unwrap_or_default();
            let number = |text: &str| text.parse::<usize>().is_ok_and(|number| number > 0);
            assert!(
                number(line) && number(column),
                "no place in {name}:\n{problem}"
            );
            assert!(problem.contains('^'), "no mark in {name}:\n{problem}");
            let fix = problem.lines().find_map(|line| line.strip_prefix("help: "));
            assert!(
                fix.is_some_and(|fix| !fix.is_empty()),
                "no fix in {name}:\n{problem}"
            );
        }
    }
}

#[test]
fn no_problem_is_told_twice() {
    for fixture in fixtures() {
        let text = check(&fixture).text;
        // The same token twice is a mistake and its consequence, or the same mistake in two words.
        let mut places: Vec<&str> = problems(&text, "")
            .filter_map(|problem| problem.lines().nth(1))
            .collect();
        let all = places.len();
        places.dedup();
        // What is missing has no token of its own: `[[route]]` is marked for each.
        let excused = ["empty", "secret-missing"].contains(&&*fixture.name);
        assert!(places.len() == all || excused, "{}\n{text}", fixture.name);
    }
}

#[test]
fn no_secret_of_a_fixture_is_printed() {
    let shared = secrets_in(&root().join("keys"));
    for fixture in fixtures() {
        let text = check(&fixture).text;
        assert!(!text.contains("MARK"), "{}\n{text}", fixture.name);
        for secret in shared.iter().chain(&secrets_in(&fixture.folder)) {
            assert!(
                !text.contains(secret.as_str()),
                "{} prints {secret}\n{text}",
                fixture.name
            );
        }
    }
}

#[test]
fn ten_mistakes_are_ten_problems() {
    let fixture = Fixture {
        name: "ten-mistakes".into(),
        folder: root().join("ten-mistakes"),
    };
    let text = check(&fixture).text;
    assert_eq!(problems(&text, "error: ").count(), 10, "{text}");
    assert_eq!(problems(&text, "warning: ").count(), 0, "{text}");
}

/// The problems of a text that begin so, each with all its lines.
fn problems<'t>(text: &'t str, start: &'t str) -> impl Iterator<Item = &'t str> {
    text.split("\n\n")
        .filter(|part| part.starts_with("error: ") || part.starts_with("warning: "))
        .filter(move |part| part.starts_with(start))
}

/// Every line of the secret files of a folder that is long enough to be told from other text.
fn secrets_in(folder: &Path) -> Vec<String> {
    let known = ["sidecar.toml", "expected.txt"];
    fs::read_dir(folder)
        .expect("a folder")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.is_file() && !known.iter().any(|name| path.ends_with(name)))
        .flat_map(|path| {
            let text = String::from_utf8_lossy(&fs::read(path).expect("a file")).into_owned();
            let lines: Vec<String> = text.lines().map(|line| line.trim().to_owned()).collect();
            lines
        })
        .filter(|line| line.len() >= 6 && !line.starts_with("-----"))
        .collect()
}
