//! Starts the queries that are due, collects their answers, publishes the findings.
//!
//! No call waits for a query. [`Detector::start_due`] is called on a schedule, [`Detector::collect`] when a query has changed
//! its state. Both may be called twice, concurrently, late, or not at all for a while. State is kept in objects of a store,
//! and most steps write conditionally:
//!
//! ```text
//! decide   rules/<id>: the window, with a token made of rule, version and window       (conditional)
//! start    the engine; the same token returns the same query
//! note     queries/<query id>, then the query's id in rules/<id>                      (conditional)
//!          … the query runs …
//! claim    rules/<id>: a lease on publishing                                          (conditional)
//! publish  each finding that is not published yet, then mark it as published
//! advance  rules/<id>: the watermark                                                  (conditional)
//! ```
//!
//! After a crash the next call repeats the step that was not finished, so nothing is lost. A crash between publishing and
//! marking publishes a finding twice, with the same id; a FIFO topic drops the second. If a state change event never comes,
//! the next `start_due` asks the engine for the query's state.

mod outcome;
mod queries;
mod start;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use query::{Answer, QueryError};
use store::Store;
use uuid::Uuid;

use crate::catalog::{Absence, Catalog};
use crate::finding::{self, FindingContext, Keyed, Origin};
use crate::ledger::{Entry, News, Published, PublishedFinding};
use crate::message::Publisher;
use crate::rule::{Logic, ParameterValues, Rule};
use crate::shape::Shape;
use crate::state::{self, Kept, QueryOwner, RuleState, Run, finding_key, query_key, rule_key};
use crate::statement;
use crate::window::{self, Look, Position};

pub use outcome::{Collected, Collection, DetectError, Due, Late, Started};
pub use queries::{Progress, Queries, RunToEnd};

/// Settings of a detector.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Length of the lease on publishing, in milliseconds. It must be longer than a function's timeout.
    pub claim: i64,
    /// The most rows of an answer that become findings. A window with more rows is split. If it is no longer than the
    /// schedule interval, the other rows are left out, with an alert.
    pub max_rows: u64,
    /// The deployment, as findings name it.
    pub context: FindingContext,
    /// Values of parameters other than the defaults, by the id of the rule.
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

/// Runs rules. The caller passes the current time, in milliseconds since 1970.
#[derive(Debug)]
pub struct Detector {
    rules: Vec<Rule>,
    catalog: Catalog,
    queries: Arc<dyn Queries>,
    store: Arc<dyn Store>,
    publisher: Arc<dyn Publisher>,
    settings: Settings,
}

/// After a failure a rule pauses for one schedule interval, then twice as long each time, up to this.
const LONGEST_PAUSE: i64 = 6 * 3_600_000;

/// For this time after a shared statement has failed, its rules have statements of their own.
const SEPARATED: i64 = 6 * 3_600_000;

impl Detector {
    /// Leaves out inactive rules, and those that run on demand. `store` keeps the state.
    pub fn new(
        rules: Vec<Rule>,
        catalog: Catalog,
        queries: Arc<dyn Queries>,
        store: Arc<dyn Store>,
        publisher: Arc<dyn Publisher>,
        settings: Settings,
    ) -> Self {
        let rules = rules.into_iter().filter(Rule::is_scheduled).collect();
        Self { rules, catalog, queries, store, publisher, settings }
    }

    /// The active rules.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// The rules that find nothing because none of their tables exists yet.
    pub fn rules_without_tables(&self) -> impl Iterator<Item = &Rule> {
        self.rules.iter().filter(|rule| !self.catalog.has_tables_of(rule))
    }

