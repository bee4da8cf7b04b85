//! How fast rows are sealed: 10,000 and 100,000 process activities of 110 leaf columns, most of them null in most rows,
//! as a mapping of Sysmon makes them; in order of time and shuffled; zstandard 1 and 3.
//!
//! `cargo bench -p lake` prints rows per second, and how large the objects are.
//!
//! `cargo bench -p lake --bench seal -- many-partitions` seals such rows with a partition for each, which is the most that
//! rows can cost, and prints the time per row and the most memory.

#![expect(clippy::unwrap_used, reason = "a bench that cannot make its rows should stop")]
#![allow(missing_docs, reason = "criterion's macro makes a public function")]

use std::sync::Arc;

use arrow_array::builder::{Int32Builder, ListBuilder, MapBuilder, MapFieldNames, StringBuilder, StructBuilder};
use arrow_array::{ArrayRef, Int32Array, Int64Array, RecordBatch, StringArray, StructArray, TimestampMillisecondArray};
use arrow_schema::{DataType, Field, Fields, Schema};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group};
use lake::key::SourceName;
use lake::parquet_object::{Content, SealSettings, Sealer, ZstdLevel, seal};
use lake::partition::partition;

fn content(source: &SourceName) -> Content<'_> {
    Content {
        ocsf_version: "1.1.0",
        class_name: "process_activity",
        class_uid: 1007,
        source,
        mapping: "windows-sysmon 5f0c9a",
    }
}

/// As many partitions as rows, texts in dictionaries as the pipeline has them. Each object is dropped before the next one
/// is sealed.
fn many_partitions() {
    let source = "sysmon-1007".parse().unwrap();
    for rows in [1_000, 10_000, 100_000] {
        let batch = with_dictionaries(&process_activities(rows, Order::ByTime));
        // The most memory counts from here.
        let _ = std::fs::write("/proc/self/clear_refs", "5");
        let before = memory("VmRSS");
        let began = processor_seconds();
        let ids: Vec<u32> = (0..rows as u32).collect();
        let mut sealer = Sealer::new(&batch, &content(&source), &SealSettings::default()).unwrap();
        let mut bytes = 0;
        for (_, rows) in partition(&batch, &ids).unwrap() {
            bytes += sealer.seal(rows).unwrap().bytes.len();
        }
        let took = processor_seconds() - began;
        println!(
            "{rows:>7} rows and partitions: {took:>6.2} s, {:>4.0} µs a row, {:>5} MB of objects, {:>3} MB of memory \
             beside the batch",
            took * 1e6 / rows as f64,
            bytes / 1_000_000,
            (memory("VmHWM") - before) / 1000,
        );
    }
}

/// Processor time of this thread, where Linux says it.
fn processor_seconds() -> f64 {
    let times = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    times.split(' ').next().and_then(|nanoseconds| nanoseconds.parse::<f64>().ok()).unwrap_or_default() / 1e9
}

/// A figure of this process's memory in kB, where Linux says it.
fn memory(figure: &str) -> i64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(figure)?.strip_prefix(':'));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or_default()
}

fn with_dictionaries(batch: &RecordBatch) -> RecordBatch {
    let fields = ocsf::with_dictionaries(batch.schema_ref().fields());
    let columns = batch.columns().iter().zip(&fields);
    let columns = columns.map(|(column, field)| arrow_cast::cast(column, field.data_type()).unwrap()).collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap()
}

fn sealing(c: &mut Criterion) {
    let source = "sysmon-1007".parse().unwrap();
    let content = content(&source);
    let mut group = c.benchmark_group("seal");
    group.sample_size(20);
    for rows in [10_000, 100_000] {
        let batch = process_activities(rows, Order::ByTime);
        group.throughput(Throughput::Elements(rows as u64));
        for level in [1, 3] {
            let settings = SealSettings { zstd: ZstdLevel::new(level).unwrap(), ..SealSettings::default() };
            let object = seal(&batch, &content, &settings).unwrap();
            eprintln!(
                "{rows} rows, zstd {level}: {} bytes, {:.1} a row",
                object.bytes.len(),
                object.bytes.len() as f64 / rows as f64
            );
            group.bench_with_input(BenchmarkId::new(format!("zstd{level}"), rows), &batch, |b, batch| {
                b.iter(|| seal(batch, &content, &settings).unwrap());
            });
        }
        let shuffled = process_activities(rows, Order::Shuffled);
        // At the default level, which is 1.
        group.bench_with_input(BenchmarkId::new("zstd1-shuffled", rows), &shuffled, |b, batch| {
            b.iter(|| seal(batch, &content, &SealSettings::default()).unwrap());
        });
    }
    group.finish();

    let mut group = c.benchmark_group("partition");
    group.sample_size(20);
    let rows = 100_000;
    let batch = process_activities(rows, Order::Shuffled);
    group.throughput(Throughput::Elements(rows as u64));
    for parts in [1, 3, 30] {
        let ids: Vec<u32> = (0..rows as u32).map(|row| row.wrapping_mul(2_654_435_761) % parts).collect();
        group.bench_with_input(BenchmarkId::from_parameter(parts), &ids, |b, ids| {
            b.iter(|| partition(&batch, ids).unwrap());
        });
    }
    group.finish();
}

