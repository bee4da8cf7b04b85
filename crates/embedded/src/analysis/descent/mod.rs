//! The descent over a statement's tree.
//!
//! Queries hold relations and expressions, relations hold queries and the conditions of joins, and expressions hold
//! subqueries. So what analyses one of them calls what analyses the others: the methods of [`Analyzer`] and
//! [`Expressions`](expressions::Expressions) in this folder are one recursion, in a file for each kind of node. What they
//! build on, the names in scope, literals, functions and operators, knows nothing of it.
//!
//! [`Analyzer`]: super::analyzer::Analyzer

mod aggregates;
mod calls;
mod expressions;
mod queries;
mod relations;
mod windows;
