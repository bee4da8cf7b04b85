use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use crate::support::{Folder, Service, run, sysmon};

/// The records of a request as text.
fn records(body: &Value) -> Vec<String> {
    let data = body["Records"].as_array().unwrap().iter().map(|record| record["Data"].as_str().unwrap());
    data.map(|data| String::from_utf8(base64_simd::STANDARD.decode_to_vec(data).unwrap()).unwrap()).collect()
}

fn taken(count: usize) -> Vec<Value> {
    (0..count)
        .map(|number| json!({ "SequenceNumber": number.to_string(), "ShardId": "shardId-000000000000" }))
        .collect()
}

fn take_all(body: &Value) -> (u16, Value) {
    let count = body["Records"].as_array().unwrap().len();
    (200, json!({ "FailedRecordCount": 0, "Records": taken(count) }))
}

#[test]
fn lines_become_records_in_requests_of_up_to_500() {
    let folder = Folder::new();
    let log = sysmon(1203);
    let file = folder.write("log.zst", zstd::encode_all(log.as_bytes(), 1).unwrap());
    let kinesis = Service::start(|_, body| take_all(body));
    let summary = kinesis.run(0, &["send", "--stream", "logs", "--format", "json", &file]).json();
    assert_eq!(
        (&summary["records_in"], &summary["sent"], &summary["requests"]),
        (&1203.into(), &1203.into(), &3.into())
    );
    let requests = kinesis.requests();
    assert!(requests.iter().all(|(operation, body)| operation == "PutRecords" && body["StreamName"] == "logs"));
    let sent: Vec<String> = requests.iter().flat_map(|(_, body)| records(body)).collect();
    assert_eq!(sent, log.lines().collect::<Vec<_>>());
}

#[test]
fn no_request_is_larger_than_kinesis_takes() {
    let folder = Folder::new();
    let line = "x".repeat(700_000) + "\n";
    let file = folder.write("log", line.repeat(12));
    let kinesis = Service::start(|_, body| take_all(body));
    kinesis.run(0, &["send", "--stream", "arn:aws:kinesis:eu-central-1:123456789012:stream/logs", &file]);
    let requests = kinesis.requests();
    assert_eq!(requests.iter().map(|(_, body)| records(body).len()).collect::<Vec<_>>(), [7, 5]);
    assert!(requests.iter().all(|(_, body)| body["StreamARN"].as_str().unwrap().ends_with("stream/logs")));
}

#[test]
fn records_that_a_shard_refuses_are_sent_again_and_only_these() {
    let folder = Folder::new();
    let file = folder.write("log", "a\nb\nc\nd\n");
    let asked = AtomicUsize::new(0);
    let kinesis = Service::start(move |_, body| {
        let mut results = taken(body["Records"].as_array().unwrap().len());
        if asked.fetch_add(1, Ordering::SeqCst) == 0 {
            for refused in [1, 3] {
                results[refused] =
                    json!({ "ErrorCode": "ProvisionedThroughputExceededException", "ErrorMessage": "slow" });
            }
        }
        let failed = results.iter().filter(|result| result.get("ErrorCode").is_some()).count();
        (200, json!({ "FailedRecordCount": failed, "Records": results }))
    });
    let summary = kinesis.run(0, &["send", "--stream", "logs", "--format", "json", &file]).json();
    assert_eq!((&summary["sent"], &summary["retried"]), (&4.into(), &2.into()));
    let sent: Vec<Vec<String>> = kinesis.requests().iter().map(|(_, body)| records(body)).collect();
    assert_eq!(sent, [vec!["a", "b", "c", "d"], vec!["b", "d"]]);
}

#[test]
fn the_partition_key_is_constant_or_from_a_field_or_a_hash() {
    let folder = Folder::new();
    let file = folder.write("log", "{\"host\":\"a\"}\n{\"host\":7}\n{\"host\":null}\nno JSON\n");
    let keys = |more: &[&str]| -> Vec<String> {
        let kinesis = Service::start(|_, body| take_all(body));
        kinesis.run(0, &[&["send", "--stream", "logs", &file], more].concat());
        let (_, body) = kinesis.requests().remove(0);
        body["Records"]
            .as_array()
            .unwrap()
            .iter()
            .map(|record| record["PartitionKey"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(keys(&["--partition-key", "all"]), ["all"; 4]);
    let hashes = keys(&[]);
    assert!(hashes.iter().all(|key| key.len() == 32) && hashes[0] != hashes[1]);
    assert_eq!(keys(&["--partition-key-field", "host"]), ["a", "7", &hashes[2], &hashes[3]]);
}

#[test]
fn a_line_longer_than_a_record_is_named_and_the_others_are_sent() {
    let folder = Folder::new();
    let file = folder.write("log", format!("a\n{}\nb\n", "x".repeat(1_100_000)));
    let kinesis = Service::start(|_, body| take_all(body));
    let sent = kinesis.run(1, &["send", "--stream", "logs", "--format", "json", &file]);
    assert_eq!(sent.stderr, format!("{file}:2: not sent, 1,100,000 bytes exceed the size limit of a record\n"));
    assert_eq!((&sent.json()["sent"], &sent.json()["too_long"]), (&2.into(), &1.into()));
}

#[test]
fn a_stream_that_does_not_exist_is_an_error() {
    let folder = Folder::new();
    let file = folder.write("log", "a\n");
    let kinesis = Service::start(|_, _| {
        (400, json!({ "__type": "ResourceNotFoundException", "message": "Stream logs under account 1 not found." }))
    });
    let failed = kinesis.run(3, &["send", "--stream", "logs", &file]);
    assert!(failed.stderr.starts_with("error: cannot send to logs after 0 records: "), "{}", failed.stderr);
    assert!(failed.stderr.contains("Stream logs under account 1 not found."), "{}", failed.stderr);
    let nowhere = run(3, &["send", "--stream", "logs", &file]);
    assert_eq!(nowhere.stderr, "error: no Region is set; set AWS_REGION or a profile's region\n");
}
