//! `sluice ingest`: files into a lake.

mod hashing;

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::Instant;

use clap::ValueHint;
use lake::quarantine::Origin;
use pipeline::{Counts, ObjectOutcome, Settings, Source, Stores, transform_object};
use tokio::runtime::Handle;

use hashing::{Digest, HashingReader};

use crate::exit::{Failure, Outcome, Verdict};
use crate::input::Input;
use crate::lake_arguments::{LakeArguments, runtime};
use crate::mapping_config::MappingConfig;
use crate::output::{Output, ResultFormat, counted};
use crate::summary::Summary;

/// Map logs into OCSF and write them to a lake
///
/// Files may be plain, gzip or zstd; lines of JSON, JSON documents, {"Records": […]} or what the mapping's `decode` says.
/// Every record ends in the lake or, with the reason, in quarantine; otherwise the command fails. The keys of objects
/// follow from the content of the input, so ingesting the same file again writes the same objects over themselves.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  sluice ingest --lake ./lake --mapping windows-sysmon sysmon.ndjson.gz
  sluice ingest --lake s3://my-lake --account 123456789012 --mapping mine.json logs/*.gz
  zcat *.gz | sluice ingest --lake ./lake --mapping mine.json --format json - | jq .quarantined

Exit code: 0 every record is safe; 1 some are in quarantine and --fail-on-quarantine was given;
2 the mapping is refused; 3 bad usage, or an input or a store failed: run it again.")]
pub(crate) struct Ingest {
    /// A mapping config: a file, or the name of a shipped one
    #[arg(long, short, value_name = "CONFIG", value_hint = ValueHint::FilePath)]
    mapping: String,
    #[command(flatten)]
    lake: LakeArguments,
    /// Where records go that cannot be mapped: a folder, or s3://bucket[/prefix] [default: the lake, below quarantine/]
    #[arg(long, value_name = "LOCATION", value_hint = ValueHint::AnyPath)]
    quarantine: Option<String>,
    /// Exit with 1 if a record went to quarantine
    #[arg(long)]
    fail_on_quarantine: bool,
    /// How the summary is written
    #[arg(long, value_enum, default_value_t)]
    format: ResultFormat,
    /// Logs, plain or compressed; `-` is standard input
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
}

impl Ingest {
    pub(crate) fn run(self, output: &Output) -> Outcome {
        let inputs = Input::all(&self.files, Some(&self.mapping))?;
        let config = MappingConfig::read(&self.mapping)?;
        let source = config.source(output)?;
        let runtime = runtime()?;
        let stores = runtime.block_on(self.lake.stores(self.quarantine.as_deref()))?;
        let settings = self.lake.settings();
        let ingestion =
            Ingestion { output, source: &source, settings: &settings, stores: &stores, runtime: runtime.handle() };
        let summary = ingestion.run(&inputs)?;
        match self.format {
            ResultFormat::Json => output.json(&summary)?,
            ResultFormat::Table => output.write(summary.text(output, &stores))?,
        }
        Ok(Verdict::of(self.fail_on_quarantine && !summary.quarantined.is_empty()))
    }
}

/// Inputs of one source on their way into a lake.
pub(crate) struct Ingestion<'i> {
    pub(crate) output: &'i Output,
    pub(crate) source: &'i Source,
    pub(crate) settings: &'i Settings,
    pub(crate) stores: &'i Stores,
    pub(crate) runtime: &'i Handle,
}

impl Ingestion<'_> {
    /// Takes all inputs in turn.
    pub(crate) fn run(&self, inputs: &[Input]) -> Result<Summary, Failure> {
        let began = Instant::now();
        let mut counts = Counts::default();
        let (mut objects, mut bytes) = (0, 0);
        let mut seen: HashMap<Digest, &Input> = HashMap::new();
        for (at, input) in inputs.iter().enumerate() {
            let (outcome, digest) = self.take(input).inspect_err(|_| {
                if inputs.len() > 1 {
                    let all = counted(inputs.len() as u64, "input");
                    let rerun = "Run it again: what has been written is written over";
                    self.output.say(format_args!("{at} of {all} taken, not {input} and what follows. {rerun}"));
                }
            })?;
            if let Some(first) = seen.get(&digest) {
                self.output.say(format_args!("{input}: skipped, its content is that of {first}"));
                continue;
            }
            seen.insert(digest, input);
            counts.add(&outcome.counts);
            objects += outcome.objects;
            bytes += outcome.bytes;
        }
        let safe = counts.total_written() + counts.total_quarantined();
        if safe != counts.records_in {
            let records = counts.records_in;
            return Err(Failure::usage(format_args!("{records} records came in, but only {safe} are accounted for")));
        }
        Ok(Summary::new(counts, objects, bytes, began))
    }

    fn take(&self, input: &Input) -> Result<(ObjectOutcome, Digest), Failure> {
        let name = input.to_string();
        let bar = self.output.progress(input.length()?, &name);
        let (reader, naming) = HashingReader::new(input.open()?, bar.clone());
        let origin = |position: sources::Position| Origin::File {
            name: name.clone(),
            offset: position.offset,
            index: position.index,
            line: position.line,
        };
        let (source, settings, stores) = (self.source, self.settings, self.stores);
        let outcome = transform_object(source, settings, stores, self.runtime, reader, &naming, origin, || true);
        bar.finish_and_clear();
        let outcome = outcome.map_err(|error| Failure::Other(anyhow::Error::new(error).context(name.clone())))?;
        Ok((outcome, naming.digest()))
    }
}
