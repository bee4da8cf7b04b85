//! Starts what is due, collects what is done, publishes what was found.
//!
//! Nothing here waits for a query. [`Detector::start_due`] is called on a schedule, [`Detector::collect`] when a query has
//! changed its state; either may be called twice, at the same time, too late, or not at all for a while:
//!
//! ```text
//! decide   rules/<id>: the window, with a token made of rule, version and window       (conditional)
//! start    the engine; the same token gives the same query
//! note     queries/<query id>, then the query's id in rules/<id>                      (conditional)
//!          … the query runs …
//! claim    rules/<id>: somebody is publishing until a certain time                     (conditional)
//! publish  each finding that is not published yet, and mark it                        (publish first)
//! advance  rules/<id>: the watermark                                                  (conditional)
//! ```
//!
//! A crash between two steps repeats the first of them: nothing is lost. What is published twice, between publishing and
//! marking, has the same id, which a FIFO topic drops. A state change that never comes is made up for by the next
//! `start_due`, which asks for the state of what runs.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;

use query::{Answer, BoxFuture, Engine, QueryError, Statement};
use store::{Store, StoreError};
use uuid::Uuid;

use crate::catalog::{Absence, Catalog};
use crate::finding::{self, FindingContext, Keyed, Origin};
use crate::ledger::{Entry, News, Published, PublishedFinding};
use crate::message::{PublishError, Publisher};
use crate::rule::{Logic, ParameterValues, Rule};
use crate::shape::Shape;
use crate::state::{self, Kept, QueryOwner, RuleState, Run, StateError, bytes_of, finding_key, query_key, rule_key};
use crate::statement::{self, StatementError};
use crate::window::{self, Look, Position};

/// An engine as detections use it: a query is started now and asked for later.
pub trait Queries: fmt::Debug + Send + Sync {
    /// Starts a statement and gives the query's id. The same token gives the same query, whatever became of it.
    fn start<'a>(&'a self, statement: &'a Statement) -> BoxFuture<'a, Result<String, QueryError>>;

    /// What became of a query. An error says that this could not be found out.
    fn progress<'a>(&'a self, query_id: &'a str) -> BoxFuture<'a, Result<Progress, QueryError>>;

    /// Stops a query. That it has ended by itself is no error.
    fn cancel<'a>(&'a self, query_id: &'a str) -> BoxFuture<'a, Result<(), QueryError>>;
}

/// What became of a query.
#[derive(Debug, Clone, PartialEq)]
pub enum Progress {
    /// It waits or runs.
    Running {
        /// What it has read so far, in bytes.
        scanned_bytes: u64,
    },
    /// It is done.
    Done(Answer),
    /// It ended without an answer.
    Failed(QueryError),
}

/// [`Queries`] over an engine that answers at once, as the embedded one does. Answers are kept until they are asked for.
#[derive(Debug)]
pub struct RunToEnd {
    engine: Arc<dyn Engine>,
    done: Mutex<Vec<(String, Result<Answer, QueryError>)>>,
}

impl RunToEnd {
    /// Over this engine.
    pub fn new(engine: Arc<dyn Engine>) -> Self {
        Self { engine, done: Mutex::default() }
    }

    fn done(&self) -> std::sync::MutexGuard<'_, Vec<(String, Result<Answer, QueryError>)>> {
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
                // Of an earlier process: what it found is gone, so it has to be asked again.
                None => Ok(Progress::Failed(QueryError::Cancelled("the process that ran it has ended".to_owned()))),
            }
        })
    }

    fn cancel<'a>(&'a self, query_id: &'a str) -> BoxFuture<'a, Result<(), QueryError>> {
        self.done().retain(|(id, _)| id != query_id);
        Box::pin(async { Ok(()) })
    }
}

