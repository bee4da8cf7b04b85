//! `sluice ingest`: logs into a lake.

mod hashing;
mod ledger;
mod progress;
mod report;

use std::collections::HashMap;
use std::fs::File;
use std::path::PathBuf;
use std::time::Instant;

use clap::ValueHint;
use lake::quarantine::Origin;
use pipeline::{Counts, MappedSource, ObjectError, ObjectOutcome, Settings, Stores, transform_object};
use sources::{InputError, Position};
use store::StoreError;
use tokio::runtime::Handle;

use hashing::{Digest, HashingReader, digest_of};
use ledger::{Fate, Identity, Ledger};
use progress::{Progress, Put};
use report::{Earlier, FailedInput, InputCounts};

use crate::exit::{Failure, Outcome};
use crate::input::{Candidate, Filter, Input, Search};
use crate::lake_arguments::{LakeArguments, runtime};
use crate::mapping_config::MappingConfig;
use crate::output::{Output, ResultFormat, chain};
use crate::summary::Summary;

pub(crate) use ledger::LEDGER_FOLDER;
pub(crate) use report::Ingested;

/// Map logs to OCSF and write them to a lake
///
/// Compression and common formats are detected; the mapping's `decode` describes any other format. Every record ends up
/// in the lake or, with a reason, in quarantine; otherwise the command fails. Object keys are derived from the content
/// of the input, so ingesting the same file again overwrites the same objects.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  sluice ingest --lake ./lake --mapping windows-sysmon sysmon.ndjson.gz
  sluice ingest --lake ./lake --mapping windows-sysmon /var/log/sysmon/
  sluice ingest --lake s3://my-lake --account 123456789012 --mapping mine.json logs/*.gz
  sluice ingest --lake s3://my-lake --mapping mine.json s3://my-logs/2025/ --include '*.gz'
  zcat *.gz | sluice ingest --lake ./lake --mapping mine.json --format json - | jq .quarantined
  sluice ingest --lake ./lake --mapping mine.json <(ssh host cat /var/log/app.log)

Exit code:
  0  every record is in the lake or in quarantine
  1  every record was refused, or --fail-on-quarantine was given and some were
  2  the mapping is refused
  3  bad usage, or an input or a store failed; retry with the same command")]
pub(crate) struct Ingest {
    /// Mapping config: a file, or the name of a shipped one
    #[arg(long, short, value_name = "CONFIG", value_hint = ValueHint::FilePath)]
    mapping: String,
    #[command(flatten)]
    lake: LakeArguments,
    /// Location for records that cannot be mapped: a folder, or s3://bucket[/prefix] [default: the lake, below
    /// quarantine/]
    #[arg(long, value_name = "LOCATION", value_hint = ValueHint::AnyPath)]
    quarantine: Option<String>,
    /// Exit with 1 if any record went to quarantine
    #[arg(long)]
    fail_on_quarantine: bool,
    #[command(flatten)]
    filter: Filter,
    /// Read all files of folders and prefixes again, even those that an earlier run finished
    #[arg(long)]
    no_resume: bool,
    /// Format of the summary
    #[arg(long, value_enum, default_value_t)]
    format: ResultFormat,
    /// Files, folders, s3://bucket/key, s3://bucket/prefix/, or `-` for standard input
    #[arg(value_name = "INPUT", required = true, value_hint = ValueHint::AnyPath)]
    inputs: Vec<PathBuf>,
}

