//! What a statement would give, found out without running it.

use datafusion::execution::SessionStateBuilder;
use datafusion::prelude::SessionConfig;
use query::{Column, Planned, QueryError};
use sql::table::Table;
use sql::text::Sql;

use crate::stop::Stop;
use crate::tables::Relation;

/// The columns that a statement gives over tables of which only the columns are known, and what may mean something else on Athena.
///
/// The statement passes the same parser, analysis and planner as one that [`Embedded`](crate::Embedded) runs, with the same
/// limits; no row is read. Tables without a database in the statement are looked for in that of the first table.
///
/// # Errors
/// As [`Engine::run`](query::Engine::run) before it reads: [`QueryError::Invalid`] begins with the place, `line 2:7: …`, where
/// there is one.
///
/// ```
/// use query::QueryError;
/// use sql::{table::{Layout, Table}, text::Sql};
///
/// let table = Table {
///     database: "lake".to_owned(),
///     name: "events".to_owned(),
///     columns: vec![("time".to_owned(), "bigint".parse()?)],
///     layout: Layout::Plain,
///     dialect: "ocsf".to_owned(),
/// };
/// let planned = embedded::plan(&Sql::code("SELECT time AS at FROM events"), std::slice::from_ref(&table))?;
/// assert_eq!(planned.columns[0].name, "at");
/// let error = embedded::plan(&Sql::code("SELECT tme FROM events"), &[table]).unwrap_err();
/// assert!(matches!(error, QueryError::Invalid(text) if text.starts_with("line 1:8: Column 'tme' cannot be resolved")));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn plan(sql: &Sql, tables: &[Table]) -> Result<Planned, QueryError> {
    let relations = tables.iter().map(|table| Relation::in_memory(table, &[])).collect::<Result<Vec<_>, _>>()?;
    let database = tables.first().map_or("", |table| table.database.as_str());
    // What is planned is dropped there, too: trees are walked by recursion.
    crate::deep_stack::with_deep_stack(|| {
        let stop = Stop::default();
        let planned = crate::analysis::plan(sql.as_str(), relations, database, &stop)?;
        let config = SessionConfig::new().with_target_partitions(1).with_information_schema(false);
        let state = SessionStateBuilder::new()
            .with_config(config)
            .with_default_features()
            .with_optimizer_rules(stop.between_rules(planned.keeps))
            .build();
        let physical = state.create_physical_plan(&planned.plan);
        futures::executor::block_on(physical).map_err(crate::error::of_datafusion)?;
        let column =
            |(name, column_type): (String, crate::types::Type)| Column { name, column_type: column_type.column_type() };
        Ok(Planned { columns: planned.columns.into_iter().map(column).collect(), warnings: planned.warnings })
    })
}
