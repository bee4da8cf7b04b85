//! An input to raw events, one after the other, in bounded memory.
//!
//! [`Records`] cuts the plain bytes of an input into events and says where each was. It does not judge an event:
//! whether its bytes are JSON is for [`Decode::document`](crate::Decode::document) to find out, so that one bad event
//! costs one event. What cannot be cut at all (an array without end, an event beyond the limit) becomes an item of its
//! own with the bytes at hand, so that the items of an input cover all of it.

use crate::compression::{ExpansionLimits, InputError};
use crate::delimited::{Columns, Delimited, DelimitedError};
use crate::json_stream::{JsonStream, Shape};
use crate::window::Window;

/// How an input falls into events.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Framing {
    /// Found out from the first 64 KiB: lines of JSON, a JSON array, `{"Records": […]}`, JSON documents in a row, or a
    /// flow log with its header line. What looks like none of these is taken as lines of JSON, and fails line by line.
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
}

/// Bounds of what an input may ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Longest event in bytes. Default 16 MiB. Memory is a small multiple of the longest event seen.
    pub event_bytes: usize,
    /// How many bytes of a longer event are kept for [`Item::Oversized`]. Default 4 KiB.
    pub start_bytes: usize,
    /// What compressed input may expand to.
    pub expansion: ExpansionLimits,
}

impl Default for Limits {
    fn default() -> Self {
        Self { event_bytes: 16 << 20, start_bytes: 4 << 10, expansion: ExpansionLimits::default() }
    }
}

/// Where an item is in its input.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Position {
    /// Bytes before it in the plain (uncompressed) input.
    pub offset: u64,
    /// Items before it.
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
    /// The columns, if it is a line of delimited text; else it is JSON.
    pub(crate) columns: Option<(&'r Delimited, &'r [String])>,
}

impl<'r> RawEvent<'r> {
    /// The event that an input most likely is: one JSON object on one line, as a stream's record mostly is. If it is a
    /// JSON document, [`Framing::Auto`] finds this event too, after a look at every byte; if not, only `Auto` knows.
    #[must_use]
    pub fn of_line(input: &'r [u8], limits: Limits) -> Option<Self> {
        let is_likely = input.starts_with(b"{")
            && input.len() <= limits.event_bytes
            && memchr::memchr(b'\n', input).is_none()
            && !crate::json_stream::first_member_is_array(input, RECORDS);
        is_likely.then(|| {
            let position = Position { line: Some(1), ..Position::default() };
            Self { position, bytes: input.trim_ascii_end(), raw: input, columns: None }
        })
    }
}

/// What an input consists of.
#[derive(Debug)]
#[non_exhaustive]
pub enum Item<'r> {
    /// An event.
    Event(RawEvent<'r>),
    /// An event longer than [`Limits::event_bytes`]. The reader went on behind it.
    Oversized {
        /// Where it is.
        position: Position,
        /// Its length in bytes.
        length: u64,
        /// Its first [`Limits::start_bytes`] bytes.
        start: &'r [u8],
    },
    /// Bytes that belong to no event.
    Fault {
        /// Where they are.
        position: Position,
        /// What is wrong.
        error: FrameError,
        /// The bytes. A long stretch comes as several items.
        bytes: &'r [u8],
    },
}

/// Why bytes of an input belong to no event.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FrameError {
    /// The input ends early; all that was read before was given out.
    #[error(transparent)]
    Input(InputError),
    /// The input ends within a document.
    #[error("the input ends within a JSON document")]
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
    /// The first bytes of an oversized event.
    pub(crate) start: Vec<u8>,
}

/// An item of which only the place in the window is known, so that the window can still move.
pub(crate) enum Found {
    /// Bytes of the window, the first `raw` of which belong to this event.
    Event { from: usize, to: usize, raw: usize, line: Option<u64> },
    /// The first bytes are in [`Cursor::start`].
    Oversized { offset: u64, length: u64, line: Option<u64> },
    /// Bytes from the front of the window.
    Fault { error: FrameError, to: usize, line: Option<u64> },
}

