//! The statement of a rule for a window: logical tables become physical ones, windows become bounds, parameters become
//! values. Everything except the rule author's own SQL is quoted.

mod error;
mod parameters;
mod pattern;
mod relation;
mod types;
mod wanted;

use std::borrow::Cow;

use query::{Answer, Statement};
use sql::sql;
use sql::table::Table;
use sql::text::{MAX_STATEMENT_BYTES, Sql};
use sql::types::ColumnType;
use translation::{SettleError, Translation};

use crate::catalog::Catalog;
use crate::groups;
use crate::matches;
use crate::pattern::Filled;
use crate::rule::{Logic, ParameterValues, Rule, RuleSql};
use crate::template::Piece;
use crate::window::{Look, Window};

pub use error::StatementError;
pub(crate) use parameters::{Values, parameter};
pub(crate) use pattern::faults as pattern_faults;
pub(crate) use relation::{Reader, Relation, bounds, merged_columns, union};
pub(crate) use types::merge;
pub(crate) use wanted::Wanted;

/// A rule's statement, and what is needed to read its answer.
#[derive(Debug, Clone)]
pub struct Prepared {
    /// The statement, without a token.
    pub statement: Statement,
    look: Look,
    /// `None` for SQL, and for a pattern that no existing table can match.
    translation: Option<Box<Translation>>,
}

impl Prepared {
    /// The rows from which findings are made. Rows of SQL are returned unchanged. Rows of a pattern are settled, get the
    /// columns of [`crate::stix_columns`], and are grouped if the rule has `group_by`.
    ///
    /// # Errors
    /// The answer of a pattern cannot be read, or has too many candidates.
    pub fn hits<'a>(&self, rule: &Rule, answer: &'a Answer) -> Result<Cow<'a, Answer>, SettleError> {
        match rule.logic {
            Logic::Sql(_) => Ok(Cow::Borrowed(answer)),
            Logic::Stix { .. } => matches::hits(rule, self.look, self.translation.as_deref(), answer).map(Cow::Owned),
        }
    }
}

/// The statement of a rule for one look. It returns at most `max_rows` + 1 rows: the extra row shows that there are too many.
/// It has no token yet.
///
/// # Errors
/// [`StatementError`]
pub fn build(
    rule: &Rule,
    catalog: &Catalog,
    look: impl Into<Look>,
    parameters: &ParameterValues,
    max_rows: u64,
) -> Result<Prepared, StatementError> {
    let look = look.into();
    let window = look.window;
    let values = Values::new(rule, parameters)?;
    let (sql, translation) = match &rule.logic {
        Logic::Sql(sql) => {
            let hits = of_sql(sql, catalog, window, &values)?;
            let rows = match rule.group_by[..] {
                [] => sql!("SELECT * FROM ({}) AS \"hits\"", hits),
                _ => groups::statement(rule, &hits, look.ends),
            };
            let limit = Sql::integer(i64::try_from(max_rows.saturating_add(1)).unwrap_or(i64::MAX));
            (sql!("{} LIMIT {}", rows, limit), None)
        }
        Logic::Stix { pattern, tables } => {
            let filled = Filled::new(&pattern.value, |name| values.get(name).ok().cloned());
            if let Some(unknown) = filled.parameters.iter().find(|parameter| values.get(&parameter.name).is_err()) {
                return Err(StatementError::UnknownParameter(unknown.name.clone()));
            }
            let names: Vec<&str> = tables.iter().map(|table| table.value.as_str()).collect();
            pattern::translated(&filled.text, &names, catalog, window, max_rows)?
        }
    };
    if sql.as_str().len() > MAX_STATEMENT_BYTES {
        return Err(StatementError::TooLong(sql.as_str().len()));
    }
    let statement = Statement { max_scanned_bytes: rule.max_scanned_bytes, ..Statement::new(sql) };
    Ok(Prepared { statement, look, translation: translation.map(Box::new) })
}

/// Statements that return when a rule's tables have events within a window. Each time is rounded down to a multiple of
/// `bucket` milliseconds. `None` if a table has no column `time` in milliseconds.
pub(crate) fn times(
    rule: &Rule,
    catalog: &Catalog,
    window: Window,
    bucket: i64,
) -> Result<Option<Vec<Sql>>, StatementError> {
    let mut statements = Vec::new();
    let mut seen: Vec<&Table> = Vec::new();
    for name in rule.sources() {
        for (entry, _) in catalog.resolve(name)?.tables {
            let table = &entry.table;
            if !entry.exists || seen.contains(&table) {
                continue;
            }
            if !matches!(table.column("time"), Some(ColumnType::Bigint)) {
                return Ok(None);
            }
            seen.push(table);
            statements.push(sql!(
                "SELECT DISTINCT {} AS \"bucket\" FROM {} WHERE {}",
                groups::multiple_before(&Sql::name("time"), bucket),
                table.reference(),
                bounds(table, window, None)?
            ));
        }
    }
    Ok(Some(statements))
}

/// The idempotency token of a run. Two runs have the same token exactly if rules, versions, window, attempt and statement are
/// the same. Several rules share a statement.
pub fn token<'r>(rules: impl IntoIterator<Item = &'r Rule>, window: Window, attempt: u32, statement: &Sql) -> String {
    let mut hasher = blake3::Hasher::new();
    let mut add = |part: &str| {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part.as_bytes());
    };
    for rule in rules {
        add(&rule.id.to_string());
        add(&rule.version());
    }
    add(&window.start.to_string());
    add(&window.end.to_string());
    add(&attempt.to_string());
    add(statement.as_str());
    hasher.finalize().to_hex().to_string()
}

fn of_sql(sql: &RuleSql, catalog: &Catalog, window: Window, values: &Values<'_>) -> Result<Sql, StatementError> {
    let text = sql.text.value.as_str();
    let template = sql.template.as_ref().map_err(|faults| {
        StatementError::Template(faults.first().map(|fault| fault.message.clone()).unwrap_or_default())
    })?;
    let wanted = Wanted::of(text, template);
    let relations = template
        .tables
        .iter()
        .map(|reference| Relation::of(reference, catalog, window, &wanted))
        .collect::<Result<Vec<_>, _>>()?;
    let table = |index: usize| relations[index].sql.clone();
    let window = |indices: &[usize]| Sql::and(indices.iter().map(|index| relations[*index].bounds.clone()));
    filled(text, &template.pieces, values, table, window)
}

/// Pieces of a rule's SQL with the values of its parameters, and with what stands for its tables and windows.
pub(crate) fn filled(
    text: &str,
    pieces: &[Piece],
    values: &Values<'_>,
    table: impl Fn(usize) -> Sql,
    window: impl Fn(&[usize]) -> Sql,
) -> Result<Sql, StatementError> {
    let filled = pieces.iter().map(|piece| match piece {
        Piece::Text(range) => Ok(Sql::of_author(text.get(range.clone()).unwrap_or_default())),
        Piece::Table(index) => Ok(table(*index)),
        Piece::Window(indices) => Ok(window(indices)),
        Piece::Parameter(name, _) => values.get(name).map(parameter),
    });
    Ok(Sql::joined("", filled.collect::<Result<Vec<_>, _>>()?))
}

#[cfg(test)]
mod tests;
