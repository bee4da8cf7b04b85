//! A rule has one meaning: `hunt`, `backtest` and tests find what the detector publishes. That holds whenever events reach
//! the lake within `ingest_delay`, and whichever runs are late or missed.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by a panic, its helpers too")]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use detection::catalog::{Catalog, CatalogTable};
use detection::detector::Due;
use detection::finding::FindingContext;
use detection::hunt::SharedAnswers;
use detection::message::MessageKind;
use detection::rule::ParameterValues;
use detection::{Detector, Hunt, Message, PublishError, Publisher, Rule, RunToEnd, Settings, Shape, Window};
use embedded::Embedded;
use proptest::prelude::*;
use query::{Answer, BoxFuture, Column, Engine, QueryError, Statement};
use serde_json::{Value, json};
use sql::table::{Layout, Table};
use sql::text::Sql;
use sql::types::ColumnType;
use store::MemoryStore;

const MINUTE: i64 = 60_000;
const DAY: i64 = 24 * 60 * MINUTE;
/// The events are in the first four hours.
const END: i64 = 240;

/// What a rule finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Every event.
    Rows,
    /// Events of a user within `dedupe.window` are one finding.
    Deduplicated,
    /// Users with a minimum number of events.
    Counted,
    /// Users with a minimum number of ports.
    Distinct,
    /// Two events of a user at most 40 minutes apart, which may be longer than a scheduled window.
    Pairs,
    /// Users with a minimum number of events, counted in the rule's own SQL.
    Own,
}

const KINDS: [Kind; 6] = [Kind::Rows, Kind::Deduplicated, Kind::Counted, Kind::Distinct, Kind::Pairs, Kind::Own];

#[derive(Debug, Clone)]
struct Case {
    kind: Kind,
    schedule: &'static str,
    /// In minutes: the longest pause of the schedule, `ingest_delay`, how much longer `lookback` is than both, and
    /// `dedupe.window`.
    interval: i64,
    delay: i64,
    extra: i64,
    dedupe: i64,
    count: usize,
    events: Vec<Event>,
    /// For each run: whether it is missed, and how many seconds it is late.
    runs: Vec<(bool, i64)>,
}

#[derive(Debug, Clone)]
struct Event {
    time: i64,
    /// When it reaches the lake.
    arrival: i64,
    user: &'static str,
    port: i64,
}

impl Case {
    fn lookback(&self) -> i64 {
        self.interval + self.delay + self.extra
    }

    fn rule(&self) -> Rule {
        let Self { schedule, delay, count, dedupe, .. } = self;
        let lookback = self.lookback();
        let (sql, more) = match self.kind {
            Kind::Rows => ("SELECT time, who, port FROM {{t}} WHERE {{window}}", String::new()),
            Kind::Deduplicated => (
                "SELECT time, who, port FROM {{t}} WHERE {{window}}",
                format!("dedupe: {{key: [who], window: {dedupe}m}}\n"),
            ),
            Kind::Counted => (
                "SELECT time, who, port FROM {{t}} WHERE {{window}}",
                format!("group_by: [who]\nthreshold: {{count: {count}}}\ndedupe: {{key: [who], window: {dedupe}m}}\n"),
            ),
            Kind::Distinct => (
                "SELECT time, who, port FROM {{t}} WHERE {{window}}",
                format!("group_by: [who]\nthreshold: {{count: {count}, distinct: port}}\n"),
            ),
            Kind::Pairs => (
                "SELECT a.time AS start_time, b.time AS end_time, a.who FROM {{t}} a JOIN {{t}} b ON a.who = b.who AND b.time > \
                 a.time AND b.time <= a.time + 2400000 WHERE {{window:a}} AND {{window:b}}",
                String::new(),
            ),
            Kind::Own => (
                "SELECT who, count(*) AS n, min(time) AS start_time, max(time) AS end_time FROM {{t}} WHERE {{window}} GROUP BY \
                 who HAVING count(*) >= 2",
                format!("dedupe: {{key: [who], window: {dedupe}m}}\n"),
            ),
        };
        let text = format!(
            "title: Something\nid: 6f5b1c5e-2a43-4b0e-9d5f-0f3c0a1b2c3d\nstatus: test\nlevel: high\nschedule: {schedule}\n\
             lookback: {lookback}m\ningest_delay: {delay}m\n{more}sql: {sql}\n"
        );
        Rule::from_text(&text).unwrap_or_else(|faults| panic!("{text}{faults:?}"))
    }

