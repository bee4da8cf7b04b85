//! The whole flow, as the functions run it, into a store in memory.

use std::io::Write;
use std::sync::Arc;

use flate2::Compression;
use flate2::write::GzEncoder;
use lake::parquet_object::SealSettings;
use lake::quarantine::Origin;
use pipeline::{DEFAULT_SOURCES, Naming, Settings, Sources, Stores, StreamRecord, transform_object, transform_records};
use store::MemoryStore;
use tokio::runtime::Runtime;

use crate::{Failure, Workload};

/// Payload bytes of one invocation: what Lambda hands over at most is 6 MB of base64.
const INVOCATION_BYTES: usize = 6_000_000 / 4 * 3;

/// Kinesis records of Sysmon events, in batches as large as Lambda hands over.
#[derive(Debug)]
pub struct SysmonStream {
    sources: Sources,
    settings: Settings,
    runtime: Runtime,
    /// The payloads of each invocation, in base64.
    invocations: Vec<Vec<String>>,
}

impl SysmonStream {
    /// One record for each event.
    ///
    /// # Errors
    /// The shipped configuration cannot be used.
    pub fn new(workload: &Workload) -> Result<Self, Failure> {
        let mut invocations = vec![Vec::new()];
        let mut bytes = 0;
        for line in workload.lines() {
            if bytes + line.len() > INVOCATION_BYTES {
                invocations.push(Vec::new());
                bytes = 0;
            }
            bytes += line.len();
            if let Some(invocation) = invocations.last_mut() {
                invocation.push(base64_simd::STANDARD.encode_to_string(line));
            }
        }
        let sources = Sources::from_text(DEFAULT_SOURCES, &|_| None)?;
        Ok(Self { sources, settings: settings()?, runtime: runtime()?, invocations })
    }

    /// base64 → decode → map → check → sort → Parquet → store. The number of objects and their bytes.
    ///
    /// # Errors
    /// An event did not arrive.
    pub fn run(&self) -> Result<(u64, u64), Failure> {
        let (mut objects, mut bytes) = (0, 0);
        for invocation in &self.invocations {
            let payloads = invocation.iter().map(|payload| base64_simd::STANDARD.decode_to_vec(payload));
            let payloads = payloads.collect::<Result<Vec<_>, _>>()?;
            let records: Vec<_> = payloads.iter().map(|data| record(data)).collect();
            let outcome =
                self.runtime.block_on(transform_records(&self.sources, &self.settings, &stores(), &records, || true));
            let arrived = outcome.counts.total_written() == records.len() as u64 && outcome.retry_from.is_none();
            if !arrived {
                return Err(format!("{outcome:?}").into());
            }
            objects += outcome.objects;
            bytes += outcome.bytes;
        }
        Ok((objects, bytes))
    }
}

fn record(data: &[u8]) -> StreamRecord<'_> {
    StreamRecord {
        sequence_number: "49590338271490256608559692538361571095921575989136588898",
        shard: "shardId-000000000000",
        stream: "arn:aws:kinesis:eu-central-1:123456789012:stream/sysmon",
        arrival: 1_790_000_000_000,
        data,
    }
}

/// A gzip object of Network Firewall lines.
#[derive(Debug)]
pub struct FirewallObject<'w> {
    workload: &'w Workload,
    settings: Settings,
    runtime: Runtime,
    object: Vec<u8>,
}

impl<'w> FirewallObject<'w> {
    /// All lines in one object.
    ///
    /// # Errors
    /// The lines cannot be compressed.
    pub fn new(workload: &'w Workload) -> Result<Self, Failure> {
        let mut object = GzEncoder::new(Vec::new(), Compression::default());
        for line in workload.lines() {
            object.write_all(line.as_bytes())?;
            object.write_all(b"\n")?;
        }
        Ok(Self { workload, settings: settings()?, runtime: runtime()?, object: object.finish()? })
    }

    /// gunzip → decode → map → check → sort → Parquet → store. The number of objects and their bytes.
    ///
    /// # Errors
    /// An event did not arrive.
    pub fn run(&self) -> Result<(u64, u64), Failure> {
        let origin = |position: sources::Position| Origin::S3 {
            bucket: "logs".to_owned(),
            key: "aws-network-firewall/object.log.gz".to_owned(),
            version: None,
            offset: position.offset,
            index: 0,
        };
        let outcome = transform_object(
            self.workload.source(),
            &self.settings,
            &stores(),
            self.runtime.handle(),
            self.object.as_slice(),
            &ObjectName,
            origin,
            || true,
        )?;
        if outcome.counts.total_written() != self.workload.lines().len() as u64 {
            return Err(format!("{outcome:?}").into());
        }
        Ok((outcome.objects, outcome.bytes))
    }
}

struct ObjectName;

impl Naming for ObjectName {
    fn label(&self) -> &str {
        "object"
    }

    fn identity(&self) -> Vec<String> {
        vec!["logs".to_owned(), "aws-network-firewall/object.log.gz".to_owned()]
    }
}

fn settings() -> Result<Settings, Failure> {
    Ok(Settings {
        region: "eu-central-1".parse()?,
        account: "123456789012".parse()?,
        seal: SealSettings::default(),
        memory: 256 << 20,
        bounds: Default::default(),
    })
}

/// Its one worker does nothing but hand objects to the store; the rest is done by the caller's thread.
fn runtime() -> Result<Runtime, Failure> {
    Ok(tokio::runtime::Builder::new_multi_thread().worker_threads(1).build()?)
}

/// Objects are dropped with the stores.
fn stores() -> Stores {
    Stores { lake: Arc::new(MemoryStore::default()), quarantine: Arc::new(MemoryStore::default()) }
}
