//! The function's program, run as Lambda runs it, with folders for the lake and quarantine and a bucket store to read.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic, its helpers too")]

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use lake::quarantine::{Origin, QuarantineLine, read_lines};
use local_lambda::{Buckets, Function, InvocationError};
use proptest::prelude::*;
use proptest::sample::subsequence;
use serde_json::{Value, json};
use tempfile::TempDir;

/// A function, the buckets that it reads and the folders it writes to.
struct Deployment {
    folder: TempDir,
    buckets: Buckets,
    function: Function,
}

impl Deployment {
    fn new() -> Self {
        Self::with(&[])
    }

    fn with(environment: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let buckets = Buckets::start().unwrap();
        let (lake, aside) = (folder.path().join("lake").display().to_string(), folder.path().join("aside"));
        let (aside, endpoint) = (aside.display().to_string(), buckets.endpoint());
        let own = [
            ("SLUICE_LAKE", lake.as_str()),
            ("SLUICE_QUARANTINE", &aside),
            ("AWS_ENDPOINT_URL", &endpoint),
            ("AWS_MAX_ATTEMPTS", "1"),
        ];
        let environment = [&own, environment].concat();
        let function = Function::start(Path::new(env!("CARGO_BIN_EXE_transform-s3")), &environment);
        Self { folder, buckets, function: function.unwrap() }
    }

    /// Ids of the messages that have to come again.
    fn failed(&mut self, bodies: &[Value]) -> Vec<String> {
        let answer = self.function.invoke(&event(bodies)).unwrap();
        let failures = answer["batchItemFailures"].as_array().unwrap();
        failures.iter().map(|failure| failure["itemIdentifier"].as_str().unwrap().to_owned()).collect()
    }

    /// Contents of the lake by key.
    fn lake(&self) -> BTreeMap<String, Vec<u8>> {
        contents(&self.folder.path().join("lake"))
    }

    fn quarantine(&self) -> Vec<QuarantineLine> {
        let objects = contents(&self.folder.path().join("aside"));
        objects.values().flat_map(|object| read_lines(&object[..]).unwrap().map(Result::unwrap)).collect()
    }

    /// The line that the function ends the latest batch with.
    fn report(&self, batches: usize) -> Value {
        let is_report = |line: &&String| line.contains("\"message\":\"batch done\"");
        let lines = self.function.output(|lines| lines.iter().filter(is_report).count() >= batches);
        serde_json::from_str(lines.iter().rfind(is_report).unwrap()).unwrap()
    }
}

fn contents(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders: Vec<PathBuf> = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        let Ok(entries) = std::fs::read_dir(&next) else { continue };
        for path in entries.map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
            } else {
                let content = std::fs::read(&path).unwrap();
                found.insert(path.strip_prefix(folder).unwrap().display().to_string(), content);
            }
        }
    }
    found
}

/// A batch of messages `m-0`, `m-1`, …
fn event(bodies: &[Value]) -> Value {
    let messages = bodies.iter().enumerate().map(|(index, body)| {
        let body = body.as_str().map_or_else(|| body.to_string(), str::to_owned);
        json!({
            "messageId": format!("m-{index}"), "receiptHandle": "h", "body": body, "md5OfBody": "", "messageAttributes": {},
            "attributes": {"ApproximateReceiveCount": "1"}, "eventSource": "aws:sqs", "awsRegion": "eu-central-1",
            "eventSourceARN": "arn:aws:sqs:eu-central-1:111122223333:files",
        })
    });
    json!({ "Records": messages.collect::<Vec<_>>() })
}

/// What S3 says of new objects, with as little as some emulators put into it.
fn created<T: AsRef<str>>(keys: &[T]) -> Value {
    let records = keys.iter().map(|key| {
        json!({"eventSource": "aws:s3", "eventName": "ObjectCreated:Put",
               "s3": {"bucket": {"name": "logs"}, "object": {"key": key.as_ref(), "size": 100, "eTag": "x"}}})
    });
    json!({ "Records": records.collect::<Vec<_>>() })
}

fn created_version(key: &str, version: &str) -> Value {
    let mut body = created(&[key]);
    body["Records"][0]["s3"]["object"]["versionId"] = json!(version);
    body
}

