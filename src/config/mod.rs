//! `sidecar.toml`: from text to the immutable [`Config`], or to every problem with its place and
//! its fix.
//!
//! ```text
//! text ─tree─► Table ─shape─► checked ─compile─► Config
//!        └────────┴──────────────┴─► Problems ─render─► what a person reads
//! ```

mod case;
pub mod catalogue;
mod compile;
mod environment;
pub mod grammar;
mod load;
mod mask;
pub mod nearest;
pub mod problem;
mod read;
#[cfg(test)]
mod reference;
pub mod render;
pub mod sample;
pub mod schema;
mod settings;
pub mod shape;
pub mod show;
pub mod source;
mod syntax;
pub mod tree;

#[cfg(test)]
mod leaks;
#[cfg(test)]
mod tests;

pub use case::{Case, CaseBody};
pub use environment::{Environment, ThrowAway};
pub use load::{Loaded, listening, load, parse};
pub(crate) use mask::printable;
pub use settings::{About, Config, HeaderSettings, Limits, Listen, LogSettings, Reload, Server};
