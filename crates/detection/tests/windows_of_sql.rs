//! SQL that lint accepts reads only its window: rows outside of it change no answer.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic, its helpers too")]

use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array, RecordBatch};
use detection::catalog::{Catalog, CatalogTable};
use detection::rule::ParameterValues;
use detection::{Window, lint, statement};
use embedded::Embedded;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use query::{Engine as _, QueryError};
use sql::table::{Layout, Table};
use sql::types::ColumnType;

const WINDOW: Window = Window { start: 1_000, end: 2_000 };

fn table(name: &str) -> Table {
    let columns = ["time", "x"].map(|column| (column.to_owned(), ColumnType::Bigint)).to_vec();
    let (database, dialect) = ("lake".to_owned(), "ocsf".to_owned());
    Table { database, name: name.to_owned(), columns, layout: Layout::Plain, dialect }
}

/// Two tables with few values of `x`, before, within and after the window, or only within it.
fn engine(all: bool) -> Embedded {
    let times = [999, 1_000, 1_500, 1_999, 2_000].into_iter();
    let times: Vec<i64> = times.filter(|time| all || (WINDOW.start..WINDOW.end).contains(time)).collect();
    let mut engine = Embedded::in_memory();
    for (name, step) in [("t", 0), ("u", 1)] {
        let column = |values: Vec<i64>| -> ArrayRef { Arc::new(Int64Array::from(values)) };
        let batch = RecordBatch::try_from_iter_with_nullable([
            ("time", column(times.clone()), true),
            ("x", column(times.iter().map(|time| (time / 500 + step) % 3).collect()), true),
        ]);
        engine = engine.with_table(table(name), vec![batch.unwrap()]).unwrap();
    }
    engine
}

fn catalog() -> Catalog {
    let mut catalog = Catalog::default();
    for name in ["t", "u"] {
        catalog.add(name, CatalogTable::new(table(name), vec![], true));
    }
    catalog
}

fn one_of(texts: &'static [&'static str]) -> impl Strategy<Value = String> {
    proptest::sample::select(texts).prop_map(str::to_owned)
}

/// A condition on `e` and `f` with windows as AND terms, in other places, or undone.
fn condition() -> BoxedStrategy<String> {
    let leaf = prop_oneof![
        3 => one_of(&["{{window:e}}", "{{window:f}}", "{{window:e}} AND {{window:f}}"]),
        6 => one_of(&["e.x = f.x", "e.x > 0", "f.x < 2", "TRUE", "FALSE", "e.x IS DISTINCT FROM f.x"]),
        1 => one_of(&[
            "e.x IN (SELECT x FROM {{u}} WHERE {{window}})",
            "e.x IN (SELECT x FROM {{u}} h WHERE {{window:h}} AND {{window:e}})",
            "e.x IN (SELECT x FROM {{u}})",
            "e.x IN (SELECT x FROM lake.u)",
            "e.x = (SELECT max(h.x) FROM {{t}} h WHERE {{window:h}})",
        ]),
    ];
    let combined = |inner: BoxedStrategy<String>| {
        let pair = (inner.clone(), inner.clone());
        prop_oneof![
            4 => pair.clone().prop_map(|(one, other)| format!("{one} AND {other}")),
            2 => pair.clone().prop_map(|(one, other)| format!("({one}) AND ({other})")),
            1 => pair.clone().prop_map(|(one, other)| format!("{one} OR {other}")),
            2 => pair.clone().prop_map(|(one, other)| format!("{one} AND ({other} OR e.x = 1)")),
            1 => inner.clone().prop_map(|one| format!("NOT ({one})")),
            1 => pair.prop_map(|(one, other)| format!("CASE WHEN {one} THEN TRUE ELSE {other} END")),
        ]
        .boxed()
    };
    let once = combined(leaf.clone().boxed());
    prop_oneof![2 => leaf, 3 => once.clone(), 1 => combined(once)].boxed()
}

