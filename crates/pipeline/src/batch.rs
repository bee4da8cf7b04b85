//! Events in, objects out, and what became of each.
//!
//! A [`Batch`] maps raw events into open tables and collects the ones that cannot be mapped for quarantine. When it is
//! [sealed](Batch::seal) it gives objects one by one, each with the inputs whose events are in it: an input is safe once
//! all of its objects are put. Everything here is deterministic: the same inputs give the same keys and the same bytes.
//! Only how far ahead an event's time may lie depends on the clock, where nobody knows when the event
//! [arrived](Batch::arrived).

mod counts;
#[cfg(test)]
pub(crate) mod failpoint;
mod sealing;

use std::collections::{BTreeMap, btree_map};
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};

use bumpalo::Bump;
use bytes::Bytes;
use lake::key::{AccountId, EventDay, ObjectName, Region};
use lake::parquet_object::{SealSettings, oversized_rows};
use lake::quarantine::{MAX_RAW_BYTES, Origin, Part, QuarantineKey, QuarantineLine, Reason};
use mapping::{Mapped, Mapping, MappingBuffer, Unwrapped};
use ocsf::TableBuilder;
use sources::{Decode, Document, Item, OBJECT_KEY, RawEvent};

use crate::bounds::{Bounds, implausible, too_many};
use crate::route::RouteError;
use crate::routing::RoutedObject;
use crate::source::{MappedSource, ReadBuffer};

pub use counts::{Counts, Example};
pub use sealing::Sealing;

/// Where events go and how much may be held.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The lake's Region, for the `region` partition.
    pub region: Region,
    /// The account of records that name none, neither themselves nor by the key of their object.
    pub account: AccountId,
    /// How objects are compressed and cut.
    pub seal: SealSettings,
    /// Bytes of open tables after which the batch asks to be sealed.
    pub memory: usize,
    /// What is believed of accounts and times.
    pub bounds: Bounds,
}

/// A unit whose fate is reported: a stream record, a queue message, a file. The caller numbers them.
pub type InputId = u32;

/// An object to be put, and the inputs that depend on it.
#[derive(Debug, Clone)]
pub struct Parcel {
    /// Which store it belongs in.
    pub destination: Destination,
    /// Its key there.
    pub key: String,
    /// Its content.
    pub bytes: Bytes,
    /// Events in it.
    pub records: u64,
    /// Inputs whose events are in it, ascending.
    pub inputs: Vec<InputId>,
}

/// The store of a parcel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Destination {
    /// The lake.
    Lake,
    /// Quarantine.
    Quarantine,
}

/// Why a batch cannot be sealed: a fault of Sluice or of its configuration, not of the data.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BatchError {
    /// Columns do not fit their schema.
    #[error("cannot build the columns of {class}")]
    Columns {
        /// The class.
        class: String,
        /// What Arrow says.
        source: arrow_schema::ArrowError,
    },
    /// Rows cannot be ordered.
    #[error("cannot order the rows of {class}")]
    Rows {
        /// The class.
        class: String,
        /// Why.
        source: lake::partition::RowsError,
    },
    /// An object cannot be sealed.
    #[error("cannot seal an object of {class}")]
    Seal {
        /// The class.
        class: String,
        /// Why.
        source: lake::parquet_object::SealError,
    },
    /// A mapping's source name is not one of Security Lake.
    #[error("the mapping of {class} names a custom source that Security Lake does not allow")]
    Key {
        /// The class.
        class: String,
        /// Why.
        source: lake::key::KeyError,
    },
    /// Quarantine lines cannot be written.
    #[error("cannot write quarantine")]
    Quarantine(#[from] lake::quarantine::QuarantineError),
}

/// Open tables and quarantine of one source.
#[derive(Debug)]
struct Open<'s> {
    source: &'s MappedSource,
    tables: Vec<OpenTable>,
}

#[derive(Debug)]
struct OpenTable {
    builder: TableBuilder,
    /// The partition of each row.
    rows: Vec<u32>,
    partition_of: BTreeMap<(EventDay, AccountId), u32>,
    /// The inputs of each partition.
    inputs: Vec<Vec<InputId>>,
}

