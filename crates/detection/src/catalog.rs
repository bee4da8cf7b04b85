//! The physical tables of each logical table.
//!
//! Rules read `{{aws-cloudtrail}}` or `{{class:process_activity}}`. A [`Catalog`] maps these to the tables of a deployment:
//! those of Security Lake's native sources, of custom sources, or of a lake folder. It is derived from the engine's table
//! list ([`Catalog::of_tables`]). If the names are not enough, a file can add to it ([`Catalog::from_text`]).

use std::collections::BTreeMap;

use ocsf::{Schema, Version};
use serde::{Deserialize, Serialize};
use sql::table::{Layout, Table};
use sql::types::ColumnType;

use crate::rule::Rule;

/// A physical table of a catalog.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CatalogTable {
    /// The table, with its columns if they are known.
    pub table: Table,
    /// The classes (`class_uid`) of its events; empty if unknown.
    pub classes: Vec<u32>,
    /// Whether the engine has it. A table that does not exist yet has no rows.
    pub exists: bool,
    /// What it means if the engine lacks it.
    pub absence: Absence,
}

/// What it means if a table of a catalog is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Absence {
    /// Normal if it never existed: its source may have logged nothing yet. A fault if it existed before.
    Unexplained,
    /// A fault: the catalog file expects it.
    Fault,
    /// Normal: the catalog file allows it.
    Allowed,
}

impl CatalogTable {
    /// A table that no catalog file names.
    pub fn new(table: Table, classes: Vec<u32>, exists: bool) -> Self {
        Self { table, classes, exists, absence: Absence::Unexplained }
    }
}

/// Logical tables, each with its physical tables.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Catalog {
    /// By logical name, such as `windows-sysmon`.
    sources: BTreeMap<String, Vec<CatalogTable>>,
}

/// A catalog file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CatalogFile {
    /// The database of tables that have no `database` of their own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database: Option<String>,
    /// Tables by logical name.
    pub tables: BTreeMap<String, Vec<CatalogFileTable>>,
}

/// A physical table of a catalog file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CatalogFileTable {
    /// The table's name.
    pub name: String,
    /// The table's database.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database: Option<String>,
    /// Its layout. Default: derived from the engine's columns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub layout: Option<FileLayout>,
    /// The dialect of its rows. Default: `ocsf`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dialect: Option<String>,
    /// The names of the classes of its events.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub classes: Vec<String>,
    /// Whether it may be missing because its source has logged nothing yet.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub no_data_yet: bool,
    /// Its columns and types, in Trino's or Glue's notation, if no engine is asked.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub columns: BTreeMap<String, String>,
}

/// [`Layout`] in a catalog file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FileLayout {
    /// Partitions `region`, `accountid` and `eventday`.
    EventDay,
    /// Pruned by `time_dt`.
    TimeDt,
    /// No partitions.
    Plain,
}

impl From<FileLayout> for Layout {
    fn from(layout: FileLayout) -> Self {
        match layout {
            FileLayout::EventDay => Self::EventDay,
            FileLayout::TimeDt => Self::TimeDt,
            FileLayout::Plain => Self::Plain,
        }
    }
}

/// Why a catalog file cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CatalogError {
    /// It is not YAML or JSON of the right form.
    #[error("the catalog file is invalid: {0}")]
    Form(String),
    /// OCSF has no such class.
    #[error("table `{table}` of the catalog has the class `{class}`, which is unknown in OCSF")]
    UnknownClass {
        /// The table.
        table: String,
        /// The class.
        class: String,
    },
    /// The type of a column is invalid.
    #[error("column `{column}` of table `{table}` of the catalog: {message}")]
    BadType {
        /// The table.
        table: String,
        /// The column.
        column: String,
        /// The parser's message.
        message: String,
    },
    /// A table without a database.
    #[error("neither table `{0}` nor the catalog file has a `database`")]
    NoDatabase(String),
}

