//! The compressed formats, how far their data may expand, and why an input cannot be read to its end.

use std::io;

/// What compressed input may expand to. Plain input has no such limits.
///
/// Sysmon and flow logs shrink to between a tenth and a fortieth; gzip cannot go beyond 1:1032 and zstd can go far
/// beyond.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExpansionLimits {
    /// Most bytes that one input may become. Default 16 GiB.
    pub bytes: u64,
    /// Most bytes out for one byte in. Default 1,000.
    pub ratio: u64,
    /// Bytes out from which on `ratio` counts: a short run of the same line is no bomb. Default 64 MiB.
    pub ratio_from: u64,
}

impl Default for ExpansionLimits {
    fn default() -> Self {
        Self { bytes: 16 << 30, ratio: 1_000, ratio_from: 64 << 20 }
    }
}

/// A compressed format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Compression {
    /// RFC 1952.
    Gzip,
    /// RFC 8878.
    Zstd,
    /// RFC 1950.
    Zlib,
}

impl Compression {
    /// Bytes that tell gzip and zstd. Two of them tell what may be zlib.
    pub const MAGIC_LENGTH: usize = 4;

    /// Bytes that [`Compression::of`] looks at to tell zlib from text.
    pub const LOOK: usize = 4 << 10;

    /// The format that starts like this; `None` for plain bytes. `start` is the first [`Compression::LOOK`] bytes, or all
    /// there are.
    ///
    /// The two bytes that start a zlib stream are common elsewhere (`x^`, for one), so what follows must inflate too, and
    /// must not be text.
    #[must_use]
    pub fn of(start: &[u8]) -> Option<Self> {
        match start {
            [0x1f, 0x8b, 0x08, ..] => Some(Self::Gzip),
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Some(Self::Zstd),
            _ if Self::may_be_zlib(start) && is_zlib(start.get(..Self::LOOK).unwrap_or(start)) => Some(Self::Zlib),
            _ => None,
        }
    }

    /// True if the first two bytes are a zlib header without a dictionary, of the window size that all writers use.
    pub(crate) fn may_be_zlib(start: &[u8]) -> bool {
        matches!(start, [0x78, 0x01 | 0x5e | 0x9c | 0xda, ..])
    }
}

/// Whether bytes with a zlib header are zlib: they inflate to the end of a stream, or as far as they go.
fn is_zlib(start: &[u8]) -> bool {
    let mut inflate = flate2::Decompress::new(true);
    let mut out = [0; 4 << 10];
    loop {
        let before = (inflate.total_in(), inflate.total_out());
        let rest = start.get(before.0 as usize..).unwrap_or_default();
        match inflate.decompress(rest, &mut out, flate2::FlushDecompress::None) {
            Ok(flate2::Status::StreamEnd) => return true,
            Ok(_) if (inflate.total_in(), inflate.total_out()) != before => {}
            Ok(_) => return crate::binary::unlike_text(start) > 0,
            Err(_) => return false,
        }
    }
}

impl std::fmt::Display for Compression {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
            Self::Zlib => "zlib",
        })
    }
}

/// Why an input cannot be read to its end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InputError {
    /// The reader that was given failed: nothing is known about the data, and another try may go well.
    #[error("the input cannot be read: {0}")]
    Source(#[source] io::Error),
    /// The compressed data end in the middle.
    #[error("the {0} data are cut off")]
    Truncated(Compression),
    /// The compressed data are damaged, or something else follows them.
    #[error("the {compression} data are damaged: {reason}")]
    Corrupt {
        /// The format they claim to have.
        compression: Compression,
        /// What the decoder says.
        reason: String,
    },
    /// The data expand beyond the limits.
    #[error(
        "{read} compressed bytes expand to more than {written} bytes; the limits are {} bytes in all and, from {} bytes on, {}:1",
        .limits.bytes, .limits.ratio_from, .limits.ratio
    )]
    Bomb {
        /// Compressed bytes read.
        read: u64,
        /// Bytes they gave so far.
        written: u64,
        /// The limits.
        limits: ExpansionLimits,
    },
    /// What two decoders left is compressed still.
    #[error("compressed more than twice")]
    Nested,
    /// UTF-16 text has an odd number of bytes; all characters before the last byte were read.
    #[error("the UTF-16 text ends within a character, with the byte {byte:#04x}")]
    OddByte {
        /// The last byte.
        byte: u8,
    },
}

impl InputError {
    /// True if the same bytes will fail again, so that a retry is of no use.
    #[must_use]
    pub fn is_permanent(&self) -> bool {
        !matches!(self, Self::Source(_))
    }

    /// The error that a [`Decompressed`](crate::Decompressed) packed into an [`io::Error`].
    pub(crate) fn unpack(error: io::Error) -> Self {
        match error.downcast::<Self>() {
            Ok(error) => error,
            Err(error) => Self::Source(error),
        }
    }

    /// The reverse of [`InputError::unpack`].
    pub(crate) fn pack(self) -> io::Error {
        io::Error::other(self)
    }
}
