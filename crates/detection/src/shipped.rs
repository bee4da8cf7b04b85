//! The rules that ship with Sluice, and the tables of its shipped mappings.

use crate::catalog::KnownSource;

/// The rule files of the project's `detections/`: their paths in it, and their texts.
pub const SHIPPED_RULES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/shipped_rules.rs"));

/// The columns of the shipped mappings' tables. Each line has source, table, `class_uid`, column and type, separated by tabs.
/// They are derived from the mappings, so that the function for detections need not compile these. A test compares both.
static SOURCES: &str = include_str!("../data/shipped-sources.tsv");

/// A line of the list of shipped tables cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason} in `{line}`")]
pub struct ShippedSourcesError {
    line: &'static str,
    reason: String,
}

/// The sources of all shipped mappings, for a [`Catalog`](crate::Catalog).
///
/// # Errors
/// The list in the program is broken; a test excludes that.
pub fn shipped_sources() -> Result<Vec<KnownSource>, ShippedSourcesError> {
    let mut sources: Vec<KnownSource> = Vec::new();
    for line in SOURCES.lines() {
        let [source, table, class, column, column_type] = line.split('\t').collect::<Vec<_>>()[..] else {
            return Err(ShippedSourcesError { line, reason: "five fields expected".to_owned() });
        };
        let broken = |error: &dyn std::error::Error| ShippedSourcesError { line, reason: error.to_string() };
        let class: u32 = class.parse().map_err(|error| broken(&error))?;
        let column_type = column_type.parse().map_err(|error| broken(&error))?;
        if sources.last().is_none_or(|last| last.name != source) {
            sources.push(KnownSource { name: source.to_owned(), tables: Vec::new() });
        }
        let Some(tables) = sources.last_mut().map(|last| &mut last.tables) else { continue };
        if tables.last().is_none_or(|(name, ..)| name != table) {
            tables.push((table.to_owned(), class, Vec::new()));
        }
        if let Some((_, _, columns)) = tables.last_mut() {
            columns.push((column.to_owned(), column_type));
        }
    }
    Ok(sources)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Rule;

    #[test]
    fn every_shipped_rule_is_accepted_without_a_warning() {
        for (name, text) in SHIPPED_RULES {
            let checked = crate::lint::check(text);
            assert!(checked.diagnostics.is_empty(), "{name}: {:?}", checked.diagnostics);
            assert!(Rule::from_text(text).is_ok(), "{name}");
        }
    }
}
