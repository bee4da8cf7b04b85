//! Why bytes are no document, and the limits of what may be one.

/// Deepest nesting of objects and arrays that [`Document::parse`](crate::Document::parse) accepts.
pub const DEPTH_LIMIT: usize = 128;

/// Most nodes a document may have. A node costs 48 bytes and as little as two bytes of input, so this bounds what
/// one hostile line can take to 48 MiB.
pub const NODE_LIMIT: usize = 1 << 20;

/// Most columns that a header line may name.
pub const COLUMN_LIMIT: usize = 1024;

/// Why bytes are not a document.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DocumentError {
    /// The bytes are not UTF-8 from this offset on.
    #[error("not UTF-8 at byte {offset}")]
    NotUtf8 {
        /// Offset of the first bad byte.
        offset: usize,
    },
    /// The bytes are not one JSON document.
    #[error("not JSON at byte {offset}: {reason}")]
    Syntax {
        /// Offset at which the parser gave up.
        offset: usize,
        /// What it expected, in one line.
        reason: &'static str,
    },
    /// Objects and arrays are nested deeper than [`DEPTH_LIMIT`].
    #[error("nested deeper than {DEPTH_LIMIT} levels")]
    TooDeep,
    /// There are more than [`NODE_LIMIT`] values.
    #[error("more than {NODE_LIMIT} values in one document")]
    TooManyNodes,
    /// The bytes are not one element of XML, or have a document type declaration or entities of their own.
    #[error("not XML at byte {offset}: {reason}")]
    Xml {
        /// Offset near which the reader gave up.
        offset: usize,
        /// What is wrong.
        reason: String,
    },
    /// A line of delimited text cannot be split.
    #[error(transparent)]
    Delimited(#[from] DelimitedError),
}

/// Why a line cannot be split.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DelimitedError {
    /// A quoted field has no closing quote.
    #[error("the quote at byte {offset} is not closed")]
    OpenQuote {
        /// Place of the quote in the line.
        offset: usize,
    },
    /// Between a closing quote and the next separator there is something.
    #[error("expected a separator after the quoted field, at byte {offset}")]
    AfterQuote {
        /// Place in the line.
        offset: usize,
    },
    /// A field of the header line is no name: it does not start with a letter or is there twice.
    #[error("{name:?} cannot be the name of a column")]
    ColumnName {
        /// The field.
        name: String,
    },
    /// The header line has more than [`COLUMN_LIMIT`] fields.
    #[error("more than {COLUMN_LIMIT} columns")]
    TooManyColumns,
    /// The header line is not UTF-8.
    #[error("not UTF-8 at byte {offset}")]
    NotUtf8 {
        /// Place of the first bad byte in the line.
        offset: usize,
    },
}
