//! Rows of Parquet files as events: what was written is what is read, whatever the types, codecs and limits.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic, its helpers too")]

use std::io::{Read, Write};
use std::sync::Arc;

use arrow_array::builder::{
    BinaryBuilder, BooleanBuilder, Date32Builder, Decimal128Builder, Float64Builder, Int32Builder, Int64Builder,
    ListBuilder, MapBuilder, StringBuilder, StructBuilder, TimestampMicrosecondBuilder, UInt64Builder,
};
use arrow_array::{ArrayRef, FixedSizeBinaryArray, Int32Array, RecordBatch, StringArray};
use arrow_schema::{DataType, Field, Fields};
use bumpalo::Bump;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, GzipLevel, ZstdLevel};
use parquet::data_type::{Int96, Int96Type};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use proptest::prelude::*;
use sources::{
    Columns, Decode, Delimited, DocumentBuffer, ExpansionLimits, FrameError, Framing, InputError, Item, Limits, NodeId,
};

fn written(batch: &RecordBatch, compression: Compression, row_group: usize) -> Vec<u8> {
    let properties = WriterProperties::builder()
        .set_compression(compression)
        .set_max_row_group_row_count(Some(row_group))
        .set_data_page_row_count_limit(7)
        .build();
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), Some(properties)).unwrap();
    writer.write(batch).unwrap();
    writer.into_inner().unwrap()
}

fn file(columns: Vec<(&str, ArrayRef)>) -> Vec<u8> {
    written(&RecordBatch::try_from_iter(columns).unwrap(), Compression::SNAPPY, 1_000)
}

/// Gives a byte at a time at first, then more.
struct Trickle<'a>(&'a [u8], usize);

impl Read for Trickle<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.1 += 1;
        let count = self.1.min(buffer.len()).min(self.0.len());
        let (now, later) = self.0.split_at(count);
        buffer[..count].copy_from_slice(now);
        self.0 = later;
        Ok(count)
    }
}

/// The documents and faults of an input, which must be the same as a slice and as a stream.
fn read(decode: &Decode, input: &[u8]) -> Vec<String> {
    let all = |mut records: sources::Records<'_>| {
        let (mut seen, mut buffer) = (Vec::new(), DocumentBuffer::default());
        while let Some(item) = records.next_unskipped().unwrap() {
            let bump = Bump::new();
            seen.push(match &item {
                Item::Event(event) => {
                    assert!(event.position.index <= seen.len() as u64);
                    assert_eq!(event.raw, event.bytes);
                    let document = decode.document(event, &mut buffer, &bump).unwrap();
                    let json = document.to_json(NodeId::ROOT);
                    buffer.recycle(document);
                    json
                }
                Item::Oversized { part, length, bytes, .. } => {
                    format!("part {part} {length:?} {}", String::from_utf8_lossy(bytes))
                }
                Item::Fault { error, bytes, .. } => format!("fault {error} {}", bytes.len()),
                _ => unreachable!(),
            });
        }
        assert!(records.next_unskipped().unwrap().is_none(), "the end stays the end");
        seen
    };
    let slice = all(decode.records_of_slice(input));
    assert_eq!(all(decode.records_of_stream(Trickle(input, 0))), slice);
    slice
}

fn rows(input: &[u8]) -> Vec<String> {
    read(&Decode::default(), input)
}

fn compressions() -> impl Strategy<Value = Compression> {
    prop_oneof![
        Just(Compression::UNCOMPRESSED),
        Just(Compression::SNAPPY),
        Just(Compression::GZIP(GzipLevel::default())),
        Just(Compression::LZ4_RAW),
        Just(Compression::LZ4),
        Just(Compression::ZSTD(ZstdLevel::default())),
    ]
}

/// A row, column by column.
#[derive(Clone, Debug)]
struct Row {
    flag: Option<bool>,
    small: i32,
    large: Option<u64>,
    number: Option<f64>,
    price: Option<i64>,
    text: Option<String>,
    bytes: Option<Vec<u8>>,
    day: Option<u16>,
    at: Option<u32>,
    tags: Option<Vec<Option<String>>>,
    pair: Option<(Option<i32>, Option<Vec<i64>>)>,
    labels: Option<Vec<(String, Option<i32>)>>,
}

