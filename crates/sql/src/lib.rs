//! Trino's SQL as Sluice writes it. Athena runs it as it is, the embedded engine through rewrites.
//!
//! - [`text`]: the only way to make SQL text. Values and names are quoted here and nowhere else.
//! - [`types`]: the types of columns, in Trino's and in Glue's spelling.
//! - [`table`]: what a statement needs to know of a table: its name, columns, partitions and time column.
//! - [`dialect`]: when an event was and which partitions hold it, as the dialect maps say.
//! - [`arrow`]: columns of objects as columns of tables.
//! - [`ddl`]: Athena's tables over the lake's custom sources.

pub mod arrow;
pub mod ddl;
pub mod dialect;
mod recognition;
pub mod table;
#[cfg(feature = "testing")]
pub mod testing;
pub mod text;
pub mod types;
