//! A logical table as SQL: one physical table, or a union of several, with the bounds of a window.

use sql::dialect::{Dialect, TimeSpan};
use sql::sql;
use sql::table::Table;
use sql::text::Sql;
use sql::types::ColumnType;

use super::error::StatementError;
use super::types::{converted, merge, null_of};
use super::wanted::Wanted;
use crate::catalog::{Catalog, CatalogTable};
use crate::template::TableReference;
use crate::window::Window;

/// The SQL that replaces one use of a logical table.
pub(crate) struct Relation {
    pub(crate) sql: Sql,
    /// The condition that replaces its `{{window}}`.
    pub(crate) bounds: Sql,
}

impl Relation {
    pub(crate) fn of(
        reference: &TableReference,
        catalog: &Catalog,
        window: Window,
        wanted: &Wanted,
    ) -> Result<Self, StatementError> {
        let resolved = catalog.resolve(&reference.name)?;
        let alias = reference.alias.as_deref();
        if let [(table, None)] = resolved.tables[..]
            && table.exists
        {
            let bounds = Sql::and([bounds(&table.table, window, alias)?].into_iter().chain(not_of_findings_rules(
                &table.table,
                &reference.name,
                alias,
            )));
            return Ok(Self { sql: table.table.reference(), bounds });
        }
        let sql = union(&reference.name, &resolved.tables, Reader::Rule(window), wanted)?;
        // The union has the bounds already; to repeat them outside changes nothing. Raw logs have no column `time`.
        let has_time = |(entry, _): &(&CatalogTable, _)| {
            entry.table.columns.is_empty() || matches!(entry.table.column("time"), Some(ColumnType::Bigint))
        };
        let bounds = match resolved.tables.iter().all(has_time) {
            true => time_bounds(column(alias, "time"), window),
            false => Sql::code("TRUE"),
        };
        Ok(Self { sql, bounds })
    }
}

fn column(alias: Option<&str>, name: &str) -> Sql {
    match alias {
        Some(alias) => Sql::path([alias, name]),
        None => Sql::name(name),
    }
}

fn time_bounds(time: Sql, window: Window) -> Sql {
    sql!("({} >= {} AND {} < {})", time, Sql::integer(window.start), time, Sql::integer(window.end))
}

/// For a table of findings: excludes the findings of rules over findings. Otherwise a rule would find its own findings, or two
/// rules each other's, without end. A finding names the logical tables that its rule reads.
fn not_of_findings_rules(table: &Table, logical: &str, alias: Option<&str>) -> Option<Sql> {
    table.column("finding_info")?.field("data_sources")?;
    let read = sql!("{}.\"data_sources\"", column(alias, "finding_info"));
    let mut names = vec!["sluice-findings", "class:detection_finding"];
    if !names.contains(&logical) {
        names.push(logical);
    }
    let names = Sql::list(names.into_iter().map(Sql::text));
    Some(sql!("coalesce(arrays_overlap({}, ARRAY[{}]), FALSE) = FALSE", read, names))
}

/// The condition for a table's rows within a window: exact time bounds, and bounds on the partitions so that the engine skips
/// other objects.
pub(crate) fn bounds(table: &Table, window: Window, alias: Option<&str>) -> Result<Sql, StatementError> {
    let named = |name: &str| column(alias, name);
    let dialect = Dialect::of_table(table);
    let (Some(dialect), Some(time)) = (dialect, dialect.and_then(|dialect| dialect.event_time(table).ok())) else {
        return Err(StatementError::NoTime { table: table.qualified_name(), dialect: table.dialect.clone() });
    };
    let span = TimeSpan::of_milliseconds(window.start, window.end);
    let exact = sql!("({})", time.within(span, &named));
    Ok(Sql::and([exact].into_iter().chain(dialect.partitions(table, span, 0, &named))))
}

/// Who reads a logical table.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Reader {
    /// A rule, in a window. It does not see the findings of rules over findings.
    Rule(Window),
    /// A person, who sees every row, of a time range or of all time.
    Person(Option<Window>),
}

/// A union of the tables of a logical table, with the wanted columns: NULL where a table lacks one. Each table is bounded by
/// the window, if there is one.
pub(crate) fn union(
    logical: &str,
    tables: &[(&CatalogTable, Option<u32>)],
    reader: Reader,
    wanted: &Wanted,
) -> Result<Sql, StatementError> {
    let (window, is_rule) = match reader {
        Reader::Rule(window) => (Some(window), true),
        Reader::Person(window) => (window, false),
    };
    let within = |table: &Table| window.map_or(Ok(Sql::code("TRUE")), |window| bounds(table, window, None));
    if let Some((entry, _)) = tables.iter().find(|(entry, _)| entry.table.columns.is_empty()) {
        let table = &entry.table;
        if let [(only, Some(class))] = tables
            && only.exists
        {
            let class = sql!("{} = {}", Sql::name("class_uid"), Sql::integer(i64::from(*class)));
            return Ok(sql!("(SELECT * FROM {} WHERE {} AND {})", table.reference(), within(table)?, class));
        }
        return Err(StatementError::UnknownColumns(table.qualified_name()));
    }
    let columns = merged_columns(logical, tables, wanted)?;
    let mut branches = Vec::new();
    for (entry, class) in tables.iter().filter(|(entry, _)| entry.exists) {
        let table = &entry.table;
        let selected = columns.iter().map(|(name, column_type)| {
            let value = match table.column(name) {
                Some(own) => converted(Sql::name(name), own, column_type),
                None => null_of(column_type),
            };
            sql!("{} AS {}", value, Sql::name(name))
        });
        let mut conditions = vec![within(table)?];
        if is_rule {
            conditions.extend(not_of_findings_rules(table, logical, None));
        }
        if let Some(class) = class {
            conditions.push(sql!("{} = {}", Sql::name("class_uid"), Sql::integer(i64::from(*class))));
        }
        let selected = Sql::list(selected);
        branches.push(sql!("SELECT {} FROM {} WHERE {}", selected, table.reference(), Sql::and(conditions)));
    }
    if branches.is_empty() {
        let nulls = columns.iter().map(|(name, column_type)| sql!("{} AS {}", null_of(column_type), Sql::name(name)));
        return Ok(sql!("(SELECT {} WHERE FALSE)", Sql::list(nulls)));
    }
    Ok(sql!("({})", Sql::joined(" UNION ALL ", branches)))
}

/// The wanted columns of several tables, in order of first appearance. Each has the narrowest type that holds the values of
/// all tables.
pub(crate) fn merged_columns(
    logical: &str,
    tables: &[(&CatalogTable, Option<u32>)],
    wanted: &Wanted,
) -> Result<Vec<(String, ColumnType)>, StatementError> {
    let mut columns: Vec<(String, ColumnType)> = Vec::new();
    for (entry, _) in tables {
        let table = &entry.table;
        for (name, column_type) in table.columns.iter().filter(|(name, _)| wanted.has(name)) {
            match columns.iter_mut().find(|(other, _)| other.eq_ignore_ascii_case(name)) {
                None => columns.push((name.to_ascii_lowercase(), column_type.clone())),
                Some((_, merged)) => {
                    *merged = merge(merged, column_type).ok_or_else(|| StatementError::TypeConflict {
                        table: logical.to_owned(),
                        column: name.clone(),
                        one: merged.to_string(),
                        other: column_type.to_string(),
                    })?;
                }
            }
        }
    }
    Ok(columns)
}
