//! An object held against the lake's rules: what `sluice inspect` shows, and what tests use as their judge.
//!
//! [`inspect`] knows nothing of how [`crate::parquet_object`] writes. It reads any Parquet file, also one made by
//! somebody else or malicious, and reports what it is and which rules it breaks.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};

use arrow_array::cast::AsArray;
use arrow_array::types::{Int32Type, Int64Type};
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_schema::{DataType, Field};
use bytes::Bytes;
use parquet::arrow::arrow_reader::{ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
use parquet::arrow::{ProjectionMask, parquet_to_arrow_schema};
use parquet::basic::Compression;
use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader};
use serde::Serialize;

use crate::footer::sound_footer;
use crate::key::{EventDay, ObjectKey};
use crate::page_headers::page_headers;
use crate::parquet_object::{PageLimit, RowGroupLimit};
use crate::partition::TIME;

/// What an object is, and which rules it breaks. Serializes to JSON in this order.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Report {
    /// The key, if one was given.
    pub key: Option<String>,
    /// Size of the object.
    pub bytes: u64,
    /// Rules broken. Empty: the object conforms.
    pub findings: Vec<Finding>,
    /// Rows, as the footer says.
    pub rows: u64,
    /// Time of the first row, in milliseconds since 1970.
    pub first_time: Option<i64>,
    /// Time of the last row, in milliseconds since 1970.
    pub last_time: Option<i64>,
    /// Whether no row is earlier than the one before; `None` if the rows could not be read.
    pub sorted_by_time: Option<bool>,
    /// All `class_uid`s of the rows (the first [`MAX_DISTINCT`] of them).
    pub class_uids: BTreeSet<i64>,
    /// All OCSF versions that the rows state (the first [`MAX_DISTINCT`] of them).
    pub ocsf_versions: BTreeSet<String>,
    /// What wrote the object.
    pub created_by: Option<String>,
    /// The Parquet format's version.
    pub parquet_version: i32,
    /// Key-value metadata of the footer.
    pub metadata: BTreeMap<String, String>,
    /// Row groups in order.
    pub row_groups: Vec<RowGroupReport>,
    /// Size of the largest page before compression, in bytes.
    pub largest_page: u64,
    /// Leaf columns in order.
    pub columns: Vec<ColumnReport>,
    /// The columns as a tree.
    pub schema: Vec<SchemaNode>,
}

/// A rule broken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Which rule.
    pub rule: Rule,
    /// How it is broken.
    pub message: String,
}

/// The rules of the lake.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Rule {
    /// The object is a Parquet file that can be read.
    Readable,
    /// The key has the grammar of [`ObjectKey`].
    Key,
    /// Every row's time lies in the key's `eventDay`.
    EventDay,
    /// Every row has a `time`: a number of milliseconds at the top level.
    Time,
    /// No row is earlier than the one before.
    Order,
    /// All rows are of one class.
    OneClass,
    /// Every row states its OCSF version, which is 1.3 or earlier.
    OcsfVersion,
    /// Every column is compressed with zstandard.
    Compression,
    /// No page is larger than 1 MB before compression.
    PageSize,
    /// No row group is larger than 256 MB after compression.
    RowGroupSize,
}

/// One row group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RowGroupReport {
    /// Its rows.
    pub rows: i64,
    /// Its size as stored, in bytes.
    pub compressed: i64,
    /// Its size before compression, in bytes.
    pub uncompressed: i64,
}

/// One leaf column over all row groups.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ColumnReport {
    /// Its path in Parquet's schema.
    pub path: String,
    /// How it is compressed: more than one only if row groups differ.
    pub compression: BTreeSet<String>,
    /// Its size as stored, in bytes.
    pub compressed: i64,
    /// Its size before compression, in bytes.
    pub uncompressed: i64,
    /// Its values, nulls included.
    pub values: i64,
    /// Its nulls, where the statistics say.
    pub nulls: Option<u64>,
    /// Its pages, dictionary pages included.
    pub pages: u64,
    /// Its dictionary pages.
    pub dictionary_pages: u64,
    /// Its largest page before compression, in bytes.
    pub largest_page: u64,
}

