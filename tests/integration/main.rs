//! Black-box tests of the real binary.

mod config_errors;
mod fuzzed;
