use std::io::Read as _;
use std::process::{Command, Stdio};

use crate::support::{FAULTY, Folder, hold, run, sluice};

/// Works, with warnings.
const WARNED: &str = r#"{
  "custom_source_events": {
    "source_name": "demo",
    "matched_field": "$.id",
    "timestamp": { "field": "$.time", "format": "epoch" },
    "ocsf_mapping": {
      "1": {
        "schema": "dns_activity",
        "schema_mapping": {
          "activity_id": 1, "query": { "hostname": "$.name" }, "dns": "$.x", "src_endpoint": { "ip": "$.client" },
          "metadata": { "product": { "name": "Demo", "vendor_name": "Example" } }
        }
      }
    }
  }
}
"#;

#[test]
fn faults_are_shown_with_place_and_remedy() {
    let folder = Folder::new();
    let file = folder.write("faulty.json", FAULTY);
    let linted = run(2, &["lint", &file]);
    hold("lint/faulty.txt", &linted.stdout.replace(&file, "faulty.json"));
    let verbose = run(2, &["lint", "--verbose", &file]);
    hold("lint/faulty-verbose.txt", &verbose.stdout.replace(&file, "faulty.json"));
    assert_eq!(linted.stderr, "1 config: 1 error, no warnings\n");
}

#[test]
fn shipped_configs_have_no_faults() {
    let linted =
        run(0, &["lint", "--deny-warnings", "windows-sysmon", "windows-sysmon-precise", "aws-network-firewall"]);
    assert_eq!((linted.stdout.as_str(), linted.stderr.as_str()), ("", "3 configs: no faults\n"));
    assert_eq!(run(0, &["lint", "--quiet", "windows-sysmon"]).stderr, "");
}

#[test]
fn a_rule_is_checked_as_by_detect_lint() {
    let folder = Folder::new();
    let rule = folder.write("rule.yaml", crate::detections::RULE.replace("query.hostname", "query.hostnam"));
    let linted = run(2, &["lint", &rule]);
    assert_eq!(linted.stdout, run(2, &["detect", "lint", &rule]).stdout);
    assert_eq!(linted.stderr, "1 file: 1 error, 1 warning\n");
}

#[test]
fn each_fault_is_one_line_and_errors_come_first() {
    let folder = Folder::new();
    let warned = folder.write("a-warned.json", WARNED);
    let faulty = folder.write("b-faulty.json", FAULTY);
    let linted = run(2, &["lint", &warned, &faulty]).stdout;
    let severities: Vec<&str> = linted.lines().map(|line| line.split(": ").nth(1).unwrap()).collect();
    assert!(severities.len() >= 2 && severities[0].starts_with("error["), "{linted}");
    assert!(severities[1..].iter().all(|severity| severity.starts_with("warning[")), "{linted}");
    let codes: Vec<String> = run(2, &["lint", "--format", "ndjson", &warned, &faulty])
        .lines()
        .iter()
        .map(|fault| format!("{}[{}]", fault["severity"].as_str().unwrap(), fault["code"].as_str().unwrap()))
        .collect();
    assert_eq!(codes, severities);
}

#[test]
fn warnings_fail_only_if_they_are_denied() {
    let folder = Folder::new();
    let file = folder.write("warned.json", WARNED);
    let linted = run(0, &["lint", &file]);
    assert!(
        linted.stderr.starts_with("1 config: no errors, ") && linted.stderr.ends_with("warnings\n"),
        "{}",
        linted.stderr
    );
    assert!(
        linted.stdout.starts_with(&format!("{file}:")) && linted.stdout.contains(": warning["),
        "{}",
        linted.stdout
    );
    run(1, &["lint", "--deny-warnings", &file]);
}

#[test]
fn diagnostics_are_data_too() {
    let folder = Folder::new();
    let file = folder.write("faulty.json", FAULTY);
    let report = run(2, &["lint", "--format", "json", &file]).json();
    assert_eq!(report.as_array().unwrap().len(), 1);
    assert_eq!((&report[0]["code"], &report[0]["line"]), (&"E107".into(), &14.into()));
    assert_eq!(report[0]["file"], file.as_str());
    let lines = run(2, &["lint", "--format", "ndjson", &file]).lines();
    assert_eq!(lines, report.as_array().unwrap().to_vec());
}