    /// The rows that the SQL returns for a window.
    fn rows(&self, events: &[&Event]) -> (Vec<&'static str>, Vec<Vec<Value>>) {
        let users = || events.iter().map(|event| (event.user, ())).collect::<BTreeMap<_, _>>().into_keys();
        let of = |user: &str| events.iter().filter(|event| event.user == user).copied().collect::<Vec<&Event>>();
        let times = |events: &[&Event]| {
            let times = || events.iter().map(|event| event.time);
            (json!(times().min()), json!(times().max()))
        };
        match self.kind {
            Kind::Rows | Kind::Deduplicated => {
                let rows = events.iter().map(|event| vec![json!(event.time), json!(event.user), json!(event.port)]);
                (vec!["time", "who", "port"], rows.collect())
            }
            Kind::Pairs => {
                let pairs = events.iter().flat_map(|a| {
                    let after =
                        events.iter().filter(|b| b.user == a.user && b.time > a.time && b.time <= a.time + 2_400_000);
                    after.map(|b| vec![json!(a.time), json!(b.time), json!(a.user)])
                });
                (vec!["start_time", "end_time", "who"], pairs.collect())
            }
            Kind::Own | Kind::Counted | Kind::Distinct => {
                let count = |events: &[&Event]| match self.kind {
                    Kind::Distinct => events.iter().map(|event| (event.port, ())).collect::<BTreeMap<_, _>>().len(),
                    _ => events.len(),
                };
                let least = if self.kind == Kind::Own { 2 } else { self.count };
                let rows = users().map(of).filter(|events| count(events) >= least).map(|events| {
                    let (first, last) = times(&events);
                    vec![json!(events[0].user), json!(events.len()), first, last]
                });
                (vec!["who", "n", "start_time", "end_time"], rows.collect())
            }
        }
    }
}

fn table() -> Table {
    let columns = [
        ("time", ColumnType::Bigint),
        ("arrival", ColumnType::Bigint),
        ("who", ColumnType::Varchar),
        ("port", ColumnType::Bigint),
    ];
    Table {
        database: "lake".to_owned(),
        name: "t".to_owned(),
        columns: columns.map(|(name, column_type)| (name.to_owned(), column_type)).to_vec(),
        layout: Layout::Plain,
        dialect: "ocsf".to_owned(),
    }
}

fn catalog() -> Catalog {
    let mut catalog = Catalog::default();
    catalog.add("t", CatalogTable::new(table(), vec![], true));
    catalog
}

/// The lake at a point in time, queried without SQL: the text of the statement names the window.
#[derive(Debug)]
struct Model {
    case: Case,
    rule: Rule,
    now: Mutex<i64>,
}

impl Model {
    fn new(case: &Case, now: i64) -> Self {
        Self { case: case.clone(), rule: case.rule(), now: Mutex::new(now) }
    }
}

