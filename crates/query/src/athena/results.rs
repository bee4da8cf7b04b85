//! Reads results page by page, and converts values to the types of their columns.

use aws_sdk_athena::types::{ColumnInfo, Row};
use serde_json::{Number, Value};
use sql::types::ColumnType;

use super::{Athena, QueryId, errors};
use crate::{Column, QueryError};

/// A page of a result.
#[derive(Debug, Clone, PartialEq)]
pub struct Page {
    /// The columns in order.
    pub columns: Vec<Column>,
    /// The rows, see [`crate::Answer::rows`].
    pub rows: Vec<Vec<Value>>,
    /// The token of the next page; `None` after the last one.
    pub next: Option<String>,
}

/// Athena's maximum for one page.
const ROWS_PER_PAGE: i32 = 1000;

impl Athena {
    /// A page of a result: the first one, or the one for the token in `next`.
    ///
    /// # Errors
    /// The request failed, for example because the query has not ended.
    pub async fn page(&self, id: &QueryId, next: Option<&str>) -> Result<Page, QueryError> {
        let request = self.client.get_query_results().query_execution_id(id.as_str()).max_results(ROWS_PER_PAGE);
        let sent = request.set_next_token(next.map(str::to_owned)).send().await;
        let answer = sent.map_err(|error| errors::of_request("GetQueryResults", &error))?;
        let set = answer.result_set.ok_or_else(|| errors::incomplete("GetQueryResults", "result set"))?;
        let infos = set.result_set_metadata.as_ref().map(|metadata| metadata.column_info()).unwrap_or_default();
        let columns: Vec<Column> = infos.iter().map(column).collect();
        let mut rows = set.rows();
        // The first row of a SELECT's result is its header. Other statements have none.
        if let (None, Some((first, others))) = (next, rows.split_first())
            && is_header(first, &columns)
        {
            rows = others;
        }
        let rows = rows.iter().map(|row| values(row, &columns)).collect::<Result<_, _>>()?;
        Ok(Page { columns, rows, next: answer.next_token })
    }

    /// `length` rows of a result from row `offset` on, or fewer at its end. Athena has no offsets, so the pages before them are
    /// read too.
    ///
    /// # Errors
    /// As [`Athena::page`].
    pub async fn rows(&self, id: &QueryId, offset: usize, length: usize) -> Result<Page, QueryError> {
        let mut page = self.page(id, None).await?;
        let columns = page.columns;
        let mut skip = offset;
        let mut rows = Vec::new();
        loop {
            let before = page.rows.len().min(skip);
            skip -= before;
            rows.extend(page.rows.into_iter().skip(before).take(length - rows.len()));
            match page.next {
                Some(next) if rows.len() < length => page = self.page(id, Some(&next)).await?,
                next => return Ok(Page { columns, rows, next }),
            }
        }
    }
}

fn is_header(row: &Row, columns: &[Column]) -> bool {
    let names = columns.iter().map(|column| Some(column.name.as_str()));
    row.data().iter().map(|datum| datum.var_char_value()).eq(names)
}

fn column(info: &ColumnInfo) -> Column {
    let name = info.label().unwrap_or(info.name()).to_owned();
    Column { name, column_type: column_type(info) }
}

/// The type of a result column. Arrays, maps and rows become text: Athena does not report the types inside them, and returns
/// their values as text. So do types that Sluice does not know.
fn column_type(info: &ColumnInfo) -> ColumnType {
    match info.r#type() {
        "boolean" => ColumnType::Boolean,
        "tinyint" | "smallint" | "integer" | "int" => ColumnType::Integer,
        "bigint" => ColumnType::Bigint,
        "real" | "float" => ColumnType::Real,
        "double" => ColumnType::Double,
        "decimal" => {
            let digits = |number: i32| u8::try_from(number).unwrap_or_default();
            ColumnType::Decimal(digits(info.precision()), digits(info.scale()))
        }
        "varbinary" => ColumnType::Varbinary,
        "date" => ColumnType::Date,
        "timestamp" => ColumnType::Timestamp,
        "timestamp with time zone" => ColumnType::TimestampWithTimeZone,
        "json" => ColumnType::Json,
        _ => ColumnType::Varchar,
    }
}

