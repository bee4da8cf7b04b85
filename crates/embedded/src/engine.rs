//! The engine: a statement in, batches or an answer out.

use std::fmt;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use datafusion::arrow::array::{RecordBatch, RecordBatchOptions};
use datafusion::arrow::datatypes::{Field, Schema, SchemaRef};
use datafusion::error::DataFusionError;
use datafusion::execution::SessionStateBuilder;
use datafusion::execution::cache::cache_manager::CacheManagerConfig;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::{FairSpillPool, MemoryConsumer, MemoryReservation};
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::physical_plan::{ExecutionPlan, collect, displayable};
use datafusion::prelude::{SessionConfig, SessionContext};
use futures::channel::oneshot;
use futures::future::Either;
use parking_lot::Mutex;
use query::{Answer, BoxFuture, Column, Engine, QueryError, Statement, Statistics, Warning};
use sql::table::Table;
use tokio::runtime::Runtime;
use tokio::task::{JoinError, JoinHandle};

use crate::answer;
use crate::stop::Stop;
use crate::tables::{Folder, Meter, Relation, STORE_URL};
use crate::types::Type;

/// How the engine runs.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Options {
    /// The database that the lake's tables are in.
    pub database: String,
    /// Threads that a statement runs on; by default as many as there are processors.
    pub threads: Option<usize>,
    /// Bytes of memory for sorts, joins and aggregations of one statement; beyond it they spill to disk.
    pub memory_limit: Option<u64>,
    /// Where is spilled to; by default the system's folder for temporary files.
    pub spill_folder: Option<PathBuf>,
}

impl Default for Options {
    fn default() -> Self {
        Self { database: "sluice".to_owned(), threads: None, memory_limit: None, spill_folder: None }
    }
}

/// An engine that runs Trino's SQL on this machine, over a lake folder or tables in memory.
///
/// What it cannot run exactly as Trino would is refused with [`QueryError::Unsupported`].
///
/// ```
/// # let runtime = tokio::runtime::Builder::new_current_thread().build()?;
/// # runtime.block_on(async {
/// use embedded::Embedded;
/// use query::{Engine, Statement};
/// use sql::text::Sql;
///
/// let answer = Embedded::in_memory().run(&Statement::new(Sql::code("SELECT 7 / 2 AS half"))).await?;
/// assert_eq!(answer.columns[0].name, "half");
/// assert_eq!(answer.rows, [[serde_json::json!(3)]]);
/// # Ok::<(), query::QueryError>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Embedded {
    folder: Option<Arc<Folder>>,
    in_memory: Vec<Relation>,
    options: Options,
    threads: Mutex<Option<Arc<Threads>>>,
    runs: AtomicU64,
}

/// The threads that statements run on.
struct Threads(Option<Runtime>);

