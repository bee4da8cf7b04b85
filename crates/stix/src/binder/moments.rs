//! The rows, in order of time; what is alike is one.

use std::collections::BTreeMap;

use super::candidate::Candidate;
use super::leaf_set::LeafSet;
use crate::pattern::Timestamp;

/// Rows of one time.
pub(super) struct Moment {
    pub(super) time: Timestamp,
    pub(super) kinds: Vec<Kind>,
}

/// Rows of one time that satisfy the same leaves, which makes them interchangeable.
pub(super) struct Kind {
    pub(super) leaves: LeafSet,
    pub(super) weight: u64,
    pub(super) rows: Vec<usize>,
}

pub(super) fn moments(candidates: &[Candidate]) -> Vec<Moment> {
    moments_of(candidates, 0..candidates.len())
}

/// Those of some of the candidates, by their places.
pub(super) fn moments_of(candidates: &[Candidate], rows: impl IntoIterator<Item = usize>) -> Vec<Moment> {
    let mut grouped: BTreeMap<Timestamp, BTreeMap<&LeafSet, (u64, Vec<usize>)>> = BTreeMap::new();
    for (row, candidate) in rows.into_iter().filter_map(|row| Some((row, candidates.get(row)?))) {
        if candidate.number_observed == 0 || candidate.leaves.is_empty() {
            continue;
        }
        let (weight, rows) = grouped.entry(candidate.time).or_default().entry(&candidate.leaves).or_default();
        *weight = weight.saturating_add(candidate.number_observed);
        rows.push(row);
    }
    let kinds = |kinds: BTreeMap<&LeafSet, (u64, Vec<usize>)>| {
        kinds.into_iter().map(|(leaves, (weight, rows))| Kind { leaves: leaves.clone(), weight, rows }).collect()
    };
    grouped.into_iter().map(|(time, of_time)| Moment { time, kinds: kinds(of_time) }).collect()
}
