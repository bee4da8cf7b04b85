//! Maps records in quarantine again.
//!
//! A line leaves quarantine when all events in its bytes are in the lake or in other lines of quarantine:
//!
//! - A single event: when it is in the lake.
//! - A whole record or input: when it can be read to its end and at least one event can be written. The other events
//!   then get their own lines, which are written before the old line is removed.
//! - A part of something longer stays, because it cannot be read on its own.

use std::collections::BTreeSet;

use lake::quarantine::{Origin, QuarantineKey, QuarantineLine, read_lines, seal_lines};
use pipeline::{
    Batch, BatchError, Bounds, Counts, Destination, MappedSource, Parcel, PartitionLimit, Sealing, Settings, Stores,
    Unpacked, is_whole, unpack_line,
};
use sources::{Decode, Framing, Item};

use super::Replayed;
use crate::exit::Failure;
use crate::output::Output;

/// Which records are replayed, and whether anything is changed.
pub(crate) struct Selection<'s> {
    pub(crate) source: &'s str,
    pub(crate) reason: Option<&'s str>,
    pub(crate) dry_run: bool,
}

/// Memory limit for the lines of one object, in bytes. Objects are sealed long before they reach it.
const OBJECT_BYTES: usize = 1 << 30;

/// Replays the objects of a quarantine one by one.
///
/// The result for an object depends only on the object, including object names. If a replay is interrupted after
/// writing records and before changing the object, the next replay overwrites the same objects.
pub(crate) async fn replay(
    output: &Output,
    source: &MappedSource,
    settings: &Settings,
    stores: &Stores,
    selection: &Selection<'_>,
) -> Result<Replayed, Failure> {
    // Who replays wants the partitions that were too many for a batch.
    let bounds = Bounds { partitions: PartitionLimit::NONE, ..settings.bounds };
    let settings = &Settings { bounds, ..settings.clone() };
    let replayer = Replayer { source, settings, stores, decode: decode(source), dry_run: selection.dry_run };
    let prefix = QuarantineKey::prefix(Some(selection.source), selection.reason);
    let bar = output.progress(None, "quarantine");
    let mut replayed = Replayed::default();
    let mut after = String::new();
    // Objects that this replay wrote. It must not replay them again.
    let mut made = BTreeSet::new();
    loop {
        let page = stores.quarantine.list(&prefix, &after).await?;
        let Some(last) = page.last() else { break };
        after.clone_from(&last.key);
        for object in page {
            bar.inc(object.bytes);
            if QuarantineKey::of_object(&object.key).is_none() || made.contains(&object.key) {
                continue;
            }
            match replayer.replay_object(&object.key, &mut replayed, &mut made).await {
                Err(ObjectFault::Unreadable(why)) => {
                    replayed.unreadable += 1;
                    let why = crate::output::harmless(&why).into_owned();
                    output.complain(format_args!("{}: {why}; the object is left unchanged", object.key));
                }
                Err(ObjectFault::Failed(failure)) => return Err(failure),
                Ok(()) => {}
            }
        }
    }
    bar.finish_and_clear();
    Ok(replayed)
}

/// How the raw bytes of one record are read. The envelope that it was cut out of is no longer there.
fn decode(source: &MappedSource) -> Decode {
    let framing = match &source.decode().framing {
        Framing::Delimited(delimited) => Framing::Delimited(delimited.clone()),
        _ => Framing::Json,
    };
    Decode { framing, ..source.decode().clone() }
}

/// Why an object was not replayed.
enum ObjectFault {
    /// It cannot be read completely. Changing it would lose the unreadable part.
    Unreadable(String),
    /// A store failed, or the pipeline.
    Failed(Failure),
}

impl<E: Into<Failure>> From<E> for ObjectFault {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

struct Replayer<'r> {
    source: &'r MappedSource,
    settings: &'r Settings,
    stores: &'r Stores,
    decode: Decode,
    dry_run: bool,
}

