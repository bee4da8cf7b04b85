//! Records which inputs are finished, so that a repeated run continues where the last one ended.
//!
//! When all records of an input from a folder or prefix are in the lake or in quarantine, a small object,
//! `ingested/<length>-<hash>.json`, is written to the store of quarantine. The hash covers the content: all bytes of a
//! file, or bucket, key and ETag of an object. So a changed input has no such object, regardless of its name and time.
//! The object contains the settings that affect the result, and the keys and lengths of all objects written for the
//! input. An input is skipped only if the settings are the same and each of these objects still exists with that
//! length.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use lake::parquet_object::SealSettings;
use pipeline::{MappedSource, Settings, Stores};
use serde::{Deserialize, Serialize};
use store::StoreError;
use tokio::task::JoinSet;

use super::hashing::Digest;
use super::progress::{Place, Put};

/// The folder in the quarantine's store.
pub(crate) const LEDGER_FOLDER: &str = "ingested";

/// Gets in flight at once.
const CONCURRENCY: usize = 16;

/// The identity of an input's content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Identity<'i> {
    /// A file of this length and hash.
    Content { bytes: u64, digest: Digest },
    /// An object of a bucket.
    Object { bucket: &'i str, key: &'i str, bytes: u64, etag: &'i str },
}

/// The outcome of an input.
#[derive(Debug, Serialize, Deserialize)]
struct Record {
    settings: String,
    lake: Vec<(String, u64)>,
    quarantine: Vec<(String, u64)>,
}

/// Where the records of a finished input are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// In the lake, at least some of them.
    InLake,
    /// All in quarantine.
    Refused,
    /// There are none.
    Empty,
}

impl Record {
    fn fate(&self) -> Fate {
        match (self.lake.is_empty(), self.quarantine.is_empty()) {
            (false, _) => Fate::InLake,
            (true, false) => Fate::Refused,
            (true, true) => Fate::Empty,
        }
    }
}

/// The finished inputs of one source.
pub(crate) struct Ledger<'l> {
    stores: &'l Stores,
    source: String,
    settings: String,
    /// Keys of the records that there are, and the lengths in them.
    known: HashSet<String>,
    lengths: HashSet<u64>,
    /// Lengths of the objects in the folders that records have spoken of.
    folders: HashMap<(bool, String), HashMap<String, u64>>,
}

impl<'l> Ledger<'l> {
    /// The ledger in the stores.
    ///
    /// # Errors
    /// The quarantine's store cannot be listed.
    pub(super) async fn open(
        stores: &'l Stores,
        source: &MappedSource,
        settings: &Settings,
    ) -> Result<Self, StoreError> {
        let listed = store::list_all(stores.quarantine.as_ref(), &format!("{LEDGER_FOLDER}/")).await?;
        let known: HashSet<String> = listed.into_iter().map(|listed| listed.key).collect();
        // How objects are compressed and cut does not change which records are in them.
        let deciding = Settings { seal: SealSettings::default(), memory: 0, ..settings.clone() };
        let version = source.mapping().version();
        Ok(Self {
            stores,
            source: source.name().to_owned(),
            settings: blake3::hash(format!("{version} {deciding:?}").as_bytes()).to_hex().to_string(),
            lengths: known.iter().filter_map(|key| length_in(key)).collect(),
            known,
            folders: HashMap::new(),
        })
    }

    /// An empty ledger, which only records inputs finished from now on.
    pub(super) fn forget(self) -> Self {
        Self { known: HashSet::new(), lengths: HashSet::new(), ..self }
    }

    /// Whether a file of that length may have been finished.
    pub(super) fn knows_length(&self, bytes: u64) -> bool {
        self.lengths.contains(&bytes)
    }

