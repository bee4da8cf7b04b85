//! Trino's grammar of queries: text → tokens → tree.
//!
//! The grammar is that of Trino's `SqlBase.g4` as far as Athena takes it in a query. What the grammar has and this engine
//! has not is refused by name here.

pub(crate) mod ast;
mod lexer;
mod parser;

pub(crate) use parser::parse;
