//! Answers of queries on standard output.

use query::Answer;
use serde_json::{Map, Value};
use sql::types::ColumnType;

use crate::exit::Failure;
use crate::output::{Align, Output, Table, counted, harmless, size};

/// How rows are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub(crate) enum RowsFormat {
    /// Text for people
    #[default]
    #[value(alias = "text")]
    Table,
    /// One JSON document: an array of objects
    Json,
    /// One JSON object per line
    Ndjson,
    /// RFC 4180 with a header line; NULL is empty, an empty string is ""
    Csv,
}

/// Writes the rows of an answer.
pub(crate) fn write_rows(answer: &Answer, format: RowsFormat, output: &Output) -> Result<(), Failure> {
    match format {
        RowsFormat::Table => write_table(answer, output),
        RowsFormat::Json => output.json(&answer.rows.iter().map(|row| object(answer, row)).collect::<Vec<_>>()),
        RowsFormat::Ndjson => {
            output.stream(|data| answer.rows.iter().try_for_each(|row| data.json(&object(answer, row))))
        }
        RowsFormat::Csv => output.stream(|data| {
            data.line(csv_line(answer.columns.iter().map(|column| Some(column.name.as_str().into()))))?;
            answer.rows.iter().try_for_each(|row| data.line(csv_line(row.iter().map(csv_text))))
        }),
    }
}

/// What the query cost, in words: `3 rows in 0.12 s; 2 objects, 1.2 MB read`.
pub(crate) fn cost(answer: &Answer) -> String {
    let rows = counted(answer.rows.len() as u64, "row");
    let statistics = &answer.statistics;
    let objects = statistics.scanned_objects.map(|objects| counted(objects, "object") + ", ").unwrap_or_default();
    let seconds = statistics.duration.as_secs_f64();
    format!("{rows} in {seconds:.2} s; {objects}{} read", size(statistics.scanned_bytes))
}

/// A row by the names of its columns; a name that comes again gets a number. A column of type `json` is its document, not the
/// text of it.
pub(crate) fn object(answer: &Answer, row: &[Value]) -> Map<String, Value> {
    let mut object = Map::new();
    for (column, value) in answer.columns.iter().zip(row) {
        let mut name = column.name.clone();
        let mut number = 2;
        while object.contains_key(&name) {
            name = format!("{}_{number}", column.name);
            number += 1;
        }
        let document = match (&column.column_type, value) {
            (ColumnType::Json, Value::String(text)) => serde_json::from_str(text).ok(),
            _ => None,
        };
        object.insert(name, document.unwrap_or_else(|| value.clone()));
    }
    object
}

fn table(answer: &Answer) -> Table {
    let numeric = |column_type: &ColumnType| {
        matches!(
            column_type,
            ColumnType::Integer | ColumnType::Bigint | ColumnType::Real | ColumnType::Double | ColumnType::Decimal(..)
        )
    };
    let mut table = Table::new(answer.columns.iter().map(|column| {
        let align = if numeric(&column.column_type) { Align::Right } else { Align::Left };
        (harmless(&column.name).into_owned(), align)
    }));
    for row in &answer.rows {
        table.row(row.iter().map(cell));
    }
    table
}

fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => harmless(text).into_owned(),
        other => other.to_string(),
    }
}

/// A pipe or a file gets whole values. On a terminal the table is made to fit, and one that cannot be is written as a block
/// for each row.
fn write_table(answer: &Answer, output: &Output) -> Result<(), Failure> {
    let mut table = table(answer);
    let Some(width) = output.width.filter(|_| answer.columns.len() > 1) else {
        return output.write(table.render("", output.data));
    };
    match table.fit(width) {
        Some(cut) => {
            output.write(table.render("", output.data))?;
            if cut > 0 {
                let values = counted(cut, "value");
                output.say(output.talk.faint(format_args!(
                    "{values} cut to fit {width} columns; `| cat` or --format json shows them whole"
                )));
            }
            Ok(())
        }
        None => write_blocks(answer, output),
    }
}

/// A block of lines for each row, a column in each line. NULLs are left out.
fn write_blocks(answer: &Answer, output: &Output) -> Result<(), Failure> {
    output.stream(|data| {
        for (number, row) in answer.rows.iter().enumerate() {
            data.line(output.data.strong(format_args!("row {}", number + 1)))?;
            let mut lines = Table::new([("", Align::Left); 2]);
            for (column, value) in answer.columns.iter().zip(row).filter(|(_, value)| !value.is_null()) {
                lines.row([harmless(&column.name).into_owned(), cell(value)]);
            }
            data.line(lines.render("  ", output.data))?;
        }
        Ok(())
    })?;
    output.say(output.talk.faint("too wide for a table on this terminal: a block for each row, without NULLs"));
    Ok(())
}

fn csv_text(value: &Value) -> Option<std::borrow::Cow<'_, str>> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.as_str().into()),
        other => Some(other.to_string().into()),
    }
}

fn csv_line<'v>(cells: impl Iterator<Item = Option<std::borrow::Cow<'v, str>>>) -> String {
    let cell = |text: Option<std::borrow::Cow<'v, str>>| match text {
        None => String::new(),
        Some(text) if text.is_empty() || text.contains([',', '"', '\n', '\r']) => {
            format!("\"{}\"", text.replace('"', "\"\""))
        }
        Some(text) => text.into_owned(),
    };
    cells.map(cell).collect::<Vec<_>>().join(",")
}
