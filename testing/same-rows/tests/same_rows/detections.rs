//! The conditions of known detections over CloudTrail's events find the intended events on both engines.
//!
//! Conditions and events are not part of the project. They are in `../shared/vectors`, if anywhere.

use std::collections::BTreeSet;

use same_rows::{Both, Lake, Tally, Verdict, server};
use serde_json::Value;
use sql::text::Sql;

const TABLES: [&str; 3] = ["aws_cloudtrail_6003", "aws_cloudtrail_3001", "aws_cloudtrail_3002"];

/// Columns that Security Lake's own table and all of ours have.
const SHARED: &str =
    "metadata, time, time_dt, cloud, api, actor, http_request, src_endpoint, class_uid, status, unmapped";

/// A text search over the whole identity, of which OCSF stores only parts.
const NOT_EXPRESSIBLE: [&str; 1] = ["root-console-login-by-identity-text"];

fn vectors(name: &str) -> Option<Value> {
    vectors::read(name).map(|text| serde_json::from_slice(&text).unwrap())
}

/// Replaces `:name` by its value in SQL; `None` if a value is unknown.
fn bind(condition: &str, parameters: &Value) -> Option<String> {
    let mut bound = String::new();
    let mut rest = condition;
    while let Some((before, after)) = rest.split_once(':') {
        let length = after.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(after.len());
        let (name, after) = after.split_at(length);
        bound.push_str(before);
        if name.is_empty() || before.ends_with('%') {
            // A colon that is part of a text, as in '%:i-%'.
            bound.push(':');
            bound.push_str(name);
        } else {
            bound.push_str(&match parameters.get(name)? {
                Value::Array(values) => {
                    let values: Vec<String> =
                        values.iter().map(|v| Sql::text(v.as_str().unwrap()).to_string()).collect();
                    values.join(", ")
                }
                value => Sql::text(value.as_str().unwrap()).to_string(),
            });
        }
        rest = after;
    }
    bound.push_str(rest);
    Some(bound)
}

#[tokio::test]
async fn conditions_find_the_events_they_are_meant_to_find() {
    let (Some(server), Some(detections)) = (server().unwrap(), vectors("detections.json")) else { return };
    let expected = vectors("detections-expected-synthetic.json").unwrap();
    let events = vectors("synthetic-cloudtrail-events.json").unwrap();
    let lake = Lake::new().unwrap();
    lake.add("synthetic", "aws-cloudtrail", events.to_string().as_bytes()).unwrap();
    let both = Both::over(server, lake.path()).await.unwrap();

    let mut tally = Tally::default();
    let mut wrong = Vec::new();
    let mut left_out = Vec::new();
    let mut asked = 0;
    for detection in detections.as_array().unwrap() {
        let id = detection["id"].as_str().unwrap();
        let Some(meant) = expected["detections"].get(id).and_then(|entry| entry["event_ids"].as_array()) else {
            continue;
        };
        let condition = detection["ocsf_equivalent"]["where"].as_str().filter(|condition| !condition.is_empty());
        let condition = condition.filter(|_| !NOT_EXPRESSIBLE.contains(&id));
        let mut parameters = expected["parameter_bindings"].clone();
        if id == "console-login-unusual" {
            // The condition asks for the night, but the bindings cover the whole day.
            parameters["end_time"] = "2024-03-01T05:00:00Z".into();
        }
        let Some(condition) = condition.and_then(|c| bind(c, &parameters)) else {
            left_out.push(id);
            continue;
        };
        // In Trino a missing key is an error with `[…]`, and NULL with element_at.
        let condition = condition.replace("unmapped['", "element_at(unmapped, '").replace("']", "')");
        asked += 1;
        let arms: Vec<String> = TABLES
            .iter()
            .map(|table| {
                let table = Sql::path([both.database.as_str(), table]);
                format!("SELECT metadata.uid FROM (SELECT {SHARED} FROM {table}) WHERE {condition}")
            })
            .collect();
        let answers = both.run_text(&arms.join(" UNION ALL ")).await;
        tally.count(id, answers.verdict(false));
        let meant: BTreeSet<&str> = meant.iter().filter_map(Value::as_str).collect();
        match &answers.trino {
            Ok(answer) => {
                let found: BTreeSet<&str> = answer.rows.iter().filter_map(|row| row[0].as_str()).collect();
                if found != meant {
                    wrong.push(format!("{id}: {} found, {} meant: {condition}", found.len(), meant.len()));
                }
            }
            Err(error) => wrong.push(format!("{id}: {error}: {condition}")),
        }
    }
    println!("{asked} conditions; not asked: {left_out:?}\n{tally}wrong on Trino: {wrong:#?}");
    assert!(asked == 101 && wrong.is_empty());
    assert!(tally.differences.is_empty(), "{tally}");
    assert_eq!(tally.refused, [""; 0]);
}

#[test]
fn verdicts_tell_rows_from_refusals() {
    let mut tally = Tally::default();
    tally.count("a", Verdict::Same);
    tally.count("b", Verdict::Refused("MATCH_RECOGNIZE".to_owned()));
    assert_eq!(tally.to_string(), "1 the same, 1 refused, 0 differ\nrefused  b: MATCH_RECOGNIZE\n");
}

#[test]
fn parameters_are_bound_as_text() {
    let parameters = serde_json::json!({ "instance": "i-1", "ips": ["a'b", "c"] });
    let bound = bind("x LIKE '%:i-%' AND y LIKE '%' || :instance || '%' AND z IN (:ips)", &parameters);
    assert_eq!(bound.unwrap(), "x LIKE '%:i-%' AND y LIKE '%' || 'i-1' || '%' AND z IN ('a''b', 'c')");
    assert_eq!(bind("x = :unknown", &parameters), None);
}
