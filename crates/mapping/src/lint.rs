//! Checks a config beyond its form: against the OCSF schema, against the rules of Security Lake, and for consistency
//! between distant parts of the file.
//!
//! Lint and compiler read the same AST and the same facts. Where the compiler repairs (puts into `unmapped`, derives,
//! leaves out), lint warns. What the compiler cannot execute exactly is an error, and then it does not run.

mod attributes;
mod columns;
mod literals;
mod presence;
mod values;

use std::collections::HashSet;

use ocsf::schema::{EventClass, Schema};
use sources::FieldNames;

use crate::compile::{SOURCE_NAME_LIMIT, source_name};
use crate::config::{
    Condition, Config, DecodeSpec, EventMapping, Format, Layout, Other, Span, Spanned, StepAction, TextFieldNames,
};
use crate::diagnostic::{self, Code, Diagnostic, list, nearest, quote};
use crate::parse;

/// A config and its diagnostics.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Checked {
    /// The config as far as it could be parsed.
    pub config: Option<Config>,
    /// Errors and warnings, in the order of the file.
    pub diagnostics: Vec<Diagnostic>,
}

impl Checked {
    /// The config, if it has no errors.
    pub fn accepted(&self) -> Option<&Config> {
        self.config.as_ref().filter(|_| !self.diagnostics.iter().any(Diagnostic::is_error))
    }
}

/// Parses and lints a config. `load` returns the text of a config that this one extends, by its name.
///
/// ```
/// use mapping::diagnostic::SourceText;
/// let text = r#"{"custom_source_events": {"source_name": "x", "ocsf_maping": {}}}"#;
/// let checked = mapping::check(text, &|_| None);
/// assert!(checked.accepted().is_none());
/// let shown = checked.diagnostics[1].render(&SourceText::new("x.json", text), false);
/// assert!(shown.contains("did you mean `ocsf_mapping`?"), "{shown}");
/// ```
pub fn check(text: &str, load: &dyn Fn(&str) -> Option<String>) -> Checked {
    check_with(text, load, None)
}

/// [`check`] for a source whose events go through a preprocessor of the AWS library.
pub(crate) fn check_with(text: &str, load: &dyn Fn(&str) -> Option<String>, preprocessor: Option<&str>) -> Checked {
    let parse::Parsed { config, mut diagnostics } = parse::parse(text, load, preprocessor);
    if let Some(config) = &config {
        diagnostics.extend(lint(config));
    }
    diagnostic::sort(&mut diagnostics);
    Checked { config, diagnostics }
}

/// Examines a config that has been read.
pub fn lint(config: &Config) -> Vec<Diagnostic> {
    let schema = Schema::get(config.ocsf_version.value);
    let mut linter = Linter { config, schema, diagnostics: Vec::new(), said: HashSet::new() };
    linter.stand_in();
    linter.text_fields();
    linter.selection();
    let classes = linter.classes();
    linter.source_names(&classes);
    linter.profiles(&classes);
    for (event, class) in &classes {
        linter.time(event);
        linter.attributes(event, class);
    }
    linter.values();
    linter.unused_fragments();
    linter.diagnostics
}

struct Linter<'c> {
    config: &'c Config,
    schema: &'static Schema,
    diagnostics: Vec<Diagnostic>,
    /// Diagnostics reported so far. Attributes that events share are checked once per event, but reported once.
    said: HashSet<(Code, Span, String)>,
}

type EventOfClass<'c> = (&'c EventMapping, &'static EventClass);

impl<'c> Linter<'c> {
    fn report(&mut self, diagnostic: Diagnostic) {
        // Inherited parts may be unused.
        let unused = matches!(diagnostic.code, Code::UnusedFragment | Code::UnusedLookup | Code::UnusedSourceName);
        if unused && self.config.extends == Some(diagnostic.primary.span) {
            return;
        }
        if self.said.insert((diagnostic.code, diagnostic.primary.span, diagnostic.message.clone())) {
            self.diagnostics.push(diagnostic);
        }
    }

    fn stand_in(&mut self) {
        let Some(module) = &self.config.stand_in else { return };
        let DecodeSpec { format, text_fields, .. } = &self.config.decode;
        let does = match text_fields {
            _ if format.value == Format::Delimited => {
                "lines are split into its columns, and `-` means \"no value\"".to_owned()
            }
            Some(fields) => format!("the text at `$.{}` is split into fields", fields.at.value.join(".")),
            None => "its fields are available".to_owned(),
        };
        let mut message = format!("the config has no `decode`, so Sluice emulates {}: {does}", quote(module.value));
        if let Other::Event(event) = &self.config.other.value
            && self.config.other.span == module.span
        {
            message.push_str(&format!("; an event type without a mapping uses the event mapping {}", quote(event)));
        }
        let help = "to read the source differently, add `decode`";
        self.report(Diagnostic::new(Code::StandIn, module.span, message).help(help));
    }