    /// The finished inputs among these, by position, with their outcome.
    ///
    /// # Errors
    /// A store cannot be read or listed.
    pub(super) async fn finished(&mut self, inputs: &[Identity<'_>]) -> Result<HashMap<usize, Fate>, StoreError> {
        let mut finished = HashMap::new();
        let keys = inputs.iter().map(|input| self.key(input)).enumerate();
        let mut waiting = keys.filter(|(_, key)| self.known.contains(key)).collect::<Vec<_>>().into_iter();
        let mut flying = JoinSet::new();
        loop {
            while flying.len() < CONCURRENCY
                && let Some((at, key)) = waiting.next()
            {
                let store = Arc::clone(&self.stores.quarantine);
                flying.spawn(async move { (at, store.get(&key).await) });
            }
            let Some(landed) = flying.join_next().await else { return Ok(finished) };
            let (at, record) = match landed {
                Ok((_, Err(error))) if error.is_not_found() => continue,
                Ok((at, record)) => (at, record?),
                Err(panic) => std::panic::resume_unwind(panic.into_panic()),
            };
            // Malformed records are ignored.
            if let Ok(record) = serde_json::from_slice::<Record>(&record)
                && self.is_safe(&record).await?
            {
                finished.insert(at, record.fate());
            }
        }
    }

    /// Records that an input is finished.
    ///
    /// # Errors
    /// The quarantine's store cannot be written.
    pub(super) async fn note(&mut self, input: &Identity<'_>, puts: &[Put]) -> Result<(), StoreError> {
        let of = |place: Place| {
            let puts = puts.iter().filter(move |put| put.place == place);
            let mut objects: Vec<_> = puts.map(|put| (put.key.clone(), put.bytes)).collect();
            objects.sort();
            objects
        };
        let (lake, quarantine) = (of(Place::Lake), of(Place::Quarantine));
        let record = Record { settings: self.settings.clone(), lake, quarantine };
        let key = self.key(input);
        let text = serde_json::to_vec(&record).unwrap_or_default();
        self.stores.quarantine.put(&key, text.into()).await?;
        self.lengths.extend(length_in(&key));
        self.known.insert(key);
        Ok(())
    }

    fn key(&self, input: &Identity<'_>) -> String {
        let mut hasher = blake3::Hasher::new();
        // Lengths keep the parts of a name apart.
        let mut part = |part: &[u8]| {
            hasher.update(&(part.len() as u64).to_le_bytes()).update(part);
        };
        part(self.source.as_bytes());
        let bytes = match input {
            Identity::Content { bytes, digest } => {
                part(digest);
                bytes
            }
            Identity::Object { bucket, key, bytes, etag } => {
                for text in [bucket, key, etag] {
                    part(text.as_bytes());
                }
                bytes
            }
        };
        format!("{LEDGER_FOLDER}/{bytes}-{}.json", hasher.finalize().to_hex())
    }

    async fn is_safe(&mut self, record: &Record) -> Result<bool, StoreError> {
        if record.settings != self.settings {
            return Ok(false);
        }
        for (is_lake, objects) in [(true, &record.lake), (false, &record.quarantine)] {
            for (key, bytes) in objects {
                let folder = key.rfind('/').map_or("", |slash| &key[..=slash]);
                if self.folder(is_lake, folder).await?.get(key) != Some(bytes) {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    /// The objects of a folder. Each folder is listed only once, because many inputs share a partition.
    async fn folder(&mut self, is_lake: bool, folder: &str) -> Result<&HashMap<String, u64>, StoreError> {
        let id = (is_lake, folder.to_owned());
        if !self.folders.contains_key(&id) {
            let store = if is_lake { &self.stores.lake } else { &self.stores.quarantine };
            let listed = store::list_all(store.as_ref(), folder).await?;
            let objects = listed.into_iter().map(|listed| (listed.key, listed.bytes)).collect();
            self.folders.insert(id.clone(), objects);
        }
        Ok(self.folders.entry(id).or_default())
    }
}

/// The length of the input in the key of its record.
fn length_in(key: &str) -> Option<u64> {
    key.rsplit('/').next()?.split_once('-')?.0.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use store::{FolderStore, Store};

    fn settings() -> Settings {
        Settings {
            region: "us-east-1".parse().unwrap(),
            account: lake::key::AccountId::external(),
            seal: SealSettings::default(),
            memory: 1_000_000,
            bounds: pipeline::Bounds::default(),
        }
    }

    fn source(name: &str) -> MappedSource {
        let text = pipeline::shipped_mapping(name).unwrap();
        MappedSource::new(name, text, &|base| pipeline::shipped_mapping(base).map(str::to_owned)).unwrap()
    }

    #[tokio::test]
    async fn an_input_is_finished_only_while_all_that_came_of_it_is_there_and_meant_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let store: Arc<dyn Store> = Arc::new(FolderStore::new(folder.path()));
        let stores = Stores { lake: Arc::clone(&store), quarantine: Arc::clone(&store) };
        let sysmon = source("windows-sysmon");
        let put = |place, key: &str| Put { place, key: key.to_owned(), bytes: 3 };
        let puts = [put(Place::Lake, "ext/a/x"), put(Place::Quarantine, "quarantine/a/y")];
        for put in &puts {
            store.put(&put.key, Bytes::from_static(b"abc")).await.unwrap();
        }
        let object = |etag| Identity::Object { bucket: "logs", key: "a", bytes: 7, etag };
        let inputs = [object("1"), object("2"), Identity::Content { bytes: 7, digest: [1; 32] }];

        let mut ledger = Ledger::open(&stores, &sysmon, &settings()).await.unwrap();
        assert!(!ledger.knows_length(7) && ledger.finished(&inputs).await.unwrap().is_empty());
        ledger.note(&inputs[0], &puts).await.unwrap();
        ledger.note(&inputs[2], &puts).await.unwrap();

        let finished = async |source: &MappedSource, settings: Settings| {
            let mut ledger = Ledger::open(&stores, source, &settings).await.unwrap();
            assert!(ledger.knows_length(7) && !ledger.knows_length(70));
            let mut finished: Vec<_> = ledger.finished(&inputs).await.unwrap().into_keys().collect();
            finished.sort_unstable();
            finished
        };
        assert_eq!(finished(&sysmon, settings()).await, [0, 2]);
        assert_eq!(finished(&sysmon, Settings { memory: 5_000_000, ..settings() }).await, [0, 2]);
        let elsewhere = Settings { region: "eu-west-1".parse().unwrap(), ..settings() };
        assert!(finished(&sysmon, elsewhere).await.is_empty());
        assert!(finished(&source("aws-network-firewall"), settings()).await.is_empty());

        store.put("ext/a/x", Bytes::from_static(b"other")).await.unwrap();
        assert!(finished(&sysmon, settings()).await.is_empty());
        store.put("ext/a/x", Bytes::from_static(b"abc")).await.unwrap();
        assert_eq!(finished(&sysmon, settings()).await, [0, 2]);
        store.remove("quarantine/a/y").await.unwrap();
        assert!(finished(&sysmon, settings()).await.is_empty());
    }
}