fn row() -> impl Strategy<Value = Row> {
    use proptest::{collection::vec, option::of};
    let first = (any::<Option<bool>>(), any::<i32>(), any::<Option<u64>>(), any::<Option<f64>>(), any::<Option<i64>>());
    let text = || of("[a-c\"\\\\é\n-]{0,6}");
    let nested =
        (of((any::<Option<i32>>(), of(vec(any::<i64>(), 0..4)))), of(vec(("[a-c]", any::<Option<i32>>()), 0..4)));
    let rest = (text(), of(vec(any::<u8>(), 0..5)), any::<Option<u16>>(), any::<Option<u32>>(), of(vec(text(), 0..4)));
    (first, rest, nested).prop_map(|(first, (text, bytes, day, at, tags), (pair, labels))| {
        let (flag, small, large, number, price) = first;
        Row { flag, small, large, number, price, text, bytes, day, at, tags, pair, labels }
    })
}

fn batch(rows: &[Row]) -> RecordBatch {
    let mut flag = BooleanBuilder::new();
    let mut small = Int32Builder::new();
    let mut large = UInt64Builder::new();
    let mut number = Float64Builder::new();
    let mut price = Decimal128Builder::new().with_precision_and_scale(25, 4).unwrap();
    let mut text = StringBuilder::new();
    let mut bytes = BinaryBuilder::new();
    let mut day = Date32Builder::new();
    let mut at = TimestampMicrosecondBuilder::new().with_timezone("UTC");
    let mut tags = ListBuilder::new(StringBuilder::new());
    let list = DataType::List(Arc::new(Field::new("element", DataType::Int64, true)));
    let fields = Fields::from(vec![Field::new("a", DataType::Int32, true), Field::new("b", list, true)]);
    let items = ListBuilder::new(Int64Builder::new()).with_field(Field::new("element", DataType::Int64, true));
    let mut pair = StructBuilder::new(fields, vec![Box::new(Int32Builder::new()), Box::new(items)]);
    let mut labels = MapBuilder::new(None, StringBuilder::new(), Int32Builder::new());
    for row in rows {
        flag.append_option(row.flag);
        small.append_value(row.small);
        large.append_option(row.large);
        number.append_option(row.number);
        price.append_option(row.price.map(i128::from));
        text.append_option(row.text.as_deref());
        bytes.append_option(row.bytes.as_deref());
        day.append_option(row.day.map(i32::from));
        at.append_option(row.at.map(|at| i64::from(at) * 1_000_001));
        tags.append_option(row.tags.clone());
        let (a, b) = row.pair.clone().unwrap_or_default();
        pair.field_builder::<Int32Builder>(0).unwrap().append_option(a);
        let items = pair.field_builder::<ListBuilder<Int64Builder>>(1).unwrap();
        items.append_option(b.map(|b| b.into_iter().map(Some)));
        pair.append(row.pair.is_some());
        for (key, value) in row.labels.iter().flatten() {
            labels.keys().append_value(key);
            labels.values().append_option(*value);
        }
        labels.append(row.labels.is_some()).unwrap();
    }
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("flag", Arc::new(flag.finish())),
        ("small", Arc::new(small.finish())),
        ("large", Arc::new(large.finish())),
        ("number", Arc::new(number.finish())),
        ("price", Arc::new(price.finish())),
        ("text", Arc::new(text.finish())),
        ("bytes", Arc::new(bytes.finish())),
        ("day", Arc::new(day.finish())),
        ("at", Arc::new(at.finish())),
        ("tags", Arc::new(tags.finish())),
        ("pair", Arc::new(pair.finish())),
        ("labels", Arc::new(labels.finish())),
    ];
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, column)| (name, column, name != "small")))
        .unwrap()
}

