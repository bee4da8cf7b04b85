//! Where objects are kept: an S3 bucket, or a folder that looks like one.
//!
//! A [`Store`] puts whole objects, so that there is never half of one, and reads them in chunks. Keys are those of S3:
//! text with slashes, listed in the order of their bytes. [`open`] makes the store that a location names.
//!
//! [`aws`] is how every crate of this project sets up its AWS clients.

pub mod aws;
mod folder;
#[cfg(any(test, feature = "testing"))]
mod memory;
mod s3;

use std::fmt;
use std::future::Future;
use std::io::{self, Read};
use std::pin::Pin;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};

pub use folder::{FolderEntry, FolderStore, folder_entries};
#[cfg(any(test, feature = "testing"))]
pub use memory::{Fault, FaultyStore, MemoryStore, Operation, Outcome};
pub use s3::{S3Buckets, S3Store};

/// A future that can be sent between threads. `async fn` in a trait would not make one for `dyn Store`.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A place for objects.
pub trait Store: fmt::Debug + Send + Sync {
    /// Puts an object. It replaces one of the same key, and is durable and complete when this returns `Ok`.
    fn put<'a>(&'a self, key: &'a str, bytes: Bytes) -> BoxFuture<'a, Result<(), StoreError>>;

    /// Puts an object only if the key holds what `condition` says, compared and replaced in one step, and gives the tag of
    /// what is there now. Otherwise the error is [`StoreError::is_conflict`], and nothing has changed.
    ///
    /// Where only some writers of a key put with a condition, they are only safe from one another.
    fn put_if<'a>(
        &'a self,
        key: &'a str,
        bytes: Bytes,
        condition: Condition<'a>,
    ) -> BoxFuture<'a, Result<ContentTag, StoreError>>;

    /// A whole object of up to [`MAX_GET_BYTES`] with its tag, for [`Condition::Unchanged`].
    fn get_tagged<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<(Bytes, ContentTag), StoreError>>;

    /// Removes an object for good. That there is none is no error.
    fn remove<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<(), StoreError>>;

    /// Reads an object in chunks of moderate size. The error of a missing one is [`StoreError::is_not_found`].
    fn read<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Chunks, StoreError>>;

    /// Up to [`LIST_PAGE`] objects whose key begins with `prefix` and comes after the key `after` (empty for the first
    /// page), in the order of their keys' bytes. None is left when it is empty. See [`list_all`].
    fn list<'a>(&'a self, prefix: &'a str, after: &'a str) -> BoxFuture<'a, Result<Vec<Listed>, StoreError>>;

    /// What people call this store: `s3://bucket/prefix`, or the folder's path.
    fn describe(&self) -> String;

    /// A whole object of up to [`MAX_GET_BYTES`]. Larger ones are an error; [`Store::read`] them.
    fn get<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Bytes, StoreError>> {
        Box::pin(async move { self.read(key).await?.whole(key).await })
    }
}

/// What a key must hold for [`Store::put_if`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition<'a> {
    /// Nothing.
    Absent,
    /// Exactly what had this tag.
    Unchanged(&'a ContentTag),
}

/// What tells the content of a key from another: an ETag.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ContentTag(pub(crate) String);

/// How many objects [`Store::list`] gives at most.
pub const LIST_PAGE: usize = 1000;

/// The largest object that [`Store::get`] gives, in bytes.
pub const MAX_GET_BYTES: u64 = 1_000_000_000;

/// An object seen in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its key in the store.
    pub key: String,
    /// Its size in bytes.
    pub bytes: u64,
    /// What tells its content from any other that the key has had: the ETag in S3. Folders have none.
    pub tag: Option<String>,
}

/// The bytes of an object as they arrive.
pub struct Chunks {
    length: Option<u64>,
    version: Option<String>,
    etag: Option<String>,
    source: Box<dyn ChunkSource>,
}

/// What [`Chunks`] come from.
pub(crate) trait ChunkSource: Send {
    /// The next bytes, or `None` at the end.
    fn next(&mut self) -> BoxFuture<'_, Result<Option<Bytes>, StoreError>>;
}

