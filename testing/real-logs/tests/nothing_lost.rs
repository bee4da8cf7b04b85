//! Every record of the real logs is written or in quarantine. What is written is valid OCSF according to the strict
//! validator, and to a JSON Schema made from the compiled schema.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jsonschema::Validator;
use mapping::Unwrapped;
use ocsf::schema::Schema;
use ocsf::validate::{Severity, validate_event};
use ocsf::{TableBuilder, rows_to_json};
use pipeline::{MappedSource, ReadBuffer};
use real_logs::{Run, log_files, rows, shipped_source, transform};
use serde_json::{Value, json};

const MEMORY: usize = 128 << 20;

/// JSON Schemas by class and profiles.
struct Judge {
    compiled: Value,
    validators: HashMap<(u64, Vec<String>), Validator>,
}

impl Judge {
    fn new() -> Option<Self> {
        Some(Self { compiled: ocsf_json_schema::compiled("1.1.0")?, validators: HashMap::new() })
    }

    fn accepts(&mut self, event: &Value) -> Result<(), String> {
        let uid = event["class_uid"].as_u64().unwrap();
        let profiles: Vec<String> = serde_json::from_value(event["metadata"]["profiles"].clone()).unwrap_or_default();
        let compiled = &self.compiled;
        let validator = self.validators.entry((uid, profiles)).or_insert_with_key(|(uid, profiles)| {
            let class = ocsf_json_schema::class_with_uid(compiled, *uid).unwrap();
            let profiles: Vec<&str> = profiles.iter().map(String::as_str).collect();
            jsonschema::validator_for(&ocsf_json_schema::class_schema(compiled, class, &profiles)).unwrap()
        });
        validator.validate(event).map_err(|error| format!("{}: {error}", error.instance_path()))
    }
}

fn errors(schema: &'static Schema, event: &Value) -> Vec<String> {
    let violations = validate_event(schema, event).into_iter();
    violations.filter(|v| v.severity() == Severity::Error).map(|v| format!("{}: {}", v.path, v.message)).collect()
}

/// Runs a file, or every file of a folder, through a shipped mapping, and validates every row.
fn judge_file(file: &str, mapping: &str, records: u64, quarantined_at_most: u64) {
    let (Some(inputs), Some(mut judge)) = (log_files(file).unwrap(), Judge::new()) else { return };
    let source = shipped_source(mapping).unwrap();
    let schema = source.mapping().schema();
    let (mut records_in, mut written, mut quarantined, mut in_lake) = (0, 0, 0, 0);
    let mut reasons: BTreeMap<String, u64> = BTreeMap::new();
    let mut faults: BTreeMap<String, u64> = BTreeMap::new();
    let mut schemas = BTreeMap::new();
    for input in &inputs {
        let run = transform(&source, input, MEMORY).unwrap();
        records_in += run.counts.records_in;
        written += run.counts.total_written();
        quarantined += run.counts.total_quarantined();
        for (reason, count) in &run.counts.quarantined {
            *reasons.entry(format!("{reason:?}")).or_default() += count;
        }
        for (key, bytes) in run.lake_objects() {
            for row in rows(schema, bytes).unwrap() {
                in_lake += 1;
                for error in errors(schema, &row) {
                    *faults.entry(format!("validator: {error}")).or_default() += 1;
                }
                if let Err(error) = judge.accepts(&row) {
                    *faults.entry(format!("JSON Schema: {error}")).or_default() += 1;
                }
            }
            let report = lake::conformance::inspect(Some(key), bytes.clone());
            assert!(report.findings.is_empty(), "{key}: {:?}", report.findings);
        }
        schemas_are_fixed(&run, &mut schemas);
    }
    println!("{file} with {mapping}: {records_in} records, {written} written, {quarantined} in quarantine {reasons:?}");
    assert_eq!(records_in, records);
    assert_eq!(written + quarantined, records, "every record is written or in quarantine");
    assert!(quarantined <= quarantined_at_most, "{quarantined} in quarantine: {reasons:?}");
    assert_eq!(in_lake, written, "what counts as written is in the lake");
    assert!(faults.is_empty(), "{faults:#?}");
}

/// All objects of a custom source have the same schema.
fn schemas_are_fixed(run: &Run, schemas: &mut BTreeMap<String, arrow_schema::Fields>) {
    use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
    for (key, bytes) in run.lake_objects() {
        let source = key.split('/').nth(1).unwrap().to_owned();
        let schema = ParquetRecordBatchReaderBuilder::try_new(bytes.clone()).unwrap().schema().fields().clone();
        assert_eq!(*schemas.entry(source).or_insert_with(|| schema.clone()), schema, "{key}");
    }
}

#[test]
fn sysmon_from_many_places() {
    judge_file("sysmon-kinesis.ndjson.gz", "windows-sysmon", 10_759, 10);
}

#[test]
fn sysmon_from_many_places_in_precise_classes() {
    judge_file("sysmon-kinesis.ndjson.gz", "windows-sysmon-precise", 10_759, 10);
}

