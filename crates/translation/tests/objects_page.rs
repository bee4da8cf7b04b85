//! docs/stix-objects.md lists what the dialect maps have. `cargo xtask bless objects_page` rewrites it.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic, its helpers too")]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use translation::DialectMaps;

fn page() -> String {
    let mut page = "# STIX objects and the columns that they become\n\n\
        Made from the [dialect maps](stix-translation.md#dialect-maps). `sluice stix objects` prints the same, also as JSON.\n\n\
        A pattern looks for a property in every column that is listed and that the table has. `a or b`: tables have one of\n\
        them. `[]`: any element of an array. `->`: a path within JSON text. `else observables[]`: where a table has no column.\n"
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
