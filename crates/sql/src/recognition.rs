//! Tables whose dialect and layout follow from their columns.

use crate::dialect::Dialect;
use crate::table::{Layout, Table};
use crate::types::ColumnType;

impl Table {
    /// A table of OCSF events, whose layout follows from its columns.
    pub fn ocsf(database: impl Into<String>, name: impl Into<String>, columns: Vec<(String, ColumnType)>) -> Self {
        let layout = Self::detect_layout(&columns);
        Self { database: database.into(), name: name.into(), columns, layout, dialect: "ocsf".to_owned() }
    }

    /// A table whose dialect and layout follow from its columns.
    pub fn of_columns(
        database: impl Into<String>,
        name: impl Into<String>,
        columns: Vec<(String, ColumnType)>,
    ) -> Self {
        let dialect = Dialect::recognize(&columns).to_owned();
        Self { dialect, ..Self::ocsf(database, name, columns) }
    }

    /// The layout that the columns show, as the dialect map of OCSF has it: `region`, `accountid` and `eventday` are Hive
    /// partitions, `time_dt` beside a column `time` is Security Lake's version 2.
    pub fn detect_layout(columns: &[(String, ColumnType)]) -> Layout {
        Dialect::layout_of(columns)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_layout_follows_from_the_columns() {
        let columns = |names: &[(&str, &str)]| -> Vec<(String, ColumnType)> {
            names.iter().map(|(n, t)| ((*n).to_owned(), t.parse().unwrap())).collect()
        };
        let hive = [("time", "bigint"), ("region", "string"), ("accountid", "string"), ("eventday", "string")];
        assert_eq!(Table::detect_layout(&columns(&hive)), Layout::EventDay);
        let iceberg = [("time", "bigint"), ("time_dt", "timestamp"), ("region", "string"), ("accountid", "string")];
        assert_eq!(Table::detect_layout(&columns(&iceberg)), Layout::TimeDt);
        assert_eq!(Table::detect_layout(&columns(&[("start", "bigint"), ("region", "string")])), Layout::Plain);
    }
}
