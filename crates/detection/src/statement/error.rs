//! Why a rule has no statement.

use sql::text::MAX_STATEMENT_BYTES;

use crate::catalog::UnknownTable;

/// Why no statement can be made of a rule here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StatementError {
    /// A logical table stands for nothing.
    #[error(transparent)]
    UnknownTable(#[from] UnknownTable),
    /// The SQL's templates cannot be read; lint says where.
    #[error("the SQL of the rule is refused by lint: {0}")]
    Template(String),
    /// A parameter is used or set that the rule does not declare.
    #[error("the rule declares no parameter `{0}`")]
    UnknownParameter(String),
    /// A value that was set is not of the parameter's type.
    #[error("the value of parameter `{name}` is not of type {wanted}")]
    WrongParameter {
        /// The parameter.
        name: String,
        /// Its type.
        wanted: &'static str,
    },
    /// Several tables can be read as one only if their columns are known.
    #[error(
        "the columns of {0} are not known, so it cannot be read together with other tables; give them in the catalog"
    )]
    UnknownColumns(String),
    /// A column has types that do not go together.
    #[error("column `{column}` is {one} in one table of `{table}` and {other} in another")]
    TypeConflict {
        /// The logical table.
        table: String,
        /// The column.
        column: String,
        /// A type.
        one: String,
        /// Another.
        other: String,
    },
    /// It is not known which column tells the time of an event.
    #[error("the rows of {table} are of dialect `{dialect}`, of which no column is known to tell the time")]
    NoTime {
        /// The table.
        table: String,
        /// Its dialect.
        dialect: String,
    },
    /// Athena takes no statement of that length.
    #[error("the statement has {0} bytes, and Athena takes {MAX_STATEMENT_BYTES}: shorten the lists of its parameters")]
    TooLong(usize),
    /// A pattern that cannot be carried out exactly.
    #[error("the pattern cannot be carried out: {0}")]
    Pattern(String),
}
