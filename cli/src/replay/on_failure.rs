//! Messages of the Kinesis event source's on-failure destination.

use anyhow::{Context as _, anyhow};
use aws_sdk_sqs::Client;
use pipeline::{KinesisEvent, Settings, Sources, Stores, StreamRecord, transform_records};
use serde::Deserialize as _;
use serde_json::Value;
use store::Store;

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

/// What the records pass through: the pipeline of the function.
pub(super) struct Pipeline<'p> {
    pub(super) output: &'p Output,
    pub(super) sources: &'p Sources,
    pub(super) settings: &'p Settings,
    pub(super) stores: &'p Stores,
}

impl Pipeline<'_> {
    /// Replays the batches that messages in a file describe.
    pub(super) async fn replay_file(&self, input: &Input) -> Result<Replayed, Failure> {
        let mut replayed = Replayed::default();
        let mut text = String::new();
        let mut limited = std::io::Read::take(input.open()?.reader, MESSAGES_BYTES);
        std::io::Read::read_to_string(&mut limited, &mut text).with_context(|| format!("cannot read {input}"))?;
        let mut told = Vec::new();
        for message in serde_json::Deserializer::from_str(&text).into_iter::<Value>() {
            let message = message.with_context(|| format!("{input} is not JSON"))?;
            let found = told.len();
            collect(&message, WRAPPINGS, &mut told).with_context(|| input.to_string())?;
            if told.len() == found {
                self.output.say(format_args!("{input}: skipped a document without KinesisBatchInfo"));
            }
        }
        if told.is_empty() {
            return Err(Failure::usage(format_args!("{input} has no message with KinesisBatchInfo")));
        }
        for told in &told {
            self.replay(told, &mut replayed).await?;
        }
        Ok(replayed)
    }

    /// Replays the batches that Lambda put into a bucket or folder, or the one object that `location` names. An object
    /// is removed once all of its records are in the lake or in quarantine.
    pub(super) async fn replay_objects(&self, location: &str) -> Result<Replayed, Failure> {
        let mut replayed = Replayed::default();
        let store = crate::aws_access::open_store(location).await?;
        let mut after = String::new();
        let mut found = false;
        loop {
            let page = store.list("", &after).await?;
            let Some(last) = page.last() else { break };
            after.clone_from(&last.key);
            for object in page.iter().filter(|object| is_lambdas(&object.key)) {
                found = true;
                self.replay_object(store.as_ref(), &object.key, &mut replayed).await?;
            }
        }
        if let (false, Some((folder, key))) = (found, location.rsplit_once('/'))
            && folder.starts_with("s3://")
            && !key.is_empty()
        {
            let store = crate::aws_access::open_store(folder).await?;
            found = store.list(key, "").await?.iter().any(|listed| listed.key == key);
            if found {
                self.replay_object(store.as_ref(), key, &mut replayed).await?;
            }
        }
        if !found {
            self.output.say(format_args!("nothing in {}", store.describe()));
        }
        Ok(replayed)
    }

    /// Replays an object of the on-failure destination; whether all of it is safe.
    async fn replay_object(&self, store: &dyn Store, key: &str, replayed: &mut Replayed) -> Result<bool, Failure> {
        let object = match store.get(key).await {
            // Another replay was faster.
            Err(error) if error.is_not_found() => return Ok(true),
            object => object?,
        };
        let mut told = Vec::new();
        let read = serde_json::from_slice(&object)
            .map_err(anyhow::Error::new)
            .and_then(|message| collect(&message, WRAPPINGS, &mut told));
        if read.is_err() || told.is_empty() || told.iter().any(|told| matches!(told, Told::Object { .. })) {
            let place = format!("{}/{key}", store.describe());
            self.output.complain(format_args!("{place} has no KinesisBatchInfo; the object is left unchanged"));
            replayed.unreadable += 1;
            return Ok(false);
        }
        let mut is_safe = true;
        for told in &told {
            is_safe &= Box::pin(self.replay(told, replayed)).await?;
        }
        if is_safe {
            store.remove(key).await?;
        }
        Ok(is_safe)
    }

    /// Replays what the messages in a queue tell of, until it is empty. A message is deleted once all of its records
    /// are in the lake or in quarantine.
    pub(super) async fn replay_queue(&self, url: &str) -> Result<Replayed, Failure> {
        let client = Client::new(&crate::aws_access::sdk_config().await?);
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

    /// Replays the batches in one message of a queue. Returns whether all records are in the lake or in quarantine.
    async fn replay_message(&self, body: &str, replayed: &mut Replayed) -> Result<bool, Failure> {
        let mut told = Vec::new();
        let read = serde_json::from_str(body)
            .map_err(anyhow::Error::new)
            .and_then(|message| collect(&message, WRAPPINGS, &mut told));
        if read.is_err() || told.is_empty() {
            let start: String = body.chars().take(100).collect();
            let start = crate::output::harmless(&start).into_owned();
            self.output.complain(format_args!("a message without KinesisBatchInfo stays in the queue: {start}"));
            replayed.unreadable += 1;
            return Ok(false);
        }
        let mut is_safe = true;
        for told in &told {
            is_safe &= self.replay(told, replayed).await?;
        }
        Ok(is_safe)
    }

    /// Replays one batch or range. Returns whether all records are in the lake or in quarantine.
    async fn replay(&self, told: &Told, replayed: &mut Replayed) -> Result<bool, Failure> {
        match told {
            Told::Batch { event, size } => match KinesisEvent::parse(event) {
                Ok(event) => {
                    let records = event.records();
                    self.transform(&records, replayed).await?;
                    let found = records.len() as u64;
                    let missing = size.filter(|size| found < *size);
                    if let Some(size) = missing {
                        let found = counted(found, "record");
                        self.output.complain(format_args!("a payload has {found}, but KinesisBatchInfo says {size}"));
                        replayed.unreadable += 1;
                    }
                    Ok(missing.is_none())
                }
                Err(error) => {
                    self.output.complain(format_args!("a payload is not a batch of Kinesis records: {error}"));
                    replayed.unreadable += 1;
                    Ok(false)
                }
            },
            Told::Unknown => {
                self.output.complain(format_args!("a list item has no KinesisBatchInfo"));
                replayed.unreadable += 1;
                Ok(false)
            }
            Told::Range(range) => {
                let lost = replayed.lost.len();
                self.replay_range(range, replayed).await?;
                Ok(replayed.lost.len() == lost)
            }
            Told::Object { bucket, key } => {
                let store = crate::aws_access::open_store(&format!("s3://{bucket}")).await?;
                self.replay_object(store.as_ref(), key, replayed).await
            }
        }
    }

    async fn transform(&self, records: &[StreamRecord<'_>], replayed: &mut Replayed) -> Result<(), Failure> {
        let outcome = transform_records(self.sources, self.settings, self.stores, records, || true).await;
        replayed.counts.add(&outcome.counts);
        replayed.objects += outcome.objects;
        replayed.bytes += outcome.bytes;
        let Some(first) = outcome.retry_from else { return Ok(()) };
        let sequence_number = records.get(first).map_or("?", |record| record.sequence_number);
        let errors = outcome.errors.join("; ");
        Err(Failure::Other(anyhow!("{errors}. Records from {sequence_number} on are not in the lake")))
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
            self.transform(&records, replayed).await?;
        }
        bar.finish_and_clear();
        replayed.lost.extend(reader.lost());
        Ok(())
    }
}

