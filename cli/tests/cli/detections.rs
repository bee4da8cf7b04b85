use crate::query::lake;
use crate::support::{Folder, Run, run, sluice};

pub(crate) const RULE: &str = "\
title: DNS of a test
id: 6f3a1c52-7f2a-4f36-9d6c-0c7f0f8f6a01
status: test
description: Every DNS query.
author: Sluice
date: 2024-05-01
tags: [attack.t1071.004]
falsepositives: [All of them]
level: low
schedule: rate(5 minutes)
lookback: 1h
ingest_delay: 10m
sql: |
  SELECT time, query.hostname AS hostname FROM {{class:dns_activity}} WHERE {{window}}
";

#[test]
fn shipped_rules_pass_their_tests() {
    let tested = run(0, &["detect", "test", "--format", "json"]).json();
    let tested = tested.as_array().unwrap();
    assert!(tested.len() >= 24, "{}", tested.len());
    assert!(tested.iter().any(|test| test["findings"].as_u64().unwrap() > 0));
    assert!(tested.iter().any(|test| test["findings"] == 0));
}

#[test]
fn shipped_rules_are_listed_and_without_faults() {
    let rules = run(0, &["detect", "list", "--format", "json"]).json();
    assert!(rules.as_array().unwrap().len() >= 12);
    run(0, &["detect", "lint", "--deny-warnings"]);
}

#[test]
fn a_list_says_which_rules_have_data_and_which_lack_a_table_that_is_expected() {
    let folder = Folder::new();
    let (lake, rule) = (lake(&folder), folder.write("rule.yaml", RULE));
    let trail = folder.write("trail.yaml", RULE.replace("{{class:dns_activity}}", "{{aws-cloudtrail}}"));
    let data = |rule: &str, more: &[&str]| {
        let arguments = [&["detect", "list", "--format", "json", "--lake", &lake, rule], more].concat();
        run(0, &arguments).json()[0]["data"].as_str().unwrap().to_owned()
    };
    assert_eq!((data(&rule, &[]), data(&trail, &[])), ("yes".to_owned(), "no data yet".to_owned()));
    let tables = "tables: {aws-cloudtrail: [{name: aws_cloudtrail_6003, columns: {time: bigint}}]}\ndatabase: sluice\n";
    let catalog = folder.write("catalog.yaml", tables);
    assert_eq!(data(&trail, &["--catalog", &catalog]), "missing");
    run(3, &["detect", "list", "--catalog", &catalog, &trail]);
    let catalog = folder.write("catalog.yaml", tables.replace("columns", "no_data_yet: true, columns"));
    assert_eq!(data(&trail, &["--catalog", &catalog]), "no data yet");
}

#[test]
fn shipped_rules_are_named_by_folder_or_one_by_one() {
    let listed = |place: &str| run(0, &["detect", "list", "--format", "json", place]).json().as_array().unwrap().len();
    assert_eq!(listed("aws-cloudtrail/cloudtrail-disruption"), 1);
    assert_eq!(listed("aws-cloudtrail/cloudtrail-disruption.yaml"), 1);
    assert!(listed("aws-cloudtrail") > 3);
    assert_eq!(listed("aws-cloudtrail"), listed("aws-cloudtrail/"));
    let unknown = run(3, &["detect", "list", "aws-cloudtrail/cloudtrail-disruptoin"]);
    assert!(unknown.stderr.contains("did you mean `aws-cloudtrail/cloudtrail-disruption`?"), "{}", unknown.stderr);
    run(3, &["detect", "list", "no-such-rule.yaml"]);
}

#[test]
fn a_rule_with_a_fault_is_shown_with_the_place() {
    let folder = Folder::new();
    let rule = folder.write("rule.yaml", RULE.replace("{{window}}", "TRUE"));
    let linted = run(2, &["detect", "lint", "--format", "ndjson", &rule]);
    assert!(linted.lines().iter().any(|fault| fault["code"] == "E216" && fault["line"] == 14), "{}", linted.stdout);
    run(2, &["hunt", "--lake", &folder.path(""), "--since", "1d", "--rules", &rule]);
    assert!(run(0, &["detect", "lint", "--explain", "e216"]).stdout.starts_with("E216"));
}

