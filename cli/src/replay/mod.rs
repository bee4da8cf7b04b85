//! `sluice replay`: retries records that could not be written, after the cause has been fixed.

mod on_failure;
pub(crate) mod quarantine;
mod stream;

use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::ValueHint;
use pipeline::{Counts, MappedSource, Sources};
use serde::Serialize;
use serde_json::json;

use stream::Lost;

use crate::exit::{Failure, Outcome, Verdict};
use crate::input::Input;
use crate::lake_arguments::{LakeArguments, runtime};
use crate::mapping_config::MappingConfig;
use crate::output::{Output, ResultFormat, counted};
use crate::summary::Summary;

/// Retry records that did not reach the lake
///
/// Quarantined events are mapped again with the current mapping, and leave quarantine only after their object is in the
/// lake.
///
/// With --on-failure or --on-failure-queue, replay retries stream batches for which the function exhausted its retries.
/// Records that the stream no longer has are reported as lost.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  sluice replay --quarantine ./lake --lake ./lake --mapping fixed.json --dry-run
  sluice replay --quarantine s3://aside --lake s3://lake --mapping mine.json --reason no_mapping
  sluice replay --on-failure s3://aside/aws/lambda --lake s3://lake --mapping windows-sysmon
  sluice replay --on-failure-queue https://sqs… --lake s3://lake --mapping windows-sysmon
  sluice replay --on-failure messages.json --lake s3://lake --mapping windows-sysmon

A repeated replay writes nothing twice.

Exit code:
  0  success
  1  records are lost or unreadable, or --fail-on-quarantine was given and some are in quarantine
  2  the mapping is refused
  3  bad usage, or a store or stream failed")]
pub(crate) struct Replay {
    /// Mapping config: a file, or the name of a shipped one
    #[arg(long, short, value_name = "CONFIG", value_hint = ValueHint::FilePath)]
    mapping: String,
    #[command(flatten)]
    lake: LakeArguments,
    /// Quarantine to replay: a folder, or s3://bucket[/prefix]. With --on-failure…, location for records that cannot be
    /// mapped [default then: the lake]
    #[arg(long, value_name = "LOCATION", value_hint = ValueHint::AnyPath)]
    #[arg(required_unless_present_any = ["on_failure", "on_failure_queue"])]
    quarantine: Option<String>,
    /// Failed stream batches to replay: s3://bucket[/prefix], a folder, a file of messages, or `-` for standard input
    #[arg(long, value_name = "LOCATION", value_hint = ValueHint::AnyPath)]
    on_failure: Option<String>,
    /// SQS queue whose messages name the failed batches to replay; a message is deleted once its records are in the
    /// lake or in quarantine
    #[arg(long, value_name = "URL", conflicts_with = "on_failure")]
    on_failure_queue: Option<String>,
    /// Replay only records of this source [default: the mapping's source_name]
    #[arg(long, value_name = "NAME", conflicts_with_all = ["on_failure", "on_failure_queue"])]
    source: Option<String>,
    /// Replay only records with this reason, such as no_mapping
    #[arg(long, value_name = "CODE", conflicts_with_all = ["on_failure", "on_failure_queue"])]
    reason: Option<String>,
    /// Show what would happen, and change nothing
    #[arg(long, conflicts_with_all = ["on_failure", "on_failure_queue"])]
    dry_run: bool,
    /// Exit with 1 if a record stays in quarantine or is added to it
    #[arg(long)]
    fail_on_quarantine: bool,
    /// Format of the summary
    #[arg(long, value_enum, default_value_t)]
    format: ResultFormat,
}

/// The outcome of a replay.
#[derive(Debug, Default)]
pub(crate) struct Replayed {
    pub(crate) counts: Counts,
    objects: u64,
    bytes: u64,
    /// Ranges that the stream no longer has.
    lost: Vec<Lost>,
    /// Quarantine objects and messages that cannot be read.
    unreadable: u64,
}

/// The summary as data.
#[derive(Serialize)]
struct Report {
    #[serde(flatten)]
    summary: Summary,
    lost: Vec<Lost>,
    unreadable: u64,
    dry_run: bool,
}

impl Replay {
    pub(crate) fn run(self, output: &Output) -> Outcome {
        let began = Instant::now();
        let aside = self.on_failure.as_deref().map(|location| Aside::find(location, &self.mapping)).transpose()?;
        let config = MappingConfig::read(&self.mapping)?;
        let source = config.source(output)?;
        let runtime = runtime()?;
        let settings = self.lake.settings();
        let stores = runtime.block_on(self.lake.stores(self.quarantine.as_deref()))?;
        let replayed = if aside.is_some() || self.on_failure_queue.is_some() {
            let sources = stream_source(&config, &source)?;
            let pipeline = on_failure::Pipeline { output, sources: &sources, settings: &settings, stores: &stores };
            match (&aside, &self.on_failure_queue) {
                (Some(Aside::Objects(location)), _) => runtime.block_on(pipeline.replay_objects(location))?,
                (Some(Aside::Messages(input)), _) => runtime.block_on(pipeline.replay_file(input))?,
                (None, url) => runtime.block_on(pipeline.replay_queue(url.as_deref().unwrap_or_default()))?,
            }
        } else {
            let selection = quarantine::Selection {
                source: self.source.as_deref().unwrap_or(source.mapping().source_name()),
                reason: self.reason.as_deref(),
                dry_run: self.dry_run,
            };
            runtime.block_on(quarantine::replay(output, &source, &settings, &stores, &selection))?
        };
        let verdict = Verdict::of(
            !replayed.lost.is_empty()
                || replayed.unreadable > 0
                || (self.fail_on_quarantine && !replayed.counts.quarantined.is_empty()),
        );
        let summary = Summary::new(replayed.counts, replayed.objects, replayed.bytes, began);
        for lost in &replayed.lost {
            output.complain(format_args!("{} {lost}", output.talk.error("lost:")));
        }
        match self.format {
            ResultFormat::Json => {
                let Replayed { lost, unreadable, .. } = replayed;
                output.json(&Report { summary, lost, unreadable, dry_run: self.dry_run })?;
            }
            ResultFormat::Table => {
                let text = summary.text(output, &stores);
                let dry = if self.dry_run { "dry run: nothing was changed; a real run would report\n" } else { "" };
                output.write(format_args!("{dry}{text}"))?;
                if replayed.unreadable > 0 {
                    output.say(format_args!("{} cannot be read", counted(replayed.unreadable, "object")));
                }
            }
        }
        Ok(verdict)
    }
}

/// The location of Lambda's failure messages.
enum Aside {
    /// A bucket or a folder with one object per message.
    Objects(String),
    /// A file.
    Messages(Input),
}

impl Aside {
    fn find(location: &str, mapping: &str) -> Result<Self, Failure> {
        if location.starts_with("s3://") || Path::new(location).is_dir() {
            return Ok(Self::Objects(location.to_owned()));
        }
        let inputs = Input::all(&[PathBuf::from(location)], Some(mapping))?;
        let input = inputs.into_iter().next().ok_or_else(|| Failure::usage("--on-failure names no file"))?;
        Ok(Self::Messages(input))
    }
}

/// The mapping as the only source of stream records.
fn stream_source(config: &MappingConfig, source: &MappedSource) -> Result<Sources, Failure> {
    let routing = json!({ "sources": [{
        "name": source.name(),
        "mapping_file": config.name,
        "input_paths": { "kinesis": { "enabled": true } },
    }] });
    Ok(Sources::from_text(&routing.to_string(), &|name| config.load(name))?)
}
