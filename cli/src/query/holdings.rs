//! What a lake holds: rows and days of its tables.

use query::Statement;
use serde_json::{Value, json};
use sql::sql;
use sql::table::{Layout, Table};
use sql::text::Sql;

use super::Running;
use crate::exit::Failure;
use crate::output::{Align, Table as Lines, count, counted};
use crate::rows::RowsFormat;

/// A table, its rows, and the first and last UTC day of their events.
#[derive(Debug)]
pub(super) struct Holding<'t> {
    table: &'t Table,
    /// Not known of a table of Athena.
    rows: Option<u64>,
    first_day: Option<String>,
    last_day: Option<String>,
}

/// What each of these tables holds. In Athena it would be a query that is paid for, and is left out. Partitions tell the days,
/// and the footers of objects the rows: no event is read.
pub(super) fn of<'t>(running: &Running<'_>, tables: &'t [Table]) -> Result<Vec<Holding<'t>>, Failure> {
    tables.iter().map(|table| holding(running, table)).collect()
}

fn holding<'t>(running: &Running<'_>, table: &'t Table) -> Result<Holding<'t>, Failure> {
    if !running.is_embedded {
        return Ok(Holding { table, rows: None, first_day: None, last_day: None });
    }
    let day = |function: &'static str| match table.layout {
        Layout::EventDay => sql!("{}(eventday)", Sql::code(function)),
        _ => Sql::code("CAST(NULL AS varchar)"),
    };
    let sql = sql!("SELECT count(*), {}, {} FROM {}", day("min"), day("max"), table.reference());
    let answer = running.runtime.block_on(running.engine.run(&Statement::new(sql)));
    let answer = answer.map_err(Failure::of_query)?;
    let row = answer.rows.into_iter().next().unwrap_or_default();
    let text = |at: usize| row.get(at).and_then(Value::as_str).map(calendar_day);
    Ok(Holding { table, rows: row.first().and_then(Value::as_u64), first_day: text(1), last_day: text(2) })
}

/// `2025-03-03` of the partition `20250303`.
fn calendar_day(partition: &str) -> String {
    match (partition.get(..4), partition.get(4..6), partition.get(6..)) {
        (Some(year), Some(month), Some(day)) if partition.len() == 8 => format!("{year}-{month}-{day}"),
        _ => partition.to_owned(),
    }
}

/// What the tables of a query hold together, in a line.
pub(super) fn in_words(held: &[Holding<'_>]) -> String {
    let rows = held.iter().filter_map(|holding| holding.rows).sum();
    let first = held.iter().filter_map(|holding| holding.first_day.as_deref()).min();
    let last = held.iter().filter_map(|holding| holding.last_day.as_deref()).max();
    let name = match held {
        [only] => only.table.name.clone(),
        _ => counted(held.len() as u64, "table"),
    };
    let verb = if held.len() == 1 { "holds" } else { "hold" };
    let rows = counted(rows, "row");
    match (first, last) {
        (Some(first), Some(last)) if first == last => format!("no rows: {name} {verb} {rows} of {first} (UTC)"),
        (Some(first), Some(last)) => format!("no rows: {name} {verb} {rows} from {first} to {last} (UTC days)"),
        _ => format!("no rows: {name} {verb} {rows}"),
    }
}

/// Writes the list of `--tables`.
pub(super) fn list(running: &Running<'_>, held: &[Holding<'_>]) -> Result<(), Failure> {
    let output = running.output;
    let source = |table: &Table| running.source(table);
    let day = |day: &Option<String>| day.clone().unwrap_or_default();
    match running.format {
        RowsFormat::Table => {
            let titles = ["TABLE", "SOURCE", "ROWS", "FIRST DAY", "LAST DAY", "COLUMNS"];
            let is_number = |title: &str| title == "ROWS" || title == "COLUMNS";
            let align = |title| (title, if is_number(title) { Align::Right } else { Align::Left });
            let mut lines = Lines::new(titles.map(align));
            for Holding { table, rows, first_day, last_day } in held {
                lines.row([
                    table.qualified_name(),
                    source(table),
                    rows.map(count).unwrap_or_default(),
                    day(first_day),
                    day(last_day),
                    table.columns.len().to_string(),
                ]);
            }
            output.write(lines.render("", output.data))?;
            let hint = "\"DESCRIBE <table>\" lists columns; {{<source>}} in a query reads all tables of a source";
            output.say(output.talk.faint(if held.is_empty() { "the lake has no tables yet" } else { hint }));
            Ok(())
        }
        RowsFormat::Csv => output.stream(|data| {
            data.line("database,table,source,rows,first_day,last_day,columns")?;
            for Holding { table, rows, first_day, last_day } in held {
                let rows = rows.map(|rows| rows.to_string()).unwrap_or_default();
                let (first, last) = (day(first_day), day(last_day));
                let (database, name, source) = (&table.database, &table.name, source(table));
                data.line(format_args!(
                    "{database},{name},\"{source}\",{rows},{first},{last},{}",
                    table.columns.len()
                ))?;
            }
            Ok(())
        }),
        RowsFormat::Json | RowsFormat::Ndjson => {
            let tables: Vec<Value> = held
                .iter()
                .map(|Holding { table, rows, first_day, last_day }| {
                    let columns = table.columns.iter();
                    let columns = columns.map(|(name, kind)| json!({"name": name, "type": kind.to_string()}));
                    json!({
                        "database": table.database,
                        "name": table.name,
                        "sources": running.session.logical_tables_of(table),
                        "rows": rows,
                        "first_day": first_day,
                        "last_day": last_day,
                        "columns": columns.collect::<Vec<_>>(),
                    })
                })
                .collect();
            match running.format {
                RowsFormat::Json => output.json(&tables),
                _ => output.stream(|data| tables.iter().try_for_each(|table| data.json(table))),
            }
        }
    }
}
