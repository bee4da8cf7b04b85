use super::*;
use crate::sample;
use arrow_array::builder::{ListBuilder, StringBuilder};
use arrow_array::{ArrayRef, Int64Array, StringArray, UInt32Array};
use arrow_select::concat::concat_batches;
use arrow_select::take::take_record_batch;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::Compression;
use proptest::prelude::*;
use std::sync::Arc;

fn sealed(batch: &RecordBatch, settings: &SealSettings) -> SealedObject {
    try_sealed(batch, settings).unwrap()
}

/// [`seal`], which is the same whether texts are in dictionaries or not.
fn try_sealed(batch: &RecordBatch, settings: &SealSettings) -> Result<SealedObject, SealError> {
    let source = "sysmon".parse().unwrap();
    let content = sample::content(&source);
    let object = seal(batch, &content, settings);
    let of_dictionaries = seal(&sample::with_dictionaries(batch), &content, settings);
    match (&object, &of_dictionaries) {
        (Ok(object), Ok(of_dictionaries)) => assert_eq!(object, of_dictionaries),
        (Err(error), Err(of_dictionaries)) => assert_eq!(error.to_string(), of_dictionaries.to_string()),
        differing => panic!("{differing:?}"),
    }
    object
}

/// [`oversized_rows`], which are the same whether texts are in dictionaries or not.
fn oversized(batch: &RecordBatch, settings: &SealSettings) -> Vec<OversizedRow> {
    let found = oversized_rows(batch, settings).unwrap();
    assert_eq!(oversized_rows(&sample::with_dictionaries(batch), settings).unwrap(), found);
    found
}

fn read(object: &SealedObject) -> (Arc<ParquetMetaData>, RecordBatch) {
    let reader = ParquetRecordBatchReaderBuilder::try_new(object.bytes.clone()).unwrap();
    let (metadata, schema) = (reader.metadata().clone(), reader.schema().clone());
    let batches: Vec<_> = reader.build().unwrap().map(Result::unwrap).collect();
    (metadata, concat_batches(&schema, &batches).unwrap())
}

fn pages(object: &SealedObject) -> Vec<u64> {
    let (metadata, _) = read(object);
    let chunks = metadata.row_groups().iter().flat_map(|group| group.columns());
    chunks
        .flat_map(|chunk| page_headers(&object.bytes, chunk))
        .map(|header| header.unwrap().uncompressed.into())
        .collect()
}

/// `rows` rows of the class with one more column, in order of time.
fn with(column: ArrayRef) -> RecordBatch {
    let rows = column.len();
    RecordBatch::try_from_iter_with_nullable([
        ("class_uid", Arc::new(Int32Array::from(vec![sample::CLASS_UID as i32; rows])) as ArrayRef, false),
        ("time", Arc::new(Int64Array::from_iter_values(0..rows as i64)), false),
        ("column", column, true),
    ])
    .unwrap()
}

fn texts(values: impl IntoIterator<Item = Option<String>>) -> RecordBatch {
    with(Arc::new(values.into_iter().collect::<StringArray>()))
}

/// Text that zstandard cannot make smaller than about three quarters, different for each seed.
fn noise(seed: u64, len: usize) -> String {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut byte = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        char::from(b'0' + (state >> 58) as u8)
    };
    (0..len).map(|_| byte()).collect()
}

#[test]
fn every_row_reads_back_whole_and_in_order_of_time() {
    let times: Vec<i64> = (0..500).map(|row| (row * 7919) % 83 - 40).collect();
    let object = sealed(&sample::numbered(&times), &SealSettings::default());
    let (_, rows) = read(&object);
    sample::check_numbered(&rows);
    assert_eq!(rows.num_rows(), 500);
    let got = partition::times(&rows).unwrap();
    assert!(got.is_sorted());
    assert_eq!((object.rows, object.first_time, object.last_time), (500, got[0], got[499]));
}