impl Ingest {
    pub(crate) fn run(self, output: &Output) -> Outcome {
        let runtime = runtime()?;
        let outputs = [Some(self.lake.lake.as_str()), self.quarantine.as_deref()].into_iter().flatten().collect();
        let (filter, mapping) = (&self.filter, self.mapping.as_str());
        let search = Search { output, runtime: runtime.handle(), filter, mapping, outputs };
        let inputs = search.inputs(&self.inputs)?;
        let config = MappingConfig::read(&self.mapping)?;
        let source = config.source(output)?;
        let stores = runtime.block_on(self.lake.stores(self.quarantine.as_deref()))?;
        let settings = self.lake.settings();
        let mut ledger = None;
        if inputs.iter().any(|input| input.is_found) {
            match runtime.block_on(Ledger::open(&stores, &source, &settings)) {
                Ok(opened) if self.no_resume => ledger = Some(opened.forget()),
                Ok(opened) => ledger = Some(opened),
                Err(error) => {
                    output.say(format_args!("cannot tell which inputs earlier runs finished, so all are read: {error}"))
                }
            }
        }
        let ingestion =
            Ingestion { output, source: &source, settings: &settings, stores: &stores, runtime: runtime.handle() };
        let ingested = ingestion.run(&inputs, ledger)?;
        match self.format {
            ResultFormat::Json => output.json(&ingested)?,
            ResultFormat::Table => output.write(ingested.text(output, &stores))?,
        }
        ingested.conclude(output, &stores, &self.mapping, self.fail_on_quarantine)
    }
}

/// Inputs of one source on their way into a lake.
pub(crate) struct Ingestion<'i> {
    pub(crate) output: &'i Output,
    pub(crate) source: &'i MappedSource,
    pub(crate) settings: &'i Settings,
    pub(crate) stores: &'i Stores,
    pub(crate) runtime: &'i Handle,
}

/// The outcome of one input.
struct Taken {
    outcome: ObjectOutcome,
    digest: Digest,
    bytes: u64,
    /// The ETag of an object, as it was when it was read.
    etag: Option<String>,
    puts: Vec<Put>,
}

/// Why an input is not safe.
struct Broken {
    error: anyhow::Error,
    /// Whether a store failed, which other inputs will meet too, and not the input.
    is_of_store: bool,
}

/// Inputs in a row that a store may fail before the others are not tried any more.
const STORE_FAILURES: u32 = 3;
/// Tries of an object whose connection breaks off.
const TRIES: u32 = 3;

