//! One way to read, wherever a log comes from: the same mapping and bytes give the same rows as a file, as an object and as a
//! record of a stream.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by a panic, its helpers too")]

use std::io::Write as _;
use std::sync::Arc;

use lake::quarantine::{Origin, read_lines};
use ocsf::rows_to_json;
use ocsf::schema::{Schema, Version};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use pipeline::{
    Bounds, MappedSource, Naming, RoutedObject, Settings, Sources, Stores, StreamRecord, shipped_mapping,
    transform_object, transform_records,
};
use proptest::prelude::*;
use serde_json::{Value, json};
use store::MemoryStore;
use tokio::runtime::Runtime;

const ALB: &str = include_str!("text_logs/aws-alb.log");
const FLOWS: &str = include_str!("text_logs/aws-vpc-flow.log");
const GUARDDUTY: &str = include_str!("../../../examples/aws-guardduty.ndjson");
const SECURITY_HUB: &str = include_str!("../../../examples/aws-security-hub.ndjson");

struct Named;

impl Naming for Named {
    fn label(&self) -> &str {
        "log"
    }

    fn identity(&self) -> Vec<String> {
        vec!["log".to_owned()]
    }
}

/// What became of bytes: rows of the lake as JSON texts in order, lines of quarantine, and what was discarded.
#[derive(Debug, PartialEq)]
struct Fate {
    rows: Vec<String>,
    quarantined: Vec<(String, Vec<u8>)>,
    discarded: u64,
}

struct Places {
    lake: MemoryStore,
    quarantine: MemoryStore,
    stores: Stores,
    settings: Settings,
    runtime: Runtime,
}

impl Places {
    fn new() -> Self {
        let (lake, quarantine) = (MemoryStore::default(), MemoryStore::default());
        let stores = Stores { lake: Arc::new(lake.clone()), quarantine: Arc::new(quarantine.clone()) };
        let settings = Settings {
            region: "eu-central-1".parse().unwrap(),
            account: "111122223333".parse().unwrap(),
            seal: Default::default(),
            memory: 1 << 30,
            bounds: Bounds::default(),
        };
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        Self { lake, quarantine, stores, settings, runtime }
    }

    fn fate(&self, discarded: u64) -> Fate {
        let schema = Schema::get(Version::default());
        let rows = self.lake.objects().into_iter().flat_map(|(key, object)| {
            let folder = key.rsplit_once('/').unwrap().0.to_owned();
            let reader = ParquetRecordBatchReaderBuilder::try_new(object).unwrap().build().unwrap();
            let rows = reader.flat_map(|batch| rows_to_json(schema, &batch.unwrap()).unwrap()).collect::<Vec<_>>();
            rows.into_iter().map(move |row| format!("{folder} {row}"))
        });
        let mut rows: Vec<String> = rows.collect();
        rows.sort();
        let lines = self
            .quarantine
            .objects()
            .into_values()
            .flat_map(|object| read_lines(&object[..]).unwrap().map(Result::unwrap).collect::<Vec<_>>());
        let mut quarantined: Vec<_> = lines.map(|line| (line.reason().to_owned(), line.raw().to_vec())).collect();
        quarantined.sort();
        Fate { rows, quarantined, discarded }
    }
}

fn as_object<'s>(routed: impl Into<RoutedObject<'s>>, bytes: &[u8]) -> Fate {
    let places = Places::new();
    let origin = |_| Origin::S3 { bucket: "b".into(), key: "k".into(), version: None, offset: 0, index: 0 };
    let Places { settings, stores, runtime, .. } = &places;
    let outcome =
        transform_object(routed.into(), settings, stores, runtime.handle(), bytes, &Named, origin, || true).unwrap();
    places.fate(outcome.counts.total_discarded())
}

fn as_record(sources: &Sources, bytes: &[u8]) -> Fate {
    let places = Places::new();
    let record = StreamRecord {
        sequence_number: "1",
        shard: "shardId-000000000000",
        stream: "arn:aws:kinesis:eu-central-1:111122223333:stream/logs",
        arrival: 1_796_000_000_000,
        data: bytes,
    };
    let Places { settings, stores, runtime, .. } = &places;
    let outcome = runtime.block_on(transform_records(sources, settings, stores, &[record], || true));
    assert_eq!((outcome.retry_from, outcome.errors), (None, Vec::new()));
    places.fate(outcome.counts.total_discarded())
}

