//! A schema on a Trino server as a query engine. It uses Trino's client protocol: it posts a statement, then follows links to
//! the pages of the answer.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use arrow_array::RecordBatch;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use query::{Answer, BoxFuture, Column, Engine, QueryError, Statement};
use serde::Deserialize;
use serde_json::Value;
use sql::arrow::columns_of;
use sql::sql;
use sql::table::{PARTITION_KEYS, Table};
use sql::text::Sql;
use sql::types::ColumnType;

use crate::{TrinoError, at, http};

/// The catalog of [`crate::Server`].
const CATALOG: &str = "lake";

/// How long a started server may have no node that runs queries.
const NODES: Duration = Duration::from_secs(60);

/// A schema on a Trino server.
#[derive(Debug, Clone)]
pub struct Trino {
    address: SocketAddr,
    schema: String,
}

impl Trino {
    /// A schema of this name, which need not exist yet.
    pub fn new(address: SocketAddr, schema: &str) -> Self {
        Self { address, schema: schema.to_owned() }
    }

    /// Creates the schema, and a table for each custom source of a lake folder, with the names of the embedded engine.
    /// [`Trino::find_partitions`] finds objects that are added later.
    ///
    /// # Errors
    /// The lake cannot be read, or Trino refuses a statement.
    pub fn register_lake(&self, lake: &Path) -> Result<(), TrinoError> {
        self.make_schema()?;
        let sources = lake.join("ext");
        for entry in fs::read_dir(&sources).map_err(at(&sources))? {
            let folder = std::path::absolute(entry.map_err(at(&sources))?.path()).map_err(at(&sources))?;
            let Some(source) = folder.file_name().and_then(|name| name.to_str()) else { continue };
            let columns = columns_below(&folder)?;
            if !columns.is_empty() {
                self.register_table(&source.to_ascii_lowercase().replace('-', "_"), &folder, &columns)?;
            }
        }
        Ok(())
    }

    /// Creates the schema and a table with these batches. They are written to a folder of the table's name in `folder`.
    ///
    /// # Errors
    /// The batches cannot be written, or Trino refuses a statement.
    pub fn register_batches(&self, name: &str, batches: &[RecordBatch], folder: &Path) -> Result<(), TrinoError> {
        self.make_schema()?;
        let Some(first) = batches.first() else { return Ok(()) };
        let folder = std::path::absolute(folder.join(name)).map_err(at(folder))?;
        fs::create_dir_all(&folder).map_err(at(&folder))?;
        let path = folder.join("rows.parquet");
        let file = fs::File::create(&path).map_err(at(&path))?;
        let failed = |error| TrinoError::Object { object: path.display().to_string(), error };
        let mut writer = ArrowWriter::try_new(file, first.schema(), None).map_err(failed)?;
        batches.iter().try_for_each(|batch| writer.write(batch)).map_err(failed)?;
        writer.close().map_err(failed)?;
        self.execute(sql!(
            "CREATE TABLE {} ({}) WITH (external_location = {}, format = 'PARQUET')",
            Sql::path([CATALOG, &self.schema, name]),
            declared(&columns_of(&first.schema())),
            Sql::text(&format!("local://{}", folder.display())),
        ))
    }

    /// Creates the schema, and an empty table in it.
    ///
    /// # Errors
    /// Trino refuses a statement.
    pub fn register_empty(&self, name: &str, columns: &[(String, ColumnType)]) -> Result<(), TrinoError> {
        self.make_schema()?;
        self.execute(sql!("CREATE TABLE {} ({})", Sql::path([CATALOG, &self.schema, name]), declared(columns)))
    }

    /// Looks for partitions of a table that came since it was made.
    ///
    /// # Errors
    /// What Trino refuses.
    pub fn find_partitions(&self, table: &str) -> Result<(), TrinoError> {
        self.execute(sql!(
            "CALL {}.system.sync_partition_metadata({}, {}, 'FULL', false)",
            Sql::name(CATALOG),
            Sql::text(&self.schema),
            Sql::text(table),
        ))
    }

    fn register_table(&self, name: &str, folder: &Path, columns: &[(String, ColumnType)]) -> Result<(), TrinoError> {
        let mut columns = columns.to_vec();
        columns.extend(PARTITION_KEYS.map(|key| (key.to_owned(), ColumnType::Varchar)));
        self.execute(sql!(
            "CREATE TABLE {} ({}) WITH (external_location = {}, format = 'PARQUET', \
             partitioned_by = ARRAY['region', 'accountid', 'eventday'])",
            Sql::path([CATALOG, &self.schema, name]),
            declared(&columns),
            Sql::text(&format!("local://{}", folder.display())),
        ))?;
        self.find_partitions(name)
    }

    fn make_schema(&self) -> Result<(), TrinoError> {
        self.execute(sql!("CREATE SCHEMA IF NOT EXISTS {}", Sql::path([CATALOG, &self.schema])))
    }

    fn execute(&self, statement: Sql) -> Result<(), TrinoError> {
        let failed = |error| TrinoError::Statement { statement: statement.to_string(), error };
        self.ask(statement.as_str()).map(drop).map_err(failed)
    }

