//! Athena as an engine.
//!
//! There are two levels. What cannot wait, as a function, [starts](Athena::start) a statement, and later asks for its
//! [status](Athena::status) and its [answer](Athena::answer). What can wait [runs](Engine::run) it.

mod cost;
mod errors;
mod results;
mod tables;

use std::fmt;
use std::time::Duration;

use aws_config::SdkConfig;
use aws_sdk_athena::Client;
use aws_sdk_athena::types::{
    QueryExecution, QueryExecutionContext, QueryExecutionState, ResultConfiguration, ResultReuseByAgeConfiguration,
    ResultReuseConfiguration,
};
use sql::table::Table;

pub use cost::{US_DOLLARS_PER_TERABYTE, charged_bytes, us_dollars};
pub use results::Page;

use crate::{Answer, BoxFuture, Engine, QueryError, Statement, Statistics};

/// Athena, called with somebody's rights. Clones share their connections.
#[derive(Debug, Clone)]
pub struct Athena {
    client: Client,
    settings: AthenaSettings,
}

/// How statements are run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AthenaSettings {
    /// The workgroup; Athena's `primary` where there is none. Its own settings win where it enforces them.
    pub workgroup: Option<String>,
    /// Where results are written, `s3://bucket/prefix/`. A workgroup may have its own place.
    pub output_location: Option<String>,
    /// The data catalog; `AwsDataCatalog` where there is none.
    pub catalog: Option<String>,
    /// The databases whose tables [`Engine::tables`] gives. The first is where a table without a database is looked for.
    pub databases: Vec<String>,
    /// Take the result of the same statement if it is no older than this (whole minutes, at most seven days).
    pub reuse_results: Option<Duration>,
}

/// Athena's name of a query that was started.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct QueryId(String);

impl QueryId {
    /// An id that Athena gave.
    pub fn new(id: impl Into<String>) -> Self {
        Self(id.into())
    }

    /// Its text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for QueryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// A query as it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Execution {
    /// Its id.
    pub id: QueryId,
    /// The workgroup that it runs in.
    pub workgroup: Option<String>,
    /// How far it came.
    pub state: State,
    /// What it cost so far.
    pub statistics: Statistics,
    /// Whether an earlier result was taken, for which Athena charges nothing.
    pub reused: bool,
    /// The object that holds the result, `s3://bucket/prefix/id.csv`.
    pub output_location: Option<String>,
}

/// How far a query came.
#[derive(Debug, Clone, PartialEq)]
pub enum State {
    /// It waits for its turn.
    Queued,
    /// It runs.
    Running,
    /// There is an answer.
    Succeeded,
    /// There will be none.
    Ended(QueryError),
}

impl State {
    /// Whether nothing more will happen.
    pub fn is_final(&self) -> bool {
        matches!(self, Self::Succeeded | Self::Ended(_))
    }
}

/// How long to wait before the state of a query is asked for again. Most detections take seconds.
const FIRST_WAIT: Duration = Duration::from_millis(250);
const LONGEST_WAIT: Duration = Duration::from_secs(5);

impl Athena {
    /// Athena by a configuration of the SDK, which `store::aws` makes.
    pub fn new(config: &SdkConfig, settings: AthenaSettings) -> Self {
        Self { client: Client::new(config), settings }
    }

    /// Starts a statement, or finds the query that an earlier start of the same statement with the same token gave.
    ///
    /// # Errors
    /// Athena does not take it. Statements that are not valid are mostly found later, by [`Athena::status`].
    pub async fn start(&self, statement: &Statement) -> Result<QueryId, QueryError> {
        let AthenaSettings { workgroup, output_location, catalog, databases, reuse_results } = &self.settings;
        let context = QueryExecutionContext::builder()
            .set_catalog(catalog.clone())
            .set_database(databases.first().cloned())
            .build();
        let output =
            output_location.as_ref().map(|location| ResultConfiguration::builder().output_location(location).build());
        let reuse = reuse_results.map(|age| {
            let minutes = (age.as_secs() / 60).min(7 * 24 * 60) as i32;
            let by_age = ResultReuseByAgeConfiguration::builder().enabled(true).max_age_in_minutes(minutes).build();
            ResultReuseConfiguration::builder().result_reuse_by_age_configuration(by_age).build()
        });
        let started = self
            .client
            .start_query_execution()
            .query_string(statement.sql.as_str())
            .set_client_request_token(statement.token.as_deref().map(|token| self.request_token(statement, token)))
            .query_execution_context(context)
            .set_result_configuration(output)
            .set_work_group(workgroup.clone())
            .set_result_reuse_configuration(reuse)
            .send()
            .await
            .map_err(|error| errors::of_request("StartQueryExecution", &error))?;
        let id = started.query_execution_id.ok_or_else(|| errors::incomplete("StartQueryExecution", "id"))?;
        tracing::debug!(query_id = id, "Athena query submitted");
        Ok(QueryId(id))
    }

