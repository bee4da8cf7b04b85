//! Athena's API on this machine. An engine runs the statements, usually the embedded one over a lake folder, so that clients
//! get real rows.
//!
//! It supports the operations that Sluice uses, with their checks and errors: idempotency tokens, query states and state
//! change events, scan limits, and pages with a header row. It does not support results in S3, permissions, and statements
//! other than queries.
//!
//! Tests can [hold](LocalAthena::hold) queries and make requests fail ([`Fault`]).

mod answers;
mod api;
mod mirror;
mod queries;

use std::fmt;
use std::future::Future;
use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use embedded::Embedded;
use local_lambda::http::{Request, Response, serve};
use query::{Engine, QueryError};
use serde::Deserialize;
use serde_json::Value;
use tokio::runtime::Runtime;

pub use mirror::Mirror;
use queries::Queries;

/// A local Athena. Clones share all state.
#[derive(Debug, Clone)]
pub struct LocalAthena {
    shared: Arc<Shared>,
}

struct Shared {
    settings: Settings,
    engine: Box<dyn Engines>,
    runtime: Runtime,
    queries: Mutex<Queries>,
    changed: Condvar,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("settings", &self.settings).finish_non_exhaustive()
    }
}

/// Settings of a local Athena.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Workgroups besides `primary`, with their scan limits in bytes.
    pub workgroups: Vec<(String, Option<u64>)>,
    /// The Region and account in events.
    pub region: String,
    /// See `region`.
    pub account: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self { workgroups: Vec::new(), region: "eu-central-1".to_owned(), account: "111122223333".to_owned() }
    }
}

/// A future of an engine.
pub type EngineFuture<'a> = Pin<Box<dyn Future<Output = Result<Box<dyn Engine>, QueryError>> + Send + 'a>>;

/// Opens an engine for each query, so that it sees the current content of the lake.
pub trait Engines: Send + Sync {
    /// Opens an engine.
    fn engine(&self) -> EngineFuture<'_>;
}

/// A lake folder, and the database of its tables.
#[derive(Debug, Clone)]
pub struct LakeFolder {
    /// The folder that contains `ext/`.
    pub folder: PathBuf,
    /// The name of the database.
    pub database: String,
}

impl Engines for LakeFolder {
    fn engine(&self) -> EngineFuture<'_> {
        Box::pin(over_folder(&self.folder, &self.database))
    }
}

async fn over_folder(folder: &Path, database: &str) -> Result<Box<dyn Engine>, QueryError> {
    let mut options = embedded::Options::default();
    options.database = database.to_owned();
    Ok(Box::new(Embedded::over_folder(folder, options).await?))
}

/// Requests that will fail.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Fault {
    /// The operation, such as `StartQueryExecution`; `None` for any.
    pub operation: Option<String>,
    /// The number of requests.
    pub times: u32,
    /// How they fail.
    pub kind: FaultKind,
}

/// Ways for a request to fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultKind {
    /// Throttled.
    Throttled,
    /// A server error.
    Internal,
    /// Access denied.
    Denied,
    /// The request succeeds, but its response is lost.
    Unanswered,
}

/// A query as it was started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Started {
    /// The query's id.
    pub id: String,
    /// The SQL.
    pub sql: String,
    /// The idempotency token.
    pub token: String,
    /// The current state.
    pub state: &'static str,
}

impl LocalAthena {
    /// Starts without queries.
    ///
    /// # Errors
    /// Threads cannot be started.
    pub fn new(settings: Settings, engine: impl Engines + 'static) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        let shared = Shared {
            settings,
            engine: Box::new(engine),
            runtime,
            queries: Mutex::new(Queries::default()),
            changed: Condvar::new(),
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Serves the API on a free port of the loopback until the process ends. Returns the value for `AWS_ENDPOINT_URL_ATHENA`.
    ///
    /// # Errors
    /// No port is free.
    pub fn serve(&self) -> io::Result<String> {
        let athena = self.clone();
        let address = serve(move |request| athena.answer(&request))?;
        Ok(format!("http://{address}"))
    }

    /// Answers a request, for a server of several services. Without an answer, the connection must break.
    pub fn answer(&self, request: &Request) -> Option<Response> {
        api::answer(self, request)
    }

    /// Holds queries from now on, so that none ends, or releases them.
    pub fn hold(&self, hold: bool) {
        self.queries().held = hold;
        self.shared.changed.notify_all();
    }

    /// Makes requests fail.
    pub fn fail(&self, fault: Fault) {
        self.queries().faults.push(fault);
    }

    /// All started queries, in order.
    pub fn started(&self) -> Vec<Started> {
        self.queries().started()
    }

    /// All events for EventBridge so far, in order. Waits until no query is running, or all are held.
    pub fn events(&self) -> Vec<Value> {
        let mut queries = self.queries();
        while !queries.held && queries.under_way() {
            queries = self.shared.changed.wait(queries).unwrap_or_else(PoisonError::into_inner);
        }
        queries.events.clone()
    }

    fn queries(&self) -> MutexGuard<'_, Queries> {
        self.shared.queries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