/// What a detector needs besides rules.
#[derive(Debug, Clone)]
pub struct Settings {
    /// How long whoever publishes may take before another tries, in milliseconds: more than a function's time limit.
    pub claim: i64,
    /// How many rows of an answer are made findings. A window that has more is looked at in parts; where it is not longer
    /// than the schedule's interval, the rest is cut off, with an alert.
    pub max_rows: u64,
    /// What findings say of the deployment.
    pub context: FindingContext,
    /// Values of parameters, by rule.
    pub parameters: std::collections::BTreeMap<Uuid, ParameterValues>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            claim: 16 * 60_000,
            max_rows: 1000,
            context: FindingContext::default(),
            parameters: std::collections::BTreeMap::new(),
        }
    }
}

/// A query that was started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Started {
    /// The rule's id.
    pub rule: Uuid,
    /// The query's id.
    pub query_id: String,
    /// What it looks at.
    pub window: crate::Window,
}

/// What became of a query that was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Collected {
    /// It belongs to no rule here, or to none any more.
    Unknown,
    /// It was collected before, or another took its place.
    Outdated,
    /// It is not done.
    Running,
    /// Somebody else is publishing what it found.
    Claimed,
    /// What it found is published, and the watermark stands at the end of its window.
    Published {
        /// The rule's id.
        rule: Uuid,
        /// What it looked at.
        window: crate::Window,
        /// Findings published now.
        published: u64,
        /// Rows that had been published before.
        repeated: u64,
        /// Findings that came later than the rule's `ingest_delay` allows for.
        late: Late,
        /// What it read, in bytes.
        scanned_bytes: u64,
        /// Whether there were more rows than are made findings.
        truncated: bool,
    },
    /// More was found than is published at a time. Nothing is published yet, and what the window was to look at is looked at
    /// in shorter ones.
    Narrowed {
        /// The rule's id.
        rule: Uuid,
        /// What it looked at.
        window: crate::Window,
    },
    /// It failed; an alert is published, and the same window will be tried again.
    Failed {
        /// The rule's id.
        rule: Uuid,
        /// What it looked at.
        window: crate::Window,
        /// Why.
        error: QueryError,
    },
}

/// Findings whose events reached the lake later than the rule's `ingest_delay`, when their time had been looked at already.
/// They were found because windows overlap further; others may not be found at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Late {
    /// How many.
    pub findings: u64,
    /// How long after its last event the latest of them was found, in milliseconds.
    pub most: i64,
}

/// What a call of [`Detector::start_due`] did.
#[derive(Debug, Default)]
pub struct Due {
    /// Queries started.
    pub started: Vec<Started>,
    /// Queries that were done without anybody saying so.
    pub collected: Vec<Collected>,
    /// Rules that could not be looked at. The next call tries again.
    pub faults: Vec<(Uuid, DetectError)>,
    /// For every active rule how far its watermark is behind, in milliseconds; `None` before its first run.
    pub lag: Vec<(Uuid, Option<i64>)>,
}

/// Why a step could not be taken. It is repeated by the next call.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DetectError {
    /// The state cannot be read or written.
    #[error("the state of detections cannot be used")]
    State(#[from] StateError),
    /// The engine cannot be asked.
    #[error(transparent)]
    Query(#[from] QueryError),
    /// A message was not taken.
    #[error(transparent)]
    Publish(#[from] PublishError),
    /// No statement can be made of the rule.
    #[error("rule {rule}: no query can be made of it")]
    Statement {
        /// The rule's title.
        rule: String,
        /// Why.
        source: StatementError,
    },
}

impl From<StoreError> for DetectError {
    fn from(error: StoreError) -> Self {
        Self::State(error.into())
    }
}

impl DetectError {
    /// Whether another run wrote the state first, so that it does the work.
    pub fn is_conflict(&self) -> bool {
        matches!(self, Self::State(StateError::Store(error)) if error.is_conflict())
    }

    /// Whether the next try may succeed without anybody changing anything.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::State(StateError::Store(error)) => error.is_transient() || error.is_conflict(),
            Self::State(_) | Self::Statement { .. } => false,
            Self::Query(error) => matches!(error, QueryError::Unavailable(_)),
            Self::Publish(error) => error.transient,
        }
    }
}

