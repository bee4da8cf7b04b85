//! The decoders of compressed formats: bytes in, bytes out, no reader.
//!
//! Each knows what may stand between and after the members of its format, gives all content before it says that
//! something is damaged, and depends on nothing but the bytes.

use flate2::{Crc, Decompress, FlushDecompress, Status};
use zstd::stream::raw::{self, InBuffer, Operation as _, OutBuffer};

use crate::compression::{Compression, InputError};

pub(crate) trait Decoder {
    /// Decodes as much as there is or as there is room for; `is_last` if no bytes follow those of `packed`.
    fn decode(&mut self, packed: &[u8], is_last: bool, room: &mut [u8]) -> Step {
        let mut step = Step { taken: 0, given: 0, outcome: Outcome::More };
        step.outcome = loop {
            if let Err(outcome) = self.step(packed, is_last, room, &mut step) {
                break outcome;
            }
        };
        step
    }

    /// One step of [`Decoder::decode`]; `Err` where decoding has to stop.
    fn step(&mut self, packed: &[u8], is_last: bool, room: &mut [u8], step: &mut Step) -> Result<(), Outcome>;
}

/// What a decoder did.
pub(crate) struct Step {
    /// Bytes of the input that are done.
    pub(crate) taken: usize,
    /// Bytes written.
    pub(crate) given: usize,
    pub(crate) outcome: Outcome,
}

pub(crate) enum Outcome {
    /// It wants more input, or more room.
    More,
    /// The input ended where it may.
    End,
    /// Nothing comes after what was given.
    Fault(InputError),
}

/// Longest header of a gzip member. Names and comments have no length of their own.
const HEADER_LIMIT: usize = 1 << 20;

/// Zero bytes (tapes, block devices) or white space (files joined by hand).
fn is_padding(byte: u8) -> bool {
    byte == 0 || byte.is_ascii_whitespace()
}

/// The first byte of the next member, at which `taken` is then. `Err` if there is none, with what to say.
fn next_member(packed: &[u8], taken: &mut usize, is_last: bool) -> Result<u8, Outcome> {
    let rest = packed.get(*taken..).unwrap_or_default();
    let padding = rest.iter().take_while(|byte| is_padding(**byte)).count();
    *taken += padding;
    rest.get(padding).copied().ok_or(if is_last { Outcome::End } else { Outcome::More })
}

fn corrupt(compression: Compression, reason: impl Into<String>) -> Outcome {
    Outcome::Fault(InputError::Corrupt { compression, reason: reason.into() })
}

const SOMETHING_ELSE: &str = "something else follows the compressed data";

/// Members of gzip, or streams of zlib.
pub(crate) struct Members {
    compression: Compression,
    state: Member,
    inflate: Decompress,
    crc: Crc,
}

enum Member {
    Between,
    /// The part of a gzip header that was read.
    Header(Vec<u8>),
    Body,
    /// Of gzip: checksum and length.
    Trailer([u8; 8], usize),
}

impl Members {
    pub(crate) fn gzip() -> Self {
        Self::new(Compression::Gzip)
    }

    pub(crate) fn zlib() -> Self {
        Self::new(Compression::Zlib)
    }

    fn new(compression: Compression) -> Self {
        let inflate = Decompress::new(compression == Compression::Zlib);
        Self { compression, state: Member::Between, inflate, crc: Crc::new() }
    }
}

impl Decoder for Members {
    fn step(&mut self, packed: &[u8], is_last: bool, room: &mut [u8], step: &mut Step) -> Result<(), Outcome> {
        let compression = self.compression;
        let short = if is_last { Outcome::Fault(InputError::Truncated(compression)) } else { Outcome::More };
        match &mut self.state {
            Member::Between => {
                let first = next_member(packed, &mut step.taken, is_last)?;
                self.crc.reset();
                self.state = match (compression, first) {
                    (Compression::Gzip, 0x1f) => Member::Header(Vec::new()),
                    (Compression::Zlib, 0x78) => Member::Body,
                    _ => return Err(corrupt(compression, SOMETHING_ELSE)),
                };
                self.inflate.reset(compression == Compression::Zlib);
            }
            Member::Header(before) => {
                let rest = packed.get(step.taken..).unwrap_or_default();
                let known = before.len();
                // Most headers are short; of a long one, as much again as is known.
                let piece = rest.get(..known.max(256)).unwrap_or(rest);
                before.extend_from_slice(piece);
                match header_length(before).map_err(|reason| corrupt(compression, reason))? {
                    Some(length) => {
                        step.taken += length - known;
                        self.state = Member::Body;
                    }
                    None if before.len() > HEADER_LIMIT => return Err(corrupt(compression, "the header has no end")),
                    None => {
                        step.taken += piece.len();
                        if piece.len() == rest.len() {
                            return Err(short);
                        }
                    }
                }
            }
            Member::Body => {
                let rest = packed.get(step.taken..).unwrap_or_default();
                let room = room.get_mut(step.given..).unwrap_or_default();
                let before = (self.inflate.total_in(), self.inflate.total_out());
                let status = self.inflate.decompress(rest, room, FlushDecompress::None);
                let taken = (self.inflate.total_in() - before.0) as usize;
                let given = (self.inflate.total_out() - before.1) as usize;
                step.taken += taken;
                step.given += given;
                if compression == Compression::Gzip {
                    self.crc.update(room.get(..given).unwrap_or_default());
                }
                match status {
                    Ok(Status::StreamEnd) if compression == Compression::Zlib => self.state = Member::Between,
                    Ok(Status::StreamEnd) => self.state = Member::Trailer([0; 8], 0),
                    Ok(_) if given == room.len() => return Err(Outcome::More),
                    Ok(_) if taken == rest.len() => return Err(short),
                    Ok(_) if taken + given > 0 => {}
                    Ok(_) => return Err(corrupt(compression, "no end of a block")),
                    Err(error) => return Err(corrupt(compression, error.message().unwrap_or("no deflated data"))),
                }
            }
            Member::Trailer(trailer, known) => {
                let rest = packed.get(step.taken..).unwrap_or_default();
                let missing = trailer.get_mut(*known..).unwrap_or_default();
                let count = missing.len().min(rest.len());
                missing.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
                *known += count;
                step.taken += count;
                if *known < trailer.len() {
                    return Err(short);
                }
                let [a, b, c, d, length @ ..] = *trailer;
                if u32::from_le_bytes([a, b, c, d]) != self.crc.sum() {
                    return Err(corrupt(compression, "the checksum is not that of the content"));
                }
                if u32::from_le_bytes(length) != self.crc.amount() {
                    return Err(corrupt(compression, "the length is not that of the content"));
                }
                self.state = Member::Between;
            }
        }
        Ok(())
    }
}

