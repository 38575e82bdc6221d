//! The fuzz targets, one function each, so that the ordinary tests run them too.

pub mod targets;
