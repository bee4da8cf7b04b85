//! What a statement needs to know of a table.

use crate::text::Sql;
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

impl Table {
    /// `"database"."table"`.
    pub fn reference(&self) -> Sql {
        Sql::path([self.database.as_str(), self.name.as_str()])
    }

    /// `database.table`, as messages and the rows of patterns name it.
    pub fn qualified_name(&self) -> String {
        format!("{}.{}", self.database, self.name)
    }

    /// The type of a column, whose names Trino compares without regard to case.
    pub fn column(&self, name: &str) -> Option<&ColumnType> {
        self.columns.iter().find(|(column, _)| column.eq_ignore_ascii_case(name)).map(|(_, t)| t)
    }
}

/// The name of the table over a custom source, or over one class of it where each has a folder of its own.
///
/// ```
/// assert_eq!(sql::table::name_of_source("Windows-Sysmon-1007", None), "windows_sysmon_1007");
/// assert_eq!(sql::table::name_of_source("firewall", Some("NETWORK_ACTIVITY")), "firewall_network_activity");
/// ```
pub fn name_of_source(source: &str, class: Option<&str>) -> String {
    let class = class.map(|class| format!("_{class}")).unwrap_or_default();
    // Glue takes letters, digits and the underscore.
    format!("{source}{class}").to_lowercase().replace(|c: char| !c.is_ascii_alphanumeric(), "_")
}

/// The partition keys of [`Layout::EventDay`] in the order of the directories, as Glue names them. Objects hold none of them.
pub const PARTITION_KEYS: [&str; 3] = ["region", "accountid", "eventday"];

/// How a table is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Layout {
    /// Hive partitions `region`, `accountid`, `eventday` (eight digits, UTC day of the event), as Sluice and version 1 of
    /// Security Lake write them.
    EventDay,
    /// Security Lake version 2: Iceberg, pruned by `time_dt`.
    TimeDt,
    /// Neither: the dialect map says which columns are partitions, as `year`, `month` and `day` of raw logs.
    Plain,
}
