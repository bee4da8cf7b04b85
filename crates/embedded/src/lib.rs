//! The embedded query engine: Trino's SQL over a lake folder, by DataFusion.
//!
//! [`Embedded`] runs the SQL that is written for Athena and gives what Trino gives. What it cannot do exactly is refused by
//! name. The way of a statement:
//!
//! ```text
//! text ─ parse (Trino's grammar) ─ analyse (Trino's names and types) ─ plan ─ DataFusion ─ batches ─ answer
//! ```
//!
//! Names and types are still found by DataFusion's own SQL planner.

#![allow(dead_code, reason = "the analysis that uses it lands next")]

mod answer;
mod engine;
mod error;
mod functions;
mod tables;
mod text_form;
mod types;

pub use engine::{Embedded, Options};
