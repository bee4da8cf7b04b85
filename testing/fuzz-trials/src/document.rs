//! JSON texts are accepted if serde_json accepts them, with the same meaning.

use bumpalo::Bump;
use serde_json::Value;
use sources::{Document, NodeId};

/// Runs one input.
pub fn run(input: &[u8]) {
    let bump = Bump::new();
    let ours = Document::parse(input, &bump);
    let theirs = serde_json::from_slice::<Value>(input);
    match (&ours, &theirs) {
        (Ok(document), Ok(value)) => {
            assert_eq!(document.to_value(NodeId::ROOT), *value);
            assert_eq!(serde_json::from_str::<Value>(&document.to_json(NodeId::ROOT)).unwrap(), *value);
        }
        (Err(_), Err(_)) => {}
        // Lone surrogates, numbers beyond `f64`, a byte order mark and a depth of 128 are accepted on purpose.
        (Ok(_), Err(error)) => {
            let error = error.to_string();
            assert!(
                input.starts_with(b"\xef\xbb\xbf")
                    || error.starts_with("number out of range")
                    || error.starts_with("lone leading surrogate")
                    || error.starts_with("unexpected end of hex escape")
                    || error.starts_with("recursion limit exceeded"),
                "{error}"
            );
        }
        (Err(error), Ok(_)) => panic!("{error}"),
    }
}
