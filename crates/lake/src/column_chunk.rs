//! Leaf columns into Parquet column chunks, compressed with zstandard.
//!
//! Why not the Parquet crate's column writers: an object of the lake has some hundred columns, of which most events fill a
//! quarter, and one invocation's batch becomes a dozen such objects. Setting up a writer for each column, interning text
//! by text with a general hasher and building statistics of list elements took half the time of the whole flow. Here the
//! rows are all there, so that a column is one pass: levels, dictionary if it pays, pages. The file around the chunks is
//! still the crate's, and its reader as well as others read the result in the tests.
//!
//! Pages are version 1, values plain or in a dictionary, levels and indices in the [hybrid] encoding. Compression goes
//! through one context for all columns of all objects of a batch: to make one, zstandard asks the processor what it can do
//! (`cpuid`), and on a virtual machine, which Lambda is, that goes through the hypervisor.

use std::collections::HashMap;
use std::ops::Range;

use bytes::Bytes;
use parquet::basic::{BoundaryOrder, Compression, Encoding, PageType, Type};
use parquet::column::writer::ColumnCloseResult;
use parquet::data_type::ByteArray;
use parquet::errors::ParquetError;
use parquet::file::metadata::{ColumnChunkMetaData, ColumnIndexBuilder, PageEncodingStats};
use parquet::file::page_index::offset_index::{OffsetIndexMetaData, PageLocation};
use parquet::file::statistics::Statistics;
use parquet::schema::types::ColumnDescPtr;
use rustc_hash::FxBuildHasher;
use zstd::bulk::Compressor;
use zstd::zstd_safe::compress_bound;

use crate::hybrid;
use crate::leaf::{LEVEL_BYTES, Leaf, Levels, Values};

/// Makes column chunks, one after the other. What a chunk costs depends on its own rows: what is kept between chunks is
/// never emptied or looked through as a whole.
pub(crate) struct ChunkWriter {
    compressor: Compressor<'static>,
    /// Ceiling of a page before compression, in bytes.
    page_limit: usize,
    /// Ceiling of a page's rows, so that a reader that looks for few rows need not decode many.
    page_rows: usize,
    /// The index of each distinct number, kept between columns for its memory.
    indices: HashMap<u64, u32, FxBuildHasher>,
    /// The same for the keys of a dictionary: [`NONE`] for all of them between columns.
    key_indices: Vec<u32>,
    /// The page that is being written, before and after compression.
    plain: Vec<u8>,
    compressed: Vec<u8>,
    /// What short pages were compressed to: an empty column's are those of the next.
    short: HashMap<Vec<u8>, Vec<u8>, FxBuildHasher>,
}

/// Bytes of a page that holds no more than levels and one value throughout.
const SHORT_PAGE: usize = 24;

/// Short pages that are kept: those of the columns of a few tables.
const SHORT_PAGES: usize = 4096;

/// The index of a key that has not come yet.
const NONE: u32 = u32::MAX;

/// What is known of a column beside its values.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct ColumnTraits {
    /// Nearly every row has a value of its own: a dictionary would only make the object larger.
    pub(crate) is_distinct: bool,
    /// It ascends, and readers look for ranges of it: it gets an index of its pages.
    pub(crate) is_ascending: bool,
}

/// The distinct values at the start of a column.
#[derive(Debug, Default)]
struct Dictionary {
    /// A position in the column for each distinct value.
    entries: Vec<u32>,
    /// For each value of the column, as far as the dictionary goes, the place in `entries`.
    keys: Vec<u32>,
}

impl Dictionary {
    /// Bits of a key.
    fn width(&self) -> u8 {
        (u32::BITS - (self.entries.len() as u32).saturating_sub(1).leading_zeros()).max(1) as u8
    }
}

/// A chunk under construction.
#[derive(Debug, Default)]
struct Chunk {
    bytes: Vec<u8>,
    uncompressed: usize,
    dictionary_offset: Option<i64>,
    pages: Vec<PageLocation>,
    /// Data pages whose values are plain.
    plain_pages: i32,
}

/// A stretch of a column that becomes a page.
#[derive(Debug, Clone, Default)]
struct Page {
    places: Range<usize>,
    values: Range<usize>,
    first_row: usize,
}

