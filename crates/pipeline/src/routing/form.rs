//! The keys of a sources file, in one place. The reader follows these tables, the JSON Schema is generated from them, and a
//! test compares the reference page with them.

use diagnostics::form::{optional, required};

/// The kind of value that a key takes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Form {
    /// Text that is not empty.
    Name,
    /// Any text.
    Text,
    /// `true` or `false`.
    Flag,
    /// A pattern.
    Pattern,
    /// A pattern, or a list of one or more.
    Patterns,
    /// A list of patterns.
    PatternList,
    /// A condition of the mapping language.
    Condition,
    /// A list of objects.
    List(&'static ObjectForm),
    /// An object with these keys.
    Object(&'static ObjectForm),
}

/// An object with fixed keys.
pub(crate) type ObjectForm = diagnostics::form::ObjectForm<Form>;

/// A rule over buckets and keys.
pub(crate) static SOURCE_BUCKET: ObjectForm = ObjectForm {
    name: "source_buckets",
    keys: &[
        required("bucket_name", Form::Pattern, "Pattern for the whole bucket name; `*` matches any bucket."),
        optional("prefix", Form::Pattern, "Pattern for the start of the key. Default: any key."),
        optional(
            "suffix",
            Form::Patterns,
            "Pattern for the end of the key, or a list of patterns, one of which must match.",
        ),
        optional("exclude", Form::PatternList, "Patterns for whole keys to skip."),
    ],
};

/// The rule over stream records.
pub(crate) static KINESIS: ObjectForm = ObjectForm {
    name: "kinesis",
    keys: &[
        required("enabled", Form::Flag, "Whether the source reads stream records."),
        optional("metadata_field", Form::Name, "Top-level field of the record that holds the source name."),
        optional("stream", Form::Pattern, "Pattern for the stream name, or for its ARN if the pattern contains `:`."),
        optional("when", Form::Condition, "Condition on the record, as in mapping configs."),
    ],
};

/// Rules over objects.
pub(crate) static S3: ObjectForm = ObjectForm {
    name: "s3",
    keys: &[
        required("enabled", Form::Flag, "Whether the source reads objects."),
        required("source_buckets", Form::List(&SOURCE_BUCKET), "Rules for buckets and keys. At least one must match."),
    ],
};

/// Where a source's records come from.
pub(crate) static INPUT_PATHS: ObjectForm = ObjectForm {
    name: "input_paths",
    keys: &[
        optional("kinesis", Form::Object(&KINESIS), "Stream records."),
        optional("s3", Form::Object(&S3), "Objects."),
    ],
};

/// A source.
pub(crate) static SOURCE: ObjectForm = ObjectForm {
    name: "sources",
    keys: &[
        required("name", Form::Name, "Source name, as in records and in quarantine."),
        optional("mapping_file", Form::Name, "Mapping config: a file, or a shipped config. Default: `<name>.json`."),
        optional(
            "preprocessor_module",
            Form::Text,
            "A preprocessor of the AWS transformation library, for a mapping config without `decode`.",
        ),
        required("input_paths", Form::Object(&INPUT_PATHS), "Where the source's records come from."),
    ],
};

/// The whole file.
pub(crate) static FILE: ObjectForm = ObjectForm {
    name: "a sources file",
    keys: &[required("sources", Form::List(&SOURCE), "The sources; the order counts for stream records.")],
};
