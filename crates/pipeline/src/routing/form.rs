//! The keys of a sources file, once: what may stand where. The reader reads by these tables, the JSON Schema is made of them,
//! and a test holds the reference page to the schema.

use diagnostics::form::{optional, required};

/// What a value has to be.
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
    /// A pattern, or a list of at least one.
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
        required("bucket_name", Form::Pattern, "Pattern of the whole bucket name; `*` is any bucket."),
        optional("prefix", Form::Pattern, "Pattern of the key's start. Default: any key."),
        optional("suffix", Form::Patterns, "Pattern of the key's end, or a list of them, one of which must match."),
        optional("exclude", Form::PatternList, "Patterns of whole keys that are left alone."),
    ],
};

/// The rule over stream records.
pub(crate) static KINESIS: ObjectForm = ObjectForm {
    name: "kinesis",
    keys: &[
        required("enabled", Form::Flag, "Whether the source takes stream records."),
        optional("metadata_field", Form::Name, "Top-level field of a record that names its source."),
        optional("stream", Form::Pattern, "Pattern of the stream's name, or of its ARN if it has a `:`."),
        optional("when", Form::Condition, "Condition on the record, as in mapping configs."),
    ],
};

/// Rules over objects.
pub(crate) static S3: ObjectForm = ObjectForm {
    name: "s3",
    keys: &[
        required("enabled", Form::Flag, "Whether the source takes objects."),
        required(
            "source_buckets",
            Form::List(&SOURCE_BUCKET),
            "Rules, each over buckets and keys; one of them must match.",
        ),
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
        required("name", Form::Name, "Name of the source, as records and quarantine have it."),
        optional("mapping_file", Form::Name, "Mapping config: a file, or a shipped config. Default: `<name>.json`."),
        optional(
            "preprocessor_module",
            Form::Text,
            "A preprocessor of the AWS transformation library, for a mapping config without `decode`.",
        ),
        required("input_paths", Form::Object(&INPUT_PATHS), "Where its records come from."),
    ],
};

/// The whole file.
pub(crate) static FILE: ObjectForm = ObjectForm {
    name: "a sources file",
    keys: &[required("sources", Form::List(&SOURCE), "The sources; the order counts for stream records.")],
};
