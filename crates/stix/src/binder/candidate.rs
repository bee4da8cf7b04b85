//! The rows that binding starts from.

use super::leaf_set::LeafSet;
use crate::pattern::Timestamp;

/// A row that satisfies leaves, before it is known whether the rest of the pattern is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// When it was observed.
    pub time: Timestamp,
    /// For how many observations it stands; 0 is none.
    pub number_observed: u64,
    /// The leaves whose comparisons are true of it. Their windows are looked at here.
    pub leaves: LeafSet,
}
