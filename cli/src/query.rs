//! `sluice query`: SQL over a lake.

use std::path::PathBuf;

use clap::ValueHint;
use query::Statement;
use sql::text::Sql;

use crate::engine::EngineArguments;
use crate::exit::{Failure, Outcome, Verdict};
use crate::input::given_text;
use crate::lake_arguments::runtime;
use crate::output::{Align, Output, Table, counted};
use crate::rows::{RowsFormat, cost, write_rows};

/// Run SQL over a lake, on this machine or with Athena
///
/// The SQL is Athena's (Trino's), and means the same on both engines: what the embedded engine cannot do exactly it refuses
/// by name. Its tables are the sources of the lake folder, in the database `sluice`, with `_` for `-`.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  sluice query --lake ./lake --tables
  sluice query --lake ./lake \"SELECT type_name, count(*) AS events FROM windows_sysmon_1007 GROUP BY 1 ORDER BY 2 DESC\"
  sluice query --lake ./lake --format ndjson --file hunt.sql | jq .
  sluice query --engine athena --database security_lake --workgroup hunting --file hunt.sql

Exit code: 0 fine, 2 the SQL is refused, 3 bad usage, or the engine cannot be used.")]
pub(crate) struct Query {
    /// One query in Trino's SQL, or `-` to read it from standard input
    #[arg(value_name = "SQL", required_unless_present_any = ["file", "tables"])]
    sql: Option<String>,
    /// Read the query from a file
    #[arg(long, short, value_name = "FILE", value_hint = ValueHint::FilePath, conflicts_with = "sql")]
    file: Option<PathBuf>,
    /// List the tables and their columns instead
    #[arg(long, conflicts_with_all = ["sql", "file"])]
    tables: bool,
    /// How rows are written
    #[arg(long, value_enum, default_value_t)]
    format: RowsFormat,
    #[command(flatten)]
    engine: EngineArguments,
}

impl Query {
    pub(crate) fn run(self, output: &Output) -> Outcome {
        let runtime = runtime()?;
        let engine = runtime.block_on(self.engine.open())?;
        if self.tables {
            let tables = runtime.block_on(engine.tables())?;
            list(&tables, self.format, output)?;
            return Ok(Verdict::Fine);
        }
        let (_, text) = given_text(self.sql.as_deref(), self.file.as_deref(), "query")?;
        let sql = text.trim().trim_end_matches(';').trim_end();
        let statement = Statement { max_scanned_bytes: self.engine.max_scanned, ..Statement::new(Sql::of_author(sql)) };
        let turning = output.waiting("running");
        let answer = runtime.block_on(engine.run(&statement));
        turning.finish_and_clear();
        let answer = answer.map_err(Failure::of_query)?;
        write_rows(&answer, self.format, output)?;
        output.say(output.talk.faint(cost(&answer)));
        Ok(Verdict::Fine)
    }
}

fn list(tables: &[sql::table::Table], format: RowsFormat, output: &Output) -> Result<(), Failure> {
    let columns = |table: &sql::table::Table| -> Vec<_> {
        let columns = table.columns.iter();
        columns.map(|(name, kind)| serde_json::json!({"name": name, "type": kind.to_string()})).collect()
    };
    match format {
        RowsFormat::Table => {
            for table in tables {
                let name = format!("{}.{}", table.database, table.name);
                let about = counted(table.columns.len() as u64, "column");
                output.write(format_args!("{}  {}\n", output.data.strong(name), output.data.faint(about)))?;
                let mut lines = Table::new([("", Align::Left); 2]);
                for (name, kind) in &table.columns {
                    lines.row([name.clone(), kind.to_string()]);
                }
                output.write(format_args!("{}\n", lines.render("  ", output.data)))?;
            }
            Ok(())
        }
        RowsFormat::Csv => output.stream(|data| {
            data.line("database,table,column,type")?;
            for table in tables {
                for (name, kind) in &table.columns {
                    let kind = kind.to_string().replace('"', "\"\"");
                    data.line(format_args!("{},{},{name},\"{kind}\"", table.database, table.name))?;
                }
            }
            Ok(())
        }),
        RowsFormat::Json | RowsFormat::Ndjson => {
            let tables: Vec<_> = tables
                .iter()
                .map(|table| {
                    let (database, name) = (&table.database, &table.name);
                    serde_json::json!({"database": database, "name": name, "columns": columns(table)})
                })
                .collect();
            match format {
                RowsFormat::Json => output.json(&tables),
                _ => output.stream(|data| tables.iter().try_for_each(|table| data.json(table))),
            }
        }
    }
}
