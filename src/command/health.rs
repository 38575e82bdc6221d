//! `gatepost health`: a probe for images without a shell.

use std::path::Path;
use std::time::Duration;

use super::target::Target;
use super::{NO, Outcome, UNAVAILABLE, client, environment, say, tell};
use crate::config::{self, Listen};

/// A probe that waits longer has its answer.
const TIMEOUT: Duration = Duration::from_secs(2);

pub(super) fn run(path: &Path) -> Outcome {
    let loaded = config::load(path, &environment(true)).map_err(|_| UNAVAILABLE)?;
    let Some(Listen::Tcp(mut address)) = loaded.config.and_then(|config| config.health) else {
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