/// Runs rules. Times are given to it, in milliseconds since 1970.
#[derive(Debug)]
pub struct Detector {
    rules: Vec<Rule>,
    catalog: Catalog,
    queries: Arc<dyn Queries>,
    store: Arc<dyn Store>,
    publisher: Arc<dyn Publisher>,
    settings: Settings,
}

/// After a failure the next try waits for an interval, then twice as long, up to this.
const LONGEST_PAUSE: i64 = 6 * 3_600_000;

impl Detector {
    /// Over these rules; inactive ones are left out. `store` keeps the state.
    pub fn new(
        rules: Vec<Rule>,
        catalog: Catalog,
        queries: Arc<dyn Queries>,
        store: Arc<dyn Store>,
        publisher: Arc<dyn Publisher>,
        settings: Settings,
    ) -> Self {
        let rules = rules.into_iter().filter(Rule::is_active).collect();
        Self { rules, catalog, queries, store, publisher, settings }
    }

    /// Its rules.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// The rules that find nothing because none of their tables is there yet.
    pub fn rules_without_tables(&self) -> impl Iterator<Item = &Rule> {
        self.rules.iter().filter(|rule| !self.catalog.has_tables_of(rule))
    }

    /// Starts the query of every rule that is due at `now`, and collects those that are done although nobody said so. A
    /// rule that cannot be looked at does not hold up the others.
    pub async fn start_due(&self, now: i64) -> Due {
        let mut due = Due::default();
        for rule in &self.rules {
            self.look_at(rule, now, &mut due).await;
        }
        due
    }

    /// Takes the answer of a query, if it is done. What was due meanwhile is started; see [`Due::started`] of the next call,
    /// or [`Detector::start_due_of`].
    ///
    /// # Errors
    /// A step failed. Call again: what was done is not repeated, save a message whose mark could not be written.
    pub async fn collect(&self, query_id: &str, now: i64) -> Result<Collected, DetectError> {
        let owner: Option<QueryOwner> = state::find(&*self.store, &query_key(query_id)).await?;
        let Some(owner) = owner else { return Ok(Collected::Unknown) };
        let Some(rule) = self.rules.iter().find(|rule| rule.id.to_string() == owner.rule) else {
            return Ok(Collected::Unknown);
        };
        let kept: Kept<RuleState> = state::load(&*self.store, &rule_key(rule.id)).await?;
        match &kept.value.running {
            Some(run) if run.token == owner.token => self.collect_run(rule, &kept, &with_id(run, query_id), now).await,
            _ => {
                self.store.remove(&query_key(query_id)).await?;
                Ok(Collected::Outdated)
            }
        }
    }

    /// [`Detector::start_due`] for one rule, after one of its queries was collected: what it has to catch up goes on at once.
    pub async fn start_due_of(&self, rule: Uuid, now: i64) -> Due {
        let mut due = Due::default();
        if let Some(rule) = self.rules.iter().find(|other| other.id == rule) {
            self.look_at(rule, now, &mut due).await;
        }
        due
    }

    /// Starts a rule's query if it is due, and notes how far the rule is behind. One that waits until its events have arrived
    /// is behind since then.
    async fn look_at(&self, rule: &Rule, now: i64, due: &mut Due) {
        let shape = Shape::of(rule);
        let delay = if shape.waits(rule) { rule.ingest_delay } else { 0 };
        match self.start_rule(rule, shape, now, due).await {
            Ok(watermark) => due.lag.push((rule.id, watermark.map(|watermark| now - delay - watermark))),
            Err(error) => due.faults.push((rule.id, error)),
        }
    }

