//! What tests generate, for those who check it otherwise.

use std::fs::OpenOptions;
use std::io::{self, Write as _};

use crate::text::Sql;

/// Adds a statement to the file that the environment variable `SLUICE_SQL_DUMP` names, as one JSON text a line.
/// `tests/test_sql_grammar.py` asks Trino's grammar about them.
///
/// # Errors
/// The file cannot be written.
pub fn keep(statement: &Sql) -> io::Result<()> {
    let Some(path) = std::env::var_os("SLUICE_SQL_DUMP") else { return Ok(()) };
    // In one write, so that lines of several processes stay whole.
    let line = format!("{}\n", serde_json::Value::from(statement.as_str()));
    OpenOptions::new().create(true).append(true).open(path)?.write_all(line.as_bytes())
}
