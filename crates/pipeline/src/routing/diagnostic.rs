//! Diagnostics of a sources file: number, severity, summary and remedy.
//!
//! Numbers are stable, as those of mapping configs are. `E…` means that the file is refused; `W…` that it is used, but that
//! part of it does nothing. [`DIAGNOSTICS`] lists them all.

/// One fault of a sources file.
pub type Diagnostic = diagnostics::Diagnostic<Code>;

diagnostics::diagnostics! {
    E401 NotJson Error "the file is not JSON"
        "A sources file is one JSON value (RFC 8259): no comments, no trailing commas, double quotes.";
    E402 WrongType Error "wrong JSON type"
        "Change the value to the type that the message names.";
    E403 UnknownKey Error "unknown key"
        "No key is ignored, since a misspelt one would silently do nothing. The help line lists the valid keys.";
    E404 MissingKey Error "a required key is missing"
        "Add the key.";
    E405 DuplicateKey Error "duplicate key in an object"
        "JSON does not say which one counts. Remove one of them.";
    E406 EmptyList Error "a list without items"
        "Give at least one item, or remove the key.";
    E407 DuplicateName Error "two sources have the same name"
        "Metadata fields and quarantine identify a source by its name. Rename one of them, or merge their inputs.";
    E408 NothingEnabled Error "no source is enabled"
        "Set `enabled` to true in `kinesis` or `s3` of at least one source.";
    E409 NoMapping Error "mapping config not found"
        "`mapping_file` names a file beside the other mapping configs, or a shipped config. Without it, the config of the \
         source's own name is used.";
    E410 BadPattern Error "invalid pattern"
        "`*` matches any text; `{name}` matches one or more characters other than `/`. Double a literal brace: `{{`, `}}`.";
    E411 SamePattern Error "two sources claim the same objects"
        "It is undefined which source an object belongs to. Make one of the patterns longer, or exclude from one what \
         belongs to the other.";
    E412 BadCondition Error "invalid condition"
        "`when` is a condition of the mapping language; docs/mapping-reference.md lists them.";

    W401 NeverMatches Warning "a rule that can never match"
        "No bucket, key or stream can match it. The source gets nothing through this rule.";
    W402 Shadowed Warning "a rule that never applies"
        "An earlier rule takes everything that this one matches. Remove one of them, or reorder them.";
}
