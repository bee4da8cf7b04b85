//! Bindings of observations that last. Each may have been at any time between its first and its last: sides of
//! `FOLLOWEDBY` fit if the right one can be no earlier than the left one, a group fits `WITHIN` if times can be chosen
//! so, and a window takes what it overlaps.
//!
//! Bindings are listed one by one, until every observation that satisfies a leaf is in one of them.

use super::observed::Observed;
use crate::binder::{BindError, Bound, LeafSet, Limits};
use crate::pattern::{Observation, ObservationKind, Pattern, QualifierKind, Timestamp};

/// Each repetition takes stack.
const MOST_REPEATS: u64 = 200;

/// The observations that are in at least one binding, with the leaves they are bound to.
pub(super) fn bind(
    pattern: &Pattern,
    observed: &[Observed],
    leaves: &[LeafSet],
    limits: Limits,
) -> Result<Vec<Bound>, BindError> {
    if observed.len() > limits.candidates {
        return Err(BindError::TooManyCandidates { found: observed.len(), most: limits.candidates });
    }
    let mut search = Search {
        observed,
        leaves,
        left: observed.iter().map(|observed| observed.number_observed).collect(),
        chosen: Vec::new(),
        bound: vec![LeafSet::new(); observed.len()],
        missing: leaves.iter().map(|leaves| leaves.iter().count()).sum(),
        steps: 0,
        limits,
    };
    search.all(&pattern.root, &mut |search, _| {
        for (row, leaf) in &search.chosen {
            if let Some(bound) = search.bound.get_mut(*row).filter(|bound| !bound.contains(*leaf)) {
                bound.insert(*leaf);
                search.missing -= 1;
            }
        }
        Ok(search.missing == 0)
    })?;
    let bound = search.bound.into_iter().enumerate().filter(|(_, leaves)| !leaves.is_empty());
    Ok(bound.map(|(row, leaves)| Bound { row, leaves }).collect())
}

/// Of a binding: the latest first and the earliest last time.
#[derive(Clone, Copy)]
struct Extent {
    first: Timestamp,
    last: Timestamp,
}

impl Extent {
    const NONE: Extent = Extent { first: Timestamp::MIN, last: Timestamp::MAX };

    fn and(self, other: Extent) -> Extent {
        Extent { first: self.first.max(other.first), last: self.last.min(other.last) }
    }
}

struct Search<'o> {
    observed: &'o [Observed],
    leaves: &'o [LeafSet],
    /// Of each observation, how often it may still be taken.
    left: Vec<u64>,
    chosen: Vec<(usize, usize)>,
    bound: Vec<LeafSet>,
    /// Pairs of an observation and a leaf that no binding has shown yet.
    missing: usize,
    steps: u64,
    limits: Limits,
}

/// What goes on with a binding; true ends the search.
type Then<'t, 'o> = &'t mut dyn FnMut(&mut Search<'o>, Extent) -> Result<bool, BindError>;

impl<'o> Search<'o> {
    /// Calls `then` with every binding of `at` that takes none of what is chosen.
    fn all(&mut self, at: &Observation, then: Then<'_, 'o>) -> Result<bool, BindError> {
        match &at.kind {
            ObservationKind::Leaf { number, .. } => self.each(*number, then),
            ObservationKind::Or(left, right) => Ok(self.all(left, then)? || self.all(right, then)?),
            ObservationKind::And(left, right) => {
                self.all(left, &mut |search, a| search.all(right, &mut |search, b| then(search, a.and(b))))
            }
            ObservationKind::FollowedBy(left, right) => self.all(left, &mut |search, a| {
                search.all(right, &mut |search, b| if a.first <= b.last { then(search, a.and(b)) } else { Ok(false) })
            }),
            ObservationKind::Qualified(inner, qualifier) => match qualifier.kind {
                QualifierKind::Within(nanos) => self.all(inner, &mut |search, extent| {
                    let fits = extent.first.saturating_sub(extent.last) <= Timestamp::from(nanos);
                    if fits { then(search, extent) } else { Ok(false) }
                }),
                QualifierKind::StartStop(start, stop) => {
                    let from = self.chosen.len();
                    self.all(inner, &mut |search, extent| {
                        let rows = search.chosen.get(from..).unwrap_or_default();
                        let in_window = |(row, _): &(usize, usize)| {
                            let observed = search.observed.get(*row);
                            start < stop && observed.is_some_and(|one| one.first < stop && start <= one.last)
                        };
                        if rows.iter().all(in_window) { then(search, extent) } else { Ok(false) }
                    })
                }
                QualifierKind::Repeats(times) => self.repeat(inner, times, Extent::NONE, then),
            },
        }
    }

    fn repeat(
        &mut self,
        inner: &Observation,
        times: u64,
        so_far: Extent,
        then: Then<'_, 'o>,
    ) -> Result<bool, BindError> {
        if times == 0 {
            return then(self, so_far);
        }
        if times > MOST_REPEATS {
            return Err(BindError::TooComplex { most: self.limits.steps });
        }
        self.all(inner, &mut |search, extent| search.repeat(inner, times - 1, so_far.and(extent), then))
    }

    fn each(&mut self, leaf: usize, then: Then<'_, 'o>) -> Result<bool, BindError> {
        for (row, (observed, leaves)) in self.observed.iter().zip(self.leaves).enumerate() {
            self.steps += 1;
            if self.steps > self.limits.steps {
                return Err(BindError::TooComplex { most: self.limits.steps });
            }
            let Some(left) = self.left.get_mut(row).filter(|left| **left > 0 && leaves.contains(leaf)) else {
                continue;
            };
            *left -= 1;
            self.chosen.push((row, leaf));
            let extent = Extent { first: observed.first, last: observed.last };
            let ended = then(self, extent);
            self.chosen.pop();
            if let Some(left) = self.left.get_mut(row) {
                *left += 1;
            }
            if ended? {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
