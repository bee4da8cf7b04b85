//! What is wrong with a pattern, told to the person who wrote it: number, place, words, remedy.
//!
//! Numbers are stable: a number once given keeps its meaning, and a fault that is no longer reported leaves its number
//! unused. `E…` means that the pattern is refused; `W…` means that it is taken, and perhaps does not mean what was
//! meant. [`DIAGNOSTICS`] lists them all.

use std::fmt;

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};
use serde::Serialize;

use crate::pattern::Span;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The pattern is refused.
    Error,
    /// The pattern is taken, but perhaps not as it was meant.
    Warning,
}

/// One line of [`DIAGNOSTICS`].
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct DiagnosticFacts {
    /// `E301`.
    pub number: &'static str,
    /// Which it is.
    pub code: Code,
    /// Whether it refuses the pattern.
    pub severity: Severity,
    /// What is wrong, in one line.
    pub summary: &'static str,
    /// What to do.
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
    E301 Empty Error "there is no pattern"
        "The shortest pattern is one test in brackets: [file:name = 'x'].";
    E302 UnexpectedToken Error "something stands where the grammar has another part"
        "The message says what could stand there.";
    E303 MissingBracket Error "a comparison outside brackets"
        "Every observation is in brackets: [file:size > 1024].";
    E304 Unclosed Error "a bracket or parenthesis that is never closed"
        "Close it, or remove it.";
    E305 TrailingText Error "text after the end of the pattern"
        "Patterns are joined by AND, OR or FOLLOWEDBY. Remove what is left over, or join it.";
    E306 UnquotedText Error "a text without quotes"
        "Texts, among them addresses and hashes, stand in single quotes: '198.51.100.7'.";
    E307 UnterminatedText Error "a text whose closing quote is missing"
        "Close it with a single quote. A quote inside a text is written \\'.";
    E308 BadEscape Error "a backslash that escapes nothing"
        "In a text, \\' is a quote and \\\\ is a backslash: 'C:\\\\Windows'.";
    E309 BadTimestamp Error "a timestamp in another form than the grammar's"
        "Timestamps are UTC with upper-case T and Z: t'2024-01-15T12:30:45.123Z'.";
    E310 BadHex Error "a hex constant that is not pairs of hex digits"
        "Write two digits for every byte: h'0aff'.";
    E311 BadBinary Error "a binary constant that is not base64"
        "The alphabet is A-Z a-z 0-9 + /, padded with = to a multiple of four: b'AAE='.";
    E312 PrefixNot Error "`NOT` before a path"
        "NOT stands before the operator: file:name NOT = 'x'. Only EXISTS takes it in front.";
    E313 UnquotedProperty Error "a property name that needs quotes"
        "Names with other characters than letters, digits and `_`, and names that are keywords, stand in single \
         quotes: file:hashes.'SHA-256'.";
    E314 BadPath Error "an object path in another form than type:property"
        "A path is an object type, a colon and at least one property: file:name, process:parent_ref.name.";
    E315 BadNumber Error "a number in another form than the grammar's"
        "Integers have no leading zeros, floats have digits after the point, and there are no exponents.";
    E316 NumberOutOfRange Error "a number that cannot be held"
        "Integers are 64 bits wide, floats are finite, WITHIN is from a nanosecond to 584 years.";
    E317 WrongOperand Error "an operand that its operator does not take"
        "LIKE, MATCHES, ISSUBSET and ISSUPERSET take a text, IN takes a list in parentheses, and true and false \
         have no order.";
    E318 KeywordCase Error "a keyword in lower case"
        "Keywords are upper-case; true and false are lower-case.";
    E319 UnknownOperator Error "an operator that STIX does not have"
        "The operators are = != < <= > >= IN LIKE MATCHES ISSUBSET ISSUPERSET, and EXISTS before a path.";
    E320 StartWithoutStop Error "`START` without `STOP`"
        "A window has both ends: START t'2024-01-01T00:00:00Z' STOP t'2024-01-02T00:00:00Z'.";
    E321 BadQualifier Error "a qualifier in another form than the grammar's"
        "WITHIN 300 SECONDS, REPEATS 5 TIMES, START t'…' STOP t'…'. Seconds may have a fraction; neither number has a \
         minus.";
    E322 ZeroQualifier Error "`WITHIN 0` or `REPEATS 0`"
        "WITHIN needs a time above 0, REPEATS a count of at least 1.";
    E323 DuplicateQualifier Error "the same qualifier twice on one observation"
        "An observation takes each qualifier once in STIX 2.1. Put the observation with the first one into parentheses \
         if both are meant.";
    E324 TooDeep Error "a pattern that is nested or chained too deeply"
        "Write many values of one property as IN ('…', '…'). Group long chains with parentheses.";
    E325 BadHash Error "a hash that cannot be one of its algorithm"
        "The value has another length or other characters than a hash of that algorithm has.";
    E326 UnexpectedCharacter Error "a character that patterns do not have"
        "Only texts in quotes and comments hold other characters.";
    E327 ExistsIn20 Error "`EXISTS` in a STIX 2.0 pattern"
        "EXISTS came with STIX 2.1. Read the pattern as 2.1.";
    E328 BadWindowText Error "a window whose bounds are not timestamps"
        "In STIX 2.0 the bounds may be plain texts, of the same form as timestamps: '2024-01-15T12:30:45Z'.";

    W301 ImpossibleDate Warning "a day that its month does not have"
        "The grammar allows it. It is read as that many days after the month before: 30 February is 1 or 2 March.";
    W302 FinerThanNanoseconds Warning "a time with more than nine digits after the point"
        "Times are exact to the nanosecond; the digits after that are dropped.";
    W303 EmptyWindow Warning "a window that ends before it starts"
        "Nothing is observed from START to before STOP, so that the pattern never matches.";
    W304 TypesInOneBracket Warning "`AND` across object types in one pair of brackets"
        "It asks for one observation with both objects. Under the strict reading (both in one object) it never \
         matches.";
    W305 MixedList Warning "a list of values of different types"
        "The specification's matcher refuses such a list. Use OR.";
    W306 WithinOne Warning "`WITHIN` on one observation"
        "WITHIN binds to the observation right before it, and one observation is always within any time. Parentheses \
         make it bind to the whole.";
    W307 NegativeIndex Warning "a negative list index"
        "It selects nothing: lists are counted from 0.";
    W308 EmptyList Warning "`IN` with an empty list"
        "It is never true; with NOT it is true of every value.";
    W309 BadNetwork Warning "a network that cannot be read"
        "ISSUBSET and ISSUPERSET compare an address or network in CIDR form: '198.51.100.0/24', '2001:db8::/32'.";
    W310 BadRegex Warning "a regular expression that does not compile"
        "MATCHES takes a Perl-compatible regular expression. Backslashes of the expression are doubled in the text: \
         '\\\\d+'.";
}