    /// Starts a rule's query if it is due, and gives its watermark.
    async fn start_rule(&self, rule: &Rule, shape: Shape, now: i64, due: &mut Due) -> Result<Option<i64>, DetectError> {
        let key = rule_key(rule.id);
        let mut kept: Kept<RuleState> = state::load(&*self.store, &key).await?;
        if let Some(run) = kept.value.running.clone().filter(|run| run.query_id.is_some()) {
            let collected = self.collect_run(rule, &kept, &run, now).await?;
            let ended = matches!(
                collected,
                Collected::Published { .. }
                    | Collected::Narrowed { .. }
                    | Collected::Failed { .. }
                    | Collected::Outdated
            );
            due.collected.push(collected);
            if !ended {
                return Ok(kept.value.watermark);
            }
            kept = state::load(&*self.store, &key).await?;
            if kept.value.running.as_ref().is_some_and(|run| run.query_id.is_some()) {
                return Ok(kept.value.watermark);
            }
        }
        let watermark = kept.value.watermark;
        let (look, attempt) = match &kept.value.running {
            // Decided before, but perhaps never started.
            Some(run) => (run.look, run.attempt),
            None => {
                if kept.value.not_before.is_some_and(|time| now < time) {
                    return Ok(watermark);
                }
                let position = position(&kept.value, kept.value.narrowed);
                let Some(look) = window::next(rule, shape, position, now) else { return Ok(watermark) };
                (look, kept.value.failures)
            }
        };
        let run = |token: String| Run {
            look,
            attempt,
            token,
            rule_version: rule.version(),
            started: now,
            query_id: None,
            publishing_until: None,
        };
        let tables = match self.tables_of(rule, &kept.value.tables) {
            Ok(tables) => tables,
            Err(why) => {
                due.collected.push(self.fail(rule, &kept, &run(String::new()), QueryError::Failed(why), now).await?);
                return Ok(watermark);
            }
        };
        let statement = self.prepare(rule, look)?.statement;
        let token = statement::token(rule, look.window, attempt, &statement.sql);
        let statement = Statement { token: Some(token.clone()), ..statement };
        let run = run(token.clone());
        if kept.value.running.as_ref().is_none_or(|running| running.token != token) {
            let next = RuleState { running: Some(run.clone()), tables, ..kept.value.clone() };
            kept = kept.replace(&*self.store, &key, next).await?;
        }
        let query_id = match self.queries.start(&statement).await {
            Ok(query_id) => query_id,
            Err(error @ QueryError::Unavailable(_)) => return Err(error.into()),
            Err(error) => {
                // The engine does not take it, and would not the next time.
                due.collected.push(self.fail(rule, &kept, &run, error, now).await?);
                return Ok(watermark);
            }
        };
        let owner = QueryOwner { rule: rule.id.to_string(), token };
        self.store.put(&query_key(&query_id), bytes_of(&owner)).await?;
        let next = RuleState { running: Some(with_id(&run, &query_id)), ..kept.value.clone() };
        match kept.replace(&*self.store, &key, next).await {
            // Another has started the same query, or collected it already.
            Err(error) if error.is_conflict() => return Ok(watermark),
            other => other?,
        };
        due.started.push(Started { rule: rule.id, query_id, window: look.window });
        Ok(watermark)
    }

