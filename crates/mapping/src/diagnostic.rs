//! What is wrong with a config, told to the person who can change it: number, place, words, remedy.
//!
//! Numbers are stable: a number once given keeps its meaning, and a fault that is no longer reported leaves its number
//! unused. `E…` means that the mapping cannot be carried out exactly and is refused; `W…` means that it is carried
//! out, with the loss or repair that the text describes. [`DIAGNOSTICS`] lists them all.

use std::fmt;

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};
use serde::Serialize;

use crate::config::Span;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The config is refused.
    Error,
    /// The config works, but not in every part as written.
    Warning,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Severity::Error => "error",
            Severity::Warning => "warning",
        })
    }
}

/// One line of [`DIAGNOSTICS`].
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct DiagnosticFacts {
    /// `E101`.
    pub number: &'static str,
    /// Which it is.
    pub code: Code,
    /// Whether it refuses the config.
    pub severity: Severity,
    /// What is wrong, in one line.
    pub summary: &'static str,
    /// What it means for the records and what to do.
    pub explanation: &'static str,
}

macro_rules! diagnostics {
    ($($number:ident $code:ident $severity:ident $summary:literal $explanation:literal;)+) => {
        /// Names a kind of diagnostic.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum Code { $(#[doc = concat!(stringify!($number), ": ", $summary)] $code,)+ }

        /// Every diagnostic there is, ordered by number.
        pub static DIAGNOSTICS: &[DiagnosticFacts] = &[$(DiagnosticFacts {
            number: stringify!($number),
            code: Code::$code,
            severity: Severity::$severity,
            summary: $summary,
            explanation: $explanation,
        },)+];

        impl Code {
            /// The facts of this kind.
            pub fn facts(self) -> &'static DiagnosticFacts {
                &DIAGNOSTICS[self as usize]
            }
        }
    };
}

diagnostics! {
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
        "`at` belongs to `json-array`; `columns`, `separator` and `quote` belong to `delimited`.";
    E126 ProfilesComputed Error "`metadata.profiles` is computed"
        "The profiles of a record follow from `profiles` and from the attributes that are set. List the names.";
    E127 SharedSourceName Error "two classes share a custom source"
        "Security Lake wants one class in a custom source. Name another one in `destination.sources`, or choose the \
         layout `prefix-per-class`.";
    E128 UnknownBase Error "a config that cannot be extended"
        "`extends` names a shipped config or a file beside this one; configs must not extend each other in a circle.";

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
        "Records in which its object is there are quarantined as `invalid`.";
    W112 ConstraintNotMet Warning "a constraint over several attributes that cannot be met"
        "Records in which the object is there are quarantined as `invalid`.";
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
}

impl Code {
    /// `E101`.
    pub fn number(self) -> &'static str {
        self.facts().number
    }

    /// Whether it refuses the config.
    pub fn severity(self) -> Severity {
        self.facts().severity
    }

    /// The kind with that number, in either case: `e101`.
    ///
    /// ```
    /// use mapping::diagnostic::Code;
    /// assert_eq!(Code::from_number("e103"), Some(Code::UnknownKey));
    /// ```
    pub fn from_number(number: &str) -> Option<Code> {
        DIAGNOSTICS.iter().find(|facts| facts.number.eq_ignore_ascii_case(number)).map(|facts| facts.code)
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.number())
    }
}

/// A place and what there is to say about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    /// Where.
    pub span: Span,
    /// What; may be empty for the primary place.
    pub text: String,
}

/// One fault of a config.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// Which kind.
    pub code: Code,
    /// What is wrong, with the names involved.
    pub message: String,
    /// Where it is wrong.
    pub primary: Label,
    /// Other places that have to do with it.
    pub secondary: Vec<Label>,
    /// The way out.
    pub help: Option<String>,
}

impl Diagnostic {
    /// A fault of kind `code` at `span`.
    pub fn new(code: Code, span: Span, message: impl Into<String>) -> Diagnostic {
        let primary = Label { span, text: String::new() };
        Diagnostic { code, message: message.into(), primary, secondary: Vec::new(), help: None }
    }

    /// Words for the place itself.
    #[must_use]
    pub fn label(mut self, text: impl Into<String>) -> Diagnostic {
        self.primary.text = text.into();
        self
    }

    /// Another place.
    #[must_use]
    pub fn also(mut self, span: Span, text: impl Into<String>) -> Diagnostic {
        self.secondary.push(Label { span, text: text.into() });
        self
    }

    /// The way out.
    #[must_use]
    pub fn help(mut self, text: impl Into<String>) -> Diagnostic {
        self.help = Some(text.into());
        self
    }

    /// Whether it refuses the config.
    pub fn is_error(&self) -> bool {
        self.code.severity() == Severity::Error
    }

