//! `sluice hunt`: rules over a lake, once.

use std::path::PathBuf;
use std::time::Duration;

use clap::ValueHint;

use crate::engine::EngineArguments;
use crate::exit::{Outcome, Verdict};
use crate::hunting::{CatalogArguments, FindingLines, Hunting};
use crate::output::{Format, Output, counted, size};
use crate::period::Period;

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
        let Self { period, catalog, engine, limit, .. } = &self;
        let hunting = Hunting::new(&self.rules, period, catalog, engine, *limit, output)?;
        let rules: Vec<_> = hunting.rules.iter().filter(|rule| rule.is_active()).collect();
        let progress = output.steps(rules.len() as u64, "rules");
        let mut lines = FindingLines::new();
        let mut events = Vec::new();
        let (mut found, mut scanned, mut took) = (0, 0, Duration::ZERO);
        for rule in &rules {
            hunting.each_window(rule, |hunted| {
                scanned += hunted.statistics.scanned_bytes;
                took += hunted.statistics.duration;
                if hunted.truncated {
                    let warning = output.talk.warning("cut:");
                    output.complain(format_args!("{warning} `{}` has more than {limit} rows", rule.title));
                }
                for finding in hunted.findings {
                    found += 1;
                    match self.format {
                        Format::Table => lines.add(rule, &finding),
                        Format::Json => events.push(finding.event),
                        Format::Ndjson => output.stream(|data| data.json(&finding.event))?,
                    }
                }
                Ok(())
            })?;
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
