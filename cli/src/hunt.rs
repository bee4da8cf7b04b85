//! `sluice hunt`: rules over a lake, once.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use clap::ValueHint;
use jiff::Timestamp;

use crate::engine::EngineArguments;
use crate::exit::{Failure, Outcome, Verdict};
use crate::hunting::{CatalogArguments, FindingLines, hunt, windows};
use crate::lake_arguments::runtime;
use crate::output::{Format, Output, counted, size};
use crate::period::Period;
use crate::rules::rules;

/// Run rules over a lake, once
///
/// Each rule looks at the whole time that is given, and says what it would have found. Nothing is remembered or published.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  sluice hunt --lake ./lake --since 2024-05-01
  sluice hunt --lake ./lake --since 30d --rules my-rules/ --format ndjson | jq .finding_info.title
  sluice hunt --engine athena --database security_lake --since 24h --rules detections/aws-cloudtrail/

Exit code: 0 nothing found, 1 findings, 2 a rule is refused, 3 bad usage, or the engine cannot be used.")]
pub(crate) struct Hunt {
    /// Rule files or folders; the shipped rules if there are none
    #[arg(long, value_name = "RULES", value_hint = ValueHint::AnyPath, num_args = 1..)]
    rules: Vec<PathBuf>,
    #[command(flatten)]
    period: Period,
    /// The most rows of a rule that are made findings
    #[arg(long, value_name = "ROWS", default_value_t = 1000)]
    limit: u64,
    /// table: a line for each finding; json and ndjson: OCSF Detection Findings
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    #[command(flatten)]
    catalog: CatalogArguments,
    #[command(flatten)]
    engine: EngineArguments,
}

impl Hunt {
    pub(crate) fn run(self, output: &Output) -> Outcome {
        let Some(since) = self.period.since else {
            return Err(Failure::usage("give --since, the beginning of the time to look at"));
        };
        let until = self.period.end().unwrap_or_else(Timestamp::now);
        let rules = rules(&self.rules, output)?;
        let runtime = runtime()?;
        let engine = runtime.block_on(self.engine.open())?;
        let catalog = self.catalog.catalog(&runtime.block_on(engine.tables())?)?;
        let progress = output.steps(rules.len() as u64, "rules");
        let mut lines = FindingLines::new();
        let mut events = Vec::new();
        let (mut found, mut scanned, mut took) = (0, 0, Duration::ZERO);
        for rule in rules.iter().filter(|rule| rule.is_active()) {
            let mut seen = BTreeSet::new();
            for window in windows(rule, since.as_millisecond(), until.as_millisecond()) {
                let hunted = runtime.block_on(hunt(rule, window, &catalog, engine.as_ref(), self.limit))?;
                scanned += hunted.statistics.scanned_bytes;
                took += hunted.statistics.duration;
                if hunted.truncated {
                    let warning = output.talk.warning("cut:");
                    output.complain(format_args!("{warning} `{}` has more than {} rows", rule.title, self.limit));
                }
                for finding in hunted.findings.into_iter().filter(|finding| seen.insert(finding.key.clone())) {
                    found += 1;
                    match self.format {
                        Format::Table => lines.add(rule, &finding),
                        Format::Json => events.push(finding.event),
                        Format::Ndjson => output.stream(|data| data.json(&finding.event))?,
                    }
                }
            }
            progress.inc(1);
        }
        progress.finish_and_clear();
        match self.format {
            Format::Table => lines.write(output)?,
            Format::Json => output.json(&events)?,
            Format::Ndjson => {}
        }
        let (findings, ran) = (counted(found, "finding"), counted(rules.len() as u64, "rule"));
        let seconds = took.as_secs_f64();
        output.say(output.talk.faint(format_args!("{findings} by {ran} in {seconds:.2} s; {} read", size(scanned))));
        Ok(Verdict::of(found > 0))
    }
}