#[test]
fn a_statement_is_planned_over_the_tables_of_the_shipped_mappings() {
    let folder = Folder::new();
    let rule = folder.write("rule.yaml", RULE.replace("query.hostname AS", "query.hostnam AS"));
    let linted = run(2, &["detect", "lint", &rule]);
    let expected = format!(
        "{rule}:14:22: error[E228]: the row has no field 'hostnam'; help: did you mean 'hostname'?\n{rule}:1:1: warning[W204]: no \
         tests; help: add events that it must find, and near misses that it must not\n"
    );
    assert_eq!(linted.stdout, expected);
    assert_eq!(linted.stderr, "1 rule: 1 error, 1 warning\n");
    let verbose = run(2, &["detect", "lint", "--verbose", &rule]).stdout;
    assert!(verbose.contains("14 |   SELECT time, query.hostnam AS hostname FROM"), "{verbose}");
    let fault = &run(2, &["detect", "lint", "--format", "json", &rule]).json()[0];
    assert_eq!((&fault["line"], &fault["column"], &fault["end_column"]), (&14.into(), &22.into(), &29.into()));
    assert_eq!(fault["help"], "did you mean 'hostname'?");
}

#[test]
fn a_statement_is_planned_over_the_tables_of_a_lake_and_of_a_catalog() {
    let folder = Folder::new();
    let lake = lake(&folder);
    let own = RULE.replace("{{class:dns_activity}}", "{{gateways}}").replace("query.hostname", "host");
    let rule = folder.write("rules/rule.yaml", &own);
    assert!(run(2, &["detect", "lint", &rule]).stdout.contains(":14:38: error[E215]: there is no table `gateways`"));
    let columns = |host: &str| {
        format!("database: d\ntables:\n  gateways:\n    - {{name: g, columns: {{time: bigint, {host}: string}}}}\n")
    };
    let catalog = folder.write("own.yaml", columns("host"));
    run(0, &["detect", "lint", "--catalog", &catalog, &rule]);
    let other = folder.write("other.yaml", columns("hst"));
    let refused = run(2, &["detect", "lint", "--catalog", &other, &rule]).stdout;
    assert!(refused.contains(":14:16: error[E228]: Column 'host' cannot be resolved"), "{refused}");
    // That of the folder needs no name, as in a deployment.
    folder.write("rules/catalog.yaml", columns("host"));
    run(0, &["detect", "lint", &folder.path("rules")]);
    run(0, &["detect", "lint", &rule]);
    // Each folder has its own.
    let second = own.replace("{{gateways}}", "{{doors}}").replace("0f8f6a01", "0f8f6a0b");
    folder.write("second/rule.yaml", second);
    folder.write("second/catalog.yaml", columns("host").replace("gateways", "doors"));
    run(0, &["detect", "lint", &folder.path("rules"), &folder.path("second")]);

    let by_name = RULE.replace("{{class:dns_activity}}", "{{windows-sysmon-4003}}");
    let by_name = folder.write("by-name.yaml", by_name.replace("{{windows-sysmon-4003}}", "{{my-table-4003}}"));
    assert!(run(2, &["detect", "lint", "--lake", &lake, &by_name]).stdout.contains("error[E215]"));
    let in_lake = folder.write("in-lake.yaml", RULE.replace("query.hostname", "query.hostnam"));
    assert!(run(2, &["detect", "lint", "--lake", &lake, &in_lake]).stdout.contains("error[E228]"));
    run(0, &["detect", "lint", "--lake", &lake, &folder.write("good.yaml", RULE)]);
    let bad = run(3, &["detect", "lint", "--lake", &folder.path("nowhere"), &by_name]).stderr;
    assert!(bad.ends_with("nowhere is not a folder\n"), "{bad}");
}