#[derive(Clone, Copy, PartialEq)]
enum Order {
    ByTime,
    Shuffled,
}

/// Numbers that look random and are the same in every run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }
}

fn process_activities(rows: usize, order: Order) -> RecordBatch {
    let mut numbers = Numbers(1);
    let mut time = 1_700_000_000_000_i64;
    let mut next = || {
        time += numbers.below(40) as i64;
        time
    };
    let mut times: Vec<i64> = (0..rows).map(|_| next()).collect();
    if order == Order::Shuffled {
        for row in (1..rows).rev() {
            times.swap(row, numbers.below(row as u64 + 1) as usize);
        }
    }
    let mut make = Columns { rows, numbers };
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("activity_id", make.int(|_| 1)),
        ("activity_name", make.fixed("Launch")),
        ("category_name", make.fixed("System Activity")),
        ("category_uid", make.int(|_| 1)),
        ("class_name", make.fixed("Process Activity")),
        ("class_uid", make.int(|_| 1007)),
        ("severity_id", make.int(|_| 1)),
        ("severity", make.fixed("Informational")),
        ("type_uid", Arc::new(Int64Array::from(vec![100_701; rows]))),
        ("type_name", make.fixed("Process Activity: Launch")),
        ("time", Arc::new(Int64Array::from(times.clone()))),
        ("time_dt", Arc::new(TimestampMillisecondArray::from(times).with_timezone("UTC"))),
        ("message", make.rare()),
        ("status", make.absent()),
        ("status_id", make.no_int()),
        ("status_code", make.absent()),
        ("raw_data", make.absent()),
        ("metadata", make.metadata()),
        ("device", make.device()),
        ("actor", object(vec![("process", make.process()), ("user", make.user())])),
        ("process", make.process()),
        ("parent_process", make.process()),
        ("observables", make.observables()),
        ("unmapped", make.unmapped()),
    ];
    let nullable = |name| !matches!(name, "time" | "class_uid");
    let columns = columns.into_iter().map(|(name, array)| (name, array, nullable(name)));
    RecordBatch::try_from_iter_with_nullable(columns).unwrap()
}

/// Makes columns of a given length.
struct Columns {
    rows: usize,
    numbers: Numbers,
}

impl Columns {
    fn int(&self, value: impl Fn(usize) -> i32) -> ArrayRef {
        Arc::new((0..self.rows).map(value).collect::<Int32Array>())
    }

    fn no_int(&self) -> ArrayRef {
        Arc::new(Int32Array::new_null(self.rows))
    }

    fn text(&mut self, make: impl Fn(&mut Numbers) -> String) -> ArrayRef {
        Arc::new((0..self.rows).map(|_| Some(make(&mut self.numbers))).collect::<StringArray>())
    }

    fn fixed(&self, value: &str) -> ArrayRef {
        Arc::new(StringArray::from(vec![value; self.rows]))
    }

    /// A value in every fiftieth row.
    fn rare(&mut self) -> ArrayRef {
        let mut make = || (self.numbers.below(50) == 0).then(|| format!("value {}", self.numbers.below(10)));
        Arc::new((0..self.rows).map(|_| make()).collect::<StringArray>())
    }

    fn absent(&self) -> ArrayRef {
        Arc::new(StringArray::new_null(self.rows))
    }

    fn metadata(&mut self) -> ArrayRef {
        object(vec![
            ("version", self.fixed("1.1.0")),
            ("uid", self.text(|n| format!("WORKSTATION{}/{}", n.below(9), n.below(1 << 31)))),
            ("event_code", self.fixed("1")),
            ("log_name", self.fixed("Microsoft-Windows-Sysmon/Operational")),
            ("log_provider", self.fixed("Microsoft-Windows-Sysmon")),
            ("original_time", self.absent()),
            (
                "product",
                object(vec![
                    ("name", self.fixed("Sysmon")),
                    ("vendor_name", self.fixed("Microsoft")),
                    ("version", self.absent()),
                ]),
            ),
        ])
    }

    fn device(&mut self) -> ArrayRef {
        object(vec![
            ("hostname", self.text(|n| format!("WORKSTATION{}.theshire.local", n.below(9)))),
            ("instance_uid", self.text(|n| format!("i-0{:015x}", n.below(9)))),
            ("type_id", self.int(|_| 0)),
            ("os", object(vec![("name", self.fixed("Windows")), ("type_id", self.int(|_| 100))])),
        ])
    }

