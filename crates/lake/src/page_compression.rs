//! The pages of a plain Parquet file compressed with zstandard, all in one context.
//!
//! The Parquet crate can compress, but makes a new context for each column chunk. To make one, zstandard asks the processor
//! what it can do (`cpuid`), and on a virtual machine, which Lambda is, that goes through the hypervisor: some 35 µs for a
//! chunk, 4 ms for an object of a hundred columns, however few rows it has. So the crate writes plain pages, and here
//! they are compressed on their way into the file that is given out. The bytes are those that it would have written.

use bytes::Bytes;
use parquet::basic::Compression;
use parquet::column::writer::ColumnCloseResult;
use parquet::errors::ParquetError;
use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData};
use parquet::file::page_index::column_index::ColumnIndexMetaData;
use parquet::file::page_index::offset_index::OffsetIndexMetaData;
use parquet::file::properties::WriterPropertiesPtr;
use parquet::file::writer::SerializedFileWriter;
use zstd::bulk::Compressor;
use zstd::zstd_safe::compress_bound;

use crate::page_headers::pages;

/// Compresses the pages of a plain file. `properties` are those of the compressed one.
///
/// # Errors
/// The file is not plain, or not what its metadata says.
pub(crate) fn compress(
    plain: &[u8],
    metadata: &ParquetMetaData,
    properties: WriterPropertiesPtr,
    level: i32,
) -> Result<(Vec<u8>, ParquetMetaData), ParquetError> {
    let mut compressor = Compressor::new(level)?;
    let mut file = Vec::with_capacity(plain.len() / 2);
    let schema = metadata.file_metadata().schema_descr().root_schema_ptr();
    let mut writer = SerializedFileWriter::new(&mut file, schema, properties)?;
    for (at, group) in metadata.row_groups().iter().enumerate() {
        let mut group_writer = writer.next_row_group()?;
        let column_indexes = metadata.column_index().and_then(|groups| groups.get(at));
        let offset_indexes = metadata.offset_index().and_then(|groups| groups.get(at));
        for (column, chunk) in group.columns().iter().enumerate() {
            let indexes = Indexes {
                columns: column_indexes.and_then(|indexes| indexes.get(column)).cloned(),
                offsets: offset_indexes.and_then(|indexes| indexes.get(column)).cloned(),
            };
            let rows = group.num_rows().try_into().unwrap_or_default();
            let (bytes, close) = compress_chunk(plain, chunk, indexes, rows, &mut compressor)?;
            group_writer.append_column(&bytes, close)?;
        }
        group_writer.close()?;
    }
    let metadata = writer.close()?;
    Ok((file, metadata))
}

/// Where the pages of a chunk are and what they hold.
struct Indexes {
    columns: Option<ColumnIndexMetaData>,
    offsets: Option<OffsetIndexMetaData>,
}

fn compress_chunk(
    plain: &[u8],
    chunk: &ColumnChunkMetaData,
    mut indexes: Indexes,
    rows: u64,
    compressor: &mut Compressor<'_>,
) -> Result<(Bytes, ColumnCloseResult), ParquetError> {
    let mut bytes = Vec::new();
    let mut uncompressed = 0;
    let mut dictionary_offset = None;
    let mut data_offset = None;
    let mut locations = indexes.offsets.iter_mut().flat_map(|offsets| &mut offsets.page_locations);
    for page in pages(plain, chunk) {
        let page = page.map_err(|error| ParquetError::General(error.to_string()))?;
        let offset = bytes.len();
        let mut body = Vec::with_capacity(compress_bound(page.body.len()));
        compressor.compress_to_buffer(page.body, &mut body)?;
        page.write_header(body.len(), &mut bytes);
        uncompressed += bytes.len() - offset + page.body.len();
        bytes.extend_from_slice(&body);
        if page.header.is_dictionary {
            dictionary_offset = Some(offset as i64);
            continue;
        }
        data_offset = data_offset.or(Some(offset as i64));
        if let Some(location) = locations.next() {
            location.offset = offset as i64;
            location.compressed_page_size = (bytes.len() - offset).try_into().unwrap_or(i32::MAX);
        }
    }
    let metadata = chunk
        .clone()
        .into_builder()
        .set_compression(Compression::ZSTD(Default::default()))
        .set_total_compressed_size(bytes.len() as i64)
        .set_total_uncompressed_size(uncompressed as i64)
        .set_dictionary_page_offset(dictionary_offset)
        .set_data_page_offset(data_offset.unwrap_or_default())
        .build()?;
    let close = ColumnCloseResult {
        bytes_written: bytes.len() as u64,
        rows_written: rows,
        metadata,
        bloom_filter: None,
        column_index: indexes.columns.filter(|index| !matches!(index, ColumnIndexMetaData::NONE)),
        offset_index: indexes.offsets,
    };
    Ok((bytes.into(), close))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;
    use parquet::arrow::ArrowWriter;
    use parquet::file::properties::{EnabledStatistics, WriterProperties};
    use std::sync::Arc;

    #[test]
    fn the_file_is_the_one_that_the_crate_would_have_compressed() {
        let times: Vec<i64> = (0..3_000).map(|n| n * n % 7_919).collect();
        let rows = sample::numbered(&times);
        for (statistics, dictionary, level) in [
            (EnabledStatistics::Page, true, 3),
            (EnabledStatistics::Chunk, false, 1),
            (EnabledStatistics::None, true, 9),
        ] {
            let properties = |compression| {
                WriterProperties::builder()
                    .set_compression(compression)
                    .set_statistics_enabled(statistics)
                    .set_dictionary_enabled(dictionary)
                    .set_data_page_row_count_limit(500)
                    .set_write_batch_size(100)
                    .build()
            };
            let write = |properties| {
                let mut file = Vec::new();
                let mut writer = ArrowWriter::try_new(&mut file, rows.schema(), Some(properties)).unwrap();
                for half in [rows.slice(0, 1_700), rows.slice(1_700, 1_300)] {
                    writer.write(&half).unwrap();
                    writer.flush().unwrap();
                }
                let metadata = writer.close().unwrap();
                (file, metadata)
            };
            let plain = properties(Compression::UNCOMPRESSED);
            let (file, metadata) = write(plain.clone());
            let footer = metadata.file_metadata().key_value_metadata().cloned();
            let plain = plain.into_builder().set_key_value_metadata(footer).build();
            let (compressed, _) = compress(&file, &metadata, Arc::new(plain), level).unwrap();
            let level = parquet::basic::ZstdLevel::try_new(level).unwrap();
            assert!(compressed == write(properties(Compression::ZSTD(level))).0, "{statistics:?} {dictionary}");
        }
    }
}
