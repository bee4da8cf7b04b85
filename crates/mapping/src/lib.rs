//! mapping

mod apply;
mod coerce;
mod compile;
pub mod config;
pub mod diagnostic;
mod eval;
mod extend;
mod json_schema;
mod jsonpath;
mod lint;
pub mod operators;
mod paths;
mod plan;
mod syntax;
mod time;
mod time_format;
mod unmapped;
mod values;
pub use apply::{Mapped, Mapping, Refusal};
pub use eval::{MappingBuffer, Problem, ProblemKind, Written};
pub use json_schema::json_schema;
pub use lint::{Checked, check, lint};
pub use plan::Table;
mod parse;
mod pattern;
