//! Plain values: texts, numbers, lists, patterns, paths.

use regex::Regex;

use super::Reader;
use crate::config::{JsonPath, Spanned, Step};
use crate::diagnostic::{Code, Diagnostic, list, nearest, quote};
use crate::jsonpath::parse_path;
use crate::syntax::{Node, NodeKind};

impl Reader {
    pub(super) fn text(&mut self, node: &Node, what: &str) -> Option<Spanned<String>> {
        match &node.kind {
            NodeKind::String { text, .. } => Some(Spanned::new(text.clone(), node.span)),
            _ => {
                self.wrong_type(node, what, "a text");
                None
            }
        }
    }

    pub(super) fn name(&mut self, node: &Node, what: &str) -> Option<Spanned<String>> {
        let name = self.text(node, what)?;
        if name.is_empty() {
            self.report(Diagnostic::new(Code::WrongType, node.span, format!("{} must not be empty", quote(what))));
            return None;
        }
        Some(name)
    }

    pub(super) fn items<'n>(&mut self, node: &'n Node, what: &str) -> &'n [Node] {
        match &node.kind {
            NodeKind::Array(items) => items,
            _ => {
                self.wrong_type(node, what, "an array");
                &[]
            }
        }
    }

    pub(super) fn some_items<'n>(&mut self, node: &'n Node, what: &str) -> &'n [Node] {
        let items = self.items(node, what);
        if items.is_empty() && matches!(node.kind, NodeKind::Array(_)) {
            self.report(Diagnostic::new(Code::EmptyList, node.span, format!("{} has no items", quote(what))));
        }
        items
    }

    pub(super) fn names(&mut self, node: &Node, what: &str) -> Vec<Spanned<String>> {
        let items = self.items(node, what);
        items.iter().filter_map(|item| self.name(item, what)).collect()
    }

    pub(super) fn choice<T: Copy>(
        &mut self,
        node: &Node,
        what: &str,
        names: &[&str],
        values: &[T],
    ) -> Option<Spanned<T>> {
        let text = self.text(node, what)?;
        if let Some((_, value)) = names.iter().zip(values).find(|(name, _)| **name == text.value) {
            return Some(Spanned::new(*value, node.span));
        }
        self.unknown_choice(node, what, &text, names);
        None
    }

    pub(super) fn unknown_choice(&mut self, node: &Node, what: &str, text: &str, names: &[&str]) {
        let message = format!("{} is not a valid value for {}", quote(text), quote(what));
        let all = list(names.iter().copied());
        let help = match nearest(text, names.iter().copied()) {
            Some(name) => format!("did you mean {}? Valid values are {all}", quote(name)),
            None => format!("valid values are {all}"),
        };
        self.report(Diagnostic::new(Code::UnknownChoice, node.span, message).help(help));
    }

    pub(super) fn integer(&mut self, node: &Node, what: &str, at_least: Option<i64>) -> Option<Spanned<i64>> {
        let expected = match at_least {
            Some(bound) => format!("an integer of at least {bound}"),
            None => "an integer".to_owned(),
        };
        let NodeKind::Number(number) = &node.kind else {
            self.wrong_type(node, what, &expected);
            return None;
        };
        match number.as_i64().filter(|value| at_least.is_none_or(|bound| *value >= bound)) {
            Some(value) => Some(Spanned::new(value, node.span)),
            None => {
                let message = format!("{} must be {expected}", quote(what));
                self.report(Diagnostic::new(Code::WrongType, node.span, message));
                None
            }
        }
    }

    pub(super) fn count(&mut self, node: &Node, what: &str) -> Option<Spanned<usize>> {
        let value = self.integer(node, what, Some(1))?;
        Some(value.map(|count| usize::try_from(count).unwrap_or(usize::MAX)))
    }

    pub(super) fn pattern(&mut self, node: &Node, what: &str) -> Option<(Spanned<String>, Regex)> {
        let text = self.text(node, what)?;
        match crate::pattern::compiled(&text) {
            Ok(regex) => Some((text, regex)),
            Err(error) => {
                // Only the last line of the error has the reason. The lines before it draw the pattern; the caret does
                // that here.
                let error = error.to_string();
                let why = error.lines().last().unwrap_or_default().trim().trim_start_matches("error: ").to_owned();
                let message = format!("this regular expression does not compile: {why}");
                let diagnostic = Diagnostic::new(Code::BadPattern, node.span, message);
                self.report(if why.contains("look-around") || why.contains("backreferences") {
                    diagnostic
                        .help("use a simpler pattern, and a condition such as `starts_with` or `not` for the rest")
                } else {
                    diagnostic
                });
                None
            }
        }
    }

    pub(super) fn json_path(&mut self, node: &Node, start: usize, end: usize) -> Option<JsonPath> {
        let text = node.as_str()?.get(start..end)?;
        match parse_path(text) {
            Ok(path) => Some(path),
            Err(fault) => {
                let span = match fault.offset {
                    Some(at) if at < text.len() => {
                        let width = text.get(at..).and_then(|rest| rest.chars().next()).map_or(1, char::len_utf8);
                        node.span_within(start + at, start + at + width)
                    }
                    Some(at) => node.span_within(start, start + at.min(text.len())),
                    None => node.span_within(start, end),
                };
                let mut diagnostic = Diagnostic::new(fault.code, span, fault.message);
                diagnostic.help = fault.help;
                self.report(diagnostic);
                None
            }
        }
    }

    /// A path to at most one value, from the root of the raw event.
    pub(super) fn singular_path(&mut self, node: &Node, what: &str) -> Option<Spanned<JsonPath>> {
        let text = self.text(node, what)?;
        if !text.starts_with('$') {
            let message = format!("{} must be a path; {} is not one", quote(what), quote(&text));
            let plain = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
            let diagnostic = Diagnostic::new(Code::NotAJsonPath, node.span, message);
            self.report(if plain {
                diagnostic.help(format!("did you mean {}?", quote(&format!("$.{}", text.value))))
            } else {
                diagnostic
            });
            return None;
        }
        let path = self.json_path(node, 0, text.len())?;
        if path.singular.is_none() {
            let message = format!("{} must be a path to one value; {} can select several", quote(what), quote(&text));
            self.report(Diagnostic::new(Code::InexactJsonPath, node.span, message).help("name every step: `$.a.b[0]`"));
            return None;
        }
        Some(Spanned::new(path, node.span))
    }

    /// A path of names only.
    pub(super) fn member_path(&mut self, node: &Node, what: &str) -> Option<Spanned<Vec<String>>> {
        let path = self.singular_path(node, what)?;
        let names = path.singular.iter().flatten().map(|step| match step {
            Step::Name(name) => Some(name.clone()),
            Step::Index(_) => None,
        });
        match names.collect::<Option<Vec<_>>>() {
            Some(names) => Some(Spanned::new(names, node.span)),
            None => {
                let message = format!("{} must be a path of names, without an index", quote(what));
                self.report(Diagnostic::new(Code::InexactJsonPath, node.span, message));
                None
            }
        }
    }
}
