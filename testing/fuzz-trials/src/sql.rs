//! Any text as an author's statement over one small table is planned or refused. Planning it again gives the same columns.

use std::sync::LazyLock;

use sql::table::Table;
use sql::text::Sql;
use sql::types::ColumnType;

static TABLE: LazyLock<Table> = LazyLock::new(|| {
    let columns: Vec<(String, ColumnType)> = [
        ("time", "bigint"),
        ("a", "string"),
        ("n", "int"),
        ("d", "double"),
        ("ok", "boolean"),
        ("tags", "array<string>"),
        ("actor", "struct<name:string,uid:bigint>"),
        ("answers", "array<struct<rdata:string>>"),
        ("m", "map<string,string>"),
        ("region", "string"),
        ("accountid", "string"),
        ("eventday", "string"),
    ]
    .iter()
    .map(|(name, column_type)| ((*name).to_owned(), column_type.parse().expect("is a type")))
    .collect();
    Table::ocsf("lake", "t", columns)
});

/// Runs one input, if it is text.
pub fn run(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let plan = || embedded::plan(&Sql::of_author(text), std::slice::from_ref(&*TABLE));
    if let Ok(planned) = plan() {
        let again = plan().expect("the statement was planned before");
        assert_eq!(again.columns, planned.columns);
    }
}
