//! Quarantine: what could not become rows, kept so that it can be tried again after a fix.
//!
//! An object holds lines of JSON, compressed with zstandard, all of one source, reason and day:
//!
//! ```text
//! quarantine/<source>/<reason>/<YYYYMMDD or undated>/<name>.ndjson.zst
//! ```
//!
//! Each line is one event: its raw bytes unchanged, why it is here, which version of which mapping refused it, and where
//! it came from. Raw bytes that are UTF-8 stand as text in `raw`, any other as base64 in `raw_base64`:
//!
//! ```json
//! {"source":"windows-sysmon","reason":"no_mapping","message":"no event matches EventId 99","mapping":"5f0c9a77e2b1d034",
//!  "day":"20231114","origin":{"kind":"kinesis","stream":"arn:…","shard":"shardId-000000000000","sequence_number":"4959…",
//!  "index":0,"arrival":1700000000000},"raw":"{\"EventId\":99}"}
//! ```
//!
//! Two more members say what the raw bytes are, if they are not one event:
//!
//! | member | meaning |
//! |---|---|
//! | `"whole":true` | a whole stream record, object or file as it came, compression included |
//! | `"part":{"number":2,"of":3}` | part 2 of bytes that are too long for one line; only the last part has `of` |
//!
//! Parts with the same `origin` belong together. In the order of their numbers, with the last one there, their raw bytes
//! are what came. A first part without a last one is the beginning of an event whose rest was never decoded.
//!
//! [`seal_lines`] makes the object, the same bytes from the same lines; [`read_lines`] takes it apart again. No line is
//! written that [`read_lines`] would refuse as too long.

use std::borrow::Cow;
use std::fmt;
use std::io::{self, BufRead, BufReader, Read, Write};

use base64_simd::STANDARD as BASE64;
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::key::{EventDay, ObjectName};

/// Where an event came from, exactly enough to find it again.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Origin {
    /// A record of a Kinesis stream.
    Kinesis {
        /// ARN of the stream.
        stream: String,
        /// The shard.
        shard: String,
        /// The record's sequence number.
        sequence_number: String,
        /// Which of the records that a producer library aggregated into it, from 0.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        sub_sequence: Option<u64>,
        /// Which event in the record, from 0.
        index: u64,
        /// When Kinesis took the record, in milliseconds since 1970.
        arrival: i64,
    },
    /// An object of a bucket.
    S3 {
        /// The bucket.
        bucket: String,
        /// The object's key.
        key: String,
        /// The object's version, in buckets that have them.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        version: Option<String>,
        /// Bytes before the event once compression is undone.
        offset: u64,
        /// Which event in the object, from 0.
        index: u64,
    },
    /// A file on the machine.
    File {
        /// Its name as it was given.
        name: String,
        /// Bytes before the event once compression is undone.
        offset: u64,
        /// Which event in the file, from 0.
        index: u64,
        /// Its line, from 1, in files that are cut by lines.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        line: Option<u64>,
    },
}

/// Why something is in quarantine.
///
/// Its text ([`Reason::as_str`]) is part of the line, the object key, metrics and reports, so it never changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Reason {
    /// The bytes are not a document of the source's format, or a compressed record or input cannot be decoded to its end.
    Undecodable,
    /// An event is longer than 16 MiB, or one of its values is longer than the lake takes.
    Oversized,
    /// No source is configured for the event or the object.
    NoSource,
    /// The source's mapping has no class for the event.
    NoMapping,
    /// The event has no readable time.
    NoTime,
    /// The mapped event breaks a rule of its OCSF class.
    Invalid,
    /// Processing the event or record failed with an internal error.
    Fault,
    /// One record alone takes more time than a whole invocation has.
    OutOfTime,
    /// The event's time is outside the days that are plausible.
    ImplausibleTime,
    /// The event belongs to one more account or day than a batch may write.
    TooManyPartitions,
    /// The object was deleted before it was read. The line has no raw bytes.
    Gone,
}

