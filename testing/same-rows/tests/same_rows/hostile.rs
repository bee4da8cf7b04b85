//! A value that looks like SQL matches only its own row, on both engines.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use same_rows::{Both, Tally, events_found, server};
use sql::table::{Layout, Table};
use stix::pattern::{Operator, Step};
use stix_trials::hostile::{HOSTILE, HOSTILE_PIECES, near_misses, pattern, text};
use translation::{Columns, DialectMap, DialectMaps, Options, translate};

const MAP: &str = r#"{
    "dialect": "hostile",
    "columns": { "time": "bigint", "value": "string" },
    "time": { "column": "time", "unit": "milliseconds" },
    "objects": { "x-row": { "passthrough": true } }
}"#;

#[tokio::test]
async fn a_value_finds_its_own_row_alone() {
    let Some(server) = server().unwrap() else { return };
    let map = DialectMap::from_json(MAP).unwrap();
    let table = Table { layout: Layout::Plain, ..map.table("", "t") };
    let mut maps = DialectMaps::empty();
    maps.insert(map);

    // Each piece by itself, and between two others.
    let between = |(place, piece): (usize, &&str)| {
        let other = |step: usize| HOSTILE_PIECES[(place + step) % HOSTILE_PIECES.len()];
        format!("{}{piece}{}", other(5), other(11))
    };
    let mut asked: BTreeSet<String> = HOSTILE.iter().chain(&HOSTILE_PIECES).map(|&value| value.to_owned()).collect();
    asked.extend(HOSTILE_PIECES.iter().enumerate().map(between));
    let values: BTreeSet<String> = asked.iter().flat_map(|value| near_misses(value)).collect();
    let times = Int64Array::from_iter_values((1_704_067_200_000..).take(values.len()));
    let batch = RecordBatch::try_from_iter_with_nullable([
        ("time", Arc::new(times) as ArrayRef, true),
        ("value", Arc::new(StringArray::from_iter_values(&values)), true),
    ]);
    let folder = tempfile::tempdir().unwrap();
    let both = Both::of_tables(server, vec![(table.clone(), vec![batch.unwrap()])], folder.path()).unwrap();
    let table = Table { database: both.database.clone(), ..table };

    let options = Options {
        since: Some(1_704_067_200_000_000_000),
        until: Some(1_704_070_800_000_000_000),
        columns: Columns::Only(vec!["value".to_owned()]),
        ..Options::default()
    };
    let (mut tally, mut wrong, mut statements) = (Tally::default(), Vec::new(), 0);
    for value in &asked {
        let whole = format!(r"\A{}\z", regex::escape(value));
        let operators = [
            Operator::Equal(text(value)),
            Operator::In(vec![text("no row's"), text(value)]),
            Operator::Matches(text(&whole)),
        ];
        for operator in operators {
            let pattern = pattern("x-row", &[Step::Property("value".to_owned())], operator);
            let translation = translate(&pattern, std::slice::from_ref(&table), &maps, &options).unwrap();
            let answers = both.run_text(translation.sql.as_str()).await;
            statements += 1;
            tally.count(value, answers.verdict(false));
            for (engine, answer) in [("Trino", &answers.trino), ("embedded", &answers.embedded)] {
                let found = events_found(&translation, answer).map(|events| {
                    events.iter().map(|event| event["value"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
                });
                if !found.as_ref().is_ok_and(|found| found.as_slice() == std::slice::from_ref(value)) {
                    wrong.push(format!("{engine}: {value:?}: {found:?}\n  {}", translation.sql));
                }
            }
        }
    }
    println!("{statements} statements over {} rows: {tally}wrong: {wrong:#?}", values.len());
    assert!(wrong.is_empty() && tally.differences.is_empty(), "{} wrong\n{tally}", wrong.len());
}
