//! Why observed data and a pattern give no answer.

use thiserror::Error;

use crate::binder::BindError;

/// Why a question has no answer.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum MatchError {
    /// The observed data is not in the form of its version.
    #[error("observed data {index}: {fault}")]
    Observed {
        /// Its place in the list.
        index: usize,
        /// What is wrong with it.
        fault: String,
    },
    /// A list of `IN` has values of different types.
    #[error("the values of `{0}` have different types")]
    MixedList(String),
    /// A text that is compared with a timestamp is none.
    #[error("{0:?} is compared with a timestamp and is none: timestamps are UTC with upper-case T and Z")]
    NotATimestamp(String),
    /// A property whose name ends in `_hex` or `_bin` holds something else.
    #[error("the value of `{0}` is not what its name says: `_hex` is hex digits, `_bin` is base64")]
    NotBinary(String),
    /// A property whose name ends in `_ref` or `_refs` holds something else than an object's id, or a list of them.
    #[error("the value of `{0}` is not a reference")]
    NotAReference(String),
    /// The operand of `ISSUBSET` or `ISSUPERSET` is no address and no network.
    #[error("{0:?} is not an address or network")]
    NotANetwork(String),
    /// A regular expression does not compile.
    #[error("the regular expression {regex:?} cannot be used: {fault}")]
    Regex {
        /// The expression.
        regex: String,
        /// What is wrong with it.
        fault: String,
    },
    /// A regular expression with look-around or back-references took too long.
    #[error("the regular expression {0:?} takes too long on a value: write it without look-around and back-references")]
    RegexTooSlow(String),
    /// Too much to look at.
    #[error(transparent)]
    Bind(#[from] BindError),
}
