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

use std::cell::{Cell, RefCell};
use std::collections::HashMap;

use datafusion::common::Column;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::{Expr, LogicalPlan};
use query::{QueryError, Warning};

use crate::functions::native::{Typed, kept};
use crate::limits::{
    MAX_CONJUNCTS, MAX_EXPRESSIONS, MAX_INLINED, MAX_JOINS, MAX_QUERIES, MAX_SUBQUERIES, too_many_expressions,
    too_many_joins, too_many_queries, too_many_subqueries,
};
use crate::stop::Stop;
use crate::syntax::{self, ast};
use crate::tables::Relation;
use crate::types::Type;

/// What a statement is for DataFusion.
pub(crate) struct Planned {
    pub(crate) plan: LogicalPlan,
    /// The names and types of the columns, in the plan's order.
    pub(crate) columns: Vec<(String, Type)>,
    /// Bytes of memory that planning and running this plan needs at most, beside the rows.
    pub(crate) memory: usize,
    /// Whether columns stay columns that the optimizer may not put their expressions in place of.
    pub(crate) keeps: bool,
    /// What Athena may understand in another way.
    pub(crate) warnings: Vec<Warning>,
}

/// The plan of the query that `sql` is, over the tables that there are.
///
/// # Errors
/// What is not valid or cannot be done here, and [`QueryError::Cancelled`] once `stop` says so.
pub(crate) fn plan(sql: &str, relations: Vec<Relation>, database: &str, stop: &Stop) -> Result<Planned, QueryError> {
    let query = syntax::parse(sql)?;
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX));
    let analyzer = Analyzer {
        relations,
        database: database.to_lowercase(),
        now,
        names: Cell::new(0),
        queries: Cell::new(0),
        expressions: Cell::new(0),
        joins: Cell::new(0),
        conjuncts: Cell::new(0),
        inlined: RefCell::default(),
        subqueries: Cell::new(0),
        keeps: Cell::new(false),
        warnings: RefCell::default(),
        stop: stop.clone(),
    };
    let mut planned = syntax::with_deep_stack(|| analyzer.statement(&query))?;
    planned.memory = analyzer.memory(sql);
    planned.keeps = analyzer.keeps.get();
    planned.warnings = analyzer.warnings.into_inner();
    Ok(planned)
}

/// What holds for a whole statement.
pub(crate) struct Analyzer {
    relations: Vec<Relation>,
    /// The database of tables that are named without one.
    database: String,
    /// The start of the statement in ms, which is what `now()` says throughout.
    now: i64,
    names: Cell<usize>,
    /// Queries so far.
    queries: Cell<usize>,
    /// Expressions so far.
    expressions: Cell<usize>,
    /// Joins so far.
    joins: Cell<usize>,
    /// Conditions of AND so far.
    conjuncts: Cell<usize>,
    /// Subqueries around the expression that is read.
    subqueries: Cell<usize>,
    keeps: Cell<bool>,
    warnings: RefCell<Vec<Warning>>,
    stop: Stop,
    /// Computed columns, with the size of the expression over tables that each stands for.
    inlined: RefCell<HashMap<String, usize>>,
}

impl Analyzer {
    /// Counts a query.
    fn count_query(&self, at: ast::At) -> Result<(), QueryError> {
        let count = self.queries.get() + 1;
        self.queries.set(count);
        self.stop.check()?;
        if count > MAX_QUERIES { Err(too_many_queries(at)) } else { Ok(()) }
    }

    /// Counts expressions.
    fn count_expressions(&self, at: ast::At, more: usize) -> Result<(), QueryError> {
        let count = self.expressions.get().saturating_add(more);
        self.expressions.set(count);
        self.stop.check()?;
        if count > MAX_EXPRESSIONS { Err(too_many_expressions(at)) } else { Ok(()) }
    }

