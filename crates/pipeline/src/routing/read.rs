//! JSON text to [`Config`]: the form of a sources file is checked here, and every fault is reported.

use diagnostics::json::{self, Node, NodeKind};
use diagnostics::{Span, Spanned, list, nearest, quote};

use super::config::{Config, ObjectConfig, SourceConfig, StreamConfig};
use super::diagnostic::{Code, Diagnostic};
use super::form::{FILE, INPUT_PATHS, KINESIS, ObjectForm, S3, SOURCE, SOURCE_BUCKET};
use super::pattern::Pattern;

/// Reads a sources file: what could be understood of it, and what is wrong.
pub(crate) fn read(text: &str) -> (Option<Config>, Vec<Diagnostic>) {
    let mut reader = Reader::default();
    let config = match json::parse(text) {
        Ok(file) => reader.file(&file),
        Err(error) => {
            let mut diagnostic = Diagnostic::new(Code::NotJson, error.span, error.message);
            diagnostic.help = error.mistake.map(|mistake| mistake.help().to_owned());
            reader.report(diagnostic);
            None
        }
    };
    (config, reader.diagnostics)
}

#[derive(Default)]
struct Reader {
    diagnostics: Vec<Diagnostic>,
}

/// The known members of an object.
struct Fields<'n>(Vec<(&'n Spanned<String>, &'n Node)>);

impl<'n> Fields<'n> {
    fn get(&self, name: &str) -> Option<&'n Node> {
        self.0.iter().find(|(key, _)| key.value == name).map(|(_, node)| *node)
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

    /// The members of an object. An optional key with `null` counts as not there.
    fn fields<'n>(&mut self, node: &'n Node, form: &'static ObjectForm) -> Option<Fields<'n>> {
        let NodeKind::Object(members) = &node.kind else {
            let message = format!("{} must be an object, not {}", described(form), node.describe());
            self.report(Diagnostic::new(Code::WrongType, node.span, message).label("expected an object"));
            return None;
        };
        let mut known: Vec<(&Spanned<String>, &Node)> = Vec::with_capacity(form.keys.len());
        for (key, value) in members {
            let Some(facts) = form.keys.iter().find(|facts| facts.name == key.value) else {
                self.unknown_key(key, form);
                continue;
            };
            if let Some((first, _)) = known.iter().find(|(other, _)| other.value == key.value) {
                let message = format!("duplicate key {}", quote(key));
                let diagnostic = Diagnostic::new(Code::DuplicateKey, key.span, message);
                self.report(diagnostic.also(first.span, "first here"));
                continue;
            }
            known.push((key, value));
            if !facts.required && matches!(value.kind, NodeKind::Null) {
                known.pop();
            }
        }
        let mut complete = true;
        for key in form.keys.iter().filter(|key| key.required) {
            if known.iter().all(|(other, _)| other.value != key.name) {
                let message = format!("{} has no {}", described(form), quote(key.name));
                let span = Span::new(node.span.start, node.span.start + 1);
                self.report(Diagnostic::new(Code::MissingKey, span, message).help(key.summary));
                complete = false;
            }
        }
        complete.then_some(Fields(known))
    }

    fn unknown_key(&mut self, key: &Spanned<String>, form: &'static ObjectForm) {
        let names = form.keys.iter().map(|key| key.name);
        let message = format!("unknown key {} in {}", quote(key), described(form));
        let all = list(names.clone());
        let help = match nearest(key, names) {
            Some(name) => format!("did you mean {}? The keys are {all}", quote(name)),
            None => format!("the keys are {all}"),
        };
        self.report(Diagnostic::new(Code::UnknownKey, key.span, message).help(help));
    }

    // Plain values.

