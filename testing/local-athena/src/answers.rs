//! Answers in the form of GetQueryResults.

use query::{Answer, Column};
use serde_json::{Value, json};
use sql::types::ColumnType;

/// A page of at most `length` rows from `start`, and the start of the next page. Row 0 is the header.
pub(crate) fn page(answer: &Answer, start: usize, length: usize) -> (Value, Option<usize>) {
    let header = || answer.columns.iter().map(|column| json!({"VarCharValue": column.name})).collect::<Vec<_>>();
    let row = |index: usize| match index.checked_sub(1) {
        None => header(),
        Some(index) => answer.rows[index].iter().map(datum).collect(),
    };
    let all = answer.rows.len() + 1;
    let end = start.saturating_add(length).min(all);
    let rows: Vec<Value> = (start..end).map(|index| json!({ "Data": row(index) })).collect();
    let columns: Vec<Value> = answer.columns.iter().map(column).collect();
    let set = json!({"Rows": rows, "ResultSetMetadata": {"ColumnInfo": columns}});
    (set, (end < all).then_some(end))
}

fn datum(value: &Value) -> Value {
    match value {
        Value::Null => json!({}),
        Value::String(text) => json!({ "VarCharValue": text }),
        other => json!({"VarCharValue": other.to_string()}),
    }
}

fn column(column: &Column) -> Value {
    let (kind, precision, scale) = match &column.column_type {
        ColumnType::Boolean => ("boolean", 0, 0),
        ColumnType::Integer => ("integer", 10, 0),
        ColumnType::Bigint => ("bigint", 19, 0),
        ColumnType::Real => ("float", 17, 0),
        ColumnType::Double => ("double", 17, 0),
        ColumnType::Decimal(precision, scale) => ("decimal", *precision, *scale),
        ColumnType::Varbinary => ("varbinary", 0, 0),
        ColumnType::Date => ("date", 0, 0),
        ColumnType::Timestamp => ("timestamp", 3, 0),
        ColumnType::TimestampWithTimeZone => ("timestamp with time zone", 3, 0),
        ColumnType::Json => ("json", 0, 0),
        ColumnType::Array(_) => ("array", 0, 0),
        ColumnType::Map(..) => ("map", 0, 0),
        ColumnType::Row(_) => ("row", 0, 0),
        _ => ("varchar", 0, 0),
    };
    json!({
        "CatalogName": "hive", "SchemaName": "", "TableName": "", "Name": column.name, "Label": column.name, "Type": kind,
        "Precision": precision, "Scale": scale, "Nullable": "UNKNOWN", "CaseSensitive": kind == "varchar",
    })
}
