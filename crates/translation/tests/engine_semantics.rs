//! Generated SQL finds what a pattern means: the rows of the semantics vectors, and on random patterns and events the rows
//! that listing every binding finds.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by a panic, its helpers too")]

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use arrow_array::{ArrayRef, Int32Array, Int64Array, RecordBatch};
use embedded::Embedded;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use query::{Engine, Statement};
use sql::table::{Layout, Table};
use sql::types::ColumnType;
use stix::binder::{Candidate, Limits, bind};
use stix::pattern::{Comparison, ComparisonKind, Observation, ObservationKind, Pattern, QualifierKind, Step};
use translation::{DialectMap, DialectMaps, Options, translate};

/// An event of the vectors: one observation at a point in time.
#[derive(Debug, Clone)]
struct Event {
    id: i64,
    time: i64,
    count: i32,
    flags: [i64; 3],
}

const START: i64 = 1_704_067_200_000;

fn maps() -> DialectMaps {
    let map = r#"{
        "dialect": "trial",
        "columns": { "id": "bigint", "time": "bigint", "count": "int", "a": "bigint", "b": "bigint", "c": "bigint" },
        "time": { "column": "time", "unit": "milliseconds" },
        "count": "count",
        "objects": { "p": { "properties": { "a": "a", "b": "b", "c": "c" } } }
    }"#;
    let mut maps = DialectMaps::empty();
    maps.insert(DialectMap::from_json(map).unwrap());
    maps
}

fn table(name: &str) -> Table {
    let columns = [
        ("id", ColumnType::Bigint),
        ("time", ColumnType::Bigint),
        ("count", ColumnType::Integer),
        ("a", ColumnType::Bigint),
        ("b", ColumnType::Bigint),
        ("c", ColumnType::Bigint),
    ];
    Table {
        database: "trials".to_owned(),
        name: name.to_owned(),
        columns: columns.map(|(name, t)| (name.to_owned(), t)).to_vec(),
        layout: Layout::Plain,
        dialect: "trial".to_owned(),
    }
}

fn batch(events: &[Event]) -> RecordBatch {
    let column =
        |value: fn(&Event) -> i64| Arc::new(Int64Array::from_iter_values(events.iter().map(value))) as ArrayRef;
    RecordBatch::try_from_iter_with_nullable([
        ("id", column(|e| e.id), true),
        ("time", column(|e| e.time), true),
        ("count", Arc::new(Int32Array::from_iter_values(events.iter().map(|e| e.count))) as ArrayRef, true),
        ("a", column(|e| e.flags[0]), true),
        ("b", column(|e| e.flags[1]), true),
        ("c", column(|e| e.flags[2]), true),
    ])
    .unwrap()
}

fn options() -> Options {
    let second = 1_000_000_000;
    Options {
        since: Some(i128::from(START / 1_000 - 3_600) * second),
        until: Some(i128::from(START / 1_000 + 3_600) * second),
        columns: translation::Columns::Only(vec!["id".to_owned()]),
        ..Options::default()
    }
}

/// The ids of the rows that SQL, and the binder where it needs one, finds.
async fn found_by_sql(trials: &[(Pattern, Vec<Event>)]) -> Vec<(BTreeSet<i64>, bool)> {
    let mut engine = Embedded::in_memory();
    for (number, (_, events)) in trials.iter().enumerate() {
        engine = engine.with_table(table(&format!("t{number}")), vec![batch(events)]).unwrap();
    }
    let mut found = Vec::new();
    for (number, (pattern, _)) in trials.iter().enumerate() {
        let translation = match translate(pattern, &[table(&format!("t{number}"))], &maps(), &options()) {
            Ok(translation) => translation,
            // A window without an instant: nothing can match.
            Err(diagnostics) => {
                assert!(diagnostics.to_string().contains("its time is empty"), "{pattern}: {diagnostics}");
                found.push((BTreeSet::new(), false));
                continue;
            }
        };
        dump(translation.sql.as_str());
        let answer = engine
            .run(&Statement::new(translation.sql.clone()))
            .await
            .unwrap_or_else(|error| panic!("{pattern}: {error}\n{}", translation.sql));
        let matches = translation.settle(&answer.rows).unwrap();
        let ids = matches.rows.iter().map(|row| {
            let event: serde_json::Value = serde_json::from_str(&row.event).unwrap();
            event["id"].as_i64().unwrap()
        });
        found.push((ids.collect(), translation.refine.is_some()));
    }
    found
}