/// One column of the tree, in the words of Athena.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SchemaNode {
    /// Its name.
    pub name: String,
    /// Its type, as `bigint`, `struct` or `array<struct>`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Whether it may be null.
    pub nullable: bool,
    /// The fields of its struct.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<SchemaNode>,
}

/// How many different classes or versions a report names.
pub const MAX_DISTINCT: usize = 16;

/// The largest page that is decompressed to look at rows, in bytes.
const MAX_READABLE_PAGE: u64 = 64 << 20;
/// The most rows that are looked at. A few bytes can announce billions.
const MAX_READABLE_ROWS: u64 = 100_000_000;

impl Report {
    /// Whether the object breaks no rule.
    pub fn conforms(&self) -> bool {
        self.findings.is_empty()
    }

    fn find(&mut self, rule: Rule, message: impl Into<String>) {
        self.findings.push(Finding { rule, message: message.into() });
    }
}

/// Reports on an object. `key` is its key in the lake, without the store's prefix; without it, what depends on it is not
/// checked.
///
/// Never fails: an object that cannot be read is reported as such.
///
/// ```
/// use lake::conformance::{Rule, inspect};
///
/// let report = inspect(None, b"no Parquet".as_slice().into());
/// assert_eq!(report.findings[0].rule, Rule::Readable);
/// ```
pub fn inspect(key: Option<&str>, object: Bytes) -> Report {
    let mut report = Report { key: key.map(str::to_owned), bytes: object.len() as u64, ..Report::default() };
    let day = match key.map(str::parse::<ObjectKey>) {
        None => None,
        Some(Ok(key)) => Some(key.partition.day),
        Some(Err(error)) => {
            report.find(Rule::Key, error.to_string());
            None
        }
    };
    let metadata = match sound_footer(&object) {
        Ok(footer) => unpanicked(|| ParquetMetaDataReader::decode_metadata(footer)).map_err(|error| error.to_string()),
        Err(reason) => Err(reason.to_owned()),
    };
    match metadata {
        Err(reason) => report.find(Rule::Readable, reason),
        Ok(metadata) => {
            report.footer(&metadata);
            report.pages(&object, &metadata);
            report.rows(object, day);
        }
    }
    report
}

/// Why something of an object cannot be read.
#[derive(Debug, thiserror::Error)]
enum Unreadable<E> {
    #[error("{0}")]
    Broken(E),
    #[error("internal error in the Parquet reader")]
    Panicked,
}

/// Turns a panic of the Parquet crate into an error. The crate should return errors for broken files, but may panic.
fn unpanicked<T, E>(read: impl FnOnce() -> Result<T, E>) -> Result<T, Unreadable<E>> {
    match catch_unwind(AssertUnwindSafe(read)) {
        Ok(result) => result.map_err(Unreadable::Broken),
        Err(_) => Err(Unreadable::Panicked),
    }
}

impl Report {
    /// What the footer says.
    fn footer(&mut self, metadata: &ParquetMetaData) {
        let file = metadata.file_metadata();
        self.rows = u64::try_from(file.num_rows()).unwrap_or_default();
        self.created_by = file.created_by().map(str::to_owned);
        self.parquet_version = file.version();
        for entry in file.key_value_metadata().into_iter().flatten() {
            self.metadata.insert(entry.key.clone(), entry.value.clone().unwrap_or_default());
        }
        match unpanicked(|| parquet_to_arrow_schema(file.schema_descr(), None)) {
            Ok(schema) => self.schema = schema.fields().iter().map(|field| schema_node(field)).collect(),
            Err(reason) => self.find(Rule::Readable, format!("invalid schema: {reason}")),
        }
        for (number, group) in metadata.row_groups().iter().enumerate() {
            let compressed = group.columns().iter().map(|chunk| chunk.compressed_size()).fold(0, i64::saturating_add);
            let uncompressed = group.total_byte_size();
            self.row_groups.push(RowGroupReport { rows: group.num_rows(), compressed, uncompressed });
            if compressed > RowGroupLimit::CEILING as i64 {
                self.find(Rule::RowGroupSize, format!("row group {number} has {compressed} bytes"));
            }
        }
    }

