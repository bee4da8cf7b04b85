//! The command as people run it: the built binary, its two outputs, and its exit codes.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by a panic, its helpers too")]

mod arguments;
mod demo;
mod detections;
#[cfg(unix)]
mod examples;
mod help;
mod hunting;
mod ingest;
mod ingest_many;
mod inspect;
mod links;
mod lint;
mod map;
mod mappings;
mod pipes;
mod query;
mod replay;
mod replay_stream;
mod schema;
mod send;
mod stix;
mod support;
