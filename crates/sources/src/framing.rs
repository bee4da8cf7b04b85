//! An input to raw events, one after the other, in bounded memory.
//!
//! [`Records`] cuts the plain bytes of an input into events and says where each was. It does not judge an event:
//! whether its bytes are JSON is for [`Decode::document`](crate::Decode::document) to find out, so that one bad event
//! costs one event. What cannot be cut at all (an array without end, an event beyond the limit, data that are not text)
//! becomes items of its own with all its bytes, so that the items of an input cover all of it.

use crate::binary::{self, BinaryFormat, FirstLine, without_space};
use crate::compression::{ExpansionLimits, InputError};
use crate::delimited::{Columns, Delimited, DelimitedError};
use crate::json_stream::{JsonStream, Shape};
use crate::parquet_rows::ParquetRows;
use crate::window::{TURN, Window};
use crate::xml_stream::XmlStream;

/// How an input falls into events.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Framing {
    /// Found out from the first 64 KiB: lines of JSON, a JSON array, `{"Records": […]}`, JSON documents in a row, `<Event>`
    /// elements of XML, or a flow log with its header line. What looks like none of these is taken as lines of JSON, and
    /// fails line by line.
    #[default]
    Auto,
    /// A JSON document per line; blank lines do not count.
    Ndjson,
    /// The elements of the array at a path of member names; an empty path is the root. Documents may follow one
    /// another.
    JsonArray {
        /// Member names from the root to the array, `["Records"]` for `$.Records`.
        at: Vec<String>,
    },
    /// The whole input is one JSON document.
    Json,
    /// JSON documents one after the other, with or without white space between and in them.
    JsonDocuments,
    /// Lines of text with a fixed order of fields.
    Delimited(Delimited),
    /// XML elements of one name, one after the other or in one root, on any number of lines. XML declarations, comments
    /// and white space may stand between them; anything else there is a fault.
    ///
    /// An element ends at its own end tag, also where one of its descendants has the same name. A start tag that is byte
    /// for byte that of the open element starts the next element: the open one was cut off.
    XmlElements {
        /// The name of the elements, `Event` for Windows event logs. A namespace prefix is part of the name.
        element: String,
    },
}

/// Bounds of what an input may ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Longest event in bytes, and longest part of what is longer. Default 16 MiB. Memory is a small multiple of the
    /// longest item seen.
    pub event_bytes: usize,
    /// What compressed input may expand to.
    pub expansion: ExpansionLimits,
}

impl Default for Limits {
    fn default() -> Self {
        Self { event_bytes: 16 << 20, expansion: ExpansionLimits::default() }
    }
}

/// Where an item is in its input.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Position {
    /// Bytes before it in the plain input: uncompressed, and UTF-8 where the input is UTF-16.
    pub offset: u64,
    /// Events and faults before it. All parts of an event have the index of the event.
    pub index: u64,
    /// Its line, the first being 1, if the input is cut by lines.
    pub line: Option<u64>,
}

/// One event, not yet parsed.
#[derive(Clone, Copy, Debug)]
pub struct RawEvent<'r> {
    /// Where it is.
    pub position: Position,
    /// Its bytes, without line break and surrounding white space.
    pub bytes: &'r [u8],
    /// What the input has here and nowhere else: the bytes with the white space around them, without line break. This is
    /// what to keep of an event that cannot be read.
    pub raw: &'r [u8],
    pub(crate) syntax: Syntax<'r>,
}

/// The language of an event.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Syntax<'r> {
    Json,
    /// A line with these columns.
    Delimited(&'r Delimited, &'r [String]),
    Xml,
}

impl<'r> RawEvent<'r> {
    /// The event that an input most likely is: one JSON object on one line, as a stream's record mostly is. If it is a
    /// JSON document, [`Framing::Auto`] finds this event too, after a look at every byte; if not, only `Auto` knows.
    #[must_use]
    pub fn of_line(input: &'r [u8], limits: Limits) -> Option<Self> {
        let is_likely = input.starts_with(b"{")
            && input.len() <= limits.event_bytes
            && memchr::memchr(b'\n', input).is_none()
            && array_of_events(input).is_none();
        is_likely.then(|| {
            let position = Position { line: Some(1), ..Position::default() };
            Self { position, bytes: input.trim_ascii_end(), raw: input, syntax: Syntax::Json }
        })
    }
}

/// What an input consists of.
#[derive(Debug)]
#[non_exhaustive]
pub enum Item<'r> {
    /// An event.
    Event(RawEvent<'r>),
    /// A part of an event that is longer than [`Limits::event_bytes`]. The parts of an event come one after the other, with
    /// nothing but [`Item::Skipped`] between them; joined they are the event. All but the last are
    /// [`Limits::event_bytes`] long, or a little less where the event is XML.
    Oversized {
        /// Where the part is.
        position: Position,
        /// Which part it is, the first being 1.
        part: u64,
        /// Length of the event in bytes, which is known with its last part: `Some` means that the event is complete.
        length: Option<u64>,
        /// The bytes of this part.
        bytes: &'r [u8],
    },
    /// Bytes that belong to no event.
    Fault {
        /// Where they are.
        position: Position,
        /// What is wrong.
        error: FrameError,
        /// The bytes. A stretch longer than [`Limits::event_bytes`] comes as several items with the same error.
        bytes: &'r [u8],
    },
    /// No item yet, though about a mebibyte was read: blank lines, what surrounds an array, the beginning of a long event.
    /// It is there so that the caller can look at the time. How many come depends on how the input was read. Nothing is
    /// to be kept or counted of it; [`Records::next_item`] goes on.
    Skipped,
}

/// Why bytes of an input belong to no event.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FrameError {
    /// The input ends early; all that was read before was given out.
    #[error(transparent)]
    Input(InputError),
    /// The input ends within a document.
    #[error("the input ends within a document")]
    Truncated,
    /// A document has no array at the path.
    #[error("there is no array at $.{}", .at.join("."))]
    NoArray {
        /// The path.
        at: Vec<String>,
    },
    /// The document around the events is not JSON; nothing after this place can be cut into events.
    #[error("not JSON at byte {offset} of the input: {reason}")]
    Syntax {
        /// Place in the plain input.
        offset: u64,
        /// What was expected.
        reason: &'static str,
    },
    /// The line with the column names cannot be read.
    #[error("the header line cannot be read: {0}")]
    Header(DelimitedError),
    /// The input is not text, and nothing can be cut out of it. Its items are its bytes.
    #[error("{format} is not a log that can be read")]
    NotText {
        /// What it is.
        format: BinaryFormat,
    },
    /// The input is a Parquet file that cannot be read, or not to its end; all rows before the damage were given out. The
    /// bytes are those of the whole file.
    #[error("the Parquet file cannot be read: {reason}")]
    Parquet {
        /// What the decoder says.
        reason: String,
    },
    /// What stands between XML elements is neither white space nor a comment, a declaration or the tag of one root.
    #[error("not part of an element <{element}>")]
    BetweenElements {
        /// The name of the elements.
        element: String,
    },
}