impl Chunks {
    pub(crate) fn new(length: Option<u64>, source: impl ChunkSource + 'static) -> Self {
        Self { length, version: None, etag: None, source: Box::new(source) }
    }

    pub(crate) fn with_tags(self, version: Option<String>, etag: Option<String>) -> Self {
        Self { version, etag, ..self }
    }

    /// Size of the whole object in bytes, if the store says.
    pub fn length(&self) -> Option<u64> {
        self.length
    }

    /// What tells this content from any other that the key has had: the version in S3, else the ETag. Folders have none.
    pub fn tag(&self) -> Option<&str> {
        self.version().or(self.etag())
    }

    /// The object's version, in buckets that keep versions.
    pub fn version(&self) -> Option<&str> {
        self.version.as_deref()
    }

    /// The object's ETag, which [`Listed::tag`] has too.
    pub fn etag(&self) -> Option<&str> {
        self.etag.as_deref()
    }

    /// The next bytes, or `None` at the end.
    ///
    /// # Errors
    /// The object could not be read further. What came before must then not be taken for all of it.
    pub async fn next(&mut self) -> Result<Option<Bytes>, StoreError> {
        self.source.next().await
    }
}

impl Chunks {
    /// All bytes, up to [`MAX_GET_BYTES`].
    pub(crate) async fn whole(mut self, key: &str) -> Result<Bytes, StoreError> {
        let too_large = || StoreError::new(Kind::Permanent, "get", key, "the object is larger than 1 GB");
        if self.length().is_some_and(|length| length > MAX_GET_BYTES) {
            return Err(too_large());
        }
        let mut whole = BytesMut::new();
        while let Some(chunk) = self.next().await? {
            if (whole.len() + chunk.len()) as u64 > MAX_GET_BYTES {
                return Err(too_large());
            }
            whole.extend_from_slice(&chunk);
        }
        Ok(whole.freeze())
    }

    /// The same as a blocking reader, for decoders that know nothing of futures. It must be read on a thread that may
    /// block (`spawn_blocking`), and `runtime` is what drives the store meanwhile.
    ///
    /// The errors that it gives hold the [`StoreError`]: see [`StoreError::of_io`].
    pub fn into_read(self, runtime: tokio::runtime::Handle) -> ChunkReader {
        ChunkReader { chunks: self, runtime, rest: Bytes::new() }
    }
}

/// Reads an object's bytes as they arrive. Made by [`Chunks::into_read`].
#[derive(Debug)]
pub struct ChunkReader {
    chunks: Chunks,
    runtime: tokio::runtime::Handle,
    rest: Bytes,
}

impl Read for ChunkReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.rest.is_empty() {
            match self.runtime.block_on(self.chunks.next()) {
                Ok(Some(chunk)) => self.rest = chunk,
                Ok(None) => return Ok(0),
                Err(error) => return Err(io::Error::other(error)),
            }
        }
        let read = buffer.len().min(self.rest.len());
        buffer[..read].copy_from_slice(&self.rest.split_to(read));
        Ok(read)
    }
}

impl fmt::Debug for Chunks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Chunks").field("length", &self.length).finish_non_exhaustive()
    }
}

/// All objects whose key begins with `prefix`, page by page. For tests and for prefixes known to be small.
///
/// # Errors
/// The first error of [`Store::list`].
pub async fn list_all(store: &dyn Store, prefix: &str) -> Result<Vec<Listed>, StoreError> {
    let mut all: Vec<Listed> = Vec::new();
    loop {
        let after = all.last().map(|last| last.key.clone()).unwrap_or_default();
        let page = store.list(prefix, &after).await?;
        if page.is_empty() {
            return Ok(all);
        }
        all.extend(page);
    }
}

