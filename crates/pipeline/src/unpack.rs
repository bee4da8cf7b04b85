//! What holds several events into these: a stream record, or what quarantine kept whole.
//!
//! A record or input that cannot be read to its end is kept in quarantine once, with all its bytes as they came. Events
//! that were read before stay where they are; nothing that its damaged part decodes to is kept beside it.

use lake::quarantine::{Origin, QuarantineLine, reason};
use sources::{Compression, Decode, Document, FrameError, Item, Position, RawEvent, kpl};

use crate::batch::{Batch, InputId, Refusal};
use crate::source::Source;

/// How far a record or input was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unpacked {
    /// To its end: each of its events is in the batch.
    Done,
    /// It, or a record that was aggregated into it, cannot be read to its end and is kept whole.
    Kept,
    /// Not to its end, since there was no time. Nothing says so in the batch.
    OutOfTime {
        /// Its events that are in the batch's tables.
        written: u64,
    },
}

/// Where events belong, and what is done between two of them.
pub(crate) struct Unpacking<'u, 's, E> {
    pub(crate) batch: &'u mut Batch<'s>,
    pub(crate) input: InputId,
    /// The source of an event.
    pub(crate) route: &'u dyn Fn(&Document<'_>) -> Result<&'s Source, String>,
    /// Called before each event but the first: seals a batch that is full, and says whether there is time to go on.
    pub(crate) between: &'u mut dyn FnMut(&mut Batch<'s>) -> Result<bool, E>,
}

/// Why bytes cannot be read to their end as events, if the item says so. They must be kept as they came.
fn unreadable(item: &Item<'_>, decode: &Decode) -> Option<(&'static str, String)> {
    match item {
        Item::Fault { error: error @ (FrameError::Input(_) | FrameError::NotText { .. }), .. } => {
            Some((reason::UNDECODABLE, error.to_string()))
        }
        Item::Oversized { .. } => {
            let most = decode.limits.event_bytes;
            Some((reason::OVERSIZED, format!("an event is longer than {most} bytes")))
        }
        _ => None,
    }
}

/// The message of what is kept whole.
pub(crate) fn kept_whole(what: &str, fault: &str, written: u64) -> String {
    format!("{fault}; the {what} is kept as it came; events of it that were written: {written}")
}

impl<'s, E> Unpacking<'_, 's, E> {
    /// Unpacks a stream record: its user records, if a producer library aggregated them, and their events.
    ///
    /// `origin` is that of an event, by its user record and its place in that.
    ///
    /// # Errors
    /// Those of `between`.
    pub(crate) fn record(&mut self, data: &[u8], origin: &dyn Fn(Option<u64>, u64) -> Origin) -> Result<Unpacked, E> {
        let refused = |message: String| Refusal::new(None, reason::UNDECODABLE, message).of_whole();
        let user_records = match kpl::deaggregate(data) {
            Ok(user_records) => user_records,
            Err(error) => {
                self.batch.refuse(refused(error.to_string()), data, &|| origin(None, 0), self.input);
                return Ok(Unpacked::Kept);
            }
        };
        if user_records.is_empty() {
            let message = "the aggregated record holds no record".to_owned();
            self.batch.refuse(refused(message), data, &|| origin(None, 0), self.input);
            return Ok(Unpacked::Kept);
        }
        let aggregated = data.starts_with(&kpl::MAGIC);
        let before = self.batch.counts().total_written();
        // The records of a stream may belong to several sources, so their form is found out from each.
        let decode = Decode::default();
        let mut unpacked = Unpacked::Done;
        for user_record in user_records {
            if user_record.index > 0 && !(self.between)(self.batch)? {
                return Ok(self.out_of_time(before));
            }
            let sub_sequence = aggregated.then_some(user_record.index as u64);
            if let Some(event) = RawEvent::of_line(user_record.data, decode.limits)
                && self.batch.push_likely_event(&event, &decode, &|| origin(sub_sequence, 0), self.input, self.route)
            {
                continue;
            }
            let origin = |position: Position| origin(sub_sequence, position.index);
            match self.items(user_record.data, &decode, None, "record", &origin)? {
                Unpacked::Done => {}
                Unpacked::Kept => unpacked = Unpacked::Kept,
                Unpacked::OutOfTime { .. } => return Ok(self.out_of_time(before)),
            }
        }
        Ok(unpacked)
    }

    /// Reads the events of bytes, plain or compressed. `what` names the bytes in messages.
    fn items(
        &mut self,
        data: &[u8],
        decode: &Decode,
        source: Option<&'s Source>,
        what: &str,
        origin: &dyn Fn(Position) -> Origin,
    ) -> Result<Unpacked, E> {
        let before = self.batch.counts().total_written();
        let mark = self.batch.mark();
        let mut items = decode.records_of_slice(data);
        let (mut is_first, mut is_empty) = (true, true);
        let mut fault = None;
        // A slice cannot fail to be read; what is wrong with its content comes as an item.
        while let Ok(Some(item)) = items.next_item() {
            if !std::mem::take(&mut is_first) && !(self.between)(self.batch)? {
                return Ok(self.out_of_time(before));
            }
            if matches!(item, Item::Skipped) {
                continue;
            }
            is_empty = false;
            match unreadable(&item, decode) {
                Some(found) => fault = fault.or(Some(found)),
                None => {
                    let origin = || origin(position(&item));
                    self.batch.push_item(&item, decode, source, &origin, self.input, self.route);
                }
            }
        }
        let (reason, message) = match fault {
            Some((reason, fault)) => {
                let written = self.batch.counts().total_written() - before;
                self.batch.drop_undecodable_since(&mark);
                (reason, kept_whole(what, &fault, written))
            }
            None if is_empty => (reason::UNDECODABLE, format!("the {what} holds no event")),
            None => return Ok(Unpacked::Done),
        };
        let refusal = Refusal::new(source, reason, message).of_whole();
        self.batch.refuse(refusal, data, &|| origin(Position::default()), self.input);
        Ok(Unpacked::Kept)
    }

    fn out_of_time(&self, before: u64) -> Unpacked {
        Unpacked::OutOfTime { written: self.batch.counts().total_written() - before }
    }
}

