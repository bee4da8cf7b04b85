//! A folder as a store: what a bucket holds under a key, the folder holds in the file of that path.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::{Component, Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use tokio::io::AsyncReadExt;

use crate::{BoxFuture, ChunkSource, Chunks, Condition, ContentTag, Kind, LIST_PAGE, Listed, Store, StoreError};

/// Objects as files below a folder.
///
/// A put writes a temporary file beside the place, syncs it, and renames it, so that a reader sees the old object, the
/// new one, or none, and a crash leaves at most a `.sluice-put-*` file, which is no object. Keys cannot leave the
/// folder: a symbolic link to a folder below the root is an error wherever a key or a list meets it. The root itself may
/// be a link, and so may a file. See [`FolderEntry::is_folder`].
///
/// ```
/// use store::{FolderStore, Store};
///
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// # let folder = tempfile::tempdir()?;
/// let store = FolderStore::new(folder.path());
/// store.put("a/b", "bytes".into()).await?;
/// assert_eq!(&store.get("a/b").await?[..], b"bytes");
/// assert!(store.put("../b", "bytes".into()).await.is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct FolderStore {
    root: PathBuf,
}

/// What the names of unfinished files begin with. No key has such a segment.
const TEMPORARY: &str = ".sluice-put-";
/// Locked by conditional puts; begins as a temporary file does, so that it is no object.
const LOCK: &str = ".sluice-put-lock";
const CHUNK_BYTES: usize = 1 << 20;

impl FolderStore {
    /// The store in `root`, which the first put makes if it is missing.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// The file of a key.
    fn path(&self, operation: &'static str, key: &str) -> Result<PathBuf, StoreError> {
        let mut path = self.root.clone();
        for segment in key.split('/') {
            if !is_file_name(segment) || segment.starts_with(TEMPORARY) {
                let why = format!("{segment:?} in the key cannot be a file or folder");
                return Err(StoreError::new(Kind::Permanent, operation, key, why));
            }
            path.push(segment);
        }
        self.refuse_links_above(&path).map_err(|error| io_error(operation, key, error))?;
        Ok(path)
    }

    /// Fails if a folder between the root and `path` is a symbolic link. What is not there yet is none.
    fn refuse_links_above(&self, path: &Path) -> io::Result<()> {
        let folders = path.ancestors().skip(1).take_while(|folder| *folder != self.root);
        for folder in folders {
            if fs::symlink_metadata(folder).is_ok_and(|metadata| metadata.is_symlink()) {
                return Err(linked_folder(folder));
            }
        }
        Ok(())
    }
}

/// A file or folder in a folder of a store.
///
/// Everything that walks a lake on disk goes through [`folder_entries`] and [`is_folder`](FolderEntry::is_folder), so that
/// all commands see the same lake.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct FolderEntry {
    /// Its name.
    pub name: String,
    /// Where it is.
    pub path: PathBuf,
    kind: EntryKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum EntryKind {
    File,
    Folder,
    Link,
}

impl FolderEntry {
    /// Whether it is a folder.
    ///
    /// # Errors
    /// A symbolic link to a folder, or to nothing. Following links would let a lake contain itself, or read a partition
    /// twice under two names; skipping them would lose events without a word.
    pub fn is_folder(&self) -> io::Result<bool> {
        match self.kind {
            EntryKind::File => Ok(false),
            EntryKind::Folder => Ok(true),
            EntryKind::Link => match fs::metadata(&self.path) {
                Ok(metadata) if metadata.is_dir() => Err(linked_folder(&self.path)),
                Ok(_) => Ok(false),
                Err(error) if error.kind() == ErrorKind::NotFound && fs::symlink_metadata(&self.path).is_ok() => {
                    let path = self.path.display();
                    Err(io::Error::other(format!("{path} is a symbolic link to nothing; remove it")))
                }
                // Removed meanwhile.
                Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
                Err(error) => Err(error),
            },
        }
    }
}

fn linked_folder(path: &Path) -> io::Error {
    io::Error::other(format!(
        "{} is a symbolic link to a folder, and no folder of a lake may be one; move the folder here in its place, or \
         bind-mount it",
        path.display()
    ))
}

