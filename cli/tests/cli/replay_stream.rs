//! Replay of what Lambda put aside, against a stand-in for Kinesis, SQS and S3.

use std::sync::LazyLock;

use serde_json::{Value, json};

use crate::support::{Answer, Folder, Run, Service, quarantined, run, sysmon};

const STREAM: &str = "arn:aws:kinesis:eu-central-1:123456789012:stream/logs";
const SHARD: &str = "shardId-000000000001";
const QUEUE: &str = "https://sqs.eu-central-1.amazonaws.com/123456789012/failed";

/// The message of the event source about the records `from` to `to`.
fn message(from: u64, to: u64) -> Value {
    json!({
        "requestContext": { "requestId": "1", "condition": "RetryAttemptsExhausted", "approximateInvokeCount": 3 },
        "version": "1.0",
        "KinesisBatchInfo": {
            "shardId": SHARD, "startSequenceNumber": from.to_string(), "endSequenceNumber": to.to_string(),
            "approximateArrivalOfFirstRecord": "2025-03-03T08:00:00Z", "batchSize": to - from + 1, "streamArn": STREAM
        }
    })
}

/// A shard with a record for each number from `first` to 120, given out in pages of 7.
fn shard(first: u64, operation: &str, body: &Value) -> Answer {
    static LINES: LazyLock<Vec<String>> = LazyLock::new(|| sysmon(150).lines().map(str::to_owned).collect());
    match operation {
        "GetShardIterator" => {
            assert_eq!((&body["StreamARN"], &body["ShardId"]), (&STREAM.into(), &SHARD.into()));
            assert_eq!(body["ShardIteratorType"], "AT_SEQUENCE_NUMBER");
            let start: u64 = body["StartingSequenceNumber"].as_str().unwrap().parse().unwrap();
            (200, json!({ "ShardIterator": start.max(first).to_string() }))
        }
        "GetRecords" => {
            let from: u64 = body["ShardIterator"].as_str().unwrap().parse().unwrap();
            let to = (from + 7).min(121);
            let records = (from..to).map(|number| {
                let line = if number == 42 { "nonsense" } else { &LINES[number as usize] };
                json!({
                    "SequenceNumber": number.to_string(), "PartitionKey": "x",
                    "ApproximateArrivalTimestamp": 1_741_000_000.5,
                    "Data": base64_simd::STANDARD.encode_to_string(line)
                })
            });
            let records: Vec<Value> = records.collect();
            let behind = if to > 120 { 0 } else { 1000 };
            (200, json!({ "Records": records, "NextShardIterator": to.to_string(), "MillisBehindLatest": behind }))
        }
        other => panic!("{other}"),
    }
}

fn replay(folder: &Folder, service: &Service, code: i32, more: &[&str]) -> Run {
    let lake = folder.path("lake");
    service.run(code, &[&["replay", "--lake", &lake, "--mapping", "windows-sysmon", "--format", "json"], more].concat())
}

#[test]
fn the_named_records_are_read_again_and_no_others() {
    let folder = Folder::new();
    let service = Service::start(|operation, body| shard(1, operation, body));
    let file = folder.write("messages.json", message(30, 59).to_string());
    let replayed = replay(&folder, &service, 0, &["--on-failure", &file]).json();
    assert_eq!((&replayed["records_in"], &replayed["quarantined"]), (&30.into(), &json!({ "undecodable": 1 })));
    assert_eq!(replayed["lost"], json!([]));
    let rows = run(0, &["inspect", "--format", "ndjson", &folder.path("lake")]).lines();
    assert_eq!(rows.len(), 29);
    let refused = quarantined(&folder.files("lake"));
    assert_eq!((&refused[0]["raw"], &refused[0]["origin"]["sequence_number"]), (&"nonsense".into(), &"42".into()));

    let before = folder.files("lake");
    replay(&folder, &service, 0, &["--on-failure", &file]);
    assert!(before == folder.files("lake"), "a second time over the first");
}

/// The same message with the batch itself, as Lambda writes it into a bucket.
fn message_with_payload(from: u64, to: u64) -> Value {
    let (_, page) = shard(1, "GetRecords", &json!({ "ShardIterator": from.to_string() }));
    let records = page["Records"].as_array().unwrap().iter().take((to - from + 1) as usize);
    let records: Vec<Value> = records
        .map(|record| {
            let number = record["SequenceNumber"].as_str().unwrap();
            json!({
                "kinesis": {
                    "kinesisSchemaVersion": "1.0", "partitionKey": "x", "sequenceNumber": number, "data": record["Data"],
                    "approximateArrivalTimestamp": record["ApproximateArrivalTimestamp"]
                },
                "eventSource": "aws:kinesis", "eventID": format!("{SHARD}:{number}"), "eventSourceARN": STREAM
            })
        })
        .collect();
    assert_eq!(records.len() as u64, to - from + 1, "a page has seven");
    let mut message = message(from, to);
    message["payload"] = json!({ "Records": records }).to_string().into();
    message
}