/// A log in the form that its source writes.
fn log(mapping: &str, seed: u64, events: usize) -> Vec<String> {
    match mapping {
        "windows-sysmon" | "windows-sysmon-precise" => samples::sysmon(seed).take(events).collect(),
        "aws-network-firewall" => samples::network_firewall(seed).take(events).collect(),
        "aws-cloudtrail" => samples::cloudtrail(seed).take(events).collect(),
        "aws-alb" => cycle(ALB, seed, events),
        "aws-guardduty" => cycle(GUARDDUTY, seed, events),
        "aws-security-hub" => cycle(SECURITY_HUB, seed, events),
        // The first line is the header.
        "aws-vpc-flow" => {
            let mut lines = FLOWS.lines();
            let header = lines.next().unwrap();
            let flows: Vec<&str> = lines.collect();
            let flows = flows.into_iter().cycle().skip(seed as usize % 5).take(events);
            std::iter::once(header).chain(flows).map(str::to_owned).collect()
        }
        other => panic!("no log of {other}"),
    }
}

fn cycle(lines: &str, seed: u64, events: usize) -> Vec<String> {
    lines.lines().cycle().skip(seed as usize % 5).take(events).map(str::to_owned).collect()
}

const MAPPINGS: [&str; 8] = [
    "windows-sysmon",
    "windows-sysmon-precise",
    "aws-network-firewall",
    "aws-cloudtrail",
    "aws-alb",
    "aws-vpc-flow",
    "aws-guardduty",
    "aws-security-hub",
];

/// How events come together.
#[derive(Debug, Clone, Copy)]
enum Shape {
    Lines,
    /// `{"Records": […]}`, for JSON.
    Array,
    /// Documents one after the other without a line break, for JSON.
    Run,
    /// A CloudWatch Logs subscription.
    Subscription,
    /// The subscription in an SNS message.
    Message,
}

#[derive(Debug, Clone, Copy)]
enum Packing {
    Plain,
    Gzip,
    Members,
    Zstd,
    GzipTwice,
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn bytes(events: &[String], shape: Shape, packing: Packing) -> Vec<u8> {
    let is_json = events[0].starts_with('{');
    let subscription = || {
        // A log group has no header lines.
        let events = events.iter().filter(|event| !event.starts_with("version "));
        let events = events.map(|event| json!({ "id": "1", "timestamp": 1, "message": event }));
        json!({
            "messageType": "DATA_MESSAGE", "owner": "111122223333", "logGroup": "/g", "logStream": "s",
            "logEvents": events.collect::<Vec<Value>>(),
        })
    };
    let plain = match shape {
        Shape::Array if is_json => format!("{{\"Records\":[{}]}}", events.join(",\n")),
        Shape::Run if is_json => events.concat(),
        Shape::Subscription => subscription().to_string(),
        Shape::Message => json!({
            "Type": "Notification", "MessageId": "m", "TopicArn": "arn:aws:sns:eu-central-1:111122223333:t",
            "Message": subscription().to_string(),
        })
        .to_string(),
        _ => events.join("\n"),
    };
    let plain = plain.as_bytes();
    let (first, second) = plain.split_at(plain.len() / 2);
    match packing {
        Packing::Plain => plain.to_vec(),
        Packing::Gzip => gzip(plain),
        Packing::Members => [gzip(first), vec![0; 7], gzip(second), b"\n".to_vec()].concat(),
        Packing::Zstd => zstd::encode_all(plain, 1).unwrap(),
        Packing::GzipTwice => gzip(&gzip(plain)),
    }
}

fn sources(mapping: &str, stream: Value) -> Sources {
    let source = json!({
        "name": mapping,
        "input_paths": { "kinesis": stream, "s3": { "enabled": true, "source_buckets": [{ "bucket_name": "b" }] } },
    });
    Sources::from_text(&json!({ "sources": [source] }).to_string(), &|_| None).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 160, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_same_mapping_and_bytes_give_the_same_rows_from_a_file_an_object_and_a_stream(
        mapping in prop::sample::select(MAPPINGS.to_vec()),
        seed in 0..1000_u64,
        count in 1..9_usize,
        shape in prop::sample::select(vec![Shape::Lines, Shape::Array, Shape::Run, Shape::Subscription, Shape::Message]),
        packing in prop::sample::select(vec![
            Packing::Plain, Packing::Gzip, Packing::Members, Packing::Zstd, Packing::GzipTwice,
        ]),
    ) {
        let bytes = bytes(&log(mapping, seed, count), shape, packing);
        let source = MappedSource::new(mapping, shipped_mapping(mapping).unwrap(), &|_| None).unwrap();
        let file = as_object(&source, &bytes);
        prop_assert!(!file.rows.is_empty() || file.discarded > 0, "{:?}", file);
        prop_assert!(file.quarantined.is_empty(), "{:?}", file.quarantined);
        let alone = sources(mapping, json!({ "enabled": true }));
        prop_assert_eq!(&as_object(alone.of_object("b", "k").taken().unwrap(), &bytes), &file);
        prop_assert_eq!(&as_record(&alone, &bytes), &file);
        // What tells the source is a field that the record does not have; with one source there is nothing to choose.
        prop_assert_eq!(&as_record(&sources(mapping, json!({ "enabled": true, "metadata_field": "log_source" })), &bytes), &file);
    }
}
