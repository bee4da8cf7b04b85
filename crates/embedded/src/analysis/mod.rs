//! Trino's meaning of a query: names, types and coercions, as a plan for DataFusion.
//!
//! Columns have names of their own in the plan (`label#7`), so that what they are called in the statement, which may
//! repeat or clash, is known here alone.

mod aggregates;
mod calls;
mod expressions;
mod literals;
pub(crate) mod operators;
mod queries;
mod relations;
mod scope;
mod windows;

use std::cell::Cell;

use datafusion::common::Column;
use datafusion::logical_expr::{Expr, LogicalPlan};
use query::QueryError;

use crate::functions::native::Typed;
use crate::syntax::{self, ast};
use crate::tables::Relation;
use crate::types::Type;

/// What a statement is for DataFusion.
pub(crate) struct Planned {
    pub(crate) plan: LogicalPlan,
    /// The names and types of the columns, in the plan's order.
    pub(crate) columns: Vec<(String, Type)>,
}

/// The plan of the query that `sql` is, over the tables that there are.
pub(crate) fn plan(sql: &str, relations: Vec<Relation>, database: &str) -> Result<Planned, QueryError> {
    let query = syntax::parse(sql)?;
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX));
    let analyzer = Analyzer { relations, database: database.to_lowercase(), now, names: Cell::new(0) };
    syntax::with_deep_stack(|| analyzer.statement(&query))
}

/// What holds for a whole statement.
pub(crate) struct Analyzer {
    relations: Vec<Relation>,
    /// The database of tables that are named without one.
    database: String,
    /// The start of the statement in ms, which is what `now()` says throughout.
    now: i64,
    names: Cell<usize>,
}

impl Analyzer {
    /// A name that no other column of the plan has.
    fn unique(&self, label: &str) -> String {
        let number = self.names.get() + 1;
        self.names.set(number);
        format!("{label}#{number}")
    }
}

fn column(name: &str) -> Expr {
    Expr::Column(Column::new_unqualified(name))
}

fn invalid<T>(at: ast::At, text: impl std::fmt::Display) -> Result<T, QueryError> {
    Err(QueryError::Invalid(format!("{at}: {text}")))
}

fn unsupported<T>(construct: impl Into<String>, remedy: impl Into<String>) -> Result<T, QueryError> {
    Err(QueryError::Unsupported { construct: construct.into(), remedy: remedy.into() })
}

/// An error of DataFusion while a plan is made.
fn planning(error: datafusion::error::DataFusionError) -> QueryError {
    match crate::error::of_datafusion(error) {
        QueryError::Failed(text) => QueryError::Failed(format!("the plan of the query could not be made: {text}")),
        other => other,
    }
}

/// `value` as a value of `target`, where Trino coerces it without being asked.
fn coerce(value: Typed, target: &Type) -> Result<Typed, QueryError> {
    crate::functions::cast::cast(value, target, None, false)
}

/// The known name that is nearest to `name`, as a question.
fn did_you_mean<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> String {
    let name = name.to_lowercase();
    let nearest = known
        .map(|known| (strsim::damerau_levenshtein(&name, &known.to_lowercase()), known))
        .filter(|(distance, known)| *distance <= known.len().max(name.len()) / 3)
        .min();
    nearest.map_or_else(String::new, |(_, known)| format!("; did you mean '{known}'?"))
}

/// The names of aggregations and window functions.
pub(crate) fn function_names() -> impl Iterator<Item = &'static str> {
    aggregates::names().chain(windows::names())
}
