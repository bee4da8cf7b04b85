//! Rendered messages: no part is lost or moved, and text in the data of a registry value changes no other field. The first
//! byte chooses the event.

use bumpalo::Bump;
use sources::{Document, FieldNames, NodeValue, TITLE_KEY, TextFields};

/// The fields of a registry event in the order of its message. Its data can contain any text.
const REGISTRY_EVENT: [&str; 9] =
    ["RuleName", "EventType", "UtcTime", "ProcessGuid", "ProcessId", "Image", "TargetObject", "Details", "User"];

/// Runs one input, if everything after its first byte is text.
pub fn run(input: &[u8]) {
    let [event, message @ ..] = input else { return };
    let Ok(message) = std::str::from_utf8(message) else { return };
    text_changes_no_other_field(message);
    let fields = TextFields {
        at: vec!["d".to_owned()],
        event_id: vec!["id".to_owned()],
        names: FieldNames::shipped("windows-sysmon").expect("is shipped"),
    };
    let json = serde_json::json!({"id": event % 32, "d": message, "after": "x"}).to_string();
    let bump = Bump::new();
    let mut document = Document::parse(json.as_bytes(), &bump).expect("was written by serde_json");
    let was_split = fields.apply(&mut document);
    let node = document.find(&["d"]).expect("is there");
    assert!(document.find(&["after"]).is_some());
    if !was_split {
        assert_eq!(document.value(node), NodeValue::String(message));
        return;
    }
    // The parts are in the message in order, with only separators between them.
    let mut rest = message;
    for part in document.children(node) {
        let NodeValue::String(value) = document.value(part) else { panic!("a field is a string") };
        match document.key(part).expect("is a member") {
            TITLE_KEY => {}
            name => {
                rest = rest.trim_start_matches(['\r', '\n']);
                rest =
                    rest.strip_prefix(name).and_then(|rest| rest.strip_prefix(':')).expect("a field is where it was");
                rest = rest.strip_prefix(' ').unwrap_or(rest);
            }
        }
        rest = rest.strip_prefix(value).expect("a value is where it was");
    }
    assert!(rest.is_empty());
}

fn text_changes_no_other_field(text: &str) {
    let value = |name: &str| if name == "Details" { format!("x{text}.") } else { "real".to_owned() };
    let lines: Vec<String> = REGISTRY_EVENT.iter().map(|name| format!("{name}: {}", value(name))).collect();
    let fields = TextFields {
        at: vec!["d".to_owned()],
        event_id: vec!["id".to_owned()],
        names: FieldNames::shipped("windows-sysmon").expect("is shipped"),
    };
    let json = serde_json::json!({"id": 13, "d": lines.join("\r\n")}).to_string();
    let bump = Bump::new();
    let mut document = Document::parse(json.as_bytes(), &bump).expect("was written by serde_json");
    assert!(fields.apply(&mut document));
    for name in REGISTRY_EVENT {
        let node = document.find(&["d", name]).expect("is a field");
        assert_eq!(document.value(node).text(), Some(value(name).as_str()));
    }
    assert_eq!(document.repeated_fields() > 0, !document.repeated_names().is_empty());
}