impl Reason {
    /// All reasons.
    pub const ALL: [Reason; 11] = [
        Reason::Undecodable,
        Reason::Oversized,
        Reason::NoSource,
        Reason::NoMapping,
        Reason::NoTime,
        Reason::Invalid,
        Reason::Fault,
        Reason::OutOfTime,
        Reason::ImplausibleTime,
        Reason::TooManyPartitions,
        Reason::Gone,
    ];

    /// Its text, as `no_mapping`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Reason::Undecodable => "undecodable",
            Reason::Oversized => "oversized",
            Reason::NoSource => "no_source",
            Reason::NoMapping => "no_mapping",
            Reason::NoTime => "no_time",
            Reason::Invalid => "invalid",
            Reason::Fault => "fault",
            Reason::OutOfTime => "out_of_time",
            Reason::ImplausibleTime => "implausible_time",
            Reason::TooManyPartitions => "too_many_partitions",
            Reason::Gone => "gone",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Which part of something longer than a line a line holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Part {
    /// Its number, from 1.
    pub number: u64,
    /// How many parts there are. Only the last part has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<u64>,
}

/// One event in quarantine; or a whole record or input, or a part of either.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Wire<'static>")]
pub struct QuarantineLine {
    source: String,
    reason: Cow<'static, str>,
    message: String,
    mapping: Option<String>,
    day: Option<EventDay>,
    origin: Origin,
    whole: bool,
    part: Option<Part>,
    raw: Vec<u8>,
}

/// The folder of an object: what all its lines have in common.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QuarantineKey {
    source: String,
    reason: String,
    day: Option<EventDay>,
}

/// Lines that could not be sealed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum QuarantineError {
    /// They could not be compressed.
    #[error("cannot compress quarantine lines")]
    Compress(#[from] io::Error),
    /// A line takes more than [`MAX_LINE_BYTES`] and could not be read back.
    #[error("a quarantine line takes {bytes} bytes; the limit is {MAX_LINE_BYTES}")]
    TooLong {
        /// Its length in bytes.
        bytes: u64,
    },
}

/// A line of a quarantine object that could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LineError {
    /// The object could not be read or decompressed further. There is nothing after this.
    #[error("cannot read quarantine after line {after}")]
    Read {
        /// How many lines came before.
        after: u64,
        /// Why.
        source: io::Error,
    },
    /// The line is not one that [`seal_lines`] writes. The next line may be.
    #[error("line {line} is not a quarantined event: {reason}")]
    Malformed {
        /// The line, from 1.
        line: u64,
        /// What is wrong with it.
        reason: String,
    },
    /// The line is longer than [`MAX_LINE_BYTES`]. The next line may not be.
    #[error("line {line} is longer than {MAX_LINE_BYTES} bytes")]
    TooLong {
        /// The line, from 1.
        line: u64,
    },
}

/// The longest line that [`read_lines`] holds in memory, in bytes.
pub const MAX_LINE_BYTES: u64 = 128 << 20;

/// The most raw bytes of one line; what is longer takes several lines, each a [`Part`].
pub const MAX_RAW_BYTES: usize = 64 << 20;

/// The most raw bytes that are written as text. A JSON string takes up to six times the bytes that it stands for, base64
/// four thirds, so that a line of up to [`MAX_RAW_BYTES`] is shorter than [`MAX_LINE_BYTES`].
const MAX_TEXT_BYTES: usize = 16 << 20;

/// The most bytes of a message: it may quote a value of the event, which can be as long as the event.
const MAX_MESSAGE_BYTES: usize = 4 << 10;

const ROOT: &str = "quarantine";
const SUFFIX: &str = ".ndjson.zst";
const UNDATED: &str = "undated";
/// These lines are written rarely and read more rarely, so they may cost more time than rows.
const ZSTD_LEVEL: i32 = 6;