    /// What the column chunks and page headers say.
    fn pages(&mut self, object: &[u8], metadata: &ParquetMetaData) {
        let descriptors = metadata.file_metadata().schema_descr().columns();
        for (index, descriptor) in descriptors.iter().enumerate() {
            let mut column = ColumnReport { path: descriptor.path().string(), ..ColumnReport::default() };
            let mut unreadable = None;
            for chunk in metadata.row_groups().iter().filter_map(|group| group.columns().get(index)) {
                column.compression.insert(compression_name(chunk.compression()));
                column.compressed = column.compressed.saturating_add(chunk.compressed_size());
                column.uncompressed = column.uncompressed.saturating_add(chunk.uncompressed_size());
                column.values = column.values.saturating_add(chunk.num_values());
                if let Some(nulls) = chunk.statistics().and_then(|statistics| statistics.null_count_opt()) {
                    column.nulls = Some(column.nulls.unwrap_or_default().saturating_add(nulls));
                }
                for header in page_headers(object, chunk) {
                    match header {
                        Ok(header) => {
                            column.pages += 1;
                            column.dictionary_pages += u64::from(header.is_dictionary);
                            column.largest_page = column.largest_page.max(header.uncompressed.into());
                        }
                        Err(error) => unreadable = Some(error.to_string()),
                    }
                }
            }
            let path = &column.path;
            let mut findings = Vec::new();
            if let Some(reason) = unreadable {
                findings.push((Rule::Readable, format!("column `{path}`: {reason}")));
            }
            if column.compression.iter().any(|name| name != "zstd") {
                let names: Vec<_> = column.compression.iter().map(String::as_str).collect();
                findings
                    .push((Rule::Compression, format!("column `{path}` is compressed with {}", names.join(" and "))));
            }
            if column.largest_page > PageLimit::CEILING {
                findings.push((Rule::PageSize, format!("column `{path}` has a page of {} bytes", column.largest_page)));
            }
            for (rule, message) in findings {
                self.find(rule, message);
            }
            self.largest_page = self.largest_page.max(column.largest_page);
            self.columns.push(column);
        }
    }

    /// What the rows say.
    fn rows(&mut self, object: Bytes, day: Option<EventDay>) {
        if self.largest_page > MAX_READABLE_PAGE || self.rows > MAX_READABLE_ROWS {
            let message = format!("{} rows in pages of {} bytes are not checked", self.rows, self.largest_page);
            return self.find(Rule::Readable, message);
        }
        let mut rows = Rows { day, ..Rows::default() };
        if let Err(reason) = unpanicked(|| rows.read(object)) {
            return self.find(Rule::Readable, reason.to_string());
        }
        self.judge(rows);
    }

