//! The diagnostics of mapping configs: number, location, message and fix.
//!
//! Numbers are stable: each keeps its meaning, and the number of a removed diagnostic is never reused. `E…` means that
//! the mapping cannot be executed exactly and is refused. `W…` means that it is executed, with the loss or repair that
//! the text describes. [`DIAGNOSTICS`] lists them all.

pub use diagnostics::{DiagnosticReport, Label, Position, RelatedPlace, Severity, SourceText, sort};
pub(crate) use diagnostics::{list, nearest, quote};

/// One fault of a config.
pub type Diagnostic = diagnostics::Diagnostic<Code>;

diagnostics::diagnostics! {
    E101 NotJson Error "the file is not JSON"
        "A mapping config is one JSON value (RFC 8259): no comments, no trailing commas, double quotes.";
    E102 WrongType Error "a value of the wrong type or form"
        "Write the value as the message says.";
    E103 UnknownKey Error "an unknown key"
        "Unknown keys are never ignored, since a misspelt key would silently do nothing. The help line lists the valid keys.";
    E104 MissingKey Error "a required key is missing"
        "Add the key.";
    E105 DuplicateKey Error "a duplicate key in an object"
        "JSON does not define which of the two counts. Remove one.";
    E106 UnknownChoice Error "a value that is not one of the allowed values"
        "Use one of the values that the help line lists.";
    E107 UnknownOperator Error "an unknown operator: a key that starts with `$`"
        "The help line names the nearest operator; docs/mapping-reference.md lists all of them. For text that starts with \
         `$`, write {\"$literal\": \"$…\"}.";
    E108 OperatorWithOtherKeys Error "an operator next to other keys"
        "An operator is an object with exactly one key. To choose between whole objects, put the attributes into `then` \
         and `else` of `$when`.";
    E109 ValueExpected Error "an object of attributes where one value is needed"
        "Operators compute single values. Only attributes, `then` and `else` of `$when`, and `as` of `$each` accept an \
         object of attributes. For a constant object, write {\"$literal\": {…}}.";
    E110 EmptyList Error "an empty list"
        "Add at least one item, or remove the key.";
    E111 NotAJsonPath Error "a path that is not RFC 9535 JSONPath"
        "Text that starts with `$.` or `$[` is a path, as is text that starts with `@` inside `$each`. Names with \
         characters other than letters, digits and `_` need brackets: `$['request-id']`.";
    E112 InexactJsonPath Error "a JSONPath that cannot be evaluated exactly"
        "The query is ill-typed under RFC 9535 §2.4.3, or its results would be wrong or in the wrong order. The help \
         line shows an alternative.";
    E113 BadPattern Error "a regular expression that does not compile"
        "The syntax is that of the Rust `regex` crate, without look-around and backreferences.";
    E114 NoSuchGroup Error "a capture group that the pattern does not have"
        "Use the name of a group, `(?<name>…)`, or its number; 0 is the whole match.";
    E115 BadTimeFormat Error "an invalid time format"
        "Use `epoch`, `epoch_ms`, `epoch_us`, `epoch_ns`, `iso8601`, `auto`, or a strptime pattern that determines the \
         date. Without a time of day, midnight is used. `%I` also needs `%p`.";
    E116 BadTemplate Error "an invalid template"
        "Write paths in braces: `{$.name}`. Double a literal brace: `{{`, `}}`.";
    E117 UnknownFragment Error "an unknown fragment in `extends`"
        "Use a key of `fragments`.";
    E118 UnknownEvent Error "an unknown event mapping"
        "Use a key of `ocsf_mapping`.";
    E119 UnknownLookup Error "an unknown lookup table"
        "Use a key of `lookups`.";
    E120 UnknownTextFields Error "an unknown list of field names"
        "Name a shipped list, or list the fields yourself: {\"<event id>\": [\"<field>\", …]}.";
    E121 BadSourceName Error "a name that Security Lake does not accept for a custom source"
        "Use at most 20 characters: letters, digits, `_`, `-`, `:` and `.`. The limit also applies to \
         `<source_name>-<class_uid>` of each class, unless `destination.sources` names the class.";
    E122 NoSelector Error "nothing selects the event mapping of a raw event"
        "Add `matched_field`, or a `select` rule for every event mapping.";
    E123 NoTime Error "an event without a time"
        "Add `timestamp`, or map the attribute `time`. A record needs a time to be placed in the lake.";
    E124 UnknownClass Error "an unknown event class"
        "Use a class of the OCSF version that `ocsf_version` sets.";
    E125 DecodeConflict Error "conflicting keys in `decode`"
        "`at` requires `json-array`; `columns`, `separator`, `quote` and `split_columns` require `delimited`.";
    E126 ProfilesComputed Error "a computed `metadata.profiles`"
        "Sluice derives the profiles of a record from `profiles` and from the attributes that are set. Write a list of \
         constant names.";
    E127 SharedSourceName Error "two classes share a custom source"
        "Security Lake requires one class per custom source. Name another source in `destination.sources`, or set \
         `layout` to `prefix-per-class`.";
    E128 UnknownBase Error "a config that cannot be extended"
        "`extends` names a shipped config or a file in the same folder. Configs must not extend each other in a cycle.";
    E129 RequiredNeverSet Error "an attribute that every record needs is never set"
        "OCSF requires the attribute for the event, and nothing in the event mapping sets it. Every record would be \
         quarantined as `invalid`. Map the attribute.";

    W101 UnknownAttribute Warning "an unknown attribute"
        "The value is kept in `unmapped`, under the path that the mapping names.";
    W102 UndeclaredProfile Warning "an attribute of a profile that the event does not declare"
        "Each record in which the attribute has a value gets the profile, and must then have the attributes that the \
         profile requires. Declare the profile, or put the attribute under `$when`.";
    W103 UnknownProfile Warning "an unknown profile"
        "It is left out of `metadata.profiles`.";
    W104 ProfilesAsText Warning "`metadata.profiles` is text, not a list"
        "It is read as a comma-separated list of names. Write `profiles`: […] in the event, or once for all events.";
    W105 ProfileNotApplicable Warning "a profile that the class does not support"
        "It is left out of `metadata.profiles` for events of that class.";
    W106 ValueForObject Warning "a single value for an attribute that is an object"
        "The value becomes the object's `name` if an object with only a name is valid. Otherwise it is kept in \
         `unmapped`. Assign the value to one of the object's attributes.";
    W107 ObjectForValue Warning "an object for an attribute that is a single value"
        "Its contents are kept in `unmapped`.";
    W108 ListForSingle Warning "a list for an attribute that is not an array"
        "The list is kept in `unmapped`. Choose one item with `$first`, or with `take` of `$split`.";
    W109 WrongLiteral Warning "a constant that does not fit the type of its attribute"
        "Where it would be assigned, it is kept in `unmapped` instead.";
    W110 NotInEnumeration Warning "a value that is not in the enumeration of its attribute"
        "Where it would be assigned, it is kept in `unmapped` instead. The help line lists the values and their captions.";
    W111 RequiredNotSet Warning "a required attribute that is never set"
        "An optional object is left out of the record; its values are kept in `unmapped` and counted as a problem. If \
         the event itself requires the object, the record is quarantined as `invalid`.";
    W112 ConstraintNotMet Warning "a constraint on several attributes that cannot be met"
        "An optional object is left out of the record; its values are kept in `unmapped` and counted as a problem. If \
         the event itself requires the object, the record is quarantined as `invalid`. Of mutually exclusive \
         attributes, only the first is kept.";
    W113 DerivedContradicted Warning "a derived attribute is assigned a different value"
        "Sluice derives the attribute and uses the derived value. Remove the line.";
    W114 UnknownEnumId Warning "a required enumeration that is never set"
        "It is 0 (Unknown) in every record.";
    W115 Unreachable Warning "a part of the mapping that can never apply"
        "An earlier part always applies first. Remove one of the two, or reorder them.";
    W116 UnusedLookup Warning "a lookup table that nothing uses"
        "Remove it.";
    W117 UnusedFragment Warning "a fragment that no event extends"
        "Remove it.";
    W118 TextLikePath Warning "constant text that looks like a path"
        "Paths start with `$.` or `$[`, and inside `$each` also with `@`; any other text is a constant. If a constant is \
         intended, write {\"$literal\": \"…\"}.";
    W119 DeprecatedClass Warning "a deprecated event class"
        "Use the class that OCSF recommends instead.";
    W120 DeprecatedAttribute Warning "a deprecated attribute"
        "Use the attribute that OCSF recommends instead.";
    W121 ClassNotRegistrable Warning "a class that cannot be registered as a Security Lake custom source"
        "Security Lake has no `eventClasses` value for the class. Sluice writes the objects, but no table can query them.";
    W122 UnusedSourceName Warning "`destination.sources` names a class that no event uses"
        "Remove the entry.";
    W123 ProfileNotSatisfied Warning "a declared profile requires an attribute that is never set"
        "The profile is left out of `metadata.profiles`. Map the attribute, or do not declare the profile.";
    W124 ObservableOfNothing Warning "an observable whose `name` is not an attribute of the class"
        "The observable is left out of the record, and its values are kept in `unmapped`. Set `name` to the path of the \
         attribute that holds the value.";
    W125 IncompleteObject Warning "an object that can lack a required attribute"
        "An incomplete object is left out of the record; its values are kept in `unmapped` and counted as a problem. If the \
         event itself requires the object, the record is quarantined as `invalid`. Fields of one raw object, and of the \
         objects around it, are assumed to occur together. A field of another object, or a part that an operator may not \
         find, can be absent.";
    W126 StandIn Warning "a config that relies on a preprocessor of the AWS transformation library"
        "Sluice emulates the preprocessor as the message describes. Add `decode` to the config to make this explicit.";
    W127 UnknownColumn Warning "a path to a column that `decode` does not name"
        "The path selects nothing, unless the log has its own header line with this column, or is JSON. Use a name from \
         `columns` or a group of `split_columns`. Fields after the last column are named by number: `$._31`.";
    W128 TextLikeColumn Warning "constant text that is the name of a column"
        "Paths start with `$.`; any other text is a constant. If a constant is intended, write {\"$literal\": \"…\"}.";
}
