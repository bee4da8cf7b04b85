//! Columns of Parquet objects as tables over them have them.

use arrow_schema::{DataType, Schema};

use crate::types::ColumnType;

impl ColumnType {
    /// The type of a column in the lake; `None` if Glue has none for it.
    ///
    /// Hive's and Glue's `timestamp` has no zone, although the instant in the object is one of UTC.
    ///
    /// ```
    /// use arrow_schema::{DataType, TimeUnit};
    /// use sql::types::ColumnType;
    ///
    /// let instant = DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into()));
    /// assert_eq!(ColumnType::of_arrow(&instant), Some(ColumnType::Timestamp));
    /// ```
    pub fn of_arrow(data_type: &DataType) -> Option<Self> {
        let boxed = |data_type| Self::of_arrow(data_type).map(Box::new);
        Some(match data_type {
            DataType::Boolean => Self::Boolean,
            DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::UInt8 | DataType::UInt16 => Self::Integer,
            DataType::Int64 | DataType::UInt32 => Self::Bigint,
            DataType::Float16 | DataType::Float32 => Self::Real,
            DataType::Float64 => Self::Double,
            DataType::Decimal128(precision, scale) => Self::Decimal(*precision, u8::try_from(*scale).ok()?),
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => Self::Varchar,
            DataType::Dictionary(_, value) => return Self::of_arrow(value),
            DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => {
                Self::Varbinary
            }
            DataType::Date32 => Self::Date,
            DataType::Timestamp(..) => Self::Timestamp,
            DataType::List(element) | DataType::LargeList(element) => Self::Array(boxed(element.data_type())?),
            DataType::Struct(fields) => {
                let named = fields.iter().map(|field| Some((field.name().clone(), Self::of_arrow(field.data_type())?)));
                Self::Row(named.collect::<Option<_>>()?)
            }
            DataType::Map(entries, _) => match entries.data_type() {
                DataType::Struct(fields) => match fields.as_ref() {
                    [key, value] => Self::Map(boxed(key.data_type())?, boxed(value.data_type())?),
                    _ => return None,
                },
                _ => return None,
            },
            _ => return None,
        })
    }
}

/// The columns of a table over objects of this schema, without partition keys; what Glue has no type for is left out.
pub fn columns_of(schema: &Schema) -> Vec<(String, ColumnType)> {
    let columns = schema.fields().iter();
    columns.filter_map(|field| Some((field.name().clone(), ColumnType::of_arrow(field.data_type())?))).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_schema::Field;

    use super::*;

    #[test]
    fn nested_columns_are_rows_arrays_and_maps() {
        let text = || Field::new("value", DataType::Utf8, true);
        let pair = DataType::Struct(vec![Field::new("key", DataType::Utf8, false), text()].into());
        let hash = DataType::Struct(vec![Field::new("algorithm_id", DataType::Int32, true), text()].into());
        let schema = Schema::new(vec![
            Field::new("time", DataType::Int64, false),
            Field::new("hashes", DataType::List(Arc::new(Field::new("element", hash, true))), true),
            Field::new("unmapped", DataType::Map(Arc::new(Field::new("key_value", pair, false)), false), true),
            Field::new("odd", DataType::Null, true),
        ]);
        let columns: Vec<_> = columns_of(&schema).iter().map(|(name, t)| format!("{name} {}", t.glue())).collect();
        let expected =
            ["time bigint", "hashes array<struct<algorithm_id:int,value:string>>", "unmapped map<string,string>"];
        assert_eq!(columns, expected);
    }
}
