//! gatepost: forwards only the webhooks that proved who sent them.

pub mod config;
pub mod encoding;
pub mod rejection;
pub mod secret;
pub mod units;
