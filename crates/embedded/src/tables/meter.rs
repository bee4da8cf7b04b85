//! What a statement reads of the lake's objects, counted where it is read, and stopped where the limit is.

use std::collections::HashSet;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult,
};
use parking_lot::Mutex;

/// The store of the lake's folder as DataFusion knows it.
pub(crate) const STORE_URL: &str = "lake:///";

/// Counts for one statement.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    bytes: AtomicU64,
    objects: Mutex<HashSet<Path>>,
    limit: Option<u64>,
    exceeded: AtomicBool,
}

impl Meter {
    pub(crate) fn new(limit: Option<u64>) -> Self {
        Self { limit, ..Self::default() }
    }

    /// Bytes of footers, page indexes and column chunks that were read. What a statement before read of a footer is kept.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Objects of which something was read.
    pub(crate) fn objects(&self) -> u64 {
        self.objects.lock().len() as u64
    }

    /// The limit, if a read was refused for it.
    pub(crate) fn exceeded(&self) -> Option<u64> {
        self.limit.filter(|_| self.exceeded.load(Ordering::Relaxed))
    }

    fn count(&self, path: &Path, bytes: u64) -> object_store::Result<()> {
        let mut objects = self.objects.lock();
        if !objects.contains(path) {
            objects.insert(path.clone());
        }
        drop(objects);
        let before = self.bytes.fetch_add(bytes, Ordering::Relaxed);
        match self.limit {
            Some(limit) if before.saturating_add(bytes) > limit => {
                self.exceeded.store(true, Ordering::Relaxed);
                Err(Error::Generic { store: "lake", source: "the limit of bytes is reached".into() })
            }
            _ => Ok(()),
        }
    }

    /// `store`, with all reads counted here.
    pub(crate) fn over(self: &Arc<Self>, store: Arc<dyn ObjectStore>) -> Arc<dyn ObjectStore> {
        Arc::new(Metered { store, meter: Arc::clone(self) })
    }
}

/// A store that can only be read.
#[derive(Debug)]
struct Metered {
    store: Arc<dyn ObjectStore>,
    meter: Arc<Meter>,
}

impl fmt::Display for Metered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("lake")
    }
}

fn read_only() -> Error {
    Error::NotSupported { source: "queries do not write".into() }
}

#[async_trait]
impl ObjectStore for Metered {
    async fn put_opts(&self, _: &Path, _: PutPayload, _: PutOptions) -> object_store::Result<PutResult> {
        Err(read_only())
    }

    async fn put_multipart_opts(
        &self,
        _: &Path,
        _: PutMultipartOptions,
    ) -> object_store::Result<Box<dyn MultipartUpload>> {
        Err(read_only())
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> object_store::Result<GetResult> {
        let head = options.head;
        let result = self.store.get_opts(location, options).await?;
        if !head {
            self.meter.count(location, result.range.end - result.range.start)?;
        }
        Ok(result)
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> object_store::Result<Vec<Bytes>> {
        self.meter.count(location, ranges.iter().map(|range| range.end - range.start).sum())?;
        self.store.get_ranges(location, ranges).await
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, object_store::Result<Path>>,
    ) -> BoxStream<'static, object_store::Result<Path>> {
        drop(locations);
        Box::pin(futures::stream::once(async { Err(read_only()) }))
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, object_store::Result<ObjectMeta>> {
        self.store.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> object_store::Result<ListResult> {
        self.store.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, _: &Path, _: &Path, _: CopyOptions) -> object_store::Result<()> {
        Err(read_only())
    }
}