    /// Memory for what was counted. Measured: `cargo run -p embedded --example planning`.
    fn memory(&self, sql: &str) -> usize {
        64 * sql.len() + (self.expressions.get() << 11) + (self.queries.get() << 15) + (self.joins.get() << 18)
    }

    /// Reads a subquery of an expression.
    fn within<T>(&self, at: ast::At, read: impl FnOnce() -> Result<T, QueryError>) -> Result<T, QueryError> {
        let depth = self.subqueries.get() + 1;
        if depth > MAX_SUBQUERIES {
            return Err(too_many_subqueries(at));
        }
        self.subqueries.set(depth);
        let result = read();
        self.subqueries.set(depth - 1);
        result
    }

    /// Counts a join, or what is planned as one.
    fn count_join(&self, at: ast::At) -> Result<(), QueryError> {
        let count = self.joins.get() + 1;
        self.joins.set(count);
        if count > MAX_JOINS { Err(too_many_joins(at)) } else { Ok(()) }
    }

    /// All of the conditions. The optimizer takes AND apart and makes a chain of the terms, from all filters that it can
    /// bring together, so that it gets no more than [`MAX_CONJUNCTS`] of them, and each filter's others as one.
    fn all_of(&self, mut terms: Vec<Expr>) -> Expr {
        let before = self.conjuncts.get();
        let seen = MAX_CONJUNCTS.saturating_sub(before).min(terms.len());
        self.conjuncts.set(before + terms.len());
        if terms.len() - seen > 1 {
            let rest = terms.split_off(seen).into_iter().map(|term| Typed::new(term, Type::Boolean)).collect();
            terms.push(crate::functions::chains::all(rest).expr);
        }
        operators::balanced(terms, true)
    }

    /// Counts a value that is put in `times` more often than it is written.
    fn count_copies(&self, at: ast::At, value: &Typed, times: usize) -> Result<(), QueryError> {
        self.count_expressions(at, size(&value.expr, |_| 1).saturating_mul(times))
    }

    /// `value` as what the column `name` is computed from.
    ///
    /// The optimizer puts what columns are computed from in their place, so that `b = a + a`, `c = b + b`, … doubles with each
    /// query. A column that would grow too large stays a column.
    fn computed(&self, name: &str, value: Typed) -> Typed {
        if matches!(value.expr, Expr::Literal(..)) {
            return value;
        }
        let written = size(&value.expr, |_| 1);
        let inlined = size(&value.expr, |column| self.inlined.borrow().get(&column.name).copied().unwrap_or(1));
        if !matches!(value.expr, Expr::Column(_)) && inlined > written && inlined > MAX_INLINED {
            self.keeps.set(true);
            return kept(value);
        }
        if inlined > 1 {
            self.inlined.borrow_mut().insert(name.to_owned(), inlined);
        }
        value
    }

    /// A name that no other column of the plan has.
    fn unique(&self, label: &str) -> String {
        let number = self.names.get() + 1;
        self.names.set(number);
        format!("{label}#{number}")
    }
}

/// The number of expressions in `expr`, where a column counts as much as `of_column` says.
fn size(expr: &Expr, of_column: impl Fn(&Column) -> usize) -> usize {
    let mut size = 0_usize;
    let _ = expr.apply(|expr| {
        size = size.saturating_add(match expr {
            Expr::Column(column) => of_column(column),
            _ => 1,
        });
        Ok(TreeNodeRecursion::Continue)
    });
    size
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_that_grows_with_each_query_stays_a_column() {
        let tables: Vec<String> = (1..20).map(|n| format!("c{n} AS (SELECT a * a AS a FROM c{})", n - 1)).collect();
        let sql = format!("WITH c0 AS (SELECT a FROM (VALUES 1) AS t(a)), {} SELECT a FROM c19", tables.join(", "));
        let planned = plan(&sql, Vec::new(), "", &Stop::default()).unwrap();
        let text = planned.plan.display_indent().to_string();
        assert!(planned.keeps && text.contains("kept("), "{text}");
    }
}
