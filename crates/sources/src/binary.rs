//! Whether an input is text, and which format it has if not.
//!
//! Nothing can be cut out of data that are not text: a byte 0x0A in them ends no line. So they are refused whole. A log
//! with some bytes that are not text is still a log, and each such line is refused alone. The difference is one of
//! degree; see [`judge`].

use std::fmt;

/// A format that is not text, known by its first bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BinaryFormat {
    /// Apache Parquet.
    Parquet,
    /// Apache ORC.
    Orc,
    /// An Avro object container file.
    Avro,
    /// Apache Arrow's file format, also called Feather.
    ArrowFile,
    /// A Windows event log file.
    Evtx,
    /// Packets as tcpdump writes them.
    Pcap,
    /// Packets as Wireshark writes them.
    PcapNg,
    /// bzip2.
    Bzip2,
    /// xz.
    Xz,
    /// LZ4 frames.
    Lz4,
    /// Snappy's framing format.
    Snappy,
    /// A ZIP archive.
    Zip,
    /// A 7z archive.
    SevenZip,
    /// A tar archive.
    Tar,
    /// A SQLite database.
    Sqlite,
    /// UTF-32 text.
    Utf32,
    /// None of these: an image, a program, encrypted or damaged data.
    Unknown,
}

impl fmt::Display for BinaryFormat {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Parquet => "a Parquet file",
            Self::Orc => "an ORC file",
            Self::Avro => "an Avro file",
            Self::ArrowFile => "an Arrow file",
            Self::Evtx => "a Windows event log file (EVTX)",
            Self::Pcap => "a packet capture (pcap)",
            Self::PcapNg => "a packet capture (pcapng)",
            Self::Bzip2 => "bzip2 data",
            Self::Xz => "xz data",
            Self::Lz4 => "LZ4 data",
            Self::Snappy => "Snappy data",
            Self::Zip => "a ZIP archive",
            Self::SevenZip => "a 7z archive",
            Self::Tar => "a tar archive",
            Self::Sqlite => "a SQLite database",
            Self::Utf32 => "UTF-32 text",
            Self::Unknown => "binary data",
        })
    }
}

/// First bytes of formats that text never starts with.
const MAGIC: [(&[u8], BinaryFormat); 16] = [
    (b"Obj\x01", BinaryFormat::Avro),
    (b"ARROW1\0\0", BinaryFormat::ArrowFile),
    (b"ElfFile\0", BinaryFormat::Evtx),
    (b"\xd4\xc3\xb2\xa1", BinaryFormat::Pcap),
    (b"\xa1\xb2\xc3\xd4", BinaryFormat::Pcap),
    (b"\x4d\x3c\xb2\xa1", BinaryFormat::Pcap),
    (b"\xa1\xb2\x3c\x4d", BinaryFormat::Pcap),
    (b"\xfd7zXZ\0", BinaryFormat::Xz),
    (b"\x04\x22\x4d\x18", BinaryFormat::Lz4),
    (b"\xff\x06\0\0sNaPpY", BinaryFormat::Snappy),
    (b"PK\x03\x04", BinaryFormat::Zip),
    (b"PK\x05\x06", BinaryFormat::Zip),
    (b"7z\xbc\xaf\x27\x1c", BinaryFormat::SevenZip),
    (b"SQLite format 3\0", BinaryFormat::Sqlite),
    (b"\xff\xfe\0\0", BinaryFormat::Utf32),
    (b"\0\0\xfe\xff", BinaryFormat::Utf32),
];

/// First bytes of formats that may start text too, being letters or white space.
const LETTERS: [(&[u8], BinaryFormat); 6] = [
    (b"\n\r\r\n", BinaryFormat::PcapNg),
    (b"PAR1", BinaryFormat::Parquet),
    (b"PARE", BinaryFormat::Parquet),
    (b"ORC", BinaryFormat::Orc),
    (b"BZh", BinaryFormat::Bzip2),
    (b"%PDF-", BinaryFormat::Unknown),
];

impl BinaryFormat {
    /// Bytes that [`BinaryFormat::of`] looks at.
    pub const LOOK: usize = 64 << 10;

