//! Runs statements on two engines over the same tables: a real Trino server and the embedded engine.
//!
//! `cargo xtask trino` starts the server and sets `SLUICE_TRINO`. Without it, tests that need the server say that they are
//! skipped.

use std::error::Error;
use std::fmt;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arrow_array::RecordBatch;
use embedded::{Embedded, Options};
use lake::quarantine::Origin;
use local_trino::Trino;
use pipeline::{MappedSource, Naming, Settings, Stores, shipped_mapping, transform_object};
use query::{Answer, Engine as _, QueryError, Statement};
use serde_json::Value;
use sql::table::Table;
use sql::text::Sql;
use store::FolderStore;
use tempfile::TempDir;
use translation::Translation;

/// Any error, since this is test code.
pub type Fallible<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// The server that `cargo xtask trino` started. Otherwise `None`, with a message on standard output.
///
/// # Errors
/// The value is not an address.
pub fn server() -> Fallible<Option<SocketAddr>> {
    match std::env::var("SLUICE_TRINO") {
        Ok(address) => Ok(Some(address.parse()?)),
        Err(_) => {
            println!("skipped: it needs a Trino server, which `cargo xtask trino` starts");
            Ok(None)
        }
    }
}

/// A lake in a temporary folder, filled through the pipeline.
#[derive(Debug)]
pub struct Lake {
    folder: TempDir,
}

impl Lake {
    /// An empty lake.
    ///
    /// # Errors
    /// No folder can be created.
    pub fn new() -> Fallible<Self> {
        Ok(Self { folder: tempfile::tempdir()? })
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Writes an input through a shipped mapping. Every record must be mapped. `name` distinguishes inputs.
    ///
    /// # Errors
    /// An error of the pipeline, or records in quarantine.
    pub fn add(&self, name: &str, mapping: &str, input: &[u8]) -> Fallible<()> {
        let source = MappedSource::new(mapping, shipped_mapping(mapping).ok_or("not shipped")?, &|_| None)?;
        let store = Arc::new(FolderStore::new(self.path()));
        let stores = Stores { lake: store.clone(), quarantine: store };
        let settings = Settings {
            region: "us-east-1".parse()?,
            account: "external".parse()?,
            seal: Default::default(),
            memory: MEMORY,
            bounds: Default::default(),
        };
        let origin = |position: sources::Position| Origin::File {
            name: name.to_owned(),
            offset: position.offset,
            index: position.index,
            line: position.line,
        };
        // The pipeline blocks on its stores, which is not allowed in a thread of the test runtime.
        let transform = || -> Fallible<_> {
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
            let runtime = runtime.handle();
            Ok(transform_object(&source, &settings, &stores, runtime, input, &Named(name), origin, || true)?)
        };
        let outcome =
            std::thread::scope(|scope| scope.spawn(transform).join()).map_err(|_| "the pipeline panicked")??;
        match outcome.counts.total_quarantined() {
            0 => Ok(()),
            _ => Err(format!("{name}: {:?}", outcome.counts).into()),
        }
    }
}

const MEMORY: usize = 128 << 20;

struct Named<'n>(&'n str);

impl Naming for Named<'_> {
    fn label(&self) -> &str {
        self.0
    }

    fn identity(&self) -> Vec<String> {
        vec![self.0.to_owned()]
    }
}

/// Both engines over the same tables, in the database `sluice` or a new one.
#[derive(Debug)]
pub struct Both {
    /// The database of the tables.
    pub database: String,
    trino: Trino,
    embedded: Embedded,
}

/// A name that is unique on this server.
fn new_database() -> String {
    static DATABASES: AtomicUsize = AtomicUsize::new(0);
    format!("sluice_{}_{}", std::process::id(), DATABASES.fetch_add(1, Ordering::Relaxed))
}

/// The answers of both engines.
#[derive(Debug)]
pub struct Answers {
    /// Trino's answer.
    pub trino: Result<Answer, QueryError>,
    /// The embedded engine's answer.
    pub embedded: Result<Answer, QueryError>,
}

/// The events that a pattern matches: those of the answer, settled by the binder if necessary.
///
/// # Errors
/// The query failed, or the binder cannot settle the answer.
pub fn events_found(translation: &Translation, answer: &Result<Answer, QueryError>) -> Fallible<Vec<Value>> {
    let answer = answer.as_ref().map_err(Clone::clone)?;
    let matches = translation.settle(&answer.rows)?;
    matches.rows.iter().map(|row| Ok(serde_json::from_str(&row.event)?)).collect()
}

/// The result of a comparison.
#[derive(Debug, PartialEq)]
pub enum Verdict {
    /// Both have the same rows, or both refuse or fail.
    Same,
    /// The embedded engine does not support this construct.
    Refused(String),
    /// They differ. The text says how.
    Differ(String),
}