#[test]
fn sysmon_from_one_laboratory() {
    judge_file("sysmon-kinesis-mordor-full.ndjson.gz", "windows-sysmon", 184_577, 184);
}

#[test]
fn sysmon_from_one_laboratory_in_precise_classes() {
    judge_file("sysmon-kinesis-mordor-full.ndjson.gz", "windows-sysmon-precise", 184_577, 184);
}

#[test]
fn network_firewall_from_suricata() {
    judge_file("nfw-suricata.ndjson.gz", "aws-network-firewall", 7_107, 7);
}

#[test]
fn network_firewall_from_aws() {
    judge_file("nfw-aws.ndjson", "aws-network-firewall", 12, 0);
}

#[test]
fn cloudtrail_of_an_attack_emulation() {
    judge_file("cloudtrail", "aws-cloudtrail", 2_900, 0);
}

#[test]
fn cloudtrail_made_up_for_detections() {
    judge_file("../vectors/synthetic-cloudtrail-events.json", "aws-cloudtrail", 343, 0);
}

/// The first written row of each kind of event.
fn sample(file: &str, mapping: &str, each: usize) -> Option<(&'static Schema, Vec<Value>)> {
    let inputs = log_files(file).unwrap()?;
    let source = shipped_source(mapping).unwrap();
    let schema = source.mapping().schema();
    let mut kinds: BTreeMap<(u64, String), Vec<Value>> = BTreeMap::new();
    for input in &inputs {
        let run = transform(&source, input, MEMORY).unwrap();
        for (_, bytes) in run.lake_objects() {
            for row in rows(schema, bytes).unwrap() {
                let kind = (row["type_uid"].as_u64().unwrap(), row["metadata"]["event_code"].to_string());
                let rows = kinds.entry(kind).or_default();
                if rows.len() < each {
                    rows.push(row);
                }
            }
        }
    }
    Some((schema, kinds.into_values().flatten().collect()))
}

#[test]
fn changed_records_fail_both_judges_alike() {
    let Some((schema, mut events)) = sample("sysmon-kinesis.ndjson.gz", "windows-sysmon", 2) else { return };
    events.extend(sample("sysmon-kinesis.ndjson.gz", "windows-sysmon-precise", 2).unwrap().1);
    events.extend(sample("nfw-suricata.ndjson.gz", "aws-network-firewall", 2).unwrap().1);
    events.extend(sample("cloudtrail", "aws-cloudtrail", 2).unwrap().1);
    let mut judge = Judge::new().unwrap();
    let mut changed = 0;
    let mut kinds = BTreeSet::new();
    for event in &events {
        assert!(errors(schema, event).is_empty());
        for (kind, mutant) in mutants(event) {
            let ours = errors(schema, &mutant);
            let theirs = judge.accepts(&mutant);
            assert_eq!(ours.is_empty(), theirs.is_ok(), "{kind}: {ours:?} against {theirs:?}\n{mutant:#}");
            assert!(!ours.is_empty(), "{kind} is accepted\n{mutant:#}");
            kinds.insert(kind.split(' ').next().unwrap().to_owned());
            changed += 1;
        }
    }
    println!("{changed} changed records of {} events", events.len());
    assert_eq!(kinds.into_iter().collect::<Vec<_>>(), ["enum", "required", "type", "unknown"]);
}

/// Copies of an event with one fault each.
fn mutants(event: &Value) -> Vec<(String, Value)> {
    let mut mutants = Vec::new();
    let mut change = |kind: &str, pointer: &str, value: Option<Value>| {
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        let mut mutant = event.clone();
        let Some(Value::Object(members)) = mutant.pointer_mut(parent) else { return };
        match value {
            Some(value) => members.insert(name.to_owned(), value),
            None => members.remove(name),
        };
        mutants.push((format!("{kind} {pointer}"), mutant));
    };
    for required in ["/time", "/severity_id", "/activity_id", "/metadata/version", "/metadata/product"] {
        change("required", required, None);
    }
    change("type", "/time", Some(json!("2020-10-05T20:43:58Z")));
    change("type", "/message", Some(json!(7)));
    change("type", "/severity_id", Some(json!("High")));
    change("type", "/metadata/product", Some(json!("Sysmon")));
    change("type", "/observables", Some(json!({})));
    change("enum", "/severity_id", Some(json!(42)));
    change("enum", "/activity_id", Some(json!(42)));
    for object in ["", "/metadata", "/metadata/product", "/actor", "/actor/process", "/file", "/src_endpoint"] {
        change("unknown", &format!("{object}/no_such_attribute"), Some(json!(1)));
    }
    mutants
}

/// Raw fields whose values are written in another form, and the attribute with them.
const TRANSFORMED: [(&str, &str); 11] = [
    ("Description.Initiated", "connection_info.direction_id"),
    ("Description.Operation", "activity_id"),
    ("Description.State", "activity_id"),
    ("event.alert.action", "action_id"),
    ("Description.UtcTime", "time"),
    ("TimeCreated", "metadata.logged_time"),
    ("event.timestamp", "time"),
    ("event_timestamp", "metadata.logged_time"),
    ("event.netflow.start", "start_time"),
    ("event.netflow.end", "end_time"),
    ("userIdentity.sessionContext.attributes.creationDate", "actor.session.created_time"),
];

