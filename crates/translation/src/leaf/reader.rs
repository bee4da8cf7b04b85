//! What the steps of one leaf share: the table and its map, and what they find to warn of.

use sql::table::Table;

use crate::Options;
use crate::diagnostic::Diagnostic;
use crate::map::DialectMap;

/// Translates one leaf over one table.
pub(super) struct Reader<'a> {
    pub(super) table: &'a Table,
    pub(super) map: &'a DialectMap,
    pub(super) options: &'a Options,
    pub(super) warnings: Vec<Diagnostic>,
    pub(super) reads: Vec<Vec<String>>,
}
