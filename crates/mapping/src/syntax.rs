//! JSON text as a tree in which every value knows its bytes: the first step of reading a config.

pub(crate) use diagnostics::json::{Node, NodeKind};

use diagnostics::json::Mistake;

use crate::diagnostic::{Code, Diagnostic};

/// Reads `text` as one JSON value.
pub(crate) fn parse_json(text: &str) -> Result<Node, Diagnostic> {
    diagnostics::json::parse(text).map_err(|error| {
        let mut diagnostic = Diagnostic::new(Code::NotJson, error.span, error.message);
        diagnostic.help = error.mistake.map(|mistake| match mistake {
            Mistake::Comment => format!("{}; use a `description` key for words about the source", mistake.help()),
            other => other.help().to_owned(),
        });
        diagnostic
    })
}
