//! The embedded query engine: Trino's SQL over a lake folder, by DataFusion.
//!
//! [`Embedded`] runs the SQL that is written for Athena and gives what Trino gives. What it cannot do exactly is refused by
//! name. The way of a statement:
//!
//! ```text
//! text ─ parse (Trino's grammar) ─ analyse (Trino's names and types) ─ plan ─ DataFusion ─ batches ─ answer
//! ```
//!
//! DataFusion's own SQL planner is not used: it finds names, types and functions in its own way, which gives other answers
//! without a word. Here every expression has its Trino type, every coercion is written out, and DataFusion gets a plan
//! that leaves it nothing to decide.

mod analysis;
mod answer;
mod deep_stack;
mod engine;
mod error;
mod functions;
mod limits;
mod plan;
mod stop;
mod syntax;
mod tables;
mod text_form;
mod types;

pub use engine::{Embedded, Options};
pub use plan::plan;
