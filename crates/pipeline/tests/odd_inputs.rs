//! What really arrives, and what must become of it: a table of inputs that other tools lose, refuse or misread.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic, its helpers too")]

use std::io::Write as _;
use std::sync::Arc;

use lake::quarantine::{Origin, QuarantineLine, read_lines};
use ocsf::rows_to_json;
use ocsf::schema::{Schema, Version};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use pipeline::{Bounds, Counts, MappedSource, Naming, Settings, Stores, shipped_mapping, transform_object};
use serde_json::{Value, json};
use store::MemoryStore;

struct Named;

impl Naming for Named {
    fn label(&self) -> &str {
        "log"
    }

    fn identity(&self) -> Vec<String> {
        vec!["log".to_owned()]
    }
}

struct Outcome {
    counts: Counts,
    rows: Vec<Value>,
    lines: Vec<QuarantineLine>,
}

fn ingest(mapping: &str, bytes: &[u8]) -> Outcome {
    let source = MappedSource::new(mapping, shipped_mapping(mapping).unwrap(), &|_| None).unwrap();
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
    let origin = |_| Origin::S3 { bucket: "b".into(), key: "k".into(), version: None, offset: 0, index: 0 };
    let outcome =
        transform_object(&source, &settings, &stores, runtime.handle(), bytes, &Named, origin, || true).unwrap();
    let schema = Schema::get(Version::default());
    let rows = lake.objects().into_values().flat_map(|object| {
        let reader = ParquetRecordBatchReaderBuilder::try_new(object).unwrap().build().unwrap();
        reader.flat_map(|batch| rows_to_json(schema, &batch.unwrap()).unwrap()).collect::<Vec<_>>()
    });
    let lines = quarantine
        .objects()
        .into_values()
        .flat_map(|object| read_lines(&object[..]).unwrap().map(Result::unwrap).collect::<Vec<_>>());
    Outcome { counts: outcome.counts, rows: rows.collect(), lines: lines.collect() }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn utf16(text: &str) -> Vec<u8> {
    format!("\u{feff}{text}").encode_utf16().flat_map(u16::to_le_bytes).collect()
}

/// A process start with these lines between `CommandLine: ` and `User`.
fn process_start(command_line: &str, hashes: &str) -> String {
    let message = format!(
        "Process Create:\r\nRuleName: -\r\nUtcTime: 2026-02-03 04:05:06.789\r\n\
         ProcessGuid: {{aaaaaaaa-0000-1111-2222-bbbbbbbbbbbb}}\r\nProcessId: 31\r\nImage: C:\\Tools\\a.exe\r\n\
         FileVersion: -\r\nDescription: -\r\nProduct: -\r\nCompany: -\r\nOriginalFileName: -\r\n\
         CommandLine: {command_line}\r\nCurrentDirectory: C:\\\r\nUser: LAB\\eve\r\n\
         LogonGuid: {{aaaaaaaa-0000-1111-2222-cccccccccccc}}\r\nLogonId: 0x3E7\r\nTerminalSessionId: 0\r\n\
         IntegrityLevel: Low\r\nHashes: {hashes}\r\nParentProcessGuid: {{aaaaaaaa-0000-1111-2222-dddddddddddd}}\r\n\
         ParentProcessId: 7\r\nParentImage: C:\\Tools\\shell.exe\r\nParentCommandLine: shell\r\nParentUser: LAB\\eve"
    );
    json!({
        "EventId": 1, "Description": message, "LogName": "Microsoft-Windows-Sysmon/Operational", "MachineName": "pc-9",
        "ProviderName": "Microsoft-Windows-Sysmon", "TimeCreated": "2026-02-03T04:05:07Z", "Index": 12,
    })
    .to_string()
}

fn hash_of(digits: usize) -> String {
    "A".repeat(digits)
}

/// Inputs, and how many of their events are written, quarantined by reason, and discarded.
#[test]
fn every_odd_input_has_the_outcome_of_the_table() {
    let start = process_start("a.exe", &format!("MD5={}", hash_of(32)));
    let lines = format!("{start}\n{start}\n");
    let packed = gzip(lines.as_bytes());
    let mut reserved = packed.clone();
    reserved[3] = 0xff;
    let cloudtrail = samples::cloudtrail(3).take(2).collect::<Vec<_>>();
    let flow = "2 111122223333 eni-0a 192.0.2.1 192.0.2.2 1 2 6 1 40 1767225600 1767225660 ACCEPT OK";
    let control = json!({"messageType": "CONTROL_MESSAGE", "logGroup": "", "logEvents": [{"message": "x"}]});
    let envelope = |messages: &[&str]| {
        let events: Vec<Value> = messages.iter().map(|text| json!({ "id": "0", "message": text })).collect();
        json!({"messageType": "DATA_MESSAGE", "logGroup": "/g", "owner": "1", "logEvents": events}).to_string()
    };
    type Row = (&'static str, &'static str, Vec<u8>, u64, &'static [(&'static str, u64)], u64);
    let table: Vec<Row> = vec![
        ("zero padding after gzip", "windows-sysmon", [packed.clone(), vec![0; 512]].concat(), 2, &[], 0),
        (
            "a newline between gzip members",
            "windows-sysmon",
            [packed.clone(), b"\n".to_vec(), packed.clone()].concat(),
            4,
            &[],
            0,
        ),
        ("reserved flags in a gzip header", "windows-sysmon", reserved, 0, &[("undecodable", 1)], 0),
        (
            "garbage after gzip",
            "windows-sysmon",
            [packed.clone(), b"PK".to_vec()].concat(),
            2,
            &[("undecodable", 1)],
            0,
        ),
        ("UTF-16", "windows-sysmon", utf16(&lines), 2, &[], 0),
        (
            "bytes that are no text",
            "windows-sysmon",
            b"\x00\x01\n\n\xff\xfe\x03\n\x00\x7f\n\x02".to_vec(),
            0,
            &[("undecodable", 1)],
            0,
        ),
        (
            "bzip2",
            "windows-sysmon",
            b"BZh91AY&SY\n\x00\x01\n\x80\xff\n\x02\x03\x04\n".to_vec(),
            0,
            &[("undecodable", 1)],
            0,
        ),
        ("a hash that is none", "windows-sysmon", process_start("a", "Unknown").into_bytes(), 1, &[], 0),
        ("an empty hash", "windows-sysmon", process_start("a", "MD5=,SHA256=").into_bytes(), 1, &[], 0),
        (
            "a hash beyond the schema",
            "windows-sysmon",
            process_start("a", &format!("MD5={}", hash_of(9000))).into_bytes(),
            1,
            &[],
            0,
        ),
        (
            "fake fields in a command line",
            "windows-sysmon",
            process_start("x\r\nUser: NT AUTHORITY\\SYSTEM\r\nHashes: x", "-").into_bytes(),
            1,
            &[],
            0,
        ),
        (
            "events of lookup-events",
            "aws-cloudtrail",
            json!({"Events": [{"EventId": "e", "CloudTrailEvent": cloudtrail[0]}]}).to_string().into_bytes(),
            1,
            &[],
            0,
        ),
        (
            "an EventBridge event",
            "aws-cloudtrail",
            format!(r#"{{"detail-type":"x","source":"aws.iam","detail":{}}}"#, cloudtrail[1]).into_bytes(),
            1,
            &[],
            0,
        ),
        ("a control message", "aws-network-firewall", control.to_string().into_bytes(), 0, &[], 1),
        ("an envelope without events", "aws-network-firewall", envelope(&[]).into_bytes(), 0, &[], 1),
        (
            "one event of an envelope is none",
            "aws-vpc-flow",
            envelope(&[flow, "no flow at all"]).into_bytes(),
            1,
            &[("no_time", 1)],
            0,
        ),
        ("a flow without data", "aws-vpc-flow", flow.replace("ACCEPT OK", "- NODATA").into_bytes(), 0, &[], 1),
        (
            "a day that cannot be",
            "aws-vpc-flow",
            flow.replace("17672256", "99672256").into_bytes(),
            0,
            &[("implausible_time", 1)],
            0,
        ),
    ];
    let mut faults = Vec::new();
    for (name, mapping, bytes, written, quarantined, discarded) in table {
        let Outcome { counts, rows, lines } = ingest(mapping, &bytes);
        let by_reason: Vec<(&str, u64)> =
            counts.quarantined.iter().map(|(reason, count)| (reason.as_str(), *count)).collect();
        if (counts.total_written(), &by_reason[..], counts.total_discarded()) != (written, quarantined, discarded)
            || rows.len() as u64 != written
            || lines.len() as u64 != counts.total_quarantined()
        {
            faults.push(format!("{name}: {counts:?}"));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn what_cannot_be_read_is_kept_to_its_last_byte() {
    let packed = gzip(process_start("a.exe", "-").as_bytes());
    let mut reserved = packed.clone();
    reserved[3] = 0xff;
    for damaged in [
        reserved,
        packed[..packed.len() - 9].to_vec(),
        [packed.clone(), b"garbage".to_vec()].concat(),
        b"\x00\x01\n\n\xff\xfe\x03\n\x00\x7f\n\x02".to_vec(),
    ] {
        let lines = ingest("windows-sysmon", &damaged).lines;
        assert_eq!(lines.iter().map(QuarantineLine::raw).collect::<Vec<_>>(), [&damaged[..]]);
    }
}

#[test]
fn a_command_line_sets_no_field_but_its_own() {
    let fake = "x\r\nCurrentDirectory: C:\\Windows\r\nUser: NT AUTHORITY\\SYSTEM\r\nIntegrityLevel: System\r\n\
                Hashes: MD5=1\r\nParentImage: C:\\Windows\\services.exe";
    let row = &ingest("windows-sysmon", process_start(fake, "-").as_bytes()).rows[0];
    assert_eq!(row["process"]["cmd_line"], fake);
    assert_eq!(row["process"]["user"]["name"], "eve");
    assert_eq!(row["process"]["integrity"], "Low");
    assert_eq!(row["actor"]["process"]["file"]["path"], "C:\\Tools\\shell.exe");
    assert_eq!(row["unmapped"]["sluice.repeated_fields"], "CurrentDirectory,User,IntegrityLevel,Hashes,ParentImage");
}

#[test]
fn what_an_incomplete_object_held_is_in_unmapped() {
    let row = &ingest("windows-sysmon", process_start("a", "MD5=").as_bytes()).rows[0];
    assert!(row["process"]["file"].get("hashes").is_none(), "{row}");
    assert_eq!(row["unmapped"]["Description.Hashes"], "MD5=");
}

#[test]
fn one_refused_event_of_an_envelope_is_kept_with_its_envelope_and_comes_back_alone() {
    let flow = "2 111122223333 eni-0a 192.0.2.1 192.0.2.2 1 2 6 1 40 1767225600 1767225660 ACCEPT OK";
    let envelope = json!({
        "messageType": "DATA_MESSAGE", "logGroup": "/g", "owner": "1",
        "logEvents": [{ "id": "0", "message": flow }, { "id": "1", "message": "none" }],
    });
    let lines = ingest("aws-vpc-flow", envelope.to_string().as_bytes()).lines;
    let kept: Value = serde_json::from_slice(lines[0].raw()).unwrap();
    assert_eq!(kept["logEvents"], json!([{ "id": "1", "message": "none" }]));
    let again = ingest("aws-vpc-flow", lines[0].raw());
    assert_eq!((again.rows.len(), again.lines[0].raw()), (0, lines[0].raw()));
}
