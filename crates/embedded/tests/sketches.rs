//! The shapes of generated SQL run: over small own tables always, and all of `stix-sql-sketches.json` where that file is.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by a panic, its helpers too")]

use embedded::Embedded;
use query::{Engine, Statement};
use serde_json::Value;
use sql::table::{Layout, Table};
use sql::text::Sql;

async fn with_rows(engine: Embedded, database: &str, name: &str, rows: &str) -> Embedded {
    let statement = Statement::new(Sql::of_author(rows));
    let columns = engine.run(&statement).await.unwrap().columns;
    let (_, batches, _) = engine.run_arrow(&statement).await.unwrap();
    let table = Table {
        database: database.to_owned(),
        name: name.to_owned(),
        columns: columns.into_iter().map(|column| (column.name, column.column_type)).collect(),
        layout: Layout::Plain,
        dialect: "ocsf".to_owned(),
    };
    engine.with_table(table, batches).unwrap()
}

const OBSERVATIONS: &str = "SELECT * FROM (VALUES
    (1, BIGINT '0', 1, TRUE, FALSE, FALSE), (2, BIGINT '1000', 1, FALSE, TRUE, FALSE),
    (3, BIGINT '9000', 2, TRUE, FALSE, TRUE), (4, BIGINT '20000', 1, FALSE, TRUE, FALSE)) AS t(id, t, w, a, b, c)";

const EVENTS: &str = r#"SELECT BIGINT '1704070000000' AS time, TIMESTAMP '2024-01-01 01:00:00.000' AS time_dt,
    'us-east-1' AS region, '123456789012' AS accountid, '20240101' AS eventday,
    CAST(ROW('198.51.100.9', 4000) AS row(ip varchar, port integer)) AS src_endpoint,
    CAST(ROW('198.51.100.7', 22) AS row(ip varchar, port integer)) AS dst_endpoint,
    CAST(ARRAY[ROW('x', 'o', 'AWS::S3::Bucket')] AS array(row(uid varchar, owner varchar, type varchar))) AS resources,
    CAST(ROW(ARRAY['198.51.100.1']) AS row(x_forwarded_for array(varchar))) AS http_request,
    CAST(ARRAY[ROW(ARRAY[ROW(ARRAY[ROW(9.8E0)])])]
        AS array(row(cves array(row(cvss array(row(base_score double))))))) AS malware,
    CAST(ROW('a (encoded) it''s', ROW(ARRAY[ROW(3, 'ABC')]))
        AS row(cmd_line varchar, file row(hashes array(row(algorithm_id integer, value varchar))))) AS process,
    CAST(ROW(ARRAY[ROW(ROW(ROW('x')))])
        AS row(authorizations array(row(policy row("group" row(name varchar)))))) AS actor,
    CAST(ARRAY[ROW(2, '198.51.100.7')] AS array(row(type_id integer, value varchar))) AS observables,
    CAST(ROW('GetObject') AS row(operation varchar)) AS api"#;

async fn engine() -> Embedded {
    let engine = with_rows(Embedded::in_memory(), "sluice", "obs", OBSERVATIONS).await;
    let engine = with_rows(engine, "sluice", "t", EVENTS).await;
    let engine = with_rows(engine, "db", "t", EVENTS).await;
    let lake = "amazon_security_lake_glue_db_us_east_1";
    let engine = with_rows(engine, lake, "amazon_security_lake_table_us_east_1_vpc_flow_2_0", EVENTS).await;
    with_rows(engine, lake, "amazon_security_lake_table_us_east_1_cloud_trail_mgmt_2_0", EVENTS).await
}

async fn rows(engine: &Embedded, sql: &str) -> Vec<Vec<Value>> {
    match engine.run(&Statement::new(Sql::of_author(sql))).await {
        Ok(answer) => answer.rows,
        Err(error) => panic!("{error}\n{sql}"),
    }
}

#[tokio::test]
async fn predicates_over_nested_columns_find_their_row() {
    let engine = engine().await;
    for (condition, found) in [
        ("any_match(resources, r -> r.uid = 'x' AND r.type = 'AWS::S3::Bucket')", true),
        ("any_match(resources, r -> r.uid = 'x' AND r.type = 'other')", false),
        ("any_match(malware, m -> any_match(m.cves, c -> any_match(c.cvss, s -> s.base_score > 7.5)))", true),
        ("any_match(process.file.hashes, h -> h.algorithm_id = 3 AND lower(h.value) = 'abc')", true),
        ("element_at(http_request.x_forwarded_for, 1) = '198.51.100.1'", true),
        (
            "TRY_CAST(src_endpoint.ip AS IPADDRESS) BETWEEN IPADDRESS '198.51.100.0' AND IPADDRESS '198.51.100.255'",
            true,
        ),
        ("TRY_CAST(src_endpoint.ip AS IPADDRESS) BETWEEN IPADDRESS '10.0.0.0' AND IPADDRESS '10.255.255.255'", false),
        (r#"any_match("actor"."authorizations", a -> a."policy"."group"."name" = 'x')"#, true),
        (r#""src_endpoint"."port" = 4000 AND "t"."dst_endpoint"."port" = 22"#, true),
        ("process.cmd_line LIKE '%(encoded)%' AND regexp_like(process.cmd_line, 'it''s')", true),
        ("any_match(resources, r -> r.uid = src_endpoint.ip)", false),
    ] {
        let got = rows(&engine, &format!("SELECT 1 FROM t WHERE {condition}")).await;
        assert_eq!(!got.is_empty(), found, "{condition}");
    }
}

#[tokio::test]
async fn rows_leave_as_json_objects() {
    let engine = engine().await;
    let got =
        rows(&engine, "SELECT json_format(CAST(src_endpoint AS JSON)), json_format(CAST(process AS JSON)) FROM t")
            .await;
    assert_eq!(got[0][0], r#"{"ip":"198.51.100.9","port":4000}"#);
    assert_eq!(got[0][1], r#"{"cmd_line":"a (encoded) it's","file":{"hashes":[{"algorithm_id":3,"value":"ABC"}]}}"#);
}

#[tokio::test]
async fn all_sketches_run() {
    let Some(text) = vectors::read("stix-sql-sketches.json") else { return };
    let sketches: Value = serde_json::from_slice(&text).unwrap();
    let engine = engine().await;
    let mut ran = 0;
    for kind in ["shapes", "sketches"] {
        for (name, sql) in sketches[kind].as_object().unwrap() {
            let result = engine.run(&Statement::new(Sql::of_author(sql.as_str().unwrap()))).await;
            match name.as_str() {
                // Two columns of one name, of which Trino says the same.
                "and-same" => assert!(result.unwrap_err().to_string().contains("Column 'm1' is ambiguous")),
                _ => assert!(result.is_ok(), "{name}: {}", result.unwrap_err()),
            }
            ran += 1;
        }
    }
    eprintln!("{ran} sketches");
    assert!(ran >= 25);
    let followed = sketches["shapes"]["followedby-within"].as_str().unwrap();
    assert_eq!(rows(&engine, followed).await, [[Value::from(1)], [Value::from(2)]]);
}