#[test]
fn rows_of_the_same_time_keep_their_order() {
    let (_, rows) = read(&sealed(&sample::numbered(&[5, 1, 5, 1, 5]), &SealSettings::default()));
    assert_eq!(sample::numbers(&rows), [1, 3, 0, 2, 4]);
}

#[test]
fn the_same_rows_give_the_same_bytes() {
    let batch = sample::numbered(&[3, 1, 2, 9, 4]);
    let object = sealed(&batch, &SealSettings::default());
    assert_eq!(object, sealed(&batch, &SealSettings::default()));
    let other = SealSettings { zstd: ZstdLevel::new(9).unwrap(), ..SealSettings::default() };
    assert_eq!(read(&object).1, read(&sealed(&batch, &other)).1);
}

#[test]
fn the_footer_says_what_the_object_is() {
    let (metadata, _) = read(&sealed(&sample::numbered(&[2, 1]), &SealSettings::default()));
    let file = metadata.file_metadata();
    let said: Vec<_> =
        file.key_value_metadata().unwrap().iter().map(|e| (e.key.as_str(), e.value.as_deref().unwrap())).collect();
    assert_eq!(
        said,
        [
            ("ocsf.version", "1.1.0"),
            ("ocsf.class", "process_activity"),
            ("ocsf.class_uid", "1007"),
            ("sluice.source", "sysmon"),
            ("sluice.mapping", "windows-sysmon 0f3a"),
        ]
    );
    assert!(file.created_by().unwrap().starts_with("sluice "));
    let group = metadata.row_group(0);
    let sorting = &group.sorting_columns().unwrap()[0];
    assert_eq!(group.column(sorting.column_idx as usize).column_path().string(), "time");
    assert!(!sorting.descending);
    for chunk in group.columns() {
        assert!(matches!(chunk.compression(), Compression::ZSTD(_)), "{}", chunk.column_path());
    }
}

#[test]
fn statistics_say_the_bounds_and_the_nulls_of_what_readers_prune_by() {
    let (metadata, _) = read(&sealed(&sample::numbered(&[30, 10, 20, 40, 50]), &SealSettings::default()));
    let chunks = metadata.row_group(0).columns();
    let statistics =
        |path: &str| chunks.iter().find(|chunk| chunk.column_path().string() == path).unwrap().statistics();
    // Rows 0 and 3 have no process.
    let pid = statistics("process.pid").unwrap();
    assert_eq!(pid.min_bytes_opt().unwrap(), 1_i32.to_le_bytes());
    assert_eq!((pid.max_bytes_opt().unwrap(), pid.null_count_opt()), (&4_i32.to_le_bytes()[..], Some(2)));
    let path = statistics("process.file.path").unwrap();
    assert_eq!(path.min_bytes_opt().unwrap(), br"C:\Windows\1.exe");
    assert_eq!(path.max_bytes_opt().unwrap(), br"C:\Windows\4.exe");
    assert!(statistics("observables.list.element.name").is_none());
}

#[test]
fn lists_and_maps_have_the_three_levels_of_the_format_whatever_arrow_calls_them() {
    let mut list = ListBuilder::new(StringBuilder::new()); // its element is called "item"
    list.append_value([Some("a")]);
    let (metadata, _) = read(&sealed(&with(Arc::new(list.finish())), &SealSettings::default()));
    let paths = |metadata: &ParquetMetaData| -> Vec<String> {
        metadata.row_group(0).columns().iter().map(|chunk| chunk.column_path().string()).collect()
    };
    assert_eq!(paths(&metadata)[2], "column.list.element");
    let (metadata, _) = read(&sealed(&sample::numbered(&[1]), &SealSettings::default()));
    assert!(paths(&metadata).contains(&"unmapped.key_value.key".to_owned()));
    assert!(paths(&metadata).contains(&"observables.list.element.type_id".to_owned()));
}

