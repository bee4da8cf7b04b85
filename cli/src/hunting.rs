//! Rules over a lake: what the commands that run rules have in common.

use std::collections::BTreeSet;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Args, ValueHint};
use detection::finding::{FindingContext, findings};
use detection::rule::{ParameterValues, Rule};
use detection::shipped_sources;
use detection::window::Timing;
use detection::{Catalog, Finding, Window, statement};
use jiff::Timestamp;
use query::{Engine, Statistics};
use serde_json::Value;
use sql::table::Table;
use tokio::runtime::Runtime;

use crate::engine::EngineArguments;
use crate::exit::Failure;
use crate::lake_arguments::runtime;
use crate::output::{Align, Output, Table as Lines, cut, harmless, instant};
use crate::period::Period;
use crate::rules::rules;

/// Which physical tables stand behind a rule's logical ones.
#[derive(Debug, Clone, Args)]
pub(crate) struct CatalogArguments {
    /// A catalog file: which tables stand behind logical ones, where their names do not tell
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    catalog: Option<PathBuf>,
}

impl CatalogArguments {
    /// The catalog of these tables. The sources of shipped mappings are known though they have no objects yet.
    pub(crate) fn catalog(&self, tables: &[Table]) -> Result<Catalog, Failure> {
        let database = tables.first().map_or("sluice", |table| table.database.as_str());
        let sources = shipped_sources().map_err(Failure::usage)?;
        let catalog = Catalog::of_tables(tables, &sources, database);
        let Some(file) = &self.catalog else { return Ok(catalog) };
        let name = file.display().to_string();
        let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {name}"))?;
        let read = Catalog::read_file(&text).and_then(|file| catalog.with_file(&file, tables));
        read.map_err(|error| Failure::Invalid(anyhow::Error::new(error).context(name)))
    }
}

/// Rules over a time that has passed.
pub(crate) struct Hunting {
    pub(crate) rules: Vec<Rule>,
    since: i64,
    until: i64,
    runtime: Runtime,
    engine: Box<dyn Engine>,
    catalog: Catalog,
    /// The most rows of a run that are made findings.
    limit: u64,
}

impl Hunting {
    /// The rules at these places, the shipped ones if there are none, over the engine's tables.
    pub(crate) fn new(
        places: &[PathBuf],
        period: &Period,
        catalog: &CatalogArguments,
        engine: &EngineArguments,
        limit: u64,
        output: &Output,
    ) -> Result<Self, Failure> {
        let Some(since) = period.since else {
            return Err(Failure::usage("give --since, the beginning of the time to look at"));
        };
        let until = period.end().unwrap_or_else(Timestamp::now);
        let rules = rules(places, output)?;
        let runtime = runtime()?;
        let engine = runtime.block_on(engine.open())?;
        let catalog = catalog.catalog(&runtime.block_on(engine.tables())?)?;
        let (since, until) = (since.as_millisecond(), until.as_millisecond());
        Ok(Self { rules, since, until, runtime, engine, catalog, limit })
    }

    /// Runs a rule over each of its windows. What one window found, the next ones do not find again.
    pub(crate) fn each_window(
        &self,
        rule: &Rule,
        mut each: impl FnMut(Hunted) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let mut seen = BTreeSet::new();
        for window in windows(rule, self.since, self.until) {
            let run = hunt(rule, window, &self.catalog, self.engine.as_ref(), self.limit);
            let mut hunted = self.runtime.block_on(run)?;
            hunted.findings.retain(|finding| seen.insert(finding.key.clone()));
            each(hunted)?;
        }
        Ok(())
    }
}

/// What a rule found in a window.
#[derive(Debug)]
pub(crate) struct Hunted {
    pub(crate) findings: Vec<Finding>,
    /// Whether there were more rows than are made findings.
    pub(crate) truncated: bool,
    pub(crate) statistics: Statistics,
}

/// Runs a rule over one window.
async fn hunt(
    rule: &Rule,
    window: Window,
    catalog: &Catalog,
    engine: &dyn Engine,
    max_rows: u64,
) -> Result<Hunted, Failure> {
    let context = || format!("rule `{}`", rule.title);
    let prepared = statement::build(rule, catalog, window, &ParameterValues::new(), max_rows)
        .map_err(|error| Failure::Invalid(anyhow::Error::new(error).context(context())))?;
    let answer = engine.run(&prepared.statement).await.map_err(|error| Failure::of_query(error).context(context()))?;
    let now = Timestamp::now().as_millisecond();
    let hits = prepared.hits(rule, &answer).map_err(|why| Failure::Invalid(anyhow::anyhow!(why)).context(context()))?;
    let rows = usize::try_from(max_rows).unwrap_or(usize::MAX);
    Ok(Hunted {
        findings: findings(rule, window, &hits, rows, now, &FindingContext::default()),
        truncated: answer.rows.len() > rows,
        statistics: answer.statistics,
    })
}

/// The windows that a rule has between two times, if it runs on schedule. Without a threshold one window gives the same rows.
fn windows(rule: &Rule, since: i64, until: i64) -> Vec<Window> {
    if rule.threshold.is_none() {
        return vec![Window { start: since, end: until }];
    }
    let timing = Timing::of(rule);
    let mut windows = Vec::new();
    let mut fire = rule.schedule.first_after(since);
    let mut watermark = since;
    while let Some(at) = fire.filter(|at| *at <= until) {
        if let Some(window) = timing.window(Some(watermark), at) {
            windows.push(Window { start: window.start.max(since), end: window.end });
            watermark = window.end;
        }
        fire = rule.schedule.first_after(at);
    }
    if watermark < until {
        windows.push(Window { start: (until - rule.lookback).max(since), end: until });
    }
    windows
}

/// A finding in a line: when, how bad, what, and the first of its rows.
pub(crate) struct FindingLines(Lines);

impl FindingLines {
    pub(crate) fn new() -> Self {
        Self(Lines::new(["TIME", "LEVEL", "RULE", "ROWS", "FIRST ROW"].map(|title| (title, Align::Left))))
    }

    pub(crate) fn add(&mut self, rule: &Rule, finding: &Finding) {
        let first = finding.rows.first().map(|row| {
            let cells = row.iter().filter(|(_, value)| !value.is_null());
            let cells = cells.map(|(name, value)| match value {
                Value::String(text) => format!("{name}={text}"),
                other => format!("{name}={other}"),
            });
            cells.collect::<Vec<_>>().join(" ")
        });
        self.0.row([
            instant(finding.first),
            rule.level.as_str().to_owned(),
            harmless(&rule.title).into_owned(),
            finding.rows.len().to_string(),
            cut(&harmless(&first.unwrap_or_default()), 110).into_owned(),
        ]);
    }

    pub(crate) fn write(&self, output: &Output) -> Result<(), Failure> {
        if self.0.is_empty() { Ok(()) } else { output.write(self.0.render("", output.data)) }
    }
}
