//! Queries and their states.

use std::collections::HashMap;
use std::time::{SystemTime, UNIX_EPOCH};

use query::{Answer, QueryError, Statement};
use serde_json::{Value, json};
use sql::text::Sql;

use crate::{Fault, LocalAthena, Started};

/// All queries so far.
#[derive(Debug, Default)]
pub(crate) struct Queries {
    pub(crate) by_id: HashMap<String, Query>,
    /// Ids in the order of their starts.
    order: Vec<String>,
    pub(crate) by_token: HashMap<String, String>,
    pub(crate) held: bool,
    pub(crate) faults: Vec<Fault>,
    pub(crate) events: Vec<Value>,
}

/// One query.
#[derive(Debug)]
pub(crate) struct Query {
    /// The request that started it, without the token.
    pub(crate) request: Value,
    pub(crate) token: String,
    pub(crate) workgroup: String,
    pub(crate) state: State,
    /// When it was submitted, in seconds since 1970.
    pub(crate) submitted: f64,
    pub(crate) completed: Option<f64>,
    pub(crate) scanned: u64,
    sequence: u32,
}

#[derive(Debug)]
pub(crate) enum State {
    Queued,
    Running,
    Succeeded(Answer),
    Failed(String),
    Cancelled(String),
}

impl State {
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Queued => "QUEUED",
            Self::Running => "RUNNING",
            Self::Succeeded(_) => "SUCCEEDED",
            Self::Failed(_) => "FAILED",
            Self::Cancelled(_) => "CANCELLED",
        }
    }

    fn is_final(&self) -> bool {
        !matches!(self, Self::Queued | Self::Running)
    }
}

impl Queries {
    pub(crate) fn started(&self) -> Vec<Started> {
        let started = self.order.iter().filter_map(|id| {
            let query = self.by_id.get(id)?;
            let sql = query.request["QueryString"].as_str().unwrap_or_default().to_owned();
            Some(Started { id: id.clone(), sql, token: query.token.clone(), state: query.state.name() })
        });
        started.collect()
    }

    pub(crate) fn under_way(&self) -> bool {
        self.by_id.values().any(|query| !query.state.is_final())
    }
}

impl LocalAthena {
    /// Registers a query and starts it.
    pub(crate) fn begin(&self, request: Value, token: String, workgroup: String) -> String {
        let mut queries = self.queries();
        let id = id_of(queries.order.len(), &token);
        queries.order.push(id.clone());
        queries.by_token.insert(token.clone(), id.clone());
        let query = Query {
            request: request.clone(),
            token,
            workgroup: workgroup.clone(),
            state: State::Queued,
            submitted: now(),
            completed: None,
            scanned: 0,
            sequence: 1,
        };
        queries.events.push(self.event(&id, &query, None));
        queries.by_id.insert(id.clone(), query);
        drop(queries);

        let (athena, query_id) = (self.clone(), id.clone());
        let limit = self.cutoff(&workgroup);
        let sql = request["QueryString"].as_str().unwrap_or_default().to_owned();
        let statement = Statement { max_scanned_bytes: limit, ..Statement::new(Sql::of_author(sql)) };
        self.shared.runtime.spawn(async move {
            athena.change(&query_id, State::Running, 0);
            let (state, scanned) = athena.execute(&statement).await;
            let ending = athena.clone();
            let end = move || {
                ending.wait_while_held();
                ending.change(&query_id, state, scanned);
            };
            // Blocks while queries are held.
            let _ = tokio::task::spawn_blocking(end).await;
        });
        id
    }

    async fn execute(&self, statement: &Statement) -> (State, u64) {
        let answer = match self.shared.engine.engine().await {
            Ok(engine) => engine.run(statement).await,
            Err(error) => Err(error),
        };
        match answer {
            Ok(answer) => {
                let scanned = answer.statistics.scanned_bytes;
                (State::Succeeded(answer), scanned)
            }
            Err(QueryError::OverBudget { scanned, .. }) => {
                (State::Cancelled("Query cancelled! : Bytes scanned limit was exceeded".to_owned()), scanned)
            }
            Err(QueryError::Invalid(reason)) => (State::Failed(format!("SYNTAX_ERROR: {reason}")), 0),
            Err(error @ QueryError::Unsupported { .. }) => (State::Failed(format!("NOT_SUPPORTED: {error}")), 0),
            Err(error) => (State::Failed(format!("GENERIC_USER_ERROR: {error}")), 0),
        }
    }

    fn wait_while_held(&self) {
        let mut queries = self.queries();
        while queries.held {
            queries = self.shared.changed.wait(queries).unwrap_or_else(std::sync::PoisonError::into_inner);
        }
    }

    /// Changes the state of a query, unless it has ended.
    pub(crate) fn change(&self, id: &str, state: State, scanned: u64) {
        let mut queries = self.queries();
        let Some(query) = queries.by_id.get_mut(id) else { return };
        if query.state.is_final() {
            return;
        }
        let before = query.state.name();
        query.completed = state.is_final().then(now);
        query.scanned = scanned;
        query.sequence += 1;
        query.state = state;
        let event = self.event(id, query, Some(before));
        queries.events.push(event);
        drop(queries);
        self.shared.changed.notify_all();
    }

    /// <https://docs.aws.amazon.com/athena/latest/ug/athena-events.html>
    fn event(&self, id: &str, query: &Query, before: Option<&str>) -> Value {
        let settings = &self.shared.settings;
        let mut detail = json!({
            "versionId": "0",
            "currentState": query.state.name(),
            "statementType": "DML",
            "queryExecutionId": id,
            "workgroupName": query.workgroup,
            "sequenceNumber": query.sequence.to_string(),
        });
        if let Some(before) = before {
            detail["previousState"] = json!(before);
        }
        if let State::Failed(reason) = &query.state {
            detail["athenaError"] =
                json!({"errorCategory": 2, "errorType": 1006, "errorMessage": reason, "retryable": false});
        }
        json!({
            "version": "0",
            "id": id_of(query.sequence as usize, id),
            "detail-type": "Athena Query State Change",
            "source": "aws.athena",
            "account": settings.account,
            "time": jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            "region": settings.region,
            "resources": [],
            "detail": detail,
        })
    }

    pub(crate) fn cutoff(&self, workgroup: &str) -> Option<u64> {
        self.shared.settings.workgroups.iter().find(|(name, _)| name == workgroup)?.1
    }
}

/// A random id in the form of a UUID.
fn id_of(number: usize, salt: &str) -> String {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&number.to_le_bytes()).update(salt.as_bytes());
    let hex = hasher.finalize().to_hex();
    format!("{}-{}-4{}-8{}-{}", &hex[..8], &hex[8..12], &hex[13..16], &hex[17..20], &hex[20..32])
}

fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}