#[test]
fn no_page_exceeds_one_megabyte_with_60_kb_of_text_in_every_row() {
    let object = sealed(&texts((0..200).map(|row| Some(noise(row, 60_000)))), &SealSettings::default());
    assert!(pages(&object).len() > 12);
    assert!(pages(&object).into_iter().all(|page| page <= PageLimit::CEILING));
    assert_eq!(read(&object).1.num_rows(), 200);
}

#[test]
fn no_page_exceeds_one_megabyte_when_large_texts_stand_together_among_nulls() {
    let values = (0..6000).map(|row| (3000..3020).contains(&row).then(|| noise(row, 450_000)));
    let object = sealed(&texts(values), &SealSettings::default());
    assert!(pages(&object).into_iter().all(|page| page <= PageLimit::CEILING));
}

#[test]
fn no_dictionary_page_exceeds_one_megabyte() {
    // Each text twice, so that a dictionary pays until it is full.
    let values = (0..40_000).map(|row| Some(noise(row / 2, 60)));
    let object = sealed(&texts(values), &SealSettings::default());
    let (metadata, _) = read(&object);
    let dictionaries: Vec<_> = page_headers(&object.bytes, metadata.row_group(0).column(2))
        .map(Result::unwrap)
        .filter(|header| header.is_dictionary)
        .collect();
    assert_eq!(dictionaries.len(), 1);
    assert!((100_000..=PageLimit::CEILING as u32).contains(&dictionaries[0].uncompressed));
}

#[test]
fn a_row_as_large_as_a_page_shares_no_page_with_others() {
    let values = (0..9).map(|row| Some(noise(row, if row % 4 == 0 { 950_000 } else { 100_000 })));
    let object = sealed(&texts(values), &SealSettings::default());
    assert!(pages(&object).into_iter().all(|page| page <= PageLimit::CEILING));
    assert!(pages(&object).len() >= 5);
    let (_, rows) = read(&object);
    let column = rows.column(2).as_string::<i32>();
    assert!((0..9).all(|row| column.value(row as usize) == noise(row, if row % 4 == 0 { 950_000 } else { 100_000 })));
}

#[test]
fn no_page_exceeds_the_limit_when_lists_are_nearly_nothing_but_levels() {
    let mut lists = ListBuilder::new(ListBuilder::new(StringBuilder::new()));
    for row in 0..500 {
        for item in 0..1000 {
            match (item * 31 + row) % 3 {
                0 => lists.values().append_null(),
                1 => lists.values().append(true),
                _ => lists.values().append_value([None::<&str>]),
            }
        }
        lists.append(true);
    }
    let settings = SealSettings { page: PageLimit::new(100_000).unwrap(), ..SealSettings::default() };
    let object = sealed(&with(Arc::new(lists.finish())), &settings);
    assert!(pages(&object).into_iter().all(|page| page <= 100_000));
    assert_eq!(read(&object).1.num_rows(), 500);
}

#[test]
fn a_row_that_no_page_can_hold_is_found_and_refused() {
    let values = (0..5).map(|row| (row % 2 == 1).then(|| noise(row, 1_000_000)));
    let batch = texts(values);
    let found = oversized(&batch, &SealSettings::default());
    assert_eq!(
        found.iter().map(|row| (row.row, row.column.as_str())).collect::<Vec<_>>(),
        [(1, "column `column`"), (3, "column `column`")]
    );
    let error = try_sealed(&batch, &SealSettings::default()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "row 1: column `column` takes 1000006 bytes, more than the 960000 that fit in the lake"
    );
    assert!(oversized(&sample::numbered(&[1, 2]), &SealSettings::default()).is_empty());
}

#[test]
fn a_row_that_no_row_group_can_hold_is_found() {
    let column: ArrayRef = Arc::new(StringArray::from(vec!["a".repeat(90_000); 2]));
    let names: Vec<String> = (0..6).map(|n| format!("column{n}")).collect();
    let batch = RecordBatch::try_from_iter(names.iter().map(|name| (name.as_str(), column.clone()))).unwrap();
    let settings = SealSettings { row_group: RowGroupLimit::new(1_000_000).unwrap(), ..SealSettings::default() };
    let found = oversized(&batch, &settings);
    assert_eq!(found.iter().map(|row| row.row).collect::<Vec<_>>(), [0, 1]);
    assert_eq!(found[0].column, "the sum of its columns");
}

