//! Diagnostics for files that people write: number, position, message and fix.
//!
//! Each kind of file (mapping configs, detection rules) is checked by its own crate. This crate formats the
//! diagnostics, as text and as data, so that all of them look alike. Numbers are stable: each keeps its meaning, and
//! the number of a removed diagnostic is never reused. `E…` means that the file is refused, because it cannot be
//! executed exactly. `W…` means that it is executed, with the loss or repair that the text describes.

pub mod causes;
pub mod form;
pub mod json;

use std::fmt;
use std::ops::{Deref, Range};

use annotate_snippets::{Annotation, AnnotationKind, Level, Renderer, Snippet};
use serde::Serialize;

/// A range of bytes of a text, end exclusive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Span {
    /// Offset of the first byte.
    pub start: usize,
    /// Offset after the last byte.
    pub end: usize,
}

impl Span {
    /// The bytes from `start` up to, not including, `end`.
    pub const fn new(start: usize, end: usize) -> Span {
        Span { start, end }
    }

    /// The same bytes as a standard range, for slicing the text.
    pub fn range(self) -> Range<usize> {
        self.start..self.end
    }
}

/// A value and where it was written. Equality looks at the value only.
#[derive(Clone, Debug)]
pub struct Spanned<T> {
    /// The value.
    pub value: T,
    /// Where the file says it.
    pub span: Span,
}

impl<T> Spanned<T> {
    /// `value`, written at `span`.
    pub fn new(value: T, span: Span) -> Spanned<T> {
        Spanned { value, span }
    }

    /// The same place with another value.
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Spanned<U> {
        Spanned { value: f(self.value), span: self.span }
    }
}

impl<T> Deref for Spanned<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T: PartialEq> PartialEq for Spanned<T> {
    fn eq(&self, other: &Spanned<T>) -> bool {
        self.value == other.value
    }
}

impl<T: Eq> Eq for Spanned<T> {}

impl From<Range<usize>> for Span {
    fn from(range: Range<usize>) -> Self {
        Self::new(range.start, range.end)
    }
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The file is refused.
    Error,
    /// The file works, but not in every part as written.
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

/// A kind of diagnostic. [`diagnostics!`] defines an enumeration that implements it.
pub trait Kind: Copy {
    /// `E101`.
    fn number(self) -> &'static str;

    /// Whether it refuses the file.
    fn severity(self) -> Severity;
}

/// The description of a kind of diagnostic.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Facts<C> {
    /// `E101`.
    pub number: &'static str,
    /// The kind.
    pub code: C,
    /// Whether it refuses the file.
    pub severity: Severity,
    /// What is wrong, in one line.
    pub summary: &'static str,
    /// The effect and the fix.
    pub explanation: &'static str,
}

impl<C> Facts<C> {
    /// For [`diagnostics!`].
    pub const fn new(
        number: &'static str,
        code: C,
        severity: Severity,
        summary: &'static str,
        explanation: &'static str,
    ) -> Self {
        Self { number, code, severity, summary, explanation }
    }

    /// The same for lists of several crates' diagnostics.
    pub fn without_code(&self) -> Facts<()> {
        let Self { number, severity, summary, explanation, .. } = *self;
        Facts { number, code: (), severity, summary, explanation }
    }
}