/// The JSON that a row must become, in the plainest words.
fn expected(row: &Row) -> String {
    fn or_null<T>(value: Option<T>, show: impl FnOnce(T) -> String) -> String {
        value.map_or_else(|| "null".to_owned(), show)
    }
    let quoted = |text: &str| serde_json::to_string(text).unwrap();
    let joined = |items: Vec<String>| items.join(",");
    let number = |number: f64| match number {
        number if number.is_nan() => "\"NaN\"".to_owned(),
        number if number.is_infinite() => quoted(if number > 0.0 { "Infinity" } else { "-Infinity" }),
        number => format!("{number:?}"),
    };
    let price = |price: i64| {
        let sign = if price < 0 { "-" } else { "" };
        format!("{sign}{}.{:04}", price.unsigned_abs() / 10_000, price.unsigned_abs() % 10_000)
    };
    let bytes = |bytes: &Vec<u8>| match std::str::from_utf8(bytes) {
        Ok(text) => quoted(text),
        Err(_) => quoted(&base64_simd::STANDARD.encode_to_string(bytes)),
    };
    let day = |day: u16| {
        let midnight = jiff::Timestamp::from_second(i64::from(day) * 86_400).unwrap().to_string();
        quoted(&midnight[..10])
    };
    let at = |at: u32| quoted(&jiff::Timestamp::from_microsecond(i64::from(at) * 1_000_001).unwrap().to_string());
    let tags = |tags: &Vec<Option<String>>| {
        let items = tags.iter().map(|tag| or_null(tag.as_deref(), quoted));
        format!("[{}]", joined(items.collect()))
    };
    let pair = |(a, b): &(Option<i32>, Option<Vec<i64>>)| {
        let list = |b: &Vec<i64>| format!("[{}]", joined(b.iter().map(i64::to_string).collect()));
        format!("{{\"a\":{},\"b\":{}}}", or_null(*a, |a| a.to_string()), or_null(b.as_ref(), list))
    };
    let labels = |labels: &Vec<(String, Option<i32>)>| {
        let repeats = labels.iter().enumerate().any(|(at, (key, _))| labels[..at].iter().any(|(k, _)| k == key));
        let entries = labels.iter().map(|(key, value)| {
            let value = or_null(*value, |value| value.to_string());
            if repeats { format!("{{\"key\":\"{key}\",\"value\":{value}}}") } else { format!("\"{key}\":{value}") }
        });
        let entries = joined(entries.collect());
        if repeats { format!("[{entries}]") } else { format!("{{{entries}}}") }
    };
    let members = [
        ("flag", or_null(row.flag, |flag| flag.to_string())),
        ("small", row.small.to_string()),
        ("large", or_null(row.large, |large| large.to_string())),
        ("number", or_null(row.number, number)),
        ("price", or_null(row.price, price)),
        ("text", or_null(row.text.as_deref(), quoted)),
        ("bytes", or_null(row.bytes.as_ref(), bytes)),
        ("day", or_null(row.day, day)),
        ("at", or_null(row.at, at)),
        ("tags", or_null(row.tags.as_ref(), tags)),
        ("pair", or_null(row.pair.as_ref(), pair)),
        ("labels", or_null(row.labels.as_ref(), labels)),
    ];
    format!("{{{}}}", joined(members.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect()))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_documents_are_the_rows_that_were_written(
        all in proptest::collection::vec(row(), 0..40), compression in compressions(), row_group in 1..30_usize,
    ) {
        let input = written(&batch(&all), compression, row_group);
        let expected: Vec<String> = all.iter().map(expected).collect();
        prop_assert_eq!(rows(&input), expected);
    }

    #[test]
    fn a_damaged_file_gives_rows_and_at_most_one_fault_and_never_a_panic(
        all in proptest::collection::vec(row(), 1..20), place: prop::sample::Index, flip in 1..=255_u8, cut: bool,
    ) {
        let whole = written(&batch(&all), Compression::SNAPPY, 5);
        let mut input = whole.clone();
        let place = place.index(input.len() - 5) + 5;
        if cut { input.truncate(place) } else { input[place] ^= flip }
        let mut records = Decode::default().records_of_slice(&input).into_items();
        let faults = records.iter().filter(|item| item.starts_with("fault")).count();
        prop_assert!(faults <= 1 && (faults == 0 || records.pop().unwrap().starts_with("fault")));
        if cut {
            prop_assert_eq!(faults, 1);
        }
    }
}

/// The items of an input, without a look at the documents.
trait IntoItems {
    fn into_items(self) -> Vec<String>;
}

impl IntoItems for sources::Records<'_> {
    fn into_items(mut self) -> Vec<String> {
        let mut items = Vec::new();
        while let Some(item) = self.next_unskipped().unwrap() {
            items.push(match item {
                Item::Event(event) => String::from_utf8(event.bytes.to_vec()).unwrap(),
                Item::Fault { error, .. } => format!("fault {error}"),
                other => format!("{other:?}"),
            });
        }
        items
    }
}

