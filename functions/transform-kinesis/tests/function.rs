//! The function's program, run as Lambda runs it, with folders for the lake and quarantine.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic, its helpers too")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use base64_simd::STANDARD as BASE64;
use lake::quarantine::read_lines;
use local_lambda::{Exit, Function, InvocationError};
use serde_json::{Value, json};
use tempfile::TempDir;

/// A function and the folders it writes to.
struct Deployment {
    folder: TempDir,
    function: Function,
}

impl Deployment {
    fn new() -> Self {
        Self::with(&[])
    }

    fn with(environment: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let function = start(folder.path(), environment);
        Self { folder, function }
    }

    fn answer(&mut self, event: &Value) -> Value {
        self.function.invoke(event).unwrap()
    }

    /// Keys of the lake.
    fn lake(&self) -> BTreeSet<String> {
        files(&self.folder.path().join("lake"))
    }

    fn quarantine(&self) -> BTreeSet<String> {
        files(&self.folder.path().join("aside"))
    }
}

fn start(folder: &Path, environment: &[(&str, &str)]) -> Function {
    let lake = folder.join("lake").display().to_string();
    let quarantine = folder.join("aside").display().to_string();
    let folders = [("SLUICE_LAKE", lake.as_str()), ("SLUICE_QUARANTINE", quarantine.as_str())];
    let environment: Vec<_> = folders.into_iter().chain(environment.iter().copied()).collect();
    Function::start(Path::new(env!("CARGO_BIN_EXE_transform-kinesis")), &environment).unwrap()
}

fn files(folder: &Path) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut folders: Vec<PathBuf> = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        let Ok(entries) = std::fs::read_dir(&next) else { continue };
        for entry in entries.map(Result::unwrap) {
            match entry.file_type().unwrap().is_dir() {
                true => folders.push(entry.path()),
                false => {
                    found.insert(entry.path().strip_prefix(folder).unwrap().display().to_string());
                }
            }
        }
    }
    found
}

fn sequence_number(index: usize) -> String {
    format!("4959033827149025660855969253836157109592157598913{index:07}")
}

fn event<T: AsRef<[u8]>>(records: &[T]) -> Value {
    let records = records.iter().enumerate().map(|(index, data)| {
        json!({
            "kinesis": {
                "kinesisSchemaVersion": "1.0",
                "partitionKey": "host",
                "sequenceNumber": sequence_number(index),
                "data": BASE64.encode_to_string(data.as_ref()),
                "approximateArrivalTimestamp": 1_740_988_850.5,
            },
            "eventSource": "aws:kinesis",
            "eventVersion": "1.0",
            "eventID": format!("shardId-000000000006:{}", sequence_number(index)),
            "eventName": "aws:kinesis:record",
            "invokeIdentityArn": "arn:aws:iam::111122223333:role/sluice",
            "awsRegion": "eu-central-1",
            "eventSourceARN": "arn:aws:kinesis:eu-central-1:111122223333:stream/logs",
        })
    });
    json!({ "Records": records.collect::<Vec<_>>() })
}

fn sysmon(count: usize) -> Vec<String> {
    samples::sysmon(7).take(count).collect()
}

fn nothing_failed() -> Value {
    json!({"batchItemFailures": []})
}

#[test]
fn a_batch_ends_in_the_lake_and_in_quarantine() {
    let mut deployment = Deployment::new();
    let mut records = sysmon(60);
    records.insert(20, "{\"EventId\": 1, \"Description\"".to_owned());
    assert_eq!(deployment.answer(&event(&records)), nothing_failed());

    let lake = deployment.lake();
    let of_processes = "ext/windows-sysmon-1007/region=eu-central-1/accountId=111122223333/eventDay=20";
    assert!(lake.iter().any(|key| key.starts_with(of_processes)), "{lake:?}");
    let name = format!("/shardId-000000000006-{}-00000-", sequence_number(0));
    assert!(lake.iter().all(|key| key.contains(&name) && key.ends_with(".zstd.parquet")), "{lake:?}");

    let [key] = &deployment.quarantine().into_iter().collect::<Vec<_>>()[..] else { panic!("one object is expected") };
    assert!(key.starts_with("quarantine/unknown/undecodable/20250303/shardId-000000000006-"), "{key}");
    let object = std::fs::read(deployment.folder.path().join("aside").join(key)).unwrap();
    let [line] = &read_lines(&object[..]).unwrap().map(Result::unwrap).collect::<Vec<_>>()[..] else {
        panic!("one line is expected")
    };
    assert_eq!(line.raw(), records[20].as_bytes());
}