impl FrameError {
    /// Whether it is a fault of the input as a whole, of which no part can be kept in the place of the rest.
    #[must_use]
    pub fn is_of_whole_input(&self) -> bool {
        matches!(self, Self::Input(_) | Self::NotText { .. } | Self::Parquet { .. })
    }
}

/// The items of one input.
///
/// ```
/// use sources::{Framing, Item, Limits, Records};
///
/// let framing = Framing::Ndjson;
/// let mut records = Records::of_slice(&framing, b"{\"a\":1}\n\n{\"a\":2}\n", Limits::default());
/// let mut lines = Vec::new();
/// while let Some(item) = records.next_item()? {
///     if let Item::Event(event) = item {
///         lines.push((event.position.line, event.bytes.to_vec()));
///     }
/// }
/// assert_eq!(lines, [(Some(1), b"{\"a\":1}".to_vec()), (Some(3), b"{\"a\":2}".to_vec())]);
/// # Ok::<(), sources::InputError>(())
/// ```
pub struct Records<'a> {
    framing: &'a Framing,
    framer: Framer,
    cursor: Cursor<'a>,
}

/// What all framers share.
pub(crate) struct Cursor<'a> {
    pub(crate) window: Window<'a>,
    pub(crate) limits: Limits,
    /// Items given out.
    pub(crate) items: u64,
    /// Bytes to drop before the next item is looked for: those of the last one, which its holder has let go of.
    pub(crate) given: usize,
    /// The event whose parts are being given out: how many were, and where the first of them was.
    open: Option<(u64, u64)>,
}

/// An item of which only the place in the window is known, so that the window can still move.
pub(crate) enum Found {
    /// Bytes of the window, the first `raw` of which belong to this event.
    Event {
        from: usize,
        to: usize,
        raw: usize,
        line: Option<u64>,
    },
    /// Bytes from the front of the window, a part of an event that is too long.
    Part {
        to: usize,
        is_last: bool,
        line: Option<u64>,
    },
    /// Bytes from the front of the window.
    Fault {
        error: Box<FrameError>,
        to: usize,
        line: Option<u64>,
    },
    /// The last row of [`ParquetRows`].
    Row,
    /// These bytes of that row, which is longer than an event may be.
    RowPart {
        from: usize,
        to: usize,
        is_last: bool,
    },
    /// The last piece of the file of [`ParquetRows`], which cannot be read.
    Piece {
        error: Box<FrameError>,
        offset: u64,
    },
    Skipped,
}

/// Why a framer comes back before it has what it was asked for. It goes on where it was when it is called again.
pub(crate) enum Halt {
    /// The input failed.
    Source(InputError),
    /// Something has to be given out first.
    Found(Found),
}

enum Framer {
    /// Nothing was read yet.
    Undecided,
    Lines(Lines),
    Json(JsonStream),
    Xml(XmlStream),
    /// The whole input is one document.
    Whole,
    /// The whole input goes out as it is.
    NotText(BinaryFormat),
    /// The rows of a Parquet file.
    Parquet(Box<ParquetRows>),
    Done,
}

struct Lines {
    /// Number of the next line.
    next: u64,
    /// Bytes of the window in which there is no line break.
    searched: usize,
    /// Within a line that is longer than an event may be.
    is_oversized: bool,
    /// For delimited text.
    delimited: Option<(Delimited, Names)>,
}

/// The names of the columns.
enum Names {
    /// No line was seen yet.
    Pending,
    Known(Vec<String>),
    /// The header cannot be read; without it every line would be guesswork.
    Unreadable(DelimitedError),
}

impl<'a> Records<'a> {
    /// The items of a slice, plain or compressed. Plain bytes are not copied.
    #[must_use]
    pub fn of_slice(framing: &'a Framing, input: &'a [u8], limits: Limits) -> Self {
        Self::new(framing, Window::of_slice(input, limits.expansion), limits)
    }

    /// The items of a stream, plain or compressed.
    #[must_use]
    pub fn of_stream(framing: &'a Framing, input: impl std::io::Read + Send + 'a, limits: Limits) -> Self {
        Self::new(framing, Window::of_stream(input, limits.expansion), limits)
    }

    #[cfg(test)]
    pub(crate) fn of_parquet(rows: ParquetRows, input: impl std::io::Read + Send + 'a, limits: Limits) -> Self {
        let framer = Framer::Parquet(Box::new(rows));
        Self { framer, ..Self::of_stream(&Framing::Auto, input, limits) }
    }

    fn new(framing: &'a Framing, window: Window<'a>, limits: Limits) -> Self {
        let cursor = Cursor { window, limits, items: 0, given: 0, open: None };
        Self { framing, framer: Framer::Undecided, cursor }
    }

    /// The next item; `None` at the end of the input.
    ///
    /// Comes back with [`Item::Skipped`] after about a mebibyte without another item.
    ///
    /// # Errors
    /// Only [`InputError::Source`]: the reader given failed, and nothing is known about the rest of the input. What is
    /// wrong with the data is an [`Item`].
    pub fn next_item(&mut self) -> Result<Option<Item<'_>>, InputError> {
        let found = self.find()?;
        Ok(self.give(found))
    }

    /// The next item but [`Item::Skipped`], for callers with all the time of the world.
    ///
    /// # Errors
    /// As [`Records::next_item`].
    pub fn next_unskipped(&mut self) -> Result<Option<Item<'_>>, InputError> {
        loop {
            match self.find()? {
                Some(Found::Skipped) => {}
                found => return Ok(self.give(found)),
            }
        }
    }

    fn find(&mut self) -> Result<Option<Found>, InputError> {
        let cursor = &mut self.cursor;
        let given = std::mem::take(&mut cursor.given);
        cursor.window.drop_front(given);
        cursor.window.start_turn();
        match self.framer.next(cursor, self.framing) {
            Ok(found) => Ok(found),
            Err(Halt::Found(found)) => Ok(Some(found)),
            Err(Halt::Source(error)) => Err(error),
        }
    }

    /// Turns what a framer found into an item.
    fn give(&mut self, found: Option<Found>) -> Option<Item<'_>> {
        let Some(found) = found else {
            self.framer = Framer::Done;
            return self.cursor.last_fault();
        };
        if let Framer::Parquet(rows) = &self.framer {
            return Some(self.cursor.give_of_file(rows, found));
        }
        let syntax = match &self.framer {
            Framer::Lines(Lines { delimited: Some((delimited, Names::Known(names))), .. }) => {
                Syntax::Delimited(delimited, names)
            }
            Framer::Xml(_) => Syntax::Xml,
            _ => Syntax::Json,
        };
        Some(self.cursor.give(found, syntax))
    }
}