impl ChunkWriter {
    /// A writer whose pages have at most `page_limit` bytes and `page_rows` rows.
    pub(crate) fn new(level: i32, page_limit: u64, page_rows: u64) -> Result<Self, ParquetError> {
        Ok(Self {
            compressor: Compressor::new(level)?,
            page_limit: page_limit as usize,
            page_rows: page_rows as usize,
            indices: HashMap::default(),
            key_indices: Vec::new(),
            plain: Vec::new(),
            compressed: Vec::new(),
            short: HashMap::default(),
        })
    }

    /// The chunk of a leaf for the rows given, in that order.
    pub(crate) fn write(
        &mut self,
        leaf: &Leaf,
        rows: &[u32],
        descriptor: &ColumnDescPtr,
        traits: ColumnTraits,
    ) -> Result<(Bytes, ColumnCloseResult), ParquetError> {
        let levels = leaf.levels(rows);
        let dictionary = self.dictionary(leaf, &levels.values, traits);
        let mut chunk = Chunk::default();
        if !dictionary.entries.is_empty() {
            self.plain.clear();
            write_plain(&leaf.values, &dictionary.entries, &mut self.plain);
            self.compress(&mut chunk, |compressed, uncompressed, out| {
                let count = dictionary.entries.len();
                write_dictionary_header(uncompressed, compressed, count, out);
            })?;
            chunk.dictionary_offset = Some(0);
        }
        let pages = self.pages(&leaf.values, rows.len(), &levels, &dictionary);
        for page in &pages {
            self.write_page(&leaf.values, &levels, &dictionary, page, &mut chunk)?;
        }
        let index = if traits.is_ascending { page_index(&leaf.values, &levels, &pages)? } else { None };
        let statistics = if leaf.is_repeated() { None } else { statistics(&leaf.values, &levels, &dictionary) };
        chunk.close(descriptor, rows.len(), levels.definitions.len(), statistics, index)
    }

    /// The distinct values of a column: as many as fit in a page, and none if they are hardly fewer than the values.
    fn dictionary(&mut self, leaf: &Leaf, positions: &[u32], traits: ColumnTraits) -> Dictionary {
        if traits.is_distinct {
            return Dictionary::default();
        }
        if let [first, _, ..] = positions
            && leaf.is_constant
        {
            return Dictionary { entries: vec![*first], keys: vec![0; positions.len()] };
        }
        let values = &leaf.values;
        let dictionary = match values {
            Values::Boolean(_) => return Dictionary::default(),
            Values::Text(texts) if let Some(keys) = &texts.keys => {
                renumbered(values, keys, texts.entries(), positions, self.page_limit, &mut self.key_indices)
            }
            Values::Text(texts) => {
                let text = |position: u32| texts.value(position as usize).as_bytes();
                distinct(values, positions, self.page_limit, &mut HashMap::default(), text)
            }
            Values::Int32(numbers) => {
                let numbers: &[i32] = numbers;
                let number = |position: u32| numbers[position as usize] as u64;
                distinct(values, positions, self.page_limit, self.empty_indices(positions.len()), number)
            }
            Values::Int64(numbers) => {
                let numbers: &[i64] = numbers;
                let number = |position: u32| numbers[position as usize] as u64;
                distinct(values, positions, self.page_limit, self.empty_indices(positions.len()), number)
            }
            Values::Float64(numbers) => {
                let numbers: &[f64] = numbers;
                let number = |position: u32| numbers[position as usize].to_bits();
                distinct(values, positions, self.page_limit, self.empty_indices(positions.len()), number)
            }
        };
        if dictionary.entries.len() * 2 > dictionary.keys.len() { Dictionary::default() } else { dictionary }
    }

    /// The indices without one of another column. To empty a large table costs as much as to fill it, so few values do
    /// not get the one that many have left behind.
    fn empty_indices(&mut self, values: usize) -> &mut HashMap<u64, u32, FxBuildHasher> {
        if self.indices.capacity() / 16 > values.max(16) {
            self.indices = HashMap::default();
        }
        self.indices.clear();
        &mut self.indices
    }

