//! A batch of Kinesis records, and the lowest sequence number that is not safe.

use lake::quarantine::Origin;
use sources::{Decode, kpl};

use crate::batch::{Batch, Counts, InputId, Settings};
use crate::deliver::Stores;
use crate::routing::Sources;

/// A record as the event source mapping delivers it.
#[derive(Debug, Clone, Copy)]
pub struct StreamRecord<'a> {
    /// Its sequence number.
    pub sequence_number: &'a str,
    /// The shard it comes from.
    pub shard: &'a str,
    /// ARN of the stream.
    pub stream: &'a str,
    /// When Kinesis took it, in milliseconds since the epoch.
    pub arrival: i64,
    /// Its payload, base64 undone.
    pub data: &'a [u8],
}

/// What became of a batch of stream records.
#[derive(Debug, Default)]
pub struct StreamOutcome {
    /// The first record that is not safe; it and all after it must be delivered again. None: all are safe.
    pub retry_from: Option<usize>,
    /// What became of the events.
    pub counts: Counts,
    /// Objects put.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
    /// What went wrong, in words.
    pub errors: Vec<String>,
}

/// Transforms a batch of stream records. `has_time` says whether another record may be started.
///
/// A record that can never succeed goes to quarantine and counts as done. A fault that may pass makes
/// [`StreamOutcome::retry_from`] the first record that depends on it.
pub async fn transform_records(
    sources: &Sources,
    settings: &Settings,
    stores: &Stores,
    records: &[StreamRecord<'_>],
    has_time: impl Fn() -> bool,
) -> StreamOutcome {
    let mut outcome = StreamOutcome::default();
    let mut batch = Batch::new(settings);
    // Records from here on are in the open batch, or not looked at yet.
    let mut unsealed = 0;
    for (index, record) in records.iter().enumerate() {
        if !has_time() {
            outcome.errors.push(format!("out of time before record {index} of {}", records.len()));
            outcome.fail_from(index);
            break;
        }
        push_record(&mut batch, sources, record, index as InputId);
        if batch.is_full() {
            if !outcome.put(&mut batch, stores, &records[..=index], unsealed).await {
                outcome.counts = batch.counts().clone();
                return outcome;
            }
            unsealed = index + 1;
        }
    }
    let taken = outcome.retry_from.unwrap_or(records.len());
    if taken > unsealed {
        outcome.put(&mut batch, stores, &records[..taken], unsealed).await;
    }
    outcome.counts = batch.counts().clone();
    outcome
}

impl StreamOutcome {
    fn fail_from(&mut self, record: usize) {
        self.retry_from = Some(self.retry_from.map_or(record, |earlier| earlier.min(record)));
    }

    /// Seals and puts the open batch, which holds `records` from `unsealed` on. Whether it was possible to seal it.
    async fn put(
        &mut self,
        batch: &mut Batch<'_>,
        stores: &Stores,
        records: &[StreamRecord<'_>],
        unsealed: usize,
    ) -> bool {
        let (Some(first), Some(last)) = (records.first(), records.last()) else { return true };
        let label = format!("{}-{}", first.shard, first.sequence_number);
        let identity = [first.stream, first.shard, first.sequence_number, last.sequence_number];
        match batch.seal(&label, &identity) {
            Err(error) => {
                self.errors.push(error_chain(&error));
                self.fail_from(unsealed);
                false
            }
            Ok(parcels) => {
                let delivery = stores.deliver(parcels).await;
                self.objects += delivery.objects;
                self.bytes += delivery.bytes;
                self.errors.extend(delivery.errors.iter().map(|error| error_chain(error)));
                if let Some(lowest) = delivery.failed_inputs.first() {
                    self.fail_from(*lowest as usize);
                }
                true
            }
        }
    }
}

/// Unpacks a record into its events.
fn push_record<'s>(batch: &mut Batch<'s>, sources: &'s Sources, record: &StreamRecord<'_>, input: InputId) {
    let aggregated = record.data.starts_with(&kpl::MAGIC);
    let origin = |sub_sequence, index| Origin::Kinesis {
        stream: record.stream.to_owned(),
        shard: record.shard.to_owned(),
        sequence_number: record.sequence_number.to_owned(),
        sub_sequence,
        index,
        arrival: record.arrival,
    };
    let user_records = match kpl::deaggregate(record.data) {
        Ok(user_records) => user_records,
        Err(error) => {
            return batch.refuse(None, "undecodable", error.to_string(), record.data, &|| origin(None, 0), input);
        }
    };
    // The records of a stream may belong to several sources, so their form is found out from each.
    let decode = Decode::default();
    for user_record in user_records {
        let sub_sequence = aggregated.then_some(user_record.index as u64);
        push_items(batch, &decode, user_record.data, &|index| origin(sub_sequence, index), input, sources);
    }
}

fn push_items<'s>(
    batch: &mut Batch<'s>,
    decode: &Decode,
    data: &[u8],
    origin: &dyn Fn(u64) -> Origin,
    input: InputId,
    sources: &'s Sources,
) {
    let mut records = decode.records_of_slice(data);
    let mut found = 0;
    // A slice cannot fail to be read; what is wrong with its content comes as an item.
    while let Ok(Some(item)) = records.next_item() {
        batch.push_item(&item, decode, None, &|| origin(found), input, |document| sources.of_event(document));
        found += 1;
    }
    if found == 0 {
        let message = "the record holds no event".to_owned();
        batch.refuse(None, "undecodable", message, data, &|| origin(0), input);
    }
}

/// An error and its causes in one line.
pub fn error_chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