fn values(row: &Row, columns: &[Column]) -> Result<Vec<Value>, QueryError> {
    let data = row.data();
    if data.len() != columns.len() {
        let reason = format!("GetQueryResults: a row has {} values for {} columns", data.len(), columns.len());
        return Err(QueryError::Unavailable(reason));
    }
    let values = data.iter().zip(columns);
    values.map(|(datum, column)| value(datum.var_char_value(), column)).collect()
}

fn value(text: Option<&str>, column: &Column) -> Result<Value, QueryError> {
    let Some(text) = text else { return Ok(Value::Null) };
    let value = match column.column_type {
        ColumnType::Boolean => text.parse().ok().map(Value::Bool),
        ColumnType::Integer | ColumnType::Bigint => text.parse::<i64>().ok().map(Value::from),
        // NaN and infinity become text, because JSON has no such numbers.
        ColumnType::Real | ColumnType::Double => {
            let number = |number: f64| Number::from_f64(number).map_or_else(|| Value::from(text), Value::Number);
            text.parse().ok().map(number)
        }
        _ => Some(Value::from(text)),
    };
    value.ok_or_else(|| {
        let reason =
            format!("GetQueryResults: `{text}` in column {} is not of type {:?}", column.name, column.column_type);
        QueryError::Unavailable(reason)
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(kind: &str, text: Option<&str>) -> (ColumnType, Result<Value, QueryError>) {
        let info = ColumnInfo::builder().name("c").r#type(kind).precision(9).scale(2).build().unwrap();
        let column = column(&info);
        let value = value(text, &column);
        (column.column_type, value)
    }

    #[test]
    fn values_have_the_types_of_their_columns() {
        for (kind, text, column_type, expected) in [
            ("boolean", "true", ColumnType::Boolean, json!(true)),
            ("integer", "-7", ColumnType::Integer, json!(-7)),
            ("bigint", "9223372036854775807", ColumnType::Bigint, json!(i64::MAX)),
            ("double", "1.5E10", ColumnType::Double, json!(1.5e10)),
            ("double", "NaN", ColumnType::Double, json!("NaN")),
            ("double", "-Infinity", ColumnType::Double, json!("-Infinity")),
            ("float", "0.5", ColumnType::Real, json!(0.5)),
            // More digits than a JSON number is sure to keep.
            ("decimal", "1234567.89", ColumnType::Decimal(9, 2), json!("1234567.89")),
            ("varchar", "", ColumnType::Varchar, json!("")),
            ("varchar", "17", ColumnType::Varchar, json!("17")),
            ("json", "{\"a\":1}", ColumnType::Json, json!("{\"a\":1}")),
            ("date", "2024-01-01", ColumnType::Date, json!("2024-01-01")),
            ("timestamp", "2024-01-01 00:00:00.000", ColumnType::Timestamp, json!("2024-01-01 00:00:00.000")),
            ("array", "[a, b]", ColumnType::Varchar, json!("[a, b]")),
            ("ipaddress", "192.0.2.1", ColumnType::Varchar, json!("192.0.2.1")),
        ] {
            assert_eq!(read(kind, Some(text)), (column_type.clone(), Ok(expected)), "{kind} {text}");
            assert_eq!(read(kind, None), (column_type, Ok(Value::Null)), "{kind}");
        }
    }

    #[test]
    fn a_value_that_is_not_of_its_type_is_no_answer() {
        for (kind, text) in [("boolean", "yes"), ("bigint", "9223372036854775808"), ("double", "much")] {
            assert!(matches!(read(kind, Some(text)).1, Err(QueryError::Unavailable(_))), "{kind} {text}");
        }
    }
}
