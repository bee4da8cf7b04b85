//! Requests to Athena, and what becomes of its responses. Athena is a list of responses to the expected requests.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by a panic, its helpers too")]

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_sdk_athena::config::{BehaviorVersion, Credentials, Region};
use aws_smithy_runtime_api::client::http::{HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_types::body::SdkBody;
use query::athena::{Athena, AthenaSettings, QueryId, State};
use query::{Column, Engine, QueryError, Statement};
use serde_json::{Value, json};
use sql::table::Layout;
use sql::text::Sql;
use sql::types::ColumnType;

/// The expected operation, and the status and body of the response.
type Exchange = (&'static str, u16, Value);

/// Athena with fixed responses. It records the requests.
#[derive(Debug, Clone, Default)]
struct Script {
    left: Arc<Mutex<VecDeque<Exchange>>>,
    asked: Arc<Mutex<Vec<Value>>>,
}

impl HttpConnector for Script {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let asked = serde_json::from_slice(request.body().bytes().unwrap()).unwrap();
        self.asked.lock().unwrap().push(asked);
        let target = request.headers().get("x-amz-target").unwrap().to_owned();
        let Some((operation, status, body)) = self.left.lock().unwrap().pop_front() else {
            panic!("{target} was not expected");
        };
        assert_eq!(target, format!("AmazonAthena.{operation}"));
        HttpConnectorFuture::ready(Ok(HttpResponse::new(status.try_into().unwrap(), SdkBody::from(body.to_string()))))
    }
}

impl Script {
    fn of(exchanges: impl IntoIterator<Item = Exchange>) -> Self {
        let script = Self::default();
        script.left.lock().unwrap().extend(exchanges);
        script
    }

    fn athena(&self, settings: AthenaSettings) -> Athena {
        let connector = SharedHttpConnector::new(self.clone());
        let config = aws_config::SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("eu-central-1"))
            .credentials_provider(aws_sdk_athena::config::SharedCredentialsProvider::new(Credentials::new(
                "id", "secret", None, None, "test",
            )))
            .http_client(http_client_fn(move |_, _| connector.clone()))
            .sleep_impl(aws_smithy_async_sleep())
            .retry_config(aws_sdk_athena::config::retry::RetryConfig::standard().with_max_attempts(1))
            .build();
        Athena::new(&config, settings)
    }

    /// The requests, when all responses are used up.
    fn asked(&self) -> Vec<Value> {
        assert_eq!(*self.left.lock().unwrap(), VecDeque::new(), "not everything was asked for");
        self.asked.lock().unwrap().clone()
    }
}

fn aws_smithy_async_sleep() -> aws_sdk_athena::config::SharedAsyncSleep {
    #[derive(Debug)]
    struct Sleep;
    impl aws_sdk_athena::config::AsyncSleep for Sleep {
        fn sleep(&self, duration: Duration) -> aws_sdk_athena::config::Sleep {
            aws_sdk_athena::config::Sleep::new(tokio::time::sleep(duration))
        }
    }
    aws_sdk_athena::config::SharedAsyncSleep::new(Sleep)
}

fn statement() -> Statement {
    Statement { token: Some("rule/window".to_owned()), ..Statement::new(Sql::code("SELECT a, b FROM t")) }
}

fn started() -> Exchange {
    ("StartQueryExecution", 200, json!({"QueryExecutionId": "q-1"}))
}

fn execution(state: &str, scanned: u64) -> Exchange {
    (
        "GetQueryExecution",
        200,
        json!({"QueryExecution": {
            "QueryExecutionId": "q-1", "WorkGroup": "detections", "Status": {"State": state},
            "ResultConfiguration": {"OutputLocation": "s3://results/q-1.csv"},
            "Statistics": {"DataScannedInBytes": scanned, "TotalExecutionTimeInMillis": 1500},
        }}),
    )
}

fn ended(state: &str, reason: &str) -> Exchange {
    let (operation, status, mut body) = execution(state, 99);
    body["QueryExecution"]["Status"]["StateChangeReason"] = json!(reason);
    (operation, status, body)
}

fn results(rows: &[[Option<&str>; 2]], next: Option<&str>) -> Exchange {
    let datum = |text: &Option<&str>| text.map_or(json!({}), |text| json!({"VarCharValue": text}));
    let rows: Vec<Value> = rows.iter().map(|row| json!({"Data": row.iter().map(datum).collect::<Vec<_>>()})).collect();
    let column =
        |name: &str, kind: &str| json!({"Name": name, "Label": name, "Type": kind, "Precision": 0, "Scale": 0});
    (
        "GetQueryResults",
        200,
        json!({
            "NextToken": next,
            "ResultSet": {
                "Rows": rows,
                "ResultSetMetadata": {"ColumnInfo": [column("a", "varchar"), column("b", "bigint")]},
            },
        }),
    )
}

const HEADER: [Option<&str>; 2] = [Some("a"), Some("b")];