#[test]
fn the_sources_of_a_rules_own_tests_are_known() {
    let folder = Folder::new();
    folder.write("door.json", DOOR);
    let tests = "tests:\n  - name: open\n    source: door.json\n    events: [{id: 1, time: 1714557600, name: a.example, client: 10.0.0.1}]\n    \
                 expect: 1\n  - name: other\n    source: door.json\n    events: [{id: 1, time: 1714557600, name: b.example, client: 10.0.0.1}]\n    expect: none\n";
    let sql =
        RULE.replace("{{class:dns_activity}}", "{{door}}").replace("WHERE", "WHERE query.hostname = 'a.example' AND");
    run(0, &["detect", "lint", "--deny-warnings", &folder.write("rule.yaml", format!("{sql}{tests}"))]);
    // By its `source_name` too, which its tables in a lake have.
    folder.write("entrance.json", DOOR);
    let by_name = folder.write("by-name.yaml", format!("{sql}{}", tests.replace("door.json", "entrance.json")));
    run(0, &["detect", "lint", "--deny-warnings", &by_name]);
    run(0, &["detect", "test", &by_name]);
    let refused = folder.write("refused.yaml", format!("{}{tests}", sql.replace("hostname =", "host =")));
    assert!(run(2, &["detect", "lint", &refused]).stdout.contains("the row has no field 'host'"));
}

#[test]
fn tests_vary_a_base_event() {
    let folder = Folder::new();
    folder.write("door.json", DOOR);
    let sql =
        RULE.replace("{{class:dns_activity}}", "{{door}}").replace("WHERE", "WHERE query.hostname = 'a.example' AND");
    let tests = "base_events:\n  open: {id: 1, time: 1714557600, name: b.example, client: 10.0.0.1, note: {by: x}}\ntests:\n  - name: \
                 changed\n    source: door.json\n    base: open\n    changes: [{name: a.example, note: null}, {name: c.example}, \
                 {name: a.example, time: 1714557700}]\n    expect: 2\n  - name: as it is\n    source: door.json\n    base: \
                 open\n    expect: none\n";
    run(0, &["detect", "test", &folder.write("rule.yaml", format!("{sql}{tests}"))]);
    let wrong =
        tests.replacen("base: open", "base: opn", 1).replace("    base: open\n    expect: none", "    expect: none");
    let said = run(2, &["detect", "test", &folder.write("wrong.yaml", format!("{sql}{wrong}"))]).stderr;
    assert!(said.contains("error[E225]: unknown base event `opn`; help: did you mean `open`?"), "{said}");
    assert!(said.contains("`events`, `file` or `base` is missing"), "{said}");
}

/// A mapping config beside a rule.
const DOOR: &str = r#"{
  "custom_source_events": {
    "source_name": "door",
    "matched_field": "$.id",
    "timestamp": { "field": "$.time", "format": "epoch" },
    "ocsf_mapping": {
      "1": {
        "schema": "dns_activity",
        "schema_mapping": {
          "activity_id": 1, "severity_id": 1, "query": { "hostname": "$.name" },
          "src_endpoint": { "ip": "$.client" }, "dst_endpoint": { "ip": "$.server" },
          "metadata": { "product": { "name": "Door", "vendor_name": "Door" } }
        }
      }
    }
  }
}
"#;

#[test]
fn a_hunt_finds_what_there_is_and_ends_with_1() {
    let folder = Folder::new();
    let (lake, rule) = (lake(&folder), folder.write("rules/rule.yaml", RULE));
    let sql = "SELECT count(*) AS n FROM windows_sysmon_4003";
    let events = run(0, &["query", "--lake", &lake, "--format", "json", sql]).json()[0]["n"].as_u64().unwrap();
    let rules = folder.path("rules");
    let hunt =
        |code, since| run(code, &["hunt", "--lake", &lake, "--since", since, "--rules", &rules, "--format", "ndjson"]);
    let found = hunt(1, "2000-01-01").lines();
    assert!(found.len() as u64 <= events && !found.is_empty());
    assert!(
        found.iter().all(|finding| finding["class_uid"] == 2004 && finding["finding_info"]["title"] == "DNS of a test")
    );
    assert_eq!(hunt(0, "2100-01-01").stdout, "");
    let days =
        run(1, &["detect", "backtest", "--lake", &lake, "--since", "2000-01-01", "--format", "json", &rule]).json();
    assert_eq!(days[0]["findings"].as_u64().unwrap(), found.len() as u64);
}