impl Replayer<'_> {
    async fn replay_object(
        &self,
        key: &str,
        replayed: &mut Replayed,
        made: &mut BTreeSet<String>,
    ) -> Result<(), ObjectFault> {
        let object = match self.stores.quarantine.get(key).await {
            // Another replay was faster.
            Err(error) if error.is_not_found() => return Ok(()),
            object => object?,
        };
        let lines = all_lines(&object)?;
        let hash = blake3::hash(&object).to_hex();
        let mut batch = Batch::new(self.settings);
        let mut stays = Vec::new();
        let mut unpacked = Vec::new();
        for (number, line) in (0..).zip(&lines) {
            if let Some(counts) = self.try_whole(line)? {
                replayed.counts.add(&counts);
                unpacked.push(line);
            } else if line.part().is_none() && !is_whole(line) && self.is_one_event(line.raw()) {
                self.push(&mut batch, line, number);
            } else {
                replayed.counts.add(&counts_of(line));
                stays.push(number);
            }
        }
        replayed.counts.add(batch.counts());
        if self.dry_run || (batch.counts().total_written() == 0 && unpacked.is_empty()) {
            return Ok(());
        }
        stays.extend(self.write(batch.seal("replay", &[key, hash.as_str()]), replayed).await?);
        stays.sort_unstable();
        let mut whole = Batch::new(self.settings);
        for line in unpacked {
            let parcels = self.unpack(&mut whole, line, &[key, hash.as_str(), "whole"])?;
            let quarantine = parcels.iter().filter(|parcel| parcel.destination == Destination::Quarantine);
            made.extend(quarantine.map(|parcel| parcel.key.clone()));
            self.deliver(parcels, replayed).await?;
        }
        if stays.is_empty() {
            return Ok(self.stores.quarantine.remove(key).await?);
        }
        let remaining: Vec<&QuarantineLine> =
            (0..).zip(&lines).filter(|(number, _)| stays.binary_search(number).is_ok()).map(|(_, line)| line).collect();
        let rest = Parcel {
            destination: Destination::Quarantine,
            key: key.to_owned(),
            records: remaining.len() as u64,
            bytes: seal_lines(remaining)?,
            inputs: Vec::new(),
        };
        self.deliver([rest], replayed).await
    }

    /// Writes the lake objects of a batch. Returns the lines that stay in quarantine.
    async fn write(&self, sealing: Sealing<'_>, replayed: &mut Replayed) -> Result<Vec<u32>, ObjectFault> {
        let (mut stays, mut error) = (Vec::new(), None);
        let parcels = sealing.map_while(|parcel| parcel.map_err(|found| error = Some(found)).ok());
        let written = parcels.filter_map(|parcel| match parcel.destination {
            Destination::Lake => Some(parcel),
            Destination::Quarantine => {
                stays.extend(parcel.inputs);
                None
            }
        });
        self.deliver(written, replayed).await?;
        error.map_or(Ok(stays), |error| Err(error.into()))
    }

    /// Maps the event of a line.
    fn push<'b>(&'b self, batch: &mut Batch<'b>, line: &QuarantineLine, number: u32) {
        let origin = || -> Origin { line.origin().clone() };
        let mut records = self.decode.records_of_slice(line.raw());
        if let Ok(Some(item)) = records.next_unskipped() {
            batch.push_item(&item, &self.decode, Some(self.source), &origin, number, |_| Ok(self.source));
        }
    }

    /// What would become of the events of a whole record or input. None if it cannot be read to its end, or nothing of
    /// it can be written: then it stays as it is.
    fn try_whole(&self, line: &QuarantineLine) -> Result<Option<Counts>, BatchError> {
        if !is_whole(line) {
            return Ok(None);
        }
        let mut batch = Batch::new(self.settings);
        let mut drop_full = |batch: &mut Batch<'_>| {
            if batch.is_full() {
                drop(batch.seal("trial", &[]));
            }
            Ok::<_, BatchError>(true)
        };
        let unpacked = unpack_line(&mut batch, line, self.source, 0, &mut drop_full)?;
        let counts = batch.counts().clone();
        Ok((unpacked == Unpacked::Done && counts.total_written() > 0).then_some(counts))
    }

    /// The objects with all events of a whole record or input: those of the lake, and of quarantine what cannot be
    /// mapped.
    fn unpack<'b>(
        &'b self,
        batch: &mut Batch<'b>,
        line: &QuarantineLine,
        identity: &[&str],
    ) -> Result<Vec<Parcel>, BatchError> {
        let mut parcels = Vec::new();
        let mut seal_full = |batch: &mut Batch<'b>| {
            if batch.is_full() {
                parcels.extend(batch.seal("replay", identity).collect::<Result<Vec<_>, _>>()?);
            }
            Ok::<_, BatchError>(true)
        };
        unpack_line(batch, line, self.source, 0, &mut seal_full)?;
        parcels.extend(batch.seal("replay", identity).collect::<Result<Vec<_>, _>>()?);
        Ok(parcels)
    }

    fn is_one_event(&self, raw: &[u8]) -> bool {
        let mut records = self.decode.records_of_slice(raw);
        matches!(records.next_unskipped(), Ok(Some(Item::Event(_)))) && matches!(records.next_unskipped(), Ok(None))
    }

    async fn deliver(
        &self,
        parcels: impl IntoIterator<Item = Parcel>,
        replayed: &mut Replayed,
    ) -> Result<(), ObjectFault> {
        let mut delivery = self.stores.deliver(parcels).await;
        replayed.objects += delivery.objects;
        replayed.bytes += delivery.bytes;
        match delivery.errors.pop() {
            Some(error) => Err(error.into()),
            None => Ok(()),
        }
    }
}

/// A line that stays unchanged. Of several parts of one record, only the first is counted.
fn counts_of(line: &QuarantineLine) -> Counts {
    let mut counts = Counts::default();
    if line.part().is_none_or(|part| part.number == 1) {
        counts.records_in = 1;
        counts.quarantined.insert(line.reason().to_owned(), 1);
    }
    counts
}

/// All lines of an object.
fn all_lines(object: &[u8]) -> Result<Vec<QuarantineLine>, ObjectFault> {
    let mut lines = Vec::new();
    let mut bytes = 0;
    for line in read_lines(object)? {
        let line = line.map_err(|error| ObjectFault::Unreadable(pipeline::error_chain(&error)))?;
        bytes += line.bytes();
        if bytes > OBJECT_BYTES {
            return Err(ObjectFault::Unreadable(format!("its lines exceed {OBJECT_BYTES} bytes")));
        }
        lines.push(line);
    }
    Ok(lines)
}
