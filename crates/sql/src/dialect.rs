//! When an event was, and which partitions hold the events of a time: what a dialect map says of its tables.
//!
//! Every statement over a time needs three facts of a table: which column tells the event time and in which form, how a
//! window becomes exact bounds of that column, and which partitions cannot be left out. They stand in `/dialect-maps`,
//! beside what a STIX pattern speaks of, and are read here once for patterns, SQL rules and the tables of a catalog.
//!
//! ```
//! use sql::dialect::{Dialect, TimeSpan};
//! use sql::table::{Layout, Table};
//! use sql::text::Sql;
//!
//! let columns = [("starttime", "int"), ("day", "string")];
//! let columns = columns.map(|(name, kind)| (name.to_owned(), kind.parse().unwrap())).to_vec();
//! let table = Table {
//!     database: "logs".into(),
//!     name: "flow".into(),
//!     columns,
//!     layout: Layout::Plain,
//!     dialect: "vpcflow".into(),
//! };
//! let hour = TimeSpan::of_milliseconds(1_714_557_600_000, 1_714_561_200_000);
//! let dialect = Dialect::of_table(&table).unwrap();
//! let time = dialect.event_time(&table).unwrap().within(hour, &Sql::name);
//! assert_eq!(time.as_str(), r#""starttime" >= 1714557600 AND "starttime" < 1714561200"#);
//! ```

mod error;
mod partitions;
mod time;

use std::sync::LazyLock;

use serde::Deserialize;

use crate::table::{Layout, Table};
use crate::text::Sql;
use crate::types::ColumnType;
use partitions::Partitioning;
use time::Form;

pub use error::DialectError;
pub use time::{EventTime, NoEventTime, TimeSpan};

/// The dialect maps that are part of the program, in the order in which a table's columns are compared with them.
pub const SHIPPED: [&str; 4] = [
    include_str!("../../../dialect-maps/ocsf.json"),
    include_str!("../../../dialect-maps/cloudtrail.json"),
    include_str!("../../../dialect-maps/vpcflow.json"),
    include_str!("../../../dialect-maps/guardduty.json"),
];

/// The dialect whose tables Sluice and Security Lake write. Its named layouts hold for tables of any dialect.
const OCSF: &str = "ocsf";

/// The shipped dialects, read once. A test reads each, so that none is left out here.
static DIALECTS: LazyLock<Vec<Dialect>> =
    LazyLock::new(|| SHIPPED.iter().filter_map(|text| Dialect::from_json(text).ok()).collect());

/// Time and partitions of the tables of one dialect.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Dialect {
    #[serde(rename = "dialect")]
    name: String,
    #[serde(default)]
    recognized_by: Vec<Vec<String>>,
    time: OneOrMany,
    #[serde(default)]
    partitions: Vec<Partitioning>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(TimeColumns),
    Many(Vec<TimeColumns>),
}

impl OneOrMany {
    fn as_slice(&self) -> &[TimeColumns] {
        match self {
            Self::One(columns) => std::slice::from_ref(columns),
            Self::Many(columns) => columns,
        }
    }
}

/// Columns that hold the event time in one form.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct TimeColumns {
    #[serde(default)]
    column: Option<String>,
    #[serde(default)]
    first: Vec<String>,
    unit: Unit,
}

/// How a time is written where the column's type does not say it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Unit {
    Milliseconds,
    Seconds,
    Iso8601,
}

impl Dialect {
    /// Reads what a dialect map says of time and partitions. What it says of STIX is left to others.
    ///
    /// # Errors
    /// The text is no dialect map, names no time column, or has partitions whose order is not that of time.
    pub fn from_json(text: &str) -> Result<Self, DialectError> {
        let dialect: Self = serde_json::from_str(text).map_err(|error| DialectError::Form(error.to_string()))?;
        if dialect.time_columns().next().is_none() {
            return Err(DialectError::Inconsistent("`time` names no column".to_owned()));
        }
        for partitioning in &dialect.partitions {
            partitioning.check()?;
        }
        Ok(dialect)
    }

