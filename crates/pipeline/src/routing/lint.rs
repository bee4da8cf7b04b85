//! What is wrong with a sources file whose form is right: names, mapping configs, and rules that clash or do nothing.

use std::collections::HashMap;

use diagnostics::json::Node;
use diagnostics::{Span, list, nearest, quote, sort};
use mapping::EventCondition;

use super::config::{Config, ObjectConfig, SourceConfig, StreamConfig};
use super::diagnostic::{Code, Diagnostic};
use super::pattern::{LONGEST_KEY, Pattern};
use super::read::read;
use crate::source::{SHIPPED_MAPPINGS, shipped_mapping};

/// A sources file, read and checked.
#[derive(Debug)]
#[non_exhaustive]
pub struct CheckedSources {
    /// Every fault, in the order of the file.
    pub diagnostics: Vec<Diagnostic>,
    /// The mapping configs of enabled sources, each once. They are not checked here.
    pub mappings: Vec<NamedMapping>,
    pub(crate) config: Option<Config>,
    /// The conditions of enabled rules over stream records, in the order of the file.
    pub(crate) conditions: Vec<EventCondition>,
}

/// A mapping config that a sources file names.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct NamedMapping {
    /// The file or shipped config, as the sources file names it.
    pub name: String,
    /// Its text.
    pub text: String,
    /// Whether it is a shipped config, and not one that `load` gave.
    pub is_shipped: bool,
}

/// Everything that lint has to say of a sources file. `load` gives the text of a mapping config by its file name, or none
/// where there is no such file.
///
/// ```
/// let inputs = r#"{"kinesis": {"enabled": true}}"#;
/// let file = format!(r#"{{"sources": [{{"name": "windows-sysmon", "maping_file": "x", "input_paths": {inputs}}}]}}"#);
/// let checked = pipeline::check_sources(&file, &|_| None);
/// assert_eq!(checked.diagnostics[0].message, "unknown key `maping_file` in a source");
/// ```
pub fn check_sources(text: &str, load: &dyn Fn(&str) -> Option<String>) -> CheckedSources {
    let (config, diagnostics) = read(text);
    let mut lint = Lint { text, diagnostics, mappings: Vec::new(), conditions: Vec::new() };
    if let Some(config) = &config {
        lint.names(config);
        for source in config.sources.iter().filter(|source| source.is_enabled()) {
            lint.mapping(source, load);
        }
        lint.objects(config);
        lint.streams(config);
    }
    let Lint { mut diagnostics, mappings, conditions, .. } = lint;
    sort(&mut diagnostics);
    let is_sound = !diagnostics.iter().any(Diagnostic::is_error);
    CheckedSources { diagnostics, mappings, config: config.filter(|_| is_sound), conditions }
}

/// Whether a JSON text is meant as a sources file and not as a mapping config.
pub fn is_sources_file(text: &str) -> bool {
    #[derive(serde::Deserialize)]
    struct Keys {
        sources: Option<serde::de::IgnoredAny>,
        custom_source_events: Option<serde::de::IgnoredAny>,
    }
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    match serde_json::from_str::<Keys>(text) {
        Ok(keys) => keys.sources.is_some() && keys.custom_source_events.is_none(),
        // A file that is not JSON yet, or has a key twice, is told by the key that comes first.
        Err(_) => {
            let place = |key: &str| text.find(key).unwrap_or(usize::MAX);
            place("\"sources\"") < place("\"custom_source_events\"")
        }
    }
}

struct Lint<'t> {
    text: &'t str,
    diagnostics: Vec<Diagnostic>,
    mappings: Vec<NamedMapping>,
    conditions: Vec<EventCondition>,
}

