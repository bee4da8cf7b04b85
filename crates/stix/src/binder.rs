//! Which rows are in a match of a whole pattern: bindings of observations to the pattern's leaves, exactly.
//!
//! A row stands for `number_observed` observations at one point in time, and says which leaves each of them satisfies.
//! A *binding* gives every leaf that is needed an observation of its own: `OR` needs one side, `AND` and `FOLLOWEDBY`
//! both, from different observations; `REPEATS n` needs n bindings that share none; `FOLLOWEDBY` wants nothing on its
//! right before anything on its left; `WITHIN` wants the first and the last no further apart; `START … STOP` wants
//! every observation in the half-open window. [`bind`] tells for every row the leaves for which some binding uses it.
//!
//! # How
//!
//! The bindings themselves are exponentially many and are never listed. Two sweeps over the rows in order of time keep
//! *states*: how much of the pattern is filled, and since when for every `WITHIN` that is under way. The sweep from the
//! end keeps the states from which the rest of the rows can complete a binding, with the latest start they can bear;
//! the sweep from the beginning keeps those that the rows so far can reach, with the latest start they can have. A row
//! is bound to a leaf if a state before it, filled by it, meets a state after it. Of states that differ only in a
//! start, or in how far a repeated leaf has come, only the best is kept, which cannot change an answer.
//!
//! The time is rows × states before × states after. States are few: at most 3 to the number of leaves where each is
//! needed once, at most n for a leaf that `REPEATS n TIMES`, in the order of n² where that repeats a sequence of two,
//! and independent of the number of rows, except that `WITHIN` around other `WITHIN`s can hold several starts of one
//! state. [`Limits`] bounds them; beyond it there is an error, never a part of the answer.

mod matches;
pub use matches::{Match, matches};
mod complexity;
mod leaf_set;
mod moments;
mod node;
mod state;
mod sweep;

use thiserror::Error;

use crate::pattern::{Pattern, Timestamp};
use moments::moments;
use node::{Node, Window};
use state::State;
use sweep::Sweep;

pub use complexity::{MOST_STATES, too_complex};
pub use leaf_set::LeafSet;

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

/// A row that is in at least one binding of the whole pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bound {
    /// Its place among the candidates.
    pub row: usize,
    /// The leaves to which some binding binds it.
    pub leaves: LeafSet,
}

/// How much may be looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Candidates.
    pub candidates: usize,
    /// Steps: states made or compared. A million take in the order of a second.
    pub steps: u64,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { candidates: 100_000, steps: 200_000_000 }
    }
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum BindError {
    /// There are more candidates than [`Limits::candidates`].
    #[error("{found} rows may be part of a match, more than {most}: narrow the time or the pattern")]
    TooManyCandidates {
        /// How many there are.
        found: usize,
        /// How many may be.
        most: usize,
    },
    /// The combinations are more than [`Limits::steps`].
    #[error("the rows combine in too many ways (more than {most} steps): narrow the time, or simplify the pattern")]
    TooComplex {
        /// How many steps may be.
        most: u64,
    },
}

/// The rows that are in at least one binding of `pattern`, in the order of the candidates.
///
/// # Errors
///
/// When `limits` do not suffice; there is no partial answer.
///
/// ```
/// use stix::binder::{Candidate, Limits, bind};
///
/// let pattern = stix::parse("([a:x = 1] FOLLOWEDBY [a:x = 2]) WITHIN 10 SECONDS", stix::Version::V21)?;
/// let row = |seconds: i128, leaf| Candidate {
///     time: seconds * 1_000_000_000,
///     number_observed: 1,
///     leaves: [leaf].into_iter().collect(),
/// };
/// let bound = bind(&pattern, &[row(0, 0), row(5, 0), row(15, 1), row(40, 1)], Limits::default())?;
/// assert_eq!(bound.iter().map(|bound| bound.row).collect::<Vec<_>>(), [1, 2]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn bind(pattern: &Pattern, candidates: &[Candidate], limits: Limits) -> Result<Vec<Bound>, BindError> {
    if candidates.len() > limits.candidates {
        return Err(BindError::TooManyCandidates { found: candidates.len(), most: limits.candidates });
    }
    let node = Node::of(&pattern.root, Window::ALWAYS);
    let moments = moments(candidates);
    let mut sweep = Sweep { node: &node, steps: 0, limits };
    let after = sweep.backward(&moments)?;
    let mut before = vec![State::Fresh];
    let mut bound: Vec<Bound> = Vec::new();
    for (moment, after) in moments.iter().zip(&after) {
        before.retain(|state| state.can_go_on(&node, moment.time));
        for (index, kind) in moment.kinds.iter().enumerate() {
            let mut leaves = LeafSet::new();
            for leaf in kind.leaves.iter() {
                if sweep.is_bound(moment, index, leaf, &before, after)? {
                    leaves.insert(leaf);
                }
            }
            if !leaves.is_empty() {
                bound.extend(kind.rows.iter().map(|row| Bound { row: *row, leaves: leaves.clone() }));
            }
        }
        before = sweep.through(moment, before)?;
    }
    bound.sort_by_key(|bound| bound.row);
    Ok(bound)
}