/// The store that `location` names: `s3://bucket`, `s3://bucket/prefix`, or a folder.
///
/// For S3, credentials, Region and endpoint come from the environment, see [`crate::aws::sdk_config`]. Nothing is sent
/// and no folder is made before the first put.
///
/// # Errors
/// A location that names no bucket, another scheme, or S3 without a Region.
pub async fn open(location: &str) -> Result<Arc<dyn Store>, StoreError> {
    let refuse = |why: &str| Err(StoreError::new(Kind::Permanent, "open", location, why));
    if let Some(place) = location.strip_prefix("s3://") {
        let (bucket, prefix) = place.split_once('/').unwrap_or((place, ""));
        if !is_bucket_name(bucket) {
            return refuse("after s3:// comes the name of a bucket: 3 to 63 of a-z 0-9 . -");
        }
        let config = crate::aws::sdk_config().await;
        if config.region().is_none() {
            return refuse("no Region is set; set AWS_REGION or a profile's region");
        }
        return Ok(Arc::new(S3Store::new(crate::aws::s3_client(&config), bucket, prefix)));
    }
    if location.is_empty() || location.contains("://") {
        return refuse("a location is s3://bucket/prefix or a folder");
    }
    Ok(Arc::new(FolderStore::new(location)))
}

fn is_bucket_name(text: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'.' || b == b'-';
    (3..=63).contains(&text.len()) && text.bytes().all(allowed)
}

/// A store that failed.
///
/// What to do follows from its kind: a [transient](StoreError::is_transient) failure may pass if the same is tried
/// again later; any other stays until a person changes something.
#[derive(Debug, thiserror::Error)]
#[error("{operation} {location}: {message}")]
pub struct StoreError {
    kind: Kind,
    operation: &'static str,
    location: String,
    message: String,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    NotFound,
    Conflict,
    Transient,
    Permanent,
}

impl StoreError {
    pub(crate) fn new(kind: Kind, operation: &'static str, location: &str, message: impl Into<String>) -> Self {
        Self { kind, operation, location: location.to_owned(), message: message.into(), source: None }
    }

    pub(crate) fn caused_by(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// The store's error behind an error of reading, where there is one.
    pub fn of_io(error: &io::Error) -> Option<&StoreError> {
        error.get_ref()?.downcast_ref()
    }

    /// Whether there is no object of that key.
    pub fn is_not_found(&self) -> bool {
        self.kind == Kind::NotFound
    }

    /// Whether the condition of [`Store::put_if`] did not hold: somebody else was there before.
    pub fn is_conflict(&self) -> bool {
        self.kind == Kind::Conflict
    }

    /// Whether the same may succeed later without anybody changing anything: throttling, time-outs, lost connections,
    /// faults on the server's side.
    pub fn is_transient(&self) -> bool {
        self.kind == Kind::Transient
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_blocking_reader_gives_all_bytes_and_the_stores_error() {
        let store = MemoryStore::default();
        let bytes: Bytes = (0..200_000_u32).map(|n| n as u8).collect::<Vec<_>>().into();
        store.put("a", bytes.clone()).await.unwrap();
        let runtime = tokio::runtime::Handle::current();
        let mut reader = store.read("a").await.unwrap().into_read(runtime.clone());
        let read = tokio::task::spawn_blocking(move || {
            let mut read = Vec::new();
            reader.read_to_end(&mut read).map(|_| read)
        });
        assert_eq!(read.await.unwrap().unwrap(), bytes);

        let faulty = FaultyStore::new(store).with(Fault::transient(Operation::Read).halfway());
        let mut reader = faulty.read("a").await.unwrap().into_read(runtime);
        let failed = tokio::task::spawn_blocking(move || reader.read_to_end(&mut Vec::new())).await.unwrap();
        assert!(StoreError::of_io(&failed.unwrap_err()).unwrap().is_transient());
    }

    #[tokio::test]
    async fn a_location_is_a_bucket_or_a_folder() {
        assert_eq!(open("./lake").await.unwrap().describe(), "./lake");
        for (location, why) in [
            ("", "a location is s3://bucket/prefix or a folder"),
            ("gs://bucket", "a location is s3://bucket/prefix or a folder"),
            ("s3://", "after s3:// comes the name of a bucket: 3 to 63 of a-z 0-9 . -"),
            ("s3://My_Bucket/x", "after s3:// comes the name of a bucket: 3 to 63 of a-z 0-9 . -"),
        ] {
            let error = open(location).await.unwrap_err();
            assert_eq!(error.to_string(), format!("open {location}: {why}"));
            assert!(!error.is_transient());
        }
    }
}
