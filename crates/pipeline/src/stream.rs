//! A batch of Kinesis records, and the lowest sequence number that is not safe.

use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};

use lake::quarantine::Origin;
use sources::{Decode, Document, RawEvent, kpl};

use crate::batch::{Batch, BatchError, Counts, InputId, Parcel, Settings, UNDECODABLE};
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
/// [`StreamOutcome::retry_from`] the first record that depends on it. A record at which Sluice itself breaks off goes to
/// quarantine too, so that it blocks neither its neighbours nor its shard.
pub async fn transform_records(
    sources: &Sources,
    settings: &Settings,
    stores: &Stores,
    records: &[StreamRecord<'_>],
    has_time: impl Fn() -> bool,
) -> StreamOutcome {
    let mut flow = Flow { sources, settings, stores, records, poison: None, outcome: StreamOutcome::default() };
    // Records still to do; the next ones last.
    let mut ranges: Vec<Range<usize>> = std::iter::once(0..records.len()).collect();
    while let Some(range) = ranges.pop()
        && flow.outcome.retry_from.is_none()
    {
        let Err(Fault { records: held, error }) = flow.transform(range.clone(), &has_time).await else { continue };
        ranges.push(held.end..range.end);
        tracing::error!(
            first = records[held.start].sequence_number,
            records = held.len(),
            error,
            "looking for the cause"
        );
        match held.len() {
            // Not even its raw bytes can be kept.
            1 if flow.poison == Some(held.start) => flow.outcome.fail_from(held.start),
            1 => {
                flow.poison = Some(held.start);
                ranges.push(held);
            }
            length => {
                let middle = held.start + length / 2;
                ranges.push(middle..held.end);
                ranges.push(held.start..middle);
            }
        }
    }
    flow.outcome
}

/// A batch on its way.
struct Flow<'a> {
    sources: &'a Sources,
    settings: &'a Settings,
    stores: &'a Stores,
    records: &'a [StreamRecord<'a>],
    /// The record that has been found to break Sluice.
    poison: Option<usize>,
    outcome: StreamOutcome,
}

/// Sluice broke off, and nothing of these records has been put.
struct Fault {
    records: Range<usize>,
    error: String,
}

impl<'a> Flow<'a> {
    /// Maps and puts a range of records, in as many parts as memory asks for, until it is done, a put fails or time runs
    /// out.
    async fn transform(&mut self, range: Range<usize>, has_time: &impl Fn() -> bool) -> Result<(), Fault> {
        let mut batch = Batch::new(self.settings);
        // Records from here on are in the open batch.
        let mut open = range.start;
        for index in range.clone() {
            if !has_time() {
                self.outcome.errors.push(format!("out of time before record {index} of {}", self.records.len()));
                self.put(&mut batch, open..index, Vec::new()).await?;
                self.outcome.fail_from(index);
                return Ok(());
            }
            let mut sealed = Vec::new();
            self.unbroken(open..index + 1, || self.push(&mut batch, index, &mut sealed))?;
            if batch.is_full() || !sealed.is_empty() {
                self.put(&mut batch, open..index + 1, sealed).await?;
                if self.outcome.retry_from.is_some() {
                    return Ok(());
                }
                batch = Batch::new(self.settings);
                open = index + 1;
            }
        }
        self.put(&mut batch, open..range.end, Vec::new()).await
    }

    /// Seals and puts a batch that holds `records`, together with what had to be sealed of them before.
    async fn put(
        &mut self,
        batch: &mut Batch<'a>,
        records: Range<usize>,
        mut parcels: Vec<Parcel>,
    ) -> Result<(), Fault> {
        if records.is_empty() {
            return Ok(());
        }
        let last = records.end - 1;
        parcels.extend(self.unbroken(records, || self.seal(batch, last))?);
        let delivery = self.stores.deliver(parcels).await;
        self.outcome.counts.add(batch.counts());
        self.outcome.objects += delivery.objects;
        self.outcome.bytes += delivery.bytes;
        self.outcome.errors.extend(delivery.errors.iter().map(|error| error_chain(error)));
        if let Some(lowest) = delivery.failed_inputs.first() {
            self.outcome.fail_from(*lowest as usize);
        }
        Ok(())
    }

    /// Does work on records, and says that it broke off if it fails or panics.
    fn unbroken<T>(&self, records: Range<usize>, work: impl FnOnce() -> Result<T, BatchError>) -> Result<T, Fault> {
        let error = match catch_unwind(AssertUnwindSafe(work)) {
            Ok(Ok(done)) => return Ok(done),
            Ok(Err(error)) => error_chain(&error),
            Err(_) => "a panic; its place is in the log".to_owned(),
        };
        Err(Fault { records, error })
    }