/// A log of Network Firewall.
fn firewall(seed: u64, count: usize) -> Vec<u8> {
    samples::network_firewall(seed)
        .take(count)
        .flat_map(|line| [line, "\n".to_owned()])
        .collect::<String>()
        .into_bytes()
}

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

const NONE: [String; 0] = [];

#[test]
fn an_object_ends_in_the_lake_whatever_way_it_was_announced() {
    let mut deployment = Deployment::new();
    deployment.buckets.put("logs/aws-network-firewall/a b+c=é.log.gz", gzip(&firewall(1, 30)));
    deployment.buckets.put("logs/aws-network-firewall/plain.log", firewall(2, 20));
    deployment.buckets.put("logs/aws-network-firewall/d%20e.log", firewall(3, 10));
    let direct = created(&["aws-network-firewall/a+b%2Bc%3D%C3%A9.log.gz"]);
    let through_sns =
        json!({"Type": "Notification", "Message": created(&["aws-network-firewall/plain.log"]).to_string()});
    let through_eventbridge = json!({
        "version": "0", "source": "aws.s3", "detail-type": "Object Created",
        "detail": {"bucket": {"name": "logs"}, "object": {"key": "aws-network-firewall/d%20e.log", "size": 1, "etag": "x"}},
    });
    let test = json!({"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "logs"});
    assert_eq!(deployment.failed(&[direct, through_sns, through_eventbridge, test]), NONE);

    let report = deployment.report(1);
    assert_eq!((&report["messages"], &report["objects_read"], &report["written"]), (&json!(4), &json!(3), &json!(60)));
    let names: BTreeSet<_> =
        deployment.lake().into_keys().map(|key| key.rsplit('/').next().unwrap()[..5].to_owned()).collect();
    assert_eq!(names.into_iter().collect::<Vec<_>>(), ["a_b_c", "d_20e", "plain"]);
}

/// Values of a metric by its further dimension, in the lines of all batches so far.
fn metric(deployment: &Deployment, name: &str, dimension: &str) -> BTreeMap<String, u64> {
    // Metrics are written together, this one after those of no dimension.
    let lines = deployment.function.output(|lines| lines.iter().any(|line| line.contains(name)));
    let blobs = lines.iter().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let values = blobs
        .filter(|blob| blob.get("_aws").is_some())
        .filter_map(|blob| Some((blob.get(dimension)?.as_str()?.to_owned(), blob.get(name)?.as_u64()?)));
    values.collect()
}

const TRAIL: &str = "AWSLogs/111122223333/CloudTrail/eu-central-1/2025/03/03";

#[test]
fn cloudtrails_own_messages_name_the_log_files() {
    let mut deployment = Deployment::new();
    let file = samples::cloudtrail_file(samples::cloudtrail(1).take(5));
    let keys = [format!("{TRAIL}/a.json.gz"), format!("team é a+b%20c/{TRAIL}/b.json.gz")];
    for key in &keys {
        deployment.buckets.put(&format!("trail/{key}"), gzip(file.as_bytes()));
    }
    let plain = json!({"s3Bucket": "trail", "s3ObjectKey": [keys[0]]});
    let both = json!({"s3Bucket": "trail", "s3ObjectKey": keys}).to_string();
    let through_sns = json!({"Type": "Notification", "Message": both});
    let validation = json!({"Type": "Notification", "Message": "CloudTrail validation message."});
    let bodies = [plain, through_sns, validation, json!("CloudTrail validation message.")];
    assert_eq!(deployment.failed(&bodies), NONE);
    assert_eq!(deployment.buckets.reads(), [&keys[0], &keys[0], &keys[1]].map(|key| format!("trail/{key}")));
    assert!(deployment.quarantine().is_empty());
    let ignored = metric(&deployment, "NotificationsIgnored", "type");
    assert_eq!(ignored, BTreeMap::from([("CloudTrail validation message".to_owned(), 2)]));
}

#[test]
fn digests_of_a_trail_are_left_alone_and_counted() {
    let mut deployment = Deployment::new();
    let digest = TRAIL.replace("CloudTrail", "CloudTrail-Digest");
    let keys = [format!("{digest}/a.json.gz"), format!("aws-cloudtrail/{digest}/b.json.gz")];
    assert_eq!(deployment.failed(&[created(&keys)]), NONE);
    assert!(deployment.buckets.reads().is_empty() && deployment.quarantine().is_empty());
    let excluded = metric(&deployment, "ObjectsExcluded", "source");
    assert_eq!(excluded, BTreeMap::from([("aws-cloudtrail".to_owned(), 2)]));
    assert_eq!(deployment.report(1)["objects_excluded"], 2);
}

#[test]
fn a_message_of_no_new_object_is_named_in_the_log_and_counted() {
    let mut deployment = Deployment::new();
    let event = |kind: &str| json!({"source": "aws.s3", "detail-type": kind, "detail": {"bucket": {"name": "logs"}, "object": {"key": "a"}}});
    let removed = json!({"Records": [{"eventName": "ObjectRemoved:Delete", "s3": {"bucket": {"name": "logs"}}}]});
    let bodies =
        [event("Object Deleted"), event("Object Restore Completed"), event("Object Deleted"), event("secret"), removed];
    assert_eq!(deployment.failed(&bodies), NONE);
    let expected = [("Object Deleted", 2), ("Object Restore Completed", 1), ("ObjectRemoved:Delete", 1), ("other", 1)];
    let ignored = metric(&deployment, "NotificationsIgnored", "type");
    assert_eq!(ignored, expected.map(|(name, count)| (name.to_owned(), count)).into());
    let lines = deployment.function.output(|_| true);
    let named: Vec<_> = lines.iter().filter(|line| line.contains("\"notification ignored\"")).collect();
    assert_eq!(named.len(), 5);
    assert!(named[1].contains("\"notification_type\":\"Object Restore Completed\""), "{}", named[1]);
    assert!(!lines.iter().any(|line| line.contains("secret")));
}

#[test]
fn the_account_in_a_key_is_that_of_its_records() {
    let rule = json!({"bucket_name": "*", "prefix": "AWSLogs/{account}/network-firewall/"});
    let inputs = json!({"s3": {"enabled": true, "source_buckets": [rule]}});
    let sources = json!({"sources": [{"name": "aws-network-firewall", "input_paths": inputs}]}).to_string();
    let mut deployment = Deployment::with(&[("SLUICE_SOURCES", &sources), ("SLUICE_ACCOUNT", "external_acme")]);
    for account in ["444455556666", "nobody"] {
        let key = format!("AWSLogs/{account}/network-firewall/a.log");
        deployment.buckets.put(&format!("logs/{key}"), firewall(1, 5));
        assert_eq!(deployment.failed(&[created(&[key])]), NONE);
    }
    let keys = deployment.lake().into_keys();
    let accounts: BTreeSet<_> =
        keys.map(|key| key.split("accountId=").nth(1).unwrap().split('/').next().unwrap().to_owned()).collect();
    assert_eq!(accounts.into_iter().collect::<Vec<_>>(), ["444455556666", "external_acme"]);
}

/// Whatever goes wrong with a message or an object, its words stay out of the log.
#[test]
fn nothing_of_a_message_or_of_an_object_is_logged() {
    let mut deployment = Deployment::new();
    let key = "aws-network-firewall/a.log";
    deployment.buckets.put(&format!("logs/{key}"), "{\"event\": {\"secret\": tru}}\n{\"secret\": 1}\nsecret\n");
    let bodies = [
        json!("secret"),
        json!({"secret": 1}),
        json!({"Records": [{"eventName": "secret", "s3": "secret"}]}),
        json!({"Records": [{"s3": {"bucket": "secret", "object": {"key": 1}}}]}),
        json!({"detail-type": "secret", "source": "secret", "detail": {}}),
        json!({"s3Bucket": "b", "s3ObjectKey": [{"secret": 1}]}),
        created(&[key]),
    ];
    assert_eq!(deployment.failed(&bodies), ["m-0", "m-1", "m-3", "m-4", "m-5"]);
    deployment.report(1);
    let lines = deployment.function.output(|_| true);
    assert!(lines.iter().filter(|line| line.contains("\"ERROR\"")).count() == 5, "{lines:#?}");
    assert!(!lines.iter().any(|line| line.contains("secret")), "{lines:#?}");
    assert!(!deployment.quarantine().is_empty());
}

#[test]
fn the_same_object_again_changes_nothing_and_another_version_is_another_object() {
    let mut deployment = Deployment::new();
    let key = "aws-network-firewall/a.log";
    deployment.buckets.put("logs/aws-network-firewall/a.log?v1", firewall(1, 20));
    deployment.buckets.put("logs/aws-network-firewall/a.log?v2", firewall(2, 20));
    assert_eq!(deployment.failed(&[created_version(key, "v1")]), NONE);
    let once = deployment.lake();
    assert_eq!(deployment.failed(&[created_version(key, "v1"), created_version(key, "v1")]), NONE);
    assert_eq!(deployment.lake(), once);
    assert_eq!(deployment.failed(&[created_version(key, "v2")]), NONE);
    assert!(deployment.lake().len() > once.len());
    assert_eq!(deployment.buckets.reads().last().unwrap(), "logs/aws-network-firewall/a.log?v2");
}

#[test]
fn without_versions_the_content_that_was_read_names_the_object() {
    let mut deployment = Deployment::new();
    let place = "logs/aws-network-firewall/a.log";
    // Overwritten before it was read: both messages find the same content.
    deployment.buckets.put(place, firewall(2, 20));
    assert_eq!(
        deployment.failed(&[created(&["aws-network-firewall/a.log"]), created(&["aws-network-firewall/a.log"])]),
        NONE
    );
    let once = deployment.lake();
    deployment.buckets.put(place, firewall(3, 20));
    assert_eq!(deployment.failed(&[created(&["aws-network-firewall/a.log"])]), NONE);
    assert_eq!(
        deployment.lake().into_iter().filter(|(key, content)| once.get(key) == Some(content)).count(),
        once.len()
    );
    assert!(deployment.lake().len() > once.len());
}

#[test]
fn an_object_that_is_gone_or_nobody_claims_leaves_a_line_in_quarantine() {
    let mut deployment = Deployment::new();
    deployment.buckets.put("logs/elsewhere/a.log", "not looked at");
    let bodies = [created_version("aws-network-firewall/gone.log", "v7"), created(&["elsewhere/a.log"])];
    assert_eq!(deployment.failed(&bodies), NONE);
    let lines = deployment.quarantine();
    let lines: Vec<_> = lines.iter().map(|line| (line.reason(), line.raw(), line.origin().clone())).collect();
    let origin = |key: &str, version: Option<&str>| {
        let (bucket, key, version) = ("logs".to_owned(), key.to_owned(), version.map(str::to_owned));
        Origin::S3 { bucket, key, version, offset: 0, index: 0 }
    };
    let expected = [
        ("gone", &b""[..], origin("aws-network-firewall/gone.log", Some("v7"))),
        ("no_source", &b""[..], origin("elsewhere/a.log", None)),
    ];
    assert_eq!(lines, expected);
    assert_eq!(deployment.buckets.reads(), ["logs/aws-network-firewall/gone.log?v7"]);
    assert_eq!(deployment.report(1)["quarantined"], 2);
}

#[test]
fn the_mark_of_an_empty_folder_is_nothing() {
    let mut deployment = Deployment::new();
    let mut body = created(&["elsewhere/folder/"]);
    body["Records"][0]["s3"]["object"]["size"] = json!(0);
    assert_eq!(deployment.failed(&[body]), NONE);
    assert!(deployment.quarantine().is_empty());
}

#[test]
fn lines_that_are_no_events_are_quarantined_and_the_rest_is_written() {
    let mut deployment = Deployment::new();
    let mut content = firewall(1, 10);
    content.extend(b"no JSON\n");
    content.extend(firewall(2, 10));
    deployment.buckets.put("logs/aws-network-firewall/a.log.gz", gzip(&content));
    assert_eq!(deployment.failed(&[created(&["aws-network-firewall/a.log.gz"])]), NONE);
    let [line] = &deployment.quarantine()[..] else { panic!("one line is expected") };
    assert_eq!((line.source(), line.reason(), line.raw()), ("aws-network-firewall", "undecodable", &b"no JSON"[..]));
    assert_eq!(deployment.report(1)["written"], 20);
}

#[test]
fn without_time_nothing_is_begun_and_every_message_comes_again() {
    let mut deployment = Deployment::new();
    deployment.buckets.put("logs/aws-network-firewall/a.log", firewall(1, 10));
    deployment.function = deployment.function.with_deadline(Duration::ZERO);
    let body = created(&["aws-network-firewall/a.log"]);
    assert_eq!(deployment.failed(&[body.clone(), body]), ["m-0", "m-1"]);
    assert!(deployment.buckets.reads().is_empty());
}

#[test]
fn what_is_no_batch_is_an_error() {
    let mut deployment = Deployment::new();
    let Err(InvocationError::Answered(error)) = deployment.function.invoke(&json!({"detail": "secret"})) else {
        panic!("an error is expected")
    };
    assert_eq!(error["errorType"], "MalformedEvent");
}

/// What an object or a message holds in store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Good,
    Gone,
    Unclaimed,
    Poison,
    Refused,
    BreaksOff,
}

/// Of a message that is no notification.
const NO_NOTIFICATION: [Kind; 0] = [];

fn kinds() -> impl Strategy<Value = Vec<Kind>> {
    use Kind::*;
    subsequence(vec![Good, Gone, Unclaimed, Poison, Refused, BreaksOff], 0..4)
}

/// Announces an object for each kind under keys of its own.
fn message(buckets: &Buckets, run: u64, message: usize, kinds: &[Kind]) -> Value {
    let keys = kinds.iter().map(|kind| {
        let folder = if *kind == Kind::Unclaimed { "elsewhere" } else { "aws-network-firewall" };
        let key = format!("{folder}/{run}-{message}-{kind:?}.log");
        let place = format!("logs/{key}");
        let mut content = firewall(run + message as u64, 3);
        match kind {
            Kind::Gone => return key,
            Kind::Poison => content.splice(0..0, *b"{\n").for_each(drop),
            Kind::Refused => buckets.refuse(&place),
            Kind::BreaksOff => buckets.break_off(&place),
            Kind::Good | Kind::Unclaimed => {}
        }
        buckets.put(&place, content);
        key
    });
    let keys: Vec<String> = keys.collect();
    if kinds == NO_NOTIFICATION { json!("no notification") } else { created(&keys) }
}

#[test]
fn exactly_the_messages_that_are_not_done_come_again() {
    let deployment = RefCell::new(Deployment::new());
    let runs = Cell::new(0);
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig {
        cases: 24,
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    let done = runner.run(&proptest::collection::vec(kinds(), 0..5), |messages| {
        let deployment = &mut *deployment.borrow_mut();
        let run = runs.replace(runs.get() + 1);
        let bodies: Vec<Value> =
            messages.iter().enumerate().map(|(index, kinds)| message(&deployment.buckets, run, index, kinds)).collect();
        let before = deployment.lake();
        let is_failed = |kinds: &Vec<Kind>| {
            kinds == &NO_NOTIFICATION || kinds.contains(&Kind::Refused) || kinds.contains(&Kind::BreaksOff)
        };
        let failed = messages.iter().enumerate().filter(|(_, kinds)| is_failed(kinds));
        let expected: Vec<String> = failed.map(|(index, _)| format!("m-{index}")).collect();
        prop_assert_eq!(deployment.failed(&bodies), expected);

        // What can be read is there, also beside something that cannot.
        let name = |key: &String| key.rsplit('/').next().unwrap().split(".log-").next().unwrap().to_owned();
        let added = |deployment: &Deployment| {
            deployment.lake().keys().filter(|key| !before.contains_key(*key)).map(name).collect::<BTreeSet<_>>()
        };
        let readable = |wanted: &[Kind]| {
            let names = messages.iter().enumerate().flat_map(|(index, kinds)| {
                kinds.iter().filter(|kind| wanted.contains(kind)).map(move |kind| format!("{run}-{index}-{kind:?}"))
            });
            names.collect::<BTreeSet<_>>()
        };
        prop_assert_eq!(added(deployment), readable(&[Kind::Good, Kind::Poison]));

        // The queue delivers again what failed; by then the faults have passed.
        let again: Vec<Value> = messages
            .iter()
            .zip(&bodies)
            .filter(|(kinds, _)| is_failed(kinds) && *kinds != &NO_NOTIFICATION)
            .map(|(_, body)| body.clone())
            .collect();
        prop_assert_eq!(deployment.failed(&again), NONE);
        let all = readable(&[Kind::Good, Kind::Poison, Kind::Refused, Kind::BreaksOff]);
        prop_assert_eq!(added(deployment), all);
        Ok(())
    });
    done.unwrap();
}
