//! Sends real logs through the pipeline, for the tests of this package.
//!
//! The logs are not part of the project, because their licences differ. They are in `../shared/data`, if anywhere. Without
//! them, tests say that they are skipped.

use std::error::Error;
use std::io::Read;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use lake::quarantine::Origin;
use ocsf::schema::Schema;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use pipeline::{Bounds, Counts, MappedSource, Naming, Settings, Stores, shipped_mapping, transform_object};
use serde_json::Value;
use store::MemoryStore;

/// Any error, since this is test code.
pub type Fallible<T> = Result<T, Box<dyn Error>>;

/// The decompressed content of a log file, or of each file of a folder. `None`, with a message on standard output, if the
/// logs are not there.
///
/// # Errors
/// A file exists but cannot be read.
pub fn log_files(name: &str) -> Fallible<Option<Vec<Vec<u8>>>> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    if !folder.is_dir() {
        println!("skipped: ../shared/data is not here");
        return Ok(None);
    }
    let path = folder.join(name);
    let mut paths = vec![path.clone()];
    if path.is_dir() {
        paths = std::fs::read_dir(path)?.map(|entry| Ok(entry?.path())).collect::<Fallible<_>>()?;
        paths.sort();
    }
    Ok(Some(paths.iter().map(|path| plain(std::fs::read(path)?)).collect::<Fallible<_>>()?))
}

fn plain(bytes: Vec<u8>) -> Fallible<Vec<u8>> {
    if !bytes.starts_with(&[0x1f, 0x8b]) {
        return Ok(bytes);
    }
    let mut plain = Vec::new();
    flate2::read::MultiGzDecoder::new(bytes.as_slice()).read_to_end(&mut plain)?;
    Ok(plain)
}

/// The source of a shipped mapping config.
///
/// # Errors
/// The name is not shipped, or the config has errors.
pub fn shipped_source(name: &str) -> Fallible<MappedSource> {
    let text = shipped_mapping(name).ok_or("not shipped")?;
    Ok(MappedSource::new(name, text, &|_| None)?)
}

/// The result of a run over an input.
#[derive(Debug)]
pub struct Run {
    /// The number of events by outcome.
    pub counts: Counts,
    /// Objects of the lake and of quarantine, by key.
    pub objects: Vec<(String, Bytes)>,
}

struct Named;

impl Naming for Named {
    fn label(&self) -> &str {
        "real"
    }

    fn identity(&self) -> Vec<String> {
        vec!["real".to_owned()]
    }
}

/// Transforms an input into objects in memory.
///
/// # Errors
/// An error of the pipeline.
pub fn transform(source: &MappedSource, input: &[u8], memory: usize) -> Fallible<Run> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let store = Arc::new(MemoryStore::default());
    let stores = Stores { lake: store.clone(), quarantine: store.clone() };
    let settings = Settings {
        region: "us-east-1".parse()?,
        account: "external".parse()?,
        seal: Default::default(),
        memory,
        bounds: Bounds::NONE,
    };
    let origin = |position: sources::Position| Origin::File {
        name: "real".to_owned(),
        offset: position.offset,
        index: position.index,
        line: position.line,
    };
    let outcome = transform_object(source, &settings, &stores, runtime.handle(), input, &Named, origin, || true)?;
    Ok(Run { counts: outcome.counts, objects: store.objects().into_iter().collect() })
}

impl Run {
    /// The objects of the lake.
    pub fn lake_objects(&self) -> impl Iterator<Item = &(String, Bytes)> {
        self.objects.iter().filter(|(key, _)| key.starts_with("ext/"))
    }
}

/// The rows of an object as OCSF JSON.
///
/// # Errors
/// The bytes are not a Parquet file of OCSF events.
pub fn rows(schema: &'static Schema, object: &Bytes) -> Fallible<Vec<Value>> {
    let mut rows = Vec::new();
    for batch in ParquetRecordBatchReaderBuilder::try_new(object.clone())?.build()? {
        rows.extend(ocsf::rows_to_json(schema, &batch?)?);
    }
    Ok(rows)
}
