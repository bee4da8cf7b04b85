//! Dialect maps: which columns hold what a STIX pattern speaks of.
//!
//! A map is a JSON file of `/dialect-maps`; `dialect-map.schema.json` there describes its form, and docs/stix-translation.md
//! explains it. A map of OCSF events is checked against the schema when it is read, any other against the columns that it
//! declares itself: a path that does not exist is an error, with the nearest that does.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use ocsf::schema::{Attribute, AttributeKind, ScalarType, Schema, Version};
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use sql::dialect::{Dialect, TimeSpan};
use sql::table::{Layout, Table};
use sql::text::Sql;
use sql::types::ColumnType;
use stix::bundle::ResultsMap;

use crate::path::{ColumnPath, PathStep};

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

    /// The columns that the map's paths speak of, typed by the schema.
    fn columns_of_schema(&self, schema: &Attributes, declared: Vec<(String, ColumnType)>) -> Vec<(String, ColumnType)> {
        let mut tree = Tree::default();
        for object in self.objects.values() {
            for placement in &object.placements {
                for at in &placement.at {
                    for source in placement.properties.values().flatten() {
                        for path in &source.paths {
                            let path = at.as_ref().map_or_else(|| path.clone(), |at| at.join(path));
                            tree.add(schema, &path);
                            for (field, _) in &source.filter {
                                tree.add(schema, &sibling(&path, field));
                            }
                        }
                    }
                }
            }
        }
        for name in ["time", "time_dt", "count", "class_uid", "class_name", "category_uid", "message"] {
            tree.add(schema, &ColumnPath { steps: vec![PathStep::Field(name.to_owned())], json: Vec::new() });
        }
        for name in ["name", "type", "type_id", "value"] {
            let steps = ["observables", name].map(|n| PathStep::Field(n.to_owned()));
            tree.add(
                schema,
                &ColumnPath { steps: vec![steps[0].clone(), PathStep::Each, steps[1].clone()], json: vec![] },
            );
        }
        let mut columns: Vec<(String, ColumnType)> =
            tree.members.into_iter().map(|(name, member)| (name, member.column_type())).collect();
        for (name, column_type) in declared {
            columns.retain(|(column, _)| *column != name);
            columns.push((name, column_type));
        }
        columns
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

/// Names with what is below them.
#[derive(Default)]
struct Tree {
    members: BTreeMap<String, Tree>,
    scalar: Option<ColumnType>,
    is_array: bool,
}

impl Tree {
    fn add(&mut self, schema: &Attributes, path: &ColumnPath) {
        let names = path.attribute_path();
        let mut at = self;
        let mut so_far = String::new();
        for name in names.split('.') {
            so_far = if so_far.is_empty() { name.to_owned() } else { format!("{so_far}.{name}") };
            let attribute = schema.at(&so_far);
            let Some(attribute) = attribute else { return };
            at = at.members.entry(name.to_owned()).or_default();
            at.is_array = attribute.is_array;
            at.scalar = attribute.scalar().map(column_type_of);
        }
    }

    fn column_type(self) -> ColumnType {
        let inner = match self.scalar {
            Some(scalar) => scalar,
            None if self.members.is_empty() => {
                ColumnType::Map(Box::new(ColumnType::Varchar), Box::new(ColumnType::Varchar))
            }
            None => ColumnType::Row(self.members.into_iter().map(|(name, tree)| (name, tree.column_type())).collect()),
        };
        if self.is_array { ColumnType::Array(Box::new(inner)) } else { inner }
    }
}

pub(crate) fn column_type_of(scalar: ScalarType) -> ColumnType {
    match scalar {
        ScalarType::Boolean => ColumnType::Boolean,
        ScalarType::Integer | ScalarType::Port => ColumnType::Integer,
        ScalarType::Long | ScalarType::Timestamp => ColumnType::Bigint,
        ScalarType::Float => ColumnType::Double,
        ScalarType::Datetime => ColumnType::Timestamp,
        _ => ColumnType::Varchar,
    }
}

/// The kind that OCSF's type of an attribute speaks of.
fn kind_of(scalar: ScalarType) -> Option<Kind> {
    match scalar {
        ScalarType::FileHash | ScalarType::Hostname | ScalarType::Mac => Some(Kind::Folded),
        ScalarType::Ip => Some(Kind::Address),
        ScalarType::Subnet => Some(Kind::Network),
        ScalarType::Timestamp => Some(Kind::Milliseconds),
        _ => None,
    }
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
    fn build(file: ObjectFile) -> Result<Self, String> {
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

    /// Whether paths of the pattern are paths of columns.
    pub(crate) fn is_passthrough(&self) -> bool {
        self.passthrough
    }
}

impl Placement {
    fn build(file: PlacementFile) -> Result<Self, String> {
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

fn place(text: &str) -> Result<Option<ColumnPath>, String> {
    if text == "." { Ok(None) } else { ColumnPath::parse(text).map(Some) }
}

impl Source {
    fn build(file: SourceFile) -> Result<Self, String> {
        let full = match file {
            SourceFile::Path(path) => {
                return Ok(Self { paths: vec![ColumnPath::parse(&path)?], filter: Vec::new(), kind: None, cast: None });
            }
            SourceFile::Full(full) => full,
        };
        let paths: Vec<ColumnPath> =
            full.path.iter().chain(&full.first).map(|path| ColumnPath::parse(path)).collect::<Result<_, _>>()?;
        if paths.is_empty() {
            return Err("a source has neither `path` nor `first`".to_owned());
        }
        let cast = full.cast.map(|cast| cast.parse()).transpose().map_err(|e: sql::types::TypeError| e.to_string())?;
        Ok(Self { paths, filter: full.filter.into_iter().collect(), kind: full.kind, cast })
    }
}

/// The attributes of a version by their paths, each looked up once.
pub(crate) struct Attributes {
    schema: &'static Schema,
    known: RefCell<HashMap<String, Option<&'static Attribute>>>,
}

impl Attributes {
    pub(crate) fn new(schema: &'static Schema) -> Self {
        Self { schema, known: RefCell::default() }
    }

    /// The attribute that some class has there.
    pub(crate) fn at(&self, names: &str) -> Option<&'static Attribute> {
        if let Some(known) = self.known.borrow().get(names) {
            return *known;
        }
        let found = self.schema.classes().iter().find_map(|class| self.schema.attribute_at(class, names));
        self.known.borrow_mut().insert(names.to_owned(), found);
        found
    }
}

struct Check<'a> {
    dialect: &'a str,
    attributes: Option<&'a Attributes>,
    columns: &'a [(String, ColumnType)],
}

impl Check<'_> {
    /// Every path exists, and kinds follow from OCSF's types.
    fn check(&self, map: &mut DialectMap) -> Result<(), MapError> {
        let objects = map.objects.clone();
        for (name, object) in &mut map.objects {
            for placement in &mut object.placements {
                for at in placement.at.iter().flatten() {
                    self.exists(&format!("{name} at"), at)?;
                }
                for (property, sources) in &mut placement.properties {
                    for source in sources {
                        for at in &placement.at {
                            for path in &source.paths {
                                let path = at.as_ref().map_or_else(|| path.clone(), |at| at.join(path));
                                let kind = self.exists(&format!("{name}:{property}"), &path)?;
                                source.kind = source.kind.or(kind);
                                if !source.filter.is_empty() && !path.steps.contains(&PathStep::Each) {
                                    let problem = format!("{name}:{property}: `where` needs an array in `{path}`");
                                    return Err(MapError::Inconsistent { dialect: self.dialect.to_owned(), problem });
                                }
                                for (field, _) in &source.filter {
                                    self.exists(&format!("{name}:{property}"), &sibling(&path, field))?;
                                }
                            }
                        }
                    }
                }
                for (reference, target) in &placement.references {
                    for object in &target.objects {
                        let known = objects.get(object).is_some_and(|object| {
                            placement.at.iter().any(|at| {
                                let at = joined(at.as_ref(), target.at.as_ref());
                                object.placements.iter().any(|placement| placement.at.contains(&at))
                            })
                        });
                        if !known {
                            let problem = format!("{name}:{reference}: {object} has no placement there");
                            return Err(MapError::Inconsistent { dialect: self.dialect.to_owned(), problem });
                        }
                    }
                }
            }
        }
        let others = map.count.iter().chain(&map.observables).map(String::as_str);
        for column in map.dialect.time_columns().chain(others) {
            let path = ColumnPath { steps: vec![PathStep::Field(column.to_owned())], json: Vec::new() };
            self.exists("the event itself", &path)?;
        }
        Ok(())
    }

    fn exists(&self, property: &str, path: &ColumnPath) -> Result<Option<Kind>, MapError> {
        let declared = |name: &str| self.columns.iter().find(|(column, _)| column == name).map(|(_, t)| t.clone());
        if path.resolve(declared).is_some() {
            return Ok(None);
        }
        let names = path.attribute_path();
        let unknown = |of: String, suggestion| MapError::UnknownPath {
            dialect: self.dialect.to_owned(),
            property: property.to_owned(),
            path: path.to_string(),
            of,
            suggestion,
        };
        let Some(attributes) = self.attributes else {
            let known = self.columns.iter().map(|(column, _)| column.as_str());
            let suggestion = nearest(names.split('.').next().unwrap_or_default(), known);
            return Err(unknown("column that the map declares".to_owned(), suggestion));
        };
        let of = format!("attribute of OCSF {}", attributes.schema.version());
        let Some(attribute) = attributes.at(&names) else {
            return Err(unknown(of, nearest_attribute(attributes.schema, &names)));
        };
        if !arrays_agree(attributes, path) {
            return Err(unknown(format!("{of} (arrays are written with `[]`)"), None));
        }
        Ok(match attribute.kind {
            AttributeKind::Scalar(scalar) => kind_of(scalar),
            AttributeKind::Object(_) => None,
        })
    }
}

/// Whether `[]` stands just where OCSF has arrays; the last may be left out.
fn arrays_agree(attributes: &Attributes, path: &ColumnPath) -> bool {
    let mut names = String::new();
    let mut steps = path.steps.iter().peekable();
    while let Some(step) = steps.next() {
        let PathStep::Field(name) = step else { return false };
        names = if names.is_empty() { name.clone() } else { format!("{names}.{name}") };
        let Some(attribute) = attributes.at(&names) else { return false };
        match steps.peek() {
            Some(PathStep::Each) if attribute.is_array => {
                steps.next();
            }
            Some(PathStep::Key(_)) if !attribute.is_array => {
                steps.next();
            }
            Some(PathStep::Each | PathStep::Key(_) | PathStep::Index(_)) => return false,
            Some(PathStep::Field(_)) if attribute.is_array => return false,
            _ => {}
        }
    }
    true
}

/// The nearest attribute: the longest beginning that exists, and the nearest name after it.
fn nearest_attribute(schema: &Schema, names: &str) -> Option<String> {
    let parts: Vec<&str> = names.split('.').collect();
    for known in (0..parts.len()).rev() {
        let beginning = parts[..known].join(".");
        let mut candidates = BTreeSet::new();
        for class in schema.classes() {
            let attributes = if known == 0 {
                Some(&class.attributes)
            } else {
                schema.attribute_at(class, &beginning).and_then(|attribute| match attribute.kind {
                    AttributeKind::Object(id) => Some(&schema.object_by_id(id).attributes),
                    AttributeKind::Scalar(_) => None,
                })
            };
            candidates.extend(attributes.into_iter().flatten().map(|attribute| attribute.name));
        }
        if !candidates.is_empty() {
            let name = nearest(parts.get(known)?, candidates.into_iter())?;
            return Some(if beginning.is_empty() { name } else { format!("{beginning}.{name}") });
        }
    }
    None
}

fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<String> {
    known
        .map(|candidate| (strsim::jaro_winkler(name, candidate), candidate))
        .filter(|(likeness, _)| *likeness > 0.75)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate.to_owned())
}

pub(crate) fn joined(at: Option<&ColumnPath>, below: Option<&ColumnPath>) -> Option<ColumnPath> {
    match (at, below) {
        (Some(at), Some(below)) => Some(at.join(below)),
        (at, below) => at.or(below).cloned(),
    }
}
