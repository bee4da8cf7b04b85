//! Compressed bytes to plain bytes, as a stream.
//!
//! The first bytes say which compression it is, never a name: gzip, zstd, zlib or none. Any number of members (gzip),
//! frames (zstd) or streams (zlib) may follow one another, with zero bytes or white space between and after them: tapes
//! and `cat` leave those. Anything else after a member is damage, reported after all content before it. What comes out
//! may be compressed once more, as log groups that were exported twice are; a third layer is refused. Memory does not
//! grow with the input (zstd's window may be up to 128 MiB, its own limit), and [`ExpansionLimits`] stop a bomb.
//!
//! Text in UTF-16 that starts with a byte order mark becomes UTF-8 here too, so that places in the plain input count
//! UTF-8 bytes.
//!
//! The errors keep apart what a caller must keep apart: [`InputError::Source`] is the store's or the network's fault,
//! and worth another try; all others are the data's fault and will be the same tomorrow.

use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::compression::{Compression, ExpansionLimits, InputError};
use crate::decoders::{Decoder, Frames, Members, Outcome, Step};
use crate::utf16::{self, Transcoder};

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
    /// First bytes of `reader` that were looked at and not yet given on.
    start: Vec<u8>,
    start_given: usize,
    is_open: bool,
    read: Arc<AtomicU64>,
    limits: ExpansionLimits,
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
        let mut new = Self::unopened(input, limits);
        through_pauses(|| new.open()).map_err(InputError::unpack)?;
        Ok(new)
    }

    /// Nothing is read before the first call of [`Decompressed::read_on`].
    pub(crate) fn unopened(input: impl Read + Send + 'a, limits: ExpansionLimits) -> Self {
        let read = Arc::new(AtomicU64::new(0));
        let reader = Box::new(Source { input, read: Arc::clone(&read) });
        Self { reader, layers: Vec::new(), start: Vec::new(), start_given: 0, is_open: false, read, limits }
    }

    /// The compressions that were undone, outermost first: none, one or two.
    #[must_use]
    pub fn layers(&self) -> &[Compression] {
        &self.layers
    }

    /// As [`Read::read`], but comes back with [`pause`] where much was read and nothing can be given yet.
    pub(crate) fn read_on(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if !self.is_open {
            self.open()?;
        }
        if let Some(rest) = self.start.get(self.start_given..)
            && !rest.is_empty()
        {
            let count = rest.len().min(buffer.len());
            if let (Some(to), Some(from)) = (buffer.get_mut(..count), rest.get(..count)) {
                to.copy_from_slice(from);
            }
            self.start_given += count;
            return Ok(count);
        }
        self.reader.read(buffer)
    }

    /// Puts a decoder in front of the reader for each layer, and one for UTF-16. May be called again after an error.
    fn open(&mut self) -> io::Result<()> {
        loop {
            let may_be_zlib = Compression::may_be_zlib(&self.start);
            let wanted = if may_be_zlib { Compression::LOOK } else { Compression::MAGIC_LENGTH };
            let filled = self.start.len();
            if filled < wanted {
                self.start.resize(wanted, 0);
                let read = self.reader.read(self.start.get_mut(filled..).unwrap_or_default());
                self.start.truncate(filled + read.as_ref().map_or(0, |count| *count));
                if read? > 0 {
                    continue;
                }
            }
            let Some(compression) = Compression::of(&self.start) else { break };
            if self.layers.len() == 2 {
                return Err(InputError::Nested.pack());
            }
            let (read, limits) = (Arc::clone(&self.read), self.limits);
            let is_outermost = self.layers.is_empty();
            self.put_in_front(|reader| Layer::new(reader, compression, is_outermost, read, limits));
            self.layers.push(compression);
        }
        if let Some(order) = utf16::byte_order(&self.start) {
            self.put_in_front(|reader| Transcoder::new(reader, order));
        }
        self.is_open = true;
        Ok(())
    }

    fn put_in_front<R: Read + Send + 'a>(&mut self, layer: impl FnOnce(Box<dyn Read + Send + 'a>) -> R) {
        let reader = std::mem::replace(&mut self.reader, Box::new(io::empty()));
        let start = io::Cursor::new(std::mem::take(&mut self.start));
        self.reader = Box::new(layer(Box::new(start.chain(reader))));
    }
}

impl Read for Decompressed<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        through_pauses(|| self.read_on(buffer))
    }
}

/// What a reader of this crate fails with to give control back. Its next read goes on where it was.
pub(crate) fn pause() -> io::Error {
    io::ErrorKind::WouldBlock.into()
}

/// True for [`pause`], which no other reader can bring about: [`Source`] wraps their errors.
pub(crate) fn is_pause(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::WouldBlock && error.get_ref().is_none()
}

fn through_pauses<T>(mut work: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match work() {
            Err(error) if is_pause(&error) => {}
            done => return done,
        }
    }
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

/// Compressed bytes that a decoder takes at a time.
const PACKED: usize = 32 << 10;

/// Compressed bytes without content (empty members, padding) after which a layer pauses.
const IDLE: usize = 256 << 10;

