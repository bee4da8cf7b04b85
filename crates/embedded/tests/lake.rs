//! A lake folder as tables: what is found, what is read, what is counted.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by a panic, its helpers too")]

use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;

use datafusion::arrow::array::{
    Array as _, ArrayRef, Int32Array, Int64Array, ListArray, MapBuilder, MapFieldNames, RecordBatch, StringArray,
    StringBuilder, StructArray, TimestampMillisecondArray,
};
use datafusion::arrow::buffer::{NullBuffer, OffsetBuffer};
use datafusion::arrow::datatypes::{Field, Fields};
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::parquet::file::properties::WriterProperties;
use embedded::{Embedded, Options};
use query::{Engine, QueryError, Statement, Statistics};
use serde_json::{Value, json};
use sql::table::Layout;
use sql::text::Sql;
use sql::types::ColumnType;

const DAY: i64 = 86_400_000;
const FIRST: i64 = 1_704_067_200_000;
const ROWS: i64 = 2_000;

fn struct_of(columns: Vec<(&str, bool, ArrayRef)>) -> StructArray {
    let fields: Fields =
        columns.iter().map(|(name, nullable, array)| Field::new(*name, array.data_type().clone(), *nullable)).collect();
    StructArray::new(fields, columns.into_iter().map(|(_, _, array)| array).collect(), None)
}

/// Events of one day, with fields that are not nullable and times in UTC, as the writer of the lake makes them.
fn day(number: i64, with_severity: bool) -> RecordBatch {
    let times: Vec<i64> = (0..ROWS).map(|row| FIRST + number * DAY + row * 40_000).collect();
    let rows = usize::try_from(ROWS).unwrap();
    let names = |label: &str| -> ArrayRef {
        Arc::new(StringArray::from_iter_values((0..rows).map(|row| format!("{label}-{number}-{row}"))))
    };
    let hash = struct_of(vec![
        ("algorithm_id", false, Arc::new(Int32Array::from(vec![3; rows]))),
        ("value", false, names("hash")),
    ]);
    let element = Arc::new(Field::new("element", hash.data_type().clone(), false));
    let hashes = ListArray::new(element, OffsetBuffer::from_lengths(vec![1; rows]), Arc::new(hash), None);
    let seen = TimestampMillisecondArray::from(times.clone()).with_timezone("UTC");
    let file = struct_of(vec![("hashes", true, Arc::new(hashes)), ("modified_time_dt", true, Arc::new(seen.clone()))]);
    let process = struct_of(vec![("cmd_line", true, names("cmd")), ("file", true, Arc::new(file))]);
    let entry = MapFieldNames { entry: "key_value".into(), key: "key".into(), value: "value".into() };
    let mut unmapped = MapBuilder::new(Some(entry), StringBuilder::new(), StringBuilder::new());
    for row in 0..rows {
        unmapped.keys().append_value("Row");
        unmapped.values().append_value(row.to_string());
        unmapped.append(true).unwrap();
    }
    let mut columns: Vec<(&str, ArrayRef)> = vec![
        ("time", Arc::new(Int64Array::from(times))),
        ("time_dt", Arc::new(seen)),
        ("process", Arc::new(process)),
        ("unmapped", Arc::new(unmapped.finish())),
    ];
    if with_severity {
        columns.push(("severity_id", Arc::new(Int32Array::from(vec![4; rows]))));
    }
    RecordBatch::try_from_iter(columns).unwrap()
}

fn write(folder: &Path, batch: &RecordBatch) -> u64 {
    fs::create_dir_all(folder).unwrap();
    let path = folder.join("a.zstd.parquet");
    let properties = WriterProperties::builder().set_max_row_group_row_count(Some(500)).build();
    let mut writer = ArrowWriter::try_new(File::create(&path).unwrap(), batch.schema(), Some(properties)).unwrap();
    writer.write(batch).unwrap();
    writer.close().unwrap();
    fs::metadata(path).unwrap().len()
}

fn day_name(number: i64) -> String {
    format!("202401{:02}", number + 1)
}

struct Lake {
    folder: tempfile::TempDir,
    bytes: u64,
}

/// Thirty days of one source; the first ten lack a column.
fn thirty_days() -> Lake {
    let folder = tempfile::tempdir().unwrap();
    let mut bytes = 0;
    for number in 0..30 {
        let partition =
            format!("ext/windows-sysmon-1007/region=eu-central-1/accountId=123456789012/eventDay={}", day_name(number));
        bytes += write(&folder.path().join(partition), &day(number, number >= 10));
    }
    Lake { folder, bytes }
}

