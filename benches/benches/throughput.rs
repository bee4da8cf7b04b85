//! MB/s of input on one thread, for each step by itself and for the whole flow.
//!
//! `cargo xtask bench` prints them as a table. `BENCH_EVENTS` is the number of events, 100,000 if it is not set.

#![allow(clippy::expect_used, missing_docs, reason = "a benchmark that cannot run should stop, and says why")]

use std::time::Duration;

use benches::{Failure, FirewallObject, SysmonStream, Workload};
use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, SamplingMode, Throughput, criterion_group, criterion_main};

fn throughput(c: &mut Criterion) {
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
    let object = FirewallObject::new(workload).expect("lines can be compressed");
    step(&mut group, "end to end", || object.run());
    group.finish();
}

fn group<'c>(c: &'c mut Criterion, source: &str, bytes: u64) -> BenchmarkGroup<'c, WallTime> {
    let mut group = c.benchmark_group(source);
    group.sample_size(10).sampling_mode(SamplingMode::Flat);
    group.warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(5));
    group.throughput(Throughput::Bytes(bytes));
    group
}

/// Each step includes those above it, down to the columns; sealing is by itself.
fn steps(group: &mut BenchmarkGroup<'_, WallTime>, workload: &Workload) {
    step(group, "parse", || workload.parse());
    step(group, "split", || workload.split());
    step(group, "map", || workload.map());
    step(group, "columns", || workload.columns());
    let columns = workload.columns().expect("the events are mapped");
    step(group, "seal", || workload.seal(&columns));
}

fn step<T>(group: &mut BenchmarkGroup<'_, WallTime>, name: &str, mut run: impl FnMut() -> Result<T, Failure>) {
    group.bench_function(name, |b| b.iter(|| run().expect("every event arrives")));
}

criterion_group!(benches, throughput);
criterion_main!(benches);
