//! Random patterns, with events to match.

use std::sync::Arc;

use arrow_array::{ArrayRef, Float64Array, Int32Array, Int64Array, RecordBatch, StringArray};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use sql::table::{Layout, Table};
use sql::types::ColumnType;
use stix::pattern::Pattern;
use translation::{Columns, DialectMap, DialectMaps, Options};

/// An event: observations at one time. The vectors have only the flags.
#[derive(Debug, Clone)]
pub struct Event {
    /// The id within the table.
    pub id: i64,
    /// The time in milliseconds since 1970.
    pub time: i64,
    /// The number of observations in it.
    pub count: i32,
    /// `p:a`, `p:b` and `p:c`
    pub flags: [i64; 3],
    /// `p:number`
    pub number: Option<i64>,
    /// `p:double`
    pub double: Option<f64>,
    /// `p:text`
    pub text: Option<&'static str>,
    /// `p:address`
    pub address: Option<&'static str>,
}

/// 2024-01-01T00:00:00Z
const START: i64 = 1_704_067_200_000;

/// The dialect of tables with events.
pub fn maps() -> DialectMaps {
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

/// A table of events in the database `trials`.
pub fn table(name: &str) -> Table {
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

/// Events as rows.
pub fn batch(events: &[Event]) -> RecordBatch {
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

/// The options of a translation: a time range one hour longer than the events on both sides, and rows with their ids.
pub fn options(events: &[Event]) -> Options {
    const HOUR: i64 = 3_600_000;
    let times = || events.iter().map(|event| event.time);
    let nanoseconds = |millis: i64| Some(i128::from(millis) * 1_000_000);
    Options {
        since: nanoseconds(times().min().unwrap_or(START) - HOUR),
        until: nanoseconds(times().max().unwrap_or(START) + HOUR),
        columns: Columns::Only(vec!["id".to_owned()]),
        ..Options::default()
    }
}

const FLAGS: [&str; 3] = ["p:a = 1", "p:b = 1", "p:c = 1"];
const TEXTS: [&str; 11] = ["", "a", "b", "ab", "aab", "A", "a_b", "a%b", "it's", "a\nb", "\u{e9}1"];
const LIKES: [&str; 9] = ["%", "", "a%", "%b", "_", "a_b", "%a%", "%_%b", "\u{e9}_"];
const ADDRESSES: [&str; 6] = ["10.0.0.1", "10.0.0.129", "10.1.0.1", "192.168.0.1", "fe80::1", "none"];
const NETWORKS: [&str; 7] =
    ["10.0.0.0/24", "10.0.0.128/25", "10.0.0.0/8", "0.0.0.0/0", "10.0.0.1/32", "fe80::/10", "fe80::1/128"];

/// A regular expression, and a function that matches the same.
pub type Regex = (&'static str, fn(&str) -> bool);
/// The regular expressions in patterns.
pub const REGEXES: [Regex; 7] = [
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

/// Comparisons with every operator, with NOT, AND and OR.
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

/// Patterns. A `movable` one has no START and STOP, so that events can be moved in time.
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

/// A pattern with sets of events, each of which is matched separately.
pub type Trial = (Pattern, Vec<Vec<Event>>);

/// The distance in time of sets of events in one table.
const APART: i64 = 60_000;

/// Patterns with events, the same for the same seed. If a pattern has several sets of events, no match spans two of them: a
/// set lasts 10 seconds, sets are a minute apart, and the pattern is WITHIN 20 seconds.
pub fn any_trials(seed: usize, sets: usize) -> impl Iterator<Item = Trial> {
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
