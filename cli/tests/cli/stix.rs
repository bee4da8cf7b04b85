use serde_json::json;

use crate::query::lake;
use crate::support::{Folder, Run, run, sluice};

#[test]
fn a_pattern_finds_its_rows_in_a_lake_and_they_become_a_bundle() {
    let folder = Folder::new();
    let lake = lake(&folder);
    let names = run(
        0,
        &[
            "query",
            "--lake",
            &lake,
            "--format",
            "ndjson",
            "SELECT query.hostname AS name, count(*) AS events FROM windows_sysmon_4003 GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 1",
        ],
    );
    let name = &names.lines()[0];
    let pattern = format!("[domain-name:value = '{}']", name["name"].as_str().unwrap());
    let arguments = ["stix", "run", "--lake", &lake, "--since", "2000-01-01", "--format", "ndjson", &pattern];
    let found = run(1, &arguments);
    assert_eq!(found.lines().len() as u64, name["events"].as_u64().unwrap(), "{}", found.stderr);
    assert_eq!(found.lines()[0]["leaves"], json!([1]));
    let mut command = sluice(&["stix", "bundle", "-"]);
    command.write_stdin(found.stdout.clone());
    let bundle = Run::of(command).ends_with(0).json();
    assert_eq!(bundle["type"], "bundle");
    let objects = bundle["objects"].as_array().unwrap();
    assert!(objects.iter().any(|object| object["type"] == "domain-name" && object["value"] == name["name"]));
    let observed = objects.iter().filter(|object| object["type"] == "observed-data").count();
    assert_eq!(observed, found.lines().len());
}

#[test]
fn a_pattern_is_translated_for_every_shipped_source_that_can_answer_it() {
    let arguments = ["stix", "translate", "--since", "2024-05-01", "--until", "2024-05-02", "--format", "json"];
    let translated = run(0, &[&arguments[..], &["[ipv4-addr:value = '198.51.100.7']"]].concat()).json();
    let translated = translated.as_array().unwrap();
    let names: Vec<_> = translated.iter().map(|one| one["name"].as_str().unwrap()).collect();
    assert!(names.contains(&"aws-cloudtrail") && names.contains(&"aws-vpc-flow"), "{names:?}");
    for one in translated {
        let sql = one["sql"].as_str().unwrap();
        assert!(sql.contains("'198.51.100.7'") && sql.contains("\"eventday\" BETWEEN"), "{one}");
    }
}

#[test]
fn a_pattern_is_translated_for_tables_by_name_or_by_their_columns() {
    let folder = Folder::new();
    let pattern = "[network-traffic:dst_port = 22]";
    let native = run(0, &["stix", "translate", "--for", "security-lake/vpc-flow", "--region", "eu-central-1", pattern]);
    assert!(native.stdout.contains("amazon_security_lake_table_eu_central_1_vpc_flow_2_0"), "{}", native.stdout);
    assert!(native.stdout.contains("e.\"time_dt\" >="), "{}", native.stdout);
    assert!(native.stderr.contains("no time is given: the last 24 hours"), "{}", native.stderr);
    let quiet =
        run(0, &["--quiet", "stix", "translate", "--for", "raw/guardduty", "[ipv4-addr:value = '198.51.100.7']"]);
    assert_eq!(quiet.stderr, "");
    let columns = folder.write(
        "columns.txt",
        "sourceaddress string\ndestinationaddress string\ndestinationport int\n\
                                starttime int\nday string\n",
    );
    let own = run(0, &["stix", "translate", "--columns", &columns, "--table", "logs.flow", "--since", "1d", pattern]);
    assert!(own.stdout.contains("FROM \"logs\".\"flow\" AS e"), "{}", own.stdout);
    assert!(own.stdout.contains("e.\"destinationport\" = 22") && own.stdout.contains("e.\"day\" BETWEEN"));
    assert!(!own.stdout.contains("dstport"), "{}", own.stdout);
    let unknown = run(3, &["stix", "translate", "--for", "nothing", pattern]);
    assert!(unknown.stderr.contains("there is no `nothing`; there are windows-sysmon"), "{}", unknown.stderr);
}

#[test]
fn an_end_alone_bounds_the_day_before_it() {
    let pattern = "[ipv4-addr:value = '198.51.100.7']";
    let arguments = ["stix", "translate", "--for", "aws-cloudtrail", "--until", "2024-05-02", pattern];
    let translated = run(0, &arguments);
    assert!(translated.stdout.contains("\"eventday\" BETWEEN '20240501' AND '20240501'"), "{}", translated.stdout);
    assert!(translated.stderr.contains("the 24 hours before --until"), "{}", translated.stderr);
    let json = run(0, &[&arguments[..], &["--format", "json"]].concat());
    assert!(json.stderr.contains("the 24 hours before --until"), "{}", json.stderr);
}