    /// Seals what a batch holds, up to record `last`. No other batch of this flow ends there, so that no two objects share
    /// a name.
    fn seal(&self, batch: &mut Batch<'a>, last: usize) -> Result<Vec<Parcel>, BatchError> {
        let (first, last) = (&self.records[0], &self.records[last]);
        let label = format!("{}-{}", first.shard, first.sequence_number);
        batch.seal(&label, &[first.stream, first.shard, first.sequence_number, last.sequence_number])
    }

    /// Unpacks a record into its events. Where it holds more of them than fit in memory, `sealed` takes what was full.
    fn push(&self, batch: &mut Batch<'a>, index: usize, sealed: &mut Vec<Parcel>) -> Result<(), BatchError> {
        let record = &self.records[index];
        let input = index as InputId;
        let origin = |sub_sequence, index| Origin::Kinesis {
            stream: record.stream.to_owned(),
            shard: record.shard.to_owned(),
            sequence_number: record.sequence_number.to_owned(),
            sub_sequence,
            index,
            arrival: record.arrival,
        };
        if self.poison == Some(index) {
            let message = "Sluice broke off on this record; please report it".to_owned();
            batch.refuse(None, "fault", message, record.data, &|| origin(None, 0), input);
            return Ok(());
        }
        let user_records = match kpl::deaggregate(record.data) {
            Ok(user_records) => user_records,
            Err(error) => {
                batch.refuse(None, UNDECODABLE, error.to_string(), record.data, &|| origin(None, 0), input);
                return Ok(());
            }
        };
        let aggregated = record.data.starts_with(&kpl::MAGIC);
        // The records of a stream may belong to several sources, so their form is found out from each.
        let decode = Decode::default();
        let mut events: u64 = 0;
        for user_record in user_records {
            let sub_sequence = aggregated.then_some(user_record.index as u64);
            let route = |document: &Document<'_>| self.sources.of_event(document);
            if let Some(event) = RawEvent::of_line(user_record.data, decode.limits)
                && batch.push_likely_event(&event, &decode, &|| origin(sub_sequence, 0), input, route)
            {
                events += 1;
                if batch.is_full() {
                    sealed.extend(self.seal(batch, index)?);
                }
                continue;
            }
            let mut items = decode.records_of_slice(user_record.data);
            let mut found = 0;
            // A slice cannot fail to be read; what is wrong with its content comes as an item.
            while let Ok(Some(item)) = items.next_unskipped() {
                let origin = || origin(sub_sequence, found);
                batch.push_item(&item, &decode, None, &origin, input, route);
                found += 1;
                if batch.is_full() {
                    sealed.extend(self.seal(batch, index)?);
                }
            }
            if found == 0 {
                let message = "the record holds no event".to_owned();
                batch.refuse(None, UNDECODABLE, message, user_record.data, &|| origin(sub_sequence, 0), input);
            }
            events += found.max(1);
        }
        if events == 0 {
            let message = "the aggregated record holds no record".to_owned();
            batch.refuse(None, UNDECODABLE, message, record.data, &|| origin(None, 0), input);
        }
        Ok(())
    }
}

