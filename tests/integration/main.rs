//! Black-box tests of the real binary, over sockets: what a provider, an attacker and the app see.
#![allow(
    missing_docs,
    unreachable_pub,
    missing_debug_implementations,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::print_stderr,
    clippy::too_many_lines,
    reason = "a test fails by panicking, and its tables are long"
)]

/// Starts the binary, plays the app and the caller, checks a verdict in full.
mod harness;
/// Signs as providers do, with none of the code under test.
mod signing;

/// The admin listener, and the commands that ask it.
mod admin;
/// The signed statement that an app can ask for.
mod assertion;
/// What a verified body must look like.
mod body_schema;
/// Every provider of the catalogue: signed and accepted, tampered with and refused.
mod catalogue;
/// What a user types: demo, send, providers, check.
mod commands;
/// Every mistake of a configuration and the text it is answered with.
mod config_errors;
/// Bad days: stops, reloads, outages, floods, slow and silent callers, at what cost.
mod days;
/// Copies and replays: what the app sees once, twice, and never too seldom.
mod duplicates;
/// `explain`: why a captured request is refused.
mod explain;
/// Smuggling: every head or body that two readers could read differently.
mod framing;
/// Every fuzz target on its corpus and a bounded number of mutations.
mod fuzzed;
/// What a provider asks before it sends events.
mod handshake;
/// What the app receives besides the body, and what nobody can make it receive.
mod headers;
/// Bodies that are read straight into the place where they stay.
mod large;
/// No secret in a log, an answer, a metric or a command's output.
mod leak;
/// Sizes, times, rates and budgets.
mod limits;
/// Lines and metrics: what they hold, and how many there are.
mod logs;
/// enforce, observe, passthrough.
mod modes;
/// Paths that two readers could read differently, and which route takes what.
mod paths;
/// The five providers of the catalogue, from their documents' samples.
mod providers;
/// Every console block of README.md.
mod readme;
/// The reference pages, and that every reason has a test.
mod reference;
/// The [[test]] blocks of a configuration.
mod rehearsal;
/// Schemes and their grammar through providers of one's own.
mod schemes;
/// TLS and HTTP/2.
mod tls;
/// Apps that are down, slow, broken or lying.
mod upstream;
/// What providers publish as genuine, and every change of one byte of it.
mod vectors;
