//! Errors of dialect maps.

/// A dialect map whose time or partitions cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DialectError {
    /// The text is not JSON of a map's form.
    #[error("{0}")]
    Form(String),
    /// Something contradicts itself.
    #[error("{0}")]
    Inconsistent(String),
}