/// Keeps the statement for those who check it otherwise.
fn dump(sql: &str) {
    use std::io::Write;
    if let Some(path) = std::env::var_os("SLUICE_SQL_DUMP") {
        let mut file = std::fs::OpenOptions::new().create(true).append(true).open(path).unwrap();
        file.write_all(format!("{}\n", serde_json::Value::from(sql)).as_bytes()).unwrap();
    }
}

fn vectors() -> Option<PathBuf> {
    let path = std::env::var_os("SLUICE_STIX_SEMANTICS").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/vectors/stix-semantics-vectors.json"),
        PathBuf::from,
    );
    if path.exists() {
        return Some(path);
    }
    eprintln!("skipped: {} is not there", path.display());
    None
}

#[tokio::test]
async fn the_semantics_vectors_rows_are_found_exactly() {
    let Some(path) = vectors() else { return };
    let vectors: serde_json::Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let mut trials = Vec::new();
    let mut expected: Vec<(String, BTreeSet<i64>)> = Vec::new();
    for case in vectors["cases"].as_array().unwrap() {
        let text = case["pattern"].as_str().unwrap();
        let pattern = stix::parse(text, stix::Version::V21)
            .or_else(|_| stix::parse(text, stix::Version::V20))
            .unwrap_or_else(|error| panic!("{text}: {error:?}"));
        let events = case["events"].as_array().unwrap().iter().map(|event| Event {
            id: event["id"].as_i64().unwrap(),
            time: event["time_ms"].as_i64().unwrap(),
            count: i32::try_from(event["number_observed"].as_i64().unwrap()).unwrap(),
            flags: ["a", "b", "c"].map(|flag| event[flag].as_i64().unwrap()),
        });
        trials.push((pattern, events.collect()));
        let rows = case["rows"].as_array().unwrap().iter().map(|row| row.as_i64().unwrap());
        expected.push((format!("{} {text}", case["id"]), rows.collect()));
    }
    let found = found_by_sql(&trials).await;
    let mut wrong = Vec::new();
    let mut by_binder = 0;
    for ((name, expected), (found, refined)) in expected.iter().zip(found) {
        by_binder += usize::from(refined);
        if *expected != found {
            wrong.push(format!("{name}: {found:?} instead of {expected:?}"));
        }
    }
    println!("{} of {} cases, {by_binder} of them with the binder", trials.len() - wrong.len(), trials.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

// What a pattern means, by listing every binding.

/// One observation: a row, and which of the row's observations it is.
type Observed = (usize, i32);

/// Sets of observations that satisfy an expression, each observation used once.
fn bindings(observation: &Observation, events: &[Event], window: (i128, i128)) -> BTreeSet<BTreeSet<Observed>> {
    let time = |observed: &Observed| events[observed.0].time;
    let disjoint = |left: &BTreeSet<Observed>, right: &BTreeSet<Observed>| left.intersection(right).next().is_none();
    let combined = |left: &BTreeSet<BTreeSet<Observed>>, right: &BTreeSet<BTreeSet<Observed>>, in_order: bool| {
        let mut all = BTreeSet::new();
        for l in left {
            for r in right {
                if disjoint(l, r) && (!in_order || l.iter().map(time).max() <= r.iter().map(time).min()) {
                    all.insert(l | r);
                }
            }
        }
        all
    };
    match &observation.kind {
        ObservationKind::Leaf { comparison, .. } => {
            let leaf = LEAVES.iter().position(|leaf| comparison_is(comparison, leaf)).unwrap();
            let mut all = BTreeSet::new();
            for (row, event) in events.iter().enumerate() {
                let at = i128::from(event.time) * 1_000_000;
                if event.flags[leaf] == 1 && window.0 <= at && at < window.1 {
                    all.extend((0..event.count).map(|instance| BTreeSet::from([(row, instance)])));
                }
            }
            all
        }
        ObservationKind::Or(left, right) => &bindings(left, events, window) | &bindings(right, events, window),
        ObservationKind::And(left, right) => {
            combined(&bindings(left, events, window), &bindings(right, events, window), false)
        }
        ObservationKind::FollowedBy(left, right) => {
            combined(&bindings(left, events, window), &bindings(right, events, window), true)
        }
        ObservationKind::Qualified(inner, qualifier) => match qualifier.kind {
            QualifierKind::StartStop(start, stop) => bindings(inner, events, (window.0.max(start), window.1.min(stop))),
            QualifierKind::Within(nanoseconds) => bindings(inner, events, window)
                .into_iter()
                .filter(|binding| {
                    let times: Vec<i64> = binding.iter().map(time).collect();
                    let spread = times.iter().max().unwrap() - times.iter().min().unwrap();
                    i128::from(spread) * 1_000_000 <= i128::from(nanoseconds)
                })
                .collect(),
            QualifierKind::Repeats(times) => {
                let one = bindings(inner, events, window);
                (1..times).fold(one.clone(), |so_far, _| combined(&so_far, &one, false))
            }
        },
    }
}

const LEAVES: [&str; 3] = ["p:a = 1", "p:b = 1", "p:c = 1"];

fn comparison_is(comparison: &Comparison, leaf: &str) -> bool {
    match &comparison.kind {
        ComparisonKind::Test { path, .. } => path.steps == [Step::Property(leaf[2..3].to_owned())],
        _ => false,
    }
}

fn found_by_listing(pattern: &Pattern, events: &[Event]) -> BTreeSet<i64> {
    let bindings = bindings(&pattern.root, events, (i128::MIN, i128::MAX));
    bindings.iter().flatten().map(|observed| events[observed.0].id).collect()
}

fn any_pattern() -> impl Strategy<Value = String> {
    let leaf = proptest::sample::select(&LEAVES[..]).prop_map(|leaf| format!("[{leaf}]"));
    leaf.prop_recursive(3, 5, 2, |inner| {
        let pair = (inner.clone(), inner.clone());
        proptest::prop_oneof![
            3 => (pair, proptest::sample::select(&["AND", "OR", "FOLLOWEDBY"][..]))
                .prop_map(|((left, right), operator)| format!("({left} {operator} {right})")),
            1 => (inner.clone(), 0..5_u32).prop_map(|(inner, seconds)| format!("({inner}) WITHIN {}.5 SECONDS", seconds)),
            1 => (inner.clone(), 1..4_u32).prop_map(|(inner, seconds)| format!("({inner}) WITHIN {seconds} SECONDS")),
            1 => (inner.clone(), 2..4_u32).prop_map(|(inner, times)| format!("({inner}) REPEATS {times} TIMES")),
            1 => (inner, 0..6_u32, 1..6_u32).prop_map(|(inner, from, length)| format!(
                "({inner}) START t'2024-01-01T00:00:0{from}Z' STOP t'2024-01-01T00:00:{:02}.500Z'", from + length
            )),
        ]
    })
}

fn any_events() -> impl Strategy<Value = Vec<Event>> {
    let event = (
        0..20_i64,
        proptest::prop_oneof![4 => proptest::strategy::Just(1), 1 => proptest::strategy::Just(2)],
        proptest::array::uniform3(0..2_i64),
    );
    proptest::collection::vec(event, 0..6).prop_map(|events| {
        let events = events.into_iter().enumerate().map(|(id, (half_seconds, count, flags))| Event {
            id: i64::try_from(id).unwrap(),
            time: START + 500 * half_seconds,
            count,
            flags,
        });
        events.collect()
    })
}

fn setting(name: &str, default: usize) -> usize {
    std::env::var(name).ok().map_or(default, |value| value.parse().unwrap())
}

/// Patterns with events, the same for the same seed.
fn any_trials(seed: usize) -> impl Iterator<Item = (Pattern, Vec<Event>)> {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&(seed as u64).to_le_bytes());
    let mut runner = TestRunner::new_with_rng(Config::default(), TestRng::from_seed(RngAlgorithm::ChaCha, &bytes));
    std::iter::repeat_with(move || {
        let text = any_pattern().new_tree(&mut runner).unwrap().current();
        let pattern = stix::parse(&text, stix::Version::V21).unwrap_or_else(|error| panic!("{text}: {error:?}"));
        (pattern, any_events().new_tree(&mut runner).unwrap().current())
    })
}

#[test]
fn the_binder_finds_what_listing_every_binding_finds() {
    for (pattern, events) in any_trials(setting("SLUICE_STIX_SEED", 1)).take(10_000) {
        let mut leaves = Vec::new();
        leaves_of(&pattern.root, &mut leaves);
        let candidates: Vec<Candidate> = events
            .iter()
            .map(|event| Candidate {
                time: i128::from(event.time) * 1_000_000,
                number_observed: u64::try_from(event.count).unwrap(),
                leaves: (0..leaves.len()).filter(|leaf| event.flags[leaves[*leaf]] == 1).collect(),
            })
            .collect();
        let bound = bind(&pattern, &candidates, Limits::default()).unwrap();
        let bound: BTreeSet<i64> = bound.iter().map(|bound| events[bound.row].id).collect();
        assert_eq!(bound, found_by_listing(&pattern, &events), "{pattern}\n{events:?}");
    }
}

fn leaves_of(observation: &Observation, found: &mut Vec<usize>) {
    match &observation.kind {
        ObservationKind::Leaf { comparison, .. } => {
            found.push(LEAVES.iter().position(|leaf| comparison_is(comparison, leaf)).unwrap());
        }
        ObservationKind::Or(left, right)
        | ObservationKind::And(left, right)
        | ObservationKind::FollowedBy(left, right) => {
            leaves_of(left, found);
            leaves_of(right, found);
        }
        ObservationKind::Qualified(inner, _) => leaves_of(inner, found),
    }
}

/// A trial takes about 40 ms in a debug build: 10,000 are for `SLUICE_STIX_TRIALS=10000`. `SLUICE_STIX_SEED` gives others.
#[tokio::test]
async fn sql_finds_what_listing_every_binding_finds() {
    let trials = setting("SLUICE_STIX_TRIALS", 500);
    let mut any_trials = any_trials(setting("SLUICE_STIX_SEED", 1));
    let (mut refined, mut matched, mut rows) = (0, 0, 0);
    let mut done = 0;
    while done < trials {
        let size = 250.min(trials - done);
        let batch: Vec<(Pattern, Vec<Event>)> = any_trials.by_ref().take(size).collect();
        for ((pattern, events), (found, by_binder)) in batch.iter().zip(found_by_sql(&batch).await) {
            let expected = found_by_listing(pattern, events);
            assert_eq!(found, expected, "{pattern}\n{events:?}");
            refined += usize::from(by_binder);
            matched += usize::from(!expected.is_empty());
            rows += expected.len();
        }
        done += size;
    }
    println!("{trials} trials: {matched} match, {rows} rows, {refined} settled by the binder");
    assert!(matched * 5 > trials, "too few of the trials match to say anything: {matched} of {trials}");
}
