//! What SQL that is made of STIX patterns is asked with: the cases of the semantics vectors, random patterns with events, and
//! hostile values.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by a panic, its helpers too")]

pub mod hostile;
pub mod semantics;
pub mod trials;
