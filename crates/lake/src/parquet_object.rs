//! Rows of one class sealed into one Parquet object that obeys Security Lake's rules.
//!
//! | rule (Security Lake user guide, "custom sources") | how it is kept |
//! |---|---|
//! | one OCSF class per object | `class_uid` of every row is compared with the class stated |
//! | records ordered by time | rows are sorted by `time`; equal times keep their order; the footer says so |
//! | zstandard | every column chunk, at a level of 1 to 22 |
//! | page ≤ 1 MB uncompressed | a page is closed before a row that might not fit |
//! | row group ≤ 256 MB compressed | a group is closed before a row with which even its plain values might not fit |
//!
//! The same rows, content and settings give the same bytes: there is no clock and no randomness in an object. A row that
//! no object could hold, since one column of it alone is larger than a page may be, is refused by [`seal`] and found
//! beforehand by [`oversized_rows`].
//!
//! A batch of many partitions is sealed by one [`Sealer`], in time that is linear in its rows, and in partitions times
//! columns.

use std::fmt;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int32Type;
use arrow_array::{Array, Int32Array, RecordBatch};
use arrow_buffer::ScalarBuffer;
use arrow_schema::DataType;
use bytes::Bytes;
use parquet::arrow::ArrowSchemaConverter;
use parquet::errors::ParquetError;
use parquet::file::metadata::{KeyValue, ParquetMetaData, SortingColumn};
use parquet::file::properties::{WriterProperties, WriterVersion};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::SchemaDescriptor;

use crate::column_chunk::{ChunkWriter, ColumnTraits};
use crate::key::SourceName;
use crate::leaf::{Leaf, UnsupportedType, leaves};
use crate::page_headers::page_headers;
use crate::partition::{self, RowsError, TIME, sort_by_time};

/// How objects are compressed and cut. The default is what the lake gets unless an operator says otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SealSettings {
    /// Compression level.
    pub zstd: ZstdLevel,
    /// Ceiling of every page.
    pub page: PageLimit,
    /// Ceiling of every row group.
    pub row_group: RowGroupLimit,
}

/// A zstandard level from 1 (fastest) to 22 (smallest). The default is 1: what Sluice writes is mostly
/// dictionaries and runs, of which higher levels make hardly less.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ZstdLevel(i32);

/// The size that no page exceeds before compression, in bytes: 100,000 to 1,000,000, which is the default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct PageLimit(u64);

/// The size that no row group exceeds after compression, in bytes: 1,000,000 to 256,000,000, which is the default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct RowGroupLimit(u64);

/// A setting outside what Security Lake or zstandard allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{setting} is {value}, but must lie between {min} and {max}")]
pub struct SettingError {
    setting: &'static str,
    value: i64,
    min: i64,
    max: i64,
}

/// What the rows of an object are, as its footer will state it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Content<'a> {
    /// The OCSF version that the rows conform to, as `1.1.0`.
    pub ocsf_version: &'a str,
    /// The class of every row, as `process_activity`.
    pub class_name: &'a str,
    /// The number of that class, as 1007. Every row's `class_uid` must be this.
    pub class_uid: u32,
    /// The custom source.
    pub source: &'a SourceName,
    /// The mapping that made the rows and its version hash.
    pub mapping: &'a str,
}

/// An object ready to be put.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedObject {
    /// The Parquet file.
    pub bytes: Bytes,
    /// Rows in it.
    pub rows: usize,
    /// Row groups in it.
    pub row_groups: usize,
    /// Time of the first row, in milliseconds since 1970.
    pub first_time: i64,
    /// Time of the last row, in milliseconds since 1970.
    pub last_time: i64,
}

/// A row that no object of the lake can hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OversizedRow {
    /// Number of the row in the batch.
    pub row: usize,
    /// The column that is too large, with `[]` after each list; or what else is.
    pub column: String,
    /// Its size in bytes before compression.
    pub bytes: u64,
    /// What it may be at most.
    pub limit: u64,
}

