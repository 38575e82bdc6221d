//! `gatepost explain`: a reason, or a captured request against the configuration.

pub(super) mod words;

use std::io::Read as _;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;

use super::{IO, NO, Outcome, environment, say, serve, tell};
use crate::address::Trust;
use crate::capture::{self, Capture};
use crate::config::nearest::nearest;
use crate::diagnosis::{self, Case, Report};
use crate::proxy::framing;
use crate::rejection::Rejection;

/// Longer than any list of near misses takes on a body of a usual size.
const PATIENCE: Duration = Duration::from_secs(20);

/// A file that a captured command names is not larger, in bytes.
const LARGEST: u64 = 64 * 1024 * 1024;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// A captured request (raw HTTP, an HTTP archive, or a curl command; `-` is standard input), or
    /// a reason such as `signature_mismatch`; without it, all reasons
    #[arg(value_name = "FILE|REASON")]
    subject: Option<String>,
    /// The time to judge it by, as 2026-01-02T03:04:05Z or in Unix seconds; else what the capture
    /// says, else now
    #[arg(long, value_name = "TIME", value_parser = time)]
    at: Option<Timestamp>,
    /// The address that the connection came from
    #[arg(long, value_name = "IP")]
    from: Option<IpAddr>,
    /// Which entry of an HTTP archive, from 1
    #[arg(long, value_name = "N")]
    entry: Option<usize>,
    /// For machines
    #[arg(long)]
    json: bool,
    /// Take secrets written into the file, as `run --dev` does
    #[arg(long)]
    dev: bool,
}

fn time(text: &str) -> Result<Timestamp, String> {
    let seconds = || Timestamp::from_second(text.parse().ok()?).ok();
    text.parse()
        .ok()
        .or_else(seconds)
        .ok_or_else(|| "write it as 2026-01-02T03:04:05Z, or in Unix seconds".into())
}

pub(super) fn run(path: &Path, arguments: &Arguments) -> Outcome {
    let Some(subject) = arguments.subject.as_deref() else {
        say(&words::all_reasons());
        return Ok(());
    };
    let file = PathBuf::from(subject);
    let word = subject.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
    if word && !file.exists() {
        return reason(subject, arguments.json);
    }
    let bytes = if subject == "-" {
        let mut bytes = Vec::new();
        std::io::stdin().read_to_end(&mut bytes).map(|_| bytes)
    } else {
        std::fs::read(&file)
    };
    let bytes = bytes.map_err(|error| {
        tell(&format!("error: {}: {error}", file.display()));
        IO
    })?;
    let capture = capture::read(&bytes, arguments.entry, &named).map_err(|error| {
        tell(&format!(
            "error: {}: {error}\nhelp: save the request as raw HTTP (head, empty line, body byte for byte), \
             as an HTTP archive, or as a curl command",
            file.display()
        ));
        IO
    })?;
    let loaded = serve::load(path, &environment(arguments.dev))?;
    let config = loaded.config.as_ref().ok_or(super::CONFIG)?;
    let report = examine(arguments, config, capture);
    if arguments.json {
        say(&format!("{:#}\n", report.to_json()));
    } else {
        say(&words::report(&report));
    }
    if report.reason.is_some() {
        Err(NO)
    } else {
        Ok(())
    }
}

/// A file that the capture names: it may come from anybody, and name what has no end.
fn named(name: &str) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let file = std::fs::File::open(name)?;
    file.take(LARGEST).read_to_end(&mut bytes)?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length >= LARGEST) {
        return Err(std::io::Error::other("larger than any body"));
    }
    Ok(bytes)
}

fn examine(arguments: &Arguments, config: &crate::config::Config, capture: Capture) -> Report {
    let Capture {
        parts,
        body,
        at,
        mut notes,
    } = capture;
    let now = arguments.at.or(at).unwrap_or_else(Timestamp::now);
    let peer = arguments
        .from
        .or_else(|| assumed_peer(&config.trust, &parts.headers, &mut notes));
    let mut report =
        match framing::require_unambiguous(&parts.uri, parts.version, (&parts.headers).into()) {
            Err(reason) => Report::refused(parts.method.as_str(), parts.uri.path(), reason),
            Ok(host) => {
                let case = Case {
                    parts: &parts,
                    host,
                    body: &body,
                    peer,
                    now,
                    plain: framing::require_plain_body((&parts.headers).into()),
                    unread: false,
                    limit: PATIENCE,
                };
                diagnosis::examine(&config.routes, &config.trust, &case)
            }
        };
    notes.push(match (arguments.at, at) {
        (Some(_), _) => format!("judged at {now:.0}, as asked"),
        (None, Some(_)) => format!("judged at {now:.0}, when it was captured"),
        (None, None) => {
            format!("judged at {now:.0}, which is now: `--at TIME` judges at another time")
        }
    });
    report.notes.extend(notes);
    report
}

/// Where a proxy is trusted and its header is there, the capture was made behind it.
fn assumed_peer(
    trust: &Trust,
    headers: &http::HeaderMap,
    notes: &mut Vec<String>,
) -> Option<IpAddr> {
    let told = match &trust.source {
        crate::address::ClientSource::Peer | crate::address::ClientSource::ProxyProtocol => false,
        crate::address::ClientSource::XForwardedFor => headers.contains_key("x-forwarded-for"),
        crate::address::ClientSource::Forwarded => headers.contains_key("forwarded"),
        crate::address::ClientSource::Header(name) => headers.contains_key(name),
    };
    let proxy = trust
        .proxies
        .iter()
        .next()
        .map(crate::address::Network::first)?;
    if !told || proxy == IpAddr::V4(Ipv4Addr::UNSPECIFIED) {
        return None;
    }
    notes.push("the client address is taken from the forwarding header, as if a trusted proxy had sent it (`--from IP` says who did)".into());
    Some(proxy)
}

fn reason(code: &str, json: bool) -> Outcome {
    let Some(reason) = Rejection::ALL.iter().find(|reason| reason.code() == code) else {
        let hint = nearest(code, Rejection::ALL.iter().map(|reason| reason.code())).map_or_else(
            || "`gatepost explain` lists them".to_owned(),
            |near| format!("did you mean `{near}`?"),
        );
        tell(&format!(
            "error: there is neither a file nor a reason `{code}`\nhelp: {hint}"
        ));
        return Err(NO);
    };
    if json {
        say(&format!("{:#}\n", words::reason_json(*reason)));
    } else {
        say(&words::reason(*reason));
    }
    Ok(())
}
