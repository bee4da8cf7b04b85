//! What is wrong with a sources file, told to the person who can change it: number, place, words, remedy.
//!
//! Numbers are stable, as those of mapping configs are. `E…` means that the file is refused; `W…` that it is used, but that
//! part of it does nothing. [`DIAGNOSTICS`] lists them all.

/// One fault of a sources file.
pub type Diagnostic = diagnostics::Diagnostic<Code>;

diagnostics::diagnostics! {
    E401 NotJson Error "the file is not JSON"
        "A sources file is one JSON value (RFC 8259): no comments, no trailing commas, double quotes.";
    E402 WrongType Error "a value has another JSON type than its key needs"
        "Write the value in the form that the message names.";
    E403 UnknownKey Error "a key that this object does not have"
        "Keys are never ignored, since a misspelt one would silently do nothing. The help line lists those that exist.";
    E404 MissingKey Error "a required key is missing"
        "Add the key.";
    E405 DuplicateKey Error "a key stands twice in one object"
        "JSON does not say which one counts. Remove one of them.";
    E406 EmptyList Error "a list without items"
        "Give at least one item, or remove the key.";
    E407 DuplicateName Error "two sources have the same name"
        "Metadata fields and quarantine know a source by its name. Rename one of them, or put their inputs together.";
    E408 NothingEnabled Error "no source is enabled"
        "Set `enabled` to true in `kinesis` or `s3` of at least one source.";
    E409 NoMapping Error "a mapping config that does not exist"
        "`mapping_file` names a file beside the other mapping configs, or a shipped config. Without it, the config of the \
         source's own name is used.";
    E410 BadPattern Error "a pattern that cannot be read"
        "`*` is any text, `{name}` one or more characters other than `/`. A brace of the text itself is doubled: `{{`, `}}`.";
    E411 SamePattern Error "two sources claim the same objects"
        "Nothing says which of the two an object belongs to. Make one of the patterns longer, or exclude from one what \
         belongs to the other.";
    E412 BadCondition Error "a condition that cannot be read"
        "`when` is a condition of the mapping language; docs/mapping-reference.md lists them.";

    W401 NeverMatches Warning "a rule that can never match"
        "No bucket, key or stream fits it. The source gets nothing through this rule.";
    W402 Shadowed Warning "a rule that never applies"
        "An earlier rule takes everything that this one matches. Remove one of them, or reorder them.";
}
