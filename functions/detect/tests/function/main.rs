//! The function's program, run as Lambda runs it, with an Athena that executes, buckets and a topic.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic, its helpers too")]

mod cloud;
mod faults;
mod flow;
mod laboratory;
