//! JSON text to [`Config`]: the form of a config is checked here, all of it, and every fault is reported.
//!
//! What needs the OCSF schema, or two far ends of the file, is [`crate::lint`]'s.

mod steps;

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use ocsf::schema::Version;
use regex::Regex;
use serde_json::Value as Json;

use crate::config::*;
use crate::diagnostic::{Code, Diagnostic, list, nearest, quote};
use crate::extend::{extends_of, with_bases};
use crate::jsonpath::{is_path, parse_path};
use crate::operators::{
    self, CONDITIONS, ConditionKind, FORMATS, LAYOUTS, OPERATORS, ObjectForm, Operator, OperatorKind, TIME_FORMATS,
    UNMAPPED_MODES,
};
use crate::stand_in::with_stand_in;
use crate::syntax::{Node, NodeKind, parse_json};
use crate::time_format::check_strptime;

/// What became of a text.
#[derive(Clone, Debug)]
pub(crate) struct Parsed {
    /// The config as far as it could be understood; only without errors in `diagnostics` does it keep all the promises
    /// of [`Config`].
    pub(crate) config: Option<Config>,
    /// Every fault of form.
    pub(crate) diagnostics: Vec<Diagnostic>,
}

/// Reads a config; `load` gives the text of one that it extends, and `preprocessor` is the module of the AWS library that
/// its events go through.
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