    /// A shipped dialect by its name.
    pub fn named(name: &str) -> Option<&'static Self> {
        DIALECTS.iter().find(|dialect| dialect.name == name)
    }

    /// The dialect that tells the time of a table's rows: its own, or OCSF's for tables of another with OCSF's time.
    pub fn of_table(table: &Table) -> Option<&'static Self> {
        let ocsf = || Self::named(OCSF).filter(|_| matches!(table.column("time"), Some(ColumnType::Bigint)));
        match Self::named(&table.dialect) {
            Some(dialect) if dialect.event_time(table).is_ok() => Some(dialect),
            own => ocsf().or(own),
        }
    }

    /// The name of the dialect whose tables are never without some of these columns. Empty if there is none.
    pub fn recognize(columns: &[(String, ColumnType)]) -> &'static str {
        let has = |name: &String| columns.iter().any(|(column, _)| column.eq_ignore_ascii_case(name));
        let is = |dialect: &&Self| dialect.recognized_by.iter().any(|names| names.iter().all(has));
        DIALECTS.iter().find(is).map_or("", |dialect| &dialect.name)
    }

    /// The named layout that columns show; [`Layout::Plain`] if none.
    pub(crate) fn layout_of(columns: &[(String, ColumnType)]) -> Layout {
        let find = |name: &str| columns.iter().find(|(column, _)| column.eq_ignore_ascii_case(name)).map(|(_, t)| t);
        let shows = |partitioning: &&Partitioning| {
            partitioning.with.iter().all(|name| find(name).is_some())
                && partitioning.columns.iter().all(|column| find(&column.name).is_some_and(|t| column.takes(t)))
        };
        let named = Self::named(OCSF).into_iter().flat_map(|ocsf| &ocsf.partitions);
        named.filter(shows).find_map(|partitioning| partitioning.layout).map_or(Layout::Plain, Layout::from)
    }

    /// The dialect's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The columns that may tell the event time, the first that a table has being the one.
    pub fn time_columns(&self) -> impl Iterator<Item = &str> {
        self.time.as_slice().iter().flat_map(|of| of.column.iter().chain(&of.first)).map(String::as_str)
    }

    /// The column that tells the event time of a table: the first that it has in a type that goes with its form. Where
    /// the table's columns are not known, the first of all.
    ///
    /// # Errors
    /// [`NoEventTime`]
    pub fn event_time(&self, table: &Table) -> Result<EventTime, NoEventTime> {
        let mut wrong = None;
        for of in self.time.as_slice() {
            for name in of.column.iter().chain(&of.first) {
                let found = table.columns.iter().find(|(column, _)| column.eq_ignore_ascii_case(name));
                match found {
                    Some((column, column_type)) => match Form::of(column_type, of.unit) {
                        Some(form) => return Ok(EventTime { column: column.clone(), form }),
                        None => wrong = wrong.or(Some((column.clone(), column_type.clone()))),
                    },
                    None if table.columns.is_empty() => {
                        return Ok(EventTime { column: name.clone(), form: of.unit.into() });
                    }
                    None => {}
                }
            }
        }
        Err(match wrong {
            Some((column, column_type)) => NoEventTime::WrongType { table: table.name.clone(), column, column_type },
            None => NoEventTime::Missing {
                table: table.name.clone(),
                columns: self.time_columns().map(str::to_owned).collect(),
            },
        })
    }

    /// What spares reading the partitions that hold no event of a span; `None` where the table has no partitions by time.
    ///
    /// Days before and after are taken in by `slack_days`, for sources whose partitions are not those of the UTC day.
    pub fn partitions(
        &self,
        table: &Table,
        span: TimeSpan,
        slack_days: u16,
        qualified: &dyn Fn(&str) -> Sql,
    ) -> Option<Sql> {
        let named = Self::named(OCSF).into_iter().flat_map(|ocsf| &ocsf.partitions).filter(|p| p.layout.is_some());
        let partitioning = self.partitions.iter().chain(named).find(|partitioning| partitioning.is_of(table))?;
        Some(partitioning.predicate(table, span, slack_days, qualified))
    }
}

#[cfg(test)]
mod tests {
    use super::time::NANOSECONDS;
    use super::*;

    const HOUR: TimeSpan = TimeSpan { start: 1_714_557_600_000 * NANOSECONDS, stop: 1_714_561_200_000 * NANOSECONDS };

    fn table(dialect: &str, columns: &[(&str, &str)]) -> Table {
        let columns: Vec<_> = columns.iter().map(|(name, kind)| ((*name).to_owned(), kind.parse().unwrap())).collect();
        Table {
            database: "logs".to_owned(),
            name: "t".to_owned(),
            layout: Table::detect_layout(&columns),
            columns,
            dialect: dialect.to_owned(),
        }
    }

