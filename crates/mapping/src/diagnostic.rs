//! What is wrong with a config, told to the person who can change it: number, place, words, remedy.
//!
//! Numbers are stable: a number once given keeps its meaning, and a fault that is no longer reported leaves its number
//! unused. `E…` means that the mapping cannot be carried out exactly and is refused; `W…` means that it is carried
//! out, with the loss or repair that the text describes. [`DIAGNOSTICS`] lists them all.

pub use diagnostics::{DiagnosticReport, Label, Position, RelatedPlace, Severity, SourceText, sort};
pub(crate) use diagnostics::{list, nearest, quote};

/// One fault of a config.
pub type Diagnostic = diagnostics::Diagnostic<Code>;

diagnostics::diagnostics! {
    E101 NotJson Error "the file is not JSON"
        "A mapping config is one JSON value (RFC 8259): no comments, no trailing commas, double quotes.";
    E102 WrongType Error "a value has another JSON type than its key needs"
        "Write the value in the form that the message names.";
    E103 UnknownKey Error "a key that this object does not have"
        "Keys are never ignored, since a misspelt one would silently do nothing. The help line lists those that exist.";
    E104 MissingKey Error "a key that this object must have is not there"
        "Add the key.";
    E105 DuplicateKey Error "a key stands twice in one object"
        "JSON does not say which one counts. Remove one of them.";
    E106 UnknownChoice Error "a value that is none of the possible ones"
        "Write one of the values that the message lists.";
    E107 UnknownOperator Error "a key that starts with `$` but names no operator"
        "The help line names the nearest operator; all are in docs/mapping-reference.md. A text that starts with `$` is \
         written {\"$literal\": \"$…\"}.";
    E108 OperatorWithOtherKeys Error "an operator stands beside other keys"
        "An operator is an object with exactly one key. To choose between whole objects, put the attributes into `then` \
         and `else` of `$when`.";
    E109 ValueExpected Error "an object of attributes where one value is needed"
        "Operators compute single values; only `then` and `else` of `$when`, `as` of `$each` and the attributes \
         themselves take objects of attributes. For a constant object write {\"$literal\": {…}}.";
    E110 EmptyList Error "a list without items"
        "Give at least one item, or remove the key.";
    E111 NotAJsonPath Error "a path that is not RFC 9535 JSONPath"
        "A text that starts with `$.`, `$[` (and `@` inside `$each`) is a path. Names with other characters than letters, \
         digits and `_` are written in brackets: `$['request-id']`.";
    E112 InexactJsonPath Error "a JSONPath that cannot be evaluated exactly"
        "The query is ill-typed under RFC 9535 §2.4.3, or is one of the few forms whose results would be wrong or in \
         another order. The help line says how to write it otherwise.";
    E113 BadPattern Error "a regular expression that does not compile"
        "The syntax is that of the Rust `regex` crate: no look-around, no back-references.";
    E114 NoSuchGroup Error "a capture group that the pattern does not have"
        "Name a group of the pattern, `(?<name>…)`, or its number; 0 is the whole match.";
    E115 BadTimeFormat Error "a time format that cannot be read"
        "A format is `epoch`, `epoch_ms`, `epoch_us`, `epoch_ns`, `iso8601`, `auto`, or a strptime pattern that \
         determines the date and the time of day.";
    E116 BadTemplate Error "a template that cannot be read"
        "Paths stand in braces: `{$.name}`. A brace of the text itself is doubled: `{{`, `}}`.";
    E117 UnknownFragment Error "`extends` names a fragment that does not exist"
        "Fragments are the keys of `fragments`.";
    E118 UnknownEvent Error "an event mapping that does not exist is named"
        "Events are the keys of `ocsf_mapping`.";
    E119 UnknownLookup Error "a lookup table that does not exist is named"
        "Tables are the keys of `lookups`.";
    E120 UnknownTextFields Error "a list of field names that is not shipped"
        "Name a shipped list, or write the lists out: {\"<event id>\": [\"<field>\", …]}.";
    E121 BadSourceName Error "a name that Security Lake does not take for a custom source"
        "At most 20 characters, of letters, digits, `_`, `-`, `:` and `.`; `<name>-<class_uid>` of every class must \
         fit too, unless `destination.sources` names it.";
    E122 NoSelector Error "nothing says which event mapping a raw event takes"
        "Give `matched_field`, or a `select` rule for every event mapping.";
    E123 NoTime Error "an event has no time"
        "Give `timestamp`, or map the attribute `time`. A record without a time cannot be placed in the lake.";
    E124 UnknownClass Error "an event class that this OCSF version does not have"
        "Name a class of the version that `ocsf_version` says.";
    E125 DecodeConflict Error "`decode` contradicts itself"
        "`at` belongs to `json-array`; `columns`, `separator`, `quote` and `split_columns` belong to `delimited`.";
    E126 ProfilesComputed Error "`metadata.profiles` is computed"
        "The profiles of a record follow from `profiles` and from the attributes that are set. List the names.";
    E127 SharedSourceName Error "two classes share a custom source"
        "Security Lake wants one class in a custom source. Name another one in `destination.sources`, or choose the \
         layout `prefix-per-class`.";
    E128 UnknownBase Error "a config that cannot be extended"
        "`extends` names a shipped config or a file beside this one; configs must not extend each other in a circle.";
    E129 RequiredNeverSet Error "an attribute that every record must have is never set"
        "OCSF requires it of the event itself, and nothing in the event mapping sets it: every record would be \
         quarantined as `invalid`. Map the attribute.";

    W101 UnknownAttribute Warning "an attribute that OCSF does not have there"
        "The value is kept in `unmapped` under the path that was written.";
    W102 UndeclaredProfile Warning "an attribute of a profile that the event does not declare"
        "The profile is switched on in every record in which the attribute has a value, and with it what the profile \
         requires. Declare it, or put the attribute under `$when`.";
    W103 UnknownProfile Warning "a profile that OCSF does not have"
        "It is left out of `metadata.profiles`.";
    W104 ProfilesAsText Warning "`metadata.profiles` is a text"
        "It is read as a list of names between commas. Write `profiles`: […] in the event, or once for all events.";
    W105 ProfileNotApplicable Warning "a profile that the class does not take"
        "It is left out of `metadata.profiles` for events of that class.";
    W106 ValueForObject Warning "a single value for an attribute that is an object"
        "The value becomes the object's `name` if an object with nothing but a name is valid; else it is kept in \
         `unmapped`. Write it into one of the object's attributes.";
    W107 ObjectForValue Warning "an object for an attribute that is a single value"
        "What it holds is kept in `unmapped`.";
    W108 ListForSingle Warning "a list for an attribute that is not an array"
        "The list is kept in `unmapped`. Choose one item, with `$first`, or `take` of `$split`.";
    W109 WrongLiteral Warning "a constant that does not fit the type of its attribute"
        "It is kept in `unmapped` whenever it is chosen.";
    W110 NotInEnumeration Warning "a value that the enumeration of its attribute does not have"
        "It is kept in `unmapped` whenever it is chosen. The help line lists the values and their captions.";
    W111 RequiredNotSet Warning "a required attribute that is never set"
        "An optional object is left out of the record: what was read for it is kept in `unmapped` and counted as a \
         problem. If the event itself requires the object, the record is quarantined as `invalid`.";
    W112 ConstraintNotMet Warning "a constraint over several attributes that cannot be met"
        "An optional object is left out of the record: what was read for it is kept in `unmapped` and counted as a \
         problem. If the event itself requires the object, the record is quarantined as `invalid`. Of attributes that \
         exclude each other, only the first is kept.";
    W113 DerivedContradicted Warning "an attribute that Sluice derives is written with another value"
        "The derived value wins. Remove the line.";
    W114 UnknownEnumId Warning "a required enumeration that nothing sets"
        "It is 0 Unknown in every record.";
    W115 Unreachable Warning "a part of the mapping that can never apply"
        "Something before it always applies first. Remove one of them, or reorder them.";
    W116 UnusedLookup Warning "a lookup table that nothing uses"
        "Remove it.";
    W117 UnusedFragment Warning "a fragment that no event extends"
        "Remove it.";
    W118 TextLikePath Warning "a text that looks like a path"
        "It is a constant: paths start with `$.` or `$[`, and with `@` only inside `$each`. If the text is meant, write \
         {\"$literal\": \"…\"}.";
    W119 DeprecatedClass Warning "a deprecated event class"
        "OCSF advises another class.";
    W120 DeprecatedAttribute Warning "a deprecated attribute"
        "OCSF advises another attribute.";
    W121 ClassNotRegistrable Warning "a class that cannot be registered as a Security Lake custom source"
        "Security Lake has no `eventClasses` value for it: objects are written, but no table can show them.";
    W122 UnusedSourceName Warning "`destination.sources` names a class that no event has"
        "Remove it.";
    W123 ProfileNotSatisfied Warning "a profile is declared, but an attribute that it requires is never set"
        "The profile is left out of `metadata.profiles`. Map the attribute, or do not declare the profile.";
    W124 ObservableOfNothing Warning "an observable that names no attribute of its class"
        "It is left out of the record, and what was read for it is kept in `unmapped`. Write the path of the attribute that \
         holds the value.";
    W125 IncompleteObject Warning "an object that can lack what OCSF requires of it"
        "The object is left out of such a record, unless the event itself requires it: then the record is quarantined as \
         `invalid`. What was read for the object is kept in `unmapped` and counted as a problem. Fields of one raw object, \
         and of those around it, are taken to come together; a field of another one, or a part that an operator may not \
         find, can be absent.";
    W126 StandIn Warning "a config that counts on a preprocessor of the AWS transformation library"
        "Sluice does what that preprocessor does, as the message says. With a `decode` of its own the config says it itself.";
    W127 UnknownColumn Warning "a path to a column that `decode` does not name"
        "The path selects nothing, unless the log brings the column: in a header line of its own or as JSON. Write the name \
         as `columns` has it, or as a group of `split_columns`. A field beyond the last column is called by its number: \
         `$._31`.";
    W128 TextLikeColumn Warning "a text that is the name of a column"
        "It is a constant: a path starts with `$.`. If the text is meant, write {\"$literal\": \"…\"}.";
}
