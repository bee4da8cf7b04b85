//! `data/shipped-sources.tsv` lists the tables of the shipped mappings. `cargo xtask bless shipped_tables` rewrites it.

use std::fmt::Write as _;
use std::path::Path;

use detection::catalog::KnownSource;
use detection::trial::known_source;

#[test]
fn the_file_lists_the_tables_of_the_shipped_mappings() {
    let mapped: Vec<KnownSource> = pipeline::SHIPPED_MAPPINGS
        .iter()
        .map(|(name, text)| known_source(&pipeline::MappedSource::new(name, text, &|_| None).unwrap()))
        .collect();
    let mut text = String::new();
    for source in &mapped {
        for (table, class, columns) in &source.tables {
            for (column, column_type) in columns {
                writeln!(text, "{}\t{table}\t{class}\t{column}\t{column_type}", source.name).unwrap();
            }
        }
    }
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/shipped-sources.tsv");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&file, &text).unwrap();
        // The file is compiled in, so this program still has the old one.
        return;
    }
    assert!(
        std::fs::read_to_string(&file).unwrap() == text,
        "data/shipped-sources.tsv is out of date: run `cargo xtask bless shipped_tables`"
    );
    assert!(detection::shipped_sources().unwrap() == mapped, "the tables read back are not those written");
}