    fn within(table: &Table) -> String {
        let time = Dialect::of_table(table).unwrap().event_time(table).unwrap();
        time.within(HOUR, &Sql::name).as_str().to_owned()
    }

    fn partitions(table: &Table, span: TimeSpan) -> Option<String> {
        let sql = Dialect::of_table(table).unwrap().partitions(table, span, 0, &Sql::name)?;
        Some(sql.as_str().to_owned())
    }

    #[test]
    fn every_shipped_map_is_read() {
        for text in SHIPPED {
            Dialect::from_json(text).unwrap();
        }
        let names: Vec<_> = DIALECTS.iter().map(Dialect::name).collect();
        assert_eq!(names, ["ocsf", "cloudtrail", "vpcflow", "guardduty"]);
    }

    #[test]
    fn a_table_is_of_the_dialect_that_its_columns_show() {
        for (columns, dialect) in [
            (&[("class_uid", "int"), ("metadata", "string")][..], "ocsf"),
            (&[("EventName", "string"), ("eventsource", "string"), ("useridentity", "string")], "cloudtrail"),
            (&[("srcaddr", "string"), ("dstaddr", "string")], "vpcflow"),
            (&[("sourceaddress", "string"), ("destinationaddress", "string")], "vpcflow"),
            (&[("resource", "string"), ("service", "string"), ("severity", "string"), ("type", "string")], "guardduty"),
            (&[("srcaddr", "string")], ""),
        ] {
            assert_eq!(Dialect::recognize(&table("", columns).columns), dialect, "{columns:?}");
        }
    }