    async fn collect_run(
        &self,
        rule: &Rule,
        kept: &Kept<RuleState>,
        run: &Run,
        now: i64,
    ) -> Result<Collected, DetectError> {
        let Some(query_id) = run.query_id.as_deref() else { return Ok(Collected::Running) };
        if run.publishing_until.is_some_and(|until| now < until) {
            return Ok(Collected::Claimed);
        }
        let progress = match self.queries.progress(query_id).await? {
            Progress::Running { scanned_bytes } => match rule.max_scanned_bytes {
                Some(limit) if scanned_bytes > limit => {
                    self.queries.cancel(query_id).await?;
                    Progress::Failed(QueryError::OverBudget { scanned: scanned_bytes, limit })
                }
                _ => return Ok(Collected::Running),
            },
            ended => ended,
        };
        let claimed = Run { publishing_until: Some(now + self.settings.claim), ..run.clone() };
        let key = rule_key(rule.id);
        let next = RuleState { running: Some(claimed.clone()), ..kept.value.clone() };
        let kept = match kept.replace(&*self.store, &key, next).await {
            Err(error) if error.is_conflict() => return Ok(Collected::Claimed),
            other => other?,
        };
        let done = match progress {
            Progress::Done(answer) => self.publish(rule, &kept, &claimed, &answer, now).await,
            Progress::Failed(error) => self.fail(rule, &kept, &claimed, error, now).await,
            Progress::Running { .. } => Ok(Collected::Running),
        };
        if done.is_err() {
            // Let the next call try at once. If this fails too, it waits until the claim has run out.
            let free = RuleState { running: Some(run.clone()), ..kept.value.clone() };
            let _ = kept.replace(&*self.store, &key, free).await;
        }
        done
    }

    /// The physical tables of a rule that are there.
    ///
    /// # Errors
    /// A table that was there `before`, or that the catalog expects, cannot be seen: what it holds would be looked for in vain.
    fn tables_of(&self, rule: &Rule, before: &[String]) -> Result<Vec<String>, String> {
        let mut tables = Vec::new();
        for logical in rule.sources() {
            // A name that stands for nothing is refused where the statement is made.
            for entry in self.catalog.tables(&logical) {
                let name = entry.table.qualified_name();
                if entry.exists {
                    tables.push(name);
                    continue;
                }
                let why = match entry.absence {
                    Absence::Fault => "the catalog expects it",
                    Absence::Unexplained if before.contains(&name) => "it was there before",
                    Absence::Unexplained | Absence::Allowed => continue,
                };
                return Err(format!(
                    "table {name} cannot be seen, and {why}. It was removed, or Lake Formation no longer lets this role see it. \
                     The rule waits until it is back, or until the catalog file says `no_data_yet: true` of it"
                ));
            }
        }
        tables.sort_unstable();
        tables.dedup();
        Ok(tables)
    }

    fn prepare(&self, rule: &Rule, look: Look) -> Result<statement::Prepared, DetectError> {
        let nothing = ParameterValues::new();
        let parameters = self.settings.parameters.get(&rule.id).unwrap_or(&nothing);
        statement::build(rule, &self.catalog, look, parameters, self.settings.max_rows)
            .map_err(|source| DetectError::Statement { rule: rule.title.clone(), source })
    }