impl StreamOutcome {
    fn fail_from(&mut self, record: usize) {
        self.retry_from = Some(self.retry_from.map_or(record, |earlier| earlier.min(record)));
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use lake::quarantine::{QuarantineLine, read_lines};
    use lake::store::MemoryStore;

    use super::*;
    use crate::batch::failpoint::{self, Place};
    use crate::routing::DEFAULT_SOURCES;

    struct Transformed {
        outcome: StreamOutcome,
        lake: MemoryStore,
        quarantine: MemoryStore,
    }

    /// Transforms DNS events for the queries given; gives what is in quarantine.
    fn transform(queries: &[&str]) -> (StreamOutcome, Vec<QuarantineLine>) {
        let sources = Sources::from_text(DEFAULT_SOURCES, &|_| None).unwrap();
        let Transformed { outcome, quarantine, .. } = transform_with(&sources, queries);
        let objects = quarantine.objects().into_values();
        let lines = objects.flat_map(|object| read_lines(&object[..]).unwrap().map(Result::unwrap).collect::<Vec<_>>());
        (outcome, lines.collect())
    }

    fn transform_with(sources: &Sources, queries: &[&str]) -> Transformed {
        let data: Vec<String> = queries.iter().map(|query| dns_event(query)).collect();
        let numbers: Vec<String> = (100..100 + data.len()).map(|number| number.to_string()).collect();
        let records: Vec<StreamRecord<'_>> = data
            .iter()
            .zip(&numbers)
            .map(|(data, number)| StreamRecord {
                sequence_number: number,
                shard: "shardId-000000000000",
                stream: "arn:aws:kinesis:eu-central-1:111122223333:stream/logs",
                arrival: 1_740_990_000_000,
                data: data.as_bytes(),
            })
            .collect();
        let settings = Settings {
            region: "eu-central-1".parse().unwrap(),
            account: "111122223333".parse().unwrap(),
            seal: Default::default(),
            memory: 1 << 30,
        };
        let (lake, quarantine) = (MemoryStore::default(), MemoryStore::default());
        let stores = Stores { lake: Arc::new(lake.clone()), quarantine: Arc::new(quarantine.clone()) };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let outcome = runtime.block_on(transform_records(sources, &settings, &stores, &records, || true));
        Transformed { outcome, lake, quarantine }
    }

    fn dns_event(query: &str) -> String {
        format!(
            "{{\"EventId\":22,\"Description\":\"Dns query:\\r\\nRuleName: -\\r\\nUtcTime: 2025-03-03 08:00:50.768\\r\\n\
             ProcessGuid: {{ce281686-bc49-67c5-c146-000000000700}}\\r\\nProcessId: 1\\r\\nQueryName: {query}\\r\\nQueryStatus: 0\\r\\n\
             QueryResults: -\\r\\nImage: C:\\\\a.exe\\r\\nUser: A\",\"MachineName\":\"a.example.com\",\"source\":\"windows-sysmon\"}}"
        )
    }

    const QUERIES: [&str; 7] =
        ["a.example", "b.example", "c.example", "d.example", "poison.example", "f.example", "g.example"];

    #[test]
    fn where_sluice_breaks_off_only_the_event_at_fault_is_left_out() {
        for place in [Place::Map, Place::Append, Place::Seal] {
            failpoint::set(place, "poison.example");
            let (outcome, quarantine) = transform(&QUERIES);
            assert_eq!(outcome.retry_from, None, "{place:?}");
            assert_eq!(outcome.counts.total_written(), 6, "{place:?}");
            assert_eq!(outcome.counts.records_in, 7, "{place:?}");
            let [line] = &quarantine[..] else { panic!("{place:?}: {quarantine:?}") };
            assert_eq!((line.reason(), line.raw()), ("fault", dns_event("poison.example").as_bytes()), "{place:?}");
        }
    }

    /// Tables are kept for their memory. What a batch that broke off had put into them must not be in the next one.
    #[test]
    fn nothing_of_one_batch_is_in_the_next() {
        let sources = Sources::from_text(DEFAULT_SOURCES, &|_| None).unwrap();
        let alone = transform_with(&Sources::from_text(DEFAULT_SOURCES, &|_| None).unwrap(), &QUERIES[5..]);
        for place in [None, Some(Place::Append), Some(Place::Seal)] {
            if let Some(place) = place {
                failpoint::set(place, "poison.example");
            }
            transform_with(&sources, &QUERIES[..5]);
            let after = transform_with(&sources, &QUERIES[5..]);
            assert_eq!(after.lake.objects(), alone.lake.objects(), "{place:?}");
            assert_eq!(after.outcome.counts, alone.outcome.counts, "{place:?}");
        }
    }

    #[test]
    fn a_line_that_looks_like_a_field_which_was_there_is_counted_and_belongs_to_the_value() {
        let (outcome, quarantine) = transform(&["a.example\\r\\nQueryName: b.example", "c.example"]);
        assert_eq!((outcome.counts.total_written(), quarantine.len()), (2, 0));
        assert_eq!(outcome.counts.repeated_fields, 1);
    }

    #[test]
    fn every_record_may_be_at_fault() {
        failpoint::set(Place::Append, "example");
        let (outcome, quarantine) = transform(&QUERIES);
        assert_eq!((outcome.retry_from, outcome.counts.total_written(), quarantine.len()), (None, 0, 7));
    }

    #[test]
    fn what_cannot_even_be_quarantined_is_reported() {
        // Only a seal reaches this place without an event.
        failpoint::set(Place::Seal, "");
        let (outcome, quarantine) = transform(&QUERIES);
        assert_eq!((outcome.retry_from, quarantine.len()), (Some(0), 0));
    }
}