#[test]
fn no_field_disappears() {
    let mut gone: BTreeMap<String, String> = BTreeMap::new();
    for (file, mapping, kind) in [
        ("sysmon-kinesis.ndjson.gz", "windows-sysmon", "/EventId"),
        ("sysmon-kinesis.ndjson.gz", "windows-sysmon-precise", "/EventId"),
        ("nfw-suricata.ndjson.gz", "aws-network-firewall", "/event/event_type"),
        ("nfw-aws.ndjson", "aws-network-firewall", "/event/event_type"),
        ("cloudtrail", "aws-cloudtrail", "/eventName"),
        ("../vectors/synthetic-cloudtrail-events.json", "aws-cloudtrail", "/eventName"),
    ] {
        let Some(inputs) = log_files(file).unwrap() else { return };
        let source = shipped_source(mapping).unwrap();
        let mut seen: BTreeMap<String, u32> = BTreeMap::new();
        for line in inputs.iter().flat_map(|input| events_of(input)) {
            let line = line.as_slice();
            let kind = serde_json::from_slice::<Value>(line).unwrap().pointer(kind).map(Value::to_string);
            let count = seen.entry(kind.unwrap_or_default()).or_default();
            *count += 1;
            if *count > 25 {
                continue;
            }
            let (raw, row) = map_line(&source, line);
            let output = row.to_string().to_lowercase();
            for (path, text) in leaves(&raw, String::new()) {
                let missing = pieces(&text).find(|piece| !output.contains(piece.as_str()));
                let transformed = TRANSFORMED.iter().find(|(raw, _)| *raw == path);
                let excused = transformed
                    .is_some_and(|(_, attribute)| row.pointer(&format!("/{}", attribute.replace('.', "/"))).is_some());
                if let Some(missing) = missing
                    && !excused
                    && !is_number_in(&text, &output)
                {
                    gone.insert(format!("{mapping}: {path}"), format!("{missing:?} of {text:?}\n{row}"));
                }
            }
        }
        assert!(seen.len() >= 2, "{file} has several kinds of events");
    }
    assert!(gone.is_empty(), "{gone:#?}");
}

/// The events of a file: its lines, or the records of a CloudTrail file.
fn events_of(input: &[u8]) -> Vec<Vec<u8>> {
    match serde_json::from_slice::<Value>(input) {
        Ok(Value::Object(mut file)) if file.contains_key("Records") => {
            file["Records"].take().as_array().unwrap().iter().map(|record| record.to_string().into_bytes()).collect()
        }
        _ => input.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).map(<[u8]>::to_vec).collect(),
    }
}

/// A raw event as the mapping reads it, and the result.
fn map_line(source: &MappedSource, line: &[u8]) -> (Value, Value) {
    let bump = bumpalo::Bump::new();
    let document = sources::Document::parse(line, &bump).unwrap();
    let mut events = Vec::new();
    source.events(document, &mut ReadBuffer::default(), &bump, &mut |event, _| events.push(event));
    assert_eq!(events.len(), 1);
    let Some(Unwrapped::Event(document)) = events.first() else { unreachable!("one event") };
    let mapped = source.mapping().apply(document, &bump).unwrap();
    let mut table = TableBuilder::new(source.mapping().tables()[mapped.table].shape.clone());
    table.append(&mapped.record);
    let row = rows_to_json(source.mapping().schema(), &table.finish().unwrap()).unwrap().remove(0);
    (document.to_value(document.root()), row)
}

/// All scalars, with their dotted paths.
fn leaves(value: &Value, path: String) -> Vec<(String, String)> {
    let below = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
    match value {
        Value::Null => Vec::new(),
        Value::Object(members) => members.iter().flat_map(|(key, value)| leaves(value, below(key))).collect(),
        Value::Array(items) => items.iter().flat_map(|item| leaves(item, path.clone())).collect(),
        Value::String(text) => vec![(path, text.clone())],
        other => vec![(path, other.to_string())],
    }
}

/// The parts into which a mapping may split a text: a hash without its algorithm, a user without the domain. Quotes and
/// backslashes are escaped in JSON, so they also split the text. A hash of zeros means that there is none, and `::ffff:`
/// marks an IPv4 address; neither is written.
fn pieces(text: &str) -> impl Iterator<Item = String> {
    let lower = text.to_lowercase();
    let pieces: Vec<String> = lower
        .split(|c: char| !c.is_alphanumeric())
        .filter(|piece| {
            piece.len() >= 4 && !matches!(*piece, "sha1" | "sha256" | "imphash" | "true" | "false" | "ffff")
        })
        .filter(|piece| piece.chars().any(|c| c != '0'))
        .map(str::to_owned)
        .collect();
    pieces.into_iter()
}

/// Whether the output has a hexadecimal or zero-padded number in decimal.
fn is_number_in(text: &str, output: &str) -> bool {
    let number = match text.strip_prefix("0x") {
        Some(digits) => i64::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    };
    number.is_some_and(|number| output.contains(&number.to_string()))
}