impl Engine for Model {
    fn run<'a>(&'a self, statement: &'a Statement) -> BoxFuture<'a, Result<Answer, QueryError>> {
        let text = statement.sql.as_str();
        let number = |before: &str| -> Option<i64> {
            let rest = text.split_once(before)?.1;
            rest.split(|c: char| !c.is_ascii_digit() && c != '-').next()?.parse().ok()
        };
        let between = |start: i64, end: i64| -> Vec<&Event> {
            let now = *self.now.lock().unwrap();
            let events = self.case.events.iter();
            events.filter(|event| start <= event.time && event.time < end && event.arrival <= now).collect()
        };
        let first = |name: &str| number(&format!("{name} >= ")).or_else(|| number(&format!("\"a\".{name} >= ")));
        let last = |name: &str| number(&format!("{name} < ")).or_else(|| number(&format!("\"a\".{name} < ")));
        let (start, end) = (first("\"time\"").unwrap(), last("\"time\"").unwrap());
        let (names, rows): (Vec<&str>, Vec<Vec<Value>>) = if let Some(bucket) =
            number("DISTINCT \"time\" - mod(mod(\"time\", ")
        {
            let buckets =
                between(start, end).into_iter().map(|event| vec![json!(event.time - event.time.rem_euclid(bucket))]);
            (vec!["bucket"], buckets.collect())
        } else if let Some(after) = number("\"scheduled_window_end\" > ") {
            let until = number("\"scheduled_window_end\" <= ").unwrap();
            let rule = &self.rule;
            let mut all = Vec::new();
            for run in rule.schedule.runs(after, until) {
                let window = between(start.max(run - rule.lookback), end.min(run));
                all.extend(self.case.rows(&window).1.into_iter().map(|row| [row, vec![json!(run)]].concat()));
            }
            (vec!["who", "n", "start_time", "end_time", "scheduled_window_end"], all)
        } else {
            self.case.rows(&between(start, end))
        };
        let columns =
            names.iter().map(|name| Column { name: (*name).to_owned(), column_type: ColumnType::Json }).collect();
        let answer = Answer { query_id: "q".to_owned(), columns, rows, ..Answer::default() };
        Box::pin(async move { Ok(answer) })
    }

    fn tables<'a>(&'a self) -> BoxFuture<'a, Result<Vec<Table>, QueryError>> {
        Box::pin(async { Ok(vec![table()]) })
    }
}

/// The lake at a point in time, queried with the embedded engine.
#[derive(Debug)]
struct Arriving {
    engine: Embedded,
    now: Mutex<i64>,
}

impl Arriving {
    fn new(case: &Case) -> Self {
        let numbers =
            |of: fn(&Event) -> i64| -> ArrayRef { Arc::new(Int64Array::from_iter_values(case.events.iter().map(of))) };
        let users: ArrayRef = Arc::new(StringArray::from_iter_values(case.events.iter().map(|event| event.user)));
        let batch = RecordBatch::try_from_iter_with_nullable([
            ("time", numbers(|event| event.time), true),
            ("arrival", numbers(|event| event.arrival), true),
            ("who", users, true),
            ("port", numbers(|event| event.port), true),
        ]);
        let engine = Embedded::in_memory().with_table(table(), vec![batch.unwrap()]).unwrap();
        Self { engine, now: Mutex::new(i64::MAX) }
    }
}

impl Engine for Arriving {
    fn run<'a>(&'a self, statement: &'a Statement) -> BoxFuture<'a, Result<Answer, QueryError>> {
        Box::pin(async move {
            let now = *self.now.lock().unwrap();
            let arrived = format!("(SELECT * FROM \"lake\".\"t\" WHERE arrival <= {now})");
            let sql = statement.sql.as_str().replace("\"lake\".\"t\"", &arrived);
            self.engine.run(&Statement::new(Sql::of_author(sql))).await
        })
    }

    fn tables<'a>(&'a self) -> BoxFuture<'a, Result<Vec<Table>, QueryError>> {
        self.engine.tables()
    }
}

/// The last publication of each finding: an update replaces the earlier one.
#[derive(Debug, Default)]
struct Topic(Mutex<BTreeMap<String, Value>>);

impl Publisher for Topic {
    fn publish<'a>(&'a self, message: &'a Message) -> BoxFuture<'a, Result<(), PublishError>> {
        Box::pin(async move {
            assert_eq!(message.kind, MessageKind::Finding, "{}", message.body);
            let event: Value = serde_json::from_str(&message.body).unwrap();
            let id = event["finding_info"]["uid"].as_str().unwrap().to_owned();
            let was = self.0.lock().unwrap().insert(id, event.clone());
            assert_eq!(was.is_some(), event["activity_id"] == 2, "published once, unless it is an update");
            Ok(())
        })
    }
}

