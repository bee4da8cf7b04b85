//! Rows for this crate's tests: every kind of column that the lake has, each cell made from the row's number, so that a
//! test can tell whether a row has stayed whole.

use std::sync::Arc;

use arrow_array::builder::{
    BooleanBuilder, Float64Builder, Int32Builder, ListBuilder, MapBuilder, MapFieldNames, StringBuilder, StructBuilder,
};
use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{ArrayRef, Int32Array, Int64Array, RecordBatch, TimestampMillisecondArray};
use arrow_schema::{DataType, Field, Fields, Schema};

use crate::key::SourceName;
use crate::parquet_object::Content;

pub(crate) const CLASS_UID: u32 = 1007;

/// Row `i` has number `i` and the time `times[i]`.
pub(crate) fn numbered(times: &[i64]) -> RecordBatch {
    let rows: Vec<(i64, i64)> = (0..).zip(times.iter().copied()).collect();
    rows_of(&rows)
}

/// The numbers of the rows, in their order.
pub(crate) fn numbers(batch: &RecordBatch) -> Vec<i64> {
    let metadata = batch.column_by_name("metadata").unwrap().as_struct();
    metadata.column_by_name("uid").unwrap().as_string::<i32>().iter().map(|uid| uid.unwrap().parse().unwrap()).collect()
}

/// Fails unless every cell is the one that its row's number and time ask for.
pub(crate) fn check_numbered(batch: &RecordBatch) {
    let times = batch.column_by_name("time").unwrap().as_primitive::<Int64Type>().values().iter().copied();
    let rows: Vec<(i64, i64)> = numbers(batch).into_iter().zip(times).collect();
    let expected = rows_of(&rows);
    assert_eq!(batch.schema().fields(), expected.schema().fields());
    for (got, expected) in batch.columns().iter().zip(expected.columns()) {
        assert_eq!(got, expected);
    }
}

/// The batch with its texts in dictionaries, as `ocsf` makes them.
pub(crate) fn with_dictionaries(batch: &RecordBatch) -> RecordBatch {
    let fields = ocsf::with_dictionaries(batch.schema_ref().fields());
    let columns = batch.columns().iter().zip(&fields);
    let columns = columns.map(|(column, field)| arrow_cast::cast(column, field.data_type()).unwrap()).collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap()
}

pub(crate) fn content(source: &SourceName) -> Content<'_> {
    Content {
        ocsf_version: "1.1.0",
        class_name: "process_activity",
        class_uid: CLASS_UID,
        source,
        mapping: "windows-sysmon 0f3a",
    }
}

fn rows_of(rows: &[(i64, i64)]) -> RecordBatch {
    let times = || rows.iter().map(|&(_, time)| time);
    let class: ArrayRef = Arc::new(Int32Array::from(vec![CLASS_UID as i32; rows.len()]));
    let mut metadata = StructBuilder::from_fields(
        Fields::from(vec![Field::new("version", DataType::Utf8, false), Field::new("uid", DataType::Utf8, false)]),
        rows.len(),
    );
    let file = Fields::from(vec![Field::new("path", DataType::Utf8, true)]);
    let mut process = StructBuilder::from_fields(
        Fields::from(vec![Field::new("pid", DataType::Int32, true), Field::new("file", DataType::Struct(file), true)]),
        rows.len(),
    );
    let observable =
        Fields::from(vec![Field::new("name", DataType::Utf8, true), Field::new("type_id", DataType::Int32, true)]);
    let element = Field::new("element", DataType::Struct(observable.clone()), true);
    let mut observables = ListBuilder::new(StructBuilder::from_fields(observable, 0)).with_field(element);
    let names = MapFieldNames { entry: "key_value".into(), key: "key".into(), value: "value".into() };
    let mut unmapped = MapBuilder::new(Some(names), StringBuilder::new(), StringBuilder::new());
    let mut risk = Float64Builder::new();
    let mut remote = BooleanBuilder::new();
    for &(number, _) in rows {
        metadata.field_builder::<StringBuilder>(0).unwrap().append_value("1.1.0");
        metadata.field_builder::<StringBuilder>(1).unwrap().append_value(number.to_string());
        metadata.append(true);

        let has_process = number % 3 != 0;
        process.field_builder::<Int32Builder>(0).unwrap().append_option(has_process.then_some(number as i32));
        let file = process.field_builder::<StructBuilder>(1).unwrap();
        let path = has_process.then(|| format!(r"C:\Windows\{number}.exe"));
        file.field_builder::<StringBuilder>(0).unwrap().append_option(path);
        file.append(has_process);
        process.append(has_process);

        for item in 0..number % 4 {
            let observable = observables.values();
            observable.field_builder::<StringBuilder>(0).unwrap().append_value(format!("{number}.{item}"));
            observable.field_builder::<Int32Builder>(1).unwrap().append_option((item > 0).then_some(item as i32));
            observable.append(true);
        }
        observables.append(number % 5 != 0);

        for item in 0..number % 3 {
            unmapped.keys().append_value(format!("key{item}"));
            unmapped.values().append_value(number.to_string());
        }
        unmapped.append(number % 2 == 0).unwrap();
        risk.append_option((number % 7 == 0).then_some(number as f64 / 2.0));
        remote.append_option((number % 2 == 0).then_some(number % 4 == 0));
    }
    let columns: Vec<(&str, ArrayRef, bool)> = vec![
        ("class_uid", class, false),
        ("metadata", Arc::new(metadata.finish()), false),
        ("time", Arc::new(Int64Array::from_iter_values(times())), false),
        ("time_dt", Arc::new(TimestampMillisecondArray::from_iter_values(times()).with_timezone("UTC")), true),
        ("process", Arc::new(process.finish()), true),
        ("observables", Arc::new(observables.finish()), true),
        ("unmapped", Arc::new(unmapped.finish()), true),
        ("risk", Arc::new(risk.finish()), true),
        ("is_remote", Arc::new(remote.finish()), true),
    ];
    let fields: Vec<Field> =
        columns.iter().map(|(name, array, nullable)| Field::new(*name, array.data_type().clone(), *nullable)).collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns.into_iter().map(|(_, array, _)| array).collect())
        .unwrap()
}
