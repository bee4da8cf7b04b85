//! mapping

pub mod config;
pub mod diagnostic;
mod syntax;