/// The entries of a folder of a store, sorted by name. Unfinished puts are none, nor are names that are not UTF-8, which
/// no key has. A folder that is not there has none.
///
/// # Errors
/// The folder cannot be read.
pub fn folder_entries(folder: &Path) -> io::Result<Vec<FolderEntry>> {
    let entries = match fs::read_dir(folder) {
        // A store nobody has put into yet, or a folder removed meanwhile.
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        other => other?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry?;
        let file_type = entry.file_type()?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        if name.starts_with(TEMPORARY) {
            continue;
        }
        let kind = match (file_type.is_dir(), file_type.is_symlink()) {
            (true, _) => EntryKind::Folder,
            (_, true) => EntryKind::Link,
            _ => EntryKind::File,
        };
        found.push(FolderEntry { name, path: entry.path(), kind });
    }
    found.sort();
    Ok(found)
}

/// Whether a key segment is a plain file name on every operating system, so that it cannot leave its folder.
fn is_file_name(segment: &str) -> bool {
    let mut components = Path::new(segment).components();
    let single =
        matches!(components.next(), Some(Component::Normal(name)) if name == segment) && components.next().is_none();
    single && !segment.contains(['\\', '\0'])
}

impl Store for FolderStore {
    fn put<'a>(&'a self, key: &'a str, bytes: Bytes) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            let path = self.path("put", key)?;
            blocking("put", key, move || write_whole(&path, &bytes)).await
        })
    }

    fn put_if<'a>(
        &'a self,
        key: &'a str,
        bytes: Bytes,
        condition: Condition<'a>,
    ) -> BoxFuture<'a, Result<ContentTag, StoreError>> {
        Box::pin(async move {
            let path = self.path("put", key)?;
            let wanted = match condition {
                Condition::Absent => None,
                Condition::Unchanged(tag) => Some(tag.clone()),
            };
            let put = blocking("put", key, move || {
                let tag = tag_of(&bytes);
                let _lock = lock_folder_of(&path)?;
                let there = match fs::read(&path) {
                    Ok(content) => Some(tag_of(&content)),
                    Err(error) if error.kind() == ErrorKind::NotFound => None,
                    Err(error) => return Err(error),
                };
                if there != wanted {
                    return Ok(None);
                }
                write_whole(&path, &bytes)?;
                Ok(Some(tag))
            });
            let conflict = || StoreError::new(Kind::Conflict, "put", key, "the object is another");
            put.await?.ok_or_else(conflict)
        })
    }

    fn get_tagged<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<(Bytes, ContentTag), StoreError>> {
        Box::pin(async move {
            let bytes = self.get(key).await?;
            let tag = tag_of(&bytes);
            Ok((bytes, tag))
        })
    }

    fn remove<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            let path = self.path("remove", key)?;
            blocking("remove", key, move || match fs::remove_file(path) {
                Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(()),
                removed => removed,
            })
            .await
        })
    }

    fn read<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Chunks, StoreError>> {
        Box::pin(async move {
            let path = self.path("read", key)?;
            let failed = |error: io::Error| match error.kind() {
                // A file stands where the key has a folder, so there is no such object.
                ErrorKind::NotADirectory => io_error("read", key, ErrorKind::NotFound.into()),
                _ => io_error("read", key, error),
            };
            let file = tokio::fs::File::open(path).await.map_err(failed)?;
            let metadata = file.metadata().await.map_err(failed)?;
            if !metadata.is_file() {
                return Err(io_error("read", key, ErrorKind::NotFound.into()));
            }
            Ok(Chunks::new(Some(metadata.len()), FileChunks { file, key: key.to_owned() }))
        })
    }

    fn list<'a>(&'a self, prefix: &'a str, after: &'a str) -> BoxFuture<'a, Result<Vec<Listed>, StoreError>> {
        let (root, owned_prefix, after) = (self.root.clone(), prefix.to_owned(), after.to_owned());
        Box::pin(blocking("list", prefix, move || {
            let mut found = Vec::new();
            walk(&root, "", &owned_prefix, &after, &mut found)?;
            Ok(found)
        }))
    }

    fn describe(&self) -> String {
        self.root.display().to_string()
    }
}

/// Runs what waits for the disk where it holds up nobody.
async fn blocking<T: Send + 'static>(
    operation: &'static str,
    key: &str,
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, StoreError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done.map_err(|error| io_error(operation, key, error)),
        Err(stopped) => {
            Err(StoreError::new(Kind::Transient, operation, key, "the work was stopped").caused_by(stopped))
        }
    }
}