/// A finding, by its key and first event.
fn identity(case: &Case, event: &Value) -> (i64, String) {
    let row = &event["evidences"][0]["data"];
    let key = if case.kind == Kind::Rows || case.kind == Kind::Pairs { row } else { &row["who"] };
    (event["finding_info"]["first_seen_time"].as_i64().unwrap(), key.to_string())
}

/// The findings that the detector publishes, run by run.
async fn detected(case: &Case, engine: Arc<dyn Engine>, at: impl Fn(i64)) -> Vec<(i64, String)> {
    let rule = case.rule();
    let topic = Arc::new(Topic::default());
    let (queries, store) = (Arc::new(RunToEnd::new(engine)), Arc::new(MemoryStore::default()));
    let (publisher, settings) = (Arc::clone(&topic) as Arc<dyn Publisher>, Settings::default());
    let detector = Detector::new(vec![rule.clone()], catalog(), queries, store, publisher, settings);
    // It is deployed before the first event, and runs until all events have settled.
    let runs =
        rule.schedule.runs(-case.interval * MINUTE - 1, (END + 3 * case.lookback() + case.interval + 60) * MINUTE);
    let mut fates = case.runs.iter();
    for run in runs {
        // No faults or delays after the last event.
        let (missed, late) = if run < 0 { (false, 0) } else { *fates.next().unwrap_or(&(false, 0)) };
        if missed {
            continue;
        }
        let now = run + late * 1000;
        at(now);
        let mut due = detector.start_due(None, now, &|| true).await;
        while !due.started.is_empty() {
            let mut next = Due::default();
            for started in &due.started {
                let collection = detector.collect(&started.query_id, now).await.unwrap();
                assert!(collection.faults.is_empty(), "{:?}", collection.faults);
                next.started.extend(detector.start_due(Some(&started.rules), now, &|| true).await.started);
            }
            due = next;
        }
        assert!(due.faults.is_empty(), "{:?}", due.faults);
    }
    let published = topic.0.lock().unwrap();
    let mut found: Vec<_> = published.values().map(|event| identity(case, event)).collect();
    found.sort();
    found
}

async fn hunted(case: &Case, engine: &dyn Engine) -> Vec<(i64, String)> {
    let (catalog, parameters, context) = (catalog(), ParameterValues::new(), FindingContext::default());
    let hunt = Hunt {
        engine,
        catalog: &catalog,
        parameters: &parameters,
        max_rows: 100_000,
        context: &context,
        shared: &SharedAnswers::default(),
    };
    let window = Window { start: 0, end: END * MINUTE };
    let found = hunt.rule(&case.rule(), window, 0, &mut |_, _| {}).await.unwrap();
    let mut found: Vec<_> = found.findings.iter().map(|finding| identity(case, &finding.event)).collect();
    found.sort();
    found
}

fn case() -> impl Strategy<Value = Case> {
    let schedule = prop::sample::select(vec![
        ("rate(5 minutes)", 5),
        ("rate(15 minutes)", 15),
        ("rate(7 minutes)", 7),
        ("cron(0/20 * * * ? *)", 20),
        ("cron(0,10,50 * * * ? *)", 40),
    ]);
    let event = (0..END * 60, 0_i64..=100, prop::sample::select(vec!["a", "a", "b"]), 0_i64..4);
    (
        prop::sample::select(KINDS.to_vec()),
        schedule,
        prop::sample::select(vec![0_i64, 3, 10, 25]),
        0_i64..20,
        prop::sample::select(vec![5_i64, 20, 60, 180]),
        2_usize..5,
        prop::collection::vec(event, 0..30),
        prop::collection::vec((prop::bool::weighted(0.3), 0_i64..400), 0..100),
    )
        .prop_map(|(kind, (schedule, interval), delay, extra, dedupe, count, events, runs)| {
            let event = |(second, late, user, port): (i64, i64, &'static str, i64)| {
                let time = second * 1000;
                Event { time, arrival: time + delay * MINUTE * late / 100, user, port }
            };
            let mut events: Vec<Event> = events.into_iter().map(event).collect();
            // Equal rows are one finding, which another test covers.
            events.sort_by_key(|event| (event.time, event.user, event.port));
            events.dedup_by_key(|event| (event.time, event.user, event.port));
            Case { kind, schedule, interval, delay, extra, dedupe, count, events, runs }
        })
}