impl Framer {
    fn of(framing: &Framing) -> Self {
        let lines = |delimited| Self::Lines(Lines { next: 1, searched: 0, is_oversized: false, delimited });
        match framing {
            Framing::Auto | Framing::Ndjson => lines(None),
            Framing::Delimited(delimited) => lines(Some((delimited.clone(), Names::Pending))),
            Framing::JsonArray { at } => Self::Json(JsonStream::new(Shape::ArrayAt(at.clone()))),
            Framing::JsonDocuments => Self::Json(JsonStream::new(Shape::Documents)),
            Framing::Json => Self::Whole,
            Framing::XmlElements { element } => Self::Xml(XmlStream::new(element.clone())),
        }
    }

    fn next(&mut self, cursor: &mut Cursor<'_>, framing: &Framing) -> Result<Option<Found>, Halt> {
        if matches!(self, Self::Undecided) {
            *self = Self::for_start(cursor, framing)?;
        }
        match self {
            Self::Lines(lines) => lines.next(cursor),
            Self::Json(json) => json.next(cursor),
            Self::Xml(xml) => xml.next(cursor),
            Self::Whole => cursor.whole(),
            Self::NotText(format) => cursor.not_text(*format),
            Self::Parquet(rows) => rows.next(cursor),
            Self::Undecided | Self::Done => Ok(None),
        }
    }

    /// Chooses by the start of the input, which a byte order mark is then no longer part of.
    fn for_start(cursor: &mut Cursor<'_>, framing: &Framing) -> Result<Self, Halt> {
        match cursor.binary_format()? {
            Some(BinaryFormat::Parquet) => return Ok(Self::Parquet(Box::default())),
            Some(format) => return Ok(Self::NotText(format)),
            None => {}
        }
        let detected = match framing {
            Framing::Auto => Some(detect(cursor)?),
            // Envelopes around lines of delimited text; those that are lines themselves are known one by one.
            Framing::Delimited(_) if cursor.window.bytes().trim_ascii_start().starts_with(b"{\"") => {
                Some(detect(cursor)?).filter(|detected| *detected != Framing::Ndjson)
            }
            _ => None,
        };
        let framing = detected.as_ref().unwrap_or(framing);
        if cursor.window.bytes().starts_with(BYTE_ORDER_MARK) {
            cursor.window.drop_front(BYTE_ORDER_MARK.len());
        }
        Ok(Self::of(framing))
    }
}

impl Cursor<'_> {
    /// The longest event, and the longest part of one that is longer.
    pub(crate) fn most(&self) -> usize {
        self.limits.event_bytes.max(1)
    }

    /// The format of the input if it is not text.
    fn binary_format(&mut self) -> Result<Option<BinaryFormat>, Halt> {
        loop {
            let bytes = self.window.bytes();
            if binary::first_line(bytes) == FirstLine::IsText {
                return Ok(None);
            }
            if bytes.len() >= BinaryFormat::LOOK || !self.window.grow()? {
                return Ok(BinaryFormat::of(self.window.bytes()));
            }
        }
    }

    fn give<'r>(&'r mut self, found: Found, syntax: Syntax<'r>) -> Item<'r> {
        let index = self.items;
        let offset = self.window.offset();
        let position = |line| Position { offset, index, line };
        match found {
            Found::Event { from, to, raw, line } => {
                self.items += 1;
                let position = Position { offset: offset + from as u64, ..position(line) };
                let raw = self.window.bytes().get(..raw).unwrap_or_default();
                let bytes = raw.get(from..to).unwrap_or_default();
                let syntax = if is_object(bytes, syntax) { Syntax::Json } else { syntax };
                Item::Event(RawEvent { position, bytes, raw, syntax })
            }
            Found::Part { to, is_last, line } => {
                self.given = self.given.max(to);
                let (before, start) = self.open.unwrap_or((0, offset));
                let part = before + 1;
                self.open = (!is_last).then_some((part, start));
                self.items += u64::from(is_last);
                let bytes = self.window.bytes().get(..to).unwrap_or_default();
                let length = is_last.then_some(offset - start + to as u64);
                Item::Oversized { position: position(line), part, length, bytes }
            }
            Found::Fault { error, to, line } => {
                self.items += 1;
                self.given = self.given.max(to);
                let bytes = self.window.bytes().get(..to).unwrap_or_default();
                Item::Fault { position: position(line), error: *error, bytes }
            }
            Found::Skipped | Found::Row | Found::RowPart { .. } | Found::Piece { .. } => Item::Skipped,
        }
    }

    /// Turns what was found in a Parquet file into an item. A row has no place of its own in the bytes.
    fn give_of_file<'r>(&'r mut self, rows: &'r ParquetRows, found: Found) -> Item<'r> {
        let position = Position { index: self.items, ..Position::default() };
        match found {
            Found::Row => {
                self.items += 1;
                let bytes = rows.text().as_bytes();
                Item::Event(RawEvent { position, bytes, raw: bytes, syntax: Syntax::Json })
            }
            Found::RowPart { from, to, is_last } => {
                let part = self.open.map_or(0, |(before, _)| before) + 1;
                self.open = (!is_last).then_some((part, 0));
                self.items += u64::from(is_last);
                let bytes = rows.text().as_bytes().get(from..to).unwrap_or_default();
                Item::Oversized { position, part, length: is_last.then_some(to as u64), bytes }
            }
            Found::Piece { error, offset } => {
                self.items += 1;
                Item::Fault { position: Position { offset, ..position }, error: *error, bytes: rows.piece() }
            }
            other => self.give(other, Syntax::Json),
        }
    }

    /// True if a part of an event was given out that was not its last.
    pub(crate) fn is_in_parts(&self) -> bool {
        self.open.is_some()
    }

    /// The fault at which the input ended, if no framer had bytes to report it with.
    fn last_fault(&mut self) -> Option<Item<'_>> {
        let error = FrameError::Input(self.window.take_fault()?);
        Some(self.give(Found::Fault { error: error.into(), to: 0, line: None }, Syntax::Json))
    }

    /// The end of the input with `to` bytes that make no whole event.
    pub(crate) fn cut_off(&mut self, to: usize, line: Option<u64>) -> Found {
        let error = self.window.take_fault().map_or(FrameError::Truncated, FrameError::Input);
        Found::Fault { error: error.into(), to, line }
    }

    /// The whole input as one event.
    fn whole(&mut self) -> Result<Option<Found>, Halt> {
        let most = self.most();
        while self.window.bytes().len() <= most && self.window.grow()? {}
        let bytes = self.window.bytes();
        let length = bytes.len();
        if length > most || self.is_in_parts() {
            return Ok(Some(Found::Part { to: length.min(most), is_last: length <= most, line: None }));
        }
        let (from, to) = trimmed(bytes);
        if from == to {
            return Ok(None);
        }
        self.given = length;
        if let Some(fault) = self.window.take_fault() {
            return Ok(Some(Found::Fault { error: FrameError::Input(fault).into(), to: length, line: None }));
        }
        Ok(Some(Found::Event { from, to, raw: length, line: None }))
    }

    /// The whole input in as few pieces as memory allows.
    fn not_text(&mut self, format: BinaryFormat) -> Result<Option<Found>, Halt> {
        let to = self.fill()?;
        Ok((to > 0).then_some(Found::Fault { error: FrameError::NotText { format }.into(), to, line: None }))
    }

    /// Reads as much as one item may be long. Its length, zero at the end of the input.
    pub(crate) fn fill(&mut self) -> Result<usize, Halt> {
        let most = self.most();
        while self.window.bytes().len() < most && self.window.grow()? {}
        Ok(self.window.bytes().len().min(most))
    }
}