    fn user(&mut self) -> ArrayRef {
        object(vec![
            ("name", self.text(|n| format!("user{}", n.below(20)))),
            ("domain", self.fixed("THESHIRE")),
            ("uid", self.rare()),
            ("email_addr", self.absent()),
        ])
    }

    fn process(&mut self) -> ArrayRef {
        let guid = |n: &mut Numbers| {
            format!("{{{:08X}-{:04X}-5F3B-0000-{:012X}}}", n.below(1 << 20), n.below(1 << 16), n.below(1 << 31))
        };
        let image = |n: &mut Numbers| format!(r"C:\Windows\System32\image{}.exe", n.below(60));
        let command = |n: &mut Numbers| {
            format!(
                r#""C:\Windows\System32\image{}.exe" --session {} --parent {:x}"#,
                n.below(60),
                n.below(4000),
                n.below(1 << 30)
            )
        };
        object(vec![
            ("name", self.text(|n| format!("image{}.exe", n.below(60)))),
            ("pid", self.int(|row| (row % 9001) as i32)),
            ("uid", self.text(guid)),
            ("cmd_line", self.text(command)),
            ("integrity", self.text(|n| ["Low", "Medium", "High", "System"][n.below(4) as usize].to_owned())),
            ("integrity_id", self.int(|row| (row % 4) as i32)),
            ("tid", self.no_int()),
            ("lineage", self.absent()),
            ("xattributes", self.absent()),
            ("sandbox", self.absent()),
            (
                "file",
                object(vec![
                    ("name", self.text(|n| format!("image{}.exe", n.below(60)))),
                    ("path", self.text(image)),
                    ("parent_folder", self.fixed(r"C:\Windows\System32")),
                    ("type_id", self.int(|_| 1)),
                    ("version", self.text(|n| format!("10.0.{}", n.below(30)))),
                    ("desc", self.rare()),
                    ("company_name", self.rare()),
                    ("owner", self.absent()),
                    ("product", self.absent()),
                    ("mime_type", self.absent()),
                    ("size", self.no_int()),
                    ("sha256", self.text(|n| format!("{:064x}", n.below(300).wrapping_mul(0x9E37_79B9_7F4A_7C15)))),
                ]),
            ),
            ("user", self.user()),
            ("session", object(vec![("uid", self.rare()), ("uuid", self.absent()), ("issuer", self.absent())])),
        ])
    }

    fn observables(&self) -> ArrayRef {
        let fields = Fields::from(vec![
            Field::new("name", DataType::Utf8, true),
            Field::new("type_id", DataType::Int32, true),
            Field::new("value", DataType::Utf8, true),
        ]);
        let element = Field::new("element", DataType::Struct(fields.clone()), true);
        let mut list = ListBuilder::new(StructBuilder::from_fields(fields, self.rows * 4)).with_field(element);
        let names = ["actor.process.file.path", "process.file.path", "device.hostname", "actor.user.name"];
        for row in 0..self.rows {
            for (item, name) in names.into_iter().enumerate() {
                let value = format!(r"C:\Windows\System32\image{}.exe", (row * 7 + item) % 60);
                let observable = list.values();
                observable.field_builder::<StringBuilder>(0).unwrap().append_value(name);
                observable.field_builder::<Int32Builder>(1).unwrap().append_value(item as i32);
                observable.field_builder::<StringBuilder>(2).unwrap().append_value(value);
                observable.append(true);
            }
            list.append(true);
        }
        Arc::new(list.finish())
    }

    fn unmapped(&self) -> ArrayRef {
        let names = MapFieldNames { entry: "key_value".into(), key: "key".into(), value: "value".into() };
        let mut map = MapBuilder::new(Some(names), StringBuilder::new(), StringBuilder::new());
        for row in 0..self.rows {
            for (key, value) in
                [("Description.Product", row % 40), ("Description.TerminalSessionId", row % 5), ("TimeCreated", row)]
            {
                map.keys().append_value(key);
                map.values().append_value(format!("value {value}"));
            }
            map.append(true).unwrap();
        }
        Arc::new(map.finish())
    }
}

fn object(fields: Vec<(&str, ArrayRef)>) -> ArrayRef {
    let fields: Vec<_> = fields
        .into_iter()
        .map(|(name, array)| (Arc::new(Field::new(name, array.data_type().clone(), true)), array))
        .collect();
    Arc::new(StructArray::from(fields))
}

criterion_group!(benches, sealing);

fn main() {
    if std::env::args().any(|argument| argument == "many-partitions") {
        many_partitions();
        return;
    }
    benches();
    Criterion::default().configure_from_args().final_summary();
}
