//! A pattern's text as a tree, or what is wrong with it.
//!
//! The language is that of the specification's grammar for the version, with the checks of its validator. The first
//! fault of syntax ends the reading; faults of single parts (a hash of the wrong length, a qualifier twice) are all
//! found.

mod comparisons;
mod cursor;
mod faults;
mod hashes;
mod literals;
mod observations;

use crate::diagnostic::{Code, Diagnostic, Diagnostics, found_at};
use crate::lexer::{Keyword, Kind};
use crate::lint;
use crate::pattern::{Pattern, Span};
use crate::version::Version;
use cursor::{Built, Parser, Read};

pub(crate) use hashes::is_hash;
pub(crate) use literals::base64;

/// How many levels a tree may have: 1,000. A chain of `OR` or `AND` has as many levels as operands, which grouping with
/// parentheses makes fewer. Whoever walks a pattern may recurse.
pub const MOST_LEVELS: usize = 1_000;

/// How many parentheses may be open at once.
pub const MOST_PARENTHESES: usize = 100;

/// Reads a pattern.
///
/// # Errors
///
/// What refuses the pattern; warnings are told by [`check`] only.
///
/// ```
/// let text = "[process:name LIKE '%.exe'] FOLLOWEDBY [file:size > 1024]";
/// let pattern = stix::parse(text, stix::Version::V21)?;
/// assert_eq!((pattern.leaves, pattern.to_string().as_str()), (2, text));
/// # Ok::<(), stix::Diagnostics>(())
/// ```
pub fn parse(text: &str, version: Version) -> Result<Pattern, Diagnostics> {
    let mut parser = Parser::new(text, version);
    match (parser.pattern(), Diagnostics::errors_of(parser.found)) {
        (Some(pattern), None) => Ok(pattern),
        (_, Some(errors)) => Err(errors),
        (None, None) => Err(Diagnostics::from(found_at(Code::Empty, 0..text.len(), "there is no pattern"))),
    }
}

/// A pattern, if it can be read, and all there is to say about it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Checked {
    /// The pattern; `None` if there are errors.
    pub pattern: Option<Pattern>,
    /// Errors and warnings in the order of the text.
    pub diagnostics: Vec<Diagnostic>,
}

/// Reads a pattern and looks for what it perhaps does not mean.
///
/// ```
/// let checked = stix::check("[a:x = 1] FOLLOWEDBY [a:x = 2] WITHIN 300 SECONDS", stix::Version::V21);
/// assert_eq!(checked.diagnostics[0].code.number(), "W306");
/// assert!(checked.pattern.is_some());
/// ```
pub fn check(text: &str, version: Version) -> Checked {
    let mut parser = Parser::new(text, version);
    let pattern = parser.pattern().filter(|_| !parser.found.iter().any(Diagnostic::is_error));
    let mut diagnostics = parser.found;
    diagnostics.extend(pattern.iter().flat_map(|pattern| lint::warnings(pattern, text)));
    diagnostics.sort_by_key(|found| (found.primary.span.start, found.code));
    Checked { pattern, diagnostics }
}

impl Parser<'_> {
    fn pattern(&mut self) -> Read<Pattern> {
        if self.kind() == Kind::End {
            let span = 0..self.text.len();
            return self.fail(
                found_at(Code::Empty, span, "there is no pattern")
                    .help("the shortest pattern is one test in brackets: [file:name = 'x']"),
            );
        }
        let root = self.observations()?;
        if self.kind() != Kind::End {
            return self.trailing(&root.node);
        }
        Some(Pattern { root: root.node, leaves: self.leaves })
    }

    /// Operands with `operator` between them, joined from the left.
    fn chain<N>(
        &mut self,
        operator: Keyword,
        join: impl Fn(N, N) -> N,
        operand: impl Fn(&mut Self) -> Read<Built<N>>,
    ) -> Read<Built<N>> {
        let mut left = operand(self)?;
        while self.kind() == Kind::Keyword(operator) {
            let sign = self.advance();
            let right = operand(self)?;
            let levels = self.above(left.levels.max(right.levels), &sign)?;
            left = Built { node: join(left.node, right.node), levels };
        }
        Some(left)
    }

    fn above(&mut self, levels: usize, span: &Span) -> Read<usize> {
        if levels < MOST_LEVELS {
            return Some(levels + 1);
        }
        let message = format!("more than {MOST_LEVELS} operators in one chain");
        self.fail(found_at(Code::TooDeep, span.clone(), message).help(
            "write many values of one property as IN ('…', '…'), or group the chain with parentheses: \
             (… OR …) OR (… OR …)",
        ))
    }

    fn open_parenthesis(&mut self) -> Read<()> {
        let span = self.advance();
        self.parentheses += 1;
        if self.parentheses <= MOST_PARENTHESES {
            return Some(());
        }
        let message = format!("more than {MOST_PARENTHESES} parentheses are open");
        self.fail(found_at(Code::TooDeep, span, message).help("remove parentheses that change nothing"))
    }
}