impl Lint<'_> {
    fn report(&mut self, diagnostic: Diagnostic) {
        self.diagnostics.push(diagnostic);
    }

    fn names(&mut self, config: &Config) {
        let mut first: HashMap<&str, Span> = HashMap::new();
        for source in &config.sources {
            match first.get(source.name.value.as_str()) {
                None => {
                    first.insert(&source.name, source.name.span);
                }
                Some(span) => {
                    let message = format!("two sources have the name {}", quote(&source.name));
                    let diagnostic = Diagnostic::new(Code::DuplicateName, source.name.span, message);
                    self.report(diagnostic.also(*span, "first here"));
                }
            }
        }
        if !config.sources.iter().any(SourceConfig::is_enabled) {
            let help = "set `enabled` to true in `kinesis` or `s3` of a source";
            self.report(Diagnostic::new(Code::NothingEnabled, config.span, "no source is enabled").help(help));
        }
    }

    /// Finds the mapping config of a source. A file comes before a shipped config of the same name.
    fn mapping(&mut self, source: &SourceConfig, load: &dyn Fn(&str) -> Option<String>) {
        let wanted = source.mapping();
        if self.mappings.iter().any(|known| known.name == wanted.value) {
            return;
        }
        let shipped_name = wanted.value.trim_end_matches(".json");
        let own = load(&wanted.value).map(|text| (text, false));
        let found = own.or_else(|| shipped_mapping(shipped_name).map(|text| (text.to_owned(), true)));
        if let Some((text, is_shipped)) = found {
            self.mappings.push(NamedMapping { name: wanted.value, text, is_shipped });
            return;
        }
        let message = format!("source {} has no mapping config: {} was not found", quote(&source.name), quote(&wanted));
        let shipped = SHIPPED_MAPPINGS.map(|(name, _)| name);
        let all = list(shipped);
        let help = match nearest(shipped_name, shipped) {
            Some(name) => format!("did you mean {}? Give the file, or name a shipped config: {all}", quote(name)),
            None => format!("give the file, or name a shipped config with `mapping_file`: {all}"),
        };
        self.report(Diagnostic::new(Code::NoMapping, wanted.span, message).help(help));
    }

    // Rules over objects.

    fn objects(&mut self, config: &Config) {
        let mut claims: HashMap<[String; 3], Vec<(&SourceConfig, &ObjectConfig)>> = HashMap::new();
        for source in &config.sources {
            let Some(rules) = &source.objects else { continue };
            if rules.is_empty() {
                let message = format!("{} takes objects of no bucket", quote(&source.name));
                self.report(Diagnostic::new(Code::NeverMatches, rules.span, message));
            }
            for rule in rules.iter() {
                self.object_rule(rule);
                for shape in shapes(rule) {
                    let same = claims.entry(shape).or_default();
                    // Where one of two equal rules excludes something, it comes first, and the other takes the rest.
                    let other = same.iter().find(|(_, other)| other.exclude.is_empty() == rule.exclude.is_empty());
                    match other {
                        None => same.push((source, rule)),
                        Some((owner, other)) => {
                            let diagnostic = same_pattern(source, rule, owner, other);
                            // Once for each rule, however many suffixes it shares.
                            self.diagnostics.extend(diagnostic.filter(|it| self.diagnostics.last() != Some(it)));
                        }
                    }
                }
            }
        }
    }

    fn object_rule(&mut self, rule: &ObjectConfig) {
        if let Some((message, help)) = bucket_fault(&rule.bucket) {
            let diagnostic = Diagnostic::new(Code::NeverMatches, rule.bucket.span, message);
            self.report(diagnostic.help(help));
        }
        let suffix = rule.suffixes.iter().map(|suffix| suffix.shortest()).min().unwrap_or(0);
        for (pattern, length) in [(Some(&rule.prefix), rule.prefix.shortest()), (rule.suffixes.first(), suffix)] {
            if let Some(pattern) = pattern.filter(|_| length > LONGEST_KEY) {
                let message = format!("no key is that long: {length} bytes, and S3 takes {LONGEST_KEY}");
                self.report(Diagnostic::new(Code::NeverMatches, pattern.span, message));
            }
        }
        if rule.prefix.shortest() <= LONGEST_KEY {
            let all = rule.prefix.and_anything();
            if let Some(exclude) = rule.exclude.iter().find(|exclude| exclude.covers(&all)) {
                let message = "every key of this rule is excluded";
                let diagnostic = Diagnostic::new(Code::NeverMatches, exclude.span, message);
                self.report(diagnostic.also(rule.prefix.span, "all keys that start like this"));
            }
        }
    }

    // Rules over stream records.

    fn condition(&mut self, when: &Node) {
        match EventCondition::parse(self.text, when.span.range()) {
            Ok(condition) => self.conditions.push(condition),
            Err(faults) => self.diagnostics.extend(faults.into_iter().map(of_condition)),
        }
    }

    fn streams(&mut self, config: &Config) {
        let mut before: Vec<(&SourceConfig, &StreamConfig)> = Vec::new();
        for source in &config.sources {
            let Some(rule) = &source.stream else { continue };
            if let Some(pattern) = &rule.stream
                && let Some(message) = stream_fault(pattern)
            {
                self.report(Diagnostic::new(Code::NeverMatches, pattern.span, message));
            }
            if let Some(when) = &rule.when {
                self.condition(when);
            }
            // What names its source is not taken by the order of rules.
            if rule.metadata_field.is_none()
                && let Some((owner, earlier)) = before.iter().find(|(_, earlier)| takes_all_of(earlier, rule))
            {
                let message = format!("{} never gets a record by this rule", quote(&source.name));
                let diagnostic = Diagnostic::new(Code::Shadowed, rule.span, message);
                let label = format!("{} takes all of them", quote(&owner.name));
                let help = "rules are tried in the order of the file: put the narrower one first";
                self.report(diagnostic.also(earlier.span, label).help(help));
            }
            before.push((source, rule));
        }
    }
}