/// Events of which every other one has no `module`, whose file must have a name and a type: as OCSF's required attributes are
/// written, and in an array of modules too.
fn absent_modules(folder: &Path) {
    const COUNT: i32 = 10;
    let names =
        || Arc::new(StringArray::from_iter_values((0..COUNT).map(|row| if row % 2 == 0 { "a.dll" } else { "" })));
    let nulls = || NullBuffer::from_iter((0..COUNT).map(|row| row % 2 == 0));
    let optional = |rows: StructArray| -> ArrayRef {
        let (fields, columns, _) = rows.into_parts();
        Arc::new(StructArray::new(fields, columns, Some(nulls())))
    };
    let kinds: ArrayRef = Arc::new(Int32Array::from_iter_values((0..COUNT).map(|row| (row + 1) % 2)));
    let file = struct_of(vec![("name", false, names()), ("type_id", false, kinds), ("path", true, names())]);
    let module = optional(struct_of(vec![("file", true, optional(file)), ("base", true, names())]));
    let element = Arc::new(Field::new("element", module.data_type().clone(), true));
    let offsets = OffsetBuffer::from_lengths(vec![1; usize::try_from(COUNT).unwrap()]);
    let modules = ListArray::new(element, offsets, Arc::clone(&module), None);
    let times: Vec<i64> = (0..COUNT).map(|row| FIRST + i64::from(row)).collect();
    let columns: Vec<(&str, bool, ArrayRef)> = vec![
        ("time", false, Arc::new(Int64Array::from(times))),
        ("module", true, module),
        ("modules", true, Arc::new(modules)),
    ];
    let batch = RecordBatch::from(struct_of(columns));
    let partition = "ext/windows-sysmon-1005/region=eu-central-1/accountId=123456789012/eventDay=20240101";
    write(&folder.join(partition), &batch);
}

async fn open(folder: &Path) -> Embedded {
    Embedded::over_folder(folder, Options::default()).await.unwrap()
}

async fn run(engine: &Embedded, sql: &str) -> (Vec<Vec<Value>>, Statistics) {
    match engine.run(&Statement::new(Sql::of_author(sql))).await {
        Ok(answer) => (answer.rows, answer.statistics),
        Err(error) => panic!("{error}\n{sql}"),
    }
}

#[tokio::test]
async fn a_query_of_one_day_opens_the_objects_of_that_day_only() {
    let lake = thirty_days();
    let engine = open(lake.folder.path()).await;
    let all = "SELECT count(*), count(process.cmd_line) FROM windows_sysmon_1007";
    let (rows, whole) = run(&engine, all).await;
    assert_eq!(rows, [[json!(60_000), json!(60_000)]]);
    assert_eq!(whole.scanned_objects, Some(30));
    assert!(whole.scanned_bytes < lake.bytes);

    let one = "SELECT count(*), count(process.cmd_line) FROM \"sluice\".\"windows_sysmon_1007\"
        WHERE region = 'eu-central-1' AND accountid IN ('123456789012') AND eventday BETWEEN '20240115' AND '20240115'";
    let (rows, day) = run(&engine, one).await;
    assert_eq!(rows, [[json!(2_000), json!(2_000)]]);
    assert_eq!(day.scanned_objects, Some(1));
    assert!(day.scanned_bytes * 20 < whole.scanned_bytes, "{} of {}", day.scanned_bytes, whole.scanned_bytes);

    // An hour of that day: row groups of other hours are not read.
    let begin = FIRST + 14 * DAY;
    let hour = format!("{one} AND time >= {begin} AND time < {}", begin + 3_600_000);
    let (rows, hour) = run(&engine, &hour).await;
    assert_eq!(rows, [[json!(90), json!(90)]]);
    assert!(hour.scanned_bytes * 3 < day.scanned_bytes * 2, "{} of {}", hour.scanned_bytes, day.scanned_bytes);
    eprintln!(
        "lake {} bytes in 30 objects; read: all days {} bytes of {} objects, one day {} bytes of {} object, one hour {} bytes",
        lake.bytes,
        whole.scanned_bytes,
        whole.scanned_objects.unwrap(),
        day.scanned_bytes,
        day.scanned_objects.unwrap(),
        hour.scanned_bytes,
    );

    let (rows, none) = run(&engine, "SELECT count(*) FROM windows_sysmon_1007 WHERE eventday = '20250101'").await;
    assert_eq!((rows, none.scanned_objects, none.scanned_bytes), (vec![vec![json!(0)]], Some(0), 0));
}