#[test]
fn a_rule_on_demand_runs_by_its_name_with_the_values_of_its_parameters() {
    let folder = Folder::new();
    let on_demand = RULE
        .replace("schedule: rate(5 minutes)\nlookback: 1h\ningest_delay: 10m\n", "schedule: on demand\n")
        .replace("sql: |", "parameters:\n  names: {type: text_list, default: []}\nsql: |")
        .replace("{{window}}", "{{window}} AND query.hostname IN {{param:names}}");
    let (lake, rule) = (lake(&folder), folder.write("rules/rule.yaml", on_demand));
    let rules = folder.path("rules");
    let hunt = |code, more: &[&str]| {
        let common = ["hunt", "--lake", &lake, "--since", "2000-01-01", "--format", "ndjson"];
        run(code, &[&common[..], more].concat())
    };
    let skipped = hunt(0, &[&rules]);
    assert!(skipped.stderr.contains("1 rule skipped, since they run on demand"), "{}", skipped.stderr);
    let nothing = hunt(0, &[&rule]);
    assert!(
        nothing.stderr.contains("looks for no value of `names`; set one with --param names=VALUE"),
        "{}",
        nothing.stderr
    );
    let sql = "SELECT query.hostname AS name FROM windows_sysmon_4003 WHERE query.hostname IS NOT NULL LIMIT 1";
    let name =
        run(0, &["query", "--lake", &lake, "--format", "json", sql]).json()[0]["name"].as_str().unwrap().to_owned();
    let found = hunt(1, &[&rule, "--param", &format!("names=none.example,{name}")]).lines();
    assert!(
        !found.is_empty() && found.iter().all(|finding| finding["evidences"][0]["data"]["hostname"] == name.as_str())
    );
    let unknown = hunt(3, &[&rule, "--param", "nmaes=x"]);
    assert!(unknown.stderr.contains("no rule here declares it; they have names"), "{}", unknown.stderr);
    // Blocks of entities have no parameters: that is refused, and not passed over.
    hunt(3, &[&rule, "--param", "names=x", "--by", "entity"]);
}

