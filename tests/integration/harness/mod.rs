//! The binary under test, the app behind it, the provider in front of it: all over real sockets.
//!
//! Nothing sleeps to synchronise; every wait has [`DEADLINE`].

pub mod client;
pub mod delivery;
pub mod gatepost;
pub mod redis;
pub mod upstream;
pub mod verdict;

use std::time::Duration;

pub use client::{Client, Response};
pub use delivery::Delivery;
pub use gatepost::{Gatepost, Setup};
pub use redis::Redis;
pub use upstream::{Answer, Received, Upstream};

/// Longer than anything here takes on a busy machine.
pub const DEADLINE: Duration = Duration::from_secs(20);

/// The host every delivery is for, unless it says otherwise.
pub const HOST: &str = "hooks.example";

/// Where `needle` begins in `bytes`.
pub fn find(bytes: &[u8], needle: &[u8]) -> Option<usize> {
    bytes
        .windows(needle.len())
        .position(|window| window == needle)
}