    fn judge(&mut self, rows: Rows) {
        match &rows.time_type {
            Some(DataType::Int64) => {
                self.sorted_by_time = Some(rows.unsorted.is_none());
                (self.first_time, self.last_time) = (rows.first_time, rows.previous_time);
            }
            Some(other) => self.find(Rule::Time, format!("the column `time` is {}, not bigint", type_name(other))),
            None => self.find(Rule::Time, "there is no column `time`"),
        }
        if let Some(row) = rows.without_time {
            self.find(Rule::Time, format!("row {row} has no time"));
        }
        if let Some(row) = rows.unsorted {
            self.find(Rule::Order, format!("row {row} is earlier than the row before it"));
        }
        if let (Some(day), Some((row, time))) = (rows.day, rows.other_day) {
            let actual = EventDay::of_millis(time).map_or_else(|error| error.to_string(), |day| day.to_string());
            let count = rows.other_day_count;
            let message = format!("{count} rows are not of {day}; the first is row {row}: {actual}");
            self.find(Rule::EventDay, message);
        }
        if rows.without_class > 0 || rows.classes.len() != 1 {
            let classes: Vec<_> = rows.classes.iter().map(i64::to_string).collect();
            let message = match (rows.without_class, classes.len()) {
                (0, 0) => "no row has a class_uid".to_owned(),
                (0, _) => format!("the rows are of the classes {}", classes.join(", ")),
                (count, _) => format!("{count} rows have no class_uid"),
            };
            self.find(Rule::OneClass, message);
        }
        if rows.without_version > 0 {
            self.find(Rule::OcsfVersion, format!("{} rows state no OCSF version", rows.without_version));
        }
        for version in rows.versions.iter().filter(|version| !is_version_up_to_1_3(version)) {
            self.find(Rule::OcsfVersion, format!("the rows state OCSF {version:?}; the lake takes 1.3 and earlier"));
        }
        (self.class_uids, self.ocsf_versions) = (rows.classes, rows.versions);
    }
}

/// What is kept while looking at rows.
#[derive(Debug, Default)]
struct Rows {
    day: Option<EventDay>,
    seen: u64,
    time_type: Option<DataType>,
    first_time: Option<i64>,
    previous_time: Option<i64>,
    without_time: Option<u64>,
    unsorted: Option<u64>,
    other_day: Option<(u64, i64)>,
    other_day_count: u64,
    classes: BTreeSet<i64>,
    without_class: u64,
    versions: BTreeSet<String>,
    without_version: u64,
}

impl Rows {
    fn read(&mut self, object: Bytes) -> Result<(), parquet::errors::ParquetError> {
        // The Arrow schema that a writer may have put beside Parquet's is not needed, and one thing less to trust.
        let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
        let reader = ParquetRecordBatchReaderBuilder::try_new_with_options(object, options)?;
        self.time_type = reader.schema().field_with_name(TIME).ok().map(|field| field.data_type().clone());
        let columns = [TIME, "class_uid", "metadata.version"];
        let mask = ProjectionMask::columns(reader.parquet_schema(), columns);
        for batch in reader.with_projection(mask).with_batch_size(8192).build()? {
            self.look_at(&batch?);
        }
        Ok(())
    }

    fn look_at(&mut self, batch: &RecordBatch) {
        if let Some(times) = batch.column_by_name(TIME).and_then(|column| column.as_primitive_opt::<Int64Type>()) {
            for (row, time) in (self.seen..).zip(times.iter()) {
                self.look_at_time(row, time);
            }
        }
        let rows = batch.num_rows() as u64;
        match batch.column_by_name("class_uid").and_then(integers) {
            None => self.without_class += rows,
            Some(classes) => {
                self.without_class += classes.iter().filter(|class| class.is_none()).count() as u64;
                note(&mut self.classes, classes.into_iter().flatten());
            }
        }
        let metadata = batch.column_by_name("metadata").and_then(|column| column.as_struct_opt());
        let version = metadata.and_then(|metadata| metadata.column_by_name("version"));
        match version.and_then(|version| version.as_string_opt::<i32>()) {
            None => self.without_version += rows,
            Some(versions) => {
                self.without_version += versions.null_count() as u64;
                note(&mut self.versions, versions.iter().flatten().map(str::to_owned));
            }
        }
        self.seen += rows;
    }

    fn look_at_time(&mut self, row: u64, time: Option<i64>) {
        let Some(time) = time else {
            self.without_time.get_or_insert(row);
            return;
        };
        if self.previous_time.is_some_and(|previous| time < previous) {
            self.unsorted.get_or_insert(row);
        }
        self.previous_time = Some(time);
        self.first_time.get_or_insert(time);
        if self.day.is_some_and(|day| !day.contains_millis(time)) {
            self.other_day.get_or_insert((row, time));
            self.other_day_count += 1;
        }
    }
}

