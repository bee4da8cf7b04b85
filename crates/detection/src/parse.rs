//! Reads a rule file: parses the YAML tree, checks it against [`crate::form`], and builds a rule.

use std::collections::BTreeMap;

use diagnostics::{Span, Spanned, list, nearest, quote};
use serde_json::Value as Json;

use crate::diagnostic::{Code, Diagnostic};
use crate::form::{FILE, Form, ObjectForm, parse_bytes};
use crate::rule::{
    Dedupe, Expectation, Logic, Parameter, ParameterType, PerDay, Rule, RuleSql, Test, TestEvents, TestInput, Threshold,
};
use crate::schedule::{Schedule, parse_duration};
use crate::yaml::{self, Node};

/// The rule of a text and all faults. `None` if a required key is missing or unusable.
pub(crate) fn parse(text: &str) -> (Option<Rule>, Vec<Diagnostic>) {
    let mut reader = Reader { diagnostics: Vec::new() };
    let tree = match yaml::parse(text) {
        Ok(tree) => tree,
        Err(error) => {
            let fault = Diagnostic::new(Code::NotYaml, error.span, format!("not YAML: {}", error.message));
            return (None, vec![fault]);
        }
    };
    reader.check(&tree, Form::Object(&FILE), "the file");
    let rule = reader.rule(text, &tree);
    (rule, reader.diagnostics)
}

struct Reader {
    diagnostics: Vec<Diagnostic>,
}

/// The entries of a mapping by name. Of duplicate keys the first counts.
struct Entries<'n>(&'n [(Spanned<String>, Spanned<Node>)]);

impl<'n> Entries<'n> {
    fn of(node: &'n Spanned<Node>) -> Self {
        match &node.value {
            Node::Map(entries) => Self(entries),
            _ => Self(&[]),
        }
    }

    fn get(&self, name: &str) -> Option<&'n Spanned<Node>> {
        self.0.iter().find(|(key, _)| key.value == name).map(|(_, value)| value)
    }

    fn text(&self, name: &str) -> Option<Spanned<String>> {
        text(self.get(name)?)
    }

    fn plain(&self, name: &str) -> Option<String> {
        self.text(name).map(|text| text.value)
    }

    fn texts(&self, name: &str) -> Vec<Spanned<String>> {
        self.get(name).map(texts).unwrap_or_default()
    }
}

fn text(node: &Spanned<Node>) -> Option<Spanned<String>> {
    match &node.value {
        Node::Text(text) => Some(Spanned::new(text.clone(), node.span)),
        _ => None,
    }
}

/// The texts of a list. A single text counts as a list of one.
fn texts(node: &Spanned<Node>) -> Vec<Spanned<String>> {
    match &node.value {
        Node::List(items) => items.iter().filter_map(text).collect(),
        _ => text(node).into_iter().collect(),
    }
}

fn plain(texts: Vec<Spanned<String>>) -> Vec<String> {
    texts.into_iter().map(|text| text.value).collect()
}

/// The span to show for a node. For a mapping it is the first key.
fn place(node: &Spanned<Node>) -> Span {
    match &node.value {
        Node::Map(entries) => entries.first().map_or(node.span, |(key, _)| key.span),
        _ => node.span,
    }
}

impl Reader {
    fn fault(&mut self, diagnostic: Diagnostic) {
        self.diagnostics.push(diagnostic);
    }