    /// The fault as text with the lines it is about, as compilers print it; `coloured` adds ANSI colours.
    pub fn render(&self, source: &SourceText<'_>, coloured: bool) -> String {
        let level = match self.code.severity() {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let primary = AnnotationKind::Primary
            .span(source.clamp(self.primary.span))
            .label(Some(self.primary.text.as_str()).filter(|text| !text.is_empty()));
        let context = self
            .secondary
            .iter()
            .map(|label| AnnotationKind::Context.span(source.clamp(label.span)).label(label.text.as_str()));
        let snippet =
            Snippet::source(source.text).path(source.name).annotation(primary).annotations(context.collect::<Vec<_>>());
        let mut group = level.primary_title(self.message.as_str()).id(self.code.number()).element(snippet);
        if let Some(help) = &self.help {
            group = group.element(Level::HELP.message(help.as_str()));
        }
        let renderer = if coloured { Renderer::styled() } else { Renderer::plain() };
        renderer.render(&[group])
    }

    /// The fault as data, for `--format json`.
    pub fn report(&self, source: &SourceText<'_>) -> DiagnosticReport {
        let start = source.position(self.primary.span.start);
        let end = source.position(self.primary.span.end);
        let related = self.secondary.iter().map(|label| {
            let at = source.position(label.span.start);
            RelatedPlace { line: at.line, column: at.column, message: label.text.clone() }
        });
        DiagnosticReport {
            file: source.name.to_owned(),
            line: start.line,
            column: start.column,
            end_line: end.line,
            end_column: end.column,
            code: self.code.number(),
            severity: self.code.severity(),
            message: self.message.clone(),
            label: Some(self.primary.text.clone()).filter(|text| !text.is_empty()),
            help: self.help.clone(),
            related: related.collect(),
        }
    }
}

/// Orders faults as they stand in the file.
pub fn sort(diagnostics: &mut [Diagnostic]) {
    diagnostics.sort_by(|a, b| (a.primary.span, a.code, &a.message).cmp(&(b.primary.span, b.code, &b.message)));
}

/// A config file's name and text, with its lines counted.
#[derive(Clone, Debug)]
pub struct SourceText<'a> {
    name: &'a str,
    text: &'a str,
    line_starts: Vec<usize>,
}

impl<'a> SourceText<'a> {
    /// `name` is shown as it is; `text` is what was parsed.
    pub fn new(name: &'a str, text: &'a str) -> SourceText<'a> {
        let after_newlines = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at + 1);
        SourceText { name, text, line_starts: std::iter::once(0).chain(after_newlines).collect() }
    }

    /// The line and column of a byte.
    pub fn position(&self, offset: usize) -> Position {
        let line = self.line_starts.partition_point(|start| *start <= offset);
        let start = self.line_starts.get(line.saturating_sub(1)).copied().unwrap_or(0);
        let before = self.text.get(start..offset.min(self.text.len())).unwrap_or_default();
        Position { line, column: before.chars().count() + 1 }
    }

    fn clamp(&self, span: Span) -> std::ops::Range<usize> {
        let end = span.end.min(self.text.len());
        span.start.min(end)..end
    }
}

/// A place in a text; both numbers count from 1, the column in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// Line.
    pub line: usize,
    /// Character in the line.
    pub column: usize,
}

/// A [`Diagnostic`] as data.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct DiagnosticReport {
    /// The file, as it was named.
    pub file: String,
    /// Line of the first character, from 1.
    pub line: usize,
    /// Column of the first character, from 1, in characters.
    pub column: usize,
    /// Line of the end.
    pub end_line: usize,
    /// Column after the last character.
    pub end_column: usize,
    /// `E101`.
    pub code: &'static str,
    /// `error` or `warning`.
    pub severity: Severity,
    /// What is wrong.
    pub message: String,
    /// Words for the place itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// The way out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
    /// Other places that have to do with it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub related: Vec<RelatedPlace>,
}

/// Another place of a [`DiagnosticReport`].
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct RelatedPlace {
    /// Line, from 1.
    pub line: usize,
    /// Column, from 1, in characters.
    pub column: usize,
    /// What it has to do with it.
    pub message: String,
}

/// `name` in back-quotes, made harmless for a terminal and cut if it is very long.
pub(crate) fn quote(name: &str) -> String {
    const LONGEST: usize = 80;
    let mut quoted = String::from("`");
    for (count, c) in name.chars().enumerate() {
        if count == LONGEST {
            quoted.push('…');
            break;
        }
        if c.is_control() {
            quoted.extend(c.escape_debug());
        } else {
            quoted.push(c);
        }
    }
    quoted.push('`');
    quoted
}

