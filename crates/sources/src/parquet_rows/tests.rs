use arrow_array::Int32Array;
use parquet::arrow::ArrowWriter;

use super::*;
use crate::framing::{Framing, Limits};
use crate::item::Item;
use crate::records::Records;

#[test]
fn decimals_keep_all_their_digits() {
    let written = |unscaled: &str, scale| {
        let mut out = String::new();
        write_decimal(unscaled, scale, &mut out);
        out
    };
    assert_eq!(written("12345", 2), "123.45");
    assert_eq!(written("-5", 3), "-0.005");
    assert_eq!(written("0", 2), "0.00");
    assert_eq!(written("7", 0), "7");
    assert_eq!(written("-7", -3), "-7000");
    assert_eq!(written("0", -3), "0");
}

#[test]
fn times_out_of_range_stay_numbers() {
    let written = |write: &dyn Fn(&mut String)| {
        let mut out = String::new();
        write(&mut out);
        out
    };
    assert_eq!(written(&|out| write_date(19_458, out)), "\"2023-04-11\"");
    assert_eq!(written(&|out| write_date(i32::MAX, out)), i32::MAX.to_string());
    assert_eq!(written(&|out| write_time(86_399_000_000_001, out)), "\"23:59:59.000000001\"");
    assert_eq!(written(&|out| write_time(86_400_000_000_000, out)), "86400000000000");
    assert_eq!(written(&|out| write_time(-1, out)), "-1");
    let stamp = |value, is_utc| written(&|out| write_timestamp(SignedDuration::from_millis(value), value, is_utc, out));
    assert_eq!(stamp(1_649_721_732_001, true), "\"2022-04-12T00:02:12.001Z\"");
    assert_eq!(stamp(1_649_721_732_000, false), "\"2022-04-12T00:02:12\"");
    assert_eq!(stamp(i64::MAX, true), i64::MAX.to_string());
}

#[test]
fn a_file_too_large_for_memory_is_read_from_a_temporary_file() {
    let values = Int32Array::from_iter_values(0..50_000);
    let batch = RecordBatch::try_from_iter([("n", Arc::new(values) as arrow_array::ArrayRef)]).unwrap();
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    let file = writer.into_inner().unwrap();
    assert!(file.len() > 100_000);
    let damaged = [&file[..100_000], &[0xff; 60_000]].concat();
    for input in [&file, &damaged] {
        let rows = ParquetRows { held: 100_000, ..ParquetRows::default() };
        let mut records = Records::of_parquet(rows, &input[..], Limits::default());
        let (mut kept, mut events) = (Vec::new(), 0);
        loop {
            match records.next_unskipped().unwrap() {
                Some(Item::Event(event)) => {
                    assert_eq!(event.bytes, format!("{{\"n\":{events}}}").as_bytes());
                    events += 1;
                }
                Some(Item::Fault { bytes, .. }) => kept.extend_from_slice(bytes),
                None => break,
                Some(other) => panic!("{other:?}"),
            }
        }
        assert_eq!(events, if input == &file { 50_000 } else { 0 });
        assert!(kept.is_empty() == (input == &file) && (kept.is_empty() || kept == *input));
    }
}

#[test]
fn gathering_a_long_file_gives_control_back_and_goes_on() {
    let long = [&b"PAR1\x15"[..], &vec![0xe0; 5 << 20]].concat();
    let limits = Limits::default();
    let mut records = Records::of_stream(&Framing::Auto, &long[..], limits);
    let mut turns = 0;
    let kept = loop {
        match records.next_item().unwrap().unwrap() {
            Item::Skipped => turns += 1,
            Item::Fault { bytes, .. } => break bytes.to_vec(),
            other => panic!("{other:?}"),
        }
    };
    assert!(turns >= 3 && kept == long, "{turns}");
}
