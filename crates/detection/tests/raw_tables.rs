//! SQL rules over raw logs, with the tables of AWS's documentation. The window is exact for every form of event time,
//! partitions are named, and an invalid time causes no error.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by a panic, its helpers too")]

use detection::catalog::{Catalog, CatalogTable};
use detection::rule::ParameterValues;
use detection::{Window, lint, statement};
use embedded::Embedded;
use query::{Engine as _, Statement};
use serde_json::Value;
use sql::table::{Layout, Table};
use sql::text::Sql;

/// 2024-05-01 from 10:00 to 11:00, exclusive.
const WINDOW: Window = Window { start: 1_714_557_600_000, end: 1_714_561_200_000 };

/// Runs a rule over tables of one logical name, each with its own dialect and rows in SQL.
async fn found(sql: &str, tables: &[(&str, &str)]) -> (String, Vec<Value>) {
    let mut engine = Embedded::in_memory();
    let mut catalog = Catalog::default();
    for (number, (dialect, rows)) in tables.iter().enumerate() {
        let rows = Statement::new(Sql::of_author(*rows));
        let columns = engine.run(&rows).await.unwrap().columns;
        let (_, batches, _) = engine.run_arrow(&rows).await.unwrap();
        let table = Table {
            database: "raw".to_owned(),
            name: format!("t{number}"),
            columns: columns.into_iter().map(|column| (column.name, column.column_type)).collect(),
            layout: Layout::Plain,
            dialect: (*dialect).to_owned(),
        };
        engine = engine.with_table(table.clone(), batches).unwrap();
        catalog.add("t", CatalogTable::new(table, vec![], true));
    }
    let file = format!(
        "title: T\nid: 6f5b1c5e-2a43-4b0e-9d5f-0f3c0a1b2c3d\nstatus: test\nlevel: low\nschedule: rate(5 minutes)\n\
         lookback: 20m\ningest_delay: 10m\nsql: {}\n",
        Value::from(sql)
    );
    let checked = lint::check(&file);
    let rule = checked.accepted().unwrap();
    let prepared = statement::build(rule, &catalog, WINDOW, &ParameterValues::new(), 100).unwrap();
    let text = prepared.statement.sql.as_str().to_owned();
    let answer = match engine.run(&prepared.statement).await {
        Ok(answer) => answer,
        Err(error) => panic!("{error}\n{text}"),
    };
    let mut rows: Vec<Value> = answer.rows.into_iter().map(|row| row[0].clone()).collect();
    rows.sort_by_key(Value::to_string);
    (text, rows)
}

#[tokio::test]
async fn guardduty_findings_are_of_the_window_in_which_they_were_updated() {
    let rows = "SELECT * FROM (VALUES ('before', '2024-05-01T09:59:59.999Z'), ('first', '2024-05-01T10:00:00Z'),
        ('last', '2024-05-01T10:59:59.999Z'), ('after', '2024-05-01T11:00:00.000Z')) AS t(id, updatedat)";
    let (_, found) = found("SELECT id, updatedat AS time FROM {{t}} WHERE {{window}}", &[("guardduty", rows)]).await;
    assert_eq!(found, ["first", "last"]);
}

#[tokio::test]
async fn flow_logs_have_their_time_in_start_or_in_starttime() {
    for column in ["start", "starttime"] {
        let rows = format!(
            "SELECT * FROM (VALUES ('before', BIGINT '1714557599'), ('first', BIGINT '1714557600'),
             ('last', BIGINT '1714561199'), ('after', BIGINT '1714561200')) AS t(srcaddr, \"{column}\")"
        );
        let rule = format!("SELECT e.srcaddr, e.\"{column}\" AS time FROM {{{{t}}}} e WHERE {{{{window:e}}}}");
        let (sql, found) = found(&rule, &[("vpcflow", &rows)]).await;
        assert_eq!(found, ["first", "last"], "{sql}");
    }
}

#[tokio::test]
async fn a_time_that_is_none_is_in_no_window_and_fails_no_rule() {
    let rows = "SELECT * FROM (VALUES ('bad', 'yesterday'), ('empty', ''), ('null', CAST(NULL AS varchar)),
        ('good', '2024-05-01T10:30:00Z')) AS t(eventname, eventtime)";
    let rule = "SELECT eventname, eventtime AS time FROM {{t}} WHERE {{window}}";
    let (_, found) = found(rule, &[("cloudtrail", rows)]).await;
    assert_eq!(found, ["good"]);
}

#[tokio::test]
async fn partitions_of_raw_tables_are_named_and_those_of_later_delivery_are_read() {
    let rows = "SELECT * FROM (VALUES ('same day', '2024', '05', '01'), ('delivered later', '2024', '05', '02'),
        ('misplaced', '2024', '04', '30'), ('a month later', '2024', '06', '01')) AS p(eventname, year, month, day)
        CROSS JOIN (VALUES ('2024-05-01T10:30:00Z')) AS t(eventtime)";
    let rule = "SELECT eventname, eventtime AS time FROM {{t}} WHERE {{window}}";
    let (sql, found) = found(rule, &[("cloudtrail", rows)]).await;
    assert_eq!(found, ["delivered later", "same day"], "{sql}");
}

#[tokio::test]
async fn several_raw_tables_are_read_as_one_though_none_has_a_column_time() {
    let one = "SELECT 'one' AS srcaddr, BIGINT '1714557600' AS start UNION ALL SELECT 'late', BIGINT '1714561200'";
    let other = "SELECT 'other' AS srcaddr, BIGINT '1714557600' AS start, '2024/05/01' AS day";
    let rule = "SELECT srcaddr, start AS time FROM {{t}} WHERE {{window}}";
    let (sql, found) = found(rule, &[("vpcflow", one), ("vpcflow", other)]).await;
    assert_eq!(found, ["one", "other"], "{sql}");
    assert!(sql.contains("\"day\" BETWEEN '2024/05/01' AND '2024/05/02'"), "{sql}");
}
