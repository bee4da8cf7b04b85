//! Rows and their fields.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, StructArray};
use datafusion::arrow::compute::{is_not_null, nullif};
use datafusion::logical_expr::Expr;
use query::QueryError;

use super::native::{Typed, by_array, call, conform};
use crate::error::internal;
use crate::functions::request::{Request, Resolved};
use crate::types::{Type, anonymous, row_fields};

/// `ROW(…)`: a row whose fields have no names.
pub(crate) fn row(values: Vec<Typed>) -> Typed {
    let types: Vec<_> = values.iter().map(|value| (None, value.ty.clone())).collect();
    let fields = row_fields(&types);
    let body = by_array(move |arrays: &[ArrayRef]| {
        let rows = arrays.first().map_or(1, |array| array.len());
        let columns = arrays
            .iter()
            .zip(&fields)
            .map(|(array, field)| conform(array, field.data_type()))
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Arc::new(StructArray::try_new_with_length(fields.clone(), columns, None, rows)?) as ArrayRef)
    });
    call("row", "", values, Type::Row(types), body)
}

/// The field of a row at a position.
pub(crate) fn field_at(row: Typed, position: usize) -> Result<Typed, QueryError> {
    let Type::Row(fields) = &row.ty else { return Err(internal("a row", &row.ty)) };
    let Some((name, ty)) = fields.get(position).cloned() else {
        return Err(internal(format_args!("a field at {position}"), &row.ty));
    };
    // A chain of fields of a column is DataFusion's own, so that only the parts that are used are read from a file.
    if let (Some(name), true) = (&name, is_column_path(&row.expr)) {
        let field = datafusion::functions::core::expr_fn::get_field(row.expr, name.as_str());
        return Ok(Typed::new(field, ty));
    }
    let returns = ty.arrow();
    let body = by_array(move |arrays: &[ArrayRef]| {
        let rows = arrays[0].as_struct();
        let column = rows.column(position);
        // What stands under a row that is null is null.
        let column = match rows.nulls() {
            Some(nulls)
                if nulls.null_count() > 0
                    && !matches!(column.data_type(), datafusion::arrow::datatypes::DataType::Null) =>
            {
                let absent = datafusion::arrow::compute::not(&is_not_null(&arrays[0])?)?;
                nullif(column, &absent)?
            }
            _ => Arc::clone(column),
        };
        conform(&column, &returns)
    });
    let key = name.unwrap_or_else(|| anonymous(position));
    Ok(call("field", format!("{position}{key}"), vec![row], ty, body))
}

fn is_column_path(expr: &Expr) -> bool {
    match expr {
        Expr::Column(_) | Expr::OuterReferenceColumn(..) => true,
        Expr::ScalarFunction(function) => {
            function.func.name() == "get_field" && function.args.first().is_some_and(is_column_path)
        }
        _ => false,
    }
}

pub(crate) fn resolve(request: &Request<'_>) -> Resolved {
    match (request.name, &request.arguments[..]) {
        ("typeof", [value]) => {
            // The length of a varchar is not kept, which Trino shows.
            if mentions_varchar(&value.ty) && !matches!(value.expr, Expr::Column(_)) {
                return Some(
                    request.unsupported("typeof of a computed varchar", "cast the value to the type you expect"),
                );
            }
            Some(Ok(Typed::text(value.ty.to_string())))
        }
        _ => None,
    }
}

fn mentions_varchar(ty: &Type) -> bool {
    match ty {
        Type::Varchar => true,
        Type::Array(element) => mentions_varchar(element),
        Type::Map(key, value) => mentions_varchar(key) || mentions_varchar(value),
        Type::Row(fields) => fields.iter().any(|(_, field)| mentions_varchar(field)),
        _ => false,
    }
}
