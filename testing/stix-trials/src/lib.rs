//! Test cases for SQL that is translated from STIX patterns: the semantics vectors, random patterns with events, and hostile
//! values.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by a panic, its helpers too")]

pub mod hostile;
pub mod semantics;
pub mod trials;
