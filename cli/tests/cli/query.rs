use serde_json::json;

use crate::support::{Folder, Service, hold, run, sysmon};

/// The path of a lake of some Sysmon events.
pub(crate) fn lake(folder: &Folder) -> String {
    let file = folder.write("log", sysmon(90));
    let lake = folder.path("lake");
    run(0, &["ingest", "--lake", &lake, "--mapping", "windows-sysmon", &file]);
    lake
}

#[test]
fn a_lake_answers_sql_in_every_format() {
    let folder = Folder::new();
    let lake = lake(&folder);
    let sql = "SELECT class_uid, count(*) AS events, CAST(NULL AS varchar) AS nothing, '' AS empty, 'a,\"b\"' AS odd \
               FROM windows_sysmon_4003 GROUP BY class_uid";
    let query = |format: &str| run(0, &["query", "--lake", &lake, "--format", format, sql]);
    let events = query("json").json()[0]["events"].as_u64().unwrap();
    assert!(events > 0);
    let row = json!({"class_uid": 4003, "events": events, "nothing": null, "empty": "", "odd": "a,\"b\""});
    assert_eq!(query("json").json(), json!([row]));
    assert_eq!(query("ndjson").lines(), [row]);
    let csv = format!("class_uid,events,nothing,empty,odd\n4003,{events},,\"\",\"a,\"\"b\"\"\"\n");
    assert_eq!(query("csv").stdout, csv);
    assert!(query("table").stdout.starts_with("class_uid  events"), "{}", query("table").stdout);
}

#[test]
fn a_query_is_read_from_a_file_or_standard_input_and_may_end_in_a_semicolon() {
    let folder = Folder::new();
    let lake = lake(&folder);
    let file = folder.write("query.sql", "SELECT 7 / 2 AS half;\n");
    assert_eq!(run(0, &["query", "--lake", &lake, "--format", "csv", "--file", &file]).stdout, "half\n3\n");
    let mut command = crate::support::sluice(&["query", "--lake", &lake, "--format", "csv", "-"]);
    command.write_stdin("SELECT 1 AS one");
    assert_eq!(crate::support::Run::of(command).ends_with(0).stdout, "one\n1\n");
}

#[test]
fn sql_that_is_refused_ends_with_2_and_says_why() {
    let folder = Folder::new();
    let lake = lake(&folder);
    for (sql, part) in [
        ("SELECT nme FROM windows_sysmon_4003", "nme"),
        ("SELECT 1 FROM no_such_table", "no_such_table"),
        ("SELECT", ""),
        ("SELECT 1 / 0", "zero"),
    ] {
        let refused = run(2, &["query", "--lake", &lake, sql]);
        assert_eq!(refused.stdout, "");
        assert!(refused.stderr.contains(part), "{}", refused.stderr);
    }
}

#[test]
fn a_query_stops_when_it_reads_more_than_it_may() {
    let folder = Folder::new();
    let lake = lake(&folder);
    let sql = "SELECT * FROM windows_sysmon_1007";
    let stopped = run(3, &["query", "--lake", &lake, "--max-scanned", "100B", sql]);
    assert!(stopped.stderr.contains("its limit is 100"), "{}", stopped.stderr);
}

#[test]
fn tables_are_listed_with_source_rows_days_and_columns() {
    let folder = Folder::new();
    let lake = lake(&folder);
    let tables = run(0, &["query", "--lake", &lake, "--tables", "--format", "json"]).json();
    let dns = tables.as_array().unwrap().iter().find(|table| table["name"] == "windows_sysmon_4003").unwrap();
    let columns = dns["columns"].as_array().unwrap();
    let column = |name: &str| columns.iter().find(|column| column["name"] == name).unwrap()["type"].clone();
    assert_eq!(column("time"), "bigint");
    assert_eq!(column("eventday"), "varchar");
    assert!(column("query").as_str().unwrap().starts_with("row("));
    let sql = "SELECT count(*) AS n, min(date(from_unixtime(time / 1000))) AS day FROM windows_sysmon_4003";
    let row = run(0, &["query", "--lake", &lake, "--format", "json", sql]).json()[0].clone();
    assert_eq!(dns["rows"], row["n"]);
    assert_eq!(dns["first_day"], row["day"]);
    assert!(dns["sources"].as_array().unwrap().contains(&json!("windows-sysmon")), "{}", dns["sources"]);

    let listed = run(0, &["query", "--lake", &lake, "--tables"]).stdout;
    let line = listed.lines().find(|line| line.starts_with("sluice.windows_sysmon_4003 ")).unwrap();
    let day = row["day"].as_str().unwrap();
    let rest: Vec<&str> = line.split_whitespace().skip(1).take(4).collect();
    assert_eq!(rest, ["windows-sysmon", &row["n"].to_string(), day, day]);
    let csv = run(0, &["query", "--lake", &lake, "--tables", "--format", "csv"]).stdout;
    let count = columns.len();
    let line = format!("sluice,windows_sysmon_4003,\"windows-sysmon\",{},{day},{day},{count}\n", row["n"]);
    assert!(csv.contains(&line), "{csv}");
}

