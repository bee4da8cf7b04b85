//! The member names of an event that is a line of columns.

use regex::Regex;

use crate::config::{DecodeSpec, Format, JsonPath, PathRoot, Step, StepAction};

/// The possible member names of such an event: its columns, the groups they are split into, and fields that
/// `decode.steps` add.
pub(super) struct Columns<'c>(Vec<std::borrow::Cow<'c, str>>);

impl<'c> Columns<'c> {
    /// `None` if the columns are named only in the log itself, or if there are none.
    pub(super) fn of(decode: &'c DecodeSpec) -> Option<Self> {
        if decode.format.value != Format::Delimited || decode.columns.is_empty() {
            return None;
        }
        let mut names: Vec<_> = decode.columns.iter().map(|name| name.as_str().into()).collect();
        let split = decode.split_columns.iter().map(|(_, pattern)| pattern.as_str());
        let mut patterns: Vec<&str> = split.collect();
        let mut add = |place: &'c [String]| names.extend(place.first().map(|name| name.as_str().into()));
        for step in &decode.steps {
            match &step.action {
                StepAction::Move(places) | StepAction::Copy(places) => places.iter().for_each(|(_, to)| add(to)),
                StepAction::Nest(nest) => add(&nest.into),
                StepAction::Extract(extract) if extract.into.is_empty() => patterns.push(&extract.pattern),
                StepAction::Extract(extract) => add(&extract.into),
                StepAction::Discard(_)
                | StepAction::Each(_)
                | StepAction::Root(_)
                | StepAction::Parse(_)
                | StepAction::WindowsValues(_) => {}
            }
        }
        for pattern in patterns.into_iter().filter_map(|pattern| Regex::new(pattern).ok()) {
            names.extend(pattern.capture_names().flatten().map(|group| group.to_owned().into()));
        }
        Some(Self(names))
    }

    /// The names.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|name| &**name)
    }

    /// The member that a path reads, if no member has that name. Names that start with `_` are an envelope, a key, or a
    /// field after the last column, and are not checked.
    pub(super) fn lacks<'p>(&self, path: &'p JsonPath) -> Option<&'p str> {
        let (PathRoot::Document, Some([Step::Name(name), ..])) = (path.root, path.singular.as_deref()) else {
            return None;
        };
        let is_known = name.starts_with('_') || self.names().any(|known| known == name);
        (!is_known).then_some(name)
    }
}
