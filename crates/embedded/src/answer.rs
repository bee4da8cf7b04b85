//! Batches as the rows of an answer.

use datafusion::arrow::array::{Array, AsArray, RecordBatch};
use datafusion::arrow::datatypes::DataType;
use datafusion::common::Result;
use query::QueryError;
use serde_json::{Map, Value};

use crate::error::of_datafusion;
use crate::functions::native::{Cell, cell, mistake};
use crate::text_form;
use crate::types::Type;

/// The rows, each value as JSON has it or as text. `nested` makes JSON of arrays, maps and rows too.
pub(crate) fn rows(
    columns: &[(String, Type)],
    batches: &[RecordBatch],
    nested: bool,
) -> std::result::Result<Vec<Vec<Value>>, QueryError> {
    // A column of type `json` is a text either way: whoever reads the answer knows its type.
    let value = |array: &dyn Array, row, ty: &Type| match nested && *ty != Type::Json {
        true => nested_value(array, row, ty),
        false => value(array, row, ty),
    };
    let mut rows = Vec::with_capacity(batches.iter().map(RecordBatch::num_rows).sum());
    for batch in batches {
        for row in 0..batch.num_rows() {
            let values = columns.iter().zip(batch.columns());
            let values = values.map(|((_, ty), array)| value(array.as_ref(), row, ty));
            rows.push(values.collect::<Result<_>>().map_err(of_datafusion)?);
        }
    }
    Ok(rows)
}

fn value(array: &dyn Array, row: usize, ty: &Type) -> Result<Value> {
    if array.is_null(row) || array.data_type() == &DataType::Null {
        return Ok(Value::Null);
    }
    Ok(match (ty, cell(array, row)) {
        (Type::Boolean, Cell::Boolean(value)) => Value::Bool(value),
        (Type::Tinyint | Type::Smallint | Type::Integer | Type::Bigint, Cell::Integer(value)) => value.into(),
        (Type::Double, Cell::Double(value)) => number(value),
        (Type::Real, Cell::Double(value)) => {
            // The shortest digits of the real, not those of the double it became.
            let shortest = text_form::java_real(value);
            number(shortest.parse().map_err(|_| mistake("a number", shortest))?)
        }
        (Type::Array(_) | Type::Map(..) | Type::Row(_), _) => {
            let mut text = String::new();
            text_form::printed(array, row, ty, &mut text)?;
            Value::String(text)
        }
        (ty, cell) => Value::String(text_form::answered(&cell, ty)?),
    })
}

/// As [`value`], with arrays as arrays, maps and rows as objects.
///
/// A key of a map is its text. A member of a row without a name is called as Trino calls it, and a name that comes again
/// gets a number, since an object holds each name once.
fn nested_value(array: &dyn Array, row: usize, ty: &Type) -> Result<Value> {
    if array.is_null(row) || array.data_type() == &DataType::Null {
        return Ok(Value::Null);
    }
    Ok(match ty {
        Type::Array(element) => {
            let elements = array.as_list::<i32>().value(row);
            (0..elements.len()).map(|at| nested_value(elements.as_ref(), at, element)).collect::<Result<_>>()?
        }
        Type::Map(key, of) => {
            let entries = array.as_map().value(row);
            let (keys, values) = (entries.column(0), entries.column(1));
            let entry = |at| Ok((text(value(keys.as_ref(), at, key)?), nested_value(values.as_ref(), at, of)?));
            Value::Object((0..entries.len()).map(entry).collect::<Result<_>>()?)
        }
        Type::Row(fields) => {
            let members = array.as_struct();
            let mut object = Map::new();
            for (at, (name, field)) in fields.iter().enumerate() {
                let name = name.clone().unwrap_or_else(|| crate::types::anonymous(at));
                let value = nested_value(members.column(at).as_ref(), row, field)?;
                object.insert(unused(&object, name), value);
            }
            Value::Object(object)
        }
        Type::Json => match value(array, row, ty)? {
            // Trino's JSON holds numbers that no number of this program can: they stay text.
            Value::String(text) => serde_json::from_str(&text).unwrap_or(Value::String(text)),
            other => other,
        },
        _ => value(array, row, ty)?,
    })
}

fn text(value: Value) -> String {
    match value {
        Value::String(text) => text,
        other => other.to_string(),
    }
}

/// The name, with a number if the object has it already.
fn unused(object: &Map<String, Value>, name: String) -> String {
    let mut candidate = name.clone();
    let mut number = 2;
    while object.contains_key(&candidate) {
        candidate = format!("{name}_{number}");
        number += 1;
    }
    candidate
}

fn number(value: f64) -> Value {
    serde_json::Number::from_f64(value).map_or_else(|| Value::String(text_form::double(value)), Value::Number)
}