#[test]
fn a_logical_table_is_read_by_each_of_its_names() {
    let folder = Folder::new();
    let lake = lake(&folder);
    let events = |from: &str| {
        let sql = format!("SELECT class_uid, count(*) AS n FROM {from} GROUP BY 1 ORDER BY 1");
        run(0, &["query", "--lake", &lake, "--format", "json", &sql]).json()
    };
    let whole = events("{{windows-sysmon}}");
    let classes = whole.as_array().unwrap();
    assert!(classes.len() > 3, "{whole}");
    assert_eq!(classes.iter().map(|class| class["n"].as_u64().unwrap()).sum::<u64>(), 90);
    for name in ["windows_sysmon", "\"windows-sysmon\"", "sluice.windows_sysmon w", "{{windows-sysmon}} AS w"] {
        assert_eq!(events(name), whole, "{name}");
    }
    let dns = classes.iter().find(|class| class["class_uid"] == 4003).unwrap();
    assert_eq!(events("{{class:dns_activity}}"), json!([dns]));
    assert_eq!(events("{{aws-alb}}"), json!([]), "a shipped source without events");

    let unknown = run(2, &["query", "--lake", &lake, "SELECT 1 FROM {{windows-sysmo}}"]);
    assert!(
        unknown.stderr.contains("`windows-sysmo`") && unknown.stderr.contains("windows-sysmon"),
        "{}",
        unknown.stderr
    );
}

#[test]
fn a_range_of_time_bounds_logical_tables_only() {
    let folder = Folder::new();
    let lake = lake(&folder);
    let count = |code, since: &str, from: &str| {
        let sql = format!("SELECT count(*) AS n FROM {from}");
        run(code, &["query", "--lake", &lake, "--since", since, "--format", "json", &sql])
    };
    assert_eq!(count(0, "2020-01-01", "{{windows-sysmon}} WHERE {{window}}").json()[0]["n"], 90);
    assert_eq!(count(0, "2100-01-01", "windows_sysmon").json()[0]["n"], 0);
    let physical = count(2, "2020-01-01", "windows_sysmon_4003");
    assert!(physical.stderr.contains("`windows_sysmon_4003` is a physical one"), "{}", physical.stderr);
}

