//! GROUP BY and aggregates: expressions over the rows of a source as expressions over its groups.

use datafusion::common::Column;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::{Expr, GroupingSet, LogicalPlan, LogicalPlanBuilder};
use query::QueryError;

use crate::analysis::analyzer::Analyzer;
use crate::analysis::descent::expressions::{Expressions, Output};
use crate::analysis::scope::{CommonTables, Scope};
use crate::analysis::sorting::ordinal;
use crate::error::{invalid, planning, unsupported};
use crate::syntax::ast::{At, Expression, GroupBy, GroupingElement};

impl Analyzer {
    /// The plan of GROUP BY, and the keys: what they were, and the columns that they are now.
    pub(super) fn aggregate(
        &self,
        plan: LogicalPlan,
        group_by: Option<&GroupBy>,
        outputs: &[Output],
        scope: &Scope<'_>,
        common: CommonTables<'_>,
        aggregates: &[(String, Expr)],
    ) -> Result<(LogicalPlan, Vec<(Expr, Column)>), QueryError> {
        let expressions = Expressions::new(self, scope, common, "GROUP BY");
        let mut keys: Vec<(Expr, Column)> = Vec::new();
        let mut computed = Vec::new();
        let mut key = |expression: &Expression| -> Result<Expr, QueryError> {
            let value = match ordinal(expression, outputs.len())? {
                Some(position) => {
                    self.count_copies(expression.at, &outputs[position].value, 1)?;
                    outputs[position].value.clone()
                }
                None => expressions.value(expression)?,
            };
            if !value.ty.is_comparable() {
                return invalid(
                    expression.at,
                    format_args!("{} is not comparable, and therefore cannot be used in GROUP BY", value.ty),
                );
            }
            if let Some((_, column)) = keys.iter().find(|(known, _)| *known == value.expr) {
                return Ok(Expr::Column(column.clone()));
            }
            let column = match &value.expr {
                Expr::Column(column) => column.clone(),
                _ => {
                    let unique = self.unique("key");
                    computed.push(self.computed(&unique, value.clone()).expr.alias(unique.as_str()));
                    Column::new_unqualified(unique)
                }
            };
            keys.push((value.expr, column.clone()));
            Ok(Expr::Column(column))
        };
        let mut set = |expressions: &[Expression]| expressions.iter().map(&mut key).collect::<Result<Vec<_>, _>>();
        let elements = group_by.map_or(&[][..], |group_by| &group_by.elements);
        if group_by.is_some_and(|group_by| group_by.distinct) {
            return unsupported("GROUP BY DISTINCT", "leave DISTINCT out and name the sets in GROUPING SETS");
        }
        // Each element is a list of sets; the sets of the whole are all their combinations.
        let mut sets: Vec<Vec<Expr>> = vec![Vec::new()];
        let mut is_simple = true;
        for element in elements {
            let element_sets = match element {
                GroupingElement::Simple(expressions) => vec![set(expressions)?],
                GroupingElement::Sets(given) => {
                    is_simple = false;
                    given.iter().map(|given| set(given)).collect::<Result<Vec<_>, _>>()?
                }
                GroupingElement::Rollup(given) => {
                    is_simple = false;
                    let parts = given.iter().map(|given| set(given)).collect::<Result<Vec<_>, _>>()?;
                    (0..=parts.len()).rev().map(|kept| parts[..kept].concat()).collect()
                }
                GroupingElement::Cube(given) => {
                    is_simple = false;
                    let parts = given.iter().map(|given| set(given)).collect::<Result<Vec<_>, _>>()?;
                    (0..1_usize << parts.len().min(10))
                        .rev()
                        .map(|mask| {
                            let kept = parts.iter().rev().enumerate().filter(|(bit, _)| mask & (1 << bit) != 0);
                            kept.map(|(_, part)| part.clone()).collect::<Vec<_>>().into_iter().rev().flatten().collect()
                        })
                        .collect()
                }
            };
            sets = sets
                .iter()
                .flat_map(|before| element_sets.iter().map(|set| before.iter().chain(set).cloned().collect()))
                .collect();
        }
        let mut builder = LogicalPlanBuilder::from(plan);
        if !computed.is_empty() {
            let mut projected: Vec<Expr> =
                scope.fields.iter().map(|field| Expr::Column(field.column.clone())).collect();
            projected.extend(computed);
            builder = builder.project(projected).map_err(planning)?;
        }
        let group: Vec<Expr> = if is_simple {
            let mut group: Vec<Expr> = Vec::new();
            for key in sets.into_iter().flatten() {
                if !group.contains(&key) {
                    group.push(key);
                }
            }
            group
        } else {
            vec![Expr::GroupingSet(GroupingSet::GroupingSets(sets))]
        };
        let aggregates: Vec<Expr> = aggregates.iter().map(|(name, expr)| expr.clone().alias(name.as_str())).collect();
        let plan = if group.is_empty() && aggregates.is_empty() {
            // HAVING without anything else: one group of all rows.
            let count = datafusion::functions_aggregate::count::count(datafusion::logical_expr::lit(1_i64));
            builder.aggregate(Vec::<Expr>::new(), vec![count.alias(self.unique("count"))])
        } else {
            builder.aggregate(group, aggregates)
        };
        Ok((plan.and_then(LogicalPlanBuilder::build).map_err(planning)?, keys))
    }
}

/// Expressions over the rows of a source as expressions over its groups.
pub(super) struct Regrouping<'a> {
    pub(super) keys: &'a [(Expr, Column)],
    pub(super) aggregates: &'a [(String, Expr)],
    pub(super) scope: &'a Scope<'a>,
}

impl Regrouping<'_> {
    pub(super) fn rewrite(&self, at: At, expr: Expr) -> Result<Expr, QueryError> {
        let mut ungrouped: Option<String> = None;
        let mut correlated = false;
        let rewritten = expr.transform_down(|expr| {
            if let Some((_, column)) = self.keys.iter().find(|(key, _)| *key == expr) {
                return Ok(Transformed::new(Expr::Column(column.clone()), true, TreeNodeRecursion::Jump));
            }
            match &expr {
                Expr::ScalarSubquery(subquery) => correlated |= !subquery.outer_ref_columns.is_empty(),
                Expr::Exists(exists) => correlated |= !exists.subquery.outer_ref_columns.is_empty(),
                Expr::InSubquery(within) => correlated |= !within.subquery.outer_ref_columns.is_empty(),
                Expr::Column(column) => {
                    let is_aggregate =
                        column.relation.is_none() && self.aggregates.iter().any(|(name, _)| *name == column.name);
                    let field = self.scope.fields.iter().find(|field| field.column == *column);
                    if let (false, Some(field)) = (is_aggregate, field) {
                        ungrouped.get_or_insert_with(|| field.name.clone().unwrap_or_default());
                    }
                }
                _ => {}
            }
            Ok(Transformed::no(expr))
        });
        let rewritten = rewritten.map_err(planning)?;
        if let Some(name) = ungrouped {
            return invalid(at, format_args!("'{name}' must be an aggregate expression or appear in GROUP BY clause"));
        }
        if correlated {
            return unsupported(
                "subquery that refers to a grouped query",
                "compute the groups in a common table and join it",
            );
        }
        Ok(rewritten.data)
    }
}
