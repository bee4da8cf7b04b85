//! The fate of records: every one of them is in the lake, in quarantine, or reported, whatever fails; and what was put is
//! the same the next time.
//!
//! Records of all kinds go through the flow with stores that fail as they are told. Afterwards the objects are read back,
//! and every event is looked for by the id that it carries.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by a panic, its helpers too")]

mod bounds;
mod damage;
mod laboratory;
mod objects;
mod records;