#[test]
fn show_describe_and_explain_answer_in_every_format() {
    let folder = Folder::new();
    let lake = lake(&folder);
    let rows = |sql: &str| run(0, &["query", "--lake", &lake, "--format", "ndjson", sql]).lines();
    let tables = rows("SHOW TABLES LIKE 'windows%'");
    let row = |table: &str, kind: &str| json!({"table": table, "kind": kind, "source": "windows-sysmon"});
    assert!(tables.contains(&row("windows_sysmon_4003", "table")), "{tables:?}");
    assert!(tables.contains(&row("windows-sysmon", "logical")), "{tables:?}");
    assert_eq!(rows("SHOW TABLES FROM elsewhere"), [0; 0]);
    assert_eq!(rows("SHOW SCHEMAS"), [json!({"schema": "sluice"})]);

    let described = rows("DESCRIBE windows_sysmon_4003");
    assert!(described.contains(&json!({"column": "time", "type": "bigint", "extra": ""})));
    assert!(described.contains(&json!({"column": "eventday", "type": "varchar", "extra": "partition key"})));
    let of_all = rows("DESCRIBE {{windows-sysmon}}");
    assert!(described.iter().all(|column| of_all.iter().any(|other| other["column"] == column["column"])));
    assert!(of_all.len() > described.len());
    let table = run(0, &["query", "--lake", &lake, "SHOW COLUMNS FROM sluice.windows_sysmon_4003"]).stdout;
    assert!(table.starts_with("column "), "{table}");
    let unknown = run(2, &["query", "--lake", &lake, "DESCRIBE windows_sysmon_4004"]);
    assert!(unknown.stderr.contains("windows_sysmon_4004"), "{}", unknown.stderr);

    let plan =
        run(0, &["query", "--lake", &lake, "EXPLAIN SELECT time FROM windows_sysmon WHERE eventday = '20250303'"]);
    assert!(plan.stdout.contains("eventDay=20250303"), "{}", plan.stdout);
    assert_eq!(rows("EXPLAIN SELECT 1").len(), 1);
    let wrong = run(2, &["query", "--lake", &lake, "EXPLAIN SELECT nme FROM windows_sysmon_4003"]);
    assert!(wrong.stderr.contains("line 1:16"), "{}", wrong.stderr);
    let unsupported = run(2, &["query", "--lake", &lake, "SHOW FUNCTIONS"]);
    assert!(unsupported.stderr.contains("write SHOW TABLES"), "{}", unsupported.stderr);
}

#[test]
fn views_of_a_session_file_are_read_by_the_statements_after_them() {
    let folder = Folder::new();
    let lake = lake(&folder);
    let session = folder.write(
        "session.sql",
        "-- the session; of a day\nCREATE VIEW names (name) AS SELECT query.hostname FROM {{class:dns_activity}};\n\
         CREATE VIEW many AS SELECT name, count(*) AS n FROM names GROUP BY name;\nSELECT sum(n) AS n FROM many;\n",
    );
    let counted = run(0, &["query", "--lake", &lake, "--format", "csv", "--file", &session]).stdout;
    let direct =
        run(0, &["query", "--lake", &lake, "--format", "csv", "SELECT count(*) AS n FROM windows_sysmon_4003"]);
    assert_eq!(counted, direct.stdout);

    let views =
        folder.write("views.sql", "CREATE VIEW names AS SELECT query.hostname AS name FROM windows_sysmon_4003");
    let with_views =
        |code, sql: &str| run(code, &["query", "--lake", &lake, "--init", &views, "--format", "ndjson", sql]);
    assert_eq!(with_views(0, "DESCRIBE names").lines()[0]["column"], "name");
    assert_eq!(with_views(0, "SHOW TABLES LIKE 'names'").lines()[0]["kind"], "view");
    let two = with_views(0, "SELECT 1 AS a; SELECT name FROM names LIMIT 1").lines();
    assert_eq!((two.len(), &two[0]["a"]), (2, &json!(1)));
    let both = run(3, &["query", "--lake", &lake, "--format", "json", "SELECT 1; SELECT 2"]);
    assert!(both.stderr.contains("2 statements return rows"), "{}", both.stderr);
    let no_view = run(3, &["query", "--lake", &lake, "--init", &session, "SELECT 1"]);
    assert!(no_view.stderr.contains("line 4: --init accepts only CREATE VIEW"), "{}", no_view.stderr);
}

#[test]
fn a_fault_is_shown_where_the_author_wrote_it() {
    let folder = Folder::new();
    let lake = lake(&folder);
    let file =
        folder.write("s.sql", "CREATE VIEW v AS\n  SELECT nme FROM {{class:dns_activity}};\n\nSELECT\n  1 FROM v;");
    let in_view = run(2, &["query", "--lake", &lake, "--file", &file]);
    assert!(in_view.stderr.contains("line 1:8 of the view `v`"), "{}", in_view.stderr);
    let file = folder.write("t.sql", "SELECT 1;\n\n  SELECT time,\n    nme FROM {{windows-sysmon}};");
    let in_query = run(2, &["query", "--lake", &lake, "--file", &file]);
    assert!(in_query.stderr.contains("t.sql: ") && in_query.stderr.contains("line 4:5"), "{}", in_query.stderr);
}