#[tokio::test]
async fn a_required_field_of_an_object_that_is_absent_is_null() {
    let folder = tempfile::tempdir().unwrap();
    absent_modules(folder.path());
    let engine = open(folder.path()).await;
    let table = "windows_sysmon_1005";
    for condition in [
        "module IS NULL",
        "module.file IS NULL",
        "module.file.name IS NULL",
        "module.file.type_id IS NULL",
        "time > 0 AND module.file.path IS NULL",
        "modules[1] IS NULL",
        "modules[1].file.name IS NULL",
        "CAST(ROW(module.file.name) AS ROW(n varchar)).n IS NULL",
        "NOT (coalesce(module.file.name, 'absent') = 'a.dll')",
        "json_format(CAST(module.file AS json)) IS NULL",
        "element_at(transform(modules, m -> m.file.type_id), 1) IS NULL",
    ] {
        let sql = format!(
            "SELECT count(*), count(module.file.name), count(module.file.type_id) FROM {table} WHERE {condition}"
        );
        assert_eq!(run(&engine, &sql).await.0, [[json!(5), json!(0), json!(0)]], "{condition}");
    }
    for empty in ["module.file.name = ''", "module.file.type_id = 0", "modules[1].file.name = ''"] {
        let sql = format!("SELECT count(*) FROM {table} WHERE {empty}");
        assert_eq!(run(&engine, &sql).await.0, [[json!(0)]], "{empty}");
    }
    let grouped = format!("SELECT module.file.name, count(*) FROM {table} GROUP BY 1 ORDER BY 1");
    assert_eq!(run(&engine, &grouped).await.0, [[json!("a.dll"), json!(5)], [json!(null), json!(5)]]);
    let ordered = format!("SELECT module.file.name, module FROM {table} ORDER BY time LIMIT 2");
    let rows = run(&engine, &ordered).await.0;
    assert_eq!((&rows[0][0], &rows[1]), (&json!("a.dll"), &vec![json!(null), json!(null)]));
    // A part of a column is read, not all of it.
    let part = run(&engine, &format!("SELECT count(module.base) FROM {table}")).await.1.scanned_bytes;
    let whole =
        run(&engine, &format!("SELECT max(json_format(CAST(module AS json))) FROM {table}")).await.1.scanned_bytes;
    assert!(part < whole, "{part} of {whole}");
}

#[tokio::test]
async fn the_next_window_of_a_day_reads_no_footer_again_unless_the_object_is_another() {
    let lake = thirty_days();
    let engine = open(lake.folder.path()).await;
    let window = |hour: i64| {
        let begin = FIRST + 14 * DAY + hour * 3_600_000;
        format!(
            "SELECT count(process.cmd_line) FROM windows_sysmon_1007
            WHERE eventday = '20240115' AND time >= {begin} AND time < {}",
            begin + 3_600_000
        )
    };
    let (first_rows, first) = run(&engine, &window(0)).await;
    let (again_rows, again) = run(&engine, &window(0)).await;
    assert_eq!(first_rows, again_rows);
    assert!(again.scanned_bytes > 0 && again.scanned_bytes < first.scanned_bytes, "{first:?} {again:?}");

    // The day's object is replaced by one without that day's rows.
    let key = "ext/windows-sysmon-1007/region=eu-central-1/accountId=123456789012/eventDay=20240115";
    write(&lake.folder.path().join(key), &day(3, true));
    assert_eq!(run(&engine, &window(0)).await.0, [[json!(0)]]);
}

#[tokio::test]
async fn nested_columns_of_files_have_their_types() {
    let lake = thirty_days();
    let engine = open(lake.folder.path()).await;
    let (rows, _) = run(
        &engine,
        "SELECT process.cmd_line, process.file.hashes[1].value, unmapped['Row'], time_dt, process.file.modified_time_dt,
            json_format(CAST(process AS JSON)), eventday, region, accountid
         FROM windows_sysmon_1007
         WHERE eventday = '20240103' AND any_match(process.file.hashes, h -> h.algorithm_id = 3 AND h.value = 'hash-2-7')",
    )
    .await;
    let seen = "2024-01-03 00:04:40.000";
    assert_eq!(
        rows,
        [[
            json!("cmd-2-7"),
            json!("hash-2-7"),
            json!("7"),
            json!(seen),
            json!(seen),
            json!(
                r#"{"cmd_line":"cmd-2-7","file":{"hashes":[{"algorithm_id":3,"value":"hash-2-7"}],"modified_time_dt":"2024-01-03 00:04:40.000"}}"#
            ),
            json!("20240103"),
            json!("eu-central-1"),
            json!("123456789012"),
        ]]
    );
}

