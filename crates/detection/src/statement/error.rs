//! Why a rule's statement cannot be built.

use sql::text::MAX_STATEMENT_BYTES;

use crate::catalog::UnknownTable;

/// Why a rule's statement cannot be built.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StatementError {
    /// An unknown logical table.
    #[error(transparent)]
    UnknownTable(#[from] UnknownTable),
    /// The SQL has invalid templates; lint shows them.
    #[error("the rule's SQL has an error: {0}")]
    Template(String),
    /// An undeclared parameter is used or set.
    #[error("the rule has no parameter `{0}`")]
    UnknownParameter(String),
    /// A set value does not have the parameter's type.
    #[error("the value of parameter `{name}` does not have type {wanted}")]
    WrongParameter {
        /// The parameter.
        name: String,
        /// Its type.
        wanted: &'static str,
    },
    /// The columns of tables must be known to read several as one.
    #[error("the columns of {0} are unknown, so it cannot be combined with other tables; add them to the catalog file")]
    UnknownColumns(String),
    /// A column has incompatible types.
    #[error("column `{column}` is {one} in one table of `{table}` and {other} in another")]
    TypeConflict {
        /// The logical table.
        table: String,
        /// The column.
        column: String,
        /// The type in one table.
        one: String,
        /// The type in another.
        other: String,
    },
    /// No column of the table is known to be the time of the event.
    #[error("the time column of {table} is unknown: its dialect is `{dialect}`")]
    NoTime {
        /// The table.
        table: String,
        /// Its dialect.
        dialect: String,
    },
    /// Athena limits the length of statements.
    #[error(
        "the statement has {0} bytes, and Athena allows {MAX_STATEMENT_BYTES}: shorten the lists in its parameters"
    )]
    TooLong(usize),
    /// A pattern that has no exact translation.
    #[error("the pattern cannot be translated: {0}")]
    Pattern(String),
}