#[tokio::test]
async fn a_statement_is_run_to_its_end_and_its_answer_is_typed() {
    let script = Script::of([
        started(),
        execution("QUEUED", 0),
        execution("RUNNING", 10),
        execution("SUCCEEDED", 2048),
        // A row that equals the header is a row on later pages, and on the first page after the header.
        results(&[HEADER, [Some("x"), Some("1")], [Some("a"), None]], Some("more")),
        results(&[[None, Some("3")]], None),
    ]);
    let settings = AthenaSettings {
        workgroup: Some("detections".to_owned()),
        output_location: Some("s3://results/".to_owned()),
        catalog: None,
        databases: vec!["lake".to_owned()],
        reuse_results: Some(Duration::from_secs(3600)),
    };

    let answer = script.athena(settings).run(&statement()).await.unwrap();

    let column = |name: &str, column_type| Column { name: name.to_owned(), column_type };
    assert_eq!(answer.columns, [column("a", ColumnType::Varchar), column("b", ColumnType::Bigint)]);
    assert_eq!(answer.rows, [[json!("x"), json!(1)], [json!("a"), Value::Null], [Value::Null, json!(3)]]);
    assert_eq!(answer.query_id, "q-1");
    assert_eq!(answer.statistics.scanned_bytes, 2048);
    assert_eq!(answer.statistics.duration, Duration::from_millis(1500));
    let asked = script.asked();
    let mut start = asked[0].clone();
    let token = start.as_object_mut().unwrap().remove("ClientRequestToken").unwrap();
    assert!((32..=128).contains(&token.as_str().unwrap().len()), "{token}");
    assert_eq!(
        start,
        json!({
            "QueryString": "SELECT a, b FROM t",
            "WorkGroup": "detections",
            "QueryExecutionContext": {"Database": "lake"},
            "ResultConfiguration": {"OutputLocation": "s3://results/"},
            "ResultReuseConfiguration": {"ResultReuseByAgeConfiguration": {"Enabled": true, "MaxAgeInMinutes": 60}},
        })
    );
    assert_eq!(asked[4], json!({"QueryExecutionId": "q-1", "MaxResults": 1000}));
    assert_eq!(asked[5], json!({"QueryExecutionId": "q-1", "MaxResults": 1000, "NextToken": "more"}));
}

#[tokio::test]
async fn the_same_statement_and_token_are_the_same_query() {
    let script = Script::of(std::iter::repeat_n(started(), 4));
    let athena = script.athena(AthenaSettings::default());

    athena.start(&statement()).await.unwrap();
    athena.start(&statement()).await.unwrap();
    athena.start(&Statement { token: Some("rule/next window".to_owned()), ..statement() }).await.unwrap();
    // Athena refuses a known token with another statement.
    athena.start(&Statement { sql: Sql::code("SELECT 1"), ..statement() }).await.unwrap();

    let tokens: Vec<Value> = script.asked().into_iter().map(|asked| asked["ClientRequestToken"].clone()).collect();
    assert_eq!(tokens[0], tokens[1]);
    assert_ne!(tokens[0], tokens[2]);
    assert_ne!(tokens[0], tokens[3]);
}

#[tokio::test]
async fn a_query_that_reads_more_than_it_may_is_stopped() {
    let script = Script::of([
        started(),
        execution("RUNNING", 1000),
        execution("RUNNING", 1001),
        ("StopQueryExecution", 200, json!({})),
    ]);
    let statement = Statement { max_scanned_bytes: Some(1000), ..statement() };

    let error = script.athena(AthenaSettings::default()).run(&statement).await.unwrap_err();

    assert_eq!(error, QueryError::OverBudget { scanned: 1001, limit: 1000 });
    assert_eq!(script.asked()[3], json!({"QueryExecutionId": "q-1"}));
}

#[tokio::test]
async fn a_query_that_has_not_ended_at_its_timeout_is_stopped_and_not_asked_for_again() {
    let script = Script::of([started(), execution("RUNNING", 1000), ("StopQueryExecution", 200, json!({}))]);
    let statement = Statement { timeout: Some(std::time::Duration::ZERO), ..statement() };

    let error = script.athena(AthenaSettings::default()).run(&statement).await.unwrap_err();

    assert_eq!(error, QueryError::TimedOut { after: std::time::Duration::ZERO });
    assert_eq!(script.asked().len(), 3);
    assert_eq!(script.asked()[2], json!({"QueryExecutionId": "q-1"}));
}

#[tokio::test]
async fn the_workgroups_limit_is_named_when_it_stopped_a_query() {
    let script = Script::of([
        ended("CANCELLED", "Query cancelled! : Bytes scanned limit was exceeded"),
        (
            "GetWorkGroup",
            200,
            json!({"WorkGroup": {
                "Name": "detections", "Configuration": {"BytesScannedCutoffPerQuery": 50},
            }}),
        ),
    ]);

    let execution = script.athena(AthenaSettings::default()).status(&QueryId::new("q-1")).await.unwrap();

    assert_eq!(execution.state, State::Ended(QueryError::OverBudget { scanned: 99, limit: 50 }));
    assert_eq!(script.asked()[1], json!({"WorkGroup": "detections"}));
}

