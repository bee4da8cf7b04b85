//! UNION, INTERSECT and EXCEPT.

use std::sync::Arc;

use datafusion::common::Column;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder};
use query::QueryError;

use crate::analysis::analyzer::Analyzer;
use crate::analysis::query_plan::QueryPlan;
use crate::analysis::scope::{CommonTables, Scope, ScopeField};
use crate::error::{planning, unsupported};
use crate::functions::cast::coerce;
use crate::functions::native::Typed;
use crate::syntax::ast::{Body, SetOperation, SetOperator};
use crate::types::Type;

/// The set operations that are planned as joins.
#[derive(Debug, Clone, Copy)]
enum Difference {
    Intersect,
    Except,
}

/// Queries whose rows are taken together.
struct Union {
    parts: Vec<QueryPlan>,
    distinct: bool,
}

impl Analyzer {
    /// Set operations of one rank, from the left. UNIONs that follow each other are one node of the plan.
    pub(super) fn sets<'p>(
        &self,
        first: &Body,
        rest: &[SetOperation],
        common: CommonTables<'_>,
        parent: Option<&'p Scope<'p>>,
    ) -> Result<QueryPlan, QueryError> {
        let mut so_far = Union { parts: vec![self.body(first, common, parent)?], distinct: false };
        for operation in rest {
            let right = self.body(&operation.right, common, parent)?;
            let types = so_far.parts[0].types_with(operation.at, &right)?;
            // The rows so far become rows of the types that they have with those of the right, step by step as written.
            let same = so_far.parts[0].fields.iter().zip(&types).all(|(field, ty)| field.ty == *ty);
            let difference = match operation.operator {
                SetOperator::Union => None,
                SetOperator::Intersect => Some(Difference::Intersect),
                SetOperator::Except => Some(Difference::Except),
            };
            if difference.is_some() || !same || so_far.distinct && !operation.distinct {
                so_far = Union { parts: vec![self.union(so_far)?], distinct: false };
            }
            if let Some(difference) = difference {
                let left = so_far.parts.remove(0);
                so_far.parts.push(self.difference(operation, difference, left, right, &types)?);
                continue;
            }
            if !same {
                let left = so_far.parts.remove(0);
                so_far.parts.push(self.with_types(left, &types)?);
            }
            so_far.parts.push(self.with_types(right, &types)?);
            so_far.distinct = operation.distinct;
        }
        self.union(so_far)
    }

    /// The rows of all parts, which have the same types.
    fn union(&self, union: Union) -> Result<QueryPlan, QueryError> {
        let Union { mut parts, distinct } = union;
        if parts.len() == 1 {
            return Ok(parts.remove(0));
        }
        let mut fields = Vec::new();
        for field in &parts[0].fields {
            let unique = self.unique(field.name.as_deref().unwrap_or("column"));
            let column = Column::new_unqualified(unique);
            fields.push(ScopeField { relation: None, name: field.name.clone(), column, ty: field.ty.clone() });
        }
        let inputs = parts
            .into_iter()
            .map(|part| {
                let columns = part.fields.iter().zip(&fields);
                let columns =
                    columns.map(|(field, named)| Expr::Column(field.column.clone()).alias(&named.column.name));
                LogicalPlanBuilder::from(part.plan)
                    .project(columns.collect::<Vec<_>>())
                    .and_then(LogicalPlanBuilder::build)
                    .map(Arc::new)
            })
            .collect::<Result<Vec<_>, _>>()
            .map_err(planning)?;
        let mut builder = LogicalPlanBuilder::from(LogicalPlan::Union(
            datafusion::logical_expr::Union::try_new_with_loose_types(inputs).map_err(planning)?,
        ));
        if distinct {
            builder = builder.distinct().map_err(planning)?;
        }
        Ok(QueryPlan { plan: builder.build().map_err(planning)?, fields })
    }

    /// The rows of INTERSECT or EXCEPT.
    fn difference(
        &self,
        operation: &SetOperation,
        difference: Difference,
        left: QueryPlan,
        right: QueryPlan,
        types: &[Type],
    ) -> Result<QueryPlan, QueryError> {
        self.count_join(operation.at)?;
        let (left, right) = (self.with_types(left, types)?, self.with_types(right, types)?);
        let mut fields = Vec::new();
        let (mut lefts, mut rights) = (Vec::new(), Vec::new());
        for (a, b) in left.fields.into_iter().zip(right.fields) {
            let unique = self.unique(a.name.as_deref().unwrap_or("column"));
            lefts.push(Expr::Column(a.column).alias(unique.as_str()));
            rights.push(Expr::Column(b.column).alias(unique.as_str()));
            fields.push(ScopeField { relation: None, name: a.name, column: Column::new_unqualified(unique), ty: a.ty });
        }
        let project = |plan, columns: Vec<Expr>| {
            LogicalPlanBuilder::from(plan).project(columns).and_then(LogicalPlanBuilder::build).map_err(planning)
        };
        let (left, right) = (project(left.plan, lefts)?, project(right.plan, rights)?);
        let plan = match (difference, operation.distinct) {
            (Difference::Intersect, true) => LogicalPlanBuilder::intersect(left, right, false),
            (Difference::Except, true) => LogicalPlanBuilder::except(left, right, false),
            (Difference::Intersect, false) => {
                return unsupported("INTERSECT ALL", "number the rows and use INTERSECT");
            }
            (Difference::Except, false) => return unsupported("EXCEPT ALL", "number the rows and use EXCEPT"),
        };
        Ok(QueryPlan { plan: plan.map_err(planning)?, fields })
    }

    /// The rows of a query as rows of these types.
    fn with_types(&self, query: QueryPlan, types: &[Type]) -> Result<QueryPlan, QueryError> {
        if query.fields.iter().zip(types).all(|(field, ty)| field.ty == *ty) {
            return Ok(query);
        }
        let mut columns = Vec::new();
        let mut fields = Vec::new();
        for (field, ty) in query.fields.into_iter().zip(types) {
            let unique = self.unique(field.name.as_deref().unwrap_or("column"));
            let value = coerce(Typed::new(Expr::Column(field.column), field.ty), ty)?;
            columns.push(self.computed(&unique, value).expr.alias(unique.as_str()));
            let column = Column::new_unqualified(unique);
            fields.push(ScopeField { relation: None, name: field.name, column, ty: ty.clone() });
        }
        let plan = LogicalPlanBuilder::from(query.plan)
            .project(columns)
            .and_then(LogicalPlanBuilder::build)
            .map_err(planning)?;
        Ok(QueryPlan { plan, fields })
    }
}
