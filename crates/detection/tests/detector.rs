//! The state machine under faults: whatever fails, and whoever calls twice, no finding is lost and none is repeated.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by a panic, its helpers too")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use detection::catalog::{Absence, Catalog, CatalogTable};
use detection::detector::{Collected, Collection, Detector, Due, Progress, Queries, Settings};
use detection::message::{Message, MessageKind, PublishError, Publisher};
use detection::{Archived, Rule, Window};
use proptest::prelude::*;
use query::{Answer, BoxFuture, Column, QueryError, Statement, Statistics};
use serde_json::json;
use sql::table::{Layout, Table};
use sql::types::ColumnType;
use store::{Fault, FaultyStore, MemoryStore, Operation, Store};

const MINUTE: i64 = 60_000;

fn rule(more: &str) -> Rule {
    let text = format!(
        "title: Something\nid: 6f5b1c5e-2a43-4b0e-9d5f-0f3c0a1b2c3d\nstatus: test\nlevel: high\n\
         schedule: rate(5 minutes)\nlookback: 20m\ningest_delay: 10m\nmax_scanned_bytes: 1000\n{more}\
         sql: SELECT time, name FROM {{{{t}}}} WHERE {{{{window}}}}\n"
    );
    Rule::from_text(&text).unwrap_or_else(|faults| panic!("{faults:?}"))
}

/// The rule under another id.
fn numbered(number: u8) -> Rule {
    let text = rule("").text.replace("0f3c0a1b2c3d", &format!("0f3c0a1b2c{number:02}"));
    Rule::from_text(&text).unwrap()
}

fn catalog() -> Catalog {
    let columns = vec![("time".to_owned(), ColumnType::Bigint), ("name".to_owned(), ColumnType::Varchar)];
    let table = Table {
        database: "lake".to_owned(),
        name: "t".to_owned(),
        columns,
        layout: Layout::Plain,
        dialect: "ocsf".to_owned(),
    };
    let mut catalog = Catalog::default();
    catalog.add("t", CatalogTable::new(table, vec![], true));
    catalog
}

/// An event: its time, its arrival in the lake, and its name.
type Event = (i64, i64, String);

/// What happens to a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Fine,
    /// It fails without an effect.
    Fails,
    /// It has its effect, but the caller gets an error.
    AnswerLost,
}

/// Athena and SNS over a list of events, with a clock that the test sets. An answer contains the events that were in the lake
/// when the query started.
#[derive(Debug, Default)]
struct World {
    now: i64,
    events: Vec<Event>,
    /// By token: the query's id, its answer, and when it ends.
    queries: BTreeMap<String, (String, Result<Answer, QueryError>, i64)>,
    /// The fates of the next calls of the engine and of publishing.
    engine_fates: Vec<Fate>,
    publish_fates: Vec<Fate>,
    /// The errors in which the next queries end.
    failures: Vec<QueryError>,
    published: Vec<Message>,
    windows: Vec<Window>,
    takes: i64,
}

#[derive(Debug, Clone, Default)]
struct Shared(Arc<Mutex<World>>);

impl Shared {
    fn with<T>(&self, f: impl FnOnce(&mut World) -> T) -> T {
        f(&mut self.0.lock().unwrap())
    }
}

fn window_of(statement: &Statement) -> Window {
    let text = statement.sql.as_str();
    let number = |before: &str| {
        let rest = text.split_once(before).unwrap().1;
        rest.split(|c: char| !c.is_ascii_digit() && c != '-').next().unwrap().parse().unwrap()
    };
    Window { start: number("\"time\" >= "), end: number("\"time\" < ") }
}

