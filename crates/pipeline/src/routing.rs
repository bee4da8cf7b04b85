//! Which source an event belongs to: the sources file.
//!
//! The format is that of the AWS transformation library's `sources_config.json`, and more: docs/sources-reference.md describes
//! it. [`check_sources`] says what is wrong with a file, [`Sources`] is one that works.

mod config;
pub mod diagnostic;
mod form;
mod json_schema;
mod lint;
mod pattern;
mod read;

use std::cmp::Reverse;

use diagnostics::SourceText;
use lake::key::AccountId;
use mapping::EventCondition;
use sources::Document;

pub use json_schema::json_schema as sources_json_schema;
pub use lint::{CheckedSources, NamedMapping, check_sources, is_sources_file};

use self::config::{ObjectConfig, StreamConfig};
use self::diagnostic::Diagnostic;
use self::pattern::{Anchor, Matcher, Pattern};
use crate::route::{Route, RouteError};
use crate::source::{MappedSource, SourceError};

/// The sources file that applies where none is given.
pub const DEFAULT_SOURCES: &str = include_str!("../../../mapping-configs/sources.json");

/// A sources file that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RoutingError {
    /// The file has errors.
    #[error("the sources file has errors: {summary}")]
    Refused {
        /// The first errors with their places, in one line.
        summary: String,
        /// What is wrong, and where in the text.
        diagnostics: Vec<Diagnostic>,
    },
    /// A mapping config cannot be used.
    #[error(transparent)]
    Source(#[from] SourceError),
}

/// The sources of a deployment and the rules that route events to them.
#[derive(Debug)]
pub struct Sources {
    sources: Vec<MappedSource>,
    /// In the order of the file.
    stream_rules: Vec<StreamRule>,
    /// The most specific first.
    object_rules: Vec<ObjectRule>,
}

#[derive(Debug)]
struct StreamRule {
    source: usize,
    field: Option<String>,
    stream: Option<StreamPattern>,
    when: Option<EventCondition>,
}

/// A pattern over the name or the ARN of a stream.
#[derive(Debug)]
struct StreamPattern {
    matcher: Matcher,
    is_arn: bool,
}

#[derive(Debug)]
struct ObjectRule {
    source: usize,
    bucket: Matcher,
    prefix: Matcher,
    suffix: Matcher,
    exclude: Vec<Matcher>,
    specificity: Specificity,
}

/// How exactly a rule says what it matches; the greater wins. Characters of the key count before those of the bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Specificity {
    key: usize,
    bucket: usize,
    captures: usize,
    excludes: bool,
}

impl Sources {
    /// Reads a sources file. `load` gives the text of a mapping config by its file name, or none where there is no such
    /// file.
    ///
    /// # Errors
    /// [`RoutingError`]; [`check_sources`] also gives the warnings of a file that works.
    pub fn from_text(text: &str, load: &dyn Fn(&str) -> Option<String>) -> Result<Self, RoutingError> {
        let checked = check_sources(text, load);
        let Some(config) = checked.config else { return Err(refused(text, checked.diagnostics)) };
        let mut conditions = checked.conditions.into_iter();
        let mut sources = Sources { sources: Vec::new(), stream_rules: Vec::new(), object_rules: Vec::new() };
        for source in config.sources.iter().filter(|source| source.is_enabled()) {
            let index = sources.sources.len();
            if let Some(rule) = &source.stream {
                let when = rule.when.as_ref().and_then(|_| conditions.next());
                sources.stream_rules.push(StreamRule::new(rule, when, index));
            }
            let rules = source.objects.iter().flat_map(|rules| rules.iter());
            sources.object_rules.extend(rules.flat_map(|rule| ObjectRule::all(rule, index)));
            let wanted = source.mapping();
            let mapping = checked.mappings.iter().find(|mapping| mapping.name == wanted.value);
            let mapping = mapping.map(|mapping| mapping.text.as_str()).unwrap_or_default();
            let module = source.preprocessor.as_deref();
            sources.sources.push(MappedSource::with_preprocessor(&source.name, mapping, load, module)?);
        }
        // Stable, so that the order of the file decides between equals.
        sources.object_rules.sort_by_key(|rule| Reverse(rule.specificity));
        Ok(sources)
    }

    /// All sources that are enabled.
    pub fn iter(&self) -> impl Iterator<Item = &MappedSource> {
        self.sources.iter()
    }