#[test]
fn row_groups_are_closed_before_they_reach_their_limit() {
    let batch = texts((0..400).map(|row| Some(noise(row, 20_000))));
    let settings = SealSettings { row_group: RowGroupLimit::new(1_000_000).unwrap(), ..SealSettings::default() };
    let (metadata, rows) = read(&sealed(&batch, &settings));
    assert!(metadata.num_row_groups() > 5);
    for group in metadata.row_groups() {
        assert!(group.compressed_size() <= 1_000_000);
    }
    assert!(partition::times(&rows).unwrap().is_sorted());
}

#[test]
fn row_groups_are_closed_before_they_reach_their_limit_in_wide_tables_too() {
    let column = |seed: u64| -> ArrayRef {
        Arc::new((0..40).map(|row| Some(noise(seed * 1000 + row, 3000))).collect::<StringArray>())
    };
    let narrow = texts((0..40).map(|_| None));
    let names: Vec<String> = (0..60).map(|n| format!("column{n}")).collect();
    let wide = names.iter().zip(0..).map(|(name, seed)| (name.as_str(), column(seed)));
    let key = [("class_uid", narrow.column(0).clone()), ("time", narrow.column(1).clone())];
    let batch = RecordBatch::try_from_iter(key.into_iter().chain(wide)).unwrap();
    let settings = SealSettings { row_group: RowGroupLimit::new(1_000_000).unwrap(), ..SealSettings::default() };
    let (metadata, _) = read(&sealed(&batch, &settings));
    assert!(metadata.row_groups().iter().all(|group| group.compressed_size() <= 1_000_000));
    assert!((6..=20).contains(&metadata.num_row_groups()), "{}", metadata.num_row_groups());
}

#[test]
fn an_object_holds_one_class() {
    let seal = |classes: Vec<Option<i32>>| {
        let time = Int64Array::from_iter_values(0..classes.len() as i64);
        let batch = RecordBatch::try_from_iter_with_nullable([
            ("class_uid", Arc::new(Int32Array::from(classes)) as ArrayRef, true),
            ("time", Arc::new(time), false),
        ]);
        seal(&batch.unwrap(), &sample::content(&"sysmon".parse().unwrap()), &SealSettings::default())
    };
    assert!(seal(vec![Some(1007), Some(1007)]).is_ok());
    for (classes, row, found) in
        [(vec![Some(1007), Some(1001)], 1, Some(1001)), (vec![None], 0, None), (vec![Some(-1)], 0, Some(-1))]
    {
        match seal(classes) {
            Err(SealError::ClassMixed { row: r, found: f, expected: 1007 }) => assert_eq!((r, f), (row, found)),
            other => panic!("{other:?}"),
        }
    }
    assert!(matches!(seal(vec![]), Err(SealError::Empty)));
}

#[test]
fn settings_cannot_pass_the_ceilings() {
    assert!(PageLimit::new(1_000_001).is_err());
    assert!(PageLimit::new(u64::MAX).is_err());
    assert!(RowGroupLimit::new(256_000_001).is_err());
    assert!(ZstdLevel::new(0).is_err() && ZstdLevel::new(23).is_err());
    assert_eq!(PageLimit::new(1_000_000), Ok(PageLimit::default()));
    assert_eq!(RowGroupLimit::new(256_000_000), Ok(RowGroupLimit::default()));
    assert_eq!(
        PageLimit::new(5).unwrap_err().to_string(),
        "the page limit is 5, but must lie between 100000 and 1000000"
    );
}