impl Threads {
    fn start(options: &Options) -> Option<Arc<Self>> {
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(threads(options))
            // Plans are walked by recursion, whose depth is that of the statement. Only what is used is taken of the memory.
            .thread_stack_size(64 << 20)
            .thread_name("embedded")
            .enable_time()
            .build()
            .ok()
            .map(|runtime| Arc::new(Self(Some(runtime))))
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        // A runtime may not be waited for where it is dropped, which may be inside another runtime.
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

impl fmt::Debug for Embedded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Embedded")
            .field("folder", &self.folder)
            .field("in_memory", &self.in_memory.iter().map(|table| &table.name).collect::<Vec<_>>())
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

impl Embedded {
    /// An engine over the lake folder `folder`: `<folder>/ext/<source>/region=…/accountId=…/eventDay=…/*.parquet`.
    ///
    /// Each source is a table named like it, in lower case with `_` for `-`; a source with a folder per class is a table
    /// `<source>_<class>` for each.
    ///
    /// # Errors
    /// A folder that cannot be read.
    pub async fn over_folder(folder: &Path, options: Options) -> Result<Self, QueryError> {
        let folder = Arc::new(Folder::new(folder, &options.database)?);
        let mut engine = Self::with_options(options);
        engine.folder = Some(folder);
        Ok(engine)
    }

    /// An engine without tables.
    pub fn in_memory() -> Self {
        Self::with_options(Options::default())
    }

    fn with_options(options: Options) -> Self {
        let threads = Mutex::new(Threads::start(&options));
        Self { folder: None, in_memory: Vec::new(), options, threads, runs: AtomicU64::new(0) }
    }

    /// Adds a table in memory; it hides one of the same name in the lake.
    ///
    /// # Errors
    /// Batches that do not have the table's columns.
    pub fn with_table(mut self, table: Table, batches: Vec<RecordBatch>) -> Result<Self, QueryError> {
        let relation = Relation::in_memory(&table, &batches)?;
        self.in_memory.retain(|known| known.database != relation.database || known.name != relation.name);
        self.in_memory.push(relation);
        Ok(self)
    }

    /// Runs a statement, with the rows as Arrow has them.
    ///
    /// # Errors
    /// As [`Engine::run`].
    pub async fn run_arrow(
        &self,
        statement: &Statement,
    ) -> Result<(SchemaRef, Vec<RecordBatch>, Statistics), QueryError> {
        let result = self.execute(statement).await?;
        let fields: Vec<Field> =
            result.columns.iter().map(|(name, column_type)| Field::new(name, column_type.arrow(), true)).collect();
        let schema = Arc::new(Schema::new(fields));
        let batches = result
            .batches
            .iter()
            .map(|batch| {
                // The plan's columns have names of their own.
                let columns = batch
                    .columns()
                    .iter()
                    .zip(schema.fields())
                    .map(|(column, field)| crate::functions::native::conform(column, field.data_type()))
                    .collect::<Result<Vec<_>, _>>()?;
                let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
                Ok(RecordBatch::try_new_with_options(Arc::clone(&schema), columns, &options)?)
            })
            .collect::<Result<Vec<_>, DataFusionError>>()
            .map_err(crate::error::of_datafusion)?;
        Ok((schema, batches, result.statistics))
    }

    async fn execute(&self, statement: &Statement) -> Result<Rows, QueryError> {
        let run = self.run_of(statement);
        self.on_its_threads(statement.timeout, run.stop.clone(), Arc::new(run).run()).await
    }

    fn run_of(&self, statement: &Statement) -> Run {
        Run {
            sql: statement.sql.as_str().to_owned(),
            meter: Arc::new(Meter::new(statement.max_scanned_bytes)),
            folder: self.folder.clone(),
            in_memory: self.in_memory.clone(),
            options: self.options.clone(),
            threads: threads(&self.options),
            stop: Stop::default(),
        }
    }

    /// Does work on the engine's own threads. It is told to `stop` when nobody waits for it any more, or after the timeout.
    async fn on_its_threads<T: Send + 'static>(
        &self,
        timeout: Option<Duration>,
        stop: Stop,
        work: impl Future<Output = Result<T, QueryError>> + Send + 'static,
    ) -> Result<T, QueryError> {
        let threads = self.threads.lock().clone();
        let runtime = threads.as_ref().and_then(|threads| threads.0.as_ref()).ok_or_else(|| {
            QueryError::Unavailable("the threads of the embedded engine could not be started".to_owned())
        })?;
        let task = Aborting { task: runtime.spawn(work), stop };
        let result = match timeout {
            None => task.await,
            Some(after) => {
                let alarm = Alarm::after(runtime, after);
                match futures::future::select(task, alarm).await {
                    Either::Left((result, _)) => result,
                    Either::Right(..) => {
                        // The statement may be where nothing interrupts it: the next one gets threads that are free.
                        *self.threads.lock() = Threads::start(&self.options);
                        return Err(QueryError::TimedOut { after });
                    }
                }
            }
        };
        match result {
            Ok(result) => result,
            Err(error) if error.is_cancelled() => Err(QueryError::Cancelled("the engine was closed".to_owned())),
            Err(error) => Err(QueryError::Failed(format!("a fault in the embedded engine: {error}"))),
        }
    }

    async fn describe(&self) -> Result<Vec<Table>, QueryError> {
        let relations = relations(self.folder.as_deref(), &self.in_memory)?;
        Ok(relations.iter().map(Relation::describe).collect())
    }
}

impl Engine for Embedded {
    fn run<'a>(&'a self, statement: &'a Statement) -> BoxFuture<'a, Result<Answer, QueryError>> {
        Box::pin(async move {
            let rows = self.execute(statement).await?;
            let number = self.runs.fetch_add(1, Ordering::Relaxed) + 1;
            Ok(Answer {
                query_id: format!("embedded-{number}"),
                rows: answer::rows(&rows.columns, &rows.batches, statement.nested)?,
                columns: rows
                    .columns
                    .into_iter()
                    .map(|(name, column_type)| Column { name, column_type: column_type.column_type() })
                    .collect(),
                statistics: rows.statistics,
                warnings: rows.warnings,
            })
        })
    }

