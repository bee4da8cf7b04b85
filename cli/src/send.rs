//! `sluice send`: lines of files into a Kinesis stream.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::anyhow;
use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::primitives::Blob;
use aws_sdk_kinesis::types::PutRecordsRequestEntry;
use serde::Serialize;
use serde_json::Value;
use sources::{Framing, Item, Limits, Position, Records};

use crate::aws_error;
use crate::exit::{Failure, Outcome, Verdict};
use crate::input::Input;
use crate::lake_arguments::runtime;
use crate::output::{Output, ResultFormat, count, counted, size};
use crate::summary::seconds_since;

/// Maximum records per request.
const BATCH_RECORDS: usize = 500;
/// Maximum bytes per request, including partition keys.
const BATCH_BYTES: usize = 5_000_000;
/// Maximum bytes per record, including its partition key.
const RECORD_BYTES: usize = 1 << 20;
/// Number of attempts for records that a throttled shard refuses, if none of them gets through.
const TRIES: u32 = 10;
/// The pause before the first retry. It doubles up to the maximum.
const PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Send lines of files to a Kinesis stream
///
/// Each line becomes a record. Records that a shard refuses are retried, which may change their order within the shard.
/// Lines of more than 1 MiB are named and not sent, and the exit code is 1.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  sluice send --stream sluice-logs examples/windows-sysmon.ndjson
  sluice send --stream sluice-logs --partition-key-field MachineName sysmon.ndjson.gz
  tail -f sysmon.ndjson | sluice send --stream sluice-logs -

Credentials, Region and endpoint come from the usual AWS environment variables.")]
pub(crate) struct Send {
    /// Name or ARN of the stream
    #[arg(long, value_name = "STREAM")]
    stream: String,
    /// Partition key of all lines, which then go to one shard
    #[arg(long, value_name = "TEXT", conflicts_with = "partition_key_field", value_parser = partition_key)]
    partition_key: Option<String>,
    /// Member of the line's JSON object that holds the partition key [default: a hash of the line]
    #[arg(long, value_name = "NAME")]
    partition_key_field: Option<String>,
    /// Format of the summary
    #[arg(long, value_enum, default_value_t)]
    format: ResultFormat,
    /// Files, plain or compressed, or `-` for standard input
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
}

fn partition_key(text: &str) -> Result<String, String> {
    match text.chars().count() {
        1..=256 => Ok(text.to_owned()),
        _ => Err("a partition key has 1 to 256 characters".to_owned()),
    }
}

/// Counts of the records sent.
#[derive(Debug, Default, Serialize)]
struct Summary {
    /// Lines read.
    records_in: u64,
    /// Records in the stream.
    sent: u64,
    /// Lines too long for a record.
    too_long: u64,
    /// Bytes sent, without keys.
    bytes: u64,
    /// Requests.
    requests: u64,
    /// Records that had to be sent again.
    retried: u64,
    /// Time it took.
    seconds: f64,
}

impl Send {
    pub(crate) fn run(self, output: &Output) -> Outcome {
        let inputs = Input::all(&self.files, None)?;
        let began = Instant::now();
        let summary = runtime()?.block_on(async {
            if store::aws::sdk_config().await.region().is_none() {
                return Err(Failure::usage("no Region is set; set AWS_REGION or a profile's region"));
            }
            let config = crate::aws_access::sdk_config().await?;
            let mut sender = Sender {
                client: Client::new(&config),
                stream: &self.stream,
                summary: Summary::default(),
                batch: Batch::default(),
            };
            for input in &inputs {
                self.send(output, &mut sender, input).await?;
            }
            sender.flush().await?;
            Ok(sender.summary)
        })?;
        let summary = Summary { seconds: seconds_since(began), ..summary };
        match self.format {
            ResultFormat::Json => output.json(&summary)?,
            ResultFormat::Table => {
                let sent = output.data.strong(counted(summary.sent, "record"));
                let requests = counted(summary.requests, "request");
                let again = match summary.retried {
                    0 => String::new(),
                    retried => format!("; {} sent again", count(retried)),
                };
                let (bytes, seconds) = (size(summary.bytes), summary.seconds);
                output.write(format_args!(
                    "{sent} ({bytes}) in {} with {requests} in {seconds:.1} s{again}\n",
                    self.stream
                ))?;
            }
        }
        Ok(Verdict::of(summary.too_long > 0))
    }

    async fn send(&self, output: &Output, sender: &mut Sender<'_>, input: &Input) -> Result<(), Failure> {
        let opened = input.open()?;
        let bar = output.progress(opened.bytes, &input.to_string());
        let framing = Framing::Ndjson;
        let limits = Limits { event_bytes: RECORD_BYTES, ..Limits::default() };
        let mut lines = Records::of_stream(&framing, bar.wrap_read(opened.reader), limits);
        while let Some(item) =
            lines.next_item().map_err(|error| anyhow::Error::new(error).context(input.to_string()))?
        {
            match item {
                Item::Event(event) => {
                    let record = Record {
                        place: format!("{input}:{}", line(event.position)),
                        key: self.key(event.bytes),
                        data: event.bytes.to_vec(),
                    };
                    sender.summary.records_in += 1;
                    if record.bytes() > RECORD_BYTES {
                        sender.refuse(output, &record.place, record.data.len() as u64);
                    } else {
                        sender.push(record).await?;
                    }
                }
                Item::Skipped | Item::Oversized { length: None, .. } => {}
                Item::Oversized { position, length: Some(length), .. } => {
                    sender.summary.records_in += 1;
                    sender.refuse(output, &format!("{input}:{}", line(position)), length);
                }
                Item::Fault { error, .. } => {
                    return Err(Failure::Other(anyhow::Error::new(error).context(input.to_string())));
                }
                other => return Err(Failure::usage(format_args!("{input}: {other:?}"))),
            }
        }
        bar.finish_and_clear();
        Ok(())
    }

