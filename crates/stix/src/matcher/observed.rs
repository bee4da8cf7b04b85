//! Observed data as the specification's versions have it, made one form.

use serde_json::{Map, Value as Json};

use super::MatchError;
use crate::parser::Version;
use crate::pattern::Timestamp;
use crate::time;

/// An observation: what was seen, when, and how often.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Observed {
    /// The id of the `observed-data` object, if it has one.
    pub id: Option<String>,
    /// When it was first seen.
    pub first: Timestamp,
    /// When it was last seen.
    pub last: Timestamp,
    /// How often, at least once.
    pub number_observed: u64,
    /// Objects with their ids.
    objects: Vec<(String, Json)>,
    /// Whether types of other STIX objects (identities, reports) are none of an observation.
    only_cyber: bool,
}

impl Observed {
    /// The objects of a type with their places.
    pub(super) fn objects_of<'o>(&'o self, object_type: &'o str) -> impl Iterator<Item = (usize, &'o Json)> {
        let is_cyber = !self.only_cyber || !OTHER_TYPES.contains(&object_type);
        let is_of_type =
            move |object: &Json| is_cyber && object.get("type").and_then(Json::as_str) == Some(object_type);
        let places = self.objects.iter().enumerate();
        places.filter(move |(_, (_, object))| is_of_type(object)).map(|(place, (_, object))| (place, object))
    }

    /// The object that a reference of another one leads to.
    pub(super) fn object(&self, id: &str) -> Option<&Json> {
        self.objects.iter().find(|(other, _)| other == id).map(|(_, object)| object)
    }
}

/// Reads observed data: of 2.0 a list of `observed-data` objects with their dictionaries of objects, of 2.1 a list of
/// bundles with `observed-data` and the objects that it refers to, anywhere in the list. A single one need not be in a
/// list.
///
/// # Errors
///
/// [`MatchError::Observed`] for what is in another form.
pub fn observations(data: &Json, version: Version) -> Result<Vec<Observed>, MatchError> {
    let list = match data {
        Json::Array(list) => list.as_slice(),
        single => std::slice::from_ref(single),
    };
    match version {
        Version::V20 => list.iter().enumerate().map(|(index, data)| of_dictionary(data, index)).collect(),
        Version::V21 => of_bundles(list),
    }
}

fn of_dictionary(data: &Json, index: usize) -> Result<Observed, MatchError> {
    let mut observed = read(data, index)?;
    let objects = data.get("objects").and_then(Json::as_object);
    observed.objects = objects.into_iter().flatten().map(|(id, object)| (id.clone(), object.clone())).collect();
    Ok(observed)
}

fn of_bundles(bundles: &[Json]) -> Result<Vec<Observed>, MatchError> {
    let mut known: Map<String, Json> = Map::new();
    let mut found = Vec::new();
    for (index, bundle) in bundles.iter().enumerate() {
        let fault = |fault: &str| MatchError::Observed { index, fault: fault.to_owned() };
        let objects = bundle.get("objects").and_then(Json::as_array).ok_or_else(|| fault("a bundle has `objects`"))?;
        for object in objects {
            if object.get("type").and_then(Json::as_str) == Some("observed-data") {
                found.push((index, object));
            } else if let Some(id) = object.get("id").and_then(Json::as_str) {
                known.insert(id.to_owned(), object.clone());
            } else {
                return Err(fault("an object has an `id`"));
            }
        }
    }
    let mut observed_data = Vec::with_capacity(found.len());
    for (index, data) in found {
        let refs = data.get("object_refs").and_then(Json::as_array);
        let Some(refs) = refs else {
            let fault = "observed data of STIX 2.1 has `object_refs`".to_owned();
            return Err(MatchError::Observed { index, fault });
        };
        let ids = refs.iter().filter_map(Json::as_str);
        let mut observed = read(data, index)?;
        observed.only_cyber = true;
        observed.objects = ids.filter_map(|id| Some((id.to_owned(), known.get(id)?.clone()))).collect();
        observed_data.push(observed);
    }
    Ok(observed_data)
}

fn read(data: &Json, index: usize) -> Result<Observed, MatchError> {
    let fault = |fault: String| MatchError::Observed { index, fault };
    let time = |name: &str| {
        let text = data.get(name).and_then(Json::as_str).ok_or_else(|| fault(format!("`{name}` is missing")))?;
        let read = time::read(text).filter(|read| read.real_day);
        read.map(|read| read.at).ok_or_else(|| fault(format!("`{name}` is not a timestamp: {text:?}")))
    };
    let number = data.get("number_observed").and_then(Json::as_u64).filter(|number| *number > 0);
    let (first, last) = (time("first_observed")?, time("last_observed")?);
    if last < first {
        return Err(fault("`last_observed` is before `first_observed`".to_owned()));
    }
    Ok(Observed {
        id: data.get("id").and_then(Json::as_str).map(str::to_owned),
        first,
        last,
        number_observed: number.ok_or_else(|| fault("`number_observed` is a whole number, at least 1".to_owned()))?,
        objects: Vec::new(),
        only_cyber: false,
    })
}

/// Types of STIX 2.1 objects that are no cyber observables.
const OTHER_TYPES: &[&str] = &[
    "attack-pattern",
    "bundle",
    "campaign",
    "course-of-action",
    "extension-definition",
    "grouping",
    "identity",
    "incident",
    "indicator",
    "infrastructure",
    "intrusion-set",
    "language-content",
    "location",
    "malware",
    "malware-analysis",
    "marking-definition",
    "note",
    "observed-data",
    "opinion",
    "relationship",
    "report",
    "sighting",
    "threat-actor",
    "tool",
    "vulnerability",
];
