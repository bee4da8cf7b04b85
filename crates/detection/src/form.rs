//! The keys of a rule file and the forms of their values. The parser and the JSON Schema are both derived from these tables.

use diagnostics::form::{optional, required};

use crate::names::{is_name, is_table};
use crate::rule::{Level, ParameterType, Status};

/// The form of a value.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Form {
    /// A non-empty text.
    Text,
    /// A text of a special form.
    Formed(&'static TextForm),
    /// One of these texts.
    Choice(&'static [&'static str]),
    /// A whole number of at least this.
    Integer(i64),
    /// Any value.
    Any,
    /// A boolean, a number or a text.
    Scalar,
    /// A list with at least one item.
    List(&'static Form),
    /// A mapping with at least one entry. The first form is that of its keys, the second that of its values.
    Map(&'static TextForm, &'static Form),
    /// A mapping with these keys.
    Object(&'static ObjectForm),
    /// One of these.
    Either(&'static [Form]),
}

/// The form of a text.
#[derive(Debug)]
pub(crate) struct TextForm {
    /// The name for messages, with its article.
    pub(crate) name: &'static str,
    /// A valid text.
    pub(crate) example: &'static str,
    /// A regular expression for JSON Schema (ECMA 262).
    pub(crate) pattern: &'static str,
    pub(crate) accepts: fn(&str) -> bool,
}

/// A mapping with fixed keys.
pub(crate) type ObjectForm = diagnostics::form::ObjectForm<Form>;

pub(crate) static UUID: TextForm = TextForm {
    name: "a UUID in lower case",
    example: "6f5b1c5e-2a43-4b0e-9d5f-0f3c0a1b2c3d",
    pattern: "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$",
    accepts: |text| {
        let lengths = text.split('-').map(str::len);
        lengths.eq([8, 4, 4, 4, 12]) && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f' | b'-'))
    },
};

pub(crate) static DATE: TextForm = TextForm {
    name: "a date",
    example: "2024-05-01",
    pattern: "^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$",
    accepts: |text| {
        let digits = |part: &str, length: usize| part.len() == length && part.bytes().all(|byte| byte.is_ascii_digit());
        let within = |part: &str, most: u8| part.parse::<u8>().is_ok_and(|number| (1..=most).contains(&number));
        matches!(text.split('-').collect::<Vec<_>>()[..], [year, month, day]
            if digits(year, 4) && digits(month, 2) && digits(day, 2) && within(month, 12) && within(day, 31))
    },
};

pub(crate) static DURATION: TextForm = TextForm {
    name: "a duration",
    example: "15m",
    pattern: "^[0-9]{1,6}[smhd]$",
    accepts: |text| text.len() <= 7 && crate::schedule::parse_duration(text).is_ok(),
};

pub(crate) static SCHEDULE: TextForm = TextForm {
    name: "a schedule",
    example: "rate(5 minutes)",
    pattern: r"^((rate|cron)\(.*\)|on demand)$",
    accepts: |text| {
        text == "on demand" || (text.starts_with("rate(") || text.starts_with("cron(")) && text.ends_with(')')
    },
};

pub(crate) static BYTES: TextForm = TextForm {
    name: "a number of bytes",
    example: "10 GB",
    pattern: "^[1-9][0-9]{0,5} (KB|MB|GB|TB)$",
    accepts: |text| parse_bytes(text).is_some(),
};

pub(crate) static NAME: TextForm = TextForm {
    name: "a name of lower-case letters, digits and `_`",
    example: "user_name",
    pattern: "^[a-z_][a-z0-9_]*$",
    accepts: is_name,
};

pub(crate) static TABLE: TextForm = TextForm {
    name: "a logical table",
    example: "aws-cloudtrail, class:process_activity",
    pattern: "^(class:)?[a-z0-9][a-z0-9_/-]*$",
    accepts: is_table,
};

pub(crate) static TAG: TextForm = TextForm {
    name: "a tag",
    example: "attack.t1059.001",
    pattern: "^[a-z0-9_-]+(\\.[a-z0-9_-]+)+$",
    accepts: |text| {
        let good = |part: &str| {
            !part.is_empty() && part.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-'))
        };
        text.contains('.') && text.split('.').all(good)
    },
};

/// Parses `10 GB` to bytes. Units are powers of ten, like Athena's limits.
pub(crate) fn parse_bytes(text: &str) -> Option<u64> {
    let (number, unit) = text.split_once(' ')?;
    let digits = number.len() <= 6 && number.bytes().all(|byte| byte.is_ascii_digit()) && !number.starts_with('0');
    let count: u64 = number.parse().ok().filter(|_| digits)?;
    let unit = match unit {
        "KB" => 1_000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        "TB" => 1_000_000_000_000,
        _ => return None,
    };
    Some(count * unit)
}

const TEXTS: Form = Form::Either(&[Form::Text, Form::List(&Form::Text)]);
const COLUMNS: Form = Form::List(&Form::Formed(&NAME));
const EVENTS: Form = Form::Either(&[Form::Text, Form::List(&Form::Either(&[Form::Text, Form::Object(&ANY_OBJECT)]))]);
const PARAMETERS: Form = Form::Map(&NAME, &Form::Any);

/// A mapping with any keys: `keys` is empty.
pub(crate) static ANY_OBJECT: ObjectForm = ObjectForm { name: "an object", keys: &[] };

static PARAMETER: ObjectForm = ObjectForm {
    name: "a parameter",
    keys: &[
        required("type", Form::Choice(ParameterType::WORDS), "Type of its values."),
        required("default", Form::Any, "Value if none is set. A list may be empty."),
        optional("description", Form::Text, "What it is for."),
    ],
};

static PER_DAY: ObjectForm = ObjectForm {
    name: "`expect_per_day`",
    keys: &[
        optional("least", Form::Integer(0), "At least this many. Fewer mean that the rule or its source is broken."),
        optional(
            "most",
            Form::Integer(0),
            "At most this many. More mean that the rule is noisy, or that there is an incident.",
        ),
    ],
};

static THRESHOLD: ObjectForm = ObjectForm {
    name: "a threshold",
    keys: &[
        required("count", Form::Integer(1), "Minimum number of rows in a group."),
        optional("distinct", Form::Formed(&NAME), "Count the distinct values of this column instead of rows."),
    ],
};

static DEDUPE: ObjectForm = ObjectForm {
    name: "`dedupe`",
    keys: &[
        required("key", COLUMNS, "Columns. Rows with the same values in them are one finding."),
        required(
            "window",
            Form::Formed(&DURATION),
            "How long after a finding no other with the same key is published.",
        ),
    ],
};

const SOURCE: &str = "A shipped mapping or its source, or the path of a mapping config, relative to this file.";
const BASE: &str = "Name of a base event. It is the only event unless there are `changes`.";
const CHANGES: Form = Form::List(&Form::Object(&ANY_OBJECT));
const CHANGED: &str = "One event for each item: the base event with these fields changed (JSON merge patch).";

static TEST_INPUT: ObjectForm = ObjectForm {
    name: "an input of a test",
    keys: &[
        required("source", Form::Text, SOURCE),
        optional("events", EVENTS, "Raw events: objects or lines of text, or one text with all of them."),
        optional("file", Form::Text, "File with raw events, relative to this file."),
        optional("base", Form::Formed(&NAME), BASE),
        optional("changes", CHANGES, CHANGED),
    ],
};

static TEST: ObjectForm = ObjectForm {
    name: "a test",
    keys: &[
        required("name", Form::Text, "What it shows."),
        optional("source", Form::Text, SOURCE),
        optional("events", EVENTS, "Raw events: objects or lines of text, or one text with all of them."),
        optional("file", Form::Text, "File with raw events, relative to this file."),
        optional("base", Form::Formed(&NAME), BASE),
        optional("changes", CHANGES, CHANGED),
        optional("inputs", Form::List(&Form::Object(&TEST_INPUT)), "Events of several sources."),
        optional("parameters", PARAMETERS, "Values of parameters other than the defaults."),
        required(
            "expect",
            Form::Either(&[Form::Choice(&["none"]), Form::Integer(1), Form::List(&Form::Map(&NAME, &Form::Scalar))]),
            "`none`, a number of findings, or a list of findings with values of their columns.",
        ),
    ],
};

/// The whole file.
pub(crate) static FILE: ObjectForm = ObjectForm {
    name: "a rule",
    keys: &[
        required("title", Form::Text, "What it finds, in a few words."),
        required("id", Form::Formed(&UUID), "UUID that never changes."),
        required("status", Form::Choice(Status::WORDS), "How mature it is."),
        optional("description", Form::Text, "What it finds, and why that matters."),
        optional("references", Form::List(&Form::Text), "Where to read more."),
        optional("author", Form::Text, "Who wrote it."),
        optional("date", Form::Formed(&DATE), "Day on which it was written."),
        optional("modified", Form::Formed(&DATE), "Day of the last change."),
        optional("tags", Form::List(&Form::Formed(&TAG)), "Tags as in Sigma, such as `attack.t1059.001`."),
        optional("falsepositives", Form::List(&Form::Text), "Harmless events that look the same."),
        required("level", Form::Choice(Level::WORDS), "Severity of the findings."),
        optional("stix", Form::Text, "A STIX 2.1 pattern."),
        optional("tables", Form::List(&Form::Formed(&TABLE)), "Logical tables that the STIX pattern searches."),
        optional("sql", Form::Text, "A query in Trino's SQL, with `{{table}}`, `{{window}}` and `{{param:name}}`."),
        required("schedule", Form::Formed(&SCHEDULE), "When it runs, in EventBridge's syntax (UTC), or `on demand`."),
        optional(
            "lookback",
            Form::Formed(&DURATION),
            "Minimum length of a window. Required unless the rule runs on demand.",
        ),
        optional(
            "ingest_delay",
            Form::Formed(&DURATION),
            "Maximum delay until events reach the lake. Required unless the rule runs on demand.",
        ),
        optional("parameters", Form::Map(&NAME, &Form::Object(&PARAMETER)), "Values that can be set from outside."),
        optional("group_by", COLUMNS, "Columns whose values make a group of rows."),
        optional("threshold", Form::Object(&THRESHOLD), "Minimum size of a group."),
        optional("dedupe", Form::Object(&DEDUPE), "Which rows are the same finding."),
        optional(
            "max_scanned_bytes",
            Form::Either(&[Form::Integer(1), Form::Formed(&BYTES)]),
            "Scan limit of a run: a number of bytes, or `10 GB`.",
        ),
        optional(
            "expect_per_day",
            Form::Object(&PER_DAY),
            "Usual number of findings a day. A backtest names the days outside it.",
        ),
        optional("response", TEXTS, "What to do about a finding: a text, or a list of steps."),
        optional("base_events", Form::Map(&NAME, &Form::Object(&ANY_OBJECT)), "Raw events by name, for tests to vary."),
        optional("tests", Form::List(&Form::Object(&TEST)), "Tests: events, and the expected findings."),
    ],
};