    /// The token that Athena knows a start by: 64 characters. Athena refuses a token that comes with other parameters than
    /// before, so they are part of it.
    fn request_token(&self, statement: &Statement, token: &str) -> String {
        let AthenaSettings { workgroup, output_location, catalog, databases, .. } = &self.settings;
        let mut hasher = blake3::Hasher::new();
        let optional = [workgroup.as_deref(), output_location.as_deref(), catalog.as_deref()];
        let database = databases.first().map(String::as_str);
        for part in [Some(token), Some(statement.sql.as_str()), database].into_iter().chain(optional) {
            let part = part.unwrap_or_default().as_bytes();
            hasher.update(&(part.len() as u64).to_le_bytes()).update(part);
        }
        hasher.finalize().to_hex().to_string()
    }

    /// How far a query came.
    ///
    /// # Errors
    /// Athena does not say. That the query itself failed is no error here.
    pub async fn status(&self, id: &QueryId) -> Result<Execution, QueryError> {
        let request = self.client.get_query_execution().query_execution_id(id.as_str());
        let answer = request.send().await.map_err(|error| errors::of_request("GetQueryExecution", &error))?;
        let execution = answer.query_execution.ok_or_else(|| errors::incomplete("GetQueryExecution", "execution"))?;
        let mut execution = execution_of(id, &execution)?;
        if let State::Ended(QueryError::OverBudget { limit, .. }) = &mut execution.state {
            *limit = self.cutoff(execution.workgroup.as_deref()).await.unwrap_or_default();
        }
        Ok(execution)
    }

    /// The limit on bytes of a workgroup, as far as it can be learned.
    async fn cutoff(&self, workgroup: Option<&str>) -> Option<u64> {
        let request = self.client.get_work_group().work_group(workgroup.unwrap_or("primary"));
        let answer = request.send().await.inspect_err(|error| tracing::debug!(?error, "scan limit unknown")).ok()?;
        let cutoff = answer.work_group?.configuration?.bytes_scanned_cutoff_per_query?;
        u64::try_from(cutoff).ok()
    }

    /// The answer of a query that succeeded, whole.
    ///
    /// # Errors
    /// Athena does not give it, or `execution` did not succeed.
    pub async fn answer(&self, execution: &Execution) -> Result<Answer, QueryError> {
        match &execution.state {
            State::Succeeded => {}
            State::Ended(error) => return Err(error.clone()),
            State::Queued | State::Running => {
                return Err(QueryError::Unavailable(format!("query {} has not ended", execution.id)));
            }
        }
        let mut page = self.page(&execution.id, None).await?;
        let columns = page.columns;
        let mut rows = page.rows;
        while let Some(token) = page.next {
            page = self.page(&execution.id, Some(&token)).await?;
            rows.append(&mut page.rows);
        }
        Ok(Answer {
            query_id: execution.id.to_string(),
            columns,
            rows,
            statistics: execution.statistics,
            warnings: Vec::new(),
        })
    }

    /// Stops a query. One that has ended stays as it is.
    ///
    /// # Errors
    /// Athena does not take it.
    pub async fn cancel(&self, id: &QueryId) -> Result<(), QueryError> {
        let request = self.client.stop_query_execution().query_execution_id(id.as_str());
        request.send().await.map_err(|error| errors::of_request("StopQueryExecution", &error))?;
        Ok(())
    }

