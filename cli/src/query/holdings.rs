//! What a lake holds: rows and days of its tables.

use query::Statement;
use serde::Serialize;
use serde_json::{Value, json};
use sql::sql;
use sql::table::{Layout, Table};
use sql::text::Sql;

use super::Running;
use crate::exit::Failure;
use crate::output::{Align, Table as Lines, count, counted};
use crate::rows::RowsFormat;

/// The rows of a table, and the first and last UTC day of their events.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub(super) struct Holding {
    rows: u64,
    first_day: Option<String>,
    last_day: Option<String>,
}

/// What each of these tables holds; nothing in Athena, where it would be a query that is paid for. Partitions tell the days,
/// and the footers of objects the rows: no event is read.
pub(super) fn of(running: &Running<'_>, tables: &[Table]) -> Result<Vec<Option<Holding>>, Failure> {
    let mut held = Vec::new();
    for table in tables {
        held.push(if running.is_embedded { Some(holding(running, table)?) } else { None });
    }
    Ok(held)
}

fn holding(running: &Running<'_>, table: &Table) -> Result<Holding, Failure> {
    let day = |function: &'static str| match table.layout {
        Layout::EventDay => sql!("{}(eventday)", Sql::code(function)),
        _ => Sql::code("CAST(NULL AS varchar)"),
    };
    let sql = sql!("SELECT count(*), {}, {} FROM {}", day("min"), day("max"), table.reference());
    let answer = running.runtime.block_on(running.engine.run(&Statement::new(sql)));
    let answer = answer.map_err(Failure::of_query)?;
    let row = answer.rows.into_iter().next().unwrap_or_default();
    let text = |at: usize| row.get(at).and_then(Value::as_str).map(calendar_day);
    Ok(Holding { rows: row.first().and_then(Value::as_u64).unwrap_or(0), first_day: text(1), last_day: text(2) })
}

/// `2025-03-03` of the partition `20250303`.
fn calendar_day(partition: &str) -> String {
    match (partition.get(..4), partition.get(4..6), partition.get(6..)) {
        (Some(year), Some(month), Some(day)) if partition.len() == 8 => format!("{year}-{month}-{day}"),
        _ => partition.to_owned(),
    }
}

/// What the tables of a query hold together, in a line.
pub(super) fn in_words(tables: &[Table], held: &[Option<Holding>]) -> String {
    let held: Vec<&Holding> = held.iter().flatten().collect();
    let rows = held.iter().map(|holding| holding.rows).sum();
    let first = held.iter().filter_map(|holding| holding.first_day.as_deref()).min();
    let last = held.iter().filter_map(|holding| holding.last_day.as_deref()).max();
    let name = match tables {
        [table] => table.name.clone(),
        _ => counted(tables.len() as u64, "table"),
    };
    let verb = if tables.len() == 1 { "holds" } else { "hold" };
    let rows = counted(rows, "row");
    match (first, last) {
        (Some(first), Some(last)) if first == last => format!("no rows: {name} {verb} {rows} of {first} (UTC)"),
        (Some(first), Some(last)) => format!("no rows: {name} {verb} {rows} from {first} to {last} (UTC days)"),
        _ => format!("no rows: {name} {verb} {rows}"),
    }
}

/// Writes the list of `--tables`.
pub(super) fn list(running: &Running<'_>, tables: &[Table], held: &[Option<Holding>]) -> Result<(), Failure> {
    let output = running.output;
    let source = |table: &Table| running.source(table);
    let day = |day: Option<&String>| day.cloned().unwrap_or_default();
    let listed = || tables.iter().zip(held).map(|(table, holding)| (table, holding.as_ref()));
    match running.format {
        RowsFormat::Table => {
            let titles = ["TABLE", "SOURCE", "ROWS", "FIRST DAY", "LAST DAY", "COLUMNS"];
            let is_number = |title: &str| title == "ROWS" || title == "COLUMNS";
            let align = |title| (title, if is_number(title) { Align::Right } else { Align::Left });
            let mut lines = Lines::new(titles.map(align));
            for (table, holding) in listed() {
                lines.row([
                    table.qualified_name(),
                    source(table),
                    holding.map(|holding| count(holding.rows)).unwrap_or_default(),
                    day(holding.and_then(|holding| holding.first_day.as_ref())),
                    day(holding.and_then(|holding| holding.last_day.as_ref())),
                    table.columns.len().to_string(),
                ]);
            }
            output.write(lines.render("", output.data))?;
            let hint = "\"DESCRIBE <table>\" lists columns; {{<source>}} in a query reads all tables of a source";
            output.say(output.talk.faint(if tables.is_empty() { "the lake has no tables yet" } else { hint }));
            Ok(())
        }
        RowsFormat::Csv => output.stream(|data| {
            data.line("database,table,source,rows,first_day,last_day,columns")?;
            for (table, holding) in listed() {
                let rows = holding.map(|holding| holding.rows.to_string()).unwrap_or_default();
                let first = day(holding.and_then(|holding| holding.first_day.as_ref()));
                let last = day(holding.and_then(|holding| holding.last_day.as_ref()));
                let (database, name, source) = (&table.database, &table.name, source(table));
                data.line(format_args!(
                    "{database},{name},\"{source}\",{rows},{first},{last},{}",
                    table.columns.len()
                ))?;
            }
            Ok(())
        }),
        RowsFormat::Json | RowsFormat::Ndjson => {
            let tables: Vec<Value> = listed()
                .map(|(table, holding)| {
                    let columns = table.columns.iter();
                    let columns = columns.map(|(name, kind)| json!({"name": name, "type": kind.to_string()}));
                    json!({
                        "database": table.database,
                        "name": table.name,
                        "sources": running.session.logical_tables_of(table),
                        "rows": holding.map(|holding| holding.rows),
                        "first_day": holding.and_then(|holding| holding.first_day.as_ref()),
                        "last_day": holding.and_then(|holding| holding.last_day.as_ref()),
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
