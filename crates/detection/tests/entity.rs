//! Entity hunting compared with a simple model: blocks, hits and their order, on random events.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by a panic, its helpers too")]

use std::collections::{BTreeMap, BTreeSet};
use std::num::{NonZeroI64, NonZeroU32};
use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringArray, StructArray};
use detection::catalog::{Catalog, CatalogTable};
use detection::entity::{BlockSize, EntityHunt, EntityKey, EntityTable, NoteKind};
use detection::{Rule, Window};
use embedded::Embedded;
use proptest::prelude::*;
use sql::table::{Layout, Table};

/// An event of the model.
#[derive(Debug, Clone)]
struct Event {
    time: i64,
    arn: Option<String>,
    address: Option<String>,
    uid: String,
    operation: String,
    class: usize,
}

impl Event {
    fn entity(&self) -> Option<String> {
        let arn = self.arn.clone().filter(|arn| arn.starts_with("arn:"));
        arn.or_else(|| self.address.as_ref().map(|address| format!("source_ip:{address}")))
    }
}

const WINDOW: Window = Window { start: 1_000, end: 100_000 };
const CLASSES: [u32; 2] = [6003, 3001];

fn table(class: u32) -> Table {
    let columns = [
        ("time", "bigint"),
        ("metadata", "struct<uid:string>"),
        ("actor", "struct<user:struct<uid:string>>"),
        ("src_endpoint", "struct<ip:string,domain:string>"),
        ("api", "struct<operation:string>"),
    ];
    Table {
        database: "lake".to_owned(),
        name: format!("aws_cloudtrail_{class}"),
        columns: columns.map(|(name, of)| (name.to_owned(), of.parse().unwrap())).to_vec(),
        layout: Layout::Plain,
        dialect: "ocsf".to_owned(),
    }
}

fn batch(events: &[&Event]) -> RecordBatch {
    let texts = |of: &dyn Fn(&Event) -> Option<String>| -> ArrayRef {
        Arc::new(events.iter().map(|event| of(event)).collect::<StringArray>())
    };
    let structure = |members: Vec<(&str, ArrayRef)>| -> ArrayRef { Arc::new(StructArray::try_from(members).unwrap()) };
    let is_address = |address: &String| address.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let user = structure(vec![("uid", texts(&|event| event.arn.clone()))]);
    RecordBatch::try_from_iter_with_nullable([
        ("time", Arc::new(events.iter().map(|event| event.time).collect::<Int64Array>()) as ArrayRef, true),
        ("metadata", structure(vec![("uid", texts(&|event| Some(event.uid.clone())))]), true),
        ("actor", structure(vec![("user", user)]), true),
        (
            "src_endpoint",
            structure(vec![
                ("ip", texts(&|event| event.address.clone().filter(is_address))),
                ("domain", texts(&|event| event.address.clone().filter(|address| !is_address(address)))),
            ]),
            true,
        ),
        ("api", structure(vec![("operation", texts(&|event| Some(event.operation.clone())))]), true),
    ])
    .unwrap()
}

/// A lake with events of two classes, each in its own table.
fn lake(events: &[Event]) -> (Embedded, Catalog) {
    let mut engine = Embedded::in_memory();
    let mut catalog = Catalog::default();
    for (index, class) in CLASSES.into_iter().enumerate() {
        let of_class: Vec<&Event> = events.iter().filter(|event| event.class == index).collect();
        engine = engine.with_table(table(class), vec![batch(&of_class)]).unwrap();
        let entry = CatalogTable::new(table(class), vec![class], true);
        catalog.add("aws-cloudtrail", entry.clone());
        catalog.add(&format!("aws-cloudtrail-{class}"), entry);
    }
    (engine, catalog)
}

fn rule(number: u32, more: &str, sql: &str) -> Rule {
    let text = format!(
        "title: rule {number}\nid: 6f5b1c5e-2a43-4b0e-9d5f-0f3c0a1b{number:04}\nstatus: test\ndescription: d\nauthor: \
         a\ndate: 2024-05-01\nfalsepositives: [none]\nlevel: low\ntags: [attack.credential-access, attack.t1110]\n\
         schedule: rate(5 minutes)\nlookback: 1h\ningest_delay: 10m\n{more}sql: |\n  {sql}\n"
    );
    Rule::from_text(&text).unwrap_or_else(|faults| panic!("{faults:?}"))
}

