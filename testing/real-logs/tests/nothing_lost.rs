//! Every record of the real logs is written or in quarantine, and what is written is valid OCSF by two judges: the strict
//! validator, and JSON Schema made from the compiled schema.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jsonschema::Validator;
use ocsf::schema::Schema;
use ocsf::validate::{Severity, validate_event};
use real_logs::{Run, log_file, rows, shipped_source, transform};
use serde_json::{Value, json};

const MEMORY: usize = 128 << 20;

/// JSON Schema by class and profiles.
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

/// Runs a file through a shipped mapping and judges every row.
fn judge_file(file: &str, mapping: &str, records: u64, quarantined_at_most: u64) {
    let (Some(input), Some(mut judge)) = (log_file(file).unwrap(), Judge::new()) else { return };
    let source = shipped_source(mapping).unwrap();
    let schema = source.mapping().schema();
    let run = transform(&source, &input, MEMORY).unwrap();
    let (written, quarantined) = (run.counts.total_written(), run.counts.total_quarantined());
    println!("{file} with {mapping}: {:?}", run.counts);
    assert_eq!(run.counts.records_in, records);
    assert_eq!(written + quarantined, records, "every record is written or in quarantine");
    assert!(quarantined <= quarantined_at_most, "{quarantined} in quarantine: {:?}", run.counts.quarantined);

    let mut in_lake = 0;
    let mut faults: BTreeMap<String, u64> = BTreeMap::new();
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
    assert_eq!(in_lake, written, "what counts as written is in the lake");
    assert!(faults.is_empty(), "{faults:#?}");
    schemas_are_fixed(&run);
}

/// All objects of a custom source have the same schema.
fn schemas_are_fixed(run: &Run) {
    use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
    let mut schemas = BTreeMap::new();
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

/// The first written rows of each kind of event.
fn sample(file: &str, mapping: &str, each: usize) -> Option<(&'static Schema, Vec<Value>)> {
    let input = log_file(file).unwrap()?;
    let source = shipped_source(mapping).unwrap();
    let schema = source.mapping().schema();
    let run = transform(&source, &input, MEMORY).unwrap();
    let mut kinds: BTreeMap<(u64, String), Vec<Value>> = BTreeMap::new();
    for (_, bytes) in run.lake_objects() {
        for row in rows(schema, bytes).unwrap() {
            let kind = (row["type_uid"].as_u64().unwrap(), row["metadata"]["event_code"].to_string());
            let rows = kinds.entry(kind).or_default();
            if rows.len() < each {
                rows.push(row);
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

/// Raw texts that are in the output in another form, by the field that they stand in.
const TRANSFORMED: [&str; 4] = ["Description.Initiated", "Description.UtcTime", "TimeCreated", "event.tcp.tcp_flags"];

#[test]
fn no_field_disappears() {
    for (file, mapping, kind) in [
        ("sysmon-kinesis.ndjson.gz", "windows-sysmon", "EventId"),
        ("sysmon-kinesis.ndjson.gz", "windows-sysmon-precise", "EventId"),
        ("nfw-suricata.ndjson.gz", "aws-network-firewall", "event_type"),
        ("nfw-aws.ndjson", "aws-network-firewall", "event_type"),
    ] {
        let Some(input) = log_file(file).unwrap() else { return };
        let source = shipped_source(mapping).unwrap();
        let mut seen: BTreeMap<String, u32> = BTreeMap::new();
        for line in input.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            let bump = bumpalo::Bump::new();
            let mut document = sources::Document::parse(line, &bump).unwrap();
            if let Some(fields) = &source.decode().text_fields {
                fields.apply(&mut document);
            }
            let raw = document.to_value(document.root());
            let id = raw.get(kind).or(raw.pointer(&format!("/event/{kind}"))).map(Value::to_string).unwrap_or_default();
            let count = seen.entry(id).or_default();
            *count += 1;
            if *count > 25 {
                continue;
            }
            let run = transform(&source, line, MEMORY).unwrap();
            let (_, object) = run.lake_objects().next().unwrap_or_else(|| panic!("not written: {raw:#}"));
            let row = rows(source.mapping().schema(), object).unwrap().remove(0);
            let output = row.to_string().to_lowercase();
            for (path, text) in leaves(&raw, String::new()) {
                let missing = pieces(&text).find(|piece| !output.contains(piece.as_str()));
                let excused = TRANSFORMED.contains(&path.as_str()) || is_number_in(&text, &output);
                assert!(
                    missing.is_none() || excused,
                    "{path}: {missing:?} of {text:?} is not in\n{row:#}\nfrom\n{raw:#}"
                );
            }
        }
        assert!(seen.len() >= 2, "{file} has several kinds of events");
    }
}

/// Every scalar with its dotted path.
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

/// The parts of a text that a mapping may take apart: a hash without its algorithm, a user without the domain. Quotes and
/// backslashes are escaped in JSON, so they part the text as well.
fn pieces(text: &str) -> impl Iterator<Item = String> {
    let lower = text.to_lowercase();
    let pieces: Vec<String> = lower
        .split(|c: char| !c.is_alphanumeric())
        .filter(|piece| piece.len() >= 4 && !matches!(*piece, "sha1" | "sha256" | "imphash" | "true" | "false"))
        .map(str::to_owned)
        .collect();
    pieces.into_iter()
}

/// Whether a number in hexadecimal or with leading zeros stands in the output in decimal.
fn is_number_in(text: &str, output: &str) -> bool {
    let number = match text.strip_prefix("0x") {
        Some(digits) => i64::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    };
    number.is_some_and(|number| output.contains(&number.to_string()))
}