    /// The rules for the records of a stream, by its name or ARN.
    pub fn of_stream(&self, stream: &str) -> StreamRoutes<'_> {
        let name = stream.rsplit_once(":stream/").map_or(stream, |(_, name)| name);
        let rules = self.stream_rules.iter().filter(|rule| match &rule.stream {
            None => true,
            Some(pattern) => pattern.matcher.is_match(if pattern.is_arn { stream } else { name }),
        });
        StreamRoutes { sources: self, rules: rules.collect() }
    }

    /// The source of an object by its bucket and key, with what the rule's patterns capture; the most specific rule wins.
    pub fn of_object(&self, bucket: &str, key: &str) -> ObjectRoute<'_> {
        let mut excluded = None;
        for rule in self.object_rules.iter().filter(|rule| rule.is_match(bucket, key)) {
            let source = &self.sources[rule.source];
            if !rule.exclude.iter().any(|exclude| exclude.is_match(key)) {
                return ObjectRoute::Taken(RoutedObject { source, captures: rule.captures(bucket, key) });
            }
            excluded.get_or_insert(source);
        }
        excluded.map_or(ObjectRoute::Unclaimed, ObjectRoute::Excluded)
    }
}

/// What the sources file says of an object.
#[derive(Debug)]
pub enum ObjectRoute<'s> {
    /// A source takes it.
    Taken(RoutedObject<'s>),
    /// No source takes it, and a rule of this source excludes it: it is not wanted.
    Excluded(&'s MappedSource),
    /// No rule knows it.
    Unclaimed,
}

impl<'s> ObjectRoute<'s> {
    /// The source that takes the object, and what its key says.
    pub fn taken(self) -> Option<RoutedObject<'s>> {
        match self {
            ObjectRoute::Taken(routed) => Some(routed),
            _ => None,
        }
    }
}

/// The source of an input, and what the input's bucket and key say of its records.
#[derive(Debug, Clone)]
pub struct RoutedObject<'s> {
    /// The source.
    pub source: &'s MappedSource,
    /// What the patterns of its rule captured.
    pub captures: Captures,
}

/// An input whose source is known by other means than a key.
impl<'s> From<&'s MappedSource> for RoutedObject<'s> {
    fn from(source: &'s MappedSource) -> Self {
        Self { source, captures: Captures::default() }
    }
}

/// What `{name}` captured of a bucket's name and a key.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Captures(Vec<(String, String)>);

impl Captures {
    /// The text captured under a name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter().find(|(other, _)| *other == name).map(|(_, value)| value)
    }

    /// Names and texts, in the order of the patterns: bucket, prefix, suffix.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Whether nothing was captured.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The account of records that name none: the capture `account`, if it is one that Security Lake takes.
    pub fn account(&self) -> Option<AccountId> {
        self.get("account")?.parse().ok()
    }
}

/// The rules for the records of one stream.
#[derive(Debug, Clone)]
pub struct StreamRoutes<'s> {
    sources: &'s Sources,
    /// Those whose `stream` matches, in the order of the file.
    rules: Vec<&'s StreamRule>,
}