impl QuarantineLine {
    /// An event that was refused.
    ///
    /// `message` says to people what `reason` says to programs; `source` is the mapping's source name, or something that
    /// stands for it where none was found; `mapping` is the version of the mapping. The day is the UTC day on which a
    /// stream took the event, if it came from one: what is in quarantine often has no time of its own.
    pub fn new(
        raw: &[u8],
        reason: Reason,
        message: impl Into<String>,
        source: impl Into<String>,
        mapping: Option<String>,
        origin: Origin,
    ) -> Self {
        let day = match origin {
            Origin::Kinesis { arrival, .. } => EventDay::of_millis(arrival).ok(),
            _ => None,
        };
        Self {
            source: source.into(),
            reason: Cow::Borrowed(reason.as_str()),
            message: shortened(message.into()),
            mapping,
            day,
            origin,
            whole: false,
            part: None,
            raw: raw.to_vec(),
        }
    }

    /// The same line, where its raw bytes are not one event but a whole record or input as it came.
    pub fn of_whole(mut self) -> Self {
        self.whole = true;
        self
    }

    /// The same line, where its raw bytes are a part of what came.
    pub fn of_part(mut self, part: Part) -> Self {
        self.part = Some(part);
        self
    }

    /// The same event under another day, where its own is known.
    pub fn with_day(mut self, day: EventDay) -> Self {
        self.day = Some(day);
        self
    }

    /// The bytes as they came: of an event, or of what [`QuarantineLine::is_whole`] and [`QuarantineLine::part`] say.
    pub fn raw(&self) -> &[u8] {
        &self.raw
    }

    /// True if the raw bytes are a whole stream record, object or file as it came (or a part of one), which may be
    /// compressed and may hold many events.
    pub fn is_whole(&self) -> bool {
        self.whole
    }

    /// Which part of what came the raw bytes are; none if they are all of it. A part must not be read by itself: the
    /// beginning of a text can look like a whole event.
    pub fn part(&self) -> Option<Part> {
        self.part
    }

    /// Why it is here: the text of a [`Reason`], or any other text in a line that another version or a person wrote.
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// Why it is here, in words.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The source it belongs to.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The version of the mapping that refused it.
    pub fn mapping(&self) -> Option<&str> {
        self.mapping.as_deref()
    }

    /// The day it is kept under.
    pub fn day(&self) -> Option<EventDay> {
        self.day
    }

    /// Where it came from.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// About how many bytes of memory the line takes.
    pub fn bytes(&self) -> usize {
        const ORIGIN_BYTES: usize = 256;
        size_of::<Self>() + self.raw.len() + self.message.len() + self.source.len() + self.reason.len() + ORIGIN_BYTES
    }

    /// Which object the line belongs in.
    pub fn key(&self) -> QuarantineKey {
        QuarantineKey { source: folder_name(&self.source), reason: folder_name(&self.reason), day: self.day }
    }
}

/// A message that is cut if it is too long for a line.
fn shortened(mut message: String) -> String {
    if message.len() > MAX_MESSAGE_BYTES {
        message.truncate(message.floor_char_boundary(MAX_MESSAGE_BYTES));
        message.push('…');
    }
    message
}

impl QuarantineKey {
    /// The reason of the lines, as a segment of the key.
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// The key of an object with these lines.
    pub fn object(&self, name: &ObjectName) -> String {
        format!("{self}/{name}{SUFFIX}")
    }

    /// The key prefix of all quarantined objects, or of those of a source, or of those of a source and a reason. Listing
    /// it gives the objects to replay.
    pub fn prefix(source: Option<&str>, reason: Option<&str>) -> String {
        match (source, reason) {
            (None, _) => format!("{ROOT}/"),
            (Some(source), None) => format!("{ROOT}/{}/", folder_name(source)),
            (Some(source), Some(reason)) => format!("{ROOT}/{}/{}/", folder_name(source), folder_name(reason)),
        }
    }