    fn text_fields(&mut self) {
        let decode = &self.config.decode;
        let message = decode.text_fields.iter().map(|spec| (spec.span, &spec.names));
        let nested = decode.steps.iter().filter_map(|step| match &step.action {
            StepAction::Nest(nest) => Some((nest.span, &nest.names)),
            _ => None,
        });
        for (span, names) in message.chain(nested) {
            self.field_names(span, names);
        }
    }

    fn field_names(&mut self, span: Span, names: &TextFieldNames) {
        let (span, problem) = match names {
            TextFieldNames::Shipped(name) if FieldNames::shipped(name).is_some() => return,
            TextFieldNames::Shipped(name) => {
                let help = format!("the shipped lists are {}", list(FieldNames::SHIPPED));
                let message = format!("unknown shipped list of fields {}", quote(name));
                return self.report(Diagnostic::new(Code::UnknownTextFields, name.span, message).help(help));
            }
            TextFieldNames::Inline(lists) => {
                let plain = lists.iter().map(|(id, names)| {
                    (id.value.clone(), names.iter().map(|name| name.value.clone()).collect::<Vec<_>>())
                });
                match FieldNames::new(plain) {
                    Ok(_) => return,
                    Err(error) => (span, error.to_string()),
                }
            }
        };
        self.report(Diagnostic::new(Code::UnknownTextFields, span, problem));
    }

    // Which event mapping a raw event takes.

    fn selection(&mut self) {
        let Config { selector, other, events, .. } = self.config;
        for rule in &selector.rules {
            self.event_exists(&rule.event.value, rule.event.span);
        }
        if let Other::Event(event) = &other.value {
            self.event_exists(event, other.span);
        }
        let catch_all = match &other.value {
            Other::Event(event) => Some(event.as_str()),
            Other::Quarantine => None,
        };
        if selector.matched_field.is_none() {
            if selector.rules.is_empty() && catch_all.is_none() && !events.is_empty() {
                let start = Span::new(self.config.span.start, self.config.span.start + 1);
                self.report(
                    Diagnostic::new(Code::NoSelector, start, "nothing selects the event mapping of a raw event")
                        .help(
                            "add \"matched_field\": \"$.…\", the field with the key of the event mapping, or `select` rules",
                        ),
                );
                return;
            }
            for event in events {
                let named = selector.rules.iter().any(|rule| rule.event == event.key);
                if !named && catch_all != Some(event.key.as_str()) {
                    let message = format!("no raw event can select the event mapping {}", quote(&event.key));
                    let help = "name it in a `select` rule, or add `matched_field`";
                    self.report(Diagnostic::new(Code::Unreachable, event.key.span, message).help(help));
                }
            }
        } else {
            for event in events {
                let named = selector.rules.iter().any(|rule| rule.event == event.key);
                if self.is_absent_text(&event.key) && !named && catch_all != Some(event.key.as_str()) {
                    let message =
                        format!("the text {:?} means \"no value\", so nothing selects this event", event.key.value);
                    let help = "remove it from `absent`, or select the event with a `select` rule";
                    self.report(Diagnostic::new(Code::Unreachable, event.key.span, message).help(help));
                }
            }
        }
        self.select_rules();
    }

    fn select_rules(&mut self) {
        let selector = &self.config.selector;
        for (index, rule) in selector.rules.iter().enumerate() {
            let earlier = selector.rules.get(..index).unwrap_or_default();
            if let Some(same) = earlier.iter().find(|other| other.condition == rule.condition) {
                let message = "this rule can never apply: an earlier one has the same condition";
                let diagnostic = Diagnostic::new(Code::Unreachable, rule.condition.span, message);
                self.report(diagnostic.also(same.condition.span, "this one always applies first"));
            } else if let Some(all) = earlier.iter().find(|other| always_holds(&other.condition)) {
                let message = "this rule can never apply: an earlier one always applies";
                let diagnostic = Diagnostic::new(Code::Unreachable, rule.condition.span, message);
                self.report(diagnostic.also(all.condition.span, "this condition always holds"));
            }
        }
        let all = selector.rules.iter().find(|rule| always_holds(&rule.condition));
        if let (Some(all), Some(field)) = (all, &selector.matched_field) {
            let message = "`matched_field` is never read: a `select` rule always applies";
            let diagnostic = Diagnostic::new(Code::Unreachable, field.span, message);
            self.report(diagnostic.also(all.condition.span, "this condition always holds"));
        }
    }