/// As in a deployment: a rule that is refused, by lint or by the engine, hides the findings of no other.
#[test]
fn a_rule_that_is_refused_is_shown_with_its_place_and_the_others_run() {
    let folder = Folder::new();
    let lake = lake(&folder);
    let rules = folder.path("rules");
    folder.write("rules/a.yaml", RULE.replace("0f8f6a01", "0f8f6a0a").replace("{{window}}", "TRUE"));
    let unknown = RULE.replace("0f8f6a01", "0f8f6a0b").replace("query.hostname", "query.hostnam");
    folder.write("rules/b.yaml", unknown.replace("DNS of a test", "Unknown field"));
    folder.write("rules/c.yaml", RULE);
    folder.write("rules/d.yaml", RULE.replace("0f8f6a01", "0f8f6a0d").replace("status: test", "status: deprecated"));
    let junit = folder.path("junit.xml");
    let arguments = ["--lake", &lake, "--since", "2000-01-01", &rules];
    let hunt = run(2, &[&["hunt", "--format", "ndjson"], &arguments[..]].concat());
    assert!(
        !hunt.lines().is_empty() && hunt.lines().iter().all(|found| found["finding_info"]["title"] == "DNS of a test")
    );
    for said in
        ["a.yaml:14:", "error[E216]", "b.yaml:14:22: error[E228]: the row has no field 'hostnam'", "1 rule deprecated"]
    {
        assert!(hunt.stderr.contains(said), "{said}: {}", hunt.stderr);
    }
    let page = folder.path("page.html");
    run(2, &[&["hunt", "--report", &page], &arguments[..]].concat());
    let page = std::fs::read_to_string(&page).unwrap();
    assert!(page.contains("a.yaml was refused") && page.contains("`Unknown field` could not be run"));

    let tested =
        run(2, &[&["detect", "backtest", "--format", "json", "--junit", &junit], &arguments[..]].concat()).json();
    assert_eq!(tested.as_array().unwrap().len(), 1);
    let junit = std::fs::read_to_string(&junit).unwrap();
    assert!(junit.contains(r#"tests="3" failures="1" errors="2""#) && junit.contains("hostnam"), "{junit}");

    let state = folder.path("state");
    let detect = run(
        2,
        &[
            "detect",
            "run",
            "--lake",
            &lake,
            "--state",
            &state,
            &folder.path("rules/a.yaml"),
            &folder.path("rules/c.yaml"),
        ],
    );
    assert!(detect.stderr.contains("1 run,"), "{}", detect.stderr);
    assert_eq!(run(2, &["detect", "list", "--format", "ndjson", &rules]).lines().len(), 3);
    assert!(run(2, &["detect", "test", "--minimum", "0", &rules]).stderr.contains("3 rules"));
    let unknown = folder.path("rules/b.yaml");
    let by_entity = [&["hunt", "--by", "entity"], &arguments[..4], &[&unknown]].concat();
    assert!(run(2, &by_entity).stderr.contains("not evaluated:"));
}

#[test]
fn the_limit_of_bytes_holds_for_rules() {
    let folder = Folder::new();
    let (lake, rule) = (lake(&folder), folder.write("rule.yaml", RULE));
    let state = folder.path("state");
    // Ten minutes after an event of the lake.
    let sql = "SELECT to_iso8601(from_unixtime(max(time) / 1000 + 600)) AS t FROM windows_sysmon_4003";
    let now = run(0, &["query", "--lake", &lake, "--format", "json", sql]).json()[0]["t"].as_str().unwrap().to_owned();
    let since = ["--since", "2000-01-01"];
    for (code, command, said) in [
        (3, [&["hunt"], &since[..]].concat(), "its limit is 1"),
        (3, [&["detect", "backtest"], &since[..]].concat(), "its limit is 1"),
        (1, vec!["detect", "run", "--state", &state, "--now", &now], "1 failed"),
    ] {
        let limited = run(code, &[&command[..], &["--lake", &lake, "--max-scanned", "1", &rule]].concat());
        assert!(limited.stderr.contains(said), "{command:?}: {}", limited.stderr);
    }
}

#[test]
fn a_run_publishes_a_finding_once_and_remembers_it() {
    let folder = Folder::new();
    let (lake, rule, state) = (lake(&folder), folder.write("rule.yaml", RULE), folder.path("state"));
    let sql = "SELECT max(time) AS t FROM windows_sysmon_4003";
    let last = run(0, &["query", "--lake", &lake, "--format", "json", sql]).json()[0]["t"].as_i64().unwrap();
    let at = |minutes: i64| {
        let seconds = last / 1000 + minutes * 60;
        let sql = format!("SELECT to_iso8601(from_unixtime({seconds})) AS t");
        run(0, &["query", "--lake", &lake, "--format", "json", &sql]).json()[0]["t"].as_str().unwrap().to_owned()
    };
    let detect =
        |code, now: &str| run(code, &["detect", "run", "--lake", &lake, "--state", &state, "--now", now, &rule]);
    let (first, second) = (at(10), at(16));
    let published = detect(1, &first).lines();
    assert!(!published.is_empty());
    assert!(published.iter().all(|message| message["group"] == "6f3a1c52-7f2a-4f36-9d6c-0c7f0f8f6a01"));
    assert_eq!(detect(0, &first).stdout, "", "the same firing does nothing");
    assert_eq!(detect(0, &second).stdout, "", "the next window overlaps, but what was published is remembered");
}

/// A call that is denied, at a minute of an hour.
fn denial(minute: u32, user: &str) -> String {
    format!(
        r#"{{"eventVersion":"1.09","eventTime":"2025-03-03T{:02}:{:02}:00Z","eventSource":"ec2.amazonaws.com","eventName":"RunInstances","awsRegion":"us-east-1","sourceIPAddress":"198.51.100.7","userAgent":"x","requestID":"r{minute}{user}","eventID":"e{minute}{user}","eventType":"AwsApiCall","recipientAccountId":"777788889999","eventCategory":"Management","managementEvent":true,"readOnly":false,"errorCode":"AccessDenied","userIdentity":{{"type":"IAMUser","principalId":"AIDA{user}","arn":"arn:aws:iam::777788889999:user/{user}","accountId":"777788889999","userName":"{user}"}}}}"#,
        8 + minute / 60,
        minute % 60
    )
}

const DENIALS: &str = "\
title: Three refusals in a quarter of an hour
id: 6f3a1c52-7f2a-4f36-9d6c-0c7f0f8f6a02
status: test
description: A user is refused three times.
author: Sluice
date: 2025-03-03
tags: [attack.discovery, attack.t1526]
falsepositives: [A broken deployment]
level: low
schedule: rate(5 minutes)
lookback: 15m
ingest_delay: 10m
group_by: [user_name]
threshold: {count: 3}
dedupe: {key: [user_name], window: 1h}
sql: |
  SELECT time, actor.\"user\".name AS user_name FROM {{aws-cloudtrail}}
  WHERE {{window}} AND api.response.error = 'AccessDenied'
tests:
  - name: All of these events
    source: aws-cloudtrail
    file: denials.ndjson
    expect: FINDINGS
";

/// One meaning: the same findings by a hunt, a backtest, the rule's own test, and the runs of its schedule.
#[test]
fn a_rule_finds_the_same_whichever_command_asks() {
    let folder = Folder::new();
    // `fast` is refused often enough twice, hours apart, and once more within the hour after. `slow` never is, within a
    // window.
    let fast = [0, 4, 9, 20, 24, 30, 150, 151, 152].map(|minute| denial(minute, "fast"));
    let slow = [0, 10, 20, 30, 40, 50, 60].map(|minute| denial(minute, "slow"));
    let events = folder.write("denials.ndjson", [&fast[..], &slow[..]].concat().join("\n"));
    let rule = folder.write("rule.yaml", DENIALS.replace("FINDINGS", "2"));
    let lake = folder.path("lake");
    run(0, &["ingest", "--mapping", "aws-cloudtrail", "--lake", &lake, &events]);

    let identity = |finding: &serde_json::Value| {
        let row = &finding["evidences"][0]["data"];
        (row["user_name"].as_str().unwrap().to_owned(), finding["finding_info"]["first_seen_time"].as_i64().unwrap())
    };
    let period = ["--lake", &lake, "--since", "2025-03-01", "--until", "2025-03-05", "--format", "json"];
    let hunted = run(1, &[&["hunt", &rule], &period[..]].concat()).json();
    let hunted: Vec<_> = hunted.as_array().unwrap().iter().map(identity).collect();
    let first = 1_740_988_800_000;
    assert_eq!(hunted, [("fast".to_owned(), first), ("fast".to_owned(), first + 150 * 60_000)]);

    let days = run(1, &[&["detect", "backtest", &rule], &period[..]].concat()).json();
    assert_eq!((&days[0]["findings"], &days[0]["days"]["2025-03-03"]), (&2.into(), &2.into()));

    run(0, &["detect", "test", &rule]);
    folder.write("rule.yaml", DENIALS.replace("FINDINGS", "3"));
    run(1, &["detect", "test", &rule]);
    folder.write("rule.yaml", DENIALS.replace("FINDINGS", "2"));

    // The schedule, but for some runs that are missed.
    let state = folder.path("state");
    let mut detected = Vec::new();
    for minute in (-15..240).step_by(5).filter(|minute| minute % 3 != 0 || *minute > 200) {
        let now = format!("2025-03-03T{:02}:{:02}:00Z", (480 + minute) / 60, (480 + minute) % 60);
        let arguments = ["detect", "run", "--lake", &lake, "--state", &state, "--now", &now, &rule];
        let published = Run::of(sluice(&arguments));
        assert!(published.code <= 1, "{published:?}");
        detected.extend(published.lines().iter().map(|message| identity(&message["body"])));
    }
    assert_eq!(detected, hunted);
}