enum Framer {
    /// Nothing was read yet.
    Undecided,
    Lines(Lines),
    Json(JsonStream),
    /// The whole input is one document.
    Whole,
    Done,
}

struct Lines {
    /// Number of the next line.
    next: u64,
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

    fn new(framing: &'a Framing, window: Window<'a>, limits: Limits) -> Self {
        let cursor = Cursor { window, limits, items: 0, given: 0, start: Vec::new() };
        Self { framing, framer: Framer::Undecided, cursor }
    }

    /// The next item; `None` at the end of the input.
    ///
    /// # Errors
    /// Only [`InputError::Source`]: the reader given failed, and nothing is known about the rest of the input. What is
    /// wrong with the data is an [`Item`].
    pub fn next_item(&mut self) -> Result<Option<Item<'_>>, InputError> {
        let cursor = &mut self.cursor;
        let given = std::mem::take(&mut cursor.given);
        cursor.window.drop_front(given);
        if matches!(self.framer, Framer::Undecided) {
            cursor.skip_byte_order_mark()?;
            self.framer = match self.framing {
                Framing::Auto => Framer::of(&detect(cursor)?),
                framing => Framer::of(framing),
            };
        }
        let found = match &mut self.framer {
            Framer::Lines(lines) => lines.next(cursor)?,
            Framer::Json(json) => json.next(cursor)?,
            Framer::Whole => {
                self.framer = Framer::Done;
                cursor.whole()?
            }
            Framer::Undecided | Framer::Done => None,
        };
        let Some(found) = found else {
            self.framer = Framer::Done;
            return Ok(self.cursor.last_fault());
        };
        let columns = match &self.framer {
            Framer::Lines(Lines { delimited: Some((delimited, Names::Known(names))), .. }) => {
                Some((delimited, names.as_slice()))
            }
            _ => None,
        };
        Ok(Some(self.cursor.give(found, columns)))
    }
}

impl Framer {
    fn of(framing: &Framing) -> Self {
        match framing {
            Framing::Auto | Framing::Ndjson => Self::Lines(Lines { next: 1, delimited: None }),
            Framing::Delimited(delimited) => {
                Self::Lines(Lines { next: 1, delimited: Some((delimited.clone(), Names::Pending)) })
            }
            Framing::JsonArray { at } => Self::Json(JsonStream::new(Shape::ArrayAt(at.clone()))),
            Framing::JsonDocuments => Self::Json(JsonStream::new(Shape::Documents)),
            Framing::Json => Self::Whole,
        }
    }
}

