//! The words of the mapping language, once: every operator, condition and key with its arguments.
//!
//! The parser takes from here what may stand where and what to suggest for a misspelt word, the JSON Schema is made
//! from it, and a test holds the reference page to it.

use diagnostics::form::{optional, required};

/// What a key, an argument or an item has to be.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Form {
    /// Free text.
    Text,
    /// Text that is not empty.
    Name,
    /// Any JSON value, taken as it is.
    Literal,
    /// A text of exactly one ASCII character.
    Character,
    /// A regular expression.
    Pattern,
    /// An integer not below the bound.
    Integer {
        /// The smallest that is allowed, if there is a smallest.
        at_least: Option<i64>,
    },
    /// One of these texts.
    Choice(&'static [&'static str]),
    /// A JSONPath that selects at most one value.
    Path,
    /// A VALUE: an expression that gives one JSON value or none.
    Value,
    /// A VALUE, or an object of attributes.
    Assignment,
    /// An object of attributes.
    Attributes,
    /// A COND.
    Condition,
    /// A time format, or a list of them.
    TimeFormats,
    /// Name or number of a capture group.
    Group,
    /// `10`, `16` or `"auto"`.
    Base,
    /// Text with paths in braces.
    Template,
    /// The name of a shipped list of fields, or lists of names by event id.
    TextFieldNames,
    /// An object with these keys.
    Object(&'static ObjectForm),
    /// An array of this.
    List(&'static Form),
    /// An array of this with at least one item.
    NonEmptyList(&'static Form),
    /// An array of exactly these.
    Tuple(&'static [Form]),
    /// An object whose keys are free and whose values are this.
    Map(&'static Form),
    /// The same with at least one key.
    NonEmptyMap(&'static Form),
    /// Either of these.
    Either(&'static Form, &'static Form),
}

/// An object with fixed keys.
pub type ObjectForm = diagnostics::form::ObjectForm<Form>;

/// Names an operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[expect(missing_docs, reason = "each variant is an operator of that name; what they do is in OPERATORS")]
pub enum OperatorKind {
    First,
    Enum,
    Lookup,
    When,
    Each,
    Template,
    Regex,
    Split,
    Timestamp,
    Int,
    IpVersion,
    Json,
    Basename,
    Dirname,
    StripPrefix,
    /// `$duration`.
    Duration,
    Trim,
    Lower,
    Upper,
    Literal,
}

/// An operator: an object with one key, `{"$name": argument}`.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Operator {
    /// Which it is.
    pub kind: OperatorKind,
    /// With the `$`.
    pub name: &'static str,
    /// What its argument has to be.
    pub argument: Form,
    /// What it gives.
    pub summary: &'static str,
}

/// Every operator, in the order of the reference page.
pub static OPERATORS: &[Operator] = &[
    Operator {
        kind: OperatorKind::First,
        name: "$first",
        argument: Form::NonEmptyList(&Form::Value),
        summary: "the first alternative that has a value",
    },
    Operator {
        kind: OperatorKind::Enum,
        name: "$enum",
        argument: Form::Object(&ObjectForm {
            name: "$enum",
            keys: &[
                required("evaluate", Form::Value, "the value whose text is looked up"),
                required("values", Form::Map(&Form::Value), "text and result"),
                optional("other", Form::Value, "the result for any other text; absent stays absent"),
            ],
        }),
        summary: "the result listed under a value's text",
    },
    Operator {
        kind: OperatorKind::Lookup,
        name: "$lookup",
        argument: Form::Object(&ObjectForm {
            name: "$lookup",
            keys: &[
                required("table", Form::Name, "a key of `lookups`"),
                required("key", Form::Value, "the value whose text is looked up"),
                optional("default", Form::Value, "the result for any other text; absent stays absent"),
            ],
        }),
        summary: "the entry of a table of the config",
    },
    Operator {
        kind: OperatorKind::When,
        name: "$when",
        argument: Form::Object(&ObjectForm {
            name: "$when",
            keys: &[
                required("if", Form::Condition, "the condition"),
                required("then", Form::Assignment, "what is assigned if it holds"),
                optional("else", Form::Assignment, "what is assigned if it does not; default: nothing"),
            ],
        }),
        summary: "a choice; in an attribute's place it may guard a whole object",
    },
    Operator {
        kind: OperatorKind::Each,
        name: "$each",
        argument: Form::Object(&ObjectForm {
            name: "$each",
            keys: &[
                required("in", Form::Value, "the array"),
                optional("where", Form::Condition, "elements for which it fails are left out"),
                required("as", Form::Assignment, "what an element becomes; `@` is the element"),
            ],
        }),
        summary: "one item for each element of an array",
    },
    Operator {
        kind: OperatorKind::Template,
        name: "$template",
        argument: Form::Template,
        summary: "text with values in it; absent if one of them is",
    },
    Operator {
        kind: OperatorKind::Regex,
        name: "$regex",
        argument: Form::Object(&ObjectForm {
            name: "$regex",
            keys: &[
                required("value", Form::Value, "the text"),
                required("pattern", Form::Pattern, "syntax of the Rust `regex` crate"),
                optional("group", Form::Group, "default: group 1 if there is one, else the whole match"),
            ],
        }),
        summary: "a group of the first match; absent without a match",
    },
    Operator {
        kind: OperatorKind::Split,
        name: "$split",
        argument: Form::Object(&ObjectForm {
            name: "$split",
            keys: &[
                required("value", Form::Value, "the text"),
                required("on", Form::Name, "what stands between the parts"),
                optional(
                    "take",
                    Form::Integer { at_least: None },
                    "which part, from 0, or from -1 at the end; default: all, as a list",
                ),
                optional("min_parts", Form::Integer { at_least: Some(1) }, "absent if there are fewer parts"),
                optional(
                    "limit",
                    Form::Integer { at_least: Some(1) },
                    "at most so many parts; the last keeps the rest",
                ),
            ],
        }),
        summary: "a part of a text, or the list of its parts",
    },
    Operator {
        kind: OperatorKind::Timestamp,
        name: "$timestamp",
        argument: Form::Object(&ObjectForm {
            name: "$timestamp",
            keys: &[
                required("value", Form::Value, "the time as it is written"),
                optional("format", Form::TimeFormats, "tried in order; default `auto`"),
            ],
        }),
        summary: "a time, in milliseconds since 1970",
    },
    Operator {
        kind: OperatorKind::Int,
        name: "$int",
        argument: Form::Object(&ObjectForm {
            name: "$int",
            keys: &[
                required("value", Form::Value, "the number as text"),
                optional("base", Form::Base, "default `auto`: hexadecimal after `0x`, else decimal"),
            ],
        }),
        summary: "an integer",
    },
    Operator {
        kind: OperatorKind::IpVersion,
        name: "$ip_version",
        argument: Form::Value,
        summary: "4 or 6; absent if the text is no IP address",
    },
    Operator { kind: OperatorKind::Json, name: "$json", argument: Form::Value, summary: "the value as JSON text" },
    Operator {
        kind: OperatorKind::Basename,
        name: "$basename",
        argument: Form::Value,
        summary: "what follows the last `/` or `\\`",
    },
    Operator {
        kind: OperatorKind::Dirname,
        name: "$dirname",
        argument: Form::Value,
        summary: "what precedes the last `/` or `\\`; absent if there is none",
    },
    Operator {
        kind: OperatorKind::StripPrefix,
        name: "$strip_prefix",
        argument: Form::Object(&ObjectForm {
            name: "$strip_prefix",
            keys: &[required("value", Form::Value, "the text"), required("prefix", Form::Name, "what is taken off")],
        }),
        summary: "the text without a prefix, if it has it",
    },
    Operator {
        kind: OperatorKind::Duration,
        name: "$duration",
        argument: Form::Object(&ObjectForm {
            name: "$duration",
            keys: &[required("from", Form::Value, "the earlier time"), required("to", Form::Value, "the later time")],
        }),
        summary: "the milliseconds between two times",
    },
    Operator {
        kind: OperatorKind::Trim,
        name: "$trim",
        argument: Form::Value,
        summary: "the text without white space at its ends",
    },
    Operator { kind: OperatorKind::Lower, name: "$lower", argument: Form::Value, summary: "the text in lower case" },
    Operator { kind: OperatorKind::Upper, name: "$upper", argument: Form::Value, summary: "the text in upper case" },
    Operator {
        kind: OperatorKind::Literal,
        name: "$literal",
        argument: Form::Literal,
        summary: "a constant as it is: text that starts with `$.`, an array, an object",
    },
];

/// The operator of that name, with the `$`.
pub fn operator(name: &str) -> Option<&'static Operator> {
    OPERATORS.iter().find(|operator| operator.name == name)
}

/// Names a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[expect(missing_docs, reason = "each variant is a condition of that name; when they hold is in CONDITIONS")]
pub enum ConditionKind {
    Exists,
    Equals,
    In,
    Matches,
    StartsWith,
    EndsWith,
    Contains,
    All,
    Any,
    Not,
}

/// A condition: an object with one key, `{"name": argument}`.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct ConditionForm {
    /// Which it is.
    pub kind: ConditionKind,
    /// The key.
    pub name: &'static str,
    /// What its argument has to be.
    pub argument: Form,
    /// When it holds.
    pub summary: &'static str,
}

/// Every condition, in the order of the reference page.
pub static CONDITIONS: &[ConditionForm] = &[
    ConditionForm { kind: ConditionKind::Exists, name: "exists", argument: Form::Value, summary: "it has a value" },
    ConditionForm {
        kind: ConditionKind::Equals,
        name: "equals",
        argument: Form::Tuple(&[Form::Value, Form::Value]),
        summary: "both have a value and their texts are the same",
    },
    ConditionForm {
        kind: ConditionKind::In,
        name: "in",
        argument: Form::Tuple(&[Form::Value, Form::List(&Form::Literal)]),
        summary: "its text is that of one of the constants",
    },
    ConditionForm {
        kind: ConditionKind::Matches,
        name: "matches",
        argument: Form::Tuple(&[Form::Value, Form::Pattern]),
        summary: "the pattern is found in its text",
    },
    ConditionForm {
        kind: ConditionKind::StartsWith,
        name: "starts_with",
        argument: Form::Tuple(&[Form::Value, Form::Text]),
        summary: "its text starts with this",
    },
    ConditionForm {
        kind: ConditionKind::EndsWith,
        name: "ends_with",
        argument: Form::Tuple(&[Form::Value, Form::Text]),
        summary: "its text ends with this",
    },
    ConditionForm {
        kind: ConditionKind::Contains,
        name: "contains",
        argument: Form::Tuple(&[Form::Value, Form::Text]),
        summary: "its text contains this",
    },
    ConditionForm {
        kind: ConditionKind::All,
        name: "all",
        argument: Form::List(&Form::Condition),
        summary: "every one holds",
    },
    ConditionForm {
        kind: ConditionKind::Any,
        name: "any",
        argument: Form::List(&Form::Condition),
        summary: "at least one holds",
    },
    ConditionForm { kind: ConditionKind::Not, name: "not", argument: Form::Condition, summary: "it does not hold" },
];

/// The condition of that name.
pub fn condition(name: &str) -> Option<&'static ConditionForm> {
    CONDITIONS.iter().find(|condition| condition.name == name)
}

/// The special values of a time format; any other is a strptime pattern.
pub(crate) const TIME_FORMATS: &[&str] = &["epoch", "epoch_ms", "epoch_us", "epoch_ns", "iso8601", "auto"];
/// The values of `decode.format`.
pub(crate) const FORMATS: &[&str] = &["auto", "ndjson", "json", "json-array", "delimited"];
/// The values of `destination.layout`.
pub(crate) const LAYOUTS: &[&str] = &["source-per-class", "prefix-per-class"];
/// The values of `unmapped`.
pub(crate) const UNMAPPED_MODES: &[&str] = &["auto", "explicit"];

/// The file itself.
pub static FILE: ObjectForm = ObjectForm {
    name: "the file",
    keys: &[
        optional("$schema", Form::Text, "for editors; not read"),
        required("custom_source_events", Form::Object(&CONFIG), "the mapping config"),
    ],
};

/// `custom_source_events`.
pub static CONFIG: ObjectForm = ObjectForm {
    name: "custom_source_events",
    keys: &[
        required("source_name", Form::Name, "name of the custom source, at most 20 characters"),
        optional("extends", Form::Name, "a shipped config, or a file beside this one, that this one builds on"),
        optional("description", Form::Text, "words for readers"),
        optional("ocsf_version", Form::Choice(&["1.1.0", "1.3.0"]), "default 1.1.0"),
        optional("decode", Form::Object(&DECODE), "how the input is cut into raw events"),
        optional("absent", Form::List(&Form::Text), "texts that mean \"no value\"; default [\"\"]"),
        optional("matched_field", Form::Path, "its text is the key of the event mapping"),
        optional("select", Form::List(&Form::Object(&SELECT)), "rules tried before `matched_field`"),
        optional("timestamp", Form::Object(&TIMESTAMP), "the time of the event"),
        optional("account", Form::Value, "the accountId partition of the record"),
        optional("destination", Form::Object(&DESTINATION), "custom sources and layout in the lake"),
        optional("lookups", Form::Map(&Form::Map(&Form::Literal)), "tables for `$lookup`"),
        optional("profiles", Form::List(&Form::Name), "OCSF profiles of every event"),
        optional("common", Form::Object(&FRAGMENT), "what every event shares"),
        optional("fragments", Form::Map(&Form::Object(&FRAGMENT)), "what events share by `extends`"),
        optional(
            "unmapped",
            Form::Choice(UNMAPPED_MODES),
            "whether raw fields that nothing read are kept; default `auto`",
        ),
        optional(
            "other",
            Form::Either(&Form::Choice(&["quarantine"]), &Form::Object(&OTHER)),
            "what becomes of an event that no mapping takes; default `quarantine`",
        ),
        required("ocsf_mapping", Form::NonEmptyMap(&Form::Object(&EVENT)), "the event mappings"),
    ],
};

/// `decode`.
pub static DECODE: ObjectForm = ObjectForm {
    name: "decode",
    keys: &[
        optional("format", Form::Choice(FORMATS), "default `auto`"),
        optional("at", Form::Path, "json-array: where the array of events is"),
        optional(
            "columns",
            Form::NonEmptyList(&Form::Name),
            "delimited: names of the columns; default: the first line",
        ),
        optional("separator", Form::Character, "delimited: what stands between columns; default one space"),
        optional("quote", Form::Character, "delimited: stands around a column that may contain the separator"),
        optional(
            "split_columns",
            Form::NonEmptyMap(&Form::Pattern),
            "delimited: column and the pattern whose named groups replace it",
        ),
        optional("line_prefix", Form::Pattern, "text before the event on its line; named groups go to `_envelope`"),
        optional("steps", Form::List(&Form::Either(&Form::Choice(SHIPPED_STEPS), &Form::Object(&STEP))), STEPS_SUMMARY),
        optional("text_fields", Form::Object(&TEXT_FIELDS), "a rendered message that becomes an object"),
    ],
};

const STEPS_SUMMARY: &str = "what is done to an event before it is mapped: steps, and names of shipped lists of steps";

/// Lists of steps that can be named in `decode.steps`.
pub(crate) const SHIPPED_STEPS: &[&str] =
    &["sns", "cloudwatch-logs", "eventbridge", "cloudtrail-lookup", "json-message", "windows-event"];

/// The keys of [`STEP`] of which a step has one.
pub(crate) const STEP_ACTIONS: &[&str] =
    &["discard", "each", "root", "parse", "move", "copy", "nest", "extract", "windows_values"];

/// An item of `decode.steps`.
pub static STEP: ObjectForm = ObjectForm {
    name: "a step",
    keys: &[
        optional("when", Form::Condition, "the step applies if this holds; default: always"),
        optional("discard", Form::Name, "it is no event; counted under this name"),
        optional("each", Form::Path, "each element of the array is an event; what is around it goes to `_envelope`"),
        optional("root", Form::Path, "the object is the event; what is around it goes to `_envelope`"),
        optional("parse", Form::Path, "the text is replaced by the JSON or XML that it holds"),
        optional("move", Form::Map(&Form::Path), "fields that get another place: from and to"),
        optional("copy", Form::Map(&Form::Path), "fields that get a further place: from and to"),
        optional("nest", Form::Object(&NEST), "members of the root that are fields of the event go into an object"),
        optional("extract", Form::Object(&EXTRACT), "parts of a text become fields"),
        optional("windows_values", Form::Path, "GUIDs and hexadecimal numbers of the object as Windows renders them"),
    ],
};

/// `extract` of a step.
pub static EXTRACT: ObjectForm = ObjectForm {
    name: "extract",
    keys: &[
        required("from", Form::Path, "where the text is"),
        required("pattern", Form::Pattern, "each named group of the first match becomes a field"),
        optional("into", Form::Path, "the object that gets the fields; default: the root"),
    ],
};

/// `nest` of a step.
pub static NEST: ObjectForm = ObjectForm {
    name: "nest",
    keys: &[
        required("into", Form::Path, "where the object is made"),
        required("event_id", Form::Path, "where the id is that says which fields the event has"),
        required("names", Form::TextFieldNames, "a shipped list, or field names by event id"),
    ],
};

/// `decode.text_fields`.
pub static TEXT_FIELDS: ObjectForm = ObjectForm {
    name: "text_fields",
    keys: &[
        required("at", Form::Path, "where the text is"),
        required("event_id", Form::Path, "where the id is that says which fields the text has"),
        required("names", Form::TextFieldNames, "a shipped list, or field names by event id"),
    ],
};

/// An item of `select`.
pub static SELECT: ObjectForm = ObjectForm {
    name: "select",
    keys: &[
        required("when", Form::Condition, "the condition"),
        required("event", Form::Name, "a key of `ocsf_mapping`"),
    ],
};

/// `timestamp`.
pub static TIMESTAMP: ObjectForm = ObjectForm {
    name: "timestamp",
    keys: &[
        required("field", Form::Value, "the time as it is written"),
        optional("format", Form::TimeFormats, "tried in order; default `auto`"),
    ],
};

/// `destination`.
pub static DESTINATION: ObjectForm = ObjectForm {
    name: "destination",
    keys: &[
        optional("layout", Form::Choice(LAYOUTS), "default `source-per-class`"),
        optional(
            "sources",
            Form::Map(&Form::Name),
            "class and name of its custom source; default `<source_name>-<class_uid>`",
        ),
    ],
};

/// `common` and each of `fragments`.
pub static FRAGMENT: ObjectForm = ObjectForm {
    name: "a fragment",
    keys: &[
        optional("profiles", Form::List(&Form::Name), "OCSF profiles"),
        required("schema_mapping", Form::Attributes, "attributes"),
    ],
};

/// `other`, when it names an event.
pub static OTHER: ObjectForm =
    ObjectForm { name: "other", keys: &[required("event", Form::Name, "a key of `ocsf_mapping`")] };

/// An entry of `ocsf_mapping`.
pub static EVENT: ObjectForm = ObjectForm {
    name: "an event mapping",
    keys: &[
        required("schema", Form::Name, "the OCSF class"),
        optional("extends", Form::List(&Form::Name), "fragments, applied in order after `common`"),
        optional("profiles", Form::List(&Form::Name), "OCSF profiles, beside those of the config and of its fragments"),
        required("schema_mapping", Form::Attributes, "attributes; they win over those it extends"),
    ],
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_word_is_there_twice() {
        for names in [
            OPERATORS.iter().map(|operator| operator.name).collect::<Vec<_>>(),
            CONDITIONS.iter().map(|condition| condition.name).collect(),
        ] {
            for (index, name) in names.iter().enumerate() {
                assert!(!names[..index].contains(name), "{name}");
            }
        }
        assert!(OPERATORS.iter().all(|operator| operator.name.starts_with('$')));
    }
}