fn io_error(operation: &'static str, key: &str, error: io::Error) -> StoreError {
    let kind = match error.kind() {
        ErrorKind::NotFound => Kind::NotFound,
        ErrorKind::Interrupted
        | ErrorKind::TimedOut
        | ErrorKind::WouldBlock
        | ErrorKind::ResourceBusy
        | ErrorKind::StaleNetworkFileHandle => Kind::Transient,
        _ => Kind::Permanent,
    };
    StoreError::new(kind, operation, key, error.to_string()).caused_by(error)
}

fn tag_of(bytes: &[u8]) -> ContentTag {
    ContentTag(blake3::hash(bytes).to_hex().to_string())
}

/// Keeps other conditional puts out of the folder of `path`, in this process and others, until it is dropped.
fn lock_folder_of(path: &Path) -> io::Result<File> {
    let folder = path.parent().ok_or(ErrorKind::InvalidInput)?;
    fs::create_dir_all(folder)?;
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(folder.join(LOCK))?;
    file.lock()?;
    Ok(file)
}

fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path.parent().ok_or(ErrorKind::InvalidInput)?;
    fs::create_dir_all(folder)?;
    let (temporary, mut file) = create_temporary(folder)?;
    let written = file.write_all(bytes).and_then(|()| file.sync_all());
    drop(file);
    let renamed = written.and_then(|()| fs::rename(&temporary, path));
    if renamed.is_err() {
        // The first error is the one to tell.
        let _ = fs::remove_file(&temporary);
    }
    renamed?;
    sync_folder(folder)
}

fn create_temporary(folder: &Path) -> io::Result<(PathBuf, File)> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    loop {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = folder.join(format!("{TEMPORARY}{}-{number}", std::process::id()));
        match OpenOptions::new().write(true).create_new(true).open(&path) {
            // Left behind by a process that had the same number.
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            other => return other.map(|file| (path, file)),
        }
    }
}

/// Makes a rename survive a crash. Only Unix can sync a folder.
fn sync_folder(folder: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}

