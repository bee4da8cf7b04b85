//! Rules that share a statement find what each of them finds alone, and a rule at fault holds up no other.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by a panic, its helpers too")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use detection::catalog::{Catalog, CatalogTable};
use detection::finding::FindingContext;
use detection::hunt::SharedAnswers;
use detection::rule::ParameterValues;
use detection::shared::{self, Question};
use detection::{Hunt, Rule, Window};
use embedded::Embedded;
use proptest::prelude::*;
use query::{Answer, BoxFuture, Engine, QueryError, Statement};
use serde_json::Value;
use sql::table::{Layout, Table};
use sql::types::ColumnType;

const WINDOW: Window = Window { start: 0, end: 1000 };

/// A table of events, in two physical parts if `is_split`, of which the second lacks the column `detail`.
#[derive(Debug, Clone)]
struct Events {
    is_split: bool,
    rows: Vec<(i64, Option<&'static str>, Option<&'static str>)>,
}

impl Events {
    fn table(name: &str, has_detail: bool) -> Table {
        let columns = [("time", ColumnType::Bigint), ("who", ColumnType::Varchar), ("detail", ColumnType::Varchar)];
        let columns = columns.into_iter().filter(|(name, _)| has_detail || *name != "detail");
        Table {
            database: "lake".to_owned(),
            name: name.to_owned(),
            columns: columns.map(|(name, column_type)| (name.to_owned(), column_type)).collect(),
            layout: Layout::Plain,
            dialect: "ocsf".to_owned(),
        }
    }

    fn engine(&self) -> Embedded {
        let batch = |rows: &[(i64, Option<&str>, Option<&str>)], has_detail: bool| {
            let times: ArrayRef = Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.0)));
            let who: ArrayRef = Arc::new(StringArray::from_iter(rows.iter().map(|row| row.1)));
            let detail: ArrayRef = Arc::new(StringArray::from_iter(rows.iter().map(|row| row.2)));
            let columns = [("time", times, true), ("who", who, true), ("detail", detail, true)];
            let columns = columns.into_iter().filter(|(name, ..)| has_detail || *name != "detail");
            vec![RecordBatch::try_from_iter_with_nullable(columns).unwrap()]
        };
        let (one, other) = self.rows.split_at(if self.is_split { self.rows.len() / 2 } else { self.rows.len() });
        let engine = Embedded::in_memory().with_table(Self::table("one", true), batch(one, true)).unwrap();
        engine.with_table(Self::table("other", false), batch(other, false)).unwrap()
    }

    fn catalog(&self) -> Catalog {
        let mut catalog = Catalog::default();
        catalog.add("t", CatalogTable::new(Self::table("one", true), vec![], true));
        if self.is_split {
            catalog.add("t", CatalogTable::new(Self::table("other", false), vec![], true));
        }
        catalog
    }
}

/// An engine that counts its statements.
#[derive(Debug)]
struct Counted {
    engine: Embedded,
    statements: AtomicU64,
}

impl Engine for Counted {
    fn run<'a>(&'a self, statement: &'a Statement) -> BoxFuture<'a, Result<Answer, QueryError>> {
        self.statements.fetch_add(1, Ordering::Relaxed);
        self.engine.run(statement)
    }

    fn tables<'a>(&'a self) -> BoxFuture<'a, Result<Vec<Table>, QueryError>> {
        self.engine.tables()
    }
}

fn rule(number: usize, sql: &str, more: &str) -> Rule {
    let text = format!(
        "title: Rule {number}\nid: 6f5b1c5e-2a43-4b0e-9d5f-{number:012}\nstatus: test\nlevel: high\n\
         schedule: rate(5 minutes)\nlookback: 1h\ningest_delay: 10m\n{more}sql: |\n  {sql}\n"
    );
    Rule::from_text(&text).unwrap_or_else(|faults| panic!("{text}{faults:?}"))
}