    /// Runs one statement of any kind.
    ///
    /// # Errors
    /// See [`QueryError`].
    pub fn ask(&self, statement: &str) -> Result<Answer, QueryError> {
        let begun = Instant::now();
        loop {
            match self.ask_once(statement) {
                // The server listens before its own node is ready.
                Err(QueryError::Failed(why)) if why.contains("NO_NODES_AVAILABLE") && begun.elapsed() < NODES => {
                    std::thread::sleep(Duration::from_millis(200));
                }
                other => return other,
            }
        }
    }

    fn ask_once(&self, statement: &str) -> Result<Answer, QueryError> {
        let begun = Instant::now();
        let mut answer = Answer::default();
        let mut page = self.page("POST", "/v1/statement", statement.as_bytes())?;
        loop {
            if let Some(error) = page.error {
                return Err(error.into());
            }
            if answer.columns.is_empty() {
                answer.columns = page.columns.iter().map(column).collect();
            }
            answer.rows.extend(page.data.into_iter().map(|row| {
                let types = answer.columns.iter().map(|column| &column.column_type);
                row.into_iter().zip(types).map(|(value, of)| plain(value, of)).collect()
            }));
            answer.query_id = page.id;
            answer.statistics.scanned_bytes = page.stats.physical_input_bytes;
            let Some(next) = page.next_uri else { break };
            // `http://address/path`
            let target = next.splitn(4, '/').nth(3).unwrap_or_default();
            page = self.page("GET", &format!("/{target}"), &[])?;
        }
        answer.statistics.duration = begun.elapsed();
        Ok(answer)
    }

    fn page(&self, method: &str, target: &str, body: &[u8]) -> Result<Page, QueryError> {
        let headers = [
            ("X-Trino-User", "sluice"),
            ("X-Trino-Catalog", CATALOG),
            ("X-Trino-Schema", self.schema.as_str()),
            ("X-Trino-Time-Zone", "UTC"),
        ];
        let unavailable = |what: String| QueryError::Unavailable(format!("Trino on {}: {what}", self.address));
        loop {
            let (status, answer) = http::send(self.address, method, target, &headers, body)
                .map_err(|error| unavailable(error.to_string()))?;
            match status {
                200 => return serde_json::from_slice(&answer).map_err(|error| unavailable(error.to_string())),
                // The protocol's request to retry soon.
                502..=504 => std::thread::sleep(Duration::from_millis(100)),
                _ => return Err(unavailable(format!("status {status}: {}", String::from_utf8_lossy(&answer)))),
            }
        }
    }
}

impl Engine for Trino {
    fn run<'a>(&'a self, statement: &'a Statement) -> BoxFuture<'a, Result<Answer, QueryError>> {
        Box::pin(async move {
            let answer = self.ask(statement.sql.as_str())?;
            match statement.max_scanned_bytes {
                Some(limit) if answer.statistics.scanned_bytes > limit => {
                    Err(QueryError::OverBudget { scanned: answer.statistics.scanned_bytes, limit })
                }
                _ => Ok(answer),
            }
        })
    }

    fn tables<'a>(&'a self) -> BoxFuture<'a, Result<Vec<Table>, QueryError>> {
        Box::pin(async move {
            let statement = sql!(
                "SELECT table_name, column_name, data_type FROM {} WHERE table_schema = {} \
                 ORDER BY table_name, ordinal_position",
                Sql::path([CATALOG, "information_schema", "columns"]),
                Sql::text(&self.schema),
            );
            let mut tables: BTreeMap<String, Vec<(String, ColumnType)>> = BTreeMap::new();
            for row in self.ask(statement.as_str())?.rows {
                let [Value::String(table), Value::String(name), Value::String(of)] = row.as_slice() else { continue };
                let of = of.parse().map_err(|error| QueryError::Failed(format!("{table}.{name}: {error}")))?;
                tables.entry(table.clone()).or_default().push((name.clone(), of));
            }
            let table = |(name, columns): (String, Vec<(String, ColumnType)>)| Table {
                database: self.schema.clone(),
                name,
                layout: Table::detect_layout(&columns),
                columns,
                dialect: "ocsf".to_owned(),
            };
            Ok(tables.into_iter().map(table).collect())
        })
    }
}

/// Columns in the syntax of `CREATE TABLE`.
fn declared(columns: &[(String, ColumnType)]) -> Sql {
    Sql::joined(", ", columns.iter().map(|(name, of)| sql!("{} {}", Sql::name(name), Sql::of_author(of.to_string()))))
}

/// The columns of all objects in a folder. For each, the first object that has it counts.
fn columns_below(folder: &Path) -> Result<Vec<(String, ColumnType)>, TrinoError> {
    let mut columns: Vec<(String, ColumnType)> = Vec::new();
    for path in objects_below(folder)? {
        let failed = |error| TrinoError::Object { object: path.display().to_string(), error };
        let file = fs::File::open(&path).map_err(at(&path))?;
        let reader = ParquetRecordBatchReaderBuilder::try_new(file).map_err(failed)?;
        for column in columns_of(reader.schema()) {
            if !columns.iter().any(|(known, _)| *known == column.0) {
                columns.push(column);
            }
        }
    }
    Ok(columns)
}