    #[test]
    fn bounds_are_of_the_column_that_the_table_has_and_of_its_type() {
        let (from, to) = ("TIMESTAMP '2024-05-01 10:00:00.000", "TIMESTAMP '2024-05-01 11:00:00.000");
        for (dialect, column, kind, expected) in [
            ("ocsf", "time", "bigint", r#""time" >= 1714557600000 AND "time" < 1714561200000"#.to_owned()),
            ("", "time", "bigint", r#""time" >= 1714557600000 AND "time" < 1714561200000"#.to_owned()),
            ("vpcflow", "start", "bigint", r#""start" >= 1714557600 AND "start" < 1714561200"#.to_owned()),
            ("vpcflow", "starttime", "int", r#""starttime" >= 1714557600 AND "starttime" < 1714561200"#.to_owned()),
            ("vpcflow", "start", "timestamp", format!("\"start\" >= {from}' AND \"start\" < {to}'")),
            (
                "cloudtrail",
                "eventtime",
                "string",
                format!(
                    "TRY(from_iso8601_timestamp(\"eventtime\")) >= {from} UTC' AND \
                     TRY(from_iso8601_timestamp(\"eventtime\")) < {to} UTC'"
                ),
            ),
            (
                "guardduty",
                "updatedat",
                "string",
                format!(
                    "TRY(from_iso8601_timestamp(\"updatedat\")) >= {from} UTC' AND \
                     TRY(from_iso8601_timestamp(\"updatedat\")) < {to} UTC'"
                ),
            ),
        ] {
            assert_eq!(within(&table(dialect, &[(column, kind)])), expected, "{dialect} {column} {kind}");
        }
    }

    #[test]
    fn a_fraction_of_a_second_is_rounded_up_on_both_sides() {
        let table = table("vpcflow", &[("start", "bigint")]);
        let time = Dialect::named("vpcflow").unwrap().event_time(&table).unwrap();
        let sql = time.within(TimeSpan::of_milliseconds(1, 2_001), &Sql::name);
        assert_eq!(sql.as_str(), r#""start" >= 1 AND "start" < 3"#);
    }

    #[test]
    fn a_number_is_no_partition_of_whole_days() {
        let bounded = |columns: &[(&str, &str)]| {
            let table = table("cloudtrail", &[&[("eventtime", "string")], columns].concat());
            let dialect = Dialect::named("cloudtrail").unwrap();
            let span = TimeSpan::of_milliseconds(1_714_557_600_000, 1_714_561_200_000);
            dialect.partitions(&table, span, 0, &Sql::name).map(|sql| sql.as_str().to_owned())
        };
        assert_eq!(bounded(&[("day", "int")]), None);
        assert_eq!(bounded(&[("timestamp", "bigint")]), None);
        assert!(bounded(&[("timestamp", "string")]).is_some());
        let parts = bounded(&[("year", "int"), ("month", "int"), ("day", "int")]).unwrap();
        assert!(parts.contains("\"year\"") && !parts.contains('\''), "{parts}");
    }

    #[test]
    fn a_table_whose_time_cannot_be_told_says_which_columns_would_do() {
        let flow = Dialect::named("vpcflow").unwrap();
        let error = flow.event_time(&table("vpcflow", &[("srcaddr", "string")])).unwrap_err();
        assert_eq!(error.to_string(), "t has no time column: start, starttime");
        let error = flow.event_time(&table("vpcflow", &[("start", "string")])).unwrap_err();
        assert_eq!(error.to_string(), "the time column start of t is varchar");
        assert!(Dialect::of_table(&table("", &[("at", "bigint")])).is_none());
    }

    #[test]
    fn partitions_of_raw_logs_include_the_day_after_since_logs_are_delivered_later() {
        let days = |name: &str, format: &str| {
            let day = |day: &str| format.replace("dd", day);
            format!("\"{name}\" BETWEEN '{}' AND '{}'", day("01"), day("02"))
        };
        let both = |name: &str| format!("({} OR {})", days(name, "2024/05/dd"), days(name, "2024-05-dd"));
        let parts = r#"("year" = '2024' AND "month" = '05' AND "day" BETWEEN '01' AND '02')"#.to_owned();
        for (dialect, time, columns, expected) in [
            ("cloudtrail", "eventtime", &[("timestamp", "string")][..], days("timestamp", "2024/05/dd")),
            ("cloudtrail", "eventtime", &[("year", "string"), ("month", "string"), ("day", "string")], parts.clone()),
            ("guardduty", "updatedat", &[("year", "string"), ("month", "string"), ("day", "string")], parts),
            ("vpcflow", "start", &[("day", "string")], both("day")),
            ("vpcflow", "start", &[("date", "string"), ("hour", "string")], both("date")),
            (
                "vpcflow",
                "start",
                &[("date", "date")],
                r#""date" BETWEEN DATE '2024-05-01' AND DATE '2024-05-02'"#.into(),
            ),
            (
                "vpcflow",
                "start",
                &[("year", "string"), ("month", "int"), ("day", "int")],
                r#"("year" = '2024' AND "month" = 5 AND "day" BETWEEN 1 AND 2)"#.into(),
            ),
        ] {
            let kind = if time == "start" { "bigint" } else { "string" };
            let table = table(dialect, &[&[(time, kind)], columns].concat());
            assert_eq!(partitions(&table, HOUR), Some(expected), "{dialect} {columns:?}");
        }
        assert_eq!(partitions(&table("vpcflow", &[("start", "bigint"), ("month", "string")]), HOUR), None);
    }

    #[test]
    fn named_layouts_hold_for_tables_of_any_dialect_and_plain_turns_them_off() {
        let columns = [("eventtime", "string"), ("region", "string"), ("accountid", "string"), ("eventday", "string")];
        let lake = table("cloudtrail", &columns);
        let days = r#""eventday" BETWEEN '20240501' AND '20240501'"#;
        assert_eq!(partitions(&lake, HOUR).as_deref(), Some(days));
        assert_eq!(partitions(&Table { layout: Layout::Plain, ..lake }, HOUR), None);
    }

    #[test]
    fn partitions_that_are_not_in_the_order_of_time_are_refused() {
        let with = |columns: &str| {
            let text =
                r#"{"dialect": "d", "time": {"column": "t", "unit": "seconds"}, "partitions": [{"columns": C}]}"#;
            Dialect::from_json(&text.replace('C', columns)).map(|_| ()).map_err(|error| error.to_string())
        };
        assert_eq!(with(r#"[{"name": "d", "formats": ["%Y-%m-%d"]}]"#), Ok(()));
        for columns in [
            r#"[{"name": "d", "formats": ["%d/%m/%Y"]}]"#,
            r#"[{"name": "d", "formats": ["%d"]}, {"name": "y", "formats": ["%Y"]}]"#,
            r#"[{"name": "y", "formats": ["%Y"]}, {"name": "m"}]"#,
            r#"[{"name": "d", "formats": ["%Y-%m-%d", "%Y"]}]"#,
            r#"[{"name": "h", "formats": ["%Y%m%d%H"]}]"#,
        ] {
            assert!(with(columns).is_err(), "{columns}");
        }
    }
}
