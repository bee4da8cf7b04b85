//! Real logs of AWS services, where `../shared/data` is there: what comes out is what serde_json finds in them.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test, whose helpers clippy takes for code")]

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use bumpalo::Bump;
use serde_json::Value;
use sources::{Columns, Decode, Delimited, DocumentBuffer, Framing, Item, NodeId};

/// The folder of real logs, or `None` with a word about it.
fn data() -> Option<PathBuf> {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    if data.exists() {
        return Some(data);
    }
    println!("skipped: ../shared/data is not here");
    None
}

/// All events of an input, with the text they have as documents.
fn events(framing: Framing, input: &[u8]) -> Vec<(Value, String)> {
    let decode = Decode { framing, ..Decode::default() };
    let mut buffer = DocumentBuffer::default();
    let mut events = Vec::new();
    let mut records = decode.records_of_slice(input);
    while let Some(item) = records.next_item().unwrap() {
        let Item::Event(event) = item else { panic!("{item:?}") };
        let bump = Bump::new();
        let document = decode.document(&event, &mut buffer, &bump).unwrap();
        events.push((document.to_value(NodeId::ROOT), document.to_json(NodeId::ROOT)));
        buffer.recycle(document);
    }
    events
}

fn unpacked(bytes: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    flate2::read::MultiGzDecoder::new(bytes).read_to_end(&mut plain).unwrap();
    plain
}

#[test]
fn cloudtrail_files_fall_into_their_records() {
    let Some(data) = data() else { return };
    let mut count = 0;
    let most = if cfg!(debug_assertions) { 10 } else { usize::MAX };
    for file in fs::read_dir(data.join("cloudtrail")).unwrap().take(most) {
        let packed = fs::read(file.unwrap().path()).unwrap();
        let mut whole: Value = serde_json::from_slice(&unpacked(&packed)).unwrap();
        let Value::Array(expected) = whole["Records"].take() else { panic!() };
        count += expected.len();
        for framing in [Framing::Auto, Framing::JsonArray { at: vec!["Records".to_owned()] }] {
            let found: Vec<Value> = events(framing, &packed).into_iter().map(|(value, _)| value).collect();
            assert_eq!(found, expected);
        }
    }
    assert!(count == 2_900 || most == 10 && count > 10, "{count}");
}

#[test]
fn firewall_events_keep_every_byte_of_their_numbers() {
    let Some(data) = data() else { return };
    for (name, count) in [("nfw-suricata.ndjson.gz", 7_107), ("nfw-aws.ndjson", 12)] {
        let bytes = fs::read(data.join(name)).unwrap();
        let plain = if name.ends_with(".gz") { unpacked(&bytes) } else { bytes.clone() };
        let lines: Vec<&str> = std::str::from_utf8(&plain).unwrap().lines().filter(|line| !line.is_empty()).collect();
        let found = events(Framing::Auto, &bytes);
        assert_eq!((found.len(), lines.len()), (count, count));
        let mut same = 0;
        for ((value, text), line) in found.iter().zip(lines) {
            assert_eq!(*value, serde_json::from_str::<Value>(line).unwrap());
            // These are compact JSON: where no escape is written in another way, the text is the line.
            if !line.contains('\\') && !line.contains(": ") && text.len() == line.len() {
                assert_eq!(text, line);
                same += 1;
            }
        }
        assert!(same > count / 3, "{same} of {count} lines of {name} are compact");
    }
}

#[test]
fn flow_logs_have_the_columns_of_their_header() {
    let Some(data) = data() else { return };
    for (name, count) in [("vpcflow-v2.log", 10), ("vpcflow-v5.log", 4)] {
        let bytes = fs::read(data.join(name)).unwrap();
        let text = std::str::from_utf8(&bytes).unwrap();
        let names: Vec<String> = text.lines().next().unwrap().split(' ').map(str::to_owned).collect();
        let delimited = |columns| Framing::Delimited(Delimited { columns, separator: b' ', quote: None });
        for framing in [Framing::Auto, delimited(Columns::Header), delimited(Columns::Named(names.clone()))] {
            let found = events(framing, &bytes);
            assert_eq!(found.len(), count, "{name}");
            for ((value, _), line) in found.iter().zip(text.lines().skip(1)) {
                let fields = line.split(' ').map(Value::from);
                let expected: Value = Value::Object(names.iter().cloned().zip(fields).collect());
                assert_eq!(*value, expected);
            }
        }
    }
}
