//! The page headers of a column chunk, read without touching the pages.
//!
//! Parquet keeps the uncompressed size of a page only in the header before it. Reading a page through the Parquet crate
//! decompresses it first, which is slow, and unsafe for an object of unknown origin that claims 2 GB. This reads just
//! the three numbers needed out of each header and steps over the rest.

use parquet::file::metadata::ColumnChunkMetaData;

use crate::thrift::{I32, Step, Thrift};

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

/// The headers of all pages of a column chunk in a Parquet file, the dictionary page first if there is one.
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

/// The headers of all pages in the bytes of a column chunk. The walk ends with the first error.
fn headers(chunk: &[u8]) -> impl Iterator<Item = Result<PageHeader, PageHeaderError>> + '_ {
    let mut offset = 0;
    std::iter::from_fn(move || {
        if offset >= chunk.len() {
            return None;
        }
        let start = offset;
        match page(chunk, start) {
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

/// The header at `start` and where its page ends. `PageHeader` of parquet-format: 1 type, 2 uncompressed size, 3
/// compressed size.
fn page(chunk: &[u8], start: usize) -> Step<(PageHeader, usize)> {
    const DICTIONARY_PAGE: i64 = 2;
    let (mut kind, mut uncompressed, mut compressed) = (None, None, None);
    let mut thrift = Thrift::new(chunk, start);
    thrift.structure(|thrift, id, field_type| {
        let field = match (id, field_type) {
            (1, I32) => &mut kind,
            (2, I32) => &mut uncompressed,
            (3, I32) => &mut compressed,
            _ => return Ok(false),
        };
        *field = Some(thrift.zigzag()?);
        Ok(true)
    })?;
    let size =
        |size: Option<i64>| size.and_then(|size| u32::try_from(size).ok()).ok_or("a size is missing or makes no sense");
    let header = PageHeader {
        is_dictionary: kind.ok_or("the page type is missing")? == DICTIONARY_PAGE,
        uncompressed: size(uncompressed)?,
        compressed: size(compressed)?,
    };
    if header.compressed as usize > thrift.left() {
        return Err("the page ends after its chunk");
    }
    Ok((header, thrift.position() + header.compressed as usize))
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
        for end in (1..PAGES.len()).filter(|&end| end != 16) {
            let headers: Vec<_> = headers(&PAGES[..end]).collect();
            assert!(headers.last().unwrap().is_err(), "cut at {end}");
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
