//! Generated SQL finds what a pattern means: the rows of the semantics vectors, and on random patterns and events the rows
//! that the matcher finds and that listing every binding finds.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by a panic, its helpers too")]

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;

use arrow_array::{ArrayRef, Float64Array, Int32Array, Int64Array, RecordBatch, StringArray};
use embedded::Embedded;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use query::{Engine, Statement};
use sql::table::{Layout, Table};
use sql::types::ColumnType;
use stix::binder::Limits;
use stix::matcher::{AndScope, Matcher, observations};
use stix::pattern::{
    Comparison, ComparisonKind, Literal, ObjectPath, Observation, ObservationKind, Operator, Pattern, QualifierKind,
    Step, Value,
};
use translation::{DialectMap, DialectMaps, Options, translate};

/// An event: observations at a point in time, of which the vectors have flags only.
#[derive(Debug, Clone)]
struct Event {
    id: i64,
    time: i64,
    count: i32,
    flags: [i64; 3],
    number: Option<i64>,
    double: Option<f64>,
    text: Option<&'static str>,
    address: Option<&'static str>,
}

const START: i64 = 1_704_067_200_000;

fn maps() -> DialectMaps {
    let map = r#"{
        "dialect": "trial",
        "columns": {
            "id": "bigint", "time": "bigint", "count": "int", "a": "bigint", "b": "bigint", "c": "bigint",
            "number": "bigint", "double": "double", "text": "string", "address": "string"
        },
        "time": { "column": "time", "unit": "milliseconds" },
        "count": "count",
        "objects": { "p": { "properties": {
            "a": "a", "b": "b", "c": "c", "number": "number", "double": "double", "text": "text",
            "address": { "path": "address", "kind": "address" }
        } } }
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
        ("number", ColumnType::Bigint),
        ("double", ColumnType::Double),
        ("text", ColumnType::Varchar),
        ("address", ColumnType::Varchar),
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
    let texts = |value: fn(&Event) -> Option<&'static str>| -> ArrayRef {
        Arc::new(events.iter().map(value).collect::<StringArray>())
    };
    RecordBatch::try_from_iter_with_nullable([
        ("id", column(|e| e.id), true),
        ("time", column(|e| e.time), true),
        ("count", Arc::new(Int32Array::from_iter_values(events.iter().map(|e| e.count))) as ArrayRef, true),
        ("a", column(|e| e.flags[0]), true),
        ("b", column(|e| e.flags[1]), true),
        ("c", column(|e| e.flags[2]), true),
        ("number", Arc::new(events.iter().map(|e| e.number).collect::<Int64Array>()), true),
        ("double", Arc::new(events.iter().map(|e| e.double).collect::<Float64Array>()), true),
        ("text", texts(|e| e.text), true),
        ("address", texts(|e| e.address), true),
    ])
    .unwrap()
}