impl Queries for Shared {
    fn start<'a>(&'a self, statement: &'a Statement) -> BoxFuture<'a, Result<String, QueryError>> {
        // Other calls may run in between.
        Box::pin(async move {
            tokio::task::yield_now().await;
            self.with(|world| {
                let fate = world.engine_fates.pop().unwrap_or(Fate::Fine);
                if fate == Fate::Fails {
                    return Err(QueryError::Unavailable("throttled".to_owned()));
                }
                let token = statement.token.clone().unwrap();
                let window = window_of(statement);
                if !world.queries.contains_key(&token) {
                    let id = format!("q-{}", world.queries.len());
                    let rows = world.events.iter().filter(|(time, arrival, _)| {
                        window.start <= *time && *time < window.end && *arrival <= world.now
                    });
                    // Rules that share a statement have the same SQL here, so that each row is a row of all of them.
                    let flags = statement.sql.as_str().matches(" AS \"rule_").count();
                    let column = |name: &str, column_type| Column { name: name.to_owned(), column_type };
                    let mut columns = vec![column("time", ColumnType::Bigint), column("name", ColumnType::Varchar)];
                    columns.extend((0..flags).map(|number| column(&format!("rule_{number}"), ColumnType::Boolean)));
                    let row = |(time, _, name): &Event| {
                        let mut row = vec![json!(time), json!(name)];
                        row.extend(std::iter::repeat_n(json!(true), flags));
                        row
                    };
                    let answer = Answer {
                        query_id: id.clone(),
                        columns,
                        rows: rows.map(row).collect(),
                        statistics: Statistics { scanned_bytes: 10, ..Statistics::default() },
                        ..Answer::default()
                    };
                    let outcome = world.failures.pop().map_or(Ok(answer), Err);
                    let done = world.now + world.takes;
                    world.queries.insert(token.clone(), (id, outcome, done));
                    world.windows.push(window);
                }
                match fate {
                    Fate::AnswerLost => Err(QueryError::Unavailable("timed out".to_owned())),
                    _ => Ok(world.queries[&token].0.clone()),
                }
            })
        })
    }

    fn progress<'a>(&'a self, query_id: &'a str) -> BoxFuture<'a, Result<Progress, QueryError>> {
        Box::pin(async move {
            tokio::task::yield_now().await;
            self.with(|world| {
                if world.engine_fates.pop().unwrap_or(Fate::Fine) != Fate::Fine {
                    return Err(QueryError::Unavailable("throttled".to_owned()));
                }
                let (_, outcome, done) = world.queries.values().find(|(id, ..)| id == query_id).unwrap();
                Ok(match outcome {
                    _ if world.now < *done => Progress::Running { scanned_bytes: 5 },
                    Ok(answer) => Progress::Done(answer.clone()),
                    Err(error) => Progress::Failed(error.clone()),
                })
            })
        })
    }

    fn cancel<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<(), QueryError>> {
        Box::pin(async { Ok(()) })
    }
}

impl Publisher for Shared {
    fn publish<'a>(&'a self, message: &'a Message) -> BoxFuture<'a, Result<(), PublishError>> {
        Box::pin(async move {
            tokio::task::yield_now().await;
            self.with(|world| {
                let fate = world.publish_fates.pop().unwrap_or(Fate::Fine);
                if fate != Fate::Fails {
                    world.published.push(message.clone());
                }
                match fate {
                    Fate::Fine => Ok(()),
                    _ => Err(PublishError { message: "throttled".to_owned(), transient: true }),
                }
            })
        })
    }
}

/// A detector with its rule, world and state.
struct Laboratory {
    detector: Detector,
    world: Shared,
}

impl Laboratory {
    fn new(rule: Rule, store: impl Store + 'static, claim: i64) -> Self {
        Self::publishing(rule, store, claim, |world| world)
    }

    /// `publisher` may wrap the topic.
    fn publishing(
        rule: Rule,
        store: impl Store + 'static,
        claim: i64,
        publisher: impl FnOnce(Arc<dyn Publisher>) -> Arc<dyn Publisher>,
    ) -> Self {
        Self::of_rules(vec![rule], store, claim, publisher)
    }

    fn of_rules(
        rules: Vec<Rule>,
        store: impl Store + 'static,
        claim: i64,
        publisher: impl FnOnce(Arc<dyn Publisher>) -> Arc<dyn Publisher>,
    ) -> Self {
        let world = Shared::default();
        let settings = Settings { claim, ..Settings::default() };
        let (queries, publisher) = (Arc::new(world.clone()), publisher(Arc::new(world.clone())));
        let detector = Detector::new(rules, catalog(), queries, Arc::new(store), publisher, settings);
        Self { detector, world }
    }

    fn event(&self, time: i64, arrival: i64, name: &str) {
        self.world.with(|world| world.events.push((time, arrival, name.to_owned())));
    }

