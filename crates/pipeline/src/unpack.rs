//! What holds several events into these: a stream record, or what quarantine kept whole.
//!
//! A record or input that cannot be read to its end is kept in quarantine once, with all its bytes as they came. Events
//! that were read before stay where they are; nothing that its damaged part decodes to is kept beside it.

use bumpalo::Bump;
use lake::quarantine::{Origin, QuarantineLine, Reason};
use sources::{Compression, Decode, Document, DocumentBuffer, Item, Position, RawEvent, kpl};

use crate::batch::{Batch, InputId, Refusal, Taken};
use crate::route::{Known, Route};
use crate::source::MappedSource;

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

/// How often a record is looked into for its first event.
const LOOKS: usize = 4;

/// Where events belong, and what is done between two of them.
pub(crate) struct Unpacking<'u, 's, E> {
    pub(crate) batch: &'u mut Batch<'s>,
    pub(crate) input: InputId,
    /// The source of what comes.
    pub(crate) route: &'u dyn Route<'s>,
    /// Called before each event but the first: seals a batch that is full, and says whether there is time to go on.
    pub(crate) between: &'u mut dyn FnMut(&mut Batch<'s>) -> Result<bool, E>,
}

/// Why bytes cannot be read to their end as events, if the item says so. They must be kept as they came.
fn unreadable(item: &Item<'_>, decode: &Decode) -> Option<(Reason, String)> {
    match item {
        Item::Fault { error, .. } if error.is_of_whole_input() => Some((Reason::Undecodable, error.to_string())),
        Item::Oversized { .. } => {
            let most = decode.limits.event_bytes;
            Some((Reason::Oversized, format!("an event is longer than {most} bytes")))
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
        let refused = |message: String| Refusal::new(None, Reason::Undecodable, message).of_whole();
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
        let before = self.batch.written();
        let mut unpacked = Unpacked::Done;
        for user_record in user_records {
            if user_record.index > 0 && !(self.between)(self.batch)? {
                return Ok(self.out_of_time(before));
            }
            let sub_sequence = aggregated.then_some(user_record.index as u64);
            let origin = |position: Position| origin(sub_sequence, position.index);
            match self.user_record(user_record.data, &origin)? {
                Unpacked::Done => {}
                Unpacked::Kept => unpacked = Unpacked::Kept,
                Unpacked::OutOfTime { .. } => return Ok(self.out_of_time(before)),
            }
        }
        Ok(unpacked)
    }

    /// Reads a user record as its source says, which is found out from its first event where nothing else tells it.
    fn user_record(&mut self, data: &[u8], origin: &dyn Fn(Position) -> Origin) -> Result<Unpacked, E> {
        let any = Decode::default();
        let known = self.route.whatever_it_holds();
        if known.is_none_or(MappedSource::takes_any_json)
            && let Some(event) = RawEvent::of_line(data, any.limits)
        {
            let route = |document: &Document<'_>| self.route.of_event(document);
            match self.batch.push_likely_event(&event, &any, &|| origin(Position::default()), self.input, route) {
                Taken::Event => return Ok(Unpacked::Done),
                Taken::FormatOf(source) => return self.items(data, source.decode(), Some(source), "record", origin),
                Taken::NoDocument => {}
            }
        }
        match known.or_else(|| self.source_of_format(data)) {
            Some(source) => self.items(data, source.decode(), Some(source), "record", origin),
            // Its events may belong to several sources.
            None => self.items(data, &any, None, "record", origin),
        }
    }

    /// The source that a record has to be read by as a whole, since its events cannot be cut out without it.
    fn source_of_format(&self, data: &[u8]) -> Option<&'s MappedSource> {
        let any = Decode::default();
        let (bump, mut buffer) = (Bump::new(), DocumentBuffer::default());
        let mut items = any.records_of_slice(data);
        // What has no event near its beginning is read without a guess, where time is looked at.
        for _ in 0..LOOKS {
            match items.next_item() {
                Ok(Some(Item::Skipped)) => {}
                Ok(Some(Item::Event(event))) => match any.document(&event, &mut buffer, &bump) {
                    Ok(document) => {
                        return self.route.of_event(&document).ok().filter(|source| !source.takes_any_json());
                    }
                    Err(_) => break,
                },
                _ => break,
            }
        }
        self.route.of_other_formats().filter(|source| source.takes_other_formats())
    }

    /// Reads the events of bytes, plain or compressed. `what` names the bytes in messages.
    fn items(
        &mut self,
        data: &[u8],
        decode: &Decode,
        source: Option<&'s MappedSource>,
        what: &str,
        origin: &dyn Fn(Position) -> Origin,
    ) -> Result<Unpacked, E> {
        let before = self.batch.written();
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
                    let route = |document: &Document<'_>| match source {
                        Some(source) => Ok(source),
                        None => self.route.of_event(document),
                    };
                    self.batch.push_item(&item, decode, source, &origin, self.input, route);
                }
            }
        }
        let (reason, message) = match fault {
            Some((reason, fault)) => {
                let written = self.batch.written() - before;
                self.batch.drop_undecodable_since(&mark);
                (reason, kept_whole(what, &fault, written))
            }
            None if is_empty => (Reason::Undecodable, format!("the {what} holds no event")),
            None => return Ok(Unpacked::Done),
        };
        let refusal = Refusal::new(source, reason, message).of_whole();
        self.batch.refuse(refusal, data, &|| origin(Position::default()), self.input);
        Ok(Unpacked::Kept)
    }

    fn out_of_time(&self, before: u64) -> Unpacked {
        Unpacked::OutOfTime { written: self.batch.written() - before }
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
    source: &'s MappedSource,
    input: InputId,
    between: &mut dyn FnMut(&mut Batch<'s>) -> Result<bool, E>,
) -> Result<Unpacked, E> {
    let route = Known(source);
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
