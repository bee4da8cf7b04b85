//! mapping

pub mod config;
pub mod diagnostic;
mod syntax;
mod jsonpath;
pub mod operators;