/// Makes the enumeration `Code` of a crate's kinds of faults and the list `DIAGNOSTICS` of their facts, ordered by
/// number.
///
/// ```
/// diagnostics::diagnostics! {
///     E901 NoTitle Error "there is no title" "Write one.";
///     W901 LongTitle Warning "the title is long" "Write a shorter one.";
/// }
/// assert_eq!(Code::from_number("w901"), Some(Code::LongTitle));
/// ```
#[macro_export]
macro_rules! diagnostics {
    ($($number:ident $code:ident $severity:ident $summary:literal $explanation:literal;)+) => {
        /// Names a kind of diagnostic.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum Code { $(#[doc = concat!(stringify!($number), ": ", $summary)] $code,)+ }

        /// Every diagnostic there is, ordered by number.
        pub static DIAGNOSTICS: &[$crate::Facts<Code>] = &[$($crate::Facts::new(
            stringify!($number),
            Code::$code,
            $crate::Severity::$severity,
            $summary,
            $explanation,
        ),)+];

        #[cfg(test)]
        mod diagnostics_list {
            use super::DIAGNOSTICS;

            #[test]
            fn numbers_are_unique_ordered_and_say_the_severity() {
                for (index, facts) in DIAGNOSTICS.iter().enumerate() {
                    assert_eq!(facts.code as usize, index);
                    assert_eq!(facts.code.facts().number, facts.number);
                    let letter = match facts.severity {
                        $crate::Severity::Error => 'E',
                        $crate::Severity::Warning => 'W',
                    };
                    assert!(facts.number.starts_with(letter), "{}", facts.number);
                    assert!(!facts.summary.ends_with('.') && facts.explanation.ends_with('.'), "{}", facts.number);
                }
                assert!(DIAGNOSTICS.is_sorted_by(|a, b| a.number < b.number));
            }
        }

        impl Code {
            /// The facts of this kind.
            pub fn facts(self) -> &'static $crate::Facts<Code> {
                &DIAGNOSTICS[self as usize]
            }

            /// `E101`.
            pub fn number(self) -> &'static str {
                self.facts().number
            }

            /// Whether it refuses the file.
            pub fn severity(self) -> $crate::Severity {
                self.facts().severity
            }

            /// The kind with that number, in either case.
            pub fn from_number(number: &str) -> Option<Code> {
                DIAGNOSTICS.iter().find(|facts| facts.number.eq_ignore_ascii_case(number)).map(|facts| facts.code)
            }
        }

        impl $crate::Kind for Code {
            fn number(self) -> &'static str {
                self.facts().number
            }

            fn severity(self) -> $crate::Severity {
                self.facts().severity
            }
        }

        impl std::fmt::Display for Code {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.number())
            }
        }
    };
}

/// A position with a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    /// Where.
    pub span: Span,
    /// What; may be empty for the primary place.
    pub text: String,
}

/// One fault of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic<C> {
    /// Which kind.
    pub code: C,
    /// The error or warning, with the names involved.
    pub message: String,
    /// Where it is wrong.
    pub primary: Label,
    /// Other places that have to do with it.
    pub secondary: Vec<Label>,
    /// The way out.
    pub help: Option<String>,
}

impl<C: Kind> Diagnostic<C> {
    /// A fault of kind `code` at `span`.
    pub fn new(code: C, span: Span, message: impl Into<String>) -> Self {
        let primary = Label { span, text: String::new() };
        Self { code, message: message.into(), primary, secondary: Vec::new(), help: None }
    }

    /// Words for the place itself.
    #[must_use]
    pub fn label(mut self, text: impl Into<String>) -> Self {
        self.primary.text = text.into();
        self
    }

    /// Another place.
    #[must_use]
    pub fn also(mut self, span: Span, text: impl Into<String>) -> Self {
        self.secondary.push(Label { span, text: text.into() });
        self
    }

    /// The way out.
    #[must_use]
    pub fn help(mut self, text: impl Into<String>) -> Self {
        self.help = Some(text.into());
        self
    }

    /// Whether it refuses the file.
    pub fn is_error(&self) -> bool {
        self.code.severity() == Severity::Error
    }

    /// The fault as text with the lines it is about, as compilers print it; `coloured` adds ANSI colours.
    pub fn render(&self, source: &SourceText<'_>, coloured: bool) -> String {
        let drawing = Drawing {
            severity: self.code.severity(),
            number: Some(self.code.number()),
            message: &self.message,
            primary: Some(&self.primary),
            secondary: &self.secondary,
            help: self.help.as_deref(),
        };
        drawing.render(source, coloured)
    }

