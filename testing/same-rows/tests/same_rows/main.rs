//! The same SQL on a real Trino server and on the embedded engine. There is one test binary, because it is large.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by a panic, its helpers too")]

mod detections;
mod hostile;
mod peer_patterns;
mod rules;
mod statements;
mod statements_without_tables;
mod stix_semantics;