/// A message with one record of these bytes.
fn message_with(data: &[u8]) -> Value {
    let mut message = message(7, 7);
    let record = json!({
        "kinesis": {
            "kinesisSchemaVersion": "1.0", "partitionKey": "x", "sequenceNumber": "7",
            "data": base64_simd::STANDARD.encode_to_string(data), "approximateArrivalTimestamp": 1_741_000_000.5
        },
        "eventSource": "aws:kinesis", "eventID": format!("{SHARD}:7"), "eventSourceARN": STREAM
    });
    message["payload"] = json!({ "Records": [record] }).to_string().into();
    message
}

/// The object is the last copy of its records.
#[test]
fn an_object_is_removed_only_when_every_byte_of_its_records_is_kept() {
    let gzip = |text: &str| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        std::io::Write::write_all(&mut encoder, text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    };
    let long = gzip(&format!("{{\"EventId\":1,\"x\":\"{}\"}}\n", "x".repeat(17 << 20)));
    let mut damaged = gzip(&sysmon(20));
    let middle = damaged.len() / 2;
    damaged[middle..middle + 20].fill(0xff);
    for (data, reason) in [(long, "oversized"), (damaged, "undecodable")] {
        let folder = Folder::new();
        let file = folder.write("aside/batch", message_with(&data).to_string());
        replay(&folder, &no_service(), 0, &["--on-failure", &folder.path("aside")]);
        assert!(!std::path::Path::new(&file).exists());
        let refused: Vec<Value> =
            quarantined(&folder.files("lake")).into_iter().filter(|line| line["reason"] == reason).collect();
        let raw = refused[0]["raw_base64"].as_str().unwrap();
        assert_eq!((refused.len(), &refused[0]["whole"]), (1, &true.into()));
        assert!(base64_simd::STANDARD.decode_to_vec(raw).unwrap() == data, "{reason}");
        // It is as damaged as before, and stays.
        let before = folder.files("lake");
        let lake = folder.path("lake");
        let arguments = ["replay", "--quarantine", &lake, "--lake", &lake, "--mapping", "windows-sysmon"];
        run(0, &[&arguments[..], &["--source", "unknown", "--reason", reason]].concat());
        assert!(before == folder.files("lake"), "{reason}");
    }
}

#[test]
fn an_object_that_holds_more_or_fewer_than_its_message_says_is_left() {
    let fewer = {
        let mut message = message_with_payload(1, 3);
        message["KinesisBatchInfo"]["batchSize"] = 4.into();
        message
    };
    for (object, complaint) in [
        (fewer, "a payload has 3 records, but KinesisBatchInfo says 4"),
        (json!([message_with_payload(1, 3), { "not": "ours" }]), "a list item has no KinesisBatchInfo"),
    ] {
        let folder = Folder::new();
        folder.write("aside/batch", object.to_string());
        let replayed = replay(&folder, &no_service(), 1, &["--on-failure", &folder.path("aside")]);
        assert!(replayed.stderr.contains(complaint), "{}", replayed.stderr);
        assert_eq!((&replayed.json()["records_in"], &replayed.json()["unreadable"]), (&3.into(), &1.into()));
        assert!(folder.files("aside").contains_key("batch"));
    }
}

fn no_service() -> Service {
    Service::start(|operation, _| panic!("{operation}"))
}

