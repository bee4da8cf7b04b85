//! Dialect maps: which columns hold what a STIX pattern speaks of.
//!
//! A map is a JSON file of `/dialect-maps`; `dialect-map.schema.json` there describes its form, and docs/stix-translation.md
//! explains it. A map of OCSF events is checked against the schema when it is read, any other against the columns that it
//! declares itself: a path that does not exist is an error, with the nearest that does.

mod check;
mod columns;
mod file;

use std::collections::{BTreeMap, BTreeSet};

use ocsf::schema::{Attribute, Schema};
use serde::{Deserialize, Serialize};
use sql::dialect::{Dialect, TimeSpan};
use sql::table::{Layout, Table};
use sql::text::Sql;
use sql::types::ColumnType;
use stix::bundle::ResultsMap;

use crate::path::{ColumnPath, PathStep};

pub(crate) use check::Attributes;

/// The maps that are at hand, by the name of their dialect.
#[derive(Debug, Clone)]
pub struct DialectMaps(BTreeMap<String, DialectMap>);

impl DialectMaps {
    /// The maps that are part of the program.
    pub fn embedded() -> Result<Self, MapError> {
        let mut maps = Self(BTreeMap::new());
        for text in sql::dialect::SHIPPED {
            maps.insert(DialectMap::from_json(text)?);
        }
        Ok(maps)
    }

    /// No maps.
    pub fn empty() -> Self {
        Self(BTreeMap::new())
    }

    /// Takes a map in, in the place of one of the same dialect.
    pub fn insert(&mut self, map: DialectMap) {
        self.0.insert(map.dialect().to_owned(), map);
    }

    /// The map of a dialect.
    pub fn get(&self, dialect: &str) -> Option<&DialectMap> {
        self.0.get(dialect)
    }

    /// All maps, ordered by name.
    pub fn iter(&self) -> impl Iterator<Item = &DialectMap> {
        self.0.values()
    }
}

/// One map, checked.
#[derive(Debug, Clone)]
pub struct DialectMap {
    description: String,
    /// Its name, and where the time of an event stands.
    pub(crate) dialect: Dialect,
    pub(crate) count: Option<String>,
    pub(crate) observables: Option<String>,
    objects: BTreeMap<String, Object>,
    columns: Vec<(String, ColumnType)>,
    /// Of a map of OCSF events.
    schema: Option<&'static Schema>,
    /// What of a row findings and bundles are made of; empty where the map does not say it.
    kept: Vec<Vec<String>>,
}

/// A property of a STIX object, and where rows hold it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MappedProperty {
    /// The object's type, as `ipv4-addr`.
    pub object: String,
    /// The property, as `value`.
    pub property: String,
    /// Paths of columns, of which any may hold it; `or` joins those of which a table has one.
    pub columns: Vec<String>,
}

#[derive(Debug, Clone)]
pub(crate) struct Object {
    pub(crate) placements: Vec<Placement>,
    pub(crate) observables: BTreeMap<String, Observable>,
    pub(crate) family: Option<Family>,
    passthrough: bool,
}

/// A place where an object of some type stands in an event.
#[derive(Debug, Clone)]
pub(crate) struct Placement {
    /// `None` is the event itself.
    pub(crate) at: Vec<Option<ColumnPath>>,
    pub(crate) properties: BTreeMap<String, Vec<Source>>,
    pub(crate) references: BTreeMap<String, Reference>,
}

#[derive(Debug, Clone)]
pub(crate) struct Reference {
    pub(crate) objects: Vec<String>,
    pub(crate) at: Option<ColumnPath>,
}

/// A column of a property: the first of several that a table has.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    pub(crate) paths: Vec<ColumnPath>,
    pub(crate) filter: Vec<(String, Constant)>,
    pub(crate) kind: Option<Kind>,
    pub(crate) cast: Option<ColumnType>,
}

