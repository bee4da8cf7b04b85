//! Statements end: with an answer, or with a diagnostic that names the place and the remedy.

#![expect(clippy::panic, reason = "a test fails by a panic, its helpers too")]

use std::time::Duration;

use embedded::Embedded;
use query::{Engine, QueryError, Statement};
use serde_json::json;
use sql::text::Sql;

mod long;

async fn run(sql: &str) -> Result<Vec<Vec<serde_json::Value>>, QueryError> {
    Embedded::in_memory().run(&Statement::new(Sql::of_author(sql))).await.map(|answer| answer.rows)
}

/// The statement of a kind.
fn of(kind: &str, parts: usize) -> String {
    let (_, make) = long::KINDS.iter().find(|(name, _)| *name == kind).unwrap_or_else(|| panic!("no kind {kind}"));
    make(parts)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_statement_of_many_parts_ends_with_an_answer_or_a_diagnostic() {
    for (kind, make) in long::KINDS {
        for parts in [7, 70, 300] {
            match run(&make(parts)).await {
                Ok(rows) => assert!(!rows.is_empty(), "{kind} {parts}"),
                Err(QueryError::Invalid(text)) => assert!(text.starts_with("line 1:"), "{kind} {parts}: {text}"),
                Err(error) => panic!("{kind} {parts}: {error}"),
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn long_chains_and_lists_have_answers() {
    assert_eq!(run(&of("sum", 20_000)).await.unwrap(), [[json!(199_990_000)]]);
    assert_eq!(run(&of("concatenation", 20_000)).await.unwrap(), [[json!("x".repeat(20_000))]]);
    assert_eq!(run(&of("in", 10_000)).await.unwrap(), [[json!(0)]]);
    assert_eq!(run(&of("and", 5_000)).await.unwrap(), [[json!(0)]]);
    assert_eq!(run(&of("union all", 900)).await.unwrap().len(), 900);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_long_chain_works_from_the_left_as_a_short_one_does() {
    let long = |operators: &[&str], first: &str| {
        let rest: String = (0..700).map(|n| format!(" {} {}", operators[n % operators.len()], n % 9 + 1)).collect();
        format!("SELECT {first}{rest}, typeof({first}{rest})")
    };
    for (operators, first, signs, column_type) in
        [(&["+", "-"][..], "1", [1_i64, -1], "integer"), (&["+"], "CAST(1 AS bigint)", [1, 1], "bigint")]
    {
        let rows = run(&long(operators, first)).await.unwrap();
        let value: i64 = (0..700).map(|n| signs[n as usize % 2] * (n % 9 + 1)).sum();
        assert_eq!(json!(rows[0]), json!([1 + value, column_type]), "{operators:?}");
    }
    // An overflow on the way is one, whatever comes after it.
    let overflow = format!("SELECT 2147483647{} - 100", " + 1".repeat(100));
    assert!(run(&overflow).await.unwrap_err().to_string().contains("overflow"));
    // A null anywhere gives null.
    assert_eq!(run(&format!("SELECT 1{} + NULL{0}", " + 1".repeat(100))).await.unwrap(), [[json!(null)]]);
    // Types grow along the chain.
    let mixed = format!("SELECT typeof(1{0} + 1.5{0} + 1e0)", " + 1".repeat(60));
    assert_eq!(run(&mixed).await.unwrap(), [[json!("double")]]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn set_operations_of_one_rank_work_from_the_left() {
    let sorted = |sql: &str| {
        let sql = sql.to_owned();
        async move {
            let rows = run(&format!("SELECT a FROM ({sql}) AS t(a) ORDER BY a")).await.unwrap();
            rows.into_iter().map(|row| row[0].clone()).collect::<Vec<_>>()
        }
    };
    assert_eq!(sorted("SELECT 1 UNION ALL SELECT 1 UNION SELECT 2").await, [json!(1), json!(2)]);
    assert_eq!(sorted("SELECT 1 UNION SELECT 1 UNION ALL SELECT 1").await, [json!(1), json!(1)]);
    assert_eq!(sorted("SELECT 1 UNION ALL SELECT 2 EXCEPT SELECT 2 UNION ALL SELECT 3").await, [json!(1), json!(3)]);
    assert_eq!(sorted("SELECT 1 UNION ALL SELECT 2 INTERSECT SELECT 2").await, [json!(1), json!(2)]);
    // The type is that of all, and what was before it becomes it.
    let types = "SELECT typeof(a) FROM (SELECT 1 UNION ALL SELECT 2.5 UNION ALL SELECT 1e0) AS t(a)";
    assert_eq!(run(types).await.unwrap(), vec![vec![json!("double")]; 3]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_long_and_is_true_false_or_unknown_as_a_short_one() {
    for (last, expected) in [("TRUE", json!(true)), ("FALSE", json!(false)), ("CAST(NULL AS boolean)", json!(null))] {
        let sql = format!("SELECT {}{last} FROM (VALUES 1) AS t(a)", "a = 1 AND ".repeat(900));
        assert_eq!(run(&sql).await.unwrap(), [[expected]], "{last}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_list_of_doubles_is_compared_as_numbers_are() {
    let sql = "SELECT x IN (0e0, 1e0), x IN (2e0, nan()), x IN (2e0, NULL), x NOT IN (2e0) FROM (VALUES -0e0) AS t(x)";
    assert_eq!(run(sql).await.unwrap(), [[json!(true), json!(false), json!(null), json!(true)]]);
    assert_eq!(run("SELECT nan() IN (nan(), 1e0)").await.unwrap(), [[json!(false)]]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_statement_ends_at_its_timeout_and_the_next_one_runs() {
    let engine = Embedded::in_memory();
    let endless = "SELECT count(*) FROM UNNEST(sequence(1, 10000)) AS a(x) CROSS JOIN UNNEST(sequence(1, 10000)) AS b(y) \
                   CROSS JOIN UNNEST(sequence(1, 10000)) AS c(z) WHERE x * y % 7919 = z";
    let timeout = Some(Duration::from_millis(200));
    let ended = engine.run(&Statement { timeout, ..Statement::new(Sql::code(endless)) }).await;
    assert_eq!(ended.unwrap_err(), QueryError::TimedOut { after: Duration::from_millis(200) });
    let timeout = Some(Duration::from_secs(600));
    let next = engine.run(&Statement { timeout, ..Statement::new(Sql::code("SELECT 1")) }).await;
    assert_eq!(next.unwrap().rows, [[json!(1)]]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn an_array_of_rows_is_unnested_as_on_athena() {
    let rows = "(SELECT CAST(ARRAY[ROW('a', 1), ROW('b', 2)] AS array(row(k varchar, v integer))) AS r) AS t";
    // One name: the row.
    let athena = run(&format!("SELECT x.k, x.v FROM {rows} CROSS JOIN UNNEST(r) AS u(x)")).await.unwrap();
    assert_eq!(athena, [[json!("a"), json!(1)], [json!("b"), json!(2)]]);
    let numbered = run(&format!("SELECT x.k, n FROM {rows} CROSS JOIN UNNEST(r) WITH ORDINALITY AS u(x, n)")).await;
    assert_eq!(numbered.unwrap(), [[json!("a"), json!(1)], [json!("b"), json!(2)]]);
    // As many names as fields: the fields.
    let trino = run(&format!("SELECT k, v FROM {rows} CROSS JOIN UNNEST(r) AS u(k, v)")).await.unwrap();
    assert_eq!(trino, athena);
    // A row of one field with one name is the row.
    let one = "SELECT s.v.a FROM UNNEST(ARRAY[CAST(ROW('x') AS ROW(a varchar))]) AS s(v)";
    assert_eq!(run(one).await.unwrap(), [[json!("x")]]);
    let wrong = run(&format!("SELECT 1 FROM {rows} CROSS JOIN UNNEST(r) AS u(a, b, c)")).await.unwrap_err();
    assert!(wrong.to_string().contains("Column alias list has 3 entries"), "{wrong}");
}

#[test]
fn names_for_the_fields_of_rows_are_a_warning() {
    let warnings = |unnest: &str| {
        let sql = format!("SELECT 1\nFROM (VALUES ARRAY[ROW(1, 2)]) AS t(r) CROSS JOIN {unnest}");
        embedded::plan(&Sql::of_author(sql), &[]).unwrap().warnings
    };
    assert_eq!(warnings("UNNEST(r) AS u(x)"), []);
    assert_eq!(warnings("UNNEST(ARRAY[1]) AS u(x)"), []);
    let found = warnings("UNNEST(r) AS u(a, b)");
    assert_eq!((found.len(), found[0].line, found[0].column), (1, 2, 51));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn data_in_an_error_chooses_no_remedy() {
    let remedy = |sql: &'static str| async move {
        let text = run(sql).await.unwrap_err().to_string();
        text.rsplit_once("; ").map(|(_, remedy)| remedy.to_owned()).unwrap_or_default()
    };
    assert!(remedy("SELECT CAST('subscript' AS integer)").await.starts_with("TRY_CAST"));
    assert!(!remedy("SELECT date_parse('subscript', '%Y')").await.contains("element_at"));
    assert!(remedy("SELECT ARRAY[1][2]").await.starts_with("element_at(array, n)"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_json_document_stays_the_text_of_one_unless_it_is_within_something() {
    let sql = r#"SELECT JSON '"5"' AS a, ARRAY[JSON '"5"'] AS b"#;
    let statement = Statement { nested: true, ..Statement::new(Sql::of_author(sql)) };
    let answer = Embedded::in_memory().run(&statement).await.unwrap();
    assert_eq!(answer.rows, [[json!("\"5\""), json!(["5"])]]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn an_error_says_where_and_what_to_write_instead() {
    for (sql, expected) in [
        (
            "SELECT 1 WHERE\n now() > '2024-01-01'",
            "line 2:8: Cannot apply operator: timestamp(3) with time zone > varchar; write TIMESTAMP '",
        ),
        (
            "SELECT a FROM (VALUES 'x') AS t(a) WHERE a ILIKE 'b'",
            "line 1:44: found 'ILIKE', expected the end of the statement; write lower(x)",
        ),
        (
            "SELECT a FROM (VALUES 'x') AS t(a) WHERE a = \"b\"",
            "line 1:46: Column 'b' cannot be resolved; double quotes are for names",
        ),
        (
            "SELECT a FROM (VALUES 'x') AS t(a) WHERE a == 'b'",
            "line 1:45: found '=', expected an expression; write one =",
        ),
        ("SELECT map(ARRAY['a'], ARRAY[1])['b']", "; element_at(map, key)"),
        ("SELECT CAST('x' AS integer)", "; TRY_CAST(x AS type)"),
        ("SELECT 1 / 0", "; x / nullif(y, 0)"),
    ] {
        let error = run(sql).await.unwrap_err().to_string();
        assert!(error.contains(expected), "{sql}\n{error}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn planning_counts_towards_the_memory_of_a_query() {
    let folder = tempfile::tempdir().unwrap();
    let mut options = embedded::Options::default();
    options.memory_limit = Some(4_000_000);
    let engine = Embedded::over_folder(folder.path(), options).await.unwrap();
    let long = engine.run(&Statement::new(Sql::of_author(of("sum", 20_000)))).await.unwrap_err();
    assert!(long.to_string().contains("--query-memory"), "{long}");
    assert!(engine.run(&Statement::new(Sql::of_author(of("sum", 20)))).await.is_ok());
}
