//! Copies a lake from a bucket to a folder for the embedded engine.

use std::collections::HashMap;
use std::fs;
use std::sync::Arc;

use query::QueryError;
use store::{Store, StoreError, list_all};
use tempfile::TempDir;
use tokio::sync::Mutex;

use crate::{EngineFuture, Engines, over_folder};

/// A copy that is updated before each query.
#[derive(Debug)]
pub struct Mirror {
    lake: Arc<dyn Store>,
    folder: TempDir,
    database: String,
    /// The sizes of copied objects, by key. Objects of a lake never change; they are only written again with the same
    /// content.
    copied: Mutex<HashMap<String, u64>>,
}

impl Mirror {
    /// A copy of a lake, whose tables are in `database`.
    ///
    /// # Errors
    /// No folder can be created.
    pub fn new(lake: Arc<dyn Store>, database: impl Into<String>) -> std::io::Result<Self> {
        Ok(Self { lake, folder: tempfile::tempdir()?, database: database.into(), copied: Mutex::default() })
    }

    async fn update(&self) -> Result<(), StoreError> {
        let mut copied = self.copied.lock().await;
        for object in list_all(self.lake.as_ref(), "ext/").await? {
            if copied.get(&object.key) == Some(&object.bytes) {
                continue;
            }
            let bytes = self.lake.get(&object.key).await?;
            let path = self.folder.path().join(&object.key);
            let parent = path.parent().unwrap_or(self.folder.path());
            if let Err(error) = fs::create_dir_all(parent).and_then(|()| fs::write(&path, &bytes)) {
                eprintln!("{}: {error}", path.display());
                continue;
            }
            copied.insert(object.key, object.bytes);
        }
        Ok(())
    }
}

impl Engines for Mirror {
    fn engine(&self) -> EngineFuture<'_> {
        Box::pin(async {
            self.update().await.map_err(|error| QueryError::Failed(format!("HIVE_CANNOT_OPEN_SPLIT: {error}")))?;
            // The folder does not exist until something is written to the lake.
            let sources = self.folder.path().join("ext");
            fs::create_dir_all(sources).map_err(|error| QueryError::Failed(error.to_string()))?;
            over_folder(self.folder.path(), &self.database).await
        })
    }
}
