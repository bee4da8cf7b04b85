//! What a framer finds in the window, before it is an item.

use crate::compression::InputError;
use crate::item::FrameError;

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
    /// The last row of [`ParquetRows`](crate::parquet_rows::ParquetRows).
    Row,
    /// These bytes of that row, which is longer than an event may be.
    RowPart {
        from: usize,
        to: usize,
        is_last: bool,
    },
    /// The last piece of the file of [`ParquetRows`](crate::parquet_rows::ParquetRows), which cannot be read.
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
