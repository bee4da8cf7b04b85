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
mod candidate;
mod complexity;
mod leaf_set;
mod limits;
mod moments;
mod node;
mod state;
mod sweep;

use crate::pattern::Pattern;
use moments::moments;
use node::{Node, Window};
use state::State;
use sweep::Sweep;

pub use candidate::Candidate;
pub use complexity::{MOST_STATES, too_complex};
pub use leaf_set::LeafSet;
pub use limits::{BindError, Limits};

/// A row that is in at least one binding of the whole pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bound {
    /// Its place among the candidates.
    pub row: usize,
    /// The leaves to which some binding binds it.
    pub leaves: LeafSet,
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