    async fn tick(&self, now: i64) -> Due {
        self.world.with(|world| world.now = now);
        self.detector.start_due(None, now, &|| true).await
    }

    async fn collect(&self, query_id: &str, now: i64) -> Result<Collected, detection::detector::DetectError> {
        self.world.with(|world| world.now = now);
        let Collection { mut collected, mut faults } = self.detector.collect(query_id, now).await?;
        match faults.pop() {
            Some((_, error)) => Err(error),
            None => Ok(collected.remove(0)),
        }
    }

    /// The names in the published findings, in order.
    fn found(&self) -> Vec<String> {
        self.found_by_rule().into_iter().map(|(_, name)| name).collect()
    }

    /// The findings published, in order: the rule's id, and the name of the event.
    fn found_by_rule(&self) -> Vec<(String, String)> {
        let found = |message: &Message| {
            let event: serde_json::Value = serde_json::from_str(&message.body).unwrap();
            let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
            (text(&event["finding_info"]["analytic"]["uid"]), text(&event["evidences"][0]["data"]["name"]))
        };
        self.world.with(|world| {
            world.published.iter().filter(|message| message.kind == MessageKind::Finding).map(found).collect()
        })
    }

    fn alerts(&self) -> Vec<String> {
        self.world.with(|world| {
            let alerts = world.published.iter().filter(|message| message.kind == MessageKind::Alert);
            alerts.map(|message| message.subject.clone()).collect()
        })
    }
}

#[tokio::test]
async fn a_finding_is_published_once_although_everything_is_delivered_twice() {
    let laboratory = Laboratory::new(rule(""), MemoryStore::default(), MINUTE);
    laboratory.event(98 * MINUTE, 99 * MINUTE, "a");
    let first = laboratory.tick(100 * MINUTE).await;
    assert_eq!(first.started.len(), 1, "{first:?}");
    // Another run of the schedule, before the query is collected.
    let query_id = first.started[0].query_id.clone();
    let collected = laboratory.collect(&query_id, 100 * MINUTE + 1).await.unwrap();
    assert!(matches!(collected, Collected::Published { published: 1, .. }), "{collected:?}");
    assert_eq!(laboratory.collect(&query_id, 100 * MINUTE + 2).await.unwrap(), Collected::Unknown);
    let again = laboratory.tick(100 * MINUTE + 3).await;
    assert!(again.started.is_empty() && again.collected.is_empty(), "{again:?}");
    // The next window overlaps.
    let second = laboratory.tick(105 * MINUTE).await;
    assert_eq!(second.started[0].window, Window { start: 85 * MINUTE, end: 105 * MINUTE });
    let collected = laboratory.collect(&second.started[0].query_id, 105 * MINUTE + 1).await.unwrap();
    assert!(matches!(collected, Collected::Published { published: 0, repeated: 1, .. }), "{collected:?}");
    assert_eq!(laboratory.found(), ["a"]);
}

