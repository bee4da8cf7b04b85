//! The grammar of the mapping language as tables: every operator, condition and key with its arguments.
//!
//! The parser checks configs and suggests corrections with these tables. The JSON Schema is generated from them, and a
//! test compares them with the tables of docs/mapping-reference.md.

use diagnostics::form::{optional, required};

/// The type of a key's value, an argument or an item.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Form {
    /// Free text.
    Text,
    /// Text that is not empty.
    Name,
    /// Any JSON value, not evaluated.
    Literal,
    /// Exactly one ASCII character.
    Character,
    /// A regular expression.
    Pattern,
    /// An integer, with an optional lower bound.
    Integer {
        /// Smallest allowed value.
        at_least: Option<i64>,
    },
    /// One of these texts.
    Choice(&'static [&'static str]),
    /// A JSONPath that selects at most one value.
    Path,
    /// A VALUE: an expression that evaluates to one JSON value or to none.
    Value,
    /// A VALUE, or an object of attributes.
    Assignment,
    /// An object of attributes.
    Attributes,
    /// A COND.
    Condition,
    /// A time format, or a list of them.
    TimeFormats,
    /// The name or number of a capture group.
    Group,
    /// `10`, `16` or `"auto"`.
    Base,
    /// Text with paths in braces: `{$.name}`.
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
    /// A [`Form::Map`] with at least one key.
    NonEmptyMap(&'static Form),
    /// Either of these.
    Either(&'static Form, &'static Form),
}

/// An object with fixed keys.
pub type ObjectForm = diagnostics::form::ObjectForm<Form>;