    /// Cuts a column into pages, each with values of one encoding.
    fn pages(&self, values: &Values, rows: usize, levels: &Levels, dictionary: &Dictionary) -> Vec<Page> {
        /// A page's own fields: lengths of its levels, width of its keys, the head of a group.
        const OVERHEAD: usize = 64;
        const KEY_BYTES: usize = 4;
        let places = levels.definitions.len();
        let is_whole = dictionary.keys.len() == levels.values.len();
        if rows <= self.page_rows && (is_whole || dictionary.entries.is_empty()) {
            let value_bytes = if is_whole { levels.values.len() * KEY_BYTES } else { values.bytes(&levels.values) };
            if OVERHEAD + places * LEVEL_BYTES as usize + value_bytes <= self.page_limit {
                return vec![Page { places: 0..places, values: 0..levels.values.len(), first_row: 0 }];
            }
        }
        let mut pages = Vec::new();
        let mut page = Page::default();
        let (mut bytes, mut page_rows, mut row) = (OVERHEAD, 0, 0);
        while page.places.end < places {
            let begins = page.places.end;
            let rest = levels.repetitions.get(begins + 1..).unwrap_or_default();
            let length = 1 + rest.iter().take_while(|repetition| **repetition > 0).count();
            let definitions = &levels.definitions[begins..begins + length];
            let count = definitions.iter().filter(|definition| **definition == levels.max_definition).count();
            let in_row = page.values.end..page.values.end + count;
            let is_keyed = in_row.end <= dictionary.keys.len();
            let value_bytes = if is_keyed { count * KEY_BYTES } else { values.bytes(&levels.values[in_row.clone()]) };
            let row_bytes = value_bytes + length * LEVEL_BYTES as usize;
            let was_keyed = page.values.end <= dictionary.keys.len();
            let is_full = bytes + row_bytes > self.page_limit || page_rows == self.page_rows || was_keyed != is_keyed;
            if is_full && page_rows > 0 {
                pages.push(page);
                page = Page { places: begins..begins, values: in_row.start..in_row.start, first_row: row };
                (bytes, page_rows) = (OVERHEAD, 0);
            }
            page.places.end = begins + length;
            page.values.end = in_row.end;
            bytes += row_bytes;
            page_rows += 1;
            row += 1;
        }
        pages.push(page);
        pages
    }

    fn write_page(
        &mut self,
        values: &Values,
        levels: &Levels,
        dictionary: &Dictionary,
        page: &Page,
        chunk: &mut Chunk,
    ) -> Result<(), ParquetError> {
        let plain = &mut self.plain;
        plain.clear();
        if levels.max_repetition > 0 {
            write_levels(&levels.repetitions[page.places.clone()], levels.max_repetition, plain);
        }
        if levels.max_definition > 0 {
            write_levels(&levels.definitions[page.places.clone()], levels.max_definition, plain);
        }
        let encoding = match dictionary.keys.get(page.values.clone()) {
            Some(keys) if !dictionary.entries.is_empty() => {
                plain.push(dictionary.width());
                hybrid::write(keys, dictionary.width(), plain);
                Encoding::RLE_DICTIONARY
            }
            _ => {
                write_plain(values, &levels.values[page.values.clone()], plain);
                chunk.plain_pages += 1;
                Encoding::PLAIN
            }
        };
        let offset = chunk.bytes.len();
        self.compress(chunk, |compressed, uncompressed, out| {
            write_data_header(uncompressed, compressed, page.places.len(), encoding, out);
        })?;
        chunk.pages.push(PageLocation {
            offset: offset as i64,
            compressed_page_size: (chunk.bytes.len() - offset).try_into().unwrap_or(i32::MAX),
            first_row_index: page.first_row as i64,
        });
        Ok(())
    }