/// What each rule finds, or that it fails; and how many statements that took.
fn found(rules: &[Rule], events: &Events, max_rows: u64, shares: bool) -> (Vec<Option<Vec<Value>>>, u64) {
    let engine = Counted { engine: events.engine(), statements: AtomicU64::new(0) };
    let (catalog, parameters, context) = (events.catalog(), ParameterValues::new(), FindingContext::default());
    let none = SharedAnswers::default();
    let hunt = Hunt {
        engine: &engine,
        catalog: &catalog,
        parameters: &parameters,
        max_rows,
        context: &context,
        shared: &none,
    };
    let found = block_on(async {
        let all: Vec<(&Rule, &ParameterValues)> = rules.iter().map(|rule| (rule, &parameters)).collect();
        let shared = match shares {
            true => hunt.share(&all, WINDOW, &mut |_, _| {}).await,
            false => SharedAnswers::default(),
        };
        let mut found = Vec::new();
        for rule in rules {
            let findings = Hunt { shared: &shared, ..hunt }.rule(rule, WINDOW, 0, &mut |_, _| {}).await;
            found.push(findings.ok().map(|found| {
                let findings = found.findings.into_iter().map(|finding| without_query(finding.event));
                if found.truncated { vec![Value::from("truncated")] } else { findings.collect() }
            }));
        }
        found
    });
    (found, engine.statements.load(Ordering::Relaxed))
}

/// A finding without what it says of the query that found it.
fn without_query(mut finding: Value) -> Value {
    let unmapped = finding["unmapped"].as_object_mut().unwrap();
    unmapped.remove("query.id").unwrap();
    unmapped.remove("query.scanned_bytes").unwrap();
    finding
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

/// So many, unless the environment asks for more.
fn cases(usual: u32) -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(usual)
}

fn rules() -> impl Strategy<Value = Vec<Rule>> {
    // Some cast texts that are no numbers in rows of other rules.
    let columns = prop::sample::select(vec![
        "time, who",
        "time, detail AS who, who AS detail",
        "time, CAST(detail AS integer) AS number, who",
        "time, who, CASE WHEN detail IS NULL THEN 'none' ELSE concat(who, detail) END AS what",
        "time, e.who, e.detail",
        // These share nothing.
        "time, count(*) OVER () AS n",
        "*",
    ]);
    let condition = prop::sample::select(vec![
        "who = 'a'",
        "who <> 'a'",
        "NOT (detail = '1')",
        "(who = 'b' OR detail IS NULL)",
        "who IN {{param:names}}",
        "who NOT IN {{param:none}}",
        "regexp_like(detail, '^[0-9]+$')",
        "who LIKE 'a%'",
        "CAST(detail AS integer) > 1",
    ]);
    let dedupe = prop::sample::select(vec!["", "dedupe: {key: [who], window: 1h}\n", "group_by: [who]\n"]);
    let one = (columns, condition, dedupe).prop_filter(
        "the cast holds for the rule's own rows",
        |(columns, condition, dedupe)| {
            let has_who = columns.contains("who");
            (dedupe.is_empty() || has_who) && (!columns.contains("CAST") || condition.starts_with("regexp_like"))
        },
    );
    prop::collection::vec(one, 1..8).prop_map(|rules| {
        let rules = rules.into_iter().enumerate();
        let made = rules.map(|(number, (columns, condition, dedupe))| {
            let alias = if columns.contains("e.who") { " e" } else { "" };
            let parameters = "parameters:\n  names: {type: text_list, default: [a, \"it's\"]}\n  none: {type: text_list, \
                              default: []}\n";
            let sql = format!("SELECT {columns} FROM {{{{t}}}}{alias} WHERE {{{{window}}}} AND {condition}");
            rule(number, &sql, &format!("{parameters}{dedupe}"))
        });
        made.collect()
    })
}

fn events() -> impl Strategy<Value = Events> {
    let who = prop::sample::select(vec![Some("a"), Some("ab"), Some("b"), Some("it's"), None]);
    let detail = prop::sample::select(vec![Some("1"), Some("23"), Some("x"), None]);
    (any::<bool>(), prop::collection::vec((0..1200_i64, who, detail), 0..30))
        .prop_map(|(is_split, rows)| Events { is_split, rows })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases(40)))]

    #[test]
    fn rules_find_together_what_each_finds_alone(rules in rules(), events in events(), few in any::<bool>()) {
        let max_rows = if few { 3 } else { 1000 };
        let (alone, of_alone) = found(&rules, &events, max_rows, false);
        let (together, of_together) = found(&rules, &events, max_rows, true);
        for (alone, together) in alone.iter().zip(&together) {
            // An engine may evaluate a condition for rows outside of the window or not, so it may fail alone only.
            prop_assert!(alone.is_none() || alone == together, "{alone:?}\n{together:?}");
        }
        prop_assert!(of_together <= of_alone + 2, "{} statements, and {} together", of_alone, of_together);
    }
}

