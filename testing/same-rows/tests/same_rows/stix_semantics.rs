//! The SQL that STIX patterns become finds the rows that the patterns mean, on both engines.
//!
//! The vectors are not part of the project; they stand in `../shared/vectors` where there are any, or where
//! `SLUICE_STIX_SEMANTICS` says.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::{ArrayRef, Int32Array, Int64Array, RecordBatch};
use query::{Answer, QueryError};
use same_rows::{Both, Tally, server};
use serde_json::Value;
use sql::table::{Layout, Table};
use stix::pattern::Pattern;
use translation::{Columns, DialectMap, DialectMaps, Options, Translation, translate};

const MAP: &str = r#"{
    "dialect": "trial",
    "columns": { "id": "bigint", "time": "bigint", "count": "int", "a": "bigint", "b": "bigint", "c": "bigint" },
    "time": { "column": "time", "unit": "milliseconds" },
    "count": "count",
    "objects": { "p": { "properties": { "a": "a", "b": "b", "c": "c" } } }
}"#;

fn vectors() -> Option<Value> {
    let asked_for = std::env::var_os("SLUICE_STIX_SEMANTICS").map(PathBuf::from);
    let shared = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/vectors/stix-semantics-vectors.json");
    // A file that is asked for must be there.
    if asked_for.is_none() && !shared.exists() {
        println!("skipped: {} is not here", shared.display());
        return None;
    }
    let path = asked_for.unwrap_or(shared);
    Some(serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap())
}

fn table(map: &DialectMap, database: &str, name: &str) -> Table {
    Table { layout: Layout::Plain, ..map.table(database, name) }
}

fn batch(events: &[Value]) -> RecordBatch {
    let column = |name: &str| -> ArrayRef {
        Arc::new(Int64Array::from_iter_values(events.iter().map(|event| event[name].as_i64().unwrap())))
    };
    let counts = events.iter().map(|event| i32::try_from(event["number_observed"].as_i64().unwrap()).unwrap());
    let count: ArrayRef = Arc::new(Int32Array::from_iter_values(counts));
    let columns = [
        ("id", column("id"), true),
        ("time", column("time_ms"), true),
        ("count", count, true),
        ("a", column("a"), true),
        ("b", column("b"), true),
        ("c", column("c"), true),
    ];
    RecordBatch::try_from_iter_with_nullable(columns).unwrap()
}

/// An hour more than a case's events take, on both sides.
fn options(case: &Value) -> Options {
    const HOUR: i64 = 3_600_000;
    let times = || case["events"].as_array().into_iter().flatten().filter_map(|event| event["time_ms"].as_i64());
    let nanoseconds = |millis: i64| i128::from(millis) * 1_000_000;
    Options {
        since: times().min().map(|first| nanoseconds(first - HOUR)),
        until: times().max().map(|last| nanoseconds(last + HOUR)),
        columns: Columns::Only(vec!["id".to_owned()]),
        ..Options::default()
    }
}

/// The ids of the rows that the answer, and the binder where it is needed, gives.
fn found(translation: &Translation, answer: &Result<Answer, QueryError>) -> Result<BTreeSet<i64>, String> {
    let answer = answer.as_ref().map_err(ToString::to_string)?;
    let matches = translation.settle(&answer.rows).map_err(|error| error.to_string())?;
    let id = |text: &str| serde_json::from_str::<Value>(text).unwrap()["id"].as_i64().unwrap();
    Ok(matches.rows.iter().map(|row| id(&row.event)).collect())
}

#[tokio::test]
async fn patterns_find_the_rows_they_mean() {
    let (Some(server), Some(vectors)) = (server().unwrap(), vectors()) else { return };
    let cases = vectors["cases"].as_array().unwrap();
    let map = DialectMap::from_json(MAP).unwrap();
    let named = |number: usize| format!("t{number}");
    let tables = cases
        .iter()
        .enumerate()
        .map(|(number, case)| (table(&map, "", &named(number)), vec![batch(case["events"].as_array().unwrap())]));
    let folder = tempfile::tempdir().unwrap();
    let both = Both::of_tables(server, tables.collect(), folder.path()).unwrap();

    let mut maps = DialectMaps::empty();
    maps.insert(map.clone());
    assert!(!cases.is_empty(), "no cases");
    let (mut tally, mut wrong, mut empty) = (Tally::default(), Vec::new(), 0);
    for (number, case) in cases.iter().enumerate() {
        let text = case["pattern"].as_str().unwrap();
        let pattern: Pattern = stix::parse(text, stix::Version::V21)
            .or_else(|_| stix::parse(text, stix::Version::V20))
            .unwrap_or_else(|_| stix::parse(case["pattern_2_0"].as_str().unwrap(), stix::Version::V20).unwrap());
        let meant: BTreeSet<i64> = case["rows"].as_array().unwrap().iter().map(|row| row.as_i64().unwrap()).collect();
        let translation =
            match translate(&pattern, &[table(&map, &both.database, &named(number))], &maps, &options(case)) {
                Ok(translation) => translation,
                // A window without an instant: nothing can match.
                Err(diagnostics) => {
                    assert!(
                        diagnostics.to_string().contains("its time is empty") && meant.is_empty(),
                        "{text}: {diagnostics}"
                    );
                    empty += 1;
                    continue;
                }
            };
        let answers = both.run_text(translation.sql.as_str()).await;
        tally.count(text, answers.verdict(false));
        for (engine, answer) in [("Trino", &answers.trino), ("embedded", &answers.embedded)] {
            match found(&translation, answer) {
                Ok(found) if found == meant => {}
                other => wrong.push(format!("{engine}: {} {text}: {other:?}, meant {meant:?}", case["id"])),
            }
        }
    }
    println!("{} patterns, {empty} without time: {tally}wrong: {wrong:#?}", cases.len());
    assert!(wrong.is_empty() && tally.differences.is_empty(), "{} wrong\n{tally}", wrong.len());
}
