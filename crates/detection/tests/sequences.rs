//! A match of a pattern over several observations is one finding. Its events are evidence in their order, and its key is the
//! same in every run.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by a panic, its helpers too")]

use std::collections::BTreeMap;

use detection::catalog::{Catalog, CatalogTable};
use detection::finding::{self, FindingContext, MAX_EVIDENCE, Origin};
use detection::ledger::Published;
use detection::rule::ParameterValues;
use detection::{Finding, Rule, Shape, Window, statement};
use proptest::prelude::*;
use query::{Answer, Column};
use serde_json::{Value as Json, json};
use sql::table::{Layout, Table};
use sql::types::ColumnType;

const WINDOW: Window = Window { start: 0, end: 1_000_000 };

fn rule(pattern: &str, more: &str) -> Rule {
    let text = format!(
        "title: Something\nid: 6f5b1c5e-2a43-4b0e-9d5f-0f3c0a1b2c3d\nstatus: test\nlevel: high\n\
         schedule: rate(5 minutes)\nlookback: 20m\ningest_delay: 10m\nmax_scanned_bytes: 1000\n{more}\
         tables: [t]\nstix: \"{pattern}\"\n"
    );
    Rule::from_text(&text).unwrap_or_else(|faults| panic!("{faults:?}"))
}

fn catalog() -> Catalog {
    let columns = [
        ("time", "bigint"),
        ("api", "row(operation varchar)"),
        ("actor", "row(user row(name varchar))"),
        ("src_endpoint", "row(ip varchar)"),
    ];
    let columns = columns.map(|(name, t)| (name.to_owned(), t.parse::<ColumnType>().unwrap())).to_vec();
    let (database, dialect) = ("lake".to_owned(), "ocsf".to_owned());
    let table = Table { database, name: "t".to_owned(), columns, layout: Layout::Plain, dialect };
    let mut catalog = Catalog::default();
    catalog.add("t", CatalogTable::new(table, vec![], true));
    catalog
}