    /// Publishes what an answer holds, and moves the watermark.
    async fn publish(
        &self,
        rule: &Rule,
        kept: &Kept<RuleState>,
        run: &Run,
        answer: &Answer,
        now: i64,
    ) -> Result<Collected, DetectError> {
        let max_rows = usize::try_from(self.settings.max_rows).unwrap_or(usize::MAX);
        let truncated = answer.rows.len() > max_rows;
        let shape = Shape::of(rule);
        if truncated && let Some(narrowed) = narrower(rule, shape, &kept.value, run.look.window) {
            return self.narrow(rule, kept, run, narrowed).await;
        }
        let hits = match rule.logic {
            Logic::Sql(_) => Cow::Borrowed(answer),
            // Another version of the pattern has other columns.
            Logic::Stix { .. } if run.rule_version != rule.version() => return self.give_up(rule, kept, run).await,
            Logic::Stix { .. } => match self.prepare(rule, run.look)?.hits(rule, answer) {
                Ok(hits) => Cow::Owned(hits.into_owned()),
                Err(why) => return self.fail(rule, kept, run, QueryError::Failed(why), now).await,
            },
        };
        let window = run.look.window;
        let settled = match shape.waits(rule) {
            true => window.end,
            false => window.end.min(run.started - rule.ingest_delay),
        };
        let origin = Origin { rule, window, answer: &hits, now, context: &self.settings.context };
        let (keys, repeated) =
            self.changes(rule, finding::keyed(rule, shape, run.look, &hits, max_rows), settled).await?;
        // What was looked at before, and has a finding only now, came later than the rule allows for.
        let is_same_rule = kept.value.rule_version.as_ref() == Some(&run.rule_version);
        let looked_at = kept.value.settled.filter(|_| is_same_rule);
        let (mut published, mut late) = (0, Late::default());
        for Changes { keyed, mut kept, entries } in keys {
            let key = finding_key(rule.id, &keyed.key);
            for entry in entries {
                if entry.news != News::Settled {
                    self.publisher.publish(&finding::finding(&origin, &keyed, &entry).message(rule)).await?;
                    published += 1;
                }
                let row = entry.rows.first().filter(|row| looked_at.is_some_and(|until| row.due <= until));
                if let (News::Created, Some(row)) = (entry.news, row) {
                    late.findings += 1;
                    late.most = late.most.max(run.started - row.last);
                }
                kept = kept.replace(&*self.store, &key, entry.after).await?;
            }
        }
        let scanned = answer.statistics.scanned_bytes;
        if let Some(limit) = rule.max_scanned_bytes.filter(|limit| scanned > *limit) {
            // It ended before anybody could stop it; what it found is good.
            self.alert(rule, kept, run, &QueryError::OverBudget { scanned, limit }, now).await?;
        }
        if truncated {
            let why = format!("more than {max_rows} rows; the rest was not looked at: make the rule narrower");
            self.alert(rule, kept, run, &QueryError::Failed(why), now).await?;
        }
        // Twice as much would still not be too much.
        let wide_enough = answer.rows.len() > max_rows / 2;
        let narrowed = if wide_enough { kept.value.narrowed } else { kept.value.narrowed.saturating_sub(1) };
        let next = RuleState {
            watermark: Some(window.end),
            narrowed,
            settled: Some(settled),
            rule_version: Some(run.rule_version.clone()),
            tables: kept.value.tables.clone(),
            ..RuleState::default()
        };
        match kept.replace(&*self.store, &rule_key(rule.id), next).await {
            Err(error) if error.is_conflict() => return Ok(Collected::Outdated),
            other => other?,
        };
        self.forget(run).await;
        let rule = rule.id;
        Ok(Collected::Published { rule, window, published, repeated, late, scanned_bytes: scanned, truncated })
    }

    /// What an answer's rows change, key by key, the earliest first, and how many of them were published before.
    async fn changes(&self, rule: &Rule, keys: Vec<Keyed>, settled: i64) -> Result<(Vec<Changes>, u64), DetectError> {
        let window = finding::dedupe_window(rule);
        let (mut changes, mut repeated) = (Vec::new(), 0);
        for mut keyed in keys {
            let kept: Kept<Published> = state::load(&*self.store, &finding_key(rule.id, &keyed.key)).await?;
            let rows = std::mem::take(&mut keyed.rows);
            let (entries, others) = kept.value.clone().take(rule.id, &keyed.key, rows, window, settled);
            repeated += others;
            changes.push(Changes { keyed, kept, entries });
        }
        changes.sort_by_key(|changes| changes.entries.first().and_then(|entry| Some(entry.rows.first()?.first)));
        Ok((changes, repeated))
    }

    /// Leaves a query's answer alone: its window is asked for in parts.
    async fn narrow(
        &self,
        rule: &Rule,
        kept: &Kept<RuleState>,
        run: &Run,
        narrowed: u32,
    ) -> Result<Collected, DetectError> {
        let next = RuleState { running: None, narrowed, ..kept.value.clone() };
        match kept.replace(&*self.store, &rule_key(rule.id), next).await {
            Err(error) if error.is_conflict() => return Ok(Collected::Outdated),
            other => other?,
        };
        self.forget(run).await;
        Ok(Collected::Narrowed { rule: rule.id, window: run.look.window })
    }