/// An unknown logical table.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no table `{name}`; the catalog has {}", known.join(", "))]
pub struct UnknownTable {
    /// The name that was looked up.
    pub name: String,
    /// The known logical tables.
    pub known: Vec<String>,
}

/// The physical tables of a logical table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Resolved<'c> {
    pub(crate) tables: Vec<(&'c CatalogTable, Option<u32>)>,
}

/// A source whose tables are known before they exist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownSource {
    /// Its logical name, such as `windows-sysmon`.
    pub name: String,
    /// Its tables.
    pub tables: Vec<KnownTable>,
}

/// The name of a table, the `class_uid` of its events, and its columns.
pub type KnownTable = (String, u32, Vec<(String, ColumnType)>);

impl Catalog {
    /// The catalog of an engine's tables.
    ///
    /// `known` are the sources of mapping configs. Their tables are grouped under the source's name; those that do not exist
    /// yet have no rows. Any other table becomes a logical table of its own name, with `-` for `_`. If its name ends in a
    /// class (`my_source_1007`), it also belongs to the name without it (`my-source`).
    pub fn of_tables(tables: &[Table], known: &[KnownSource], database: &str) -> Self {
        let mut catalog = Self::default();
        let mut claimed: Vec<&str> = Vec::new();
        for source in known {
            for (name, class, columns) in &source.tables {
                let there = tables.iter().find(|table| table.name == *name || custom_source(&table.name) == Some(name));
                claimed.extend(there.map(|table| table.name.as_str()));
                let table = there.cloned().unwrap_or_else(|| Table::ocsf(database, name, columns.clone()));
                let exists = there.is_some();
                catalog.add(&source.name, CatalogTable::new(table, vec![*class], exists));
            }
        }
        for table in tables.iter().filter(|table| !claimed.contains(&table.name.as_str())) {
            let class = class_of_name(&table.name);
            let logical = table.name.replace('_', "-");
            let entry = CatalogTable::new(table.clone(), class.map(|(_, class)| class).into_iter().collect(), true);
            if let Some((source, _)) = class {
                catalog.add(&source.replace('_', "-"), entry.clone());
            }
            catalog.add(&logical, entry);
        }
        catalog
    }

    /// Adds the logical tables of a catalog file, replacing existing ones of the same name. `tables` are the engine's: they
    /// supply the columns and layouts that the file omits.
    ///
    /// # Errors
    /// [`CatalogError`]
    pub fn with_file(mut self, file: &CatalogFile, tables: &[Table]) -> Result<Self, CatalogError> {
        for (logical, entries) in &file.tables {
            let entries: Result<Vec<_>, _> = entries.iter().map(|entry| file.table(entry, tables)).collect();
            self.sources.insert(logical.clone(), entries?);
        }
        Ok(self)
    }

    /// Parses a catalog file.
    ///
    /// # Errors
    /// [`CatalogError::Form`], with the place.
    pub fn read_file(text: &str) -> Result<CatalogFile, CatalogError> {
        serde_saphyr::from_str(text).map_err(|error| CatalogError::Form(error.to_string()))
    }

    /// The catalog of a file alone: [`Catalog::read_file`], then [`Catalog::with_file`].
    ///
    /// # Errors
    /// [`CatalogError`]
    pub fn from_text(text: &str, tables: &[Table]) -> Result<Self, CatalogError> {
        Self::default().with_file(&Self::read_file(text)?, tables)
    }

    /// Adds a physical table to a logical one.
    pub fn add(&mut self, logical: &str, table: CatalogTable) {
        let tables = self.sources.entry(logical.to_owned()).or_default();
        if !tables.contains(&table) {
            tables.push(table);
        }
    }

    /// The physical tables of a logical one; none if the name is unknown.
    pub fn tables(&self, name: &str) -> Vec<&CatalogTable> {
        self.resolve(name)
            .map(|resolved| resolved.tables.into_iter().map(|(table, _)| table).collect())
            .unwrap_or_default()
    }

    /// Whether any of a rule's tables exists.
    pub fn has_tables_of(&self, rule: &Rule) -> bool {
        self.tables_of(rule).any(|table| table.exists)
    }