    /// Compresses the page that was written and appends it behind the header that `write_header` makes from its sizes,
    /// stored and plain.
    fn compress(
        &mut self,
        chunk: &mut Chunk,
        write_header: impl FnOnce(usize, usize, &mut Vec<u8>),
    ) -> Result<(), ParquetError> {
        let is_short = self.plain.len() <= SHORT_PAGE;
        let known = if is_short { self.short.get(&self.plain) } else { None };
        let compressed = match known {
            Some(compressed) => compressed,
            None => {
                self.compressed.clear();
                self.compressed.reserve(compress_bound(self.plain.len()));
                self.compressor.compress_to_buffer(self.plain.as_slice(), &mut self.compressed)?;
                if is_short {
                    if self.short.len() >= SHORT_PAGES {
                        self.short.clear();
                    }
                    self.short.insert(self.plain.clone(), self.compressed.clone());
                }
                &self.compressed
            }
        };
        let offset = chunk.bytes.len();
        write_header(compressed.len(), self.plain.len(), &mut chunk.bytes);
        chunk.uncompressed += chunk.bytes.len() - offset + self.plain.len();
        chunk.bytes.extend_from_slice(compressed);
        Ok(())
    }
}

/// Numbers the distinct values in the order in which they come, until they would not fit in `limit` bytes.
fn distinct<K: Copy + Eq + std::hash::Hash>(
    values: &Values,
    positions: &[u32],
    limit: usize,
    indices: &mut HashMap<K, u32, FxBuildHasher>,
    key_of: impl Fn(u32) -> K,
) -> Dictionary {
    let mut dictionary = Dictionary { entries: Vec::new(), keys: Vec::with_capacity(positions.len()) };
    let mut bytes = 0;
    let mut last = None;
    for &position in positions {
        let key = key_of(position);
        // Neighbours are often the same.
        if let (Some(last), Some(&index)) = (last, dictionary.keys.last())
            && last == key
        {
            dictionary.keys.push(index);
            continue;
        }
        last = Some(key);
        let next = dictionary.entries.len() as u32;
        let index = match indices.get(&key) {
            Some(index) => *index,
            None => {
                bytes += values.bytes(&[position]);
                if bytes > limit {
                    break;
                }
                indices.insert(key, next);
                dictionary.entries.push(position);
                next
            }
        };
        dictionary.keys.push(index);
    }
    dictionary
}

/// [`distinct`] for values that have keys, below `entries`, already.
fn renumbered(
    values: &Values,
    keys: &[i32],
    entries: usize,
    positions: &[u32],
    limit: usize,
    indices: &mut Vec<u32>,
) -> Dictionary {
    if indices.len() < entries {
        indices.resize(entries, NONE);
    }
    let mut dictionary = Dictionary { entries: Vec::new(), keys: Vec::with_capacity(positions.len()) };
    let mut bytes = 0;
    for &position in positions {
        let index = &mut indices[keys[position as usize] as usize];
        if *index == NONE {
            bytes += values.bytes(&[position]);
            if bytes > limit {
                break;
            }
            *index = dictionary.entries.len() as u32;
            dictionary.entries.push(position);
        }
        dictionary.keys.push(*index);
    }
    // The dictionary may be much larger than the rows: only what they have used of it is put back.
    for position in &dictionary.entries {
        indices[keys[*position as usize] as usize] = NONE;
    }
    dictionary
}

impl Chunk {
    fn close(
        self,
        descriptor: &ColumnDescPtr,
        rows: usize,
        places: usize,
        statistics: Option<Statistics>,
        column_index: Option<ColumnIndexBuilder>,
    ) -> Result<(Bytes, ColumnCloseResult), ParquetError> {
        let keyed_pages = self.pages.len() as i32 - self.plain_pages;
        let mut encodings = vec![Encoding::RLE];
        let mut stats = Vec::new();
        if self.dictionary_offset.is_some() || self.plain_pages > 0 {
            encodings.push(Encoding::PLAIN);
        }
        let mut count = |page_type, encoding, count| {
            if count > 0 {
                stats.push(PageEncodingStats { page_type, encoding, count });
            }
        };
        count(PageType::DICTIONARY_PAGE, Encoding::PLAIN, self.dictionary_offset.is_some().into());
        count(PageType::DATA_PAGE, Encoding::RLE_DICTIONARY, keyed_pages);
        count(PageType::DATA_PAGE, Encoding::PLAIN, self.plain_pages);
        if keyed_pages > 0 {
            encodings.push(Encoding::RLE_DICTIONARY);
        }
        let mut metadata = ColumnChunkMetaData::builder(descriptor.clone())
            .set_compression(Compression::ZSTD(Default::default()))
            .set_encodings(encodings)
            .set_page_encoding_stats(stats)
            .set_num_values(places as i64)
            .set_total_compressed_size(self.bytes.len() as i64)
            .set_total_uncompressed_size(self.uncompressed as i64)
            .set_dictionary_page_offset(self.dictionary_offset)
            .set_data_page_offset(self.pages.first().map_or(0, |page| page.offset));
        if let Some(statistics) = statistics {
            metadata = metadata.set_statistics(statistics);
        }
        let close = ColumnCloseResult {
            bytes_written: self.bytes.len() as u64,
            rows_written: rows as u64,
            bloom_filter: None,
            metadata: metadata.build()?,
            column_index: column_index.map(ColumnIndexBuilder::build).transpose()?,
            offset_index: Some(OffsetIndexMetaData {
                page_locations: self.pages,
                unencoded_byte_array_data_bytes: None,
            }),
        };
        Ok((self.bytes.into(), close))
    }
}