#[tokio::test]
async fn a_finding_is_kept_once_for_the_lake_before_it_is_published() {
    for fault in [
        None,
        Some(Fault::transient(Operation::PutIf).times(1)),
        Some(Fault::transient(Operation::PutIf).times(1).afterwards()),
        Some(Fault::permanent(Operation::PutIf).times(1)),
    ] {
        let kept = MemoryStore::default();
        let files = fault.iter().cloned().fold(FaultyStore::new(kept.clone()), FaultyStore::with);
        let archived = |topic| -> Arc<dyn Publisher> { Arc::new(Archived::new(Arc::new(files), topic)) };
        let laboratory = Laboratory::publishing(rule(""), MemoryStore::default(), MINUTE, archived);
        laboratory.event(98 * MINUTE, 99 * MINUTE, "a");
        // The topic's answer is lost, so the finding is published twice. It is stored only once.
        laboratory.world.with(|world| world.publish_fates = vec![Fate::AnswerLost]);
        let query_id = laboratory.tick(100 * MINUTE).await.started[0].query_id.clone();
        let first = laboratory.collect(&query_id, 100 * MINUTE + 1).await;
        assert!(first.is_err(), "{first:?}");
        assert_eq!(laboratory.found().len(), usize::from(fault.is_none()), "what is not kept is not published");
        while laboratory.collect(&query_id, 100 * MINUTE + 2).await.is_err() {}
        let (first, published) = laboratory.world.with(|world| {
            let published = &world.published;
            (published.first().unwrap().clone(), published.last().unwrap().clone())
        });
        let objects = kept.objects();
        let [(key, content)] = objects.iter().collect::<Vec<_>>()[..] else { panic!("{objects:?}") };
        assert_eq!(*key, format!("{}.json", published.id));
        // An earlier attempt may have stored it, with another creation time.
        let facts = |event: &[u8]| {
            let event: serde_json::Value = serde_json::from_slice(event).unwrap();
            (event["finding_info"]["uid"].clone(), event["evidences"].clone(), event["unmapped"].clone())
        };
        assert_eq!(facts(content), facts(published.body.as_bytes()));
        if fault.is_none() {
            assert_ne!(first.body, published.body);
            assert_eq!(first.body.as_bytes(), &content[..], "what is kept is not replaced");
        }
        assert_eq!(laboratory.found(), ["a", "a"]);

        // An alert is not stored.
        laboratory.world.with(|world| world.failures = vec![QueryError::Failed("division by zero".to_owned())]);
        let query_id = laboratory.tick(105 * MINUTE).await.started[0].query_id.clone();
        laboratory.collect(&query_id, 105 * MINUTE + 1).await.unwrap();
        assert_eq!((laboratory.alerts().len(), kept.objects().len()), (1, 1));
    }
}

#[tokio::test]
async fn two_at_the_same_time_publish_once() {
    let laboratory = Laboratory::new(rule(""), MemoryStore::default(), MINUTE);
    laboratory.event(98 * MINUTE, 99 * MINUTE, "a");
    let (one, other) = tokio::join!(laboratory.tick(100 * MINUTE), laboratory.tick(100 * MINUTE));
    let started: Vec<_> = one.started.iter().chain(&other.started).map(|started| &started.query_id).collect();
    assert!(!started.is_empty());
    assert_eq!(laboratory.world.with(|world| world.queries.len()), 1);
    let (one, other) = tokio::join!(
        laboratory.collect(started[0], 100 * MINUTE + 1),
        laboratory.collect(started[0], 100 * MINUTE + 1)
    );
    drop((one, other));
    assert_eq!(laboratory.found(), ["a"]);
}

#[tokio::test]
async fn a_state_change_that_never_comes_is_made_up_for_by_the_schedule() {
    let laboratory = Laboratory::new(rule(""), MemoryStore::default(), MINUTE);
    laboratory.event(98 * MINUTE, 99 * MINUTE, "a");
    laboratory.world.with(|world| world.takes = MINUTE);
    laboratory.tick(100 * MINUTE).await;
    assert_eq!(laboratory.tick(100 * MINUTE + 1).await.collected, [Collected::Running]);
    let due = laboratory.tick(105 * MINUTE).await;
    assert!(matches!(due.collected[..], [Collected::Published { published: 1, .. }]), "{due:?}");
    assert_eq!(due.started.len(), 1, "and goes on at once");
    assert_eq!(laboratory.found(), ["a"]);
}

#[tokio::test]
async fn a_late_record_within_the_ingest_delay_is_found() {
    let laboratory = Laboratory::new(rule(""), MemoryStore::default(), MINUTE);
    laboratory.event(99 * MINUTE, 108 * MINUTE, "late");
    for now in [100, 105, 110] {
        for started in laboratory.tick(now * MINUTE).await.started {
            laboratory.collect(&started.query_id, now * MINUTE).await.unwrap();
        }
    }
    assert_eq!(laboratory.found(), ["late"]);
}

