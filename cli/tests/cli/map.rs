use crate::support::{Folder, hold, run, sluice, sysmon};

fn event(id: u16) -> String {
    samples::sysmon_event(id, 7).unwrap() + "\n"
}

#[test]
fn each_attribute_says_where_it_came_from() {
    let folder = Folder::new();
    let file = folder.write("sysmon.ndjson", event(22));
    let shown = run(0, &["map", "--mapping", "windows-sysmon", &file]);
    hold("map/dns.txt", &shown.stdout.replace(&file, "sysmon.ndjson"));
    assert_eq!(shown.stderr, "");
}

#[test]
fn parts_of_a_text_come_from_the_text() {
    let folder = Folder::new();
    let file = folder.write("sysmon.ndjson", event(1));
    let report = run(0, &["map", "--mapping", "windows-sysmon", "--format", "json", &file]).json();
    let attributes = report["events"][0]["mapped"]["attributes"].as_array().unwrap();
    let of = |name: &str| attributes.iter().find(|attribute| attribute["attribute"] == name).unwrap();
    assert_eq!(of("process.file.hashes[0].value")["from"], serde_json::json!(["Description.Hashes"]));
    assert_eq!(of("time")["from"], serde_json::json!(["Description.UtcTime"]));
    assert_eq!(of("activity_id")["origin"], "constant");
    assert_eq!(of("class_uid")["origin"], "derived");
}

#[test]
fn problems_and_refused_events_are_shown_with_their_reason() {
    let folder = Folder::new();
    let odd = event(5).replace("ProcessId: ", "ProcessId: x");
    let log = format!("{odd}{{\"EventId\":99}}\n{{\"EventId\":\n{{\"EventId\":5}}\n");
    let file = folder.write("sysmon.ndjson", log);
    let shown = run(0, &["map", "--mapping", "windows-sysmon", "--limit", "0", &file]).stdout;
    let shown = shown.replace(&file, "sysmon.ndjson");
    let from = shown.find("  unmapped").unwrap();
    hold("map/refused.txt", &shown[from..]);
}

#[test]
fn required_attributes_that_are_missing_are_named() {
    let folder = Folder::new();
    let config = folder.write(
        "dns.json",
        r#"{"custom_source_events": {
            "source_name": "demo", "matched_field": "$.id", "timestamp": {"field": "$.time", "format": "epoch"},
            "ocsf_mapping": {"1": {"schema": "dns_activity", "schema_mapping": {
                "activity_id": 1, "severity_id": 1, "metadata": {"product": {"name": "$.product", "vendor_name": "$.vendor"}},
                "src_endpoint": {"ip": "$.client"}, "dst_endpoint": {"ip": "$.server"},
                "query": {"hostname": "$.name"}}}}}}"#,
    );
    let log =
        folder.write("log.ndjson", "{\"id\":1,\"time\":1700000000,\"name\":\"a.example\",\"client\":\"192.0.2.1\"}\n");
    let shown = run(0, &["map", "--mapping", &config, &log]).stdout;
    assert!(shown.contains("refused, invalid: required attribute `metadata"), "{shown}");
    assert!(shown.ends_with(" (1 event)\n") && shown.contains("required attributes missing: metadata"), "{shown}");
}

#[test]
fn a_field_that_decides_something_is_covered_though_it_is_kept_in_unmapped() {
    let folder = Folder::new();
    let config = folder.write(
        "lab.json",
        r#"{"custom_source_events": {
            "source_name": "lab", "matched_field": "$.kind", "account": "$.owner",
            "timestamp": {"field": "$.at", "format": "epoch"},
            "ocsf_mapping": {"copy": {"schema": "file_activity", "schema_mapping": {
                "activity_id": {"$when": {"if": {"exists": "$.target"}, "then": 1, "else": 99}}, "severity_id": 1,
                "metadata": {"product": {"name": "Lab", "vendor_name": "Example"}},
                "actor": {"user": {"name": "$.user"}}, "device": {"hostname": "$.host", "type_id": 0},
                "file": {"name": "$.file", "type_id": 1}}}}}}"#,
    );
    let log = r#"{"kind":"copy","at":1700000000,"owner":"111122223333","target":"b","user":"ann","host":"pc","file":"a","x":1}"#;
    let log = folder.write("log.ndjson", log);
    let report = run(0, &["map", "--mapping", &config, "--format", "json", &log]).json();
    let coverage = &report["coverage"];
    assert_eq!((&coverage["fields_mapped"], &coverage["fields_unmapped"]), (&7.into(), &1.into()), "{coverage}");
    let kept: Vec<_> =
        report["events"][0]["mapped"]["unmapped"].as_array().unwrap().iter().map(|pair| &pair[0]).collect();
    assert_eq!(kept, ["at", "kind", "owner", "target", "x"]);
}

