//! Evaluates a rule over the past: what it would have published if it had run by its schedule since then.
//!
//! `hunt`, `backtest` and the tests of rules use this. The findings are those of [`crate::detector`] over the same events:
//! the same scheduled windows, thresholds and keys, regardless of late events and missed runs. Most rules need only one
//! statement, see [`Shape`].

use std::borrow::Cow;
use std::collections::BTreeMap;

use query::{Answer, Engine, QueryError, Statement, Statistics};
use serde_json::Value as Json;
use translation::SettleError;
use uuid::Uuid;

use crate::catalog::Catalog;
use crate::finding::{self, Finding, FindingContext, Origin};
use crate::ledger::Published;
use crate::rule::{ParameterValues, Rule};
use crate::shape::Shape;
use crate::shared::{self, Part, Question};
use crate::statement::{self, StatementError};
use crate::window::{Ends, Look, Window};

/// Runs rules over the past.
#[derive(Debug, Clone, Copy)]
pub struct Hunt<'a> {
    /// Runs the statements.
    pub engine: &'a dyn Engine,
    /// The tables to search.
    pub catalog: &'a Catalog,
    /// Values of parameters other than the defaults.
    pub parameters: &'a ParameterValues,
    /// The most rows of a statement that are read.
    pub max_rows: u64,
    /// The deployment, as findings name it.
    pub context: &'a FindingContext,
    /// What shared statements answered already.
    pub shared: &'a SharedAnswers,
}

/// Answers of rules that shared a statement, by the rule's id.
#[derive(Debug, Default)]
pub struct SharedAnswers {
    answers: BTreeMap<Uuid, Answer>,
    /// The statements that were run.
    pub statements: u64,
}

/// The findings of a rule, and what they cost.
#[derive(Debug, Default)]
pub struct Found {
    /// The findings, the earliest first.
    pub findings: Vec<Finding>,
    /// Whether rows beyond the limit were left out.
    pub truncated: bool,
    /// Number of statements for this rule. One that it shares counts.
    pub statements: u64,
    /// Whether it shares its statement with other rules.
    pub is_shared: bool,
    /// Sum over all statements; of a shared statement, the rule's share.
    pub statistics: Statistics,
}

/// Why a rule has no findings to report.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HuntError {
    /// Its statement cannot be built.
    #[error(transparent)]
    Statement(#[from] StatementError),
    /// The engine failed.
    #[error(transparent)]
    Query(#[from] QueryError),
    /// The engine's answer cannot be read.
    #[error(transparent)]
    Answer(#[from] SettleError),
    /// The rule needs one statement per window, and the time has too many windows.
    #[error(
        "this rule needs one query per window, and this time range has more than {MOST_WINDOWS} windows; choose a shorter one"
    )]
    TooManyWindows,
}

impl HuntError {
    /// Whether the rule is the cause, and not the engine.
    pub fn is_of_rule(&self) -> bool {
        match self {
            Self::Statement(_) | Self::Answer(_) | Self::TooManyWindows => true,
            Self::Query(error) => error.is_of_statement(),
        }
    }
}

/// The most statements of one rule.
const MOST_WINDOWS: usize = 100_000;
/// The most runs of a cron expression that one statement lists: about 60,000 bytes.
const RUNS_OF_A_STATEMENT: usize = 4_000;
/// The most rows that groups in overlapping windows may take.
const MOST_ROWS: u64 = 1_000_000;
const DAY: i64 = 86_400_000;

