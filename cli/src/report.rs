//! A hunt's findings as one HTML page that a person would send on.
//!
//! [`shape`] counts and orders what the findings say; it reads the same OCSF events that `--format json` prints, so the
//! numbers agree. [`page`] fills the template `cli/templates/report.html`. The page needs no script and no network.

pub(crate) mod blocks;
mod page;
mod shape;
mod text;

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;

use anyhow::Context as _;
use jiff::Timestamp;
use serde_json::Value as Json;

use crate::exit::Failure;

/// What was hunted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Scope {
    /// The lake folder, or the databases of Athena.
    pub(crate) lake: String,
    /// The start of the time, in milliseconds since 1970.
    pub(crate) since: i64,
    /// Its end, exclusive.
    pub(crate) until: i64,
    /// How many rules ran.
    pub(crate) rules: u64,
    /// What the reader must know of the hunt: rules that failed or found more rows than their limit.
    pub(crate) notes: Vec<String>,
}

/// Writes a report of these findings, OCSF Detection Findings as `--format json` prints them.
pub(crate) fn write(path: &Path, findings: &[Json], scope: &Scope) -> Result<(), Failure> {
    let context = || format!("cannot write the report {}", path.display());
    let report = shape::Report::of(findings);
    let mut file = BufWriter::new(File::create(path).with_context(context)?);
    page::write(&report, scope, Timestamp::now(), &mut file).with_context(context)?;
    file.flush().with_context(context)?;
    Ok(())
}
