use crate::support::{Folder, hold, run, sysmon};

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
    let row = serde_json::json!({"class_uid": 4003, "events": events, "nothing": null, "empty": "", "odd": "a,\"b\""});
    assert_eq!(query("json").json(), serde_json::json!([row]));
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
    assert!(stopped.stderr.contains("of 100 allowed"), "{}", stopped.stderr);
}

#[test]
fn tables_are_listed_with_their_columns() {
    let folder = Folder::new();
    let lake = lake(&folder);
    let tables = run(0, &["query", "--lake", &lake, "--tables", "--format", "json"]).json();
    let dns = tables.as_array().unwrap().iter().find(|table| table["name"] == "windows_sysmon_4003").unwrap();
    let columns = dns["columns"].as_array().unwrap();
    let column = |name: &str| columns.iter().find(|column| column["name"] == name).unwrap()["type"].clone();
    assert_eq!(column("time"), "bigint");
    assert_eq!(column("eventday"), "varchar");
    assert!(column("query").as_str().unwrap().starts_with("row("));
}

#[test]
fn tables_of_a_mapping_are_declared_for_athena() {
    let shared = ["ddl", "--mapping", "aws-network-firewall", "--location", "s3://lake", "--region", "eu-central-1"];
    hold("ddl/aws-network-firewall.txt", &run(0, &[&shared[..], &["--account", "external"]].concat()).stdout);
    let injected = run(0, &shared).stdout;
    assert!(injected.contains("'projection.accountid.type' = 'injected'"), "{injected}");
}
