//! Any text as a catalog file is parsed or refused. A parsed file makes a catalog or is refused.

use detection::Catalog;
use sql::table::Table;

/// Runs one input, if it is text.
pub fn run(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let columns = vec![("time".to_owned(), "bigint".parse().expect("is a type"))];
    let tables = [Table::ocsf("lake", "windows_sysmon_1007", columns)];
    let Ok(file) = Catalog::read_file(text) else { return };
    let Ok(catalog) = Catalog::default().with_file(&file, &tables) else { return };
    for name in catalog.names() {
        let _ = catalog.tables(name);
    }
    assert!(Catalog::from_text(text, &tables).is_ok());
}
