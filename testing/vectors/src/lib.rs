//! Test vectors of other projects, if they are at hand: files of `../shared/vectors`, next to the project. Their licences
//! keep them out of it.

#![expect(clippy::panic, reason = "a test fails by a panic, its helpers too")]

use std::fs;
use std::path::{Path, PathBuf};

/// A file of vectors. `None`, with a message on standard output, if it is not there.
pub fn read(name: &str) -> Option<Vec<u8>> {
    let path = folder().join(name);
    let content = fs::read(&path).ok();
    if content.is_none() {
        eprintln!("skipped: {} is not here", path.display());
    }
    content
}

/// The STIX semantics vectors, or the file of the same form in `SLUICE_STIX_SEMANTICS`.
///
/// # Panics
/// The file in `SLUICE_STIX_SEMANTICS` cannot be read.
pub fn stix_semantics() -> Option<Vec<u8>> {
    let Some(path) = std::env::var_os("SLUICE_STIX_SEMANTICS").map(PathBuf::from) else {
        return read("stix-semantics-vectors.json");
    };
    Some(fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())))
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/vectors")
}