    /// The missing tables of a rule whose absence is a fault.
    pub fn missing_tables_of(&self, rule: &Rule) -> Vec<&CatalogTable> {
        self.tables_of(rule).filter(|table| !table.exists && table.absence == Absence::Fault).collect()
    }

    fn tables_of(&self, rule: &Rule) -> impl Iterator<Item = &CatalogTable> {
        rule.sources().into_iter().flat_map(|name| self.tables(name))
    }

    /// The names of the logical tables, without classes.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.sources.keys().map(String::as_str)
    }

    /// A catalog with only this logical table.
    pub(crate) fn only(&self, name: &str) -> Self {
        Self { sources: self.sources.get_key_value(name).map(|(k, v)| (k.clone(), v.clone())).into_iter().collect() }
    }

    /// The logical tables that are not part of a larger one, so that each event belongs to exactly one of them.
    pub(crate) fn sources_of_blocks(&self) -> impl Iterator<Item = &str> {
        let is_part = |name: &str, tables: &[CatalogTable]| {
            self.sources.iter().any(|(other, others)| {
                let holds = tables.iter().all(|table| others.iter().any(|other| other.table == table.table));
                other != name && holds && (others.len() > tables.len() || other.as_str() < name)
            })
        };
        self.sources.iter().filter(move |(name, tables)| !is_part(name, tables)).map(|(name, _)| name.as_str())
    }

    /// Whether every table of the catalog exists.
    pub fn has_all_tables(&self) -> bool {
        self.sources.values().flatten().all(|table| table.exists)
    }

    /// The logical tables without an existing physical one.
    pub fn without_tables(&self) -> impl Iterator<Item = &str> {
        let absent = self.sources.iter().filter(|(_, tables)| tables.iter().all(|table| !table.exists));
        absent.map(|(name, _)| name.as_str())
    }

    /// The physical tables of a logical one. Each comes with the class to filter by, if it has events of other classes too.
    pub(crate) fn resolve(&self, name: &str) -> Result<Resolved<'_>, UnknownTable> {
        let unknown = || UnknownTable { name: name.to_owned(), known: self.names().map(str::to_owned).collect() };
        let Some(class_name) = name.strip_prefix("class:") else {
            let tables = self.sources.get(name).filter(|tables| !tables.is_empty()).ok_or_else(unknown)?;
            return Ok(Resolved { tables: tables.iter().map(|table| (table, None)).collect() });
        };
        let class = class_uid(class_name).ok_or_else(unknown)?;
        let mut found: Vec<(&CatalogTable, Option<u32>)> = Vec::new();
        for table in self.sources.values().flatten() {
            let filter = match table.classes[..] {
                [only] if only == class => None,
                [] if table.table.dialect == "ocsf" => Some(class),
                [..] if table.classes.contains(&class) => Some(class),
                _ => continue,
            };
            if !found.iter().any(|(other, _)| other.table == table.table) {
                found.push((table, filter));
            }
        }
        if found.is_empty() { Err(unknown()) } else { Ok(Resolved { tables: found }) }
    }
}

