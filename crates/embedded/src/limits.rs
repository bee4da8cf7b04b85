//! How large a statement may be.
//!
//! Within these limits planning takes time close to linear in the length of the statement. Beyond them a statement is
//! refused with the place and the remedy. `docs/conformance.md` lists the limits.

use query::QueryError;

use crate::syntax::ast::At;

/// Bytes of a statement: what Athena takes.
pub(crate) const MAX_BYTES: usize = sql::text::MAX_STATEMENT_BYTES;
/// Levels of parentheses, subqueries, calls and other operators that hold each other.
pub(crate) const MAX_DEPTH: usize = 100;
/// Joins, INTERSECTs and EXCEPTs, a common table's counted as often as it is read.
pub(crate) const MAX_JOINS: usize = 100;
/// Queries, a common table counted as often as it is read, with those that it reads.
pub(crate) const MAX_QUERIES: usize = 1_000;
/// Expressions: a common table's as often as it is read, the value of BETWEEN twice.
pub(crate) const MAX_EXPRESSIONS: usize = 300_000;
/// Operators of a chain that are a tree of the plan. The rest of a longer chain is computed by one function.
pub(crate) const MAX_CHAIN: usize = 32;
/// Subqueries in expressions that hold each other. The optimizer looks at each twice.
pub(crate) const MAX_SUBQUERIES: usize = 6;
/// Conditions of AND that the optimizer sees one by one, in all filters. The rest is computed by one function for each filter.
pub(crate) const MAX_CONJUNCTS: usize = 500;
/// Expressions that a column may stand for, when the optimizer puts in for each column what it is computed from.
pub(crate) const MAX_INLINED: usize = 40;

fn refused(at: At, text: impl std::fmt::Display) -> QueryError {
    QueryError::Invalid(format!("{at}: {text}"))
}

/// The error for a statement of more than [`MAX_BYTES`].
pub(crate) fn too_long(text: &str) -> QueryError {
    let bytes = text.len();
    refused(
        At { line: 1, column: 1 },
        format_args!(
            "the statement has {bytes} bytes; Athena and this engine take {MAX_BYTES}. Split it, or join a table that holds \
             the long list"
        ),
    )
}

/// The error for more than [`MAX_DEPTH`] levels.
pub(crate) fn too_deep(at: At) -> QueryError {
    refused(
        at,
        format_args!(
            "the statement is nested too deeply: at most {MAX_DEPTH} levels of parentheses, calls and subqueries. Move the \
             inner part into a common table (WITH)"
        ),
    )
}

/// The error for more than [`MAX_JOINS`].
pub(crate) fn too_many_joins(at: At) -> QueryError {
    refused(
        at,
        format_args!(
            "the statement has more than {MAX_JOINS} joins, where a common table's count each time it is read. Split the \
             statement, or join fewer relations"
        ),
    )
}

/// The error for more than [`MAX_SUBQUERIES`].
pub(crate) fn too_many_subqueries(at: At) -> QueryError {
    refused(
        at,
        format_args!(
            "more than {MAX_SUBQUERIES} subqueries in expressions hold each other here. Join a common table (WITH) instead"
        ),
    )
}

/// The error for more than [`MAX_QUERIES`].
pub(crate) fn too_many_queries(at: At) -> QueryError {
    refused(
        at,
        format_args!(
            "the statement is more than {MAX_QUERIES} queries, where a common table counts each time it is read. Split the \
             statement, or read the common table once"
        ),
    )
}

/// The error for more than [`MAX_EXPRESSIONS`].
pub(crate) fn too_many_expressions(at: At) -> QueryError {
    refused(
        at,
        format_args!(
            "the statement is more than {MAX_EXPRESSIONS} expressions, where a common table counts each time it is read. Split \
             the statement, or compute the value once in a subquery"
        ),
    )
}