    /// Whether Athena answers, and knows the workgroup.
    ///
    /// # Errors
    /// It does not.
    pub async fn ping(&self) -> Result<(), QueryError> {
        let workgroup = self.settings.workgroup.as_deref().unwrap_or("primary");
        let request = self.client.get_work_group().work_group(workgroup);
        request.send().await.map_err(|error| errors::of_request("GetWorkGroup", &error))?;
        Ok(())
    }

    /// Waits for the end of a query, and stops it as soon as it has read more than `max_scanned_bytes`, or when it has not
    /// ended after `timeout`.
    async fn wait(
        &self,
        id: &QueryId,
        max_scanned_bytes: Option<u64>,
        timeout: Option<Duration>,
    ) -> Result<Execution, QueryError> {
        let started = tokio::time::Instant::now();
        let mut wait = FIRST_WAIT;
        loop {
            let execution = self.status(id).await?;
            if execution.state.is_final() {
                return Ok(execution);
            }
            let scanned = execution.statistics.scanned_bytes;
            if let Some(limit) = max_scanned_bytes.filter(|limit| scanned > *limit) {
                self.cancel(id).await?;
                return Err(QueryError::OverBudget { scanned, limit });
            }
            let left = timeout.map(|timeout| (timeout, timeout.saturating_sub(started.elapsed())));
            match left {
                Some((after, Duration::ZERO)) => {
                    self.cancel(id).await?;
                    return Err(QueryError::TimedOut { after });
                }
                Some((_, left)) => tokio::time::sleep(wait.min(left)).await,
                None => tokio::time::sleep(wait).await,
            }
            wait = (wait * 3 / 2).min(LONGEST_WAIT);
        }
    }
}

impl Engine for Athena {
    /// Starts the statement and waits for its end. A statement that ends before it was seen to read too much has its answer:
    /// the bytes are paid for.
    fn run<'a>(&'a self, statement: &'a Statement) -> BoxFuture<'a, Result<Answer, QueryError>> {
        Box::pin(async move {
            let id = self.start(statement).await?;
            let execution = self.wait(&id, statement.max_scanned_bytes, statement.timeout).await?;
            self.answer(&execution).await
        })
    }

    fn tables<'a>(&'a self) -> BoxFuture<'a, Result<Vec<Table>, QueryError>> {
        Box::pin(async move {
            let mut tables = Vec::new();
            for database in &self.settings.databases {
                tables.append(&mut self.tables_of(database).await?);
            }
            Ok(tables)
        })
    }
}

fn execution_of(id: &QueryId, execution: &QueryExecution) -> Result<Execution, QueryError> {
    let figures = execution.statistics();
    let figure = |value: Option<i64>| value.and_then(|value| u64::try_from(value).ok()).unwrap_or_default();
    let statistics = Statistics {
        scanned_bytes: figure(figures.and_then(|figures| figures.data_scanned_in_bytes())),
        scanned_objects: None,
        duration: Duration::from_millis(figure(figures.and_then(|figures| figures.total_execution_time_in_millis()))),
    };
    let status = execution.status();
    let state = match status.and_then(|status| status.state()) {
        Some(QueryExecutionState::Queued) => State::Queued,
        Some(QueryExecutionState::Running) => State::Running,
        Some(QueryExecutionState::Succeeded) => State::Succeeded,
        Some(QueryExecutionState::Failed) => State::Ended(errors::of_failed(status, statistics.scanned_bytes)),
        Some(QueryExecutionState::Cancelled) => State::Ended(errors::of_cancelled(status, statistics.scanned_bytes)),
        Some(other) => {
            return Err(QueryError::Unavailable(format!("Athena gives query {id} the unknown state {other}")));
        }
        None => return Err(errors::incomplete("GetQueryExecution", "state")),
    };
    let reused = figures.and_then(|figures| figures.result_reuse_information());
    Ok(Execution {
        id: id.clone(),
        workgroup: execution.work_group().map(str::to_owned),
        state,
        statistics,
        reused: reused.is_some_and(|reuse| reuse.reused_previous_result()),
        output_location: execution.result_configuration().and_then(|at| at.output_location()).map(str::to_owned),
    })
}
