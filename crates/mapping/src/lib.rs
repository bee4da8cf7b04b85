//! mapping

pub mod config;