    /// Starts the queries that are due at `now`, and collects those that have ended without a state change event. A rule that
    /// fails does not stop the others.
    ///
    /// `only` limits the call to some rules. Call it so after [`Detector::collect`], for rules that are behind their schedule.
    /// Once `has_time` returns false, no other rule is checked and no other query is started; the next call begins with
    /// other rules.
    pub async fn start_due(&self, only: Option<&[Uuid]>, now: i64, has_time: &(dyn Fn() -> bool + Sync)) -> Due {
        let mut due = Due::default();
        let mut answers = Answers::default();
        let mut pending = Vec::new();
        let first = usize::try_from(now / 60_000).unwrap_or_default() % self.rules.len().max(1);
        let (before, after) = self.rules.split_at(first);
        for rule in after.iter().chain(before).filter(|rule| only.is_none_or(|only| only.contains(&rule.id))) {
            if !has_time() {
                due.deferred += 1;
                continue;
            }
            pending.extend(self.decide_if_due(rule, now, &mut due, &mut answers).await);
        }
        let separated = self.start_pending(pending, now, &mut due, has_time).await;
        let mut pending = Vec::new();
        for rule in self.rules.iter().filter(|rule| separated.contains(&rule.id)) {
            pending.extend(self.decide_if_due(rule, now, &mut due, &mut answers).await);
        }
        self.start_pending(pending, now, &mut due, has_time).await;
        due
    }

    /// Publishes the findings of a query, if it has ended. It starts no other query.
    ///
    /// # Errors
    /// The query's rules cannot be found out. Call again: finished steps are not repeated, except a message whose mark could
    /// not be written.
    pub async fn collect(&self, query_id: &str, now: i64) -> Result<Collection, DetectError> {
        let mut collection = Collection::default();
        let owner: Option<QueryOwner> = state::find(&*self.store, &query_key(query_id)).await?;
        let owners = owner.iter().flat_map(|owner| std::iter::once(&owner.rule).chain(&owner.others));
        let rules: Vec<&Rule> =
            owners.filter_map(|id| self.rules.iter().find(|rule| rule.id.to_string() == *id)).collect();
        let Some(owner) = owner.filter(|_| !rules.is_empty()) else {
            collection.collected.push(Collected::Unknown);
            return Ok(collection);
        };
        let mut answers = Answers::default();
        for rule in rules {
            match self.collect_of(rule, query_id, &owner.token, now, &mut answers).await {
                Ok(collected) => collection.collected.push(collected),
                Err(error) => collection.faults.push((rule.id, error)),
            }
        }
        let is_open = |collected: &Collected| matches!(collected, Collected::Running | Collected::Claimed);
        if collection.faults.is_empty() && !collection.collected.iter().any(is_open) {
            // If that fails, the record stays, and collecting the query reports it as outdated.
            let _ = self.store.remove(&query_key(query_id)).await;
        }
        Ok(collection)
    }

    async fn collect_of(
        &self,
        rule: &Rule,
        query_id: &str,
        token: &str,
        now: i64,
        answers: &mut Answers,
    ) -> Result<Collected, DetectError> {
        let kept: Kept<RuleState> = state::load(&*self.store, &rule_key(rule.id)).await?;
        match &kept.value.running {
            Some(run) if run.token == token => {
                self.collect_run(rule, &kept, &with_id(run, query_id), now, answers).await
            }
            _ => Ok(Collected::Outdated),
        }
    }