/// Names an operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[expect(missing_docs, reason = "each variant is the operator of that name; OPERATORS describes them")]
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
    /// The operator.
    pub kind: OperatorKind,
    /// Its key, with the `$`.
    pub name: &'static str,
    /// The type of its argument.
    pub argument: Form,
    /// The result as a noun phrase, for the reference page.
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
                required("evaluate", Form::Value, "the value to look up, compared as text"),
                required("values", Form::Map(&Form::Value), "the result for each text"),
                optional("other", Form::Value, "the result for any other text; an absent value stays absent"),
            ],
        }),
        summary: "the result that `values` lists for a value",
    },
    Operator {
        kind: OperatorKind::Lookup,
        name: "$lookup",
        argument: Form::Object(&ObjectForm {
            name: "$lookup",
            keys: &[
                required("table", Form::Name, "a key of `lookups`"),
                required("key", Form::Value, "the value to look up, compared as text"),
                optional("default", Form::Value, "the result for any other text; an absent value stays absent"),
            ],
        }),
        summary: "the entry for a key in a lookup table of the config",
    },
    Operator {
        kind: OperatorKind::When,
        name: "$when",
        argument: Form::Object(&ObjectForm {
            name: "$when",
            keys: &[
                required("if", Form::Condition, "the condition"),
                required("then", Form::Assignment, "the result if the condition holds"),
                optional("else", Form::Assignment, "the result otherwise; default: absent"),
            ],
        }),
        summary: "one of two results, depending on a condition; each can be a whole object of attributes",
    },
    Operator {
        kind: OperatorKind::Each,
        name: "$each",
        argument: Form::Object(&ObjectForm {
            name: "$each",
            keys: &[
                required("in", Form::Value, "the array"),
                optional("where", Form::Condition, "keeps only elements for which this holds"),
                required("as", Form::Assignment, "the item for an element; `@` is the element"),
            ],
        }),
        summary: "one item for each element of an array",
    },
    Operator {
        kind: OperatorKind::Template,
        name: "$template",
        argument: Form::Template,
        summary: "text with values inserted; absent if any of them is absent",
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
        summary: "a capture group of the first match; absent if nothing matches",
    },
    Operator {
        kind: OperatorKind::Split,
        name: "$split",
        argument: Form::Object(&ObjectForm {
            name: "$split",
            keys: &[
                required("value", Form::Value, "the text"),
                required("on", Form::Name, "the separator"),
                optional(
                    "take",
                    Form::Integer { at_least: None },
                    "index of the part, from 0, or from -1 for the last; default: all parts, as a list",
                ),
                optional("min_parts", Form::Integer { at_least: Some(1) }, "absent if there are fewer parts"),
                optional(
                    "limit",
                    Form::Integer { at_least: Some(1) },
                    "maximum number of parts; the last keeps the rest",
                ),
            ],
        }),
        summary: "one part of a text split at a separator, or the list of parts",
    },
    Operator {
        kind: OperatorKind::Timestamp,
        name: "$timestamp",
        argument: Form::Object(&ObjectForm {
            name: "$timestamp",
            keys: &[
                required("value", Form::Value, "the time in the raw event"),
                optional("format", Form::TimeFormats, "tried in order; default `auto`"),
            ],
        }),
        summary: "a time in milliseconds since 1970-01-01T00:00:00Z",
    },
    Operator {
        kind: OperatorKind::Int,
        name: "$int",
        argument: Form::Object(&ObjectForm {
            name: "$int",
            keys: &[
                required("value", Form::Value, "the number as text"),
                optional("base", Form::Base, "default `auto`: hexadecimal after `0x`, otherwise decimal"),
            ],
        }),
        summary: "an integer parsed from text",
    },
    Operator {
        kind: OperatorKind::IpVersion,
        name: "$ip_version",
        argument: Form::Value,
        summary: "4 or 6; absent if the value is not an IP address",
    },
    Operator { kind: OperatorKind::Json, name: "$json", argument: Form::Value, summary: "the value as JSON text" },
    Operator {
        kind: OperatorKind::Basename,
        name: "$basename",
        argument: Form::Value,
        summary: "the part after the last `/` or `\\`",
    },
    Operator {
        kind: OperatorKind::Dirname,
        name: "$dirname",
        argument: Form::Value,
        summary: "the part before the last `/` or `\\`; absent if there is none",
    },
    Operator {
        kind: OperatorKind::StripPrefix,
        name: "$strip_prefix",
        argument: Form::Object(&ObjectForm {
            name: "$strip_prefix",
            keys: &[required("value", Form::Value, "the text"), required("prefix", Form::Name, "the prefix to remove")],
        }),
        summary: "the text without a prefix; unchanged if the prefix is missing",
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
        summary: "the text without leading and trailing white space",
    },
    Operator { kind: OperatorKind::Lower, name: "$lower", argument: Form::Value, summary: "the text in lower case" },
    Operator { kind: OperatorKind::Upper, name: "$upper", argument: Form::Value, summary: "the text in upper case" },
    Operator {
        kind: OperatorKind::Literal,
        name: "$literal",
        argument: Form::Literal,
        summary: "a constant, not evaluated: text that starts with `$.`, an array, an object",
    },
];

/// The operator of that name, with the `$`.
pub fn operator(name: &str) -> Option<&'static Operator> {
    OPERATORS.iter().find(|operator| operator.name == name)
}

/// Names a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[expect(missing_docs, reason = "each variant is the condition of that name; CONDITIONS describes them")]
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
    /// The condition.
    pub kind: ConditionKind,
    /// Its key.
    pub name: &'static str,
    /// The type of its argument.
    pub argument: Form,
    /// When the condition holds, for the reference page.
    pub summary: &'static str,
}