/// True for a line of delimited text that is a JSON object: an envelope around such lines, a row of a Parquet file that comes
/// back from quarantine, or a line that another program has split.
fn is_row(line: &[u8]) -> bool {
    line.starts_with(b"{\"") && line.ends_with(b"}")
}

fn is_object(line: &[u8], syntax: Syntax<'_>) -> bool {
    matches!(syntax, Syntax::Delimited(..)) && is_row(line)
}

impl Lines {
    fn next(&mut self, cursor: &mut Cursor<'_>) -> Result<Option<Found>, Halt> {
        let mut passed = 0;
        loop {
            let line = Some(self.next);
            let Some((length, has_break)) = self.find_end(cursor)? else {
                self.is_oversized = true;
                let to = cursor.most();
                return Ok(Some(Found::Part { to, is_last: false, line }));
            };
            if length == 0 && !has_break {
                return Ok(None);
            }
            let whole = length + usize::from(has_break);
            if self.is_oversized {
                self.is_oversized = false;
                self.next += 1;
                cursor.given = whole;
                return Ok(Some(Found::Part { to: length, is_last: true, line }));
            }
            if !has_break && cursor.window.has_fault() {
                return Ok(Some(cursor.cut_off(length, line)));
            }
            self.next += 1;
            let bytes = cursor.window.bytes().get(..length).unwrap_or_default();
            let unbroken = bytes.strip_suffix(b"\r").unwrap_or(bytes).len();
            let (from, to) = match self.delimited {
                // White space may separate fields: only the line break goes.
                Some(_) => (0, unbroken),
                None => trimmed(bytes),
            };
            let raw = if has_break { unbroken } else { length };
            let bytes = bytes.get(from..to).unwrap_or_default();
            if bytes.trim_ascii().is_empty() {
                cursor.window.drop_front(whole);
                passed += whole;
                if passed >= TURN {
                    return Ok(Some(Found::Skipped));
                }
                continue;
            }
            let is_row = is_row(bytes);
            if let Some((delimited, names @ Names::Pending)) = &mut self.delimited
                && !is_row
            {
                let is_header;
                (*names, is_header) = match delimited.columns_of(bytes) {
                    Ok((names, is_header)) => (Names::Known(names), is_header),
                    Err(error) => (Names::Unreadable(error), false),
                };
                if is_header {
                    cursor.window.drop_front(whole);
                    continue;
                }
            }
            cursor.given = whole;
            if let Some((_, Names::Unreadable(error))) = &self.delimited
                && !is_row
            {
                return Ok(Some(Found::Fault { error: FrameError::Header(error.clone()).into(), to: raw, line }));
            }
            return Ok(Some(Found::Event { from, to, raw, line }));
        }
    }

    /// Length of the line without its break, and whether it has one; `None` if it is longer than an event may be.
    #[inline]
    fn find_end(&mut self, cursor: &mut Cursor<'_>) -> Result<Option<(usize, bool)>, Halt> {
        let mut searched = std::mem::take(&mut self.searched);
        loop {
            let bytes = cursor.window.bytes();
            let end = memchr::memchr(b'\n', bytes.get(searched..).unwrap_or_default()).map(|at| searched + at);
            let length = end.unwrap_or(bytes.len());
            if length > cursor.limits.event_bytes.max(1) {
                return Ok(None);
            }
            if end.is_some() {
                return Ok(Some((length, true)));
            }
            searched = length;
            match cursor.window.grow() {
                Ok(true) => {}
                Ok(false) => return Ok(Some((length, false))),
                Err(halt) => {
                    self.searched = searched;
                    return Err(halt);
                }
            }
        }
    }
}

/// The range without white space at both ends.
fn trimmed(bytes: &[u8]) -> (usize, usize) {
    let from = bytes.len() - bytes.trim_ascii_start().len();
    (from, from + bytes.trim_ascii().len())
}

/// Members that hold the events of AWS's own logs, and of what `aws cloudtrail lookup-events` writes.
const ARRAYS: [&str; 2] = ["Records", "Events"];

/// The member with the events of a document, if it is the first one.
fn array_of_events(input: &[u8]) -> Option<&'static str> {
    ARRAYS.into_iter().find(|name| crate::json_stream::first_member_is_array(input, name))
}

/// The element that holds an event of a Windows event log.
const EVENT: &str = "Event";

const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// Bytes that are looked at to choose a framing.
const LOOK: usize = 64 << 10;

/// The framing that the start of an input suggests.
fn detect(cursor: &mut Cursor<'_>) -> Result<Framing, Halt> {
    while cursor.window.bytes().len() < LOOK && !is_enough(cursor.window.bytes()) && cursor.window.grow()? {}
    let bytes = cursor.window.bytes();
    let bytes = without_space(bytes.get(..LOOK).unwrap_or(bytes));
    Ok(match bytes.first() {
        Some(b'[') => Framing::JsonArray { at: Vec::new() },
        Some(b'{') => {
            if let Some(name) = array_of_events(bytes) {
                Framing::JsonArray { at: vec![name.to_owned()] }
            } else {
                // A document that ends at the end of the first line is a line of JSON; one with lines of its own, or
                // with another document on its line, is not.
                let line = memchr::memchr(b'\n', bytes).unwrap_or(bytes.len());
                match crate::json_stream::end_of_value(bytes) {
                    _ if first_of_lines_is_broken(bytes, line) => Framing::Ndjson,
                    Some(end) if end > line => Framing::JsonDocuments,
                    Some(end) if !bytes.get(end..line).unwrap_or_default().trim_ascii().is_empty() => {
                        Framing::JsonDocuments
                    }
                    None if line < bytes.len() => Framing::JsonDocuments,
                    _ => Framing::Ndjson,
                }
            }
        }
        Some(b'<') if crate::xml_stream::has_element(bytes, EVENT) => {
            Framing::XmlElements { element: EVENT.to_owned() }
        }
        Some(_) if Delimited::looks_like_flow_log(bytes) => {
            Framing::Delimited(Delimited { columns: Columns::Header, separator: b' ', quote: None })
        }
        _ => Framing::Ndjson,
    })
}