/// Rules of every form that is evaluated by block, and one that is not.
fn rules() -> Vec<Rule> {
    vec![
        rule(0, "", "SELECT time, api.operation FROM {{aws-cloudtrail}} WHERE {{window}} AND api.operation = 'a'"),
        rule(1, "", "SELECT e.* FROM {{class:account_change}} e WHERE {{window:e}} AND e.api.operation <> 'b'"),
        rule(
            2,
            "group_by: [operation]\nthreshold: {count: 2}\ndedupe: {key: [operation], window: 1h}\n",
            "SELECT time, api.operation AS operation FROM {{aws-cloudtrail}} WHERE {{window}}",
        ),
        rule(
            3,
            "dedupe: {key: [operation], window: 1h}\n",
            "SELECT max(time) AS time, api.operation AS operation FROM {{aws-cloudtrail}} WHERE {{window}} GROUP BY 2 \
             HAVING count(*) = 1",
        ),
        rule(4, "", "SELECT time, api.operation FROM {{aws-cloudtrail}} WHERE {{window}} AND api.operation = 'none'"),
    ]
}

/// The blocks of events by their numbers in the source, and the hits of rules in them.
type Expected = BTreeMap<(String, u64), (u64, i64, i64, BTreeMap<u32, u64>)>;

fn expected(events: &[Event], size: BlockSize) -> Expected {
    let mut of_entity: BTreeMap<String, Vec<&Event>> = BTreeMap::new();
    for event in events.iter().filter(|event| (WINDOW.start..WINDOW.end).contains(&event.time)) {
        if let Some(entity) = event.entity() {
            of_entity.entry(entity).or_default().push(event);
        }
    }
    let mut blocks = Expected::new();
    for (entity, mut events) in of_entity {
        events.sort_by_key(|event| (event.time, event.uid.clone()));
        let mut cut: Vec<Vec<&Event>> = Vec::new();
        for event in events {
            let fits = cut.last().is_some_and(|block| match size {
                BlockSize::Rows(rows) => block.len() < rows.get() as usize,
                BlockSize::Time(length) => block[0].time / length.get() == event.time / length.get(),
            });
            match cut.last_mut().filter(|_| fits) {
                Some(block) => block.push(event),
                None => cut.push(vec![event]),
            }
        }
        for (number, block) in cut.into_iter().enumerate() {
            let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
            for event in &block {
                *counts.entry(&event.operation).or_default() += 1;
            }
            let hits = BTreeMap::from([
                (0, block.iter().filter(|event| event.operation == "a").count() as u64),
                (1, block.iter().filter(|event| event.class == 1 && event.operation != "b").count() as u64),
                (2, counts.values().filter(|count| **count >= 2).count() as u64),
                (3, counts.values().filter(|count| **count == 1).count() as u64),
            ]);
            let hits = hits.into_iter().filter(|(_, hits)| *hits > 0).collect();
            let (first, last) = (block[0].time, block[block.len() - 1].time);
            blocks.insert((entity.clone(), number as u64), (block.len() as u64, first, last, hits));
        }
    }
    blocks
}

fn found(table: &EntityTable) -> Expected {
    let number = |title: &str| title.strip_prefix("rule ").unwrap().parse::<u32>().unwrap();
    let blocks = table.blocks.iter().map(|block| {
        let hits = block.rules.iter().map(|hit| (number(&hit.title), hit.hits)).collect();
        ((block.entity.clone(), block.block), (block.events, block.start_time, block.end_time, hits))
    });
    blocks.collect()
}

fn hunt(events: &[Event], size: BlockSize, key: Option<EntityKey>, rules: &[Rule]) -> EntityTable {
    let (engine, catalog) = lake(events);
    hunt_in(&catalog, &engine, size, key, rules)
}

