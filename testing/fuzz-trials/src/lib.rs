//! The bodies of the fuzz targets, one module for each: a function of bytes that panics if a promise is broken.
//!
//! `fuzz/fuzz_targets/` calls them with libFuzzer's bytes. The tests of this package call them with the first inputs of each
//! target, and with inputs that once failed, in `fuzz/regressions/<target>/`.

#![expect(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a target fails by a panic")]

pub mod catalog;
pub mod document;
pub mod envelopes;
pub mod kpl;
pub mod mapping_config;
pub mod notification;
pub mod parquet;
pub mod records;
pub mod rule;
pub mod sources_file;
pub mod sql;
pub mod stix_data;
pub mod stix_pattern;
pub mod text_fields;

/// Runs one input. Panics if a promise is broken.
pub type Run = fn(&[u8]);

/// All targets, by name.
pub const TARGETS: [(&str, Run); 14] = [
    ("catalog", catalog::run),
    ("document", document::run),
    ("envelopes", envelopes::run),
    ("kpl", kpl::run),
    ("mapping_config", mapping_config::run),
    ("notification", notification::run),
    ("parquet", parquet::run),
    ("records", records::run),
    ("rule", rule::run),
    ("sources_file", sources_file::run),
    ("sql", sql::run),
    ("stix_data", stix_data::run),
    ("stix_pattern", stix_pattern::run),
    ("text_fields", text_fields::run),
];
