//! The page headers of a column chunk, read without touching the pages.
//!
//! Parquet keeps the uncompressed size of a page only in the header before it. Reading a page through the Parquet crate
//! decompresses it first, which is slow, and unsafe for an object of unknown origin that claims 2 GB. This reads just
//! the three numbers needed out of each header (Thrift compact protocol, `PageHeader` of parquet-format 2.x) and steps
//! over the rest.

use parquet::file::metadata::ColumnChunkMetaData;

/// What one header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PageHeader {
    /// Whether this is a dictionary page, not a data page.
    pub(crate) is_dictionary: bool,
    /// Levels and values before compression, in bytes.
    pub(crate) uncompressed: u32,
    /// Levels and values as stored, in bytes.
    compressed: u32,
}

/// Bytes that are not a sequence of pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no page header at byte {offset} of the column chunk: {reason}")]
pub(crate) struct PageHeaderError {
    offset: usize,
    reason: &'static str,
}

/// The headers of all pages of a column chunk in a Parquet file. Nothing is taken on trust but that `file` is memory.
pub(crate) fn page_headers<'a>(
    file: &'a [u8],
    chunk: &ColumnChunkMetaData,
) -> impl Iterator<Item = Result<PageHeader, PageHeaderError>> + use<'a> {
    let start = chunk.dictionary_page_offset().unwrap_or(chunk.data_page_offset());
    let range = usize::try_from(start).ok().zip(usize::try_from(chunk.compressed_size()).ok());
    let bytes = range.and_then(|(start, length)| file.get(start..start.checked_add(length)?));
    let outside = PageHeaderError { offset: 0, reason: "the chunk lies outside the file" };
    bytes.is_none().then_some(Err(outside)).into_iter().chain(headers(bytes.unwrap_or_default()))
}

/// The headers of all pages in the bytes of a column chunk.
fn headers(chunk: &[u8]) -> impl Iterator<Item = Result<PageHeader, PageHeaderError>> + '_ {
    let mut offset = 0;
    std::iter::from_fn(move || {
        if offset >= chunk.len() {
            return None;
        }
        let start = offset;
        let mut thrift = Thrift { bytes: chunk, at: start };
        let header = thrift.page_header().and_then(|header| {
            let end = (header.compressed as usize).checked_add(thrift.at).filter(|&end| end <= chunk.len());
            Ok((header, end.ok_or("the page ends after its chunk")?))
        });
        match header {
            Ok((header, end)) => {
                offset = end;
                Some(Ok(header))
            }
            Err(reason) => {
                offset = usize::MAX;
                Some(Err(PageHeaderError { offset: start, reason }))
            }
        }
    })
}

/// A cursor over Thrift's compact protocol.
struct Thrift<'a> {
    bytes: &'a [u8],
    at: usize,
}

type Step<T> = Result<T, &'static str>;

// Types of the compact protocol.
const STOP: u8 = 0;
const TRUE: u8 = 1;
const FALSE: u8 = 2;
const BYTE: u8 = 3;
const I16: u8 = 4;
const I32: u8 = 5;
const I64: u8 = 6;
const DOUBLE: u8 = 7;
const BINARY: u8 = 8;
const LIST: u8 = 9;
const SET: u8 = 10;
const STRUCT: u8 = 12;

/// `PageType.DICTIONARY_PAGE`.
const DICTIONARY_PAGE: i64 = 2;
/// Real page headers nest two deep (header, statistics).
const MAX_DEPTH: u8 = 8;

