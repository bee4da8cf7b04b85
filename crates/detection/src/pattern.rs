//! STIX patterns of rules: their parameters, and the time span of a match.

use std::ops::Range;

use stix::pattern::{Observation, ObservationKind, QualifierKind};

use crate::rule::{ParameterValue, Rule};

/// A pattern with its parameters filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Filled {
    pub(crate) text: String,
    /// For every byte of `text`, the byte offset in the original pattern; one more entry for the end.
    origins: Vec<usize>,
    /// The parameters in the pattern, in order.
    pub(crate) parameters: Vec<FilledParameter>,
}

/// A use of a parameter in a pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FilledParameter {
    pub(crate) name: String,
    /// The place of `{{param:name}}` in the original pattern.
    pub(crate) place: Range<usize>,
}

impl Filled {
    /// Replaces `{{param:name}}` by values. A parameter for which `value` returns `None` becomes an empty text.
    pub(crate) fn new(pattern: &str, value: impl Fn(&str) -> Option<ParameterValue>) -> Self {
        let mut filled = Self { text: String::new(), origins: Vec::new(), parameters: Vec::new() };
        let mut at = 0;
        while let Some(start) = pattern[at..].find("{{param:").map(|start| at + start) {
            let Some(end) = pattern[start..].find("}}").map(|end| start + end + 2) else { break };
            filled.push(&pattern[at..start], |offset| at + offset);
            let name = pattern[start + "{{param:".len()..end - 2].trim();
            let literal = value(name).map(|value| literal(&value)).unwrap_or_default();
            filled.push(&literal, |_| start);
            filled.parameters.push(FilledParameter { name: name.to_owned(), place: start..end });
            at = end;
        }
        filled.push(&pattern[at..], |offset| at + offset);
        filled.origins.push(pattern.len());
        filled
    }

    /// The pattern of a rule with the defaults of its parameters.
    pub(crate) fn with_defaults(rule: &Rule, pattern: &str) -> Self {
        let declared = |name: &str| rule.parameters.iter().find(|parameter| parameter.name.value == name);
        Self::new(pattern, |name| declared(name).map(|parameter| parameter.default.clone()))
    }

    fn push(&mut self, text: &str, origin: impl Fn(usize) -> usize) {
        self.text.push_str(text);
        self.origins.extend((0..text.len()).map(origin));
    }

    /// The place in the original pattern of a part of the filled text.
    pub(crate) fn origin(&self, span: &Range<usize>) -> Range<usize> {
        let at = |index: usize| self.origins.get(index).or(self.origins.last()).copied().unwrap_or_default();
        let start = at(span.start);
        let end = if span.end > span.start { at(span.end - 1) + 1 } else { start };
        start..end.max(start)
    }
}

/// A value in STIX notation.
fn literal(value: &ParameterValue) -> String {
    let text = |text: &str| format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"));
    let list = |items: Vec<String>| format!("({})", items.join(", "));
    match value {
        ParameterValue::Text(value) => text(value),
        ParameterValue::Integer(number) => number.to_string(),
        ParameterValue::Decimal(number) => format!("{number:?}"),
        ParameterValue::Boolean(value) => value.to_string(),
        ParameterValue::TextList(items) => list(items.iter().map(|item| text(item)).collect()),
        ParameterValue::IntegerList(items) => list(items.iter().map(ToString::to_string).collect()),
    }
}

/// The longest time span of a match, in milliseconds. `None` if it is unbounded, 0 if a match is one observation.
pub(crate) fn extent(observation: &Observation) -> Option<i64> {
    match &observation.kind {
        ObservationKind::Leaf { .. } => Some(0),
        ObservationKind::Or(one, other) => Some(extent(one)?.max(extent(other)?)),
        ObservationKind::And(..) | ObservationKind::FollowedBy(..) => None,
        ObservationKind::Qualified(inner, qualifier) => match qualifier.kind {
            QualifierKind::Within(nanoseconds) => {
                let within = i64::try_from(nanoseconds / 1_000_000).unwrap_or(i64::MAX);
                Some(extent(inner).map_or(within, |inner| inner.min(within)))
            }
            QualifierKind::Repeats(1) | QualifierKind::StartStop(..) => extent(inner),
            QualifierKind::Repeats(_) => None,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_become_literals_and_places_are_found_again() {
        let text = "[a:b = {{param:x}} AND a:c IN {{param:l}}]";
        let filled = Filled::new(text, |name| match name {
            "x" => Some(ParameterValue::Text("it's \\ here".to_owned())),
            _ => Some(ParameterValue::TextList(vec!["p".to_owned(), "q".to_owned()])),
        });
        assert_eq!(filled.text, "[a:b = 'it\\'s \\\\ here' AND a:c IN ('p', 'q')]");
        let at = filled.text.find("a:c").unwrap();
        assert_eq!(&text[filled.origin(&(at..at + 3))], "a:c");
        assert_eq!(filled.parameters.iter().map(|parameter| parameter.name.as_str()).collect::<Vec<_>>(), ["x", "l"]);
        assert_eq!(&text[filled.parameters[0].place.clone()], "{{param:x}}");
    }

    #[test]
    fn the_extent_of_a_match_is_what_within_bounds() {
        let extent = |text: &str| extent(&stix::parse(text, stix::Version::default()).unwrap().root);
        assert_eq!(extent("[a:b = 1]"), Some(0));
        assert_eq!(extent("[a:b = 1] FOLLOWEDBY [a:b = 2]"), None);
        assert_eq!(extent("([a:b = 1] FOLLOWEDBY [a:b = 2]) WITHIN 90 SECONDS"), Some(90_000));
        assert_eq!(extent("[a:b = 1] REPEATS 5 TIMES WITHIN 60 SECONDS OR [a:b = 2]"), Some(60_000));
    }
}
