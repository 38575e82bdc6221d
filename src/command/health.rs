//! `gatepost health`: a probe for images without a shell.

use std::path::Path;
use std::time::Duration;

use super::target::Target;
use super::{NO, Outcome, UNAVAILABLE, client, say, tell};
use crate::config::{self, Listen};

/// A probe that waits longer has its answer.
const TIMEOUT: Duration = Duration::from_secs(2);

pub(super) fn run(path: &Path) -> Outcome {
    // The section alone: a probe needs neither the secrets nor a file without mistakes, and the
    // instance that it asks may run with the one before.
    let listen = config::listening(path, "health", "0.0.0.0:9901").or_else(|error| {
        if error.kind() == std::io::ErrorKind::NotFound {
            return Ok(Some(Listen::Tcp(([127, 0, 0, 1], 9901).into())));
        }
        tell(&format!("error: {}: {error}", path.display()));
        Err(UNAVAILABLE)
    })?;
    let Some(Listen::Tcp(mut address)) = listen else {
        tell("error: `[health] listen` names no TCP address to ask");
        return Err(UNAVAILABLE);
    };
    if address.ip().is_unspecified() {
        address.set_ip(match address {
            std::net::SocketAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
            std::net::SocketAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
        });
    }
    let head = format!("GET /readyz HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    match client::exchange(&Target::Tcp(vec![address]), head.as_bytes(), TIMEOUT) {
        Ok(answer) if answer.status == 200 => {
            say("ready\n");
            Ok(())
        }
        Ok(answer) => {
            say(&format!("not ready: {}\n", answer.status));
            Err(NO)
        }
        Err(error) => {
            tell(&format!("error: no instance answers at {address}: {error}"));
            Err(UNAVAILABLE)
        }
    }
}