fn select() -> impl Strategy<Value = String> {
    let second = one_of(&["{{u}} f", "{{t}} AS f", "(SELECT * FROM {{u}} WHERE {{window}}) f", "lake.u f", "{{u}} f"]);
    let joins =
        one_of(&["JOIN", "INNER JOIN", "LEFT JOIN", "LEFT OUTER JOIN", "RIGHT JOIN", "FULL JOIN", "CROSS JOIN", ","]);
    let rest = prop_oneof![
        3 => Just(String::new()),
        2 => condition().prop_map(|condition| format!(" WHERE {condition}")),
        4 => condition().prop_map(|condition| format!(" WHERE {{{{window:e}}}} AND {condition}")),
        9 => condition().prop_map(|condition| format!(" WHERE {{{{window:e}}}} AND {{{{window:f}}}} AND ({condition})")),
    ];
    (joins, second, condition(), rest).prop_map(|(join, second, on, rest)| {
        let on = if matches!(join.as_str(), "CROSS JOIN" | ",") { String::new() } else { format!(" ON {on}") };
        let join = if join == "," { join } else { format!(" {join}") };
        format!("SELECT e.x AS a, f.x AS b FROM {{{{t}}}} e{join} {second}{on}{rest}")
    })
}

fn query() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => select(),
        1 => (select(), select()).prop_map(|(one, other)| format!("{one} UNION ALL {other}")),
        1 => (select(), select()).prop_map(|(one, other)| format!("({one}) EXCEPT ({other})")),
        1 => select().prop_map(|one| format!("WITH c AS ({one}) SELECT a, count(*) AS b FROM c GROUP BY a")),
        1 => select().prop_map(|one| format!("WITH u AS ({one}) SELECT a, b FROM u WHERE a > 0")),
        1 => select().prop_map(|one| format!("SELECT a, b FROM ({one}) q JOIN u ON u.x = q.a")),
    ]
}

/// The rows of an answer, sorted.
async fn rows(engine: &Embedded, statement: &query::Statement) -> Result<Vec<String>, QueryError> {
    let answer = engine.run(statement).await?;
    let mut rows: Vec<String> =
        answer.rows.iter().map(|row| serde_json::Value::from(row.clone()).to_string()).collect();
    rows.sort();
    Ok(rows)
}

#[tokio::test]
async fn rows_outside_the_window_change_no_answer() {
    const TRIALS: usize = 3_000;
    let (whole, cut, catalog) = (engine(true), engine(false), catalog());
    let mut runner = TestRunner::deterministic();
    let (mut accepted, mut compared, mut with_rows) = (0, 0, 0);
    for _ in 0..TRIALS {
        let sql = query().new_tree(&mut runner).unwrap().current();
        let file = format!(
            "title: T\nid: 6f5b1c5e-2a43-4b0e-9d5f-0f3c0a1b2c3d\nstatus: test\nlevel: low\nschedule: rate(5 minutes)\n\
             lookback: 20m\ningest_delay: 10m\nsql: {}\n",
            serde_json::Value::from(sql.as_str())
        );
        let checked = lint::check(&file);
        let Some(rule) = checked.accepted() else { continue };
        accepted += 1;
        let prepared = statement::build(rule, &catalog, WINDOW, &ParameterValues::new(), 1_000).unwrap();
        let (Ok(of_whole), Ok(of_cut)) =
            (rows(&whole, &prepared.statement).await, rows(&cut, &prepared.statement).await)
        else {
            continue;
        };
        compared += 1;
        with_rows += usize::from(!of_cut.is_empty());
        assert_eq!(of_whole, of_cut, "{sql}");
    }
    println!("{accepted} of {TRIALS} accepted, {compared} compared, {with_rows} with rows");
    assert!(compared > TRIALS / 10 && with_rows > TRIALS / 20, "{accepted} {compared} {with_rows}");
}
