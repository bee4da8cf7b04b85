//! Conditions.

use super::Reader;
use crate::config::{Condition, Spanned, Value};
use crate::diagnostic::{Code, Diagnostic, list, nearest, quote};
use crate::jsonpath::is_path;
use crate::operators::{self, CONDITIONS, ConditionKind};
use crate::syntax::{Node, NodeKind};

impl Reader {
    pub(super) fn condition(&mut self, node: &Node) -> Option<Spanned<Condition>> {
        let NodeKind::Object(members) = &node.kind else {
            let message = format!("a condition must be an object, not {}", node.describe());
            let mut diagnostic = Diagnostic::new(Code::WrongType, node.span, message);
            if let Some(text) = node.as_str()
                && is_path(text, self.inside_each)
            {
                diagnostic = diagnostic.help(format!("write {{\"exists\": {text:?}}} to test for a value"));
            }
            self.report(diagnostic);
            return None;
        };
        let [(key, argument)] = members.as_slice() else {
            let message = "a condition must have exactly one key";
            let help = "combine conditions with {\"all\": […]} or {\"any\": […]}";
            self.report(Diagnostic::new(Code::OperatorWithOtherKeys, node.span, message).help(help));
            return None;
        };
        let Some(form) = operators::condition(key) else {
            let names = CONDITIONS.iter().map(|condition| condition.name);
            let message = format!("unknown condition {}", quote(key));
            let all = list(names.clone());
            let help = match nearest(key.trim_start_matches('$'), names) {
                Some(name) => format!("did you mean {}? Valid conditions are {all}", quote(name)),
                None => format!("valid conditions are {all}"),
            };
            self.report(Diagnostic::new(Code::UnknownKey, key.span, message).help(help));
            return None;
        };
        let name = form.name;
        let condition = match form.kind {
            ConditionKind::Exists => Condition::Exists(self.value(argument)),
            ConditionKind::Equals => {
                let [left, right] = self.pair(argument, name)?;
                Condition::Equals(self.value(left), self.value(right))
            }
            ConditionKind::In => {
                let [value, literals] = self.pair(argument, name)?;
                let value = self.value(value);
                let literals = self.items(literals, name).iter();
                Condition::In(value, literals.map(|item| Spanned::new(item.to_json(), item.span)).collect())
            }
            ConditionKind::Matches => {
                let [value, pattern] = self.pair(argument, name)?;
                let value = self.value(value);
                Condition::Matches(value, self.pattern(pattern, name)?.0)
            }
            ConditionKind::StartsWith => {
                let (value, text) = self.value_and_text(argument, name)?;
                Condition::StartsWith(value, text)
            }
            ConditionKind::EndsWith => {
                let (value, text) = self.value_and_text(argument, name)?;
                Condition::EndsWith(value, text)
            }
            ConditionKind::Contains => {
                let (value, text) = self.value_and_text(argument, name)?;
                Condition::Contains(value, text)
            }
            ConditionKind::All => Condition::All(self.conditions(argument, name)?),
            ConditionKind::Any => Condition::Any(self.conditions(argument, name)?),
            ConditionKind::Not => Condition::Not(Box::new(self.condition(argument)?)),
        };
        Some(Spanned::new(condition, node.span))
    }

    fn pair<'n>(&mut self, node: &'n Node, what: &str) -> Option<&'n [Node; 2]> {
        let items = self.items(node, what);
        let pair = items.try_into().ok();
        if pair.is_none() && matches!(node.kind, NodeKind::Array(_)) {
            let message = format!("{} must have two items, not {}", quote(what), items.len());
            self.report(Diagnostic::new(Code::WrongType, node.span, message));
        }
        pair
    }

    fn value_and_text(&mut self, node: &Node, what: &str) -> Option<(Spanned<Value>, Spanned<String>)> {
        let [value, text] = self.pair(node, what)?;
        let value = self.value(value);
        Some((value, self.text(text, what)?))
    }

    fn conditions(&mut self, node: &Node, what: &str) -> Option<Vec<Spanned<Condition>>> {
        let items = self.items(node, what);
        let conditions: Vec<_> = items.iter().map(|item| self.condition(item)).collect();
        conditions.into_iter().collect()
    }
}
