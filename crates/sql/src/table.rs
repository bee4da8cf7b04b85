//! What a statement needs to know of a table.

use crate::types::ColumnType;

/// A physical table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// The Glue database, or the schema of another catalog.
    pub database: String,
    /// The table's name in it.
    pub name: String,
    /// All columns in order, partition keys included.
    pub columns: Vec<(String, ColumnType)>,
    /// How rows are found without reading all of them.
    pub layout: Layout,
    /// What its rows look like: the name of a dialect map, as `ocsf`.
    pub dialect: String,
}

/// How a table is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Layout {
    /// Hive partitions `region`, `accountid`, `eventday` (eight digits, UTC day of the event), as Sluice and version 1 of
    /// Security Lake write them.
    EventDay,
    /// Security Lake version 2: Iceberg, pruned by `time_dt`.
    TimeDt,
    /// Nothing to prune by but the time column itself.
    Plain,
}
