//! gatepost: forwards only the webhooks that proved who sent them.

pub mod address;
pub mod encoding;
pub mod rejection;
pub mod secret;