/// What the values of a column are, where the type alone does not say it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Kind {
    /// Text that is compared without regard to case: hashes, domain names, MAC addresses.
    Folded,
    /// An IPv4 or IPv6 address.
    Address,
    /// A network in CIDR notation.
    Network,
    /// Milliseconds since 1970.
    Milliseconds,
    /// Seconds since 1970.
    Seconds,
    /// An ISO 8601 text.
    Iso8601,
    /// A number of IANA's protocol registry.
    ProtocolNumber,
    /// A name of it.
    ProtocolName,
    /// The version of IP: 4 or 6, `IPv4` or `IPv6`.
    ProtocolVersion,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Family {
    Ipv4,
    Ipv6,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(untagged)]
pub(crate) enum Constant {
    Integer(i64),
    Text(String),
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Observable {
    pub(crate) type_ids: Vec<i64>,
    #[serde(default)]
    pub(crate) length: Option<i64>,
}

/// A map that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MapError {
    /// The text is not JSON of a map's form.
    #[error("the dialect map is not of the form that dialect-map.schema.json describes: {0}")]
    Form(String),
    /// A path names no column.
    #[error("dialect map {dialect}: {property}: `{path}` is no {of}{}", suggestion.as_deref().map(|s| format!("; is `{s}` meant?")).unwrap_or_default())]
    UnknownPath {
        /// The map.
        dialect: String,
        /// The STIX path.
        property: String,
        /// The path of columns.
        path: String,
        /// What it is not: an attribute of OCSF, a column of the map.
        of: String,
        /// The nearest path that exists.
        suggestion: Option<String>,
    },
    /// Something else contradicts itself.
    #[error("dialect map {dialect}: {problem}")]
    Inconsistent {
        /// The map.
        dialect: String,
        /// What is wrong.
        problem: String,
    },
}

impl DialectMap {
    /// The dialect's name.
    pub fn dialect(&self) -> &str {
        self.dialect.name()
    }

    /// What the map says of itself.
    pub fn description(&self) -> &str {
        &self.description
    }

    /// The values that OCSF allows an attribute, whose path has no `[]`; `None` if some class allows any.
    pub(crate) fn allowed_values(&self, path: &str) -> Option<Vec<i64>> {
        let mut allowed = BTreeSet::new();
        for attribute in self.attributes_at(path) {
            let values = attribute.enumeration?.integers();
            if values.is_empty() {
                return None;
            }
            allowed.extend(values.iter().map(|(value, _)| *value));
        }
        (!allowed.is_empty()).then(|| allowed.into_iter().collect())
    }