impl Thrift<'_> {
    fn page_header(&mut self) -> Step<PageHeader> {
        let (mut kind, mut uncompressed, mut compressed) = (None, None, None);
        let mut field = 0;
        loop {
            let (id, kind_of_field) = self.field(field)?;
            field = id;
            match (id, kind_of_field) {
                (_, STOP) => break,
                (1, I32) => kind = Some(self.zigzag()?),
                (2, I32) => uncompressed = Some(self.zigzag()?),
                (3, I32) => compressed = Some(self.zigzag()?),
                (_, other) => self.skip(other, MAX_DEPTH)?,
            }
        }
        let size =
            |size: Option<i64>| size.and_then(|size| u32::try_from(size).ok()).ok_or("a size is missing or negative");
        Ok(PageHeader {
            is_dictionary: kind.ok_or("the page type is missing")? == DICTIONARY_PAGE,
            uncompressed: size(uncompressed)?,
            compressed: size(compressed)?,
        })
    }

    /// Id and type of the next field, given the id of the one before.
    fn field(&mut self, previous: i64) -> Step<(i64, u8)> {
        let byte = self.byte()?;
        let kind = byte & 0x0f;
        if kind == STOP {
            return Ok((previous, STOP));
        }
        let id = match byte >> 4 {
            0 => self.zigzag()?,
            delta => previous.saturating_add(i64::from(delta)),
        };
        Ok((id, kind))
    }

    fn skip(&mut self, kind: u8, depth: u8) -> Step<()> {
        let depth = depth.checked_sub(1).ok_or("it nests too deep")?;
        match kind {
            TRUE | FALSE => Ok(()),
            BYTE => self.advance(1),
            I16 | I32 | I64 => self.varint().map(|_| ()),
            DOUBLE => self.advance(8),
            BINARY => {
                let len = self.varint()?;
                self.advance(len)
            }
            LIST | SET => {
                let head = self.byte()?;
                let len = if head >> 4 == 15 { self.varint()? } else { u64::from(head >> 4) };
                // Booleans are one byte each in a list, and nothing else is shorter, so `len` cannot outrun the bytes.
                let element = match head & 0x0f {
                    TRUE | FALSE => BYTE,
                    other => other,
                };
                (0..len).try_for_each(|_| self.skip(element, depth))
            }
            STRUCT => loop {
                match self.field(0)? {
                    (_, STOP) => break Ok(()),
                    (_, kind) => self.skip(kind, depth)?,
                }
            },
            _ => Err("it has a type that page headers do not have"),
        }
    }

    fn byte(&mut self) -> Step<u8> {
        let byte = self.bytes.get(self.at).ok_or("it ends too early")?;
        self.at += 1;
        Ok(*byte)
    }

    fn advance(&mut self, len: u64) -> Step<()> {
        let left = self.bytes.len() - self.at;
        match usize::try_from(len) {
            Ok(len) if len <= left => {
                self.at += len;
                Ok(())
            }
            _ => Err("it ends too early"),
        }
    }

    fn varint(&mut self) -> Step<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err("a number has too many bytes")
    }

    fn zigzag(&mut self) -> Step<i64> {
        let value = self.varint()?;
        Ok((value >> 1) as i64 ^ -((value & 1) as i64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A data page of 10 bytes stored as 3, with a nested header, then a dictionary page of 4 bytes stored as 4.
    const PAGES: &[u8] = &[
        0x15, 0x00, 0x15, 0x14, 0x15, 0x06, // type 0, uncompressed 10, compressed 3
        0x2c, 0x15, 0x02, 0x15, 0x00, 0x00, // field 5: a struct with two fields
        0x00, b'a', b'b', b'c', // end, page
        0x15, 0x04, 0x15, 0x08, 0x15, 0x08, 0x00, b'd', b'e', b'f', b'g',
    ];

    #[test]
    fn headers_are_read_and_pages_stepped_over() {
        let headers: Vec<_> = headers(PAGES).map(Result::unwrap).collect();
        assert_eq!(
            headers,
            [
                PageHeader { is_dictionary: false, uncompressed: 10, compressed: 3 },
                PageHeader { is_dictionary: true, uncompressed: 4, compressed: 4 },
            ]
        );
    }

    #[test]
    fn a_chunk_cut_short_is_an_error_that_ends_the_walk() {
        for end in 1..PAGES.len() {
            let headers: Vec<_> = headers(&PAGES[..end]).collect();
            if end != 16 {
                assert!(headers.last().unwrap().is_err(), "cut at {end}");
            }
            assert!(headers.len() <= 2);
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_walked_to_an_end(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(headers(&bytes).count() <= bytes.len());
        }
    }
}
