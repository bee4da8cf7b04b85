//! Rendered messages: no piece of one is lost or moved. The first byte chooses the event.

#![no_main]

use bumpalo::Bump;
use libfuzzer_sys::fuzz_target;
use sources::{Document, FieldNames, NodeValue, TITLE_KEY, TextFields};

fuzz_target!(|input: (u8, &str)| {
    let (event, message) = input;
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
    // The pieces are in the message in their order, and between them there is only what separates them.
    let mut rest = message;
    for part in document.children(node) {
        let NodeValue::String(value) = document.value(part) else { panic!("a field is a string") };
        match document.key(part).expect("is a member") {
            TITLE_KEY => {}
            name => {
                rest = rest.trim_start_matches(['\r', '\n']);
                rest = rest.strip_prefix(name).and_then(|rest| rest.strip_prefix(':')).expect("a field is where it was");
                rest = rest.strip_prefix(' ').unwrap_or(rest);
            }
        }
        rest = rest.strip_prefix(value).expect("a value is where it was");
    }
    assert!(rest.is_empty());
});
