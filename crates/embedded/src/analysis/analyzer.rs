//! What holds for a whole statement: the tables that there are, the time, names that are taken, and what is counted.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;

use datafusion::common::Column;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::{Expr, LogicalPlan};
use query::{QueryError, Warning};

use crate::functions::chains;
use crate::functions::native::{Typed, kept};
use crate::functions::operators::balanced;
use crate::limits::{
    MAX_CONJUNCTS, MAX_EXPRESSIONS, MAX_INLINED, MAX_JOINS, MAX_QUERIES, MAX_SUBQUERIES, too_many_expressions,
    too_many_joins, too_many_queries, too_many_subqueries,
};
use crate::stop::Stop;
use crate::syntax::ast;
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

/// What holds for a whole statement.
pub(crate) struct Analyzer {
    pub(super) relations: Vec<Relation>,
    /// The database of tables that are named without one.
    pub(super) database: String,
    /// The start of the statement in ms, which is what `now()` says throughout.
    pub(super) now: i64,
    pub(super) names: Cell<usize>,
    /// Queries so far.
    pub(super) queries: Cell<usize>,
    /// Expressions so far.
    pub(super) expressions: Cell<usize>,
    /// Joins so far.
    pub(super) joins: Cell<usize>,
    /// Conditions of AND so far.
    pub(super) conjuncts: Cell<usize>,
    /// Subqueries around the expression that is read.
    pub(super) subqueries: Cell<usize>,
    pub(super) keeps: Cell<bool>,
    pub(super) warnings: RefCell<Vec<Warning>>,
    pub(super) stop: Stop,
    /// Computed columns, with the size of the expression over tables that each stands for.
    pub(super) inlined: RefCell<HashMap<String, usize>>,
}

impl Analyzer {
    /// Over the tables that there are, at `now`.
    pub(super) fn new(relations: Vec<Relation>, database: &str, now: i64, stop: Stop) -> Self {
        Self {
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
            stop,
        }
    }

    /// Counts a query.
    pub(super) fn count_query(&self, at: ast::At) -> Result<(), QueryError> {
        let count = self.queries.get() + 1;
        self.queries.set(count);
        self.stop.check()?;
        if count > MAX_QUERIES { Err(too_many_queries(at)) } else { Ok(()) }
    }

    /// Counts expressions.
    pub(super) fn count_expressions(&self, at: ast::At, more: usize) -> Result<(), QueryError> {
        let count = self.expressions.get().saturating_add(more);
        self.expressions.set(count);
        self.stop.check()?;
        if count > MAX_EXPRESSIONS { Err(too_many_expressions(at)) } else { Ok(()) }
    }

    /// Memory for what was counted. Measured: `cargo run -p embedded --example planning`.
    pub(super) fn memory(&self, sql: &str) -> usize {
        64 * sql.len() + (self.expressions.get() << 11) + (self.queries.get() << 15) + (self.joins.get() << 18)
    }

    /// Reads a subquery of an expression.
    pub(super) fn within<T>(&self, at: ast::At, read: impl FnOnce() -> Result<T, QueryError>) -> Result<T, QueryError> {
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
    pub(super) fn count_join(&self, at: ast::At) -> Result<(), QueryError> {
        let count = self.joins.get() + 1;
        self.joins.set(count);
        if count > MAX_JOINS { Err(too_many_joins(at)) } else { Ok(()) }
    }

    /// All of the conditions. The optimizer takes AND apart and makes a chain of the terms, from all filters that it can
    /// bring together, so that it gets no more than [`MAX_CONJUNCTS`] of them, and each filter's others as one.
    pub(super) fn all_of(&self, mut terms: Vec<Expr>) -> Expr {
        let before = self.conjuncts.get();
        let seen = MAX_CONJUNCTS.saturating_sub(before).min(terms.len());
        self.conjuncts.set(before + terms.len());
        if terms.len() - seen > 1 {
            let rest = terms.split_off(seen).into_iter().map(|term| Typed::new(term, Type::Boolean)).collect();
            terms.push(chains::all(rest).expr);
        }
        balanced(terms, true)
    }

    /// Counts a value that is put in `times` more often than it is written.
    pub(super) fn count_copies(&self, at: ast::At, value: &Typed, times: usize) -> Result<(), QueryError> {
        self.count_expressions(at, size(&value.expr, |_| 1).saturating_mul(times))
    }

    /// `value` as what the column `name` is computed from.
    ///
    /// The optimizer puts what columns are computed from in their place, so that `b = a + a`, `c = b + b`, … doubles with each
    /// query. A column that would grow too large stays a column.
    pub(super) fn computed(&self, name: &str, value: Typed) -> Typed {
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
    pub(super) fn unique(&self, label: &str) -> String {
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

pub(crate) fn column(name: &str) -> Expr {
    Expr::Column(Column::new_unqualified(name))
}