#[test]
fn arrays_maps_and_rows_are_json_in_json() {
    let folder = Folder::new();
    let lake = lake(&folder);
    let sql = "SELECT ARRAY[1, NULL] AS a, MAP(ARRAY['k', 'a=b'], ARRAY[ARRAY['x, y'], NULL]) AS m, \
               CAST(ROW(1, 'a', TIMESTAMP '2024-01-01 00:00:00') AS row(n integer, s varchar, t timestamp)) AS r, \
               JSON '{\"a\": [1, {\"b\": null}]}' AS j, ROW(1.5e0, JSON '[2]') AS f, DECIMAL '1.50' AS d, \
               CAST(NULL AS array(integer)) AS nothing";
    let expected = json!({
        "a": [1, null], "m": {"k": ["x, y"], "a=b": null},
        "r": {"n": 1, "s": "a", "t": "2024-01-01 00:00:00.000"},
        "j": {"a": [1, {"b": null}]}, "f": {"field0": 1.5, "field1": [2]}, "d": "1.50", "nothing": null,
    });
    assert_eq!(run(0, &["query", "--lake", &lake, "--format", "json", sql]).json(), json!([expected]));
    assert_eq!(run(0, &["query", "--lake", &lake, "--format", "ndjson", sql]).lines(), [expected]);
    let process = "SELECT actor FROM windows_sysmon_1007 WHERE actor.process.name IS NOT NULL LIMIT 1";
    let row = &run(0, &["query", "--lake", &lake, "--format", "ndjson", process]).lines()[0];
    assert!(row["actor"]["process"]["name"].is_string(), "{row}");
    // Athena's form in text.
    let csv = run(0, &["query", "--lake", &lake, "--format", "csv", "SELECT ARRAY[1, NULL] AS a"]).stdout;
    assert_eq!(csv, "a\n\"[1, null]\"\n");
}

#[test]
fn nothing_is_cut_in_a_pipe() {
    let folder = Folder::new();
    let lake = lake(&folder);
    let long = "x".repeat(500);
    let shown = run(0, &["query", "--lake", &lake, &format!("SELECT 1 AS n, '{long}' AS long, '{long}' AS more")]);
    assert_eq!(shown.stdout.matches(&long).count(), 2);
    assert!(!shown.stderr.contains("cut"), "{}", shown.stderr);
}

#[test]
fn a_query_that_begins_with_a_comment_is_a_query_wherever_it_comes_from() {
    let folder = Folder::new();
    let lake = lake(&folder);
    let sql = "-- one\nSELECT 1 AS one -- and done";
    let file = folder.write("query.sql", sql);
    let common = ["--lake", &lake, "--format", "csv"];
    for arguments in [
        [&["query"], &common[..], &[sql]].concat(),
        [&["query", sql], &common[..]].concat(),
        [&["query"], &common[..], &["--file", &file]].concat(),
    ] {
        assert_eq!(run(0, &arguments).stdout, "one\n1\n", "{arguments:?}");
    }
    for by_stdin in [&["-"][..], &["--file", "-"]] {
        let mut command = crate::support::sluice(&[&["query"], &common[..], by_stdin].concat());
        command.write_stdin(sql);
        assert_eq!(crate::support::Run::of(command).ends_with(0).stdout, "one\n1\n");
    }
    let mistyped = run(3, &["query", "--lake", &lake, "--formt"]);
    assert!(mistyped.stderr.contains("unknown option"), "{}", mistyped.stderr);
}

#[test]
fn an_empty_answer_says_which_days_the_lake_holds() {
    let folder = Folder::new();
    let lake = lake(&folder);
    let empty = |more: &[&str], from: &str| {
        let sql = format!("SELECT time FROM {from} WHERE time < 0");
        run(0, &[&["query", "--lake", &lake, "--format", "csv"], more, &[&sql]].concat())
    };
    let one = empty(&[], "windows_sysmon_4003");
    assert_eq!(one.stdout, "time\n");
    let holds = one.stderr.lines().last().unwrap();
    assert!(holds.starts_with("no rows: windows_sysmon_4003 holds 3 rows of 2025-03-0"), "{holds}");
    assert!(empty(&[], "windows_sysmon").stderr.contains(" tables hold 90 rows "));
    assert!(empty(&[], "{{aws-alb}}").stderr.contains("the lake has no table of `aws-alb` yet"));
    assert_eq!(empty(&["--quiet"], "windows_sysmon_4003").stderr, "");
    let found = run(0, &["query", "--lake", &lake, "SELECT count(*) FROM windows_sysmon_4003"]);
    assert!(!found.stderr.contains("no rows"));
}