/// Collects mapped events until they are sealed.
#[derive(Debug)]
pub struct Batch<'s> {
    settings: &'s Settings,
    /// What the key of the object says, where the batch is of one and the mapping reads it.
    key_members: Vec<(&'s str, &'s str)>,
    /// The account of records that name none.
    account: AccountId,
    open: Vec<Open<'s>>,
    refused: BTreeMap<QuarantineKey, (Vec<QuarantineLine>, Vec<InputId>)>,
    refused_bytes: usize,
    counts: Counts,
    /// [`Counts::total_written`], which is asked for with every record of a stream.
    written: u64,
    examples: BTreeMap<String, Example>,
    bump: Bump,
    buffer: ReadBuffer,
    mapping_buffer: MappingBuffer,
    /// The origin of the event whose parts are coming.
    series: Option<Origin>,
    part: u32,
    /// The partitions of all open tables.
    partitions: usize,
    /// The event times that are believed.
    plausible: Range<i64>,
}

/// Bytes of quarantine after which a batch asks to be sealed whatever its memory: a replay holds all lines of an object.
const MOST_REFUSED: usize = 256 << 20;

/// Whether an event that was cut out of a stream record may turn out to be something else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cut {
    /// It is an event.
    Settled,
    /// Its bytes may be no document, or be cut otherwise by the source that they belong to.
    Tried,
}

/// What has become of bytes that most likely are one event.
#[derive(Debug, Clone, Copy)]
pub enum Taken<'s> {
    /// They are an event, or the events of one envelope, and are in the batch.
    Event,
    /// They are no document. Nothing has become of them.
    NoDocument,
    /// They belong to this source, which cuts its bytes in a way of its own. Nothing has become of them.
    FormatOf(&'s MappedSource),
}

/// What a raw event turned out to be. Nearly always it is one event.
#[derive(Default)]
struct Pieces<'a> {
    first: Option<Unwrapped<'a>>,
    more: Vec<Unwrapped<'a>>,
    /// Whether the raw event holds several events.
    is_divided: bool,
}

/// Why an event is refused: reason and message.
type Fault = (Reason, String);

/// Why bytes go into quarantine, and what they are.
#[derive(Debug, Clone)]
pub struct Refusal<'s> {
    /// The source that they belong to, if it is known.
    pub source: Option<&'s MappedSource>,
    /// Why.
    pub reason: Reason,
    /// What is wrong, in words.
    pub message: String,
    /// True if the bytes are a whole record or input as it came, rather than one event.
    pub whole: bool,
    /// Which part of something longer they are, if that comes piece by piece.
    pub part: Option<Part>,
}

impl<'s> Refusal<'s> {
    /// Of an event.
    pub fn new(source: Option<&'s MappedSource>, reason: Reason, message: impl Into<String>) -> Self {
        Self { source, reason, message: message.into(), whole: false, part: None }
    }

    /// Of a whole record or input, kept as it came.
    pub fn of_whole(self) -> Self {
        Self { whole: true, ..self }
    }

    /// Of a part of something longer. The parts of one thing have the same origin and count as one event.
    pub fn of_part(self, part: Part) -> Self {
        Self { part: Some(part), ..self }
    }
}

/// Where the undecodable lines of a batch end, so that those that come later can be dropped.
#[derive(Debug)]
pub(crate) struct Mark {
    part: u32,
    /// Lines and inputs by key.
    ends: BTreeMap<QuarantineKey, (usize, usize)>,
}

impl<'s> Batch<'s> {
    /// An empty batch.
    pub fn new(settings: &'s Settings) -> Self {
        Self {
            settings,
            key_members: Vec::new(),
            account: settings.account.clone(),
            open: Vec::new(),
            refused: BTreeMap::new(),
            refused_bytes: 0,
            counts: Counts::default(),
            written: 0,
            examples: BTreeMap::new(),
            bump: Bump::new(),
            buffer: ReadBuffer::default(),
            mapping_buffer: MappingBuffer::default(),
            series: None,
            part: 0,
            partitions: 0,
            plausible: settings.bounds.days.times(jiff::Timestamp::now().as_millisecond()),
        }
    }

    /// An empty batch for the records of an object. They belong to the account that its key says, where they name none.
    pub fn of_object(settings: &'s Settings, routed: &'s RoutedObject<'_>) -> Self {
        let RoutedObject { source, captures } = routed;
        let mut batch = Self::new(settings);
        if source.mapping().reads_below(OBJECT_KEY) {
            batch.key_members = captures.iter().collect();
        }
        batch.account = captures.account().unwrap_or(batch.account);
        batch
    }

    /// What became of the events so far.
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// [`Counts::total_written`] of the events so far.
    pub(crate) fn written(&self) -> u64 {
        self.written
    }

    /// The first record in quarantine of each reason.
    pub fn examples(&self) -> &BTreeMap<String, Example> {
        &self.examples
    }