    /// The format of an input that starts like this; `None` for text. `start` is the first [`BinaryFormat::LOOK`] bytes of
    /// plain input, or all there are.
    ///
    /// ```
    /// use sources::BinaryFormat;
    ///
    /// assert_eq!(BinaryFormat::of(b"PAR1\x15\x04\x15\x10"), Some(BinaryFormat::Parquet));
    /// assert_eq!(BinaryFormat::of(b"PAR1 is not the start of this text\n"), None);
    /// assert_eq!(BinaryFormat::of(b"{\"name\":\"caf\xe9\"}\n{\"name\":\"tea\"}\n"), None);
    /// assert_eq!(BinaryFormat::of(b"\x9a\x01\x0a\x02\xff\x0a\x03"), Some(BinaryFormat::Unknown));
    /// ```
    #[must_use]
    pub fn of(start: &[u8]) -> Option<Self> {
        match first_line(start) {
            FirstLine::IsText => None,
            FirstLine::Unsure => judge(start.get(..Self::LOOK).unwrap_or(start)),
        }
    }
}

/// What the first line says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FirstLine {
    IsText,
    /// More has to be looked at.
    Unsure,
}

/// Most bytes of the first line that are looked at where it starts like a document.
const HEAD: usize = 256;

/// Shortest first line that is taken as proof of text.
const TELLING_LINE: usize = 16;

/// Shortest line of text among others that counts as one.
const SHORT_LINE: usize = 4;

/// Whether the first line is enough to know that the input is text. More bytes than `bytes` never change that it is, so
/// a stream need not be read further.
pub(crate) fn first_line(bytes: &[u8]) -> FirstLine {
    let bytes = bytes.get(..BinaryFormat::LOOK).unwrap_or(bytes);
    let is_known = MAGIC.iter().chain(&LETTERS).any(|(magic, _)| bytes.starts_with(magic));
    if is_known {
        return FirstLine::Unsure;
    }
    let text = without_space(bytes);
    let head = text.get(..HEAD).unwrap_or(text);
    let line_break = memchr::memchr(b'\n', head);
    if (line_break.is_some() || head.len() == HEAD) && is_document(head.get(..line_break.unwrap_or(HEAD)), text) {
        return FirstLine::IsText;
    }
    match memchr::memchr(b'\n', text).and_then(|end| text.get(..end)) {
        Some(line) if line.len() >= TELLING_LINE && unlike_text(line) == 0 => FirstLine::IsText,
        _ => FirstLine::Unsure,
    }
}

/// Without byte order mark and white space at the start.
pub(crate) fn without_space(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes).trim_ascii_start()
}

/// True if `text` starts a JSON document or XML and its head is not full of what is no text.
fn is_document(head: Option<&[u8]>, text: &[u8]) -> bool {
    head.is_some_and(|head| starts_document(text) && unlike_text(head) * 4 <= head.len())
}

/// True if these bytes start as a JSON document or XML does.
fn starts_document(text: &[u8]) -> bool {
    let Some((first, rest)) = text.split_first() else { return false };
    let second = rest.trim_ascii_start().first();
    match first {
        b'{' => matches!(second, Some(b'"' | b'}')),
        b'[' => matches!(second, Some(b'"' | b'{' | b'[' | b']')),
        b'<' => matches!(rest.first(), Some(byte) if byte.is_ascii_alphabetic() || matches!(byte, b'?' | b'!')),
        _ => false,
    }
}

/// The format of the first 64 KiB of an input whose first line did not tell.
///
/// Without a known magic number it is binary if more than one byte in 32 is no text and less than an eighth of it is
/// whole lines of text. Compressed, encrypted and machine data have many such bytes (half of random bytes) and no lines;
/// in a log in an older 8-bit encoding, or with damage, there are few of them or there are good lines, each of which is
/// worth reading.
fn judge(look: &[u8]) -> Option<BinaryFormat> {
    if let Some((_, format)) = MAGIC.iter().find(|(magic, _)| look.starts_with(magic)) {
        return Some(*format);
    }
    let strange = unlike_text(look);
    if strange == 0 || is_document(Some(look), without_space(look)) {
        return None;
    }
    if let Some((_, format)) = LETTERS.iter().find(|(magic, _)| look.starts_with(magic)) {
        return Some(*format);
    }
    if look.get(257..262) == Some(b"ustar") {
        return Some(BinaryFormat::Tar);
    }
    // A log that was truncated while it was written to starts with zero bytes.
    let zeros = look.iter().take_while(|byte| **byte == 0).count();
    let (strange, look) = match look.get(zeros..) {
        Some(rest) if !rest.is_empty() => (strange - zeros, rest),
        _ => (strange, look),
    };
    let lines = || look.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    let is_good = |line: &&[u8]| line.len() >= SHORT_LINE && unlike_text(line) == 0;
    let all: usize = lines().map(<[u8]>::len).sum();
    let good: usize = lines().filter(is_good).map(<[u8]>::len).sum();
    (strange * 32 > look.len() && good * 8 < all).then_some(BinaryFormat::Unknown)
}