/// The content of a message.
enum Told {
    /// The batch itself: the event that the function was given, and how many records it has. Lambda writes it into a
    /// bucket, and nowhere else.
    Batch { event: String, size: Option<u64> },
    /// Where its records are in the stream.
    Range(StreamRange),
    /// An object with the message, as S3 announces it.
    Object { bucket: String, key: String },
    /// An item without KinesisBatchInfo in a list of messages.
    Unknown,
}

/// Whether an object may be one of Lambda's. In the quarantine bucket they have Sluice's own for neighbours.
fn is_lambdas(key: &str) -> bool {
    !["quarantine/", "ext/"].iter().any(|own| key.starts_with(own))
}

/// What a document tells of: the message itself, as SNS or SQS wrap it, as `aws sqs receive-message` prints it, the
/// announcement of an object with it, or a list of any of these.
fn collect(document: &Value, wrappings: u32, told: &mut Vec<Told>) -> anyhow::Result<()> {
    let Some(wrappings) = wrappings.checked_sub(1) else { return Ok(()) };
    match document {
        Value::Array(items) => {
            let mut unknown = 0;
            let before = told.len();
            for item in items {
                let found = told.len();
                collect(item, wrappings, told)?;
                unknown += usize::from(told.len() == found);
            }
            if told.len() > before {
                told.extend(std::iter::repeat_n((), unknown).map(|()| Told::Unknown));
            }
            Ok(())
        }
        Value::String(text) => match serde_json::from_str::<Value>(text) {
            Ok(inner) => collect(&inner, wrappings, told),
            Err(_) => Ok(()),
        },
        Value::Object(members) => {
            if let Some(info) = members.get("KinesisBatchInfo") {
                let size = info.get("batchSize").and_then(Value::as_u64);
                told.push(match members.get("payload") {
                    Some(Value::String(event)) => Told::Batch { event: event.clone(), size },
                    Some(event @ Value::Object(_)) => Told::Batch { event: event.to_string(), size },
                    _ => Told::Range(StreamRange::deserialize(info).context("KinesisBatchInfo")?),
                });
                return Ok(());
            }
            if let Some(object) = announced(document) {
                told.push(object);
                return Ok(());
            }
            let inner =
                ["Messages", "Records", "Body", "body", "Message"].into_iter().find_map(|name| members.get(name));
            inner.map_or(Ok(()), |inner| collect(inner, wrappings, told))
        }
        _ => Ok(()),
    }
}

/// The object of an event that S3 sends to EventBridge.
fn announced(event: &Value) -> Option<Told> {
    if event.get("source")? != "aws.s3" {
        return None;
    }
    let text = |pointer: &str| Some(event.pointer(pointer)?.as_str()?.to_owned());
    Some(Told::Object { bucket: text("/detail/bucket/name")?, key: text("/detail/object/key")? })
}
