//! What is wrong with a pattern, told to the person who wrote it: number, place, words, remedy.
//!
//! Numbers are stable: a number once given keeps its meaning, and a fault that is no longer reported leaves its number
//! unused. `E…` means that the pattern is refused; `W…` means that it is taken, and perhaps does not mean what was
//! meant. [`DIAGNOSTICS`] lists them all.

use std::fmt;

pub use diagnostics::{DiagnosticReport, Label, Severity, SourceText};
pub(crate) use diagnostics::{nearest, quote};

use crate::pattern::Span;

diagnostics::diagnostics! {
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

/// One fault of a pattern.
pub type Diagnostic = diagnostics::Diagnostic<Code>;

/// A fault of kind `code` at `span`.
pub(crate) fn found_at(code: Code, span: Span, message: impl Into<String>) -> Diagnostic {
    Diagnostic::new(code, span.into(), message)
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

    /// All errors as compilers print them; `name` is shown before the line, `pattern` is what was parsed, and `coloured`
    /// adds ANSI colours.
    ///
    /// ```
    /// let text = "[ipv4-addr:value = 198.51.100.7]";
    /// let fault = stix::parse(text, stix::Version::V21).unwrap_err();
    /// let shown = fault.render("pattern", text, false);
    /// assert!(shown.starts_with("error[E306]: `198.51.100.7` has no quotes\n --> pattern:1:20\n"), "{shown}");
    /// ```
    pub fn render(&self, name: &str, pattern: &str, coloured: bool) -> String {
        let source = SourceText::new(name, pattern);
        self.iter().map(|diagnostic| diagnostic.render(&source, coloured)).collect::<Vec<_>>().join("\n\n")
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