#[tokio::test]
async fn a_stopped_schedule_catches_up_without_a_gap() {
    let laboratory = Laboratory::new(rule(""), MemoryStore::default(), MINUTE);
    for started in laboratory.tick(100 * MINUTE).await.started {
        laboratory.collect(&started.query_id, 100 * MINUTE).await.unwrap();
    }
    // Three days later.
    let now = 100 * MINUTE + 3 * 24 * 60 * MINUTE;
    for hour in 0..72 {
        let time = 101 * MINUTE + hour * 60 * MINUTE;
        laboratory.event(time, time, &hour.to_string());
    }
    let mut started = laboratory.tick(now).await.started;
    while let Some(run) = started.pop() {
        let collected = laboratory.collect(&run.query_id, now).await.unwrap();
        let Collected::Published { rule, .. } = collected else { panic!("{collected:?}") };
        started = laboratory.detector.start_due(Some(&[rule]), now, &|| true).await.started;
    }
    let found: BTreeSet<i64> = laboratory.found().iter().map(|name| name.parse().unwrap()).collect();
    assert_eq!(found, (0..72).collect());
    assert_eq!(laboratory.found().len(), 72);
    assert_eq!(laboratory.world.with(|world| world.windows.len()), 4, "a day at a time");
}

#[tokio::test]
async fn a_failed_query_raises_an_alert_and_its_window_is_tried_again() {
    for (error, what) in [
        (QueryError::Failed("division by zero".to_owned()), "failed"),
        (QueryError::Cancelled("a person".to_owned()), "cancelled"),
        (QueryError::OverBudget { scanned: 2000, limit: 1000 }, "over budget"),
    ] {
        let laboratory = Laboratory::new(rule(""), MemoryStore::default(), MINUTE);
        laboratory.event(98 * MINUTE, 99 * MINUTE, "a");
        laboratory.world.with(|world| world.failures = vec![error.clone()]);
        let query_id = laboratory.tick(100 * MINUTE).await.started[0].query_id.clone();
        let collected = laboratory.collect(&query_id, 100 * MINUTE + 1).await.unwrap();
        assert!(matches!(&collected, Collected::Failed { error: failed, .. } if *failed == error), "{collected:?}");
        assert_eq!(laboratory.alerts(), [format!("[high] Detection {what}: Something")]);
        assert!(laboratory.tick(100 * MINUTE + 2).await.started.is_empty(), "not at once");
        let retried = laboratory.tick(105 * MINUTE).await.started;
        assert_ne!(retried[0].query_id, query_id, "another token, another query");
        assert!(retried[0].window.start <= 85 * MINUTE, "{retried:?}");
        laboratory.collect(&retried[0].query_id, 105 * MINUTE + 1).await.unwrap();
        assert_eq!(laboratory.found(), ["a"]);
    }
}

#[tokio::test]
async fn a_query_that_reads_too_much_is_stopped() {
    let laboratory = Laboratory::new(rule("").clone(), MemoryStore::default(), MINUTE);
    laboratory.world.with(|world| world.takes = 100 * MINUTE);
    let mut cheap = rule("");
    cheap.max_scanned_bytes = Some(4);
    let laboratory =
        Laboratory { world: laboratory.world.clone(), ..Laboratory::new(cheap, MemoryStore::default(), 1) };
    let world = laboratory.world.clone();
    let detector = Detector::new(
        laboratory.detector.rules().to_vec(),
        catalog(),
        Arc::new(world.clone()),
        Arc::new(MemoryStore::default()),
        Arc::new(world.clone()),
        Settings::default(),
    );
    world.with(|world| world.now = 100 * MINUTE);
    detector.start_due(None, 100 * MINUTE, &|| true).await;
    let due = detector.start_due(None, 101 * MINUTE, &|| true).await;
    let over = QueryError::OverBudget { scanned: 5, limit: 4 };
    assert!(matches!(&due.collected[..], [Collected::Failed { error, .. }] if *error == over), "{due:?}");
    assert_eq!(laboratory.alerts().len(), 1);
}

#[tokio::test]
async fn more_rows_than_are_looked_at_in_the_shortest_window_raise_an_alert() {
    let laboratory = Laboratory::new(rule(""), MemoryStore::default(), MINUTE);
    for n in 0..1001 {
        laboratory.event(90 * MINUTE + n, 99 * MINUTE, &n.to_string());
    }
    let query_id = laboratory.tick(100 * MINUTE).await.started[0].query_id.clone();
    let collected = laboratory.collect(&query_id, 100 * MINUTE).await.unwrap();
    assert!(matches!(collected, Collected::Published { published: 1000, truncated: true, .. }), "{collected:?}");
    assert_eq!(laboratory.alerts().len(), 1);
}

