//! The JSON of a map: its form, and what is made of it.

use std::collections::BTreeMap;

use ocsf::schema::{Schema, Version};
use serde::Deserialize;
use serde::de::IgnoredAny;
use sql::dialect::Dialect;

use super::check::{Attributes, Check};
use super::{Constant, DialectMap, Family, Kind, MapError, Object, Observable, Placement, Reference, Source, kept};
use crate::path::{ColumnPath, PathError};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MapFile {
    // What `Dialect` reads of the same text is ignored here.
    #[serde(rename = "$schema", default)]
    _schema: Option<String>,
    dialect: String,
    #[serde(default)]
    description: String,
    #[serde(default)]
    ocsf: Option<String>,
    #[serde(default)]
    columns: serde_json::Map<String, serde_json::Value>,
    #[serde(rename = "recognized_by", default)]
    _recognized_by: IgnoredAny,
    #[serde(rename = "time")]
    _time: IgnoredAny,
    #[serde(rename = "partitions", default)]
    _partitions: IgnoredAny,
    #[serde(default)]
    count: Option<String>,
    #[serde(default)]
    observables: Option<String>,
    #[serde(default)]
    kept: Vec<String>,
    objects: serde_json::Map<String, serde_json::Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ObjectFile {
    #[serde(default)]
    passthrough: bool,
    #[serde(default)]
    addresses: Option<Family>,
    #[serde(default)]
    observables: BTreeMap<String, Observable>,
    #[serde(default)]
    placements: Vec<PlacementFile>,
    #[serde(default)]
    at: Vec<String>,
    #[serde(default)]
    properties: BTreeMap<String, OneOrMany>,
    #[serde(default)]
    references: BTreeMap<String, ReferenceFile>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PlacementFile {
    #[serde(default)]
    at: Vec<String>,
    #[serde(default)]
    properties: BTreeMap<String, OneOrMany>,
    #[serde(default)]
    references: BTreeMap<String, ReferenceFile>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ReferenceFile {
    object: TextOrTexts,
    at: String,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum TextOrTexts {
    One(String),
    Many(Vec<String>),
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    Many(Vec<SourceFile>),
    One(SourceFile),
}

#[derive(Deserialize)]
#[serde(untagged)]
enum SourceFile {
    Path(String),
    Full(FullSource),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FullSource {
    #[serde(default)]
    path: Option<String>,
    #[serde(default)]
    first: Vec<String>,
    #[serde(default, rename = "where")]
    filter: BTreeMap<String, Constant>,
    #[serde(default)]
    kind: Option<Kind>,
    #[serde(default, rename = "type")]
    cast: Option<String>,
}

impl DialectMap {
    /// Reads and checks a map.
    pub fn from_json(text: &str) -> Result<Self, MapError> {
        let file: MapFile = serde_json::from_str(text).map_err(|e| MapError::Form(e.to_string()))?;
        let inconsistent = |problem: String| MapError::Inconsistent { dialect: file.dialect.clone(), problem };
        let mut columns = Vec::new();
        for (name, column_type) in &file.columns {
            let text = column_type.as_str().ok_or_else(|| inconsistent(format!("the type of {name} is no text")))?;
            columns.push((name.clone(), text.parse().map_err(|e| inconsistent(format!("column {name}: {e}")))?));
        }
        let schema = match &file.ocsf {
            Some(version) => Some(Schema::get(version.parse::<Version>().map_err(|e| inconsistent(e.to_string()))?)),
            None => None,
        };
        let mut objects = BTreeMap::new();
        for (name, value) in &file.objects {
            let object: ObjectFile =
                serde_json::from_value(value.clone()).map_err(|e| inconsistent(format!("object {name}: {e}")))?;
            objects
                .insert(name.clone(), Object::build(object).map_err(|p| inconsistent(format!("object {name}: {p}")))?);
        }
        let time_and_partitions = Dialect::from_json(text).map_err(|error| inconsistent(error.to_string()))?;
        let mut map = Self {
            description: file.description.clone(),
            dialect: time_and_partitions,
            count: file.count.clone(),
            observables: file.observables.clone(),
            objects,
            columns: Vec::new(),
            schema,
            kept: kept(&file.dialect, &file.kept),
        };
        let attributes = schema.map(Attributes::new);
        Check { dialect: &file.dialect, attributes: attributes.as_ref(), columns: &columns }.check(&mut map)?;
        map.columns = match &attributes {
            Some(attributes) => map.columns_of_schema(attributes, columns),
            None => columns,
        };
        Ok(map)
    }
}

/// An entry under `objects` that cannot be used.
#[derive(Debug, thiserror::Error)]
enum ObjectError {
    #[error(transparent)]
    Path(#[from] PathError),
    #[error(transparent)]
    Type(#[from] sql::types::TypeError),
    #[error("a source has neither `path` nor `first`")]
    NoPath,
}

impl Object {
    fn build(file: ObjectFile) -> Result<Self, ObjectError> {
        let mut placements = file.placements;
        if !file.properties.is_empty() || !file.references.is_empty() {
            placements.push(PlacementFile { at: file.at, properties: file.properties, references: file.references });
        }
        Ok(Self {
            placements: placements.into_iter().map(Placement::build).collect::<Result<_, _>>()?,
            observables: file.observables,
            family: file.addresses,
            passthrough: file.passthrough,
        })
    }
}

impl Placement {
    fn build(file: PlacementFile) -> Result<Self, ObjectError> {
        let at = if file.at.is_empty() {
            vec![None]
        } else {
            file.at.iter().map(|at| place(at)).collect::<Result<_, _>>()?
        };
        let mut properties = BTreeMap::new();
        for (name, sources) in file.properties {
            let sources = match sources {
                OneOrMany::One(source) => vec![source],
                OneOrMany::Many(sources) => sources,
            };
            let sources = sources.into_iter().map(Source::build).collect::<Result<_, _>>()?;
            properties.insert(name, sources);
        }
        let mut references = BTreeMap::new();
        for (name, reference) in file.references {
            let objects = match reference.object {
                TextOrTexts::One(object) => vec![object],
                TextOrTexts::Many(objects) => objects,
            };
            references.insert(name, Reference { objects, at: place(&reference.at)? });
        }
        Ok(Self { at, properties, references })
    }
}

pub(super) fn place(text: &str) -> Result<Option<ColumnPath>, PathError> {
    if text == "." { Ok(None) } else { ColumnPath::parse(text).map(Some) }
}

impl Source {
    fn build(file: SourceFile) -> Result<Self, ObjectError> {
        let full = match file {
            SourceFile::Path(path) => {
                return Ok(Self { paths: vec![ColumnPath::parse(&path)?], filter: Vec::new(), kind: None, cast: None });
            }
            SourceFile::Full(full) => full,
        };
        let paths: Vec<ColumnPath> =
            full.path.iter().chain(&full.first).map(|path| ColumnPath::parse(path)).collect::<Result<_, _>>()?;
        if paths.is_empty() {
            return Err(ObjectError::NoPath);
        }
        let cast = full.cast.map(|cast| cast.parse()).transpose()?;
        Ok(Self { paths, filter: full.filter.into_iter().collect(), kind: full.kind, cast })
    }
}
