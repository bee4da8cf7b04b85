//! Checks every expression and condition: parts that can never apply, and unknown lookup tables.

use std::collections::HashSet;

use serde_json::Value as Json;

use super::columns::Columns;
use super::{Linter, always_holds, never_holds};
use crate::config::{
    Condition, EnumOperator, EventMapping, JsonPath, Lookup, ObjectTree, Other, Span, Spanned, TemplatePart, Tree,
    Value,
};
use crate::diagnostic::{Code, Diagnostic, list, nearest, quote};

/// The context of an expression.
struct Place<'c> {
    event: Option<&'c EventMapping>,
    used_lookups: HashSet<String>,
    columns: Option<Columns<'c>>,
}

impl<'c> Linter<'c> {
    /// Examines every expression of the config.
    pub(super) fn values(&mut self) {
        let config = self.config;
        let columns = Columns::of(&config.decode);
        let mut place = Place { event: None, used_lookups: HashSet::new(), columns };
        if let Some(field) = &config.selector.matched_field {
            self.path(field, field.span, &place);
        }
        for rule in &config.selector.rules {
            self.condition(&rule.condition, &mut place);
        }
        let fields = config.timestamp.as_ref().map(|timestamp| &timestamp.field);
        for value in fields.into_iter().chain(&config.account) {
            self.value(value, &mut place);
        }
        for event in &config.events {
            place.event = Some(event);
            self.members(&event.attributes, &mut place);
            for (_, value) in &event.unmapped {
                self.value(value, &mut place);
            }
        }
        for Lookup { name, .. } in &config.lookups {
            if !place.used_lookups.contains(&name.value) {
                let message = format!("nothing uses the lookup table {}", quote(name));
                self.report(Diagnostic::new(Code::UnusedLookup, name.span, message));
            }
        }
    }

    fn members(&mut self, object: &ObjectTree, place: &mut Place<'c>) {
        for (_, tree) in &object.members {
            self.tree(tree, place);
        }
    }

    fn tree(&mut self, tree: &Tree, place: &mut Place<'c>) {
        match tree {
            Tree::Object(object) => self.members(object, place),
            Tree::Array(array) => array.items.iter().for_each(|item| self.tree(item, place)),
            Tree::Value(value) => self.value(value, place),
            Tree::When(when) => {
                self.branch_condition(&when.condition, place);
                self.tree(&when.then, place);
                if let Some(tree) = &when.otherwise {
                    self.tree(tree, place);
                }
            }
            Tree::Each(each) => {
                self.value(&each.input, place);
                if let Some(filter) = &each.filter {
                    self.condition(filter, place);
                }
                self.tree(&each.body, place);
            }
        }
    }

    fn value(&mut self, value: &Spanned<Value>, place: &mut Place<'c>) {
        match &value.value {
            Value::Absent | Value::Literal(_) => {}
            Value::Path(path) => self.path(path, value.span, place),
            Value::Template(parts) => {
                for part in parts {
                    if let TemplatePart::Path(path) = part {
                        self.path(path, value.span, place);
                    }
                }
            }
            Value::List(items) => items.iter().for_each(|item| self.value(item, place)),
            Value::First(alternatives) => {
                for pair in alternatives.windows(2) {
                    if let [before, after] = pair
                        && is_never_absent(before)
                    {
                        let message = "this alternative can never apply: the one before it always has a value";
                        let diagnostic = Diagnostic::new(Code::Unreachable, after.span, message);
                        self.report(diagnostic.also(before.span, "always has a value"));
                    }
                }
                alternatives.iter().for_each(|alternative| self.value(alternative, place));
            }
            Value::Enum(operator) => {
                self.enumeration(operator, place);
                self.value(&operator.evaluate, place);
                operator.values.iter().for_each(|(_, value)| self.value(value, place));
                operator.other.iter().for_each(|value| self.value(value, place));
            }
            Value::Timestamp(operator) => self.value(&operator.value, place),
            Value::Regex(operator) => self.value(&operator.value, place),
            Value::Split(operator) => self.value(&operator.value, place),
            Value::Lookup(operator) => {
                self.lookup_exists(&operator.table, place);
                self.value(&operator.key, place);
                operator.default.iter().for_each(|value| self.value(value, place));
            }
            Value::Each(operator) => {
                self.value(&operator.input, place);
                operator.filter.iter().for_each(|filter| self.condition(filter, place));
                self.value(&operator.body, place);
            }
            Value::When(operator) => {
                self.branch_condition(&operator.condition, place);
                self.value(&operator.then, place);
                operator.otherwise.iter().for_each(|value| self.value(value, place));
            }
            Value::Int(operator) => self.value(&operator.value, place),
            Value::StripPrefix(operator) => self.value(&operator.value, place),
            Value::Duration(operator) => {
                self.value(&operator.from, place);
                self.value(&operator.to, place);
            }
            Value::Json(value)
            | Value::Basename(value)
            | Value::Dirname(value)
            | Value::Lower(value)
            | Value::Upper(value)
            | Value::Trim(value)
            | Value::IpVersion(value) => self.value(value, place),
        }
    }

    /// Checks a path into a line of columns, which has only these columns.
    fn path(&mut self, path: &JsonPath, span: Span, place: &Place<'c>) {
        let Some(columns) = &place.columns else { return };
        let Some(name) = columns.lacks(path) else { return };
        let message = format!("`decode` has no column {}", quote(name));
        let help = match nearest(name, columns.names()) {
            Some(near) => format!("did you mean {}?", quote(near)),
            None => "add it to `columns`, or as a group to `split_columns`".to_owned(),
        };
        self.report(Diagnostic::new(Code::UnknownColumn, span, message).help(help));
    }

