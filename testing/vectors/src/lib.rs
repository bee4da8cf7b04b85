//! Vectors that tests are held against where they are at hand: files of `../shared/vectors`, beside the project. Their licences
//! keep them out of it.

#![expect(clippy::panic, reason = "a test fails by a panic, its helpers too")]

use std::fs;
use std::path::{Path, PathBuf};

/// A file of vectors; none, and a word about it, where it is not here.
pub fn read(name: &str) -> Option<Vec<u8>> {
    let path = folder().join(name);
    let content = fs::read(&path).ok();
    if content.is_none() {
        eprintln!("skipped: {} is not here", path.display());
    }
    content
}

/// The STIX semantics vectors, or another file of the same form that `SLUICE_STIX_SEMANTICS` names.
///
/// # Panics
/// The file that is named cannot be read: what is asked for must be there.
pub fn stix_semantics() -> Option<Vec<u8>> {
    let Some(path) = std::env::var_os("SLUICE_STIX_SEMANTICS").map(PathBuf::from) else {
        return read("stix-semantics-vectors.json");
    };
    Some(fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())))
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/vectors")
}
