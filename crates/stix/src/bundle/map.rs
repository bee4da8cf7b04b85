//! Which columns become which objects: data, `dialect-maps/results/*.json`, described in `docs/stix.md`.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value as Json};
use thiserror::Error;

use super::types::{self, ADDRESS, Kind, Specified};
use super::values::{read_time, stamp};

/// A row of a result by column. Columns with structure are JSON, or JSON as text.
pub type Row = Map<String, Json>;

/// Why a map cannot be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum MapError {
    /// It is not of the form of a results map.
    #[error("the results map cannot be read: {0}")]
    Form(#[from] serde_json::Error),
    /// It speaks of something that STIX does not have.
    #[error("object {object} of the results map ({object_type}): {fault}")]
    Object {
        /// Its place among `objects`.
        object: usize,
        /// Its type.
        object_type: String,
        /// What is wrong.
        fault: String,
    },
}

/// A checked map from rows to objects.
///
/// Own types keep their properties' names, except that STIX 2.1 reserves `action`, `created`, `modified`,
/// `phone_numbers`, `revoked`, `severity` and `username`: in its bundles they are `x_action` and so on.
#[derive(Debug)]
pub struct ResultsMap {
    dialect: String,
    pub(super) first: Vec<Path>,
    pub(super) last: Vec<Path>,
    pub(super) count: Vec<Path>,
    pub(super) objects: Vec<Rule>,
    /// For rows of which no other rule makes anything.
    pub(super) whole_row: Rule,
}

/// An object that a row, or every element of a list in it, may hold.
#[derive(Debug)]
pub(super) struct Rule {
    pub(super) name: Option<String>,
    pub(super) object_type: String,
    pub(super) each: Option<Path>,
    pub(super) properties: BTreeMap<String, Source>,
    /// By property the names of rules; the first that made an object counts.
    pub(super) references: BTreeMap<String, Vec<String>>,
    pub(super) needs: Vec<String>,
    when: Vec<Condition>,
    unless: Vec<Condition>,
    /// Values that do not fit are normal, and not told.
    pub(super) quiet: bool,
}

/// A path, and the texts of which its value is one.
type Condition = (Path, Vec<String>);

/// Where a value comes from.
#[derive(Debug)]
pub(super) struct Source {
    /// The first that is there counts.
    paths: Vec<Path>,
    /// Other values for some.
    values: BTreeMap<String, Json>,
    constant: Option<Json>,
    conversion: Option<Conversion>,
}

/// What is done with a value before its property reads it.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Conversion {
    /// A text of digits becomes a number.
    Integer,
    /// A time, as STIX writes it.
    Time,
    Lower,
    /// The last part of a file path.
    Basename,
    /// What is before the last part of a file path.
    Dirname,
}

/// `a.b[0].c`.
#[derive(Debug, Clone)]
pub(super) struct Path(Vec<Segment>);

impl Path {
    /// The names before the first element of a list.
    fn members(&self) -> Vec<&str> {
        let names = self.0.iter().map_while(|segment| match segment {
            Segment::Member(name) => Some(name.as_str()),
            Segment::Element(_) => None,
        });
        names.collect()
    }
}

