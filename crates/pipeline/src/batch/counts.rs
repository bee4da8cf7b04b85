//! How many events came in, and what became of them.

use std::collections::BTreeMap;

use lake::quarantine::Origin;
use serde::Serialize;

/// What became of the events so far.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Events that came in, readable or not.
    pub records_in: u64,
    /// Events mapped, by class name.
    pub written: BTreeMap<String, u64>,
    /// Events in quarantine, by reason.
    pub quarantined: BTreeMap<String, u64>,
    /// What the mapping says is no event, by the name of the `discard` step. It is kept nowhere.
    pub discarded: BTreeMap<String, u64>,
    /// Values that could not be written as the mapping wanted; they are in `unmapped`.
    pub problems: u64,
    /// Lines of rendered messages that start with the name of a field and are part of a value: a text with line breaks,
    /// or one made to look like a field. See [`sources::TextFields`].
    pub repeated_fields: u64,
}

impl Counts {
    /// All events mapped.
    pub fn total_written(&self) -> u64 {
        self.written.values().sum()
    }

    /// All events in quarantine.
    pub fn total_quarantined(&self) -> u64 {
        self.quarantined.values().sum()
    }

    /// All that was deliberately discarded.
    pub fn total_discarded(&self) -> u64 {
        self.discarded.values().sum()
    }

    /// Adds the counts of another batch.
    pub fn add(&mut self, other: &Counts) {
        self.records_in += other.records_in;
        self.problems += other.problems;
        self.repeated_fields += other.repeated_fields;
        for (class, count) in &other.written {
            *self.written.entry(class.clone()).or_default() += count;
        }
        for (reason, count) in &other.quarantined {
            *self.quarantined.entry(reason.clone()).or_default() += count;
        }
        for (rule, count) in &other.discarded {
            *self.discarded.entry(rule.clone()).or_default() += count;
        }
    }
}

/// A record in quarantine that stands for all of its reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Example {
    /// Why it was refused, in words. It may quote the record.
    pub message: String,
    /// Where the record came from.
    pub origin: Origin,
}
