//! Builds the statement of a STIX pattern over the tables of a catalog.

use std::sync::OnceLock;

use sql::table::Table;
use sql::text::Sql;
use stix::pattern::Pattern;
use translation::{DialectMaps, MapError, Options, Translation};

use super::error::StatementError;
use crate::catalog::Catalog;
use crate::window::Window;

fn maps() -> Result<&'static DialectMaps, StatementError> {
    static MAPS: OnceLock<Result<DialectMaps, MapError>> = OnceLock::new();
    MAPS.get_or_init(DialectMaps::embedded).as_ref().map_err(|error| StatementError::Pattern(error.to_string()))
}

/// The physical tables of a rule's logical tables: the existing ones, and all.
fn physical(names: &[&str], catalog: &Catalog) -> Result<(Vec<Table>, Vec<Table>), StatementError> {
    let (mut there, mut all) = (Vec::new(), Vec::new());
    for name in names {
        for (entry, class) in catalog.resolve(name)?.tables {
            if class.is_some() {
                let table = &entry.table.name;
                let why =
                    format!("table `{table}` has events of other classes than `{name}`; name its source in `tables`");
                return Err(StatementError::Pattern(why));
            }
            if !all.contains(&entry.table) {
                all.push(entry.table.clone());
                if entry.exists {
                    there.push(entry.table.clone());
                }
            }
        }
    }
    Ok((there, all))
}

/// The faults of a pattern over the tables of a catalog: why it cannot be translated, and constants that no value equals.
pub(crate) fn faults(pattern: &Pattern, names: &[&str], catalog: &Catalog) -> Vec<translation::Diagnostic> {
    let window = Window { start: 0, end: 86_400_000 };
    let (Ok((_, all)), Ok(maps)) = (physical(names, catalog), maps()) else { return Vec::new() };
    let said: Vec<translation::Diagnostic> = match translation::translate(pattern, &all, maps, &options(window, 1)) {
        Ok(translation) => translation.warnings,
        Err(faults) => faults.iter().cloned().collect(),
    };
    let mut found: Vec<translation::Diagnostic> = Vec::new();
    for fault in said {
        let is_error = fault.severity == translation::Severity::Error;
        // The same place would be reported for each table.
        if (is_error || fault.is_of_value) && !found.iter().any(|other| other.span == fault.span) {
            found.push(fault);
        }
    }
    found
}

fn options(window: Window, max_rows: u64) -> Options {
    let nanoseconds = |millis: i64| i128::from(millis) * 1_000_000;
    Options {
        since: Some(nanoseconds(window.start)),
        until: Some(nanoseconds(window.end)),
        limit: max_rows,
        ..Options::default()
    }
}

/// The statement of a pattern, and the translation that reads its answer; `None` if no row of an existing table can match.
pub(crate) fn translated(
    text: &str,
    names: &[&str],
    catalog: &Catalog,
    window: Window,
    max_rows: u64,
) -> Result<(Sql, Option<Translation>), StatementError> {
    let refused = |error: &dyn std::fmt::Display| StatementError::Pattern(error.to_string());
    let pattern = stix::parse(text, stix::Version::default()).map_err(|faults| refused(&faults))?;
    let (there, all) = physical(names, catalog)?;
    let options = options(window, max_rows);
    let maps = maps()?;
    let translate = |tables: &[Table]| translation::translate(&pattern, tables, maps, &options);
    let found = match (there.is_empty(), all.len() > there.len()) {
        (false, false) => translate(&there).map(Some),
        // Nothing can match the tables that do not exist yet.
        (false, true) => translate(&there).map(Some).or_else(|_| translate(&all).map(|_| None)),
        (true, _) => translate(&all).map(|_| None),
    };
    match found.map_err(|faults| refused(&faults))? {
        Some(translation) => Ok((translation.sql.clone(), Some(translation))),
        None => Ok((Sql::code("SELECT CAST(NULL AS varchar) AS \"src\" WHERE FALSE"), None)),
    }
}