    fn event_exists(&mut self, event: &str, span: Span) {
        if self.config.event(event).is_some() {
            return;
        }
        let keys = self.config.events.iter().map(|event| event.key.as_str());
        let help = match nearest(event, keys.clone()) {
            Some(near) => format!("did you mean {}?", quote(near)),
            None => format!("valid event mappings are {}", list(keys)),
        };
        let message = format!("unknown event mapping {}", quote(event));
        self.report(Diagnostic::new(Code::UnknownEvent, span, message).help(help));
    }

    fn is_absent_text(&self, text: &str) -> bool {
        self.config.absent.iter().any(|absent| absent.value == text)
    }

    // Classes and where their records go.

    fn classes(&mut self) -> Vec<EventOfClass<'c>> {
        let mut found = Vec::new();
        let config = self.config;
        for event in &config.events {
            let Some(class) = self.schema.class(&event.schema) else {
                self.unknown_class(&event.schema);
                continue;
            };
            found.push((event, class));
            if class.uid == 0 {
                let message = format!("{} has class_uid 0 and cannot be a Security Lake source", quote(class.name));
                let help =
                    "map the event to a more specific class, or remove its mapping so that it goes to quarantine";
                self.report(Diagnostic::new(Code::ClassNotRegistrable, event.schema.span, message).help(help));
            }
            if class.deprecated {
                let message = format!("the class {} is deprecated", quote(class.name));
                let diagnostic = Diagnostic::new(Code::DeprecatedClass, event.schema.span, message);
                self.report(match class.name {
                    "security_finding" => diagnostic.help(
                        "use `detection_finding`, `vulnerability_finding`, `compliance_finding` or `incident_finding`",
                    ),
                    _ => diagnostic,
                });
            }
        }
        found
    }

    fn unknown_class(&mut self, name: &Spanned<String>) {
        let classes = self.schema.classes();
        let folded = name.to_lowercase().replace([' ', '-'], "_");
        let by_caption = classes.iter().find(|class| class.caption.to_lowercase().replace([' ', '-'], "_") == folded);
        let names = classes.iter().map(|class| class.name);
        let near = by_caption.map(|class| class.name).or_else(|| nearest(name, names));
        let message = format!("unknown class {} in OCSF {}", quote(name), self.schema.version());
        let diagnostic = Diagnostic::new(Code::UnknownClass, name.span, message);
        let other_version = ocsf::schema::Version::ALL
            .into_iter()
            .find(|version| *version != self.schema.version() && Schema::get(*version).class(name).is_some());
        self.report(match (other_version, near) {
            (Some(version), _) => diagnostic.help(format!("OCSF {version} has it: \"ocsf_version\": \"{version}\"")),
            (None, Some(near)) => diagnostic.help(format!("did you mean {}?", quote(near))),
            (None, None) => diagnostic.help("use a class name from https://schema.ocsf.io/, such as `file_activity`"),
        });
    }

    fn source_names(&mut self, classes: &[EventOfClass<'_>]) {
        let config = self.config;
        let name = &config.source_name;
        if !name.is_empty() {
            self.source_name_is_valid(name);
        }
        let sources = &config.destination.sources;
        for (_, source) in sources {
            self.source_name_is_valid(source);
        }
        for (class, _) in sources {
            let is_used =
                classes.iter().any(|(_, used)| used.name == class.value || used.qualified_name == class.value);
            if !is_used {
                let message = format!("no event uses the class {}", quote(class));
                let diagnostic = Diagnostic::new(Code::UnusedSourceName, class.span, message);
                self.report(match nearest(class, classes.iter().map(|(_, class)| class.name)) {
                    Some(near) => diagnostic.help(format!("did you mean {}?", quote(near))),
                    None => diagnostic,
                });
            }
        }
        if config.destination.layout.value == Layout::PrefixPerClass {
            return;
        }
        let mut taken: Vec<(String, EventOfClass<'_>)> = Vec::new();
        for (event, class) in classes {
            if taken.iter().any(|(_, (_, other))| other.uid == class.uid) {
                continue;
            }
            let source = source_name(config, class);
            let length = source.chars().count();
            let is_derived = !sources.iter().any(|(_, named)| named.value == source);
            if is_derived && length > SOURCE_NAME_LIMIT && name.chars().count() <= SOURCE_NAME_LIMIT {
                let suffix = format!("-{}", class.uid);
                let kept: String = name.chars().take(SOURCE_NAME_LIMIT - suffix.len()).collect();
                let message = format!(
                    "the custom source of {} would be {}: {length} characters, but the limit is {SOURCE_NAME_LIMIT}",
                    quote(class.name),
                    quote(&source)
                );
                let better = format!("{}{suffix}", kept.trim_end_matches(['-', '_', '.', ':']));
                let help = format!(
                    "name the source: \"destination\": {{\"sources\": {{\"{}\": \"{better}\"}}}}, or shorten `source_name`",
                    class.name
                );
                self.report(
                    Diagnostic::new(Code::BadSourceName, event.schema.span, message)
                        .also(name.span, "the name starts with this")
                        .help(help),
                );
            }
            if let Some((_, (other, first))) = taken.iter().find(|(other, _)| *other == source) {
                let message = format!(
                    "{} and {} would share the custom source {}",
                    quote(first.name),
                    quote(class.name),
                    quote(&source)
                );
                self.report(
                    Diagnostic::new(Code::SharedSourceName, event.schema.span, message)
                        .also(other.schema.span, "the other class")
                        .help("name another source for one of them in `destination.sources`"),
                );
            }
            taken.push((source, (event, class)));
        }
    }

    fn source_name_is_valid(&mut self, name: &Spanned<String>) {
        let length = name.chars().count();
        if length > SOURCE_NAME_LIMIT {
            let message = format!(
                "{} has {length} characters; the limit for a custom source is {SOURCE_NAME_LIMIT}",
                quote(name)
            );
            self.report(Diagnostic::new(Code::BadSourceName, name.span, message));
        }
        let is_allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | ':' | '.');
        if let Some(bad) = name.chars().find(|c| !is_allowed(*c)) {
            let message = format!("{} contains the invalid character {bad:?}", quote(name));
            let help = "use only letters, digits, `_`, `-`, `:` and `.` in the name of a custom source";
            self.report(Diagnostic::new(Code::BadSourceName, name.span, message).help(help));
        }
    }

    // Profiles.

    fn profiles(&mut self, classes: &[EventOfClass<'_>]) {
        for (event, class) in classes {
            for profile in &event.profiles {
                let Some(id) = self.schema.profile_id(profile) else {
                    self.unknown_profile(profile);
                    continue;
                };
                if class.profiles.contains(id) {
                    continue;
                }
                // Profiles of all events only need to fit one class.
                let own = event.span.start <= profile.span.start && profile.span.end <= event.span.end;
                let fits_another = classes.iter().any(|(other, class)| {
                    other.profiles.iter().any(|named| named.span == profile.span) && class.profiles.contains(id)
                });
                if own || !fits_another {
                    let message =
                        format!("the class {} does not support the profile {}", quote(class.name), quote(profile));
                    let help = format!("the class supports {}", list(class.profiles.names(self.schema)));
                    self.report(Diagnostic::new(Code::ProfileNotApplicable, profile.span, message).help(help));
                }
            }
        }
    }

    fn unknown_profile(&mut self, name: &Spanned<String>) {
        let names = self.schema.profiles().iter().map(|profile| profile.name);
        let known_as = match name.to_lowercase().as_str() {
            "firewall" => Some("security_control"),
            "proxy" => Some("network_proxy"),
            _ => nearest(name, names.clone()),
        };
        let message = format!("unknown profile {} in OCSF {}", quote(name), self.schema.version());
        let help = match known_as {
            Some(near) => format!("did you mean {}?", quote(near)),
            None => format!("valid profiles are {}", list(names)),
        };
        self.report(Diagnostic::new(Code::UnknownProfile, name.span, message).help(help));
    }

    fn time(&mut self, event: &EventMapping) {
        if self.config.timestamp.is_none() && event.attributes.get("time").is_none() {
            let message = format!("the event mapping {} has no time", quote(&event.key));
            let help = "add `timestamp` to the config, or map the attribute `time`";
            self.report(Diagnostic::new(Code::NoTime, event.key.span, message).help(help));
        }
    }

    fn unused_fragments(&mut self) {
        let config = self.config;
        for fragment in &config.fragments {
            if !config.events.iter().any(|event| event.extends.contains(fragment)) {
                let message = format!("no event extends the fragment {}", quote(fragment));
                self.report(Diagnostic::new(Code::UnusedFragment, fragment.span, message));
            }
        }
    }
}

/// Whether a condition holds for every event.
fn always_holds(condition: &Condition) -> bool {
    match condition {
        Condition::All(conditions) => conditions.iter().all(|condition| always_holds(condition)),
        Condition::Any(conditions) => conditions.iter().any(|condition| always_holds(condition)),
        Condition::Not(condition) => never_holds(condition),
        Condition::Exists(value) => values::is_never_absent(value),
        _ => false,
    }
}

/// Whether a condition fails for every event.
fn never_holds(condition: &Condition) -> bool {
    match condition {
        Condition::All(conditions) => conditions.iter().any(|condition| never_holds(condition)),
        Condition::Any(conditions) => conditions.iter().all(|condition| never_holds(condition)),
        Condition::Not(condition) => always_holds(condition),
        Condition::In(_, literals) => literals.is_empty(),
        _ => false,
    }
}
