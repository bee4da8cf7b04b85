//! `sluice detect backtest`: how noisy rules would have been.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::ValueHint;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Serialize;

use crate::engine::EngineArguments;
use crate::exit::{Outcome, Verdict};
use crate::hunting::{CatalogArguments, Hunting};
use crate::output::{Align, Output, ResultFormat, Table, count, harmless, size};
use crate::period::Period;

/// Count what rules would have found, day by day
///
/// Runs each rule over the past as its schedule would have, and counts findings by the UTC day of their first event:
/// what a rule costs and how noisy it is before it is deployed.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  sluice detect backtest --lake ./lake --since 30d my-rules/brute-force.yaml
  sluice detect backtest --engine athena --database security_lake --since 7d --format json my-rules/

Exit code: 0 nothing found, 1 findings, 2 a rule is refused, 3 bad usage, or the engine cannot be used.")]
pub(crate) struct Backtest {
    /// Rule files or folders; the shipped rules if there are none
    #[arg(value_name = "RULES", value_hint = ValueHint::AnyPath)]
    rules: Vec<PathBuf>,
    #[command(flatten)]
    period: Period,
    /// The most rows of a run that are made findings
    #[arg(long, value_name = "ROWS", default_value_t = 10_000)]
    limit: u64,
    /// How the counts are written
    #[arg(long, value_enum, default_value_t)]
    format: ResultFormat,
    #[command(flatten)]
    catalog: CatalogArguments,
    #[command(flatten)]
    engine: EngineArguments,
}

#[derive(Serialize)]
struct Tested {
    rule: String,
    title: String,
    statements: u64,
    findings: usize,
    /// By UTC day.
    days: BTreeMap<String, u64>,
    truncated: bool,
    scanned_bytes: u64,
    seconds: f64,
}

impl Backtest {
    pub(crate) fn run(self, output: &Output) -> Outcome {
        let Self { period, catalog, engine, limit, .. } = &self;
        let hunting = Hunting::new(&self.rules, period, catalog, engine, *limit, output)?;
        let mut tested = Vec::new();
        let failed = hunting.each_rule(output, |rule, found| {
            let mut sum = Tested {
                rule: rule.id.to_string(),
                title: rule.title.clone(),
                statements: found.statements,
                findings: found.findings.len(),
                truncated: found.truncated,
                scanned_bytes: found.statistics.scanned_bytes,
                seconds: found.statistics.duration.as_secs_f64(),
                days: BTreeMap::new(),
            };
            for finding in &found.findings {
                *sum.days.entry(day(finding.first)).or_default() += 1;
            }
            tested.push(sum);
            Ok(())
        })?;
        match self.format {
            ResultFormat::Json => output.json(&tested)?,
            ResultFormat::Table => {
                let right = Align::Right;
                let columns = [("RULE", Align::Left), ("FINDINGS", right), ("DAYS", right), ("MOST A DAY", right)];
                let mut table =
                    Table::new(columns.into_iter().chain([("STATEMENTS", right), ("READ", right), ("", Align::Left)]));
                for rule in &tested {
                    table.row([
                        harmless(&rule.title).into_owned(),
                        count(rule.findings as u64),
                        rule.days.len().to_string(),
                        count(rule.days.values().copied().max().unwrap_or(0)),
                        count(rule.statements),
                        size(rule.scanned_bytes),
                        if rule.truncated { "cut: raise --limit".to_owned() } else { String::new() },
                    ]);
                }
                output.write(table.render("", output.data))?;
            }
        }
        failed.map_or_else(|| Ok(Verdict::of(tested.iter().any(|rule| rule.findings > 0))), Err)
    }
}

/// The UTC day of milliseconds since 1970.
fn day(milliseconds: i64) -> String {
    Timestamp::from_millisecond(milliseconds)
        .map_or_else(|_| milliseconds.to_string(), |time| time.to_zoned(TimeZone::UTC).date().to_string())
}