    /// The texts that OCSF has for the values of the enumeration beside an attribute: `High` of `severity`.
    pub(crate) fn captions(&self, path: &str) -> Vec<&'static str> {
        let Some(name) = path.rsplit('.').next() else { return Vec::new() };
        let coded = format!("{path}_id");
        let enumerated = self.attributes_at(&coded);
        let of_name = enumerated.filter(|attribute| attribute.sibling == Some(name));
        let captions = of_name.filter_map(|attribute| attribute.enumeration).flat_map(|e| e.integers());
        captions.map(|(_, caption)| *caption).collect::<BTreeSet<_>>().into_iter().collect()
    }

    fn attributes_at(&self, path: &str) -> impl Iterator<Item = &'static Attribute> {
        let classes =
            self.schema.into_iter().flat_map(|schema| schema.classes().iter().map(move |class| (schema, class)));
        classes.filter_map(move |(schema, class)| schema.attribute_at(class, path))
    }

    /// A table with every column that the map knows: what a pattern would ask if no real table is at hand.
    pub fn table(&self, database: &str, name: &str) -> Table {
        Table {
            database: database.to_owned(),
            name: name.to_owned(),
            columns: self.columns.clone(),
            layout: Layout::Plain,
            dialect: self.dialect().to_owned(),
        }
    }

    /// Every STIX path that the map knows, as `ipv4-addr:value`, without references.
    pub fn properties(&self) -> impl Iterator<Item = String> {
        self.objects.iter().flat_map(|(object, definition)| {
            let names = definition.placements.iter().flat_map(|p| p.properties.keys()).collect::<BTreeSet<_>>();
            names.into_iter().map(move |property| format!("{object}:{property}"))
        })
    }

    /// Every property with the columns that it is looked for in, ordered by object and property.
    ///
    /// ```
    /// let maps = translation::DialectMaps::embedded()?;
    /// let flow = maps.get("vpcflow").unwrap().mapped_properties();
    /// let port = flow.iter().find(|of| of.object == "network-traffic" && of.property == "dst_port").unwrap();
    /// assert_eq!(port.columns, ["dstport or destinationport"]);
    /// # Ok::<(), translation::MapError>(())
    /// ```
    pub fn mapped_properties(&self) -> Vec<MappedProperty> {
        let mut found: Vec<MappedProperty> = Vec::new();
        let mut add = |object: &str, property: &str, column: String| {
            let known = found.iter_mut().find(|of| of.object == object && of.property == property);
            match known {
                Some(of) if of.columns.contains(&column) => {}
                Some(of) => of.columns.push(column),
                None => found.push(MappedProperty {
                    object: object.to_owned(),
                    property: property.to_owned(),
                    columns: vec![column],
                }),
            }
        };
        for (object, definition) in &self.objects {
            if definition.passthrough {
                add(object, "…", "the column of that path".to_owned());
            }
            for placement in &definition.placements {
                for at in &placement.at {
                    let below = |path: &ColumnPath| at.as_ref().map_or_else(|| path.clone(), |at| at.join(path));
                    for (property, sources) in &placement.properties {
                        for source in sources {
                            let paths: Vec<String> = source.paths.iter().map(|path| below(path).to_string()).collect();
                            add(object, property, paths.join(" or "));
                        }
                    }
                    for (property, target) in &placement.references {
                        let place = joined(at.as_ref(), target.at.as_ref());
                        let place = place.map_or_else(|| "the event".to_owned(), |path| path.to_string());
                        add(object, property, format!("{} at {place}", target.objects.join(", ")));
                    }
                }
            }
            for property in definition.observables.keys() {
                if let Some(observables) = &self.observables {
                    add(object, property, format!("else {observables}[]"));
                }
            }
        }
        found.sort_by(|a, b| (&a.object, &a.property).cmp(&(&b.object, &b.property)));
        found
    }

    /// Whether a table has partitions that statements of a time can leave unread.
    pub fn is_partitioned(&self, table: &Table) -> bool {
        self.dialect.partitions(table, TimeSpan::of_milliseconds(0, 1), 0, &Sql::name).is_some()
    }

    /// What of a row findings and bundles are made of: paths of columns and their fields.
    pub(crate) fn kept(&self) -> &[Vec<String>] {
        &self.kept
    }

    pub(crate) fn object(&self, name: &str) -> Option<&Object> {
        self.objects.get(name)
    }

    /// The known path that is nearest to an unknown one.
    pub(crate) fn suggestion(&self, path: &str) -> Option<String> {
        let nearest = self.properties().map(|known| (strsim::damerau_levenshtein(&known, path), known)).min()?;
        (nearest.0 <= 3).then_some(nearest.1)
    }
}

/// The paths that a map names for findings, with those that bundles of the dialect are made of.
fn kept(dialect: &str, named: &[String]) -> Vec<Vec<String>> {
    let bundles = ResultsMap::shipped(dialect);
    let of_bundles = bundles.iter().flat_map(ResultsMap::paths);
    let named = named.iter().map(|path| path.split('.').collect::<Vec<_>>());
    let owned = |path: Vec<&str>| path.into_iter().map(str::to_owned).collect::<Vec<_>>();
    named.chain(of_bundles).filter(|path| !path.is_empty()).map(owned).collect()
}

/// The path of another field of the same element.
pub(crate) fn sibling(path: &ColumnPath, field: &str) -> ColumnPath {
    let mut steps = path.steps.clone();
    while steps.len() > 1 && !matches!(steps.last(), Some(PathStep::Each)) {
        steps.pop();
    }
    steps.push(PathStep::Field(field.to_owned()));
    ColumnPath { steps, json: Vec::new() }
}

impl Object {
    /// Whether paths of the pattern are paths of columns.
    pub(crate) fn is_passthrough(&self) -> bool {
        self.passthrough
    }
}

pub(crate) fn joined(at: Option<&ColumnPath>, below: Option<&ColumnPath>) -> Option<ColumnPath> {
    match (at, below) {
        (Some(at), Some(below)) => Some(at.join(below)),
        (at, below) => at.or(below).cloned(),
    }
}