#[test]
fn a_config_comes_from_standard_input_too() {
    let output = sluice(&["lint", "-"]).write_stdin(FAULTY).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8(output.stdout).unwrap().contains("standard input:14:"));
}

#[test]
fn what_a_config_extends_is_found_beside_it() {
    let folder = Folder::new();
    folder.write("base.json", WARNED);
    let extends = r#"{"custom_source_events": {"extends": "base.json", "source_name": "demo"}}"#;
    let file = folder.write("own.json", extends);
    run(0, &["lint", &file]);
    let missing = folder.write("missing.json", extends.replace("base.json", "nowhere.json"));
    assert!(run(2, &["lint", &missing]).stdout.contains("error[E128]"));
}

/// Names a config beside it, and one that is shipped.
const SOURCES: &str = r#"{
  "sources": [
    { "name": "demo", "mapping_file": "own.json", "input_paths": { "kinesis": { "enabled": true } } },
    {
      "name": "windows-sysmon",
      "input_paths": { "s3": { "enabled": true, "source_buckets": [{ "bucket_name": "*", "prefix": "sysmon/" }] } }
    }
  ]
}
"#;

#[test]
fn a_sources_file_is_checked_with_the_configs_that_it_names() {
    let folder = Folder::new();
    folder.write("own.json", FAULTY);
    let file = folder.write("sources.json", SOURCES);
    let linted = run(2, &["lint", &file]);
    let own = file.replace("sources.json", "own.json");
    assert!(linted.stdout.contains(&format!("{own}:14:36: error[E107]: ")), "{}", linted.stdout);
    assert_eq!(linted.stderr, "2 configs: 1 error, no warnings\n");

    folder.write("own.json", WARNED);
    let misspelt = SOURCES.replace("enabled", "enabld").replace("\"own.json\"", "\"none.json\"");
    let faulty = folder.write("faulty-sources.json", misspelt);
    let linted = run(2, &["lint", &faulty]);
    hold("lint/faulty-sources.txt", &linted.stdout.replace(&faulty, "faulty-sources.json"));
}

#[test]
fn the_configs_that_a_sources_file_names_may_be_in_another_folder() {
    let folder = Folder::new();
    let file = folder.write("sources.json", SOURCES);
    let missing = run(2, &["lint", &file]).stdout;
    assert!(
        missing.contains("error[E409]: source `demo` has no mapping config: `own.json` was not found"),
        "{missing}"
    );
    let elsewhere = Folder::new();
    let own = elsewhere.write("own.json", WARNED);
    run(0, &["lint", &file, "--mappings", own.trim_end_matches("own.json")]);
}

#[test]
fn names_that_are_no_config_are_bad_usage() {
    let message = |name: &str| run(3, &["lint", name]).stderr;
    assert_eq!(
        message("windows-sysmom"),
        "error: no mapping config `windows-sysmom`; did you mean `windows-sysmon`?\n"
    );
    let shipped = pipeline::SHIPPED_MAPPINGS.map(|(name, _)| name).join(", ");
    assert_eq!(message("zeek"), format!("error: no mapping config `zeek`; give a file, or one of {shipped}\n"));
    assert_eq!(
        message("./no.json"),
        "error: cannot read the mapping config ./no.json: No such file or directory (os error 2)\n"
    );
    let folder = Folder::new();
    let file = folder.write("latin.json", b"{\"\xe9\": 1}");
    assert_eq!(message(&file), format!("error: {file} is not UTF-8 at byte 2\n"));
}

#[test]
fn every_number_is_explained() {
    let explained = run(0, &["lint", "--explain", "e107"]).stdout;
    assert!(explained.starts_with("E107 (error): an unknown operator: a key that starts with `$`\n\n"), "{explained}");
    let all = run(0, &["lint", "--explain"]).stdout;
    assert!(all.lines().skip(1).all(|line| line.starts_with(['E', 'W'])) && all.lines().count() > 40);
    assert_eq!(
        run(3, &["lint", "--explain", "E999"]).stderr,
        "error: unknown diagnostic `E999`; `sluice lint --explain` lists all of them\n"
    );
}

#[test]
fn a_reader_that_stops_reading_is_no_fault() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_sluice"))
        .args(["mappings", "schema"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let mut stderr = String::new();
    child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
    assert_eq!((child.wait().unwrap().code(), stderr.as_str()), (Some(0), ""));
}
