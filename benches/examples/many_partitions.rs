//! Events of which each has an account of its own, so that each becomes an object: the most that events can cost. They are
//! process creations of Sysmon, with some hundred columns; the store drops what is put.
//!
//! ```text
//! cargo run --release -p benches --example many_partitions 1000 10000 100000
//! ```

use std::io::{Cursor, Read};
use std::sync::Arc;

use benches::{Failure, cpu_time};
use bytes::Bytes;
use lake::quarantine::Origin;
use pipeline::{Bounds, MappedSource, Naming, Settings, Stores, transform_object};
use store::{BoxFuture, Chunks, Condition, ContentTag, Listed, MemoryStore, Store, StoreError};

const MAPPING: &str = r#"{"custom_source_events": {
    "source_name": "windows-sysmon", "extends": "windows-sysmon", "account": "$.Account", "ocsf_mapping": {}}}"#;

fn main() -> Result<(), Failure> {
    let source = MappedSource::new("windows-sysmon", MAPPING, &|_| None)?;
    let store: Arc<dyn Store> = Arc::new(Nowhere::default());
    let stores = Stores { lake: Arc::clone(&store), quarantine: store };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    for events in std::env::args().skip(1) {
        let events = events.parse()?;
        let settings = Settings {
            region: "eu-central-1".parse()?,
            account: "123456789012".parse()?,
            seal: Default::default(),
            // All events are in one batch.
            memory: usize::MAX,
            bounds: Bounds::NONE,
        };
        // The most memory counts from here.
        let _ = std::fs::write("/proc/self/clear_refs", "5");
        let began = cpu_time();
        let input = Events { next: 0, end: events, line: Cursor::default() };
        let origin = |_| Origin::File { name: String::new(), offset: 0, index: 0, line: None };
        let outcome = transform_object(&source, &settings, &stores, runtime.handle(), input, &Named, origin, || true)?;
        let took = (cpu_time() - began).as_secs_f64();
        if outcome.counts.total_written() != events || outcome.objects != events {
            return Err(format!("{outcome:?}").into());
        }
        println!(
            "{events:>7} events and objects: {took:>6.2} s, {:>4.0} µs an event, {:>5} MB of objects, {:>4} MB of memory",
            took * 1e6 / events as f64,
            outcome.bytes / 1_000_000,
            most_memory() / 1000
        );
    }
    Ok(())
}

/// The process's most memory in kB, where Linux says it.
fn most_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or_default()
}

/// Lines that are made when they are read.
struct Events {
    next: u64,
    end: u64,
    line: Cursor<String>,
}

impl Read for Events {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.line.read(buffer)?;
        if read > 0 || self.next == self.end {
            return Ok(read);
        }
        let event = samples::sysmon_event(1, self.next).unwrap_or_default();
        let rest = event.strip_prefix('{').unwrap_or_default();
        self.line = Cursor::new(format!("{{\"Account\":\"{:012}\",{rest}\n", self.next));
        self.next += 1;
        self.line.read(buffer)
    }
}

struct Named;

impl Naming for Named {
    fn label(&self) -> &str {
        "events"
    }

    fn identity(&self) -> Vec<String> {
        vec!["events".to_owned()]
    }
}

/// Drops what is put.
#[derive(Debug, Default)]
struct Nowhere(MemoryStore);

impl Store for Nowhere {
    fn put<'a>(&'a self, _: &'a str, _: Bytes) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async { Ok(()) })
    }

    fn put_if<'a>(
        &'a self,
        key: &'a str,
        bytes: Bytes,
        condition: Condition<'a>,
    ) -> BoxFuture<'a, Result<ContentTag, StoreError>> {
        self.0.put_if(key, bytes, condition)
    }

    fn get_tagged<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<(Bytes, ContentTag), StoreError>> {
        self.0.get_tagged(key)
    }

    fn remove<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<(), StoreError>> {
        self.0.remove(key)
    }

    fn read<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Chunks, StoreError>> {
        self.0.read(key)
    }

    fn list<'a>(&'a self, prefix: &'a str, after: &'a str) -> BoxFuture<'a, Result<Vec<Listed>, StoreError>> {
        self.0.list(prefix, after)
    }

    fn describe(&self) -> String {
        "nowhere".to_owned()
    }
}
