//! Any bytes as a Parquet file: `sluice inspect` reports on them, and ingest reads the rows or says where the file is
//! damaged.
//!
//! The Parquet crate panics on some broken files, and its callers turn that into an error. A panic that reaches this function
//! is a failure.

use lake::conformance::{Rule, inspect};
use sources::Decode;

use crate::records::read_documents;

/// Runs one input.
pub fn run(input: &[u8]) {
    let report = inspect(None, input.to_vec().into());
    if !input.starts_with(b"PAR1") {
        assert!(report.findings.iter().any(|finding| finding.rule == Rule::Readable));
        return;
    }
    read_documents(&Decode::default(), input);
}
