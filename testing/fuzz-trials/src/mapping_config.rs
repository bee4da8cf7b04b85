//! Any text as a mapping config is parsed, checked and compiled without a panic. An accepted config maps any event, or
//! refuses it.

use bumpalo::Bump;
use mapping::{Mapping, StepsBuffer, Unwrapped};
use sources::{Decode, Document, DocumentBuffer};

const EVENTS: [&[u8]; 3] = [
    br#"{"a":1,"b":[{"c":"d"},null],"message":"{\"a\":2}","time":"2026-01-01T00:00:00Z","ip":"192.0.2.1"}"#,
    br#"{"logEvents":[{"message":"x"},{"message":"{}"}],"logGroup":"g","messageType":"DATA_MESSAGE"}"#,
    br#"[[[]]]"#,
];

/// Runs one input, if it is text.
pub fn run(text: &[u8]) {
    let Ok(text) = std::str::from_utf8(text) else { return };
    let Ok(mapping) = Mapping::from_text(text, &|_| None) else { return };
    let decode = Decode::default();
    for event in EVENTS {
        let bump = Bump::new();
        let Ok(document) = Document::parse(event, &bump) else { continue };
        let (mut documents, mut memory, mut pieces) = (DocumentBuffer::default(), StepsBuffer::default(), Vec::new());
        mapping.unwrap(document, &decode, &bump, &mut documents, &mut memory, &mut |piece, _| pieces.push(piece));
        for piece in pieces {
            if let Unwrapped::Event(document) = piece {
                let _ = mapping.apply(&document, &bump);
            }
        }
    }
}
