//! Stream records: by the source that they name, else by the first rule whose conditions hold.

use bumpalo::Bump;
use pipeline::{Sources, check_sources};
use serde_json::{Value, json};
use sources::Document;

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
    let sources_of = rules.iter().zip('a'..).map(|(rule, name)| {
        let mut rule = rule.clone();
        rule["enabled"] = json!(true);
        json!({"name": name.to_string(), "input_paths": {"kinesis": rule}})
    });
    sources(&json!({ "sources": sources_of.collect::<Vec<_>>() }).to_string())
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

#[test]
fn a_condition_at_fault_is_shown_where_it_stands() {
    let text = r#"{"sources": [{"name": "windows-sysmon", "input_paths": {"kinesis": {"enabled": true, "when": {"equal": ["$.a", 1]}}}}]}"#;
    let checked = check_sources(text, &|_| None);
    let [fault] = &checked.diagnostics[..] else { panic!("{:?}", checked.diagnostics) };
    assert_eq!((fault.code.number(), &text[fault.primary.span.range()]), ("E412", "\"equal\""));
    assert!(fault.help.as_deref().unwrap().starts_with("did you mean `equals`?"));
}
