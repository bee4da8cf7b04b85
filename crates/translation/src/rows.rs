//! The answer of a translated statement, row by row, and the last word on candidates.

use serde_json::Value;
use stix::binder::{self, BindError, Candidate, Limits};

use crate::Translation;

/// A row that the statement found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaggedRow {
    /// The table, as `database.table`.
    pub table: String,
    /// Milliseconds since 1970.
    pub time: i64,
    /// How many observations it stands for.
    pub weight: u64,
    /// The leaves that it satisfies, in ascending order.
    pub leaves: Vec<usize>,
    /// The row as a JSON object.
    pub event: String,
}

/// What a pattern found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Matches {
    /// Rows that belong to at least one match of the whole pattern, ordered by time.
    pub rows: Vec<TaggedRow>,
    /// Whether there are more than the limit.
    pub is_truncated: bool,
}

/// The matches of a pattern whose matches are of several observations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sequences {
    /// Rows of the answer, in an order that depends on them alone: by time, then by table and content.
    pub rows: Vec<TaggedRow>,
    /// Of each match the places of its rows among [`Sequences::rows`], ascending. Matches are ordered by their first rows.
    pub matches: Vec<Vec<usize>>,
    /// Whether there are more rows than the limit.
    pub is_truncated: bool,
}

/// A row of an answer is not of the form that the statement gives.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("column {column} of a row is {value}, where {expected} is expected")]
pub struct RowError {
    column: &'static str,
    value: String,
    expected: &'static str,
}

/// The rows do not settle the pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SettleError {
    /// A row cannot be read.
    #[error(transparent)]
    Row(#[from] RowError),
    /// A part of the candidates would give a part of the answer.
    #[error(
        "the pattern is settled from more than {cap} candidates: narrow its time, or raise the limit on candidates"
    )]
    TooManyCandidates {
        /// How many are allowed.
        cap: u64,
    },
    /// The binder has to look at too much.
    #[error(transparent)]
    Bind(#[from] BindError),
}

impl Translation {
    /// Reads one row of the answer.
    pub fn read_row(&self, values: &[Value]) -> Result<TaggedRow, RowError> {
        let error = |column, value: Option<&Value>, expected| RowError {
            column,
            value: value.map_or_else(|| "missing".to_owned(), ToString::to_string),
            expected,
        };
        let text = |column, value: Option<&Value>| {
            value.and_then(Value::as_str).map(str::to_owned).ok_or_else(|| error(column, value, "a text"))
        };
        let mut leaves = Vec::new();
        for leaf in 0..self.leaves {
            match values.get(3 + leaf) {
                Some(Value::Bool(true)) => leaves.push(leaf),
                Some(Value::Bool(false)) => {}
                other => return Err(error("m", other, "a boolean")),
            }
        }
        let weight = values.get(2).and_then(Value::as_i64);
        Ok(TaggedRow {
            table: text("src", values.first())?,
            time: values.get(1).and_then(Value::as_i64).ok_or_else(|| error("t", values.get(1), "an integer"))?,
            weight: u64::try_from(weight.ok_or_else(|| error("w", values.get(2), "an integer"))?).unwrap_or_default(),
            leaves,
            event: text("ev", values.get(3 + self.leaves))?,
        })
    }

    /// The matches of a pattern over several observations, as [`stix::binder::matches`] has them; `None` of a pattern whose
    /// matches are single rows.
    ///
    /// A match is found again in every answer that holds its rows, as long as no row is new within its time.
    ///
    /// # Errors
    ///
    /// A row that cannot be read, and rows that are too many or combine in too many ways.
    pub fn sequences(&self, rows: &[Vec<Value>]) -> Result<Option<Sequences>, SettleError> {
        let Some(pattern) = &self.sequence else { return Ok(None) };
        let mut rows = rows.iter().map(|row| self.read_row(row)).collect::<Result<Vec<_>, _>>()?;
        let is_truncated = u64::try_from(rows.len()).unwrap_or(u64::MAX) > self.cap;
        if is_truncated && self.refine.is_some() {
            return Err(SettleError::TooManyCandidates { cap: self.cap });
        }
        rows.truncate(usize::try_from(self.cap).unwrap_or(usize::MAX));
        rows.sort_by(|a, b| (a.time, &a.table, &a.event).cmp(&(b.time, &b.table, &b.event)));
        let candidates = candidates(&rows);
        let limits = Limits { candidates: candidates.len(), ..Limits::default() };
        let matches = binder::matches(pattern, &candidates, limits)?.into_iter().map(|found| found.rows).collect();
        Ok(Some(Sequences { rows, matches, is_truncated }))
    }

    /// The rows that belong to a match: those of the answer, or of candidates those that the binder finds.
    pub fn settle(&self, rows: &[Vec<Value>]) -> Result<Matches, SettleError> {
        let mut rows = rows.iter().map(|row| self.read_row(row)).collect::<Result<Vec<_>, _>>()?;
        let exceeds = u64::try_from(rows.len()).unwrap_or(u64::MAX) > self.cap;
        let Some(pattern) = &self.refine else {
            rows.truncate(usize::try_from(self.cap).unwrap_or(usize::MAX));
            return Ok(Matches { rows, is_truncated: exceeds });
        };
        if exceeds {
            return Err(SettleError::TooManyCandidates { cap: self.cap });
        }
        let candidates = candidates(&rows);
        let limits = Limits { candidates: candidates.len(), ..Limits::default() };
        let bound = binder::bind(pattern, &candidates, limits)?;
        let mut is_bound = vec![false; rows.len()];
        for bound in bound {
            is_bound[bound.row] = true;
        }
        let mut is_bound = is_bound.into_iter();
        rows.retain(|_| is_bound.next().unwrap_or_default());
        Ok(Matches { rows, is_truncated: false })
    }
}

fn candidates(rows: &[TaggedRow]) -> Vec<Candidate> {
    let candidate = |row: &TaggedRow| Candidate {
        time: i128::from(row.time) * 1_000_000,
        number_observed: row.weight,
        leaves: row.leaves.iter().copied().collect(),
    };
    rows.iter().map(candidate).collect()
}
