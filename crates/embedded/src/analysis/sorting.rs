//! Items of ORDER BY, and positions that stand for columns.

use datafusion::logical_expr::expr::Sort;
use query::QueryError;

use crate::error::{invalid, unsupported};
use crate::functions::native::Typed;
use crate::syntax::ast::{Expression, Kind, SortItem};
use crate::types::Type;

pub(crate) fn sort(item: &SortItem, key: Typed) -> Result<Sort, QueryError> {
    if !key.ty.is_orderable() {
        return invalid(
            item.expression.at,
            format_args!("Type {} is not orderable, and therefore cannot be used in ORDER BY", key.ty),
        );
    }
    if matches!(key.ty, Type::Array(_) | Type::Row(_)) {
        return unsupported(format!("ORDER BY of {}", key.ty), "order by its parts");
    }
    Ok(Sort::new(key.expr, !item.descending, item.nulls_first))
}

/// The position that an ORDER BY or GROUP BY item names by its number.
pub(crate) fn ordinal(expression: &Expression, columns: usize) -> Result<Option<usize>, QueryError> {
    let Kind::Integer(digits) = &expression.kind else { return Ok(None) };
    match digits.parse::<usize>() {
        Ok(position) if (1..=columns).contains(&position) => Ok(Some(position - 1)),
        _ => invalid(expression.at, format_args!("position {digits} is not in the select list")),
    }
}
