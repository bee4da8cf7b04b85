//! `decode.steps`: from JSON to [`StepSpec`]s.

use std::sync::OnceLock;

use serde_json::{Map, Value as Json};

use super::{Fields, Reader};
use crate::config::{ExtractSpec, NestSpec, Places, Spanned, StepAction, StepSpec};
use crate::diagnostic::{Code, Diagnostic, list, quote};
use crate::operators::{self, SHIPPED_STEPS, STEP_ACTIONS};
use crate::syntax::{Node, NodeKind, parse_json};

/// The shipped lists of steps by name.
const SHIPPED: &str = include_str!("../../data/decode-steps.json");

/// A shipped list as JSON text.
fn shipped(name: &str) -> Option<String> {
    static LISTS: OnceLock<Map<String, Json>> = OnceLock::new();
    LISTS.get_or_init(|| serde_json::from_str(SHIPPED).unwrap_or_default()).get(name).map(Json::to_string)
}

impl Reader {
    pub(super) fn steps(&mut self, node: &Node) -> Vec<StepSpec> {
        let mut steps = Vec::new();
        for item in self.items(node, "steps") {
            match &item.kind {
                NodeKind::String { text, .. } => steps.extend(self.shipped_steps(item, text)),
                _ => steps.extend(self.step(item)),
            }
        }
        steps
    }

    fn shipped_steps(&mut self, node: &Node, name: &str) -> Vec<StepSpec> {
        let list = shipped(name).and_then(|text| parse_json(&text).ok());
        let Some(list) = list else {
            self.unknown_choice(node, "steps", name, SHIPPED_STEPS);
            return Vec::new();
        };
        // Faults of a shipped list are reported here, where it is named.
        self.steps(&crate::extend::placed_at(list, node.span))
    }

    fn step(&mut self, node: &Node) -> Option<StepSpec> {
        let fields = self.fields(node, &operators::STEP)?;
        let when = fields.get("when").map(|node| self.condition(node));
        let actions: Vec<&str> = STEP_ACTIONS.iter().copied().filter(|action| fields.get(action).is_some()).collect();
        let [name] = actions.as_slice() else {
            let all = list(STEP_ACTIONS.iter().copied());
            let (message, help) = match actions.as_slice() {
                [] => ("this step has no action".to_owned(), format!("add one of {all}")),
                several => (
                    format!("a step has exactly one action; this one has {}", list(several.iter().copied())),
                    "write a step for each action".to_owned(),
                ),
            };
            let code = if actions.is_empty() { Code::MissingKey } else { Code::OperatorWithOtherKeys };
            self.report(Diagnostic::new(code, node.span, message).help(help));
            return None;
        };
        let action = self.step_action(name, fields.get(name)?, &fields);
        let when = match when {
            None => None,
            Some(condition) => Some(condition?),
        };
        Some(StepSpec { span: node.span, when, action: action? })
    }

    fn step_action(&mut self, name: &str, argument: &Node, fields: &Fields<'_>) -> Option<StepAction> {
        Some(match name {
            "discard" => {
                let rule = self.name(argument, name)?;
                if fields.get("when").is_none() {
                    let message = "this step discards every event";
                    let help = "add a condition: \"when\": {…}";
                    self.report(Diagnostic::new(Code::MissingKey, fields.span, message).help(help));
                    return None;
                }
                StepAction::Discard(rule)
            }
            "each" => StepAction::Each(self.member_path(argument, name)?),
            "root" => StepAction::Root(self.member_path(argument, name)?),
            "parse" => StepAction::Parse(self.member_path(argument, name)?),
            "move" => StepAction::Move(self.places(argument, name)?),
            "copy" => StepAction::Copy(self.places(argument, name)?),
            "windows_values" => StepAction::WindowsValues(self.member_path(argument, name)?),
            "extract" => {
                let fields = self.fields(argument, &operators::EXTRACT)?;
                let from = fields.get("from").and_then(|node| self.member_path(node, "from"));
                let pattern = fields.get("pattern").and_then(|node| self.grouped_pattern(node));
                let into = match fields.get("into") {
                    Some(node) => self.member_path(node, "into")?,
                    None => Spanned::new(Vec::new(), fields.span),
                };
                StepAction::Extract(ExtractSpec { span: fields.span, from: from?, pattern: pattern?, into })
            }
            _ => {
                let fields = self.fields(argument, &operators::NEST)?;
                let into = fields.get("into").and_then(|node| self.place(node, "into"));
                let event_id = fields.get("event_id").and_then(|node| self.member_path(node, "event_id"));
                let names = fields.get("names").and_then(|node| self.text_field_names(node));
                StepAction::Nest(NestSpec { span: fields.span, into: into?, event_id: event_id?, names: names? })
            }
        })
    }

    /// A pattern with at least one named group.
    fn grouped_pattern(&mut self, node: &Node) -> Option<Spanned<String>> {
        let (text, regex) = self.pattern(node, "pattern")?;
        if regex.capture_names().flatten().next().is_none() {
            let message = "the pattern has no named group, so nothing would be extracted";
            let help = "name the groups to extract: `(?<port>[0-9]+)`";
            self.report(Diagnostic::new(Code::NoSuchGroup, node.span, message).help(help));
            return None;
        }
        Some(text)
    }

    /// Source paths and their target paths.
    fn places(&mut self, node: &Node, what: &str) -> Option<Places> {
        let mut places = Vec::new();
        for (from, to) in self.map(node, what) {
            let key = Node { span: from.span, kind: NodeKind::String { text: from.value.clone(), plain: false } };
            places.push((self.member_path(&key, what), self.place(to, what)));
        }
        places.into_iter().map(|(from, to)| Some((from?, to?))).collect()
    }

    /// A path of names, other than the root.
    fn place(&mut self, node: &Node, what: &str) -> Option<Spanned<Vec<String>>> {
        let path = self.member_path(node, what)?;
        if path.is_empty() {
            let message = format!("{} must be a path below the root", quote(what));
            self.report(Diagnostic::new(Code::InexactJsonPath, node.span, message).help("name a member: `$.a`"));
            return None;
        }
        Some(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_lists_are_those_that_can_be_named() {
        let lists: Map<String, Json> = serde_json::from_str(SHIPPED).unwrap();
        let names: Vec<&str> = lists.keys().map(String::as_str).collect();
        assert_eq!(names, SHIPPED_STEPS);
        let mut reader = Reader::default();
        for name in names {
            let list = parse_json(&shipped(name).unwrap()).unwrap();
            assert!(!reader.steps(&list).is_empty());
        }
        assert!(reader.diagnostics.is_empty(), "{:?}", reader.diagnostics);
    }
}