/// Its time, the leaves that it satisfies, and its user.
type Event = (i64, Vec<usize>, &'static str);

/// The answer of an engine.
fn answer(events: &[Event], leaves: usize, window: Window) -> Answer {
    let row = |(number, (time, satisfied, user)): (usize, &Event)| {
        let mut row = vec![json!("lake.t"), json!(time), json!(1)];
        row.extend((0..leaves).map(|leaf| json!(satisfied.contains(&leaf))));
        let mut event = json!({ "time": time, "number": number, "actor": { "user": { "name": user } } });
        if satisfied.contains(&0) {
            event["src_endpoint"] = json!({ "ip": "198.51.100.7" });
        } else {
            event["api"] = json!({ "operation": "B" });
        }
        row.push(json!(event.to_string()));
        row
    };
    let inside = |(_, event): &(usize, &Event)| (window.start..window.end).contains(&event.0) && !event.1.is_empty();
    let rows: Vec<Vec<Json>> = events.iter().enumerate().filter(inside).map(row).collect();
    let columns = rows.iter().take(1).flatten();
    let columns = columns.map(|_| Column { name: "c".to_owned(), column_type: ColumnType::Json }).collect();
    Answer { query_id: "q".to_owned(), columns, rows, ..Answer::default() }
}

fn found(rule: &Rule, events: &[Event], leaves: usize, window: Window) -> Vec<Finding> {
    let prepared = statement::build(rule, &catalog(), window, &ParameterValues::new(), 1_000).unwrap();
    let answer = answer(events, leaves, window);
    let hits = prepared.hits(rule, &answer).unwrap();
    let context = FindingContext::default();
    let origin = Origin { rule, window, answer: &hits, now: window.end, context: &context };
    let mut found = Vec::new();
    for mut keyed in finding::keyed(rule, Shape::of(rule), window.into(), &hits, 1_000) {
        let rows = std::mem::take(&mut keyed.rows);
        let (entries, _) = Published::default().take(rule.id, &keyed.key, rows, finding::dedupe_window(rule), i64::MAX);
        found.extend(entries.iter().map(|entry| finding::finding(&origin, &keyed, entry)));
    }
    found.sort_by_key(|finding| (finding.first, finding.last));
    found
}

const TWO_STEPS: &str = "[x-aws-api:api = 'A'] FOLLOWEDBY [x-aws-api:api = 'B']";

#[test]
fn a_sequence_is_one_finding_with_one_evidence_for_each_event_in_order() {
    let events = [(1_000, vec![0], "ann"), (2_000, vec![1], "bob"), (500_000, vec![0], "eve")];
    let [finding] = &found(&rule(TWO_STEPS, ""), &events, 2, WINDOW)[..] else { panic!("one finding") };
    let row = &finding.rows[0];
    let cells = ["time", "start_time", "end_time", "event_count", "table"].map(|name| row[name].clone());
    assert_eq!(cells, [json!(1_000), json!(1_000), json!(2_000), json!(2), json!("lake.t")]);
    // Columns of the first event, and those that the second one adds.
    assert_eq!(["user_name", "src_ip", "operation"].map(|name| row[name].clone()), ["ann", "198.51.100.7", "B"]);
    assert!(!row.contains_key("event"), "{row:?}");
    let evidences = finding.event["evidences"].as_array().unwrap();
    let facts = |e: &Json| (e["data"]["event"]["time"].as_i64().unwrap(), e["actor"]["user"]["name"].clone());
    assert_eq!(evidences.iter().map(facts).collect::<Vec<_>>(), [(1_000, json!("ann")), (2_000, json!("bob"))]);
    let event = &finding.event;
    assert_eq!(
        [&event["start_time"], &event["end_time"], &event["count"]],
        [1_000, 2_000, 2].map(|n| json!(n)).each_ref()
    );
    let users = event["observables"].as_array().unwrap().iter().filter(|o| o["type_id"] == 4).count();
    assert_eq!(users, 2, "every event's observables: {}", event["observables"]);
}

#[test]
fn each_match_is_a_finding_and_alternatives_hide_none() {
    let events = [(1, vec![0], "a"), (2, vec![0], "b"), (3, vec![1], "c"), (9, vec![0], "d"), (9, vec![1], "e")];
    let spans = |pattern: &str, leaves| {
        let found = found(&rule(pattern, ""), &events, leaves, WINDOW);
        found.iter().map(|finding| (finding.first, finding.last)).collect::<Vec<_>>()
    };
    assert_eq!(spans(TWO_STEPS, 2), [(2, 3), (9, 9)]);
    assert_eq!(spans("[x-aws-api:api = 'A'] REPEATS 3 TIMES", 1), [(1, 9)]);
    // The single observation matches by itself, and so does the sequence.
    let either = "([x-aws-api:api = 'A'] REPEATS 3 TIMES) OR [x-aws-api:api = 'B']";
    assert_eq!(spans(either, 2), [(1, 9), (3, 3), (9, 9)]);
}

#[test]
fn sequences_that_share_their_times_are_all_found() {
    let events = [(1, vec![0], "a"), (1, vec![0], "b"), (5, vec![1], "a"), (5, vec![1], "b"), (5, vec![1], "c")];
    let found = found(&rule(TWO_STEPS, ""), &events, 2, WINDOW);
    let users = |finding: &Finding| {
        let events = finding.rows[0]["events"].as_array().unwrap();
        events.iter().map(|event| event["user_name"].as_str().unwrap().to_owned()).collect::<String>()
    };
    let mut users: Vec<String> = found.iter().map(users).collect();
    users.sort_unstable();
    assert_eq!(users, ["aa", "bb"]);
}

#[test]
fn a_match_of_many_events_keeps_its_last_one_as_evidence() {
    let count = i64::try_from(MAX_EVIDENCE).unwrap() + 50;
    let mut events: Vec<Event> = (0..count).map(|time| (time, vec![0], "a")).collect();
    events.push((count, vec![1], "b"));
    let pattern = format!("[x-aws-api:api = 'A'] REPEATS {count} TIMES FOLLOWEDBY [x-aws-api:api = 'B']");
    let [finding] = &found(&rule(&pattern, ""), &events, 2, WINDOW)[..] else { panic!("one finding") };
    let evidences = finding.event["evidences"].as_array().unwrap();
    assert_eq!(evidences.len(), MAX_EVIDENCE);
    assert_eq!(evidences.last().unwrap()["actor"]["user"]["name"], "b");
    assert_eq!(finding.rows[0]["event_count"], count + 1);
    assert_eq!(finding.event["unmapped"]["evidence.omitted"], "51");
    assert!(finding.message(&rule(&pattern, "")).body.len() < 256 * 1024);
}

#[test]
fn sequences_are_deduplicated_and_counted_by_their_columns() {
    let pair = |time, user| [(time, vec![0], user), (time + 1, vec![1], user)];
    let events = [pair(10, "ann"), pair(20, "bob"), pair(30, "ann")].concat();
    let dedupe = rule(TWO_STEPS, "dedupe: {key: [user_name], window: 1h}\n");
    let of_user = |finding: &Finding| finding.rows[0]["user_name"].as_str().unwrap().to_owned();
    assert_eq!(found(&dedupe, &events, 2, WINDOW).iter().map(of_user).collect::<Vec<_>>(), ["ann", "bob"]);
    let grouped = rule(TWO_STEPS, "group_by: [user_name]\nthreshold: {count: 2}\n");
    let [finding] = &found(&grouped, &events, 2, WINDOW)[..] else { panic!("one group has two") };
    assert_eq!((of_user(finding), finding.first, finding.last), ("ann".to_owned(), 10, 31));
}

const PATTERNS: [(&str, usize); 6] = [
    (TWO_STEPS, 2),
    ("([x-aws-api:api = 'A'] FOLLOWEDBY [x-aws-api:api = 'B']) WITHIN 5 SECONDS", 2),
    ("[x-aws-api:api = 'A'] REPEATS 3 TIMES WITHIN 9 SECONDS", 1),
    ("([x-aws-api:api = 'A'] REPEATS 2 TIMES FOLLOWEDBY [x-aws-api:api = 'B']) WITHIN 20 SECONDS", 2),
    ("([x-aws-api:api = 'A'] AND [x-aws-api:api = 'B'] AND [x-aws-api:api = 'C']) WITHIN 9 SECONDS", 3),
    ("([x-aws-api:api = 'A'] FOLLOWEDBY [x-aws-api:api = 'B']) REPEATS 2 TIMES WITHIN 30 SECONDS", 2),
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Two runs with overlapping windows. The second one also gets other events before, between and after.
    #[test]
    fn a_match_has_the_same_key_in_every_run_that_sees_it(
        which in 0..PATTERNS.len(),
        events in prop::collection::vec((0_i64..40, prop::collection::vec(0_usize..3, 0..3)), 1..30),
        (begin, end) in (0_i64..20, 21_i64..40),
    ) {
        let (pattern, leaves) = PATTERNS[which];
        let rule = rule(pattern, "");
        let events: Vec<Event> = events.into_iter().map(|(second, leaves)| (second * 1_000, leaves, "a")).collect();
        let keys = |window: Window| -> BTreeMap<String, (i64, i64)> {
            let found = found(&rule, &events, leaves, window);
            let count = found.len();
            let keys: BTreeMap<_, _> = found.into_iter().map(|f| (f.key + &f.id, (f.first, f.last))).collect();
            assert_eq!(keys.len(), count, "every match has a key of its own");
            keys
        };
        let first = keys(Window { start: 0, end: end * 1_000 });
        let second = keys(Window { start: begin * 1_000, end: 40_000 });
        let whole = keys(Window { start: 0, end: 40_000 });
        let in_both = |keys: &BTreeMap<String, (i64, i64)>| {
            let mut keys = keys.clone();
            keys.retain(|_, (first, last)| *first >= begin * 1_000 && *last < end * 1_000);
            keys
        };
        prop_assert_eq!(in_both(&first), in_both(&second));
        for (key, span) in first.iter().chain(&second) {
            prop_assert_eq!(whole.get(key), Some(span));
        }
    }
}
