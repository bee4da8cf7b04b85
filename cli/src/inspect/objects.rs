//! Objects by the locations that the command line names.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use bytes::Bytes;
use lake::key::ObjectKey;
use store::Store;

use crate::exit::Failure;
use crate::output::counted;

/// An object in a store.
#[derive(Debug, Clone)]
pub(super) struct Object {
    store: Arc<dyn Store>,
    key: String,
    /// What a pipe held, which cannot be read twice.
    content: Option<Bytes>,
}

impl Object {
    /// What people call it: a path, or s3://bucket/key.
    pub(super) fn location(&self) -> String {
        format!("{}/{}", self.store.describe().trim_end_matches('/'), self.key)
    }

    pub(super) async fn read(&self) -> Result<Bytes, Failure> {
        if let Some(content) = &self.content {
            return Ok(content.clone());
        }
        Ok(self.store.get(&self.key).await.with_context(|| format!("cannot read {}", self.location()))?)
    }
}

/// What objects of the lake are called at their end. Others in a folder, those of quarantine for one, are left out.
const SUFFIX: &str = ".parquet";

/// The objects at the locations, in their order; those of a folder in the order of their keys.
pub(super) async fn find_objects(locations: &[String]) -> Result<Vec<Object>, Failure> {
    let mut objects = Vec::new();
    for location in locations {
        let found = match location.strip_prefix("s3://") {
            Some(place) => in_bucket(place).await?,
            None => in_folder(location).await?,
        };
        if found.is_empty() {
            return Err(Failure::usage(format_args!("{location} has no object whose key ends in {SUFFIX}")));
        }
        objects.extend(found);
    }
    Ok(objects)
}

async fn in_bucket(place: &str) -> Result<Vec<Object>, Failure> {
    let (bucket, key) = place.split_once('/').unwrap_or((place, ""));
    let store = crate::aws_access::open_store(&format!("s3://{bucket}")).await?;
    if key.ends_with(SUFFIX) {
        return Ok(vec![Object { store, key: key.to_owned(), content: None }]);
    }
    below(store, key).await
}

async fn in_folder(location: &str) -> Result<Vec<Object>, Failure> {
    let path = Path::new(location);
    let metadata = std::fs::metadata(path).with_context(|| format!("cannot read {location}"))?;
    if metadata.is_dir() {
        return below(crate::aws_access::open_store(location).await?, "").await;
    }
    let unnamed = || Failure::usage(format_args!("{location} is not a file name"));
    let name = path.file_name().and_then(|name| name.to_str()).ok_or_else(unnamed)?;
    let folder = match path.parent().and_then(Path::to_str) {
        None | Some("") => ".",
        Some(folder) => folder,
    };
    let content = match metadata.is_file() {
        true => None,
        false => Some(std::fs::read(path).with_context(|| format!("cannot read {location}"))?.into()),
    };
    Ok(vec![Object { store: crate::aws_access::open_store(folder).await?, key: name.to_owned(), content }])
}

/// Objects at once, so that a mistyped prefix does not fill the memory.
const MOST: usize = 1_000_000;

async fn below(store: Arc<dyn Store>, prefix: &str) -> Result<Vec<Object>, Failure> {
    let mut objects = Vec::new();
    let mut after = String::new();
    loop {
        let page = store.list(prefix, &after).await?;
        let Some(last) = page.last() else { return Ok(objects) };
        after.clone_from(&last.key);
        let keys = page.into_iter().map(|listed| listed.key).filter(|key| key.ends_with(SUFFIX));
        objects.extend(keys.map(|key| Object { store: Arc::clone(&store), key, content: None }));
        if objects.len() > MOST {
            let most = counted(MOST as u64, "object");
            return Err(Failure::usage(format_args!(
                "{} has more than {most}; give a more specific prefix",
                store.describe()
            )));
        }
    }
}

/// The part of a location that is a key of the lake, or is meant to be one: it begins with a folder `ext` and has
/// partitions. Not every file has one.
pub(super) fn lake_key(location: &str) -> Option<&str> {
    let starts = location.match_indices("ext/").map(|(at, _)| at);
    let candidates = starts.filter(|at| *at == 0 || location[..*at].ends_with('/')).map(|at| &location[at..]);
    let meant = |key: &&str| key.parse::<ObjectKey>().is_ok();
    candidates.clone().find(meant).or_else(|| candidates.last().filter(|key| key.contains("/eventDay=")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_found_at_the_end_of_a_location() {
        let key = "ext/sysmon/region=us-east-1/accountId=external/eventDay=20250303/a.zstd.parquet";
        for before in ["", "./lake/", "s3://bucket/", "s3://bucket/some/ext/", "/home/text/"] {
            assert_eq!(lake_key(&format!("{before}{key}")), Some(key));
        }
        assert_eq!(lake_key("lake/ext/sysmon/eventDay=1/a.parquet"), Some("ext/sysmon/eventDay=1/a.parquet"));
        for without in ["a.parquet", "/next/a.parquet", "ext/a.parquet"] {
            assert_eq!(lake_key(without), None);
        }
    }
}
