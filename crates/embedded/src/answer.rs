//! Batches as the rows of an answer.

use datafusion::arrow::array::{Array, RecordBatch};
use query::QueryError;
use serde_json::Value;

use crate::functions::native::{Cell, cell};
use crate::text_form;
use crate::types::Type;

/// The rows, each value as JSON has it or as text.
pub(crate) fn rows(columns: &[(String, Type)], batches: &[RecordBatch]) -> Result<Vec<Vec<Value>>, QueryError> {
    let mut rows = Vec::with_capacity(batches.iter().map(RecordBatch::num_rows).sum());
    for batch in batches {
        for row in 0..batch.num_rows() {
            let values = columns.iter().zip(batch.columns());
            rows.push(values.map(|((_, ty), array)| value(array.as_ref(), row, ty)).collect());
        }
    }
    Ok(rows)
}

fn value(array: &dyn Array, row: usize, ty: &Type) -> Value {
    if array.is_null(row) {
        return Value::Null;
    }
    match (ty, cell(array, row)) {
        (Type::Boolean, Cell::Boolean(value)) => Value::Bool(value),
        (Type::Tinyint | Type::Smallint | Type::Integer | Type::Bigint, Cell::Integer(value)) => value.into(),
        (Type::Double, Cell::Double(value)) => number(value),
        (Type::Real, Cell::Double(value)) => {
            // The shortest digits of the real, not those of the double it became.
            let shortest = text_form::java_real(value).parse().unwrap_or(value);
            number(shortest)
        }
        (Type::Array(_) | Type::Map(..) | Type::Row(_), _) => {
            let mut text = String::new();
            text_form::printed(array, row, ty, &mut text);
            Value::String(text)
        }
        (ty, cell) => Value::String(text_form::answered(&cell, ty)),
    }
}

fn number(value: f64) -> Value {
    serde_json::Number::from_f64(value).map_or_else(|| Value::String(text_form::double(value)), Value::Number)
}