#[test]
fn a_batch_that_lambda_put_aside_is_replayed_from_its_payload() {
    let folder = Folder::new();
    for (name, content) in [
        ("aside/aws/lambda/c39a/shardId-000000000001/2025/03/03/batch", message_with_payload(40, 45).to_string()),
        ("aside/aws/lambda/c39a/shardId-000000000001/2025/03/03/other", "{}".to_owned()),
        ("aside/aws/lambda/c39a/shardId-000000000001/2025/03/03/broken", {
            message_with_payload(40, 45).to_string().replace("eventSourceARN", "x")
        }),
        ("aside/quarantine/windows-sysmon/no_time/20250303/a.ndjson.zst", "not Lambda's".to_owned()),
    ] {
        folder.write(name, content);
    }
    let replayed = replay(&folder, &no_service(), 1, &["--on-failure", &folder.path("aside")]);
    let report = replayed.json();
    assert_eq!((&report["records_in"], &report["quarantined"]), (&6.into(), &json!({ "undecodable": 1 })));
    assert_eq!((&report["unreadable"], &report["lost"]), (&2.into(), &json!([])));
    assert!(replayed.stderr.contains("2025/03/03/other has no KinesisBatchInfo"), "{}", replayed.stderr);
    assert!(replayed.stderr.contains("a payload is not a batch of Kinesis records: a member"), "{}", replayed.stderr);
    let left: Vec<String> = folder.files("aside").into_keys().collect();
    assert_eq!(left.len(), 3, "{left:?}");
    assert!(!left.iter().any(|name| name.ends_with("batch")), "what is safe has been removed: {left:?}");
    let refused = quarantined(&folder.files("lake"));
    assert_eq!((&refused[0]["raw"], &refused[0]["origin"]["sequence_number"]), (&"nonsense".into(), &"42".into()));

    // The names follow from the records alone, wherever they come from.
    let reread = Folder::new();
    let file = reread.write("messages.json", message(40, 45).to_string());
    replay(&reread, &Service::start(|operation, body| shard(1, operation, body)), 0, &["--on-failure", &file]);
    assert!(folder.files("lake") == reread.files("lake"));
}

#[test]
fn a_message_with_its_payload_needs_no_stream() {
    for message in [message_with_payload(1, 3), {
        let mut parsed = message_with_payload(1, 3);
        parsed["payload"] = serde_json::from_str(parsed["payload"].as_str().unwrap()).unwrap();
        parsed
    }] {
        let folder = Folder::new();
        let file = folder.write("message.json", message.to_string());
        assert_eq!(replay(&folder, &no_service(), 0, &["--on-failure", &file]).json()["records_in"], 3);
        assert!(folder.files("").contains_key("message.json"), "a file that is named stays");
    }
}

/// What the rule for objects that Lambda put aside sends into the queue.
fn announcement(key: &str) -> String {
    json!({
        "version": "0", "detail-type": "Object Created", "source": "aws.s3", "region": "eu-central-1",
        "detail": { "version": "0", "bucket": { "name": "aside" }, "object": { "key": key, "size": 1 } }
    })
    .to_string()
}

#[test]
fn the_queue_of_batches_put_aside_leads_to_their_objects() {
    let folder = Folder::new();
    let handed_out = std::sync::atomic::AtomicBool::new(false);
    let service = Service::start(move |operation, _| match operation {
        "ReceiveMessage" => {
            let messages = ["batch", "gone"].map(|key| {
                json!({ "MessageId": key, "ReceiptHandle": key, "Body": announcement(&format!("aws/lambda/{key}")) })
            });
            let first = !handed_out.swap(true, std::sync::atomic::Ordering::SeqCst);
            (200, if first { json!({ "Messages": messages }) } else { json!({}) })
        }
        "DeleteMessage" => (200, json!({})),
        "GET /aside/aws/lambda/batch" => (200, message_with_payload(1, 3)),
        "GET /aside/aws/lambda/gone" => (404, json!("<Error><Code>NoSuchKey</Code></Error>")),
        "DELETE /aside/aws/lambda/batch" => (204, json!(null)),
        other => panic!("{other}"),
    });
    let report = replay(&folder, &service, 0, &["--on-failure-queue", QUEUE]).json();
    assert_eq!((&report["records_in"], &report["unreadable"]), (&3.into(), &0.into()));
    let order: Vec<String> = service.requests().into_iter().map(|(operation, _)| operation).collect();
    assert_eq!(
        order,
        [
            "ReceiveMessage",
            "GET /aside/aws/lambda/batch",
            "DELETE /aside/aws/lambda/batch",
            "DeleteMessage",
            "GET /aside/aws/lambda/gone",
            "DeleteMessage",
            "ReceiveMessage"
        ]
    );
}

#[test]
fn messages_are_found_however_they_are_wrapped() {
    let direct = message(1, 3).to_string();
    let notification = json!({ "Type": "Notification", "Message": direct }).to_string();
    for wrapped in [
        format!("{direct}\n{}", message(4, 6)),
        json!([message(1, 3), message(4, 6)]).to_string(),
        json!({ "Messages": [{ "Body": direct }, { "Body": message(4, 6).to_string() }] }).to_string(),
        json!({ "Messages": [{ "Body": notification }, { "Body": message(4, 6).to_string() }] }).to_string(),
    ] {
        let folder = Folder::new();
        let service = Service::start(|operation, body| shard(1, operation, body));
        let file = folder.write("messages.json", &wrapped);
        assert_eq!(replay(&folder, &service, 0, &["--on-failure", &file]).json()["records_in"], 6, "{wrapped}");
    }
}

