//! An input cut by lines: JSON, or text with a fixed order of fields.

use crate::cursor::{Cursor, is_row, trimmed};
use crate::delimited::Delimited;
use crate::document_error::DelimitedError;
use crate::found::{Found, Halt};
use crate::item::FrameError;
use crate::window::TURN;

pub(crate) struct Lines {
    /// Number of the next line.
    next: u64,
    /// Bytes of the window in which there is no line break.
    searched: usize,
    /// Within a line that is longer than an event may be.
    is_oversized: bool,
    /// For delimited text.
    pub(crate) delimited: Option<(Delimited, Names)>,
}

/// The names of the columns.
pub(crate) enum Names {
    /// No line was seen yet.
    Pending,
    Known(Vec<String>),
    /// The header cannot be read; without it every line would be guesswork.
    Unreadable(DelimitedError),
}

impl Lines {
    pub(crate) fn new(delimited: Option<Delimited>) -> Self {
        let delimited = delimited.map(|delimited| (delimited, Names::Pending));
        Self { next: 1, searched: 0, is_oversized: false, delimited }
    }

    pub(crate) fn next(&mut self, cursor: &mut Cursor<'_>) -> Result<Option<Found>, Halt> {
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