/// Why rows cannot be sealed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SealError {
    /// An object without rows would only cost its reader a request.
    #[error("there are no rows to seal")]
    Empty,
    /// The rows have no usable `time`.
    #[error(transparent)]
    Rows(#[from] RowsError),
    /// There is no Int32 column `class_uid` at the top level.
    #[error("the batch has no Int32 column `class_uid`")]
    NoClass,
    /// A row belongs to another class than the object.
    #[error("row {row} is of class {found:?}, the object of class {expected}")]
    ClassMixed {
        /// Number of the row in the batch.
        row: usize,
        /// Its `class_uid`, if it has one.
        found: Option<i32>,
        /// The object's class.
        expected: u32,
    },
    /// A column has an Arrow type that no OCSF attribute has.
    #[error("column `{column}` is {data_type}, which no OCSF attribute is")]
    UnsupportedType {
        /// Path of the column.
        column: String,
        /// Its type.
        data_type: DataType,
    },
    /// A row is too large for any object. [`oversized_rows`] finds all of them.
    #[error("row {}: {} takes {} bytes, more than the {} that fit in the lake", .0.row, .0.column, .0.bytes, .0.limit)]
    OversizedRow(OversizedRow),
    /// The Parquet writer failed.
    #[error("cannot write Parquet")]
    Parquet(#[from] ParquetError),
    /// The object came out against the rules. This is a fault of this module; the object is not given out.
    #[error("the object sealed breaks a rule of the lake: {0}")]
    Nonconforming(String),
}

impl SealSettings {
    /// A row whose columns together take no more than this, in bytes before compression, fits in every object. Whether a
    /// larger one does, [`oversized_rows`] knows.
    pub fn row_bytes(&self) -> u64 {
        self.page.row().min(self.row_group.row())
    }
}

impl ZstdLevel {
    /// A level from 1 to 22.
    ///
    /// # Errors
    /// Any other level.
    pub fn new(level: i32) -> Result<Self, SettingError> {
        within("the zstd level", level.into(), 1, 22).map(|_| Self(level))
    }
}

impl fmt::Display for ZstdLevel {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl Default for ZstdLevel {
    fn default() -> Self {
        Self(1)
    }
}

impl PageLimit {
    /// "Data page size should be limited to 1 MB (uncompressed)."
    pub const CEILING: u64 = 1_000_000;

    /// A limit in bytes.
    ///
    /// # Errors
    /// Less than 100,000, below which headers outweigh pages, or more than [`PageLimit::CEILING`].
    pub fn new(bytes: u64) -> Result<Self, SettingError> {
        within("the page limit", bytes.try_into().unwrap_or(i64::MAX), 100_000, Self::CEILING as i64)
            .map(|_| Self(bytes))
    }

    /// Rows that a page has at most, so that a reader that looks for few rows need not decode many.
    fn rows(self) -> u64 {
        (self.0 / 25).min(20_000)
    }

    /// What one row may take: a page has some bytes of its own.
    fn row(self) -> u64 {
        self.0 - self.0 / 25
    }
}

impl Default for PageLimit {
    fn default() -> Self {
        Self(Self::CEILING)
    }
}

impl RowGroupLimit {
    /// "Row group size should be no larger than 256 MB (compressed)."
    pub const CEILING: u64 = 256_000_000;

    /// A limit in bytes.
    ///
    /// # Errors
    /// Less than 1,000,000 or more than [`RowGroupLimit::CEILING`].
    pub fn new(bytes: u64) -> Result<Self, SettingError> {
        within("the row group limit", bytes.try_into().unwrap_or(i64::MAX), 1_000_000, Self::CEILING as i64)
            .map(|_| Self(bytes))
    }

    /// What the plain values of a group may take: compressed ones can be a little larger, and pages have headers.
    fn plain(self) -> u64 {
        self.0 - self.0 / 8
    }

    /// What one row may take.
    fn row(self) -> u64 {
        self.plain() / 2
    }
}

impl Default for RowGroupLimit {
    fn default() -> Self {
        Self(Self::CEILING)
    }
}

fn within(setting: &'static str, value: i64, min: i64, max: i64) -> Result<(), SettingError> {
    if (min..=max).contains(&value) { Ok(()) } else { Err(SettingError { setting, value, min, max }) }
}

/// Seals the rows of one class and one partition into an object.
///
/// Rows need not be in order. Columns may be of the types that OCSF attributes have (Utf8, Int32, Int64, Float64,
/// Boolean, Timestamp in milliseconds) and any Struct, List and Map of them. Texts that are in a dictionary with Int32
/// keys, each once, take much less time.
///
/// # Errors
/// Rows against the rules (none, of another class, without time, too large); the Parquet writer's.
///
/// ```
/// use std::sync::Arc;
/// use arrow_array::{Int32Array, Int64Array, RecordBatch};
/// use lake::parquet_object::{Content, SealSettings, seal};
///
/// let batch = RecordBatch::try_from_iter([
///     ("class_uid", Arc::new(Int32Array::from(vec![1007, 1007])) as _),
///     ("time", Arc::new(Int64Array::from(vec![20, 10])) as _),
/// ])?;
/// let content = Content {
///     ocsf_version: "1.1.0",
///     class_name: "process_activity",
///     class_uid: 1007,
///     source: &"sysmon-1007".parse()?,
///     mapping: "windows-sysmon 5f0c",
/// };
/// let object = seal(&batch, &content, &SealSettings::default())?;
/// assert_eq!((object.rows, object.first_time, object.last_time), (2, 10, 20));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn seal(batch: &RecordBatch, content: &Content<'_>, settings: &SealSettings) -> Result<SealedObject, SealError> {
    let rows = partition::rows(batch)?;
    Sealer::new(batch, content, settings)?.seal(rows)
}

/// Seals the rows of a batch, some at a time, into an object each: what [`partition`](crate::partition::partition) has
/// taken apart.
///
/// What concerns the whole batch is worked out once, and an object costs what its own rows and the columns take, however
/// many rows the batch has beside them. Objects are the same as if the batch held nothing but their rows.
///
/// ```
/// use std::sync::Arc;
/// use arrow_array::{Int32Array, Int64Array, RecordBatch};
/// use lake::parquet_object::{Content, SealSettings, Sealer};
///
/// let batch = RecordBatch::try_from_iter([
///     ("class_uid", Arc::new(Int32Array::from(vec![1007, 1007, 1007])) as _),
///     ("time", Arc::new(Int64Array::from(vec![30, 20, 10])) as _),
/// ])?;
/// let content = Content {
///     ocsf_version: "1.1.0",
///     class_name: "process_activity",
///     class_uid: 1007,
///     source: &"sysmon-1007".parse()?,
///     mapping: "windows-sysmon 5f0c",
/// };
/// let mut sealer = Sealer::new(&batch, &content, &SealSettings::default())?;
/// let (first, second) = (sealer.seal(vec![0, 2])?, sealer.seal(vec![1])?);
/// assert_eq!((first.rows, first.first_time, second.first_time), (2, 10, 20));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Sealer {
    settings: SealSettings,
    class_uid: u32,
    classes: Int32Array,
    times: ScalarBuffer<i64>,
    leaves: Vec<Leaf>,
    schema: SchemaDescriptor,
    properties: Arc<WriterProperties>,
    /// The rows that no object can hold, ascending.
    oversized: Vec<OversizedRow>,
    /// Whether all rows fit in one row group.
    is_one_group: bool,
    chunks: ChunkWriter,
}

