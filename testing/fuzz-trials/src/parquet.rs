//! Any bytes as a Parquet file: `sluice inspect` reports on it, and ingest reads its rows or says where it is damaged.
//!
//! The Parquet crate panics on some broken files, and its callers make an error of that; a panic that reaches this function
//! fails.

use bumpalo::Bump;
use lake::conformance::{Rule, inspect};
use sources::{Decode, DocumentBuffer, Item};

/// Runs one input.
pub fn run(input: &[u8]) {
    let report = inspect(None, input.to_vec().into());
    if !input.starts_with(b"PAR1") {
        assert!(report.findings.iter().any(|finding| finding.rule == Rule::Readable));
        return;
    }
    let decode = Decode::default();
    let mut buffer = DocumentBuffer::default();
    let mut records = decode.records_of_slice(input);
    while let Some(item) = records.next_item().expect("a slice does not fail") {
        let bump = Bump::new();
        if let Item::Event(event) = item
            && let Ok(document) = decode.document(&event, &mut buffer, &bump)
        {
            buffer.recycle(document);
        }
    }
}