impl Both {
    /// Both engines over a lake folder.
    ///
    /// # Errors
    /// The lake cannot be read.
    pub async fn over(server: SocketAddr, lake: &Path) -> Fallible<Self> {
        let database = new_database();
        let trino = Trino::new(server, &database);
        trino.register_lake(lake)?;
        let mut options = Options::default();
        options.database.clone_from(&database);
        let embedded = Embedded::over_folder(lake, options).await?;
        Ok(Self { database, trino, embedded })
    }

    /// Both engines over tables with these batches, which are created in the database of this value.
    ///
    /// # Errors
    /// The batches cannot be written, or do not have the table's columns.
    pub fn of_tables(server: SocketAddr, tables: Vec<(Table, Vec<RecordBatch>)>, folder: &Path) -> Fallible<Self> {
        let database = new_database();
        let trino = Trino::new(server, &database);
        let mut embedded = Embedded::in_memory();
        for (mut table, batches) in tables {
            trino.register_batches(&table.name, &batches, folder)?;
            table.database.clone_from(&database);
            embedded = embedded.with_table(table, batches)?;
        }
        Ok(Self { database, trino, embedded })
    }

    /// Runs a statement on both engines.
    pub async fn run(&self, statement: &Statement) -> Answers {
        Answers { trino: self.trino.run(statement).await, embedded: self.embedded.run(statement).await }
    }

    /// Runs the text of a statement on both engines.
    pub async fn run_text(&self, statement: &str) -> Answers {
        self.run(&Statement::new(Sql::of_author(statement))).await
    }

    /// The tables of the embedded engine.
    ///
    /// # Errors
    /// See [`Engine::tables`].
    pub async fn tables(&self) -> Result<Vec<Table>, QueryError> {
        self.embedded.tables().await
    }
}

impl Answers {
    /// Compares the answers. Rows must be in the same order only if the statement orders them.
    pub fn verdict(&self, ordered: bool) -> Verdict {
        let differ = |what: String| Verdict::Differ(format!("{what}\n{self}"));
        match (&self.trino, &self.embedded) {
            (_, Err(QueryError::Unsupported { construct, .. })) => Verdict::Refused(construct.clone()),
            (Err(QueryError::Unavailable(reason)), _) => differ(reason.clone()),
            (Err(_), Err(_)) => Verdict::Same,
            (Ok(trino), Ok(embedded)) => {
                let names = |answer: &Answer| -> Vec<String> {
                    answer.columns.iter().map(|column| format!("{} {}", column.name, column.column_type)).collect()
                };
                let rows = |answer: &Answer| {
                    let mut rows: Vec<String> =
                        answer.rows.iter().map(|row| Value::from(row.clone()).to_string()).collect();
                    if !ordered {
                        rows.sort();
                    }
                    rows
                };
                if names(trino) != names(embedded) {
                    differ(format!("columns {:?} against {:?}", names(trino), names(embedded)))
                } else if rows(trino) != rows(embedded) {
                    differ("other rows".to_owned())
                } else {
                    Verdict::Same
                }
            }
            (Ok(_), Err(_)) => differ("the embedded engine fails".to_owned()),
            (Err(_), Ok(_)) => differ("Trino fails".to_owned()),
        }
    }
}

impl fmt::Display for Answers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, answer) in [("Trino", &self.trino), ("embedded", &self.embedded)] {
            match answer {
                Ok(answer) => {
                    writeln!(f, "{name}: {} rows", answer.rows.len())?;
                    for row in answer.rows.iter().take(5) {
                        writeln!(f, "  {}", Value::from(row.clone()))?;
                    }
                }
                Err(error) => writeln!(f, "{name}: {error}")?,
            }
        }
        Ok(())
    }
}

/// Verdicts of many statements.
#[derive(Debug, Default)]
pub struct Tally {
    /// The number of statements with the same rows.
    pub same: usize,
    /// What the embedded engine refused.
    pub refused: Vec<String>,
    /// The differences.
    pub differences: Vec<String>,
}

impl Tally {
    /// Adds a verdict.
    pub fn count(&mut self, name: &str, verdict: Verdict) {
        match verdict {
            Verdict::Same => self.same += 1,
            Verdict::Refused(construct) => self.refused.push(format!("{name}: {construct}")),
            Verdict::Differ(what) => self.differences.push(format!("{name}: {what}")),
        }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} the same, {} refused, {} differ", self.same, self.refused.len(), self.differences.len())?;
        self.refused.iter().try_for_each(|refused| writeln!(f, "refused  {refused}"))?;
        self.differences.iter().try_for_each(|difference| writeln!(f, "DIFFERS  {difference}"))
    }
}
