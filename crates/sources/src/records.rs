//! An input to raw events, one after the other, in bounded memory.
//!
//! [`Records`] cuts the plain bytes of an input into events and says where each was. It does not judge an event:
//! whether its bytes are JSON is for [`Decode::document`](crate::Decode::document) to find out, so that one bad event
//! costs one event. What cannot be cut at all (an array without end, an event beyond the limit, data that are not text)
//! becomes items of its own with all its bytes, so that the items of an input cover all of it.

use crate::binary::BinaryFormat;
use crate::compression::InputError;
use crate::cursor::Cursor;
use crate::detect::{array_of_events, detect};
use crate::found::{Found, Halt};
use crate::framing::{Framing, Limits};
use crate::item::{Item, Position, RawEvent, Syntax};
use crate::json_stream::{JsonStream, Shape};
use crate::lines::{Lines, Names};
use crate::parquet_rows::ParquetRows;
use crate::window::Window;
use crate::xml_stream::XmlStream;

const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

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
        Self { framing, framer: Framer::Undecided, cursor: Cursor::new(window, limits) }
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
            return Some(self.cursor.give_of_file(rows.text(), rows.piece(), found));
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
        match framing {
            Framing::Auto | Framing::Ndjson => Self::Lines(Lines::new(None)),
            Framing::Delimited(delimited) => Self::Lines(Lines::new(Some(delimited.clone()))),
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

#[cfg(test)]
mod tests;