impl fmt::Debug for Sealer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Sealer").field("rows", &self.times.len()).finish_non_exhaustive()
    }
}

impl Sealer {
    /// A sealer of the rows of `batch`, which all are of one class. It keeps the batch's columns, but copies none.
    ///
    /// # Errors
    /// A batch against the rules: without a usable `class_uid` or `time`, or with a column that no OCSF attribute is.
    pub fn new(batch: &RecordBatch, content: &Content<'_>, settings: &SealSettings) -> Result<Self, SealError> {
        let classes = batch.column_by_name("class_uid").and_then(|column| column.as_primitive_opt::<Int32Type>());
        let leaves = leaves(batch)?;
        let rows = batch.num_rows();
        let plain = settings.row_group.plain();
        let share = plain / leaves.len().max(1) as u64;
        Ok(Self {
            settings: *settings,
            class_uid: content.class_uid,
            classes: classes.ok_or(SealError::NoClass)?.clone(),
            times: partition::times(batch)?,
            // Lists are `list.element` and maps `key_value`, as the format wants it, whatever the Arrow fields are called.
            schema: ArrowSchemaConverter::new().with_coerce_types(true).convert(batch.schema_ref())?,
            properties: Arc::new(properties(content, &leaves)),
            oversized: oversized(rows, &leaves, settings),
            is_one_group: leaves.iter().map(|leaf| leaf.bytes_of_all(rows, share)).sum::<u64>() <= plain,
            chunks: ChunkWriter::new(settings.zstd.0, settings.page.0, settings.page.rows())?,
            leaves,
        })
    }