impl Code {
    /// `E301`.
    pub fn number(self) -> &'static str {
        self.facts().number
    }

    /// Whether it refuses the pattern.
    pub fn severity(self) -> Severity {
        self.facts().severity
    }

    /// The kind with that number, in either case: `e301`.
    ///
    /// ```
    /// use stix::diagnostic::Code;
    /// assert_eq!(Code::from_number("e306"), Some(Code::UnquotedText));
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

/// One fault of a pattern.
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

    /// Whether it refuses the pattern.
    pub fn is_error(&self) -> bool {
        self.code.severity() == Severity::Error
    }

    /// The fault as text with the lines it is about, as compilers print it; `name` is shown before the line, and
    /// `coloured` adds ANSI colours. `pattern` is what was parsed.
    ///
    /// ```
    /// let text = "[ipv4-addr:value = 198.51.100.7]";
    /// let fault = stix::parse(text, stix::Version::V21).unwrap_err();
    /// let shown = fault.first().render("pattern", text, false);
    /// assert!(shown.starts_with("error[E306]: `198.51.100.7` has no quotes\n --> pattern:1:20\n"), "{shown}");
    /// ```
    pub fn render(&self, name: &str, pattern: &str, coloured: bool) -> String {
        let level = match self.code.severity() {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let primary = AnnotationKind::Primary
            .span(clamp(&self.primary.span, pattern))
            .label(Some(self.primary.text.as_str()).filter(|text| !text.is_empty()));
        let context = self
            .secondary
            .iter()
            .map(|label| AnnotationKind::Context.span(clamp(&label.span, pattern)).label(label.text.as_str()));
        let snippet = Snippet::source(pattern).path(name).annotation(primary).annotations(context.collect::<Vec<_>>());
        let mut group = level.primary_title(self.message.as_str()).id(self.code.number()).element(snippet);
        if let Some(help) = &self.help {
            group = group.element(Level::HELP.message(help.as_str()));
        }
        let renderer = if coloured { Renderer::styled() } else { Renderer::plain() };
        renderer.render(&[group])
    }

    /// The fault as data, for `--format json`; `pattern` is what was parsed.
    pub fn report(&self, pattern: &str) -> DiagnosticReport {
        let (line, column) = position(pattern, self.primary.span.start);
        let (end_line, end_column) = position(pattern, self.primary.span.end);
        let related = self.secondary.iter().map(|label| {
            let (line, column) = position(pattern, label.span.start);
            RelatedPlace { line, column, message: label.text.clone() }
        });
        DiagnosticReport {
            line,
            column,
            end_line,
            end_column,
            code: self.code.number(),
            severity: self.code.severity(),
            message: self.message.clone(),
            label: Some(self.primary.text.clone()).filter(|text| !text.is_empty()),
            help: self.help.clone(),
            related: related.collect(),
        }
    }
}

