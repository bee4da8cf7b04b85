//! The function that runs detections.
//!
//! A schedule makes it start the queries of the rules that are due; the state changes of these queries make it collect what
//! they found. It waits for no query: see [`detection::detector`] for what happens between the two.

mod configuration;
mod event;
mod handler;
mod queries;
mod rules;
mod topic;

use std::process::ExitCode;

use crate::handler::Detect;

fn main() -> ExitCode {
    function::run("detect", Detect::from_environment)
}