    /// Seals some rows, which are numbers of rows of the batch, each once and in any order.
    ///
    /// # Errors
    /// Rows against the rules (none, of another class, too large); the Parquet writer's.
    pub fn seal(&mut self, mut rows: Vec<u32>) -> Result<SealedObject, SealError> {
        self.check_class(&rows)?;
        self.check_size(&rows)?;
        sort_by_time(&self.times, &mut rows);
        let ([first, ..], [.., last]) = (&*rows, &*rows) else { return Err(SealError::Empty) };
        let (first_time, last_time) = (self.times[*first as usize], self.times[*last as usize]);
        let file = self.write(&rows)?;
        file.check(&self.settings)?;
        Ok(SealedObject {
            row_groups: file.metadata.num_row_groups(),
            bytes: file.bytes.into(),
            rows: rows.len(),
            first_time,
            last_time,
        })
    }

    fn check_class(&self, rows: &[u32]) -> Result<(), SealError> {
        let (classes, expected) = (&self.classes, self.class_uid);
        let found = |row: usize| classes.is_valid(row).then(|| classes.value(row));
        for row in rows.iter().map(|row| *row as usize) {
            if found(row).and_then(|class| u32::try_from(class).ok()) != Some(expected) {
                return Err(SealError::ClassMixed { row, found: found(row), expected });
            }
        }
        Ok(())
    }

    fn check_size(&self, rows: &[u32]) -> Result<(), SealError> {
        if self.oversized.is_empty() {
            return Ok(());
        }
        let found = rows
            .iter()
            .filter_map(|row| self.oversized.binary_search_by_key(&(*row as usize), |oversized| oversized.row).ok());
        found.min().map_or(Ok(()), |at| Err(SealError::OversizedRow(self.oversized[at].clone())))
    }

    /// Cuts rows into groups whose plain values take no more than they may.
    fn row_groups<'o>(&self, rows: &'o [u32]) -> Vec<&'o [u32]> {
        if self.is_one_group {
            return vec![rows];
        }
        let limit = self.settings.row_group.plain();
        let mut groups = Vec::new();
        let (mut start, mut bytes) = (0, 0);
        for (at, &row) in rows.iter().enumerate() {
            let row_bytes = bytes_of_row(&self.leaves, row as usize);
            if bytes + row_bytes > limit && at > start {
                groups.push(&rows[start..at]);
                (start, bytes) = (at, 0);
            }
            bytes += row_bytes;
        }
        groups.push(&rows[start..]);
        groups
    }

    fn write(&mut self, rows: &[u32]) -> Result<File, SealError> {
        let groups = self.row_groups(rows);
        let mut bytes = Vec::new();
        let root = self.schema.root_schema_ptr();
        let mut file = SerializedFileWriter::new(&mut bytes, root, Arc::clone(&self.properties))?;
        for rows in groups {
            let mut group = file.next_row_group()?;
            for (leaf, descriptor) in self.leaves.iter().zip(self.schema.columns()) {
                let traits = ColumnTraits {
                    // Nearly every row has a time of its own: without a dictionary an object is some 6 % smaller.
                    is_distinct: leaf.is_top(TIME) || leaf.is_top("time_dt"),
                    // Readers prune pages by time and hardly by anything else.
                    is_ascending: leaf.is_top(TIME),
                };
                let (chunk, close) = self.chunks.write(leaf, rows, descriptor, traits)?;
                group.append_column(&chunk, close)?;
            }
            group.close()?;
        }
        let metadata = file.close()?;
        Ok(File { bytes, metadata })
    }
}

/// The rows that [`seal`] would refuse for their size, in ascending order, each with the first column that is too large.
///
/// This costs next to nothing unless a column's total is larger than a page.
///
/// # Errors
/// A column of a type that no OCSF attribute has.
pub fn oversized_rows(batch: &RecordBatch, settings: &SealSettings) -> Result<Vec<OversizedRow>, SealError> {
    Ok(oversized(batch.num_rows(), &leaves(batch)?, settings))
}

