//! STIX patterns to SQL that means the same, or to a diagnostic: exact or refused, never silently weaker.
//!
//! [`translate`] makes one statement of a pattern over one or several [tables](sql::table::Table). Which columns hold what a
//! pattern speaks of is in [dialect maps](map), which are data. One row of a table is one observation at a point in time.
//!
//! - A leaf `[…]` becomes a condition on one row (`leaf`), each comparison typed by its column (`compare`).
//! - AND, OR, FOLLOWEDBY, WITHIN and REPEATS become windows over the flagged rows of all tables (`plan`). What windows cannot
//!   say is fetched as candidates, and [`Translation::settle`] runs the exact binder over them.
//! - Time is always bounded, partitions are always pruned (`statement`).

mod attribute_tree;
mod compare;
pub mod diagnostic;
mod leaf;
pub mod map;
mod path;
mod plan;
mod protocols;
mod regexes;
mod rows;
mod statement;
pub mod tables;

use sql::table::Table;
use sql::text::Sql;
use stix::pattern::{Pattern, Timestamp};

pub use diagnostic::{Diagnostic, Diagnostics, Severity};
pub use map::{DialectMap, DialectMaps, MapError, MappedProperty};
pub use rows::{Matches, RowError, Sequences, SettleError, TaggedRow};
pub use tables::{ColumnsError, NamedTable, columns_of_text, named_tables};

/// How a pattern is read, and where it is searched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Not before this, where the pattern does not say START itself, and beside it.
    pub since: Option<Timestamp>,
    /// Before this, where the pattern does not say STOP itself, and beside it.
    pub until: Option<Timestamp>,
    /// The time of parts of a pattern that neither it nor `since` and `until` bound. None: such parts are refused.
    pub unbounded: Option<(Timestamp, Timestamp)>,
    /// What `NOT` and `!=` say of a property with several values.
    pub negation: Negation,
    /// What AND ties within `[…]`.
    pub and_scope: AndScope,
    /// Whether OCSF's observables stand in for columns that a table lacks.
    pub observables: Observables,
    /// Values of the partition column `region`, if they are known. None: all.
    pub regions: Vec<String>,
    /// Values of the partition column `accountid`, if they are known. None: all.
    pub accounts: Vec<String>,
    /// Days before and after that are searched too, for sources whose `eventday` is not exactly the UTC day of the event.
    pub day_slack: u16,
    /// What of a row comes back as JSON.
    pub columns: Columns,
    /// The most rows of an answer. The statement asks for one more, so that a cut is seen.
    pub limit: u64,
    /// The most candidates that the client settles. More are an error, not a part of the answer.
    pub candidates: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            since: None,
            until: None,
            unbounded: None,
            negation: Negation::Existential,
            and_scope: AndScope::Row,
            observables: Observables::WhenUnmapped,
            regions: Vec::new(),
            accounts: Vec::new(),
            day_slack: 0,
            columns: Columns::Needed,
            limit: 10_000,
            candidates: 100_000,
        }
    }
}

/// What `NOT` and `!=` say of a property that has several values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Negation {
    /// Some value does not satisfy the comparison, as the specification's matcher has it.
    #[default]
    Existential,
    /// No value satisfies it, and there is one.
    Universal,
}

/// What AND ties within `[…]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AndScope {
    /// All comparisons hold of the same row.
    #[default]
    Row,
    /// All hold of the same object of the same type.
    Object,
}

/// Whether OCSF's observables are asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Observables {
    /// Where a table has no column for a property.
    #[default]
    WhenUnmapped,
    /// Never.
    Never,
}

/// What of a row comes back as JSON.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Columns {
    /// What findings and bundles are made of, and what the pattern itself compares. Of a column with fields only those
    /// are read. Where the dialect does not say what these are: all columns.
    #[default]
    Needed,
    /// All columns.
    All,
    /// These, as far as a table has them. Columns that are not asked for are not read.
    Only(Vec<String>),
}

/// A statement with what is needed to read its answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Translation {
    /// The statement. Its columns are `src` (table), `t` (milliseconds since 1970), `w` (how many observations the row
    /// stands for), `m0`, `m1`, … (whether the row satisfies that leaf) and `ev` (the row as JSON).
    pub sql: Sql,
    /// How many leaves the pattern has.
    pub leaves: usize,
    /// The pattern that the rows are only candidates for: see [`Translation::settle`].
    pub refine: Option<Pattern>,
    /// The pattern, if its matches are of several observations: see [`Translation::sequences`].
    pub sequence: Option<Pattern>,
    /// The most rows that are an answer; the statement's limit is one more.
    pub cap: u64,
    /// The tables that are searched, as `database.table`.
    pub tables: Vec<String>,
    /// The time that is searched: from the first to before the second, in nanoseconds since 1970.
    pub window: (Timestamp, Timestamp),
    /// Whether some part is bounded by [`Options::unbounded`] only.
    pub is_unbounded: bool,
    /// Parts of the pattern that no row of some table can satisfy.
    pub warnings: Vec<Diagnostic>,
}

/// The statement of a pattern over tables.
///
/// ```
/// use translation::{DialectMaps, Options, translate};
///
/// let maps = DialectMaps::embedded()?;
/// let table = maps.get("vpcflow").unwrap().table("logs", "vpc_flow");
/// let text = "[network-traffic:dst_port = 22] START t'2024-01-01T00:00:00Z' STOP t'2024-01-02T00:00:00Z'";
/// let pattern = stix::parse(text, stix::Version::default())?;
/// let translation = translate(&pattern, &[table], &maps, &Options::default())?;
/// assert!(translation.sql.as_str().contains(r#"e."dstport" = 22"#));
/// assert!(translation.sql.as_str().contains(r#"e."start" >= 1704067200 AND e."start" < 1704153600"#));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// A leaf without time bounds, a leaf that no row of any table can satisfy and that the pattern needs, an expression that
/// the engines do not share, a table whose dialect has no map.
pub fn translate(
    pattern: &Pattern,
    tables: &[Table],
    maps: &DialectMaps,
    options: &Options,
) -> Result<Translation, Diagnostics> {
    statement::translate(pattern, tables, maps, options)
}
