//! The values of attributes: constants, paths, operators, objects of attributes.

use regex::Regex;
use serde_json::Value as Json;

use super::{Fields, Reader};
use crate::config::{
    ArrayTree, DurationOperator, EachOperator, EachTree, EnumOperator, IntBase, IntOperator, LookupOperator,
    ObjectTree, RegexGroup, RegexOperator, Span, Spanned, SplitOperator, StripPrefixOperator, TemplatePart,
    TimestampOperator, Tree, Value, WhenOperator, WhenTree,
};
use crate::diagnostic::{Code, Diagnostic, list, nearest, quote};
use crate::jsonpath::is_path;
use crate::operators::{self, OPERATORS, Operator, OperatorKind};
use crate::syntax::{Node, NodeKind};

/// How to read an object that is the value of an attribute.
pub(super) enum Written<'n> {
    Attributes(&'n [(Spanned<String>, Node)]),
    Operator(&'static Operator, &'n Node),
    Faulty,
}

impl Reader {
    /// Whether an object is an operator or holds attributes.
    pub(super) fn written<'n>(&mut self, members: &'n [(Spanned<String>, Node)]) -> Written<'n> {
        if let [(key, argument)] = members
            && key.value == "enum"
            && let Some(operator) = operators::operator("$enum")
        {
            return Written::Operator(operator, argument);
        }
        let Some((key, argument)) = members.iter().find(|(key, _)| key.starts_with('$')) else {
            return Written::Attributes(members);
        };
        let Some(operator) = operators::operator(key) else {
            if !self.failed.insert(key.span) {
                return Written::Faulty;
            }
            let names = OPERATORS.iter().map(|operator| operator.name);
            let message = format!("unknown operator {}", quote(key));
            let help = match nearest(key, names.clone()) {
                Some(name) => format!("did you mean {}?", quote(name)),
                None => format!("the operators are {}", list(names)),
            };
            self.report(Diagnostic::new(Code::UnknownOperator, key.span, message).help(help));
            return Written::Faulty;
        };
        if members.len() > 1 {
            if !self.failed.insert(key.span) {
                return Written::Faulty;
            }
            let message = format!("{} must be the only key of its object", quote(key));
            let mut diagnostic = Diagnostic::new(Code::OperatorWithOtherKeys, key.span, message);
            if let Some((other, _)) = members.iter().find(|(other, _)| other.span != key.span) {
                diagnostic = diagnostic.also(other.span, "another key");
            }
            self.report(
                diagnostic.help("to choose between whole objects, use `$when` with attributes in `then` and `else`"),
            );
            return Written::Faulty;
        }
        Written::Operator(operator, argument)
    }

    fn fail(&mut self, span: Span) -> Spanned<Value> {
        self.failed.insert(span);
        Spanned::new(Value::Absent, span)
    }

    /// Parses the value of an attribute, an item or a branch.
    pub(super) fn tree(&mut self, node: &Node) -> Tree {
        match &node.kind {
            NodeKind::Array(items) => {
                Tree::Array(ArrayTree { span: node.span, items: items.iter().map(|item| self.tree(item)).collect() })
            }
            NodeKind::Object(members) => match self.written(members) {
                Written::Attributes(members) => {
                    let members = self.unique(members);
                    let members = members.into_iter().map(|(key, node)| (key.clone(), self.tree(node))).collect();
                    Tree::Object(ObjectTree { span: node.span, members })
                }
                Written::Operator(operator, argument) => match operator.kind {
                    OperatorKind::When => self.when_tree(node.span, argument),
                    OperatorKind::Each => self.each_tree(node.span, argument),
                    _ => Tree::Value(self.operator(operator, argument, node.span)),
                },
                Written::Faulty => Tree::Value(self.fail(node.span)),
            },
            _ => Tree::Value(self.value(node)),
        }
    }

    fn argument<'n>(&mut self, operator: OperatorKind, node: &'n Node) -> Option<Fields<'n>> {
        let operator = OPERATORS.iter().find(|other| other.kind == operator)?;
        match operator.argument {
            operators::Form::Object(form) => self.fields(node, form),
            _ => None,
        }
    }

    fn when_tree(&mut self, span: Span, argument: &Node) -> Tree {
        let Some(fields) = self.argument(OperatorKind::When, argument) else { return Tree::Value(self.fail(span)) };
        let condition = fields.get("if").and_then(|node| self.condition(node));
        let then = fields.get("then").map(|node| self.tree(node));
        let otherwise = fields.get("else").map(|node| self.tree(node));
        match (condition, then) {
            (Some(condition), Some(then)) => Tree::When(Box::new(WhenTree { span, condition, then, otherwise })),
            _ => Tree::Value(self.fail(span)),
        }
    }

    fn each_tree(&mut self, span: Span, argument: &Node) -> Tree {
        let Some(fields) = self.argument(OperatorKind::Each, argument) else { return Tree::Value(self.fail(span)) };
        let input = fields.get("in").map(|node| self.value(node));
        let (filter, body) = self.in_element(|reader| {
            let filter = fields.get("where").map(|node| reader.condition(node));
            (filter, fields.get("as").map(|node| reader.tree(node)))
        });
        match (input, filter, body) {
            (Some(input), None, Some(body)) => Tree::Each(Box::new(EachTree { span, input, filter: None, body })),
            (Some(input), Some(Some(filter)), Some(body)) => {
                Tree::Each(Box::new(EachTree { span, input, filter: Some(filter), body }))
            }
            _ => Tree::Value(self.fail(span)),
        }
    }

    fn in_element<T>(&mut self, read: impl FnOnce(&mut Reader) -> T) -> T {
        let outside = std::mem::replace(&mut self.inside_each, true);
        let result = read(self);
        self.inside_each = outside;
        result
    }

    pub(super) fn value(&mut self, node: &Node) -> Spanned<Value> {
        let value = match &node.kind {
            NodeKind::Null => Value::Absent,
            NodeKind::Bool(_) | NodeKind::Number(_) => Value::Literal(node.to_json()),
            NodeKind::String { text, .. } if is_path(text, self.inside_each) => {
                match self.json_path(node, 0, text.len()) {
                    Some(path) => Value::Path(path),
                    None => return self.fail(node.span),
                }
            }
            NodeKind::String { text, .. } => {
                self.warn_of_text_like_path(node, text);
                self.warn_of_text_like_column(node, text);
                Value::Literal(Json::String(text.clone()))
            }
            NodeKind::Array(items) => Value::List(items.iter().map(|item| self.value(item)).collect()),
            NodeKind::Object(members) => match self.written(members) {
                Written::Operator(operator, argument) => return self.operator(operator, argument, node.span),
                Written::Faulty => return self.fail(node.span),
                Written::Attributes(members) => {
                    let mut diagnostic =
                        Diagnostic::new(Code::ValueExpected, node.span, "expected one value, not an object");
                    let names = OPERATORS.iter().map(|operator| operator.name);
                    let meant = match members {
                        [(key, _)] => nearest(&format!("${}", key.value), names),
                        _ => None,
                    };
                    diagnostic = diagnostic.help(match meant {
                        Some(name) => format!("did you mean the operator {}?", quote(name)),
                        None => "write {\"$literal\": {…}} for a constant object".to_owned(),
                    });
                    self.report(diagnostic);
                    return self.fail(node.span);
                }
            },
        };
        Spanned::new(value, node.span)
    }

    fn warn_of_text_like_path(&mut self, node: &Node, text: &str) {
        let starts_name = |rest: &str| rest.starts_with(|c: char| c.is_alphabetic() || c == '_');
        let (help, like) = match text.split_at_checked(1) {
            Some(("$", rest)) => (format!("write {} for a path", quote(&format!("$.{rest}"))), starts_name(rest)),
            Some(("@", rest)) if !self.inside_each => {
                let help = "`@` is only valid inside `$each`; a path from the root of the event starts with `$.`";
                (help.to_owned(), rest.starts_with(['.', '[']))
            }
            _ => return,
        };
        if like {
            let message = format!("{} is constant text, not a path", quote(text));
            self.report(Diagnostic::new(Code::TextLikePath, node.span, message).help(help));
        }
    }

    fn warn_of_text_like_column(&mut self, node: &Node, text: &str) {
        let Some(column) = self.columns.iter().find(|column| column.value == text).map(|column| column.span) else {
            return;
        };
        let path = match text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
            true => format!("$.{text}"),
            false => format!("$['{text}']"),
        };
        let message = format!("{} is constant text, not the column", quote(text));
        let diagnostic = Diagnostic::new(Code::TextLikeColumn, node.span, message)
            .also(column, "the column")
            .help(format!("write {} for the column, or {{\"$literal\": {text:?}}} for the constant", quote(&path)));
        self.report(diagnostic);
    }

    fn boxed(&mut self, node: &Node) -> Box<Spanned<Value>> {
        Box::new(self.value(node))
    }

    fn operator(&mut self, operator: &'static Operator, argument: &Node, span: Span) -> Spanned<Value> {
        match self.operator_value(operator, argument) {
            Some(value) => Spanned::new(value, span),
            None => self.fail(span),
        }
    }

    /// Parses every argument before giving up on a missing one, so that every fault is reported.
    fn operator_value(&mut self, operator: &'static Operator, argument: &Node) -> Option<Value> {
        let name = operator.name;
        let kind = operator.kind;
        Some(match kind {
            OperatorKind::First => {
                let items = self.some_items(argument, name);
                let alternatives: Vec<_> = items.iter().map(|item| self.value(item)).collect();
                if alternatives.is_empty() {
                    return None;
                }
                Value::First(alternatives)
            }
            OperatorKind::Enum => {
                let fields = self.argument(kind, argument)?;
                let evaluate = fields.get("evaluate").map(|node| self.value(node));
                let values = fields.get("values").map(|node| {
                    let members = self.map(node, "values").into_iter();
                    members.map(|(text, node)| (text.clone(), self.value(node))).collect()
                });
                let other = fields.get("other").map(|node| self.value(node));
                Value::Enum(Box::new(EnumOperator { evaluate: evaluate?, values: values?, other }))
            }
            OperatorKind::Lookup => {
                let fields = self.argument(kind, argument)?;
                let table = fields.get("table").and_then(|node| self.name(node, "table"));
                let key = fields.get("key").map(|node| self.value(node));
                let default = fields.get("default").map(|node| self.value(node));
                Value::Lookup(Box::new(LookupOperator { table: table?, key: key?, default }))
            }
            OperatorKind::When => {
                let fields = self.argument(kind, argument)?;
                let condition = fields.get("if").and_then(|node| self.condition(node));
                let then = fields.get("then").map(|node| self.value(node));
                let otherwise = fields.get("else").map(|node| self.value(node));
                Value::When(Box::new(WhenOperator { condition: condition?, then: then?, otherwise }))
            }
            OperatorKind::Each => {
                let fields = self.argument(kind, argument)?;
                let input = fields.get("in").map(|node| self.value(node));
                let (filter, body) = self.in_element(|reader| {
                    let filter = fields.get("where").map(|node| reader.condition(node));
                    (filter, fields.get("as").map(|node| reader.value(node)))
                });
                let filter = match filter {
                    None => None,
                    Some(filter) => Some(filter?),
                };
                Value::Each(Box::new(EachOperator { input: input?, filter, body: body? }))
            }
            OperatorKind::Template => Value::Template(self.template(argument)?),
            OperatorKind::Regex => {
                let fields = self.argument(kind, argument)?;
                let value = fields.get("value").map(|node| self.value(node));
                let pattern = fields.get("pattern").and_then(|node| self.pattern(node, "pattern"));
                let (pattern, regex) = pattern?;
                let group = match fields.get("group") {
                    Some(node) => self.group(node, &regex)?,
                    None => Spanned::new(RegexGroup::Index(usize::from(regex.captures_len() > 1)), pattern.span),
                };
                Value::Regex(Box::new(RegexOperator { value: value?, pattern, group }))
            }
            OperatorKind::Split => {
                let fields = self.argument(kind, argument)?;
                let value = fields.get("value").map(|node| self.value(node));
                let on = fields.get("on").and_then(|node| self.name(node, "on"));
                let take = fields.get("take").and_then(|node| self.integer(node, "take", None));
                let min_parts = fields.get("min_parts").and_then(|node| self.count(node, "min_parts"));
                let limit = fields.get("limit").and_then(|node| self.count(node, "limit"));
                Value::Split(Box::new(SplitOperator { value: value?, on: on?, take, min_parts, limit }))
            }
            OperatorKind::Timestamp => {
                let fields = self.argument(kind, argument)?;
                let value = fields.get("value").map(|node| self.value(node));
                let formats = self.time_formats(fields.get("format"), fields.span);
                Value::Timestamp(Box::new(TimestampOperator { value: value?, formats: formats? }))
            }
            OperatorKind::Int => {
                let fields = self.argument(kind, argument)?;
                let value = fields.get("value").map(|node| self.value(node));
                let base = match fields.get("base") {
                    None => Spanned::new(IntBase::Auto, fields.span),
                    Some(node) => self.base(node)?,
                };
                Value::Int(Box::new(IntOperator { value: value?, base }))
            }
            OperatorKind::StripPrefix => {
                let fields = self.argument(kind, argument)?;
                let value = fields.get("value").map(|node| self.value(node));
                let prefix = fields.get("prefix").and_then(|node| self.name(node, "prefix"));
                Value::StripPrefix(Box::new(StripPrefixOperator { value: value?, prefix: prefix? }))
            }
            OperatorKind::Duration => {
                let fields = self.argument(kind, argument)?;
                let from = fields.get("from").map(|node| self.value(node));
                let to = fields.get("to").map(|node| self.value(node));
                Value::Duration(Box::new(DurationOperator { from: from?, to: to? }))
            }
            OperatorKind::IpVersion => Value::IpVersion(self.boxed(argument)),
            OperatorKind::Json => Value::Json(self.boxed(argument)),
            OperatorKind::Basename => Value::Basename(self.boxed(argument)),
            OperatorKind::Dirname => Value::Dirname(self.boxed(argument)),
            OperatorKind::Trim => Value::Trim(self.boxed(argument)),
            OperatorKind::Lower => Value::Lower(self.boxed(argument)),
            OperatorKind::Upper => Value::Upper(self.boxed(argument)),
            OperatorKind::Literal => match argument.kind {
                NodeKind::Null => Value::Absent,
                _ => Value::Literal(argument.to_json()),
            },
        })
    }

    fn base(&mut self, node: &Node) -> Option<Spanned<IntBase>> {
        let base = match &node.kind {
            NodeKind::Number(number) if number.as_i64() == Some(10) => IntBase::Decimal,
            NodeKind::Number(number) if number.as_i64() == Some(16) => IntBase::Hexadecimal,
            NodeKind::String { text, .. } if text == "auto" => IntBase::Auto,
            _ => {
                let diagnostic = Diagnostic::new(Code::UnknownChoice, node.span, "invalid value for `base`");
                self.report(diagnostic.help("valid values are 10, 16 and \"auto\""));
                return None;
            }
        };
        Some(Spanned::new(base, node.span))
    }

    fn group(&mut self, node: &Node, regex: &Regex) -> Option<Spanned<RegexGroup>> {
        let group = match &node.kind {
            NodeKind::String { text, .. } => {
                let names = regex.capture_names().flatten();
                if !names.clone().any(|name| name == text) {
                    let message = format!("the pattern has no group {}", quote(text));
                    let help = match names.clone().next() {
                        Some(_) => format!("its named groups are {}", list(names)),
                        None => format!("name a group of the pattern: `(?<{text}>…)`"),
                    };
                    self.report(Diagnostic::new(Code::NoSuchGroup, node.span, message).help(help));
                    return None;
                }
                RegexGroup::Name(text.clone())
            }
            _ => {
                let index = self.integer(node, "group", Some(0))?;
                match usize::try_from(index.value).ok().filter(|index| *index < regex.captures_len()) {
                    Some(index) => RegexGroup::Index(index),
                    None => {
                        let message = format!("the pattern has no group {}", index.value);
                        let last = regex.captures_len() - 1;
                        let help = format!("its last group is {last}; group 0 is the whole match");
                        self.report(Diagnostic::new(Code::NoSuchGroup, node.span, message).help(help));
                        return None;
                    }
                }
            }
        };
        Some(Spanned::new(group, node.span))
    }

    fn template(&mut self, node: &Node) -> Option<Vec<TemplatePart>> {
        let template = self.text(node, "$template")?.value;
        let mut parts = Vec::new();
        let mut text = String::new();
        let mut at = 0;
        let bad = |node: &Node, start: usize, end: usize, message: String| {
            Diagnostic::new(Code::BadTemplate, node.span_within(start, end), message)
                .help("write a path in braces, `{$.name}`; double a literal brace, `{{` and `}}`")
        };
        while let Some(c) = template.get(at..).and_then(|rest| rest.chars().next()) {
            let rest = template.get(at..).unwrap_or_default();
            if rest.starts_with("{{") || rest.starts_with("}}") {
                text.push(c);
                at += 2;
            } else if c == '}' {
                self.report(bad(node, at, at + 1, "this closing brace has no opening brace".to_owned()));
                return None;
            } else if c == '{' {
                let Some(length) = closing_brace(rest) else {
                    self.report(bad(node, at, at + 1, "this brace is never closed".to_owned()));
                    return None;
                };
                let (start, end) = (at + 1, at + length);
                let inner = template.get(start..end).unwrap_or_default();
                if !is_path(inner, self.inside_each) {
                    self.report(bad(node, start, end, format!("{} is not a path", quote(inner))));
                    return None;
                }
                let path = self.json_path(node, start, end)?;
                if !text.is_empty() {
                    parts.push(TemplatePart::Text(std::mem::take(&mut text)));
                }
                parts.push(TemplatePart::Path(Spanned::new(path, node.span_within(start, end))));
                at = end + 1;
            } else {
                text.push(c);
                at += c.len_utf8();
            }
        }
        if !text.is_empty() {
            parts.push(TemplatePart::Text(text));
        }
        Some(parts)
    }
}

/// The byte position of the `}` that closes the `{` at the start. Braces in quotes do not count.
fn closing_brace(text: &str) -> Option<usize> {
    let mut quote = None;
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match quote {
            Some(_) if escaped => escaped = false,
            Some(_) if c == '\\' => escaped = true,
            Some(open) if c == open => quote = None,
            Some(_) => {}
            None if c == '}' => return Some(at),
            None => quote = matches!(c, '\'' | '"').then_some(c),
        }
    }
    None
}
