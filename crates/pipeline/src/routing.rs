//! Which source an event belongs to: the configuration of sources.
//!
//! The format is that of the AWS transformation library's `sources_config.json`. `mapping_file` may be left out where a
//! mapping config of the source's name is shipped; `preprocessor_module` is accepted and not needed, since `decode` of a
//! mapping config says how text becomes fields.

use serde::Deserialize;
use sources::Document;

use crate::source::{SHIPPED_MAPPINGS, Source, SourceError, shipped_mapping};

/// The configuration that applies where none is given.
pub const DEFAULT_SOURCES: &str = include_str!("../../../mapping-configs/sources.json");

/// A configuration of sources that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RoutingError {
    /// It is not JSON of the format.
    #[error("the configuration of sources: {0}")]
    Format(#[from] serde_json::Error),
    /// Two sources share a name.
    #[error("the configuration of sources names `{0}` twice")]
    Duplicate(String),
    /// No source is enabled.
    #[error("the configuration of sources enables no source")]
    Empty,
    /// A mapping config is neither given nor shipped.
    #[error(
        "source `{source_name}` has no mapping config: `{wanted}` was not found. Give the file, or name a shipped one \
         ({shipped})"
    )]
    NoMapping {
        /// The source.
        source_name: String,
        /// What was looked for.
        wanted: String,
        /// The names that are shipped.
        shipped: String,
    },
    /// A mapping config cannot be used.
    #[error(transparent)]
    Source(#[from] SourceError),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SourcesConfig {
    sources: Vec<SourceConfig>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SourceConfig {
    name: String,
    #[serde(default)]
    mapping_file: Option<String>,
    #[serde(default, rename = "preprocessor_module")]
    _preprocessor_module: Option<String>,
    input_paths: InputPaths,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct InputPaths {
    #[serde(default)]
    kinesis: Option<KinesisPath>,
    #[serde(default)]
    s3: Option<S3Path>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct KinesisPath {
    enabled: bool,
    #[serde(default)]
    metadata_field: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct S3Path {
    enabled: bool,
    source_buckets: Vec<SourceBucket>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SourceBucket {
    bucket_name: String,
    #[serde(default)]
    prefix: String,
}

/// The sources of a deployment and the rules that route events to them.
#[derive(Debug)]
pub struct Sources {
    sources: Vec<Source>,
    stream_rules: Vec<StreamRule>,
    object_rules: Vec<ObjectRule>,
}

#[derive(Debug)]
struct StreamRule {
    field: Option<String>,
    source: usize,
}

#[derive(Debug)]
struct ObjectRule {
    bucket: String,
    prefix: String,
    source: usize,
}

impl Sources {
    /// Reads a configuration of sources. `load` gives the text of a mapping config that is named by file or by source,
    /// or none where there is no such file.
    ///
    /// # Errors
    /// [`RoutingError`].
    pub fn from_text(text: &str, load: &dyn Fn(&str) -> Option<String>) -> Result<Self, RoutingError> {
        let config: SourcesConfig = serde_json::from_str(text)?;
        let mut sources = Sources { sources: Vec::new(), stream_rules: Vec::new(), object_rules: Vec::new() };
        for source in &config.sources {
            if sources.sources.iter().any(|known| known.name() == source.name) {
                return Err(RoutingError::Duplicate(source.name.clone()));
            }
            let stream = source.input_paths.kinesis.as_ref().filter(|path| path.enabled);
            let objects = source.input_paths.s3.as_ref().filter(|path| path.enabled);
            if stream.is_none() && objects.is_none() {
                continue;
            }
            let index = sources.sources.len();
            if let Some(stream) = stream {
                sources.stream_rules.push(StreamRule { field: stream.metadata_field.clone(), source: index });
            }
            for bucket in objects.iter().flat_map(|path| &path.source_buckets) {
                let prefix = bucket.prefix.trim_end_matches('*').to_owned();
                sources.object_rules.push(ObjectRule { bucket: bucket.bucket_name.clone(), prefix, source: index });
            }
            sources.sources.push(Source::new(&source.name, &mapping_text(source, load)?, load)?);
        }
        if sources.sources.is_empty() {
            return Err(RoutingError::Empty);
        }
        // The longest prefix wins, whatever the order of the file.
        sources.object_rules.sort_by_key(|rule| (std::cmp::Reverse(rule.prefix.len()), rule.source));
        Ok(sources)
    }

    /// All sources that are enabled.
    pub fn iter(&self) -> impl Iterator<Item = &Source> {
        self.sources.iter()
    }

    /// The source of all stream records, if there is one that no field of an event has to name.
    pub(crate) fn of_any_record(&self) -> Option<&Source> {
        match self.stream_rules.as_slice() {
            [StreamRule { field: None, source }] => Some(&self.sources[*source]),
            _ => None,
        }
    }

    /// The source of stream records that hold no JSON, if there is only one that takes stream records.
    pub(crate) fn of_other_formats(&self) -> Option<&Source> {
        match self.stream_rules.as_slice() {
            [only] => Some(&self.sources[only.source]),
            _ => None,
        }
    }

    /// The source of a stream record: the one whose name stands in its metadata field, else the only one there is.
    ///
    /// # Errors
    /// A message for quarantine that says what was looked for.
    pub fn of_event(&self, document: &Document<'_>) -> Result<&Source, String> {
        for rule in &self.stream_rules {
            let named = rule.field.as_deref().and_then(|field| document.get(document.root(), field));
            let source = &self.sources[rule.source];
            if named.and_then(|node| document.value(node).text()) == Some(source.name()) {
                return Ok(source);
            }
        }
        match self.stream_rules.as_slice() {
            [] => Err("no source takes stream records".to_owned()),
            [only] => self.only_stream_source(only, document),
            _ => Err("the event's metadata field names none of the configured sources".to_owned()),
        }
    }

    /// The agent's published configuration writes no metadata field; with one source there is nothing to choose.
    fn only_stream_source(&self, rule: &StreamRule, document: &Document<'_>) -> Result<&Source, String> {
        let named = rule.field.as_deref().and_then(|field| document.get(document.root(), field));
        match named.and_then(|node| document.value(node).text()) {
            Some(other) => Err(format!("the event names source `{other}`, which is not configured")),
            None => Ok(&self.sources[rule.source]),
        }
    }

    /// The source of an object by its bucket and key; the longest matching prefix wins.
    pub fn of_object(&self, bucket: &str, key: &str) -> Option<&Source> {
        let matches =
            |rule: &&ObjectRule| (rule.bucket == "*" || rule.bucket == bucket) && key.starts_with(&rule.prefix);
        self.object_rules.iter().find(matches).map(|rule| &self.sources[rule.source])
    }
}

fn mapping_text(source: &SourceConfig, load: &dyn Fn(&str) -> Option<String>) -> Result<String, RoutingError> {
    let file = source.mapping_file.as_deref();
    let own_file = format!("{}.json", source.name);
    let found = match file {
        Some(file) => load(file).or_else(|| shipped_mapping(file.trim_end_matches(".json")).map(str::to_owned)),
        None => load(&own_file).or_else(|| shipped_mapping(&source.name).map(str::to_owned)),
    };
    found.ok_or_else(|| RoutingError::NoMapping {
        source_name: source.name.clone(),
        wanted: file.unwrap_or(&own_file).to_owned(),
        shipped: SHIPPED_MAPPINGS.map(|(name, _)| name).join(", "),
    })
}