impl<'s> StreamRoutes<'s> {
    /// The source of a record: the one that its metadata field names, else that of the first rule whose conditions hold.
    ///
    /// A rule that only has a metadata field takes no record without that field, unless it is the only rule there is.
    ///
    /// # Errors
    /// [`RouteError`], if no rule takes the event.
    pub fn of_event(&self, document: &Document<'_>) -> Result<&'s MappedSource, RouteError> {
        let source = |rule: &StreamRule| &self.sources.sources[rule.source];
        let holds = |rule: &StreamRule| rule.when.as_ref().is_none_or(|when| when.holds(document));
        let is_named = |rule: &&&StreamRule| rule.named(document) == Some(source(rule).name()) && holds(rule);
        if let Some(rule) = self.rules.iter().find(is_named) {
            return Ok(source(rule));
        }
        let is_taken = |rule: &&&StreamRule| self.takes_unnamed(rule) && rule.named(document).is_none() && holds(rule);
        if let Some(rule) = self.rules.iter().find(is_taken) {
            return Ok(source(rule));
        }
        Err(match (self.rules.as_slice(), self.rules.first().and_then(|rule| rule.named(document))) {
            ([], _) if self.sources.stream_rules.is_empty() => RouteError::NoStreams,
            ([], _) => RouteError::OtherStream,
            ([rule], Some(other)) if other != source(rule).name() => {
                RouteError::Unconfigured { name: other.to_owned() }
            }
            (rules, _) if rules.iter().any(|rule| rule.when.is_some()) => RouteError::NoCondition,
            _ => RouteError::Unnamed,
        })
    }

    /// Whether a rule takes a record that names no source. The agent's published configuration writes no metadata field;
    /// with one source there is nothing to choose.
    fn takes_unnamed(&self, rule: &StreamRule) -> bool {
        rule.field.is_none() || rule.stream.is_some() || rule.when.is_some() || self.sources.stream_rules.len() == 1
    }
}

impl<'s> Route<'s> for StreamRoutes<'s> {
    /// Where the first rule takes everything, unless a record may name another source.
    fn whatever_it_holds(&self) -> Option<&'s MappedSource> {
        let first = self.rules.first().filter(|rule| rule.when.is_none())?;
        self.rules.iter().all(|rule| rule.field.is_none()).then(|| &self.sources.sources[first.source])
    }

    /// Such a record names no source, and no condition on its fields holds.
    fn of_other_formats(&self) -> Option<&'s MappedSource> {
        let rule = self.rules.iter().find(|rule| rule.when.is_none() && self.takes_unnamed(rule))?;
        Some(&self.sources.sources[rule.source])
    }

    fn of_event(&self, document: &Document<'_>) -> Result<&'s MappedSource, RouteError> {
        StreamRoutes::of_event(self, document)
    }
}

impl StreamRule {
    fn new(rule: &StreamConfig, when: Option<EventCondition>, source: usize) -> Self {
        let stream = rule
            .stream
            .as_ref()
            .map(|pattern| StreamPattern { matcher: pattern.matcher(Anchor::Whole), is_arn: lint::is_arn(pattern) });
        Self { source, field: rule.metadata_field.as_ref().map(|field| field.value.clone()), stream, when }
    }

    /// The source that a record names.
    fn named<'d>(&self, document: &'d Document<'_>) -> Option<&'d str> {
        let node = document.get(document.root(), self.field.as_deref()?)?;
        document.value(node).text()
    }
}

impl ObjectRule {
    /// A rule for each suffix.
    fn all(rule: &ObjectConfig, source: usize) -> Vec<Self> {
        let anything = Pattern::default();
        let mut suffixes: Vec<&Pattern> = rule.suffixes.iter().map(|suffix| &suffix.value).collect();
        if suffixes.is_empty() {
            suffixes.push(&anything);
        }
        let specificity = |suffix: &Pattern| Specificity {
            key: rule.prefix.literal_characters() + suffix.literal_characters(),
            bucket: rule.bucket.literal_characters(),
            captures: [&rule.bucket, &rule.prefix, suffix].map(|pattern| pattern.captures().count()).iter().sum(),
            excludes: !rule.exclude.is_empty(),
        };
        let rules = suffixes.into_iter().map(|suffix| Self {
            source,
            bucket: rule.bucket.matcher(Anchor::Whole),
            prefix: rule.prefix.matcher(Anchor::Start),
            suffix: suffix.matcher(Anchor::End),
            exclude: rule.exclude.iter().map(|exclude| exclude.matcher(Anchor::Whole)).collect(),
            specificity: specificity(suffix),
        });
        rules.collect()
    }

    fn is_match(&self, bucket: &str, key: &str) -> bool {
        self.bucket.is_match(bucket) && self.prefix.is_match(key) && self.suffix.is_match(key)
    }

    fn captures(&self, bucket: &str, key: &str) -> Captures {
        let mut captures = Vec::new();
        for (pattern, text) in [(&self.bucket, bucket), (&self.prefix, key), (&self.suffix, key)] {
            pattern.captures(text, &mut captures);
        }
        Captures(captures)
    }
}

fn refused(text: &str, diagnostics: Vec<Diagnostic>) -> RoutingError {
    /// A log line is no place for all of them; `sluice lint` is.
    const SHOWN: usize = 3;
    let place = SourceText::new("", text);
    let errors = diagnostics.iter().filter(|diagnostic| diagnostic.is_error()).map(|diagnostic| {
        let report = diagnostic.report(&place);
        format!("line {}, column {}: {}", report.line, report.column, report.message)
    });
    let summary = errors.take(SHOWN).collect::<Vec<_>>().join("; ");
    RoutingError::Refused { summary, diagnostics }
}