fn hunt_in(
    catalog: &Catalog,
    engine: &Embedded,
    size: BlockSize,
    key: Option<EntityKey>,
    rules: &[Rule],
) -> EntityTable {
    let hunt = EntityHunt { catalog, window: WINDOW, size, key, max_rows: 1000 };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let rules: Vec<&Rule> = rules.iter().collect();
    let table = runtime.block_on(hunt.run(&rules, engine)).unwrap();
    // Printed if a test fails.
    println!("{:?}", table.notes);
    table
}

fn rows(rows: u32) -> BlockSize {
    BlockSize::Rows(NonZeroU32::new(rows).unwrap())
}

fn event(time: i64, arn: &str, uid: u32, operation: &str) -> Event {
    let arn = Some(format!("arn:aws:iam::1:user/{arn}"));
    let (uid, operation) = (format!("{uid:04}"), operation.to_owned());
    Event { time, arn, address: Some("192.0.2.1".to_owned()), uid, operation, class: 0 }
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let arn = prop::sample::select(vec![None, Some("arn:a"), Some("arn:b"), Some("AIDA1"), Some("")]);
    let address = prop::sample::select(vec![None, Some("192.0.2.1"), Some("192.0.2.2"), Some("ec2.amazonaws.com")]);
    let operation = prop::sample::select(vec!["a", "b", "c"]);
    // Few distinct times, so that blocks begin and end within one.
    let one = (0_i64..12, arn, address, operation, 0_usize..2);
    prop::collection::vec(one, 0..60).prop_map(|events| {
        let numbered = events.into_iter().enumerate();
        let events = numbered.map(|(index, (time, arn, address, operation, class))| Event {
            time: time * 1_000,
            arn: arn.map(str::to_owned),
            address: address.map(str::to_owned),
            // In another order than the rows.
            uid: format!("{:04}", index * 7919 % 1009),
            operation: operation.to_owned(),
            class,
        });
        events.collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, ..ProptestConfig::default() })]

    #[test]
    fn blocks_and_hits_are_those_of_a_plain_computation(
        events in events(),
        size in prop_oneof![(1_u32..9).prop_map(rows), (1_i64..5_000).prop_map(|length| {
            BlockSize::Time(NonZeroI64::new(length).unwrap())
        })],
    ) {
        let table = hunt(&events, size, None, &rules());
        prop_assert_eq!(found(&table), expected(&events, size), "{:?}", table.notes);
        let seen = events.iter().filter(|event| (WINDOW.start..WINDOW.end).contains(&event.time));
        let without = seen.filter(|event| event.entity().is_none()).count() as u64;
        prop_assert_eq!(table.without_entity.values().sum::<u64>(), without);
    }
}

#[test]
fn two_blocks_of_one_second_stay_two() {
    let events: Vec<Event> = (0..5).map(|uid| event(5_000, "a", uid, if uid == 4 { "a" } else { "b" })).collect();
    let table = hunt(&events, rows(2), None, &rules()[..1]);
    let blocks: Vec<_> = table.blocks.iter().map(|block| (block.block, block.events, block.start_time)).collect();
    assert_eq!(blocks, [(0, 2, 5_000), (1, 2, 5_000), (2, 1, 5_000)]);
    assert_eq!(table.blocks.iter().map(|block| block.rules.len()).collect::<Vec<_>>(), [0, 0, 1]);
}

#[test]
fn the_order_of_an_entity_is_that_of_first_hits() {
    let operation = |number, name: &str| {
        let sql = format!(
            "SELECT time, api.operation FROM {{{{aws-cloudtrail}}}} WHERE {{{{window}}}} AND api.operation = '{name}'"
        );
        rule(number, "", &sql)
    };
    let rules = [operation(0, "late"), operation(1, "early")];
    let events = [
        event(2_000, "a", 0, "early"),
        event(3_000, "a", 1, "late"),
        event(4_000, "a", 2, "early"),
        event(9_000, "b", 3, "late"),
    ];
    let table = hunt(&events, rows(2), None, &rules);
    let told: Vec<_> = table
        .hit_blocks()
        .into_iter()
        .flat_map(|block| {
            block.rules.iter().map(|hit| (block.entity.as_str(), block.block, hit.title.as_str(), hit.order))
        })
        .collect();
    let (a, b) = ("arn:aws:iam::1:user/a", "arn:aws:iam::1:user/b");
    assert_eq!(told, [(a, 0, "rule 1", 1), (a, 0, "rule 0", 2), (a, 1, "rule 1", 1), (b, 0, "rule 0", 1)]);
    let hit = &table.hit_blocks()[0].rules[0];
    assert_eq!((hit.tactics[0].id, hit.tactics[0].name), ("TA0006", "Credential Access"));
    assert_eq!(hit.techniques, ["T1110"]);
}

