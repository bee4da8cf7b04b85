//! Any text as a rule file: lint ends, with all places inside the text. A file is a rule exactly if lint finds no error.

use detection::diagnostic::SourceText;
use detection::{Rule, lint};

/// Runs one input, if it is text.
pub fn run(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let checked = lint::check(text);
    for diagnostic in &checked.diagnostics {
        assert!(text.get(diagnostic.primary.span.range()).is_some(), "a place outside of the text: {diagnostic:?}");
        let shown = diagnostic.render(&SourceText::new("rule.yaml", text), false);
        assert!(shown.contains(diagnostic.code.number()));
    }
    let has_errors = checked.diagnostics.iter().any(|diagnostic| diagnostic.is_error());
    assert_eq!(Rule::from_text(text).is_ok(), !has_errors);
    assert_eq!(checked.accepted().is_some(), !has_errors);
}