#[test]
fn ndjson_is_the_events_themselves() {
    let folder = Folder::new();
    let file = folder.write("sysmon.ndjson", sysmon(30) + "{\"EventId\":99}\n");
    let shown = run(0, &["map", "--mapping", "windows-sysmon", "--format", "ndjson", &file]);
    let events = shown.lines();
    assert_eq!(events.len(), 30);
    for event in &events {
        let schema = ocsf::Schema::get(ocsf::Version::V1_1_0);
        let errors: Vec<_> = ocsf::validate_event(schema, event)
            .into_iter()
            .filter(|violation| violation.severity() == ocsf::validate::Severity::Error)
            .collect();
        assert!(errors.is_empty(), "{errors:?}");
    }
    assert!(shown.stderr.contains("sysmon.ndjson:31: refused, no_mapping: no event mapping for event `99`\n"));
    assert!(shown.stderr.contains("coverage: 31 events (1 refused), "), "{}", shown.stderr);
}

#[test]
fn limit_and_event_choose_what_is_shown() {
    let folder = Folder::new();
    let file = folder.write("sysmon.ndjson", sysmon(90));
    let count = |more: &[&str]| {
        let arguments = [&["map", "--mapping", "windows-sysmon", "--format", "json", &file], more].concat();
        let report = run(0, &arguments).json();
        let events = report["events"].as_array().unwrap();
        events.iter().map(|event| event["mapped"]["event"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(count(&[]), ["1", "2", "3"]);
    assert_eq!(count(&["--limit", "0"]).len(), 90);
    assert_eq!(count(&["--event", "22", "--limit", "2"]), ["22", "22"]);
    let unknown = run(3, &["map", "--mapping", "windows-sysmon", "--event", "77", &file]);
    assert_eq!(unknown.stderr, "error: windows-sysmon has no event `77`\n");
}

#[test]
fn a_summary_counts_the_whole_log() {
    let folder = Folder::new();
    let file = folder.write("sysmon.ndjson", sysmon(60) + "nonsense\n");
    let arguments = ["map", "--mapping", "windows-sysmon", "--summary", file.as_str()];
    let shown = run(0, &arguments).stdout;
    assert!(shown.starts_with("EVENT  CLASS "), "{shown}");
    assert!(shown.contains("\nREFUSED ") && shown.contains("\nIN UNMAPPED "), "{shown}");
    assert!(shown.lines().last().unwrap().starts_with("coverage: 61 events (1 refused), "), "{shown}");
    let report = run(0, &[&arguments[..], &["--format", "json"]].concat()).json();
    assert_eq!((&report["events"], &report["refused"]["undecodable"]), (&61.into(), &1.into()));
}

#[test]
fn what_a_log_says_cannot_drive_the_terminal() {
    let folder = Folder::new();
    let hostile = event(5).replace("\"MachineName\":\"", "\"MachineName\":\"\\u001b[2J\\u202e");
    let file = folder.write("sysmon.ndjson", hostile);
    let shown = run(0, &["map", "--mapping", "windows-sysmon", &file]).stdout;
    assert!(!shown.contains(['\u{1b}', '\u{202e}']) && shown.contains("\\u{1b}[2J\\u{202e}"), "{shown}");
}

#[test]
fn standard_input_and_compressed_files_are_read() {
    let folder = Folder::new();
    let log = sysmon(3);
    let plain =
        sluice(&["map", "--mapping", "windows-sysmon", "--format", "ndjson", "-"]).write_stdin(log.as_str()).output();
    let file = folder.write("sysmon.zst", zstd::encode_all(log.as_bytes(), 1).unwrap());
    let compressed = run(0, &["map", "--mapping", "windows-sysmon", "--format", "ndjson", &file]);
    assert_eq!(String::from_utf8(plain.unwrap().stdout).unwrap(), compressed.stdout);
}

#[test]
fn inputs_that_cannot_be_read_are_bad_usage() {
    let folder = Folder::new();
    folder.write("sub/.hidden", "");
    for (input, message) in [("none", "No such file or directory"), ("sub", "is a folder without a file to read")] {
        let failed = run(3, &["map", "--mapping", "windows-sysmon", &folder.path(input)]);
        assert!(failed.stderr.contains(message), "{}", failed.stderr);
    }
}

#[test]
fn a_folder_is_read_file_by_file_and_an_input_without_records_is_named() {
    let folder = Folder::new();
    folder.write("logs/a", "\n \n");
    folder.write("logs/b", event(22));
    folder.write("logs/sub/c", event(5));
    let arguments = ["map", "--mapping", "windows-sysmon", "--format", "json"];
    let shown = run(0, &[&arguments[..], &[&folder.path("logs")]].concat());
    let events =
        shown.json()["events"].as_array().unwrap().iter().map(|event| event["mapped"]["event"].clone()).collect();
    assert_eq!(serde_json::Value::Array(events), serde_json::json!(["22", "5"]));
    assert_eq!(shown.stderr, format!("{}: no records\n", folder.path("logs/a")));
    let chosen = run(0, &[&arguments[..], &["--exclude", "b", "--include", "*", &folder.path("logs")]].concat()).json();
    assert_eq!(chosen["coverage"]["events"], 1);
}