impl CatalogFile {
    fn table(&self, entry: &CatalogFileTable, tables: &[Table]) -> Result<CatalogTable, CatalogError> {
        let database = entry.database.as_ref().or(self.database.as_ref());
        let there = tables
            .iter()
            .find(|table| table.name == entry.name && database.is_none_or(|database| table.database == *database));
        let columns = entry.columns.iter().map(|(name, column_type)| {
            let parsed = column_type.parse::<ColumnType>().map_err(|error| CatalogError::BadType {
                table: entry.name.clone(),
                column: name.clone(),
                message: error.to_string(),
            });
            parsed.map(|parsed| (name.clone(), parsed))
        });
        let mut columns: Vec<(String, ColumnType)> = columns.collect::<Result<_, _>>()?;
        if columns.is_empty() {
            columns = there.map(|table| table.columns.clone()).unwrap_or_default();
        }
        let database = database.or(there.map(|table| &table.database));
        let classes = entry.classes.iter().map(|class| {
            class_uid(class)
                .ok_or_else(|| CatalogError::UnknownClass { table: entry.name.clone(), class: class.clone() })
        });
        let classes = classes.collect::<Result<_, _>>()?;
        // Engines list only the databases that they were told of. Whether a table of another database exists shows when it is
        // queried.
        let is_listed = |database: &String| tables.iter().any(|table| table.database == *database);
        let exists = there.is_some() || !database.is_some_and(is_listed);
        Ok(CatalogTable {
            classes,
            table: Table {
                database: database.cloned().ok_or_else(|| CatalogError::NoDatabase(entry.name.clone()))?,
                name: entry.name.clone(),
                layout: entry.layout.map_or_else(|| Table::detect_layout(&columns), Layout::from),
                columns,
                dialect: entry.dialect.clone().unwrap_or_else(|| "ocsf".to_owned()),
            },
            exists,
            absence: if entry.no_data_yet { Absence::Allowed } else { Absence::Fault },
        })
    }
}

/// The custom source of a table that Security Lake created: `windows_sysmon_1007` for
/// `amazon_security_lake_table_us_east_1_ext_windows_sysmon_1007`.
fn custom_source(name: &str) -> Option<&str> {
    Some(name.strip_prefix("amazon_security_lake_table_")?.split_once("_ext_")?.1)
}

/// Splits `my_source_1007` into `my_source` and 1007.
fn class_of_name(name: &str) -> Option<(&str, u32)> {
    let (source, uid) = name.rsplit_once('_')?;
    let uid = uid.parse().ok().filter(|_| uid.bytes().all(|byte| byte.is_ascii_digit()))?;
    newest().class_by_uid(uid).map(|_| (source, uid))
}

/// The `class_uid` of a class name in any embedded OCSF version.
pub(crate) fn class_uid(name: &str) -> Option<u32> {
    [Version::V1_3_0, Version::V1_1_0].into_iter().find_map(|version| {
        let schema = Schema::get(version);
        let class = schema.class(name).or_else(|| schema.class(&format!("win/{name}")))?;
        Some(class.uid)
    })
}

/// All class names that [`class_uid`] knows.
pub(crate) fn class_names() -> impl Iterator<Item = &'static str> {
    newest().classes().iter().map(|class| class.name)
}

fn newest() -> &'static Schema {
    Schema::get(Version::V1_3_0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_known_table_is_found_under_the_name_that_security_lake_gives_it() {
        let columns = vec![("time".to_owned(), ColumnType::Bigint)];
        let known = |name: &str, class| (name.to_owned(), class, columns.clone());
        let sources = [KnownSource {
            name: "windows-sysmon".to_owned(),
            tables: vec![known("windows_sysmon_1007", 1007), known("windows_sysmon_1001", 1001)],
        }];
        let theirs = "amazon_security_lake_table_us_east_1_ext_windows_sysmon_1007";
        let table = Table {
            database: "lake".to_owned(),
            name: theirs.to_owned(),
            columns: columns.clone(),
            layout: Layout::Plain,
            dialect: "ocsf".to_owned(),
        };

        let catalog = Catalog::of_tables(&[table], &sources, "lake");

        let resolved = catalog.resolve("windows-sysmon").unwrap();
        let tables: Vec<_> =
            resolved.tables.iter().map(|(entry, _)| (entry.table.name.as_str(), entry.exists)).collect();
        assert_eq!(tables, [(theirs, true), ("windows_sysmon_1001", false)]);
        assert_eq!(catalog.names().collect::<Vec<_>>(), ["windows-sysmon"]);
        assert!(!catalog.has_all_tables());
        assert_eq!(catalog.without_tables().count(), 0);
        assert_eq!(Catalog::of_tables(&[], &sources, "lake").without_tables().collect::<Vec<_>>(), ["windows-sysmon"]);
    }
}
