//! docs/stix-objects.md lists the properties that the dialect maps translate. `cargo xtask bless objects_page` rewrites it.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic, its helpers too")]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use translation::DialectMaps;

fn page() -> String {
    let mut page = "# STIX objects and their columns\n\n\
        This page is generated from the [dialect maps](stix-translation.md#dialect-maps). `sluice stix objects` prints the\n\
        same. With `--format json` it prints JSON.\n\n\
        A pattern searches every listed column that the table has.\n\n\
        | notation | meaning |\n|---|---|\n\
        | `a or b` | A table has one of the two columns. |\n\
        | `[]` | Any element of an array. |\n\
        | `->` | A path within a column of JSON text. |\n\
        | `else observables[]` | If the table has no column for it, the pattern searches `observables[]`. |\n"
        .to_owned();
    for map in DialectMaps::embedded().unwrap().iter() {
        write!(page, "\n## {}\n\n{}\n", map.dialect(), map.description()).unwrap();
        let mut objects: BTreeMap<String, Vec<_>> = BTreeMap::new();
        for property in map.mapped_properties() {
            objects.entry(property.object.clone()).or_default().push(property);
        }
        for (object, properties) in objects {
            write!(page, "\n### {} `{object}`\n\n| property | columns |\n|---|---|\n", map.dialect()).unwrap();
            for property in properties {
                let columns: Vec<String> = property.columns.iter().map(|column| column.replace('|', "\\|")).collect();
                writeln!(page, "| `{}` | {} |", property.property, columns.join("<br>")).unwrap();
            }
        }
    }
    page
}

#[test]
fn the_page_of_objects_is_that_of_the_maps() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/stix-objects.md");
    let page = page();
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        return std::fs::write(path, page).unwrap();
    }
    let written = std::fs::read_to_string(path).unwrap_or_default();
    assert!(written == page, "docs/stix-objects.md is out of date: run `cargo xtask bless objects_page`");
}