    /// The fault in one line, as editors read it: `rule.yaml:3:7: error[E203]: …; help: …`. `coloured` adds ANSI
    /// colours.
    pub fn line(&self, source: &SourceText<'_>, coloured: bool) -> String {
        let Position { line, column } = source.position(self.primary.span.start);
        let severity = format!("{}[{}]", self.code.severity(), self.code.number());
        let severity = match (coloured, self.code.severity()) {
            (false, _) => severity,
            (true, Severity::Error) => format!("\x1b[1;91m{severity}\x1b[0m"),
            (true, Severity::Warning) => format!("\x1b[1;33m{severity}\x1b[0m"),
        };
        let help = self.help.as_ref().map(|help| format!("; help: {help}")).unwrap_or_default();
        let text = format!("{}{help}", self.message);
        // Line ends and other white space as one space, none of a terminal's controls.
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        let text: String = text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
        format!("{}:{line}:{column}: {severity}: {text}", source.name)
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

/// A diagnostic in the style of compilers. It can have no number or no position.
#[derive(Clone, Copy, Debug)]
pub struct Drawing<'d> {
    /// How bad it is.
    pub severity: Severity,
    /// `E101`.
    pub number: Option<&'d str>,
    /// What is wrong.
    pub message: &'d str,
    /// Where it is wrong.
    pub primary: Option<&'d Label>,
    /// Other places that have to do with it.
    pub secondary: &'d [Label],
    /// The way out.
    pub help: Option<&'d str>,
}

impl Drawing<'_> {
    /// The text with the lines it is about; `coloured` adds ANSI colours.
    pub fn render(&self, source: &SourceText<'_>, coloured: bool) -> String {
        let level = match self.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let title = level.primary_title(self.message);
        let title = match self.number {
            Some(number) => title.id(number),
            None => title,
        };
        let mut group = title.elements([] as [Snippet<'_, Annotation<'_>>; 0]);
        if let Some(label) = self.primary {
            let primary = AnnotationKind::Primary
                .span(source.clamp(label.span))
                .label(Some(label.text.as_str()).filter(|text| !text.is_empty()));
            let context = self
                .secondary
                .iter()
                .map(|label| AnnotationKind::Context.span(source.clamp(label.span)).label(label.text.as_str()));
            let snippet = Snippet::source(source.text).path(source.name);
            group = group.element(snippet.annotation(primary).annotations(context.collect::<Vec<_>>()));
        }
        if let Some(help) = self.help {
            group = group.element(Level::HELP.message(help));
        }
        let renderer = if coloured { Renderer::styled() } else { Renderer::plain() };
        renderer.render(&[group])
    }
}

/// Orders faults as they stand in the file.
pub fn sort<C: Ord + Copy>(diagnostics: &mut [Diagnostic<C>]) {
    diagnostics.sort_by(|a, b| (a.primary.span, a.code, &a.message).cmp(&(b.primary.span, b.code, &b.message)));
}

/// A file's name and text, with its lines counted.
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

    fn clamp(&self, span: Span) -> Range<usize> {
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
    /// The file, as named on the command line.
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
    /// How the position is related.
    pub message: String,
}

/// `name` in back-quotes, made harmless for a terminal and cut if it is very long.
pub fn quote(name: &str) -> String {
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
pub fn nearest<'c>(name: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
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
pub fn list<'n>(names: impl IntoIterator<Item = &'n str>) -> String {
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

    #[expect(unreachable_pub, dead_code, reason = "the macro makes what a crate publishes")]
    mod sample {
        diagnostics! {
            E101 NotJson Error "the file is not JSON" "Write JSON.";
            E103 UnknownKey Error "a key that this object does not have" "The help line lists those that exist.";
        }
    }
    use sample::Code;

    #[test]
    fn a_fault_in_one_line_has_its_place_its_number_and_its_remedy() {
        let source = SourceText::new("x.json", "ab\ncäd\n");
        let fault = Diagnostic::new(Code::UnknownKey, Span::new(6, 7), "no `d`\n  here\u{1b}[2J").help("write\n`e`");
        assert_eq!(fault.line(&source, false), "x.json:2:3: error[E103]: no `d` here\u{fffd}[2J; help: write `e`");
        assert!(fault.line(&source, true).contains("\u{1b}[1;91merror[E103]\u{1b}[0m"));
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