/// Where an item is.
pub(crate) fn position(item: &Item<'_>) -> Position {
    match item {
        Item::Event(event) => event.position,
        Item::Oversized { position, .. } | Item::Fault { position, .. } => *position,
        _ => Position::default(),
    }
}

/// True if a quarantine line holds a whole record or input, which [`unpack_line`] reads again as the flow did. Its bytes
/// say so too, if they are compressed or aggregated: an event is neither.
pub fn is_whole(line: &QuarantineLine) -> bool {
    let raw = line.raw();
    line.part().is_none() && (line.is_whole() || Compression::of(raw).is_some() || raw.starts_with(&kpl::MAGIC))
}

/// Reads again what quarantine kept whole: a stream record as [`transform_records`](crate::transform_records) does, an
/// input as [`transform_object`](crate::transform_object) does. All events belong to `source`.
///
/// `between` is called before each event but the first, and may seal the batch; if it says false, nothing more is read.
///
/// # Errors
/// Those of `between`.
pub fn unpack_line<'s, E>(
    batch: &mut Batch<'s>,
    line: &QuarantineLine,
    source: &'s Source,
    input: InputId,
    between: &mut dyn FnMut(&mut Batch<'s>) -> Result<bool, E>,
) -> Result<Unpacked, E> {
    let route = |_: &Document<'_>| Ok(source);
    let mut unpacking = Unpacking { batch, input, route: &route, between };
    match line.origin() {
        Origin::Kinesis { stream, shard, sequence_number, sub_sequence, arrival, .. } => {
            let origin = |inner: Option<u64>, index| Origin::Kinesis {
                stream: stream.clone(),
                shard: shard.clone(),
                sequence_number: sequence_number.clone(),
                sub_sequence: inner.or(*sub_sequence),
                index,
                arrival: *arrival,
            };
            unpacking.record(line.raw(), &origin)
        }
        other => {
            let origin = |position: Position| match other.clone() {
                Origin::S3 { bucket, key, version, .. } => {
                    Origin::S3 { bucket, key, version, offset: position.offset, index: position.index }
                }
                Origin::File { name, .. } => {
                    Origin::File { name, offset: position.offset, index: position.index, line: position.line }
                }
                other => other,
            };
            unpacking.items(line.raw(), source.decode(), Some(source), "input", &origin)
        }
    }
}
