//! A batch of Kinesis records, and the lowest sequence number that is not safe.

use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};

use lake::quarantine::{Origin, Reason};

use crate::batch::{Batch, BatchError, Counts, InputId, Parcel, Refusal, Sealing, Settings};
use crate::deliver::{Stores, until_error};
use crate::error_text::error_chain;
use crate::routing::{Sources, StreamRoutes};
use crate::unpack::{Unpacked, Unpacking, kept_whole};

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

/// Transforms a batch of stream records. `has_time` says whether another event may be started.
///
/// A record that can never succeed goes to quarantine as it came and counts as done. A fault that may pass makes
/// [`StreamOutcome::retry_from`] the first record that depends on it. A record on which an internal error occurs goes to
/// quarantine too, so that it blocks neither its neighbours nor its shard.
///
/// If time runs out within a record, that record is retried, except the first: it had the whole time and would have no
/// more the next time, so it goes to quarantine. Events of a record that were written before it is retried are written
/// again.
pub async fn transform_records(
    sources: &Sources,
    settings: &Settings,
    stores: &Stores,
    records: &[StreamRecord<'_>],
    has_time: impl Fn() -> bool,
) -> StreamOutcome {
    let mut routes: Vec<(&str, StreamRoutes<'_>)> = Vec::new();
    for record in records {
        // A batch is of one stream, but for batches that are replayed together.
        if routes.iter().all(|(stream, _)| *stream != record.stream) {
            routes.push((record.stream, sources.of_stream(record.stream)));
        }
    }
    let mut flow = Flow { routes, settings, stores, records, poison: None, outcome: StreamOutcome::default() };
    // Records still to do; the next ones last.
    let mut ranges: Vec<Range<usize>> = std::iter::once(0..records.len()).collect();
    while let Some(range) = ranges.pop()
        && flow.outcome.retry_from.is_none()
    {
        let Err(Fault { records: held, error }) = flow.transform(range.clone(), &has_time).await else { continue };
        ranges.push(held.end..range.end);
        let first = records[held.start].sequence_number;
        match held.len() {
            1 => tracing::error!(sequence_number = first, error, "internal error on record"),
            records => tracing::warn!(first, records, error, "internal error, batch split"),
        }
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
    /// The rules for each stream that a record is from.
    routes: Vec<(&'a str, StreamRoutes<'a>)>,
    settings: &'a Settings,
    stores: &'a Stores,
    records: &'a [StreamRecord<'a>],
    /// The record that has been found to break Sluice.
    poison: Option<usize>,
    outcome: StreamOutcome,
}

/// An internal error. What of these records has been put by then will be put again, in objects of other batches.
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
            // What is quarantined without a look at it takes no time.
            if self.poison != Some(index) && !has_time() {
                self.outcome.errors.push(format!("out of time before record {index} of {}", self.records.len()));
                self.put(&mut batch, open..index, Vec::new()).await?;
                self.outcome.fail_from(index);
                return Ok(());
            }
            let mut sealed = Vec::new();
            let unpacked = self.unbroken(open..index + 1, || self.push(&mut batch, index, &mut sealed, has_time))?;
            if let Unpacked::OutOfTime { written } = unpacked {
                if index > 0 {
                    self.outcome.errors.push(format!("out of time in record {index} of {}", self.records.len()));
                    self.put(&mut batch, open..index + 1, sealed).await?;
                    self.outcome.fail_from(index);
                    return Ok(());
                }
                let message = kept_whole("record", "it takes more time than an invocation has", written);
                self.refuse(&mut batch, index, Reason::OutOfTime, message);
            }
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
    async fn put(&mut self, batch: &mut Batch<'a>, records: Range<usize>, parcels: Vec<Parcel>) -> Result<(), Fault> {
        if records.is_empty() {
            return Ok(());
        }
        let last = records.end - 1;
        let mut sealing = self.unbroken(records.clone(), || Ok(self.seal(batch, last)))?;
        let next = || self.unbroken(records.clone(), || sealing.next().transpose()).transpose();
        let mut fault = None;
        let sealed = until_error(std::iter::from_fn(next), &mut fault);
        let delivery = self.stores.deliver(parcels.into_iter().chain(sealed)).await;
        self.outcome.objects += delivery.objects;
        self.outcome.bytes += delivery.bytes;
        if let Some(fault) = fault {
            return Err(fault);
        }
        self.outcome.counts.add(batch.counts());
        self.outcome.errors.extend(delivery.errors.iter().map(|error| error_chain(error)));
        if let Some(lowest) = delivery.failed_inputs.first() {
            self.outcome.fail_from(*lowest as usize);
        }
        Ok(())
    }

    /// Does work on records; a failure or panic is a fault of these records.
    fn unbroken<T>(&self, records: Range<usize>, work: impl FnOnce() -> Result<T, BatchError>) -> Result<T, Fault> {
        let error = match catch_unwind(AssertUnwindSafe(work)) {
            Ok(Ok(done)) => return Ok(done),
            Ok(Err(error)) => error_chain(&error),
            Err(_) => "a panic; its place is in the log".to_owned(),
        };
        Err(Fault { records, error })
    }

    /// Seals what a batch holds, up to record `last`. No other batch of this flow ends there, so that no two objects share
    /// a name, but where sealing has broken off: what was put then is replaced, since all of its records are on their way
    /// again.
    fn seal(&self, batch: &mut Batch<'a>, last: usize) -> Sealing<'a> {
        let (first, last) = (&self.records[0], &self.records[last]);
        let label = format!("{}-{}", first.shard, first.sequence_number);
        batch.seal(&label, &[first.stream, first.shard, first.sequence_number, last.sequence_number])
    }

    fn seal_into(&self, sealed: &mut Vec<Parcel>, batch: &mut Batch<'a>, last: usize) -> Result<(), BatchError> {
        self.seal(batch, last).try_for_each(|parcel| parcel.map(|parcel| sealed.push(parcel)))
    }

    /// Unpacks a record into its events. Where it holds more of them than fit in memory, `sealed` takes what was full.
    fn push(
        &self,
        batch: &mut Batch<'a>,
        index: usize,
        sealed: &mut Vec<Parcel>,
        has_time: &impl Fn() -> bool,
    ) -> Result<Unpacked, BatchError> {
        if self.poison == Some(index) {
            self.refuse(batch, index, Reason::Fault, "internal error on this record; please report it".to_owned());
            return Ok(Unpacked::Kept);
        }
        let record = &self.records[index];
        let mut between = |batch: &mut Batch<'a>| {
            if batch.is_full() {
                self.seal_into(sealed, batch, index)?;
            }
            Ok(has_time())
        };
        batch.arrived(record.arrival);
        let Some((_, route)) = self.routes.iter().find(|(stream, _)| *stream == record.stream) else {
            self.refuse(batch, index, Reason::NoSource, "no source takes records of this stream".to_owned());
            return Ok(Unpacked::Kept);
        };
        let mut unpacking = Unpacking { batch, input: index as InputId, route, between: &mut between };
        unpacking.record(record.data, &|sub_sequence, index| record.origin(sub_sequence, index))
    }

    /// Keeps a record in quarantine as it came.
    fn refuse(&self, batch: &mut Batch<'a>, index: usize, reason: Reason, message: String) {
        let record = &self.records[index];
        let refusal = Refusal::new(None, reason, message).of_whole();
        batch.refuse(refusal, record.data, &|| record.origin(None, 0), index as InputId);
    }
}

impl StreamRecord<'_> {
    /// The origin of an event in it.
    fn origin(&self, sub_sequence: Option<u64>, index: u64) -> Origin {
        Origin::Kinesis {
            stream: self.stream.to_owned(),
            shard: self.shard.to_owned(),
            sequence_number: self.sequence_number.to_owned(),
            sub_sequence,
            index,
            arrival: self.arrival,
        }
    }
}