/// Every condition, in the order of the reference page.
pub static CONDITIONS: &[ConditionForm] = &[
    ConditionForm {
        kind: ConditionKind::Exists,
        name: "exists",
        argument: Form::Value,
        summary: "the value is present",
    },
    ConditionForm {
        kind: ConditionKind::Equals,
        name: "equals",
        argument: Form::Tuple(&[Form::Value, Form::Value]),
        summary: "both values are present and equal as text",
    },
    ConditionForm {
        kind: ConditionKind::In,
        name: "in",
        argument: Form::Tuple(&[Form::Value, Form::List(&Form::Literal)]),
        summary: "the value equals one of the constants as text",
    },
    ConditionForm {
        kind: ConditionKind::Matches,
        name: "matches",
        argument: Form::Tuple(&[Form::Value, Form::Pattern]),
        summary: "the pattern matches anywhere in the text of the value",
    },
    ConditionForm {
        kind: ConditionKind::StartsWith,
        name: "starts_with",
        argument: Form::Tuple(&[Form::Value, Form::Text]),
        summary: "the text of the value starts with this",
    },
    ConditionForm {
        kind: ConditionKind::EndsWith,
        name: "ends_with",
        argument: Form::Tuple(&[Form::Value, Form::Text]),
        summary: "the text of the value ends with this",
    },
    ConditionForm {
        kind: ConditionKind::Contains,
        name: "contains",
        argument: Form::Tuple(&[Form::Value, Form::Text]),
        summary: "the text of the value contains this",
    },
    ConditionForm {
        kind: ConditionKind::All,
        name: "all",
        argument: Form::List(&Form::Condition),
        summary: "every condition in the list holds",
    },
    ConditionForm {
        kind: ConditionKind::Any,
        name: "any",
        argument: Form::List(&Form::Condition),
        summary: "at least one condition in the list holds",
    },
    ConditionForm {
        kind: ConditionKind::Not,
        name: "not",
        argument: Form::Condition,
        summary: "the condition does not hold",
    },
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
        optional("$schema", Form::Text, "for editors; Sluice does not read it"),
        required("custom_source_events", Form::Object(&CONFIG), "the mapping config"),
    ],
};

/// `custom_source_events`.
pub static CONFIG: ObjectForm = ObjectForm {
    name: "custom_source_events",
    keys: &[
        required("source_name", Form::Name, "name of the custom source, at most 20 characters"),
        optional("extends", Form::Name, "a shipped config, or a file in the same folder, to build on"),
        optional("description", Form::Text, "a description for readers"),
        optional("ocsf_version", Form::Choice(&["1.1.0", "1.3.0"]), "default 1.1.0"),
        optional("decode", Form::Object(&DECODE), "how the input is split into raw events"),
        optional("absent", Form::List(&Form::Text), "texts that mean \"no value\"; default [\"\"]"),
        optional("matched_field", Form::Path, "the field whose value is the key of the event mapping"),
        optional("select", Form::List(&Form::Object(&SELECT)), "rules tried before `matched_field`"),
        optional("timestamp", Form::Object(&TIMESTAMP), "the time of the event"),
        optional("account", Form::Value, "the accountId partition of the record"),
        optional("destination", Form::Object(&DESTINATION), "custom sources and layout in the lake"),
        optional("lookups", Form::Map(&Form::Map(&Form::Literal)), "tables for `$lookup`"),
        optional("profiles", Form::List(&Form::Name), "OCSF profiles of every event"),
        optional("common", Form::Object(&FRAGMENT), "attributes and profiles of every event"),
        optional(
            "fragments",
            Form::Map(&Form::Object(&FRAGMENT)),
            "attributes and profiles that events include with `extends`",
        ),
        optional(
            "unmapped",
            Form::Choice(UNMAPPED_MODES),
            "whether raw fields that no mapping reads are kept; default `auto`",
        ),
        optional(
            "other",
            Form::Either(&Form::Choice(&["quarantine"]), &Form::Object(&OTHER)),
            "what happens to an event that no mapping matches; default `quarantine`",
        ),
        required("ocsf_mapping", Form::NonEmptyMap(&Form::Object(&EVENT)), "the event mappings"),
    ],
};

