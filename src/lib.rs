//! gatepost: forwards only the webhooks that proved who sent them.

pub mod config;
pub mod encoding;
pub mod event;
pub mod form;
pub mod json;
pub mod rejection;
pub mod secret;
pub mod units;