/// Levels of a page: their length in bytes and the hybrid encoding.
fn write_levels(levels: &[u8], max: u8, out: &mut Vec<u8>) {
    let start = out.len();
    out.extend_from_slice(&[0; 4]);
    hybrid::write(levels, (u8::BITS - max.leading_zeros()) as u8, out);
    let length = (out.len() - start - 4) as u32;
    out[start..start + 4].copy_from_slice(&length.to_le_bytes());
}

fn write_plain(values: &Values, positions: &[u32], out: &mut Vec<u8>) {
    let positions = positions.iter().map(|position| *position as usize);
    match values {
        Values::Boolean(booleans) => {
            let start = out.len();
            for (at, position) in positions.enumerate() {
                if at % 8 == 0 {
                    out.push(0);
                }
                out[start + at / 8] |= u8::from(booleans.value(position)) << (at % 8);
            }
        }
        Values::Int32(numbers) => positions.for_each(|at| out.extend_from_slice(&numbers[at].to_le_bytes())),
        Values::Int64(numbers) => positions.for_each(|at| out.extend_from_slice(&numbers[at].to_le_bytes())),
        Values::Float64(numbers) => positions.for_each(|at| out.extend_from_slice(&numbers[at].to_le_bytes())),
        Values::Text(texts) => positions.for_each(|at| {
            let text = texts.value(at).as_bytes();
            out.extend_from_slice(&(text.len() as u32).to_le_bytes());
            out.extend_from_slice(text);
        }),
    }
}

/// `PageHeader` of the format with a `DictionaryPageHeader`, in Thrift's compact protocol.
fn write_dictionary_header(uncompressed: usize, compressed: usize, entries: usize, out: &mut Vec<u8>) {
    write_i32(PageType::DICTIONARY_PAGE as usize, out);
    write_i32(uncompressed, out);
    write_i32(compressed, out);
    out.push(4 << 4 | STRUCT); // Field 7.
    write_i32(entries, out);
    write_i32(Encoding::PLAIN as usize, out);
    out.extend_from_slice(&[STOP, STOP]);
}

/// `PageHeader` of the format with a `DataPageHeader`.
fn write_data_header(uncompressed: usize, compressed: usize, places: usize, values: Encoding, out: &mut Vec<u8>) {
    write_i32(PageType::DATA_PAGE as usize, out);
    write_i32(uncompressed, out);
    write_i32(compressed, out);
    out.push(2 << 4 | STRUCT); // Field 5.
    write_i32(places, out);
    write_i32(values as usize, out);
    write_i32(Encoding::RLE as usize, out);
    write_i32(Encoding::RLE as usize, out);
    out.extend_from_slice(&[STOP, STOP]);
}

const STOP: u8 = 0;
const STRUCT: u8 = 12;

/// The next field of a struct, a 32-bit number that is not negative.
fn write_i32(number: usize, out: &mut Vec<u8>) {
    const I32: u8 = 5;
    out.push(1 << 4 | I32);
    hybrid::write_varint((number as u64) << 1, out);
}

