//! The content of a rule file, checked.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use diagnostics::{Span, Spanned};
use serde::Serialize;
use serde_json::Value as Json;
use uuid::Uuid;

use crate::schedule::Schedule;
use crate::template::{self, Template, TemplateFault};

/// A rule.
#[derive(Debug, Clone, PartialEq)]
pub struct Rule {
    /// The text of the file.
    pub text: String,
    /// What it finds, in a few words.
    pub title: String,
    /// A UUID that never changes. State is stored under it.
    pub id: Uuid,
    /// How mature the rule is.
    pub status: Status,
    /// What it finds, and why that matters.
    pub description: Option<String>,
    /// Where to read more.
    pub references: Vec<String>,
    /// The author.
    pub author: Option<String>,
    /// The day on which it was written, `2024-05-01`.
    pub date: Option<String>,
    /// The day of the last change.
    pub modified: Option<String>,
    /// Tags as in Sigma, such as `attack.t1059.001`.
    pub tags: Vec<Spanned<String>>,
    /// Harmless events that look the same.
    pub false_positives: Vec<String>,
    /// Severity of the findings.
    pub level: Level,
    /// The query or pattern.
    pub logic: Logic,
    /// When it runs.
    pub schedule: Schedule,
    /// Minimum length of a window, in milliseconds.
    pub lookback: i64,
    /// Maximum delay until events reach the lake, in milliseconds.
    pub ingest_delay: i64,
    /// Values that can be set from outside.
    pub parameters: Vec<Parameter>,
    /// Columns whose values make a group of rows.
    pub group_by: Vec<Spanned<String>>,
    /// Minimum size of a group.
    pub threshold: Option<Threshold>,
    /// Which rows are the same finding.
    pub dedupe: Option<Dedupe>,
    /// Scan limit of a run, in bytes.
    pub max_scanned_bytes: Option<u64>,
    /// Usual number of findings a day.
    pub expect_per_day: Option<PerDay>,
    /// What to do about a finding, as steps.
    pub response: Vec<String>,
    /// Tests of the rule.
    pub tests: Vec<Test>,
}

/// The query or pattern of a rule.
#[derive(Debug, Clone, PartialEq)]
pub enum Logic {
    /// A STIX pattern over logical tables.
    Stix {
        /// The pattern, with `{{param:…}}` templates.
        pattern: Spanned<String>,
        /// The logical tables to search.
        tables: Vec<Spanned<String>>,
    },
    /// A query in Trino's SQL, with `{{…}}` templates.
    Sql(RuleSql),
}

/// SQL with templates. The templates are parsed once, when the rule is read.
#[derive(Debug, Clone, PartialEq)]
pub struct RuleSql {
    pub(crate) text: Spanned<String>,
    pub(crate) template: Result<Template, Vec<TemplateFault>>,
}

impl RuleSql {
    pub(crate) fn new(text: Spanned<String>) -> Self {
        Self { template: template::read(&text.value), text }
    }
}

/// How mature a rule is, in Sigma's terms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Needs no change.
    Stable,
    /// Almost stable.
    Test,
    /// May be noisy.
    Experimental,
    /// Replaced by another rule. It does not run.
    Deprecated,
    /// Cannot run here.
    Unsupported,
}

/// Severity of findings, in Sigma's terms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// For information only.
    Informational,
    /// Notable, but rarely an incident.
    Low,
    /// Should be reviewed regularly.
    Medium,
    /// Should be reviewed soon.
    High,
    /// Must be reviewed at once.
    Critical,
}

macro_rules! words {
    ($kind:ident: $($variant:ident $word:literal),+) => {
        impl $kind {
            /// All words, as rule files spell them.
            pub const WORDS: &'static [&'static str] = &[$($word),+];

            /// The word, as rule files spell it.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)+
                }
            }
        }

        impl FromStr for $kind {
            type Err = ();

            fn from_str(text: &str) -> Result<Self, ()> {
                match text {
                    $($word => Ok(Self::$variant),)+
                    _ => Err(()),
                }
            }
        }

        impl fmt::Display for $kind {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }
    };
}

words!(Status: Stable "stable", Test "test", Experimental "experimental", Deprecated "deprecated",
    Unsupported "unsupported");
words!(Level: Informational "informational", Low "low", Medium "medium", High "high", Critical "critical");
words!(ParameterType: Text "text", Integer "integer", Decimal "decimal", Boolean "boolean", TextList "text_list",
    IntegerList "integer_list");

/// A value that can be set from outside.
#[derive(Debug, Clone, PartialEq)]
pub struct Parameter {
    /// The name, as in `{{param:name}}`.
    pub name: Spanned<String>,
    /// The type of its values.
    pub parameter_type: ParameterType,
    /// What it is for.
    pub description: Option<String>,
    /// The value if none is set.
    pub default: ParameterValue,
}

/// Types of parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParameterType {
    /// A text.
    Text,
    /// A whole number of 64 bits.
    Integer,
    /// A finite number.
    Decimal,
    /// `true` or `false`.
    Boolean,
    /// A list of texts, which may be empty.
    TextList,
    /// A list of whole numbers, which may be empty.
    IntegerList,
}

/// The value of a parameter.
#[derive(Debug, Clone, PartialEq)]
pub enum ParameterValue {
    /// A text.
    Text(String),
    /// A whole number.
    Integer(i64),
    /// A number.
    Decimal(f64),
    /// `true` or `false`.
    Boolean(bool),
    /// A list of texts.
    TextList(Vec<String>),
    /// A list of whole numbers.
    IntegerList(Vec<i64>),
}

