//! Query engines as a detector uses them: it starts a query in one call and asks for the result in another.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use query::{Answer, BoxFuture, Engine, QueryError, Statement};

/// An engine whose queries run in the background.
pub trait Queries: fmt::Debug + Send + Sync {
    /// Starts a statement and returns the query's id. The same token returns the same query, even if that has ended.
    fn start<'a>(&'a self, statement: &'a Statement) -> BoxFuture<'a, Result<String, QueryError>>;

    /// The state of a query. An error means that the state is unknown.
    fn progress<'a>(&'a self, query_id: &'a str) -> BoxFuture<'a, Result<Progress, QueryError>>;

    /// Cancels a query. It is no error if the query has ended.
    fn cancel<'a>(&'a self, query_id: &'a str) -> BoxFuture<'a, Result<(), QueryError>>;
}

/// The state of a query.
#[derive(Debug, Clone, PartialEq)]
pub enum Progress {
    /// Queued or running.
    Running {
        /// Bytes read so far.
        scanned_bytes: u64,
    },
    /// Ended with an answer.
    Done(Answer),
    /// Ended without an answer.
    Failed(QueryError),
}

/// [`Queries`] over an engine that runs each query to its end, such as the embedded one. Answers are kept in memory.
#[derive(Debug)]
pub struct RunToEnd {
    engine: Arc<dyn Engine>,
    done: Mutex<Vec<(String, Result<Answer, QueryError>)>>,
}

impl RunToEnd {
    /// Runs queries on this engine.
    pub fn new(engine: Arc<dyn Engine>) -> Self {
        Self { engine, done: Mutex::default() }
    }

    fn done(&self) -> MutexGuard<'_, Vec<(String, Result<Answer, QueryError>)>> {
        self.done.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queries for RunToEnd {
    fn start<'a>(&'a self, statement: &'a Statement) -> BoxFuture<'a, Result<String, QueryError>> {
        Box::pin(async move {
            let id = match &statement.token {
                Some(token) => token.clone(),
                None => blake3::hash(statement.sql.as_str().as_bytes()).to_hex().to_string(),
            };
            if self.done().iter().any(|(other, _)| *other == id) {
                return Ok(id);
            }
            let answer = self.engine.run(statement).await;
            self.done().push((id.clone(), answer));
            Ok(id)
        })
    }

    fn progress<'a>(&'a self, query_id: &'a str) -> BoxFuture<'a, Result<Progress, QueryError>> {
        let done = self.done().iter().find(|(id, _)| id == query_id).map(|(_, answer)| answer.clone());
        Box::pin(async move {
            match done {
                Some(Ok(answer)) => Ok(Progress::Done(answer)),
                Some(Err(error)) => Ok(Progress::Failed(error)),
                // An earlier process ran it, and the answer is lost. The detector starts it again.
                None => Ok(Progress::Failed(QueryError::Cancelled("the process that ran it has ended".to_owned()))),
            }
        })
    }

    fn cancel<'a>(&'a self, query_id: &'a str) -> BoxFuture<'a, Result<(), QueryError>> {
        self.done().retain(|(id, _)| id != query_id);
        Box::pin(async { Ok(()) })
    }
}