/// `decode`.
pub static DECODE: ObjectForm = ObjectForm {
    name: "decode",
    keys: &[
        optional("format", Form::Choice(FORMATS), "default `auto`"),
        optional("at", Form::Path, "json-array: path of the array of events"),
        optional("columns", Form::NonEmptyList(&Form::Name), "delimited: column names; default: the first line"),
        optional("separator", Form::Character, "delimited: the column separator; default: a space"),
        optional(
            "quote",
            Form::Character,
            "delimited: the quote character around columns that may contain the separator",
        ),
        optional(
            "split_columns",
            Form::NonEmptyMap(&Form::Pattern),
            "delimited: a pattern for each column to split; its named groups replace the column",
        ),
        optional("line_prefix", Form::Pattern, "text before the event on each line; named groups go to `_envelope`"),
        optional("steps", Form::List(&Form::Either(&Form::Choice(SHIPPED_STEPS), &Form::Object(&STEP))), STEPS_SUMMARY),
        optional("text_fields", Form::Object(&TEXT_FIELDS), "splits a rendered message into an object of fields"),
    ],
};

const STEPS_SUMMARY: &str = "steps that prepare an event for mapping, and names of shipped lists of steps";

/// Names of shipped lists of steps, for `decode.steps`.
pub(crate) const SHIPPED_STEPS: &[&str] =
    &["sns", "cloudwatch-logs", "eventbridge", "cloudtrail-lookup", "json-message", "windows-event"];

/// The keys of [`STEP`] that are actions: a step has exactly one.
pub(crate) const STEP_ACTIONS: &[&str] =
    &["discard", "each", "root", "parse", "move", "copy", "nest", "extract", "windows_values"];

/// An item of `decode.steps`.
pub static STEP: ObjectForm = ObjectForm {
    name: "a step",
    keys: &[
        optional("when", Form::Condition, "the step applies if this holds; default: always"),
        optional("discard", Form::Name, "drops the event and counts it under this name"),
        optional(
            "each",
            Form::Path,
            "makes each element of the array an event; the surrounding fields go to `_envelope`",
        ),
        optional("root", Form::Path, "makes the object the event; the surrounding fields go to `_envelope`"),
        optional("parse", Form::Path, "replaces the text with the JSON or XML that it contains"),
        optional("move", Form::Map(&Form::Path), "moves fields: source and target path"),
        optional("copy", Form::Map(&Form::Path), "copies fields: source and target path"),
        optional("nest", Form::Object(&NEST), "moves the event's fields from the root into an object"),
        optional("extract", Form::Object(&EXTRACT), "extracts parts of a text into fields"),
        optional(
            "windows_values",
            Form::Path,
            "writes GUIDs and hexadecimal numbers of the object as Windows renders them",
        ),
    ],
};

/// `extract` of a step.
pub static EXTRACT: ObjectForm = ObjectForm {
    name: "extract",
    keys: &[
        required("from", Form::Path, "path of the text"),
        required("pattern", Form::Pattern, "each named group of the first match becomes a field"),
        optional("into", Form::Path, "the object to add the fields to; default: the root"),
    ],
};

/// `nest` of a step.
pub static NEST: ObjectForm = ObjectForm {
    name: "nest",
    keys: &[
        required("into", Form::Path, "path of the object"),
        required("event_id", Form::Path, "path of the event id, which determines the fields of the event"),
        required("names", Form::TextFieldNames, "a shipped list, or field names by event id"),
    ],
};

/// `decode.text_fields`.
pub static TEXT_FIELDS: ObjectForm = ObjectForm {
    name: "text_fields",
    keys: &[
        required("at", Form::Path, "path of the text"),
        required("event_id", Form::Path, "path of the event id, which determines the fields in the text"),
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
        required("field", Form::Value, "the time in the raw event"),
        optional("format", Form::TimeFormats, "tried in order; default `auto`"),
    ],
};

/// `destination`.
pub static DESTINATION: ObjectForm = ObjectForm {
    name: "destination",
    keys: &[
        optional("layout", Form::Choice(LAYOUTS), "default `source-per-class`"),
        optional("sources", Form::Map(&Form::Name), "custom source of each class; default `<source_name>-<class_uid>`"),
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
        optional(
            "profiles",
            Form::List(&Form::Name),
            "OCSF profiles, in addition to those of the config and the fragments",
        ),
        required("schema_mapping", Form::Attributes, "attributes; these override those of the fragments"),
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