impl Hunt<'_> {
    /// Runs the statements that rules can share. A statement that fails answers nothing: each of its rules has a statement
    /// of its own then, which says what is wrong. `progress` is told how many of how many statements are done.
    pub async fn share(
        &self,
        rules: &[(&Rule, &ParameterValues)],
        window: Window,
        progress: &mut (dyn FnMut(u64, u64) + Send),
    ) -> SharedAnswers {
        let catalog = self.catalog;
        let rules = rules.iter().filter(|(rule, _)| catalog.has_tables_of(rule));
        let questions: Vec<Question<'_>> =
            rules.map(|(rule, parameters)| Question { rule, look: window.into(), parameters }).collect();
        let statements = shared::statements(&questions, catalog, self.max_rows);
        let total = statements.len() as u64;
        let mut shared = SharedAnswers::default();
        for (done, statement) in (0..).zip(statements) {
            progress(done, total);
            let Ok(answer) = self.engine.run(&statement.statement).await else { continue };
            shared.statements += 1;
            let own = |(question, part): &(Question<'_>, Part)| Some((question.rule.id, part.of(&answer)?));
            shared.answers.extend(statement.questions.iter().filter_map(own));
        }
        shared
    }

    /// Runs a rule over the events of `window`. `progress` gets the number of finished statements and the total.
    ///
    /// # Errors
    /// [`HuntError`]
    pub async fn rule(
        &self,
        rule: &Rule,
        window: Window,
        now: i64,
        progress: &mut (dyn FnMut(u64, u64) + Send),
    ) -> Result<Found, HuntError> {
        let mut past =
            Past { hunt: self, rule, shape: Shape::of(rule), now, found: Found::default(), keys: BTreeMap::new() };
        let has_tables = self.catalog.has_tables_of(rule);
        let looks = match past.shape {
            // Without tables there are no rows. Build the statement anyway, so that an invalid rule fails.
            Shape::Rows | Shape::Pairs | Shape::Groups if !has_tables => {
                statement::build(rule, self.catalog, window, self.parameters, self.max_rows)?;
                Vec::new()
            }
            Shape::Rows | Shape::Pairs => vec![window.into()],
            Shape::Groups => past.counted(window).await?,
            Shape::Windows => past.one_by_one(window, has_tables).await?,
        };
        let total = looks.len() as u64;
        for (done, look) in (0..).zip(looks) {
            progress(done, total);
            past.look(look).await?;
        }
        progress(total, total);
        past.found.findings.sort_by(|a, b| (a.first, &a.id).cmp(&(b.first, &b.id)));
        Ok(past.found)
    }
}

/// A rule while it is evaluated over the past.
struct Past<'h> {
    hunt: &'h Hunt<'h>,
    rule: &'h Rule,
    shape: Shape,
    now: i64,
    found: Found,
    /// Published findings, by key.
    keys: BTreeMap<String, Published>,
}