#[test]
fn statements_that_fit_one_by_one_are_no_error_because_all_together_do_not() {
    let addresses: Vec<String> = (0..1500).map(|n| format!("'10.0.{}.{}'", n / 250, n % 250 + 1)).collect();
    let pattern = format!("[ipv4-addr:value IN ({})]", addresses.join(", "));
    let translated = run(0, &["stix", "translate", "--since", "1d", &pattern]);
    assert!(translated.stdout.matches("SELECT").count() > 1);
    assert!(!translated.stderr.contains("error"), "{}", translated.stderr);
}

#[test]
fn a_part_that_no_row_can_satisfy_is_said_once_whatever_the_number_of_tables() {
    let said = run(0, &["stix", "translate", "--since", "1d", "[process:command_line LIKE '%-enc%']"]);
    assert_eq!(said.stderr.matches("warning").count(), 1, "{}", said.stderr);
    assert!(said.stderr.contains("more tables have no column for process:command_line"), "{}", said.stderr);
}

#[test]
fn objects_are_listed_with_the_columns_that_they_become() {
    let table = run(0, &["stix", "objects", "--dialect", "vpcflow", "network-traffic:dst_port"]);
    let line = table.stdout.lines().last().unwrap().split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(line, "vpcflow network-traffic:dst_port dstport or destinationport");
    let all = run(0, &["stix", "objects", "--format", "json"]).json();
    assert!(all.as_array().unwrap().iter().any(|one| one["dialect"] == "ocsf" && one["object"] == "ipv4-addr"));
    run(3, &["stix", "objects", "x-nobody"]);
}

#[test]
fn bundles_of_stix_2_0_are_matched_as_they_are_written() {
    let folder = Folder::new();
    let rows = folder.write("rows.ndjson", json!({"time": 1, "src_endpoint": {"ip": "198.51.100.7"}}).to_string());
    for version in ["2.0", "2.1"] {
        let bundle = run(0, &["stix", "bundle", "--stix-version", version, &rows]);
        let data = folder.write("bundle.json", bundle.stdout);
        let arguments = ["--quiet", "stix", "match", "--format", "ndjson", "[ipv4-addr:value = '198.51.100.7']"];
        let found = run(1, &[&arguments[..], &["--data", &data]].concat());
        assert_eq!((found.lines().len(), found.stderr.as_str()), (1, ""), "{version}");
    }
}

#[test]
fn a_pattern_that_is_refused_ends_with_2_and_shows_the_place() {
    let refused = run(2, &["stix", "translate", "--since", "1d", "[ipv4-addr:value = 198.51.100.7]"]);
    assert!(refused.stderr.contains("write '198.51.100.7'"), "{}", refused.stderr);
    let unmapped = run(2, &["stix", "translate", "--since", "1d", "[x-nobody:knows = 1]"]);
    assert!(unmapped.stderr.contains("x-nobody:knows"), "{}", unmapped.stderr);
}

#[test]
fn a_text_that_says_start_is_not_the_start_of_a_range() {
    let folder = Folder::new();
    let arguments = ["stix", "run", "--lake", &folder.path("lake"), "[file:name = 'START.exe']"];
    let refused = run(3, &arguments);
    assert!(refused.stderr.contains("`--since` is missing"), "{}", refused.stderr);
}

#[test]
fn a_pattern_matches_observed_data() {
    let folder = Folder::new();
    let observed = |id: &str, second: u32, value: &str| {
        let time = format!("2024-01-01T00:00:{second:02}Z");
        json!({
            "type": "observed-data", "id": id, "number_observed": 1, "first_observed": time, "last_observed": time,
            "objects": {"0": {"type": "ipv4-addr", "value": value}},
        })
    };
    let data =
        json!([observed("observed-data--1", 1, "198.51.100.7"), observed("observed-data--2", 9, "198.51.100.8")]);
    let data = folder.write("data.json", data.to_string());
    let matched = |pattern: &str, code| {
        run(code, &["stix", "match", "--stix-version", "2.0", "--format", "ndjson", pattern, "--data", &data])
    };
    let one = matched("[ipv4-addr:value = '198.51.100.8']", 1).lines();
    assert_eq!((one.len(), &one[0]["id"]), (1, &json!("observed-data--2")));
    let sequence =
        "([ipv4-addr:value = '198.51.100.7'] FOLLOWEDBY [ipv4-addr:value = '198.51.100.8']) WITHIN 8 SECONDS";
    assert_eq!(matched(sequence, 1).lines().len(), 2);
    assert_eq!(matched(&sequence.replace("8 SECONDS", "7 SECONDS"), 0).stdout, "");
}