#[tokio::test]
async fn more_rows_than_are_published_at_a_time_are_found_in_shorter_windows() {
    let laboratory = Laboratory::new(rule(""), MemoryStore::default(), MINUTE);
    laboratory.tick(100 * MINUTE).await;
    laboratory.tick(100 * MINUTE + 1).await;
    // The schedule stops for 18 hours with 3000 events, most of them in the last one.
    let end = 100 + 18 * 60;
    for n in 0..300 {
        laboratory.event((105 + n * 3) * MINUTE, (105 + n * 3) * MINUTE, &format!("slow {n}"));
    }
    for n in 0..2700 {
        laboratory.event((end - 70) * MINUTE + n * 1500, end * MINUTE, &format!("fast {n}"));
    }

    let mut due = laboratory.tick(end * MINUTE).await;
    let mut narrowed = 0;
    while let Some(started) = due.started.pop() {
        let collected = laboratory.collect(&started.query_id, end * MINUTE).await.unwrap();
        narrowed += i32::from(matches!(collected, Collected::Narrowed { .. }));
        due = laboratory.tick(end * MINUTE).await;
    }

    let found = laboratory.found();
    assert_eq!(found.len(), 3000);
    assert_eq!(found.into_iter().collect::<BTreeSet<_>>().len(), 3000);
    assert_eq!(laboratory.alerts(), Vec::<String>::new());
    assert!((1..20).contains(&narrowed), "{narrowed}");
    assert_eq!(laboratory.world.with(|world| world.windows.last().unwrap().end), end * MINUTE);
}

#[tokio::test]
async fn what_is_deduplicated_by_key_is_published_again_after_its_window() {
    let deduplicated = rule("dedupe: {key: [name], window: 30m}\n");
    let laboratory = Laboratory::new(deduplicated, MemoryStore::default(), MINUTE);
    for time in [98, 103, 115, 127, 140] {
        laboratory.event(time * MINUTE, time * MINUTE, "a");
    }
    for now in (100..160).step_by(5) {
        for started in laboratory.tick(now * MINUTE).await.started {
            laboratory.collect(&started.query_id, now * MINUTE).await.unwrap();
        }
    }
    // Findings at 98 and 140. The events between are within 30 minutes of the first.
    assert_eq!(laboratory.found(), ["a", "a"]);
}

#[tokio::test]
async fn a_table_that_was_there_and_is_hidden_is_an_alert_and_the_watermark_waits() {
    let (world, store) = (Shared::default(), MemoryStore::default());
    let detector = |exists: bool, absence: Absence| {
        let mut hidden = Catalog::default();
        let table = catalog().tables("t")[0].table.clone();
        hidden.add("t", CatalogTable { absence, ..CatalogTable::new(table, vec![], exists) });
        let (queries, topic) = (Arc::new(world.clone()), Arc::new(world.clone()));
        Detector::new(vec![rule("")], hidden, queries, Arc::new(store.clone()), topic, Settings::default())
    };
    let of = |exists, absence| Laboratory { detector: detector(exists, absence), world: world.clone() };
    let laboratory = |exists| of(exists, Absence::Unexplained);
    // Before the first event there is no table, which is normal.
    let started = laboratory(false).tick(95 * MINUTE).await.started;
    laboratory(false).collect(&started[0].query_id, 95 * MINUTE).await.unwrap();
    assert!(laboratory(true).alerts().is_empty());

    let started = laboratory(true).tick(100 * MINUTE).await.started;
    laboratory(true).collect(&started[0].query_id, 100 * MINUTE).await.unwrap();
    laboratory(true).event(101 * MINUTE, 102 * MINUTE, "meanwhile");
    let due = laboratory(false).tick(105 * MINUTE).await;
    assert!(due.started.is_empty(), "{due:?}");
    assert!(matches!(due.collected[..], [Collected::Failed { .. }]), "{due:?}");
    assert_eq!(laboratory(true).alerts(), ["[high] Detection failed: Something"]);

    let started = laboratory(true).tick(140 * MINUTE).await.started;
    assert!(started[0].window.start <= 100 * MINUTE, "{started:?}");
    laboratory(true).collect(&started[0].query_id, 140 * MINUTE).await.unwrap();
    assert_eq!(laboratory(true).found(), ["meanwhile"]);

    // The catalog file allows the table to be missing.
    let started = of(false, Absence::Allowed).tick(145 * MINUTE).await.started;
    of(false, Absence::Allowed).collect(&started[0].query_id, 145 * MINUTE).await.unwrap();
    assert!(laboratory(false).tick(150 * MINUTE).await.collected.is_empty());
    assert_eq!(laboratory(true).alerts().len(), 1);
}