impl Ingestion<'_> {
    /// Takes all inputs in turn. Those of folders and prefixes that the ledger says are finished are skipped; the
    /// failure of one of several is noted, and the others go on.
    pub(crate) fn run(&self, inputs: &[Candidate], mut ledger: Option<Ledger<'_>>) -> Result<Ingested, Failure> {
        let began = Instant::now();
        let total = inputs.iter().map(|input| input.bytes).sum();
        let progress = Progress::new(self.output, inputs.len() as u64, total);
        let mut ingested = Gathered::default();
        let finished = ledger.as_mut().map_or_else(HashMap::new, |ledger| self.finished_objects(ledger, inputs));
        let mut store_failures = 0;
        for (at, candidate) in inputs.iter().enumerate() {
            let input = &candidate.input;
            progress.begin(at as u64, &input.to_string());
            if let Some(fate) = finished.get(&at) {
                ingested.skip(*fate);
                progress.skip(candidate.bytes.unwrap_or_default());
                continue;
            }
            if let Some(ledger) = &mut ledger
                && let Some((digest, fate)) = self.finished_file(ledger, candidate, &progress)
            {
                ingested.seen.entry(digest).or_insert(at);
                ingested.skip(fate);
                progress.skip(candidate.bytes.unwrap_or_default());
                continue;
            }
            let taken = match self.take(input, &progress) {
                Ok(taken) => taken,
                Err(broken) if inputs.len() == 1 => {
                    progress.end();
                    return Err(Failure::Other(broken.error));
                }
                Err(broken) => {
                    ingested.failed.push(FailedInput { input: input.to_string(), error: chain(&broken.error) });
                    store_failures = if broken.is_of_store { store_failures + 1 } else { 0 };
                    if store_failures == STORE_FAILURES {
                        ingested.counts.not_tried = (inputs.len() - at - 1) as u64;
                        break;
                    }
                    continue;
                }
            };
            store_failures = 0;
            if candidate.is_found
                && let Some(opened) = &mut ledger
                && let Err(error) = self.note(opened, input, &taken)
            {
                let said = format!("cannot record finished inputs, so the next run will read them again: {error}");
                progress.say(|| self.output.say(said));
                ledger = None;
            }
            if let Some(first) = ingested.add(at, input, &taken) {
                let first = inputs.get(first).map(|first| first.input.to_string()).unwrap_or_default();
                progress.say(|| self.output.say(format_args!("{input}: skipped, same content as {first}")));
            }
        }
        progress.end();
        ingested.counts.total = inputs.len() as u64;
        ingested.finish(inputs, began)
    }

    /// The objects that earlier runs finished, by position.
    fn finished_objects(&self, ledger: &mut Ledger<'_>, inputs: &[Candidate]) -> HashMap<usize, Fate> {
        let objects =
            inputs.iter().enumerate().filter(|(_, candidate)| candidate.is_found).filter_map(|(at, candidate)| {
                let Input::Object(object) = &candidate.input else { return None };
                let (bucket, key) = (object.bucket.as_str(), object.key.as_str());
                Some((at, Identity::Object { bucket, key, bytes: candidate.bytes?, etag: candidate.etag.as_deref()? }))
            });
        let (positions, objects): (Vec<usize>, Vec<Identity<'_>>) = objects.unzip();
        match self.runtime.block_on(ledger.finished(&objects)) {
            Ok(finished) => finished.into_iter().filter_map(|(at, fate)| Some((*positions.get(at)?, fate))).collect(),
            Err(error) => {
                self.output
                    .say(format_args!("cannot tell which inputs earlier runs finished, so all are read: {error}"));
                HashMap::new()
            }
        }
    }

    /// The hash of a file that an earlier run finished, and what came of it. What cannot be read here will be an error
    /// when it is taken.
    fn finished_file(
        &self,
        ledger: &mut Ledger<'_>,
        candidate: &Candidate,
        progress: &Progress,
    ) -> Option<(Digest, Fate)> {
        let Candidate { input: Input::File(path), bytes: Some(bytes), is_found: true, .. } = candidate else {
            return None;
        };
        if !ledger.knows_length(*bytes) {
            return None;
        }
        progress.check();
        let (digest, bytes) = digest_of(File::open(path).ok()?).ok()?;
        let finished = self.runtime.block_on(ledger.finished(&[Identity::Content { bytes, digest }]));
        finished.ok()?.get(&0).map(|fate| (digest, *fate))
    }

    fn note(&self, ledger: &mut Ledger<'_>, input: &Input, taken: &Taken) -> Result<(), StoreError> {
        let identity = match (input, &taken.etag) {
            (Input::File(_), _) => Identity::Content { bytes: taken.bytes, digest: taken.digest },
            (Input::Object(object), Some(etag)) => {
                Identity::Object { bucket: &object.bucket, key: &object.key, bytes: taken.bytes, etag }
            }
            _ => return Ok(()),
        };
        self.runtime.block_on(ledger.note(&identity, &taken.puts))
    }

    fn take(&self, input: &Input, progress: &Progress) -> Result<Taken, Broken> {
        for _ in 1..TRIES {
            match self.take_once(input, progress) {
                Err(Attempt::MayPass(_)) => {}
                Ok(taken) => return Ok(taken),
                Err(Attempt::Failed(broken)) => return Err(broken),
            }
        }
        self.take_once(input, progress).map_err(|(Attempt::MayPass(broken) | Attempt::Failed(broken))| broken)
    }

    fn take_once(&self, input: &Input, progress: &Progress) -> Result<Taken, Attempt> {
        let name = input.to_string();
        let opened = match input.open() {
            Ok(opened) => opened,
            Err(Failure::Other(error) | Failure::Invalid(error)) => {
                return Err(Attempt::Failed(Broken { error, is_of_store: false }));
            }
            Err(Failure::Refused | Failure::OutputClosed) => {
                let error = anyhow::anyhow!("cannot read {name}");
                return Err(Attempt::Failed(Broken { error, is_of_store: false }));
            }
        };
        progress.take_puts();
        let stores = progress.watch(self.stores);
        let (reader, naming) = HashingReader::new(opened.reader, progress.clone());
        let origin = |position: Position| match input {
            Input::Object(object) => Origin::S3 {
                bucket: object.bucket.clone(),
                key: object.key.clone(),
                version: opened.version.clone(),
                offset: position.offset,
                index: position.index,
            },
            Input::Stdin | Input::File(_) => {
                Origin::File { name: name.clone(), offset: position.offset, index: position.index, line: position.line }
            }
        };
        let (source, settings) = (self.source, self.settings);
        let outcome = transform_object(source, settings, &stores, self.runtime, reader, &naming, origin, || true);
        let outcome = outcome.map_err(|error| {
            let is_of_store = !matches!(error, ObjectError::Input(_));
            let may_pass = match &error {
                ObjectError::Input(InputError::Source(error)) => {
                    StoreError::of_io(error).is_some_and(StoreError::is_transient)
                }
                _ => false,
            };
            let broken = Broken { error: anyhow::Error::new(error).context(name.clone()), is_of_store };
            if may_pass { Attempt::MayPass(broken) } else { Attempt::Failed(broken) }
        })?;
        let (digest, bytes) = (naming.digest(), naming.bytes());
        Ok(Taken { outcome, digest, bytes, etag: opened.etag, puts: progress.take_puts() })
    }
}

