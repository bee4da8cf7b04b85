//! No statement is longer than Athena allows, and lint names values that no event can have.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by a panic, its helpers too")]

use detection::catalog::{Catalog, CatalogTable};
use detection::rule::ParameterValues;
use detection::statement::{self, StatementError};
use detection::{Rule, Window, lint};
use serde_json::json;
use sql::table::{Layout, Table};
use sql::text::MAX_STATEMENT_BYTES;

const WINDOW: Window = Window { start: 0, end: 1_000_000 };

fn rule(logic: &str) -> Rule {
    let text = format!(
        "title: Something\nid: 6f5b1c5e-2a43-4b0e-9d5f-0f3c0a1b2c3d\nstatus: test\nlevel: low\n\
         schedule: rate(5 minutes)\nlookback: 20m\ningest_delay: 10m\nmax_scanned_bytes: 1000\n\
         parameters:\n  addresses: {{type: text_list, default: [], description: Addresses}}\n{logic}\n"
    );
    Rule::from_text(&text).unwrap_or_else(|faults| panic!("{faults:?}"))
}

fn catalog() -> Catalog {
    let columns = [("time", "bigint"), ("src_endpoint", "row(ip varchar)"), ("dst_endpoint", "row(ip varchar)")];
    let columns = columns.map(|(name, t)| (name.to_owned(), t.parse().unwrap())).to_vec();
    let (database, dialect) = ("lake".to_owned(), "ocsf".to_owned());
    let table = Table { database, name: "t".to_owned(), columns, layout: Layout::Plain, dialect };
    let mut catalog = Catalog::default();
    catalog.add("t", CatalogTable::new(table, vec![], true));
    catalog
}

fn built(rule: &Rule, count: usize) -> Result<usize, StatementError> {
    let addresses: Vec<String> =
        (0..count).map(|n| format!("10.{}.{}.{}", n / 65_536, n / 256 % 256, n % 256)).collect();
    let parameters: ParameterValues = [("addresses".to_owned(), json!(addresses))].into_iter().collect();
    statement::build(rule, &catalog(), WINDOW, &parameters, 1_000).map(|prepared| prepared.statement.sql.as_str().len())
}

#[test]
fn a_list_too_long_for_athena_refuses_sql_and_patterns() {
    let sql = rule("sql: SELECT time FROM {{t}} WHERE {{window}} AND src_endpoint.ip IN {{param:addresses}}");
    let stix = rule("tables: [t]\nstix: \"[ipv4-addr:value IN {{param:addresses}}]\"");
    for rule in [&sql, &stix] {
        assert!(built(rule, 10_000).unwrap() < MAX_STATEMENT_BYTES);
    }
    assert!(matches!(built(&sql, 20_000), Err(StatementError::TooLong(bytes)) if bytes > MAX_STATEMENT_BYTES));
    let refused = built(&stix, 20_000).unwrap_err().to_string();
    assert!(refused.contains("split the 20000 values over several patterns of at most"), "{refused}");
}

#[test]
fn lint_warns_of_a_value_that_nothing_equals_at_its_place_in_the_rule() {
    let rule = rule("tables: [t]\nstix: \"[ipv4-addr:value = '10.0.0.0/8' AND ipv4-addr:value != '10.8.8.10/32']\"");
    let faults = lint::against_catalog(&rule, &catalog());
    let [fault] = &faults[..] else { panic!("{faults:?}") };
    let place = &rule.text[fault.primary.span.start..fault.primary.span.end];
    assert_eq!((fault.code.number(), place), ("W209", "'10.0.0.0/8'"));
    assert!(fault.help.as_ref().unwrap().contains("ISSUBSET '10.0.0.0/8'"));
}