#[tokio::test]
async fn an_event_later_than_the_ingest_delay_is_counted_where_it_is_found() {
    let laboratory = Laboratory::new(rule(""), MemoryStore::default(), MINUTE);
    laboratory.event(96 * MINUTE, 112 * MINUTE, "late");
    let mut late = Vec::new();
    for now in [100, 105, 110, 115] {
        for started in laboratory.tick(now * MINUTE).await.started {
            match laboratory.collect(&started.query_id, now * MINUTE).await.unwrap() {
                Collected::Published { late: some, .. } => late.push((some.findings, some.most)),
                other => panic!("{other:?}"),
            }
        }
    }
    assert_eq!(late, [(0, 0), (0, 0), (0, 0), (1, 19 * MINUTE)]);
    assert_eq!(laboratory.found(), ["late"]);
}

#[tokio::test]
async fn a_key_without_a_value_is_said_in_the_finding() {
    for (key, said) in [("name", None), ("nobody", Some("nobody"))] {
        let keyed = rule(&format!("dedupe: {{key: [{key}], window: 30m}}\n"));
        let laboratory = Laboratory::new(keyed, MemoryStore::default(), MINUTE);
        laboratory.event(98 * MINUTE, 99 * MINUTE, "a");
        let query_id = laboratory.tick(100 * MINUTE).await.started[0].query_id.clone();
        laboratory.collect(&query_id, 100 * MINUTE).await.unwrap();
        let body = laboratory.world.with(|world| world.published[0].body.clone());
        let event: serde_json::Value = serde_json::from_str(&body).unwrap();
        assert_eq!(event["unmapped"]["key.null_columns"].as_str(), said);
    }
}

#[tokio::test]
async fn rules_of_a_table_share_a_query_and_a_failure_separates_them() {
    let rules: Vec<Rule> = (0..3).map(numbered).collect();
    let ids: Vec<_> = rules.iter().map(|rule| rule.id).collect();
    let laboratory = Laboratory::of_rules(rules, MemoryStore::default(), MINUTE, |world| world);
    laboratory.event(98 * MINUTE, 99 * MINUTE, "a");
    let due = laboratory.tick(100 * MINUTE).await;
    let [started] = &due.started[..] else { panic!("{due:?}") };
    assert_eq!(started.rules.iter().collect::<BTreeSet<_>>(), ids.iter().collect());
    let collection = laboratory.detector.collect(&started.query_id, 100 * MINUTE).await.unwrap();
    assert_eq!(collection.collected.iter().filter_map(Collected::may_continue).count(), 3);
    assert_eq!(laboratory.found(), ["a", "a", "a"]);
    let scanned = |collected: &Collected| match collected {
        Collected::Published { scanned_bytes, .. } => *scanned_bytes,
        other => panic!("{other:?}"),
    };
    assert_eq!(collection.collected.iter().map(scanned).collect::<Vec<_>>(), [4, 4, 4], "10 bytes were read");

    // The next one fails. Each rule is asked alone at once, and stays alone for some hours; then they share again.
    laboratory.world.with(|world| world.failures = vec![QueryError::Failed("exhausted".to_owned())]);
    let started = laboratory.tick(105 * MINUTE).await.started.remove(0);
    let collection = laboratory.detector.collect(&started.query_id, 105 * MINUTE).await.unwrap();
    assert!(matches!(collection.collected[..], [Collected::Separated { .. }, ..]), "{collection:?}");
    let alone = laboratory.detector.start_due(Some(&ids), 105 * MINUTE, &|| true).await.started;
    assert_eq!(alone.iter().map(|run| run.rules.len()).collect::<Vec<_>>(), [1, 1, 1]);
    assert!(laboratory.alerts().is_empty());
    for (now, queries) in [(110, 3), (450, 3), (465, 1)] {
        for _ in 0..4 {
            laboratory.tick(now * MINUTE).await;
        }
        let before = laboratory.world.with(|world| world.queries.len());
        laboratory.tick((now + 5) * MINUTE).await;
        assert_eq!(laboratory.world.with(|world| world.queries.len()) - before, queries, "{now}");
    }
}