    /// Checks a value against its form.
    fn check(&mut self, node: &Spanned<Node>, form: Form, name: &str) {
        if !fits(&node.value, form) {
            let wanted = wanted(form);
            let message = format!("{name} must be {wanted}, not {}", node.value.kind());
            let mut fault = Diagnostic::new(Code::WrongType, place(node), message);
            if matches!(node.value, Node::Integer(_) | Node::Float(_) | Node::Boolean(_)) && wanted.contains("text") {
                fault = fault.help("put it in quotes");
            }
            return self.fault(fault);
        }
        match (form, &node.value) {
            (Form::Text, Node::Text(content)) if content.trim().is_empty() => {
                self.fault(Diagnostic::new(Code::Empty, node.span, format!("{name} is empty")));
            }
            (Form::Formed(form), Node::Text(content)) if !(form.accepts)(content) => {
                let message = format!("{} is not {}", quote(content), form.name);
                let help = format!("example: `{}`", form.example);
                self.fault(Diagnostic::new(Code::BadForm, node.span, message).help(help));
            }
            (Form::Choice(words), Node::Text(content)) if !words.contains(&content.as_str()) => {
                let message = format!("{} is not a value of {name}", quote(content));
                let help = match nearest(content, words.iter().copied()) {
                    Some(near) => format!("did you mean {}?", quote(near)),
                    None => format!("write one of {}", list(words.iter().copied())),
                };
                self.fault(Diagnostic::new(Code::UnknownChoice, node.span, message).help(help));
            }
            (Form::Integer(least), Node::Integer(number)) if *number < least => {
                let message = format!("{name} must be {least} or more");
                self.fault(Diagnostic::new(Code::BadForm, node.span, message));
            }
            (Form::List(_), Node::List(items)) if items.is_empty() => {
                self.fault(Diagnostic::new(Code::Empty, node.span, format!("{name} is empty")));
            }
            (Form::List(item), Node::List(items)) => {
                for node in items {
                    self.check(node, *item, &format!("an item of {name}"));
                }
            }
            (Form::Map(..), Node::Map(entries)) if entries.is_empty() => {
                self.fault(Diagnostic::new(Code::Empty, node.span, format!("{name} is empty")));
            }
            (Form::Map(key_form, value), Node::Map(entries)) => {
                self.check_duplicates(entries);
                for (key, node) in entries {
                    if !(key_form.accepts)(&key.value) {
                        let message = format!("{} is not {}", quote(&key.value), key_form.name);
                        self.fault(Diagnostic::new(Code::BadForm, key.span, message));
                    }
                    self.check(node, *value, &quote(&key.value));
                }
            }
            (Form::Object(form), Node::Map(entries)) if !form.keys.is_empty() => self.check_keys(node, form, entries),
            (Form::Either(forms), value) => {
                if let Some(form) = forms.iter().find(|form| fits(value, **form)) {
                    self.check(node, *form, name);
                }
            }
            _ => {}
        }
    }

    fn check_duplicates(&mut self, entries: &[(Spanned<String>, Spanned<Node>)]) {
        for (index, (key, _)) in entries.iter().enumerate() {
            if let Some((first, _)) = entries[..index].iter().find(|(other, _)| other.value == key.value) {
                let message = format!("duplicate key {}", quote(&key.value));
                self.fault(Diagnostic::new(Code::DuplicateKey, key.span, message).also(first.span, "first here"));
            }
        }
    }

    fn check_keys(
        &mut self,
        node: &Spanned<Node>,
        form: &'static ObjectForm,
        entries: &[(Spanned<String>, Spanned<Node>)],
    ) {
        self.check_duplicates(entries);
        for (key, value) in entries {
            match form.keys.iter().find(|known| known.name == key.value) {
                Some(known) => self.check(value, known.form, &quote(known.name)),
                None => {
                    let names = || form.keys.iter().map(|key| key.name);
                    let message = format!("unknown key {} in {}", quote(&key.value), form.name);
                    let help = match nearest(&key.value, names()) {
                        Some(near) => format!("did you mean {}?", quote(near)),
                        None => format!("valid keys: {}", list(names())),
                    };
                    self.fault(Diagnostic::new(Code::UnknownKey, key.span, message).help(help));
                }
            }
        }
        for key in form.keys.iter().filter(|key| key.required) {
            if !entries.iter().any(|(other, _)| other.value == key.name) {
                let message = format!("{} has no {}", form.name, quote(key.name));
                self.fault(Diagnostic::new(Code::MissingKey, place(node), message).help(key.summary.to_owned()));
            }
        }
    }