    /// Takes the key of a quarantine object apart; `None` if it is not one.
    ///
    /// ```
    /// use lake::quarantine::QuarantineKey;
    ///
    /// let (key, name) = QuarantineKey::of_object("quarantine/windows-sysmon/no_mapping/20231114/a.ndjson.zst").unwrap();
    /// assert_eq!(key.object(&name), "quarantine/windows-sysmon/no_mapping/20231114/a.ndjson.zst");
    /// assert!(QuarantineKey::of_object("ext/windows-sysmon/a.zstd.parquet").is_none());
    /// ```
    pub fn of_object(key: &str) -> Option<(QuarantineKey, ObjectName)> {
        let mut segments = key.strip_prefix(ROOT)?.strip_prefix('/')?.split('/');
        let (source, reason) = (segments.next()?, segments.next()?);
        let day = match segments.next()? {
            UNDATED => None,
            day => Some(day.parse().ok()?),
        };
        let name = segments.next()?.strip_suffix(SUFFIX)?.parse().ok()?;
        let whole = segments.next().is_none() && folder_name(source) == source && folder_name(reason) == reason;
        whole.then(|| (QuarantineKey { source: source.to_owned(), reason: reason.to_owned(), day }, name))
    }
}

impl fmt::Display for QuarantineKey {
    /// The folder, without a trailing slash.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{ROOT}/{}/{}/", self.source, self.reason)?;
        match self.day {
            Some(day) => write!(f, "{day}"),
            None => f.write_str(UNDATED),
        }
    }
}

/// A text as one safe segment of a key. The line itself keeps the text as it is.
fn folder_name(text: &str) -> String {
    const MAX_LEN: usize = 64;
    let safe = |c: char| if c.is_ascii_alphanumeric() || "_-.:".contains(c) { c } else { '_' };
    let name: String = text.chars().take(MAX_LEN).map(safe).collect();
    if name.bytes().all(|b| b == b'.') { UNNAMED.to_owned() } else { name }
}

/// The segment of a source or a reason that has no usable name.
const UNNAMED: &str = "unnamed";

/// The object that holds `lines`, in their order. The same lines give the same bytes.
///
/// # Errors
/// A line is too long to be read back, which [`MAX_RAW_BYTES`] prevents; or zstandard fails, which it does only without
/// memory.
pub fn seal_lines<'a>(lines: impl IntoIterator<Item = &'a QuarantineLine>) -> Result<Bytes, QuarantineError> {
    let mut encoder = zstd::Encoder::new(Vec::new(), ZSTD_LEVEL)?;
    encoder.include_checksum(true)?;
    let mut text = Vec::new();
    for line in lines {
        text.clear();
        serde_json::to_writer(&mut text, line).map_err(io::Error::from)?;
        text.push(b'\n');
        let bytes = text.len() as u64;
        if bytes > MAX_LINE_BYTES {
            return Err(QuarantineError::TooLong { bytes });
        }
        encoder.write_all(&text)?;
    }
    Ok(encoder.finish()?.into())
}

/// The lines of a quarantine object, which are decompressed and read one by one.
///
/// A line that cannot be read is an error in its place, and reading goes on after it, except after
/// [`LineError::Read`].
///
/// ```
/// use lake::quarantine::{Origin, QuarantineLine, Reason, read_lines, seal_lines};
///
/// let origin = Origin::File { name: "a.log".to_owned(), offset: 0, index: 0, line: Some(1) };
/// let message = "expected value at column 1";
/// let line = QuarantineLine::new(b"not JSON", Reason::Undecodable, message, "sysmon", None, origin);
/// let object = seal_lines([&line])?;
/// let read = read_lines(&object[..])?.collect::<Result<Vec<_>, _>>()?;
/// assert_eq!(read, [line]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// zstandard fails, which it does here only without memory.
pub fn read_lines<R: Read>(object: R) -> io::Result<Lines<R>> {
    Ok(Lines { input: BufReader::new(zstd::Decoder::new(object)?), buffer: Vec::new(), line: 0, ended: false })
}

