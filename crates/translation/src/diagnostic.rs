//! What stands against a translation, or what it leaves out, told to the person who wrote the pattern.

use std::fmt;

use diagnostics::{Drawing, Label, SourceText};
use stix::pattern::Span;

pub use diagnostics::Severity;

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// An error: there is no statement. A warning: there is one, in which a part of the pattern can never be true.
    pub severity: Severity,
    /// Where in the pattern, if it is about a part of it.
    pub span: Option<Span>,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub help: Option<String>,
    /// Whether it is about a constant with which no value of any table agrees, whatever tables there are.
    pub is_of_value: bool,
}

impl Diagnostic {
    pub(crate) fn error(span: Option<Span>, message: impl Into<String>, help: impl Into<String>) -> Self {
        Self { severity: Severity::Error, span, message: message.into(), help: Some(help.into()), is_of_value: false }
    }

    pub(crate) fn warning(span: Option<Span>, message: impl Into<String>, help: Option<String>) -> Self {
        Self { severity: Severity::Warning, span, message: message.into(), help, is_of_value: false }
    }

    /// The diagnostic with the pattern's line and marks below it, for a terminal.
    pub fn render(&self, name: &str, pattern: &str, coloured: bool) -> String {
        let place = self.span.clone().filter(|span| pattern.get(span.clone()).is_some());
        let place = place.map(|span| Label { span: span.into(), text: String::new() });
        let drawing = Drawing {
            severity: self.severity,
            number: None,
            message: &self.message,
            primary: place.as_ref(),
            secondary: &[],
            help: self.help.as_deref(),
        };
        drawing.render(&SourceText::new(name, pattern), coloured)
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        match &self.help {
            Some(help) => write!(f, " ({help})"),
            None => Ok(()),
        }
    }
}

/// Why a pattern has no statement: one error at least, first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostics(pub(crate) Vec<Diagnostic>);

impl Diagnostics {
    /// All of them, errors first.
    pub fn iter(&self) -> impl Iterator<Item = &Diagnostic> {
        self.0.iter()
    }
}

impl From<Diagnostic> for Diagnostics {
    fn from(diagnostic: Diagnostic) -> Self {
        Self(vec![diagnostic])
    }
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, diagnostic) in self.0.iter().enumerate() {
            let separator = if place == 0 { "" } else { "; " };
            write!(f, "{separator}{diagnostic}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Diagnostics {}