#[test]
fn the_same_batch_again_changes_nothing() {
    let mut deployment = Deployment::new();
    let batch = event(&sysmon(40));
    deployment.answer(&batch);
    let contents = |deployment: &Deployment| {
        let lake = deployment.folder.path().join("lake");
        deployment.lake().into_iter().map(|key| (std::fs::read(lake.join(&key)).unwrap(), key)).collect::<Vec<_>>()
    };
    let once = contents(&deployment);
    deployment.answer(&batch);
    assert_eq!(contents(&deployment), once);

    let mut another = Deployment::new();
    another.answer(&batch);
    assert_eq!(contents(&another), once);
}

#[test]
fn what_the_lake_refuses_is_reported_by_its_lowest_sequence_number() {
    let mut deployment = Deployment::new();
    let records = sysmon(60);
    let first_of_processes = records.iter().position(|record| record.starts_with("{\"EventId\":1,")).unwrap();
    let class = deployment.folder.path().join("lake/ext/windows-sysmon-1007");
    std::fs::create_dir_all(class.parent().unwrap()).unwrap();
    std::fs::write(&class, "a file where there should be a folder").unwrap();

    let expected = json!({"batchItemFailures": [{"itemIdentifier": sequence_number(first_of_processes)}]});
    assert_eq!(deployment.answer(&event(&records)), expected);

    std::fs::remove_file(&class).unwrap();
    assert_eq!(deployment.answer(&event(&records)), nothing_failed());
}

#[test]
fn without_time_nothing_is_begun_and_all_is_reported() {
    let folder = tempfile::tempdir().unwrap();
    let mut function = start(folder.path(), &[]).with_deadline(Duration::ZERO);
    let answer = function.invoke(&event(&sysmon(3))).unwrap();
    assert_eq!(answer, json!({"batchItemFailures": [{"itemIdentifier": sequence_number(0)}]}));
    assert!(files(&folder.path().join("lake")).is_empty());
}

#[test]
fn an_empty_batch_is_done() {
    assert_eq!(Deployment::new().answer(&event::<&str>(&[])), nothing_failed());
}

#[test]
fn what_is_no_batch_is_an_error_and_the_next_one_is_taken() {
    let mut deployment = Deployment::new();
    for text in [r#"{"Records":[{"secret":1}]}"#, r#"{"detail":"secret"}"#, "3"] {
        let Err(InvocationError::Answered(error)) = deployment.function.invoke_text(text) else {
            panic!("an error is expected")
        };
        assert_eq!(error["errorType"], "MalformedEvent");
        assert!(!error.to_string().contains("secret"), "{error}");
    }
    assert_eq!(deployment.answer(&event(&sysmon(1))), nothing_failed());
}

