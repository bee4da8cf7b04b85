//! What a function does once, before its first event: part of every cold start.

#![allow(clippy::expect_used, missing_docs, reason = "a benchmark that cannot run should stop, and says why")]

use criterion::{Criterion, criterion_group, criterion_main};
use pipeline::{MappedSource, SHIPPED_MAPPINGS};

fn startup(c: &mut Criterion) {
    let mut group = c.benchmark_group("start");
    for (name, text) in SHIPPED_MAPPINGS {
        group.bench_function(name, |b| b.iter(|| MappedSource::new(name, text, &|_| None).expect("it is shipped")));
    }
    group.finish();
}

criterion_group!(benches, startup);
criterion_main!(benches);
