//! Query engines behind one interface: a [`Statement`] in, an [`Answer`] out.
//!
//! `embedded::Embedded` is the engine for a lake folder; [`athena`] is in this crate.

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

/// Something that runs SQL over the tables of a lake.
pub trait Engine: fmt::Debug + Send + Sync {
    /// Runs a statement to its end.
    fn run<'a>(&'a self, statement: &'a Statement) -> BoxFuture<'a, Result<Answer, QueryError>>;

    /// The tables there are, with their columns.
    fn tables<'a>(&'a self) -> BoxFuture<'a, Result<Vec<Table>, QueryError>>;

    /// The plan of a statement, as text in the engine's own form. The statement does not run.
    ///
    /// The default asks the engine by `EXPLAIN`, as Trino and Athena understand it.
    fn explain<'a>(&'a self, statement: &'a Statement) -> BoxFuture<'a, Result<String, QueryError>> {
        Box::pin(async move {
            let explain = Statement { sql: sql::sql!("EXPLAIN {}", statement.sql), ..statement.clone() };
            let answer = self.run(&explain).await?;
            let lines = answer.rows.iter().filter_map(|row| row.first().and_then(Value::as_str));
            Ok(lines.collect::<Vec<_>>().join("\n"))
        })
    }
}

/// An engine whose statements have limits, unless they bring their own.
#[derive(Debug)]
pub struct Limited {
    engine: Box<dyn Engine>,
    timeout: Duration,
    max_scanned_bytes: Option<u64>,
}

impl Limited {
    /// `engine` with this timeout, and with this limit of bytes read.
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

/// What is to be run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// One query in Trino's SQL, without a semicolon.
    pub sql: Sql,
    /// Stop when more than so many bytes would be read.
    pub max_scanned_bytes: Option<u64>,
    /// Stop when it has not ended after so long, planning included.
    pub timeout: Option<Duration>,
    /// Makes repeated starts one: the same token, the same query. Engines that answer at once do not need it.
    pub token: Option<String>,
    /// Return arrays, maps and rows as JSON arrays and objects, not as Athena prints them. Athena returns text alone and
    /// ignores it.
    pub nested: bool,
}

impl Statement {
    /// A statement without limits.
    pub fn new(sql: Sql) -> Self {
        Self { sql, max_scanned_bytes: None, timeout: None, token: None, nested: false }
    }
}

/// What a query gave.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Answer {
    /// The engine's name of this run.
    pub query_id: String,
    /// The columns in order.
    pub columns: Vec<Column>,
    /// The rows in order; as many values as columns. A value is null, a boolean, a number or a text. What JSON has no type
    /// for is the text that Trino's `CAST(… AS varchar)` gives, as `2024-01-01 00:00:00.000`. With [`Statement::nested`]
    /// values may also be arrays and objects.
    pub rows: Vec<Vec<Value>>,
    /// What it cost.
    pub statistics: Statistics,
    /// What may mean something else on Athena, where the engine is another.
    pub warnings: Vec<Warning>,
}

/// What a statement would give, found out without running it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Planned {
    /// The columns in order.
    pub columns: Vec<Column>,
    /// What may mean something else on Athena.
    pub warnings: Vec<Warning>,
}

/// Something in a statement that Athena may refuse, or understand in another way.
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
    /// Its name, in lower case unless it was quoted.
    pub name: String,
    /// Its type.
    pub column_type: ColumnType,
}

/// What a query cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Statistics {
    /// Bytes read from the lake's objects, which is what Athena charges for.
    pub scanned_bytes: u64,
    /// Objects opened, where the engine says.
    pub scanned_objects: Option<u64>,
    /// How long it took.
    pub duration: Duration,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum QueryError {
    /// The statement is not valid: syntax, names or types.
    #[error("the query is refused: {0}")]
    Invalid(String),
    /// The engine cannot do what the statement asks exactly as Trino would.
    #[error("this engine has no {construct}: {remedy}")]
    Unsupported {
        /// The construct by its name in Trino's documentation.
        construct: String,
        /// What to do instead.
        remedy: String,
    },
    /// It failed while running: division by zero, a bad cast, a broken object.
    #[error("the query failed: {0}")]
    Failed(String),
    /// It was stopped, by a person or by a limit on time.
    #[error("the query was cancelled: {0}")]
    Cancelled(String),
    /// It did not end within [`Statement::timeout`].
    #[error(
        "the query did not end within {}; raise the timeout (--timeout), or ask for a shorter period or fewer columns",
        in_words(*.after)
    )]
    TimedOut {
        /// The timeout.
        after: Duration,
    },
    /// It would have read more than it may.
    #[error("the query was stopped after reading {scanned} bytes, of {limit} allowed")]
    OverBudget {
        /// Bytes read until then.
        scanned: u64,
        /// Bytes allowed.
        limit: u64,
    },
    /// The engine cannot be reached, refuses the credentials, or is too busy. Another try may help.
    #[error("the query engine cannot be used: {0}")]
    Unavailable(String),
}

impl QueryError {
    /// Whether the statement is at fault. Any other error says nothing of it.
    pub fn is_of_statement(&self) -> bool {
        matches!(self, Self::Invalid(_) | Self::Unsupported { .. } | Self::Failed(_))
    }
}

/// `10 minutes`, `1 minute 30 seconds`, `250 ms`.
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
    fn a_timeout_is_said_in_one_line_with_its_remedy() {
        let said = |seconds| QueryError::TimedOut { after: Duration::from_secs(seconds) }.to_string();
        assert_eq!(
            said(600),
            "the query did not end within 10 minutes; raise the timeout (--timeout), or ask for a shorter period or fewer columns"
        );
        assert!(said(3_690).contains("within 1 hour 1 minute 30 seconds;"));
    }
}
