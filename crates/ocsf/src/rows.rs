//! Converts columns back to OCSF JSON, for `sluice inspect` and for tests.

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int32Type, Int64Type, TimestampMillisecondType};
use arrow_array::{Array, RecordBatch};
use arrow_schema::{ArrowError, DataType};
use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::schema::{Attribute, AttributeKind, ScalarType, Schema, find};

/// The rows of a batch as OCSF events: absent attributes are left out, `*_dt` is RFC 3339 text, `json_t` that holds an
/// array or object is embedded as such, `unmapped` is an object of flattened keys.
///
/// `schema` tells which texts are `json_t`; the class is taken from each row's `class_uid`.
///
/// # Errors
/// [`ArrowError`] where a column has a type that no OCSF attribute has.
pub fn rows_to_json(schema: &'static Schema, batch: &RecordBatch) -> Result<Vec<Value>, ArrowError> {
    let class_uids = batch.column_by_name("class_uid").and_then(|column| column.as_primitive_opt::<Int32Type>());
    (0..batch.num_rows())
        .map(|row| {
            let uid = class_uids.filter(|uids| uids.is_valid(row)).map(|uids| uids.value(row));
            let class = uid.and_then(|uid| schema.class_by_uid(u32::try_from(uid).ok()?));
            let attributes = class.map_or(&[][..], |class| &class.attributes);
            let mut event = Map::new();
            for (field, column) in batch.schema_ref().fields().iter().zip(batch.columns()) {
                let attribute = find(attributes, field.name());
                insert(schema, &mut event, field.name(), attribute, column.as_ref(), row)?;
            }
            Ok(Value::Object(event))
        })
        .collect()
}

fn insert(
    schema: &'static Schema,
    object: &mut Map<String, Value>,
    name: &str,
    attribute: Option<&'static Attribute>,
    column: &dyn Array,
    row: usize,
) -> Result<(), ArrowError> {
    match value(schema, attribute, column, row)? {
        Value::Null => {}
        present => {
            object.insert(name.to_owned(), present);
        }
    }
    Ok(())
}

fn value(
    schema: &'static Schema,
    attribute: Option<&'static Attribute>,
    column: &dyn Array,
    row: usize,
) -> Result<Value, ArrowError> {
    if column.is_null(row) {
        return Ok(Value::Null);
    }
    Ok(match column.data_type() {
        DataType::Utf8 | DataType::Dictionary(..) => {
            let text = text(column, row)?;
            let is_json = attribute.is_some_and(|attribute| attribute.kind == AttributeKind::Scalar(ScalarType::Json));
            if is_json && text.starts_with(['{', '[']) {
                serde_json::from_str(text).unwrap_or_else(|_| Value::from(text))
            } else {
                Value::from(text)
            }
        }
        DataType::Int32 => Value::from(column.as_primitive::<Int32Type>().value(row)),
        DataType::Int64 => Value::from(column.as_primitive::<Int64Type>().value(row)),
        DataType::Float64 => Value::from(column.as_primitive::<Float64Type>().value(row)),
        DataType::Boolean => Value::from(column.as_boolean().value(row)),
        DataType::Timestamp(..) => {
            let instant = column.as_primitive::<TimestampMillisecondType>().value(row);
            Timestamp::from_millisecond(instant)
                .map_or(Value::from(instant), |instant| Value::from(format!("{instant:.3}")))
        }
        DataType::Struct(fields) => {
            let attributes = match attribute.map(|attribute| attribute.kind) {
                Some(AttributeKind::Object(object)) => &schema.object_by_id(object).attributes[..],
                _ => &[],
            };
            let mut object = Map::new();
            for (field, child) in fields.iter().zip(column.as_struct().columns()) {
                insert(schema, &mut object, field.name(), find(attributes, field.name()), child.as_ref(), row)?;
            }
            Value::Object(object)
        }
        DataType::List(_) => {
            let items = column.as_list::<i32>().value(row);
            let items = (0..items.len()).map(|item| value(schema, attribute, items.as_ref(), item));
            Value::Array(items.collect::<Result<_, _>>()?)
        }
        DataType::Map(..) => {
            let entries = column.as_map().value(row);
            let (keys, texts) = (entries.column(0), entries.column(1));
            let mut object = Map::new();
            for entry in 0..entries.len() {
                let key = text(keys, entry)?;
                object.insert(key.to_owned(), value(schema, None, texts.as_ref(), entry)?);
            }
            Value::Object(object)
        }
        other => return Err(unknown(other)),
    })
}

/// A text of a column, plain or in a dictionary.
fn text(column: &dyn Array, row: usize) -> Result<&str, ArrowError> {
    if let Some(texts) = column.as_string_opt::<i32>() {
        return Ok(texts.value(row));
    }
    let dictionary = column.as_dictionary_opt::<Int32Type>().ok_or_else(|| unknown(column.data_type()))?;
    let texts = dictionary.values().as_string_opt::<i32>().ok_or_else(|| unknown(column.data_type()))?;
    Ok(texts.value(dictionary.keys().value(row) as usize))
}

fn unknown(data_type: &DataType) -> ArrowError {
    ArrowError::NotYetImplemented(format!("no OCSF attribute is stored as {data_type}"))
}