/// Least and greatest value of a chunk, and how many are null.
fn statistics(values: &Values, levels: &Levels, dictionary: &Dictionary) -> Option<Statistics> {
    let nulls = Some((levels.definitions.len() - levels.values.len()) as u64);
    let is_whole = dictionary.keys.len() == levels.values.len() && !dictionary.entries.is_empty();
    let positions = if is_whole { &dictionary.entries } else { &levels.values };
    let at = positions.iter().map(|position| *position as usize);
    Some(match values {
        Values::Boolean(booleans) => {
            let values = at.map(|at| booleans.value(at));
            Statistics::boolean(values.clone().min(), values.max(), None, nulls, false)
        }
        Values::Int32(numbers) => {
            let values = at.map(|at| numbers[at]);
            Statistics::int32(values.clone().min(), values.max(), None, nulls, false)
        }
        Values::Int64(numbers) => {
            let values = at.map(|at| numbers[at]);
            Statistics::int64(values.clone().min(), values.max(), None, nulls, false)
        }
        Values::Float64(numbers) => {
            let values = at.map(|at| numbers[at]);
            // The format leaves out bounds where a value is not a number, and asks for signed zeros.
            let is_ordered = values.clone().all(|value| !value.is_nan());
            let bound = |bound: Option<f64>, zero: f64| {
                bound.filter(|_| is_ordered).map(|value| if value == 0.0 { zero } else { value })
            };
            let (min, max) = (values.clone().reduce(f64::min), values.reduce(f64::max));
            Statistics::double(bound(min, -0.0), bound(max, 0.0), None, nulls, false)
        }
        Values::Text(texts) => {
            let (mut min, mut max): (Option<&str>, Option<&str>) = (None, None);
            for text in at.map(|at| texts.value(at)) {
                min = Some(min.map_or(text, |min| min.min(text)));
                max = Some(max.map_or(text, |max| max.max(text)));
            }
            let (min, max) = (min.map(lower_bound), max.map(upper_bound));
            Statistics::byte_array(
                min.map(ByteArray::from),
                max.map(|max| ByteArray::from(max.as_bytes().to_vec())),
                None,
                nulls,
                false,
            )
        }
    })
}

/// Bytes of a text from which on a bound stands for it in the statistics.
const BOUND_BYTES: usize = 64;

/// A short text that is not greater.
fn lower_bound(text: &str) -> &str {
    text.get(..text.floor_char_boundary(BOUND_BYTES)).unwrap_or(text)
}

/// A short text that is not less; the text itself if there is none.
fn upper_bound(text: &str) -> String {
    let start = lower_bound(text);
    if start.len() == text.len() {
        return text.to_owned();
    }
    // The next greater text of that length or less: its last character that has a successor in ASCII is replaced by it.
    let replaced = start.char_indices().rev().find(|(_, character)| *character < '~');
    replaced.map_or_else(
        || text.to_owned(),
        |(at, character)| {
            let successor = char::from(character as u8 + 1);
            format!("{}{successor}", &start[..at])
        },
    )
}

/// The index of the pages of a column that ascends.
fn page_index(values: &Values, levels: &Levels, pages: &[Page]) -> Result<Option<ColumnIndexBuilder>, ParquetError> {
    let Values::Int64(numbers) = values else { return Ok(None) };
    let numbers: &[i64] = numbers;
    let mut index = ColumnIndexBuilder::new(Type::INT64);
    for page in pages {
        let values = levels.values[page.values.clone()].iter().map(|position| numbers[*position as usize]);
        let (Some(min), Some(max)) = (values.clone().min(), values.max()) else { return Ok(None) };
        let nulls = page.places.len() - page.values.len();
        index.append(false, min.to_le_bytes().to_vec(), max.to_le_bytes().to_vec(), nulls as i64);
    }
    index.set_boundary_order(BoundaryOrder::ASCENDING);
    Ok(Some(index))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_of_long_texts_are_short_and_true() {
        for text in ["", "short", &"a".repeat(64), &"a".repeat(65), &"é".repeat(40), &format!("{}é", "~".repeat(80))]
        {
            let (lower, upper) = (lower_bound(text), upper_bound(text));
            assert!(lower <= text && upper.as_str() >= text, "{text}");
            assert!(lower.len() <= BOUND_BYTES);
        }
        assert_eq!(upper_bound(&"a".repeat(65)), format!("{}b", "a".repeat(63)));
        assert_eq!(upper_bound(&format!("b{}", "~".repeat(80))), "c");
        assert_eq!(upper_bound(&"~".repeat(80)), "~".repeat(80));
    }
}
