//! A query's plan and its columns.

use datafusion::logical_expr::LogicalPlan;
use query::QueryError;

use crate::analysis::scope::ScopeField;
use crate::error::invalid;
use crate::syntax::ast::At;
use crate::types::Type;

/// A query's plan and its columns.
pub(crate) struct QueryPlan {
    pub(crate) plan: LogicalPlan,
    pub(crate) fields: Vec<ScopeField>,
}

impl QueryPlan {
    /// The types of rows that are these or those of `other`.
    pub(crate) fn types_with(&self, at: At, other: &QueryPlan) -> Result<Vec<Type>, QueryError> {
        if self.fields.len() != other.fields.len() {
            let (left, right) = (self.fields.len(), other.fields.len());
            return invalid(at, format_args!("the queries have different numbers of columns: {left}, {right}"));
        }
        let pairs = self.fields.iter().zip(&other.fields).enumerate();
        pairs
            .map(|(position, (a, b))| match a.ty.common(&b.ty) {
                Some(ty) => Ok(ty),
                None => invalid(
                    at,
                    format_args!("column {} has different types in the queries: {}, {}", position + 1, a.ty, b.ty),
                ),
            })
            .collect()
    }
}