/// An hour more than the events take, on both sides.
fn options(events: &[Event]) -> Options {
    const HOUR: i64 = 3_600_000;
    let times = || events.iter().map(|event| event.time);
    let nanoseconds = |millis: i64| Some(i128::from(millis) * 1_000_000);
    Options {
        since: nanoseconds(times().min().unwrap_or(START) - HOUR),
        until: nanoseconds(times().max().unwrap_or(START) + HOUR),
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
    for (number, (pattern, events)) in trials.iter().enumerate() {
        let translation = match translate(pattern, &[table(&format!("t{number}"))], &maps(), &options(events)) {
            Ok(translation) => translation,
            // What is refused here is what nothing can match, which is held against the listing, too.
            Err(diagnostics) => {
                let text = diagnostics.to_string();
                let nothing = text.contains("its time is empty") || text.contains("is never so");
                assert!(nothing, "{pattern}: {diagnostics}");
                found.push((BTreeSet::new(), false));
                continue;
            }
        };
        sql::testing::keep(&translation.sql).unwrap();
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

fn vectors() -> Option<PathBuf> {
    // A file that is asked for must be there.
    if let Some(path) = std::env::var_os("SLUICE_STIX_SEMANTICS") {
        return Some(path.into());
    }
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/vectors/stix-semantics-vectors.json");
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
            .or_else(|_| stix::parse(case["pattern_2_0"].as_str().unwrap_or_default(), stix::Version::V20))
            .unwrap_or_else(|error| panic!("{text}: {error:?}"));
        let events = case["events"].as_array().unwrap().iter().map(|event| Event {
            id: event["id"].as_i64().unwrap(),
            time: event["time_ms"].as_i64().unwrap(),
            count: i32::try_from(event["number_observed"].as_i64().unwrap()).unwrap(),
            flags: ["a", "b", "c"].map(|flag| event[flag].as_i64().unwrap()),
            number: None,
            double: None,
            text: None,
            address: None,
        });
        trials.push((pattern, events.collect()));
        let rows = case["rows"].as_array().unwrap().iter().map(|row| row.as_i64().unwrap());
        expected.push((format!("{} {text}", case["id"]), rows.collect()));
    }
    assert!(!trials.is_empty(), "no cases");
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
            let mut all = BTreeSet::new();
            for (row, event) in events.iter().enumerate() {
                let at = i128::from(event.time) * 1_000_000;
                if holds(comparison, event) && window.0 <= at && at < window.1 {
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

/// A property of an event.
#[derive(Debug, Clone, Copy)]
enum Property {
    Number(f64),
    Text(&'static str),
}

fn property(event: &Event, path: &ObjectPath) -> Option<Property> {
    #[expect(clippy::cast_precision_loss, reason = "small numbers")]
    let number = |value: i64| Property::Number(value as f64);
    let [Step::Property(name)] = &path.steps[..] else { panic!("{path:?}") };
    match name.as_str() {
        "a" => Some(number(event.flags[0])),
        "b" => Some(number(event.flags[1])),
        "c" => Some(number(event.flags[2])),
        "number" => event.number.map(number),
        "double" => event.double.map(Property::Number),
        "text" => event.text.map(Property::Text),
        "address" => event.address.map(Property::Text),
        other => panic!("{other}"),
    }
}

/// What a comparison says of an event: nothing of a property that it has not, neither with NOT.
fn holds(comparison: &Comparison, event: &Event) -> bool {
    match &comparison.kind {
        ComparisonKind::And(left, right) => holds(left, event) && holds(right, event),
        ComparisonKind::Or(left, right) => holds(left, event) || holds(right, event),
        ComparisonKind::Exists { path, negated } => property(event, path).is_some() != *negated,
        ComparisonKind::Test { path, negated, operator } => {
            property(event, path).is_some_and(|value| satisfies(value, operator) != *negated)
        }
    }
}

fn satisfies(value: Property, operator: &Operator) -> bool {
    #[expect(clippy::cast_precision_loss, reason = "small numbers")]
    let order = |literal: &Literal| match (value, &literal.value) {
        (Property::Number(value), Value::Integer(constant)) => value.total_cmp(&(*constant as f64)),
        (Property::Number(value), Value::Float(constant)) => value.total_cmp(constant),
        (Property::Text(value), Value::Text(constant)) => value.chars().cmp(constant.chars()),
        other => panic!("{other:?}"),
    };
    let text = |literal: &Literal| match (value, &literal.value) {
        (Property::Text(value), Value::Text(constant)) => (value, constant.clone()),
        other => panic!("{other:?}"),
    };
    match operator {
        Operator::Equal(literal) => order(literal).is_eq(),
        Operator::NotEqual(literal) => order(literal).is_ne(),
        Operator::Less(literal) => order(literal).is_lt(),
        Operator::LessOrEqual(literal) => order(literal).is_le(),
        Operator::Greater(literal) => order(literal).is_gt(),
        Operator::GreaterOrEqual(literal) => order(literal).is_ge(),
        Operator::In(literals) => literals.iter().any(|literal| order(literal).is_eq()),
        Operator::Like(literal) => {
            let (value, pattern) = text(literal);
            is_like(&value.chars().collect::<Vec<_>>(), &pattern.chars().collect::<Vec<_>>())
        }
        Operator::Matches(literal) => {
            let (value, regex) = text(literal);
            REGEXES.iter().find(|(known, _)| *known == regex).unwrap().1(value)
        }
        Operator::IsSubset(literal) => {
            let (value, network) = text(literal);
            let (start, length) = network.split_once('/').unwrap();
            value.parse().is_ok_and(|value| is_within(value, start.parse().unwrap(), length.parse().unwrap()))
        }
        Operator::IsSuperset(literal) => {
            let (value, network) = text(literal);
            let (start, length) = network.split_once('/').unwrap();
            // An address holds itself alone.
            let whole = if start.contains(':') { "128" } else { "32" };
            length == whole && value.parse::<IpAddr>().is_ok_and(|value| value == start.parse::<IpAddr>().unwrap())
        }
    }
}

fn is_like(value: &[char], pattern: &[char]) -> bool {
    match (value, pattern) {
        (_, ['%', pattern @ ..]) => (0..=value.len()).any(|from| is_like(&value[from..], pattern)),
        ([_, value @ ..], ['_', pattern @ ..]) => is_like(value, pattern),
        ([a, value @ ..], [b, pattern @ ..]) => a == b && is_like(value, pattern),
        (value, pattern) => value.is_empty() && pattern.is_empty(),
    }
}

fn is_within(value: IpAddr, start: IpAddr, length: u32) -> bool {
    match (value, start) {
        (IpAddr::V4(value), IpAddr::V4(start)) => u64::from(value.to_bits() ^ start.to_bits()) < 1_u64 << (32 - length),
        (IpAddr::V6(value), IpAddr::V6(start)) => (value.to_bits() ^ start.to_bits()) >> (128 - length) == 0,
        _ => false,
    }
}

const FLAGS: [&str; 3] = ["p:a = 1", "p:b = 1", "p:c = 1"];
const TEXTS: [&str; 11] = ["", "a", "b", "ab", "aab", "A", "a_b", "a%b", "it's", "a\nb", "\u{e9}1"];
const LIKES: [&str; 9] = ["%", "", "a%", "%b", "_", "a_b", "%a%", "%_%b", "\u{e9}_"];
const ADDRESSES: [&str; 6] = ["10.0.0.1", "10.0.0.129", "10.1.0.1", "192.168.0.1", "fe80::1", "none"];
const NETWORKS: [&str; 7] =
    ["10.0.0.0/24", "10.0.0.128/25", "10.0.0.0/8", "0.0.0.0/0", "10.0.0.1/32", "fe80::/10", "fe80::1/128"];

/// What a regular expression finds, said without one.
type Regex = (&'static str, fn(&str) -> bool);
const REGEXES: [Regex; 7] = [
    ("^a", |text| text.starts_with('a')),
    ("b$", |text| text.ends_with('b')),
    ("a.b", |text| text.as_bytes().windows(3).any(|w| w[0] == b'a' && w[1] != b'\n' && w[2] == b'b')),
    ("[0-9]", |text| text.contains(|c: char| c.is_ascii_digit())),
    ("^$", str::is_empty),
    ("^(a|b)+$", |text| !text.is_empty() && text.chars().all(|c| matches!(c, 'a' | 'b'))),
    ("A|'", |text| text.contains(['A', '\''])),
];

fn written(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}

/// Comparisons of every operator, with NOT, and AND and OR of them.
fn any_comparison() -> impl Strategy<Value = String> {
    use proptest::sample::select;
    let relation = || select(&["=", "!=", "<", "<=", ">", ">="][..]);
    let not = || select(&["", "NOT "][..]);
    let texts = || select(&TEXTS[..]).prop_map(written);
    let list = |items: Vec<String>| format!("({})", items.join(", "));
    let number = || {
        proptest::prop_oneof![(0..4_i64).prop_map(|n| n.to_string()), (0..8_u32).prop_map(|n| format!("{}.5", n / 2))]
    };
    let test = proptest::prop_oneof![
        4 => select(&FLAGS[..]).prop_map(str::to_owned),
        2 => (select(&["number", "double"][..]), not(), relation(), number())
            .prop_map(|(of, not, relation, n)| format!("p:{of} {not}{relation} {n}")),
        2 => (not(), relation(), texts()).prop_map(|(not, relation, text)| format!("p:text {not}{relation} {text}")),
        1 => (not(), proptest::collection::vec((0..4_i64).prop_map(|n| n.to_string()), 1..4))
            .prop_map(move |(not, items)| format!("p:number {not}IN {}", list(items))),
        1 => (not(), proptest::collection::vec(texts(), 1..4))
            .prop_map(move |(not, items)| format!("p:text {not}IN {}", list(items))),
        1 => (not(), select(&LIKES[..])).prop_map(|(not, like)| format!("p:text {not}LIKE {}", written(like))),
        1 => (not(), select(&REGEXES[..])).prop_map(|(not, (regex, _))| format!("p:text {not}MATCHES {}", written(regex))),
        2 => (not(), select(&["ISSUBSET", "ISSUPERSET"][..]), select(&NETWORKS[..]))
            .prop_map(|(not, operator, network)| format!("p:address {not}{operator} '{network}'")),
        1 => (not(), select(&["number", "double", "text", "address"][..]))
            .prop_map(|(not, of)| format!("{not}EXISTS p:{of}")),
    ];
    test.prop_recursive(2, 3, 2, |inner| {
        (inner.clone(), select(&["AND", "OR"][..]), inner)
            .prop_map(|(left, operator, right)| format!("({left} {operator} {right})"))
    })
}

fn found_by_listing(pattern: &Pattern, events: &[Event]) -> BTreeSet<i64> {
    let bindings = bindings(&pattern.root, events, (i128::MIN, i128::MAX));
    bindings.iter().flatten().map(|observed| events[observed.0].id).collect()
}

/// Patterns; without START and STOP where they are `movable` in time.
fn any_pattern(movable: bool) -> impl Strategy<Value = String> {
    let flag = proptest::sample::select(&FLAGS[..]).prop_map(str::to_owned);
    let leaf = proptest::prop_oneof![flag, any_comparison()].prop_map(|leaf| format!("[{leaf}]"));
    leaf.prop_recursive(3, 5, 2, move |inner| {
        let pair = (inner.clone(), inner.clone());
        let windows = u32::from(!movable);
        proptest::prop_oneof![
            3 => (pair, proptest::sample::select(&["AND", "OR", "FOLLOWEDBY"][..]))
                .prop_map(|((left, right), operator)| format!("({left} {operator} {right})")),
            1 => (inner.clone(), 0..5_u32).prop_map(|(inner, seconds)| format!("({inner}) WITHIN {}.5 SECONDS", seconds)),
            1 => (inner.clone(), 1..4_u32).prop_map(|(inner, seconds)| format!("({inner}) WITHIN {seconds} SECONDS")),
            1 => (inner.clone(), 2..4_u32).prop_map(|(inner, times)| format!("({inner}) REPEATS {times} TIMES")),
            windows => (inner, 0..6_u32, 1..6_u32).prop_map(|(inner, from, length)| format!(
                "({inner}) START t'2024-01-01T00:00:0{from}Z' STOP t'2024-01-01T00:00:{:02}.500Z'", from + length
            )),
        ]
    })
}

fn any_events() -> impl Strategy<Value = Vec<Event>> {
    use proptest::option::of;
    use proptest::sample::select;
    let count = proptest::prop_oneof![4 => proptest::strategy::Just(1), 1 => proptest::strategy::Just(2)];
    let flags = proptest::array::uniform3(0..2_i64);
    let double = (0..8_u32).prop_map(|n| f64::from(n) / 2.0);
    let values = (of(0..4_i64), of(double), of(select(&TEXTS[..])), of(select(&ADDRESSES[..])));
    proptest::collection::vec((0..20_i64, count, flags, values), 0..6).prop_map(|events| {
        let event = |(id, (half_seconds, count, flags, values)): (usize, _)| {
            let (number, double, text, address) = values;
            let id = i64::try_from(id).unwrap();
            Event { id, time: START + 500 * half_seconds, count, flags, number, double, text, address }
        };
        events.into_iter().enumerate().map(event).collect()
    })
}

fn setting(name: &str, default: usize) -> usize {
    std::env::var(name).ok().map_or(default, |value| value.parse().unwrap())
}

/// A pattern with sets of events that it is asked of, one by one.
type Trial = (Pattern, Vec<Vec<Event>>);

/// How far apart sets of events are that stand in one table.
const APART: i64 = 60_000;

/// Patterns with events, the same for the same seed. Where a pattern has several sets of events, no match reaches from one
/// into the other: a set lasts 10 seconds, the sets are a minute apart, and the pattern is WITHIN 20 seconds.
fn any_trials(seed: usize, sets: usize) -> impl Iterator<Item = Trial> {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&(seed as u64).to_le_bytes());
    let mut runner = TestRunner::new_with_rng(Config::default(), TestRng::from_seed(RngAlgorithm::ChaCha, &bytes));
    let patterns = any_pattern(sets > 1);
    let events = any_events();
    std::iter::repeat_with(move || {
        let mut text = patterns.new_tree(&mut runner).unwrap().current();
        if sets > 1 {
            text = format!("({text}) WITHIN 20 SECONDS");
        }
        let pattern = stix::parse(&text, stix::Version::V21).unwrap_or_else(|error| panic!("{text}: {error:?}"));
        let mut all = Vec::new();
        for set in 0..i64::try_from(sets).unwrap() {
            let mut events = events.new_tree(&mut runner).unwrap().current();
            for event in &mut events {
                event.id += 100 * set;
                event.time += APART * set;
            }
            all.push(events);
        }
        (pattern, all)
    })
}

fn found_by_matching(pattern: &Pattern, events: &[Event]) -> BTreeSet<i64> {
    let observed = events.iter().map(|event| {
        let time = jiff::Timestamp::from_millisecond(event.time).unwrap().to_string();
        let [a, b, c] = event.flags;
        let mut object = serde_json::json!({ "type": "p", "a": a, "b": b, "c": c, "number": event.number,
            "double": event.double, "text": event.text, "address": event.address });
        object.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        serde_json::json!({ "type": "observed-data", "number_observed": event.count, "first_observed": time,
            "last_observed": time, "objects": { "0": object } })
    });
    let observed = observations(&observed.collect(), stix::Version::V20).unwrap();
    let matcher = Matcher::new(pattern, AndScope::Row).unwrap();
    let bound = matcher.find(&observed, Limits::default()).unwrap_or_else(|error| panic!("{pattern}: {error}"));
    bound.iter().map(|bound| events[bound.row].id).collect()
}

#[test]
fn the_matcher_finds_what_listing_every_binding_finds() {
    for (pattern, sets) in any_trials(setting("SLUICE_STIX_SEED", 1), 1).take(10_000) {
        let found = found_by_matching(&pattern, &sets[0]);
        assert_eq!(found, found_by_listing(&pattern, &sets[0]), "{pattern}\n{:?}", sets[0]);
    }
}

/// A statement takes about 40 ms in a debug build, nearly all of it for the plan, and 16 sets of events in one table hardly
/// longer than one set. So one pattern in four is asked of one set, with START and STOP among the qualifiers and without a
/// WITHIN around, and the others of 16 sets each. `SLUICE_STIX_TRIALS` is how many sets of events are asked about in all,
/// `SLUICE_STIX_SEED` gives others.
#[tokio::test]
async fn sql_finds_what_matching_and_what_listing_every_binding_finds() {
    const SETS: usize = 16;
    let statements = setting("SLUICE_STIX_TRIALS", 12_000).div_ceil(3 * SETS + 1) * 4;
    let seed = setting("SLUICE_STIX_SEED", 1);
    let (mut alone, mut together) = (any_trials(seed, 1), any_trials(seed, SETS));
    let (mut trials, mut refined, mut matched, mut rows) = (0, 0, 0, 0);
    let mut done = 0;
    while done < statements {
        let size = 100.min(statements - done);
        done += size;
        let mut batch: Vec<Trial> = alone.by_ref().take(size / 4).collect();
        batch.extend(together.by_ref().take(size - size / 4));
        let tables: Vec<(Pattern, Vec<Event>)> =
            batch.iter().map(|(pattern, sets)| (pattern.clone(), sets.concat())).collect();
        let (first, second) = tables.split_at(size / 2);
        let (first, second) = tokio::join!(found_by_sql(first), found_by_sql(second));
        for ((pattern, sets), (found, by_binder)) in batch.iter().zip(first.into_iter().chain(second)) {
            refined += usize::from(by_binder);
            rows += found.len();
            for (number, events) in sets.iter().enumerate() {
                trials += 1;
                let number = i64::try_from(number).unwrap();
                let found: BTreeSet<i64> = found.range(100 * number..100 * (number + 1)).copied().collect();
                let expected = found_by_listing(pattern, events);
                assert_eq!(found, expected, "{pattern}\n{events:?}");
                assert_eq!(found_by_matching(pattern, events), expected, "{pattern}\n{events:?}");
                matched += usize::from(!expected.is_empty());
            }
        }
    }
    println!("{trials} trials of {statements} patterns: {matched} match, {rows} rows, {refined} settled by the binder");
    assert!(matched * 5 > trials, "too few of the trials match to say anything: {matched} of {trials}");
}