impl ParameterType {
    /// A placeholder for an invalid default, so that lint can examine the rest of the rule.
    pub(crate) fn stand_in(self) -> ParameterValue {
        match self {
            Self::Text => ParameterValue::Text(String::new()),
            Self::Integer => ParameterValue::Integer(0),
            Self::Decimal => ParameterValue::Decimal(0.0),
            Self::Boolean => ParameterValue::Boolean(false),
            Self::TextList => ParameterValue::TextList(Vec::new()),
            Self::IntegerList => ParameterValue::IntegerList(Vec::new()),
        }
    }

    /// A value of this type from the text of a command line: a list is a JSON array, or its items with commas between.
    pub fn read_text(self, text: &str) -> Option<Json> {
        let list = |item: fn(&str) -> Option<Json>| match text.starts_with('[') {
            true => serde_json::from_str(text).ok(),
            false => text.split(',').filter(|part| !part.is_empty()).map(item).collect(),
        };
        let value = match self {
            Self::Text => Json::from(text),
            Self::TextList => list(|part| Some(Json::from(part)))?,
            Self::IntegerList => list(|part| serde_json::from_str(part.trim()).ok())?,
            Self::Integer | Self::Decimal | Self::Boolean => serde_json::from_str(text).ok()?,
        };
        self.read(&value).map(|_| value)
    }

    /// Reads a value of this type from JSON; `None` if it has another type.
    pub fn read(self, value: &Json) -> Option<ParameterValue> {
        Some(match self {
            Self::Text => ParameterValue::Text(value.as_str()?.to_owned()),
            Self::Integer => ParameterValue::Integer(value.as_i64()?),
            Self::Decimal => ParameterValue::Decimal(value.as_f64().filter(|number| number.is_finite())?),
            Self::Boolean => ParameterValue::Boolean(value.as_bool()?),
            Self::TextList => {
                let items = value.as_array()?.iter().map(|item| item.as_str().map(str::to_owned));
                ParameterValue::TextList(items.collect::<Option<_>>()?)
            }
            Self::IntegerList => {
                ParameterValue::IntegerList(value.as_array()?.iter().map(Json::as_i64).collect::<Option<_>>()?)
            }
        })
    }
}

/// Values of parameters other than the defaults, by name.
pub type ParameterValues = BTreeMap<String, Json>;

/// Minimum size of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Threshold {
    /// The least number of rows, or of distinct values.
    pub count: u64,
    /// Count the distinct values of this column instead of rows.
    pub distinct: Option<Spanned<String>>,
}

/// Usual number of findings a day. Both bounds are inclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PerDay {
    /// At least this many.
    pub least: u64,
    /// At most this many.
    pub most: u64,
}

/// Which rows are the same finding: those with equal `key` columns within `window`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dedupe {
    /// Columns.
    pub key: Vec<Spanned<String>>,
    /// How long after a finding no other with the same key is published, in milliseconds of event time.
    pub window: i64,
}

/// A test: events, and the expected findings.
#[derive(Debug, Clone, PartialEq)]
pub struct Test {
    /// What it shows.
    pub name: String,
    /// The place of the test in the file.
    pub span: Span,
    /// The events, by source.
    pub inputs: Vec<TestInput>,
    /// Values of parameters other than the defaults.
    pub parameters: ParameterValues,
    /// The expected findings.
    pub expect: Expectation,
}

/// Events of one source.
#[derive(Debug, Clone, PartialEq)]
pub struct TestInput {
    /// A shipped mapping, its source name, or the path of a mapping config relative to the rule file.
    pub source: Spanned<String>,
    /// The raw events.
    pub events: TestEvents,
}

/// Raw events in the source's own format.
#[derive(Debug, Clone, PartialEq)]
pub enum TestEvents {
    /// The events, with one event per line for lists.
    Inline(Vec<u8>),
    /// A file, with its path relative to the rule file.
    File(Spanned<String>),
}

/// The findings that a test expects.
#[derive(Debug, Clone, PartialEq)]
pub enum Expectation {
    /// No findings.
    Nothing,
    /// This number of findings.
    Hits(u64),
    /// Exactly these findings. Each entry has the values of some columns of a row.
    Findings(Vec<BTreeMap<String, Json>>),
}

impl Rule {
    /// The logical tables that the rule reads, sorted and without duplicates. Empty for SQL that lint refuses.
    pub fn sources(&self) -> Vec<&str> {
        let mut names: Vec<&str> = match &self.logic {
            Logic::Stix { tables, .. } => tables.iter().map(|table| table.value.as_str()).collect(),
            Logic::Sql(sql) => {
                let template = sql.template.as_ref().ok();
                template.into_iter().flat_map(|template| &template.tables).map(|table| table.name.as_str()).collect()
            }
        };
        names.sort_unstable();
        names.dedup();
        names
    }

    /// A hash of the file. It is part of query tokens, and findings contain it.
    pub fn version(&self) -> String {
        blake3::hash(self.text.as_bytes()).to_hex()[..16].to_owned()
    }

    /// Whether its schedule runs it.
    pub fn is_scheduled(&self) -> bool {
        self.is_active() && !self.schedule.is_on_demand()
    }

    /// Whether the rule runs: its status is not `deprecated` or `unsupported`.
    pub fn is_active(&self) -> bool {
        !matches!(self.status, Status::Deprecated | Status::Unsupported)
    }
}
