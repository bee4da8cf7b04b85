//! A detection rule as data: what a rule file says, checked.

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
    /// The whole file.
    pub text: String,
    /// What it is, in a few words.
    pub title: String,
    /// Which it is, for ever.
    pub id: Uuid,
    /// How far it is trusted.
    pub status: Status,
    /// What it finds and why that matters.
    pub description: Option<String>,
    /// Where to read more.
    pub references: Vec<String>,
    /// Who wrote it.
    pub author: Option<String>,
    /// The day it was made, `2024-05-01`.
    pub date: Option<String>,
    /// The day it was last changed.
    pub modified: Option<String>,
    /// Sigma's tags, as `attack.t1059.001`.
    pub tags: Vec<Spanned<String>>,
    /// What else looks like it.
    pub false_positives: Vec<String>,
    /// How bad it is.
    pub level: Level,
    /// What is looked for.
    pub logic: Logic,
    /// When it runs.
    pub schedule: Schedule,
    /// The least length of a window, in milliseconds.
    pub lookback: i64,
    /// How late events reach the lake, in milliseconds.
    pub ingest_delay: i64,
    /// What can be set from outside.
    pub parameters: Vec<Parameter>,
    /// Columns whose values make a group of rows.
    pub group_by: Vec<Spanned<String>>,
    /// How many rows a group must have.
    pub threshold: Option<Threshold>,
    /// Which findings are one.
    pub dedupe: Option<Dedupe>,
    /// What a run may read, in bytes.
    pub max_scanned_bytes: Option<u64>,
    /// How many findings a day are usual.
    pub expect_per_day: Option<PerDay>,
    /// What to do about a finding, in steps.
    pub response: Vec<String>,
    /// Events, and what is to be found in them.
    pub tests: Vec<Test>,
}

/// What is looked for.
#[derive(Debug, Clone, PartialEq)]
pub enum Logic {
    /// A STIX pattern over logical tables.
    Stix {
        /// The pattern's text, with `{{param:…}}` in it.
        pattern: Spanned<String>,
        /// The tables.
        tables: Vec<Spanned<String>>,
    },
    /// A query in Trino's SQL with `{{…}}` in it.
    Sql(RuleSql),
}

/// The SQL of a rule, cut at its templates when the rule is read.
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

/// How far a rule is trusted, in Sigma's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Needs no change.
    Stable,
    /// Nearly.
    Test,
    /// May be noisy.
    Experimental,
    /// Replaced by another; it no longer runs.
    Deprecated,
    /// Cannot run here.
    Unsupported,
}

/// How bad a finding is, in Sigma's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// For the record.
    Informational,
    /// Worth a look some day.
    Low,
    /// Worth a look.
    Medium,
    /// To be looked at soon.
    High,
    /// To be looked at now.
    Critical,
}

macro_rules! words {
    ($kind:ident: $($variant:ident $word:literal),+) => {
        impl $kind {
            /// The words of a rule file.
            pub const WORDS: &'static [&'static str] = &[$($word),+];

            /// The word of a rule file.
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

/// What can be set from outside.
#[derive(Debug, Clone, PartialEq)]
pub struct Parameter {
    /// Its name.
    pub name: Spanned<String>,
    /// Of what kind its value is.
    pub parameter_type: ParameterType,
    /// What it is for.
    pub description: Option<String>,
    /// Its value where none is set.
    pub default: ParameterValue,
}

/// The kinds of parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParameterType {
    /// A text.
    Text,
    /// A whole number.
    Integer,
    /// A number.
    Decimal,
    /// True or false.
    Boolean,
    /// Texts.
    TextList,
    /// Whole numbers.
    IntegerList,
}

/// A parameter's value.
#[derive(Debug, Clone, PartialEq)]
pub enum ParameterValue {
    /// A text.
    Text(String),
    /// A whole number.
    Integer(i64),
    /// A number.
    Decimal(f64),
    /// True or false.
    Boolean(bool),
    /// Texts.
    TextList(Vec<String>),
    /// Whole numbers.
    IntegerList(Vec<i64>),
}

impl ParameterType {
    /// A value for a default that is refused, so that the rest of the rule can be examined.
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

    /// A value of this type from JSON, if it is one.
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

/// Values of parameters that are set from outside, by name.
pub type ParameterValues = BTreeMap<String, Json>;

/// How many rows a group must have to be a finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Threshold {
    /// So many, or more.
    pub count: u64,
    /// Counts the different values of this column and not the rows.
    pub distinct: Option<Spanned<String>>,
}

/// How many findings a day are usual.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PerDay {
    /// So many, or more.
    pub least: u64,
    /// So many, or fewer.
    pub most: u64,
}

/// Which findings are one: those with the same values in `key` within `window`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dedupe {
    /// Columns.
    pub key: Vec<Spanned<String>>,
    /// After a finding none of the same key is published for so long, in milliseconds of the events' time.
    pub window: i64,
}

/// Events, and what a rule is to find in them.
#[derive(Debug, Clone, PartialEq)]
pub struct Test {
    /// What it shows.
    pub name: String,
    /// Where it stands.
    pub span: Span,
    /// The events, source by source.
    pub inputs: Vec<TestInput>,
    /// Values of parameters other than the defaults.
    pub parameters: ParameterValues,
    /// What is to be found.
    pub expect: Expectation,
}

/// Events of one source.
#[derive(Debug, Clone, PartialEq)]
pub struct TestInput {
    /// A shipped mapping's name, or the path of a mapping config, from the rule file.
    pub source: Spanned<String>,
    /// The events.
    pub events: TestEvents,
}

/// Raw events in their source's own format.
#[derive(Debug, Clone, PartialEq)]
pub enum TestEvents {
    /// In the rule file.
    Inline(Vec<u8>),
    /// In a file whose path is given from the rule file.
    File(Spanned<String>),
}

/// What is to be found.
#[derive(Debug, Clone, PartialEq)]
pub enum Expectation {
    /// Nothing.
    Nothing,
    /// So many findings.
    Hits(u64),
    /// Exactly these findings: each has these values in these columns.
    Findings(Vec<BTreeMap<String, Json>>),
}

impl Rule {
    /// The logical tables that it reads, each once, sorted by name. SQL that lint refuses reads none.
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

    /// What tells this content of the file from any other: it is part of the token of its queries, and findings name it.
    pub fn version(&self) -> String {
        blake3::hash(self.text.as_bytes()).to_hex()[..16].to_owned()
    }

    /// Whether its schedule runs it.
    pub fn is_scheduled(&self) -> bool {
        self.is_active() && !self.schedule.is_on_demand()
    }

    /// Whether it is to run at all.
    pub fn is_active(&self) -> bool {
        !matches!(self.status, Status::Deprecated | Status::Unsupported)
    }
}
