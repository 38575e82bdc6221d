//! gatepost: forwards only the webhooks that proved who sent them.
//!
//! # The life of a request
//!
//! [`server`] accepts it, [`proxy`] is the line it goes along, [`route`] finds the rules,
//! [`verify`] gives the proof, [`event`] reads what happened, [`upstream`] sends it to the app,
//! [`telemetry`] writes it down. `proxy::handle` is that line on one screen.
//!
//! # Floors
//!
//! A module imports from lower floors only.
//!
//! | floor | modules |
//! |---|---|
//! | 5 | [`command`]: what a user types |
//! | 4 | [`server`]: listeners, TLS, drain, reload, health |
//! | 3 | [`proxy`]: the line |
//! | 2 | [`config`]: `sidecar.toml` to [`config::Config`]; [`telemetry`]; [`sign`]; [`diagnosis`]: why a request is refused |
//! | 1 | [`verify`], [`event`], [`duplicates`], [`capture`]: a request as somebody has it in a file, [`handshake`], [`route`], [`upstream`], [`address`] |
//! | 0 | [`encoding`], [`secret`], [`units`], [`json`], [`form`], [`headers`], [`fingerprint`], [`budget`], [`socket`], [`rejection`], [`schema`] |

pub mod address;
#[cfg(test)]
mod blessed;
pub mod budget;
pub mod capture;
pub mod command;
pub mod config;
pub mod diagnosis;
pub mod duplicates;
pub mod encoding;
pub mod event;
pub mod fingerprint;
pub mod form;
pub mod handshake;
pub mod headers;
pub mod json;
pub mod proxy;
pub mod received;
pub mod rejection;
pub mod route;
pub mod schema;
pub mod secret;
pub mod server;
pub mod sign;
pub mod socket;
pub mod telemetry;
pub mod units;
pub mod upstream;
pub mod verify;
