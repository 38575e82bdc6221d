//! What a user types: one file per command. Results go to standard output, all else to standard
//! error.

mod certificates;
mod check;
mod client;
mod delivery;
mod demo;
mod explain;
mod health;
mod init;
#[expect(
    clippy::indexing_slicing,
    reason = "a JSON value that is not there is null, and no panic"
)]
mod instance;
mod junit;
mod paper;
mod providers;
mod question;
#[cfg(test)]
mod reference;
mod rehearsal;
mod schema;
mod send;
mod serve;
mod target;
mod test;

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::config::Environment;

/// The answer is no.
const NO: u8 = 1;
/// No running instance.
const UNAVAILABLE: u8 = 69;
/// Input or output failed.
const IO: u8 = 74;
/// The configuration cannot be used (`EX_CONFIG`).
const CONFIG: u8 = 78;

#[derive(Debug, Parser)]
#[command(
    name = "gatepost",
    version,
    about = "Forwards only the webhooks that proved who sent them.",
    after_help = "Start with:\n  gatepost demo                 see it work, nothing needed\n  \
                  gatepost init -p prelude      write a sidecar.toml for a provider\n  \
                  gatepost check                is sidecar.toml right?\n  \
                  gatepost run                  serve"
)]
struct Arguments {
    /// The configuration
    #[arg(
        short,
        long,
        global = true,
        value_name = "FILE",
        env = "GATEPOST_CONFIG",
        default_value = "sidecar.toml"
    )]
    config: PathBuf,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Load everything that `run` would, start nothing
    #[command(
        after_help = "Exit code 78 with all problems. Example:\n  gatepost check -c sidecar.toml --show"
    )]
    Check(check::Arguments),
    /// What a shell needs to complete commands
    #[command(
        after_help = "Example:\n  gatepost completions bash > /etc/bash_completion.d/gatepost"
    )]
    Completions(paper::Completions),
    /// See all five seed providers work, on loopback with throw-away keys
    #[command(
        after_help = "Exit code 0 only if every outcome is the expected one. Example:\n  gatepost demo"
    )]
    Demo,
    /// Why a captured request is refused, offline; or what a reason means
    #[command(
        after_help = "Exit code 0 if the request passes, 1 if it is refused. Example:\n  gatepost explain delivery.http --at 2026-01-02T03:04:05Z"
    )]
    Explain(explain::Arguments),
    /// Ask a running instance whether it is ready, for exec probes
    #[command(after_help = "Example:\n  gatepost health -c /etc/gatepost/sidecar.toml")]
    Health,
    /// Write a sidecar.toml for these providers
    #[command(
        after_help = "It never overwrites a file without --force. Example:\n  gatepost init -p prelude -p prove"
    )]
    Init(init::Arguments),
    /// The manual page
    #[command(after_help = "Example:\n  gatepost man /usr/share/man/man1")]
    Man(paper::Man),
    /// The providers that come with gatepost: all, those that match, or one of them
    #[command(
        after_help = "Example:\n  gatepost providers hmac documented\n  gatepost providers prelude"
    )]
    Providers(providers::Arguments),
    /// Let a running instance load its configuration again
    #[command(
        after_help = "Exit code 1 if the new configuration cannot be used. Example:\n  gatepost reload"
    )]
    Reload(instance::Arguments),
    /// Serve
    #[command(after_help = "Example:\n  gatepost run -c /etc/gatepost/sidecar.toml")]
    Run(serve::Arguments),
    /// The JSON Schema of sidecar.toml, for editors
    #[command(
        after_help = "An editor that knows TOML schemas (taplo, Even Better TOML) completes and checks a file\n\
                      whose first line is `#:schema ./sidecar.schema.json`. Example:\n  \
                      gatepost schema > sidecar.schema.json"
    )]
    Schema,
    /// Sign a sample as the provider would and send it
    #[command(after_help = "Example:\n  gatepost send /webhooks/prove --tamper key")]
    Send(send::Arguments),
    /// Run the [[test]] blocks of the configuration on throw-away secrets
    #[command(
        after_help = "Nothing is read from where secrets are kept, and no app is needed. Exit code 1 when a test\n\
                      fails or there is none. Example:\n  gatepost test --junit report.xml"
    )]
    Test(test::Arguments),
    /// What a running instance does: routes, counts, secrets in use
    #[command(after_help = "Example:\n  gatepost status --admin 127.0.0.1:9902")]
    Status(instance::Arguments),
    /// Watch the requests of a running instance
    #[command(after_help = "Example:\n  gatepost tail --refused --route /webhooks/prelude")]
    Tail(instance::TailArguments),
    /// Why a running instance refused a request
    #[command(after_help = "Example:\n  gatepost why 01JDF3Q0V8W7Y6Z5X4C3B2A1D0")]
    Why(instance::WhyArguments),
}

/// Runs what the command line says.
pub fn run() -> ExitCode {
    let arguments = Arguments::parse();
    let config = arguments.config;
    let code = match arguments.command {
        None => serve::run(&config, &serve::Arguments::default()),
        Some(Command::Check(arguments)) => check::run(&config, &arguments),
        Some(Command::Completions(arguments)) => {
            paper::completions(&arguments);
            Ok(())
        }
        Some(Command::Demo) => demo::run(),
        Some(Command::Explain(arguments)) => explain::run(&config, &arguments),
        Some(Command::Health) => health::run(&config),
        Some(Command::Init(arguments)) => init::run(&config, &arguments),
        Some(Command::Man(arguments)) => paper::man(&arguments),
        Some(Command::Providers(arguments)) => providers::run(&arguments),
        Some(Command::Reload(arguments)) => instance::reload(&config, &arguments),
        Some(Command::Run(arguments)) => serve::run(&config, &arguments),
        Some(Command::Schema) => {
            schema::run();
            Ok(())
        }
        Some(Command::Send(arguments)) => send::run(&config, &arguments),
        Some(Command::Test(arguments)) => test::run(&config, &arguments),
        Some(Command::Status(arguments)) => instance::status(&config, &arguments),
        Some(Command::Tail(arguments)) => instance::tail(&config, &arguments),
        Some(Command::Why(arguments)) => instance::why(&config, &arguments),
    };
    match code {
        Ok(()) => ExitCode::SUCCESS,
        Err(code) => ExitCode::from(code),
    }
}

/// How a command ends: well, or with an exit code whose reason has been said.
type Outcome = Result<(), u8>;

/// The environment of this process; `dev` takes secrets from the file itself.
fn environment(dev: bool) -> Environment {
    Environment {
        inline: dev,
        variables: None,
        ..Environment::default()
    }
}

/// Prints a result. Who has read enough (`| head`) closes the pipe: that is no fault of ours.
fn say(text: &str) {
    let mut out = std::io::stdout().lock();
    drop(out.write_all(text.as_bytes()).and_then(|()| out.flush()));
}

/// Prints what is not a result.
#[expect(clippy::print_stderr, reason = "the one place that prints messages")]
fn tell(text: &str) {
    eprintln!("{}", text.trim_end());
}

/// Whether standard error takes colours (<https://no-color.org>).
fn colors() -> bool {
    use std::io::IsTerminal as _;
    std::io::stderr().is_terminal()
        && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}
