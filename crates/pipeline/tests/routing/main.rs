//! The sources file: what lint says of it, which source an input gets, and that schema and reference page tell the truth.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by a panic, its helpers too")]

mod lint;
mod objects;
mod reference;
mod schema;
mod streams;

use std::path::{Path, PathBuf};

use pipeline::{Sources, shipped_mapping};

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Any file that is asked for, as the mapping of a firewall.
fn any_mapping(_: &str) -> Option<String> {
    shipped_mapping("aws-network-firewall").map(str::to_owned)
}

/// A sources file that is accepted.
fn sources(text: &str) -> Sources {
    Sources::from_text(text, &any_mapping).unwrap_or_else(|error| panic!("{error}\n{text}"))
}
