//! Conditions on raw events outside of mapping configs. They decide which source a stream record belongs to.

use std::collections::BTreeMap;
use std::ops::Range;

use bumpalo::Bump;
use ocsf::schema::{Schema, Version};
use sources::Document;

use crate::compile::Compiler;
use crate::diagnostic::{Code, Diagnostic};
use crate::parse;
use crate::paths::{PathTree, Slots};
use crate::plan::Condition;
use crate::values::{AbsentTexts, Values};

/// A compiled condition of the mapping language. Only `null` and the empty text count as absent.
///
/// ```
/// use bumpalo::Bump;
/// use mapping::EventCondition;
/// use sources::Document;
///
/// let text = r#"{"equals": ["$.logGroup", "/aws/nfw"]}"#;
/// let condition = EventCondition::parse(text, 0..text.len()).expect("is a condition");
/// let bump = Bump::new();
/// let document = Document::parse(br#"{"logGroup": "/aws/nfw", "logEvents": []}"#, &bump)?;
/// assert!(condition.holds(&document));
/// # Ok::<(), sources::DocumentError>(())
/// ```
#[derive(Debug)]
pub struct EventCondition {
    condition: Condition,
    paths: PathTree,
    absent: AbsentTexts,
}

impl EventCondition {
    /// Parses the condition at the byte range `place` of a JSON file.
    ///
    /// # Errors
    /// Diagnostics, with positions in the file.
    pub fn parse(file: &str, place: Range<usize>) -> Result<Self, Vec<Diagnostic>> {
        let condition = parse::condition_at(file, place)?;
        let (mut paths, lookups) = (PathTree::default(), BTreeMap::new());
        let schema = Schema::get(Version::default());
        let compiled = Compiler::new(schema, &mut paths, &lookups).condition(&condition);
        let compiled = compiled.map_err(|fault| vec![Diagnostic::new(Code::WrongType, fault.span, fault.message)])?;
        Ok(Self { condition: compiled, paths, absent: AbsentTexts::new(vec![String::new()]) })
    }

    /// Whether the condition holds for a raw event.
    #[must_use]
    pub fn holds(&self, document: &Document<'_>) -> bool {
        let (bump, mut slots, mut reads) = (Bump::new(), Slots::default(), Vec::new());
        self.paths.fill(document, &mut slots);
        Values::new(document, &bump, &self.absent, &slots, &mut reads).holds(&self.condition)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(condition: &str, event: &str) -> bool {
        let bump = Bump::new();
        let document = Document::parse(event.as_bytes(), &bump).unwrap();
        EventCondition::parse(condition, 0..condition.len()).unwrap().holds(&document)
    }

    #[test]
    fn a_condition_is_asked_of_a_raw_event() {
        let condition = r#"{"all": [{"starts_with": ["$.logGroup", "/aws/"]}, {"not": {"exists": "$.error"}}]}"#;
        assert!(holds(condition, r#"{"logGroup": "/aws/nfw", "error": ""}"#));
        assert!(!holds(condition, r#"{"logGroup": "/aws/nfw", "error": "x"}"#));
        assert!(!holds(condition, r#"{"logGroup": "other"}"#));
        assert!(!holds(condition, "[]"));
    }

    #[test]
    fn a_fault_has_its_place_in_the_file() {
        let file = r#"{"when": {"equal": ["$.a", 1]}}"#;
        let place = file.find("{\"equal").unwrap()..file.len() - 1;
        let faults = EventCondition::parse(file, place).unwrap_err();
        let span = faults[0].primary.span;
        assert_eq!(&file[span.start..span.end], "\"equal\"");
    }
}