fn oversized(rows: usize, leaves: &[Leaf], settings: &SealSettings) -> Vec<OversizedRow> {
    let (limit, limit_of_all) = (settings.page.row(), settings.row_group.row());
    let bounds: Vec<u64> = leaves.iter().map(|leaf| leaf.bytes_of_a_row(rows, limit)).collect();
    let heavy: Vec<&Leaf> =
        leaves.iter().zip(&bounds).filter(|(_, bytes)| **bytes > limit).map(|(leaf, _)| leaf).collect();
    // No row whose columns are all within their limit can be larger than this.
    let largest_of_all: u64 = bounds.iter().map(|bytes| limit.min(*bytes)).sum();
    if heavy.is_empty() && largest_of_all <= limit_of_all {
        return Vec::new();
    }
    let oversized = |row: usize| {
        let too_large = heavy.iter().map(|leaf| (leaf, leaf.bytes(row..row + 1))).find(|&(_, bytes)| bytes > limit);
        if let Some((leaf, bytes)) = too_large {
            return Some(OversizedRow { row, column: format!("column `{}`", leaf.path()), bytes, limit });
        }
        if largest_of_all <= limit_of_all {
            return None;
        }
        let bytes = bytes_of_row(leaves, row);
        (bytes > limit_of_all).then(|| OversizedRow {
            row,
            column: "the sum of its columns".to_owned(),
            bytes,
            limit: limit_of_all,
        })
    };
    (0..rows).filter_map(oversized).collect()
}

fn bytes_of_row(leaves: &[Leaf], row: usize) -> u64 {
    leaves.iter().map(|leaf| leaf.bytes(row..row + 1)).sum()
}

/// What the footer says.
fn properties(content: &Content<'_>, leaves: &[Leaf]) -> WriterProperties {
    let time = leaves.iter().position(|leaf| leaf.is_top(TIME)).and_then(|index| i32::try_from(index).ok());
    let sorting = time.map(|column_idx| vec![SortingColumn { column_idx, descending: false, nulls_first: false }]);
    let entry = |key: &str, value: &str| KeyValue::new(key.to_owned(), value.to_owned());
    WriterProperties::builder()
        .set_writer_version(WriterVersion::PARQUET_1_0)
        .set_created_by(concat!("sluice ", env!("CARGO_PKG_VERSION")).to_owned())
        .set_key_value_metadata(Some(vec![
            entry("ocsf.version", content.ocsf_version),
            entry("ocsf.class", content.class_name),
            entry("ocsf.class_uid", &content.class_uid.to_string()),
            entry("sluice.source", content.source.as_str()),
            entry("sluice.mapping", content.mapping),
        ]))
        .set_sorting_columns(sorting)
        .build()
}

/// A Parquet file in memory.
struct File {
    bytes: Vec<u8>,
    metadata: ParquetMetaData,
}

impl File {
    /// The largest page before compression, in bytes.
    fn largest_page(&self) -> Result<u64, SealError> {
        let mut largest = 0;
        for chunk in self.metadata.row_groups().iter().flat_map(|group| group.columns()) {
            for header in page_headers(&self.bytes, chunk) {
                let header = header.map_err(|error| SealError::Nonconforming(error.to_string()))?;
                largest = largest.max(u64::from(header.uncompressed));
            }
        }
        Ok(largest)
    }

    fn check(&self, settings: &SealSettings) -> Result<(), SealError> {
        let page = self.largest_page()?;
        if page > settings.page.0 {
            return Err(SealError::Nonconforming(format!("a page has {page} bytes")));
        }
        let group = self.metadata.row_groups().iter().map(|group| group.compressed_size()).max().unwrap_or_default();
        if group > settings.row_group.0 as i64 {
            return Err(SealError::Nonconforming(format!("a row group has {group} bytes")));
        }
        Ok(())
    }
}

impl From<UnsupportedType> for SealError {
    fn from(UnsupportedType { column, data_type }: UnsupportedType) -> Self {
        SealError::UnsupportedType { column, data_type }
    }
}

#[cfg(test)]
mod tests;
