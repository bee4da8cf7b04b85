//! A source that ships with Sluice is a mapping config in `mapping-configs/`, and nothing else: the build script lists the
//! folder.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic, its helpers too")]

use std::fs;
use std::path::Path;

use bumpalo::Bump;
use mapping::Unwrapped;
use pipeline::{MappedSource, ReadBuffer, SHIPPED_MAPPINGS};
use sources::Item;

#[expect(dead_code, reason = "its `main` is for cargo")]
#[path = "../build.rs"]
mod build;

const CONFIG: &str = r#"{ "custom_source_events": {
    "source_name": "acme-door",
    "matched_field": "$.what",
    "timestamp": { "field": "$.at" },
    "common": { "schema_mapping": {
        "metadata": { "product": { "name": "Door", "vendor_name": "Acme" } },
        "severity_id": 1,
        "actor": { "user": { "name": "$.who" } },
        "device": { "type_id": 0, "hostname": "$.door" }
    } },
    "ocsf_mapping": { "opened": { "schema": "file_activity", "schema_mapping": {
        "activity_id": 1, "file": { "name": "$.door", "type_id": 1 } } } }
} }"#;

const SAMPLE: &str = r#"{"at": "2026-01-31T12:00:00Z", "what": "opened", "door": "north", "who": "ada"}"#;

/// Copies the shipped configs into a folder of their own.
fn scratch_copy() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../mapping-configs")).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, folder.path().join(path.file_name().unwrap())).unwrap();
    }
    folder
}

#[test]
fn a_config_in_the_folder_is_shipped_after_those_with_a_fixed_place() {
    let folder = scratch_copy();
    let names =
        |configs: &[(String, std::path::PathBuf)]| configs.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
    let before = names(&build::shipped(folder.path()).unwrap());
    assert_eq!(before, SHIPPED_MAPPINGS.map(|(name, _)| name));

    fs::write(folder.path().join("zone-door.json"), CONFIG).unwrap();
    let configs = build::shipped(folder.path()).unwrap();
    let mut expected = before;
    expected.push("zone-door".to_owned());
    assert_eq!(names(&configs), expected);
    let code = build::code(&configs);
    assert!(code.contains(&format!("[(&str, &str); {}]", expected.len())), "{code}");
    let line = format!("(\"zone-door\", include_str!({:?})),", folder.path().join("zone-door.json").to_str().unwrap());
    assert!(code.contains(&line), "{code}");
}

#[test]
fn its_config_maps_a_sample() {
    assert_eq!(mapping::check(CONFIG, &|_| None).diagnostics, []);
    let source = MappedSource::new("acme-door", CONFIG, &|_| None).unwrap();
    let mut records = source.decode().records_of_slice(SAMPLE.as_bytes());
    let Some(Item::Event(event)) = records.next_item().unwrap() else { panic!("{SAMPLE}") };
    let (bump, mut buffer) = (Bump::new(), ReadBuffer::default());
    let document = source.decode().document(&event, &mut buffer.documents, &bump).unwrap();
    let mut pieces = Vec::new();
    source.events(document, &mut buffer, &bump, &mut |piece, _| pieces.push(piece));
    let [Unwrapped::Event(document)] = &pieces[..] else { panic!("{SAMPLE}") };
    let mapped = source.mapping().apply(document, &bump).unwrap();
    assert_eq!(source.mapping().tables()[mapped.table].shape.class().name, "file_activity");
}
