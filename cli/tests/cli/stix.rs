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
fn a_pattern_is_translated_for_every_dialect_that_can_answer_it() {
    let arguments = ["stix", "translate", "--since", "2024-05-01", "--until", "2024-05-02", "--format", "json"];
    let translated = run(0, &[&arguments[..], &["[ipv4-addr:value = '198.51.100.7']"]].concat()).json();
    let translated = translated.as_array().unwrap();
    let dialects: Vec<_> = translated.iter().map(|one| one["dialect"].as_str().unwrap()).collect();
    assert_eq!(dialects, ["cloudtrail", "guardduty", "ocsf", "vpcflow"]);
    for one in translated {
        assert!(one["sql"].as_str().unwrap().contains("'198.51.100.7'"), "{one}");
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