/// A try that failed.
enum Attempt {
    /// For a reason that may pass by itself.
    MayPass(Broken),
    Failed(Broken),
}

/// What became of the inputs so far.
#[derive(Default)]
struct Gathered {
    outcome: ObjectOutcome,
    counts: InputCounts,
    failed: Vec<FailedInput>,
    /// Contents, and the input that first had each.
    seen: HashMap<Digest, usize>,
    empty: Vec<String>,
    /// Inputs of which nothing reached the lake.
    refused: Vec<String>,
    earlier: Earlier,
}

impl Gathered {
    /// Counts an input that an earlier run finished.
    fn skip(&mut self, fate: Fate) {
        self.counts.finished_before += 1;
        match fate {
            Fate::InLake => self.earlier.in_lake += 1,
            Fate::Refused => self.earlier.refused += 1,
            Fate::Empty => {}
        }
    }

    /// Adds what became of an input; gives the one that had the same content before, which makes this one count for
    /// nothing.
    fn add(&mut self, at: usize, input: &Input, taken: &Taken) -> Option<usize> {
        let counts = &taken.outcome.counts;
        if counts.records_in == 0 {
            self.counts.read += 1;
            self.empty.push(input.to_string());
            return None;
        }
        if let Some(first) = self.seen.get(&taken.digest) {
            self.counts.repeated += 1;
            return Some(*first);
        }
        self.seen.insert(taken.digest, at);
        self.counts.read += 1;
        if counts.total_written() == 0 && counts.total_quarantined() > 0 {
            self.refused.push(input.to_string());
        }
        self.outcome.add(&taken.outcome);
        None
    }

    fn finish(self, inputs: &[Candidate], began: Instant) -> Result<Ingested, Failure> {
        let Self { outcome, counts: mut inputs_counted, failed, empty, refused, earlier, .. } = self;
        let ObjectOutcome { counts, objects, bytes, examples } = outcome;
        check(&counts)?;
        inputs_counted.empty = empty.len() as u64;
        inputs_counted.failed = failed.len() as u64;
        Ok(Ingested {
            summary: Summary::new(counts, objects, bytes, began).with_examples(examples),
            inputs: inputs_counted,
            failed,
            empty,
            refused,
            earlier,
            first: inputs.first().map(|input| input.input.clone()),
        })
    }
}

/// Checks that every record is accounted for.
fn check(counts: &Counts) -> Result<(), Failure> {
    let safe = counts.total_written() + counts.total_quarantined() + counts.total_discarded();
    if safe == counts.records_in {
        return Ok(());
    }
    let records = counts.records_in;
    Err(Failure::usage(format_args!("internal error: {records} records were read, but only {safe} are accounted for")))
}
