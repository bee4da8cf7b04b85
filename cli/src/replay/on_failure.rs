//! Messages of the Kinesis event source's on-failure destination.

use anyhow::{Context as _, anyhow};
use aws_sdk_sqs::Client;
use pipeline::{Settings, Sources, Stores, StreamRecord, transform_records};
use serde::Deserialize as _;
use serde_json::Value;

use super::Replayed;
use super::stream::{RangeReader, StreamRange};
use crate::aws_error;
use crate::exit::Failure;
use crate::input::Input;
use crate::output::{Output, counted};

/// How deep a message may be wrapped: a list of queue messages around a notification around the message itself is seven
/// levels of JSON.
const WRAPPINGS: u32 = 10;
/// Largest file of messages, in bytes.
const MESSAGES_BYTES: u64 = 256 << 20;
/// Messages taken from a queue at once, the most that SQS gives.
const RECEIVED: i32 = 10;
/// Seconds for which nobody else sees a message that is being replayed.
const HIDDEN_SECONDS: i32 = 900;

/// What re-read records pass through: the pipeline of the function.
pub(super) struct Pipeline<'p> {
    pub(super) output: &'p Output,
    pub(super) sources: &'p Sources,
    pub(super) settings: &'p Settings,
    pub(super) stores: &'p Stores,
}

impl Pipeline<'_> {
    /// Replays the ranges that messages in files name.
    pub(super) async fn replay_messages(&self, inputs: &[Input]) -> Result<Replayed, Failure> {
        let mut replayed = Replayed::default();
        for input in inputs {
            let mut text = String::new();
            let mut limited = std::io::Read::take(input.open()?, MESSAGES_BYTES);
            std::io::Read::read_to_string(&mut limited, &mut text).with_context(|| format!("cannot read {input}"))?;
            let mut ranges = Vec::new();
            for message in serde_json::Deserializer::from_str(&text).into_iter::<Value>() {
                let message = message.with_context(|| format!("{input} is not JSON"))?;
                let found = ranges.len();
                collect_ranges(&message, WRAPPINGS, &mut ranges).with_context(|| input.to_string())?;
                if ranges.len() == found {
                    self.output.say(format_args!("{input}: a document without KinesisBatchInfo is left out"));
                }
            }
            if ranges.is_empty() {
                return Err(Failure::usage(format_args!("{input} has no message with KinesisBatchInfo")));
            }
            for range in &ranges {
                self.replay_range(range, &mut replayed).await?;
            }
        }
        Ok(replayed)
    }

    /// Replays the ranges that the messages in a queue name, until it is empty. A message is deleted once all of its
    /// records are in the lake or in quarantine.
    pub(super) async fn replay_queue(&self, url: &str) -> Result<Replayed, Failure> {
        let client = Client::new(&lake::aws::sdk_config().await);
        let mut replayed = Replayed::default();
        let mut left = Vec::new();
        let failed = |what: &str, error: &str| Failure::Other(anyhow!("cannot {what} {url}: {error}"));
        loop {
            let request = client.receive_message().queue_url(url).max_number_of_messages(RECEIVED);
            let request = request.visibility_timeout(HIDDEN_SECONDS).wait_time_seconds(1);
            let received = request.send().await;
            let received = received.map_err(|error| failed("receive from", &aws_error::describe(&error)))?;
            let messages = received.messages.unwrap_or_default();
            if messages.is_empty() {
                break;
            }
            for message in messages {
                let is_safe = self.replay_message(message.body().unwrap_or_default(), &mut replayed).await?;
                let Some(handle) = message.receipt_handle else { continue };
                if is_safe {
                    let deleted = client.delete_message().queue_url(url).receipt_handle(handle).send().await;
                    deleted.map_err(|error| failed("delete a message of", &aws_error::describe(&error)))?;
                } else {
                    left.push(handle);
                }
            }
        }
        if !left.is_empty() {
            self.output.say(format_args!("{} left in {url}", counted(left.len() as u64, "message")));
        }
        for handle in left {
            // If this fails, it will be seen again later.
            let _ = client
                .change_message_visibility()
                .queue_url(url)
                .receipt_handle(handle)
                .visibility_timeout(0)
                .send()
                .await;
        }
        Ok(replayed)
    }

    /// Replays what one message of a queue names; whether all of it is safe.
    async fn replay_message(&self, body: &str, replayed: &mut Replayed) -> Result<bool, Failure> {
        let mut ranges = Vec::new();
        let read = serde_json::from_str(body)
            .map_err(anyhow::Error::new)
            .and_then(|message| collect_ranges(&message, WRAPPINGS, &mut ranges));
        if read.is_err() || ranges.is_empty() {
            let start: String = body.chars().take(100).collect();
            let start = crate::output::harmless(&start).into_owned();
            self.output.complain(format_args!("a message without KinesisBatchInfo is left: {start}"));
            replayed.unreadable += 1;
            return Ok(false);
        }
        let lost = replayed.lost.len();
        for range in &ranges {
            self.replay_range(range, replayed).await?;
        }
        Ok(replayed.lost.len() == lost)
    }

    async fn replay_range(&self, range: &StreamRange, replayed: &mut Replayed) -> Result<(), Failure> {
        let bar = self.output.progress(None, &range.shard_id);
        let mut reader = RangeReader::open(range).await?;
        while let Some(records) = reader.next().await? {
            let records: Vec<StreamRecord<'_>> = records
                .iter()
                .map(|record| StreamRecord {
                    sequence_number: record.sequence_number(),
                    shard: &range.shard_id,
                    stream: &range.stream_arn,
                    arrival: record
                        .approximate_arrival_timestamp()
                        .and_then(|instant| instant.to_millis().ok())
                        .unwrap_or_default(),
                    data: record.data().as_ref(),
                })
                .collect();
            bar.inc(records.iter().map(|record| record.data.len() as u64).sum());
            let outcome = transform_records(self.sources, self.settings, self.stores, &records, || true).await;
            replayed.counts.add(&outcome.counts);
            replayed.objects += outcome.objects;
            replayed.bytes += outcome.bytes;
            if let Some(first) = outcome.retry_from {
                let sequence_number = records.get(first).map_or("?", |record| record.sequence_number);
                let errors = outcome.errors.join("; ");
                return Err(Failure::Other(anyhow!("{errors}. Not safe from record {sequence_number} on")));
            }
        }
        bar.finish_and_clear();
        replayed.lost.extend(reader.lost());
        Ok(())
    }
}

/// The ranges in a document: the message itself, as SNS or SQS wrap it, as `aws sqs receive-message` prints it, or a list
/// of any of these.
fn collect_ranges(document: &Value, wrappings: u32, ranges: &mut Vec<StreamRange>) -> anyhow::Result<()> {
    let Some(wrappings) = wrappings.checked_sub(1) else { return Ok(()) };
    match document {
        Value::Array(items) => items.iter().try_for_each(|item| collect_ranges(item, wrappings, ranges)),
        Value::String(text) => match serde_json::from_str::<Value>(text) {
            Ok(inner) => collect_ranges(&inner, wrappings, ranges),
            Err(_) => Ok(()),
        },
        Value::Object(members) => {
            if let Some(info) = members.get("KinesisBatchInfo") {
                ranges.push(StreamRange::deserialize(info).context("KinesisBatchInfo")?);
                return Ok(());
            }
            let inner =
                ["Messages", "Records", "Body", "body", "Message"].into_iter().find_map(|name| members.get(name));
            inner.map_or(Ok(()), |inner| collect_ranges(inner, wrappings, ranges))
        }
        _ => Ok(()),
    }
}