/// How many bytes are no text: control characters but those that logs use, and what is not UTF-8. A character that the
/// end cuts off is text.
pub(crate) fn unlike_text(bytes: &[u8]) -> usize {
    // Tab, line feed, form feed, carriage return; backspace and escape are in the logs of consoles.
    let is_control = |byte: &&u8| matches!(byte, 0..=7 | 11 | 14..=26 | 28..=31 | 127);
    let mut count = bytes.iter().filter(is_control).count();
    let mut rest = bytes;
    while let Err(error) = std::str::from_utf8(rest) {
        let Some(bad) = error.error_len() else { break };
        count += bad;
        rest = rest.get(error.valid_up_to() + bad..).unwrap_or_default();
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes of no pattern.
    fn noise(length: usize, mut seed: u64) -> Vec<u8> {
        let mut next = || {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (seed >> 56) as u8
        };
        (0..length).map(|_| next()).collect()
    }

    #[test]
    fn formats_are_known_by_their_first_bytes() {
        for (magic, format) in MAGIC.iter().chain(&LETTERS) {
            let file = [magic, &b"\x15\x04 and a long stretch of text\n"[..], &[b'x'; 5_000]].concat();
            assert_eq!(BinaryFormat::of(&file), Some(*format));
        }
        let mut tar = vec![0; 512];
        tar[..5].copy_from_slice(b"a.log");
        tar[257..262].copy_from_slice(b"ustar");
        tar.extend(b"{\"a\":1}\n".repeat(500));
        assert_eq!(BinaryFormat::of(&tar), Some(BinaryFormat::Tar));
    }

    #[test]
    fn letters_alone_are_text() {
        for text in ["ORCHESTRATOR started\n", "PAR1 PAR2\n", "BZh", "PK", "%PDF-1.7 is a version\n", "x^2\n", ""] {
            assert_eq!(BinaryFormat::of(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn noise_is_binary_however_many_line_breaks_it_has() {
        for seed in 0..200 {
            let mut bytes = noise(40 + 50 * seed as usize, seed);
            assert_eq!(BinaryFormat::of(&bytes), Some(BinaryFormat::Unknown), "{seed}");
            for at in (3..bytes.len()).step_by(9) {
                bytes[at] = b'\n';
            }
            assert_eq!(BinaryFormat::of(&bytes), Some(BinaryFormat::Unknown), "{seed}");
        }
    }

    #[test]
    fn a_log_with_strange_bytes_is_text() {
        let good = "2 111122223333 eni-1 10.0.0.1 10.0.0.2 443 49152 6 10 8000\n";
        let zeros = vec![0; 4_000];
        for log in [
            [b"\xff", good.as_bytes(), good.as_bytes()].concat(),
            [&zeros, good.as_bytes(), good.repeat(20).as_bytes()].concat(),
            [good.as_bytes(), &zeros, good.as_bytes()].concat(),
            // Every line in Latin-1.
            b"user J\xfcrgen logged in from the office\n".repeat(9),
            // Mostly of a Cyrillic code page, with a line of ASCII now and then.
            [&b"\xcf\xee\xeb\xfc\xe7\xee\xe2\xe0\xf2\xe5\xeb\xfc: "[..], &[0xe0; 40], b"\n", good.as_bytes()].concat(),
            b"{\"a\":\"\xff\"}".to_vec(),
            b"\x1b[31mred\x1b[0m".to_vec(),
        ] {
            assert_eq!(BinaryFormat::of(&log), None, "{:?}", String::from_utf8_lossy(&log));
        }
    }
}