/// A fault of a condition under the number of this file; its words are those of mapping configs.
fn of_condition(fault: mapping::diagnostic::Diagnostic) -> Diagnostic {
    let mapping::diagnostic::Diagnostic { primary, secondary, message, help, .. } = fault;
    Diagnostic { code: Code::BadCondition, message, primary, secondary, help }
}

/// Whether the earlier rule takes every record that the later one would.
fn takes_all_of(earlier: &StreamConfig, later: &StreamConfig) -> bool {
    if earlier.metadata_field.is_some() {
        return false;
    }
    let same_records = match (&earlier.when, &later.when) {
        (None, _) => true,
        (Some(earlier), Some(later)) => earlier.to_json() == later.to_json(),
        (Some(_), None) => false,
    };
    let same_streams = match (&earlier.stream, &later.stream) {
        (None, _) => true,
        (Some(earlier), Some(later)) => earlier.covers(later) && is_arn(earlier) == is_arn(later),
        (Some(_), None) => false,
    };
    same_records && same_streams
}

/// What makes two rules take the same keys of the same buckets: one shape for each suffix.
fn shapes(rule: &ObjectConfig) -> Vec<[String; 3]> {
    let (bucket, prefix) = (rule.bucket.shape(), rule.prefix.shape());
    let mut suffixes: Vec<String> = rule.suffixes.iter().map(|suffix| suffix.shape()).collect();
    if suffixes.is_empty() {
        suffixes.push(String::new());
    }
    suffixes.sort();
    suffixes.dedup();
    suffixes.into_iter().map(|suffix| [bucket.clone(), prefix.clone(), suffix]).collect()
}

fn same_pattern(
    source: &SourceConfig,
    rule: &ObjectConfig,
    owner: &SourceConfig,
    other: &ObjectConfig,
) -> Option<Diagnostic> {
    if source.name == owner.name {
        let message = format!("{} has this rule twice", quote(&source.name));
        let diagnostic = Diagnostic::new(Code::Shadowed, rule.span, message).also(other.span, "first here");
        return (rule.exclude == other.exclude).then_some(diagnostic);
    }
    let message = format!("{} and {} claim the same objects", quote(&owner.name), quote(&source.name));
    let label = format!("{} claims them here", quote(&owner.name));
    let help = "make one of the patterns longer, or exclude from one what belongs to the other";
    Some(Diagnostic::new(Code::SamePattern, rule.span, message).also(other.span, label).help(help))
}

/// Why no bucket is called that, and what to write.
fn bucket_fault(bucket: &Pattern) -> Option<(String, &'static str)> {
    /// Buckets of the early years have more characters and longer names than S3 allows today.
    const LONGEST: usize = 255;
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    if bucket.is_empty() {
        return Some(("no bucket has an empty name".to_owned(), "write `*` for any bucket"));
    }
    if let Some(other) = bucket.literals().flat_map(str::chars).find(|c| !allowed(*c)) {
        let message = format!("no bucket has {} in its name", quote(&other.to_string()));
        return Some((message, "write the bucket's name alone; the start of the key belongs in `prefix`"));
    }
    let length = bucket.shortest();
    (length > LONGEST)
        .then(|| (format!("no bucket's name is that long: {length} characters"), "write `*` for a part of it"))
}

/// Why no stream is called that.
fn stream_fault(stream: &Pattern) -> Option<String> {
    if stream.is_empty() {
        return Some("no stream has an empty name".to_owned());
    }
    let others: &[char] = if is_arn(stream) { &['.', '-', '_', ':', '/'] } else { &['.', '-', '_'] };
    let allowed = |c: char| c.is_ascii_alphanumeric() || others.contains(&c);
    let other = stream.literals().flat_map(str::chars).find(|c| !allowed(*c))?;
    Some(format!("no stream has {} in its name", quote(&other.to_string())))
}

/// Whether a pattern is about ARNs of streams, and not about their names.
pub(crate) fn is_arn(stream: &Pattern) -> bool {
    stream.literals().any(|text| text.contains(':'))
}