    fn rule(&mut self, text: &str, tree: &Spanned<Node>) -> Option<Rule> {
        let file = Entries::of(tree);
        let logic = self.logic(tree, &file);
        let schedule = file.text("schedule").and_then(|text| match text.value.parse() {
            Ok(schedule) => Some(schedule),
            Err(error) => {
                self.fault(Diagnostic::new(Code::BadSchedule, text.span, format!("invalid schedule: {error}")));
                None
            }
        });
        let parameters = file.get("parameters").map(|node| self.parameters(node)).unwrap_or_default();
        let threshold = file.get("threshold").map(Entries::of);
        let bases = file.get("base_events").map(Entries::of).unwrap_or(Entries(&[]));
        let tests = match file.get("tests").map(|node| &node.value) {
            Some(Node::List(items)) => items.iter().filter_map(|test| self.test(test, &bases)).collect(),
            _ => Vec::new(),
        };
        let dedupe = file.get("dedupe").map(Entries::of);
        let is_on_demand = schedule.as_ref().is_some_and(Schedule::is_on_demand);
        let lookback = self.timing(tree, &file, "lookback", is_on_demand);
        let ingest_delay = self.timing(tree, &file, "ingest_delay", is_on_demand);
        Some(Rule {
            text: text.to_owned(),
            title: file.plain("title")?,
            id: file.plain("id")?.parse().ok()?,
            status: file.plain("status")?.parse().ok()?,
            description: file.plain("description"),
            references: plain(file.texts("references")),
            author: file.plain("author"),
            date: file.plain("date"),
            modified: file.plain("modified"),
            tags: file.texts("tags"),
            false_positives: plain(file.texts("falsepositives")),
            level: file.plain("level")?.parse().ok()?,
            logic: logic?,
            schedule: schedule?,
            lookback: lookback?,
            ingest_delay: ingest_delay?,
            parameters,
            group_by: file.texts("group_by"),
            threshold: threshold.and_then(|threshold| {
                Some(Threshold { count: integer(threshold.get("count")?)?, distinct: threshold.text("distinct") })
            }),
            dedupe: dedupe.and_then(|dedupe| {
                let window = parse_duration(&dedupe.plain("window")?).ok()?;
                Some(Dedupe { key: dedupe.texts("key"), window })
            }),
            max_scanned_bytes: file.get("max_scanned_bytes").and_then(|node| match &node.value {
                Node::Text(text) => parse_bytes(text),
                _ => integer(node),
            }),
            expect_per_day: file.get("expect_per_day").map(|node| self.per_day(node)),
            response: plain(file.texts("response")),
            tests,
        })
    }

    /// A length of time that tells the windows of a schedule. A rule on demand has none: it looks at all of the time that it is
    /// run over.
    fn timing(&mut self, tree: &Spanned<Node>, file: &Entries<'_>, name: &str, is_on_demand: bool) -> Option<i64> {
        match (file.text(name), is_on_demand) {
            (Some(text), false) => parse_duration(&text.value).ok(),
            (None, true) => Some(0),
            (Some(text), true) => {
                let message = format!("{} means nothing: the rule runs on demand", quote(name));
                let help = "leave it out; the rule looks at all of the time that it is run over";
                self.fault(Diagnostic::new(Code::UnknownKey, text.span, message).help(help));
                None
            }
            (None, false) => {
                let message = format!("{} has no {}", FILE.name, quote(name));
                let summary = FILE.keys.iter().find(|key| key.name == name).map_or("", |key| key.summary);
                self.fault(Diagnostic::new(Code::MissingKey, place(tree), message).help(summary.to_owned()));
                None
            }
        }
    }

    fn per_day(&mut self, node: &Spanned<Node>) -> PerDay {
        let days = Entries::of(node);
        let number = |name: &str| days.get(name).and_then(integer);
        let expected = PerDay { least: number("least").unwrap_or(0), most: number("most").unwrap_or(u64::MAX) };
        if days.get("least").is_none() && days.get("most").is_none() {
            let fault = Diagnostic::new(Code::Empty, place(node), "`expect_per_day` has neither `least` nor `most`");
            self.fault(fault.help("example: `expect_per_day: {most: 3}`"));
        } else if expected.least > expected.most {
            let PerDay { least, most } = expected;
            let fault =
                Diagnostic::new(Code::BadForm, place(node), format!("`least` is {least}, and `most` is {most}"));
            self.fault(fault.help("swap them"));
        }
        expected
    }

