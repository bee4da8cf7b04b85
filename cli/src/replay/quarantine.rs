//! Records in quarantine, mapped once more.

use lake::quarantine::{Origin, QuarantineKey, QuarantineLine, read_lines, seal_lines};
use pipeline::{Batch, Destination, Parcel, Settings, Source, Stores};
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

/// Most memory that the lines of one object may take, in bytes. An object is sealed long before it has so many.
const OBJECT_BYTES: usize = 1 << 30;

/// Replays the objects of a quarantine one by one.
///
/// What an object's records become follows from the object alone, down to the names. If this is interrupted after records
/// were put and before the object was changed, the next replay puts the same objects over themselves.
pub(crate) async fn replay(
    output: &Output,
    source: &Source,
    settings: &Settings,
    stores: &Stores,
    selection: &Selection<'_>,
) -> Result<Replayed, Failure> {
    let replayer = Replayer { source, settings, stores, decode: decode(source), dry_run: selection.dry_run };
    let prefix = QuarantineKey::prefix(Some(selection.source), selection.reason);
    let bar = output.progress(None, "quarantine");
    let mut replayed = Replayed::default();
    let mut after = String::new();
    loop {
        let page = stores.quarantine.list(&prefix, &after).await?;
        let Some(last) = page.last() else { break };
        after.clone_from(&last.key);
        for object in page {
            bar.inc(object.bytes);
            if QuarantineKey::of_object(&object.key).is_none() {
                continue;
            }
            match replayer.replay_object(&object.key, &mut replayed).await {
                Err(ObjectFault::Unreadable(why)) => {
                    replayed.unreadable += 1;
                    let why = crate::output::harmless(&why).into_owned();
                    output.complain(format_args!("{}: {why}; the object stays as it is", object.key));
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
fn decode(source: &Source) -> Decode {
    let framing = match &source.decode().framing {
        Framing::Delimited(delimited) => Framing::Delimited(delimited.clone()),
        _ => Framing::Json,
    };
    Decode { framing, ..Decode::default() }
}

/// Why an object was not replayed.
enum ObjectFault {
    /// It cannot be read completely. Changing it would lose what cannot be read.
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
    source: &'r Source,
    settings: &'r Settings,
    stores: &'r Stores,
    decode: Decode,
    dry_run: bool,
}

impl Replayer<'_> {
    async fn replay_object(&self, key: &str, replayed: &mut Replayed) -> Result<(), ObjectFault> {
        let object = match self.stores.quarantine.get(key).await {
            // Another replay was faster.
            Err(error) if error.is_not_found() => return Ok(()),
            object => object?,
        };
        let lines = whole(&object)?;
        let mut batch = Batch::new(self.settings);
        for (number, line) in (0..).zip(&lines) {
            self.push(&mut batch, line, number);
        }
        replayed.counts.add(batch.counts());
        if self.dry_run || batch.counts().total_written() == 0 {
            return Ok(());
        }
        let hash = blake3::hash(&object).to_hex();
        let (written, refused): (Vec<Parcel>, Vec<Parcel>) = batch
            .seal("replay", &[key, hash.as_str()])?
            .into_iter()
            .partition(|parcel| parcel.destination == Destination::Lake);
        self.deliver(written, replayed).await?;
        let mut stays: Vec<u32> = refused.into_iter().flat_map(|parcel| parcel.inputs).collect();
        stays.sort_unstable();
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
        self.deliver(vec![rest], replayed).await
    }

    /// Maps the record of a line. One that is not exactly one event is refused, so that a line's fate is one.
    fn push<'b>(&'b self, batch: &mut Batch<'b>, line: &QuarantineLine, number: u32) {
        let origin = || -> Origin { line.origin().clone() };
        // Of text, a beginning can look whole.
        let may_be_cut = line.reason() == "oversized" && matches!(self.decode.framing, Framing::Delimited(_));
        if may_be_cut || !self.is_one_event(line.raw()) {
            return batch.refuse(Some(self.source), "undecodable", String::new(), line.raw(), &origin, number);
        }
        let mut records = self.decode.records_of_slice(line.raw());
        if let Ok(Some(item)) = records.next_unskipped() {
            batch.push_item(&item, &self.decode, Some(self.source), &origin, number, |_| Ok(self.source));
        }
    }

    fn is_one_event(&self, raw: &[u8]) -> bool {
        let mut records = self.decode.records_of_slice(raw);
        matches!(records.next_unskipped(), Ok(Some(Item::Event(_)))) && matches!(records.next_unskipped(), Ok(None))
    }

    async fn deliver(&self, parcels: Vec<Parcel>, replayed: &mut Replayed) -> Result<(), ObjectFault> {
        let mut delivery = self.stores.deliver(parcels).await;
        replayed.objects += delivery.objects;
        replayed.bytes += delivery.bytes;
        match delivery.errors.pop() {
            Some(error) => Err(error.into()),
            None => Ok(()),
        }
    }
}

/// All lines of an object.
fn whole(object: &[u8]) -> Result<Vec<QuarantineLine>, ObjectFault> {
    let mut lines = Vec::new();
    let mut bytes = 0;
    for line in read_lines(object)? {
        let line = line.map_err(|error| ObjectFault::Unreadable(pipeline::error_chain(&error)))?;
        bytes += line.bytes();
        if bytes > OBJECT_BYTES {
            return Err(ObjectFault::Unreadable(format!("its lines take more than {OBJECT_BYTES} bytes")));
        }
        lines.push(line);
    }
    Ok(lines)
}
