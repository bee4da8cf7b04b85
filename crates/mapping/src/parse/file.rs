//! The keys of the file and of `custom_source_events`, except `decode` and the event mappings.

use ocsf::schema::Version;

use super::{Fields, Reader};
use crate::config::{
    Config, Destination, EpochUnit, JsonPath, Layout, Lookup, Other, PathRoot, SelectRule, Selector, Span, Spanned,
    TimeFormat, TimestampSpec, UnmappedMode, Value,
};
use crate::diagnostic::{Code, Diagnostic, list, nearest, quote};
use crate::operators::{self, LAYOUTS, TIME_FORMATS, UNMAPPED_MODES};
use crate::syntax::{Node, NodeKind};
use crate::time_format::check_strptime;

impl Reader {
    pub(super) fn file(&mut self, node: &Node) -> Option<Config> {
        if let NodeKind::Object(members) = &node.kind {
            let has = |name: &str| members.iter().any(|(key, _)| key.value == name);
            if !has("custom_source_events") && has("ocsf_mapping") {
                let open = Span::new(node.span.start, node.span.start + 1);
                let message = "the config must be inside `custom_source_events`";
                let help = "wrap it: {\"custom_source_events\": {…}}";
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
        let decode = self.decode(&fields);
        self.columns.clone_from(&decode.columns);
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
            decode,
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

    fn selector(&mut self, config: &Fields<'_>) -> Selector {
        // A faulty path that was reported is kept as written, so that it does not also count as missing.
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

    /// A faulty value that was reported becomes absent.
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

    pub(super) fn time_formats(&mut self, node: Option<&Node>, default: Span) -> Option<Vec<Spanned<TimeFormat>>> {
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
                    let message = format!("{} is not a valid time format: {reason}", quote(pattern));
                    let all = list(TIME_FORMATS.iter().copied());
                    let help = match nearest(pattern, TIME_FORMATS.iter().copied()) {
                        Some(name) => format!("did you mean {}?", quote(name)),
                        None => format!("use a strptime pattern such as `%Y-%m-%d %H:%M:%S%.f`, or one of {all}"),
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
}