impl Cursor<'_> {
    fn skip_byte_order_mark(&mut self) -> Result<(), InputError> {
        while self.window.bytes().len() < 3 && self.window.grow()? {}
        if self.window.bytes().starts_with("\u{feff}".as_bytes()) {
            self.window.drop_front(3);
        }
        Ok(())
    }

    /// Turns what a framer found into an item.
    fn give<'r>(&'r mut self, found: Found, columns: Option<(&'r Delimited, &'r [String])>) -> Item<'r> {
        let index = self.items;
        self.items += 1;
        let offset = self.window.offset();
        match found {
            Found::Event { from, to, raw, line } => {
                let position = Position { offset: offset + from as u64, index, line };
                let raw = self.window.bytes().get(..raw).unwrap_or_default();
                Item::Event(RawEvent { position, bytes: raw.get(from..to).unwrap_or_default(), raw, columns })
            }
            Found::Oversized { offset, length, line } => {
                Item::Oversized { position: Position { offset, index, line }, length, start: &self.start }
            }
            Found::Fault { error, to, line } => {
                self.given = self.given.max(to);
                let position = Position { offset, index, line };
                Item::Fault { position, error, bytes: self.window.bytes().get(..to).unwrap_or_default() }
            }
        }
    }

    /// The fault at which the input ended, if no framer had bytes to report it with.
    fn last_fault(&mut self) -> Option<Item<'_>> {
        let error = FrameError::Input(self.window.take_fault()?);
        Some(self.give(Found::Fault { error, to: 0, line: None }, None))
    }

    /// The end of the input with `to` bytes that make no whole event.
    pub(crate) fn cut_off(&mut self, to: usize, line: Option<u64>) -> Found {
        let error = self.window.take_fault().map_or(FrameError::Truncated, FrameError::Input);
        Found::Fault { error, to, line }
    }

    /// Keeps the start of an event that is too long, and drops `count` bytes of it.
    pub(crate) fn drop_oversized(&mut self, count: usize) {
        let missing = self.limits.start_bytes.saturating_sub(self.start.len()).min(count);
        let Self { start, window, .. } = self;
        start.extend_from_slice(window.bytes().get(..missing).unwrap_or_default());
        window.drop_front(count);
    }

    /// The whole input as one event.
    fn whole(&mut self) -> Result<Option<Found>, InputError> {
        while self.window.bytes().len() <= self.limits.event_bytes && self.window.grow()? {}
        let bytes = self.window.bytes();
        if bytes.len() > self.limits.event_bytes {
            let offset = self.window.offset();
            self.start.clear();
            loop {
                self.drop_oversized(self.window.bytes().len());
                if !self.window.grow()? {
                    break;
                }
            }
            let length = self.window.offset() - offset;
            return Ok(Some(Found::Oversized { offset, length, line: None }));
        }
        let (from, to) = trimmed(bytes);
        if from == to {
            return Ok(None);
        }
        self.given = bytes.len();
        if let Some(fault) = self.window.take_fault() {
            return Ok(Some(Found::Fault { error: FrameError::Input(fault), to: self.given, line: None }));
        }
        Ok(Some(Found::Event { from, to, raw: self.given, line: None }))
    }
}

impl Lines {
    fn next(&mut self, cursor: &mut Cursor<'_>) -> Result<Option<Found>, InputError> {
        loop {
            let line = Some(self.next);
            let Some((length, has_break)) = self.find_end(cursor)? else {
                self.next += 1;
                return self.oversized(cursor).map(Some);
            };
            if length == 0 && !has_break {
                return Ok(None);
            }
            if !has_break && cursor.window.has_fault() {
                return Ok(Some(cursor.cut_off(length, line)));
            }
            self.next += 1;
            let whole = length + usize::from(has_break);
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
                continue;
            }
            if let Some((delimited, names @ Names::Pending)) = &mut self.delimited {
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
            if let Some((_, Names::Unreadable(error))) = &self.delimited {
                return Ok(Some(Found::Fault { error: FrameError::Header(error.clone()), to: raw, line }));
            }
            return Ok(Some(Found::Event { from, to, raw, line }));
        }
    }

    /// Length of the line without its break, and whether it has one; `None` if it is longer than an event may be.
    #[inline]
    fn find_end(&self, cursor: &mut Cursor<'_>) -> Result<Option<(usize, bool)>, InputError> {
        let mut searched = 0;
        loop {
            let bytes = cursor.window.bytes();
            let end = memchr::memchr(b'\n', bytes.get(searched..).unwrap_or_default()).map(|at| searched + at);
            let length = end.unwrap_or(bytes.len());
            if length > cursor.limits.event_bytes {
                return Ok(None);
            }
            searched = bytes.len();
            if end.is_some() || !cursor.window.grow()? {
                return Ok(Some((length, end.is_some())));
            }
        }
    }

    /// Drops a line to its break.
    fn oversized(&mut self, cursor: &mut Cursor<'_>) -> Result<Found, InputError> {
        let (offset, line) = (cursor.window.offset(), Some(self.next - 1));
        cursor.start.clear();
        loop {
            let bytes = cursor.window.bytes();
            let end = memchr::memchr(b'\n', bytes);
            cursor.drop_oversized(end.unwrap_or(bytes.len()));
            let length = cursor.window.offset() - offset;
            if end.is_some() {
                cursor.window.drop_front(1);
            } else if cursor.window.grow()? {
                continue;
            }
            return Ok(Found::Oversized { offset, length, line });
        }
    }
}