    async fn collect_run(
        &self,
        rule: &Rule,
        kept: &Kept<RuleState>,
        run: &Run,
        now: i64,
        answers: &mut Answers,
    ) -> Result<Collected, DetectError> {
        let Some(query_id) = run.query_id.as_deref() else { return Ok(Collected::Running) };
        if run.publishing_until.is_some_and(|until| now < until) {
            return Ok(Collected::Claimed);
        }
        let limit = run.part.as_ref().map_or(rule.max_scanned_bytes, |part| part.max_scanned_bytes);
        let progress = match answers.progress(&*self.queries, query_id).await? {
            Progress::Running { scanned_bytes } => match limit {
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
        let done = match (progress, &run.part) {
            (Progress::Done(answer), None) => self.publish(rule, &kept, &claimed, &answer, now).await,
            (Progress::Done(answer), Some(part)) => match part.of(&answer) {
                Some(own) => self.publish(rule, &kept, &claimed, &own, now).await,
                None => self.separate(rule, &kept, &claimed, None, now).await,
            },
            (Progress::Failed(error), None) => self.fail(rule, &kept, &claimed, error, now).await,
            (Progress::Failed(error), Some(_)) => self.separate(rule, &kept, &claimed, Some(error), now).await,
            (Progress::Running { .. }, _) => Ok(Collected::Running),
        };
        if done.is_err() {
            // Release the lease, so that the next call can retry at once. If that fails too, the lease must expire first.
            let free = RuleState { running: Some(run.clone()), ..kept.value.clone() };
            let _ = kept.replace(&*self.store, &key, free).await;
        }
        done
    }

    /// The existing physical tables of a rule.
    ///
    /// # Errors
    /// A table is missing that existed at the last run (`before`) or that the catalog expects. Without it, the rule would find
    /// nothing and nobody would notice.
    fn tables_of(&self, rule: &Rule, before: &[String]) -> Result<Vec<String>, MissingTable> {
        let mut tables = Vec::new();
        for logical in rule.sources() {
            // An unknown logical table fails later, when the statement is built.
            for entry in self.catalog.tables(logical) {
                let name = entry.table.qualified_name();
                if entry.exists {
                    tables.push(name);
                    continue;
                }
                let why = match entry.absence {
                    Absence::Fault => "the catalog expects it",
                    Absence::Unexplained if before.contains(&name) => "it existed at the last run",
                    Absence::Unexplained | Absence::Allowed => continue,
                };
                return Err(MissingTable { name, why });
            }
        }
        tables.sort_unstable();
        tables.dedup();
        Ok(tables)
    }

    fn parameters_of(&self, rule: &Rule) -> &ParameterValues {
        static NONE: ParameterValues = ParameterValues::new();
        self.settings.parameters.get(&rule.id).unwrap_or(&NONE)
    }

    fn prepare(&self, rule: &Rule, look: Look) -> Result<statement::Prepared, DetectError> {
        statement::build(rule, &self.catalog, look, self.parameters_of(rule), self.settings.max_rows)
            .map_err(|source| DetectError::Statement { rule: rule.title.clone(), source })
    }

    /// Publishes the findings of an answer, and advances the watermark.
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
            // The rule was changed meanwhile, and the new pattern may expect other columns.
            Logic::Stix { .. } if run.rule_version != rule.version() => return self.repeat(rule, kept, run).await,
            Logic::Stix { .. } => match self.prepare(rule, run.look)?.hits(rule, answer) {
                Ok(hits) => Cow::Owned(hits.into_owned()),
                Err(error) => return self.fail(rule, kept, run, QueryError::Failed(error.to_string()), now).await,
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
        // A new finding in a time that an earlier run covered after its events should have settled: they came late.
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
            // It ended before it could be cancelled. Its findings are valid.
            self.alert(rule, kept, run, &QueryError::OverBudget { scanned, limit }, now).await?;
        }
        if truncated {
            let why = format!("more than {max_rows} rows; the others were left out: make the rule narrower");
            self.alert(rule, kept, run, &QueryError::Failed(why), now).await?;
        }
        // With at most half the rows, a window of twice the length should fit.
        let wide_enough = answer.rows.len() > max_rows / 2;
        let narrowed = if wide_enough { kept.value.narrowed } else { kept.value.narrowed.saturating_sub(1) };
        let next = RuleState {
            watermark: Some(window.end),
            narrowed,
            settled: Some(settled),
            rule_version: Some(run.rule_version.clone()),
            tables: kept.value.tables.clone(),
            alone_until: kept.value.alone_until.filter(|until| *until > now),
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

    /// What is new in an answer's rows, by key, earliest first; and the number of rows that were published before.
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

    /// Discards an answer, so that shorter windows cover the same time.
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

    /// Discards the outcome of a shared statement, so that the rule queries the same window with a statement of its own.
    async fn separate(
        &self,
        rule: &Rule,
        kept: &Kept<RuleState>,
        run: &Run,
        error: Option<QueryError>,
        now: i64,
    ) -> Result<Collected, DetectError> {
        let next = RuleState { running: None, alone_until: Some(now + SEPARATED), ..kept.value.clone() };
        match kept.replace(&*self.store, &rule_key(rule.id), next).await {
            Err(conflict) if conflict.is_conflict() => return Ok(Collected::Outdated),
            other => other?,
        };
        Ok(Collected::Separated { rule: rule.id, window: run.look.window, error })
    }

    /// Discards an answer, so that the same window is queried again.
    async fn repeat(&self, rule: &Rule, kept: &Kept<RuleState>, run: &Run) -> Result<Collected, DetectError> {
        let next = RuleState { running: None, ..kept.value.clone() };
        match kept.replace(&*self.store, &rule_key(rule.id), next).await {
            Err(error) if !error.is_conflict() => return Err(error.into()),
            _ => {}
        }
        self.forget(run).await;
        Ok(Collected::Outdated)
    }

    /// Publishes an alert about a failure, and schedules a retry of the window.
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
            // Half an interval shorter, so that the retry does not just miss a run of the schedule.
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

    /// Publishes an alert: at most one a day for each kind of failure and watermark.
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

    /// Removes the record of a query's owner. If that fails, the record stays, and collecting the query reports it as outdated.
    /// The record of a shared query stays until all of its rules are collected.
    async fn forget(&self, run: &Run) {
        if let (Some(query_id), None) = (&run.query_id, &run.part) {
            let _ = self.store.remove(&query_key(query_id)).await;
        }
    }
}

/// Answers that were fetched already, by query id: each rule of a shared statement needs the same one.
#[derive(Debug, Default)]
struct Answers(BTreeMap<String, Progress>);

impl Answers {
    async fn progress(&mut self, queries: &dyn Queries, query_id: &str) -> Result<Progress, QueryError> {
        if let Some(known) = self.0.get(query_id) {
            return Ok(known.clone());
        }
        let progress = queries.progress(query_id).await?;
        self.0.insert(query_id.to_owned(), progress.clone());
        Ok(progress)
    }
}

/// A table whose absence is a fault.
#[derive(Debug, thiserror::Error)]
#[error(
    "table {name} is missing, but {why}. It was removed, or Lake Formation hides it from this role. The rule waits until the table \
     is back, or has `no_data_yet: true` in the catalog file"
)]
struct MissingTable {
    name: String,
    why: &'static str,
}

/// The rows of one key, what was published for it, and what is new.
struct Changes {
    keyed: Keyed,
    kept: Kept<Published>,
    entries: Vec<Entry>,
}

fn position(state: &RuleState, narrowed: u32) -> Position {
    let halved = state.failures.saturating_add(narrowed);
    Position { watermark: state.watermark, settled: state.settled, halved }
}

/// How often windows must be halved so that the next one ends before this one; `None` if none does.
fn narrower(rule: &Rule, shape: Shape, state: &RuleState, window: crate::Window) -> Option<u32> {
    // A rule that waits looks at a window only `ingest_delay` after its end.
    let now = if shape.waits(rule) { window.end + rule.ingest_delay } else { window.end };
    let end = |narrowed| Some(window::next(rule, shape, position(state, narrowed), now)?.window.end);
    (state.narrowed.saturating_add(1)..=62).find(|narrowed| end(*narrowed).is_some_and(|end| end < window.end))
}

fn with_id(run: &Run, query_id: &str) -> Run {
    Run { query_id: Some(query_id.to_owned()), ..run.clone() }
}
