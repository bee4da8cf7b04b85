//! The OCSF schema as data, and events as columns.
//!
//! [`schema`] holds the facts of the embedded versions. A [`Shape`] is the part of an event class that a source writes:
//! it fixes the Arrow schema, completes a [`Record`] with what OCSF derives, and checks it. A [`TableBuilder`] turns
//! records into record batches, [`rows_to_json`] turns them back into OCSF JSON. This crate knows nothing of AWS.

mod bits;
mod cells;
mod columns;
mod layout;
mod record;
mod rows;
mod rules;
pub mod schema;
mod shape;
mod texts;
pub mod validate;

pub use columns::{TableBuilder, with_dictionaries};
pub use layout::{Layout, Node, NodeId, NodeKind, arrow_type};
pub use record::{Cell, CellId, Record, RecordBuffer, Scope};
pub use rows::rows_to_json;
pub use rules::check::Breach;
pub use rules::leave_out::{LeftOut, Omission};
pub use schema::{Schema, Version};
pub use shape::{PathError, Shape, ShapeBuilder};
pub use validate::{Violation, validate_event};