fn numbers(count: i32) -> Vec<u8> {
    file(vec![("n", Arc::new(Int32Array::from_iter_values(0..count)))])
}

#[test]
fn every_framing_takes_the_rows() {
    let delimited = Delimited { columns: Columns::Header, separator: b' ', quote: None };
    let array = Framing::JsonArray { at: vec!["Records".to_owned()] };
    let input = numbers(3);
    for framing in [Framing::Auto, Framing::Ndjson, Framing::Json, array, Framing::Delimited(delimited)] {
        let decode = Decode { framing, ..Decode::default() };
        assert_eq!(read(&decode, &input), [r#"{"n":0}"#, r#"{"n":1}"#, r#"{"n":2}"#], "{:?}", decode.framing);
    }
    assert!(rows(&numbers(0)).is_empty());
}

#[test]
fn a_row_that_comes_back_from_quarantine_is_one_event_of_a_delimited_source() {
    for columns in [Columns::Header, Columns::Named(vec!["a".to_owned()])] {
        let framing = Framing::Delimited(Delimited { columns, separator: b' ', quote: Some(b'"') });
        let decode = Decode { framing, ..Decode::default() };
        assert_eq!(read(&decode, br#"{"n":0,"a b":"c d"}"#), [r#"{"n":0,"a b":"c d"}"#]);
    }
}

#[test]
fn a_compressed_file_is_unpacked_first() {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(&numbers(2)).unwrap();
    let packed = encoder.finish().unwrap();
    assert_eq!(rows(&packed), [r#"{"n":0}"#, r#"{"n":1}"#]);
    let cut = rows(&packed[..packed.len() - 20]);
    assert!(
        cut.len() == 1 && cut[0].starts_with("fault the gzip data are cut off") && !cut[0].ends_with(" 0"),
        "{cut:?}"
    );
}

#[test]
fn a_text_that_starts_with_the_same_four_letters_is_text() {
    assert_eq!(Decode::default().records_of_slice(b"PAR1-FW01 up\nPAR1").into_items(), ["PAR1-FW01 up", "PAR1"]);
    assert_eq!(Decode::default().records_of_slice(b"PAR1\nPAR1\t2").into_items(), ["PAR1", "PAR1\t2"]);
}

#[test]
fn a_damaged_file_is_one_fault_with_all_its_bytes() {
    let input = numbers(1_000);
    let cut = &input[..input.len() - 1];
    let decode = Decode::default();
    let mut records = decode.records_of_slice(cut);
    match records.next_unskipped().unwrap().unwrap() {
        Item::Fault { error: FrameError::Parquet { .. }, bytes, .. } => assert_eq!(bytes, cut),
        other => panic!("{other:?}"),
    }
    assert!(records.next_unskipped().unwrap().is_none());
    let small = Decode { limits: Limits { event_bytes: 100, ..Limits::default() }, ..Decode::default() };
    let mut records = small.records_of_slice(cut);
    let mut kept = Vec::new();
    while let Some(item) = records.next_unskipped().unwrap() {
        let Item::Fault { position, bytes, .. } = item else { panic!("{item:?}") };
        assert!(position.offset == kept.len() as u64 && bytes.len() <= 100);
        kept.extend_from_slice(bytes);
    }
    assert_eq!(kept, cut);
}

#[test]
fn rows_before_the_damage_come_out() {
    let texts = StringArray::from_iter_values((0..4_000_u32).map(|n| n.wrapping_mul(2_654_435_761).to_string()));
    let mut input = file(vec![("n", Arc::new(texts))]);
    // Pages in the last of four row groups.
    let end = input.len() * 9 / 10;
    input[end - 3_000..end].fill(0xff);
    let items = Decode::default().records_of_slice(&input).into_items();
    assert!((2_000..4_000).contains(&(items.len() - 1)), "{}", items.len());
    assert!(items.last().unwrap().starts_with("fault the Parquet file cannot be read"));
}

#[test]
fn a_row_beyond_the_limit_comes_in_parts() {
    let texts = StringArray::from_iter_values(["a".to_owned(), "b".repeat(100), "c".to_owned()]);
    let decode = Decode { limits: Limits { event_bytes: 60, ..Limits::default() }, ..Decode::default() };
    let input = file(vec![("t", Arc::new(texts))]);
    let first = format!(r#"part 1 None {{"t":"{}"#, "b".repeat(54));
    let last = format!(r#"part 2 Some(108) {}"}}"#, "b".repeat(46));
    assert_eq!(read(&decode, &input), [r#"{"t":"a"}"#, &first, &last, r#"{"t":"c"}"#]);
}

#[test]
fn rows_that_expand_beyond_the_limits_are_a_bomb() {
    let texts = StringArray::from_iter_values(std::iter::repeat_n("x".repeat(1_000), 5_000));
    let input = file(vec![("t", Arc::new(texts))]);
    let expansion = ExpansionLimits { bytes: 1 << 30, ratio: 10, ratio_from: 100_000 };
    let decode = Decode { limits: Limits { expansion, ..Limits::default() }, ..Decode::default() };
    let mut records = decode.records_of_slice(&input);
    let mut events = 0;
    let error = loop {
        match records.next_unskipped().unwrap().unwrap() {
            Item::Event(_) => events += 1,
            Item::Fault { error, .. } => break error,
            other => panic!("{other:?}"),
        }
    };
    assert!(matches!(error, FrameError::Input(InputError::Bomb { .. })), "{error}");
    assert!((50..5_000).contains(&events), "{events}");
}

#[test]
fn old_timestamps_uuids_and_times_are_texts() {
    let message = "message m { required int96 at; required fixed_len_byte_array(16) id (UUID); required int32 t (TIME(MILLIS,true)); }";
    let schema = Arc::new(parse_message_type(message).unwrap());
    let mut file = SerializedFileWriter::new(Vec::new(), schema, Arc::default()).unwrap();
    let mut group = file.next_row_group().unwrap();
    let mut column = group.next_column().unwrap().unwrap();
    // Julian day 2440588 is 1970-01-01; the second is in the year 9999.
    let at = |day: u32, nanoseconds: u64| {
        let mut value = Int96::new();
        value.set_data(nanoseconds as u32, (nanoseconds >> 32) as u32, day);
        value
    };
    let ats = [at(2_440_588, 1_500_000_000), at(2_440_588 + 2_932_896, 0)];
    column.typed::<Int96Type>().write_batch(&ats, None, None).unwrap();
    column.close().unwrap();
    let mut column = group.next_column().unwrap().unwrap();
    let id = parquet::data_type::FixedLenByteArray::from((0..16).collect::<Vec<u8>>());
    column.typed::<parquet::data_type::FixedLenByteArrayType>().write_batch(&[id.clone(), id], None, None).unwrap();
    column.close().unwrap();
    let mut column = group.next_column().unwrap().unwrap();
    column.typed::<parquet::data_type::Int32Type>().write_batch(&[1, 86_399_999], None, None).unwrap();
    column.close().unwrap();
    group.close().unwrap();
    let input = file.into_inner().unwrap();
    let id = "00010203-0405-0607-0809-0a0b0c0d0e0f";
    assert_eq!(
        rows(&input),
        [
            format!(r#"{{"at":"1970-01-01T00:00:01.5","id":"{id}","t":"00:00:00.001"}}"#),
            format!(r#"{{"at":"9999-12-31T00:00:00","id":"{id}","t":"23:59:59.999"}}"#)
        ]
    );
}

#[test]
fn bytes_of_fixed_length_are_text_or_base64() {
    let values = FixedSizeBinaryArray::try_from_iter([b"ab".as_slice(), &[0xff, 0xfe]].into_iter()).unwrap();
    assert_eq!(rows(&file(vec![("b", Arc::new(values))])), [r#"{"b":"ab"}"#, r#"{"b":"//4="}"#]);
}

#[test]
fn an_interval_and_an_encrypted_file_are_refused_by_name() {
    let items = rows(b"PARE\x20\0\0\0 thirty-two bytes of no matter what \x20\0\0\0PARE");
    assert!(items.len() == 1 && items[0].contains("ncrypt"), "{items:?}");

    let schema = Arc::new(parse_message_type("message m { required fixed_len_byte_array(12) i (INTERVAL); }").unwrap());
    let file = SerializedFileWriter::new(Vec::new(), schema, Arc::default()).unwrap();
    let items = rows(&file.into_inner().unwrap());
    assert!(items.len() == 1 && items[0].contains("the column `\"i\"` has a type that is not read"), "{items:?}");
}
