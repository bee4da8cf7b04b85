//! Tables that people have without Sluice: Security Lake's own, and those that AWS's documentation creates over raw logs.
//!
//! They are data, `/dialect-maps/tables`, so that a pattern can be translated for one of them without asking an account.
//! The columns of a table at hand are read by [`columns_of_text`].

use std::collections::BTreeMap;

use ocsf::schema::{Schema, Version};
use serde::Deserialize;
use serde_json::Value;
use sql::table::Table;
use sql::types::{ColumnType, TypeError};

use crate::attribute_tree::AttributeTree;
use crate::map::{Attributes, MapError};

const SHIPPED: [&str; 2] = [
    include_str!("../../../dialect-maps/tables/security-lake.json"),
    include_str!("../../../dialect-maps/tables/raw.json"),
];

/// A table that is known by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedTable {
    /// Its group and name, as `security-lake/vpc-flow`.
    pub name: String,
    /// What is in it.
    pub description: String,
    /// The table itself.
    pub table: Table,
}

impl NamedTable {
    /// Whether it is the one that a person means: by its name, or by that of its group.
    pub fn is(&self, name: &str) -> bool {
        self.name == name || self.name.split_once('/').is_some_and(|(group, _)| group == name)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GroupFile {
    #[serde(rename = "$schema", default)]
    _schema: Option<String>,
    group: String,
    #[serde(rename = "description", default)]
    _description: Option<String>,
    database: String,
    #[serde(default)]
    dialect: Option<String>,
    #[serde(default)]
    ocsf: Option<String>,
    tables: Vec<TableFile>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TableFile {
    name: String,
    description: String,
    table: String,
    #[serde(default)]
    dialect: Option<String>,
    /// Another table of the group that has the same columns.
    #[serde(default)]
    columns_of: Option<String>,
    /// Paths of OCSF attributes, whose types follow; of others with their types.
    #[serde(default)]
    attributes: Vec<String>,
    #[serde(default)]
    columns: serde_json::Map<String, Value>,
    #[serde(default)]
    partitions: serde_json::Map<String, Value>,
}

/// The tables that are part of the program; `region` is the one of the lake, as `us-east-1`.
///
/// # Errors
/// Data that contradicts itself, which the tests rule out.
pub fn named_tables(region: &str) -> Result<Vec<NamedTable>, MapError> {
    let region = region.replace('-', "_");
    let mut named = Vec::new();
    for text in SHIPPED {
        let file: GroupFile = serde_json::from_str(text).map_err(|error| MapError::Form(error.to_string()))?;
        let schema = file.ocsf.as_deref().and_then(|version| version.parse::<Version>().ok()).map(Schema::get);
        let attributes = schema.map(Attributes::new);
        let mut known: BTreeMap<&str, Vec<(String, ColumnType)>> = BTreeMap::new();
        for of in &file.tables {
            let inconsistent = |problem: String| MapError::Inconsistent {
                dialect: file.group.clone(),
                problem: format!("table {}: {problem}", of.name),
            };
            let mut columns = match &of.columns_of {
                Some(other) => known.get(other.as_str()).cloned().ok_or_else(|| inconsistent(format!("no {other}")))?,
                None => Vec::new(),
            };
            columns.extend(
                of_attributes(&of.attributes, attributes.as_ref()).map_err(|fault| inconsistent(fault.to_string()))?,
            );
            columns.extend(typed(&of.columns).map_err(|fault| inconsistent(fault.to_string()))?);
            known.insert(&of.name, columns.clone());
            columns.extend(typed(&of.partitions).map_err(|fault| inconsistent(fault.to_string()))?);
            let dialect = of.dialect.as_ref().or(file.dialect.as_ref());
            named.push(NamedTable {
                name: format!("{}/{}", file.group, of.name),
                description: of.description.clone(),
                table: Table {
                    database: file.database.replace("{region}", &region),
                    name: of.table.replace("{region}", &region),
                    layout: Table::detect_layout(&columns),
                    columns,
                    dialect: dialect.cloned().ok_or_else(|| inconsistent("no dialect".to_owned()))?,
                },
            });
        }
    }
    Ok(named)
}

/// Why a column of a table's description cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct ColumnFault(String);

fn typed(columns: &serde_json::Map<String, Value>) -> Result<Vec<(String, ColumnType)>, ColumnFault> {
    let read = |(name, of): (&String, &Value)| {
        let of = of.as_str().ok_or_else(|| ColumnFault(format!("the type of {name} is not text")))?;
        Ok((name.clone(), of.parse().map_err(|error| ColumnFault(format!("column {name}: {error}")))?))
    };
    columns.iter().map(read).collect()
}

fn of_attributes(paths: &[String], attributes: Option<&Attributes>) -> Result<Vec<(String, ColumnType)>, ColumnFault> {
    let mut root = AttributeTree::default();
    for text in paths {
        let (path, own) = text.split_once(' ').map_or((text.as_str(), None), |(path, own)| (path, Some(own)));
        let own = own
            .map(|own| own.parse::<ColumnType>().map_err(|error| ColumnFault(format!("{path}: {error}"))))
            .transpose()?;
        let mut at = &mut root;
        let mut so_far = String::new();
        for name in path.split('.') {
            so_far = if so_far.is_empty() { name.to_owned() } else { format!("{so_far}.{name}") };
            at = at.member(name, attributes.and_then(|attributes| attributes.at(&so_far)));
        }
        if let Some(own) = own {
            (at.is_array, at.scalar) = (false, Some(own));
        } else if at.scalar.is_none() {
            return Err(ColumnFault(format!("{path} is no attribute of OCSF with a value, and no type is given")));
        }
    }
    Ok(root.columns())
}

/// Columns of a table that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ColumnsError {
    /// The text has none.
    #[error("there are no columns")]
    Empty,
    /// The text begins as JSON and is none.
    #[error("{0}")]
    Json(String),
    /// JSON of another form.
    #[error("JSON is an object of names and types, or a list of columns")]
    Form,
    /// A line of text without a column.
    #[error("line {number}: {problem}: `{line}`")]
    Line {
        /// The line's number, from 1.
        number: usize,
        /// What is wrong with it.
        problem: &'static str,
        /// The line.
        line: String,
    },
    /// A column of JSON lacks its name or its type.
    #[error("{0}")]
    Missing(String),
    /// A type is a number, a list or the like.
    #[error("the type of `{0}` is not text")]
    NoText(String),
    /// A type that there is not.
    #[error("column `{name}`: {error}")]
    Type {
        /// The column.
        name: String,
        /// What is wrong with its type.
        error: TypeError,
    },
}

/// The columns of a table as tools print them.
///
/// - JSON: an object of names and types; a list of objects with `name` and `type` (nested `fields` too); what
///   `aws glue get-table` and `aws athena get-table-metadata` print.
/// - Text: a name and a type a line, as Athena's `DESCRIBE` prints them, headings and comments left out.
///
/// ```
/// let columns = translation::columns_of_text("srcaddr  string\nstart\tbigint\n\n# Partition Information\nday string")?;
/// assert_eq!(columns.len(), 3);
/// # Ok::<(), translation::ColumnsError>(())
/// ```
///
/// # Errors
/// What is not understood, with its place.
pub fn columns_of_text(text: &str) -> Result<Vec<(String, ColumnType)>, ColumnsError> {
    let mut columns: Vec<(String, ColumnType)> = Vec::new();
    let mut add = |name: &str, of: ColumnType| {
        // DESCRIBE prints partition columns twice.
        if !columns.iter().any(|(other, _)| other.eq_ignore_ascii_case(name)) {
            columns.push((name.to_owned(), of));
        }
    };
    if text.trim_start().starts_with(['{', '[']) {
        let value: Value = serde_json::from_str(text).map_err(|error| ColumnsError::Json(error.to_string()))?;
        of_json(&value, &mut add)?;
    } else {
        for (number, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let place = |problem| ColumnsError::Line { number: number + 1, problem, line: line.to_owned() };
            let (name, rest) =
                line.split_once([' ', '\t', ',']).ok_or_else(|| place("a name and a type are expected"))?;
            let rest = rest.trim().trim_end_matches(',').trim_matches('"');
            let is_heading = ["col_name", "column", "column_name"].contains(&name.to_ascii_lowercase().as_str());
            let of = match longest_type(rest) {
                Some(of) => of,
                // A column may have such a name, too, and then has a type.
                None if is_heading => continue,
                None => return Err(place("this is no type")),
            };
            add(name.trim_matches(['`', '"']), of);
        }
    }
    if columns.is_empty() { Err(ColumnsError::Empty) } else { Ok(columns) }
}

/// A type at the beginning of a text; a comment may follow after a tab or two spaces.
fn longest_type(text: &str) -> Option<ColumnType> {
    let first = text.split(['\t']).next().unwrap_or(text);
    let first = first.split("  ").next().unwrap_or(first).trim();
    text.parse().or_else(|_| first.parse()).ok()
}

fn of_json(value: &Value, add: &mut impl FnMut(&str, ColumnType)) -> Result<(), ColumnsError> {
    match value {
        Value::Array(columns) => columns.iter().try_for_each(|column| {
            let (name, of) = of_entry(column)?;
            add(&name, of);
            Ok(())
        }),
        Value::Object(members) => {
            let inner = ["Table", "TableMetadata", "StorageDescriptor"].iter().find_map(|key| members.get(*key));
            let lists = ["columns", "Columns", "PartitionKeys"].iter().filter_map(|key| members.get(*key));
            let lists: Vec<&Value> = inner.into_iter().chain(lists).filter(|value| !value.is_string()).collect();
            if !lists.is_empty() {
                return lists.into_iter().try_for_each(|list| of_json(list, add));
            }
            for (name, of) in members {
                let text = of.as_str().ok_or_else(|| ColumnsError::NoText(name.clone()))?;
                add(name, text.parse().map_err(|error| ColumnsError::Type { name: name.clone(), error })?);
            }
            Ok(())
        }
        _ => Err(ColumnsError::Form),
    }
}

fn of_entry(column: &Value) -> Result<(String, ColumnType), ColumnsError> {
    let text = |keys: &[&str]| keys.iter().find_map(|key| column.get(*key)?.as_str());
    let name = text(&["name", "Name", "col_name", "column_name"])
        .ok_or_else(|| ColumnsError::Missing("a column has no `name`".to_owned()))?;
    let of = text(&["type", "Type", "data_type"])
        .ok_or_else(|| ColumnsError::Missing(format!("column `{name}` has no `type`")))?;
    let Some(fields) = column.get("fields").and_then(Value::as_array) else {
        return Ok((name.to_owned(), of.parse().map_err(|error| ColumnsError::Type { name: name.to_owned(), error })?));
    };
    let row = ColumnType::Row(fields.iter().map(of_entry).collect::<Result<_, _>>()?);
    let is_array = of.to_ascii_lowercase().starts_with("array");
    Ok((name.to_owned(), if is_array { ColumnType::Array(Box::new(row)) } else { row }))
}

#[cfg(test)]
mod tests {
    use sql::dialect::Dialect;

    use super::*;

    #[test]
    fn named_tables_have_their_dialect_their_layout_and_a_time() {
        let tables = named_tables("eu-central-1").unwrap();
        assert_eq!(tables.iter().filter(|table| table.is("security-lake")).count(), 8);
        for NamedTable { name, table, .. } in &tables {
            assert_eq!(Dialect::recognize(&table.columns), table.dialect, "{name}");
            Dialect::of_table(table).unwrap().event_time(table).unwrap();
            let is_native = name.starts_with("security-lake/");
            assert_eq!(table.layout == sql::table::Layout::TimeDt, is_native, "{name}");
        }
        let flow = &tables.iter().find(|table| table.is("security-lake/vpc-flow")).unwrap().table;
        assert_eq!(flow.name, "amazon_security_lake_table_eu_central_1_vpc_flow_2_0");
        let endpoint = flow.column("src_endpoint").unwrap();
        assert_eq!(endpoint.field("port"), Some(&ColumnType::Integer));
    }

    #[test]
    fn columns_are_read_as_tools_print_them() {
        let glue = r#"{"Table": {"Name": "t", "StorageDescriptor": {"Columns": [{"Name": "srcaddr", "Type": "string"}]},
            "PartitionKeys": [{"Name": "day", "Type": "string"}]}}"#;
        let athena = r#"{"TableMetadata": {"Name": "t", "Columns": [{"Name": "srcaddr", "Type": "string"}],
            "PartitionKeys": [{"Name": "day", "Type": "string"}]}}"#;
        let describe = "col_name\tdata_type\tcomment\nsrcaddr             \tstring              \t \nday   string\n\n\
                        # Partition Information\n# col_name   data_type   comment\nday   string\n";
        for text in [
            r#"{"srcaddr": "string", "day": "varchar"}"#,
            r#"[{"name": "srcaddr", "type": "string"}, {"column_name": "day", "data_type": "varchar"}]"#,
            glue,
            athena,
            describe,
            "srcaddr,varchar\nday,varchar\n",
        ] {
            let columns = columns_of_text(text).unwrap();
            let names: Vec<&str> = columns.iter().map(|(name, _)| name.as_str()).collect();
            assert_eq!(names, ["srcaddr", "day"], "{text}");
            assert!(columns.iter().all(|(_, of)| *of == ColumnType::Varchar), "{text}");
        }
        let called_column = columns_of_text("column,type\ncolumn string\ncolumn_name bigint\n").unwrap();
        assert_eq!(called_column.len(), 2, "a heading has no type, a column has");
        let nested =
            r#"{"columns": [{"name": "a", "type": "array<struct>", "fields": [{"name": "b", "type": "int"}]}]}"#;
        let columns = columns_of_text(nested).unwrap();
        assert_eq!(columns[0].1.to_string(), r#"array(row("b" integer))"#);
        for (text, fault) in [
            ("", "there are no columns"),
            ("srcaddr strnig", "line 1: this is no type"),
            ("srcaddr", "line 1: a name and a type are expected"),
            (r#"{"a": 1}"#, "the type of `a` is not text"),
        ] {
            let error = columns_of_text(text).unwrap_err().to_string();
            assert!(error.contains(fault), "{text}: {error}");
        }
    }
}