#[test]
fn logs_have_the_keys_of_powertools_and_nothing_of_the_records() {
    let mut deployment = Deployment::with(&[("POWERTOOLS_LOG_LEVEL", "TRACE")]);
    let marked =
        |text: &str| text.replace("\"source\":\"windows-sysmon\"", "\"source\":\"windows-sysmon\",\"x\":\"marker\"");
    let mut records: Vec<String> = sysmon(5).iter().map(|record| marked(record)).collect();
    records.push("marker {".to_owned());
    deployment.answer(&event(&records));
    deployment.answer(&event(&records));
    let _ = deployment.function.invoke_text(r#"{"Records":"marker"}"#);

    let is_batch = |line: &Value| line["message"] == "batch done";
    let parsed =
        |lines: &[String]| lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect::<Vec<Value>>();
    let lines = deployment.function.output(|lines| lines.iter().any(|line| line.contains("MalformedEvent")));
    assert!(!lines.iter().any(|line| line.contains("marker")), "{lines:?}");
    let batches: Vec<Value> = parsed(&lines).into_iter().filter(is_batch).collect();
    assert_eq!(batches.iter().map(|line| line["cold_start"].clone()).collect::<Vec<_>>(), [true, false]);
    let line = &batches[0];
    for (key, value) in [
        ("level", json!("INFO")),
        ("service", json!("transform-kinesis")),
        ("function_name", json!("sluice")),
        ("function_memory_size", json!("256")),
        ("function_arn", json!("arn:aws:lambda:eu-central-1:111122223333:function:sluice")),
        ("function_request_id", json!("00000000-0000-4000-8000-000000000001")),
        ("xray_trace_id", json!("1-5759e988-bd862e3fe1be46a994272793")),
        ("shard", json!("shardId-000000000006")),
        ("events", json!(6)),
        ("quarantined", json!(1)),
    ] {
        assert_eq!(line[key], value, "{key}");
    }
    assert!(line["location"].is_string() && line["timestamp"].is_string());
}

#[test]
fn metrics_count_every_record() {
    let mut deployment =
        Deployment::with(&[("POWERTOOLS_METRICS_NAMESPACE", "Lab"), ("POWERTOOLS_SERVICE_NAME", "lab")]);
    let mut records = sysmon(30);
    records.push("no JSON".to_owned());
    records.push(r#"{"EventId":4711,"source":"windows-sysmon"}"#.to_owned());
    deployment.answer(&event(&records));
    let lines = deployment.function.output(|lines| lines.iter().any(|line| line.contains("\"batch done\"")));
    let blobs: Vec<Value> = lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    let blobs: Vec<&Value> = blobs.iter().filter(|line| line.get("_aws").is_some()).collect();
    let directive = |blob: &Value| blob["_aws"]["CloudWatchMetrics"][0].clone();
    assert!(blobs.iter().all(|blob| blob["service"] == "lab" && directive(blob)["Namespace"] == "Lab"));
    let by = |dimensions: &Value| {
        blobs.iter().filter(|blob| &directive(blob)["Dimensions"][0] == dimensions).collect::<Vec<_>>()
    };

    let [all] = by(&json!(["service"]))[..] else { panic!("one blob is expected") };
    assert_eq!(
        (&all["RecordsIn"], &all["RecordsWritten"], &all["RecordsQuarantined"]),
        (&json!(32), &json!(30), &json!(2))
    );
    assert_eq!(all["RecordsRetried"], 0);
    assert_eq!(all["ObjectsWritten"], deployment.lake().len() + deployment.quarantine().len());
    assert!(all["IteratorAge"].as_u64().unwrap() > 0 && all["BytesWritten"].as_u64().unwrap() > 0);
    let reasons: Vec<_> =
        by(&json!(["service", "reason"])).iter().map(|blob| (&blob["reason"], &blob["RecordsQuarantined"])).collect();
    assert_eq!(reasons, [(&json!("no_mapping"), &json!(1)), (&json!("undecodable"), &json!(1))]);
    let written: u64 =
        by(&json!(["service", "class"])).iter().map(|blob| blob["RecordsWritten"].as_u64().unwrap()).sum();
    assert_eq!(written, 30);
    let [cold] = by(&json!(["service", "function_name"]))[..] else { panic!("one blob is expected") };
    assert_eq!(cold["ColdStart"], 1);
}

#[test]
fn sources_and_mappings_may_be_ones_own() {
    let folder = tempfile::tempdir().unwrap();
    let config = r#"{"custom_source_events": {
        "source_name": "door-log", "matched_field": "$.kind", "timestamp": {"field": "$.at", "format": "epoch"},
        "ocsf_mapping": {"open": {"schema": "base_event", "schema_mapping": {
            "metadata": {"product": {"name": "Door", "vendor_name": "Example"}}, "activity_id": 1, "severity_id": 1}}}}}"#;
    std::fs::write(folder.path().join("door.json"), config).unwrap();
    let mappings = folder.path().display().to_string();
    let sources = r#"{"sources":[{"name":"door","input_paths":{"kinesis":{"enabled":true}}}]}"#;
    let mut deployment = Deployment::with(&[
        ("SLUICE_SOURCES", sources),
        ("SLUICE_MAPPINGS", &mappings),
        ("SLUICE_ACCOUNT", "external_lab"),
        ("SLUICE_REGION", "us-west-2"),
    ]);
    assert_eq!(deployment.answer(&event(&[r#"{"kind":"open","at":1740988850}"#])), nothing_failed());
    let lake = deployment.lake();
    let start = "ext/door-log-0/region=us-west-2/accountId=external_lab/eventDay=20250303/";
    assert!(lake.len() == 1 && lake.iter().all(|key| key.starts_with(start)), "{lake:?}");
}

#[test]
fn a_configuration_that_is_wrong_is_told_to_lambda_and_logged() {
    let folder = tempfile::tempdir().unwrap();
    let function = start(folder.path(), &[("SLUICE_SOURCES", "s3://bucket")]);
    let Exit { status, start_error, output } = function.exit().unwrap();
    assert!(!status.success());
    let message = "SLUICE_SOURCES is `s3://bucket`, which names no object. Write s3://bucket/key, the path of a file, or \
                   the JSON itself.";
    assert_eq!(start_error, Some(json!({"errorType": "StartError", "errorMessage": message})));
    let line: Value = serde_json::from_str(&output[0]).unwrap();
    assert_eq!(
        (&line["level"], &line["message"], &line["error"]),
        (&json!("ERROR"), &json!("start failed"), &json!(message))
    );
}

#[test]
fn outside_of_lambda_the_program_says_what_it_is() {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_transform-kinesis")).env_clear().output().unwrap();
    assert!(!output.status.success());
    assert!(String::from_utf8(output.stdout).unwrap().contains("This program is a Lambda function"));
}
