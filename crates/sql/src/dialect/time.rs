//! The column that tells when an event was, and exact bounds of it.

use super::Unit;
use crate::sql;
use crate::text::Sql;
use crate::types::ColumnType;

pub(super) const NANOSECONDS: i128 = 1_000_000;

/// From `start` to before `stop`, in nanoseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeSpan {
    /// The first instant.
    pub start: i128,
    /// The first instant after it.
    pub stop: i128,
}

impl TimeSpan {
    /// A span of milliseconds since 1970.
    pub fn of_milliseconds(start: i64, stop: i64) -> Self {
        Self { start: i128::from(start) * NANOSECONDS, stop: i128::from(stop) * NANOSECONDS }
    }

    /// The first and the last millisecond in it.
    pub(super) fn milliseconds(self) -> (i64, i64) {
        (rounded_up(self.start, NANOSECONDS), rounded_up(self.stop, NANOSECONDS).saturating_sub(1))
    }
}

/// The first instant of a unit that is not before a time.
fn rounded_up(time: i128, unit: i128) -> i64 {
    let up = time.div_euclid(unit) + i128::from(time.rem_euclid(unit) != 0);
    i64::try_from(up).unwrap_or(if up < 0 { i64::MIN } else { i64::MAX })
}

/// Why the event time of a table cannot be told.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NoEventTime {
    /// The table has none of the columns that may tell it.
    #[error("{table} has no time column: {}", columns.join(", "))]
    Missing {
        /// The table's name.
        table: String,
        /// The columns that would do.
        columns: Vec<String>,
    },
    /// The column is there, and of a type that does not go with its form.
    #[error("the time column {column} of {table} is {column_type}")]
    WrongType {
        /// The table's name.
        table: String,
        /// The column.
        column: String,
        /// Its type.
        column_type: ColumnType,
    },
}

/// The column that tells when an event was, and its form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventTime {
    pub(super) column: String,
    pub(super) form: Form,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Milliseconds,
    Seconds,
    Timestamp,
    TimestampWithTimeZone,
    /// Text that need not be a time: what is none is of no time, and does not fail the statement.
    Iso8601,
}

impl Form {
    pub(super) fn of(column_type: &ColumnType, unit: Unit) -> Option<Self> {
        match (column_type, unit) {
            (ColumnType::Bigint | ColumnType::Integer, Unit::Milliseconds) => Some(Self::Milliseconds),
            (ColumnType::Bigint | ColumnType::Integer, Unit::Seconds) => Some(Self::Seconds),
            (ColumnType::Timestamp, _) => Some(Self::Timestamp),
            (ColumnType::TimestampWithTimeZone, _) => Some(Self::TimestampWithTimeZone),
            (ColumnType::Varchar, Unit::Iso8601) => Some(Self::Iso8601),
            _ => None,
        }
    }
}

impl From<Unit> for Form {
    fn from(unit: Unit) -> Self {
        match unit {
            Unit::Milliseconds => Self::Milliseconds,
            Unit::Seconds => Self::Seconds,
            Unit::Iso8601 => Self::Iso8601,
        }
    }
}

impl EventTime {
    /// What bounds are compared with.
    fn compared(&self, qualified: &dyn Fn(&str) -> Sql) -> Sql {
        let column = qualified(&self.column);
        match self.form {
            Form::Iso8601 => sql!("TRY(from_iso8601_timestamp({}))", column),
            _ => column,
        }
    }

    /// Milliseconds since 1970; NULL where the text of a column is no time. `qualified` writes the name of a column.
    pub fn milliseconds(&self, qualified: &dyn Fn(&str) -> Sql) -> Sql {
        let time = self.compared(qualified);
        match self.form {
            Form::Milliseconds => time,
            Form::Seconds => sql!("CAST({} AS bigint) * 1000", time),
            Form::Timestamp => sql!("date_diff('millisecond', TIMESTAMP '1970-01-01 00:00:00.000', {})", time),
            Form::TimestampWithTimeZone | Form::Iso8601 => {
                sql!("date_diff('millisecond', TIMESTAMP '1970-01-01 00:00:00.000 UTC', {})", time)
            }
        }
    }

    /// The exact bounds of a span: a fraction of the column's unit is rounded up on both sides.
    pub fn within(&self, span: TimeSpan, qualified: &dyn Fn(&str) -> Sql) -> Sql {
        let time = self.compared(qualified);
        let bound = |instant: i128| match self.form {
            Form::Milliseconds => Sql::integer(rounded_up(instant, NANOSECONDS)),
            Form::Seconds => Sql::integer(rounded_up(instant, 1_000 * NANOSECONDS)),
            Form::Timestamp => Sql::timestamp(rounded_up(instant, NANOSECONDS)),
            Form::TimestampWithTimeZone | Form::Iso8601 => Sql::timestamp_utc(rounded_up(instant, NANOSECONDS)),
        };
        sql!("{} >= {} AND {} < {}", time, bound(span.start), time, bound(span.stop))
    }
}