#[derive(Debug, Clone)]
enum Segment {
    Member(String),
    Element(usize),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MapFile {
    #[serde(rename = "$schema")]
    _schema: Option<String>,
    dialect: String,
    #[serde(rename = "description")]
    _description: Option<String>,
    first_observed: Vec<String>,
    last_observed: Vec<String>,
    #[serde(default)]
    number_observed: Vec<String>,
    objects: Vec<RuleFile>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RuleFile {
    name: Option<String>,
    #[serde(rename = "type")]
    object_type: String,
    each: Option<String>,
    #[serde(default)]
    properties: BTreeMap<String, SourceFile>,
    #[serde(default)]
    references: BTreeMap<String, OneOrMore>,
    #[serde(default)]
    needs: Vec<String>,
    #[serde(default)]
    when: BTreeMap<String, Vec<String>>,
    #[serde(default)]
    unless: BTreeMap<String, Vec<String>>,
    #[serde(default)]
    quiet: bool,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum SourceFile {
    Paths(OneOrMore),
    Constant {
        constant: Json,
    },
    Full {
        from: OneOrMore,
        #[serde(default)]
        values: BTreeMap<String, Json>,
        #[serde(rename = "as")]
        conversion: Option<Conversion>,
    },
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMore {
    One(String),
    More(Vec<String>),
}

impl OneOrMore {
    fn list(self) -> Vec<String> {
        match self {
            OneOrMore::One(one) => vec![one],
            OneOrMore::More(more) => more,
        }
    }
}

const SHIPPED: &[(&str, &str)] = &[
    ("guardduty", include_str!("../../../../dialect-maps/results/guardduty.json")),
    ("ocsf", include_str!("../../../../dialect-maps/results/ocsf.json")),
    ("vpcflow", include_str!("../../../../dialect-maps/results/vpcflow.json")),
];

impl ResultsMap {
    /// Reads a map and checks it against the specification's types.
    ///
    /// # Errors
    ///
    /// For another form, and for types and properties that STIX does not have.
    pub fn parse(json: &str) -> Result<ResultsMap, MapError> {
        let file: MapFile = serde_json::from_str(json)?;
        let names: Vec<String> = file.objects.iter().filter_map(|rule| rule.name.clone()).collect();
        let mut objects = Vec::with_capacity(file.objects.len());
        for (object, rule) in file.objects.into_iter().enumerate() {
            let object_type = rule.object_type.clone();
            let fault = |fault| MapError::Object { object, object_type, fault };
            objects.push(Rule::check(rule, &names).map_err(|error| fault(error.to_string()))?);
        }
        let whole_row = Rule {
            name: None,
            object_type: "x-sluice-row".to_owned(),
            each: None,
            properties: BTreeMap::new(),
            references: BTreeMap::new(),
            needs: Vec::new(),
            when: Vec::new(),
            unless: Vec::new(),
            quiet: true,
        };
        let paths = |texts: Vec<String>| texts.iter().map(|text| Path::parse(text)).collect();
        Ok(ResultsMap {
            dialect: file.dialect,
            first: paths(file.first_observed),
            last: paths(file.last_observed),
            count: paths(file.number_observed),
            objects,
            whole_row,
        })
    }

    /// A map that comes with Sluice: `ocsf`, `vpcflow` or `guardduty`.
    pub fn shipped(dialect: &str) -> Option<ResultsMap> {
        let (_, json) = SHIPPED.iter().find(|(name, _)| *name == dialect)?;
        ResultsMap::parse(json).ok()
    }

    /// The names of the maps that come with Sluice.
    pub fn shipped_dialects() -> impl Iterator<Item = &'static str> {
        SHIPPED.iter().map(|(name, _)| *name)
    }

    /// The paths of a row that the map reads, as far as they lead without going into a list.
    pub fn paths(&self) -> Vec<Vec<&str>> {
        let times = self.first.iter().chain(&self.last).chain(&self.count).map(Path::members);
        let mut paths: Vec<Vec<&str>> = times.chain(self.objects.iter().flat_map(Rule::paths)).collect();
        paths.sort();
        paths.dedup();
        paths
    }

    /// The dialect whose rows it is for.
    pub fn dialect(&self) -> &str {
        &self.dialect
    }
}

/// Why a rule of a map cannot be used.
#[derive(Debug, thiserror::Error)]
enum RuleFault {
    #[error("there is no such type here; own types start with `x-`")]
    Type,
    #[error("`{0}` cannot be a property's name")]
    PropertyName(String),
    #[error("the type has no property `{0}`")]
    NoProperty(String),
    #[error("`{0}` is a reference and belongs under `references`")]
    Reference(String),
    #[error("the type has no reference `{0}`")]
    NoReference(String),
    #[error("`{name}` refers to `{object}`, which no object is named")]
    NoObject { name: String, object: String },
}

impl Rule {
    /// The paths of a row that it reads.
    fn paths(&self) -> Vec<Vec<&str>> {
        let conditions = self.when.iter().chain(&self.unless).map(|(path, _)| path);
        let values = self.properties.values().flat_map(|source| &source.paths).chain(conditions);
        match &self.each {
            Some(list) => vec![list.members()],
            None => values.map(Path::members).collect(),
        }
    }

    fn check(rule: RuleFile, names: &[String]) -> Result<Rule, RuleFault> {
        let object_type = rule.object_type;
        let is_own = is_own_type(&object_type);
        if !is_own && object_type != ADDRESS && Specified::of(&object_type).is_none() {
            return Err(RuleFault::Type);
        }
        for name in rule.properties.keys() {
            match types::property(&object_type, name) {
                _ if is_own && !is_property_name(name) => return Err(RuleFault::PropertyName(name.clone())),
                None if !is_own => return Err(RuleFault::NoProperty(name.clone())),
                Some(property) if matches!(property.kind, Kind::Reference | Kind::References) => {
                    return Err(RuleFault::Reference(name.clone()));
                }
                _ => {}
            }
        }
        for (name, targets) in &rule.references {
            let is_reference = match types::property(&object_type, name) {
                Some(property) => matches!(property.kind, Kind::Reference | Kind::References),
                None => is_own && is_property_name(name) && (name.ends_with("_ref") || name.ends_with("_refs")),
            };
            if !is_reference {
                return Err(RuleFault::NoReference(name.clone()));
            }
            let targets: Vec<&String> = match targets {
                OneOrMore::One(one) => vec![one],
                OneOrMore::More(more) => more.iter().collect(),
            };
            if let Some(unknown) = targets.into_iter().find(|target| !names.contains(target)) {
                return Err(RuleFault::NoObject { name: name.clone(), object: unknown.clone() });
            }
        }
        Ok(Rule {
            name: rule.name,
            object_type,
            each: rule.each.map(|path| Path::parse(&path)),
            properties: rule.properties.into_iter().map(|(name, source)| (name, Source::of(source))).collect(),
            references: rule.references.into_iter().map(|(name, targets)| (name, targets.list())).collect(),
            needs: rule.needs,
            when: conditions(rule.when),
            unless: conditions(rule.unless),
            quiet: rule.quiet,
        })
    }

    /// Whether the rule is for this row, or this element of a list.
    pub(super) fn applies(&self, element: &Json) -> bool {
        let holds =
            |(path, texts): &Condition| path.of(element).is_some_and(|value| texts.iter().any(|text| value == *text));
        self.when.iter().all(holds) && !self.unless.iter().any(holds)
    }

    pub(super) fn is_constant(&self, property: &str) -> bool {
        self.properties.get(property).is_some_and(|source| source.constant.is_some())
    }
}

fn conditions(written: BTreeMap<String, Vec<String>>) -> Vec<Condition> {
    written.into_iter().map(|(path, texts)| (Path::parse(&path), texts)).collect()
}

fn is_own_type(text: &str) -> bool {
    text.len() > 3
        && text.starts_with("x-")
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

fn is_property_name(text: &str) -> bool {
    (3..=250).contains(&text.len())
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
}

impl Source {
    fn of(source: SourceFile) -> Source {
        let paths = |from: OneOrMore| from.list().iter().map(|text| Path::parse(text)).collect();
        match source {
            SourceFile::Paths(from) => {
                Source { paths: paths(from), values: BTreeMap::new(), constant: None, conversion: None }
            }
            SourceFile::Constant { constant } => {
                Source { paths: Vec::new(), values: BTreeMap::new(), constant: Some(constant), conversion: None }
            }
            SourceFile::Full { from, values, conversion } => {
                Source { paths: paths(from), values, constant: None, conversion }
            }
        }
    }

    /// The value in a row, or in an element of a list in it. Null, an empty text and `-` are no values.
    pub(super) fn value(&self, element: &Json) -> Option<Json> {
        if self.constant.is_some() {
            return self.constant.clone();
        }
        let found = self.paths.iter().find_map(|path| path.of(element))?;
        let key = match &found {
            Json::String(text) => Some(text.clone()),
            Json::Number(number) => Some(number.to_string()),
            _ => None,
        };
        let found = key.and_then(|key| self.values.get(&key).cloned()).unwrap_or(found);
        match (self.conversion, &found) {
            (Some(Conversion::Integer), Json::String(text)) => {
                Some(text.parse::<i64>().map_or(found.clone(), Json::from))
            }
            (Some(Conversion::Time), _) => Some(read_time(&found).map_or(found, |at| stamp(at).into())),
            (Some(Conversion::Lower), Json::String(text)) => Some(text.to_lowercase().into()),
            (Some(Conversion::Basename), Json::String(text)) => {
                text.rsplit(['/', '\\']).next().filter(|name| !name.is_empty()).map(Json::from)
            }
            (Some(Conversion::Dirname), Json::String(text)) => {
                text.rfind(['/', '\\']).and_then(|end| text.get(..end.max(1))).map(Json::from)
            }
            _ => Some(found),
        }
    }
}

impl Path {
    fn parse(text: &str) -> Path {
        let mut segments = Vec::new();
        for part in text.split('.') {
            let (name, indexes) = part.split_once('[').map_or((part, ""), |(name, rest)| (name, rest));
            if !name.is_empty() {
                segments.push(Segment::Member(name.to_owned()));
            }
            let indexes = indexes.split(['[', ']']).filter_map(|index| index.parse().ok());
            segments.extend(indexes.map(Segment::Element));
        }
        Path(segments)
    }

    pub(super) fn of_row(&self, row: &Row) -> Option<Json> {
        let Some((Segment::Member(column), rest)) = self.0.split_first() else { return None };
        walk(row.get(column)?, rest)
    }

    fn of(&self, element: &Json) -> Option<Json> {
        walk(element, &self.0)
    }
}

/// Columns with structure come as JSON text, which is read wherever it is stepped into.
fn walk(value: &Json, path: &[Segment]) -> Option<Json> {
    let read = match value {
        Json::String(text) if text.starts_with(['{', '[', '"']) => serde_json::from_str(text).ok(),
        _ => None,
    };
    let value = read.as_ref().unwrap_or(value);
    match (path.split_first(), value) {
        (None, Json::Null) => None,
        (None, Json::String(text)) if text.is_empty() || text == "-" => None,
        (None, Json::Object(members)) if members.is_empty() => None,
        (None, Json::Array(items)) if items.is_empty() => None,
        (None, value) => Some(value.clone()),
        (Some((Segment::Member(name), rest)), Json::Object(members)) => walk(member(members, name)?, rest),
        (Some((Segment::Element(index), rest)), Json::Array(items)) => walk(items.get(*index)?, rest),
        _ => None,
    }
}

/// Catalogues fold the names of fields to lower case.
fn member<'j>(members: &'j Map<String, Json>, name: &str) -> Option<&'j Json> {
    members
        .get(name)
        .or_else(|| members.iter().find(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value))
}