/// Reads a condition that stands at `place` of a JSON file.
pub(crate) fn condition_at(file: &str, place: Range<usize>) -> Result<Spanned<Condition>, Vec<Diagnostic>> {
    // What is before it becomes white space, so that places are those of the file.
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
    /// Values that were reported and stand as [`Value::Absent`]; unlike `null` they count as written.
    failed: HashSet<Span>,
    /// Whether `@` means the element of a `$each`.
    inside_each: bool,
    /// Where the file says which config it extends.
    extends: Option<Span>,
    /// The preprocessor that Sluice stands in for.
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

/// How an object in the place of a value is meant.
enum Written<'n> {
    Attributes(&'n [(Spanned<String>, Node)]),
    Operator(&'static Operator, &'n Node),
    Faulty,
}

/// `common` or a fragment: what an event mapping is made of.
#[derive(Clone, Default)]
struct Layer {
    profiles: Vec<Spanned<String>>,
    attributes: ObjectTree,
    unmapped: Vec<(Spanned<String>, Spanned<Value>)>,
}

impl Layer {
    /// `own` over `self`, attribute by attribute.
    fn extended_by(mut self, own: Layer) -> Layer {
        for profile in own.profiles {
            if !self.profiles.contains(&profile) {
                self.profiles.push(profile);
            }
        }
        self.attributes = merge(self.attributes, own.attributes);
        let places: HashMap<String, usize> =
            self.unmapped.iter().enumerate().map(|(at, (key, _))| (key.value.clone(), at)).collect();
        for (key, value) in own.unmapped {
            match places.get(&key.value).and_then(|at| self.unmapped.get_mut(*at)) {
                Some(entry) => *entry = (key, value),
                None => self.unmapped.push((key, value)),
            }
        }
        self
    }
}

fn merge(mut base: ObjectTree, own: ObjectTree) -> ObjectTree {
    base.span = own.span;
    let places: HashMap<String, usize> =
        base.members.iter().enumerate().map(|(at, (key, _))| (key.value.clone(), at)).collect();
    for (key, tree) in own.members {
        match places.get(&key.value).and_then(|at| base.members.get_mut(*at)) {
            None => base.members.push((key, tree)),
            Some(entry) => {
                let inherited = std::mem::replace(&mut entry.1, Tree::Object(ObjectTree::default()));
                entry.0 = key;
                entry.1 = match (inherited, tree) {
                    (Tree::Object(inherited), Tree::Object(tree)) => Tree::Object(merge(inherited, tree)),
                    (_, tree) => tree,
                };
            }
        }
    }
    base
}

impl Reader {
    fn report(&mut self, diagnostic: Diagnostic) {
        self.diagnostics.push(diagnostic);
    }

    fn wrong_type(&mut self, node: &Node, what: &str, expected: &str) {
        let message = format!("{} must be {expected}, not {}", quote(what), node.describe());
        self.report(Diagnostic::new(Code::WrongType, node.span, message).label(format!("expected {expected}")));
    }

    // Objects with fixed keys.

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
                Some(name) => diagnostic.help(format!("did you mean {}? The keys here are {all}", quote(name))),
                None => diagnostic.help(format!("the keys here are {all}")),
            };
            self.report(diagnostic);
        }
        for key in form.keys.iter().filter(|key| key.required) {
            if !known.iter().any(|(name, _)| name.value == key.name) {
                let open = Span::new(node.span.start, node.span.start + 1);
                let message = format!("{} lacks the key {}", form.name, quote(key.name));
                self.report(
                    Diagnostic::new(Code::MissingKey, open, message).help(format!("{}: {}", key.name, key.summary)),
                );
            }
        }
        Some(Fields { span: node.span, members: known })
    }

    /// The members with keys that are unique; a second one is reported and left out.
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
                    let message = format!("the key {} stands twice in this object", quote(key));
                    self.report(
                        Diagnostic::new(Code::DuplicateKey, key.span, message).also(*first, "it is here already"),
                    );
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

    // Plain values.

    fn text(&mut self, node: &Node, what: &str) -> Option<Spanned<String>> {
        match &node.kind {
            NodeKind::String { text, .. } => Some(Spanned::new(text.clone(), node.span)),
            _ => {
                self.wrong_type(node, what, "a text");
                None
            }
        }
    }

    fn name(&mut self, node: &Node, what: &str) -> Option<Spanned<String>> {
        let name = self.text(node, what)?;
        if name.is_empty() {
            self.report(Diagnostic::new(Code::WrongType, node.span, format!("{} must not be empty", quote(what))));
            return None;
        }
        Some(name)
    }

    fn items<'n>(&mut self, node: &'n Node, what: &str) -> &'n [Node] {
        match &node.kind {
            NodeKind::Array(items) => items,
            _ => {
                self.wrong_type(node, what, "an array");
                &[]
            }
        }
    }

    fn some_items<'n>(&mut self, node: &'n Node, what: &str) -> &'n [Node] {
        let items = self.items(node, what);
        if items.is_empty() && matches!(node.kind, NodeKind::Array(_)) {
            self.report(Diagnostic::new(Code::EmptyList, node.span, format!("{} has no items", quote(what))));
        }
        items
    }

    fn names(&mut self, node: &Node, what: &str) -> Vec<Spanned<String>> {
        let items = self.items(node, what);
        items.iter().filter_map(|item| self.name(item, what)).collect()
    }

    fn choice<T: Copy>(&mut self, node: &Node, what: &str, names: &[&str], values: &[T]) -> Option<Spanned<T>> {
        let text = self.text(node, what)?;
        if let Some((_, value)) = names.iter().zip(values).find(|(name, _)| **name == text.value) {
            return Some(Spanned::new(*value, node.span));
        }
        self.unknown_choice(node, what, &text, names);
        None
    }

    fn unknown_choice(&mut self, node: &Node, what: &str, text: &str, names: &[&str]) {
        let message = format!("{} is no value of {}", quote(text), quote(what));
        let all = list(names.iter().copied());
        let help = match nearest(text, names.iter().copied()) {
            Some(name) => format!("did you mean {}? The values are {all}", quote(name)),
            None => format!("the values are {all}"),
        };
        self.report(Diagnostic::new(Code::UnknownChoice, node.span, message).help(help));
    }

    fn integer(&mut self, node: &Node, what: &str, at_least: Option<i64>) -> Option<Spanned<i64>> {
        let expected = match at_least {
            Some(bound) => format!("an integer, at least {bound}"),
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

    fn count(&mut self, node: &Node, what: &str) -> Option<Spanned<usize>> {
        let value = self.integer(node, what, Some(1))?;
        Some(value.map(|count| usize::try_from(count).unwrap_or(usize::MAX)))
    }

    fn pattern(&mut self, node: &Node, what: &str) -> Option<(Spanned<String>, Regex)> {
        let text = self.text(node, what)?;
        match crate::pattern::compiled(&text) {
            Ok(regex) => Some((text, regex)),
            Err(error) => {
                // The last line of the error says why; those before it draw the pattern, which the caret does here.
                let error = error.to_string();
                let why = error.lines().last().unwrap_or_default().trim().trim_start_matches("error: ").to_owned();
                let message = format!("this regular expression does not compile: {why}");
                let diagnostic = Diagnostic::new(Code::BadPattern, node.span, message);
                self.report(if why.contains("look-around") || why.contains("backreferences") {
                    diagnostic.help("match less, and test the rest with a condition such as `starts_with` or `not`")
                } else {
                    diagnostic
                });
                None
            }
        }
    }

    // Paths.

    fn json_path(&mut self, node: &Node, start: usize, end: usize) -> Option<JsonPath> {
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
    fn singular_path(&mut self, node: &Node, what: &str) -> Option<Spanned<JsonPath>> {
        let text = self.text(node, what)?;
        if !text.starts_with('$') {
            let message = format!("{} must be a path, and {} is none", quote(what), quote(&text));
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
            let message = format!("{} needs a path to one value, and {} may select several", quote(what), quote(&text));
            self.report(Diagnostic::new(Code::InexactJsonPath, node.span, message).help("name every step: `$.a.b[0]`"));
            return None;
        }
        Some(Spanned::new(path, node.span))
    }

    /// A path of names only.
    fn member_path(&mut self, node: &Node, what: &str) -> Option<Spanned<Vec<String>>> {
        let path = self.singular_path(node, what)?;
        let names = path.singular.iter().flatten().map(|step| match step {
            Step::Name(name) => Some(name.clone()),
            Step::Index(_) => None,
        });
        match names.collect::<Option<Vec<_>>>() {
            Some(names) => Some(Spanned::new(names, node.span)),
            None => {
                let message = format!("{} needs a path of names, without an index", quote(what));
                self.report(Diagnostic::new(Code::InexactJsonPath, node.span, message));
                None
            }
        }
    }

    // The file.

    fn file(&mut self, node: &Node) -> Option<Config> {
        if let NodeKind::Object(members) = &node.kind {
            let has = |name: &str| members.iter().any(|(key, _)| key.value == name);
            if !has("custom_source_events") && has("ocsf_mapping") {
                let open = Span::new(node.span.start, node.span.start + 1);
                let message = "the config must stand in `custom_source_events`";
                let help = "write {\"custom_source_events\": {…}} around it";
                self.report(Diagnostic::new(Code::MissingKey, open, message).help(help));
                return self.config(node);
            }
        }
        let file = self.fields(node, &operators::FILE)?;
        if let Some(schema) = file.get("$schema") {
            self.text(schema, "$schema");
        }
        self.config(file.get("custom_source_events")?)
    }

    fn config(&mut self, node: &Node) -> Option<Config> {
        let fields = self.fields(node, &operators::CONFIG)?;
        let here = |name: &str| fields.key(name).unwrap_or(Span::new(fields.span.start, fields.span.start + 1));
        let source_name = fields.get("source_name").and_then(|node| self.name(node, "source_name"));
        let layers = self.layers(&fields);
        Some(Config {
            span: fields.span,
            extends: self.extends,
            stand_in: self.stand_in.clone(),
            source_name: source_name.unwrap_or_else(|| Spanned::new(String::new(), here("source_name"))),
            description: fields.get("description").and_then(|node| self.text(node, "description")),
            ocsf_version: fields
                .get("ocsf_version")
                .and_then(|node| self.version(node))
                .unwrap_or_else(|| Spanned::new(Version::default(), here("ocsf_version"))),
            decode: self.decode(&fields),
            absent: match fields.get("absent") {
                None => vec![Spanned::new(String::new(), here("absent"))],
                Some(node) => {
                    let items = self.items(node, "absent");
                    items.iter().filter_map(|item| self.text(item, "absent")).collect()
                }
            },
            selector: self.selector(&fields),
            timestamp: fields.get("timestamp").map(|node| self.timestamp(node)),
            account: fields.get("account").map(|node| self.value(node)),
            destination: self.destination(&fields),
            lookups: self.lookups(&fields),
            fragments: layers.fragments.iter().map(|(name, _)| name.clone()).collect(),
            events: self.events(&fields, layers),
            other: fields
                .get("other")
                .and_then(|node| self.other(node))
                .unwrap_or_else(|| Spanned::new(Other::Quarantine, here("other"))),
            unmapped: fields
                .get("unmapped")
                .and_then(|node| {
                    self.choice(node, "unmapped", UNMAPPED_MODES, &[UnmappedMode::Auto, UnmappedMode::Explicit])
                })
                .unwrap_or_else(|| Spanned::new(UnmappedMode::Auto, here("unmapped"))),
        })
    }

    fn version(&mut self, node: &Node) -> Option<Spanned<Version>> {
        let text = self.text(node, "ocsf_version")?;
        match text.parse() {
            Ok(version) => Some(Spanned::new(version, node.span)),
            Err(_) => {
                let known = Version::ALL.map(Version::as_str);
                self.unknown_choice(node, "ocsf_version", &text, &known);
                None
            }
        }
    }

    fn decode(&mut self, config: &Fields<'_>) -> DecodeSpec {
        let nothing = |span| DecodeSpec {
            span,
            format: Spanned::new(Format::Auto, span),
            at: None,
            columns: Vec::new(),
            separator: None,
            quote: None,
            split_columns: Vec::new(),
            line_prefix: None,
            steps: Vec::new(),
            text_fields: None,
        };
        let start = Span::new(config.span.start, config.span.start + 1);
        let Some(fields) = config.get("decode").and_then(|node| self.fields(node, &operators::DECODE)) else {
            return nothing(start);
        };
        let mut decode = nothing(fields.span);
        const VALUES: &[Format] = &[Format::Auto, Format::Ndjson, Format::Json, Format::JsonArray, Format::Delimited];
        let format = fields.get("format").map(|node| self.choice(node, "format", FORMATS, VALUES));
        let format_is_known = !matches!(format, Some(None));
        if let Some(Some(format)) = format {
            decode.format = format;
        }
        decode.at = fields.get("at").and_then(|node| self.member_path(node, "at"));
        if let Some(node) = fields.get("columns") {
            let items = self.some_items(node, "columns");
            decode.columns = items.iter().filter_map(|item| self.name(item, "columns")).collect();
            for (index, column) in decode.columns.iter().enumerate() {
                if let Some(first) = decode.columns.get(..index).and_then(|before| before.iter().find(|c| *c == column))
                {
                    let message = format!("the column {} stands twice", quote(column));
                    let diagnostic = Diagnostic::new(Code::DuplicateKey, column.span, message);
                    self.diagnostics.push(diagnostic.also(first.span, "it is here already"));
                }
            }
        }
        let separator = fields.get("separator").and_then(|node| self.character(node, "separator"));
        decode.separator = separator.map(|character| character.map(String::from));
        decode.quote = fields.get("quote").and_then(|node| self.character(node, "quote"));
        if let Some(node) = fields.get("split_columns") {
            decode.split_columns = self.split_columns(node, &decode.columns);
        }
        decode.line_prefix =
            fields.get("line_prefix").and_then(|node| self.pattern(node, "line_prefix")).map(|(text, _)| text);
        decode.steps = fields.get("steps").map(|node| self.steps(node)).unwrap_or_default();
        decode.text_fields = fields.get("text_fields").and_then(|node| self.text_fields(node));

        let belongs = [("at", Format::JsonArray, "json-array")]
            .into_iter()
            .chain(["columns", "separator", "quote", "split_columns"].map(|key| (key, Format::Delimited, "delimited")));
        for (key, format, name) in belongs {
            if let Some(span) = fields.key(key)
                && decode.format.value != format
                && format_is_known
            {
                let message = format!("{} is for the format `{name}`", quote(key));
                let diagnostic = Diagnostic::new(Code::DecodeConflict, span, message);
                self.report(diagnostic.help(format!("add \"format\": \"{name}\", or remove the key")));
            }
        }
        if let (Some(quote), Some(separator)) = (&decode.quote, &decode.separator)
            && separator.chars().eq([quote.value])
        {
            let message = "`quote` and `separator` are the same character";
            let diagnostic = Diagnostic::new(Code::DecodeConflict, quote.span, message);
            let diagnostic = diagnostic.also(separator.span, "the separator");
            self.report(diagnostic);
        }
        decode
    }

    /// `split_columns`: patterns that compile, each with named groups, none of which is called like another column or group.
    fn split_columns(&mut self, node: &Node, columns: &[Spanned<String>]) -> Vec<(Spanned<String>, Spanned<String>)> {
        let members = self.map(node, "split_columns");
        if members.is_empty() && matches!(node.kind, NodeKind::Object(_)) {
            self.report(Diagnostic::new(Code::EmptyList, node.span, "`split_columns` has no columns"));
        }
        let mut taken: Vec<(String, Span)> = Vec::new();
        let others: Vec<&Spanned<String>> =
            columns.iter().filter(|column| !members.iter().any(|(key, _)| key.value == column.value)).collect();
        let mut split = Vec::new();
        for (column, node) in members {
            if !columns.is_empty() && !columns.iter().any(|name| name.value == column.value) {
                let message = format!("`columns` has no column {}", quote(column));
                let mut diagnostic = Diagnostic::new(Code::DecodeConflict, column.span, message);
                if let Some(near) = nearest(column, columns.iter().map(|name| name.as_str())) {
                    diagnostic = diagnostic.help(format!("did you mean {}?", quote(near)));
                }
                self.report(diagnostic);
            }
            let Some((pattern, regex)) = self.pattern(node, "split_columns") else { continue };
            let groups: Vec<&str> = regex.capture_names().flatten().collect();
            if groups.is_empty() {
                let message = format!("the pattern of {} names no group, so the column would vanish", quote(column));
                let diagnostic = Diagnostic::new(Code::NoSuchGroup, node.span, message);
                self.report(diagnostic.help("name what to keep: (?<name>…)"));
                continue;
            }
            for group in groups {
                let earlier = taken.iter().find(|(name, _)| name == group).map(|(_, span)| *span);
                let earlier = earlier.or(others.iter().find(|name| name.value == group).map(|name| name.span));
                if let Some(earlier) = earlier {
                    let message = format!("the field {} stands twice", quote(group));
                    let diagnostic = Diagnostic::new(Code::DuplicateKey, node.span, message);
                    self.report(diagnostic.also(earlier, "it is here already"));
                }
                taken.push((group.to_owned(), node.span));
            }
            split.push((column.clone(), pattern));
        }
        split
    }

    fn character(&mut self, node: &Node, what: &str) -> Option<Spanned<char>> {
        let text = self.text(node, what)?;
        let mut characters = text.chars();
        match (characters.next(), characters.next()) {
            (Some(only), None) if only.is_ascii() => Some(Spanned::new(only, node.span)),
            _ => {
                let message = format!("{} must be exactly one ASCII character", quote(what));
                self.report(Diagnostic::new(Code::WrongType, node.span, message));
                None
            }
        }
    }

    fn text_fields(&mut self, node: &Node) -> Option<TextFieldsSpec> {
        let fields = self.fields(node, &operators::TEXT_FIELDS)?;
        let at = fields.get("at").and_then(|node| self.member_path(node, "at"));
        let event_id = fields.get("event_id").and_then(|node| self.member_path(node, "event_id"));
        let names = fields.get("names").and_then(|node| self.text_field_names(node));
        Some(TextFieldsSpec { span: fields.span, at: at?, event_id: event_id?, names: names? })
    }

    fn text_field_names(&mut self, node: &Node) -> Option<TextFieldNames> {
        match &node.kind {
            NodeKind::String { .. } => self.name(node, "names").map(TextFieldNames::Shipped),
            NodeKind::Object(_) => {
                let lists = self.map(node, "names").into_iter();
                Some(TextFieldNames::Inline(lists.map(|(id, node)| (id.clone(), self.names(node, "names"))).collect()))
            }
            _ => {
                self.wrong_type(node, "names", "a text or an object");
                None
            }
        }
    }

    fn selector(&mut self, config: &Fields<'_>) -> Selector {
        // A path that was reported stays as it is written, so that nobody misses it.
        let matched_field = config.get("matched_field").map(|node| {
            self.singular_path(node, "matched_field").unwrap_or_else(|| {
                let text = node.as_str().unwrap_or_default().to_owned();
                Spanned::new(JsonPath { text, root: PathRoot::Document, singular: None }, node.span)
            })
        });
        let mut rules = Vec::new();
        if let Some(node) = config.get("select") {
            for item in self.items(node, "select") {
                let Some(fields) = self.fields(item, &operators::SELECT) else { continue };
                let condition = fields.get("when").and_then(|node| self.condition(node));
                let event = fields.get("event").and_then(|node| self.name(node, "event"));
                if let (Some(condition), Some(event)) = (condition, event) {
                    rules.push(SelectRule { condition, event });
                }
            }
        }
        Selector { rules, matched_field }
    }

    /// One that was reported stays without a value.
    fn timestamp(&mut self, node: &Node) -> TimestampSpec {
        let nothing = Spanned::new(Value::Absent, node.span);
        let any = |span| vec![Spanned::new(TimeFormat::Auto, span)];
        let Some(fields) = self.fields(node, &operators::TIMESTAMP) else {
            return TimestampSpec { span: node.span, field: nothing, formats: any(node.span) };
        };
        let field = fields.get("field").map(|node| self.value(node));
        let formats = self.time_formats(fields.get("format"), fields.span);
        TimestampSpec {
            span: fields.span,
            field: field.unwrap_or(nothing),
            formats: formats.unwrap_or_else(|| any(fields.span)),
        }
    }

    fn time_formats(&mut self, node: Option<&Node>, default: Span) -> Option<Vec<Spanned<TimeFormat>>> {
        let Some(node) = node else { return Some(vec![Spanned::new(TimeFormat::Auto, default)]) };
        let items = match &node.kind {
            NodeKind::String { .. } => std::slice::from_ref(node),
            _ => self.some_items(node, "format"),
        };
        let formats: Option<Vec<_>> = items.iter().map(|item| self.time_format(item)).collect();
        formats.filter(|formats| !formats.is_empty())
    }

    fn time_format(&mut self, node: &Node) -> Option<Spanned<TimeFormat>> {
        let text = self.text(node, "format")?;
        let format = match text.as_str() {
            "epoch" => TimeFormat::Epoch(EpochUnit::Seconds),
            "epoch_ms" => TimeFormat::Epoch(EpochUnit::Milliseconds),
            "epoch_us" => TimeFormat::Epoch(EpochUnit::Microseconds),
            "epoch_ns" => TimeFormat::Epoch(EpochUnit::Nanoseconds),
            "iso8601" => TimeFormat::Iso8601,
            "auto" => TimeFormat::Auto,
            pattern => match check_strptime(pattern) {
                Ok(()) => TimeFormat::Strptime(text.value.clone()),
                Err(reason) => {
                    let message = format!("{} cannot read a time: {reason}", quote(pattern));
                    let all = list(TIME_FORMATS.iter().copied());
                    let help = match nearest(pattern, TIME_FORMATS.iter().copied()) {
                        Some(name) => format!("did you mean {}?", quote(name)),
                        None => format!("a strptime pattern such as `%Y-%m-%d %H:%M:%S%.f`, or one of {all}"),
                    };
                    self.report(Diagnostic::new(Code::BadTimeFormat, node.span, message).help(help));
                    return None;
                }
            },
        };
        Some(Spanned::new(format, node.span))
    }

    fn destination(&mut self, config: &Fields<'_>) -> Destination {
        let start = Span::new(config.span.start, config.span.start + 1);
        let mut destination = Destination { layout: Spanned::new(Layout::SourcePerClass, start), sources: Vec::new() };
        let Some(fields) = config.get("destination").and_then(|node| self.fields(node, &operators::DESTINATION)) else {
            return destination;
        };
        const VALUES: &[Layout] = &[Layout::SourcePerClass, Layout::PrefixPerClass];
        if let Some(layout) = fields.get("layout").and_then(|node| self.choice(node, "layout", LAYOUTS, VALUES)) {
            destination.layout = layout;
        }
        if let Some(node) = fields.get("sources") {
            for (class, node) in self.map(node, "sources") {
                if let Some(name) = self.name(node, "sources") {
                    destination.sources.push((class.clone(), name));
                }
            }
        }
        destination
    }

    fn lookups(&mut self, config: &Fields<'_>) -> Vec<Lookup> {
        let Some(node) = config.get("lookups") else { return Vec::new() };
        let mut lookups = Vec::new();
        for (name, node) in self.map(node, "lookups") {
            let entries = self.map(node, name).into_iter();
            let entries = entries.map(|(key, node)| (key.clone(), Spanned::new(node.to_json(), node.span))).collect();
            lookups.push(Lookup { name: name.clone(), entries });
        }
        lookups
    }

    fn other(&mut self, node: &Node) -> Option<Spanned<Other>> {
        if matches!(node.kind, NodeKind::Object(_)) {
            let fields = self.fields(node, &operators::OTHER)?;
            let event = fields.get("event").and_then(|node| self.name(node, "event"))?;
            return Some(event.map(Other::Event));
        }
        let text = node.as_str();
        match text {
            Some("quarantine") => Some(Spanned::new(Other::Quarantine, node.span)),
            Some(text) => {
                self.unknown_choice(node, "other", text, &["quarantine", "{\"event\": …}"]);
                None
            }
            None => {
                self.wrong_type(node, "other", "`\"quarantine\"` or an object");
                None
            }
        }
    }

    // Event mappings.

    fn layers(&mut self, config: &Fields<'_>) -> Layers {
        let profiles = config.get("profiles").map(|node| self.names(node, "profiles")).unwrap_or_default();
        let defaults = Layer { profiles, ..Layer::default() };
        let common = config.get("common").map(|node| self.layer(node)).unwrap_or_default();
        let mut fragments = Vec::new();
        if let Some(node) = config.get("fragments") {
            for (name, node) in self.map(node, "fragments") {
                fragments.push((name.clone(), self.layer(node)));
            }
        }
        Layers { common: defaults.extended_by(common), fragments }
    }

    fn layer(&mut self, node: &Node) -> Layer {
        match self.fields(node, &operators::FRAGMENT) {
            Some(fields) => self.layer_of(&fields),
            None => Layer::default(),
        }
    }

    /// `profiles` and `schema_mapping` of a fragment or an event.
    fn layer_of(&mut self, fields: &Fields<'_>) -> Layer {
        let mut layer = Layer::default();
        if let Some(node) = fields.get("profiles") {
            layer.profiles = self.names(node, "profiles");
        }
        let Some(node) = fields.get("schema_mapping") else { return layer };
        let NodeKind::Object(members) = &node.kind else {
            self.wrong_type(node, "schema_mapping", "an object of attributes");
            return layer;
        };
        match self.written(members) {
            Written::Faulty => return layer,
            Written::Operator(operator, _) => {
                let message = format!("{} cannot stand in the place of the whole event", quote(operator.name));
                self.report(
                    Diagnostic::new(Code::WrongType, node.span, message)
                        .help("write it for each attribute, or make two event mappings and choose with `select`"),
                );
                return layer;
            }
            Written::Attributes(_) => {}
        }
        layer.attributes.span = node.span;
        for (key, node) in self.unique(members) {
            let tree = match (key.as_str(), &node.kind) {
                ("unmapped", _) => {
                    self.unmapped(node, "", &mut HashMap::new(), &mut layer.unmapped);
                    continue;
                }
                ("metadata", NodeKind::Object(members)) if members.iter().any(|(key, _)| key.value == "profiles") => {
                    self.metadata(node.span, members, &mut layer.profiles)
                }
                _ => self.tree(node),
            };
            layer.attributes.members.push((key.clone(), tree));
        }
        layer
    }

    /// `metadata` with its `profiles`, which become declarations.
    fn metadata(
        &mut self,
        span: Span,
        members: &[(Spanned<String>, Node)],
        profiles: &mut Vec<Spanned<String>>,
    ) -> Tree {
        let mut metadata = ObjectTree { span, members: Vec::new() };
        for (key, node) in self.unique(members) {
            if key.value == "profiles" {
                self.metadata_profiles(node, profiles);
            } else {
                let tree = self.tree(node);
                metadata.members.push((key.clone(), tree));
            }
        }
        Tree::Object(metadata)
    }

    fn metadata_profiles(&mut self, node: &Node, profiles: &mut Vec<Spanned<String>>) {
        let computed = |span| {
            Diagnostic::new(Code::ProfilesComputed, span, "`metadata.profiles` must be a list of names")
                .help("the profiles of a record follow from `profiles` and from the attributes that are set")
        };
        match &node.kind {
            NodeKind::Null => {}
            NodeKind::String { text, .. } if is_path(text, self.inside_each) => self.report(computed(node.span)),
            NodeKind::String { text, .. } => {
                let mut names = Vec::new();
                let mut start = 0;
                for part in text.split(',') {
                    let name = part.trim();
                    if !name.is_empty() {
                        let at = start + (part.len() - part.trim_start().len());
                        names.push(Spanned::new(name.to_owned(), node.span_within(at, at + name.len())));
                    }
                    start += part.len() + 1;
                }
                let written: Vec<String> = names.iter().map(|name| format!("{:?}", name.value)).collect();
                self.report(
                    Diagnostic::new(Code::ProfilesAsText, node.span, "`metadata.profiles` is a list, not a text")
                        .label("read as names between commas")
                        .help(format!("write \"profiles\": [{}] beside `schema`", written.join(", "))),
                );
                profiles.extend(names);
            }
            NodeKind::Array(items) => {
                for item in items {
                    match item.as_str() {
                        Some(text) if !text.is_empty() && !is_path(text, self.inside_each) => {
                            profiles.push(Spanned::new(text.to_owned(), item.span));
                        }
                        _ => self.report(computed(item.span)),
                    }
                }
            }
            _ => self.report(computed(node.span)),
        }
    }

    fn unmapped(
        &mut self,
        node: &Node,
        prefix: &str,
        seen: &mut HashMap<String, Span>,
        into: &mut Vec<(Spanned<String>, Spanned<Value>)>,
    ) {
        let NodeKind::Object(members) = &node.kind else {
            self.wrong_type(node, "unmapped", "an object");
            return;
        };
        if !matches!(self.written(members), Written::Attributes(_)) {
            if prefix.is_empty() {
                self.wrong_type(node, "unmapped", "an object of keys and values");
            }
            return;
        }
        for (key, node) in self.unique(members) {
            let name = if prefix.is_empty() { key.value.clone() } else { format!("{prefix}.{}", key.value) };
            if let NodeKind::Object(members) = &node.kind
                && matches!(self.written(members), Written::Attributes(_))
            {
                self.unmapped(node, &name, seen, into);
                continue;
            }
            let value = self.value(node);
            let target = Spanned::new(name, key.span);
            if let Some(first) = seen.insert(target.value.clone(), key.span) {
                let message = format!("`unmapped` has {} twice", quote(&target));
                let diagnostic = Diagnostic::new(Code::DuplicateKey, key.span, message);
                self.report(diagnostic.also(first, "it is written here already"));
                continue;
            }
            into.push((target, value));
        }
    }

    fn events(&mut self, config: &Fields<'_>, layers: Layers) -> Vec<EventMapping> {
        let Some(node) = config.get("ocsf_mapping") else { return Vec::new() };
        let mut events = Vec::new();
        let members = self.map(node, "ocsf_mapping");
        if members.is_empty() && matches!(node.kind, NodeKind::Object(_)) {
            self.report(Diagnostic::new(Code::EmptyList, node.span, "`ocsf_mapping` has no event"));
        }
        for (key, node) in members {
            let Some(fields) = self.fields(node, &operators::EVENT) else { continue };
            let schema = fields.get("schema").and_then(|node| self.name(node, "schema"));
            let written = fields.get("extends").map(|node| self.names(node, "extends")).unwrap_or_default();
            let mut extends = Vec::with_capacity(written.len());
            let mut layer = layers.common.clone();
            for name in written {
                match layers.fragments.iter().find(|(other, _)| *other == name) {
                    Some((_, fragment)) => {
                        layer = layer.extended_by(fragment.clone());
                        extends.push(name);
                    }
                    None => {
                        let names = layers.fragments.iter().map(|(name, _)| name.as_str());
                        let message = format!("there is no fragment {}", quote(&name));
                        let help = match nearest(&name, names.clone()) {
                            Some(near) => format!("did you mean {}?", quote(near)),
                            None if layers.fragments.is_empty() => "this config has no `fragments`".to_owned(),
                            None => format!("the fragments are {}", list(names)),
                        };
                        self.report(Diagnostic::new(Code::UnknownFragment, name.span, message).help(help));
                    }
                }
            }
            let own = self.layer_of(&fields);
            let mut layer = layer.extended_by(own);
            self.prune(&mut layer.attributes);
            layer
                .unmapped
                .retain(|(_, value)| !matches!(value.value, Value::Absent) || self.failed.contains(&value.span));
            let Some(schema) = schema else { continue };
            events.push(EventMapping {
                span: fields.span,
                key: key.clone(),
                schema,
                extends,
                profiles: layer.profiles,
                attributes: layer.attributes,
                unmapped: layer.unmapped,
            });
        }
        events
    }

    /// Takes out attributes that are `null`: they have removed what was inherited and say nothing more.
    fn prune(&self, object: &mut ObjectTree) {
        object.members.retain(|(_, tree)| {
            !matches!(tree, Tree::Value(Spanned { value: Value::Absent, span }) if !self.failed.contains(span))
        });
        for (_, tree) in &mut object.members {
            self.prune_tree(tree);
        }
    }

    fn prune_tree(&self, tree: &mut Tree) {
        match tree {
            Tree::Object(object) => self.prune(object),
            Tree::Array(array) => array.items.iter_mut().for_each(|item| self.prune_tree(item)),
            Tree::Value(_) => {}
            Tree::When(when) => {
                self.prune_tree(&mut when.then);
                if let Some(otherwise) = &mut when.otherwise {
                    self.prune_tree(otherwise);
                }
            }
            Tree::Each(each) => self.prune_tree(&mut each.body),
        }
    }

    // Assignments.

    /// Whether an object is an operator or holds attributes.
    fn written<'n>(&mut self, members: &'n [(Spanned<String>, Node)]) -> Written<'n> {
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
            let message = format!("there is no operator {}", quote(key));
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

    /// What an attribute, an item or a branch is assigned.
    fn tree(&mut self, node: &Node) -> Tree {
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

    fn value(&mut self, node: &Node) -> Spanned<Value> {
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
                Value::Literal(Json::String(text.clone()))
            }
            NodeKind::Array(items) => Value::List(items.iter().map(|item| self.value(item)).collect()),
            NodeKind::Object(members) => match self.written(members) {
                Written::Operator(operator, argument) => return self.operator(operator, argument, node.span),
                Written::Faulty => return self.fail(node.span),
                Written::Attributes(members) => {
                    let mut diagnostic =
                        Diagnostic::new(Code::ValueExpected, node.span, "one value is needed here, not an object");
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
                let help = "`@` is the element of `$each`; from the root of the event a path starts with `$.`";
                (help.to_owned(), rest.starts_with(['.', '[']))
            }
            _ => return,
        };
        if like {
            let message = format!("{} is a constant text, not a path", quote(text));
            self.report(Diagnostic::new(Code::TextLikePath, node.span, message).help(help));
        }
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

    /// Every argument is read, so that every fault is reported, before any that is missing ends it.
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
                let diagnostic = Diagnostic::new(Code::UnknownChoice, node.span, "this is no value of `base`");
                self.report(diagnostic.help("the values are 10, 16 and \"auto\""));
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
                .help("a path stands in braces, `{$.name}`; a brace of the text is doubled, `{{` and `}}`")
        };
        while let Some(c) = template.get(at..).and_then(|rest| rest.chars().next()) {
            let rest = template.get(at..).unwrap_or_default();
            if rest.starts_with("{{") || rest.starts_with("}}") {
                text.push(c);
                at += 2;
            } else if c == '}' {
                self.report(bad(node, at, at + 1, "this brace closes nothing".to_owned()));
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

    // Conditions.

    fn condition(&mut self, node: &Node) -> Option<Spanned<Condition>> {
        let NodeKind::Object(members) = &node.kind else {
            let message = format!("a condition must be an object, not {}", node.describe());
            let mut diagnostic = Diagnostic::new(Code::WrongType, node.span, message);
            if let Some(text) = node.as_str()
                && is_path(text, self.inside_each)
            {
                diagnostic = diagnostic.help(format!("write {{\"exists\": {text:?}}} to ask whether it has a value"));
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
            let message = format!("there is no condition {}", quote(key));
            let all = list(names.clone());
            let help = match nearest(key.trim_start_matches('$'), names) {
                Some(name) => format!("did you mean {}? The conditions are {all}", quote(name)),
                None => format!("the conditions are {all}"),
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
            let message = format!("{} must have two items, and has {}", quote(what), items.len());
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

/// `common` with the default profiles, and the fragments by name.
struct Layers {
    common: Layer,
    fragments: Vec<(Spanned<String>, Layer)>,
}

/// The byte of the `}` that closes the `{` at the start; braces in quotes do not count.
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