fn note<T: Ord>(distinct: &mut BTreeSet<T>, values: impl Iterator<Item = T>) {
    for value in values {
        if distinct.len() < MAX_DISTINCT {
            distinct.insert(value);
        }
    }
}

fn integers(column: &ArrayRef) -> Option<Vec<Option<i64>>> {
    match column.data_type() {
        DataType::Int32 => Some(column.as_primitive::<Int32Type>().iter().map(|value| value.map(i64::from)).collect()),
        DataType::Int64 => Some(column.as_primitive::<Int64Type>().iter().collect()),
        _ => None,
    }
}

/// Whether a text is an OCSF version that custom sources may have: `major.minor.patch`, with any suffix.
fn is_version_up_to_1_3(text: &str) -> bool {
    let mut numbers = text.splitn(3, '.');
    let mut number = || numbers.next().and_then(|number| number.parse::<u32>().ok());
    let sound = matches!((number(), number()), (Some(1), Some(0..=3)));
    sound && numbers.next().is_some_and(|patch| patch.starts_with(|c: char| c.is_ascii_digit()))
}

fn compression_name(compression: Compression) -> String {
    let name = format!("{compression:?}").to_ascii_lowercase();
    name.split('(').next().unwrap_or_default().to_owned()
}

fn schema_node(field: &Field) -> SchemaNode {
    let fields = match field.data_type() {
        DataType::Struct(fields) => Some(fields),
        DataType::List(element) => match element.data_type() {
            DataType::Struct(fields) => Some(fields),
            _ => None,
        },
        _ => None,
    };
    SchemaNode {
        name: field.name().clone(),
        kind: type_name(field.data_type()),
        nullable: field.is_nullable(),
        fields: fields.into_iter().flatten().map(|field| schema_node(field)).collect(),
    }
}