    fn tables<'a>(&'a self) -> BoxFuture<'a, Result<Vec<Table>, QueryError>> {
        Box::pin(self.describe())
    }

    fn explain<'a>(&'a self, statement: &'a Statement) -> BoxFuture<'a, Result<String, QueryError>> {
        let run = self.run_of(statement);
        Box::pin(self.on_its_threads(statement.timeout, run.stop.clone(), Arc::new(run).explain()))
    }
}

fn threads(options: &Options) -> usize {
    let available = || std::thread::available_parallelism().map_or(1, Into::into);
    options.threads.unwrap_or_else(available).max(1)
}

/// A task that ends when nobody waits for it.
struct Aborting<T> {
    task: JoinHandle<T>,
    stop: Stop,
}

impl<T> Future for Aborting<T> {
    type Output = Result<T, JoinError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.task).poll(context)
    }
}

impl<T> Drop for Aborting<T> {
    fn drop(&mut self) {
        self.stop.set();
        self.task.abort();
    }
}

/// Goes off after a while. It waits on a thread of its own, as the others may be busy, and the caller's runtime may have no
/// clock.
struct Alarm {
    rings: oneshot::Receiver<()>,
    _dropped: mpsc::Sender<()>,
}

impl Alarm {
    fn after(runtime: &Runtime, after: Duration) -> Self {
        let (ring, rings) = oneshot::channel();
        let (_dropped, waits) = mpsc::channel::<()>();
        runtime.spawn_blocking(move || {
            if waits.recv_timeout(after) == Err(mpsc::RecvTimeoutError::Timeout) {
                let _ = ring.send(());
            }
        });
        Self { rings, _dropped }
    }
}

impl Future for Alarm {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        Pin::new(&mut self.rings).poll(context).map(|_| ())
    }
}

/// The tables in memory, then those of the folder that they do not hide.
fn relations(folder: Option<&Folder>, in_memory: &[Relation]) -> Result<Vec<Relation>, QueryError> {
    let mut relations = in_memory.to_vec();
    for relation in folder.map(Folder::relations).transpose()?.into_iter().flatten() {
        let hidden = |known: &Relation| known.database == relation.database && known.name == relation.name;
        if !relations.iter().any(hidden) {
            relations.push(relation);
        }
    }
    Ok(relations)
}

struct Rows {
    columns: Vec<(String, Type)>,
    batches: Vec<RecordBatch>,
    statistics: Statistics,
    warnings: Vec<Warning>,
}

/// One statement on its way.
struct Run {
    sql: String,
    meter: Arc<Meter>,
    folder: Option<Arc<Folder>>,
    in_memory: Vec<Relation>,
    options: Options,
    threads: usize,
    stop: Stop,
}

/// A statement that is planned.
struct PlannedRun {
    plan: Arc<dyn ExecutionPlan>,
    columns: Vec<(String, Type)>,
    warnings: Vec<Warning>,
    context: SessionContext,
    /// The plan's own memory, which counts as long as there is the plan.
    _memory: MemoryReservation,
}

impl Run {
    async fn run(self: Arc<Self>) -> Result<Rows, QueryError> {
        let started = Instant::now();
        let planned = Arc::clone(&self).planned().await?;
        let batches = collect(planned.plan, planned.context.task_ctx()).await.map_err(|error| self.error(error))?;
        Ok(Rows {
            columns: planned.columns,
            warnings: planned.warnings,
            batches,
            statistics: Statistics {
                scanned_bytes: self.meter.bytes(),
                scanned_objects: Some(self.meter.objects()),
                duration: started.elapsed(),
            },
        })
    }