impl Past<'_> {
    /// Runs one look, and adds the new findings.
    async fn look(&mut self, look: Look) -> Result<(), HuntError> {
        let (given, hits) = self.ask(look).await?;
        let rows = usize::try_from(self.max_rows()).unwrap_or(usize::MAX);
        self.found.truncated |= given > rows;
        let (rule, now) = (self.rule, self.now);
        let origin = Origin { rule, window: look.window, answer: &hits, now, context: self.hunt.context };
        for mut keyed in finding::keyed(rule, self.shape, look, &hits, rows) {
            let published = self.keys.entry(keyed.key.clone()).or_default();
            let rows = std::mem::take(&mut keyed.rows);
            let (entries, _) = published.take(rule.id, &keyed.key, rows, finding::dedupe_window(rule), i64::MAX);
            self.found.findings.extend(entries.iter().map(|entry| finding::finding(&origin, &keyed, entry)));
        }
        Ok(())
    }

    /// The engine's number of rows, and the rule's rows.
    async fn ask(&mut self, look: Look) -> Result<(usize, Answer), HuntError> {
        let Hunt { catalog, parameters, .. } = *self.hunt;
        if let Some(answer) = self.hunt.shared.answers.get(&self.rule.id) {
            self.found.is_shared = true;
            self.count(answer);
            return Ok((answer.rows.len(), answer.clone()));
        }
        let prepared = statement::build(self.rule, catalog, look, parameters, self.max_rows())?;
        let answer = self.run(&prepared.statement).await?;
        let hits = match prepared.hits(self.rule, &answer)? {
            Cow::Owned(hits) => Some(hits),
            Cow::Borrowed(_) => None,
        };
        Ok((answer.rows.len(), hits.unwrap_or(answer)))
    }

    async fn run(&mut self, statement: &Statement) -> Result<Answer, HuntError> {
        let answer = self.hunt.engine.run(statement).await?;
        self.count(&answer);
        Ok(answer)
    }

    fn count(&mut self, answer: &Answer) {
        self.found.statements += 1;
        self.found.statistics.scanned_bytes += answer.statistics.scanned_bytes;
        self.found.statistics.duration += answer.statistics.duration;
    }

    /// The most rows to read. A group has a row in every window that contains its events.
    fn max_rows(&self) -> u64 {
        let Self { rule, hunt: Hunt { max_rows, .. }, .. } = self;
        let interval = rule.schedule.rate().unwrap_or(rule.lookback).max(1);
        match self.shape {
            Shape::Groups => {
                let windows = u64::try_from(rule.lookback / interval).unwrap_or(1).max(1);
                max_rows.saturating_mul(windows).min((*max_rows).max(MOST_ROWS))
            }
            _ => *max_rows,
        }
    }

    /// All scheduled windows that overlap this time.
    fn ends(&self, window: Window) -> Ends {
        Ends { after: window.start, until: window.end.saturating_add(self.rule.lookback) - 1 }
    }

    /// The looks of a rule with groups. A rate needs one statement. The runs of a cron expression are listed: all of them if
    /// they are few, else those with data.
    async fn counted(&mut self, window: Window) -> Result<Vec<Look>, HuntError> {
        let (rule, ends) = (self.rule, self.ends(window));
        let few = || ends.of(&rule.schedule).take(RUNS_OF_A_STATEMENT + 1).count() <= RUNS_OF_A_STATEMENT;
        if rule.schedule.rate().is_some() || few() {
            return Ok(vec![Look { window, ends: Some(ends) }]);
        }
        let runs = self.runs_with_data(window, DAY).await?.unwrap_or_else(|| ends.of(&rule.schedule).collect());
        // A statement lists all runs from its first to its last, so that no run belongs to two statements. It does not extend
        // across a time without data.
        let follows = |one: &i64, next: &i64| rule.schedule.first_after(*one) == Some(*next);
        let together = runs.chunk_by(follows).flat_map(|runs| runs.chunks(RUNS_OF_A_STATEMENT));
        let looks = together.filter_map(|runs| {
            let (first, until) = (*runs.first()?, *runs.last()?);
            let window = Window { start: (first - rule.lookback).max(window.start), end: window.end.min(until) };
            Some(Look { window, ends: Some(Ends { after: first - 1, until }) })
        });
        Ok(looks.collect())
    }

    /// The scheduled windows with data. All scheduled windows, if the rule returns rows for an empty one.
    async fn one_by_one(&mut self, window: Window, has_tables: bool) -> Result<Vec<Look>, HuntError> {
        let (rule, ends) = (self.rule, self.ends(window));
        let scheduled = |run: i64| Window { start: (run - rule.lookback).max(window.start), end: run.min(window.end) };
        let with_data = match has_tables {
            true => self.runs_with_data(window, rule.schedule.rate().unwrap_or(DAY).min(DAY)).await?,
            false => Some(Vec::new()),
        };
        let empty = with_data.as_ref().and_then(|with_data| {
            ends.of(&rule.schedule).find(|run| with_data.binary_search(run).is_err()).map(scheduled)
        });
        let finds_something_in_nothing = match empty {
            Some(empty) => !self.ask(empty.into()).await?.1.rows.is_empty(),
            None => false,
        };
        let runs = match with_data {
            Some(with_data) if !finds_something_in_nothing => with_data,
            _ => ends.of(&rule.schedule).take(MOST_WINDOWS + 1).collect(),
        };
        if runs.len() > MOST_WINDOWS {
            return Err(HuntError::TooManyWindows);
        }
        Ok(runs.into_iter().map(|run| scheduled(run).into()).collect())
    }

    /// The runs whose windows contain data, to the precision of `bucket` milliseconds. `None` if a table has no `time`.
    async fn runs_with_data(&mut self, window: Window, bucket: i64) -> Result<Option<Vec<i64>>, HuntError> {
        let Some(statements) = statement::times(self.rule, self.hunt.catalog, window, bucket)? else { return Ok(None) };
        let mut buckets: Vec<i64> = Vec::new();
        for statement in statements {
            let answer = self.run(&Statement::new(statement)).await?;
            buckets.extend(answer.rows.iter().filter_map(|row| row.first().and_then(Json::as_i64)));
        }
        buckets.sort_unstable();
        let (rule, ends) = (self.rule, self.ends(window));
        let mut runs: Vec<i64> = Vec::new();
        for start in buckets {
            let after = runs.last().copied().unwrap_or(i64::MIN).max(start).max(ends.after);
            let until = ends.until.min(start.saturating_add(bucket + rule.lookback));
            runs.extend(rule.schedule.runs(after, until));
        }
        Ok(Some(runs))
    }
}