/// Fails unless sealing a batch by partition gives what sealing the rows of each partition alone gives, down to the
/// bytes and the errors.
fn check_by_partition(batch: &RecordBatch, ids: &[u32], settings: &SealSettings) {
    let source = "sysmon".parse().unwrap();
    let content = sample::content(&source);
    let mut sealer = Sealer::new(batch, &content, settings).unwrap();
    let mut of_dictionaries = Sealer::new(&sample::with_dictionaries(batch), &content, settings).unwrap();
    let mut rows_sealed = 0;
    for (id, rows) in partition::partition(batch, ids).unwrap() {
        let numbers: UInt32Array = (0..).zip(ids).filter(|(_, of)| **of == id).map(|(row, _)| row).collect();
        let alone = try_sealed(&take_record_batch(batch, &numbers).unwrap(), settings);
        let expected = alone.map_err(|error| match error {
            SealError::OversizedRow(row) => (numbers.value(row.row) as usize, row.column, row.bytes),
            other => panic!("{other:?}"),
        });
        for sealer in [&mut sealer, &mut of_dictionaries] {
            let object = sealer.seal(rows.clone()).map_err(|error| match error {
                SealError::OversizedRow(row) => (row.row, row.column, row.bytes),
                other => panic!("{other:?}"),
            });
            assert!(object == expected, "partition {id}");
        }
        rows_sealed += rows.len();
    }
    assert_eq!(rows_sealed, batch.num_rows());
}

#[test]
fn an_object_is_the_same_whatever_was_sealed_before_it() {
    // A large partition first, whose tables the small ones after it must not be slowed down or changed by.
    let ids: Vec<u32> = (0..3000).map(|row| if row < 2500 { 0 } else { row }).collect();
    let times: Vec<i64> = (0..3000).map(|row| (row * 7919) % 1009).collect();
    check_by_partition(&sample::numbered(&times), &ids, &SealSettings::default());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn sealing_by_partition_is_sealing_the_rows_of_each_partition_alone(
        rows in proptest::collection::vec((0..9_u32, -3..3_i64), 1..120),
    ) {
        let (ids, times): (Vec<u32>, Vec<i64>) = rows.into_iter().unzip();
        check_by_partition(&sample::numbered(&times), &ids, &SealSettings::default());
    }

    #[test]
    fn limits_apply_to_the_rows_of_each_partition_alone(
        rows in proptest::collection::vec(
            (0..3_u32, prop_oneof![Just(None), (0..300_usize).prop_map(Some), (60_000..97_000_usize).prop_map(Some)]),
            1..60,
        ),
        distinct in 1..40_u64,
    ) {
        let settings = SealSettings {
            page: PageLimit::new(100_000).unwrap(),
            row_group: RowGroupLimit::new(1_000_000).unwrap(),
            ..SealSettings::default()
        };
        let ids: Vec<u32> = rows.iter().map(|(id, _)| *id).collect();
        let values = (0..).zip(&rows).map(|(row, (_, size))| size.map(|size| noise(row % distinct, size)));
        check_by_partition(&texts(values), &ids, &settings);
    }

    #[test]
    fn no_page_exceeds_its_limit_whatever_the_sizes(
        sizes in proptest::collection::vec(
            prop_oneof![Just(None), (0..30_usize).prop_map(Some), (0..96_000_usize).prop_map(Some)],
            1..60,
        ),
        distinct in 1..40_u64,
    ) {
        let settings = SealSettings { page: PageLimit::new(100_000).unwrap(), ..SealSettings::default() };
        let values: Vec<_> = (0..).zip(&sizes).map(|(row, size)| size.map(|size| noise(row % distinct, size))).collect();
        let batch = texts(values);
        prop_assert_eq!(oversized(&batch, &settings).len(), sizes.iter().flatten().filter(|&&size| size > 95_994).count());
        if let Ok(object) = try_sealed(&batch, &settings) {
            prop_assert!(pages(&object).into_iter().all(|page| page <= 100_000));
            let (_, rows) = read(&object);
            prop_assert_eq!(rows.column(2), batch.column(2));
        }
    }
}
