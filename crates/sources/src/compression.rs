//! Compressed bytes to plain bytes, as a stream.
//!
//! Which compression it is follows from the first bytes, never from a name: gzip (any number of members), zstd (any
//! number of frames) or none. What comes out may be compressed once more, as log groups that were exported twice are; a
//! third layer is refused. Memory does not grow with the input (zstd's window may be up to 128 MiB, its own limit), and
//! [`ExpansionLimits`] stop a bomb.
//!
//! The errors keep apart what a caller must keep apart: [`InputError::Source`] is the store's or the network's fault,
//! and worth another try; all others are the data's fault and will be the same tomorrow.

use std::io::{self, BufReader, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

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
pub enum Compression {
    /// RFC 1952.
    Gzip,
    /// RFC 8878.
    Zstd,
}

impl Compression {
    /// Bytes that [`Compression::of`] needs to see.
    pub const MAGIC_LENGTH: usize = 4;

    /// The format that starts like this; `None` for plain bytes.
    #[must_use]
    pub fn of(start: &[u8]) -> Option<Self> {
        match start {
            [0x1f, 0x8b, 0x08, ..] => Some(Self::Gzip),
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Some(Self::Zstd),
            _ => None,
        }
    }
}

impl std::fmt::Display for Compression {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
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
}

impl InputError {
    /// True if the same bytes will fail again, so that a retry is of no use.
    #[must_use]
    pub fn is_permanent(&self) -> bool {
        !matches!(self, Self::Source(_))
    }

    /// The error that a [`Decompressed`] packed into an [`io::Error`].
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

/// The plain bytes of an input. Its [`Read`] implementation fails with an [`io::Error`] around an [`InputError`].
///
/// ```
/// use std::io::Read as _;
/// use sources::{Decompressed, ExpansionLimits};
///
/// let packed = zstd::encode_all(&b"hello"[..], 1)?;
/// let mut text = String::new();
/// Decompressed::new(&packed[..], ExpansionLimits::default())?.read_to_string(&mut text)?;
/// assert_eq!(text, "hello");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Decompressed<'a> {
    reader: Box<dyn Read + Send + 'a>,
    layers: Vec<Compression>,
}

impl std::fmt::Debug for Decompressed<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Decompressed").field("layers", &self.layers).finish_non_exhaustive()
    }
}

impl<'a> Decompressed<'a> {
    /// Looks at the first bytes of `input` and, if these are compressed, of what they hold.
    ///
    /// # Errors
    /// If the first bytes cannot be read or decoded, or hold a third layer.
    pub fn new(input: impl Read + Send + 'a, limits: ExpansionLimits) -> Result<Self, InputError> {
        let read = Arc::new(AtomicU64::new(0));
        let source = Source { input, read: Arc::clone(&read) };
        let (mut compression, source) = peek(source)?;
        let mut reader: Box<dyn Read + Send + 'a> =
            if compression.is_some() { Box::new(Full(source)) } else { Box::new(source) };
        let mut layers = Vec::new();
        while let Some(format) = compression {
            if layers.len() == 2 {
                return Err(InputError::Nested);
            }
            let decoder: Box<dyn Read + Send + 'a> = match format {
                Compression::Gzip => Box::new(flate2::read::MultiGzDecoder::new(reader)),
                Compression::Zstd => Box::new(
                    zstd::stream::read::Decoder::with_buffer(BufReader::new(reader)).map_err(InputError::Source)?,
                ),
            };
            let layer = Layer { decoder, compression: format, read: Arc::clone(&read), written: 0, limits };
            let (inner, layer) = peek(layer)?;
            reader = Box::new(layer);
            layers.push(format);
            compression = inner;
        }
        Ok(Self { reader, layers })
    }

    /// The formats that were undone, outermost first: none, one or two.
    #[must_use]
    pub fn layers(&self) -> &[Compression] {
        &self.layers
    }
}

impl Read for Decompressed<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.reader.read(buffer)
    }
}

type Peeked<R> = io::Chain<io::Cursor<Vec<u8>>, R>;

/// The format of what a reader gives, and a reader that gives all of it.
fn peek<R: Read>(mut reader: R) -> Result<(Option<Compression>, Peeked<R>), InputError> {
    let mut start = Vec::new();
    let most = Compression::MAGIC_LENGTH as u64;
    reader.by_ref().take(most).read_to_end(&mut start).map_err(InputError::unpack)?;
    let compression = Compression::of(&start);
    Ok((compression, io::Cursor::new(start).chain(reader)))
}

/// The input as it was given; counts, and marks the input's own errors.
struct Source<R> {
    input: R,
    read: Arc<AtomicU64>,
}

impl<R: Read> Read for Source<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.input.read(buffer) {
                Ok(count) => {
                    self.read.fetch_add(count as u64, Ordering::Relaxed);
                    return Ok(count);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(InputError::Source(error).pack()),
            }
        }
    }
}

/// Fills every buffer. What a decoder gives before it meets damage depends on how its input is cut; a retry over
/// another connection must give the same.
struct Full<R>(R);

impl<R: Read> Read for Full<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match self.0.read(rest)? {
                0 => break,
                count => filled += count,
            }
        }
        Ok(filled)
    }
}

/// One decoder; keeps the limits, and says which format its errors are about.
struct Layer<'a> {
    decoder: Box<dyn Read + Send + 'a>,
    compression: Compression,
    read: Arc<AtomicU64>,
    written: u64,
    limits: ExpansionLimits,
}

