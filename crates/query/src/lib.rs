//! One interface for query engines: a [`Statement`] in, an [`Answer`] out.
//!
//! [`athena`] is in this crate. The engine for a lake folder is `embedded::Embedded`.

pub mod athena;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use serde_json::Value;
use sql::table::Table;
use sql::text::Sql;
use sql::types::ColumnType;

/// A future that can be sent between threads.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A query engine over the tables of a lake.
pub trait Engine: fmt::Debug + Send + Sync {
    /// Runs a statement and waits for its answer.
    fn run<'a>(&'a self, statement: &'a Statement) -> BoxFuture<'a, Result<Answer, QueryError>>;

    /// All tables, with their columns.
    fn tables<'a>(&'a self) -> BoxFuture<'a, Result<Vec<Table>, QueryError>>;

    /// The plan of a statement, in the engine's own format. The statement does not run.
    ///
    /// The default implementation runs `EXPLAIN`, as in Trino and Athena.
    fn explain<'a>(&'a self, statement: &'a Statement) -> BoxFuture<'a, Result<String, QueryError>> {
        Box::pin(async move {
            let explain = Statement { sql: sql::sql!("EXPLAIN {}", statement.sql), ..statement.clone() };
            let answer = self.run(&explain).await?;
            let lines = answer.rows.iter().filter_map(|row| row.first().and_then(Value::as_str));
            Ok(lines.collect::<Vec<_>>().join("\n"))
        })
    }
}

/// An engine with default limits for statements that have none.
#[derive(Debug)]
pub struct Limited {
    engine: Box<dyn Engine>,
    timeout: Duration,
    max_scanned_bytes: Option<u64>,
}

impl Limited {
    /// `engine` with a default timeout and scan limit (bytes).
    pub fn new(engine: Box<dyn Engine>, timeout: Duration, max_scanned_bytes: Option<u64>) -> Self {
        Self { engine, timeout, max_scanned_bytes }
    }

    fn limited(&self, statement: &Statement) -> Statement {
        Statement {
            timeout: statement.timeout.or(Some(self.timeout)),
            max_scanned_bytes: statement.max_scanned_bytes.or(self.max_scanned_bytes),
            ..statement.clone()
        }
    }
}

impl Engine for Limited {
    fn run<'a>(&'a self, statement: &'a Statement) -> BoxFuture<'a, Result<Answer, QueryError>> {
        Box::pin(async move { self.engine.run(&self.limited(statement)).await })
    }

    fn tables<'a>(&'a self) -> BoxFuture<'a, Result<Vec<Table>, QueryError>> {
        self.engine.tables()
    }

    fn explain<'a>(&'a self, statement: &'a Statement) -> BoxFuture<'a, Result<String, QueryError>> {
        Box::pin(async move { self.engine.explain(&self.limited(statement)).await })
    }
}

/// A query with its limits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// One query in Trino's SQL, without a semicolon.
    pub sql: Sql,
    /// Scan limit in bytes. A query that exceeds it is cancelled.
    pub max_scanned_bytes: Option<u64>,
    /// The longest time that it may take, including planning.
    pub timeout: Option<Duration>,
    /// Idempotency token: a second start with the same token returns the first query. Synchronous engines ignore it.
    pub token: Option<String>,
    /// Whether to return arrays, maps and rows as JSON arrays and objects, instead of text as Athena prints it. Athena always
    /// returns text.
    pub nested: bool,
}

impl Statement {
    /// A statement without limits.
    pub fn new(sql: Sql) -> Self {
        Self { sql, max_scanned_bytes: None, timeout: None, token: None, nested: false }
    }
}

