//! What runs here and may not run on Athena.

use query::QueryError;
use sql::table::Table;
use sql::text::Sql;

use crate::stop::Stop;
use crate::tables::Relation;

/// Something in a statement that Athena may refuse, or understand in another way.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Warning {
    /// The line in the statement, from 1.
    pub line: u32,
    /// The column in characters, from 1.
    pub column: u32,
    /// What differs.
    pub message: String,
    /// What to write instead.
    pub help: String,
}

/// What in a statement means something else on Athena, over tables of which only the columns are known.
///
/// # Errors
/// As [`Engine::run`](query::Engine::run) before it reads.
///
/// ```
/// use sql::text::Sql;
///
/// let statement = "SELECT k FROM (VALUES ARRAY[ROW(1, 2)]) AS t(a) CROSS JOIN UNNEST(a) AS u(k, v)";
/// let warnings = embedded::warnings(&Sql::code(statement), &[])?;
/// assert!(warnings[0].help.starts_with("name the row"));
/// # Ok::<(), query::QueryError>(())
/// ```
pub fn warnings(sql: &Sql, tables: &[Table]) -> Result<Vec<Warning>, QueryError> {
    let relations = tables.iter().map(|table| Relation::in_memory(table, &[])).collect::<Result<Vec<_>, _>>()?;
    let database = tables.first().map_or("", |table| table.database.as_str());
    // What is planned is dropped there, too: trees are walked by recursion.
    crate::syntax::with_deep_stack(|| {
        Ok(crate::analysis::plan(sql.as_str(), relations, database, &Stop::default())?.warnings)
    })
}