fn fate() -> impl Strategy<Value = Fate> {
    prop_oneof![6 => Just(Fate::Fine), 1 => Just(Fate::Fails), 1 => Just(Fate::AnswerLost)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    /// Faults at every call of the store, the engine and publishing; runs that are late, missed or repeated; state changes
    /// that are lost, repeated or outdated. In the end every event was published at least once. It was published more than
    /// once only if the answer to a publication, or to the mark after it, was lost.
    #[test]
    fn nothing_is_lost_whatever_fails(
        events in prop::collection::vec((0_i64..200, 0_i64..=10), 0..12),
        engine_fates in prop::collection::vec(fate(), 0..40),
        publish_fates in prop::collection::vec(fate(), 0..20),
        store_faults in prop::collection::vec((0..4_usize, 1_u64..120, any::<bool>()), 0..12),
        steps in prop::collection::vec((1_i64..9, 0_u8..4), 30..60),
        rules in 1_u8..4,
        failures in 0_usize..3,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let mut store = FaultyStore::new(MemoryStore::default());
            for (operation, at, afterwards) in &store_faults {
                let operation =
                    [Operation::Put, Operation::PutIf, Operation::Read, Operation::Remove][*operation];
                let fault = Fault::transient(operation).at(*at);
                store = store.with(if *afterwards { fault.afterwards() } else { fault });
            }
            let rules: Vec<Rule> = (0..rules).map(numbered).collect();
            let laboratory = Laboratory::of_rules(rules.clone(), store.clone(), 3 * MINUTE, |world| world);
            for (number, (time, late)) in events.iter().enumerate() {
                laboratory.event(time * MINUTE, (time + late) * MINUTE, &number.to_string());
            }
            laboratory.world.with(|world| {
                world.engine_fates = engine_fates.clone();
                world.publish_fates = publish_fates.clone();
                world.takes = 30_000;
                world.failures = vec![QueryError::Failed("exhausted".to_owned()); failures];
            });
            let mut now = -20 * MINUTE;
            let mut ids: Vec<String> = Vec::new();
            for (pause, what) in steps {
                now += pause * MINUTE;
                match what {
                    0 | 1 => ids.extend(laboratory.tick(now).await.started.into_iter().map(|run| run.query_id)),
                    2 => {
                        let (one, other) = tokio::join!(laboratory.tick(now), laboratory.tick(now));
                        ids.extend(one.started.into_iter().chain(other.started).map(|run| run.query_id));
                    }
                    _ => {
                        if let Some(id) = ids.last().cloned() {
                            let (one, other) =
                                tokio::join!(laboratory.collect(&id, now), laboratory.collect(&id, now));
                            drop((one, other));
                        }
                    }
                }
            }
            // The faults end, and the schedule continues until everything is published.
            store.heal();
            laboratory.world.with(|world| {
                world.engine_fates.clear();
                world.publish_fates.clear();
            });
            now = now.max(220 * MINUTE);
            for _ in 0..40 {
                now += 5 * MINUTE;
                laboratory.tick(now).await;
            }
            let found = laboratory.found_by_rule();
            let published: BTreeSet<&(String, String)> = found.iter().collect();
            for rule in &rules {
                for number in 0..events.len() {
                    let expected = (rule.id.to_string(), number.to_string());
                    prop_assert!(published.contains(&expected), "{expected:?} of {events:?}: {found:?}");
                }
            }
            let answers_lost = publish_fates.contains(&Fate::AnswerLost) || !store_faults.is_empty();
            if !answers_lost {
                prop_assert_eq!(found.len(), published.len(), "{:?}", found);
            }
            // A repetition has the same id, so a FIFO topic drops it.
            let ids: BTreeSet<String> = laboratory.world.with(|world| {
                world
                    .published
                    .iter()
                    .filter(|message| message.kind == MessageKind::Finding)
                    .map(|message| message.id.clone())
                    .collect()
            });
            prop_assert_eq!(ids.len(), published.len());
            Ok(())
        })?;
    }
}
