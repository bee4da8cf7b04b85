//! Which partitions hold the events of a time.

use serde::Deserialize;

use super::error::DialectError;
use super::time::TimeSpan;
use crate::table::{Layout, Table};
use crate::text::{CivilDay, Sql};
use crate::types::ColumnType;
use crate::{sql, text};

const DAY: i64 = 86_400_000;

/// One way to lay out a table by time.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Partitioning {
    /// Set: tables of this layout, as a catalog names or columns show it. Unset: tables that have the columns.
    #[serde(default)]
    pub(super) layout: Option<NamedLayout>,
    /// Columns beside those of time that tables of this layout have.
    #[serde(default)]
    pub(super) with: Vec<String>,
    /// From the coarsest to the finest.
    pub(super) columns: Vec<PartitionColumn>,
    /// Days after the event's day whose partitions may hold it, because partitions are made by time of delivery.
    #[serde(default)]
    pub(super) late_days: u16,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum NamedLayout {
    EventDay,
    TimeDt,
}

impl From<NamedLayout> for Layout {
    fn from(layout: NamedLayout) -> Self {
        match layout {
            NamedLayout::EventDay => Self::EventDay,
            NamedLayout::TimeDt => Self::TimeDt,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PartitionColumn {
    pub(super) name: String,
    /// How text and numbers are written: `%Y`, `%m`, `%d`. Several: any of them. None: a date or a timestamp.
    #[serde(default)]
    formats: Vec<String>,
}

impl Partitioning {
    /// Checks that the order of partition values is the order of time.
    pub(super) fn check(&self) -> Result<(), DialectError> {
        let inconsistent = |fault: &str| {
            let names = self.columns.iter().map(|c| c.name.as_str()).collect::<Vec<_>>().join(", ");
            DialectError::Inconsistent(format!("partitions by {names}: {fault}"))
        };
        let mut order = String::new();
        for column in &self.columns {
            if self.columns.len() > 1 && column.formats.len() != 1 {
                return Err(inconsistent("each of several columns needs one format"));
            }
            let Some(first) = column.formats.first() else { continue };
            let directives = |format: &str| -> String {
                format.split('%').skip(1).filter_map(|after| after.chars().next()).collect()
            };
            order.push_str(&directives(first));
            if column.formats.iter().any(|format| directives(format) != directives(first)) {
                return Err(inconsistent(&format!("the formats of `{}` tell different things", column.name)));
            }
        }
        let is_ordered = order.is_empty() && self.columns.len() == 1 || "Ymd".starts_with(&order) && !order.is_empty();
        if !is_ordered {
            let formats = "formats are of %Y, %m and %d, in this order, so that the order of values is that of time";
            return Err(inconsistent(formats));
        }
        Ok(())
    }

    /// Whether a table is laid out so.
    pub(super) fn is_of(&self, table: &Table) -> bool {
        match self.layout {
            Some(layout) => table.layout == Layout::from(layout),
            None => {
                let has = |column: &PartitionColumn| table.column(&column.name).is_some_and(|t| column.takes(t));
                self.columns.iter().all(has) && self.with.iter().all(|name| table.column(name).is_some())
            }
        }
    }

    pub(super) fn predicate(
        &self,
        table: &Table,
        span: TimeSpan,
        slack_days: u16,
        qualified: &dyn Fn(&str) -> Sql,
    ) -> Sql {
        let (first, last) = span.milliseconds();
        let days = |days: u16| i64::from(days).saturating_mul(DAY);
        let from = first.saturating_sub(days(slack_days));
        let to = last.saturating_add(days(slack_days)).saturating_add(days(self.late_days));
        if let [column] = self.columns.as_slice() {
            let name = qualified(&column.name);
            let column_type = table.column(&column.name);
            return match column_type {
                Some(ColumnType::Date) => sql!("{} BETWEEN {} AND {}", name, Sql::date(from), Sql::date(to)),
                _ if column.formats.is_empty() => {
                    let write = match column_type {
                        Some(ColumnType::TimestampWithTimeZone) => Sql::timestamp_utc,
                        _ => Sql::timestamp,
                    };
                    sql!("{} >= {} AND {} < {}", name, write(from), name, write(to.saturating_add(1)))
                }
                _ => {
                    let (from, to) = (text::civil_day(from), text::civil_day(to));
                    // Texts of two formats do not mix within a year; over several years one would let in the other.
                    let ranges = if column.formats.len() > 1 { by_years(from, to) } else { vec![(from, to)] };
                    Sql::or(column.formats.iter().flat_map(|format| {
                        ranges.iter().map(|(from, to)| {
                            let value = |day| written(format, day, column_type);
                            sql!("{} BETWEEN {} AND {}", name, value(from), value(to))
                        })
                    }))
                }
            };
        }
        let bounds = self.columns.iter().filter_map(|column| {
            let value = |at| Some(written(column.formats.first()?, &text::civil_day(at), table.column(&column.name)));
            Some(Range { column: qualified(&column.name), from: value(from)?, to: value(to)? })
        });
        Sql::and(between(&bounds.collect::<Vec<_>>()))
    }
}

impl PartitionColumn {
    /// Whether values of a type can be compared with the column's form.
    pub(super) fn takes(&self, column_type: &ColumnType) -> bool {
        match column_type {
            ColumnType::Varchar => !self.formats.is_empty(),
            // A number is a year, a month or a day by itself.
            ColumnType::Integer | ColumnType::Bigint => {
                let is_number = |format: &String| ["%Y", "%m", "%d"].contains(&format.as_str());
                !self.formats.is_empty() && self.formats.iter().all(is_number)
            }
            ColumnType::Timestamp | ColumnType::TimestampWithTimeZone => self.formats.is_empty(),
            ColumnType::Date => self.formats.iter().all(|format| format.contains("%Y") && format.contains("%d")),
            _ => false,
        }
    }
}

/// A range of days as at most three, none of which begins or ends within another's year: the first year, whole years, the
/// last year.
fn by_years(from: CivilDay, to: CivilDay) -> Vec<(CivilDay, CivilDay)> {
    let year = |day: &CivilDay| day.year.parse::<i64>().ok();
    let (Some(first), Some(last)) = (year(&from), year(&to)) else { return vec![(from, to)] };
    if first == last {
        return vec![(from, to)];
    }
    let day = |year: i64, month: &str, day: &str| CivilDay {
        year: format!("{year:04}"),
        month: month.to_owned(),
        day: day.to_owned(),
    };
    let opens = |year: i64| day(year, "01", "01");
    let closes = |year: i64| day(year, "12", "31");
    let mut ranges = vec![(from, closes(first))];
    if last - first > 1 {
        ranges.push((opens(first + 1), closes(last - 1)));
    }
    ranges.push((opens(last), to));
    ranges
}

/// A day in the format of a partition column, as text or as number.
fn written(format: &str, day: &CivilDay, column_type: Option<&ColumnType>) -> Sql {
    let CivilDay { year, month, day } = day;
    let value = format.replace("%Y", year).replace("%m", month).replace("%d", day);
    match (column_type, value.parse()) {
        (Some(ColumnType::Integer | ColumnType::Bigint), Ok(number)) => Sql::integer(number),
        _ => Sql::text(&value),
    }
}

/// A column of partitions, with the first and the last of its values.
struct Range {
    column: Sql,
    from: Sql,
    to: Sql,
}

/// The conditions under which columns, from the coarsest to the finest, are between two values.
fn between(columns: &[Range]) -> Vec<Sql> {
    let mut conditions = Vec::new();
    for (at, Range { column: name, from, to }) in columns.iter().enumerate() {
        if from == to {
            conditions.push(sql!("{} = {}", name, from));
            continue;
        }
        conditions.push(sql!("{} BETWEEN {} AND {}", name, from, to));
        let finer = columns.get(at + 1..).unwrap_or_default();
        if !finer.is_empty() {
            conditions.push(sql!("({} > {} OR {})", name, from, bounded(finer, true)));
            conditions.push(sql!("({} < {} OR {})", name, to, bounded(finer, false)));
        }
        break;
    }
    conditions
}

/// Columns compared one after the other, as the digits of a number are: `(a > 1 OR (a = 1 AND b >= 2))`.
fn bounded(columns: &[Range], from_below: bool) -> Sql {
    let Some((Range { column: name, from, to }, finer)) = columns.split_first() else { return Sql::code("TRUE") };
    let (operator, value) = if from_below { (Sql::code(">"), from) } else { (Sql::code("<"), to) };
    if finer.is_empty() {
        return sql!("{} {}= {}", name, operator, value);
    }
    sql!("({} {} {} OR ({} = {} AND {}))", name, operator, value, name, value, bounded(finer, from_below))
}