/// One compression undone; keeps the limits.
struct Layer<'a> {
    reader: Box<dyn Read + Send + 'a>,
    packed: Vec<u8>,
    at: usize,
    filled: usize,
    /// The reader has given its last byte.
    is_last: bool,
    /// Whether to fill `packed` before it is decoded. What a decoder gives before it meets damage must not depend on how
    /// the store deals out its bytes: a retry must give the same.
    fills: bool,
    decoder: Box<dyn Decoder + Send>,
    /// To be told when all content before it was given.
    fault: Option<InputError>,
    ended: bool,
    read: Arc<AtomicU64>,
    written: u64,
    limits: ExpansionLimits,
}

impl<'a> Layer<'a> {
    fn new(
        reader: Box<dyn Read + Send + 'a>,
        compression: Compression,
        fills: bool,
        read: Arc<AtomicU64>,
        limits: ExpansionLimits,
    ) -> Self {
        let decoder: Box<dyn Decoder + Send> = match compression {
            Compression::Gzip => Box::new(Members::gzip()),
            Compression::Zlib => Box::new(Members::zlib()),
            Compression::Zstd => Box::new(Frames::new()),
        };
        let packed = vec![0; PACKED];
        Self {
            reader,
            packed,
            at: 0,
            filled: 0,
            is_last: false,
            fills,
            decoder,
            fault: None,
            ended: false,
            read,
            written: 0,
            limits,
        }
    }

    /// Reads more compressed bytes once all are decoded.
    fn fill(&mut self) -> io::Result<()> {
        if self.at < self.filled || self.is_last {
            return Ok(());
        }
        (self.at, self.filled) = (0, 0);
        while let Some(rest) = self.packed.get_mut(self.filled..).filter(|rest| !rest.is_empty()) {
            let count = self.reader.read(rest)?;
            self.filled += count;
            self.is_last = count == 0;
            if self.is_last || !self.fills {
                break;
            }
        }
        Ok(())
    }

    fn check_limits(&self) -> Result<(), InputError> {
        let (read, written, limits) = (self.read.load(Ordering::Relaxed), self.written, self.limits);
        let too_dense = written > limits.ratio_from && written > limits.ratio.saturating_mul(read);
        if written > limits.bytes || too_dense {
            return Err(InputError::Bomb { read, written, limits });
        }
        Ok(())
    }
}

impl Read for Layer<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut idle = 0;
        while !self.ended && !buffer.is_empty() {
            if let Some(fault) = self.fault.take() {
                self.ended = true;
                return Err(fault.pack());
            }
            self.fill()?;
            let packed = self.packed.get(self.at..self.filled).unwrap_or_default();
            let Step { taken, given, outcome } = self.decoder.decode(packed, self.is_last, buffer);
            self.at += taken;
            idle += taken;
            match outcome {
                Outcome::More => {}
                Outcome::End => self.ended = true,
                Outcome::Fault(fault) => self.fault = Some(fault),
            }
            if given > 0 {
                self.written += given as u64;
                self.check_limits().map_err(InputError::pack)?;
                return Ok(given);
            }
            if idle > IDLE && self.fault.is_none() {
                return Err(pause());
            }
        }
        Ok(0)
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

    fn zlib(data: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(data).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn padding_between_and_after_members_is_no_damage() {
        let data = sample();
        let limits = ExpansionLimits::default();
        for pack in [gzip, zstd, zlib] {
            for padding in [&b""[..], b"\0", b"\n", b"\r\n\0\0 \t", &[0; 100_000]] {
                let packed = [&pack(&data[..9]), padding, &pack(b""), &pack(&data[9..]), padding].concat();
                for packed in [packed.clone(), gzip(&packed)] {
                    let (out, error) = expand(&packed, limits);
                    assert!(error.is_none() && out == data, "{error:?}");
                }
                let (out, error) = expand(&[&packed, padding, &b"more"[..]].concat(), limits);
                assert!(out == data && matches!(error, Some(InputError::Corrupt { .. })), "{error:?}");
            }
        }
    }

    #[test]
    fn zlib_is_told_from_text_and_from_noise() {
        for data in [&b""[..], b"x", &sample()] {
            let packed = zlib(data);
            assert_eq!(Compression::of(&packed), Some(Compression::Zlib));
            assert_eq!(expand(&packed, ExpansionLimits::default()).0, data);
        }
        for plain in [&b"x^2 + y^2 = z^2\n"[..], b"x^", b"x\x01", b"x\x9c\x01\n\n\x02\r\n \n\x03\xff", b"x^K", b"x\xda"]
        {
            if Compression::of(plain).is_some() {
                // Too short to tell, and no text.
                assert_eq!(plain.len(), 2);
            }
        }
        assert_eq!(Compression::of(b"x^"), None);
    }

    #[test]
    fn a_header_may_have_a_name_a_comment_and_more() {
        let header = [&b"\x1f\x8b\x08\x1c\0\0\0\0\0\xff\x04\0\0\0\0\0"[..], &[b'n'; 40_000], b"\0comment\0"].concat();
        let packed = [&header, &gzip(b"hello")[10..]].concat();
        assert_eq!(expand(&packed, ExpansionLimits::default()).0, b"hello");
        let (_, error) = expand(&header, ExpansionLimits::default());
        assert!(matches!(error, Some(InputError::Truncated(Compression::Gzip))), "{error:?}");
        let mut wrong = gzip(b"hello");
        *wrong.last_mut().unwrap() ^= 1;
        let (out, error) = expand(&wrong, ExpansionLimits::default());
        assert!(out == b"hello" && matches!(error, Some(InputError::Corrupt { .. })), "{error:?}");
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