/// The result of a query.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Answer {
    /// The engine's id of the query.
    pub query_id: String,
    /// The columns in order.
    pub columns: Vec<Column>,
    /// The rows in order, each with one value per column: null, a boolean, a number or a text. A value without a JSON type is
    /// the text that Trino's `CAST(… AS varchar)` returns, such as `2024-01-01 00:00:00.000`. With [`Statement::nested`],
    /// values can also be arrays and objects.
    pub rows: Vec<Vec<Value>>,
    /// Cost and duration.
    pub statistics: Statistics,
    /// Parts of the statement that Athena may interpret differently, if the engine is not Athena.
    pub warnings: Vec<Warning>,
}

/// The result of planning a statement without running it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Planned {
    /// The columns in order.
    pub columns: Vec<Column>,
    /// Parts of the statement that Athena may interpret differently.
    pub warnings: Vec<Warning>,
}

/// A part of a statement that Athena may refuse or interpret differently.
#[derive(Debug, Clone, PartialEq, Eq)]
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

/// A column of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// The name, in lower case unless it was quoted.
    pub name: String,
    /// The type as in Trino.
    pub column_type: ColumnType,
}

/// Cost and duration of a query.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Statistics {
    /// Bytes read from the lake's objects. Athena charges for them.
    pub scanned_bytes: u64,
    /// Number of objects opened, if the engine reports it.
    pub scanned_objects: Option<u64>,
    /// Time from start to end.
    pub duration: Duration,
}

/// Why a query has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum QueryError {
    /// The statement is invalid: syntax, names or types.
    #[error("the query is refused: {0}")]
    Invalid(String),
    /// The engine does not support a construct exactly as Trino does.
    #[error("this engine does not support {construct}: {remedy}")]
    Unsupported {
        /// The construct, as Trino's documentation names it.
        construct: String,
        /// What to do instead.
        remedy: String,
    },
    /// A failure at run time: division by zero, a bad cast, a broken object.
    #[error("the query failed: {0}")]
    Failed(String),
    /// It was cancelled by a person, or by the engine.
    #[error("the query was cancelled: {0}")]
    Cancelled(String),
    /// It did not end within [`Statement::timeout`].
    #[error(
        "the query did not end within {}; raise the timeout (--timeout), or query a shorter period or fewer columns",
        in_words(*.after)
    )]
    TimedOut {
        /// The timeout.
        after: Duration,
    },
    /// It exceeded its scan limit.
    #[error("the query was cancelled after reading {scanned} bytes; its limit is {limit}")]
    OverBudget {
        /// Bytes read before it was cancelled.
        scanned: u64,
        /// The scan limit in bytes.
        limit: u64,
    },
    /// The engine is unreachable, refuses the credentials, or is too busy. A retry may help.
    #[error("the query engine cannot be used: {0}")]
    Unavailable(String),
}

impl QueryError {
    /// Whether the statement caused the error. Other errors say nothing about the statement.
    pub fn is_of_statement(&self) -> bool {
        matches!(self, Self::Invalid(_) | Self::Unsupported { .. } | Self::Failed(_))
    }
}

/// Formats a duration: `10 minutes`, `1 minute 30 seconds`, `250 ms`.
fn in_words(duration: Duration) -> String {
    let counted = |number: u64, unit: &str| match number {
        0 => None,
        1 => Some(format!("1 {unit}")),
        _ => Some(format!("{number} {unit}s")),
    };
    let seconds = duration.as_secs();
    if seconds == 0 {
        return format!("{} ms", duration.as_millis());
    }
    let parts = [(seconds / 3_600, "hour"), (seconds / 60 % 60, "minute"), (seconds % 60, "second")];
    parts.into_iter().filter_map(|(number, unit)| counted(number, unit)).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timeout_names_its_length_and_the_remedy() {
        let said = |seconds| QueryError::TimedOut { after: Duration::from_secs(seconds) }.to_string();
        assert_eq!(
            said(600),
            "the query did not end within 10 minutes; raise the timeout (--timeout), or query a shorter period or fewer columns"
        );
        assert!(said(3_690).contains("within 1 hour 1 minute 30 seconds;"));
    }
}