/// The range without white space at both ends.
fn trimmed(bytes: &[u8]) -> (usize, usize) {
    let from = bytes.len() - bytes.trim_ascii_start().len();
    (from, from + bytes.trim_ascii().len())
}

/// The member that holds the events of AWS's own logs.
const RECORDS: &str = "Records";

/// Bytes that are looked at to choose a framing.
const LOOK: usize = 64 << 10;

/// The framing that the start of an input suggests.
fn detect(cursor: &mut Cursor<'_>) -> Result<Framing, InputError> {
    while cursor.window.bytes().len() < LOOK && !is_enough(cursor.window.bytes()) && cursor.window.grow()? {}
    let bytes = cursor.window.bytes();
    let bytes = bytes.get(..LOOK).unwrap_or(bytes).trim_ascii_start();
    Ok(match bytes.first() {
        Some(b'[') => Framing::JsonArray { at: Vec::new() },
        Some(b'{') => {
            if crate::json_stream::first_member_is_array(bytes, RECORDS) {
                Framing::JsonArray { at: vec![RECORDS.to_owned()] }
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
    let bytes = bytes.trim_ascii_start();
    let line = || memchr::memchr(b'\n', bytes).and_then(|line| bytes.get(..line));
    match bytes.first() {
        None => false,
        Some(b'[') => true,
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
        Limits { event_bytes, start_bytes: 4, ..Limits::default() }
    }

    fn describe(records: &mut Records<'_>) -> Vec<String> {
        let mut items = Vec::new();
        while let Some(item) = records.next_item().unwrap() {
            let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
            items.push(match item {
                Item::Event(event) => {
                    let Position { offset, index, line } = event.position;
                    assert_eq!(index as usize, items.len());
                    match line {
                        Some(line) => format!("{offset} line {line}: {}", text(event.bytes)),
                        None => format!("{offset}: {}", text(event.bytes)),
                    }
                }
                Item::Oversized { position, length, start } => {
                    format!("{} oversized {length}: {}", position.offset, text(start))
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
            ["0 line 1: 12345678", "9 oversized 10: 1234", "20 line 3: 1", "22 oversized 10: 0123"]
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
        let end = "fault the input ends within a JSON document: ";
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
        let long = "x".repeat(100);
        let limits = small(10);
        let input = format!(r#"{{"{long}":"{long}","Records":[1,"{long}",3],"{long}":[]}}"#);
        assert_eq!(
            items(&array(&["Records"]), input.as_bytes(), limits),
            ["218: 1", "220 oversized 102: \"xxx", "323: 3"]
        );
        let without = format!(r#"{{"a":"{long}"}}[1]"#);
        assert_eq!(items(&array(&["Records"]), without.as_bytes(), limits)[0], "0 oversized 108: {\"a\"");
        let broken = format!(r#"{{"a":"{long}",5}}"#);
        let items = items(&array(&["Records"]), broken.as_bytes(), limits);
        assert!(items[0].starts_with("0 oversized 1") && items[1].contains("fault not JSON"), "{items:?}");
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
                "49 fault the input ends within a JSON document: {\"d\""
            ]
        );
        assert_eq!(
            items(&Framing::JsonDocuments, br#"{"a":"0123456789"}{"b":1}"#, small(8)),
            [r#"0 oversized 18: {"a""#, r#"18: {"b":1}"#]
        );
    }

    #[test]
    fn one_document_is_the_whole_input() {
        assert_eq!(items(&Framing::Json, b"\n{\n}\n", Limits::default()), ["1: {\n}"]);
        assert_eq!(items(&Framing::Json, b"{} {}", Limits::default()), ["0: {} {}"]);
        assert_eq!(items(&Framing::Json, b"0123456789", small(9)), ["0 oversized 10: 0123"]);
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

    #[test]
    fn a_failing_source_is_an_error_and_no_item() {
        struct Broken;
        impl Read for Broken {
            fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
                Err(std::io::Error::other("connection reset"))
            }
        }
        for framing in [Framing::Auto, Framing::Ndjson, Framing::Json, Framing::JsonDocuments, array(&["Records"])] {
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
