//! `sluice hunt --by entity` and `--report`.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::support::{Folder, run};

/// A lake with the events of `examples/aws-cloudtrail.json`.
fn lake(folder: &Folder) -> String {
    let (lake, log) = (folder.path("lake"), concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/aws-cloudtrail.json"));
    run(0, &["ingest", "--mapping", "aws-cloudtrail", "--lake", &lake, log]);
    lake
}

const RULES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/by-entity");

#[test]
fn the_rules_by_entity_pass_lint() {
    run(0, &["detect", "lint", RULES]);
}

#[test]
fn blocks_are_counted_whole_in_json_and_hit_blocks_are_lines() {
    let folder = Folder::new();
    let lake = lake(&folder);
    let hunt = |more: &[&str]| {
        let base = ["hunt", "--by", "entity", "--lake", &lake, "--since", "2000-01-01", "--rules", RULES];
        run(1, &[&base[..], more].concat())
    };
    let table = hunt(&["--block-rows", "5", "--format", "json"]).json();
    let blocks = table["blocks"].as_array().unwrap();
    let sql = "SELECT count(*) AS n FROM (SELECT time FROM aws_cloudtrail_6003 UNION ALL SELECT time FROM \
               aws_cloudtrail_3001 UNION ALL SELECT time FROM aws_cloudtrail_3002)";
    let all = run(0, &["query", "--lake", &lake, "--format", "json", sql]).json()[0]["n"].as_u64().unwrap();
    assert_eq!(blocks.iter().map(|block| block["events"].as_u64().unwrap()).sum::<u64>(), all, "{table}");
    assert!(blocks.iter().all(|block| block["events"].as_u64().unwrap() <= 5));
    let hits: usize = blocks.iter().map(|block| block["rules"].as_array().unwrap().len()).sum();
    assert!(hits > 0);
    // A line for each rule of each block that it hit, and the titles of the columns.
    assert_eq!(hunt(&["--block-rows", "5"]).stdout.lines().count(), hits + 1);
    assert_eq!(hunt(&["--block-rows", "5", "--format", "ndjson"]).lines().len(), blocks.len());
    let hours = hunt(&["--block-time", "1h", "--format", "json"]).json();
    let within = |block: &Value| {
        let hour = |name: &str| block[name].as_i64().unwrap() / 3_600_000;
        hour("start_time") == hour("end_time")
    };
    assert!(hours["blocks"].as_array().unwrap().iter().all(within));
}

#[test]
fn options_of_blocks_need_by_entity() {
    let usage = |more: &[&str]| run(3, &[&["hunt", "--lake", ".", "--since", "1d"], more].concat());
    usage(&["--block-rows", "5"]);
    usage(&["--by", "entity", "--block-rows", "0"]);
    usage(&["--by", "entity", "--block-rows", "5", "--block-time", "1h"]);
    usage(&["--by", "entity", "--block-time", "1"]);
}

#[test]
fn the_numbers_of_a_report_are_those_of_the_json() {
    let folder = Folder::new();
    let (lake, page) = (lake(&folder), folder.path("report.html"));
    let arguments = ["--since", "2000-01-01", "--rules", RULES, "--format", "json", "--report", &page];
    let findings = run(1, &[&["hunt", "--lake", &lake], &arguments[..]].concat()).json();
    let findings = findings.as_array().unwrap();
    let page = std::fs::read_to_string(&page).unwrap();
    let events: u64 = findings.iter().map(|finding| finding["count"].as_u64().unwrap()).sum();
    let rules: BTreeSet<&str> =
        findings.iter().map(|finding| finding["finding_info"]["analytic"]["uid"].as_str().unwrap()).collect();
    for (number, what) in [(findings.len() as u64, "finding"), (events, "event"), (rules.len() as u64, "rule")] {
        assert!(page.contains(&format!("<li><b>{number}</b> {what}")), "{number} {what}");
    }
    for finding in findings {
        let id = finding["finding_info"]["uid"].as_str().unwrap();
        assert!(page.contains(&format!("Finding {id}")), "{id}");
    }
}