/// Adds the files below `folder`, whose keys begin with `parent`, in the order of their keys until a page is full.
fn walk(folder: &Path, parent: &str, prefix: &str, after: &str, found: &mut Vec<Listed>) -> io::Result<()> {
    let mut children = Vec::new();
    for entry in folder_entries(folder)? {
        let key = format!("{parent}{}", entry.name);
        // Whether it is a folder is asked only of what the list is about: a link elsewhere is none of its business.
        let as_folder = format!("{key}/");
        let may_be_folder = entry.kind != EntryKind::File;
        let may_match = key.starts_with(prefix) || (may_be_folder && prefix.starts_with(&as_folder));
        if !may_match {
            continue;
        }
        let is_folder = entry.is_folder()?;
        // Between its siblings a folder stands where its keys do, that is with the slash.
        let key = if is_folder { as_folder } else { key };
        if key.as_str() > after || (is_folder && after.starts_with(&key)) {
            children.push((key, entry.path, is_folder));
        }
    }
    children.sort();
    for (key, path, is_folder) in children {
        if found.len() == LIST_PAGE {
            return Ok(());
        }
        if is_folder {
            walk(&path, &key, prefix, after, found)?;
            continue;
        }
        match fs::metadata(&path) {
            Ok(metadata) if metadata.is_file() => found.push(Listed { key, bytes: metadata.len(), tag: None }),
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

struct FileChunks {
    file: tokio::fs::File,
    key: String,
}

impl ChunkSource for FileChunks {
    fn next(&mut self) -> BoxFuture<'_, Result<Option<Bytes>, StoreError>> {
        Box::pin(async move {
            let mut chunk = Vec::with_capacity(CHUNK_BYTES);
            let read = self.file.read_buf(&mut chunk).await;
            let length = read.map_err(|error| io_error("read", &self.key, error))?;
            Ok((length > 0).then(|| chunk.into()))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::list_all;

    fn store() -> (tempfile::TempDir, FolderStore) {
        let folder = tempfile::tempdir().unwrap();
        let store = FolderStore::new(folder.path().join("lake"));
        (folder, store)
    }

    #[tokio::test]
    async fn what_is_put_is_got_and_a_second_put_replaces_it() {
        let (_folder, store) = store();
        let large: Bytes = (0..3_000_000_u32).map(|n| n as u8).collect::<Vec<_>>().into();
        for bytes in [Bytes::from_static(b"first"), large, Bytes::new()] {
            store.put("ext/a/b.parquet", bytes.clone()).await.unwrap();
            assert_eq!(store.get("ext/a/b.parquet").await.unwrap(), bytes);
        }
        assert_eq!(store.read("ext/a/b.parquet").await.unwrap().length(), Some(0));
    }

    #[tokio::test]
    async fn what_is_removed_is_gone_and_nothing_else() {
        let (_folder, store) = store();
        store.put("a/b", Bytes::new()).await.unwrap();
        store.put("a/c", Bytes::new()).await.unwrap();
        for key in ["a/b", "a/b", "x/y", "a/c/d"] {
            store.remove(key).await.unwrap();
        }
        assert_eq!(
            list_all(&store, "").await.unwrap().into_iter().map(|listed| listed.key).collect::<Vec<_>>(),
            ["a/c"]
        );
        for key in ["a", "../lake/a/c", ""] {
            assert!(store.remove(key).await.is_err(), "{key:?}");
        }
        assert!(store.get("a/c").await.is_ok());
    }

    #[tokio::test]
    async fn of_conditional_puts_at_the_same_time_one_wins() {
        let (_folder, store) = store();
        let race = async |round: usize, condition: Option<ContentTag>| {
            let puts = (0..8_u8).map(|n| {
                let (store, condition) = (store.clone(), condition.clone());
                tokio::spawn(async move {
                    let condition = condition.as_ref().map_or(Condition::Absent, Condition::Unchanged);
                    store.put_if("s/a", vec![n; round].into(), condition).await
                })
            });
            let mut won = Vec::new();
            for put in puts.collect::<Vec<_>>() {
                match put.await.unwrap() {
                    Ok(tag) => won.push(tag),
                    Err(error) => assert!(error.is_conflict(), "{error}"),
                }
            }
            assert_eq!(won.len(), 1);
            let (_, tag) = store.get_tagged("s/a").await.unwrap();
            assert_eq!(won[0], tag);
            tag
        };
        let first = race(1, None).await;
        let second = race(2, Some(first.clone())).await;
        assert_ne!(first, second);
        let stale = store.put_if("s/a", Bytes::new(), Condition::Unchanged(&first)).await.unwrap_err();
        assert!(stale.is_conflict() && !stale.is_transient());
        let missing = store.put_if("s/b", Bytes::new(), Condition::Unchanged(&first)).await.unwrap_err();
        assert!(missing.is_conflict());
        assert_eq!(list_all(&store, "").await.unwrap().len(), 1, "the lock is no object");
    }

    #[tokio::test]
    async fn no_key_leaves_the_folder() {
        let (folder, store) = store();
        for key in ["../x", "a/../../x", "/x", "a//x", "", ".", "a/", "a/./x", "a\\..\\x", "a\0", ".sluice-put-1-1"] {
            let error = store.put(key, Bytes::from_static(b"x")).await.unwrap_err();
            assert!(!error.is_transient() && !error.is_not_found(), "{key:?}: {error}");
            assert!(store.read(key).await.is_err(), "{key:?}");
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[tokio::test]
    async fn a_missing_object_and_a_folder_are_not_found() {
        let (_folder, store) = store();
        store.put("a/b", Bytes::new()).await.unwrap();
        for key in ["x", "a", "a/c", "a/b/c/d"] {
            let error = store.get(key).await.unwrap_err();
            assert!(error.is_not_found(), "{key}: {error}");
        }
    }

    #[tokio::test]
    async fn a_failed_put_leaves_nothing_behind() {
        let (_folder, store) = store();
        store.put("a/b/c", Bytes::new()).await.unwrap();
        // The place is taken by a folder, so the rename fails.
        assert!(store.put("a/b", Bytes::from_static(b"x")).await.is_err());
        let names: Vec<_> =
            fs::read_dir(store.root.join("a")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, ["b"]);
    }

    #[tokio::test]
    async fn a_file_of_an_unfinished_put_is_no_object() {
        let (_folder, store) = store();
        store.put("a/b", Bytes::new()).await.unwrap();
        fs::write(store.root.join("a").join(".sluice-put-7-0"), "half").unwrap();
        assert_eq!(list_all(&store, "").await.unwrap().len(), 1);
    }

    #[tokio::test]
    async fn lists_are_in_the_order_of_keys_and_go_on_where_they_ended() {
        let (_folder, store) = store();
        assert_eq!(list_all(&store, "").await.unwrap(), []);
        // '-' and '.' sort before '/', '0' after it.
        let mut keys: Vec<String> = ["a/x", "a-b/x", "a.b", "a0/x", "b/c/d", "b/c.d", "b/cd"].map(String::from).into();
        keys.extend((0..2500).map(|n| format!("many/{}/{n:04}", n % 2)));
        for key in &keys {
            // Put without the syncs, which would take most of the test's time.
            let path = store.path("put", key).unwrap();
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "abc").unwrap();
        }
        keys.sort();
        for prefix in ["", "a", "a/", "b/c", "b/c/d", "many/1/0", "none", "b/c/d/e"] {
            let expected: Vec<_> = keys.iter().filter(|key| key.starts_with(prefix)).cloned().collect();
            let listed = list_all(&store, prefix).await.unwrap();
            assert!(listed.iter().all(|listed| listed.bytes == 3));
            assert_eq!(listed.into_iter().map(|listed| listed.key).collect::<Vec<_>>(), expected, "{prefix:?}");
        }
        assert_eq!(store.list("", "").await.unwrap().len(), LIST_PAGE);
    }

    #[tokio::test]
    async fn puts_at_the_same_time_leave_one_whole_object() {
        let (_folder, store) = store();
        let puts = (0..8_u8).map(|n| {
            let store = store.clone();
            tokio::spawn(async move { store.put("a", vec![n; 100_000].into()).await })
        });
        for put in puts.collect::<Vec<_>>() {
            put.await.unwrap().unwrap();
        }
        let got = store.get("a").await.unwrap();
        assert!(got.len() == 100_000 && got.iter().all(|byte| *byte == got[0]));
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn a_linked_folder_is_an_error_wherever_it_is_met_and_nowhere_else() {
        use std::os::unix::fs::symlink;
        let (folder, store) = store();
        store.put("a/b/c", Bytes::new()).await.unwrap();
        store.put("a/bc/d", Bytes::new()).await.unwrap();
        let elsewhere = folder.path().join("elsewhere");
        fs::create_dir(&elsewhere).unwrap();
        fs::write(elsewhere.join("d"), "linked").unwrap();
        symlink(&elsewhere, store.root.join("a").join("link")).unwrap();

        let keys = async |store: &FolderStore, prefix: &str| {
            list_all(store, prefix).await.map(|all| all.into_iter().map(|listed| listed.key).collect::<Vec<_>>())
        };
        assert_eq!(keys(&store, "a/b").await.unwrap(), ["a/b/c", "a/bc/d"], "the link is none of this list's business");
        let link = store.root.join("a").join("link").display().to_string();
        for prefix in ["", "a/", "a/l", "a/link/", "a/link/d"] {
            let error = keys(&store, prefix).await.unwrap_err().to_string();
            assert!(error.contains(&format!("{link} is a symbolic link to a folder")), "{prefix:?}: {error}");
        }
        let errors = [
            store.put("a/link/x", Bytes::new()).await.unwrap_err(),
            store.get("a/link/d").await.unwrap_err(),
            store.remove("a/link/d").await.unwrap_err(),
            store.put_if("a/link/x/y", Bytes::new(), Condition::Absent).await.unwrap_err(),
        ];
        for error in errors {
            assert!(error.to_string().contains(&link) && !error.is_transient() && !error.is_not_found(), "{error}");
        }
        assert_eq!(fs::read_dir(&elsewhere).unwrap().count(), 1, "nothing was put through the link");

        // The root may be a link, and so may a file; a link to nothing is not an object that is left out.
        let root = folder.path().join("root");
        symlink(&elsewhere, &root).unwrap();
        let linked = FolderStore::new(&root);
        symlink(elsewhere.join("d"), elsewhere.join("e")).unwrap();
        linked.put("x/y", Bytes::new()).await.unwrap();
        assert_eq!(keys(&linked, "").await.unwrap(), ["d", "e", "x/y"]);
        symlink("nothing", elsewhere.join("f")).unwrap();
        assert!(keys(&linked, "").await.unwrap_err().to_string().contains("is a symbolic link to nothing"));
    }
}