#[test]
fn tables_of_a_mapping_are_declared_for_athena() {
    let shared = ["ddl", "--mapping", "aws-network-firewall", "--location", "s3://lake", "--region", "eu-central-1"];
    hold("ddl/aws-network-firewall.txt", &run(0, &[&shared[..], &["--account", "external"]].concat()).stdout);
    let injected = run(0, &shared).stdout;
    assert!(injected.contains("'projection.accountid.type' = 'injected'"), "{injected}");
}

/// Athena with a database of two tables of one source, or that may not list them. Every query gives a row.
fn athena(lists: bool) -> Service {
    let table = |name: &str| {
        let column = |name: &str, kind: &str| json!({"Name": name, "Type": kind});
        json!({"Name": name, "Columns": [column("time", "bigint"), column("url", "string")]})
    };
    Service::start(move |operation, _| match operation {
        "ListTableMetadata" if lists => {
            (200, json!({"TableMetadataList": [table("web_shop_4002"), table("web_shop_3002")]}))
        }
        "ListTableMetadata" => (400, json!({"__type": "AccessDeniedException", "Message": "not yours"})),
        "StartQueryExecution" => (200, json!({"QueryExecutionId": "query-1"})),
        "GetQueryExecution" => {
            let execution = json!({"QueryExecutionId": "query-1", "Status": {"State": "SUCCEEDED"}});
            (200, json!({"QueryExecution": execution}))
        }
        _ => {
            let info = json!([{"Name": "n", "Type": "json", "Label": "n"}]);
            let rows = json!([{"Data": [{"VarCharValue": "n"}]}, {"Data": [{"VarCharValue": "{\"a\":[1]}"}]}]);
            (200, json!({"ResultSet": {"ResultSetMetadata": {"ColumnInfo": info}, "Rows": rows}}))
        }
    })
}

fn statements(service: &Service) -> Vec<String> {
    let started = service.requests().into_iter().filter(|(operation, _)| operation == "StartQueryExecution");
    started.map(|(_, body)| body["QueryString"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn athena_gets_one_statement_with_the_logical_tables_in_it() {
    let service = athena(true);
    let common = ["query", "--engine", "athena", "--database", "lake", "--format", "json"];
    let query = |sql: &str| service.run(0, &[&common[..], &[sql]].concat());
    let answer = query("CREATE VIEW shop AS SELECT url FROM {{web-shop}}; SELECT count(url) AS n FROM shop").json();
    assert_eq!(answer, json!([{"n": {"a": [1]}}]), "a document of type json is JSON");
    query("EXPLAIN SELECT 1");
    let started = statements(&service);
    let branch =
        |table: &str| format!("SELECT \"time\" AS \"time\", \"url\" AS \"url\" FROM \"lake\".\"{table}\" WHERE TRUE");
    let wanted = format!(
        "WITH \"web-shop\" AS ({} UNION ALL {}),\n\"shop\" AS (SELECT url FROM \"web-shop\"  \n)\n",
        branch("web_shop_4002"),
        branch("web_shop_3002")
    );
    assert!(started[0].starts_with(&wanted), "{}", started[0]);
    assert_eq!(started[1].split_whitespace().collect::<Vec<_>>(), ["EXPLAIN", "SELECT", "1"]);
    let described = query("DESCRIBE {{web-shop}}").json();
    assert_eq!(described[1], json!({"column": "url", "type": "varchar", "extra": ""}));
    assert_eq!(statements(&service).len(), 2, "a table is described without a query");
}

#[test]
fn who_may_not_list_tables_in_athena_may_query_them() {
    let service = athena(false);
    let common = ["query", "--engine", "athena", "--database", "lake"];
    let warned = service.run(0, &[&common[..], &["SELECT n FROM web_shop_4002"]].concat());
    assert!(warned.stderr.contains("not yours"), "{}", warned.stderr);
    let refused = service.run(3, &[&common[..], &["SELECT n FROM {{web-shop}}"]].concat());
    assert!(refused.stderr.contains("not yours"), "{}", refused.stderr);
}