/// What refuses a pattern: at least one error, in the order of the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostics {
    first: Box<Diagnostic>,
    rest: Vec<Diagnostic>,
}

impl Diagnostics {
    /// Of all that was found, the errors; `None` if there is none.
    pub(crate) fn errors_of(found: Vec<Diagnostic>) -> Option<Diagnostics> {
        let mut errors = found.into_iter().filter(Diagnostic::is_error);
        let first = Box::new(errors.next()?);
        Some(Diagnostics { first, rest: errors.collect() })
    }

    /// The first error.
    pub fn first(&self) -> &Diagnostic {
        &self.first
    }

    /// All errors.
    pub fn iter(&self) -> impl Iterator<Item = &Diagnostic> {
        std::iter::once(&*self.first).chain(&self.rest)
    }

    /// All errors as compilers print them, see [`Diagnostic::render`].
    pub fn render(&self, name: &str, pattern: &str, coloured: bool) -> String {
        self.iter().map(|diagnostic| diagnostic.render(name, pattern, coloured)).collect::<Vec<_>>().join("\n\n")
    }
}

/// One line per error: number, message, byte, remedy.
impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, diagnostic) in self.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{}: {} (at byte {})", diagnostic.code, diagnostic.message, diagnostic.primary.span.start)?;
            if let Some(help) = &diagnostic.help {
                write!(f, "; {help}")?;
            }
        }
        Ok(())
    }
}

impl std::error::Error for Diagnostics {}

impl From<Diagnostic> for Diagnostics {
    fn from(first: Diagnostic) -> Diagnostics {
        Diagnostics { first: Box::new(first), rest: Vec::new() }
    }
}

/// A [`Diagnostic`] as data. Lines and columns count from 1, columns in characters.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct DiagnosticReport {
    /// Line of the first character.
    pub line: usize,
    /// Column of the first character.
    pub column: usize,
    /// Line of the end.
    pub end_line: usize,
    /// Column after the last character.
    pub end_column: usize,
    /// `E301`.
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
    /// Line.
    pub line: usize,
    /// Column.
    pub column: usize,
    /// What it has to do with it.
    pub message: String,
}

fn clamp(span: &Span, text: &str) -> Span {
    let end = span.end.min(text.len());
    span.start.min(end)..end
}

fn position(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset.min(text.len())).unwrap_or_default();
    let line = before.rsplit('\n').next().unwrap_or_default();
    (before.matches('\n').count() + 1, line.chars().count() + 1)
}

/// `text` in back-quotes, made harmless for a terminal and cut if it is very long.
pub(crate) fn quote(text: &str) -> String {
    const LONGEST: usize = 80;
    let mut quoted = String::from("`");
    for (count, c) in text.chars().enumerate() {
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
    const ALIKE: f64 = 0.7;
    if name.len() > 40 {
        return None;
    }
    let folded = name.to_uppercase();
    let scored =
        candidates.into_iter().map(|candidate| (strsim::normalized_damerau_levenshtein(&folded, candidate), candidate));
    let best = scored.filter(|(score, _)| *score >= ALIKE).max_by(|a, b| a.0.total_cmp(&b.0));
    best.map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_unique_ordered_and_say_the_severity() {
        for (index, facts) in DIAGNOSTICS.iter().enumerate() {
            assert_eq!(facts.code as usize, index);
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
        let text = "ab\ncäd\n";
        assert_eq!(position(text, 0), (1, 1));
        assert_eq!(position(text, 2), (1, 3));
        assert_eq!(position(text, 3), (2, 1));
        assert_eq!(position(text, 6), (2, 3));
        assert_eq!(position(text, 99), (3, 1));
    }

    #[test]
    fn a_span_outside_the_text_does_not_break_the_rendering() {
        assert!(Diagnostic::new(Code::Empty, 7..9, "odd").render("p", "{}", false).starts_with("error[E301]: odd"));
        assert!(Diagnostic::new(Code::Empty, 0..0, "odd").render("p", "", true).contains("E301"));
    }

    #[test]
    fn names_in_messages_cannot_drive_a_terminal() {
        assert_eq!(quote("a\u{1b}[2Jb\n"), "`a\\u{1b}[2Jb\\n`");
        assert!(quote(&"x".repeat(1000)).len() < 100);
    }
}
