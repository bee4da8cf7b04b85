//! What an input falls into: events, parts of events that are too long, and bytes that belong to no event.

use crate::binary::BinaryFormat;
use crate::compression::InputError;
use crate::delimited::Delimited;
use crate::document_error::DelimitedError;

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

/// What an input consists of.
#[derive(Debug)]
#[non_exhaustive]
pub enum Item<'r> {
    /// An event.
    Event(RawEvent<'r>),
    /// A part of an event that is longer than [`Limits::event_bytes`](crate::Limits::event_bytes). The parts of an event come one after the other, with
    /// nothing but [`Item::Skipped`] between them; joined they are the event. All but the last are
    /// [`Limits::event_bytes`](crate::Limits::event_bytes) long, or a little less where the event is XML.
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
        /// The bytes. A stretch longer than [`Limits::event_bytes`](crate::Limits::event_bytes) comes as several items with the same error.
        bytes: &'r [u8],
    },
    /// No item yet, though about a mebibyte was read: blank lines, what surrounds an array, the beginning of a long event.
    /// It is there so that the caller can look at the time. How many come depends on how the input was read. Nothing is
    /// to be kept or counted of it; [`Records::next_item`](crate::Records::next_item) goes on.
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