fn objects_below(folder: &Path) -> Result<Vec<PathBuf>, TrinoError> {
    let mut objects = Vec::new();
    for entry in fs::read_dir(folder).map_err(at(folder))? {
        let path = entry.map_err(at(folder))?.path();
        if path.is_dir() {
            objects.extend(objects_below(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "parquet") {
            objects.push(path);
        }
    }
    objects.sort();
    Ok(objects)
}

/// The parts of a protocol response that are needed.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Page {
    id: String,
    next_uri: Option<String>,
    #[serde(default)]
    columns: Vec<PageColumn>,
    #[serde(default)]
    data: Vec<Vec<Value>>,
    #[serde(default)]
    stats: PageStatistics,
    error: Option<PageError>,
}

#[derive(Deserialize)]
struct PageColumn {
    name: String,
    #[serde(rename = "type")]
    of: String,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct PageStatistics {
    physical_input_bytes: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PageError {
    message: String,
    error_name: String,
    error_type: String,
    /// The place in the statement, for errors found before it ran.
    error_location: Option<Value>,
}

impl From<PageError> for QueryError {
    fn from(error: PageError) -> Self {
        let message = format!("{}: {}", error.error_name, error.message);
        match error.error_type.as_str() {
            "USER_ERROR" if error.error_name == "USER_CANCELED" => QueryError::Cancelled(message),
            "USER_ERROR" if error.error_location.is_some() => QueryError::Invalid(message),
            "INSUFFICIENT_RESOURCES" => QueryError::Unavailable(message),
            _ => QueryError::Failed(message),
        }
    }
}

/// Columns of types that tables cannot have (NULL, intervals, addresses) become text.
fn column(column: &PageColumn) -> Column {
    Column { name: column.name.clone(), column_type: column.of.parse().unwrap_or(ColumnType::Varchar) }
}

/// A value in the form of an answer. Structured values become text, as Athena prints it.
fn plain(value: Value, of: &ColumnType) -> Value {
    if of.is_complex() && !value.is_null() { Value::String(printed(&value, of)) } else { value }
}

/// `[a, b]`, `{key=value}`, with `null` inside.
fn printed(value: &Value, of: &ColumnType) -> String {
    match (value, of) {
        (Value::Array(values), ColumnType::Array(element)) => {
            let values: Vec<String> = values.iter().map(|value| printed(value, element)).collect();
            format!("[{}]", values.join(", "))
        }
        (Value::Array(values), ColumnType::Row(fields)) => {
            let fields = fields.iter().zip(values).map(|((name, of), value)| format!("{name}={}", printed(value, of)));
            format!("{{{}}}", fields.collect::<Vec<_>>().join(", "))
        }
        (Value::Object(entries), ColumnType::Map(_, of)) => {
            let entries = entries.iter().map(|(key, value)| format!("{key}={}", printed(value, of)));
            format!("{{{}}}", entries.collect::<Vec<_>>().join(", "))
        }
        (Value::String(text), _) => text.clone(),
        (Value::Number(number), ColumnType::Double | ColumnType::Real) => java(number.as_f64().unwrap_or_default()),
        (value, _) => value.to_string(),
    }
}

/// A number in the format of Java's `Double.toString`.
fn java(value: f64) -> String {
    if value == 0.0 || (1e-3..1e7).contains(&value.abs()) {
        return format!("{value:?}");
    }
    let text = format!("{value:E}");
    if text.contains('.') { text } else { text.replace('E', ".0E") }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_error_with_a_place_is_the_statements_and_others_are_of_the_run() {
        let error = |value| QueryError::from(serde_json::from_value::<PageError>(value).unwrap());
        let syntax = json!({
            "message": "line 1:8: mismatched input", "errorName": "SYNTAX_ERROR", "errorType": "USER_ERROR",
            "errorLocation": { "lineNumber": 1, "columnNumber": 8 }
        });
        assert!(matches!(error(syntax), QueryError::Invalid(message) if message.starts_with("SYNTAX_ERROR: line 1:8")));
        let division = json!({ "message": "/ by zero", "errorName": "DIVISION_BY_ZERO", "errorType": "USER_ERROR" });
        assert!(matches!(error(division), QueryError::Failed(_)));
    }

    #[test]
    fn rows_are_scalars() {
        let value = |value, of: &str| plain(value, &of.parse().unwrap());
        assert_eq!(value(json!([1, null]), "array(integer)"), json!("[1, null]"));
        assert_eq!(
            value(json!([["a", {"k": 1e10}]]), "array(row(n varchar, m map(varchar, double)))"),
            json!("[{n=a, m={k=1.0E10}}]")
        );
        assert_eq!(value(json!(1.5), "double"), json!(1.5));
        assert_eq!(value(json!(null), "array(double)"), json!(null));
        assert_eq!(["0.5", "100.0", "1.5E-5"], [0.5, 100.0, 1.5e-5].map(java)[..]);
    }
}
