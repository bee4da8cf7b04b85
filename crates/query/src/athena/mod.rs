//! Amazon Athena as an engine.
//!
//! A caller that can wait [runs](Engine::run) a statement. A caller that cannot, such as a Lambda function,
//! [starts](Athena::start) it, and later asks for its [status](Athena::status) and its [answer](Athena::answer).

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

/// A client of Athena. Clones share connections.
#[derive(Debug, Clone)]
pub struct Athena {
    client: Client,
    settings: AthenaSettings,
}

/// Where and how Athena runs statements.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AthenaSettings {
    /// The workgroup. Default: `primary`. A workgroup may enforce its own settings over these.
    pub workgroup: Option<String>,
    /// The location of results, `s3://bucket/prefix/`. Default: that of the workgroup.
    pub output_location: Option<String>,
    /// The data catalog. Default: `AwsDataCatalog`.
    pub catalog: Option<String>,
    /// The databases whose tables [`Engine::tables`] returns. The first one is the default database of statements.
    pub databases: Vec<String>,
    /// Reuse an earlier result of the same statement up to this age (whole minutes, at most seven days).
    pub reuse_results: Option<Duration>,
}

/// Athena's id of a query.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct QueryId(String);

impl QueryId {
    /// An id from Athena.
    pub fn new(id: impl Into<String>) -> Self {
        Self(id.into())
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for QueryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// The status of a query.
#[derive(Debug, Clone, PartialEq)]
pub struct Execution {
    /// The query's id.
    pub id: QueryId,
    /// The workgroup that it runs in.
    pub workgroup: Option<String>,
    /// The state.
    pub state: State,
    /// Cost and duration so far.
    pub statistics: Statistics,
    /// Whether Athena reused an earlier result, which is free.
    pub reused: bool,
    /// The object with the result, `s3://bucket/prefix/id.csv`.
    pub output_location: Option<String>,
}

/// The state of a query.
#[derive(Debug, Clone, PartialEq)]
pub enum State {
    /// Waiting to run.
    Queued,
    /// Running.
    Running,
    /// Ended with an answer.
    Succeeded,
    /// Ended without an answer.
    Ended(QueryError),
}

impl State {
    /// Whether the query has ended.
    pub fn is_final(&self) -> bool {
        matches!(self, Self::Succeeded | Self::Ended(_))
    }
}

/// The first pause between two requests for a query's state. Most detections take seconds.
const FIRST_WAIT: Duration = Duration::from_millis(250);
/// The longest pause between two requests for a query's state.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

impl Athena {
    /// A client with the SDK configuration that `store::aws` builds.
    pub fn new(config: &SdkConfig, settings: AthenaSettings) -> Self {
        Self { client: Client::new(config), settings }
    }

    /// Starts a statement. If the same statement was started before with the same token, returns that query.
    ///
    /// # Errors
    /// Athena refuses the request. Most invalid statements fail only later, in [`Athena::status`].
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

    /// The token for Athena, 64 characters. Athena refuses a known token with other parameters, so the parameters are part of
    /// it.
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

    /// The status of a query.
    ///
    /// # Errors
    /// The request failed. A failed query is not an error here.
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

    /// The scan limit of a workgroup in bytes; `None` if it has none or may not be read.
    async fn cutoff(&self, workgroup: Option<&str>) -> Option<u64> {
        let request = self.client.get_work_group().work_group(workgroup.unwrap_or("primary"));
        let answer = request.send().await.inspect_err(|error| tracing::debug!(?error, "scan limit unknown")).ok()?;
        let cutoff = answer.work_group?.configuration?.bytes_scanned_cutoff_per_query?;
        u64::try_from(cutoff).ok()
    }

    /// The whole answer of a query that succeeded.
    ///
    /// # Errors
    /// A request failed, or `execution` did not succeed.
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

    /// Cancels a query. Has no effect if the query has ended.
    ///
    /// # Errors
    /// The request failed.
    pub async fn cancel(&self, id: &QueryId) -> Result<(), QueryError> {
        let request = self.client.stop_query_execution().query_execution_id(id.as_str());
        request.send().await.map_err(|error| errors::of_request("StopQueryExecution", &error))?;
        Ok(())
    }

    /// Checks that Athena answers and that the workgroup exists.
    ///
    /// # Errors
    /// The request failed.
    pub async fn ping(&self) -> Result<(), QueryError> {
        let workgroup = self.settings.workgroup.as_deref().unwrap_or("primary");
        let request = self.client.get_work_group().work_group(workgroup);
        request.send().await.map_err(|error| errors::of_request("GetWorkGroup", &error))?;
        Ok(())
    }

    /// Waits for the end of a query. Cancels it when it has read more than `max_scanned_bytes`, or after `timeout`.
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
    /// Starts the statement and waits for its end. A query may exceed its scan limit and end before the next status request.
    /// Its answer is returned, because the bytes are paid for.
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
            return Err(QueryError::Unavailable(format!("query {id} has the unknown state {other}")));
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
