//! A place in an input, from which a framer looks for the next event; what it finds becomes an item here.

use crate::binary::{self, BinaryFormat, FirstLine};
use crate::found::{Found, Halt};
use crate::framing::Limits;
use crate::item::{FrameError, Item, Position, RawEvent, Syntax};
use crate::window::Window;

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

impl<'a> Cursor<'a> {
    pub(crate) fn new(window: Window<'a>, limits: Limits) -> Self {
        Self { window, limits, items: 0, given: 0, open: None }
    }

    /// The longest event, and the longest part of one that is longer.
    pub(crate) fn most(&self) -> usize {
        self.limits.event_bytes.max(1)
    }

    /// The format of the input if it is not text.
    pub(crate) fn binary_format(&mut self) -> Result<Option<BinaryFormat>, Halt> {
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

    pub(crate) fn give<'r>(&'r mut self, found: Found, syntax: Syntax<'r>) -> Item<'r> {
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

    /// Turns what was found in a Parquet file into an item: `row` is its last row, and `piece` the last piece of a file that
    /// cannot be read. A row has no place of its own in the bytes.
    pub(crate) fn give_of_file<'r>(&'r mut self, row: &'r str, piece: &'r [u8], found: Found) -> Item<'r> {
        let position = Position { index: self.items, ..Position::default() };
        match found {
            Found::Row => {
                self.items += 1;
                let bytes = row.as_bytes();
                Item::Event(RawEvent { position, bytes, raw: bytes, syntax: Syntax::Json })
            }
            Found::RowPart { from, to, is_last } => {
                let part = self.open.map_or(0, |(before, _)| before) + 1;
                self.open = (!is_last).then_some((part, 0));
                self.items += u64::from(is_last);
                let bytes = row.as_bytes().get(from..to).unwrap_or_default();
                Item::Oversized { position, part, length: is_last.then_some(to as u64), bytes }
            }
            Found::Piece { error, offset } => {
                self.items += 1;
                Item::Fault { position: Position { offset, ..position }, error: *error, bytes: piece }
            }
            other => self.give(other, Syntax::Json),
        }
    }

    /// True if a part of an event was given out that was not its last.
    pub(crate) fn is_in_parts(&self) -> bool {
        self.open.is_some()
    }

    /// The fault at which the input ended, if no framer had bytes to report it with.
    pub(crate) fn last_fault(&mut self) -> Option<Item<'_>> {
        let error = FrameError::Input(self.window.take_fault()?);
        Some(self.give(Found::Fault { error: error.into(), to: 0, line: None }, Syntax::Json))
    }

    /// The end of the input with `to` bytes that make no whole event.
    pub(crate) fn cut_off(&mut self, to: usize, line: Option<u64>) -> Found {
        let error = self.window.take_fault().map_or(FrameError::Truncated, FrameError::Input);
        Found::Fault { error: error.into(), to, line }
    }

    /// The whole input as one event.
    pub(crate) fn whole(&mut self) -> Result<Option<Found>, Halt> {
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
    pub(crate) fn not_text(&mut self, format: BinaryFormat) -> Result<Option<Found>, Halt> {
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
pub(crate) fn is_row(line: &[u8]) -> bool {
    line.starts_with(b"{\"") && line.ends_with(b"}")
}

fn is_object(line: &[u8], syntax: Syntax<'_>) -> bool {
    matches!(syntax, Syntax::Delimited(..)) && is_row(line)
}

/// The range without white space at both ends.
pub(crate) fn trimmed(bytes: &[u8]) -> (usize, usize) {
    let from = bytes.len() - bytes.trim_ascii_start().len();
    (from, from + bytes.trim_ascii().len())
}