impl StreamOutcome {
    fn fail_from(&mut self, record: usize) {
        self.retry_from = Some(self.retry_from.map_or(record, |earlier| earlier.min(record)));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use lake::quarantine::{QuarantineLine, read_lines};
    use ocsf::rows_to_json;
    use ocsf::schema::{Schema, Version};
    use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
    use store::MemoryStore;

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
        let transformed = transform_with(&sources, queries);
        let lines = transformed.lines();
        (transformed.outcome, lines)
    }

    impl Transformed {
        /// What is in quarantine.
        fn lines(&self) -> Vec<QuarantineLine> {
            let objects = self.quarantine.objects().into_values();
            let lines =
                objects.flat_map(|object| read_lines(&object[..]).unwrap().map(Result::unwrap).collect::<Vec<_>>());
            lines.collect()
        }
    }

    fn transform_with(sources: &Sources, queries: &[&str]) -> Transformed {
        let data: Vec<Vec<u8>> = queries.iter().map(|query| dns_event(query).into_bytes()).collect();
        transform_data(sources, &data, || true)
    }

    fn transform_data(sources: &Sources, data: &[Vec<u8>], has_time: impl Fn() -> bool) -> Transformed {
        let numbers: Vec<String> = (100..100 + data.len()).map(|number| number.to_string()).collect();
        let records: Vec<StreamRecord<'_>> = data
            .iter()
            .zip(&numbers)
            .map(|(data, number)| StreamRecord {
                sequence_number: number,
                shard: "shardId-000000000000",
                stream: "arn:aws:kinesis:eu-central-1:111122223333:stream/logs",
                arrival: 1_740_990_000_000,
                data,
            })
            .collect();
        let settings = Settings {
            region: "eu-central-1".parse().unwrap(),
            account: "111122223333".parse().unwrap(),
            seal: Default::default(),
            memory: 1 << 30,
            bounds: Default::default(),
        };
        let (lake, quarantine) = (MemoryStore::default(), MemoryStore::default());
        let stores = Stores { lake: Arc::new(lake.clone()), quarantine: Arc::new(quarantine.clone()) };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let outcome = runtime.block_on(transform_records(sources, &settings, &stores, &records, has_time));
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

    fn gzip(text: &str) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        std::io::Write::write_all(&mut encoder, text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    }

    /// A record that would be kept whole anyway, with an event at which an internal error occurs.
    #[test]
    fn a_record_with_two_reasons_to_be_kept_is_kept_as_it_came() {
        let log: String = QUERIES.iter().map(|query| dns_event(query) + "\n").collect();
        let mut damaged = gzip(&log);
        damaged.truncate(damaged.len() - 6);
        let data = [dns_event("a.example").into_bytes(), damaged.clone(), dns_event("g.example").into_bytes()];
        let sources = Sources::from_text(DEFAULT_SOURCES, &|_| None).unwrap();
        for place in [Place::Map, Place::Append, Place::Seal] {
            failpoint::set(place, "poison.example");
            let transformed = transform_data(&sources, &data, || true);
            assert_eq!(transformed.outcome.retry_from, None, "{place:?}");
            let lines = transformed.lines();
            let kept: Vec<_> = lines.iter().filter(|line| line.is_whole()).collect();
            assert!(matches!(&kept[..], [line] if line.raw() == damaged), "{place:?}: {lines:?}");
            let (reason, events, written) = match place {
                // The event is alone at fault, and the damage is found too.
                Place::Map => ("undecodable", vec!["fault"], 8),
                _ => ("fault", vec![], 2),
            };
            let other: Vec<_> = lines.iter().filter(|line| !line.is_whole()).map(QuarantineLine::reason).collect();
            assert_eq!((kept[0].reason(), other), (reason, events), "{place:?}");
            assert_eq!(transformed.outcome.counts.total_written(), written, "{place:?}");
        }
    }

    #[test]
    fn a_record_out_of_time_at_which_an_internal_error_occurs_is_kept_as_it_came() {
        let log: String = QUERIES.iter().map(|query| dns_event(query) + "\n").collect();
        let data = [gzip(&log), dns_event("g.example").into_bytes()];
        let sources = Sources::from_text(DEFAULT_SOURCES, &|_| None).unwrap();
        for (place, reason) in [(Place::Map, "out_of_time"), (Place::Append, "fault"), (Place::Seal, "fault")] {
            failpoint::set(place, "poison.example");
            let asked = std::cell::Cell::new(0);
            // It ends behind the event at fault.
            let has_time = || asked.replace(asked.get() + 1) != 5;
            let transformed = transform_data(&sources, &data, has_time);
            let lines = transformed.lines();
            let kept: Vec<_> = lines.iter().filter(|line| line.is_whole()).collect();
            assert!(matches!(&kept[..], [line] if line.raw() == data[0] && line.reason() == reason), "{lines:?}");
            assert_ne!(transformed.outcome.retry_from, Some(0), "{place:?}");
        }
    }

    #[test]
    fn where_an_internal_error_occurs_only_the_event_at_fault_is_left_out() {
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

    /// Tables are kept for their memory. What a batch with an internal error had put into them must not be in the next one.
    #[test]
    fn nothing_of_one_batch_is_in_the_next() {
        let sources = Sources::from_text(DEFAULT_SOURCES, &|_| None).unwrap();
        let alone = transform_with(&Sources::from_text(DEFAULT_SOURCES, &|_| None).unwrap(), &QUERIES[5..]);
        for place in [None, Some(Place::Append), Some(Place::Seal), Some(Place::Sealed)] {
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

    /// Objects are put as they are sealed, so that some are when sealing breaks off. They are put again: at least once.
    #[test]
    fn breaking_off_after_objects_were_put_loses_nothing() {
        failpoint::set(Place::Sealed, "poison.example");
        let sources = Sources::from_text(DEFAULT_SOURCES, &|_| None).unwrap();
        let Transformed { outcome, lake, quarantine } = transform_with(&sources, &QUERIES);
        assert_eq!((outcome.retry_from, outcome.counts.records_in), (None, 7));
        assert_eq!((outcome.counts.total_written(), outcome.counts.total_quarantined()), (6, 1));
        assert!(outcome.objects > (lake.objects().len() + quarantine.objects().len()) as u64, "some were put again");
        let rows = lake.objects().into_values().flat_map(|object| {
            let reader = ParquetRecordBatchReaderBuilder::try_new(object).unwrap().build().unwrap();
            reader.flat_map(|batch| rows_to_json(Schema::get(Version::V1_1_0), &batch.unwrap()).unwrap())
        });
        let rows: Vec<_> = rows.map(|row| row["query"]["hostname"].as_str().unwrap().to_owned()).collect();
        for query in QUERIES {
            assert!(rows.iter().any(|row| row == query), "{query}: {rows:?}");
        }
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