/// True if the line that ends at `line` is no whole document but the next one is: a log whose first line was damaged, which
/// must not cost the others.
fn first_of_lines_is_broken(bytes: &[u8], line: usize) -> bool {
    let Some((first, rest)) = bytes.split_at_checked(line) else { return false };
    let next = rest.trim_ascii_start();
    let next = next.get(..memchr::memchr(b'\n', next).unwrap_or(next.len())).unwrap_or_default().trim_ascii_end();
    let end = crate::json_stream::end_of_value;
    next.starts_with(b"{") && end(first).is_none() && end(next) == Some(next.len())
}

/// True if more bytes could not change what [`detect`] says, so that a slow stream need not fill 64 KiB first.
fn is_enough(bytes: &[u8]) -> bool {
    let bytes = without_space(bytes);
    let line = || memchr::memchr(b'\n', bytes).and_then(|line| bytes.get(..line));
    match bytes.first() {
        None => false,
        Some(b'[') => true,
        // Of syslog, a number stands there.
        Some(b'<') if bytes.get(1).is_none_or(|byte| !byte.is_ascii_digit()) => {
            crate::xml_stream::has_element(bytes, EVENT)
        }
        Some(b'{') => line().is_some_and(|line| crate::json_stream::end_of_value(line).is_some()),
        Some(_) => line().is_some(),
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write as _};

    use super::*;

    /// Gives one byte at a time, the worst that a reader may do.
    struct Trickle<'a>(&'a [u8]);

    impl Read for Trickle<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            let (Some(to), Some((first, rest))) = (buffer.first_mut(), self.0.split_first()) else { return Ok(0) };
            *to = *first;
            self.0 = rest;
            Ok(1)
        }
    }

    fn small(event_bytes: usize) -> Limits {
        Limits { event_bytes, ..Limits::default() }
    }

    fn describe(records: &mut Records<'_>) -> Vec<String> {
        let mut items = Vec::new();
        let mut parts = 0;
        while let Some(item) = records.next_unskipped().unwrap() {
            let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
            items.push(match item {
                Item::Skipped => panic!("is not to come"),
                Item::Event(event) => {
                    let Position { offset, index, line } = event.position;
                    assert_eq!(index as usize, items.len() - parts);
                    match line {
                        Some(line) => format!("{offset} line {line}: {}", text(event.bytes)),
                        None => format!("{offset}: {}", text(event.bytes)),
                    }
                }
                Item::Oversized { position, part, length, bytes } => {
                    parts += usize::from(length.is_none());
                    let length = length.map(|length| format!(" of {length}")).unwrap_or_default();
                    format!("{} part {part}{length}: {}", position.offset, text(bytes))
                }
                Item::Fault { position, error, bytes } => format!("{} fault {error}: {}", position.offset, text(bytes)),
            });
        }
        assert!(records.next_item().unwrap().is_none(), "the end stays the end");
        items
    }

    /// Items of an input as a slice, which must be those of a stream of single bytes.
    fn items(framing: &Framing, input: &[u8], limits: Limits) -> Vec<String> {
        let items = describe(&mut Records::of_slice(framing, input, limits));
        if input.len() < 10_000 {
            assert_eq!(describe(&mut Records::of_stream(framing, Trickle(input), limits)), items);
        }
        assert_eq!(describe(&mut Records::of_stream(framing, input, limits)), items);
        items
    }

    fn array(path: &[&str]) -> Framing {
        Framing::JsonArray { at: path.iter().map(|&name| name.to_owned()).collect() }
    }

    #[test]
    fn lines_end_with_lf_or_crlf_and_blank_ones_do_not_count() {
        let input = b"\xef\xbb\xbf{\"a\":1}\n\r\n  \n {\"b\":2} \r\nnot json\n{\"c\":3}";
        assert_eq!(
            items(&Framing::Ndjson, input, Limits::default()),
            ["3 line 1: {\"a\":1}", "17 line 4: {\"b\":2}", "27 line 5: not json", "36 line 6: {\"c\":3}"]
        );
        assert!(items(&Framing::Ndjson, b"", Limits::default()).is_empty());
        assert!(items(&Framing::Ndjson, b"\n\r\n", Limits::default()).is_empty());
    }

    #[test]
    fn the_raw_bytes_of_an_event_are_all_that_stands_between_line_breaks() {
        let raw = |framing: &Framing, input: &[u8]| {
            let mut records = Records::of_stream(framing, Trickle(input), Limits::default());
            let mut all = Vec::new();
            while let Some(item) = records.next_item().unwrap() {
                let Item::Event(event) = item else { panic!("{item:?}") };
                assert!(event.raw.trim_ascii() == event.bytes.trim_ascii());
                all.push(String::from_utf8_lossy(event.raw).into_owned());
            }
            all
        };
        assert_eq!(raw(&Framing::Ndjson, b" a \t\r\n \nb \n\tc\r"), [" a \t", "b ", "\tc\r"]);
        assert_eq!(raw(&Framing::Json, b"\n {} \n"), ["\n {} \n"]);
        assert_eq!(raw(&Framing::JsonDocuments, b" {} \n[1] "), ["{}", "[1]"]);
    }

    #[test]
    fn a_line_beyond_the_limit_is_reported_and_passed() {
        assert_eq!(
            items(&Framing::Ndjson, b"12345678\n123456789\r\n1\n0123456789", small(8)),
            [
                "0 line 1: 12345678",
                "9 part 1: 12345678",
                "17 part 2 of 10: 9\r",
                "20 line 3: 1",
                "22 part 1: 01234567",
                "30 part 2 of 10: 89"
            ]
        );
    }

    #[test]
    fn the_elements_of_an_array_come_one_by_one() {
        let input = br#" {"x":{"Records":[0]},"y":"]}","Records" : [ {"a":[1,"]"]}, 2 ,"s,\"",null,[]] , "z":[1]} "#;
        assert_eq!(
            items(&array(&["Records"]), input, Limits::default()),
            ["45: {\"a\":[1,\"]\"]}", "60: 2", "63: \"s,\\\"\"", "70: null", "75: []"]
        );
        assert_eq!(items(&array(&[]), b"[1,{\"a\":2}]\n[3]", Limits::default()), ["1: 1", "3: {\"a\":2}", "13: 3"]);
        let nested = br#"{"a":{"x":1,"b":[1]},"a":{"b":[2]}}{"\u0061":{"b":[3]}}"#;
        assert_eq!(items(&array(&["a", "b"]), nested, Limits::default()), ["17: 1", "31: 2", "51: 3"]);
        assert!(items(&array(&[]), b"[]", Limits::default()).is_empty());
        assert!(items(&array(&["Records"]), b"{\"Records\":[]}", Limits::default()).is_empty());
    }

    #[test]
    fn a_truncated_array_gives_its_good_elements_and_an_error() {
        let end = "fault the input ends within a document: ";
        let records = array(&["Records"]);
        let limits = Limits::default();
        assert_eq!(
            items(&records, br#"{"Records":[{"a":1},{"b"#, limits),
            ["12: {\"a\":1}".to_owned(), format!("20 {end}{{\"b")]
        );
        assert_eq!(
            items(&records, br#"{"Records":[{"a":1},"#, limits),
            ["12: {\"a\":1}".to_owned(), format!("20 {end}")]
        );
        assert_eq!(items(&records, br#"{"Records":[1]"#, limits), ["12: 1".to_owned(), format!("14 {end}")]);
        assert_eq!(items(&records, br#"{"Rec"#, limits), [format!("0 {end}{{\"Rec")]);
        assert_eq!(items(&records, br#"{"a":"#, limits), [format!("0 {end}{{\"a\":")]);
        assert_eq!(items(&records, br#"{"a":[1"#, limits), [format!("0 {end}{{\"a\":[1")]);
        assert_eq!(items(&array(&[]), b"[1, 2", limits), ["1: 1", "4: 2", &format!("5 {end}")]);
    }

    #[test]
    fn a_document_without_the_array_is_reported_whole() {
        let fault = "fault there is no array at $.Records: ";
        let limits = Limits::default();
        for input in [r#"{"a":1,"b":[2]}"#, "{}", r#"{"Records":{"x":1}}"#, "[1]", "12", r#""text""#, "junk"] {
            let expected = [format!("0 {fault}{input}")];
            assert_eq!(items(&array(&["Records"]), input.as_bytes(), limits), expected);
        }
        let two = br#"{"a":1}{"Records":[2]}"#;
        assert_eq!(items(&array(&["Records"]), two, limits), [format!("0 {fault}{{\"a\":1}}"), "19: 2".to_owned()]);
        assert_eq!(
            items(&array(&["a", "b"]), br#"{"a":{"c":1}}"#, limits),
            [r#"0 fault there is no array at $.a.b: {"a":{"c":1}}"#]
        );
    }

    #[test]
    fn long_parts_around_and_in_an_array_are_passed_in_bounded_memory() {
        let long = "x".repeat(12);
        let around = format!(r#"{{"Records":[1,"{long}",3],"{long}":[],"Records":[4]}}"#);
        assert_eq!(
            items(&array(&["Records"]), around.as_bytes(), small(12)),
            ["12: 1", "14 part 1: \"xxxxxxxxxxx", "26 part 2 of 14: x\"", "29: 3", "61: 4"]
        );
        let long = "x".repeat(10);
        let limits = small(10);
        // What comes before the array belongs to no event, but that is not known yet when it is too much to keep.
        let before = format!(r#"{{"{long}":2,"Records":[1]}}"#);
        assert_eq!(
            items(&array(&["Records"]), before.as_bytes(), limits),
            [
                "0 part 1: {",
                "1 part 2: \"xxxxxxxxx",
                "11 part 3: x\":2,",
                "16 part 4: \"Records\":",
                "26 part 5 of 27: [",
                "27: 1"
            ]
        );
        let without = format!(r#"{{"a":"{long}"}}[1]"#);
        assert_eq!(
            items(&array(&["Records"]), without.as_bytes(), limits),
            ["0 part 1: {\"a\":\"xxxx", "10 part 2 of 18: xxxxxx\"}", "18 fault there is no array at $.Records: [1]"]
        );
        let broken = format!(r#"{{"a":"{long}",5}}"#);
        let syntax = "fault not JSON at byte 18 of the input: expected a member name";
        assert_eq!(
            items(&array(&["Records"]), broken.as_bytes(), limits),
            [
                "0 part 1: {\"a\":\"xxxx".to_owned(),
                "10 part 2 of 18: xxxxxx\",".to_owned(),
                format!("18 {syntax}: 5}}")
            ]
        );
    }

    #[test]
    fn what_is_no_json_around_the_events_goes_out_as_it_is() {
        let limits = Limits::default();
        assert_eq!(
            items(&array(&["Records"]), br#"{"a" 1, "Records":[1]} x"#, limits),
            [r#"0 fault not JSON at byte 5 of the input: expected `:`: {"a" 1, "Records":[1]} x"#]
        );
        assert_eq!(
            items(&array(&["Records"]), br#"{"Records":[1] nope"#, limits),
            ["12: 1", "15 fault not JSON at byte 15 of the input: expected a member name: nope"]
        );
        // In the array every piece is an event, to be refused alone.
        assert_eq!(
            items(&array(&[]), br#"[1, nope, }:}, {"a":1} {"b":2},,]"#, limits),
            ["1: 1", "4: nope", "10: }:}", r#"15: {"a":1}"#, r#"23: {"b":2}"#]
        );
    }

    #[test]
    fn documents_may_follow_each_other_without_separator() {
        let input = "{\"a\":1}{\"b\":\"}\"}\n{\n \"c\": [3]\n}\n\n 12 true\"x\"[] ,} {\"d\"";
        assert_eq!(
            items(&Framing::JsonDocuments, input.as_bytes(), Limits::default()),
            [
                "0: {\"a\":1}",
                "7: {\"b\":\"}\"}",
                "17: {\n \"c\": [3]\n}",
                "33: 12",
                "36: true",
                "40: \"x\"",
                "43: []",
                "46: ,}",
                "49 fault the input ends within a document: {\"d\""
            ]
        );
        assert_eq!(
            items(&Framing::JsonDocuments, br#"{"a":"0123456789"}{"b":1}"#, small(8)),
            [r#"0 part 1: {"a":"01"#, "8 part 2: 23456789", r#"16 part 3 of 18: "}"#, r#"18: {"b":1}"#]
        );
    }

    #[test]
    fn one_document_is_the_whole_input() {
        assert_eq!(items(&Framing::Json, b"\n{\n}\n", Limits::default()), ["1: {\n}"]);
        assert_eq!(items(&Framing::Json, b"{} {}", Limits::default()), ["0: {} {}"]);
        assert_eq!(items(&Framing::Json, b"0123456789", small(9)), ["0 part 1: 012345678", "9 part 2 of 10: 9"]);
        assert!(items(&Framing::Json, b" \n", Limits::default()).is_empty());
    }

    #[test]
    fn delimited_lines_have_a_header_or_names() {
        let flow = Delimited { columns: Columns::Header, separator: b' ', quote: None };
        let input = b"version account-id\n2 111\n\n2 222\r\n";
        assert_eq!(
            items(&Framing::Delimited(flow.clone()), input, Limits::default()),
            ["19 line 2: 2 111", "26 line 4: 2 222"]
        );
        let named = Delimited { columns: Columns::Named(vec!["version".into(), "account-id".into()]), ..flow.clone() };
        assert_eq!(items(&Framing::Delimited(named.clone()), input, Limits::default()).len(), 2);
        assert_eq!(items(&Framing::Delimited(named), b"2 111\n2 222", Limits::default()).len(), 2);
        let fault = "fault the header line cannot be read: \"2\" cannot be the name of a column: ";
        assert_eq!(
            items(&Framing::Delimited(flow), b"2 111\n2 222", Limits::default()),
            [format!("0 {fault}2 111"), format!("6 {fault}2 222")]
        );
    }

    #[test]
    fn the_framing_is_found_out() {
        let auto = |input: &str| items(&Framing::Auto, input.as_bytes(), Limits::default());
        assert_eq!(auto("{\"a\":1}\n{\"b\":2}\n"), ["0 line 1: {\"a\":1}", "8 line 2: {\"b\":2}"]);
        assert_eq!(auto("{\"a\":1}"), ["0 line 1: {\"a\":1}"]);
        assert_eq!(auto("{\"a\":1}{\"b\":2}"), ["0: {\"a\":1}", "7: {\"b\":2}"]);
        assert_eq!(auto("{\n\"a\":1}\n{\"b\":2}"), ["0: {\n\"a\":1}", "9: {\"b\":2}"]);
        assert_eq!(auto("\n [1,\n2]"), ["3: 1", "6: 2"]);
        // A damaged first line costs that line.
        assert_eq!(auto("{\"a\":\n{\"b\":2}\n{}").len(), 3);
        assert_eq!(auto("{\"a\":\"x\r\n{\"b\":2}\r\n{}").len(), 3);
        assert_eq!(auto("{\n{\"b\":2}").len(), 2);
        assert_eq!(auto("{\"a\":1}{\"b\":2}\n{\"c\":3}").len(), 3);
        assert_eq!(auto("{\n \"Records\": [1, 2]}"), ["15: 1", "18: 2"]);
        assert_eq!(auto("{\"Records\": 1}\n{}"), ["0 line 1: {\"Records\": 1}", "15 line 2: {}"]);
        assert_eq!(auto("version account-id srcaddr\n2 1 10.0.0.1\n"), ["27 line 2: 2 1 10.0.0.1"]);
        assert_eq!(auto("some text\nmore"), ["0 line 1: some text", "10 line 2: more"]);
        let long = format!("{{\"a\":\"{}\"}}", "x".repeat(LOOK));
        assert_eq!(auto(&format!("{long}\n{{}}")).len(), 2);
    }

    #[test]
    fn a_slow_stream_gives_its_first_line_when_that_is_complete() {
        struct Waiting;
        impl Read for Waiting {
            fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
                panic!("the first line is there")
            }
        }
        let mut records = Records::of_stream(&Framing::Auto, b"{\"a\":1}\n".chain(Waiting), Limits::default());
        assert!(matches!(records.next_item(), Ok(Some(Item::Event(event))) if event.bytes == b"{\"a\":1}"));
    }

    #[test]
    fn a_cut_off_gzip_gives_the_records_before_the_cut_and_an_error() {
        let lines: String =
            (0..20_000u64).map(|n| format!("{{\"n\":{}}}\n", n.wrapping_mul(6_364_136_223_846_793_005))).collect();
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(lines.as_bytes()).unwrap();
        let packed = encoder.finish().unwrap();
        let elements = format!("[{}]", lines.trim_end().replace('\n', ","));
        let packed_array = zstd::encode_all(elements.as_bytes(), 1).unwrap();
        for (framing, packed) in [(Framing::Ndjson, packed), (array(&[]), packed_array)] {
            assert_eq!(items(&framing, &packed, Limits::default()).len(), 20_000);
            let cut = items(&framing, &packed[..packed.len() / 2], Limits::default());
            assert!((2_000..18_000).contains(&cut.len()), "{}", cut.len());
            let (fault, events) = cut.split_last().unwrap();
            assert!(fault.contains("data are cut off"), "{fault}");
            for (event, line) in events.iter().zip(lines.lines()) {
                assert!(event.ends_with(line), "{event} {line}");
            }
        }
        assert!(items(&Framing::Json, &[0x1f, 0x8b, 8, 0], Limits::default())[0].contains("cut off"));
    }

    fn gzip(data: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(data).unwrap();
        encoder.finish().unwrap()
    }

    fn utf16(text: &str) -> Vec<u8> {
        text.encode_utf16().flat_map(u16::to_le_bytes).collect()
    }

    #[test]
    fn text_in_utf16_is_read_and_its_places_count_utf8_bytes() {
        let limits = Limits::default();
        let text = "\u{feff}{\"a\":\"é\"}\r\n{\"b\":2}\r\n";
        let expected = ["3 line 1: {\"a\":\"é\"}", "15 line 2: {\"b\":2}"];
        assert_eq!(items(&Framing::Auto, &utf16(text), limits), expected);
        assert_eq!(items(&Framing::Auto, &gzip(&gzip(&utf16(text))), limits), expected);
        let odd = [utf16("\u{feff}{}\r\n[1"), b"]".to_vec()].concat();
        assert_eq!(
            items(&Framing::Ndjson, &odd, limits),
            ["3 line 1: {}", "7 fault the UTF-16 text ends within a character, with the byte 0x5d: [1"]
        );
    }

    #[test]
    fn what_is_no_text_is_refused_whole() {
        let limits = Limits::default();
        // Starts as zlib data do, and is none.
        let input = b"\x78\x9c\x01\n\n\x02\r\n \n\x03\xff";
        let expected =
            [format!("0 fault binary data is not a log that can be read: {}", String::from_utf8_lossy(input))];
        for framing in [Framing::Auto, Framing::Ndjson, Framing::Json, array(&["Records"])] {
            assert_eq!(items(&framing, input, limits), expected, "{framing:?}");
        }
        assert_eq!(items(&Framing::Auto, &gzip(input), limits), expected);
        let parquet = [&b"PAR1\x15\n\x04"[..], &[0xe0; 100]].concat();
        let item = &items(&Framing::Auto, &parquet, limits)[..];
        assert!(item.len() == 1 && item[0].starts_with("0 fault the Parquet file cannot be read"), "{item:?}");
        // In as few pieces as memory allows.
        assert_eq!(items(&Framing::Auto, &parquet, small(40)).len(), 3);
    }

    #[test]
    fn a_byte_that_is_no_text_costs_its_line() {
        let lines = b"{\"a\":\"one\"}\n{\"a\":\"\xff\"}\n{\"a\":\"\0\"}\n{}\n";
        for first in [&b""[..], b"\xff\xfd damage\n"] {
            let found = items(&Framing::Auto, &[first, lines].concat(), Limits::default());
            assert_eq!(found.len(), 4 + usize::from(!first.is_empty()), "{found:?}");
        }
    }

    #[test]
    fn damage_in_the_header_of_a_gzip_member_is_one_fault_however_it_is_read() {
        let packed = gzip(b"{}\n");
        for flags in [0xff, 0x20, 0x04, 0x08, 0x10, 0x02] {
            let mut damaged = packed.clone();
            damaged[3] = flags;
            let found = items(&Framing::Auto, &damaged, Limits::default());
            assert!(found.len() == 1 && found[0].contains("fault the gzip data are"), "{flags:#x} {found:?}");
        }
    }

    /// How often control comes back, and the items.
    fn turns(input: &[u8]) -> (usize, usize) {
        let mut records = Records::of_stream(&Framing::Auto, input, Limits::default());
        let (mut turns, mut items) = (0, 0);
        while let Some(item) = records.next_item().unwrap() {
            match item {
                Item::Skipped => turns += 1,
                _ => items += 1,
            }
        }
        (turns, items)
    }

    #[test]
    fn control_comes_back_though_there_is_no_item() {
        let mebibytes = 4;
        let blank = vec![b'\n'; mebibytes << 20];
        let spaces = [&b"{\"Records\":["[..], &vec![b' '; mebibytes << 20], b"1]}"].concat();
        let around = [&b"{\"Records\":[1],\"x\":\""[..], &vec![b'y'; mebibytes << 20], b"\"}"].concat();
        let long = [&b"{\"a\":\""[..], &vec![b'y'; mebibytes << 20], b"\"}"].concat();
        let xml = [&b"<Events>"[..], &vec![b' '; mebibytes << 20], b"<Event/></Events>"].concat();
        for (input, expected) in [(blank, 0), (spaces, 1), (around, 1), (long, 1), (xml, 1)] {
            for input in [gzip(&input), input] {
                let (turns, items) = turns(&input);
                let start = String::from_utf8_lossy(&input[..9]).into_owned();
                assert!(items == expected && turns >= mebibytes - 2, "{start:?} {turns} {items}");
            }
        }
        // No plain bytes at all.
        let members = gzip(b"").repeat((mebibytes << 20) / gzip(b"").len());
        let (turns, items) = turns(&[members, gzip(b"{}")].concat());
        assert!(items == 1 && turns >= mebibytes, "{turns} {items}");
    }

    fn xml(element: &str) -> Framing {
        Framing::XmlElements { element: element.to_owned() }
    }

    #[test]
    fn elements_of_xml_come_one_by_one() {
        let limits = Limits::default();
        let event = xml("Event");
        let one = "<Event a='>'><x>1</x></Event>";
        assert_eq!(items(&event, format!("{one}{one}\n {one}\n").as_bytes(), limits).len(), 3);
        let rooted = format!("<?xml version='1.0'?>\n<!-- <Event> --><Events n=\"1\">\n{one}\n<Event/></Events>\n");
        let expected = [format!("53: {one}"), "83: <Event/>".to_owned()];
        assert_eq!(items(&event, rooted.as_bytes(), limits), expected);
        assert_eq!(items(&Framing::Auto, rooted.as_bytes(), limits), expected);
        // Files joined with `cat`.
        assert_eq!(items(&event, format!("\u{feff}{rooted}\u{feff}{rooted}").as_bytes(), limits).len(), 4);
        let other_root = format!("<export><!-- 1 -->{one}</export>");
        assert_eq!(items(&event, other_root.as_bytes(), limits), [format!("18: {one}")]);
        assert!(items(&event, b" <?xml version='1.0'?><Events></Events><Events/>", limits).is_empty());
    }

    #[test]
    fn an_end_tag_in_a_comment_or_in_character_data_ends_nothing() {
        for inner in [
            "<![CDATA[</Event>]]>",
            "<![CDATA[]]]]><![CDATA[></Event>]]>",
            "<!-- </Event> -->",
            "<?x </Event>?>",
            "<Data a='/>'/>",
            "<Event n='2'></Event>",
            "<EventData></EventData>",
        ] {
            let element = format!("<Event>{inner}</Event >");
            assert_eq!(items(&xml("Event"), element.as_bytes(), Limits::default()), [format!("0: {element}")]);
        }
    }

    #[test]
    fn an_element_without_end_costs_itself() {
        let limits = Limits::default();
        let input = "<Event x='1'><a>\n<Event x='1'><b/></Event>\n<Event x='1'><c";
        assert_eq!(
            items(&xml("Event"), input.as_bytes(), limits),
            [
                "0: <Event x='1'><a>",
                "17: <Event x='1'><b/></Event>",
                "43 fault the input ends within a document: <Event x='1'><c"
            ]
        );
    }

    #[test]
    fn what_stands_between_elements_is_a_fault() {
        let limits = Limits::default();
        let fault = "fault not part of an element <Event>: ";
        assert_eq!(
            items(&xml("Event"), b"junk <Event/> & <Events><Other><x/></Other>\n<Event/></Events></Events>", limits),
            [
                format!("0 {fault}junk"),
                "5: <Event/>".to_owned(),
                format!("14 {fault}&"),
                format!("24 {fault}<Other><x/></Other>"),
                "44: <Event/>".to_owned(),
                format!("61 {fault}</Events>"),
            ]
        );
        let declared = "<!DOCTYPE Events [<!ENTITY a 'b'>]><Events><Event>&a;</Event></Events>";
        assert_eq!(
            items(&xml("Event"), declared.as_bytes(), limits),
            [format!("0 {fault}<!DOCTYPE Events [<!ENTITY a 'b'>]>"), "43: <Event>&a;</Event>".to_owned()]
        );
        // Nothing is passed in silence where there is no element.
        for whole in ["<html><p>no</p></html>", "<html/>", "{\"a\":1}", "<Event", "<"] {
            let found = items(&xml("Event"), whole.as_bytes(), limits);
            assert_eq!(found, [format!("0 {fault}{whole}")]);
        }
        // A line of syslog is a line.
        assert_eq!(items(&Framing::Auto, b"<134>1 <Event> x\n<134>1 y", limits).len(), 2);
    }

    #[test]
    fn a_long_element_comes_in_parts() {
        let input = "<Event>0123456789<a/>0123<![CDATA[</Event>0123456789]]></Event><Event/>";
        assert_eq!(
            items(&xml("Event"), input.as_bytes(), small(20)),
            [
                "0 part 1: <Event>0123456789",
                "17 part 2: <a/>0123",
                "25 part 3: <![CDATA[</Event>0",
                "43 part 4 of 63: 123456789]]></Event>",
                "63: <Event/>"
            ]
        );
    }

    #[test]
    fn a_failing_source_is_an_error_and_no_item() {
        struct Broken;
        impl Read for Broken {
            fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
                Err(std::io::Error::other("connection reset"))
            }
        }
        let xml = Framing::XmlElements { element: "Event".to_owned() };
        for framing in [Framing::Auto, Framing::Ndjson, Framing::Json, Framing::JsonDocuments, array(&["Records"]), xml]
        {
            let input = b"{\"Records\":[\n".chain(Broken);
            let mut records = Records::of_stream(&framing, input, Limits::default());
            let error = loop {
                match records.next_item() {
                    Ok(Some(Item::Event(event))) => assert!(event.bytes.ends_with(b"[")),
                    Ok(other) => panic!("{other:?}"),
                    Err(error) => break error,
                }
            };
            assert!(matches!(error, InputError::Source(_)), "{framing:?}");
        }
    }
}