impl Read for Layer<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let compression = self.compression;
        let count = self.decoder.read(buffer).map_err(|error| match error.downcast::<InputError>() {
            Ok(inner) => inner.pack(),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => InputError::Truncated(compression).pack(),
            Err(error) => InputError::Corrupt { compression, reason: error.to_string() }.pack(),
        })?;
        self.written += count as u64;
        let (read, written, limits) = (self.read.load(Ordering::Relaxed), self.written, self.limits);
        let too_dense = written > limits.ratio_from && written > limits.ratio.saturating_mul(read);
        if written > limits.bytes || too_dense {
            return Err(InputError::Bomb { read, written, limits }.pack());
        }
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    pub(crate) fn gzip(data: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(data).unwrap();
        encoder.finish().unwrap()
    }

    fn zstd(data: &[u8]) -> Vec<u8> {
        zstd::encode_all(data, 3).unwrap()
    }

    /// All that comes out, and the error at the end.
    fn expand(data: &[u8], limits: ExpansionLimits) -> (Vec<u8>, Option<InputError>) {
        let mut out = Vec::new();
        let mut reader = match Decompressed::new(data, limits) {
            Ok(reader) => reader,
            Err(error) => return (out, Some(error)),
        };
        let mut buffer = [0; 1000];
        loop {
            match reader.read(&mut buffer) {
                Ok(0) => return (out, None),
                Ok(count) => out.extend_from_slice(&buffer[..count]),
                Err(error) => return (out, Some(InputError::unpack(error))),
            }
        }
    }

    fn sample() -> Vec<u8> {
        (0..20_000u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_string().into_bytes()).collect()
    }

    #[test]
    fn every_format_is_known_by_its_first_bytes() {
        let data = sample();
        let limits = ExpansionLimits::default();
        let members = [gzip(&data[..7]), gzip(&data[7..])].concat();
        let skippable = [&[0x50, 0x2a, 0x4d, 0x18, 2, 0, 0, 0, 9, 9][..], &zstd(&data)].concat();
        let frames = [zstd(&data[..7]), zstd(&data[7..])].concat();
        for (packed, layers) in [
            (data.clone(), &[][..]),
            (gzip(&data), &[Compression::Gzip][..]),
            (members, &[Compression::Gzip]),
            (zstd(&data), &[Compression::Zstd]),
            (frames, &[Compression::Zstd]),
            (skippable, &[Compression::Zstd]),
            (gzip(&zstd(&data)), &[Compression::Gzip, Compression::Zstd]),
            (gzip(&gzip(&data)), &[Compression::Gzip, Compression::Gzip]),
        ] {
            assert_eq!(Decompressed::new(&packed[..], limits).unwrap().layers(), layers);
            let (out, error) = expand(&packed, limits);
            assert!(error.is_none() && out == data, "{layers:?} {error:?}");
        }
        for short in [&b""[..], b"\x1f", b"\x1f\x8b", b"{"] {
            assert_eq!(expand(short, limits).0, short);
        }
    }

    #[test]
    fn a_third_layer_is_refused() {
        let (_, error) = expand(&gzip(&zstd(&gzip(b"x"))), ExpansionLimits::default());
        assert!(matches!(error, Some(InputError::Nested)));
    }

    #[test]
    fn truncated_data_come_out_up_to_the_cut() {
        let data = sample();
        for packed in [gzip(&data), zstd(&data), gzip(&gzip(&data))] {
            let (out, error) = expand(&packed[..packed.len() * 3 / 4], ExpansionLimits::default());
            assert!(matches!(error, Some(InputError::Truncated(_))), "{error:?}");
            assert!(data.starts_with(&out) && out.len() > data.len() / 4, "{}", out.len());
        }
    }

    #[test]
    fn damage_is_an_error_that_no_retry_heals() {
        let mut packed = gzip(&sample());
        let middle = packed.len() / 2;
        packed[middle..middle + 20].fill(0xff);
        let (_, error) = expand(&packed, ExpansionLimits::default());
        assert!(error.is_some_and(|error| error.is_permanent()));
        let (out, error) =
            expand(&[gzip(b"good"), b"garbage of some length".to_vec()].concat(), ExpansionLimits::default());
        assert!(out == b"good" && matches!(error, Some(InputError::Corrupt { .. })), "{error:?}");
    }

    #[test]
    fn a_failing_store_is_not_the_fault_of_the_data() {
        struct Broken;
        impl Read for Broken {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::Error::new(io::ErrorKind::UnexpectedEof, "connection closed"))
            }
        }
        for packed in [gzip(&sample()), zstd(&sample()), sample()] {
            let cut = (&packed[..packed.len() / 2]).chain(Broken);
            let error = Decompressed::new(cut, ExpansionLimits::default())
                .and_then(|mut reader| reader.read_to_end(&mut Vec::new()).map_err(InputError::unpack))
                .unwrap_err();
            assert!(
                matches!(&error, InputError::Source(error) if error.to_string() == "connection closed"),
                "{error:?}"
            );
        }
    }

    #[test]
    fn bombs_are_refused_by_bytes_and_by_ratio() {
        let zeros = vec![0; 4 << 20];
        let limits = ExpansionLimits { bytes: 1 << 20, ratio: 1_000_000, ratio_from: 0 };
        for bomb in [gzip(&zeros), zstd(&zeros), gzip(&gzip(&zeros))] {
            let (out, error) = expand(&bomb, limits);
            let message = error.unwrap().to_string();
            assert!(out.len() <= 1 << 20 && message.contains("1048576 bytes in all"), "{message}");
        }
        let limits = ExpansionLimits { bytes: 1 << 30, ratio: 100, ratio_from: 1 << 20 };
        let (out, error) = expand(&zstd(&zeros), limits);
        assert!(matches!(error, Some(InputError::Bomb { .. })) && out.len() <= (1 << 20) + 1000);
        assert!(expand(&zeros, limits).1.is_none());
    }
}
