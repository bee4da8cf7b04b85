//! `sluice hunt`: rules over a lake, once.

use std::path::PathBuf;
use std::time::Duration;

use clap::ValueHint;

use crate::engine::EngineArguments;
use crate::exit::{Outcome, Verdict};
use crate::hunting::{self, CatalogArguments, Hunting};
use crate::output::{Format, Output, counted, size};
use crate::period::Period;

/// Run rules over a lake, once
///
/// Finds what the deployed rules would have published over this time: the same windows, thresholds and keys. Nothing is
/// remembered or published.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  sluice hunt --lake ./lake --since 2024-05-01
  sluice hunt --lake ./lake --since 30d my-rules/ --format ndjson | jq .finding_info.title
  sluice hunt --engine athena --database security_lake --since 24h detections/aws-cloudtrail/

Exit code: 0 nothing found, 1 findings, 2 a rule is refused, 3 bad usage, or the engine cannot be used.
A rule that is refused holds up no other.")]
pub(crate) struct Hunt {
    /// Rule files or folders; the shipped rules if there are none
    #[arg(value_name = "RULES", value_hint = ValueHint::AnyPath)]
    places: Vec<PathBuf>,
    /// The same, where a script says it so
    #[arg(long, value_name = "RULES", value_hint = ValueHint::AnyPath, num_args = 1..)]
    rules: Vec<PathBuf>,
    #[command(flatten)]
    period: Period,
    /// The most rows that are looked at for a rule
    #[arg(long, value_name = "ROWS", default_value_t = 1000)]
    limit: u64,
    /// table: the findings of each rule as it ends; json and ndjson: OCSF Detection Findings
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    #[command(flatten)]
    catalog: CatalogArguments,
    #[command(flatten)]
    engine: EngineArguments,
}

impl Hunt {
    pub(crate) fn run(self, output: &Output) -> Outcome {
        let Self { period, catalog, engine, limit, .. } = &self;
        let places: Vec<PathBuf> = self.places.iter().chain(&self.rules).cloned().collect();
        let hunting = Hunting::new(&places, period, catalog, engine, *limit, output)?;
        let mut events = Vec::new();
        let (mut findings, mut scanned, mut took) = (0, 0, Duration::ZERO);
        let failed = hunting.each_rule(output, |rule, found| {
            findings += found.findings.len() as u64;
            scanned += found.statistics.scanned_bytes;
            took += found.statistics.duration;
            match self.format {
                Format::Table if found.findings.is_empty() => {}
                Format::Table => output.write(hunting::lines(rule, &found.findings, output.data))?,
                Format::Json => events.extend(found.findings.into_iter().map(|finding| finding.event)),
                Format::Ndjson => {
                    output.stream(|data| found.findings.iter().try_for_each(|finding| data.json(&finding.event)))?
                }
            }
            Ok(())
        })?;
        if self.format == Format::Json {
            output.json(&events)?;
        }
        let (found, ran) = (counted(findings, "finding"), counted(hunting.rules.len() as u64, "rule"));
        let seconds = took.as_secs_f64();
        output.say(output.talk.faint(format_args!("{found} by {ran} in {seconds:.2} s; {} read", size(scanned))));
        failed.map_or_else(|| Ok(Verdict::of(findings > 0)), Err)
    }
}
