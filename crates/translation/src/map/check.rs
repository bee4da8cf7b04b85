//! Whether the paths of a map exist, and the nearest of those that do.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};

use ocsf::schema::{Attribute, AttributeKind, ScalarType, Schema};
use sql::types::ColumnType;

use super::{DialectMap, Kind, MapError, joined, sibling};
use crate::path::{ColumnPath, PathStep};

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

pub(super) struct Check<'a> {
    pub(super) dialect: &'a str,
    pub(super) attributes: Option<&'a Attributes>,
    pub(super) columns: &'a [(String, ColumnType)],
}

impl Check<'_> {
    /// Every path exists, and kinds follow from OCSF's types.
    pub(super) fn check(&self, map: &mut DialectMap) -> Result<(), MapError> {
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

pub(super) fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<String> {
    known
        .map(|candidate| (strsim::jaro_winkler(name, candidate), candidate))
        .filter(|(likeness, _)| *likeness > 0.75)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate.to_owned())
}
