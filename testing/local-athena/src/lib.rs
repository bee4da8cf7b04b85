//! Athena's API on this machine. Statements are executed by an engine, as a rule the embedded one over a lake folder, so
//! that a program that talks to Athena gets the rows that are there.
//!
//! What it has of Athena: the operations that Sluice uses, with their checks and errors; tokens that make repeated starts
//! one; states and the events of their changes; limits on bytes; pages with the header as the first row. What it has not:
//! results in S3, rights, and statements other than queries.
//!
//! It can be told to [hold](LocalAthena::hold) queries and to refuse requests ([`Fault`]).

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

/// A stand-in for Athena. Clones are the same.
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

/// What it is to be.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Workgroups besides `primary`, and the bytes that a query of each may read.
    pub workgroups: Vec<(String, Option<u64>)>,
    /// The Region and the account that events come from.
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

/// Makes an engine for each query, that sees what is in the lake by then.
pub trait Engines: Send + Sync {
    /// An engine.
    fn engine(&self) -> EngineFuture<'_>;
}

/// A folder of a lake, and the database that its tables are in.
#[derive(Debug, Clone)]
pub struct LakeFolder {
    /// The folder that holds `ext/`.
    pub folder: PathBuf,
    /// The database.
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

/// Requests that go wrong.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Fault {
    /// The operation, as `StartQueryExecution`; any where there is none.
    pub operation: Option<String>,
    /// How many requests.
    pub times: u32,
    /// How.
    pub kind: FaultKind,
}

/// How a request goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultKind {
    /// Too many requests.
    Throttled,
    /// An error on Athena's side.
    Internal,
    /// No right to do that.
    Denied,
    /// It is done, but the answer gets lost.
    Unanswered,
}

/// A query as it was started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Started {
    /// Its id.
    pub id: String,
    /// Its text.
    pub sql: String,
    /// Its token.
    pub token: String,
    /// Its state.
    pub state: &'static str,
}

impl LocalAthena {
    /// Begins without queries.
    ///
    /// # Errors
    /// The system gives no threads.
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

    /// Serves it on a free port of the loopback until the process ends; what `AWS_ENDPOINT_URL_ATHENA` has to be.
    ///
    /// # Errors
    /// There is no port.
    pub fn serve(&self) -> io::Result<String> {
        let athena = self.clone();
        let address = serve(move |request| athena.answer(&request))?;
        Ok(format!("http://{address}"))
    }

    /// Answers a request, for a server that stands for more than Athena. No answer is a connection that breaks.
    pub fn answer(&self, request: &Request) -> Option<Response> {
        api::answer(self, request)
    }

    /// Keeps queries from ending from now on, or lets them.
    pub fn hold(&self, hold: bool) {
        self.queries().held = hold;
        self.shared.changed.notify_all();
    }

    /// Lets requests go wrong.
    pub fn fail(&self, fault: Fault) {
        self.queries().faults.push(fault);
    }

    /// The queries that were started, in order.
    pub fn started(&self) -> Vec<Started> {
        self.queries().started()
    }

    /// The events that EventBridge would have got so far, in order, once no query is under way any more (or all are held).
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