    /// Whether the batch holds as much as it may and should be sealed.
    pub fn is_full(&self) -> bool {
        let tables = self.open.iter().flat_map(|open| &open.tables);
        let held: usize = tables.map(|table| table.builder.bytes()).sum();
        held + self.refused_bytes >= self.settings.memory || self.refused_bytes >= MOST_REFUSED
    }

    /// Says when the events that come next have arrived, in milliseconds since 1970: their times may lie so many days ahead
    /// of that. Otherwise, and where that time is implausible itself, this is counted from the making of the batch.
    pub fn arrived(&mut self, time: i64) {
        let days = self.settings.bounds.days;
        if time >= days.earliest().start_millis() {
            self.plausible = days.times(time);
        }
    }

    /// Takes an item of an input: maps an event, puts what is none into quarantine.
    ///
    /// `decode` is how the item was cut out of its input; `source` is known where the whole input belongs to it, and
    /// `route` finds the source of an event.
    pub fn push_item(
        &mut self,
        item: &Item<'_>,
        decode: &Decode,
        source: Option<&'s MappedSource>,
        origin: &dyn Fn() -> Origin,
        input: InputId,
        route: impl FnOnce(&Document<'_>) -> Result<&'s MappedSource, RouteError>,
    ) {
        match item {
            Item::Event(event) => {
                self.push_event(event, decode, source, origin, input, route, Cut::Settled);
            }
            Item::Oversized { part, length, bytes, .. } => {
                let message = match length {
                    Some(length) => format!("the last part of an event of {length} bytes"),
                    None => format!("a part of an event that is longer than {} bytes", decode.limits.event_bytes),
                };
                let refusal = Refusal::new(source, Reason::Oversized, message);
                let refusal = refusal.of_part(Part { number: *part, of: length.map(|_| *part) });
                // The parts of one event share the origin of the first.
                let first = self.series.take().filter(|_| *part > 1).unwrap_or_else(origin);
                self.refuse(refusal, bytes, &|| first.clone(), input);
                self.series = Some(first);
            }
            Item::Skipped => {}
            Item::Fault { error, bytes, .. } => {
                self.refuse(Refusal::new(source, Reason::Undecodable, error.to_string()), bytes, origin, input);
            }
            other => {
                self.refuse(Refusal::new(source, Reason::Undecodable, format!("{other:?}")), &[], origin, input);
            }
        }
    }

    /// Takes bytes that most likely are one event.
    pub fn push_likely_event(
        &mut self,
        event: &RawEvent<'_>,
        decode: &Decode,
        origin: &dyn Fn() -> Origin,
        input: InputId,
        route: impl FnOnce(&Document<'_>) -> Result<&'s MappedSource, RouteError>,
    ) -> Taken<'s> {
        self.push_event(event, decode, None, origin, input, route, Cut::Tried)
    }

    #[expect(clippy::too_many_arguments, reason = "what came, how to read it, and where it belongs")]
    fn push_event(
        &mut self,
        event: &RawEvent<'_>,
        decode: &Decode,
        source: Option<&'s MappedSource>,
        origin: &dyn Fn() -> Origin,
        input: InputId,
        route: impl FnOnce(&Document<'_>) -> Result<&'s MappedSource, RouteError>,
        cut: Cut,
    ) -> Taken<'s> {
        let mut bump = std::mem::take(&mut self.bump);
        let mut routed = source;
        let mut format_of = None;
        // Out here they need not be moved on their way out of what catches a panic.
        let mut pieces = Pieces::default();
        // A fault of ours in one event must not take its neighbours along; nothing of it has been written yet.
        let done = catch_unwind(AssertUnwindSafe(|| {
            #[cfg(test)]
            failpoint::reach(failpoint::Place::Map, event.bytes);
            let read = decode.document(event, &mut self.buffer.documents, &bump);
            let document = read.map_err(|error| (Reason::Undecodable, error.to_string()))?;
            let source = route(&document).map_err(|error| (Reason::NoSource, error.to_string()))?;
            routed = Some(source);
            if cut == Cut::Tried && !source.takes_any_json() {
                format_of = Some(source);
                return Ok(None);
            }
            source.events(document, &mut self.buffer, &bump, &mut |piece, part| {
                pieces.is_divided |= part.is_some();
                match pieces.first {
                    None => pieces.first = Some(piece),
                    Some(_) => pieces.more.push(piece),
                }
            });
            Ok(Some(source))
        }));
        let taken = match done.unwrap_or_else(|_| Err(internal_error())) {
            Err((Reason::Undecodable, _)) if cut == Cut::Tried => Taken::NoDocument,
            Err((reason, message)) => {
                self.refuse(Refusal::new(routed, reason, message), event.raw, origin, input);
                Taken::Event
            }
            Ok(None) => format_of.map_or(Taken::NoDocument, Taken::FormatOf),
            Ok(Some(source)) => {
                let is_divided = pieces.is_divided;
                let faults = self.push_pieces(source, pieces, &bump, event.bytes, input);
                if !faults.is_empty() {
                    let raw_of = |at| match is_divided {
                        true => part_of(event, decode, source, at),
                        false => None,
                    };
                    for (at, (reason, message)) in faults {
                        let part = raw_of(at);
                        let raw = part.as_ref().map_or(event.raw, String::as_bytes);
                        self.quarantine(Refusal::new(Some(source), reason, message), raw, origin, input);
                    }
                }
                Taken::Event
            }
        };
        bump.reset();
        self.bump = bump;
        taken
    }

    /// Maps the events of a raw event into tables, and gives the faults of those that are refused, by their places.
    fn push_pieces<'a>(
        &mut self,
        source: &'s MappedSource,
        pieces: Pieces<'a>,
        bump: &'a Bump,
        bytes: &[u8],
        input: InputId,
    ) -> Vec<(usize, Fault)>
    where
        's: 'a,
    {
        let Pieces { first, more, .. } = pieces;
        let mut faults = Vec::new();
        let mut push = |at, piece| {
            if let Err(fault) = self.push_piece(source, piece, bump, bytes, input) {
                faults.push((at, fault));
            }
        };
        if let Some(first) = first {
            push(0, first);
        }
        for (at, piece) in (1..).zip(more) {
            push(at, piece);
        }
        faults
    }

