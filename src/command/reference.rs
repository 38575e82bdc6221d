//! Makes `docs/commands.md` from what the commands say of themselves.

use std::fmt::Write as _;

use clap::{Arg, Command, CommandFactory as _};

const HEAD: &str = "# Commands\n\n<!-- Made from the program itself; GATEPOST_BLESS=1 cargo test makes it again. -->\n\n\
    Results go to standard output, everything else to standard error. Without a command `gatepost`\n\
    serves, as `gatepost run` does. No secret is ever taken on the command line.\n\n\
    | exit code | meaning |\n|---|---|\n\
    | 0 | ok |\n| 1 | the answer is no |\n| 2 | a mistake on the command line |\n\
    | 69 | no running instance was reached |\n| 74 | input or output failed |\n\
    | 78 | the configuration cannot be used |\n";

fn reference() -> String {
    let mut root = super::Arguments::command();
    root.build();
    let mut text = HEAD.to_owned();
    text.push_str("\n## Options of every command\n\n");
    arguments(
        &mut text,
        root.get_arguments().filter(|arg| arg.is_global_set()),
    );
    for command in root
        .get_subcommands()
        .filter(|command| command.get_name() != "help")
    {
        section(&mut text, command);
    }
    text.replace("\n\n\n", "\n\n")
}

fn section(text: &mut String, command: &Command) {
    let name = command.get_name();
    let about = command.get_about().map(ToString::to_string);
    let usage = command.clone().render_usage().to_string();
    let usage = usage.trim_start_matches("Usage: ").trim();
    let usage = usage
        .trim_start_matches("gatepost ")
        .trim_start_matches(name)
        .trim();
    // Writing to a String cannot fail.
    let _ = writeln!(
        text,
        "\n## gatepost {name}\n\n{}.\n",
        about.unwrap_or_default()
    );
    let _ = writeln!(
        text,
        "```text\n{}\n```\n",
        format!("gatepost {name} {usage}").trim()
    );
    let own = command.get_arguments();
    arguments(
        text,
        own.filter(|arg| !arg.is_global_set() && arg.get_id() != "help"),
    );
    if let Some(after) = command.get_after_help() {
        let after = after.to_string();
        let (words, example) = after.split_once("Example:").unwrap_or((&after, ""));
        if !words.trim().is_empty() {
            let _ = writeln!(text, "{}\n", words.trim());
        }
        let example: Vec<&str> = example
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty())
            .collect();
        if !example.is_empty() {
            let _ = writeln!(text, "```sh\n{}\n```", example.join("\n"));
        }
    }
}

fn arguments<'a>(text: &mut String, all: impl Iterator<Item = &'a Arg>) {
    let rows: Vec<String> = all.filter(|arg| !arg.is_hide_set()).map(row).collect();
    if !rows.is_empty() {
        let _ = writeln!(
            text,
            "| argument | meaning |\n|---|---|\n{}\n",
            rows.join("\n")
        );
    }
}

fn row(arg: &Arg) -> String {
    let names = arg.get_value_names().unwrap_or_default();
    let value: Vec<String> = names.iter().map(|name| format!("<{name}>")).collect();
    let value = if arg.get_action().takes_values() {
        value.join(" ")
    } else {
        String::new()
    };
    let long = arg.get_long().map(|long| format!("--{long}"));
    let short = arg.get_short().map(|short| format!("-{short}"));
    let flags: Vec<String> = [short, long].into_iter().flatten().collect();
    let shown = format!("{} {value}", flags.join(", "));
    let mut help = arg.get_help().map(ToString::to_string).unwrap_or_default();
    let choices: Vec<String> = arg
        .get_possible_values()
        .iter()
        .filter(|value| arg.get_action().takes_values() && !value.is_hide_set())
        .map(|value| format!("`{}`", value.get_name()))
        .collect();
    if !choices.is_empty() {
        let _ = write!(help, ": {}", choices.join(", "));
    }
    if let Some(env) = arg.get_env().and_then(|name| name.to_str()) {
        let _ = write!(help, " (or `{env}`)");
    }
    let defaults: Vec<&str> = arg
        .get_default_values()
        .iter()
        .filter_map(|value| value.to_str())
        .collect();
    if !defaults.is_empty() && arg.get_action().takes_values() {
        let _ = write!(help, "; default `{}`", defaults.join(", "));
    }
    format!("| `{}` | {} |", shown.trim(), help.replace('|', "\\|"))
}

#[test]
fn the_reference_of_the_commands_is_true() {
    crate::blessed::agrees("docs/commands.md", &reference());
}

#[test]
fn every_command_has_an_example() {
    let root = super::Arguments::command();
    for command in root.get_subcommands() {
        let help = command
            .get_after_help()
            .map(ToString::to_string)
            .unwrap_or_default();
        assert!(help.contains("Example:\n"), "{}", command.get_name());
    }
}
