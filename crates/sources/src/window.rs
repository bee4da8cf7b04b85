//! The part of an input that is in memory.
//!
//! A framer looks at the bytes from the first one that it has not given out, asks for more where an event is not
//! complete, and drops what it has given out. A plain slice is its own window and is never copied; a stream has a
//! buffer that grows to the longest event and no further.

use std::io::Read;

use crate::compression::{Compression, ExpansionLimits, InputError};
use crate::decompressed::{Decompressed, is_pause};
use crate::found::{Found, Halt};
use crate::utf16;

/// Bytes asked of a stream at a time.
const CHUNK: usize = 64 << 10;

/// Plain bytes after which control goes back to the caller, who may have no time left.
pub(crate) const TURN: usize = 1 << 20;

pub(crate) struct Window<'a> {
    store: Store<'a>,
    /// What was dropped of the store.
    start: usize,
    /// Place of `start` in the whole plain input.
    offset: u64,
    /// Permanent fault at which the input ends early.
    fault: Option<InputError>,
    ended: bool,
    /// Bytes read since control last went back to the caller.
    turn: usize,
}

enum Store<'a> {
    Slice(&'a [u8]),
    Stream { reader: Decompressed<'a>, buffer: Vec<u8>, filled: usize },
}

impl<'a> Window<'a> {
    /// A window on a slice; it is unpacked if it is compressed, and made UTF-8 if it is UTF-16.
    pub(crate) fn of_slice(input: &'a [u8], limits: ExpansionLimits) -> Self {
        if Compression::of(input).is_some() || utf16::byte_order(input).is_some() {
            Self::of_stream(input, limits)
        } else {
            Self { store: Store::Slice(input), start: 0, offset: 0, fault: None, ended: true, turn: 0 }
        }
    }

    /// A window on a stream; it is unpacked if it is compressed, and made UTF-8 if it is UTF-16.
    pub(crate) fn of_stream(input: impl Read + Send + 'a, limits: ExpansionLimits) -> Self {
        // The first read happens with the first look, so that its error is reported like any other.
        let store = Store::Stream { reader: Decompressed::unopened(input, limits), buffer: Vec::new(), filled: 0 };
        Self { store, start: 0, offset: 0, fault: None, ended: false, turn: 0 }
    }

    /// All bytes in memory that were not dropped.
    #[inline]
    pub(crate) fn bytes(&self) -> &[u8] {
        match &self.store {
            Store::Slice(input) => input.get(self.start..),
            Store::Stream { buffer, filled, .. } => buffer.get(self.start..*filled),
        }
        .unwrap_or_default()
    }

    /// Place of the first byte of [`Window::bytes`] in the plain input.
    #[inline]
    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    /// Drops bytes at the start.
    #[inline]
    pub(crate) fn drop_front(&mut self, count: usize) {
        let count = count.min(self.bytes().len());
        self.start += count;
        self.offset += count as u64;
    }

    /// Control comes from the caller, who has just asked for the time.
    #[inline]
    pub(crate) fn start_turn(&mut self) {
        self.turn = 0;
    }

    /// Reads on. False at the end of the input, be it for a fault; see [`Window::take_fault`].
    ///
    /// # Errors
    /// [`Halt::Source`]: the input should be read again from its start. [`Halt::Found`] with [`Found::Skipped`] where control
    /// should go back to the caller; the next call goes on from here.
    pub(crate) fn grow(&mut self) -> Result<bool, Halt> {
        let Store::Stream { reader, buffer, filled } = &mut self.store else { return Ok(false) };
        if self.ended {
            return Ok(false);
        }
        if self.turn >= TURN {
            return Err(Halt::Found(Found::Skipped));
        }
        if self.start > 0 {
            buffer.copy_within(self.start..*filled, 0);
            *filled -= self.start;
            self.start = 0;
        }
        if buffer.len() < *filled + CHUNK {
            // Room for this read, and as much again, so that a long event is not copied for each chunk of it.
            buffer.resize((*filled + CHUNK).max(buffer.len().saturating_add(buffer.len() / 2)), 0);
        }
        match reader.read_on(buffer.get_mut(*filled..).unwrap_or_default()) {
            Ok(0) => {
                self.ended = true;
                Ok(false)
            }
            Ok(count) => {
                *filled += count;
                self.turn += count;
                Ok(true)
            }
            Err(error) if is_pause(&error) => Err(Halt::Found(Found::Skipped)),
            Err(error) => {
                self.ended = true;
                let error = InputError::unpack(error);
                if !error.is_permanent() {
                    return Err(Halt::Source(error));
                }
                self.fault = Some(error);
                Ok(false)
            }
        }
    }

    /// True if the input ended for a fault that was not taken yet.
    pub(crate) fn has_fault(&self) -> bool {
        self.fault.is_some()
    }

    /// The fault at which the input ended, once.
    pub(crate) fn take_fault(&mut self) -> Option<InputError> {
        self.fault.take()
    }
}
