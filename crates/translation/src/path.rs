//! Paths of columns in a dialect map: `src_endpoint.ip`, `resources[].uid`, `unmapped['key']`,
//! `service -> $.action.portprobedetails[*].port`.

use std::fmt;

use sql::types::ColumnType;

/// A path from a row to a value.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct ColumnPath {
    /// The column first.
    pub(crate) steps: Vec<PathStep>,
    /// What follows within JSON text.
    pub(crate) json: Vec<JsonStep>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum PathStep {
    Field(String),
    Each,
    Index(u32),
    Key(String),
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum JsonStep {
    Key(String),
    Each,
    Index(u32),
}

/// A text that is not a column path. Each variant holds the text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PathError {
    #[error("a name is missing in `{0}`")]
    NoName(String),
    #[error("`[]` or `['key']` is expected in `{0}`")]
    NoElement(String),
    #[error("`.` is expected in `{0}`")]
    NoDot(String),
    #[error("a JSON path begins with `$` in `{0}`")]
    NoRoot(String),
    #[error("a key is missing in `{0}`")]
    NoKey(String),
    #[error("`.key` or `[*]` is expected in `{0}`")]
    NoStep(String),
    #[error("a JSON path names a key in `{0}`")]
    Empty(String),
}

impl ColumnPath {
    pub(crate) fn parse(text: &str) -> Result<Self, PathError> {
        let (columns, json) = match text.split_once("->") {
            Some((columns, json)) => (columns.trim(), Some(json.trim())),
            None => (text.trim(), None),
        };
        let mut steps = Vec::new();
        let mut rest = columns;
        loop {
            let end = rest.find(['.', '[']).unwrap_or(rest.len());
            let (name, after) = rest.split_at(end);
            if name.is_empty() {
                return Err(PathError::NoName(text.to_owned()));
            }
            steps.push(PathStep::Field(name.to_owned()));
            rest = after;
            while let Some(bracket) = rest.strip_prefix('[') {
                if let Some(after) = bracket.strip_prefix(']') {
                    steps.push(PathStep::Each);
                    rest = after;
                } else if let Some((key, after)) = bracket.strip_prefix('\'').and_then(|key| key.split_once("']")) {
                    steps.push(PathStep::Key(key.to_owned()));
                    rest = after;
                } else {
                    return Err(PathError::NoElement(text.to_owned()));
                }
            }
            match rest.strip_prefix('.') {
                Some(after) => rest = after,
                None if rest.is_empty() => break,
                None => return Err(PathError::NoDot(text.to_owned())),
            }
        }
        Ok(Self { steps, json: json.map(|json| json_steps(json, text)).transpose()?.unwrap_or_default() })
    }

    /// The path of something below this place.
    pub(crate) fn join(&self, below: &Self) -> Self {
        let steps = self.steps.iter().chain(&below.steps).cloned().collect();
        Self { steps, json: below.json.clone() }
    }

    /// The names alone, as OCSF's attribute paths have them.
    pub(crate) fn attribute_path(&self) -> String {
        let names: Vec<&str> = self
            .steps
            .iter()
            .filter_map(|step| match step {
                PathStep::Field(name) => Some(name.as_str()),
                _ => None,
            })
            .collect();
        names.join(".")
    }

    /// The type that a table has there, with elements of arrays where the path ends on an array of scalars.
    pub(crate) fn resolve(&self, column: impl Fn(&str) -> Option<ColumnType>) -> Option<(Self, ColumnType)> {
        let mut steps = self.steps.iter();
        let Some(PathStep::Field(name)) = steps.next() else { return None };
        let mut found = column(name)?;
        for step in steps {
            found = match (step, found) {
                (PathStep::Field(name), row @ ColumnType::Row(_)) => row.field(name)?.clone(),
                (PathStep::Each | PathStep::Index(_), ColumnType::Array(element)) => *element,
                (PathStep::Key(_), ColumnType::Map(key, value)) if *key == ColumnType::Varchar => *value,
                _ => return None,
            };
        }
        if !self.json.is_empty() {
            return matches!(found, ColumnType::Varchar | ColumnType::Json)
                .then(|| (self.clone(), ColumnType::Varchar));
        }
        Some((self.clone(), found))
    }
}

fn json_steps(json: &str, text: &str) -> Result<Vec<JsonStep>, PathError> {
    let mut rest = json.strip_prefix('$').ok_or_else(|| PathError::NoRoot(text.to_owned()))?;
    let mut steps = Vec::new();
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix("[*]") {
            steps.push(JsonStep::Each);
            rest = after;
        } else if let Some(after) = rest.strip_prefix('.') {
            let end = after.find(['.', '[']).unwrap_or(after.len());
            if end == 0 {
                return Err(PathError::NoKey(text.to_owned()));
            }
            steps.push(JsonStep::Key(after[..end].to_owned()));
            rest = &after[end..];
        } else {
            return Err(PathError::NoStep(text.to_owned()));
        }
    }
    if steps.is_empty() { Err(PathError::Empty(text.to_owned())) } else { Ok(steps) }
}

impl fmt::Display for ColumnPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, step) in self.steps.iter().enumerate() {
            match step {
                PathStep::Field(name) if place == 0 => f.write_str(name)?,
                PathStep::Field(name) => write!(f, ".{name}")?,
                PathStep::Each => f.write_str("[]")?,
                PathStep::Index(index) => write!(f, "[{index}]")?,
                PathStep::Key(key) => write!(f, "['{key}']")?,
            }
        }
        if !self.json.is_empty() {
            f.write_str(" -> $")?;
        }
        for step in &self.json {
            match step {
                JsonStep::Key(key) => write!(f, ".{key}")?,
                JsonStep::Each => f.write_str("[*]")?,
                JsonStep::Index(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_a_path_reads_back() {
        for text in [
            "time",
            "src_endpoint.ip",
            "resources[].owner.account.uid",
            "malware[].cves[].cvss[].base_score",
            "unmapped['requestParameters.bucket name']",
            "service -> $.action.portprobeaction.portprobedetails[*].localportdetails.port",
        ] {
            assert_eq!(ColumnPath::parse(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_is_no_path_is_said() {
        for (text, message) in [
            ("", "a name is missing in ``"),
            ("a..b", "a name is missing in `a..b`"),
            ("a[0]", "`[]` or `['key']` is expected in `a[0]`"),
            ("a[]b", "`.` is expected in `a[]b`"),
            ("a -> b", "a JSON path begins with `$` in `a -> b`"),
            ("a -> $", "a JSON path names a key in `a -> $`"),
            ("a -> $..b", "a key is missing in `a -> $..b`"),
        ] {
            assert_eq!(ColumnPath::parse(text).unwrap_err().to_string(), message);
        }
    }
}
