//! Parses JSON text into a [`Config`]. It checks the form of a config completely and reports every fault.
//!
//! Checks that need the OCSF schema, or that compare distant parts of the file, are in [`crate::lint`].

mod assignments;
mod conditions;
mod decode;
mod events;
mod file;
mod plain;
mod steps;

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use crate::config::{Condition, Config, Span, Spanned};
use crate::diagnostic::{Code, Diagnostic, list, nearest, quote};
use crate::extend::{extends_of, with_bases};
use crate::operators::ObjectForm;
use crate::stand_in::with_stand_in;
use crate::syntax::{Node, NodeKind, parse_json};

/// The result of parsing a text.
#[derive(Clone, Debug)]
pub(crate) struct Parsed {
    /// The config as far as it could be parsed. The guarantees of [`Config`] hold only if `diagnostics` has no errors.
    pub(crate) config: Option<Config>,
    /// Every fault of form.
    pub(crate) diagnostics: Vec<Diagnostic>,
}

/// Parses a config. `load` returns the text of a config that it extends; `preprocessor` is the module of the AWS
/// library that processes its events.
pub(crate) fn parse(text: &str, load: &dyn Fn(&str) -> Option<String>, preprocessor: Option<&str>) -> Parsed {
    let mut reader = Reader::default();
    let file = parse_json(text).and_then(|file| {
        reader.extends = extends_of(&file);
        let (file, stand_in) = with_stand_in(with_bases(file, load)?, preprocessor)?;
        reader.stand_in = stand_in;
        Ok(file)
    });
    let config = match file {
        Ok(node) => reader.file(&node),
        Err(diagnostic) => {
            reader.diagnostics.push(diagnostic);
            None
        }
    };
    Parsed { config, diagnostics: reader.diagnostics }
}

/// Parses the condition at the byte range `place` of a JSON file.
pub(crate) fn condition_at(file: &str, place: Range<usize>) -> Result<Spanned<Condition>, Vec<Diagnostic>> {
    // The text before it becomes white space, so that positions are those of the file.
    let before = " ".repeat(place.start);
    let text = before + file.get(place).unwrap_or_default();
    let mut reader = Reader::default();
    let condition = parse_json(&text).map(|node| reader.condition(&node)).map_err(|fault| vec![fault])?;
    match condition {
        Some(condition) if reader.diagnostics.is_empty() => Ok(condition),
        _ => Err(reader.diagnostics),
    }
}

#[derive(Default)]
struct Reader {
    diagnostics: Vec<Diagnostic>,
    /// Faulty values that were reported and became [`Value::Absent`]. Unlike `null`, they count as set.
    failed: HashSet<Span>,
    /// Whether `@` means the element of a `$each`.
    inside_each: bool,
    /// The column names of a delimited log.
    columns: Vec<Spanned<String>>,
    /// Where the file says which config it extends.
    extends: Option<Span>,
    /// The preprocessor that Sluice emulates.
    stand_in: Option<Spanned<&'static str>>,
}

/// The known members of an object.
struct Fields<'n> {
    span: Span,
    members: Vec<(&'n Spanned<String>, &'n Node)>,
}

impl<'n> Fields<'n> {
    fn get(&self, name: &str) -> Option<&'n Node> {
        self.members.iter().find(|(key, _)| key.value == name).map(|(_, node)| *node)
    }

    fn key(&self, name: &str) -> Option<Span> {
        self.members.iter().find(|(key, _)| key.value == name).map(|(key, _)| key.span)
    }
}

impl Reader {
    fn report(&mut self, diagnostic: Diagnostic) {
        self.diagnostics.push(diagnostic);
    }

    fn wrong_type(&mut self, node: &Node, what: &str, expected: &str) {
        let message = format!("{} must be {expected}, not {}", quote(what), node.describe());
        self.report(Diagnostic::new(Code::WrongType, node.span, message).label(format!("expected {expected}")));
    }

    fn fields<'n>(&mut self, node: &'n Node, form: &'static ObjectForm) -> Option<Fields<'n>> {
        let NodeKind::Object(members) = &node.kind else {
            self.wrong_type(node, form.name, "an object");
            return None;
        };
        let mut known: Vec<(&Spanned<String>, &Node)> = Vec::with_capacity(members.len());
        for (key, value) in self.unique(members) {
            if form.key(key).is_some() {
                known.push((key, value));
                continue;
            }
            let names = form.keys.iter().map(|key| key.name);
            let mut diagnostic =
                Diagnostic::new(Code::UnknownKey, key.span, format!("unknown key {} in {}", quote(key), form.name));
            let all = list(names.clone());
            diagnostic = match nearest(key, names) {
                Some(name) => diagnostic.help(format!("did you mean {}? Valid keys are {all}", quote(name))),
                None => diagnostic.help(format!("valid keys are {all}")),
            };
            self.report(diagnostic);
        }
        for key in form.keys.iter().filter(|key| key.required) {
            if !known.iter().any(|(name, _)| name.value == key.name) {
                let open = Span::new(node.span.start, node.span.start + 1);
                let message = format!("{} is missing the key {}", form.name, quote(key.name));
                self.report(
                    Diagnostic::new(Code::MissingKey, open, message).help(format!("{}: {}", key.name, key.summary)),
                );
            }
        }
        Some(Fields { span: node.span, members: known })
    }

    /// The members of an object. Duplicate keys are reported and dropped.
    fn unique<'n>(&mut self, members: &'n [(Spanned<String>, Node)]) -> Vec<(&'n Spanned<String>, &'n Node)> {
        let mut seen = HashMap::with_capacity(members.len());
        let mut unique = Vec::with_capacity(members.len());
        for (key, value) in members {
            match seen.get(key.value.as_str()) {
                None => {
                    seen.insert(key.value.as_str(), key.span);
                    unique.push((key, value));
                }
                Some(first) => {
                    let message = format!("duplicate key {} in this object", quote(key));
                    self.report(Diagnostic::new(Code::DuplicateKey, key.span, message).also(*first, "first use"));
                }
            }
        }
        unique
    }

    fn map<'n>(&mut self, node: &'n Node, what: &str) -> Vec<(&'n Spanned<String>, &'n Node)> {
        match &node.kind {
            NodeKind::Object(members) => self.unique(members),
            _ => {
                self.wrong_type(node, what, "an object");
                Vec::new()
            }
        }
    }
}