/// A type in the words of Athena.
fn type_name(data_type: &DataType) -> String {
    match data_type {
        DataType::Utf8 => "string".to_owned(),
        DataType::Int32 => "int".to_owned(),
        DataType::Int64 => "bigint".to_owned(),
        DataType::Float64 => "double".to_owned(),
        DataType::Boolean => "boolean".to_owned(),
        DataType::Timestamp(..) => "timestamp".to_owned(),
        DataType::Struct(_) => "struct".to_owned(),
        DataType::List(element) => format!("array<{}>", type_name(element.data_type())),
        DataType::Map(entries, _) => match entries.data_type() {
            DataType::Struct(fields) if fields.len() == 2 => {
                format!("map<{},{}>", type_name(fields[0].data_type()), type_name(fields[1].data_type()))
            }
            _ => "map".to_owned(),
        },
        other => other.to_string().to_ascii_lowercase(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parquet_object::{SealSettings, seal};
    use crate::sample;
    use arrow_array::{Int32Array, Int64Array, StringArray, StructArray};
    use parquet::arrow::ArrowWriter;
    use parquet::basic::ZstdLevel;
    use parquet::file::properties::{WriterProperties, WriterPropertiesBuilder};
    use proptest::prelude::*;
    use std::sync::Arc;

    const KEY: &str = "ext/sysmon/region=us-east-1/accountId=123456789012/eventDay=20231114/a.zstd.parquet";
    const TIME_OF_KEY: i64 = 1_700_000_000_000;

    fn object(times: &[i64]) -> Bytes {
        let batch = sample::numbered(times);
        seal(&batch, &sample::content(&"sysmon".parse().unwrap()), &SealSettings::default()).unwrap().bytes
    }

    fn written(batch: &RecordBatch, properties: WriterPropertiesBuilder) -> Bytes {
        let mut bytes = Vec::new();
        let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), Some(properties.build())).unwrap();
        writer.write(batch).unwrap();
        writer.close().unwrap();
        bytes.into()
    }

    fn zstd() -> WriterPropertiesBuilder {
        WriterProperties::builder().set_compression(Compression::ZSTD(ZstdLevel::default()))
    }

    fn rows(times: Vec<Option<i64>>, classes: Vec<Option<i32>>, versions: Vec<Option<&str>>) -> RecordBatch {
        let versions: ArrayRef = Arc::new(StringArray::from(versions));
        let metadata = StructArray::from(vec![(Arc::new(Field::new("version", DataType::Utf8, true)), versions)]);
        RecordBatch::try_from_iter_with_nullable([
            ("time", Arc::new(Int64Array::from(times)) as ArrayRef, true),
            ("class_uid", Arc::new(Int32Array::from(classes)), true),
            ("metadata", Arc::new(metadata), true),
        ])
        .unwrap()
    }

    fn findings(report: &Report) -> Vec<(Rule, &str)> {
        report.findings.iter().map(|finding| (finding.rule, finding.message.as_str())).collect()
    }

    #[test]
    fn what_is_sealed_conforms() {
        let times: Vec<i64> = (0..3000).map(|row| TIME_OF_KEY + row % 700).collect();
        let report = inspect(Some(KEY), object(&times));
        assert_eq!(findings(&report), []);
        assert!(report.conforms());
        assert_eq!((report.rows, report.sorted_by_time), (3000, Some(true)));
        assert_eq!((report.first_time, report.last_time), (Some(TIME_OF_KEY), Some(TIME_OF_KEY + 699)));
        assert_eq!(report.class_uids, [1007].into());
        assert_eq!(report.ocsf_versions, ["1.1.0".to_owned()].into());
        assert_eq!(report.metadata["ocsf.class"], "process_activity");
        assert_eq!((report.columns.len(), report.row_groups.len()), (13, 1));
        let column = &report.columns[4];
        assert_eq!((column.path.as_str(), column.values, column.nulls), ("time_dt", 3000, Some(0)));
        assert_eq!(column.compression, ["zstd".to_owned()].into());
        assert!(column.pages == 1 && column.largest_page == 3000 * 8 + 7, "{column:?}");
    }

    #[test]
    fn the_schema_is_told_in_the_words_of_athena() {
        let report = inspect(None, object(&[TIME_OF_KEY]));
        let told: Vec<_> = report.schema.iter().map(|node| (node.name.as_str(), node.kind.as_str())).collect();
        assert_eq!(
            told,
            [
                ("class_uid", "int"),
                ("metadata", "struct"),
                ("time", "bigint"),
                ("time_dt", "timestamp"),
                ("process", "struct"),
                ("observables", "array<struct>"),
                ("unmapped", "map<string,string>"),
                ("risk", "double"),
                ("is_remote", "boolean"),
            ]
        );
        assert_eq!(report.schema[5].fields[1].name, "type_id");
        assert!(!report.schema[2].nullable && report.schema[3].nullable);
    }

    #[test]
    fn rows_out_of_order_of_another_day_or_without_time_are_found() {
        let day = 86_400_000;
        let versions = vec![Some("1.1.0"); 5];
        let times = [0, 5, 3, day, -day].map(|offset| Some(TIME_OF_KEY + offset)).to_vec();
        let report = inspect(Some(KEY), written(&rows(times, vec![Some(1); 5], versions), zstd()));
        assert_eq!(
            findings(&report),
            [
                (Rule::Order, "row 2 is earlier than the row before it"),
                (Rule::EventDay, "2 rows are not of 20231114; the first is row 3: 20231115"),
            ]
        );
        assert_eq!(report.sorted_by_time, Some(false));
        let report =
            inspect(None, written(&rows(vec![Some(1), None], vec![Some(1); 2], vec![Some("1.1.0"); 2]), zstd()));
        assert_eq!(findings(&report), [(Rule::Time, "row 1 has no time")]);
        let without = rows(vec![Some(1)], vec![Some(1)], vec![Some("1.1.0")]).project(&[1, 2]).unwrap();
        assert_eq!(findings(&inspect(None, written(&without, zstd()))), [(Rule::Time, "there is no column `time`")]);
    }

    #[test]
    fn more_than_one_class_or_none_is_found() {
        let found = |classes: Vec<Option<i32>>| {
            let count = classes.len();
            inspect(None, written(&rows(vec![Some(1); count], classes, vec![Some("1.0.0-rc.2"); count]), zstd()))
                .findings
        };
        assert_eq!(found(vec![Some(1007), Some(1007)]), []);
        let messages =
            |classes| found(classes).into_iter().map(|finding| (finding.rule, finding.message)).collect::<Vec<_>>();
        assert_eq!(
            messages(vec![Some(1007), Some(1001)]),
            [(Rule::OneClass, "the rows are of the classes 1001, 1007".to_owned())]
        );
        assert_eq!(messages(vec![Some(1007), None]), [(Rule::OneClass, "1 rows have no class_uid".to_owned())]);
    }

    #[test]
    fn versions_later_than_1_3_are_found() {
        let report = inspect(
            None,
            written(
                &rows(vec![Some(1); 4], vec![Some(1); 4], vec![Some("1.3.0"), Some("1.4.0"), Some("v1.1.0"), None]),
                zstd(),
            ),
        );
        assert_eq!(
            findings(&report),
            [
                (Rule::OcsfVersion, "1 rows state no OCSF version"),
                (Rule::OcsfVersion, "the rows state OCSF \"1.4.0\"; the lake takes 1.3 and earlier"),
                (Rule::OcsfVersion, "the rows state OCSF \"v1.1.0\"; the lake takes 1.3 and earlier"),
            ]
        );
    }

    #[test]
    fn other_compression_and_large_pages_are_found() {
        let text = StringArray::from(vec!["x".repeat(1_100_000); 1]);
        let columns = rows(vec![Some(1)], vec![Some(1)], vec![Some("1.1.0")]);
        let batch = RecordBatch::try_from_iter(
            columns
                .schema()
                .fields()
                .iter()
                .map(|field| field.name().as_str())
                .zip(columns.columns().to_vec())
                .chain([("raw", Arc::new(text) as ArrayRef)]),
        )
        .unwrap();
        let report = inspect(None, written(&batch, WriterProperties::builder().set_dictionary_enabled(false)));
        assert_eq!(
            findings(&report),
            [
                (Rule::Compression, "column `time` is compressed with uncompressed"),
                (Rule::Compression, "column `class_uid` is compressed with uncompressed"),
                (Rule::Compression, "column `metadata.version` is compressed with uncompressed"),
                (Rule::Compression, "column `raw` is compressed with uncompressed"),
                (Rule::PageSize, "column `raw` has a page of 1100004 bytes"),
            ]
        );
    }

    #[test]
    fn a_key_against_the_grammar_is_found() {
        let report = inspect(Some("ext/sysmon/eventDay=20231114/a.parquet"), object(&[TIME_OF_KEY]));
        assert_eq!(
            findings(&report),
            [(Rule::Key, "segment 3 of the key is \"eventDay=20231114\", expected `region=<region>`")]
        );
    }

    #[test]
    fn a_report_is_json() {
        let report = serde_json::to_value(inspect(Some(KEY), object(&[1]))).unwrap();
        assert_eq!(report["findings"][0]["rule"], "event-day");
        assert_eq!(report["schema"][0]["type"], "int");
    }

    #[test]
    fn a_broken_object_is_reported_whatever_is_broken() {
        let sound = object(&[TIME_OF_KEY, TIME_OF_KEY + 1]);
        for end in (0..sound.len()).step_by(97) {
            let report = inspect(None, sound.slice(..end));
            assert_eq!(report.findings[0].rule, Rule::Readable, "cut at {end}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]
        #[test]
        fn any_change_of_an_object_is_survived(changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6)) {
            static SOUND: std::sync::LazyLock<Bytes> = std::sync::LazyLock::new(|| object(&[TIME_OF_KEY; 3]));
            let mut bytes = SOUND.to_vec();
            for (index, byte) in changes {
                let at = index.index(bytes.len());
                bytes[at] = byte;
            }
            let _ = inspect(Some(KEY), bytes.into());
        }
    }
}
