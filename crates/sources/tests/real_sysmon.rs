//! Rendered Sysmon messages of real hosts, where `../shared/data` is there: every event in release, the first thousands
//! in debug.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test, whose helpers clippy takes for code")]

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};

use bumpalo::Bump;
use sources::{Document, DocumentBuffer, FieldNames, NodeId, NodeValue, TITLE_KEY, TextFields};

/// Lines of a real log, or `None` with a word about it.
fn lines(name: &str) -> Option<impl Iterator<Item = Vec<u8>>> {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    let path: PathBuf = data.join(name);
    if !path.exists() {
        println!("skipped: ../shared/data is not here");
        return None;
    }
    let most = if cfg!(debug_assertions) { 3_000 } else { usize::MAX };
    let reader = BufReader::new(flate2::read::MultiGzDecoder::new(File::open(path).unwrap()));
    Some(reader.split(b'\n').map(Result::unwrap).take(most))
}

fn sysmon() -> TextFields {
    TextFields {
        at: vec!["Description".to_owned()],
        event_id: vec!["EventId".to_owned()],
        names: FieldNames::shipped("windows-sysmon").unwrap(),
    }
}

fn text<'a>(document: &Document<'a>, path: &[&str]) -> &'a str {
    document.value(document.find(path).unwrap_or_else(|| panic!("{path:?}"))).text().unwrap()
}

/// Title, names and values in order make the message again; and no message of these has lines that look like a field
/// twice.
#[test]
fn the_parts_of_every_message_join_to_the_message() {
    let fields = sysmon();
    let (mut buffer, mut bump) = (DocumentBuffer::default(), Bump::new());
    for file in ["sysmon-kinesis.ndjson.gz", "sysmon-kinesis-mordor-full.ndjson.gz"] {
        let Some(lines) = lines(file) else { return };
        let mut count = 0;
        for line in lines {
            let mut document = buffer.parse(&line, &bump).unwrap();
            let message = text(&document, &["Description"]);
            let before = document.to_value(NodeId::ROOT);
            assert!(fields.apply(&mut document), "{message}");
            let mut parts = Vec::new();
            for part in document.children(document.find(&["Description"]).unwrap()) {
                let NodeValue::String(value) = document.value(part) else { panic!("{message}") };
                match document.key(part).unwrap() {
                    TITLE_KEY => parts.push(value.to_owned()),
                    name => parts.push(format!("{name}: {value}")),
                }
            }
            assert_eq!(parts.join("\r\n"), message);
            assert_eq!(document.repeated_fields(), 0, "{message}");
            // And all around it is as it was.
            let mut after = document.to_value(NodeId::ROOT);
            after["Description"] = message.into();
            assert_eq!(after, before);
            count += 1;
            buffer.recycle(document);
            bump.reset();
        }
        println!("{file}: {count} messages");
        assert!(count >= 3_000);
    }
}

/// None of these messages was made to mislead, so the first line with a name is its field.
#[test]
fn the_fields_of_every_message_are_the_first_lines_with_their_names() {
    let fields = sysmon();
    let (mut buffer, mut bump) = (DocumentBuffer::default(), Bump::new());
    for file in ["sysmon-kinesis.ndjson.gz", "sysmon-kinesis-mordor-full.ndjson.gz"] {
        let Some(lines) = lines(file) else { return };
        for line in lines {
            let mut document = buffer.parse(&line, &bump).unwrap();
            let (message, event) = (text(&document, &["Description"]), text(&document, &["EventId"]));
            let names = fields.names.of(event).unwrap();
            let mut expected: Vec<(&str, String)> = Vec::new();
            for line in message.split("\r\n") {
                let name =
                    names.iter().find(|name| line.strip_prefix(*name).is_some_and(|rest| rest.starts_with(": ")));
                match name.filter(|name| expected.iter().all(|(seen, _)| seen != name)) {
                    Some(name) => expected.push((name, line[name.len() + 2..].to_owned())),
                    None if expected.is_empty() => expected.push((TITLE_KEY, line.to_owned())),
                    None => expected.last_mut().unwrap().1.extend(["\r\n", line]),
                }
            }
            assert!(fields.apply(&mut document), "{message}");
            let parts = document.children(document.find(&["Description"]).unwrap());
            let split: Vec<(&str, String)> = parts
                .map(|part| (document.key(part).unwrap(), document.value(part).text().unwrap().to_owned()))
                .collect();
            assert_eq!(split, expected);
            buffer.recycle(document);
            bump.reset();
        }
    }
}

/// What is split from the message is what the host's own event log holds as data.
#[test]
fn the_fields_of_a_message_are_the_data_of_its_event() {
    let fields = sysmon();
    let Some(evtx) = lines("sysmon-evtx.ndjson.gz") else { return };
    let Some(kinesis) = lines("sysmon-kinesis.ndjson.gz") else { return };
    let mut compared = 0;
    for (raw, sent) in evtx.zip(kinesis) {
        let raw: serde_json::Value = serde_json::from_slice(&raw).unwrap();
        let bump = Bump::new();
        let mut document = Document::parse(&sent, &bump).unwrap();
        let (system, data) = (&raw["Event"]["System"], &raw["Event"]["EventData"]);
        assert_eq!(text(&document, &["MachineName"]), system["Computer"].as_str().unwrap());
        assert_eq!(text(&document, &["Index"]), system["EventRecordID"].to_string());
        assert!(fields.apply(&mut document));
        let message = document.find(&["Description"]).unwrap();
        for (name, value) in data.as_object().unwrap() {
            let Some(node) = document.get(message, name) else {
                assert!(!name.chars().all(|c| c.is_ascii_alphanumeric()), "{name} is missing in {sent:?}");
                continue;
            };
            let value = match value {
                serde_json::Value::String(value) => value.clone(),
                serde_json::Value::Null => String::new(),
                other => other.to_string(),
            };
            // The renderer writes GUIDs in braces and chooses the case of hexadecimal digits.
            let plain = |text: &str| text.trim_matches(['{', '}']).to_lowercase();
            assert_eq!(plain(document.value(node).text().unwrap()), plain(&value), "{name}");
            compared += 1;
        }
    }
    println!("{compared} values");
    assert!(compared > 10_000);
}
