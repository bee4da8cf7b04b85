//! `sluice hunt`: rules over a lake, once.

use std::path::PathBuf;
use std::time::Duration;

use clap::ValueHint;
use detection::Window;
use detection::entity::NoteKind;

use crate::engine::EngineArguments;
use crate::exit::{Failure, Outcome, Verdict};
use crate::hunting::{self, Assignment, CatalogArguments, Hunting};
use crate::output::{Format, Output, counted, size};
use crate::period::Period;
use crate::report::blocks::{self, BlockArguments};
use crate::report::{self, Scope};

/// Run rules over a lake, once
///
/// Prints the findings that deployed rules would have published over this time, with the same windows, thresholds and
/// keys. It keeps no state and publishes nothing.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  sluice hunt --lake ./lake --since 2024-05-01
  sluice hunt --lake ./lake --since 30d my-rules/ --format ndjson | jq .finding_info.title
  sluice hunt --lake ./lake --since 7d --report report.html
  sluice hunt --lake ./lake --since 7d --by entity
  sluice hunt --lake ./lake --since 7d aws-cloudtrail/access-key-all-usage --param access_keys=AKIAEXAMPLE
  sluice hunt --engine athena --database security_lake --since 24h detections/aws-cloudtrail/

Of the shipped rules or a folder, those with a schedule run. Name a rule to run it on demand.
A refused rule does not stop the others.
Exit code: 0 nothing found, 1 findings, 2 a rule is refused, 3 bad usage or engine failure.")]
pub(crate) struct Hunt {
    /// Files, folders, or names of shipped rules [default: all shipped rules with a schedule]
    #[arg(value_name = "RULES", value_hint = ValueHint::AnyPath)]
    places: Vec<PathBuf>,
    /// Same as RULES
    #[arg(long, value_name = "RULES", value_hint = ValueHint::AnyPath, num_args = 1..)]
    rules: Vec<PathBuf>,
    #[command(flatten)]
    period: Period,
    /// Value of a parameter that the rules declare (repeatable); a list is `a,b` or a JSON array
    #[arg(long = "param", value_name = "NAME=VALUE", conflicts_with = "by")]
    parameters: Vec<Assignment>,
    /// Maximum number of rows for each rule
    #[arg(long, value_name = "ROWS", default_value_t = 1000)]
    limit: u64,
    /// Format of the findings; json and ndjson print OCSF Detection Findings
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// Also write the findings as an HTML page
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, conflicts_with = "by")]
    report: Option<PathBuf>,
    #[command(flatten)]
    blocks: BlockArguments,
    #[command(flatten)]
    catalog: CatalogArguments,
    #[command(flatten)]
    engine: EngineArguments,
}

impl Hunt {
    pub(crate) fn run(self, output: &Output) -> Outcome {
        let Self { period, catalog, engine, limit, .. } = &self;
        let places: Vec<PathBuf> = self.places.iter().chain(&self.rules).cloned().collect();
        let mut hunting = Hunting::new(&places, period, catalog, engine, *limit, output)?;
        hunting.set(&self.parameters)?;
        if self.blocks.by.is_some() {
            return self.by_entity(&hunting, output);
        }
        let (mut events, mut notes) = (Vec::new(), Vec::new());
        let (mut findings, mut rules, mut scanned, mut took) = (0, 0, 0, Duration::ZERO);
        let unanswered = hunting.each_rule(output, |rule, found, mut said| {
            findings += found.findings.len() as u64;
            rules += 1;
            scanned += found.statistics.scanned_bytes;
            took += found.statistics.duration;
            notes.append(&mut said);
            match self.format {
                Format::Table if found.findings.is_empty() => {}
                Format::Table => output.write(hunting::lines(rule, &found.findings, output.data))?,
                Format::Json => {}
                Format::Ndjson => {
                    output.stream(|data| found.findings.iter().try_for_each(|finding| data.json(&finding.event)))?
                }
            }
            if self.format == Format::Json || self.report.is_some() {
                events.extend(found.findings.into_iter().map(|finding| finding.event));
            }
            Ok(())
        })?;
        if self.format == Format::Json {
            output.json(&events)?;
        }
        if let Some(path) = &self.report {
            let of_lint = hunting.rules.refused.iter().map(|file| format!("{file} was refused and did not run."));
            let of_engine = unanswered.iter().map(|rule| format!("`{}` could not be run: {}", rule.title, rule.reason));
            notes.extend(of_lint.chain(of_engine));
            let Window { start, end } = hunting.window;
            report::write(path, &events, &Scope { lake: engine.place(), since: start, until: end, rules, notes })?;
        }
        let (found, ran) = (counted(findings, "finding"), counted(rules, "rule"));
        let seconds = took.as_secs_f64();
        output.say(output.talk.faint(format_args!("{found} by {ran} in {seconds:.2} s; {} read", size(scanned))));
        hunting.ending(&unanswered, Verdict::of(findings > 0))
    }

    fn by_entity(&self, hunting: &Hunting, output: &Output) -> Outcome {
        let waiting = output.waiting("reading blocks");
        let table = hunting.by_entity(self.blocks.size(), self.blocks.key());
        waiting.finish_and_clear();
        let table = table?;
        blocks::write(&table, self.format, output)?;
        blocks::say(&table, output);
        if table.notes.iter().any(|note| note.kind == NoteKind::Failed) {
            return Err(Failure::Refused);
        }
        hunting.rules.ending(Verdict::of(table.blocks.iter().any(|block| !block.rules.is_empty())))
    }
}