#[test]
fn records_that_the_stream_no_longer_has_are_lost_with_their_range() {
    let folder = Folder::new();
    let service = Service::start(|operation, body| shard(35, operation, body));
    let file = folder.write("messages.json", message(30, 40).to_string());
    let replayed = replay(&folder, &service, 1, &["--on-failure", &file]);
    assert_eq!(
        replayed.stderr,
        format!("lost: 5 records of {STREAM} {SHARD}, from 30 to before 35: the stream no longer has them\n")
    );
    assert_eq!(replayed.json()["records_in"], 6);
    let lost = &replayed.json()["lost"][0];
    assert_eq!(
        (&lost["from"], &lost["before"], &lost["to"], &lost["records"]),
        (&"30".into(), &"35".into(), &"40".into(), &5.into())
    );

    let beyond = folder.write("beyond.json", message(118, 125).to_string());
    let replayed = replay(&folder, &service, 1, &["--on-failure", &beyond]);
    assert_eq!(
        replayed.stderr,
        format!("lost: 5 records of {STREAM} {SHARD}, from 118 to 125: the shard has no later records\n")
    );
}

#[test]
fn a_shard_that_is_gone_is_lost_and_a_stream_that_is_not_there_is_an_error() {
    let folder = Folder::new();
    let file = folder.write("messages.json", message(1, 9).to_string());
    let not_found = || (400, json!({ "__type": "ResourceNotFoundException", "message": "not found" }));
    let gone = Service::start(move |operation, _| match operation {
        "DescribeStreamSummary" => (
            200,
            json!({ "StreamDescriptionSummary": {
            "StreamName": "logs", "StreamARN": STREAM, "StreamStatus": "ACTIVE", "RetentionPeriodHours": 24,
            "StreamCreationTimestamp": 1.0, "EnhancedMonitoring": [], "OpenShardCount": 1 } }),
        ),
        _ => not_found(),
    });
    let replayed = replay(&folder, &gone, 1, &["--on-failure", &file]);
    assert!(replayed.stderr.ends_with("from 1 to 9: the stream no longer has the shard\n"), "{}", replayed.stderr);
    let nowhere = Service::start(move |_, _| not_found());
    let failed = replay(&folder, &nowhere, 3, &["--on-failure", &file]);
    assert!(failed.stderr.starts_with(&format!("error: cannot read {STREAM} {SHARD}: ")), "{}", failed.stderr);
}

#[test]
fn a_message_of_the_queue_is_deleted_once_its_records_are_safe() {
    let folder = Folder::new();
    let handed_out = std::sync::atomic::AtomicBool::new(false);
    let service = Service::start(move |operation, body| match operation {
        "ReceiveMessage" => {
            let bodies = [
                ("safe", message(1, 3).to_string()),
                ("lost", message(119, 122).to_string()),
                ("odd", "hello".to_owned()),
            ];
            let messages =
                bodies.map(|(handle, body)| json!({ "MessageId": handle, "ReceiptHandle": handle, "Body": body }));
            let first = !handed_out.swap(true, std::sync::atomic::Ordering::SeqCst);
            (200, if first { json!({ "Messages": messages }) } else { json!({}) })
        }
        "DeleteMessage" | "ChangeMessageVisibility" => (200, json!({})),
        other => shard(1, other, body),
    });
    let replayed = replay(&folder, &service, 1, &["--on-failure-queue", QUEUE]);
    let (report, stderr) = (replayed.json(), replayed.stderr);
    assert_eq!((&report["records_in"], &report["unreadable"]), (&5.into(), &1.into()));
    assert!(stderr.contains("a message without KinesisBatchInfo stays in the queue: hello\n"), "{stderr}");
    assert!(stderr.contains(&format!("2 messages left in {QUEUE}\n")), "{stderr}");
    let of = |wanted: &str| -> Vec<Value> {
        let requests = service.requests().into_iter().filter(|(operation, _)| operation == wanted);
        requests.map(|(_, body)| body["ReceiptHandle"].clone()).collect()
    };
    assert_eq!(of("DeleteMessage"), ["safe"]);
    assert_eq!(of("ChangeMessageVisibility"), ["lost", "odd"]);
}

#[test]
fn a_file_without_messages_is_bad_usage() {
    let folder = Folder::new();
    let service = Service::start(|operation, body| shard(1, operation, body));
    for (text, message) in [
        ("{}", "has no message with KinesisBatchInfo"),
        ("nonsense", "is not JSON"),
        ("{\"KinesisBatchInfo\": {\"shardId\": 1}}", "KinesisBatchInfo"),
    ] {
        let file = folder.write("messages.json", text);
        let failed = replay(&folder, &service, 3, &["--on-failure", &file]);
        assert!(failed.stderr.contains(message), "{}", failed.stderr);
    }
}
