//! Stream records: by the source that they name, else by the first rule whose conditions hold.

use std::sync::Arc;

use bumpalo::Bump;
use pipeline::{Bounds, Settings, Sources, Stores, StreamRecord, check_sources, transform_records};
use serde_json::{Value, json};
use sources::Document;
use store::MemoryStore;

use crate::sources;

/// The source of a record of a stream, or why it has none, as the reference page writes it.
pub(crate) fn route(sources: &Sources, stream: &str, event: &str) -> String {
    let bump = Bump::new();
    let document = Document::parse(event.as_bytes(), &bump).unwrap();
    match sources.of_stream(stream).of_event(&document) {
        Ok(source) => source.name().to_owned(),
        Err(message) => format!("refused: {message}"),
    }
}

/// Sources `a`, `b`, … with a rule each.
fn rules(rules: &[Value]) -> Sources {
    sources(&file(rules))
}

fn file(rules: &[Value]) -> String {
    let sources_of = rules.iter().zip('a'..).map(|(rule, name)| {
        let mut rule = rule.clone();
        rule["enabled"] = json!(true);
        json!({"name": name.to_string(), "input_paths": {"kinesis": rule}})
    });
    json!({ "sources": sources_of.collect::<Vec<_>>() }).to_string()
}

const ARN: &str = "arn:aws:kinesis:eu-central-1:111122223333:stream/logs-north";

#[test]
fn the_source_that_a_record_names_comes_before_any_condition() {
    let sources = rules(&[json!({"stream": "logs-*"}), json!({"metadata_field": "source"})]);
    assert_eq!(route(&sources, ARN, r#"{"source": "b"}"#), "b");
    assert_eq!(route(&sources, ARN, r#"{"source": "c"}"#), "a");
    assert_eq!(route(&sources, "other", r#"{"source": "b"}"#), "b");
    assert_eq!(
        route(&sources, "other", r#"{"source": "c"}"#),
        "refused: the event names source `c`, which is not configured"
    );
}

#[test]
fn the_first_rule_in_the_file_wins_whose_conditions_all_hold() {
    let sources = rules(&[
        json!({"stream": "logs-*", "when": {"equals": ["$.kind", "door"]}}),
        json!({"when": {"equals": ["$.kind", "door"]}}),
        json!({"stream": "arn:*:111122223333:stream/logs-north"}),
        json!({}),
    ]);
    for (stream, event, expected) in [
        (ARN, r#"{"kind": "door"}"#, "a"),
        ("other", r#"{"kind": "door"}"#, "b"),
        (ARN, "{}", "c"),
        ("logs-north", "{}", "d"),
        ("logs-south", r#"{"kind": "door"}"#, "a"),
    ] {
        assert_eq!(route(&sources, stream, event), expected, "{stream} {event}");
    }
}

#[test]
fn a_rule_with_a_field_and_a_condition_takes_records_without_the_field_but_none_of_another_source() {
    let sources = rules(&[
        json!({"metadata_field": "source", "stream": "logs-*"}),
        json!({"metadata_field": "source", "when": {"exists": "$.door"}}),
    ]);
    for (stream, event, expected) in [
        (ARN, "{}", "a"),
        ("other", r#"{"door": 1}"#, "b"),
        (ARN, r#"{"source": "b", "door": 1}"#, "b"),
        // Named, but the source's condition does not hold.
        ("other", r#"{"source": "a"}"#, "refused"),
        (ARN, r#"{"source": "c", "door": 1}"#, "refused"),
        ("other", "{}", "refused"),
    ] {
        assert_eq!(route(&sources, stream, event).split(':').next().unwrap(), expected, "{stream} {event}");
    }
}

#[test]
fn with_one_rule_there_is_nothing_to_choose() {
    let only = rules(&[json!({"metadata_field": "source"})]);
    assert_eq!(route(&only, ARN, "{}"), "a");
    assert_eq!(route(&only, ARN, r#"{"source": null}"#), "a");
    assert_eq!(route(&only, ARN, r#"{"source": "b"}"#), "refused: the event names source `b`, which is not configured");
    let two = rules(&[json!({"metadata_field": "source"}), json!({"metadata_field": "source"})]);
    assert_eq!(route(&two, ARN, "{}"), "refused: the event's metadata field names none of the configured sources");
}

/// Records in the lake by source, of records that are lines of text and not JSON.
fn written_of_lines(rules: &[Value], stream: &str) -> Vec<String> {
    let mapping = r#"{"custom_source_events": {
        "source_name": "door", "timestamp": {"field": "$.at", "format": "epoch"},
        "decode": {"format": "delimited", "columns": ["at", "door"]},
        "select": [{"when": {"exists": "$.at"}, "event": "any"}],
        "ocsf_mapping": {"any": {"schema": "base_event", "schema_mapping": {
            "activity_id": 1, "severity_id": 1, "metadata": {"product": {"name": "Door", "vendor_name": "Example"}}}}}}}"#;
    let named =
        |name: &str| Some(mapping.replace("\"door\", \"timestamp", &format!("\"{}\", \"timestamp", &name[..1])));
    let sources = Sources::from_text(&file(rules), &named).unwrap();
    let settings = Settings {
        region: "eu-central-1".parse().unwrap(),
        account: "111122223333".parse().unwrap(),
        seal: Default::default(),
        memory: 1 << 30,
        bounds: Bounds::default(),
    };
    let (lake, quarantine) = (MemoryStore::default(), MemoryStore::default());
    let stores = Stores { lake: Arc::new(lake.clone()), quarantine: Arc::new(quarantine) };
    let record = StreamRecord {
        sequence_number: "1",
        shard: "shardId-000000000000",
        stream,
        arrival: 1_740_990_000_000,
        data: b"1740990000 north\n1740990001 south\n",
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let outcome = runtime.block_on(transform_records(&sources, &settings, &stores, &[record], || true));
    let keys = lake.objects().into_keys();
    let sources = keys.map(|key| key.split('/').nth(1).unwrap().split('-').next().unwrap().to_owned());
    sources.chain((outcome.counts.total_written() != 2).then(|| "quarantine".to_owned())).collect()
}

#[test]
fn a_record_that_is_no_json_belongs_to_the_source_of_its_stream() {
    let rules = [
        json!({"metadata_field": "source"}),
        json!({"stream": "logs-*", "when": {"exists": "$.door"}}),
        json!({"stream": "logs-*"}),
        json!({"stream": "doors"}),
    ];
    assert_eq!(written_of_lines(&rules, ARN), ["c"]);
    assert_eq!(written_of_lines(&rules, "doors"), ["d"]);
    assert_eq!(written_of_lines(&rules, "other"), ["quarantine"]);
}

#[test]
fn a_condition_at_fault_is_shown_where_it_stands() {
    let text = r#"{"sources": [{"name": "windows-sysmon", "input_paths": {"kinesis": {"enabled": true, "when": {"equal": ["$.a", 1]}}}}]}"#;
    let checked = check_sources(text, &|_| None);
    let [fault] = &checked.diagnostics[..] else { panic!("{:?}", checked.diagnostics) };
    assert_eq!((fault.code.number(), &text[fault.primary.span.range()]), ("E412", "\"equal\""));
    assert!(fault.help.as_deref().unwrap().starts_with("did you mean `equals`?"));
}