    fn logic(&mut self, tree: &Spanned<Node>, file: &Entries<'_>) -> Option<Logic> {
        let tables = file.get("tables");
        match (file.get("stix"), file.get("sql")) {
            (Some(stix), Some(sql)) => {
                let message = "a rule has both `stix` and `sql`";
                self.fault(Diagnostic::new(Code::NoLogic, place(sql), message).also(place(stix), "remove one of them"));
                None
            }
            (None, None) => {
                let message = "a rule needs `stix` or `sql`";
                self.fault(Diagnostic::new(Code::NoLogic, place(tree), message).help("add the query or pattern"));
                None
            }
            (Some(stix), None) => {
                if tables.is_none() {
                    let message = "a STIX pattern needs `tables`";
                    let help = "name the tables to search, for example `tables: [windows-sysmon]`";
                    self.fault(Diagnostic::new(Code::TablesMisplaced, stix.span, message).help(help));
                }
                Some(Logic::Stix { pattern: text(stix)?, tables: file.texts("tables") })
            }
            (None, Some(sql)) => {
                if let Some(tables) = tables {
                    let message = "`tables` is only for `stix`";
                    let help = "SQL names its tables itself: FROM {{aws-cloudtrail}}";
                    self.fault(Diagnostic::new(Code::TablesMisplaced, tables.span, message).help(help));
                }
                text(sql).map(|text| Logic::Sql(RuleSql::new(text)))
            }
        }
    }

    fn parameters(&mut self, node: &Spanned<Node>) -> Vec<Parameter> {
        let mut parameters = Vec::new();
        for (name, node) in Entries::of(node).0 {
            let members = Entries::of(node);
            let parameter_type: Option<ParameterType> = members.plain("type").and_then(|word| word.parse().ok());
            let (Some(parameter_type), Some(default)) = (parameter_type, members.get("default")) else { continue };
            let value = parameter_type.read(&default.value.to_json()).unwrap_or_else(|| {
                let message = format!("the default of {} does not have type {parameter_type}", quote(&name.value));
                self.fault(Diagnostic::new(Code::BadParameter, place(default), message));
                parameter_type.stand_in()
            });
            let description = members.plain("description");
            parameters.push(Parameter { name: name.clone(), parameter_type, description, default: value });
        }
        parameters
    }

    fn test(&mut self, node: &Spanned<Node>, bases: &Entries<'_>) -> Option<Test> {
        let members = Entries::of(node);
        let fault = |message: &str| Diagnostic::new(Code::BadTest, place(node), message.to_owned());
        let mut inputs = Vec::new();
        match (members.get("inputs"), members.get("source")) {
            (Some(_), Some(_)) => {
                self.fault(fault("a test has both `source` and `inputs`"));
            }
            (None, None) => self.fault(fault("a test needs `source` with events, or `inputs`")),
            (None, Some(_)) => inputs.extend(self.test_input(node, bases)),
            (Some(list), None) => {
                let events = ["events", "file", "base"].into_iter().find(|key| members.get(key).is_some());
                if let Some(key) = events {
                    self.fault(fault(&format!("move `{key}` into `inputs`, next to its `source`")));
                }
                if let Node::List(items) = &list.value {
                    inputs.extend(items.iter().filter_map(|item| self.test_input(item, bases)));
                }
            }
        }
        let expect = match &members.get("expect")?.value {
            Node::Integer(count) => Expectation::Hits(u64::try_from(*count).ok()?),
            Node::List(items) => Expectation::Findings(
                items
                    .iter()
                    .map(|item| {
                        let entries = Entries::of(item).0.iter();
                        entries.map(|(name, value)| (name.value.clone(), value.value.to_json())).collect()
                    })
                    .collect(),
            ),
            _ => Expectation::Nothing,
        };
        let parameters: BTreeMap<String, Json> = match members.get("parameters") {
            Some(node) => {
                Entries::of(node).0.iter().map(|(name, value)| (name.value.clone(), value.value.to_json())).collect()
            }
            None => BTreeMap::new(),
        };
        Some(Test { name: members.plain("name")?, span: place(node), inputs, parameters, expect })
    }

