//! What a dialect map says of partitions, on an engine: no day of a span is left out, and no other is read.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic, its helpers too")]

use embedded::Embedded;
use proptest::prelude::*;
use query::{Engine as _, Statement};
use sql::dialect::{Dialect, TimeSpan};
use sql::table::{Layout, Table};
use sql::text::Sql;

const DAY: i64 = 86_400_000;
/// 2021-11-01, and every day for three years from there.
const FIRST: i64 = 18_932;
const DAYS: i64 = 1_096;

/// A row for each day, with its number and every form in which a partition column writes it.
const ROWS: &str = "SELECT n, 'x' AS eventtime, date_format(d, '%Y') AS year, date_format(d, '%m') AS month,
    date_format(d, '%d') AS day, CAST(date_format(d, '%m') AS integer) AS month_number,
    CAST(date_format(d, '%d') AS integer) AS day_number, date_format(d, '%Y/%m/%d') AS slashed,
    date_format(d, '%Y-%m-%d') AS dashed, CAST(d AS date) AS dated
    FROM (SELECT n, date_add('day', n, TIMESTAMP '1970-01-01 00:00:00') AS d FROM UNNEST(sequence(18932, 20027)) AS t(n))";

/// A layout: its dialect, and the column of [`ROWS`] that stands for each of its own.
const LAYOUTS: [(&str, &[(&str, &str)]); 7] = [
    ("cloudtrail", &[("eventtime", "eventtime"), ("timestamp", "slashed")]),
    ("cloudtrail", &[("eventtime", "eventtime"), ("year", "year"), ("month", "month"), ("day", "day")]),
    ("vpcflow", &[("start", "n"), ("year", "year"), ("month", "month_number"), ("day", "day_number")]),
    ("vpcflow", &[("start", "n"), ("date", "dated")]),
    ("vpcflow", &[("start", "n"), ("date", "dashed")]),
    ("vpcflow", &[("start", "n"), ("day", "slashed")]),
    ("guardduty", &[("updatedat", "eventtime"), ("year", "year"), ("month", "month"), ("day", "day")]),
];

struct Lake {
    engine: Embedded,
    tables: Vec<Table>,
}

async fn lake() -> Lake {
    let mut engine = Embedded::in_memory();
    let mut tables = Vec::new();
    for (number, (dialect, columns)) in LAYOUTS.iter().enumerate() {
        let list = Sql::list(columns.iter().map(|(name, of)| sql::sql!("{} AS {}", Sql::name(of), Sql::name(name))));
        let rows = sql::sql!("SELECT n AS n, {} FROM ({}) AS rows", list, Sql::of_author(ROWS));
        let statement = Statement::new(rows);
        let columns = engine.run(&statement).await.unwrap().columns;
        let (_, batches, _) = engine.run_arrow(&statement).await.unwrap();
        let table = Table {
            database: "raw".to_owned(),
            name: format!("t{number}"),
            columns: columns.into_iter().map(|column| (column.name, column.column_type)).collect(),
            layout: Layout::Plain,
            dialect: (*dialect).to_owned(),
        };
        engine = engine.with_table(table.clone(), batches).unwrap();
        tables.push(table);
    }
    Lake { engine, tables }
}

impl Lake {
    /// The numbers of the days that a span's predicate keeps.
    async fn days(&self, table: &Table, span: TimeSpan) -> Vec<i64> {
        let dialect = Dialect::of_table(table).unwrap();
        let predicate = dialect.partitions(table, span, 0, &Sql::name).unwrap();
        let statement = sql::sql!("SELECT n FROM {} WHERE {} ORDER BY n", table.reference(), predicate);
        let answer = self.engine.run(&Statement::new(statement)).await.unwrap();
        answer.rows.iter().map(|row| row[0].as_i64().unwrap()).collect()
    }
}

#[test]
fn every_day_of_a_span_and_the_day_after_is_read_and_no_other() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let lake = runtime.block_on(lake());
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig::with_cases(40));
    // Within the rows, over every kind of boundary: days, months, years, the leap day.
    let spans = (0..(DAYS - 2) * DAY, prop_oneof![1..DAY, DAY..70 * DAY, DAY..800 * DAY]);
    runner
        .run(&spans, |(start, length)| {
            let start = FIRST * DAY + start;
            let end = (start + length).min((FIRST + DAYS - 2) * DAY);
            prop_assume!(start < end);
            // Logs of AWS are delivered after their events: the day after may hold some.
            let expected: Vec<i64> = (start.div_euclid(DAY)..=(end - 1).div_euclid(DAY) + 1).collect();
            for table in &lake.tables {
                let days = runtime.block_on(lake.days(table, TimeSpan::of_milliseconds(start, end)));
                prop_assert!(days == expected, "{:?}: {} days, {} expected", table.columns, days.len(), expected.len());
            }
            Ok(())
        })
        .unwrap();
}