    fn key(&self, line: &[u8]) -> String {
        let of_field = |name: &String| {
            let object: Value = serde_json::from_slice(line).ok()?;
            let text = match object.get(name)? {
                Value::String(text) => text.clone(),
                Value::Null | Value::Array(_) | Value::Object(_) => return None,
                other => other.to_string(),
            };
            Some(text.chars().take(256).collect::<String>()).filter(|key| !key.is_empty())
        };
        let chosen = self.partition_key.clone().or_else(|| self.partition_key_field.as_ref().and_then(of_field));
        chosen.unwrap_or_else(|| blake3::hash(line).to_hex()[..32].to_owned())
    }
}

fn line(position: Position) -> u64 {
    position.line.unwrap_or(position.index + 1)
}

/// A record on its way.
struct Record {
    /// The file and line it is from.
    place: String,
    key: String,
    data: Vec<u8>,
}

impl Record {
    fn bytes(&self) -> usize {
        self.data.len() + self.key.len()
    }
}

/// Records of one request.
#[derive(Default)]
struct Batch {
    records: Vec<Record>,
    bytes: usize,
}

struct Sender<'s> {
    client: Client,
    stream: &'s str,
    summary: Summary,
    batch: Batch,
}

impl Sender<'_> {
    fn refuse(&mut self, output: &Output, place: &str, length: u64) {
        self.summary.too_long += 1;
        output
            .complain(format_args!("{place}: not sent, {} exceed the size limit of a record", counted(length, "byte")));
    }

    async fn push(&mut self, record: Record) -> Result<(), Failure> {
        if self.batch.records.len() == BATCH_RECORDS || self.batch.bytes + record.bytes() > BATCH_BYTES {
            self.flush().await?;
        }
        self.batch.bytes += record.bytes();
        self.batch.records.push(record);
        Ok(())
    }

    /// Sends the waiting records, and retries rejected ones, until all are in the stream.
    async fn flush(&mut self) -> Result<(), Failure> {
        let mut waiting = std::mem::take(&mut self.batch).records;
        let (mut pause, mut tries) = (PAUSE, 0);
        while !waiting.is_empty() {
            let before = waiting.len();
            let reasons = self.put(&mut waiting).await?;
            let Some(first) = waiting.first() else { return Ok(()) };
            if waiting.len() < before {
                (pause, tries) = (PAUSE, 0);
            }
            tries += 1;
            if tries == TRIES {
                let reasons: Vec<String> = reasons.into_iter().map(|(code, text)| format!("{code}: {text}")).collect();
                return Err(Failure::Other(anyhow!(
                    "{} sent, then {} rejected {TRIES} times, starting with {} ({})",
                    counted(self.summary.sent, "record"),
                    counted(waiting.len() as u64, "record"),
                    first.place,
                    reasons.join("; ")
                )));
            }
            self.summary.retried += waiting.len() as u64;
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
        Ok(())
    }

    /// Sends one request. Rejected records stay in `waiting`; returns the reasons.
    async fn put(&mut self, waiting: &mut Vec<Record>) -> Result<BTreeMap<String, String>, Failure> {
        let entries = waiting.iter().map(|record| {
            let data = Blob::new(record.data.clone());
            PutRecordsRequestEntry::builder().data(data).partition_key(&record.key).build()
        });
        let entries = entries.collect::<Result<Vec<_>, _>>()?;
        let request = self.client.put_records().set_records(Some(entries));
        let request = match self.stream.starts_with("arn:") {
            true => request.stream_arn(self.stream),
            false => request.stream_name(self.stream),
        };
        self.summary.requests += 1;
        let response = request.send().await.map_err(|error| {
            let sent = counted(self.summary.sent, "record");
            anyhow!("cannot send to {} after {sent}: {}", self.stream, aws_error::describe(&error))
        })?;
        if response.records().len() != waiting.len() {
            return Err(Failure::usage("the stream's response does not have a result for each record"));
        }
        let mut reasons = BTreeMap::new();
        let mut results = response.records().iter();
        waiting.retain(|record| match results.next().and_then(|result| Some((result.error_code()?, result))) {
            Some((code, result)) => {
                reasons.insert(code.to_owned(), result.error_message().unwrap_or_default().to_owned());
                true
            }
            None => {
                self.summary.sent += 1;
                self.summary.bytes += record.data.len() as u64;
                false
            }
        });
        Ok(reasons)
    }
}
