//! The shipped rules over a made-up trail with hits and near misses for each of them: they find the events that an independent
//! list says, one by one. Skipped where the trail is not at hand.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic, its helpers too")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use detection::Rule;
use detection::rule::{Expectation, ParameterValues, Test, TestEvents, TestInput};
use detection::trial::{self, Engines};
use diagnostics::{Span, Spanned};
use embedded::{Embedded, Options};
use query::{BoxFuture, Engine, QueryError};
use serde_json::{Value as Json, json};

struct OverFolder;

impl Engines for OverFolder {
    fn open<'a>(&'a self, lake: &'a Path) -> BoxFuture<'a, Result<Box<dyn Engine>, QueryError>> {
        Box::pin(async move {
            let engine = Embedded::over_folder(lake, Options::default()).await?;
            Ok(Box::new(engine) as Box<dyn Engine>)
        })
    }
}

/// The values with which the list was made, by the name of a rule's parameter.
fn parameters(rule: &Rule, bindings: &Json) -> ParameterValues {
    let list = |name: &str| json!([bindings[name]]);
    let value = |parameter: &str| match parameter {
        "source_ips" => list("source_ip"),
        "access_keys" => list("access_key_id"),
        "user_arns" => list("user_arn"),
        "user_agents" => list("user_agent"),
        "office_prefix" => bindings["corporate_prefix"].clone(),
        "decoy_secrets" => bindings["decoy_secret_ids"].clone(),
        "decoy_buckets" => bindings["decoy_bucket_names"].clone(),
        "decoy_users" => bindings["decoy_user_names"].clone(),
        "decoy_access_keys" => bindings["decoy_access_key_ids"].clone(),
        other => bindings[other].clone(),
    };
    let set = rule.parameters.iter().map(|parameter| (parameter.name.value.clone(), value(&parameter.name.value)));
    set.filter(|(_, value)| !value.is_null() && *value != json!([null])).collect()
}

fn expected(entry: &Json) -> BTreeSet<String> {
    let ids = entry.get("as_meant").filter(|meant| meant.is_array()).unwrap_or(&entry["event_ids"]);
    ids.as_array().unwrap().iter().map(|id| id.as_str().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_rule_finds_the_events_of_an_independent_list() {
    let (Some(trail), Some(list)) =
        (vectors::read("synthetic-cloudtrail-events.json"), vectors::read("detections-expected-synthetic.json"))
    else {
        return;
    };
    let files = tempfile::tempdir().unwrap();
    fs::write(files.path().join("trail.json"), trail).unwrap();
    let list: Json = serde_json::from_slice(&list).unwrap();
    let folder: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../detections/aws-cloudtrail");
    let (mut compared, mut differing) = (0, BTreeMap::new());
    for (id, entry) in list["detections"].as_object().unwrap() {
        let Ok(text) = fs::read_to_string(folder.join(format!("{id}.yaml"))) else { continue };
        // Rules that count have no events of their own.
        if !text.contains("metadata.uid AS event_uid") {
            continue;
        }
        let rule = Rule::from_text(&text).unwrap();
        let file = TestEvents::File(Spanned::new("trail.json".to_owned(), Span::default()));
        let test = Test {
            name: id.clone(),
            span: Span::default(),
            inputs: vec![TestInput {
                source: Spanned::new("aws-cloudtrail".to_owned(), Span::default()),
                events: file,
            }],
            parameters: parameters(&rule, &list["parameter_bindings"]),
            expect: Expectation::Nothing,
        };
        let lake = tempfile::tempdir().unwrap();
        let verdict = trial::run(&rule, &test, files.path(), lake.path(), &OverFolder).await;
        let rows = verdict.findings.iter().flat_map(|finding| &finding.rows);
        let found: BTreeSet<String> =
            rows.filter_map(|row| row.get("event_uid")?.as_str()).map(str::to_owned).collect();
        let expected = expected(entry);
        compared += 1;
        if found != expected {
            let (more, fewer) = (found.difference(&expected).count(), expected.difference(&found).count());
            differing
                .insert(id.clone(), format!("{more} more, {fewer} fewer of {}; {:?}", expected.len(), verdict.failure));
        }
    }
    assert!(differing.is_empty(), "{differing:#?}");
    assert!(compared > 45, "{compared}");
}