#[tokio::test]
async fn files_from_before_a_column_have_nulls_in_it() {
    let lake = thirty_days();
    let engine = open(lake.folder.path()).await;
    let sql = "SELECT eventday, count(severity_id) FROM windows_sysmon_1007
        WHERE eventday IN ('20240110', '20240111') GROUP BY eventday ORDER BY eventday";
    let (rows, _) = run(&engine, sql).await;
    assert_eq!(rows, [[json!("20240110"), json!(0)], [json!("20240111"), json!(2_000)]]);
    let (rows, _) = run(&engine, "SELECT count(*) FROM windows_sysmon_1007 WHERE severity_id = 4").await;
    assert_eq!(rows, [[json!(40_000)]]);
}

#[tokio::test]
async fn a_statement_stops_where_it_has_read_what_it_may() {
    let lake = thirty_days();
    let engine = open(lake.folder.path()).await;
    let sql = Sql::code("SELECT max(process.cmd_line) FROM windows_sysmon_1007");
    let statement = Statement { max_scanned_bytes: Some(50_000), ..Statement::new(sql.clone()) };
    match engine.run(&statement).await {
        Err(QueryError::OverBudget { scanned, limit: 50_000 }) => assert!(scanned > 50_000),
        other => panic!("{other:?}"),
    }
    let statement = Statement { max_scanned_bytes: Some(lake.bytes * 2), ..Statement::new(sql) };
    assert!(engine.run(&statement).await.is_ok());
}

#[tokio::test]
async fn sources_and_classes_are_tables_and_the_case_of_keys_does_not_matter() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    assert!(open(root).await.tables().await.unwrap().is_empty());
    write(&root.join("ext/Fire.Wall/REGION=eu-west-1/accountid=external_x/EVENTDAY=20240101"), &day(0, true));
    write(&root.join("ext/edr/PROCESS_ACTIVITY/region=eu-west-1/accountId=1/eventDay=20240101"), &day(0, true));
    write(&root.join("ext/edr/NETWORK_ACTIVITY/region=eu-west-1/accountId=1/eventDay=20240101"), &day(0, true));
    fs::create_dir_all(root.join("ext/edr/_temporary")).unwrap();
    fs::create_dir_all(root.join("ext/empty/region=eu-west-1/accountId=1/eventDay=20240101")).unwrap();
    let engine = open(root).await;
    let tables = engine.tables().await.unwrap();
    let mut names: Vec<&str> = tables.iter().map(|table| table.name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["edr_network_activity", "edr_process_activity", "fire_wall"]);
    assert!(tables.iter().all(|table| table.database == "sluice" && table.layout == Layout::EventDay));
    let last = tables[0].columns.last().unwrap();
    assert_eq!(*last, ("eventday".to_owned(), ColumnType::Varchar));
    assert!(tables[0].columns.contains(&("time_dt".to_owned(), ColumnType::Timestamp)));
    let (rows, _) = run(&engine, "SELECT DISTINCT accountid, EventDay FROM SLUICE.Fire_Wall").await;
    assert_eq!(rows, [[json!("external_x"), json!("20240101")]]);

    // What is written while the engine is open is seen.
    write(&root.join("ext/late/region=eu-west-1/accountId=1/eventDay=20240101"), &day(0, true));
    let (rows, _) = run(&engine, "SELECT count(*) FROM late").await;
    assert_eq!(rows, [[json!(2_000)]]);
}

#[tokio::test]
async fn a_table_or_database_that_is_not_there_is_told_with_the_nearest() {
    let lake = thirty_days();
    let engine = open(lake.folder.path()).await;
    for (sql, told) in [
        ("SELECT 1 FROM windows_sysmon_107", "did you mean 'windows_sysmon_1007'?"),
        ("SELECT 1 FROM other.windows_sysmon_1007", "it is in the database 'sluice'"),
        ("SELECT proces.cmd_line FROM windows_sysmon_1007", "Column 'proces.cmd_line' cannot be resolved"),
        ("SELECT process.cmdline FROM windows_sysmon_1007", "did you mean 'cmd_line'?"),
    ] {
        let error = engine.run(&Statement::new(Sql::of_author(sql))).await.unwrap_err();
        assert!(matches!(&error, QueryError::Invalid(text) if text.contains(told)), "{error}");
    }
}

#[test]
fn an_engine_may_be_dropped_inside_of_a_runtime() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let engine = Embedded::in_memory();
        engine.run(&Statement::new(Sql::code("SELECT 1"))).await.unwrap();
        drop(engine);
    });
}