/// The number of cases, unless the environment sets another.
fn cases(usual: u32) -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(usual)
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

/// A rule of some kind that runs every five minutes.
fn every_five_minutes(kind: Kind, schedule: &'static str, events: Vec<Event>) -> Case {
    Case { kind, schedule, interval: 5, delay: 10, extra: 5, dedupe: 60, count: 2, events, runs: vec![] }
}

/// The findings of a rule over the whole time, and the number of statements.
fn found_ever(case: &Case) -> (Vec<i64>, u64) {
    let model = Model::new(case, i64::MAX);
    let (catalog, parameters, context) = (catalog(), ParameterValues::new(), FindingContext::default());
    let hunt = Hunt {
        engine: &model,
        catalog: &catalog,
        parameters: &parameters,
        max_rows: 1000,
        context: &context,
        shared: &SharedAnswers::default(),
    };
    let window = Window { start: 0, end: 100 * 366 * DAY };
    let found = block_on(hunt.rule(&case.rule(), window, 0, &mut |_, _| {})).unwrap();
    (found.findings.iter().map(|finding| finding.first).collect(), found.statements)
}

fn pair_at(time: i64) -> [Event; 2] {
    [time, time + MINUTE].map(|time| Event { time, arrival: time, user: "a", port: 0 })
}

#[test]
fn groups_of_a_cron_are_counted_to_the_last_run_however_many_there_are() {
    // An event a day for more than a year, and two at the end.
    let daily = (0..400).map(|day| Event { time: day * DAY, arrival: 0, user: "b", port: 0 });
    let events = daily.chain(pair_at(400 * DAY)).collect();
    let (found, _) = found_ever(&every_five_minutes(Kind::Counted, "cron(0/5 * * * ? *)", events));
    assert_eq!(found, [400 * DAY]);
}

#[test]
fn a_cron_costs_no_more_statements_than_there_are_times_with_data() {
    let last = 60 * 365 * DAY;
    let events = [pair_at(DAY), pair_at(last)].concat();
    let (found, statements) = found_ever(&every_five_minutes(Kind::Counted, "cron(0/5 * * * ? *)", events));
    assert_eq!(found, [DAY, last]);
    assert_eq!(statements, 3, "which times have data, and each of them");
}

#[test]
fn every_shape_is_among_the_rules() {
    let case = |kind| every_five_minutes(kind, "rate(5 minutes)", vec![]);
    let shapes = KINDS.map(|kind| Shape::of(&case(kind).rule()));
    let expected = [Shape::Rows, Shape::Rows, Shape::Groups, Shape::Groups, Shape::Pairs, Shape::Windows];
    assert_eq!(shapes, expected);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(100), max_shrink_iters: 200, ..ProptestConfig::default() })]

    /// For all arrivals within `ingest_delay`, and all late and missed runs.
    #[test]
    fn a_hunt_finds_what_the_detector_publishes(case in case()) {
        let model = Arc::new(Model::new(&case, 0));
        let clock = Arc::clone(&model);
        let detected = block_on(detected(&case, Arc::clone(&model) as Arc<dyn Engine>, |now| *clock.now.lock().unwrap() = now));
        *model.now.lock().unwrap() = i64::MAX;
        let hunted = block_on(hunted(&case, &*model));
        prop_assert_eq!(detected, hunted);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(20), max_shrink_iters: 50, ..ProptestConfig::default() })]

    /// The statements return what the model does.
    #[test]
    fn a_hunt_by_sql_finds_what_the_model_finds(case in case()) {
        let model = Model::new(&case, i64::MAX);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let by_sql = runtime.block_on(hunted(&case, &Arriving::new(&case)));
        prop_assert_eq!(by_sql, runtime.block_on(hunted(&case, &model)));
    }
}
