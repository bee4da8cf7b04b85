//! STIX patterns: any text is read or refused with places inside it, and what is read is written and read back.

use stix::diagnostic::SourceText;
use stix::{Version, check, parse};

/// Runs one input, if it is text.
pub fn run(text: &[u8]) {
    let Ok(text) = std::str::from_utf8(text) else { return };
    for version in [Version::V20, Version::V21] {
        let checked = check(text, version);
        assert_eq!(checked.pattern.is_some(), parse(text, version).is_ok());
        for diagnostic in &checked.diagnostics {
            assert!(text.get(diagnostic.primary.span.range()).is_some());
            assert!(diagnostic.render(&SourceText::new("pattern", text), false).contains(diagnostic.code.number()));
        }
        if let Some(pattern) = checked.pattern {
            let written = pattern.to_string();
            // A chain that parentheses keep short is written with more of them than the text had; at the limits that may
            // be too many.
            if let Ok(again) = parse(&written, version) {
                assert_eq!(again.to_string(), written);
            }
        }
    }
}