#[test]
fn another_key_makes_other_entities() {
    let events = [event(2_000, "a", 0, "a"), event(3_000, "b", 1, "a")];
    for key in ["src_endpoint.ip", "concat('x', src_endpoint.ip)"] {
        let table = hunt(&events, rows(60), Some(EntityKey::of_text(key)), &rules()[..1]);
        let entities: BTreeSet<&str> = table.blocks.iter().map(|block| block.entity.as_str()).collect();
        assert_eq!(entities.len(), 1, "{entities:?} {:?}", table.notes);
        assert_eq!(table.blocks[0].rules[0].hits, 2, "{:?}", table.notes);
    }
}

#[test]
fn a_rule_that_fails_or_reads_nothing_is_noted_and_stops_no_other() {
    let rules = [
        rule(0, "", "SELECT time, api.operation FROM {{aws-cloudtrail}} WHERE {{window}} AND api.operation = 'a'"),
        rule(1, "", "SELECT time, nothing FROM {{aws-cloudtrail}} WHERE {{window}}"),
        rule(2, "", "SELECT time FROM {{windows-sysmon}} WHERE {{window}}"),
    ];
    let table = hunt(&[event(2_000, "a", 0, "a")], rows(60), None, &rules);
    assert_eq!(table.blocks[0].rules.iter().map(|hit| hit.title.as_str()).collect::<Vec<_>>(), ["rule 0"]);
    let notes: Vec<_> = table.notes.iter().map(|note| (note.title.as_str(), note.kind)).collect();
    assert_eq!(notes, [("rule 1", NoteKind::Failed), ("rule 2", NoteKind::NoEvents)], "{:?}", table.notes);
}

#[test]
fn a_query_of_queries_goes_to_the_block_of_its_entity_and_time() {
    let sql = "WITH c AS (SELECT time, actor.user.uid AS user_uid FROM {{aws-cloudtrail}} WHERE {{window}} AND \
               api.operation = 'a') SELECT time, user_uid FROM c";
    let events = [event(2_000, "a", 0, "b"), event(3_000, "a", 1, "b"), event(4_000, "a", 2, "a")];
    let table = hunt(&events, rows(2), None, &[rule(0, "", &sql.replace("actor.user", "actor.\"user\""))]);
    assert!(table.notes.iter().all(|note| note.kind == NoteKind::WholeTime), "{:?}", table.notes);
    assert_eq!(table.blocks.iter().map(|block| block.rules.len()).collect::<Vec<_>>(), [0, 1]);
    assert!(!table.blocks[1].rules[0].by_block);
}

#[test]
fn a_rule_over_two_sources_runs_once_and_each_row_counts_once() {
    let events = [
        Event { class: 0, ..event(2_000, "a", 0, "b") },
        Event { class: 1, ..event(3_000, "a", 1, "b") },
        Event { class: 1, ..event(4_000, "b", 2, "b") },
    ];
    let (engine, together) = lake(&events);
    let mut apart = Catalog::default();
    for (name, class) in ["one", "two"].into_iter().zip(CLASSES) {
        apart.add(name, together.tables(&format!("aws-cloudtrail-{class}"))[0].clone());
    }
    let part =
        |name: &str| format!("SELECT time, actor.\"user\".uid AS user_uid FROM {{{{{name}}}}} WHERE {{{{window}}}}");
    let both = rule(0, "", &format!("{} UNION ALL {}", part("one"), part("two")));
    let table = hunt_in(&apart, &engine, rows(60), None, &[both]);
    let [note] = &table.notes[..] else { panic!("{:?}", table.notes) };
    assert!(note.kind == NoteKind::WholeTime && !note.message.contains("belong to no block"), "{note:?}");
    assert_eq!(table.blocks.iter().flat_map(|block| &block.rules).map(|hit| hit.hits).sum::<u64>(), 3);
}