    fn text(&mut self, node: &Node, what: &str) -> Option<Spanned<String>> {
        match node.as_str() {
            Some(text) => Some(Spanned::new(text.to_owned(), node.span)),
            None => {
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

    fn flag(&mut self, node: &Node, what: &str) -> Option<bool> {
        match node.kind {
            NodeKind::Bool(value) => Some(value),
            _ => {
                self.wrong_type(node, what, "true or false");
                None
            }
        }
    }

    fn items<'n>(&mut self, node: &'n Node, what: &str) -> Option<&'n [Node]> {
        match &node.kind {
            NodeKind::Array(items) => Some(items),
            _ => {
                self.wrong_type(node, what, "an array");
                None
            }
        }
    }

    fn pattern(&mut self, node: &Node, what: &str) -> Option<Spanned<Pattern>> {
        let text = self.text(node, what)?;
        match Pattern::parse(&text) {
            Ok(pattern) => Some(Spanned::new(pattern, node.span)),
            Err(fault) => {
                let span = node.span_within(fault.start, fault.end);
                self.report(Diagnostic::new(Code::BadPattern, span, fault.message));
                None
            }
        }
    }

    fn patterns(&mut self, nodes: &[Node], what: &str) -> Option<Vec<Spanned<Pattern>>> {
        let patterns: Vec<_> = nodes.iter().map(|node| self.pattern(node, what)).collect();
        patterns.into_iter().collect()
    }

    // The objects of the format.

    fn file(&mut self, node: &Node) -> Option<Config> {
        let fields = self.fields(node, &FILE)?;
        let node = fields.get("sources")?;
        let sources: Vec<_> = self.items(node, "sources")?.iter().map(|source| self.source(source)).collect();
        let sources = sources.into_iter().collect::<Option<Vec<_>>>()?;
        Some(Config { sources, span: node.span })
    }

    fn source(&mut self, node: &Node) -> Option<SourceConfig> {
        let fields = self.fields(node, &SOURCE)?;
        let name = self.name(fields.get("name")?, "name");
        let mapping_file = optional(fields.get("mapping_file"), |node| self.name(node, "mapping_file"));
        let preprocessor = optional(fields.get("preprocessor_module"), |node| self.text(node, "preprocessor_module"));
        let inputs = self.fields(fields.get("input_paths")?, &INPUT_PATHS)?;
        let stream = optional(inputs.get("kinesis"), |node| self.stream(node));
        let objects = optional(inputs.get("s3"), |node| self.objects(node));
        Some(SourceConfig {
            name: name?,
            mapping_file: mapping_file?,
            preprocessor: preprocessor?.map(|module| module.value),
            stream: stream?.flatten(),
            objects: objects?.flatten(),
        })
    }

    /// `Some(None)` for a rule that is read and not enabled.
    fn stream(&mut self, node: &Node) -> Option<Option<StreamConfig>> {
        let fields = self.fields(node, &KINESIS)?;
        let enabled = self.flag(fields.get("enabled")?, "enabled");
        let metadata_field = optional(fields.get("metadata_field"), |node| self.name(node, "metadata_field"));
        let stream = optional(fields.get("stream"), |node| self.stream_pattern(node));
        let when = optional(fields.get("when"), |node| self.condition(node));
        let rule = StreamConfig { span: node.span, metadata_field: metadata_field?, stream: stream?, when: when? };
        Some(enabled?.then_some(rule))
    }

    fn stream_pattern(&mut self, node: &Node) -> Option<Spanned<Pattern>> {
        let pattern = self.pattern(node, "stream")?;
        if let Some(name) = pattern.captures().next() {
            let message = format!("{} captures nothing here: a record has no key", quote(name));
            self.report(Diagnostic::new(Code::BadPattern, node.span, message).help("write `*`"));
            return None;
        }
        Some(pattern)
    }

    fn condition(&mut self, node: &Node) -> Option<Node> {
        match node.kind {
            NodeKind::Object(_) => Some(node.clone()),
            _ => {
                self.wrong_type(node, "when", "a condition, an object with one key");
                None
            }
        }
    }

    fn objects(&mut self, node: &Node) -> Option<Option<Spanned<Vec<ObjectConfig>>>> {
        let fields = self.fields(node, &S3)?;
        let enabled = self.flag(fields.get("enabled")?, "enabled");
        let buckets = fields.get("source_buckets")?;
        let rules: Vec<_> = self.items(buckets, "source_buckets")?.iter().map(|rule| self.object_rule(rule)).collect();
        let rules = rules.into_iter().collect::<Option<Vec<_>>>()?;
        Some(enabled?.then_some(Spanned::new(rules, buckets.span)))
    }

    fn object_rule(&mut self, node: &Node) -> Option<ObjectConfig> {
        let fields = self.fields(node, &SOURCE_BUCKET)?;
        let bucket = self.pattern(fields.get("bucket_name")?, "bucket_name");
        let prefix = optional(fields.get("prefix"), |node| self.pattern(node, "prefix"));
        let suffixes = optional(fields.get("suffix"), |node| self.suffixes(node));
        let exclude = optional(fields.get("exclude"), |node| {
            let items = self.items(node, "exclude")?;
            self.patterns(items, "exclude")
        });
        let anywhere = || Spanned::new(Pattern::default(), node.span);
        let rule = ObjectConfig {
            span: node.span,
            bucket: bucket?,
            prefix: prefix?.unwrap_or_else(anywhere).map(Pattern::of_start),
            suffixes: suffixes?.unwrap_or_default().into_iter().map(|suffix| suffix.map(Pattern::of_end)).collect(),
            exclude: exclude?.unwrap_or_default(),
        };
        self.captures_of(&rule)?;
        Some(rule)
    }

    fn suffixes(&mut self, node: &Node) -> Option<Vec<Spanned<Pattern>>> {
        match &node.kind {
            NodeKind::Array(items) if items.is_empty() => {
                self.report(Diagnostic::new(Code::EmptyList, node.span, "`suffix` has no items"));
                None
            }
            NodeKind::Array(items) => self.patterns(items, "suffix"),
            NodeKind::String { .. } => Some(vec![self.pattern(node, "suffix")?]),
            _ => {
                self.wrong_type(node, "suffix", "a text or an array of texts");
                None
            }
        }
    }

    /// Reports a name that two patterns of a rule capture: a mapping could only read one of them.
    fn captures_of(&mut self, rule: &ObjectConfig) -> Option<()> {
        let ObjectConfig { bucket, prefix, suffixes, .. } = rule;
        let with_suffix = suffixes.iter().flat_map(|suffix| [(bucket, suffix), (prefix, suffix)]);
        let mut is_clear = true;
        for (first, second) in std::iter::once((bucket, prefix)).chain(with_suffix) {
            for name in second.captures().filter(|name| first.captures().any(|other| other == *name)) {
                let diagnostic =
                    Diagnostic::new(Code::BadPattern, second.span, format!("{} is captured twice", quote(name)));
                self.report(diagnostic.also(first.span, "first here").help("write `*` in one of the places"));
                is_clear = false;
            }
        }
        is_clear.then_some(())
    }
}

/// What an optional key holds: `Some(None)` where it is not there, none where it is at fault.
fn optional<T>(node: Option<&Node>, read: impl FnOnce(&Node) -> Option<T>) -> Option<Option<T>> {
    match node {
        None => Some(None),
        Some(node) => read(node).map(Some),
    }
}

/// The name of an object in a message.
fn described(form: &ObjectForm) -> String {
    match form.name {
        "sources" => "a source".to_owned(),
        "source_buckets" => "an item of `source_buckets`".to_owned(),
        name if name.contains(' ') => name.to_owned(),
        name => quote(name),
    }
}
