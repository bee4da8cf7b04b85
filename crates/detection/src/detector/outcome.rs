//! What the calls of a detector report.

use query::QueryError;
use store::StoreError;
use uuid::Uuid;

use crate::message::PublishError;
use crate::state::StateError;
use crate::statement::StatementError;
use crate::window::Window;

/// A started query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Started {
    /// The rules' ids. Several rules share a statement.
    pub rules: Vec<Uuid>,
    /// The engine's id of the query.
    pub query_id: String,
    /// The event times that it covers.
    pub window: Window,
}

/// The result of collecting a query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Collected {
    /// It belongs to none of the detector's rules.
    Unknown,
    /// It was collected before, or another query has replaced it.
    Outdated,
    /// It has not ended.
    Running,
    /// Another call is publishing its findings.
    Claimed,
    /// Its findings are published, and the watermark is at the end of its window.
    Published {
        /// The rule's id.
        rule: Uuid,
        /// The event times that it covered.
        window: Window,
        /// Findings published by this call.
        published: u64,
        /// Rows that were published before.
        repeated: u64,
        /// Findings whose events arrived later than the rule's `ingest_delay`.
        late: Late,
        /// Bytes that the query read.
        scanned_bytes: u64,
        /// Whether rows beyond [`Settings::max_rows`](super::Settings::max_rows) were left out.
        truncated: bool,
    },
    /// It returned too many rows. Nothing is published, and shorter windows will cover the same time.
    Narrowed {
        /// The rule's id.
        rule: Uuid,
        /// The event times that it covered.
        window: Window,
    },
    /// It shared its statement with other rules, and the statement failed or returned too many rows. Nothing is published.
    /// The rule will query the same window with a statement of its own, which shows whether it is at fault.
    Separated {
        /// The rule's id.
        rule: Uuid,
        /// The event times that the statement covered.
        window: Window,
        /// The engine's error; `None` for too many rows.
        error: Option<QueryError>,
    },
    /// It failed. An alert is published, and the same window will be retried.
    Failed {
        /// The rule's id.
        rule: Uuid,
        /// The event times that it covered.
        window: Window,
        /// The engine's error.
        error: QueryError,
    },
}

impl Collected {
    /// The rule, if its next query can start at once.
    pub fn may_continue(&self) -> Option<Uuid> {
        match self {
            Self::Published { rule, .. } | Self::Narrowed { rule, .. } | Self::Separated { rule, .. } => Some(*rule),
            _ => None,
        }
    }
}

/// The result of [`Detector::collect`](super::Detector::collect), for each rule of the query.
#[derive(Debug, Default)]
pub struct Collection {
    /// What came of it.
    pub collected: Vec<Collected>,
    /// Rules for which a step failed. Collecting again repeats it.
    pub faults: Vec<(Uuid, DetectError)>,
}

/// Findings whose events reached the lake later than the rule's `ingest_delay`, after an earlier run had covered their time.
/// They were found only because windows overlap further. Other late events may never be found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Late {
    /// Number of findings.
    pub findings: u64,
    /// Longest time from a finding's last event to the run that found it, in milliseconds.
    pub most: i64,
}

/// The result of [`Detector::start_due`](super::Detector::start_due).
#[derive(Debug, Default)]
pub struct Due {
    /// Queries started.
    pub started: Vec<Started>,
    /// Results of queries that had ended without a state change event.
    pub collected: Vec<Collected>,
    /// Rules that could not be checked. The next call retries them.
    pub faults: Vec<(Uuid, DetectError)>,
    /// Rules that were not checked because time ran out.
    pub deferred: u64,
    /// For each checked rule, how far its watermark is behind, in milliseconds; `None` before its first run.
    pub lag: Vec<(Uuid, Option<i64>)>,
}

/// Why a step failed. The next call repeats it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DetectError {
    /// The state cannot be read or written.
    #[error("the state of detections cannot be read or written")]
    State(#[from] StateError),
    /// The engine cannot be used.
    #[error(transparent)]
    Query(#[from] QueryError),
    /// A message could not be published.
    #[error(transparent)]
    Publish(#[from] PublishError),
    /// The rule's statement cannot be built.
    #[error("rule {rule}: the query cannot be built")]
    Statement {
        /// The rule's title.
        rule: String,
        /// The cause.
        source: StatementError,
    },
}

impl From<StoreError> for DetectError {
    fn from(error: StoreError) -> Self {
        Self::State(error.into())
    }
}

impl DetectError {
    /// Whether another call wrote the state first. That call does the work.
    pub fn is_conflict(&self) -> bool {
        matches!(self, Self::State(StateError::Store(error)) if error.is_conflict())
    }

    /// Whether a retry can succeed although nobody changes anything.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::State(StateError::Store(error)) => error.is_transient() || error.is_conflict(),
            Self::State(_) | Self::Statement { .. } => false,
            Self::Query(error) => matches!(error, QueryError::Unavailable(_)),
            Self::Publish(error) => error.transient,
        }
    }
}