/// Reads quarantine lines. Made by [`read_lines`].
pub struct Lines<R: Read> {
    input: BufReader<zstd::Decoder<'static, BufReader<R>>>,
    buffer: Vec<u8>,
    line: u64,
    ended: bool,
}

impl<R: Read> fmt::Debug for Lines<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lines").field("line", &self.line).finish_non_exhaustive()
    }
}

impl<R: Read> Iterator for Lines<R> {
    type Item = Result<QuarantineLine, LineError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        match self.read_line() {
            Ok(Some(line)) => Some(line),
            Ok(None) => {
                self.ended = true;
                None
            }
            Err(source) => {
                self.ended = true;
                Some(Err(LineError::Read { after: self.line, source }))
            }
        }
    }
}

impl<R: Read> Lines<R> {
    fn read_line(&mut self) -> io::Result<Option<Result<QuarantineLine, LineError>>> {
        self.buffer.clear();
        if self.input.by_ref().take(MAX_LINE_BYTES).read_until(b'\n', &mut self.buffer)? == 0 {
            return Ok(None);
        }
        if self.buffer.len() as u64 == MAX_LINE_BYTES && self.buffer.last() != Some(&b'\n') {
            self.buffer = Vec::new();
            self.input.skip_until(b'\n')?;
            self.line += 1;
            return Ok(Some(Err(LineError::TooLong { line: self.line })));
        }
        self.line += 1;
        let malformed = |error: serde_json::Error| LineError::Malformed { line: self.line, reason: error.to_string() };
        Ok(Some(serde_json::from_slice(&self.buffer).map_err(malformed)))
    }
}

/// A line as it is written. A member that is not known here may say what the raw bytes are, so it is no line to this
/// version.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire<'a> {
    source: Cow<'a, str>,
    reason: Cow<'a, str>,
    message: Cow<'a, str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    mapping: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    day: Option<EventDay>,
    origin: Cow<'a, Origin>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    whole: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    part: Option<Part>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    raw: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    raw_base64: Option<String>,
}

impl<'a> Wire<'a> {
    fn of(line: &'a QuarantineLine) -> Self {
        let raw = if line.raw.len() > MAX_TEXT_BYTES { None } else { std::str::from_utf8(&line.raw).ok() };
        Wire {
            source: Cow::Borrowed(&line.source),
            reason: Cow::Borrowed(&line.reason),
            message: Cow::Borrowed(&line.message),
            mapping: line.mapping.as_deref().map(Cow::Borrowed),
            day: line.day,
            origin: Cow::Borrowed(&line.origin),
            whole: line.whole,
            part: line.part,
            raw: raw.map(Cow::Borrowed),
            raw_base64: raw.is_none().then(|| BASE64.encode_to_string(&line.raw)),
        }
    }
}

impl Serialize for QuarantineLine {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Wire::of(self).serialize(serializer)
    }
}

/// Why the JSON of a line is none.
#[derive(Debug, thiserror::Error)]
enum WireFault {
    #[error("`raw_base64` is not base64: {0}")]
    NotBase64(base64_simd::Error),
    #[error("it must have either `raw` or `raw_base64`")]
    NotOneRaw,
}

impl TryFrom<Wire<'static>> for QuarantineLine {
    type Error = WireFault;

    fn try_from(wire: Wire<'static>) -> Result<Self, WireFault> {
        let raw = match (wire.raw, wire.raw_base64) {
            (Some(text), None) => text.into_owned().into_bytes(),
            (None, Some(text)) => BASE64.decode_to_vec(&text).map_err(WireFault::NotBase64)?,
            _ => return Err(WireFault::NotOneRaw),
        };
        Ok(Self {
            source: wire.source.into_owned(),
            reason: Cow::Owned(wire.reason.into_owned()),
            message: wire.message.into_owned(),
            mapping: wire.mapping.map(Cow::into_owned),
            day: wire.day,
            origin: wire.origin.into_owned(),
            whole: wire.whole,
            part: wire.part,
            raw,
        })
    }
}

#[cfg(test)]
mod tests;
