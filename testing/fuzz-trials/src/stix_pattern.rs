//! Any text as a STIX pattern is parsed or refused, with all places inside the text. A parsed pattern is written and parsed
//! again.

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
            // A chain that parentheses limit is written with more parentheses than the text had, which may be too many at the
            // limits.
            if let Ok(again) = parse(&written, version) {
                assert_eq!(again.to_string(), written);
            }
        }
    }
}