    fn push_piece<'a>(
        &mut self,
        source: &'s MappedSource,
        piece: Unwrapped<'a>,
        bump: &'a Bump,
        bytes: &[u8],
        input: InputId,
    ) -> Result<(), Fault>
    where
        's: 'a,
    {
        self.counts.records_in += 1;
        match piece {
            Unwrapped::Event(document) => self.map(source, document, bump, bytes, input),
            Unwrapped::Discarded(rule) => {
                match self.counts.discarded.get_mut(rule) {
                    Some(count) => *count += 1,
                    None => {
                        self.counts.discarded.insert(rule.to_owned(), 1);
                    }
                }
                Ok(())
            }
            Unwrapped::Refused(message) => Err((Reason::Undecodable, message)),
            other => Err((Reason::Fault, format!("{other:?}"))),
        }
    }

    /// Maps an event into its table.
    fn map<'a>(
        &mut self,
        source: &'s MappedSource,
        mut document: Document<'a>,
        bump: &'a Bump,
        #[cfg_attr(not(test), expect(unused_variables, reason = "where tests have Sluice break off"))] bytes: &[u8],
        input: InputId,
    ) -> Result<(), Fault>
    where
        's: 'a,
    {
        self.counts.repeated_fields += document.repeated_fields() as u64;
        let mapping: &'s Mapping = source.mapping();
        let mapped = catch_unwind(AssertUnwindSafe(|| {
            // So that a mapping reads what the key says as `$._key.<name>`.
            if !self.key_members.is_empty() {
                document = document.with_member(OBJECT_KEY, &self.key_members);
            }
            mapping.apply_in(&mut self.mapping_buffer, &document, bump)
        }));
        self.buffer.documents.recycle(document);
        #[cfg(test)]
        failpoint::reach(failpoint::Place::Append, bytes);
        match mapped {
            Ok(Ok(mapped)) => {
                let appended = self.append(source, &mapped, input);
                self.mapping_buffer.recycle(mapped);
                appended
            }
            Ok(Err(refusal)) => Err((reason_of(&refusal), refusal.to_string())),
            Err(_) => Err(internal_error()),
        }
    }

    /// Puts bytes into quarantine that are no event, or cannot be read as events.
    pub fn refuse(&mut self, refusal: Refusal<'s>, raw: &[u8], origin: &dyn Fn() -> Origin, input: InputId) {
        self.counts.records_in += u64::from(is_first(refusal.part));
        self.quarantine(refusal, raw, origin, input);
    }

    /// The end of what is undecodable so far.
    pub(crate) fn mark(&self) -> Mark {
        let undecodable = self.refused.iter().filter(|(key, _)| key.reason() == Reason::Undecodable.as_str());
        let ends = undecodable.map(|(key, (lines, inputs))| (key.clone(), (lines.len(), inputs.len())));
        Mark { part: self.part, ends: ends.collect() }
    }

    /// Drops the undecodable lines since a mark: what damaged data decode to, where the data themselves are kept. Lines
    /// that were sealed meanwhile stay.
    pub(crate) fn drop_undecodable_since(&mut self, mark: &Mark) {
        let Self { refused, refused_bytes, counts, examples, part, .. } = self;
        refused.retain(|key, (lines, inputs)| {
            if key.reason() != Reason::Undecodable.as_str() {
                return true;
            }
            let end = mark.ends.get(key).filter(|_| mark.part == *part);
            let (line, input) = end.copied().unwrap_or_default();
            inputs.truncate(input);
            let mut events = 0;
            for line in lines.drain(line..) {
                *refused_bytes -= line.bytes();
                events += u64::from(is_first(line.part()));
            }
            counts.records_in -= events;
            if let Some(count) = counts.quarantined.get_mut(Reason::Undecodable.as_str()) {
                *count -= events;
            }
            !lines.is_empty()
        });
        counts.quarantined.retain(|_, count| *count > 0);
        examples.retain(|reason, _| counts.quarantined.contains_key(reason));
    }

    fn append(&mut self, source: &'s MappedSource, mapped: &Mapped<'_>, input: InputId) -> Result<(), Fault> {
        if !self.plausible.contains(&mapped.time) {
            return Err((Reason::ImplausibleTime, implausible(mapped.time, &self.plausible)));
        }
        let day = EventDay::of_millis(mapped.time).map_err(|error| (Reason::ImplausibleTime, error.to_string()))?;
        self.check_size(source, mapped)?;
        let account = mapped.account.and_then(|account| account.parse().ok());
        let account = account.unwrap_or_else(|| self.account.clone());
        let limit = self.settings.bounds.partitions;
        let may_open = self.partitions < limit.get();
        let table = self.table(source, mapped.table);
        let known = table.inputs.len();
        let Some(partition) = table.partition(account, day, may_open) else {
            return Err((Reason::TooManyPartitions, too_many(limit)));
        };
        table.builder.append(&mapped.record);
        table.note_row(partition, input);
        self.partitions += usize::from(partition as usize == known);
        self.counts.problems += mapped.problems.len() as u64;
        self.written += 1;
        let class = source.mapping().tables()[mapped.table].class().name;
        match self.counts.written.get_mut(class) {
            Some(count) => *count += 1,
            None => {
                self.counts.written.insert(class.to_owned(), 1);
            }
        }
        Ok(())
    }

    /// Refuses an event that no object can hold. It must not come into a table: it would keep its neighbours out of the
    /// lake.
    fn check_size(&self, source: &MappedSource, mapped: &Mapped<'_>) -> Result<(), Fault> {
        /// What a value takes besides its text: eight bytes of a number or four of a text's length, and a level or two
        /// for each list around it.
        const VALUE_BYTES: usize = 16;
        let seal = &self.settings.seal;
        let bound = mapped.record.text_bytes_bound() + mapped.record.values_bound() * VALUE_BYTES;
        if bound as u64 <= seal.row_bytes() {
            return Ok(());
        }
        let mut alone = TableBuilder::new(source.mapping().tables()[mapped.table].shape.clone());
        alone.append(&mapped.record);
        let rows = alone.finish().map_err(|error| (Reason::Fault, error.to_string()))?;
        match oversized_rows(&rows, seal).map_err(|error| (Reason::Fault, error.to_string()))?.first() {
            None => Ok(()),
            Some(row) => Err((
                Reason::Oversized,
                format!("{} takes {} bytes; the lake takes {}", row.column, row.bytes, row.limit),
            )),
        }
    }

    fn table(&mut self, source: &'s MappedSource, table: usize) -> &mut OpenTable {
        let at = self.open.iter().position(|open| std::ptr::eq(open.source, source)).unwrap_or_else(|| {
            let tables = source.empty_tables().into_iter().map(|builder| OpenTable {
                builder,
                rows: Vec::new(),
                partition_of: BTreeMap::new(),
                inputs: Vec::new(),
            });
            self.open.push(Open { source, tables: tables.collect() });
            self.open.len() - 1
        });
        &mut self.open[at].tables[table]
    }

    fn quarantine(&mut self, refusal: Refusal<'s>, mut raw: &[u8], origin: &dyn Fn() -> Origin, input: InputId) {
        let Refusal { source, reason, message, whole, part } = refusal;
        if is_first(part) {
            let of_reason = self.counts.quarantined.entry(reason.to_string()).or_default();
            *of_reason += 1;
            if *of_reason == 1 {
                let example = Example { message: message.clone(), origin: origin() };
                self.examples.insert(reason.to_string(), example);
            }
        }
        let name = source.map_or("unknown", |source| source.name());
        let mapping = source.map(|source| source.mapping().version().to_owned());
        let lines = raw.len().div_ceil(MAX_RAW_BYTES).max(1) as u64;
        for number in 1..=lines {
            let (piece, rest) = raw.split_at(raw.len().min(MAX_RAW_BYTES));
            raw = rest;
            let mut line = QuarantineLine::new(piece, reason, message.as_str(), name, mapping.clone(), origin());
            if whole {
                line = line.of_whole();
            }
            if let Some(part) = part.or((lines > 1).then_some(Part { number, of: (number == lines).then_some(lines) }))
            {
                line = line.of_part(part);
            }
            self.refused_bytes += line.bytes();
            let (lines, inputs) = self.refused.entry(line.key()).or_default();
            lines.push(line);
            note_input(inputs, input);
        }
    }

    /// Closes the open tables and quarantine. The objects that they become are sealed one at a time, when [`Sealing`] is
    /// asked for them. `name` gives the object names of this part, which must follow from the input alone.
    pub fn seal(&mut self, label: &str, identity: &[&str]) -> Sealing<'s> {
        #[cfg(test)]
        failpoint::reach(failpoint::Place::Seal, &[]);
        let name = ObjectName::derive(label, identity, self.part);
        self.refused_bytes = 0;
        self.partitions = 0;
        self.part += 1;
        Sealing::new(self.settings, name, std::mem::take(&mut self.open), std::mem::take(&mut self.refused))
    }
}