    fn enumeration(&mut self, operator: &EnumOperator, place: &Place<'c>) {
        for (text, _) in &operator.values {
            if self.is_absent_text(text) {
                let message = format!("the text {:?} means \"no value\", so this value can never apply", text.value);
                let help = "remove it from `absent`, or put the result into `$first` after the `$enum`";
                self.report(Diagnostic::new(Code::Unreachable, text.span, message).help(help));
            }
        }
        let (Some(event), Some(field)) = (place.event, &self.config.selector.matched_field) else { return };
        let is_selector = matches!(&operator.evaluate.value, Value::Path(path) if *path == field.value);
        let own = event.span.start <= operator.evaluate.span.start && operator.evaluate.span.end <= event.span.end;
        let otherwise_taken = self.config.selector.rules.iter().any(|rule| rule.event == event.key)
            || matches!(&self.config.other.value, Other::Event(other) if *other == event.key.value);
        if !is_selector || !own || otherwise_taken {
            return;
        }
        let others: Vec<_> = operator.values.iter().filter(|(text, _)| *text != event.key).collect();
        if let Some((first, _)) = others.first() {
            let message = format!(
                "{} is always {} here, so {} can never apply",
                quote(&field.text),
                quote(&event.key),
                match others.len() {
                    1 => quote(first),
                    count => format!("{count} of these values"),
                }
            );
            let applies = operator.values.iter().find(|(text, _)| *text == event.key).map(|(_, value)| value);
            let diagnostic = Diagnostic::new(Code::Unreachable, first.span, message)
                .also(event.key.span, "the event mapping of this value");
            self.report(match applies.or(operator.other.as_ref()).map(|value| &value.value) {
                Some(Value::Literal(literal)) => diagnostic.help(format!("write {literal}")),
                _ => diagnostic,
            });
        }
    }

    fn lookup_exists(&mut self, table: &Spanned<String>, place: &mut Place<'c>) {
        if self.config.lookup(table).is_some() {
            place.used_lookups.insert(table.value.clone());
            return;
        }
        let names = self.config.lookups.iter().map(|lookup| lookup.name.as_str());
        let near = nearest(table, names.clone());
        let help = match near {
            Some(near) => format!("did you mean {}?", quote(near)),
            None if self.config.lookups.is_empty() => "this config has no `lookups`".to_owned(),
            None => format!("the tables are {}", list(names)),
        };
        place.used_lookups.extend(near.map(str::to_owned));
        let message = format!("unknown lookup table {}", quote(table));
        self.report(Diagnostic::new(Code::UnknownLookup, table.span, message).help(help));
    }

    /// Checks the condition of a `$when`.
    fn branch_condition(&mut self, condition: &Spanned<Condition>, place: &mut Place<'c>) {
        if always_holds(condition) {
            let message = "this condition always holds, so `else` can never apply";
            self.report(Diagnostic::new(Code::Unreachable, condition.span, message));
        }
        self.condition(condition, place);
    }

    fn condition(&mut self, condition: &Spanned<Condition>, place: &mut Place<'c>) {
        if never_holds(condition) {
            let message = "this condition never holds";
            self.report(Diagnostic::new(Code::Unreachable, condition.span, message));
        }
        match &condition.value {
            Condition::Exists(value)
            | Condition::Matches(value, _)
            | Condition::StartsWith(value, _)
            | Condition::EndsWith(value, _)
            | Condition::Contains(value, _) => self.value(value, place),
            Condition::Equals(left, right) => {
                for (side, other) in [(left, right), (right, left)] {
                    if let Value::Literal(literal) = &side.value {
                        self.compared(literal, side.span, Some(other));
                    }
                    self.value(side, place);
                }
            }
            Condition::In(value, literals) => {
                for literal in literals {
                    self.compared(literal, literal.span, None);
                }
                self.value(value, place);
            }
            Condition::All(conditions) | Condition::Any(conditions) => {
                conditions.iter().for_each(|condition| self.condition(condition, place));
            }
            Condition::Not(condition) => self.condition(condition, place),
        }
    }

    /// Checks a constant that a value is compared with: a text that means "no value" never equals a value.
    fn compared(&mut self, literal: &Json, span: Span, other: Option<&Spanned<Value>>) {
        let Json::String(text) = literal else { return };
        if !self.is_absent_text(text) {
            return;
        }
        let message = format!("no value ever equals {text:?}: `absent` lists it as \"no value\"");
        let diagnostic = Diagnostic::new(Code::Unreachable, span, message);
        self.report(match other.map(|value| &value.value) {
            Some(Value::Path(JsonPath { text, .. })) => {
                diagnostic.help(format!("test for the value itself: {{\"not\": {{\"exists\": {text:?}}}}}"))
            }
            _ => diagnostic,
        });
    }
}

/// Whether an expression has a value for every event.
pub(super) fn is_never_absent(value: &Value) -> bool {
    match value {
        Value::Literal(_) => true,
        Value::First(alternatives) => alternatives.iter().any(|alternative| is_never_absent(alternative)),
        Value::Template(parts) => parts.iter().all(|part| matches!(part, TemplatePart::Text(_))),
        Value::When(operator) => {
            is_never_absent(&operator.then) && operator.otherwise.as_ref().is_some_and(|value| is_never_absent(value))
        }
        _ => false,
    }
}

/// Whether an expression returns a list.
pub(super) fn is_list(value: &Value) -> bool {
    match value {
        Value::List(_) | Value::Each(_) => true,
        Value::Split(operator) => operator.take.is_none(),
        Value::First(alternatives) => alternatives.iter().any(|alternative| is_list(alternative)),
        Value::When(operator) => {
            is_list(&operator.then) || operator.otherwise.as_ref().is_some_and(|value| is_list(value))
        }
        _ => false,
    }
}
