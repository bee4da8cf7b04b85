//! The API through the client `query::athena`, with real rows.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic, its helpers too")]

use aws_config::{BehaviorVersion, Region, SdkConfig};
use embedded::Embedded;
use local_athena::{EngineFuture, Engines, Fault, FaultKind, LocalAthena, Settings};
use query::athena::{Athena, AthenaSettings, State};
use query::{Answer, BoxFuture, Column, Engine, QueryError, Statement};
use serde_json::json;
use sql::table::Table;
use sql::text::Sql;
use sql::types::ColumnType;

/// The embedded engine without tables, and with fixed outcomes for statements that are one of these words.
#[derive(Debug)]
struct Known(Embedded);

impl Engine for Known {
    fn run<'a>(&'a self, statement: &'a Statement) -> BoxFuture<'a, Result<Answer, QueryError>> {
        let end = match statement.sql.as_str() {
            "invalid" => Err(QueryError::Invalid("line 1:1: mismatched input".to_owned())),
            "failed" => Err(QueryError::Failed("Division by zero".to_owned())),
            "large" => Err(QueryError::OverBudget { scanned: 2_000_000, limit: 1_000_000 }),
            "numbers" => Ok(Answer {
                query_id: String::new(),
                columns: vec![
                    Column { name: "n".to_owned(), column_type: ColumnType::Bigint },
                    Column { name: "t".to_owned(), column_type: ColumnType::Varchar },
                ],
                rows: (1..=2500).map(|n| vec![json!(n), json!(n.to_string())]).collect(),
                ..Answer::default()
            }),
            _ => return self.0.run(statement),
        };
        Box::pin(async { end })
    }

    fn tables<'a>(&'a self) -> BoxFuture<'a, Result<Vec<Table>, QueryError>> {
        self.0.tables()
    }
}

struct KnownEngines;

impl Engines for KnownEngines {
    fn engine(&self) -> EngineFuture<'_> {
        Box::pin(async { Ok(Box::new(Known(Embedded::in_memory())) as Box<dyn Engine>) })
    }
}

fn local() -> LocalAthena {
    let workgroups = vec![("detections".to_owned(), Some(1_000_000))];
    LocalAthena::new(Settings { workgroups, ..Settings::default() }, KnownEngines).unwrap()
}

async fn client(local: &LocalAthena, workgroup: &str) -> Athena {
    let config: SdkConfig = aws_config::defaults(BehaviorVersion::latest())
        .region(Region::new("eu-central-1"))
        .http_client(store::aws::sdk_config().await.http_client().unwrap())
        .credentials_provider(aws_sdk_athena::config::Credentials::new("id", "secret", None, None, "test"))
        .retry_config(aws_config::retry::RetryConfig::standard().with_max_attempts(1))
        .endpoint_url(local.serve().unwrap())
        .load()
        .await;
    Athena::new(&config, AthenaSettings { workgroup: Some(workgroup.to_owned()), ..AthenaSettings::default() })
}

fn statement(sql: &'static str) -> Statement {
    Statement { token: Some("rule/window".to_owned()), ..Statement::new(Sql::code(sql)) }
}

#[tokio::test]
async fn a_statement_gives_the_rows_of_the_engine_page_by_page() {
    let athena = client(&local(), "detections").await;
    let answer = athena.run(&statement("numbers")).await.unwrap();

    assert_eq!(answer.rows.len(), 2500);
    assert_eq!(answer.rows[0], [json!(1), json!("1")]);
    assert_eq!(answer.rows[2499], [json!(2500), json!("2500")]);
    let names: Vec<&str> = answer.columns.iter().map(|column| column.name.as_str()).collect();
    assert_eq!(names, ["n", "t"]);
}

#[tokio::test]
async fn sql_is_executed() {
    let answer = client(&local(), "detections").await.run(&statement("SELECT 7 / 2 AS half, 'x' AS t")).await.unwrap();
    assert_eq!(answer.rows, [[json!(3), json!("x")]]);
}

#[tokio::test]
async fn a_start_is_repeated_by_its_token_even_where_the_answer_was_lost() {
    let local = local();
    let athena = client(&local, "detections").await;
    local.fail(Fault { operation: Some("StartQueryExecution".to_owned()), times: 1, kind: FaultKind::Unanswered });

    let lost = athena.start(&statement("SELECT 1")).await.unwrap_err();
    let first = athena.start(&statement("SELECT 1")).await.unwrap();
    let second = athena.start(&statement("SELECT 1")).await.unwrap();

    assert!(matches!(lost, QueryError::Unavailable(_)), "{lost}");
    assert_eq!(first, second);
    assert_eq!(local.started().len(), 1);
}

#[tokio::test]
async fn queries_end_as_those_of_athena() {
    let local = local();
    let athena = client(&local, "detections").await;

    for (sql, expected) in [
        ("invalid", QueryError::Invalid("SYNTAX_ERROR: line 1:1: mismatched input".to_owned())),
        ("failed", QueryError::Failed("GENERIC_USER_ERROR: the query failed: Division by zero".to_owned())),
        // The limit of the workgroup.
        ("large", QueryError::OverBudget { scanned: 2_000_000, limit: 1_000_000 }),
    ] {
        assert_eq!(athena.run(&statement(sql)).await.unwrap_err(), expected);
    }

    local.hold(true);
    let id = athena.start(&statement("SELECT 2")).await.unwrap();
    athena.cancel(&id).await.unwrap();
    let execution = athena.status(&id).await.unwrap();
    assert_eq!(execution.state, State::Ended(QueryError::Cancelled("Query cancelled by user".to_owned())));
    local.hold(false);
    assert_eq!(athena.status(&id).await.unwrap().state, execution.state, "an ended query stays as it is");
}

#[tokio::test]
async fn what_athena_refuses_is_refused() {
    let local = local();
    let unknown = client(&local, "nowhere").await.start(&statement("SELECT 1")).await.unwrap_err();
    assert_eq!(unknown, QueryError::Invalid("WorkGroup nowhere is not found.".to_owned()));

    local.hold(true);
    let athena = client(&local, "detections").await;
    let id = athena.start(&statement("SELECT 1")).await.unwrap();
    let early = athena.page(&id, None).await.unwrap_err();
    assert!(early.to_string().contains("Query has not yet finished"), "{early}");

    local.fail(Fault { operation: None, times: 1, kind: FaultKind::Throttled });
    assert!(matches!(athena.status(&id).await.unwrap_err(), QueryError::Unavailable(_)));
    assert!(athena.status(&id).await.is_ok());
}

#[tokio::test]
async fn every_change_of_state_is_an_event() {
    let local = local();
    client(&local, "detections").await.run(&statement("SELECT 1")).await.unwrap();

    let events = local.events();

    let id = &local.started()[0].id;
    let seen: Vec<_> = events
        .iter()
        .map(|event| {
            assert_eq!(event["source"], "aws.athena");
            assert_eq!(event["detail-type"], "Athena Query State Change");
            assert_eq!(event["detail"]["queryExecutionId"], json!(id));
            assert_eq!(event["detail"]["workgroupName"], "detections");
            (event["detail"]["sequenceNumber"].as_str().unwrap(), event["detail"]["currentState"].as_str().unwrap())
        })
        .collect();
    assert_eq!(seen, [("1", "QUEUED"), ("2", "RUNNING"), ("3", "SUCCEEDED")]);
}