    /// The physical plan as DataFusion prints it.
    async fn explain(self: Arc<Self>) -> Result<String, QueryError> {
        let planned = self.planned().await?;
        Ok(displayable(planned.plan.as_ref()).indent(false).to_string().trim_end().to_owned())
    }

    /// Planning does not yield, so that it has a thread of its own.
    async fn planned(self: Arc<Self>) -> Result<PlannedRun, QueryError> {
        let planned = tokio::task::spawn_blocking(move || self.plan()).await;
        planned
            .map_err(|error| QueryError::Failed(format!("a fault in the embedded engine while planning: {error}")))?
    }

    fn plan(&self) -> Result<PlannedRun, QueryError> {
        let relations = relations(self.folder.as_deref(), &self.in_memory)?;
        let planned = crate::analysis::plan(&self.sql, relations, &self.options.database, &self.stop)?;
        let context = self.context(planned.keeps).map_err(|error| self.error(error))?;
        let memory = MemoryConsumer::new("planning").register(&context.runtime_env().memory_pool);
        memory.try_grow(planned.memory).map_err(|_| {
            QueryError::Failed(format!(
                "planning the statement may need {} MB, more than a query may use here: allow more memory (--query-memory), or \
                 split the statement",
                planned.memory.div_ceil(1_000_000)
            ))
        })?;
        let state = context.state();
        let plan = tokio::runtime::Handle::current()
            .block_on(state.create_physical_plan(&planned.plan))
            .map_err(|error| self.error(error))?;
        self.stop.check()?;
        let (columns, warnings) = (planned.columns, planned.warnings);
        Ok(PlannedRun { plan, columns, warnings, context, _memory: memory })
    }

    /// A context for this statement alone, so that what it reads can be counted.
    fn context(&self, keeps: bool) -> Result<SessionContext, DataFusionError> {
        let mut config = SessionConfig::new()
            .with_target_partitions(self.threads)
            .with_information_schema(false)
            .with_create_default_catalog_and_schema(false);
        let options = config.options_mut();
        options.execution.parquet.pushdown_filters = true;
        options.execution.parquet.reorder_filters = true;
        options.execution.parquet.schema_force_view_types = false;
        options.execution.time_zone = Some("+00:00".to_owned());
        options.sql_parser.enable_ident_normalization = false;
        let mut disk = DiskManagerBuilder::default();
        if let Some(folder) = &self.options.spill_folder {
            disk = disk.with_mode(DiskManagerMode::Directories(vec![folder.clone()]));
        }
        let mut runtime = RuntimeEnvBuilder::new().with_disk_manager_builder(disk);
        if let Some(limit) = self.options.memory_limit {
            let limit = usize::try_from(limit).unwrap_or(usize::MAX);
            runtime = runtime.with_memory_pool(Arc::new(FairSpillPool::new(limit)));
        }
        if let Some(folder) = &self.folder {
            let caches = CacheManagerConfig::default().with_file_metadata_cache(Some(folder.footers()));
            runtime = runtime.with_cache_manager(caches);
        }
        let runtime = runtime.build_arc()?;
        if let Some(folder) = &self.folder {
            let url = url::Url::parse(STORE_URL).map_err(|error| DataFusionError::External(Box::new(error)))?;
            runtime.register_object_store(&url, self.meter.over(folder.store()));
        }
        let state = SessionStateBuilder::new()
            .with_config(config)
            .with_runtime_env(runtime)
            .with_default_features()
            .with_optimizer_rules(self.stop.between_rules(keeps))
            .with_physical_optimizer_rules(self.stop.between_physical_rules())
            .build();
        Ok(SessionContext::new_with_state(state))
    }

    fn error(&self, error: DataFusionError) -> QueryError {
        match self.meter.exceeded() {
            Some(limit) => QueryError::OverBudget { scanned: self.meter.bytes(), limit },
            None => crate::error::of_datafusion(error),
        }
    }
}