fn some_events(count: i64) -> Events {
    let row =
        |time: i64| (time, Some(if time % 3 == 0 { "a" } else { "b" }), Some(if time % 2 == 0 { "1" } else { "x" }));
    Events { is_split: true, rows: (0..count).map(row).collect() }
}

#[test]
fn twenty_rules_over_a_table_are_one_statement() {
    let sql = |number: usize| format!("SELECT time, who FROM {{{{t}}}} WHERE {{{{window}}}} AND time = {number}");
    let rules: Vec<Rule> = (0..20).map(|number| rule(number, &sql(number), "")).collect();
    let (found, statements) = found(&rules, &some_events(30), 1000, true);
    assert_eq!(statements, 1);
    let times: Vec<i64> = found
        .iter()
        .map(|found| found.as_ref().unwrap()[0]["finding_info"]["first_seen_time"].as_i64().unwrap())
        .collect();
    assert_eq!(times, (0..20).collect::<Vec<_>>());
}

#[test]
fn a_condition_that_fails_fails_for_its_own_rule_only() {
    let rules = [
        rule(1, "SELECT time, who FROM {{t}} WHERE {{window}} AND who = 'a'", ""),
        rule(2, "SELECT time, who FROM {{t}} WHERE {{window}} AND CAST(detail AS integer) = 1", ""),
        rule(3, "SELECT time, who FROM {{t}} WHERE {{window}} AND who = 'b'", ""),
    ];
    let (found, statements) = found(&rules, &some_events(6), 1000, true);
    let counts: Vec<Option<usize>> = found.iter().map(|found| found.as_ref().map(Vec::len)).collect();
    assert_eq!((counts, statements), (vec![Some(2), None, Some(4)], 4));
}

#[test]
fn a_rule_with_too_many_rows_takes_none_from_the_others() {
    let rules = [
        rule(1, "SELECT time, who FROM {{t}} WHERE {{window}}", ""),
        rule(2, "SELECT time, who FROM {{t}} WHERE {{window}} AND time = 99", ""),
    ];
    let (found, _) = found(&rules, &some_events(100), 3, true);
    assert_eq!(found[0], Some(vec![Value::from("truncated")]));
    assert_eq!(found[1].as_ref().map(Vec::len), Some(1));
}

#[test]
fn a_statement_that_would_be_too_long_becomes_several() {
    let long = "x".repeat(100_000);
    let sql = |number| format!("SELECT time, who FROM {{{{t}}}} WHERE {{{{window}}}} AND who <> '{long}{number}'");
    let rules: Vec<Rule> = (0..8).map(|number| rule(number, &sql(number), "")).collect();
    let (events, parameters) = (some_events(1), ParameterValues::new());
    let questions: Vec<Question<'_>> =
        rules.iter().map(|rule| Question { rule, look: WINDOW.into(), parameters: &parameters }).collect();
    let shared = shared::statements(&questions, &events.catalog(), 10);
    let sizes: Vec<usize> = shared.iter().map(|shared| shared.questions.len()).collect();
    assert_eq!(sizes, [2, 2, 2, 2]);
}

#[test]
fn rules_share_the_bytes_of_their_statement_and_its_limit() {
    let rules = [
        rule(1, "SELECT time, who FROM {{t}} WHERE {{window}}", "max_scanned_bytes: 10 MB\n"),
        rule(2, "SELECT time, detail FROM {{t}} WHERE {{window}}", "max_scanned_bytes: 20 MB\n"),
    ];
    let parameters = ParameterValues::new();
    let questions = [0, 1].map(|at| Question { rule: &rules[at], look: WINDOW.into(), parameters: &parameters });
    let shared = shared::statements(&questions, &some_events(1).catalog(), 10).remove(0);
    assert_eq!(shared.statement.max_scanned_bytes, Some(30_000_000));
    let mut answer = Answer::default();
    answer.statistics.scanned_bytes = 1001;
    let shares: Vec<u64> =
        shared.questions.iter().map(|(_, part)| part.of(&answer).unwrap().statistics.scanned_bytes).collect();
    assert_eq!(shares, [501, 501]);
}