    fn test_input(&mut self, node: &Spanned<Node>, bases: &Entries<'_>) -> Option<TestInput> {
        let members = Entries::of(node);
        let fault = |message: &str| Diagnostic::new(Code::BadTest, place(node), message.to_owned());
        let events = match (members.get("events"), members.text("file"), members.text("base")) {
            (Some(events), None, None) => TestEvents::Inline(event_bytes(&events.value)),
            (None, Some(file), None) => TestEvents::File(file),
            (None, None, Some(base)) => {
                let Some(event) = bases.get(&base.value) else {
                    let names = || bases.0.iter().map(|(name, _)| name.value.as_str());
                    let help = match nearest(&base.value, names()) {
                        Some(near) => format!("did you mean {}?", quote(near)),
                        None => format!("`base_events` has {}", list(names())),
                    };
                    let message = format!("unknown base event {}", quote(&base.value));
                    self.fault(Diagnostic::new(Code::BadTest, base.span, message).help(help));
                    return None;
                };
                TestEvents::Inline(varied(&event.value.to_json(), members.get("changes")))
            }
            (None, None, None) => {
                self.fault(fault("`events`, `file` or `base` is missing"));
                return None;
            }
            _ => {
                self.fault(fault("only one of `events`, `file` and `base` is allowed"));
                return None;
            }
        };
        if let (Some(changes), None) = (members.get("changes"), members.get("base")) {
            let message = "`changes` without `base`";
            self.fault(Diagnostic::new(Code::BadTest, place(changes), message));
        }
        Some(TestInput { source: members.text("source")?, events })
    }
}

/// Events as their source delivers them: a text unchanged, the items of a list as lines.
fn event_bytes(events: &Node) -> Vec<u8> {
    match events {
        Node::Text(text) => text.clone().into_bytes(),
        Node::List(items) => {
            let lines = items.iter().map(|item| match &item.value {
                Node::Text(text) => text.clone(),
                other => other.to_json().to_string(),
            });
            lines.map(|line| line + "\n").collect::<String>().into_bytes()
        }
        _ => Vec::new(),
    }
}

/// The base event with each of the changes applied, one event per line. Without changes, the base event itself.
fn varied(base: &Json, changes: Option<&Spanned<Node>>) -> Vec<u8> {
    let events = match changes.map(|changes| &changes.value) {
        Some(Node::List(changes)) => changes
            .iter()
            .map(|change| {
                let mut event = base.clone();
                merge(&mut event, change.value.to_json());
                event
            })
            .collect(),
        _ => vec![base.clone()],
    };
    events.iter().map(|event| format!("{event}\n")).collect::<String>().into_bytes()
}

/// JSON Merge Patch (RFC 7396): members of objects are merged, null removes a member, any other value replaces the target.
fn merge(target: &mut Json, patch: Json) {
    let Json::Object(patch) = patch else {
        *target = patch;
        return;
    };
    if !target.is_object() {
        *target = Json::Object(serde_json::Map::new());
    }
    let Json::Object(members) = target else { return };
    for (name, value) in patch {
        match value {
            Json::Null => drop(members.remove(&name)),
            value => merge(members.entry(name).or_insert(Json::Null), value),
        }
    }
}

fn integer(node: &Spanned<Node>) -> Option<u64> {
    match node.value {
        Node::Integer(number) => u64::try_from(number).ok(),
        _ => None,
    }
}

/// Whether a value is of the kind that a form requires.
fn fits(value: &Node, form: Form) -> bool {
    match form {
        Form::Text | Form::Formed(_) | Form::Choice(_) => matches!(value, Node::Text(_)),
        Form::Integer(_) => matches!(value, Node::Integer(_)),
        Form::Any => true,
        Form::Scalar => {
            matches!(value, Node::Boolean(_) | Node::Integer(_) | Node::Float(_) | Node::Text(_))
        }
        Form::List(_) => matches!(value, Node::List(_)),
        Form::Map(..) | Form::Object(_) => matches!(value, Node::Map(_)),
        Form::Either(forms) => forms.iter().any(|form| fits(value, *form)),
    }
}

/// The kind of value that a form requires, in the words of a diagnostic.
fn wanted(form: Form) -> String {
    match form {
        Form::Text | Form::Formed(_) | Form::Choice(_) => "a text".to_owned(),
        Form::Integer(_) => "a whole number".to_owned(),
        Form::Any => "any value".to_owned(),
        Form::Scalar => "a text, a number or a boolean".to_owned(),
        Form::List(_) => "a list".to_owned(),
        Form::Map(..) | Form::Object(_) => "a mapping".to_owned(),
        Form::Either(forms) => {
            let mut kinds: Vec<String> = Vec::new();
            for kind in forms.iter().map(|form| wanted(*form)) {
                if !kinds.contains(&kind) {
                    kinds.push(kind);
                }
            }
            kinds.join(" or ")
        }
    }
}