/// The candidate most like `name`, if any is like it at all.
pub(crate) fn nearest<'c>(name: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    const ALIKE: f64 = 0.8;
    if name.len() > 200 {
        return None;
    }
    let folded = name.to_lowercase().replace('-', "_");
    let scored = candidates.into_iter().map(|candidate| {
        let other = candidate.to_lowercase().replace('-', "_");
        (strsim::jaro_winkler(&folded, &other).max(strsim::normalized_damerau_levenshtein(&folded, &other)), candidate)
    });
    let best = scored.filter(|(score, _)| *score >= ALIKE).max_by(|a, b| a.0.total_cmp(&b.0));
    best.map(|(_, candidate)| candidate)
}

/// Names in back-quotes with commas between, at most thirty of them.
pub(crate) fn list<'n>(names: impl IntoIterator<Item = &'n str>) -> String {
    const MOST: usize = 30;
    let mut names = names.into_iter();
    let mut listed: Vec<String> = names.by_ref().take(MOST).map(quote).collect();
    let more = names.count();
    if more > 0 {
        listed.push(format!("{more} more"));
    }
    listed.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_unique_ordered_and_say_the_severity() {
        for (index, facts) in DIAGNOSTICS.iter().enumerate() {
            assert_eq!(facts.code as usize, index);
            assert_eq!(facts.code.facts().number, facts.number);
            let letter = match facts.severity {
                Severity::Error => 'E',
                Severity::Warning => 'W',
            };
            assert!(facts.number.starts_with(letter), "{}", facts.number);
            assert!(!facts.summary.ends_with('.') && facts.explanation.ends_with('.'), "{}", facts.number);
        }
        assert!(DIAGNOSTICS.is_sorted_by(|a, b| a.number < b.number));
    }

    #[test]
    fn a_place_is_a_line_and_a_column_in_characters() {
        let source = SourceText::new("x.json", "ab\ncäd\n");
        let position = |offset| {
            let at = source.position(offset);
            (at.line, at.column)
        };
        assert_eq!(position(0), (1, 1));
        assert_eq!(position(2), (1, 3));
        assert_eq!(position(3), (2, 1));
        assert_eq!(position(6), (2, 3));
        assert_eq!(position(8), (3, 1));
        assert_eq!(position(99), (3, 1));
    }

    #[test]
    fn a_rendering_shows_line_caret_and_help() {
        let source = SourceText::new("x.json", "{\n  \"sorce_name\": 1\n}\n");
        let diagnostic = Diagnostic::new(Code::UnknownKey, Span::new(4, 16), "unknown key `sorce_name`")
            .label("not a key of the config")
            .also(Span::new(0, 1), "in this object")
            .help("did you mean `source_name`?");
        let expected = "\
error[E103]: unknown key `sorce_name`
 --> x.json:2:3
  |
1 | {
  | - in this object
2 |   \"sorce_name\": 1
  |   ^^^^^^^^^^^^ not a key of the config
  |
  = help: did you mean `source_name`?";
        assert_eq!(diagnostic.render(&source, false), expected);
        assert!(diagnostic.render(&source, true).contains("\u{1b}["));
        let report = serde_json::to_value(diagnostic.report(&source)).unwrap();
        assert_eq!(
            report,
            serde_json::json!({
                "file": "x.json", "line": 2, "column": 3, "end_line": 2, "end_column": 15,
                "code": "E103", "severity": "error", "message": "unknown key `sorce_name`",
                "label": "not a key of the config", "help": "did you mean `source_name`?",
                "related": [{"line": 1, "column": 1, "message": "in this object"}],
            })
        );
    }

    #[test]
    fn a_span_outside_the_text_does_not_break_the_rendering() {
        let source = SourceText::new("x.json", "{}");
        let diagnostic = Diagnostic::new(Code::NotJson, Span::new(7, 9), "odd");
        assert!(diagnostic.render(&source, false).starts_with("error[E101]: odd"));
        assert!(
            Diagnostic::new(Code::NotJson, Span::new(0, 0), "x")
                .render(&SourceText::new("e", ""), false)
                .contains("E101")
        );
    }

    #[test]
    fn names_in_messages_cannot_drive_a_terminal() {
        assert_eq!(quote("a\u{1b}[2Jb\n"), "`a\\u{1b}[2Jb\\n`");
        assert!(quote(&"x".repeat(1000)).len() < 100);
    }

    #[test]
    fn suggestions_are_near_or_not_made() {
        assert_eq!(nearest("sorce_name", ["source_name", "select"]), Some("source_name"));
        assert_eq!(nearest("sourceName", ["source_name", "select"]), Some("source_name"));
        assert_eq!(nearest("firewall", ["host", "cloud"]), None);
        assert_eq!(nearest("type_uid", ["type", "type_id", "uid"]), Some("type_id"));
    }
}