/// Length of the header of a gzip member (RFC 1952, 2.3), `None` if it goes on behind these bytes.
fn header_length(bytes: &[u8]) -> Result<Option<usize>, &'static str> {
    const HEADER_CRC: u8 = 1 << 1;
    const EXTRA: u8 = 1 << 2;
    const NAME: u8 = 1 << 3;
    const COMMENT: u8 = 1 << 4;
    const RESERVED: u8 = 0xe0;
    if bytes.get(1).is_some_and(|byte| *byte != 0x8b) {
        return Err(SOMETHING_ELSE);
    }
    if bytes.get(2).is_some_and(|byte| *byte != 8) {
        return Err("the header names an unknown method");
    }
    let Some(&flags) = bytes.get(3) else { return Ok(None) };
    if flags & RESERVED != 0 {
        return Err("the header has reserved flags");
    }
    let mut at = 10;
    if flags & EXTRA != 0 {
        let Some(&[low, high]) = bytes.get(at..at + 2) else { return Ok(None) };
        at += 2 + usize::from(u16::from_le_bytes([low, high]));
    }
    for _ in 0..(flags & (NAME | COMMENT)).count_ones() {
        let Some(length) = bytes.get(at..).and_then(|rest| memchr::memchr(0, rest)) else { return Ok(None) };
        at += length + 1;
    }
    if flags & HEADER_CRC != 0 {
        let (Some(header), Some(&[low, high])) = (bytes.get(..at), bytes.get(at..at + 2)) else { return Ok(None) };
        let mut crc = Crc::new();
        crc.update(header);
        if crc.sum() as u16 != u16::from_le_bytes([low, high]) {
            return Err("the checksum of the header is not that of the header");
        }
        at += 2;
    }
    Ok((bytes.len() >= at).then_some(at))
}

/// Frames of zstd.
pub(crate) struct Frames {
    decoder: Option<raw::Decoder<'static>>,
    in_frame: bool,
}

impl Frames {
    pub(crate) fn new() -> Self {
        Self { decoder: raw::Decoder::new().ok(), in_frame: false }
    }
}

impl Decoder for Frames {
    fn step(&mut self, packed: &[u8], is_last: bool, room: &mut [u8], step: &mut Step) -> Result<(), Outcome> {
        let fault = |error: std::io::Error| corrupt(Compression::Zstd, error.to_string());
        let Some(decoder) = &mut self.decoder else { return Err(corrupt(Compression::Zstd, "out of memory")) };
        if !self.in_frame {
            match next_member(packed, &mut step.taken, is_last)? {
                0x28 | 0x50..=0x5f => {}
                _ => return Err(corrupt(Compression::Zstd, SOMETHING_ELSE)),
            }
            decoder.reinit().map_err(fault)?;
            self.in_frame = true;
        }
        let rest = packed.get(step.taken..).unwrap_or_default();
        let room = room.get_mut(step.given..).unwrap_or_default();
        let space = room.len();
        let (mut from, mut to) = (InBuffer::around(rest), OutBuffer::around(room));
        let hint = decoder.run(&mut from, &mut to);
        let (taken, given) = (from.pos(), to.pos());
        step.taken += taken;
        step.given += given;
        match hint.map_err(fault)? {
            0 => self.in_frame = false,
            _ if given == space => return Err(Outcome::More),
            _ if taken == rest.len() && is_last => {
                return Err(Outcome::Fault(InputError::Truncated(Compression::Zstd)));
            }
            _ if taken == rest.len() => return Err(Outcome::More),
            _ if taken + given > 0 => {}
            _ => return Err(corrupt(Compression::Zstd, "no end of a block")),
        }
        Ok(())
    }
}