#[tokio::test]
async fn how_a_query_ended_is_told_apart() {
    for (exchange, expected) in [
        (ended("FAILED", "SYNTAX_ERROR: line 1:1"), QueryError::Invalid("SYNTAX_ERROR: line 1:1".to_owned())),
        (ended("FAILED", "DIVISION_BY_ZERO: no"), QueryError::Failed("DIVISION_BY_ZERO: no".to_owned())),
        (ended("CANCELLED", "by user"), QueryError::Cancelled("by user".to_owned())),
    ] {
        let athena = Script::of([exchange]).athena(AthenaSettings::default());
        let execution = athena.status(&QueryId::new("q-1")).await.unwrap();
        assert_eq!(execution.state, State::Ended(expected.clone()));
        assert_eq!(execution.workgroup.as_deref(), Some("detections"));
        assert_eq!(execution.output_location.as_deref(), Some("s3://results/q-1.csv"));
        assert_eq!(athena.answer(&execution).await.unwrap_err(), expected);
    }
}

#[tokio::test]
async fn a_refused_request_is_invalid_and_a_busy_athena_unavailable() {
    let refused = |status, code: &str| ("StartQueryExecution", status, json!({"__type": code, "message": "why"}));
    for (exchange, expected) in [
        (refused(400, "InvalidRequestException"), QueryError::Invalid("why".to_owned())),
        (
            refused(400, "TooManyRequestsException"),
            QueryError::Unavailable("StartQueryExecution: TooManyRequestsException: why".to_owned()),
        ),
        (
            refused(400, "AccessDeniedException"),
            QueryError::Unavailable("StartQueryExecution: AccessDeniedException: why".to_owned()),
        ),
        (
            refused(500, "InternalServerException"),
            QueryError::Unavailable("StartQueryExecution: InternalServerException: why".to_owned()),
        ),
    ] {
        let script = Script::of([exchange]);
        let error = script.athena(AthenaSettings::default()).start(&statement()).await.unwrap_err();
        assert_eq!(error, expected);
        script.asked();
    }
}

#[tokio::test]
async fn a_part_of_a_result_is_read_as_far_as_it_goes() {
    let pages = || {
        [
            results(&[HEADER, [Some("r0"), None], [Some("r1"), None]], Some("2")),
            results(&[[Some("r2"), None], [Some("r3"), None]], Some("3")),
            results(&[[Some("r4"), None]], None),
        ]
    };
    for (offset, length, expected, asked) in [
        (0, 2, &["r0", "r1"][..], 1),
        (1, 2, &["r1", "r2"], 2),
        (3, 10, &["r3", "r4"], 3),
        (9, 1, &[], 3),
        (0, 0, &[], 1),
    ] {
        let script = Script::of(pages().into_iter().take(asked));
        let page = script.athena(AthenaSettings::default()).rows(&QueryId::new("q-1"), offset, length).await.unwrap();
        let rows: Vec<&str> = page.rows.iter().map(|row| row[0].as_str().unwrap()).collect();
        assert_eq!(rows, expected, "{offset} {length}");
        script.asked();
    }
}

#[tokio::test]
async fn tables_are_known_by_their_columns_and_layouts() {
    let column = |name: &str, kind: &str| json!({"Name": name, "Type": kind});
    let hive = json!({
        "Name": "windows_sysmon",
        "Columns": [
            column("time", "bigint"), column("class_uid", "int"), column("metadata", "struct<version:string>"),
            column("odd", "interval_day_time"),
        ],
        "PartitionKeys": [column("region", "string"), column("accountid", "string"), column("eventday", "string")],
    });
    let iceberg = json!({
        "Name": "amazon_security_lake_table_eu_central_1_vpc_flow_2_0",
        "Parameters": {"table_type": "ICEBERG"},
        "Columns": [
            column("time", "bigint"), column("time_dt", "timestamp"), column("class_uid", "int"),
            column("metadata", "struct<version:string>"),
        ],
    });
    let flow = json!({"Name": "flow", "Columns": [column("srcaddr", "string"), column("dstaddr", "string")]});
    let script = Script::of([
        ("ListTableMetadata", 200, json!({"TableMetadataList": [hive, iceberg], "NextToken": "more"})),
        ("ListTableMetadata", 200, json!({"TableMetadataList": [flow]})),
    ]);
    let settings = AthenaSettings { databases: vec!["lake".to_owned()], ..AthenaSettings::default() };

    let tables = script.athena(settings).tables().await.unwrap();

    let seen: Vec<_> = tables.iter().map(|table| (table.layout, table.dialect.as_str())).collect();
    assert_eq!(seen, [(Layout::EventDay, "ocsf"), (Layout::TimeDt, "ocsf"), (Layout::Plain, "vpcflow")]);
    let names: Vec<&str> = tables[0].columns.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["time", "class_uid", "metadata", "region", "accountid", "eventday"]);
    assert_eq!(tables[0].columns[2].1, ColumnType::Row(vec![("version".to_owned(), ColumnType::Varchar)]));
    assert_eq!(tables[0].database, "lake");
    let asked = script.asked();
    assert_eq!(asked[0], json!({"CatalogName": "AwsDataCatalog", "DatabaseName": "lake"}));
    assert_eq!(asked[1]["NextToken"], "more");
}
