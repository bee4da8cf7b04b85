//! MB/s of input for each step by itself and for the whole flow, in processor time of one thread.
//!
//! `cargo bench -p benches` prints them. `BENCH_EVENTS` is the number of events, 100,000 if it is not set.

#![allow(clippy::expect_used, missing_docs, reason = "a benchmark that cannot run should stop, and says why")]

use std::time::Duration;

use benches::{Failure, FirewallObject, SysmonStream, Workload, cpu_time};
use criterion::measurement::{Measurement, ValueFormatter, WallTime};
use criterion::{BenchmarkGroup, Criterion, SamplingMode, Throughput, criterion_group, criterion_main};

fn throughput(c: &mut Criterion<CpuTime>) {
    let events = std::env::var("BENCH_EVENTS").ok().and_then(|events| events.parse().ok()).unwrap_or(100_000);

    let workload = Workload::sysmon(events).expect("the mapping config is shipped");
    let mut group = group(c, "sysmon", workload.bytes());
    steps(&mut group, &workload);
    let stream = SysmonStream::new(&workload).expect("its configuration is shipped");
    step(&mut group, "end to end", || stream.run());
    group.finish();

    let workload = Workload::network_firewall(events).expect("the mapping config is shipped");
    let mut group = self::group(c, "network firewall", workload.bytes());
    steps(&mut group, &workload);
    let object = FirewallObject::new(&workload).expect("lines can be compressed");
    step(&mut group, "end to end", || object.run());
    group.finish();
}

fn group<'c>(c: &'c mut Criterion<CpuTime>, source: &str, bytes: u64) -> BenchmarkGroup<'c, CpuTime> {
    let mut group = c.benchmark_group(source);
    group.sample_size(10).sampling_mode(SamplingMode::Flat);
    group.warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(5));
    group.throughput(Throughput::Bytes(bytes));
    group
}

/// Each step from `parse` on includes those above it, down to the columns; sealing is by itself.
fn steps(group: &mut BenchmarkGroup<'_, CpuTime>, workload: &Workload) {
    step(group, "yardstick", || workload.yardstick());
    step(group, "parse", || workload.parse());
    step(group, "split", || workload.split());
    step(group, "map", || workload.map());
    step(group, "columns", || workload.columns());
    let columns = workload.columns().expect("the events are mapped");
    step(group, "seal", || workload.seal(&columns));
}

fn step<T>(group: &mut BenchmarkGroup<'_, CpuTime>, name: &str, mut run: impl FnMut() -> Result<T, Failure>) {
    group.bench_function(name, |b| b.iter(|| run().expect("every event arrives")));
}

/// Processor time, so that figures can be compared on a machine that is busy with other things.
struct CpuTime;

impl Measurement for CpuTime {
    type Intermediate = Duration;
    type Value = Duration;

    fn start(&self) -> Duration {
        cpu_time()
    }

    fn end(&self, began: Duration) -> Duration {
        cpu_time() - began
    }

    fn add(&self, one: &Duration, other: &Duration) -> Duration {
        *one + *other
    }

    fn zero(&self) -> Duration {
        Duration::ZERO
    }

    fn to_f64(&self, time: &Duration) -> f64 {
        WallTime.to_f64(time)
    }

    fn formatter(&self) -> &dyn ValueFormatter {
        WallTime.formatter()
    }
}

criterion_group!(name = benches; config = Criterion::default().with_measurement(CpuTime); targets = throughput);
criterion_main!(benches);