    /// Leaves a query's answer alone: its window is asked for again.
    async fn give_up(&self, rule: &Rule, kept: &Kept<RuleState>, run: &Run) -> Result<Collected, DetectError> {
        let next = RuleState { running: None, ..kept.value.clone() };
        match kept.replace(&*self.store, &rule_key(rule.id), next).await {
            Err(error) if !error.is_conflict() => return Err(error.into()),
            _ => {}
        }
        self.forget(run).await;
        Ok(Collected::Outdated)
    }

    /// Tells of a failure, and lets the window be tried again later.
    async fn fail(
        &self,
        rule: &Rule,
        kept: &Kept<RuleState>,
        run: &Run,
        error: QueryError,
        now: i64,
    ) -> Result<Collected, DetectError> {
        self.alert(rule, kept, run, &error, now).await?;
        let interval = rule.schedule.longest_interval().min(LONGEST_PAUSE);
        let failures = kept.value.failures.saturating_add(1);
        let pause = interval.saturating_mul(1 << failures.saturating_sub(1).min(16)).min(LONGEST_PAUSE);
        let next = RuleState {
            running: None,
            failures,
            // An interval less a moment, so that the next firing is not missed by the time this took.
            not_before: Some(now + pause - pause.min(interval) / 2),
            ..kept.value.clone()
        };
        match kept.replace(&*self.store, &rule_key(rule.id), next).await {
            Err(error) if error.is_conflict() => return Ok(Collected::Outdated),
            other => other?,
        };
        self.forget(run).await;
        Ok(Collected::Failed { rule: rule.id, window: run.look.window, error })
    }

    /// One alert a day for each kind of failure at each watermark.
    async fn alert(
        &self,
        rule: &Rule,
        kept: &Kept<RuleState>,
        run: &Run,
        error: &QueryError,
        now: i64,
    ) -> Result<(), DetectError> {
        let watermark = kept.value.watermark;
        let context = &self.settings.context;
        let alert = finding::alert(rule, run.look.window, watermark, run.query_id.as_deref(), error, now, context);
        let key = state::alert_key(rule.id, &alert.key);
        let kept: Kept<Published> = state::load(&*self.store, &key).await?;
        if kept.value.covers(alert.first, alert.last, Some(finding::ALERT_WINDOW)) {
            return Ok(());
        }
        self.publisher.publish(&alert.message(rule)).await?;
        let mut published = kept.value.clone();
        let (id, first, last) = (alert.id, alert.first, alert.last);
        published.add(PublishedFinding { id, first, last, provisional: false });
        kept.replace(&*self.store, &key, published).await?;
        Ok(())
    }

    /// Removes what says to whom a query belonged. If that fails, it is found to be outdated some day.
    async fn forget(&self, run: &Run) {
        if let Some(query_id) = &run.query_id {
            let _ = self.store.remove(&query_key(query_id)).await;
        }
    }
}

/// The rows of a key, what was published for it, and what changes.
struct Changes {
    keyed: Keyed,
    kept: Kept<Published>,
    entries: Vec<Entry>,
}

fn position(state: &RuleState, narrowed: u32) -> Position {
    let halved = state.failures.saturating_add(narrowed);
    Position { watermark: state.watermark, settled: state.settled, halved }
}

/// How often windows have to be halved so that the next one ends before this one, if any does.
fn narrower(rule: &Rule, shape: Shape, state: &RuleState, window: crate::Window) -> Option<u32> {
    // Rules that wait look at what has arrived by then.
    let now = if shape.waits(rule) { window.end + rule.ingest_delay } else { window.end };
    let end = |narrowed| Some(window::next(rule, shape, position(state, narrowed), now)?.window.end);
    (state.narrowed.saturating_add(1)..=62).find(|narrowed| end(*narrowed).is_some_and(|end| end < window.end))
}

fn with_id(run: &Run, query_id: &str) -> Run {
    Run { query_id: Some(query_id.to_owned()), ..run.clone() }
}
