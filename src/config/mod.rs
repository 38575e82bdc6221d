//! The front end of the configuration: TOML text, to a tree with positions, to problems that name
//! the place and the fix.
//!
//! ```text
//! Files -> tree::parse -> Table -> shape::check -> (lowering, elsewhere) -> render::render
//! ```

pub mod grammar;
mod mask;
mod nearest;
pub mod problem;
mod read;
pub mod render;
pub mod shape;
pub mod source;
mod syntax;
pub mod tree;

#[cfg(test)]
mod leaks;