impl OpenTable {
    /// The number of a partition. None if it is a new one and none may be opened.
    fn partition(&mut self, account: AccountId, day: EventDay, may_open: bool) -> Option<u32> {
        match self.partition_of.entry((day, account)) {
            btree_map::Entry::Occupied(known) => Some(*known.get()),
            btree_map::Entry::Vacant(new) => may_open.then(|| {
                let number = self.inputs.len() as u32;
                self.inputs.push(Vec::new());
                *new.insert(number)
            }),
        }
    }

    fn note_row(&mut self, partition: u32, input: InputId) {
        note_input(&mut self.inputs[partition as usize], input);
        self.rows.push(partition);
    }
}

/// The reason under which quarantine keeps an event that a mapping refuses; its text is [`mapping::Refusal::code`].
pub fn reason_of(refusal: &mapping::Refusal) -> Reason {
    match refusal {
        mapping::Refusal::NoMapping(_) => Reason::NoMapping,
        mapping::Refusal::NoTime(_) => Reason::NoTime,
        _ => Reason::Invalid,
    }
}

fn internal_error() -> Fault {
    (Reason::Fault, "internal error on this event; please report it".into())
}

/// One of several events of a raw event, with what is around it, as it would come alone. None, if it cannot be had.
fn part_of(event: &RawEvent<'_>, decode: &Decode, source: &MappedSource, at: usize) -> Option<String> {
    let (bump, mut buffer) = (Bump::new(), ReadBuffer::default());
    let document = decode.document(event, &mut buffer.documents, &bump).ok()?;
    let (mut next, mut found) = (0, None);
    source.events(document, &mut buffer, &bump, &mut |_, part| {
        if next == at {
            found = part.map(|part| part.to_json());
        }
        next += 1;
    });
    found
}

/// Whether a line with this part is the one that is counted.
fn is_first(part: Option<Part>) -> bool {
    part.is_none_or(|part| part.number == 1)
}

/// Notes an input once; inputs come in order.
fn note_input(inputs: &mut Vec<InputId>, input: InputId) {
    if inputs.last() != Some(&input) {
        inputs.push(input);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mapping_and_quarantine_have_the_same_words_for_a_refusal() {
        let invalid = ocsf::Breach::Missing { path: "file".to_owned() };
        for refusal in [
            mapping::Refusal::NoMapping(String::new()),
            mapping::Refusal::NoTime(String::new()),
            mapping::Refusal::Invalid(invalid),
        ] {
            assert_eq!(reason_of(&refusal).as_str(), refusal.code());
        }
    }
}
