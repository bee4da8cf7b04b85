//! The parser's state, and its place in the text: the next token and the text around it.

use crate::diagnostic::{Diagnostic, quote};
use crate::lexer::{Kind, Token, tokens};
use crate::pattern::Span;
use crate::version::Version;

/// A node with the levels of its tree.
pub(super) struct Built<T> {
    pub(super) node: T,
    pub(super) levels: usize,
}

pub(super) struct Parser<'t> {
    pub(super) text: &'t str,
    pub(super) version: Version,
    pub(super) tokens: Vec<Token>,
    pub(super) at: usize,
    pub(super) leaves: usize,
    pub(super) parentheses: usize,
    pub(super) found: Vec<Diagnostic>,
}

/// `None` is a fault that is in [`Parser::found`].
pub(super) type Read<T> = Option<T>;

impl<'t> Parser<'t> {
    pub(super) fn new(text: &'t str, version: Version) -> Parser<'t> {
        let tokens = tokens(text, version);
        Parser { text, version, tokens, at: 0, leaves: 0, parentheses: 0, found: Vec::new() }
    }

    pub(super) fn kind(&self) -> Kind {
        self.tokens.get(self.at).map_or(Kind::End, |token| token.kind)
    }

    pub(super) fn kind_after(&self) -> Kind {
        self.tokens.get(self.at + 1).map_or(Kind::End, |token| token.kind)
    }

    pub(super) fn span(&self) -> Span {
        self.tokens.get(self.at).map_or(self.text.len()..self.text.len(), |token| token.span.clone())
    }

    /// Goes on to the next token; the place of the one that is left behind.
    pub(super) fn advance(&mut self) -> Span {
        let span = self.span();
        if self.at + 1 < self.tokens.len() {
            self.at += 1;
        }
        span
    }

    pub(super) fn last_end(&self) -> usize {
        self.at.checked_sub(1).and_then(|last| self.tokens.get(last)).map_or(0, |token| token.span.end)
    }

    pub(super) fn slice(&self, span: &Span) -> &'t str {
        self.text.get(span.clone()).unwrap_or_default()
    }

    /// What stands between the quotes of `h'…'`, `b'…'` and `t'…'`.
    pub(super) fn inside(&self, span: &Span) -> &'t str {
        self.text.get(span.start + 2..span.end.saturating_sub(1)).unwrap_or_default()
    }

    /// From here to white space or to what ends a value: what a person would call a word.
    pub(super) fn run(&self) -> Span {
        let start = self.span().start;
        let rest = self.text.get(start..).unwrap_or_default();
        let end =
            rest.find(|c: char| c.is_whitespace() || matches!(c, ']' | ')' | '(' | ',' | '\'')).unwrap_or(rest.len());
        start..start + end
    }

    pub(super) fn found_here(&self) -> String {
        match self.kind() {
            Kind::End => "the end of the pattern".to_owned(),
            _ => quote(self.slice(&self.span())),
        }
    }

    pub(super) fn here(&self, text: &str) -> (Span, String) {
        (self.span(), text.to_owned())
    }

    pub(super) fn run_from(&self, start: usize) -> Span {
        let rest = self.text.get(start..).unwrap_or_default();
        let end = rest.find(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | '.' | '-' | '\'' | '[' | '*')));
        start..start + end.unwrap_or(rest.len())
    }

    pub(super) fn run_from_path(&self) -> Span {
        let start = self.span().start;
        let rest = self.text.get(start..).unwrap_or_default();
        let end =
            rest.find(|c: char| c.is_whitespace() || matches!(c, '=' | '!' | '<' | '>' | '(')).unwrap_or(rest.len());
        start..start + end
    }
}
