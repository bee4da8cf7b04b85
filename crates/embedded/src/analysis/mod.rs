//! Trino's meaning of a query: names, types and coercions, as a plan for DataFusion.
//!
//! Columns have names of their own in the plan (`label#7`), so that what they are called in the statement, which may
//! repeat or clash, is known here alone.

mod analyzer;
mod descent;
mod function_names;
mod literals;
mod query_plan;
mod scope;
mod sorting;

use query::QueryError;

use crate::deep_stack::with_deep_stack;
use crate::stop::Stop;
use crate::syntax;
use crate::tables::Relation;
use analyzer::Analyzer;

pub(crate) use analyzer::Planned;

/// The plan of the query that `sql` is, over the tables that there are.
///
/// # Errors
/// What is not valid or cannot be done here, and [`QueryError::Cancelled`] once `stop` says so.
pub(crate) fn plan(sql: &str, relations: Vec<Relation>, database: &str, stop: &Stop) -> Result<Planned, QueryError> {
    let query = syntax::parse(sql)?;
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX));
    let analyzer = Analyzer::new(relations, database, now, stop.clone());
    let mut planned = with_deep_stack(|| analyzer.statement(&query))?;
    planned.memory = analyzer.memory(sql);
    planned.keeps = analyzer.keeps.get();
    planned.warnings = analyzer.warnings.into_inner();
    Ok(planned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_that_grows_with_each_query_stays_a_column() {
        let tables: Vec<String> = (1..20).map(|n| format!("c{n} AS (SELECT a * a AS a FROM c{})", n - 1)).collect();
        let sql = format!("WITH c0 AS (SELECT a FROM (VALUES 1) AS t(a)), {} SELECT a FROM c19", tables.join(", "));
        let planned = plan(&sql, Vec::new(), "", &Stop::default()).unwrap();
        let text = planned.plan.display_indent().to_string();
        assert!(planned.keeps && text.contains("kept("), "{text}");
    }
}
