//! How much work binding may be, and the error beyond it.

use thiserror::Error;

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
