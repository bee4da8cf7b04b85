//! A sources file as values, each with its place.

use diagnostics::json::Node;
use diagnostics::{Span, Spanned};

use super::pattern::Pattern;

/// The sources of a file, in its order.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    pub(crate) sources: Vec<SourceConfig>,
    /// Where the list of sources stands.
    pub(crate) span: Span,
}

/// A source and the rules that bring it records.
#[derive(Clone, Debug)]
pub(crate) struct SourceConfig {
    pub(crate) name: Spanned<String>,
    pub(crate) mapping_file: Option<Spanned<String>>,
    /// The AWS library's preprocessor, which Sluice has a stand-in for where a mapping config has no `decode`.
    pub(crate) preprocessor: Option<String>,
    /// The rule over stream records; none where it is not enabled.
    pub(crate) stream: Option<StreamConfig>,
    /// The rules over objects; none where they are not enabled.
    pub(crate) objects: Option<Spanned<Vec<ObjectConfig>>>,
}

/// A rule over stream records.
#[derive(Clone, Debug)]
pub(crate) struct StreamConfig {
    pub(crate) span: Span,
    pub(crate) metadata_field: Option<Spanned<String>>,
    pub(crate) stream: Option<Spanned<Pattern>>,
    pub(crate) when: Option<Node>,
}

/// A rule over objects.
#[derive(Clone, Debug)]
pub(crate) struct ObjectConfig {
    pub(crate) span: Span,
    pub(crate) bucket: Spanned<Pattern>,
    pub(crate) prefix: Spanned<Pattern>,
    /// One of them must match; empty where any end will do.
    pub(crate) suffixes: Vec<Spanned<Pattern>>,
    pub(crate) exclude: Vec<Spanned<Pattern>>,
}

impl SourceConfig {
    /// Whether it takes anything.
    pub(crate) fn is_enabled(&self) -> bool {
        self.stream.is_some() || self.objects.is_some()
    }

    /// The name of its mapping config and the place that says so.
    pub(crate) fn mapping(&self) -> Spanned<String> {
        match &self.mapping_file {
            Some(file) => file.clone(),
            None => Spanned::new(format!("{}.json", self.name.value), self.name.span),
        }
    }
}
